//! Where PowerDNS alone differs, while BIND, Knot and NSD agree.

use super::Row;
use crate::case::Case;
use crate::message::{Answer, Rr};
use crate::rtype;
use crate::servers::Kind;

/// Where PowerDNS alone differs.
pub const ROWS: &[Row] = &[
    Row {
        id: "powerdns-odd-names",
        what: "A question for a name with octets beyond letters, digits and a few signs",
        others: ["answers", "answers", "answers", "SERVFAIL"],
        ours: "answers",
        why: "RFC 2181 §11: any octet may be in a label",
        applies: |case| {
            let is_usual = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_*./@+".contains(octet);
            power_dns(case).rcode == 2 && !case.question.name.labels().concat().iter().all(is_usual)
        },
    },
    Row {
        id: "powerdns-nested-cut",
        what: "A question at or below a cut that is itself below another cut",
        others: [
            "the higher cut",
            "the higher cut",
            "the higher cut",
            "the lower cut; for DS at the lower cut that there is none",
        ],
        ours: "the higher cut",
        why: "RFC 1034 §4.3.2 step 3b: the first cut on the way down ends it",
        applies: |case| match (case.ours().cut(), power_dns(case).cut()) {
            (Some(ours), Some(lower)) => lower.is_below(&ours),
            (Some(ours), None) => case.question.rtype == rtype::DS && case.question.name.is_below(&ours),
            _ => false,
        },
    },
    Row {
        id: "powerdns-follows-what-was-asked",
        what: "CNAME, DNAME or ANY asked where a CNAME is the answer, or is made from a DNAME",
        others: ["not followed", "not followed", "not followed", "followed"],
        ours: "not followed",
        why: "RFC 1034 §4.3.2 step 3a: a CNAME is followed unless it is what was asked (R29)",
        applies: |case| {
            let (ours, theirs) = (case.ours(), power_dns(case));
            let asked = [rtype::CNAME, rtype::DNAME, rtype::ANY].contains(&case.question.rtype);
            asked
                && ours.answer.iter().any(|record| record.rtype == rtype::CNAME)
                // What is followed may not fit any more.
                && (theirs.rcode == 2 || theirs.truncated || ours.answer.iter().all(|record| theirs.answer.contains(record)))
        },
    },
    Row {
        id: "powerdns-truncation",
        what: "An answer over UDP that just fits, or does but for optional additional data",
        others: ["whole", "whole", "whole", "TC; or what fits without it"],
        ours: "whole",
        why: "RFC 2181 §9: TC is for what is needed",
        applies: |case| {
            // It writes most names out whole, and wants the additional data whole too.
            let (theirs, ours) = (power_dns(case), case.ours());
            let has_targets = |record: &Rr| [rtype::NS, rtype::MX, rtype::SRV].contains(&record.rtype);
            let is_near = ours.octets * 2 + 160 > case.question.room();
            (theirs.truncated || ours.truncated)
                && (is_near || ours.cut().is_some() || ours.answer.iter().any(has_targets))
        },
    },
    Row {
        id: "powerdns-any",
        what: "ANY at an empty non-terminal or at one RRset",
        others: [
            "as any other type",
            "as any other type",
            "as any other type",
            "TYPE0, or the SOA beside data",
        ],
        ours: "as any other type",
        why: "RFC 8020 §2, RFC 2308 §2.2",
        applies: |case| {
            let theirs = power_dns(case);
            let all = case.ours().answer.iter().all(|record| theirs.answer.contains(record));
            let same_answer = all && theirs.rcode == case.ours().rcode;
            case.question.rtype == rtype::ANY
                && (theirs.answer.iter().any(|record| record.rtype == 0) || same_answer)
        },
    },
];

/// The answer of PowerDNS, which loads every zone.
fn power_dns<'c>(case: &'c Case) -> &'c Answer {
    case.of(Kind::PowerDns).expect("it loads every zone")
}
