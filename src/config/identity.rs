//! Certificates and their keys, as files of PEM hold them.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustls::InconsistentKeys;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::Tls;

/// Why there is no identity in two files.
#[derive(Debug)]
pub enum IdentityError {
    /// A file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// There is no PEM certificate in the file.
    NoCertificate(PathBuf),
    /// There is no PEM private key in the file.
    NoKey(PathBuf),
    /// What stands in the file between the lines of PEM is damaged.
    Damaged(PathBuf, String),
    /// The certificate is one of another key.
    OfAnotherKey(PathBuf, PathBuf),
    /// TLS cannot use them.
    Unusable(PathBuf, String),
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdentityError::Unreadable(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            IdentityError::NoCertificate(path) => {
                write!(f, "there is no certificate in {}: it takes PEM (BEGIN CERTIFICATE)", path.display())
            }
            IdentityError::NoKey(path) => {
                write!(f, "there is no private key in {}: it takes PEM (BEGIN PRIVATE KEY)", path.display())
            }
            IdentityError::Damaged(path, error) => write!(f, "{} is damaged: {error}", path.display()),
            IdentityError::OfAnotherKey(certificate, key) => {
                let (certificate, key) = (certificate.display(), key.display());
                write!(f, "the first certificate in {certificate} is not one of the key in {key}")
            }
            IdentityError::Unusable(path, error) => write!(f, "{} cannot be used: {error}", path.display()),
        }
    }
}

impl std::error::Error for IdentityError {}

/// Reads the certificate, with those that lead from it to the root, and its key from PEM files.
pub fn read(files: &Tls) -> Result<CertifiedKey, IdentityError> {
    let (certificate, key) = (&files.certificate, &files.key);

    let chain = octets(certificate)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&chain)
        .collect::<Result<_, _>>()
        .map_err(|error| IdentityError::Damaged(certificate.clone(), error.to_string()))?;
    if chain.is_empty() {
        return Err(IdentityError::NoCertificate(certificate.clone()));
    }
    let secret = PrivateKeyDer::from_pem_slice(&octets(key)?).map_err(|error| match error {
        pem::Error::NoItemsFound => IdentityError::NoKey(key.clone()),
        error => IdentityError::Damaged(key.clone(), error.to_string()),
    })?;
    CertifiedKey::from_der(chain, secret, &ring::default_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            IdentityError::OfAnotherKey(certificate.clone(), key.clone())
        }
        rustls::Error::InvalidCertificate(_) => {
            IdentityError::Unusable(certificate.clone(), error.to_string())
        }
        error => IdentityError::Unusable(key.clone(), error.to_string()),
    })
}

fn octets(path: &Path) -> Result<Vec<u8>, IdentityError> {
    std::fs::read(path).map_err(|error| IdentityError::Unreadable(path.to_owned(), error))
}

impl IdentityError {
    /// Whether it is about the certificate, not its key.
    pub(super) fn is_of_certificate(&self, files: &Tls) -> bool {
        match self {
            IdentityError::Unreadable(path, _)
            | IdentityError::NoCertificate(path)
            | IdentityError::NoKey(path)
            | IdentityError::Damaged(path, _)
            | IdentityError::Unusable(path, _) => *path == files.certificate,
            IdentityError::OfAnotherKey(..) => true,
        }
    }
}
