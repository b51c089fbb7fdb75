//! A name of a version and its RRsets, as lookups return them.

use std::fmt;

use super::draft::served_ttl;
use super::page::{CUT, Entry, Set};
use super::version::Version;
use crate::dns::{Name, RecordRef, RecordType};

pub use super::page::Stored;

/// A name that exists in a version: it owns records, or names below it do.
#[derive(Clone, Copy)]
pub struct Node<'v> {
    pub(super) version: &'v Version,
    pub(super) entry: Entry<'v>,
}

/// All records of one type at one name.
#[derive(Clone, Copy)]
pub struct Rrset<'v>(Set<'v>);

impl<'v> Node<'v> {
    /// The whole name, spelled as in its first record.
    pub fn owner(&self) -> Name {
        Name::join(self.entry.labels(), self.version.apex()).expect("stored names fit 255 octets")
    }

    /// The labels below the apex in wire form, without a final zero; none at the apex.
    pub fn labels(&self) -> &'v [u8] {
        self.entry.labels()
    }

    /// Whether this is the apex.
    pub fn is_apex(&self) -> bool {
        self.entry.labels().is_empty()
    }

    /// Whether the name owns records.
    pub fn has_data(&self) -> bool {
        self.entry.set_count() > 0
    }

    /// Whether the name is an empty non-terminal: only names below it own records (RFC 8020 §2).
    pub fn is_ent(&self) -> bool {
        !self.has_data()
    }

    /// Whether names exist below.
    pub fn has_children(&self) -> bool {
        self.entry.children() > 0
    }

    /// Whether this is a zone cut: NS records below the apex.
    #[inline]
    pub fn is_cut(&self) -> bool {
        self.entry.flags() & CUT != 0
    }

    /// Whether there are records of a type.
    pub fn has(&self, rtype: RecordType) -> bool {
        self.rrset(rtype).is_some()
    }

    /// The records of a type.
    #[inline]
    pub fn rrset(&self, rtype: RecordType) -> Option<Rrset<'v>> {
        self.rrsets().find(|set| set.rtype() == rtype)
    }

    /// All RRsets, ascending by type.
    #[inline]
    pub fn rrsets(&self) -> impl Iterator<Item = Rrset<'v>> + use<'v> {
        self.entry.sets().map(Rrset)
    }

    /// The signatures over the RRset of a type (RFC 4034 §3.1.1: it stands first in RDATA).
    pub fn rrsigs(&self, covered: RecordType) -> impl Iterator<Item = Stored<'v>> + use<'v> {
        let records = self.rrset(RecordType::RRSIG).into_iter().flat_map(|set| set.stored());
        records.filter(move |record| record.rdata.starts_with(&covered.0.to_be_bytes()))
    }

    /// Every record of the name exactly as it is stored.
    pub fn for_each(&self, mut visit: impl FnMut(RecordRef<'_>)) {
        let owner = self.owner();
        for set in self.rrsets() {
            for record in set.stored() {
                let owner = record.owner.unwrap_or(owner.as_ref());
                visit(RecordRef { owner, rtype: set.rtype(), ttl: record.ttl, rdata: record.rdata });
            }
        }
    }
}

impl<'v> Rrset<'v> {
    /// The type.
    #[inline]
    pub fn rtype(&self) -> RecordType {
        self.0.head.rtype
    }

    /// The TTL that answers show: the least of the records' (RFC 2181 §5.2), 0 if the top bit is
    /// set (RFC 2181 §8).
    #[inline]
    pub fn ttl(&self) -> u32 {
        served_ttl(self.0.head.ttl)
    }

    /// How many records there are, at least one.
    #[expect(clippy::len_without_is_empty, reason = "an RRset is never empty")]
    pub fn len(&self) -> usize {
        self.0.head.len as usize
    }

    /// The RDATA of each record in canonical order.
    #[inline]
    pub fn records(&self) -> impl Iterator<Item = &'v [u8]> + use<'v> {
        self.0.records().map(|record| record.rdata)
    }

    /// Each record with its own TTL and spelling.
    pub fn stored(&self) -> impl Iterator<Item = Stored<'v>> + use<'v> {
        self.0.records()
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({}", self.owner())?;
        self.rrsets().try_for_each(|set| write!(f, " {}", set.rtype()))?;
        f.write_str(")")
    }
}

impl fmt::Debug for Rrset<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rrset({} {}, {} records)", self.rtype(), self.ttl(), self.len())
    }
}
