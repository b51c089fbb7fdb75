//! The same findings after a change, without looking at the whole zone again.
//!
//! What is found at a name depends on the name itself, on the names that its NS, MX and SRV records
//! point to, and on the cuts and DNAMEs above both. So looked at again are the names that changed,
//! who points to them or below them, and who lies below a name that came to be a cut or is none any
//! more. Who points where no version knows; [`References`] picks it up while the file is read. Where
//! that would be too much, the zone is checked whole.

use std::collections::{BTreeSet, HashMap};

use super::super::page::{CUT, DNAME, Entry, Page, hash};
use super::super::reread::Differing;
use super::super::{Found, Version};
use super::{Check, Findings, POINTING, addressed, check};
use crate::dns::{Name, NameRef, RecordRef, RecordType, rdata};
use crate::limits::REFERRERS_KEPT_MAX;
use crate::zone::Bounds;

/// Who points to a name, or to where the name decides what is found.
enum Referrers {
    Few(Vec<Name>),
    /// More than `REFERRERS_KEPT_MAX`.
    Many,
}

/// The owners of NS, MX and SRV records that point to a name in one of the pages that differ, or to
/// one that is found or missed because of such a name.
#[derive(Default)]
pub struct References(HashMap<u64, Referrers>);

impl References {
    /// Takes a record of the file.
    pub(in crate::zone) fn note(&mut self, base: &Version, differing: &Differing, record: RecordRef<'_>) {
        if !POINTING.contains(&record.rtype) {
            return;
        }
        let target = rdata::additional_target(record.rtype, record.rdata);
        let Some(labels) = target.and_then(|target| target.prefix_above(base.apex())) else { return };
        each_deciding(labels, |deciding| {
            let hash = hash(&base.key, deciding);
            if differing.has(hash) {
                self.add(hash, record.owner);
            }
        });
    }

    fn add(&mut self, hash: u64, owner: NameRef<'_>) {
        let referrers = self.0.entry(hash).or_insert_with(|| Referrers::Few(Vec::new()));
        match referrers {
            Referrers::Few(owners) if owners.len() < REFERRERS_KEPT_MAX => owners.push(owner.to_name()),
            Referrers::Few(_) => *referrers = Referrers::Many,
            Referrers::Many => {}
        }
    }
}

/// Hands over the labels of all names but the apex above that decide what a lookup of a target finds:
/// the target, the names above it, and the wildcards beside all of these.
fn each_deciding(target: &[u8], mut visit: impl FnMut(&[u8])) {
    visit(target);
    let mut wildcard = Vec::with_capacity(2 + target.len());
    let mut labels = target;
    while let Some(above) = super::super::parents::parent(labels) {
        if !above.is_empty() {
            visit(above);
        }
        wildcard.clear();
        wildcard.extend_from_slice(b"\x01*");
        wildcard.extend_from_slice(above);
        visit(&wildcard);
        labels = above;
    }
}

/// What [`check`] finds in `after`, made from `before` of which `found` is known. The references were
/// noted over all records of `after`, for no fewer pages than those in which a record differs; the bounds
/// are those of before.
pub fn check_again(
    before: &Version,
    found: &Findings,
    after: &Version,
    references: &References,
    bounds: &Bounds,
) -> Findings {
    let touched = Changes::between(before, after).and_then(|changes| changes.touched(references));
    let Some(names) = touched.filter(|_| found.are_complete()) else { return check(after, bounds) };
    let mut check = Check::new(after, bounds);
    for finding in found.list.iter().filter(|finding| !names.contains(&finding.owner)) {
        check.findings.add(finding.clone());
    }
    check.zone();
    names.iter().filter_map(|name| after.node(name.as_ref())).for_each(|node| check.node(node));
    check.finish()
}

/// The names whose entries differ.
struct Changes<'v> {
    before: &'v Version,
    after: &'v Version,
    names: Vec<Changed<'v>>,
}

/// A name whose entry differs; one side is `None` where it does not exist.
struct Changed<'v> {
    labels: &'v [u8],
    old: Option<Entry<'v>>,
    new: Option<Entry<'v>>,
}

/// What a name means for those who point to it or lie below it.
#[derive(PartialEq, Eq)]
struct Meaning {
    /// [`CUT`], [`DNAME`].
    flags: u8,
    alias: bool,
    addressed: bool,
}

impl<'v> Changes<'v> {
    /// `None` if the versions share nothing.
    fn between(before: &'v Version, after: &'v Version) -> Option<Changes<'v>> {
        let mut names = Vec::new();
        for index in before.tree.differing(&after.tree)? {
            let (olds, news) = (Page::of(before.tree.page(index)), Page::of(after.tree.page(index)));
            for (at, old) in olds.entries().enumerate() {
                let new = news.find(olds.tag(at), old.labels());
                if new != Some(old) {
                    names.push(Changed { labels: old.labels(), old: Some(old), new });
                }
            }
            for (at, new) in news.entries().enumerate() {
                if olds.find(news.tag(at), new.labels()).is_none() {
                    names.push(Changed { labels: new.labels(), old: None, new: Some(new) });
                }
            }
        }
        Some(Changes { before, after, names })
    }

    /// The names at which something else may be found than before; `None` if they are too many to
    /// tell.
    fn touched(&self, references: &References) -> Option<BTreeSet<Name>> {
        let mut touched = BTreeSet::from([self.after.apex().to_name()]);
        let mut children: HashMap<u64, Vec<Entry<'v>>> = HashMap::new();
        for changed in &self.names {
            touched.insert(self.name(changed.labels));
            if let (Some(new), Some(above)) = (changed.new, super::super::parents::parent(changed.labels)) {
                children.entry(hash(&self.after.key, above)).or_default().push(new);
            }
        }
        for changed in &self.names {
            let (old, new) = (self.before.meaning(changed.old), self.after.meaning(changed.new));
            if old == new {
                continue;
            }
            let flags = |meaning: &Option<Meaning>| meaning.as_ref().map_or(0, |meaning| meaning.flags);
            let below_is_known = || changed.new.is_none_or(|new| self.all_changed_below(new, &children));
            if flags(&old) != flags(&new) && !below_is_known() {
                return None;
            }
            match references.0.get(&hash(&self.after.key, changed.labels)) {
                Some(Referrers::Few(owners)) => touched.extend(owners.iter().cloned()),
                Some(Referrers::Many) => return None,
                None if self.uncovers_a_wildcard(changed) => return None,
                None => {}
            }
        }
        Some(touched)
    }

    fn name(&self, labels: &[u8]) -> Name {
        Name::join(labels, self.after.apex()).expect("stored names fit 255 octets")
    }

    /// Whether all names below one are among those that changed.
    fn all_changed_below(&self, entry: Entry<'v>, children: &HashMap<u64, Vec<Entry<'v>>>) -> bool {
        let known = children.get(&hash(&self.after.key, entry.labels())).map_or(&[][..], Vec::as_slice);
        known.len() as u64 == entry.children()
            && known.iter().all(|child| self.all_changed_below(*child, children))
    }

    /// Whether a name without records came or went where a wildcard covers what does not exist. Its
    /// page may not differ in any record, so nobody noted who points below it.
    fn uncovers_a_wildcard(&self, changed: &Changed<'_>) -> bool {
        let without = match (changed.old, changed.new) {
            (None, Some(new)) if new.set_count() == 0 => self.before,
            (Some(old), None) if old.set_count() == 0 => self.after,
            _ => return false,
        };
        let name = self.name(changed.labels);
        matches!(without.find(name.as_ref()), Found::None { wildcard: Some(_), .. })
    }
}

impl Version {
    /// What an entry of this version means for others; `None` where there is none.
    fn meaning<'v>(&'v self, entry: Option<Entry<'v>>) -> Option<Meaning> {
        let node = self.node_of(entry?);
        Some(Meaning {
            flags: node.entry.flags() & (CUT | DNAME),
            alias: node.has(RecordType::CNAME),
            addressed: addressed(node),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::tests::{build, push, records};
    use crate::zone::{Source, edit};

    /// How many names are checked again after an edit of a zone of 2000; `None` for the whole zone.
    #[track_caller]
    fn check_touched(removed: &str, added: &str, expected: Option<usize>) {
        let mut lines = records(
            "example 3600 SOA 1
             example 3600 NS ns.test
             old.example 60 A 1
             dept.example 60 TXT t
             a.dept.example 60 A 1
             sub.example 60 NS ns.sub.example
             ns.sub.example 60 A 1
             *.w.example 60 A 1
             a.ent.w.example 60 A 1
             q.w.example 60 A 1",
        );
        (0..2000).for_each(|n| push(&mut lines, &format!("n{n}.example 60 A {}", n % 256)));
        let base = build("example", Source::File, &lines).version;
        let (removed, added) =
            (format!("example 3600 SOA 1\n{removed}"), format!("example 3600 SOA 2\n{added}"));
        let (after, _) = edit(&base, &records(&removed), &records(&added)).unwrap();
        let touched = Changes::between(&base, &after).unwrap().touched(&References::default());
        assert_eq!(touched.map(|names| names.len()), expected);
    }

    #[test]
    fn r10_one_edit_has_a_few_names_checked_again() {
        check_touched("", "", Some(1));
        check_touched("n7.example 60 A 7", "n7.example 60 A 8", Some(2));
        check_touched("old.example 60 A 1", "new.example 60 A 1", Some(3));
        check_touched("", "d.example 60 NS ns.d.example\nns.d.example 60 A 1", Some(3));
        check_touched(
            "sub.example 60 NS ns.sub.example\nns.sub.example 60 A 1",
            "x.y.example 60 A 1",
            Some(5),
        );
        // A name that was there is hidden now, or is no more: only the whole zone knows which.
        check_touched("", "dept.example 60 NS ns.test", None);
        check_touched("sub.example 60 NS ns.sub.example", "", None);
    }

    #[test]
    fn r10_who_points_below_a_wildcard_that_is_covered_or_uncovered_by_no_record_is_not_known() {
        // Names without records come and go with those below them.
        check_touched("a.ent.w.example 60 A 1", "", None);
        check_touched("", "a.new.w.example 60 A 1", None);
        // Those with records are known, and so is what no wildcard covers.
        check_touched("", "r.w.example 60 A 1", Some(3));
        check_touched("q.w.example 60 A 1", "", Some(3));
        check_touched("", "a.new.example 60 A 1", Some(3));
        // A wildcard below a name is no other meaning of that name.
        check_touched("", "*.dept.example 60 A 1", Some(3));
    }
}
