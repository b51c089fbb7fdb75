//! What looks nearly like RDATA of its type, and is none.

use super::*;
use crate::dns::name::NameError;

#[test]
fn c17_octets_that_no_type_allows_are_refused() {
    let gateway = |kind: u8, octets: &[u8]| [&[10, kind, 2][..], octets].concat();
    for (rtype, octets, problem) in [
        (RecordType::IPSECKEY, gateway(1, &[192, 0, 2]), WireError::Short),
        (RecordType::IPSECKEY, gateway(2, &[0; 15]), WireError::Short),
        (RecordType::IPSECKEY, gateway(3, b"\x02no"), WireError::Name(NameError::Unfinished)),
        (RecordType::AMTRELAY, vec![10, 0x82, 0, 0], WireError::Short),
        // What follows the relay of a known type belongs to nothing.
        (RecordType::AMTRELAY, vec![10, 0, 7], WireError::Trailing),
        (RecordType::AMTRELAY, [&[10, 2][..], &[0; 17]].concat(), WireError::Trailing),
        (RecordType::AMTRELAY, b"\x0a\x03\x02no\x00!".to_vec(), WireError::Trailing),
        // No tag; no key.
        (RecordType::HIP, vec![0, 2, 0, 1, 7], WireError::BadValue),
        (RecordType::HIP, vec![1, 2, 0, 0, 7], WireError::BadValue),
        // A window without an octet, one that ends in zero, the same one twice, one too long.
        (RecordType::NSEC, b"\0\0\0".to_vec(), WireError::BadValue),
        (RecordType::NSEC, b"\0\0\x02\x40\0".to_vec(), WireError::BadValue),
        (RecordType::NSEC, b"\0\0\x01\x40\0\x01\x40".to_vec(), WireError::BadValue),
        (RecordType::NSEC, [&b"\0\0\x21"[..], &[1; 33]].concat(), WireError::Short),
    ] {
        assert_eq!(check(rtype, &octets), Err(problem), "{rtype} {octets:02x?}");
    }
}

#[test]
fn c17_octets_of_which_no_text_would_give_them_back_have_the_generic_form() {
    let mut place = wire(RecordType::LOC, "42 N 71 W 24m").unwrap();
    for precision in [0xa0, 0x1a, 0x01] {
        place[1] = precision;
        assert!(text(RecordType::LOC, &place).starts_with("\\# 16 "), "{precision:02x}");
    }
    // The key that is reserved.
    assert!(text(RecordType::SVCB, b"\0\x01\0\xff\xff\0\0").starts_with("\\# 7 "));
    assert_eq!(text(RecordType::SVCB, b"\0\x01\0\xff\xfe\0\0"), "1 . key65534");
}

#[test]
fn c17_text_that_no_type_allows_is_refused() {
    let long = "a".repeat(256);
    for (rtype, line, token) in [
        (RecordType::IPSECKEY, "10 0 2 a. AQ==", 3),
        (RecordType::IPSECKEY, "10 4 2 . AQ==", 1),
        (RecordType::AMTRELAY, "10 2 0 .", 1),
        (RecordType::AMTRELAY, "10 0 0 192.0.2.1", 3),
        (RecordType::CAA, "0 \"\" x", 1),
        (RecordType::CAA, &format!("0 {long} x"), 1),
        (RecordType::EUI48, "0-01-02-03-04-05", 0),
        (RecordType::EUI48, "00-01-02-03-04", 0),
        (RecordType::L64, "10 2001:db8::1", 1),
        (RecordType::NID, "10 0014:4fff:ff20:00001", 1),
        (RecordType::DS, "1 13 2 -", 3),
        (RecordType::MX, "\"\" a.", 0),
        (RecordType::MX, "65536 a.", 0),
        (RecordType::MX, "000000000000000000001 a.", 0),
        (RecordType::HIP, "2 \"\" AQ==", 1),
        (RecordType::HIP, "2 00 \"\"", 2),
    ] {
        match wire(rtype, line) {
            Ok(octets) => panic!("{rtype} {line} was read as {octets:02x?}"),
            Err(error) => assert_eq!(error.token, token, "{rtype} {line}: {error}"),
        }
    }
    assert!(wire(RecordType::CAA, &format!("0 {} x", "a".repeat(255))).is_ok());
    assert!(wire(RecordType::MX, "00000000000000000001 a.").is_ok());
}

#[test]
fn hints_fit_what_they_are_given_for() {
    let hint = |rtype, line| wire(rtype, line).unwrap_err().hint();
    let quotes = Some("put text with spaces in quotes".to_owned());
    assert_eq!(hint(RecordType::CAA, "0 issue a b"), quotes);
    assert_eq!(hint(RecordType::URI, "1 1 a b"), quotes);
    assert_eq!(hint(RecordType::A, "192.0.2.1 192.0.2.2"), None);
    let generic = hint(RecordType::NULL, "words").unwrap();
    assert!(generic.starts_with("write \\#"), "{generic}");
}
