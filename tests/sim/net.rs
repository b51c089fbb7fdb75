//! The network between simulated servers: octets that are late, lost, doubled or cut off.
//!
//! Datagrams come in any order or not at all. A connection keeps the order of its messages, breaks
//! in the middle, or falls silent when its link is cut.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bellwether::dns::tsig::Signer;
use bellwether::engine::shard::{Event, Job};
use bellwether::env::Random;
use bellwether::ident::{Attempt, Transport, ZoneId};
use bellwether::limits::{MESSAGE_OCTETS_MAX, POLL_ANSWER_WAIT, TRANSFER_IDLE_MAX, UDP_ANSWER_WAIT};
use bellwether::serve::{Outcome, serve};
use bellwether::trace::Silent;
use bellwether::transfer::condense;
use bellwether::transfer::incoming::{Answer, AskKind, Exchange, Progress, TransferError};
use bellwether::transfer::outgoing::{Outgoing, TransferStart, plan};

use crate::flock::{RELAY, ZONES, address, server};
use crate::hostile::{Asked, Eavesdropper, Harm, forge};
use crate::queue::Moment;
use crate::simulation::{AFTER_SLEEP, Simulation, What};

/// One request that is under way.
pub struct Asking {
    client: usize,
    start: u64,
    server: usize,
    zone: ZoneId,
    attempt: Attempt,
    exchange: Exchange,
    /// How long it may be silent, as `net/upstream.rs` has it.
    patience: Duration,
    transport: Transport,
    heard: Moment,
    asked: Asked,
    /// A message came that makes the whole answer one that must be refused.
    forged: Option<&'static str>,
}

/// One transfer that a server sends.
pub struct Sending {
    server: usize,
    start: u64,
    outgoing: Outgoing,
    /// Whether it is spoiled by the one who sends it, and then signed by this.
    spoils: bool,
    signer: Option<Signer>,
}

/// What travels, and how well.
#[derive(Default)]
pub struct Net {
    /// Links that are cut, as pairs in order.
    pub cuts: BTreeSet<(usize, usize)>,
    /// Of a hundred datagrams, so many are lost; half as many come twice.
    pub loss_percent: u64,
    /// The longest way of a message, in milliseconds.
    pub delay_max: u64,
    /// Of a hundred replies, so many are tampered with on the way.
    pub tampered: u64,
    /// Of a hundred messages of transfers, the relay spoils so many.
    pub spoiled: u64,
    eavesdropper: Eavesdropper,
    asking: BTreeMap<u64, Asking>,
    sending: BTreeMap<u64, Sending>,
    next: u64,
}

impl Net {
    /// A quick network that loses nothing.
    pub fn new() -> Net {
        Net { delay_max: 20, ..Net::default() }
    }

    fn is_cut(&self, one: usize, other: usize) -> bool {
        self.cuts.contains(&(one.min(other), one.max(other)))
    }
}

impl Simulation {
    /// A shard wants to ask a peer.
    pub fn ask(&mut self, client: usize, job: Job) {
        let now = self.nodes[client].now(self.queue.now());
        let Some(running) = &self.nodes[client].running else { return };
        let to = server(job.peer);
        let mut ask = job.ask;
        let transport = ask.transport;
        let key = running.world.peers.get(job.peer).and_then(|facts| facts.key.as_ref());
        ask.key = key.and_then(|key| running.world.keys.find(key.as_ref())).cloned();
        let mut octets = Vec::new();
        let asked = Asked::new(&ask);
        let patience = match (transport.is_stream(), &ask.kind) {
            (false, _) => UDP_ANSWER_WAIT,
            (true, AskKind::Soa | AskKind::Notify(_)) => POLL_ANSWER_WAIT,
            (true, AskKind::Ixfr | AskKind::Axfr) => TRANSFER_IDLE_MAX,
        };
        let exchange = Exchange::start(ask, self.random.next_u64() as u16, now, &mut octets);
        self.net.next += 1;
        let number = self.net.next;
        let start = self.nodes[client].starts;
        let (zone, attempt, heard) = (job.zone, job.attempt, self.queue.now());
        let asking = Asking {
            client,
            start,
            server: to,
            zone,
            attempt,
            exchange,
            patience,
            transport,
            heard,
            asked,
            forged: None,
        };
        self.net.asking.insert(number, asking);
        self.queue.push(patience, What::Silence(number));
        self.carry(number, client, to, What::Request(number, octets.into()));
    }

    /// The shard does not want the answer any more.
    pub fn cancel(&mut self, client: usize, zone: ZoneId, attempt: Attempt) {
        self.net
            .asking
            .retain(|_, asking| (asking.client, asking.zone, asking.attempt) != (client, zone, attempt));
    }

    /// A message sets out. What comes after it on the same connection must wait as long.
    fn carry(&mut self, number: u64, from: usize, to: usize, arrives: What) -> Duration {
        let delay = Duration::from_millis(1 + self.random.below(self.net.delay_max.max(1)));
        let stream = self.net.asking.get(&number).is_some_and(|asking| asking.transport.is_stream());
        if self.net.is_cut(from, to) || (!stream && self.random.below(100) < self.net.loss_percent) {
            return delay;
        }
        if !stream && self.random.below(200) < self.net.loss_percent {
            let again = Duration::from_millis(1 + self.random.below(self.net.delay_max.max(1) * 3));
            match &arrives {
                What::Request(number, octets) => {
                    self.queue.push(again, What::Request(*number, octets.clone()));
                }
                What::Reply(number, octets, forged) => {
                    self.queue.push(again, What::Reply(*number, octets.clone(), *forged));
                }
                _ => {}
            }
        }
        self.queue.push(delay, arrives);
        delay
    }

    /// A request arrives at a server.
    pub fn request(&mut self, number: u64, octets: &[u8]) {
        let Some(asking) = self.net.asking.get(&number) else { return };
        let (client, to, transport) = (asking.client, asking.server, asking.transport);
        if self.net.is_cut(client, to) || self.nodes[to].asleep_until.is_some() {
            return;
        }
        let now = self.nodes[to].now(self.queue.now());
        let Some(running) = &mut self.nodes[to].running else {
            if transport.is_stream() {
                let gone = TransferError::Unreachable(String::from("connection refused"));
                self.end(number, Err(gone));
            }
            return;
        };
        let mut out = vec![0; MESSAGE_OCTETS_MAX];
        let outcome = serve(
            octets.into(),
            address(client),
            transport,
            now,
            &running.world,
            &mut running.worker,
            &mut out,
            &mut Silent,
        );
        let seen: Vec<_> = running.worker.observed.drain(..).collect();
        running.worker.refused.clear();
        match outcome {
            Outcome::Drop => {}
            Outcome::Reply(length) => {
                self.reply(number, client, to, &out[..length]);
            }
            Outcome::Notify { reply, zone, from, serial, .. } => {
                self.reply(number, client, to, &out[..reply]);
                self.tell(to, Event::Notify { zone, from, serial });
            }
            Outcome::Transfer(start) => self.transfer(number, to, *start),
        }
        for seen in seen {
            self.tell(to, Event::Observed(seen));
        }
    }

    /// A reply sets out, and perhaps somebody is on its way.
    fn reply(&mut self, number: u64, client: usize, from: usize, octets: &[u8]) -> Duration {
        let mut harm = Harm::None;
        let chance = self.random.below(100);
        if let Some(asking) = self.net.asking.get(&number)
            && chance < asking.asked.chance(self.net.tampered)
        {
            let way = (from, client, asking.zone);
            harm = self.net.eavesdropper.tamper(&mut self.random, way, &asking.asked, octets);
        }
        self.send_harmed(number, client, from, octets, harm)
    }

    fn send_harmed(
        &mut self,
        number: u64,
        client: usize,
        from: usize,
        octets: &[u8],
        harm: Harm,
    ) -> Duration {
        let (octets, forged) = match harm {
            Harm::None => (octets.to_vec(), None),
            Harm::Other(octets) => (octets, None),
            Harm::Forged(octets, what) => (octets, Some(what)),
        };
        let delay = self.carry(number, from, client, What::Reply(number, octets.into(), forged));
        let stream = self.net.asking.get(&number).is_some_and(|asking| asking.transport.is_stream());
        if forged.is_some() && stream {
            // Nobody is to wait for what will not come.
            self.queue.push(delay + Duration::from_secs(1), What::Broken(number));
        }
        delay
    }

    fn transfer(&mut self, number: u64, from: usize, mut start: TransferStart) {
        let spoils = from == RELAY && self.random.below(100) < self.net.spoiled;
        let signer = if spoils { start.signer.take() } else { None };
        let Some(running) = &self.nodes[from].running else { return };
        let history = match start.wants_history() {
            Some(serial) => running.keeper.reader().history(&start.version, serial).ok().flatten(),
            None => None,
        };
        let outgoing = plan(start, &history.unwrap_or_default(), &mut condense::Cache::new(), &mut Silent);
        let sending = Sending { server: from, start: self.nodes[from].starts, outgoing, spoils, signer };
        self.net.sending.insert(number, sending);
        self.send_next(number);
    }

    /// A server sends the next message of a transfer.
    pub fn send_next(&mut self, number: u64) {
        let Some(sending) = self.net.sending.get_mut(&number) else { return };
        let from = sending.server;
        if let Some(until) = self.nodes[from].asleep_until {
            return self.queue.push_at(until.after(AFTER_SLEEP), What::SendNext(number));
        }
        let alive = self.nodes[from].running.is_some() && self.nodes[from].starts == sending.start;
        let client = self.net.asking.get(&number).map(|asking| asking.client);
        let breaks = self.net.loss_percent > 0 && self.random.one_in(12);
        let Some(client) = client.filter(|_| alive && !breaks) else {
            self.net.sending.remove(&number);
            return self.queue.push(Duration::from_millis(1), What::Broken(number));
        };
        let now = self.nodes[from].now(self.queue.now());
        let mut out = vec![0; MESSAGE_OCTETS_MAX];
        match sending.outgoing.next(now, &mut out).expect("every record fits a message") {
            Some(length) => {
                let delay = if sending.spoils {
                    self.spoil(number, client, from, &out[..length])
                } else {
                    self.reply(number, client, from, &out[..length])
                };
                self.queue.push(delay, What::SendNext(number));
            }
            None => {
                let (zone, peer, serial) =
                    (sending.outgoing.zone(), sending.outgoing.peer(), sending.outgoing.serial());
                self.net.sending.remove(&number);
                if let Some(peer) = peer {
                    self.tell(from, Event::Delivered(zone, peer, serial));
                }
            }
        }
    }

    /// The relay changes what it sends, and signs that if it was to be signed.
    fn spoil(&mut self, number: u64, client: usize, from: usize, octets: &[u8]) -> Duration {
        let now = self.nodes[from].now(self.queue.now()).wall.seconds();
        let (Some(sending), Some(asking)) = (self.net.sending.get_mut(&number), self.net.asking.get(&number))
        else {
            return Duration::ZERO;
        };
        let harm = forge(&mut self.random, &asking.asked, octets);
        let (mut octets, what) = match harm {
            Harm::None => (octets.to_vec(), None),
            Harm::Other(octets) => (octets, None),
            Harm::Forged(octets, what) => (octets, Some(what)),
        };
        // A message without its end cannot be signed; it is refused for that.
        if let Some(signer) = &mut sending.signer
            && octets.len() > 12
        {
            let length = octets.len();
            octets.resize(length + 512, 0);
            let signed = signer.sign(&mut octets, length, now).expect("there is room for a signature");
            octets.truncate(signed);
        }
        let harm = match what {
            Some(what) => Harm::Forged(octets, what),
            None => Harm::Other(octets),
        };
        self.send_harmed(number, client, from, &[], harm)
    }

    /// A message arrives at the one who asked.
    pub fn answer(&mut self, number: u64, octets: Box<[u8]>, forged: Option<&'static str>) {
        let Some(asking) = self.net.asking.get_mut(&number) else { return };
        if let Some(until) = self.nodes[asking.client].asleep_until {
            if asking.transport.is_stream() {
                let until = until.after(AFTER_SLEEP);
                self.queue.push_at(until, What::Reply(number, octets, forged));
            }
            return;
        }
        if self.net.cuts.contains(&(asking.client.min(asking.server), asking.client.max(asking.server))) {
            return;
        }
        asking.heard = self.queue.now();
        let now = self.nodes[asking.client].now(self.queue.now());
        let harmed = asking.forged.filter(|_| asking.transport.is_stream()).or(forged);
        asking.forged = harmed;
        match asking.exchange.feed(&octets, now) {
            Ok(Progress::More) => {}
            Ok(Progress::Done(answer)) => {
                let (client, zone) = (asking.client, ZONES[asking.zone.0 as usize]);
                let kind = &asking.asked.kind;
                assert!(
                    harmed.is_none(),
                    "server {client} takes {answer:?} for {kind:?} of {zone} in spite of {}",
                    harmed.unwrap_or_default()
                );
                self.end(number, Ok(answer));
            }
            Err(error) => self.end(number, Err(error)),
        }
    }

    /// The connection of a request broke.
    pub fn broken(&mut self, number: u64) {
        if let Some(asking) = self.net.asking.get(&number) {
            let error = asking.exchange.closed();
            self.end(number, Err(error));
        }
    }

    /// Nothing may have come for too long.
    pub fn silence(&mut self, number: u64) {
        let Some(asking) = self.net.asking.get(&number) else { return };
        if let Some(until) = self.nodes[asking.client].asleep_until {
            // Its patience is no timer of the boot clock.
            return self.queue.push_at(until.after(AFTER_SLEEP), What::Silence(number));
        }
        let quiet = self.queue.now().since(asking.heard);
        if asking.transport.is_stream() && quiet < asking.patience {
            return self.queue.push(asking.patience - quiet, What::Silence(number));
        }
        let error = asking.exchange.silent();
        self.end(number, Err(error));
    }

    fn end(&mut self, number: u64, result: Result<Answer, TransferError>) {
        let Some(asking) = self.net.asking.remove(&number) else { return };
        if self.nodes[asking.client].starts == asking.start {
            let answered = Event::Answered(asking.zone, asking.attempt, result);
            self.step(What::Shard(asking.client, asking.start, Box::new(answered)));
        }
    }
}
