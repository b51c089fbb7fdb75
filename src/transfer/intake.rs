//! The records of a transfer, one after the other, into a new version.
//!
//! ```text
//!                 SOA, newer            record              SOA = opening
//!  Opening ──┬────────────────▶ Second ────────▶ Whole ─────────────────▶ Closed
//!            │ SOA, newer (AXFR)          ╲ our SOA                          ▲
//!            ├──────────────────▶ Whole    ╲           SOA           SOA     │
//!            │ SOA, equal (IXFR)            ▶ Removing ────▶ Adding ─────────┤
//!            ├──────────────────▶ Even          ▲              │  = opening  │
//!            │ SOA, equal (AXFR)   │ record     └──────────────┘             │
//!            └──────────────────▶ Ignoring ◀┘     next step                  │
//!                                     └──────────────────────────────────────┘
//! ```
//!
//! Invariant: nothing is given out before `Closed`, and any error leaves the version that we held as it is
//! (D11). Each step of an IXFR is applied strictly as soon as it is complete (R14, E08). RFC 1995 §4,
//! RFC 5936 §2.2 and §3. Whether messages belong to our request is checked before (`incoming.rs`).

use std::cmp::Ordering;
use std::mem;
use std::sync::Arc;

use super::ask::{Ask, AskKind};
use super::error::TransferError;
use super::incoming::Form;
use crate::dns::soa::Soa;
use crate::dns::{Class, NameRef, Record, RecordRef, RecordType, Records, Serial, rdata};
use crate::zone::{self, Builder, Change, Delta, Source, Version};

/// Reads the records of one transfer.
pub(super) struct Intake {
    state: State,
    /// The SOA that began the transfer: its serial is where everything leads, and it must come again.
    opening: Option<(Record, Serial)>,
    /// IXFR: the version with the steps so far applied.
    held: Option<Arc<Version>>,
    deltas: Vec<Arc<Delta>>,
}

/// What is expected next; the diagram stands above.
enum State {
    /// The SOA of the version that the peer has.
    Opening,
    /// IXFR: the second record tells differences from a whole zone (RFC 1995 §4).
    Second,
    /// IXFR: the peer has our version; usually nothing follows.
    Even,
    /// The peer sends a whole zone of the serial that we hold: it is read to its end and not used.
    Ignoring,
    /// The records of a whole zone.
    Whole(Box<Builder>),
    /// What a step removes, its old SOA first.
    Removing { from: Serial, removed: Records },
    /// What a step adds, its new SOA first.
    Adding { to: Serial, removed: Records, added: Records },
    /// The closing SOA came.
    Closed(Box<Taken>),
}

/// What a finished transfer brought.
pub(super) enum Taken {
    /// The peer's serial is ours.
    Current(Serial),
    /// A new version.
    Changed(Change, Form),
}

impl Intake {
    pub(super) fn new() -> Intake {
        Intake { state: State::Opening, opening: None, held: None, deltas: Vec::new() }
    }

    /// Takes the next record of the answer section.
    pub(super) fn record(
        &mut self,
        ask: &Ask,
        class: Class,
        record: RecordRef<'_>,
    ) -> Result<(), TransferError> {
        check_belongs(ask.apex.as_ref(), class, record)?;
        let soa = serial_of(record);
        let state = mem::replace(&mut self.state, State::Opening);
        self.state = match (state, soa) {
            (State::Opening, Some(serial)) => self.open(ask, record, serial)?,
            (State::Opening, None) => return Err(TransferError::NoSoa),
            (State::Second, Some(serial)) if !self.is_opening(record) => {
                self.first_step(ask, record, serial)?
            }
            (State::Second, _) => {
                let mut builder = self.builder(ask)?;
                match soa {
                    Some(_) => self.close_whole(ask, *builder)?,
                    None => {
                        push(&mut builder, record)?;
                        State::Whole(builder)
                    }
                }
            }
            (State::Even | State::Ignoring, None) => State::Ignoring,
            (State::Even | State::Ignoring, Some(serial)) => {
                self.check_closing(record)?;
                State::Closed(Box::new(Taken::Current(serial)))
            }
            (State::Whole(mut builder), None) => {
                push(&mut builder, record)?;
                State::Whole(builder)
            }
            (State::Whole(builder), Some(_)) => {
                self.check_closing(record)?;
                self.close_whole(ask, *builder)?
            }
            (State::Removing { from, mut removed }, None) => {
                removed.push(record);
                State::Removing { from, removed }
            }
            (State::Removing { from, removed }, Some(to)) => {
                if !to.is_newer_than(from) {
                    return Err(TransferError::StepBack { from, to });
                }
                State::Adding { to, removed, added: [record].into_iter().collect() }
            }
            (State::Adding { to, removed, mut added }, None) => {
                added.push(record);
                State::Adding { to, removed, added }
            }
            (State::Adding { to, removed, added }, Some(serial)) => {
                self.apply(ask, &removed, &added)?;
                self.after_step(ask, to, record, serial)?
            }
            (State::Closed(_), _) => return Err(TransferError::Trailing),
        };
        Ok(())
    }

    /// What is known when a message ends: the transfer if it is complete. `None`: more must come.
    pub(super) fn message_ended(&mut self) -> Option<Taken> {
        match mem::replace(&mut self.state, State::Opening) {
            State::Closed(taken) => Some(*taken),
            // RFC 1995 §2: a single SOA that is not newer says that we are current.
            State::Even => self.opening.as_ref().map(|(_, serial)| Taken::Current(*serial)),
            state => {
                self.state = state;
                None
            }
        }
    }

    /// The serial that the peer announced, if that was all that came yet of an IXFR.
    pub(super) fn lone_soa(&self) -> Option<Serial> {
        let serial = self.opening.as_ref().map(|(_, serial)| *serial);
        serial.filter(|_| matches!(self.state, State::Second))
    }

    fn open(&mut self, ask: &Ask, record: RecordRef<'_>, theirs: Serial) -> Result<State, TransferError> {
        self.opening = Some((record.to_record(), theirs));
        let wants_differences = ask.kind == AskKind::Ixfr;
        let Some(base) = &ask.base else { return self.builder(ask).map(State::Whole) };
        if ask.accept_lower && !wants_differences {
            return self.builder(ask).map(State::Whole);
        }
        let ours = base.serial();
        match theirs.compare(ours) {
            Some(Ordering::Greater) if wants_differences => Ok(State::Second),
            Some(Ordering::Greater) => self.builder(ask).map(State::Whole),
            Some(Ordering::Equal) if wants_differences => Ok(State::Even),
            Some(Ordering::Equal) => Ok(State::Ignoring),
            Some(Ordering::Less) => Err(TransferError::SerialLower { ours, theirs }),
            None => Err(TransferError::SerialUndefined { ours, theirs }),
        }
    }

    /// A builder that holds the opening SOA.
    fn builder(&self, ask: &Ask) -> Result<Box<Builder>, TransferError> {
        let mut builder = Builder::new(ask.apex.as_ref(), ask.digest_key, Source::Received);
        let (soa, _) = self.opening.as_ref().ok_or(TransferError::NoSoa)?;
        push(&mut builder, soa.as_ref())?;
        Ok(Box::new(builder))
    }

    fn first_step(
        &mut self,
        ask: &Ask,
        record: RecordRef<'_>,
        found: Serial,
    ) -> Result<State, TransferError> {
        let base = ask.base.as_ref().ok_or(TransferError::NoSoa)?;
        if found != base.serial() {
            return Err(TransferError::ChainGap { expected: base.serial(), found });
        }
        self.held = Some(base.clone());
        Ok(State::Removing { from: found, removed: [record].into_iter().collect() })
    }

    fn apply(&mut self, ask: &Ask, removed: &Records, added: &Records) -> Result<(), TransferError> {
        let bounds = &ask.demands.bounds;
        bounds.check_list(added).map_err(TransferError::Excess)?;
        let held = self.held.as_ref().ok_or(TransferError::NoSoa)?;
        let (version, delta) = zone::edit(held, removed, added).map_err(TransferError::Inconsistent)?;
        bounds.check_step(&version, added).map_err(TransferError::Excess)?;
        self.held = Some(Arc::new(version));
        self.deltas.push(Arc::new(delta));
        Ok(())
    }

    /// An SOA after a step that led to `reached`: it ends the transfer, or begins the next step.
    fn after_step(
        &mut self,
        ask: &Ask,
        reached: Serial,
        record: RecordRef<'_>,
        serial: Serial,
    ) -> Result<State, TransferError> {
        let target = self.opening.as_ref().map(|(_, target)| *target);
        if target != Some(reached) {
            if serial != reached {
                return Err(TransferError::ChainGap { expected: reached, found: serial });
            }
            return Ok(State::Removing { from: serial, removed: [record].into_iter().collect() });
        }
        self.check_closing(record)?;
        let after = self.held.take().ok_or(TransferError::NoSoa)?;
        // The announced SOA and the one that the last step brought must be one and the same.
        if !self.is_opening(after.soa()) {
            return Err(TransferError::ClosingSoaDiffers);
        }
        check_delegation(&after)?;
        ask.demands.zonemd.check_increment(&after).map_err(TransferError::Unverified)?;
        let change = Change::new(ask.base.clone(), after, mem::take(&mut self.deltas));
        Ok(State::Closed(Box::new(Taken::Changed(change, Form::Ixfr))))
    }

    fn close_whole(&mut self, ask: &Ask, builder: Builder) -> Result<State, TransferError> {
        let built = builder.finish().map_err(|_| TransferError::NoSoa)?;
        let after = Arc::new(built.version);
        check_delegation(&after)?;
        ask.demands.bounds.check(&after).map_err(TransferError::Excess)?;
        ask.demands.zonemd.check(&after).map_err(TransferError::Unverified)?;
        let deltas = ask.base.iter().filter_map(|base| worthwhile_diff(base, &after)).collect();
        let change = Change::new(ask.base.clone(), after, deltas);
        Ok(State::Closed(Box::new(Taken::Changed(change, Form::Axfr))))
    }

    fn check_closing(&self, record: RecordRef<'_>) -> Result<(), TransferError> {
        if self.is_opening(record) { Ok(()) } else { Err(TransferError::ClosingSoaDiffers) }
    }

    fn is_opening(&self, record: RecordRef<'_>) -> bool {
        let opening = self.opening.as_ref();
        opening.is_some_and(|(soa, _)| rdata::same(RecordType::SOA, &soa.rdata, record.rdata))
    }
}

/// The checks that every record must pass, wherever it stands (D12, R23).
fn check_belongs(apex: NameRef<'_>, class: Class, record: RecordRef<'_>) -> Result<(), TransferError> {
    if class != Class::IN {
        return Err(TransferError::WrongClass(class));
    }
    if !record.owner.is_at_or_below(apex) {
        return Err(TransferError::OutsideOfZone(record.owner.to_name()));
    }
    if record.rtype.is_meta() {
        return Err(TransferError::NotZoneData(record.rtype));
    }
    if record.rtype == RecordType::SOA && record.owner != apex {
        return Err(TransferError::SoaBelowApex(record.owner.to_name()));
    }
    Ok(())
}

fn serial_of(record: RecordRef<'_>) -> Option<Serial> {
    let soa = (record.rtype == RecordType::SOA).then(|| Soa::from_rdata(record.rdata));
    soa.flatten().map(|soa| soa.serial)
}

fn push(builder: &mut Builder, record: RecordRef<'_>) -> Result<(), TransferError> {
    builder.push(record).map_err(|_| TransferError::OutsideOfZone(record.owner.to_name()))
}

/// A zone without NS at its apex is none (RFC 1034 §4.2.1).
fn check_delegation(version: &Version) -> Result<(), TransferError> {
    if version.apex_node().has(RecordType::NS) { Ok(()) } else { Err(TransferError::NoApexNs) }
}

/// The step from `base` to a version that came whole, so that those who follow us get differences: only if
/// it goes forward and, the SOAs aside, touches no more records than the zone has. What does is a rewrite,
/// which is stored and sent whole (R05).
fn worthwhile_diff(base: &Version, after: &Version) -> Option<Arc<Delta>> {
    if !after.serial().is_newer_than(base.serial()) {
        return None;
    }
    let delta = zone::diff(base, after)?;
    let touched = (delta.removed.len() + delta.added.len() - 2) as u64;
    (touched <= after.record_count()).then(|| Arc::new(delta))
}
