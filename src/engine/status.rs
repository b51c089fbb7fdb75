//! What `status` says of a zone: a snapshot that the shard makes after each event.

use serde::Serialize;

use crate::reason::Reason;

/// One zone as an operator sees it. Moments are RFC 3339 in UTC.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ZoneStatus {
    /// The apex, with its final dot.
    pub zone: String,
    /// `primary` or `secondary`.
    pub role: &'static str,
    /// `loading`, `serving`, `expired` or `faulted`.
    pub state: &'static str,
    /// The serial that is served.
    pub serial: Option<u32>,
    /// Records of that version.
    pub records: Option<u64>,
    /// The file, of a primary.
    pub file: Option<String>,
    /// What is wrong, if anything.
    pub problem: Option<Box<Problem>>,
    /// A version that waits for `zone confirm SERIAL`.
    pub held: Option<u32>,
    /// False while the version may be lost in a crash (R03).
    pub durable: bool,
    /// When the primaries are asked next.
    pub next_check: Option<String>,
    /// When the zone stops being served unless a primary confirms it.
    pub expires: Option<String>,
    /// The last transfer that ended, of a secondary.
    pub last_transfer: Option<Box<LastTransfer>>,
    /// What each secondary was told and took.
    pub secondaries: Vec<SecondaryStatus>,
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
    pub at: String,
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
    pub failure: Option<String>,
}
