//! A primary that knows nothing of the serials that it published asks its secondaries (R07).
//!
//! What the file says is published at once, under the file's own serial: that is none that we choose,
//! and a zone for which nobody answers is worse than one whose serial is low for a moment. But until
//! the secondaries have answered, at most two seconds, the file is not read again and nothing is
//! rolled back, so no serial is chosen. If one of them has a newer serial than what is published by
//! then, it becomes the floor, and the content goes on above it: what that serial stood for is lost,
//! so it may not be used for anything else. A crash before the answers leaves a mark on disk, beside
//! what was published, and the next start asks again.

use std::time::Duration;

use super::{Source, Zone, follow};
use crate::dns::Serial;
use crate::engine::shard::{Action, Job};
use crate::ident::Attempt;
use crate::reason::Reason;
use crate::store::RecoveredZone;
use crate::time::{Now, Tick};
use crate::transfer::incoming::{Answer, Fault, TransferError};

/// How long the secondaries have to answer (R07).
const ASK_WAIT: Duration = Duration::from_secs(2);

/// What the secondaries said so far.
#[derive(Debug)]
pub(super) struct Asking {
    /// Requests that are out. None: all is said, and waits for a moment when nothing is under way.
    out: Vec<Attempt>,
    until: Tick,
    newest: Option<Serial>,
    /// Somebody answered, be it that he has no such zone.
    heard: bool,
}

impl Asking {
    /// When it has taken long enough.
    pub(super) fn deadline(&self) -> Option<Tick> {
        (!self.out.is_empty()).then_some(self.until)
    }
}

/// Whether newer serials may have been published than the store knows of.
pub(super) fn is_lost(recovered: Option<&RecoveredZone>) -> bool {
    recovered.is_none_or(|had| {
        let is_blank = had.version.is_none() && had.meta.serial_floor.is_none();
        had.row_lost || had.meta.unsure || is_blank
    })
}

impl Zone {
    /// Asks every configured secondary for its SOA.
    pub(super) fn ask_secondaries(&mut self, now: Now, out: &mut Vec<Action>) {
        let Source::File(source) = &mut self.source else { return };
        if self.setup.notify.is_empty() {
            return;
        }
        self.meta.unsure = true;
        if self.live.is_some() {
            // The reading that has begun would choose a serial.
            source.reading = None;
            source.again = true;
        }
        let mut asked = Vec::new();
        for &peer in &self.setup.notify {
            let attempt = Attempt(self.next_ticket);
            self.next_ticket += 1;
            asked.push(attempt);
            let ask = follow::soa(&self.setup.apex, self.settings.digest_key);
            out.push(Action::Ask(Job { zone: self.setup.id, attempt, peer, ask }));
        }
        source.asking = Some(Asking { out: asked, until: now.tick + ASK_WAIT, newest: None, heard: false });
    }

    /// A secondary answered, or cannot.
    pub(super) fn secondary_answered(
        &mut self,
        now: Now,
        attempt: Attempt,
        result: &Result<Answer, TransferError>,
        out: &mut Vec<Action>,
    ) {
        let Source::File(source) = &mut self.source else { return };
        let Some(asking) = &mut source.asking else { return };
        let Some(at) = asking.out.iter().position(|ours| *ours == attempt) else { return };
        asking.out.swap_remove(at);
        let (serial, heard) = match result {
            Ok(Answer::Soa { serial, .. } | Answer::Current { serial, .. }) => (Some(*serial), true),
            Ok(Answer::TryTcp { serial }) => (*serial, true),
            Ok(Answer::NotifyAck | Answer::Changed { .. }) => (None, true),
            Err(error) => (None, !matches!(error.fault(), Fault::Silent | Fault::Unreachable)),
        };
        asking.heard |= heard;
        asking.newest = match (asking.newest, serial) {
            (Some(known), Some(serial)) => Some(known.newest(serial)),
            (known, serial) => known.or(serial),
        };
        self.conclude_asking(now, out);
    }

    /// Does what follows from the answers, once they are there and nothing else is under way.
    pub(super) fn conclude_asking(&mut self, now: Now, out: &mut Vec<Action>) {
        let Source::File(source) = &mut self.source else { return };
        let is_over = |asking: &Asking| asking.out.is_empty() || now.tick >= asking.until;
        let is_quiet = source.reading.is_none() && !matches!(self.commit, Some((_, Some(_))));
        let Some(asking) = source.asking.take_if(|asking| is_quiet && is_over(asking)) else { return };
        out.extend(asking.out.iter().map(|attempt| Action::Cancel(self.setup.id, *attempt)));
        self.meta.unsure = false;
        if !asking.heard {
            let text = "no secondary says which serial it has: if this server lost its state, \
                        raise the SOA serial in the file above theirs";
            out.push(Action::Note(self.setup.id, Reason::FlockSilent, None, text.into()));
        }
        let known = self.meta.serial_floor;
        if let Some(newest) =
            asking.newest.filter(|newest| known.is_none_or(|known| newest.is_newer_than(known)))
        {
            let text = format!("a secondary has serial {newest}, which this server does not remember");
            out.push(Action::Note(self.setup.id, Reason::FlockAhead, None, text));
            self.meta.serial_floor = Some(newest);
            self.save(now, out);
            return self.read_file(out);
        }
        self.save(now, out);
        self.read_if_changed(out);
    }
}
