//! Two Bellwethers: how edits reach the secondary, what dig sees, and what a wrong file or config gets.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use crate::Test;
use crate::bellwether::{Bellwether, Trust, replace};
use crate::texts::{ZONE, another_text, zone_text};
use crate::yard::{self, Yard, dig, dig_signed};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("r08_edits_of_all_editors_arrive", &["dig", "vim", "git"], edits_of_all_editors_arrive),
    ("c15_a_broken_file_keeps_the_zone_and_says_where", &["dig"], a_broken_file_keeps_the_zone),
    ("d01_dig_axfr_begins_and_ends_with_the_soa", &["dig"], dig_axfr),
    ("d09_a_transfer_needs_a_rule", &["dig"], a_transfer_needs_a_rule),
    ("e02_e03_e04_dig_ixfr", &["dig"], dig_ixfr),
    ("a_config_that_cannot_work_is_a_sentence", &[], a_config_that_cannot_work_is_a_sentence),
    ("sigterm_stops_cleanly", &[], sigterm_stops_cleanly),
];

/// A primary and its secondary, both at serial 1.
pub fn pair(yard: &Yard) -> (Bellwether<'_>, Bellwether<'_>) {
    pair_with(yard, &zone_text(1, 0))
}

/// [`pair`] with another zone, at serial 1 too.
pub fn pair_with<'y>(yard: &'y Yard, text: &str) -> (Bellwether<'y>, Bellwether<'y>) {
    let (primary, secondary) = (Bellwether::new(yard, "primary"), Bellwether::new(yard, "secondary"));
    primary.write_zone(text);
    primary.primary_for(secondary.address, Trust::Key);
    secondary.secondary_of(primary.address, Trust::Key);
    primary.start();
    primary.wait(1);
    secondary.start();
    secondary.wait(1);
    (primary, secondary)
}

fn edits_of_all_editors_arrive(yard: &Yard) {
    let (primary, secondary) = pair(yard);
    let (dir, file) = (primary.dir.as_path(), primary.zone_file());
    let mut serial = 1;
    let mut arrives = |how: &str, edit: &dyn Fn(u32)| {
        serial += 1;
        edit(serial);
        secondary.wait(serial);
        let text = dig(secondary.address, &["+short", "host-1.example.com", "A"]);
        assert_eq!(text.trim(), format!("203.0.113.{}", 100 + serial), "after {how}");
        yard::assert_same(primary.address, secondary.address, ZONE);
    };
    arrives("rename-over", &|serial| replace(&file, &edited(serial)));
    arrives("in place", &|serial| fs::write(&file, edited(serial)).expect("a file"));
    arrives("sed -i", &|serial| {
        let address = format!("s/^host-1 A .*/host-1 A 203.0.113.{}/", 100 + serial);
        let soa = format!("s/hostmaster ( [0-9]*/hostmaster ( {serial}/");
        yard::run(Command::new("sed").args(["-i", "-e", &address, "-e", &soa]).arg(&file));
    });
    // Outside /tmp vim writes a new file; in /tmp, and with `backupcopy`, it writes in place.
    for copy in ["no", "yes"] {
        arrives(&format!("vim, backupcopy={copy}"), &|serial| {
            let address = format!("%s/^host-1 A .*/host-1 A 203.0.113.{}/", 100 + serial);
            let soa = format!("%s/hostmaster ( [0-9]*/hostmaster ( {serial}/");
            let mut vim = Command::new("vim");
            vim.args([
                "-u",
                "NONE",
                "-N",
                "-es",
                "-c",
                &format!("set nobackup writebackup backupcopy={copy}"),
            ]);
            let output = vim.args(["-c", &address, "-c", &soa, "-c", "wq"]).arg(&file).output().expect("vim");
            assert!(fs::read_to_string(&file).is_ok_and(|text| text == edited(serial)), "{output:?}");
        });
    }
    let git = |arguments: &[&str]| {
        let who = ["-c", "user.name=Test", "-c", "user.email=test@example.com"];
        yard::run(Command::new("git").current_dir(dir).args(who).args(arguments))
    };
    arrives("git checkout", &|serial| {
        git(&["init", "-q", "-b", "main"]);
        git(&["add", "example.com.zone"]);
        git(&["commit", "-q", "-m", "now"]);
        // The next version is made elsewhere, and only checked out here.
        let blob = dir.join("next");
        fs::write(&blob, edited(serial)).expect("a file");
        let hash = git(&["hash-object", "-w", "next"]);
        git(&["update-index", "--cacheinfo", &format!("100644,{},example.com.zone", hash.trim())]);
        git(&["checkout", "--", "example.com.zone"]);
    });
    assert!(secondary.last_transfer().starts_with("ixfr"), "{}", secondary.last_transfer());
}

/// The first text with another serial and another address of the first host.
fn edited(serial: u32) -> String {
    zone_text(serial, 0).replace("host-1 A 203.0.113.1\n", &format!("host-1 A 203.0.113.{}\n", 100 + serial))
}

fn a_broken_file_keeps_the_zone(yard: &Yard) {
    let (primary, secondary) = pair(yard);
    let broken = zone_text(2, 1).replace("added-1 A 192.0.2.101", "added-1 A 192.0.2.1001");
    let line = 1 + broken.lines().position(|line| line.starts_with("added-1")).expect("the line");
    primary.write_zone(&broken);
    let told = primary.problem();
    let place = format!("example.com.zone:{line}:");
    assert!(told.contains(&place), "{place} is not in\n{told}");
    assert_eq!(yard::serial(primary.address, ZONE), Some(1));
    let check = primary.command(&["check"], &[]);
    assert!(!check.status.success() && yard::said(&check).contains(&place), "{check:?}");
    primary.write_zone(&zone_text(3, 1));
    secondary.wait(3);
    yard::assert_same(primary.address, secondary.address, ZONE);
    assert!(primary.status()["problem"].is_null(), "{}", primary.status());
}

fn dig_axfr(yard: &Yard) {
    let (primary, secondary) = pair(yard);
    for server in [primary.address, secondary.address] {
        let records = yard::records(&dig_signed(server, &["+tcp", "+noall", "+answer", ZONE, "AXFR"]));
        let soas = records.iter().filter(|record| record.contains(" SOA ")).count();
        assert!(soas == 2 && records.first() == records.last(), "{records:#?}");
        // All names of the file: glue and what a DNAME or a cut hides as well.
        assert!(
            records.iter().any(|record| record == "ns.sub.example.com. 3600 IN A 192.0.2.53"),
            "{records:#?}"
        );
        let lines = zone_text(1, 0).lines().filter(|line| !line.starts_with('$')).count();
        assert_eq!(records.len(), lines + 1);
    }
}

fn a_transfer_needs_a_rule(yard: &Yard) {
    let (primary, secondary) = pair(yard);
    for server in [primary.address, secondary.address] {
        for kind in ["AXFR", "IXFR=1"] {
            let text = dig(server, &["+tcp", "+all", "+comments", ZONE, kind]);
            assert!(yard::records(&text).is_empty(), "{kind}: {text}");
            assert!(text.contains("Transfer failed") || text.contains("REFUSED"), "{kind}: {text}");
        }
        // dig does not show the EDE of a failed transfer: REFUSED, and "Prohibited" with our code.
        let answer = ask_for_transfer(server);
        assert_eq!(answer[3] & 15, 5, "{answer:?}");
        let text = answer.windows(4).position(|octets| octets == b"BW-T").expect("an EDE with its text");
        assert_eq!(answer[text - 6..text - 4], [0, 15], "{answer:?}");
        assert_eq!(answer[text - 2..text], [0, 18], "{answer:?}");
    }
    let wrong = "hmac-sha256:flock.example.:d3JvbmcgYnV0IGxvbmcgZW5vdWdoIGFzIGEga2V5ISE=";
    let text = dig(primary.address, &["-y", wrong, "+tcp", ZONE, "AXFR"]);
    assert!(yard::records(&text).is_empty(), "{text}");
    let text = dig(primary.address, &["-y", wrong, ZONE, "SOA"]);
    assert!(text.contains("BADSIG"), "{text}");
}

/// The one message that an unsigned AXFR with EDNS gets.
fn ask_for_transfer(server: SocketAddr) -> Vec<u8> {
    let mut query = b"\x12\x34\0\0\0\x01\0\0\0\0\0\x01\x07example\x03com\0\0\xfc\0\x01".to_vec();
    query.extend(b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
    let mut stream = TcpStream::connect(server).expect("a connection");
    stream.write_all(&[0, query.len() as u8]).and_then(|()| stream.write_all(&query)).expect("sent");
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("an answer");
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).expect("an answer");
    answer
}

fn dig_ixfr(yard: &Yard) {
    let (primary, secondary) = pair(yard);
    for edits in 1..=3 {
        primary.write_zone(&zone_text(1 + edits, edits));
        secondary.wait(1 + edits);
    }
    for server in [primary.address, secondary.address] {
        let ask = |from: &str| {
            yard::records(&dig_signed(server, &["+tcp", "+noall", "+answer", ZONE, &format!("IXFR={from}")]))
        };
        let serials = |records: &[String]| -> Vec<String> {
            let soas = records.iter().filter(|record| record.contains(" SOA "));
            soas.filter_map(|record| record.split(' ').nth(6).map(str::to_owned)).collect()
        };
        assert_eq!(serials(&ask("4")), ["4"]);
        let records = ask("3");
        assert_eq!(serials(&records), ["4", "3", "4", "4"]);
        let added = "added-3.example.com. 3600 IN A 192.0.2.103";
        let old = records.iter().position(|record| record == "host-23.example.com. 3600 IN A 203.0.113.23");
        let new = records.iter().position(|record| record == added);
        assert!(old > Some(1) && new > old, "{records:#?}");
        // Plain steps or one condensed step: it ends at 4, and what was added is there.
        let records = ask("1");
        let seen = serials(&records);
        assert!(seen.len() >= 4 && seen[0] == "4" && seen[1] == "1" && seen.last().is_some_and(|s| s == "4"));
        assert!(records.iter().any(|record| record == added), "{records:#?}");
        // From an older serial that nobody knows: the whole zone. From a newer one: the SOA alone.
        assert_eq!(serials(&ask("4000000")), ["4"]);
        let whole = ask("4294967000");
        assert_eq!(serials(&whole), ["4", "4"]);
        assert!(whole.len() > 70, "{whole:#?}");
    }
    primary.write_zone(&another_text(5));
    secondary.wait(5);
    yard::assert_same(primary.address, secondary.address, ZONE);
}

fn a_config_that_cannot_work_is_a_sentence(yard: &Yard) {
    let server = Bellwether::new(yard, "server");
    let refuses = |said: &str| {
        let text = server.refuses_to_start();
        assert!(text.contains(said), "{said:?} is not in\n{text}");
        assert!(!text.contains("panicked"), "{text}");
    };
    refuses("config.toml: No such file");
    server.configure("[[zones]]\nname = \"example.com\"\nrole = \"primary\"\nfiel = \"x\"\n");
    refuses("did you mean `file`?");
    server.configure("");
    let taken = TcpListener::bind(server.address).expect("the port");
    refuses(&server.address.to_string());
    drop(taken);
    server.configure("[keys.\"k.\"]\nalgorithm = \"hmac-sha256\"\nsecret_file = \"none.key\"\n");
    refuses("none.key");
    server.configure("");
    let state = server.dir.join("state");
    remove(&state);
    fs::write(&state, "a file, not a directory").expect("a file");
    refuses("state");
}

fn remove(path: &Path) {
    if path.is_dir() {
        fs::remove_dir_all(path).expect("a directory");
    }
}

fn sigterm_stops_cleanly(yard: &Yard) {
    let server = Bellwether::new(yard, "server");
    server.write_zone(&zone_text(1, 0));
    server.primary_for(yard::free_address(), Trust::Key);
    server.start();
    server.wait(1);
    let status = server.stop();
    assert!(status.success(), "{status}");
    assert!(!server.dir.join("state/control.sock").exists());
}
