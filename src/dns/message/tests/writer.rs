//! What our writer writes, read back by hickory-proto, an independent decoder.

use super::compress::OFFSETS_END;
use super::reader::read_records;
use super::*;

pub(super) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(super) fn question(name: &Name) -> Question<'_> {
    Question { name: name.as_ref(), qtype: RecordType::A, qclass: Class::IN }
}

pub(super) const REQUEST: Header = Header { id: 0xbeef, bits: 0x0100 | 0x0030, counts: [1, 0, 0, 0] };

pub(super) fn record<'a>(owner: &'a Name, rtype: RecordType, rdata: &'a [u8]) -> RecordRef<'a> {
    RecordRef { owner: owner.as_ref(), rtype, ttl: 300, rdata }
}

/// Names decoded by hickory, in the order answer, authority, additional.
pub(super) fn decoded(octets: &[u8]) -> Vec<(String, String)> {
    let message = Message::from_vec(octets).expect("hickory reads it");
    let records = message.answers.iter().chain(&message.authorities).chain(&message.additionals);
    records.map(|record| (record.name.to_string(), record.data.to_string())).collect()
}

#[test]
fn a01_a_reply_copies_id_opcode_and_rd() {
    let mut buffer = [0xff; 512];
    let asked = name("wWw.Example");
    let length = Writer::reply(&mut buffer, 512, &REQUEST, Some(question(&asked))).finish();
    let header = Header::read(&buffer[..length]).unwrap();
    assert_eq!(header, Header { id: 0xbeef, bits: 0x8100, counts: [1, 0, 0, 0] });
    assert_eq!(&buffer[12..length - 4], asked.as_ref().wire());
}

#[test]
fn a01_flags_and_rcode_stand_together_in_any_order() {
    let bits = |write: &dyn Fn(&mut Writer<'_>)| {
        let mut buffer = [0; 512];
        let mut writer = Writer::reply(&mut buffer, 512, &REQUEST, None);
        assert!(!writer.is_authoritative());
        write(&mut writer);
        assert!(writer.is_authoritative());
        let length = writer.finish();
        Header::read(&buffer[..length]).expect("a header").bits
    };
    let flags = |writer: &mut Writer<'_>| {
        writer.set_authoritative();
        writer.set_truncated();
    };
    let rcode = |writer: &mut Writer<'_>| writer.set_rcode(ResponseCode::YXDomain);
    assert_eq!(
        bits(&|writer| {
            flags(writer);
            rcode(writer)
        }),
        0x8706
    );
    assert_eq!(
        bits(&|writer| {
            rcode(writer);
            flags(writer)
        }),
        0x8706
    );
}

#[test]
fn b38_names_are_compressed_and_an_independent_decoder_reads_them() {
    let mut buffer = [0; 512];
    let asked = name("www.example");
    let (ns1, ns2, apex) = (name("ns1.example"), name("ns2.x.example"), name("EXAMPLE"));
    let mut writer = Writer::reply(&mut buffer, 512, &REQUEST, Some(question(&asked)));
    writer.set_authoritative();
    writer.record(Section::Answer, record(&asked, RecordType::A, &[192, 0, 2, 1])).unwrap();
    writer.record(Section::Answer, record(&asked, RecordType::A, &[192, 0, 2, 2])).unwrap();
    writer.record(Section::Authority, record(&apex, RecordType::NS, ns1.as_ref().wire())).unwrap();
    writer.record(Section::Authority, record(&apex, RecordType::NS, ns2.as_ref().wire())).unwrap();
    writer.record(Section::Additional, record(&ns1, RecordType::A, &[192, 0, 2, 3])).unwrap();
    writer.record(Section::Additional, record(&ns2, RecordType::A, &[192, 0, 2, 4])).unwrap();
    assert_eq!(writer.count(Section::Authority), 2);
    let length = writer.finish();
    // Question, two answers of 16, NS of 12 + 6 and 12 + 8, two addresses of 16.
    assert_eq!(length, 12 + 13 + 4 + 32 + 18 + 20 + 32);
    let names: Vec<_> = decoded(&buffer[..length]).into_iter().map(|(owner, _)| owner).collect();
    assert_eq!(
        names,
        ["www.example.", "www.example.", "example.", "example.", "ns1.example.", "ns2.x.example."]
    );
}

#[test]
fn b37_only_types_of_rfc_1035_are_compressed_inside() {
    let asked = name("www.example");
    let wire = asked.as_ref().wire();
    let srv = [&[0, 1, 0, 2, 0, 53][..], wire].concat();
    let mx = [&[0, 10][..], wire].concat();
    for (rtype, rdata, expected) in [
        (RecordType::SRV, &srv[..], srv.len()),
        (RecordType::DNAME, wire, wire.len()),
        (RecordType::MX, &mx[..], 4),
        (RecordType::CNAME, wire, 2),
        (RecordType(65_000), wire, wire.len()),
    ] {
        let mut buffer = [0; 512];
        let mut writer = Writer::reply(&mut buffer, 512, &REQUEST, Some(question(&asked)));
        let before = writer.len();
        writer.record(Section::Answer, record(&asked, rtype, rdata)).unwrap();
        assert_eq!(writer.len() - before, 12 + expected, "{rtype}");
        writer.finish();
    }
}

#[test]
fn d06_transfers_keep_the_case_of_every_name() {
    let mut buffer = [0; 512];
    let (asked, other, host) = (name("example"), name("EXAMPLE"), name("Ns.eXample"));
    let mut writer = Writer::reply(&mut buffer, 512, &REQUEST, Some(question(&asked)))
        .with_compression(Compression::ExactCase);
    writer.record(Section::Answer, record(&asked, RecordType::NS, host.as_ref().wire())).unwrap();
    writer.record(Section::Answer, record(&other, RecordType::NS, host.as_ref().wire())).unwrap();
    writer.record(Section::Answer, record(&host, RecordType::A, &[1, 2, 3, 4])).unwrap();
    let length = writer.finish();
    let shown: Vec<_> = decoded(&buffer[..length]).into_iter().map(|(owner, _)| owner).collect();
    assert_eq!(shown, ["example.", "EXAMPLE.", "Ns.eXample."]);
    // The second owner is written out, the second target and the third owner are pointers.
    assert_eq!(length, 12 + 13 + (12 + 12) + (9 + 10 + 2) + (2 + 10 + 4));
}

#[test]
fn b38_a_message_full_of_names_points_to_all_of_them() {
    let mut buffer = vec![0; 0x4000];
    let names: Vec<Name> = (0..400).map(|number| name(&format!("n{number}.example"))).collect();
    let asked = name("example");
    let written_out = |writer: Writer<'_>| {
        let mut writer = writer;
        // Each name once in full, then again.
        for owner in &names {
            writer.record(Section::Answer, record(owner, RecordType::A, &[1, 2, 3, 4])).unwrap();
        }
        let mut count = 0;
        for owner in names.iter().rev().skip(1) {
            let before = writer.len();
            writer.record(Section::Answer, record(owner, RecordType::A, &[4, 3, 2, 1])).unwrap();
            count += usize::from(writer.len() - before != 2 + 10 + 4);
        }
        let length = writer.finish();
        (count, length)
    };
    let few = written_out(Writer::reply(&mut buffer, 0x4000, &REQUEST, Some(question(&asked))));
    assert!(few.0 > 0, "all names fit the small table, and this test shows nothing");
    let many = Writer::reply(&mut buffer, 0x4000, &REQUEST, Some(question(&asked))).with_many_targets();
    let (count, length) = written_out(many);
    // A name whose slots were all taken is rare, and only not a target.
    assert!(count < 5, "{count} names were written out again");
    let owners: Vec<String> = decoded(&buffer[..length]).into_iter().map(|(owner, _)| owner).collect();
    let expected = names.iter().chain(names.iter().rev().skip(1)).map(Name::to_string);
    assert!(owners.into_iter().eq(expected));
}

/// The first record with this owner, then another: how long the second is.
#[track_caller]
fn octets_of_another(writer: &mut Writer<'_>, owner: &Name) -> usize {
    writer.record(Section::Answer, record(owner, RecordType::A, &[1, 2, 3, 4])).expect("there is room");
    let before = writer.len();
    writer.record(Section::Answer, record(owner, RecordType::A, &[4, 3, 2, 1])).expect("there is room");
    writer.len() - before
}

#[test]
fn b38_a_record_points_to_the_owner_of_the_one_before_however_many_names_there_are() {
    let names: Vec<Name> = (0..400).map(|number| name(&format!("n{number}.example"))).collect();
    for mode in [Compression::IgnoreCase, Compression::ExactCase] {
        let mut buffer = vec![0; 0x4000];
        let asked = name("example");
        let writer = Writer::reply(&mut buffer, 0x4000, &REQUEST, Some(question(&asked)));
        let mut writer = writer.with_compression(mode);
        for owner in &names {
            assert_eq!(octets_of_another(&mut writer, owner), 2 + 10 + 4, "{owner} {mode:?}");
        }
        let length = writer.finish();
        let owners = decoded(&buffer[..length]).into_iter().map(|(owner, _)| owner);
        assert!(owners.eq(names.iter().flat_map(|name| [name.to_string(), name.to_string()])));
    }
}

#[test]
fn b38_no_pointer_leads_to_an_owner_that_stands_too_far_behind() {
    let asked = name("example");
    let owners = [name("last.example"), name("other.example")];
    for first_at in [OFFSETS_END - 1, OFFSETS_END, OFFSETS_END + 1] {
        let mut buffer = vec![0; OFFSETS_END + 1000];
        let limit = buffer.len();
        let mut writer = Writer::reply(&mut buffer, limit, &REQUEST, Some(question(&asked)));
        let filler = vec![0; first_at - writer.len() - 12];
        writer.record(Section::Answer, record(&asked, RecordType::NULL, &filler)).expect("there is room");
        assert_eq!(writer.len(), first_at);
        let seconds = owners.each_ref().map(|owner| octets_of_another(&mut writer, owner));
        // What is behind the limit is written again, but for the part that is known from the question.
        let first = if first_at < OFFSETS_END { 2 } else { 5 + 2 };
        assert_eq!(seconds, [first + 10 + 4, 6 + 2 + 10 + 4], "{first_at}");
        let length = writer.finish();
        let read = decoded(&buffer[..length]).into_iter().map(|(owner, _)| owner);
        let expected = [&asked, &owners[0], &owners[0], &owners[1], &owners[1]];
        assert!(read.eq(expected.map(Name::to_string)), "{first_at}");
    }
}

#[test]
fn b38_the_root_is_one_octet_whatever_the_id() {
    let asked = Name::root();
    for id in [0, 0x00ff, 0xbeef] {
        let mut buffer = [0; 512];
        let request = Header { id, ..REQUEST };
        let mut writer = Writer::reply(&mut buffer, 512, &request, Some(question(&asked)));
        assert_eq!(octets_of_another(&mut writer, &asked), 1 + 10 + 4);
        let length = writer.finish();
        assert_eq!(length, 12 + 5 + 2 * 15);
        let owners: Vec<String> = decoded(&buffer[..length]).into_iter().map(|(owner, _)| owner).collect();
        assert_eq!(owners, [".", "."]);
    }
}

#[test]
fn a11_a_record_that_does_not_fit_leaves_nothing_behind() {
    let asked = name("www.example");
    let long = [&[250][..], &[b'x'; 250]].concat();
    let mut buffer = [0; 1024];
    let mut writer = Writer::reply(&mut buffer, 512, &REQUEST, Some(question(&asked)));
    writer.reserve(100);
    let before = writer.mark();
    writer.record(Section::Answer, record(&asked, RecordType::TXT, &long)).unwrap();
    assert!(!writer.is_empty());
    let length = writer.len();
    let other = name("other.example");
    assert_eq!(writer.record(Section::Answer, record(&other, RecordType::TXT, &long)), Err(Full));
    assert_eq!((writer.len(), writer.count(Section::Answer)), (length, 1));
    writer.rollback(before);
    assert!(writer.is_empty());
    // What was taken back is no target for a pointer any more.
    writer.record(Section::Authority, record(&other, RecordType::NS, other.as_ref().wire())).unwrap();
    writer.set_truncated();
    let length = writer.finish();
    assert_eq!(decoded(&buffer[..length]), [("other.example.".into(), "other.example.".into())]);
}

#[test]
fn a53_room_for_opt_survives_and_a43_ede_text_goes_first() {
    let asked = name("www.example");
    let text = "x".repeat(200);
    let options = [
        OptOption::Plain { code: code::COOKIE, data: &[7; 24] },
        OptOption::Ede { info_code: 18, text: &text },
    ];
    let opt = Opt { udp_size: 1232, do_bit: true, options: &options };
    let filler = [&[200][..], &[b'y'; 200]].concat();
    for (fillers, octets) in [(1, opt.octets()), (2, OPT_OCTETS_MIN + 28 + 6)] {
        let mut buffer = [0; 512];
        let mut writer = Writer::reply(&mut buffer, 512, &REQUEST, Some(question(&asked)));
        writer.reserve_opt(OPT_OCTETS_MIN);
        for _ in 0..fillers {
            writer.record(Section::Answer, record(&asked, RecordType::TXT, &filler)).unwrap();
        }
        let before = writer.len();
        writer.opt(&opt).unwrap();
        writer.set_rcode(ResponseCode::BADVERS);
        assert_eq!(writer.len() - before, octets);
        let length = writer.finish();
        let message = Message::from_vec(&buffer[..length]).unwrap();
        assert_eq!(u16::from(message.metadata.response_code), 16);
        let edns = message.edns.unwrap();
        assert!(edns.flags().dnssec_ok);
        assert_eq!(edns.max_payload(), 1232);
    }
    // Records leave exactly the reserved room: then OPT stands alone.
    let mut buffer = [0; 512];
    let mut writer = Writer::reply(&mut buffer, 512, &REQUEST, Some(question(&asked)));
    writer.reserve_opt(OPT_OCTETS_MIN);
    while writer.record(Section::Answer, record(&asked, RecordType::NULL, &[])).is_ok() {}
    assert!(writer.room() < 12);
    writer.opt(&opt).unwrap();
    writer.finish();
}

#[test]
fn h14_records_leave_all_the_room_that_is_reserved() {
    let asked = name("www.example");
    let mut buffer = [0; 512];
    let mut writer = Writer::reply(&mut buffer, 512, &REQUEST, Some(question(&asked)));
    writer.reserve(60);
    writer.reserve(40);
    assert_eq!(writer.room(), 512 - writer.len() - 100);
    let rdata = vec![0; writer.room() - 12];
    let longer = [&rdata[..], &[0]].concat();
    assert_eq!(writer.record(Section::Answer, record(&asked, RecordType::NULL, &longer)), Err(Full));
    assert_eq!(writer.record(Section::Answer, record(&asked, RecordType::NULL, &rdata)), Ok(()));
    assert_eq!(writer.finish(), 512 - 100);
}

#[test]
fn a46_padding_fills_the_last_block_with_all_that_follows() {
    const BLOCK: usize = 128;
    const RESERVED: usize = 61;
    let asked = name("www.example");
    let options = [OptOption::Plain { code: code::COOKIE, data: &[7; 24] }];
    let bare = Opt { udp_size: 1232, do_bit: true, options: &options };
    for length in 0..400 {
        let mut buffer = [0; 512];
        let mut writer = Writer::reply(&mut buffer, 512, &REQUEST, Some(question(&asked)));
        writer.reserve(RESERVED);
        let filler = vec![0; length];
        writer.record(Section::Answer, record(&asked, RecordType::NULL, &filler)).expect("there is room");
        let Some(data) = writer.padding(&bare, BLOCK) else {
            let room = writer.room().checked_sub(bare.octets() + OPTION_OCTETS);
            assert_eq!(room, None, "{length}");
            continue;
        };
        assert!(data < BLOCK);
        let data = vec![0; data];
        let options = [options[0], OptOption::Plain { code: code::PADDING, data: &data }];
        writer.opt(&Opt { options: &options, ..bare }).expect("there is room");
        let whole = writer.finish() + RESERVED;
        assert_eq!(whole.next_multiple_of(BLOCK), whole, "{length}");
    }
}

#[test]
fn a46_padding_ends_where_the_message_must() {
    let asked = name("www.example");
    let bare = Opt { udp_size: 1232, do_bit: false, options: &[] };
    // A block that is never full, and one, two or no octets left for the padding.
    for (left, expected) in [(2, Some(2)), (1, Some(1)), (0, Some(0))] {
        let mut buffer = [0; 512];
        let mut writer = Writer::reply(&mut buffer, 512, &REQUEST, Some(question(&asked)));
        let rest = writer.room() - bare.octets() - OPTION_OCTETS;
        writer.reserve(rest - left);
        assert_eq!(writer.padding(&bare, 1000), expected);
        writer.reserve(left + 1);
        assert_eq!(writer.padding(&bare, 1000), None);
    }
}

#[test]
fn the_upper_bits_of_an_rcode_go_to_opt_while_it_is_there() {
    let asked = name("www.example");
    let opt = Opt { udp_size: 1232, do_bit: false, options: &[] };
    let rcode = ResponseCode::Unknown(0x120);
    for (keeps_opt, expected) in [(true, rcode), (false, ResponseCode::NoError)] {
        let mut buffer = [0; 512];
        let mut writer = Writer::reply(&mut buffer, 512, &REQUEST, Some(question(&asked)));
        let address = record(&asked, RecordType::A, &[192, 0, 2, 1]);
        let before = writer.mark();
        writer.opt(&opt).expect("there is room");
        let behind = writer.mark();
        writer.record(Section::Additional, address).expect("there is room");
        writer.rollback(if keeps_opt { behind } else { before });
        writer.record(Section::Additional, address).expect("there is room");
        writer.set_rcode(rcode);
        let length = writer.finish();
        assert_eq!(Reader::new(&buffer[..length]).expect("a message").rcode(), expected);
        let records = read_records(&buffer[..length]).expect("records");
        let expected = (Section::Additional, "www.example.".to_owned(), RecordType::A, "c0000201".to_owned());
        assert_eq!(records, [expected]);
    }
}
