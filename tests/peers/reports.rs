//! Error reporting (PROTOCOL A51, A52; PEERS 39, 40): asked for, taken, counted and shown.

use serde_json::Value;

use crate::Test;
use crate::bellwether::Bellwether;
use crate::client::{Client, both, same};
use crate::texts::{ZONE, zone_text};
use crate::wire::{self, A, AA, Message, SOA, Stream, TC, TXT};
use crate::yard::{self, Yard, dig};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("a51_p39_resolvers_are_told_where_to_report", &[], told_where_to_report),
    ("a52_p40_reports_are_answered_counted_and_shown", &["dig"], answered_counted_and_shown),
    ("a52_reports_of_anybody_do_not_count", &[], of_anybody),
];

const CHANNEL: u16 = 18;
const COOKIE: u16 = 10;

fn server<'y>(yard: &'y Yard, reports: &str, more: &str) -> Bellwether<'y> {
    let server = Bellwether::new(yard, "server");
    server.write_zone(&(zone_text(1, 0) + more));
    server.alone(&format!("\n[reports]\n{reports}\n"));
    server.start();
    server.wait(1);
    server
}

fn told_where_to_report(yard: &Yard) {
    let server = server(yard, "channel = \"er.example.net\"", "");
    let ask = |name: &str, qtype| same(server.address, &Message::query(7, name, qtype).edns(1232, &[]));
    let agent = Some(wire::name("er.example.net"));
    for name in [ZONE, "mail.example.com", "none.example.com", "www.sub.example.com"] {
        assert_eq!(ask(name, A).option(CHANNEL), agent, "{name}");
        for reply in both(server.address, &Message::query(7, name, A)) {
            assert_eq!(reply.option(CHANNEL), None, "without EDNS");
        }
    }
    assert_eq!(ask("not.ours", A).option(CHANNEL), None);
    // Reports about reports would never end.
    let yard = &Yard::new();
    let server = self::server(yard, "channel = \"er.example.com\"\nagent = \"er.example.com\"", "");
    let ask = |name: &str| same(server.address, &Message::query(7, name, SOA).edns(1232, &[]));
    assert!(ask(ZONE).option(CHANNEL).is_some());
    for name in ["er.example.com", "x.er.example.com", "_er.1.example.com.7._er.er.example.com"] {
        assert_eq!(ask(name).option(CHANNEL), None, "{name}");
    }
    let yard = &Yard::new();
    let server = self::server(yard, "", "");
    assert_eq!(same(server.address, &Message::query(7, ZONE, SOA).edns(1232, &[])).option(CHANNEL), None);
}

/// Kinds of reports as `status --json` shows them: zone, code and count.
fn shown(server: &Bellwether) -> Vec<(Option<String>, u64, u64)> {
    let output = server.command(&["status"], &["--json"]);
    let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let kinds = value["reports"]["kinds"].as_array().expect("kinds").iter();
    let number = |value: &Value| value.as_u64().expect("a number");
    kinds
        .map(|kind| (kind["zone"].as_str().map(str::to_owned), number(&kind["code"]), number(&kind["count"])))
        .collect()
}

fn answered_counted_and_shown(yard: &Yard) {
    let server = server(yard, "agent = \"er.example.com\"", "*._er.er TXT \"thank you\"\n");
    let report = |rest: &str| {
        let text =
            dig(server.address, &["+norecurse", "+tcp", &format!("_er.{rest}._er.er.example.com"), "TXT"]);
        assert!(text.contains("status: NOERROR") && text.contains("\"thank you\""), "{text}");
    };
    report("1.mail.example.com.7");
    report("28.mail.example.com.7");
    report("1.example.com.9");
    report("1.bad.example.net.7");
    let zone = |text: &str| Some(text.to_owned());
    let expected = [(None, 7, 1), (zone("example.com."), 7, 2), (zone("example.com."), 9, 1)];
    yard::poll("the reports to be counted", || (shown(&server) == expected).then_some(()));
    let text = String::from_utf8(server.command(&["status"], &[]).stdout).expect("text");
    let line = "example.com.  2 reports of error 7 (Signature Expired), last ";
    assert!(text.contains(line) && text.contains(" of mail.example.com. AAAA"), "{text}");
    let log = server.log();
    assert!(log.contains("BW-Q10") && log.contains("mail.example.com."), "{log}");
    // dig has no cookie yet, is sent to TCP, and is heard there.
    let text = dig(server.address, &["+norecurse", "_er.1.bad.example.7._er.er.example.com", "TXT"]);
    assert!(text.contains("\"thank you\"") && text.contains("(TCP)"), "{text}");
    yard::poll("one more", || shown(&server).contains(&(None, 7, 2)).then_some(()));
    // Without a record of the zone the answer is made.
    let other = Yard::new();
    let server = self::server(&other, "agent = \"er.example.com\"", "");
    let text = dig(server.address, &["+norecurse", "+tcp", "_er.1.bad.example.7._er.er.example.com", "TXT"]);
    assert!(text.contains("status: NOERROR") && text.contains("\"report received\""), "{text}");
    assert!(text.contains("flags: qr aa;"), "{text}");
}

fn of_anybody(yard: &Yard) {
    let server = server(yard, "agent = \"er.example.com\"", "");
    let report = Message::query(7, "_er.1.mail.example.com.7._er.er.example.com", TXT);
    let client = Client::at([127, 0, 0, 1], server.address);
    let own: &[u8] = b"12345678";
    let forged = [own, &[1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]].concat();
    for question in
        [report.clone(), report.clone().edns(1232, &[]), report.clone().edns(1232, &[(COOKIE, &forged)])]
    {
        let reply = client.ask(&question);
        assert_eq!((reply.rcode(), reply.flags() & TC, reply.count(1)), (0, TC, 0));
    }
    assert_eq!(shown(&server), []);
    let cookie = client.ask(&report.clone().edns(1232, &[(COOKIE, own)])).option(COOKIE).expect("a cookie");
    let reply = client.ask(&report.clone().edns(1232, &[(COOKIE, &cookie)]));
    assert_eq!((reply.rcode(), reply.flags() & (AA | TC), reply.count(1)), (0, AA, 1));
    let counted = |count| {
        yard::poll("a count", || (shown(&server) == [(Some("example.com.".into()), 7, count)]).then_some(()))
    };
    counted(1);
    assert_eq!(Stream::to(server.address).ask(&report).count(1), 1);
    counted(2);
    // A name that is no report, and other types, are ordinary questions.
    for (name, qtype) in [("_er.1.x.er.example.com", TXT), ("_er.1.mail.example.com.7._er.er.example.com", A)]
    {
        assert_eq!(same(server.address, &Message::query(7, name, qtype)).rcode(), 3, "{name}");
    }
    assert_eq!(shown(&server).len(), 1);
}
