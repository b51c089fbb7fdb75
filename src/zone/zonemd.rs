//! The digest of a zone that travels in it as a ZONEMD record (RFC 8976): verified, and made.
//!
//! Scheme SIMPLE (§3.3.1) with SHA-384 and SHA-512: one record after the other goes into the hash, in
//! canonical form and order; only the names are sorted for it. Left out are the ZONEMD RRset of the apex
//! and the signatures over it; glue and what a cut hides are records like all others.
//!
//! Absent: validating that signature (§4 steps 1 to 3), for which nobody here knows a key. What verifies
//! arrived as it was sent; who sent it is the business of TSIG.

use std::fmt;

use sha2::{Sha384, Sha512};

use super::edit::change;
use super::{Node, Version};
use crate::dns::{Class, RecordRef, RecordType, Records, Serial, rdata};

/// The hash algorithms that are known (RFC 8976 §5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// 1.
    Sha384,
    /// 2.
    Sha512,
}

/// What is done about the ZONEMD of a zone (R33).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// It is a record like all others.
    #[default]
    Off,
    /// A zone that has one that can be verified must verify; an increment is looked at when it is served.
    IfPresent,
    /// No version is served that does not verify.
    Require,
    /// A primary makes it for each version.
    Make(Making),
}

/// How a primary makes the ZONEMD of its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Making {
    /// With which hash.
    pub algorithm: Algorithm,
    /// Zones with more records get none: each version costs a walk over the whole zone.
    pub records_max: u64,
}

/// Why a version does not verify, or gets no ZONEMD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// There is no ZONEMD at the apex.
    Absent,
    /// None has a scheme and a hash algorithm that are known.
    Unsupported,
    /// The same scheme and hash algorithm stand twice (RFC 8976 §2: each must be unique).
    Repeated,
    /// It was made for another serial (RFC 8976 §4 step 4).
    SerialDiffers {
        /// The serial in the ZONEMD.
        zonemd: Serial,
        /// The serial in the SOA.
        soa: Serial,
    },
    /// The zone is not the one that the digest was made of.
    DigestDiffers(Algorithm),
    /// To be made: the zone is signed, so the one that signs it makes its ZONEMD.
    Signed,
    /// To be made: the zone is larger than what is walked for each version.
    TooLarge {
        /// Records of the zone.
        records: u64,
        /// The most.
        most: u64,
    },
}

impl Policy {
    /// How it is made, if it is.
    pub fn making(self) -> Option<Making> {
        match self {
            Policy::Make(making) => Some(making),
            Policy::Off | Policy::IfPresent | Policy::Require => None,
        }
    }

    /// Whether a version that came whole may be served.
    pub fn check(self, version: &Version) -> Result<(), Flaw> {
        match self {
            Policy::Off => Ok(()),
            Policy::Make(making) => making.check(version),
            Policy::Require => verify(version).map(drop),
            Policy::IfPresent => match verify(version) {
                // Nothing that could be verified was there: unverified, as in a zone without any.
                Ok(_) | Err(Flaw::Absent | Flaw::Unsupported) => Ok(()),
                Err(flaw) => Err(flaw),
            },
        }
    }

    /// Whether a version that came as differences may be served: before that, only what is required is
    /// looked at, since the whole zone is walked for it.
    pub fn check_increment(self, version: &Version) -> Result<(), Flaw> {
        match self {
            Policy::Require => self.check(version),
            Policy::Off | Policy::IfPresent | Policy::Make(_) => Ok(()),
        }
    }
}

impl Making {
    /// Whether this zone gets one.
    fn check(self, version: &Version) -> Result<(), Flaw> {
        if version.apex_node().rrsigs(RecordType::SOA).next().is_some() {
            return Err(Flaw::Signed);
        }
        if version.record_count() > self.records_max {
            return Err(Flaw::TooLarge { records: version.record_count(), most: self.records_max });
        }
        Ok(())
    }

    /// The same version with its ZONEMD in place of whatever is there, with the TTL of the SOA (RFC 8976 §3.4).
    pub fn complete(self, version: &Version) -> Version {
        let mut rdata = version.serial().0.to_be_bytes().to_vec();
        rdata.extend([SIMPLE, self.algorithm.number()]);
        rdata.extend(digest(version, self.algorithm));
        let RecordRef { owner, ttl, .. } = version.soa();
        replaced(version, Some(RecordRef { owner, rtype: RecordType::ZONEMD, ttl, rdata: &rdata }))
    }

    /// Whether the version has exactly the one that would be made.
    pub fn is_done(self, version: &Version) -> bool {
        let count = version.apex_node().rrset(RecordType::ZONEMD).map_or(0, |set| set.len());
        count == 1 && verify(version) == Ok(self.algorithm)
    }
}

/// The same version without a ZONEMD at its apex.
pub fn without(version: &Version) -> Version {
    if version.apex_node().has(RecordType::ZONEMD) { replaced(version, None) } else { version.clone() }
}

fn replaced(version: &Version, new: Option<RecordRef<'_>>) -> Version {
    let soa = version.soa();
    let owner = version.apex();
    let old = version.apex_node().rrset(RecordType::ZONEMD);
    let old = old.into_iter().flat_map(|set| set.stored());
    let old = old.map(|old| RecordRef { owner, rtype: RecordType::ZONEMD, ttl: old.ttl, rdata: old.rdata });
    let removed: Records = [soa].into_iter().chain(old).collect();
    let added: Records = [soa].into_iter().chain(new).collect();
    change(version, &removed, &added, |_| ()).expect("a version takes another ZONEMD for its own")
}

/// The scheme that is known (RFC 8976 §5.2).
const SIMPLE: u8 = 1;

/// Verifies a version by its own ZONEMD (RFC 8976 §4 from step 4 on): one that matches is enough.
pub fn verify(version: &Version) -> Result<Algorithm, Flaw> {
    let set = version.apex_node().rrset(RecordType::ZONEMD).ok_or(Flaw::Absent)?;
    let claims = || set.records().filter_map(Claim::read);
    let mut flaw = Flaw::Unsupported;
    for claim in claims() {
        let Some(algorithm) = claim.algorithm() else { continue };
        // At most one of each known algorithm comes through here, so two digests are made at most.
        flaw = if claims().filter(|other| other.method == claim.method).count() > 1 {
            Flaw::Repeated
        } else if claim.serial != version.serial() {
            Flaw::SerialDiffers { zonemd: claim.serial, soa: version.serial() }
        } else if digest(version, algorithm) == claim.digest {
            return Ok(algorithm);
        } else {
            Flaw::DigestDiffers(algorithm)
        };
    }
    Err(flaw)
}

/// What a ZONEMD record says (RFC 8976 §2.2).
struct Claim<'a> {
    serial: Serial,
    /// Scheme and hash algorithm.
    method: [u8; 2],
    digest: &'a [u8],
}

impl<'a> Claim<'a> {
    fn read(rdata: &'a [u8]) -> Option<Claim<'a>> {
        let (&[s0, s1, s2, s3, scheme, hash], digest) = rdata.split_first_chunk()?;
        let serial = Serial(u32::from_be_bytes([s0, s1, s2, s3]));
        Some(Claim { serial, method: [scheme, hash], digest })
    }

    fn algorithm(&self) -> Option<Algorithm> {
        let known = [Algorithm::Sha384, Algorithm::Sha512];
        known.into_iter().find(|algorithm| self.method == [SIMPLE, algorithm.number()])
    }
}

impl Algorithm {
    fn number(self) -> u8 {
        match self {
            Algorithm::Sha384 => 1,
            Algorithm::Sha512 => 2,
        }
    }
}

/// The digest of a version (RFC 8976 §3.3.1).
pub fn digest(version: &Version, algorithm: Algorithm) -> Vec<u8> {
    match algorithm {
        Algorithm::Sha384 => hashed::<Sha384>(version),
        Algorithm::Sha512 => hashed::<Sha512>(version),
    }
}

fn hashed<H: sha2::Digest>(version: &Version) -> Vec<u8> {
    let mut hasher = H::new();
    let mut octets = Vec::new();
    for node in version.nodes_in_order() {
        // RRsets ascend by type and records within them are in canonical order, each once.
        for_each_digested(node, |record| {
            octets.clear();
            octets.extend_from_slice(record.owner.wire());
            octets.make_ascii_lowercase();
            octets.extend_from_slice(&record.rtype.0.to_be_bytes());
            octets.extend_from_slice(&Class::IN.0.to_be_bytes());
            octets.extend_from_slice(&record.ttl.to_be_bytes());
            let at = octets.len();
            octets.extend_from_slice(&[0; 2]);
            rdata::canonical(record.rtype, record.rdata, &mut octets);
            let length = (octets.len() - at - 2) as u16;
            octets[at..at + 2].copy_from_slice(&length.to_be_bytes());
            hasher.update(&octets);
        });
    }
    hasher.finalize().to_vec()
}

/// The records of a name that the digest is made of.
fn for_each_digested(node: Node<'_>, mut visit: impl FnMut(RecordRef<'_>)) {
    let covers_zonemd = |record: RecordRef<'_>| {
        record.rtype == RecordType::RRSIG && record.rdata.starts_with(&RecordType::ZONEMD.0.to_be_bytes())
    };
    node.for_each(|record| {
        let is_left_out = record.rtype == RecordType::ZONEMD || covers_zonemd(record);
        if !(node.is_apex() && is_left_out) {
            visit(record);
        }
    });
}

impl Flaw {
    /// The type of the record at the apex that shows it.
    pub(super) fn rtype(self) -> RecordType {
        match self {
            Flaw::Absent | Flaw::TooLarge { .. } => RecordType::SOA,
            Flaw::Signed => RecordType::RRSIG,
            Flaw::Unsupported | Flaw::Repeated | Flaw::SerialDiffers { .. } | Flaw::DigestDiffers(_) => {
                RecordType::ZONEMD
            }
        }
    }

    /// How to mend it.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Flaw::Absent => "zonemd = \"if-present\" takes zones without one",
            Flaw::Unsupported => "scheme 1 with hash algorithm 1 or 2 can be verified",
            Flaw::Repeated => "each scheme and hash algorithm may stand once",
            Flaw::SerialDiffers { .. } | Flaw::DigestDiffers(_) => {
                "make it anew after each edit, or let zonemd_generate do it"
            }
            Flaw::Signed => "let the signer add it, and take zonemd_generate away",
            Flaw::TooLarge { .. } => "zonemd_force = true makes it all the same",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Absent => f.write_str("the zone has no ZONEMD record, and one is required"),
            Flaw::Unsupported => f.write_str("no ZONEMD has a known scheme and hash algorithm"),
            Flaw::Repeated => f.write_str("two ZONEMD records have the same scheme and hash algorithm"),
            Flaw::SerialDiffers { zonemd, soa } => {
                write!(f, "the ZONEMD was made for serial {zonemd}, and the SOA has {soa}")
            }
            Flaw::DigestDiffers(algorithm) => write!(f, "the zone does not match its ZONEMD ({algorithm})"),
            Flaw::Signed => f.write_str("no ZONEMD is made for a signed zone: its signer makes it"),
            Flaw::TooLarge { records, most } => {
                write!(f, "no ZONEMD is made for {records} records: more than {most} cost too much an edit")
            }
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Algorithm::Sha384 => "SHA-384",
            Algorithm::Sha512 => "SHA-512",
        })
    }
}

#[cfg(test)]
mod tests;
