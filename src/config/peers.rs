//! Peers, and whether they can be told apart.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use toml::Spanned;

use super::check::Checker;
use super::problem::Problem;
use super::raw::RawPeer;
use super::{Peer, PeerIndex};
use crate::dns::Name;
use crate::reason::Reason;

impl Checker<'_> {
    /// `[peers.NAME]`, in the order of their names.
    pub fn peers(&mut self, raw: &BTreeMap<Spanned<String>, RawPeer>) -> Vec<Peer> {
        let mut peers = Vec::new();
        let mut known = Known::new();
        for (written, raw) in raw {
            let address = self.address(&raw.address);
            let key = raw.key.as_ref().and_then(|key| self.key(key));
            if raw.require_address && raw.key.is_none() {
                let title = "`require_address` needs a `key`";
                let problem = Problem::new(Reason::ConfigConflict, written.span(), title);
                self.problem(problem.hint("a peer without a key is always known by its address"));
            }
            // A key that is not defined is a problem of its own.
            if let Some(address) = address.filter(|_| raw.key.is_some() == key.is_some()) {
                let address = SocketAddr::new(address.ip().to_canonical(), address.port());
                let same = known.entry((key.clone(), address.ip())).or_default();
                self.tell_apart(same, written, address);
                same.push((written, address));
            }
            let index = PeerIndex(peers.len());
            self.peer_names.insert(written.get_ref().clone(), index);
            self.authenticated.extend(raw.key.as_ref().map(|_| index));
            peers.push(Peer {
                name: written.get_ref().clone(),
                address: address.unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0))),
                key,
                require_address: raw.require_address,
            });
        }
        peers
    }

    /// Two peers with the same key, or none, at one address and port are one and the same: whatever is
    /// said of the one holds for the other. With other ports they are two servers on one machine; we
    /// can ask each of them, but not tell which of them asks us (R24).
    fn tell_apart(&mut self, same: &Same<'_>, peer: &Spanned<String>, address: SocketAddr) {
        let Some((other, theirs)) = same.iter().find(|(_, known)| *known == address).or(same.last()) else {
            return;
        };
        // The later one in the file is the one too many.
        let (first, second) =
            if other.span().start < peer.span().start { (*other, peer) } else { (peer, *other) };
        let (first_name, second_name) = (first.get_ref(), second.get_ref());
        let position = self.position(first.span().start);
        if *theirs == address {
            let title = format!(
                "the peers \"{first_name}\" and \"{second_name}\" have the same address and the same key"
            );
            let problem = Problem::new(Reason::ConfigDuplicate, second.span(), title);
            let problem = problem.label(format!("nobody can tell it from \"{first_name}\" at {position}"));
            self.problem(problem.hint(format!("write \"{first_name}\" wherever \"{second_name}\" is meant")));
            return;
        }
        self.warnings.push(format!(
            "the peers \"{first_name}\" ({position}) and \"{second_name}\" ({}) differ in nothing but the port: \
             what either of them asks is put down to neither; give each a key of its own",
            self.position(second.span().start)
        ));
    }
}

/// Peers by what tells them apart when they ask.
type Known<'a> = BTreeMap<(Option<Name>, IpAddr), Vec<(&'a Spanned<String>, SocketAddr)>>;

/// Peers that nothing tells apart but perhaps their ports.
type Same<'a> = [(&'a Spanned<String>, SocketAddr)];
