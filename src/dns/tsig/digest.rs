//! What a MAC covers (RFC 8945 §4.3) and the HMACs that make it.

use hmac::{Hmac, KeyInit, Mac as _};

use super::codec::Fields;
use super::key::{Algorithm, Key};
use crate::dns::message::HEADER_OCTETS;
use crate::dns::rtype::Class;

/// The longest MAC, that of SHA-512.
const MAC_OCTETS_MAX: usize = 64;

/// A MAC, whole or as it was received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mac {
    octets: [u8; MAC_OCTETS_MAX],
    length: usize,
}

impl Mac {
    /// `None` if it is longer than any algorithm makes.
    pub(super) fn from_slice(mac: &[u8]) -> Option<Mac> {
        let mut octets = [0; MAC_OCTETS_MAX];
        octets.get_mut(..mac.len())?.copy_from_slice(mac);
        Some(Mac { octets, length: mac.len() })
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.octets[..self.length]
    }
}

/// A running HMAC.
#[derive(Clone)]
pub(super) enum MacState {
    Sha1(Hmac<sha1::Sha1>),
    Sha224(Hmac<sha2::Sha224>),
    Sha256(Hmac<sha2::Sha256>),
    Sha384(Hmac<sha2::Sha384>),
    Sha512(Hmac<sha2::Sha512>),
}

macro_rules! each {
    ($state:expr, $hmac:ident => $does:expr) => {
        match $state {
            MacState::Sha1($hmac) => $does,
            MacState::Sha224($hmac) => $does,
            MacState::Sha256($hmac) => $does,
            MacState::Sha384($hmac) => $does,
            MacState::Sha512($hmac) => $does,
        }
    };
}

/// An HMAC takes a secret of any length (RFC 2104 §2).
fn keyed<H: KeyInit>(secret: &[u8]) -> H {
    H::new_from_slice(secret).expect("HMAC takes secrets of any length")
}

impl MacState {
    pub(super) fn new(algorithm: Algorithm, secret: &[u8]) -> MacState {
        match algorithm {
            Algorithm::Sha1 => MacState::Sha1(keyed(secret)),
            Algorithm::Sha224 => MacState::Sha224(keyed(secret)),
            Algorithm::Sha256 => MacState::Sha256(keyed(secret)),
            Algorithm::Sha384 => MacState::Sha384(keyed(secret)),
            Algorithm::Sha512 => MacState::Sha512(keyed(secret)),
        }
    }

    pub(super) fn update(&mut self, octets: &[u8]) {
        each!(self, hmac => hmac.update(octets));
    }

    /// The MAC of what went in.
    pub(super) fn finish(self) -> Mac {
        each!(self, hmac => Mac::from_slice(&hmac.finalize().into_bytes())).expect("64 octets hold every MAC")
    }

    /// Whether `mac`, possibly truncated, is the MAC of what went in; in constant time (H13).
    pub(super) fn verify(self, mac: &[u8]) -> bool {
        each!(self, hmac => hmac.verify_truncated_left(mac)).is_ok()
    }

    /// Takes in a MAC that came before: of the request or of the message before (§4.3.1).
    pub(super) fn take_mac(&mut self, mac: &[u8]) {
        self.update(&(mac.len() as u16).to_be_bytes());
        self.update(mac);
    }

    /// Takes in a message as it was before its TSIG record was added: its id as it was signed and one
    /// additional record fewer (§4.3.2). `without_tsig` ends where the record began.
    pub(super) fn take_message(&mut self, without_tsig: &[u8], original_id: u16) {
        let Some((header, body)) = without_tsig.split_first_chunk::<HEADER_OCTETS>() else { return };
        let mut header = *header;
        header[..2].copy_from_slice(&original_id.to_be_bytes());
        let count = u16::from_be_bytes([header[10], header[11]]).saturating_sub(1);
        header[10..].copy_from_slice(&count.to_be_bytes());
        self.update(&header);
        self.update(body);
    }

    /// Takes in what the TSIG record itself says (§4.3.3).
    pub(super) fn take_variables(&mut self, key: &Key, fields: &Fields<'_>) {
        self.update(key.name().wire());
        self.update(&Class::ANY.0.to_be_bytes());
        self.update(&[0; 4]);
        self.update(key.algorithm().name().wire());
        self.take_timers(fields);
        self.update(&fields.error.to_be_bytes());
        self.update(&(fields.other.len() as u16).to_be_bytes());
        self.update(fields.other);
    }

    /// Takes in time and fudge only, as from the second message of a stream on (§5.3.1).
    pub(super) fn take_timers(&mut self, fields: &Fields<'_>) {
        self.update(&fields.time.to_be_bytes()[2..]);
        self.update(&fields.fudge.to_be_bytes());
    }
}
