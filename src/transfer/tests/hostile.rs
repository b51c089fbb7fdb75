//! A primary that misbehaves: each check by itself, and nothing of a bad transfer is used (D11, D12, E08,
//! G02, R23, H10).

use proptest::prelude::*;

use super::loopback::many;
use super::*;
use crate::dns::message::MessageError;
use crate::dns::tsig::ReplyFault;
use crate::dns::{Class, ResponseCode};
use crate::zone::ApplyError;

/// We hold serial 5 with `a.x.`; the peer sends `messages`, each changed by `edit` first.
#[track_caller]
fn check_edited(
    kind: AskKind,
    messages: &[&[Record]],
    edit: impl Fn(usize, &mut Vec<u8>),
    expected: TransferError,
) {
    let base = version(5, &[a("a.x.", 1)]);
    let before = records(&base);
    let mut request = Vec::new();
    let mut exchange = Exchange::start(ask(kind, Some(&base)), 77, NOW, &mut request);
    let messages: Vec<Vec<u8>> = messages
        .iter()
        .enumerate()
        .map(|(index, answers)| {
            let mut message = reply(&request, answers);
            edit(index, &mut message);
            message
        })
        .collect();
    let answer = feed(&mut exchange, &messages);
    match answer {
        Err(error) => {
            assert_eq!(error, expected);
            assert!(!error.to_string().is_empty());
        }
        Ok(answer) => panic!("{answer:?} instead of {expected}"),
    }
    assert_eq!(records(&base), before);
}

#[track_caller]
fn check(kind: AskKind, messages: &[&[Record]], expected: TransferError) {
    check_edited(kind, messages, |_, _| {}, expected);
}

fn whole(serial: u32) -> Vec<Record> {
    vec![soa("x.", serial), ns("x.", "ns.x."), a("a.x.", 2), soa("x.", serial)]
}

/// A good step from 5 to 6.
fn step() -> Vec<Record> {
    vec![soa("x.", 6), soa("x.", 5), a("a.x.", 1), soa("x.", 6), a("a.x.", 2), soa("x.", 6)]
}

fn edited(base: Vec<Record>, edit: impl Fn(&mut Vec<Record>)) -> Vec<Record> {
    let mut records = base;
    edit(&mut records);
    records
}

#[test]
fn the_good_cases_of_these_tables_pass() {
    let base = version(5, &[a("a.x.", 1)]);
    for (kind, records) in [(AskKind::Axfr, whole(6)), (AskKind::Ixfr, step()), (AskKind::Ixfr, whole(6))] {
        let mut request = Vec::new();
        let mut exchange = Exchange::start(ask(kind, Some(&base)), 77, NOW, &mut request);
        let answer = feed(&mut exchange, &[reply(&request, &records)]).unwrap();
        let Answer::Changed { change, .. } = answer else { panic!("{answer:?}") };
        assert!(is_same(&change.after, &version(6, &[a("a.x.", 2)])));
        assert_eq!(change.deltas.len(), 1);
        assert!(is_same(&zone::apply(&base, &change.deltas[0]).unwrap(), &change.after));
    }
}

#[test]
fn d12_r23_messages_that_do_not_belong_are_refused() {
    let whole = whole(6);
    type Case = (fn(&mut Vec<u8>), TransferError);
    let cases: [Case; 9] = [
        (|message| message[1] ^= 1, TransferError::WrongId),
        (|message| message[2] &= 0x7f, TransferError::NotAReply),
        (|message| message[2] |= 0x20, TransferError::WrongOpcode),
        (|message| message[13] = b'y', TransferError::WrongQuestion),
        (|message| message[16] = 1, TransferError::WrongQuestion),
        (|message| message[18] = 3, TransferError::WrongQuestion),
        (|message| message[2] |= 0x02, TransferError::Truncated),
        (|message| message[3] |= 5, TransferError::Rcode(ResponseCode::Refused)),
        (|message| message[3] |= 2, TransferError::Rcode(ResponseCode::ServFail)),
    ];
    for (edit, expected) in cases {
        check_edited(AskKind::Axfr, &[&whole], |_, message| edit(message), expected);
    }
}

#[test]
fn d03_the_first_message_has_the_question_and_later_ones_may_not() {
    let base = version(5, &[]);
    let mut request = Vec::new();
    Exchange::start(ask(AskKind::Axfr, Some(&base)), 77, NOW, &mut request);
    let parsed = read_request(&request).unwrap();
    let bare = |answers: &[Record]| {
        let mut buffer = vec![0; 512];
        let mut writer = Writer::reply(&mut buffer, 512, &parsed.header, None);
        answers.iter().for_each(|record| writer.record(Section::Answer, record.as_ref()).unwrap());
        let length = writer.finish();
        buffer[..length].to_vec()
    };
    let start = || Exchange::start(ask(AskKind::Axfr, Some(&base)), 77, NOW, &mut Vec::new());
    let all = whole(6);
    assert_eq!(start().feed(&bare(&all), NOW).unwrap_err(), TransferError::WrongQuestion);
    let messages = [reply(&request, &all[..1]), bare(&all[1..2]), bare(&all[2..])];
    assert!(matches!(feed(&mut start(), &messages), Ok(Answer::Changed { .. })));
    // An error without a question is still the peer's answer.
    let mut refused = bare(&[]);
    refused[3] |= 5;
    assert_eq!(start().feed(&refused, NOW).unwrap_err(), TransferError::Rcode(ResponseCode::Refused));
}

#[test]
fn r14_deletions_match_without_case_and_ttl_and_the_step_keeps_what_was_stored() {
    let base = version(5, &[a("a.x.", 1), ns("sub.x.", "ns.sub.x.")]);
    let loose = [
        rr("A.X.", RecordType::A, 9, &[192, 0, 2, 1]),
        rr("SUB.x.", RecordType::NS, 1, b"\x02NS\x03suB\x01X\x00"),
    ];
    let mut answers = vec![soa("x.", 6), soa("X.", 5)];
    answers.extend(loose);
    answers.extend([soa("x.", 6), soa("x.", 6)]);
    let mut request = Vec::new();
    let mut exchange = Exchange::start(ask(AskKind::Ixfr, Some(&base)), 77, NOW, &mut request);
    let answer = feed(&mut exchange, &[reply(&request, &answers)]).unwrap();
    let Answer::Changed { change, .. } = answer else { panic!("{answer:?}") };
    assert!(is_same(&change.after, &version(6, &[])));
    let stored = &chain(&[base, version(6, &[])])[0];
    let gone = |delta: &Delta| {
        let mut all: Vec<Record> = delta.removed.iter().map(|record| record.to_record()).collect();
        sort(&mut all);
        all
    };
    let pairs = gone(&change.deltas[0]).into_iter().zip(gone(stored));
    assert!(pairs.into_iter().all(|(left, right)| left.as_ref().same_octets(right.as_ref())));
    assert_eq!((change.deltas[0].removed.len(), change.deltas[0].added.len()), (3, 1));
}

#[test]
fn d12_garbled_messages_are_refused() {
    let base = version(5, &[]);
    let mut request = Vec::new();
    Exchange::start(ask(AskKind::Axfr, Some(&base)), 77, NOW, &mut request);
    let good = reply(&request, &whole(6));
    for cut in 0..good.len() {
        let mut exchange = Exchange::start(ask(AskKind::Axfr, Some(&base)), 77, NOW, &mut Vec::new());
        let error = exchange.feed(&good[..cut], NOW).unwrap_err();
        assert!(matches!(error, TransferError::Garbled(_)), "{cut}: {error}");
    }
    let mut exchange = Exchange::start(ask(AskKind::Axfr, Some(&base)), 77, NOW, &mut Vec::new());
    assert_eq!(exchange.feed(&good[..11], NOW).unwrap_err(), TransferError::Garbled(MessageError::Short));
}

#[test]
fn d12_r23_the_records_of_a_whole_zone_are_checked() {
    let axfr = |edit: fn(&mut Vec<Record>), expected| {
        check(AskKind::Axfr, &[&edited(whole(6), edit)], expected);
    };
    axfr(|all| all.remove(0).ttl = 0, TransferError::NoSoa);
    axfr(|all| all[0].owner = name("y."), TransferError::OutsideOfZone(name("y.")));
    axfr(|all| all[2].owner = name("a.y."), TransferError::OutsideOfZone(name("a.y.")));
    axfr(|all| all[0].owner = name("b.x."), TransferError::SoaBelowApex(name("b.x.")));
    axfr(|all| all[2] = soa("b.x.", 6), TransferError::SoaBelowApex(name("b.x.")));
    axfr(|all| all[2] = rr("a.x.", RecordType(252), 0, &[]), TransferError::NotZoneData(RecordType(252)));
    axfr(|all| all[3] = soa("x.", 7), TransferError::ClosingSoaDiffers);
    axfr(|all| all[3].rdata[24] ^= 1, TransferError::ClosingSoaDiffers);
    axfr(|all| all.push(a("b.x.", 1)), TransferError::Trailing);
    axfr(|all| all.push(soa("x.", 6)), TransferError::Trailing);
    axfr(|all| drop(all.remove(1)), TransferError::NoApexNs);
    axfr(|all| all.clear(), TransferError::EmptyMessage);
    axfr(|all| drop(all.pop()), TransferError::Cut { records: 3 });
}

#[test]
fn d12_another_class_is_refused() {
    // The class of the second record: behind header, question, and the 33 octets or so of the first; it is
    // found by what stands around it.
    let edit = |_: usize, message: &mut Vec<u8>| {
        let at = message.windows(4).position(|octets| octets == [0, 2, 0, 1]).unwrap();
        message[at + 3] = 3;
    };
    check_edited(AskKind::Axfr, &[&whole(6)], edit, TransferError::WrongClass(Class::CH));
}

#[test]
fn r23_g02_serials_that_are_not_newer_are_refused() {
    let (ours, undefined) = (Serial(5), 0x8000_0005);
    for kind in [AskKind::Axfr, AskKind::Ixfr] {
        let lower = TransferError::SerialLower { ours, theirs: Serial(4) };
        check(kind.clone(), &[&whole(4)], lower);
        let theirs = Serial(undefined);
        check(kind, &[&whole(undefined)], TransferError::SerialUndefined { ours, theirs });
    }
    let lower = TransferError::SerialLower { ours, theirs: Serial(4) };
    check(AskKind::Ixfr, &[&[soa("x.", 4)]], lower);
}

#[test]
fn e08_differences_that_do_not_fit_are_refused() {
    let ixfr = |edit: fn(&mut Vec<Record>), expected| {
        check(AskKind::Ixfr, &[&edited(step(), edit)], expected);
    };
    ixfr(|all| all[2] = a("a.x.", 9), TransferError::Inconsistent(ApplyError::MissingRecord));
    ixfr(|all| all[2] = a("b.x.", 1), TransferError::Inconsistent(ApplyError::MissingRecord));
    ixfr(|all| all[4] = ns("x.", "ns.x."), TransferError::Inconsistent(ApplyError::PresentRecord));
    ixfr(|all| all.insert(4, a("a.x.", 2)), TransferError::Inconsistent(ApplyError::PresentRecord));
    ixfr(|all| all[1].rdata[24] ^= 1, TransferError::Inconsistent(ApplyError::SoaDiffers));
    ixfr(|all| all[1] = soa("x.", 4), TransferError::ChainGap { expected: Serial(5), found: Serial(4) });
    ixfr(|all| all[3] = soa("x.", 5), TransferError::StepBack { from: Serial(5), to: Serial(5) });
    ixfr(|all| all[3] = soa("x.", 3), TransferError::StepBack { from: Serial(5), to: Serial(3) });
    ixfr(|all| all[3].rdata[24] ^= 1, TransferError::ClosingSoaDiffers);
    ixfr(|all| all[5].rdata[24] ^= 1, TransferError::ClosingSoaDiffers);
    ixfr(|all| all[5] = soa("x.", 7), TransferError::ClosingSoaDiffers);
    ixfr(|all| all.push(a("b.x.", 1)), TransferError::Trailing);
    ixfr(|all| drop(all.pop()), TransferError::Cut { records: 5 });
    ixfr(|all| all[4].owner = name("a.y."), TransferError::OutsideOfZone(name("a.y.")));
    ixfr(|all| all[2] = ns("x.", "ns.x."), TransferError::NoApexNs);
    // The first step leads to 6, the second must begin there.
    let gap = edited(step(), |all| {
        all[0] = soa("x.", 8);
        all[5] = soa("x.", 7);
    });
    check(AskKind::Ixfr, &[&gap], TransferError::ChainGap { expected: Serial(6), found: Serial(7) });
}

#[test]
fn d11_a_stream_that_breaks_off_anywhere_is_cut() {
    for (kind, records) in [(AskKind::Axfr, whole(6)), (AskKind::Ixfr, step())] {
        for count in 1..records.len() {
            let messages: Vec<&[Record]> = records[..count].chunks(1).collect();
            check(kind.clone(), &messages, TransferError::Cut { records: count as u64 });
        }
    }
}

#[test]
fn d16_limits_end_a_transfer() {
    let limited = |limits: TransferLimits, late_ms: u64| {
        let mut request = Vec::new();
        let ask = Ask { limits, ..ask(AskKind::Axfr, None) };
        let mut exchange = Exchange::start(ask, 77, NOW, &mut request);
        let late = Now { tick: Tick(NOW.tick.0 + late_ms), ..NOW };
        exchange.feed(&reply(&request, &whole(6)), late).map(drop)
    };
    let usual = TransferLimits::default();
    assert_eq!(limited(TransferLimits { records: 3, ..usual }, 0), Err(TransferError::TooManyRecords));
    assert_eq!(limited(TransferLimits { records: 4, ..usual }, 0), Ok(()));
    assert_eq!(limited(TransferLimits { octets: 60, ..usual }, 0), Err(TransferError::TooManyOctets));
    assert_eq!(limited(usual, usual.time.as_millis() as u64 + 1), Err(TransferError::TooSlow));
}

#[test]
fn h10_unsigned_and_badly_signed_streams_are_refused() {
    let signed = Ask { key: Some(key()), ..ask(AskKind::Axfr, None) };
    let many: Vec<Record> = (0..3000).map(|n| a(&format!("h{n}.x."), n as u8)).collect();
    let primary = version(6, &many);
    let run = |edit: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut request = Vec::new();
        let mut exchange = Exchange::start(signed.clone(), 77, NOW, &mut request);
        let mut sent = messages(&mut plan(start_of(&request, &primary), &[], &mut Cache::new(), &mut Silent));
        assert!(sent.len() > 2);
        edit(&mut sent);
        feed(&mut exchange, &sent).map(drop)
    };
    let key = |fault| Err(TransferError::Key(fault, ResponseCode::NoError));
    assert_eq!(run(&|_| {}), Ok(()));
    assert_eq!(run(&|sent| unsign(&mut sent[0])), key(ReplyFault::Missing));
    assert_eq!(run(&|sent| unsign(sent.last_mut().unwrap())), key(ReplyFault::Missing));
    assert_eq!(run(&|sent| sent[0][60] ^= 1), key(ReplyFault::BadSignature));
    assert_eq!(run(&|sent| *sent[1].last_mut().unwrap() ^= 0), Ok(()));
    // Left out, doubled or exchanged messages break the chain of MACs (H08).
    assert_eq!(run(&|sent| drop(sent.remove(1))), key(ReplyFault::BadSignature));
    assert_eq!(run(&|sent| sent.swap(1, 2)), key(ReplyFault::BadSignature));
    assert_eq!(run(&|sent| sent.insert(1, sent[0].clone())), key(ReplyFault::BadSignature));
}

/// Takes the TSIG record off a message.
fn unsign(message: &mut Vec<u8>) {
    let at = crate::dns::message::Reader::new(message).unwrap().tsig().unwrap().at;
    message.truncate(at);
    message[11] -= 1;
}

/// Changes at random places: a bit, a cut, an exchange, a message left out or doubled.
fn disturb(messages: &mut Vec<Vec<u8>>, what: u8, at: usize, bit: u8) {
    let count = messages.len();
    let which = at % count;
    let message = &mut messages[which];
    let octet = (at / count) % message.len();
    match what % 5 {
        0 => message[octet] ^= 1 << (bit % 8),
        1 => message.truncate(octet),
        2 => messages.swap(0, which),
        3 => drop(messages.remove(which)),
        _ => messages.insert(which, messages[which].clone()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// H10: what is signed arrives as it was sent, or not at all.
    #[test]
    fn h10_a_disturbed_signed_stream_is_refused_or_harmless(
        what: u8, at: usize, bit: u8, by_steps: bool
    ) {
        let base = version(5, &many(10));
        let primary = version(6, &many(700));
        let steps = chain(&[base.clone(), primary.clone()]);
        let kind = if by_steps { AskKind::Ixfr } else { AskKind::Axfr };
        let asked = Ask { key: Some(key()), ..ask(kind, Some(&base)) };
        let mut request = Vec::new();
        let mut exchange = Exchange::start(asked, 77, NOW, &mut request);
        let mut sent = messages(&mut plan(start_of(&request, &primary), &steps, &mut Cache::new(), &mut Silent));
        disturb(&mut sent, what, at, bit);
        for message in &sent {
            match exchange.feed(message, NOW) {
                Ok(Progress::More) => {}
                Ok(Progress::Done(Answer::Changed { change, .. })) => {
                    prop_assert!(is_same(&change.after, &primary));
                    break;
                }
                Ok(Progress::Done(other)) => panic!("{other:?}"),
                Err(_) => break,
            }
        }
    }

    /// D11: an unsigned stream may lie, but it never panics, and what it gives is a whole zone.
    #[test]
    fn d11_a_disturbed_stream_never_panics(
        disturbances in proptest::collection::vec((any::<u8>(), any::<usize>(), any::<u8>()), 1..4), by_steps: bool
    ) {
        let base = version(5, &[a("a.x.", 1), ns("b.x.", "c.x.")]);
        let kind = if by_steps { AskKind::Ixfr } else { AskKind::Axfr };
        let mut request = Vec::new();
        let mut exchange = Exchange::start(ask(kind, Some(&base)), 77, NOW, &mut request);
        let answers = if by_steps { step() } else { whole(6) };
        let mut sent: Vec<Vec<u8>> = answers.chunks(2).map(|two| reply(&request, two)).collect();
        for (what, at, bit) in disturbances {
            if !sent.is_empty() && sent.iter().all(|message| !message.is_empty()) {
                disturb(&mut sent, what, at, bit);
            }
        }
        for message in &sent {
            match exchange.feed(message, NOW) {
                Ok(Progress::More) => {}
                Ok(Progress::Done(Answer::Changed { change, .. })) => {
                    prop_assert!(change.after.apex_node().has(RecordType::NS));
                    prop_assert!(change.after.serial().is_newer_than(base.serial()));
                    break;
                }
                Ok(Progress::Done(_)) | Err(_) => break,
            }
        }
    }
}
