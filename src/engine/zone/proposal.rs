//! From a proposal to what everybody can see: the zone's side of `engine/commit.rs`.
//!
//! One change at a time. What the disk refuses leaves no trace: the zone is as it was before.

use std::sync::Arc;

use super::{Shown, Source, Zone};
use crate::engine::commit::{Checked, Origin, Proposed, Published, Refusal, timers};
use crate::engine::shard::{Action, Ticket};
use crate::engine::status::Problem;
use crate::reason::Reason;
use crate::store::{BodyWrite, Receipt, ZoneMeta, ZoneWrite};
use crate::time::Now;
use crate::zone::{Lease, Slot};

impl Zone {
    /// Everything that wants to publish ends here.
    pub(super) fn propose(&mut self, now: Now, proposed: Proposed, confirmed: bool, out: &mut Vec<Action>) {
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
                    out.push(Action::Note(self.setup.id, Reason::GuardHeld, origin.peer(), loss.to_string()));
                }
                self.journal(now, checked, out);
            }
            Err(refusal) => self.refused(now, origin, refusal, out),
        }
    }

    fn journal(&mut self, now: Now, checked: Checked, out: &mut Vec<Action>) {
        self.remember(now);
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
        let before = std::mem::replace(&mut self.meta, meta);
        self.unsaved = false;
        self.commit = Some((ticket, Some(Box::new((checked, before)))));
        out.push(Action::Journal(self.setup.id, ticket, write));
    }

    fn refused(&mut self, now: Now, origin: Origin, refusal: Refusal, out: &mut Vec<Action>) {
        let (reason, text) = match refusal {
            Refusal::Stale => {
                return match origin {
                    Origin::File { .. } => self.read_file(out),
                    Origin::Rollback => {
                        self.answer_waiting(Err(String::from("the zone moved on; try again")), out);
                    }
                    Origin::Transfer { .. } => {
                        let text = "the zone moved on";
                        self.fault_of(origin.peer(), Reason::IxfrInconsistent, text, out);
                        self.transfer_rejected(now, out);
                        self.answer_waiting(Err(text.into()), out);
                    }
                };
            }
            Refusal::SerialNotNewer { floor, serial } => (
                Reason::SerialLower,
                format!("serial {serial} is not newer than {floor}, which was published"),
            ),
            Refusal::Held(proposed) => {
                let loss = proposed.change.loss;
                let serial = proposed.change.after.serial();
                let text = format!("serial {serial} is held: {loss}; `zone confirm` publishes it");
                let after = proposed.change.after.clone();
                self.held = Some(proposed);
                let reason = match origin {
                    Origin::Transfer { .. } => Reason::GuardHeld,
                    Origin::File { .. } | Origin::Rollback => Reason::FileGuard,
                };
                self.transfer_settled(now, &after, origin, out);
                if self.shown == Shown::Expired && self.live.is_some() {
                    // The primary is there again, so what we had is good until its own EXPIRE (R18).
                    self.show(Shown::Serving, out);
                }
                (reason, text)
            }
        };
        self.fault_of(origin.peer(), reason, &text, out);
        self.unserved(out);
        if !matches!(reason, Reason::GuardHeld) {
            self.transfer_rejected(now, out);
        }
        self.answer_waiting(Err(text), out);
    }

    /// A write ended.
    pub(in crate::engine) fn synced(
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
        let Some((_, Some(proposed))) = self.commit.take() else {
            return self.save_if_unsaved(now, out);
        };
        let (checked, before) = *proposed;
        let (origin, serial) = (checked.origin(), checked.version().serial());
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
                let why = why.unwrap_or_else(|| String::from("the disk refuses"));
                let text = format!("{why}: raise the SOA serial in the file or free space");
                self.take_back(now, before, out);
                self.fault(reason, &text, out);
                self.unserved(out);
                self.wait_for_disk(now);
                self.transfer_unstored(now, serial, origin, out);
                self.answer_waiting(Err(text), out);
            }
        }
        if self.commit.is_none() {
            self.save_if_unsaved(now, out);
        }
        self.conclude_asking(now, out);
        self.read_if_changed(out);
    }

    /// The disk refused a version that nobody saw: its serial is free again, and the store must not
    /// write it later, when it can, in place of what is served.
    fn take_back(&mut self, now: Now, before: ZoneMeta, out: &mut Vec<Action>) {
        self.meta = before;
        self.rewrite(now, out);
    }

    /// What was volatile is on disk now.
    pub(in crate::engine) fn now_durable(&mut self) {
        self.durable = true;
        let volatile = Reason::StoreVolatile.code();
        self.problem.take_if(|problem| problem.code == volatile);
    }

    /// The store began anew. A change under way brings its whole body along by itself.
    pub(in crate::engine) fn rewrite(&mut self, now: Now, out: &mut Vec<Action>) {
        let Some(live) = self.live.clone().filter(|_| self.commit.is_none()) else { return };
        self.remember(now);
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
        self.damage = None;
        self.verify_published(published.origin, out);
        // Readers saw the serial go back: that stays in sight until a primary confirms it (R20).
        let back = self.problem.take_if(|problem| problem.code == Reason::SerialBack.code());
        self.problem = why.map(|why| Arc::new(Problem::new(Reason::StoreVolatile, why))).or(back);
        // The lease must hold before the slot is seen.
        self.transfer_settled(now, &published.version, published.origin, out);
        out.push(Action::Publish(self.setup.apex.clone(), Some(slot)));
        self.drive_flock(now, published.notify(), out);
        self.find_servers(now, out);
        self.answer_waiting(Ok(format!("serial {} is published", published.version.serial())), out);
    }
}
