//! Makes a version from all of its records: from a zone file, a full transfer or a stored body.
//!
//! Records are packed into one buffer with an index of (hash, place). At the end the index is
//! sorted, which brings the records of a name together and the names of a page beside each other,
//! and the pages are written one after the other.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use super::digest::{Digest, DigestKey};
use super::draft::{EntryDraft, SetDraft, TreeWriter, own_spelling};
use super::page::{CUT, DNAME, Stored, hash, tag};
use super::tree::bits_for;
use super::version::{Version, count_labels};
use crate::dns::soa::Soa;
use crate::dns::{Name, NameRef, Record, RecordRef, RecordType, rdata};

/// Where records come from, which decides what is made of their differences (R14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A zone file: an RRset gets its least TTL.
    File,
    /// Another server: TTLs and spellings stay as they came.
    Received,
}

/// Why records are not a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// The owner is not at or below the apex.
    OutOfZone,
    /// A second SOA at the apex that differs from the first, or an SOA elsewhere.
    SecondSoa,
    /// No SOA at the apex, or one that is none.
    NoSoa,
}

/// What was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// The version.
    pub version: Version,
    /// Records that were there before, alike but for TTL and case; the first stays (RFC 2181 §5).
    pub duplicates: u64,
    /// RRsets of which a TTL was lowered to the least (RFC 2181 §5.2).
    pub ttls_lowered: u64,
}

/// Collects the records of a version.
pub struct Builder {
    apex: Name,
    key: DigestKey,
    source: Source,
    /// Records one after the other: owner length, owner, type, TTL, RDATA length, RDATA.
    packed: Vec<u8>,
    /// (hash of the owner, place in `packed`)
    index: Vec<(u64, usize)>,
    soa: Option<Record>,
}

impl Builder {
    /// A builder for the zone with this apex.
    pub fn new(apex: NameRef<'_>, key: DigestKey, source: Source) -> Builder {
        let apex = apex.to_name();
        Builder { apex, key, source, packed: Vec::new(), index: Vec::new(), soa: None }
    }

    /// Adds a record, in any order.
    pub fn push(&mut self, record: RecordRef<'_>) -> Result<(), BuildError> {
        let labels = record.owner.prefix_above(self.apex.as_ref()).ok_or(BuildError::OutOfZone)?;
        if record.rtype == RecordType::SOA {
            match &self.soa {
                _ if !labels.is_empty() => return Err(BuildError::SecondSoa),
                Some(first) if rdata::same(RecordType::SOA, &first.rdata, record.rdata) => {}
                Some(_) => return Err(BuildError::SecondSoa),
                None => self.soa = Some(record.to_record()),
            }
        }
        self.index.push((hash(&self.key, labels), self.packed.len()));
        pack(&mut self.packed, record);
        Ok(())
    }

    /// The version.
    pub fn finish(mut self) -> Result<Built, BuildError> {
        let soa = self.soa.take().ok_or(BuildError::NoSoa)?;
        let serial = Soa::from_rdata(&soa.rdata).ok_or(BuildError::NoSoa)?.serial;
        let mut index = std::mem::take(&mut self.index);
        index.sort_unstable();
        let packed = Packed { octets: &self.packed, apex_len: self.apex.as_ref().wire_len() };
        settle_collisions(&mut index, &packed);
        let mut names: Vec<Owner<'_>> = index
            .chunk_by(|a, b| a.0 == b.0 && packed.labels(a.1).eq_ignore_ascii_case(packed.labels(b.1)))
            .map(|run| (run[0].0, packed.labels(run[0].1), run))
            .collect();
        let parents = Parents::of(&self.key, &names);
        names.extend(parents.empty().map(|(hash, labels)| (hash, labels, &[][..])));
        names.sort_unstable_by_key(|name| name.0);

        let mut version = Version {
            // Most owners are spelled like that of the SOA; what differs costs octets.
            apex: soa.owner.clone(),
            key: self.key,
            serial,
            soa,
            digest: Digest::default(),
            records: 0,
            names: names.len() as u64,
            tree: TreeWriter::new(0).finish(),
            cut_depths: 0,
            recent: None,
        };
        let mut counts = Counts::default();
        let mut tree = TreeWriter::new(bits_for(version.names));
        for (hash, labels, run) in names {
            let mut entry = packed.draft(labels, run, version.apex.as_ref());
            entry.settle(self.source, &mut counts);
            parents.complete(hash, &mut entry);
            version.records += digest_entry(&entry, &version.apex, &self.key, &mut version.digest);
            let flags = tree.page_for(hash).write(tag(hash), &entry, version.apex.as_ref());
            if flags & (CUT | DNAME) != 0 {
                version.cut_depths |= 1 << count_labels(labels);
            }
        }
        version.tree = tree.finish();
        if self.source == Source::File {
            let ttl = version.apex_node().rrset(RecordType::SOA).map(|set| set.ttl());
            version.soa.ttl = ttl.ok_or(BuildError::NoSoa)?;
        }
        Ok(Built { version, duplicates: counts.duplicates, ttls_lowered: counts.ttls_lowered })
    }
}

#[derive(Default)]
struct Counts {
    duplicates: u64,
    ttls_lowered: u64,
}

impl EntryDraft<'_> {
    /// Brings the RRsets of a name into order, each with records in any order before.
    fn settle(&mut self, source: Source, counts: &mut Counts) {
        for set in &mut self.sets {
            counts.duplicates += set.settle();
            if source == Source::File && set.level_ttls() {
                counts.ttls_lowered += 1;
            }
        }
    }
}

/// Adds the shares of an entry's records to `sum`; returns how many there are.
fn digest_entry(entry: &EntryDraft<'_>, apex: &Name, key: &DigestKey, sum: &mut Digest) -> u64 {
    let owner = Name::join(entry.labels, apex.as_ref()).expect("owners fit 255 octets");
    let mut scratch = Vec::new();
    let mut count = 0;
    for set in &entry.sets {
        for record in &set.records {
            let owner = owner.as_ref();
            let record = RecordRef { owner, rtype: set.rtype, ttl: record.ttl, rdata: record.rdata };
            *sum += Digest::of(key, record, &mut scratch);
            count += 1;
        }
    }
    count
}

/// Two names with one hash are as rare as 64 bits make them; they still must not be mixed.
fn settle_collisions(index: &mut [(u64, usize)], packed: &Packed<'_>) {
    for run in index.chunk_by_mut(|a, b| a.0 == b.0) {
        let first = packed.labels(run[0].1);
        if !run.iter().all(|(_, at)| packed.labels(*at).eq_ignore_ascii_case(first)) {
            run.sort_by_cached_key(|(_, at)| (packed.labels(*at).to_ascii_lowercase(), *at));
        }
    }
}

fn pack(packed: &mut Vec<u8>, record: RecordRef<'_>) {
    let length = u16::try_from(record.rdata.len()).expect("RDATA fits 65,535 octets");
    packed.push(record.owner.wire_len() as u8);
    packed.extend_from_slice(record.owner.wire());
    packed.extend_from_slice(&record.rtype.0.to_be_bytes());
    packed.extend_from_slice(&record.ttl.to_be_bytes());
    packed.extend_from_slice(&length.to_be_bytes());
    packed.extend_from_slice(record.rdata);
}

/// A name: its hash, its labels below the apex, its records in the index.
type Owner<'a> = (u64, &'a [u8], &'a [(u64, usize)]);

/// The records that [`pack`] wrote.
#[derive(Clone, Copy)]
struct Packed<'a> {
    octets: &'a [u8],
    apex_len: usize,
}

impl<'a> Packed<'a> {
    /// The labels below the apex of the owner of the record at `at`.
    fn labels(&self, at: usize) -> &'a [u8] {
        let length = usize::from(self.octets[at]);
        &self.octets[at + 1..at + 1 + length - self.apex_len]
    }

    fn record(&self, at: usize) -> RecordRef<'a> {
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

    /// The draft of a name from its records.
    fn draft(&self, labels: &'a [u8], run: &[(u64, usize)], apex: NameRef<'_>) -> EntryDraft<'a> {
        let mut entry = EntryDraft::empty(labels);
        for &(_, at) in run {
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
}

/// What is known of the names that have names below them.
struct Parents<'a> {
    below: HashMap<Key<'a>, Parent, BuildHasherDefault<Ready>>,
}

#[derive(Default)]
struct Parent {
    has_data: bool,
    children: u64,
    wildcard: bool,
}

impl<'a> Parents<'a> {
    fn of(key: &DigestKey, names: &[Owner<'a>]) -> Parents<'a> {
        let mut parents = Parents { below: HashMap::default() };
        let apex = Key { hash: hash(key, &[]), labels: &[] };
        parents.below.entry(apex).or_default();
        for &(_, labels, _) in names {
            let mut labels = labels;
            while let Some(above) = parent(labels) {
                let above_key = if above.is_empty() { apex } else { Key::of(key, above) };
                let fresh = !parents.below.contains_key(&above_key);
                parents.below.entry(above_key).or_default();
                if !fresh {
                    break;
                }
                labels = above;
            }
        }
        for &(hash, labels, _) in names {
            if let Some(own) = parents.below.get_mut(&Key { hash, labels }) {
                own.has_data = true;
            }
            parents.count(key, apex, labels);
        }
        let empty: Vec<&[u8]> = parents.empty().map(|(_, labels)| labels).collect();
        empty.into_iter().for_each(|labels| parents.count(key, apex, labels));
        parents
    }

    /// Counts a name with its parent.
    fn count(&mut self, key: &DigestKey, apex: Key<'a>, labels: &'a [u8]) {
        let Some(above) = parent(labels) else { return };
        let above = if above.is_empty() { apex } else { Key::of(key, above) };
        let above = self.below.get_mut(&above).expect("all parents were entered");
        above.children += 1;
        above.wildcard |= labels.starts_with(b"\x01*");
    }

    /// The empty non-terminals.
    fn empty(&self) -> impl Iterator<Item = (u64, &'a [u8])> {
        let empty = self.below.iter().filter(|(_, parent)| !parent.has_data);
        empty.map(|(key, _)| (key.hash, key.labels))
    }

    fn complete(&self, hash: u64, entry: &mut EntryDraft<'a>) {
        if let Some(parent) = self.below.get(&Key { hash, labels: entry.labels }) {
            (entry.children, entry.wildcard) = (parent.children, parent.wildcard);
        }
    }
}

/// The labels of the parent; `None` at the apex.
pub(super) fn parent(labels: &[u8]) -> Option<&[u8]> {
    let (&length, rest) = labels.split_first()?;
    rest.get(usize::from(length)..)
}

/// A name in a map, with the hash that it has anyway.
#[derive(Clone, Copy)]
struct Key<'a> {
    hash: u64,
    labels: &'a [u8],
}

impl<'a> Key<'a> {
    fn of(key: &DigestKey, labels: &'a [u8]) -> Key<'a> {
        Key { hash: hash(key, labels), labels }
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.labels.eq_ignore_ascii_case(other.labels)
    }
}

impl Eq for Key<'_> {}

impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Hands through a hash that was made already.
#[derive(Default)]
struct Ready(u64);

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BuildError::OutOfZone => "a record lies outside of the zone",
            BuildError::SecondSoa => "there is a second SOA",
            BuildError::NoSoa => "there is no SOA at the apex",
        })
    }
}

impl std::error::Error for BuildError {}
