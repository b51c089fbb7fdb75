//! Who is in a flock: servers, links, keys, zones, and how each is configured.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bellwether::config::{ColdStart, Durability, Guard, GuardAction, SerialPolicy};
use bellwether::dns::Name;
use bellwether::dns::tsig::{Algorithm, Key, Keyring};
use bellwether::engine::{Role, Settings, ZoneSetup};
use bellwether::env::Random;
use bellwether::env::sim::SimRandom;
use bellwether::ident::{PeerId, ZoneId};
use bellwether::policy::{PeerFacts, Peers, Rule, RuleBook, RuleSet, Who, ZoneRules};
use bellwether::replica::follow::LowerSerial;
use bellwether::replica::timers::Clamps;
use bellwether::serve::{ServerFacts, World};
use bellwether::zone::{DigestKey, ZoneSet};

/// All servers make their digests with one key, so that versions can be compared across them.
pub const DIGEST_KEY: DigestKey = DigestKey(*b"simulated flocks");

/// The zones that every server of a flock has.
pub const ZONES: [&str; 2] = ["alpha.example.", "beta.example."];

/// A flock and how long it is troubled.
#[derive(Clone, Debug)]
pub struct Plan {
    /// For each server, whom it follows; nobody: it is the primary.
    pub follows: Vec<Vec<usize>>,
    /// Pairs that sign what they say to each other.
    pub signed: Vec<(usize, usize)>,
    /// How long things go wrong before everything is mended.
    pub trouble: Duration,
    /// Mean time between two things that happen.
    pub pace: Duration,
    /// Records in each zone to begin with.
    pub hosts: u64,
    /// Whether clocks jump, disks fail and links are cut, or servers only crash.
    pub rough: bool,
}

impl Plan {
    /// A primary and a secondary that crash.
    pub fn pair(seed: u64) -> Plan {
        let signed = if seed.is_multiple_of(2) { vec![(0, 1)] } else { Vec::new() };
        Plan {
            follows: vec![vec![], vec![0]],
            signed,
            trouble: Duration::from_secs(240),
            pace: Duration::from_secs(8),
            hosts: 3,
            rough: false,
        }
    }

    /// A primary (0), a relay (1) and five secondaries: two follow the primary, one the primary and
    /// the relay, two the relay alone.
    pub fn flock(seed: u64) -> Plan {
        let mut random = SimRandom::new(seed);
        let follows = vec![vec![], vec![0], vec![0], vec![0], vec![0, 1], vec![1], vec![1]];
        let links =
            follows.iter().enumerate().flat_map(|(to, from)| from.iter().map(move |&from| (from, to)));
        let signed = links.filter(|_| random.one_in(2)).collect();
        // One in eight has zones that do not fit one message of a transfer.
        let hosts = if random.one_in(8) { 60 } else { 4 };
        Plan {
            follows,
            signed,
            trouble: Duration::from_secs(200 + random.below(400)),
            pace: Duration::from_secs(3 + random.below(10)),
            hosts,
            rough: true,
        }
    }

    /// Who follows this server.
    pub fn followers(&self, server: usize) -> Vec<usize> {
        (0..self.follows.len()).filter(|&other| self.follows[other].contains(&server)).collect()
    }

    /// What holds for all zones of a server.
    pub fn settings(&self, seed: u64) -> Settings {
        Settings { clamps: Clamps::default(), durability: Durability::Prefer, digest_key: DIGEST_KEY, seed }
    }

    /// The zones as this server has them configured.
    pub fn setups(&self, server: usize) -> Vec<ZoneSetup> {
        let guard = Guard { action: GuardAction::Alarm, records: 100, percent: 30 };
        let role = |apex: &str| match &self.follows[server][..] {
            [] => Role::Primary {
                file: zone_file(apex),
                serial: SerialPolicy::Increment,
                cold_start: ColdStart::ServeLast,
            },
            primaries => Role::Secondary {
                primaries: primaries.iter().map(|&peer| peer_id(peer)).collect(),
                authenticated: (primaries.iter().copied())
                    .filter(|&primary| self.key(primary, server).is_some())
                    .map(peer_id)
                    .collect(),
                ixfr: true,
                lower_serial: LowerSerial::Alert,
                limits: (1 << 24, 1 << 20),
            },
        };
        let notify: Vec<PeerId> = self.followers(server).into_iter().map(peer_id).collect();
        let zones = ZONES.iter().enumerate();
        zones
            .map(|(at, apex)| ZoneSetup {
                id: ZoneId(at as u32),
                apex: name(apex),
                role: role(apex),
                notify: notify.clone(),
                guard,
            })
            .collect()
    }

    /// What a server's workers see before any zone is there.
    pub fn world(&self, server: usize) -> World {
        let others = (0..self.follows.len()).filter(|&other| other != server);
        let peers = others.map(|other| PeerFacts {
            id: peer_id(other),
            name: format!("server{other}"),
            addresses: vec![address(other).ip()],
            key: self.key(server, other).map(|key| key.name().to_name()),
            require_address: false,
        });
        let keys = (0..self.follows.len()).filter_map(|other| self.key(server, other)).map(Arc::new);
        let transfer = self.followers(server).into_iter();
        let transfer =
            transfer.map(|peer| Rule { who: Who::Peer(peer_id(peer)), text: format!("server{peer}") });
        let rules = Arc::new(ZoneRules {
            transfer: RuleSet::new(transfer.collect()),
            query: RuleSet::any(),
            notify_from: self.follows[server].iter().map(|&peer| peer_id(peer)).collect(),
        });
        World {
            zones: ZoneSet::new(DIGEST_KEY),
            rules: Arc::new(RuleBook::new((0..ZONES.len()).map(|at| (ZoneId(at as u32), rules.clone())))),
            peers: Arc::new(Peers::new(peers.collect())),
            keys: Arc::new(keys.collect::<Keyring>()),
            facts: Arc::new(ServerFacts::default()),
        }
    }

    fn key(&self, one: usize, other: usize) -> Option<Key> {
        let (from, to) = (one.min(other), one.max(other));
        let signed = self.signed.contains(&(from, to));
        let secret = format!("the secret of {from} and {to}");
        signed.then(|| Key::new(name(&format!("link{from}-{to}.")), Algorithm::Sha256, secret.as_bytes()))
    }
}

/// The handle that every server has for a server.
pub fn peer_id(server: usize) -> PeerId {
    PeerId(server as u32)
}

/// The server with this handle.
pub fn server(peer: PeerId) -> usize {
    peer.0 as usize
}

/// Where a server sends from and listens.
pub fn address(server: usize) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, server as u8 + 1)), 53)
}

/// The file of a zone.
pub fn zone_file(apex: &str) -> PathBuf {
    PathBuf::from(format!("/zones/{apex}zone"))
}

/// A name that the simulation made up.
pub fn name(text: &str) -> Name {
    Name::parse(text).expect("the simulation writes good names")
}
