//! A run of ascending keys in one allocation, each told by what it adds to the one before it.
//!
//! ```text
//! chunk   entries to the end
//! entry   shared length, added length, added octets
//! length  one octet below 128, else two with the top bit set
//! ```
//! A key shares so many octets with the one before it and goes on with the added ones. The search
//! compares each octet of what is looked for once at most, whatever the keys share.

use crate::dns::name::NAME_OCTETS_MAX;

/// The longest key: a name in which each octet takes two.
pub(super) const KEY_OCTETS_MAX: usize = 2 * NAME_OCTETS_MAX;

/// Room for one key.
pub(in crate::zone) struct Key {
    octets: [u8; KEY_OCTETS_MAX],
    len: usize,
}

impl Key {
    /// An empty key.
    pub(super) fn new() -> Key {
        Key { octets: [0; KEY_OCTETS_MAX], len: 0 }
    }

    /// What it holds.
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets[..self.len]
    }

    /// Appends octets.
    pub(super) fn extend(&mut self, octets: &[u8]) {
        self.octets[self.len..self.len + octets.len()].copy_from_slice(octets);
        self.len += octets.len();
    }

    /// Forgets all octets but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        self.len = len;
    }
}

/// Packs ascending keys.
pub(super) fn pack<'k>(keys: impl IntoIterator<Item = &'k [u8]>) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut before: &[u8] = &[];
    for key in keys {
        let shared = common(before, key);
        push_length(&mut packed, shared);
        push_length(&mut packed, key.len() - shared);
        packed.extend_from_slice(&key[shared..]);
        before = key;
    }
    packed
}

/// All keys, ascending.
pub(super) fn unpack(chunk: &[u8]) -> Vec<Box<[u8]>> {
    let mut keys: Vec<Box<[u8]>> = Vec::new();
    for (shared, added) in entries(chunk) {
        let before = keys.last().map_or(&[][..], |key| &key[..shared]);
        keys.push([before, added].concat().into());
    }
    keys
}

/// The place of the last key that is not greater than `wanted`; `found` becomes that key.
pub(super) fn floor(chunk: &[u8], wanted: &[u8], found: &mut Key) -> Option<usize> {
    // What `wanted`, which is not less, has in common with the key before.
    let mut matched = 0;
    let mut place = None;
    found.truncate(0);
    for (at, (shared, added)) in entries(chunk).enumerate() {
        // Where it leaves the key before, it goes beyond it, and so beyond `wanted`.
        if shared < matched {
            break;
        }
        // Where `wanted` left the key before, both are the same: still less.
        if shared == matched {
            let rest = &wanted[matched..];
            let further = common(rest, added);
            if added.get(further) > rest.get(further) {
                break;
            }
            matched += further;
        }
        found.truncate(shared);
        found.extend(added);
        place = Some(at);
    }
    place
}

/// The last key.
pub(super) fn last(chunk: &[u8], found: &mut Key) -> Option<usize> {
    found.truncate(0);
    let mut place = None;
    for (at, (shared, added)) in entries(chunk).enumerate() {
        found.truncate(shared);
        found.extend(added);
        place = Some(at);
    }
    place
}

/// How many octets the two begin with alike.
fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// What each key shares and what it adds.
fn entries(chunk: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut rest = chunk;
    std::iter::from_fn(move || {
        let shared = take_length(&mut rest)?;
        let length = take_length(&mut rest)?;
        let (added, after) = rest.split_at(length);
        rest = after;
        Some((shared, added))
    })
}

fn push_length(packed: &mut Vec<u8>, length: usize) {
    if length < 0x80 {
        packed.push(length as u8);
    } else {
        packed.extend_from_slice(&[0x80 | (length >> 8) as u8, length as u8]);
    }
}

fn take_length(rest: &mut &[u8]) -> Option<usize> {
    let (&first, after) = rest.split_first()?;
    *rest = after;
    if first < 0x80 {
        return Some(usize::from(first));
    }
    let (&second, after) = rest.split_first()?;
    *rest = after;
    Some(usize::from(first & 0x7f) << 8 | usize::from(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(keys: &[&[u8]], wanted: &[u8]) -> Option<(usize, Vec<u8>)> {
        let mut key = Key::new();
        let at = floor(&pack(keys.iter().copied()), wanted, &mut key)?;
        Some((at, key.octets().to_vec()))
    }

    #[test]
    fn each_key_and_what_lies_between_is_found() {
        let (longer, long) = ([b'w'; 128], [b'x'; 300]);
        let keys: [&[u8]; 9] = [b"", b"a", b"ab", b"abc", b"abd", b"b", b"ba", &longer, &long];
        assert_eq!(unpack(&pack(keys)), keys.map(Box::from));
        assert_eq!(pack([&b"a"[..]]).len(), 3, "two short lengths and an octet");
        for (at, key) in keys.iter().enumerate() {
            assert_eq!(found(&keys, key), Some((at, key.to_vec())));
            let after = [key, &b"\0"[..]].concat();
            assert_eq!(found(&keys, &after), Some((at, key.to_vec())));
        }
        for (wanted, at) in [(&b"abb"[..], 2), (b"abcz", 3), (b"ac", 4), (b"c", 6), (b"z", 8)] {
            assert_eq!(found(&keys, wanted).map(|found| found.0), Some(at), "{wanted:?}");
        }
        assert_eq!(found(&keys[1..], b""), None);
        assert_eq!(found(&keys[1..], b"A"), None);
    }
}
