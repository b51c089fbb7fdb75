//! What outlives a reload and is no part of the configuration: the counts of rate limiting.

use std::sync::Arc;

use crate::env::Random;
use crate::policy::rates::RateTable;

/// Made once for each run of the server.
pub(super) struct Kept {
    /// How often whom.
    pub rates: Arc<RateTable>,
}

impl Kept {
    /// Nothing has been counted yet.
    pub(super) fn new(random: &mut impl Random) -> Kept {
        let mut key = [0; 16];
        random.fill(&mut key);
        Kept { rates: Arc::new(RateTable::new(key)) }
    }
}
