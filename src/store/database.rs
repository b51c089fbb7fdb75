//! The database file: redb over [`env::File`](crate::env::File), its tables, and what its errors
//! mean.
//!
//! redb trusts a file that was closed well and may panic in one that somebody else has written
//! into. A panic in it is caught here and is a damaged file, like any other sign of damage; a file
//! that cannot be read is moved aside under a name that says so, never deleted.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{Database, Durability, ReadableDatabase, StorageBackend, TableDefinition, WriteTransaction};

use super::format::{seal, unseal};
use super::overlay::Overlay;
use super::{Options, StoreError};
use crate::env::{Disk, File, OpenMode};
use crate::zone::DigestKey;

/// Facts about the whole store: `format`, `digest_key`.
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// Apex (lower-case wire form) to [`Row`](super::format::Row).
pub(super) const ZONE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("zone");
/// Apex to a body that is small.
pub(super) const BODY: TableDefinition<&[u8], &[u8]> = TableDefinition::new("body");
/// Apex and number to a delta.
pub(super) const DELTA: TableDefinition<(&[u8], u64), &[u8]> = TableDefinition::new("delta");

/// Version of the tables as a whole.
const FORMAT: &[u8] = &[1];
/// The name of the database in the state directory.
const FILE_NAME: &str = "state.redb";
/// Its name until it is whole.
const UNFINISHED_NAME: &str = "state.redb.new";

/// What goes wrong between the store and its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The disk refused.
    Io(io::ErrorKind, String),
    /// What is on the disk is not what we wrote.
    Damaged(String),
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> StoreError {
        match fault {
            Fault::Io(kind, text) => StoreError::Io(kind, text),
            Fault::Damaged(text) => StoreError::Damaged(text),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        match error.kind() {
            // What redb calls a file that is none of its own, and what a file that was cut off gives.
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Fault::Damaged(error.to_string()),
            kind => Fault::Io(kind, error.to_string()),
        }
    }
}

impl From<redb::Error> for Fault {
    fn from(error: redb::Error) -> Fault {
        match error {
            redb::Error::Io(error) => error.into(),
            error @ (redb::Error::PreviousIo | redb::Error::DatabaseClosed) => {
                Fault::Io(io::ErrorKind::Other, error.to_string())
            }
            error => Fault::Damaged(error.to_string()),
        }
    }
}

macro_rules! faults {
    ($($error:ty),*) => {$(
        impl From<$error> for Fault {
            fn from(error: $error) -> Fault {
                redb::Error::from(error).into()
            }
        }
    )*};
}

faults!(
    redb::DatabaseError,
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError,
    redb::SetDurabilityError
);

/// Runs what touches the database; a panic in there is a damaged file.
pub(super) fn guarded<T>(act: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(Fault::Damaged(format!("the database panicked: {}", text.unwrap_or_default())))
    })
}

/// How closely a file is looked at when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// As redb does: checksums only where it was not closed well.
    Usual,
    /// Every page, after a sign of damage.
    None,
}

/// Opens the database of a state directory, or makes it. A new one gets its name when it is whole,
/// so that a crash does not leave half of one.
pub(super) fn open(disk: &dyn Disk, dir: &Path, options: &Options, trust: Trust) -> Result<Database, Fault> {
    let path = dir.join(FILE_NAME);
    if disk.exists(&path)? {
        return open_file(disk.open(&path, OpenMode::Existing)?, options, trust);
    }
    let unfinished = dir.join(UNFINISHED_NAME);
    let database = open_file(disk.open(&unfinished, OpenMode::Fresh)?, options, trust)?;
    match disk.rename(&unfinished, &path).and_then(|()| disk.sync_dir(dir)) {
        Ok(()) => Ok(database),
        Err(error) => {
            close(database);
            Err(error.into())
        }
    }
}

/// Whether there is a database in the state directory, readable or not.
pub(super) fn exists(disk: &dyn Disk, dir: &Path) -> Result<bool, Fault> {
    Ok(disk.exists(&dir.join(FILE_NAME))?)
}

/// Opens the database for reading without writing to the disk. `None` if there is none.
pub(super) fn open_without_writing(
    disk: &dyn Disk,
    dir: &Path,
    options: &Options,
) -> Result<Option<Database>, Fault> {
    let path = dir.join(FILE_NAME);
    if !disk.exists(&path)? {
        return Ok(None);
    }
    let overlay = Overlay::new(disk.open(&path, OpenMode::Existing)?)?;
    open_backend(overlay, options, Trust::Usual).map(Some)
}

fn open_file(file: Box<dyn File>, options: &Options, trust: Trust) -> Result<Database, Fault> {
    open_backend(Backend(file), options, trust)
}

fn open_backend(backend: impl StorageBackend, options: &Options, trust: Trust) -> Result<Database, Fault> {
    let database = guarded(|| {
        let mut builder = Database::builder();
        builder.set_cache_size(options.cache_octets).set_check_integrity_on_open(trust == Trust::None);
        Ok(builder.create_with_backend(backend)?)
    })?;
    match guarded(|| prepare(&database, options)) {
        Ok(()) => Ok(database),
        Err(fault) => {
            close(database);
            Err(fault)
        }
    }
}

/// Closes a database. redb writes when it is closed, and in a damaged file that may panic.
pub(super) fn close(database: Database) {
    let closed = guarded(|| {
        drop(database);
        Ok(())
    });
    if let Err(fault) = closed {
        tracing::debug!(?fault, "the database was not closed well");
    }
}

/// Begins a transaction that is durable when it is committed, and cheap to recover from.
pub(super) fn begin(database: &Database) -> Result<WriteTransaction, Fault> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

/// Makes the tables and the digest key of a new database, checks the format of an old one.
fn prepare(database: &Database, options: &Options) -> Result<(), Fault> {
    let read = database.begin_read()?;
    let format = match read.open_table(META) {
        Ok(meta) => meta.get("format")?.map(|format| format.value().to_vec()),
        Err(redb::TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(error.into()),
    };
    match format.as_deref() {
        Some(FORMAT) => Ok(()),
        Some(other) => Err(Fault::Damaged(format!("its tables are of format {other:?}, not {FORMAT:?}"))),
        None => {
            let transaction = begin(database)?;
            {
                let mut meta = transaction.open_table(META)?;
                meta.insert("format", FORMAT)?;
                meta.insert("digest_key", &seal(options.digest_key_if_new.0.to_vec())[..])?;
                transaction.open_table(ZONE)?;
                transaction.open_table(BODY)?;
                transaction.open_table(DELTA)?;
            }
            Ok(transaction.commit()?)
        }
    }
}

/// The digest key of the database. A damaged one is replaced: digests made with the old one are
/// then not checked, and each zone's next change writes its body anew.
pub(super) fn digest_key(database: &Database, options: &Options) -> Result<DigestKey, Fault> {
    let stored = {
        let meta = database.begin_read()?.open_table(META)?;
        let stored = meta.get("digest_key")?;
        stored.and_then(|key| unseal(key.value()).ok().and_then(|key| <[u8; 16]>::try_from(key).ok()))
    };
    if let Some(key) = stored {
        return Ok(DigestKey(key));
    }
    let transaction = begin(database)?;
    transaction.open_table(META)?.insert("digest_key", &seal(options.digest_key_if_new.0.to_vec())[..])?;
    transaction.commit()?;
    Ok(options.digest_key_if_new)
}

/// Writes something that changes nothing, to see whether writing works.
pub(super) fn probe(database: &Database) -> Result<(), Fault> {
    guarded(|| {
        let transaction = begin(database)?;
        transaction.open_table(META)?.insert("format", FORMAT)?;
        Ok(transaction.commit()?)
    })
}

/// Gives an unreadable database another name and returns that.
pub(super) fn move_aside(disk: &dyn Disk, dir: &Path) -> Result<PathBuf, Fault> {
    let mut number = 1;
    loop {
        let aside = dir.join(format!("{FILE_NAME}.unreadable-{number}"));
        if !disk.exists(&aside)? {
            disk.rename(&dir.join(FILE_NAME), &aside)?;
            disk.sync_dir(dir)?;
            return Ok(aside);
        }
        number += 1;
    }
}

/// Carries redb's reads and writes to a file of ours. Two servers are kept apart by the lock file
/// of the state directory, so redb's own locks are not needed.
#[derive(Debug)]
struct Backend(Box<dyn File>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.0.read_at(offset, out)? {
            count if count == out.len() => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, octets)
    }
}
