//! Names as keys whose order as octets is the canonical order of names (RFC 4034 §6.1), and back.
//!
//! The labels below the apex are written from right to left in lower case, each followed by a zero. So
//! that a label that is the beginning of another comes first, octets 0 and 1 in labels become two: 1 0
//! and 1 1.

use super::chunk::Key;
use crate::dns::name::NAME_OCTETS_MAX;

const END: u8 = 0;
const ESCAPE: u8 = 1;

/// The key of a name, from its labels below the apex; the apex has the empty one.
pub(super) fn key_of(labels: &[u8], key: &mut Key) {
    key.truncate(0);
    let mut starts = [0; NAME_OCTETS_MAX / 2];
    let mut count = 0;
    let mut at = 0;
    while at < labels.len() {
        starts[count] = at;
        count += 1;
        at += 1 + usize::from(labels[at]);
    }
    for &start in starts[..count].iter().rev() {
        for octet in &labels[start + 1..start + 1 + usize::from(labels[start])] {
            match octet.to_ascii_lowercase() {
                octet @ (END | ESCAPE) => key.extend(&[ESCAPE, octet]),
                octet => key.extend(&[octet]),
            }
        }
        key.extend(&[END]);
    }
}

/// The labels below the apex of the name with this key, in lower case.
pub(super) fn labels_of<'b>(key: &[u8], buffer: &'b mut [u8; NAME_OCTETS_MAX]) -> &'b [u8] {
    // From the right end of the buffer to the left: the key begins with the rightmost label.
    let mut start = buffer.len();
    let mut rest = key;
    while !rest.is_empty() {
        let (mut label, mut length) = ([0; 64], 0);
        loop {
            let (octet, used) = match *rest {
                [ESCAPE, octet, ..] => (Some(octet), 2),
                [END, ..] | [] => (None, 1),
                [octet, ..] => (Some(octet), 1),
            };
            rest = rest.get(used..).unwrap_or_default();
            let Some(octet) = octet else { break };
            label[length] = octet;
            length += 1;
        }
        start -= 1 + length;
        buffer[start] = length as u8;
        buffer[start + 1..start + 1 + length].copy_from_slice(&label[..length]);
    }
    &buffer[start..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dns::{Name, NameRef};

    fn key(labels: &[u8]) -> Vec<u8> {
        let mut key = Key::new();
        key_of(labels, &mut key);
        key.octets().to_vec()
    }

    fn labels() -> impl Strategy<Value = Vec<u8>> {
        let octet = prop_oneof![Just(0), Just(1), Just(2), Just(b'A'), Just(b'a'), Just(b'*'), any::<u8>()];
        let label = prop::collection::vec(octet, 1..5);
        prop::collection::vec(label, 0..5).prop_map(|labels| {
            labels.into_iter().flat_map(|label| [&[label.len() as u8], &label[..]].concat()).collect()
        })
    }

    proptest! {
        #[test]
        fn keys_are_in_canonical_order_and_tell_the_name(a in labels(), b in labels()) {
            let names = [&a, &b].map(|labels| Name::join(labels, NameRef::ROOT).unwrap());
            prop_assert_eq!(key(&a).cmp(&key(&b)), names[0].cmp(&names[1]));
            let mut buffer = [0; NAME_OCTETS_MAX];
            prop_assert_eq!(labels_of(&key(&a), &mut buffer), a.to_ascii_lowercase());
        }
    }

    #[test]
    fn the_longest_names_fit() {
        let longest = [&[63; 1][..], &[0; 63]].concat().repeat(3);
        let longest = [&longest[..], &[61], &[1; 61]].concat();
        assert!(NameRef::from_wire(&[&longest[..], &[0]].concat()).is_ok_and(|name| name.wire_len() == 255));
        assert_eq!(key(&longest).len(), 2 * 250 + 4);
        assert_eq!(labels_of(&key(&longest), &mut [0; NAME_OCTETS_MAX]), longest);
        let deepest = b"\x01a".repeat(127);
        assert_eq!(labels_of(&key(&deepest), &mut [0; NAME_OCTETS_MAX]), deepest);
    }
}
