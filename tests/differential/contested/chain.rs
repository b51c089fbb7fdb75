//! What the predicates of the table look at: chains, and whether an answer was cut rightly.

use std::collections::BTreeSet;

use crate::case::Case;
use crate::message::{Answer, Rr};
use crate::name::Name;
use crate::rtype;

/// The records with the owner of each DNAME, and of its signatures, left out.
pub(super) fn mask_dname(records: &[Rr]) -> BTreeSet<Rr> {
    let mask = |record: &Rr| match record.rtype {
        rtype::DNAME => Rr { owner: Name::plain(""), ..record.clone() },
        rtype::RRSIG if record.rdata.starts_with(&rtype::DNAME.to_be_bytes()) => {
            Rr { owner: Name::plain(""), ..record.clone() }
        }
        _ => record.clone(),
    };
    records.iter().map(mask).collect()
}

/// The answer without what proves that something is absent.
pub(super) fn without_proofs(answer: &Answer) -> Answer {
    let proofs = [rtype::NSEC, rtype::NSEC3];
    let is_proof = |record: &Rr| {
        let covers = |proof: &u16| record.rdata.starts_with(&proof.to_be_bytes());
        proofs.contains(&record.rtype) || record.rtype == rtype::RRSIG && proofs.iter().any(covers)
    };
    let mut answer = answer.clone();
    answer.authority.retain(|record| !is_proof(record));
    answer
}

/// The names that our answer went through.
pub(super) struct Chain {
    /// QNAME first.
    pub(super) names: Vec<Name>,
    /// Whether the last CNAME leads to one of them.
    pub(super) comes_back: bool,
    /// Whether a DNAME leads below itself, so that names grow until they are too long.
    pub(super) grows: bool,
}

pub(super) fn chain_of(case: &Case) -> Chain {
    let answer = &case.ours().answer;
    let grows = answer
        .iter()
        .filter(|record| record.rtype == rtype::DNAME)
        .any(|dname| Name::from_wire(&dname.rdata).is_at_or_below(&dname.owner));
    let mut names = vec![case.question.name.lower()];
    loop {
        let last = names.last().expect("QNAME at least");
        let of_last = |record: &&Rr| record.rtype == rtype::CNAME && record.owner.lower() == *last;
        let Some(cname) = answer.iter().find(of_last) else {
            return Chain { names, comes_back: false, grows };
        };
        let target = Name::from_wire(&cname.rdata).lower();
        if names.contains(&target) {
            return Chain { names, comes_back: true, grows };
        }
        names.push(target);
    }
}

/// Whether a cut answer holds whole RRsets of the `whole` one, and TC says truly whether a needed one is
/// missing.
pub(super) fn is_truncated_rightly(cut: &Answer, whole: &Answer, room: usize) -> bool {
    let sections =
        |answer: &Answer| [answer.answer.clone(), answer.authority.clone(), answer.additional.clone()];
    let whole_sets = sections(cut).iter().zip(sections(whole)).all(|(some, all)| {
        let has = |record: &Rr| some.contains(record);
        let covered =
            |record: &Rr| record.rdata.first_chunk::<2>().copied().filter(|_| record.rtype == rtype::RRSIG);
        let set = |record: &Rr| (record.owner.clone(), record.rtype, covered(record));
        let same_set = |one: &Rr, other: &Rr| set(one) == set(other);
        some.iter().all(|record| all.contains(record))
            && all.iter().all(|record| has(record) || !some.iter().any(|other| same_set(record, other)))
    });
    // An address under a name that was written before takes 12 octets and its RDATA.
    let optional: usize =
        whole.additional_sets(false).values().flatten().map(|record| 12 + record.rdata.len()).sum();
    whole_sets && cut.octets <= room && cut.truncated == (whole.octets - optional > room)
}
