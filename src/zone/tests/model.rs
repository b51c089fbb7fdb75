//! A naive zone: a list of records and a map of names, against which a version is held.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{build, name, records};
use crate::dns::{Name, RecordRef, RecordType, Records, rdata};
use crate::zone::*;

/// A record of the model: what the strategies draw.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    owner: String,
    rtype: u16,
    ttl: u32,
    value: u8,
}

impl Line {
    fn rdata(&self) -> Vec<u8> {
        match RecordType(self.rtype) {
            RecordType::A => vec![192, 0, 2, self.value],
            RecordType::TXT => vec![1, self.value],
            _ => name(["t.", "T.", "u.", "v."][usize::from(self.value % 4)]).as_ref().wire().to_vec(),
        }
    }

    /// What R14 takes for the same record.
    fn identity(&self) -> (Name, u16, Vec<u8>) {
        let mut canonical = Vec::new();
        rdata::canonical(RecordType(self.rtype), &self.rdata(), &mut canonical);
        (name(&self.owner), self.rtype, canonical)
    }

    /// Octet for octet.
    fn octets(&self) -> Vec<u8> {
        let owner = name(&self.owner);
        let rdata = self.rdata();
        let rtype = RecordType(self.rtype);
        let record = RecordRef { owner: owner.as_ref(), rtype, ttl: self.ttl, rdata: &rdata };
        let mut records = Records::new();
        records.push(record);
        records.octets().to_vec()
    }
}

fn line() -> impl Strategy<Value = Line> {
    let label = prop_oneof![Just("a"), Just("A"), Just("b"), Just("c"), Just("*"), Just("d.e"), Just("f")];
    let owner = prop::collection::vec(label, 0..5)
        .prop_map(|labels| labels.iter().map(|label| format!("{label}.")).collect::<String>() + "example.");
    let owner = prop_oneof![
        3 => owner,
        4 => (0..150u8).prop_map(|n| format!("n{n}.example.")),
        1 => (0..50u8).prop_map(|n| format!("g.n{n}.eXample.")),
    ];
    let rtype = prop_oneof![6 => Just(1), 3 => Just(16), 2 => Just(2), 1 => Just(39)];
    let ttl = prop_oneof![8 => Just(60), 1 => Just(30), 1 => Just(1 << 31)];
    (owner, rtype, ttl, 0..6u8).prop_map(|(owner, rtype, ttl, value)| Line { owner, rtype, ttl, value })
}

/// The lines with a serial as packed records, the first of each duplicate only.
fn zone(lines: &[Line]) -> BTreeMap<(Name, u16, Vec<u8>), Line> {
    let mut kept = BTreeMap::new();
    for line in lines {
        kept.entry(line.identity()).or_insert_with(|| line.clone());
    }
    kept
}

fn pack(soa: &str, lines: impl IntoIterator<Item = Line>) -> Records {
    let mut octets = records(soa).octets().to_vec();
    lines.into_iter().for_each(|line| octets.extend_from_slice(&line.octets()));
    Records::from_octets(octets).unwrap()
}

const OLD: &str = "example. 60 SOA 1";
const NEW: &str = "example. 60 SOA 2";

fn sorted(version: &Version) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    version.for_each(|record| all.push([record].into_iter().collect::<Records>().octets().to_vec()));
    all.sort();
    all
}

fn sorted_lines(soa: &str, lines: impl IntoIterator<Item = Line>) -> Vec<Vec<u8>> {
    let mut all: Vec<_> = lines.into_iter().map(|line| line.octets()).collect();
    all.push(records(soa).octets().to_vec());
    all.sort();
    all
}

/// All names that exist: owners and what lies between them and the apex.
fn existing(lines: &[Line]) -> BTreeSet<Name> {
    let apex = name("example");
    let mut names = BTreeSet::from([apex.clone()]);
    for line in lines {
        let mut owner = name(&line.owner);
        while owner != apex {
            names.insert(owner.clone());
            owner = owner.as_ref().parent().unwrap().to_name();
        }
    }
    names
}

/// What a lookup finds, by walking down from the apex one label at a time.
fn naive(lines: &[Line], names: &BTreeSet<Name>, qname: &Name) -> String {
    let depth = qname.as_ref().label_count();
    let owns = |owner: &Name, rtype: u16| lines.iter().any(|l| l.rtype == rtype && name(&l.owner) == *owner);
    let mut encloser = name("example");
    for labels in 1..=depth {
        let ancestor = qname.as_ref().skip_labels(depth - labels).to_name();
        if !names.contains(&ancestor) {
            let wildcard = Name::join(b"\x01*", encloser.as_ref()).unwrap();
            let wildcard = names.contains(&wildcard).then_some(wildcard);
            return format!("none {encloser:?} {wildcard:?}").to_lowercase();
        }
        if labels > 1 && owns(&ancestor, 2) {
            return format!("cut {ancestor:?}").to_lowercase();
        }
        if labels < depth && owns(&ancestor, 39) {
            return format!("dname {ancestor:?}").to_lowercase();
        }
        encloser = ancestor;
    }
    format!("name {qname:?}").to_lowercase()
}

fn actual(version: &Version, qname: &Name) -> String {
    shown(version.find(qname.as_ref()))
}

fn shown(found: Found<'_>) -> String {
    match found {
        Found::Name(node) => format!("name {:?}", node.owner()),
        Found::Cut(node) => format!("cut {:?}", node.owner()),
        Found::Dname(node) => format!("dname {:?}", node.owner()),
        Found::None { encloser, wildcard } => {
            format!("none {:?} {:?}", encloser.owner(), wildcard.map(|node| node.owner()))
        }
    }
    .to_lowercase()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn lookups_agree_with_a_walk_from_the_apex(
        lines in prop::collection::vec(line(), 0..200), asked in prop::collection::vec(line(), 1..40)
    ) {
        let version = build("example", Source::Received, &pack(OLD, lines.clone())).version;
        let names = existing(&lines);
        prop_assert_eq!(version.name_count(), names.len() as u64);
        for line in asked.iter().chain(&lines) {
            let qname = name(&line.owner);
            prop_assert_eq!(actual(&version, &qname), naive(&lines, &names, &qname));
            prop_assert_eq!(version.node(qname.as_ref()).is_some(), names.contains(&qname));
            let mut prepared = version.prepare(qname.as_ref());
            Pass::ALL.into_iter().for_each(|pass| prepared.touch(pass));
            prop_assert_eq!(shown(prepared.find()), naive(&lines, &names, &qname));
        }
    }

    #[test]
    fn a_difference_leads_from_one_version_to_the_other(
        before in prop::collection::vec(line(), 0..250), after in prop::collection::vec(line(), 0..250),
        shared in 0..200usize
    ) {
        let mut after = after;
        after.splice(0..0, before.iter().take(shared).cloned());
        let (old_lines, new_lines) = (zone(&before), zone(&after));
        let old = build("example", Source::Received, &pack(OLD, before)).version;
        let new = build("example", Source::Received, &pack(NEW, after.clone())).version;
        prop_assert_eq!(sorted(&old), sorted_lines(OLD, old_lines.into_values()));

        let delta = diff(&old, &new).unwrap();
        let applied = apply(&old, &delta).unwrap();
        prop_assert_eq!(sorted(&applied), sorted_lines(NEW, new_lines.into_values()));
        prop_assert_eq!(applied.digest(), new.digest());
        prop_assert_eq!(applied.record_count(), new.record_count());
        prop_assert_eq!(applied.name_count(), new.name_count());
        prop_assert!(diff(&applied, &new).is_none());
        let names = existing(&after);
        for line in &after {
            let qname = name(&line.owner);
            prop_assert_eq!(actual(&applied, &qname), naive(&after, &names, &qname));
        }

        let back = apply(&applied, &diff(&applied, &old).unwrap()).unwrap();
        prop_assert_eq!(sorted(&back), sorted(&old));
        prop_assert_eq!((back.digest(), back.name_count()), (old.digest(), old.name_count()));
    }

    #[test]
    fn untouched_pages_keep_their_allocation(
        lines in prop::collection::vec(line(), 100..400), chosen in any::<prop::sample::Index>()
    ) {
        let base = build("example", Source::Received, &pack(OLD, lines.clone())).version;
        let kept: Vec<_> = zone(&lines).into_values().collect();
        let one = chosen.get(&kept).clone();
        let depth = one.owner.matches('.').count();
        let (after, delta) = edit(&base, &pack(OLD, [one.clone()]), &pack(NEW, [])).unwrap();
        let expected = pack(OLD, [one]);
        prop_assert_eq!(delta.removed, expected);
        if let Some(touched) = base.tree.differing(&after.tree) {
            prop_assert!(touched.len() <= depth + 1, "a page for each name up to the apex at most");
        }
        prop_assert_eq!(base.digest(), build("example", Source::Received, &pack(OLD, lines)).version.digest());
    }

    #[test]
    fn strictness_holds_whatever_the_zone(
        lines in prop::collection::vec(line(), 1..100), other in line()
    ) {
        let base = build("example", Source::Received, &pack(OLD, lines.clone())).version;
        let present = zone(&lines).contains_key(&other.identity());
        let removal = edit(&base, &pack(OLD, [other.clone()]), &pack(NEW, []));
        prop_assert_eq!(removal.is_ok(), present);
        let addition = edit(&base, &pack(OLD, []), &pack(NEW, [other]));
        prop_assert_eq!(addition.err(), present.then_some(ApplyError::PresentRecord));
    }
}
