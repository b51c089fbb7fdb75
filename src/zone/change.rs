//! What lies between two versions of a zone.

use std::sync::Arc;

use super::Version;
use super::digest::Digest;
use super::loss::Loss;
use crate::dns::{Records, Serial};

/// The exact difference from one version to the next, in the order of RFC 1995 §4.
///
/// `removed` begins with the SOA of `from` octet for octet as it was published, `added` with the
/// SOA of `to`. No other SOA occurs. Applying it to a version with `digest_before` gives one with
/// `digest_after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// Serial of the version before.
    pub from: Serial,
    /// Serial of the version after.
    pub to: Serial,
    /// The old SOA, then the records that go.
    pub removed: Records,
    /// The new SOA, then the records that come.
    pub added: Records,
    /// Digest of the version before.
    pub digest_before: Digest,
    /// Digest of the version after.
    pub digest_after: Digest,
}

impl Delta {
    /// Octets of the packed records, the measure of `RECENT_OCTETS_MAX` and of history.
    pub fn octets(&self) -> usize {
        self.removed.octets().len() + self.added.octets().len()
    }
}

/// A new version with where it came from: what a file edit or a transfer brings to the commit. Made
/// where the work is done (a worker, the thread that transfers), so that a shard only compares numbers.
#[derive(Clone, Debug)]
pub struct Change {
    /// The version that it was computed against; `None` for a first version.
    pub base: Option<Arc<Version>>,
    /// The version that it makes.
    pub after: Arc<Version>,
    /// The steps from `base` to `after`; empty for a first version or a full rewrite (R05).
    pub deltas: Vec<Arc<Delta>>,
    /// What goes with it, for the guard (R13).
    pub loss: Loss,
}

impl Change {
    /// The change from `base` to `after`, and what it takes away.
    pub fn new(base: Option<Arc<Version>>, after: Arc<Version>, deltas: Vec<Arc<Delta>>) -> Change {
        let loss = base.as_ref().map(|base| Loss::between(base, &after, &deltas)).unwrap_or_default();
        Change { base, after, deltas, loss }
    }
}
