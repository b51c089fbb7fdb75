//! What is said over the control socket.

use serde::{Deserialize, Serialize};

/// One request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// The status of all zones, or of one.
    Status {
        /// The zone; all if absent.
        zone: Option<String>,
    },
    /// Wait until a serial that is this or newer is published here.
    Wait {
        /// The zone.
        zone: String,
        /// The serial.
        serial: u32,
        /// Give up after this many milliseconds.
        timeout_ms: u64,
    },
    /// Do something with one zone.
    Zone {
        /// The zone.
        zone: String,
        /// What.
        action: ZoneAction,
    },
    /// Read the config and every changed file again.
    Reload {
        /// Even if many zones would go (R09).
        force: bool,
    },
}

/// What can be done with one zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZoneAction {
    /// Send the published version as a zone file.
    Dump,
    /// Read the file again, or ask the primaries.
    Reload {
        /// Take a file that a rollback holds back.
        force: bool,
    },
    /// Publish the version that the guard holds.
    Confirm {
        /// Its serial.
        serial: u32,
    },
    /// Publish the content of an earlier serial under a new one.
    Rollback {
        /// The earlier serial.
        serial: u32,
    },
    /// Transfer the whole zone, whatever the serials say.
    Retransfer,
    /// Stop serving the zone and delete its stored state; its file stays. Of a zone that is stored and
    /// not configured, delete the state.
    Remove,
}

/// One reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reply {
    /// It was done; the value depends on the request.
    Ok(serde_json::Value),
    /// It was not, and why.
    Error(String),
}
