//! The lookup in a version (RFC 1034 §4.3.2 steps 3a to 3c, RFC 4592 §3.3.1 for the closest
//! encloser, RFC 6672 §3.2 for DNAME).
//!
//! Since every name between a name with records and the apex is stored, existence is monotone in
//! depth: a lookup is the depths at which the zone has cuts or DNAMEs, the exact name, and a binary
//! search on depth. What an answer is made of these is decided in `answer/`.

use super::node::Node;
use super::page::{CUT, DNAME, Entry, HASHED, Page, WILDCARD, hash, tag};
use super::version::{Version, count_labels};
use crate::dns::NameRef;
use crate::dns::name::NAME_OCTETS_MAX;

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

/// A lookup that has begun; see [`Version::prepare`].
#[derive(Clone, Copy)]
pub struct Prepared<'v, 'q> {
    version: &'v Version,
    labels: &'q [u8],
    depth: u8,
    outside: bool,
    first: Probe<'v>,
}

/// What is brought in for a batch of lookups, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// The way to the page.
    Tree,
    /// The start of the page.
    Page,
    /// The place of the name in the page.
    Tags,
    /// The start of the name's entry.
    Entry,
}

impl Pass {
    /// All of them in order.
    pub const ALL: [Pass; 4] = [Pass::Tree, Pass::Page, Pass::Tags, Pass::Entry];
}

/// A name to be looked for and how far that went.
#[derive(Clone, Copy)]
struct Probe<'v> {
    depth: u8,
    hash: u64,
    reached: Reached<'v>,
}

/// What a probe has reached.
#[derive(Clone, Copy)]
enum Reached<'v> {
    Nothing,
    Page(Page<'v>),
    /// The first entry with the tag, and its index; whether it is that of the name is not known.
    Entry(Page<'v>, usize, Entry<'v>),
    /// The page has no entry with the tag.
    Absence,
}

impl Version {
    /// Looks up a name at or below the apex. Of several cuts and DNAMEs above it the topmost wins.
    /// A name outside of the zone is not found, with the apex as its closest encloser.
    pub fn find(&self, qname: NameRef<'_>) -> Found<'_> {
        self.prepare(qname).find()
    }

    /// The first step of a lookup in a batch: hashes the name, touches nothing. Then
    /// [`Prepared::touch`] brings in for all lookups together what [`Prepared::find`] will read.
    pub fn prepare<'v, 'q>(&'v self, qname: NameRef<'q>) -> Prepared<'v, 'q> {
        let below = qname.prefix_above(self.apex());
        let labels = below.unwrap_or(&[]);
        let depth = count_labels(labels);
        // The cuts come first, so the shallowest depth that has any is the first probe.
        let cuts = self.cut_depths & mask(depth) & !1;
        let first = if cuts == 0 { depth } else { cuts.trailing_zeros() as u8 };
        let hash = hash(&self.key, suffix(labels, depth - first));
        let first = Probe { depth: first, hash, reached: Reached::Nothing };
        Prepared { version: self, labels, depth, outside: below.is_none(), first }
    }

    fn page_of(&self, hash: u64) -> Page<'_> {
        Page(self.tree.page(self.tree.index_of(hash)))
    }
}

impl<'v> Prepared<'v, '_> {
    /// The second step: brings in one thing that [`Prepared::find`] will read. Each pass is made over
    /// the whole batch before the next one: a loop of few instructions lets the processor wait for
    /// many lookups at once, which a longer one would not.
    pub fn touch(&mut self, pass: Pass) {
        let first = &mut self.first;
        match (pass, first.reached) {
            (Pass::Tree, _) => first.reached = Reached::Page(self.version.page_of(first.hash)),
            (Pass::Page, Reached::Page(page)) => page.touch(),
            (Pass::Tags, Reached::Page(page)) => {
                let at = page.next_with(tag(first.hash), 0);
                first.reached = at.map_or(Reached::Absence, |at| Reached::Entry(page, at, page.entry(at)));
            }
            (Pass::Entry, Reached::Entry(_, _, entry)) => entry.touch(),
            (Pass::Page | Pass::Tags | Pass::Entry, _) => {}
        }
    }

    /// The version in which it looks.
    pub fn version(&self) -> &'v Version {
        self.version
    }

    /// The third step: what [`Version::find`] says.
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
            // RFC 5155 §7.2.8.
            if entry.flags() & HASHED != 0 {
                missing = at;
                break;
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
        let labels = suffix(self.labels, self.depth - at);
        if at != self.first.depth {
            return self.version.entry(labels);
        }
        let tag = tag(self.first.hash);
        match self.first.reached {
            Reached::Nothing => self.version.page_of(self.first.hash).find(tag, labels, 0),
            Reached::Page(page) => page.find(tag, labels, 0),
            Reached::Entry(_, _, entry) if entry.is_named(labels) => Some(entry),
            Reached::Entry(page, at, _) => page.find(tag, labels, at + 1),
            Reached::Absence => None,
        }
    }

    fn wildcard_below(&self, encloser: Entry<'v>) -> Option<Node<'v>> {
        if self.outside || encloser.flags() & WILDCARD == 0 {
            return None;
        }
        let above = encloser.labels();
        let mut labels = [0; 2 + NAME_OCTETS_MAX];
        labels[..2].copy_from_slice(b"\x01*");
        labels[2..2 + above.len()].copy_from_slice(above);
        self.version.entry(&labels[..2 + above.len()]).map(|entry| self.version.node_of(entry))
    }
}

/// The bits 0 to `depth`.
fn mask(depth: u8) -> u128 {
    u128::MAX >> (127 - u32::from(depth))
}

/// A run of labels without the first `skipped` of them.
fn suffix(labels: &[u8], skipped: u8) -> &[u8] {
    let mut at = 0;
    for _ in 0..skipped {
        at += 1 + usize::from(labels[at]);
    }
    &labels[at..]
}
