//! Makes a version from all of its records: from a zone file, a full transfer or a stored body.
//!
//! Records are collected in a [`Heap`]. At the end they are brought together by name, part by part, and the
//! pages are written one after the other; what stands above and below a name is known by then ([`Parents`]).

use std::fmt;

use super::digest::{Digest, DigestKey};
use super::draft::{EntryDraft, TreeWriter};
use super::heap::Heap;
use super::order::Order;
use super::page::{STOPS, hash, tag};
use super::parents::Parents;
use super::version::{Version, count_labels};
use crate::dns::name::NAME_OCTETS_MAX;
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
        let mut parts = self.heap.into_parts();
        let parents = Parents::of(&self.key, &mut parts);
        // Most owners are spelled like that of the SOA; what differs costs octets.
        let apex = soa.owner.clone();
        let empty = parents.empty();
        let mut empty = empty.iter().peekable();
        let mut filling = Filling::of(&apex, self.key, self.source, &parents);
        // Each part goes away when its names are in their pages.
        for part in parts {
            for (hash, labels, run) in part.owners() {
                while let Some((hash, labels)) = empty.next_if(|(empty, _)| *empty <= hash) {
                    filling.take(*hash, EntryDraft::empty(labels));
                }
                let entry = part.draft(labels, run, apex.as_ref());
                filling.take(hash, entry);
            }
        }
        empty.for_each(|(hash, labels)| filling.take(*hash, EntryDraft::empty(labels)));
        let Filling { tree, digest, records, cut_depths, counts, .. } = filling;
        let (names, tree) = (parents.names(), tree.finish());
        let (order, recent, key) = (None, None, self.key);
        let mut version =
            Version { apex, key, serial, soa, digest, records, names, tree, cut_depths, order, recent };
        version.order = Order::of(&version);
        if self.source == Source::File {
            let ttl = version.apex_node().rrset(RecordType::SOA).map(|set| set.ttl());
            version.soa.ttl = ttl.ok_or(BuildError::NoSoa)?;
        }
        Ok(Built { version, duplicates: counts.duplicates, ttls_lowered: counts.ttls_lowered })
    }
}

/// A version whose pages are being written.
struct Filling<'p> {
    apex: &'p Name,
    key: DigestKey,
    source: Source,
    parents: &'p Parents,
    tree: TreeWriter,
    digest: Digest,
    records: u64,
    cut_depths: u128,
    counts: Counts,
    scratch: Scratch,
}

/// Room that is used again for each name.
pub(super) struct Scratch {
    owner: Vec<u8>,
    octets: Vec<u8>,
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch { owner: Vec::with_capacity(NAME_OCTETS_MAX), octets: Vec::with_capacity(NAME_OCTETS_MAX) }
    }
}

impl<'p> Filling<'p> {
    fn of(apex: &'p Name, key: DigestKey, source: Source, parents: &'p Parents) -> Filling<'p> {
        Filling {
            apex,
            key,
            source,
            parents,
            tree: TreeWriter::new(parents.names()),
            digest: Digest::default(),
            records: 0,
            cut_depths: 0,
            counts: Counts::default(),
            scratch: Scratch::default(),
        }
    }

    /// Takes the next name, ascending by hash.
    fn take(&mut self, hash: u64, mut entry: EntryDraft<'_>) {
        entry.settle(self.source, &mut self.counts, &mut self.scratch);
        self.parents.complete(hash, &mut entry);
        let shares = Shares::of(&entry, self.apex, &self.key, &mut self.scratch);
        self.records += shares.records;
        self.digest += shares.digest;
        let page = self.tree.page_for(hash);
        page.account(shares.written);
        let flags = page.write(tag(hash), &entry, self.apex.as_ref());
        if flags & STOPS != 0 {
            self.cut_depths |= 1 << count_labels(entry.labels);
        }
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
    pub(super) fn settle(&mut self, source: Source, counts: &mut Counts, scratch: &mut Scratch) {
        for set in &mut self.sets {
            counts.duplicates += set.settle(&mut scratch.octets);
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
    fn of(entry: &EntryDraft<'_>, apex: &Name, key: &DigestKey, scratch: &mut Scratch) -> Shares {
        let Scratch { owner, octets } = scratch;
        owner.clear();
        owner.extend_from_slice(entry.labels);
        owner.extend_from_slice(apex.as_ref().wire());
        let spelled = NameRef::from_valid_wire(owner);
        let mut shares = Shares::default();
        for set in &entry.sets {
            for record in &set.records {
                let owner = record.owner.unwrap_or(spelled);
                let record = RecordRef { owner, rtype: set.rtype, ttl: record.ttl, rdata: record.rdata };
                let (digest, written) = Digest::shares(key, record, octets);
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
