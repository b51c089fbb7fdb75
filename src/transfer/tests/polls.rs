//! SOA polls, NOTIFY, EXPIRE, IXFR over UDP, and answers without differences.

use super::*;
use crate::dns::ResponseCode;
use crate::dns::edns::{Opt, OptOption, code};
use crate::dns::message::{Compression, Header, Question};
use crate::dns::{Class, tsig::ReplyFault};
use crate::transfer::incoming::{Fault, Form};
use crate::transfer::outgoing::{self, ixfr_over_udp};

fn udp(ask: Ask) -> Ask {
    Ask { transport: Transport::Udp, ..ask }
}

#[test]
fn g04_an_soa_poll_gives_the_serial() {
    let mut request = Vec::new();
    let mut exchange = Exchange::start(udp(ask(AskKind::Soa, None)), 77, NOW, &mut request);
    assert_eq!(opcode(&request), OpCode::Query);
    let good = reply(&request, &[soa("X.", 9)]);
    let answer = feed(&mut exchange, &[good]).unwrap();
    assert!(matches!(answer, Answer::Soa { serial: Serial(9), expire: None }));
}

#[test]
fn an_soa_poll_wants_an_authoritative_soa_of_the_zone() {
    let poll = |answers: &[Record], edit: fn(&mut Vec<u8>)| {
        let mut request = Vec::new();
        let mut exchange = Exchange::start(udp(ask(AskKind::Soa, None)), 77, NOW, &mut request);
        let mut message = reply(&request, answers);
        edit(&mut message);
        feed(&mut exchange, &[message]).map(|answer| serial_of(&answer))
    };
    assert_eq!(poll(&[soa("x.", 9)], |message| message[2] &= !4), Err(TransferError::NotAuthoritative));
    assert_eq!(poll(&[], |_| {}), Err(TransferError::NoSoa));
    assert_eq!(poll(&[soa("y.", 9)], |_| {}), Err(TransferError::NoSoa));
    assert_eq!(poll(&[], |message| message[3] |= 9), Err(TransferError::Rcode(ResponseCode::NotAuth)));
    assert_eq!(poll(&[soa("x.", 9)], |message| message[2] |= 2), Ok(None), "TC: try TCP");
}

#[test]
fn r23_strangers_datagrams_are_passed_over_and_the_last_is_remembered() {
    let mut request = Vec::new();
    let asked = Ask { key: Some(key()), ..udp(ask(AskKind::Soa, None)) };
    let mut exchange = Exchange::start(asked, 77, NOW, &mut request);
    assert_eq!(exchange.silent(), TransferError::Silent(None));
    let good = reply(&request, &[soa("x.", 9)]);
    for at in [1, 2, 13] {
        let mut wrong = good.clone();
        wrong[at] ^= 0x80;
        assert!(matches!(exchange.feed(&wrong, NOW), Ok(Progress::More)));
    }
    assert!(matches!(exchange.feed(&good, NOW), Ok(Progress::More)), "it is not signed");
    let missing = TransferError::Key(ReplyFault::Missing, ResponseCode::NoError);
    assert_eq!(exchange.silent(), TransferError::Silent(Some(Box::new(missing))));
    assert_eq!(exchange.silent().fault(), Fault::Silent);
}

#[test]
fn f01_a_notify_carries_the_new_soa() {
    let mut request = Vec::new();
    let mut exchange = Exchange::start(udp(ask(AskKind::Notify(soa("x.", 9)), None)), 77, NOW, &mut request);
    let header = Header::read(&request).unwrap();
    assert_eq!(
        (header.opcode(), header.is_authoritative(), header.is_response()),
        (OpCode::Notify, true, false)
    );
    assert_eq!(header.counts, [1, 1, 0, 0]);
    let parsed = read_request(&request).unwrap();
    assert_eq!(parsed.soa, Some(Serial(9)));
    assert_eq!(parsed.question.unwrap().qtype, RecordType::SOA);
    assert!(matches!(feed(&mut exchange, &[reply(&request, &[])]), Ok(Answer::NotifyAck)));
}

#[test]
fn f01_an_rcode_is_no_acknowledgement() {
    let mut request = Vec::new();
    let mut exchange = Exchange::start(udp(ask(AskKind::Notify(soa("x.", 9)), None)), 77, NOW, &mut request);
    let mut refused = reply(&request, &[]);
    refused[3] |= 5;
    let error = feed(&mut exchange, &[refused]).unwrap_err();
    assert_eq!((error.fault(), error), (Fault::Refused, TransferError::Rcode(ResponseCode::Refused)));
}

#[test]
fn g08_g09_expire_is_asked_for_and_read() {
    let primary = version(6, &[a("a.x.", 2)]);
    for (want_expire, expected) in [(true, Some(4321)), (false, None)] {
        let asked = Ask { want_expire, ..ask(AskKind::Axfr, None) };
        let (_, answer) = carry(asked, &primary, &[]);
        let Ok(Answer::Changed { expire, .. }) = answer else { panic!("{answer:?}") };
        assert_eq!(expire, expected);
    }
    let mut request = Vec::new();
    let poll = Ask { want_expire: true, ..udp(ask(AskKind::Soa, None)) };
    let mut exchange = Exchange::start(poll, 77, NOW, &mut request);
    let parsed = read_request(&request).unwrap();
    assert_eq!(parsed.edns.unwrap().option(code::EXPIRE), Some(&[][..]));
    let mut buffer = vec![0; 512];
    let mut writer = Writer::reply(&mut buffer, 512, &parsed.header, parsed.question);
    writer.set_authoritative();
    writer.record(Section::Answer, soa("x.", 6).as_ref()).unwrap();
    let options = [OptOption::Plain { code: code::EXPIRE, data: &[0, 0, 1, 2] }];
    writer.opt(&Opt { udp_size: 1232, do_bit: false, options: &options }).unwrap();
    let length = writer.finish();
    let answer = feed(&mut exchange, &[buffer[..length].to_vec()]).unwrap();
    assert!(matches!(answer, Answer::Soa { expire: Some(258), .. }));
}

#[test]
fn e02_a_client_that_is_current_or_newer_gets_one_soa() {
    let primary = version(6, &[a("a.x.", 2)]);
    let (outgoing, answer) = carry(ask(AskKind::Ixfr, Some(&version(6, &[a("a.x.", 2)]))), &primary, &[]);
    assert_eq!((outgoing.form(), outgoing.records()), (outgoing::Form::Current, 1));
    assert!(matches!(answer, Ok(Answer::Current { serial: Serial(6), .. })));
    let (outgoing, answer) = carry(ask(AskKind::Ixfr, Some(&version(7, &[]))), &primary, &[]);
    assert_eq!((outgoing.form(), outgoing.records()), (outgoing::Form::Current, 1));
    let lower = TransferError::SerialLower { ours: Serial(7), theirs: Serial(6) };
    assert_eq!(answer.unwrap_err(), lower);
}

#[test]
fn e04_without_history_the_zone_comes_whole() {
    let (base, primary) = (version(5, &[a("a.x.", 1)]), version(6, &[a("a.x.", 2)]));
    let (outgoing, answer) = carry(ask(AskKind::Ixfr, Some(&base)), &primary, &[]);
    assert_eq!(outgoing.form(), outgoing::Form::Axfr);
    let Ok(Answer::Changed { form, change, .. }) = answer else { panic!("{answer:?}") };
    assert_eq!(form, Form::Axfr);
    assert!(is_same(&change.after, &primary));
}

#[test]
fn an_ixfr_without_a_version_asks_for_the_whole_zone() {
    let mut request = Vec::new();
    Exchange::start(ask(AskKind::Ixfr, None), 77, NOW, &mut request);
    assert_eq!(read_request(&request).unwrap().question.unwrap().qtype, RecordType::AXFR);
}

#[test]
fn a_whole_zone_of_the_same_serial_is_read_to_its_end_and_changes_nothing() {
    let base = version(6, &[a("a.x.", 1)]);
    let many: Vec<Record> = (0..3000).map(|n| a(&format!("h{n}.x."), n as u8)).collect();
    let primary = version(6, &many);
    let (_, answer) = carry(ask(AskKind::Axfr, Some(&base)), &primary, &[]);
    assert!(matches!(answer, Ok(Answer::Current { serial: Serial(6), .. })));
}

#[test]
fn r20_an_expired_zone_takes_a_lower_serial_and_makes_no_difference_of_it() {
    let (base, primary) = (version(9, &[a("a.x.", 1)]), version(6, &[a("a.x.", 2)]));
    let asked = Ask { accept_lower: true, ..ask(AskKind::Axfr, Some(&base)) };
    let (_, answer) = carry(asked, &primary, &[]);
    let Ok(Answer::Changed { change, .. }) = answer else { panic!("{answer:?}") };
    assert!(is_same(&change.after, &primary));
    assert!(change.deltas.is_empty());
}

#[test]
fn e05_over_udp_the_differences_come_if_they_fit() {
    let base = version(5, &[a("a.x.", 1)]);
    for (count, fits) in [(5, true), (200, false)] {
        let many: Vec<Record> = (0..count).map(|n| a(&format!("h{n}.x."), n as u8)).collect();
        let bare = version(6, &many);
        let delta = Arc::new(zone::diff(&base, &bare).unwrap());
        let primary = Version::clone(&bare).with_recent([delta]);
        let mut request = Vec::new();
        let mut exchange = Exchange::start(udp(ask(AskKind::Ixfr, Some(&base))), 77, NOW, &mut request);
        let parsed = read_request(&request).unwrap();
        let mut buffer = vec![0; 1232];
        let mut writer = Writer::reply(&mut buffer, 1232, &parsed.header, parsed.question)
            .with_compression(Compression::ExactCase);
        writer.set_authoritative();
        let form = ixfr_over_udp(&primary, parsed.soa.unwrap(), &mut writer).unwrap();
        let length = writer.finish();
        let answer = feed(&mut exchange, &[buffer[..length].to_vec()]).unwrap();
        match answer {
            Answer::Changed { change, .. } if fits => {
                assert_eq!(form, outgoing::Form::Steps);
                assert!(is_same(&change.after, &bare));
            }
            Answer::TryTcp { serial } if !fits => assert_eq!(serial, Some(Serial(6))),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn e01_an_ixfr_request_carries_our_soa() {
    let base = version(5, &[]);
    let mut request = Vec::new();
    Exchange::start(ask(AskKind::Ixfr, Some(&base)), 77, NOW, &mut request);
    let parsed = read_request(&request).unwrap();
    assert_eq!(parsed.soa, Some(Serial(5)));
    assert_eq!(parsed.header.counts, [1, 0, 1, 0]);
    let Question { qtype, qclass, .. } = parsed.question.unwrap();
    assert_eq!((qtype, qclass), (RecordType::IXFR, Class::IN));
}

#[test]
fn a_peer_that_stops_in_the_middle_is_not_one_that_cannot_be_reached() {
    let base = version(5, &[]);
    let mut request = Vec::new();
    let mut exchange = Exchange::start(ask(AskKind::Ixfr, Some(&base)), 77, NOW, &mut request);
    assert_eq!(exchange.closed().fault(), Fault::Garbage);
    assert_eq!(exchange.silent().fault(), Fault::Silent);
    // A lone newer SOA over TCP, and then nothing: the differences are not to be had.
    assert!(matches!(exchange.feed(&reply(&request, &[soa("x.", 9)]), NOW), Ok(Progress::More)));
    for error in [exchange.closed(), exchange.silent()] {
        assert_eq!(error.fault(), Fault::Garbage);
    }
}

#[test]
fn e09_whose_fault_it_is_decides_what_is_tried_next() {
    for (error, fault) in [
        (TransferError::Rcode(ResponseCode::NotImp), Fault::Refused),
        (TransferError::Rcode(ResponseCode::FormErr), Fault::Refused),
        (TransferError::Rcode(ResponseCode::ServFail), Fault::Refused),
        (TransferError::Cut { records: 3 }, Fault::Garbage),
        (TransferError::Cut { records: 0 }, Fault::Garbage),
        (TransferError::ChainGap { expected: Serial(1), found: Serial(2) }, Fault::IxfrUnusable),
        (TransferError::ClosingSoaDiffers, Fault::Garbage),
        (TransferError::Silent(None), Fault::Silent),
        (TransferError::Unreachable("refused".into()), Fault::Unreachable),
        (TransferError::SerialLower { ours: Serial(2), theirs: Serial(1) }, Fault::Lower),
        (TransferError::Key(ReplyFault::BadSignature, ResponseCode::NoError), Fault::Refused),
        (TransferError::TooManyOctets, Fault::TooLarge),
    ] {
        assert_eq!(error.fault(), fault, "{error}");
    }
}
