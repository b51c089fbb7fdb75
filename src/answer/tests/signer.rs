//! Signs a zone as far as answers can tell: chains are whole, signatures are there and say nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{Zones, zone};
use crate::dns::nsec3::{self, Hash, Parameters};
use crate::dns::{Name, RecordType};

/// The chain that a zone gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    Nsec,
    Nsec3,
    /// NSEC3 without the delegations that have no DS.
    OptOut,
}

pub(super) const PARAMETERS: Parameters<'static> = Parameters { iterations: 1, salt: b"\xaa\xbb" };

/// The types of each name that is signed.
type Owners = BTreeMap<Name, BTreeSet<String>>;

/// A zone with the apex `z.` from lines with absolute owners, and what a signer adds.
pub(super) fn signed(lines: &str, chain: Chain) -> Zones {
    let apex = Name::parse("z").unwrap();
    let mut all = Owners::from([(apex.clone(), BTreeSet::from(["SOA".to_owned()]))]);
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        all.entry(Name::parse(words[0]).unwrap()).or_default().insert(words[2].to_owned());
    }
    let stops: Vec<Name> = all
        .iter()
        .filter(|(owner, types)| types.contains("DNAME") || (types.contains("NS") && **owner != apex))
        .map(|(owner, _)| owner.clone())
        .collect();
    let is_hidden =
        |name: &Name| stops.iter().any(|stop| name != stop && name.as_ref().is_at_or_below(stop.as_ref()));
    all.retain(|owner, _| !is_hidden(owner));
    let is_cut = |owner: &Name, types: &BTreeSet<String>| types.contains("NS") && *owner != apex;
    let mut text = lines.to_owned() + "\n";
    for (owner, types) in &all {
        let is_cut = is_cut(owner, types);
        for rtype in types.iter().filter(|rtype| !is_cut || *rtype == "DS") {
            text += &rrsig(owner, rtype);
        }
    }
    if chain == Chain::Nsec {
        let owners: Vec<&Name> = all.keys().collect();
        for (at, owner) in owners.iter().enumerate() {
            let next = owners[(at + 1) % owners.len()];
            text += &format!(
                "{owner} 60 NSEC {next} {} RRSIG NSEC\n{}",
                types_of(&all, owner),
                rrsig(owner, "NSEC")
            );
        }
    } else {
        text += "@ 60 NSEC3PARAM 1 0 1 AABB\n";
        text += &rrsig(&apex, "NSEC3PARAM");
        let is_left_out = |owner: &&Name| {
            let types = &all[*owner];
            chain == Chain::OptOut && is_cut(owner, types) && !types.contains("DS")
        };
        let mut hashes: BTreeMap<Hash, Name> = BTreeMap::new();
        for owner in all.keys().filter(|owner| !is_left_out(owner)) {
            // Empty non-terminals too.
            let mut name = owner.as_ref();
            while name.is_at_or_below(apex.as_ref()) {
                hashes.insert(PARAMETERS.hash(name), name.to_name());
                name = name.parent().unwrap();
            }
        }
        let flags = u8::from(chain == Chain::OptOut);
        let owners: Vec<(&Hash, &Name)> = hashes.iter().collect();
        for (at, (hash, name)) in owners.iter().enumerate() {
            let [owner, next] = [hash, owners[(at + 1) % owners.len()].0].map(shown);
            let owner = Name::parse(&format!("{owner}.z.")).unwrap();
            text += &format!("{owner} 60 NSEC3 1 {flags} 1 AABB {next} {}\n", types_of(&all, name));
            text += &rrsig(&owner, "NSEC3");
        }
    }
    Zones(vec![zone("z.", &text)])
}

/// A hash as it stands in text.
pub(super) fn shown(hash: &Hash) -> String {
    String::from_utf8(nsec3::label(hash)[1..].to_vec()).unwrap()
}

fn types_of(all: &Owners, owner: &Name) -> String {
    let types = all.get(owner).into_iter().flatten();
    types.map(|rtype| format!("{rtype} ")).collect()
}

fn rrsig(owner: &Name, covered: &str) -> String {
    assert!(covered.parse::<RecordType>().is_ok());
    let labels = owner.as_ref().label_count() - usize::from(owner.as_ref().wire().starts_with(b"\x01*"));
    format!("{owner} 60 RRSIG {covered} 13 {labels} 60 20300101000000 20200101000000 1 z. AAAA\n")
}
