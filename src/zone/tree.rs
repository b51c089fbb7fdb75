//! A copy-on-write tree of pages, found by the leading bits of a hash.
//!
//! 2^bits pages hang in inner nodes of [`FANOUT`] branches, zero to three of them deep; without
//! any, the tree is one page, which is what a small zone has. Nothing is written after it was made:
//! a replacement copies the way from the root to the page, so versions share all other pages.
//! What a page holds is its owner's business: octets for a zone, slots for the zone set.

use std::sync::Arc;

/// Branches of an inner node below the root; the root has what is left of the bits.
const FANOUT: usize = 1 << FANOUT_BITS;
const FANOUT_BITS: u32 = 7;

/// Names a page holds on average when a tree is made.
const PAGE_NAMES: u64 = 24;
/// The tree is made anew when the mean leaves these bounds.
const PAGE_NAMES_MIN: u64 = 12;
const PAGE_NAMES_MAX: u64 = 48;

/// The tree; `T` is the element of a page.
pub(super) struct Tree<T> {
    bits: u32,
    root: Branch<T>,
}

enum Branch<T> {
    Leaf(Arc<[T]>),
    Inner(Arc<[Branch<T>]>),
}

impl<T> Clone for Branch<T> {
    fn clone(&self) -> Self {
        match self {
            Branch::Leaf(page) => Branch::Leaf(Arc::clone(page)),
            Branch::Inner(branches) => Branch::Inner(Arc::clone(branches)),
        }
    }
}

impl<T> Clone for Tree<T> {
    fn clone(&self) -> Self {
        Tree { bits: self.bits, root: self.root.clone() }
    }
}

impl<T> Tree<T> {
    /// A tree over exactly 2^bits pages.
    pub(super) fn new(bits: u32, pages: Vec<Arc<[T]>>) -> Tree<T> {
        assert_eq!(pages.len(), 1 << bits, "a tree of {bits} bits has 2^{bits} pages");
        let mut level: Vec<Branch<T>> = pages.into_iter().map(Branch::Leaf).collect();
        while level.len() > 1 {
            let mut above = Vec::with_capacity(level.len().div_ceil(FANOUT));
            let mut rest = level.into_iter();
            loop {
                let branches: Arc<[Branch<T>]> = rest.by_ref().take(FANOUT).collect();
                if branches.is_empty() {
                    break;
                }
                above.push(Branch::Inner(branches));
            }
            level = above;
        }
        let root = level.pop().expect("2^bits is at least one page");
        Tree { bits, root }
    }

    /// The logarithm of the number of pages.
    pub(super) fn bits(&self) -> u32 {
        self.bits
    }

    /// How many pages there are.
    pub(super) fn page_count(&self) -> usize {
        1 << self.bits
    }

    /// The page that a hash belongs to.
    pub(super) fn index_of(&self, hash: u64) -> usize {
        page_index(hash, self.bits)
    }

    /// The page at `index`.
    pub(super) fn page(&self, index: usize) -> &Arc<[T]> {
        let mut level = self.bits.div_ceil(FANOUT_BITS);
        let mut branch = &self.root;
        loop {
            match branch {
                Branch::Leaf(page) => return page,
                Branch::Inner(branches) => {
                    level -= 1;
                    branch = &branches[(index >> (FANOUT_BITS * level)) & (FANOUT - 1)];
                }
            }
        }
    }

    /// All pages in order.
    pub(super) fn pages(&self) -> impl Iterator<Item = &Arc<[T]>> {
        (0..self.page_count()).map(|index| self.page(index))
    }

    /// The same tree with some pages replaced; `changes` ascends by index, each index once.
    pub(super) fn with(&self, changes: &[(usize, Arc<[T]>)]) -> Tree<T> {
        debug_assert!(changes.is_sorted_by(|a, b| a.0 < b.0), "changes ascend");
        let level = self.bits.div_ceil(FANOUT_BITS);
        Tree { bits: self.bits, root: replace(&self.root, level, changes) }
    }

    /// The indexes of the pages that are not the same allocation in both; all of them if the trees
    /// have different numbers of pages and nothing can be skipped.
    pub(super) fn differing(&self, other: &Tree<T>) -> Option<Vec<usize>> {
        (self.bits == other.bits).then(|| {
            let mut indexes = Vec::new();
            let level = self.bits.div_ceil(FANOUT_BITS);
            differing(&self.root, &other.root, level, 0, &mut indexes);
            indexes
        })
    }
}

/// The page that a hash belongs to among 2^bits.
pub(super) fn page_index(hash: u64, bits: u32) -> usize {
    // A shift by 64 is not defined, hence the two steps.
    ((hash >> 1) >> (63 - bits)) as usize
}

/// The logarithm of the number of pages that suits so many names.
pub(super) fn bits_for(names: u64) -> u32 {
    if names <= PAGE_NAMES_MAX {
        return 0;
    }
    // The power of two that brings the mean nearest to PAGE_NAMES: between 17 and 34.
    let pages = (names * 707 / 1000).div_ceil(PAGE_NAMES);
    pages.next_power_of_two().trailing_zeros()
}

/// Whether a tree of 2^bits pages no longer suits so many names.
pub(super) fn wants_regrowing(bits: u32, names: u64) -> bool {
    let mean = names >> bits;
    mean > PAGE_NAMES_MAX || (bits > 0 && mean < PAGE_NAMES_MIN)
}

fn replace<T>(branch: &Branch<T>, level: u32, changes: &[(usize, Arc<[T]>)]) -> Branch<T> {
    let Some((_, last)) = changes.last() else { return branch.clone() };
    match branch {
        Branch::Leaf(_) => Branch::Leaf(Arc::clone(last)),
        Branch::Inner(branches) => {
            let mut rest = changes;
            let shift = FANOUT_BITS * (level - 1);
            let copied = branches.iter().enumerate().map(|(at, below)| {
                let mine = rest.iter().take_while(|(index, _)| (index >> shift) & (FANOUT - 1) == at).count();
                let (now, later) = rest.split_at(mine);
                rest = later;
                replace(below, level - 1, now)
            });
            Branch::Inner(copied.collect())
        }
    }
}

fn differing<T>(left: &Branch<T>, right: &Branch<T>, level: u32, index: usize, indexes: &mut Vec<usize>) {
    match (left, right) {
        (Branch::Leaf(a), Branch::Leaf(b)) if !Arc::ptr_eq(a, b) => indexes.push(index),
        (Branch::Inner(a), Branch::Inner(b)) if !Arc::ptr_eq(a, b) => {
            for (at, (a, b)) in a.iter().zip(b.iter()).enumerate() {
                differing(a, b, level - 1, index | at << (FANOUT_BITS * (level - 1)), indexes);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(bits: u32) -> Tree<usize> {
        Tree::new(bits, (0..1 << bits).map(|n| Arc::from([n])).collect())
    }

    #[test]
    fn each_page_is_found_at_its_index() {
        for bits in [0, 1, 6, 7, 8, 14, 15] {
            let tree = tree(bits);
            assert_eq!(tree.page_count(), 1 << bits);
            assert!((0..1 << bits).all(|index| tree.page(index)[0] == index), "{bits} bits");
            assert!(tree.pages().map(|page| page[0]).eq(0..1 << bits));
        }
    }

    #[test]
    fn hashes_spread_over_all_indexes() {
        assert_eq!(page_index(u64::MAX, 0), 0);
        assert_eq!(page_index(u64::MAX, 9), 511);
        assert_eq!(page_index(1 << 63, 1), 1);
        assert_eq!(page_index((1 << 63) - 1, 1), 0);
    }

    #[test]
    fn a_replacement_shares_all_other_pages() {
        let before = tree(15);
        let after = before.with(&[(0, Arc::from([7])), (300, Arc::from([8])), (32767, Arc::from([9]))]);
        assert_eq!(before.differing(&after), Some(vec![0, 300, 32767]));
        assert_eq!((after.page(0)[0], after.page(300)[0], after.page(32767)[0]), (7, 8, 9));
        assert_eq!(before.page(300)[0], 300, "the old tree is as it was");
        let shared = (0..32768).filter(|&at| Arc::ptr_eq(before.page(at), after.page(at))).count();
        assert_eq!(shared, 32765);
    }

    #[test]
    fn pages_stay_between_12_and_48_names() {
        for names in [1, 48, 49, 100, 1000, 123_456, 10_000_000] {
            let bits = bits_for(names);
            assert!(!wants_regrowing(bits, names), "{names} names in 2^{bits} pages");
        }
        assert!(wants_regrowing(0, 49) && wants_regrowing(4, 100));
    }
}
