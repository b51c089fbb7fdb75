//! What the tests of this room share: small zones, small messages, and a way to carry them across.

mod condensing;
mod demands;
mod hostile;
mod loopback;
mod polls;

use std::sync::Arc;

use super::condense::Cache;
use super::incoming::{Answer, Ask, AskKind, Exchange, Progress, TransferError, TransferLimits};
use super::outgoing::{Outgoing, ReplyEdns, Requested, TransferStart, plan};
use crate::dns::message::{Section, Writer, read_request};
use crate::dns::tsig::{Algorithm, Key, Keyring, verify_request};
use crate::dns::{Name, OpCode, Record, RecordType, Serial};
use crate::ident::{Transport, ZoneId};
use crate::time::{Now, Tick, Wall};
use crate::trace::Silent;
use crate::zone::{self, Builder, Delta, Demands, DigestKey, Source, Version};

pub(super) const KEY: DigestKey = DigestKey([7; 16]);
pub(super) const NOW: Now = Now { tick: Tick(5_000), wall: Wall(1_800_000_000_000) };

pub(super) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(super) fn rr(owner: &str, rtype: RecordType, ttl: u32, rdata: &[u8]) -> Record {
    Record { owner: name(owner), rtype, ttl, rdata: rdata.into() }
}

pub(super) fn a(owner: &str, last: u8) -> Record {
    rr(owner, RecordType::A, 300, &[192, 0, 2, last])
}

pub(super) fn ns(owner: &str, target: &str) -> Record {
    rr(owner, RecordType::NS, 300, name(target).as_ref().wire())
}

pub(super) fn soa(owner: &str, serial: u32) -> Record {
    let mut rdata = name("ns.x.").as_ref().wire().to_vec();
    rdata.extend_from_slice(name("Root.x.").as_ref().wire());
    for field in [serial, 3600, 600, 604_800, 60] {
        rdata.extend_from_slice(&field.to_be_bytes());
    }
    rr(owner, RecordType::SOA, 300, &rdata)
}

/// A version of zone `x.` with an NS record and `others`.
pub(super) fn version(serial: u32, others: &[Record]) -> Arc<Version> {
    let mut builder = Builder::new(name("x.").as_ref(), KEY, Source::Received);
    for record in [soa("x.", serial), ns("x.", "ns.x.")].iter().chain(others) {
        builder.push(record.as_ref()).unwrap();
    }
    Arc::new(builder.finish().unwrap().version)
}

/// The records of a version in an order that only depends on the records.
pub(super) fn records(version: &Version) -> Vec<Record> {
    let mut all = Vec::new();
    version.for_each(|record| all.push(record.to_record()));
    sort(&mut all);
    all
}

pub(super) fn sort(records: &mut [Record]) {
    records.sort_by_key(|record| {
        (record.owner.as_ref().wire().to_vec(), record.rtype.0, record.ttl, record.rdata.clone())
    });
}

/// Whether two versions hold the same octets, spelling and TTLs included.
pub(super) fn is_same(left: &Version, right: &Version) -> bool {
    let (left_all, right_all) = (records(left), records(right));
    left.digest() == right.digest()
        && left_all.len() == right_all.len()
        && left_all.iter().zip(&right_all).all(|(left, right)| left.as_ref().same_octets(right.as_ref()))
}

/// The exact steps between each version and the next.
pub(super) fn chain(versions: &[Arc<Version>]) -> Vec<Arc<Delta>> {
    versions.windows(2).map(|pair| Arc::new(zone::diff(&pair[0], &pair[1]).unwrap())).collect()
}

pub(super) fn key() -> Arc<Key> {
    Arc::new(Key::new(name("Flock.Key."), Algorithm::Sha256, b"a secret of the flock, 32 octets"))
}

pub(super) fn ask(kind: AskKind, base: Option<&Arc<Version>>) -> Ask {
    Ask {
        apex: name("x."),
        kind,
        base: base.cloned(),
        key: None,
        digest_key: KEY,
        limits: TransferLimits::default(),
        transport: Transport::Tcp,
        want_expire: false,
        accept_lower: false,
        demands: Demands::default(),
    }
}

/// What `serve/` makes of a transfer request, without its policy.
pub(super) fn start_of(request: &[u8], version: &Arc<Version>) -> TransferStart {
    let parsed = read_request(request).unwrap();
    let question = parsed.question.unwrap();
    let keys: Keyring = [key()].into_iter().collect();
    let verified = parsed.tsig.map(|tsig| verify_request(request, &tsig, &keys, NOW.wall.seconds()).unwrap());
    TransferStart {
        zone: ZoneId(1),
        version: version.clone(),
        requested: match question.qtype {
            RecordType::AXFR => Requested::Axfr,
            RecordType::IXFR => Requested::Ixfr(parsed.soa.unwrap()),
            other => panic!("{other} is no transfer"),
        },
        header: parsed.header,
        asked: question.name.to_name(),
        signer: verified.map(|verified| verified.signer()),
        edns: parsed.edns.map(|edns| ReplyEdns {
            udp_size: 1232,
            do_bit: edns.do_bit,
            options: edns
                .wanted()
                .expire
                .then(|| (crate::dns::edns::code::EXPIRE, 4321u32.to_be_bytes().to_vec()))
                .into_iter()
                .collect(),
        }),
        peer: None,
    }
}

/// All messages of a transfer.
pub(super) fn messages(outgoing: &mut Outgoing) -> Vec<Vec<u8>> {
    let mut buffer = vec![0xaa; 65_535];
    let mut all = Vec::new();
    while let Some(length) = outgoing.next(NOW, &mut buffer).unwrap() {
        all.push(buffer[..length].to_vec());
    }
    all
}

/// Asks `primary` (with its stored history) and reads the answer.
pub(super) fn carry(
    ask: Ask,
    primary: &Arc<Version>,
    history: &[Arc<Delta>],
) -> (Outgoing, Result<Answer, TransferError>) {
    let mut request = Vec::new();
    let mut exchange = Exchange::start(ask, 77, NOW, &mut request);
    let mut outgoing = plan(start_of(&request, primary), history, &mut Cache::new(), &mut Silent);
    let messages = messages(&mut outgoing);
    let answer = feed(&mut exchange, &messages);
    (outgoing, answer)
}

/// Feeds messages until the verdict; a stream that ends before it is cut.
pub(super) fn feed(exchange: &mut Exchange, messages: &[Vec<u8>]) -> Result<Answer, TransferError> {
    for (index, message) in messages.iter().enumerate() {
        if let Progress::Done(answer) = exchange.feed(message, NOW)? {
            assert_eq!(index + 1, messages.len(), "done before the last message");
            return Ok(answer);
        }
    }
    Err(exchange.closed())
}

/// A reply to `request` with these answers.
pub(super) fn reply(request: &[u8], answers: &[Record]) -> Vec<u8> {
    let parsed = read_request(request).unwrap();
    let mut buffer = vec![0; 65_535];
    let mut writer = Writer::reply(&mut buffer, 65_535, &parsed.header, parsed.question);
    writer.set_authoritative();
    for record in answers {
        writer.record(Section::Answer, record.as_ref()).unwrap();
    }
    let length = writer.finish();
    buffer.truncate(length);
    buffer
}

pub(super) fn opcode(message: &[u8]) -> OpCode {
    crate::dns::message::Header::read(message).unwrap().opcode()
}

pub(super) fn serial_of(answer: &Answer) -> Option<Serial> {
    match answer {
        Answer::Changed { change, .. } => Some(change.after.serial()),
        Answer::Current { serial, .. } | Answer::Soa { serial, .. } => Some(*serial),
        Answer::TryTcp { serial } => *serial,
        Answer::NotifyAck => None,
    }
}
