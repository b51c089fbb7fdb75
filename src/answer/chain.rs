//! Chains of CNAME and DNAME: RFC 1034 §4.3.2 steps 3a and 3c, RFC 6672 §3.2.
//!
//! A chain is followed through all zones that this client may see, at most
//! [`CHAIN_STEPS_MAX`] steps, and never through the same name twice; where it ends
//! early, what was found is the answer (R29). The trail lives on the stack: one frame for each step.

use super::{Answering, Served};
use crate::dns::message::{Full, Section};
use crate::dns::name::NAME_OCTETS_MAX;
use crate::dns::{NameRef, RecordRef, RecordType, ResponseCode};
use crate::limits::CHAIN_STEPS_MAX;
use crate::trace::{Step, Trace};
use crate::zone::{Node, Rrset, Version};

/// The names of a chain, the latest first.
pub(super) struct Trail<'t> {
    /// The name that is looked up now.
    pub(super) name: NameRef<'t>,
    /// The owner of the DNAME that led here.
    through: Option<NameRef<'t>>,
    before: Option<&'t Trail<'t>>,
    steps: usize,
}

impl<'t> Trail<'t> {
    /// A chain that begins at QNAME.
    pub(super) fn start(name: NameRef<'t>) -> Trail<'t> {
        Trail { name, through: None, before: None, steps: 0 }
    }

    /// Whether the DNAME at `owner` was used, which is then in the answer.
    pub(super) fn went_through(&self, owner: NameRef<'_>) -> bool {
        self.any(|link| link.through == Some(owner))
    }

    fn any(&self, matches: impl Fn(&Trail<'_>) -> bool) -> bool {
        let mut link = Some(self);
        while let Some(trail) = link {
            if matches(trail) {
                return true;
            }
            link = trail.before;
        }
        false
    }
}

impl<S: Served, T: Trace> Answering<'_, '_, '_, S, T> {
    /// Goes on at the target of a CNAME that was just written.
    pub(super) fn follow_cname(&mut self, cname: &Rrset<'_>, trail: &Trail<'_>) -> Result<(), Full> {
        let target = cname.records().next().and_then(|rdata| NameRef::from_wire(rdata).ok());
        target.map_or(Ok(()), |target| self.follow(target, None, trail))
    }

    /// Below a DNAME: the DNAME, a CNAME made from it with its TTL, then on at the new name
    /// (RFC 6672 §3.1). The made CNAME is never signed (§5.3.1).
    pub(super) fn rewrite(
        &mut self,
        version: &Version,
        node: &Node<'_>,
        trail: &Trail<'_>,
    ) -> Result<(), Full> {
        let owner = super::referral::owner_of(version, node, trail.name);
        let Some(dname) = node.rrset(RecordType::DNAME) else { return Ok(()) };
        if !trail.went_through(owner) {
            self.put_signed(Section::Answer, owner, node, &dname)?;
        }
        let target = dname.records().next().and_then(|rdata| NameRef::from_wire(rdata).ok());
        let Some(target) = target else { return Ok(()) };
        let mut buffer = [0; NAME_OCTETS_MAX];
        let Some(rewritten) = substitute(trail.name, owner, target, &mut buffer) else {
            // RFC 6672 §2.2: the name became too long.
            self.trace.step(|| Step(format!("{} with {target} for {owner} is too long", trail.name)));
            self.rcode = ResponseCode::YXDomain;
            return Ok(());
        };
        let cname = RecordRef {
            owner: trail.name,
            rtype: RecordType::CNAME,
            ttl: dname.ttl(),
            rdata: rewritten.wire(),
        };
        self.writer.record(Section::Answer, cname)?;
        // The made CNAME is what was asked for.
        if matches!(self.query.qtype, RecordType::CNAME | RecordType::ANY) {
            return Ok(());
        }
        self.follow(rewritten, Some(owner), trail)
    }

    /// Takes the next step of a chain if there is one to take.
    fn follow(
        &mut self,
        target: NameRef<'_>,
        through: Option<NameRef<'_>>,
        trail: &Trail<'_>,
    ) -> Result<(), Full> {
        if trail.steps == CHAIN_STEPS_MAX || trail.any(|link| link.name == target) {
            self.trace.step(|| Step(format!("the chain is not followed to {target}: too long or a loop")));
            return Ok(());
        }
        let Some(version) = self.served.version_for(target, self.query.qtype) else {
            self.trace.step(|| Step(format!("{target} is in no zone that is served to this client")));
            return Ok(());
        };
        self.resolve(
            version,
            version.find(target),
            &Trail { name: target, through, before: Some(trail), steps: trail.steps + 1 },
        )
    }
}

/// `name` with `target` in place of `owner`, which it is below; `None` if that is too long.
fn substitute<'b>(
    name: NameRef<'_>,
    owner: NameRef<'_>,
    target: NameRef<'_>,
    buffer: &'b mut [u8; NAME_OCTETS_MAX],
) -> Option<NameRef<'b>> {
    let prefix = name.prefix_above(owner)?;
    let made = buffer.get_mut(..prefix.len() + target.wire_len())?;
    let (head, tail) = made.split_at_mut(prefix.len());
    head.copy_from_slice(prefix);
    tail.copy_from_slice(target.wire());
    NameRef::from_wire(made).ok()
}
