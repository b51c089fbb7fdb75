//! What must hold after every step, seen from outside through `serve()` (DESIGN's invariants).
//!
//! 1. A reader sees one whole version, and it is one that the primary published.
//! 2. What was published is there after a crash, unless its receipt said that it may be lost.
//! 3. For a reader of one server no serial goes backwards, but after an expiry or as an operator said.
//! 4. A primary that answered once goes on answering, whatever happens to its file.
//! 5. Nothing is served past EXPIRE, and what a primary confirmed is served until then.
//! 7. What is spoiled of one zone does not excuse any other.
//!
//! And whoever follows a server by IXFR over UDP has, version after version, what the server has.
//!
//! What holds for the primary alone stands in [`crate::primary`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bellwether::dns::soa::Soa;
use bellwether::dns::{RecordType, Serial};
use bellwether::engine::keeper::Write;
use bellwether::engine::shard::{Action, Command, Event, Ticket};
use bellwether::env::Random;
use bellwether::env::sim::SimRandom;
use bellwether::ident::ZoneId;
use bellwether::store::BodyWrite;
use bellwether::time::Tick;
use bellwether::transfer::incoming::{Answer, TransferError};
use bellwether::zone::{Slot, SlotState, Version};

use crate::client::{self, Friend};
use crate::editor::TOKEN_NAMES;
use crate::flock::{Plan, ZONES};
use crate::node::{Node, Start};
use crate::primary::Primary;
use crate::queue::Moment;

/// How long it takes at most until a deadline that moved is on the disk, if the disk is well.
const SAVED: Duration = Duration::from_secs(3);
/// Rounding of an EXPIRE option, and of the wall clock.
const ROUNDING: Duration = Duration::from_secs(2);

/// What is known of one zone on one server.
#[derive(Clone, Debug, Default)]
struct Watched {
    /// What a reader saw last.
    seen: Option<u32>,
    /// What has a receipt, by serial and digest.
    written: BTreeSet<(u32, u128)>,
    /// It may have gone back: an expiry, or a volatile version and a crash.
    may_go_back: bool,
    /// An operator wants what a primary has, whatever its serial.
    retransfer: bool,
    /// What was stored is spoiled: until it is there again nobody can answer.
    excused: bool,
    /// Until when a secondary may serve.
    until: Option<Moment>,
    /// Until when it must, if it does.
    must: Option<Moment>,
    /// When that was said last.
    confirmed: Moment,
    /// A transfer that is not published yet: when it was complete, and its EXPIRE option.
    transferred: Option<(Moment, Option<u32>)>,
    /// What was looked at closely.
    looked_at: Option<Arc<Slot>>,
    /// What the friend of the server has.
    friend_has: Option<Arc<Version>>,
}

/// The observer of a flock.
pub struct Observer {
    expire: Duration,
    watched: Vec<Vec<Watched>>,
    /// Somebody for each server who may transfer from it.
    friends: Vec<Option<Friend>>,
    /// What the primary published: by zone and serial, the digests.
    published: Vec<BTreeMap<u32, BTreeSet<u128>>>,
    /// The token of each.
    tokens: Vec<BTreeMap<u128, u64>>,
    /// Serials that the primary may have to publish again with other content (R03).
    losable: BTreeSet<(usize, u32)>,
    /// What is being written.
    writing: HashMap<(ZoneId, Ticket), Arc<Version>>,
    primary: Vec<Primary>,
}

impl Observer {
    /// An observer of all servers of a plan.
    pub fn new(plan: &Plan) -> Observer {
        Observer {
            expire: plan.expire(),
            watched: vec![vec![Watched::default(); ZONES.len()]; plan.follows.len()],
            friends: (0..plan.follows.len()).map(|server| plan.friend(server)).collect(),
            published: vec![BTreeMap::new(); ZONES.len()],
            tokens: vec![BTreeMap::new(); ZONES.len()],
            losable: BTreeSet::new(),
            writing: HashMap::new(),
            primary: vec![Primary::default(); ZONES.len()],
        }
    }

    /// The newest serial that the primary ever published.
    pub fn newest(&self, zone: usize) -> u32 {
        let serials = self.published[zone].keys().copied();
        serials.reduce(|best, next| if is_newer(next, best) { next } else { best }).unwrap_or_default()
    }

    /// Any serial that it published.
    pub fn earlier(&self, zone: usize, random: &mut SimRandom) -> u32 {
        let at = random.below(self.published[zone].len() as u64) as usize;
        self.published[zone].keys().nth(at).copied().unwrap_or_default()
    }

    /// A batch is about to be written.
    pub fn writes(&mut self, batch: &[Write]) {
        self.writing.clear();
        for write in batch {
            let Write::Commit { zone, ticket, write } = write else { continue };
            if let BodyWrite::Full(version) | BodyWrite::Deltas { after: version, .. } = &write.body {
                self.writing.insert((*zone, *ticket), version.clone());
            }
        }
    }

    /// The batch is written, with these receipts.
    pub fn written(&mut self, server: usize, events: &[Event]) {
        for event in events {
            let Event::Synced(zone, ticket, receipt, _) = event else { continue };
            let Some(version) = self.writing.remove(&(*zone, *ticket)) else { continue };
            let (zone, serial, digest) = (zone.0 as usize, version.serial().0, version.digest().0);
            self.watched[server][zone].written.insert((serial, digest));
            if server == 0 && receipt.is_durable() {
                self.primary[zone].volatile.remove(&(serial, digest));
            } else if server == 0 {
                self.losable.insert((zone, serial));
                self.primary[zone].volatile.insert((serial, digest));
            }
        }
    }

    /// A worker of the primary read a file.
    pub fn has_read(&mut self, zone: usize, text: Option<&Vec<u8>>, is_whole: bool) {
        self.primary[zone].has_read(text, is_whole);
    }

    /// An operator gives a command.
    pub fn commanded(&mut self, server: usize, zone: usize, command: Command) {
        match command {
            Command::Retransfer => self.watched[server][zone].retransfer = true,
            command if server == 0 => self.primary[zone].commanded(command),
            _ => {}
        }
    }

    /// A command is done.
    pub fn done(&mut self, zone: usize, command: Command, result: &Result<String, String>) {
        if let (Command::Rollback(to), Ok(_)) = (command, result) {
            let digests = self.published[zone].get(&to.0).into_iter().flatten();
            let tokens = digests.filter_map(|digest| self.tokens[zone].get(digest)).copied().collect();
            self.primary[zone].rolled_back(ZONES[zone], tokens, &self.tokens[zone]);
        }
    }

    /// What the disk of a server has of a zone is spoiled.
    pub fn damaged(&mut self, server: usize, zone: usize) {
        let watched = &mut self.watched[server][zone];
        watched.excused = true;
        watched.must = None;
        // A primary still knows below which serial it may not go.
        watched.may_go_back |= server != 0;
        self.primary[zone].forget(server);
    }

    /// An event is about to reach a shard: an answer may confirm what a secondary has (R18, R19).
    pub fn told(&mut self, server: usize, now: Moment, tick: Tick, event: &Event) {
        if let (0, Event::Read(zone, _, result)) = (server, event) {
            self.primary[zone.0 as usize].told(ZONES[zone.0 as usize], result);
        }
        let Event::Answered(zone, _, Ok(answer)) = event else { return };
        let full = now.after(self.expire);
        let watched = &mut self.watched[server][zone.0 as usize];
        let (until, at_least) = match answer {
            Answer::Soa { serial, expire } | Answer::Current { serial, expire }
                if watched.seen == Some(serial.0) =>
            {
                let option = expire.map(|left| now.after(Duration::from_secs(u64::from(left))));
                let until = option.map(|option| watched.until.map_or(option, |had| had.max(option)));
                (until.unwrap_or(full), option.unwrap_or(full))
            }
            Answer::TryTcp { serial: Some(serial) } if watched.seen == Some(serial.0) => (full, full),
            Answer::Changed { expire, .. } => {
                watched.transferred = Some((now, *expire));
                return;
            }
            Answer::Soa { .. } | Answer::Current { .. } | Answer::TryTcp { .. } | Answer::NotifyAck => return,
        };
        // What was left before is known at least to have been what it had to be. To a server that slept
        // until its zone had run out an answer comes too late (R20 asks anew).
        let before = watched.must.unwrap_or_default();
        let at_least = if watched.has_run_out(tick) { before } else { before.max(at_least.before(ROUNDING)) };
        watched.confirm(now, until.min(full), at_least.min(full));
    }

    /// What a shard wants done.
    pub fn acted(&mut self, server: usize, now: Moment, actions: &[Action], node: &Node) {
        for action in actions {
            let Action::Publish(_, Some(slot)) = action else { continue };
            let zone = slot.id.0 as usize;
            match &slot.state {
                SlotState::Serving { version, .. } => self.publishes(server, zone, now, version),
                SlotState::Expired { .. } => {
                    let watched = &mut self.watched[server][zone];
                    assert!(!watched.must_serve(now), "server {server} gives {} up too early", ZONES[zone]);
                    watched.may_go_back = true;
                }
                SlotState::Loading | SlotState::Faulted => {}
            }
        }
        if server == 0 {
            (0..ZONES.len()).for_each(|zone| self.primary[zone].says_why(node.status(zone)));
        }
    }

    fn publishes(&mut self, server: usize, zone: usize, now: Moment, version: &Arc<Version>) {
        let (serial, digest) = (version.serial().0, version.digest().0);
        let watched = &mut self.watched[server][zone];
        let has_receipt = watched.written.contains(&(serial, digest));
        assert!(has_receipt, "server {server} publishes {} {serial} before it is written", ZONES[zone]);
        if let Some((_, expire)) = watched.transferred.take() {
            watched.may_go_back |= std::mem::take(&mut watched.retransfer);
            let until = transferred(now, expire, self.expire);
            watched.confirm(now, until, until.before(ROUNDING));
        }
        let digests = self.published[zone].entry(serial).or_default();
        if server == 0 {
            let known = digests.is_empty() || digests.contains(&digest);
            let allowed = known || self.losable.contains(&(zone, serial));
            assert!(allowed, "{} {serial} is published twice with different content", ZONES[zone]);
            digests.insert(digest);
            self.primary[zone].publishes(ZONES[zone], version);
        }
        let genuine = digests.contains(&digest);
        assert!(genuine, "server {server} publishes {} {serial}, which never existed so", ZONES[zone]);
    }

    /// A server goes down; zones whose last version is only in memory may lose it.
    pub fn crashes(&mut self, server: usize, now: Moment, node: &Node) {
        for (zone, watched) in self.watched[server].iter_mut().enumerate() {
            watched.may_go_back |= node.is_volatile(zone);
            if node.is_volatile(zone) || now.since(watched.confirmed) < SAVED {
                watched.must = None;
            }
            if let Some((then, expire)) = watched.transferred.take() {
                // It may be written, and is then served after the start.
                watched.until = watched.until.max(Some(transferred(then, expire, self.expire)));
            }
        }
    }

    /// A server started: what it had published must be there.
    pub fn starts(&mut self, server: usize, now: Moment, node: &Node, start: &Start) {
        for (zone, version) in &start.recovered {
            let watched = &mut self.watched[server][zone.0 as usize];
            let has = version.as_ref().map(|version| version.serial().0);
            let apex = ZONES[zone.0 as usize];
            if let (Some(seen), false, false) = (watched.seen, watched.may_go_back, watched.excused) {
                let kept = has.is_some_and(|has| has == seen || is_newer(has, seen));
                assert!(
                    kept,
                    "server {server} lost {apex}: a reader saw {seen}, after a crash it has {has:?}"
                );
            }
            if let Some(version) = version {
                watched.written.insert((version.serial().0, version.digest().0));
            }
            if node.jumps > 0 || watched.until.is_none() {
                // R18: nobody can tell how long it was down.
                watched.until = Some(now.after(self.expire));
                watched.must = None;
            }
            if server == 0 {
                self.primary[zone.0 as usize].starts(version.clone());
            }
        }
    }

    /// Asks a server for all its zones.
    pub fn look(&mut self, server: usize, now: Moment, node: &mut Node) {
        for zone in 0..ZONES.len() {
            self.look_at(server, zone, now, node);
        }
    }

    fn look_at(&mut self, server: usize, zone: usize, now: Moment, node: &mut Node) {
        let apex = ZONES[zone];
        let answer = client::ask(node, now, apex, RecordType::SOA);
        let watched = &mut self.watched[server][zone];
        let Some(rdata) = answer else {
            let was_seen = watched.seen.is_some() && !watched.may_go_back && !watched.excused;
            assert!(server != 0 || !was_seen, "the primary does not answer for {apex} any more");
            if server != 0 && watched.until.is_some_and(|until| now >= until) {
                watched.may_go_back = true;
            }
            let early = watched.must_serve(now);
            assert!(server == 0 || !early, "server {server} stops serving {apex} before EXPIRE");
            return;
        };
        let serial = Soa::from_rdata(&rdata).expect("an SOA").serial.0;
        if let (Some(seen), false) = (watched.seen, watched.may_go_back) {
            let forward = serial == seen || is_newer(serial, seen);
            assert!(forward, "server {server}: {apex} went back from {seen} to {serial}");
        }
        if let (1.., Some(until)) = (server, watched.until) {
            assert!(
                now <= until,
                "server {server} serves {apex} {serial} {:?} past EXPIRE",
                now.since(until)
            );
        }
        watched.seen = Some(serial);
        watched.may_go_back = false;
        watched.excused = false;
        let zones = node.running.as_ref().map(|running| &running.world.zones);
        let slot = zones.and_then(|zones| zones.exact(crate::flock::name(apex).as_ref())).cloned();
        let same = match (&slot, &watched.looked_at) {
            (Some(slot), Some(before)) => Arc::ptr_eq(slot, before),
            _ => false,
        };
        if !same {
            watched.looked_at = slot;
            self.look_closely(server, zone, serial, now, node);
        }
    }

    /// What does not change while the same version is shown.
    fn look_closely(&mut self, server: usize, zone: usize, serial: u32, now: Moment, node: &mut Node) {
        let apex = ZONES[zone];
        let mut tokens = BTreeSet::new();
        for owner in TOKEN_NAMES {
            let token = client::token(node, now, owner, zone);
            tokens.insert(token.unwrap_or_else(|| panic!("server {server}: {owner}.{apex} is gone")));
        }
        assert_eq!(tokens.len(), 1, "server {server}: {apex} {serial} is a mix of versions");
        let token = tokens.first().copied().expect("one");
        let digests = &self.published[zone][&serial];
        if server == 0 {
            let digest = self.primary[zone].live_digest().expect("it is published");
            let known = *self.tokens[zone].entry(digest).or_insert(token);
            assert_eq!(token, known, "the primary changed {apex} under serial {serial}");
        } else if let [digest] = digests.iter().collect::<Vec<_>>()[..] {
            assert_eq!(Some(&token), self.tokens[zone].get(digest), "server {server}: {apex} {serial}");
        }
        let given = client::gets_a_transfer(node, now, zone);
        assert!(!given, "server {server} gives {apex} to a stranger");
        self.follow(server, zone, now, node);
    }

    /// The friend of a server asks for what changed since he last did; he misses a version now and then.
    fn follow(&mut self, server: usize, zone: usize, now: Moment, node: &mut Node) {
        let (Some(friend), watched) = (&self.friends[server], &mut self.watched[server][zone]) else {
            return;
        };
        let served = watched.looked_at.as_ref().and_then(|slot| match &slot.state {
            SlotState::Serving { version, .. } => Some(version.clone()),
            SlotState::Loading | SlotState::Expired { .. } | SlotState::Faulted => None,
        });
        let Some(served) = served.filter(|served| !served.serial().0.is_multiple_of(3)) else { return };
        // Nobody can go on from what was lost and made anew with other content (R03).
        let was_once = |base: &Arc<Version>| {
            self.published[zone].get(&base.serial().0).is_some_and(|digests| digests.len() == 1)
        };
        let Some(base) = watched.friend_has.replace(served.clone()).filter(was_once) else { return };
        let (apex, from, to) = (ZONES[zone], base.serial(), served.serial());
        match client::follow_over_udp(node, now, zone, friend, &base) {
            Ok(Answer::Changed { change, .. }) => {
                let same = (change.after.serial(), change.after.digest()) == (to, served.digest());
                assert!(same, "server {server} gives other differences from {apex} {from} to {to}");
            }
            Ok(Answer::Current { serial, .. }) => {
                assert!(
                    (from, serial) == (to, to),
                    "server {server} calls {apex} {from} current, and has {to}"
                );
            }
            // They do not fit a datagram, or are not kept: the rest is done over TCP.
            Ok(Answer::TryTcp { serial, .. }) => {
                assert!(
                    serial.is_none_or(|serial| serial == to),
                    "server {server} shows {apex} {serial:?} for {to}"
                );
            }
            // It may have gone back.
            Err(TransferError::SerialLower { .. } | TransferError::SerialUndefined { .. }) => {
                assert!(!is_newer(to.0, from.0), "server {server} goes back from {apex} {from} to {to}");
            }
            other => panic!("server {server} gives {other:?} for {apex} {from} to {to}"),
        }
    }

    /// What a reader of a server sees: serial and token of a zone.
    pub fn serial_seen(node: &mut Node, now: Moment, zone: usize) -> Option<(Serial, u64)> {
        client::serial_and_token(node, now, zone)
    }
}

impl Watched {
    /// Whether what was looked at last may not be served any more at `tick`.
    fn has_run_out(&self, tick: Tick) -> bool {
        self.looked_at.as_ref().is_some_and(
            |slot| matches!(&slot.state, SlotState::Serving { lease, .. } if !lease.holds_at(tick)),
        )
    }

    /// Whether a secondary has nothing to excuse it for not serving the zone.
    fn must_serve(&self, now: Moment) -> bool {
        let was_seen = self.seen.is_some() && !self.may_go_back && !self.excused;
        was_seen && self.must.is_some_and(|must| now < must)
    }

    fn confirm(&mut self, now: Moment, until: Moment, must: Moment) {
        self.until = Some(until);
        self.confirmed = now;
        self.must = (!self.may_go_back).then_some(must);
    }
}

/// Until when a transfer that was complete then lets a secondary serve (R19).
fn transferred(then: Moment, option: Option<u32>, expire: Duration) -> Moment {
    let left = option.map_or(expire, |left| expire.min(Duration::from_secs(u64::from(left))));
    then.after(left)
}

/// RFC 1982 §3.2, in words of its own: the observer does not believe what it observes.
fn is_newer(serial: u32, than: u32) -> bool {
    let ahead = serial.wrapping_sub(than);
    ahead != 0 && ahead < 1 << 31
}
