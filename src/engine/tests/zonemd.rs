//! ZONEMD on both roles (R33): made for each version of a file, verified after an increment.

use super::*;
use crate::zone::zonemd::{Algorithm, Making, Policy};

const MAKING: Making = Making { algorithm: Algorithm::Sha384, records_max: 100 };

impl Bench {
    fn set_policy(&mut self, policy: Policy) {
        self.setup.demands.zonemd = policy;
        self.configure(None);
    }

    fn problem(&self) -> Option<&str> {
        self.status().problem.as_ref().map(|problem| problem.code)
    }
}

#[test]
fn n04_turning_it_on_or_off_makes_one_version_and_an_unchanged_file_none() {
    let mut bench = Bench::new(primary());
    bench.set_policy(Policy::Make(MAKING));
    bench.serves(6);
    let shown = bench.shown.len();
    bench.tell(Event::FileChanged(ZONE));
    bench.edit(format!("; a comment\n{}", zone_text(5, 3)));
    bench.edit(zone_text(5, 3) + "@ ZONEMD 5 1 1 " + &"ab".repeat(48) + "\n");
    assert_eq!(bench.shown.len(), shown);
    bench.edit(zone_text(5, 4));
    bench.serves(7);
    bench.command(Command::Rollback(Serial(6))).unwrap();
    bench.serves(8);
    bench.restart(|_| ());
    bench.serves(8);
    bench.command(Command::Reload { force: true }).unwrap();
    bench.serves(9);
    bench.set_policy(Policy::Make(Making { algorithm: Algorithm::Sha512, ..MAKING }));
    bench.serves(10);
    bench.set_policy(Policy::Off);
    bench.serves(11);
    assert_eq!(bench.problem(), None);
}

#[test]
fn r33_a_zone_that_grows_too_large_says_so_and_stays() {
    let mut bench = Bench::new(primary());
    bench.set_policy(Policy::Make(MAKING));
    bench.edit(zone_text(7, 98));
    bench.serves(6);
    assert_eq!(bench.problem(), Some(Reason::ZoneDigest.code()));
    bench.set_policy(Policy::Make(Making { records_max: u64::MAX, ..MAKING }));
    bench.serves(7);
    assert_eq!(bench.problem(), None);
    // A version that would get none any more is not brought back either.
    bench.edit(zone_text(8, 3));
    bench.command(Command::Confirm(Serial(8))).unwrap_or_default();
    bench.serves(8);
    bench.setup.demands.zonemd = Policy::Make(MAKING);
    bench.configure(None);
    assert!(bench.command(Command::Rollback(Serial(7))).is_err());
    bench.serves(8);
}

#[test]
fn r33_an_alarm_about_what_is_served_lasts_until_another_version_is() {
    let mut bench = Bench::following(5, 3);
    bench.set_policy(Policy::IfPresent);
    let base = version(5, 3);
    let bad = MAKING.complete(&version(6, 4));
    let bad = crate::zone::reserial(&bad, Serial(7));
    let notify = |bench: &mut Bench, serial| {
        bench.tell(Event::Notify { zone: ZONE, from: NS1, serial: Some(Serial(serial)) });
    };
    notify(&mut bench, 7);
    bench.transfer(Some(base), Arc::new(bad.clone()));
    bench.serves(7);
    assert_eq!(bench.problem(), Some(Reason::TransferDigest.code()));
    assert!(bench.notes.contains(&Reason::TransferDigest));
    // The primary confirms what it sent: that makes it no better.
    bench.wait(Duration::from_secs(3600));
    bench.soa(7);
    assert_eq!(bench.problem(), Some(Reason::TransferDigest.code()));
    bench.restart(|_| ());
    bench.serves(7);
    assert_eq!(bench.problem(), Some(Reason::TransferDigest.code()));
    bench.wait(Duration::from_secs(10));
    bench.soa(7);
    let good = MAKING.complete(&version(8, 5));
    notify(&mut bench, 8);
    bench.transfer(Some(Arc::new(bad)), Arc::new(good));
    bench.serves(8);
    assert_eq!(bench.problem(), None);
}
