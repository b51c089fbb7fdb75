//! One history: takes what comes next from the queue, lets servers act, and looks at them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use bellwether::engine::keeper::{Rewrite, Write};
use bellwether::engine::shard::{Action, Command, Event, FileJob, RollbackJob};
use bellwether::env::Random;
use bellwether::env::sim::SimRandom;
use bellwether::limits::BATCH_ZONES_MAX;
use bellwether::time::Tick;

use crate::editor::Editor;
use crate::flock::{Plan, ZONES, zone_file};
use crate::net::Net;
use crate::node::Node;
use crate::observer::Observer;
use crate::queue::{Moment, Queue};

/// What came while a server slept happens this long after it wakes: somebody looks at it before.
pub const AFTER_SLEEP: Duration = Duration::from_millis(1);

/// What waits in the queue.
pub enum What {
    /// An event for the shard of a server's start.
    Shard(usize, u64, Box<Event>),
    /// A deadline of a server's start.
    Wake(usize, u64, Tick),
    /// The store writes what is queued.
    Commit(usize, u64),
    /// The store tries its disk again.
    Heal(usize, u64),
    /// A worker reads a zone file.
    Read(usize, u64, Box<FileJob>),
    /// Whoever writes the file of a zone is done.
    Written(usize),
    /// A worker rebuilds an earlier version.
    RollBack(usize, u64, Box<RollbackJob>),
    /// A worker writes a body.
    Rewrite(usize, u64, Box<Rewrite>),
    /// A server is switched on.
    Start(usize),
    /// A suspended server wakes.
    Awake(usize),
    /// A request arrives.
    Request(u64, Box<[u8]>),
    /// A message arrives at the one who asked; with what makes it one to be refused.
    Reply(u64, Box<[u8]>, Option<&'static str>),
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

impl What {
    /// The server that does it, which cannot while it is suspended.
    fn doer(&self) -> Option<usize> {
        match self {
            What::Shard(server, ..)
            | What::Wake(server, ..)
            | What::Commit(server, _)
            | What::Heal(server, _)
            | What::Read(server, ..)
            | What::RollBack(server, ..)
            | What::Rewrite(server, ..) => Some(*server),
            _ => None,
        }
    }
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
    /// Commands that are not done yet.
    pub commands: BTreeMap<u64, (usize, usize, Command)>,
    /// Until when there is trouble.
    pub troubled_until: Moment,
    /// How often somebody looks at all servers.
    pub look_every: Duration,
    history: DefaultHasher,
}

impl Simulation {
    /// A flock that begins.
    pub fn new(seed: u64, plan: Plan) -> Simulation {
        let mut random = SimRandom::new(seed);
        let begin = Moment(10_000_000);
        let servers = plan.follows.len();
        let nodes = (0..servers).map(|server| Node::new(&plan, server, random.next_u64())).collect();
        let editors = ZONES.map(|apex| Editor::new(apex, plan.timers, random.next_u64() as u32, plan.hosts));
        let look_every = plan.expire() / 34;
        let mut net = Net::new();
        net.tampered = plan.tampered;
        net.spoiled = if plan.hostile { 60 } else { 0 };
        let mut simulation = Simulation {
            troubled_until: begin.after(plan.trouble),
            look_every,
            observer: Observer::new(&plan),
            plan,
            queue: Queue::new(begin),
            random,
            nodes,
            net,
            editors: editors.into(),
            commands: BTreeMap::new(),
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
        simulation.queue.push(look_every, What::Look);
        simulation
    }

    /// The fingerprint of everything that happened.
    pub fn fingerprint(&self) -> u64 {
        self.history.finish()
    }

    /// Lets happen what happens until then.
    pub fn run_until(&mut self, end: Moment) {
        while let Some(what) = self.queue.pop(end) {
            self.step(what);
        }
        self.queue.advance(end);
        (0..self.nodes.len()).for_each(|server| self.look(server));
    }

    /// One thing happens now.
    pub fn step(&mut self, what: What) {
        self.queue.now().hash(&mut self.history);
        std::mem::discriminant(&what).hash(&mut self.history);
        if let Some(until) = what.doer().and_then(|server| self.nodes[server].asleep_until) {
            return self.queue.push_at(until.after(AFTER_SLEEP), what);
        }
        match what {
            What::Shard(server, start, event) => {
                if self.is_alive(server, start) {
                    self.tell(server, *event);
                }
            }
            What::Wake(server, start, tick) => {
                if self.is_alive(server, start) {
                    self.nodes[server].running.as_mut().expect("it is alive").armed.remove(&tick);
                    self.tell(server, Event::Tick);
                }
            }
            What::Commit(server, start) if self.is_alive(server, start) => self.commit(server),
            What::Heal(server, start) if self.is_alive(server, start) => self.heal(server),
            What::Rewrite(server, start, rewrite) if self.is_alive(server, start) => {
                let write = rewrite.carry_out();
                if self.nodes[server].lost_power() {
                    return self.crash(server);
                }
                self.write(server, write);
            }
            What::Commit(..) | What::Heal(..) | What::Rewrite(..) => {}
            What::Read(server, start, job) => self.read(server, start, &job),
            What::Written(zone) => self.save(zone),
            What::RollBack(server, start, job) if self.is_alive(server, start) => {
                if let Some(event) = self.nodes[server].roll_back(&job) {
                    let takes = Duration::from_millis(self.random.below(50));
                    self.queue.push(takes, What::Shard(server, start, Box::new(event)));
                }
            }
            What::RollBack(..) => {}
            What::Start(server) => self.start(server),
            What::Awake(server) => self.awake(server),
            What::Request(number, octets) => self.request(number, &octets),
            What::Reply(number, octets, forged) => self.answer(number, octets, forged),
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
                self.queue.push(self.look_every, What::Look);
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
        if self.nodes[server].running.is_some() && self.nodes[server].asleep_until.is_none() {
            self.observer.look(server, self.queue.now(), &mut self.nodes[server]);
        }
    }

    /// A server wakes, and its first clients are there before anything else.
    fn awake(&mut self, server: usize) {
        let now = self.queue.now();
        if self.nodes[server].asleep_until.take_if(|until| *until <= now).is_some() {
            self.look(server);
        }
    }

    /// Tells the shard of a server, carries out what it wants, and looks at the server.
    pub fn tell(&mut self, server: usize, event: Event) {
        let now = self.queue.now();
        self.observer.told(server, now, self.nodes[server].now(now).tick, &event);
        let actions = self.nodes[server].handle(now, event);
        self.observer.acted(server, now, &actions, &self.nodes[server]);
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
                self.write(server, Write::Commit { zone, ticket, write });
            }
            Action::ReadFile(job) => {
                let waits = Duration::from_millis(self.random.below(50));
                self.queue.push(waits, What::Read(server, start, Box::new(job)));
            }
            Action::RollBack(job) => {
                let waits = Duration::from_millis(self.random.below(50));
                self.queue.push(waits, What::RollBack(server, start, Box::new(job)));
            }
            Action::Verify(job) => self.tell(server, job.carry_out()),
            Action::Ask(job) => self.ask(server, job),
            Action::Cancel(zone, attempt) => self.cancel(server, zone, attempt),
            Action::Done(token, result) => {
                if let Some((_, zone, command)) = self.commands.remove(&token.0) {
                    self.observer.done(zone, command, &result);
                }
            }
            Action::Publish(..)
            | Action::Watch(..)
            | Action::FindServers(..)
            | Action::Status(..)
            | Action::Note(..)
            | Action::Forgotten(_) => {}
        }
    }

    /// Queues a write, and has the store come for it.
    fn write(&mut self, server: usize, write: Write) {
        let start = self.nodes[server].starts;
        let Some(running) = &mut self.nodes[server].running else { return };
        running.writes.push(write);
        if running.writes.len() == 1 {
            let waits = Duration::from_millis(self.random.below(30));
            self.queue.push(waits, What::Commit(server, start));
        }
    }

    /// Wakes the server when its shard has something to do.
    fn arm(&mut self, server: usize) {
        let node = &mut self.nodes[server];
        let Some(running) = &mut node.running else { return };
        let Some(deadline) = running.shard.deadline() else { return };
        if running.armed.first().is_none_or(|armed| deadline < *armed) {
            running.armed.insert(deadline);
            let at = node.moment(deadline);
            self.queue.push_at(at, What::Wake(server, node.starts, deadline));
        }
    }

    fn read(&mut self, server: usize, start: u64, job: &FileJob) {
        if !self.is_alive(server, start) {
            return;
        }
        let event = self.nodes[server].read_file(self.queue.now(), job);
        let is_whole = !self.nodes[server].half_written.contains(&job.file);
        self.observer.has_read(job.zone.0 as usize, self.nodes[server].files.get(&job.file), is_whole);
        let takes = Duration::from_millis(self.random.below(50));
        self.queue.push(takes, What::Shard(server, start, Box::new(event)));
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
        self.observer.acted(server, now, &actions, &self.nodes[server]);
        let start = self.nodes[server].starts;
        for action in actions {
            self.carry_out(server, start, action);
        }
        self.arm(server);
    }

    /// The store writes what is queued, at most a batch of it.
    pub fn commit(&mut self, server: usize) {
        let start = self.nodes[server].starts;
        let Some(running) = &mut self.nodes[server].running else { return };
        let count = running.writes.len().min(BATCH_ZONES_MAX);
        let batch: Vec<Write> = running.writes.drain(..count).collect();
        if !running.writes.is_empty() {
            self.queue.push(Duration::from_millis(1), What::Commit(server, start));
        }
        self.observer.writes(&batch);
        let kept = running.keeper.commit(batch);
        if self.nodes[server].lost_power() {
            return self.crash(server);
        }
        self.observer.written(server, &kept.events);
        for event in kept.events {
            let takes = Duration::from_millis(self.random.below(10));
            self.queue.push(takes, What::Shard(server, start, Box::new(event)));
        }
        for rewrite in kept.rewrites {
            let takes = Duration::from_millis(self.random.below(3000));
            self.queue.push(takes, What::Rewrite(server, start, Box::new(rewrite)));
        }
        if let Some(wait) = kept.heal_in {
            self.queue.push(wait, What::Heal(server, start));
        }
    }

    fn heal(&mut self, server: usize) {
        let start = self.nodes[server].starts;
        let Some(running) = &mut self.nodes[server].running else { return };
        let mended = running.keeper.heal();
        if self.nodes[server].lost_power() {
            return self.crash(server);
        }
        if mended.rewrite_all {
            let zones = 0..ZONES.len() as u32;
            zones.for_each(|zone| self.tell(server, Event::Rewrite(bellwether::ident::ZoneId(zone))));
        }
        mended.events.into_iter().for_each(|event| self.tell(server, event));
        if let Some(wait) = mended.heal_in {
            self.queue.push(wait, What::Heal(server, start));
        }
    }
}
