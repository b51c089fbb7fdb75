//! What proves that something does not exist: RFC 4035 §3.1.3 and §3.1.4 for NSEC, RFC 5155 §7.2 for NSEC3.
//!
//! The proofs are looked up in the order that a signed version keeps beside its tree; each is an RRset
//! of the zone with its signatures, in the authority section, and no RRset is written twice. A zone
//! whose chain has gaps gets what there is: whether that proves anything is the validator's to say.

use smallvec::SmallVec;

use super::chain::{Expansion, Trail};
use super::{Answering, Served, Signatures};
use crate::dns::message::{Full, Section};
use crate::dns::name::NAME_OCTETS_MAX;
use crate::dns::{NameRef, RecordType};
use crate::limits::CHAIN_STEPS_MAX;
use crate::trace::{Step, Trace};
use crate::zone::{Denial, Node, Nsec3Chain, NsecChain, Version};

/// Proofs that an answer has at most: one for each name of a chain that a wildcard stood in for, and
/// three for what its last name lacks.
const PROOFS_MAX: usize = CHAIN_STEPS_MAX + 1 + 3;

/// What does not exist.
#[derive(Clone, Copy)]
pub(super) enum Absence<'r> {
    /// The name; this is its closest encloser.
    Name(Node<'r>),
    /// The type that was asked, at this node, which may be a wildcard that stood in for the name.
    Type(Node<'r>),
}

/// The owners whose proofs were written: their labels, where the version holds them.
type Written<'r> = SmallVec<[&'r [u8]; PROOFS_MAX]>;

impl<'r, S: Served, T: Trace> Answering<'r, '_, '_, S, T> {
    /// The end of a chain in what exists: proves, to those who want to know, that each wildcard on the
    /// way was right to stand in.
    #[inline]
    pub(super) fn end(&mut self, trail: &Trail<'r, '_>) -> Result<(), Full> {
        match self.query.signatures {
            Signatures::Unwanted => Ok(()),
            Signatures::Wanted => self.prove(None, trail),
        }
    }

    /// The end of a chain in what does not exist: proves that too. The last name of `trail` is the one
    /// that was looked up.
    #[inline]
    pub(super) fn end_without(
        &mut self,
        version: &'r Version,
        absence: Absence<'r>,
        trail: &Trail<'r, '_>,
    ) -> Result<(), Full> {
        match self.query.signatures {
            Signatures::Unwanted => Ok(()),
            Signatures::Wanted => self.prove(Some((version, absence, trail)), trail),
        }
    }

    /// The end of a chain at a cut without DS: proves that the child is not signed, to those who want to
    /// know.
    pub(super) fn end_at_cut(
        &mut self,
        version: &'r Version,
        node: &Node<'r>,
        cut: NameRef<'_>,
        trail: &Trail<'r, '_>,
    ) -> Result<(), Full> {
        self.prove(Some((version, Absence::Type(*node), &Trail::start(cut))), trail)
    }

    // Names have room on its stack and below, which other answers shall not pay for.
    #[inline(never)]
    fn prove(
        &mut self,
        lacking: Option<(&'r Version, Absence<'r>, &Trail<'r, '_>)>,
        trail: &Trail<'r, '_>,
    ) -> Result<(), Full> {
        let mut written = Written::new();
        if let Some((version, absence, looked_up)) = lacking {
            match version.denial() {
                None => {}
                Some(Denial::Nsec(chain)) => {
                    self.prove_by_nsec(version, chain, absence, looked_up, &mut written)?;
                }
                Some(Denial::Nsec3(chain)) if !chain.is_cheap() => {
                    self.put_hashed(version, chain.of_apex(), &mut written)?;
                }
                Some(Denial::Nsec3(chain)) => {
                    self.prove_by_nsec3(version, chain, absence, looked_up, &mut written)?;
                }
            }
        }
        let mut expansions = trail.expansions();
        expansions.try_for_each(|(name, expansion)| self.prove_expansion(name, expansion, &mut written))
    }

    /// RFC 4035 §3.1.3.3, RFC 5155 §7.2.6.
    fn prove_expansion(
        &mut self,
        name: NameRef<'_>,
        Expansion { version, encloser_labels }: Expansion<'r>,
        written: &mut Written<'r>,
    ) -> Result<(), Full> {
        match version.denial() {
            None => Ok(()),
            Some(Denial::Nsec(chain)) => self.put_nsec(version, chain.at_or_before(name), written),
            Some(Denial::Nsec3(chain)) if !chain.is_cheap() => {
                self.put_hashed(version, chain.of_apex(), written)
            }
            Some(Denial::Nsec3(chain)) => {
                let next_closer = ancestor(name, encloser_labels + 1);
                self.put_hashed(version, chain.covering(next_closer), written)
            }
        }
    }

    /// RFC 4035 §3.1.3.1, §3.1.3.2, §3.1.3.4.
    fn prove_by_nsec(
        &mut self,
        version: &'r Version,
        chain: NsecChain<'r>,
        absence: Absence<'r>,
        trail: &Trail<'r, '_>,
        written: &mut Written<'r>,
    ) -> Result<(), Full> {
        let mut buffer = [0; NAME_OCTETS_MAX];
        match absence {
            Absence::Name(encloser) => {
                self.put_nsec(version, chain.at_or_before(trail.name), written)?;
                let encloser = ancestor(trail.name, label_count(version, &encloser));
                self.put_nsec(version, chain.at_or_before(wildcard_below(encloser, &mut buffer)), written)
            }
            // An empty non-terminal has no NSEC: the one before it names something below.
            Absence::Type(node) => {
                let name = match trail.expansion() {
                    Some(expansion) => {
                        wildcard_below(ancestor(trail.name, expansion.encloser_labels), &mut buffer)
                    }
                    None => trail.name,
                };
                let own = Some(node).filter(|node| node.has(RecordType::NSEC));
                self.put_nsec(version, own.or_else(|| chain.at_or_before(name)), written)
            }
        }
    }

    /// RFC 5155 §7.2.2 to §7.2.5 and §7.2.7.
    fn prove_by_nsec3(
        &mut self,
        version: &'r Version,
        chain: Nsec3Chain<'r>,
        absence: Absence<'r>,
        trail: &Trail<'r, '_>,
        written: &mut Written<'r>,
    ) -> Result<(), Full> {
        let mut buffer = [0; NAME_OCTETS_MAX];
        let name = trail.name;
        let encloser_labels = match (absence, trail.expansion()) {
            (Absence::Name(encloser), _) => Some(label_count(version, &encloser)),
            (Absence::Type(_), expansion) => expansion.map(|expansion| expansion.encloser_labels),
        };
        if let Some(labels) = encloser_labels {
            let encloser = self.prove_encloser(version, chain, name, labels, written)?;
            // The wildcard does not exist, or has no such type.
            return self.put_hashed(version, chain.covering(wildcard_below(encloser, &mut buffer)), written);
        }
        match chain.matching(name) {
            Some(node) => self.put_hashed(version, Some(node), written),
            // A delegation, or what only leads to one, that an opt-out left out of the chain.
            None => {
                let above = name.label_count().saturating_sub(1);
                self.prove_encloser(version, chain, name, above, written).map(|_| ())
            }
        }
    }

    /// RFC 5155 §7.2.1: the NSEC3 of the closest provable encloser and the one that covers the next
    /// closer name. The search begins at the ancestor with so many labels, which exists; what an opt-out
    /// left out has no NSEC3.
    fn prove_encloser<'n>(
        &mut self,
        version: &'r Version,
        chain: Nsec3Chain<'r>,
        name: NameRef<'n>,
        mut labels: usize,
        written: &mut Written<'r>,
    ) -> Result<NameRef<'n>, Full> {
        let apex_labels = version.apex().label_count();
        let mut encloser = ancestor(name, labels);
        let mut matching = chain.matching(encloser);
        while matching.is_none() && labels > apex_labels {
            labels -= 1;
            encloser = ancestor(name, labels);
            matching = chain.matching(encloser);
        }
        self.put_hashed(version, matching, written)?;
        self.put_hashed(version, chain.covering(ancestor(name, labels + 1)), written)?;
        Ok(encloser)
    }

    fn put_nsec(
        &mut self,
        version: &'r Version,
        node: Option<Node<'r>>,
        written: &mut Written<'r>,
    ) -> Result<(), Full> {
        self.put_proof(version, node, RecordType::NSEC, written)
    }

    fn put_hashed(
        &mut self,
        version: &'r Version,
        node: Option<Node<'r>>,
        written: &mut Written<'r>,
    ) -> Result<(), Full> {
        self.put_proof(version, node, RecordType::NSEC3, written)
    }

    fn put_proof(
        &mut self,
        version: &'r Version,
        node: Option<Node<'r>>,
        rtype: RecordType,
        written: &mut Written<'r>,
    ) -> Result<(), Full> {
        let Some((node, rrset)) = node.and_then(|node| Some((node, node.rrset(rtype)?))) else {
            return Ok(());
        };
        let labels = node.labels();
        if written.iter().any(|written| std::ptr::eq(*written, labels)) {
            return Ok(());
        }
        let mut buffer = [0; NAME_OCTETS_MAX];
        let owner = join(labels, version.apex(), &mut buffer);
        self.trace.step(|| Step(format!("{rtype} of {owner} is part of the proof")));
        self.put_signed(Section::Authority, owner, &node, &rrset)?;
        written.push(labels);
        Ok(())
    }
}

/// Labels of the name of a node.
pub(super) fn label_count(version: &Version, node: &Node<'_>) -> usize {
    let mut rest = node.labels();
    let mut count = version.apex().label_count();
    while let Some((length, after)) = rest.split_first() {
        rest = &after[usize::from(*length)..];
        count += 1;
    }
    count
}

/// The ancestor of a name that has so many labels, or the name itself.
fn ancestor(name: NameRef<'_>, labels: usize) -> NameRef<'_> {
    name.skip_labels(name.label_count().saturating_sub(labels))
}

/// `*` right below a name that has names below it.
fn wildcard_below<'b>(encloser: NameRef<'_>, buffer: &'b mut [u8; NAME_OCTETS_MAX]) -> NameRef<'b> {
    join(b"\x01*", encloser, buffer)
}

/// Labels in front of a name; together they are a name.
fn join<'b>(labels: &[u8], above: NameRef<'_>, buffer: &'b mut [u8; NAME_OCTETS_MAX]) -> NameRef<'b> {
    let octets = &mut buffer[..labels.len() + above.wire_len()];
    octets[..labels.len()].copy_from_slice(labels);
    octets[labels.len()..].copy_from_slice(above.wire());
    NameRef::from_valid_wire(octets)
}
