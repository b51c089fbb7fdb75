//! Hashed denial of existence on octets (RFC 5155): parameters, the hash of a name, and how a hash is
//! written as the first label of an owner.
//!
//! Nothing here allocates: an answer from a zone with NSEC3 hashes up to three names.

use data_encoding::BASE32_DNSSEC;
use sha1::{Digest, Sha1};

use super::case;
use super::name::{NAME_OCTETS_MAX, NameRef};

/// Octets of a hash: SHA-1 is the only algorithm that there is (RFC 5155 §11).
pub const HASH_OCTETS: usize = 20;
/// Octets of a hash as a label.
pub const LABEL_OCTETS: usize = 32;

/// The number of SHA-1 (RFC 5155 §11).
const SHA_1: u8 = 1;

/// The hash of a name.
pub type Hash = [u8; HASH_OCTETS];

/// How the names of one chain are hashed: what NSEC3 and NSEC3PARAM begin with (RFC 5155 §3.2, §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters<'a> {
    /// How often the hash is hashed again.
    pub iterations: u16,
    /// What is appended each time.
    pub salt: &'a [u8],
}

impl<'a> Parameters<'a> {
    /// The flags and the parameters that RDATA of NSEC3 or NSEC3PARAM begins with; `None` if the
    /// algorithm is not known or the RDATA is cut short.
    pub fn read(rdata: &'a [u8]) -> Option<(u8, Parameters<'a>)> {
        let (&[algorithm, flags, i0, i1, salt_octets], rest) = rdata.split_first_chunk()?;
        let salt = rest.get(..usize::from(salt_octets))?;
        let iterations = u16::from_be_bytes([i0, i1]);
        (algorithm == SHA_1).then_some((flags, Parameters { iterations, salt }))
    }

    /// The hash of a name: over its wire form in lower case (RFC 5155 §5).
    pub fn hash(&self, name: NameRef<'_>) -> Hash {
        let mut lower = [0; NAME_OCTETS_MAX];
        let mut hash = self.once(case::write_lower(name.wire(), &mut lower));
        for _ in 0..self.iterations {
            hash = self.once(&hash);
        }
        hash
    }

    fn once(&self, octets: &[u8]) -> Hash {
        Sha1::new().chain_update(octets).chain_update(self.salt).finalize().into()
    }
}

/// The label that stands for a hash, with its length octet in front.
pub fn label(hash: &Hash) -> [u8; 1 + LABEL_OCTETS] {
    let mut label = [LABEL_OCTETS as u8; 1 + LABEL_OCTETS];
    BASE32_DNSSEC.encode_mut(hash, &mut label[1..]);
    label
}

/// The hash that labels below the apex stand for; `None` if they are not one label of that kind.
pub fn from_labels(labels: &[u8]) -> Option<Hash> {
    let (&length, label) = labels.split_first()?;
    if usize::from(length) != LABEL_OCTETS || label.len() != LABEL_OCTETS {
        return None;
    }
    let mut hash = [0; HASH_OCTETS];
    BASE32_DNSSEC.decode_mut(label, &mut hash).ok()?;
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Name;

    #[test]
    fn hashes_are_those_of_rfc_5155_appendix_a() {
        let rdata = [1, 0, 0, 12, 4, 0xaa, 0xbb, 0xcc, 0xdd];
        let (flags, parameters) = Parameters::read(&rdata).unwrap();
        assert_eq!((flags, parameters.iterations), (0, 12));
        for (name, expected) in [
            ("example", "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"),
            ("A.example", "35mthgpgcu1qg68fab165klnsnk3dpvl"),
            ("ns1.example", "2t7b4g4vsa5smi47k61mv5bv1a22bojr"),
            ("*.w.example", "r53bq7cc2uvmubfu5ocmm6pers9tk9en"),
            ("xx.example", "t644ebqk9bibcna874givr6joj62mlhv"),
        ] {
            let hash = parameters.hash(Name::parse(name).unwrap().as_ref());
            let label = label(&hash);
            assert_eq!(&label[1..], expected.as_bytes(), "{name}");
            assert_eq!(from_labels(&label), Some(hash));
            assert_eq!(from_labels(&label.to_ascii_uppercase()), Some(hash));
        }
    }

    #[test]
    fn what_is_no_hash_is_none() {
        let hash = label(&[7; HASH_OCTETS]);
        assert_eq!(from_labels(&[]), None);
        assert_eq!(from_labels(&hash[..32]), None);
        assert_eq!(from_labels(&[&hash[..], b"\x01a"].concat()), None);
        assert_eq!(from_labels(&[b"\x20", &[b'w'; 32][..]].concat()), None);
        assert_eq!(Parameters::read(&[2, 0, 0, 1, 0]), None, "another algorithm");
        assert_eq!(Parameters::read(&[1, 0, 0, 1, 2, 9]), None, "a salt that is cut short");
    }
}
