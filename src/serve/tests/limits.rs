//! What is limited, and what is not (R26).

use super::*;
use crate::policy::rates::{Measure, RateLimits, RateSettings, RateTable};

/// The world with a limit of four replies a second.
fn limited(settings: RateSettings) -> World {
    let settings = RateSettings { per_second: 4, ..settings };
    World { rates: Arc::new(RateLimits::new(settings, Arc::new(RateTable::new([3; 16])))), ..world() }
}

/// How many of twelve requests got a whole reply, a truncated one, and none.
fn sent(world: &World, transport: Transport, request: impl Fn(usize) -> Vec<u8>) -> [usize; 3] {
    sent_to(world, STRANGER, transport, request)
}

fn sent_to(
    world: &World,
    from: &str,
    transport: Transport,
    request: impl Fn(usize) -> Vec<u8>,
) -> [usize; 3] {
    let mut counts = [0; 3];
    for at in 0..12 {
        let (outcome, reply, _) = send(world, from, transport, &request(at));
        let fate = match outcome {
            Outcome::Drop => 2,
            _ => usize::from(Header::read(&reply).unwrap().is_truncated()),
        };
        counts[fate] += 1;
    }
    counts
}

#[test]
fn o01_o03_names_that_were_made_up_share_a_limit() {
    let settings = RateSettings { slip: 2, ..RateSettings::default() };
    for (qname, same) in [
        ("www.example.", true),
        ("x%.www.example.", true),
        ("x%.example.", true),
        ("%.not.ours.", true),
        ("%.expired.", true),
        ("%.wild.wild.", true),
        ("%.cut.wild.", true),
        ("%.alias.wild.", true),
        ("h%.wild.", false),
    ] {
        let hosts: String = (0..12).map(|n| format!("h{n} 60 A 192.0.2.1\n")).collect();
        let text = hosts + "*.wild 60 A 192.0.2.2\ncut 60 NS ns.elsewhere.\nalias 60 DNAME example.";
        let world = with_zone(limited(settings.clone()), "wild.", zone("wild.", &text));
        let counts = sent(&world, Transport::Udp, |at| query(&qname.replace('%', &at.to_string()), "A"));
        assert_eq!(counts, if same { [4, 4, 4] } else { [12, 0, 0] }, "{qname}");
    }
}

#[test]
fn o03_reports_that_may_come_from_anywhere_share_a_limit() {
    let facts = ServerFacts { report_agent: Some(name("er.example.")), ..ServerFacts::default() };
    let world = limited(RateSettings { slip: 2, ..RateSettings::default() });
    let world = World { facts: Arc::new(facts), ..world };
    let report = |at| query(&format!("_er.1.x{at}.test.7._er.er.example."), "TXT");
    // Empty replies with TC: four that have room, and each second one of the rest.
    assert_eq!(sent(&world, Transport::Udp, report), [0, 8, 4]);
}

#[test]
fn o02_streams_are_not_limited() {
    let world = limited(RateSettings::default());
    assert_eq!(sent(&world, Transport::Tcp, |_| query("www.example.", "A")), [12, 0, 0]);
}

#[test]
fn o01_what_cannot_be_parsed_or_trusted_is_limited_too() {
    let world = limited(RateSettings { slip: 1, ..RateSettings::default() });
    // What gets no answer anyway, like an answer, is not counted.
    let mut answer = query("www.example.", "A");
    answer[2] |= 0x80;
    assert_eq!(sent(&world, Transport::Udp, |_| answer.clone()), [0, 0, 12]);
    // An error has nothing to come back for over TCP.
    assert_eq!(sent(&world, Transport::Udp, |_| query("www.example.", "A")[..12].to_vec()), [4, 0, 8]);
    let other = Arc::new(Key::new(name("other."), Algorithm::Sha256, b"x"));
    let world = limited(RateSettings::default());
    assert_eq!(sent(&world, Transport::Udp, |_| signed(&other, &query("example.", "A"), 1).0), [4, 0, 8]);
}

#[test]
fn a53_a_reply_that_is_cut_by_the_limit_has_its_opt_and_nothing_else() {
    let world = limited(RateSettings { slip: 1, ..RateSettings::default() });
    let octets = query_edns("nowhere.example.", "A", 1232, &[]);
    (0..4).for_each(|_| assert_eq!(ask(&world, &octets)[0], "NXDomain aa"));
    assert_eq!(ask(&world, &octets), ["NoError aa tc", "opt 1232"]);
}

#[test]
fn p48_an_overloaded_worker_sends_answers_and_no_errors() {
    let world = world();
    let mut worker = WorkerState { is_overloaded: true, ..WorkerState::new() };
    let (mut out, from) = (vec![0; 65_535], STRANGER.parse().unwrap());
    let mut replies = |transport, octets: &[u8]| {
        let ahead = octets.into();
        let outcome = serve(ahead, from, transport, NOW, &world, &mut worker, &mut out, &mut Silent);
        (matches!(outcome, Outcome::Reply(_)), worker.counters.shed())
    };
    let (there, refused) = (query("www.example.", "A"), query("not.ours.", "A"));
    assert_eq!(replies(Transport::Udp, &there), (true, 0));
    assert_eq!(replies(Transport::Udp, &query("none.example.", "A")), (true, 0));
    assert_eq!(replies(Transport::Udp, &refused), (false, 1));
    assert_eq!(replies(Transport::Udp, &there[..12]), (false, 2));
    assert_eq!(replies(Transport::Tcp, &refused), (true, 2));
}

#[test]
fn o04_limits_are_counted_and_told_once() {
    let world = limited(RateSettings { log_only: true, ..RateSettings::default() });
    let mut worker = WorkerState::new();
    let (mut out, from) = ([0; 1232], STRANGER.parse().unwrap());
    let octets = query("www.example.", "A");
    for _ in 0..12 {
        let ahead = octets[..].into();
        serve(ahead, from, Transport::Udp, NOW, &world, &mut worker, &mut out, &mut Silent);
    }
    assert_eq!(worker.counters.replies(ResponseCode::NoError), 12);
    assert_eq!(worker.counters.limited(Measure::Report), 8);
    assert_eq!(worker.counters.limited(Measure::Drop), 0);
    let told: Vec<Reason> = worker.refused.iter().map(|refusal| refusal.reason).collect();
    assert_eq!(told, [Reason::RateLimited]);
}

#[test]
fn o01_kinds_and_what_they_are_about_have_limits_of_their_own() {
    let chaos = |qname: &str| {
        let mut octets = query(qname, "TXT");
        *octets.last_mut().unwrap() = 3;
        octets
    };
    let ixfr = |qname: &str| with_soa(OpCode::Query, qname, "IXFR", 6);
    for (what, one, other) in [
        ("no DS and a referral", query("cut.example.", "DS"), query("cut.example.", "A")),
        ("a DS and a referral", query("signed.example.", "DS"), query("signed.example.", "A")),
        ("two cuts", query("x.cut.example.", "A"), query("x.signed.example.", "A")),
        ("class CH", chaos("version.bind."), chaos("id.server.")),
        ("two zones", ixfr("example."), ixfr("lasting.")),
    ] {
        let settings = RateSettings { slip: 2, ..RateSettings::default() };
        let ds = format!("signed 60 DS 1 13 2 {}", "00".repeat(32));
        let cuts = format!("cut 60 NS ns.elsewhere.\nsigned 60 NS ns.elsewhere.\n{ds}");
        let told = Some("told".to_owned());
        let facts = ServerFacts { version: told.clone(), identity: told, ..ServerFacts::default() };
        let world = with_zone(limited(settings), "example.", zone("example.", &cuts));
        let world = World { facts: Arc::new(facts), ..world };
        let counts = sent_to(&world, PRIMARY, Transport::Udp, |at| [&one, &other][at % 2].clone());
        assert_eq!(counts, [8, 2, 2], "{what}");
    }
}
