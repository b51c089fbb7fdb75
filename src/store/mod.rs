//! What survives a crash: bodies, deltas, serials, deadlines and the state of the machines.
//!
//! The state of a zone is its body at some serial and the chain of required deltas after it; older
//! deltas are history, which only serves IXFR and is freely cut (R01). One thread owns the
//! [`Store`] and commits in groups: when [`Store::commit`] returns a [`Receipt`], all of the batch
//! is on the disk, and only with a receipt may the engine publish (R07). Rows, deltas and small
//! bodies are in one database, larger bodies in a file each (R04).
//!
//! | file | what lives there |
//! |---|---|
//! | `format` | rows and deltas as octets |
//! | `body`, `postscript` | bodies in blocks, and their files; what these repeat of the rows |
//! | `database`, `overlay` | redb over `env::File`, and what its errors mean; the same without writing |
//! | `commit` | what one commit does to the tables |
//! | `open`, `recover` | what is there at the start, and putting it in order |
//! | `reader` | history for transfers out |
//!
//! Absent: clocks and back-off (the engine calls [`Store::heal`]), and what the saved state of the
//! machines means.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use crate::dns::{Name, Serial};
use crate::env::{Disk, File, Random};
use crate::limits::{HISTORY_OCTETS_MAX, INLINE_BODY_OCTETS_MAX, REQUIRED_OCTETS_MIN, STORE_CACHE_OCTETS};
use crate::reason::Reason;
use crate::time::Wall;
use crate::zone::{Delta, DigestKey, Version};

mod body;
mod commit;
mod database;
mod format;
mod open;
mod overlay;
mod postscript;
mod reader;
mod recover;
#[cfg(test)]
mod tests;

pub use body::{Compactor, PreparedBody};
pub use reader::StoreReader;

use database::{Fault, Trust, guarded};
use reader::Shared;

/// The store of one state directory.
#[derive(Debug)]
pub struct Store {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: Options,
    database: Shared,
    compactor: Compactor,
    due: BTreeSet<Name>,
    state: State,
    /// Keeps a second server out for as long as we live.
    _lock: Box<dyn File>,
}

/// Whether commits can work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// As far as we know.
    Working,
    /// The last commit failed for good.
    Broken,
    /// Broken, and what was stored was unreadable and is moved aside: the database is empty.
    Lost,
}

/// What a store is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The digest key of a state directory that has none yet.
    pub digest_key_if_new: DigestKey,
    /// Bound of one zone's history.
    pub history_octets_max: u64,
    /// Required deltas of a zone that are always borne before its body is written anew.
    pub required_octets_min: u64,
    /// A body up to so many octets lives in the database, a larger one in a file (R04).
    pub inline_body_octets_max: usize,
    /// Memory for pages of the database.
    pub cache_octets: usize,
}

impl Options {
    /// The defaults, and a new key.
    pub fn new(random: &mut dyn Random) -> Options {
        let mut key = [0; 16];
        random.fill(&mut key);
        Options {
            digest_key_if_new: DigestKey(key),
            history_octets_max: HISTORY_OCTETS_MAX,
            required_octets_min: REQUIRED_OCTETS_MIN,
            inline_body_octets_max: INLINE_BODY_OCTETS_MAX,
            cache_octets: STORE_CACHE_OCTETS,
        }
    }
}

/// What was there when the store was opened.
#[derive(Debug)]
pub struct Recovered {
    /// The key of all digests of this state directory.
    pub digest_key: DigestKey,
    /// Each zone that the store knows, configured or not.
    pub zones: Vec<RecoveredZone>,
    /// What is wrong with the store as a whole, for the log and `status`.
    pub notes: Vec<(Reason, String)>,
}

/// One zone as it was found.
#[derive(Debug)]
pub struct RecoveredZone {
    /// Its name, in lower case if only the row is left.
    pub apex: Name,
    /// The newest version that could be read, with the deltas before it; `None` if there was never
    /// one or its body is damaged.
    pub version: Option<Arc<Version>>,
    /// What was stored with it; with a damaged row what the body repeats of it.
    pub meta: ZoneMeta,
    /// What only the row said is lost, so newer serials than the floor may have been published (R07).
    pub row_lost: bool,
    /// What was damaged, in a sentence. The zone is to refresh or to read its file at once (R01).
    pub problem: Option<(Reason, String)>,
}

impl RecoveredZone {
    /// A zone without data, and why.
    fn without(apex: Name, meta: ZoneMeta, text: String) -> RecoveredZone {
        let problem = Some((Reason::StoreDamaged, text));
        RecoveredZone { apex, version: None, meta, row_lost: false, problem }
    }
}

/// What is kept of a zone beside its data. It is small and written with each commit of the zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneMeta {
    /// The engine's number for the role in which the zone was held.
    pub role: u8,
    /// No serial below it is published (invariant 3).
    pub serial_floor: Option<Serial>,
    /// Newer serials may have been published before a store was lost: the secondaries were being asked
    /// when this was written (R07).
    pub unsure: bool,
    /// When a secondary's zone expires, by the wall clock (R18).
    pub expire_at: Option<Wall>,
    /// When a primary last confirmed the zone.
    pub refreshed_at: Option<Wall>,
    /// BLAKE3 of the zone file (includes included) that made the version (R10).
    pub file_hash: Option<[u8; 32]>,
    /// BLAKE3 of the file that a rollback rejected (R12).
    pub rejected_hash: Option<[u8; 32]>,
    /// The saved refresh machine.
    pub follow: Vec<u8>,
    /// The saved flock.
    pub flock: Vec<u8>,
}

/// One zone in a commit.
#[derive(Clone, Debug)]
pub struct ZoneWrite {
    /// Which zone; its case does not matter.
    pub apex: Name,
    /// What happens to its data.
    pub body: BodyWrite,
    /// What is kept beside it from now on; without meaning for `Forget`.
    pub meta: ZoneMeta,
}

/// What a commit does to the data of a zone.
#[derive(Clone, Debug)]
pub enum BodyWrite {
    /// A snapshot, history cut: a first version, a full rewrite, a step to a lower serial (R05).
    Full(Arc<Version>),
    /// Steps from the version that is stored to `after`. If they do not go on from it, `after` is
    /// written as with `Full`.
    Deltas {
        /// The steps, oldest first.
        deltas: Vec<Arc<Delta>>,
        /// The version that they lead to.
        after: Arc<Version>,
    },
    /// A body that the [`Compactor`] wrote meanwhile; history and later deltas stay. If the stored
    /// chain has left its version, it is dropped.
    Compacted(PreparedBody),
    /// Only what is beside the data changes.
    Keep,
    /// The same, and a body that is in a file of its own repeats floor and deadline, for a lost
    /// database.
    Repeat,
    /// The zone and all its data go away.
    Forget,
}

/// Proof that a batch may be published. Only the store makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    durable: bool,
}

impl Receipt {
    /// Whether the batch is on the disk; `false` is the `volatile` of R03.
    pub fn is_durable(self) -> bool {
        self.durable
    }
}

/// What [`Store::heal`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Healed {
    /// All that was acknowledged is there; what was volatile is to be written in full.
    Intact,
    /// The database was unreadable and is moved aside; every zone is to be written in full.
    Fresh,
}

/// Why the store did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The operator: another server works in this state directory.
    InUse(PathBuf),
    /// The disk: what it said.
    Io(io::ErrorKind, String),
    /// The disk: what is on it is not what was written.
    Damaged(String),
    /// An earlier commit failed for good and [`Store::heal`] has not helped yet.
    Broken,
}

impl StoreError {
    /// Whether space is what is missing.
    pub fn is_full(&self) -> bool {
        matches!(self, StoreError::Io(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, _))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::InUse(dir) => {
                write!(f, "another server works in the state directory {}", dir.display())
            }
            StoreError::Io(_, text) => write!(f, "the state directory cannot be used: {text}"),
            StoreError::Damaged(text) => write!(f, "the store is damaged: {text}"),
            StoreError::Broken => f.write_str("the store cannot write since an earlier error"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> StoreError {
        StoreError::Io(error.kind(), error.to_string())
    }
}

impl Store {
    /// Makes a batch durable, all of it or nothing. After an error the database is closed, opened
    /// again and the batch submitted once more; if that does not help, the store is broken (R03).
    pub fn commit(&mut self, batch: &[ZoneWrite]) -> Result<Receipt, StoreError> {
        if self.is_broken() {
            return Err(StoreError::Broken);
        }
        let outcome = self.attempt(batch).or_else(|fault| {
            self.reopen(match fault {
                Fault::Io(..) => Trust::Usual,
                Fault::Damaged(_) => Trust::None,
            })?;
            self.attempt(batch)
        });
        match outcome {
            Ok(()) => Ok(Receipt { durable: true }),
            Err(fault) => {
                if self.state == State::Working {
                    self.state = State::Broken;
                    self.close();
                }
                Err(fault.into())
            }
        }
    }

    /// Whether commits fail until [`Store::heal`] helps.
    pub fn is_broken(&self) -> bool {
        self.state != State::Working
    }

    /// What stands in for a receipt while the store is broken, for versions that may be published
    /// all the same (R03). `None` while it works.
    pub fn volatile_receipt(&self) -> Option<Receipt> {
        self.is_broken().then_some(Receipt { durable: false })
    }

    /// Tries to get a broken store to work again; call it with back-off.
    pub fn heal(&mut self) -> Result<Healed, StoreError> {
        if self.state == State::Broken
            && let Err(fault) = self.reopen(Trust::Usual)
            && self.state != State::Lost
        {
            return Err(fault.into());
        }
        {
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            database::probe(database.as_ref().ok_or(StoreError::Broken)?)?;
        }
        let healed = if self.state == State::Lost { Healed::Fresh } else { Healed::Intact };
        self.state = State::Working;
        Ok(healed)
    }

    /// Zones whose chain of required deltas is long enough for a new body: give the newest version
    /// of each to the [`Compactor`], then commit what it made.
    pub fn rewrite_due(&self) -> Vec<Name> {
        self.due.iter().cloned().collect()
    }

    /// What writes bodies on other threads, so that commits need not wait for them.
    pub fn compactor(&self) -> Compactor {
        self.compactor.clone()
    }

    /// What reads history and single zones on other threads.
    pub fn reader(&self) -> StoreReader {
        StoreReader::new(self.database.clone(), self.compactor.clone(), self.options.clone())
    }

    fn attempt(&mut self, batch: &[ZoneWrite]) -> Result<(), Fault> {
        let committed = {
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            let Some(database) = &*database else {
                return Err(Fault::Io(io::ErrorKind::Other, "the database is closed".to_owned()));
            };
            guarded(|| commit::commit(database, &self.compactor, &self.options, batch))?
        };
        for (apex, file) in committed.replaced {
            self.compactor.remove(apex.as_ref().wire(), file);
        }
        for (apex, due) in committed.due {
            if due {
                self.due.insert(apex)
            } else {
                self.due.remove(&apex)
            };
        }
        Ok(())
    }

    /// Waits for the readers and closes the database.
    fn close(&self) {
        let database = self.database.write().unwrap_or_else(PoisonError::into_inner).take();
        database.into_iter().for_each(database::close);
    }

    /// Closes the database and opens it again. An unreadable one is moved aside and an empty one
    /// takes its place, and that is an error too: what is served must be written in full.
    fn reopen(&mut self, trust: Trust) -> Result<(), Fault> {
        self.close();
        let mut slot = self.database.write().unwrap_or_else(PoisonError::into_inner);
        match open::open_database(&*self.disk, &self.dir, &self.options, trust)? {
            (database, None) => {
                *slot = Some(database);
                Ok(())
            }
            (database, Some(note)) => {
                *slot = Some(database);
                self.state = State::Lost;
                Err(Fault::Damaged(note))
            }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}
