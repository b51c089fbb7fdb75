//! One immutable version of a zone: its figures, its nodes, its records.
//!
//! Invariant: for each name that owns records, all names between it and the apex are stored too,
//! as empty non-terminals where they own nothing. `lookup` relies on it.

use std::fmt;
use std::sync::Arc;

use super::change::Delta;
use super::digest::{Digest, DigestKey};
use super::node::Node;
use super::order::Order;
use super::page::{Entry, Page, hash, tag};
use super::tree::Tree;
use super::walk::Walk;
use crate::dns::{Name, NameRef, Record, RecordRef, Serial};
use crate::limits::{RECENT_OCTETS_MAX, RELOAD_PAGES_MIN};

/// One version of a zone. A clone shares all pages.
#[derive(Clone)]
pub struct Version {
    pub(super) apex: Name,
    pub(super) key: DigestKey,
    pub(super) serial: Serial,
    /// A copy, since every negative answer wants it.
    pub(super) soa: Record,
    pub(super) digest: Digest,
    pub(super) records: u64,
    pub(super) names: u64,
    pub(super) tree: Tree<u8>,
    /// Bit n: a name n labels below the apex may be a cut, own a DNAME or be a mere hash. A bit whose
    /// last such name went away stays until the tree is made anew: it costs a probe, never a wrong answer.
    pub(super) cut_depths: u128,
    /// Who owns the records that prove absence; only signed zones have it.
    pub(super) order: Option<Arc<Order>>,
    pub(super) recent: Option<Arc<[Arc<Delta>]>>,
}

impl Version {
    /// The apex, spelled as the owner of the SOA.
    pub fn apex(&self) -> NameRef<'_> {
        self.apex.as_ref()
    }

    /// The serial of the SOA.
    pub fn serial(&self) -> Serial {
        self.serial
    }

    /// The SOA record.
    pub fn soa(&self) -> RecordRef<'_> {
        self.soa.as_ref()
    }

    /// The sum over all records.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The key of the digest and of the name hash.
    pub fn key(&self) -> DigestKey {
        self.key
    }

    /// How many records there are, the SOA once.
    pub fn record_count(&self) -> u64 {
        self.records
    }

    /// How many pages there are.
    pub(super) fn page_count(&self) -> usize {
        self.tree.page_count()
    }

    /// Whether a file of the zone is worth comparing with it page by page.
    pub(super) fn is_compared_by_page(&self) -> bool {
        self.page_count() >= RELOAD_PAGES_MIN
    }

    /// How many names exist, empty non-terminals included.
    pub fn name_count(&self) -> u64 {
        self.names
    }

    /// The deltas that lead to this version, oldest first, each beginning where the one before
    /// ends; perhaps none.
    pub fn recent(&self) -> &[Arc<Delta>] {
        self.recent.as_deref().unwrap_or(&[])
    }

    /// The same version with the deltas that led to it, oldest first. Kept is the longest tail that
    /// chains up to this serial within `RECENT_OCTETS_MAX`.
    pub fn with_recent(mut self, chain: impl IntoIterator<Item = Arc<Delta>>) -> Version {
        let chain: Vec<Arc<Delta>> = chain.into_iter().collect();
        let mut wanted = self.serial;
        let mut octets = 0;
        let fits = |delta: &&Arc<Delta>| {
            octets += delta.octets();
            let chains = delta.to == wanted;
            wanted = delta.from;
            chains && octets <= RECENT_OCTETS_MAX
        };
        let kept = chain.iter().rev().take_while(fits).count();
        self.recent = (kept > 0).then(|| chain[chain.len() - kept..].into());
        self
    }

    /// Octets of the pages that `other` does not share: what this version keeps in memory alone.
    pub fn octets_apart_from(&self, other: Option<&Version>) -> u64 {
        let octets = |page: &Arc<[u8]>| page.len() as u64;
        match other.and_then(|other| self.tree.differing(&other.tree)) {
            Some(indexes) => indexes.into_iter().map(|index| octets(self.tree.page(index))).sum(),
            None => self.tree.pages().map(octets).sum(),
        }
    }

    /// Hands over every record exactly as it is stored, in page order, the SOA once among them.
    pub fn for_each(&self, mut visit: impl FnMut(RecordRef<'_>)) {
        let mut walk = Walk::default();
        while let Some(record) = walk.next(self) {
            visit(record);
        }
    }

    /// The node of exactly this name, glue and occluded names included.
    pub fn node(&self, name: NameRef<'_>) -> Option<Node<'_>> {
        self.entry(name.prefix_above(self.apex())?).map(|entry| self.node_of(entry))
    }

    /// The node of the apex.
    pub fn apex_node(&self) -> Node<'_> {
        self.node_of(self.entry(&[]).expect("a zone has its apex"))
    }

    /// All nodes in page order, empty non-terminals included.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        let entries = self.tree.pages().flat_map(|page| Page::of(page).entries());
        entries.map(|entry| self.node_of(entry))
    }

    /// All nodes in canonical order (RFC 4034 §6.1): made for the moment, for dumps and digests.
    pub fn nodes_in_order(&self) -> Vec<Node<'_>> {
        let mut nodes: Vec<_> = self.nodes().map(|node| (node.owner(), node)).collect();
        nodes.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        nodes.into_iter().map(|(_, node)| node).collect()
    }

    /// Whether there may be a cut, or a DNAME below the apex. A yes may be wrong, a no never is.
    pub(super) fn may_have_cuts(&self) -> bool {
        self.cut_depths & !1 != 0
    }

    /// The entry of a name, given by its labels below the apex.
    pub(super) fn entry(&self, labels: &[u8]) -> Option<Entry<'_>> {
        let hash = hash(&self.key, labels);
        let page = Page::of(self.tree.page(self.tree.index_of(hash)));
        page.find(tag(hash), labels)
    }

    #[inline]
    pub(super) fn node_of<'v>(&'v self, entry: Entry<'v>) -> Node<'v> {
        Node { version: self, entry }
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({} {}, {} records)", self.apex, self.serial, self.records)
    }
}

/// How many labels there are in a run of them without a final zero.
pub(super) fn count_labels(labels: &[u8]) -> u8 {
    let (mut at, mut count) = (0, 0);
    while at < labels.len() {
        at += 1 + usize::from(labels[at]);
        count += 1;
    }
    count
}
