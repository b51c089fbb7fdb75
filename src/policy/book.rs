//! The rules of every zone, by zone.

use std::sync::Arc;

use super::rules::RuleSet;
use crate::ident::{PeerId, ZoneId};

/// Who may do what with one zone. The default lets nobody do anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneRules {
    /// Who may transfer it (`allow_transfer`, `secondaries`).
    pub transfer: RuleSet,
    /// Who may query it; [`RuleSet::any`] unless configured.
    pub query: RuleSet,
    /// Whose NOTIFY is believed: its primaries.
    pub notify_from: Vec<PeerId>,
}

/// The rules of every zone. Zones of one template share theirs.
#[derive(Clone, Debug, Default)]
pub struct RuleBook {
    zones: Vec<Option<Arc<ZoneRules>>>,
    closed: ZoneRules,
}

impl RuleBook {
    /// Takes the rules of each zone.
    pub fn new(rules: impl IntoIterator<Item = (ZoneId, Arc<ZoneRules>)>) -> RuleBook {
        let mut book = RuleBook::default();
        for (zone, rules) in rules {
            book.set(zone, Some(rules));
        }
        book
    }

    /// The rules of a zone; closed ones if it has none.
    pub fn zone(&self, zone: ZoneId) -> &ZoneRules {
        let rules = self.zones.get(zone.0 as usize).and_then(Option::as_ref);
        rules.map_or(&self.closed, Arc::as_ref)
    }

    /// The same book with other rules for one zone.
    pub fn with(&self, zone: ZoneId, rules: Option<Arc<ZoneRules>>) -> RuleBook {
        let mut book = self.clone();
        book.set(zone, rules);
        book
    }

    fn set(&mut self, zone: ZoneId, rules: Option<Arc<ZoneRules>>) {
        let at = zone.0 as usize;
        if at >= self.zones.len() {
            self.zones.resize(at + 1, None);
        }
        self.zones[at] = rules;
    }
}
