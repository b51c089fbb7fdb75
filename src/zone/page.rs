//! A page of a zone as it is read: about 24 names with their records in one allocation.
//!
//! ```text
//! page    lead, count u16, offset width u8, flags u8, tags [u16; count], offsets [u16 or u32; count + 1],
//!         entries, rest, sum u128
//! entry   length u8, labels below the apex, flags u8, children varint, RRsets varint, RRsets
//! RRset   type u16, flags u8, TTL u32, records varint, octets varint, records
//! record  [TTL u32 if OWN_TTL] [owner wire if OWN_OWNER] length varint, RDATA
//! ```
//! Entries stand in the order of their hashes. Numbers in them are big-endian; varints are LEB128.
//! The lead, together with the rest always [`LEAD_MAX`] octets, brings the count to the start of a
//! cache line: of 24 names all tags and offsets then lie in the two lines that [`Page::touch`] asks for.
//! A tag is 16 bits of the name's hash, so that a lookup compares one name only. Each offset is the
//! start of an entry and the end of the one before it. RRsets ascend by
//! type, their records are in canonical order. An RRset whose records differ in TTL or in the
//! spelling of the owner, as a transfer may bring (R14), says so in its flags, and each record
//! carries its own. The sum is that of [`Digest::written`] over all records but the SOA; it stands at
//! the end, so that what a lookup touches stays together. `draft` writes pages; they never come from
//! outside, so a page that does not parse is our own bug.

use std::hash::Hasher;
use std::hint::black_box;

use siphasher::sip::SipHasher13;

use super::digest::{Digest, DigestKey};
use crate::dns::{NameRef, RecordType, case};

/// Octets before the tags.
pub(super) const HEADER: usize = 4;
/// Octets of the sum behind the entries.
pub(super) const SUM: usize = 16;

/// Flag of a page: it may have an RRset whose TTLs a zone file would not be left with, so its sum
/// says nothing about what a file of the same records would give.
pub(super) const UNEVEN: u8 = 1;

/// The most names in a page. It holds 48 on average at most and the hash is keyed: no page ever has
/// so many.
pub(super) const NAMES_MAX: usize = i16::MAX as usize;

/// Tags that a search compares in any case; few pages have more.
const TAGS_AT_ONCE: usize = 48;

/// Octets that memory hands over at once.
const CACHE_LINE: usize = 64;
/// The most octets in front of a page: what an `Arc` holds begins at a multiple of eight.
pub(super) const LEAD_MAX: usize = CACHE_LINE - 8;

/// The name is not the apex and owns NS: a zone cut.
pub(super) const CUT: u8 = 1;
/// The name owns DNAME.
pub(super) const DNAME: u8 = 2;
/// `*` exists right below the name.
pub(super) const WILDCARD: u8 = 4;
/// The name is not the apex, owns NSEC3 and has nothing else to it: to queries it does not exist
/// (RFC 5155 §7.2.8).
pub(super) const HASHED: u8 = 8;
/// Flags of names at which a lookup has to look on its way down.
pub(super) const STOPS: u8 = CUT | DNAME | HASHED;

/// Each record of the RRset carries its TTL.
pub(super) const OWN_TTL: u8 = 1;
/// Each record of the RRset carries its owner, spelled as it came.
pub(super) const OWN_OWNER: u8 = 2;

/// The hash of a name, from its labels below the apex. Case does not matter; the key keeps
/// registrants from choosing names that meet in one page.
#[inline]
pub(super) fn hash(key: &DigestKey, labels: &[u8]) -> u64 {
    let key = u128::from_le_bytes(key.0);
    let mut hasher = SipHasher13::new_with_keys(key as u64, (key >> 64) as u64);
    // Word by word out of registers: what was just written to memory octet by octet cannot be read
    // back in words without waiting. Labels say how long they are, so the zeros that fill up the last
    // word make no two names alike.
    case::for_each_lower_word(labels, |word| hasher.write_u64(word));
    hasher.finish()
}

/// The part of a hash that stands in a page.
pub(super) fn tag(hash: u64) -> u16 {
    hash as u16
}

/// A page.
#[derive(Clone, Copy)]
pub(super) struct Page<'v>(&'v [u8]);

/// Octets that `octets` has in front of the page: it begins where a cache line does.
#[inline]
pub(super) fn lead(octets: &[u8]) -> usize {
    octets.as_ptr().addr().wrapping_neg() & (CACHE_LINE - 1)
}

impl<'v> Page<'v> {
    /// The page in an allocation of the tree.
    #[inline]
    pub(super) fn of(octets: &'v [u8]) -> Page<'v> {
        Page(&octets[lead(octets)..])
    }

    /// How many names it holds.
    #[inline]
    pub(super) fn len(self) -> usize {
        usize::from(u16::from_le_bytes([self.0[0], self.0[1]]))
    }

    /// Whether a file of exactly these records may give another page.
    pub(super) fn is_uneven(self) -> bool {
        self.0[3] & UNEVEN != 0
    }

    /// The sum over its records as written, but for the SOA.
    pub(super) fn sum(self) -> Digest {
        let (_, sum) = self.0.split_last_chunk().expect("a page ends with its sum");
        Digest(u128::from_le_bytes(*sum))
    }

    #[inline]
    fn tags(self) -> &'v [[u8; 2]] {
        let octets = &self.0[HEADER..HEADER + 2 * self.len()];
        octets.as_chunks().0
    }

    /// The tag of the entry at `at`.
    pub(super) fn tag(self, at: usize) -> u16 {
        u16::from_le_bytes(self.tags()[at])
    }

    /// The entry at `at`.
    #[inline]
    pub(super) fn entry(self, at: usize) -> Entry<'v> {
        let offsets = &self.0[HEADER + 2 * self.len()..];
        let (start, end) = if self.0[2] == 2 {
            let both: [u8; 4] =
                *offsets[2 * at..].first_chunk().expect("an offset follows that of each entry");
            let both = u32::from_le_bytes(both);
            (both & 0xffff, both >> 16)
        } else {
            let both: [u8; 8] =
                *offsets[4 * at..].first_chunk().expect("an offset follows that of each entry");
            let both = u64::from_le_bytes(both);
            (both as u32, (both >> 32) as u32)
        };
        Entry(&self.0[start as usize..end as usize])
    }

    /// The entry of a name, given by its labels below the apex in any case.
    #[inline]
    pub(super) fn find(self, tag: u16, labels: &[u8]) -> Option<Entry<'v>> {
        let at = self.first_with(tag)?;
        let entry = self.entry(at);
        if entry.is_named(labels) { Some(entry) } else { self.find_behind(at, tag, labels) }
    }

    /// The same behind an entry of another name with that tag.
    #[cold]
    pub(super) fn find_behind(self, other: usize, tag: u16, labels: &[u8]) -> Option<Entry<'v>> {
        let mut later = (other + 1..self.len()).filter(|at| self.tag(*at) == tag).map(|at| self.entry(at));
        later.find(|entry| entry.is_named(labels))
    }

    /// The first entry with this tag.
    #[inline]
    pub(super) fn first_with(self, tag: u16) -> Option<usize> {
        // Eight tags at a time, the way that processors compare, and always as many: how many a page has
        // and where the tag stands differ from query to query, and a branch on that would be guessed
        // wrong. The sum at the end of a page makes each chunk whole that begins with a tag; past the
        // last tag it means something else, and comes later than a true hit. So does a chunk that is
        // looked at twice.
        let last = self.len().div_ceil(8).checked_sub(1)?;
        let chunks = &self.0[HEADER..].as_chunks::<16>().0[..=last];
        let mut nearest = [i16::MAX; 8];
        let mut places = [0, 1, 2, 3, 4, 5, 6, 7];
        for chunk in (0..TAGS_AT_ONCE / 8).map(|at| chunks[at.min(last)]) {
            for ((tag_here, place), nearest) in chunk.as_chunks().0.iter().zip(&mut places).zip(&mut nearest)
            {
                let is_hit = u16::from_le_bytes(*tag_here) == tag;
                *nearest = (*nearest).min(if is_hit { *place } else { i16::MAX });
                *place += 8;
            }
        }
        let hit = nearest.into_iter().fold(i16::MAX, i16::min) as usize;
        if hit < self.len() { Some(hit) } else { (TAGS_AT_ONCE..self.len()).find(|at| self.tag(*at) == tag) }
    }

    /// Asks memory for the tags and offsets.
    pub(super) fn touch(self) {
        black_box((self.0.first().copied(), self.0.get(CACHE_LINE).copied()));
    }

    /// All entries.
    pub(super) fn entries(self) -> impl Iterator<Item = Entry<'v>> {
        (0..self.len()).map(move |at| self.entry(at))
    }
}

/// A name with its records.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<'v>(pub(super) &'v [u8]);

impl<'v> Entry<'v> {
    /// The labels below the apex as first spelled, without a final zero.
    #[inline]
    pub(super) fn labels(self) -> &'v [u8] {
        &self.0[1..1 + usize::from(self.0[0])]
    }

    /// Whether these are its labels, in any case.
    #[inline]
    pub(super) fn is_named(self, labels: &[u8]) -> bool {
        case::same(self.labels(), labels)
    }

    /// Asks memory for it, or for its first two lines: half of those with one address lie across two.
    pub(super) fn touch(self) {
        black_box((self.0.first().copied(), self.0.get(CACHE_LINE).or(self.0.last()).copied()));
    }

    /// [`CUT`], [`DNAME`], [`WILDCARD`], [`HASHED`].
    #[inline]
    pub(super) fn flags(self) -> u8 {
        self.0[1 + usize::from(self.0[0])]
    }

    /// What follows the flags: children, the number of RRsets, the RRsets.
    #[inline]
    pub(super) fn cursor(self) -> Cursor<'v> {
        Cursor { octets: self.0, at: 2 + usize::from(self.0[0]) }
    }

    /// How many names exist right below this one.
    pub(super) fn children(self) -> u64 {
        self.cursor().varint()
    }

    /// How many RRsets there are; none at an empty non-terminal.
    pub(super) fn set_count(self) -> u64 {
        let mut cursor = self.cursor();
        cursor.varint();
        cursor.varint()
    }

    /// The RRsets.
    #[inline]
    pub(super) fn sets(self) -> Sets<'v> {
        let mut cursor = self.cursor();
        cursor.varint();
        let left = cursor.varint();
        Sets { cursor, left }
    }
}

/// Walks the RRsets of an entry.
#[derive(Clone)]
pub(super) struct Sets<'v> {
    cursor: Cursor<'v>,
    left: u64,
}

impl<'v> Iterator for Sets<'v> {
    type Item = Set<'v>;

    #[inline]
    fn next(&mut self) -> Option<Set<'v>> {
        self.left = self.left.checked_sub(1)?;
        Some(self.cursor.set())
    }
}

/// An RRset as it lies in the page.
#[derive(Clone, Copy)]
pub(super) struct Set<'v> {
    pub(super) head: SetHead,
    octets: &'v [u8],
}

/// What stands before the records of an RRset.
#[derive(Clone, Copy, Debug)]
pub(super) struct SetHead {
    pub(super) rtype: RecordType,
    /// [`OWN_TTL`], [`OWN_OWNER`].
    pub(super) flags: u8,
    /// As it came if all records share it, else the least as an answer reads it.
    pub(super) ttl: u32,
    /// How many records.
    pub(super) len: u64,
}

impl<'v> Set<'v> {
    /// The records.
    #[inline]
    pub(super) fn records(self) -> SetRecords<'v> {
        SetRecords { head: self.head, cursor: Cursor { octets: self.octets, at: 0 }, left: self.head.len }
    }
}

/// Walks the records of an RRset.
#[derive(Clone)]
pub(super) struct SetRecords<'v> {
    head: SetHead,
    cursor: Cursor<'v>,
    left: u64,
}

/// A record exactly as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'v> {
    /// Seconds as they came; the top bit may be set.
    pub ttl: u32,
    /// The owner's own spelling; `None` if it is that of the node.
    pub owner: Option<NameRef<'v>>,
    /// RDATA in wire form.
    pub rdata: &'v [u8],
}

impl<'v> Iterator for SetRecords<'v> {
    type Item = Stored<'v>;

    #[inline]
    fn next(&mut self) -> Option<Stored<'v>> {
        self.left = self.left.checked_sub(1)?;
        Some(self.cursor.record(&self.head))
    }
}

/// Reads the parts of an entry one after the other.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'v> {
    pub(super) octets: &'v [u8],
    pub(super) at: usize,
}

impl<'v> Cursor<'v> {
    #[inline]
    fn take(&mut self, length: usize) -> &'v [u8] {
        let taken = &self.octets[self.at..self.at + length];
        self.at += length;
        taken
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> [u8; N] {
        *self.take(N).first_chunk().expect("the slice is as long as was asked")
    }

    /// A number.
    #[inline]
    pub(super) fn varint(&mut self) -> u64 {
        let first = self.octets[self.at];
        if first < 0x80 {
            self.at += 1;
            return u64::from(first);
        }
        let (value, end) = long_varint(self.octets, self.at);
        self.at = end;
        value
    }

    /// The RRset that begins here; the cursor moves past it.
    #[inline]
    fn set(&mut self) -> Set<'v> {
        let (head, octets) = self.set_head();
        Set { head, octets: self.take(octets) }
    }

    /// The start of the RRset that begins here and the octets of its records, which follow.
    #[inline]
    pub(super) fn set_head(&mut self) -> (SetHead, usize) {
        let &[r0, r1, flags, t0, t1, t2, t3, len, octets] =
            self.octets[self.at..].first_chunk().expect("an RRset has a type, flags, a TTL and two numbers");
        let rtype = RecordType(u16::from_be_bytes([r0, r1]));
        let ttl = u32::from_be_bytes([t0, t1, t2, t3]);
        if len | octets < 0x80 {
            self.at += 9;
            return (SetHead { rtype, flags, ttl, len: u64::from(len) }, usize::from(octets));
        }
        self.at += 7;
        let len = self.varint();
        (SetHead { rtype, flags, ttl, len }, self.varint() as usize)
    }

    /// The record that begins here, in an RRset with this head.
    #[inline]
    pub(super) fn record(&mut self, head: &SetHead) -> Stored<'v> {
        let ttl = if head.flags & OWN_TTL == 0 { head.ttl } else { u32::from_be_bytes(self.array()) };
        let owner = (head.flags & OWN_OWNER != 0).then(|| {
            let (owner, _) = NameRef::split_from(&self.octets[self.at..]).expect("stored owners are names");
            self.at += owner.wire_len();
            owner
        });
        let length = self.varint() as usize;
        Stored { ttl, owner, rdata: self.take(length) }
    }
}

/// A number of several octets at `at`, and where it ends. It takes no cursor, so that those of the
/// lookups live in registers.
#[inline(never)]
fn long_varint(octets: &[u8], mut at: usize) -> (u64, usize) {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let octet = octets[at];
        at += 1;
        value |= u64::from(octet & 0x7f) << shift;
        if octet < 0x80 {
            break;
        }
    }
    (value, at)
}
