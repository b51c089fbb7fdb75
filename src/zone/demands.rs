//! What a version must be like to be served, whoever made it.
//!
//! [`Bounds`] keep a hostile or broken primary from handing us names that cost more to keep and to look
//! up than any name of a real zone (p192). Names are short enough by themselves (RFC 1035 §3.1) and
//! chains of aliases are bounded where they are followed.

use std::collections::HashMap;
use std::fmt;

use super::version::count_labels;
use super::{Node, Version, zonemd};
use crate::dns::{Name, RecordRef, RecordType, Records};
use crate::limits::{LABELS_PER_NAME_MAX, RECORDS_PER_TYPE_MAX, TYPES_PER_NAME_MAX};

/// What is asked of each version of a zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// How large its parts may be.
    pub bounds: Bounds,
    /// What its ZONEMD must say.
    pub zonemd: zonemd::Policy,
}

/// How large the parts of a zone may be: `[limits]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Records of one type at one name.
    pub records_per_type: usize,
    /// Types at one name.
    pub types_per_name: usize,
    /// Labels of a name that owns records.
    pub labels_per_name: usize,
}

/// A part of a zone that is larger than its bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// The name, in lower case.
    pub owner: Name,
    /// A type that it owns: of too many records, theirs.
    pub rtype: RecordType,
    /// Of what there is too much.
    pub kind: Kind,
    /// How much there is.
    pub found: usize,
    /// How much there may be.
    pub most: usize,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Records of one type.
    Records,
    /// Types.
    Types,
    /// Labels.
    Labels,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            records_per_type: RECORDS_PER_TYPE_MAX,
            types_per_name: TYPES_PER_NAME_MAX,
            labels_per_name: LABELS_PER_NAME_MAX,
        }
    }
}

impl Bounds {
    /// Looks at every name of a version.
    pub fn check(&self, version: &Version) -> Result<(), Excess> {
        version.nodes().try_for_each(|node| self.check_name(node))
    }

    /// Looks at the names to which a step brought records.
    pub fn check_step(&self, version: &Version, added: &Records) -> Result<(), Excess> {
        let mut last = None;
        for RecordRef { owner, .. } in added {
            if last.replace(owner) != Some(owner)
                && let Some(node) = version.node(owner)
            {
                self.check_name(node)?;
            }
        }
        Ok(())
    }

    /// Looks at a list of records before they are added. Adding looks for the place of each among those of
    /// its name, so names that only the list makes too large would cost before they are found.
    pub fn check_list(&self, added: &Records) -> Result<(), Excess> {
        if added.len() <= self.records_per_type.min(self.types_per_name) {
            return Ok(());
        }
        let mut names: HashMap<Name, HashMap<RecordType, usize>> = HashMap::new();
        for RecordRef { owner, rtype, .. } in added {
            let types = names.entry(owner.to_lowercase()).or_default();
            let records = types.entry(rtype).or_default();
            *records += 1;
            let (records, types) = (*records, types.len());
            self.compare(rtype, records, types).map_err(|count| count.at(owner.to_lowercase()))?;
        }
        Ok(())
    }

    /// Looks at one name.
    pub fn check_name(&self, node: Node<'_>) -> Result<(), Excess> {
        let Some(first) = node.rrsets().next() else { return Ok(()) };
        let labels = usize::from(count_labels(node.labels())) + node.version.apex().label_count();
        let count =
            Count { rtype: first.rtype(), kind: Kind::Labels, found: labels, most: self.labels_per_name };
        let types = node.rrsets().count();
        let checked = count
            .check()
            .and_then(|()| node.rrsets().try_for_each(|set| self.compare(set.rtype(), set.len(), types)));
        checked.map_err(|count| count.at(node.owner().as_ref().to_lowercase()))
    }

    fn compare(&self, rtype: RecordType, records: usize, types: usize) -> Result<(), Count> {
        Count { rtype, kind: Kind::Records, found: records, most: self.records_per_type }.check()?;
        Count { rtype, kind: Kind::Types, found: types, most: self.types_per_name }.check()
    }
}

/// A number beside its bound.
struct Count {
    rtype: RecordType,
    kind: Kind,
    found: usize,
    most: usize,
}

impl Count {
    fn check(self) -> Result<(), Count> {
        if self.found > self.most { Err(self) } else { Ok(()) }
    }

    fn at(self, owner: Name) -> Excess {
        let Count { rtype, kind, found, most } = self;
        Excess { owner, rtype, kind, found, most }
    }
}

impl Excess {
    /// The key of the config that sets the bound.
    pub fn key(&self) -> &'static str {
        match self.kind {
            Kind::Records => "limits.records_per_type_max",
            Kind::Types => "limits.types_per_name_max",
            Kind::Labels => "limits.labels_per_name_max",
        }
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Excess { owner, rtype, kind, found, most } = self;
        match kind {
            Kind::Records => write!(f, "`{owner}` has {found} {rtype} records, and {most} are allowed"),
            Kind::Types => write!(f, "`{owner}` has records of {found} types, and {most} are allowed"),
            Kind::Labels => write!(f, "`{owner}` has {found} labels, and {most} are allowed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::tests::{build, name, push, records};
    use crate::zone::{Source, edit};

    const BOUNDS: Bounds = Bounds { records_per_type: 3, types_per_name: 4, labels_per_name: 5 };

    /// What is said of a zone with these records more, and of the same as an increment.
    fn said(more: &str) -> [Option<String>; 2] {
        let old = "example 3600 SOA 1\nexample 3600 NS ns.test\n";
        let base = build("example", Source::Received, &records(old)).version;
        let removed = records("example 3600 SOA 1");
        let mut added = records("example 3600 SOA 2");
        more.lines().for_each(|line| push(&mut added, line));
        let (after, _) = edit(&base, &removed, &added).unwrap();
        let step = BOUNDS.check_list(&added).and_then(|()| BOUNDS.check_step(&after, &added));
        [BOUNDS.check(&after), step].map(|checked| checked.err().map(|excess| excess.to_string()))
    }

    #[track_caller]
    fn check(more: &str, expected: Option<&str>) {
        let expected = expected.map(str::to_owned);
        assert_eq!(said(more), [expected.clone(), expected]);
    }

    #[test]
    fn p192_what_is_larger_than_its_bound_is_found() {
        check("a.example 5 A 1\na.example 5 A 2\na.example 5 A 3", None);
        check(
            "A.example 5 A 1\nb.example 5 A 1\na.example 5 A 2\na.example 5 A 3\na.example 5 A 4",
            Some("`a.example.` has 4 A records, and 3 are allowed"),
        );
        check("t.example 5 A 1\nt.example 5 TXT x\nt.example 5 MX x\nt.example 5 SRV x", None);
        check(
            "t.example 5 A 1\nt.example 5 TXT x\nt.example 5 MX x\nt.example 5 SRV x\nt.example 5 PTR x",
            Some("`t.example.` has records of 5 types, and 4 are allowed"),
        );
        check("d.c.b.a.example 5 A 1", None);
        check("e.d.c.b.a.example 5 A 1", Some("`e.d.c.b.a.example.` has 6 labels, and 5 are allowed"));
    }

    #[test]
    fn p192_an_increment_counts_what_is_there_already() {
        let old = "example 3600 SOA 1\nexample 3600 NS ns.test\na.example 5 A 1\na.example 5 A 2\n";
        let base = build("example", Source::Received, &records(old)).version;
        let added = records("example 3600 SOA 2\na.example 5 A 3\na.example 5 A 4");
        let (after, _) = edit(&base, &records("example 3600 SOA 1"), &added).unwrap();
        assert_eq!(BOUNDS.check_list(&added), Ok(()));
        // What the list alone makes too large is known before anything is added.
        let long = records(
            "example 3600 SOA 2\na.example 5 A 3\nA.example 5 A 4\nb.example 5 A 1\na.example 5 A 5\na.example 5 A 6",
        );
        let listed = BOUNDS.check_list(&long).unwrap_err();
        assert_eq!((listed.owner, listed.found), (name("a.example"), 4));
        let excess = BOUNDS.check_step(&after, &added).unwrap_err();
        assert_eq!((excess.owner, excess.found, excess.most), (name("a.example"), 4, 3));
    }
}
