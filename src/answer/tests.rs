//! The answer algorithm as tables: zones in a few lines, answers as `dig` would show them.

mod additional;
mod denial;
mod model;
mod signatures;
mod signer;

use std::sync::Arc;

use super::*;
use crate::dns::message::{Header, Question, Reader, Scratch};
use crate::dns::rdata::{self, Token};
use crate::dns::{Class, Name};
use crate::zone::{Builder, DigestKey, Source};

/// Zones by longest match, all of them open.
struct Zones(Vec<Arc<Version>>);

impl Served for Zones {
    fn version_for(&self, name: NameRef<'_>, qtype: RecordType) -> Option<&Version> {
        let above = |version: &&Arc<Version>| {
            let apex = version.apex();
            name.is_at_or_below(apex) && (qtype != RecordType::DS || name != apex)
        };
        let deepest = |version: &&Arc<Version>| version.apex().label_count();
        let found = self.0.iter().filter(above).max_by_key(deepest);
        found.or_else(|| self.0.iter().find(|version| version.apex() == name)).map(Arc::as_ref)
    }
}

/// A zone from lines `owner ttl type rdata`, names relative to the apex.
pub(crate) fn zone(apex: &str, lines: &str) -> Arc<Version> {
    let apex = Name::parse(apex).unwrap();
    let mut builder = Builder::new(apex.as_ref(), DigestKey([7; 16]), Source::File);
    let soa = "@ 3600 SOA ns1 hostmaster 7 7200 900 1209600 60";
    for line in std::iter::once(soa).chain(lines.lines()).map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.split_ascii_whitespace();
        let owner = words.next().unwrap();
        let ttl = words.next().unwrap().parse().unwrap();
        let rtype: RecordType = words.next().unwrap().parse().unwrap();
        let tokens: Vec<Token<'_>> =
            words.map(|word| Token { text: word.as_bytes(), quoted: false }).collect();
        let mut owner_octets = Vec::new();
        rdata::name_from_token(owner.as_bytes(), apex.as_ref(), &mut owner_octets).unwrap();
        let owner = NameRef::from_wire(&owner_octets).unwrap();
        let mut data = Vec::new();
        rdata::from_text(rtype, &tokens, apex.as_ref(), &mut data).expect(line);
        builder.push(RecordRef { owner, rtype, ttl, rdata: &data }).expect(line);
    }
    Arc::new(builder.finish().unwrap().version)
}

/// Asks and shows: a line of rcode, flags and counts, then a line for each record with its section.
fn ask_with(zones: &Zones, name: &str, qtype: &str, limit: usize, query: Query<'_>) -> Vec<String> {
    let name = Name::parse(name).unwrap();
    let qtype: RecordType = qtype.parse().unwrap();
    let question = Question { name: name.as_ref(), qtype, qclass: Class::IN };
    let header = Header { id: 7, bits: 0, counts: [1, 0, 0, 0] };
    let mut out = vec![0; 65_535];
    let mut writer = Writer::reply(&mut out, limit, &header, Some(question));
    let version = zones.version_for(name.as_ref(), qtype).expect("a zone for the question");
    let query = Query { name: name.as_ref(), qtype, ..query };
    let Answered { rcode, .. } =
        answer(zones, version.prepare(name.as_ref()), query, &mut writer, &mut crate::trace::Silent);
    writer.set_rcode(rcode);
    let length = writer.finish();
    show(&out[..length])
}

const PLAIN: Query<'static> = Query {
    name: NameRef::ROOT,
    qtype: RecordType::A,
    signatures: Signatures::Unwanted,
    any: AnyAnswer::OneRrset,
};

pub(crate) fn show(octets: &[u8]) -> Vec<String> {
    hickory_proto::op::Message::from_vec(octets).expect("an independent decoder takes it");
    let mut reader = Reader::new(octets).expect("our own reader takes it");
    let header = reader.header();
    let mut lines = vec![format!(
        "{:?}{}{}",
        reader.rcode(),
        if header.is_authoritative() { " aa" } else { "" },
        if header.is_truncated() { " tc" } else { "" },
    )];
    let mut scratch = Scratch::new();
    while let Some((section, _, record)) = reader.next_record(&mut scratch).unwrap() {
        let section = match section {
            Section::Answer => "an",
            Section::Authority => "au",
            Section::Additional => "ad",
        };
        let mut data = String::new();
        rdata::write_text(record.rtype, record.rdata, &mut data);
        lines.push(format!("{section} {} {} {} {data}", record.owner, record.ttl, record.rtype));
    }
    lines
}

/// Asks one question and compares the whole answer.
#[track_caller]
fn check(zones: &Zones, question: &str, expected: &[&str]) {
    check_limited(zones, question, 65_535, expected);
}

#[track_caller]
fn check_limited(zones: &Zones, question: &str, limit: usize, expected: &[&str]) {
    let (name, qtype) = question.split_once(' ').unwrap();
    assert_eq!(ask_with(zones, name, qtype, limit, PLAIN), expected, "{question}");
}

const SOA: &str = "au example. 60 SOA ns1.example. hostmaster.example. 7 7200 900 1209600 60";

fn example() -> Zones {
    Zones(vec![zone(
        "example.",
        "@ 3600 NS ns1
         @ 3600 NS ns.other.
         @ 3600 MX 10 mail
         ns1 3600 A 192.0.2.1
         ns1 3600 AAAA 2001:db8::1
         mail 300 A 192.0.2.25
         www 300 A 192.0.2.80
         www 300 A 192.0.2.81
         www 300 TXT hello
         a.b.c 300 A 192.0.2.3
         alias 300 CNAME www
         alias2 300 CNAME alias
         alias3 300 CNAME alias2
         gone 300 CNAME nothing
         out 300 CNAME www.elsewhere.
         loop1 300 CNAME loop2
         loop2 300 CNAME loop1
         self 300 CNAME self
         _sip._udp 300 SRV 1 1 5060 mail
         _sip._udp 300 SRV 2 1 5061 mail
         svc 300 HTTPS 1 . alpn=h2
         svc 300 A 192.0.2.90
         svc2 300 HTTPS 1 www
         svc0 300 HTTPS 0 .
         svc0 300 A 192.0.2.91
         sub 3600 NS ns.sub
         sub 3600 NS ns.sib
         sub 3600 NS ns.other.
         sub 3600 DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000
         ns.sub 3600 A 192.0.2.53
         sib 3600 NS ns.sib
         ns.sib 3600 A 192.0.2.54
         insub 300 CNAME www.sub
         d 600 DNAME target
         d 600 MX 5 mail
         x.target 300 A 192.0.2.99
         dd 600 DNAME d
         dl 600 DNAME dl",
    )])
}

#[test]
fn b02_exact_match() {
    let zones = example();
    check(
        &zones,
        "www.example. A",
        &["NoError aa", "an www.example. 300 A 192.0.2.80", "an www.example. 300 A 192.0.2.81"],
    );
    check(&zones, "WwW.eXample. TXT", &["NoError aa", "an WwW.eXample. 300 TXT \"hello\""]);
}

#[test]
fn b03_cname_is_chased_unless_asked_for() {
    let zones = example();
    check(
        &zones,
        "alias3.example. TXT",
        &[
            "NoError aa",
            "an alias3.example. 300 CNAME alias2.example.",
            "an alias2.example. 300 CNAME alias.example.",
            "an alias.example. 300 CNAME www.example.",
            "an www.example. 300 TXT \"hello\"",
        ],
    );
    let alone = ["NoError aa", "an alias3.example. 300 CNAME alias2.example."];
    check(&zones, "alias3.example. CNAME", &alone);
    check(&zones, "alias3.example. ANY", &alone);
    check(&zones, "out.example. A", &["NoError aa", "an out.example. 300 CNAME www.elsewhere."]);
}

#[test]
fn b04_rcode_belongs_to_the_end_of_the_chain() {
    let zones = example();
    check(&zones, "gone.example. A", &["NXDomain aa", "an gone.example. 300 CNAME nothing.example.", SOA]);
    check(&zones, "alias.example. MX", &["NoError aa", "an alias.example. 300 CNAME www.example.", SOA]);
}

#[test]
fn b05_loops_end() {
    let zones = example();
    let loops = [
        "NoError aa",
        "an loop1.example. 300 CNAME loop2.example.",
        "an loop2.example. 300 CNAME loop1.example.",
    ];
    check(&zones, "loop1.example. A", &loops);
    check(&zones, "self.example. A", &["NoError aa", "an self.example. 300 CNAME self.example."]);
    let lines: String = (0..40).map(|n| format!("c{n} 1 CNAME c{}\n", n + 1)).collect();
    let zones = Zones(vec![zone("long.", &lines)]);
    let shown = ask_with(&zones, "c0.long.", "A", 65_535, PLAIN);
    assert_eq!(shown.len(), 1 + 1 + crate::limits::CHAIN_STEPS_MAX);
    assert_eq!(shown[0], "NoError aa");
}

#[test]
fn b07_referral_at_and_below_the_cut() {
    let zones = example();
    let referral = [
        "NoError",
        "au sub.example. 3600 NS ns.other.",
        "au sub.example. 3600 NS ns.sib.example.",
        "au sub.example. 3600 NS ns.sub.example.",
        "ad ns.sub.example. 3600 A 192.0.2.53",
        "ad ns.sib.example. 3600 A 192.0.2.54",
    ];
    for question in ["sub.example. NS", "sub.example. A", "x.y.sub.example. A", "sub.example. ANY"] {
        let (qname, qtype) = question.split_once(' ').unwrap();
        let mut got = ask_with(&zones, qname, qtype, 65_535, PLAIN);
        got[1..4].sort();
        assert_eq!(got, referral, "{question}");
    }
}

#[test]
fn b08_ds_belongs_to_the_parent() {
    let zones = example();
    let ds = "an sub.example. 3600 DS 1 13 2 \
              0000000000000000000000000000000000000000000000000000000000000000";
    check(&zones, "sub.example. DS", &["NoError aa", ds]);
    check(&zones, "sib.example. DS", &["NoError aa", SOA]);
    let mut both = example();
    both.0.push(zone("sub.example.", "@ 60 NS ns\nns 60 A 192.0.2.53"));
    check(&both, "sub.example. DS", &["NoError aa", ds]);
    let child = "au sub.example. 60 SOA ns1.sub.example. hostmaster.sub.example. 7 7200 900 1209600 60";
    let child_alone = Zones(vec![both.0.pop().unwrap()]);
    check(&child_alone, "sub.example. DS", &["NoError aa", child]);
}

#[test]
fn b08_a_zone_without_signatures_refers_without_ds() {
    let wanted = Query { signatures: Signatures::Wanted, ..PLAIN };
    let shown = ask_with(&example(), "x.sub.example.", "A", 65_535, wanted);
    assert!(shown.iter().all(|line| !line.contains(" DS ")), "{shown:#?}");
}

#[test]
fn b09_in_domain_glue_is_needed_and_b10_sibling_glue_is_not() {
    let in_domain: String =
        (10..30).map(|n| format!("sub 60 NS n{n}.sub\nn{n}.sub 60 A 192.0.2.{n}\n")).collect();
    let zones = Zones(vec![zone("example.", &in_domain)]);
    let shown = ask_with(&zones, "x.sub.example.", "A", 512, PLAIN);
    assert_eq!(shown[0], "NoError tc");
    let shown = ask_with(&zones, "x.sub.example.", "A", 65_535, PLAIN);
    assert_eq!((shown[0].as_str(), shown.len()), ("NoError", 1 + 40));
    let sibling: String =
        (10..30).map(|n| format!("sub 60 NS n{n}.sib\nn{n}.sib 60 A 192.0.2.{n}\n")).collect();
    let zones = Zones(vec![zone("example.", &sibling)]);
    let shown = ask_with(&zones, "x.sub.example.", "A", 512, PLAIN);
    assert_eq!(shown[0], "NoError");
    assert!(shown.len() > 1 + 20 && shown.len() < 1 + 40, "{shown:?}");
}

#[test]
fn b10_glue_comes_from_another_zone_that_is_served() {
    let mut zones = example();
    zones.0.push(zone("other.", "ns 60 A 198.51.100.1"));
    let shown = ask_with(&zones, "x.sub.example.", "A", 65_535, PLAIN);
    assert!(shown.contains(&"ad ns.other. 60 A 198.51.100.1".to_owned()), "{shown:?}");
}

#[test]
fn b11_glue_is_no_answer() {
    let shown = ask_with(&example(), "ns.sub.example.", "A", 65_535, PLAIN);
    assert_eq!(shown[0], "NoError");
    assert!(shown.iter().all(|line| !line.starts_with("an ")), "{shown:?}");
}

#[test]
fn b12_to_b14_negative_answers_carry_the_soa_with_its_least_ttl() {
    let zones = example();
    check(&zones, "nothing.example. A", &["NXDomain aa", SOA]);
    check(&zones, "www.example. MX", &["NoError aa", SOA]);
    check(&zones, "below.www.example. A", &["NXDomain aa", SOA]);
}

#[test]
fn b15_empty_non_terminals_exist() {
    let zones = example();
    check(&zones, "b.c.example. A", &["NoError aa", SOA]);
    check(&zones, "c.example. ANY", &["NoError aa", SOA]);
    check(&zones, "x.c.example. A", &["NXDomain aa", SOA]);
}

/// The zone of RFC 4592 §2.2.1 with a few names more.
fn wildcards() -> Zones {
    Zones(vec![zone(
        "example.",
        "@ 3600 NS ns.example.com.
         @ 3600 NS ns.example.net.
         *.example. 3600 TXT wild
         *.example. 3600 MX 10 host1.example.
         sub.*.example. 3600 TXT below
         host1.example. 3600 A 192.0.2.1
         _ssh._tcp.host1.example. 3600 SRV 1 1 22 host1
         _ssh._tcp.host2.example. 3600 SRV 1 1 22 host1
         subdel.example. 3600 NS ns.example.com.
         subdel.example. 3600 NS ns.example.net.
         *.c.example. 60 CNAME host1
         *.n.example. 60 NS ns.example.net.",
    )])
}

#[test]
fn b16_b17_the_table_of_rfc_4592_section_2_2_1() {
    let zones = wildcards();
    let mx = "an host3.example. 3600 MX 10 host1.example.";
    check(&zones, "host3.example. MX", &["NoError aa", mx, "ad host1.example. 3600 A 192.0.2.1"]);
    check(&zones, "host3.example. A", &["NoError aa", SOA]);
    check(&zones, "foo.bar.example. TXT", &["NoError aa", "an foo.bar.example. 3600 TXT \"wild\""]);
    check(&zones, "host1.example. MX", &["NoError aa", SOA]);
    check(&zones, "sub.*.example. MX", &["NoError aa", SOA]);
    check(&zones, "_telnet._tcp.host1.example. SRV", &["NXDomain aa", SOA]);
    check(&zones, "ghost.*.example. MX", &["NXDomain aa", SOA]);
    let shown = ask_with(&zones, "host.subdel.example.", "A", 65_535, PLAIN);
    assert_eq!((shown[0].as_str(), shown.len()), ("NoError", 3));
}

#[test]
fn b18_to_b22_wildcards_and_types() {
    let zones = wildcards();
    check(&zones, "any.example. AAAA", &["NoError aa", SOA]);
    check(&zones, "*.example. TXT", &["NoError aa", "an *.example. 3600 TXT \"wild\""]);
    let chased =
        ["NoError aa", "an any.c.example. 60 CNAME host1.example.", "an host1.example. 3600 A 192.0.2.1"];
    check(&zones, "any.c.example. A", &chased);
    check(&zones, "any.c.example. CNAME", &chased[..2]);
    // NS at a wildcard is legal and of no use: it must only do no harm.
    assert!(ask_with(&zones, "x.n.example.", "A", 65_535, PLAIN)[0].starts_with("NoError"));
}

#[test]
fn b23_to_b25_dname() {
    let zones = example();
    let dname = "an d.example. 600 DNAME target.example.";
    let made = "an x.d.example. 600 CNAME x.target.example.";
    check(&zones, "x.d.example. A", &["NoError aa", dname, made, "an x.target.example. 300 A 192.0.2.99"]);
    check(&zones, "x.d.example. CNAME", &["NoError aa", dname, made]);
    check(&zones, "x.d.example. ANY", &["NoError aa", dname, made]);
    check(
        &zones,
        "y.d.example. A",
        &["NXDomain aa", dname, "an y.d.example. 600 CNAME y.target.example.", SOA],
    );
    check(
        &zones,
        "d.example. MX",
        &["NoError aa", "an d.example. 600 MX 5 mail.example.", "ad mail.example. 300 A 192.0.2.25"],
    );
    check(&zones, "d.example. A", &["NoError aa", SOA]);
    check(
        &zones,
        "x.dd.example. A",
        &[
            "NoError aa",
            "an dd.example. 600 DNAME d.example.",
            "an x.dd.example. 600 CNAME x.d.example.",
            dname,
            made,
            "an x.target.example. 300 A 192.0.2.99",
        ],
    );
    let itself = ask_with(&zones, "x.dl.example.", "A", 65_535, PLAIN);
    assert_eq!(itself.len(), 3, "{itself:?}");
}

#[test]
fn b24_a_name_that_becomes_too_long_is_yxdomain() {
    let long = format!("{0}.{0}.{0}", "l".repeat(60));
    let zones = Zones(vec![zone("example.", &format!("d 600 DNAME {long}"))]);
    let shown = ask_with(&zones, &format!("{0}.d.example.", "p".repeat(63)), "A", 65_535, PLAIN);
    assert_eq!(shown, ["YXDomain aa".to_owned(), format!("an d.example. 600 DNAME {long}.example.")]);
}

#[test]
fn b28_b31_least_ttl_and_any() {
    let zones = Zones(vec![zone(
        "example.",
        "x 300 A 192.0.2.1\nx 60 A 192.0.2.2\nx 60 TXT longer-than-two-addresses",
    )]);
    let addresses = ["NoError aa", "an x.example. 60 A 192.0.2.1", "an x.example. 60 A 192.0.2.2"];
    check(&zones, "x.example. A", &addresses);
    check(&zones, "x.example. ANY", &addresses);
    let all = ask_with(&zones, "x.example.", "ANY", 65_535, Query { any: AnyAnswer::All, ..PLAIN });
    assert_eq!(all.len(), 4);
    check(&zones, "nothing.example. ANY", &["NXDomain aa", SOA]);
}

#[test]
fn b06_chains_go_on_in_other_served_zones() {
    let mut zones = example();
    zones.0.push(zone("elsewhere.", "www 60 A 198.51.100.80"));
    let cname = "an out.example. 300 CNAME www.elsewhere.";
    check(&zones, "out.example. A", &["NoError aa", cname, "an www.elsewhere. 60 A 198.51.100.80"]);
    let soa = "au elsewhere. 60 SOA ns1.elsewhere. hostmaster.elsewhere. 7 7200 900 1209600 60";
    check(&zones, "out.example. TXT", &["NoError aa", cname, soa]);
    // Into a delegation: what we have of the chain, then the referral.
    let shown = ask_with(&zones, "insub.example.", "A", 65_535, PLAIN);
    assert_eq!(shown[..2], ["NoError aa", "an insub.example. 300 CNAME www.sub.example."]);
    assert!(shown[2].starts_with("au sub.example. 3600 NS"));
}

#[test]
fn a11_no_rrset_is_cut_and_optional_data_goes_quietly() {
    let big: String = (0..40).map(|n| format!("big 60 A 192.0.2.{n}\n")).collect();
    let zones = Zones(vec![zone("example.", &format!("{big}\nto 60 CNAME big\nmx 60 MX 1 big"))]);
    check_limited(&zones, "big.example. A", 512, &["NoError aa tc"]);
    check_limited(&zones, "to.example. A", 512, &["NoError aa tc", "an to.example. 60 CNAME big.example."]);
    check_limited(&zones, "mx.example. MX", 512, &["NoError aa", "an mx.example. 60 MX 1 big.example."]);
}
