//! The octets of one simulated file: what is durable, what is not yet, and what a crash keeps.

use super::SimRandom;
use crate::env::Random;

/// The unit in which a write is torn.
const SECTOR_OCTETS: u64 = 512;

/// The octets of one file.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// What a reader sees.
    pub(super) live: Vec<u8>,
    /// What a crash leaves at least.
    synced: Vec<u8>,
    /// What was done since, in order.
    pending: Vec<Change>,
}

/// One thing done to a file.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Write { offset: u64, octets: Vec<u8> },
    SetLen(u64),
}

impl Node {
    /// A file that has always been there.
    pub(super) fn durable(octets: &[u8]) -> Node {
        Node { live: octets.to_vec(), synced: octets.to_vec(), pending: Vec::new() }
    }

    /// What is not durable never will be, although a reader sees it.
    pub(super) fn forget_pending(&mut self) {
        self.pending.clear();
    }

    /// Does it, not durably.
    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.pending.push(change);
    }

    /// Makes all of it durable.
    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.synced);
        }
    }

    /// Leaves what is durable and a subset of the rest.
    pub(super) fn crash(&mut self, random: &mut SimRandom) {
        for change in std::mem::take(&mut self.pending) {
            match random.below(3) {
                0 => {}
                1 => change.apply(&mut self.synced),
                _ => change.torn(random).for_each(|change| change.apply(&mut self.synced)),
            }
        }
        self.live = self.synced.clone();
    }
}

impl Change {
    fn apply(&self, octets: &mut Vec<u8>) {
        match self {
            Change::Write { offset, octets: written } => {
                let (start, end) = (*offset as usize, *offset as usize + written.len());
                if octets.len() < end {
                    octets.resize(end, 0);
                }
                octets[start..end].copy_from_slice(written);
            }
            Change::SetLen(len) => octets.resize(*len as usize, 0),
        }
    }

    /// The sectors of a write that made it.
    fn torn<'a>(&'a self, random: &'a mut SimRandom) -> impl Iterator<Item = Change> + 'a {
        let (offset, octets) = match self {
            Change::Write { offset, octets } => (*offset, &octets[..]),
            Change::SetLen(_) => (0, &[][..]),
        };
        let mut at = 0;
        std::iter::from_fn(move || {
            if at == octets.len() {
                return None;
            }
            let sector_left = SECTOR_OCTETS - (offset + at as u64) % SECTOR_OCTETS;
            let end = octets.len().min(at + sector_left as usize);
            let piece = Change::Write { offset: offset + at as u64, octets: octets[at..end].to_vec() };
            at = end;
            Some(piece)
        })
        .filter(move |_| random.one_in(2))
    }
}
