//! Where names stand in a message that is being written (RFC 1035 §4.1.4).
//!
//! A fixed open-addressing table of offsets, without allocation. Each entry is the place of one
//! *suffix* and is found by its first label together with the place of the rest, so that a lookup
//! compares one label, however long the name is. Entries are never moved; what was added last is
//! taken away first, so clearing an entry breaks no other's chain.

use super::Compression;
use crate::dns::case;

/// Slots of the table; when a name finds no free one near its place, it is just not a target.
const SLOTS: usize = 256;
/// Slots for messages with as many names as can be targets: those of transfers.
const SLOTS_FOR_MANY: usize = 2048;
/// Slots that are tried for one label.
const PROBES: usize = 8;
/// Offsets from here on do not fit a pointer (B38).
pub(super) const OFFSETS_END: usize = 0x4000;
/// Stands for the root as "the rest of the name"; no name begins at offset 0.
pub(super) const ROOT: u16 = 0;

/// The suffixes of one message.
#[derive(Debug)]
pub(super) struct Suffixes {
    few: [u16; SLOTS],
    /// Instead of the others, if there are any.
    many: Box<[u16]>,
}

impl Suffixes {
    pub(super) fn new() -> Suffixes {
        Suffixes { few: [0; SLOTS], many: Box::default() }
    }

    /// With room for many.
    pub(super) fn for_many() -> Suffixes {
        Suffixes { few: [0; SLOTS], many: vec![0; SLOTS_FOR_MANY].into() }
    }

    #[inline]
    fn slots(&self) -> &[u16] {
        if self.many.is_empty() { &self.few } else { &self.many }
    }

    #[inline]
    fn slots_mut(&mut self) -> &mut [u16] {
        if self.many.is_empty() { &mut self.few } else { &mut self.many }
    }

    /// Where `label` followed by the name at `rest` stands.
    pub(super) fn find(
        &self,
        message: &[u8],
        rest: u16,
        label: &[u8],
        compression: Compression,
    ) -> Option<u16> {
        let (first, slots) = (hash(rest, label), self.slots());
        for probe in 0..PROBES {
            let offset = slots[(first + probe) & (slots.len() - 1)];
            if offset == 0 {
                return None;
            }
            if stands_at(message, usize::from(offset), rest, label, compression) {
                return Some(offset);
            }
        }
        None
    }

    /// Notes that `label` followed by the name at `rest` stands at `offset`; false if there is no room.
    fn insert(&mut self, rest: u16, label: &[u8], offset: u16) -> bool {
        let (first, slots) = (hash(rest, label), self.slots_mut());
        for probe in 0..PROBES {
            let slot = &mut slots[(first + probe) & (slots.len() - 1)];
            if *slot == 0 {
                *slot = offset;
                return true;
            }
        }
        false
    }

    /// Notes the suffixes of a name whose labels begin at `starts` and that was written at `begin`, the
    /// rest of it standing at `rest`.
    pub(super) fn note(&mut self, wire: &[u8], starts: &[u8], begin: usize, mut rest: u16) {
        for &start in starts.iter().rev() {
            let offset = begin + usize::from(start);
            if offset >= OFFSETS_END {
                // The labels in front of this one may be low enough, but have nothing to lead on to.
                return;
            }
            if !self.insert(rest, label_at(wire, usize::from(start)), offset as u16) {
                return;
            }
            rest = offset as u16;
        }
    }

    /// Forgets what stands at `offset` or later.
    pub(super) fn forget_from(&mut self, offset: usize) {
        for slot in self.slots_mut() {
            if usize::from(*slot) >= offset {
                *slot = 0;
            }
        }
    }
}

/// The label that begins at `start`, without its length octet.
pub(super) fn label_at(wire: &[u8], start: usize) -> &[u8] {
    &wire[start + 1..start + 1 + usize::from(wire[start])]
}

/// Whether exactly `label` and then the name at `rest` stand at `offset`.
fn stands_at(message: &[u8], offset: usize, rest: u16, label: &[u8], compression: Compression) -> bool {
    let after = offset + 1 + label.len();
    if usize::from(message[offset]) != label.len() {
        return false;
    }
    let found = &message[offset + 1..after];
    let same = match compression {
        Compression::IgnoreCase => case::same(found, label),
        Compression::ExactCase => found == label,
    };
    same && usize::from(rest)
        == match message[after] {
            0 => usize::from(ROOT),
            high @ 0xc0.. => usize::from(high & 0x3f) << 8 | usize::from(message[after + 1]),
            _ => after,
        }
}

/// The first slot to try. Letters of either case give the same.
fn hash(rest: u16, label: &[u8]) -> usize {
    (case::digest(label) >> 48) as usize ^ usize::from(rest)
}
