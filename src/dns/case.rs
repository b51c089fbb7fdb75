//! ASCII case, eight octets at a time (RFC 4343 §3).
//!
//! Names are short and every query compares and hashes a few of them; the loops of the standard
//! library go octet by octet below sixteen.

/// Each octet repeated over a word.
const fn each(octet: u8) -> u64 {
    u64::from_ne_bytes([octet; 8])
}

/// The word with its ASCII capitals in lower case; other octets stay.
#[inline]
fn lower(word: u64) -> u64 {
    let low = word & each(0x7f);
    // The top bit of each octet tells whether it is at least `A`, and whether it is beyond `Z`.
    let from_a = low + each(0x80 - b'A');
    let beyond_z = low + each(0x7f - b'Z');
    let capitals = from_a & !beyond_z & !word & each(0x80);
    word | capitals >> 2
}

/// Fewer than eight octets as a word.
#[inline]
fn short(octets: &[u8]) -> u64 {
    match (octets.first_chunk::<4>(), octets.last_chunk::<4>()) {
        // The two overlap in octets that both have in the same place.
        (Some(first), Some(last)) => {
            let shift = 8 * (octets.len() - 4);
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << shift
        }
        _ => octets.iter().rev().fold(0, |word, octet| word << 8 | u64::from(*octet)),
    }
}

/// Nothing if two words are the same but for ASCII case.
#[inline]
fn difference(a: u64, b: u64) -> u64 {
    let low = (a | each(0x20)) & each(0x7f);
    let from_a = low + each(0x80 - b'a');
    let beyond_z = low + each(0x7f - b'z');
    let letters = from_a & !beyond_z & !a & each(0x80);
    // Where one has a letter, the bit that tells its case may differ.
    (a ^ b) & !(letters >> 2)
}

/// Whether two strings of octets are the same but for ASCII case.
#[inline]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    let difference_of = |a: &[u8; 8], b: &[u8; 8]| difference(u64::from_le_bytes(*a), u64::from_le_bytes(*b));
    if a.len() != b.len() {
        return false;
    }
    let (Some(a_end), Some(b_end)) = (a.last_chunk(), b.last_chunk()) else {
        return difference(short(a), short(b)) == 0;
    };
    // The end is what the words leave over, and some octets of the last one again.
    let mut differing = difference_of(a_end, b_end);
    if let (Some(a), Some(b), ..=16) = (a.first_chunk(), b.first_chunk(), a.len()) {
        return differing | difference_of(a, b) == 0;
    }
    for (a, b) in a.as_chunks().0.iter().zip(b.as_chunks().0) {
        differing |= difference_of(a, b);
    }
    differing == 0
}

/// Writes `octets` in lower case to the start of `out`, which is at least as long.
#[inline]
pub(crate) fn write_lower<'o>(octets: &[u8], out: &'o mut [u8]) -> &'o [u8] {
    let out = &mut out[..octets.len()];
    let (words, rest) = octets.as_chunks::<8>();
    let (out_words, out_rest) = out.as_chunks_mut::<8>();
    for (word, out) in words.iter().zip(out_words) {
        *out = lower(u64::from_le_bytes(*word)).to_le_bytes();
    }
    for (octet, out) in rest.iter().zip(out_rest) {
        *out = octet.to_ascii_lowercase();
    }
    out
}

/// Hands over the octets in lower case, eight to a word, the last word filled up with zeros: a word
/// more than are full.
#[inline]
pub(crate) fn for_each_lower_word(octets: &[u8], mut visit: impl FnMut(u64)) {
    let (words, rest) = octets.as_chunks();
    words.iter().for_each(|word| visit(lower(u64::from_le_bytes(*word))));
    let rest = match octets.last_chunk() {
        // Shifted twice, since there may be nothing left over.
        Some(end) => u64::from_le_bytes(*end) >> 1 >> (63 - 8 * rest.len()),
        None => short(octets),
    };
    visit(lower(rest));
}

/// A number that is the same for strings that are the same but for case, and that tells most others
/// apart: it looks at the first and the last eight octets.
#[inline]
pub(crate) fn digest(octets: &[u8]) -> u64 {
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let (first, last) = match (octets.first_chunk(), octets.last_chunk()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => (short(octets), 0),
    };
    let fold = each(0x20);
    let mixed = (first | fold).wrapping_mul(SPREAD) ^ octets.len() as u64;
    (mixed ^ mixed >> 32 ^ (last | fold)).wrapping_mul(SPREAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Strings of each length with each octet in each place.
    fn strings() -> impl Iterator<Item = Vec<u8>> {
        (0..20usize).flat_map(|length| {
            (0..length.max(1)).flat_map(move |place| {
                (0..=255u8).map(move |octet| {
                    let mut string: Vec<u8> = (0..length).map(|at| b"aB9-\xe4Z"[at % 6]).collect();
                    if let Some(at) = string.get_mut(place) {
                        *at = octet;
                    }
                    string
                })
            })
        })
    }

    #[test]
    fn case_is_that_of_the_standard_library() {
        for string in strings() {
            let lower = string.to_ascii_lowercase();
            let mut out = [0; 32];
            assert_eq!(write_lower(&string, &mut out), lower);
            let mut words = Vec::new();
            for_each_lower_word(&string, |word| words.extend(word.to_le_bytes()));
            let (start, filled) = words.split_at(string.len());
            assert!(
                start == lower && (1..=8).contains(&filled.len()) && filled.iter().all(|octet| *octet == 0)
            );
            assert!(same(&string, &string.to_ascii_uppercase()) && same(&string, &lower));
            assert_eq!(digest(&string), digest(&string.to_ascii_uppercase()));
            for at in 0..string.len() {
                for bit in 0..8 {
                    let mut other = string.clone();
                    other[at] ^= 1 << bit;
                    assert_eq!(
                        same(&string, &other),
                        string.eq_ignore_ascii_case(&other),
                        "{string:?} {other:?}"
                    );
                }
            }
            assert!(!same(&string, &[&string[..], b"x"].concat()));
        }
    }
}
