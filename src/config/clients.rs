//! `[rrl]`: how often clients are answered.

use ipnet::IpNet;
use toml::Spanned;

use super::check::Checker;
use super::problem::Problem;
use super::raw::RawRrl;
use super::{Peer, PeerIndex, Rrl, Rule, Who};
use crate::limits;
use crate::reason::Reason;

/// The most that `rrl.per_second` may be.
const PER_SECOND_MAX: u32 = 1_000_000;

impl Checker<'_> {
    /// `[rrl]`. Exempt are, unless somebody else is named, this machine and all configured peers.
    pub(super) fn rrl(&mut self, raw: &RawRrl, peers: &[Peer]) -> Rrl {
        let per_second = match &raw.per_second {
            Some(written) if *written.get_ref() > PER_SECOND_MAX => {
                let title = format!("rrl.per_second = {} is out of range", written.get_ref());
                let problem = Problem::new(Reason::ConfigBadValue, written.span(), title);
                self.problem(problem.label("0 to 1000000 replies a second").hint("0 sets no limit"));
                limits::REPLIES_PER_SECOND
            }
            written => written.as_ref().map_or(limits::REPLIES_PER_SECOND, |written| *written.get_ref()),
        };
        Rrl {
            per_second,
            slip: raw.slip.unwrap_or(limits::RATE_SLIP),
            exempt: match &raw.exempt {
                Some(written) => written.iter().filter_map(|rule| self.client(rule)).collect(),
                None => usually_exempt(peers),
            },
            log_only: raw.log_only,
        }
    }

    /// A rule without a key: no client of the public signs.
    fn client(&mut self, written: &Spanned<String>) -> Option<Rule> {
        if written.get_ref().starts_with("key:") {
            let title = "a key cannot be exempt, only addresses, prefixes and peers";
            let problem = Problem::new(Reason::ConfigBadValue, written.span(), title);
            self.problem(problem.hint("a peer that signs is known by its key: name the peer"));
            return None;
        }
        self.rule(written)
    }
}

fn usually_exempt(peers: &[Peer]) -> Vec<Rule> {
    let loopback = ["127.0.0.0/8", "::1/128"].into_iter().filter_map(|text| {
        let net: IpNet = text.parse().ok()?;
        Some(Rule { who: Who::Net(net), text: text.to_owned() })
    });
    let peer =
        |(index, peer): (usize, &Peer)| Rule { who: Who::Peer(PeerIndex(index)), text: peer.name.clone() };
    loopback.chain(peers.iter().enumerate().map(peer)).collect()
}
