//! What our writer writes, read back by hickory-proto, an independent decoder.

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

#[test]
fn a11_a_record_that_does_not_fit_leaves_nothing_behind() {
    let asked = name("www.example");
    let long = [&[250][..], &[b'x'; 250]].concat();
    let mut buffer = [0; 1024];
    let mut writer = Writer::reply(&mut buffer, 512, &REQUEST, Some(question(&asked)));
    writer.reserve(100);
    let before = writer.mark();
    writer.record(Section::Answer, record(&asked, RecordType::TXT, &long)).unwrap();
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
