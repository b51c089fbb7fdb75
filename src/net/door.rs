//! Where connections come in, and where most of them also leave.
//!
//! Who asks over TCP because a datagram was too small asks once and goes (RFC 7766 §5). For that
//! neither a task nor a place in the reactor is worth while: what has arrived with the connection is
//! read and answered at once, and one look a moment later tells whether the client has left. Whoever has
//! not becomes a [`Connection`], as does everybody who says nothing yet, says more than one message, wants
//! a transfer or does not take the whole reply.
//!
//! A second message that comes within that moment waits for its end. So there is one only where
//! connections come quickly; otherwise the look follows at once.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

use super::connection::{Connection, Next, PREFIX, READ_OCTETS, Shared, message_end};
use super::proxy;
use super::seats::{Seat, Seats};
use super::tcp::{Arrival, Tasks};
use super::tls::Acceptor;
use crate::ident::Transport;

/// Connections that are taken in before others have their turn.
const ROUND: usize = 32;
/// Connections come quickly if there are new ones this soon.
const QUICKLY: Duration = Duration::from_micros(250);
/// How long those who were answered have to leave then.
const MOMENT: Duration = Duration::from_micros(500);
/// Wait after accept() failed: descriptors may have run out.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// A listener's door.
pub(super) struct Door {
    tls: Option<Acceptor>,
    shared: Rc<Shared>,
    seats: Arc<Seats>,
    tasks: Tasks,
    /// Who had said nothing when it came.
    quiet: Vec<Guest>,
    /// Who was answered and is not a task yet, and when.
    answered: VecDeque<(Instant, Guest)>,
    input: Box<[u8]>,
    output: Vec<u8>,
}

/// A connection that is no task yet.
struct Guest {
    stream: TcpStream,
    peer: SocketAddr,
    seat: Seat,
}

impl Door {
    /// The door of a listener; who stays becomes one of `tasks`.
    pub fn new(tls: Option<Acceptor>, shared: Rc<Shared>, seats: Arc<Seats>, tasks: Tasks) -> Door {
        let (input, output) = (vec![0; READ_OCTETS].into_boxed_slice(), Vec::new());
        Door { tls, shared, seats, tasks, quiet: Vec::new(), answered: VecDeque::new(), input, output }
    }

    /// Takes in whoever comes, until it is dropped. An error means that `listener` cannot be used.
    pub async fn run(mut self, listener: std::net::TcpListener) -> io::Result<()> {
        // Sound here: the listener keeps its descriptor for as long as it is watched.
        #[expect(deprecated)]
        let listener = AsyncFd::new(TcpListener::from_std(listener))?;
        let mut last = Instant::now();
        // Set only when it has passed: each time that it is takes a system call.
        let mut passes = pin!(sleep_until(last));
        loop {
            let mut ready = tokio::select! {
                biased;
                ready = listener.readable() => ready?,
                () = &mut passes, if !self.answered.is_empty() => {
                    let now = Instant::now();
                    self.look_after(now - MOMENT);
                    let first = self.answered.front().map_or(now, |(since, _)| *since);
                    passes.as_mut().reset(first + MOMENT);
                    continue;
                }
            };
            let now = Instant::now();
            let moment = if now < last + QUICKLY { MOMENT } else { Duration::ZERO };
            last = now;
            let taken = self.round(listener.get_ref(), now);
            let was_all = taken.is_err();
            self.look_after(now - moment);
            match taken {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
            if was_all && self.quiet.is_empty() {
                continue;
            }
            tokio::task::yield_now().await;
            let mut quiet = std::mem::take(&mut self.quiet);
            quiet.drain(..).for_each(|guest| self.greet(guest, now, true));
            self.quiet = quiet;
        }
    }

    /// Takes in as many as one round has; an error tells why there were fewer.
    fn round(&mut self, listener: &TcpListener, now: Instant) -> io::Result<()> {
        for _ in 0..ROUND {
            let (stream, peer) = listener.accept()?;
            let proxies = self.shared.proxies();
            let is_proxy = proxy::is_proxy(&proxies, peer);
            let take = |seats: &Arc<Seats>| match is_proxy {
                true => seats.take_for_proxy(),
                false => seats.take(peer.ip()),
            };
            let seat = take(&self.seats).or_else(|| {
                // Whoever has left at the door meanwhile makes room.
                self.look_after(now);
                take(&self.seats)
            });
            let Some(seat) = seat else { continue };
            let guest = Guest { stream, peer, seat };
            if is_proxy || self.tls.is_some() {
                self.introduce(guest, is_proxy);
            } else {
                self.greet(guest, now, false);
            }
        }
        Ok(())
    }

    /// Answers what came with a connection; `again` if there was nothing the first time.
    fn greet(&mut self, mut guest: Guest, now: Instant, again: bool) {
        let heard = guest.stream.read(&mut self.input);
        let message = match heard {
            Ok(octets) if octets > 0 && message_end(&self.input[..octets], 0) == Some(octets) => {
                &self.input[PREFIX..octets]
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && !again => return self.quiet.push(guest),
            heard => return self.take_on(guest, heard),
        };
        self.output.clear();
        let Guest { peer, ref seat, .. } = guest;
        let next = self.shared.answer(message, peer, Transport::Tcp, seat, &mut self.output);
        self.shared.report();
        if let Next::Transfer(_) = next {
            return self.stay(guest, Vec::new(), Vec::new(), next);
        }
        // Why it failed shows again when a task writes the rest.
        let written = if self.output.is_empty() { 0 } else { guest.stream.write(&self.output).unwrap_or(0) };
        if written == self.output.len() {
            self.answered.push_back((now, guest));
        } else {
            let rest = self.output[written..].to_vec();
            self.stay(guest, Vec::new(), rest, Next::Nothing);
        }
    }

    /// Looks whether those who were answered by `then` have left.
    fn look_after(&mut self, then: Instant) {
        while self.answered.front().is_some_and(|(since, _)| *since <= then)
            && let Some((_, mut guest)) = self.answered.pop_front()
        {
            let heard = guest.stream.read(&mut self.input);
            self.take_on(guest, heard);
        }
    }

    /// Makes a task of a connection that has not ended, as what was heard of it tells.
    fn take_on(&mut self, guest: Guest, heard: io::Result<usize>) {
        let input = match heard {
            Ok(0) => return,
            Ok(octets) => self.input[..octets].to_vec(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Vec::new(),
            Err(error) => return tracing::debug!(peer = %guest.peer, %error, "a connection ended"),
        };
        self.stay(guest, input, Vec::new(), Next::Nothing);
    }

    /// Makes a task of a connection of which this has been read, and answered but not written.
    fn stay(&mut self, guest: Guest, input: Vec<u8>, output: Vec<u8>, next: Next) {
        let Guest { stream, peer, seat } = guest;
        let Some(stream) = registered(stream) else { return };
        let connection = Connection::new(stream, Transport::Tcp, peer, seat, self.shared.clone());
        self.tasks.spawn(connection.with(input, output).run(next));
    }

    /// Makes a task of a connection that has to say who it is, or to shake hands.
    fn introduce(&mut self, guest: Guest, is_proxy: bool) {
        let Guest { stream, peer, seat } = guest;
        let Some(stream) = registered(stream) else { return };
        let arrival = Arrival { stream, peer, seat, is_proxy, shared: self.shared.clone() };
        self.tasks.spawn(arrival.run(self.tls.clone()));
    }
}

/// A stream that the reactor watches.
fn registered(stream: TcpStream) -> Option<tokio::net::TcpStream> {
    let registered = tokio::net::TcpStream::from_std(stream.into());
    registered.inspect_err(|error| tracing::warn!(%error, "a connection cannot be watched")).ok()
}

#[cfg(test)]
mod tests;
