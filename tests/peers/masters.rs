//! What may stand in a zone file (RFC 1035 §5), as `check` and dig see it.

use crate::Test;
use crate::bellwether::Bellwether;
use crate::texts::ZONE;
use crate::yard::{self, Yard, dig};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("b26_b27_b28_b29_c07_c08_records_that_do_not_go_together", &["dig"], together),
    ("c02_p1_includes", &["dig"], includes),
    ("c03_c13_escapes_and_any_octet", &["dig"], escapes),
    ("c04_c05_c06_ttl_and_class_in_any_order", &["dig"], ttl_and_class),
    ("c09_c10_unknown_types_and_the_generic_form", &["dig"], generic_form),
    ("c11_c12_strings", &["dig"], strings),
    ("c14_p2_generate", &["dig"], generate),
    ("c15_c18_errors_and_serials_keep_the_old_zone", &["dig"], errors_and_serials),
    ("c17_text_of_many_types", &["dig"], many_types),
];

const HEAD: &str = "$ORIGIN example.com.\n$TTL 3600\n@ SOA ns1 hostmaster 1 3600 600 1209600 60\n@ NS ns1\n\
                    ns1 A 192.0.2.1\n";

/// A server that is not started, with a zone of these lines.
fn with<'y>(yard: &'y Yard, lines: &str) -> Bellwether<'y> {
    let server = Bellwether::new(yard, "primary");
    server.write_zone(&format!("{HEAD}{lines}"));
    server.alone("");
    server
}

/// What `check` says of a zone of these lines; whether it takes them.
fn check(server: &Bellwether<'_>, text: &str) -> (bool, String) {
    server.write_zone(text);
    let output = server.command(&["check"], &[]);
    (output.status.success(), yard::said(&output))
}

/// Serves the lines.
fn serving<'y>(yard: &'y Yard, lines: &str) -> Bellwether<'y> {
    let server = with(yard, lines);
    server.start();
    server.wait(1);
    server
}

/// The answers, one a line, sorted.
fn answers(server: &Bellwether<'_>, qname: &str, qtype: &str) -> Vec<String> {
    let text = dig(server.address, &["+norecurse", "+tcp", "+noall", "+answer", qname, qtype]);
    let mut records = yard::records(&text);
    records.sort();
    records
}

fn together(yard: &Yard) {
    let server = with(yard, "");
    for (lines, wanted) in [
        ("d DNAME a\nd DNAME b\n", "DNAME"),
        ("d DNAME a\nd CNAME b\n", "CNAME"),
        ("c CNAME a\nc A 192.0.2.9\n", "CNAME"),
        ("c CNAME a\nc CNAME b\n", "CNAME"),
        ("t 2147483648 A 192.0.2.9\n", "TTL"),
        ("@ SOA ns1 hostmaster 2 3600 600 1209600 60\n", "SOA"),
        ("h CH A 192.0.2.9\n", "class"),
        ("out.example.org. A 192.0.2.9\n", "example.org"),
    ] {
        let (taken, said) = check(&server, &format!("{HEAD}{lines}"));
        assert!(!taken && said.contains(wanted) && said.contains("example.com.zone:"), "{lines}: {said}");
    }
    let (taken, said) = check(&server, &HEAD.replace("@ NS ns1\n", ""));
    assert!(!taken && said.contains("NS"), "{said}");
    for (lines, wanted) in [
        ("d DNAME a\nx.d A 192.0.2.9\n", "DNAME"),
        ("t 60 A 192.0.2.9\nt 70 A 192.0.2.10\n", "TTL"),
        ("@ MX 10 nowhere\n", "nowhere"),
        ("sub NS ns.sub\n", "ns.sub"),
    ] {
        let (taken, said) = check(&server, &format!("{HEAD}{lines}"));
        assert!(taken && said.contains("warning") && said.contains(wanted), "{lines}: {said}");
    }
    // B28: the least one is served.
    let server = serving(yard, "t 70 A 192.0.2.9\nt 60 A 192.0.2.10\n");
    let shown = answers(&server, "t.example.com", "A");
    assert!(shown.len() == 2 && shown.iter().all(|record| record.contains(" 60 IN A ")), "{shown:?}");
}

fn includes(yard: &Yard) {
    let server = with(yard, "$INCLUDE more/inner.zone in\nafter A 192.0.2.30\n");
    let folder = server.dir.join("more");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("inner.zone"), "a A 192.0.2.31\n$INCLUDE deep.zone\n").expect("a file");
    std::fs::write(folder.join("deep.zone"), "b A 192.0.2.32\n").expect("a file");
    server.start();
    server.wait(1);
    for (name, address) in [("after", "30"), ("a.in", "31"), ("b.in", "32")] {
        let shown = answers(&server, &format!("{name}.{ZONE}"), "A");
        assert!(shown[0].ends_with(&format!(" 192.0.2.{address}")), "{shown:?}");
    }
    std::fs::write(folder.join("deep.zone"), "$INCLUDE deep.zone\n").expect("a file");
    let (taken, said) = check(&server, &format!("{HEAD}$INCLUDE more/inner.zone in\n"));
    assert!(!taken && said.contains("deep.zone:1"), "{said}");
    let (taken, said) = check(&server, &format!("{HEAD}$INCLUDE absent.zone\n"));
    assert!(!taken && said.contains("absent.zone"), "{said}");
}

fn escapes(yard: &Yard) {
    let server = serving(
        yard,
        "a\\.b A 192.0.2.40\n0/25 A 192.0.2.41\n\\000x A 192.0.2.42\n_u TXT \"\\195\\169\\\"\"\n",
    );
    assert_eq!(answers(&server, "a\\.b.example.com", "A").len(), 1);
    assert_eq!(answers(&server, "0/25.example.com", "A").len(), 1);
    assert_eq!(answers(&server, "\\000x.example.com", "A").len(), 1);
    let shown = answers(&server, "_u.example.com", "TXT");
    assert!(shown[0].ends_with("TXT \"\\195\\169\\\"\""), "{shown:?}");
    for wrong in ["x TXT \"\\300\"\n", "x\\1 A 192.0.2.1\n", "x TXT \"\\19\"\n"] {
        let (taken, said) = check(&server, &format!("{HEAD}{wrong}"));
        assert!(!taken && said.contains("example.com.zone:6:"), "{wrong}: {said}");
    }
}

fn ttl_and_class(yard: &Yard) {
    let server = serving(
        yard,
        "in in a 192.0.2.50\na 60 in a 192.0.2.51\nb in 61 a 192.0.2.52\nc 1h30m A 192.0.2.53\n\
         $TTL 2d\nd A 192.0.2.54\n  A 192.0.2.55\n",
    );
    for (name, ttl) in [("in", 3600), ("a", 60), ("b", 61), ("c", 5400), ("d", 172_800)] {
        let shown = answers(&server, &format!("{name}.{ZONE}"), "A");
        assert!(shown[0].contains(&format!(" {ttl} IN A ")), "{shown:?}");
    }
    assert_eq!(answers(&server, "d.example.com", "A").len(), 2, "an owner that is left out is the last one");
    // C05: without $TTL the last one counts.
    let (taken, said) = check(&server, &HEAD.replace("$TTL 3600\n", ""));
    assert!(taken && said.contains("TTL"), "{said}");
}

fn generic_form(yard: &Yard) {
    let server = serving(
        yard,
        "g TYPE1 \\# 4 C0000201\nh A \\# 4 c0000202\nu TYPE65280 \\# 3 01 0203\nz TYPE65281 \\# 0\nk CLASS1 A 192.0.2.3\n",
    );
    assert!(answers(&server, "g.example.com", "A")[0].ends_with(" A 192.0.2.1"));
    assert!(answers(&server, "h.example.com", "A")[0].ends_with(" A 192.0.2.2"));
    assert!(answers(&server, "k.example.com", "A")[0].ends_with(" A 192.0.2.3"));
    assert!(answers(&server, "u.example.com", "TYPE65280")[0].ends_with("\\# 3 010203"));
    assert!(answers(&server, "z.example.com", "TYPE65281")[0].ends_with("\\# 0"));
    for wrong in ["x TYPE65280 \\# 4 010203\n", "x A \\# 3 010203\n", "x TYPE65280 \\# 2 01020304\n"] {
        let (taken, said) = check(&server, &format!("{HEAD}{wrong}"));
        assert!(!taken && said.contains("example.com.zone:6:"), "{wrong}: {said}");
    }
}

fn strings(yard: &Yard) {
    let server =
        serving(yard, &format!("e TXT \"\"\nl TXT \"{}\"\nutf TXT \"h\u{fc}tte\"\n", "x".repeat(255)));
    assert!(answers(&server, "e.example.com", "TXT")[0].ends_with("TXT \"\""));
    assert!(answers(&server, "l.example.com", "TXT")[0].ends_with(&format!("\"{}\"", "x".repeat(255))));
    assert!(answers(&server, "utf.example.com", "TXT")[0].ends_with("\"h\\195\\188tte\""));
    for wrong in [format!("x TXT \"{}\"\n", "x".repeat(256)), "x TXT\n".to_owned()] {
        let (taken, said) = check(&server, &format!("{HEAD}{wrong}"));
        assert!(!taken && said.contains("example.com.zone:6:"), "{said}");
    }
    let (taken, said) = check(&server, &format!("\u{feff}{}", HEAD.replace('\n', "\r\n")));
    assert!(taken, "{said}");
}

fn generate(yard: &Yard) {
    let server = serving(
        yard,
        "$GENERATE 1-9/4 host-$ A 192.0.2.$\n$GENERATE 0-1 ${0,3,d} CNAME h${2,2,x}\n$GENERATE 5-5 $.n PTR ${0,4,N}\n",
    );
    for n in [1, 5, 9] {
        assert!(answers(&server, &format!("host-{n}.{ZONE}"), "A")[0].ends_with(&format!(" 192.0.2.{n}")));
    }
    assert_eq!(answers(&server, "host-2.example.com", "A").len(), 0);
    assert!(answers(&server, "001.example.com", "CNAME")[0].ends_with(" h03.example.com."));
    let shown = answers(&server, "5.n.example.com", "PTR");
    assert!(shown[0].contains("5.0"), "{shown:?}");
}

fn errors_and_serials(yard: &Yard) {
    let server = serving(yard, "x A 192.0.2.60\n");
    server.write_zone(&format!("{}x A 192.0.2.300\n", HEAD.replace("hostmaster 1 ", "hostmaster 2 ")));
    let problem = server.problem();
    assert!(problem.contains("example.com.zone:6"), "{problem}");
    assert!(answers(&server, "x.example.com", "A")[0].ends_with(" 192.0.2.60"));
    assert_eq!(yard::serial(server.address, ZONE), Some(1));
    let (taken, said) = check(&server, &format!("{HEAD}x A 192.0.2.300\ny A\nz MX mail\n"));
    for place in ["example.com.zone:6:5", "example.com.zone:7", "example.com.zone:8:6"] {
        assert!(!taken && said.contains(place), "{place}: {said}");
    }
    // C18: other content under the old serial gets the next one.
    server.write_zone(&format!("{HEAD}x A 192.0.2.61\n"));
    server.wait(2);
    assert!(answers(&server, "x.example.com", "A")[0].ends_with(" 192.0.2.61"));
}

fn many_types(yard: &Yard) {
    let lines = [
        ("A", "192.0.2.1"),
        ("AAAA", "2001:db8::1"),
        ("PTR", "host.example.com."),
        ("MX", "10 mail.example.com."),
        ("SRV", "1 2 53 host.example.com."),
        ("NAPTR", "100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:x@example.com!\" ."),
        ("CAA", "0 issue \"ca.example.net\""),
        ("TLSA", "3 1 1 0102030405060708091011121314151617181920212223242526272829303132"),
        ("SSHFP", "4 2 0102030405060708091011121314151617181920212223242526272829303132"),
        ("LOC", "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m"),
        ("URI", "10 1 \"https://example.com/\""),
        ("HINFO", "\"CPU\" \"OS\""),
        ("RP", "admin.example.com. text.example.com."),
        ("AFSDB", "1 host.example.com."),
        ("EUI48", "00-00-5e-00-53-2a"),
        ("EUI64", "00-00-5e-ef-10-00-00-2a"),
        ("L32", "10 10.1.2.0"),
        ("NID", "10 14:4fff:ff20:ee64"),
        ("CSYNC", "66 3 A NS AAAA"),
        ("SVCB", "1 . alpn=\"h2\" port=53"),
        ("OPENPGPKEY", "AQID"),
    ];
    let text: String = lines.iter().map(|(rtype, data)| format!("t {rtype} {data}\n")).collect();
    let server = serving(yard, &text);
    for (rtype, data) in lines {
        let shown = answers(&server, "t.example.com", rtype);
        let told = shown[0].split_once(&format!(" IN {rtype} ")).map(|(_, told)| told.to_lowercase());
        assert_eq!(
            told.map(|told| told.replace(' ', "")),
            Some(data.to_lowercase().replace(' ', "")),
            "{shown:?}"
        );
    }
}
