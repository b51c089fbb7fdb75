//! Messages that come one by one, each with a place for its reply: what HTTPS and QUIC have in common.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Desk, after_panic, report};
use crate::ident::Transport;
use crate::limits::MESSAGE_OCTETS_MAX;
use crate::serve::{Counters, Outcome, WorkerState, serve};
use crate::trace::Silent;

/// Answers messages of one transport.
pub(super) struct Single {
    desk: Arc<dyn Desk>,
    transport: Transport,
    /// How long a client may be silent.
    pub idle: Duration,
    /// What this worker counts.
    pub counters: Arc<Counters>,
    state: Mutex<(WorkerState, Vec<u8>)>,
}

impl Single {
    /// A worker of its own.
    pub fn new(desk: Arc<dyn Desk>, transport: Transport, idle: Duration) -> Arc<Single> {
        let state = WorkerState::new();
        let counters = state.counters.clone();
        let state = Mutex::new((state, vec![0; MESSAGE_OCTETS_MAX]));
        Arc::new(Single { desk, transport, idle, counters, state })
    }

    /// The reply to a message; `None` to what gets none (A02).
    pub fn answer(&self, octets: &[u8], peer: SocketAddr) -> Option<Vec<u8>> {
        // A panic below is caught, so the lock is never poisoned.
        let (state, out) = &mut *self.state.lock().ok()?;
        let desk = &*self.desk;
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            let world = desk.world();
            serve(octets.into(), peer, self.transport, desk.now(), &world, state, out, &mut Silent)
        }));
        report(desk, state);
        let length = match attempt {
            Ok(Outcome::Reply(length)) => length,
            Ok(Outcome::Notify { reply, zone, from, serial, signed: _ }) => {
                desk.notified(zone, from, serial);
                reply
            }
            // There is no transfer over these transports: `serve/` refuses them.
            Ok(Outcome::Drop | Outcome::Transfer(_)) => return None,
            Err(_) => after_panic(octets, out)?,
        };
        out.get(..length).map(<[u8]>::to_vec)
    }
}
