//! A large zone from its file: what loading a record costs, and what it takes in memory.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Options;
use crate::field::Field;
use crate::server::{Kind, Server};
use crate::table;
use crate::usage::{Memory, processor_time};
use crate::zone::{Shape, Zone};

/// A zone to load.
struct Case {
    name: &'static str,
    shape: Shape,
    /// Whether the short look has it.
    quick: bool,
}

// With two or three records each, a million and five million in all.
const CASES: [Case; 2] = [
    Case { name: "1M records", shape: delegations(394_000), quick: true },
    Case { name: "5M records", shape: delegations(1_972_000), quick: false },
];

const fn delegations(delegations: usize) -> Shape {
    Shape { hosts: 1000, wildcards: 25, delegations }
}

/// A server rests when it has used less than this of a [`LOOK`].
const REST: Duration = Duration::from_millis(20);
const LOOK: Duration = Duration::from_millis(500);
/// How long it may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(120);

/// What came out of one case.
pub struct LoadReport {
    /// Its name.
    pub name: &'static str,
    /// Records of the zone.
    pub records: usize,
    /// Each server with its starts, one a round.
    pub servers: Vec<(Kind, Vec<Start>)>,
}

/// One start.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Processor time until the first answer.
    pub to_answer: Duration,
    /// Processor time until it rests.
    pub to_rest: Duration,
    /// What passed until the first answer.
    pub passed: Duration,
    /// What it takes at rest, and took at most.
    pub memory: Memory,
}

/// Runs all cases that the options want.
pub fn run(options: &Options, field: &Field) -> io::Result<Vec<LoadReport>> {
    let mut reports = Vec::new();
    for case in CASES.iter().filter(|case| case.quick || !options.quick) {
        let rounds = options.rounds.unwrap_or(if options.quick { 3 } else { 7 });
        let dir = tempfile::Builder::new().prefix("bw-bench-").tempdir()?;
        let file = dir.path().join("bench.zone");
        let text = Zone::new(case.shape).text();
        // One record a line, after two directives.
        let records = text.lines().count() - 2;
        fs::write(&file, text)?;
        let mut servers: Vec<_> = field.servers(false).into_iter().map(|kind| (kind, Vec::new())).collect();
        for round in 1..=rounds {
            for (kind, starts) in &mut servers {
                eprintln!("{}: round {round} of {rounds}, {}", case.name, kind.name());
                let of_its_own = dir.path().join(format!("{round}"));
                starts.push(start(*kind, &of_its_own, &file, field.cores[0])?);
                fs::remove_dir_all(&of_its_own)?;
            }
        }
        let report = LoadReport { name: case.name, records, servers };
        table::print_load(&report);
        reports.push(report);
    }
    Ok(reports)
}

fn start(kind: Kind, dir: &Path, file: &Path, core: usize) -> io::Result<Start> {
    let begin = Instant::now();
    let server: Server = kind.start(dir, file, 0, core)?;
    let passed = begin.elapsed();
    let to_answer = processor_time(server.process());
    let mut to_rest = to_answer;
    loop {
        std::thread::sleep(LOOK);
        let now = processor_time(server.process());
        let used = now.saturating_sub(to_rest);
        to_rest = now;
        if used < REST {
            break;
        }
        if begin.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("{} does not come to rest", kind.name())));
        }
    }
    Ok(Start { to_answer, to_rest, passed, memory: Memory::read(server.process()) })
}
