//! One rule set and its verdict.

use ipnet::IpNet;

use super::Peer;
use super::peers::{Fit, Peers};
use crate::dns::Name;
use crate::ident::PeerId;
use crate::reason::Reason;
use crate::trace::{Step, Trace};

/// Whom a rule lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody.
    Any,
    /// Addresses in a prefix, signed or not.
    Net(IpNet),
    /// Whoever signs with this key, from anywhere.
    Key(Name),
    /// A configured peer, recognised as R24 says.
    Peer(PeerId),
}

/// A rule with the words that the operator used for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whom it lets in.
    pub who: Who,
    /// As written in the configuration.
    pub text: String,
}

/// Rules in order; the first that matches allows, and nothing matching refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSet(Vec<Rule>);

/// What a peer wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Ask questions.
    Query,
    /// Take the zone.
    Transfer,
}

/// What a rule set says of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The rule at this index allows.
    Allowed {
        /// Index into [`RuleSet::rules`].
        rule: usize,
    },
    /// No rule allows.
    Refused {
        /// What to tell.
        reason: Reason,
        /// The rule that would have allowed with another key or from another address.
        nearest: Option<usize>,
    },
}

impl RuleSet {
    /// Takes the rules in the order in which they are tried.
    pub fn new(rules: Vec<Rule>) -> RuleSet {
        RuleSet(rules)
    }

    /// Nobody may.
    pub fn none() -> RuleSet {
        RuleSet(Vec::new())
    }

    /// Everybody may.
    pub fn any() -> RuleSet {
        RuleSet(vec![Rule { who: Who::Any, text: "any".to_owned() }])
    }

    /// The rules in the order in which they are tried.
    pub fn rules(&self) -> &[Rule] {
        &self.0
    }
}

impl Verdict {
    /// Whether the peer may.
    pub fn is_allowed(self) -> bool {
        matches!(self, Verdict::Allowed { .. })
    }
}

/// What `rules` say of `peer`.
pub fn verdict(rules: &RuleSet, act: Act, peer: &Peer<'_>, peers: &Peers, trace: &mut impl Trace) -> Verdict {
    let mut nearest = (Fit::No, 0);
    for (at, rule) in rules.0.iter().enumerate() {
        let fit = rule.who.fit(peer, peers);
        if fit.is_enough() {
            trace.step(|| Step(format!("{peer} is allowed by rule {} ({})", at + 1, rule.text)));
            return Verdict::Allowed { rule: at };
        }
        if fit > nearest.0 {
            nearest = (fit, at);
        }
    }
    trace.step(|| Step(refusal(rules, peer, nearest)));
    let reason = match (act, nearest.0) {
        (Act::Query, _) => Reason::QueryDenied,
        (Act::Transfer, Fit::KeyMissing) => Reason::TransferKeyWanted,
        (Act::Transfer, _) => Reason::TransferDenied,
    };
    Verdict::Refused { reason, nearest: (nearest.0 > Fit::No).then_some(nearest.1) }
}

impl Who {
    fn fit(&self, peer: &Peer<'_>, peers: &Peers) -> Fit {
        let (fits, fit) = match self {
            Who::Any => return Fit::ByAddress,
            Who::Net(net) => (net.contains(&peer.address.to_canonical()), Fit::ByAddress),
            Who::Key(key) => (peer.key == Some(key.as_ref()), Fit::ByKey),
            Who::Peer(id) => return peers.get(*id).map_or(Fit::No, |facts| facts.fit(peer)),
        };
        if fits { fit } else { Fit::No }
    }
}

/// Why nobody let `peer` in, for `explain`.
fn refusal(rules: &RuleSet, peer: &Peer<'_>, (fit, at): (Fit, usize)) -> String {
    let lacks = match fit {
        Fit::KeyMissing => "fits its address but wants another key",
        Fit::AddressMissing => "fits its key but wants another address",
        Fit::No | Fit::ByAddress | Fit::ByKey | Fit::ByBoth => {
            return match rules.0.len() {
                0 => format!("{peer} is refused: there is no rule at all"),
                1 => format!("{peer} is refused: the only rule does not fit"),
                count => format!("{peer} is refused: none of the {count} rules comes near"),
            };
        }
    };
    format!("{peer} is refused: rule {} ({}) {lacks}", at + 1, rules.0[at].text)
}
