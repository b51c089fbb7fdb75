//! The operator's way in: a unix socket that takes one JSON request a line.
//!
//! A request gets one JSON line back: `{"ok": …}` or `{"error": "…"}`; a dump is followed by the
//! zone's text up to the end of the stream. The socket belongs to the user of the server alone
//! (mode 0600). Absent: sockets of the DNS, and anything that the engine does not know.

mod client;
mod protocol;
mod server;

pub use client::{Client, ClientError};
pub use protocol::{Request, ZoneAction};
pub use server::{Control, Operations};
