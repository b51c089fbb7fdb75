//! Versions that transfers hold on to after they were replaced, and the memory that this takes (R21).
//!
//! A transfer sends one version however long it takes (D10), so a slow reader keeps a version that
//! nobody else wants. What counts is only what the version that is served now does not share with
//! it. All are judged every second while a transfer runs, since an edit makes a version a replaced one:
//! above the cap the oldest transfers are told to stop, until the rest fits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::dns::NameRef;
use crate::zone::Version;

/// How often pins are judged while transfers run.
pub(super) const JUDGED_EVERY: Duration = Duration::from_secs(1);

/// The transfers under way, over all runtimes.
#[derive(Debug)]
pub(super) struct Pins {
    octets_max: u64,
    running: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    next: u64,
    /// Oldest first.
    pins: BTreeMap<u64, Held>,
    /// When somebody last took it on himself to have them judged.
    looked_at: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Held {
    version: Arc<Version>,
    stop: Arc<Notify>,
}

/// One transfer's hold on its version; let go when dropped.
#[derive(Debug)]
pub(super) struct Pin {
    pins: Arc<Pins>,
    number: u64,
    stop: Arc<Notify>,
}

impl Pins {
    /// Pins that keep at most `octets_max` from being freed.
    pub fn new(octets_max: u64) -> Arc<Pins> {
        Arc::new(Pins { octets_max, running: Mutex::default() })
    }

    /// A transfer of `version` begins.
    pub fn take(self: &Arc<Pins>, version: Arc<Version>) -> Pin {
        let stop = Arc::new(Notify::new());
        let mut running = self.running.lock().expect("nobody panics with the pins");
        let number = running.next;
        running.next += 1;
        running.pins.insert(number, Held { version, stop: stop.clone() });
        Pin { pins: self.clone(), number, stop }
    }

    /// Whether it is time to judge; of many transfers that ask, one is told so each time.
    pub fn is_due(&self, now: Instant) -> bool {
        let mut running = self.running.lock().expect("nobody panics with the pins");
        let is_due = running.looked_at.is_none_or(|last| now.duration_since(last) >= JUDGED_EVERY);
        running.looked_at = if is_due { Some(now) } else { running.looked_at };
        is_due
    }

    /// Tells the oldest transfers to stop while replaced versions take more than they may. `live`
    /// gives what is served of a zone now.
    pub fn judge(&self, live: impl Fn(NameRef<'_>) -> Option<Arc<Version>>) {
        let held: Vec<Held> = {
            let running = self.running.lock().expect("nobody panics with the pins");
            running.pins.values().cloned().collect()
        };
        // Each version once: its octets, and how many transfers hold it.
        let mut versions: Vec<(&Arc<Version>, u64, usize)> = Vec::new();
        for pin in &held {
            match versions.iter_mut().find(|(version, ..)| Arc::ptr_eq(version, &pin.version)) {
                Some((.., holders)) => *holders += 1,
                None => {
                    let octets = pin.version.octets_apart_from(live(pin.version.apex()).as_deref());
                    versions.push((&pin.version, octets, 1));
                }
            }
        }
        let mut total: u64 = versions.iter().map(|(_, octets, _)| octets).sum();
        for pin in &held {
            if total <= self.octets_max {
                return;
            }
            let found = versions.iter_mut().find(|(version, ..)| Arc::ptr_eq(version, &pin.version));
            if let Some((_, octets @ 1.., holders)) = found {
                pin.stop.notify_one();
                *holders -= 1;
                if *holders == 0 {
                    total -= *octets;
                }
            }
        }
    }
}

impl Pin {
    /// Waits until the transfer has to stop.
    pub async fn revoked(&self) {
        self.stop.notified().await;
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.pins.running.lock().expect("nobody panics with the pins").pins.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r21_of_all_transfers_under_way_one_a_second_has_the_pins_judged() {
        let pins = Pins::new(1);
        let begun = Instant::now();
        let asked = |tenths: u32| pins.is_due(begun + Duration::from_millis(100) * tenths);
        assert!(asked(0));
        assert!((1..10).all(|tenth| !asked(tenth)));
        assert!(asked(10) && !asked(11) && asked(25));
    }
}
