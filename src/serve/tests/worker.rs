//! What a worker counts and notes beside its replies.

use super::*;
use crate::dns::RecordType;
use crate::limits::{OBSERVED_MAX, REFUSALS_MAX, REPORTS_MAX};

#[test]
fn counters_follow_the_replies() {
    let (_, _, worker) = send(&world(), STRANGER, Transport::Udp, &query("not.ours.", "A"));
    let counters = &worker.counters;
    assert_eq!(counters.requests(Transport::Udp), 1);
    assert_eq!(counters.replies(ResponseCode::Refused), 1);
    assert_eq!((counters.refusals(Reason::NotServed), counters.truncated()), (1, 0));
    assert!(worker.refused.is_empty(), "an ordinary query is only counted");
    let (_, _, worker) = send(&world(), STRANGER, Transport::Udp, &query("big.big.", "A"));
    assert_eq!(worker.counters.truncated(), 1);
    let ordinary = |worker: &WorkerState| {
        let counters = &worker.counters;
        let special = [counters.dropped(), counters.notifies(), counters.transfers(), counters.shed()];
        (special, counters.refusals(Reason::NotServed), counters.lost_observations())
    };
    assert_eq!(ordinary(&worker), ([0; 4], 0, 0));
    let (_, _, worker) = send(&world(), PRIMARY, Transport::Tls, &query("example.", "AXFR"));
    assert_eq!((ordinary(&worker).0, worker.counters.requests(Transport::Tls)), ([0, 0, 1, 0], 1));
    assert_eq!(worker.counters.requests(Transport::Udp), 0);
    let notify = with_soa(OpCode::Notify, "example.", "SOA", 99);
    let (_, _, worker) = send(&world(), PRIMARY, Transport::Udp, &notify);
    assert_eq!(ordinary(&worker).0, [0, 1, 0, 0]);
    let mut answer = query("www.example.", "A");
    answer[2] |= 0x80;
    let (_, _, worker) = send(&world(), STRANGER, Transport::Udp, &answer);
    assert_eq!(ordinary(&worker).0, [1, 0, 0, 0]);
}

#[test]
fn what_a_worker_notes_has_a_bound() {
    let mut worker = WorkerState::default();
    let seen = Observation { zone: ZoneId(0), peer: PeerId(1), asked: Asked::Soa };
    for _ in 0..OBSERVED_MAX + 3 {
        worker.observe(seen);
    }
    assert_eq!((worker.observed.len(), worker.counters.lost_observations()), (OBSERVED_MAX, 3));
    let from = STRANGER.parse().unwrap();
    for _ in 0..REFUSALS_MAX + 3 {
        worker.refuse(Refusal { reason: Reason::QueryDenied, detail: None, from, name: None, key: None });
    }
    assert_eq!(worker.refused.len(), REFUSALS_MAX);
    for info_code in 0..REPORTS_MAX as u16 + 3 {
        worker.report(Reported { name: name("broken."), qtype: RecordType::A, info_code });
    }
    assert_eq!(worker.reported.len(), REPORTS_MAX);
}

#[test]
fn refusals_of_all_but_ordinary_queries_are_noted() {
    let of_ours = key(b"a secret of our own");
    for octets in [
        query("example.", "AXFR"),
        with_soa(OpCode::Notify, "example.", "SOA", 99),
        signed(&of_ours, &query("not.ours.", "A"), NOW.wall.seconds()).0,
    ] {
        let (_, _, worker) = send(&world(), STRANGER, Transport::Tcp, &octets);
        assert_eq!(worker.refused.len(), 1, "{octets:?}");
    }
}
