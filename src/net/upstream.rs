//! What we ask of other servers: SOA polls, NOTIFY, transfers in.
//!
//! One small runtime on a thread of its own carries requests out and reports each exactly once,
//! unless it was cancelled. What is asked and what an answer means is `transfer/`; when and whom to
//! ask is `replica/`. Here are sockets, repetition over UDP and patience only. A new socket, and so
//! a new port, belongs to every request over UDP (RFC 5452 §9.2); connections are kept for a short
//! while and used again (`kept.rs`), and where nobody listens not everybody asks (`refused.rs`).

mod kept;
mod refused;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::start_thread;
use crate::env::{Clock, OsRandom, Random};
use crate::ident::{Attempt, Transport, ZoneId};
use crate::limits::{
    POLL_ANSWER_WAIT, POLLS_MAX, REQUESTS_WAITING_MAX, TRANSFER_IDLE_MAX, TRANSFERS_IN_MAX, UDP_ANSWER_WAIT,
};
use crate::transfer::incoming::{Answer, Ask, AskKind, Exchange, Form, Progress, TransferError};
use kept::Kept;
use refused::Refused;

/// Who is told the end of a request.
pub type Report = dyn Fn(ZoneId, Attempt, Result<Answer, TransferError>) + Send + Sync;

/// A request over UDP is repeated after this long without an answer.
const UDP_AGAIN: Duration = Duration::from_secs(1);
/// Octets of a datagram that are read: more than is asked for, and than an answer with one record takes.
const DATAGRAM_OCTETS: usize = 4096;
/// The longest that connecting may take.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// How long a kept connection has until the first message of an answer: the other machine may be gone
/// without a word.
const KEPT_ANSWER_WAIT: Duration = Duration::from_secs(5);

/// A handle on the thread that asks; clones are the same.
#[derive(Clone)]
pub struct Upstream(Arc<Inner>);

struct Inner {
    orders: mpsc::Sender<Order>,
    report: Arc<Report>,
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Order {
    Ask(ZoneId, Attempt, SocketAddr, Box<Ask>),
    Cancel(ZoneId, Attempt),
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upstream")
    }
}

impl Upstream {
    /// Starts the thread. `report` is called from it and must not block.
    pub fn start(report: Arc<Report>, clock: Arc<dyn Clock>) -> io::Result<Upstream> {
        let (orders, inbox) = mpsc::channel(REQUESTS_WAITING_MAX);
        let (stop, stopped) = watch::channel(false);
        let told = report.clone();
        let thread = start_thread("upstream", move || run(inbox, stopped, told, clock))?;
        Ok(Upstream(Arc::new(Inner { orders, report, stop, thread: Mutex::new(Some(thread)) })))
    }

    /// Asks `to`; the end is reported.
    pub fn ask(&self, zone: ZoneId, attempt: Attempt, to: SocketAddr, ask: Ask) {
        if self.0.orders.try_send(Order::Ask(zone, attempt, to, Box::new(ask))).is_err() {
            let busy = "too many requests wait to be sent".to_owned();
            (self.0.report)(zone, attempt, Err(TransferError::Unreachable(busy)));
        }
    }

    /// The end of a request is not wanted any more; late ends are told apart by their attempt.
    pub fn cancel(&self, zone: ZoneId, attempt: Attempt) {
        // If there is no room the request simply runs to its end.
        let _ = self.0.orders.try_send(Order::Cancel(zone, attempt));
    }

    /// Drops every request and ends the thread.
    pub fn stop(&self) {
        self.0.stop.send_replace(true);
        let thread = self.0.thread.lock().expect("the thread is only taken once").take();
        // A thread that panicked has said so on its own.
        let _ = thread.map(JoinHandle::join);
    }
}

/// What all requests share.
struct Shared {
    kept: Kept,
    refused: Refused,
    clock: Arc<dyn Clock>,
}

impl Shared {
    /// A request failed with this; others need not hear it too if nobody listens there.
    fn failed(&self, to: SocketAddr, over: Transport, error: io::Error) -> TransferError {
        let nobody = error.kind() == io::ErrorKind::ConnectionRefused;
        let failure = unreachable(error);
        if nobody {
            self.refused.add(Instant::now(), to, over, failure.clone());
        }
        failure
    }
}

/// The requests under way.
struct Running {
    tasks: JoinSet<Result<Answer, TransferError>>,
    by_key: HashMap<(ZoneId, Attempt), AbortHandle>,
    by_task: HashMap<Id, (ZoneId, Attempt)>,
}

async fn run(
    mut inbox: mpsc::Receiver<Order>,
    mut stopped: watch::Receiver<bool>,
    report: Arc<Report>,
    clock: Arc<dyn Clock>,
) {
    let mut running = Running { tasks: JoinSet::new(), by_key: HashMap::new(), by_task: HashMap::new() };
    let (polls, transfers) =
        (Arc::new(Semaphore::new(POLLS_MAX)), Arc::new(Semaphore::new(TRANSFERS_IN_MAX)));
    let shared = Rc::new(Shared { kept: Kept::default(), refused: Refused::new(refused::MOMENT), clock });
    loop {
        let next_end = shared.kept.next_end();
        tokio::select! {
            order = inbox.recv() => match order {
                Some(Order::Ask(zone, attempt, to, ask)) => {
                    let room = match ask.kind {
                        AskKind::Soa | AskKind::Notify(_) => polls.clone(),
                        AskKind::Ixfr | AskKind::Axfr => transfers.clone(),
                    };
                    let shared = shared.clone();
                    let task = running.tasks.spawn_local(async move {
                        // Fails only if the semaphore is closed, which it never is.
                        let _permit = room.acquire_owned().await;
                        let (apex, kind) = (ask.apex.clone(), kind(&ask));
                        tracing::debug!(zone = %apex, kind, %to, "request begins");
                        let result = carry_out(to, *ask, &shared).await;
                        tracing::debug!(zone = %apex, kind, %to, result = outcome(&result), "request ended");
                        result
                    });
                    running.by_task.insert(task.id(), (zone, attempt));
                    running.by_key.insert((zone, attempt), task);
                }
                Some(Order::Cancel(zone, attempt)) => {
                    if let Some(task) = running.by_key.remove(&(zone, attempt)) {
                        running.by_task.remove(&task.id());
                        task.abort();
                    }
                }
                None => return,
            },
            Some(ended) = running.tasks.join_next_with_id() => {
                let (id, result) = match ended {
                    Ok(ended) => ended,
                    Err(error) => {
                        let fault = TransferError::Unreachable(format!("the request failed inside: {error}"));
                        (error.id(), Err(fault))
                    }
                };
                // A cancelled request is not known any more.
                if let Some((zone, attempt)) = running.by_task.remove(&id) {
                    running.by_key.remove(&(zone, attempt));
                    report(zone, attempt, result);
                }
            }
            () = sleep_until(next_end.unwrap_or_else(Instant::now)), if next_end.is_some() => shared.kept.close_old(Instant::now()),
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
    }
}

/// Asks, and asks again without EDNS if that may be what the server did not understand (RFC 6891 §7).
async fn carry_out(to: SocketAddr, ask: Ask, shared: &Shared) -> Result<Answer, TransferError> {
    let result = once(to, ask.clone(), shared).await;
    match result {
        Err(error) if ask.want_expire && error.may_be_edns() => {
            once(to, Ask { want_expire: false, ..ask }, shared).await
        }
        other => other,
    }
}

async fn once(to: SocketAddr, ask: Ask, shared: &Shared) -> Result<Answer, TransferError> {
    if ask.transport == Transport::Udp {
        match over_udp(to, ask.clone(), shared).await? {
            Answer::TryTcp { .. } => {}
            answer => return Ok(answer),
        }
    }
    over_tcp(to, Ask { transport: Transport::Tcp, ..ask }, shared).await
}

async fn over_udp(to: SocketAddr, ask: Ask, shared: &Shared) -> Result<Answer, TransferError> {
    if let Some(refusal) = shared.refused.at(Instant::now(), to, Transport::Udp) {
        return Err(refusal);
    }
    let failed = |error| shared.failed(to, Transport::Udp, error);
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await.map_err(unreachable)?;
    socket.connect(to).await.map_err(unreachable)?;
    let clock = &*shared.clock;
    let mut request = Vec::new();
    let mut exchange = Exchange::start(ask, message_id(), clock.now(), &mut request);
    let mut buffer = Vec::with_capacity(DATAGRAM_OCTETS);
    let deadline = Instant::now() + UDP_ANSWER_WAIT;
    while Instant::now() < deadline {
        socket.send(&request).await.map_err(failed)?;
        let again = deadline.min(Instant::now() + UDP_AGAIN);
        while let Ok(received) = timeout_at(again, socket.recv_buf(&mut buffer)).await {
            received.map_err(failed)?;
            if let Progress::Done(answer) = exchange.feed(&buffer, clock.now())? {
                return Ok(answer);
            }
            buffer.clear();
        }
    }
    Err(exchange.silent())
}

/// Over a connection that was kept, or a new one. A kept one that ends before anything came has only
/// been closed by the other side meanwhile: the request goes out again over a new one (RFC 7766 §6.2.4).
async fn over_tcp(to: SocketAddr, ask: Ask, shared: &Shared) -> Result<Answer, TransferError> {
    if let Some(stream) = shared.kept.take(to, Instant::now()) {
        match exchange(stream, ask.clone(), KEPT_ANSWER_WAIT, to, shared).await {
            Err(Ended::Unanswered(_)) => {}
            Err(Ended::Failed(error)) => return Err(error),
            Ok(answer) => return Ok(answer),
        }
    }
    if let Some(refusal) = shared.refused.at(Instant::now(), to, Transport::Tcp) {
        return Err(refusal);
    }
    let Ok(connected) = timeout(CONNECT_WAIT, TcpStream::connect(to)).await else {
        return Err(TransferError::Unreachable("no connection in time".to_owned()));
    };
    let stream = connected.map_err(|error| shared.failed(to, Transport::Tcp, error))?;
    stream.set_nodelay(true).map_err(unreachable)?;
    // Whoever has only a serial to tell needs no time for it, and others can be asked meanwhile (G10).
    let first_wait = match ask.kind {
        AskKind::Soa | AskKind::Notify(_) => POLL_ANSWER_WAIT,
        AskKind::Ixfr | AskKind::Axfr => TRANSFER_IDLE_MAX,
    };
    let result = exchange(stream, ask, first_wait, to, shared).await;
    result.map_err(|(Ended::Unanswered(error) | Ended::Failed(error))| error)
}

/// How a connection failed.
enum Ended {
    /// It ended before anything came.
    Unanswered(TransferError),
    /// Otherwise.
    Failed(TransferError),
}

/// One request over a connection, which is kept afterwards if the answer was complete. Its first
/// message is waited for as long as `first_wait`.
async fn exchange(
    mut stream: TcpStream,
    ask: Ask,
    first_wait: Duration,
    to: SocketAddr,
    shared: &Shared,
) -> Result<Answer, Ended> {
    let (kept, clock) = (&shared.kept, &*shared.clock);
    let time = ask.limits.time;
    let mut request = Vec::new();
    let mut exchange = Exchange::start(ask, message_id(), clock.now(), &mut request);
    // Prefix and request leave in one write (RFC 7766 §8).
    let prefix = (request.len() as u16).to_be_bytes();
    request.splice(0..0, prefix);
    stream.write_all(&request).await.map_err(|error| Ended::Unanswered(unreachable(error)))?;
    let (mut message, mut messages) = (Vec::new(), 0u64);
    let deadline = Instant::now() + time;
    loop {
        let wait = if messages == 0 { first_wait } else { TRANSFER_IDLE_MAX };
        let patience = deadline.min(Instant::now() + wait);
        let read = match timeout_at(patience, read_message(&mut stream, &mut message)).await {
            Err(_) if Instant::now() >= deadline => Err(TransferError::TooSlow),
            Err(_) => Err(exchange.silent()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Err(exchange.closed()),
            Ok(read) => read.map_err(unreachable),
        };
        read.map_err(if messages == 0 { Ended::Unanswered } else { Ended::Failed })?;
        messages += 1;
        match exchange.feed(&message, clock.now()) {
            Ok(Progress::More) => {}
            Ok(Progress::Done(answer)) => {
                kept.put(to, stream, Instant::now());
                return Ok(answer);
            }
            Err(error) => {
                if error.is_whole_answer() {
                    kept.put(to, stream, Instant::now());
                }
                return Err(Ended::Failed(error));
            }
        }
        // A long transfer must not keep the polls of other zones waiting.
        tokio::task::yield_now().await;
    }
}

async fn read_message(stream: &mut TcpStream, message: &mut Vec<u8>) -> io::Result<()> {
    let length = stream.read_u16().await?;
    message.resize(usize::from(length), 0);
    stream.read_exact(message).await.map(drop)
}

/// What is asked, in a word for the log.
fn kind(ask: &Ask) -> &'static str {
    match ask.kind {
        AskKind::Soa => "soa",
        AskKind::Notify(_) => "notify",
        AskKind::Ixfr => "ixfr",
        AskKind::Axfr => "axfr",
    }
}

/// How it went, in a word or a sentence for the log.
fn outcome(result: &Result<Answer, TransferError>) -> String {
    match result {
        Ok(Answer::Soa { serial, .. } | Answer::Current { serial, .. }) => format!("serial {serial}"),
        Ok(Answer::NotifyAck) => String::from("acknowledged"),
        Ok(Answer::TryTcp { .. }) => String::from("truncated"),
        Ok(Answer::Changed { form: Form::Axfr, .. }) => String::from("axfr"),
        Ok(Answer::Changed { form: Form::Ixfr, .. }) => String::from("ixfr"),
        Err(error) => error.to_string(),
    }
}

fn unreachable(error: io::Error) -> TransferError {
    TransferError::Unreachable(error.to_string())
}

/// An id that a stranger cannot guess.
fn message_id() -> u16 {
    OsRandom.next_u64() as u16
}

#[cfg(test)]
mod tests;
