//! PROXY protocol, version 2: what a proxy in front of us says about the client (PEERS 45).
//!
//! A header is believed from configured proxies only, and those have to send one: whoever may name any
//! address must do so, or a client behind a broken proxy would be taken for the proxy itself. A proxy's
//! own messages (LOCAL, as of a health check) and those from addresses that are no IP ones count as its
//! own. What follows the addresses (TLVs) is skipped. Version 1 is not read.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt};

/// What every header begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and protocol, length.
const FIXED_OCTETS: usize = 16;

/// The client that a header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// The proxy speaks for itself.
    Itself,
    /// It speaks for this one.
    Client(SocketAddr),
}

/// Why there is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoHeader {
    /// What is there may be the beginning of one.
    Incomplete,
    /// It is something else.
    Wrong,
}

/// Whether a message from `peer` has to begin with a header.
pub(super) fn is_proxy(proxies: &[IpNet], peer: SocketAddr) -> bool {
    !proxies.is_empty() && proxies.iter().any(|net| net.contains(&peer.ip().to_canonical()))
}

/// The message in a datagram and its client. Without a header that it must have it is empty, which is no
/// message to anybody.
#[inline]
pub(super) fn unwrap<'d>(proxies: &[IpNet], octets: &'d [u8], peer: SocketAddr) -> (&'d [u8], SocketAddr) {
    if !is_proxy(proxies, peer) {
        return (octets, peer);
    }
    match read(octets) {
        Ok((named, length)) => (octets.get(length..).unwrap_or_default(), named.or(peer)),
        Err(_) => (&[], peer),
    }
}

/// The header at the start, and how long it is.
pub(super) fn read(octets: &[u8]) -> Result<(Named, usize), NoHeader> {
    let signature = octets.get(..SIGNATURE.len()).unwrap_or(octets);
    if !SIGNATURE.starts_with(signature) {
        return Err(NoHeader::Wrong);
    }
    let (fixed, rest) = octets.split_first_chunk::<FIXED_OCTETS>().ok_or(NoHeader::Incomplete)?;
    let [.., command, family, l0, l1] = *fixed;
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let body = rest.get(..length).ok_or(NoHeader::Incomplete)?;
    let named = match (command, family >> 4) {
        (0x20, _) | (0x21, 0 | 3) => Named::Itself,
        (0x21, 1) => {
            let &[a, b, c, d, _, _, _, _, p0, p1, ..] = body else { return Err(NoHeader::Wrong) };
            Named::Client(SocketAddr::from((Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([p0, p1]))))
        }
        (0x21, 2) => {
            let address: [u8; 16] = *body.first_chunk().ok_or(NoHeader::Wrong)?;
            let port: [u8; 2] =
                *body.get(32..).and_then(|ports| ports.first_chunk()).ok_or(NoHeader::Wrong)?;
            Named::Client(SocketAddr::from((Ipv6Addr::from(address), u16::from_be_bytes(port))))
        }
        _ => return Err(NoHeader::Wrong),
    };
    Ok((named, FIXED_OCTETS + length))
}

/// Reads the header at the start of a stream and nothing of what follows it; `None` if something else is
/// there.
pub(super) async fn read_from(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Named>> {
    let (mut octets, mut had) = (vec![0; FIXED_OCTETS], 0);
    loop {
        let count = stream.read(&mut octets[had..]).await?;
        had += count;
        match read(&octets[..had]) {
            Ok((named, _)) => return Ok(Some(named)),
            Err(NoHeader::Incomplete) if count > 0 => {}
            Err(_) => return Ok(None),
        }
        if let (true, &[.., l0, l1]) = (had == FIXED_OCTETS, &octets[..]) {
            octets.resize(FIXED_OCTETS + usize::from(u16::from_be_bytes([l0, l1])), 0);
        }
    }
}

impl Named {
    /// The client, which is `peer` unless the header names another one.
    pub(super) fn or(self, peer: SocketAddr) -> SocketAddr {
        match self {
            Named::Itself => peer,
            Named::Client(client) => client,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        [&SIGNATURE[..], &[command, family], &(body.len() as u16).to_be_bytes(), body].concat()
    }

    const V4: [u8; 12] = [192, 0, 2, 7, 127, 0, 0, 1, 0x30, 0x39, 0, 53];

    #[test]
    fn p45_headers_name_clients() {
        let v6: Vec<u8> =
            [&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9][..], &[0; 16], &[1, 2, 0, 53]]
                .concat();
        let client = |text: &str| Ok(Named::Client(text.parse().unwrap()));
        for (command, family, body, named) in [
            (0x21, 0x12, &V4[..], client("192.0.2.7:12345")),
            (0x21, 0x11, &V4, client("192.0.2.7:12345")),
            (0x21, 0x12, &[&V4[..], &[4, 0, 1, 9]].concat(), client("192.0.2.7:12345")),
            (0x21, 0x22, &v6, client("[2001:db8::9]:258")),
            (0x20, 0x00, &[], Ok(Named::Itself)),
            (0x20, 0x12, &V4, Ok(Named::Itself)),
            (0x21, 0x00, &[], Ok(Named::Itself)),
            (0x21, 0x31, &[0; 216], Ok(Named::Itself)),
            (0x21, 0x12, &V4[..9], Err(NoHeader::Wrong)),
            (0x21, 0x22, &v6[..33], Err(NoHeader::Wrong)),
            (0x21, 0x52, &V4, Err(NoHeader::Wrong)),
            (0x22, 0x12, &V4, Err(NoHeader::Wrong)),
            (0x11, 0x12, &V4, Err(NoHeader::Wrong)),
        ] {
            let mut octets = header(command, family, body);
            let length = octets.len();
            octets.extend(b"what follows");
            assert_eq!(read(&octets), named.map(|named| (named, length)), "{command:02x} {family:02x}");
            if named.is_ok() {
                for cut in 0..length {
                    assert_eq!(read(&octets[..cut]), Err(NoHeader::Incomplete));
                }
            }
        }
        assert_eq!(read(b"\r\n\r\nx"), Err(NoHeader::Wrong));
        assert_eq!(read(b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n"), Err(NoHeader::Wrong));
    }

    #[test]
    fn p45_foreign_octets_never_panic() {
        let whole = [header(0x21, 0x12, &V4), header(0x21, 0x22, &[7; 40])];
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for round in 0..20_000_usize {
            let mut octets = whole[round % 2].clone();
            octets.truncate(octets.len() - round % 30);
            for _ in 0..round % 4 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let at = 12 + seed as usize % 4;
                if let Some(octet) = octets.get_mut(at) {
                    *octet = (seed >> 32) as u8;
                }
            }
            if let Ok((_, length)) = read(&octets) {
                assert!(length <= octets.len());
            }
        }
    }

    #[test]
    fn p45_a_header_is_read_from_proxies_only_and_wanted_of_them() {
        let proxies = ["192.0.2.0/28".parse().unwrap()];
        let (proxy, other): (SocketAddr, SocketAddr) =
            ("192.0.2.1:53".parse().unwrap(), "192.0.2.99:53".parse().unwrap());
        let octets = [header(0x21, 0x12, &V4), b"query".to_vec()].concat();
        let client = "192.0.2.7:12345".parse().unwrap();
        assert_eq!(unwrap(&proxies, &octets, proxy), (&b"query"[..], client));
        assert_eq!(unwrap(&proxies, &octets, "[::ffff:192.0.2.1]:53".parse().unwrap()).1, client);
        assert_eq!(unwrap(&proxies, &octets, other), (&octets[..], other));
        assert_eq!(unwrap(&[], &octets, proxy), (&octets[..], proxy));
        assert_eq!(unwrap(&proxies, b"query", proxy), (&b""[..], proxy));
    }
}
