//! One immutable version of a zone, and the lookup in it (RFC 1034 §4.3.2 steps 3a to 3c,
//! RFC 4592 §3.3.1 for the closest encloser, RFC 6672 §3.2 for DNAME).
//!
//! Invariant: for each name that owns records, all names between it and the apex are stored too,
//! as empty non-terminals where they own nothing. So existence is monotone in depth, and a lookup
//! is the exact name, the depths at which the zone has cuts or DNAMEs, and a binary search on
//! depth. What an answer is made of these is decided in `answer/`.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

use super::change::Delta;
use super::digest::{Digest, DigestKey};
use super::node::Node;
use super::page::{CUT, DNAME, Entry, Page, WILDCARD, hash, tag};
use super::tree::Tree;
use super::walk::Walk;
use crate::dns::{Name, NameRef, Record, RecordRef, Serial};
use crate::limits::RECENT_OCTETS_MAX;

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
    /// Bit n: a name n labels below the apex may be a cut or own a DNAME. A bit whose last such
    /// name went away stays until the tree is made anew: it costs a probe, never a wrong answer.
    pub(super) cut_depths: u128,
    pub(super) recent: Option<Arc<[Arc<Delta>]>>,
}

/// Where a lookup ended.
#[derive(Clone, Copy, Debug)]
pub enum Found<'v> {
    /// The name exists, perhaps without records, and nothing above it is a cut or a DNAME.
    Name(Node<'v>),
    /// The topmost zone cut at or above the name.
    Cut(Node<'v>),
    /// The topmost DNAME strictly above the name.
    Dname(Node<'v>),
    /// The name does not exist.
    None {
        /// The closest encloser: the longest ancestor that exists.
        encloser: Node<'v>,
        /// `*` right below the closest encloser, the only one that may apply.
        wildcard: Option<Node<'v>>,
    },
}

/// A lookup of which the first probe is under way; see [`Version::prepare`].
#[derive(Clone, Copy)]
pub struct Prepared<'v, 'q> {
    version: &'v Version,
    labels: &'q [u8],
    depth: u8,
    outside: bool,
    first: Probe<'v>,
}

/// The page in which one name is or is not.
#[derive(Clone, Copy)]
struct Probe<'v> {
    depth: u8,
    tag: u16,
    page: Page<'v>,
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

    /// Looks up a name at or below the apex. Of several cuts and DNAMEs above it the topmost wins.
    /// A name outside of the zone is not found, with the apex as its closest encloser.
    pub fn find(&self, qname: NameRef<'_>) -> Found<'_> {
        self.prepare(qname).find()
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
        let entries = self.tree.pages().flat_map(|page| Page(page).entries());
        entries.map(|entry| self.node_of(entry))
    }

    /// All nodes in canonical order (RFC 4034 §6.1): made for the moment, for dumps and digests.
    pub fn nodes_in_order(&self) -> Vec<Node<'_>> {
        let mut nodes: Vec<_> = self.nodes().map(|node| (node.owner(), node)).collect();
        nodes.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        nodes.into_iter().map(|(_, node)| node).collect()
    }

    /// The first pass of a lookup in a batch: hashes the name and asks memory for its page. With
    /// [`Prepared::touch`] as the second pass over the batch and [`Prepared::find`] as the third,
    /// the waits of all lookups in the batch overlap.
    pub fn prepare<'v, 'q>(&'v self, qname: NameRef<'q>) -> Prepared<'v, 'q> {
        let below = qname.prefix_above(self.apex());
        let labels = below.unwrap_or(&[]);
        let depth = count_labels(labels);
        // The cuts come first, so the shallowest depth that has any is the first probe.
        let cuts = self.cut_depths & mask(depth) & !1;
        let first = if cuts == 0 { depth } else { cuts.trailing_zeros() as u8 };
        let first = self.probe(labels, depth, first);
        Prepared { version: self, labels, depth, outside: below.is_none(), first }
    }

    /// The entry of a name, given by its labels below the apex.
    pub(super) fn entry(&self, labels: &[u8]) -> Option<Entry<'_>> {
        let hash = hash(&self.key, labels);
        let page = Page(self.tree.page(self.tree.index_of(hash)));
        page.find(tag(hash), labels)
    }

    pub(super) fn node_of<'v>(&'v self, entry: Entry<'v>) -> Node<'v> {
        Node { version: self, entry }
    }

    /// Finds the page of the ancestor at `at`, of a name `depth` labels deep.
    fn probe(&self, labels: &[u8], depth: u8, at: u8) -> Probe<'_> {
        let hash = hash(&self.key, suffix(labels, depth - at));
        let page = Page(self.tree.page(self.tree.index_of(hash)));
        Probe { depth: at, tag: tag(hash), page }
    }
}

impl<'v> Prepared<'v, '_> {
    /// The second pass: asks memory for the entry.
    pub fn touch(&self) {
        if let Some(at) = self.first.page.first_with(self.first.tag) {
            black_box(self.first.page.entry(at).0.first());
        }
    }

    /// The third pass: what [`Version::find`] says.
    pub fn find(self) -> Found<'v> {
        let version = self.version;
        // Names at depth `known` and above exist, names at depth `missing` and below do not.
        let (mut known, mut missing) = (0, self.depth + 1);
        let mut encloser = None;
        let mut cuts = version.cut_depths & mask(self.depth);
        while cuts != 0 && !self.outside {
            let at = cuts.trailing_zeros() as u8;
            cuts &= cuts - 1;
            if at >= missing {
                break;
            }
            let Some(entry) = self.entry(at) else {
                missing = at;
                break;
            };
            if entry.flags() & CUT != 0 {
                return Found::Cut(version.node_of(entry));
            }
            if at < self.depth && entry.flags() & DNAME != 0 {
                return Found::Dname(version.node_of(entry));
            }
            if at == self.depth {
                return Found::Name(version.node_of(entry));
            }
            known = at;
            encloser = Some(entry);
        }
        if missing > self.depth && !self.outside {
            match self.entry(self.depth) {
                Some(entry) => return Found::Name(version.node_of(entry)),
                None => missing = self.depth,
            }
        }
        while missing - known > 1 {
            let middle = known + (missing - known) / 2;
            match self.entry(middle) {
                Some(entry) => (known, encloser) = (middle, Some(entry)),
                None => missing = middle,
            }
        }
        let encloser = encloser.map_or_else(|| version.apex_node(), |entry| version.node_of(entry));
        Found::None { encloser, wildcard: self.wildcard_below(encloser.entry) }
    }

    /// The entry of the ancestor at depth `at`, or of the name itself.
    fn entry(&self, at: u8) -> Option<Entry<'v>> {
        let probe = match at == self.first.depth {
            true => self.first,
            false => self.version.probe(self.labels, self.depth, at),
        };
        probe.page.find(probe.tag, suffix(self.labels, self.depth - at))
    }

    fn wildcard_below(&self, encloser: Entry<'v>) -> Option<Node<'v>> {
        if self.outside || encloser.flags() & WILDCARD == 0 {
            return None;
        }
        let above = encloser.labels();
        let mut labels = [0; 2 + crate::dns::name::NAME_OCTETS_MAX];
        labels[..2].copy_from_slice(b"\x01*");
        labels[2..2 + above.len()].copy_from_slice(above);
        self.version.entry(&labels[..2 + above.len()]).map(|entry| self.version.node_of(entry))
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({} {}, {} records)", self.apex, self.serial, self.records)
    }
}

/// The bits 0 to `depth`.
fn mask(depth: u8) -> u128 {
    u128::MAX >> (127 - u32::from(depth))
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

/// A run of labels without the first `skipped` of them.
fn suffix(labels: &[u8], skipped: u8) -> &[u8] {
    let mut at = 0;
    for _ in 0..skipped {
        at += 1 + usize::from(labels[at]);
    }
    &labels[at..]
}
