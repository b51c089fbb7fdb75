//! What looks nearly like RDATA of its type, and is none.

use super::*;

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
        // A digest has a kind at least.
        (RecordType::DS, vec![0, 1, 13], WireError::Short),
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
fn b33_octets_that_no_parameters_give_have_the_generic_form() {
    for parameters in [
        // alpn without a value, with a name without octets, and no-default-alpn alone.
        &b"\0\x01\0\0"[..],
        b"\0\x01\0\x04\x02h2\0",
        b"\0\x02\0\0",
        // mandatory with port that is absent, with port twice, with itself.
        b"\0\0\0\x02\0\x03",
        b"\0\0\0\x04\0\x03\0\x03\0\x03\0\x02\0\x35",
        b"\0\0\0\x04\0\0\0\x03\0\x03\0\x02\0\x35",
    ] {
        let octets = [&b"\0\x01\0"[..], parameters].concat();
        assert_eq!(check(RecordType::SVCB, &octets), Ok(()), "{octets:02x?}");
        let written = text(RecordType::SVCB, &octets);
        assert!(written.starts_with("\\# "), "{written}");
    }
}

#[test]
fn b33_parameters_that_do_not_stand_alone_or_together_are_refused() {
    let once = TextProblem::ParameterValue("each key once, and not mandatory itself");
    let names = TextProblem::ParameterValue("protocol names of 1 to 255 octets");
    let absent = TextProblem::ParameterAbsent("a parameter that is mandatory is absent");
    for (line, token, problem) in [
        ("1 . kay667=x", 2, TextProblem::UnknownParameter),
        ("1 . key65535=x", 2, TextProblem::UnknownParameter),
        ("1 . mandatory=mandatory,alpn alpn=h2", 2, once.clone()),
        ("1 . mandatory=alpn,alpn alpn=h2", 2, once),
        ("1 . alpn=h2,,h3", 2, names),
        ("1 . port=1 mandatory=port,alpn", 3, absent),
        ("1 . no-default-alpn", 2, TextProblem::ParameterAbsent("no-default-alpn needs alpn")),
    ] {
        refused(RecordType::SVCB, line, token, problem);
    }
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
        (RecordType::LOC, "42 X 71 W 24m", 1),
        (RecordType::LOC, "42 21 60 N 71 W 24m", 2),
        (RecordType::LOC, "42 21 54. N 71 W 24m", 2),
        (RecordType::LOC, "42 21 54.0001 N 71 W 24m", 2),
        (RecordType::LOC, "42 N 71 W .5m", 4),
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
    let long = "x".repeat(256);
    for (rtype, line, start) in [
        (RecordType::AAAA, "192.0.2.1", "this is an IPv4 address"),
        (RecordType::TXT, "a\"b\"", "put a space before the quote"),
        (RecordType::A, "\"192.0.2.1\"", "take the quotes away"),
        (RecordType::TXT, &long, "split it into several quoted strings"),
        (RecordType::CNAME, "a..b", "look for two dots"),
        (RecordType::CNAME, "\\256", "write \\\\ for a backslash"),
        (RecordType::TXT, "\\256", "write \\\\ for a backslash"),
        (RecordType::DS, "1 13 2 00", "look for digits that were lost"),
        (RecordType::NSEC, "a WHAT", "a type without a mnemonic is written TYPE"),
        (RecordType::SVCB, "1 . what=1", "a parameter without a name is written key"),
        (RecordType::NULL, "words", "write \\#"),
    ] {
        let hint = hint(rtype, line).expect("a hint");
        assert!(hint.starts_with(start), "{rtype} {line}: {hint}");
    }
}

#[test]
fn errors_name_the_part_of_a_field_that_has_parts() {
    for (rtype, line, field) in [
        (RecordType::LOC, "91 N 71 W 24m", "latitude"),
        (RecordType::LOC, "42 N 181 W 24m", "longitude"),
        (RecordType::LOC, "42 N 71 W high", "altitude"),
        (RecordType::LOC, "42 N 71 W 24m 1m far", "horizontal precision"),
        (RecordType::IPSECKEY, "10 4 2 . AQ==", "gateway type"),
        (RecordType::IPSECKEY, "10 1 2 here AQ==", "gateway"),
        (RecordType::AMTRELAY, "10 2 0 .", "discovery bit"),
        (RecordType::HIP, "2 00 !", "public key"),
    ] {
        assert_eq!(wire(rtype, line).unwrap_err().field, field, "{rtype} {line}");
    }
}
