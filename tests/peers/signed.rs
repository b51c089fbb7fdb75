//! Zones that were signed elsewhere, served: every answer is judged by a validator (PROTOCOL L).

use std::net::SocketAddr;

use crate::Test;
use crate::bellwether::Bellwether;
use crate::peer::{Kind, Peer, Role};
use crate::signer::{Chain, PROGRAMS, Signer, Tool, Validator, zone_to_sign};
use crate::texts::ZONE;
use crate::yard::{self, Yard, dig};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("l03_l04_l05_l06_l07_proofs_by_nsec", PROGRAMS, |yard| proofs(yard, Tool::Bind, Chain::Nsec)),
    ("l10_l11_l14_proofs_by_nsec3", PROGRAMS, |yard| proofs(yard, Tool::Bind, Chain::Nsec3)),
    ("l10_l11_l14_proofs_by_salted_nsec3", PROGRAMS, |yard| proofs(yard, Tool::Bind, Chain::Salted(10))),
    ("l11_l12_proofs_with_opt_out", PROGRAMS, |yard| proofs(yard, Tool::Bind, Chain::OptOut)),
    ("l03_l04_l05_l06_l07_proofs_of_ldns_signzone", LDNS, |yard| proofs(yard, Tool::Ldns, Chain::Nsec)),
    ("l10_l11_l14_proofs_of_ldns_signzone", LDNS, |yard| proofs(yard, Tool::Ldns, Chain::Salted(3))),
    ("l11_l12_proofs_of_ldns_signzone_with_opt_out", LDNS, |yard| proofs(yard, Tool::Ldns, Chain::OptOut)),
    ("l10_more_iterations_than_are_hashed", LDNS, more_iterations_than_are_hashed),
    ("l01_l02_signatures_and_nsec_for_those_who_ask", PROGRAMS, |yard| for_those_who_ask(yard, Chain::Nsec)),
    ("l01_l02_signatures_and_nsec3_for_those_who_ask", PROGRAMS, |yard| {
        for_those_who_ask(yard, Chain::Nsec3)
    }),
    ("l08_ad_and_cd_are_clear", PROGRAMS, ad_and_cd_are_clear),
    ("l09_a_signed_file_is_transferred_as_it_is", WITH_BIND, transferred_as_it_is),
    ("l13_the_owner_of_an_nsec3_does_not_exist", PROGRAMS, owner_of_an_nsec3),
    ("l15_a_chain_that_is_being_built_is_not_used", PROGRAMS, a_chain_that_is_being_built),
    ("l17_nxname_is_no_query_type", &["dig"], nxname),
    ("l19_the_dname_is_signed_and_the_cname_is_not", PROGRAMS, dname),
    ("b08_l11_ds_of_a_child_hosted_beside_its_parent", PROGRAMS, ds_beside_the_child),
];

const LDNS: &[&str] = &["dig", "delv", "ldns-keygen", "ldns-signzone"];
const WITH_BIND: &[&str] = &["dig", "delv", "dnssec-keygen", "dnssec-signzone", "named"];

/// Questions whose answers are secure with each chain, with what each is about.
const SECURE: &[(&str, &str)] = &[
    // L01: data, addresses of a mail host.
    ("www", "A"),
    ("", "MX"),
    ("", "DNSKEY"),
    ("www", "ANY"),
    ("alias", "A"),
    // L03, L14: no such type, at a name and at an empty non-terminal.
    ("www", "MX"),
    ("b.c", "A"),
    ("c", "NS"),
    ("empty", "A"),
    // L07, L11: DS of a signed child.
    ("signed", "DS"),
    // L19.
    ("x.d", "A"),
    ("d", "DNAME"),
    ("d", "A"),
];

/// Questions whose answers are secure unless an opt-out may hide something.
const SECURE_WITHOUT_OPT_OUT: &[(&str, &str)] = &[
    // L04, L10: no such name, also at the end of a chain.
    ("nothing", "A"),
    ("0", "A"),
    ("zzz", "A"),
    ("x.y.www", "A"),
    ("x.c", "A"),
    ("gone", "A"),
    ("y.d", "A"),
    // L05: a wildcard stands in.
    ("x.wild", "A"),
    ("x.y.wild", "A"),
    ("x.to", "A"),
    ("x.twice", "A"),
    ("x.lost", "A"),
    ("x.dwild", "A"),
    // L06: and lacks the type, or is an empty non-terminal.
    ("x.wild", "MX"),
    ("x.to", "DS"),
    ("x.empty", "A"),
    // L11: a child without DS.
    ("unsigned", "DS"),
    ("child.only", "DS"),
    ("only", "A"),
];

fn full(name: &str) -> String {
    if name.is_empty() { ZONE.to_owned() } else { format!("{name}.{ZONE}") }
}

/// A server of a zone that was signed, and who judges it.
fn serve<'y>(yard: &'y Yard, signed: &str) -> (Bellwether<'y>, Validator) {
    let server = Bellwether::new(yard, "server");
    assert!(!server.config().exists(), "one server a yard");
    server.write_zone(signed);
    server.alone("");
    server.start();
    server.wait(1);
    (server, Validator::of(yard, signed))
}

fn proofs(yard: &Yard, tool: Tool, chain: Chain) {
    let signed = Signer::new(yard, tool).sign(&zone_to_sign(1), chain);
    let (server, validator) = serve(yard, &signed);
    judge(&validator, server.address, chain);
    referrals(server.address, tool, chain);
}

/// All questions.
pub fn judge(validator: &Validator, server: SocketAddr, chain: Chain) {
    for (name, rtype) in SECURE {
        validator.secure(server, &full(name), rtype);
    }
    for (name, rtype) in SECURE_WITHOUT_OPT_OUT {
        match chain {
            Chain::OptOut => validator.not_bogus(server, &full(name), rtype),
            Chain::Nsec | Chain::Nsec3 | Chain::Salted(_) => validator.secure(server, &full(name), rtype),
        }
    }
}

/// What dig shows of a section, DO set, one record a line.
fn section(server: SocketAddr, section: &str, name: &str, rtype: &str) -> Vec<String> {
    let text = dig(server, &["+dnssec", "+norecurse", "+noall", section, &full(name), rtype]);
    yard::records(&text)
}

fn of_type(records: &[String], rtype: &str) -> Vec<String> {
    let is = |record: &&String| record.split(' ').nth(3) == Some(rtype);
    records.iter().filter(is).cloned().collect()
}

/// A referral carries what the answer to DS does, which the validator has judged (L07, L12).
fn referrals(server: SocketAddr, tool: Tool, chain: Chain) {
    for cut in ["signed", "unsigned", "child.only"] {
        let referral = section(server, "+authority", &format!("x.{cut}"), "A");
        let about_ds = if cut == "signed" { "+answer" } else { "+authority" };
        let proof: Vec<String> = section(server, about_ds, cut, "DS");
        let is_of_soa = |record: &String| record.contains(" IN SOA ") || record.contains(" RRSIG SOA ");
        let mut proof: Vec<String> = proof.into_iter().filter(|record| !is_of_soa(record)).collect();
        let mut rest: Vec<String> =
            referral.iter().filter(|line| !line.contains(" NS ns.")).cloned().collect();
        proof.sort();
        rest.sort();
        assert_eq!(rest, proof, "{cut}");
        assert!(of_type(&referral, "NS").len() == 1 && !rest.is_empty(), "{referral:#?}");
        let proofs = of_type(&rest, "NSEC").len() + of_type(&rest, "NSEC3").len();
        let expected = match (cut, tool, chain) {
            ("signed", ..) => 0,
            // The closest encloser that is in the chain, and the one that covers what is nearer. The
            // signer of ldns says that it opts out and leaves nothing out.
            (_, Tool::Bind, Chain::OptOut) => 2,
            _ => 1,
        };
        assert_eq!(proofs, expected, "{cut}: {rest:#?}");
    }
}

fn more_iterations_than_are_hashed(yard: &Yard) {
    // 151 is the least that is too many; 150 still proves.
    let signer = Signer::new(yard, Tool::Ldns);
    let (server, validator) = serve(yard, &signer.sign(&zone_to_sign(1), Chain::Salted(150)));
    validator.secure(server.address, &full("nothing"), "A");
    server.write_zone(&signer.sign(&zone_to_sign(2), Chain::Salted(151)));
    server.wait(2);
    validator.secure(server.address, &full("www"), "A");
    for (name, rtype) in [("nothing", "A"), ("www", "MX"), ("unsigned", "DS"), ("x.wild", "A")] {
        // Validators take more than they would hash for unsigned, by the count alone (RFC 9276 §3.2).
        let said = validator.ask(server.address, &full(name), rtype);
        assert!(said.contains("unsigned answer"), "{name} {rtype}: {said}");
        assert_eq!(of_type(&section(server.address, "+authority", name, rtype), "NSEC3").len(), 1);
    }
}

fn for_those_who_ask(yard: &Yard, chain: Chain) {
    let (server, _) = serve(yard, &Signer::new(yard, Tool::Bind).sign(&zone_to_sign(1), chain));
    for (name, rtype) in SECURE.iter().chain(SECURE_WITHOUT_OPT_OUT) {
        let text =
            dig(server.address, &["+norecurse", "+noall", "+answer", "+authority", &full(name), rtype]);
        let about_signing = |record: &String| {
            ["RRSIG", "NSEC", "NSEC3"].contains(&record.split(' ').nth(3).unwrap_or_default())
        };
        assert!(!yard::records(&text).iter().any(about_signing), "{name} {rtype}: {text}");
    }
    // Asked by type they come.
    let rrsigs = yard::records(&dig(server.address, &["+noall", "+answer", &full("www"), "RRSIG"]));
    assert!(rrsigs.len() >= 2 && of_type(&rrsigs, "RRSIG") == rrsigs, "{rrsigs:#?}");
    let nsec = yard::records(&dig(server.address, &["+noall", "+answer", &full("www"), "NSEC"]));
    assert_eq!(of_type(&nsec, "NSEC").len(), usize::from(chain == Chain::Nsec));
    // Signatures and proofs are needed: where they do not fit, the client has to come again.
    let small = ["+norecurse", "+dnssec", "+notcp", "+ignore", "+bufsize=512"];
    let text = dig(server.address, &[&small[..], &[&full("x.y.www"), "A"]].concat());
    assert_eq!(text.contains("flags: qr aa tc;"), chain == Chain::Nsec3, "{text}");
    let text = dig(server.address, &[&small[..], &[&full("www"), "A"]].concat());
    assert!(text.contains("flags: qr aa;"), "{text}");
    let text = dig(server.address, &[&small[..], &[ZONE, "DNSKEY"]].concat());
    assert!(text.contains("flags: qr aa tc;") || text.contains("RRSIG\tDNSKEY"), "{text}");
}

fn ad_and_cd_are_clear(yard: &Yard) {
    let (server, _) = serve(yard, &Signer::new(yard, Tool::Bind).sign(&zone_to_sign(1), Chain::Nsec));
    for name in ["www", "nothing"] {
        let text = dig(server.address, &["+norecurse", "+dnssec", "+adflag", "+cdflag", &full(name), "A"]);
        // RFC 4035 §3.1.6: we judge nothing.
        assert!(text.contains("flags: qr aa; "), "{text}");
    }
}

fn transferred_as_it_is(yard: &Yard) {
    let signed = Signer::new(yard, Tool::Bind).sign(&zone_to_sign(1), Chain::OptOut);
    let (server, _) = serve(yard, &signed);
    let mut bind = Peer::new(yard, Kind::Bind);
    bind.write_zone(&signed);
    bind.start(yard, Role::Primary, server.address);
    bind.wait(1);
    yard::assert_same(server.address, bind.address, ZONE);
    let records = yard::transfer(server.address, ZONE);
    // Each signature has the TTL of what it covers.
    for (covered, ttl) in [("A 13 3", "300"), ("DNAME 13 3", "600"), ("MX 13 2", "3600")] {
        let line = format!(" {ttl} IN RRSIG {covered} {ttl} ");
        assert!(records.iter().any(|record| record.contains(&line)), "{line}: {records:#?}");
    }
}

fn owner_of_an_nsec3(yard: &Yard) {
    let signed = Signer::new(yard, Tool::Bind).sign(&zone_to_sign(1), Chain::Nsec3);
    let (server, validator) = serve(yard, &signed);
    let records = yard::transfer(server.address, ZONE);
    let owners = of_type(&records, "NSEC3");
    assert!(owners.len() > 20, "{owners:#?}");
    for record in owners.iter().take(5) {
        let owner = record.split('.').next().expect("a label").to_owned();
        for (name, rtype) in [(owner.clone(), "NSEC3"), (owner.clone(), "A"), (format!("x.{owner}"), "A")] {
            let text = dig(server.address, &["+norecurse", &full(&name), rtype]);
            assert!(text.contains("status: NXDOMAIN") && text.contains("ANSWER: 0"), "{text}");
            validator.secure(server.address, &full(&name), rtype);
        }
    }
}

fn a_chain_that_is_being_built(yard: &Yard) {
    let signer = Signer::new(yard, Tool::Bind);
    let signed = |serial: u32, chain| signer.sign(&zone_to_sign(serial), chain);
    let (server, validator) = serve(yard, &signed(1, Chain::Nsec));
    // The chain grows beside the other one, without the record that says that it is whole.
    let grown = |serial: u32, share: usize| {
        let hashed = signed(serial, Chain::Nsec3);
        let of_chain = hashed.lines().filter(|line| line.contains("NSEC3 ") && !line.contains("NSEC3PARAM"));
        let of_chain: Vec<&str> = of_chain.collect();
        let part = of_chain[..of_chain.len() * share / 4].join("\n");
        signed(serial, Chain::Nsec) + &part + "\n"
    };
    let proof = |kind: &str| {
        let authority = section(server.address, "+authority", "nothing", "A");
        assert!(!of_type(&authority, kind).is_empty(), "{kind}: {authority:#?}");
        judge(&validator, server.address, Chain::Nsec);
    };
    proof("NSEC");
    for share in 1..=4 {
        let serial = 1 + share as u32;
        server.write_zone(&grown(serial, share));
        server.wait(serial);
        proof("NSEC");
    }
    // With flags it is still under construction.
    let parameters = format!("{ZONE}. 0 IN NSEC3PARAM 1 1 0 -\n");
    server.write_zone(&(grown(6, 4) + &parameters));
    server.wait(6);
    proof("NSEC");
    // Whole, and said so: both stand side by side for a while.
    let both = |serial| {
        let lines = signed(serial, Chain::Nsec3);
        let names = signed(serial, Chain::Nsec);
        let of_names = names.lines().filter(|line| line.contains("NSEC ") && !line.contains("\tSOA"));
        let of_names: Vec<&str> = of_names.filter(|line| !line.contains("NSEC3")).collect();
        lines + &of_names.join("\n") + "\n"
    };
    server.write_zone(&both(7));
    server.wait(7);
    proof("NSEC3");
    server.write_zone(&signed(8, Chain::Nsec3));
    server.wait(8);
    proof("NSEC3");
    server.write_zone(&signed(9, Chain::Nsec));
    server.wait(9);
    proof("NSEC");
}

fn nxname(yard: &Yard) {
    let server = Bellwether::new(yard, "server");
    server.write_zone(&zone_to_sign(1));
    server.alone("");
    server.start();
    server.wait(1);
    let text = dig(server.address, &["+norecurse", &full("www"), "TYPE128"]);
    assert!(text.contains("status: FORMERR") && text.contains("EDE: 30"), "{text}");
}

fn dname(yard: &Yard) {
    let (server, validator) = serve(yard, &Signer::new(yard, Tool::Bind).sign(&zone_to_sign(1), Chain::Nsec));
    let answer = section(server.address, "+answer", "x.d", "A");
    let covered = |rtype: &str| {
        let mark = format!(" RRSIG {rtype} ");
        answer.iter().filter(|record| record.contains(&mark)).count()
    };
    assert_eq!((covered("DNAME"), covered("CNAME"), covered("A")), (1, 0, 1), "{answer:#?}");
    assert_eq!(of_type(&answer, "CNAME"), ["x.d.example.com. 600 IN CNAME x.target.example.com."]);
    validator.secure(server.address, &full("x.d"), "A");
}

fn ds_beside_the_child(yard: &Yard) {
    let signed = Signer::new(yard, Tool::Bind).sign(&zone_to_sign(1), Chain::Nsec3);
    let server = Bellwether::new(yard, "server");
    server.write_zone(&signed);
    let mut more = String::new();
    for child in ["signed", "unsigned"] {
        let file = server.dir.join(child);
        let text = "$TTL 60\n@ SOA ns hostmaster 1 3600 600 1209600 300\n@ NS ns\nns A 192.0.2.53\n";
        std::fs::write(&file, text).expect("a zone file");
        let (name, file) = (full(child), file.display());
        more += &format!("[[zones]]\nname = \"{name}\"\nrole = \"primary\"\nfile = \"{file}\"\n");
    }
    server.alone(&more);
    server.start();
    server.wait(1);
    server.wait_for(&full("unsigned"), 1);
    let validator = Validator::of(yard, &signed);
    for child in ["signed", "unsigned"] {
        validator.secure(server.address, &full(child), "DS");
        let soa = section(server.address, "+answer", child, "SOA");
        assert!(of_type(&soa, "SOA")[0].starts_with(&format!("{}. 60 ", full(child))), "{soa:#?}");
    }
}
