//! The RDATA table: octets of any type to text and back, and any text to octets.
#![no_main]

use bellwether::dns::rdata::{self, Token};
use bellwether::dns::{NameRef, RecordType};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((rtype, octets)) = input.split_first_chunk::<2>() else { return };
    let rtype = RecordType(u16::from_be_bytes(*rtype));
    let mut line = String::new();
    rdata::write_text(rtype, octets, &mut line);
    if rdata::check(rtype, octets).is_ok() {
        assert_eq!(read(rtype, line.as_bytes()).as_deref(), Some(octets), "{line}");
    }
    let mut form = Vec::new();
    rdata::canonical(rtype, octets, &mut form);
    let mut again = Vec::new();
    rdata::canonical(rtype, &form, &mut again);
    assert_eq!(form, again, "the canonical form of a canonical form");
    assert!(rdata::same(rtype, octets, &form));
    // The same octets in a message, where names may be compressed.
    let mut read_back = Vec::new();
    if rdata::read(rtype, octets, 0, octets.len(), &mut read_back).is_ok() {
        assert!(rdata::check(rtype, &read_back).is_ok());
    }
    // The same octets as text.
    if let Some(wire) = read(rtype, octets) {
        assert!(rdata::check(rtype, &wire).is_ok());
        let mut line = String::new();
        rdata::write_text(rtype, &wire, &mut line);
        assert_eq!(read(rtype, line.as_bytes()), Some(wire), "{line}");
    }
});

/// The wire form of a line, split as simply as can be.
fn read(rtype: RecordType, line: &[u8]) -> Option<Vec<u8>> {
    let mut tokens = Vec::new();
    let mut rest = line;
    while let Some((first, more)) = rest.split_first() {
        match first {
            b' ' => rest = more,
            b'"' => {
                let end = end_of(more, |octet| octet == b'"');
                tokens.push(Token { text: &more[..end], quoted: true });
                rest = more.get(end + 1..).unwrap_or_default();
            }
            _ => {
                let end = end_of(rest, |octet| octet == b' ' || octet == b'"');
                tokens.push(Token { text: &rest[..end], quoted: false });
                rest = &rest[end..];
            }
        }
    }
    let mut wire = Vec::new();
    match rdata::from_text(rtype, &tokens, NameRef::ROOT, &mut wire) {
        Ok(()) => Some(wire),
        Err(error) => {
            assert!(!error.to_string().is_empty() && error.hint() != Some(String::new()));
            None
        }
    }
}

/// Where an octet stands that is not escaped and ends a token.
fn end_of(octets: &[u8], ends: impl Fn(u8) -> bool) -> usize {
    let mut at = 0;
    while at < octets.len() && !ends(octets[at]) {
        at += if octets[at] == b'\\' { 2 } else { 1 };
    }
    at.min(octets.len())
}
