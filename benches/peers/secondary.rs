//! A large zone from a primary: what a record costs until it is served and stored, and how soon a server that
//! starts again answers from what it stored.

use std::fs;
use std::io;

use crate::Options;
use crate::field::Field;
use crate::kind::Kind;
use crate::report::{Column, Report};
use crate::server::{Role, Setup, ZoneFile, free_port};
use crate::zone::{APEX, Shape, Zone};

const INCOMING: [Column; 5] = [
    Column { title: "CPU µs a record until it is stored", key: "cpu_us_a_record_to_rest", decimals: 2 },
    Column { title: "to the first answer", key: "cpu_us_a_record", decimals: 2 },
    Column { title: "s to the first answer", key: "seconds", decimals: 2 },
    Column { title: "octets a record at rest", key: "octets_a_record", decimals: 0 },
    Column { title: "at most", key: "peak_octets_a_record", decimals: 0 },
];

const RESTART: [Column; 4] = [
    Column { title: "s to the first answer", key: "seconds", decimals: 3 },
    Column { title: "CPU s to the first answer", key: "cpu_s", decimals: 2 },
    Column { title: "CPU s until it rests", key: "cpu_s_to_rest", decimals: 2 },
    Column { title: "octets a record at rest", key: "octets_a_record", decimals: 0 },
];

/// All secondaries have the same primary, which is ours and runs where the client does.
pub fn run(options: &Options, field: &Field) -> io::Result<Vec<Report>> {
    let dir = tempfile::Builder::new().prefix("bw-bench-").tempdir()?;
    let at_primary = [ZoneFile { name: APEX.to_owned(), file: dir.path().join("bench.zone") }];
    let text = Zone::new(Shape { hosts: 1000, wildcards: 25, delegations: 394_000 }).text();
    let records = (text.lines().count() - 2) as f64;
    fs::write(&at_primary[0].file, text)?;
    let setup = Setup::alone(&dir.path().join("primary"), &at_primary, &field.cores[1])?;
    let primary = setup.start(Kind::Bellwether)?;
    let mut restarts: Vec<Vec<Vec<f64>>> = Vec::new();
    let rounds = options.rounds(7, 3);
    let servers = field.servers(false);
    restarts.resize(servers.len(), Vec::new());
    let rows = field.race("AXFR in, 1M records", rounds, |kind, round| {
        let own = dir.path().join(format!("{round}"));
        fs::create_dir_all(&own)?;
        let zones = [ZoneFile { name: APEX.to_owned(), file: own.join(format!("{}.copy", kind.name())) }];
        let setup = Setup {
            role: Role::Secondary,
            other: Some(primary.address.port()),
            ..Setup::alone(&own, &zones, &field.cores[0])?
        };
        let (server, started) = setup.measure(kind, |server| server.wait_for(APEX, 1))?;
        server.stop();
        let figures = vec![
            started.to_rest.as_secs_f64() * 1e6 / records,
            started.to_answer.as_secs_f64() * 1e6 / records,
            started.passed.as_secs_f64(),
            started.memory.now as f64 / records,
            started.memory.peak as f64 / records,
        ];
        let setup = Setup { port: free_port()?, ..setup };
        let (server, started) = setup.measure(kind, |server| server.wait_for(APEX, 1))?;
        server.stop();
        let at = servers.iter().position(|server| *server == kind).unwrap_or_default();
        restarts[at].push(vec![
            started.passed.as_secs_f64(),
            started.to_answer.as_secs_f64(),
            started.to_rest.as_secs_f64(),
            started.memory.now as f64 / records,
        ]);
        fs::remove_dir_all(&own)?;
        Ok(figures)
    })?;
    let base = Kind::Bellwether.name();
    let restarts = servers.iter().map(|kind| kind.name()).zip(restarts).collect();
    let reports = vec![
        Report {
            part: "AXFR in",
            case: "1M records".into(),
            goal: "0.6 µs",
            columns: &INCOMING,
            base,
            rows,
            remarks: Vec::new(),
        },
        Report {
            part: "Restart",
            case: "a secondary with 1M records".into(),
            goal: "0.25 x the best",
            columns: &RESTART,
            base,
            rows: restarts,
            remarks: Vec::new(),
        },
    ];
    reports.iter().for_each(Report::print);
    Ok(reports)
}
