//! Clients of QUIC: of DNS over it, and of HTTP/3.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{Request, Response};
use h3::client::SendRequest;
use h3_quinn::OpenStreams;
use hyper::body::Buf;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint};
use rustls::version::TLS13;
use tokio::runtime::{Builder, Runtime};

use crate::secure;
use crate::wire::{self, Message, Reply};
use crate::yard::PATIENCE;

/// A connection of DNS over QUIC.
pub struct Quick {
    runtime: Runtime,
    connection: Connection,
}

fn connect(server: SocketAddr, protocol: &str) -> Result<(Runtime, Connection), ConnectionError> {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let tls = QuicClientConfig::try_from(Arc::new(secure::client(&[&TLS13], &[protocol]))).expect("TLS 1.3");
    let connection = runtime.block_on(async {
        let mut endpoint = Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("a socket");
        endpoint.set_default_client_config(ClientConfig::new(Arc::new(tls)));
        endpoint.connect(server, "bellwether.example").expect("a client").await
    })?;
    Ok((runtime, connection))
}

impl Quick {
    /// Shakes hands.
    pub fn to(server: SocketAddr) -> Quick {
        Quick::with(server, "doq").expect("a handshake")
    }

    /// Shakes hands in the name of this protocol.
    pub fn with(server: SocketAddr, protocol: &str) -> Result<Quick, ConnectionError> {
        connect(server, protocol).map(|(runtime, connection)| Quick { runtime, connection })
    }

    /// Asks on a stream of its own.
    pub fn ask(&self, message: &Message) -> Reply {
        let octets = self.exchange(&wire::frame(&message.0)).expect("an answer");
        let (prefix, reply) = octets.split_first_chunk::<2>().expect("a prefix");
        assert_eq!(usize::from(u16::from_be_bytes(*prefix)), reply.len(), "one message and nothing else");
        Reply(reply.to_vec())
    }

    /// Sends octets on a stream and reads it to its end; or the code with which the server closed the
    /// connection.
    pub fn exchange(&self, octets: &[u8]) -> Result<Vec<u8>, u64> {
        let exchange = async {
            let (mut send, mut receive) = self.connection.open_bi().await.map_err(code)?;
            // The server may have closed before all is sent: the reading tells.
            let _ = send.write_all(octets).await;
            let _ = send.finish();
            match receive.read_to_end(70_000).await {
                Ok(octets) => Ok(octets),
                Err(_) => Err(code(self.connection.closed().await)),
            }
        };
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, exchange).await.expect("an end") })
    }

    /// The certificate that the server showed.
    pub fn certificate(&self) -> Vec<u8> {
        certificate(&self.connection)
    }

    /// Waits until the server closes, and says with which code.
    pub fn closed(&self) -> u64 {
        let closed =
            async { tokio::time::timeout(PATIENCE, self.connection.closed()).await.expect("an end") };
        code(self.runtime.block_on(closed))
    }
}

fn certificate(connection: &Connection) -> Vec<u8> {
    let shown = connection.peer_identity().expect("certificates");
    let shown = shown.downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>().expect("certificates");
    shown[0].to_vec()
}

fn code(error: ConnectionError) -> u64 {
    match error {
        ConnectionError::ApplicationClosed(closed) => closed.error_code.into_inner(),
        other => panic!("not closed by the server: {other}"),
    }
}

/// A connection of HTTP/3.
pub struct Http3 {
    runtime: Runtime,
    connection: Connection,
    sender: SendRequest<OpenStreams, Bytes>,
}

impl Http3 {
    /// Shakes hands.
    pub fn to(server: SocketAddr) -> Http3 {
        let (runtime, connection) = connect(server, "h3").expect("a handshake");
        let sender = runtime.block_on(async {
            let (mut driver, sender) =
                h3::client::new(h3_quinn::Connection::new(connection.clone())).await.expect("HTTP/3");
            tokio::spawn(async move { driver.wait_idle().await });
            sender
        });
        Http3 { runtime, connection, sender }
    }

    /// Sends a request and reads the response.
    pub fn send(&mut self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        let (head, body) = request.into_parts();
        let exchange = async {
            let mut stream = self.sender.send_request(Request::from_parts(head, ())).await.expect("sent");
            stream.send_data(Bytes::from(body)).await.expect("sent");
            stream.finish().await.expect("sent");
            let response = stream.recv_response().await.expect("a response");
            let mut body = Vec::new();
            while let Some(mut part) = stream.recv_data().await.expect("a body") {
                body.extend_from_slice(&part.copy_to_bytes(part.remaining()));
            }
            response.map(|()| body)
        };
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, exchange).await.expect("an end") })
    }

    /// The certificate that the server showed.
    pub fn certificate(&self) -> Vec<u8> {
        certificate(&self.connection)
    }
}
