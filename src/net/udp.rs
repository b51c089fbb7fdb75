//! Datagrams: a plain thread for each worker, each with its own sockets' share of the traffic.
//!
//! A turn takes in what waits, at most a batch, loads the world once, answers, sends, and lets the
//! world go before it waits again. Nothing in a turn waits, locks, allocates or logs for an ordinary
//! query. A message whose handling panics costs its sender a SERVFAIL and nobody else anything (R30).

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::load::Load;
use super::sys::{BATCH, Batch, Datagram, Wake};
use super::{Desk, after_panic, proxy, report};
use crate::dns::NameRef;
use crate::dns::message::{HEADER_OCTETS, Header};
use crate::ident::Transport;
use crate::serve::{Ahead, Counters, Outcome, WorkerState, World, look_ahead, serve};
use crate::time::Now;
use crate::trace::Silent;
use crate::zone::Pass;

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    thread: JoinHandle<()>,
    /// What it counts.
    pub counters: Arc<Counters>,
    /// What it reads from; others may only ask about it.
    pub socket: Arc<UdpSocket>,
}

impl Worker {
    /// Starts a worker on `socket`; it ends when `wake` rings.
    pub fn start(socket: UdpSocket, desk: Arc<dyn Desk>, wake: Wake) -> io::Result<Worker> {
        let state = WorkerState::new();
        let (counters, socket) = (state.counters.clone(), Arc::new(socket));
        let read = socket.clone();
        let thread = std::thread::Builder::new().name("udp".into()).spawn(move || {
            let (arrivals, departures) = (Batch::new(), Batch::new());
            Turns { socket: read, desk, state, load: Load::default(), arrivals, departures }.run(&wake)
        })?;
        Ok(Worker { thread, counters, socket })
    }

    /// Waits for its end.
    pub fn join(self) {
        // A worker that panicked outside of a message has said so on its own.
        let _ = self.thread.join();
    }
}

struct Turns {
    socket: Arc<UdpSocket>,
    desk: Arc<dyn Desk>,
    state: WorkerState,
    load: Load,
    arrivals: Batch,
    departures: Batch,
}

impl Turns {
    fn run(mut self, wake: &Wake) {
        loop {
            match self.arrivals.receive(&self.socket) {
                Ok(_) => self.turn(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // ICMP errors of earlier replies come in here; they mean nothing to a server.
                Err(error) => tracing::debug!(%error, "receiving"),
            }
            // Also after a full batch, so that a flood cannot keep a stopping worker.
            match wake.wait(&self.socket) {
                Ok(false) => {}
                Ok(true) => return,
                Err(error) => {
                    tracing::error!(%error, "a UDP worker cannot wait for its socket and ends");
                    return;
                }
            }
        }
    }

    fn turn(&mut self) {
        let now = self.desk.now();
        let world = self.desk.world();
        self.departures.clear();
        // Where datagrams come one by one nobody knows whether more wait.
        let is_full = BATCH > 1 && self.arrivals.len() == BATCH;
        self.state.is_overloaded = self.load.saw(is_full, now.tick);
        let (messages, ahead) = look_ahead_of(&self.arrivals, &world, now);
        for (index, ahead) in ahead.into_iter().enumerate().take(self.arrivals.len()) {
            let Some(datagram) = self.arrivals.datagram(index) else { continue };
            let Some((octets, client)) = messages[index] else { continue };
            let Some(room) = self.departures.room() else { break };
            let asked = Asked { octets, client, ahead, now, world: &world, desk: &*self.desk };
            if let Some(length) = asked.answer(&mut self.state, room) {
                self.departures.push(length, datagram.peer, datagram.local);
            }
        }
        drop(world);
        self.send();
        report(&*self.desk, &mut self.state);
    }

    fn send(&mut self) {
        let mut first = 0;
        while first < self.departures.len() {
            match self.departures.send(&self.socket, first) {
                Ok(sent) => first += sent.max(1),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // R30: a reply that is too long for the interface goes again, truncated.
                    let too_long = error.raw_os_error() == Some(libc::EMSGSIZE);
                    if !(too_long && self.shorten(first)) {
                        tracing::debug!(%error, "a reply could not be sent");
                        first += 1;
                    }
                }
            }
        }
    }

    /// False if there is nothing to leave out of the reply.
    fn shorten(&mut self, index: usize) -> bool {
        let Some((octets, length)) = self.departures.reply_mut(index) else { return false };
        let short = octets.get_mut(..*length).and_then(shorten);
        short.map(|short| *length = short).is_some()
    }
}

/// A message and the client that sent it, perhaps through a proxy.
type Message<'a> = (&'a [u8], SocketAddr);

/// Takes messages out of their datagrams, and lets the memory reads of the whole batch overlap.
fn look_ahead_of<'a>(
    arrivals: &'a Batch,
    world: &'a World,
    now: Now,
) -> ([Option<Message<'a>>; BATCH], [Ahead<'a, 'a>; BATCH]) {
    let mut messages = [None; BATCH];
    let mut ahead = [Ahead::from(&[][..]); BATCH];
    for (index, (message, ahead)) in messages.iter_mut().zip(&mut ahead).enumerate().take(arrivals.len()) {
        if let Some(Datagram { octets, peer, .. }) = arrivals.datagram(index) {
            let (octets, client) = proxy::unwrap(&world.facts.proxies, octets, peer);
            *message = Some((octets, client));
            *ahead = look_ahead(octets, world, now.tick);
        }
    }
    for pass in Pass::ALL {
        ahead.iter_mut().take(arrivals.len()).for_each(|lookup| lookup.touch(pass));
    }
    (messages, ahead)
}

/// Leaves header and question of a reply, with TC, and says how long that is; `None` if there is
/// nothing else in it.
pub(super) fn shorten(reply: &mut [u8]) -> Option<usize> {
    let header = Header::read(reply)?;
    let question = match header.counts[0] {
        0 => HEADER_OCTETS,
        _ => {
            let (name, _) = NameRef::split_from(reply.get(HEADER_OCTETS..)?).ok()?;
            HEADER_OCTETS + name.wire_len() + TYPE_AND_CLASS_OCTETS
        }
    };
    if question >= reply.len() {
        return None;
    }
    *reply.get_mut(2)? |= TC;
    // The counts of answer, authority and additional.
    reply.get_mut(6..HEADER_OCTETS)?.fill(0);
    Some(question)
}

/// The TC bit in the third octet of the header (RFC 1035 §4.1.1).
const TC: u8 = 0x02;
/// QTYPE and QCLASS.
const TYPE_AND_CLASS_OCTETS: usize = 4;

/// One message and what it is answered from.
struct Asked<'a> {
    octets: &'a [u8],
    client: SocketAddr,
    ahead: Ahead<'a, 'a>,
    now: Now,
    world: &'a World,
    desk: &'a dyn Desk,
}

impl Asked<'_> {
    fn answer(&self, state: &mut WorkerState, room: &mut [u8]) -> Option<usize> {
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            serve(self.ahead, self.client, Transport::Udp, self.now, self.world, state, room, &mut Silent)
        }));
        match attempt {
            Ok(Outcome::Reply(length)) => Some(length),
            Ok(Outcome::Notify { reply, zone, from, serial, signed: _ }) => {
                self.desk.notified(zone, from, serial);
                Some(reply)
            }
            // Transfers start on streams only: serve() answers or refuses them over UDP itself.
            Ok(Outcome::Drop | Outcome::Transfer(_)) => None,
            Err(_) => after_panic(self.octets, room),
        }
    }
}
