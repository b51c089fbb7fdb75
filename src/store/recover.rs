//! What is there when the server starts (R01).
//!
//! A zone is its body and the required deltas after it, as far as each begins with the digest that
//! the one before ended with. Whatever is damaged costs the least: a delta the versions after it, a
//! body the zone's data, a row what only it says, the database the small zones and what is newer
//! than the body files. One zone's damage never touches another.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;

use redb::{Database, ReadOnlyTable, ReadableDatabase};

use super::body::{Body, Compactor, read_body, stem_of};
use super::commit::is_due;
use super::database::{BODY, DELTA, Fault, ZONE, guarded};
use super::format::{Damaged, Data, Row, decode_delta};
use super::{Options, RecoveredZone, ZoneMeta};
use crate::dns::{Name, Serial};
use crate::limits::{RECENT_OCTETS_MAX, RECOVERY_THREADS_MAX};
use crate::reason::Reason;
use crate::zone::{Delta, Digest, DigestKey, Version, apply, edit};

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) zones: Vec<RecoveredZone>,
    /// Zones whose body should be written anew, since the chain is long.
    pub(super) due: Vec<Name>,
    /// Zones (by place in `zones`) that must be written anew: what is stored of them is damaged, or
    /// made with another digest key.
    pub(super) rewrite: Vec<usize>,
    /// The database itself gave signs of damage.
    pub(super) suspect: Option<String>,
}

/// Reads all zones of the database, on as many threads as there are cores, at most
/// [`RECOVERY_THREADS_MAX`]. The digest key of the options is that of the database by now.
pub(super) fn recover(database: &Database, compactor: &Compactor, options: &Options) -> Found {
    let mut found = Found::default();
    let mut rows = Vec::new();
    if let Err(fault) = guarded(|| read_rows(database, &mut rows)) {
        found.suspect = Some(format!("{fault:?}"));
    }
    let threads = thread::available_parallelism().map_or(1, |cores| cores.get().min(RECOVERY_THREADS_MAX));
    let share = rows.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let readers: Vec<_> = rows
            .chunks(share)
            .map(|rows| scope.spawn(|| recover_rows(database, compactor, options, rows)))
            .collect();
        for reader in readers {
            let part = reader.join().expect("panics of the database are caught zone by zone");
            found.rewrite.extend(part.rewrite.iter().map(|at| at + found.zones.len()));
            found.zones.extend(part.zones);
            found.due.extend(part.due);
            found.suspect = found.suspect.take().or(part.suspect);
        }
    });
    found
}

fn recover_rows(
    database: &Database,
    compactor: &Compactor,
    options: &Options,
    rows: &[(Vec<u8>, Vec<u8>)],
) -> Found {
    let mut found = Found::default();
    for (apex, row) in rows {
        let Ok(name) = Name::from_wire(apex) else {
            found.suspect = Some("a zone has a name that is none".to_owned());
            continue;
        };
        match guarded(|| recover_zone(database, compactor, options, &name, row)) {
            Ok((zone, outlook)) => {
                match outlook {
                    Outlook::Fine => {}
                    Outlook::Long => found.due.push(name),
                    Outlook::Rewrite => found.rewrite.push(found.zones.len()),
                }
                found.zones.push(zone);
            }
            Err(fault) => {
                let text = format!("the stored zone {name} cannot be read: {fault:?}");
                if let Fault::Damaged(what) = fault {
                    found.suspect = Some(what);
                }
                let meta = Row::decode(row).map(|row| row.meta).unwrap_or_default();
                found.zones.push(RecoveredZone::without(name, meta, text));
            }
        }
    }
    found
}

/// Reads one zone.
pub(super) fn recover_one(
    database: &Database,
    compactor: &Compactor,
    options: &Options,
    name: &Name,
) -> Result<Option<RecoveredZone>, Fault> {
    let row = {
        let table = database.begin_read()?.open_table(ZONE)?;
        table.get(name.as_ref().wire())?.map(|row| row.value().to_vec())
    };
    let Some(row) = row else { return Ok(None) };
    // What is damaged is written anew with the zone's next version, which will not go on from it.
    recover_zone(database, compactor, options, name, &row).map(|(zone, _)| Some(zone))
}

fn recover_zone(
    database: &Database,
    compactor: &Compactor,
    options: &Options,
    name: &Name,
    row: &[u8],
) -> Result<(RecoveredZone, Outlook), Fault> {
    let transaction = database.begin_read()?;
    let tables = Tables {
        body: transaction.open_table(BODY)?,
        delta: transaction.open_table(DELTA)?,
        compactor,
        apex: name.as_ref().wire(),
        name,
        key: options.digest_key_if_new,
        options,
    };
    match Row::decode(row) {
        Ok(row) => tables.zone(row),
        Err(damaged) => tables.zone_without_row(damaged),
    }
}

/// Reads the body files of zones that the database did not give, after it was lost. Those that
/// cannot be read stay where they are, under another name.
pub(super) fn recover_files(compactor: &Compactor, key: DigestKey, found: &mut Found) {
    let mut files = compactor.files().unwrap_or_default();
    // The newest of a zone first.
    files.sort_unstable_by(|a, b| b.cmp(a));
    let known = |zones: &[RecoveredZone], stem: &str| {
        zones.iter().position(|zone| stem_of(zone.apex.as_ref().to_lowercase().as_ref().wire()) == stem)
    };
    for (stem, generation) in files {
        let place = known(&found.zones, &stem);
        if place.is_some_and(|place| found.zones[place].version.is_some()) {
            continue;
        }
        match compactor.read_found(&stem, generation, key) {
            Ok(body) => {
                let mut zone = of_body(body);
                match place {
                    Some(place) => {
                        zone.meta = std::mem::take(&mut found.zones[place].meta);
                        zone.row_lost = zone.meta.serial_floor.is_none();
                        found.zones[place] = zone;
                    }
                    None => found.zones.push(zone),
                }
            }
            Err(_) => compactor.set_aside(&stem, generation),
        }
    }
}

/// All rows as they are stored; after an error, those before it.
pub(super) fn read_rows(database: &Database, rows: &mut Vec<(Vec<u8>, Vec<u8>)>) -> Result<(), Fault> {
    let table = database.begin_read()?.open_table(ZONE)?;
    for entry in table.range::<&[u8]>(..)? {
        let (key, value) = entry?;
        rows.push((key.value().to_vec(), value.value().to_vec()));
    }
    Ok(())
}

/// A zone of which only the body is left.
fn of_body(body: Body) -> RecoveredZone {
    let serial = body.version.serial();
    let floor = body.head.serial_floor.map_or(serial, |floor| floor.newest(serial));
    let meta = ZoneMeta { serial_floor: Some(floor), expire_at: body.head.expire_at, ..ZoneMeta::default() };
    let text = format!("what the store knew of {} is lost; serial {serial} was kept", body.head.apex);
    RecoveredZone {
        apex: body.head.apex.clone(),
        version: Some(Arc::new(body.version)),
        meta,
        row_lost: true,
        problem: Some((Reason::StoreDamaged, text)),
    }
}

/// What is to be done with what is stored of a zone.
enum Outlook {
    /// Nothing.
    Fine,
    /// A new body when there is time for it.
    Long,
    /// A new body at once.
    Rewrite,
}

/// What is needed to read one zone.
struct Tables<'a> {
    body: ReadOnlyTable<&'static [u8], &'static [u8]>,
    delta: ReadOnlyTable<(&'static [u8], u64), &'static [u8]>,
    compactor: &'a Compactor,
    apex: &'a [u8],
    name: &'a Name,
    key: DigestKey,
    options: &'a Options,
}

/// A version on its way from the body to the newest that can be reached.
struct Replay {
    version: Version,
    /// Whether the digests were made with our key and can be checked.
    strict: bool,
    /// The deltas since the body, as far as they are needed for `recent`.
    tail: VecDeque<Arc<Delta>>,
}

impl Tables<'_> {
    fn zone(&self, row: Row) -> Result<(RecoveredZone, Outlook), Fault> {
        let Some(data) = row.data else {
            let (apex, meta) = (self.name.clone(), row.meta);
            let zone = RecoveredZone { apex, version: None, meta, row_lost: false, problem: None };
            return Ok((zone, Outlook::Fine));
        };
        let body = match self.body(data.file)? {
            Ok(body) => body,
            Err(what) => {
                let text = format!("the stored body of {} is damaged: {what}", self.name);
                return Ok((RecoveredZone::without(self.name.clone(), row.meta, text), Outlook::Fine));
            }
        };
        let begin = (body.version.serial(), body.version.digest());
        let strict = body.head.key == self.key;
        let mut replay = Replay { version: body.version, strict, tail: VecDeque::new() };
        let stopped = self.replay(&mut replay, &data)?;
        let problem = stopped.map(|what| {
            let at = replay.version.serial();
            let text = format!("the stored changes of {} after serial {at} are damaged: {what}", self.name);
            (Reason::StoreDamaged, text)
        });
        if strict {
            self.prepend_history(&mut replay.tail, &data, begin)?;
        }
        let version = Arc::new(replay.version.with_recent(replay.tail));
        let outlook = match (&problem, strict) {
            (None, true) if !is_due(&data, self.options) => Outlook::Fine,
            (None, true) => Outlook::Long,
            _ => Outlook::Rewrite,
        };
        Ok((
            RecoveredZone {
                apex: self.name.clone(),
                version: Some(version),
                meta: row.meta,
                row_lost: false,
                problem,
            },
            outlook,
        ))
    }

    /// Makes the best of a zone whose row is damaged: the body says where it stands, and deltas
    /// that go on from there say so themselves.
    fn zone_without_row(&self, damaged: Damaged) -> Result<(RecoveredZone, Outlook), Fault> {
        let mut bodies = vec![self.body(None)?];
        let stem = stem_of(self.apex);
        let mut files = self.compactor.files()?;
        files.sort_unstable_by(|a, b| b.cmp(a));
        for (_, generation) in files.into_iter().filter(|(of, _)| *of == stem) {
            bodies.push(self.body(Some(generation))?);
        }
        let Some(body) = bodies.into_iter().find_map(Result::ok) else {
            let text = format!("the row of {} is damaged: {}", self.name, damaged.0);
            return Ok((RecoveredZone::without(self.name.clone(), ZoneMeta::default(), text), Outlook::Fine));
        };
        let mut zone = of_body(body);
        let Some(mut version) = zone.version.clone() else { return Ok((zone, Outlook::Fine)) };
        for entry in self.delta.range((self.apex, 0)..=(self.apex, u64::MAX))? {
            if let Ok(delta) = decode_delta(entry?.1.value())
                && let Ok(next) = apply(&version, &delta)
            {
                version = Arc::new(next);
            }
        }
        zone.meta.serial_floor = zone.meta.serial_floor.map(|floor| floor.newest(version.serial()));
        zone.version = Some(version);
        Ok((zone, Outlook::Rewrite))
    }

    fn body(&self, file: Option<u64>) -> Result<Result<Body, String>, Fault> {
        match file {
            Some(generation) => Ok(self.compactor.read(self.apex, generation, self.key)),
            None => match self.body.get(self.apex)? {
                Some(octets) => Ok(read_body(&mut octets.value(), self.key)),
                None => Ok(Err("it is missing".to_owned())),
            },
        }
    }

    /// Applies the required deltas; says why it stopped before the last.
    fn replay(&self, replay: &mut Replay, data: &Data) -> Result<Option<String>, Fault> {
        for entry in self.delta.range((self.apex, data.required)..(self.apex, data.next))? {
            let delta = match decode_delta(entry?.1.value()) {
                Ok(delta) => delta,
                Err(Damaged(what)) => return Ok(Some(what.to_owned())),
            };
            if let Err(what) = replay.step(delta) {
                return Ok(Some(what));
            }
        }
        let strict_fits = !replay.strict || replay.version.digest() == data.digest;
        if replay.version.serial() != data.serial || !strict_fits {
            return Ok(Some(format!("they end before serial {}", data.serial)));
        }
        Ok(None)
    }

    /// Puts history in front of `tail`, so that `recent` is as full after a restart as before.
    fn prepend_history(
        &self,
        tail: &mut VecDeque<Arc<Delta>>,
        data: &Data,
        begin: (Serial, Digest),
    ) -> Result<(), Fault> {
        let mut at = tail.front().map_or(begin, |first| (first.from, first.digest_before));
        if at != begin {
            return Ok(());
        }
        let mut octets: usize = tail.iter().map(|delta| delta.octets()).sum();
        for entry in self.delta.range((self.apex, data.oldest)..(self.apex, data.required))?.rev() {
            let Ok(delta) = decode_delta(entry?.1.value()) else { break };
            octets += delta.octets();
            if octets > RECENT_OCTETS_MAX || (delta.to, delta.digest_after) != at {
                break;
            }
            at = (delta.from, delta.digest_before);
            tail.push_front(Arc::new(delta));
        }
        Ok(())
    }
}

impl Replay {
    fn step(&mut self, delta: Delta) -> Result<(), String> {
        let (version, delta) = if self.strict {
            (apply(&self.version, &delta).map_err(|error| error.to_string())?, delta)
        } else {
            edit(&self.version, &delta.removed, &delta.added).map_err(|error| error.to_string())?
        };
        self.version = version;
        self.tail.push_back(Arc::new(delta));
        let mut octets: usize = self.tail.iter().map(|delta| delta.octets()).sum();
        while octets > RECENT_OCTETS_MAX {
            octets -= self.tail.pop_front().map_or(octets, |delta| delta.octets());
        }
        Ok(())
    }
}
