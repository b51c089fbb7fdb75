//! Flocks of whole servers in one thread, on simulated time, over a network and disks that fail.
//!
//! Each server is what runs in reality, without threads and sockets: shards, commits, a store, and
//! `serve()` for every message that comes in. One seed is one history: the same seed replays it.
//! `BELLWETHER_SIM_SEEDS=17` (or `10..20`) chooses seeds, and a seed that fails is named.
//!
//! What is held after every step stands in [`observer`], what happens to a flock in
//! [`weather`] and [`hostile`].

mod client;
mod editor;
mod flock;
mod hostile;
mod net;
mod node;
mod observer;
mod operator;
mod phases;
mod primary;
mod queue;
mod seeds;
mod simulation;
mod weather;

use flock::Plan;

/// The main job: an edit on one reaches the other, through crash and restart.
#[test]
fn a_pair_converges_through_crash_and_restart() {
    seeds::run(1..41, |seed| phases::run(seed, Plan::pair(seed)));
}

/// One primary, five secondaries and a relay under all that can happen to them.
#[test]
fn a_flock_holds_its_invariants() {
    seeds::run(1..101, |seed| phases::run(seed, Plan::flock(seed)));
}

/// A seed is one history: without that a failure could not be looked at.
#[test]
fn a_seed_replays() {
    let run = |seed| phases::run(seed, Plan::flock(seed));
    assert_eq!(run(1), run(1));
}
