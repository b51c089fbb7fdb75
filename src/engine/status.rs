//! What `status` says of a zone: a snapshot that the shard makes after each event.
//!
//! A server of very many zones makes it far more often than anybody asks, so it holds plain values and
//! shares the rest; names, moments and words are written out when it is shown.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::setup::{Role, ZoneSetup};
use crate::dns::Name;
use crate::reason::Reason;
use crate::time::Wall;

/// One zone as an operator sees it.
#[derive(Clone, Debug)]
pub struct ZoneStatus {
    /// How the zone is set up: its name, its role and its file.
    pub setup: Arc<ZoneSetup>,
    /// `loading`, `serving`, `expired` or `faulted`.
    pub state: &'static str,
    /// The serial that is served.
    pub serial: Option<u32>,
    /// Records of that version.
    pub records: Option<u64>,
    /// What is wrong, if anything.
    pub problem: Option<Arc<Problem>>,
    /// A version that waits for `zone confirm SERIAL`.
    pub held: Option<u32>,
    /// False while the version may be lost in a crash (R03).
    pub durable: bool,
    /// When the primaries are asked next, in whole seconds.
    pub next_check: Option<Wall>,
    /// When the zone stops being served unless a primary confirms it, in whole seconds.
    pub expires: Option<Wall>,
    /// The last transfer that ended, of a secondary.
    pub last_transfer: Option<Arc<LastTransfer>>,
    /// What each secondary was told and took.
    pub secondaries: Vec<SecondaryStatus>,
}

impl ZoneStatus {
    /// The apex, spelled as in the config.
    pub fn zone(&self) -> &Name {
        &self.setup.apex
    }
}

/// Two statuses of one setup are compared without looking at it.
impl PartialEq for ZoneStatus {
    fn eq(&self, other: &ZoneStatus) -> bool {
        let ZoneStatus { setup, state, serial, records, problem, held, durable, .. } = self;
        (Arc::ptr_eq(setup, &other.setup) || *setup == other.setup)
            && (*state, *serial, *records) == (other.state, other.serial, other.records)
            && (*held, *durable) == (other.held, other.durable)
            && (self.next_check, self.expires) == (other.next_check, other.expires)
            && *problem == other.problem
            && self.last_transfer == other.last_transfer
            && self.secondaries == other.secondaries
    }
}

/// Moments are RFC 3339 in UTC, the name has its final dot.
impl Serialize for ZoneStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written<'a> {
            zone: String,
            role: &'a str,
            state: &'a str,
            serial: Option<u32>,
            records: Option<u64>,
            file: Option<String>,
            problem: Option<&'a Problem>,
            held: Option<u32>,
            durable: bool,
            next_check: Option<String>,
            expires: Option<String>,
            last_transfer: Option<&'a LastTransfer>,
            secondaries: &'a [SecondaryStatus],
        }
        let (role, file) = match &self.setup.role {
            Role::Primary { file, .. } => ("primary", Some(file.display().to_string())),
            Role::Secondary { .. } => ("secondary", None),
        };
        let moment = |wall: Wall| wall.to_string();
        let written = Written {
            zone: self.zone().to_string(),
            role,
            state: self.state,
            serial: self.serial,
            records: self.records,
            file,
            problem: self.problem.as_deref(),
            held: self.held,
            durable: self.durable,
            next_check: self.next_check.map(moment),
            expires: self.expires.map(moment),
            last_transfer: self.last_transfer.as_deref(),
            secondaries: &self.secondaries,
        };
        written.serialize(serializer)
    }
}

/// A zone of which the store has something though the config does not name it (R09).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoredZone {
    /// The apex, with its final dot.
    pub zone: String,
    /// The serial that was served last, if it can be read.
    pub serial: Option<u32>,
}

/// What is wrong with a zone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    /// The stable code.
    pub code: &'static str,
    /// A sentence; of a zone file, the whole message with its caret.
    pub text: String,
    /// The primary that it came from, if it came from one: its handle; names are added where the status
    /// is shown.
    pub peer: Option<u32>,
}

impl Problem {
    /// A problem with its sentence.
    pub fn new(reason: Reason, text: impl Into<String>) -> Problem {
        Problem { code: reason.code(), text: text.into(), peer: None }
    }
}

/// How the last transfer went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LastTransfer {
    /// The peer's handle; names are added where the status is shown.
    pub peer: u32,
    /// When it ended.
    #[serde(serialize_with = "as_text")]
    pub at: Wall,
    /// `ixfr` or `axfr` with what it brought, or the failure's sentence.
    pub result: String,
}

/// One secondary of a zone, seen from its primary.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SecondaryStatus {
    /// The peer's handle.
    pub peer: u32,
    /// The newest serial that it acknowledged a NOTIFY of.
    pub acknowledged: Option<u32>,
    /// The serial that it showed to have, or that a finished transfer gave it.
    pub has: Option<u32>,
    /// Why the last NOTIFY failed.
    #[serde(serialize_with = "as_text_or_null")]
    pub failure: Option<Arc<str>>,
}

fn as_text<S: Serializer>(at: &Wall, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

fn as_text_or_null<S: Serializer>(text: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().serialize(serializer)
}
