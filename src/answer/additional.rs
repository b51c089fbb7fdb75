//! Additional addresses: RFC 1034 §4.3.2 step 6, RFC 2782 for SRV, RFC 9460 §4.1 for SVCB and HTTPS.
//!
//! Only from zones that are served here, only authoritative data, and only as far as it fits: what
//! is left out never sets TC.

use super::referral::ADDRESSES;
use super::{Answering, Served};
use crate::dns::message::{Full, Section};
use crate::dns::{NameRef, RecordType, rdata};
use crate::limits::ADDITIONAL_TARGETS_MAX;
use crate::trace::Trace;
use crate::zone::{Found, Node, Rrset, Version};

impl<S: Served, T: Trace> Answering<'_, '_, '_, S, T> {
    /// The addresses of the hosts that an RRset in the answer names.
    pub(super) fn additional(&mut self, node: &Node<'_>, owner: NameRef<'_>, rrset: &Rrset<'_>) {
        let rtype = rrset.rtype();
        if !has_targets(rtype) {
            return;
        }
        for (at, data) in rrset.records().enumerate().take(ADDITIONAL_TARGETS_MAX) {
            let written = match rdata::additional_target(rtype, data) {
                Some(target) if repeats(rrset, at, target) => Ok(()),
                Some(target) => match self.served.version_for(target, RecordType::A) {
                    Some(version) => self.addresses(version, target),
                    None => Ok(()),
                },
                None if means_owner(rtype, data) => self.addresses_at(node, owner),
                None => Ok(()),
            };
            if written.is_err() {
                return;
            }
        }
    }

    /// The authoritative addresses of `name` in `version`.
    pub(super) fn addresses(&mut self, version: &Version, name: NameRef<'_>) -> Result<(), Full> {
        match version.find(name) {
            // A host may be one that a wildcard stands in for (RFC 4592 §3.3).
            Found::Name(node) | Found::None { wildcard: Some(node), .. } => self.addresses_at(&node, name),
            Found::Cut(_) | Found::Dname(_) | Found::None { wildcard: None, .. } => Ok(()),
        }
    }

    fn addresses_at(&mut self, node: &Node<'_>, owner: NameRef<'_>) -> Result<(), Full> {
        let mut rrsets = ADDRESSES.into_iter().filter_map(|rtype| node.rrset(rtype));
        rrsets.try_for_each(|rrset| self.put_whole(owner, node, &rrset))
    }

    /// Addresses with their RRSIGs, or nothing of them.
    pub(super) fn put_whole(
        &mut self,
        owner: NameRef<'_>,
        node: &Node<'_>,
        rrset: &Rrset<'_>,
    ) -> Result<(), Full> {
        let mark = self.writer.mark();
        let written = self.put_signed(Section::Additional, owner, node, rrset);
        if written.is_err() {
            // An RRset whose RRSIGs do not fit is of no use to who asked for them.
            self.writer.rollback(mark);
        }
        written
    }
}

/// The types of which hosts are worth their addresses, told without touching the RDATA.
fn has_targets(rtype: RecordType) -> bool {
    matches!(
        rtype,
        RecordType::NS
            | RecordType::MX
            | RecordType::SRV
            | RecordType::SVCB
            | RecordType::HTTPS
            | RecordType::AFSDB
            | RecordType::RT
            | RecordType::KX
    )
}

/// RFC 9460 §2.5.2: in ServiceMode the target "." is the owner; in AliasMode it is nothing.
fn means_owner(rtype: RecordType, data: &[u8]) -> bool {
    matches!(rtype, RecordType::SVCB | RecordType::HTTPS)
        && data.first_chunk().is_some_and(|priority| *priority != [0, 0])
}

/// Whether an earlier record of the RRset names the same host.
fn repeats(rrset: &Rrset<'_>, at: usize, target: NameRef<'_>) -> bool {
    let mut earlier = rrset.records().take(at);
    earlier.any(|data| rdata::additional_target(rrset.rtype(), data) == Some(target))
}
