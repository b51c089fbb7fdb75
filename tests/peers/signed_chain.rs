//! A signed zone on its way from a primary over a relay to a secondary (L09), and the workflow with a
//! signer of its own beside the server (R32): edit, sign, rename into place.

use std::net::SocketAddr;

use crate::Test;
use crate::bellwether::Bellwether;
use crate::peer::{Kind, Peer, Role};
use crate::signed::judge;
use crate::signer::{Chain, Signer, Tool, Validator, zone_to_sign};
use crate::texts::ZONE;
use crate::yard::{self, KEY_NAME, Yard, dig};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("l09_r32_signed_by_bind_edited_and_relayed", BIND, |yard| relayed(yard, Tool::Bind, Chain::Nsec)),
    ("l09_r32_signed_by_bind_with_opt_out_and_relayed", BIND, |yard| {
        relayed(yard, Tool::Bind, Chain::OptOut);
    }),
    ("l09_r32_signed_by_ldns_edited_and_relayed", LDNS, |yard| {
        relayed(yard, Tool::Ldns, Chain::Salted(1));
    }),
    ("l09_r32_signed_by_knot_edited_and_relayed", KNOT, |yard| relayed(yard, Tool::Knot, Chain::Nsec3)),
    ("l09_r32_bind_signs_as_it_serves", &["dig", "delv", "named"], |yard| {
        signs_as_it_serves(yard, Kind::Bind)
    }),
    ("l09_r32_knot_signs_as_it_serves", &["dig", "delv", "knotd"], |yard| {
        signs_as_it_serves(yard, Kind::Knot)
    }),
    ("l09_a_chain_from_bind_over_us_to_knot", PEERS, from_bind_over_us_to_knot),
];

const BIND: &[&str] = &["dig", "delv", "dnssec-keygen", "dnssec-signzone"];
const LDNS: &[&str] = &["dig", "delv", "ldns-keygen", "ldns-signzone"];
const KNOT: &[&str] = &["dig", "delv", "kzonesign"];
const PEERS: &[&str] = &["dig", "delv", "dnssec-keygen", "dnssec-signzone", "named", "knotd"];

/// A secondary that notifies and serves another one.
fn relay<'y>(yard: &'y Yard, primary: SocketAddr, secondary: SocketAddr) -> Bellwether<'y> {
    let relay = Bellwether::new(yard, "relay");
    let peers: String = [("up", primary), ("down", secondary)]
        .map(|(name, address)| format!("[peers.{name}]\naddress = \"{address}\"\nkey = \"{KEY_NAME}\"\n\n"))
        .concat();
    relay.configure(&format!(
        "{peers}[[zones]]\nname = \"{ZONE}\"\nrole = \"secondary\"\nprimaries = [\"up\"]\nsecondaries = [\"down\"]\n"
    ));
    relay
}

/// The zone after an edit: a host more and another address.
fn edited(serial: u32) -> String {
    let text = zone_to_sign(serial).replace("www 300 A 192.0.2.80", "www 300 A 192.0.2.81");
    text + "fresh 300 A 192.0.2.111\n"
}

/// The same edit in what was signed before, so that the signer keeps all signatures that still hold.
fn edited_when_signed(signed: &str, serial: u32) -> String {
    let before = format!(" hostmaster.{ZONE}. {serial} ");
    assert!(signed.contains(&before), "{before} is not in {signed}");
    let text = signed.replace(&before, &format!(" hostmaster.{ZONE}. {} ", serial + 1));
    text.replace("192.0.2.80", "192.0.2.81") + &format!("fresh.{ZONE}. 300 IN A 192.0.2.111\n")
}

fn relayed(yard: &Yard, tool: Tool, chain: Chain) {
    let signer = Signer::new(yard, tool);
    let [primary, secondary] = ["primary", "secondary"].map(|name| Bellwether::new(yard, name));
    let relay = relay(yard, primary.address, secondary.address);
    primary.primary_for(relay.address, crate::bellwether::Trust::Key);
    secondary.secondary_of(relay.address, crate::bellwether::Trust::Key);
    let first = signer.sign(&zone_to_sign(10), chain);
    primary.write_zone(&first);
    let validator = Validator::of(yard, &first);
    let all = [&primary, &relay, &secondary];
    all.iter().for_each(|server| server.start());
    let serial = yard::poll("the zone on the primary", || yard::serial(primary.address, ZONE));
    all.iter().for_each(|server| server.wait(serial));
    // A signed SOA vouches for its serial, so it stays what the signer made it (R11).
    assert!(first.contains(&format!(" {serial} ")), "{serial} is not in {first}");
    judge(&validator, secondary.address, chain);
    yard::assert_same(primary.address, secondary.address, ZONE);
    // Edit, sign, rename into place.
    let text = match tool {
        Tool::Bind => edited_when_signed(&first, serial),
        Tool::Ldns | Tool::Knot => edited(serial + 1),
    };
    primary.write_zone(&signer.sign(&text, chain));
    all.iter().for_each(|server| server.wait(serial + 1));
    // Where everything is signed anew, the whole zone is less than the difference.
    let form = if tool == Tool::Bind { "ixfr" } else { "axfr" };
    for server in [&relay, &secondary] {
        assert!(server.last_transfer().starts_with(form), "{form}: {}", server.last_transfer());
    }
    judge(&validator, secondary.address, chain);
    for server in all {
        for (name, address) in [("fresh", "192.0.2.111"), ("www", "192.0.2.81")] {
            let name = format!("{name}.{ZONE}");
            assert_eq!(dig(server.address, &["+short", &name, "A"]).trim(), address);
            validator.secure(server.address, &name, "A");
        }
    }
    yard::assert_same(primary.address, secondary.address, ZONE);
    // The index of who proves what is made again from what is on the disk.
    secondary.kill();
    secondary.start();
    secondary.wait(serial + 1);
    judge(&validator, secondary.address, chain);
}

fn from_bind_over_us_to_knot(yard: &Yard) {
    let signer = Signer::new(yard, Tool::Bind);
    let mut bind = Peer::new(yard, Kind::Bind);
    let mut knot = Peer::new(yard, Kind::Knot);
    let relay = relay(yard, bind.address, knot.address);
    let first = signer.sign(&zone_to_sign(1), Chain::Nsec3);
    bind.write_zone(&first);
    bind.start(yard, Role::Primary, relay.address);
    bind.wait(1);
    relay.start();
    relay.wait(1);
    knot.start(yard, Role::Secondary, relay.address);
    knot.wait(1);
    let validator = Validator::of(yard, &first);
    judge(&validator, relay.address, Chain::Nsec3);
    bind.edit(&signer.sign(&edited(2), Chain::Nsec3));
    relay.wait(2);
    knot.wait(2);
    for server in [bind.address, relay.address, knot.address] {
        judge(&validator, server, Chain::Nsec3);
    }
    yard::assert_same(bind.address, relay.address, ZONE);
    // Knot writes owners in lower case.
    let [ours, theirs] = [relay.address, knot.address].map(|server| {
        let lower = yard::transfer(server, ZONE).into_iter().map(|record| record.to_lowercase());
        lower.collect::<std::collections::BTreeSet<_>>()
    });
    assert_eq!(ours, theirs);
}

/// The signer is a server: what it signs again comes as differences.
fn signs_as_it_serves(yard: &Yard, kind: Kind) {
    let mut signer = Peer::new(yard, kind);
    let secondary = Bellwether::new(yard, "secondary");
    signer.write_zone(&zone_to_sign(100));
    signer.start(yard, Role::Signer, secondary.address);
    // It publishes the zone before it has signed it.
    let anchor = yard::poll("the zone to be signed", || {
        let text = dig(signer.address, &["+norecurse", "+dnssec", "+noall", "+answer", ZONE, "SOA"]);
        let nsec = dig(signer.address, &["+norecurse", "+noall", "+answer", &format!("zz.{ZONE}"), "NSEC"]);
        let keys = dig(signer.address, &["+norecurse", "+noall", "+answer", "+nosplit", ZONE, "DNSKEY"]);
        (text.contains("RRSIG") && nsec.contains("NSEC")).then_some(keys)
    });
    secondary.secondary_of(signer.address, crate::bellwether::Trust::Key);
    secondary.start();
    let caught_up = || {
        yard::poll("both to have one serial", || {
            let [theirs, ours] = [signer.address, secondary.address].map(|server| yard::serial(server, ZONE));
            ours.filter(|_| ours == theirs)
        })
    };
    let first = caught_up();
    let validator = Validator::of(yard, &anchor);
    judge(&validator, secondary.address, Chain::Nsec);
    signer.edit(&edited(200));
    yard::poll("the edit to arrive", || {
        let text = dig(secondary.address, &["+short", "+norecurse", &format!("fresh.{ZONE}"), "A"]);
        (text.trim() == "192.0.2.111").then_some(())
    });
    assert!(caught_up() > first);
    assert!(secondary.last_transfer().starts_with("ixfr"), "{}", secondary.last_transfer());
    judge(&validator, secondary.address, Chain::Nsec);
    validator.secure(secondary.address, &format!("fresh.{ZONE}"), "A");
    yard::assert_same(signer.address, secondary.address, ZONE);
}
