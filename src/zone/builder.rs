//! Makes a version from all of its records: from a zone file, a full transfer or a stored body.
//!
//! Records are collected in a [`Heap`]. At the end they are brought together by name, the names of a
//! page beside each other, and the pages are written one after the other.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use super::digest::{Digest, DigestKey};
use super::draft::{EntryDraft, TreeWriter};
use super::heap::{Heap, Owner};
use super::order::Order;
use super::page::{STOPS, hash, tag};
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
    heap: Heap,
    soa: Option<Record>,
}

impl Builder {
    /// A builder for the zone with this apex.
    pub fn new(apex: NameRef<'_>, key: DigestKey, source: Source) -> Builder {
        let apex = apex.to_name();
        let heap = Heap::of_zone(apex.as_ref());
        Builder { apex, key, source, heap, soa: None }
    }

    /// Adds a record, in any order.
    pub fn push(&mut self, record: RecordRef<'_>) -> Result<(), BuildError> {
        let labels = record.owner.prefix_above(self.apex.as_ref()).ok_or(BuildError::OutOfZone)?;
        if record.rtype == RecordType::SOA {
            take_soa(&mut self.soa, labels, record)?;
        }
        self.heap.push(hash(&self.key, labels), record);
        Ok(())
    }

    /// The version.
    pub fn finish(mut self) -> Result<Built, BuildError> {
        let soa = self.soa.take().ok_or(BuildError::NoSoa)?;
        let serial = Soa::from_rdata(&soa.rdata).ok_or(BuildError::NoSoa)?.serial;
        self.heap.sort();
        let mut names: Vec<Owner<'_>> = self.heap.owners().collect();
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
            order: None,
            recent: None,
        };
        let mut counts = Counts::default();
        let mut tree = TreeWriter::new(bits_for(version.names));
        for (hash, labels, run) in names {
            let mut entry = self.heap.draft(labels, run, version.apex.as_ref());
            entry.settle(self.source, &mut counts);
            parents.complete(hash, &mut entry);
            let shares = Shares::of(&entry, &version.apex, &self.key);
            version.records += shares.records;
            version.digest += shares.digest;
            let page = tree.page_for(hash);
            page.account(shares.written);
            let flags = page.write(tag(hash), &entry, version.apex.as_ref());
            if flags & STOPS != 0 {
                version.cut_depths |= 1 << count_labels(labels);
            }
        }
        version.tree = tree.finish();
        version.order = Order::of(&version);
        if self.source == Source::File {
            let ttl = version.apex_node().rrset(RecordType::SOA).map(|set| set.ttl());
            version.soa.ttl = ttl.ok_or(BuildError::NoSoa)?;
        }
        Ok(Built { version, duplicates: counts.duplicates, ttls_lowered: counts.ttls_lowered })
    }
}

/// Takes an SOA whose owner has these labels below the apex: the first, or one that is the same.
pub(super) fn take_soa(
    soa: &mut Option<Record>,
    labels: &[u8],
    record: RecordRef<'_>,
) -> Result<(), BuildError> {
    match soa {
        _ if !labels.is_empty() => Err(BuildError::SecondSoa),
        Some(first) if rdata::same(RecordType::SOA, &first.rdata, record.rdata) => Ok(()),
        Some(_) => Err(BuildError::SecondSoa),
        None => {
            *soa = Some(record.to_record());
            Ok(())
        }
    }
}

/// What a file said more than once, or in two ways.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) duplicates: u64,
    pub(super) ttls_lowered: u64,
}

impl EntryDraft<'_> {
    /// Brings the RRsets of a name into order, each with records in any order before.
    pub(super) fn settle(&mut self, source: Source, counts: &mut Counts) {
        for set in &mut self.sets {
            counts.duplicates += set.settle();
            if source == Source::File && set.level_ttls() {
                counts.ttls_lowered += 1;
            }
        }
    }
}

/// What an entry adds to the figures of its version and its page.
#[derive(Default)]
struct Shares {
    records: u64,
    digest: Digest,
    written: Digest,
}

impl Shares {
    fn of(entry: &EntryDraft<'_>, apex: &Name, key: &DigestKey) -> Shares {
        let spelled = Name::join(entry.labels, apex.as_ref()).expect("owners fit 255 octets");
        let mut scratch = Vec::new();
        let mut shares = Shares::default();
        for set in &entry.sets {
            for record in &set.records {
                let owner = record.owner.unwrap_or(spelled.as_ref());
                let record = RecordRef { owner, rtype: set.rtype, ttl: record.ttl, rdata: record.rdata };
                let (digest, written) = Digest::shares(key, record, &mut scratch);
                shares.records += 1;
                shares.digest += digest;
                if set.rtype != RecordType::SOA {
                    shares.written += written;
                }
            }
        }
        shares
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
