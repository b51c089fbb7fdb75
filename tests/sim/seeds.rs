//! Runs a simulation for many seeds, and names the one that fails.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Runs `simulate` for the seeds of `BELLWETHER_SIM_SEEDS`, or those given here.
///
/// Each simulation is alone in its thread; several seeds run side by side.
pub fn run<T>(default: Range<u64>, simulate: impl Fn(u64) -> T + Sync) {
    let seeds = chosen().unwrap_or(default);
    let next = AtomicU64::new(seeds.start);
    let failed = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, |count| count.get());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || !failed.lock().expect("no holder panics").is_empty() {
                        return;
                    }
                    if catch_unwind(AssertUnwindSafe(|| simulate(seed))).is_err() {
                        failed.lock().expect("no holder panics").push(seed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no holder panics");
    assert!(failed.is_empty(), "seeds {failed:?} failed; replay one with BELLWETHER_SIM_SEEDS={}", failed[0]);
}

/// `17` or `10..20`.
fn chosen() -> Option<Range<u64>> {
    let text = std::env::var("BELLWETHER_SIM_SEEDS").ok()?;
    let parse = |text: &str| text.parse::<u64>().expect("BELLWETHER_SIM_SEEDS is SEED or FROM..TO");
    Some(match text.split_once("..") {
        Some((from, to)) => parse(from)..parse(to),
        None => parse(&text)..parse(&text) + 1,
    })
}
