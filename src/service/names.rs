//! Handles for names, and names for handles.
//!
//! Handles are given to names when they first appear and stay the same through every reload; those of
//! peers are made of the name and are the same after a restart too. A name server that no config names
//! (`notify_ns`) goes by its address.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};

use crate::config::{self, Config, PeerIndex};
use crate::dns::Name;
use crate::ident::{PeerId, ZoneId};

/// Names by handle, for log lines and replies.
#[derive(Clone, Default)]
pub(super) struct Names(Arc<RwLock<Listed>>);

#[derive(Default)]
struct Listed {
    zones: Vec<Name>,
    peers: HashMap<PeerId, (String, SocketAddr)>,
    /// The configured ones by their addresses.
    configured: HashMap<SocketAddr, PeerId>,
    /// Name servers that were found and are in no config, by zone; they stand among the peers under their
    /// addresses.
    found: HashMap<ZoneId, Vec<PeerId>>,
    /// How many zones found each.
    uses: HashMap<PeerId, usize>,
}

impl Names {
    /// The apex of a zone.
    pub(super) fn zone(&self, id: ZoneId) -> String {
        let names = self.0.read().expect("no thread panics with the names");
        names.zones.get(id.0 as usize).map_or_else(|| String::from("?"), Name::to_string)
    }

    /// The configured name of a peer.
    pub(super) fn peer(&self, id: PeerId) -> String {
        let names = self.0.read().expect("no thread panics with the names");
        names.peers.get(&id).map_or_else(|| String::from("?"), |(name, _)| name.clone())
    }

    /// The configured name of a peer, and where it is.
    pub(super) fn peer_at(&self, id: PeerId) -> String {
        let names = self.0.read().expect("no thread panics with the names");
        let known = names.peers.get(&id);
        known.map_or_else(|| String::from("?"), |(name, address)| format!("{name} ({address})"))
    }

    /// Where a peer is to be reached.
    pub(super) fn address(&self, id: PeerId) -> Option<SocketAddr> {
        let names = self.0.read().expect("no thread panics with the names");
        names.peers.get(&id).map(|(_, address)| *address)
    }

    /// Name servers of `zone` were found at these addresses: their handles. A configured peer at an
    /// address is that peer. What was found before and is not any more is forgotten.
    pub(super) fn found(&self, zone: ZoneId, addresses: &[SocketAddr]) -> Vec<PeerId> {
        let mut names = self.0.write().expect("no thread panics with the names");
        let found: Vec<PeerId> = addresses.iter().map(|address| names.peer_at_address(*address)).collect();
        found.iter().for_each(|peer| {
            names.uses.entry(*peer).and_modify(|uses| *uses += 1);
        });
        let before = names.found.insert(zone, found.clone()).unwrap_or_default();
        for peer in before {
            names.let_go(peer);
        }
        found
    }
}

impl Listed {
    /// The peer at this address, which is listed from now on if it was not.
    fn peer_at_address(&mut self, address: SocketAddr) -> PeerId {
        if let Some(peer) = self.configured.get(&address) {
            return *peer;
        }
        let name = address.to_string();
        let mut peer = first_handle(&name);
        while let Some((known, _)) = self.peers.get(&peer) {
            if *known == name && self.uses.contains_key(&peer) {
                return peer;
            }
            peer = PeerId(peer.0.wrapping_add(1));
        }
        self.peers.insert(peer, (name, address));
        self.uses.insert(peer, 0);
        peer
    }

    fn let_go(&mut self, peer: PeerId) {
        let Some(uses) = self.uses.get_mut(&peer) else { return };
        *uses -= 1;
        if *uses == 0 {
            self.uses.remove(&peer);
            self.peers.remove(&peer);
        }
    }
}

/// The handles given out so far.
#[derive(Default)]
pub(super) struct Handles {
    zones: HashMap<Name, ZoneId>,
    peers: HashMap<String, PeerId>,
    names: Names,
}

impl Handles {
    /// Names by handle; follows later reloads.
    pub(super) fn names(&self) -> Names {
        self.names.clone()
    }

    /// The handle of a zone.
    pub(super) fn zone(&mut self, name: &Name) -> ZoneId {
        *self.zones.entry(name.clone()).or_insert_with(|| {
            let mut names = self.names.0.write().expect("no thread panics with the names");
            names.zones.push(name.clone());
            ZoneId(names.zones.len() as u32 - 1)
        })
    }

    /// The handle of a peer.
    pub(super) fn peer(&mut self, config: &Config, index: PeerIndex) -> PeerId {
        let config::Peer { name, address, .. } = config.peer(index);
        let mut names = self.names.0.write().expect("no thread panics with the names");
        let id = *self.peers.entry(name.clone()).or_insert_with(|| handle_of(name, &names.peers));
        let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        if let Some((_, before)) = names.peers.insert(id, (name.clone(), *address)) {
            names.configured.remove(&canonical(before));
        }
        names.configured.insert(canonical(*address), id);
        id
    }
}

/// The handle of a peer, from its name. Should two names give one handle, the second takes the next
/// that is free; in another order of the config what was stored of these two may then be mixed up,
/// which costs a NOTIFY too many or one that waits for REFRESH.
fn handle_of(name: &str, taken: &HashMap<PeerId, (String, SocketAddr)>) -> PeerId {
    let mut handle = first_handle(name);
    while taken.contains_key(&handle) {
        handle = PeerId(handle.0.wrapping_add(1));
    }
    handle
}

fn first_handle(name: &str) -> PeerId {
    let [a, b, c, d, ..] = *blake3::hash(name.as_bytes()).as_bytes();
    PeerId(u32::from_be_bytes([a, b, c, d]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn r17_found_servers_go_by_their_addresses_as_long_as_some_zone_has_them() {
        let names = Names::default();
        let configured = PeerId(7);
        {
            let mut listed = names.0.write().unwrap();
            listed.peers.insert(configured, (String::from("ns2"), at("192.0.2.2:53")));
            listed.configured.insert(at("192.0.2.2:53"), configured);
        }
        let (one, two) = (ZoneId(1), ZoneId(2));
        let found = names.found(one, &[at("192.0.2.2:53"), at("192.0.2.3:53"), at("[2001:db8::3]:53")]);
        assert_eq!(found[0], configured);
        assert_eq!(names.peer(found[1]), "192.0.2.3:53");
        assert_eq!(names.found(two, &[at("192.0.2.3:53")]), [found[1]]);
        // The same again is the same, and what nobody has any more is gone.
        assert_eq!(names.found(one, &[at("192.0.2.3:53"), at("192.0.2.2:53")]), [found[1], configured]);
        assert_eq!(names.peer(found[2]), "?");
        names.found(one, &[]);
        assert_eq!(names.peer(found[1]), "192.0.2.3:53");
        names.found(two, &[]);
        assert_eq!((names.peer(found[1]), names.peer(configured)), (String::from("?"), String::from("ns2")));
    }
}
