//! The types that zones are made of: numbers, mnemonics, how RDATA looks as text, and samples.

use crate::name::Name;

pub const A: u16 = 1;
pub const NS: u16 = 2;
pub const CNAME: u16 = 5;
pub const SOA: u16 = 6;
pub const PTR: u16 = 12;
pub const MX: u16 = 15;
pub const TXT: u16 = 16;
pub const AAAA: u16 = 28;
pub const SRV: u16 = 33;
pub const DNAME: u16 = 39;
pub const OPT: u16 = 41;
pub const DS: u16 = 43;
pub const RRSIG: u16 = 46;
pub const NSEC: u16 = 47;
pub const NSEC3: u16 = 50;
pub const ANY: u16 = 255;

const MNEMONICS: &[(u16, &str)] = &[
    (A, "A"),
    (NS, "NS"),
    (CNAME, "CNAME"),
    (SOA, "SOA"),
    (PTR, "PTR"),
    (MX, "MX"),
    (TXT, "TXT"),
    (AAAA, "AAAA"),
    (SRV, "SRV"),
    (DNAME, "DNAME"),
    (DS, "DS"),
    (ANY, "ANY"),
];

/// The mnemonic, or `TYPE` and the number (RFC 3597 §5).
pub fn text(rtype: u16) -> String {
    let samples = SAMPLES.iter().map(|(number, mnemonic, ..)| (number, mnemonic));
    let mut all = MNEMONICS.iter().map(|(number, mnemonic)| (number, mnemonic)).chain(samples);
    let known = all.find(|(number, mnemonic)| **number == rtype && !mnemonic.is_empty());
    known.map_or_else(|| format!("TYPE{rtype}"), |(_, mnemonic)| (*mnemonic).to_owned())
}

/// Octets before, and names in the RDATA of types that may be compressed (RFC 1035 §3.3).
pub fn compressible(rtype: u16) -> (usize, usize) {
    match rtype {
        NS | 3 | 4 | CNAME | 7 | 8 | 9 | PTR => (0, 1),
        SOA | 14 => (0, 2),
        MX => (2, 1),
        _ => (0, 0),
    }
}

/// The same of every type whose RDATA begins so and holds names.
pub fn named(rtype: u16) -> (usize, usize) {
    match rtype {
        17 | 58 => (0, 2),
        18 | 21 | 36 | 107 => (2, 1),
        26 => (2, 2),
        SRV => (6, 1),
        DNAME => (0, 1),
        _ => compressible(rtype),
    }
}

/// Whether some server does not know the type by a name that others write.
pub fn is_little_known(rtype: u16) -> bool {
    rtype <= 260 && SAMPLES.iter().any(|(number, mnemonic, ..)| *number == rtype && mnemonic.is_empty())
}

/// RDATA as a zone file has it; what is not well-formed and what has no mnemonic here in the generic form.
pub fn rdata_text(rtype: u16, rdata: &[u8]) -> String {
    plain_text(rtype, rdata).unwrap_or_else(|| format!("\\# {} {}", rdata.len(), hex(rdata)))
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn plain_text(rtype: u16, rdata: &[u8]) -> Option<String> {
    Some(match rtype {
        A => std::net::Ipv4Addr::from(<[u8; 4]>::try_from(rdata).ok()?).to_string(),
        AAAA => std::net::Ipv6Addr::from(<[u8; 16]>::try_from(rdata).ok()?).to_string(),
        NS | CNAME | PTR | DNAME => Name::from_wire(rdata).to_string(),
        MX => format!("{} {}", number(rdata, 0)?, Name::from_wire(rdata.get(2..)?)),
        SRV => format!(
            "{} {} {} {}",
            number(rdata, 0)?,
            number(rdata, 2)?,
            number(rdata, 4)?,
            Name::from_wire(rdata.get(6..)?)
        ),
        SOA => {
            let (names, numbers) = rdata.split_at(rdata.len().checked_sub(20)?);
            let first: usize =
                Name::from_wire(names).labels().iter().map(|label| label.len() + 1).sum::<usize>() + 1;
            let numbers: Vec<String> = numbers
                .chunks(4)
                .map(|four| u32::from_be_bytes(four.try_into().expect("four octets")).to_string())
                .collect();
            let names = [Name::from_wire(&names[..first]), Name::from_wire(names.get(first..)?)];
            format!("{} {} {}", names[0], names[1], numbers.join(" "))
        }
        TXT => {
            let (mut strings, mut rest) = (Vec::new(), rdata);
            while let Some((length, tail)) = rest.split_first() {
                let (string, after) = tail.split_at_checked(usize::from(*length))?;
                strings.push(quoted(string));
                rest = after;
            }
            strings.join(" ")
        }
        DS => {
            let (head, digest) = rdata.split_at_checked(4)?;
            format!("{} {} {} {}", number(head, 0)?, head[2], head[3], hex(digest))
        }
        _ => {
            let same =
                |(number, _, _, octets): &&(u16, &str, &str, &[u8])| *number == rtype && *octets == rdata;
            let (_, _, text, _) = SAMPLES.iter().find(same)?;
            (!text.is_empty()).then(|| (*text).to_owned())?
        }
    })
}

fn number(rdata: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(rdata.get(at..at + 2)?.try_into().ok()?))
}

fn quoted(string: &[u8]) -> String {
    let escape = |octet: &u8| match octet {
        b'"' | b'\\' => format!("\\{}", char::from(*octet)),
        b' '..=b'~' => char::from(*octet).to_string(),
        _ => format!("\\{octet:03}"),
    };
    format!("\"{}\"", string.iter().map(escape).collect::<String>())
}

/// A record of each type that zones use seldom: number, mnemonic and RDATA as text, and in octets. What
/// one of the servers does not know by name is written in the generic form.
pub const SAMPLES: &[(u16, &str, &str, &[u8])] = &[
    (13, "HINFO", "\"PC\" \"Linux\"", b"\x02PC\x05Linux"),
    (14, "MINFO", "owner.test. errors.test.", b"\x05owner\x04test\0\x06errors\x04test\0"),
    (17, "RP", "admin.test. txt.test.", b"\x05admin\x04test\0\x03txt\x04test\0"),
    (18, "AFSDB", "1 afs.test.", b"\0\x01\x03afs\x04test\0"),
    (19, "", "", b"\x0c311061700956"),
    (20, "", "", b"\x0f150862028003217\x03004"),
    (21, "", "", b"\0\x0a\x05relay\x04test\0"),
    (26, "", "", b"\0\x0a\x01a\x04test\0\x01b\x04test\0"),
    (29, "LOC", "52 22 23.000 N 4 53 32.000 E -2.00m 1m 10000m 10m", b"\0\x12\x16\x13\x8b<\xf0\x18\x81\x0c\xbc\xe0\0\x98\x95\xb8"),
    (35, "NAPTR", "100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:info@a.test!\" .", b"\0d\0\x0a\x01u\x07E2U+sip\x16!^.*$!sip:info@a.test!\0"),
    (36, "KX", "10 kx.test.", b"\0\x0a\x02kx\x04test\0"),
    (37, "CERT", "3 0 0 AQIDBA==", b"\0\x03\0\0\0\x01\x02\x03\x04"),
    (42, "APL", "1:192.168.32.0/21", b"\0\x01\x15\x03\xc0\xa8\x20"),
    (44, "SSHFP", "4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789", b"\x04\x02\x12\x34\x56\x78\x9a\xbc\xde\xf6\x78\x90\x12\x34\x56\x78\x9a\xbc\xde\xf6\x78\x90\x12\x34\x56\x78\x9a\xbc\xde\xf1\x23\x45\x67\x89"),
    (45, "IPSECKEY", "10 1 2 192.0.2.38 AQNR", b"\x0a\x01\x02\xc0\0\x02\x26\x01\x03\x51"),
    (49, "DHCID", "AAIBY2/AuCccgoJbsaxcQQ==", b"\0\x02\x01\x63\x6f\xc0\xb8\x27\x1c\x82\x82\x5b\xb1\xac\x5c\x41"),
    (52, "TLSA", "3 1 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971", b"\x03\x01\x01\xd2\xab\xde\x24\x0d\x7c\xd3\xee\x6b\x4b\x28\xc5\x4d\xf0\x34\xb9\x79\x83\xa1\xd1\x6e\x8a\x41\x0e\x45\x61\xcb\x10\x66\x18\xe9\x71"),
    (53, "SMIMEA", "3 0 1 00ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e", b"\x03\0\x01\0\xff\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e"),
    (55, "", "", b"\x02\x02\0\x04\xab\xcd\x01\x02\x03\x04\x02rv\x04test\0"),
    (61, "OPENPGPKEY", "mQENBFVH", b"\x99\x01\x0d\x04\x55\x47"),
    (62, "CSYNC", "66 3 A NS AAAA", b"\0\0\0\x42\0\x03\0\x04\x60\0\0\x08"),
    (64, "SVCB", "16 foo.test. port=53", b"\0\x10\x03foo\x04test\0\0\x03\0\x02\0\x35"),
    (65, "HTTPS", "1 . alpn=h2", b"\0\x01\0\0\x01\0\x03\x02h2"),
    (99, "SPF", "\"v=spf1 -all\"", b"\x0bv=spf1 -all"),
    (104, "NID", "10 1014:4fff:ff20:ee64", b"\0\x0a\x10\x14\x4f\xff\xff\x20\xee\x64"),
    (105, "L32", "10 10.1.2.0", b"\0\x0a\x0a\x01\x02\0"),
    (106, "L64", "10 2001:1db8:1140:1000", b"\0\x0a\x20\x01\x1d\xb8\x11\x40\x10\0"),
    (107, "LP", "10 l64.test.", b"\0\x0a\x03l64\x04test\0"),
    (108, "EUI48", "00-00-5e-00-53-2a", b"\0\0\x5e\0\x53\x2a"),
    (109, "EUI64", "00-00-5e-ef-10-00-00-2a", b"\0\0\x5e\xef\x10\0\0\x2a"),
    (256, "URI", "10 1 \"ftp://ftp1.test/public\"", b"\0\x0a\0\x01ftp://ftp1.test/public"),
    (257, "CAA", "0 issue \"ca.test\"", b"\0\x05issueca.test"),
    (260, "", "", b"\x0a\x01\xcb\0\x71\x0f"),
    (1234, "", "", b"\x01\x02\x03"),
    (65280, "", "", b""),
    (65534, "", "", b"\0"),
];
