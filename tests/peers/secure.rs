//! A client of TLS that takes any certificate and tells what it saw, and certificates made for a test.

use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};

use crate::wire::Stream;
use crate::yard::PATIENCE;

/// A connection inside TLS.
pub type Secure = Stream<StreamOwned<ClientConnection, TcpStream>>;

/// Takes any certificate whose key signs.
#[derive(Debug)]
struct Anybody(CryptoProvider);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// What a client of these versions and protocols says.
pub fn client(versions: &[&'static SupportedProtocolVersion], protocols: &[&str]) -> ClientConfig {
    let provider = ring::default_provider();
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider.clone()))
        .with_protocol_versions(versions)
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

/// Shakes hands.
pub fn connect(server: SocketAddr, config: ClientConfig) -> io::Result<Secure> {
    let stream = TcpStream::connect(server).expect("a connection");
    shake_hands(stream, config)
}

/// Shakes hands on a connection that stands.
pub fn shake_hands(mut stream: TcpStream, config: ClientConfig) -> io::Result<Secure> {
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream.set_nodelay(true).expect("a stream");
    let name = ServerName::try_from("bellwether.example").expect("a name");
    let mut connection = ClientConnection::new(Arc::new(config), name).expect("a client");
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    let mut stream = StreamOwned::new(connection, stream);
    stream.flush()?;
    Ok(Stream(stream))
}

/// A client as it should be: TLS 1.3 and "dot".
pub fn to(server: SocketAddr) -> Secure {
    connect(server, client(&[&rustls::version::TLS13], &["dot"])).expect("a handshake")
}

/// The certificate that the server showed.
pub fn certificate(stream: &Secure) -> Vec<u8> {
    stream.0.conn.peer_certificates().expect("certificates")[0].to_vec()
}

/// Writes a new certificate and its key; says what the certificate is on the wire.
pub fn write_identity(certificate: &Path, key: &Path) -> Vec<u8> {
    let made = rcgen::generate_simple_self_signed(vec!["ns1.example.com".to_owned()]).expect("a certificate");
    fs::write(certificate, made.cert.pem()).expect("a file");
    fs::write(key, made.signing_key.serialize_pem()).expect("a file");
    made.cert.der().to_vec()
}
