//! The source of a secondary: transfers from its primaries.
//!
//! Carries between the machine of `replica/`, which decides, and the driver, which asks; and keeps
//! the lease by which the workers know until when the zone may be served.

use std::sync::Arc;
use std::time::Duration;

use super::{Shown, Source, Zone};
use crate::dns::Name;
use crate::dns::Serial;
use crate::engine::commit::{Origin, Proposed, timers};
use crate::engine::setup::Role;
use crate::engine::shard::{Action, Job};
use crate::engine::status::{LastTransfer, Problem};
use crate::ident::{Attempt, PeerId, Transport};
use crate::reason::Reason;
use crate::replica::follow::{
    self, Event, Failure, FailureClass, FetchKind, Fetched, Follow, Held, Seen, Setup,
};
use crate::time::Now;
use crate::transfer::incoming::{Answer, Ask, AskKind, Fault, Form, TransferError, TransferLimits};
use crate::zone::{Change, Demands, DigestKey, Lease, Version};

/// The first checks of many zones at start are spread over this long.
const STAGGER: Duration = Duration::from_secs(2);

/// So many requests one machine may make.
const FOLLOW_ATTEMPTS: u64 = 1 << 32;

/// The transfer under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fetching {
    attempt: Attempt,
    peer: PeerId,
    accept_lower: bool,
}

impl Zone {
    /// The zone begins as what its setup says it is.
    pub(super) fn begin(&mut self, now: Now, out: &mut Vec<Action>) {
        match &self.setup.role {
            Role::Primary { cold_start, .. } => self.begin_file(*cold_start, out),
            Role::Secondary { primaries, authenticated, ixfr, lower_serial, .. } => {
                let setup = Setup {
                    primaries: primaries.clone(),
                    authenticated: authenticated.clone(),
                    ixfr: *ixfr,
                    lower_serial: *lower_serial,
                    clamps: self.settings.clamps,
                };
                self.begin_follow(now, setup, out);
            }
        }
    }

    fn begin_follow(&mut self, now: Now, setup: Setup, out: &mut Vec<Action>) {
        let held = self.live.as_ref().map(|live| Held { serial: live.serial(), timers: timers(live) });
        let running = match &self.source {
            Source::Primaries { follow, .. } => follow.expires(),
            Source::File(_) => None,
        };
        // Through a reload the boot clock goes on (R18).
        let stored = held.map(|held| match (self.meta.refreshed_at, self.meta.expire_at) {
            // Across a restart the wall clock tells how much is left; one that went back counts as
            // nothing elapsed (R18).
            (Some(saved), Some(until)) => now.tick + until.since(saved).saturating_sub(now.wall.since(saved)),
            // A body file repeats only the deadline.
            (None, Some(until)) => {
                now.tick + until.since(now.wall).min(self.settings.clamps.expire(held.timers))
            }
            (_, None) => now.tick + self.settings.clamps.expire(held.timers),
        });
        let expires = running.or(stored);
        let first = match &self.source {
            Source::Primaries { follow, .. } => follow.next_attempt(),
            Source::File(_) => {
                // Numbers that nothing else of the zone has.
                let first = self.next_ticket;
                self.next_ticket += FOLLOW_ATTEMPTS;
                first
            }
        };
        let seed = self.settings.seed ^ u64::from(self.setup.id.0);
        let mut follow = Box::new(Follow::new(setup, held, expires, seed, first));
        follow.recall(now, &self.meta.follow);
        self.memory.forget_primaries();
        self.source = Source::Primaries { follow, fetching: None };
        self.lease = Lease::until(expires.unwrap_or_default());
        let live = self.live.is_some() && expires.is_some_and(|at| now.tick < at);
        self.show(if live { Shown::Serving } else { Shown::Loading }, out);
        let stagger = if live { STAGGER } else { Duration::ZERO };
        self.drive(now, Event::Start { stagger }, out);
    }

    /// A NOTIFY that policy let pass.
    pub(in crate::engine) fn notified(
        &mut self,
        now: Now,
        peer: PeerId,
        serial: Option<Serial>,
        out: &mut Vec<Action>,
    ) {
        self.drive(now, Event::Notify { peer, serial }, out);
    }

    /// Hands one event to the machine and carries out what it says.
    pub(super) fn drive(&mut self, now: Now, event: Event, out: &mut Vec<Action>) {
        let Source::Primaries { follow, .. } = &mut self.source else { return };
        let mut actions = Vec::new();
        follow.handle(now.tick, event, &mut actions);
        for action in actions {
            self.carry_out(now, action, out);
        }
    }

    fn carry_out(&mut self, now: Now, action: follow::Action, out: &mut Vec<Action>) {
        match action {
            follow::Action::AskSoa(attempt, peer, transport) => {
                let ask = self.ask(AskKind::Soa, transport, false);
                out.push(Action::Ask(Job { zone: self.setup.id, attempt, peer, ask }));
            }
            follow::Action::Fetch { attempt, peer, kind, accept_lower } => {
                if let Source::Primaries { fetching, .. } = &mut self.source {
                    *fetching = Some(Fetching { attempt, peer, accept_lower });
                }
                let kind = match kind {
                    FetchKind::Ixfr => AskKind::Ixfr,
                    FetchKind::Axfr => AskKind::Axfr,
                };
                let ask = self.ask(kind, Transport::Tcp, accept_lower);
                out.push(Action::Ask(Job { zone: self.setup.id, attempt, peer, ask }));
            }
            follow::Action::GiveUp(attempt) => out.push(Action::Cancel(self.setup.id, attempt)),
            follow::Action::Expire => {
                let problem = Problem::new(Reason::Expired, "no primary confirmed the zone in time");
                self.problem = Some(Arc::new(problem));
                let text = String::from("the zone expired");
                out.push(Action::Note(self.setup.id, Reason::Expired, None, text));
                self.show(Shown::Expired, out);
            }
            follow::Action::Deadline(until) => {
                self.lease.renew(until);
                self.meta.refreshed_at = Some(now.wall);
                self.meta.expire_at = Some(now.wall + until.since(now.tick));
                if self.live.is_some() {
                    self.save(now, out);
                }
                // A confirmation ends what a primary did; not a hold, nor what is wrong with the disk.
                if self.held.is_none() && self.durable {
                    self.sound();
                }
            }
            follow::Action::Note(reason, peer, text) => self.fault_of(peer, reason, &text, out),
        }
    }

    fn ask(&self, kind: AskKind, transport: Transport, accept_lower: bool) -> Ask {
        let limits = match self.setup.role {
            Role::Secondary { limits, .. } => limits,
            Role::Primary { .. } => TransferLimits::default(),
        };
        Ask {
            apex: self.setup.apex.clone(),
            kind,
            base: self.live.clone(),
            key: None,
            digest_key: self.settings.digest_key,
            limits,
            transport,
            want_expire: true,
            accept_lower,
            demands: self.setup.demands,
        }
    }

    /// A request to a primary ended.
    pub(super) fn source_answered(
        &mut self,
        now: Now,
        attempt: Attempt,
        result: Result<Answer, TransferError>,
        out: &mut Vec<Action>,
    ) {
        let Source::Primaries { fetching, .. } = &mut self.source else {
            return self.secondary_answered(now, attempt, &result, out);
        };
        let Some(fetch) = fetching.take_if(|fetching| fetching.attempt == attempt) else {
            let seen = result.map_err(|error| failure(&error)).and_then(seen);
            return self.drive(now, Event::Answered(attempt, seen), out);
        };
        if let Some(result) = outcome(&result) {
            let transfer = LastTransfer { peer: fetch.peer.0, at: now.wall, result };
            self.last_transfer = Some(Arc::new(transfer));
        }
        let event = match result {
            Ok(Answer::Changed { change, expire, form, .. }) => {
                return self.received(now, fetch, change, (form, expire), out);
            }
            Ok(Answer::Current { serial, expire } | Answer::Soa { serial, expire }) => {
                Ok(Fetched::Current(Seen { serial, expire }))
            }
            Ok(Answer::NotifyAck | Answer::TryTcp { .. }) => Err(unexpected()),
            Err(error) => Err(failure(&error)),
        };
        self.drive(now, Event::Fetched(attempt, event), out);
    }

    fn received(
        &mut self,
        now: Now,
        fetch: Fetching,
        change: Change,
        (form, expire): (Form, Option<u32>),
        out: &mut Vec<Action>,
    ) {
        let seen = Seen { serial: change.after.serial(), expire };
        self.drive(now, Event::Fetched(fetch.attempt, Ok(Fetched::Changed(seen))), out);
        let Fetching { peer, accept_lower, .. } = fetch;
        let origin = Origin::Transfer { peer, form, expire, accept_lower };
        let same = self.live.as_ref().is_some_and(|live| {
            live.serial() == change.after.serial() && live.digest() == change.after.digest()
        });
        if same && let Some(live) = self.live.clone() {
            // An expired zone came back as it was: nothing to write, only to serve again.
            self.transfer_settled(now, &live, origin, out);
            if self.durable {
                self.sound();
            }
            return self.show(Shown::Serving, out);
        }
        self.propose(now, Proposed { change, origin }, false, out);
    }

    /// A transferred version is published or held: the primary is confirmed (R18).
    pub(super) fn transfer_settled(
        &mut self,
        now: Now,
        version: &Arc<Version>,
        origin: Origin,
        out: &mut Vec<Action>,
    ) {
        let Origin::Transfer { expire, .. } = origin else { return };
        let problem = self.problem.take();
        let event = Event::Settled { serial: version.serial(), timers: timers(version), expire };
        self.drive(now, event, out);
        self.problem = self.problem.take().or(problem);
    }

    /// A transferred version is good, and the disk refuses it: the primary has spoken (R03).
    pub(super) fn transfer_unstored(
        &mut self,
        now: Now,
        serial: Serial,
        origin: Origin,
        out: &mut Vec<Action>,
    ) {
        let Origin::Transfer { expire, .. } = origin else { return };
        self.drive(now, Event::Unstored { serial, expire }, out);
        let Source::Primaries { follow, .. } = &self.source else { return };
        if self.shown == Shown::Expired && !follow.is_expired() {
            // The primary is there again, so what we had is good until its own EXPIRE (R18).
            self.show(Shown::Serving, out);
        }
    }

    /// A transferred version could not be taken.
    pub(super) fn transfer_rejected(&mut self, now: Now, out: &mut Vec<Action>) {
        self.drive(now, Event::Rejected, out);
    }
}

/// The NOTIFY of a version (RFC 1996 §3.7).
pub(super) fn notify(apex: &Name, live: &Arc<Version>) -> Ask {
    Ask { kind: AskKind::Notify(live.soa().to_record()), ..soa(apex, live.key()) }
}

/// The question which serial somebody has, for one who holds nothing to compare it with.
pub(super) fn soa(apex: &Name, digest_key: DigestKey) -> Ask {
    Ask {
        apex: apex.clone(),
        kind: AskKind::Soa,
        base: None,
        key: None,
        digest_key,
        limits: TransferLimits::default(),
        transport: Transport::Udp,
        want_expire: false,
        accept_lower: false,
        demands: Demands::default(),
    }
}

/// What an answer to an SOA query showed.
fn seen(answer: Answer) -> Result<Seen, Failure> {
    match answer {
        Answer::Soa { serial, expire } | Answer::Current { serial, expire } => Ok(Seen { serial, expire }),
        Answer::TryTcp { serial: Some(serial) } => Ok(Seen { serial, expire: None }),
        Answer::TryTcp { serial: None } | Answer::NotifyAck | Answer::Changed { .. } => Err(unexpected()),
    }
}

fn unexpected() -> Failure {
    let detail = String::from("the answer is of another kind than what was asked");
    Failure { reason: Reason::PeerMismatch, class: FailureClass::Garbage, detail }
}

/// What the ladder makes of a transfer's error.
fn failure(error: &TransferError) -> Failure {
    let class = match error.fault() {
        Fault::Silent | Fault::Unreachable => FailureClass::Unreachable,
        Fault::Refused => FailureClass::Refused,
        Fault::IxfrUnusable if error.reason() == Reason::IxfrInconsistent => FailureClass::IxfrInconsistent,
        Fault::IxfrUnusable => FailureClass::IxfrRefused,
        Fault::Garbage | Fault::Lower | Fault::Undefined | Fault::TooLarge => FailureClass::Garbage,
    };
    Failure { reason: error.reason(), class, detail: error.to_string() }
}

/// How a transfer went, in a word or a sentence; `None` if there was nothing to transfer.
fn outcome(result: &Result<Answer, TransferError>) -> Option<String> {
    match result {
        Ok(Answer::Changed { form, change, records, .. }) => {
            let form = match form {
                Form::Axfr => "axfr",
                Form::Ixfr => "ixfr",
            };
            Some(format!("{form} to serial {}, {records} records", change.after.serial()))
        }
        Ok(Answer::Current { .. } | Answer::Soa { .. }) => None,
        Ok(Answer::NotifyAck | Answer::TryTcp { .. }) => Some(unexpected().detail),
        Err(error) => Some(error.to_string()),
    }
}
