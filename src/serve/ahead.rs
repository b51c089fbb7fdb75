//! Looking ahead in a batch, so that the memory reads of many queries overlap.
//!
//! In a big zone a query waits for memory far longer than it computes. A driver with a batch of
//! messages calls [`look_ahead`] for each, then for each [`Pass`] [`Ahead::touch`] for each, then
//! [`serve`](super::serve()) for each: by then page and entry are in the cache. Leaving the first
//! steps out changes nothing but the time.

use super::World;
use crate::dns::NameRef;
use crate::dns::message::HEADER_OCTETS;
use crate::time::Tick;
use crate::zone::{Pass, Prepared};

/// The lookup of one message, begun.
#[derive(Clone, Copy)]
pub struct Ahead<'w, 'q>(Option<Prepared<'w, 'q>>);

/// The first step: finds the zone of what stands where a question stands, and hashes the name.
/// Whether it is a question at all is left to [`serve`](super::serve()).
pub fn look_ahead<'w, 'q>(octets: &'q [u8], world: &'w World, now: Tick) -> Ahead<'w, 'q> {
    let name = octets.get(HEADER_OCTETS..).and_then(|rest| NameRef::split_from(rest).ok());
    Ahead(name.and_then(|(name, _)| {
        let version = world.zones.find(name)?.version_at(now)?;
        Some(version.prepare(name))
    }))
}

impl Ahead<'_, '_> {
    /// The second step: asks memory for what one pass brings in, over the whole batch before the next.
    pub fn touch(&mut self, pass: Pass) {
        if let Some(prepared) = &mut self.0 {
            prepared.touch(pass);
        }
    }
}
