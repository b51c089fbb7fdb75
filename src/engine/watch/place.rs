//! Where the path of a file leads to, and what stands there.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Stamp;
use super::stamp::{changed_ns, stamp_of, stamp_of_any};

/// How long the path of a directory is taken to lead to the same place without a look.
const MOMENT: Duration = Duration::from_millis(5);
/// Directories of which it is remembered where they lead to.
const REMEMBERED_MAX: usize = 4096;

/// What was found under the path of a file.
#[derive(Debug)]
pub(super) struct Found {
    /// The path without links; `None` if nothing is there.
    pub real: Option<PathBuf>,
    /// What stands there, if it is a file.
    pub stamp: Option<Stamp>,
    /// When that was last written or came there.
    pub changed_ns: i64,
    /// When the directory last changed, or came there.
    pub directory_changed_ns: i64,
}

/// Where paths lead to. Very many files of few directories come at once, and to follow each step of a path
/// takes long: where a directory led is remembered as long as the same one stands there.
#[derive(Debug, Default)]
pub(super) struct RealPaths(HashMap<PathBuf, RealPath>);

/// The path of a directory without links, and its device and inode.
#[derive(Debug)]
struct RealPath {
    real: PathBuf,
    standing: Option<(u64, u64)>,
    changed_ns: i64,
    seen: Instant,
}

impl RealPaths {
    /// Looks at a file.
    pub fn look(&mut self, file: &Path) -> Found {
        let nothing = Found { real: None, stamp: None, changed_ns: i64::MIN, directory_changed_ns: i64::MIN };
        let Ok(metadata) = file.symlink_metadata() else { return nothing };
        let (real, metadata) = match metadata.is_symlink() {
            true => (file.canonicalize().ok().map(|real| (real, i64::MIN)), file.metadata()),
            false => (self.path_of(file), Ok(metadata)),
        };
        let Ok(metadata) = metadata else { return nothing };
        let (real, directory_changed_ns) = real.map_or((None, i64::MIN), |(real, at)| (Some(real), at));
        Found { real, stamp: stamp_of(&metadata), changed_ns: changed_ns(&metadata), directory_changed_ns }
    }

    /// Forgets where directories led to.
    pub fn forget(&mut self) {
        self.0 = HashMap::new();
    }

    /// The path without links of a file that is no link itself, and when its directory changed.
    fn path_of(&mut self, file: &Path) -> Option<(PathBuf, i64)> {
        let (Some(parent), Some(name)) = (file.parent(), file.file_name()) else {
            return file.canonicalize().ok().map(|real| (real, i64::MIN));
        };
        let now = Instant::now();
        if let Some(known) = self.0.get(parent).filter(|known| now.duration_since(known.seen) < MOMENT) {
            return Some((known.real.join(name), known.changed_ns));
        }
        let metadata = parent.metadata().ok();
        let (standing, changed_ns) =
            (metadata.as_ref().and_then(standing_of), metadata.as_ref().map_or(i64::MIN, changed_ns));
        if let Some(known) = self.0.get_mut(parent).filter(|known| known.standing == standing) {
            (known.seen, known.changed_ns) = (now, changed_ns);
            return Some((known.real.join(name), changed_ns));
        }
        let path = file.canonicalize().ok()?;
        if self.0.len() == REMEMBERED_MAX {
            self.0.clear();
        }
        let real = path.parent()?.to_path_buf();
        self.0.insert(parent.to_path_buf(), RealPath { real, standing, changed_ns, seen: now });
        Some((path, changed_ns))
    }
}

/// Device and inode of what stands under a path now.
pub(super) fn standing(path: &Path) -> Option<(u64, u64)> {
    standing_of(&path.metadata().ok()?)
}

fn standing_of(metadata: &Metadata) -> Option<(u64, u64)> {
    stamp_of_any(metadata).map(|stamp| (stamp.device, stamp.inode))
}
