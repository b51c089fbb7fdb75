//! TLS for the connections of `tcp` (RFC 7858, RFC 9103): who we are, and the handshake.
//!
//! An [`Identity`] may be replaced while the server runs: handshakes that come later show the new
//! certificate, connections that stand go on (I06). There is no early data. Versions 1.2 and 1.3 are spoken; what
//! the older one is not good enough for is said in `serve/` (I01).

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ProtocolVersion, ServerConfig};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::ident::Transport;

/// What DNS over TLS is called in a handshake (RFC 7858 §8.1).
const DOT: &[u8] = b"dot";

/// The certificate that clients are shown, and its key.
#[derive(Debug)]
pub struct Identity(ArcSwap<CertifiedKey>);

impl Identity {
    /// Shows this certificate.
    pub fn new(certified: CertifiedKey) -> Identity {
        Identity(ArcSwap::from_pointee(certified))
    }

    /// What clients may pin: the SHA-256 of the public key, in base64 (RFC 7858 Appendix A).
    pub fn pin(&self) -> Option<String> {
        let shown = self.0.load();
        let spki = shown.key.public_key()?;
        Some(data_encoding::BASE64.encode(&Sha256::digest(&spki)))
    }

    /// From now on clients are shown this one; whether that is something else.
    pub fn replace(&self, certified: CertifiedKey) -> bool {
        let next = Arc::new(certified);
        self.0.swap(next.clone()).cert != next.cert
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

fn provider() -> CryptoProvider {
    ring::default_provider()
}

/// What a server of these protocols (RFC 7301) does in a handshake. A client that names none is taken for
/// one of the first.
pub fn server_config(identity: Arc<Identity>, protocols: &[&[u8]]) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has ciphers for both versions")
        .with_no_client_auth()
        .with_cert_resolver(identity);
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config
}

/// Makes connections inside TLS out of those of TCP.
#[derive(Clone)]
pub struct Acceptor {
    tls: TlsAcceptor,
    /// Whether HTTP is spoken inside.
    #[cfg_attr(not(feature = "doh"), expect(dead_code))]
    pub(super) is_http: bool,
}

/// A connection after its handshake.
pub type Stream = TlsStream<TcpStream>;

impl Acceptor {
    /// DNS over TLS.
    pub fn dot(identity: Arc<Identity>) -> Acceptor {
        Acceptor { tls: TlsAcceptor::from(Arc::new(server_config(identity, &[DOT]))), is_http: false }
    }

    /// DNS over HTTPS; without the feature no address is listened on for it.
    #[cfg(not(feature = "doh"))]
    pub fn doh(identity: Arc<Identity>) -> Acceptor {
        Acceptor::dot(identity)
    }

    /// DNS over HTTPS.
    #[cfg(feature = "doh")]
    pub fn doh(identity: Arc<Identity>) -> Acceptor {
        let config = server_config(identity, super::https::PROTOCOLS);
        Acceptor { tls: TlsAcceptor::from(Arc::new(config)), is_http: true }
    }

    /// The handshake.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<(Stream, Transport)> {
        let stream = self.tls.accept(stream).await?;
        let transport = match stream.get_ref().1.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => Transport::Tls,
            _ => Transport::Tls12,
        };
        Ok((stream, transport))
    }
}
