//! Whether a UDP worker keeps up with what comes in (PEERS 48).
//!
//! A batch that is full says that more waits. A burst is worked off in a few of them; if they are full
//! for [`OVERLOAD_AFTER`] on end, more comes in than goes out, and the kernel will drop what it cannot
//! keep, whatever it is. Until a batch is not full the worker then leaves refusals and errors unsent:
//! nobody waits for those, and what they cost goes to questions that have an answer here.

use crate::limits::OVERLOAD_AFTER;
use crate::time::Tick;

/// How long a worker has been behind.
#[derive(Debug, Default)]
pub(super) struct Load {
    full_since: Option<Tick>,
}

impl Load {
    /// A batch came in; whether the worker is overloaded.
    pub fn saw(&mut self, is_full: bool, now: Tick) -> bool {
        if !is_full {
            self.full_since = None;
            return false;
        }
        now.since(*self.full_since.get_or_insert(now)) >= OVERLOAD_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p48_a_worker_is_overloaded_while_batches_stay_full() {
        let mut load = Load::default();
        let after = OVERLOAD_AFTER.as_millis() as u64;
        for (is_full, at, overloaded) in [
            (true, 0, false),
            (true, after - 1, false),
            (true, after, true),
            (true, 10 * after, true),
            (false, 10 * after, false),
            (true, 10 * after, false),
            (true, 11 * after, true),
        ] {
            assert_eq!(load.saw(is_full, Tick(at)), overloaded, "at {at} ms");
        }
    }
}
