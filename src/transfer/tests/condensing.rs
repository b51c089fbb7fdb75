//! Condensed steps do what the steps do (R15, E06).

use proptest::prelude::*;

use super::loopback::{edits, history};
use super::*;
use crate::transfer::condense::condense;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn e06_r15_the_net_effect_is_that_of_the_steps(edits in edits()) {
        let versions = history(&edits, 0);
        let steps = chain(&versions);
        for from in 0..steps.len() {
            for to in from..steps.len() {
                let one = condense(&steps[from..=to]).unwrap();
                prop_assert!(is_same(&zone::apply(&versions[from], &one).unwrap(), &versions[to + 1]));
                let both = one.removed.iter().any(|gone| one.added.iter().any(|come| come.same_octets(gone)));
                prop_assert!(!both, "a record goes and comes");
                let plain: usize = steps[from..=to].iter().map(|delta| delta.octets()).sum();
                prop_assert!(one.octets() <= plain);
            }
        }
    }
}

#[test]
fn r15_ttl_and_case_changes_survive_and_what_was_undone_is_gone() {
    let ttl = rr("a.x.", RecordType::A, 600, &[192, 0, 2, 1]);
    let versions = [
        version(1, &[a("a.x.", 1), a("b.x.", 1)]),
        version(2, &[ttl.clone(), a("b.x.", 1), a("c.x.", 1)]),
        version(3, &[ttl.clone(), a("B.x.", 1)]),
    ];
    let one = condense(&chain(&versions)).unwrap();
    let of =
        |records: &crate::dns::Records| records.iter().skip(1).map(|r| r.to_record()).collect::<Vec<_>>();
    let (mut gone, mut come) = (of(&one.removed), of(&one.added));
    sort(&mut gone);
    sort(&mut come);
    assert!(gone[0].as_ref().same_octets(a("a.x.", 1).as_ref()));
    assert!(gone[1].as_ref().same_octets(a("b.x.", 1).as_ref()));
    assert!(come.iter().any(|record| record.as_ref().same_octets(ttl.as_ref())));
    assert!(come.iter().any(|record| record.as_ref().same_octets(a("B.x.", 1).as_ref())));
    assert_eq!((gone.len(), come.len()), (2, 2));
}

#[test]
fn r15_what_nets_to_nothing_is_the_pair_of_soas() {
    let versions = [version(1, &[a("a.x.", 1)]), version(2, &[]), version(3, &[a("a.x.", 1)])];
    let one = condense(&chain(&versions)).unwrap();
    assert_eq!((one.removed.len(), one.added.len()), (1, 1));
    assert_eq!((one.from, one.to), (Serial(1), Serial(3)));
    assert!(one.removed.iter().next().unwrap().same_octets(versions[0].soa()));
    assert!(one.added.iter().next().unwrap().same_octets(versions[2].soa()));
}

#[test]
fn r15_nothing_is_condensed_across_a_gap_a_jump_back_or_half_the_circle() {
    let at = |serial| version(serial, &[a("a.x.", serial as u8)]);
    assert_eq!(condense(&[]), None);
    let (left, right) = (chain(&[at(1), at(2)]), chain(&[at(3), at(4)]));
    assert_eq!(condense(&[left[0].clone(), right[0].clone()]), None);
    assert_eq!(condense(&chain(&[at(5), at(3), at(6)])), None);
    assert_eq!(condense(&chain(&[at(1), at(0x7000_0000), at(0x9000_0000)])), None);
    assert!(condense(&chain(&[at(1), at(0x7000_0000), at(0x8000_0000)])).is_some());
}

#[test]
fn r15_condensed_steps_are_remembered_within_bounds() {
    let mut cache = Cache::new();
    let steps = chain(&[version(1, &[]), version(2, &[a("a.x.", 1)]), version(3, &[])]);
    let first = cache.condense(&steps).unwrap();
    assert!(Arc::ptr_eq(&first, &cache.condense(&steps).unwrap()));
    assert!(cache.condense(&[]).is_none());
}
