//! The table that drives everything: which fields the RDATA of each type is made of.
//!
//! Reading text, writing text, checking, decompressing and the canonical form all walk these
//! rows; no other file knows a type by name, but for `additional_target`. A type without a row is
//! opaque (RFC 3597): any octets are valid and its text is the generic form. Opaque on purpose:
//! NULL, WKS, A6, EID, NIMLOC, ATMA, SINK, DOA, IPN and the meta types.

use crate::dns::RecordType;

/// One field of RDATA. Those that say "to the end" must come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// One octet, a decimal number in text.
    U8,
    /// Two octets, a decimal number in text.
    U16,
    /// Four octets, a decimal number in text.
    U32,
    /// Four octets: seconds, in text also with units (`1h30m`).
    Ttl,
    /// Four octets: seconds since 1970 or `YYYYMMDDHHmmSS` (RFC 4034 §3.2).
    Time,
    /// Two octets: a record type.
    Rtype,
    /// One octet: a number that text may also give by one of these names.
    Code8(Codes),
    /// Two octets: a number that text may also give by one of these names.
    Code16(Codes),
    /// A domain name; the row's [`NameRule`] says how it is treated.
    Name,
    /// Four octets: an IPv4 address.
    Ipv4,
    /// Sixteen octets: an IPv6 address.
    Ipv6,
    /// Six octets in hex with hyphens (RFC 7043 §3.2).
    Eui48,
    /// Eight octets in hex with hyphens (RFC 7043 §4.2).
    Eui64,
    /// Eight octets as four groups of hex with colons (RFC 6742 §2.1.1).
    Node64,
    /// One character-string of at most 255 octets (RFC 1035 §3.3).
    CharString,
    /// A character-string or nothing.
    OptionalCharString,
    /// One or more character-strings, to the end.
    CharStrings,
    /// A length octet and ASCII letters and digits (RFC 8659 §4.1).
    Tag,
    /// Octets written as one string of any length, to the end.
    Text,
    /// One octet, the kind of digest, and the digest in hex, to the end.
    Digest(&'static Digests),
    /// At least one octet in base64, to the end.
    Base64,
    /// Octets in base64 or nothing, to the end.
    OptionalBase64,
    /// A length octet and octets in hex, `-` for none (RFC 5155 §3.3).
    Salt,
    /// A length octet and octets in base32hex without padding (RFC 5155 §3.3).
    Hash,
    /// Which types exist, in windows (RFC 4034 §4.1.2), to the end.
    TypeBitmap,
    /// Service parameters (RFC 9460 §2.2), to the end.
    SvcParams,
    /// A place on Earth (RFC 1876), to the end.
    Loc,
    /// Address prefixes (RFC 3123), to the end.
    Apl,
    /// Gateway type, algorithm and gateway (RFC 4025 §2).
    IpsecGateway,
    /// Discovery bit, relay type and relay (RFC 8777 §4), to the end.
    AmtRelay,
    /// The whole of HIP (RFC 8005 §5), to the end.
    Hip,
    /// An OSI address, `0x` and hex in text (RFC 1706 §5), to the end.
    Nsap,
    /// Octets without a text form of their own, to the end.
    Opaque,
}

/// Names that stand for numbers in text.
pub(super) type Codes = &'static [(&'static str, u16)];

/// The kinds of digest that a type knows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Digests {
    /// What an error message calls the kind.
    pub(super) what: &'static str,
    /// Names that stand for kinds in text.
    pub(super) names: Codes,
    /// Octets of a digest by kind. In text another length is an error: many servers refuse a
    /// whole transfer for it.
    pub(super) octets: &'static [(u8, usize)],
}

/// What is done with the names in RDATA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameRule {
    /// RFC 1035: compressed when sent and received; lower case in the canonical form.
    Compress,
    /// RFC 3597 §4: decompressed when received, never compressed; lower case in the canonical form.
    Tolerate,
    /// Never compressed; lower case in the canonical form (RFC 4034 §6.2, RFC 6840 §5.1).
    Lower,
    /// Never compressed, case kept everywhere. Also for types without names.
    Exact,
}

/// The RDATA of one type.
#[derive(Debug)]
pub(super) struct Layout {
    rtype: RecordType,
    /// What is done with its names.
    pub(super) names: NameRule,
    /// The fields in order, each with the name that an error message calls it.
    pub(super) fields: &'static [(Field, &'static str)],
}

/// The row of a type; `None` if its RDATA is opaque.
pub(super) fn layout(rtype: RecordType) -> Option<&'static Layout> {
    let number = match rtype {
        RecordType::TA | RecordType::DLV => RecordType::DS.0,
        other => other.0,
    };
    match INDEX.get(usize::from(number)) {
        None | Some(0) => None,
        Some(row) => LAYOUTS.get(usize::from(*row) - 1),
    }
}

/// Row number plus one for each type number below 264.
static INDEX: [u8; 264] = {
    let mut index = [0; 264];
    let mut row = 0;
    while row < LAYOUTS.len() {
        index[LAYOUTS[row].rtype.0 as usize] = row as u8 + 1;
        row += 1;
    }
    index
};

macro_rules! layouts {
    ($($rtype:ident $names:ident { $($field:expr => $what:literal),+ })*) => {
        &[$(Layout {
            rtype: RecordType::$rtype,
            names: NameRule::$names,
            fields: &[$(($field, $what)),+],
        }),*]
    };
}

use Field::*;

const LAYOUTS: &[Layout] = layouts! {
    A          Exact    { Ipv4 => "address" }
    NS         Compress { Name => "name server" }
    MD         Compress { Name => "mail host" }
    MF         Compress { Name => "mail host" }
    CNAME      Compress { Name => "target" }
    SOA        Compress { Name => "primary server", Name => "mailbox", U32 => "serial", Ttl => "refresh",
                          Ttl => "retry", Ttl => "expire", Ttl => "minimum" }
    MB         Compress { Name => "mail host" }
    MG         Compress { Name => "mailbox" }
    MR         Compress { Name => "mailbox" }
    PTR        Compress { Name => "target" }
    HINFO      Exact    { CharString => "CPU", CharString => "operating system" }
    MINFO      Compress { Name => "mailbox", Name => "error mailbox" }
    MX         Compress { U16 => "preference", Name => "mail host" }
    TXT        Exact    { CharStrings => "text" }
    RP         Tolerate { Name => "mailbox", Name => "text name" }
    AFSDB      Tolerate { U16 => "subtype", Name => "host" }
    X25        Exact    { CharString => "PSDN address" }
    ISDN       Exact    { CharString => "ISDN address", OptionalCharString => "subaddress" }
    RT         Tolerate { U16 => "preference", Name => "host" }
    NSAP       Exact    { Nsap => "address" }
    NSAP_PTR   Exact    { Name => "target" }
    SIG        Tolerate { Rtype => "type covered", Code8(ALGORITHMS) => "algorithm", U8 => "label count",
                          U32 => "original TTL", Time => "expiration", Time => "inception", U16 => "key tag",
                          Name => "signer", Base64 => "signature" }
    KEY        Exact    { U16 => "flags", U8 => "protocol", Code8(ALGORITHMS) => "algorithm",
                          OptionalBase64 => "public key" }
    PX         Tolerate { U16 => "preference", Name => "RFC 822 name", Name => "X.400 name" }
    GPOS       Exact    { CharString => "longitude", CharString => "latitude", CharString => "altitude" }
    AAAA       Exact    { Ipv6 => "address" }
    LOC        Exact    { Loc => "location" }
    NXT        Tolerate { Name => "next name", Opaque => "types" }
    SRV        Tolerate { U16 => "priority", U16 => "weight", U16 => "port", Name => "target" }
    NAPTR      Tolerate { U16 => "order", U16 => "preference", CharString => "flags", CharString => "service",
                          CharString => "regular expression", Name => "replacement" }
    KX         Lower    { U16 => "preference", Name => "exchanger" }
    CERT       Exact    { Code16(CERTIFICATES) => "certificate type", U16 => "key tag",
                          Code8(ALGORITHMS) => "algorithm", Base64 => "certificate" }
    DNAME      Lower    { Name => "target" }
    APL        Exact    { Apl => "prefix" }
    DS         Exact    { U16 => "key tag", Code8(ALGORITHMS) => "algorithm", Digest(&DS_DIGESTS) => "digest" }
    SSHFP      Exact    { U8 => "algorithm", Digest(&SSHFP_DIGESTS) => "fingerprint" }
    IPSECKEY   Exact    { U8 => "precedence", IpsecGateway => "gateway", OptionalBase64 => "public key" }
    RRSIG      Lower    { Rtype => "type covered", Code8(ALGORITHMS) => "algorithm", U8 => "label count",
                          U32 => "original TTL", Time => "expiration", Time => "inception", U16 => "key tag",
                          Name => "signer", Base64 => "signature" }
    NSEC       Exact    { Name => "next name", TypeBitmap => "types" }
    DNSKEY     Exact    { U16 => "flags", U8 => "protocol", Code8(ALGORITHMS) => "algorithm",
                          Base64 => "public key" }
    DHCID      Exact    { Base64 => "identifier" }
    NSEC3      Exact    { U8 => "hash algorithm", U8 => "flags", U16 => "iterations", Salt => "salt",
                          Hash => "next hashed name", TypeBitmap => "types" }
    NSEC3PARAM Exact    { U8 => "hash algorithm", U8 => "flags", U16 => "iterations", Salt => "salt" }
    TLSA       Exact    { U8 => "usage", U8 => "selector", Digest(&TLSA_DIGESTS) => "certificate data" }
    SMIMEA     Exact    { U8 => "usage", U8 => "selector", Digest(&TLSA_DIGESTS) => "certificate data" }
    HIP        Exact    { Hip => "host identity" }
    NINFO      Exact    { CharStrings => "text" }
    RKEY       Exact    { U16 => "flags", U8 => "protocol", Code8(ALGORITHMS) => "algorithm",
                          Base64 => "public key" }
    TALINK     Exact    { Name => "previous name", Name => "next name" }
    CDS        Exact    { U16 => "key tag", Code8(ALGORITHMS) => "algorithm", Digest(&DS_DIGESTS) => "digest" }
    CDNSKEY    Exact    { U16 => "flags", U8 => "protocol", Code8(ALGORITHMS) => "algorithm",
                          Base64 => "public key" }
    OPENPGPKEY Exact    { Base64 => "public key" }
    CSYNC      Exact    { U32 => "serial", U16 => "flags", TypeBitmap => "types" }
    ZONEMD     Exact    { U32 => "serial", U8 => "scheme", Digest(&ZONEMD_DIGESTS) => "digest" }
    SVCB       Exact    { U16 => "priority", Name => "target", SvcParams => "parameter" }
    HTTPS      Exact    { U16 => "priority", Name => "target", SvcParams => "parameter" }
    DSYNC      Exact    { Rtype => "type", Code8(SCHEMES) => "scheme", U16 => "port", Name => "target" }
    HHIT       Exact    { Base64 => "entity tag" }
    BRID       Exact    { Base64 => "identifier" }
    SPF        Exact    { CharStrings => "text" }
    NID        Exact    { U16 => "preference", Node64 => "node identifier" }
    L32        Exact    { U16 => "preference", Ipv4 => "locator" }
    L64        Exact    { U16 => "preference", Node64 => "locator" }
    LP         Exact    { U16 => "preference", Name => "target" }
    EUI48      Exact    { Eui48 => "address" }
    EUI64      Exact    { Eui64 => "address" }
    URI        Exact    { U16 => "priority", U16 => "weight", Text => "target" }
    CAA        Exact    { U8 => "flags", Tag => "tag", Text => "value" }
    AVC        Exact    { CharStrings => "text" }
    AMTRELAY   Exact    { U8 => "precedence", AmtRelay => "relay" }
    RESINFO    Exact    { CharStrings => "text" }
    WALLET     Exact    { CharStrings => "text" }
    CLA        Exact    { CharStrings => "text" }
};

/// DNSSEC algorithm numbers (IANA registry), with the spellings that BIND takes.
const ALGORITHMS: Codes = &[
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("NSEC3DSA", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("NSEC3RSASHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECC-GOST", 12),
    ("ECCGOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ECDSA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
    ("INDIRECT", 252),
    ("PRIVATEDNS", 253),
    ("PRIVATEOID", 254),
];

/// Digest types of DS (IANA registry).
static DS_DIGESTS: Digests = Digests {
    what: "digest type",
    names: &[
        ("SHA-1", 1),
        ("SHA1", 1),
        ("SHA-256", 2),
        ("SHA256", 2),
        ("GOST", 3),
        ("SHA-384", 4),
        ("SHA384", 4),
    ],
    octets: &[(1, 20), (2, 32), (3, 32), (4, 48)],
};

/// Fingerprint types of SSHFP (RFC 4255 §3.1.2, RFC 6594).
static SSHFP_DIGESTS: Digests = Digests { what: "fingerprint type", names: &[], octets: &[(1, 20), (2, 32)] };

/// Matching types of TLSA and SMIMEA (RFC 6698 §2.1.3). Everybody loads any length of these.
static TLSA_DIGESTS: Digests = Digests { what: "matching type", names: &[], octets: &[] };

/// Hash algorithms of ZONEMD (RFC 8976 §5.3).
static ZONEMD_DIGESTS: Digests = Digests { what: "hash algorithm", names: &[], octets: &[(1, 48), (2, 64)] };

/// Certificate types (RFC 4398 §2.1).
const CERTIFICATES: Codes = &[
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];

/// Schemes of DSYNC (RFC 9859 §2.2).
const SCHEMES: Codes = &[("NOTIFY", 1)];
