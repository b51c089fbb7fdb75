//! A copy-on-write set of keys in ascending order: a B+ tree whose leaves are [`chunk`]s.
//!
//! An inner node holds the first key of each branch as a chunk too, so the way down is a search in one
//! allocation a level. A change copies the way from the root to the chunks that it touches. Chunks that
//! lose keys are not joined with their neighbours: when they are sparse on average, the tree is made
//! anew, which the many removals before have paid for.

use std::sync::Arc;

use super::chunk::{self, Key};

/// Keys of a chunk, and branches of an inner node, at most.
const WIDTH_MAX: usize = 64;
/// As many as a new one gets, so that a few more do not split it at once.
const WIDTH: usize = 48;
/// The tree is made anew when a chunk has fewer keys on average.
const WIDTH_MIN: usize = 12;

/// The set.
#[derive(Clone)]
pub(super) struct Sorted {
    root: Branch,
    tally: Tally,
}

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// It is in the set.
    Present,
    /// It is not.
    Absent,
}

#[derive(Clone)]
enum Branch {
    Leaf(Arc<[u8]>),
    Inner(Arc<Inner>),
}

struct Inner {
    /// The first key of each branch.
    firsts: Box<[u8]>,
    branches: Box<[Branch]>,
}

/// A branch with its first key.
type Rooted = (Box<[u8]>, Branch);

#[derive(Clone, Copy, Default)]
struct Tally {
    keys: usize,
    chunks: usize,
}

impl Sorted {
    /// The set of some keys that ascend.
    pub(super) fn of<'k>(keys: impl ExactSizeIterator<Item = &'k [u8]>) -> Sorted {
        let mut tally = Tally { keys: keys.len(), chunks: 0 };
        let mut leaves = Vec::with_capacity(keys.len() / WIDTH + 1);
        let mut run: Vec<&[u8]> = Vec::with_capacity(WIDTH);
        for key in keys {
            run.push(key);
            if run.len() == WIDTH {
                leaves.push(leaf(&run));
                run.clear();
            }
        }
        if !run.is_empty() {
            leaves.push(leaf(&run));
        }
        tally.chunks = leaves.len();
        Sorted { root: root_over(leaves), tally }
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.tally.keys
    }

    /// The set after some changes, which ascend by key, each key once.
    pub(super) fn with(&self, changes: &[(Box<[u8]>, Presence)]) -> Sorted {
        debug_assert!(changes.is_sorted_by(|a, b| a.0 < b.0), "changes ascend");
        let mut tally = self.tally;
        let root = root_over(self.root.with(changes, &mut tally));
        if tally.chunks > 1 && tally.keys < tally.chunks * WIDTH_MIN {
            let mut keys = Vec::with_capacity(tally.keys);
            root.keys(&mut keys);
            return Sorted::of(keys.iter().map(AsRef::as_ref));
        }
        Sorted { root, tally }
    }

    /// Whether there is a key that is not greater than `wanted`; `found` becomes the greatest of those.
    pub(super) fn floor(&self, wanted: &[u8], found: &mut Key) -> bool {
        self.descend(|chunk| chunk::floor(chunk, wanted, found))
    }

    /// Whether there is any key; `found` becomes the greatest.
    pub(super) fn last(&self, found: &mut Key) -> bool {
        self.descend(|chunk| chunk::last(chunk, found))
    }

    fn descend(&self, mut choose: impl FnMut(&[u8]) -> Option<usize>) -> bool {
        let mut branch = &self.root;
        loop {
            match branch {
                Branch::Leaf(chunk) => return choose(chunk).is_some(),
                Branch::Inner(inner) => match choose(&inner.firsts) {
                    Some(at) => branch = &inner.branches[at],
                    None => return false,
                },
            }
        }
    }

    /// All keys, ascending.
    #[cfg(test)]
    pub(super) fn keys(&self) -> Vec<Box<[u8]>> {
        let mut keys = Vec::new();
        self.root.keys(&mut keys);
        assert_eq!((keys.len(), self.root.leaves()), (self.len(), self.tally.chunks));
        keys
    }

    /// How many allocations of nodes the two do not share.
    #[cfg(test)]
    pub(super) fn nodes_apart_from(&self, other: &Sorted) -> usize {
        fn nodes(branch: &Branch, into: &mut std::collections::HashSet<usize>) {
            match branch {
                Branch::Leaf(chunk) => drop(into.insert(chunk.as_ptr() as usize)),
                Branch::Inner(inner) => {
                    into.insert(Arc::as_ptr(inner) as usize);
                    inner.branches.iter().for_each(|branch| nodes(branch, into));
                }
            }
        }
        let (mut mine, mut theirs) = Default::default();
        nodes(&self.root, &mut mine);
        nodes(&other.root, &mut theirs);
        mine.difference(&theirs).count()
    }
}

impl Branch {
    /// The branches that take its place, ascending.
    fn with(&self, changes: &[(Box<[u8]>, Presence)], tally: &mut Tally) -> Vec<Rooted> {
        match self {
            Branch::Leaf(chunk) => {
                let before = chunk::unpack(chunk);
                let keys = merge(&before, changes);
                let leaves: Vec<Rooted> = pieces(&keys).map(leaf).collect();
                tally.keys = tally.keys + keys.len() - before.len();
                tally.chunks = tally.chunks + leaves.len() - usize::from(!before.is_empty());
                leaves
            }
            Branch::Inner(inner) => {
                let firsts = chunk::unpack(&inner.firsts);
                let mut branches = Vec::with_capacity(firsts.len() + 1);
                let mut rest = changes;
                for (at, branch) in inner.branches.iter().enumerate() {
                    let next = firsts.get(at + 1);
                    let mine =
                        next.map_or(rest.len(), |next| rest.partition_point(|change| change.0 < *next));
                    let (now, later) = rest.split_at(mine);
                    rest = later;
                    if now.is_empty() {
                        branches.push((firsts[at].clone(), branch.clone()));
                    } else {
                        branches.extend(branch.with(now, tally));
                    }
                }
                pieces(&branches).map(inner_over).collect()
            }
        }
    }

    /// How many leaves have keys.
    #[cfg(test)]
    fn leaves(&self) -> usize {
        match self {
            Branch::Leaf(chunk) => usize::from(!chunk.is_empty()),
            Branch::Inner(inner) => inner.branches.iter().map(Branch::leaves).sum(),
        }
    }

    fn keys(&self, into: &mut Vec<Box<[u8]>>) {
        match self {
            Branch::Leaf(chunk) => into.extend(chunk::unpack(chunk)),
            Branch::Inner(inner) => inner.branches.iter().for_each(|branch| branch.keys(into)),
        }
    }
}

/// The keys after the changes.
fn merge<'k>(keys: &'k [Box<[u8]>], changes: &'k [(Box<[u8]>, Presence)]) -> Vec<&'k [u8]> {
    let mut merged: Vec<&[u8]> = Vec::with_capacity(keys.len() + changes.len());
    let mut keys = keys.iter().map(AsRef::as_ref).peekable();
    for (key, presence) in changes {
        while let Some(before) = keys.next_if(|before| **before < **key) {
            merged.push(before);
        }
        keys.next_if(|same| **same == **key);
        if *presence == Presence::Present {
            merged.push(key);
        }
    }
    merged.extend(keys);
    merged
}

/// As few pieces as hold everything, of about the same size.
fn pieces<T>(all: &[T]) -> impl Iterator<Item = &[T]> {
    let size = match all.len() {
        0..=WIDTH_MAX => WIDTH_MAX,
        len => len.div_ceil(len.div_ceil(WIDTH)),
    };
    all.chunks(size)
}

/// One branch over all of them.
fn root_over(mut level: Vec<Rooted>) -> Branch {
    while level.len() > 1 {
        level = pieces(&level).map(inner_over).collect();
    }
    match level.pop() {
        Some((_, mut root)) => loop {
            // Removals may have left a way down without a choice.
            root = match &root {
                Branch::Inner(inner) if inner.branches.len() == 1 => inner.branches[0].clone(),
                Branch::Inner(_) | Branch::Leaf(_) => return root,
            };
        },
        None => Branch::Leaf(Arc::from([])),
    }
}

fn leaf<K: AsRef<[u8]>>(keys: &[K]) -> Rooted {
    let chunk = chunk::pack(keys.iter().map(AsRef::as_ref));
    (keys[0].as_ref().into(), Branch::Leaf(chunk.into()))
}

fn inner_over(branches: &[Rooted]) -> Rooted {
    let firsts = chunk::pack(branches.iter().map(|(first, _)| first.as_ref())).into();
    let below = branches.iter().map(|(_, branch)| branch.clone()).collect();
    (branches[0].0.clone(), Branch::Inner(Arc::new(Inner { firsts, branches: below })))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Few enough that changes meet, alike enough that chunks share octets.
    fn key() -> impl Strategy<Value = Box<[u8]>> {
        (0..3000u16).prop_map(|number| {
            let text = format!("{}{number}", ["", "common/", "common/and/more/"][usize::from(number % 3)]);
            text.into_bytes().into()
        })
    }

    #[track_caller]
    fn check(set: &Sorted, model: &BTreeSet<Box<[u8]>>, asked: &[Box<[u8]>]) {
        assert!(set.keys().iter().eq(model));
        let mut found = Key::new();
        for wanted in asked {
            let expected = model.range(..=wanted.clone()).next_back();
            assert_eq!(set.floor(wanted, &mut found), expected.is_some());
            assert!(expected.is_none_or(|expected| found.octets() == expected.as_ref()));
        }
        assert_eq!(set.last(&mut found), !model.is_empty());
        assert!(model.last().is_none_or(|last| found.octets() == last.as_ref()));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_set_after_changes_is_the_set_of_the_keys(
            first in prop::collection::btree_set(key(), 0..2500),
            rounds in prop::collection::vec(prop::collection::btree_map(key(), 0..4u8, 0..400), 0..8),
            asked in prop::collection::vec(key(), 20),
        ) {
            let mut model = first;
            let mut set = Sorted::of(model.iter().map(AsRef::as_ref).collect::<Vec<_>>().into_iter());
            check(&set, &model, &asked);
            for (round, changes) in rounds.into_iter().enumerate() {
                let mut list = Vec::new();
                for (key, kind) in changes {
                    // Rounds that mostly add, and rounds that mostly remove.
                    let added = if round % 2 == 0 { kind > 0 } else { kind == 0 };
                    if added { model.insert(key.clone()) } else { model.remove(&key) };
                    list.push((key, if added { Presence::Present } else { Presence::Absent }));
                }
                set = set.with(&list);
                check(&set, &model, &asked);
            }
        }
    }

    #[test]
    fn one_change_copies_one_way_and_many_removals_shrink_the_tree() {
        let keys: Vec<Box<[u8]>> = (0..100_000u32).map(|n| Box::from(n.to_be_bytes())).collect();
        let set = Sorted::of(keys.iter().map(AsRef::as_ref));
        let one = set.with(&[([0, 0, 77, 7, 7].into(), Presence::Present)]);
        assert_eq!(one.len(), 100_001);
        assert!(one.nodes_apart_from(&set) <= 3, "{}", one.nodes_apart_from(&set));
        let absent = |key: &[u8]| (Box::from(key), Presence::Absent);
        let mut less = set.clone();
        for part in keys.chunks(1000) {
            less = less.with(&part[..990].iter().map(|key| absent(key)).collect::<Vec<_>>());
        }
        assert_eq!(less.len(), 1000);
        assert!(less.tally.chunks <= 1000 / WIDTH_MIN, "{} chunks", less.tally.chunks);
        let none = less.with(&less.keys().iter().map(|key| absent(key)).collect::<Vec<_>>());
        assert_eq!((none.len(), none.tally.chunks), (0, 0));
        assert!(!none.last(&mut Key::new()));
        assert_eq!(none.with(&[(keys[7].clone(), Presence::Present)]).keys(), [keys[7].clone()]);
    }
}
