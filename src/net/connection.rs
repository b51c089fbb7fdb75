//! One connection: messages in, replies out, and transfers with back-pressure.
//!
//! Messages that arrive together are answered together, in order (RFC 7766 §6.2.1.1; a13). A reply
//! and its length prefix leave in one write (§8; a14). A transfer packs its next message only when
//! the last one is with the kernel (`transfer.rs`).

mod transfer;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::pins::Pins;
use super::planner::Planner;
use super::seats::Seat;
use super::{Desk, after_panic, report};
use crate::ident::Transport;
use crate::limits::MESSAGE_OCTETS_MAX;
use crate::serve::{Outcome, WorkerState, serve};
use crate::trace::Silent;
use crate::transfer::outgoing::TransferStart;

/// How often an idle connection looks whether seats run short.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Replies that are gathered before they are written.
const GATHER_OCTETS: usize = 32 * 1024;
/// Room for one read: most connections say little, and whoever fills it gets more from then on.
const FIRST_OCTETS: usize = 512;
pub(super) const READ_OCTETS: usize = 4 * 1024;
/// Buffers of a message that are kept for the next transfers.
const SPARE_MAX: usize = 8;
/// The length prefix (RFC 1035 §4.2.2).
pub(super) const PREFIX: usize = 2;

/// What the connections of one runtime share.
pub(super) struct Shared {
    desk: Arc<dyn Desk>,
    desk_state: RefCell<(WorkerState, Vec<u8>)>,
    /// Buffers for messages of transfers that no transfer has at the moment.
    spare: RefCell<Vec<Vec<u8>>>,
    planner: Planner,
    transfers: Arc<Semaphore>,
    pins: Arc<Pins>,
    idle: Duration,
    stopped: watch::Receiver<bool>,
    #[cfg(feature = "doh")]
    site: Option<axum::Router>,
}

impl Shared {
    /// Made by the runtime's thread.
    pub fn new(
        desk: Arc<dyn Desk>,
        state: WorkerState,
        planner: Planner,
        transfers: Arc<Semaphore>,
        pins: Arc<Pins>,
        idle: Duration,
        stopped: watch::Receiver<bool>,
    ) -> Shared {
        let desk_state = RefCell::new((state, vec![0; MESSAGE_OCTETS_MAX]));
        Shared {
            desk,
            desk_state,
            spare: RefCell::default(),
            planner,
            transfers,
            pins,
            idle,
            stopped,
            #[cfg(feature = "doh")]
            site: None,
        }
    }

    /// What is said to those who speak HTTP.
    #[cfg(feature = "doh")]
    pub fn with_site(self, site: axum::Router) -> Shared {
        Shared { site: Some(site), ..self }
    }

    /// Serves a connection on which HTTP is spoken.
    #[cfg(feature = "doh")]
    pub async fn serve_https(&self, stream: super::tls::Stream, peer: SocketAddr, seat: Seat) {
        let mut stopped = self.stopped.clone();
        let stop = async move {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        let Some(site) = &self.site else { return };
        let site = super::https::router_for(site, peer);
        super::https::serve(stream, site, seat.idle(self.idle), stop).await;
    }

    /// Hands over what was noted of the messages that were answered.
    pub fn report(&self) {
        report(&*self.desk, &mut self.desk_state.borrow_mut().0);
    }

    /// Answers one message: the reply, with its length prefix, is added to `output`. What is noted of it
    /// waits for [`Shared::report`].
    pub fn answer(
        &self,
        octets: &[u8],
        peer: SocketAddr,
        transport: Transport,
        seat: &Seat,
        output: &mut Vec<u8>,
    ) -> Next {
        let (state, out) = &mut *self.desk_state.borrow_mut();
        state.stream_idle = seat.idle(self.idle);
        let desk = &*self.desk;
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            serve(octets.into(), peer, transport, desk.now(), &desk.world(), state, out, &mut Silent)
        }));
        let reply = match attempt {
            Ok(Outcome::Reply(length)) => Some(length),
            Ok(Outcome::Drop) => None,
            Ok(Outcome::Notify { reply, zone, from, serial, signed: _ }) => {
                desk.notified(zone, from, serial);
                Some(reply)
            }
            Ok(Outcome::Transfer(start)) => return Next::Transfer(start),
            Err(_) => after_panic(octets, out),
        };
        if let Some(reply) = reply.and_then(|length| out.get(..length)) {
            output.extend_from_slice(&(reply.len() as u16).to_be_bytes());
            output.extend_from_slice(reply);
        }
        Next::Nothing
    }
}

impl Shared {
    /// Who speaks for others.
    pub fn proxies(&self) -> Vec<IpNet> {
        self.desk.world().facts.proxies.clone()
    }

    /// How long a connection may be without a message.
    pub fn idle(&self) -> Duration {
        self.idle
    }

    /// What comes of the first steps of a connection, if they succeed before `deadline` and the stop.
    pub async fn unless_stopped<T>(
        &self,
        deadline: Instant,
        steps: impl Future<Output = io::Result<T>>,
    ) -> Option<T> {
        let mut stopped = self.stopped.clone();
        let done = tokio::select! {
            biased;
            done = timeout_at(deadline, steps) => done.ok()?,
            _ = stopped.wait_for(|stopped| *stopped) => return None,
        };
        done.inspect_err(|error| tracing::debug!(%error, "a connection begins badly")).ok()
    }
}

/// A connection with what has been read and not yet handled, and answered and not yet written.
pub(super) struct Connection<S> {
    stream: S,
    transport: Transport,
    peer: SocketAddr,
    seat: Seat,
    shared: Rc<Shared>,
    /// Room for the next read.
    room: usize,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Transfers that are in `output` from their first message to their last.
    whole: Vec<transfer::Sent>,
}

/// What one message leads to besides a reply.
pub(super) enum Next {
    /// Nothing.
    Nothing,
    /// A transfer.
    Transfer(Box<TransferStart>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A connection that nothing has been read from.
    pub fn new(
        stream: S,
        transport: Transport,
        peer: SocketAddr,
        seat: Seat,
        shared: Rc<Shared>,
    ) -> Connection<S> {
        let (input, output, whole) = (Vec::new(), Vec::new(), Vec::new());
        Connection { stream, transport, peer, seat, shared, room: FIRST_OCTETS, input, output, whole }
    }

    /// What has been read of it already, and answered but not yet written.
    pub fn with(self, input: Vec<u8>, output: Vec<u8>) -> Connection<S> {
        Connection { input, output, ..self }
    }

    async fn read_some(&mut self) -> io::Result<usize> {
        self.input.reserve(self.room);
        let count = self.stream.read_buf(&mut self.input).await?;
        if self.input.len() == self.input.capacity() {
            self.room = READ_OCTETS;
        }
        Ok(count)
    }

    /// Serves until the client leaves, idles, breaks the rules, or the server stops; `next` comes before
    /// all else.
    pub async fn run(mut self, next: Next) {
        let mut stopped = self.shared.stopped.clone();
        if let Err(error) = self.serve(next, &mut stopped).await {
            tracing::debug!(peer = %self.peer, %error, "a connection ended");
        }
    }

    async fn serve(&mut self, next: Next, stopped: &mut watch::Receiver<bool>) -> io::Result<()> {
        if let Next::Transfer(start) = next {
            Box::pin(self.transfer(*start)).await?;
            self.flush().await?;
        }
        // One deadline for each whole message: octets that dribble do not prolong it (a16).
        let mut since = Instant::now();
        loop {
            if self.answer_all().await? {
                since = Instant::now();
            }
            let deadline = (since + self.idle()).min(Instant::now() + LOOK_AGAIN);
            tokio::select! {
                biased;
                count = timeout_at(deadline, self.read_some()) => match count {
                    // The client has sent all it will; what it asked is answered already (a18).
                    Ok(Ok(0)) => return self.leave().await,
                    Ok(count) => count.map(drop)?,
                    Err(_) if since.elapsed() < self.idle() => {}
                    Err(_) => return self.leave().await,
                },
                _ = stopped.wait_for(|stopped| *stopped) => return self.leave().await,
            }
        }
    }

    /// Says that nothing more comes. Over plain TCP the kernel does when the socket is closed.
    async fn leave(&mut self) -> io::Result<()> {
        match self.transport {
            Transport::Tcp => Ok(()),
            _ => self.stream.shutdown().await,
        }
    }

    /// How long it may be without a message at present.
    fn idle(&self) -> Duration {
        self.seat.idle(self.shared.idle)
    }

    /// Answers every whole message that has been read; whether there was one.
    async fn answer_all(&mut self) -> io::Result<bool> {
        let mut at = 0;
        while let Some(end) = message_end(&self.input, at) {
            let message = self.input.get(at + PREFIX..end).unwrap_or_default();
            let (seat, output) = (&self.seat, &mut self.output);
            let next = self.shared.answer(message, self.peer, self.transport, seat, output);
            at = end;
            if let Next::Transfer(start) = next {
                // Apart, so that those who only ask do not carry its state with them.
                Box::pin(self.transfer(*start)).await?;
            }
            if self.output.len() >= GATHER_OCTETS {
                self.flush().await?;
            }
        }
        self.input.drain(..at);
        if self.input.is_empty() {
            // An idle connection holds no buffer.
            self.input = Vec::new();
        }
        self.flush().await?;
        Ok(at > 0)
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.shared.report();
        if self.output.is_empty() {
            return Ok(());
        }
        let written = timeout(self.shared.idle, write(&mut self.stream, &self.output)).await;
        let written = written.map_err(io::Error::from).flatten();
        self.output = Vec::new();
        self.tell_whole(&written);
        written
    }
}

/// Where the message ends whose length prefix stands at `at`, if all of it is there.
pub(super) fn message_end(input: &[u8], at: usize) -> Option<usize> {
    let prefix = input.get(at..at + PREFIX)?;
    let end = at + PREFIX + usize::from(u16::from_be_bytes([prefix[0], prefix[1]]));
    (end <= input.len()).then_some(end)
}

/// Hands octets to the kernel; TLS would keep some.
async fn write(stream: &mut (impl AsyncWrite + Unpin), octets: &[u8]) -> io::Result<()> {
    stream.write_all(octets).await?;
    stream.flush().await
}
