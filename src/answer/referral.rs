//! Referrals: RFC 1034 §4.3.2 step 3b, glue by RFC 9471, DS by RFC 4035 §3.1.4.

use super::chain::Trail;
use super::{Answering, Served, Signatures};
use crate::dns::message::{Full, Section};
use crate::dns::{NameRef, RecordType, rdata};
use crate::trace::{Step, Trace};
use crate::zone::{Node, Version};

/// The types that glue has.
pub(super) const ADDRESSES: [RecordType; 2] = [RecordType::A, RecordType::AAAA];

impl<'r, S: Served, T: Trace> Answering<'r, '_, '_, S, T> {
    /// Sends the client on to the servers of the zone below the cut. AA stays as it is: clear at
    /// first, set when a CNAME of ours led here (RFC 1035 §4.1.1 speaks of the first owner).
    pub(super) fn refer(
        &mut self,
        version: &'r Version,
        node: &Node<'r>,
        trail: &Trail<'r, '_>,
    ) -> Result<(), Full> {
        let cut = owner_of(version, node, trail.name);
        let Some(servers) = node.rrset(RecordType::NS) else { return Ok(()) };
        self.put(Section::Authority, cut, &servers, servers.ttl())?;
        match node.rrset(RecordType::DS) {
            // RFC 4035 §3.1.4.1; a DS that nothing signs is of no use to anybody.
            _ if self.query.signatures == Signatures::Unwanted || version.denial().is_none() => {
                self.end(trail)?;
            }
            Some(ds) => {
                self.put_signed(Section::Authority, cut, node, &ds)?;
                self.end(trail)?;
            }
            None => self.end_at_cut(version, node, cut, trail)?,
        }
        let targets = || servers.records().filter_map(|data| rdata::additional_target(RecordType::NS, data));
        // RFC 9471 §3.1: the client cannot go on without the glue inside the delegated zone.
        for target in targets().filter(|target| target.is_at_or_below(cut)) {
            self.glue(version, target)?;
        }
        // §3.2: the rest helps if it fits. The first that does not ends it.
        for target in targets().filter(|target| !target.is_at_or_below(cut)) {
            if self.sibling_glue(version, target).is_err() {
                self.trace.step(|| Step(format!("glue of {target} does not fit and is left out")));
                break;
            }
        }
        Ok(())
    }

    /// The addresses that `version` has for a server name, authoritative or not.
    fn glue(&mut self, version: &Version, target: NameRef<'_>) -> Result<(), Full> {
        let Some(node) = version.node(target) else { return Ok(()) };
        let mut rrsets = ADDRESSES.into_iter().filter_map(|rtype| node.rrset(rtype));
        // Addresses that are not glue but data of the zone have signatures (RFC 4035 §3.1.1).
        rrsets.try_for_each(|rrset| self.put_whole(target, &node, &rrset))
    }

    /// The addresses of a server outside the delegated zone: glue of this zone, or data of another.
    fn sibling_glue(&mut self, version: &Version, target: NameRef<'_>) -> Result<(), Full> {
        match self.served.version_for(target, RecordType::A) {
            _ if target.is_at_or_below(version.apex()) => self.glue(version, target),
            Some(other) => self.addresses(other, target),
            None => Ok(()),
        }
    }
}

/// The owner of a node at or above `name`, as a part of `name`: no copy, and it compresses.
pub(super) fn owner_of<'n>(version: &Version, node: &Node<'_>, name: NameRef<'n>) -> NameRef<'n> {
    let octets = node.labels().len() + version.apex().wire_len();
    let start = name.wire_len().saturating_sub(octets);
    NameRef::from_valid_wire(&name.wire()[start..])
}
