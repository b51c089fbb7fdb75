//! `[tls]` and the addresses that answer inside it.

use std::net::SocketAddr;

use toml::Spanned;

use super::Tls;
use super::check::Checker;
use super::problem::Problem;
use super::raw::{RawServer, RawTls};
use crate::reason::Reason;

/// The port of DNS over TLS (RFC 7858 §3.1) and over QUIC (RFC 9250 §8).
const TLS_PORT: u16 = 853;

/// The port of HTTPS.
const HTTPS_PORT: u16 = 443;

/// Addresses for everything inside TLS.
pub(super) struct Listens {
    pub(super) tls: Vec<SocketAddr>,
    pub(super) https: Vec<SocketAddr>,
    pub(super) quic: Vec<SocketAddr>,
}

/// What is spoken on a port.
struct Speaks {
    name: &'static str,
    feature: &'static str,
    /// Whether this build can.
    has: bool,
    /// The port if none is written.
    port: u16,
}

impl Checker<'_> {
    /// `[tls]`.
    pub(super) fn tls(&mut self, raw: &RawTls) -> Option<Tls> {
        let (one, other) = match (&raw.certificate, &raw.key) {
            (None, None) => return None,
            (Some(certificate), Some(key)) => {
                let files =
                    Tls { certificate: self.join(certificate.get_ref()), key: self.join(key.get_ref()) };
                #[cfg(feature = "tls")]
                if let Err(error) = super::identity::read(&files) {
                    let is_first = error.is_of_certificate(&files);
                    let span = if is_first { certificate.span() } else { key.span() };
                    self.problem(Problem::new(Reason::ConfigCertificate, span, error.to_string()));
                }
                return Some(files);
            }
            (Some(certificate), None) => (certificate, "key"),
            (None, Some(key)) => (key, "certificate"),
        };
        let problem = Problem::new(Reason::ConfigMissingKey, one.span(), format!("[tls] lacks `{other}`"));
        self.problem(problem.hint("without both, the server makes an identity of its own"));
        None
    }

    /// The addresses for everything inside TLS. `plain` are those for UDP and TCP.
    pub(super) fn listens(&mut self, raw: &RawServer, plain: &[SocketAddr]) -> Listens {
        let speaks = |name, feature, has, port| Speaks { name, feature, has, port };
        let tls = speaks("TLS", "tls", cfg!(feature = "tls"), TLS_PORT);
        let https = speaks("HTTPS", "doh", cfg!(feature = "doh"), HTTPS_PORT);
        let quic = speaks("QUIC", "doq", cfg!(feature = "doq"), TLS_PORT);
        let tls = self.listen_for(&tls, &raw.listen_tls, &[plain]);
        let https = self.listen_for(&https, &raw.listen_https, &[plain, &tls]);
        // QUIC goes over UDP: it may have the port of TLS, as the port of both is 853.
        let quic = self.listen_for(&quic, &raw.listen_quic, &[plain, &https]);
        Listens { tls, https, quic }
    }

    /// One list of addresses, none of which may be among `taken`.
    fn listen_for(
        &mut self,
        speaks: &Speaks,
        written: &Option<Spanned<Vec<Spanned<String>>>>,
        taken: &[&[SocketAddr]],
    ) -> Vec<SocketAddr> {
        let Some(list) = written else { return Vec::new() };
        let Speaks { name, feature, has, port } = speaks;
        if !has {
            let title = format!("this build does not speak {name}");
            let problem = Problem::new(Reason::ConfigBadValue, list.span(), title);
            let hint = format!("build it with the feature `{feature}`, which is on unless turned off");
            self.problem(problem.hint(hint));
        }
        let mut parsed = Vec::new();
        for text in list.get_ref() {
            let Some(address) = self.address_at(text, *port) else { continue };
            if address.port() != 0 && taken.iter().any(|list| list.contains(&address)) {
                let title =
                    format!("{address} is listened on for something else: a port speaks one protocol");
                self.problem(Problem::new(Reason::ConfigDuplicate, text.span(), title));
            }
            parsed.push(address);
        }
        self.duplicates(list.get_ref(), &parsed);
        parsed
    }
}
