//! Chains of CNAME and DNAME: RFC 1034 §4.3.2 steps 3a and 3c, RFC 6672 §3.2.
//!
//! A chain is followed through all zones that this client may see, at most
//! [`CHAIN_STEPS_MAX`] steps, and never through the same name twice; where it ends
//! early, what was found is the answer (R29). The trail lives on the stack: one frame for each step.

use super::{Answering, Served, denial};
use crate::dns::message::{Full, Section};
use crate::dns::name::NAME_OCTETS_MAX;
use crate::dns::{NameRef, RecordRef, RecordType, ResponseCode};
use crate::limits::CHAIN_STEPS_MAX;
use crate::trace::{Step, Trace};
use crate::zone::{Node, Rrset, Version};

/// The names of a chain, the latest first.
#[derive(Clone, Copy)]
pub(super) struct Trail<'r, 't> {
    /// The name that is looked up now.
    pub(super) name: NameRef<'t>,
    /// The owner of the DNAME that led here.
    through: Option<NameRef<'t>>,
    /// What stood in for the name, if that has to be proven right.
    expansion: Option<Expansion<'r>>,
    before: Option<&'t Trail<'r, 't>>,
    steps: usize,
}

/// A wildcard of a signed zone that stood in for a name.
#[derive(Clone, Copy)]
pub(super) struct Expansion<'r> {
    pub(super) version: &'r Version,
    /// Labels of the closest encloser of the name.
    pub(super) encloser_labels: usize,
}

impl<'r, 't> Trail<'r, 't> {
    /// A chain that begins at QNAME.
    pub(super) fn start(name: NameRef<'t>) -> Trail<'r, 't> {
        Trail { name, through: None, expansion: None, before: None, steps: 0 }
    }

    /// The same with a wildcard right below `encloser` in place of the name.
    pub(super) fn expanded(&self, version: &'r Version, encloser: &Node<'_>) -> Trail<'r, 't> {
        let expansion = version.denial().map(|_| {
            let encloser_labels = denial::label_count(version, encloser);
            Expansion { version, encloser_labels }
        });
        Trail { expansion, ..*self }
    }

    /// The names for which a wildcard stood in, the latest first.
    pub(super) fn expansions(&self) -> impl Iterator<Item = (NameRef<'t>, Expansion<'r>)> {
        let links = std::iter::successors(Some(self), |link| link.before);
        links.filter_map(|link| link.expansion.map(|expansion| (link.name, expansion)))
    }

    /// What stood in for the latest name.
    pub(super) fn expansion(&self) -> Option<Expansion<'r>> {
        self.expansion
    }

    /// Whether the DNAME at `owner` was used, which is then in the answer.
    pub(super) fn went_through(&self, owner: NameRef<'_>) -> bool {
        self.any(|link| link.through == Some(owner))
    }

    fn any(&self, matches: impl Fn(&Trail<'_, '_>) -> bool) -> bool {
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

impl<'r, S: Served, T: Trace> Answering<'r, '_, '_, S, T> {
    /// Goes on at the target of a CNAME that was just written.
    pub(super) fn follow_cname(&mut self, cname: &Rrset<'_>, trail: &Trail<'r, '_>) -> Result<(), Full> {
        let target = cname.records().next().and_then(|rdata| NameRef::from_wire(rdata).ok());
        match target {
            Some(target) => self.follow(target, None, trail),
            None => self.end(trail),
        }
    }

    /// Below a DNAME: the DNAME, a CNAME made from it with its TTL, then on at the new name
    /// (RFC 6672 §3.1). The made CNAME is never signed (§5.3.1).
    pub(super) fn rewrite(
        &mut self,
        version: &Version,
        node: &Node<'_>,
        trail: &Trail<'r, '_>,
    ) -> Result<(), Full> {
        let owner = super::referral::owner_of(version, node, trail.name);
        let Some(dname) = node.rrset(RecordType::DNAME) else { return self.end(trail) };
        if !trail.went_through(owner) {
            self.put_signed(Section::Answer, owner, node, &dname)?;
        }
        let target = dname.records().next().and_then(|rdata| NameRef::from_wire(rdata).ok());
        let Some(target) = target else { return self.end(trail) };
        let mut buffer = [0; NAME_OCTETS_MAX];
        let Some(rewritten) = substitute(trail.name, owner, target, &mut buffer) else {
            // RFC 6672 §2.2: the name became too long.
            self.trace.step(|| Step(format!("{} with {target} for {owner} is too long", trail.name)));
            self.rcode = ResponseCode::YXDomain;
            return self.end(trail);
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
            return self.end(trail);
        }
        self.follow(rewritten, Some(owner), trail)
    }

    /// Takes the next step of a chain if there is one to take.
    fn follow(
        &mut self,
        target: NameRef<'_>,
        through: Option<NameRef<'_>>,
        trail: &Trail<'r, '_>,
    ) -> Result<(), Full> {
        if trail.steps == CHAIN_STEPS_MAX || trail.any(|link| link.name == target) {
            self.trace.step(|| Step(format!("the chain is not followed to {target}: too long or a loop")));
            return self.end(trail);
        }
        let served = self.served;
        let Some(version) = served.version_for(target, self.query.qtype) else {
            self.trace.step(|| Step(format!("{target} is in no zone that is served to this client")));
            return self.end(trail);
        };
        let steps = trail.steps + 1;
        self.resolve(
            version,
            version.find(target),
            &Trail { name: target, through, expansion: None, before: Some(trail), steps },
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
