//! One changed record: from the zone file on the primary to the answer of the secondary, both of the same
//! kind. Ours sees the file by itself; the time of the others begins with the command that tells them.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Options;
use crate::field::Field;
use crate::kind::Kind;
use crate::probe::Probe;
use crate::report::{Column, Report};
use crate::server::{Role, Server, Setup, ZoneFile, free_port};
use crate::usage::Memory;
use crate::zone::{APEX, Shape, Zone};

/// A zone and how often it is changed in a round.
struct Case {
    name: &'static str,
    goal: &'static str,
    shape: Shape,
    edits: usize,
    rounds: usize,
    /// Whether a server that transfers the whole zone for each change takes part.
    whole: bool,
    quick: bool,
}

const CASES: [Case; 3] = [
    Case {
        name: "1k names",
        goal: "p50 5 ms, p99 15 ms",
        shape: Shape { hosts: 750, wildcards: 25, delegations: 150 },
        edits: 20,
        rounds: 5,
        whole: true,
        quick: true,
    },
    Case {
        name: "1M records",
        goal: "p50 700 ms; 600 ms of both sides",
        shape: Shape { hosts: 1000, wildcards: 25, delegations: 394_000 },
        edits: 5,
        rounds: 3,
        whole: false,
        quick: true,
    },
    Case {
        name: "5M records",
        goal: "2 ms and 1 MB of the secondary",
        shape: Shape { hosts: 1000, wildcards: 25, delegations: 1_972_000 },
        edits: 4,
        rounds: 2,
        whole: false,
        quick: false,
    },
];

const COLUMNS: [Column; 5] = [
    Column { title: "ms, p50", key: "milliseconds_p50", decimals: 1 },
    Column { title: "ms, p99", key: "milliseconds_p99", decimals: 1 },
    Column { title: "CPU ms of the primary", key: "primary_cpu_ms", decimals: 2 },
    Column { title: "of the secondary", key: "secondary_cpu_ms", decimals: 2 },
    Column { title: "KB more on the secondary", key: "secondary_kilobytes", decimals: 0 },
];

/// How long one edit may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// After this long without an answer the server is told again: some lose a command while they are busy.
const TELL_AGAIN: Duration = Duration::from_secs(20);
/// The client looks so often.
const LOOK_AGAIN: Duration = Duration::from_micros(200);
/// What passes between two edits: one at a time, since servers hold back what follows too fast (ours has a
/// second between two NOTIFYs that nobody signed).
const PAUSE: Duration = Duration::from_millis(1300);

/// All cases that the options want.
pub fn run(options: &Options, field: &Field) -> io::Result<Vec<Report>> {
    let mut reports = Vec::new();
    for case in CASES.iter().filter(|case| case.quick || !options.quick) {
        let dir = tempfile::Builder::new().prefix("bw-bench-").tempdir()?;
        let text = Zone::new(case.shape).text();
        let name = format!("Edit, {}", case.name);
        let mut field = field.clone();
        let mut remarks =
            vec![format!("A write to the disk takes {:.2} ms (median).", sync_millis(dir.path())?)];
        if !case.whole {
            field.versions.retain(|(kind, _)| *kind != Kind::PowerDns);
            remarks.push("No row for PowerDNS: it transfers the whole zone for each change.".into());
        }
        let rows = field.race(&name, options.rounds(case.rounds, case.rounds.min(3)), |kind, round| {
            let own = dir.path().join(format!("{round}-{}", kind.name()));
            let figures = turn(kind, &own, &text, case.edits, &field)?;
            fs::remove_dir_all(&own)?;
            Ok(figures)
        })?;
        let base = Kind::Bellwether.name();
        let (case, goal) = (case.name.into(), case.goal);
        let report = Report { part: "Edit", case, goal, columns: &COLUMNS, base, rows, remarks };
        report.print();
        reports.push(report);
    }
    Ok(reports)
}

/// A pair, and some edits: the figures of [`COLUMNS`].
fn turn(kind: Kind, dir: &Path, text: &str, edits: usize, field: &Field) -> io::Result<Vec<f64>> {
    let (at_primary, at_secondary) = (dir.join("primary"), dir.join("secondary"));
    fs::create_dir_all(&at_primary)?;
    fs::create_dir_all(&at_secondary)?;
    let zone = |file| [ZoneFile { name: APEX.to_owned(), file }];
    let (zones, copies) = (zone(at_primary.join("bench.zone")), zone(at_secondary.join("bench.copy")));
    let file = &zones[0].file;
    fs::write(file, text)?;
    let (port, other) = (free_port()?, free_port()?);
    // Both may use both processors: what counts is how long it takes them together.
    let primary = Setup {
        role: Role::Primary,
        port,
        other: Some(other),
        cores: &field.cores,
        ..Setup::alone(&at_primary, &zones, &0)?
    };
    let secondary = Setup {
        role: Role::Secondary,
        port: other,
        other: Some(port),
        cores: &field.cores,
        ..Setup::alone(&at_secondary, &copies, &0)?
    };
    let mut primary = primary.start(kind)?;
    let mut secondary = secondary.launch(kind)?;
    secondary.wait_for(APEX, 1)?;
    primary.wait_for_rest()?;
    secondary.wait_for_rest()?;
    let mut probe = Probe::new(secondary.address)?;
    // The first edit pays for what the following ones find ready.
    edit(&primary, &mut probe, file, text, 2)?;
    let before = [&mut primary, &mut secondary].map(Server::wait_for_rest);
    let held = Memory::read(secondary.process()).now;
    let mut times = Vec::new();
    for serial in (3u32..).take(edits) {
        std::thread::sleep(PAUSE);
        times.push(edit(&primary, &mut probe, file, text, serial)?.as_secs_f64() * 1e3);
    }
    let after = [&mut primary, &mut secondary].map(Server::wait_for_rest);
    let more = Memory::read(secondary.process()).now as f64 - held as f64;
    times.sort_by(f64::total_cmp);
    let mut cpu = Vec::new();
    for (before, after) in before.into_iter().zip(after) {
        cpu.push(after?.saturating_sub(before?).as_secs_f64() * 1e3 / edits as f64);
    }
    let p99 = times[((times.len() * 99).div_ceil(100) - 1).min(times.len() - 1)];
    Ok(vec![times[times.len() / 2], p99, cpu[0], cpu[1], more / 1e3])
}

/// Saves the file with one record changed; gives what passes until the secondary answers with it.
fn edit(primary: &Server, probe: &mut Probe, file: &Path, text: &str, serial: u32) -> io::Result<Duration> {
    let new = file.with_extension("new");
    let text = text.replacen("hostmaster 1 ", &format!("hostmaster {serial} "), 1).replacen(
        "mail A 192.0.2.3",
        &format!("mail A 192.0.2.{}", serial % 250),
        1,
    );
    fs::write(&new, text)?;
    fs::rename(&new, file)?;
    let start = Instant::now();
    primary.tell(APEX)?;
    let mut told = start;
    while probe.serial(APEX)?.is_none_or(|answered| answered < serial) {
        if start.elapsed() > PATIENCE {
            return Err(primary.says("does not bring an edit to its secondary"));
        }
        if told.elapsed() > TELL_AGAIN {
            primary.tell(APEX)?;
            told = Instant::now();
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(start.elapsed())
}

/// What the disk takes to make a small write durable.
fn sync_millis(dir: &Path) -> io::Result<f64> {
    use std::io::Write;
    let mut file = fs::File::create(dir.join("sync"))?;
    let mut times = Vec::new();
    for _ in 0..50 {
        file.write_all(&[1; 4096])?;
        let start = Instant::now();
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
