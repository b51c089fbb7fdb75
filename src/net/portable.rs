//! Datagrams by the standard library alone, one at a time: for systems without the batches, the wake
//! and the socket options of Linux. It has the names of `sys.rs`, in whose place it stands there; on
//! Linux the tests run the workers over it as well.
//!
//! A worker notices a stop within [`TURN`]. Absent: the local address of a datagram, so a server on
//! such a system listens on its addresses one by one, and the count of what the kernel dropped.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::Socket;

/// Datagrams that one call takes in or sends out.
pub const BATCH: usize = 1;
/// Octets of one datagram that are received; a longer one is no query that we answer.
pub const DATAGRAM_OCTETS: usize = 4096;
/// How long a worker waits for a datagram before it looks whether it is to stop.
const TURN: Duration = Duration::from_millis(100);

/// Our own address of a datagram, which is never known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {}

/// A buffer for one datagram, used for receiving or for sending.
#[derive(Debug)]
pub struct Batch {
    /// One octet more than a datagram may have, which tells that it was longer.
    octets: Box<[u8; DATAGRAM_OCTETS + 1]>,
    length: usize,
    peer: Option<SocketAddr>,
}

/// A datagram that came in.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Its octets.
    pub octets: &'a [u8],
    /// Who sent it.
    pub peer: SocketAddr,
    /// Never known.
    pub local: Option<Local>,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch::new()
    }
}

impl Batch {
    /// An empty buffer.
    pub fn new() -> Batch {
        Batch { octets: Box::new([0; DATAGRAM_OCTETS + 1]), length: 0, peer: None }
    }

    /// How many datagrams it holds.
    pub fn len(&self) -> usize {
        usize::from(!self.is_empty())
    }

    /// Whether it holds no datagram.
    pub fn is_empty(&self) -> bool {
        self.peer.is_none()
    }

    /// Forgets what it holds.
    pub fn clear(&mut self) {
        self.peer = None;
    }

    /// Takes in a datagram, or says `WouldBlock` if none came for a while (see [`prepare_udp`]). One
    /// that is longer than the buffer arrives empty.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.clear();
        let (length, peer) = socket.recv_from(&mut self.octets[..]).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => io::ErrorKind::WouldBlock.into(),
            _ => error,
        })?;
        self.length = if length > DATAGRAM_OCTETS { 0 } else { length };
        self.peer = Some(peer);
        Ok(1)
    }

    /// The datagram at `index`; `None` past the end.
    pub fn datagram(&self, index: usize) -> Option<Datagram<'_>> {
        let peer = self.peer.filter(|_| index == 0)?;
        Some(Datagram { octets: self.octets.get(..self.length)?, peer, local: None })
    }

    /// The buffer that the next datagram is written to; `None` if there is one already.
    pub fn room(&mut self) -> Option<&mut [u8]> {
        if self.is_empty() { self.octets.get_mut(..DATAGRAM_OCTETS) } else { None }
    }

    /// Adds what was written to [`Batch::room`]: `length` octets for `peer`.
    pub fn push(&mut self, length: usize, peer: SocketAddr, _: Option<Local>) {
        self.length = length.min(DATAGRAM_OCTETS);
        self.peer = Some(peer);
    }

    /// Sends the datagram.
    pub fn send(&mut self, socket: &UdpSocket, first: usize) -> io::Result<usize> {
        match self.datagram(first) {
            Some(datagram) => socket.send_to(datagram.octets, datagram.peer).map(|_| 1),
            None => Ok(0),
        }
    }

    /// The octets of the datagram at `index`, to change them, and its length.
    pub fn reply_mut(&mut self, index: usize) -> Option<(&mut [u8], &mut usize)> {
        let Batch { octets, length, .. } = self;
        (index == 0).then_some((&mut octets[..], length))
    }
}

/// Prepares a UDP socket: receiving gives up after a while, so that a stop is noticed.
pub fn prepare_udp(socket: &Socket, _: SocketAddr) -> io::Result<()> {
    socket.set_read_timeout(Some(TURN))
}

/// What the kernel dropped cannot be asked for here.
pub fn receive_drops(_: &UdpSocket) -> io::Result<u32> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Wakes every worker that waits with it, once and for all.
#[derive(Clone, Debug)]
pub struct Wake(Arc<AtomicBool>);

impl Wake {
    /// A wake that has not rung yet.
    pub fn new() -> io::Result<Wake> {
        Ok(Wake(Arc::new(AtomicBool::new(false))))
    }

    /// Rings: every worker ends with its present turn.
    pub fn ring(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it rang; the waiting itself is done in [`Batch::receive`].
    pub fn wait(&self, _: &UdpSocket) -> io::Result<bool> {
        Ok(self.0.load(Ordering::Acquire))
    }
}
