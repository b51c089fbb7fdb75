//! Bellwether against other name servers and programs, each a process of its own on loopback.
//!
//! Without `BELLWETHER_PEERS=1` (which `tests/run` sets) nothing runs, and what was left out is
//! printed. With it a missing program fails the tests that need it, with the line that installs it.
//! An argument that is no option runs only the tests whose name contains it. When a test fails, the
//! logs of its processes follow. No test depends on timing: all wait for what they expect.

mod bellwether;
mod interop;
mod pair;
mod peer;
mod questions;
mod relay;
mod service;
mod survival;
mod texts;
mod yard;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use yard::Yard;

/// A test: its name, the programs that it needs, and itself.
type Test = (&'static str, &'static [&'static str], fn(&Yard));

/// Tests at the same time: they wait more than they work.
const TESTS_AT_ONCE: usize = 3;

fn main() -> ExitCode {
    let filters: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let listing = std::env::args().any(|argument| argument == "--list");
    let all: Vec<Test> =
        [interop::TESTS, pair::TESTS, questions::TESTS, service::TESTS, survival::TESTS].concat();
    let total = all.len();
    let chosen =
        |test: &Test| filters.is_empty() || filters.iter().any(|filter| test.0.contains(filter.as_str()));
    let tests: Vec<Test> = all.into_iter().filter(chosen).collect();
    let filtered = total - tests.len();
    if listing {
        tests.iter().for_each(|(name, ..)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    if std::env::var("BELLWETHER_PEERS").is_ok_and(|value| value == "1") {
        return run(&tests, filtered);
    }
    println!("\nrunning 0 tests");
    println!("left out, because BELLWETHER_PEERS=1 is not set (tests/run sets it):");
    tests.iter().for_each(|(name, ..)| println!("    {name}"));
    println!(
        "\ntest result: ok. 0 passed; 0 failed; {} ignored; 0 measured; {filtered} filtered out",
        tests.len()
    );
    ExitCode::SUCCESS
}

fn run(tests: &[Test], filtered: usize) -> ExitCode {
    println!("\nrunning {} tests", tests.len());
    // The message and its place are caught here, and shown with the logs.
    let begun = Instant::now();
    std::panic::set_hook(Box::new(|info| yard::remember_panic(&info.to_string())));
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
    let failures = failures.into_inner().expect("no other thread panics here");
    for (name, report) in &failures {
        println!("\n---- {name} ----\n{report}");
    }
    let (failed, seconds) = (failures.len(), begun.elapsed().as_secs_f32());
    let (verdict, passed) = (if failed == 0 { "ok" } else { "FAILED" }, tests.len() - failed);
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out; finished in {seconds:.2}s\n"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_one((_, programs, body): &Test) -> Result<(), String> {
    let missing: Vec<String> = programs.iter().filter_map(|program| yard::missing(program)).collect();
    if !missing.is_empty() {
        return Err(missing.join("\n"));
    }
    let yard = Yard::new();
    let result = catch_unwind(AssertUnwindSafe(|| body(&yard)));
    result.map_err(|_| format!("{}\n{}", yard::last_panic(), yard.logs()))
}
