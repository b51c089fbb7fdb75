//! What the servers do not agree about in signed zones.

use std::collections::BTreeSet;

use super::Row;
use super::chain::without_proofs;
use crate::case::Case;
use crate::message::{Answer, Rr};
use crate::rtype;
use crate::servers::Kind;
use crate::signing::{Chain, Signing};

/// Where BIND, Knot and NSD do not agree about proofs.
pub const ROWS: &[Row] = &[
    Row {
        id: "proofs-of-knot",
        what: "NSEC for names with `*` or an octet 0 in them",
        others: [
            "the one that covers the name",
            "sometimes one that does not cover it, or none",
            "the one that covers the name",
            "not asked",
        ],
        ours: "the one that covers the name",
        why: "RFC 4034 §6.1 orders names, RFC 4035 §3.1.3 tells which NSEC are needed",
        applies: |case| {
            // NSD may differ in its own way beside.
            let ours = without_proofs(case.ours());
            case.plot.signing.is_some()
                && case.is_ours(&[Kind::Bind])
                && !case.is_ours(&[Kind::Knot])
                && case.references().all(|answer| without_proofs(answer).equals(&ours))
        },
    },
    Row {
        id: "proofs-of-nsd",
        what: "NSEC and NSEC3 for a name that is a wildcard, or for which one without the type stands in",
        others: ["what RFC 5155 wants", "what RFC 5155 wants", "one more or one less", "not asked"],
        ours: "what RFC 5155 wants",
        why: "RFC 5155 §7.2.5, RFC 4035 §3.1.3.4",
        applies: |case| {
            let ours = without_proofs(case.ours());
            case.plot.signing.is_some()
                && case.only(Kind::Nsd)
                && case.references().all(|answer| without_proofs(answer).equals(&ours))
        },
    },
    Row {
        id: "wildcard-without-data",
        what: "NSEC where a wildcard that is an empty non-terminal stands in for the name",
        others: [
            "the NSEC that covers the name",
            "the NSEC that covers the name",
            "the one that shows the wildcard to be empty, and mostly the other one",
            "not asked",
        ],
        ours: "both the one that covers the name and the one that shows the wildcard to be empty",
        why: "RFC 4035 §3.1.3.4: both are needed, since without the second the wildcard might have data",
        applies: |case| {
            let ours = without_proofs(case.ours());
            let two = [Kind::Bind, Kind::Nsd].into_iter().filter_map(|kind| case.of(kind));
            let all: BTreeSet<&Rr> = two.flat_map(|answer| &answer.authority).collect();
            // What we send is what these two have together; Knot may differ in its own way.
            case.plot.signing.is_some()
                && case.of(Kind::Bind).is_some_and(|bind| bind.authority.len() < case.ours().authority.len())
                && all == case.ours().authority.iter().collect()
                && case.references().all(|answer| without_proofs(answer).equals(&ours))
        },
    },
    Row {
        id: "wildcard-dname-signed",
        what: "DNAME at a wildcard of a signed zone, asked for a name below the wildcard itself",
        others: [
            "the DNAME at the wildcard, with its signatures",
            "an empty answer without AA, or a DNAME whose owner is made from the question",
            "the DNAME at the wildcard, with its signatures",
            "not asked",
        ],
        ours: "the DNAME at the wildcard, with its signatures",
        why: "as in wildcard-dname; a name below `*` is below a name that exists (RFC 4592 §2.2.2)",
        applies: |case| {
            let ours = case.ours();
            let at_wildcard = |record: &Rr| record.rtype == rtype::DNAME && record.owner.is_wildcard();
            case.plot.signing.is_some()
                && case.is_ours(&[Kind::Bind])
                && ours.answer.iter().any(at_wildcard)
                && case.of(Kind::Nsd).is_none_or(|nsd| without_proofs(nsd).equals(&without_proofs(ours)))
        },
    },
    Row {
        id: "opt-out-above-delegations",
        what: "NSEC3 with opt-out, and a name below an empty non-terminal above unsigned delegations only, \
               which has no NSEC3 of its own",
        others: [
            "the proof from the closest encloser that can be proven",
            "an empty answer without AA, or other proofs",
            "other proofs",
            "not asked",
        ],
        ours: "the proof from the closest encloser that can be proven",
        why: "RFC 5155 §7.2.1: the closest provable encloser; errata 3441 for the empty non-terminals",
        applies: |case| {
            let ours = without_proofs(case.ours());
            let same = |answer: &Answer| without_proofs(answer).equals(&ours);
            let empty = |answer: &Answer| answer.authority.is_empty() && answer.rcode == ours.rcode;
            is_opt_out(case)
                && case.is_ours(&[Kind::Bind])
                && case.of(Kind::Nsd).is_none_or(same)
                && case.of(Kind::Knot).is_none_or(|knot| same(knot) || empty(knot))
        },
    },
];

/// Whether the zone has hashes with opt-out.
pub(super) fn is_opt_out(case: &Case) -> bool {
    matches!(case.plot.signing, Some(Signing { chain: Chain::OptOut, .. }))
}
