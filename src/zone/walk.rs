//! All records of a version one after the other, in page order.

use super::page::{Cursor, Page, SetHead};
use super::version::Version;
use crate::dns::{Name, RecordRef, RecordType};

/// A place between two records of a version. It borrows nothing, so that a transfer can keep it
/// beside the version that it holds while the connection pushes back. It means something only with
/// the version that it was first used with.
#[derive(Clone, Debug)]
pub struct Walk {
    page: usize,
    /// The next entry of the page.
    entry: usize,
    /// The owner of the entry before it.
    owner: Name,
    /// Where to read on in that entry.
    at: usize,
    sets_left: u64,
    set: SetHead,
    records_left: u64,
}

impl Default for Walk {
    fn default() -> Walk {
        Walk {
            page: 0,
            entry: 0,
            owner: Name::root(),
            at: 0,
            sets_left: 0,
            set: SetHead { rtype: RecordType(0), flags: 0, ttl: 0, len: 0 },
            records_left: 0,
        }
    }
}

impl Walk {
    /// The next record exactly as it is stored; `None` after the last.
    pub fn next<'a>(&'a mut self, version: &'a Version) -> Option<RecordRef<'a>> {
        while self.records_left == 0 {
            if self.sets_left > 0 {
                let mut cursor = self.cursor(version);
                (self.set, _) = cursor.set_head();
                self.at = cursor.at;
                self.sets_left -= 1;
                self.records_left = self.set.len;
            } else {
                self.next_entry(version)?;
            }
        }
        let mut cursor = self.cursor(version);
        let record = cursor.record(&self.set);
        self.at = cursor.at;
        self.records_left -= 1;
        let owner = record.owner.unwrap_or(self.owner.as_ref());
        Some(RecordRef { owner, rtype: self.set.rtype, ttl: record.ttl, rdata: record.rdata })
    }

    fn cursor<'v>(&self, version: &'v Version) -> Cursor<'v> {
        let entry = Page::of(version.tree.page(self.page)).entry(self.entry - 1);
        Cursor { octets: entry.0, at: self.at }
    }

    fn next_entry(&mut self, version: &Version) -> Option<()> {
        loop {
            if self.page == version.tree.page_count() {
                return None;
            }
            let page = Page::of(version.tree.page(self.page));
            if self.entry < page.len() {
                let entry = page.entry(self.entry);
                let mut cursor = entry.cursor();
                cursor.varint();
                self.entry += 1;
                self.sets_left = cursor.varint();
                self.at = cursor.at;
                self.owner = version.node_of(entry).owner();
                return Some(());
            }
            (self.page, self.entry) = (self.page + 1, 0);
        }
    }
}
