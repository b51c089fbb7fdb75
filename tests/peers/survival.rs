//! Two Bellwethers, one of which is killed: what was published is still there, and IXFR goes on.

use std::process::Command;

use crate::Test;
use crate::bellwether::{Bellwether, Trust};
use crate::pair::pair;
use crate::relay::Relay;
use crate::texts::{ZONE, large_text, zone_text};
use crate::yard::{self, Yard, dig_signed};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("e10_a_killed_primary_still_serves_ixfr", &["dig"], a_killed_primary_still_serves_ixfr),
    ("e11_a_killed_secondary_has_its_zone", &["dig"], a_killed_secondary_has_its_zone),
    ("d11_a_primary_killed_in_mid_transfer", &["dig"], a_primary_killed_in_mid_transfer),
    ("r09_a_vanished_file_keeps_the_zone", &["dig"], a_vanished_file_keeps_the_zone),
];

fn a_killed_primary_still_serves_ixfr(yard: &Yard) {
    let (primary, secondary) = pair(yard);
    primary.write_zone(&zone_text(2, 1));
    secondary.wait(2);
    primary.kill();
    // Edits made while it is down become one difference.
    primary.write_zone(&zone_text(3, 2));
    primary.write_zone(&zone_text(4, 3));
    primary.start();
    primary.wait(4);
    secondary.wait(4);
    assert!(secondary.last_transfer().starts_with("ixfr"), "{}", secondary.last_transfer());
    yard::assert_same(primary.address, secondary.address, ZONE);
    let records = yard::records(&dig_signed(primary.address, &["+tcp", "+noall", "+answer", ZONE, "IXFR=1"]));
    assert!(
        records.len() > 2 && records[1].contains(" SOA ") && records[1].contains(" 1 3600 "),
        "{records:#?}"
    );
}

fn a_killed_secondary_has_its_zone(yard: &Yard) {
    let (primary, secondary) = pair(yard);
    primary.write_zone(&zone_text(2, 1));
    secondary.wait(2);
    let before = yard::transfer(secondary.address, ZONE);
    secondary.kill();
    primary.kill();
    secondary.start();
    secondary.wait(2);
    assert_eq!(yard::transfer(secondary.address, ZONE), before);
    let records =
        yard::records(&dig_signed(secondary.address, &["+tcp", "+noall", "+answer", ZONE, "IXFR=1"]));
    assert!(records.len() > 2 && records[1].contains(" 1 3600 "), "{records:#?}");
    assert!(secondary.status()["expires"].is_string(), "{}", secondary.status());
    primary.write_zone(&zone_text(3, 2));
    primary.start();
    secondary.wait(3);
    assert!(secondary.last_transfer().starts_with("ixfr"), "{}", secondary.last_transfer());
    yard::assert_same(primary.address, secondary.address, ZONE);
}

/// The primary dies after a part of a large difference: nothing of that becomes visible.
fn a_primary_killed_in_mid_transfer(yard: &Yard) {
    let (primary, secondary) = (Bellwether::new(yard, "primary"), Bellwether::new(yard, "secondary"));
    let relay = Relay::to(primary.address);
    primary.write_zone(&zone_text(1, 0));
    primary.primary_for(secondary.address, Trust::Key);
    secondary.secondary_of(relay.address, Trust::Key);
    primary.start();
    primary.wait(1);
    secondary.start();
    secondary.wait(1);
    relay.cut_after(64 * 1024);
    primary.write_zone(&large_text(2, 50_000));
    relay.wait_for_cut();
    assert_old(&secondary);
    primary.kill();
    // The secondary notices, and says so.
    let failed = || (!secondary.last_transfer().starts_with("axfr to serial 1")).then_some(());
    yard::poll("the transfer to fail", failed);
    assert_old(&secondary);
    relay.mend();
    primary.start();
    primary.wait(2);
    secondary.wait(2);
    yard::assert_same(primary.address, secondary.address, ZONE);
}

fn assert_old(secondary: &Bellwether) {
    assert_eq!(yard::serial(secondary.address, ZONE), Some(1));
    assert_eq!(yard::dig(secondary.address, &["+short", "large-0.example.com", "A"]).trim(), "");
    assert_eq!(yard::transfer(secondary.address, ZONE).len(), 77);
}

fn a_vanished_file_keeps_the_zone(yard: &Yard) {
    let server = Bellwether::new(yard, "primary");
    server.write_zone(&zone_text(1, 0));
    server.primary_for(yard::free_address(), Trust::Key);
    server.start();
    server.wait(1);
    yard::run(Command::new("rm").arg(server.zone_file()));
    let told = server.problem();
    assert!(!told.is_empty());
    assert_eq!(yard::serial(server.address, ZONE), Some(1));
    server.hang_up();
    server.write_zone(&zone_text(2, 1));
    server.wait(2);
    assert_eq!(yard::serial(server.address, ZONE), Some(2));
}
