//! Looking ahead in a batch, so that the memory reads of many queries overlap.
//!
//! In a big zone a query waits for memory far longer than it computes. A driver with a batch of
//! messages calls [`look_ahead`] for each, then for each [`Pass`] [`Ahead::touch`] for each, then
//! [`serve`](super::serve()) for each: by then the zone is known, the name's place in it found, and
//! both are in the cache. Leaving the first steps out changes nothing but the time.

use super::World;
use crate::dns::NameRef;
use crate::dns::message::HEADER_OCTETS;
use crate::time::Tick;
use crate::zone::{Pass, Prepared, Slot};

/// A message with what was found out for it ahead.
#[derive(Clone, Copy)]
pub struct Ahead<'w, 'q> {
    pub(super) octets: &'q [u8],
    /// The zone with the longest match of the name that stands where a question's stands.
    pub(super) slot: Option<&'w Slot>,
    /// The lookup of that name in it, if it has a version to serve.
    pub(super) lookup: Option<Prepared<'w, 'q>>,
}

/// A message of which nothing is known yet.
impl<'q> From<&'q [u8]> for Ahead<'_, 'q> {
    fn from(octets: &'q [u8]) -> Self {
        Ahead { octets, slot: None, lookup: None }
    }
}

/// The first step: finds the zone of what stands where a question stands, and hashes the name.
/// Whether it is a question at all is left to [`serve`](super::serve()), which must get the same
/// world and moment.
pub fn look_ahead<'w, 'q>(octets: &'q [u8], world: &'w World, now: Tick) -> Ahead<'w, 'q> {
    let name = octets.get(HEADER_OCTETS..).and_then(|rest| NameRef::split_from(rest).ok());
    let Some((name, _)) = name else { return octets.into() };
    let slot = world.zones.find(name).map(AsRef::as_ref);
    let lookup = slot.and_then(|slot| slot.version_at(now)).map(|version| version.prepare(name));
    Ahead { octets, slot, lookup }
}

impl Ahead<'_, '_> {
    /// The second step: asks memory for what one pass brings in, over the whole batch before the next.
    pub fn touch(&mut self, pass: Pass) {
        if let Some(lookup) = &mut self.lookup {
            lookup.touch(pass);
        }
    }
}
