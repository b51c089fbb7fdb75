//! ZONEMD (RFC 8976): digests equal to those of other programs, verified on receipt, made on request.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::Test;
use crate::bellwether::{Bellwether, Trust};
use crate::fake::{Fake, Kind, Zone, ask, following, notify, send, serial};
use crate::peer::{Peer, Role};
use crate::signer::zone_to_sign;
use crate::texts::{ZONE, zone_text};
use crate::wire::{A, AA, Rr};
use crate::yard::{self, Yard};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("n01_n02_digests_are_those_of_ldns_and_dnspython", TOOLS, digests_are_those_of_others),
    (
        "n02_a_signed_zone_verifies_by_the_zonemd_of_its_signer",
        &["dig", "ldns-keygen", "ldns-signzone"],
        a_signed_zone,
    ),
    ("n03_r33_a_file_must_verify_before_it_is_served", LDNS, a_file_must_verify),
    ("n03_a_transfer_with_one_octet_flipped_is_dropped_and_the_next_primary_asked", LDNS, one_octet),
    ("n03_r33_an_increment_is_served_with_an_alarm_unless_it_is_required", LDNS, an_increment),
    ("n03_r33_only_require_wants_one", LDNS, only_require_wants_one),
    ("n04_r33_each_change_has_its_digest", &["dig", "ldns-verify-zone"], each_change_has_its_digest),
    ("n01_n03_knot_verifies_what_is_made_here", &["dig", "knotd"], knot_verifies),
    ("n01_n03_what_knot_makes_is_verified_here", &["dig", "knotd"], knot_makes),
    ("r33_none_is_made_for_a_signed_zone", &["dig"], none_for_a_signed_zone),
];

const TOOLS: &[&str] = &["dig", "ldns-signzone", "ldns-verify-zone", "python3"];
const LDNS: &[&str] = &["ldns-signzone"];
const ZONEMD: u16 = 63;

/// Adds keys to the zone that stands last in a config.
fn add(server: &Bellwether, keys: &str) {
    let text = fs::read_to_string(server.config()).expect("a config") + keys;
    fs::write(server.config(), text).expect("a config");
}

/// What a server transfers, as a zone file in a folder of its own.
fn transferred(yard: &Yard, server: &Bellwether) -> PathBuf {
    let file = yard.folder("transferred").join("zone");
    let mut records = yard::transfer(server.address, ZONE);
    records.dedup();
    fs::write(&file, records.join("\n") + "\n").expect("a file");
    file
}

/// Whether ldns finds that the digest of a zone file is that of its records.
fn ldns_verifies(file: &PathBuf) -> bool {
    Command::new("ldns-verify-zone").arg("-Z").arg(file).output().expect("ldns-verify-zone").status.success()
}

/// Runs Python with the zone file as `zone`.
fn dnspython(file: &PathBuf, more: &str) -> String {
    let text = format!(
        "import sys, dns.zone\nzone = dns.zone.from_file(sys.argv[1], origin='{ZONE}', relativize=False)\n{more}"
    );
    // A Python of the user's own may stand before the one that has the package of the system.
    let has_package = |python: &&str| {
        Command::new(python).args(["-c", "import dns.zone"]).output().is_ok_and(|o| o.status.success())
    };
    let python = ["python3", "/usr/bin/python3"].into_iter().find(has_package);
    let python = python.expect("dnspython is missing: apt-get install python3-dnspython");
    yard::run(Command::new(python).args(["-c", &text]).arg(file)).trim().to_owned()
}

/// A zone with the digests that ldns makes of it, one record a line.
fn with_digests(yard: &Yard, text: &str, digests: &[&str]) -> String {
    let dir = yard.folder("ldns");
    fs::write(dir.join("zone"), text).expect("a file");
    let mut command = Command::new("ldns-signzone");
    command.args(["-Z", "-o", ZONE, "-f", "digested"]).current_dir(&dir);
    command.args(digests.iter().flat_map(|digest| ["-z", digest]));
    yard::run(command.arg("zone"));
    fs::read_to_string(dir.join("digested")).expect("a zone file")
}

/// Everything that counts in a way of its own: glue, what a cut hides, wildcards, spellings, names in RDATA.
fn varied(serial: u32) -> String {
    zone_to_sign(serial)
        + "hidden.unsigned 300 TXT occluded\nUPPER.Case 300 MX 5 MAIL.Example.COM.\n\
           odd\\.label 300 A 192.0.2.7\nsrv 300 SRV 1 2 3 WWW\nhinfo 300 HINFO cpu os\n\
           many 300 A 192.0.2.30\nmany 300 A 192.0.2.4\nMANY 300 A 192.0.2.200\n"
}

fn digests_are_those_of_others(yard: &Yard) {
    for (number, name) in [(1, "sha384"), (2, "sha512")] {
        let server = Bellwether::new(yard, name);
        server.write_zone(&varied(7));
        server.alone(&format!("zonemd_generate = \"{name}\""));
        server.start();
        server.wait(7);
        let file = transferred(yard, &server);
        assert!(ldns_verifies(&file), "{}", fs::read_to_string(&file).unwrap_or_default());
        dnspython(&file, "zone.verify_digest()");
        let theirs = dnspython(&file, &format!("print(zone.compute_digest({number}).to_text())"));
        let text = fs::read_to_string(&file).expect("a file");
        let line = text.lines().find(|line| line.contains(" ZONEMD ")).expect("a ZONEMD");
        let (_, ours) = line.split_once(" ZONEMD ").expect("RDATA");
        let squeezed = |text: &str| text.split_ascii_whitespace().collect::<String>().to_lowercase();
        assert_eq!(squeezed(ours), squeezed(&theirs));
    }
    // And theirs are good here.
    for digests in [&["simple:sha384"][..], &["simple:sha512"], &["simple:sha384", "simple:sha512"]] {
        let server = Bellwether::new(yard, &digests.len().to_string());
        server.write_zone(&with_digests(yard, &varied(8), digests));
        server.alone("zonemd = \"require\"");
        server.start();
        server.wait(8);
    }
}

/// Signatures and NSEC count, the signature over the ZONEMD does not; a secondary verifies what it is given.
fn a_signed_zone(yard: &Yard) {
    let dir = yard.folder("signed");
    let mut keygen = Command::new("ldns-keygen");
    let key = yard::run(keygen.args(["-a", "ECDSAP256SHA256", "-k", ZONE]).current_dir(&dir));
    let sign = |serial: u32| {
        fs::write(dir.join("zone"), varied(serial)).expect("a file");
        let mut command = Command::new("ldns-signzone");
        command.args(["-z", "simple:sha384", "-o", ZONE, "-f", "digested", "zone", key.trim()]);
        yard::run(command.current_dir(&dir));
        fs::read_to_string(dir.join("digested")).expect("a zone file")
    };
    let (primary, secondary) = (Bellwether::new(yard, "primary"), Bellwether::new(yard, "secondary"));
    primary.write_zone(&sign(1));
    primary.primary_for(secondary.address, Trust::Key);
    secondary.secondary_of(primary.address, Trust::Key);
    for server in [&primary, &secondary] {
        add(server, "zonemd = \"require\"\n");
        server.start();
        server.wait(1);
    }
    let text = fs::read_to_string(transferred(yard, &secondary)).expect("a file");
    assert!(text.contains(" RRSIG ZONEMD "), "{text}");
    primary.write_zone(&sign(2));
    secondary.wait(2);
    let flipped = sign(3).replace("192.0.2.99", "192.0.2.98");
    primary.write_zone(&flipped);
    assert!(primary.problem().contains("does not match its ZONEMD"), "{}", primary.problem());
    assert_eq!(serial(&secondary), Some(2));
}

fn a_file_must_verify(yard: &Yard) {
    let server = Bellwether::new(yard, "primary");
    let good = with_digests(yard, &zone_text(1, 0), &["simple:sha384"]);
    server.write_zone(&good);
    server.alone("zonemd = \"if-present\"");
    server.start();
    server.wait(1);
    let flipped =
        with_digests(yard, &zone_text(2, 0), &["simple:sha384"]).replace("192.0.2.53", "192.0.2.52");
    server.write_zone(&flipped);
    let told = server.problem();
    let line = 1 + flipped.lines().position(|line| line.contains("\tZONEMD\t")).expect("a ZONEMD");
    let place = format!("example.com.zone:{line}:");
    assert!(told.contains("does not match its ZONEMD") && told.contains(&place), "{told}");
    assert_eq!((server.status()["problem"]["code"].as_str(), serial(&server)), (Some("BW-Z23"), Some(1)));
    let check = server.command(&["check"], &[]);
    assert!(!check.status.success() && yard::said(&check).contains(&place), "{check:?}");
    // An editor who raised the serial and left the digest as it was.
    let stale = good.replace(" 1 3600 600 ", " 3 3600 600 ");
    server.write_zone(&stale);
    yard::poll("the serial to be told", || server.problem().contains("made for serial 1").then_some(()));
    server.write_zone(&with_digests(yard, &zone_text(4, 0), &["simple:sha512"]));
    server.wait(4);
    assert!(server.status()["problem"].is_null(), "{}", server.status());
}

/// A zone with its ZONEMD, as `zone` has it.
fn digested(yard: &Yard, zone: Zone) -> Zone {
    let text = with_digests(yard, &text_of(&zone), &["simple:sha384"]);
    let line = text.lines().find(|line| line.contains("\tZONEMD\t")).expect("a ZONEMD");
    let (_, digest) = line.rsplit_once(' ').expect("a digest");
    let octet = |at: usize| u8::from_str_radix(&digest[at..at + 2], 16).expect("hex");
    let digest: Vec<u8> = (0..digest.len()).step_by(2).map(octet).collect();
    let rdata = [&zone.soa.serial().to_be_bytes()[..], &[1, 1], &digest].concat();
    let mut zone = zone;
    zone.records.push(Rr::new(ZONE, ZONEMD, &rdata));
    zone
}

/// The zones that a fake primary has here, as text: SOA, NS and addresses.
fn text_of(zone: &Zone) -> String {
    let serial = zone.soa.serial();
    let mut text =
        format!("$ORIGIN {ZONE}.\n$TTL 3600\n@ SOA ns1 hostmaster {serial} 3600 600 1209600 300\n@ NS ns1\n");
    for record in zone.records.iter().filter(|record| record.rtype == A) {
        let octets: Vec<String> = record.rdata.iter().map(u8::to_string).collect();
        text += &format!("{}. A {}\n", record.owner_text().trim_end_matches('.'), octets.join("."));
    }
    text
}

fn www(serial: u32, last: u8) -> Zone {
    Zone::new(ZONE, serial, [Rr::a("www.example.com", [192, 0, 2, last])])
}

/// The same with the last octet of the address of `www` flipped.
fn flipped(zone: &Zone) -> Zone {
    let mut zone = zone.clone();
    let www = zone.records.iter_mut().find(|record| record.owner_text().starts_with("www"));
    *www.and_then(|record| record.rdata.last_mut()).expect("an address") ^= 1;
    zone
}

fn one_octet(yard: &Yard) {
    let (liar, honest) = (Fake::serving(www(1, 80)), Fake::serving(www(1, 80)));
    let secondary = following(yard, &[&liar, &honest], "zonemd = \"if-present\"");
    let second = digested(yard, www(2, 81));
    let altered = flipped(&second);
    // The other one has no answer yet: what the liar sends is dropped, and that is told.
    liar.follow(move |request| altered.answer(request));
    honest.follow(|request| send(request.reply_with(AA | 2)));
    notify(secondary.address, ZONE, 2);
    let refused = || secondary.log().contains("the zone does not match its ZONEMD (SHA-384)");
    yard::poll("the digest to be told", || refused().then_some(()));
    assert_eq!(serial(&secondary), Some(1));
    let log = secondary.log();
    let line = log.lines().find(|line| line.contains("WARN") && line.contains("BW-T29"));
    let line = line.unwrap_or_else(|| panic!("no warning: {log}"));
    assert!(line.contains(&format!("p0 ({})", liar.address)), "{line}");
    honest.follow(move |request| second.answer(request));
    secondary.wait(2);
    assert_eq!(ask(&secondary, "www.example.com", A).answers()[0].rdata, [192, 0, 2, 81]);
    // A digest of another serial is as bad as a wrong one.
    let mut stale = digested(yard, www(2, 82));
    stale.soa = Rr::soa(ZONE, 3, [3600, 600, 1_209_600]);
    for fake in [&liar, &honest] {
        let stale = stale.clone();
        fake.follow(move |request| stale.answer(request));
    }
    notify(secondary.address, ZONE, 3);
    let told = "the ZONEMD was made for serial 2, and the SOA has 3";
    yard::poll("the serial to be told", || secondary.problem().contains(told).then_some(()));
    assert_eq!(serial(&secondary), Some(2));
}

fn an_increment(yard: &Yard) {
    for policy in ["if-present", "require"] {
        let first = digested(yard, www(1, 80));
        let fake = Fake::serving(first.clone());
        let secondary = following(yard, &[&fake], &format!("zonemd = \"{policy}\""));
        let second = digested(yard, www(2, 81));
        let (old, new) = (first.clone(), flipped(&second));
        fake.follow(move |request| match request.kind {
            Kind::Ixfr(1) => {
                let changed = |zone: &Zone| -> Vec<Rr> {
                    let records = zone
                        .records
                        .iter()
                        .filter(|record| record.rtype == ZONEMD || record.owner_text().starts_with("www"));
                    [&zone.soa].into_iter().chain(records).cloned().collect()
                };
                let soa = std::slice::from_ref(&new.soa);
                let records = [soa, &changed(&old), &changed(&new), soa].concat();
                send(request.reply().answers(&records))
            }
            _ => new.answer(request),
        });
        notify(secondary.address, ZONE, 2);
        let is_required = policy == "require";
        if is_required {
            yard::poll("it to be refused", || secondary.problem().contains("does not match").then_some(()));
            fake.await_request(2, |kind| kind == Kind::Axfr);
        } else {
            secondary.wait(2);
            let told = "what is served does not verify: the zone does not match its ZONEMD";
            yard::poll("the alarm", || secondary.problem().contains(told).then_some(()));
            // A primary that confirms what it sent does not end it.
            notify(secondary.address, ZONE, 1);
            fake.await_request(1, |kind| kind == Kind::Soa);
        }
        assert_eq!(secondary.status()["problem"]["code"], "BW-T29", "{}", secondary.status());
        assert_eq!(secondary.status()["problem"]["peer"], "p0");
        assert_eq!(serial(&secondary), Some(if is_required { 1 } else { 2 }));
        let third = digested(yard, www(3, 82));
        fake.follow(move |request| third.answer(request));
        notify(secondary.address, ZONE, 3);
        secondary.wait(3);
        yard::poll("the alarm to end", || secondary.status()["problem"].is_null().then_some(()));
    }
}

fn only_require_wants_one(yard: &Yard) {
    // None at all, and one of a scheme that nobody knows.
    let unknown = |serial: u32| {
        let mut zone = digested(yard, www(serial, 80));
        zone.records.last_mut().expect("a ZONEMD").rdata[4] = 241;
        zone
    };
    let fake = Fake::serving(www(1, 80));
    let present = following(yard, &[&fake], "zonemd = \"if-present\"");
    let required = Bellwether::new(yard, "required");
    required.follow(&[fake.address], "zonemd = \"require\"");
    required.start();
    yard::poll("it to be wanted", || required.problem().contains("one is required").then_some(()));
    assert_eq!(serial(&required), None);
    let second = unknown(2);
    fake.follow(move |request| second.answer(request));
    notify(present.address, ZONE, 2);
    present.wait(2);
    yard::poll("it to be unknown", || required.problem().contains("no ZONEMD has a known").then_some(()));
    let third = digested(yard, www(3, 80));
    fake.follow(move |request| third.answer(request));
    required.wait(3);
}

fn each_change_has_its_digest(yard: &Yard) {
    let (primary, secondary) = (Bellwether::new(yard, "primary"), Bellwether::new(yard, "secondary"));
    primary.write_zone(&zone_text(1, 0));
    primary.primary_for(secondary.address, Trust::Key);
    secondary.secondary_of(primary.address, Trust::Key);
    for (server, key) in
        [(&primary, "zonemd_generate = \"sha384\"\n"), (&secondary, "zonemd = \"require\"\n")]
    {
        add(server, key);
        server.start();
    }
    let holds = |serial: u32, what: &str| {
        secondary.wait(serial);
        assert!(ldns_verifies(&transferred(yard, &primary)), "{what}");
        yard::assert_same(primary.address, secondary.address, ZONE);
    };
    holds(1, "the first version");
    primary.write_zone(&zone_text(2, 1));
    holds(2, "an edit with its serial");
    primary.write_zone(&zone_text(2, 2));
    holds(3, "an edit whose serial is chosen");
    assert!(secondary.last_transfer().starts_with("ixfr"), "{}", secondary.last_transfer());
    // One in the file is replaced, whatever it says.
    primary.write_zone(&(zone_text(4, 2) + &format!("@ ZONEMD 4 1 1 {}\n", "ab".repeat(48))));
    holds(4, "one in the file");
    // Comments make no version, with a digest as without one.
    for text in [zone_text(4, 2) + "; nothing\n", zone_text(3, 2)] {
        primary.write_zone(&text);
        // It may be read already because it was written; whatever it makes would be a serial more below.
        yard::poll("nothing to have changed", || {
            let output = primary.command(&["zone"], &["reload", ZONE]);
            yard::said(&output).contains("nothing changed").then_some(())
        });
    }
    // The watcher may be reading what was written last.
    let output = yard::poll("no reading to be under way", || {
        let output = primary.command(&["zone"], &["rollback", ZONE, "2"]);
        (!yard::said(&output).contains("try again")).then_some(output)
    });
    assert!(output.status.success(), "{output:?}");
    holds(5, "a rollback");
    let status = primary.stop();
    assert!(status.success());
    primary.write_zone(&zone_text(6, 3));
    primary.start();
    holds(6, "an edit while it was down");
}

fn knot_verifies(yard: &Yard) {
    let primary = Bellwether::new(yard, "primary");
    let mut knot = Peer::knot_with(yard, "    zonemd-verify: on\n");
    primary.write_zone(&varied(1));
    primary.primary_for(knot.address, Trust::Key);
    add(&primary, "zonemd_generate = \"sha512\"\n");
    primary.start();
    primary.wait(1);
    knot.start(yard, Role::Secondary, primary.address);
    knot.wait(1);
    for serial in 2..=4 {
        primary.write_zone(&varied(serial).replace("192.0.2.25", &format!("192.0.2.{}", 30 + serial)));
        primary.wait(serial);
        knot.wait(serial);
    }
    // It does look: one that does not match is not taken.
    assert!(primary.stop().success());
    let config = fs::read_to_string(primary.config()).expect("a config");
    fs::write(primary.config(), config.replace("zonemd_generate", "# zonemd_generate")).expect("a config");
    primary.write_zone(&(varied(5) + &format!("@ ZONEMD 5 1 1 {}\n", "ab".repeat(48))));
    primary.start();
    primary.wait(5);
    yard::poll("Knot to refuse it", || knot.log().contains("ZONEMD, verification failed").then_some(()));
    knot.wait(4);
}

fn knot_makes(yard: &Yard) {
    let mut knot = Peer::knot_with(yard, "    zonemd-generate: zonemd-sha512\n");
    let secondary = Bellwether::new(yard, "secondary");
    knot.write_zone(&varied(1));
    knot.start(yard, Role::Primary, secondary.address);
    secondary.secondary_of(knot.address, Trust::Key);
    add(&secondary, "zonemd = \"require\"\n");
    secondary.start();
    secondary.wait(1);
    for edit in 1..=3 {
        knot.edit(&varied(10 * edit).replace("192.0.2.25", &format!("192.0.2.{}", 30 + edit)));
        // Knot raises the serial once more for its digest.
        secondary.wait(10 * edit + 1);
        yard::assert_same(knot.address, secondary.address, ZONE);
    }
    assert!(secondary.last_transfer().starts_with("ixfr"), "{}", secondary.last_transfer());
    let text = fs::read_to_string(transferred(yard, &secondary)).expect("a file");
    assert!(text.contains(" ZONEMD 31 1 2 "), "{text}");
}

fn none_for_a_signed_zone(yard: &Yard) {
    let server = Bellwether::new(yard, "primary");
    server.write_zone(&zone_text(1, 0));
    server.alone("zonemd_generate = \"sha384\"");
    server.start();
    server.wait(1);
    let rrsig = "@ RRSIG SOA 13 2 3600 20300101000000 20200101000000 1 @ AAAA\n";
    server.write_zone(&(zone_text(2, 0) + rrsig));
    assert!(server.problem().contains("no ZONEMD is made for a signed zone"), "{}", server.problem());
    assert_eq!(yard::serial(server.address, ZONE), Some(1));
}
