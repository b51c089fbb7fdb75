//! A disk that refuses (R03).

use super::*;
use crate::env::sim::Fault;

#[test]
fn r03_a_full_disk_takes_the_files_serial_but_not_ours() {
    let mut bench = Bench::new(primary());
    bench.disk.fail_from(bench.disk.writes() + 1, Fault::NoSpace);
    bench.edit(zone_text(5, 4));
    bench.serves(5);
    assert!(bench.status().problem.as_ref().unwrap().text.contains("raise the SOA serial"));
    bench.edit(zone_text(8, 4));
    bench.serves(8);
    assert!(!bench.status().durable);
}

#[test]
fn r03_an_edit_that_the_disk_refused_is_published_when_it_works_again() {
    let mut bench = Bench::new(primary());
    bench.disk.fail_from(bench.disk.writes() + 1, Fault::NoSpace);
    bench.edit(zone_text(5, 4));
    bench.serves(5);
    bench.disk.mend();
    bench.store.heal().unwrap();
    bench.wait(Duration::from_secs(11));
    bench.serves(6);
    assert!(bench.status().problem.is_none());
}

#[test]
fn r03_a_transfer_that_a_required_disk_refuses_keeps_the_zone_alive() {
    let mut bench = Bench::following(6, 3);
    bench.settings.durability = Durability::Require;
    bench.restart(|_| ());
    bench.disk.fail_from(bench.disk.writes() + 1, Fault::NoSpace);
    // RETRY after RETRY, for longer than EXPIRE: the primary is there, only the disk is not.
    for _ in 0..30 {
        bench.wait(Duration::from_secs(3600));
        bench.soa(7);
        bench.transfer(Some(version(6, 3)), version(7, 4));
        bench.serves(6);
        assert_eq!(bench.status().problem.as_ref().unwrap().code, Reason::StoreRefused.code());
    }
    // Its absence is another matter; and its return brings back what was good until then.
    bench.wait(Duration::from_secs(86_401));
    assert_eq!(bench.shown.last(), Some(&Err("expired")));
    bench.soa(7);
    bench.transfer(Some(version(6, 3)), version(7, 4));
    bench.serves(6);
    bench.disk.mend();
    bench.store.heal().unwrap();
    bench.wait(Duration::from_secs(3600));
    bench.soa(7);
    bench.transfer(Some(version(6, 3)), version(7, 4));
    bench.serves(7);
    assert!(bench.status().problem.is_none());
}
