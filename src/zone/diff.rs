//! The exact difference between two versions.
//!
//! Identity is that of R15: owner as written, type, TTL and RDATA octets, so a change of TTL or of
//! case alone is a difference too. Pages that both versions share are skipped, and so are pages of
//! equal octets: a zone file that was read again gives mostly those.

use std::cmp::Ordering;

use super::change::Delta;
use super::page::{Entry, Page, Set};
use super::version::Version;
use crate::dns::{Name, NameRef, RecordRef, RecordType, Records};

/// What leads from `old` to `new`; `None` if not one octet differs.
pub fn diff(old: &Version, new: &Version) -> Option<Delta> {
    let mut found = Differences {
        old_apex: old.apex(),
        new_apex: new.apex(),
        raw: old.key == new.key && old.apex().same_octets(new.apex()),
        removed: [old.soa()].into_iter().collect(),
        added: [new.soa()].into_iter().collect(),
    };
    match old.tree.differing(&new.tree).filter(|_| old.key == new.key) {
        Some(indexes) => indexes.into_iter().for_each(|index| {
            let (before, after) = (old.tree.page(index), new.tree.page(index));
            if !found.raw || before != after {
                found.pages(Page::of(before), Page::of(after));
            }
        }),
        None => {
            let pages = old.tree.pages();
            pages.for_each(|page| found.in_old(Page::of(page), |_, labels| new.entry(labels)));
            let pages = new.tree.pages();
            pages.for_each(|page| found.in_new(Page::of(page), |_, labels| old.entry(labels)));
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
pub(super) struct Differences<'v> {
    old_apex: NameRef<'v>,
    new_apex: NameRef<'v>,
    /// Whether equal octets of two pages or entries mean equal records.
    raw: bool,
    removed: Records,
    added: Records,
}

impl<'v> Differences<'v> {
    /// For pages that may take the place of some of `version`, which then gets this SOA.
    pub(super) fn in_pages_of(version: &'v Version, soa: RecordRef<'_>) -> Differences<'v> {
        let (removed, added) = ([version.soa()].into_iter().collect(), [soa].into_iter().collect());
        Differences { old_apex: version.apex(), new_apex: version.apex(), raw: true, removed, added }
    }

    /// What goes and what comes, each beginning with its SOA.
    pub(super) fn into_lists(self) -> (Records, Records) {
        (self.removed, self.added)
    }

    /// Compares two pages for the same hashes.
    pub(super) fn pages(&mut self, old: Page<'_>, new: Page<'_>) {
        self.in_old(old, |tag, labels| new.find(tag, labels));
        self.in_new(new, |tag, labels| old.find(tag, labels));
    }

    /// Compares the names of a page of the old version with what the new one has.
    fn in_old<'p>(&mut self, page: Page<'_>, new: impl Fn(u16, &[u8]) -> Option<Entry<'p>>) {
        for (at, entry) in page.entries().enumerate() {
            match new(page.tag(at), entry.labels()) {
                Some(other) if self.raw && entry == other => {}
                Some(other) => self.name(entry, other),
                None => whole_name(entry, self.old_apex, &mut self.removed),
            }
        }
    }

    /// Adds the names of a page of the new version that the old one does not have.
    fn in_new<'p>(&mut self, page: Page<'_>, old: impl Fn(u16, &[u8]) -> Option<Entry<'p>>) {
        for (at, entry) in page.entries().enumerate() {
            if old(page.tag(at), entry.labels()).is_none() {
                whole_name(entry, self.new_apex, &mut self.added);
            }
        }
    }

    fn name(&mut self, old: Entry<'_>, new: Entry<'_>) {
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
    fn sets(&mut self, old: Entry<'_>, a: Option<Set<'_>>, new: Entry<'_>, b: Option<Set<'_>>) {
        let Some(rtype) = a.or(b).map(|set| set.head.rtype) else { return };
        if rtype == RecordType::SOA {
            return;
        }
        let (old_owner, new_owner) = (owner(old, self.old_apex), owner(new, self.new_apex));
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
}

/// All records of a name, but for the SOA.
fn whole_name(entry: Entry<'_>, apex: NameRef<'_>, records: &mut Records) {
    let owner = owner(entry, apex);
    for set in entry.sets().filter(|set| set.head.rtype != RecordType::SOA) {
        exact(Some(set), &owner).for_each(|record| records.push(record));
    }
}

fn owner(entry: Entry<'_>, apex: NameRef<'_>) -> Name {
    Name::join(entry.labels(), apex).expect("stored names fit 255 octets")
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
