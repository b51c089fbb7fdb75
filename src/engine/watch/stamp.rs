//! What stands under a name on the disk, and reading files so that a change in between is noticed.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::zone::text::Sources;

/// Opens a file so that reading it is not noted in it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NO_TRACE: libc::c_int = libc::O_NOATIME;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const NO_TRACE: libc::c_int = 0;

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
    pub modified_ns: i64,
}

/// Files of the disk that remember what they were when they were opened.
#[derive(Debug, Default)]
pub struct Stamped {
    opened: Vec<Opened>,
    /// The file that is going to be asked for first, open.
    ahead: Option<Opened>,
    /// The system does not let us read without leaving a trace.
    leaves_traces: bool,
}

#[derive(Debug)]
struct Opened {
    path: PathBuf,
    file: Arc<File>,
    stamp: Option<Stamp>,
}

impl Stamped {
    /// Forgets the files, for the next reading.
    pub fn begin(&mut self) {
        self.opened.clear();
        self.ahead = None;
    }

    /// Opens the file that is going to be read first, and says how many octets it has; none if it cannot be
    /// opened, which the reading will say.
    pub fn look_ahead(&mut self, path: &Path) -> u64 {
        self.begin();
        self.ahead = self.open_stamped(path).ok();
        self.ahead.as_ref().and_then(|ahead| ahead.stamp).map_or(0, |stamp| stamp.size)
    }

    fn open_stamped(&mut self, path: &Path) -> io::Result<Opened> {
        let file = Arc::new(self.open_quietly(path)?);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let stamp = stamp_of(&metadata);
        Ok(Opened { path: path.to_path_buf(), file, stamp })
    }

    /// Opens a file without noting in it when it was read, which would have each zone file written to for
    /// its reading; only its owner may.
    fn open_quietly(&mut self, path: &Path) -> io::Result<File> {
        // Without waiting: opening a pipe would wait for a writer.
        let open = |flags| File::options().read(true).custom_flags(libc::O_NONBLOCK | flags).open(path);
        if !self.leaves_traces {
            match open(NO_TRACE) {
                Err(error) if error.raw_os_error() == Some(libc::EPERM) => self.leaves_traces = true,
                opened => return opened,
            }
        }
        open(0)
    }

    /// Whether one of these files was written into between the moment at which it had come to rest and
    /// the reading: a writer has begun anew, and may pause in the middle for as long as it likes (R08).
    pub fn written_since(&self, rest: &[Stamp]) -> bool {
        self.opened.iter().filter_map(|opened| opened.stamp).any(|opened| {
            let same_inode = |stamp: &&Stamp| (stamp.device, stamp.inode) == (opened.device, opened.inode);
            rest.iter().find(same_inode).is_some_and(|stamp| *stamp != opened)
        })
    }

    /// Whether what was read is whole (R08: equal stat before and after). One file that was replaced
    /// meanwhile is: nobody wrote into it, and the one that took its name is read next. So edits that
    /// come faster than a large file can be read do not keep it from ever being published. Of several
    /// files each must still stand under its name, or old and new ones would be mixed.
    pub fn held_still(&self) -> bool {
        let unwritten = |opened: &Opened| {
            opened.file.metadata().is_ok_and(|metadata| stamp_of(&metadata) == opened.stamp)
        };
        let in_place = |opened: &Opened| stamp(&opened.path) == opened.stamp;
        self.opened.iter().all(unwritten) && (self.opened.len() == 1 || self.opened.iter().all(in_place))
    }
}

impl Sources for Stamped {
    fn open(&mut self, path: &Path) -> io::Result<Box<dyn Read>> {
        let opened = match self.ahead.take_if(|ahead| ahead.path == path) {
            Some(opened) => opened,
            None => self.open_stamped(path)?,
        };
        let file = opened.file.clone();
        // What is written behind its end while it is read makes the reading void; nobody needs to ask
        // whether there is more. Some file systems make up their files and know no sizes.
        let size = opened.stamp.map(|stamp| stamp.size).filter(|&size| size > 0);
        self.opened.push(opened);
        Ok(Box::new(file.take(size.unwrap_or(u64::MAX))))
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

/// What stands under a name, unless it is a link.
pub(super) fn stamp_of_no_link(path: &Path) -> Option<Stamp> {
    stamp_of(&path.symlink_metadata().ok()?)
}

fn stamp_of(metadata: &Metadata) -> Option<Stamp> {
    metadata.is_file().then(|| stamp_of_any(metadata)).flatten()
}

/// As [`stamp`], for directories as well.
#[cfg(unix)]
pub(super) fn stamp_of_any(metadata: &Metadata) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    let modified_ns = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
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
pub(super) fn nanoseconds(time: SystemTime) -> i64 {
    let clamped = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => clamped(since),
        Err(before) => -clamped(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r08_one_file_that_was_replaced_while_it_was_read_is_whole() {
        let dir = tempfile::tempdir().expect("a directory");
        let [zone, included, next] = ["zone", "included", "next"].map(|name| dir.path().join(name));
        let write = |path: &Path, text: &str| std::fs::write(path, text).expect("a file");
        write(&zone, "first");
        write(&included, "included");
        let (mut one, mut two) = (Stamped::default(), Stamped::default());
        let mut read = String::new();
        let mut open = one.open(&zone).expect("a file");
        two.open(&zone).and_then(|_| two.open(&included)).expect("two files");
        write(&next, "second");
        std::fs::rename(&next, &zone).expect("renamed");
        open.read_to_string(&mut read).expect("read");
        assert_eq!((read.as_str(), one.held_still(), two.held_still()), ("first", true, false));
        let mut written_into = Stamped::default();
        written_into.open(&zone).expect("a file");
        write(&zone, "longer than before");
        assert!(!written_into.held_still());
    }

    #[test]
    fn r08_a_file_that_was_written_into_after_it_had_come_to_rest_is_noticed() {
        let dir = tempfile::tempdir().expect("a directory");
        let [zone, next] = ["zone", "next"].map(|name| dir.path().join(name));
        let reading = |rest: Stamp| {
            let mut sources = Stamped::default();
            sources.open(&zone).expect("a file");
            assert!(sources.held_still());
            sources.written_since(&[rest])
        };
        std::fs::write(&zone, "at rest").expect("a file");
        let rest = stamp(&zone).expect("a file");
        assert!(!reading(rest));
        std::fs::write(&zone, "half").expect("a file");
        assert!(reading(rest));
        // A file that came under the name is another matter: the watcher will tell of it.
        std::fs::write(&next, "renamed in").expect("a file");
        std::fs::rename(&next, &zone).expect("renamed");
        assert!(!reading(rest));
    }
}
