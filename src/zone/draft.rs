//! A page as it is written.
//!
//! Drafts borrow names and RDATA from wherever they are (a builder's buffer, a delta, the page
//! before), so an edit copies octets only once, into the new page.

use std::sync::Arc;

use smallvec::SmallVec;

use super::digest::Digest;
use super::page::{
    CUT, DNAME, Entry, HASHED, HEADER, LEAD_MAX, NAMES_MAX, OWN_OWNER, OWN_TTL, SUM, Set, Stored, UNEVEN,
    WILDCARD, lead,
};
use super::tree::{PAGE_NAMES_MAX, Tree, bits_for, page_index};
use crate::dns::{NameRef, RecordType, rdata};

/// A name that is being made.
pub(super) struct EntryDraft<'a> {
    /// The labels below the apex as first spelled.
    pub(super) labels: &'a [u8],
    /// Names that exist right below.
    pub(super) children: u64,
    /// Whether `*` is one of them.
    pub(super) wildcard: bool,
    /// RRsets, ascending by type, none of them empty.
    pub(super) sets: SmallVec<[SetDraft<'a>; 2]>,
}

/// An RRset that is being made; its records are in canonical order without duplicates.
pub(super) struct SetDraft<'a> {
    pub(super) rtype: RecordType,
    pub(super) records: SmallVec<[Stored<'a>; 2]>,
}

impl<'a> EntryDraft<'a> {
    /// A name without records and children.
    pub(super) fn empty(labels: &'a [u8]) -> EntryDraft<'a> {
        EntryDraft { labels, children: 0, wildcard: false, sets: SmallVec::new() }
    }

    /// A name as a page holds it.
    pub(super) fn open(entry: Entry<'a>) -> EntryDraft<'a> {
        EntryDraft {
            labels: entry.labels(),
            children: entry.children(),
            wildcard: entry.flags() & WILDCARD != 0,
            sets: entry.sets().map(SetDraft::open).collect(),
        }
    }

    /// The RRset of a type, or where it would stand.
    pub(super) fn set_at(&self, rtype: RecordType) -> Result<usize, usize> {
        self.sets.binary_search_by_key(&rtype, |set| set.rtype)
    }

    /// What the flags of the entry say, but for its RRsets.
    fn flags(&self) -> u8 {
        let mut flags = if self.wildcard { WILDCARD } else { 0 };
        for set in &self.sets {
            flags |= match set.rtype {
                RecordType::NS if !self.labels.is_empty() => CUT,
                RecordType::DNAME => DNAME,
                RecordType::NSEC3 if !self.labels.is_empty() && self.is_hash() => HASHED,
                _ => 0,
            };
        }
        flags
    }

    /// Whether nothing is there but NSEC3 and its signatures.
    fn is_hash(&self) -> bool {
        let mut types = self.sets.iter().map(|set| set.rtype);
        self.children == 0 && types.all(|rtype| matches!(rtype, RecordType::NSEC3 | RecordType::RRSIG))
    }

    /// Writes the entry; returns its flags.
    fn write(&self, apex: NameRef<'_>, out: &mut Vec<u8>) -> u8 {
        out.push(u8::try_from(self.labels.len()).expect("a name has at most 255 octets"));
        out.extend_from_slice(self.labels);
        let flags = self.flags();
        out.push(flags);
        push_varint(out, self.children);
        push_varint(out, self.sets.len() as u64);
        for set in &self.sets {
            set.write(self.labels, apex, out);
        }
        flags
    }
}

impl<'a> SetDraft<'a> {
    fn open(set: Set<'a>) -> SetDraft<'a> {
        SetDraft { rtype: set.head.rtype, records: set.records().collect() }
    }

    /// The record with the same canonical RDATA, or where it would stand.
    pub(super) fn record_at(&self, rdata: &[u8]) -> Result<usize, usize> {
        let wanted = canonical(self.rtype, rdata);
        self.records.binary_search_by(|record| canonical(self.rtype, record.rdata).cmp(&wanted))
    }

    /// Brings records that came in any order into canonical order; of duplicates the first stays.
    /// Returns how many went.
    pub(super) fn settle(&mut self, scratch: &mut Vec<u8>) -> u64 {
        let before = self.records.len();
        let rtype = self.rtype;
        if before > 1 && !self.is_ascending(scratch) {
            self.records.sort_by_cached_key(|record| canonical(rtype, record.rdata));
            self.records.dedup_by(|later, first| rdata::same(rtype, later.rdata, first.rdata));
        }
        (before - self.records.len()) as u64
    }

    /// Whether the records are in canonical order, each once.
    fn is_ascending(&self, scratch: &mut Vec<u8>) -> bool {
        let mut pairs = self.records.windows(2);
        pairs.all(|pair| {
            scratch.clear();
            rdata::canonical(self.rtype, pair[0].rdata, scratch);
            let middle = scratch.len();
            rdata::canonical(self.rtype, pair[1].rdata, scratch);
            scratch[..middle] < scratch[middle..]
        })
    }

    /// Gives all records their least TTL (RFC 2181 §5.2); signatures go with the set that they
    /// cover (RFC 4034 §3). Returns whether any TTL changed.
    pub(super) fn level_ttls(&mut self) -> bool {
        let mut changed = false;
        let rtype = self.rtype;
        for group in self.records.chunk_by_mut(|a, b| levelled_together(rtype, a, b)) {
            let least = group.iter().map(|record| served_ttl(record.ttl)).min().unwrap_or(0);
            for record in group {
                changed |= record.ttl != least;
                record.ttl = least;
            }
        }
        changed
    }

    /// Whether [`SetDraft::level_ttls`] would change a TTL that a file can hold.
    pub(super) fn is_uneven(&self) -> bool {
        let mut pairs = self.records.windows(2);
        pairs.any(|pair| pair[0].ttl != pair[1].ttl && levelled_together(self.rtype, &pair[0], &pair[1]))
    }

    fn write(&self, labels: &[u8], apex: NameRef<'_>, out: &mut Vec<u8>) {
        let first = self.records.first().expect("an RRset has a record");
        let mut flags = 0;
        let mut ttl = first.ttl;
        if self.records.iter().any(|record| record.ttl != first.ttl) {
            flags |= OWN_TTL;
            ttl = self.records.iter().map(|record| served_ttl(record.ttl)).min().unwrap_or(0);
        }
        if self.records.iter().any(|record| record.owner.is_some()) {
            flags |= OWN_OWNER;
        }
        out.extend_from_slice(&self.rtype.0.to_be_bytes());
        out.push(flags);
        out.extend_from_slice(&ttl.to_be_bytes());
        push_varint(out, self.records.len() as u64);
        let octets = self.records.iter().map(|record| {
            let own_ttl = if flags & OWN_TTL != 0 { 4 } else { 0 };
            let own_owner = if flags & OWN_OWNER != 0 { labels.len() + apex.wire_len() } else { 0 };
            own_ttl + own_owner + varint_len(record.rdata.len() as u64) + record.rdata.len()
        });
        push_varint(out, octets.sum::<usize>() as u64);
        for record in &self.records {
            if flags & OWN_TTL != 0 {
                out.extend_from_slice(&record.ttl.to_be_bytes());
            }
            if flags & OWN_OWNER != 0 {
                match record.owner {
                    Some(owner) => out.extend_from_slice(owner.wire()),
                    None => {
                        out.extend_from_slice(labels);
                        out.extend_from_slice(apex.wire());
                    }
                }
            }
            push_varint(out, record.rdata.len() as u64);
            out.extend_from_slice(record.rdata);
        }
    }
}

/// Whether two neighbours in an RRset must have one TTL. Canonical order keeps signatures over one
/// type together: that type stands first in RDATA.
fn levelled_together(rtype: RecordType, a: &Stored<'_>, b: &Stored<'_>) -> bool {
    rtype != RecordType::RRSIG || a.rdata.first_chunk::<2>() == b.rdata.first_chunk::<2>()
}

/// A TTL as answers show it: the top bit reads as 0 (RFC 2181 §8).
pub(super) fn served_ttl(ttl: u32) -> u32 {
    if ttl >> 31 == 0 { ttl } else { 0 }
}

/// `None` if `owner` is spelled as `labels` under `apex`, else the owner.
pub(super) fn own_spelling<'a>(owner: NameRef<'a>, labels: &[u8], apex: NameRef<'_>) -> Option<NameRef<'a>> {
    let (above, tail) = owner.wire().split_at(labels.len());
    (above != labels || tail != apex.wire()).then_some(owner)
}

fn canonical(rtype: RecordType, rdata: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(rdata.len());
    rdata::canonical(rtype, rdata, &mut octets);
    octets
}

/// What a name with its records commonly takes in a page.
const NAME_OCTETS: usize = 64;

/// Collects the entries of one page.
#[derive(Default)]
pub(super) struct PageWriter {
    tags: Vec<u16>,
    starts: Vec<usize>,
    entries: Vec<u8>,
    page: Vec<u8>,
    sum: Digest,
    flags: u8,
}

impl PageWriter {
    /// Room for as many names as a page of a zone with so many has.
    fn of_names(names: u64) -> PageWriter {
        let names = names.min(PAGE_NAMES_MAX) as usize;
        PageWriter {
            tags: Vec::with_capacity(names),
            starts: Vec::with_capacity(names),
            entries: Vec::with_capacity(names * NAME_OCTETS),
            ..PageWriter::default()
        }
    }

    /// Adds to the sum of the page what some records have for their share in it.
    pub(super) fn account(&mut self, sum: Digest) {
        self.sum += sum;
    }

    /// Adds an entry as another page holds it. Its records are accounted for apart.
    pub(super) fn copy(&mut self, tag: u16, entry: Entry<'_>) {
        let mut mixed = entry.sets().filter(|set| set.head.flags & OWN_TTL != 0);
        if mixed.any(|set| SetDraft::open(set).is_uneven()) {
            self.flags |= UNEVEN;
        }
        self.tags.push(tag);
        self.starts.push(self.entries.len());
        self.entries.extend_from_slice(entry.0);
    }

    /// Adds an entry; returns its flags. Its records are accounted for apart.
    pub(super) fn write(&mut self, tag: u16, draft: &EntryDraft<'_>, apex: NameRef<'_>) -> u8 {
        if draft.sets.iter().any(SetDraft::is_uneven) {
            self.flags |= UNEVEN;
        }
        self.tags.push(tag);
        self.starts.push(self.entries.len());
        draft.write(apex, &mut self.entries)
    }

    /// The page; the writer is empty again.
    pub(super) fn finish(&mut self) -> Arc<[u8]> {
        let count = self.tags.len();
        assert!(count <= NAMES_MAX, "a page holds fewer than {NAMES_MAX} names");
        let first = |width| HEADER + 2 * count + width * (count + 1);
        let width = if first(2) + self.entries.len() <= usize::from(u16::MAX) { 2 } else { 4 };
        let first = first(width);
        let page = &mut self.page;
        page.clear();
        page.reserve(first + self.entries.len());
        page.extend_from_slice(&(count as u16).to_le_bytes());
        page.extend_from_slice(&[width as u8, self.flags]);
        page.extend(self.tags.iter().flat_map(|tag| tag.to_le_bytes()));
        for start in self.starts.iter().chain([&self.entries.len()]) {
            let offset = u32::try_from(first + start).expect("a page holds less than 4 GiB");
            page.extend_from_slice(&offset.to_le_bytes()[..width]);
        }
        page.extend_from_slice(&self.entries);
        let sum = self.sum.0.to_le_bytes();
        let mut octets: Arc<[u8]> = std::iter::repeat_n(0, page.len() + LEAD_MAX + SUM).collect();
        let lead = lead(&octets);
        let place = Arc::get_mut(&mut octets).expect("nobody else has it yet");
        place[lead..lead + page.len()].copy_from_slice(page);
        *place.last_chunk_mut().expect("there is room for it") = sum;
        self.tags.clear();
        self.starts.clear();
        self.entries.clear();
        (self.sum, self.flags) = (Digest::default(), 0);
        octets
    }
}

/// Makes a tree of 2^bits pages from entries that come ascending by hash.
pub(super) struct TreeWriter {
    bits: u32,
    pages: Vec<Arc<[u8]>>,
    page: PageWriter,
}

impl TreeWriter {
    /// For about this many names.
    pub(super) fn new(names: u64) -> TreeWriter {
        let bits = bits_for(names);
        TreeWriter { bits, pages: Vec::with_capacity(1 << bits), page: PageWriter::of_names(names) }
    }

    /// The page that an entry with this hash goes into; no lower hash may follow.
    pub(super) fn page_for(&mut self, hash: u64) -> &mut PageWriter {
        let index = page_index(hash, self.bits);
        debug_assert!(index >= self.pages.len(), "entries come ascending by hash");
        self.close_until(index);
        &mut self.page
    }

    /// The tree.
    pub(super) fn finish(mut self) -> Tree<u8> {
        self.close_until(1 << self.bits);
        Tree::new(self.bits, self.pages)
    }

    fn close_until(&mut self, index: usize) {
        while self.pages.len() < index {
            self.pages.push(self.page.finish());
        }
    }
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}
