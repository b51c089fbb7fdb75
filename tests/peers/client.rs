//! A client with an address of its own: all of 127.0.0.0/8 is this machine.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::texts::ZONE;
use crate::wire::{Message, Reply, SOA, Stream};
use crate::yard::PATIENCE;

/// A socket that is connected to a server.
#[derive(Debug)]
pub struct Client(UdpSocket);

impl Client {
    /// A client of `server` with this address.
    pub fn at(address: [u8; 4], server: SocketAddr) -> Client {
        let socket = UdpSocket::bind((Ipv4Addr::from(address), 0)).expect("a socket");
        socket.connect(server).expect("a connected socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        Client(socket)
    }

    /// Sends one message.
    pub fn send(&self, message: &Message) {
        self.0.send(&message.0).expect("sent");
    }

    /// The next reply; it has to come.
    pub fn receive(&self) -> Reply {
        let mut octets = vec![0; 65_535];
        loop {
            match self.0.recv(&mut octets) {
                Ok(length) => {
                    octets.truncate(length);
                    return Reply(octets);
                }
                // A machine that was paused interrupts whoever waits with a time-out.
                Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}"),
            }
        }
    }

    /// Asks somebody who may not listen yet; `None` if there is no reply soon.
    pub fn ask_once(&self, message: &Message) -> Option<Reply> {
        // An ICMP error of an earlier try may come back here.
        self.0.send(&message.0).ok()?;
        self.0.set_read_timeout(Some(Duration::from_secs(1))).expect("a time-out");
        let mut octets = vec![0; 65_535];
        let received = self.0.recv(&mut octets);
        self.0.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        received.ok().map(|length| Reply(octets[..length].to_vec()))
    }

    /// Sends one message and receives one.
    pub fn ask(&self, message: &Message) -> Reply {
        self.send(message);
        self.receive()
    }

    /// What has come already.
    pub fn drain(&self) -> Vec<Reply> {
        self.0.set_nonblocking(true).expect("an option");
        let mut found = Vec::new();
        let mut octets = vec![0; 65_535];
        while let Ok(length) = self.0.recv(&mut octets) {
            found.push(Reply(octets[..length].to_vec()));
        }
        self.0.set_nonblocking(false).expect("an option");
        found
    }
}

/// The answers over UDP and over TCP.
pub fn both(server: SocketAddr, message: &Message) -> [Reply; 2] {
    [Client::at([127, 0, 0, 1], server).ask(message), Stream::to(server).ask(message)]
}

/// Fails unless the answers over UDP and TCP are the same, octet for octet; gives it.
pub fn same(server: SocketAddr, message: &Message) -> Reply {
    let [udp, tcp] = both(server, message);
    assert_eq!(udp, tcp, "the same over UDP and TCP");
    udp
}

/// Whether the server says nothing to these octets on either transport, and goes on after them.
pub fn says_nothing(server: SocketAddr, octets: &[u8]) -> bool {
    let after = Message::query(0xaf7e, ZONE, SOA);
    let client = Client::at([127, 0, 0, 1], server);
    client.send(&Message(octets.to_vec()));
    let mut stream = Stream::to(server);
    stream.send(&[octets.to_vec(), after.0.clone()]);
    // Both answer in order: what comes first is for the later one, or not silence.
    client.ask(&after).id() == 0xaf7e && stream.read().is_some_and(|reply| reply.id() == 0xaf7e)
}
