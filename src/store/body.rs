//! Bodies: a whole version in blocks, in a file of its own or, when small, in the database (R04).
//!
//! A body is a run of blocks: length, CRC-32 over the block's number and payload, payload. The
//! first holds the [`Head`], the next ones packed records, an empty one ends it. So a body that is
//! cut off, patched or stirred is damaged, and the digest in the head is checked on top.
//!
//! The file of a zone is named by the hex of BLAKE3-128 of its lower-cased apex and a generation,
//! since what a row points to is never written again: a new body is a new file that appears under
//! its name when it is whole and synced, and the commit of the row that points to it decides. What
//! no row points to is removed at the next opening.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::format::{Cursor, Damaged, put_option};
use super::{StoreError, ZoneMeta, postscript};
use crate::dns::{Name, NameRef, Records, Serial};
use crate::env::{Disk, File, OpenMode};
use crate::time::Wall;
use crate::zone::{Builder, Digest, DigestKey, Source, Version, Walk};

/// What a body begins with: the name and the version of the format.
const MAGIC: &[u8; 8] = b"BWbody\x00\x01";
/// A block is closed when it reaches this size.
const BLOCK_OCTETS: usize = 64 * 1024;
/// What a record commonly takes.
const RECORD_OCTETS: usize = 48;
/// What stands before the payload of a block.
const FRAME_OCTETS: usize = 8;
/// No block is longer: the aim and one longest record.
const BLOCK_OCTETS_MAX: usize = BLOCK_OCTETS + 255 + 10 + 65_535;
/// What the names of files end in until they are whole.
const UNFINISHED: &str = ".new";

/// Writes bodies, on any thread; see [`Store::compactor`](super::Store::compactor).
#[derive(Clone, Debug)]
pub struct Compactor {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// What is longer goes into a file.
    inline_octets_max: usize,
    /// The generation that the next file gets.
    generation: Arc<AtomicU64>,
}

/// A body that is written and that nothing points to yet; goes into a commit.
#[derive(Clone, Debug)]
pub struct PreparedBody {
    pub(super) serial: Serial,
    pub(super) digest: Digest,
    pub(super) octets: u64,
    pub(super) place: Place,
}

/// Where a prepared body is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Here, to be put into the database.
    Inline(Vec<u8>),
    /// In the file of that generation, synced.
    File(u64),
}

/// What a body says of itself; the floor and the deadline as they were when it was written.
pub(super) struct Head {
    pub(super) apex: Name,
    pub(super) key: DigestKey,
    pub(super) serial_floor: Option<Serial>,
    pub(super) expire_at: Option<Wall>,
    serial: Serial,
    digest: Digest,
    records: u64,
}

/// A body that was read back.
pub(super) struct Body {
    pub(super) head: Head,
    pub(super) version: Version,
}

impl Compactor {
    /// The folder `dir`, made if it is not there; generations go on after the newest file.
    pub(super) fn open(disk: Arc<dyn Disk>, dir: PathBuf, inline_octets_max: usize) -> io::Result<Compactor> {
        disk.create_dir_all(&dir)?;
        let compactor = Compactor { disk, dir, inline_octets_max, generation: Arc::default() };
        let newest = compactor.files()?.iter().map(|(_, generation)| *generation).max();
        compactor.generation.store(newest.map_or(1, |newest| newest + 1), Ordering::Relaxed);
        Ok(compactor)
    }

    /// Writes the body of a version, without touching what the store holds of the zone.
    pub fn write(&self, version: &Version, meta: &ZoneMeta) -> Result<PreparedBody, StoreError> {
        self.write_body(version, meta).map_err(StoreError::from)
    }

    /// The same, with the error as the disk gave it.
    pub(super) fn write_body(&self, version: &Version, meta: &ZoneMeta) -> io::Result<PreparedBody> {
        let mut blocks = Blocks { to: self, apex: version.apex(), number: 0, inline: Vec::new(), file: None };
        blocks.put(&encode_head(version, meta))?;
        let some = (version.record_count() as usize).saturating_mul(RECORD_OCTETS).min(BLOCK_OCTETS);
        let (mut walk, mut records) = (Walk::default(), Records::with_room(some));
        while let Some(record) = walk.next(version) {
            records.push(record);
            if records.octets().len() >= BLOCK_OCTETS {
                blocks.put(records.octets())?;
                records.clear();
            }
        }
        if !records.is_empty() {
            blocks.put(records.octets())?;
        }
        blocks.put(&[])?;
        let (octets, place) = blocks.finish()?;
        Ok(PreparedBody { serial: version.serial(), digest: version.digest(), octets, place })
    }

    /// Reads the body file of a zone.
    pub(super) fn read(&self, apex: &[u8], generation: u64, key: DigestKey) -> Result<Body, String> {
        let path = self.dir.join(file_name(apex, generation));
        let file = self.disk.open(&path, OpenMode::Existing).map_err(|error| error.to_string())?;
        let mut body = read_body(&mut FileReader { file, at: 0 }, key)?;
        self.complete(&mut body.head, &stem_of(apex), generation);
        if body.head.apex.as_ref().to_lowercase().as_ref().wire() != apex {
            return Err(format!("{} holds another zone", path.display()));
        }
        Ok(body)
    }

    /// Reads a file of which only the name is known, when the database is lost.
    pub(super) fn read_found(&self, stem: &str, generation: u64, key: DigestKey) -> Result<Body, String> {
        let path = self.dir.join(format!("{stem}.{generation:016x}"));
        let file = self.disk.open(&path, OpenMode::Existing).map_err(|error| error.to_string())?;
        let mut body = read_body(&mut FileReader { file, at: 0 }, key)?;
        self.complete(&mut body.head, stem, generation);
        let apex = body.head.apex.as_ref().to_lowercase();
        if stem_of(apex.as_ref().wire()) != stem {
            return Err(format!("{} holds another zone", path.display()));
        }
        Ok(body)
    }

    /// All whole body files: the part of the name that stands for the zone, and the generation.
    pub(super) fn files(&self) -> io::Result<Vec<(String, u64)>> {
        let names = self.disk.list(&self.dir)?;
        Ok(names.iter().filter_map(|name| split_file_name(name.to_str()?)).collect())
    }

    /// Removes a file that nothing points to any more. It is removed at the next opening if that
    /// fails now.
    pub(super) fn remove(&self, apex: &[u8], generation: u64) {
        let _ = self.disk.remove(&self.dir.join(file_name(apex, generation)));
        let _ = self.disk.remove(&self.dir.join(file_name(apex, generation) + postscript::ENDING));
    }

    /// Opens a file whose name is that of a body with an ending.
    pub(super) fn open_beside(
        &self,
        stem: &str,
        generation: u64,
        ending: &str,
        mode: OpenMode,
    ) -> io::Result<Box<dyn File>> {
        self.disk.open(&self.dir.join(format!("{stem}.{generation:016x}{ending}")), mode)
    }

    /// Replaces such a file, whole or not at all.
    pub(super) fn replace_beside(
        &self,
        apex: &[u8],
        generation: u64,
        ending: &str,
        octets: &[u8],
    ) -> io::Result<()> {
        let unfinished = format!("{ending}{UNFINISHED}");
        let file = self.open_beside(&stem_of(apex), generation, &unfinished, OpenMode::Fresh)?;
        file.write_at(0, octets)?;
        file.sync()?;
        let name = file_name(apex, generation);
        self.disk.rename(&self.dir.join(name.clone() + &unfinished), &self.dir.join(name + ending))?;
        self.disk.sync_dir(&self.dir)
    }

    /// Gives a file that cannot be read a name under which it is neither read nor removed.
    pub(super) fn set_aside(&self, stem: &str, generation: u64) {
        let path = self.dir.join(format!("{stem}.{generation:016x}"));
        let _ = self.disk.rename(&path, &path.with_extension(format!("{generation:016x}.unreadable")));
    }

    /// Removes all that `wanted` does not name, unfinished files included.
    pub(super) fn sweep(&self, wanted: impl Fn(&str, u64) -> bool) -> io::Result<()> {
        for name in self.disk.list(&self.dir)? {
            // A postscript goes with its body.
            let body = name.to_str().map(|name| name.strip_suffix(postscript::ENDING).unwrap_or(name));
            let known = body.and_then(split_file_name);
            let ours = name.to_str().is_some_and(|name| name.ends_with(UNFINISHED));
            if ours || known.is_some_and(|(stem, generation)| !wanted(&stem, generation)) {
                self.disk.remove(&self.dir.join(&name))?;
            }
        }
        Ok(())
    }
}

/// The part of a file's name that stands for the zone (R04).
pub(super) fn stem_of(apex: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&blake3::hash(apex).as_bytes()[..16])
}

fn file_name(apex: &[u8], generation: u64) -> String {
    format!("{}.{generation:016x}", stem_of(apex))
}

fn split_file_name(name: &str) -> Option<(String, u64)> {
    let (stem, generation) = name.split_once('.')?;
    let generation = u64::from_str_radix(generation, 16).ok()?;
    (stem.len() == 32 && generation < u64::MAX).then(|| (stem.to_owned(), generation))
}

/// Blocks on their way to where they belong: kept here until they are too many for the database.
struct Blocks<'a> {
    to: &'a Compactor,
    apex: NameRef<'a>,
    number: u64,
    inline: Vec<u8>,
    file: Option<(Box<dyn File>, u64, u64)>,
}

impl Blocks<'_> {
    fn put(&mut self, payload: &[u8]) -> io::Result<()> {
        // With the empty one that comes last.
        self.inline.reserve(payload.len() + 2 * FRAME_OCTETS);
        self.inline.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        self.inline.extend_from_slice(&checksum(self.number, payload).to_be_bytes());
        self.inline.extend_from_slice(payload);
        self.number += 1;
        if self.inline.len() > self.to.inline_octets_max && self.file.is_none() {
            let generation = self.to.generation.fetch_add(1, Ordering::Relaxed);
            let file = self.to.disk.open(&self.path(generation, UNFINISHED), OpenMode::Fresh)?;
            self.file = Some((file, generation, 0));
        }
        self.flush()
    }

    /// Passes on to the file, if there is one, what has come together.
    fn flush(&mut self) -> io::Result<()> {
        if let Some((file, _, at)) = &mut self.file {
            file.write_at(*at, &self.inline)?;
            *at += self.inline.len() as u64;
            self.inline.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<(u64, Place)> {
        let Some((file, generation, octets)) = &self.file else {
            return Ok((self.inline.len() as u64, Place::Inline(std::mem::take(&mut self.inline))));
        };
        file.sync()?;
        let done = (*octets, Place::File(*generation));
        self.to.disk.rename(&self.path(*generation, UNFINISHED), &self.path(*generation, ""))?;
        self.file = None;
        self.to.disk.sync_dir(&self.to.dir)?;
        Ok(done)
    }

    fn path(&self, generation: u64, ending: &str) -> PathBuf {
        let apex = self.apex.to_lowercase();
        self.to.dir.join(file_name(apex.as_ref().wire(), generation) + ending)
    }
}

impl Drop for Blocks<'_> {
    /// A file that did not become whole only takes space, and space may be what was missing.
    fn drop(&mut self) {
        if let Some((_, generation, _)) = self.file.take() {
            let _ = self.to.disk.remove(&self.path(generation, UNFINISHED));
        }
    }
}

fn checksum(number: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_be_bytes());
    hasher.update(payload);
    hasher.finalize()
}

fn encode_head(version: &Version, meta: &ZoneMeta) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&version.serial().0.to_be_bytes());
    out.extend_from_slice(&version.digest().0.to_be_bytes());
    out.extend_from_slice(&version.key().0);
    out.extend_from_slice(&version.record_count().to_be_bytes());
    put_option(&mut out, meta.serial_floor.map(|serial| serial.0.to_be_bytes()));
    put_option(&mut out, meta.expire_at.map(|wall| wall.0.to_be_bytes()));
    out.extend_from_slice(version.apex().wire());
    out
}

fn decode_head(octets: &[u8]) -> Result<Head, Damaged> {
    let mut octets = Cursor(octets);
    if &octets.array::<8>()? != MAGIC {
        return Err(Damaged("it does not begin like a body of this format"));
    }
    Ok(Head {
        serial: Serial(octets.u32()?),
        digest: Digest(u128::from_be_bytes(octets.array()?)),
        key: DigestKey(octets.array()?),
        records: octets.u64()?,
        serial_floor: octets.option()?.map(|serial| Serial(u32::from_be_bytes(serial))),
        expire_at: octets.option()?.map(|wall| Wall(u64::from_be_bytes(wall))),
        apex: Name::from_wire(octets.0).map_err(|_| Damaged("its name is not a name"))?,
    })
}

/// Reads a body and checks all that can be checked. The digest can if it was made with `key`.
pub(super) fn read_body(from: &mut dyn Read, key: DigestKey) -> Result<Body, String> {
    let mut blocks = BlockReader { from, number: 0, payload: Vec::new() };
    let head = decode_head(blocks.next()?).map_err(|Damaged(what)| what.to_owned())?;
    let mut builder = Builder::new(head.apex.as_ref(), key, Source::Received);
    loop {
        let payload = blocks.next()?.to_vec();
        if payload.is_empty() {
            break;
        }
        let records = Records::from_octets(payload).map_err(|_| "a block holds no records".to_owned())?;
        for record in &records {
            builder.push(record).map_err(|error| format!("a record does not belong: {error:?}"))?;
        }
    }
    let version = builder.finish().map_err(|error| format!("it is no zone: {error:?}"))?.version;
    let digest_fits = head.key != key || version.digest() == head.digest;
    if version.serial() != head.serial || version.record_count() != head.records || !digest_fits {
        return Err("its digest does not fit".to_owned());
    }
    Ok(Body { head, version })
}

/// Takes blocks apart.
struct BlockReader<'a> {
    from: &'a mut dyn Read,
    number: u64,
    payload: Vec<u8>,
}

impl BlockReader<'_> {
    fn next(&mut self) -> Result<&[u8], String> {
        let mut frame = [0; 8];
        self.from.read_exact(&mut frame).map_err(|error| error.to_string())?;
        let [l0, l1, l2, l3, c0, c1, c2, c3] = frame;
        let len = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        if len > BLOCK_OCTETS_MAX {
            return Err(format!("block {} has no length", self.number));
        }
        self.payload.resize(len, 0);
        self.from.read_exact(&mut self.payload).map_err(|error| error.to_string())?;
        if checksum(self.number, &self.payload) != u32::from_be_bytes([c0, c1, c2, c3]) {
            return Err(format!("the checksum of block {} does not fit", self.number));
        }
        self.number += 1;
        Ok(&self.payload)
    }
}

/// Reads a file from its beginning.
struct FileReader {
    file: Box<dyn File>,
    at: u64,
}

impl Read for FileReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(self.at, out)?;
        self.at += count as u64;
        Ok(count)
    }
}
