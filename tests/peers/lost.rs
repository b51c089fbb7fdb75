//! State that is gone, or that no config wants any more: serials are asked for before one is chosen
//! (R07), and nothing is deleted that nobody asked to delete (R09).

use std::fs;

use crate::Test;
use crate::bellwether::{Bellwether, Trust};
use crate::fake::{Fake, Zone};
use crate::pair::pair;
use crate::texts::{ZONE, zone_text};
use crate::yard::{self, KEY_NAME, Yard, dig, dig_signed};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("r07_a_primary_without_state_goes_on_above_its_secondaries", &["dig"], above_its_secondaries),
    ("r07_a_primary_whose_secondaries_are_silent_says_so", &["dig"], silent_secondaries),
    ("r07_a_crash_while_the_secondaries_are_asked_asks_them_again", &["dig"], a_crash_while_asking),
    ("r07_with_keep_the_operator_is_told_to_raise_the_serial", &["dig"], told_to_raise),
    ("r09_a_zone_that_is_only_stored_is_kept_and_taken_up", &["dig"], only_stored),
    ("r09_what_was_removed_stays_away_through_a_crash", &["dig"], removed_for_good),
];

/// Takes the whole state directory of a server that does not run.
fn lose_state(server: &Bellwether) {
    fs::remove_dir_all(server.dir.join("state")).expect("a state directory");
}

fn above_its_secondaries(yard: &Yard) {
    let (primary, secondary) = pair(yard);
    // The file says 1 for ever; the serials that are served are ours.
    for edits in 1..=3 {
        primary.write_zone(&zone_text(1, edits));
        secondary.wait(1 + edits);
    }
    assert!(primary.stop().success());
    primary.write_zone(&zone_text(1, 4));
    lose_state(&primary);
    primary.start();
    // Not 1 nor 2, which the secondary had long ago with another content.
    secondary.wait(5);
    yard::assert_same(primary.address, secondary.address, ZONE);
    assert_eq!(dig(secondary.address, &["+short", "added-4.example.com", "A"]).trim(), "192.0.2.104");
    assert!(primary.log().contains("BW-T28"), "{}", primary.log());
    primary.write_zone(&zone_text(1, 5));
    secondary.wait(6);
    yard::assert_same(primary.address, secondary.address, ZONE);
    // A server that takes over the zone as its secondaries have it raises nothing.
    assert!(primary.stop().success());
    primary.write_zone(&zone_text(6, 5));
    lose_state(&primary);
    primary.start();
    primary.wait(6);
    primary.write_zone(&zone_text(7, 6));
    secondary.wait(7);
    assert_eq!(yard::serial(secondary.address, ZONE), Some(7));
    assert!(!primary.log().contains("BW-T28"), "{}", primary.log());
}

fn silent_secondaries(yard: &Yard) {
    let (primary, secondary) = pair(yard);
    primary.write_zone(&zone_text(1, 1));
    secondary.wait(2);
    assert!(primary.stop().success());
    secondary.kill();
    lose_state(&primary);
    primary.start();
    // The file's own serial is none that we chose, and an answer is better than none.
    primary.wait(1);
    yard::poll("the alarm", || primary.log().contains("BW-T27").then_some(()));
    primary.write_zone(&zone_text(1, 2));
    primary.wait(2);
    assert_eq!(dig(primary.address, &["+short", "added-2.example.com", "A"]).trim(), "192.0.2.102");
}

fn a_crash_while_asking(yard: &Yard) {
    let (primary, secondary) = (Bellwether::new(yard, "primary"), Fake::new(|_| Vec::new()));
    primary.write_zone(&zone_text(1, 0));
    primary.primary_for(secondary.address, Trust::Address);
    yard::poll("a crash before the asking is over", || {
        primary.start();
        primary.wait(1);
        primary.kill();
        let is_over = primary.log().contains("BW-T27");
        if is_over {
            lose_state(&primary);
        }
        (!is_over).then_some(())
    });
    secondary.follow(|request| Zone::new(ZONE, 42, []).answer(request));
    primary.write_zone(&zone_text(1, 1));
    primary.start();
    // Of what it published it knows 1, and no more than that.
    primary.wait(43);
    assert!(primary.log().contains("BW-T28"), "{}", primary.log());
    primary.kill();
    primary.start();
    primary.wait(43);
    assert!(!primary.log().contains("BW-T28"), "{}", primary.log());
}

fn told_to_raise(yard: &Yard) {
    let (primary, secondary) = pair(yard);
    primary.write_zone(&zone_text(10, 1));
    secondary.wait(10);
    assert!(primary.stop().success());
    let config = fs::read_to_string(primary.config()).expect("a config") + "serial = \"keep\"\n";
    fs::write(primary.config(), config).expect("a config");
    primary.write_zone(&zone_text(4, 2));
    lose_state(&primary);
    primary.start();
    let told = yard::poll("the operator to be told", || {
        let status = primary.status();
        let told = status["problem"]["text"].as_str().unwrap_or_default().to_owned();
        (status["problem"]["code"] == "BW-Z04").then_some(told)
    });
    assert!(told.contains("set it to 11 or higher"), "{told}");
    primary.write_zone(&zone_text(11, 2));
    secondary.wait(11);
    yard::assert_same(primary.address, secondary.address, ZONE);
}

fn only_stored(yard: &Yard) {
    let server = Bellwether::new(yard, "primary");
    let configure = |zones: &[&str]| {
        let file = server.zone_file().display().to_string();
        let zone = |name: &&str| {
            format!(
                "[[zones]]\nname = \"{name}\"\nrole = \"primary\"\nfile = \"{file}\"\n\
                 allow_transfer = [\"key:{KEY_NAME}\"]\n"
            )
        };
        server.configure(&zones.iter().map(zone).collect::<String>());
    };
    let text = |edits: u32| {
        zone_text(1, edits).replace("$ORIGIN example.com.\n", "").replace("new.example.com.", "new")
    };
    let stored = || {
        let output = server.command(&["status"], &["--json"]);
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        value["stored"].clone()
    };
    let waits = |zone: &str, serial: u32| {
        yard::poll(zone, || yard::serial(server.address, zone).filter(|seen| *seen == serial));
    };
    let all = ["one.example", "two.example", "three.example"];
    server.write_zone(&text(0));
    configure(&all);
    server.start();
    all.iter().for_each(|zone| waits(zone, 1));
    for edits in 1..=2 {
        server.write_zone(&text(edits));
        all.iter().for_each(|zone| waits(zone, 1 + edits));
    }
    assert_eq!(stored(), serde_json::json!([]));
    assert!(server.stop().success());
    configure(&all[..1]);
    server.start();
    let expected = serde_json::json!([
        { "zone": "three.example.", "serial": 3 },
        { "zone": "two.example.", "serial": 3 },
    ]);
    assert_eq!(stored(), expected);
    let told = yard::said(&server.command(&["status"], &[]));
    assert!(told.contains("two.example.  stored, not configured  serial 3"), "{told}");
    assert!(dig(server.address, &["two.example", "SOA"]).contains("REFUSED"));
    // Deleted when somebody says so; taken up with serial and history when somebody names it again.
    let output = server.command(&["zone"], &["remove", "three.example"]);
    assert!(output.status.success(), "{output:?}");
    assert!(server.stop().success());
    server.start();
    assert_eq!(stored().as_array().map(Vec::len), Some(1), "{}", stored());
    configure(&all);
    assert!(server.command(&["reload"], &[]).status.success());
    waits("two.example", 3);
    waits("three.example", 1);
    assert_eq!(stored(), serde_json::json!([]));
    let ask = ["+tcp", "+noall", "+answer", "two.example", "IXFR=2"];
    let records = yard::records(&dig_signed(server.address, &ask));
    assert!(records.len() > 2 && records[1].contains(" 2 3600 "), "{records:#?}");
}

fn removed_for_good(yard: &Yard) {
    let server = Bellwether::new(yard, "primary");
    let configure = |zones: &[&str]| {
        let file = server.zone_file().display().to_string();
        let zone =
            |name: &&str| format!("[[zones]]\nname = \"{name}\"\nrole = \"primary\"\nfile = \"{file}\"\n");
        server.configure(&zones.iter().map(zone).collect::<String>());
    };
    server.write_zone(
        &zone_text(1, 0).replace("$ORIGIN example.com.\n", "").replace("new.example.com.", "new"),
    );
    let all = ["one.example", "two.example", "three.example"];
    configure(&all);
    server.start();
    all.iter().for_each(|zone| server.wait_for(zone, 1));
    // The crash comes with the answer: of a zone that is served, then of one that is only stored.
    for (left, removed) in [(2, "three.example"), (1, "two.example")] {
        let told = server.command(&["zone"], &["remove", removed]);
        assert!(told.status.success(), "{told:?}");
        server.kill();
        configure(&all[..1]);
        server.start();
        let output = server.command(&["status"], &["--json"]);
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(value["stored"].as_array().map(Vec::len), Some(left - 1), "{value}");
    }
}
