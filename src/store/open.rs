//! Opening a state directory, and putting in order what a crash or damage has left.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use redb::Database;

use super::body::stem_of;
use super::database::{
    Fault, Trust, close, digest_key, exists, guarded, move_aside, open, open_without_writing,
};
use super::format::Row;
use super::recover::{Found, read_rows, recover, recover_files};
use super::{BodyWrite, Compactor, Options, Recovered, RecoveredZone, State, Store, StoreError, ZoneWrite};
use crate::dns::Name;
use crate::env::{Disk, OpenMode};
use crate::limits::BATCH_ZONES_MAX;
use crate::reason::Reason;

/// Held by the server that works in the directory.
const LOCK_FILE: &str = "lock";
/// Where body files are.
const BODIES: &str = "bodies";

impl Store {
    /// Opens the store of a state directory, makes it if there is none, and reads all zones.
    ///
    /// Damage is no error: what can be read is there, and the notes and each zone's problem say
    /// what is not. Nor is a disk that is full: the store is then broken from the start, and
    /// [`Store::heal`] helps when there is space. An error is a directory that is in use or a disk
    /// that cannot be read.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        mut options: Options,
    ) -> Result<(Store, Recovered), StoreError> {
        disk.create_dir_all(dir)?;
        let lock = disk.open(&dir.join(LOCK_FILE), OpenMode::OrCreate)?;
        if !lock.try_lock()? {
            return Err(StoreError::InUse(dir.to_path_buf()));
        }
        let compactor = Compactor::open(disk.clone(), dir.join(BODIES), options.inline_body_octets_max)?;
        let (database, found, notes) = match read_all(&*disk, dir, &mut options, &compactor) {
            Ok((database, found, note)) => {
                (Some(database), found, note.map(|note| (Reason::StoreDamaged, note)))
            }
            Err(fault) => {
                let found = read_without_writing(&*disk, dir, &mut options, &compactor, &fault)?;
                let note = format!("nothing can be written to {}: {fault:?}", dir.display());
                (None, found, Some((Reason::StoreVolatile, note)))
            }
        };
        let state = if database.is_some() { State::Working } else { State::Broken };
        let mut store = Store {
            disk,
            dir: dir.to_path_buf(),
            database: Arc::new(RwLock::new(database)),
            compactor,
            due: found.due.into_iter().collect(),
            state,
            _lock: lock,
            options,
        };
        store.write_anew(&found.zones, if notes.is_some() { None } else { Some(&found.rewrite) });
        if !store.is_broken() {
            store.sweep();
        }
        let digest_key = store.options.digest_key_if_new;
        Ok((store, Recovered { digest_key, zones: found.zones, notes: notes.into_iter().collect() }))
    }

    /// The names of all zones that are stored, in lower case.
    pub fn stored(&self) -> Result<Vec<Name>, StoreError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or(StoreError::Broken)?;
        let mut rows = Vec::new();
        guarded(|| read_rows(database, &mut rows))?;
        Ok(rows.iter().filter_map(|(apex, _)| Name::from_wire(apex).ok()).collect())
    }

    /// Writes zones in full whose row, or whose whole database, is gone. If that fails the store is
    /// broken, as after any commit, and the zones are served all the same.
    fn write_anew(&mut self, zones: &[RecoveredZone], only: Option<&[usize]>) {
        let wanted = zones.iter().enumerate().filter(|(at, _)| only.is_none_or(|only| only.contains(at)));
        let writes: Vec<ZoneWrite> = wanted
            .map(|(_, zone)| ZoneWrite {
                apex: zone.apex.clone(),
                body: zone.version.clone().map_or(BodyWrite::Keep, BodyWrite::Full),
                meta: zone.meta.clone(),
            })
            .collect();
        for batch in writes.chunks(BATCH_ZONES_MAX) {
            if self.commit(batch).is_err() {
                break;
            }
        }
    }

    /// Removes body files that no row points to. If a row cannot be read, nothing is removed.
    fn sweep(&self) {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = &*database else { return };
        let mut rows = Vec::new();
        if guarded(|| read_rows(database, &mut rows)).is_err() {
            return;
        }
        let mut wanted = BTreeSet::new();
        for (apex, row) in rows {
            match Row::decode(&row) {
                Ok(row) => {
                    let file = row.data.and_then(|data| data.file);
                    wanted.extend(file.map(|file| (stem_of(&apex), file)));
                }
                Err(_) => return,
            }
        }
        // Left-overs only take space; the next opening tries again.
        let _ = self.compactor.sweep(|stem, file| wanted.contains(&(stem.to_owned(), file)));
    }
}

/// Opens the database, looking closer if it does not open at once; if it cannot be read it is
/// moved aside, an empty one takes its place and the note says so; likewise if it is gone.
pub(super) fn open_database(
    disk: &dyn Disk,
    dir: &Path,
    options: &Options,
    trust: Trust,
) -> Result<(Database, Option<String>), Fault> {
    let is_gone = !exists(disk, dir)?;
    let what = match open(disk, dir, options, trust) {
        Ok(database) => {
            return Ok((database, is_gone.then(|| "the database is gone, and a new one begins".to_owned())));
        }
        Err(Fault::Damaged(_)) if trust == Trust::Usual => {
            return open_database(disk, dir, options, Trust::None);
        }
        Err(Fault::Damaged(what)) => what,
        Err(fault) => return Err(fault),
    };
    let aside = move_aside(disk, dir)?;
    let note = format!("the database could not be read ({what}) and is now {}", aside.display());
    Ok((open(disk, dir, options, Trust::Usual)?, Some(note)))
}

/// Reads all zones. If the database gives signs of damage it is looked at closely and read again;
/// if that does not help it is moved aside too, and the note says so.
fn read_all(
    disk: &dyn Disk,
    dir: &Path,
    options: &mut Options,
    compactor: &Compactor,
) -> Result<(Database, Found, Option<String>), Fault> {
    let mut found = Found::default();
    let is_first_start = !exists(disk, dir)? && compactor.files()?.is_empty();
    for trust in [Trust::Usual, Trust::None] {
        let (database, note) = open_database(disk, dir, options, trust)?;
        if note.is_some() && !is_first_start {
            recover_files(compactor, options.digest_key_if_new, &mut found);
            return Ok((database, found, note));
        }
        match guarded(|| digest_key(&database, options)) {
            Ok(key) => {
                options.digest_key_if_new = key;
                found = recover(&database, compactor, options);
            }
            Err(fault) => found.suspect = Some(format!("{fault:?}")),
        }
        if found.suspect.is_none() {
            return Ok((database, found, None));
        }
        close(database);
    }
    let aside = move_aside(disk, dir)?;
    let what = found.suspect.take().unwrap_or_default();
    let note = format!("the database is damaged ({what}) and is now {}", aside.display());
    recover_files(compactor, options.digest_key_if_new, &mut found);
    Ok((open(disk, dir, options, Trust::Usual)?, found, Some(note)))
}

/// Reads all zones when `fault` is that the database cannot be written. If it cannot be read
/// either, that is what `fault` is told for.
fn read_without_writing(
    disk: &dyn Disk,
    dir: &Path,
    options: &mut Options,
    compactor: &Compactor,
    fault: &Fault,
) -> Result<Found, Fault> {
    let told = |_| fault.clone();
    let Some(database) = open_without_writing(disk, dir, options).map_err(told)? else {
        let mut found = Found::default();
        recover_files(compactor, options.digest_key_if_new, &mut found);
        return Ok(found);
    };
    let found = guarded(|| digest_key(&database, options)).map(|key| {
        options.digest_key_if_new = key;
        recover(&database, compactor, options)
    });
    close(database);
    found.map_err(told)
}
