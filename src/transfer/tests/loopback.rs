//! What `outgoing` packs, `incoming` reads back: the same version, octet for octet, in every form. The
//! messages are also read by implementations that share no code with ours.

use std::collections::BTreeMap;

use domain::base::Message as ForeignMessage;
use domain::base::name::ParsedName;
use domain::base::rdata::ComposeRecordData;
use domain::rdata::AllRecordData;
use proptest::prelude::*;

use super::*;
use crate::dns::message::Header;
use crate::limits;
use crate::trace::Steps;
use crate::transfer::outgoing::Form;

/// One change: which record (owner, type, value), and how it is written (TTL, spelling).
pub(super) type Edit = ((u8, u8, u8), (bool, bool));

/// Several edits in a row.
pub(super) fn edits() -> impl Strategy<Value = Vec<Vec<Edit>>> {
    let edit = ((0..6u8, 0..4u8, 0..3u8), any::<(bool, bool)>());
    proptest::collection::vec(proptest::collection::vec(edit, 0..8), 1..6)
}

/// The versions that the edits make of a zone with `filler` records that never change.
pub(super) fn history(edits: &[Vec<Edit>], filler: usize) -> Vec<Arc<Version>> {
    let fixed: Vec<Record> = (0..filler).map(|n| a(&format!("filler-{n}.X."), n as u8)).collect();
    let mut live: BTreeMap<(u8, u8, u8), (bool, bool)> = BTreeMap::new();
    let mut versions = vec![version(u32::MAX - 1, &fixed)];
    for (number, edit) in edits.iter().enumerate() {
        for (which, how) in edit {
            if live.insert(*which, *how) == Some(*how) {
                live.remove(which);
            }
        }
        let moving = live.iter().map(|(which, how)| written(*which, *how));
        let all: Vec<Record> = fixed.iter().cloned().chain(moving).collect();
        // The serials cross zero.
        versions.push(version((number as u32).wrapping_mul(3), &all));
    }
    versions
}

fn written((owner, rtype, value): (u8, u8, u8), (long, loud): (bool, bool)) -> Record {
    let owner = format!("{}{owner}.x.", if loud { "HOST" } else { "host" });
    let ttl = if long { 7200 } else { 300 };
    let target = name(&format!("Target{value}.X."));
    match rtype {
        0 => rr(&owner, RecordType::A, ttl, &[10, 0, 0, value]),
        1 => rr(&owner, RecordType::TXT, ttl, &[2, b'v', value]),
        2 => rr(&owner, RecordType::NS, ttl, target.as_ref().wire()),
        _ => rr(&owner, RecordType(65_400), ttl, &[value; 5]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn e03_e06_d01_every_form_carries_the_exact_version(
        edits in edits(), filler in prop_oneof![Just(0usize), Just(60)], signed: bool, whole: bool
    ) {
        let versions = history(&edits, filler);
        let steps = chain(&versions);
        let primary = versions.last().unwrap();
        for base in &versions[..versions.len() - 1] {
            let kind = if whole { AskKind::Axfr } else { AskKind::Ixfr };
            let asked = Ask { key: signed.then(key), want_expire: signed, ..ask(kind, Some(base)) };
            let (outgoing, answer) = carry(asked, primary, &steps);
            let Ok(Answer::Changed { change, octets, records, .. }) = answer else { panic!("{answer:?}") };
            prop_assert!(is_same(&change.after, primary));
            prop_assert_eq!((octets, records), (outgoing.octets(), outgoing.records()));
            let mut version = base.clone();
            for delta in &change.deltas {
                version = Arc::new(zone::apply(&version, delta).unwrap());
            }
            prop_assert!(change.deltas.is_empty() || is_same(&version, primary));
            if outgoing.form() != Form::Axfr {
                prop_assert!(!change.deltas.is_empty());
            }
        }
    }
}

pub(super) fn many(count: u32) -> Vec<Record> {
    (0..count).map(|n| rr(&format!("H{n}.Sub.x."), RecordType::A, n, &n.to_be_bytes())).collect()
}

#[test]
fn r15_the_smallest_form_is_sent() {
    let filler = many(100);
    let with = |serial, extra: &[Record]| version(serial, &[&filler[..], extra].concat());
    let form = |versions: &[Arc<Version>]| {
        let (outgoing, answer) =
            carry(ask(AskKind::Ixfr, Some(&versions[0])), versions.last().unwrap(), &chain(versions));
        let Ok(Answer::Changed { change, .. }) = answer else { panic!("{answer:?}") };
        assert!(is_same(&change.after, versions.last().unwrap()));
        (outgoing.form(), change.deltas.len())
    };
    let (one, two) = (with(2, &[a("a.x.", 1)]), with(3, &[a("a.x.", 1), a("b.x.", 1)]));
    assert_eq!(form(&[with(1, &[]), one.clone()]), (Form::Steps, 1));
    // Two steps that add: one pair of SOAs less.
    assert_eq!(form(&[with(1, &[]), one.clone(), two]), (Form::Condensed, 1));
    assert_eq!(form(&[with(1, &[]), one, with(3, &[])]), (Form::Condensed, 1));
    // E07: a zone that was rewritten comes whole.
    assert_eq!(form(&[with(1, &[]), version(2, &[a("a.x.", 1)])]).0, Form::Axfr);
}

#[test]
fn steps_in_the_version_itself_need_no_store() {
    let filler = many(100);
    let base = version(1, &filler);
    let next = version(2, &[&filler[..], &[a("a.x.", 1)]].concat());
    let steps = chain(&[base.clone(), next.clone()]);
    let primary = Arc::new(Version::clone(&next).with_recent(steps));
    let mut request = Vec::new();
    Exchange::start(ask(AskKind::Ixfr, Some(&base)), 77, NOW, &mut request);
    assert_eq!(start_of(&request, &next).wants_history(), Some(Serial(1)));
    assert_eq!(start_of(&request, &primary).wants_history(), None);
    let (outgoing, _) = carry(ask(AskKind::Ixfr, Some(&base)), &primary, &[]);
    assert_eq!(outgoing.form(), Form::Steps);
}

#[test]
fn e03_several_steps_come_in_order() {
    let filler = many(300);
    let grow = |serial: u32, count: u8| {
        let extra: Vec<Record> = (0..count).map(|n| a("same.x.", n)).collect();
        version(serial, &[&filler[..], &extra].concat())
    };
    let versions = [grow(1, 1), grow(2, 2), grow(3, 3)];
    let steps = chain(&versions);
    // A relay that has the steps: what it received is what it stores and gives on.
    let mut request = Vec::new();
    let mut exchange = Exchange::start(ask(AskKind::Ixfr, Some(&versions[0])), 77, NOW, &mut request);
    let mut answers = vec![versions[2].soa().to_record()];
    for delta in &steps {
        answers.extend(delta.removed.iter().chain(&delta.added).map(|record| record.to_record()));
    }
    answers.push(versions[2].soa().to_record());
    let one_each: Vec<Vec<u8>> = answers.chunks(1).map(|one| reply(&request, one)).collect();
    let Ok(Answer::Changed { change, .. }) = feed(&mut exchange, &one_each) else { panic!("refused") };
    assert_eq!(change.deltas, steps);
    assert!(is_same(&change.after, &versions[2]));
}

#[test]
fn d01_d02_d03_d04_d06_a_big_zone_in_many_messages_read_by_others() {
    let primary = version(9, &many(3000));
    let mut request = Vec::new();
    let mut exchange = Exchange::start(ask(AskKind::Axfr, None), 0x1234, NOW, &mut request);
    let sent = messages(&mut plan(start_of(&request, &primary), &[], &mut Cache::new(), &mut Silent));
    assert!(sent.len() > 2);
    let mut received = Vec::new();
    for (index, message) in sent.iter().enumerate() {
        assert!(message.len() <= limits::TRANSFER_MESSAGE_OCTETS);
        let header = Header::read(message).unwrap();
        assert_eq!((header.id, header.bits), (0x1234, 0x8400));
        assert_eq!(header.counts[0], u16::from(index == 0));
        let hickory = hickory_proto::op::Message::from_vec(message).unwrap();
        assert_eq!(hickory.answers.len(), usize::from(header.counts[1]));
        received.extend(foreign_records(message));
    }
    let soa = packed(&primary.soa().to_record());
    assert_eq!((received.first(), received.last()), (Some(&soa), Some(&soa)));
    received.pop();
    let mut expected: Vec<Vec<u8>> = records(&primary).iter().map(packed).collect();
    expected.sort();
    received.sort();
    assert_eq!(received, expected);
    let Ok(Answer::Changed { change, messages, .. }) = feed(&mut exchange, &sent) else { panic!("refused") };
    assert!(is_same(&change.after, &primary));
    assert_eq!(messages, sent.len() as u64);
}

/// The answers of a message in uncompressed wire form, as the `domain` crate reads them.
fn foreign_records(message: &[u8]) -> Vec<Vec<u8>> {
    let message = ForeignMessage::from_octets(message).unwrap();
    let answers = message.answer().unwrap();
    answers
        .map(|record| {
            let record = record.unwrap();
            let record = record.to_any_record::<AllRecordData<_, ParsedName<_>>>().unwrap();
            let mut rdata = Vec::new();
            record.data().compose_rdata(&mut rdata).unwrap();
            let mut owner = Vec::new();
            domain::base::name::ToName::compose(record.owner(), &mut owner).unwrap();
            let owner = Name::from_wire(&owner).unwrap();
            let rtype = RecordType(record.rtype().to_int());
            packed(&Record { owner, rtype, ttl: record.ttl().as_secs(), rdata: rdata.into() })
        })
        .collect()
}

fn packed(record: &Record) -> Vec<u8> {
    [record.as_ref()].into_iter().collect::<crate::dns::Records>().octets().to_vec()
}

#[test]
fn h07_h08_another_implementation_verifies_the_signed_stream() {
    use domain::base::iana::Rtype;
    use domain::base::name::Name as ForeignName;
    use domain::base::{MessageBuilder, StaticCompressor};
    use domain::rdata::tsig::Time48;
    use domain::tsig::{Algorithm as ForeignAlgorithm, ClientSequence, Key as ForeignKey};

    let time = Time48::from_u64(NOW.wall.seconds());
    let foreign = ForeignKey::new(
        ForeignAlgorithm::Sha256,
        b"a secret of the flock, 32 octets",
        "flock.key".parse().unwrap(),
        None,
        None,
    );
    let mut builder = MessageBuilder::from_target(StaticCompressor::new(Vec::new())).unwrap().question();
    builder.header_mut().set_id(99);
    builder.push((ForeignName::<Vec<u8>>::from_octets(b"\x01x\x00".to_vec()).unwrap(), Rtype::AXFR)).unwrap();
    let mut builder = builder.additional();
    let mut sequence = ClientSequence::request(foreign.unwrap(), &mut builder, time).unwrap();
    let request = builder.finish().into_target();
    let primary = version(9, &many(3000));
    let sent = messages(&mut plan(start_of(&request, &primary), &[], &mut Cache::new(), &mut Silent));
    assert!(sent.len() > 2);
    for message in sent {
        let mut message = ForeignMessage::from_octets(message).unwrap();
        sequence.answer(&mut message, time).unwrap();
    }
    sequence.done().unwrap();
}

#[test]
fn r22_a_record_near_64_kib_travels_in_a_message_of_its_own() {
    let big = rr("big.x.", RecordType(65_400), 300, &vec![7; 65_000]);
    let primary = version(9, &[&many(50)[..], &[big]].concat());
    for key in [None, Some(key())] {
        let (outgoing, answer) = carry(Ask { key, ..ask(AskKind::Axfr, None) }, &primary, &[]);
        let Ok(Answer::Changed { change, messages, .. }) = answer else { panic!("{answer:?}") };
        assert!(is_same(&change.after, &primary));
        assert!(messages >= 2);
        assert_eq!(outgoing.records(), primary.record_count() + 1);
    }
}

#[test]
fn r22_a_record_that_fits_no_message_ends_the_transfer() {
    let big = rr("big.x.", RecordType(65_400), 300, &vec![7; 65_530]);
    let primary = version(9, std::slice::from_ref(&big));
    let mut request = Vec::new();
    Exchange::start(ask(AskKind::Axfr, None), 77, NOW, &mut request);
    let mut outgoing = plan(start_of(&request, &primary), &[], &mut Cache::new(), &mut Silent);
    let mut buffer = vec![0; 65_535];
    let stuck = loop {
        match outgoing.next(NOW, &mut buffer) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it was sent"),
            Err(stuck) => break stuck,
        }
    };
    assert_eq!(stuck.0, big);
}

#[test]
fn d05_cuts_glue_and_occluded_names_all_travel() {
    let dname = rr("d.x.", RecordType::DNAME, 300, name("Elsewhere.").as_ref().wire());
    let primary = version(
        9,
        &[
            ns("cut.x.", "ns.cut.x."),
            a("ns.cut.x.", 1),
            a("occluded.below.cut.x.", 2),
            dname,
            a("under.d.x.", 3),
            a("*.wild.x.", 4),
            rr("e.m.p.t.y.x.", RecordType(65_400), 0x8000_0001, &[]),
        ],
    );
    let (outgoing, answer) = carry(ask(AskKind::Axfr, None), &primary, &[]);
    let Ok(Answer::Changed { change, .. }) = answer else { panic!("{answer:?}") };
    assert!(is_same(&change.after, &primary));
    assert_eq!(outgoing.records(), 9 + 1);
}

#[test]
fn e13_a_ttl_and_a_serial_alone_are_changes() {
    let filler = many(50);
    let with = |serial, ttl| {
        version(serial, &[&filler[..], &[rr("a.x.", RecordType::A, ttl, &[1, 2, 3, 4])]].concat())
    };
    for (versions, changed) in [([with(1, 300), with(2, 301)], 2), ([with(1, 300), with(2, 300)], 0)] {
        let (outgoing, answer) =
            carry(ask(AskKind::Ixfr, Some(&versions[0])), &versions[1], &chain(&versions));
        let Ok(Answer::Changed { change, .. }) = answer else { panic!("{answer:?}") };
        assert_eq!((outgoing.form(), outgoing.records()), (Form::Steps, 4 + changed));
        assert!(is_same(&change.after, &versions[1]));
    }
}

#[test]
fn the_choice_of_the_form_is_explained() {
    let filler = many(100);
    let versions = [version(1, &filler), version(2, &[&filler[..], &[a("a.x.", 1)]].concat())];
    let explain = |base: &Arc<Version>, history: &[Arc<Delta>]| {
        let mut request = Vec::new();
        Exchange::start(ask(AskKind::Ixfr, Some(base)), 77, NOW, &mut request);
        let mut steps = Steps::default();
        plan(start_of(&request, &versions[1]), history, &mut Cache::new(), &mut steps);
        steps.0.iter().map(|step| step.0.clone()).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(explain(&versions[1], &[]), "the client has serial 2, we have 2: it is current");
    assert_eq!(explain(&versions[0], &[]), "no steps are kept from serial 1 to 2: the whole zone");
    let found = explain(&versions[0], &chain(&versions));
    assert!(found.starts_with("steps from serial 1 to 2: 1, "), "{found}");
}
