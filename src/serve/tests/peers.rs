//! Messages of configured peers: keys, transfers, polls and NOTIFY.

use super::*;

/// A signed request and what checks the reply.
pub(super) fn signed(key: &Arc<Key>, octets: &[u8], seconds: u64) -> (Vec<u8>, Verifier) {
    let mut buffer = vec![0; 4096];
    buffer[..octets.len()].copy_from_slice(octets);
    let (length, verifier) = sign_request(key, &mut buffer, octets.len(), seconds).unwrap();
    buffer.truncate(length);
    (buffer, verifier)
}

#[test]
fn h01_h14_signed_queries_get_signed_replies_even_cut_ones() {
    let world = world();
    for (qname, cut) in [("www.example.", false), ("big.big.", true), ("not.ours.", false)] {
        let (octets, mut verifier) =
            signed(&key(b"a secret of our own"), &query(qname, "A"), NOW.wall.seconds());
        let (_, reply, _) = send(&world, STRANGER, Transport::Udp, &octets);
        let reader = Reader::new(&reply).unwrap();
        assert_eq!(reader.header().is_truncated(), cut);
        assert!(reply.len() <= 512);
        let checked = verifier.check(&reply, reader.tsig(), NOW.wall.seconds()).unwrap();
        assert!(matches!(checked, Checked::Signed));
    }
}

#[test]
fn h02_h03_h04_bad_signatures_get_errors_and_nothing_else() {
    let world = world();
    let ours = key(b"a secret of our own");
    let other = Arc::new(Key::new(name("other.example."), Algorithm::Sha256, b"a secret of our own"));
    let late = NOW.wall.seconds() - 3600;
    for (key, seconds, error, reason) in [
        (&other, NOW.wall.seconds(), 17, Reason::KeyUnknown),
        (&key(b"another secret"), NOW.wall.seconds(), 16, Reason::KeyBadSignature),
        (&ours, late, 18, Reason::KeyBadTime),
    ] {
        // From the address of a peer without a key: it does not count (R24).
        let (octets, _) = signed(key, &query("example.", "AXFR"), seconds);
        let (outcome, reply, worker) = send(&world, PRIMARY, Transport::Tcp, &octets);
        assert!(matches!(outcome, Outcome::Reply(_)), "{outcome:?}");
        let reader = Reader::new(&reply).unwrap();
        assert_eq!(show(&reply), ["NotAuth"]);
        let tsig = reader.tsig().unwrap();
        assert_eq!(tsig.error, error);
        assert_eq!(tsig.mac.is_empty(), error != 18, "only BADTIME is signed");
        assert_eq!(worker.refused[0].reason, reason);
        assert_eq!(worker.counters.refusals(reason), 1);
    }
}

#[test]
fn d07_d08_d09_h15_who_may_transfer() {
    let world = world();
    let now = NOW.wall.seconds();
    let refused = |from, transport, octets: &[u8]| {
        let (outcome, reply, worker) = send(&world, from, transport, octets);
        assert!(matches!(outcome, Outcome::Reply(_)), "{outcome:?}");
        (show(&reply)[0].clone(), worker.refused.first().map(|refusal| refusal.reason))
    };
    let axfr = query("example.", "AXFR");
    let cases = [
        (STRANGER, Transport::Tcp, "Refused", Some(Reason::TransferDenied)),
        ("192.0.2.2:7", Transport::Tcp, "Refused", Some(Reason::TransferKeyWanted)),
        (PRIMARY, Transport::Udp, "FormErr", Some(Reason::TransferOverUdp)),
    ];
    for (from, transport, rcode, reason) in cases {
        assert_eq!(refused(from, transport, &axfr), (rcode.to_owned(), reason), "{from}");
    }
    let apex = refused(PRIMARY, Transport::Tcp, &query("www.example.", "AXFR"));
    assert_eq!(apex, ("NotAuth".to_owned(), Some(Reason::NotAnApex)));
    let bare = refused(PRIMARY, Transport::Tcp, &query("example.", "IXFR"));
    assert_eq!(bare, ("FormErr".to_owned(), None), "E01: the client's SOA is missing");
    let expired = refused(PRIMARY, Transport::Tcp, &query("expired.", "AXFR"));
    assert_eq!(expired, ("ServFail".to_owned(), Some(Reason::Expired)));
    let (octets, _) = signed(&key(b"a secret of our own"), &query("private.", "AXFR"), now);
    assert_eq!(
        refused(STRANGER, Transport::Tcp, &octets),
        ("Refused".to_owned(), Some(Reason::TransferDenied))
    );
}

#[test]
fn r25_strangers_hear_a_phrase_and_peers_that_signed_the_rule() {
    let world = world();
    let axfr = query_edns("private.", "AXFR", 1232, &[]);
    let opt = |from, octets: &[u8]| {
        let (_, reply, worker) = send(&world, from, Transport::Tcp, octets);
        (show_with_opt(&reply).pop().unwrap(), worker.refused[0].detail.clone().unwrap())
    };
    let (told, logged) = opt(STRANGER, &axfr);
    assert_eq!(told, "opt 1232 ede=18 BW-T01 transfer denied");
    assert_eq!(logged, "198.51.100.9 over tcp without a key is refused: there is no rule at all");
    let (told, logged) = opt(STRANGER, &signed(&key(b"a secret of our own"), &axfr, NOW.wall.seconds()).0);
    assert_eq!(told, format!("opt 1232 ede=18 BW-T01 transfer denied: {logged}"));
}

#[test]
fn a_granted_transfer_is_handed_over_and_observed() {
    let world = world();
    let (outcome, _, worker) = send(&world, PRIMARY, Transport::Tcp, &query("ExamPle.", "AXFR"));
    let Outcome::Transfer(start) = outcome else { panic!("{outcome:?}") };
    assert!(matches!(start.requested, Requested::Axfr));
    assert_eq!((start.zone, start.peer), (ZoneId(0), Some(PeerId(1))));
    assert!(start.asked.as_ref().same_octets(name("ExamPle.").as_ref()));
    assert!(start.signer.is_none() && start.edns.is_none());
    let seen = Observation { zone: ZoneId(0), peer: PeerId(1), asked: Asked::Axfr };
    assert_eq!(worker.observed, [seen]);
    let ixfr = with_soa(OpCode::Query, "example.", "IXFR", 7);
    let (octets, _) = signed(&key(b"a secret of our own"), &ixfr, NOW.wall.seconds());
    let (outcome, _, worker) = send(&world, STRANGER, Transport::Tcp, &octets);
    let Outcome::Transfer(start) = outcome else { panic!("{outcome:?}") };
    assert!(matches!(start.requested, Requested::Ixfr(Serial(7))) && start.signer.is_some());
    let seen = Observation { zone: ZoneId(0), peer: PeerId(2), asked: Asked::Ixfr(Serial(7)) };
    assert_eq!(worker.observed, [seen]);
}

#[test]
fn e02_e05_ixfr_over_udp() {
    let world = world();
    let ask = |serial| {
        let octets = with_soa(OpCode::Query, "example.", "IXFR", serial);
        let (_, reply, _) = send(&world, PRIMARY, Transport::Udp, &octets);
        show(&reply)
    };
    let soa = |serial| {
        format!("an example. 3600 SOA ns1.example. hostmaster.example. {serial} 7200 900 1209600 60")
    };
    let (old, new) = (soa(7), soa(8));
    let steps = [
        "NoError aa",
        &new,
        &old,
        "an www.example. 300 A 192.0.2.80",
        &new,
        "an www.example. 300 A 192.0.2.81",
        &new,
    ];
    assert_eq!(ask(7), steps);
    for serial in [8, 9, 1] {
        assert_eq!(ask(serial), ["NoError aa", &new], "{serial}");
    }
}

#[test]
fn soa_queries_of_configured_peers_are_observed() {
    let world = world();
    let observed = |from, qname, qtype| {
        let (_, _, worker) = send(&world, from, Transport::Udp, &query(qname, qtype));
        worker.observed
    };
    let seen = Observation { zone: ZoneId(0), peer: PeerId(1), asked: Asked::Soa };
    assert_eq!(observed(PRIMARY, "example.", "SOA"), [seen]);
    assert_eq!(observed(STRANGER, "example.", "SOA"), []);
    assert_eq!(observed(PRIMARY, "www.example.", "SOA"), []);
    assert_eq!(observed(PRIMARY, "example.", "NS"), []);
}

#[test]
fn f04_f05_f10_notify() {
    let world = world();
    let notify = |from, octets: &[u8]| {
        let (outcome, reply, _) = send(&world, from, Transport::Udp, octets);
        let header = Header::read(&reply).unwrap();
        assert_eq!((header.id, header.opcode()), (0xbeef, OpCode::Notify));
        (outcome, show(&reply).swap_remove(0))
    };
    let octets = with_soa(OpCode::Notify, "example.", "SOA", 99);
    let (outcome, shown) = notify(PRIMARY, &octets);
    assert_eq!(shown, "NoError aa");
    let Outcome::Notify { zone, from, serial, signed: false, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((zone, from, serial), (ZoneId(0), PeerId(1), Some(Serial(99))));
    // A zone that has nothing to serve wants to hear as well.
    let (outcome, _) = notify(PRIMARY, &build(OpCode::Notify, "expired.", "SOA", None, |_| ()));
    assert!(matches!(outcome, Outcome::Notify { serial: None, .. }), "{outcome:?}");
    for (from, qname, qtype, rcode) in [
        (STRANGER, "example.", "SOA", "Refused"),
        ("192.0.2.2:53", "example.", "SOA", "Refused"),
        (PRIMARY, "not.ours.", "SOA", "NotAuth"),
        (PRIMARY, "www.example.", "SOA", "NotAuth"),
        (PRIMARY, "example.", "CDS", "NotImp"),
        (PRIMARY, "private.", "SOA", "Refused"),
    ] {
        let (outcome, shown) = notify(from, &build(OpCode::Notify, qname, qtype, None, |_| ()));
        assert_eq!(shown, rcode, "{from} {qname} {qtype}");
        assert!(matches!(outcome, Outcome::Reply(_)));
    }
}

#[test]
fn f13_a_signed_notify_says_so() {
    let octets = with_soa(OpCode::Notify, "example.", "SOA", 99);
    let (octets, mut verifier) = signed(&key(b"a secret of our own"), &octets, NOW.wall.seconds());
    let (outcome, reply, _) = send(&world(), STRANGER, Transport::Udp, &octets);
    assert!(matches!(outcome, Outcome::Notify { from: PeerId(2), signed: true, .. }), "{outcome:?}");
    verifier.check(&reply, Reader::new(&reply).unwrap().tsig(), NOW.wall.seconds()).unwrap();
}

#[test]
fn a_refused_notify_says_who_may_send_it() {
    let octets = with_soa(OpCode::Notify, "example.", "SOA", 99);
    let (_, _, worker) = send(&world(), STRANGER, Transport::Udp, &octets);
    assert_eq!(worker.refused[0].reason, Reason::NotifyDenied);
    let said = "198.51.100.9 over udp without a key is none of the 2 primaries of example.";
    assert_eq!(worker.refused[0].detail.as_deref(), Some(said));
}

#[test]
fn g08_a49_a_transfer_tells_when_the_zone_expires_and_its_version() {
    let options = [code::EXPIRE, code::ZONEVERSION].map(|code| OptOption::Plain { code, data: b"" });
    let (outcome, ..) =
        send(&world(), PRIMARY, Transport::Tcp, &query_edns("lasting.", "AXFR", 1232, &options));
    let Outcome::Transfer(start) = outcome else { panic!("{outcome:?}") };
    let told = start.edns.expect("an OPT record").options;
    assert_eq!(told, [(code::EXPIRE, vec![0, 0, 0, 90]), (code::ZONEVERSION, vec![1, 0, 0, 0, 0, 7])]);
}

#[test]
fn d06_ixfr_over_udp_keeps_the_spelling() {
    let version = stepped("", "www 300 MX 1 Mail.EXAMPLE.");
    let world = with_zone(world(), "example.", version);
    let (_, reply, _) =
        send(&world, PRIMARY, Transport::Udp, &with_soa(OpCode::Query, "example.", "IXFR", 7));
    assert!(show(&reply).contains(&"an www.example. 300 MX 1 Mail.EXAMPLE.".to_owned()), "{reply:?}");
}
