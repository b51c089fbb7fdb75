//! What the servers do not agree about: each behaviour, what each of them does, what we do and why.
//!
//! A row applies to a case only by a narrow predicate, which also says what is right for us there.
//! `docs/contested.md` is this table for operators.

mod chain;
pub mod power_dns;
pub mod signed;
pub mod single;

use std::collections::BTreeSet;

use chain::{chain_of, is_truncated_rightly, mask_dname};

use crate::case::{Case, REFERENCES};
use crate::message::{Answer, Rr, Way};
use crate::name::Name;
use crate::rtype;
use crate::servers::Kind;

/// A behaviour that is contested.
pub struct Row {
    /// Its name in reports.
    pub id: &'static str,
    /// When it shows.
    pub what: &'static str,
    /// What the others do: BIND, Knot, NSD, PowerDNS.
    pub others: [&'static str; 4],
    /// What we do.
    pub ours: &'static str,
    /// Why, with the RFC.
    pub why: &'static str,
    /// Whether a case is one of it, and our answer right.
    pub applies: fn(&Case) -> bool,
}

/// Every row.
pub fn all() -> impl Iterator<Item = &'static Row> {
    single::ALL.iter().copied().chain(ROWS).chain(signed::ROWS).chain(power_dns::ROWS)
}

/// Where BIND, Knot and NSD do not agree.
pub const ROWS: &[Row] = &[
    Row {
        id: "any",
        what: "ANY at a name with several RRsets",
        others: ["all of them", "one of them", "all of them, or one", "all of them"],
        ours: "the smallest one; all of them over TCP with minimal_any = \"udp\"",
        why: "RFC 8482 §4.1: one RRset is enough, and no help for amplification",
        applies: |case| {
            let ours = case.ours();
            let is_one = |answer: &Answer| {
                let of_data = || answer.answer.iter().filter(|record| record.rtype != rtype::RRSIG);
                let first = of_data().next();
                // In a signed zone the one may be that of the signatures.
                !answer.answer.is_empty()
                    && first.is_none_or(|first| of_data().all(|record| record.rtype == first.rtype))
            };
            let within = |answer: &Answer| {
                let mut known = case.of(Kind::Bind).into_iter().flat_map(|all| &all.answer).peekable();
                known.peek().is_none()
                    || answer.answer.iter().all(|record| known.clone().any(|one| one == record))
            };
            let fits = |answer: &Answer| answer.heads_equal(ours) && is_one(answer) && within(answer);
            case.question.rtype == rtype::ANY
                && fits(ours)
                && case.of(Kind::Bind).is_none_or(|all| all.heads_equal(ours))
                && case.of(Kind::Knot).is_none_or(fits)
                // NSD gives all if it likes, and may see the parent's names too: names-of-other-zone.
                && case.of(Kind::Nsd).is_none_or(|nsd| within(nsd) || case.plot.zones.len() > 1)
        },
    },
    Row {
        id: "any-through-dname",
        what: "ANY below a DNAME",
        others: [
            "the DNAME and the CNAME made from it",
            "the chain to its end",
            "the chain to its end",
            "the chain to its end",
        ],
        ours: "the DNAME and the CNAME made from it",
        why: "RFC 1034 §3.6.2: a CNAME matches ANY and is not followed; RFC 6672 §3.2 step 3c for the \
              one that is made",
        applies: |case| {
            let ours = &case.ours().answer;
            case.question.rtype == rtype::ANY
                && ours.iter().any(|record| record.rtype == rtype::DNAME)
                && case.is_ours(&[Kind::Bind])
                && case.references().all(|answer| {
                    // Knot fails where it has to sign for a wildcard: wildcard-dname-signed.
                    let is_empty = !answer.authoritative && answer.answer.is_empty();
                    let fails = case.plot.signing.is_some() && (answer.rcode == 2 || is_empty);
                    fails || mask_dname(&answer.answer).is_superset(&mask_dname(ours))
                })
        },
    },
    Row {
        id: "endless-chain",
        what: "A chain of CNAME and DNAME that is long, comes back to a name, or grows for ever",
        others: [
            "SERVFAIL after 11 steps or so, with the chain so far",
            "up to 5 steps for a DNAME, some records several times",
            "stops where the chain comes back",
            "SERVFAIL after 10 steps",
        ],
        ours: "each name once, at most 16 steps, NOERROR with what was found",
        why: "R29; RFC 1034 §3.6.2 asks to survive loops, no RFC says how the answer looks",
        applies: |case| {
            let chain = chain_of(case);
            // Without NSD the zone has data below a DNAME, which Knot serves instead of a chain.
            let hidden = case.of(Kind::Nsd).is_none();
            let chains = REFERENCES.iter().filter(|kind| !hidden || **kind != Kind::Knot);
            let answers: Vec<&Answer> =
                chains.filter_map(|kind| case.of(*kind)).chain([case.ours()]).collect();
            let sets: Vec<BTreeSet<Rr>> = answers.iter().map(|answer| mask_dname(&answer.answer)).collect();
            let nested =
                |one: &BTreeSet<Rr>| sets.iter().all(|set| set.is_subset(one) || set.is_superset(one));
            (chain.comes_back || chain.grows || chain.names.len() > 4)
                && sets.iter().all(nested)
                && answers.iter().all(|answer| [0, 2, 6, case.ours().rcode].contains(&answer.rcode))
        },
    },
    Row {
        id: "repeated-record",
        what: "DNAME asked where the chain came through it, or a chain that comes back",
        others: ["each record once", "some records twice", "each record once", "each record once"],
        ours: "each record once",
        why: "RFC 2181 §5: a set holds no record twice",
        applies: |case| {
            let Some(knot) = case.of(Kind::Knot) else { return false };
            let mut once = knot.clone();
            once.answer.dedup();
            case.only(Kind::Knot) && once.answer.len() < knot.answer.len() && once.equals(case.ours())
        },
    },
    Row {
        id: "wildcard-dname",
        what: "DNAME at a wildcard, asked for a name below the wildcard itself",
        others: [
            "the DNAME at the wildcard",
            "a DNAME whose owner is made from the question",
            "the DNAME at the wildcard",
            "the DNAME at the wildcard",
        ],
        ours: "the DNAME at the wildcard",
        why: "RFC 4592 §4.4 calls it undefined; a name below `*` is below a name that exists (§2.2.2)",
        applies: |case| {
            let Some(knot) = case.of(Kind::Knot) else { return false };
            let ours = case.ours();
            let at_wildcard = |record: &Rr| record.rtype == rtype::DNAME && record.owner.is_wildcard();
            ours.answer.iter().any(at_wildcard)
                && case.is_ours(&[Kind::Bind])
                && (case.is_ours(&[Kind::Nsd]) || case.plot.zones.len() > 1)
                && ours.rcode == knot.rcode
                && mask_dname(&ours.answer) == mask_dname(&knot.answer)
        },
    },
    Row {
        id: "below-dname",
        what: "A zone file with data below a DNAME",
        others: ["hides the data", "serves the data", "does not load the zone", "serves the data"],
        ours: "hides the data",
        why: "RFC 6672 §2.4: names below a DNAME do not exist",
        applies: |case| {
            case.of(Kind::Nsd).is_none()
                && case.is_ours(&[Kind::Bind])
                && chain_of(case).names.iter().any(|name| {
                    let zone = case.plot.zone_of(name);
                    let barrier = zone.and_then(|zone| zone.barrier(name, rtype::DNAME));
                    barrier.is_some_and(|dname| zone.is_some_and(|zone| zone.has_below(&dname)))
                })
        },
    },
    Row {
        id: "names-of-other-zone",
        what: "A parent zone has data below the cut to a child zone on the same server",
        others: [
            "it means nothing to the child",
            "it means nothing to the child",
            "names of the parent exist in the child too: NOERROR for NXDOMAIN, no wildcard below them",
            "it means nothing to the child",
        ],
        ours: "it means nothing to the child",
        why: "RFC 1034 §4.3.2 step 2: the nearest zone answers, and what is below its apex is its alone; \
              NSD keeps the names of all zones in one tree",
        applies: |case| {
            case.only(Kind::Nsd)
                && chain_of(case).names.iter().any(|name| {
                    let Some(zone) = case.plot.zone_of(name) else { return false };
                    let within = name.upwards().take_while(|above| above.is_below(&zone.apex));
                    let stands = |name: &Name| {
                        let mut others = case.plot.zones.iter().filter(|other| other.apex != zone.apex);
                        others.any(|other| other.holds(name))
                    };
                    within.into_iter().chain([zone.apex.clone()]).any(|above| {
                        above.child(b"*").is_some_and(|wildcard| stands(&wildcard))
                            || above != zone.apex && stands(&above)
                    })
                })
        },
    },
    Row {
        id: "chain-into-other-zone",
        what: "A chain leads into another zone of the same server",
        others: ["ends there", "ends there, or at the cut with a referral", "goes on", "goes on"],
        ours: "goes on, through all zones that the client may query",
        why: "RFC 1034 §4.3.2 step 3a: go back to step 1, which looks for the zone anew",
        applies: |case| {
            let zones: BTreeSet<Option<&Name>> = chain_of(case)
                .names
                .iter()
                .map(|name| case.plot.zone_of(name).map(|zone| &zone.apex))
                .collect();
            let begins =
                |answer: &Answer| answer.answer.iter().all(|record| case.ours().answer.contains(record));
            // NSD may give another rcode: names-of-other-zone.
            let goes_on =
                |nsd: &Answer| Answer { rcode: case.ours().rcode, ..nsd.clone() }.equals(case.ours());
            zones.len() > 1
                && (case.of(Kind::Nsd).is_none_or(goes_on) || case.is_tight())
                && case.references().all(begins)
        },
    },
    Row {
        id: "too-long",
        what: "A DNAME that makes a name of more than 255 octets",
        others: ["YXDOMAIN", "goes on with the owner of the DNAME or the zone", "YXDOMAIN", "YXDOMAIN"],
        ours: "YXDOMAIN with the DNAME",
        why: "RFC 6672 §2.2, §3.2 step 3c",
        applies: |case| {
            let Some(knot) = case.of(Kind::Knot) else { return false };
            let ours = case.ours();
            case.is_ours(&[Kind::Bind, Kind::Nsd])
                && ours.rcode == 6
                && mask_dname(&ours.answer).is_subset(&mask_dname(&knot.answer))
        },
    },
    Row {
        id: "wildcard-glue",
        what: "A referral to a server below the cut for which only a wildcard below the cut stands in",
        others: ["no glue", "glue made from the wildcard", "glue made from the wildcard", "no glue"],
        ours: "no glue",
        why: "RFC 4592 §3.3 makes records from a wildcard only as part of the answer of its zone; what is \
              below a cut belongs to another one",
        applies: |case| {
            let Some(cut) = case.ours().cut() else { return false };
            let is_made = |record: &Rr| {
                let zone = case.plot.zone_of(&record.owner);
                record.owner.is_below(&cut) && zone.is_some_and(|zone| zone.types(&record.owner).is_empty())
            };
            let without = |answer: &Answer| {
                let mut answer = answer.clone();
                answer.additional.retain(|record| !is_made(record));
                answer
            };
            case.is_ours(&[Kind::Bind]) && case.references().all(|answer| without(answer).equals(case.ours()))
        },
    },
    Row {
        id: "wildcard-ns",
        what: "NS at a wildcard below the apex",
        others: [
            "does not load the zone",
            "a referral whose owner is the wildcard",
            "the records of the wildcard, as of any other type",
            "the records of the wildcard, as of any other type",
        ],
        ours: "the records of the wildcard, as of any other type, with a warning when the zone is read",
        why: "RFC 4592 §4.2 leaves it open and discourages it; a cut that stands everywhere delegates nothing",
        applies: |case| {
            let Some(knot) = case.of(Kind::Knot) else { return false };
            let is_wildcard_cut = |record: &Rr| record.rtype == rtype::NS && record.owner.is_wildcard();
            case.of(Kind::Bind).is_none()
                && (case.is_ours(&[Kind::Nsd]) || case.plot.zones.len() > 1)
                && knot.authority.iter().any(is_wildcard_cut)
        },
    },
    Row {
        id: "ds-after-cname",
        what: "DS asked, and a CNAME leads to the apex of a child zone on the same server",
        others: [
            "what the child says",
            "what the child says",
            "what the parent says",
            "what the parent says",
        ],
        ours: "what the parent says",
        why: "RFC 4035 §3.1.4.1: DS belongs to the parent, whatever led to the name",
        applies: |case| {
            let chain = chain_of(case);
            let last = chain.names.last().expect("QNAME at least");
            case.question.rtype == rtype::DS
                && chain.names.len() > 1
                && case.plot.zones.iter().any(|zone| zone.apex == *last)
                && case.is_ours(&[Kind::Nsd])
        },
    },
    Row {
        id: "truncation",
        what: "An answer over UDP that does not fit",
        others: [
            "no records beside TC; leaves glue out without TC",
            "what fits, with TC; for a referral too",
            "what fits; leaves glue out without TC",
            "no records beside TC",
        ],
        ours: "whole RRsets as far as they fit; TC exactly if one is missing that is needed: of the \
               answer, or glue inside the delegated zone",
        why: "RFC 2181 §9, RFC 9471 §3.1",
        applies: |case| {
            let (ours, Some(whole)) = (case.ours(), case.whole) else { return false };
            let whole = whole.lowered();
            case.is_tight()
                && case.question.way != Way::Tcp
                && is_truncated_rightly(ours, &whole, case.question.room())
                && case.references().all(|answer| {
                    // Without NSD the zone has data below a DNAME, of which Knot makes something else.
                    answer.authoritative == ours.authoritative
                        || case.of(Kind::Nsd).is_none()
                        || signed::is_opt_out(case)
                })
        },
    },
];
