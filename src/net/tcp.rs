//! Streams: a few single-threaded runtimes, each with its own listeners.
//!
//! Owner of every connection task; a stop closes the listeners, lets transfers go on for
//! [`TRANSFERS_END`] and drops what is left. Tasks are bounded by the seats.

use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connection::{Connection, Next, Shared};
use super::door::Door;
#[cfg(feature = "doh")]
use super::https;
use super::pins::Pins;
use super::planner::Planner;
use super::proxy;
use super::seats::{Seat, Seats};
#[cfg(feature = "doh")]
use super::single::Single;
use super::tls::Acceptor;
use super::{Desk, start_thread};
use crate::ident::Transport;
use crate::limits;
use crate::serve::{Counters, WorkerState};

/// How long transfers may go on after a stop.
pub const TRANSFERS_END: Duration = Duration::from_secs(5);

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

/// A socket that is listened on.
pub struct Listener {
    /// The socket.
    pub socket: TcpListener,
    /// What is spoken there, if it is not plain DNS.
    pub tls: Option<Acceptor>,
}

/// The running runtimes.
#[derive(Debug)]
pub struct Streams {
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    /// The connections that there may be, by whatever transport.
    #[cfg_attr(not(feature = "doq"), expect(dead_code))]
    pub(super) seats: Arc<Seats>,
    /// What each runtime counts.
    pub counters: Vec<Arc<Counters>>,
}

impl Streams {
    /// Starts a runtime for each element of `listeners`, which are its listeners.
    pub fn start(
        listeners: Vec<Vec<Listener>>,
        desk: &Arc<dyn Desk>,
        stream_limits: StreamLimits,
    ) -> io::Result<Streams> {
        let (stop, stopped) = watch::channel(false);
        let pins = Pins::new(stream_limits.pinned_octets);
        let (planner, planning) = Planner::start(desk.clone(), pins.clone())?;
        let seats = Seats::new(stream_limits.connections, stream_limits.per_client);
        let transfers = Arc::new(Semaphore::new(limits::TRANSFERS_OUT_MAX));
        let mut streams =
            Streams { stop, threads: vec![planning], seats: seats.clone(), counters: Vec::new() };
        for listeners in listeners {
            let state = WorkerState::new();
            streams.counters.push(state.counters.clone());
            let desk = desk.clone();
            let (planner, transfers, seats) = (planner.clone(), transfers.clone(), seats.clone());
            let pins = pins.clone();
            let stopped = stopped.clone();
            #[cfg(feature = "doh")]
            let site = {
                let single = Single::new(desk.clone(), Transport::Https, stream_limits.idle);
                streams.counters.push(single.counters.clone());
                https::router(single)
            };
            let body = move || {
                let shared =
                    Shared::new(desk, state, planner, transfers, pins, stream_limits.idle, stopped.clone());
                #[cfg(feature = "doh")]
                let shared = shared.with_site(site);
                run(listeners, Rc::new(shared), seats, stopped)
            };
            streams.threads.push(start_thread("tcp", body)?);
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
    listeners: Vec<Listener>,
    shared: Rc<Shared>,
    seats: Arc<Seats>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut accepting = JoinSet::new();
    let tasks = Tasks::default();
    for listener in listeners {
        let door = Door::new(listener.tls, shared.clone(), seats.clone(), tasks.clone());
        accepting.spawn_local(async move {
            if let Err(error) = door.run(listener.socket).await {
                tracing::error!(%error, "a TCP listener cannot be used");
            }
        });
    }
    // An error means that the sender is gone, which is a stop as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
    accepting.shutdown().await;
    let mut connections = tasks.0.take();
    let _ =
        tokio::time::timeout(TRANSFERS_END, async { while connections.join_next().await.is_some() {} }).await;
}

/// The tasks of one runtime's connections; clones are the same.
#[derive(Clone, Default)]
pub(super) struct Tasks(Rc<RefCell<JoinSet<()>>>);

impl Tasks {
    /// Adds one, and forgets those that have ended.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let mut tasks = self.0.borrow_mut();
        while tasks.try_join_next().is_some() {}
        tasks.spawn_local(task);
    }
}

/// Shakes hands, and serves what is spoken then.
async fn run_tls(
    tls: Acceptor,
    deadline: Instant,
    stream: TcpStream,
    peer: SocketAddr,
    seat: Seat,
    shared: Rc<Shared>,
) {
    let Some((stream, transport)) = shared.unless_stopped(deadline, tls.accept(stream)).await else {
        return tracing::debug!(%peer, "no TLS handshake");
    };
    #[cfg(feature = "doh")]
    if tls.is_http {
        return shared.serve_https(stream, peer, seat).await;
    }
    Connection::new(stream, transport, peer, seat, shared).run(Next::Nothing).await;
}

/// A connection that has said nothing yet.
pub(super) struct Arrival {
    pub stream: TcpStream,
    pub peer: SocketAddr,
    pub seat: Seat,
    pub is_proxy: bool,
    pub shared: Rc<Shared>,
}

impl Arrival {
    /// Learns from a proxy whose connection it is, shakes hands, and serves.
    pub async fn run(mut self, tls: Option<Acceptor>) {
        let deadline = Instant::now() + self.seat.idle(self.shared.idle());
        if self.is_proxy {
            let named = proxy::read_from(&mut self.stream);
            let named = Box::pin(self.shared.unless_stopped(deadline, named)).await;
            let Some(Some(named)) = named else {
                return tracing::debug!(peer = %self.peer, "a proxy said nothing of its client");
            };
            self.peer = named.or(self.peer);
            if !self.seat.give_to(self.peer.ip()) {
                return;
            }
        }
        let Arrival { stream, peer, seat, shared, .. } = self;
        let Some(tls) = tls else {
            return Connection::new(stream, Transport::Tcp, peer, seat, shared).run(Next::Nothing).await;
        };
        // Apart, so that plain connections do not carry its state with them.
        Box::pin(run_tls(tls, deadline, stream, peer, seat, shared)).await;
    }
}
