//! What outlives a reload and is no part of the configuration: counts of rate limiting, secrets, and the
//! identity that clients of TLS are shown.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "tls")]
use super::identity::KeptIdentity;
use super::secrets::KeptSecrets;
use crate::config::{self, Config};
use crate::env::{Disk, OpenMode, OsDisk, OsRandom, Random};
use crate::net::tls::Identity;
use crate::policy::cookies::Cookies;
use crate::policy::rates::RateTable;
use crate::time::Wall;

/// Made once for each run of the server.
pub(super) struct Kept {
    /// How often whom.
    pub rates: Arc<RateTable>,
    secrets: KeptSecrets,
    #[cfg(feature = "tls")]
    identity: Option<KeptIdentity>,
}

impl Kept {
    /// Nothing has been counted yet; secrets are those of the state directory.
    pub(super) fn open(state_dir: &Path, now: Wall) -> Kept {
        let mut key = [0; 16];
        OsRandom.fill(&mut key);
        Kept {
            rates: Arc::new(RateTable::new(key)),
            secrets: KeptSecrets::open(state_dir, now),
            #[cfg(feature = "tls")]
            identity: None,
        }
    }

    /// Who clients of TLS are shown, if any are listened for.
    #[cfg(feature = "tls")]
    pub(super) fn identity(&mut self, config: &Config) -> Result<Option<Arc<Identity>>, String> {
        let config::Server { listen_tls, listen_https, listen_quic, .. } = &config.server;
        if [listen_tls, listen_https, listen_quic].iter().all(|list| list.is_empty()) {
            return Ok(None);
        }
        Ok(Some(self.identity.insert(KeptIdentity::open(config)?).shown().clone()))
    }

    /// Nobody can be listened for.
    #[cfg(not(feature = "tls"))]
    pub(super) fn identity(&mut self, _: &Config) -> Result<Option<Arc<Identity>>, String> {
        Ok(None)
    }

    /// Takes another certificate if there is one.
    pub(super) fn look(&mut self, #[allow(unused)] config: &Config) {
        #[cfg(feature = "tls")]
        if let Some(identity) = &mut self.identity {
            identity.look(config);
        }
    }

    /// Lets a new secret make cookies if the present one is older than `age`, and old enough to be
    /// replaced; whether it did.
    pub(super) fn roll(&mut self, now: Wall, age: Duration) -> bool {
        self.secrets.roll(now, age)
    }

    /// Cookies as configured: with shared secrets, or with our own.
    pub(super) fn cookies(&self, configured: &config::Cookies) -> Arc<Cookies> {
        let mode = configured.mode;
        Arc::new(match &configured.secrets {
            Some(shared) => Cookies::new(mode, shared.iter().copied()),
            None => Cookies::new(mode, self.secrets.secrets().iter()),
        })
    }
}

/// Writes a file of the state directory whole or not at all, for our eyes only.
pub(super) fn keep_file(dir: &Path, name: &str, octets: &[u8]) -> io::Result<()> {
    let unfinished = dir.join(format!("{name}.new"));
    let file = OsDisk.open(&unfinished, OpenMode::Fresh)?;
    file.write_at(0, octets)?;
    file.sync()?;
    OsDisk.rename(&unfinished, &dir.join(name))?;
    OsDisk.sync_dir(dir)
}
