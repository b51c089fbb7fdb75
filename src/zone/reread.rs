//! A version from a zone file that is read again: what the file says as before keeps its pages.
//!
//! Two passes over the records of the file. The first ([`PageSums`]) takes each record's share from
//! the sum of its page of the live version: a page whose sum comes out as zero says what it said. The
//! second ([`Reread`]) keeps the records of the other pages only and compares them by name; a page
//! with duplicates or TTLs that had to be levelled only looks changed and turns out to be as it was.
//! The difference is then applied like any other, so child counts, empty non-terminals and the size
//! of the tree are the business of `edit`. Both passes must see the same file: the caller compares
//! their hashes. What the checks will ask of the whole zone is gathered on the way ([`References`]).

use super::builder::{BuildError, Counts, Scratch, Source, take_soa};
use super::checks::References;
use super::diff::Differences;
use super::digest::Digest;
use super::draft::PageWriter;
use super::edit::change;
use super::heap::{Heap, Part};
use super::page::{Page, hash, tag};
use super::tree::page_index;
use super::version::Version;
use crate::dns::soa::Soa;
use crate::dns::{Record, RecordRef, RecordType};

/// The first pass.
pub struct PageSums<'v> {
    base: &'v Version,
    /// What the records of the file leave of each page's sum.
    left: Vec<Digest>,
    soa: Option<Record>,
    /// How often the SOA came.
    soas: u64,
    scratch: Vec<u8>,
}

/// The second pass.
pub struct Reread<'v> {
    base: &'v Version,
    soa: Record,
    differing: Differing,
    counts: Counts,
    heap: Heap,
    references: References,
}

/// What came of the passes.
pub struct Rebuilt {
    /// The version with the SOA of the file; its equal pages are those of the live one.
    pub version: Version,
    /// As in [`super::Built`].
    pub duplicates: u64,
    /// As in [`super::Built`].
    pub ttls_lowered: u64,
    /// Who points to names that may have changed.
    pub references: References,
}

/// The pages whose sums differ.
pub(super) struct Differing {
    bits: u32,
    pages: Vec<bool>,
}

impl Differing {
    /// Whether a name with this hash lies in one of them.
    pub(super) fn has(&self, hash: u64) -> bool {
        self.pages[page_index(hash, self.bits)]
    }
}

impl<'v> PageSums<'v> {
    /// The pass over a file that is held against `base`.
    pub fn new(base: &'v Version) -> PageSums<'v> {
        // An uneven page differs from whatever a file says. No sum of records is likely to be 1.
        let left = base.tree.pages().map(|page| match Page::of(page).is_uneven() {
            true => Digest(1),
            false => Page::of(page).sum(),
        });
        PageSums { base, left: left.collect(), soa: None, soas: 0, scratch: Vec::new() }
    }

    /// Takes a record of the file.
    pub fn push(&mut self, record: RecordRef<'_>) -> Result<(), BuildError> {
        let labels = record.owner.prefix_above(self.base.apex()).ok_or(BuildError::OutOfZone)?;
        if record.rtype == RecordType::SOA {
            self.soas += 1;
            return take_soa(&mut self.soa, labels, record);
        }
        let index = self.base.tree.index_of(hash(&self.base.key, labels));
        self.left[index] -= Digest::written(&self.base.key, record, &mut self.scratch);
        Ok(())
    }

    /// What the second pass has to look at.
    pub fn finish(self) -> Result<Reread<'v>, BuildError> {
        let soa = self.soa.ok_or(BuildError::NoSoa)?;
        Soa::from_rdata(&soa.rdata).ok_or(BuildError::NoSoa)?;
        let pages = self.left.iter().map(|left| *left != Digest::default()).collect();
        Ok(Reread {
            base: self.base,
            soa,
            differing: Differing { bits: self.base.tree.bits(), pages },
            counts: Counts { duplicates: self.soas - 1, ttls_lowered: 0 },
            heap: Heap::of_zone(self.base.apex()),
            references: References::default(),
        })
    }
}

impl Reread<'_> {
    /// How many pages have another sum; with none there is nothing to look at again.
    pub fn differing_pages(&self) -> usize {
        self.differing.pages.iter().filter(|differs| **differs).count()
    }

    /// Takes a record of the file.
    pub fn push(&mut self, record: RecordRef<'_>) -> Result<(), BuildError> {
        let base = self.base;
        let labels = record.owner.prefix_above(base.apex()).ok_or(BuildError::OutOfZone)?;
        self.references.note(base, &self.differing, record);
        let hash = hash(&base.key, labels);
        // The SOA is known from the first pass.
        if record.rtype != RecordType::SOA && self.differing.has(hash) {
            self.heap.push(hash, record);
        }
        Ok(())
    }

    /// The version that the file is.
    pub fn finish(mut self) -> Rebuilt {
        let base = self.base;
        let mut parts = self.heap.into_parts();
        parts.iter_mut().for_each(Part::sort);
        let mut found = Differences::in_pages_of(base, self.soa.as_ref());
        let owners = parts.iter().flat_map(|part| part.owners().map(move |owner| (part, owner)));
        let (mut owners, mut scratch) = (owners.peekable(), Scratch::default());
        let mut page = PageWriter::default();
        for (index, _) in self.differing.pages.iter().enumerate().filter(|(_, differs)| **differs) {
            while let Some((part, (hash, labels, run))) =
                owners.next_if(|(_, (hash, ..))| base.tree.index_of(*hash) == index)
            {
                let mut entry = part.draft(labels, run, base.apex());
                entry.settle(Source::File, &mut self.counts, &mut scratch);
                page.write(tag(hash), &entry, base.apex());
            }
            found.pages(Page::of(base.tree.page(index)), Page::of(&page.finish()));
        }
        let version = match found.into_lists() {
            (removed, added) if removed == added => base.clone(),
            (removed, added) => {
                change(base, &removed, &added, |_| ()).expect("a version takes what differs from itself")
            }
        };
        let Counts { duplicates, ttls_lowered } = self.counts;
        Rebuilt { version, duplicates, ttls_lowered, references: self.references }
    }
}
