//! Streams: a few single-threaded runtimes, each with its own listeners.
//!
//! Owner of every connection task; a stop closes the listeners, lets transfers go on for
//! [`TRANSFERS_END`] and drops what is left. Tasks are bounded by the seats.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;

use super::Desk;
use super::connection::{Connection, Shared};
#[cfg(feature = "doh")]
use super::https;
use super::pins::Pins;
use super::planner::Planner;
use super::proxy;
use super::seats::{Seat, Seats};
#[cfg(feature = "doh")]
use super::single::Single;
use super::tls::Acceptor;
use crate::ident::Transport;
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
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
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
    listeners: Vec<Listener>,
    shared: Rc<Shared>,
    seats: Arc<Seats>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut accepting = JoinSet::new();
    let connections = Rc::new(std::cell::RefCell::new(JoinSet::new()));
    for listener in listeners {
        let (shared, seats, connections) = (shared.clone(), seats.clone(), connections.clone());
        accepting.spawn_local(async move {
            match tokio::net::TcpListener::from_std(listener.socket) {
                Ok(socket) => accept(socket, listener.tls, &shared, &seats, &connections).await,
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
    socket: tokio::net::TcpListener,
    tls: Option<Acceptor>,
    shared: &Rc<Shared>,
    seats: &Arc<Seats>,
    connections: &Rc<std::cell::RefCell<JoinSet<()>>>,
) {
    loop {
        let (stream, peer) = match socket.accept().await {
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
        let arrival = Arrival { stream, peer, seat, is_proxy, shared: shared.clone() };
        let tls = tls.clone();
        let mut connections = connections.borrow_mut();
        while connections.try_join_next().is_some() {}
        connections.spawn_local(arrival.run(tls));
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
    Connection::new(stream, transport, peer, seat, shared).run().await;
}

/// A connection that has said nothing yet.
struct Arrival {
    stream: TcpStream,
    peer: SocketAddr,
    seat: Seat,
    is_proxy: bool,
    shared: Rc<Shared>,
}

impl Arrival {
    /// Learns from a proxy whose connection it is, shakes hands, and serves.
    async fn run(mut self, tls: Option<Acceptor>) {
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
            return Connection::new(stream, Transport::Tcp, peer, seat, shared).run().await;
        };
        // Apart, so that plain connections do not carry its state with them.
        Box::pin(run_tls(tls, deadline, stream, peer, seat, shared)).await;
    }
}
