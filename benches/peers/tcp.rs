//! Queries over TCP: what one costs each server.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bellwether::dns::message::Header;

use crate::Options;
use crate::field::Field;
use crate::kind::Kind;
use crate::report::{Column, Report};
use crate::server::{Setup, ZoneFile};
use crate::streams::Stream;
use crate::usage::processor_time;
use crate::zone::{APEX, Edns, Kind as Ask, Numbers, Questions, Shape, Zone};

/// Connections that are kept.
const CONNECTIONS: usize = 64;
/// Connections at a time that are used once: those that wait to be accepted must not be more than the ten
/// that Knot and BIND have room for, or the client waits a second.
const CONNECTIONS_USED_ONCE: usize = 8;
/// Questions under way on each when they are pipelined.
const PIPELINED: usize = 16;
const WARM_UP: Duration = Duration::from_millis(200);

const COLUMNS: [Column; 3] = [
    Column { title: "CPU µs a query", key: "cpu_us", decimals: 2 },
    Column { title: "busy %", key: "busy_percent", decimals: 0 },
    Column { title: "queries/s", key: "queries_per_second", decimals: 0 },
];

/// How connections are used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Kept, with many questions under way.
    Pipelined,
    /// For one question each.
    Once,
}

struct Client<'a> {
    questions: &'a Questions,
    numbers: Numbers,
    asked: usize,
    wrong: u64,
}

/// Runs both ways.
pub fn run(options: &Options, field: &Field) -> io::Result<Vec<Report>> {
    let dir = tempfile::Builder::new().prefix("bw-bench-").tempdir()?;
    let zone = Zone::new(Shape { hosts: 750, wildcards: 25, delegations: 150 });
    let zones = [ZoneFile { name: APEX.to_owned(), file: dir.path().join("bench.zone") }];
    fs::write(&zones[0].file, zone.text())?;
    let mix = [(Ask::Hit, 55), (Ask::NxDomain, 20), (Ask::Wildcard, 10), (Ask::Referral, 15)];
    let questions = zone.questions(&mix, 1 << 16, Edns::Mixed);
    let start = |kind: Kind| Setup::alone(dir.path(), &zones, &field.cores[0])?.start(kind);
    let servers = field.servers(false).into_iter().map(start).collect::<io::Result<Vec<_>>>()?;
    let mut reports = Vec::new();
    for (used, case) in [
        (Use::Pipelined, "64 connections with 16 queries under way on each"),
        (Use::Once, "one query a connection"),
    ] {
        let rounds = options.rounds(11, 5);
        let time = Duration::from_millis(if options.quick { 500 } else { 1500 });
        let mut rows: Vec<_> = servers.iter().map(|server| (server.kind.name(), Vec::new())).collect();
        let mut client = Client { questions: &questions, numbers: Numbers(11), asked: 0, wrong: 0 };
        let mut remarks = Vec::new();
        for round in 1..=rounds {
            eprintln!("TCP, {case}: round {round} of {rounds}");
            for (server, (name, figures)) in servers.iter().zip(&mut rows) {
                let wrong = client.wrong;
                figures.push(
                    client
                        .turn(server.address, server.process(), used, time)
                        .map_err(|error| server.says(&error.to_string()))?,
                );
                if client.wrong > wrong {
                    remarks.push(format!(
                        "{name}: {} replies were not what was asked for",
                        client.wrong - wrong
                    ));
                }
            }
        }
        let base = Kind::Nsd.name();
        let goal = "0.7 x NSD";
        let report = Report { part: "TCP", case: case.into(), goal, columns: &COLUMNS, base, rows, remarks };
        report.print();
        reports.push(report);
    }
    Ok(reports)
}

impl Client<'_> {
    /// The figures of [`COLUMNS`].
    fn turn(&mut self, server: SocketAddr, process: u32, used: Use, time: Duration) -> io::Result<Vec<f64>> {
        self.run(server, used, WARM_UP)?;
        // By whole processes: some have a thread for each connection.
        let before = processor_time(process);
        let start = Instant::now();
        let replies = self.run(server, used, time)? as f64;
        let passed = start.elapsed().as_secs_f64();
        let spent = processor_time(process).saturating_sub(before).as_secs_f64();
        Ok(vec![spent * 1e6 / replies, spent / passed * 100.0, replies / passed])
    }

    /// Asks for as long as `time`; gives the number of replies.
    fn run(&mut self, server: SocketAddr, used: Use, time: Duration) -> io::Result<u64> {
        let until = Instant::now() + time;
        let (count, each) = match used {
            Use::Pipelined => (CONNECTIONS, PIPELINED),
            Use::Once => (CONNECTIONS_USED_ONCE, 1),
        };
        let mut connections = Vec::new();
        let mut replies = 0;
        // Every connection has its questions under way before the first is read.
        let open = |client: &mut Self| Stream::from_anywhere(server, &mut client.numbers);
        let mut batch = Vec::new();
        while Instant::now() < until {
            if connections.is_empty() {
                for _ in 0..count {
                    let mut stream = open(self)?;
                    let first = self.send(&mut stream, each, &mut batch)?;
                    connections.push((stream, first));
                }
            }
            for (stream, first) in &mut connections {
                replies += self.take(stream, *first, each)?;
                if used == Use::Once {
                    *stream = Stream::from_anywhere(server, &mut self.numbers)?;
                }
                *first = self.send(stream, each, &mut batch)?;
            }
        }
        for (stream, first) in &mut connections {
            replies += self.take(stream, *first, each)?;
        }
        Ok(replies)
    }

    /// Sends so many questions at once; gives the number of the first.
    fn send(&mut self, stream: &mut Stream, count: usize, batch: &mut Vec<u8>) -> io::Result<usize> {
        batch.clear();
        let first = self.asked;
        for index in 0..count {
            let (octets, _) = self.questions.at(first + index);
            batch.extend((octets.len() as u16).to_be_bytes());
            batch.extend((index as u16).to_be_bytes());
            batch.extend(&octets[2..]);
        }
        stream.send(batch)?;
        self.asked += count;
        Ok(first)
    }

    fn take(&mut self, stream: &mut Stream, first: usize, count: usize) -> io::Result<u64> {
        for _ in 0..count {
            let header = Header::read(stream.message()?);
            let fits = header.is_some_and(|header| {
                let (_, kind) = self.questions.at(first + usize::from(header.id));
                kind.fits(&header)
            });
            self.wrong += u64::from(!fits);
        }
        Ok(count as u64)
    }
}
