//! The certificate that clients of TLS are shown: the operator's, or one that the server makes itself.
//!
//! The operator's files are read again with the configuration, and when they have changed: whoever renews
//! certificates need not tell. Files that cannot be used change nothing, and are complained of once. What the
//! server makes is self-signed, stays in the state directory, and is good for clients that pin its
//! key (RFC 7858 §4.2) or do not ask who we are (§4.1).

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use super::kept::keep_file;
use crate::config::{self, Config, Tls, identity};
use crate::env::{Disk, OsDisk};
use crate::net::tls::Identity;

/// Certificate and key of the server's own making, in the state directory.
const FILE: &str = "tls.pem";

/// The identity and where it comes from.
pub(super) struct KeptIdentity {
    shown: Arc<Identity>,
    files: Tls,
    /// When the files changed last, before they were read.
    stamps: Stamps,
}

type Stamps = [Option<SystemTime>; 2];

impl KeptIdentity {
    /// Reads the configured files, or those of an earlier start, or makes an identity.
    pub(super) fn open(config: &Config) -> Result<KeptIdentity, String> {
        let files = files(config);
        if config.tls.is_none() && !OsDisk.exists(&files.certificate).unwrap_or(true) {
            make(config).map_err(|error| {
                format!("the identity for TLS cannot be kept in {}: {error}", files.certificate.display())
            })?;
        }
        let stamps = stamps(&files);
        let identity = identity::read(&files).map_err(|error| format!("the identity for TLS: {error}"))?;
        let identity = Identity::new(identity);
        let (certificate, pin) = (files.certificate.display(), identity.pin());
        tracing::info!(%certificate, pin, "identity for TLS");
        Ok(KeptIdentity { shown: Arc::new(identity), files, stamps })
    }

    /// The identity that is shown, for as long as the server runs.
    pub(super) fn shown(&self) -> &Arc<Identity> {
        &self.shown
    }

    /// Reads the files of `config` if they are other ones or have changed.
    pub(super) fn look(&mut self, config: &Config) {
        let files = files(config);
        let stamps = stamps(&files);
        if (&files, stamps) == (&self.files, self.stamps) {
            return;
        }
        (self.files, self.stamps) = (files, stamps);
        match identity::read(&self.files) {
            Ok(next) => {
                if self.shown.replace(next) {
                    let (certificate, pin) = (self.files.certificate.display(), self.shown.pin());
                    tracing::info!(%certificate, pin, "another identity for TLS");
                }
            }
            Err(error) => tracing::error!("the identity for TLS stays as it is: {error}"),
        }
    }
}

/// Where the identity is.
fn files(config: &Config) -> Tls {
    let own = || config.server.state_dir.join(FILE);
    config.tls.clone().unwrap_or_else(|| Tls { certificate: own(), key: own() })
}

/// When the files changed. A link that is set to another file counts, as those who renew do it.
fn stamps(files: &Tls) -> Stamps {
    [&files.certificate, &files.key].map(|path| std::fs::metadata(path).and_then(|data| data.modified()).ok())
}

/// Makes a self-signed certificate with the name and the addresses of this server.
fn make(config: &Config) -> io::Result<()> {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let names = host.into_iter().filter(|name| name.is_ascii() && !name.is_empty());
    let config::Server { listen_tls, listen_https, listen_quic, .. } = &config.server;
    let addresses = listen_tls.iter().chain(listen_https).chain(listen_quic).map(|address| address.ip());
    let addresses = addresses.filter(|ip| !ip.is_unspecified()).map(|ip: IpAddr| ip.to_string());
    let made = rcgen::generate_simple_self_signed(names.chain(addresses).collect::<Vec<_>>())
        .map_err(io::Error::other)?;
    let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    keep_file(&config.server.state_dir, FILE, pem.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use super::*;

    fn write(path: &Path) {
        let made = rcgen::generate_simple_self_signed(vec!["ns1.example".to_owned()]).expect("a certificate");
        std::fs::write(path, made.cert.pem() + &made.signing_key.serialize_pem()).expect("a file");
    }

    /// Lets the file look as if it had been written later.
    fn later(path: &Path, seconds: u64) {
        let file = std::fs::File::options().append(true).open(path).expect("a file");
        file.set_modified(SystemTime::now() + Duration::from_secs(seconds)).expect("a time");
    }

    #[test]
    fn i06_files_that_changed_are_read_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let text = "[server]\nlisten = [\"127.0.0.1:0\"]\nstate_dir = \"state\"\n\
                    [tls]\ncertificate = \"own.pem\"\nkey = \"own.pem\"\n";
        let (path, pem): (PathBuf, PathBuf) = (dir.path().join("config.toml"), dir.path().join("own.pem"));
        std::fs::write(&path, text).expect("a file");
        write(&pem);
        let config = Config::load(&path).expect("a config");
        let mut kept = KeptIdentity::open(&config).expect("an identity");
        let first = kept.shown().pin();
        kept.look(&config);
        assert_eq!(kept.shown().pin(), first);
        write(&pem);
        later(&pem, 10);
        kept.look(&config);
        let second = kept.shown().pin();
        assert_ne!(second, first);
        std::fs::write(&pem, "broken").expect("a file");
        later(&pem, 20);
        kept.look(&config);
        assert_eq!(kept.shown().pin(), second, "what cannot be used changes nothing");
        write(&pem);
        later(&pem, 30);
        kept.look(&config);
        assert_ne!(kept.shown().pin(), second);
    }
}
