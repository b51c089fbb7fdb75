//! What resolvers reported of our zones (RFC 9567; PEERS 40): counted by zone and code.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use serde_json::{Value, json};

use crate::dns::edns::ede_meaning;
use crate::dns::{Name, RecordType};
use crate::limits::REPORT_KINDS_MAX;
use crate::serve::Reported;
use crate::time::Wall;

/// All reports since the start.
#[derive(Debug, Default)]
pub(super) struct Reports(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    /// By the apex of the zone (`None`: the name is in none of ours) and the code.
    kinds: BTreeMap<(Option<Name>, u16), Kind>,
    /// Those for which there was no room.
    uncounted: u64,
}

#[derive(Debug)]
struct Kind {
    count: u64,
    /// The last one.
    at: Wall,
    name: Name,
    qtype: RecordType,
}

impl Reports {
    /// Counts a report of a name in `zone`.
    pub(super) fn count(&self, reported: Reported, zone: Option<Name>, now: Wall) {
        let Reported { name, qtype, info_code } = reported;
        let mut table = self.table();
        let is_full = table.kinds.len() >= REPORT_KINDS_MAX;
        let key = (zone, info_code);
        match table.kinds.get_mut(&key) {
            Some(kind) => *kind = Kind { count: kind.count + 1, at: now, name, qtype },
            None if is_full => table.uncounted += 1,
            None => {
                table.kinds.insert(key, Kind { count: 1, at: now, name, qtype });
            }
        }
    }

    /// The table, for `status`.
    pub(super) fn to_json(&self) -> Value {
        let table = self.table();
        let kind = |((zone, code), kind): (&(Option<Name>, u16), &Kind)| {
            json!({
                "zone": zone.as_ref().map(Name::to_string),
                "code": code,
                "meaning": ede_meaning(*code),
                "count": kind.count,
                "last": kind.at.to_string(),
                "last_name": kind.name.to_string(),
                "last_type": kind.qtype.to_string(),
            })
        };
        json!({ "kinds": table.kinds.iter().map(kind).collect::<Vec<_>>(), "uncounted": table.uncounted })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().expect("nobody panics with the reports")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a52_reports_are_counted_by_zone_and_code_within_bounds() {
        let reports = Reports::default();
        let name = |text: &str| Name::parse(text).unwrap();
        let reported = |info_code| Reported { name: name("www.example."), qtype: RecordType::A, info_code };
        for (code, zone) in [(7, Some("example.")), (7, Some("example.")), (9, Some("example.")), (7, None)] {
            reports.count(reported(code), zone.map(name), Wall(0));
        }
        let counts = |json: &Value| -> Vec<(String, u64)> {
            let of = |kind: &Value| {
                (format!("{} {}", kind["zone"], kind["code"]), kind["count"].as_u64().unwrap())
            };
            json["kinds"].as_array().unwrap().iter().map(of).collect()
        };
        let told = reports.to_json();
        let count = |text: &str, count| (text.to_owned(), count);
        assert_eq!(
            counts(&told),
            [count("null 7", 1), count("\"example.\" 7", 2), count("\"example.\" 9", 1)]
        );
        assert_eq!(told["kinds"][0]["meaning"], "Signature Expired");
        for code in 100..100 + REPORT_KINDS_MAX as u16 {
            reports.count(reported(code), None, Wall(0));
        }
        let told = reports.to_json();
        assert_eq!((counts(&told).len(), told["uncounted"].as_u64()), (REPORT_KINDS_MAX, Some(3)));
    }
}
