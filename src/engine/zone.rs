//! One zone of a shard: its live version, its commit under way, its source and its flock.
//!
//! [`mod@file`] is the source of a primary, [`mod@follow`] that of a secondary; both end in [`Zone::propose`].
//! Invariant: `live` is what the workers were last told to serve.

mod file;
mod follow;
mod loss;
mod memory;
mod proposal;
mod report;
mod servers;
mod verification;

use std::sync::Arc;

use super::commit::{Checked, Origin, Proposed, timers};
use super::setup::{Role, Settings, ZoneSetup};
use super::shard::{Action, Command, Job, Ticket, Token};
use super::status::{LastTransfer, Problem, ZoneStatus};
use crate::dns::Serial;
use crate::ident::{Attempt, PeerId};
use crate::reason::Reason;
use crate::replica::flock::{self, Flock};
use crate::replica::follow::Follow;
use crate::serve::{Asked, Observation};
use crate::store::{BodyWrite, RecoveredZone, ZoneMeta, ZoneWrite};
use crate::time::{Now, Tick};
use crate::transfer::incoming::{Answer, TransferError};
use crate::zone::{Lease, Slot, SlotState, Version};
use file::FileSource;
use memory::Memory;
use servers::Servers;
use verification::Verification;

/// The flock's attempts have the top bit, the source's do not.
const FLOCK_ATTEMPTS: u64 = 1 << 63;

/// Where content comes from, with the state of that.
enum Source {
    File(FileSource),
    Primaries { follow: Box<Follow>, fetching: Option<follow::Fetching> },
}

/// What the workers were told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Loading,
    Serving,
    Expired,
    Faulted,
}

/// A write under way: its ticket, and the version with the meta from before if it has one.
type UnderWay = (Ticket, Option<Box<(Checked, ZoneMeta)>>);

/// One zone.
pub(super) struct Zone {
    settings: Arc<Settings>,
    setup: Arc<ZoneSetup>,
    live: Option<Arc<Version>>,
    shown: Shown,
    lease: Lease,
    meta: ZoneMeta,
    durable: bool,
    /// The write under way, and the version that becomes public with its receipt, with the meta that
    /// holds again if the disk refuses it.
    commit: Option<UnderWay>,
    /// The meta changed since it was last written.
    unsaved: bool,
    held: Option<Box<Proposed>>,
    source: Source,
    flock: Flock,
    servers: Servers,
    memory: Memory,
    verification: Verification,
    problem: Option<Arc<Problem>>,
    /// What the store had lost at the start, until a version makes up for it (R01).
    damage: Option<Arc<Problem>>,
    last_transfer: Option<Arc<LastTransfer>>,
    next_ticket: u64,
    /// Commands that wait for the end of what they started.
    waiting: Vec<Token>,
    told: Option<Arc<ZoneStatus>>,
}

impl Zone {
    /// A zone begins: what the store had of it is served at once (R02, p85), then its source starts.
    /// All that it numbers has numbers from `first` on.
    pub(super) fn start(
        now: Now,
        settings: &Arc<Settings>,
        setup: Arc<ZoneSetup>,
        recovered: Option<RecoveredZone>,
        first: u64,
        out: &mut Vec<Action>,
    ) -> Zone {
        let lost = loss::is_lost(recovered.as_ref());
        let mut zone = Zone {
            settings: settings.clone(),
            live: None,
            shown: Shown::Loading,
            lease: Lease::forever(),
            meta: ZoneMeta::default(),
            durable: true,
            commit: None,
            unsaved: false,
            held: None,
            source: Source::File(FileSource::default()),
            flock: Flock::new(&setup.notify, FLOCK_ATTEMPTS + first),
            servers: Servers::default(),
            memory: Memory::default(),
            verification: Verification::default(),
            problem: None,
            damage: None,
            last_transfer: None,
            next_ticket: first,
            waiting: Vec::new(),
            told: None,
            setup,
        };
        if let Some(recovered) = recovered {
            zone.live = recovered.version;
            zone.meta = recovered.meta;
            if let Some((reason, text)) = recovered.problem {
                zone.damage = Some(Arc::new(Problem::new(reason, text.clone())));
                out.push(Action::Note(zone.setup.id, reason, None, text));
            }
        }
        zone.recall_all(now);
        zone.meta.role = zone.role_code();
        zone.begin(now, out);
        zone.verify_live(None, out);
        if lost {
            zone.ask_secondaries(now, out);
        }
        zone.call_flock(now, out);
        zone.find_servers(now, out);
        zone
    }

    /// The setup changed; what is served stays.
    pub(super) fn reconfigure(&mut self, now: Now, setup: Arc<ZoneSetup>, out: &mut Vec<Action>) {
        if self.setup == setup {
            return;
        }
        let notify_changed = self.setup.notify != setup.notify || self.setup.notify_ns != setup.notify_ns;
        let source_changed = self.setup.role != setup.role || self.setup.demands != setup.demands;
        self.setup = setup;
        if notify_changed {
            self.secondaries_changed(now, out);
        }
        if source_changed {
            // What is known of the primaries goes from one machine to the next.
            self.remember(now);
            self.meta.role = self.role_code();
            self.begin(now, out);
            self.verify_live(None, out);
        }
    }

    /// The zone goes, and its state with it: by the write with this ticket.
    pub(super) fn remove(mut self, out: &mut Vec<Action>) -> Ticket {
        self.answer_waiting(Err(String::from("the zone was removed")), out);
        out.push(Action::Watch(self.setup.id, Vec::new()));
        out.push(Action::Publish(self.setup.apex.clone(), None));
        let ticket = self.ticket();
        let write = ZoneWrite { apex: self.setup.apex.clone(), body: BodyWrite::Forget, meta: self.meta };
        out.push(Action::Journal(self.setup.id, ticket, write));
        ticket
    }

    /// A deadline may have passed.
    pub(super) fn tick(&mut self, now: Now, out: &mut Vec<Action>) {
        self.drive_flock(now, flock::Event::Tick, out);
        self.find_servers_if_due(now, out);
        self.write_news_if_due(now, out);
        match self.source {
            Source::File(_) => {
                self.retry_file(now, out);
                self.conclude_asking(now, out);
            }
            Source::Primaries { .. } => self.drive(now, crate::replica::follow::Event::Tick, out),
        }
    }

    /// The earliest deadline of the zone's machines.
    pub(super) fn deadline(&self) -> Option<Tick> {
        let source = match &self.source {
            Source::File(file) => file.deadline(),
            Source::Primaries { follow, .. } => follow.deadline(),
        };
        [self.flock.deadline(), self.servers.deadline(), self.memory_deadline(), source]
            .into_iter()
            .flatten()
            .min()
    }

    /// An operator's command.
    pub(super) fn command(&mut self, now: Now, command: Command, token: Token, out: &mut Vec<Action>) {
        use crate::replica::follow::Event;
        let done = |result: Result<&str, &str>, out: &mut Vec<Action>| {
            out.push(Action::Done(token, result.map(String::from).map_err(String::from)));
        };
        match (&mut self.source, command) {
            (Source::File(file), Command::Reload { force }) => {
                file.force |= force;
                self.waiting.push(token);
                self.read_file(out);
            }
            (Source::Primaries { .. }, Command::Reload { .. } | Command::Refresh) => {
                self.drive(now, Event::Refresh, out);
                done(Ok("the primaries are being asked"), out);
            }
            (Source::Primaries { .. }, Command::Retransfer) => {
                self.drive(now, Event::Retransfer, out);
                done(Ok("the zone is being transferred anew"), out);
            }
            (Source::File(_), Command::Refresh | Command::Retransfer) => {
                done(Err("this zone is a primary: it has a file, no primaries"), out);
            }
            (_, Command::Confirm(serial)) => match self.held.take() {
                Some(mut proposed) if proposed.change.after.serial() == serial => {
                    self.waiting.push(token);
                    if let (Origin::Transfer { expire, .. }, Source::Primaries { follow, .. }) =
                        (&mut proposed.origin, &self.source)
                    {
                        // An operator's word is not a primary's: the deadline stays (R18).
                        *expire = follow.expires().map(|at| at.since(now.tick).as_secs() as u32);
                    }
                    self.propose(now, *proposed, true, out);
                }
                other => {
                    self.held = other;
                    done(Err("no version with this serial is held"), out);
                }
            },
            (Source::File(_), Command::Rollback(to)) => self.roll_back(to, token, out),
            (Source::Primaries { .. }, Command::Rollback(_)) => {
                done(Err("a secondary follows its primary: roll back there"), out);
            }
        }
    }

    /// A configured peer asked something.
    pub(super) fn observed(&mut self, now: Now, seen: Observation, out: &mut Vec<Action>) {
        let shown = match seen.asked {
            Asked::Ixfr(serial) => Some(serial),
            Asked::Soa | Asked::Axfr => None,
        };
        self.drive_flock(now, flock::Event::Asked(seen.peer, shown), out);
    }

    /// A transfer to a secondary was sent to its end.
    pub(super) fn delivered(&mut self, now: Now, peer: PeerId, serial: Serial, out: &mut Vec<Action>) {
        self.drive_flock(now, flock::Event::Delivered(peer, serial), out);
    }

    /// A request ended: to the flock or to the source, by its number.
    pub(super) fn answered(
        &mut self,
        now: Now,
        attempt: Attempt,
        result: Result<Answer, TransferError>,
        out: &mut Vec<Action>,
    ) {
        if attempt.0 < FLOCK_ATTEMPTS {
            return self.source_answered(now, attempt, result, out);
        }
        let event = match result {
            Ok(Answer::NotifyAck) => flock::Event::Acknowledged(attempt),
            Ok(Answer::Soa { serial, .. } | Answer::Current { serial, .. }) => {
                flock::Event::Shown(attempt, serial)
            }
            Ok(Answer::TryTcp { .. } | Answer::Changed { .. }) => {
                flock::Event::Unanswered(attempt, String::from("the answer is of another kind"))
            }
            Err(error) => flock::Event::Unanswered(attempt, error.to_string()),
        };
        self.drive_flock(now, event, out);
    }

    /// Tells the flock what is served: at a start, since a crash may have come between a version and
    /// its NOTIFY, and when the flock is another one. Who is known to have it hears nothing.
    fn call_flock(&mut self, now: Now, out: &mut Vec<Action>) {
        let Some(live) = self.live.clone().filter(|_| self.shown == Shown::Serving) else { return };
        let refresh = std::time::Duration::from_secs(u64::from(timers(&live).refresh));
        let event = flock::Event::Serving { serial: live.serial(), refresh };
        self.drive_flock(now, event, out);
    }

    fn drive_flock(&mut self, now: Now, event: flock::Event, out: &mut Vec<Action>) {
        let mut actions = Vec::new();
        self.flock.handle(now.tick, event, &mut actions);
        let Some(live) = &self.live else { return };
        for action in actions {
            let (attempt, peer, ask) = match action {
                flock::Action::SendNotify(attempt, peer) => {
                    (attempt, peer, follow::notify(&self.setup.apex, live))
                }
                flock::Action::Probe(attempt, peer) => {
                    (attempt, peer, follow::soa(&self.setup.apex, live.key()))
                }
            };
            out.push(Action::Ask(Job { zone: self.setup.id, attempt, peer, ask }));
        }
    }

    /// Shows the workers what the zone is now, without a new version.
    fn show(&mut self, shown: Shown, out: &mut Vec<Action>) {
        self.shown = shown;
        let state = match (shown, &self.live) {
            (Shown::Serving, Some(live)) => {
                SlotState::Serving { version: live.clone(), lease: self.lease.clone() }
            }
            (Shown::Expired, live) => SlotState::Expired { serial: live.as_ref().map(|live| live.serial()) },
            (Shown::Faulted, _) => SlotState::Faulted,
            (Shown::Loading | Shown::Serving, _) => SlotState::Loading,
        };
        let slot = Slot { id: self.setup.id, apex: self.setup.apex.clone(), state };
        out.push(Action::Publish(self.setup.apex.clone(), Some(Arc::new(slot))));
    }

    /// Nothing is wrong with the zone any more.
    fn sound(&mut self) {
        self.problem = None;
        self.damage = None;
    }

    fn fault(&mut self, reason: Reason, text: &str, out: &mut Vec<Action>) {
        self.fault_of(None, reason, text, out);
    }

    /// A fault that came of what this primary sent, or did not.
    fn fault_of(&mut self, peer: Option<PeerId>, reason: Reason, text: &str, out: &mut Vec<Action>) {
        let problem = Problem { peer: peer.map(|peer| peer.0), ..Problem::new(reason, text) };
        self.problem = Some(Arc::new(problem));
        out.push(Action::Note(self.setup.id, reason, peer, text.into()));
    }

    /// Writes the meta; while a write is under way it waits for that one's receipt.
    fn save(&mut self, now: Now, out: &mut Vec<Action>) {
        self.unsaved = true;
        if self.commit.is_none() {
            self.save_if_unsaved(now, out);
        }
    }

    fn save_if_unsaved(&mut self, now: Now, out: &mut Vec<Action>) {
        if !std::mem::take(&mut self.unsaved) {
            return;
        }
        self.remember(now);
        let ticket = self.ticket();
        self.commit = Some((ticket, None));
        let body = self.body_of_save(now);
        let write = ZoneWrite { apex: self.setup.apex.clone(), body, meta: self.meta.clone() };
        out.push(Action::Journal(self.setup.id, ticket, write));
    }

    fn answer_waiting(&mut self, result: Result<String, String>, out: &mut Vec<Action>) {
        out.extend(self.waiting.drain(..).map(|token| Action::Done(token, result.clone())));
    }

    fn ticket(&mut self) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        ticket
    }

    fn role_code(&self) -> u8 {
        match self.setup.role {
            Role::Primary { .. } => 1,
            Role::Secondary { .. } => 2,
        }
    }
}
