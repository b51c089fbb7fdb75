//! One version from another: the difference is applied strictly, and only the touched pages are
//! copied.
//!
//! Strict as R14 says: a record is matched by owner and type without case plus canonical RDATA,
//! TTL ignored; to remove a missing one or to add a present one is an error, and then the whole
//! difference is refused. Removals come before additions, so a change of TTL or case is both.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fmt;

use smallvec::smallvec;

use super::change::Delta;
use super::digest::Digest;
use super::draft::{EntryDraft, PageWriter, SetDraft, TreeWriter, own_spelling};
use super::order::{Order, is_chained};
use super::page::{Entry, Page, STOPS, Stored, hash, tag};
use super::parents::parent;
use super::tree::{Tree, wants_regrowing};
use super::version::{Version, count_labels};
use crate::dns::soa::{self, Soa};
use crate::dns::{Name, RecordRef, RecordType, Records, Serial, rdata};

/// Why a difference does not fit the version that it was to be applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyError {
    /// It begins at another serial.
    SerialDiffers,
    /// Its old SOA is not the version's.
    SoaDiffers,
    /// One of its lists does not begin with an SOA at the apex, or has another SOA.
    SoaMisplaced,
    /// It removes a record that is not there.
    MissingRecord,
    /// It adds a record that is there.
    PresentRecord,
    /// A record is not at or below the apex.
    OutOfZone,
    /// It was made for a version with another digest.
    DigestBefore,
    /// What came out has another digest than it says.
    DigestAfter,
}

/// Applies a difference whose digests are known, from a journal or from [`super::diff()`].
pub fn apply(base: &Version, delta: &Delta) -> Result<Version, ApplyError> {
    if delta.from != base.serial {
        return Err(ApplyError::SerialDiffers);
    }
    if delta.digest_before != base.digest {
        return Err(ApplyError::DigestBefore);
    }
    let after = change(base, &delta.removed, &delta.added, |_| ())?;
    match after.digest == delta.digest_after && after.serial == delta.to {
        true => Ok(after),
        false => Err(ApplyError::DigestAfter),
    }
}

/// Applies one step of an incremental transfer, each list beginning with its SOA (RFC 1995 §4), and
/// returns the exact difference too: its `removed` is what was stored, octet for octet.
pub fn edit(base: &Version, removed: &Records, added: &Records) -> Result<(Version, Delta), ApplyError> {
    let mut gone = Records::new();
    let after = change(base, removed, added, |record| gone.push(record))?;
    let delta = Delta {
        from: base.serial,
        to: after.serial,
        removed: gone,
        added: added.clone(),
        digest_before: base.digest,
        digest_after: after.digest,
    };
    Ok((after, delta))
}

/// The same zone with another serial in its SOA.
pub fn reserial(version: &Version, serial: Serial) -> Version {
    let old = version.soa.as_ref();
    let rdata = soa::with_serial(old.rdata, serial);
    let new = RecordRef { rdata: &rdata, ..old };
    let (removed, added) = ([old].into_iter().collect(), [new].into_iter().collect());
    change(version, &removed, &added, |_| ()).expect("a version takes a new SOA for its own")
}

/// The version after a difference, whose digests nobody checks; what goes is handed to `gone`.
pub(super) fn change(
    base: &Version,
    removed: &Records,
    added: &Records,
    gone: impl FnMut(RecordRef<'_>),
) -> Result<Version, ApplyError> {
    let old = leading_soa(base, removed)?;
    let new = leading_soa(base, added)?;
    if !rdata::same(RecordType::SOA, old.rdata, base.soa.as_ref().rdata) {
        return Err(ApplyError::SoaDiffers);
    }
    let serial = Soa::from_rdata(new.rdata).ok_or(ApplyError::SoaMisplaced)?.serial;
    let mut edit = Edit::new(base, gone);
    removed.iter().try_for_each(|record| edit.remove(record))?;
    added.iter().try_for_each(|record| edit.add(record))?;
    let mut after = edit.finish();
    after.soa = new.to_record();
    after.serial = serial;
    Ok(after)
}

/// The SOA that `records` begin with, if it is the only one.
fn leading_soa<'a>(base: &Version, records: &'a Records) -> Result<RecordRef<'a>, ApplyError> {
    let mut soas = records.iter().enumerate().filter(|(_, record)| record.rtype == RecordType::SOA);
    match (soas.next(), soas.next()) {
        (Some((0, soa)), None) if soa.owner == base.apex() => Ok(soa),
        _ => Err(ApplyError::SoaMisplaced),
    }
}

/// A version that is being made from another one.
struct Edit<'a, F> {
    base: &'a Version,
    pages: BTreeMap<usize, Touched<'a>>,
    /// Names that lost records and may have to go.
    emptied: Vec<&'a [u8]>,
    /// Names of which a record came or went that may prove absence.
    chained: Vec<&'a [u8]>,
    digest: Digest,
    records: u64,
    names: u64,
    gone: F,
    scratch: Vec<u8>,
}

/// A page that is being changed.
struct Touched<'a> {
    slots: Vec<Slot<'a>>,
    sum: Digest,
}

/// A name in a touched page.
struct Slot<'a> {
    tag: u16,
    content: Content<'a>,
}

enum Content<'a> {
    Kept(Entry<'a>),
    Open(Box<EntryDraft<'a>>),
}

impl<'a> Slot<'a> {
    fn labels(&self) -> &'a [u8] {
        match &self.content {
            Content::Kept(entry) => entry.labels(),
            Content::Open(draft) => draft.labels,
        }
    }

    fn open(&mut self) -> &mut EntryDraft<'a> {
        if let Content::Kept(entry) = self.content {
            self.content = Content::Open(Box::new(EntryDraft::open(entry)));
        }
        match &mut self.content {
            Content::Open(draft) => draft,
            Content::Kept(_) => unreachable!("it was opened above"),
        }
    }
}

impl<'a, F: FnMut(RecordRef<'_>)> Edit<'a, F> {
    fn new(base: &'a Version, gone: F) -> Edit<'a, F> {
        Edit {
            base,
            pages: BTreeMap::new(),
            emptied: Vec::new(),
            chained: Vec::new(),
            digest: base.digest,
            records: base.records,
            names: base.names,
            gone,
            scratch: Vec::new(),
        }
    }

    fn remove(&mut self, record: RecordRef<'a>) -> Result<(), ApplyError> {
        let base = self.base;
        let labels = record.owner.prefix_above(base.apex()).ok_or(ApplyError::OutOfZone)?;
        let (index, at) = self.locate(labels).ok_or(ApplyError::MissingRecord)?;
        let entry = self.page(index).slots[at].open();
        let set_at = entry.set_at(record.rtype).map_err(|_| ApplyError::MissingRecord)?;
        let set = &mut entry.sets[set_at];
        let at = set.record_at(record.rdata).map_err(|_| ApplyError::MissingRecord)?;
        let stored = set.records.remove(at);
        if set.records.is_empty() {
            entry.sets.remove(set_at);
        }
        let spelled = Name::join(entry.labels, base.apex()).expect("stored names fit 255 octets");
        if entry.sets.is_empty() {
            self.emptied.push(labels);
        }
        let owner = stored.owner.unwrap_or(spelled.as_ref());
        let stored = RecordRef { owner, rtype: record.rtype, ttl: stored.ttl, rdata: stored.rdata };
        let (digest, written) = Digest::shares(&base.key, stored, &mut self.scratch);
        self.digest -= digest;
        if record.rtype != RecordType::SOA {
            self.page(index).sum -= written;
        }
        self.records -= 1;
        if is_chained(record.rtype) {
            self.chained.push(labels);
        }
        (self.gone)(stored);
        Ok(())
    }

    fn add(&mut self, record: RecordRef<'a>) -> Result<(), ApplyError> {
        let base = self.base;
        let labels = record.owner.prefix_above(base.apex()).ok_or(ApplyError::OutOfZone)?;
        let (index, at) = self.locate_or_create(labels);
        let entry = self.page(index).slots[at].open();
        let owner = own_spelling(record.owner, entry.labels, base.apex());
        let stored = Stored { ttl: record.ttl, owner, rdata: record.rdata };
        match entry.set_at(record.rtype) {
            Ok(at) => match entry.sets[at].record_at(record.rdata) {
                Ok(_) => return Err(ApplyError::PresentRecord),
                Err(place) => entry.sets[at].records.insert(place, stored),
            },
            Err(at) => entry.sets.insert(at, SetDraft { rtype: record.rtype, records: smallvec![stored] }),
        }
        let (digest, written) = Digest::shares(&base.key, record, &mut self.scratch);
        self.digest += digest;
        if record.rtype != RecordType::SOA {
            self.page(index).sum += written;
        }
        self.records += 1;
        if is_chained(record.rtype) {
            self.chained.push(labels);
        }
        Ok(())
    }

    /// The page at `index`, taken apart on first use.
    fn page(&mut self, index: usize) -> &mut Touched<'a> {
        match self.pages.entry(index) {
            btree_map::Entry::Occupied(touched) => touched.into_mut(),
            btree_map::Entry::Vacant(vacant) => {
                let page = Page::of(self.base.tree.page(index));
                let slots = (0..page.len())
                    .map(|at| Slot { tag: page.tag(at), content: Content::Kept(page.entry(at)) });
                vacant.insert(Touched { slots: slots.collect(), sum: page.sum() })
            }
        }
    }

    /// The page of a name and the place in it.
    fn locate(&mut self, labels: &[u8]) -> Option<(usize, usize)> {
        let hash = hash(&self.base.key, labels);
        let index = self.base.tree.index_of(hash);
        let mut slots = self.page(index).slots.iter();
        let at =
            slots.position(|slot| slot.tag == tag(hash) && slot.labels().eq_ignore_ascii_case(labels))?;
        Some((index, at))
    }

    fn open(&mut self, labels: &[u8]) -> Option<&mut EntryDraft<'a>> {
        let (index, at) = self.locate(labels)?;
        Some(self.page(index).slots[at].open())
    }

    /// The page of a name and the place in it; it and the names above it come to be if they do not
    /// exist.
    fn locate_or_create(&mut self, labels: &'a [u8]) -> (usize, usize) {
        let mut missing = labels;
        let mut child: Option<&[u8]> = None;
        loop {
            let fresh = self.locate(missing).is_none();
            if fresh {
                let hash = hash(&self.base.key, missing);
                let slot =
                    Slot { tag: tag(hash), content: Content::Open(Box::new(EntryDraft::empty(missing))) };
                let index = self.base.tree.index_of(hash);
                self.page(index).slots.push(slot);
                self.names += 1;
            }
            if let Some(child) = child {
                let above = self.open(missing).expect("it exists by now");
                above.children += 1;
                above.wildcard |= child.starts_with(b"\x01*");
            }
            match parent(missing) {
                Some(above) if fresh => (child, missing) = (Some(missing), above),
                _ => break,
            }
        }
        self.locate(labels).expect("it was created above")
    }

    /// Removes names that own nothing and have nothing below, up to the first that stays.
    fn prune(&mut self) {
        for mut labels in std::mem::take(&mut self.emptied) {
            while let Some((index, at)) = self.locate(labels) {
                let entry = self.page(index).slots[at].open();
                let Some(above) = parent(labels) else { break };
                if !entry.sets.is_empty() || entry.children > 0 {
                    break;
                }
                self.page(index).slots.swap_remove(at);
                self.names -= 1;
                let parent = self.open(above).expect("a name has its parent");
                parent.children -= 1;
                parent.wildcard &= !labels.starts_with(b"\x01*");
                labels = above;
            }
        }
    }

    fn finish(mut self) -> Version {
        self.prune();
        let mut writer = PageWriter::default();
        let mut cut_depths = self.base.cut_depths;
        let mut changes = Vec::with_capacity(self.pages.len());
        for (index, touched) in &mut self.pages {
            // As the builder orders them, so that equal content gives equal octets.
            touched.slots.sort_by_cached_key(|slot| hash(&self.base.key, slot.labels()));
            for slot in &touched.slots {
                match &slot.content {
                    Content::Kept(entry) => writer.copy(slot.tag, *entry),
                    Content::Open(draft) => {
                        if writer.write(slot.tag, draft, self.base.apex()) & STOPS != 0 {
                            cut_depths |= 1 << count_labels(draft.labels);
                        }
                    }
                }
            }
            writer.account(touched.sum);
            changes.push((*index, writer.finish()));
        }
        let mut tree = self.base.tree.with(&changes);
        if wants_regrowing(tree.bits(), self.names) {
            (tree, cut_depths) = regrow(self.base, &tree, self.names);
        }
        let mut after = Version {
            digest: self.digest,
            records: self.records,
            names: self.names,
            tree,
            cut_depths,
            recent: None,
            ..self.base.clone()
        };
        after.order = Order::after(self.base, &after, &self.chained);
        after
    }
}

/// The same entries in as many pages as now suit them, and the depths of cuts and DNAMEs.
fn regrow(base: &Version, tree: &Tree<u8>, names: u64) -> (Tree<u8>, u128) {
    let entries = tree.pages().flat_map(|page| Page::of(page).entries());
    let mut entries: Vec<_> = entries.map(|entry| (hash(&base.key, entry.labels()), entry)).collect();
    entries.sort_by_key(|(hash, _)| *hash);
    let mut writer = TreeWriter::new(names);
    let mut cut_depths = 0;
    let mut scratch = Vec::new();
    for (hash, entry) in entries {
        let page = writer.page_for(hash);
        page.copy(tag(hash), entry);
        base.node_of(entry).for_each(|record| {
            if record.rtype != RecordType::SOA {
                page.account(Digest::written(&base.key, record, &mut scratch));
            }
        });
        if entry.flags() & STOPS != 0 {
            cut_depths |= 1 << count_labels(entry.labels());
        }
    }
    (writer.finish(), cut_depths)
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ApplyError::SerialDiffers => "the difference begins at another serial",
            ApplyError::SoaDiffers => "the old SOA is not that of the version",
            ApplyError::SoaMisplaced => "the SOA does not stand first and alone",
            ApplyError::MissingRecord => "a record is removed that is not there",
            ApplyError::PresentRecord => "a record is added that is there",
            ApplyError::OutOfZone => "a record lies outside of the zone",
            ApplyError::DigestBefore => "the difference was made for other content",
            ApplyError::DigestAfter => "the outcome is not what the difference says",
        })
    }
}

impl std::error::Error for ApplyError {}
