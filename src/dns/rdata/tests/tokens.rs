//! Words at the edges of what they may be.

use crate::dns::name::NameError;
use crate::dns::rdata::token::{append_char_string, number, unescape};
use crate::dns::rdata::{TextProblem, name_from_token, ttl_from_text};
use crate::dns::{Name, NameRef};

#[test]
fn c06_spans_of_time() {
    for (text, expected) in [
        ("0", Some(0)),
        ("4294967295", Some(u32::MAX)),
        ("4294967296", None),
        ("99999999999999999999", None),
        ("1s", Some(1)),
        ("1S1M1H1D1W", Some(1 + 60 + 3_600 + 86_400 + 604_800)),
        ("2m3h", Some(120 + 3 * 3_600)),
        ("1h1h", Some(7_200)),
        ("7101w", Some(7101 * 604_800)),
        ("7102w", None),
        ("4294967295s", Some(u32::MAX)),
        ("4294967295s1s", None),
        ("", None),
        ("h", None),
        ("1hh", None),
        ("1h30", None),
        ("1y", None),
        ("-1", None),
        ("1 h", None),
    ] {
        assert_eq!(ttl_from_text(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn numbers_up_to_their_bound() {
    let not_a_number = |max| Err(TextProblem::NotANumber { max });
    assert_eq!(number(b"65535", 65_535), Ok(65_535));
    assert_eq!(number(b"65536", 65_535), not_a_number(65_535));
    assert_eq!(number(b"18446744073709551615", u64::MAX), Ok(u64::MAX));
    assert_eq!(number(b"18446744073709551616", u64::MAX), not_a_number(u64::MAX));
    assert_eq!(number(b"00000000000000000007", 7), Ok(7));
    for text in ["", "000000000000000000007", "+1", "1.", "0x1", "١"] {
        assert_eq!(number(text.as_bytes(), 1_000), not_a_number(1_000), "{text}");
    }
}

#[test]
fn c03_what_an_escape_stands_for() {
    for (text, expected) in [
        ("\\000", Some((0, 4))),
        ("\\255x", Some((255, 4))),
        ("\\256", None),
        ("\\109", Some((109, 4))),
        ("\\25", None),
        ("\\2x5", None),
        ("\\x25", Some((b'x', 2))),
        ("\\\\", Some((b'\\', 2))),
        ("\\", None),
        ("", None),
        ("xy", Some((b'x', 1))),
    ] {
        assert_eq!(unescape(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn c03_a_string_has_at_most_255_octets() {
    let of = |octets: usize| {
        let mut out = vec![9];
        append_char_string(&[&b"\\120".repeat(octets - 1)[..], b"y"].concat(), &mut out).map(|()| out)
    };
    assert_eq!(of(255).map(|out| (out.len(), out[1], out[2], out[256])), Ok((257, 255, b'x', b'y')));
    assert_eq!(of(256), Err(TextProblem::StringTooLong));
}

#[test]
fn names_are_as_long_as_they_may_be_with_escapes_or_without() {
    let origin = Name::parse("example.").unwrap();
    let read = |text: &str, origin: NameRef<'_>| {
        let mut out = vec![7];
        let result = name_from_token(text.as_bytes(), origin, &mut out);
        // What was there stays, and nothing comes with an error.
        assert!(out[0] == 7 && (result.is_ok() || out.len() == 1), "{text}");
        result.map(|()| out.len() - 1)
    };
    for x in ["x", "\\120"] {
        let label = |length: usize| x.repeat(length);
        assert_eq!(read(&label(63), origin.as_ref()), Ok(64 + 9));
        assert_eq!(read(&label(64), origin.as_ref()), Err(NameError::LabelTooLong));
        assert_eq!(read(&(label(64) + "."), origin.as_ref()), Err(NameError::LabelTooLong));
        let three = [label(63), label(63), label(63)].join(".");
        // 3 x 64 octets, a label, and the nine of the origin or the one of the root.
        assert_eq!(read(&format!("{three}.{}", label(53)), origin.as_ref()), Ok(255));
        assert_eq!(read(&format!("{three}.{}", label(54)), origin.as_ref()), Err(NameError::TooLong));
        assert_eq!(read(&format!("{three}.{}.", label(61)), origin.as_ref()), Ok(255));
        assert_eq!(read(&format!("{three}.{}.", label(62)), origin.as_ref()), Err(NameError::TooLong));
        for text in [format!(".{x}"), format!("{x}..{x}"), format!("{x}.."), "..".to_owned()] {
            assert_eq!(read(&text, origin.as_ref()), Err(NameError::EmptyLabel), "{text}");
        }
    }
    assert_eq!(read("", origin.as_ref()), Err(NameError::EmptyLabel));
    assert_eq!(read("@", origin.as_ref()), Ok(9));
    assert_eq!(read(".", origin.as_ref()), Ok(1));
    assert_eq!(read("a\\.b", NameRef::ROOT), Ok(5));
    assert_eq!(read("a\\", origin.as_ref()), Err(NameError::BadEscape));
}
