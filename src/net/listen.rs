//! Opening the sockets: all of them, or a sentence about the first that failed.
//!
//! The first socket of an address is bound alone, so that a port in use is an error; only then it
//! allows others to share the port (SO_REUSEPORT), and the other workers' sockets join it.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
#[cfg(target_os = "linux")]
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::sys;
#[cfg(target_os = "linux")]
use crate::limits::TCP_UNSENT_OCTETS_MAX;

/// The sockets of one address.
#[derive(Debug)]
pub struct Sockets {
    /// The address, with the port that the system chose if 0 was asked for.
    pub address: SocketAddr,
    /// One for each UDP worker.
    pub udp: Vec<UdpSocket>,
    /// One for each runtime of streams.
    pub tcp: Vec<TcpListener>,
}

/// Why an address cannot be listened on.
#[derive(Debug)]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// `UDP`, `TCP` or `QUIC`.
    pub protocol: &'static str,
    /// What the system said.
    pub error: io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ListenError { address, protocol, error } = self;
        write!(f, "cannot listen on {address} ({protocol}): ")?;
        match error.kind() {
            io::ErrorKind::AddrInUse => f.write_str("another program has this port"),
            io::ErrorKind::PermissionDenied if address.port() < 1024 => {
                f.write_str("ports below 1024 need root or CAP_NET_BIND_SERVICE")
            }
            _ => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ListenError {}

/// Octets that the kernel keeps for us while a worker is busy; it may grant less.
const RECEIVE_BUFFER_OCTETS: usize = 4 << 20;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// How long a client may be silent before we are told that it is there: in every protocol that is spoken here
/// it speaks first.
#[cfg(target_os = "linux")]
const FIRST_WORD: Duration = Duration::from_secs(1);
/// How often another port is tried when the system's choice for UDP is taken for TCP.
const PORT_TRIES: usize = 32;

/// Opens `udp` and `tcp` sockets on `address`, with the same port for both.
pub fn open(address: SocketAddr, udp: usize, tcp: usize) -> Result<Sockets, ListenError> {
    let mut tries = if address.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        let fail = |protocol| move |error| ListenError { address, protocol, error };
        let datagrams = group(address, Type::DGRAM, udp).map_err(fail("UDP"))?;
        let bound = port_of(&datagrams, address).map_err(fail("UDP"))?;
        let streams = match group(bound, Type::STREAM, tcp) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => continue,
            other => other.map_err(fail("TCP"))?,
        };
        let bound = port_of(&streams, bound).map_err(fail("TCP"))?;
        return Ok(Sockets {
            address: bound,
            udp: datagrams.into_iter().map(UdpSocket::from).collect(),
            tcp: streams.into_iter().map(TcpListener::from).collect(),
        });
    }
}

/// Opens a socket for QUIC on `address`.
pub fn open_quic(address: SocketAddr) -> Result<UdpSocket, ListenError> {
    let open = || {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None::<Protocol>)?;
        bind_anywhere(&socket, address)?;
        // A smaller buffer than asked for is no reason not to start.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_OCTETS);
        socket.bind(&address.into())?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    open().map_err(|error| ListenError { address, protocol: "QUIC", error })
}

/// The address that the sockets are bound to; `address` if there are none.
fn port_of(sockets: &[Socket], address: SocketAddr) -> io::Result<SocketAddr> {
    let first = sockets.first().map(Socket::local_addr).transpose()?;
    Ok(first.and_then(|bound| bound.as_socket()).unwrap_or(address))
}

/// Sockets that share one port; the first one finds out whether it is free.
fn group(address: SocketAddr, kind: Type, count: usize) -> io::Result<Vec<Socket>> {
    let mut sockets: Vec<Socket> = Vec::with_capacity(count);
    for _ in 0..count {
        let socket = Socket::new(Domain::for_address(address), kind, None::<Protocol>)?;
        let (first, address) = match sockets.first() {
            Some(first) => (false, first.local_addr()?),
            None => (true, address.into()),
        };
        prepare(&socket, address.as_socket(), kind)?;
        if !first {
            socket.set_reuse_port(true)?;
        }
        socket.bind(&address)?;
        socket.set_reuse_port(true)?;
        if kind == Type::STREAM {
            // Who has not said anything yet would only be looked at in vain; and who never does takes no
            // seat so long. A system without it tells of each connection at once.
            #[cfg(target_os = "linux")]
            let _ = sys::defer_accept(&socket, FIRST_WORD);
            socket.listen(BACKLOG)?;
            socket.set_nonblocking(true)?;
        }
        sockets.push(socket);
    }
    Ok(sockets)
}

fn prepare(socket: &Socket, address: Option<SocketAddr>, kind: Type) -> io::Result<()> {
    let Some(address) = address else { return Ok(()) };
    bind_anywhere(socket, address)?;
    if kind == Type::STREAM {
        // Replies leave at once, however small (RFC 7766 §8). Connections inherit it.
        socket.set_tcp_nodelay(true)?;
        // What a client does not read waits here and not in megabytes of the kernel, where it would pass
        // for read (R21), too. A system without it has its own bound.
        #[cfg(target_os = "linux")]
        let _ = socket.set_tcp_notsent_lowat(TCP_UNSENT_OCTETS_MAX);
        // Connections of a server that has just ended do not hold the port.
        return socket.set_reuse_address(true);
    }
    // A smaller buffer than asked for is no reason not to start.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_OCTETS);
    sys::prepare_udp(socket, address)
}

/// R30: addresses that appear later (anycast, VRRP) can be bound before they are there.
fn bind_anywhere(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    #[cfg(target_os = "linux")]
    match address {
        SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
        SocketAddr::V6(_) => socket.set_freebind_v6(true)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_has_a_socket_on_the_same_port() {
        let sockets = open("127.0.0.1:0".parse().expect("an address"), 3, 2).expect("sockets");
        assert_eq!((sockets.udp.len(), sockets.tcp.len()), (3, 2));
        for socket in &sockets.udp {
            assert_eq!(socket.local_addr().expect("an address"), sockets.address);
        }
        for socket in &sockets.tcp {
            assert_eq!(socket.local_addr().expect("an address"), sockets.address);
        }
    }

    #[test]
    fn a_port_in_use_is_one_sentence() {
        for udp in [1, 0] {
            let first = open("127.0.0.1:0".parse().expect("an address"), udp, 1).expect("sockets");
            let again = open(first.address, udp, 1).expect_err("the port is taken");
            let said = again.to_string();
            assert!(said.ends_with("another program has this port"), "{said}");
            assert!(said.contains(&first.address.to_string()), "{said}");
        }
    }
}
