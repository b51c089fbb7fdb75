//! The guard on edits that take much of a zone away (R13).
//!
//! A truncated copy, a failed generator or a wrong file is the usual way in which a zone loses most
//! of its names. A primary's edit that trips the guard is held until it is confirmed; on a secondary
//! the guard only alarms unless it is told to hold.

use crate::config::Guard;
use crate::zone::{Change, Version};

/// What a version would lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Records that go, net of those that come.
    pub records: u64,
    /// Names before.
    pub names_before: u64,
    /// Names after.
    pub names_after: u64,
}

impl Loss {
    /// The loss from `before` to `after`.
    pub fn between(before: &Version, after: &Version) -> Loss {
        Loss {
            records: before.record_count().saturating_sub(after.record_count()),
            names_before: before.name_count(),
            names_after: after.name_count(),
        }
    }

    /// Whether it is more than `guard` lets pass: more records *and* a greater share of the names.
    pub fn trips(&self, guard: &Guard) -> bool {
        let lost = self.names_before.saturating_sub(self.names_after);
        self.records > guard.records && lost * 100 > self.names_before * u64::from(guard.percent)
    }
}

/// The loss of a change, if its guard trips.
pub fn tripped(guard: &Guard, change: &Change) -> Option<Loss> {
    let loss = Loss::between(change.base.as_deref()?, &change.after);
    loss.trips(guard).then_some(loss)
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Loss { records, names_before, names_after } = self;
        write!(f, "{records} records would go, and {names_before} names become {names_after}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::GuardAction;

    #[test]
    fn r13_it_takes_both_a_number_and_a_share() {
        let guard = Guard { action: GuardAction::Hold, records: 100, percent: 30 };
        let trips =
            |records, names_before, names_after| Loss { records, names_before, names_after }.trips(&guard);
        assert!(!trips(100, 200, 100));
        assert!(trips(101, 200, 100));
        assert!(!trips(5000, 100_000, 95_000));
        assert!(!trips(101, 1000, 700));
        assert!(trips(301, 1000, 699));
    }
}
