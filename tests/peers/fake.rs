//! A server that does what a test tells it, message by message: a primary that lies, breaks off or
//! stays silent; a secondary that hears NOTIFYs and asks for nothing.
//!
//! A script sees each request and says what to send. All requests are recorded.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::bellwether::Bellwether;
use crate::texts::ZONE;
use crate::wire::{self, AA, AXFR, IN, IXFR, Message, QR, Reply, Rr, SOA, frame, name};
use crate::yard::{self, Yard};

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A poll.
    Soa,
    /// The whole zone.
    Axfr,
    /// The differences from this serial.
    Ixfr(u32),
    /// A NOTIFY, with the serial of its SOA.
    Notify(Option<u32>),
    /// Anything else.
    Other,
}

/// The way a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In a datagram.
    Udp,
    /// Over the connection with this number.
    Tcp(u64),
}

impl Way {
    /// The number of the connection, if it was one.
    pub fn connection(self) -> Option<u64> {
        match self {
            Way::Udp => None,
            Way::Tcp(number) => Some(number),
        }
    }
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// What was asked.
    pub kind: Kind,
    /// The way it came.
    pub way: Way,
    /// When.
    pub at: Instant,
    /// All of it.
    pub message: Reply,
}

impl Request {
    /// The beginning of a reply: id and question copied, QR and AA set.
    pub fn reply(&self) -> Message {
        self.reply_with(AA)
    }

    /// The same with other flags than AA; QR and the opcode are copied or set.
    pub fn reply_with(&self, flags: u16) -> Message {
        let reply = Message::new(self.message.id(), QR | flags | self.message.flags() & 0x7800);
        match self.message.question() {
            Some((qname, qtype, qclass)) => reply.question(&qname, qtype, qclass),
            None => reply,
        }
    }
}

/// One thing to do in answer to a request.
#[derive(Clone)]
pub enum Step {
    /// Send these octets as a message.
    Send(Vec<u8>),
    /// Send a part of a message only, behind the length of the whole; over TCP.
    Part(Vec<u8>, usize),
    /// Go on when the gate opens.
    Await(Arc<Gate>),
    /// Close the connection.
    Close,
}

/// A single message.
pub fn send(message: Message) -> Vec<Step> {
    vec![Step::Send(message.0)]
}

/// Closed until it is opened.
#[derive(Debug, Default)]
pub struct Gate(Mutex<bool>, Condvar);

impl Gate {
    /// Opens it, for good.
    pub fn open(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.1.notify_all();
    }

    fn pass(&self) {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.1.wait_while(open, |open| !*open));
    }
}

type Script = dyn Fn(&Request) -> Vec<Step> + Send + Sync;

struct Inner {
    script: Mutex<Arc<Script>>,
    requests: Mutex<Vec<Request>>,
    connections: AtomicU64,
    gone: AtomicBool,
}

/// The server. It is silent until it has a script; its threads end with it.
pub struct Fake {
    /// Where it listens.
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

impl Fake {
    /// A server that follows `script`.
    pub fn new(script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Fake {
        let address = yard::free_address();
        let (tcp, udp) =
            (TcpListener::bind(address).expect("the port"), UdpSocket::bind(address).expect("the port"));
        let inner = Arc::new(Inner {
            script: Mutex::new(Arc::new(script)),
            requests: Mutex::default(),
            connections: AtomicU64::new(0),
            gone: AtomicBool::new(false),
        });
        let (streams, datagrams) = (inner.clone(), inner.clone());
        std::thread::spawn(move || streams.accept(&tcp));
        std::thread::spawn(move || datagrams.receive(&udp));
        Fake { address, inner }
    }

    /// A primary that serves `zone` as it should.
    pub fn serving(zone: Zone) -> Fake {
        Fake::new(move |request| zone.answer(request))
    }

    /// Follows another script from the next request on.
    pub fn follow(&self, script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) {
        *self.inner.script.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(script);
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.inner.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The requests that `wanted` picks.
    pub fn asked(&self, wanted: impl Fn(Kind) -> bool) -> Vec<Request> {
        self.requests().into_iter().filter(|request| wanted(request.kind)).collect()
    }

    /// Waits for the `count`-th request that `wanted` picks.
    pub fn await_request(&self, count: usize, wanted: impl Fn(Kind) -> bool) -> Request {
        yard::poll(&format!("request {count} to come"), || self.asked(&wanted).into_iter().nth(count - 1))
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.inner.gone.store(true, Ordering::SeqCst);
        // Wakes both threads, so that they see it.
        let _ = TcpStream::connect(self.address);
        let _ = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(&[], self.address));
    }
}

impl Inner {
    fn accept(self: Arc<Inner>, listener: &TcpListener) {
        while let Ok((stream, _)) = listener.accept() {
            if self.gone.load(Ordering::SeqCst) {
                return;
            }
            let inner = self.clone();
            let number = self.connections.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || {
                // The other side may be gone at any time.
                let _ = inner.talk(&stream, number);
                let _ = stream.shutdown(Shutdown::Both);
            });
        }
    }

    fn talk(&self, mut stream: &TcpStream, number: u64) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        loop {
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut octets)?;
            for step in self.steps(Way::Tcp(number), octets) {
                match step {
                    Step::Send(message) => stream.write_all(&frame(&message))?,
                    Step::Part(message, octets) => stream.write_all(&frame(&message)[..2 + octets])?,
                    Step::Await(gate) => gate.pass(),
                    Step::Close => return Ok(()),
                }
            }
        }
    }

    fn receive(self: Arc<Inner>, socket: &UdpSocket) {
        let mut octets = vec![0; 65_535];
        while let Ok((length, client)) = socket.recv_from(&mut octets) {
            if self.gone.load(Ordering::SeqCst) {
                return;
            }
            for step in self.steps(Way::Udp, octets[..length].to_vec()) {
                match step {
                    Step::Send(message) => {
                        // What is lost is lost, as on any network.
                        let _ = socket.send_to(&message, client);
                    }
                    Step::Await(gate) => gate.pass(),
                    Step::Part(..) | Step::Close => {}
                }
            }
        }
    }

    fn steps(&self, way: Way, octets: Vec<u8>) -> Vec<Step> {
        let message = Reply(octets);
        let request = Request { kind: kind_of(&message), way, at: Instant::now(), message };
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        let script = self.script.lock().unwrap_or_else(PoisonError::into_inner).clone();
        script(&request)
    }
}

fn kind_of(message: &Reply) -> Kind {
    let records = message.records();
    let serial_in = |wanted: usize| {
        let found = records.iter().find(|(section, record)| *section == wanted && record.rtype == SOA);
        found.map(|(_, record)| record.serial())
    };
    match (message.flags() >> 11 & 15, message.question().map(|(_, qtype, _)| qtype)) {
        (0, Some(SOA)) => Kind::Soa,
        (0, Some(AXFR)) => Kind::Axfr,
        (0, Some(IXFR)) => serial_in(2).map_or(Kind::Other, Kind::Ixfr),
        (4, Some(SOA)) => Kind::Notify(serial_in(1)),
        _ => Kind::Other,
    }
}

/// A zone that a fake primary has.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Its SOA.
    pub soa: Rr,
    /// All its other records.
    pub records: Vec<Rr>,
}

impl Zone {
    /// A small zone with a name server, and whatever else.
    pub fn new(apex: &str, serial: u32, more: impl IntoIterator<Item = Rr>) -> Zone {
        let soa = Rr::soa(apex, serial, [3600, 600, 1_209_600]);
        let host = format!("ns1.{apex}");
        let mut records = vec![Rr::ns(apex, &host), Rr::a(&host, [192, 0, 2, 1])];
        records.extend(more);
        Zone { soa, records }
    }

    /// The same with other timers: refresh, retry, expire.
    pub fn with_timers(mut self, timers: [u32; 3]) -> Zone {
        let apex = self.soa.owner_text();
        self.soa = Rr::soa(apex.trim_end_matches('.'), self.soa.serial(), timers);
        self
    }

    /// The records of an AXFR.
    pub fn whole(&self) -> Vec<Rr> {
        let soa = std::slice::from_ref(&self.soa);
        [soa, &self.records, soa].concat()
    }

    /// A proper answer: the SOA, or the whole zone (also to an IXFR, RFC 1995 §4), or an acknowledgement.
    pub fn answer(&self, request: &Request) -> Vec<Step> {
        match request.kind {
            Kind::Soa => send(request.reply().answer(&self.soa)),
            Kind::Ixfr(serial) if serial == self.soa.serial() => send(request.reply().answer(&self.soa)),
            Kind::Axfr | Kind::Ixfr(_) => send(request.reply().answers(&self.whole())),
            Kind::Notify(_) | Kind::Other => send(request.reply()),
        }
    }
}

/// A secondary of [`ZONE`] that has what these primaries serve; `more` are further lines of its zone.
pub fn following<'y>(yard: &'y Yard, primaries: &[&Fake], more: &str) -> Bellwether<'y> {
    let addresses: Vec<SocketAddr> = primaries.iter().map(|primary| primary.address).collect();
    let secondary = Bellwether::new(yard, &format!("secondary-{}", addresses[0].port()));
    secondary.follow(&addresses, more);
    secondary.start();
    yard::poll("the first transfer", || (serial(&secondary)).map(drop));
    secondary
}

/// The serial that it answers; `None` if it answers none.
pub fn serial(server: &Bellwether<'_>) -> Option<u32> {
    ask(server, ZONE, SOA).serials().pop()
}

/// What it answers over UDP.
pub fn ask(server: &Bellwether<'_>, qname: &str, qtype: u16) -> Reply {
    wire::over_udp(server.address, &Message::query(0x0a5c, qname, qtype).0).expect("an answer")
}

/// Tells `server` that `zone` has `serial`, from wherever; what it answered.
pub fn notify(server: SocketAddr, zone: &str, serial: u32) -> Reply {
    let message = Message::new(0x4e0f, 4 << 11 | AA).question(&name(zone), SOA, IN);
    let message = message.answer(&Rr::soa(zone, serial, [3600, 600, 1_209_600]));
    wire::over_udp(server, &message.0).expect("an answer to a NOTIFY")
}
