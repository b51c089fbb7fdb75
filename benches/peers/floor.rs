//! The floor: what the kernel takes for any server on sockets.
//!
//! It takes datagrams in and sends them back in batches, through the same calls as Bellwether. It
//! looks at nothing, sets QR and gives every reply the same length.

use std::io::{self, Write};

use bellwether::net::listen;
use bellwether::net::sys::{Batch, Wake};

/// Serves until the process ends; the address goes to the standard output first.
pub fn serve(reply_octets: usize) -> io::Result<()> {
    let any = "127.0.0.1:0".parse().expect("an address");
    let sockets = listen::open(any, 1, 0).map_err(|error| io::Error::other(error.to_string()))?;
    writeln!(io::stdout(), "{}", sockets.address)?;
    let socket = &sockets.udp[0];
    let wake = Wake::new()?;
    let mut batch = Batch::new();
    loop {
        match batch.receive(socket) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wake.wait(socket)?;
                continue;
            }
            Err(error) => return Err(error),
        }
        for index in 0..batch.len() {
            if let Some((octets, length)) = batch.reply_mut(index) {
                octets[2] |= 0x80;
                *length = reply_octets;
            }
        }
        let mut sent = 0;
        while sent < batch.len() {
            sent += batch.send(socket, sent)?.max(1);
        }
    }
}
