//! Error reports, asked for and taken (RFC 9567).

use super::*;
use crate::dns::RecordType;
use crate::policy::cookies::{CookieMode, CookieSecret, Cookies};

const OWN: &[u8] = b"12345678";

fn agent(channel: &str, agent: &str) -> World {
    let facts = ServerFacts {
        report_channel: Some(name(channel)),
        report_agent: Some(name(agent)),
        ..ServerFacts::default()
    };
    let cookies = Arc::new(Cookies::new(CookieMode::Answer, [CookieSecret([5; 16])]));
    World { facts: Arc::new(facts), cookies, ..world() }
}

fn asking(qname: &str, qtype: &str, cookie: &[u8]) -> Vec<u8> {
    query_edns(qname, qtype, 1232, &[OptOption::Plain { code: code::COOKIE, data: cookie }])
}

#[test]
fn a51_the_channel_is_told_with_answers_and_makes_no_room_for_itself() {
    let world = agent("er.elsewhere.", "er.elsewhere.");
    let told = |octets: &[u8]| {
        let (_, reply, _) = send(&world, STRANGER, Transport::Udp, octets);
        let reader = Reader::new(&reply).unwrap();
        let option = reader.edns().and_then(|edns| edns.option(code::REPORT_CHANNEL)).map(<[u8]>::to_vec);
        (reader.header().is_truncated(), option)
    };
    let wire = Some(name("er.elsewhere.").as_ref().wire().to_vec());
    assert_eq!(told(&query_edns("www.example.", "A", 1232, &[])), (false, wire.clone()));
    assert_eq!(told(&query_edns("none.example.", "A", 1232, &[])), (false, wire));
    for qname in ["not.ours.", "x.expired."] {
        assert_eq!(told(&query_edns(qname, "A", 1232, &[])), (false, None), "{qname}");
    }
    assert_eq!(told(&query("www.example.", "A")), (false, None));
    let world = agent("www.example.", "er.example.");
    let (_, reply, _) = send(&world, STRANGER, Transport::Udp, &query_edns("x.www.example.", "A", 1232, &[]));
    assert_eq!(Reader::new(&reply).unwrap().edns().unwrap().option(code::REPORT_CHANNEL), None);
    // 60 addresses fill the message to a few octets: one size where the option fits, and one where not.
    let world = agent("er.elsewhere.", "er.elsewhere.");
    let whole = |size| {
        let (_, reply, _) = send(&world, STRANGER, Transport::Udp, &query_edns("big.big.", "A", size, &[]));
        let reader = Reader::new(&reply).unwrap();
        (reader.header().is_truncated(), reader.edns().unwrap().option(code::REPORT_CHANNEL).is_some())
    };
    let bare = 12 + 13 + 60 * 16 + 11;
    assert_eq!(
        [bare - 1, bare, bare + 17, bare + 18].map(whole),
        [(true, true), (false, false), (false, false), (false, true)]
    );
}

#[test]
fn a52_a_report_is_taken_from_whoever_is_real_and_answered() {
    let world = agent("er.example.", "er.example.");
    let qname = "_er.1.broken.test.7._er.er.example.";
    let take = |transport, octets: &[u8]| {
        let (_, reply, worker) = send(&world, STRANGER, transport, octets);
        (show(&reply), worker.reported)
    };
    let answer = format!("an {qname} 3600 TXT \"report received\"");
    let report = Reported { name: name("broken.test."), qtype: RecordType::A, info_code: 7 };
    assert_eq!(
        take(Transport::Tcp, &query(qname, "TXT")),
        (vec!["NoError aa".into(), answer.clone()], vec![report.clone()])
    );
    assert_eq!(take(Transport::Udp, &query(qname, "TXT")), (vec!["NoError tc".into()], vec![]));
    assert_eq!(take(Transport::Udp, &asking(qname, "TXT", OWN)), (vec!["NoError tc".into()], vec![]));
    let (_, reply, _) = send(&world, STRANGER, Transport::Udp, &asking("www.example.", "A", OWN));
    let cookie = Reader::new(&reply).unwrap().edns().unwrap().option(code::COOKIE).unwrap().to_vec();
    assert_eq!(
        take(Transport::Udp, &asking(qname, "TXT", &cookie)),
        (vec!["NoError aa".into(), answer], vec![report])
    );
    // Another type, and a name that is no report, are ordinary questions.
    for (qname, qtype) in [(qname, "A"), ("_er.1.broken.test.7.er.example.", "TXT")] {
        let (shown, reported) = take(Transport::Tcp, &query(qname, qtype));
        assert_eq!((shown[0].as_str(), reported), ("NXDomain aa", vec![]));
    }
}

#[test]
fn a52_the_answer_to_a_report_is_that_of_the_zone_if_it_has_one_or_is_signed() {
    let qname = "_er.1.broken.test.7._er.er.example.";
    let take = |text: &str| {
        let world = with_zone(agent("er.example.", "er.example."), "example.", zone("example.", text));
        let (_, reply, worker) = send(&world, STRANGER, Transport::Tcp, &query(qname, "TXT"));
        assert_eq!(worker.reported.len(), 1, "{text}");
        show(&reply)
    };
    assert_eq!(
        take("*.er 60 TXT thanks"),
        ["NoError aa".to_owned(), format!("an {qname} 60 TXT \"thanks\"")]
    );
    assert_eq!(take("@ 60 DNSKEY 257 3 13 AAAA")[0], "NXDomain aa");
}
