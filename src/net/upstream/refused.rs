//! Addresses at which nobody listens: the kernel of the other machine said so a moment ago.
//!
//! A primary of very many zones has as many to tell to a secondary that is being restarted, and a
//! secondary as many to ask a primary. The first refusal of a moment answers for all of them: the
//! others fail with it and are tried again when their own time comes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::ident::Transport;
use crate::transfer::incoming::TransferError;

/// How long a refusal answers for others: less than a server takes to start.
pub(super) const MOMENT: Duration = Duration::from_millis(100);
/// Addresses that are remembered.
const KNOWN_MAX: usize = 1024;

/// The refusals of the last moment.
#[derive(Debug)]
pub(super) struct Refused {
    moment: Duration,
    known: RefCell<HashMap<(SocketAddr, Transport), (Instant, TransferError)>>,
}

impl Refused {
    /// Refusals that are remembered for a moment, which is this long.
    pub fn new(moment: Duration) -> Refused {
        Refused { moment, known: RefCell::default() }
    }

    /// What was said at `to` less than a moment ago.
    pub fn at(&self, now: Instant, to: SocketAddr, transport: Transport) -> Option<TransferError> {
        let known = self.known.borrow();
        let (since, error) = known.get(&(to, transport))?;
        (now < *since + self.moment).then(|| error.clone())
    }

    /// Somebody asked at `to`, and was told this.
    pub fn add(&self, now: Instant, to: SocketAddr, transport: Transport, error: TransferError) {
        let mut known = self.known.borrow_mut();
        if known.len() >= KNOWN_MAX {
            known.retain(|_, (since, _)| now < *since + self.moment);
        }
        if known.len() < KNOWN_MAX {
            known.insert((to, transport), (now, error));
        }
    }
}
