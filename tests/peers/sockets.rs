//! Aliases that are not followed (R29), sockets and addresses (R30), what a publish costs (R31), and
//! what is not done yet (R32).

use std::fs;

use crate::Test;
use crate::bellwether::{Bellwether, replace};
use crate::enclosure::{Enclosure, Kind};
use crate::texts::{ZONE, zone_text};
use crate::yard::{self, KEY_NAME, Yard, dig, dig_signed};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("r29_an_alias_that_was_asked_for_is_not_followed", &["dig"], an_alias_that_was_asked_for),
    ("r30_replies_leave_from_the_address_that_was_asked", &["dig"], replies_leave_from_the_address),
    ("r30_addresses_may_appear_later", &["dig", "unshare", "nsenter", "ip"], addresses_may_appear_later),
    ("r30_a_small_link_loses_no_answer", &["dig", "unshare", "nsenter", "ip"], a_small_link),
    ("r31_an_edit_among_ten_thousand_zones_costs_one_edit", &["dig"], an_edit_among_many_zones),
    ("r32_update_is_not_implemented", &["dig"], update_is_not_implemented),
];

fn an_alias_that_was_asked_for(yard: &Yard) {
    let server = Bellwether::new(yard, "server");
    server.write_zone(
        &(zone_text(1, 0)
            + "*.alias CNAME mail\nnew A 192.0.2.77\nx.new A 192.0.2.78\n\
               one CNAME two\ntwo CNAME three\nthree CNAME one\nself CNAME self\n\
               turn DNAME turn.turn\nc.new CNAME d.old\nd.new CNAME c.old\n"),
    );
    server.alone("");
    server.start();
    server.wait(1);
    let ask = |name: &str, qtype: &str| {
        let text = dig(server.address, &["+norecurse", "+bufsize=4096", &format!("{name}.{ZONE}"), qtype]);
        assert!(text.contains("status: "), "no answer to {name} {qtype}: {text}");
        let answers = dig(server.address, &["+noall", "+answer", &format!("{name}.{ZONE}"), qtype]);
        let kinds = |record: String| record.split(' ').nth(3).expect("a type").to_owned();
        (text, yard::records(&answers).into_iter().map(kinds).collect::<Vec<_>>())
    };
    let answer = |name: &str, qtype: &str| ask(name, qtype).1;
    assert_eq!(answer("any.alias", "CNAME"), ["CNAME"]);
    assert_eq!(answer("any.alias", "A"), ["CNAME", "A"]);
    assert_eq!(answer("x.old", "CNAME"), ["DNAME", "CNAME"]);
    assert_eq!(answer("x.old", "A"), ["DNAME", "CNAME", "A"]);
    assert_eq!(answer("old", "DNAME"), ["DNAME"]);
    assert_eq!(answer("www", "CNAME"), ["CNAME"]);
    // Chains without an end: what was found, and not more than a few steps of it.
    for (name, kinds) in [("one", vec!["CNAME"; 3]), ("self", vec!["CNAME"])] {
        let (text, found) = ask(name, "A");
        assert!(found == kinds && text.contains("status: NOERROR"), "{text}");
        assert_eq!(answer(name, "CNAME"), ["CNAME"]);
    }
    for name in ["a.turn", "c.new", "c.old"] {
        let (text, found) = ask(name, "A");
        assert!(!found.is_empty() && found.len() <= 64, "{name}: {text}");
        assert!(!text.contains("SERVFAIL"), "{text}");
    }
    assert_eq!(yard::serial(server.address, ZONE), Some(1));
}

/// Makes a server listen elsewhere; the address of `server` is then only a name.
fn listen(server: &Bellwether, addresses: &[String]) {
    let config = fs::read_to_string(server.config()).expect("a config");
    let list = addresses.iter().map(|address| format!("\"{address}\"")).collect::<Vec<_>>().join(", ");
    let config = config.replace(&format!("listen = [\"{}\"]", server.address), &format!("listen = [{list}]"));
    fs::write(server.config(), config).expect("a config");
}

fn replies_leave_from_the_address(yard: &Yard) {
    let server = Bellwether::new(yard, "server");
    server.write_zone(&zone_text(1, 0));
    server.alone("");
    let port = server.address.port();
    listen(&server, &[format!("0.0.0.0:{port}"), format!("[::]:{port}")]);
    server.start();
    for address in ["127.0.0.1", "127.0.0.2", "127.255.0.9", "::1"] {
        for transport in ["+notcp", "+tcp"] {
            let asked = std::net::SocketAddr::new(address.parse().expect("an address"), port);
            let text = dig(asked, &[transport, "+short", ZONE, "SOA"]);
            // dig takes no reply from elsewhere.
            assert!(text.contains("hostmaster") && !text.contains("unexpected source"), "{address}: {text}");
        }
    }
}

/// A server in a network of its own, and the way to ask it there.
fn enclosed<'y>(yard: &'y Yard, text: &str, addresses: &[&str]) -> (Bellwether<'y>, Enclosure) {
    let server = Bellwether::new(yard, "server");
    server.write_zone(text);
    server.alone("");
    listen(&server, &addresses.iter().map(|&address| address.to_owned()).collect::<Vec<_>>());
    let enclosure = Enclosure::new(yard, Kind::Network, "ip link set lo up");
    server.enter(&enclosure);
    server.start();
    server.wait(1);
    (server, enclosure)
}

fn addresses_may_appear_later(yard: &Yard) {
    let listen = ["192.0.2.55:5300", "[2001:db8::55]:5300", "0.0.0.0:5301", "[::]:5301"];
    let (_server, enclosure) = enclosed(yard, &zone_text(1, 0), &listen);
    let answers = |address: &str, port: u16, transport: &str| {
        let ask = format!("dig @{address} -p {port} +time=1 +tries=1 {transport} +short {ZONE} SOA || true");
        enclosure.run(&ask).contains("hostmaster")
    };
    let addresses = [
        ("192.0.2.55/32", "192.0.2.55", 5300),
        ("2001:db8::55/128", "2001:db8::55", 5300),
        ("192.0.2.77/32", "192.0.2.77", 5301),
        ("2001:db8::77/128", "2001:db8::77", 5301),
    ];
    for (added, address, port) in addresses {
        assert!(!answers(address, port, "+notcp"), "{address} is there before it was added");
        // It comes, goes, and comes back, as an address does that two machines share.
        for _ in 0..2 {
            enclosure
                .run(&format!("ip addr add {added} dev lo nodad 2>/dev/null || ip addr add {added} dev lo"));
            for transport in ["+notcp", "+tcp"] {
                yard::poll(&format!("{address} {transport}"), || {
                    answers(address, port, transport).then_some(())
                });
            }
            enclosure.run(&format!("ip addr del {added} dev lo"));
            yard::poll("the address to be gone", || (!answers(address, port, "+notcp")).then_some(()));
        }
    }
}

fn a_small_link(yard: &Yard) {
    let hosts: String = (0..60).map(|n| format!("many A 192.0.2.{n}\n")).collect();
    let (_server, enclosure) = enclosed(yard, &(zone_text(1, 0) + &hosts), &["127.0.0.1:5300", "[::1]:5300"]);
    let count = |options: &str, address: &str| {
        let ask = format!("dig @{address} -p 5300 +time=2 +tries=1 {options} +short many.{ZONE} A");
        enclosure.run(&ask).lines().count()
    };
    // Nearly a thousand octets: whole on a link that takes them, and on one that does not they come in
    // pieces or, after a hint, over TCP; never not at all.
    for mtu in [65_536, 576] {
        enclosure.run(&format!("ip link set lo mtu {mtu}"));
        assert_eq!(count("+bufsize=1232 +notcp", "127.0.0.1"), 60, "MTU {mtu}");
        assert_eq!(count("+tcp", "127.0.0.1"), 60, "MTU {mtu}");
    }
    // The least link that IPv6 has.
    enclosure.run("ip link set lo mtu 1280");
    assert_eq!(count("+bufsize=4096 +notcp", "127.0.0.1"), 60);
}

/// What the process has used of the processor, in the ticks of the kernel (10 ms).
fn ticks_used(server: &Bellwether) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.id())).expect("a running server");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    // `utime` and `stime`, the 14th and 15th field; the third is the first after the name.
    [fields[11], fields[12]].iter().map(|field| field.parse::<u64>().expect("ticks")).sum()
}

fn an_edit_among_many_zones(yard: &Yard) {
    const EDITS: u32 = 60;
    let cost = |name: &str, zones: usize| {
        let server = Bellwether::new(yard, name);
        let folder = server.dir.join("zones");
        fs::create_dir(&folder).expect("a directory");
        let text = |serial: u32| {
            format!("@ 60 SOA ns1 h {serial} 60 60 86400 60\n@ 60 NS ns1\nns1 60 A 192.0.2.1\n")
        };
        for zone in 0..zones {
            fs::write(folder.join(format!("z{zone}.example.zone")), text(1)).expect("a file");
        }
        let files = folder.join("*.zone");
        server.configure(&format!(
            "[[zones]]\nrole = \"primary\"\nfile = \"{}\"\nallow_transfer = [\"key:{KEY_NAME}\"]\n",
            files.display()
        ));
        server.start();
        let seen = |zone: usize| yard::serial(server.address, &format!("z{zone}.example"));
        for zone in [0, zones / 2, zones - 1] {
            yard::poll(&format!("zone {zone} of {zones}"), || seen(zone));
        }
        yard::poll("all zones", || server.log().contains(" ready ").then_some(()));
        let file = folder.join("z5.example.zone");
        let edit = |serial: u32| {
            replace(&file, &text(serial));
            yard::poll("the edit", || seen(5).filter(|seen| *seen == serial));
        };
        // Whatever the start left to be done is done by then.
        (2..10).for_each(edit);
        let before = ticks_used(&server);
        (10..10 + EDITS).for_each(edit);
        ticks_used(&server) - before
    };
    let (few, many) = (cost("few", 10), cost("many", 10_000));
    // Each edit is a commit, a publish and a few answers. Ten thousand times more would be seen, and
    // so would a tenth of that; what a machine with other work adds is not.
    assert!(many <= 4 * few + 20, "{EDITS} edits cost {few} ticks among 10 zones and {many} among 10,000");
}

fn update_is_not_implemented(yard: &Yard) {
    let server = Bellwether::new(yard, "server");
    server.write_zone(&zone_text(1, 0));
    server.alone("");
    server.start();
    server.wait(1);
    for transport in ["+notcp", "+tcp"] {
        for zone in [ZONE, "example.org"] {
            let question = ["+opcode=update", "+norecurse", transport, zone, "SOA"];
            for text in [dig(server.address, &question), dig_signed(server.address, &question)] {
                assert!(text.contains("opcode: UPDATE, status: NOTIMP"), "{text}");
            }
        }
    }
    assert_eq!(yard::serial(server.address, ZONE), Some(1));
    assert_eq!(yard::transfer(server.address, ZONE).len(), 77);
}
