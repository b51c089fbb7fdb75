//! One connection with what was asked over it together.
//!
//! The server may answer in any order, even message by message (RFC 7766 §7): the id tells whose a message
//! is. Who waits behind an answer that takes long is asked for elsewhere, and so is
//! who waits on a connection that fails for another's sake: only the request that was being answered, or
//! was next to be, fails with it. A server that shows that it wants one request at a time gets that.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::lines::{Lines, Wanted};
use super::{kind, message_id, unreachable};
use crate::ident::Transport;
use crate::limits::{MESSAGE_OCTETS_MAX, POLL_ANSWER_WAIT, TRANSFER_IDLE_MAX};
use crate::transfer::incoming::{AskKind, Exchange, Progress, TransferError};

/// The longest that connecting may take.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// The longest that the requests may take to leave.
const SEND_WAIT: Duration = Duration::from_secs(5);
/// How long a kept connection has until the first message of an answer: the other machine may be gone
/// without a word.
const KEPT_ANSWER_WAIT: Duration = Duration::from_secs(5);
/// An answer that takes longer than this holds up nobody else.
const LONG: Duration = Duration::from_secs(1);
/// So often one is refused in a crowd before that is taken for the server's word.
const REFUSALS_MAX: u32 = 4;
/// The length prefix (RFC 1035 §4.2.2).
const PREFIX: usize = 2;

/// A request that was sent.
struct Flight {
    wanted: Wanted,
    id: u16,
    exchange: Exchange,
    messages: u64,
}

/// Asks for all of `batch` over one connection, which is kept afterwards if it is good for more.
pub(super) async fn run(lines: Rc<Lines>, to: SocketAddr, batch: VecDeque<Wanted>) {
    let (flights, is_several) = (VecDeque::new(), batch.len() > 1);
    let mut line = Line { lines, to, flights, is_several, given_back: Vec::new(), is_quick: true };
    let kept = line.lines.shared.kept.take(to, Instant::now());
    let mut batch = batch;
    if let Some(stream) = kept {
        match line.carry(stream, batch, Some(KEPT_ANSWER_WAIT)).await {
            // It has only been closed by the other side meanwhile (RFC 7766 §6.2.4).
            Err(unanswered) => batch = unanswered,
            Ok(()) => return,
        }
    }
    match line.connect().await {
        Ok(stream) => {
            // On a new connection nothing is left unanswered without a word.
            let _: Result<(), VecDeque<Wanted>> = line.carry(stream, batch, None).await;
        }
        Err(error) => {
            batch.iter().for_each(|wanted| line.lines.tell_of(wanted, to, Err(error.clone())));
            line.lines.no_connection(to, &error);
        }
    }
}

/// A connection's requests.
struct Line {
    lines: Rc<Lines>,
    to: SocketAddr,
    /// In the order in which they were sent.
    flights: VecDeque<Flight>,
    /// More than one went out together.
    is_several: bool,
    /// Ids of requests that are asked elsewhere meanwhile: their answers may come all the same.
    given_back: Vec<u16>,
    is_quick: bool,
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.is_quick {
            self.lines.one_less(self.to);
        }
        self.lines.room.notify_one();
    }
}

impl Line {
    async fn connect(&self) -> Result<TcpStream, TransferError> {
        if let Some(refusal) = self.lines.refusal(self.to) {
            return Err(refusal);
        }
        let Ok(connected) = timeout(CONNECT_WAIT, TcpStream::connect(self.to)).await else {
            return Err(TransferError::Unreachable("no connection in time".to_owned()));
        };
        let stream = connected.map_err(|error| self.lines.shared.failed(self.to, Transport::Tcp, error))?;
        stream.set_nodelay(true).map_err(unreachable)?;
        Ok(stream)
    }

    /// Sends all and takes the answers. `kept_wait` is the patience with a connection that was kept: if that
    /// ends before anything came, the requests come back.
    async fn carry(
        &mut self,
        stream: TcpStream,
        batch: VecDeque<Wanted>,
        kept_wait: Option<Duration>,
    ) -> Result<(), VecDeque<Wanted>> {
        // Those of another connection mean nothing here.
        self.given_back.clear();
        let mut input = Input { stream, octets: Vec::new(), at: 0 };
        let requests = self.embark(batch);
        let mut is_unanswered = true;
        let mut since = Instant::now();
        // What goes out together fits the kernel's room: a wait means that the other side takes nothing.
        let sent = timeout(SEND_WAIT, input.stream.write_all(&requests)).await;
        let mut sent = sent.map_err(io::Error::from).flatten();
        while let Some(first) = self.flights.front_mut() {
            let limit = since + first.wanted.ask.limits.time;
            let patience = match (kept_wait.filter(|_| is_unanswered), first.messages) {
                (Some(wait), _) => wait,
                (None, 0) => answer_wait(&first.wanted.ask.kind),
                (None, _) => TRANSFER_IDLE_MAX,
            };
            let patience = limit.min(Instant::now() + patience);
            let until = if self.is_holding_up() { patience.min(since + LONG) } else { patience };
            let read = match std::mem::replace(&mut sent, Ok(())) {
                Ok(()) => timeout_at(until, input.message()).await,
                Err(error) => Ok(Err(error)),
            };
            let message = match read {
                Ok(Ok(message)) => message,
                Err(_) if until < patience => {
                    self.give_back_the_rest();
                    continue;
                }
                failed => {
                    if kept_wait.is_some() && is_unanswered {
                        return Err(self.flights.drain(..).map(|flight| flight.wanted).collect());
                    }
                    self.fail(failed, limit, self.is_several && is_unanswered);
                    return Ok(());
                }
            };
            is_unanswered = false;
            match self.take(message) {
                Taken::More => {
                    // A long transfer must not keep the polls of other zones waiting.
                    tokio::task::yield_now().await;
                    if self.is_holding_up() && since.elapsed() >= LONG {
                        self.give_back_the_rest();
                    }
                }
                Taken::Whole => since = Instant::now(),
                Taken::Spoiled => return Ok(()),
            }
        }
        if self.given_back.is_empty() && input.is_used_up() {
            self.lines.shared.kept.put(self.to, input.stream, Instant::now());
        }
        Ok(())
    }

    /// Makes a request of each, with its length prefix; all leave in one write (RFC 7766 §8).
    fn embark(&mut self, batch: VecDeque<Wanted>) -> Vec<u8> {
        let (mut all, mut request) = (Vec::new(), Vec::new());
        for wanted in batch {
            let mut id = message_id();
            while self.flights.iter().any(|flight| flight.id == id) {
                id = message_id();
            }
            let now = self.lines.shared.clock.now();
            let exchange = Exchange::start(wanted.ask.clone(), id, now, &mut request);
            all.extend_from_slice(&(request.len() as u16).to_be_bytes());
            all.extend_from_slice(&request);
            tracing::debug!(zone = %wanted.ask.apex, kind = kind(&wanted.ask), to = %self.to, "request begins");
            self.flights.push_back(Flight { wanted, id, exchange, messages: 0 });
        }
        all
    }

    /// One message: whose it is, and what follows.
    fn take(&mut self, message: &[u8]) -> Taken {
        let id = message.first_chunk().map_or(0, |id| u16::from_be_bytes(*id));
        if self.given_back.contains(&id) {
            return Taken::More;
        }
        // A message of nobody is the fault of the one that should be next.
        let at = self.flights.iter().position(|flight| flight.id == id).unwrap_or(0);
        let Some(flight) = self.flights.get_mut(at) else { return Taken::Spoiled };
        if !self.lines.is_live(flight.wanted.key) {
            // Nobody wants it any more: closing the connection is how the server hears of it.
            self.flights.remove(at);
            self.go_elsewhere(false);
            return Taken::Spoiled;
        }
        flight.messages += 1;
        let result = match flight.exchange.feed(message, self.lines.shared.clock.now()) {
            Ok(Progress::More) => return Taken::More,
            Ok(Progress::Done(answer)) => Ok(answer),
            Err(error) => Err(error),
        };
        let Some(flight) = self.flights.remove(at) else { return Taken::Spoiled };
        let is_whole = result.as_ref().err().is_none_or(TransferError::is_whole_answer);
        match result {
            // It may be the EDNS record that the server did not understand (RFC 6891 §7).
            Err(error) if flight.wanted.ask.want_expire && error.may_be_edns() => {
                self.lines.again(self.to, [flight.wanted.without_edns()].into_iter());
            }
            // BIND for one takes so many transfers at once, and refuses the rest.
            Err(error)
                if error.may_be_busy() && flight.wanted.refusals < REFUSALS_MAX && self.is_one_of_many() =>
            {
                self.lines.later(self.to, flight.wanted);
            }
            result => {
                if result.is_ok() && flight.wanted.refusals > 0 {
                    self.lines.set_shy(self.to);
                }
                self.lines.tell_of(&flight.wanted, self.to, result);
            }
        }
        if !is_whole {
            self.go_elsewhere(false);
            return Taken::Spoiled;
        }
        if let Some(next) = self.flights.front_mut() {
            next.exchange.is_next(self.lines.shared.clock.now());
        }
        Taken::Whole
    }

    /// The connection failed. Who was being answered, or was next, fails with it, unless it may be that the
    /// server only takes one request at a time.
    fn fail(
        &mut self,
        failed: Result<io::Result<&[u8]>, tokio::time::error::Elapsed>,
        limit: Instant,
        is_mute: bool,
    ) {
        let is_next = self.flights.front().is_some_and(|flight| flight.messages == 0);
        let is_one_by_one = is_next && (is_mute || self.flights.len() > 1 || !self.given_back.is_empty());
        if !is_one_by_one && let Some(flight) = self.flights.pop_front() {
            let error = match failed {
                Err(_) if Instant::now() >= limit => TransferError::TooSlow,
                Err(_) => flight.exchange.silent(),
                Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => flight.exchange.closed(),
                Ok(Err(error)) => unreachable(error),
                Ok(Ok(_)) => TransferError::WrongId,
            };
            self.lines.tell_of(&flight.wanted, self.to, Err(error));
        }
        self.go_elsewhere(is_one_by_one);
    }

    /// What is not answered is asked over other connections, each alone if the server takes one at a time.
    fn go_elsewhere(&mut self, one_by_one: bool) {
        if one_by_one {
            self.lines.set_shy(self.to);
        }
        let rest = self.flights.drain(..).map(|flight| flight.wanted);
        let rest = rest.map(|wanted| if one_by_one { wanted.alone() } else { wanted });
        self.lines.again(self.to, rest.collect::<Vec<_>>().into_iter());
    }

    /// Whether others are being asked for of the same server.
    fn is_one_of_many(&self) -> bool {
        self.is_several || self.lines.is_crowded(self.to)
    }

    /// Whether somebody waits for a message of the first to end: on this line, or for its place.
    fn is_holding_up(&self) -> bool {
        self.is_quick || self.flights.iter().skip(1).any(|flight| flight.messages == 0)
    }

    /// Who waits behind a long answer is asked for elsewhere. The connection ends with what is left on it.
    fn give_back_the_rest(&mut self) {
        let (mut stays, mut goes) = (VecDeque::new(), Vec::new());
        for (at, flight) in self.flights.drain(..).enumerate() {
            if at == 0 || flight.messages > 0 {
                stays.push_back(flight);
            } else {
                self.given_back.push(flight.id);
                goes.push(flight.wanted);
            }
        }
        self.flights = stays;
        self.lines.again(self.to, goes.into_iter());
        if std::mem::take(&mut self.is_quick) {
            self.lines.one_less(self.to);
        }
    }
}

/// What a message led to.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    /// Its answer goes on.
    More,
    /// Its answer is complete.
    Whole,
    /// Nothing more can be taken from this connection.
    Spoiled,
}

/// Whoever has only a serial to tell needs no time for it, and others can be asked meanwhile (G10).
fn answer_wait(kind: &AskKind) -> Duration {
    match kind {
        AskKind::Soa | AskKind::Notify(_) => POLL_ANSWER_WAIT,
        AskKind::Ixfr | AskKind::Axfr => TRANSFER_IDLE_MAX,
    }
}

/// What arrives, cut into messages.
struct Input {
    stream: TcpStream,
    octets: Vec<u8>,
    /// So many were taken.
    at: usize,
}

impl Input {
    /// The next message. Nothing is lost if nobody waits for it to the end.
    async fn message(&mut self) -> io::Result<&[u8]> {
        loop {
            let rest = &self.octets[self.at..];
            let length = rest.first_chunk().map(|length| usize::from(u16::from_be_bytes(*length)));
            if let Some(length) = length.filter(|length| rest.len() >= PREFIX + length) {
                let begin = self.at + PREFIX;
                self.at = begin + length;
                return Ok(&self.octets[begin..self.at]);
            }
            self.octets.drain(..self.at);
            self.at = 0;
            self.octets.reserve(PREFIX + MESSAGE_OCTETS_MAX - self.octets.len());
            if self.stream.read_buf(&mut self.octets).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Whether nothing came that was not taken.
    fn is_used_up(&self) -> bool {
        self.at == self.octets.len()
    }
}
