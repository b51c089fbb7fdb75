//! A zone as it is made: records that every server loads, and which types stand at which name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::name::Name;
use crate::rtype;
use crate::servers::Kind;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Spelled as in the file.
    pub owner: Name,
    /// In seconds, the same in all of a set.
    pub ttl: u32,
    /// Its type.
    pub rtype: u16,
    /// Its RDATA, names not compressed.
    pub rdata: Vec<u8>,
}

/// A zone on its way.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Its name.
    pub apex: Name,
    /// All records, the SOA first.
    pub records: Vec<Record>,
    /// The types and the TTL of each at every owner, in lower case.
    sets: BTreeMap<Name, BTreeMap<u16, u32>>,
}

impl Zone {
    /// A zone with an SOA.
    pub fn new(apex: Name, ttl: u32, minimum: u32) -> Zone {
        let mut zone = Zone { apex: apex.clone(), records: Vec::new(), sets: BTreeMap::new() };
        let host = apex.child(b"ns").expect("apices are short");
        let mut rdata = [host.wire(), host.wire()].concat();
        for number in [1, 3600, 600, 86_400, minimum] {
            rdata.extend(number.to_be_bytes());
        }
        zone.add(&apex, ttl, rtype::SOA, &rdata);
        zone
    }

    /// Adds a record if the rules of zones allow it there; says whether they do. A set keeps the TTL
    /// of its first record.
    pub fn add(&mut self, owner: &Name, ttl: u32, rtype: u16, rdata: &[u8]) -> bool {
        if !self.may_hold(owner, rtype) {
            return false;
        }
        let key = owner.lower();
        let ttl = *self.sets.entry(key.clone()).or_default().entry(rtype).or_insert(ttl);
        // Names in RDATA are equal without case; servers keep one of two that differ in nothing else.
        let is_new = !self.records.iter().any(|record| {
            record.rtype == rtype && record.owner.lower() == key && record.rdata.eq_ignore_ascii_case(rdata)
        });
        if is_new {
            self.records.push(Record { owner: owner.clone(), ttl, rtype, rdata: rdata.to_vec() });
        }
        true
    }

    /// Takes away all but the apex, and its servers inside.
    pub fn cut_down(&mut self) {
        let apex = self.apex.clone();
        let inside = |record: &Record| {
            record.rtype == rtype::NS && Name::from_wire(&record.rdata).is_at_or_below(&apex)
        };
        self.records.retain(|record| record.owner == apex && !inside(record));
        self.sets.retain(|owner, _| *owner == apex);
        let elsewhere = Name::plain("ns.elsewhere.example");
        self.add(&apex, 60, rtype::NS, elsewhere.wire());
    }

    /// RFC 1034 §3.6.2, RFC 2181 §10.1, RFC 6672 §2.4: CNAME alone, one DNAME, not beside a cut.
    fn may_hold(&self, owner: &Name, rtype: u16) -> bool {
        let here = self.types(owner);
        let single = [rtype::CNAME, rtype::DNAME, rtype::SOA];
        let is_cut = |types: &BTreeSet<u16>| types.contains(&rtype::NS) && *owner != self.apex;
        owner.is_at_or_below(&self.apex)
            && match rtype {
                _ if here.contains(&rtype::CNAME) => false,
                rtype if single.contains(&rtype) && here.contains(&rtype) => false,
                rtype::CNAME => here.is_empty(),
                rtype::DNAME => !is_cut(&here),
                rtype::NS => *owner == self.apex || !here.contains(&rtype::DNAME),
                rtype::DS => is_cut(&here),
                _ => true,
            }
    }

    /// The types at `name`, whatever its case.
    pub fn types(&self, name: &Name) -> BTreeSet<u16> {
        self.sets.get(&name.lower()).map(|sets| sets.keys().copied().collect()).unwrap_or_default()
    }

    /// Every owner once, in lower case.
    pub fn owners(&self) -> Vec<Name> {
        self.sets.keys().cloned().collect()
    }

    /// Whether `name` exists: by records, or because something stands below it.
    pub fn holds(&self, name: &Name) -> bool {
        self.sets.contains_key(&name.lower()) || self.has_below(name)
    }

    /// Whether something stands below `name`.
    pub fn has_below(&self, name: &Name) -> bool {
        self.sets.keys().any(|owner| owner.is_below(name))
    }

    /// The owner of the highest cut or DNAME at or above `name` (for DNAME: above), below the apex.
    pub fn barrier(&self, name: &Name, rtype: u16) -> Option<Name> {
        let stands = |above: &Name| {
            self.types(above).contains(&rtype)
                && (rtype == rtype::DNAME && above.wire().len() < name.wire().len()
                    || rtype == rtype::NS && *above != self.apex)
        };
        name.lower().upwards().take_while(|above| above.is_at_or_below(&self.apex)).filter(stands).last()
    }

    /// Whether a server does not load it beside `all` others: BIND with NS at a wildcard (RFC 4592 §4.2
    /// warns of it), NSD with data below a DNAME (RFC 6672 §2.4), be it of another zone.
    pub fn is_refused_by(&self, kind: Kind, all: &[Zone]) -> bool {
        let with = |rtype: u16| self.sets.iter().filter(move |(_, sets)| sets.contains_key(&rtype));
        match kind {
            Kind::Bind => with(rtype::NS).any(|(name, _)| name.is_wildcard()),
            Kind::Nsd => with(rtype::DNAME).any(|(name, _)| all.iter().any(|zone| zone.has_below(name))),
            Kind::Bellwether | Kind::Knot | Kind::PowerDns => false,
        }
    }

    /// The zone file.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for record in &self.records {
            let rdata = rtype::rdata_text(record.rtype, &record.rdata);
            let rtype = rtype::text(record.rtype);
            let _ = writeln!(text, "{} {} IN {rtype} {rdata}", record.owner, record.ttl);
        }
        text
    }
}
