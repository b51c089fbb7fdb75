//! What an operator and his scripts see: JSON, refused reloads, one server for a state directory, a
//! stop that lets transfers end.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::Test;
use crate::bellwether::{Bellwether, Trust};
use crate::signature::Seal;
use crate::texts::{ZONE, large_text, zone_text};
use crate::transfer_out::serving;
use crate::wire::{self, AXFR, Message, Reply, SOA, Stream};
use crate::yard::{self, Yard};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("check_tells_scripts_what_is_wrong_and_where", &[], check_tells_scripts),
    ("a_dump_as_json_has_every_record", &[], a_dump_as_json),
    ("r30_status_counts_what_came_in", &[], status_counts),
    ("a_reload_that_cannot_be_carried_out_changes_nothing", &[], a_reload_that_cannot_be_carried_out),
    ("a_state_directory_has_one_server", &[], a_state_directory_has_one_server),
    ("sigterm_lets_transfers_end_and_waits_for_no_stalled_one", &[], sigterm_lets_transfers_end),
];

fn json(server: &Bellwether<'_>, subcommand: &[&str], arguments: &[&str]) -> Value {
    let output = server.command(subcommand, &[&["--json"], arguments].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn check_tells_scripts(yard: &Yard) {
    let server = Bellwether::new(yard, "server");
    server.write_zone(&zone_text(7, 0));
    server.primary_for(yard::free_address(), Trust::Key);
    let told = json(&server, &["check"], &[]);
    assert_eq!((&told["ok"], &told["zones"][0]["serial"]), (&true.into(), &7.into()), "{told}");
    assert_eq!(told["zones"][0]["zone"], "example.com.");
    server.write_zone(&zone_text(7, 0).replace("mail 600 A 192.0.2.25", "mail 600 A 192.0.2.256"));
    let told = json(&server, &["check"], &[]);
    let fault = &told["zones"][0]["diagnostics"][0];
    let line = 1 + zone_text(7, 0).lines().position(|line| line.starts_with("mail 600")).expect("a line");
    assert_eq!(
        (&told["ok"], &fault["severity"], &fault["line"]),
        (&false.into(), &"error".into(), &line.into())
    );
    server.configure("[nonsense]\n");
    let told = json(&server, &["check"], &[]);
    assert!(told["config_error"].as_str().is_some_and(|text| text.contains("nonsense")), "{told}");
}

fn a_dump_as_json(yard: &Yard) {
    let server = serving(yard, &zone_text(1, 0));
    let output = server.command(&["zone", "dump"], &[ZONE]);
    let plain: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    let told = json(&server, &["zone", "dump"], &[ZONE]);
    assert_eq!((&told["zone"], &told["serial"]), (&"example.com.".into(), &1.into()));
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let records = told["records"].as_array().expect("records").iter();
    let lines: Vec<String> = records
        .map(|record| ["name", "ttl", "class", "type", "data"].map(|key| text(&record[key])).join("\t"))
        .collect();
    assert!(plain.len() > 70);
    assert_eq!(lines, plain);
}

fn status_counts(yard: &Yard) {
    let server = serving(yard, &zone_text(1, 0));
    for id in 0..3 {
        wire::over_udp(server.address, &Message::query(id, ZONE, SOA).0).expect("an answer");
    }
    let told = &json(&server, &["status"], &[])["traffic"];
    assert_eq!((&told["udp_requests"], &told["udp_lost"]), (&3.into(), &0.into()), "{told}");
}

fn a_reload_that_cannot_be_carried_out(yard: &Yard) {
    let server = serving(yard, &zone_text(1, 0));
    let good = fs::read_to_string(server.config()).expect("the config");
    let elsewhere = good.replace(&server.address.to_string(), &yard::free_address().to_string());
    // What a config says, and what the operator hears; commands find the server by the old one.
    let cases = [
        (good.clone() + "\n[nonsense]\n", "nonsense"),
        (elsewhere, "server.listen changed: that needs a restart; nothing was reloaded"),
    ];
    let control = server.dir.join("state/control.sock");
    let control = control.to_str().expect("a path of letters");
    for (text, said) in cases {
        fs::write(server.config(), text).expect("a config");
        let output = server.command(&["reload"], &["--control", control]);
        assert!(!output.status.success() && yard::said(&output).contains(said), "{output:?}");
        server.hang_up();
        yard::poll("a line in the log", || server.log().contains(said).then_some(()));
        assert_eq!(
            wire::over_udp(server.address, &Message::query(1, ZONE, SOA).0).map(|r| r.rcode()),
            Some(0)
        );
    }
    fs::write(server.config(), good).expect("a config");
    let output = server.command(&["reload"], &[]);
    assert!(output.status.success(), "{output:?}");
}

fn a_state_directory_has_one_server(yard: &Yard) {
    let first = serving(yard, &zone_text(1, 0));
    let second = Bellwether::new(yard, "second");
    second.primary_for(yard::free_address(), Trust::Key);
    let text = fs::read_to_string(second.config()).expect("the config");
    let state = format!("state_dir = \"{}\"", first.dir.join("state").display());
    let control = "\n[control]\nsocket = \"second.sock\"\n";
    fs::write(second.config(), text.replace("state_dir = \"state\"", &state) + control).expect("a config");
    let said = second.refuses_to_start();
    assert!(said.contains("another server works in"), "{said}");
    // However the first one ends, the directory is free then.
    first.kill();
    second.write_zone(&zone_text(2, 0));
    second.start();
    second.wait(2);
}

fn sigterm_lets_transfers_end(yard: &Yard) {
    let server = serving(yard, &large_text(1, 50_000));
    let (request, _) = Seal::flock().request(Message::query(1, ZONE, AXFR));
    let mut streams = [(); 2].map(|()| Stream::narrow(server.address));
    for stream in &mut streams {
        stream.send(std::slice::from_ref(&request.0));
    }
    let [mut reader, mut stalled] = streams;
    let first = [reader.read(), stalled.read()].map(|message| message.expect("a beginning"));
    server.signal(Signal::SIGTERM);
    yard::poll("the end to begin", || server.log().contains("stopping").then_some(()));
    let soa = first[0].answers().remove(0);
    let mut last: Reply = reader.read().expect("the next message");
    while last.answers().last() != Some(&soa) {
        last = reader.read().expect("the rest of the transfer");
    }
    let status = server.ended();
    assert!(status.success(), "{status}");
}
