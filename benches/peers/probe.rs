//! One question over UDP, to see whether and what a server answers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use bellwether::dns::message::{Question, Reader, Scratch, Writer};
use bellwether::dns::soa::Soa;
use bellwether::dns::{Class, Name, OpCode, RecordType};

const PATIENCE: Duration = Duration::from_millis(500);
/// Questions under way when many zones are asked.
const UNDER_WAY: usize = 64;

/// The serial that a server answers for a zone; `None` if it has none or does not answer.
pub fn serial(address: SocketAddr, zone: &str) -> Option<u32> {
    Probe::new(address).and_then(|mut probe| probe.serial(zone)).ok().flatten()
}

/// A client with one socket.
pub struct Probe {
    socket: UdpSocket,
    octets: [u8; 4096],
    scratch: Scratch,
}

impl Probe {
    /// A client of one server.
    pub fn new(address: SocketAddr) -> io::Result<Probe> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.connect(address)?;
        Ok(Probe { socket, octets: [0; 4096], scratch: Scratch::new() })
    }

    /// The serial that the server answers for a zone.
    pub fn serial(&mut self, zone: &str) -> io::Result<Option<u32>> {
        Ok(self.ask(1, zone)?.and_then(|(_, serial)| serial))
    }

    /// Asks for the SOA of zones: those that do not answer with it.
    pub fn missing<'a>(&mut self, zones: Vec<&'a String>) -> io::Result<Vec<&'a String>> {
        let mut left = Vec::new();
        for (at, batch) in zones.chunks(UNDER_WAY).enumerate() {
            let base = (at * UNDER_WAY) as u16;
            for (index, zone) in batch.iter().enumerate() {
                self.send(base.wrapping_add(index as u16), zone)?;
            }
            let (mut answered, mut wanted) = ([false; UNDER_WAY], batch.len());
            // What comes late for an earlier batch is not counted.
            while wanted > 0
                && let Some((id, serial)) = self.receive()?
            {
                if let Some(answered) = answered.get_mut(usize::from(id.wrapping_sub(base))) {
                    *answered = serial.is_some();
                    wanted -= 1;
                }
            }
            left.extend(batch.iter().zip(answered).filter(|(_, answered)| !answered).map(|(zone, _)| *zone));
            // Not there yet: asking on and on would only keep it from its work.
            if left.len() > 4 * UNDER_WAY {
                left.extend(zones.iter().skip((at + 1) * UNDER_WAY));
                break;
            }
        }
        Ok(left)
    }

    fn ask(&mut self, id: u16, zone: &str) -> io::Result<Option<(u16, Option<u32>)>> {
        self.send(id, zone)?;
        self.receive()
    }

    fn send(&mut self, id: u16, zone: &str) -> io::Result<()> {
        let zone = Name::parse(zone).map_err(|error| io::Error::other(format!("{zone}: {error}")))?;
        let question = Question { name: zone.as_ref(), qtype: RecordType::SOA, qclass: Class::IN };
        let length = Writer::request(&mut self.octets, id, OpCode::Query, question).finish();
        match self.socket.send(&self.octets[..length]) {
            // Nobody is there yet, which the kernel tells at the next call.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            sent => sent.map(|_| ()),
        }
    }

    /// The id of the next reply and the serial of its SOA; `None` if none comes.
    fn receive(&mut self) -> io::Result<Option<(u16, Option<u32>)>> {
        let length = match self.socket.recv(&mut self.octets) {
            Ok(length) => length,
            Err(error) => {
                return match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused => Ok(None),
                    _ => Err(error),
                };
            }
        };
        let Ok(mut reply) = Reader::new(&self.octets[..length]) else { return Ok(None) };
        let id = reply.header().id;
        let answers = reply.header().counts[1] > 0;
        let record = reply.next_record(&mut self.scratch).ok().flatten().filter(|_| answers);
        let serial = record.and_then(|(_, _, record)| Soa::from_rdata(record.rdata)).map(|soa| soa.serial.0);
        Ok(Some((id, serial)))
    }
}
