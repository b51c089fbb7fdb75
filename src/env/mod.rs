//! The world outside as traits: clocks, chance and the disk.
//!
//! Everything that can fail, jump or differ from run to run comes in through this room, so that a
//! simulation can put another world in its place ([`sim`]) and replay it from a seed. [`OsClock`],
//! [`OsRandom`] and [`OsDisk`] are the real ones. Sockets are not here: messages are carried by
//! `net/`, and in simulation by the test that drives the shards.

use std::ffi::OsString;
use std::fmt::Debug;
use std::io;
use std::path::Path;

use crate::time::Now;

mod real;
pub mod sim;

pub use real::{OsClock, OsDisk, OsRandom};

/// Tells the time. Read at the edge, handed down as a number.
pub trait Clock: Send + Sync {
    /// Both clocks at once.
    fn now(&self) -> Now;
}

/// A source of chance: message ids, jitter, keys.
pub trait Random: Send {
    /// 64 random bits.
    fn next_u64(&mut self) -> u64;

    /// Fills `out` with random octets.
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }

    /// A number in `0..bound`, 0 if `bound` is 0. The bias is below 2^-32 for bounds up to 2^32.
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }
}

/// What [`Disk::open`] does about a file that is there or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Must exist.
    Existing,
    /// Is created if it does not exist.
    OrCreate,
    /// Is created, or emptied if it exists.
    Fresh,
}

/// A file system, as much of it as the store needs.
///
/// As on a real one, nothing is durable before it is synced: the octets of a file by
/// [`File::sync`], its name (creation, renaming, removal) by [`Disk::sync_dir`] on its directory.
pub trait Disk: Send + Sync + Debug {
    /// Opens a file for reading and writing; a new one is readable by its owner alone.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>>;
    /// Gives a file another name and replaces what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>>;
    /// Makes a directory and those above it, readable by their owner alone.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Whether something has this name.
    fn exists(&self, path: &Path) -> io::Result<bool>;
}

/// An open file; positions are given with each call, so it can be shared.
pub trait File: Send + Sync + Debug {
    /// Octets in it.
    fn len(&self) -> io::Result<u64>;
    /// Reads from `offset` and returns how many octets came, fewer than asked only at the end.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize>;
    /// Writes all of `octets` at `offset`; a gap before it reads as zeros.
    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()>;
    /// Cuts it off or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Returns when the octets are durable.
    fn sync(&self) -> io::Result<()>;
    /// Takes the exclusive lock, held until the handle is dropped; `false` if somebody has it.
    fn try_lock(&self) -> io::Result<bool>;

    /// Whether nothing is in it.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}
