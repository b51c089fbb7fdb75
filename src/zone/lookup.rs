//! The lookup in a version (RFC 1034 §4.3.2 steps 3a to 3c, RFC 4592 §3.3.1 for the closest
//! encloser, RFC 6672 §3.2 for DNAME).
//!
//! Since every name between a name with records and the apex is stored, existence is monotone in
//! depth: a lookup is the depths at which the zone has cuts or DNAMEs, the exact name, and a binary
//! search on depth. What an answer is made of these is decided in `answer/`.

use super::node::Node;
use super::page::{CUT, DNAME, Entry, HASHED, Page, WILDCARD, hash, tag};
use super::version::Version;
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
    /// Those below the apex; none if the name lies outside.
    labels: &'q [u8],
    depth: u8,
    outside: bool,
    /// The depth at which to look first.
    first: u8,
    /// The hash of the ancestor there, and how far the way to it was gone.
    hash: u64,
    reached: Reached<'v>,
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

/// What the first probe has reached.
#[derive(Clone, Copy)]
enum Reached<'v> {
    Nothing,
    Page(Page<'v>),
    /// The first entry with the tag, and its index; whether it is that of the name is not known.
    Entry(Entry<'v>, usize),
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
    // It fills what a batch keeps for a query: a copy of that costs as much as the hash.
    #[inline(always)]
    pub fn prepare<'v, 'q>(&'v self, qname: NameRef<'q>) -> Prepared<'v, 'q> {
        let below = qname.labels_above(self.apex());
        let (labels, depth) = below.unwrap_or((&[], 0));
        let (first, ancestor) =
            if self.may_have_cuts() { self.first_probe(labels, depth) } else { (depth, labels) };
        let hash = hash(&self.key, ancestor);
        let outside = below.is_none();
        Prepared { version: self, labels, depth, outside, first, hash, reached: Reached::Nothing }
    }

    /// Where to look first for a name, at which depth and for which ancestor: the cuts come first, so at
    /// the shallowest depth that has any.
    fn first_probe<'q>(&self, labels: &'q [u8], depth: u8) -> (u8, &'q [u8]) {
        let cuts = self.cut_depths & mask(depth) & !1;
        let first = if cuts == 0 { depth } else { cuts.trailing_zeros() as u8 };
        (first, suffix(labels, depth - first))
    }

    #[inline]
    fn page_of(&self, hash: u64) -> Page<'_> {
        Page::of(self.tree.page(self.tree.index_of(hash)))
    }
}

impl<'v> Prepared<'v, '_> {
    /// The second step: brings in one thing that [`Prepared::find`] will read. Each pass is made over
    /// the whole batch before the next one: a loop of few instructions lets the processor wait for
    /// many lookups at once, which a longer one would not.
    #[inline]
    pub fn touch(&mut self, pass: Pass) {
        match (pass, self.reached) {
            (Pass::Tree, _) => self.reached = Reached::Page(self.version.page_of(self.hash)),
            (Pass::Page, Reached::Page(page)) => page.touch(),
            (Pass::Tags, Reached::Page(page)) => {
                let at = page.first_with(tag(self.hash));
                self.reached = at.map_or(Reached::Absence, |at| Reached::Entry(page.entry(at), at));
            }
            (Pass::Entry, Reached::Entry(entry, _)) => entry.touch(),
            (Pass::Page | Pass::Tags | Pass::Entry, _) => {}
        }
    }

    /// The version in which it looks.
    pub fn version(&self) -> &'v Version {
        self.version
    }

    /// The third step: what [`Version::find`] says.
    #[inline]
    pub fn find(&self) -> Found<'v> {
        // Most names exist, with nothing above them at which to stop.
        if self.first == self.depth
            && !self.outside
            && self.version.cut_depths & 1 == 0
            && let Some(entry) = self.first_entry()
            && entry.flags() & (CUT | HASHED) == 0
        {
            return Found::Name(self.version.node_of(entry));
        }
        self.search()
    }

    /// Goes from cut to cut to the name, and if it does not exist to its closest encloser.
    fn search(&self) -> Found<'v> {
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
        if at == self.first {
            self.first_entry()
        } else {
            self.version.entry(suffix(self.labels, self.depth - at))
        }
    }

    /// The entry of what is looked for first.
    #[inline]
    fn first_entry(&self) -> Option<Entry<'v>> {
        let labels = suffix(self.labels, self.depth - self.first);
        let tag = tag(self.hash);
        match self.reached {
            Reached::Nothing => self.version.page_of(self.hash).find(tag, labels),
            Reached::Page(page) => page.find(tag, labels),
            Reached::Entry(entry, _) if entry.is_named(labels) => Some(entry),
            Reached::Entry(_, at) => self.version.page_of(self.hash).find_behind(at, tag, labels),
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
