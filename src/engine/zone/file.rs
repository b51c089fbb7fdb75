//! The source of a primary: a file that people edit.
//!
//! At most one reading is under way; a change that comes meanwhile leaves one more. Whatever goes
//! wrong, the last published version goes on being served (R02, R08-R13).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::loss::Asking;
use super::{Shown, Source, Zone};
use crate::config::ColdStart;
use crate::dns::Serial;
use crate::engine::commit::{Origin, Proposed};
use crate::engine::intake::Intake;
use crate::engine::setup::Role;
use crate::engine::shard::{Action, FileFault, FileJob, FileRead, RollbackJob, Token};
use crate::ident::Attempt;
use crate::reason::Reason;
use crate::time::{Now, Tick};
use crate::zone::checks::Review;

/// When a version that the disk refused is tried again.
const DISK_RETRY: Duration = Duration::from_secs(10);

/// What is under way with the file.
#[derive(Debug, Default)]
pub(super) struct FileSource {
    /// The reading under way.
    pub(super) reading: Option<Attempt>,
    /// It changed meanwhile.
    pub(super) again: bool,
    /// A file that was held back is taken this time (R12).
    pub(super) force: bool,
    /// The disk refused: read again then.
    pub(super) retry_at: Option<Tick>,
    /// The reading under way brings an earlier version back.
    rolling_back: bool,
    /// The watcher was told of the zone file alone, and nothing was read since.
    watched_alone: bool,
    /// What the checks found of the version that was read last, so that the next reading checks only
    /// what changed.
    review: Option<Arc<Review>>,
    /// The secondaries are asked which serial they have (R07).
    pub(super) asking: Option<Asking>,
}

impl FileSource {
    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Tick> {
        let asking = self.asking.as_ref().and_then(Asking::deadline);
        [self.retry_at, asking].into_iter().flatten().min()
    }
}

impl Zone {
    /// The zone begins as a primary: serve what was stored, then read the file.
    pub(super) fn begin_file(&mut self, cold_start: ColdStart, out: &mut Vec<Action>) {
        self.source = Source::File(FileSource { watched_alone: true, ..FileSource::default() });
        self.lease = crate::zone::Lease::forever();
        match (&self.live, cold_start) {
            (Some(_), ColdStart::ServeLast) => self.show(Shown::Serving, out),
            (Some(_), ColdStart::ServFail) | (None, _) => self.show(Shown::Loading, out),
        }
        if let Role::Primary { file, .. } = &self.setup.role {
            // Before the first reading, so that no change falls between the two.
            out.push(Action::Watch(self.setup.id, vec![file.clone()]));
        }
        self.read_file(out);
    }

    /// The watcher saw the file change.
    pub(in crate::engine) fn file_changed(&mut self, out: &mut Vec<Action>) {
        self.read_file(out);
    }

    /// The file has been gone for long enough to say so; the zone stays (R09).
    pub(in crate::engine) fn file_vanished(&mut self, out: &mut Vec<Action>) {
        let Role::Primary { file, .. } = &self.setup.role else { return };
        let text = format!("{} is gone; the last version is served", file.display());
        self.fault(Reason::FileVanished, &text, out);
    }

    pub(super) fn read_file(&mut self, out: &mut Vec<Action>) {
        let Role::Primary { file, serial, .. } = &self.setup.role else { return };
        let Source::File(source) = &mut self.source else { return };
        source.retry_at = None;
        let asking = source.asking.is_some() && self.live.is_some();
        if source.reading.is_some() || asking || matches!(self.commit, Some((_, Some(_)))) {
            // What is being published is what the next reading is compared with; and while the
            // secondaries are asked nobody knows which serials are free (R07).
            source.again = true;
            return;
        }
        let force = std::mem::take(&mut source.force);
        // One count for tickets and readings: a reading of an earlier setup never passes for ours.
        let attempt = Attempt(self.next_ticket);
        self.next_ticket += 1;
        source.reading = Some(attempt);
        source.rolling_back = false;
        out.push(Action::ReadFile(FileJob {
            zone: self.setup.id,
            attempt,
            apex: self.setup.apex.clone(),
            file: file.clone(),
            policy: *serial,
            live: self.live.clone(),
            floor: self.meta.serial_floor,
            rejected: self.meta.rejected_hash.filter(|_| !force),
            review: source.review.clone(),
            demands: self.setup.demands,
        }));
    }

    /// Goes back to the content of `to`, under a new serial (R12).
    pub(super) fn roll_back(&mut self, to: Serial, token: Token, out: &mut Vec<Action>) {
        let (Source::File(source), Some(live)) = (&mut self.source, self.live.clone()) else {
            return out.push(Action::Done(token, Err(String::from("nothing is published yet"))));
        };
        if source.reading.is_some() {
            return out.push(Action::Done(token, Err(String::from("the file is being read; try again"))));
        }
        if source.asking.is_some() {
            let text = "the secondaries are being asked which serial they have; try again";
            return out.push(Action::Done(token, Err(text.into())));
        }
        if matches!(self.commit, Some((_, Some(_)))) {
            // It would go back from a version that is not the live one any more when it is ready.
            return out.push(Action::Done(token, Err(String::from("a version is being written; try again"))));
        }
        let attempt = Attempt(self.next_ticket);
        self.next_ticket += 1;
        source.reading = Some(attempt);
        source.rolling_back = true;
        self.waiting.push(token);
        let (zone, demands) = (self.setup.id, self.setup.demands);
        out.push(Action::RollBack(RollbackJob { zone, attempt, to, live, demands }));
    }

    /// A reading ended.
    pub(in crate::engine) fn read(
        &mut self,
        now: Now,
        attempt: Attempt,
        result: Result<FileRead, FileFault>,
        out: &mut Vec<Action>,
    ) {
        let Source::File(source) = &mut self.source else { return };
        if source.reading != Some(attempt) {
            return;
        }
        source.reading = None;
        let rolling_back = std::mem::take(&mut source.rolling_back);
        match result {
            Ok(read) => self.take_in(now, read, rolling_back, out),
            // The file is as good as it was: only the command failed.
            Err(fault) if rolling_back => self.answer_waiting(Err(fault.text), out),
            Err(fault) if fault.reason == Reason::FileUnsettled => {
                // Nothing is wrong with it: whoever writes it is not done.
                self.watch(fault.files, out);
                self.answer_waiting(Err(fault.text), out);
            }
            Err(fault) => self.file_fault(fault, out),
        }
        self.conclude_asking(now, out);
        self.read_if_changed(out);
    }

    /// Reads a file that changed while something else was under way.
    pub(super) fn read_if_changed(&mut self, out: &mut Vec<Action>) {
        let Source::File(source) = &mut self.source else { return };
        if source.reading.is_none() && std::mem::take(&mut source.again) {
            self.read_file(out);
        }
    }

    fn take_in(&mut self, now: Now, read: FileRead, rolling_back: bool, out: &mut Vec<Action>) {
        if !rolling_back {
            self.watch(read.files, out);
            if let Source::File(source) = &mut self.source {
                source.review = read.review;
            }
        }
        for warning in read.warnings {
            out.push(Action::Note(self.setup.id, Reason::FileWarning, None, warning));
        }
        match read.intake {
            Intake::Unchanged => {
                self.held = None;
                self.sound();
                if self.shown != Shown::Serving && self.live.is_some() {
                    self.show(Shown::Serving, out);
                }
                if self.meta.file_hash != Some(read.hash) {
                    self.meta.file_hash = Some(read.hash);
                    self.save(now, out);
                }
                self.answer_waiting(Ok(String::from("nothing changed")), out);
            }
            Intake::Changed { change, serial_is_ours } => {
                let origin = if rolling_back {
                    Origin::Rollback
                } else {
                    Origin::File { hash: read.hash, serial_is_ours }
                };
                self.propose(now, Proposed { change, origin }, false, out);
            }
        }
    }

    /// These were read: they are watched from now on.
    fn watch(&mut self, files: Vec<PathBuf>, out: &mut Vec<Action>) {
        let (Role::Primary { file, .. }, Source::File(source)) = (&self.setup.role, &mut self.source) else {
            return;
        };
        let known = std::mem::take(&mut source.watched_alone);
        // As octets: it is the very path that was handed out.
        let is_file = |only: &PathBuf| only.as_os_str() == file.as_os_str();
        if !(known && files.len() == 1 && files.first().is_some_and(is_file)) {
            out.push(Action::Watch(self.setup.id, files));
        }
    }

    fn file_fault(&mut self, fault: FileFault, out: &mut Vec<Action>) {
        self.fault(fault.reason, &fault.text, out);
        if !fault.files.is_empty() {
            self.watch(fault.files, out);
        }
        if fault.reason == Reason::FileHeld && self.live.is_some() && self.shown != Shown::Serving {
            // Not a bad file: a rollback wants what is stored (R12).
            self.show(Shown::Serving, out);
        }
        self.unserved(out);
        self.answer_waiting(Err(fault.text), out);
    }

    /// A primary whose file gives nothing to serve says so, and does not load for ever.
    pub(super) fn unserved(&mut self, out: &mut Vec<Action>) {
        if matches!(self.source, Source::File(_)) && self.shown == Shown::Loading {
            self.show(Shown::Faulted, out);
        }
    }

    pub(super) fn wait_for_disk(&mut self, now: Now) {
        if let Source::File(source) = &mut self.source {
            source.retry_at = Some(now.tick + DISK_RETRY);
        }
    }

    pub(super) fn retry_file(&mut self, now: Now, out: &mut Vec<Action>) {
        let Source::File(source) = &self.source else { return };
        if source.retry_at.is_some_and(|at| now.tick >= at) {
            self.read_file(out);
        }
    }
}
