//! One connection: messages in, replies out, and transfers with back-pressure.
//!
//! Messages that arrive together are answered together, in order (RFC 7766 §6.2.1.1; a13). A reply
//! and its length prefix leave in one write (§8; a14). A transfer packs its next message only when
//! the last one is with the kernel, so a slow reader costs one message of memory; one that is
//! slower than [`PACE_OCTETS_PER_SECOND`] is cut off, and so is one for whom too much of a version
//! is kept that was replaced (R21).

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
use tokio::time::{Instant, interval_at, timeout, timeout_at};

use super::pins::{JUDGED_EVERY, Pin, Pins};
use super::planner::Planner;
use super::seats::Seat;
use super::{Desk, after_panic, report};
use crate::dns::edns::{Opt, OptOption};
use crate::dns::message::{Question, Writer};
use crate::dns::tsig::Signer;
use crate::dns::{Class, RecordType, ResponseCode};
use crate::ident::Transport;
use crate::limits::{MESSAGE_OCTETS_MAX, TRANSFER_TIME_MAX};
use crate::reason::Reason;
use crate::serve::{Outcome, WorkerState, serve};
use crate::trace::Silent;
use crate::transfer::outgoing::{Outgoing, Requested, TransferStart};

/// The slowest that a client may read a transfer, in octets a second (R21).
const PACE_OCTETS_PER_SECOND: u64 = 10_000;
/// Time that a transfer has on top of its pace.
const PACE_GRACE: Duration = Duration::from_secs(30);
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

    /// Answers one message: the reply, with its length prefix, is added to `output`.
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
        report(desk, state);
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

    /// Waits until a transfer has to stop. Meanwhile edits may make too many of all versions that are
    /// held replaced ones, though no transfer begins.
    async fn revoked(&self, pin: &Pin) {
        let mut looks = interval_at(Instant::now() + JUDGED_EVERY, JUDGED_EVERY);
        loop {
            tokio::select! {
                () = pin.revoked() => return,
                now = looks.tick() => if self.pins.is_due(now) {
                    self.planner.judge_pins();
                },
            }
        }
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
        let (input, output) = (Vec::new(), Vec::new());
        Connection { stream, transport, peer, seat, shared, room: FIRST_OCTETS, input, output }
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
                self.flush().await?;
                // Apart, so that those who only ask do not carry its state with them.
                Box::pin(self.transfer(*start)).await?;
            } else if self.output.len() >= GATHER_OCTETS {
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
        if self.output.is_empty() {
            return Ok(());
        }
        timeout(self.shared.idle, write(&mut self.stream, &self.output)).await??;
        self.output = Vec::new();
        Ok(())
    }

    async fn transfer(&mut self, start: TransferStart) -> io::Result<()> {
        let shared = self.shared.clone();
        let Ok(_permit) = shared.transfers.try_acquire() else {
            tracing::warn!(peer = %self.peer, zone = %start.asked, "refused: too many transfers at once");
            self.output.extend_from_slice(&busy(start, &*shared.desk));
            return self.flush().await;
        };
        let zone = start.asked.clone();
        tracing::debug!(%zone, peer = %self.peer, "transfer begins");
        let Some(mut outgoing) = shared.planner.plan(start).await else {
            return Err(io::ErrorKind::Interrupted.into());
        };
        let began = Instant::now();
        let pin = shared.pins.take(outgoing.version().clone());
        // It begins with what is served now: only edits make that a replaced version.
        if self.shared.pins.is_due(began) {
            shared.planner.judge_pins();
        }
        let sent = tokio::select! {
            biased;
            () = shared.revoked(&pin) => Err(io::Error::other("it keeps a replaced version in memory")),
            sent = self.send(&mut outgoing, began) => sent,
        };
        drop(pin);
        match sent {
            Ok(()) => {
                let (form, serial) = (outgoing.form(), outgoing.serial());
                let (octets, records) = (outgoing.octets(), outgoing.records());
                let took = began.elapsed();
                let over = self.transport;
                tracing::info!(%zone, peer = %self.peer, %over, %serial, ?form, octets, records, ?took, "transfer sent");
                if let Some(peer) = outgoing.peer() {
                    shared.desk.delivered(outgoing.zone(), peer, serial);
                }
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%zone, peer = %self.peer, octets = outgoing.octets(), %error, "transfer broke off");
                Err(error)
            }
        }
    }

    async fn send(&mut self, outgoing: &mut Outgoing, began: Instant) -> io::Result<()> {
        let spare = self.shared.spare.borrow_mut().pop();
        let mut buffer = spare.unwrap_or_else(|| vec![0; PREFIX + MESSAGE_OCTETS_MAX]);
        let sent = self.send_with(&mut buffer, outgoing, began).await;
        let mut spare = self.shared.spare.borrow_mut();
        if spare.len() < SPARE_MAX {
            spare.push(buffer);
        }
        sent
    }

    async fn send_with(
        &mut self,
        buffer: &mut [u8],
        outgoing: &mut Outgoing,
        began: Instant,
    ) -> io::Result<()> {
        loop {
            let packed = outgoing.next(self.shared.desk.now(), &mut buffer[PREFIX..]);
            let length = match packed {
                Ok(Some(length)) => length,
                Ok(None) => return Ok(()),
                Err(unsendable) => {
                    let owner = &unsendable.0.owner;
                    return Err(io::Error::other(format!("no message can hold a record of {owner}")));
                }
            };
            buffer[..PREFIX].copy_from_slice(&(length as u16).to_be_bytes());
            let pace = Duration::from_secs(outgoing.octets() / PACE_OCTETS_PER_SECOND);
            let deadline = began + (PACE_GRACE + pace).min(TRANSFER_TIME_MAX);
            timeout_at(deadline, write(&mut self.stream, &buffer[..PREFIX + length])).await??;
            // A fast reader must not keep the runtime to itself.
            tokio::task::yield_now().await;
        }
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

/// SERVFAIL for a transfer that finds no room, and why, with its length prefix.
fn busy(start: TransferStart, desk: &dyn Desk) -> Vec<u8> {
    let qtype = match start.requested {
        Requested::Axfr => RecordType::AXFR,
        Requested::Ixfr(_) => RecordType::IXFR,
    };
    let question = Question { name: start.asked.as_ref(), qtype, qclass: Class::IN };
    let mut buffer = vec![0; PREFIX + 1024];
    let mut writer = Writer::reply(&mut buffer[PREFIX..], 1024, &start.header, Some(question));
    writer.reserve(start.signer.as_ref().map_or(0, Signer::record_octets));
    writer.set_rcode(ResponseCode::ServFail);
    if let Some(edns) = &start.edns {
        let reason = Reason::TransferBusy;
        let mut options = edns.written_options();
        options.extend(reason.ede().map(|info_code| OptOption::Ede { info_code, text: reason.told() }));
        let opt = Opt { udp_size: edns.udp_size, do_bit: edns.do_bit, options: &options };
        // A question and a signature leave room for the bare record.
        let _ = writer.opt(&opt);
    }
    let mut length = writer.finish();
    if let Some(mut signer) = start.signer {
        let seconds = desk.now().wall.seconds();
        length = signer.sign(&mut buffer[PREFIX..], length, seconds).unwrap_or(length);
    }
    buffer.truncate(PREFIX + length);
    buffer[..PREFIX].copy_from_slice(&(length as u16).to_be_bytes());
    buffer
}
