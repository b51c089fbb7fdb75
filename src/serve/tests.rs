//! Whole messages through [`serve`]: transport, EDNS, TSIG, NOTIFY and transfers, as tables.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::answer::tests::{show, zone};
use crate::dns::edns::{Opt, OptOption, code};
use crate::dns::message::{Header, Question, Reader, Section, Writer};
use crate::dns::tsig::{Algorithm, Checked, Keyring, Verifier, sign_request};
use crate::dns::{Class, Name};
use crate::policy::cookies::{CookieMode, CookieSecret, Cookies};
use crate::policy::{PeerFacts, Peers, Rule, RuleBook, RuleSet, Who, ZoneRules};
use crate::time::{Tick, Wall};
use crate::trace::Silent;
use crate::transfer::outgoing::Requested;
use crate::zone::{DigestKey, Lease, Slot, SlotState, Version, ZoneSet, diff, reserial};

mod cookies;
mod explain;
mod limits;
mod options;
mod peers;
mod reports;
mod worker;

use peers::signed;

const NOW: Now = Now { tick: Tick(1_000_000), wall: Wall(1_700_000_000_000) };
const PRIMARY: &str = "192.0.2.1:5353";
const STRANGER: &str = "198.51.100.9:1024";

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn key(secret: &[u8]) -> Arc<Key> {
    Arc::new(Key::new(name("flock.example."), Algorithm::Sha256, secret))
}

/// A version of `example.` with serial 8 that knows the step from 7.
fn stepped(before: &str, after: &str) -> Arc<Version> {
    let first = zone("example.", before);
    let second = reserial(&zone("example.", after), Serial(8));
    let delta = diff(&first, &second).unwrap();
    Arc::new(second.with_recent([Arc::new(delta)]))
}

/// The world with one zone more, or with another version of one; its rules are those of `example.`.
fn with_zone(world: World, apex: &str, version: Arc<Version>) -> World {
    let state = SlotState::Serving { version, lease: Lease::forever() };
    let slot = Slot { id: ZoneId(0), apex: name(apex), state };
    World { zones: world.zones.with(&[(name(apex), Some(Arc::new(slot)))]), ..world }
}

/// The zones of most tests: `example.` in several states below it, each with an id of its own.
fn world() -> World {
    let serving = |version: Arc<Version>| SlotState::Serving { version, lease: Lease::forever() };
    let dated = |version: Arc<Version>, lease| SlotState::Serving { version, lease };
    let big: String = (0..60).map(|n| format!("big 60 A 192.0.2.{n}\n")).collect();
    let states = [
        ("example.", serving(stepped("www 300 A 192.0.2.80", "www 300 A 192.0.2.81"))),
        ("big.", serving(zone("big.", &big))),
        ("loading.", SlotState::Loading),
        ("expired.", SlotState::Expired { serial: Some(Serial(41)) }),
        ("faulted.", SlotState::Faulted),
        ("lapsed.", dated(zone("lapsed.", ""), Lease::until(NOW.tick))),
        ("lasting.", dated(zone("lasting.", ""), Lease::until(NOW.tick + Duration::from_secs(90)))),
        ("private.", serving(zone("private.", "www 300 A 192.0.2.7"))),
        ("alias.", serving(zone("alias.", "www 300 CNAME www.private."))),
    ];
    let primary = PeerFacts {
        id: PeerId(1),
        name: "ns1".to_owned(),
        addresses: vec!["192.0.2.1".parse().unwrap()],
        key: None,
        require_address: false,
    };
    let keyed = PeerFacts {
        id: PeerId(2),
        name: "ns2".to_owned(),
        addresses: vec!["192.0.2.2".parse().unwrap()],
        key: Some(name("flock.example.")),
        require_address: false,
    };
    let rule = |id, text: &str| Rule { who: Who::Peer(PeerId(id)), text: text.to_owned() };
    let open = Arc::new(ZoneRules {
        transfer: RuleSet::new(vec![rule(1, "ns1"), rule(2, "ns2")]),
        query: RuleSet::any(),
        notify_from: vec![PeerId(1), PeerId(2)],
    });
    let private = ZoneRules { query: RuleSet::new(vec![rule(1, "ns1")]), ..ZoneRules::default() };
    let private = Arc::new(private);
    let mut slots = Vec::new();
    let mut rules = Vec::new();
    for (at, (apex, state)) in states.into_iter().enumerate() {
        let id = ZoneId(at as u32);
        slots.push((name(apex), Some(Arc::new(Slot { id, apex: name(apex), state }))));
        rules.push((id, if apex == "private." { private.clone() } else { open.clone() }));
    }
    World {
        zones: ZoneSet::new(DigestKey([1; 16])).with(&slots),
        rules: Arc::new(RuleBook::new(rules)),
        peers: Arc::new(Peers::new(vec![primary, keyed])),
        keys: Arc::new(Keyring::from_iter([key(b"a secret of our own")])),
        facts: Arc::new(ServerFacts { nsid: Some(b"here".to_vec()), ..ServerFacts::default() }),
        cookies: Arc::default(),
        rates: Arc::default(),
    }
}

/// A request without anything.
fn query(qname: &str, qtype: &str) -> Vec<u8> {
    build(OpCode::Query, qname, qtype, None, |_| ())
}

/// A request with OPT and these options.
fn query_edns(qname: &str, qtype: &str, udp_size: u16, options: &[OptOption<'_>]) -> Vec<u8> {
    let opt = Opt { udp_size, do_bit: false, options };
    build(OpCode::Query, qname, qtype, Some(opt), |_| ())
}

fn build(
    opcode: OpCode,
    qname: &str,
    qtype: &str,
    opt: Option<Opt<'_>>,
    records: impl Fn(&mut Writer<'_>),
) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let qname = name(qname);
    let question = Question { name: qname.as_ref(), qtype: qtype.parse().unwrap(), qclass: Class::IN };
    let mut writer = Writer::request(&mut buffer, 0xbeef, opcode, question);
    records(&mut writer);
    if let Some(opt) = opt {
        writer.opt(&opt).unwrap();
    }
    let length = writer.finish();
    buffer.truncate(length);
    buffer
}

/// A request with an SOA of this serial, as IXFR and NOTIFY have it.
fn with_soa(opcode: OpCode, qname: &str, qtype: &str, serial: u32) -> Vec<u8> {
    let version = reserial(&zone(qname, ""), Serial(serial));
    let section = if opcode == OpCode::Notify { Section::Answer } else { Section::Authority };
    build(opcode, qname, qtype, None, |writer| writer.record(section, version.soa()).unwrap())
}

/// Sends one message and gives the outcome and the reply.
fn send(world: &World, from: &str, transport: Transport, octets: &[u8]) -> (Outcome, Vec<u8>, WorkerState) {
    send_ahead(world, from, transport, octets.into())
}

fn send_ahead(
    world: &World,
    from: &str,
    transport: Transport,
    ahead: Ahead<'_, '_>,
) -> (Outcome, Vec<u8>, WorkerState) {
    let mut worker = WorkerState::new();
    let mut out = vec![0; 65_535];
    let from: SocketAddr = from.parse().unwrap();
    let outcome = serve(ahead, from, transport, NOW, world, &mut worker, &mut out, &mut Silent);
    let length = match outcome {
        Outcome::Reply(length) | Outcome::Notify { reply: length, .. } => length,
        Outcome::Drop | Outcome::Transfer(_) => 0,
    };
    out.truncate(length);
    (outcome, out, worker)
}

/// The reply over UDP to a stranger, as lines; the last one is the OPT record if there is one.
fn ask(world: &World, octets: &[u8]) -> Vec<String> {
    let (outcome, reply, _) = send(world, STRANGER, Transport::Udp, octets);
    assert!(matches!(outcome, Outcome::Reply(_)), "{outcome:?}");
    assert_eq!(reply[..2], octets[..2], "A01: the id is copied");
    show_with_opt(&reply)
}

fn show_with_opt(reply: &[u8]) -> Vec<String> {
    let mut lines = show(reply);
    if let Some(edns) = Reader::new(reply).unwrap().edns() {
        let mut line = format!("opt {}{}", edns.udp_size, if edns.do_bit { " do" } else { "" });
        for (option, data) in edns.options() {
            match option {
                code::EDE => {
                    let text = String::from_utf8_lossy(&data[2..]);
                    line += &format!(" ede={} {text}", u16::from_be_bytes([data[0], data[1]]));
                }
                code::EXPIRE => line += &format!(" expire={}", u32::from_be_bytes(data.try_into().unwrap())),
                other => line += &format!(" {other}={}", String::from_utf8_lossy(data)),
            }
        }
        lines.push(line);
    }
    lines
}

#[test]
fn a01_a22_flags_of_the_reply() {
    let mut octets = query("www.example.", "A");
    // RD, the Z bit, AD and CD.
    (octets[2], octets[3]) = (0x01, 0x70);
    let (_, reply, _) = send(&world(), STRANGER, Transport::Udp, &octets);
    assert_eq!((reply[2], reply[3]), (0x85, 0x00), "QR, AA and RD; RA, Z, AD and CD clear");
}

#[test]
fn a02_a03_a04_what_is_no_question() {
    let world = world();
    let mut octets = query("www.example.", "A");
    octets[2] = 0x80;
    assert!(matches!(send(&world, STRANGER, Transport::Udp, &octets).0, Outcome::Drop));
    assert!(matches!(send(&world, STRANGER, Transport::Udp, &[0; 11]).0, Outcome::Drop));
    octets[2] = 0;
    assert_eq!(ask(&world, &octets[..12]), ["FormErr"]);
    octets[5] = 2;
    assert_eq!(ask(&world, &octets), ["FormErr"]);
}

#[test]
fn a08_a09_a10_a53_sizes_over_udp() {
    let world = world();
    let length = |octets: &[u8]| send(&world, STRANGER, Transport::Udp, octets).1.len();
    assert_eq!(ask(&world, &query("big.big.", "A")), ["NoError aa tc"]);
    for (offered, cap) in [(100, 512), (512, 512), (1232, 1232), (4096, 1232)] {
        let octets = query_edns("big.big.", "A", offered, &[]);
        let whole = 60 * 16 + 12 + 13 + 11 <= cap;
        let shown = ask(&world, &octets);
        assert_eq!(shown[0], if whole { "NoError aa" } else { "NoError aa tc" }, "{offered}");
        assert_eq!(shown.last().unwrap(), "opt 1232", "{offered}");
        assert!(length(&octets) <= cap);
    }
    let (_, reply, _) = send(&world, STRANGER, Transport::Tcp, &query("big.big.", "A"));
    assert_eq!(show(&reply).len(), 1 + 60);
    // PEERS 46: each family has a limit of its own.
    let facts = ServerFacts { udp_payload_max: 700, udp_payload_max_ipv6: 600, ..ServerFacts::default() };
    let world = World { facts: Arc::new(facts), ..world };
    for (from, limit) in [(STRANGER, 700), ("[2001:db8::1]:53", 600), ("[::ffff:192.0.2.9]:53", 700)] {
        let (_, reply, _) = send(&world, from, Transport::Udp, &query_edns("big.big.", "A", 4096, &[]));
        assert_eq!(show_with_opt(&reply).last().unwrap(), &format!("opt {limit}"));
        let (_, fits, _) = send(&world, from, Transport::Udp, &query_edns("www.example.", "A", 4096, &[]));
        assert!(reply.len() <= limit && !Header::read(&fits).unwrap().is_truncated());
    }
}

#[test]
fn a20_a21_a24_a26_types_opcodes_and_classes() {
    let world = world();
    assert!(ask(&world, &query("www.example.", "TYPE1234"))[0].starts_with("NoError aa"));
    for opcode in [OpCode::Status, OpCode::Update, OpCode::Unknown(15)] {
        let octets = build(opcode, "example.", "SOA", None, |_| ());
        assert_eq!(ask(&world, &octets), ["NotImp"], "{opcode:?}");
    }
    for qtype in [0, 41, 128, 129, 200, 249, 250, 253, 254] {
        let shown = ask(&world, &query("www.example.", &format!("TYPE{qtype}")));
        assert!(shown == ["FormErr"] || shown == ["NotImp"], "TYPE{qtype}: {shown:?}");
    }
    let mut octets = query("www.example.", "A");
    let class_at = octets.len() - 1;
    for class in [2, 4, 5, 254, 255] {
        octets[class_at] = class;
        assert_eq!(ask(&world, &octets), ["Refused"], "class {class}");
    }
}

#[test]
fn a23_a42_b39_refusals_say_why() {
    let world = world();
    for (qname, expected) in [
        ("not.ours.", ["Refused", "opt 1232 ede=20 BW-Q01 not authoritative"]),
        ("x.loading.", ["ServFail", "opt 1232 ede=14 BW-Q02 not ready"]),
        ("x.expired.", ["ServFail", "opt 1232 ede=24 BW-Q03 zone expired"]),
        ("x.lapsed.", ["ServFail", "opt 1232 ede=24 BW-Q03 zone expired"]),
        ("x.faulted.", ["ServFail", "opt 1232 ede=24 BW-Q04 zone failed"]),
        ("www.private.", ["Refused", "opt 1232 ede=18 BW-Q05 query denied"]),
    ] {
        assert_eq!(ask(&world, &query_edns(qname, "A", 1232, &[])), expected);
        assert_eq!(ask(&world, &query(qname, "A")), &expected[..1], "A27: no OPT unasked");
    }
}

#[test]
fn l17_types_that_are_no_questions_are_format_errors() {
    let world = world();
    for qtype in ["NXNAME", "TYPE0", "OPT", "TSIG"] {
        let expected = ["FormErr", "opt 1232 ede=30 BW-Q08 not a query type"];
        assert_eq!(ask(&world, &query_edns("www.example.", qtype, 1232, &[])), expected, "{qtype}");
    }
}

#[test]
fn a_chain_does_not_lead_into_a_zone_that_the_client_may_not_query() {
    let world = world();
    let cname = "an www.alias. 300 CNAME www.private.";
    assert_eq!(ask(&world, &query("www.alias.", "A")), ["NoError aa", cname]);
    let (_, reply, _) = send(&world, PRIMARY, Transport::Udp, &query("www.alias.", "A"));
    assert_eq!(show(&reply), ["NoError aa", cname, "an www.private. 300 A 192.0.2.7"]);
}

#[test]
fn a25_chaos_names() {
    let mut world = world();
    let mut octets = query("version.bind.", "TXT");
    let class_at = octets.len() - 1;
    octets[class_at] = 3;
    assert_eq!(ask(&world, &octets), ["Refused"]);
    let told = |text: &str| Some(text.to_owned());
    let facts = ServerFacts { version: told("Bellwether"), identity: told("ns1"), ..ServerFacts::default() };
    world.facts = Arc::new(facts);
    for (qname, text) in [
        ("version.bind.", "Bellwether"),
        ("VERSION.server.", "Bellwether"),
        ("hostname.bind.", "ns1"),
        ("id.server.", "ns1"),
    ] {
        let mut octets = query(qname, "TXT");
        *octets.last_mut().unwrap() = 3;
        assert_eq!(ask(&world, &octets), ["NoError aa".to_owned(), format!("an {qname} 0 TXT \"{text}\"")]);
    }
    let mut octets = query("authors.bind.", "TXT");
    *octets.last_mut().unwrap() = 3;
    assert_eq!(ask(&world, &octets), ["Refused"]);
}

#[test]
fn a27_to_a35_edns() {
    let world = world();
    let unknown = [OptOption::Plain { code: 100, data: b"aabb" }];
    assert_eq!(ask(&world, &query_edns("www.example.", "A", 1232, &unknown))[2], "opt 1232");
    let nsid = [OptOption::Plain { code: code::NSID, data: b"" }];
    assert_eq!(ask(&world, &query_edns("www.example.", "A", 1232, &nsid))[2], "opt 1232 3=here");
    let opt = Opt { udp_size: 1232, do_bit: true, options: &[] };
    let octets = build(OpCode::Query, "www.example.", "A", Some(opt), |_| ());
    assert_eq!(ask(&world, &octets)[2], "opt 1232 do");
    // The version is the second octet of the OPT record's TTL.
    let mut octets = query_edns("www.example.", "A", 1232, &[]);
    let version_at = octets.len() - 5;
    octets[version_at] = 1;
    assert_eq!(ask(&world, &octets), ["BADVERS", "opt 1232"]);
}

#[test]
fn g08_g09_expire_option() {
    let world = world();
    let expire = [OptOption::Plain { code: code::EXPIRE, data: b"" }];
    let opt = |qname, qtype| ask(&world, &query_edns(qname, qtype, 1232, &expire)).pop().unwrap();
    assert_eq!(opt("example.", "SOA"), "opt 1232 expire=1209600");
    assert_eq!(opt("lasting.", "SOA"), "opt 1232 expire=90");
    assert_eq!(opt("example.", "NS"), "opt 1232");
}

#[test]
fn b08_ds_of_an_apex_is_asked_of_the_zone_above_if_that_is_served() {
    let world = with_zone(world(), "sub.example.", zone("sub.example.", ""));
    for (qname, qtype, apex) in [
        ("sub.example.", "DS", "example."),
        ("sub.example.", "MX", "sub.example."),
        ("x.sub.example.", "DS", "sub.example."),
        ("big.", "DS", "big."),
    ] {
        let shown = ask(&world, &query(qname, qtype));
        assert!(shown[1].starts_with(&format!("au {apex} 60 SOA")), "{qname} {qtype}: {shown:?}");
    }
}

#[test]
fn b31_any_shows_all_on_streams_if_it_is_minimal_over_udp_only() {
    let both = zone("example.", "any 60 A 192.0.2.1\nany 60 TXT text");
    for (minimal_any, transport, records) in [
        (MinimalAny::Always, Transport::Udp, 1),
        (MinimalAny::Always, Transport::Tcp, 1),
        (MinimalAny::Udp, Transport::Udp, 1),
        (MinimalAny::Udp, Transport::Tcp, 2),
    ] {
        let facts = Arc::new(ServerFacts { minimal_any, ..ServerFacts::default() });
        let world = World { facts, ..with_zone(world(), "example.", both.clone()) };
        let (_, reply, _) = send(&world, STRANGER, transport, &query("any.example.", "ANY"));
        assert_eq!(show(&reply).len(), 1 + records, "{minimal_any:?} {transport}");
    }
}

#[test]
fn b36_no_spelling_of_the_question_makes_the_reply_longer() {
    let length = |qname: &str| send(&world(), STRANGER, Transport::Udp, &query(qname, "A")).1.len();
    assert_eq!(length("nONe.eXaMPle."), length("none.example."));
}

#[test]
fn foreign_octets_never_panic() {
    // With everything that looks at more of a message.
    let facts = ServerFacts {
        report_channel: Some(name("er.example.")),
        report_agent: Some(name("er.example.")),
        ..ServerFacts::default()
    };
    let cookies = Cookies::new(CookieMode::Answer, [CookieSecret([5; 16])]);
    let world = World { facts: Arc::new(facts), cookies: Arc::new(cookies), ..world() };
    let options = [
        (code::COOKIE, &b"12345678"[..]),
        (code::NSID, b""),
        (code::KEEPALIVE, b""),
        (code::ZONEVERSION, b""),
    ]
    .map(|(code, data)| OptOption::Plain { code, data });
    let report = "_er.1.www.example.7._er.er.example.";
    let whole = [
        signed(&key(b"x"), &query_edns("www.example.", "A", 1232, &[]), 1).0,
        query_edns("www.example.", "A", 1232, &options),
        query_edns(report, "TXT", 1232, &options),
    ];
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..20_000_usize {
        let whole = &whole[round % whole.len()];
        let mut octets = whole[..whole.len() - round % 20].to_vec();
        for _ in 0..round % 7 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let at = seed as usize % octets.len();
            octets[at] = (seed >> 32) as u8;
        }
        let transport = if round % 2 == 0 { Transport::Udp } else { Transport::Tcp };
        let (_, reply, _) = send(&world, STRANGER, transport, &octets);
        let mut ahead = look_ahead(&octets, &world, NOW.tick);
        crate::zone::Pass::ALL.into_iter().for_each(|pass| ahead.touch(pass));
        let (_, same, _) = send_ahead(&world, STRANGER, transport, ahead);
        assert_eq!(reply, same, "looking ahead changes nothing");
    }
}
