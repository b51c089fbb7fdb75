//! Where the paths of files lead to.
//!
//! Very many files of few directories come at once, and to follow each step of a path takes long: where a
//! directory led is remembered, as long as the same one stands there.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::stamp::stamp_of_any;

/// How long a directory is taken to stand where it stood.
const MOMENT: Duration = Duration::from_millis(5);
/// How long the path of a directory is taken to lead to the same place.
const REMEMBERED: Duration = Duration::from_millis(100);
/// Directories of which that is remembered.
const REMEMBERED_MAX: usize = 4096;

/// Device and inode.
pub(super) type Standing = (u64, u64);

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The directory.
    pub directory: Arc<Path>,
    /// The name in it.
    pub name: Arc<OsStr>,
}

impl Place {
    /// The place of an absolute path; `None` for the root.
    pub fn of(path: &Path) -> Option<Place> {
        Some(Place { directory: path.parent()?.into(), name: path.file_name()?.into() })
    }
}

/// Where directories lead to, as far as it is remembered.
#[derive(Debug, Default)]
pub(super) struct RealPaths(HashMap<PathBuf, RealPath>);

/// The path of a directory without links.
#[derive(Debug)]
struct RealPath {
    real: PathBuf,
    standing: Option<Standing>,
    /// When the path was followed.
    since: Instant,
    /// When it was seen that the same directory stands there.
    seen: Instant,
}

impl RealPaths {
    /// What stands under the path of this directory, if nothing on the way to it is a link and that was seen
    /// a moment ago.
    pub fn plain(&self, directory: &Path) -> Option<Standing> {
        let known = self.0.get(directory).filter(|known| known.seen.elapsed() < MOMENT)?;
        known.standing.filter(|_| known.real == directory)
    }

    /// The path of a file without links; `None` if nothing is there.
    pub fn path_of(&mut self, file: &Path) -> Option<PathBuf> {
        let (Some(parent), Some(name)) = (file.parent(), file.file_name()) else {
            return file.canonicalize().ok();
        };
        if file.symlink_metadata().ok()?.is_symlink() {
            return file.canonicalize().ok();
        }
        let (standing, now) = (standing(parent), Instant::now());
        if let Some(known) = self.0.get_mut(parent)
            && known.standing == standing
            && now.duration_since(known.since) < REMEMBERED
        {
            known.seen = now;
            return Some(known.real.join(name));
        }
        let path = file.canonicalize().ok()?;
        if self.0.len() == REMEMBERED_MAX {
            self.0.clear();
        }
        let real = path.parent()?.to_path_buf();
        self.0.insert(parent.to_path_buf(), RealPath { real, standing, since: now, seen: now });
        Some(path)
    }
}

/// Device and inode of what stands under a path now.
pub(super) fn standing(path: &Path) -> Option<Standing> {
    let stamp = path.metadata().ok().and_then(|metadata| stamp_of_any(&metadata));
    stamp.map(|stamp| (stamp.device, stamp.inode))
}

/// Whether a path is absolute and says so in the plainest way.
pub(super) fn is_plain(path: &Path) -> bool {
    let Some(steps) = path.as_os_str().as_encoded_bytes().strip_prefix(b"/") else { return false };
    cfg!(unix) && steps.split(|octet| *octet == b'/').all(|step| !step.is_empty() && step != b".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_are_those_that_stay_the_same() {
        for path in ["/a", "/a/b.c", "/a/..b/c", "/a/../b"] {
            assert!(is_plain(Path::new(path)), "{path}");
            assert_eq!(std::path::absolute(path).expect("a path").as_os_str(), path);
        }
        for path in ["a", "./a", "a/b", "/a//b", "/a/", "/a/./b", "//a", "/", ""] {
            assert!(!is_plain(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn a_directory_is_plain_for_a_moment_after_a_look_and_only_without_links() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().canonicalize().expect("a path");
        let (real, link) = (root.join("real"), root.join("link"));
        std::fs::create_dir(&real).expect("a directory");
        std::os::unix::fs::symlink(&real, &link).expect("a link");
        std::fs::write(real.join("zone"), "text").expect("a file");
        let mut paths = RealPaths::default();
        assert_eq!(paths.plain(&real), None);
        // The moment may be over before the look at it: then there is another.
        let seen = (0..1000).any(|_| {
            assert_eq!(paths.path_of(&real.join("zone")), Some(real.join("zone")));
            paths.plain(&real) == standing(&real)
        });
        assert!(seen);
        assert_eq!(paths.path_of(&link.join("zone")), Some(real.join("zone")));
        assert_eq!(paths.plain(&link), None);
        std::os::unix::fs::symlink("zone", real.join("linked")).expect("a link");
        assert_eq!(paths.path_of(&real.join("linked")), Some(real.join("zone")));
        assert_eq!(paths.path_of(&real.join("gone")), None);
    }
}
