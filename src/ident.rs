//! Small numbers that stand for things with long names.
//!
//! Zones and attempts have handles of one process: they are given out in the order in which things
//! are first configured, stay the same through a reload, and never reach the disk (the store writes
//! names). A peer's handle is made of its name, so that the state of the flock finds its peers again
//! after a restart.

use std::fmt;

/// A zone that this process knows, whatever its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneId(pub u32);

impl ZoneId {
    /// No zone has this handle: it stands for what is stored and not configured.
    pub const NOBODY: ZoneId = ZoneId(u32::MAX);
}

/// A configured peer (`[peers.NAME]`): a primary that we follow, a secondary that follows us, or both.
/// The same name has the same handle after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u32);

/// One request that is under way. What comes back carries it, so that a late answer to an attempt
/// that was given up is recognised, counted and ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(pub u64);

/// How a message came in or goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams; the only transport on which an answer may be truncated.
    Udp,
    /// A stream with two-octet length prefixes (RFC 7766).
    Tcp,
    /// The same inside TLS 1.3 (RFC 7858, and RFC 9103 for transfers).
    Tls,
    /// The same inside TLS 1.2, which does for queries only (RFC 9103 §7.2).
    Tls12,
    /// HTTPS, over TCP or QUIC (RFC 8484).
    Https,
    /// A stream of a QUIC connection for each query (RFC 9250).
    Quic,
}

impl Transport {
    /// Whether messages travel on a connection, so that size is no reason to truncate.
    pub fn is_stream(self) -> bool {
        self != Transport::Udp
    }

    /// Whether nobody on the way can read what is said: what padding is for (RFC 7830 §6).
    pub fn is_encrypted(self) -> bool {
        match self {
            Transport::Udp | Transport::Tcp => false,
            Transport::Tls | Transport::Tls12 | Transport::Https | Transport::Quic => true,
        }
    }

    /// Whether messages follow each other on one stream, so that a client may ask how long that is kept
    /// (RFC 7828 §3.2; RFC 9250 §5.5.2 forbids it over QUIC).
    pub fn keeps_alive(self) -> bool {
        match self {
            Transport::Tcp | Transport::Tls | Transport::Tls12 => true,
            Transport::Udp | Transport::Https | Transport::Quic => false,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Tls12 => "tls 1.2",
            Transport::Https => "https",
            Transport::Quic => "quic",
        })
    }
}
