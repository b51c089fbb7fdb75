//! What is committed comes back, and history is what it should be.

use super::*;

#[test]
fn a_new_directory_is_empty_and_keeps_its_key() {
    let disk = SimDisk::new();
    let (store, recovered) = open(&disk);
    assert!(recovered.zones.is_empty() && recovered.notes.is_empty());
    drop(store);
    let other = Options { digest_key_if_new: DigestKey([9; 16]), ..options() };
    assert_eq!(open_with(&disk, other).1.digest_key, recovered.digest_key);
}

#[test]
fn r01_small_and_large_zones_come_back_with_their_deltas() {
    let disk = SimDisk::new();
    let (mut store, _) = open(&disk);
    let (mut small, mut large) = (Edited::new("small.example", 3), Edited::new("Large.example", MANY));
    assert!(store.commit(&[small.full(), large.full()]).unwrap().is_durable());
    assert_eq!(body_files(&disk), 1, "only the large body has a file");
    for host in 0..5 {
        let (one, two) = (small.edit([host]), large.edit([host, host + 1]));
        store.commit(&[small.deltas(vec![one]), large.deltas(vec![two])]).unwrap();
    }
    let (one, two) = (small.edit([1]), small.edit([2]));
    store.commit(&[small.deltas(vec![one, two])]).unwrap();
    drop(store);

    let (store, recovered) = open(&disk);
    small.is_in(&recovered);
    large.is_in(&recovered);
    assert_eq!(zone(&recovered, "large.example").version.as_ref().unwrap().recent().len(), 5);
    assert_eq!(small.history(&store, 1), Some(vec![2, 3, 4, 5, 6, 7, 8]));
    assert_eq!(large.history(&store, 4), Some(vec![5, 6]));
    assert_eq!(large.history(&store, 6), None);
    assert_eq!(store.stored().unwrap(), [name("large.example"), name("small.example")]);
}

#[test]
fn meta_is_kept_whole_and_without_data() {
    let disk = SimDisk::new();
    let (mut store, _) = open(&disk);
    let meta = ZoneMeta {
        role: 2,
        unsure: true,
        serial_floor: Some(Serial(7)),
        expire_at: Some(Wall(8)),
        refreshed_at: Some(Wall(9)),
        file_hash: Some([1; 32]),
        rejected_hash: Some([2; 32]),
        follow: vec![3; 100],
        flock: vec![4],
    };
    let write = ZoneWrite { apex: name("MIXED.example"), body: BodyWrite::Keep, meta: meta.clone() };
    store.commit(&[write]).unwrap();
    drop(store);
    let (_, recovered) = open(&disk);
    let zone = zone(&recovered, "mixed.example");
    assert!(zone.version.is_none() && zone.problem.is_none());
    assert_eq!(zone.meta, meta);
}

#[test]
fn r05_a_full_rewrite_and_a_large_delta_cut_history() {
    let disk = SimDisk::new();
    let (mut store, _) = open(&disk);
    let mut zone = Edited::new("a.example", MANY);
    store.commit(&[zone.full()]).unwrap();
    let small = zone.edit([1]);
    store.commit(&[zone.deltas(vec![small])]).unwrap();
    assert_eq!(zone.history(&store, 1), Some(vec![2]));
    let large = zone.edit(0..MANY);
    store.commit(&[zone.deltas(vec![large])]).unwrap();
    assert_eq!(zone.history(&store, 2), None, "the delta is larger than half of the zone");
    let small = zone.edit([1]);
    store.commit(&[zone.deltas(vec![small])]).unwrap();
    assert_eq!(zone.history(&store, 3), Some(vec![4]));
    store.commit(&[zone.full()]).unwrap();
    assert_eq!(zone.history(&store, 3), None);
    assert_eq!(body_files(&disk), 1, "replaced bodies are removed");
    drop(store);
    zone.is_in(&open(&disk).1);
}

#[test]
fn r03_deltas_that_do_not_go_on_from_what_is_stored_write_a_body() {
    let disk = SimDisk::new();
    let (mut store, _) = open(&disk);
    let mut zone = Edited::new("a.example", 3);
    store.commit(&[zone.full()]).unwrap();
    zone.edit([1]);
    let delta = zone.edit([2]);
    store.commit(&[zone.deltas(vec![delta])]).unwrap();
    assert_eq!(zone.history(&store, 2), None);
    drop(store);
    zone.is_in(&open(&disk).1);
}

#[test]
fn r01_a_long_chain_is_due_and_compacting_makes_it_history() {
    let disk = SimDisk::new();
    let (mut store, _) = open(&disk);
    let mut zone = Edited::new("a.example", MANY);
    store.commit(&[zone.full()]).unwrap();
    while store.rewrite_due().is_empty() {
        let first = zone.serial % 10 * 100;
        let delta = zone.edit(first..first + 400);
        store.commit(&[zone.deltas(vec![delta])]).unwrap();
    }
    assert_eq!(store.rewrite_due(), [name("a.example")]);
    let compactor = store.compactor();
    let held = zone.live.clone();
    let body = std::thread::spawn(move || compactor.write(&held, &ZoneMeta::default()));
    let body = body.join().unwrap().unwrap();
    // The zone goes on meanwhile.
    let delta = zone.edit([7]);
    store.commit(&[zone.deltas(vec![delta])]).unwrap();
    store.commit(&[zone.write(BodyWrite::Compacted(body))]).unwrap();
    assert!(store.rewrite_due().is_empty());
    let all: Vec<u32> = (2..=zone.serial).collect();
    assert_eq!(zone.history(&store, 1).unwrap(), all);
    drop(store);
    let (store, recovered) = open(&disk);
    zone.is_in(&recovered);
    assert_eq!(zone.history(&store, 1).unwrap(), all);
    assert_eq!(body_files(&disk), 1);
}

#[test]
fn a_compacted_body_of_a_version_that_was_left_is_dropped() {
    let disk = SimDisk::new();
    let (mut store, _) = open(&disk);
    let mut zone = Edited::new("a.example", MANY);
    let body = store.compactor().write(&zone.live, &ZoneMeta::default()).unwrap();
    zone.edit([1]);
    store.commit(&[zone.full()]).unwrap();
    store.commit(&[zone.write(BodyWrite::Compacted(body))]).unwrap();
    assert_eq!(body_files(&disk), 1);
    drop(store);
    zone.is_in(&open(&disk).1);
}

#[test]
fn history_is_cut_at_its_limit_and_never_what_is_required() {
    let disk = SimDisk::new();
    let (mut store, _) = open_with(&disk, Options { history_octets_max: 2000, ..options() });
    let mut zone = Edited::new("a.example", 50);
    store.commit(&[zone.full()]).unwrap();
    for round in 0..3 {
        for host in 0..20 {
            let delta = zone.edit([host]);
            store.commit(&[zone.deltas(vec![delta])]).unwrap();
        }
        assert!(zone.history(&store, round * 20 + 1).is_some());
        let body = store.compactor().write(&zone.live, &ZoneMeta::default()).unwrap();
        store.commit(&[zone.write(BodyWrite::Compacted(body))]).unwrap();
    }
    assert_eq!(zone.history(&store, 30), None);
    assert!(zone.history(&store, zone.serial - 5).is_some());
    drop(store);
    let (_, recovered) = open(&disk);
    zone.is_in(&recovered);
    assert!(!recovered.zones[0].version.as_ref().unwrap().recent().is_empty());
}

#[test]
fn a_forgotten_zone_leaves_nothing() {
    let disk = SimDisk::new();
    let (mut store, _) = open(&disk);
    let (mut small, large) = (Edited::new("a.example", 3), Edited::new("b.example", MANY));
    store.commit(&[small.full(), large.full()]).unwrap();
    let delta = small.edit([1]);
    store.commit(&[small.deltas(vec![delta])]).unwrap();
    store.commit(&[small.write(BodyWrite::Forget), large.write(BodyWrite::Forget)]).unwrap();
    assert!(store.stored().unwrap().is_empty());
    assert_eq!(body_files(&disk), 0);
    drop(store);
    assert!(open(&disk).1.zones.is_empty());
}

#[test]
fn two_servers_do_not_share_a_directory() {
    let disk = SimDisk::new();
    let first = open(&disk);
    let second = Store::open(Arc::new(disk.clone()), Path::new(DIR), options());
    assert_eq!(second.err(), Some(StoreError::InUse(DIR.into())));
    drop(first);
    open(&disk);
}

#[test]
fn r07_a_real_directory_does_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Store::open(Arc::new(crate::env::OsDisk), dir.path(), options()).unwrap();
    let (mut store, _) = open();
    let mut zone = Edited::new("a.example", MANY);
    store.commit(&[zone.full()]).unwrap();
    let delta = zone.edit([1]);
    store.commit(&[zone.deltas(vec![delta])]).unwrap();
    assert!(Store::open(Arc::new(crate::env::OsDisk), dir.path(), options()).is_err());
    drop(store);
    zone.is_in(&open().1);
}
