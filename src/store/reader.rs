//! Reads history for transfers out, and zones that were not read at the start, from any thread, while
//! the store goes on writing.

use std::sync::{Arc, PoisonError, RwLock};

use redb::{Database, ReadableDatabase};

use super::database::{DELTA, Fault, ZONE, guarded};
use super::format::{Row, decode_delta};
use super::recover::recover_one;
use super::{Compactor, Options, RecoveredZone, StoreError};
use crate::dns::{Name, Serial};
use crate::zone::{Delta, Version};

/// The database as the store and its readers share it; `None` while it cannot be opened. Who
/// reopens it waits for the readers.
pub(super) type Shared = Arc<RwLock<Option<Database>>>;

/// A way to what is stored of all zones. Clones share it.
#[derive(Clone, Debug)]
pub struct StoreReader {
    database: Shared,
    compactor: Compactor,
    options: Arc<Options>,
}

impl StoreReader {
    pub(super) fn new(database: Shared, compactor: Compactor, options: Options) -> StoreReader {
        StoreReader { database, compactor, options: Arc::new(options) }
    }

    /// What is stored of one zone, as at an opening: for a zone that comes back into the config.
    pub fn zone(&self, apex: &Name) -> Result<Option<RecoveredZone>, StoreError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = &*database else { return Err(StoreError::Broken) };
        let apex = apex.as_ref().to_lowercase();
        Ok(guarded(|| recover_one(database, &self.compactor, &self.options, &apex))?)
    }

    /// The deltas from serial `from` to `version`, oldest first. `None` if they are not all there:
    /// never stored, cut, or damaged. The store may already be ahead of `version`.
    pub fn history(&self, version: &Version, from: Serial) -> Result<Option<Vec<Arc<Delta>>>, StoreError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = &*database else { return Err(StoreError::Broken) };
        Ok(guarded(|| chain(database, version, from))?)
    }
}

/// Walks back from the newest delta until it is at `version`, and from there to `from`.
fn chain(database: &Database, version: &Version, from: Serial) -> Result<Option<Vec<Arc<Delta>>>, Fault> {
    let transaction = database.begin_read()?;
    let apex = version.apex().to_lowercase();
    let apex = apex.as_ref().wire();
    let row = transaction.open_table(ZONE)?.get(apex)?.and_then(|row| Row::decode(row.value()).ok());
    let Some(data) = row.and_then(|row| row.data) else { return Ok(None) };
    let mut at = (version.serial(), version.digest());
    let mut chain = Vec::new();
    for entry in transaction.open_table(DELTA)?.range((apex, data.oldest)..(apex, data.next))?.rev() {
        let Ok(delta) = decode_delta(entry?.1.value()) else { return Ok(None) };
        if (delta.to, delta.digest_after) != at {
            if chain.is_empty() {
                continue;
            }
            return Ok(None);
        }
        at = (delta.from, delta.digest_before);
        let found = delta.from == from;
        chain.push(Arc::new(delta));
        if found {
            chain.reverse();
            return Ok(Some(chain));
        }
    }
    Ok(None)
}
