//! Record types and classes: numbers with mnemonics (the IANA registry, RFC 3597 §5 for the rest).

use std::fmt;
use std::str::FromStr;

/// A record type or query type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordType(pub u16);

/// A class or query class.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(pub u16);

macro_rules! numbers {
    ($type:ident, $($name:ident = $number:literal $text:literal,)*) => {
        impl $type {
            $(#[doc = concat!("`", $text, "`, number ", $number, ".")] pub const $name: $type = $type($number);)*

            /// The mnemonic, if the number has one here.
            pub fn mnemonic(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($text),)*
                    _ => None,
                }
            }

            /// Reads a mnemonic in any case; the generic form of RFC 3597 is read by `from_str`.
            pub fn from_mnemonic(text: &str) -> Option<$type> {
                $(if text.eq_ignore_ascii_case($text) { return Some($type($number)); })*
                None
            }
        }
    };
}

numbers! { RecordType,
    A = 1 "A", NS = 2 "NS", MD = 3 "MD", MF = 4 "MF", CNAME = 5 "CNAME", SOA = 6 "SOA", MB = 7 "MB",
    MG = 8 "MG", MR = 9 "MR", NULL = 10 "NULL", WKS = 11 "WKS", PTR = 12 "PTR", HINFO = 13 "HINFO",
    MINFO = 14 "MINFO", MX = 15 "MX", TXT = 16 "TXT", RP = 17 "RP", AFSDB = 18 "AFSDB", X25 = 19 "X25",
    ISDN = 20 "ISDN", RT = 21 "RT", NSAP = 22 "NSAP", NSAP_PTR = 23 "NSAP-PTR", SIG = 24 "SIG",
    KEY = 25 "KEY", PX = 26 "PX", GPOS = 27 "GPOS", AAAA = 28 "AAAA", LOC = 29 "LOC", NXT = 30 "NXT",
    EID = 31 "EID", NIMLOC = 32 "NIMLOC", SRV = 33 "SRV", ATMA = 34 "ATMA", NAPTR = 35 "NAPTR",
    KX = 36 "KX", CERT = 37 "CERT", A6 = 38 "A6", DNAME = 39 "DNAME", SINK = 40 "SINK", OPT = 41 "OPT",
    APL = 42 "APL", DS = 43 "DS", SSHFP = 44 "SSHFP", IPSECKEY = 45 "IPSECKEY", RRSIG = 46 "RRSIG",
    NSEC = 47 "NSEC", DNSKEY = 48 "DNSKEY", DHCID = 49 "DHCID", NSEC3 = 50 "NSEC3",
    NSEC3PARAM = 51 "NSEC3PARAM", TLSA = 52 "TLSA", SMIMEA = 53 "SMIMEA", HIP = 55 "HIP",
    NINFO = 56 "NINFO", RKEY = 57 "RKEY", TALINK = 58 "TALINK", CDS = 59 "CDS", CDNSKEY = 60 "CDNSKEY",
    OPENPGPKEY = 61 "OPENPGPKEY", CSYNC = 62 "CSYNC", ZONEMD = 63 "ZONEMD", SVCB = 64 "SVCB",
    HTTPS = 65 "HTTPS", DSYNC = 66 "DSYNC", HHIT = 67 "HHIT", BRID = 68 "BRID", SPF = 99 "SPF",
    NID = 104 "NID", L32 = 105 "L32", L64 = 106 "L64", LP = 107 "LP", EUI48 = 108 "EUI48",
    EUI64 = 109 "EUI64", NXNAME = 128 "NXNAME", TKEY = 249 "TKEY", TSIG = 250 "TSIG", IXFR = 251 "IXFR",
    AXFR = 252 "AXFR", MAILB = 253 "MAILB", MAILA = 254 "MAILA", ANY = 255 "ANY", URI = 256 "URI",
    CAA = 257 "CAA", AVC = 258 "AVC", DOA = 259 "DOA", AMTRELAY = 260 "AMTRELAY", RESINFO = 261 "RESINFO",
    WALLET = 262 "WALLET", CLA = 263 "CLA", IPN = 264 "IPN", TA = 32768 "TA", DLV = 32769 "DLV",
}

numbers! { Class, IN = 1 "IN", CH = 3 "CH", HS = 4 "HS", NONE = 254 "NONE", ANY = 255 "ANY", }

impl RecordType {
    /// Types that exist in questions or messages only and can never be zone data
    /// (RFC 6895 §3.1: 0, OPT, and the Meta and QTYPE range 128-255).
    pub fn is_meta(self) -> bool {
        matches!(self.0, 0 | 41 | 128..=255)
    }
}

macro_rules! text {
    ($type:ident, $generic:literal) => {
        /// The mnemonic, or the generic form of RFC 3597 §5.
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.mnemonic() {
                    Some(text) => f.write_str(text),
                    None => write!(f, concat!($generic, "{}"), self.0),
                }
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        /// Reads a mnemonic or the generic form, in any case.
        impl FromStr for $type {
            type Err = ();

            fn from_str(text: &str) -> Result<$type, ()> {
                if let Some(known) = $type::from_mnemonic(text) {
                    return Ok(known);
                }
                let digits = text
                    .split_at_checked($generic.len())
                    .filter(|(head, _)| head.eq_ignore_ascii_case($generic))
                    .map(|(_, digits)| digits)
                    .filter(|digits| digits.bytes().all(|octet| octet.is_ascii_digit()))
                    .ok_or(())?;
                digits.parse().map($type).map_err(|_| ())
            }
        }
    };
}

text!(RecordType, "TYPE");
text!(Class, "CLASS");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c09_mnemonics_and_generic_forms() {
        for (text, number) in [("a", 1), ("Nsap-Ptr", 23), ("TYPE1", 1), ("type65534", 65534), ("CAA", 257)] {
            assert_eq!(text.parse(), Ok(RecordType(number)), "{text}");
        }
        for text in ["", "TYPE", "TYPE65536", "TYPE+1", "NOSUCH", "TYP1"] {
            assert_eq!(text.parse::<RecordType>(), Err(()), "{text}");
        }
        assert_eq!(RecordType(731).to_string(), "TYPE731");
        assert_eq!("class3".parse(), Ok(Class::CH));
    }
}
