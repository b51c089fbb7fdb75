//! DNS over TCP as a client: connections from many addresses, questions and whole transfers.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bellwether::dns::message::{Header, Question, Reader, Scratch, Writer};
use bellwether::dns::tsig::{self, Algorithm, Key};
use bellwether::dns::{Class, Name, OpCode, RecordType};
use data_encoding::BASE64;
use socket2::{Domain, SockRef, Socket, Type};

use crate::server::SECRET;
use crate::zone::Numbers;

const PATIENCE: Duration = Duration::from_secs(30);

/// A connection.
pub struct Stream {
    stream: TcpStream,
    octets: Vec<u8>,
    /// What was read and not taken yet.
    start: usize,
    end: usize,
}

impl Stream {
    /// A connection from one of the 65,536 networks of 127.0.0.0/8.
    pub fn from_anywhere(server: SocketAddr, numbers: &mut Numbers) -> io::Result<Stream> {
        let [_, _, .., b, c] = numbers.draw().to_be_bytes();
        Stream::from_address(server, Ipv4Addr::new(127, b, c, 53))
    }

    /// A connection from an address.
    pub fn from_address(server: SocketAddr, address: Ipv4Addr) -> io::Result<Stream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((address, 0)).into())?;
        socket.connect(&server.into())?;
        socket.set_tcp_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Stream { stream: socket.into(), octets: vec![0; 1 << 18], start: 0, end: 0 })
    }

    /// Sends what already has its lengths in front.
    pub fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets)
    }

    /// The next message.
    pub fn message(&mut self) -> io::Result<&[u8]> {
        loop {
            let held = &self.octets[self.start..self.end];
            if let Some((length, rest)) = held.split_first_chunk::<2>() {
                let length = usize::from(u16::from_be_bytes(*length));
                if rest.len() >= length {
                    let at = self.start + 2;
                    self.start = at + length;
                    return Ok(&self.octets[at..at + length]);
                }
            }
            if self.octets.len() - self.start < 2 + usize::from(u16::MAX) {
                self.octets.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            // Some servers send small segments one by one, each after the receipt of the last.
            SockRef::from(&self.stream).set_tcp_quickack(true)?;
            let read = self.stream.read(&mut self.octets[self.end..])?;
            if read == 0 {
                return Err(io::Error::other("the server closed the connection"));
            }
            self.end += read;
        }
    }

    /// Takes a whole large zone: records and octets.
    pub fn transfer(&mut self, zone: &str, with_key: bool) -> io::Result<(u64, u64)> {
        let mut octets = vec![0; 1024];
        let name = Name::parse(zone).map_err(|error| io::Error::other(format!("{zone}: {error}")))?;
        let question = Question { name: name.as_ref(), qtype: RecordType::AXFR, qclass: Class::IN };
        let mut length = Writer::request(&mut octets[2..], 1, OpCode::Query, question).finish();
        if with_key {
            (length, _) = tsig::sign_request(&key(), &mut octets[2..], length, now())
                .map_err(|_| io::Error::other("the request does not fit"))?;
        }
        octets[..2].copy_from_slice(&(length as u16).to_be_bytes());
        self.send(&octets[..2 + length])?;
        let (mut records, mut received) = (0, 0);
        let mut soa = None;
        loop {
            let message = self.message()?;
            let header = Header::read(message).filter(|header| header.rcode() == 0);
            let answers = header.map_or(0, |header| header.counts[1]);
            if answers == 0 {
                return Err(io::Error::other(format!("no transfer: {header:?}")));
            }
            records += u64::from(answers);
            received += 2 + message.len() as u64;
            // The last record is the first one again, an SOA; a TSIG record may follow. What a large zone
            // begins with is not near the end of a message.
            let soa = soa.get_or_insert_with(|| serial_and_timers(message));
            let tail = &message[message.len().saturating_sub(20 + if with_key { 128 } else { 0 })..];
            if records > 1 && tail.windows(20).any(|window| window == *soa) {
                return Ok((records, received));
            }
        }
    }
}

/// The numbers of the SOA that a transfer begins with.
fn serial_and_timers(message: &[u8]) -> [u8; 20] {
    let mut scratch = Scratch::new();
    let reader = Reader::new(message).ok();
    let record = reader.and_then(|mut reader| {
        let record = reader.next_record(&mut scratch).ok().flatten()?;
        record.2.rdata.last_chunk::<20>().copied()
    });
    record.unwrap_or_default()
}

fn key() -> Arc<Key> {
    let secret = BASE64.decode(SECRET.as_bytes()).expect("the secret is base64");
    Arc::new(Key::new(Name::parse("bench.").expect("a name"), Algorithm::Sha256, &secret))
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
