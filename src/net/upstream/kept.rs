//! Connections to other servers that have done their work and are kept for the next request.
//!
//! A request takes one that is idle, so several requests to one primary go over one connection in
//! turn (RFC 7766 §6.2.1, RFC 9103 §6.1; E12), and gives it back when its answer was complete. The
//! other side may close a kept connection at any time; that is no failure (see `line.rs`).

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::limits::{IDLE_CONNECTIONS_PER_PEER_MAX, KEPT_CONNECTIONS_PER_PEER_MAX};

/// How long an idle connection is kept: less than servers commonly wait before they close it
/// (RFC 7766 §6.2.3).
pub(super) const KEEP: Duration = Duration::from_secs(5);
/// How long those above `KEPT_CONNECTIONS_PER_PEER_MAX` are.
const KEEP_MORE: Duration = Duration::from_millis(100);

/// The idle connections by address, each with the moment when it is given up.
#[derive(Debug, Default)]
pub(super) struct Kept(RefCell<HashMap<SocketAddr, Vec<(TcpStream, Instant)>>>);

impl Kept {
    /// An idle connection to `to` that the other side has not closed yet, as far as is known here.
    pub fn take(&self, to: SocketAddr, now: Instant) -> Option<TcpStream> {
        self.close_old(now);
        let mut kept = self.0.borrow_mut();
        let idle = kept.get_mut(&to)?;
        // The one that was used last is the least likely to be closed soon.
        while let Some((stream, _)) = idle.pop() {
            if is_quiet(&stream) {
                return Some(stream);
            }
        }
        None
    }

    /// Keeps a connection over which nothing more is to come.
    pub fn put(&self, to: SocketAddr, stream: TcpStream, now: Instant) {
        self.close_old(now);
        let mut kept = self.0.borrow_mut();
        let idle = kept.entry(to).or_default();
        let keep = if idle.len() < KEPT_CONNECTIONS_PER_PEER_MAX { KEEP } else { KEEP_MORE };
        if idle.len() < IDLE_CONNECTIONS_PER_PEER_MAX {
            idle.push((stream, now + keep));
        }
    }

    /// Closes what has been idle for too long.
    pub fn close_old(&self, now: Instant) {
        self.0.borrow_mut().retain(|_, idle| {
            idle.retain(|(_, until)| now < *until);
            !idle.is_empty()
        });
    }

    /// When [`Kept::close_old`] has something to do next.
    pub fn next_end(&self) -> Option<Instant> {
        self.0.borrow().values().flatten().map(|(_, until)| *until).min()
    }
}

/// Whether there is nothing to read: neither the end of the connection nor octets that nobody asked
/// for, after which no answer could be trusted to be the next message.
fn is_quiet(stream: &TcpStream) -> bool {
    let read = stream.try_read(&mut [0]);
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}
