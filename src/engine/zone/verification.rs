//! Verifying what is served already (R33): with `zonemd = "if-present"` an increment is published first, since
//! a walk over the whole zone would hold each one up, and looked at by a worker then.
//!
//! At most one version of a zone is looked at at a time, and the last one is in the end. What does not verify
//! stays served, with an alarm, until another version does or has none to verify. What the store had of a
//! secondary is looked at too, so that an alarm outlives a restart.

use std::sync::Arc;

use super::{Source, Zone};
use crate::dns::RecordType;
use crate::engine::commit::Origin;
use crate::engine::shard::{Action, VerifyJob};
use crate::engine::status::Problem;
use crate::ident::{Attempt, PeerId};
use crate::reason::Reason;
use crate::transfer::incoming::Form;
use crate::zone::Version;
use crate::zone::zonemd::{Flaw, Policy};

/// What is known of the ZONEMD of the live version.
#[derive(Debug, Default)]
pub(super) struct Verification {
    /// The version that is looked at, and whom it came from.
    running: Option<(Attempt, Option<PeerId>)>,
    /// A newer one, from there, waits for its turn.
    next: Option<Option<PeerId>>,
    failed: Option<Arc<Problem>>,
}

impl Verification {
    /// What does not verify and is served.
    pub(super) fn failed(&self) -> Option<&Arc<Problem>> {
        self.failed.as_ref()
    }
}

impl Zone {
    /// A version was published: all but an increment that may be served first was verified before, if it
    /// is to be.
    pub(super) fn verify_published(&mut self, origin: Origin, out: &mut Vec<Action>) {
        match (origin, self.setup.demands.zonemd) {
            (Origin::Transfer { peer, form: Form::Ixfr, .. }, Policy::IfPresent) => {
                self.verify_live(Some(peer), out);
            }
            _ => self.verification = Verification::default(),
        }
    }

    /// Has the live version of a secondary verified, if that is wanted.
    pub(super) fn verify_live(&mut self, peer: Option<PeerId>, out: &mut Vec<Action>) {
        let demands = self.setup.demands;
        let followed = matches!(self.source, Source::Primaries { .. });
        let is_wanted = |version: &Arc<Version>| match demands.zonemd {
            Policy::Off | Policy::Make(_) => false,
            Policy::IfPresent => version.apex_node().has(RecordType::ZONEMD),
            Policy::Require => true,
        };
        let Some(version) = self.live.clone().filter(|version| followed && is_wanted(version)) else {
            self.verification = Verification::default();
            return;
        };
        if self.verification.running.is_some() {
            self.verification.next = Some(peer);
            return;
        }
        let attempt = Attempt(self.next_ticket);
        self.next_ticket += 1;
        self.verification.running = Some((attempt, peer));
        out.push(Action::Verify(VerifyJob { zone: self.setup.id, attempt, version, demands }));
    }

    /// A version was looked at.
    pub(in crate::engine) fn verified(
        &mut self,
        attempt: Attempt,
        verdict: Result<(), Flaw>,
        out: &mut Vec<Action>,
    ) {
        let Some((_, peer)) = self.verification.running.take_if(|(running, _)| *running == attempt) else {
            return;
        };
        if let Some(peer) = self.verification.next.take() {
            return self.verify_live(peer, out);
        }
        self.verification.failed = verdict.err().map(|flaw| {
            let text = format!("what is served does not verify: {flaw}");
            out.push(Action::Note(self.setup.id, Reason::TransferDigest, peer, text.clone()));
            Arc::new(Problem { peer: peer.map(|peer| peer.0), ..Problem::new(Reason::TransferDigest, text) })
        });
    }
}
