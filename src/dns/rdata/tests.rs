//! A table of every type's text and wire form, the properties that hold for all of them, and a
//! comparison with an independent implementation.

use super::*;
use crate::dns::name::NameError;
use crate::dns::{Name, NameRef, RecordType};
use crate::limits;

mod properties;
mod refusals;
mod table;
mod tokens;

/// Takes a line apart as the scanner does: blanks between tokens, quotes around strings, a quote
/// inside a word belongs to it.
fn tokens(line: &str) -> Vec<Token<'_>> {
    let octets = line.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < octets.len() {
        if octets[at] == b' ' {
            at += 1;
            continue;
        }
        let quoted = octets[at] == b'"';
        let start = at + usize::from(quoted);
        let mut inside = quoted;
        at = start;
        while at < octets.len() && (inside || octets[at] != b' ') {
            match octets[at] {
                b'\\' => at += 1,
                b'"' if quoted => break,
                b'"' => inside = !inside,
                _ => {}
            }
            at += 1;
        }
        found.push(Token { text: &octets[start..at.min(octets.len())], quoted });
        at += usize::from(quoted);
    }
    found
}

fn origin() -> Name {
    Name::parse("Example.org.").unwrap()
}

fn wire(rtype: RecordType, text: &str) -> Result<Vec<u8>, TextError> {
    let mut out = Vec::new();
    from_text(rtype, &tokens(text), origin().as_ref(), &mut out).map(|()| out)
}

fn text(rtype: RecordType, rdata: &[u8]) -> String {
    let mut out = String::new();
    write_text(rtype, rdata, &mut out);
    out
}

#[track_caller]
fn refused(rtype: RecordType, line: &str, token: usize, problem: TextProblem) {
    match wire(rtype, line) {
        Ok(octets) => panic!("{rtype} {line} was read as {octets:02x?}"),
        Err(error) => {
            assert_eq!((error.token, &error.problem), (token, &problem), "{rtype} {line}: {error}");
        }
    }
}

#[test]
fn c03_escapes_are_decimal_octets() {
    assert_eq!(wire(RecordType::TXT, r"\195\169\; a\ b").unwrap(), b"\x03\xc3\xa9;\x03a b");
    assert_eq!(wire(RecordType::CNAME, r"a\.b\000.c.").unwrap(), b"\x04a.b\0\x01c\0");
    refused(RecordType::TXT, r"ok \300", 1, TextProblem::BadEscape);
    refused(RecordType::TXT, r"\1", 0, TextProblem::BadEscape);
    let bad = TextProblem::Name(NameError::BadEscape);
    refused(RecordType::CNAME, r"\256.", 0, bad);
}

#[test]
fn c06_soa_numbers_take_units() {
    let soa = wire(RecordType::SOA, "ns hostmaster.other. 5 1h30m 15m 1w 300").unwrap();
    let soa = crate::dns::Soa::from_rdata(&soa).unwrap();
    assert_eq!(soa.mname.to_string(), "ns.Example.org.");
    assert_eq!((soa.refresh, soa.retry, soa.expire, soa.minimum), (5400, 900, 604_800, 300));
    refused(RecordType::SOA, "ns root 1d 1 1 1 1", 2, TextProblem::NotANumber { max: u32::MAX.into() });
}

#[test]
fn c06_time_spans() {
    for (text, seconds) in [
        ("0", Some(0)),
        ("4294967295", Some(u32::MAX)),
        ("4294967296", None),
        ("1h30m", Some(5400)),
        ("1W2D", Some(777_600)),
        ("7101w", Some(4_294_684_800)),
        ("7102w", None),
        ("1h30", None),
        ("h", None),
        ("1hh", None),
        ("", None),
        ("-1", None),
        ("99999999999999999999999", None),
    ] {
        assert_eq!(ttl_from_text(text.as_bytes()), seconds, "{text}");
    }
}

#[test]
fn c09_generic_form_is_counted() {
    let unknown = RecordType(65_280);
    assert_eq!(wire(unknown, r"\# 3 ab Cd 01").unwrap(), [0xab, 0xcd, 1]);
    assert_eq!(wire(unknown, r"\# 3 a bcd 01").unwrap(), [0xab, 0xcd, 1]);
    assert_eq!(wire(unknown, r"\# 0").unwrap(), Vec::<u8>::new());
    assert_eq!(text(unknown, &[]), r"\# 0");
    assert_eq!(text(unknown, &[1, 0xab]), r"\# 2 01ab");
    refused(unknown, r"\# 2 010203", 1, TextProblem::GenericLength { announced: 2, found: 3 });
    refused(unknown, r"\# 1 0", 2, TextProblem::BadHex);
    refused(unknown, r"\# 1 0x 0", 2, TextProblem::BadHex);
    refused(unknown, r"\#", 1, TextProblem::Missing);
    refused(unknown, "what", 0, TextProblem::GenericOnly);
}

#[test]
fn c10_generic_form_of_a_known_type_is_checked() {
    assert_eq!(wire(RecordType::A, r"\# 4 C0000201").unwrap(), [192, 0, 2, 1]);
    refused(RecordType::A, r"\# 3 C00002", 2, TextProblem::GenericInvalid(WireError::Short));
    refused(RecordType::A, r"\# 5 C000020101", 2, TextProblem::GenericInvalid(WireError::Trailing));
    // RFC 3597 §5: quoted, it is a string like any other.
    assert_eq!(wire(RecordType::TXT, r#""\#" 4"#).unwrap(), b"\x01#\x014");
}

#[test]
fn c11_character_strings_have_a_bound() {
    let fits = "x".repeat(255);
    assert_eq!(wire(RecordType::TXT, &fits).unwrap().len(), 256);
    refused(RecordType::TXT, &format!("a {fits}x"), 1, TextProblem::StringTooLong);
    refused(RecordType::TXT, "", 0, TextProblem::Missing);
    assert_eq!(wire(RecordType::TXT, "\"\"").unwrap(), [0]);
    assert_eq!(wire(RecordType::TXT, "\"é;( \"").unwrap(), "\x05é;( ".as_bytes());
}

#[test]
fn r22_rdata_has_a_bound() {
    let line = |strings: usize| vec!["x".repeat(255); strings].join(" ");
    assert_eq!(wire(RecordType::TXT, &line(255)).unwrap().len(), 255 * 256);
    assert_eq!(wire(RecordType::TXT, &format!("{} {}", line(255), "x".repeat(254))).unwrap().len(), 65_535);
    refused(RecordType::TXT, &line(256), 255, TextProblem::TooLong);
    refused(RecordType::NULL, r"\# 65536 00", 1, TextProblem::NotANumber { max: 65_535 });
    assert_eq!(check(RecordType::NULL, &[0; 65_535]), Ok(()));
    assert_eq!(check(RecordType::NULL, &[0; 65_536]), Err(WireError::TooLong));
}

#[test]
fn c11_only_text_stands_in_quotes() {
    refused(RecordType::A, "\"192.0.2.1\"", 0, TextProblem::QuotedWord);
    refused(RecordType::CNAME, "\"b\"", 0, TextProblem::QuotedWord);
    refused(RecordType::MX, "\"10\" b", 0, TextProblem::QuotedWord);
}

#[test]
fn c13_names_are_relative_to_the_origin() {
    let name = |text: &str| {
        let mut out = vec![7];
        let result = name_from_token(text.as_bytes(), origin().as_ref(), &mut out);
        assert_eq!(out[0], 7);
        match result {
            Ok(()) => NameRef::from_wire(&out[1..]).unwrap().to_string(),
            Err(error) => {
                assert_eq!(out, [7], "{text}");
                format!("{error:?}")
            }
        }
    };
    let label = "x".repeat(63);
    for (text, expected) in [
        ("@", "Example.org."),
        (".", "."),
        ("wWw", "wWw.Example.org."),
        ("a.b.", "a.b."),
        ("_sip._tcp", "_sip._tcp.Example.org."),
        ("0/25", "0/25.Example.org."),
        ("*", "*.Example.org."),
        (r"\@", r"\@.Example.org."),
        (r"a\.b.c", r"a\.b.c.Example.org."),
        (r"\046.", r"\.."),
        ("", "EmptyLabel"),
        ("..", "EmptyLabel"),
        ("a..b", "EmptyLabel"),
        (".a", "EmptyLabel"),
        (r"\", "BadEscape"),
        (&format!("{label}."), &format!("{label}.")),
        (&format!("{label}x"), "LabelTooLong"),
        (&format!("{label}.{label}.{label}.{}.", "y".repeat(61)), "253"),
        (&format!("{label}.{label}.{label}.{}.", "y".repeat(62)), "TooLong"),
        (&format!("{label}.{label}.{label}.{}", "y".repeat(61)), "TooLong"),
    ] {
        let found = name(text);
        match expected {
            "253" => assert_eq!(found.len(), 254),
            _ => assert_eq!(found, expected, "{text}"),
        }
    }
}

#[test]
fn b33_service_parameters_are_sorted_and_unique() {
    let sorted = wire(RecordType::HTTPS, "1 . alpn=h2 port=443 ipv4hint=192.0.2.1").unwrap();
    let shuffled = wire(RecordType::HTTPS, "1 . ipv4hint=192.0.2.1 port=443 alpn=h2").unwrap();
    assert_eq!(sorted, shuffled);
    refused(RecordType::HTTPS, "1 . port=1 port=2", 3, TextProblem::ParameterTwice);
    refused(RecordType::HTTPS, "1 . key3=1 port=2", 3, TextProblem::ParameterTwice);
    assert_eq!(wire(RecordType::HTTPS, "0 pool").unwrap(), b"\0\0\x04pool\x07Example\x03org\0");
    let unsorted = b"\0\x01\0\0\x03\0\x02\0\x50\0\x01\0\x03\x02h2";
    assert_eq!(check(RecordType::SVCB, unsorted), Err(WireError::BadValue));
    for line in ["1 . alpn=\"h2,h3\"", "1 . \"alpn=h2,h3\"", "1 . alpn= \"h2,h3\"", "1 . key1=h2,h3"] {
        assert_eq!(text(RecordType::HTTPS, &wire(RecordType::HTTPS, line).unwrap()), "1 . alpn=h2,h3");
    }
}

#[test]
fn errors_name_token_field_and_way_out() {
    let error = wire(RecordType::MX, "ten mail").unwrap_err();
    assert_eq!(error.to_string(), "preference: expected a number from 0 to 65535");
    let error = wire(RecordType::MX, "10").unwrap_err();
    assert_eq!((error.token, error.field), (1, "mail host"));
    let error = wire(RecordType::DS, "1 13 what 00").unwrap_err();
    assert_eq!((error.token, error.field), (2, "digest type"));
    let error = wire(RecordType::A, r"\# 3 C00002").unwrap_err();
    assert_eq!(error.to_string(), "octets: not valid for this type: the data ends too early");
    let error = wire(RecordType::A, "2001:db8::1").unwrap_err();
    assert_eq!(error.hint().unwrap(), "this is an IPv6 address: its type is AAAA");
    refused(RecordType::A, "192.0.2.1 192.0.2.2", 1, TextProblem::Extra);
    for bad in ["192.0.2", "192.0.2.01", "192.0.2.256", "192.0.2.1.", "192..2.1", "1.2.3.4.5", "www"] {
        refused(RecordType::A, bad, 0, TextProblem::NotIpv4 { ipv6: false });
    }
    refused(RecordType::DS, "1 13 2 0g", 3, TextProblem::BadHex);
    refused(RecordType::SSHFP, "4 2 00 11", 3, TextProblem::DigestLength { octets: 32, found: 2 });
    refused(RecordType::TXT, "\"a\" b\"c\"", 1, TextProblem::StrayQuote);
    refused(RecordType::DS, "1 nosuch 2 00", 1, TextProblem::UnknownCode);
    refused(RecordType::NSEC, "a A WHAT", 2, TextProblem::UnknownType);
    refused(RecordType::CAA, "0 is-sue x", 1, TextProblem::BadForm("a tag of letters and digits"));
}

#[test]
fn canonical_form_lowers_the_listed_types() {
    for (rtype, line, lowered) in [
        (RecordType::NS, "NS.Example.", true),
        (RecordType::SOA, "NS ROOT 1 1 1 1 1", true),
        (RecordType::SRV, "1 2 3 HOST", true),
        (RecordType::DNAME, "HOST", true),
        (RecordType::KX, "1 HOST", true),
        (RecordType::RRSIG, "A 13 2 60 1 0 1 SIGNER AA==", true),
        (RecordType::NAPTR, "1 2 S \"E2U\" \"!A!B!\" HOST", true),
        (RecordType::NSEC, "HOST A", false),
        (RecordType::SVCB, "1 HOST", false),
        (RecordType::LP, "1 HOST", false),
        (RecordType::TXT, "TEXT", false),
    ] {
        let written = wire(rtype, line).unwrap();
        let mut form = Vec::new();
        canonical(rtype, &written, &mut form);
        assert_eq!(form != written, lowered, "{rtype}");
        assert!(form.eq_ignore_ascii_case(&written));
        assert!(same(rtype, &written, &form));
        // Strings keep their case: only the names are lowered.
        assert_eq!(rtype == RecordType::NAPTR, lowered && form.windows(3).any(|octets| octets == b"E2U"));
        assert!(!same(rtype, &written, &written[1..]));
    }
    let (upper, lower) = (wire(RecordType::TXT, "A").unwrap(), wire(RecordType::TXT, "a").unwrap());
    assert!(!same(RecordType::TXT, &upper, &lower));
}

#[test]
fn names_in_messages_are_decompressed_where_the_rfcs_allow() {
    // "example" at 0, MX RDATA at 9: preference 10, "mail" and a pointer to 0.
    let message = b"\x07example\0\0\x0a\x04mail\xc0\0";
    let mut out = vec![9];
    read(RecordType::MX, message, 9, 18, &mut out).unwrap();
    assert_eq!(out, b"\x09\0\x0a\x04mail\x07example\0");
    read(RecordType::RT, message, 9, 18, &mut out).unwrap();
    for rtype in [RecordType::LP, RecordType::KX] {
        assert_eq!(read(rtype, message, 9, 18, &mut out), Err(WireError::Name(NameError::NotALabel)));
    }
    assert_eq!(out.len(), 1 + 16 + 16);
    // Unknown types are copied as they are.
    read(RecordType(65_280), message, 9, 18, &mut out).unwrap();
    assert!(out.ends_with(&message[9..18]));
    for (end, error) in [(17, WireError::Short), (16, WireError::Short), (10, WireError::Short)] {
        assert_eq!(read(RecordType::MX, message, 9, end, &mut out), Err(error));
    }
    assert_eq!(read(RecordType::MX, message, 9, 19, &mut out), Err(WireError::Short));
    assert_eq!(read(RecordType::NS, message, 0, 11, &mut out), Err(WireError::Trailing));
}

#[test]
fn pointers_lead_backwards_only() {
    for (message, at) in [
        (&b"\xc0\0"[..], 0),
        (b"\0\xc0\x01", 1),
        (b"\xc0\x02\xc0\0", 2),
        (b"\x01a\xc0\0", 0),
        (b"\x01a\xc0\x02", 0),
        (b"\xc0\x05\0", 0),
    ] {
        let mut out = Vec::new();
        assert_eq!(name_from_message(message, at, &mut out), Err(WireError::BadPointer), "{message:?}");
        assert!(out.is_empty());
    }
    let mut out = Vec::new();
    assert_eq!(name_from_message(b"\x01a\0\x01b\xc0\0\x01c\xc0\x03", 7, &mut out), Ok(11));
    assert_eq!(out, b"\x01c\x01b\x01a\0");
}

#[test]
fn a06_a_name_follows_a_bounded_number_of_pointers() {
    // Root labels, then pointers, each to the two octets before it.
    let chain = |pointers: usize| {
        let mut message = vec![0; 300];
        for _ in 0..pointers {
            let target = message.len() as u16 - 2;
            message.extend_from_slice(&(0xc000 | target).to_be_bytes());
        }
        name_from_message(&message, message.len() - 2, &mut Vec::new())
    };
    assert_eq!(chain(limits::NAME_POINTERS_MAX), Ok(300 + 2 * limits::NAME_POINTERS_MAX));
    assert_eq!(chain(limits::NAME_POINTERS_MAX + 1), Err(WireError::BadPointer));
}

#[test]
fn a07_names_in_messages_have_255_octets_at_most() {
    let three = [&[63][..], &[b'x'; 63]].concat().repeat(3);
    let read = |last: usize| {
        let label = [&[last as u8][..], &b"y".repeat(last)].concat();
        let message = [&three[..], &[0], &label, &[0xc0, 0]].concat();
        let mut out = vec![7; 300];
        name_from_message(&message, three.len() + 1, &mut out).map(|_| out.len() - 300)
    };
    assert_eq!(read(61), Ok(255));
    assert_eq!(read(62), Err(WireError::Name(NameError::TooLong)));
}

#[test]
fn r22_rdata_has_a_bound_with_its_names_decompressed() {
    // A name of 255 octets, then RDATA that has two octets for it in the message.
    let name = [&[&[63][..], &[b'x'; 63]].concat().repeat(3)[..], &[61], &[b'x'; 61], &[0]].concat();
    let read = |types: usize| {
        let message = [&name[..], &[0xc0, 0], &vec![1; types]].concat();
        let mut out = vec![7];
        read(RecordType::NXT, &message, name.len(), message.len(), &mut out).map(|()| out.len() - 1)
    };
    assert_eq!(read(65_535 - 255), Ok(65_535));
    assert_eq!(read(65_536 - 255), Err(WireError::TooLong));
}

#[test]
fn pieces_give_names_of_rfc_1035_types_only() {
    let shape = |rtype: RecordType, line: &str| -> String {
        let rdata = wire(rtype, line).unwrap();
        let joined: Vec<u8> = pieces(rtype, &rdata)
            .flat_map(|piece| match piece {
                Piece::Octets(octets) => octets.to_vec(),
                Piece::Name(name) => name.wire().to_vec(),
            })
            .collect();
        assert_eq!(joined, rdata);
        pieces(rtype, &rdata)
            .map(|piece| match piece {
                Piece::Octets(octets) => format!("{} ", octets.len()),
                Piece::Name(name) => format!("{name} "),
            })
            .collect()
    };
    assert_eq!(shape(RecordType::A, "192.0.2.1"), "4 ");
    assert_eq!(shape(RecordType::NS, "a."), "a. ");
    assert_eq!(shape(RecordType::MX, "1 a."), "2 a. ");
    assert_eq!(shape(RecordType::SOA, "a. b. 1 2 3 4 5"), "a. b. 20 ");
    assert_eq!(shape(RecordType::SRV, "1 2 3 a."), "9 ");
    assert_eq!(shape(RecordType::DNAME, "a."), "3 ");
    assert_eq!(pieces(RecordType::NULL, &[]).next(), None);
    assert_eq!(pieces(RecordType::MX, &[0]).collect::<Vec<_>>(), [Piece::Octets(&[0])]);
    assert_eq!(pieces(RecordType::NS, &[9, 9]).collect::<Vec<_>>(), [Piece::Octets(&[9, 9])]);
}

#[test]
fn b32_b34_targets_whose_addresses_help() {
    for (rtype, line, target) in [
        (RecordType::NS, "a.", Some("a.")),
        (RecordType::MX, "1 a.", Some("a.")),
        (RecordType::MX, "0 .", None),
        (RecordType::SRV, "1 2 3 a.", Some("a.")),
        (RecordType::HTTPS, "1 .", None),
        (RecordType::SVCB, "1 a. port=1", Some("a.")),
        (RecordType::CNAME, "a.", None),
        (RecordType::TXT, "a.", None),
    ] {
        let rdata = wire(rtype, line).unwrap();
        let found = additional_target(rtype, &rdata).map(|name| name.to_string());
        assert_eq!(found.as_deref(), target, "{rtype} {line}");
    }
    assert_eq!(additional_target(RecordType::SRV, &[0; 6]), None);
}
