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
use bellwether::store::Options;
use bellwether::transfer::incoming::TransferLimits;
use bellwether::zone::{Demands, DigestKey, ZoneSet};

use crate::client::Friend;

/// All servers make their digests with one key, so that versions can be compared across them.
pub const DIGEST_KEY: DigestKey = DigestKey(*b"simulated flocks");

/// The zones that every server of a flock has.
pub const ZONES: [&str; 3] = ["alpha.example.", "beta.example.", "gamma.example."];

/// The server that means harm, in flocks that have one.
pub const RELAY: usize = 1;

/// What trips the guard of the primary: more records, and more of a hundred names.
pub const GUARD: (u64, u8) = (16, 30);

/// Seconds of the SOA.
#[derive(Clone, Copy, Debug)]
pub struct Timers {
    /// REFRESH.
    pub refresh: u32,
    /// RETRY.
    pub retry: u32,
    /// EXPIRE.
    pub expire: u32,
}

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
    /// What their SOA says.
    pub timers: Timers,
    /// Whether clocks jump, disks fail and links are cut, or servers only crash.
    pub rough: bool,
    /// Of a hundred replies so many are tampered with on their way, while there is trouble.
    pub tampered: u64,
    /// Whether the relay sends harmful transfers, to the very end.
    pub hostile: bool,
    /// Octets: the history that is kept, the chain that is borne, the largest body in the database.
    pub store: (u64, u64, usize),
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
            hosts: 12,
            timers: Timers { refresh: 60, retry: 15, expire: 240 },
            rough: false,
            tampered: 0,
            hostile: false,
            store: store(seed),
        }
    }

    /// A primary (0), a relay (1) and five secondaries: two follow the primary, one the primary and
    /// the relay, two the relay alone. Nobody follows a hostile relay alone.
    pub fn flock(seed: u64) -> Plan {
        let mut random = SimRandom::new(seed);
        let hostile = random.one_in(4);
        let follows = match hostile {
            false => vec![vec![], vec![0], vec![0], vec![0], vec![0, 1], vec![1], vec![1]],
            true => vec![vec![], vec![0], vec![0], vec![0], vec![0, 1], vec![1, 0], vec![1, 0]],
        };
        let links =
            follows.iter().enumerate().flat_map(|(to, from)| from.iter().map(move |&from| (from, to)));
        let signed = links.filter(|_| random.one_in(2)).collect();
        let patient = random.one_in(4);
        Plan {
            follows,
            signed,
            trouble: Duration::from_secs(200 + random.below(400)),
            pace: Duration::from_secs(3 + random.below(10)),
            // One in eight has zones that do not fit one message of a transfer.
            hosts: if random.one_in(8) { 60 } else { 12 },
            // Where nobody polls for long, a NOTIFY that is lost must be repeated.
            timers: match patient {
                false => Timers { refresh: 60, retry: 15, expire: 240 },
                true => Timers { refresh: 600, retry: 20, expire: 1500 },
            },
            rough: true,
            tampered: [0, 0, 5, 30, 100][random.below(5) as usize],
            hostile,
            store: store(seed),
        }
    }

    /// Whether nobody polls for longer than it takes to repeat a NOTIFY.
    pub fn is_patient(&self) -> bool {
        self.timers.refresh > 300
    }

    /// EXPIRE.
    pub fn expire(&self) -> Duration {
        Duration::from_secs(u64::from(self.timers.expire))
    }

    /// Who follows this server.
    pub fn followers(&self, server: usize) -> Vec<usize> {
        (0..self.follows.len()).filter(|&other| self.follows[other].contains(&server)).collect()
    }

    /// What holds for all zones of a server.
    pub fn settings(&self, seed: u64) -> Settings {
        Settings { clamps: Clamps::default(), durability: Durability::Prefer, digest_key: DIGEST_KEY, seed }
    }

    /// What a store is opened with.
    pub fn options(&self, random: &mut SimRandom) -> Options {
        let (history_octets_max, required_octets_min, inline_body_octets_max) = self.store;
        Options {
            digest_key_if_new: DIGEST_KEY,
            history_octets_max,
            required_octets_min,
            inline_body_octets_max,
            ..Options::new(random)
        }
    }

    /// The zones as this server has them configured.
    pub fn setups(&self, server: usize) -> Vec<ZoneSetup> {
        let action = if self.follows[server].is_empty() { GuardAction::Hold } else { GuardAction::Alarm };
        let guard = Guard { action, records: GUARD.0, percent: GUARD.1 };
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
                limits: TransferLimits { octets: 1 << 24, records: 1 << 20, ..TransferLimits::default() },
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
                notify_ns: false,
                guard,
                demands: Demands::default(),
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
            cookies: Arc::default(),
            rates: Arc::default(),
        }
    }

    /// Somebody who may transfer what a server has, and is none of the flock: he comes from where one of
    /// its followers is.
    pub fn friend(&self, server: usize) -> Option<Friend> {
        let follower = self.followers(server).pop()?;
        Some(Friend { address: address(follower), key: self.key(server, follower).map(Arc::new) })
    }

    fn key(&self, one: usize, other: usize) -> Option<Key> {
        let (from, to) = (one.min(other), one.max(other));
        let signed = self.signed.contains(&(from, to)) || self.signed.contains(&(to, from));
        let secret = format!("the secret of {from} and {to}");
        signed.then(|| Key::new(name(&format!("link{from}-{to}.")), Algorithm::Sha256, secret.as_bytes()))
    }
}

/// Stores that cut and compact early, with bodies in files or not, beside ordinary ones.
fn store(seed: u64) -> (u64, u64, usize) {
    match seed % 4 {
        0 => (1 << 26, 1 << 20, 1 << 16),
        1 => (1 << 26, 4096, 1024),
        2 => (8192, 4096, 1 << 16),
        _ => (8192, 1024, 1024),
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
