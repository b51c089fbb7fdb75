//! The digest of a version: a check against local corruption and mistakes (R06), not ZONEMD.
//!
//! It is the sum modulo 2^128 of a keyed SipHash-1-3-128 over each record after normalisation
//! (lower-cased owner, type, class, TTL, canonical RDATA), so a delta updates it without touching
//! the rest of the zone. Comparing servers is another digest, made on demand.
//!
//! Each page also keeps a sum of its own, over its records exactly as written but for the SOA:
//! that is what a zone file is held against when it is read again. Case is a difference there, as
//! it is in a delta (R15), and the serial is not, since the file's may lag behind the live one.

use std::fmt;
use std::hash::Hasher;
use std::ops::{AddAssign, SubAssign};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::dns::{Class, RecordRef, rdata};

/// The key of a state directory: made once, kept in the store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DigestKey(pub [u8; 16]);

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(..)")
    }
}

/// The sum over a set of records; zero for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Digest(pub u128);

impl Digest {
    /// The share of one record. `scratch` spares an allocation for each.
    pub fn of(key: &DigestKey, record: RecordRef<'_>, scratch: &mut Vec<u8>) -> Digest {
        scratch.clear();
        scratch.extend_from_slice(record.owner.wire());
        scratch.make_ascii_lowercase();
        scratch.extend_from_slice(&record.rtype.0.to_be_bytes());
        scratch.extend_from_slice(&Class::IN.0.to_be_bytes());
        scratch.extend_from_slice(&record.ttl.to_be_bytes());
        rdata::canonical(record.rtype, record.rdata, scratch);
        Digest::of_octets(key, scratch)
    }

    /// The share of one record in the sum of its page: over the octets as written.
    pub(super) fn written(key: &DigestKey, record: RecordRef<'_>, scratch: &mut Vec<u8>) -> Digest {
        scratch.clear();
        scratch.extend_from_slice(record.owner.wire());
        scratch.extend_from_slice(&record.rtype.0.to_be_bytes());
        scratch.extend_from_slice(&Class::IN.0.to_be_bytes());
        scratch.extend_from_slice(&record.ttl.to_be_bytes());
        scratch.extend_from_slice(record.rdata);
        Digest::of_octets(key, scratch)
    }

    /// Both shares of one record, [`Digest::of`] first. Most records are written as they are
    /// normalised, and hashed once.
    pub(super) fn shares(key: &DigestKey, record: RecordRef<'_>, scratch: &mut Vec<u8>) -> (Digest, Digest) {
        let normal = Digest::of(key, record, scratch);
        let owner = record.owner.wire();
        // Behind the owner stand type, class and TTL.
        let as_written = scratch.starts_with(owner) && scratch.get(owner.len() + 8..) == Some(record.rdata);
        (normal, if as_written { normal } else { Digest::written(key, record, scratch) })
    }

    fn of_octets(key: &DigestKey, octets: &[u8]) -> Digest {
        let mut hasher = SipHasher13::new_with_key(&key.0);
        hasher.write(octets);
        Digest(hasher.finish128().as_u128())
    }
}

impl AddAssign for Digest {
    fn add_assign(&mut self, other: Digest) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl SubAssign for Digest {
    fn sub_assign(&mut self, other: Digest) {
        self.0 = self.0.wrapping_sub(other.0);
    }
}
