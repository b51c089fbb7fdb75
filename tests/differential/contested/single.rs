//! Rows that are looked at by themselves: they go with any other.

use std::collections::BTreeSet;

use super::Row;
use super::chain::chain_of;
use crate::message::Rr;
use crate::name::Name;
use crate::rtype;

/// All of them.
pub const ALL: [&Row; 4] = [&SPELLING, &OWN_ADDRESS, &OTHER_ZONE, &MANY_TARGETS];

/// Names that differ in case only; it goes with every other row.
pub const SPELLING: Row = Row {
    id: "spelling",
    what: "A question spells a name in another case than the zone file, or the zone file mixes cases",
    others: [
        "owners and RDATA as in the zone file",
        "owners as asked, the rest in lower case",
        "owners as asked, the rest in lower case",
        "owners as asked, the rest as in the zone file",
    ],
    ours: "owners as asked, the rest as in the zone file unless compression finds the name earlier",
    why: "RFC 4343 §4.1 leaves the case of answers open; a resolver that checks the case of what it \
          asked (0x20) finds it unchanged",
    applies: |_| false,
};

/// Optional addresses that only we send.
pub const OWN_ADDRESS: Row = Row {
    id: "svcb-own-address",
    what: "SVCB or HTTPS in ServiceMode whose target is `.`, asked at a name that has addresses too",
    others: ["without them", "without them", "without them", "without them"],
    ours: "with the addresses of the owner in the additional section",
    why: "RFC 9460 §2.5.2: `.` means the owner; §4.1: its addresses save the client a question",
    applies: |case| {
        let owners = |records: &[Rr], svcb: bool| -> BTreeSet<Name> {
            let chosen = records.iter().filter(|record| !svcb || [64, 65].contains(&record.rtype));
            chosen.map(|record| record.owner.lower()).collect()
        };
        let ours = case.ours();
        !ours.additional.is_empty() && owners(&ours.additional, false) == owners(&ours.answer, true)
    },
};

/// Addresses that come from another zone of ours.
pub const OTHER_ZONE: Row = Row {
    id: "additional-of-other-zone",
    what: "MX, SRV or NS whose target is in another zone of the same server",
    others: ["without its addresses", "without its addresses", "without its addresses", "with them"],
    ours: "with its addresses, if the client may query that zone",
    why: "RFC 1034 §4.3.2 step 6: \"using local data only\"; it saves the client a question",
    applies: |case| {
        let zone_of = |name: &Name| case.plot.zone_of(name).map(|zone| &zone.apex);
        let zones: BTreeSet<_> = chain_of(case).names.iter().map(zone_of).collect();
        case.ours().additional.iter().any(|record| !zones.contains(&zone_of(&record.owner)))
    },
};

/// Addresses of more targets than others look at.
pub const MANY_TARGETS: Row = Row {
    id: "many-targets",
    what: "A set of more than 13 MX or SRV, some of whose targets only a wildcard stands in for",
    others: [
        "addresses for 13 targets",
        "addresses under the name of the wildcard",
        "none",
        "addresses for all",
    ],
    ours: "addresses for 32 targets, under the names of the targets",
    why: "RFC 4592 §3.3.1: the owner is the name that was asked for; a bound is each server's own choice",
    applies: |case| {
        let sets: BTreeSet<_> = case.ours().answer.iter().map(|record| record.rtype).collect();
        case.ours().answer.len() > 13 && (sets.contains(&rtype::MX) || sets.contains(&rtype::SRV))
    },
};
