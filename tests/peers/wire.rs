//! Messages octet by octet, and what they are sent over: independent of the code that is tested.
//!
//! [`Message`] writes any message, wrong ones too; [`Reply`] reads one with nothing but the offsets of
//! RFC 1035 §4.1, and [`Reply::decoded`] has hickory-proto read it as a second opinion.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::yard::PATIENCE;

/// Header flags.
pub const QR: u16 = 0x8000;
/// The answer is authoritative.
pub const AA: u16 = 0x0400;
/// The answer was cut.
pub const TC: u16 = 0x0200;
/// Types that the tests name.
pub const A: u16 = 1;
/// NS.
pub const NS: u16 = 2;
/// SOA.
pub const SOA: u16 = 6;
/// TXT.
pub const TXT: u16 = 16;
/// OPT.
pub const OPT: u16 = 41;
/// TSIG.
pub const TSIG: u16 = 250;
/// IXFR.
pub const IXFR: u16 = 251;
/// AXFR.
pub const AXFR: u16 = 252;
/// Class IN.
pub const IN: u16 = 1;
/// The EXPIRE option (RFC 7314).
pub const EXPIRE: u16 = 9;

/// How long a server may take to answer one message.
const ANSWER_WAIT: Duration = Duration::from_secs(20);

/// A record as it travels, names in it not compressed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rr {
    /// The owner, in wire form.
    pub owner: Vec<u8>,
    /// Its type.
    pub rtype: u16,
    /// Its class.
    pub class: u16,
    /// Its TTL.
    pub ttl: u32,
    /// Its RDATA.
    pub rdata: Vec<u8>,
}

impl Rr {
    /// A record of class IN with a TTL of an hour.
    pub fn new(owner: &str, rtype: u16, rdata: &[u8]) -> Rr {
        Rr { owner: name(owner), rtype, class: IN, ttl: 3600, rdata: rdata.to_vec() }
    }

    /// An address.
    pub fn a(owner: &str, address: [u8; 4]) -> Rr {
        Rr::new(owner, A, &address)
    }

    /// A name server.
    pub fn ns(owner: &str, host: &str) -> Rr {
        Rr::new(owner, NS, &name(host))
    }

    /// An SOA with refresh, retry and expire.
    pub fn soa(owner: &str, serial: u32, timers: [u32; 3]) -> Rr {
        let mut rdata = [name(&format!("ns1.{owner}")), name(&format!("hostmaster.{owner}"))].concat();
        for number in [serial, timers[0], timers[1], timers[2], 300] {
            rdata.extend(number.to_be_bytes());
        }
        Rr::new(owner, SOA, &rdata)
    }

    /// The same with another TTL.
    pub fn with_ttl(self, ttl: u32) -> Rr {
        Rr { ttl, ..self }
    }

    /// The serial of an SOA.
    pub fn serial(&self) -> u32 {
        assert_eq!(self.rtype, SOA, "{self:?}");
        let at = self.rdata.len() - 20;
        u32::from_be_bytes(self.rdata[at..at + 4].try_into().expect("four octets"))
    }

    /// Owner as text, escapes left out.
    pub fn owner_text(&self) -> String {
        text_of(&self.owner)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(&self.owner);
        out.extend(self.rtype.to_be_bytes());
        out.extend(self.class.to_be_bytes());
        out.extend(self.ttl.to_be_bytes());
        out.extend((self.rdata.len() as u16).to_be_bytes());
        out.extend(&self.rdata);
    }
}

impl fmt::Debug for Rr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rr { rtype, class, ttl, rdata, .. } = self;
        let shown = &rdata[..rdata.len().min(40)];
        write!(f, "{} {ttl} CLASS{class} TYPE{rtype} {}", self.owner_text(), shown.escape_ascii())
    }
}

/// A name in wire form; `example.com` and `example.com.` are the same.
pub fn name(text: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        wire.push(label.len() as u8);
        wire.extend(label.as_bytes());
    }
    wire.push(0);
    wire
}

fn text_of(wire: &[u8]) -> String {
    let (mut text, mut at) = (String::new(), 0);
    while let Some(length @ 1..) = wire.get(at).map(|length| usize::from(*length)) {
        text += &String::from_utf8_lossy(wire.get(at + 1..at + 1 + length).unwrap_or_default());
        text.push('.');
        at += 1 + length;
    }
    text
}

/// A message under construction. Sections are filled in the order of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message(pub Vec<u8>);

impl Message {
    /// A header without sections.
    pub fn new(id: u16, flags: u16) -> Message {
        let mut octets = [id.to_be_bytes(), flags.to_be_bytes()].concat();
        octets.resize(12, 0);
        Message(octets)
    }

    /// A query for one name and type.
    pub fn query(id: u16, zone: &str, qtype: u16) -> Message {
        Message::new(id, 0).question(&name(zone), qtype, IN)
    }

    /// An IXFR from `serial`.
    pub fn ixfr(id: u16, zone: &str, serial: u32) -> Message {
        Message::query(id, zone, IXFR).authority(&Rr::soa(zone, serial, [0; 3]))
    }

    /// Adds a question; `qname` is in wire form.
    pub fn question(mut self, qname: &[u8], qtype: u16, qclass: u16) -> Message {
        self.0.extend(qname);
        self.0.extend(qtype.to_be_bytes());
        self.0.extend(qclass.to_be_bytes());
        self.count(4)
    }

    /// Adds a record to the answer section.
    pub fn answer(mut self, record: &Rr) -> Message {
        record.write(&mut self.0);
        self.count(6)
    }

    /// Adds records to the answer section.
    pub fn answers<'r>(self, records: impl IntoIterator<Item = &'r Rr>) -> Message {
        records.into_iter().fold(self, Message::answer)
    }

    /// Adds a record to the authority section.
    pub fn authority(mut self, record: &Rr) -> Message {
        record.write(&mut self.0);
        self.count(8)
    }

    /// Adds a record to the additional section.
    pub fn additional(mut self, record: &Rr) -> Message {
        record.write(&mut self.0);
        self.count(10)
    }

    /// Adds an OPT record with options, each a code and its data.
    pub fn edns(self, size: u16, options: &[(u16, &[u8])]) -> Message {
        let mut rdata = Vec::new();
        for (code, data) in options {
            rdata.extend(code.to_be_bytes());
            rdata.extend((data.len() as u16).to_be_bytes());
            rdata.extend(*data);
        }
        self.additional(&Rr { owner: vec![0], rtype: OPT, class: size, ttl: 0, rdata })
    }

    /// Counts one more record in the header's field at `at`.
    fn count(mut self, at: usize) -> Message {
        let count = u16::from_be_bytes([self.0[at], self.0[at + 1]]) + 1;
        self.0[at..at + 2].copy_from_slice(&count.to_be_bytes());
        self
    }
}

/// A message that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply(pub Vec<u8>);

impl Reply {
    fn word(&self, at: usize) -> u16 {
        self.0.get(at..at + 2).map_or(0, |octets| u16::from_be_bytes([octets[0], octets[1]]))
    }

    /// The id.
    pub fn id(&self) -> u16 {
        self.word(0)
    }

    /// The second word of the header.
    pub fn flags(&self) -> u16 {
        self.word(2)
    }

    /// The rcode of the header alone.
    pub fn rcode(&self) -> u16 {
        self.flags() & 15
    }

    /// Entries of a section: 0 is the question, 1 the answer, 2 authority, 3 additional.
    pub fn count(&self, section: usize) -> usize {
        usize::from(self.word(4 + 2 * section))
    }

    /// The first question: name in wire form, type, class.
    pub fn question(&self) -> Option<(Vec<u8>, u16, u16)> {
        let (qname, at) = self.name_at(12).filter(|_| self.count(0) > 0)?;
        Some((qname, self.word(at), self.word(at + 2)))
    }

    /// All records, each with its section; panics if the message does not hold what it counts.
    pub fn records(&self) -> Vec<(usize, Rr)> {
        let mut at = 12;
        for _ in 0..self.count(0) {
            at = self.name_at(at).expect("a question").1 + 4;
        }
        let mut found = Vec::new();
        for section in 1..=3 {
            for _ in 0..self.count(section) {
                let (owner, next) = self.name_at(at).expect("an owner");
                let ttl = u32::from(self.word(next + 4)) << 16 | u32::from(self.word(next + 6));
                let (rtype, from) = (self.word(next), next + 10);
                at = from + usize::from(self.word(next + 8));
                assert!(at <= self.0.len(), "a record ends after its message");
                let rdata = self.rdata(rtype, from, at);
                found.push((section, Rr { owner, rtype, class: self.word(next + 2), ttl, rdata }));
            }
        }
        assert_eq!(at, self.0.len(), "octets follow the last record");
        found
    }

    /// The records of the answer section.
    pub fn answers(&self) -> Vec<Rr> {
        self.records().into_iter().filter(|(section, _)| *section == 1).map(|(_, record)| record).collect()
    }

    /// The serials of the SOA records in the answer section.
    pub fn serials(&self) -> Vec<u32> {
        self.answers().iter().filter(|record| record.rtype == SOA).map(Rr::serial).collect()
    }

    /// The data of an EDNS option.
    pub fn option(&self, code: u16) -> Option<Vec<u8>> {
        let (_, opt) = self.records().into_iter().find(|(_, record)| record.rtype == OPT)?;
        let mut rest = opt.rdata.as_slice();
        while let [high, low, more, less, data @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*more, *less]));
            if u16::from_be_bytes([*high, *low]) == code {
                return data.get(..length).map(<[u8]>::to_vec);
            }
            rest = data.get(length..)?;
        }
        None
    }

    /// The message as hickory-proto reads it; panics if that does not take it.
    pub fn decoded(&self) -> hickory_proto::op::Message {
        hickory_proto::op::Message::from_vec(&self.0).expect("a message that hickory-proto takes")
    }

    /// RDATA with the names of RFC 1035 types written out.
    fn rdata(&self, rtype: u16, from: usize, to: usize) -> Vec<u8> {
        // Octets before the names, and how many names.
        let (before, names) = match rtype {
            2 | 5 | 12 => (0, 1),
            6 | 14 => (0, 2),
            15 => (2, 1),
            _ => (to - from, 0),
        };
        let mut rdata = self.0[from..from + before].to_vec();
        let mut at = from + before;
        for _ in 0..names {
            let (written_out, next) = self.name_at(at).expect("a name");
            rdata.extend(written_out);
            at = next;
        }
        rdata.extend(&self.0[at..to]);
        rdata
    }

    /// The name at an offset, and the offset after it.
    fn name_at(&self, mut at: usize) -> Option<(Vec<u8>, usize)> {
        let (mut wire, mut end) = (Vec::new(), None);
        // A pointer must lead backwards, so a message has no more of them than octets.
        for _ in 0..self.0.len() {
            let length = usize::from(*self.0.get(at)?);
            if length >= 0xc0 {
                end.get_or_insert(at + 2);
                at = usize::from(self.word(at) & 0x3fff);
                continue;
            }
            wire.extend(self.0.get(at..=at + length)?);
            at += 1 + length;
            if length == 0 {
                return Some((wire, end.unwrap_or(at)));
            }
        }
        None
    }
}

/// Asks over UDP, once; `None` is silence.
pub fn over_udp(server: SocketAddr, message: &[u8]) -> Option<Reply> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.set_read_timeout(Some(ANSWER_WAIT)).expect("a time-out");
    socket.send_to(message, server).expect("sent");
    let mut octets = vec![0; 65_535];
    loop {
        match socket.recv_from(&mut octets) {
            Ok((length, _)) => {
                octets.truncate(length);
                return Some(Reply(octets));
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return None,
            // A machine that was paused interrupts whoever waits with a time-out.
            Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}"),
        }
    }
}

/// A connection, by TCP unless something else is said, that reads only when it is told to.
#[derive(Debug)]
pub struct Stream<S = TcpStream>(pub S);

impl Stream {
    /// Connects.
    pub fn to(server: SocketAddr) -> Stream {
        Stream::with(TcpStream::connect(server).expect("a connection"))
    }

    /// Connects with room for a few kilobytes only, so that whoever sends more has to wait.
    pub fn narrow(server: SocketAddr) -> Stream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        socket.connect(&server.into()).expect("a connection");
        Stream::with(socket.into())
    }

    fn with(stream: TcpStream) -> Stream {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_nodelay(true).expect("a stream");
        Stream(stream)
    }
}

impl<S: Read + Write> Stream<S> {
    /// Sends messages, each behind its length, in one write.
    pub fn send(&mut self, messages: &[Vec<u8>]) {
        let framed: Vec<u8> = messages.iter().flat_map(|message| frame(message)).collect();
        self.0.write_all(&framed).expect("sent");
    }

    /// The next message; `None` if the server closed the connection instead.
    pub fn read(&mut self) -> Option<Reply> {
        let mut length = [0; 2];
        if !self.fill(&mut length) {
            return None;
        }
        let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
        self.fill(&mut octets).then_some(Reply(octets))
    }

    /// Sends one message and reads one.
    pub fn ask(&mut self, message: &Message) -> Reply {
        self.send(std::slice::from_ref(&message.0));
        self.read().expect("an answer")
    }

    /// Reads messages until one ends with the SOA that began the first.
    pub fn transfer(&mut self) -> Vec<Reply> {
        let mut messages: Vec<Reply> = Vec::new();
        loop {
            let message = self.read().expect("the rest of the transfer");
            let last = message.answers().pop();
            messages.push(message);
            let first = messages[0].answers();
            let whole = messages.len() > 1 || first.len() > 1;
            if messages[0].rcode() != 0 || (whole && last.as_ref() == first.first()) {
                return messages;
            }
        }
    }

    /// Fills the buffer; false if the connection ended before.
    fn fill(&mut self, octets: &mut [u8]) -> bool {
        match self.0.read_exact(octets) {
            Ok(()) => true,
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                false
            }
            Err(error) => panic!("nothing came: {error}"),
        }
    }
}

/// A message behind its length (RFC 1035 §4.2.2).
pub fn frame(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}
