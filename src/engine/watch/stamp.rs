//! What stands under a name on the disk, and reading files so that a change in between is noticed.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::zone::text::Sources;

/// What stands under a name: enough to see that it is another file, or another content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Number of the device.
    pub device: u64,
    /// Number of the inode.
    pub inode: u64,
    /// Octets.
    pub size: u64,
    /// When it was modified, in nanoseconds of the file system's clock.
    pub modified_ns: i128,
}

/// Files of the disk that remember what they were when they were opened.
#[derive(Debug, Default)]
pub struct Stamped(Vec<(PathBuf, Option<Stamp>)>);

impl Stamped {
    /// Whether every file that was opened still stands as it did (R08: equal stat before and after).
    pub fn held_still(&self) -> bool {
        self.0.iter().all(|(path, opened)| stamp(path) == *opened)
    }
}

impl Sources for Stamped {
    fn open(&mut self, path: &Path) -> io::Result<Box<dyn Read>> {
        // Opening a pipe would wait for a writer.
        if !path.metadata()?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let file = File::open(path)?;
        self.0.push((path.to_path_buf(), stamp_of(&file.metadata()?)));
        Ok(Box::new(file))
    }
}

/// Whether the name is a link of either kind: whole when it appears, and closed by nobody.
pub(super) fn is_link(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink() || links(&metadata) > 1)
}

/// What stands under a name, links followed; `None` for nothing, or for what is no file.
pub(super) fn stamp(path: &Path) -> Option<Stamp> {
    stamp_of(&path.metadata().ok()?)
}

fn stamp_of(metadata: &Metadata) -> Option<Stamp> {
    metadata.is_file().then(|| stamp_of_any(metadata)).flatten()
}

/// As [`stamp`], for directories as well.
#[cfg(unix)]
pub(super) fn stamp_of_any(metadata: &Metadata) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let modified_ns = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    Some(Stamp { device: metadata.dev(), inode: metadata.ino(), size: metadata.size(), modified_ns })
}

/// Without inodes every change is one in place.
#[cfg(not(unix))]
pub(super) fn stamp_of_any(metadata: &Metadata) -> Option<Stamp> {
    let modified_ns = nanoseconds(metadata.modified().ok()?);
    Some(Stamp { device: 0, inode: 0, size: metadata.len(), modified_ns })
}

#[cfg(unix)]
fn links(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}

#[cfg(not(unix))]
fn links(_: &Metadata) -> u64 {
    1
}

/// Since 1970.
pub(super) fn nanoseconds(time: SystemTime) -> i128 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    }
}
