//! Records as they come, in any order, brought together by name.
//!
//! They are packed into one buffer with an index of (hash, place). Sorting the index brings the
//! records of a name together, in the order in which they came, and the names of a page beside
//! each other.

use super::draft::{EntryDraft, SetDraft, own_spelling};
use super::page::Stored;
use crate::dns::{NameRef, RecordRef, RecordType};

/// Records of one zone in any order.
pub(super) struct Heap {
    /// Records one after the other: owner length, owner, type, TTL, RDATA length, RDATA.
    octets: Vec<u8>,
    /// (hash of the owner, place in `octets`)
    index: Vec<(u64, usize)>,
    apex_len: usize,
}

/// Records of one name from which on they are brought into the order of their types first.
const SORTED_FROM: usize = 64;

/// A name: its hash, its labels below the apex, its records in the index.
pub(super) type Owner<'a> = (u64, &'a [u8], &'a [(u64, usize)]);

impl Heap {
    /// No records of the zone with this apex.
    pub(super) fn of_zone(apex: NameRef<'_>) -> Heap {
        Heap { octets: Vec::new(), index: Vec::new(), apex_len: apex.wire_len() }
    }

    /// Adds a record, whose owner has this hash and lies in the zone.
    pub(super) fn push(&mut self, hash: u64, record: RecordRef<'_>) {
        self.index.push((hash, self.octets.len()));
        let length = u16::try_from(record.rdata.len()).expect("RDATA fits 65,535 octets");
        self.octets.push(record.owner.wire_len() as u8);
        self.octets.extend_from_slice(record.owner.wire());
        self.octets.extend_from_slice(&record.rtype.0.to_be_bytes());
        self.octets.extend_from_slice(&record.ttl.to_be_bytes());
        self.octets.extend_from_slice(&length.to_be_bytes());
        self.octets.extend_from_slice(record.rdata);
    }

    /// Brings the records of each name together.
    pub(super) fn sort(&mut self) {
        let mut index = std::mem::take(&mut self.index);
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

    /// The names, ascending by hash; the heap was sorted.
    pub(super) fn owners(&self) -> impl Iterator<Item = Owner<'_>> {
        self.index
            .chunk_by(|a, b| a.0 == b.0 && self.labels(a.1).eq_ignore_ascii_case(self.labels(b.1)))
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
                Err(at) => entry.sets.insert(at, SetDraft { rtype: record.rtype, records: vec![stored] }),
            }
        }
        entry
    }

    /// The labels below the apex of the owner of the record at `at`.
    fn labels(&self, at: usize) -> &[u8] {
        let length = usize::from(self.octets[at]);
        &self.octets[at + 1..at + 1 + length - self.apex_len]
    }

    fn record(&self, at: usize) -> RecordRef<'_> {
        let (owner, rest) = self.octets[at + 1..].split_at(usize::from(self.octets[at]));
        let (&[t0, t1, l0, l1, l2, l3, n0, n1], rest) =
            rest.split_first_chunk().expect("a record was packed whole");
        RecordRef {
            owner: NameRef::from_valid_wire(owner),
            rtype: RecordType(u16::from_be_bytes([t0, t1])),
            ttl: u32::from_be_bytes([l0, l1, l2, l3]),
            rdata: &rest[..usize::from(u16::from_be_bytes([n0, n1]))],
        }
    }
}
