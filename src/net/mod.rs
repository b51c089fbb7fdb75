//! Sockets, and nothing else: octets in, octets out.
//!
//! [`udp`] has one plain thread for each worker, with datagrams in batches; [`tcp`] has connections
//! on a few single-threaded runtimes, plain, inside [`tls`] and of HTTPS, which are bounded together; [`quic`] has a thread
//! for DNS over QUIC and for HTTP/3; [`upstream`] asks other servers. All but the last hand every message to
//! `serve()` and know nothing about zones. What a message leads to besides its reply goes to the [`Desk`], which the service
//! puts over the engine.
//!
//! Absent: what a message means (`serve/`), and what a transfer carries (`transfer/`).

mod connection;
mod door;
#[cfg(feature = "doq")]
mod http3;
#[cfg(feature = "doh")]
mod https;
pub mod listen;
mod load;
mod pins;
mod planner;
mod proxy;
#[cfg(feature = "doq")]
pub mod quic;
#[cfg(not(feature = "doq"))]
#[path = "no_quic.rs"]
pub mod quic;
mod seats;
#[cfg(feature = "doh")]
mod single;
#[cfg(target_os = "linux")]
pub mod sys;
#[cfg(not(target_os = "linux"))]
#[path = "portable.rs"]
pub mod sys;
pub mod tcp;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
pub mod tls;
pub mod udp;
pub mod upstream;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use arc_swap::Guard;
use tokio::runtime;

use crate::dns::message::{Header, Writer};
use crate::dns::{ResponseCode, Serial};
use crate::ident::{PeerId, ZoneId};
use crate::serve::{Observation, Refusal, Reported, WorkerState, World};
use crate::time::Now;
use crate::zone::{Delta, Version};

/// What the sockets look at and report to. No method but [`Desk::history`] may block.
pub trait Desk: Send + Sync {
    /// The present picture of everything; loaded once a batch and let go before waiting.
    fn world(&self) -> Guard<Arc<World>>;
    /// Both clocks.
    fn now(&self) -> Now;
    /// A NOTIFY that policy let pass, from a primary of the zone, perhaps with a serial as a hint.
    fn notified(&self, zone: ZoneId, from: PeerId, serial: Option<Serial>);
    /// Configured peers asked something about zones.
    fn observed(&self, seen: &[Observation]);
    /// Transfers to configured peers were sent to their ends.
    fn delivered(&self, sent: &[Delivery]);
    /// A resolver reported an error.
    fn reported(&self, reported: Reported);
    /// Something was refused that is worth a line in the log.
    fn refused(&self, refusal: Refusal);
    /// The stored steps from `from` to `version`, oldest first; empty if there are none. May read
    /// the disk.
    fn history(&self, version: &Version, from: Serial) -> Vec<Arc<Delta>>;
}

/// A transfer that was sent to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Of this zone.
    pub zone: ZoneId,
    /// To this peer.
    pub to: PeerId,
    /// It brought this version.
    pub serial: Serial,
}

/// Hands over what a worker has noted since the last time.
fn report(desk: &dyn Desk, worker: &mut WorkerState) {
    if !worker.observed.is_empty() {
        desk.observed(&worker.observed);
        worker.observed.clear();
    }
    for reported in worker.reported.drain(..) {
        desk.reported(reported);
    }
    for refusal in worker.refused.drain(..) {
        desk.refused(refusal);
    }
}

/// Starts a thread with a runtime of its own for what `work` makes there, whose tasks never leave it. An
/// error means that there is no thread.
fn start_thread<F: Future<Output = ()>>(
    name: &str,
    work: impl FnOnce() -> F + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let (tell, told) = std::sync::mpsc::channel();
    // A runtime of this kind cannot be sent to its thread.
    let body = move || {
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build_local(runtime::LocalOptions::default());
        match runtime {
            Ok(runtime) => {
                let _ = tell.send(Ok(()));
                runtime.block_on(work());
            }
            Err(error) => drop(tell.send(Err(error))),
        }
    };
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body)?;
    told.recv().unwrap_or_else(|gone| Err(io::Error::other(gone)))?;
    Ok(thread)
}

/// The reply to a message whose handling panicked: SERVFAIL with its id, nothing else. The message
/// goes to the log, at most [`PANIC_OCTETS_MAX`] octets of it (R30).
fn after_panic(octets: &[u8], out: &mut [u8]) -> Option<usize> {
    let shown = octets.get(..PANIC_OCTETS_MAX).unwrap_or(octets);
    let message = data_encoding::HEXLOWER.encode(shown);
    tracing::error!(message, octets = octets.len(), "a message made a worker panic; it goes on");
    let header = Header::read(octets).filter(|header| !header.is_response())?;
    let limit = out.len().min(usize::from(crate::limits::UDP_PAYLOAD_MIN));
    let mut writer = Writer::reply(out, limit, &header, None);
    writer.set_rcode(ResponseCode::ServFail);
    Some(writer.finish())
}

/// Octets of a message that the log shows after a panic.
const PANIC_OCTETS_MAX: usize = 512;

// `udp.rs` is taken in a second time there, on purpose.
#[cfg(test)]
#[allow(clippy::duplicate_mod)]
mod fallback;
#[cfg(test)]
pub(crate) mod tests;
