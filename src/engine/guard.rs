//! The guard on changes that take much of a zone away (R13).
//!
//! A truncated copy, a failed generator or a wrong file is the usual way in which a zone loses most
//! of its names. A primary's edit that trips the guard is held until it is confirmed; on a secondary
//! the guard only alarms unless it is told to hold. What a change takes away is counted where the
//! change is made ([`Loss`]).

use crate::config::Guard;
use crate::zone::Loss;

/// Whether it is more than `guard` lets pass: more records *and* a greater share of the names.
pub fn trips(guard: &Guard, loss: &Loss) -> bool {
    loss.records > guard.records && loss.names * 100 > loss.names_before * u64::from(guard.percent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::GuardAction;

    #[test]
    fn r13_it_takes_both_a_number_and_a_share() {
        let guard = Guard { action: GuardAction::Hold, records: 100, percent: 30 };
        let trips =
            |records, names, names_before| super::trips(&guard, &Loss { records, names, names_before });
        assert!(!trips(100, 100, 200));
        assert!(trips(101, 100, 200));
        assert!(!trips(5000, 5_000, 100_000));
        assert!(!trips(101, 300, 1000));
        assert!(trips(301, 301, 1000));
        assert!(!trips(0, 0, 0), "a first version takes nothing away");
    }
}
