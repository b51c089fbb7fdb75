//! A wire between two servers that can be cut in the middle of an answer.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::yard;

/// Passes queries on to one server, and its answers back. Its threads end with the test program.
pub struct Relay {
    /// Where it listens.
    pub address: SocketAddr,
    wire: Arc<Wire>,
}

struct Wire {
    server: SocketAddr,
    octets_left: AtomicUsize,
    cut: AtomicBool,
}

impl Relay {
    /// A wire that is whole.
    pub fn to(server: SocketAddr) -> Relay {
        let address = yard::free_address();
        let wire = Wire { server, octets_left: AtomicUsize::new(usize::MAX), cut: AtomicBool::new(false) };
        let wire = Arc::new(wire);
        let tcp = TcpListener::bind(address).expect("a free address");
        let udp = UdpSocket::bind(address).expect("a free address");
        let (streams, datagrams) = (wire.clone(), wire.clone());
        std::thread::spawn(move || {
            for client in tcp.incoming().flatten() {
                let wire = streams.clone();
                std::thread::spawn(move || wire.stream(&client));
            }
        });
        std::thread::spawn(move || datagrams.datagrams(&udp));
        Relay { address, wire }
    }

    /// Lets so many octets of answers over TCP through, and then no more.
    pub fn cut_after(&self, octets: usize) {
        self.wire.octets_left.store(octets, Ordering::SeqCst);
    }

    /// Waits until it was cut in the middle of an answer.
    pub fn wait_for_cut(&self) {
        yard::poll("a transfer to be under way", || self.wire.cut.load(Ordering::SeqCst).then_some(()));
    }

    /// Makes it whole again.
    pub fn mend(&self) {
        self.wire.octets_left.store(usize::MAX, Ordering::SeqCst);
    }
}

impl Wire {
    fn stream(&self, client: &TcpStream) {
        let Ok(server) = TcpStream::connect(self.server) else { return };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // An error ends the connection, as an end does.
                let _ = std::io::copy(&mut &*client, &mut &server);
                let _ = server.shutdown(Shutdown::Both);
            });
            self.answers(&server, client);
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
        });
    }

    /// Ends with the server's end of the connection: a cut wire is silent, it says no goodbye.
    fn answers(&self, mut server: &TcpStream, mut client: &TcpStream) {
        let mut octets = [0; 4096];
        while let Ok(count @ 1..) = server.read(&mut octets) {
            let left = self.octets_left.load(Ordering::SeqCst);
            let passed = count.min(left);
            if left != usize::MAX {
                self.octets_left.store(left - passed, Ordering::SeqCst);
            }
            if passed < count {
                self.cut.store(true, Ordering::SeqCst);
            }
            if passed > 0 && client.write_all(&octets[..passed]).is_err() {
                return;
            }
        }
    }

    fn datagrams(&self, clients: &UdpSocket) {
        let mut octets = [0; 65_535];
        while let Ok((count, client)) = clients.recv_from(&mut octets) {
            let Ok(server) = UdpSocket::bind("127.0.0.1:0") else { return };
            let _ = server.set_read_timeout(Some(Duration::from_secs(1)));
            // What is lost is lost, as on any network.
            let _ = server.send_to(&octets[..count], self.server);
            if let Ok(count) = server.recv(&mut octets) {
                let _ = clients.send_to(&octets[..count], client);
            }
        }
    }
}
