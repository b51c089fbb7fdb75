//! Records as they come, in any order, brought together by name.
//!
//! They are packed into parts by the highest bits of their owners' hashes. All of a name is in one part, the
//! parts follow each other as the pages will, and the cache of a processor holds a part while it is sorted and
//! taken out: memory that is visited in no order costs more than all that is done there. What is small has one
//! part. Records of one owner that come one after the other share its name.

use smallvec::smallvec;

use super::draft::{EntryDraft, SetDraft, own_spelling};
use super::page::Stored;
use crate::dns::{NameRef, RecordRef, RecordType};

/// Records of one zone in any order.
pub(super) struct Heap {
    /// By the highest bits of the hash: one, or [`PARTS`].
    parts: Vec<Part>,
}

/// The records of some names, in groups of one owner: hash and name of it, then each record's type, TTL, RDATA
/// length and RDATA.
#[derive(Default)]
pub(super) struct Part {
    octets: Vec<u8>,
    /// Where the last group begins.
    last: Option<usize>,
    /// Hash and place of each group, in the order of the hashes once the part was sorted.
    index: Vec<(u64, usize)>,
    apex_len: usize,
}

/// A group of records.
struct Group<'a> {
    hash: u64,
    owner: NameRef<'a>,
    records: &'a [u8],
}

/// A name: its hash, its labels below the apex, its groups in the index.
pub(super) type Owner<'a> = (u64, &'a [u8], &'a [(u64, usize)]);

/// What a small zone fits.
const FIRST_OCTETS: usize = 1024;
/// What is one part up to here becomes [`PARTS`]: about what a processor has for itself.
const UNDIVIDED_OCTETS_MAX: usize = 512 * 1024;
/// What a part has room for from the beginning. It comes from the system in one piece, of which only what is
/// written takes memory, and goes back in one; parts that grew there from nothing would leave holes behind.
const PART_OCTETS: usize = 160 * 1024;
/// 2^[`PART_BITS`].
const PARTS: usize = 1 << PART_BITS;
const PART_BITS: u32 = 8;
/// Groups of a small zone.
const FEW_GROUPS: usize = 16;
/// Records of one name from which on they are brought into the order of their types first.
const SORTED_FROM: usize = 64;

impl Heap {
    /// No records of the zone with this apex.
    pub(super) fn of_zone(apex: NameRef<'_>) -> Heap {
        let octets = Vec::with_capacity(FIRST_OCTETS);
        Heap { parts: vec![Part { octets, apex_len: apex.wire_len(), ..Part::default() }] }
    }

    /// Adds a record, whose owner has this hash and lies in the zone.
    pub(super) fn push(&mut self, hash: u64, record: RecordRef<'_>) {
        match &mut self.parts[..] {
            [only] => {
                only.push(hash, record);
                if only.octets.len() > UNDIVIDED_OCTETS_MAX {
                    let whole = std::mem::take(only);
                    self.divide(&whole);
                }
            }
            parts => parts[(hash >> (u64::BITS - PART_BITS)) as usize].push(hash, record),
        }
    }

    fn divide(&mut self, whole: &Part) {
        let apex_len = whole.apex_len;
        let part = || Part { octets: Vec::with_capacity(PART_OCTETS), apex_len, ..Part::default() };
        self.parts = std::iter::repeat_with(part).take(PARTS).collect();
        for (_, group) in whole.groups() {
            group.records().for_each(|record| self.push(group.hash, record));
        }
    }

    /// The parts, ascending by hash, none of them sorted yet.
    pub(super) fn into_parts(self) -> Vec<Part> {
        self.parts
    }
}

impl Part {
    fn push(&mut self, hash: u64, record: RecordRef<'_>) {
        let rdata_len = u16::try_from(record.rdata.len()).expect("RDATA fits 65,535 octets");
        let owner = record.owner.wire();
        let octets = &mut self.octets;
        octets.reserve(HEAD + owner.len() + FIXED + record.rdata.len());
        let known = self.last.filter(|&at| {
            let group = group(octets, at);
            let length = group.records.len() + FIXED + record.rdata.len();
            group.hash == hash && group.owner.wire() == owner && u32::try_from(length).is_ok()
        });
        let at = known.unwrap_or_else(|| {
            let at = octets.len();
            octets.extend_from_slice(&hash.to_ne_bytes());
            octets.extend_from_slice(&[0; LENGTH]);
            octets.push(owner.len() as u8);
            octets.extend_from_slice(owner);
            at
        });
        let [t0, t1] = record.rtype.0.to_be_bytes();
        let [l0, l1, l2, l3] = record.ttl.to_be_bytes();
        let [n0, n1] = rdata_len.to_be_bytes();
        octets.extend_from_slice(&[t0, t1, l0, l1, l2, l3, n0, n1]);
        octets.extend_from_slice(record.rdata);
        let length = (octets.len() - at - HEAD - owner.len()) as u32;
        octets[at + HASH..at + HASH + LENGTH].copy_from_slice(&length.to_ne_bytes());
        self.last = Some(at);
    }

    /// The groups as they came, with their places.
    fn groups(&self) -> impl Iterator<Item = (usize, Group<'_>)> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let at = next;
            let found = (at < self.octets.len()).then(|| group(&self.octets, at))?;
            next += HEAD + found.owner.wire_len() + found.records.len();
            Some((at, found))
        })
    }

    /// Brings the records of each name together, in the order in which they came.
    pub(super) fn sort(&mut self) {
        let mut index = Vec::with_capacity(FEW_GROUPS);
        index.extend(self.groups().map(|(at, group)| (group.hash, at)));
        index.sort_unstable();
        // Two names with one hash are as rare as 64 bits make them; they still must not be mixed.
        for run in index.chunk_by_mut(|a, b| a.0 == b.0) {
            let first = self.labels(run[0].1);
            if !run.iter().all(|(_, at)| self.labels(*at).eq_ignore_ascii_case(first)) {
                run.sort_by_cached_key(|(_, at)| (self.labels(*at).to_ascii_lowercase(), *at));
            }
        }
        self.index = index;
    }

    /// The names, ascending by hash; the part was sorted.
    pub(super) fn owners(&self) -> impl Iterator<Item = Owner<'_>> {
        self.runs().flat_map(|run| self.owners_of(run))
    }

    /// The groups whose owners have one hash, ascending by it; the part was sorted.
    pub(super) fn runs(&self) -> impl Iterator<Item = &[(u64, usize)]> {
        self.index.chunk_by(|a, b| a.0 == b.0)
    }

    /// The names of such groups, which is nearly always one.
    pub(super) fn owners_of<'a>(&'a self, run: &'a [(u64, usize)]) -> impl Iterator<Item = Owner<'a>> {
        run.chunk_by(|a, b| self.labels(a.1).eq_ignore_ascii_case(self.labels(b.1)))
            .map(|run| (run[0].0, self.labels(run[0].1), run))
    }

    /// The draft of a name from its records, each RRset with its records as they came.
    pub(super) fn draft<'a>(
        &'a self,
        labels: &'a [u8],
        run: &[(u64, usize)],
        apex: NameRef<'_>,
    ) -> EntryDraft<'a> {
        let mut entry = EntryDraft::empty(labels);
        let records = || run.iter().flat_map(|(_, at)| group(&self.octets, *at).records());
        let mut put = |record: RecordRef<'a>| {
            let owner = own_spelling(record.owner, labels, apex);
            let stored = Stored { ttl: record.ttl, owner, rdata: record.rdata };
            match entry.set_at(record.rtype) {
                Ok(at) => entry.sets[at].records.push(stored),
                Err(at) => {
                    entry.sets.insert(at, SetDraft { rtype: record.rtype, records: smallvec![stored] });
                }
            }
        };
        if records().nth(SORTED_FROM).is_some() {
            // A name that somebody made of thousands of types would move them all for each.
            let mut records: Vec<RecordRef<'a>> = records().collect();
            records.sort_by_key(|record| record.rtype);
            records.into_iter().for_each(&mut put);
        } else {
            records().for_each(&mut put);
        }
        entry
    }

    /// The labels below the apex of the owner of the group at `at`.
    fn labels(&self, at: usize) -> &[u8] {
        let owner = group(&self.octets, at).owner.wire();
        &owner[..owner.len() - self.apex_len]
    }
}

/// The group at `at`.
fn group(octets: &[u8], at: usize) -> Group<'_> {
    let packed = "a group was packed whole";
    let (hash, rest) = octets[at..].split_first_chunk::<HASH>().expect(packed);
    let (length, rest) = rest.split_first_chunk::<LENGTH>().expect(packed);
    let (&owner_len, rest) = rest.split_first().expect(packed);
    let (owner, rest) = rest.split_at(usize::from(owner_len));
    let records = &rest[..u32::from_ne_bytes(*length) as usize];
    Group { hash: u64::from_ne_bytes(*hash), owner: NameRef::from_valid_wire(owner), records }
}

impl<'a> Group<'a> {
    /// Its records as they came.
    fn records(&self) -> impl Iterator<Item = RecordRef<'a>> + use<'a> {
        let (owner, mut rest) = (self.owner, self.records);
        std::iter::from_fn(move || {
            let (&[t0, t1, l0, l1, l2, l3, n0, n1], after) = rest.split_first_chunk::<FIXED>()?;
            let (rdata, after) = after.split_at(usize::from(u16::from_be_bytes([n0, n1])));
            rest = after;
            let rtype = RecordType(u16::from_be_bytes([t0, t1]));
            Some(RecordRef { owner, rtype, ttl: u32::from_be_bytes([l0, l1, l2, l3]), rdata })
        })
    }
}

/// Octets of a hash.
const HASH: usize = size_of::<u64>();
/// Octets that say how long the records of a group are.
const LENGTH: usize = size_of::<u32>();
/// Octets before the name of a group: those and that of the name's length.
const HEAD: usize = HASH + LENGTH + 1;
/// Octets of a record before its RDATA: type, TTL and the RDATA's length.
const FIXED: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Name;

    #[test]
    fn names_with_one_hash_are_kept_apart() {
        let mut part = Part { apex_len: 9, ..Part::default() };
        for (owner, rdata) in [("a", 1), ("b", 2), ("A", 3), ("a", 4), ("b", 5)] {
            let owner = Name::parse(&format!("{owner}.example")).expect("a name");
            let record = RecordRef { owner: owner.as_ref(), rtype: RecordType::A, ttl: 1, rdata: &[rdata] };
            part.push(7, record);
        }
        part.sort();
        let owners: Vec<_> = part.owners().map(|(hash, labels, run)| (hash, labels, run.len())).collect();
        assert_eq!(owners, [(7, &b"\x01a"[..], 3), (7, b"\x01b", 2)]);
        assert_eq!(part.groups().count(), 5);
    }

    #[test]
    fn records_of_one_name_in_a_row_are_one_group() {
        let mut part = Part { apex_len: 9, ..Part::default() };
        let owner = Name::parse("a.example").expect("a name");
        for rdata in 0..5 {
            let record = RecordRef { owner: owner.as_ref(), rtype: RecordType::A, ttl: 1, rdata: &[rdata] };
            part.push(7, record);
        }
        assert_eq!(part.groups().count(), 1);
        part.sort();
        assert_eq!(part.owners().count(), 1);
    }
}
