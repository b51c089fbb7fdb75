//! The names that have names below them, while a version is built from its records: how many, whether a
//! wildcard is among them, and which of them own nothing themselves (empty non-terminals, RFC 4592 §2.2.2).

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use smallvec::SmallVec;

use super::digest::DigestKey;
use super::draft::EntryDraft;
use super::heap::Part;
use super::page::hash;

/// What is known of the names that have names below them.
pub(super) struct Parents {
    apex: Parent,
    /// By hash; two with one hash are as rare as 64 bits make them.
    below: HashMap<u64, SmallVec<[Parent; 1]>, BuildHasherDefault<Ready>>,
    /// All names that are known to exist.
    names: u64,
}

#[derive(Default)]
struct Parent {
    labels: Box<[u8]>,
    /// Of those below the apex, which always has.
    has_data: bool,
    children: u64,
    wildcard: bool,
}

impl Parents {
    /// Sorts the parts and goes through the names of their records.
    pub(super) fn of(key: &DigestKey, parts: &mut [Part]) -> Parents {
        let mut parents = Parents { apex: Parent::default(), below: HashMap::default(), names: 0 };
        for part in &mut *parts {
            part.sort();
            for (_, labels, _) in part.owners() {
                parents.names += 1;
                parents.enter(key, labels);
            }
        }
        for part in &*parts {
            for run in part.runs() {
                let Some(known) = parents.below.get_mut(&run[0].0) else { continue };
                for (_, labels, _) in part.owners_of(run) {
                    known.iter_mut().for_each(|parent| parent.has_data |= parent.is(labels));
                }
            }
        }
        let empty = parents.empty();
        parents.names += empty.len() as u64;
        for (_, labels) in empty {
            parents.count(key, &labels);
        }
        parents
    }

    /// How many names there are, the empty ones among them.
    pub(super) fn names(&self) -> u64 {
        self.names
    }

    /// The empty non-terminals with their hashes, ascending.
    pub(super) fn empty(&self) -> Vec<(u64, Box<[u8]>)> {
        let all = self.below.iter().flat_map(|(hash, parents)| parents.iter().map(|parent| (*hash, parent)));
        let empty = all.filter(|(_, parent)| !parent.has_data);
        let mut empty: Vec<_> = empty.map(|(hash, parent)| (hash, parent.labels.clone())).collect();
        empty.sort_unstable();
        empty
    }

    /// Gives a name what is known of it.
    pub(super) fn complete(&self, hash: u64, entry: &mut EntryDraft<'_>) {
        let parent = match entry.labels {
            [] => Some(&self.apex),
            labels => self.below.get(&hash).and_then(|known| known.iter().find(|parent| parent.is(labels))),
        };
        if let Some(parent) = parent {
            (entry.children, entry.wildcard) = (parent.children, parent.wildcard);
        }
    }

    /// Makes those above a name known, and counts the name with its parent.
    fn enter(&mut self, key: &DigestKey, labels: &[u8]) {
        let Some(mut above) = parent(labels) else { return };
        let (known, mut is_new) = self.known(key, above);
        known.count(labels);
        while let (true, Some(next)) = (is_new, parent(above)) {
            (_, is_new) = self.known(key, next);
            above = next;
        }
    }

    /// Counts a name, above which all are known, with its parent.
    fn count(&mut self, key: &DigestKey, labels: &[u8]) {
        if let Some(above) = parent(labels) {
            self.known(key, above).0.count(labels);
        }
    }

    /// What is known of a name, and whether it was not known before.
    fn known(&mut self, key: &DigestKey, labels: &[u8]) -> (&mut Parent, bool) {
        if labels.is_empty() {
            return (&mut self.apex, false);
        }
        let known = self.below.entry(hash(key, labels)).or_default();
        let at = known.iter().position(|parent| parent.is(labels));
        if at.is_none() {
            known.push(Parent { labels: labels.into(), ..Parent::default() });
        }
        let last = known.len() - 1;
        (&mut known[at.unwrap_or(last)], at.is_none())
    }
}

impl Parent {
    fn is(&self, labels: &[u8]) -> bool {
        self.labels.eq_ignore_ascii_case(labels)
    }

    fn count(&mut self, child: &[u8]) {
        self.children += 1;
        self.wildcard |= child.starts_with(b"\x01*");
    }
}

/// The labels of the parent; `None` at the apex.
pub(super) fn parent(labels: &[u8]) -> Option<&[u8]> {
    let (&length, rest) = labels.split_first()?;
    rest.get(usize::from(length)..)
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
