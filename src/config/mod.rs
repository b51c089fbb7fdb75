//! What the operator wrote, and what it means.
//!
//! `raw` holds the shape of the TOML as serde reads it, with spans; `check` and `zone` turn it
//! into the typed values below and collect every problem they meet. Past this room nothing is text
//! that must be looked at again: names are names, paths are joined with the directory of the
//! config file, peers are indices. A key that nothing reads does not exist.
//!
//! Errors are shown as rustc shows them ([`ConfigError`]). Absent: sockets, the engine, and any
//! look into zone files.

mod bounds;
mod check;
mod clients;
mod formula;
#[cfg(feature = "tls")]
pub mod identity;
mod keys;
mod peers;
mod pieces;
mod problem;
mod raw;
mod tls;
mod units;
mod zone;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use crate::dns::Name;
use crate::policy::cookies::{CookieMode, CookieSecret};
use crate::replica::follow::LowerSerial;
use crate::replica::timers::Clamps;
use crate::zone::Demands;

pub use formula::{FormulaError, file_stem, zone_of_stem};
pub use problem::{ConfigError, Paint, Problem};

/// The whole configuration, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file it was read from, as it was named.
    pub path: PathBuf,
    /// `[server]`.
    pub server: Server,
    /// `[control]`.
    pub control: Control,
    /// `[rrl]`.
    pub rrl: Rrl,
    /// `[cookies]`.
    pub cookies: Cookies,
    /// `[reports]`.
    pub reports: Reports,
    /// `[tls]`; `None` if the server makes an identity of its own.
    pub tls: Option<Tls>,
    /// `[timers]`: bounds on what a zone's SOA says.
    pub timers: Clamps,
    /// `[keys."NAME"]`, sorted by name.
    pub keys: Vec<Key>,
    /// `[peers.NAME]`, sorted by name.
    pub peers: Vec<Peer>,
    /// `[[zones]]` in the order of the file, patterns expanded.
    pub zones: Vec<Zone>,
    /// Things that are odd but no error, a sentence each.
    pub warnings: Vec<String>,
}

/// `[server]`: the process and its sockets.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Addresses that answer, for UDP and TCP alike.
    pub listen: Vec<SocketAddr>,
    /// Addresses that answer over TLS (RFC 7858).
    pub listen_tls: Vec<SocketAddr>,
    /// Addresses that answer over HTTPS: versions 1.1 and 2 over TCP, 3 over UDP (RFC 8484).
    pub listen_https: Vec<SocketAddr>,
    /// Addresses that answer over QUIC, over UDP (RFC 9250).
    pub listen_quic: Vec<SocketAddr>,
    /// Where everything that survives a restart lives.
    pub state_dir: PathBuf,
    /// UDP threads for each address.
    pub workers: usize,
    /// What happens to a version that the disk does not take (R03).
    pub durability: Durability,
    /// Octets of history that are kept for each zone, for IXFR.
    pub history_octets_max: u64,
    /// A stream without a whole query for this long is closed (RFC 7766 §6.2.3).
    pub tcp_idle: Duration,
    /// Streams open at once.
    pub tcp_connections: usize,
    /// Streams of one client address open at once.
    pub tcp_connections_per_client: usize,
    /// Octets of replaced versions that transfers out may keep in memory (R21).
    pub pinned_octets_max: u64,
    /// The largest UDP payload that is sent (RFC 9715 §3.1).
    pub udp_payload_max: u16,
    /// The same to clients of IPv6, whose packets nobody on the way takes apart.
    pub udp_payload_max_ipv6: u16,
    /// The answer to `version.bind`; refused if absent (RFC 4892 §2).
    pub version: Option<String>,
    /// The answer to `id.server` and `hostname.bind`; refused if absent.
    pub identity: Option<String>,
    /// The NSID for those who ask for it (RFC 5001).
    pub nsid: Option<String>,
    /// Where ANY is answered with one RRset only (RFC 8482).
    pub minimal_any: MinimalAny,
    /// Proxies whose word about their clients is believed (PROXY protocol, version 2).
    pub proxy_from: Vec<IpNet>,
}

/// What happens to a version that the disk does not take (R03).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Publish it all the same, and say that it is not on disk.
    Prefer,
    /// Keep the last version that is on disk.
    Require,
}

/// Where ANY is answered with one RRset only (RFC 8482 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinimalAny {
    /// On every transport.
    Always,
    /// Over UDP; a stream gets everything.
    Udp,
}

/// `[rrl]`: how many replies a client network gets over UDP (R26).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rrl {
    /// Replies of one class a second; 0 for no limit.
    pub per_second: u32,
    /// Each n-th reply over the limit is sent truncated; 0 for none.
    pub slip: u32,
    /// Who is never limited.
    pub exempt: Vec<Rule>,
    /// Whether replies over the limit are only counted.
    pub log_only: bool,
}

/// `[cookies]`: DNS cookies (RFC 7873, RFC 9018).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookies {
    /// What is done with them.
    pub mode: CookieMode,
    /// Secrets that several servers share, the one that makes cookies first; `None` if the server makes
    /// its own.
    pub secrets: Option<Vec<CookieSecret>>,
}

/// `[reports]`: errors that resolvers find in answers (RFC 9567).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reports {
    /// Where resolvers are asked to report them to.
    pub channel: Option<Name>,
    /// The domain here under which they come in.
    pub agent: Option<Name>,
}

/// `[tls]`: how the server shows who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// A PEM file with the certificate and those that lead from it to the root.
    pub certificate: PathBuf,
    /// A PEM file with its private key; it may be the same file.
    pub key: PathBuf,
}

/// `[control]`: the operator's way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The unix socket, at most [`SOCKET_PATH_OCTETS_MAX`] octets long.
    pub socket: PathBuf,
}

/// The longest path that a unix socket address can hold (`sun_path` less its final zero).
pub const SOCKET_PATH_OCTETS_MAX: usize = 107;

/// A TSIG key.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The key's name, in lower case.
    pub name: Name,
    /// The mnemonic in lower case: one of [`ALGORITHMS`].
    pub algorithm: &'static str,
    /// The shared secret, decoded.
    pub secret: Vec<u8>,
    /// The shortest MAC that is taken (RFC 8945 §5.2.2.1).
    pub mac_octets_min: usize,
}

/// The TSIG algorithms that can be named (RFC 8945 §6), strongest last.
pub const ALGORITHMS: [&str; 5] = ["hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"];

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("name", &self.name)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// A position in [`Config::peers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerIndex(pub usize);

/// `[peers.NAME]`: another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The name in the config.
    pub name: String,
    /// Where we connect; a peer without a key is known by the address part (R24).
    pub address: SocketAddr,
    /// The key that it signs with and that we sign with towards it.
    pub key: Option<Name>,
    /// Whether a signed request must come from `address` as well (R24).
    pub require_address: bool,
}

/// Whom a rule means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Anybody: `"any"`.
    Any,
    /// An address or a prefix.
    Net(IpNet),
    /// Whoever signs with this key: `"key:NAME"`.
    Key(Name),
    /// A configured peer, by its name.
    Peer(PeerIndex),
}

/// One entry of `allow_transfer`, `allow_query` or `rrl.exempt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whom it means.
    pub who: Who,
    /// What was written, for `explain` and the log.
    pub text: String,
}

/// One zone, whatever the config said in how many places.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// Its apex.
    pub name: Name,
    /// What we are for it.
    pub role: Role,
    /// Whom we send NOTIFY.
    pub notify: Vec<PeerIndex>,
    /// Whether the name servers of the zone are sent NOTIFY too, where zones served here have their
    /// addresses.
    pub notify_ns: bool,
    /// Who may transfer it; nobody unless listed.
    pub transfer: Vec<Rule>,
    /// Who may query it; `None` is everybody.
    pub query: Option<Vec<Rule>>,
    /// What happens to a version that removes much (R13).
    pub guard: Guard,
    /// What each of its versions must be like: `[limits]`, `zonemd`, `zonemd_generate`.
    pub demands: Demands,
    /// The pattern that it came from, if it was not named.
    pub pattern: Option<String>,
    /// Where the config defines it, as `FILE:LINE`.
    pub position: String,
}

/// What we are for a zone.
#[derive(Clone, Debug, PartialEq)]
pub enum Role {
    /// We have the file.
    Primary(Primary),
    /// We follow others.
    Secondary(Secondary),
}

/// A zone whose truth is a file here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Primary {
    /// The zone file.
    pub file: PathBuf,
    /// How serials are chosen (R11).
    pub serial: SerialPolicy,
    /// What is served after a start with a broken file (R02).
    pub cold_start_bad_file: ColdStart,
}

/// A zone whose truth is elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secondary {
    /// Whom we ask, in this order, and whose NOTIFY we believe.
    pub primaries: Vec<PeerIndex>,
    /// Whether differences are asked for; otherwise whole zones only.
    pub ixfr: bool,
    /// What a lower serial at the primary leads to (R20).
    pub lower_serial: LowerSerial,
    /// Octets that one transfer may bring.
    pub transfer_octets_max: u64,
    /// Records that one transfer may bring.
    pub transfer_records_max: u64,
    /// Time that one transfer may take.
    pub transfer_time_max: Duration,
}

/// How serials of a primary are chosen (R11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SerialPolicy {
    /// The file's if it is newer, else one more than the last.
    Increment,
    /// Only ever the file's.
    Keep,
    /// YYYYMMDDnn.
    Date,
    /// Seconds since 1970.
    UnixTime,
}

/// What happens to a version that removes more records *and* a greater share of the names (R13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// What happens.
    pub action: GuardAction,
    /// Records.
    pub records: u64,
    /// Per cent of the names.
    pub percent: u8,
}

/// What the guard does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardAction {
    /// Nothing.
    Off,
    /// It publishes the version and says so: the default of a secondary.
    Alarm,
    /// It keeps the version back until `zone confirm SERIAL`: the default of a primary.
    Hold,
}

/// What is served after a start with a broken file (R02).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColdStart {
    /// The last version that was published.
    ServeLast,
    /// SERVFAIL until the file is good.
    ServFail,
}

impl Config {
    /// Reads the config at `path`, the secrets it names and the directories of its patterns.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        read(path, &[])
    }

    /// Reads the same file again. A zone of a pattern that is still there stays even if its file is
    /// gone: a vanished file never removes a zone (R09).
    pub fn reload(&self) -> Result<Config, ConfigError> {
        read(&self.path, &self.zones)
    }

    /// What a later [`Config::reload`] needs of it: not the zones that have an entry of their own. Of very
    /// many they would take as much memory as the zones themselves.
    pub fn without_named_zones(mut self) -> Config {
        self.zones.retain(|zone| zone.pattern.is_some());
        self.zones.shrink_to_fit();
        self
    }

    /// The peer at `index`.
    pub fn peer(&self, index: PeerIndex) -> &Peer {
        &self.peers[index.0]
    }
}

fn read(path: &Path, known: &[Zone]) -> Result<Config, ConfigError> {
    let octets = std::fs::read(path).map_err(|error| ConfigError::unreadable(path, &error))?;
    let text = String::from_utf8(octets).map_err(|error| ConfigError::not_utf8(path, &error))?;
    check::check(path, text, known)
}

#[cfg(test)]
mod tests;
