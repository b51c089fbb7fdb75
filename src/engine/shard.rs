//! Many zones on one thread: a map, a wheel of deadlines, events in, actions out.
//!
//! A shard never waits and reads no clock. The same shards run on real threads and in the
//! simulator. A zone that panics is caught by the driver, marked faulted and goes on being served
//! as it is (invariant 7).

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::intake::Intake;
use super::setup::{Settings, ZoneSetup};
use super::status::ZoneStatus;
use super::wheel::{Place, Wheel};
use super::zone::Zone;
use crate::config::SerialPolicy;
use crate::dns::{Name, Serial};
use crate::ident::{Attempt, PeerId, ZoneId};
use crate::reason::Reason;
use crate::serve::Observation;
use crate::store::{BodyWrite, Receipt, RecoveredZone, ZoneMeta, ZoneWrite};
use crate::time::{Now, Tick};
use crate::transfer::incoming::{Answer, Ask, TransferError};
use crate::zone::checks::Review;
use crate::zone::zonemd::Flaw;
use crate::zone::{Demands, Slot, Version};

/// When a zone that panicked at its deadline is tried again.
const AFTER_PANIC: Duration = Duration::from_secs(60);

/// Each zone counts its requests and writes within so many bits.
const LIFE_BITS: u32 = 44;

/// Links a write to its receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// Links a command to its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub u64);

/// What an operator asks of one zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Read the file again; `force` takes one that was held back (R12).
    Reload {
        /// Whether a file that rollback rejected is taken.
        force: bool,
    },
    /// Publish the version that the guard holds.
    Confirm(Serial),
    /// Publish the content of an earlier serial under a new one.
    Rollback(Serial),
    /// Ask the primaries now.
    Refresh,
    /// Transfer the whole zone now, whatever the serials say.
    Retransfer,
}

/// A zone file that was read and compared.
#[derive(Debug)]
pub struct FileRead {
    /// BLAKE3 of the file.
    pub hash: [u8; 32],
    /// The file and all that it includes, for the watcher.
    pub files: Vec<PathBuf>,
    /// What it means.
    pub intake: Intake,
    /// Warnings, rendered.
    pub warnings: Vec<String>,
    /// What the checks found of the version that this makes, or leaves live.
    pub review: Option<Arc<Review>>,
}

/// Why a zone file gave no version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFault {
    /// The cause.
    pub reason: Reason,
    /// The message, with file, line, column and caret where it has them.
    pub text: String,
    /// The file and what it includes, as far as they were reached: watched all the same, so that a
    /// mended include is noticed.
    pub files: Vec<PathBuf>,
}

/// What a shard is told.
#[derive(Debug)]
pub enum Event {
    /// A zone is new, or its setup changed; with what the store had of it.
    Configure(Arc<ZoneSetup>, Option<Box<RecoveredZone>>),
    /// A zone goes, and its state with it; whoever asks for it is answered when that is on disk.
    Remove(ZoneId, Option<Token>),
    /// What is stored of a zone that is not configured goes; answered when that is on disk.
    Discard(Name, Token),
    /// The zone file changed on disk.
    FileChanged(ZoneId),
    /// The zone file has been gone for long enough to say so (R09).
    FileVanished(ZoneId),
    /// The end of a `ReadFile` or `RollBack`.
    Read(ZoneId, Attempt, Result<FileRead, FileFault>),
    /// The end of a `Verify`.
    Verified(ZoneId, Attempt, Result<(), Flaw>),
    /// A write ended. The sentence says why a receipt is volatile.
    Synced(ZoneId, Ticket, Receipt, Option<String>),
    /// A NOTIFY that policy let pass.
    Notify {
        /// For this zone.
        zone: ZoneId,
        /// From this primary.
        from: PeerId,
        /// With this serial.
        serial: Option<Serial>,
    },
    /// The end of an `Ask`.
    Answered(ZoneId, Attempt, Result<Answer, TransferError>),
    /// The end of a `FindServers`: where the name servers of the zone are, but for ourselves.
    Servers(ZoneId, Vec<PeerId>),
    /// A configured peer asked something about a zone.
    Observed(Observation),
    /// A transfer to a secondary was sent to its end.
    Delivered(ZoneId, PeerId, Serial),
    /// An operator's command.
    Command(ZoneId, Command, Token),
    /// What was volatile is on disk now (R03).
    Durable(ZoneId),
    /// The store began anew: write the zone whole.
    Rewrite(ZoneId),
    /// A deadline may have passed.
    Tick,
    /// The server stops: what is not written yet of any zone is written now.
    Stop,
}

impl Event {
    /// The zone that it is about; `None` if it is about all.
    pub fn zone(&self) -> Option<ZoneId> {
        match self {
            Event::Configure(setup, _) => Some(setup.id),
            Event::Observed(seen) => Some(seen.zone),
            Event::Discard(..) => Some(ZoneId::NOBODY),
            Event::Remove(zone, _)
            | Event::FileChanged(zone)
            | Event::FileVanished(zone)
            | Event::Read(zone, ..)
            | Event::Verified(zone, ..)
            | Event::Synced(zone, ..)
            | Event::Notify { zone, .. }
            | Event::Answered(zone, ..)
            | Event::Servers(zone, _)
            | Event::Delivered(zone, ..)
            | Event::Command(zone, ..)
            | Event::Durable(zone)
            | Event::Rewrite(zone) => Some(*zone),
            Event::Tick | Event::Stop => None,
        }
    }
}

/// A request that the driver carries out; it reports back exactly once, with `Event::Answered`.
#[derive(Debug)]
pub struct Job {
    /// For this zone.
    pub zone: ZoneId,
    /// With this number.
    pub attempt: Attempt,
    /// To this peer; the driver knows its address and key.
    pub peer: PeerId,
    /// What is asked.
    pub ask: Ask,
}

/// A zone file to read.
#[derive(Debug)]
pub struct FileJob {
    /// For this zone.
    pub zone: ZoneId,
    /// With this number.
    pub attempt: Attempt,
    /// The zone's apex.
    pub apex: Name,
    /// The file.
    pub file: PathBuf,
    /// R11.
    pub policy: SerialPolicy,
    /// What it is compared with.
    pub live: Option<Arc<Version>>,
    /// The newest serial ever published.
    pub floor: Option<Serial>,
    /// A file with this hash is held back (R12).
    pub rejected: Option<[u8; 32]>,
    /// What the checks found of the version that was read last.
    pub review: Option<Arc<Review>>,
    /// What the version must be like.
    pub demands: Demands,
}

/// An earlier version to bring back.
#[derive(Debug)]
pub struct RollbackJob {
    /// For this zone.
    pub zone: ZoneId,
    /// With this number.
    pub attempt: Attempt,
    /// The serial whose content is wanted.
    pub to: Serial,
    /// The version that is live.
    pub live: Arc<Version>,
    /// What the version must be like.
    pub demands: Demands,
}

/// A version that is served, to be verified by its ZONEMD.
#[derive(Debug)]
pub struct VerifyJob {
    /// Of this zone.
    pub zone: ZoneId,
    /// With this number.
    pub attempt: Attempt,
    /// The version.
    pub version: Arc<Version>,
    /// By what.
    pub demands: Demands,
}

impl VerifyJob {
    /// Walks over the whole zone, and says so to the shard.
    pub fn carry_out(self) -> Event {
        Event::Verified(self.zone, self.attempt, self.demands.zonemd.check(&self.version))
    }
}

/// What a shard wants done.
#[derive(Debug)]
pub enum Action {
    /// Write, then say so with `Event::Synced`.
    Journal(ZoneId, Ticket, ZoneWrite),
    /// Show this slot to the workers; `None` takes the zone away.
    Publish(Name, Option<Arc<Slot>>),
    /// Read a zone file.
    ReadFile(FileJob),
    /// Rebuild an earlier version.
    RollBack(RollbackJob),
    /// Verify a version that is served.
    Verify(VerifyJob),
    /// Watch these files for this zone; none any more if there are none.
    Watch(ZoneId, Vec<PathBuf>),
    /// Ask a peer.
    Ask(Job),
    /// Look up the addresses of these name servers of the zone in the zones that are served here, and
    /// say so with `Event::Servers`.
    FindServers(ZoneId, Vec<Name>),
    /// Stop asking.
    Cancel(ZoneId, Attempt),
    /// The zone's new status.
    Status(ZoneId, Arc<ZoneStatus>),
    /// A command is done.
    Done(Token, Result<String, String>),
    /// Something for the log, and which peer it is about, if it is about one.
    Note(ZoneId, Reason, Option<PeerId>, String),
    /// The zone is gone: forget its status.
    Forgotten(ZoneId),
}

/// The zones of one thread.
pub struct Shard {
    settings: Arc<Settings>,
    zones: HashMap<ZoneId, (Box<Zone>, Place)>,
    wheel: Wheel,
    /// Removals that are being written, with who waits for them.
    leaving: HashMap<(ZoneId, Ticket), Token>,
    /// Zones that began so far. Each has numbers of its own, so that what comes late for one that was
    /// removed is not taken for an answer to the one that was configured anew.
    lives: u64,
}

impl Shard {
    /// A shard without zones.
    pub fn new(settings: Settings) -> Shard {
        Shard {
            settings: Arc::new(settings),
            zones: HashMap::new(),
            wheel: Wheel::default(),
            leaving: HashMap::new(),
            lives: 0,
        }
    }

    /// Takes one event and says what is to be done.
    pub fn handle(&mut self, now: Now, event: Event, out: &mut Vec<Action>) {
        let zone = match event {
            Event::Tick => return self.tick(now, out),
            Event::Stop => return self.zones.values_mut().for_each(|(zone, _)| zone.stop(now, out)),
            Event::Configure(setup, recovered) => {
                let id = setup.id;
                match self.zones.get_mut(&id) {
                    Some((zone, _)) => zone.reconfigure(now, setup, out),
                    None => {
                        let (first, recovered) = (self.first_number(), recovered.map(|zone| *zone));
                        let zone = Zone::start(now, &self.settings, setup, recovered, first, out);
                        self.zones.insert(id, (Box::new(zone), Place::default()));
                    }
                }
                id
            }
            Event::Remove(id, token) => return self.remove(id, token, out),
            Event::Discard(apex, token) => {
                let ticket = Ticket(self.first_number());
                self.leaving.insert((ZoneId::NOBODY, ticket), token);
                let write = ZoneWrite { apex, body: BodyWrite::Forget, meta: ZoneMeta::default() };
                return out.push(Action::Journal(ZoneId::NOBODY, ticket, write));
            }
            Event::FileChanged(id) => self.with(id, |zone| zone.file_changed(out)),
            Event::FileVanished(id) => self.with(id, |zone| zone.file_vanished(out)),
            Event::Read(id, attempt, result) => self.with(id, |zone| zone.read(now, attempt, result, out)),
            Event::Verified(id, attempt, verdict) => {
                self.with(id, |zone| zone.verified(attempt, verdict, out))
            }
            Event::Synced(id, ticket, receipt, why) => {
                if let Some(token) = self.leaving.remove(&(id, ticket)) {
                    return out.push(Action::Done(token, removed(receipt, why)));
                }
                self.with(id, |zone| zone.synced(now, ticket, receipt, why, out))
            }
            Event::Notify { zone: id, from, serial } => {
                self.with(id, |zone| zone.notified(now, from, serial, out))
            }
            Event::Answered(id, attempt, result) => {
                self.with(id, |zone| zone.answered(now, attempt, result, out))
            }
            Event::Servers(id, peers) => self.with(id, |zone| zone.servers_found(now, peers, out)),
            Event::Observed(seen) => self.with(seen.zone, |zone| zone.observed(now, seen, out)),
            Event::Delivered(id, peer, serial) => {
                self.with(id, |zone| zone.delivered(now, peer, serial, out))
            }
            Event::Durable(id) => self.with(id, Zone::now_durable),
            Event::Rewrite(id) => self.with(id, |zone| zone.rewrite(now, out)),
            Event::Command(id, command, token) => {
                if !self.zones.contains_key(&id) {
                    out.push(Action::Done(token, Err(String::from("no such zone"))));
                }
                self.with(id, |zone| zone.command(now, command, token, out))
            }
        };
        self.settle(now, zone, out);
    }

    /// When [`Event::Tick`] is due next.
    pub fn deadline(&self) -> Option<Tick> {
        self.wheel.first().map(|(tick, _)| tick)
    }

    /// The first number of a zone that begins.
    fn first_number(&mut self) -> u64 {
        self.lives += 1;
        self.lives << LIFE_BITS
    }

    fn remove(&mut self, id: ZoneId, token: Option<Token>, out: &mut Vec<Action>) {
        match (self.zones.remove(&id), token) {
            (Some((zone, _)), token) => {
                let ticket = zone.remove(out);
                out.push(Action::Forgotten(id));
                self.leaving.extend(token.map(|token| ((id, ticket), token)));
            }
            (None, Some(token)) => out.push(Action::Done(token, Err(String::from("no such zone")))),
            (None, None) => {}
        }
        self.turn();
    }

    fn with(&mut self, id: ZoneId, act: impl FnOnce(&mut Zone)) -> ZoneId {
        if let Some((zone, _)) = self.zones.get_mut(&id) {
            act(zone);
        }
        id
    }

    fn tick(&mut self, now: Now, out: &mut Vec<Action>) {
        while let Some((tick, id)) = self.wheel.first()
            && tick <= now.tick
        {
            // Should the zone panic, it does not hold the wheel: the others get their turn.
            self.arm(id, Some(now.tick + AFTER_PANIC));
            self.with(id, |zone| zone.tick(now, out));
            self.settle(now, id, out);
            if self.zones.get(&id).and_then(|(zone, _)| zone.deadline()).is_some_and(|due| due <= now.tick) {
                // A machine whose deadline does not move would spin: come back a moment later.
                self.arm(id, Some(Tick(now.tick.0 + 1)));
            }
        }
    }

    /// After each event: the status if it changed, and the next deadline.
    fn settle(&mut self, now: Now, id: ZoneId, out: &mut Vec<Action>) {
        if let Some((zone, place)) = self.zones.get_mut(&id) {
            zone.gather_news(now);
            out.extend(zone.changed_status(now).map(|status| Action::Status(id, status)));
            self.wheel.arm(id, place, zone.deadline());
        }
        self.turn();
    }

    fn arm(&mut self, id: ZoneId, due: Option<Tick>) {
        if let Some((_, place)) = self.zones.get_mut(&id) {
            self.wheel.arm(id, place, due);
        }
        self.turn();
    }

    /// Has the wheel show the next deadline.
    fn turn(&mut self) {
        self.wheel.settle(&mut self.zones, |zones, id| zones.get_mut(&id).map(|(_, place)| place));
    }
}

/// What is told of a removal that was written.
fn removed(receipt: Receipt, why: Option<String>) -> Result<String, String> {
    if receipt.is_durable() {
        return Ok(String::from("its state is deleted"));
    }
    let why = why.unwrap_or_else(|| String::from("the disk refuses"));
    Err(format!("its state is still on the disk: {why}; it is deleted when the disk works again"))
}
