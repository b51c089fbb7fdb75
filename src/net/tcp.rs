//! Streams: a few single-threaded runtimes, each with its own listeners.
//!
//! Owner of every connection task; a stop closes the listeners, lets transfers go on for
//! [`TRANSFERS_END`] and drops what is left. Tasks are bounded by the seats.

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, LocalSet};

use super::Desk;
use super::connection::{Connection, Shared};
use super::pins::Pins;
use super::planner::Planner;
use super::proxy;
use super::seats::Seats;
use crate::limits;
use crate::serve::{Counters, WorkerState};

/// How long transfers may go on after a stop.
pub const TRANSFERS_END: Duration = Duration::from_secs(5);
/// Wait after accept() failed: descriptors may have run out.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// How much streams may take.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// A connection without a whole message for this long is closed (a16).
    pub idle: Duration,
    /// Connections in all.
    pub connections: usize,
    /// Connections of one client.
    pub per_client: usize,
    /// Octets of replaced versions that transfers may keep in memory (R21).
    pub pinned_octets: u64,
}

/// The running runtimes.
#[derive(Debug)]
pub struct Streams {
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    /// What each runtime counts.
    pub counters: Vec<Arc<Counters>>,
}

impl Streams {
    /// Starts a runtime for each element of `listeners`, which are its listeners.
    pub fn start(
        listeners: Vec<Vec<TcpListener>>,
        desk: &Arc<dyn Desk>,
        stream_limits: StreamLimits,
    ) -> io::Result<Streams> {
        let (stop, stopped) = watch::channel(false);
        let pins = Pins::new(stream_limits.pinned_octets);
        let (planner, planning) = Planner::start(desk.clone(), pins.clone())?;
        let seats = Seats::new(stream_limits.connections, stream_limits.per_client);
        let transfers = Arc::new(Semaphore::new(limits::TRANSFERS_OUT_MAX));
        let mut streams = Streams { stop, threads: vec![planning], counters: Vec::new() };
        for listeners in listeners {
            let state = WorkerState::new();
            streams.counters.push(state.counters.clone());
            let desk = desk.clone();
            let (planner, transfers, seats) = (planner.clone(), transfers.clone(), seats.clone());
            let pins = pins.clone();
            let stopped = stopped.clone();
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            let body = move || {
                let shared =
                    Shared::new(desk, state, planner, transfers, pins, stream_limits.idle, stopped.clone());
                LocalSet::new().block_on(&runtime, run(listeners, Rc::new(shared), seats, stopped));
            };
            streams.threads.push(std::thread::Builder::new().name("tcp".into()).spawn(body)?);
        }
        Ok(streams)
    }

    /// Stops accepting, closes idle connections, and waits until transfers have ended or their time
    /// is over.
    pub fn stop(self) {
        self.stop.send_replace(true);
        for thread in self.threads {
            // A thread that panicked has said so on its own.
            let _ = thread.join();
        }
    }
}

async fn run(
    listeners: Vec<TcpListener>,
    shared: Rc<Shared>,
    seats: Arc<Seats>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut accepting = JoinSet::new();
    let connections = Rc::new(std::cell::RefCell::new(JoinSet::new()));
    for listener in listeners {
        let (shared, seats, connections) = (shared.clone(), seats.clone(), connections.clone());
        accepting.spawn_local(async move {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => accept(listener, &shared, &seats, &connections).await,
                Err(error) => tracing::error!(%error, "a TCP listener cannot be used"),
            }
        });
    }
    // An error means that the sender is gone, which is a stop as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
    accepting.shutdown().await;
    let mut connections = connections.take();
    let _ =
        tokio::time::timeout(TRANSFERS_END, async { while connections.join_next().await.is_some() {} }).await;
}

async fn accept(
    listener: tokio::net::TcpListener,
    shared: &Rc<Shared>,
    seats: &Arc<Seats>,
    connections: &Rc<std::cell::RefCell<JoinSet<()>>>,
) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        let is_proxy = proxy::is_proxy(&shared.proxies(), peer);
        let seat = if is_proxy { seats.take_for_proxy() } else { seats.take(peer.ip()) };
        let Some(seat) = seat else { continue };
        // Replies leave at once, however small (RFC 7766 §8).
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let connection = Connection::new(stream, peer, seat, shared.clone());
        let mut connections = connections.borrow_mut();
        while connections.try_join_next().is_some() {}
        connections.spawn_local(async move {
            if is_proxy {
                connection.run_behind_proxy().await;
            } else {
                connection.run().await;
            }
        });
    }
}
