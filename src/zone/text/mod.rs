//! Zone files: text in, text out (RFC 1035 §5, RFC 2308 §4, RFC 3597 §5).
//!
//! | file | what lives there |
//! |---|---|
//! | `lexer` | octets in chunks -> entries of words: parentheses, comments, quotes, escapes |
//! | `entry` | the words of one entry -> one record: owner, TTL, class, type, RDATA, and their defaults |
//! | `directive` | the arguments of `$ORIGIN`, `$TTL`, `$INCLUDE` |
//! | `generate` | `$GENERATE` |
//! | `scan` | the walk over a file and what it includes |
//! | `diagnostic` | errors with file, line, column, caret and hint |
//! | `load` | scan, build and check in one |
//! | `reload` | the same on top of a version that says most of it already |
//! | `print` | a version as a zone file |
//!
//! Invariant: a file is streamed through a window of a few MiB and is never held as text beside its
//! records; a broken entry never hides the entries after it. Not here: opening files (the caller
//! brings [`Sources`]), serial policy and the guard (the engine knows what is live).

mod diagnostic;
mod directive;
mod entry;
mod generate;
mod lexer;
mod load;
mod print;
mod reload;
mod scan;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use diagnostic::{Diagnostic, Paint, Severity};
pub(in crate::zone) use entry::repeats_apex;
pub use load::{LoadError, Loaded, content_hash, load};
pub use print::print;
pub use reload::reload;
pub use scan::{Objection, Place, ScanReport, scan};

/// Where zone files come from: the disk, or a table in a test.
pub trait Sources {
    /// Opens the file at `path`, which is as written in the configuration, or as `$INCLUDE` names
    /// it, joined with the directory of the including file.
    fn open(&mut self, path: &Path) -> io::Result<Box<dyn Read>>;
}

impl<F: FnMut(&Path) -> io::Result<Box<dyn Read>>> Sources for F {
    fn open(&mut self, path: &Path) -> io::Result<Box<dyn Read>> {
        self(path)
    }
}

/// A file that was read, with the hash of its whole content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSeen {
    /// As it was given to [`Sources::open`].
    pub path: PathBuf,
    /// BLAKE3; zeros if the file could not be read.
    pub hash: [u8; 32],
}

#[cfg(test)]
mod tests;
