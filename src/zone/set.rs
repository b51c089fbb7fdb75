//! All zones of a server: the same tree of pages as a zone, keyed by apex.
//!
//! A change of any number of zones makes one new set that shares all untouched pages, so what a
//! publish costs does not grow with the number of zones (R31). A lookup tries the depths at which
//! there are apexes, the deepest first.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;

use super::digest::DigestKey;
use super::page::hash;
use super::tree::{Tree, bits_for, page_index, wants_regrowing};
use super::version::Version;
use crate::dns::{Name, NameRef, RecordType, Serial};
use crate::ident::ZoneId;
use crate::time::Tick;

/// The zones of a server. A clone shares everything.
#[derive(Clone)]
pub struct ZoneSet {
    key: DigestKey,
    tree: Tree<Member>,
    len: usize,
    /// How many apexes have so many labels.
    depths: SmallVec<[u32; 8]>,
}

#[derive(Clone)]
struct Member {
    hash: u64,
    slot: Arc<Slot>,
}

/// One zone and what queries get from it.
#[derive(Debug)]
pub struct Slot {
    /// The zone's handle.
    pub id: ZoneId,
    /// Its apex.
    pub apex: Name,
    /// What there is to serve.
    pub state: SlotState,
}

/// What there is to serve of a zone.
#[derive(Clone, Debug)]
pub enum SlotState {
    /// Configured, but there is no data yet.
    Loading,
    /// A version, for as long as its lease lasts.
    Serving {
        /// The version.
        version: Arc<Version>,
        /// Until when it may be served.
        lease: Lease,
    },
    /// No primary confirmed the zone for as long as its SOA allows.
    Expired {
        /// The serial that was served last.
        serial: Option<Serial>,
    },
    /// The zone failed inside the server.
    Faulted,
}

/// Until when a version may be served. Clones share the moment, so that a refresh prolongs what
/// is published without publishing anew.
#[derive(Clone)]
pub struct Lease(Arc<AtomicU64>);

impl ZoneSet {
    /// No zones.
    pub fn new(key: DigestKey) -> ZoneSet {
        ZoneSet { key, tree: Tree::new(0, vec![Arc::from([])]), len: 0, depths: SmallVec::new() }
    }

    /// The set after some zones came, changed or (`None`) went; of several changes of one apex the
    /// last counts.
    pub fn with(&self, changes: &[(Name, Option<Arc<Slot>>)]) -> ZoneSet {
        let mut sorted: Vec<_> =
            changes.iter().map(|change| (self.hash_of(change.0.as_ref()), change)).collect();
        sorted.sort_by_key(|(hash, _)| *hash);
        let mut set = self.grown_for(changes);
        let mut pages = Vec::new();
        let bits = set.tree.bits();
        for run in sorted.chunk_by(|a, b| page_index(a.0, bits) == page_index(b.0, bits)) {
            let index = page_index(run[0].0, bits);
            let mut members = set.tree.page(index).to_vec();
            for (hash, (apex, slot)) in run {
                set.change(&mut members, *hash, apex, slot.as_ref());
            }
            pages.push((index, members.into()));
        }
        set.tree = set.tree.with(&pages);
        if wants_regrowing(set.tree.bits(), size(set.len)) {
            set.tree = regrow(&set.tree, set.len);
        }
        set
    }

    /// The same set, with room for the zones that come: a page that takes many of them would be searched
    /// from end to end for each.
    fn grown_for(&self, changes: &[(Name, Option<Arc<Slot>>)]) -> ZoneSet {
        let mut set = self.clone();
        if wants_regrowing(self.tree.bits(), size(self.len + changes.len())) {
            let comes = |(apex, slot): &&(Name, Option<Arc<Slot>>)| {
                slot.is_some() && self.exact(apex.as_ref()).is_none()
            };
            let len = self.len + changes.iter().filter(comes).count();
            if wants_regrowing(self.tree.bits(), size(len)) {
                set.tree = regrow(&self.tree, len);
            }
        }
        set
    }

    /// The zone with the longest apex at or above a name.
    pub fn find(&self, qname: NameRef<'_>) -> Option<&Arc<Slot>> {
        let labels = qname.label_count();
        let deepest = labels.min(self.depths.len().checked_sub(1)?);
        let mut name = qname.skip_labels(labels - deepest);
        for depth in (0..=deepest).rev() {
            if self.depths[depth] > 0
                && let Some(slot) = self.exact(name)
            {
                return Some(slot);
            }
            name = name.parent().unwrap_or(NameRef::ROOT);
        }
        None
    }

    /// The zone with the longest apex strictly above a name: where the DS of a zone's apex lives.
    pub fn find_above(&self, qname: NameRef<'_>) -> Option<&Arc<Slot>> {
        self.find(qname.parent()?)
    }

    /// The zone with exactly this apex.
    pub fn exact(&self, apex: NameRef<'_>) -> Option<&Arc<Slot>> {
        let hash = self.hash_of(apex);
        let members = self.tree.page(self.tree.index_of(hash));
        let member =
            members.iter().find(|member| member.hash == hash && member.slot.apex.as_ref() == apex)?;
        Some(&member.slot)
    }

    /// The addresses of a host as the zones that are served here have them at `tick`, glue included:
    /// the IPv4 ones first. None if it lies in none of them.
    pub fn addresses_of(&self, host: NameRef<'_>, tick: Tick) -> Vec<IpAddr> {
        let version = self.find(host).and_then(|slot| slot.version_at(tick));
        let Some(node) = version.and_then(|version| version.node(host)) else { return Vec::new() };
        let records = |rtype| node.rrset(rtype).into_iter().flat_map(|rrset| rrset.records());
        let v4 = records(RecordType::A).filter_map(|data| <[u8; 4]>::try_from(data).ok().map(IpAddr::from));
        let v6 =
            records(RecordType::AAAA).filter_map(|data| <[u8; 16]>::try_from(data).ok().map(IpAddr::from));
        v4.chain(v6).collect()
    }

    /// All zones, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Slot>> {
        self.tree.pages().flat_map(|page| page.iter().map(|member| &member.slot))
    }

    /// How many zones there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[cfg(test)]
    pub(super) fn tree_pages_differing(&self, other: &ZoneSet) -> usize {
        self.tree.differing(&other.tree).map_or(self.tree.page_count(), |indexes| indexes.len())
    }

    fn hash_of(&self, apex: NameRef<'_>) -> u64 {
        let wire = apex.wire();
        hash(&self.key, &wire[..wire.len() - 1])
    }

    /// Makes one change in the members of its page.
    fn change(&mut self, members: &mut Vec<Member>, hash: u64, apex: &Name, slot: Option<&Arc<Slot>>) {
        let at = members.iter().position(|member| member.hash == hash && member.slot.apex == *apex);
        let depth = apex.as_ref().label_count();
        if self.depths.len() <= depth {
            self.depths.resize(depth + 1, 0);
        }
        match (at, slot) {
            (Some(at), Some(slot)) => members[at].slot = Arc::clone(slot),
            (Some(at), None) => {
                members.swap_remove(at);
                self.len -= 1;
                self.depths[depth] -= 1;
            }
            (None, Some(slot)) => {
                members.push(Member { hash, slot: Arc::clone(slot) });
                self.len += 1;
                self.depths[depth] += 1;
            }
            (None, None) => {}
        }
    }
}

/// What so many zones count as in names: to copy a page of zones touches each of them, where a page of
/// names is octets. So pages hold four zones on average.
fn size(zones: usize) -> u64 {
    6 * zones as u64
}

/// The same members in as many pages as now suit them.
fn regrow(tree: &Tree<Member>, len: usize) -> Tree<Member> {
    let bits = bits_for(size(len));
    let mut pages: Vec<Vec<Member>> = vec![Vec::new(); 1 << bits];
    for member in tree.pages().flat_map(|page| page.iter()) {
        pages[page_index(member.hash, bits)].push(member.clone());
    }
    Tree::new(bits, pages.into_iter().map(Arc::from).collect())
}

impl Slot {
    /// The serial that is or was served last, as far as it is known.
    pub fn last_serial(&self) -> Option<Serial> {
        match &self.state {
            SlotState::Serving { version, .. } => Some(version.serial()),
            SlotState::Expired { serial } => *serial,
            SlotState::Loading | SlotState::Faulted => None,
        }
    }

    /// The version that may be served at `tick`.
    pub fn version_at(&self, tick: Tick) -> Option<&Arc<Version>> {
        match &self.state {
            SlotState::Serving { version, lease } if lease.holds_at(tick) => Some(version),
            SlotState::Serving { .. }
            | SlotState::Loading
            | SlotState::Expired { .. }
            | SlotState::Faulted => None,
        }
    }
}

impl Lease {
    /// For a primary's own zones: they do not expire.
    pub fn forever() -> Lease {
        Lease(Arc::new(AtomicU64::new(u64::MAX)))
    }

    /// Served before `end`, not from then on.
    pub fn until(end: Tick) -> Lease {
        Lease(Arc::new(AtomicU64::new(end.0)))
    }

    /// Sets another end, for all clones.
    pub fn renew(&self, end: Tick) {
        self.0.store(end.0, Ordering::Relaxed);
    }

    /// The end; `None` if there is none.
    pub fn ends(&self) -> Option<Tick> {
        Some(self.0.load(Ordering::Relaxed)).filter(|end| *end != u64::MAX).map(Tick)
    }

    /// Whether the zone may be served at `tick`.
    pub fn holds_at(&self, tick: Tick) -> bool {
        self.ends().is_none_or(|end| tick < end)
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ends() {
            Some(end) => write!(f, "Lease(until {end:?})"),
            None => f.write_str("Lease(forever)"),
        }
    }
}

impl fmt::Debug for ZoneSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ZoneSet({} zones)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};
    use std::path::Path;

    use super::*;
    use crate::zone::{Demands, text};

    fn serving(apex: &str, records: &str) -> (Name, Option<Arc<Slot>>) {
        let text = format!("$TTL 300\n@ SOA ns me 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n{records}");
        let mut sources =
            |_: &Path| -> io::Result<Box<dyn Read>> { Ok(Box::new(io::Cursor::new(text.clone()))) };
        let apex: Name = apex.parse().expect("a name");
        let loaded =
            text::load(&mut sources, Path::new("/zone"), &apex, DigestKey([7; 16]), &Demands::default())
                .expect("a zone");
        let state = SlotState::Serving { version: Arc::new(loaded.version), lease: Lease::until(Tick(100)) };
        (apex.clone(), Some(Arc::new(Slot { id: ZoneId(1), apex, state })))
    }

    #[test]
    fn r17_addresses_come_from_zones_that_are_served_and_from_nowhere_else() {
        let set = ZoneSet::new(DigestKey([7; 16])).with(&[
            serving("example.", "sub NS ns.sub\nns.sub A 192.0.2.2\nns.sub AAAA 2001:db8::2\nweb CNAME ns\n"),
            serving("served.example.", "ns AAAA 2001:db8::3\n"),
        ]);
        let of = |host: &str, tick: u64| {
            let host: Name = host.parse().expect("a name");
            let found = set.addresses_of(host.as_ref(), Tick(tick));
            found.iter().map(IpAddr::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of("NS.example.", 0), ["192.0.2.1"]);
        assert_eq!(of("ns.served.example.", 0), ["192.0.2.1", "2001:db8::3"]);
        assert_eq!(of("ns.sub.example.", 0), ["192.0.2.2", "2001:db8::2"], "glue is an address");
        for nowhere in ["web.example.", "none.example.", "ns.example.net.", "."] {
            assert_eq!(of(nowhere, 0), [""; 0], "{nowhere}");
        }
        assert_eq!(of("ns.example.", 100), [""; 0], "an expired zone says nothing");
    }

    #[test]
    fn a_set_is_empty_until_a_zone_comes() {
        let empty = ZoneSet::new(DigestKey([7; 16]));
        assert!(empty.is_empty());
        let one = empty.with(&[serving("example.", "")]);
        assert!(!one.is_empty());
        assert!(one.with(&[("example.".parse().expect("a name"), None)]).is_empty());
    }
}
