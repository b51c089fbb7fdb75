//! What one commit does to the tables.
//!
//! All writes of a batch become durable in one transaction or not at all. A body file is written
//! and synced before the transaction that points to it is committed, and the file that it replaces
//! is removed after that, so whichever of the two a crash leaves is the one that is pointed to.

use std::sync::Arc;

use redb::{Database, ReadableTable, Table};

use super::body::{Compactor, Place, PreparedBody};
use super::database::{BODY, DELTA, Fault, ZONE, begin};
use super::format::{Data, Row, encode_delta};
use super::{BodyWrite, Options, ZoneMeta, ZoneWrite};
use crate::dns::Name;
use crate::limits::{DELTA_OCTETS_MAX, HISTORY_CUT_STEPS, SMALL_CHANGE_OCTETS};
use crate::zone::{Delta, Version};

/// What is left to do when a batch is durable.
#[derive(Default)]
pub(super) struct Committed {
    /// Body files that nothing points to any more.
    pub(super) replaced: Vec<(Name, u64)>,
    /// For each zone whether its body should be written anew.
    pub(super) due: Vec<(Name, bool)>,
}

/// Writes a batch.
pub(super) fn commit(
    database: &Database,
    compactor: &Compactor,
    options: &Options,
    batch: &[ZoneWrite],
) -> Result<Committed, Fault> {
    let transaction = begin(database)?;
    let done = {
        let mut tables = Tables {
            zone: transaction.open_table(ZONE)?,
            body: transaction.open_table(BODY)?,
            delta: transaction.open_table(DELTA)?,
            compactor,
            options,
            made: Vec::new(),
            done: Committed::default(),
        };
        for write in batch {
            if let Err(fault) = tables.write(write) {
                // Nothing can point to them. After a failed commit() something might.
                tables.made.iter().for_each(|(apex, file)| compactor.remove(apex.as_ref().wire(), *file));
                return Err(fault);
            }
        }
        tables.done
    };
    transaction.commit()?;
    Ok(done)
}

/// Whether the chain is long enough for a new body: it makes the start slow and the disk full.
pub(super) fn is_due(data: &Data, options: &Options) -> bool {
    data.required_octets > options.required_octets_min.max(data.body_octets / 4)
}

struct Tables<'t> {
    zone: Table<'t, &'static [u8], &'static [u8]>,
    body: Table<'t, &'static [u8], &'static [u8]>,
    delta: Table<'t, (&'static [u8], u64), &'static [u8]>,
    compactor: &'t Compactor,
    options: &'t Options,
    /// Body files that this transaction wrote.
    made: Vec<(Name, u64)>,
    done: Committed,
}

impl Tables<'_> {
    fn write(&mut self, write: &ZoneWrite) -> Result<(), Fault> {
        let apex = write.apex.as_ref().to_lowercase();
        let row = self.row(&apex)?;
        // Without a row there are no deltas; under a damaged one there may be some.
        let is_new = row.is_none();
        let old = row.unwrap_or_default().data;
        let data = match &write.body {
            BodyWrite::Forget => return self.forget(&apex, old),
            BodyWrite::Keep => old,
            BodyWrite::Repeat => {
                if let Some(generation) = old.as_ref().and_then(|old| old.file) {
                    self.compactor.write_postscript(apex.as_ref().wire(), generation, &write.meta)?;
                }
                old
            }
            BodyWrite::Full(version) => {
                if !is_new {
                    self.cut_all_deltas(&apex)?;
                }
                Some(self.replace(&apex, old, version, &write.meta)?)
            }
            BodyWrite::Deltas { deltas, after } => match self.extend(&apex, old.as_ref(), deltas, after)? {
                Some(data) => Some(data),
                None => {
                    self.cut_all_deltas(&apex)?;
                    Some(self.replace(&apex, old, after, &write.meta)?)
                }
            },
            BodyWrite::Compacted(body) => self.compact(&apex, old, body)?,
        };
        let due = data.as_ref().is_some_and(|data| is_due(data, self.options));
        self.done.due.push((apex.clone(), due));
        let row = Row { meta: write.meta.clone(), data };
        self.zone.insert(apex.as_ref().wire(), &row.encode()[..])?;
        Ok(())
    }

    /// The row of a zone, if there is one. A damaged one is empty: what it pointed to is written anew.
    fn row(&self, apex: &Name) -> Result<Option<Row>, Fault> {
        let row = self.zone.get(apex.as_ref().wire())?;
        Ok(row.map(|row| Row::decode(row.value()).unwrap_or_default()))
    }

    fn forget(&mut self, apex: &Name, old: Option<Data>) -> Result<(), Fault> {
        self.done.replaced.extend(old.and_then(|old| old.file).map(|file| (apex.clone(), file)));
        self.done.due.push((apex.clone(), false));
        self.zone.remove(apex.as_ref().wire())?;
        self.body.remove(apex.as_ref().wire())?;
        self.cut_all_deltas(apex)
    }

    /// A new body; the deltas are gone: a first version or a full rewrite has no history (R05).
    fn replace(
        &mut self,
        apex: &Name,
        old: Option<Data>,
        version: &Version,
        meta: &ZoneMeta,
    ) -> Result<Data, Fault> {
        let body = self.compactor.write_body(version, meta)?;
        if let Place::File(file) = body.place {
            self.made.push((apex.clone(), file));
        }
        let next = old.as_ref().map_or(0, |old| old.next);
        Ok(Data {
            file: self.place(apex, old.and_then(|old| old.file), &body)?,
            body_octets: body.octets,
            serial: body.serial,
            digest: body.digest,
            oldest: next,
            required: next,
            next,
            history_octets: 0,
            required_octets: 0,
        })
    }

    /// Appends deltas. `None` if they do not go on from what is stored (versions in between were
    /// volatile, R03) or if a body is the better way to keep them.
    fn extend(
        &mut self,
        apex: &Name,
        old: Option<&Data>,
        deltas: &[Arc<Delta>],
        after: &Version,
    ) -> Result<Option<Data>, Fault> {
        let Some(mut data) = old.cloned() else { return Ok(None) };
        if (data.serial, data.digest) == (after.serial(), after.digest()) {
            // The commit that was reported as failed and is submitted again was durable.
            return Ok(Some(data));
        }
        let octets: usize = deltas.iter().map(|delta| delta.octets()).sum();
        let octets = octets as u64;
        let rewrite = octets > SMALL_CHANGE_OCTETS && octets > data.body_octets / 2;
        if rewrite || octets > DELTA_OCTETS_MAX || !leads(&data, deltas, after) {
            return Ok(None);
        }
        for delta in deltas {
            let octets = encode_delta(delta);
            self.delta.insert((apex.as_ref().wire(), data.next), &octets[..])?;
            data.next += 1;
            data.required_octets += octets.len() as u64;
        }
        (data.serial, data.digest) = (after.serial(), after.digest());
        self.cut_history(apex, &mut data)?;
        Ok(Some(data))
    }

    /// Puts a body that was written meanwhile in the place of the old one; the deltas up to it
    /// become history. If the chain does not pass through it any more, all stays as it is.
    fn compact(
        &mut self,
        apex: &Name,
        old: Option<Data>,
        body: &PreparedBody,
    ) -> Result<Option<Data>, Fault> {
        let found = match &old {
            Some(data) => self.after_version(apex, data, body)?,
            None => None,
        };
        let (Some(mut data), Some((required, octets))) = (old.clone(), found) else {
            if let Place::File(file) = body.place {
                self.done.replaced.push((apex.clone(), file));
            }
            return Ok(old);
        };
        data.file = self.place(apex, data.file, body)?;
        data.body_octets = body.octets;
        data.required = required;
        data.required_octets = data.required_octets.saturating_sub(octets);
        data.history_octets += octets;
        self.cut_history(apex, &mut data)?;
        Ok(Some(data))
    }

    /// The first delta that the version of `body` does not have, and the octets of the required
    /// ones that it has. `None` if it is not in the chain.
    fn after_version(
        &self,
        apex: &Name,
        data: &Data,
        body: &PreparedBody,
    ) -> Result<Option<(u64, u64)>, Fault> {
        if (data.serial, data.digest) == (body.serial, body.digest) {
            return Ok(Some((data.next, data.required_octets)));
        }
        let mut octets = 0;
        let apex = apex.as_ref().wire();
        for entry in self.delta.range((apex, data.required)..(apex, data.next))? {
            let (key, value) = entry?;
            octets += value.value().len() as u64;
            match super::format::decode_delta(value.value()) {
                Ok(delta) if (delta.to, delta.digest_after) == (body.serial, body.digest) => {
                    return Ok(Some((key.value().1 + 1, octets)));
                }
                Ok(_) => {}
                Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Stores a prepared body and says in which file it is, if it is in one.
    fn place(
        &mut self,
        apex: &Name,
        old_file: Option<u64>,
        body: &PreparedBody,
    ) -> Result<Option<u64>, Fault> {
        let key = apex.as_ref().wire();
        let file = match &body.place {
            Place::Inline(octets) => {
                self.body.insert(key, &octets[..])?;
                None
            }
            Place::File(file) => {
                self.body.remove(key)?;
                Some(*file)
            }
        };
        if old_file != file {
            self.done.replaced.extend(old_file.map(|old| (apex.clone(), old)));
        }
        Ok(file)
    }

    /// Cuts the oldest deltas of the history until it fits, a bounded number at a time.
    fn cut_history(&mut self, apex: &Name, data: &mut Data) -> Result<(), Fault> {
        for _ in 0..HISTORY_CUT_STEPS {
            if data.history_octets <= self.options.history_octets_max || data.oldest >= data.required {
                break;
            }
            if let Some(delta) = self.delta.remove((apex.as_ref().wire(), data.oldest))? {
                data.history_octets = data.history_octets.saturating_sub(delta.value().len() as u64);
            }
            data.oldest += 1;
        }
        Ok(())
    }

    fn cut_all_deltas(&mut self, apex: &Name) -> Result<(), Fault> {
        let apex = apex.as_ref().wire();
        Ok(self.delta.retain_in((apex, 0)..=(apex, u64::MAX), |_, _| false)?)
    }
}

/// Whether the deltas lead from what is stored to `after` without a gap.
fn leads(data: &Data, deltas: &[Arc<Delta>], after: &Version) -> bool {
    let mut at = (data.serial, data.digest);
    for delta in deltas {
        if (delta.from, delta.digest_before) != at {
            return false;
        }
        at = (delta.to, delta.digest_after);
    }
    at == (after.serial(), after.digest())
}
