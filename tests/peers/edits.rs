//! Which serial an edit gets (R11), going back (R12), and edits that take too much away (R13).

use std::process::Command;

use crate::Test;
use crate::bellwether::{Bellwether, Trust};
use crate::pair::pair;
use crate::texts::{ZONE, large_text, zone_text};
use crate::yard::{self, Yard, dig, dig_signed};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("r11_increment_takes_the_newest_of_file_and_live", &["dig"], increment),
    ("r11_date_and_unixtime_are_serials_of_today", &["dig"], date_and_unixtime),
    ("r11_keep_refuses_a_serial_that_is_not_newer", &["dig"], keep),
    ("r11_r12_a_signed_apex_keeps_its_serial", &["dig"], a_signed_apex),
    ("r12_a_rolled_back_file_is_held_across_restarts", &["dig"], a_rolled_back_file),
    ("r13_a_great_loss_is_held_until_it_is_confirmed", &["dig"], a_great_loss),
    ("r13_a_newer_version_replaces_the_held_one", &["dig"], a_newer_version),
    ("r13_a_secondary_alarms_or_holds", &["dig"], a_secondary_alarms_or_holds),
];

/// Hosts of a zone that has many to lose.
const MANY: u32 = 300;

fn served<'y>(yard: &'y Yard, text: &str, keys: &str) -> Bellwether<'y> {
    served_as(yard, "primary", text, keys)
}

fn served_as<'y>(yard: &'y Yard, name: &str, text: &str, keys: &str) -> Bellwether<'y> {
    let server = Bellwether::new(yard, name);
    server.write_zone(text);
    server.alone(keys);
    server.start();
    yard::poll("the zone", || yard::serial(server.address, ZONE));
    server
}

fn zone_command(server: &Bellwether, arguments: &[&str]) -> (bool, String) {
    let output = server.command(&["zone"], arguments);
    (output.status.success(), yard::said(&output))
}

fn code(server: &Bellwether) -> String {
    server.status()["problem"]["code"].as_str().unwrap_or_default().to_owned()
}

fn has(server: &Bellwether, host: &str) -> bool {
    !dig(server.address, &["+short", &format!("{host}.{ZONE}"), "A"]).trim().is_empty()
}

/// Makes edits, each with the serial in the file, and says which serial each got.
fn edits(server: &Bellwether, in_files: &[u32]) -> Vec<u32> {
    let published = in_files.iter().zip(1..).map(|(&serial, edit)| {
        server.write_zone(&zone_text(serial, edit));
        yard::poll("the edit", || has(server, &format!("added-{edit}")).then_some(()));
        yard::serial(server.address, ZONE).expect("a serial")
    });
    published.collect()
}

fn increment(yard: &Yard) {
    let server = served(yard, &zone_text(7, 0), "");
    // The same serial, a newer one, an older one, half the circle away, and over its end.
    let got = edits(&server, &[7, 100, 50, 101 + (1 << 31), u32::MAX / 2 + 50, u32::MAX, u32::MAX]);
    assert_eq!(got, [8, 100, 101, 102, u32::MAX / 2 + 50, u32::MAX, 1]);
    let file = std::fs::read_to_string(server.zone_file()).expect("a file");
    assert_eq!(file, zone_text(u32::MAX, 7), "the file is the operator's");
}

fn date_and_unixtime(yard: &Yard) {
    let now = |format: &str| -> u32 {
        let text = yard::run(Command::new("date").args(["-u", &format!("+{format}")]));
        text.trim().parse().expect("a number")
    };
    // The clock may go over a day or a second meanwhile.
    let server = served(yard, &zone_text(1, 0), "serial = \"date\"\n");
    let before = now("%Y%m%d") * 100;
    let got = edits(&server, &[1, 1]);
    let after = now("%Y%m%d") * 100;
    assert!((before..=after).contains(&got[0]), "{before} {got:?} {after}");
    assert!(got[1] == got[0] + 1 || got[1] == after, "{got:?} {after}");
    let ahead = after + 5_000;
    let got = edits(&server, &[1, 1, ahead, 1]);
    assert_eq!(got[2..], [ahead, ahead + 1]);
    assert!(server.stop().success());

    let server = served_as(yard, "second", &zone_text(1, 0), "serial = \"unixtime\"\n");
    let before = now("%s");
    let got = edits(&server, &[1]);
    assert!((before..=now("%s")).contains(&got[0]), "{before} {got:?}");
    let ahead = before + 5_000;
    assert_eq!(edits(&server, &[1, ahead, 1])[1..], [ahead, ahead + 1]);
}

fn keep(yard: &Yard) {
    let server = served(yard, &zone_text(10, 0), "serial = \"keep\"\n");
    for (serial, expected) in [(10, "BW-Z05"), (9, "BW-Z04"), (11 + (1 << 31), "BW-Z04")] {
        server.write_zone(&zone_text(serial, 1));
        yard::poll(expected, || (code(&server) == expected).then_some(()));
        assert!(server.problem().contains("set it to 11 or higher"), "{}", server.status());
        assert_eq!((yard::serial(server.address, ZONE), has(&server, "added-1")), (Some(10), false));
    }
    server.write_zone(&zone_text(20, 1));
    server.wait(20);
    assert!(has(&server, "added-1") && code(&server).is_empty());
    let (done, told) = zone_command(&server, &["rollback", ZONE, "10"]);
    assert!(!done && told.contains("keep"), "{told}");
    assert_eq!(yard::serial(server.address, ZONE), Some(20));
}

/// A signature over the SOA fits one serial only.
fn a_signed_apex(yard: &Yard) {
    let signed = |serial, edits| {
        zone_text(serial, edits)
            + "@ DNSKEY 257 3 13 \
               oJMRESz5E4gYzS/q6XDrvU1qMPYIjCWzJaOau8XNEZeqCYKD5ar0IRd8KqXXFJkqmVfRvMGPmM1x8fGAa2XhSA==\n\
               @ RRSIG SOA 13 2 3600 20360101000000 20260101000000 1234 example.com. \
               oJMRESz5E4gYzS/q6XDrvU1qMPYIjCWzJaOau8XNEZeqCYKD5ar0IRd8KqXXFJkqmVfRvMGPmM1x8fGAa2XhSA==\n"
    };
    let zonemd = |serial, edits| {
        let digest = "ab".repeat(48);
        zone_text(serial, edits) + &format!("@ ZONEMD {serial} 1 1 {digest}\n")
    };
    for (name, text) in [("signed", &signed as &dyn Fn(u32, u32) -> String), ("zonemd", &zonemd)] {
        let server = served_as(yard, name, &text(10, 0), "");
        assert_eq!(yard::serial(server.address, ZONE), Some(10));
        server.write_zone(&text(10, 1));
        yard::poll("the refusal", || (code(&server) == "BW-Z05").then_some(()));
        assert!(!has(&server, "added-1"));
        server.write_zone(&text(11, 1));
        server.wait(11);
        let (done, told) = zone_command(&server, &["rollback", ZONE, "10"]);
        assert!(!done && told.contains("signed SOA, ZONEMD"), "{told}");
        assert_eq!(yard::serial(server.address, ZONE), Some(11));
        assert!(has(&server, "added-1") && server.stop().success());
    }
}

fn a_rolled_back_file(yard: &Yard) {
    let server = served(yard, &zone_text(1, 0), "");
    let before = yard::transfer(server.address, ZONE);
    server.write_zone(&zone_text(2, 1));
    server.wait(2);
    server.write_zone(&zone_text(3, 2));
    server.wait(3);
    let (done, told) = zone_command(&server, &["rollback", ZONE, "77"]);
    assert!(!done && told.contains("not in the history"), "{told}");
    let (done, told) = zone_command(&server, &["rollback", ZONE, "1"]);
    assert!(done && told.contains("serial 4 is published"), "{told}");
    let without_soa = |records: Vec<String>| -> Vec<String> {
        records.into_iter().filter(|record| !record.contains(" SOA ")).collect()
    };
    assert_eq!(without_soa(yard::transfer(server.address, ZONE)), without_soa(before));
    // The secondaries get it as a difference like any other.
    let records = yard::records(&dig_signed(server.address, &["+tcp", "+noall", "+answer", ZONE, "IXFR=3"]));
    assert!(records.iter().any(|record| record.contains("added-2")) && records.len() > 4, "{records:#?}");
    let held = |server: &Bellwether| {
        let (done, told) = zone_command(server, &["reload", ZONE]);
        assert!(!done && told.contains("held back by a rollback"), "{told}");
        assert_eq!((code(server).as_str(), yard::serial(server.address, ZONE)), ("BW-Z06", Some(4)));
    };
    held(&server);
    // Another file with the same content is the same file.
    server.write_zone(&zone_text(3, 2));
    held(&server);
    server.kill();
    server.start();
    yard::poll("the file to be held", || (code(&server) == "BW-Z06").then_some(()));
    held(&server);
    assert!(server.stop().success());
    server.start();
    held(&server);
    let (done, told) = zone_command(&server, &["reload", "--force", ZONE]);
    assert!(done && told.contains("serial 5 is published"), "{told}");
    assert!(has(&server, "added-2") && code(&server).is_empty());
    // After another rollback the next edit is what the operator wants.
    let (done, told) = zone_command(&server, &["rollback", ZONE, "2"]);
    assert!(done, "{told}");
    assert!(has(&server, "added-1") && !has(&server, "added-2"));
    server.write_zone(&zone_text(3, 3));
    server.wait(7);
    assert!(has(&server, "added-3") && code(&server).is_empty());
}

fn a_great_loss(yard: &Yard) {
    let server = served(yard, &large_text(1, MANY), "");
    let lost = large_text(2, MANY / 2);
    server.write_zone(&lost);
    let told = server.problem();
    assert!(
        code(&server) == "BW-Z07" && told.contains("serial 2") && told.contains("zone confirm"),
        "{told}"
    );
    assert_eq!(server.status()["held"], 2);
    assert_eq!((yard::serial(server.address, ZONE), has(&server, "large-299")), (Some(1), true));
    let (done, told) = zone_command(&server, &["confirm", ZONE, "1"]);
    assert!(!done && told.contains("no version with this serial is held"), "{told}");
    // A restart forgets nothing: the file is still one that takes too much away.
    server.kill();
    server.start();
    yard::poll("the file to be held", || (server.status()["held"] == 2).then_some(()));
    assert!(has(&server, "large-299"));
    let (done, told) = zone_command(&server, &["confirm", ZONE, "2"]);
    assert!(done && told.contains("serial 2 is published"), "{told}");
    assert!(!has(&server, "large-299") && has(&server, "large-149"));
    assert!(server.status()["held"].is_null() && code(&server).is_empty(), "{}", server.status());
    // Fewer than 100 records, or less than 30 % of the names, may always go.
    server.write_zone(&large_text(3, MANY / 2 - 90));
    server.wait(3);
    server.write_zone(&large_text(4, 1_000));
    server.wait(4);
    server.write_zone(&large_text(5, 750));
    server.wait(5);
    // Names that as many others take the place of go all the same.
    let renamed = (0..300).fold(large_text(6, 750), |text, host| {
        text.replace(&format!("\nlarge-{host} "), &format!("\nother-{host} "))
    });
    server.write_zone(&renamed);
    yard::poll("the hold", || (server.status()["held"] == 6).then_some(()));
    assert!(has(&server, "large-299") && !has(&server, "other-299"));
    let (done, told) = zone_command(&server, &["confirm", ZONE, "6"]);
    assert!(done && has(&server, "other-299"), "{told}");
}

fn a_newer_version(yard: &Yard) {
    let server = served(yard, &large_text(1, MANY), "");
    server.write_zone(&zone_text(2, 0));
    yard::poll("the hold", || (server.status()["held"] == 2).then_some(()));
    server.write_zone(&large_text(3, MANY - 1));
    server.wait(3);
    assert!(server.status()["held"].is_null() && code(&server).is_empty(), "{}", server.status());
    let (done, told) = zone_command(&server, &["confirm", ZONE, "2"]);
    assert!(!done && told.contains("no version with this serial is held"), "{told}");
    assert_eq!(yard::serial(server.address, ZONE), Some(3));
    // A held version gives way to the content that is served as well.
    server.write_zone(&zone_text(4, 0));
    yard::poll("the hold", || (server.status()["held"] == 4).then_some(()));
    server.write_zone(&large_text(3, MANY - 1));
    yard::poll("the hold to end", || server.status()["held"].is_null().then_some(()));
    // Bounds of one's own, or none.
    assert!(server.stop().success());
    server.alone("guard_records = 5\nguard_percent = 1\n");
    server.start();
    server.write_zone(&large_text(5, MANY - 11));
    yard::poll("the hold", || (server.status()["held"] == 5).then_some(()));
    assert!(server.stop().success());
    server.alone("guard = \"off\"\n");
    server.start();
    server.write_zone(&zone_text(6, 0));
    server.wait(6);
}

fn a_secondary_alarms_or_holds(yard: &Yard) {
    let (primary, secondary) = pair(yard);
    primary.write_zone(&large_text(2, MANY));
    secondary.wait(2);
    primary.write_zone(&zone_text(3, 0));
    primary.problem();
    let (done, told) = zone_command(&primary, &["confirm", ZONE, "3"]);
    assert!(done, "{told}");
    // It only says so.
    secondary.wait(3);
    assert!(secondary.log().contains("BW-T23"), "no alarm");
    primary.write_zone(&large_text(4, MANY));
    secondary.wait(4);
    assert!(secondary.stop().success());
    secondary.secondary_of(primary.address, Trust::Key);
    let config = std::fs::read_to_string(secondary.config()).expect("a config") + "guard = \"hold\"\n";
    std::fs::write(secondary.config(), config).expect("a config");
    secondary.start();
    primary.write_zone(&zone_text(5, 0));
    primary.problem();
    assert!(zone_command(&primary, &["confirm", ZONE, "5"]).0);
    yard::poll("the hold", || (secondary.status()["held"] == 5).then_some(()));
    assert_eq!((code(&secondary).as_str(), yard::serial(secondary.address, ZONE)), ("BW-T23", Some(4)));
    let (done, told) = zone_command(&secondary, &["confirm", ZONE, "5"]);
    assert!(done, "{told}");
    secondary.wait(5);
    yard::assert_same(primary.address, secondary.address, ZONE);
}
