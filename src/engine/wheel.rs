//! When each zone of a shard is due next.
//!
//! A heap with one entry a zone that counts. After nearly every event a deadline is the same or later, and
//! then nothing is touched: a zone whose entry comes up early is put back where it belongs now. A zone that
//! is due earlier gets another entry, and the old one is passed over when it comes up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::ident::ZoneId;
use crate::time::Tick;

/// What a zone keeps of its place on the wheel.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// When it is due.
    due: Option<Tick>,
    /// The entry that counts; never later than `due`.
    entry: Option<Tick>,
}

/// Entries from which on those that do not count are looked for.
const ENTRIES_MIN: usize = 1024;

/// The deadlines of many zones, whose places are kept by their owner.
#[derive(Debug, Default)]
pub(super) struct Wheel {
    entries: BinaryHeap<Reverse<(Tick, ZoneId)>>,
    /// As many counted when those that did not were last taken away.
    counted: usize,
}

impl Wheel {
    /// The zone is due then, or not at all; what was said before is forgotten.
    pub(super) fn arm(&mut self, id: ZoneId, place: &mut Place, due: Option<Tick>) {
        place.due = due;
        if let Some(due) = due
            && place.entry.is_none_or(|entry| due < entry)
        {
            place.entry = Some(due);
            self.entries.push(Reverse((due, id)));
        }
    }

    /// The earliest deadline, if entries that do not count any more are gone: see [`Wheel::settle`].
    pub(super) fn first(&self) -> Option<(Tick, ZoneId)> {
        self.entries.peek().map(|Reverse(first)| *first)
    }

    /// Makes the first entry one that counts, and sees to it that not many more do not than do. `place_of`
    /// finds a zone's place with its owner; whoever is gone has none.
    pub(super) fn settle<T>(
        &mut self,
        owner: &mut T,
        place_of: impl Fn(&mut T, ZoneId) -> Option<&mut Place>,
    ) {
        while let Some((tick, id)) = self.first() {
            if let Some(place) = place_of(owner, id).filter(|place| place.entry == Some(tick)) {
                if place.due == Some(tick) {
                    break;
                }
                place.entry = None;
                let due = place.due;
                self.arm(id, place, due);
            }
            // What was armed is later, so the entry in front is still this one.
            self.entries.pop();
        }
        if self.entries.len() > 2 * self.counted + ENTRIES_MIN {
            self.entries.retain(|Reverse((tick, id))| {
                place_of(owner, *id).is_some_and(|place| place.entry == Some(*tick))
            });
            self.counted = self.entries.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// A wheel with places, and beside it what it should say.
    #[derive(Default)]
    struct Bench {
        wheel: Wheel,
        places: HashMap<ZoneId, Place>,
        wanted: HashMap<ZoneId, Tick>,
    }

    impl Bench {
        fn arm(&mut self, id: ZoneId, due: Option<Tick>) {
            self.wheel.arm(id, self.places.entry(id).or_default(), due);
            self.wheel.settle(&mut self.places, |places, id| places.get_mut(&id));
            self.wanted.remove(&id);
            self.wanted.extend(due.map(|due| (id, due)));
            let first = self.wanted.iter().map(|(id, due)| (*due, *id)).min();
            assert_eq!(self.wheel.first().map(|(due, _)| due), first.map(|(due, _)| due));
        }
    }

    #[test]
    fn the_first_deadline_is_the_earliest_whatever_was_armed_before() {
        let (mut bench, mut seed) = (Bench::default(), 1u64);
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (id, due) = (ZoneId((seed >> 33) as u32 % 50), Tick(seed >> 40 & 0xff));
            match seed >> 60 {
                0 => {
                    bench.places.remove(&id);
                    bench.arm(id, None);
                }
                1..4 => bench.arm(id, None),
                _ => bench.arm(id, Some(due)),
            }
        }
    }

    #[test]
    fn a_deadline_that_only_moves_on_needs_no_room() {
        let mut bench = Bench::default();
        (0..100_000).for_each(|at| bench.arm(ZoneId(1), Some(Tick(at))));
        assert_eq!(bench.wheel.entries.len(), 1);
    }

    #[test]
    fn zones_that_are_due_sooner_again_and_again_take_bounded_room() {
        let mut bench = Bench::default();
        for round in 0..20_000u64 {
            let id = ZoneId(round as u32 % 10);
            // A far deadline, then one that comes at once and is over.
            bench.arm(id, Some(Tick(round + 1_000_000)));
            bench.arm(id, Some(Tick(round)));
            bench.arm(id, Some(Tick(round + 1_000_000)));
        }
        assert!(bench.wheel.entries.len() <= 2 * ENTRIES_MIN, "{}", bench.wheel.entries.len());
    }
}
