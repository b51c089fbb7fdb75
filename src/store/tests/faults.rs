//! A disk that refuses: errors are told, nothing acknowledged is lost, and it heals (R03).

use super::*;
use crate::env::sim::Fault;

/// Two zones in a store, and what the disk has seen by then.
fn begin(disk: &SimDisk) -> (Store, Edited, Edited) {
    let (mut store, _) = open(disk);
    let (small, large) = (Edited::new("small.example", 3), Edited::new("large.example", MANY));
    store.commit(&[small.full(), large.full()]).unwrap();
    (store, small, large)
}

#[test]
fn r03_one_failed_call_is_got_over_by_reopening() {
    let calls = {
        let disk = SimDisk::new();
        let (mut store, mut small, mut large) = begin(&disk);
        let before = disk.writes();
        large.edit(0..MANY);
        let delta = small.edit([1]);
        store.commit(&[small.deltas(vec![delta]), large.full()]).unwrap();
        disk.writes() - before
    };
    assert!(calls > 8);
    for fault in [Fault::NoSpace, Fault::Io] {
        for at in 0..calls {
            let disk = SimDisk::new();
            let (mut store, mut small, mut large) = begin(&disk);
            disk.fail_at(disk.writes() + at, fault);
            large.edit(0..MANY);
            let delta = small.edit([1]);
            let receipt = store.commit(&[small.deltas(vec![delta]), large.full()]).unwrap();
            assert!(receipt.is_durable() && !store.is_broken());
            // What was acknowledged must not depend on anything that a sync failed for.
            disk.crash(at);
            drop(store);
            let (_, recovered) = open(&disk);
            assert!(recovered.notes.is_empty(), "{fault:?} at call {at}: {:?}", recovered.notes);
            small.is_in(&recovered);
            large.is_in(&recovered);
        }
    }
}

#[test]
fn r03_a_full_disk_breaks_the_store_until_there_is_space() {
    for at in 0..12 {
        let disk = SimDisk::new();
        let (mut store, mut small, large) = begin(&disk);
        assert_eq!(store.volatile_receipt(), None);
        disk.fail_from(disk.writes() + at, Fault::NoSpace);
        let error = loop {
            let delta = small.edit([1]);
            match store.commit(&[small.deltas(vec![delta])]) {
                Ok(receipt) => assert!(receipt.is_durable()),
                Err(error) => break error,
            }
        };
        assert!(error.is_full(), "{error:?}");
        assert_eq!(store.commit(&[small.full()]), Err(StoreError::Broken));
        assert!(!store.volatile_receipt().unwrap().is_durable());
        assert!(store.heal().unwrap_err().is_full() && store.is_broken());

        // Versions go on meanwhile; then there is space again.
        small.edit([2]);
        disk.mend();
        assert_eq!(store.heal(), Ok(Healed::Intact));
        assert_eq!(store.volatile_receipt(), None);
        let delta = small.edit([3]);
        assert!(store.commit(&[small.deltas(vec![delta])]).unwrap().is_durable());
        drop(store);
        let (_, recovered) = open(&disk);
        small.is_in(&recovered);
        large.is_in(&recovered);
        assert_eq!(body_files(&disk), 1);
    }
}

#[test]
fn r03_a_dead_disk_is_an_error_at_the_start_too() {
    let disk = SimDisk::new();
    drop(begin(&disk));
    disk.fail_reads();
    let opened = Store::open(Arc::new(disk.clone()), Path::new(DIR), options());
    assert!(matches!(opened.err(), Some(StoreError::Io(..))));
    disk.mend();
    let (_, recovered) = open(&disk);
    assert_eq!(recovered.zones.len(), 2);
    assert!(
        recovered.notes.is_empty() && !disk.exists(&Path::new(DIR).join("state.redb.unreadable-1")).unwrap()
    );
}

#[test]
fn a_large_body_without_space_leaves_nothing_behind() {
    let disk = SimDisk::new();
    let (mut store, _, mut large) = begin(&disk);
    large.edit(0..MANY);
    // The second write of each attempt is in the middle of the body file.
    disk.fail_from(disk.writes() + 1, Fault::NoSpace);
    assert!(store.commit(&[large.full()]).unwrap_err().is_full());
    disk.mend();
    assert_eq!(store.heal(), Ok(Healed::Intact));
    store.commit(&[large.full()]).unwrap();
    drop(store);
    large.is_in(&open(&disk).1);
    assert_eq!(body_files(&disk), 1);
}

#[test]
fn r03_a_full_disk_at_the_start_keeps_no_zone_from_being_served() {
    for crashed in [false, true] {
        let disk = SimDisk::new();
        let (store, mut small, large) = begin(&disk);
        if crashed {
            disk.crash(1);
        }
        drop(store);
        disk.fail_from(disk.writes(), Fault::NoSpace);
        let (mut store, recovered) = open(&disk);
        assert_eq!(recovered.notes[0].0, Reason::StoreVolatile);
        small.is_in(&recovered);
        large.is_in(&recovered);
        assert!(store.volatile_receipt().is_some() && store.heal().is_err());
        disk.mend();
        assert_eq!(store.heal(), Ok(Healed::Intact));
        let delta = small.edit([1]);
        store.commit(&[small.deltas(vec![delta])]).unwrap();
        drop(store);
        let (_, recovered) = open(&disk);
        assert!(recovered.notes.is_empty());
        small.is_in(&recovered);
        large.is_in(&recovered);
    }
}
