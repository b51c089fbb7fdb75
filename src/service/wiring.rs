//! From what was configured to what the engine and the workers take.

use std::sync::Arc;

use super::kept::Kept;
use super::names::Handles;
use crate::config::{self, Config, MinimalAny, PeerIndex};
use crate::dns::tsig::{Algorithm, Key, Keyring};
use crate::engine::{Book, Role, ZoneSetup};
use crate::policy::rates::{RateLimits, RateSettings};
use crate::policy::{PeerFacts, Peers, Rule, RuleBook, RuleSet, Who, ZoneRules};
use crate::serve::{self, ServerFacts};
use crate::transfer::incoming::TransferLimits;

/// Everything in the world but the zones.
pub(super) fn book(config: &Config, handles: &mut Handles, kept: &Kept) -> Book {
    let peers = (0..config.peers.len()).map(PeerIndex).map(|index| {
        let peer = config.peer(index);
        PeerFacts {
            id: handles.peer(config, index),
            name: peer.name.clone(),
            addresses: vec![peer.address.ip()],
            key: peer.key.clone(),
            require_address: peer.require_address,
        }
    });
    let peers = Peers::new(peers.collect());
    let keys: Keyring = config
        .keys
        .iter()
        .map(|key| {
            let algorithm: Algorithm =
                key.algorithm.parse().expect("the config takes only algorithms that we have");
            let made = Key::new(key.name.clone(), algorithm, &key.secret);
            Arc::new(made.with_mac_octets_min(key.mac_octets_min))
        })
        .collect();
    let rules: Vec<_> = config
        .zones
        .iter()
        .map(|zone| {
            let rules = zone_rules(config, handles, zone);
            (handles.zone(&zone.name), Arc::new(rules))
        })
        .collect();
    Book {
        rules: Arc::new(RuleBook::new(rules)),
        peers: Arc::new(peers),
        keys: Arc::new(keys),
        facts: Arc::new(facts(&config.server, &config.reports)),
        cookies: kept.cookies(&config.cookies),
        rates: Arc::new(RateLimits::new(rates(config, handles), kept.rates.clone())),
    }
}

fn facts(server: &config::Server, reports: &config::Reports) -> ServerFacts {
    ServerFacts {
        version: server.version.clone(),
        identity: server.identity.clone(),
        nsid: server.nsid.clone().map(String::into_bytes),
        report_channel: reports.channel.clone(),
        report_agent: reports.agent.clone(),
        proxies: server.proxy_from.clone(),
        udp_payload_max: server.udp_payload_max,
        udp_payload_max_ipv6: server.udp_payload_max_ipv6,
        minimal_any: match server.minimal_any {
            MinimalAny::Always => serve::MinimalAny::Always,
            MinimalAny::Udp => serve::MinimalAny::Udp,
        },
    }
}

fn rates(config: &Config, handles: &mut Handles) -> RateSettings {
    let config::Rrl { per_second, slip, exempt, log_only } = &config.rrl;
    RateSettings {
        per_second: *per_second,
        slip: *slip,
        exempt: rule_set(config, handles, exempt),
        log_only: *log_only,
    }
}

fn zone_rules(config: &Config, handles: &mut Handles, zone: &config::Zone) -> ZoneRules {
    let primaries = match &zone.role {
        config::Role::Primary(_) => Vec::new(),
        config::Role::Secondary(secondary) => secondary.primaries.clone(),
    };
    ZoneRules {
        transfer: rule_set(config, handles, &zone.transfer),
        query: zone.query.as_ref().map_or_else(RuleSet::any, |rules| rule_set(config, handles, rules)),
        notify_from: primaries.into_iter().map(|index| handles.peer(config, index)).collect(),
    }
}

fn rule_set(config: &Config, handles: &mut Handles, rules: &[config::Rule]) -> RuleSet {
    let rule = |rule: &config::Rule| Rule {
        who: match &rule.who {
            config::Who::Any => Who::Any,
            config::Who::Net(net) => Who::Net(*net),
            config::Who::Key(name) => Who::Key(name.clone()),
            config::Who::Peer(index) => Who::Peer(handles.peer(config, *index)),
        },
        text: rule.text.clone(),
    };
    RuleSet::new(rules.iter().map(rule).collect())
}

/// Whom a zone's NOTIFY goes to. One list may serve all servers of a flock, so we can be on it: we
/// need not tell ourselves (F02).
fn notified<'c>(config: &'c Config, zone: &'c config::Zone) -> impl Iterator<Item = PeerIndex> + 'c {
    let is_other = |index: &PeerIndex| !config.server.listen.contains(&config.peer(*index).address);
    zone.notify.iter().copied().filter(is_other)
}

/// The zones as the engine takes them.
pub(super) fn zones(config: &Config, handles: &mut Handles) -> Vec<ZoneSetup> {
    let setup = |zone: &config::Zone| ZoneSetup {
        id: handles.zone(&zone.name),
        apex: zone.name.clone(),
        role: match &zone.role {
            config::Role::Primary(primary) => Role::Primary {
                file: primary.file.clone(),
                serial: primary.serial,
                cold_start: primary.cold_start_bad_file,
            },
            config::Role::Secondary(secondary) => Role::Secondary {
                primaries: secondary.primaries.iter().map(|index| handles.peer(config, *index)).collect(),
                authenticated: secondary
                    .primaries
                    .iter()
                    .filter(|index| config.peer(**index).key.is_some())
                    .map(|index| handles.peer(config, *index))
                    .collect(),
                ixfr: secondary.ixfr,
                lower_serial: secondary.lower_serial,
                limits: TransferLimits {
                    octets: secondary.transfer_octets_max,
                    records: secondary.transfer_records_max,
                    time: secondary.transfer_time_max,
                },
            },
        },
        notify: notified(config, zone).map(|index| handles.peer(config, index)).collect(),
        notify_ns: zone.notify_ns,
        guard: zone.guard,
        demands: zone.demands,
    };
    config.zones.iter().map(setup).collect()
}

/// Whether a reload can carry the change: what sockets and threads depend on needs a restart, and
/// says so instead of doing nothing.
pub(super) fn same_process(old: &Config, new: &Config) -> Result<(), String> {
    let changed: Vec<&str> = [
        ("server.listen", old.server.listen != new.server.listen),
        ("server.listen_tls", old.server.listen_tls != new.server.listen_tls),
        ("server.listen_https", old.server.listen_https != new.server.listen_https),
        ("server.listen_quic", old.server.listen_quic != new.server.listen_quic),
        ("server.state_dir", old.server.state_dir != new.server.state_dir),
        ("server.workers", old.server.workers != new.server.workers),
        ("server.durability", old.server.durability != new.server.durability),
        ("server.history_octets_max", old.server.history_octets_max != new.server.history_octets_max),
        ("server.tcp_idle", old.server.tcp_idle != new.server.tcp_idle),
        ("server.tcp_connections", old.server.tcp_connections != new.server.tcp_connections),
        (
            "server.tcp_connections_per_client",
            old.server.tcp_connections_per_client != new.server.tcp_connections_per_client,
        ),
        ("server.pinned_octets_max", old.server.pinned_octets_max != new.server.pinned_octets_max),
        ("control.socket", old.control != new.control),
        ("timers", old.timers != new.timers),
    ]
    .into_iter()
    .filter_map(|(key, changed)| changed.then_some(key))
    .collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(format!("{} changed: that needs a restart; nothing was reloaded", changed.join(", ")))
}
