//! What must hold after every step, seen from outside through `serve()` (DESIGN's invariants).
//!
//! 1. A reader sees one whole version, and it is one that the primary published.
//! 2. What was published is there after a crash, unless its receipt said that it may be lost.
//! 3. For a reader of one server no serial goes backwards, but after an expiry.
//! 4. A primary that answered once goes on answering, whatever happens to its file.
//! 5. Nothing is served past EXPIRE.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bellwether::dns::message::{Question, Reader, Scratch, Writer};
use bellwether::dns::soa::Soa;
use bellwether::dns::{Class, OpCode, RecordType, ResponseCode, Serial};
use bellwether::engine::shard::{Action, Event};
use bellwether::ident::{Transport, ZoneId};
use bellwether::serve::{Outcome, serve};
use bellwether::trace::Silent;
use bellwether::transfer::incoming::Answer;
use bellwether::zone::{SlotState, Version};

use crate::editor::{TIMERS, TOKEN_NAMES};
use crate::flock::{ZONES, name};
use crate::node::{Node, Start};
use crate::queue::Moment;

const EXPIRE: Duration = Duration::from_secs(TIMERS.2 as u64);

/// What is known of one zone on one server.
#[derive(Clone, Debug, Default)]
struct Watched {
    /// What a reader saw last.
    seen: Option<Serial>,
    /// What has a receipt, by serial and digest.
    written: BTreeSet<(u32, u128)>,
    /// It may have gone back: an expiry, or a volatile version and a crash.
    may_go_back: bool,
    /// Until when a secondary may serve.
    until: Option<Moment>,
    /// A transfer that is not published yet: when it was complete, and its EXPIRE option.
    transferred: Option<(Moment, Option<u32>)>,
}

/// The observer of a flock.
pub struct Observer {
    watched: Vec<Vec<Watched>>,
    /// What the primary published: by zone and serial, the digests.
    published: Vec<BTreeMap<u32, BTreeSet<u128>>>,
    /// The token of each.
    tokens: Vec<BTreeMap<u128, u64>>,
    /// Serials that the primary may have to publish again with other content (R03).
    losable: BTreeSet<(usize, u32)>,
}

impl Observer {
    /// An observer of so many servers.
    pub fn new(servers: usize) -> Observer {
        Observer {
            watched: vec![vec![Watched::default(); ZONES.len()]; servers],
            published: vec![BTreeMap::new(); ZONES.len()],
            tokens: vec![BTreeMap::new(); ZONES.len()],
            losable: BTreeSet::new(),
        }
    }

    /// The newest serial that the primary ever published.
    pub fn newest(&self, zone: usize) -> Serial {
        let serials = self.published[zone].keys().map(|&serial| Serial(serial));
        serials.reduce(Serial::newest).unwrap_or_default()
    }

    /// A write ended.
    pub fn written(&mut self, server: usize, zone: ZoneId, version: &Version, durable: bool) {
        let serial = version.serial().0;
        self.watched[server][zone.0 as usize].written.insert((serial, version.digest().0));
        if server == 0 && !durable {
            self.losable.insert((zone.0 as usize, serial));
        }
    }

    /// An event is about to reach a shard: an answer may confirm what a secondary has (R18, R19).
    pub fn told(&mut self, server: usize, now: Moment, event: &Event) {
        let Event::Answered(zone, _, Ok(answer)) = event else { return };
        let watched = &mut self.watched[server][zone.0 as usize];
        let full = now.after(EXPIRE);
        match answer {
            Answer::Soa { serial, expire } | Answer::Current { serial, expire }
                if watched.seen == Some(*serial) =>
            {
                let option = expire.map(|left| now.after(Duration::from_secs(u64::from(left))));
                let until = option.map_or(full, |option| watched.until.map_or(option, |had| had.max(option)));
                watched.until = Some(until.min(full));
            }
            Answer::TryTcp { serial: Some(serial) } if watched.seen == Some(*serial) => {
                watched.until = Some(full);
            }
            Answer::Changed { expire, .. } => watched.transferred = Some((now, *expire)),
            Answer::Soa { .. } | Answer::Current { .. } | Answer::TryTcp { .. } | Answer::NotifyAck => {}
        }
    }

    /// What a shard wants done.
    pub fn acted(&mut self, server: usize, now: Moment, actions: &[Action]) {
        for action in actions {
            let Action::Publish(_, Some(slot)) = action else { continue };
            let zone = slot.id.0 as usize;
            match &slot.state {
                SlotState::Serving { version, .. } => self.publishes(server, zone, now, version),
                SlotState::Expired => self.watched[server][zone].may_go_back = true,
                SlotState::Loading | SlotState::Faulted => {}
            }
        }
    }

    fn publishes(&mut self, server: usize, zone: usize, now: Moment, version: &Arc<Version>) {
        let (serial, digest) = (version.serial().0, version.digest().0);
        let watched = &mut self.watched[server][zone];
        let has_receipt = watched.written.contains(&(serial, digest));
        assert!(has_receipt, "server {server} publishes {} {serial} before it is written", ZONES[zone]);
        if let Some((_, expire)) = watched.transferred.take() {
            watched.until = Some(transferred(now, expire));
        }
        let digests = self.published[zone].entry(serial).or_default();
        if server == 0 {
            let known = digests.is_empty() || digests.contains(&digest);
            let allowed = known || self.losable.contains(&(zone, serial));
            assert!(allowed, "{} {serial} is published twice with different content", ZONES[zone]);
            digests.insert(digest);
        }
        let genuine = digests.contains(&digest);
        assert!(genuine, "server {server} publishes {} {serial}, which never existed so", ZONES[zone]);
    }

    /// A server goes down; zones whose last version is only in memory may lose it.
    pub fn crashes(&mut self, server: usize, node: &Node) {
        let Some(running) = &node.running else { return };
        for (zone, watched) in self.watched[server].iter_mut().enumerate() {
            watched.may_go_back |= running.keeper.is_volatile(ZoneId(zone as u32));
            if let Some((then, expire)) = watched.transferred.take() {
                // It may be written, and is then served after the start.
                watched.until = watched.until.max(Some(transferred(then, expire)));
            }
        }
    }

    /// A server started: what it had published must be there.
    pub fn starts(&mut self, server: usize, now: Moment, node: &Node, start: &Start) {
        for (zone, version) in &start.recovered {
            let watched = &mut self.watched[server][zone.0 as usize];
            let has = version.as_ref().map(|version| version.serial());
            let apex = ZONES[zone.0 as usize];
            if let (Some(seen), false) = (watched.seen, watched.may_go_back) {
                let kept = has.is_some_and(|has| has == seen || has.is_newer_than(seen));
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
                watched.until = Some(now.after(EXPIRE));
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
        let answer = ask(node, now, apex, RecordType::SOA);
        let watched = &mut self.watched[server][zone];
        let Some(rdata) = answer else {
            let was_seen = server == 0 && watched.seen.is_some() && !watched.may_go_back;
            assert!(!was_seen, "the primary does not answer for {apex} any more");
            if server != 0 && watched.until.is_some_and(|until| now >= until) {
                watched.may_go_back = true;
            }
            return;
        };
        let serial = Soa::from_rdata(&rdata).expect("an SOA").serial;
        if let (Some(seen), false) = (watched.seen, watched.may_go_back) {
            let forward = serial == seen || serial.is_newer_than(seen);
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
        self.tokens_fit(server, zone, serial, now, node);
    }

    fn tokens_fit(&mut self, server: usize, zone: usize, serial: Serial, now: Moment, node: &mut Node) {
        let apex = ZONES[zone];
        let mut tokens = BTreeSet::new();
        for owner in TOKEN_NAMES {
            let rdata = ask(node, now, &format!("{owner}.{apex}"), RecordType::TXT);
            let rdata = rdata.unwrap_or_else(|| panic!("server {server}: {owner}.{apex} is gone"));
            let text = std::str::from_utf8(&rdata[1..]).expect("a number");
            tokens.insert(text.parse::<u64>().expect("a number"));
        }
        assert_eq!(tokens.len(), 1, "server {server}: {apex} {serial} is a mix of versions");
        let token = tokens.first().copied().expect("one");
        let digests = &self.published[zone][&serial.0];
        if server == 0 {
            let digest = *digests.last().expect("it was published");
            let known =
                if digests.len() == 1 { *self.tokens[zone].entry(digest).or_insert(token) } else { token };
            assert_eq!(token, known, "the primary changed {apex} under serial {serial}");
        } else if let [digest] = digests.iter().collect::<Vec<_>>()[..] {
            assert_eq!(Some(&token), self.tokens[zone].get(digest), "server {server}: {apex} {serial}");
        }
    }

    /// What a reader of a server sees: serial and token of a zone.
    pub fn serial_seen(node: &mut Node, now: Moment, zone: usize) -> Option<(Serial, u64)> {
        let soa = ask(node, now, ZONES[zone], RecordType::SOA)?;
        let token = ask(node, now, &format!("{}.{}", TOKEN_NAMES[0], ZONES[zone]), RecordType::TXT)?;
        let token = std::str::from_utf8(&token[1..]).ok()?.parse().ok()?;
        Some((Soa::from_rdata(&soa)?.serial, token))
    }
}

/// Until when a transfer that was complete then lets a secondary serve (R19).
fn transferred(then: Moment, expire: Option<u32>) -> Moment {
    let left = expire.map_or(EXPIRE, |left| EXPIRE.min(Duration::from_secs(u64::from(left))));
    then.after(left)
}

/// Asks as a stranger would; the RDATA of the first record of the answer.
fn ask(node: &mut Node, moment: Moment, owner: &str, qtype: RecordType) -> Option<Vec<u8>> {
    let now = node.now(moment);
    let running = node.running.as_mut()?;
    let mut request = [0; 512];
    let owner = name(owner);
    let question = Question { name: owner.as_ref(), qtype, qclass: Class::IN };
    let length = Writer::request(&mut request, 7, OpCode::Query, question).finish();
    let mut out = [0; 2048];
    let stranger = "198.51.100.1:4000".parse().expect("an address");
    let (world, worker) = (&running.world, &mut running.worker);
    let outcome =
        serve(&request[..length], stranger, Transport::Udp, now, world, worker, &mut out, &mut Silent);
    let Outcome::Reply(length) = outcome else { panic!("a query gets a reply, not {outcome:?}") };
    let mut reply = Reader::new(&out[..length]).expect("a good reply");
    if reply.rcode() != ResponseCode::NoError {
        return None;
    }
    let mut scratch = Scratch::new();
    let record = reply.next_record(&mut scratch).expect("a good record");
    record.filter(|(.., record)| record.rtype == qtype).map(|(.., record)| record.rdata.to_vec())
}
