//! How a name is answered (RFC 1034 §4.3.2 and what came after it), as dig sees it over UDP and TCP.

use crate::Test;
use crate::bellwether::Bellwether;
use crate::texts::ZONE;
use crate::yard::{self, Yard, dig};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("b01_b06_b08_a_child_zone_beside_its_parent", &["dig"], child_zone),
    ("b02_b03_b04_b05_p20_chains_of_cnames", &["dig"], chains),
    ("b07_b10_b11_referrals", &["dig"], referrals),
    ("b09_all_glue_or_tc", &["dig"], glue_or_tc),
    ("b12_b13_b14_b15_what_is_not_there", &["dig"], not_there),
    ("b16_b17_b18_b19_b20_b21_wildcards", &["dig"], wildcards),
    ("b22_ns_at_a_wildcard_is_warned_of", &["dig"], wildcard_cut),
    ("b23_b24_b25_p21_below_a_dname", &["dig"], below_a_dname),
    ("b30_b31_b41_p23_sets_and_any", &["dig"], sets),
    ("b32_b33_b34_p22_additional_addresses", &["dig"], additional),
    ("b35_b36_case_of_names", &["dig"], case_of_names),
    ("b37_b38_compression_as_others_read_it", &["dig", "python3"], compression),
    ("b39_known_and_not_loaded_is_servfail", &["dig"], not_loaded),
    ("b40_old_or_new_and_no_mix", &["dig"], no_mix),
];

/// A digest for DS records.
const DIGEST: &str = "0707070707070707070707070707070707070707070707070707070707070707";

fn parent() -> String {
    let long = ["x".repeat(60), "y".repeat(60), "z".repeat(60)].join(".");
    let mut text = format!(
        "$ORIGIN {ZONE}.\n$TTL 3600\n@ SOA ns1 hostmaster 1 3600 600 1209600 60\n@ NS ns1\n@ MX 10 mail\n\
         ns1 A 192.0.2.1\nmail A 192.0.2.25\nmail AAAA 2001:db8::25\nmail TXT \"one\"\nmail MX 5 mail\n\
         one CNAME two\ntwo CNAME three\nthree A 192.0.2.3\nlost CNAME none\nloop-a CNAME loop-b\nloop-b CNAME loop-a\n\
         away CNAME www.kid\nout CNAME www.example.org.\nsub NS ns.sub\nsub NS ns.peer\nns.sub A 192.0.2.53\n\
         peer NS ns.peer\nns.peer A 192.0.2.54\nkid NS ns.kid\nkid DS 1 13 2 {DIGEST}\nns.kid A 192.0.2.56\n\
         a.b.c A 192.0.2.7\n*.wild A 192.0.2.99\n*.wild MX 10 mail\nhost.wild A 192.0.2.98\n\
         deep.*.wild TXT \"below\"\ncut.wild NS ns.example.org.\n*.alias CNAME three\n\
         d 300 DNAME target\nd MX 10 mail\nx.target A 192.0.2.11\nlong DNAME {long}\n\
         dup A 192.0.2.13\ndup A 192.0.2.13\nmany A 192.0.2.14\nmany A 192.0.2.15\nmany A 192.0.2.16\n\
         svc HTTPS 1 . port=8443 alpn=h2\nsvc A 192.0.2.17\nfar HTTPS 0 mail\n_imap._tcp SRV 0 1 143 mail\n\
         outside MX 10 mail.example.org.\nMiXed TXT \"CaSe\"\n\\200 A 192.0.2.18\n"
    );
    for server in 1..=20 {
        text += &format!("big NS ns{server}.big\nns{server}.big A 198.51.100.{server}\n");
    }
    text
}

const KID: &str = "$ORIGIN kid.example.com.\n$TTL 3600\n@ SOA ns hostmaster 7 3600 600 1209600 60\n@ NS ns\n\
                   ns A 192.0.2.56\nwww A 192.0.2.57\n";

/// A server of these two.
fn server(yard: &Yard) -> Bellwether<'_> {
    let server = Bellwether::new(yard, "primary");
    server.write_zone(&parent());
    std::fs::write(server.dir.join("kid.zone"), KID).expect("a file");
    let zone = |name: &str, file: &str| {
        format!("[[zones]]\nname = \"{name}\"\nrole = \"primary\"\nfile = \"{file}\"\n")
    };
    server.configure(&(zone(ZONE, "example.com.zone") + &zone("kid.example.com", "kid.zone")));
    server.start();
    server.wait(1);
    server.wait_for("kid.example.com", 7);
    server
}

/// What dig shows of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    status: String,
    authoritative: bool,
    truncated: bool,
    sections: [Vec<String>; 3],
}

impl Seen {
    fn read(text: &str) -> Seen {
        let status = text.split("status: ").nth(1).and_then(|rest| rest.split(',').next()).expect("a status");
        let flags = text.split(";; flags: ").nth(1).and_then(|rest| rest.split(';').next()).expect("flags");
        let flag = |name: &str| flags.split(' ').any(|flag| flag == name);
        let section = |name: &str| {
            let after = text.split(&format!(";; {name} SECTION:\n")).nth(1).unwrap_or_default();
            let mut records = yard::records(after.split("\n\n").next().unwrap_or_default());
            records.sort();
            records
        };
        Seen {
            status: status.to_owned(),
            authoritative: flag("aa"),
            truncated: flag("tc"),
            sections: ["ANSWER", "AUTHORITY", "ADDITIONAL"].map(section),
        }
    }

    /// Status, AA and the types of the records of answer and authority.
    fn shape(&self) -> (&str, bool, String, String) {
        let types = |section: &[String]| {
            let of = |record: &String| record.split(' ').nth(3).unwrap_or_default().to_owned();
            section.iter().map(of).collect::<Vec<_>>().join(" ")
        };
        (&self.status, self.authoritative, types(&self.sections[0]), types(&self.sections[1]))
    }

    fn answers(&self) -> Vec<&str> {
        self.sections[0].iter().map(String::as_str).collect()
    }
}

/// The answer, the same over UDP and TCP.
fn see(server: &Bellwether<'_>, qname: &str, qtype: &str) -> Seen {
    let [udp, tcp] = ["+notcp", "+tcp"].map(|transport| {
        Seen::read(&dig(server.address, &["+norecurse", "+nocookie", transport, qname, qtype]))
    });
    assert_eq!(udp, tcp, "{qname} {qtype}");
    udp
}

/// Fails unless the answer has this shape.
fn shaped(
    server: &Bellwether<'_>,
    qname: &str,
    qtype: &str,
    status: &str,
    aa: bool,
    records: [&str; 2],
) -> Seen {
    let seen = see(server, qname, qtype);
    let [answer, authority] = records.map(str::to_owned);
    assert_eq!(seen.shape(), (status, aa, answer, authority), "{qname} {qtype}");
    seen
}

fn child_zone(yard: &Yard) {
    let server = server(yard);
    shaped(&server, "www.kid.example.com", "A", "NOERROR", true, ["A", ""]);
    let none = shaped(&server, "none.kid.example.com", "A", "NXDOMAIN", true, ["", "SOA"]);
    assert!(none.sections[1][0].starts_with("kid.example.com. "), "{none:?}");
    // B08: the parent has the DS, and says so with authority.
    shaped(&server, "kid.example.com", "DS", "NOERROR", true, ["DS", ""]);
    shaped(&server, "kid.example.com", "SOA", "NOERROR", true, ["SOA", ""]);
    // B06: an alias leads into the other zone, but not out of what is served.
    let away = shaped(&server, "away.example.com", "A", "NOERROR", true, ["CNAME A", ""]);
    assert!(away.answers().iter().any(|record| record.ends_with(" A 192.0.2.57")), "{away:?}");
    shaped(&server, "out.example.com", "A", "NOERROR", true, ["CNAME", ""]);
}

fn chains(yard: &Yard) {
    let server = server(yard);
    for (qtype, records) in [("A", "A"), ("AAAA", "AAAA"), ("TXT", "TXT"), ("MX", "MX")] {
        shaped(&server, "mail.example.com", qtype, "NOERROR", true, [records, ""]);
    }
    shaped(&server, "one.example.com", "A", "NOERROR", true, ["CNAME A CNAME", ""]);
    shaped(&server, "one.example.com", "CNAME", "NOERROR", true, ["CNAME", ""]);
    shaped(&server, "one.example.com", "ANY", "NOERROR", true, ["CNAME", ""]);
    shaped(&server, "one.example.com", "TXT", "NOERROR", true, ["CNAME CNAME", "SOA"]);
    shaped(&server, "lost.example.com", "A", "NXDOMAIN", true, ["CNAME", "SOA"]);
    shaped(&server, "loop-a.example.com", "A", "NOERROR", true, ["CNAME CNAME", ""]);
}

fn referrals(yard: &Yard) {
    let server = server(yard);
    for (qname, qtype) in [
        ("sub.example.com", "NS"),
        ("sub.example.com", "A"),
        ("below.sub.example.com", "A"),
        // B11: glue is no answer.
        ("ns.sub.example.com", "A"),
    ] {
        let seen = shaped(&server, qname, qtype, "NOERROR", false, ["", "NS NS"]);
        // B10: the glue, and that of the sibling, which fits.
        let glue = ["ns.peer.example.com. 3600 IN A 192.0.2.54", "ns.sub.example.com. 3600 IN A 192.0.2.53"];
        assert_eq!(seen.sections[2], glue, "{qname}");
    }
    shaped(&server, "sub.example.com", "DS", "NOERROR", true, ["", "SOA"]);
}

fn glue_or_tc(yard: &Yard) {
    let server = server(yard);
    let ask = |transport| {
        let arguments = ["+norecurse", "+noedns", "+ignore", transport, "x.big.example.com", "A"];
        Seen::read(&dig(server.address, &arguments))
    };
    assert!(ask("+notcp").truncated);
    let whole = ask("+tcp");
    assert_eq!((whole.truncated, whole.sections[1].len(), whole.sections[2].len()), (false, 20, 20));
}

fn not_there(yard: &Yard) {
    let server = server(yard);
    for (qname, status) in [
        ("none.example.com", "NXDOMAIN"),
        ("x.mail.example.com", "NXDOMAIN"),
        ("mail.example.com", "NOERROR"),
        // B15: empty non-terminals.
        ("b.c.example.com", "NOERROR"),
        ("c.example.com", "NOERROR"),
    ] {
        let seen = shaped(&server, qname, "PTR", status, true, ["", "SOA"]);
        // B14: the smaller of the SOA's TTL and its last number.
        assert!(seen.sections[1][0].starts_with("example.com. 60 IN SOA "), "{seen:?}");
    }
}

fn wildcards(yard: &Yard) {
    let server = server(yard);
    let owned = |qname: &str, owner: &str| {
        let seen = shaped(&server, qname, "A", "NOERROR", true, ["A", ""]);
        assert!(seen.answers()[0].starts_with(&format!("{owner}. ")), "{seen:?}");
    };
    owned("any.wild.example.com", "any.wild.example.com");
    owned("x.y.wild.example.com", "x.y.wild.example.com");
    // B19: asked for literally it is a name like any other, and below it is no wildcard.
    owned("*.wild.example.com", "*.wild.example.com");
    shaped(&server, "deep.*.wild.example.com", "TXT", "NOERROR", true, ["TXT", ""]);
    shaped(&server, "other.*.wild.example.com", "A", "NXDOMAIN", true, ["", "SOA"]);
    // B16, B17: a name that exists, and what is below it, has no wildcard.
    shaped(&server, "host.wild.example.com", "MX", "NOERROR", true, ["", "SOA"]);
    shaped(&server, "x.host.wild.example.com", "A", "NXDOMAIN", true, ["", "SOA"]);
    // B18: a type that the wildcard lacks.
    shaped(&server, "any.wild.example.com", "AAAA", "NOERROR", true, ["", "SOA"]);
    // B20: a CNAME is made and followed.
    shaped(&server, "any.alias.example.com", "A", "NOERROR", true, ["CNAME A", ""]);
    // B21: a cut below the wildcard wins.
    shaped(&server, "x.cut.wild.example.com", "A", "NOERROR", false, ["", "NS"]);
}

fn wildcard_cut(yard: &Yard) {
    let server = Bellwether::new(yard, "primary");
    server.write_zone(&(parent() + "*.everywhere NS ns.example.org.\n"));
    server.alone("");
    let said = yard::said(&server.command(&["check"], &[]));
    assert!(said.contains("warning") && said.contains("*.everywhere"), "{said}");
    server.start();
    server.wait(1);
    shaped(&server, "x.everywhere.example.com", "A", "NOERROR", true, ["", "SOA"]);
    shaped(&server, "x.everywhere.example.com", "NS", "NOERROR", true, ["NS", ""]);
}

fn below_a_dname(yard: &Yard) {
    let server = server(yard);
    let seen = shaped(&server, "x.d.example.com", "A", "NOERROR", true, ["DNAME CNAME A", ""]);
    assert_eq!(seen.answers()[1], "x.d.example.com. 300 IN CNAME x.target.example.com.");
    shaped(&server, "none.d.example.com", "A", "NXDOMAIN", true, ["DNAME CNAME", "SOA"]);
    // B25: the owner keeps its own types.
    shaped(&server, "d.example.com", "MX", "NOERROR", true, ["MX", ""]);
    shaped(&server, "d.example.com", "A", "NOERROR", true, ["", "SOA"]);
    // B24: a name that gets too long.
    let long = format!("{}.{}.long.example.com", "q".repeat(60), "r".repeat(40));
    shaped(&server, &long, "A", "YXDOMAIN", true, ["DNAME", ""]);
}

fn sets(yard: &Yard) {
    let server = server(yard);
    shaped(&server, "dup.example.com", "A", "NOERROR", true, ["A", ""]);
    // B31: one set of several.
    let any = see(&server, "mail.example.com", "ANY");
    let types = any.shape().2;
    assert!(["A", "AAAA", "MX", "TXT"].contains(&types.as_str()), "{types}");
    // B41: the order is always the same, and so is the content.
    let first = dig(server.address, &["+short", "many.example.com", "A"]);
    assert_eq!(first.lines().count(), 3);
    for _ in 0..20 {
        assert_eq!(dig(server.address, &["+short", "many.example.com", "A"]), first);
    }
}

fn additional(yard: &Yard) {
    let server = server(yard);
    let added = |qname: &str, qtype: &str| -> Vec<String> {
        let seen = see(&server, qname, qtype);
        seen.sections[2]
            .iter()
            .filter_map(|record| record.split(' ').next_back().map(str::to_owned))
            .collect()
    };
    let none: Vec<String> = Vec::new();
    let mail = ["192.0.2.25", "2001:db8::25"];
    assert_eq!(added("example.com", "MX"), mail);
    assert_eq!(added("_imap._tcp.example.com", "SRV"), mail);
    assert_eq!(added("far.example.com", "HTTPS"), mail);
    // B32: "." is the owner itself.
    assert_eq!(added("svc.example.com", "HTTPS"), ["192.0.2.17"]);
    assert_eq!(added("outside.example.com", "MX"), none);
    // B33: parameters are sorted by their numbers, whatever the order in the file.
    let svc = dig(server.address, &["+short", "svc.example.com", "HTTPS"]);
    assert_eq!(svc.trim(), "1 . alpn=\"h2\" port=8443");
    // No answer brings along what nobody needs: the servers of the zone, and their addresses.
    for (qname, qtype) in [("example.com", "SOA"), ("example.com", "NS"), ("ns1.example.com", "A")] {
        let seen = see(&server, qname, qtype);
        assert_eq!(seen.sections[1].len(), 0, "{seen:?}");
    }
}

fn case_of_names(yard: &Yard) {
    let server = server(yard);
    let text = dig(server.address, &["+norecurse", "mAiL.ExAmPlE.cOm", "A"]);
    assert!(text.contains(";mAiL.ExAmPlE.cOm."), "the question comes back as it was: {text}");
    let mixed = see(&server, "mixed.example.com", "TXT");
    assert!(mixed.answers()[0].ends_with("TXT \"CaSe\""), "{mixed:?}");
    let whole = dig(server.address, &["+norecurse", "MIXED.example.com", "TXT", "+noall", "+answer"]);
    assert_eq!(yard::records(&whole).len(), 1);
    // Octets beyond ASCII have no case.
    shaped(&server, "\\200.example.com", "A", "NOERROR", true, ["A", ""]);
    shaped(&server, "\\240.example.com", "A", "NXDOMAIN", true, ["", "SOA"]);
}

fn compression(yard: &Yard) {
    let server = Bellwether::new(yard, "primary");
    let mut text = parent();
    for host in 0..1000 {
        text += &format!("wide SRV 0 {host} 53 host-{host}.some.where.far.below\n");
    }
    server.write_zone(&text);
    server.alone("");
    server.start();
    server.wait(1);
    // dnspython takes no pointer that leads forward, nor any inside an SRV that it could not write itself.
    let script = format!(
        "import dns.message, dns.query, dns.rdatatype\n\
         q = dns.message.make_query('wide.example.com', 'SRV', use_edns=True)\n\
         r = dns.query.tcp(q, '127.0.0.1', port={}, timeout=30)\n\
         rr = r.find_rrset(r.answer, q.question[0].name, 1, dns.rdatatype.SRV)\n\
         print(len(rr))\n",
        server.address.port()
    );
    let mut python = std::process::Command::new("/usr/bin/python3");
    let said = yard::run(python.args(["-c", &script]));
    assert!(said.starts_with("1000"), "{said}");
    // Each target stands there in full: the record of the last one has no pointer.
    let text = dig(server.address, &["+tcp", "+noall", "+answer", "+stats", "wide.example.com", "SRV"]);
    let size: usize = text.split("rcvd: ").nth(1).and_then(|rest| rest.trim().parse().ok()).expect("a size");
    assert!((50_000..65_535).contains(&size), "{size} octets");
}

fn not_loaded(yard: &Yard) {
    let server = Bellwether::new(yard, "primary");
    server.write_zone("$ORIGIN example.com.\n@ SOA this is no zone\n");
    server.alone("");
    server.start();
    server.problem();
    for qname in ["example.com", "www.example.com", "none.example.com"] {
        shaped(&server, qname, "A", "SERVFAIL", false, ["", ""]);
    }
}

fn no_mix(yard: &Yard) {
    let server = Bellwether::new(yard, "primary");
    let text = |serial: u32| {
        let all: String = (0..40).map(|n| format!("all TXT \"{serial} {n}\"\n")).collect();
        parent().replace("hostmaster 1 ", &format!("hostmaster {serial} ")) + &all
    };
    server.write_zone(&text(1));
    server.alone("");
    server.start();
    server.wait(1);
    for serial in 2..=12 {
        server.write_zone(&text(serial));
        let mut seen = 0;
        while seen < serial {
            let answer = dig(server.address, &["+short", "+tcp", "all.example.com", "TXT"]);
            let tokens: std::collections::BTreeSet<&str> =
                answer.lines().filter_map(|line| line.trim_matches('"').split(' ').next()).collect();
            assert!(tokens.len() == 1 && answer.lines().count() == 40, "{answer}");
            let token: u32 = tokens.first().and_then(|token| token.parse().ok()).expect("a number");
            assert!(token + 1 >= serial && token >= seen, "{token} after {seen}");
            seen = token;
        }
    }
}
