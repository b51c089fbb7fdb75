//! What we ask of other servers: SOA polls, NOTIFY, transfers in.
//!
//! One small runtime on a thread of its own carries requests out and reports each exactly once,
//! unless it was cancelled. What is asked and what an answer means is `transfer/`; when and whom to
//! ask is `replica/`. Here are sockets, repetition over UDP and patience only. A new socket, and so
//! a new port, belongs to every request over UDP (RFC 5452 §9.2). Over TCP requests go out alone or
//! together (`lines.rs`, `line.rs`) on connections that are kept for a short while and used again
//! (`kept.rs`), and where nobody listens not everybody asks (`refused.rs`).

mod kept;
mod line;
mod lines;
mod refused;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::start_thread;
use crate::env::{Clock, OsRandom, Random};
use crate::ident::{Attempt, Transport, ZoneId};
use crate::limits::{POLLS_MAX, REQUESTS_WAITING_MAX, UDP_ANSWER_WAIT};
use crate::transfer::incoming::{Answer, Ask, AskKind, Exchange, Form, Progress, TransferError};
use kept::Kept;
use lines::{Key, Lines};
use refused::Refused;

/// Who is told the end of a request.
pub type Report = dyn Fn(ZoneId, Attempt, Result<Answer, TransferError>) + Send + Sync;

/// A request over UDP is repeated after this long without an answer.
const UDP_AGAIN: Duration = Duration::from_secs(1);
/// Octets of a datagram that are read: more than is asked for, and than an answer with one record takes.
const DATAGRAM_OCTETS: usize = 4096;
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
    Ask(Key, SocketAddr, Box<Ask>),
    Cancel(Key),
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
        if self.0.orders.try_send(Order::Ask((zone, attempt), to, Box::new(ask))).is_err() {
            let busy = "too many requests wait to be sent".to_owned();
            (self.0.report)(zone, attempt, Err(TransferError::Unreachable(busy)));
        }
    }

    /// The end of a request is not wanted any more; late ends are told apart by their attempt.
    pub fn cancel(&self, zone: ZoneId, attempt: Attempt) {
        // If there is no room the request simply runs to its end.
        let _ = self.0.orders.try_send(Order::Cancel((zone, attempt)));
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

/// The polls over UDP under way.
struct Polls {
    tasks: JoinSet<Polled>,
    by_key: HashMap<Key, AbortHandle>,
    by_task: HashMap<Id, Key>,
    room: Arc<Semaphore>,
}

/// How a poll over UDP ended: with what was asked of whom.
type Polled = (SocketAddr, Ask, Result<Answer, TransferError>);

impl Polls {
    fn ask(&mut self, key: Key, to: SocketAddr, ask: Ask, shared: Rc<Shared>) {
        let room = self.room.clone();
        let task = self.tasks.spawn_local(async move {
            // Fails only if the semaphore is closed, which it never is.
            let _permit = room.acquire_owned().await;
            let (apex, kind) = (&ask.apex, kind(&ask));
            tracing::debug!(zone = %apex, kind, %to, "request begins");
            let result = over_udp(to, &ask, &shared).await;
            tracing::debug!(zone = %apex, kind, %to, result = outcome(&result), "request ended");
            (to, ask, result)
        });
        self.by_task.insert(task.id(), key);
        self.by_key.insert(key, task);
    }

    fn cancel(&mut self, key: Key) {
        if let Some(task) = self.by_key.remove(&key) {
            self.by_task.remove(&task.id());
            task.abort();
        }
    }

    /// Which request has ended; `None` if it was cancelled and is not known any more.
    fn ended(&mut self, id: Id) -> Option<Key> {
        let key = self.by_task.remove(&id)?;
        self.by_key.remove(&key);
        Some(key)
    }
}

async fn run(
    mut inbox: mpsc::Receiver<Order>,
    mut stopped: watch::Receiver<bool>,
    report: Arc<Report>,
    clock: Arc<dyn Clock>,
) {
    let mut polls = Polls {
        tasks: JoinSet::new(),
        by_key: HashMap::new(),
        by_task: HashMap::new(),
        room: Arc::new(Semaphore::new(POLLS_MAX)),
    };
    let shared = Rc::new(Shared { kept: Kept::default(), refused: Refused::new(refused::MOMENT), clock });
    let lines = Lines::new(shared.clone(), report.clone());
    let mut running = JoinSet::new();
    loop {
        lines.begin(&mut running);
        let next_end = shared.kept.next_end();
        tokio::select! {
            order = inbox.recv() => match order {
                Some(Order::Ask(key, to, ask)) => match ask.transport {
                    Transport::Udp => polls.ask(key, to, *ask, shared.clone()),
                    _ => lines.ask(key, to, *ask),
                },
                Some(Order::Cancel(key)) => {
                    polls.cancel(key);
                    lines.cancel(key);
                }
                None => return,
            },
            Some(ended) = polls.tasks.join_next_with_id() => match ended {
                Ok((id, (to, ask, result))) => if let Some(key) = polls.ended(id) {
                    match result {
                        Ok(Answer::TryTcp { .. }) => lines.ask(key, to, ask),
                        result => report(key.0, key.1, result),
                    }
                },
                Err(error) => if let Some(key) = polls.ended(error.id()) {
                    report(key.0, key.1, Err(failed_inside(&error)));
                },
            },
            Some(ended) = running.join_next() => lines.ended(ended),
            () = lines.room.notified() => {}
            () = sleep_until(next_end.unwrap_or_else(Instant::now)), if next_end.is_some() => shared.kept.close_old(Instant::now()),
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
    }
}

/// A panic is the fault of the request that met it, and is not the peer's.
fn failed_inside(error: &JoinError) -> TransferError {
    TransferError::Unreachable(format!("the request failed inside: {error}"))
}

/// Asks, and asks again without EDNS if that may be what the server did not understand (RFC 6891 §7).
async fn over_udp(to: SocketAddr, ask: &Ask, shared: &Shared) -> Result<Answer, TransferError> {
    match once_over_udp(to, ask.clone(), shared).await {
        Err(error) if ask.want_expire && error.may_be_edns() => {
            once_over_udp(to, Ask { want_expire: false, ..ask.clone() }, shared).await
        }
        other => other,
    }
}

async fn once_over_udp(to: SocketAddr, ask: Ask, shared: &Shared) -> Result<Answer, TransferError> {
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
