//! Real files under a real watch: each test waits for what is said, never for time to pass.

use std::fs;

use super::*;
use crate::engine::watch::Stamped;
use crate::zone::text::Sources;

/// A directory with one zone file that is watched, and what is said.
struct Stage {
    directory: tempfile::TempDir,
    watcher: Watcher,
    notices: Receiver<Notice>,
}

impl Stage {
    fn new() -> Stage {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("zones")).unwrap();
        let (said, notices) = channel();
        let watcher = Watcher::start(move |notice| said.send(notice).unwrap_or_default()).unwrap();
        let stage = Stage { directory, watcher, notices };
        fs::write(stage.zone(), "old").unwrap();
        // It is younger than the watcher, so a reading is asked for; then the watch stands.
        stage.watcher.watch(ZoneId(1), vec![stage.zone()]);
        stage.expect_changed();
        stage
    }

    fn zone(&self) -> PathBuf {
        self.directory.path().join("zones/z")
    }

    fn next(&self) -> Notice {
        self.notices.recv_timeout(Duration::from_secs(30)).expect("a notice")
    }

    /// The zone is to be read, as it stands there.
    #[track_caller]
    fn expect_changed(&self) {
        let stands = stamp(&self.zone()).expect("a file");
        assert_eq!(self.next(), Notice::Changed(ZoneId(1), vec![stands]));
    }
}

#[test]
fn r08_renaming_over_is_seen() {
    let stage = Stage::new();
    for text in ["one", "two"] {
        let new = stage.directory.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, stage.zone()).unwrap();
        stage.expect_changed();
    }
}

#[test]
fn r08_writing_in_place_is_seen() {
    let stage = Stage::new();
    fs::write(stage.zone(), "longer than before").unwrap();
    stage.expect_changed();
}

#[test]
fn r08_a_directory_made_again_is_watched_again() {
    let stage = Stage::new();
    let zones = stage.directory.path().join("zones");
    for _ in 0..2 {
        fs::rename(&zones, stage.directory.path().join("away")).unwrap();
        fs::create_dir(&zones).unwrap();
        fs::write(stage.zone(), "new").unwrap();
        stage.expect_changed();
        fs::remove_dir_all(stage.directory.path().join("away")).unwrap();
    }
}

#[test]
#[cfg(unix)]
fn r08_a_swapped_link_to_a_directory_is_seen() {
    use std::os::unix::fs::symlink;
    let stage = Stage::new();
    let zones = stage.directory.path().join("zones");
    for version in ["..v1", "..v2"] {
        fs::create_dir(zones.join(version)).unwrap();
        fs::write(zones.join(version).join("z"), version).unwrap();
    }
    fs::remove_file(stage.zone()).unwrap();
    symlink("..v1", zones.join("..data")).unwrap();
    symlink("..data/z", stage.zone()).unwrap();
    stage.expect_changed();
    symlink("..v2", zones.join("..new")).unwrap();
    fs::rename(zones.join("..new"), zones.join("..data")).unwrap();
    stage.expect_changed();
}

#[test]
fn r09_a_vanished_file_is_told_and_its_return() {
    let stage = Stage::new();
    fs::remove_file(stage.zone()).unwrap();
    assert_eq!(stage.next(), Notice::Vanished(ZoneId(1)));
    fs::write(stage.zone(), "new").unwrap();
    stage.expect_changed();
}

#[test]
fn r08_a_file_that_moves_while_it_is_read_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("z");
    fs::write(&path, "old").unwrap();
    let mut sources = Stamped::default();
    drop(sources.open(&path).unwrap());
    assert!(sources.held_still());
    fs::write(&path, "longer").unwrap();
    assert!(!sources.held_still());
    assert!(sources.open(directory.path()).is_err());
}
