//! What the machine keeps through a restart: which primaries are asked for AXFR only (R14).

use super::Follow;
use crate::replica::memory;
use crate::time::Now;

impl Follow {
    /// Counts up when something changes that is worth writing down: see [`Follow::memory`].
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Which primaries are asked for AXFR only, and how much longer, to be stored (R14).
    pub fn memory(&self, now: Now) -> Vec<u8> {
        let mut out = memory::Writer::new(now);
        for primary in &self.primaries {
            if let Some(left) = primary.axfr_only_left(now.tick) {
                out.number(primary.peer.0);
                out.span(left);
            }
        }
        out.finish()
    }

    /// Takes in what an earlier run of the server knew.
    pub fn recall(&mut self, now: Now, octets: &[u8]) {
        let Some(mut memory) = memory::Reader::new(octets, now) else { return };
        while let (Some(peer), Some(left)) = (memory.number(), memory.span()) {
            if let Some(primary) = self.primaries.iter_mut().find(|primary| primary.peer.0 == peer) {
                primary.set_axfr_only(now.tick + left.saturating_sub(memory.elapsed));
            }
        }
    }
}
