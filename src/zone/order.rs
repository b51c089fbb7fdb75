//! The second index of a version, which only signed zones have: the owners of the records that prove
//! what does not exist, in the order of their chain (NSEC: RFC 4034 §4, NSEC3: RFC 5155 §3).
//!
//! A version proves by NSEC3 if its apex has an NSEC3PARAM with clear flags and the chain that it speaks
//! of has begun at the apex (RFC 5155 §7.1 leaves the choice among several: the first in canonical order
//! is taken), else by NSEC if the apex has one. Records of other chains, which a signer may be building
//! or taking away, are data without a meaning.
//!
//! Both kinds are a set of keys: for NSEC the names, for NSEC3 the hashes. Whole hashes and not their
//! first octets, since the tree of pages is entered by the whole name; they take 20 octets of the two
//! or three hundred that an NSEC3 with its signature does. A change of the zone changes the keys whose
//! records it changed, at its own cost. Only where it changes the chain in use is the index made anew.

mod chunk;
mod sorted;
mod spelling;

use std::collections::BTreeMap;
use std::sync::Arc;

use chunk::Key;
use sorted::{Presence, Sorted};

use super::node::Node;
use super::page::Entry;
use super::version::Version;
use crate::dns::name::NAME_OCTETS_MAX;
use crate::dns::nsec3::{self, Hash, Parameters};
use crate::dns::{NameRef, RecordType};
use crate::limits::{NSEC3_CHAINS_MAX, NSEC3_ITERATIONS_MAX, NSEC3_ITERATIONS_USED_MAX};

/// The index.
pub(super) struct Order {
    chain: Chain,
    owners: Sorted,
}

/// The chain in use.
#[derive(Clone, PartialEq, Eq)]
enum Chain {
    Nsec,
    Nsec3 { iterations: u16, salt: Box<[u8]>, apex: Hash },
}

/// How a version proves that something does not exist.
#[derive(Clone, Copy)]
pub enum Denial<'v> {
    /// By the names before and after.
    Nsec(NsecChain<'v>),
    /// By the hashes before and after.
    Nsec3(Nsec3Chain<'v>),
}

/// The NSEC records of a version.
#[derive(Clone, Copy)]
pub struct NsecChain<'v> {
    version: &'v Version,
    order: &'v Order,
}

/// The NSEC3 records of one chain of a version.
#[derive(Clone, Copy)]
pub struct Nsec3Chain<'v> {
    version: &'v Version,
    order: &'v Order,
    parameters: Parameters<'v>,
    apex: &'v Hash,
}

impl Version {
    /// How what does not exist is proven; `None` if the zone is not signed.
    #[inline]
    pub fn denial(&self) -> Option<Denial<'_>> {
        let order = self.order.as_deref()?;
        Some(match &order.chain {
            Chain::Nsec => Denial::Nsec(NsecChain { version: self, order }),
            Chain::Nsec3 { iterations, salt, apex } => {
                let parameters = Parameters { iterations: *iterations, salt };
                Denial::Nsec3(Nsec3Chain { version: self, order, parameters, apex })
            }
        })
    }
}

impl<'v> NsecChain<'v> {
    /// The node whose NSEC is that of `name` or, if it has none, covers it.
    pub fn at_or_before(&self, name: NameRef<'_>) -> Option<Node<'v>> {
        let mut key = Key::new();
        spelling::key_of(name.prefix_above(self.version.apex())?, &mut key);
        let mut found = Key::new();
        let is_found = self.order.owners.floor(key.octets(), &mut found);
        let mut buffer = [0; NAME_OCTETS_MAX];
        let labels = is_found.then(|| spelling::labels_of(found.octets(), &mut buffer))?;
        self.version.entry(labels).map(|entry| self.version.node_of(entry))
    }
}

impl<'v> Nsec3Chain<'v> {
    /// Whether names may be hashed to answer a query; see [`NSEC3_ITERATIONS_MAX`].
    pub fn is_cheap(&self) -> bool {
        self.iterations() <= NSEC3_ITERATIONS_MAX
    }

    /// How often a hash is hashed again.
    pub fn iterations(&self) -> u16 {
        self.parameters.iterations
    }

    /// The node whose NSEC3 matches the apex.
    pub fn of_apex(&self) -> Option<Node<'v>> {
        self.node(self.apex)
    }

    /// The node whose NSEC3 matches `name`.
    pub fn matching(&self, name: NameRef<'_>) -> Option<Node<'v>> {
        let hash = self.hash(name);
        let mut found = Key::new();
        let is_found = self.order.owners.floor(&hash, &mut found) && found.octets() == hash;
        is_found.then(|| self.node(&hash)).flatten()
    }

    /// The node whose NSEC3 covers `name`, or matches it.
    pub fn covering(&self, name: NameRef<'_>) -> Option<Node<'v>> {
        let hash = self.hash(name);
        let mut found = Key::new();
        // What lies before the first is covered by the last.
        let is_found = self.order.owners.floor(&hash, &mut found) || self.order.owners.last(&mut found);
        let owner = found.octets().first_chunk().filter(|_| is_found)?;
        self.node(owner)
    }

    fn hash(&self, name: NameRef<'_>) -> Hash {
        if name.wire_len() == self.version.apex().wire_len() {
            *self.apex
        } else {
            self.parameters.hash(name)
        }
    }

    fn node(&self, hash: &Hash) -> Option<Node<'v>> {
        let entry = self.version.entry(&nsec3::label(hash));
        entry.map(|entry| self.version.node_of(entry))
    }
}

impl Order {
    /// The index of a version that was made from all of its records.
    pub(super) fn of(version: &Version) -> Option<Arc<Order>> {
        Chain::of(version, None).map(|chain| Arc::new(Order::over(version, chain)))
    }

    /// The index of a version that was made from `base`; `touched` are the names of which an NSEC or
    /// NSEC3 record came or went.
    pub(super) fn after(base: &Version, version: &Version, touched: &[&[u8]]) -> Option<Arc<Order>> {
        let before = base.order.as_ref();
        let chain = Chain::of(version, before.map(|order| &order.chain))?;
        let Some(before) = before.filter(|order| order.chain == chain) else {
            return Some(Arc::new(Order::over(version, chain)));
        };
        let mut changes = BTreeMap::new();
        for labels in touched {
            let was_owner = base.entry(labels).is_some_and(|entry| chain.has(entry));
            let is_owner = version.entry(labels).is_some_and(|entry| chain.has(entry));
            if was_owner != is_owner
                && let Some(key) = chain.key_of(labels)
            {
                changes.insert(key, if is_owner { Presence::Present } else { Presence::Absent });
            }
        }
        if changes.is_empty() {
            return Some(Arc::clone(before));
        }
        let changes: Vec<_> = changes.into_iter().collect();
        Some(Arc::new(Order { chain, owners: before.owners.with(&changes) }))
    }

    /// How many names of the zone are mere hashes, near enough.
    pub(super) fn hash_count(&self) -> u64 {
        match self.chain {
            Chain::Nsec => 0,
            Chain::Nsec3 { .. } => self.owners.len() as u64,
        }
    }

    fn over(version: &Version, chain: Chain) -> Order {
        let owners = version.nodes().filter(|node| chain.has(node.entry));
        let mut keys: Vec<Box<[u8]>> = owners.filter_map(|node| chain.key_of(node.labels())).collect();
        keys.sort_unstable();
        Order { owners: Sorted::of(keys.iter().map(AsRef::as_ref)), chain }
    }

    /// The keys in order.
    #[cfg(test)]
    pub(super) fn keys(&self) -> Vec<Box<[u8]>> {
        self.owners.keys()
    }

    /// How many nodes of the index are not those of `other`.
    #[cfg(test)]
    pub(super) fn nodes_apart_from(&self, other: &Order) -> usize {
        self.owners.nodes_apart_from(&other.owners)
    }
}

impl Chain {
    /// The chain by which a version proves; `known` spares the hash of the apex.
    fn of(version: &Version, known: Option<&Chain>) -> Option<Chain> {
        let apex = version.apex_node();
        let offered = apex.rrset(RecordType::NSEC3PARAM).into_iter().flat_map(|set| set.records());
        let offered = offered.filter_map(Parameters::read);
        let usable = offered
            .filter(|(flags, parameters)| *flags == 0 && parameters.iterations <= NSEC3_ITERATIONS_USED_MAX);
        for (_, parameters) in usable.take(NSEC3_CHAINS_MAX) {
            let hash = match known {
                Some(Chain::Nsec3 { iterations, salt, apex })
                    if parameters == (Parameters { iterations: *iterations, salt }) =>
                {
                    *apex
                }
                _ => parameters.hash(version.apex()),
            };
            let Parameters { iterations, salt } = parameters;
            let chain = Chain::Nsec3 { iterations, salt: salt.into(), apex: hash };
            if version.entry(&nsec3::label(&hash)).is_some_and(|entry| chain.has(entry)) {
                return Some(chain);
            }
        }
        apex.has(RecordType::NSEC).then_some(Chain::Nsec)
    }

    /// Whether a name has a record of the chain.
    fn has(&self, entry: Entry<'_>) -> bool {
        match self {
            Chain::Nsec => entry.sets().any(|set| set.head.rtype == RecordType::NSEC),
            Chain::Nsec3 { iterations, salt, .. } => {
                let wanted = Parameters { iterations: *iterations, salt };
                let mut nsec3 = entry.sets().filter(|set| set.head.rtype == RecordType::NSEC3);
                nsec3.any(|set| {
                    let mut read = set.records().filter_map(|record| Parameters::read(record.rdata));
                    read.any(|(_, parameters)| parameters == wanted)
                })
            }
        }
    }

    /// The key of an owner; `None` if no record of the chain can stand there.
    fn key_of(&self, labels: &[u8]) -> Option<Box<[u8]>> {
        match self {
            Chain::Nsec => {
                let mut key = Key::new();
                spelling::key_of(labels, &mut key);
                Some(key.octets().into())
            }
            Chain::Nsec3 { .. } => nsec3::from_labels(labels).map(Box::from),
        }
    }
}

/// Whether a record of the type may belong to a chain.
pub(super) fn is_chained(rtype: RecordType) -> bool {
    matches!(rtype, RecordType::NSEC | RecordType::NSEC3)
}
