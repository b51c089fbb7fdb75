//! One shard on one thread: drain the inbox, handle, publish everything in one swap, then act.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::workers::Work;
use super::{Engine, Message};
use crate::engine::keeper::Write;
use crate::engine::shard::{Action, Event, Shard};
use crate::ident::ZoneId;
use crate::store::BodyWrite;
use crate::zone::SlotState;

/// The longest sleep: a machine that was suspended is noticed within it.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// Events handled before what they publish is shown.
const BATCH: usize = 4096;

/// Runs until the engine stops.
pub(super) fn run(inbox: &Receiver<Message>, engine: &Engine) {
    let mut shard = Shard::new(engine.0.settings);
    let mut parked = Vec::new();
    let mut actions = Vec::new();
    let mut waiting = Vec::new();
    loop {
        let now = engine.0.clock.now();
        let sleep = shard.deadline().map_or(SLEEP_MAX, |at| at.since(now.tick).min(SLEEP_MAX));
        let mut next = match inbox.recv_timeout(sleep) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut taken = 0;
        while let Some(message) = next {
            taken += 1;
            match message {
                Message::Stop => {
                    handle(&mut shard, engine, Event::Stop, &mut actions);
                    return act(engine, &mut actions, &mut parked);
                }
                Message::Event(event) => handle(&mut shard, engine, *event, &mut actions),
                Message::Events(events) => {
                    taken += events.len();
                    events.into_iter().for_each(|event| handle(&mut shard, engine, event, &mut actions));
                }
                Message::Settle(done) => waiting.push(done),
            }
            next = if taken < BATCH { inbox.try_recv().ok() } else { None };
        }
        handle(&mut shard, engine, Event::Tick, &mut actions);
        actions.append(&mut parked);
        act(engine, &mut actions, &mut parked);
        for done in waiting.drain(..) {
            // Whoever waited may have gone.
            let _: Result<(), _> = done.send(());
        }
    }
}

/// A panic in one zone's code is that zone's fault alone (invariant 7): its last version is served.
fn handle(shard: &mut Shard, engine: &Engine, event: Event, actions: &mut Vec<Action>) {
    let zone = event.zone();
    let now = engine.0.clock.now();
    let outcome = catch_unwind(AssertUnwindSafe(|| shard.handle(now, event, actions)));
    if outcome.is_err() {
        let zone = zone.unwrap_or(ZoneId::NOBODY);
        (engine.0.log)(
            zone,
            crate::reason::Reason::Faulted,
            None,
            "a bug in the server; the last version is served",
        );
    }
}

/// Publishes first, in one swap, and tells what is new of the zones; then everything else in order, so that
/// a NOTIFY never leaves before its version can be seen. Requests wait in `parked` while there is no network.
fn act(engine: &Engine, actions: &mut Vec<Action>, parked: &mut Vec<Action>) {
    let (mut slots, mut statuses) = (Vec::new(), Vec::new());
    actions.retain_mut(|action| match action {
        Action::Publish(apex, slot) => {
            slots.push((apex.clone(), slot.take()));
            false
        }
        Action::Status(zone, status) => {
            statuses.push((*zone, Some(status.clone())));
            false
        }
        Action::Forgotten(zone) => {
            statuses.push((*zone, None));
            false
        }
        _ => true,
    });
    engine.0.publisher.publish(&slots);
    if !statuses.is_empty() {
        engine.0.publisher.tell(statuses);
    }
    for (zone, slot) in &slots {
        if let Some(SlotState::Serving { version, .. }) = slot.as_ref().map(|slot| &slot.state) {
            tracing::debug!(%zone, serial = %version.serial(), "published");
        }
    }
    let outside = engine.0.outside.read().expect("the network's slot is only assigned").clone();
    for action in actions.drain(..) {
        match action {
            Action::Publish(..) | Action::Status(..) | Action::Forgotten(_) => {}
            Action::Journal(zone, ticket, write) => {
                if let BodyWrite::Full(version) | BodyWrite::Deltas { after: version, .. } = &write.body {
                    tracing::debug!(zone = %write.apex, serial = %version.serial(), "commit begins");
                }
                engine.to_store(Write::Commit { zone, ticket, write });
            }
            Action::ReadFile(job) => engine.to_workers(Work::Read(job)),
            Action::RollBack(job) => engine.to_workers(Work::RollBack(job)),
            Action::Verify(job) => engine.to_workers(Work::Verify(job)),
            Action::Watch(..) | Action::Ask(_) | Action::FindServers(..) | Action::Cancel(..) => {
                match &outside {
                    Some(outside) => hand_out(outside.as_ref(), action),
                    None => parked.push(action),
                }
            }
            Action::Done(token, result) => {
                let reply =
                    engine.0.replies.lock().expect("no thread panics with the replies").remove(&token);
                if let Some(reply) = reply {
                    // Whoever asked may have gone.
                    let _ = reply.try_send(result);
                }
            }
            Action::Note(zone, reason, peer, text) => (engine.0.log)(zone, reason, peer, &text),
        }
    }
    // A start acts for all zones at once; that room is not needed again.
    actions.shrink_to(BATCH);
    parked.shrink_to(BATCH);
}

fn hand_out(outside: &dyn super::Outside, action: Action) {
    match action {
        Action::Ask(job) => outside.ask(job),
        Action::FindServers(zone, names) => outside.find_servers(zone, names),
        Action::Cancel(zone, attempt) => outside.cancel(zone, attempt),
        Action::Watch(zone, files) => outside.watch(zone, files),
        other => unreachable!("only requests are handed out, not {other:?}"),
    }
}
