//! Queries over UDP: what one costs each server.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::Options;
use crate::field::Field;
use crate::load::{Client, Expect, Tally};
use crate::server::{Kind, Server};
use crate::table;
use crate::usage::Usage;
use crate::zone::{Kind as Ask, Mix, Questions, Shape, Zone};

/// One line of the goals: a zone and what is asked of it.
struct Case {
    name: &'static str,
    shape: Shape,
    mix: Mix,
    /// Whether the short look has it.
    quick: bool,
}

const SMALL: Shape = Shape { hosts: 750, wildcards: 25, delegations: 150 };
const LARGE: Shape = Shape { hosts: 1000, wildcards: 25, delegations: 1_000_000 };
const HITS: Mix = [(Ask::Hit, 100), (Ask::NxDomain, 0), (Ask::Wildcard, 0), (Ask::Referral, 0)];
const MIXED: Mix = [(Ask::Hit, 55), (Ask::NxDomain, 20), (Ask::Wildcard, 10), (Ask::Referral, 15)];
const REFERRALS: Mix = [(Ask::Hit, 0), (Ask::NxDomain, 5), (Ask::Wildcard, 0), (Ask::Referral, 95)];

const CASES: [Case; 3] = [
    Case { name: "1k names, hits", shape: SMALL, mix: HITS, quick: true },
    Case { name: "1k names, hits, NXDOMAIN, wildcards, referrals", shape: SMALL, mix: MIXED, quick: true },
    Case { name: "1M delegations, random names", shape: LARGE, mix: REFERRALS, quick: false },
];

const WARM_UP: Duration = Duration::from_millis(150);
/// How often a turn is tried in which a thread came or went or a reply did not come.
const TRIES: usize = 3;

/// What came out of one case.
pub struct CaseReport {
    /// Its name.
    pub name: &'static str,
    /// Each server with its turns, one a round.
    pub servers: Vec<(Kind, Vec<Turn>)>,
}

/// A server's turn in one round.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Processor time for a reply, in nanoseconds.
    pub nanos: f64,
    /// The part of it in user code, as far as clock ticks can tell.
    pub user_share: f64,
    /// Of the time that passed, how much the server had a processor.
    pub busy: f64,
    /// Replies a second.
    pub rate: f64,
    /// What the client saw.
    pub tally: Tally,
}

/// Runs all cases that the options want.
pub fn run(options: &Options, field: &Field) -> io::Result<Vec<CaseReport>> {
    let cases = CASES.iter().filter(|case| case.quick || !options.quick);
    let case = |case| {
        let report = run_case(case, &field.servers(true), options, field.cores[0])?;
        // At once, so that whoever ends a long run early has what was done.
        table::print_case(&report);
        Ok(report)
    };
    cases.map(case).collect()
}

fn run_case(case: &Case, kinds: &[Kind], options: &Options, core: usize) -> io::Result<CaseReport> {
    let (rounds, time, count) = if options.quick {
        (options.rounds.unwrap_or(9), Duration::from_millis(700), 1 << 16)
    } else {
        (options.rounds.unwrap_or(15), Duration::from_secs(2), 1 << 20)
    };
    eprintln!("{}: starting the servers", case.name);
    let dir = tempfile::Builder::new().prefix("bw-bench-").tempdir()?;
    let zone = Zone::new(case.shape);
    let zone_file = dir.path().join("bench.zone");
    fs::write(&zone_file, zone.text())?;
    let questions = zone.questions(&case.mix, count);
    let mut client = Client::new()?;
    let servers = start(kinds, dir.path(), &zone_file, &mut client, &questions, core)?;

    let mut turns: Vec<Vec<Turn>> = vec![Vec::new(); servers.len()];
    for round in 1..=rounds {
        eprintln!("{}: round {round} of {rounds}", case.name);
        for (server, turns) in servers.iter().zip(&mut turns) {
            turns.push(turn(&mut client, server, &questions, time)?);
        }
    }
    Ok(CaseReport { name: case.name, servers: servers.iter().map(|server| server.kind).zip(turns).collect() })
}

/// Starts all servers one after the other. The floor comes last, since it wants to know how long our
/// replies are, but stands first.
fn start(
    kinds: &[Kind],
    dir: &Path,
    zone_file: &Path,
    client: &mut Client,
    questions: &Questions,
    core: usize,
) -> io::Result<Vec<Server>> {
    let ours = Kind::Bellwether.start(dir, zone_file, 0, core)?;
    let tally = client.run(ours.address, questions, Expect::Answers, WARM_UP)?;
    let octets = tally.octets.div_ceil(tally.replies.max(1)) as usize;
    let mut ours = Some(ours);
    kinds
        .iter()
        .map(|kind| match (kind, ours.take_if(|_| *kind == Kind::Bellwether)) {
            (_, Some(ours)) => Ok(ours),
            (kind, None) => kind.start(dir, zone_file, octets, core),
        })
        .collect()
}

fn turn(client: &mut Client, server: &Server, questions: &Questions, time: Duration) -> io::Result<Turn> {
    let expect = if server.kind == Kind::Floor { Expect::Echo } else { Expect::Answers };
    for attempt in 1..=TRIES {
        client.run(server.address, questions, expect, WARM_UP)?;
        let before = Usage::read(server.process());
        let start = std::time::Instant::now();
        let tally = client.run(server.address, questions, expect, time)?;
        let passed = start.elapsed();
        let spent = Usage::read(server.process()).since(&before);
        let Some(spent) = spent.filter(|_| tally.lost == 0 || attempt == TRIES) else { continue };
        let replies = tally.replies.max(1) as f64;
        return Ok(Turn {
            nanos: spent.nanos as f64 / replies,
            user_share: spent.user_share,
            busy: spent.nanos as f64 / passed.as_nanos() as f64,
            rate: replies / passed.as_secs_f64(),
            tally,
        });
    }
    Err(io::Error::other(format!("{} starts or ends threads all the time", server.kind.name())))
}
