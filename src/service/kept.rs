//! What outlives a reload and is no part of the configuration: counts of rate limiting, and secrets.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::secrets::KeptSecrets;
use crate::config;
use crate::env::{OsRandom, Random};
use crate::policy::cookies::Cookies;
use crate::policy::rates::RateTable;
use crate::time::Wall;

/// Made once for each run of the server.
pub(super) struct Kept {
    /// How often whom.
    pub rates: Arc<RateTable>,
    secrets: KeptSecrets,
}

impl Kept {
    /// Nothing has been counted yet; secrets are those of the state directory.
    pub(super) fn open(state_dir: &Path, now: Wall) -> Kept {
        let mut key = [0; 16];
        OsRandom.fill(&mut key);
        Kept { rates: Arc::new(RateTable::new(key)), secrets: KeptSecrets::open(state_dir, now) }
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
