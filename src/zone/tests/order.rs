//! The index of signed zones against a sorted list of names and hashes, after any edits.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{build, name, records};
use crate::dns::nsec3::{self, Hash, Parameters};
use crate::dns::{Name, RecordRef, RecordType, Records};
use crate::zone::*;

/// The two chains of the model: salts.
const SALTS: [&[u8]; 2] = [b"", b"\xbe\xef"];

/// What a name of the model has, as a set of bits.
const ADDRESS: u8 = 1;
const NSEC: u8 = 2;
/// An NSEC3 with the first salt; one bit further with the second.
const NSEC3: u8 = 4;
/// NSEC3PARAM of the first salt, at the apex only; then the second; then the first under construction.
const PARAM: u8 = 16;
const PARAM_UNFINISHED: u8 = 64;

type Model = BTreeMap<Name, u8>;

fn hash(salt: &[u8], owner: &Name) -> Hash {
    Parameters { iterations: 1, salt }.hash(owner.as_ref())
}

fn parameters(flags: u8, salt: &[u8]) -> Vec<u8> {
    [&[1, flags, 0, 1, salt.len() as u8], salt].concat()
}

/// The records of one name of the model, those of its NSEC3 at the hash.
fn push(records: &mut Records, owner: &Name, bits: u8) {
    let mut push = |owner: &Name, rtype, rdata: &[u8]| {
        records.push(RecordRef { owner: owner.as_ref(), rtype, ttl: 60, rdata });
    };
    if bits & ADDRESS != 0 {
        push(owner, RecordType::A, &[192, 0, 2, 1]);
    }
    if bits & NSEC != 0 {
        push(owner, RecordType::NSEC, b"\0\0\x01\x40");
    }
    for (at, salt) in SALTS.into_iter().enumerate() {
        if bits & NSEC3 << at != 0 {
            let hashed = Name::join(&nsec3::label(&hash(salt, owner)), name("example").as_ref()).unwrap();
            push(&hashed, RecordType::NSEC3, &[&parameters(1, salt)[..], b"\x01n\0\x01\x40"].concat());
        }
        if bits & PARAM << at != 0 {
            push(owner, RecordType::NSEC3PARAM, &parameters(0, salt));
        }
    }
    if bits & PARAM_UNFINISHED != 0 {
        push(owner, RecordType::NSEC3PARAM, &parameters(1, SALTS[0]));
    }
}

fn pack(serial: u32, model: &Model) -> Records {
    let mut packed = records(&format!("example. 60 SOA {serial}"));
    model.iter().for_each(|(owner, bits)| push(&mut packed, owner, *bits));
    packed
}

fn label() -> impl Strategy<Value = String> {
    let few = ["a", "B", "*", "\\000", "aa", "a-long-label-of-a-name"].map(str::to_owned);
    prop_oneof![prop::sample::select(few.to_vec()), (0..200u8).prop_map(|n| format!("n{n}"))]
}

fn owner() -> impl Strategy<Value = Name> {
    let labels = prop::collection::vec(label(), 0..4);
    labels.prop_map(|labels| {
        name(&(labels.iter().map(|label| format!("{label}.")).collect::<String>() + "example."))
    })
}

/// A change of some names; the apex keeps what it is told apart.
fn change() -> impl Strategy<Value = (BTreeMap<Name, u8>, u8)> {
    let bits = prop_oneof![1 => Just(0), 4 => 0..16u8];
    (prop::collection::btree_map(owner(), bits, 0..60), any::<u8>())
}

/// The chain that the model proves by: `None`, NSEC, or NSEC3 by its salt.
fn chain(model: &Model) -> Option<Option<&'static [u8]>> {
    let apex = model.get(&name("example")).copied().unwrap_or(0);
    let usable = |at: &usize| apex & PARAM << at != 0 && apex & NSEC3 << at != 0;
    match (0..2).find(usable) {
        Some(at) => Some(Some(SALTS[at])),
        None => (apex & NSEC != 0).then_some(None),
    }
}

#[track_caller]
fn check(version: &Version, model: &Model, asked: &[Name]) {
    let rebuilt = build("example", Source::Received, &pack(version.serial().0, model)).version;
    assert_eq!(version.digest(), rebuilt.digest(), "the model is what the version is");
    let keys = |version: &Version| version.order.as_ref().map(|order| order.keys());
    assert_eq!(keys(version), keys(&rebuilt), "an edit leads to what a full load gives");
    match (version.denial(), chain(model)) {
        (None, None) => {}
        (Some(Denial::Nsec(chain)), Some(None)) => {
            let owners = model.iter().filter(|(_, bits)| **bits & NSEC != 0);
            let owners: BTreeSet<Name> = owners.map(|(owner, _)| owner.clone()).collect();
            for name in asked {
                let found = chain.at_or_before(name.as_ref()).map(|node| node.owner());
                assert_eq!(found.as_ref(), owners.range(..=name.clone()).next_back());
            }
        }
        (Some(Denial::Nsec3(chain)), Some(Some(salt))) => {
            let bit = if salt == SALTS[0] { NSEC3 } else { NSEC3 << 1 };
            let hashes: BTreeSet<Hash> = model
                .iter()
                .filter(|(_, bits)| **bits & bit != 0)
                .map(|(owner, _)| hash(salt, owner))
                .collect();
            let hash_of = |node: Node<'_>| nsec3::from_labels(node.labels()).unwrap();
            for name in asked.iter().chain(model.keys()) {
                let wanted = hash(salt, name);
                let expected = hashes.get(&wanted).copied();
                assert_eq!(chain.matching(name.as_ref()).map(hash_of), expected);
                let expected = hashes.range(..=wanted).next_back().or(hashes.last()).copied();
                assert_eq!(chain.covering(name.as_ref()).map(hash_of), expected);
            }
            assert_eq!(chain.of_apex().map(hash_of), Some(hash(salt, &name("example"))));
        }
        (found, expected) => panic!("{} for {expected:?}", found.is_some()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_is_that_of_a_sorted_list_after_any_edits(
        rounds in prop::collection::vec(change(), 1..6),
        asked in prop::collection::vec(owner(), 10),
    ) {
        let mut model = Model::new();
        let mut version = build("example", Source::Received, &pack(0, &model)).version;
        for (serial, (changes, apex)) in rounds.into_iter().enumerate() {
            let before = model.clone();
            model.extend(changes);
            model.insert(name("example"), apex & 127);
            let (mut removed, mut added) = (pack(serial as u32, &Model::new()), pack(serial as u32 + 1, &Model::new()));
            for owner in model.keys() {
                let (old, new) = (before.get(owner).copied().unwrap_or(0), model[owner]);
                push(&mut removed, owner, old & !new);
                push(&mut added, owner, new & !old);
            }
            version = edit(&version, &removed, &added).unwrap().0;
            check(&version, &model, &asked);
        }
    }
}

/// A zone with so many names, each with an NSEC or the NSEC3 of the first chain.
fn large(names: usize, bits: u8, apex: u8) -> (Model, Version) {
    let mut model: Model = (0..names).map(|n| (name(&format!("h{n}.example")), bits | ADDRESS)).collect();
    model.insert(name("example"), bits | apex);
    let version = build("example", Source::Received, &pack(1, &model)).version;
    (model, version)
}

#[test]
fn an_edit_copies_what_it_touches() {
    for (bits, apex) in [(NSEC, 0), (NSEC3, PARAM)] {
        let (mut model, base) = large(20_000, bits, apex);
        let (mut removed, mut added) = (pack(1, &Model::new()), pack(2, &Model::new()));
        push(&mut added, &name("new.example"), ADDRESS | bits);
        push(&mut removed, &name("h7.example"), ADDRESS | bits);
        let (after, _) = edit(&base, &removed, &added).unwrap();
        let (before, order) = (base.order.as_ref().unwrap(), after.order.as_ref().unwrap());
        assert!((1..=6).contains(&order.nodes_apart_from(before)), "{}", order.nodes_apart_from(before));
        model.remove(&name("h7.example"));
        model.insert(name("new.example"), ADDRESS | bits);
        check(&after, &model, &[name("h7.example"), name("g.example"), name("zz.new.example")]);
        // What is not of the chain leaves the index as it is.
        let (removed, mut added) = (pack(2, &Model::new()), pack(3, &Model::new()));
        push(&mut added, &name("other.example"), ADDRESS);
        let (later, _) = edit(&after, &removed, &added).unwrap();
        assert!(std::sync::Arc::ptr_eq(order, later.order.as_ref().unwrap()));
        let reserialed = reserial(&later, crate::dns::Serial(9));
        assert!(std::sync::Arc::ptr_eq(order, reserialed.order.as_ref().unwrap()));
    }
}

#[test]
fn l05_a_name_that_looks_like_a_hash_is_no_nsec3() {
    let absent = name("absent.example");
    let hashed = Name::join(&nsec3::label(&hash(SALTS[0], &absent)), name("example").as_ref()).unwrap();
    let model = Model::from([(name("example"), NSEC3 | PARAM), (hashed, ADDRESS)]);
    let version = build("example", Source::Received, &pack(1, &model)).version;
    let Some(Denial::Nsec3(chain)) = version.denial() else { panic!("it has NSEC3") };
    assert!(chain.matching(absent.as_ref()).is_none());
    assert!(chain.matching(name("example").as_ref()).is_some());
}

#[test]
fn l13_a_mere_hash_does_not_exist_and_a_real_name_does() {
    let hashed = nsec3::label(&hash(SALTS[0], &name("example")));
    let hashed = Name::join(&hashed, name("example").as_ref()).unwrap();
    let below = Name::join(b"\x01x", hashed.as_ref()).unwrap();
    let mut model = Model::from([(name("example"), NSEC3 | PARAM), (name("*.example"), ADDRESS)]);
    let found = |model: &Model, name: &Name| {
        let version = build("example", Source::Received, &pack(1, model)).version;
        super::shown(version.find(name.as_ref()))
    };
    assert_eq!(found(&model, &hashed), "*.example. for example.");
    assert_eq!(found(&model, &below), "*.example. for example.");
    model.insert(below.clone(), ADDRESS);
    assert_eq!(found(&model, &hashed), format!("name {hashed}"));
    assert_eq!(found(&model, &below), format!("name {below}"));
    model.remove(&below);
    model.insert(hashed.clone(), ADDRESS);
    assert_eq!(found(&model, &hashed), format!("name {hashed}"));
    assert_eq!(found(&model, &below), format!("none {hashed}"));
}
