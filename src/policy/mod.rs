//! Who may: rules over what is known of a peer.
//!
//! A rule set is an ordered list; the first rule that matches allows, and nothing matching refuses.
//! Each verdict names the rule it came from, or the rule that came nearest, so that `explain` and
//! the log can say what to change. A peer that has a key is that key, wherever it connects from;
//! a peer that has none is its address (R24). Telling one is done here, checking signatures in
//! `dns/tsig`. How often somebody is answered is in [`rates`], and how a client shows that it is at its
//! address in [`cookies`].

mod book;
pub mod cookies;
mod peers;
pub mod rates;
mod rules;
#[cfg(test)]
mod tests;

pub use book::{RuleBook, ZoneRules};
pub use peers::{PeerFacts, Peers};
pub use rules::{Act, Rule, RuleSet, Verdict, Who, verdict};

use std::fmt;
use std::net::IpAddr;

use crate::dns::NameRef;
use crate::ident::Transport;

/// What is known of whoever sent a message.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// Where the message came from; an IPv4 address mapped into IPv6 is read as the IPv4 one.
    pub address: IpAddr,
    /// The TSIG key whose signature was verified. A message with a bad signature gets no further
    /// than its error reply, so it never comes here as if it were unsigned (R24).
    pub key: Option<NameRef<'a>>,
    /// How the message came.
    pub transport: Transport,
}

/// `192.0.2.7 over tcp with key flock.example.`
impl fmt::Display for Peer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} over {}", self.address.to_canonical(), self.transport)?;
        match self.key {
            Some(key) => write!(f, " with key {key}"),
            None => f.write_str(" without a key"),
        }
    }
}
