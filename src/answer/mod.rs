//! Where a query is answered: the algorithm of RFC 1034 §4.3.2 over immutable versions.
//!
//! Nothing is built first and encoded later: what is found is written into the reply at once, and
//! nothing here allocates, locks, waits or logs. With it go wildcards (RFC 4592), DNAME (RFC 6672),
//! negative answers (RFC 2308, RFC 8020), small answers to ANY (RFC 8482) and glue (RFC 9471).
//!
//! Invariant: an RRset is in the reply whole or not at all, and TC is set exactly when one that is
//! needed did not fit (RFC 2181 §9).
//!
//! Signatures and proofs are those of the zone (RFC 4035 §3.1, RFC 5155 §7.2): nothing is signed here.
//! A zone without them takes the same way, but for one look at whether it has any.
//!
//! Absent: which zone, who may ask, EDNS and signatures of messages (`serve/`).

mod additional;
mod chain;
mod denial;
mod referral;
#[cfg(test)]
pub(crate) mod tests;

use chain::Trail;
use denial::Absence;

use crate::dns::message::{Full, Section, Writer};
use crate::dns::{NameRef, RecordRef, RecordType, ResponseCode};
use crate::trace::{Step, Trace};
use crate::zone::{Found, Node, Prepared, Rrset, Version};

/// The zones that may be shown to whoever asks.
pub trait Served {
    /// The version that answers for `name` and `qtype`: of the zone with the longest match, or of
    /// the one above it for DS at its apex. `None` if no zone matches, or if it has nothing to
    /// serve, or if this client may not query it.
    fn version_for(&self, name: NameRef<'_>, qtype: RecordType) -> Option<&Version>;
}

/// What is asked, as far as the answer depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Query<'q> {
    /// QNAME, case as asked.
    pub name: NameRef<'q>,
    /// QTYPE; never a transfer or another type that only messages have, but ANY is.
    pub qtype: RecordType,
    /// Whether signatures are wanted (the DO bit, RFC 3225).
    pub signatures: Signatures,
    /// How much of a name ANY shows.
    pub any: AnyAnswer,
}

/// Whether an answer brings the RRSIGs of its RRsets along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signatures {
    /// DO was set.
    Wanted,
    /// DO was not set; RRSIG may still be asked by type.
    Unwanted,
}

/// How much of a name a query for ANY is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnyAnswer {
    /// One RRset (RFC 8482 §4.1).
    OneRrset,
    /// All of them.
    All,
}

/// What came of a query besides the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered<'q> {
    /// The rcode, which belongs to the last name of a chain (RFC 6604 §3).
    pub rcode: ResponseCode,
    /// The part of QNAME that the zone has and that decided: the whole name, the cut or DNAME above it,
    /// or the closest encloser. Names that were made up all have the same one.
    pub anchor: NameRef<'q>,
}

/// Answers `query`. `lookup` is that of QNAME in a zone that it is in; `served` is asked for other
/// zones when a chain or additional data leads there. Writes the three sections, AA and TC.
pub fn answer<'r, 'q, S: Served, T: Trace>(
    served: &'r S,
    lookup: Prepared<'r, '_>,
    query: Query<'q>,
    writer: &mut Writer<'_>,
    trace: &mut T,
) -> Answered<'q> {
    let rcode = ResponseCode::NoError;
    let mut answering = Answering { served, query, writer, trace, rcode };
    let (version, found) = (lookup.version(), lookup.find());
    let anchor = anchor_of(version, &found, query.name);
    if let Err(Full) = answering.resolve(version, found, &Trail::start(query.name)) {
        answering.trace.step(|| Step("a needed RRset does not fit: TC".to_owned()));
        answering.writer.set_truncated();
    }
    Answered { rcode: answering.rcode, anchor }
}

/// One query on its way.
struct Answering<'r, 'b, 'q, S, T> {
    served: &'r S,
    query: Query<'q>,
    writer: &'r mut Writer<'b>,
    trace: &'r mut T,
    rcode: ResponseCode,
}

impl<'r, S: Served, T: Trace> Answering<'r, '_, '_, S, T> {
    /// One name of the chain: RFC 1034 §4.3.2 step 3. `Err` when a needed RRset does not fit.
    fn resolve(&mut self, version: &'r Version, found: Found<'r>, trail: &Trail<'r, '_>) -> Result<(), Full> {
        let name = trail.name;
        self.trace.step(|| narrate(version, name, &found));
        match found {
            // §4.3.2 3b: DS belongs to the parent's side of the cut (RFC 4035 §3.1.4.1).
            Found::Cut(node)
                if self.query.qtype == RecordType::DS && referral::owner_of(version, &node, name) == name =>
            {
                self.writer.set_authoritative();
                self.at_node(version, &node, trail)
            }
            Found::Cut(node) => self.refer(version, &node, trail),
            // §4.3.2 3a.
            Found::Name(node) => {
                self.writer.set_authoritative();
                self.at_node(version, &node, trail)
            }
            // RFC 4592 §3.3: a wildcard stands in for the name that was asked.
            Found::None { encloser, wildcard: Some(node) } => {
                self.writer.set_authoritative();
                self.at_node(version, &node, &trail.expanded(version, &encloser))
            }
            // RFC 6672 §3.2 step 3c.
            Found::Dname(node) => {
                self.writer.set_authoritative();
                self.rewrite(version, &node, trail)
            }
            Found::None { encloser, wildcard: None } => {
                self.writer.set_authoritative();
                self.rcode = ResponseCode::NXDomain;
                self.deny(version, Absence::Name(encloser), trail)
            }
        }
    }

    /// The name exists, by itself or through a wildcard: data, a CNAME to follow, or nothing of the
    /// type (RFC 2308 §2.2), which is also what an empty non-terminal has (RFC 8020 §2).
    fn at_node(&mut self, version: &'r Version, node: &Node<'r>, trail: &Trail<'r, '_>) -> Result<(), Full> {
        let qtype = self.query.qtype;
        if qtype == RecordType::ANY {
            return self.any(version, node, trail);
        }
        if qtype == RecordType::DNAME && trail.went_through(trail.name) {
            // The chain came through it, so it stands in the answer already.
            return self.end(trail);
        }
        if let Some(rrset) = node.rrset(qtype).filter(|_| qtype != RecordType::NSEC3) {
            self.put_signed(Section::Answer, trail.name, node, &rrset)?;
            self.end(trail)?;
            self.additional(node, trail.name, &rrset);
            return Ok(());
        }
        if let Some(cname) = node.rrset(RecordType::CNAME) {
            self.put_signed(Section::Answer, trail.name, node, &cname)?;
            return self.follow_cname(&cname, trail);
        }
        self.deny(version, Absence::Type(*node), trail)
    }

    /// ANY: the smallest RRset that is not about signing, or all (RFC 8482 §4.1); no chasing.
    fn any(&mut self, version: &'r Version, node: &Node<'r>, trail: &Trail<'r, '_>) -> Result<(), Full> {
        let name = trail.name;
        if self.query.any == AnyAnswer::All && node.has_data() {
            node.rrsets().try_for_each(|rrset| self.put(Section::Answer, name, &rrset, rrset.ttl()))?;
            return self.end(trail);
        }
        let weight = |rrset: &Rrset<'_>| {
            let about_signing =
                matches!(rrset.rtype(), RecordType::RRSIG | RecordType::NSEC | RecordType::NSEC3);
            (about_signing, rrset.records().map(<[u8]>::len).sum::<usize>())
        };
        match node.rrsets().min_by_key(weight) {
            Some(rrset) => {
                self.put_signed(Section::Answer, name, node, &rrset)?;
                self.end(trail)
            }
            None => self.deny(version, Absence::Type(*node), trail),
        }
    }

    /// The SOA of a negative answer, with the TTL for which to believe it (RFC 2308 §3), and in a signed
    /// zone the proof.
    fn deny(
        &mut self,
        version: &'r Version,
        absence: Absence<'r>,
        trail: &Trail<'r, '_>,
    ) -> Result<(), Full> {
        let soa = version.soa();
        let minimum = soa.rdata.last_chunk().map_or(0, |octets| u32::from_be_bytes(*octets));
        let ttl = ttl_of(soa.ttl).min(minimum);
        self.writer.record(Section::Authority, RecordRef { ttl, ..soa })?;
        if self.query.signatures == Signatures::Unwanted {
            return Ok(());
        }
        self.put_rrsigs(Section::Authority, soa.owner, &version.apex_node(), RecordType::SOA, ttl)?;
        self.end_without(version, absence, trail)
    }

    /// An RRset under `owner`, whole or not at all, with its RRSIGs if they are wanted: those are as
    /// much needed as the RRset itself (RFC 4035 §3.1.1).
    fn put_signed(
        &mut self,
        section: Section,
        owner: NameRef<'_>,
        node: &Node<'_>,
        rrset: &Rrset<'_>,
    ) -> Result<(), Full> {
        self.put(section, owner, rrset, rrset.ttl())?;
        self.put_rrsigs(section, owner, node, rrset.rtype(), rrset.ttl())
    }

    /// An RRset under `owner` with the given TTL, whole or not at all.
    fn put(&mut self, section: Section, owner: NameRef<'_>, rrset: &Rrset<'_>, ttl: u32) -> Result<(), Full> {
        let rtype = rrset.rtype();
        if rtype == RecordType::RRSIG {
            // Not one RRset: each has the TTL of what it covers (RFC 4034 §3).
            let rrsigs = rrset.stored().map(|rrsig| (ttl_of(rrsig.ttl), rrsig.rdata));
            return self.put_all(section, rrsigs.map(|(ttl, rdata)| RecordRef { owner, rtype, ttl, rdata }));
        }
        self.put_all(section, rrset.records().map(|rdata| RecordRef { owner, rtype, ttl, rdata }))
    }

    /// The RRSIGs of one type, with the TTL of what they cover (RFC 4035 §2.2).
    fn put_rrsigs(
        &mut self,
        section: Section,
        owner: NameRef<'_>,
        node: &Node<'_>,
        covered: RecordType,
        ttl: u32,
    ) -> Result<(), Full> {
        if self.query.signatures == Signatures::Unwanted || covered == RecordType::RRSIG {
            return Ok(());
        }
        let rtype = RecordType::RRSIG;
        let rrsigs = node.rrsigs(covered);
        self.put_all(section, rrsigs.map(|rrsig| RecordRef { owner, rtype, ttl, rdata: rrsig.rdata }))
    }

    /// All of `records` or none.
    fn put_all<'v>(
        &mut self,
        section: Section,
        mut records: impl Iterator<Item = RecordRef<'v>>,
    ) -> Result<(), Full> {
        let mark = self.writer.mark();
        let written = records.try_for_each(|record| self.writer.record(section, record));
        if written.is_err() {
            self.writer.rollback(mark);
        }
        written
    }
}

/// See [`Answered::anchor`].
fn anchor_of<'q>(version: &Version, found: &Found<'_>, name: NameRef<'q>) -> NameRef<'q> {
    match found {
        Found::Name(_) => name,
        Found::Cut(node) | Found::Dname(node) | Found::None { encloser: node, .. } => {
            referral::owner_of(version, node, name)
        }
    }
}

/// A TTL with the top bit set means zero (RFC 2181 §8).
fn ttl_of(received: u32) -> u32 {
    if received >> 31 == 0 { received } else { 0 }
}

/// What `explain` says of a lookup.
fn narrate(version: &Version, name: NameRef<'_>, found: &Found<'_>) -> Step {
    let zone = version.apex();
    Step(match found {
        Found::Name(node) if node.is_ent() => {
            format!("{name} is an empty non-terminal of {zone}: it exists and has no data")
        }
        Found::Name(_) => format!("{name} exists in {zone}"),
        Found::Cut(node) => format!("{name} is at or below the zone cut {} of {zone}", node.owner()),
        Found::Dname(node) => format!("{name} is below the DNAME {} of {zone}", node.owner()),
        Found::None { wildcard: Some(node), .. } => {
            format!("{name} does not exist; the wildcard {} stands in for it", node.owner())
        }
        Found::None { encloser, wildcard: None } => {
            format!("{name} does not exist; its closest encloser is {} without a wildcard", encloser.owner())
        }
    })
}
