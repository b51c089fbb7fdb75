//! What clients meet: the sockets, and the threads behind them.
//!
//! Sockets are opened first, so that a port in use stops us before anything else happens, and answered
//! last, when there are zones.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use super::desk;
use super::reports::Reports;
use crate::config::{Config, Server};
use crate::engine::Engine;
use crate::ident::Transport;
use crate::net::Desk;
use crate::net::listen::{self, ListenError, Sockets};
use crate::net::quic::Quic;
use crate::net::sys::Wake;
use crate::net::tcp::{Listener, StreamLimits, Streams};
use crate::net::tls::{Acceptor, Identity};
use crate::net::udp::Worker;
use crate::serve::Counters;

/// Runtimes that carry connections.
const RUNTIMES_MAX: usize = 2;

/// The sockets, by what is spoken there.
pub(super) struct Doors {
    plain: Vec<Sockets>,
    tls: Vec<Sockets>,
    https: Vec<Sockets>,
    http3: Vec<UdpSocket>,
    quic: Vec<UdpSocket>,
    runtimes: usize,
}

impl Doors {
    /// Opens them all.
    pub(super) fn open(server: &Server, cores: usize) -> Result<Doors, ListenError> {
        let runtimes = cores.min(RUNTIMES_MAX);
        let open = |addresses: &[SocketAddr], workers| {
            let sockets = addresses.iter().map(|address| listen::open(*address, workers, runtimes));
            sockets.collect::<Result<Vec<_>, _>>()
        };
        let https = open(&server.listen_https, 0)?;
        // The port of HTTPS is that of HTTP/3 too, but over UDP.
        let http3 = https.iter().map(|sockets| sockets.address).filter(|_| cfg!(feature = "doq"));
        let http3 = http3.map(listen::open_quic).collect::<Result<_, _>>()?;
        let quic = server.listen_quic.iter().copied().map(listen::open_quic).collect::<Result<_, _>>()?;
        Ok(Doors {
            http3,
            quic,
            plain: open(&server.listen, server.workers)?,
            tls: open(&server.listen_tls, 0)?,
            https,
            runtimes,
        })
    }

    /// The addresses for UDP and TCP.
    pub(super) fn plain(&self) -> Vec<SocketAddr> {
        self.plain.iter().map(|sockets| sockets.address).collect()
    }

    /// Every address, with the ports that the system chose.
    pub(super) fn addresses(&self) -> Vec<(SocketAddr, Transport)> {
        let of = |sockets: &Vec<Sockets>, transport| {
            sockets.iter().map(|sockets| (sockets.address, transport)).collect::<Vec<_>>()
        };
        let quic = self.quic.iter().filter_map(|socket| socket.local_addr().ok());
        let quic = quic.map(|address| (address, Transport::Quic)).collect();
        let (plain, tls) = (of(&self.plain, Transport::Udp), of(&self.tls, Transport::Tls));
        [plain, tls, of(&self.https, Transport::Https), quic].concat()
    }
}

/// What answers queries.
pub(super) struct Front {
    pub(super) workers: Vec<Worker>,
    wake: Wake,
    streams: Streams,
    quic: Option<Quic>,
}

impl Front {
    /// Starts the threads. Without an identity nothing listens for TLS.
    pub(super) fn open(
        engine: &Engine,
        reports: Arc<Reports>,
        doors: Doors,
        identity: Option<Arc<Identity>>,
        limits: StreamLimits,
    ) -> io::Result<Front> {
        let desk: Arc<dyn Desk> = Arc::new(desk::Front::new(engine.clone(), reports));
        let wake = Wake::new()?;
        let mut workers = Vec::new();
        let mut listeners: Vec<Vec<_>> = (0..doors.runtimes).map(|_| Vec::new()).collect();
        let mut share = |sockets: Sockets, tls: Option<Acceptor>| {
            for (runtime, socket) in listeners.iter_mut().zip(sockets.tcp) {
                runtime.push(Listener { socket, tls: tls.clone() });
            }
            sockets.udp
        };
        for sockets in doors.plain {
            for socket in share(sockets, None) {
                workers.push(Worker::start(socket, desk.clone(), wake.clone())?);
            }
        }
        let inside_tls = [(doors.tls, Acceptor::dot as fn(_) -> _), (doors.https, Acceptor::doh)];
        for (all, acceptor) in inside_tls {
            for (sockets, identity) in all.into_iter().zip(identity.iter().cycle()) {
                share(sockets, Some(acceptor(identity.clone())));
            }
        }
        let streams = Streams::start(listeners, &desk, limits)?;
        let quic = match identity {
            Some(identity) if !doors.quic.is_empty() || !doors.http3.is_empty() => {
                Some(Quic::start(doors.quic, doors.http3, &identity, &desk, limits, &streams)?)
            }
            Some(_) | None => None,
        };
        Ok(Front { workers, wake, streams, quic })
    }
}

impl Front {
    /// The counters of everything that answers.
    pub(super) fn counters(&self) -> Vec<Arc<Counters>> {
        let workers = self.workers.iter().map(|worker| &worker.counters);
        let quic = self.quic.iter().flat_map(|quic| &quic.counters);
        workers.chain(&self.streams.counters).chain(quic).cloned().collect()
    }

    /// Stops listening and waits for what is under way.
    pub(super) fn stop(self) {
        self.wake.ring();
        for worker in self.workers {
            worker.join();
        }
        if let Some(quic) = self.quic {
            quic.stop();
        }
        self.streams.stop();
    }
}

/// How much streams may take.
pub(super) fn stream_limits(config: &Config) -> StreamLimits {
    StreamLimits {
        idle: config.server.tcp_idle,
        connections: config.server.tcp_connections,
        per_client: config.server.tcp_connections_per_client,
        pinned_octets: config.server.pinned_octets_max,
    }
}
