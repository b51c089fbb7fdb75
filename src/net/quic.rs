//! DNS over QUIC (RFC 9250): a stream for each query, and its reply on the same one.
//!
//! There is no early data and there are no transfers. A client that breaks the rules of §4.3.3 loses its
//! connection. While many handshakes are under way a client has to show first that it is at its
//! address (RFC 9000 §8.1.2). The thread carries HTTP/3 as well (`http3`).

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint, EndpointConfig, Incoming, RecvStream, SendStream, TokioRuntime, VarInt};
use tokio::runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::http3;
use super::seats::Seats;
use super::single::Single;
use super::tcp::{StreamLimits, Streams};
use super::tls::{Identity, server_config};
use super::{Desk, https};
use crate::dns::edns::code;
use crate::dns::message::{Header, Reader};
use crate::ident::Transport;
use crate::limits::MESSAGE_OCTETS_MAX;
use crate::serve::Counters;

/// What DNS over QUIC is called in a handshake (RFC 9250 §4.1).
const DOQ: &[u8] = b"doq";
/// Queries of one connection that are under way at once.
const STREAMS_MAX: u32 = 100;
/// Handshakes under way from which on addresses are validated first.
const HANDSHAKES_MAX: usize = 64;
/// The length prefix (RFC 9250 §4.2).
const PREFIX: usize = 2;

/// DOQ_NO_ERROR (RFC 9250 §8.4).
const NO_ERROR: VarInt = VarInt::from_u32(0);
/// DOQ_PROTOCOL_ERROR.
const PROTOCOL_ERROR: VarInt = VarInt::from_u32(2);

/// The running thread.
#[derive(Debug)]
pub struct Quic {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
    /// What is counted of DNS over QUIC, and of HTTP/3.
    pub counters: [Arc<Counters>; 2],
}

impl Quic {
    /// Starts the thread over sockets for DNS over QUIC and for HTTP/3. Connections have seats among those
    /// of `streams`.
    pub fn start(
        quic: Vec<UdpSocket>,
        http3: Vec<UdpSocket>,
        identity: &Arc<Identity>,
        desk: &Arc<dyn Desk>,
        limits: StreamLimits,
        streams: &Streams,
    ) -> io::Result<Quic> {
        let (stop, stopped) = watch::channel(false);
        let single = Single::new(desk.clone(), Transport::Quic, limits.idle);
        let site = Single::new(desk.clone(), Transport::Https, limits.idle);
        let counters = [single.counters.clone(), site.counters.clone()];
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let config = endpoint_config(identity.clone(), limits.idle)?;
        let (identity, seats) = (identity.clone(), streams.seats.clone());
        let body = move || {
            runtime.block_on(async move {
                let mut listeners = JoinSet::new();
                for socket in quic {
                    let (single, seats, stopped) = (single.clone(), seats.clone(), stopped.clone());
                    match endpoint(socket, config.clone()) {
                        Ok(endpoint) => drop(listeners.spawn(listen(endpoint, single, seats, stopped))),
                        Err(error) => tracing::error!(%error, "a QUIC socket cannot be used"),
                    }
                }
                let router = https::router(site);
                for socket in http3 {
                    let (router, seats, stopped) = (router.clone(), seats.clone(), stopped.clone());
                    let listener =
                        http3::listen(socket, identity.clone(), router, limits.idle, seats, stopped);
                    listeners.spawn(listener);
                }
                while listeners.join_next().await.is_some() {}
            });
        };
        let thread = std::thread::Builder::new().name("quic".into()).spawn(body)?;
        Ok(Quic { stop, thread, counters })
    }

    /// Closes all connections.
    pub fn stop(self) {
        self.stop.send_replace(true);
        // A thread that panicked has said so on its own.
        let _ = self.thread.join();
    }
}

fn endpoint_config(identity: Arc<Identity>, idle: Duration) -> io::Result<quinn::ServerConfig> {
    let tls = QuicServerConfig::try_from(Arc::new(server_config(identity, &[DOQ])));
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls.map_err(io::Error::other)?));
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_idle_timeout(Some(idle.try_into().map_err(io::Error::other)?))
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None);
    config.transport_config(Arc::new(transport));
    Ok(config)
}

fn endpoint(socket: UdpSocket, config: quinn::ServerConfig) -> io::Result<Endpoint> {
    Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(TokioRuntime))
}

async fn listen(
    endpoint: Endpoint,
    single: Arc<Single>,
    seats: Arc<Seats>,
    mut stopped: watch::Receiver<bool>,
) {
    let handshakes = Arc::new(AtomicUsize::new(0));
    loop {
        let incoming = tokio::select! {
            biased;
            incoming = endpoint.accept() => incoming,
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        let Some(incoming) = incoming else { break };
        if handshakes.load(Ordering::Relaxed) >= HANDSHAKES_MAX && incoming.may_retry() {
            // It may, so this cannot fail.
            let _ = incoming.retry();
            continue;
        }
        let Some(seat) = seats.take(incoming.remote_address().ip()) else {
            incoming.refuse();
            continue;
        };
        let (single, handshakes) = (single.clone(), handshakes.clone());
        tokio::spawn(async move {
            let connection = shake_hands(incoming, single.idle, &handshakes).await;
            if let Some(connection) = connection {
                attend(connection, single).await;
            }
            drop(seat);
        });
    }
    endpoint.close(NO_ERROR, b"the server stops");
    endpoint.wait_idle().await;
}

async fn shake_hands(incoming: Incoming, patience: Duration, handshakes: &AtomicUsize) -> Option<Connection> {
    let peer = incoming.remote_address();
    handshakes.fetch_add(1, Ordering::Relaxed);
    let done = timeout(patience, async { incoming.accept()?.await }).await;
    handshakes.fetch_sub(1, Ordering::Relaxed);
    match done {
        Ok(Ok(connection)) => Some(connection),
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "no QUIC handshake");
            None
        }
        Err(_) => None,
    }
}

/// Answers the streams of a connection until it ends.
async fn attend(connection: Connection, single: Arc<Single>) {
    while let Ok((send, receive)) = connection.accept_bi().await {
        let (connection, single) = (connection.clone(), single.clone());
        tokio::spawn(async move {
            let peer = connection.remote_address();
            if let Err(fault) = answer(&single, peer, send, receive).await {
                tracing::debug!(%peer, fault, "a client of DNS over QUIC breaks the rules");
                connection.close(PROTOCOL_ERROR, fault.as_bytes());
            }
        });
    }
}

/// Answers one stream. What a client must not do is an error of the whole connection (RFC 9250 §4.3.3).
async fn answer(
    single: &Single,
    peer: SocketAddr,
    mut send: SendStream,
    mut receive: RecvStream,
) -> Result<(), &'static str> {
    let octets = match timeout(single.idle, receive.read_to_end(PREFIX + MESSAGE_OCTETS_MAX)).await {
        Ok(Ok(octets)) => octets,
        Ok(Err(quinn::ReadToEndError::TooLong)) => return Err("more than one message on a stream"),
        // The client has reset the stream or left, or keeps us waiting.
        Ok(Err(quinn::ReadToEndError::Read(_))) | Err(_) => return Ok(()),
    };
    let message = one_message(&octets)?;
    let Some(reply) = single.answer(message, peer) else {
        // What gets no answer elsewhere is nothing that a client may send.
        return Err("no query");
    };
    let framed = [&(reply.len() as u16).to_be_bytes(), &reply[..]].concat();
    // A client that does not want its answer any more is no error.
    let _ = timeout(single.idle, send.write_all(&framed)).await;
    let _ = send.finish();
    Ok(())
}

/// The one message of a stream (RFC 9250 §4.2, §4.2.1, §5.5.2; I08, I09, I12).
fn one_message(octets: &[u8]) -> Result<&[u8], &'static str> {
    let (prefix, message) = octets.split_first_chunk::<PREFIX>().ok_or("a stream without a message")?;
    let length = usize::from(u16::from_be_bytes(*prefix));
    match message.len() {
        had if had < length => return Err("a stream ends within its message"),
        had if had > length => return Err("more than one message on a stream"),
        _ => {}
    }
    if Header::read(message).is_some_and(|header| header.id != 0) {
        return Err("a message ID that is not 0");
    }
    let edns = Reader::new(message).ok().and_then(|reader| reader.edns().copied());
    if edns.is_some_and(|edns| edns.option(code::KEEPALIVE).is_some()) {
        return Err("edns-tcp-keepalive over QUIC");
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i08_i09_i12_what_a_stream_may_hold() {
        let query = b"\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\x01\0\x01";
        let framed = [&[0, query.len() as u8], &query[..]].concat();
        assert_eq!(one_message(&framed), Ok(&query[..]));
        assert_eq!(one_message(&[&framed[..], &framed].concat()), Err("more than one message on a stream"));
        assert_eq!(one_message(&framed[..9]), Err("a stream ends within its message"));
        assert_eq!(one_message(b"\0"), Err("a stream without a message"));
        let mut other = framed.clone();
        other[3] = 1;
        assert_eq!(one_message(&other), Err("a message ID that is not 0"));
        let mut kept = query.to_vec();
        kept[11] = 1;
        kept.extend(b"\0\0\x29\x04\xd0\0\0\0\0\0\x04\0\x0b\0\0");
        let kept = [&[0, kept.len() as u8], &kept[..]].concat();
        assert_eq!(one_message(&kept), Err("edns-tcp-keepalive over QUIC"));
    }
}
