//! An outside client that asks a server without pause and remembers what it saw.
//!
//! Each zone has `token CNAME t-N.zone`, with another N in each version of the file, and nothing at
//! the target: one answer to `token` then shows N and, in its authority section, the SOA. Serial and
//! token so come from one version, in one datagram.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// How long one answer is waited for; a server that was killed gives none.
const ANSWER_WAIT: Duration = Duration::from_millis(200);
/// The pause between two questions, so that the servers have the processor.
const PAUSE: Duration = Duration::from_millis(1);

/// What one answer showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The serial of the zone.
    pub serial: u32,
    /// The token of that version.
    pub token: u32,
}

/// What all observers together know, and what they found wrong.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By zone: the token of each serial that was ever seen, on whatever server.
    tokens: Mutex<BTreeMap<String, BTreeMap<u32, u32>>>,
    faults: Mutex<Vec<String>>,
}

impl Ledger {
    /// Notes what a server showed after `before`; what does not fit is a fault.
    fn note(&self, server: &str, zone: &str, before: Option<Seen>, seen: Seen) {
        let Seen { serial, token } = seen;
        if before.is_some_and(|before| before.serial > serial || before.token > token) {
            self.fault(format!("{server}: {zone} went back from {before:?} to {seen:?}"));
        }
        let mut all = self.tokens.lock().expect("no observer panics with the ledger");
        let tokens = all.entry(zone.to_owned()).or_default();
        let known = *tokens.entry(serial).or_insert(token);
        if known != token {
            self.fault(format!("{server}: {zone} serial {serial} has token {token}, and had {known}"));
        }
    }

    fn fault(&self, text: String) {
        self.faults.lock().expect("no observer panics with the faults").push(text);
    }

    /// Fails if anything was wrong.
    pub fn assert_clean(&self) {
        let faults = self.faults.lock().expect("no observer panics with the faults");
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    }
}

/// What one server showed of one zone.
#[derive(Clone, Debug, Default)]
struct Watched {
    /// Each version once, oldest first.
    versions: Vec<Seen>,
    answers: u64,
}

/// Watches one server from a thread of its own.
#[derive(Debug)]
pub struct Observer {
    server: &'static str,
    address: SocketAddr,
    zones: Vec<String>,
    ledger: Arc<Ledger>,
    /// Who gets a NOTIFY for each new version that is seen.
    bell: Option<SocketAddr>,
    /// By zone.
    watched: Mutex<Vec<Watched>>,
    stop: AtomicBool,
}

impl Observer {
    /// An observer that has asked nothing yet.
    pub fn new(
        server: &'static str,
        address: SocketAddr,
        zones: &[String],
        ledger: &Arc<Ledger>,
    ) -> Observer {
        let watched = Mutex::new(vec![Watched::default(); zones.len()]);
        let (zones, ledger) = (zones.to_vec(), ledger.clone());
        Observer { server, address, zones, ledger, bell: None, watched, stop: AtomicBool::new(false) }
    }

    /// The same, and each new version is told to `secondary` at once. A primary tells it of a zone
    /// once a second at most, which would leave it idle for most of the time.
    pub fn ringing(self, secondary: SocketAddr) -> Observer {
        Observer { bell: Some(secondary), ..self }
    }

    /// The last that was seen of the zone at `index`.
    pub fn last(&self, index: usize) -> Option<Seen> {
        self.watched()[index].versions.last().copied()
    }

    /// The version halfway of all that were seen of the zone at `index`.
    pub fn halfway(&self, index: usize) -> Option<Seen> {
        let versions = &self.watched()[index].versions;
        versions.get(versions.len() / 2).copied()
    }

    /// How many answers came, zone by zone.
    pub fn answers(&self) -> Vec<u64> {
        self.watched().iter().map(|watched| watched.answers).collect()
    }

    fn watched(&self) -> MutexGuard<'_, Vec<Watched>> {
        self.watched.lock().expect("the observer does not panic")
    }

    /// Ends [`Observer::run`].
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Asks until it is stopped.
    pub fn run(&self) {
        let socket = UdpSocket::bind((self.address.ip(), 0)).expect("a socket");
        // Connected: only this server's answers come in.
        socket.connect(self.address).expect("a connected socket");
        socket.set_read_timeout(Some(ANSWER_WAIT)).expect("a timeout");
        let bell = UdpSocket::bind((self.address.ip(), 0)).expect("a socket");
        let mut id = 0;
        while !self.stop.load(Ordering::Relaxed) {
            for (index, zone) in self.zones.iter().enumerate() {
                id += 1;
                if let Some(answer) = ask(&socket, id, zone) {
                    self.take(index, zone, &answer, &bell);
                }
                std::thread::sleep(PAUSE);
            }
            id %= 60_000;
        }
    }

    fn take(&self, index: usize, zone: &str, answer: &Message, bell: &UdpSocket) {
        let before = self.last(index);
        let Some(seen) = read(answer) else {
            // Before the first version there is nothing to lose.
            if before.is_some() {
                let rcode = answer.metadata.response_code;
                self.ledger.fault(format!("{}: {zone} answers {rcode} after {before:?}", self.server));
            }
            return;
        };
        self.ledger.note(self.server, zone, before, seen);
        if let Some(secondary) = self.bell.filter(|_| before != Some(seen)) {
            // What is lost is lost: the primary tells it as well.
            let _ = bell.send_to(&notify(answer), secondary);
        }
        let watched = &mut self.watched()[index];
        watched.answers += 1;
        if before != Some(seen) {
            watched.versions.push(seen);
        }
    }
}

/// One question and its answer; `None` if the server is not there.
fn ask(socket: &UdpSocket, id: u16, zone: &str) -> Option<Message> {
    let mut message = Message::query();
    message.metadata.id = id;
    let name = Name::from_ascii(format!("token.{zone}.")).expect("a name");
    message.add_query(Query::query(name, RecordType::A));
    socket.send(&message.to_vec().expect("a query")).ok()?;
    let mut octets = [0; 4096];
    loop {
        let length = socket.recv(&mut octets).ok()?;
        let answer = Message::from_vec(&octets[..length]).expect("a message");
        // An answer that comes after its time is an answer to an earlier question.
        if answer.metadata.id == id {
            return Some(answer);
        }
    }
}

/// NOTIFY with the SOA of an answer's authority section.
fn notify(answer: &Message) -> Vec<u8> {
    let is_soa = |record: &&Record| matches!(record.data, RData::SOA(_));
    let soa = answer.authorities.iter().find(is_soa).expect("an answer that was read");
    let mut message = Message::new(1, MessageType::Query, OpCode::Notify);
    message.metadata.authoritative = true;
    message.add_query(Query::query(soa.name.clone(), RecordType::SOA));
    message.add_answer(soa.clone());
    message.to_vec().expect("a NOTIFY")
}

fn read(answer: &Message) -> Option<Seen> {
    if answer.metadata.response_code != ResponseCode::NXDomain {
        return None;
    }
    let token = answer.answers.iter().find_map(|record| match &record.data {
        RData::CNAME(target) => {
            let label = target.iter().next()?;
            std::str::from_utf8(label).ok()?.strip_prefix("t-")?.parse().ok()
        }
        _ => None,
    })?;
    let serial = answer.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(soa.serial),
        _ => None,
    })?;
    Some(Seen { serial, token })
}
