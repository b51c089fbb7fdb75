//! One zone of a shard: its live version, its commit under way, its source and its flock.
//!
//! [`mod@file`] is the source of a primary, [`mod@follow`] that of a secondary; both end in [`Zone::propose`].
//! Invariant: `live` is what the workers were last told to serve.

mod file;
mod follow;
mod report;

use std::sync::Arc;

use super::commit::{Checked, Origin, Proposed, Published, Refusal, timers};
use super::guard::Loss;
use super::setup::{Role, Settings, ZoneSetup};
use super::shard::{Action, Command, Job, Ticket, Token};
use super::status::{LastTransfer, Problem, ZoneStatus};
use crate::dns::Serial;
use crate::ident::{Attempt, PeerId};
use crate::reason::Reason;
use crate::replica::flock::{self, Flock};
use crate::replica::follow::Follow;
use crate::serve::{Asked, Observation};
use crate::store::{BodyWrite, Receipt, RecoveredZone, ZoneMeta, ZoneWrite};
use crate::time::{Now, Tick};
use crate::transfer::incoming::{Answer, TransferError};
use crate::zone::{Lease, Slot, SlotState, Version};
use file::FileSource;

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

/// One zone.
pub(super) struct Zone {
    settings: Settings,
    setup: ZoneSetup,
    live: Option<Arc<Version>>,
    shown: Shown,
    lease: Lease,
    meta: ZoneMeta,
    durable: bool,
    /// The write under way, and the version that becomes public with its receipt.
    commit: Option<(Ticket, Option<Checked>)>,
    /// The meta changed since it was last written.
    unsaved: bool,
    held: Option<(Proposed, Loss)>,
    source: Source,
    flock: Flock,
    problem: Option<Problem>,
    last_transfer: Option<LastTransfer>,
    next_ticket: u64,
    /// Commands that wait for the end of what they started.
    waiting: Vec<Token>,
    told: Option<Arc<ZoneStatus>>,
}

impl Zone {
    /// A zone begins: what the store had of it is served at once (R02, p85), then its source starts.
    pub(super) fn start(
        now: Now,
        settings: Settings,
        setup: ZoneSetup,
        recovered: Option<RecoveredZone>,
        out: &mut Vec<Action>,
    ) -> Zone {
        let mut zone = Zone {
            settings,
            live: None,
            shown: Shown::Loading,
            lease: Lease::forever(),
            meta: ZoneMeta::default(),
            durable: true,
            commit: None,
            unsaved: false,
            held: None,
            source: Source::File(FileSource::default()),
            flock: Flock::new(&setup.notify, FLOCK_ATTEMPTS),
            problem: None,
            last_transfer: None,
            next_ticket: 1,
            waiting: Vec::new(),
            told: None,
            setup,
        };
        if let Some(recovered) = recovered {
            zone.live = recovered.version;
            zone.meta = recovered.meta;
            zone.problem = recovered.problem.map(|(reason, text)| Problem::new(reason, text));
        }
        zone.meta.role = zone.role_code();
        zone.begin(now, out);
        zone
    }

    /// The setup changed; what is served stays.
    pub(super) fn reconfigure(&mut self, now: Now, setup: ZoneSetup, out: &mut Vec<Action>) {
        if self.setup == setup {
            return;
        }
        let notify_changed = self.setup.notify != setup.notify;
        let source_changed = self.setup.role != setup.role;
        self.setup = setup;
        if notify_changed {
            self.flock = Flock::new(&self.setup.notify, self.flock.next_attempt());
            if let Some(live) = self.live.clone() {
                let refresh = std::time::Duration::from_secs(u64::from(timers(&live).refresh));
                let event = flock::Event::Published { serial: live.serial(), refresh };
                self.drive_flock(now, event, out);
            }
        }
        if source_changed {
            self.meta.role = self.role_code();
            self.begin(now, out);
        }
    }

    /// The zone goes, and its state with it.
    pub(super) fn remove(mut self, out: &mut Vec<Action>) {
        out.push(Action::Publish(self.setup.apex.clone(), None));
        let ticket = self.ticket();
        let write = ZoneWrite { apex: self.setup.apex.clone(), body: BodyWrite::Forget, meta: self.meta };
        out.push(Action::Journal(self.setup.id, ticket, write));
    }

    /// A deadline may have passed.
    pub(super) fn tick(&mut self, now: Now, out: &mut Vec<Action>) {
        self.drive_flock(now, flock::Event::Tick, out);
        match self.source {
            Source::File(_) => self.retry_file(now, out),
            Source::Primaries { .. } => self.drive(now, crate::replica::follow::Event::Tick, out),
        }
    }

    /// The earliest deadline of the zone's machines.
    pub(super) fn deadline(&self) -> Option<Tick> {
        let source = match &self.source {
            Source::File(file) => file.retry_at,
            Source::Primaries { follow, .. } => follow.deadline(),
        };
        [self.flock.deadline(), source].into_iter().flatten().min()
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
                Some((proposed, _)) if proposed.change.after.serial() == serial => {
                    self.waiting.push(token);
                    self.propose(now, proposed, true, out);
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
            Ok(_) => flock::Event::Acknowledged(attempt),
            Err(error) => flock::Event::Unanswered(attempt, error.to_string()),
        };
        self.drive_flock(now, event, out);
    }

    /// Everything that wants to publish ends here.
    fn propose(&mut self, now: Now, proposed: Proposed, confirmed: bool, out: &mut Vec<Action>) {
        if matches!(self.commit, Some((_, Some(_)))) {
            // One change at a time; whoever lost the race computes again.
            return self.refused(now, proposed.origin, Refusal::Stale, out);
        }
        let origin = proposed.origin;
        let floor = self.meta.serial_floor;
        match proposed.check(self.live.as_ref(), floor, &self.setup.guard, confirmed) {
            Ok(checked) => {
                self.held = None;
                if let Some(loss) = checked.loss {
                    out.push(Action::Note(self.setup.id, Reason::GuardHeld, loss.to_string()));
                }
                self.journal(now, checked, out);
            }
            Err(refusal) => self.refused(now, origin, refusal, out),
        }
    }

    fn journal(&mut self, now: Now, checked: Checked, out: &mut Vec<Action>) {
        let mut meta = self.meta.clone();
        meta.serial_floor = Some(checked.version().serial());
        match checked.origin() {
            Origin::File { hash, .. } => {
                meta.file_hash = Some(hash);
                meta.rejected_hash = None;
            }
            Origin::Transfer { expire, .. } => {
                let left = self.settings.clamps.transferred(now.tick, timers(checked.version()), expire);
                meta.refreshed_at = Some(now.wall);
                meta.expire_at = Some(now.wall + left.since(now.tick));
            }
            Origin::Rollback => meta.rejected_hash = meta.file_hash,
        }
        let ticket = self.ticket();
        let write = checked.write(&self.setup.apex, meta.clone());
        self.meta = meta;
        self.unsaved = false;
        self.commit = Some((ticket, Some(checked)));
        out.push(Action::Journal(self.setup.id, ticket, write));
    }

    fn refused(&mut self, now: Now, origin: Origin, refusal: Refusal, out: &mut Vec<Action>) {
        let (reason, text) = match refusal {
            Refusal::Stale => {
                return match origin {
                    Origin::File { .. } | Origin::Rollback => self.read_file(out),
                    Origin::Transfer { .. } => {
                        self.transfer_rejected(now, Reason::IxfrInconsistent, "the zone moved on", out);
                    }
                };
            }
            Refusal::SerialNotNewer { floor, serial } => (
                Reason::SerialLower,
                format!("serial {serial} is not newer than {floor}, which was published"),
            ),
            Refusal::Held(proposed, loss) => {
                let serial = proposed.change.after.serial();
                let text = format!("serial {serial} is held: {loss}; `zone confirm` publishes it");
                let after = proposed.change.after.clone();
                self.held = Some((proposed, loss));
                let reason = match origin {
                    Origin::Transfer { .. } => Reason::GuardHeld,
                    Origin::File { .. } | Origin::Rollback => Reason::FileGuard,
                };
                self.transfer_settled(now, &after, origin, out);
                (reason, text)
            }
        };
        self.fault(reason, &text, out);
        if !matches!(reason, Reason::GuardHeld) {
            self.transfer_rejected(now, reason, &text, out);
        }
        self.answer_waiting(Err(text), out);
    }

    /// A write ended.
    pub(super) fn synced(
        &mut self,
        now: Now,
        ticket: Ticket,
        receipt: Receipt,
        why: Option<String>,
        out: &mut Vec<Action>,
    ) {
        let Some((ours, _)) = &self.commit else { return };
        if *ours != ticket {
            return;
        }
        self.durable = receipt.is_durable();
        let Some((_, Some(checked))) = self.commit.take() else {
            return self.save_if_unsaved(out);
        };
        match checked.journaled(receipt, self.settings.durability) {
            Ok(journaled) => {
                if let Source::File(_) = self.source {
                    self.lease = Lease::forever();
                }
                let live = self.live.clone();
                let (published, slot) =
                    journaled.publish(self.setup.id, &self.setup.apex, live.as_ref(), self.lease.clone());
                self.published(now, published, slot, why, out);
            }
            Err(reason) => {
                // The floor was raised for a version that nobody saw; it stays: higher is safe.
                let why = why.unwrap_or_else(|| String::from("the disk refuses"));
                let text = format!("{why}: raise the SOA serial in the file or free space");
                self.fault(reason, &text, out);
                self.wait_for_disk(now);
                self.transfer_rejected(now, reason, &text, out);
                self.answer_waiting(Err(text), out);
            }
        }
        self.save_if_unsaved(out);
    }

    /// What was volatile is on disk now.
    pub(super) fn now_durable(&mut self) {
        self.durable = true;
        let volatile = Reason::StoreVolatile.code();
        self.problem.take_if(|problem| problem.code == volatile);
    }

    /// The store began anew. A change under way brings its whole body along by itself.
    pub(super) fn rewrite(&mut self, out: &mut Vec<Action>) {
        let Some(live) = self.live.clone().filter(|_| self.commit.is_none()) else { return };
        let ticket = self.ticket();
        self.commit = Some((ticket, None));
        let (apex, meta) = (self.setup.apex.clone(), self.meta.clone());
        let write = ZoneWrite { apex, body: BodyWrite::Full(live), meta };
        out.push(Action::Journal(self.setup.id, ticket, write));
    }

    fn published(
        &mut self,
        now: Now,
        published: Published,
        slot: Arc<Slot>,
        why: Option<String>,
        out: &mut Vec<Action>,
    ) {
        self.live = Some(published.version.clone());
        self.shown = Shown::Serving;
        self.problem = why.map(|why| Problem::new(Reason::StoreVolatile, why));
        // The lease must hold before the slot is seen.
        self.transfer_settled(now, &published.version, published.origin, out);
        out.push(Action::Publish(self.setup.apex.clone(), Some(slot)));
        self.drive_flock(now, published.notify(), out);
        self.answer_waiting(Ok(format!("serial {} is published", published.version.serial())), out);
    }

    fn drive_flock(&mut self, now: Now, event: flock::Event, out: &mut Vec<Action>) {
        let mut actions = Vec::new();
        self.flock.handle(now.tick, event, &mut actions);
        let Some(live) = &self.live else { return };
        for flock::Action::SendNotify(attempt, peer) in actions {
            let ask = follow::notify(&self.setup.apex, live);
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
            (Shown::Expired, _) => SlotState::Expired,
            (Shown::Faulted, _) => SlotState::Faulted,
            (Shown::Loading | Shown::Serving, _) => SlotState::Loading,
        };
        let slot = Slot { id: self.setup.id, apex: self.setup.apex.clone(), state };
        out.push(Action::Publish(self.setup.apex.clone(), Some(Arc::new(slot))));
    }

    fn fault(&mut self, reason: Reason, text: &str, out: &mut Vec<Action>) {
        self.problem = Some(Problem::new(reason, text));
        out.push(Action::Note(self.setup.id, reason, text.into()));
    }

    /// Writes the meta; while a write is under way it waits for that one's receipt.
    fn save(&mut self, out: &mut Vec<Action>) {
        self.unsaved = true;
        if self.commit.is_none() {
            self.save_if_unsaved(out);
        }
    }

    fn save_if_unsaved(&mut self, out: &mut Vec<Action>) {
        if !std::mem::take(&mut self.unsaved) {
            return;
        }
        let ticket = self.ticket();
        self.commit = Some((ticket, None));
        let write =
            ZoneWrite { apex: self.setup.apex.clone(), body: BodyWrite::Keep, meta: self.meta.clone() };
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
