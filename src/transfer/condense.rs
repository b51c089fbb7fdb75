//! One step out of many: condensed IXFR (RFC 1995 §6).
//!
//! What was added and later removed, or removed and later put back, cancels out. Two records are the same
//! here only if they agree in every octet (owner as written, type, TTL, RDATA), so a change of nothing but a
//! TTL or the case of a letter survives (R15). The result goes from the SOA of the first version, octet for
//! octet, to the SOA of the last, and is a [`Delta`] like any other: applying it to the first version gives
//! the last. A chain that nets to nothing still gives the pair of SOAs.

use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::dns::serial::STEP_MAX;
use crate::dns::{RecordRef, Records};
use crate::limits;
use crate::zone::{Delta, Digest};

/// Condenses `chain` (oldest first) into one step.
///
/// `None` if the chain is empty, has a gap, goes back, spans more than 2^31-1 in serials (a secondary could
/// not tell that the result is newer), or holds more than [`limits::CONDENSE_OCTETS_MAX`].
pub fn condense(chain: &[Arc<Delta>]) -> Option<Delta> {
    let (first, last) = (chain.first()?, chain.last()?);
    let octets: usize = chain.iter().map(|delta| delta.octets()).sum();
    if octets > limits::CONDENSE_OCTETS_MAX || !is_unbroken(chain) {
        return None;
    }
    let mut net: HashMap<Identity<'_>, i32> = HashMap::new();
    for delta in chain {
        for record in delta.removed.iter().skip(1) {
            *net.entry(Identity(record)).or_default() -= 1;
        }
        for record in delta.added.iter().skip(1) {
            *net.entry(Identity(record)).or_default() += 1;
        }
    }
    let mut removed: Records = first.removed.iter().take(1).collect();
    let mut added: Records = last.added.iter().take(1).collect();
    // A second walk keeps the order in which the records first appeared: the same chain always gives the
    // same octets.
    for delta in chain {
        for record in delta.removed.iter().skip(1).chain(delta.added.iter().skip(1)) {
            match net.insert(Identity(record), 0) {
                Some(-1) => removed.push(record),
                Some(1) => added.push(record),
                Some(0) | None => {}
                // A record cannot come or go twice in a row: this is no chain of exact deltas.
                Some(_) => return None,
            }
        }
    }
    Some(Delta {
        from: first.from,
        to: last.to,
        removed,
        added,
        digest_before: first.digest_before,
        digest_after: last.digest_after,
    })
}

/// Whether each step begins where the one before ended, each goes forward, and all of them together span
/// at most 2^31-1 (RFC 1982 §3.1).
pub(super) fn is_unbroken(chain: &[Arc<Delta>]) -> bool {
    let joined = chain.windows(2).all(|pair| match pair {
        [left, right] => left.to == right.from && left.digest_after == right.digest_before,
        _ => true,
    });
    let spans = chain.iter().map(|delta| delta.to.0.wrapping_sub(delta.from.0));
    joined
        && spans.clone().all(|span| (1..=STEP_MAX).contains(&span))
        && spans.map(u64::from).sum::<u64>() <= u64::from(STEP_MAX)
}

/// The last condensed steps, so that a flock that lags by the same versions costs the work once.
///
/// Bounded by [`limits::CONDENSED_CACHE_OCTETS`]; the oldest goes first.
#[derive(Debug, Default)]
pub struct Cache {
    entries: VecDeque<(Digest, Digest, Option<Arc<Delta>>)>,
    octets: usize,
}

impl Cache {
    /// Nothing remembered.
    pub fn new() -> Cache {
        Cache::default()
    }

    /// What [`condense`] gives for `chain`, from memory if it was asked before.
    pub fn condense(&mut self, chain: &[Arc<Delta>]) -> Option<Arc<Delta>> {
        let key = (chain.first()?.digest_before, chain.last()?.digest_after);
        if let Some((.., known)) = self.entries.iter().find(|(from, to, _)| (*from, *to) == key) {
            return known.clone();
        }
        let made = condense(chain).map(Arc::new);
        self.octets += cost(&made);
        self.entries.push_back((key.0, key.1, made.clone()));
        while self.octets > limits::CONDENSED_CACHE_OCTETS {
            let Some((.., oldest)) = self.entries.pop_front() else { break };
            self.octets -= cost(&oldest);
        }
        made
    }
}

/// What an entry counts for: its records, and a fixed share so that empty ones are bounded as well.
fn cost(entry: &Option<Arc<Delta>>) -> usize {
    256 + entry.as_ref().map_or(0, |delta| delta.octets())
}

/// A record compared and hashed by every octet of it.
struct Identity<'a>(RecordRef<'a>);

impl PartialEq for Identity<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.same_octets(other.0)
    }
}

impl Eq for Identity<'_> {}

impl Hash for Identity<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.owner.wire().hash(state);
        (self.0.rtype, self.0.ttl, self.0.rdata).hash(state);
    }
}
