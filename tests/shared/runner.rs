//! Runs the tests of a binary of its own, as cargo expects it of one.
//!
//! Tests that need no other program always run. Those that do are left out, and named, without
//! `BELLWETHER_PEERS=1` (which `tests/run` sets); with it a missing program fails the tests that need
//! it, with the line that installs it.
//! An argument that is no option runs only the tests whose name contains it. When a test fails, the
//! logs of its processes follow.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::ground::{self, Yard};

/// A test: its name, the programs that it needs, and itself.
pub type Test = (&'static str, &'static [&'static str], fn(&Yard));

/// Tests at the same time: they wait more than they work.
const TESTS_AT_ONCE: usize = 6;

/// Runs those of `all` that the arguments choose.
pub fn main(all: &[&[Test]]) -> ExitCode {
    let filters: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let listing = std::env::args().any(|argument| argument == "--list");
    let all: Vec<Test> = all.concat();
    let total = all.len();
    let chosen =
        |test: &Test| filters.is_empty() || filters.iter().any(|filter| test.0.contains(filter.as_str()));
    let tests: Vec<Test> = all.into_iter().filter(chosen).collect();
    let filtered = total - tests.len();
    if listing {
        tests.iter().for_each(|(name, ..)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let with_peers = std::env::var("BELLWETHER_PEERS").is_ok_and(|value| value == "1");
    let (run_now, left_out): (Vec<Test>, Vec<Test>) =
        tests.into_iter().partition(|(_, programs, _)| with_peers || programs.is_empty());
    println!("\nrunning {} tests", run_now.len());
    let begun = Instant::now();
    let failures = run(&run_now);
    for (name, report) in &failures {
        println!("\n---- {name} ----\n{report}");
    }
    if !left_out.is_empty() {
        println!("left out, because BELLWETHER_PEERS=1 is not set (tests/run sets it):");
        left_out.iter().for_each(|(name, ..)| println!("    {name}"));
    }
    let (failed, seconds) = (failures.len(), begun.elapsed().as_secs_f32());
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {} passed; {failed} failed; {} ignored; 0 measured; {filtered} filtered out; \
         finished in {seconds:.2}s\n",
        run_now.len() - failed,
        left_out.len()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs them, some at a time; the names of those that failed, with what they said.
fn run(tests: &[Test]) -> Vec<(&'static str, String)> {
    // The message and its place are caught here, and shown with the logs.
    std::panic::set_hook(Box::new(|info| ground::remember_panic(&info.to_string())));
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..TESTS_AT_ONCE.min(tests.len()) {
            scope.spawn(|| {
                while let Some(test) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(report) = run_one(test) {
                        println!("test {} ... FAILED", test.0);
                        failures.lock().expect("no other thread panics here").push((test.0, report));
                    } else {
                        println!("test {} ... ok", test.0);
                    }
                }
            });
        }
    });
    failures.into_inner().expect("no other thread panics here")
}

fn run_one((_, programs, body): &Test) -> Result<(), String> {
    let missing: Vec<String> = programs.iter().filter_map(|program| ground::missing(program)).collect();
    if !missing.is_empty() {
        return Err(missing.join("\n"));
    }
    let yard = Yard::new();
    let result = catch_unwind(AssertUnwindSafe(|| body(&yard)));
    result.map_err(|_| format!("{}\n{}", ground::last_panic(), yard.logs()))
}
