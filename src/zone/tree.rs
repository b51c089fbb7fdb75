//! A copy-on-write tree of pages, found by the leading bits of a hash.
//!
//! 2^bits pages hang in nodes of [`FANOUT`] branches, the root perhaps of fewer; a small zone is one
//! page in a root of one. Nothing is written after it was made: a replacement copies the way from the
//! root to the page, so versions share all other pages. A copy counts one reference more in everything
//! that hangs in the copied nodes, most of which is not in the cache: that bounds the fanout. The type
//! of a node tells how deep it hangs and how many branches it has, so that the nodes above the lowest
//! ones take eight octets a branch: few enough to stay in the cache, which is what makes a lookup fast.
//! What a page holds is its owner's business: octets for a zone, slots for the zone set.

use std::array;
use std::sync::Arc;

/// Branches of a node below the root; the root has what is left of the bits.
const FANOUT: usize = 1 << FANOUT_BITS;
const FANOUT_BITS: u32 = 5;

/// Names a page holds on average when a tree is made.
const PAGE_NAMES: u64 = 24;
/// The tree is made anew when the mean leaves these bounds.
const PAGE_NAMES_MIN: u64 = 12;
pub(super) const PAGE_NAMES_MAX: u64 = 48;

/// The tree; `T` is the element of a page.
pub(super) struct Tree<T> {
    bits: u32,
    root: Root<T>,
}

/// Up to [`FANOUT`] branches, by how deep the pages hang.
enum Root<T> {
    One(Arc<[Page<T>]>),
    Two(Arc<[Two<T>]>),
    Three(Arc<[Three<T>]>),
    Four(Arc<[Four<T>]>),
    Five(Arc<[Five<T>]>),
    Six(Arc<[Fork<Five<T>>]>),
}

type Page<T> = Arc<[T]>;
type Two<T> = Fork<Page<T>>;
type Three<T> = Fork<Two<T>>;
type Four<T> = Fork<Three<T>>;
type Five<T> = Fork<Four<T>>;

/// A node below the root.
struct Fork<B>(Arc<[B; FANOUT]>);

impl<B> Clone for Fork<B> {
    fn clone(&self) -> Self {
        Fork(Arc::clone(&self.0))
    }
}

/// Makes a root of the same depth out of the branches of another.
macro_rules! map_root {
    ($root:expr, $branches:ident => $result:expr) => {
        match $root {
            Root::One($branches) => Root::One($result),
            Root::Two($branches) => Root::Two($result),
            Root::Three($branches) => Root::Three($result),
            Root::Four($branches) => Root::Four($result),
            Root::Five($branches) => Root::Five($result),
            Root::Six($branches) => Root::Six($result),
        }
    };
}

/// What hangs in a node: a page or another node.
trait Branch<T>: Clone {
    /// The bits of an index that choose among the pages of this branch.
    const BITS: u32;

    /// The branch of the pages that come next.
    fn grow(pages: &mut impl Iterator<Item = Page<T>>) -> Self;

    /// The page at the lower [`Branch::BITS`] of `index`.
    fn page(&self, index: usize) -> &Page<T>;

    /// The same branch with some pages replaced, at least one.
    fn with(&self, changes: &[(usize, Page<T>)]) -> Self;

    /// Adds the indexes of the pages that are not the same in both; `index` is that of the first page.
    fn differing(&self, other: &Self, index: usize, indexes: &mut Vec<usize>);
}

impl<T> Branch<T> for Page<T> {
    const BITS: u32 = 0;

    fn grow(pages: &mut impl Iterator<Item = Page<T>>) -> Self {
        pages.next().expect("as many pages come as the tree has")
    }

    #[inline]
    fn page(&self, _: usize) -> &Page<T> {
        self
    }

    fn with(&self, changes: &[(usize, Page<T>)]) -> Self {
        Arc::clone(changes.last().map_or(self, |(_, page)| page))
    }

    fn differing(&self, other: &Self, index: usize, indexes: &mut Vec<usize>) {
        if !Arc::ptr_eq(self, other) {
            indexes.push(index);
        }
    }
}

impl<T, B: Branch<T>> Branch<T> for Fork<B> {
    const BITS: u32 = B::BITS + FANOUT_BITS;

    fn grow(pages: &mut impl Iterator<Item = Page<T>>) -> Self {
        Fork(Arc::new(array::from_fn(|_| B::grow(pages))))
    }

    #[inline]
    fn page(&self, index: usize) -> &Page<T> {
        self.0[branch_at::<T, B>(index)].page(index)
    }

    fn with(&self, changes: &[(usize, Page<T>)]) -> Self {
        let mut copied = copies(&self.0[..], changes);
        Fork(Arc::new(array::from_fn(|_| copied.next().expect("a copy has as many branches"))))
    }

    fn differing(&self, other: &Self, index: usize, indexes: &mut Vec<usize>) {
        if !Arc::ptr_eq(&self.0, &other.0) {
            differing(&self.0[..], &other.0[..], index, indexes);
        }
    }
}

/// Which branch of a node leads to the page at `index`.
#[inline]
fn branch_at<T, B: Branch<T>>(index: usize) -> usize {
    (index >> B::BITS) & (FANOUT - 1)
}

/// The branches of a node with some pages replaced.
fn copies<T, B: Branch<T>>(branches: &[B], changes: &[(usize, Page<T>)]) -> impl Iterator<Item = B> {
    let mut rest = changes;
    branches.iter().enumerate().map(move |(at, branch)| {
        let below = rest.iter().take_while(|(index, _)| branch_at::<T, B>(*index) == at).count();
        let (now, later) = rest.split_at(below);
        rest = later;
        if now.is_empty() { branch.clone() } else { branch.with(now) }
    })
}

fn differing<T, B: Branch<T>>(left: &[B], right: &[B], index: usize, indexes: &mut Vec<usize>) {
    for (at, (left, right)) in left.iter().zip(right).enumerate() {
        left.differing(right, index | at << B::BITS, indexes);
    }
}

impl<T> Clone for Tree<T> {
    fn clone(&self) -> Self {
        let root = map_root!(&self.root, branches => Arc::clone(branches));
        Tree { bits: self.bits, root }
    }
}

impl<T> Tree<T> {
    /// A tree over exactly 2^bits pages, at most 2^30.
    pub(super) fn new(bits: u32, pages: Vec<Page<T>>) -> Tree<T> {
        fn grow<T, B: Branch<T>>(bits: u32, pages: Vec<Page<T>>) -> Arc<[B]> {
            let mut pages = pages.into_iter();
            (0..1 << (bits - B::BITS)).map(|_| B::grow(&mut pages)).collect()
        }
        assert_eq!(pages.len(), 1 << bits, "a tree of {bits} bits has 2^{bits} pages");
        let root = match bits {
            0..=5 => Root::One(grow(bits, pages)),
            6..=10 => Root::Two(grow(bits, pages)),
            11..=15 => Root::Three(grow(bits, pages)),
            16..=20 => Root::Four(grow(bits, pages)),
            21..=25 => Root::Five(grow(bits, pages)),
            _ => Root::Six(grow(bits, pages)),
        };
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
    #[inline]
    pub(super) fn index_of(&self, hash: u64) -> usize {
        page_index(hash, self.bits)
    }

    /// The page at `index`.
    #[inline]
    pub(super) fn page(&self, index: usize) -> &Page<T> {
        fn below<T, B: Branch<T>>(branches: &[B], index: usize) -> &Page<T> {
            branches[index >> B::BITS].page(index)
        }
        match &self.root {
            Root::One(branches) => below(branches, index),
            Root::Two(branches) => below(branches, index),
            Root::Three(branches) => below(branches, index),
            Root::Four(branches) => below(branches, index),
            Root::Five(branches) => below(branches, index),
            Root::Six(branches) => below(branches, index),
        }
    }

    /// All pages in order.
    pub(super) fn pages(&self) -> impl Iterator<Item = &Page<T>> {
        (0..self.page_count()).map(|index| self.page(index))
    }

    /// The same tree with some pages replaced; `changes` ascends by index, each index once.
    pub(super) fn with(&self, changes: &[(usize, Page<T>)]) -> Tree<T> {
        debug_assert!(changes.is_sorted_by(|a, b| a.0 < b.0), "changes ascend");
        let root = map_root!(&self.root, branches => copies(branches, changes).collect());
        Tree { bits: self.bits, root }
    }

    /// The indexes of the pages that are not the same allocation in both; all of them if the trees
    /// have different numbers of pages and nothing can be skipped.
    pub(super) fn differing(&self, other: &Tree<T>) -> Option<Vec<usize>> {
        let mut indexes = Vec::new();
        match (&self.root, &other.root) {
            _ if self.bits != other.bits => return None,
            (Root::One(a), Root::One(b)) => differing(a, b, 0, &mut indexes),
            (Root::Two(a), Root::Two(b)) => differing(a, b, 0, &mut indexes),
            (Root::Three(a), Root::Three(b)) => differing(a, b, 0, &mut indexes),
            (Root::Four(a), Root::Four(b)) => differing(a, b, 0, &mut indexes),
            (Root::Five(a), Root::Five(b)) => differing(a, b, 0, &mut indexes),
            (Root::Six(a), Root::Six(b)) => differing(a, b, 0, &mut indexes),
            _ => return None,
        }
        Some(indexes)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(bits: u32) -> Tree<usize> {
        Tree::new(bits, (0..1 << bits).map(|n| Arc::from([n])).collect())
    }

    #[test]
    fn each_page_is_found_at_its_index() {
        for bits in [0, 1, 4, 5, 6, 10, 11, 15] {
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
