//! The algorithm once more, as plainly as it can be said over a list of records, against the real
//! one on random small zones: same rcode, same AA, same answer section, same kind of authority.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Labels from the left; the apex of the model zone is the empty list.
pub(super) type Labels = Vec<&'static str>;

/// What a record of the model says: its type, and where it points if it points anywhere.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fact {
    pub(super) owner: Labels,
    pub(super) rtype: RecordType,
    target: Labels,
}

/// The answer section as (owner, type) pairs, and the rest of what is compared.
#[derive(Debug, PartialEq, Default)]
struct Expected {
    rcode: String,
    is_authoritative: bool,
    answer: BTreeSet<(String, String)>,
    /// `SOA`, `NS` or nothing.
    authority: String,
}

pub(super) const TYPES: [RecordType; 6] =
    [RecordType::A, RecordType::TXT, RecordType::MX, RecordType::NS, RecordType::CNAME, RecordType::DNAME];

pub(super) fn labels() -> impl Strategy<Value = Labels> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "*"]), 0..4)
}

pub(super) fn facts() -> impl Strategy<Value = Vec<Fact>> {
    let fact = (labels(), prop::sample::select(TYPES.to_vec()), labels());
    let list =
        prop::collection::vec(fact.prop_map(|(owner, rtype, target)| Fact { owner, rtype, target }), 0..10);
    list.prop_map(|list| {
        let mut kept: Vec<Fact> = Vec::new();
        for fact in list {
            let alone = matches!(fact.rtype, RecordType::CNAME | RecordType::DNAME | RecordType::NS);
            // One CNAME and nothing beside it, one DNAME and no NS beside it, the SOA at the apex.
            let clashes = kept.iter().any(|other| {
                other.owner == fact.owner
                    && (other.rtype == fact.rtype || alone || other.rtype == RecordType::CNAME)
            });
            let beside_soa = fact.owner.is_empty() && fact.rtype == RecordType::CNAME;
            if !clashes && !beside_soa {
                kept.push(fact);
            }
        }
        kept
    })
}

pub(super) fn text(labels: &[&str]) -> String {
    labels.iter().chain(&["z"]).map(|label| format!("{label}.")).collect()
}

fn is_below(name: &[&str], ancestor: &[&str]) -> bool {
    name.len() > ancestor.len() && name.ends_with(ancestor)
}

/// RFC 1034 §4.3.2, RFC 4592 §3.3.1 and RFC 6672 §3.2 over a list.
fn expect(facts: &[Fact], name: &Labels, qtype: RecordType, seen: &mut Vec<Labels>, into: &mut Expected) {
    let at = |owner: &[&str], rtype| facts.iter().find(|fact| fact.owner == owner && fact.rtype == rtype);
    let first = seen.is_empty();
    seen.push(name.clone());
    // From the apex downwards: the first cut or DNAME on the way ends it.
    for depth in 0..=name.len() {
        let ancestor = &name[name.len() - depth..];
        if depth > 0 && at(ancestor, RecordType::NS).is_some() {
            into.authority = "NS".to_owned();
            return;
        }
        if let Some(dname) = at(ancestor, RecordType::DNAME).filter(|_| is_below(name, ancestor)) {
            into.is_authoritative |= first;
            into.answer.insert((text(ancestor), "DNAME".to_owned()));
            let head = &name[..name.len() - depth];
            let target: Labels = head.iter().chain(&dname.target).copied().collect();
            into.answer.insert((text(name), "CNAME".to_owned()));
            if qtype != RecordType::CNAME {
                follow(facts, target, qtype, seen, into);
            }
            return;
        }
    }
    into.is_authoritative |= first;
    let exists = |name: &[&str]| {
        name.is_empty() || facts.iter().any(|fact| fact.owner == name || is_below(&fact.owner, name))
    };
    let source = if exists(name) {
        name.clone()
    } else {
        let encloser = (1..=name.len()).map(|skip| &name[skip..]).find(|name| exists(name)).unwrap();
        let wildcard: Labels = ["*"].iter().chain(encloser).copied().collect();
        if !exists(&wildcard) {
            (into.rcode, into.authority) = ("NXDomain".to_owned(), "SOA".to_owned());
            return;
        }
        wildcard
    };
    if at(&source, qtype).is_some() {
        into.answer.insert((text(name), qtype.to_string()));
    } else if let Some(cname) = at(&source, RecordType::CNAME) {
        into.answer.insert((text(name), "CNAME".to_owned()));
        follow(facts, cname.target.clone(), qtype, seen, into);
    } else {
        into.authority = "SOA".to_owned();
    }
}

fn follow(facts: &[Fact], target: Labels, qtype: RecordType, seen: &mut Vec<Labels>, into: &mut Expected) {
    if !seen.contains(&target) && seen.len() <= crate::limits::CHAIN_STEPS_MAX {
        expect(facts, &target, qtype, seen, into);
    }
}

fn built(facts: &[Fact]) -> Zones {
    Zones(vec![zone("z.", &lines_of(facts))])
}

/// The lines of a zone file.
pub(super) fn lines_of(facts: &[Fact]) -> String {
    let lines = facts.iter().map(|fact| {
        let target = text(&fact.target);
        let data = match fact.rtype {
            RecordType::A => "192.0.2.1".to_owned(),
            RecordType::TXT => "x".to_owned(),
            RecordType::MX => format!("10 {target}"),
            _ => target,
        };
        format!("{} 60 {} {data}\n", text(&fact.owner), fact.rtype)
    });
    lines.collect()
}

fn seen_in(shown: &[String]) -> Expected {
    let mut words = shown[0].split(' ');
    let rcode = words.next().unwrap().to_owned();
    let is_authoritative = words.next() == Some("aa");
    let mut got = Expected { rcode, is_authoritative, ..Expected::default() };
    for line in &shown[1..] {
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "an" => drop(got.answer.insert((words[1].to_owned(), words[3].to_owned()))),
            "au" => got.authority = words[3].to_owned(),
            _ => {}
        }
    }
    got
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_answer_is_what_the_plain_algorithm_says(
        facts in facts(),
        name in labels(),
        qtype in prop::sample::select(TYPES.to_vec()),
    ) {
        let mut expected = Expected { rcode: "NoError".to_owned(), ..Expected::default() };
        expect(&facts, &name, qtype, &mut Vec::new(), &mut expected);
        let zones = built(&facts);
        let shown = ask_with(&zones, &text(&name), &qtype.to_string(), 65_535, PLAIN);
        prop_assert_eq!(seen_in(&shown), expected, "{:?}", shown);
        let lines: BTreeSet<&String> = shown.iter().collect();
        prop_assert_eq!(lines.len(), shown.len(), "no record twice: {:?}", shown);
    }
}
