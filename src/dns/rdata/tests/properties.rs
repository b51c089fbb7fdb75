//! What holds for all types and all octets.

use proptest::prelude::*;

use super::super::layout::layout;
use super::*;

fn any_type() -> impl Strategy<Value = RecordType> {
    prop_oneof![8 => 0u16..270, 1 => any::<u16>()].prop_map(RecordType)
}

/// Octets that look a little like RDATA: small numbers, so that lengths fit now and then.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![3 => 0u8..5, 1 => any::<u8>()];
    prop_oneof![
        proptest::collection::vec(octet, 0..40),
        proptest::collection::vec(any::<u8>(), 0..300),
        changed_row().prop_map(|(_, octets)| octets),
    ]
}

/// A row of the table with one octet changed.
fn changed_row() -> impl Strategy<Value = (RecordType, Vec<u8>)> {
    (0..table::ROWS.len(), any::<usize>(), any::<u8>()).prop_map(|(row, at, octet)| {
        let (rtype, line, _) = table::ROWS[row];
        let mut octets = wire(rtype, line).unwrap();
        let at = at % octets.len().max(1);
        if let Some(changed) = octets.get_mut(at) {
            *changed = octet;
        }
        (rtype, octets)
    })
}

fn types_and_octets() -> impl Strategy<Value = (RecordType, Vec<u8>)> {
    prop_oneof![(any_type(), octets()), changed_row()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn c16_valid_octets_survive_text((rtype, octets) in types_and_octets()) {
        let line = text(rtype, &octets);
        if check(rtype, &octets).is_ok() {
            prop_assert_eq!(wire(rtype, &line), Ok(octets), "{}", line);
        } else {
            prop_assert!(line.starts_with("\\# "));
        }
    }

    #[test]
    fn walks_agree_on_any_octets((rtype, octets) in types_and_octets(), other in octets()) {
        let mut form = Vec::new();
        canonical(rtype, &octets, &mut form);
        prop_assert_eq!(form.len(), octets.len());
        prop_assert_eq!(check(rtype, &octets).is_ok(), check(rtype, &form).is_ok());
        prop_assert!(same(rtype, &octets, &form));
        let mut other_form = Vec::new();
        canonical(rtype, &other, &mut other_form);
        prop_assert_eq!(same(rtype, &octets, &other), form == other_form);
        let mut joined = Vec::new();
        for piece in pieces(rtype, &octets) {
            match piece {
                Piece::Octets(octets) => joined.extend_from_slice(octets),
                Piece::Name(name) => joined.extend_from_slice(name.wire()),
            }
        }
        prop_assert_eq!(&joined, &octets);
        let _ = additional_target(rtype, &octets);
    }

    #[test]
    fn what_is_read_from_a_message_is_valid((rtype, octets) in types_and_octets(), start in 0usize..30) {
        let mut out = vec![1, 2, 3];
        match read(rtype, &octets, start, octets.len(), &mut out) {
            Ok(()) => prop_assert_eq!(check(rtype, &out[3..]), Ok(())),
            Err(_) => prop_assert_eq!(&out, &[1, 2, 3]),
        }
        if start == 0 && check(rtype, &octets).is_ok() {
            prop_assert_eq!(&out[3..], &octets[..]);
        }
    }

    #[test]
    fn any_tokens_give_valid_octets_or_an_error(
        rtype in any_type(),
        words in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..20), any::<bool>()), 0..8),
    ) {
        let tokens: Vec<Token<'_>> =
            words.iter().map(|(text, quoted)| Token { text, quoted: *quoted }).collect();
        let mut out = vec![1];
        match from_text(rtype, &tokens, origin().as_ref(), &mut out) {
            Ok(()) => prop_assert_eq!(check(rtype, &out[1..]), Ok(())),
            Err(error) => {
                prop_assert_eq!(out, [1]);
                prop_assert!(error.token <= tokens.len());
            }
        }
    }

    #[test]
    fn lines_of_the_table_with_other_words_never_panic(
        row in 0..table::ROWS.len(),
        at in any::<usize>(),
        word in "[0-9a-zA-Z.:/=,!\\\\-]{0,12}",
    ) {
        let (rtype, line, _) = table::ROWS[row];
        let mut tokens = tokens(line);
        let count = tokens.len().max(1);
        if let Some(token) = tokens.get_mut(at % count) {
            token.text = word.as_bytes();
        }
        let mut out = Vec::new();
        if from_text(rtype, &tokens, origin().as_ref(), &mut out).is_ok() {
            prop_assert_eq!(check(rtype, &out), Ok(()));
        }
    }

    #[test]
    fn names_survive_text(labels in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..64), 0..5)) {
        let mut octets = Vec::new();
        for label in &labels {
            octets.push(label.len() as u8);
            octets.extend_from_slice(label);
        }
        octets.push(0);
        if let Ok(name) = NameRef::from_wire(&octets) {
            let mut out = Vec::new();
            let line = name.to_string();
            prop_assert_eq!(name_from_token(line.as_bytes(), origin().as_ref(), &mut out), Ok(()));
            prop_assert_eq!(&out, &octets);
            let parsed = Name::parse(&line).unwrap();
            prop_assert_eq!(parsed.as_ref().wire(), name.wire());
        }
    }
}

#[test]
fn every_type_with_a_text_form_is_in_the_table() {
    for number in 0..=u16::MAX {
        let rtype = RecordType(number);
        if layout(rtype).is_some() && rtype != RecordType::NXT {
            assert!(table::ROWS.iter().any(|row| row.0 == rtype), "{rtype}");
        }
    }
}
