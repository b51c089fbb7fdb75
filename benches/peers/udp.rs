//! Queries over UDP: what one costs each server.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::Options;
use crate::field::Field;
use crate::kind::Kind;
use crate::load::{Client, Expect, Tally};
use crate::report::{Column, Report, Row};
use crate::server::{Server, Setup, ZoneFile};
use crate::signed;
use crate::usage::Usage;
use crate::zone::{APEX, Edns, Kind as Ask, Mix, Questions, Shape, Zone};

/// One line of the goals: a zone and what is asked of it.
struct Case {
    name: &'static str,
    goal: &'static str,
    shape: Shape,
    signed: bool,
    mix: Mix,
    /// Whom the others are compared to.
    base: Kind,
    /// Whether the short look has it.
    quick: bool,
}

const SMALL: Shape = Shape { hosts: 750, wildcards: 25, delegations: 150 };
const LARGE: Shape = Shape { hosts: 1000, wildcards: 25, delegations: 1_000_000 };
const HITS: Mix = [(Ask::Hit, 100), (Ask::NxDomain, 0), (Ask::Wildcard, 0), (Ask::Referral, 0)];
const MIXED: Mix = [(Ask::Hit, 55), (Ask::NxDomain, 20), (Ask::Wildcard, 10), (Ask::Referral, 15)];
const REFERRALS: Mix = [(Ask::Hit, 0), (Ask::NxDomain, 5), (Ask::Wildcard, 0), (Ask::Referral, 95)];

const CASES: [Case; 4] = [
    Case {
        name: "1k names, hits",
        goal: "1.13 x floor with all defaults",
        shape: SMALL,
        signed: false,
        mix: HITS,
        base: Kind::Floor,
        quick: true,
    },
    Case {
        name: "1k names, hits, NXDOMAIN, wildcards, referrals",
        goal: "1.13 x floor with all defaults",
        shape: SMALL,
        signed: false,
        mix: MIXED,
        base: Kind::Floor,
        quick: true,
    },
    Case {
        name: "1M delegations, random names",
        goal: "1.25 x floor",
        shape: LARGE,
        signed: false,
        mix: REFERRALS,
        base: Kind::Floor,
        quick: false,
    },
    Case {
        name: "1M delegations with NSEC3 and opt-out, random names, DO",
        goal: "0.7 x NSD",
        shape: LARGE,
        signed: true,
        mix: REFERRALS,
        base: Kind::Nsd,
        quick: false,
    },
];

const WARM_UP: Duration = Duration::from_millis(150);
/// How often a turn is tried in which a thread came or went or a reply did not come.
const TRIES: usize = 3;

const COLUMNS: [Column; 5] = [
    Column { title: "CPU µs a query", key: "cpu_us", decimals: 2 },
    Column { title: "user µs", key: "user_us", decimals: 2 },
    Column { title: "busy %", key: "busy_percent", decimals: 0 },
    Column { title: "queries/s", key: "queries_per_second", decimals: 0 },
    Column { title: "octets a reply", key: "reply_octets", decimals: 0 },
];

/// Runs all cases that the options want.
pub fn run(options: &Options, field: &Field) -> io::Result<Vec<Report>> {
    let mut reports = Vec::new();
    for case in CASES.iter().filter(|case| case.quick || !options.quick) {
        let report = run_case(case, options, field)?;
        report.print();
        reports.push(report);
    }
    let report = run_workers(options, field)?;
    report.print();
    reports.push(report);
    Ok(reports)
}

/// Servers that take turns.
struct Race<'a> {
    client: Client,
    questions: &'a Questions,
    time: Duration,
    rounds: usize,
    servers: Vec<(&'static str, Server)>,
}

impl Race<'_> {
    fn run(mut self, case: &str) -> io::Result<(Vec<Row>, Vec<String>)> {
        let mut rows: Vec<_> = self.servers.iter().map(|(name, _)| (*name, Vec::new())).collect();
        let mut wrong = vec![(0, 0); rows.len()];
        for round in 1..=self.rounds {
            eprintln!("{case}: round {round} of {}", self.rounds);
            for (((_, server), (_, rounds)), wrong) in self.servers.iter().zip(&mut rows).zip(&mut wrong) {
                let (figures, tally) = turn(&mut self.client, server, self.questions, self.time)?;
                *wrong = (wrong.0 + tally.wrong, wrong.1 + tally.lost);
                rounds.push(figures);
            }
        }
        let remark = |((name, _), (wrong, lost)): (&(&str, _), &(u64, u64))| {
            (wrong + lost > 0)
                .then(|| format!("{name}: {wrong} replies were not what was asked for, {lost} did not come"))
        };
        let remarks = rows.iter().zip(&wrong).filter_map(remark).collect();
        Ok((rows, remarks))
    }
}

fn run_case(case: &Case, options: &Options, field: &Field) -> io::Result<Report> {
    let (time, count) = length(options);
    eprintln!("{}: starting the servers", case.name);
    let dir = tempfile::Builder::new().prefix("bw-bench-").tempdir()?;
    let zone = Zone::new(case.shape);
    let files = write(dir.path(), &zone, case.signed)?;
    let edns = if case.signed { Edns::AlwaysDo } else { Edns::Mixed };
    let questions = zone.questions(&case.mix, count, edns);
    let mut client = Client::new()?;
    // The floor wants to know how long our replies are, but stands first.
    let setup = Setup::alone(dir.path(), &files, &field.cores[0])?;
    let ours = setup.start(Kind::Bellwether)?;
    let tally = client.run(ours.address, &questions, Expect::Answers, WARM_UP)?;
    let reply_octets = tally.octets.div_ceil(tally.replies.max(1)) as usize;
    let mut ours = Some(ours);
    let mut servers = Vec::new();
    let mut remarks = Vec::new();
    for kind in field.servers(true) {
        // It takes signed zones only after their database was told of each.
        if case.signed && kind == Kind::PowerDns {
            remarks.push("No row for PowerDNS: its BIND backend serves proofs only with a database".into());
            continue;
        }
        let server = match ours.take_if(|_| kind == Kind::Bellwether) {
            Some(ours) => ours,
            None => {
                let setup = Setup::alone(dir.path(), &files, &field.cores[0])?;
                Setup { reply_octets, ..setup }.start(kind)?
            }
        };
        servers.push((kind.name(), server));
    }
    let race = Race { client, questions: &questions, time, rounds: options.rounds(15, 9), servers };
    let (rows, wrong) = race.run(case.name)?;
    remarks.extend(wrong);
    let base = case.base.name();
    Ok(Report {
        part: "UDP",
        case: case.name.into(),
        goal: case.goal,
        columns: &COLUMNS,
        base,
        rows,
        remarks,
    })
}

/// One worker beside two, where the client has one of their processors to itself or not: what they keep
/// from each other shows in the processor time of a query.
fn run_workers(options: &Options, field: &Field) -> io::Result<Report> {
    let case = "one worker and two, 1k names, hits";
    let (time, count) = length(options);
    let dir = tempfile::Builder::new().prefix("bw-bench-").tempdir()?;
    let zone = Zone::new(SMALL);
    let files = write(dir.path(), &zone, false)?;
    let questions = zone.questions(&HITS, count, Edns::Mixed);
    let [one, two] = [(1, &field.cores[..1]), (2, &field.cores[..])].map(|(workers, cores)| {
        let dir = dir.path().join(format!("{workers}"));
        Setup::alone(&dir, &files, &0)
            .and_then(|setup| Setup { workers, cores, ..setup }.start(Kind::Bellwether))
    });
    let base = "Bellwether, 1 worker";
    let servers = vec![(base, one?), ("Bellwether, 2 workers", two?)];
    let race =
        Race { client: Client::new()?, questions: &questions, time, rounds: options.rounds(15, 9), servers };
    let (rows, remarks) = race.run(case)?;
    let goal = "1.05 x, which is 1.9 x the throughput of one on processors of their own";
    Ok(Report { part: "UDP", case: case.into(), goal, columns: &COLUMNS, base, rows, remarks })
}

/// How long a turn is, and how many questions there are.
fn length(options: &Options) -> (Duration, usize) {
    if options.quick { (Duration::from_millis(700), 1 << 16) } else { (Duration::from_secs(2), 1 << 20) }
}

fn write(dir: &Path, zone: &Zone, signed: bool) -> io::Result<Vec<ZoneFile>> {
    let file = dir.join("bench.zone");
    fs::write(&file, if signed { signed::text(zone) } else { zone.text() })?;
    Ok(vec![ZoneFile { name: APEX.to_owned(), file }])
}

/// One server's turn: the figures of [`COLUMNS`], and what the client saw.
fn turn(
    client: &mut Client,
    server: &Server,
    questions: &Questions,
    time: Duration,
) -> io::Result<(Vec<f64>, Tally)> {
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
        let micros = spent.nanos as f64 / 1e3 / replies;
        let busy = spent.nanos as f64 / passed.as_nanos() as f64;
        let octets = tally.octets as f64 / replies;
        let rate = replies / passed.as_secs_f64();
        return Ok((vec![micros, micros * spent.user_share, busy * 100.0, rate, octets], tally));
    }
    Err(io::Error::other(format!("{} starts or ends threads all the time", server.kind.name())))
}
