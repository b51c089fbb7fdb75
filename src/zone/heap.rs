//! Records as they come, in any order, brought together by name.
//!
//! They are packed into parts by the highest bits of their owners' hashes. All of a name is in one part, the
//! parts follow each other as the pages will, and the cache of a processor holds a part while it is sorted and
//! taken out: memory that is visited in no order costs more than all that is done there. What is small has one
//! part.

use smallvec::smallvec;

use super::draft::{EntryDraft, SetDraft, own_spelling};
use super::page::Stored;
use crate::dns::{NameRef, RecordRef, RecordType};

/// Records of one zone in any order.
pub(super) struct Heap {
    /// By the highest bits of the hash: one, or [`PARTS`].
    parts: Vec<Part>,
    apex_len: usize,
}

/// The records of some names. Each is packed: hash of the owner, owner length, owner, type, TTL, RDATA
/// length, RDATA.
#[derive(Default)]
pub(super) struct Part {
    octets: Vec<u8>,
    /// Hash and place of each record, in the order of the hashes once the part was sorted.
    index: Vec<(u64, usize)>,
    apex_len: usize,
}

/// A name: its hash, its labels below the apex, its records in the index.
pub(super) type Owner<'a> = (u64, &'a [u8], &'a [(u64, usize)]);

/// What is one part up to here becomes [`PARTS`]: about what a processor has for itself.
const UNDIVIDED_OCTETS_MAX: usize = 512 * 1024;
/// 2^[`PART_BITS`].
const PARTS: usize = 1 << PART_BITS;
const PART_BITS: u32 = 8;
/// Records of one name from which on they are brought into the order of their types first.
const SORTED_FROM: usize = 64;

impl Heap {
    /// No records of the zone with this apex.
    pub(super) fn of_zone(apex: NameRef<'_>) -> Heap {
        let apex_len = apex.wire_len();
        Heap { parts: vec![Part::new(apex_len)], apex_len }
    }

    /// Adds a record, whose owner has this hash and lies in the zone.
    pub(super) fn push(&mut self, hash: u64, record: RecordRef<'_>) {
        match &mut self.parts[..] {
            [only] => {
                only.push(hash, record);
                if only.octets.len() > UNDIVIDED_OCTETS_MAX {
                    self.divide();
                }
            }
            parts => parts[(hash >> (u64::BITS - PART_BITS)) as usize].push(hash, record),
        }
    }

    fn divide(&mut self) {
        let whole = std::mem::take(&mut self.parts);
        self.parts = std::iter::repeat_with(|| Part::new(self.apex_len)).take(PARTS).collect();
        for part in whole {
            for (hash, at) in part.records() {
                self.push(hash, part.record(at));
            }
        }
    }

    /// The parts, ascending by hash, none of them sorted yet.
    pub(super) fn into_parts(self) -> Vec<Part> {
        self.parts
    }
}

impl Part {
    fn new(apex_len: usize) -> Part {
        Part { apex_len, ..Part::default() }
    }

    fn push(&mut self, hash: u64, record: RecordRef<'_>) {
        let length = u16::try_from(record.rdata.len()).expect("RDATA fits 65,535 octets");
        let owner = record.owner.wire();
        self.octets.reserve(HASH + 1 + owner.len() + FIXED + record.rdata.len());
        self.octets.extend_from_slice(&hash.to_ne_bytes());
        self.octets.push(owner.len() as u8);
        self.octets.extend_from_slice(owner);
        let [t0, t1] = record.rtype.0.to_be_bytes();
        let [l0, l1, l2, l3] = record.ttl.to_be_bytes();
        let [n0, n1] = length.to_be_bytes();
        self.octets.extend_from_slice(&[t0, t1, l0, l1, l2, l3, n0, n1]);
        self.octets.extend_from_slice(record.rdata);
    }

    /// Hash and place of each record as they came.
    fn records(&self) -> impl Iterator<Item = (u64, usize)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let (hash, _) = self.octets.get(at..)?.split_first_chunk::<HASH>()?;
            let place = at;
            let record = self.record(place);
            at += HASH + 1 + record.owner.wire_len() + FIXED + record.rdata.len();
            Some((u64::from_ne_bytes(*hash), place))
        })
    }

    /// Brings the records of each name together, in the order in which they came.
    pub(super) fn sort(&mut self) {
        let mut index: Vec<(u64, usize)> = self.records().collect();
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

    /// The records whose owners have one hash, ascending by it; the part was sorted.
    pub(super) fn runs(&self) -> impl Iterator<Item = &[(u64, usize)]> {
        self.index.chunk_by(|a, b| a.0 == b.0)
    }

    /// The names of such records, which is nearly always one.
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
        // A name that somebody made of thousands of types would move them all for each.
        let by_type = (run.len() > SORTED_FROM).then(|| {
            let mut run = run.to_vec();
            run.sort_by_key(|(_, at)| self.record(*at).rtype);
            run
        });
        for &(_, at) in by_type.as_deref().unwrap_or(run) {
            let record = self.record(at);
            let owner = own_spelling(record.owner, labels, apex);
            let stored = Stored { ttl: record.ttl, owner, rdata: record.rdata };
            match entry.set_at(record.rtype) {
                Ok(at) => entry.sets[at].records.push(stored),
                Err(at) => {
                    entry.sets.insert(at, SetDraft { rtype: record.rtype, records: smallvec![stored] });
                }
            }
        }
        entry
    }

    /// The labels below the apex of the owner of the record at `at`.
    fn labels(&self, at: usize) -> &[u8] {
        let length = usize::from(self.octets[at + HASH]);
        &self.octets[at + HASH + 1..at + HASH + 1 + length - self.apex_len]
    }

    fn record(&self, at: usize) -> RecordRef<'_> {
        let at = at + HASH;
        let (owner, rest) = self.octets[at + 1..].split_at(usize::from(self.octets[at]));
        let (&[t0, t1, l0, l1, l2, l3, n0, n1], rest) =
            rest.split_first_chunk::<FIXED>().expect("a record was packed whole");
        RecordRef {
            owner: NameRef::from_valid_wire(owner),
            rtype: RecordType(u16::from_be_bytes([t0, t1])),
            ttl: u32::from_be_bytes([l0, l1, l2, l3]),
            rdata: &rest[..usize::from(u16::from_be_bytes([n0, n1]))],
        }
    }
}

/// Octets of a hash.
const HASH: usize = size_of::<u64>();
/// Octets of type, TTL and RDATA length.
const FIXED: usize = 8;
