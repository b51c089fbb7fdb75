//! Ten thousand zones: to a secondary that has none yet, and a NOTIFY for each within a second.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bellwether::dns::message::{Question, Reader, Section, Writer};
use bellwether::dns::{Class, Name, OpCode, RecordRef, RecordType};

use crate::Options;
use crate::field::Field;
use crate::kind::Kind;
use crate::report::{Column, Report};
use crate::server::{Role, Server, Setup, ZoneFile, free_port};
use crate::start::small_zones;

const ZONES: usize = 10_000;

const FRESH: [Column; 4] = [
    Column { title: "CPU ms a zone of the secondary", key: "secondary_cpu_ms_a_zone", decimals: 3 },
    Column { title: "of the primary", key: "primary_cpu_ms_a_zone", decimals: 3 },
    Column { title: "s until all answer", key: "seconds", decimals: 2 },
    Column { title: "CPU ms until all answer", key: "secondary_cpu_ms_to_answer", decimals: 3 },
];

const NOTIFIED: [Column; 4] = [
    Column { title: "s from NOTIFY to SOA query, at most", key: "seconds_max", decimals: 2 },
    Column { title: "SOA queries a NOTIFY", key: "queries_a_notify", decimals: 2 },
    Column { title: "zones not asked for", key: "zones_missed", decimals: 0 },
    Column { title: "CPU ms a NOTIFY", key: "cpu_ms_a_notify", decimals: 3 },
];

/// Both.
pub fn run(options: &Options, field: &Field) -> io::Result<Vec<Report>> {
    let dir = tempfile::Builder::new().prefix("bw-bench-").tempdir()?;
    let zones = small_zones(dir.path(), ZONES)?;
    let names: Vec<String> = zones.iter().map(|zone| zone.name.clone()).collect();
    let mut notified: HashMap<&str, Vec<Vec<f64>>> = HashMap::new();
    let rows = field.race("10,000 zones to a fresh secondary", options.rounds(3, 1), |kind, round| {
        let own = dir.path().join(format!("{round}-{}", kind.name()));
        let (at_primary, at_secondary) = (own.join("primary"), own.join("secondary"));
        let copies = own.join("copies");
        fs::create_dir_all(&copies)?;
        let copies: Vec<ZoneFile> = zones
            .iter()
            .map(|zone| ZoneFile { name: zone.name.clone(), file: copies.join(&zone.name) })
            .collect();
        let (port, other) = (free_port()?, free_port()?);
        let setup = Setup::alone(&at_primary, &zones, &field.cores[1])?;
        let mut primary = Setup { role: Role::Primary, port, other: Some(other), ..setup }.start(kind)?;
        primary.wait_for_all(&names)?;
        let before = primary.wait_for_rest()?;
        let setup = Setup::alone(&at_secondary, &copies, &field.cores[0])?;
        let setup = Setup { role: Role::Secondary, port: other, other: Some(port), ..setup };
        let (mut secondary, started) = setup.measure(kind, |server| server.wait_for_all(&names))?;
        let of_primary = primary.wait_for_rest()?.saturating_sub(before);
        let each = |time: Duration| time.as_secs_f64() * 1e3 / ZONES as f64;
        let figures = vec![
            each(started.to_rest),
            each(of_primary),
            started.passed.as_secs_f64(),
            each(started.to_answer),
        ];
        primary.stop();
        notified.entry(kind.name()).or_default().push(notify_all(&mut secondary, port, &names)?);
        secondary.stop();
        fs::remove_dir_all(&own)?;
        Ok(figures)
    })?;
    let base = Kind::Bellwether.name();
    let of_notified =
        rows.iter().map(|(name, _)| (*name, notified.remove(name).unwrap_or_default())).collect();
    let reports = vec![
        Report {
            part: "Many",
            case: "10,000 zones to a fresh secondary".into(),
            goal: "0.10 ms (0.03 of the primary), 3 s",
            columns: &FRESH,
            base,
            rows,
            remarks: Vec::new(),
        },
        Report {
            part: "Many",
            case: "10,000 NOTIFYs in a second, one for each zone".into(),
            goal: "bounded queries, none later than 2 s",
            columns: &NOTIFIED,
            base,
            rows: of_notified,
            remarks: Vec::new(),
        },
    ];
    reports.iter().for_each(Report::print);
    Ok(reports)
}

/// Takes the primary's place, sends a NOTIFY for each zone within a second, and sees when which SOA query
/// comes: the figures of [`NOTIFIED`].
fn notify_all(secondary: &mut Server, port: u16, names: &[String]) -> io::Result<Vec<f64>> {
    let (asked, questions) = mpsc::channel();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
    let over_udp = (socket.try_clone()?, asked.clone());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    // They end with the program: whoever waits for a question cannot be told.
    std::thread::spawn(move || answer_datagrams(&over_udp.0, &over_udp.1));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let asked = asked.clone();
            std::thread::spawn(move || answer_stream(stream, &asked));
        }
    });
    let before = secondary.wait_for_rest()?;
    let (mut sent, mut octets) = (HashMap::new(), [0; 512]);
    let begin = Instant::now();
    for (at, name) in names.iter().enumerate() {
        let zone = Name::parse(name).map_err(|error| io::Error::other(format!("{name}: {error}")))?;
        let question = Question { name: zone.as_ref(), qtype: RecordType::SOA, qclass: Class::IN };
        let length = Writer::request(&mut octets, at as u16, OpCode::Notify, question).finish();
        sent.insert(zone.to_string().to_lowercase(), Instant::now());
        socket.send_to(&octets[..length], secondary.address)?;
        let due = begin + Duration::from_secs(1) * (at as u32 + 1) / ZONES as u32;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let after = secondary.wait_for_rest()?;
    let mut queries = 0;
    let mut first = HashMap::new();
    for (zone, at) in questions.try_iter() {
        queries += 1;
        first.entry(zone).or_insert(at);
    }
    let waits =
        sent.iter().filter_map(|(zone, sent)| Some(first.get(zone)?.saturating_duration_since(*sent)));
    let longest = waits.max().unwrap_or_default();
    let missed = sent.keys().filter(|zone| !first.contains_key(*zone)).count();
    let spent = after.saturating_sub(before).as_secs_f64() * 1e3;
    let count = names.len() as f64;
    Ok(vec![longest.as_secs_f64(), f64::from(queries) / count, missed as f64, spent / count])
}

type Asked = mpsc::Sender<(String, Instant)>;

fn answer_datagrams(socket: &UdpSocket, asked: &Asked) {
    let mut octets = [0; 1024];
    while let Ok((length, client)) = socket.recv_from(&mut octets) {
        if let Some(reply) = answer(&octets[..length], asked) {
            // Whoever asked and is gone needs no answer.
            let _ = socket.send_to(&reply, client);
        }
    }
}

fn answer_stream(mut stream: TcpStream, asked: &Asked) {
    let mut length = [0; 2];
    while stream.read_exact(&mut length).is_ok() {
        let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
        let Ok(()) = stream.read_exact(&mut octets) else { return };
        let Some(reply) = answer(&octets, asked) else { return };
        let framed = [&(reply.len() as u16).to_be_bytes()[..], &reply].concat();
        if stream.write_all(&framed).is_err() {
            return;
        }
    }
}

/// The serial that the secondary has, whatever was asked.
fn answer(octets: &[u8], asked: &Asked) -> Option<Vec<u8>> {
    let request = Reader::new(octets).ok().filter(|request| !request.header().is_response())?;
    let (header, question) = (request.header(), request.question()?);
    // The receiver is gone only after its last look.
    let _ = asked.send((question.name.to_string().to_lowercase(), Instant::now()));
    let mut reply = vec![0; 512];
    let mut rdata = Vec::new();
    for name in ["ns1.hoster.example", "hostmaster"] {
        rdata.extend(Name::parse(name).ok()?.as_ref().wire());
    }
    [1u32, 7200, 900, 1_209_600, 300].iter().for_each(|number| rdata.extend(number.to_be_bytes()));
    let mut writer = Writer::request(&mut reply, header.id, OpCode::Query, question);
    writer.set_authoritative();
    let record = RecordRef { owner: question.name, rtype: RecordType::SOA, ttl: 3600, rdata: &rdata };
    writer.record(Section::Answer, record).ok()?;
    let length = writer.finish();
    reply.truncate(length);
    // QR.
    reply[2] |= 0x80;
    Some(reply)
}
