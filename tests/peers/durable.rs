//! What survives: damaged state, cold starts, crashes (R01, R02, R04 to R07).

use std::fs;
use std::path::{Path, PathBuf};

use crate::Test;
use crate::bellwether::Bellwether;
use crate::pair::{pair, pair_with};
use crate::texts::{ZONE, large_text, zone_text};
use crate::yard::{self, Yard, dig, dig_signed};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("r01_a_damaged_change_leaves_the_longest_good_prefix", &["dig"], a_damaged_change),
    ("r01_a_damaged_body_is_fetched_or_read_again", &["dig"], a_damaged_body),
    ("r01_a_lost_database_leaves_the_body_files", &["dig"], a_lost_database),
    ("r02_a_cold_start_with_a_bad_file_serves_the_last_version", &["dig"], a_cold_start),
    ("r02_edits_made_while_down_are_one_difference", &["dig"], edits_made_while_down),
    ("r04_large_bodies_are_files_named_by_their_hash", &["dig"], body_files),
    ("r05_a_full_rewrite_keeps_no_difference", &["dig"], a_full_rewrite),
    ("r06_a_changed_record_with_a_right_checksum_is_found", &["dig"], a_changed_record),
    ("r07_what_was_seen_survives_a_crash", &["dig"], what_was_seen_survives),
];

/// Hosts of a zone whose body is too large for the database.
const MANY: u32 = 4_000;

/// Turns a bit of `needle` wherever it stands in a file.
fn spoil(path: &Path, needle: &[u8]) {
    let mut octets = fs::read(path).expect("a state file");
    let places: Vec<usize> = octets
        .windows(needle.len())
        .enumerate()
        .filter_map(|(at, window)| (window == needle).then_some(at))
        .collect();
    assert!(!places.is_empty(), "{needle:?} is not in {}", path.display());
    for at in places {
        octets[at + needle.len() - 1] ^= 1;
    }
    fs::write(path, octets).expect("a state file");
}

fn database(server: &Bellwether) -> PathBuf {
    server.dir.join("state/state.redb")
}

fn bodies(server: &Bellwether) -> Vec<PathBuf> {
    let entries = fs::read_dir(server.dir.join("state/bodies")).expect("a directory");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

fn code(server: &Bellwether) -> String {
    server.status()["problem"]["code"].as_str().unwrap_or_default().to_owned()
}

fn a_damaged_change(yard: &Yard) {
    let (primary, secondary) = pair(yard);
    for edits in 1..=3 {
        primary.write_zone(&zone_text(1 + edits, edits));
        secondary.wait(1 + edits);
    }
    assert!(secondary.stop().success() && primary.stop().success());
    // What led from 2 to 3.
    spoil(&database(&secondary), b"\x07added-2");
    spoil(&database(&primary), b"\x07added-2");
    secondary.start();
    assert_eq!(yard::serial(secondary.address, ZONE), Some(2));
    assert_eq!(dig(secondary.address, &["+short", "added-1.example.com", "A"]).trim(), "192.0.2.101");
    assert_eq!(dig(secondary.address, &["+short", "added-3.example.com", "A"]).trim(), "");
    assert_eq!(code(&secondary), "BW-S03", "{}", secondary.status());
    primary.start();
    // The file has what is missing.
    primary.wait(4);
    let serial = yard::serial(primary.address, ZONE).expect("a serial");
    secondary.wait(serial);
    yard::assert_same(primary.address, secondary.address, ZONE);
    assert_eq!(dig(secondary.address, &["+short", "added-3.example.com", "A"]).trim(), "192.0.2.103");
    assert_eq!(code(&secondary), "", "{}", secondary.status());
    assert_eq!(code(&primary), "", "{}", primary.status());
}

fn large_pair(yard: &Yard) -> (Bellwether<'_>, Bellwether<'_>) {
    pair_with(yard, &large_text(1, MANY))
}

fn a_damaged_body(yard: &Yard) {
    let (primary, secondary) = large_pair(yard);
    let cut = |path: &Path| {
        let octets = fs::read(path).expect("a body");
        fs::write(path, &octets[..octets.len() / 2]).expect("a body");
    };
    let spoiled = |path: &Path| spoil(path, b"large-777");
    for damage in [&cut as &dyn Fn(&Path), &spoiled] {
        assert!(secondary.stop().success() && primary.stop().success());
        for server in [&primary, &secondary] {
            let files = bodies(server);
            assert_eq!(files.len(), 1, "{files:?}");
            damage(&files[0]);
        }
        secondary.start();
        // Nothing is better than a part, and nothing else is known here.
        assert!(dig(secondary.address, &["large-1.example.com", "A"]).contains("SERVFAIL"));
        assert_eq!(code(&secondary), "BW-S03", "{}", secondary.status());
        primary.start();
        primary.wait(1);
        let serial = yard::serial(primary.address, ZONE).expect("a serial");
        secondary.wait(serial);
        yard::assert_same(primary.address, secondary.address, ZONE);
        assert_eq!(dig(secondary.address, &["+short", "large-777.example.com", "A"]).trim(), "10.0.3.9");
    }
}

fn a_lost_database(yard: &Yard) {
    let (primary, secondary) = (Bellwether::new(yard, "primary"), Bellwether::new(yard, "secondary"));
    let small = primary.dir.join("small.zone");
    fs::write(&small, zone_text(7, 0).replace("example.com", "example.org")).expect("a file");
    primary.write_zone(&large_text(5, MANY));
    let peer = |address| format!("[peers.p]\naddress = \"{address}\"\nkey = \"{}\"\n", yard::KEY_NAME);
    let zone = |name: &str, rest: &str| format!("[[zones]]\nname = \"{name}\"\n{rest}");
    let (master, follower) = (
        |file: &Path| format!("role = \"primary\"\nfile = \"{}\"\nsecondaries = [\"p\"]\n", file.display()),
        format!("role = \"secondary\"\nprimaries = [\"p\"]\nallow_transfer = [\"key:{}\"]\n", yard::KEY_NAME),
    );
    primary.configure(&format!(
        "{}{}{}",
        peer(secondary.address),
        zone(ZONE, &master(&primary.zone_file())),
        zone("example.org", &master(&small))
    ));
    let both = format!("{}{}", zone(ZONE, &follower), zone("example.org", &follower));
    secondary.configure(&format!("{}{both}", peer(primary.address)));
    let wait_for_small = || {
        yard::poll("the small zone", || {
            yard::serial(secondary.address, "example.org").filter(|serial| *serial == 7)
        })
    };
    secondary.start();
    let garbage = |path: &Path| {
        let mut octets = fs::read(path).expect("a database");
        octets.iter_mut().take(4096).for_each(|octet| *octet = 0xa5);
        fs::write(path, octets).expect("a database");
    };
    let short = |path: &Path| fs::write(path, [0; 100]).expect("a database");
    let gone = |path: &Path| fs::remove_file(path).expect("a database");
    for damage in [&garbage as &dyn Fn(&Path), &short, &gone] {
        primary.start();
        secondary.wait(5);
        wait_for_small();
        assert!(secondary.stop().success() && primary.stop().success());
        damage(&database(&secondary));
        secondary.start();
        assert_eq!(yard::serial(secondary.address, ZONE), Some(5));
        let records = yard::transfer(secondary.address, ZONE).len();
        assert!(records > MANY as usize, "{records} records");
        assert!(dig(secondary.address, &["example.org", "SOA"]).contains("SERVFAIL"));
    }
    primary.start();
    wait_for_small();
    yard::assert_same(primary.address, secondary.address, "example.org");
    primary.write_zone(&large_text(6, MANY + 1));
    secondary.wait(6);
    assert!(secondary.last_transfer().starts_with("ixfr"), "{}", secondary.last_transfer());
    yard::assert_same(primary.address, secondary.address, ZONE);
}

fn a_cold_start(yard: &Yard) {
    let server = Bellwether::new(yard, "primary");
    server.write_zone(&zone_text(1, 0));
    server.alone("");
    server.start();
    server.wait(1);
    server.write_zone(&zone_text(2, 1));
    server.wait(2);
    let before = yard::transfer(server.address, ZONE);
    let broken = zone_text(3, 2).replace("added-2 A", "added-2 A A");
    let no_file = || fs::remove_file(server.zone_file()).expect("a file");
    for (how, spoils) in [("broken", false), ("vanished", true)] {
        assert!(server.stop().success());
        server.write_zone(&broken);
        if spoils {
            no_file();
        }
        server.start();
        let told = server.problem();
        assert!(told.contains("example.com.zone"), "{how}: {told}");
        assert_eq!(yard::transfer(server.address, ZONE), before, "{how}");
    }
    // Whoever would rather have nothing gets nothing.
    server.kill();
    server.write_zone(&broken);
    server.alone("cold_start_bad_file = \"servfail\"\n");
    server.start();
    server.problem();
    assert!(dig(server.address, &[ZONE, "SOA"]).contains("SERVFAIL"));
    server.write_zone(&zone_text(3, 2));
    server.wait(3);
    assert_eq!(dig(server.address, &["+short", "added-2.example.com", "A"]).trim(), "192.0.2.102");
}

fn edits_made_while_down(yard: &Yard) {
    let server = Bellwether::new(yard, "primary");
    server.write_zone(&zone_text(10, 0));
    server.alone("");
    server.start();
    server.wait(10);
    assert!(server.stop().success());
    // A file that somebody put back: its serial is behind, its content is the operator's wish.
    server.write_zone(&zone_text(8, 1));
    server.write_zone(&zone_text(9, 2));
    server.start();
    server.wait(11);
    let records = yard::records(&dig_signed(server.address, &["+tcp", "+noall", "+answer", ZONE, "IXFR=10"]));
    let soas = records.iter().filter(|record| record.contains(" SOA ")).count();
    // Two addresses out and in, two hosts away, two hosts new.
    assert_eq!((records.len(), soas), (12, 4), "{records:#?}");
    assert!(server.stop().success());
    // With `keep` the file's serial is the law, and this one is not newer: what was served stays.
    server.write_zone(&zone_text(9, 3));
    server.alone("serial = \"keep\"\n");
    server.start();
    let told = server.problem();
    assert!(told.contains("serial 9") && code(&server) == "BW-Z04", "{told}");
    assert_eq!(yard::serial(server.address, ZONE), Some(11));
}

fn body_files(yard: &Yard) {
    let server = Bellwether::new(yard, "primary");
    server.write_zone(&zone_text(1, 0));
    // The name of a file does not depend on how the zone is spelled.
    server.alone_as("EXAMPLE.Com", "");
    server.start();
    server.wait(1);
    assert_eq!(bodies(&server), Vec::<PathBuf>::new());
    server.write_zone(&large_text(2, MANY));
    server.wait(2);
    let wire = b"\x07example\x03com\0";
    let hash: String =
        blake3::hash(wire).as_bytes()[..16].iter().map(|octet| format!("{octet:02x}")).collect();
    let mut generations = Vec::new();
    for serial in [2, 3] {
        if serial == 3 {
            // More than half of it changes, so it is written whole, in a new file.
            let other = large_text(3, MANY).replace(" A 10.", " A 11.");
            server.write_zone(&other);
            server.wait(3);
        }
        let files = bodies(&server);
        assert_eq!(files.len(), 1, "{files:?}");
        let name = files[0].file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        let (stem, generation) = name.split_once('.').expect("a generation");
        assert_eq!(stem, hash);
        let octets = fs::read(&files[0]).expect("a body");
        let named = octets.windows(wire.len()).position(|window| window.eq_ignore_ascii_case(wire));
        assert!(octets.len() > 64 * 1024 && named.is_some_and(|at| at < 200), "{named:?}");
        generations.push(generation.to_owned());
    }
    assert!(generations[0] < generations[1], "{generations:?}");
    // The old file is not needed by anything.
    server.kill();
    server.start();
    assert_eq!(yard::serial(server.address, ZONE), Some(3));
    assert_eq!(dig(server.address, &["+short", "large-9.example.com", "A"]).trim(), "11.0.0.9");
}

fn a_full_rewrite(yard: &Yard) {
    let (primary, secondary) = large_pair(yard);
    // A first transfer is a body and nothing else: no second copy of it as a difference.
    let body = fs::metadata(&bodies(&secondary)[0]).expect("a body").len();
    let small = Bellwether::new(yard, "empty");
    small.configure("");
    small.start();
    let octets = |server: &Bellwether| fs::metadata(database(server)).expect("a database").len();
    let growth = octets(&secondary).saturating_sub(octets(&small));
    assert!(growth < body / 2, "the database grew by {growth} octets, the body has {body}");
    primary.write_zone(&large_text(2, MANY + 1));
    secondary.wait(2);
    // The whole zone once more, without a serial before it.
    let output = secondary.command(&["zone"], &["retransfer", ZONE]);
    assert!(output.status.success(), "{output:?}");
    yard::poll("the transfer", || secondary.last_transfer().starts_with("axfr").then_some(()));
    primary.write_zone(&large_text(3, MANY).replace(" A 10.", " A 11."));
    secondary.wait(3);
    for server in [&primary, &secondary] {
        let records =
            yard::records(&dig_signed(server.address, &["+tcp", "+noall", "+answer", ZONE, "IXFR=2"]));
        let soas = records.iter().filter(|record| record.contains(" SOA ")).count();
        assert!(soas == 2 && records.len() > MANY as usize, "{soas} SOAs in {} records", records.len());
        assert_eq!(bodies(server).len(), 1);
    }
}

/// A body file is blocks of a length, a CRC-32 over number and payload, and the payload.
fn a_changed_record(yard: &Yard) {
    let (primary, secondary) = large_pair(yard);
    assert!(secondary.stop().success() && primary.stop().success());
    let path = &bodies(&secondary)[0];
    let octets = fs::read(path).expect("a body");
    let needle = b"large-777";
    let (mut out, mut rest, mut number, mut changed) = (Vec::new(), &octets[..], 0u64, 0);
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let (payload, tail) = tail[4..].split_at(u32::from_be_bytes(*length) as usize);
        let mut payload = payload.to_vec();
        if let Some(at) = payload.windows(needle.len()).position(|window| window == needle) {
            payload[at] = b'b';
            changed += 1;
        }
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&number.to_be_bytes());
        checksum.update(&payload);
        out.extend_from_slice(length);
        out.extend_from_slice(&checksum.finalize().to_be_bytes());
        out.extend_from_slice(&payload);
        (rest, number) = (tail, number + 1);
    }
    assert_eq!((changed, out.len()), (1, octets.len()));
    fs::write(path, out).expect("a body");
    secondary.start();
    assert!(secondary.problem().contains("digest does not fit"), "{}", secondary.status());
    assert!(dig(secondary.address, &["barge-777.example.com", "A"]).contains("SERVFAIL"));
    primary.start();
    secondary.wait(1);
    yard::assert_same(primary.address, secondary.address, ZONE);
}

fn what_was_seen_survives(yard: &Yard) {
    let (primary, secondary) = pair(yard);
    for edits in 1..=4 {
        let serial = 1 + edits;
        primary.write_zone(&zone_text(serial, edits));
        let server = if edits % 2 == 0 { &primary } else { &secondary };
        yard::poll("the edit to be seen", || {
            yard::serial(server.address, ZONE).filter(|seen| *seen == serial)
        });
        server.kill();
        if edits % 2 == 0 {
            // Nothing but the store can know it.
            primary.write_zone("not a zone\n");
        }
        server.start();
        assert_eq!(yard::serial(server.address, ZONE), Some(serial), "after edit {edits}");
        assert_eq!(yard::transfer(server.address, ZONE).len(), 77);
    }
}
