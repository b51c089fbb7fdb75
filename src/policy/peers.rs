//! The configured peers and how a sender is recognised as one of them (R24).
//!
//! A peer with a key is recognised by that key alone, from any source address, unless it asks for
//! its address too (`require_address`). A peer without a key is recognised by its address. Where both
//! would do, the key counts for more: the address may be shared, the secret should not be.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::Peer;
use crate::dns::Name;
use crate::ident::PeerId;

/// One `[peers.NAME]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerFacts {
    /// Its handle.
    pub id: PeerId,
    /// Its name in the configuration.
    pub name: String,
    /// The addresses at which we reach it; they recognise it only if it has no key.
    pub addresses: Vec<IpAddr>,
    /// The TSIG key that it signs with.
    pub key: Option<Name>,
    /// Whether the address must fit besides the key.
    pub require_address: bool,
}

/// All configured peers, by handle, with sorted lists that find them by key and by address: who asks
/// for an SOA is looked up on the way of a query.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    facts: Vec<PeerFacts>,
    by_key: Vec<(Name, usize)>,
    by_address: Vec<(IpAddr, usize)>,
}

/// How well a sender fits a configured peer; better fits are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// It is somebody else.
    No,
    /// The address is the peer's, but the key is missing or another.
    KeyMissing,
    /// The key is the peer's, but the address is not and is wanted.
    AddressMissing,
    /// It is the peer, which has no key, by its address.
    ByAddress,
    /// It is the peer, by its key, from an address that is not in the configuration.
    ByKey,
    /// It is the peer by its key, and comes from an address of its own.
    ByBoth,
}

impl Fit {
    /// Whether that is enough to be the peer.
    pub(super) fn is_enough(self) -> bool {
        self >= Fit::ByAddress
    }
}

impl Peers {
    /// Takes the peers in any order; each id occurs once.
    pub fn new(mut peers: Vec<PeerFacts>) -> Peers {
        peers.sort_by_key(|facts| facts.id);
        assert!(peers.windows(2).all(|pair| pair[0].id < pair[1].id), "each peer has an id of its own");
        let mut by_key = Vec::new();
        let mut by_address = Vec::new();
        for (at, facts) in peers.iter().enumerate() {
            match &facts.key {
                Some(key) => by_key.push((key.clone(), at)),
                None => by_address.extend(facts.addresses.iter().map(|known| (known.to_canonical(), at))),
            }
        }
        by_key.sort();
        by_address.sort();
        by_address.dedup();
        Peers { facts: peers, by_key, by_address }
    }

    /// The peer with this handle.
    pub fn get(&self, id: PeerId) -> Option<&PeerFacts> {
        self.facts.binary_search_by_key(&id, |facts| facts.id).ok().map(|at| &self.facts[at])
    }

    /// All of them, by handle.
    pub fn iter(&self) -> impl Iterator<Item = &PeerFacts> {
        self.facts.iter()
    }

    /// The peer that `peer` is. When several fit equally well (they share a key and it comes from
    /// elsewhere, or they share an address and have no key), nobody can tell which it is.
    pub fn identify(&self, peer: &Peer<'_>) -> Option<PeerId> {
        let keyed = peer.key.map_or(&[][..], |key| run(&self.by_key, |known| known.as_ref().cmp(&key)));
        let address = peer.address.to_canonical();
        let placed = run(&self.by_address, |known| known.cmp(&address));
        let candidates = keyed.iter().map(|(_, at)| *at).chain(placed.iter().map(|(_, at)| *at));
        let (mut best, mut found) = (Fit::No, None);
        for facts in candidates.filter_map(|at| self.facts.get(at)) {
            let fit = facts.fit(peer);
            if fit > best {
                (best, found) = (fit, Some(facts.id));
            } else if fit == best {
                found = None;
            }
        }
        found.filter(|_| best.is_enough())
    }

    /// Which of `among` sent it: the best fit, the first of several that fit equally well.
    pub fn identify_among(&self, among: &[PeerId], peer: &Peer<'_>) -> Option<PeerId> {
        let fits = among.iter().map(|&id| (self.get(id).map_or(Fit::No, |facts| facts.fit(peer)), id));
        // The first of the greatest: `max_by_key` would take the last.
        let best = fits.reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.filter(|(fit, _)| fit.is_enough()).map(|(_, id)| id)
    }
}

impl PeerFacts {
    /// How well `peer` fits.
    pub(super) fn fit(&self, peer: &Peer<'_>) -> Fit {
        let address = peer.address.to_canonical();
        let at_home = self.addresses.iter().any(|known| known.to_canonical() == address);
        match (&self.key, peer.key) {
            (Some(wanted), Some(used)) if wanted.as_ref() == used => match (at_home, self.require_address) {
                (true, _) => Fit::ByBoth,
                (false, false) => Fit::ByKey,
                (false, true) => Fit::AddressMissing,
            },
            // Signing with a key that we know takes nothing away from who is known by address.
            (None, _) if at_home => Fit::ByAddress,
            (Some(_), _) if at_home => Fit::KeyMissing,
            _ => Fit::No,
        }
    }
}

/// The entries of a sorted list that `order` calls equal.
fn run<K>(sorted: &[(K, usize)], order: impl Fn(&K) -> Ordering) -> &[(K, usize)] {
    let start = sorted.partition_point(|(known, _)| order(known).is_lt());
    let length = sorted[start..].partition_point(|(known, _)| order(known).is_eq());
    &sorted[start..start + length]
}
