//! EDNS: what an OPT record says and what ours shall say (RFC 6891).
//!
//! [`Edns`] was read and its options are known to fill their RDATA exactly; unknown options and
//! flags are kept apart and ignored. Writing is `message::Writer::opt`. What an option means is the
//! business of `serve/`.

use std::time::Duration;

use super::{NameRef, Serial};
use crate::limits;

/// Octets of an OPT record without options.
pub const OPT_OCTETS_MIN: usize = 11;
/// Code and length in front of each option (§6.1.2).
pub const OPTION_OCTETS: usize = 4;
/// The client's part of a COOKIE (RFC 7873 §4).
pub const COOKIE_CLIENT_OCTETS: usize = 8;
/// KEEPALIVE with its time (RFC 7828 §3.1).
pub const KEEPALIVE_OCTETS: usize = 2;
/// ZONEVERSION with a serial (RFC 9660 §2).
pub const ZONEVERSION_OCTETS: usize = 6;
/// A COOKIE with a server's part of RFC 9018 §4.
pub const COOKIE_OCTETS: usize = COOKIE_CLIENT_OCTETS + 16;

/// Option codes (the IANA registry).
pub mod code {
    /// Name server identifier (RFC 5001).
    pub const NSID: u16 = 3;
    /// What is left until the zone expires (RFC 7314).
    pub const EXPIRE: u16 = 9;
    /// DNS cookies (RFC 7873).
    pub const COOKIE: u16 = 10;
    /// How long a connection is kept (RFC 7828).
    pub const KEEPALIVE: u16 = 11;
    /// Padding (RFC 7830).
    pub const PADDING: u16 = 12;
    /// Extended DNS errors (RFC 8914).
    pub const EDE: u16 = 15;
    /// Where errors are reported to (RFC 9567).
    pub const REPORT_CHANNEL: u16 = 18;
    /// The version of the zone that answered (RFC 9660).
    pub const ZONEVERSION: u16 = 19;
}

/// What the INFO-CODEs of extended errors mean, by number (the IANA registry).
const EDE_MEANINGS: [&str; 31] = [
    "Other Error",
    "Unsupported DNSKEY Algorithm",
    "Unsupported DS Digest Type",
    "Stale Answer",
    "Forged Answer",
    "DNSSEC Indeterminate",
    "DNSSEC Bogus",
    "Signature Expired",
    "Signature Not Yet Valid",
    "DNSKEY Missing",
    "RRSIGs Missing",
    "No Zone Key Bit Set",
    "NSEC Missing",
    "Cached Error",
    "Not Ready",
    "Blocked",
    "Censored",
    "Filtered",
    "Prohibited",
    "Stale NXDOMAIN Answer",
    "Not Authoritative",
    "Not Supported",
    "No Reachable Authority",
    "Network Error",
    "Invalid Data",
    "Signature Expired before Valid",
    "Too Early",
    "Unsupported NSEC3 Iterations Value",
    "Unable to conform to policy",
    "Synthesized",
    "Invalid Query Type",
];

/// What an INFO-CODE of an extended error means, if it is registered (RFC 8914 §5.2).
pub fn ede_meaning(info_code: u16) -> Option<&'static str> {
    EDE_MEANINGS.get(usize::from(info_code)).copied()
}

/// The DO bit among the flags (RFC 3225 §3).
const DO: u16 = 0x8000;

/// An OPT record that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns<'a> {
    /// The sender's UDP payload size as it was sent; see [`Edns::payload`].
    pub udp_size: u16,
    /// The version; only 0 exists.
    pub version: u8,
    /// Whether DNSSEC records are wanted.
    pub do_bit: bool,
    /// The upper eight bits of the RCODE.
    pub extended_rcode: u8,
    /// The options in wire form; empty if the version is unknown.
    pub options: &'a [u8],
}

impl<'a> Edns<'a> {
    /// Reads the class, TTL and RDATA of an OPT record (RFC 6891 §6.1.2). `None` if an option
    /// reaches past the RDATA (A32).
    pub(crate) fn read(class: u16, ttl: u32, rdata: &'a [u8]) -> Option<Edns<'a>> {
        let [extended_rcode, version, f0, f1] = ttl.to_be_bytes();
        // What follows an unknown version may be something else than options.
        let options = if version == 0 { rdata } else { &[] };
        let mut rest = options;
        while !rest.is_empty() {
            (_, rest) = split_option(rest)?;
        }
        let do_bit = u16::from_be_bytes([f0, f1]) & DO != 0;
        Some(Edns { udp_size: class, version, do_bit, extended_rcode, options })
    }

    /// How many octets the sender takes over UDP: less than 512 is read as 512 (RFC 6891 §6.2.3).
    pub fn payload(&self) -> usize {
        usize::from(self.udp_size.max(limits::UDP_PAYLOAD_MIN))
    }

    /// The options as code and data, in the order in which they came.
    pub fn options(&self) -> Options<'a> {
        Options(self.options)
    }

    /// What a request asks for.
    pub fn wanted(&self) -> Wanted<'a> {
        let mut wanted = Wanted::default();
        for (code, data) in self.options() {
            match code {
                code::NSID => wanted.nsid = true,
                code::EXPIRE => wanted.expire = true,
                code::KEEPALIVE => wanted.keepalive = true,
                code::ZONEVERSION => wanted.zone_version = true,
                code::PADDING => wanted.padding = true,
                // RFC 7873 §5.2: of several the first counts.
                code::COOKIE => wanted.cookie = wanted.cookie.or(Some(data)),
                _ => {}
            }
        }
        wanted
    }

    /// The data of the first option with this code.
    pub fn option(&self, code: u16) -> Option<&'a [u8]> {
        self.options().find(|(found, _)| *found == code).map(|(_, data)| data)
    }
}

/// The options of a request that are answered here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// RFC 5001.
    pub nsid: bool,
    /// RFC 7314.
    pub expire: bool,
    /// RFC 7828.
    pub keepalive: bool,
    /// RFC 9660.
    pub zone_version: bool,
    /// RFC 7830.
    pub padding: bool,
    /// RFC 7873: the client's cookie, perhaps with a server's.
    pub cookie: Option<&'a [u8]>,
}

/// Walks options.
#[derive(Clone, Debug)]
pub struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = EdnsOption<'a>;

    fn next(&mut self) -> Option<EdnsOption<'a>> {
        let (option, rest) = split_option(self.0)?;
        self.0 = rest;
        Some(option)
    }
}

/// An option as it was read: its code and its data.
type EdnsOption<'a> = (u16, &'a [u8]);

/// The option at the start and what follows it.
fn split_option(octets: &[u8]) -> Option<(EdnsOption<'_>, &[u8])> {
    let (&[c0, c1, l0, l1], rest) = octets.split_first_chunk::<4>()?;
    let (data, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
    Some(((u16::from_be_bytes([c0, c1]), data), rest))
}

/// The data of KEEPALIVE: in units of 100 ms (RFC 7828 §3.1).
pub fn keepalive(idle: Duration) -> [u8; KEEPALIVE_OCTETS] {
    u16::try_from(idle.as_millis() / 100).unwrap_or(u16::MAX).to_be_bytes()
}

/// The data of ZONEVERSION: how many labels the zone's name has, the type SOA-SERIAL, and the serial
/// (RFC 9660 §2, §7.2).
pub fn zone_version(apex: NameRef<'_>, serial: Serial) -> [u8; ZONEVERSION_OCTETS] {
    const SOA_SERIAL: u8 = 0;
    let [s0, s1, s2, s3] = serial.0.to_be_bytes();
    // A name has at most 127 labels.
    [apex.label_count() as u8, SOA_SERIAL, s0, s1, s2, s3]
}

/// An OPT record to write. The upper bits of the RCODE come from the writer; the version is 0 and
/// all flags but DO are zero (A31).
#[derive(Clone, Copy, Debug, Default)]
pub struct Opt<'a> {
    /// The UDP payload that we take.
    pub udp_size: u16,
    /// DO, copied from the request (A33).
    pub do_bit: bool,
    /// Options, the dearest first: what does not fit is dropped from the end.
    pub options: &'a [OptOption<'a>],
}

/// An option to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptOption<'a> {
    /// Any option.
    Plain {
        /// Its code.
        code: u16,
        /// Its data, at most 65,535 octets.
        data: &'a [u8],
    },
    /// An extended DNS error (RFC 8914 §2). Its text is the first thing dropped if room is short (A43).
    Ede {
        /// INFO-CODE.
        info_code: u16,
        /// EXTRA-TEXT; may be empty.
        text: &'a str,
    },
}

impl OptOption<'_> {
    /// Octets on the wire.
    pub fn octets(&self) -> usize {
        match self {
            OptOption::Plain { data, .. } => 4 + data.len(),
            OptOption::Ede { text, .. } => 6 + text.len(),
        }
    }

    /// Octets on the wire without what may be left out.
    pub(crate) fn octets_min(&self) -> usize {
        match self {
            OptOption::Plain { .. } => self.octets(),
            OptOption::Ede { .. } => 6,
        }
    }
}

impl Opt<'_> {
    /// The flags field.
    pub(crate) fn flags(&self) -> u16 {
        if self.do_bit { DO } else { 0 }
    }

    /// Octets of the whole record.
    pub fn octets(&self) -> usize {
        OPT_OCTETS_MIN + self.options.iter().map(OptOption::octets).sum::<usize>()
    }
}
