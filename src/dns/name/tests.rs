use std::hash::BuildHasher;

use super::*;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

#[test]
fn c13_text_and_wire_agree() {
    for (text, wire, shown) in [
        (".", &b"\x00"[..], "."),
        ("a.b", b"\x01a\x01b\x00", "a.b."),
        ("a\\.b.c.", b"\x03a.b\x01c\x00", "a\\.b.c."),
        ("\\000x.", b"\x02\x00x\x00", "\\000x."),
        ("0/25.2", b"\x040/25\x012\x00", "0/25.2."),
        ("_dmarc.*.x", b"\x06_dmarc\x01*\x01x\x00", "_dmarc.*.x."),
    ] {
        assert_eq!(name(text).as_ref().wire(), wire);
        assert_eq!(name(text).to_string(), shown);
    }
}

#[test]
fn c03_bad_text_is_refused() {
    for (text, error) in [
        ("", NameError::EmptyLabel),
        ("a..b", NameError::EmptyLabel),
        (".a", NameError::EmptyLabel),
        ("a\\300", NameError::BadEscape),
        ("a\\1", NameError::BadEscape),
        ("a\\", NameError::BadEscape),
    ] {
        assert_eq!(Name::parse(text), Err(error), "{text}");
    }
    assert_eq!(Name::parse(&"a".repeat(64)), Err(NameError::LabelTooLong));
}

#[test]
fn a07_255_octets_are_a_name_and_256_are_not() {
    let longest = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
    assert_eq!(name(&longest).as_ref().wire_len(), 255);
    assert_eq!(Name::parse(&format!("{longest}d")), Err(NameError::TooLong));
}

#[test]
fn order_is_that_of_rfc_4034_section_6_1() {
    let sorted = [
        "example.",
        "a.example.",
        "yljkjljk.a.example.",
        "Z.a.example.",
        "zABC.a.EXAMPLE.",
        "z.example.",
        "\\001.z.example.",
        "*.z.example.",
        "\\200.z.example.",
    ];
    for pair in sorted.windows(2) {
        let [first, second] = [name(pair[0]), name(pair[1])];
        assert!(first < second && first.as_ref() < second.as_ref(), "{first} before {second}");
    }
}

#[test]
fn b35_case_is_ascii_only() {
    assert_eq!(name("WwW.example"), name("www.EXAMPLE"));
    assert_ne!(name("\\200.x"), name("\\240.x"));
    assert!(!name("A.x").as_ref().same_octets(name("a.x").as_ref()));
}

#[test]
fn a_tail_inside_a_label_is_no_ancestor() {
    // "\003xb\001." ends in the octets of "b.", but not at a label.
    assert!(!name("x\\001b").as_ref().is_at_or_below(name("b").as_ref()));
    assert_eq!(name("x.b").as_ref().prefix_above(name("B").as_ref()), Some(&b"\x01x"[..]));
    assert!(name("b").as_ref().is_at_or_below(NameRef::ROOT));
}

#[test]
fn b35_hashes_are_those_of_the_name_in_any_spelling() {
    let hasher = std::hash::RandomState::new();
    let both = |text| (hasher.hash_one(name(text)), hasher.hash_one(name(text).as_ref()));
    let (owned, borrowed) = both("WwW.example");
    assert_eq!(both("www.EXAMPLE"), (owned, borrowed));
    for other in ["ww.example", "www.example.x", "wwx.example", "\\200.example", "."] {
        let (other_owned, other_borrowed) = both(other);
        assert!(other_owned != owned && other_borrowed != borrowed, "{other}");
    }
}
