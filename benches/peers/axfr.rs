//! Transfers of a large zone: what a record costs the server that has it.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::time::Instant;

use crate::Options;
use crate::field::Field;
use crate::kind::Kind;
use crate::report::{Column, Report};
use crate::server::{Server, Setup, ZoneFile};
use crate::streams::Stream;
use crate::usage::processor_time;
use crate::zone::{APEX, Shape, Zone};

const COLUMNS: [Column; 3] = [
    Column { title: "CPU µs a record", key: "cpu_us_a_record", decimals: 3 },
    Column { title: "s", key: "seconds", decimals: 2 },
    Column { title: "octets a record", key: "octets_a_record", decimals: 1 },
];

/// Transfers in a row in one turn, since processor time is counted in hundredths of a second here.
const IN_A_ROW: usize = 3;

/// Plain, and signed with hmac-sha256.
pub fn run(options: &Options, field: &Field) -> io::Result<Vec<Report>> {
    let dir = tempfile::Builder::new().prefix("bw-bench-").tempdir()?;
    let zones = [ZoneFile { name: APEX.to_owned(), file: dir.path().join("bench.zone") }];
    fs::write(&zones[0].file, Zone::new(Shape { hosts: 1000, wildcards: 25, delegations: 394_000 }).text())?;
    let mut reports = Vec::new();
    for (key, case, goal) in [
        (false, "1M records, plain", "0.10 µs; octets 1.1 x NSD's"),
        (true, "1M records, hmac-sha256", "0.14 µs"),
    ] {
        let mut remarks = Vec::new();
        let mut servers = Vec::new();
        for kind in field.servers(false) {
            if key && kind.manner().is_some_and(|manner| manner.grants.is_none()) {
                remarks.push(format!("No row for {}: its keys live in a database", kind.name()));
                continue;
            }
            let setup = Setup::alone(&dir.path().join(format!("{key}")), &zones, &field.cores[0])?;
            let mut server = Setup { key, ..setup }.start(kind)?;
            server.wait_for_rest()?;
            servers.push(server);
        }
        let mut rows: Vec<_> = servers.iter().map(|server| (server.kind.name(), Vec::new())).collect();
        let rounds = options.rounds(9, 3);
        for round in 1..=rounds {
            eprintln!("AXFR out, {case}: round {round} of {rounds}");
            for (server, (_, figures)) in servers.iter().zip(&mut rows) {
                figures.push(turn(server, key).map_err(|error| server.says(&error.to_string()))?);
            }
        }
        let base = Kind::Bellwether.name();
        let report =
            Report { part: "AXFR out", case: case.into(), goal, columns: &COLUMNS, base, rows, remarks };
        report.print();
        reports.push(report);
    }
    Ok(reports)
}

/// The figures of [`COLUMNS`].
fn turn(server: &Server, key: bool) -> io::Result<Vec<f64>> {
    let before = processor_time(server.process());
    let start = Instant::now();
    let (mut records, mut octets) = (0, 0);
    for _ in 0..IN_A_ROW {
        let (more, longer) =
            Stream::from_address(server.address, Ipv4Addr::LOCALHOST)?.transfer(APEX, key)?;
        records += more;
        octets += longer;
    }
    let passed = start.elapsed();
    // What ends with the transfer is counted with it.
    std::thread::sleep(std::time::Duration::from_millis(100));
    let spent = processor_time(server.process()).saturating_sub(before);
    let records = records as f64;
    Ok(vec![
        spent.as_secs_f64() * 1e6 / records,
        passed.as_secs_f64() / IN_A_ROW as f64,
        octets as f64 / records,
    ])
}
