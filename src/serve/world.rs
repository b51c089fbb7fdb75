//! What a worker sees: one immutable picture of everything, swapped whole by the engine.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::Message;
use crate::answer::Served;
use crate::dns::tsig::Keyring;
use crate::dns::{Name, NameRef, RecordType};
use crate::limits::UDP_PAYLOAD_MAX;
use crate::policy::cookies::Cookies;
use crate::policy::rates::RateLimits;
use crate::policy::{Act, Peers, RuleBook, verdict};
use crate::trace::Silent;
use crate::zone::{Slot, Version, ZoneSet};

/// Everything that an answer depends on. Cloning copies a few pointers.
#[derive(Clone, Debug)]
pub struct World {
    /// The zones and their versions.
    pub zones: ZoneSet,
    /// Who may do what with each zone.
    pub rules: Arc<RuleBook>,
    /// The configured peers.
    pub peers: Arc<Peers>,
    /// The TSIG keys.
    pub keys: Arc<Keyring>,
    /// What the server says about itself.
    pub facts: Arc<ServerFacts>,
    /// What makes and checks cookies.
    pub cookies: Arc<Cookies>,
    /// How often somebody is answered.
    pub rates: Arc<RateLimits>,
}

/// What the server says about itself, and its manners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// `version.bind` and `version.server`; refused if there is none (RFC 4892 §2).
    pub version: Option<String>,
    /// `id.server` and `hostname.bind`; refused if there is none.
    pub identity: Option<String>,
    /// The NSID option (RFC 5001), sent to those who ask.
    pub nsid: Option<Vec<u8>>,
    /// Where resolvers are asked to report errors to (RFC 9567 §6.2).
    pub report_channel: Option<Name>,
    /// The domain under which reports come in here.
    pub report_agent: Option<Name>,
    /// Who speaks for clients, and says so in front of each message (PROXY protocol).
    pub proxies: Vec<IpNet>,
    /// UDP payload that is sent at most, whatever the client offers (RFC 9715).
    pub udp_payload_max: u16,
    /// The same to clients of IPv6.
    pub udp_payload_max_ipv6: u16,
    /// When ANY gets one RRset only.
    pub minimal_any: MinimalAny,
}

/// When ANY gets one RRset only (RFC 8482, R34).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinimalAny {
    /// On every transport, so that all give the same answer.
    Always,
    /// Over UDP; streams get everything.
    Udp,
}

impl Default for ServerFacts {
    fn default() -> ServerFacts {
        ServerFacts {
            version: None,
            identity: None,
            nsid: None,
            report_channel: None,
            report_agent: None,
            proxies: Vec::new(),
            udp_payload_max: UDP_PAYLOAD_MAX,
            udp_payload_max_ipv6: UDP_PAYLOAD_MAX,
            minimal_any: MinimalAny::Always,
        }
    }
}

impl ServerFacts {
    /// UDP payload that is sent at most to this client, and taken from him.
    pub(super) fn udp_payload_for(&self, client: IpAddr) -> u16 {
        match client.to_canonical() {
            IpAddr::V4(_) => self.udp_payload_max,
            IpAddr::V6(_) => self.udp_payload_max_ipv6,
        }
    }
}

impl World {
    /// The zone that answers for `name`: the longest match (RFC 1034 §4.3.2 step 2), but for DS at
    /// the apex of a zone the one above it, if that is served too (RFC 4035 §3.1.4.1).
    pub fn zone_for(&self, name: NameRef<'_>, qtype: RecordType) -> Option<&Slot> {
        self.zones.find(name).map(|slot| self.side_of_cut(slot, name, qtype))
    }

    /// The same if the longest match is known.
    pub(super) fn side_of_cut<'w>(
        &'w self,
        slot: &'w Slot,
        name: NameRef<'_>,
        qtype: RecordType,
    ) -> &'w Slot {
        let above = match qtype {
            RecordType::DS if slot.apex.as_ref() == name => self.zones.find_above(name),
            _ => None,
        };
        above.map_or(slot, AsRef::as_ref)
    }
}

/// Chains and additional data lead only into zones that the client may query itself.
impl Served for Message<'_> {
    fn version_for(&self, name: NameRef<'_>, qtype: RecordType) -> Option<&Version> {
        let slot = self.world.zone_for(name, qtype)?;
        let rules = &self.world.rules.zone(slot.id).query;
        if !verdict(rules, Act::Query, &self.peer, &self.world.peers, &mut Silent).is_allowed() {
            return None;
        }
        slot.version_at(self.now.tick).map(AsRef::as_ref)
    }
}
