//! What the operator wrote, and what it means.
//!
//! `raw` holds the shape of the TOML as serde reads it, with spans; `check` and `zone` turn it
//! into the typed values below and collect every problem they meet. Past this room nothing is text
//! that must be looked at again: names are names, paths are joined with the directory of the
//! config file, peers are indices. A key that nothing reads does not exist.
//!
//! Errors are shown as rustc shows them ([`ConfigError`]). Absent: sockets, the engine, and any
//! look into zone files.

mod check;
mod formula;
mod problem;
mod raw;
mod units;
mod zone;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use crate::dns::Name;

pub use formula::{FormulaError, file_stem, zone_of_stem};
pub use problem::{ConfigError, Paint, Problem};
pub use zone::{ColdStart, Guard, LowerSerial, Primary, Role, Secondary, SerialPolicy, Zone};

/// The whole configuration, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file it was read from, as it was named.
    pub path: PathBuf,
    /// `[server]`.
    pub server: Server,
    /// `[control]`.
    pub control: Control,
    /// `[timers]`.
    pub timers: Timers,
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
    /// The largest UDP payload that is sent (RFC 9715 §3.1).
    pub udp_payload_max: u16,
    /// The answer to `version.bind`; refused if absent (RFC 4892 §2).
    pub version: Option<String>,
    /// The answer to `id.server` and `hostname.bind`; refused if absent.
    pub identity: Option<String>,
    /// The NSID for those who ask for it (RFC 5001).
    pub nsid: Option<String>,
    /// Where ANY is answered with one RRset only (RFC 8482).
    pub minimal_any: MinimalAny,
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

/// `[control]`: the operator's way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The unix socket, at most [`SOCKET_PATH_OCTETS_MAX`] octets long.
    pub socket: PathBuf,
}

/// The longest path that a unix socket address can hold (`sun_path` less its final zero).
pub const SOCKET_PATH_OCTETS_MAX: usize = 107;

/// `[timers]`: clamps of what a zone's SOA says. They never raise EXPIRE unless `expire_min` is set (R19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// REFRESH is at least this.
    pub refresh_min: Duration,
    /// REFRESH is at most this.
    pub refresh_max: Option<Duration>,
    /// RETRY is at least this.
    pub retry_min: Duration,
    /// RETRY is at most this.
    pub retry_max: Option<Duration>,
    /// EXPIRE is at least this.
    pub expire_min: Option<Duration>,
    /// EXPIRE is at most this.
    pub expire_max: Option<Duration>,
}

/// A TSIG key.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The key's name, in lower case.
    pub name: Name,
    /// The mnemonic in lower case: one of [`ALGORITHMS`].
    pub algorithm: &'static str,
    /// The shared secret, decoded.
    pub secret: Vec<u8>,
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

/// One entry of `allow_transfer` or `allow_query`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whom it means.
    pub who: Who,
    /// What was written, for `explain` and the log.
    pub text: String,
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
