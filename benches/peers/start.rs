//! Zones from their files: what loading costs, and what they take in memory.

use std::fmt::Write as _;
use std::fs;
use std::io;

use crate::Options;
use crate::field::Field;
use crate::kind::Kind;
use crate::report::{Column, Report};
use crate::server::{Setup, ZoneFile};
use crate::zone::{APEX, Numbers, Shape, Zone};

/// Delegations with two or three records each, a million and five million in all; whether the short look has it.
const CASES: [(&str, &str, usize, bool); 2] = [
    ("1M records", "0.5 µs, 80 octets a record", 394_000, true),
    ("5M records", "0.6 µs, 80 octets a record", 1_972_000, false),
];

const LOAD: [Column; 5] = [
    Column { title: "CPU µs a record to the first answer", key: "cpu_us_a_record", decimals: 2 },
    Column { title: "until it rests", key: "cpu_us_a_record_to_rest", decimals: 2 },
    Column { title: "s to the first answer", key: "seconds", decimals: 2 },
    Column { title: "octets a record at rest", key: "octets_a_record", decimals: 0 },
    Column { title: "at most", key: "peak_octets_a_record", decimals: 0 },
];

/// One large zone.
pub fn run_load(options: &Options, field: &Field) -> io::Result<Vec<Report>> {
    let mut reports = Vec::new();
    for (case, goal, delegations, quick) in CASES {
        if options.quick && !quick {
            continue;
        }
        let dir = tempfile::Builder::new().prefix("bw-bench-").tempdir()?;
        let file = dir.path().join("bench.zone");
        let text = Zone::new(Shape { hosts: 1000, wildcards: 25, delegations }).text();
        // One record a line, after two directives.
        let records = text.lines().count() - 2;
        fs::write(&file, text)?;
        let zones = [ZoneFile { name: APEX.to_owned(), file }];
        let rounds = options.rounds(if quick { 7 } else { 3 }, 3);
        let rows = field.race(case, rounds, |kind, round| {
            let setup = Setup::alone(&dir.path().join(format!("{round}")), &zones, &field.cores[0])?;
            let (server, started) = setup.measure(kind, |server| server.wait_for(APEX, 0))?;
            server.stop();
            fs::remove_dir_all(&setup.dir)?;
            let records = records as f64;
            Ok(vec![
                started.to_answer.as_secs_f64() * 1e6 / records,
                started.to_rest.as_secs_f64() * 1e6 / records,
                started.passed.as_secs_f64(),
                started.memory.now as f64 / records,
                started.memory.peak as f64 / records,
            ])
        })?;
        let case = format!("{case} ({records})");
        let base = Kind::Bellwether.name();
        let report = Report { part: "Load", case, goal, columns: &LOAD, base, rows, remarks: Vec::new() };
        report.print();
        reports.push(report);
    }
    Ok(reports)
}

const ZONES: [Column; 4] = [
    Column { title: "CPU s until all answer", key: "cpu_s", decimals: 2 },
    Column { title: "until it rests", key: "cpu_s_to_rest", decimals: 2 },
    Column { title: "s until all answer", key: "seconds", decimals: 2 },
    Column { title: "MB at rest", key: "megabytes", decimals: 0 },
];

/// Many small zones.
pub fn run_zones(options: &Options, field: &Field) -> io::Result<Vec<Report>> {
    let count = if options.quick { 10_000 } else { 100_000 };
    let dir = tempfile::Builder::new().prefix("bw-bench-").tempdir()?;
    let zones = small_zones(dir.path(), count)?;
    let names: Vec<String> = zones.iter().map(|zone| zone.name.clone()).collect();
    let case = format!("{count} zones of 12 records");
    let rows = field.race(&case, options.rounds(3, 3), |kind, round| {
        let setup = Setup::alone(&dir.path().join(format!("{round}")), &zones, &field.cores[0])?;
        let (server, started) = setup.measure(kind, |server| server.wait_for_all(&names))?;
        server.stop();
        fs::remove_dir_all(&setup.dir)?;
        Ok(vec![
            started.to_answer.as_secs_f64(),
            started.to_rest.as_secs_f64(),
            started.passed.as_secs_f64(),
            started.memory.now as f64 / 1e6,
        ])
    })?;
    let goal = "1.5 s, 200 MB for 100,000";
    let base = Kind::Bellwether.name();
    let report = Report { part: "Zones", case, goal, columns: &ZONES, base, rows, remarks: Vec::new() };
    report.print();
    Ok(vec![report])
}

/// The zones of a hosting provider: 12 records each, in folders of a thousand files.
pub fn small_zones(dir: &std::path::Path, count: usize) -> io::Result<Vec<ZoneFile>> {
    let mut numbers = Numbers(7);
    let mut zones = Vec::with_capacity(count);
    for at in 0..count {
        let folder = dir.join(format!("zones/{}", at / 1000));
        if at % 1000 == 0 {
            fs::create_dir_all(&folder)?;
        }
        let letters: String =
            (0..3 + numbers.below(12)).map(|_| char::from(b'a' + numbers.below(26) as u8)).collect();
        let zone =
            ZoneFile { name: format!("{letters}{at:x}.example"), file: folder.join(format!("{at}.zone")) };
        fs::write(&zone.file, small_zone(&zone.name, &mut numbers))?;
        zones.push(zone);
    }
    // Or whoever starts first would pay for writing them.
    std::process::Command::new("sync").status()?;
    Ok(zones)
}

/// A zone file of 12 records.
fn small_zone(name: &str, numbers: &mut Numbers) -> String {
    let mut text = format!(
        "$ORIGIN {name}.\n$TTL 3600\n@ SOA ns1.hoster.example. hostmaster 1 7200 900 1209600 300\n\
         @ NS ns1.hoster.example.\n@ NS ns2.hoster.example.\n@ MX 10 mail\n\
         @ TXT \"v=spf1 mx include:_spf.hoster.example -all\"\n"
    );
    for owner in ["@", "mail", "ftp", "imap"] {
        let [_, b, c, d, ..] = numbers.draw().to_be_bytes();
        writeln!(text, "{owner} A 10.{b}.{c}.{d}").expect("a string takes anything");
    }
    text.push_str("www CNAME @\nautodiscover CNAME mail\n_dmarc TXT \"v=DMARC1; p=none\"\n");
    text
}
