//! What a change takes away: the measure of the guard (R13).
//!
//! What goes counts, not the balance: a file that replaces half of its names by as many others is as
//! much of a mistake as one that was cut in half. TTLs and case are not content here. Each name that a
//! change touches is looked at once, so that one edit costs what the edit is worth.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::change::Delta;
use super::page::{Entry, HASHED, Set, hash};
use super::parents::parent;
use super::version::Version;
use crate::dns::{RecordType, rdata};

/// What a version lacks of the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Records that go, the SOA aside.
    pub records: u64,
    /// Names that go, empty non-terminals included, the hashes of NSEC3 not: a signer that hashes anew
    /// replaces all of them and takes nothing away.
    pub names: u64,
    /// Names before, likewise.
    pub names_before: u64,
}

impl Loss {
    /// The loss from `base` to `after`. Without the steps between them every name is looked at.
    pub(super) fn between(base: &Version, after: &Version, deltas: &[Arc<Delta>]) -> Loss {
        let hashes = base.order.as_ref().map_or(0, |order| order.hash_count());
        let names_before = base.name_count().saturating_sub(hashes);
        let mut loss = Loss { names_before, ..Loss::default() };
        if deltas.is_empty() {
            for node in base.nodes() {
                loss.take(node.entry, after);
            }
            return loss;
        }
        let mut seen = HashSet::new();
        for record in deltas.iter().flat_map(|delta| delta.removed.iter().skip(1)) {
            let mut next = record.owner.prefix_above(base.apex());
            // A name may take the empty non-terminals above it along.
            while let Some(labels) = next.filter(|labels| seen.insert(hash(&base.key, labels))) {
                let gone = base.entry(labels).is_some_and(|entry| loss.take(entry, after));
                next = if gone { parent(labels) } else { None };
            }
        }
        loss
    }

    /// Counts what goes of one name; true if the name itself goes.
    fn take(&mut self, before: Entry<'_>, after: &Version) -> bool {
        let now = after.entry(before.labels());
        if now.is_some_and(|now| now == before) {
            return false;
        }
        for old in before.sets().filter(|set| set.head.rtype != RecordType::SOA) {
            let new = now.and_then(|now| now.sets().find(|set| set.head.rtype == old.head.rtype));
            self.records += new.map_or(old.head.len, |new| records_gone(old, new));
        }
        self.names += u64::from(now.is_none() && before.flags() & HASHED == 0);
        now.is_none()
    }
}

/// How many records of `old` are not in `new`. Both are in canonical order.
fn records_gone(old: Set<'_>, new: Set<'_>) -> u64 {
    let canonical = |octets: &[u8]| {
        let mut out = Vec::with_capacity(octets.len());
        rdata::canonical(old.head.rtype, octets, &mut out);
        out
    };
    let mut news = new.records().map(|record| canonical(record.rdata)).peekable();
    let mut gone = 0;
    for record in old.records().map(|record| canonical(record.rdata)) {
        while news.next_if(|new| new.cmp(&record) == Ordering::Less).is_some() {}
        gone += u64::from(news.peek() != Some(&record));
    }
    gone
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Loss { records, names, names_before } = self;
        write!(f, "{records} records and {names} of {names_before} names would go")
    }
}

#[cfg(test)]
mod tests {
    use crate::dns::{Name, nsec3};
    use crate::zone::{Change, Demands, DigestKey, Loss, Version, diff, text};
    use std::io::{self, Read};
    use std::path::Path;
    use std::sync::Arc;

    fn version(records: &str) -> Arc<Version> {
        let text = format!("$TTL 300\n@ SOA ns me 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n{records}");
        let mut sources =
            |_: &Path| -> io::Result<Box<dyn Read>> { Ok(Box::new(io::Cursor::new(text.clone()))) };
        let apex: Name = "example.".parse().unwrap();
        Arc::new(
            text::load(&mut sources, Path::new("/zone"), &apex, DigestKey([7; 16]), &Demands::default())
                .unwrap()
                .version,
        )
    }

    /// Checks a change as one step, as two over the zone without anything, and as a rewrite.
    #[track_caller]
    fn check(before: &str, after: &str, records: u64, names: u64) {
        let (base, middle, after) = (version(before), version(""), version(after));
        let names_before = base.name_count();
        let step = |from: &Version, to: &Version| diff(from, to).map(Arc::new);
        let chains = [
            step(&base, &after).into_iter().collect(),
            step(&base, &middle).into_iter().chain(step(&middle, &after)).collect(),
            Vec::new(),
        ];
        for deltas in chains {
            let change = Change::new(Some(base.clone()), after.clone(), deltas);
            assert_eq!(change.loss, Loss { records, names, names_before }, "{:?}", change.deltas);
        }
    }

    #[test]
    fn r13_what_goes_counts_whatever_comes() {
        check("a A 192.0.2.1\nb A 192.0.2.2\n", "a A 192.0.2.1\n", 1, 1);
        check("a A 192.0.2.1\nb A 192.0.2.2\n", "a A 192.0.2.1\nc A 192.0.2.2\n", 1, 1);
        check("a A 192.0.2.1\na A 192.0.2.2\n", "a A 192.0.2.3\na A 192.0.2.2\na TXT t\n", 1, 0);
        check("a A 192.0.2.1\na TXT t\na MX 1 a\n", "a TXT t\n", 2, 0);
    }

    #[test]
    fn r13_another_ttl_or_case_takes_nothing_away() {
        check("a 60 A 192.0.2.1\na MX 1 host\n", "A 90 A 192.0.2.1\nA 90 MX 1 HOST\n", 0, 0);
    }

    #[test]
    fn r13_the_hashes_of_a_signer_are_no_names() {
        let apex: Name = "example.".parse().unwrap();
        let chained = |salt: &[u8], shown: &str| {
            let mut text = format!("@ NSEC3PARAM 1 0 0 {shown}\n");
            for name in ["example.", "ns.example.", "a.example."] {
                let parameters = nsec3::Parameters { iterations: 0, salt };
                let hash = nsec3::label(&parameters.hash(name.parse::<Name>().unwrap().as_ref()));
                let hash = String::from_utf8_lossy(&hash[1..]).into_owned();
                text += &format!("{hash} NSEC3 1 0 0 {shown} {hash} A\n");
            }
            version(&format!("{text}a A 192.0.2.1\n"))
        };
        let (base, after) = (chained(b"", "-"), chained(b"\xaa", "AA"));
        assert_eq!((base.apex(), base.name_count()), (apex.as_ref(), 6));
        let change = Change::new(Some(base), after, Vec::new());
        assert_eq!(change.loss, Loss { records: 4, names: 0, names_before: 3 });
    }

    #[test]
    fn r13_empty_non_terminals_go_with_the_last_name_below_them() {
        check("x.y.z A 192.0.2.1\n", "z A 192.0.2.1\n", 1, 2);
        check("x.y.z A 192.0.2.1\nw.y.z A 192.0.2.1\n", "w.y.z A 192.0.2.1\n", 1, 1);
        check("x.y.z A 192.0.2.1\nw.y.z A 192.0.2.1\n", "", 2, 4);
    }
}
