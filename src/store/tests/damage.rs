//! Somebody writes into the files: never a panic, never silence, and no more is lost than must be.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::limits::INLINE_BODY_OCTETS_MAX;
use crate::store::body::{Compactor, Place, read_body};
use crate::store::database::{DELTA, ZONE, begin};
use crate::store::format::{seal, unseal};

/// A store with a small zone, a large one with a chain, and their edits.
fn filled() -> (SimDisk, Edited, Edited) {
    let disk = SimDisk::new();
    let (mut store, _) = open(&disk);
    let (mut small, mut large) = (Edited::new("small.example", 3), Edited::new("large.example", MANY));
    store.commit(&[small.full(), large.full()]).unwrap();
    for host in 0..4 {
        let (one, two) = (small.edit([host]), large.edit([host]));
        store.commit(&[small.deltas(vec![one]), large.deltas(vec![two])]).unwrap();
    }
    (disk, small, large)
}

fn body_file(disk: &SimDisk) -> PathBuf {
    let dir = Path::new(DIR).join("bodies");
    let names = disk.list(&dir).unwrap();
    dir.join(&names[0])
}

/// Flips a bit in the stored values of deltas or rows.
fn tamper(disk: &SimDisk, what: &[(&str, Option<u64>)]) {
    tamper_with(disk, what, |octets| {
        let middle = octets.len() / 2;
        octets[middle] ^= 1;
    });
}

/// Changes the stored values of deltas or rows inside the database.
fn tamper_with(disk: &SimDisk, what: &[(&str, Option<u64>)], change: impl Fn(&mut Vec<u8>)) {
    let (store, _) = open(disk);
    let database = store.database.read().unwrap();
    let transaction = begin(database.as_ref().unwrap()).unwrap();
    for (apex, delta) in what {
        let apex = name(apex);
        let key = apex.as_ref().wire();
        let mut zone = transaction.open_table(ZONE).unwrap();
        let mut deltas = transaction.open_table(DELTA).unwrap();
        let stored = match delta {
            Some(at) => deltas.remove((key, *at)).unwrap().map(|value| value.value().to_vec()),
            None => zone.remove(key).unwrap().map(|value| value.value().to_vec()),
        };
        let mut octets = stored.unwrap();
        change(&mut octets);
        match delta {
            Some(at) => deltas.insert((key, *at), &octets[..]).map(|_| ()).unwrap(),
            None => zone.insert(key, &octets[..]).map(|_| ()).unwrap(),
        }
    }
    transaction.commit().unwrap();
}

#[test]
fn r01_a_broken_delta_leaves_the_longest_good_prefix() {
    let (disk, small, mut large) = filled();
    tamper(&disk, &[("large.example", Some(2))]);
    let (store, recovered) = open(&disk);
    small.is_in(&recovered);
    let found = zone(&recovered, "large.example");
    assert_eq!(found.version.as_ref().unwrap().serial(), Serial(3));
    assert_eq!(found.meta.serial_floor, Some(Serial(5)), "the floor is that of what was published");
    let (reason, text) = found.problem.clone().unwrap();
    assert_eq!(reason, Reason::StoreDamaged);
    assert!(text.contains("after serial 3"), "{text}");
    drop(store);
    let (mut store, again) = open(&disk);
    assert_eq!(zone(&again, "large.example").problem, None, "the prefix was written anew");
    // What was lost comes again from elsewhere.
    let delta = large.edit([1]);
    store.commit(&[large.deltas(vec![delta])]).unwrap();
    drop(store);
    large.is_in(&open(&disk).1);
}

#[test]
fn r01_a_damaged_body_costs_the_data_and_not_the_rest() {
    let (disk, small, large) = filled();
    let path = body_file(&disk);
    let whole = disk.content(&path).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        for octets in [whole[..at].to_vec(), [&whole[..at], &[whole[at] ^ 4], &whole[at + 1..]].concat()] {
            let disk = disk.copy();
            disk.put(&path, &octets);
            let (_, recovered) = open(&disk);
            small.is_in(&recovered);
            let found = zone(&recovered, "large.example");
            assert!(found.version.is_none(), "octet {at}");
            assert_eq!(found.meta.serial_floor, Some(large.live.serial()));
            assert_eq!(found.problem.as_ref().unwrap().0, Reason::StoreDamaged);
        }
    }
}

#[test]
fn r01_a_damaged_row_costs_only_what_it_says() {
    let (disk, small, large) = filled();
    tamper(&disk, &[("large.example", None), ("small.example", None)]);
    let (store, recovered) = open(&disk);
    for edited in [&small, &large] {
        let found = zone(&recovered, edited.apex);
        assert_eq!(found.version.as_ref().unwrap().digest(), edited.live.digest());
        assert_eq!(found.meta.serial_floor, Some(edited.live.serial()));
        assert!(found.problem.is_some());
    }
    drop(store);
    let (_, recovered) = open(&disk);
    small.is_in(&recovered);
    large.is_in(&recovered);
}

#[test]
fn r01_an_unreadable_database_is_moved_aside_and_body_files_still_count() {
    let (disk, _, large) = filled();
    let path = Path::new(DIR).join("state.redb");
    disk.put(&path, b"this is no database, and too short for one");
    let (store, recovered) = open(&disk);
    assert_eq!(recovered.notes.len(), 1);
    assert!(disk.exists(&Path::new(DIR).join("state.redb.unreadable-1")).unwrap());
    assert_eq!(recovered.zones.len(), 1, "what was only in the database is lost");
    let found = zone(&recovered, "large.example");
    assert_eq!(found.version.as_ref().unwrap().serial(), Serial(1), "as the body file has it");
    assert!(found.problem.is_some() && found.meta.serial_floor == Some(Serial(1)));
    drop((store, large));
    let (_, again) = open(&disk);
    assert!(again.notes.is_empty() && again.zones[0].problem.is_none());
    assert_eq!(again.zones[0].version.as_ref().unwrap().serial(), Serial(1));
}

#[test]
fn r01_body_files_without_a_database_are_kept() {
    let (disk, ..) = filled();
    disk.remove(&Path::new(DIR).join("state.redb")).unwrap();
    let (_, recovered) = open(&disk);
    assert!(recovered.notes.len() == 1 && recovered.zones.len() == 1, "{:?}", recovered.notes);
    let found = zone(&recovered, "large.example");
    assert_eq!(found.version.as_ref().unwrap().serial(), Serial(1), "as the body file has it");
    let (_, again) = open(&disk);
    assert!(again.notes.is_empty() && again.zones[0].version.is_some());
}

#[test]
fn damage_anywhere_in_the_database_is_survived() {
    let (disk, small, large) = filled();
    let path = Path::new(DIR).join("state.redb");
    let whole = disk.content(&path).unwrap();
    // Each page in use, at a few places each; the first page holds what redb trusts most.
    let used: Vec<usize> = (0..whole.len()).filter(|&at| whole[at] != 0).collect();
    let step = (used.len() / 80).max(1);
    for &at in used.iter().take(60).chain(used.iter().step_by(step)) {
        let disk = disk.copy();
        let mut octets = whole.clone();
        octets[at] ^= 0x41;
        disk.put(&path, &octets);
        let (mut store, recovered) = open(&disk);
        for edited in [&small, &large] {
            let Some(found) = recovered.zones.iter().find(|zone| zone.apex == name(edited.apex)) else {
                assert!(!recovered.notes.is_empty(), "octet {at}: a zone vanished without a word");
                continue;
            };
            let told = found.problem.is_some() || !recovered.notes.is_empty();
            let right =
                found.version.as_ref().is_some_and(|version| version.digest() == edited.live.digest());
            assert!(right || told, "octet {at}: another version without a word");
        }
        // It can be written to, if need be in a new database.
        let mut next = Edited::new("small.example", 7);
        next.edit([1]);
        if store.commit(&[next.full()]).is_err() {
            store.heal().unwrap();
            store.commit(&[next.full()]).unwrap();
        }
        drop(store);
        next.is_in(&open(&disk).1);
    }
}

#[test]
fn a_lost_digest_key_does_not_cost_the_zones() {
    let (disk, small, large) = filled();
    let mut store = open(&disk).0;
    {
        let database = store.database.read().unwrap();
        let transaction = begin(database.as_ref().unwrap()).unwrap();
        transaction
            .open_table(redb::TableDefinition::<&str, &[u8]>::new("meta"))
            .unwrap()
            .insert("digest_key", &b"short"[..])
            .unwrap();
        transaction.commit().unwrap();
    }
    store.due.clear();
    drop(store);
    let other = Options { digest_key_if_new: DigestKey([9; 16]), ..options() };
    let (_, recovered) = open_with(&disk, other);
    assert_eq!(recovered.digest_key, DigestKey([9; 16]));
    for edited in [small, large] {
        let found = zone(&recovered, edited.apex);
        let version = found.version.as_ref().unwrap();
        assert_eq!(
            (version.serial(), version.record_count()),
            (edited.live.serial(), edited.live.record_count())
        );
        assert_eq!((version.key(), &found.problem), (DigestKey([9; 16]), &None));
    }
}

fn body_octets() -> Vec<u8> {
    let disk = SimDisk::new();
    let compactor = Compactor::open(Arc::new(disk), PathBuf::from(DIR), INLINE_BODY_OCTETS_MAX).unwrap();
    let zone = Edited::new("a.example", 20);
    match compactor.write(&zone.live, &ZoneMeta::default()).unwrap().place {
        Place::Inline(octets) => octets,
        Place::File(_) => panic!("a small body is kept inline"),
    }
}

proptest! {
    #[test]
    fn random_octets_are_no_body(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(read_body(&mut &octets[..], key()).is_err());
    }

    #[test]
    fn a_changed_body_is_no_body(at in any::<proptest::sample::Index>(), mask in 1..=255u8) {
        let mut octets = body_octets();
        prop_assert!(read_body(&mut &octets[..], key()).is_ok());
        let at = at.index(octets.len());
        octets[at] ^= mask;
        prop_assert!(read_body(&mut &octets[..], key()).is_err());
        octets.truncate(at);
        prop_assert!(read_body(&mut &octets[..], key()).is_err());
    }
}

/// What [`filled`] leaves, made once.
static FILLED: LazyLock<SimDisk> = LazyLock::new(|| filled().0);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_changed_value_under_a_fitting_checksum_leaves_what_holds_together(
        apex in proptest::sample::select(vec!["small.example", "large.example"]),
        delta in proptest::option::of(0..4u64),
        at in any::<proptest::sample::Index>(),
        octets in proptest::collection::vec(any::<u8>(), 0..8),
    ) {
        let disk = FILLED.copy();
        tamper_with(&disk, &[(apex, delta)], |value| {
            let mut content = unseal(value).unwrap().to_vec();
            let at = at.index(content.len());
            let end = content.len().min(at + octets.len());
            content.splice(at..end, octets.iter().copied().take(end - at));
            if octets.is_empty() {
                content.truncate(at);
            }
            *value = seal(content);
        });
        let told = |zone: &RecoveredZone| zone.version.as_ref().map(|it| (it.serial(), it.digest()));
        let first = open(&disk).1;
        let again = open(&disk).1;
        prop_assert!(first.notes.is_empty() && again.notes.is_empty());
        for before in &first.zones {
            let after = zone(&again, &before.apex.to_string());
            prop_assert_eq!(told(after), told(before));
            prop_assert!(after.problem.is_none() || after.version.is_none(), "{:?}", after.problem);
        }
    }
}

#[test]
fn r04_a_body_file_repeats_floor_and_deadline_for_a_lost_database() {
    let (disk, _, large) = filled();
    let meta = ZoneMeta { serial_floor: Some(Serial(77)), expire_at: Some(Wall(5)), ..ZoneMeta::default() };
    {
        let (mut store, _) = open(&disk);
        let apex = large.live.apex().to_name();
        store.commit(&[ZoneWrite { apex, body: BodyWrite::Repeat, meta }]).unwrap();
    }
    // Nothing of it is swept away while the database is there.
    drop(open(&disk));
    disk.remove(&Path::new(DIR).join("state.redb")).unwrap();
    let (mut store, recovered) = open(&disk);
    let found = zone(&recovered, "large.example");
    assert!(found.row_lost);
    assert_eq!((found.meta.serial_floor, found.meta.expire_at), (Some(Serial(77)), Some(Wall(5))));
    // A postscript goes with its body.
    let dir = Path::new(DIR).join("bodies");
    let mut large = large;
    large.edit([1]);
    store.commit(&[large.full()]).unwrap();
    assert_eq!(disk.list(&dir).unwrap().len(), 1, "{:?}", disk.list(&dir));
}

#[test]
fn r04_a_damaged_postscript_is_none() {
    let (disk, _, large) = filled();
    let meta = ZoneMeta { serial_floor: Some(Serial(77)), ..ZoneMeta::default() };
    {
        let (mut store, _) = open(&disk);
        let apex = large.live.apex().to_name();
        store.commit(&[ZoneWrite { apex, body: BodyWrite::Repeat, meta }]).unwrap();
    }
    let names = disk.list(&Path::new(DIR).join("bodies")).unwrap();
    let later = names.iter().find(|name| name.to_str().unwrap().ends_with(".later")).expect("it is there");
    let path = Path::new(DIR).join("bodies").join(later);
    let mut octets = disk.content(&path).unwrap();
    octets[10] ^= 1;
    disk.put(&path, &octets);
    disk.remove(&Path::new(DIR).join("state.redb")).unwrap();
    let (_, recovered) = open(&disk);
    assert_eq!(zone(&recovered, "large.example").meta.serial_floor, Some(Serial(1)), "as the body says");
}
