//! From a zone file that was read to a change that can be proposed.
//!
//! Runs in the worker pool: for a big zone this is where the work is. Pure all the same.

use std::borrow::Cow;
use std::sync::Arc;

use super::serial::{self, Chosen};
use crate::config::SerialPolicy;
use crate::dns::Serial;
use crate::reason::Reason;
use crate::time::Wall;
use crate::zone::zonemd::{self, Making};
use crate::zone::{self, Change, Version};

/// What a file's content means for the zone.
#[derive(Clone, Debug)]
pub enum Intake {
    /// It says what is served already: comments, order, or the file's wish for a serial behind.
    Unchanged,
    /// It makes a new version.
    Changed {
        /// The change against the live version.
        change: Change,
        /// Whether its serial is one that we chose.
        serial_is_ours: bool,
    },
}

/// Compares what the file says with the live version.
///
/// `floor` is the newest serial that was ever published here; without a live version it still holds
/// (R01: the store's floor wins over a file). With `making` each version gets a ZONEMD of ours, under the
/// serial that is chosen, in place of whatever the file says (R33).
pub fn from_file(
    live: Option<&Arc<Version>>,
    floor: Option<Serial>,
    read: Version,
    policy: SerialPolicy,
    making: Option<Making>,
    wall: Wall,
) -> Result<Intake, Reason> {
    let read = if making.is_some() { zonemd::without(&read) } else { read };
    let policy = serial::effective(policy, &read);
    let Some(live) = live else {
        return first(floor, read, policy, making, wall);
    };
    // What the file says is held against what it said before, without what we added.
    let before = bare(live, making);
    let file = read.serial();
    let at_live = if file == live.serial() { read } else { zone::reserial(&read, live.serial()) };
    // Newer than what is live only if the end of its chain was lost (R01).
    let published = floor.map_or(live.serial(), |floor| live.serial().newest(floor));
    let behind = published != live.serial();
    // What was published since is lost, and nobody can tell what its serials stood for: move on, but
    // for a signed zone, which has no other serial to offer.
    let choose = || match policy {
        SerialPolicy::Keep if behind && file == published => Ok(Chosen { serial: file, ours: false }),
        policy => serial::choose(policy, file, published, wall),
    };
    let Some(delta) = zone::diff(&before, &at_live) else {
        let is_complete = making.is_none_or(|making| making.is_done(live));
        if !behind && !file.is_newer_than(published) && is_complete {
            return Ok(Intake::Unchanged);
        }
        // Only the serial moves (E13): because the file says so, past what was lost, or for a ZONEMD.
        let moved = Chosen { serial: file, ours: false };
        let Chosen { serial, ours } = if file.is_newer_than(published) { moved } else { choose()? };
        return Ok(changed(live, complete(zone::reserial(&before, serial), making), ours));
    };
    // The live version with the difference shares all other pages, in memory and in the next diff.
    let after = zone::apply(&before, &delta).unwrap_or(at_live);
    let Chosen { serial, ours } = choose()?;
    Ok(changed(live, complete(zone::reserial(&after, serial), making), ours))
}

fn first(
    floor: Option<Serial>,
    read: Version,
    policy: SerialPolicy,
    making: Option<Making>,
    wall: Wall,
) -> Result<Intake, Reason> {
    let file = read.serial();
    let chosen = match floor {
        // The body is lost, so nobody can tell whether this content is what `floor` stood for: move on,
        // but for a signed zone, which has no other serial to offer.
        Some(floor) if policy != SerialPolicy::Keep || file != floor => {
            serial::choose(policy, file, floor, wall)?
        }
        _ => Chosen { serial: file, ours: false },
    };
    let after = if chosen.serial == file { read } else { zone::reserial(&read, chosen.serial) };
    let change = Change::new(None, Arc::new(complete(after, making)), Vec::new());
    Ok(Intake::Changed { change, serial_is_ours: chosen.ours })
}

/// A version without the ZONEMD that we make, if we make one.
pub fn bare(version: &Version, making: Option<Making>) -> Cow<'_, Version> {
    if making.is_some() { Cow::Owned(zonemd::without(version)) } else { Cow::Borrowed(version) }
}

/// A version with the ZONEMD that we make, if we make one.
pub fn complete(version: Version, making: Option<Making>) -> Version {
    match making {
        Some(making) => making.complete(&version),
        None => version,
    }
}

fn changed(live: &Arc<Version>, after: Version, serial_is_ours: bool) -> Intake {
    let deltas = zone::diff(live, &after).map(Arc::new).into_iter().collect();
    let change = Change::new(Some(live.clone()), Arc::new(after), deltas);
    Intake::Changed { change, serial_is_ours }
}
