//! What a body file repeats of its row since it was written (R01).
//!
//! Floor and deadline live in the row. For the case that the database is lost, a body says what they
//! were when it was written, and a small file beside it, its postscript, what they were later: within
//! a day, since a floor moves with every edit and a deadline with every refresh, and a body of a
//! gigabyte is not written anew for eight octets. Whoever reads a body reads its postscript too.

use std::io;

use super::ZoneMeta;
use super::body::{Compactor, Head};
use super::format::{Cursor, Damaged, put_option, seal, unseal};
use crate::dns::Serial;
use crate::env::{File, OpenMode};
use crate::time::Wall;

/// What a postscript begins with: the name and the version of the format.
const MAGIC: &[u8; 8] = b"BWlate\x00\x01";
/// What the names of postscripts end in, after that of their body.
pub(super) const ENDING: &str = ".later";
/// No postscript is longer.
const OCTETS_MAX: usize = 64;

impl Compactor {
    /// Writes the postscript of a body file, or writes it anew.
    pub(super) fn write_postscript(&self, apex: &[u8], generation: u64, meta: &ZoneMeta) -> io::Result<()> {
        let mut octets = MAGIC.to_vec();
        put_option(&mut octets, meta.serial_floor.map(|serial| serial.0.to_be_bytes()));
        put_option(&mut octets, meta.expire_at.map(|wall| wall.0.to_be_bytes()));
        self.replace_beside(apex, generation, ENDING, &seal(octets))
    }

    /// Completes a head by the postscript of its body, if there is one that can be read.
    pub(super) fn complete(&self, head: &mut Head, stem: &str, generation: u64) {
        let Ok(file) = self.open_beside(stem, generation, ENDING, OpenMode::Existing) else { return };
        let Some((floor, expire_at)) = read(&*file) else { return };
        head.serial_floor = match (head.serial_floor, floor) {
            (Some(body), Some(later)) => Some(body.newest(later)),
            (body, later) => later.or(body),
        };
        head.expire_at = expire_at.or(head.expire_at);
    }
}

fn read(file: &dyn File) -> Option<(Option<Serial>, Option<Wall>)> {
    let mut octets = [0; OCTETS_MAX];
    let length = file.read_at(0, &mut octets).ok()?;
    decode(octets.get(..length)?).ok()
}

fn decode(octets: &[u8]) -> Result<(Option<Serial>, Option<Wall>), Damaged> {
    let mut octets = Cursor(unseal(octets)?);
    if &octets.array::<8>()? != MAGIC {
        return Err(Damaged("it does not begin like a postscript of this format"));
    }
    let floor = octets.option()?.map(|serial| Serial(u32::from_be_bytes(serial)));
    let expire_at = octets.option()?.map(|wall| Wall(u64::from_be_bytes(wall)));
    octets.end()?;
    Ok((floor, expire_at))
}
