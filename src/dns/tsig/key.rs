//! Keys, their algorithms, and the ring that holds them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::codec::record_octets;
use super::digest::MacState;
use crate::dns::name::{Name, NameRef};

/// The algorithms of RFC 8945 §6 that are offered (H09).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// `hmac-sha1`
    Sha1,
    /// `hmac-sha224`
    Sha224,
    /// `hmac-sha256`, the one that everybody has
    Sha256,
    /// `hmac-sha384`
    Sha384,
    /// `hmac-sha512`
    Sha512,
}

/// The text names no algorithm that is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAlgorithm;

impl Algorithm {
    /// Every algorithm, for messages to the operator.
    pub const ALL: [Algorithm; 5] =
        [Algorithm::Sha1, Algorithm::Sha224, Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512];

    /// The algorithm with this name, in whatever case (H11).
    pub fn from_name(name: NameRef<'_>) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The name on the wire, in canonical form.
    pub fn name(self) -> NameRef<'static> {
        NameRef::from_valid_wire(match self {
            Algorithm::Sha1 => b"\x09hmac-sha1\x00",
            Algorithm::Sha224 => b"\x0bhmac-sha224\x00",
            Algorithm::Sha256 => b"\x0bhmac-sha256\x00",
            Algorithm::Sha384 => b"\x0bhmac-sha384\x00",
            Algorithm::Sha512 => b"\x0bhmac-sha512\x00",
        })
    }

    /// Octets of a whole MAC.
    pub fn mac_octets(self) -> usize {
        match self {
            Algorithm::Sha1 => 20,
            Algorithm::Sha224 => 28,
            Algorithm::Sha256 => 32,
            Algorithm::Sha384 => 48,
            Algorithm::Sha512 => 64,
        }
    }

    /// The shortest MAC that is no format error: ten octets or half of it (RFC 8945 §5.2.2.1).
    pub fn mac_octets_min(self) -> usize {
        (self.mac_octets() / 2).max(10)
    }
}

/// Reads `hmac-sha256` in any case, with or without a final dot.
impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Algorithm, UnknownAlgorithm> {
        let name = Name::parse(text).map_err(|_| UnknownAlgorithm)?;
        Algorithm::from_name(name.as_ref()).ok_or(UnknownAlgorithm)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Algorithm::Sha1 => "hmac-sha1",
            Algorithm::Sha224 => "hmac-sha224",
            Algorithm::Sha256 => "hmac-sha256",
            Algorithm::Sha384 => "hmac-sha384",
            Algorithm::Sha512 => "hmac-sha512",
        })
    }
}

impl fmt::Display for UnknownAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the algorithm must be one of")?;
        Algorithm::ALL.iter().try_for_each(|algorithm| write!(f, " {algorithm}"))
    }
}

impl std::error::Error for UnknownAlgorithm {}

/// A secret that two servers share. The secret cannot be read back.
#[derive(Clone)]
pub struct Key {
    /// In lower case, as the digest wants it (H11).
    name: Name,
    algorithm: Algorithm,
    mac_octets_min: usize,
    /// The HMAC with the secret already taken in.
    state: MacState,
}

impl Key {
    /// A key with this name, for this algorithm only. Only whole MACs are taken with it.
    pub fn new(name: Name, algorithm: Algorithm, secret: &[u8]) -> Key {
        Key {
            name: name.as_ref().to_lowercase(),
            algorithm,
            mac_octets_min: algorithm.mac_octets(),
            state: MacState::new(algorithm, secret),
        }
    }

    /// Takes MACs from so many octets on; what is at least ten octets and half a MAC, and shorter than
    /// this, is answered with BADTRUNC (H06).
    pub fn with_mac_octets_min(mut self, octets: usize) -> Key {
        self.mac_octets_min = octets.clamp(self.algorithm.mac_octets_min(), self.algorithm.mac_octets());
        self
    }

    /// The name, in lower case.
    pub fn name(&self) -> NameRef<'_> {
        self.name.as_ref()
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Octets of a TSIG record made with this key, the Other Data of a BADTIME included: what a
    /// writer reserves (H14).
    pub fn record_octets(&self) -> usize {
        record_octets(self.name(), self.algorithm.name(), self.algorithm.mac_octets(), 6)
    }

    pub(super) fn mac_octets_min(&self) -> usize {
        self.mac_octets_min
    }

    /// An HMAC that has seen nothing but the secret.
    pub(super) fn start(&self) -> MacState {
        self.state.clone()
    }
}

/// Name and algorithm; never the secret.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} {})", self.name, self.algorithm)
    }
}

/// The keys that a server knows, by name.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    /// Sorted by name.
    keys: Vec<Arc<Key>>,
}

impl Keyring {
    /// No keys.
    pub fn new() -> Keyring {
        Keyring::default()
    }

    /// Adds a key; gives back the one that had the same name.
    pub fn insert(&mut self, key: Arc<Key>) -> Option<Arc<Key>> {
        match self.place(key.name()) {
            Ok(at) => Some(std::mem::replace(&mut self.keys[at], key)),
            Err(at) => {
                self.keys.insert(at, key);
                None
            }
        }
    }

    /// The key with this name, in whatever case (H11).
    pub fn find(&self, name: NameRef<'_>) -> Option<&Arc<Key>> {
        self.place(name).ok().map(|at| &self.keys[at])
    }

    fn place(&self, name: NameRef<'_>) -> Result<usize, usize> {
        self.keys.binary_search_by(|key| key.name().cmp(&name))
    }
}

impl FromIterator<Arc<Key>> for Keyring {
    fn from_iter<I: IntoIterator<Item = Arc<Key>>>(keys: I) -> Keyring {
        let mut ring = Keyring::new();
        for key in keys {
            ring.insert(key);
        }
        ring
    }
}
