//! Single questions with dig: keys of each algorithm, IXFR over UDP, NOTIFY from strangers.

use crate::Test;
use crate::bellwether::{Bellwether, replace};
use crate::pair::pair;
use crate::texts::{ZONE, large_text, zone_text};
use crate::yard::{self, KEY_SECRET, Yard, dig, dig_signed};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("h01_dig_y_with_each_algorithm", &["dig"], dig_y_with_each_algorithm),
    ("e05_ixfr_over_udp", &["dig"], ixfr_over_udp),
    ("e13_a_change_of_a_ttl_alone", &["dig"], a_change_of_a_ttl_alone),
    ("f05_f10_notify_from_strangers", &["dig"], notify_from_strangers),
];

fn dig_y_with_each_algorithm(yard: &Yard) {
    let server = Bellwether::new(yard, "server");
    let algorithms = ["hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"];
    let mut config = String::new();
    for algorithm in algorithms {
        config +=
            &format!("[keys.\"{algorithm}.\"]\nalgorithm = \"{algorithm}\"\nsecret = \"{KEY_SECRET}\"\n");
    }
    let rules: Vec<String> = algorithms.iter().map(|algorithm| format!("\"key:{algorithm}.\"")).collect();
    server.write_zone(&zone_text(1, 0));
    server.configure(&format!(
        "{config}[[zones]]\nname = \"{ZONE}\"\nrole = \"primary\"\nfile = \"{}\"\nallow_transfer = [{}]\n",
        server.zone_file().display(),
        rules.join(", ")
    ));
    server.start();
    server.wait(1);
    for algorithm in algorithms {
        let key = format!("{algorithm}:{algorithm}.:{KEY_SECRET}");
        for question in [["+notcp", ZONE, "SOA"], ["+tcp", ZONE, "AXFR"]] {
            let text = dig(server.address, &[&["-y", &key], &question[..]].concat());
            assert!(!text.contains("Couldn't verify") && !text.contains("BADKEY"), "{algorithm}: {text}");
            let soa = format!("{ZONE}. 3600 IN SOA");
            assert!(
                yard::records(&text).iter().any(|record| record.starts_with(&soa)),
                "{algorithm}: {text}"
            );
        }
    }
}

fn ixfr_over_udp(yard: &Yard) {
    let (primary, secondary) = pair(yard);
    let ask = |from: &str| {
        let question = ["+notcp", "+ignore", "+noall", "+answer", ZONE, &format!("IXFR={from}")];
        let records = yard::records(&dig_signed(primary.address, &question));
        (records.len(), records.iter().filter(|record| record.contains(" SOA ")).count())
    };
    primary.write_zone(&zone_text(2, 1));
    secondary.wait(2);
    // One address out and one in, one host away, one host new, and four SOAs.
    assert_eq!(ask("1"), (8, 4));
    primary.write_zone(&large_text(3, 2_000));
    secondary.wait(3);
    assert_eq!(ask("2"), (1, 1));
    yard::assert_same(primary.address, secondary.address, ZONE);
}

fn a_change_of_a_ttl_alone(yard: &Yard) {
    let (primary, secondary) = pair(yard);
    replace(&primary.zone_file(), &zone_text(2, 0).replace("mail 600 A", "mail 900 A"));
    secondary.wait(2);
    assert!(secondary.last_transfer().starts_with("ixfr"), "{}", secondary.last_transfer());
    let text = dig(secondary.address, &["+noall", "+answer", "mail.example.com", "A"]);
    assert_eq!(yard::records(&text), ["mail.example.com. 900 IN A 192.0.2.25"]);
    replace(&primary.zone_file(), &zone_text(3, 0).replace("mail 600 A", "mail 900 A"));
    secondary.wait(3);
    let bare = yard::records(&dig_signed(secondary.address, &["+tcp", "+noall", "+answer", ZONE, "IXFR=2"]));
    assert_eq!(bare.len(), 4, "{bare:#?}");
    yard::assert_same(primary.address, secondary.address, ZONE);
}

fn notify_from_strangers(yard: &Yard) {
    let (_primary, secondary) = pair(yard);
    let notify = |zone: &str| dig(secondary.address, &["+opcode=notify", "+norecurse", zone, "SOA"]);
    // The primary is known by its key, so the address alone is nobody.
    let text = notify(ZONE);
    assert!(text.contains("opcode: NOTIFY, status: REFUSED"), "{text}");
    let text = notify("example.org");
    assert!(text.contains("opcode: NOTIFY, status: NOTAUTH"), "{text}");
    let text = dig_signed(secondary.address, &["+opcode=notify", "+norecurse", ZONE, "SOA"]);
    assert!(text.contains("opcode: NOTIFY, status: NOERROR"), "{text}");
    assert_eq!(yard::serial(secondary.address, ZONE), Some(1));
}
