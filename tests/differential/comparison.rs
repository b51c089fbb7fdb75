//! Whether two answers say the same.
//!
//! The one thing that may differ is additional data that is optional: what is not glue inside the
//! delegated zone (RFC 9471 §3.1). A server may leave such a set out, whole; one that it sends must
//! be what the others send.

use std::collections::{BTreeMap, BTreeSet};

use crate::message::{Answer, Rr};
use crate::name::Name;
use crate::rtype;

/// A set of the additional section: owner, type, and of signatures the type that they cover.
type Key = (Name, u16, Option<[u8; 2]>);
/// Sets of the additional section.
type Sets<'a> = BTreeMap<Key, BTreeSet<&'a Rr>>;

fn key_of(record: &Rr) -> Key {
    let covered = record.rdata.first_chunk().copied().filter(|_| record.rtype == rtype::RRSIG);
    (record.owner.lower(), record.rtype, covered)
}

impl Answer {
    /// Whether `other` is the same answer, optional additional data aside.
    pub fn equals(&self, other: &Answer) -> bool {
        self.equals_but_additional(other)
            && self.additional_sets(true) == other.additional_sets(true)
            && self.optional_fits(other)
    }

    /// The same without a look at the additional section.
    pub fn equals_but_additional(&self, other: &Answer) -> bool {
        self.heads_equal(other) && self.answer == other.answer && self.authority == other.authority
    }

    /// Whether rcode, flags, question and OPT are the same.
    pub fn heads_equal(&self, other: &Answer) -> bool {
        let head = |answer: &Answer| {
            (answer.rcode, answer.authoritative, answer.truncated, answer.other_flags, answer.opt)
        };
        head(self) == head(other) && self.question == other.question
    }

    /// The owner of a referral.
    pub fn cut(&self) -> Option<Name> {
        let is_referral = !self.authority.iter().any(|record| record.rtype == rtype::SOA);
        let servers = self.authority.iter().find(|record| record.rtype == rtype::NS);
        servers.filter(|_| is_referral).map(|server| server.owner.lower())
    }

    /// The sets of the additional section that are needed, or those that are optional.
    pub fn additional_sets(&self, needed: bool) -> Sets<'_> {
        let cut = self.cut();
        let mut sets = Sets::new();
        for record in &self.additional {
            let is_glue = cut.as_ref().is_some_and(|cut| record.owner.is_at_or_below(cut));
            if is_glue == needed {
                sets.entry(key_of(record)).or_default().insert(record);
            }
        }
        sets
    }

    /// Whether the optional sets that both have are the same.
    fn optional_fits(&self, other: &Answer) -> bool {
        let (mine, theirs) = (self.additional_sets(false), other.additional_sets(false));
        mine.iter().all(|(key, set)| theirs.get(key).is_none_or(|other| other == set))
    }
}

/// Optional sets that `ours` has although no other server sends them, or has not although all do that
/// send any.
pub fn optional_faults(ours: &Answer, givers: &[&Answer], all: &[&Answer]) -> Vec<String> {
    let mine = ours.additional_sets(false);
    let mut faults = Vec::new();
    let has = |answer: &Answer, key: &Key| answer.additional.iter().any(|record| key_of(record) == *key);
    for key in mine.keys() {
        if !all.iter().any(|answer| has(answer, key)) {
            faults.push(format!("only ours adds {} {}", key.0, rtype::text(key.1)));
        }
    }
    // One giver alone does not say what all do.
    let wanted = match givers {
        [first, _, ..] => first.additional_sets(false),
        _ => Sets::new(),
    };
    for key in wanted.keys() {
        if givers.iter().all(|answer| has(answer, key)) && !mine.contains_key(key) {
            faults.push(format!("only ours leaves out {} {}", key.0, rtype::text(key.1)));
        }
    }
    faults
}
