//! The exact difference between two versions.
//!
//! Identity is that of R15: owner as written, type, TTL and RDATA octets, so a change of TTL or of
//! case alone is a difference too. Pages that both versions share are skipped, and so are pages of
//! equal octets: a zone file that was read again gives mostly those.

use std::cmp::Ordering;

use super::change::Delta;
use super::page::{Entry, Page, Set};
use super::version::Version;
use crate::dns::{Name, RecordRef, RecordType, Records};

/// What leads from `old` to `new`; `None` if not one octet differs.
pub fn diff(old: &Version, new: &Version) -> Option<Delta> {
    let mut found = Differences {
        old,
        new,
        raw: old.key == new.key && old.apex().same_octets(new.apex()),
        removed: [old.soa()].into_iter().collect(),
        added: [new.soa()].into_iter().collect(),
    };
    match old.tree.differing(&new.tree).filter(|_| old.key == new.key) {
        Some(indexes) => indexes.into_iter().for_each(|index| {
            let (before, after) = (old.tree.page(index), new.tree.page(index));
            if !found.raw || before != after {
                found.in_old(Page(before));
                found.in_new(Page(after));
            }
        }),
        None => {
            old.tree.pages().for_each(|page| found.in_old(Page(page)));
            new.tree.pages().for_each(|page| found.in_new(Page(page)));
        }
    }
    let same = found.removed.len() == 1 && found.added.len() == 1 && old.soa().same_octets(new.soa());
    (!same).then_some(Delta {
        from: old.serial,
        to: new.serial,
        removed: found.removed,
        added: found.added,
        digest_before: old.digest,
        digest_after: new.digest,
    })
}

/// The differences found so far.
struct Differences<'v> {
    old: &'v Version,
    new: &'v Version,
    /// Whether equal octets of two pages or entries mean equal records.
    raw: bool,
    removed: Records,
    added: Records,
}

impl<'v> Differences<'v> {
    /// Compares the names of a page of the old version with what the new one has.
    fn in_old(&mut self, page: Page<'v>) {
        for entry in page.entries() {
            match self.new.entry(entry.labels()) {
                Some(other) if self.raw && entry == other => {}
                Some(other) => self.name(entry, other),
                None => self.whole_name(Side::Removed, entry),
            }
        }
    }

    /// Adds the names of a page of the new version that the old one does not have.
    fn in_new(&mut self, page: Page<'v>) {
        for entry in page.entries() {
            if self.old.entry(entry.labels()).is_none() {
                self.whole_name(Side::Added, entry);
            }
        }
    }

    fn name(&mut self, old: Entry<'v>, new: Entry<'v>) {
        let (mut olds, mut news) = (old.sets().peekable(), new.sets().peekable());
        loop {
            // Both ascend by type: merge them.
            let order = match (olds.peek(), news.peek()) {
                (Some(a), Some(b)) => a.head.rtype.cmp(&b.head.rtype),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return,
            };
            let a = (order != Ordering::Greater).then(|| olds.next()).flatten();
            let b = (order != Ordering::Less).then(|| news.next()).flatten();
            self.sets(old, a, new, b);
        }
    }

    /// Compares two RRsets of one type.
    fn sets(&mut self, old: Entry<'v>, a: Option<Set<'v>>, new: Entry<'v>, b: Option<Set<'v>>) {
        let Some(rtype) = a.or(b).map(|set| set.head.rtype) else { return };
        if rtype == RecordType::SOA {
            return;
        }
        let (old_owner, new_owner) = (self.old.node_of(old).owner(), self.new.node_of(new).owner());
        let mut olds: Vec<_> = exact(a, &old_owner).collect();
        let mut news: Vec<_> = exact(b, &new_owner).collect();
        olds.sort_unstable_by(identity);
        news.sort_unstable_by(identity);
        let (mut olds, mut news) = (olds.into_iter().peekable(), news.into_iter().peekable());
        loop {
            let order = match (olds.peek(), news.peek()) {
                (Some(a), Some(b)) => identity(a, b),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return,
            };
            let a = (order != Ordering::Greater).then(|| olds.next()).flatten();
            let b = (order != Ordering::Less).then(|| news.next()).flatten();
            match order {
                Ordering::Less => a.into_iter().for_each(|record| self.removed.push(record)),
                Ordering::Greater => b.into_iter().for_each(|record| self.added.push(record)),
                Ordering::Equal => {}
            }
        }
    }

    fn whole_name(&mut self, side: Side, entry: Entry<'v>) {
        let (version, records) = match side {
            Side::Removed => (self.old, &mut self.removed),
            Side::Added => (self.new, &mut self.added),
        };
        version.node_of(entry).for_each(|record| {
            if record.rtype != RecordType::SOA {
                records.push(record);
            }
        });
    }
}

#[derive(Clone, Copy)]
enum Side {
    Removed,
    Added,
}

/// The records of an RRset with their own owners and TTLs.
fn exact<'a>(set: Option<Set<'a>>, owner: &'a Name) -> impl Iterator<Item = RecordRef<'a>> {
    set.into_iter().flat_map(move |set| {
        set.records().map(move |record| RecordRef {
            owner: record.owner.unwrap_or(owner.as_ref()),
            rtype: set.head.rtype,
            ttl: record.ttl,
            rdata: record.rdata,
        })
    })
}

/// Orders records of one name and type by what R15 calls their identity.
fn identity(a: &RecordRef<'_>, b: &RecordRef<'_>) -> Ordering {
    (a.rdata, a.ttl, a.owner.wire()).cmp(&(b.rdata, b.ttl, b.owner.wire()))
}
