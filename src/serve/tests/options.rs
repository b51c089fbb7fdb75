//! KEEPALIVE (RFC 7828), padding (RFC 7830), ZONEVERSION (RFC 9660), and the room that options have.

use super::*;

/// The data of an option in the reply.
fn told(transport: Transport, octets: &[u8], option: u16) -> Option<Vec<u8>> {
    let mut worker = WorkerState { stream_idle: Duration::from_millis(12_345), ..WorkerState::new() };
    let (mut out, from) = (vec![0; 65_535], STRANGER.parse().unwrap());
    let outcome = serve(octets.into(), from, transport, NOW, &world(), &mut worker, &mut out, &mut Silent);
    let Outcome::Reply(length) = outcome else { panic!("{outcome:?}") };
    let reader = Reader::new(&out[..length]).unwrap();
    reader.edns()?.option(option).map(<[u8]>::to_vec)
}

fn asking(qname: &str, option: u16) -> Vec<u8> {
    query_edns(qname, "A", 1232, &[OptOption::Plain { code: option, data: b"" }])
}

#[test]
fn a44_a45_the_time_of_a_connection_is_told_on_connections_to_whoever_asks() {
    let octets = asking("www.example.", code::KEEPALIVE);
    assert_eq!(told(Transport::Tcp, &octets, code::KEEPALIVE), Some(123u16.to_be_bytes().to_vec()));
    assert_eq!(told(Transport::Udp, &octets, code::KEEPALIVE), None);
    let octets = query_edns("www.example.", "A", 1232, &[]);
    assert_eq!(told(Transport::Tcp, &octets, code::KEEPALIVE), None);
    assert_eq!(crate::dns::edns::keepalive(Duration::from_secs(86_400)), [0xff, 0xff]);
}

#[test]
fn a49_the_version_of_the_zone_that_answers() {
    let told = |qname: &str| told(Transport::Udp, &asking(qname, code::ZONEVERSION), code::ZONEVERSION);
    let version = |labels: u8, serial: u8| Some(vec![labels, 0, 0, 0, 0, serial]);
    assert_eq!(told("www.example."), version(1, 8));
    assert_eq!(told("none.example."), version(1, 8));
    assert_eq!(told("big.big."), version(1, 7));
    assert_eq!(told("x.lapsed."), version(1, 7), "with SERVFAIL");
    assert_eq!(told("x.expired."), version(1, 41), "with SERVFAIL");
    for qname in ["x.loading.", "not.ours.", "www.private."] {
        assert_eq!(told(qname), None, "{qname}");
    }
    let plain = query_edns("www.example.", "A", 1232, &[]);
    assert_eq!(super::options::told(Transport::Udp, &plain, code::ZONEVERSION), None, "never unasked");
}

#[test]
fn a50_a_query_with_a_version_is_a_format_error() {
    let octets =
        query_edns("www.example.", "A", 1232, &[OptOption::Plain { code: code::ZONEVERSION, data: b"x" }]);
    assert_eq!(ask(&world(), &octets), ["FormErr", "opt 1232"]);
}

#[test]
fn options_that_were_asked_for_survive_truncation() {
    let options =
        [code::NSID, code::ZONEVERSION, code::EXPIRE].map(|code| OptOption::Plain { code, data: b"" });
    let (_, reply, _) = send(&world(), STRANGER, Transport::Udp, &query_edns("big.big.", "A", 512, &options));
    let reader = Reader::new(&reply).unwrap();
    assert!(reader.header().is_truncated() && reply.len() <= 512);
    let edns = reader.edns().unwrap();
    assert!(edns.option(code::NSID).is_some() && edns.option(code::ZONEVERSION).is_some());
}

#[test]
fn the_room_of_options_that_were_asked_for_is_exact() {
    let cookies = Arc::new(Cookies::new(CookieMode::Answer, [CookieSecret([5; 16])]));
    let world = World { cookies, ..world() };
    let all = [(code::COOKIE, &[7; 8][..]), (code::NSID, b""), (code::ZONEVERSION, b"")];
    for chosen in 0..1 << all.len() {
        let wanted: Vec<_> = (0..all.len()).filter(|at| chosen >> at & 1 == 1).map(|at| all[at]).collect();
        let options: Vec<_> = wanted.iter().map(|&(code, data)| OptOption::Plain { code, data }).collect();
        let reply = |udp_size: usize| {
            let octets = query_edns("big.big.", "A", udp_size as u16, &options);
            send(&world, STRANGER, Transport::Udp, &octets).1
        };
        let has_all = |reply: &[u8]| {
            let reader = Reader::new(reply).unwrap();
            let edns = reader.edns().unwrap();
            assert!(wanted.iter().all(|(code, _)| edns.option(*code).is_some()), "{wanted:?}");
            !reader.header().is_truncated()
        };
        let whole = reply(1232).len();
        assert!(has_all(&reply(1232)) && has_all(&reply(whole)), "{wanted:?}: it fits {whole} octets");
        assert!(!has_all(&reply(whole - 1)), "{wanted:?}: it does not fit {} octets", whole - 1);
    }
}

/// Makes the NSID longer until the reply has `limit` octets with all that was asked for: with one more, the
/// answer gives way and not an option.
#[track_caller]
fn check_room(world: &World, transport: Transport, qname: &str, qtype: &str, option: u16, limit: usize) {
    let options = [code::NSID, option].map(|code| OptOption::Plain { code, data: b"" });
    let octets = query_edns(qname, qtype, 512, &options);
    let reply = |nsid_octets: usize| {
        let facts = ServerFacts { nsid: Some(vec![b'n'; nsid_octets]), ..ServerFacts::default() };
        let world = World { facts: Arc::new(facts), ..world.clone() };
        let (_, reply, _) = send(&world, STRANGER, transport, &octets);
        let reader = Reader::new(&reply).unwrap();
        let edns = reader.edns().unwrap();
        assert!(edns.option(code::NSID).is_some() && edns.option(option).is_some());
        (reader.header().is_truncated(), reply.len())
    };
    let most = 100 + limit - reply(100).1;
    assert_eq!(reply(most), (false, limit));
    assert!(reply(most + 1).0);
}

#[test]
fn the_room_of_the_time_until_a_zone_expires_is_exact() {
    check_room(&world(), Transport::Udp, "lasting.", "SOA", code::EXPIRE, 512);
}

#[test]
fn the_room_of_the_time_of_a_connection_is_exact() {
    let text = "x".repeat(255);
    let lines: String = (100..340).map(|n| format!("long 60 TXT {n} {text}\n")).collect();
    let world = with_zone(world(), "example.", zone("example.", &lines));
    check_room(&world, Transport::Tcp, "long.example.", "TXT", code::KEEPALIVE, 65_535);
}

#[test]
fn a48_padding_fills_blocks_where_nobody_can_read_and_only_for_those_who_ask() {
    let length = |transport, octets: &[u8]| send(&world(), STRANGER, transport, octets).1.len();
    for transport in [Transport::Tls, Transport::Tls12, Transport::Https, Transport::Quic] {
        let asking = |qname| length(transport, &asking(qname, code::PADDING));
        // RFC 8467 §4.1.
        assert_eq!((asking("www.example."), asking("big.big.")), (468, 3 * 468), "{transport}");
        assert!(length(transport, &query_edns("www.example.", "A", 1232, &[])) < 100, "{transport}");
    }
    for transport in [Transport::Udp, Transport::Tcp] {
        assert_eq!(told(transport, &asking("www.example.", code::PADDING), code::PADDING), None);
    }
}
