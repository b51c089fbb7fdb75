//! Which form a transfer out takes: current, the steps, one condensed step, or the whole zone (R15, E07).
//!
//! The smallest on the wire wins. Sizes are of uncompressed records: compression shrinks all forms alike,
//! and this way the choice costs no more than the differences themselves, whatever the zone's size.

use std::sync::Arc;

use super::condense::{self, Cache};
use super::outgoing::Requested;
use crate::dns::Serial;
use crate::trace::{Step, Trace};
use crate::zone::{Delta, Version, Walk};

/// The form that a transfer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One SOA: the client has this version already, or a newer one (RFC 1995 §2).
    Current,
    /// Every step from the client's version on, as it happened.
    Steps,
    /// One step that sums up several.
    Condensed,
    /// The whole zone.
    Axfr,
}

/// Chooses the form, and gives the steps for those forms that send steps.
pub(super) fn choose(
    version: &Version,
    requested: Requested,
    history: &[Arc<Delta>],
    cache: &mut Cache,
    trace: &mut impl Trace,
) -> (Form, Vec<Arc<Delta>>) {
    let from = match requested {
        Requested::Axfr => return (Form::Axfr, Vec::new()),
        Requested::Ixfr(from) => from,
    };
    let serial = version.serial();
    if is_current(from, version) {
        trace.step(|| Step(format!("the client has serial {from}, we have {serial}: it is current")));
        return (Form::Current, Vec::new());
    }
    let found =
        chain_between(version.recent(), from, version).or_else(|| chain_between(history, from, version));
    let Some(chain) = found else {
        trace.step(|| Step(format!("no steps are kept from serial {from} to {serial}: the whole zone")));
        return (Form::Axfr, Vec::new());
    };
    let plain: usize = chain.iter().map(|delta| delta.octets()).sum();
    let condensed = if chain.len() > 1 { cache.condense(chain) } else { None };
    let (form, deltas, octets) = match condensed.filter(|delta| delta.octets() < plain) {
        Some(delta) => (Form::Condensed, vec![delta.clone()], delta.octets()),
        None => (Form::Steps, chain.to_vec(), plain),
    };
    trace.step(|| {
        let count = chain.len();
        Step(format!("steps from serial {from} to {serial}: {count}, {plain} octets; {octets} to send"))
    });
    // Both forms have the newest SOA at both ends; in the records of the whole zone it occurs once.
    if is_smaller_than(version, octets + version.soa().packed_octets()) {
        trace.step(|| Step("the whole zone is smaller".into()));
        return (Form::Axfr, Vec::new());
    }
    (form, deltas)
}

/// Whether one SOA is the whole answer: the client has this version or a newer one (RFC 1995 §2). A serial
/// half the circle away is neither: that client gets the zone and judges for itself.
pub(super) fn is_current(from: Serial, version: &Version) -> bool {
    from == version.serial() || from.is_newer_than(version.serial())
}

/// The part of `chain` that leads from serial `from` to exactly `version`.
pub(super) fn chain_between<'d>(
    chain: &'d [Arc<Delta>],
    from: Serial,
    version: &Version,
) -> Option<&'d [Arc<Delta>]> {
    let ends_here =
        |delta: &Arc<Delta>| delta.to == version.serial() && delta.digest_after == version.digest();
    let end = chain.iter().rposition(ends_here)?;
    let upto = chain.get(..=end)?;
    let found = upto.get(upto.iter().rposition(|delta| delta.from == from)?..)?;
    condense::is_unbroken(found).then_some(found)
}

/// Whether all records of the version take fewer than `octets`; looks no further than it must.
fn is_smaller_than(version: &Version, octets: usize) -> bool {
    let (mut walk, mut seen) = (Walk::default(), 0);
    while let Some(record) = walk.next(version) {
        seen += record.packed_octets();
        if seen >= octets {
            return false;
        }
    }
    true
}
