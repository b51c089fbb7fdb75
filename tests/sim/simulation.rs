//! One history: takes what comes next from the queue, lets servers act, and looks at them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use bellwether::engine::shard::{Action, Event, FileJob};
use bellwether::env::Random;
use bellwether::env::sim::SimRandom;
use bellwether::time::Tick;
use bellwether::zone::{Digest, DigestKey, Version};

use crate::editor::{Edit, Editor, TIMERS};
use crate::flock::{Plan, ZONES, zone_file};
use crate::net::Net;
use crate::node::Node;
use crate::observer::Observer;
use crate::queue::{Moment, Queue};

/// How long a mended flock may take to be one again: whoever missed everything polls after REFRESH,
/// a primary that could not be reached is left alone for a while, and who has a serial that was
/// lost with its disk waits for EXPIRE.
const CONVERGE: Duration = Duration::from_secs(2 * (TIMERS.0 + TIMERS.2) as u64);
/// How long an edit may take when all is well: far less than REFRESH, so that only NOTIFY helps.
const PROMPT: Duration = Duration::from_secs(30);

/// A server is looked at when it shows something new, and all of them this often.
const LOOK_EVERY: Duration = Duration::from_secs(7);

/// What waits in the queue.
pub enum What {
    /// An event for the shard of a server's start.
    Shard(usize, u64, Box<Event>),
    /// A deadline of a server's start.
    Wake(usize, u64),
    /// The store writes what is queued.
    Commit(usize, u64),
    /// The store tries its disk again.
    Heal(usize, u64),
    /// A worker reads a zone file.
    Read(usize, u64, Box<FileJob>),
    /// A server is switched on.
    Start(usize),
    /// A request arrives.
    Request(u64, Box<[u8]>),
    /// A message arrives at the one who asked.
    Reply(u64, Box<[u8]>),
    /// The next message of a transfer is sent.
    SendNext(u64),
    /// A connection breaks.
    Broken(u64),
    /// Whoever waits for an answer may have waited long enough.
    Silence(u64),
    /// Something happens to the flock.
    Weather,
    /// Somebody looks at all servers.
    Look,
    /// A link works again.
    Mend((usize, usize)),
    /// A clock is set right.
    MendClock(usize),
    /// A disk works again.
    MendDisk(usize),
}

/// A flock with everything around it.
pub struct Simulation {
    /// What was planned.
    pub plan: Plan,
    /// What comes next.
    pub queue: Queue<What>,
    /// Decides everything that is left to chance.
    pub random: SimRandom,
    /// The servers; the first is the primary.
    pub nodes: Vec<Node>,
    /// What is between them.
    pub net: Net,
    /// What must hold.
    pub observer: Observer,
    /// The zone files of the primary.
    pub editors: Vec<Editor>,
    troubled_until: Moment,
    history: DefaultHasher,
}

/// Runs one history to its end; the result is a fingerprint of it.
pub fn run(seed: u64, plan: Plan) -> u64 {
    let mut simulation = Simulation::new(seed, plan);
    simulation.trouble();
    simulation.mend();
    simulation.converges("after everything was mended", CONVERGE);
    simulation.rest();
    for round in 0..3 {
        simulation.burst();
        simulation.converges(&format!("after burst {round} of edits, when all is well"), PROMPT);
    }
    simulation.compare_records();
    simulation.history.finish()
}

impl Simulation {
    fn new(seed: u64, plan: Plan) -> Simulation {
        let mut random = SimRandom::new(seed);
        let begin = Moment(10_000_000);
        let servers = plan.follows.len();
        let nodes = (0..servers).map(|server| Node::new(&plan, server, random.next_u64())).collect();
        let editors = ZONES.map(|apex| Editor::new(apex, random.next_u64() as u32, plan.hosts));
        let mut simulation = Simulation {
            troubled_until: begin.after(plan.trouble),
            plan,
            queue: Queue::new(begin),
            random,
            nodes,
            net: Net::new(),
            observer: Observer::new(servers),
            editors: editors.into(),
            history: DefaultHasher::new(),
        };
        for (apex, editor) in ZONES.iter().zip(&simulation.editors) {
            simulation.nodes[0].files.insert(zone_file(apex), editor.text());
        }
        for server in 0..servers {
            let wait = Duration::from_millis(simulation.random.below(3000));
            simulation.queue.push(wait, What::Start(server));
        }
        simulation.queue.push(Duration::from_secs(5), What::Weather);
        simulation.queue.push(LOOK_EVERY, What::Look);
        simulation
    }

    fn trouble(&mut self) {
        self.run_until(self.troubled_until);
    }

    /// Everything works again, and somebody makes one more edit.
    fn mend(&mut self) {
        self.net.cuts.clear();
        (self.net.loss_percent, self.net.delay_max) = (0, 20);
        for server in 0..self.nodes.len() {
            let node = &mut self.nodes[server];
            node.disk.mend();
            node.wall_error = 0;
            if node.power_off_at.is_some() {
                // The power cut that was planned happens now.
                self.crash(server);
            }
        }
        // Servers that are down come back within their time; an edit follows when they are there.
        let back = self.queue.now().after(Duration::from_secs(410));
        self.run_until(back);
        for zone in 0..ZONES.len() {
            self.editors[zone].raise_above(self.observer.newest(zone).0);
            self.edit(zone, Edit::Raised);
        }
    }

    /// Nothing happens for longer than EXPIRE: refreshes alone keep every zone alive.
    fn rest(&mut self) {
        let end = self.queue.now().after(CONVERGE / 2);
        while self.queue.now() < end {
            self.run_until(self.queue.now().after(LOOK_EVERY));
            assert!(self.is_converged(), "a mended flock fell apart: {}", self.describe());
        }
    }

    /// A few edits one after the other, some while the one before is on its way.
    fn burst(&mut self) {
        // Messages that take long are overtaken by the next edit.
        self.net.delay_max = if self.random.one_in(3) { 20 } else { 1200 };
        for _ in 0..1 + self.random.below(4) {
            let zone = self.random.below(ZONES.len() as u64) as usize;
            self.edit(zone, Edit::Raised);
            let pause = Duration::from_millis(self.random.below(2500));
            self.run_until(self.queue.now().after(pause));
        }
    }

    fn run_until(&mut self, end: Moment) {
        while let Some(what) = self.queue.pop(end) {
            self.step(what);
        }
        self.queue.advance(end);
        (0..self.nodes.len()).for_each(|server| self.look(server));
    }

    fn step(&mut self, what: What) {
        self.queue.now().hash(&mut self.history);
        std::mem::discriminant(&what).hash(&mut self.history);
        match what {
            What::Shard(server, start, event) => {
                if self.is_alive(server, start) {
                    self.tell(server, *event);
                }
            }
            What::Wake(server, start) => {
                if self.is_alive(server, start) {
                    self.nodes[server].running.as_mut().expect("it is alive").armed = None;
                    self.tell(server, Event::Tick);
                }
            }
            What::Commit(server, start) if self.is_alive(server, start) => self.commit(server),
            What::Heal(server, start) if self.is_alive(server, start) => self.heal(server),
            What::Commit(..) | What::Heal(..) => {}
            What::Read(server, start, job) => {
                let event = self.nodes[server].read_file(self.queue.now(), &job);
                let takes = Duration::from_millis(self.random.below(50));
                self.queue.push(takes, What::Shard(server, start, Box::new(event)));
            }
            What::Start(server) => self.start(server),
            What::Request(number, octets) => self.request(number, &octets),
            What::Reply(number, octets) => self.answer(number, &octets),
            What::SendNext(number) => self.send_next(number),
            What::Broken(number) => self.broken(number),
            What::Silence(number) => self.silence(number),
            What::Weather => {
                if self.queue.now() < self.troubled_until {
                    self.weather();
                    let pace = self.plan.pace.as_millis() as u64;
                    let wait = Duration::from_millis(self.random.below(2 * pace));
                    self.queue.push(wait, What::Weather);
                }
            }
            What::Look => {
                (0..self.nodes.len()).for_each(|server| self.look(server));
                self.queue.push(LOOK_EVERY, What::Look);
            }
            What::Mend(link) => {
                self.net.cuts.remove(&link);
            }
            What::MendClock(server) => self.nodes[server].wall_error = 0,
            What::MendDisk(server) => self.nodes[server].disk.mend(),
        }
    }

    fn is_alive(&self, server: usize, start: u64) -> bool {
        self.nodes[server].running.is_some() && self.nodes[server].starts == start
    }

    fn look(&mut self, server: usize) {
        if self.nodes[server].running.is_some() {
            self.observer.look(server, self.queue.now(), &mut self.nodes[server]);
        }
    }

    /// Tells the shard of a server, carries out what it wants, and looks at the server.
    pub fn tell(&mut self, server: usize, event: Event) {
        let now = self.queue.now();
        self.observer.told(server, now, &event);
        let actions = self.nodes[server].handle(now, event);
        self.observer.acted(server, now, &actions);
        if actions.iter().any(|action| matches!(action, Action::Publish(..))) {
            self.look(server);
        }
        let start = self.nodes[server].starts;
        for action in actions {
            self.carry_out(server, start, action);
        }
        self.arm(server);
    }

    fn carry_out(&mut self, server: usize, start: u64, action: Action) {
        match action {
            Action::Journal(zone, ticket, write) => {
                let Some(running) = &mut self.nodes[server].running else { return };
                if running.keeper.queue(zone, ticket, write) {
                    let waits = Duration::from_millis(self.random.below(30));
                    self.queue.push(waits, What::Commit(server, start));
                }
            }
            Action::ReadFile(job) => {
                let waits = Duration::from_millis(self.random.below(50));
                self.queue.push(waits, What::Read(server, start, Box::new(job)));
            }
            Action::Ask(job) => self.ask(server, job),
            Action::Cancel(zone, attempt) => self.cancel(server, zone, attempt),
            Action::RollBack(_)
            | Action::Publish(..)
            | Action::Watch(..)
            | Action::Status(..)
            | Action::Done(..)
            | Action::Note(..)
            | Action::Forgotten(_) => {}
        }
    }

    /// Wakes the server when its shard has something to do.
    fn arm(&mut self, server: usize) {
        let node = &mut self.nodes[server];
        let Some(running) = &mut node.running else { return };
        let Some(deadline) = running.shard.deadline() else { return };
        if running.armed.is_none_or(|armed: Tick| deadline < armed) {
            running.armed = Some(deadline);
            let at = node.moment(deadline);
            self.queue.push_at(at, What::Wake(server, node.starts));
        }
    }

    fn start(&mut self, server: usize) {
        if self.nodes[server].running.is_some() {
            return;
        }
        let uptime = self.random.below(5_000_000);
        let start = self.nodes[server].start(self.queue.now(), uptime);
        if self.nodes[server].lost_power() {
            self.nodes[server].running = None;
            let seed = self.random.next_u64();
            self.nodes[server].crash(seed);
            return self.queue.push(Duration::from_secs(2), What::Start(server));
        }
        match start {
            Ok(start) => {
                self.observer.starts(server, self.queue.now(), &self.nodes[server], &start);
                for event in start.events {
                    self.tell_unseen(server, event);
                }
                self.look(server);
            }
            // The service manager tries again.
            Err(_) => self.queue.push(Duration::from_secs(2), What::Start(server)),
        }
    }

    /// Before all its zones are there nobody looks at a server: its sockets are not open yet.
    fn tell_unseen(&mut self, server: usize, event: Event) {
        let now = self.queue.now();
        let actions = self.nodes[server].handle(now, event);
        self.observer.acted(server, now, &actions);
        let start = self.nodes[server].starts;
        for action in actions {
            self.carry_out(server, start, action);
        }
        self.arm(server);
    }

    fn commit(&mut self, server: usize) {
        let Some(running) = &mut self.nodes[server].running else { return };
        let written = running.keeper.commit();
        if self.nodes[server].lost_power() {
            return self.crash(server);
        }
        let start = self.nodes[server].starts;
        for (zone, version, durable) in &written.versions {
            self.observer.written(server, *zone, version, *durable);
        }
        for event in written.events {
            let takes = Duration::from_millis(self.random.below(10));
            self.queue.push(takes, What::Shard(server, start, Box::new(event)));
        }
        if let Some(wait) = written.heal_in {
            self.queue.push(wait, What::Heal(server, start));
        }
    }

    fn heal(&mut self, server: usize) {
        let Some(running) = &mut self.nodes[server].running else { return };
        let healed = running.keeper.heal();
        if self.nodes[server].lost_power() {
            return self.crash(server);
        }
        match healed {
            Ok(events) => events.into_iter().for_each(|event| self.tell(server, event)),
            Err(wait) => self.queue.push(wait, What::Heal(server, self.nodes[server].starts)),
        }
    }

    /// All servers show the newest content of the files before the time is over.
    fn converges(&mut self, when: &str, within: Duration) {
        let end = self.queue.now().after(within);
        while !self.is_converged() {
            if self.queue.now() >= end {
                panic!("{when} the flock is not one within {within:?}: {}", self.describe());
            }
            self.run_until(self.queue.now().after(Duration::from_millis(500)));
        }
    }

    fn is_converged(&mut self) -> bool {
        let now = self.queue.now();
        (0..ZONES.len()).all(|zone| {
            let wanted = self.editors[zone].token();
            let first = Observer::serial_seen(&mut self.nodes[0], now, zone);
            first.is_some_and(|(_, token)| token == wanted)
                && self.nodes.iter_mut().all(|node| Observer::serial_seen(node, now, zone) == first)
        })
    }

    fn describe(&mut self) -> String {
        let now = self.queue.now();
        let zones = (0..ZONES.len()).map(|zone| {
            let nodes = self.nodes.iter_mut();
            let seen: Vec<_> = nodes.map(|node| Observer::serial_seen(node, now, zone)).collect();
            format!("{} wants token {}, servers have {seen:?}", ZONES[zone], self.editors[zone].token())
        });
        zones.collect::<Vec<_>>().join("; ")
    }

    /// Not only what a reader sees: every record, summed anew, is the same on all servers.
    fn compare_records(&mut self) {
        for apex in ZONES {
            let apex = crate::flock::name(apex);
            let sums = self.nodes.iter().map(|node| {
                let now = node.now(self.queue.now());
                let zones = &node.running.as_ref().expect("it runs").world.zones;
                let slot = zones.exact(apex.as_ref()).expect("it is configured");
                let version = slot.version_at(now.tick).expect("it is served");
                let sum = sum(version);
                assert_eq!(sum, version.digest(), "the digest of {apex} is not that of its records");
                sum
            });
            let sums: Vec<Digest> = sums.collect();
            assert!(sums.iter().all(|sum| *sum == sums[0]), "{apex} differs: {sums:?}");
        }
    }
}

fn sum(version: &Version) -> Digest {
    let key: DigestKey = version.key();
    let mut sum = Digest(0);
    let mut scratch = Vec::new();
    version.for_each(|record| sum += Digest::of(&key, record, &mut scratch));
    sum
}
