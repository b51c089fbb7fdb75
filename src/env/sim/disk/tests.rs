//! The simulated disk is as bad as it promises, and no worse.

use super::*;

const DIR: &str = "/state";

fn disk() -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new(DIR)).unwrap();
    disk
}

fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

#[test]
fn synced_octets_and_names_survive_every_crash() {
    for seed in 0..50 {
        let disk = disk();
        let file = disk.open(&path("a"), OpenMode::OrCreate).unwrap();
        file.write_at(3, &[7; 2000]).unwrap();
        file.sync().unwrap();
        disk.sync_dir(Path::new(DIR)).unwrap();
        disk.crash(seed);
        assert!(file.read_at(0, &mut [0]).is_err(), "a handle does not outlive the crash");
        let content = disk.content(&path("a")).unwrap();
        assert_eq!((content.len(), &content[..4]), (2003, &[0, 0, 0, 7][..]));
    }
}

#[test]
fn unsynced_writes_come_in_parts_by_sector() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let disk = disk();
        disk.put(&path("a"), &[0; 1536]);
        disk.open(&path("a"), OpenMode::Existing).unwrap().write_at(0, &[1; 1536]).unwrap();
        disk.crash(seed);
        let content = disk.content(&path("a")).unwrap();
        let sectors: Vec<bool> = content.chunks(512).map(|sector| sector == [1; 512]).collect();
        assert!(content.chunks(512).all(|sector| sector == [1; 512] || sector == [0; 512]));
        seen.insert(sectors);
    }
    assert_eq!(seen.len(), 8, "every subset of three sectors happens");
}

#[test]
fn an_unsynced_rename_happened_or_not() {
    let mut seen = BTreeSet::new();
    for seed in 0..50 {
        let disk = disk();
        disk.put(&path("old"), b"old");
        disk.put(&path("new"), b"new");
        disk.rename(&path("new"), &path("old")).unwrap();
        assert_eq!(disk.content(&path("old")).unwrap(), b"new");
        disk.crash(seed);
        seen.insert((disk.content(&path("old")).unwrap(), disk.exists(&path("new")).unwrap()));
    }
    assert_eq!(seen, BTreeSet::from([(b"new".to_vec(), false), (b"old".to_vec(), true)]));
}

#[test]
fn faults_strike_where_they_are_planned() {
    let disk = disk();
    let file = disk.open(&path("a"), OpenMode::OrCreate).unwrap();
    disk.fail_at(disk.writes() + 1, Fault::NoSpace);
    file.write_at(0, b"one").unwrap();
    assert_eq!(file.write_at(0, b"two").unwrap_err().kind(), io::ErrorKind::StorageFull);
    file.write_at(0, b"six").unwrap();
    assert_eq!(disk.content(&path("a")).unwrap(), b"six");
    disk.fail_from(disk.writes(), Fault::Io);
    assert!(file.set_len(0).is_err() && file.sync().is_err());
    disk.mend();
    file.sync().unwrap();
    disk.fail_reads();
    assert!(file.read_at(0, &mut [0]).is_err());
}

#[test]
fn what_a_failed_sync_was_about_is_lost_without_another_word() {
    let disk = disk();
    disk.put(&path("a"), b"old");
    let file = disk.open(&path("a"), OpenMode::Existing).unwrap();
    file.write_at(0, b"new").unwrap();
    disk.fail_at(disk.writes(), Fault::Io);
    assert!(file.sync().is_err());
    file.sync().unwrap();
    assert_eq!(disk.content(&path("a")).unwrap(), b"new");
    disk.crash(1);
    assert_eq!(disk.content(&path("a")).unwrap(), b"old");
}

#[test]
fn power_goes_at_the_chosen_call() {
    let disk = disk();
    let file = disk.open(&path("a"), OpenMode::OrCreate).unwrap();
    disk.power_off_at(disk.writes() + 1);
    file.write_at(0, b"x").unwrap();
    assert!(file.sync().is_err() && file.len().is_err() && disk.exists(&path("a")).is_err());
    disk.crash(0);
    assert!(disk.exists(Path::new(DIR)).unwrap());
}

#[test]
fn a_lock_is_held_by_one_handle_until_it_is_dropped() {
    let disk = disk();
    let first = disk.open(&path("lock"), OpenMode::OrCreate).unwrap();
    let second = disk.open(&path("lock"), OpenMode::OrCreate).unwrap();
    assert!(first.try_lock().unwrap() && !second.try_lock().unwrap());
    drop(first);
    assert!(second.try_lock().unwrap());
}
