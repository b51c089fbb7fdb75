//! Which questions matter for a zone.

use std::collections::{BTreeMap, BTreeSet};

use crate::message::{Question, Way};
use crate::name::Name;
use crate::plant::Plot;
use crate::random::Random;
use crate::rtype;

/// How many questions are asked about the zones of one seed.
pub const QUESTIONS_A_PLOT: usize = 250;

/// The questions about a plot, from its seed.
pub fn about(plot: &Plot) -> Vec<Question> {
    let mut random = Random::new(plot.seed ^ 0x7175_6573);
    let mut names: Vec<Name> = interesting(plot, &mut random).into_iter().collect();
    random.shuffle(&mut names);
    if plot.signing.is_some() {
        keep_few_beside(plot, &mut names);
    }
    let mut questions = BTreeSet::new();
    // Rounds: each name once before any is asked a second time.
    for round in 0..8 {
        for name in &names {
            if questions.len() == QUESTIONS_A_PLOT {
                break;
            }
            let rtype = qtype(plot, name, round, &mut random);
            let (way, edns) = match random.below(8) {
                0 => (Way::Udp, None),
                1 | 2 => (Way::Udp, Some(512)),
                3..=5 => (Way::Udp, Some(1232)),
                6 => (Way::Tcp, None),
                _ => (Way::Tcp, Some(1232)),
            };
            // Signed answers seldom fit into 512 octets, and what is cut says little.
            let (way, edns) = match plot.signing {
                Some(_) if !random.once_in(200) => (Way::Tcp, Some(1232)),
                _ => (way, edns),
            };
            let dnssec_ok = edns.is_some() && (random.once_in(2) || plot.signing.is_some());
            let name = if random.once_in(500) { name.recased(|| random.once_in(2)) } else { name.clone() };
            let recursion_desired = random.once_in(10);
            questions.insert(Question { name, rtype, way, edns, dnssec_ok, recursion_desired });
        }
    }
    questions.into_iter().collect()
}

/// Of the names for which the same wildcard stands in, and of those right below the same empty non-terminal, a few
/// are kept: the proofs are the same for all of them, and so is what NSD makes of those.
fn keep_few_beside(plot: &Plot, names: &mut Vec<Name>) {
    let mut kept: BTreeMap<Name, usize> = BTreeMap::new();
    names.retain(|name| {
        let Some(zone) = plot.zone_of(name) else { return true };
        let exists = |name: &Name| !zone.types(name).is_empty() || zone.has_below(name);
        if exists(name) {
            return true;
        }
        let encloser = name.upwards().find(exists).unwrap_or_else(|| zone.apex.clone());
        let has_wildcard = encloser.child(b"*").is_some_and(|wildcard| exists(&wildcard));
        let is_plain = !has_wildcard && !zone.types(&encloser).is_empty();
        let count = kept.entry(encloser).or_default();
        *count += 1;
        is_plain || *count <= FEW
    });
}

/// Names that are asked for beside each other.
const FEW: usize = 2;

/// Owners, what is above, below and beside them, and where records point to.
fn interesting(plot: &Plot, random: &mut Random) -> BTreeSet<Name> {
    let mut names = BTreeSet::new();
    for zone in &plot.zones {
        names.extend(zone.apex.upwards().take(2));
        let mut seeds: BTreeSet<Name> = zone.owners().into_iter().collect();
        for record in &zone.records {
            let offset = match record.rtype {
                rtype::NS | rtype::CNAME | rtype::DNAME | rtype::PTR => 0,
                rtype::MX => 2,
                rtype::SRV => 6,
                _ => continue,
            };
            seeds.insert(Name::from_wire(&record.rdata[offset..]).lower());
        }
        for seed in seeds {
            let within = |name: &Name| name.is_at_or_below(&zone.apex);
            names.extend(seed.upwards().take_while(within));
            names.extend(around(&seed, random));
            names.insert(seed);
        }
    }
    // Nobody is asked about names that are in none of the zones, but for one above and one beside.
    let (inside, mut outside): (BTreeSet<Name>, BTreeSet<Name>) =
        names.into_iter().partition(|name| plot.zone_of(name).is_some());
    outside.retain(|_| random.once_in(8));
    inside.into_iter().chain(outside).collect()
}

/// Children, grandchildren, the wildcard, and siblings before and after.
fn around(name: &Name, random: &mut Random) -> Vec<Name> {
    let mut found = Vec::new();
    let child = name.child(b"child");
    found.extend(child.clone());
    found.extend(child.and_then(|child| child.child(b"x")));
    if random.once_in(2) {
        found.extend(name.child(b"*"));
    }
    if random.once_in(3) {
        found.extend(name.child(b"*").and_then(|wildcard| wildcard.child(b"y")));
    }
    if random.once_in(12) {
        // As long as it gets: what is made of it by a DNAME may be too long.
        let mut long = name.clone();
        while let Some(longer) = long.child(&[b'q'; 40]) {
            long = longer;
        }
        found.push(long);
    }
    if let (Some(parent), Some(label)) = (name.parent(), name.labels().first()) {
        if random.once_in(3) {
            found.extend(parent.child(&[label, &b"\0"[..]].concat()));
        }
        found.extend(parent.child(&[label, &b"-"[..]].concat()));
        let mut before = label.to_vec();
        let last = before.len() - 1;
        before[last] = before[last].wrapping_sub(1);
        if before[last].is_ascii_alphanumeric() || random.once_in(3) {
            found.extend(parent.child(&before));
        }
        let mut folded = label.to_vec();
        folded[0] ^= 0x20;
        if !label[0].is_ascii_alphabetic() {
            found.extend(parent.child(&folded));
        }
    }
    found
}

/// Mostly a type that stands there, or one that is treated in its own way.
fn qtype(plot: &Plot, name: &Name, round: usize, random: &mut Random) -> u16 {
    let types: Vec<u16> = plot.zone_of(name).map(|zone| zone.types(name)).into_iter().flatten().collect();
    // What ANY shows of several sets is each server's own choice (RFC 8482 §4).
    let any_is_sane = types.len() < 2;
    match random.below(16) {
        _ if round == 0 && !types.is_empty() => *random.pick(&types),
        0..3 if !types.is_empty() => *random.pick(&types),
        0..5 => rtype::A,
        5 => rtype::AAAA,
        6 => rtype::NS,
        7 => rtype::CNAME,
        8 => rtype::DNAME,
        9 => rtype::DS,
        10 => rtype::SOA,
        11 => rtype::MX,
        12 => rtype::TXT,
        13 if any_is_sane && random.once_in(2) => rtype::ANY,
        14 => random.pick(rtype::SAMPLES).0,
        _ => rtype::A,
    }
}
