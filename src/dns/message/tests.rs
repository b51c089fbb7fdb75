//! Messages made by hand, by our writer (read back by hickory-proto, an independent decoder), and at
//! random.

use hickory_proto::op::Message;
use proptest::prelude::*;

use super::*;
use crate::dns::edns::{OPT_OCTETS_MIN, Opt, OptOption, code};
use crate::dns::record::RecordRef;
use crate::dns::{Name, ResponseCode, Serial};

/// Builds a packet by hand.
#[derive(Clone)]
struct Packet(Vec<u8>);

impl Packet {
    fn new(bits: u16, counts: [u16; 4]) -> Packet {
        let mut octets = vec![0xbe, 0xef];
        octets.extend_from_slice(&bits.to_be_bytes());
        counts.iter().for_each(|count| octets.extend_from_slice(&count.to_be_bytes()));
        Packet(octets)
    }

    fn raw(mut self, octets: &[u8]) -> Packet {
        self.0.extend_from_slice(octets);
        self
    }

    fn question(self, name: &[u8], qtype: RecordType) -> Packet {
        self.raw(name).raw(&qtype.0.to_be_bytes()).raw(&[0, 1])
    }

    fn record(self, owner: &[u8], rtype: RecordType, class: u16, ttl: u32, rdata: &[u8]) -> Packet {
        self.raw(owner)
            .raw(&rtype.0.to_be_bytes())
            .raw(&class.to_be_bytes())
            .raw(&ttl.to_be_bytes())
            .raw(&(rdata.len() as u16).to_be_bytes())
            .raw(rdata)
    }

    fn opt(self, options: &[u8]) -> Packet {
        self.record(&[0], RecordType::OPT, 1232, 0x8000, options)
    }

    fn tsig(self) -> Packet {
        let mut rdata = b"\x0bhmac-sha256\x00".to_vec();
        rdata.extend_from_slice(&[0, 0, 1, 2, 3, 4, 1, 44, 0, 2, 0xaa, 0xbb, 0xbe, 0xef, 0, 0, 0, 0]);
        self.record(b"\x03key\x00", RecordType::TSIG, 255, 0, &rdata)
    }
}

const WWW: &[u8] = b"\x03www\x07example\x00";

fn query(additional: u16) -> Packet {
    Packet::new(0x0100, [1, 0, 0, additional]).question(WWW, RecordType::A)
}

#[track_caller]
fn check_form_error(packet: Packet) {
    match read_request(&packet.0) {
        Err(BadRequest::FormErr { header, .. }) => assert_eq!(header.id, 0xbeef),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_fine(packet: &Packet) -> Request<'_> {
    match read_request(&packet.0) {
        Ok(request) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a02_an_answer_is_never_answered() {
    let packet = Packet::new(0x8000, [1, 0, 0, 0]).question(WWW, RecordType::A);
    assert!(matches!(read_request(&packet.0), Err(BadRequest::Drop)));
}

#[test]
fn a03_too_short_is_silence_and_broken_is_format_error() {
    let packet = query(0);
    for length in 0..12 {
        assert!(matches!(read_request(&packet.0[..length]), Err(BadRequest::Drop)));
    }
    for length in 12..packet.0.len() {
        check_form_error(Packet(packet.0[..length].to_vec()));
    }
    check_form_error(packet.raw(&[0]));
    check_form_error(query(1));
}

#[test]
fn a04_two_questions_are_a_format_error() {
    let packet = Packet::new(0, [2, 0, 0, 0]).question(WWW, RecordType::A).question(WWW, RecordType::A);
    check_form_error(packet);
}

#[test]
fn a05_no_question_needs_a_cookie() {
    check_form_error(Packet::new(0, [0, 0, 0, 0]));
    check_form_error(Packet::new(0, [0, 0, 0, 1]).opt(&[]));
    let packet = Packet::new(0, [0, 0, 0, 1]).opt(&[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(check_fine(&packet).question, None);
}

#[test]
fn a06_a_pointer_in_the_question_is_a_format_error() {
    for name in [&b"\xc0\x0c"[..], b"\x01a\xc0\x0c", b"\xc0\x00", b"\xff\xff", b"\x40a\x00", b"\x80\x00"] {
        check_form_error(Packet::new(0, [1, 0, 0, 0]).question(name, RecordType::A));
    }
}

#[test]
fn a06_pointer_chains_cost_a_bounded_number_of_jumps() {
    // Sixteen kilobytes of pointers, each to the one before, inside a record of an unknown type.
    let mut chain = b"\x01a\x00".to_vec();
    let rdata_at = 12 + WWW.len() + 4 + 11;
    let mut target = rdata_at;
    while chain.len() < 16_000 {
        let here = rdata_at + chain.len();
        chain.extend_from_slice(&(0xc000 | target as u16).to_be_bytes());
        target = here;
    }
    let packet = query(1).record(&[0], RecordType(65_000), 1, 0, &chain);
    let mut buffer = name::NAME_BUFFER;
    let last = packet.0.len() - 2;
    assert_eq!(name::expand(&packet.0, last, &mut buffer), Err(MessageError::Pointer));
    let hundredth = rdata_at + 3 + 2 * 100;
    let expanded = name::expand(&packet.0, hundredth, &mut buffer).unwrap();
    assert_eq!(expanded.0.wire(), b"\x01a\x00");
    assert_eq!(expanded.1, hundredth + 2);
}

#[test]
fn a06_pointers_lead_backwards_only() {
    // At 12: a pointer to itself, to what follows, into the header; then two that point at each other.
    let mut buffer = name::NAME_BUFFER;
    for name in [&b"\xc0\x0c"[..], b"\xc0\x0e\x00", b"\xc0\x02", b"\x01a\xc0\x0c", b"\xc0\x0e\xc0\x0c"] {
        let packet = Packet::new(0, [0; 4]).raw(name);
        assert_eq!(name::expand(&packet.0, 12, &mut buffer), Err(MessageError::Pointer), "{name:x?}");
    }
}

#[test]
fn a07_name_and_label_lengths() {
    let label = |length: usize| [&[length as u8][..], &vec![b'x'; length]].concat();
    let longest = [label(63), label(63), label(63), label(61), vec![0]].concat();
    assert_eq!(longest.len(), 255);
    let packet = Packet::new(0, [1, 0, 0, 0]).question(&longest, RecordType::A);
    assert_eq!(check_fine(&packet).question.unwrap().name.wire_len(), 255);
    let packet = Packet::new(0, [1, 0, 0, 0]).question(&[0], RecordType::NS);
    assert!(check_fine(&packet).question.unwrap().name.is_root());
    let longer = [label(63), label(63), label(63), label(62), vec![0]].concat();
    check_form_error(Packet::new(0, [1, 0, 0, 0]).question(&longer, RecordType::A));
    check_form_error(Packet::new(0, [1, 0, 0, 0]).question(&[label(64), vec![0]].concat(), RecordType::A));
}

#[test]
fn a21_unknown_opcodes_are_not_implemented_whatever_follows() {
    let packet = Packet::new(15 << 11, [1, 0, 0, 0]).question(WWW, RecordType::A);
    assert_eq!(check_fine(&packet).header.opcode(), OpCode::Unknown(15));
    for counts in [[0, 0, 0, 0], [1, 0, 0, 0], [2, 3, 4, 5]] {
        let packet = Packet::new(6 << 11, counts);
        match read_request(&packet.0) {
            Ok(request) => assert_eq!(request.question, None),
            Err(BadRequest::NotImp(header)) => assert_eq!(header.id, 0xbeef),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a28_two_opts_or_an_opt_elsewhere_are_a_format_error() {
    check_form_error(query(2).opt(&[]).opt(&[]));
    check_form_error(query(1).record(WWW, RecordType::OPT, 1232, 0, &[]));
    let in_answer = Packet::new(0, [1, 1, 0, 0]).question(WWW, RecordType::A).opt(&[]);
    check_form_error(in_answer);
}

#[test]
fn a29_versions_above_0_are_told_apart_with_everything_that_a_reply_needs() {
    let packet = query(1).record(&[0], RecordType::OPT, 1232, 0x0001_8000, &[1, 2, 3]);
    match read_request(&packet.0) {
        Err(BadRequest::BadVers(request)) => {
            assert_eq!(request.edns.unwrap().version, 1);
            assert_eq!(request.question.unwrap().name.wire(), WWW);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a32_an_option_past_its_rdata_is_a_format_error() {
    for options in [&[0, 10][..], &[0, 3, 0, 1], &[0, 3, 0, 0, 0], &[0, 3, 255, 255, 1]] {
        check_form_error(query(1).opt(options));
    }
    let packet = query(1).opt(&[0, 3, 0, 0, 0, 100, 0, 2, 0xaa, 0xbb]);
    let edns = check_fine(&packet).edns.unwrap();
    assert!(edns.do_bit);
    assert_eq!(edns.options().collect::<Vec<_>>(), [(3, &[][..]), (100, &[0xaa, 0xbb])]);
    assert_eq!(edns.option(100), Some(&[0xaa, 0xbb][..]));
    assert_eq!(edns.option(9), None);
}

#[test]
fn a09_small_payload_sizes_are_read_as_512() {
    for (sent, payload) in [(0, 512), (100, 512), (512, 512), (1232, 1232), (65_535, 65_535)] {
        let packet = query(1).record(&[0], RecordType::OPT, sent, 0, &[]);
        assert_eq!(check_fine(&packet).edns.unwrap().payload(), payload);
    }
}

#[test]
fn a34_opt_is_seen_anywhere_and_h05_tsig_stays_last() {
    let junk = |packet: Packet| packet.record(WWW, RecordType::TXT, 1, 0, b"\x01x");
    for packet in [junk(query(2).opt(&[])), junk(query(2)).opt(&[])] {
        assert!(check_fine(&packet).edns.is_some());
    }
    let packet = junk(query(3).opt(&[])).tsig();
    let request = check_fine(&packet);
    let tsig = request.tsig.unwrap();
    assert_eq!(tsig.key_name(), Name::parse("key").unwrap());
    assert_eq!((tsig.time, tsig.fudge, tsig.mac), (0x0102_0304, 300, &[0xaa, 0xbb][..]));
    check_form_error(query(2).tsig().opt(&[]));
    check_form_error(query(2).tsig().tsig());
    check_form_error(Packet::new(0, [1, 1, 0, 0]).question(WWW, RecordType::A).tsig());
}

#[test]
fn a36_cookies_have_a_length() {
    for length in 0..50u8 {
        let mut option = vec![0, 10, 0, length];
        option.resize(4 + usize::from(length), 7);
        let packet = query(1).opt(&option);
        match length {
            8 | 16..=40 => assert_eq!(
                check_fine(&packet).edns.unwrap().option(code::COOKIE).unwrap().len(),
                usize::from(length)
            ),
            _ => check_form_error(packet),
        }
    }
}

#[test]
fn a50_zoneversion_asks_with_nothing() {
    check_fine(&query(1).opt(&[0, 19, 0, 0]));
    check_form_error(query(1).opt(&[0, 19, 0, 1, 0]));
}

fn soa_rdata() -> Vec<u8> {
    // mname "ns" and the question's name, rname a pointer to the question's name.
    [b"\x02ns\xc0\x0c\xc0\x0c".to_vec(), 77u32.to_be_bytes().to_vec(), vec![0; 16]].concat()
}

#[test]
fn e01_the_serial_of_an_ixfr_and_f01_of_a_notify_is_read() {
    for (bits, counts) in [(0, [1, 0, 1, 0]), (4 << 11, [1, 1, 0, 0])] {
        let packet = Packet::new(bits, counts).question(WWW, RecordType::IXFR);
        let soa = packet.clone().record(b"\xc0\x0c", RecordType::SOA, 1, 0, &soa_rdata());
        assert_eq!(check_fine(&soa).soa, Some(Serial(77)));
        let other = packet.clone().record(b"\x03foo\x00", RecordType::SOA, 1, 0, &soa_rdata());
        assert_eq!(check_fine(&other).soa, None);
        for length in 0..soa_rdata().len() {
            check_form_error(packet.clone().record(
                b"\xc0\x0c",
                RecordType::SOA,
                1,
                0,
                &soa_rdata()[..length],
            ));
        }
    }
}

// ---- Writer

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn question(name: &Name) -> Question<'_> {
    Question { name: name.as_ref(), qtype: RecordType::A, qclass: Class::IN }
}

const REQUEST: Header = Header { id: 0xbeef, bits: 0x0100 | 0x0030, counts: [1, 0, 0, 0] };

fn record<'a>(owner: &'a Name, rtype: RecordType, rdata: &'a [u8]) -> RecordRef<'a> {
    RecordRef { owner: owner.as_ref(), rtype, ttl: 300, rdata }
}

/// Names decoded by hickory, in the order answer, authority, additional.
fn decoded(octets: &[u8]) -> Vec<(String, String)> {
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

// ---- Reader

/// Every record of a message as we read it: section, owner, type, RDATA in hex.
fn read_records(octets: &[u8]) -> Result<Vec<(Section, String, RecordType, String)>, MessageError> {
    let mut reader = Reader::new(octets)?;
    let mut scratch = Scratch::new();
    let mut records = Vec::new();
    while let Some((section, class, record)) = reader.next_record(&mut scratch)? {
        assert_eq!(class, Class::IN);
        let rdata = data_encoding::HEXLOWER.encode(record.rdata);
        records.push((section, record.owner.to_string(), record.rtype, rdata));
    }
    Ok(records)
}

/// A reply made by hickory-proto, an independent encoder, which compresses.
fn hickory_reply() -> Vec<u8> {
    use hickory_proto::op::{Edns, MessageType, Query};
    use hickory_proto::rr::rdata::{MX, NS, SOA};
    use hickory_proto::rr::{Name, RData, Record, RecordType};
    let name = |text: &str| Name::from_ascii(text).unwrap();
    let mut message = Message::new(7, MessageType::Response, OpCode::Query);
    message.metadata.authoritative = true;
    message.add_query(Query::query(name("Example."), RecordType::MX));
    let soa = SOA::new(name("ns.example."), name("root.example."), 5, 4, 3, 2, 1);
    message.add_answer(Record::from_rdata(
        name("Example."),
        60,
        RData::MX(MX::new(10, name("mail.example."))),
    ));
    message.add_authority(Record::from_rdata(name("example."), 60, RData::SOA(soa)));
    message.add_authority(Record::from_rdata(name("a.b.example."), 60, RData::NS(NS(name("c.b.example.")))));
    let mut edns = Edns::new();
    edns.set_max_payload(1400).set_dnssec_ok(true);
    message.set_edns(edns);
    message.to_vec().unwrap()
}

#[test]
fn d01_replies_of_an_independent_encoder_are_read() {
    let octets = hickory_reply();
    let reader = Reader::new(&octets).unwrap();
    assert!(reader.header().is_response() && reader.header().is_authoritative());
    assert_eq!(reader.question().unwrap().qtype, RecordType::MX);
    assert_eq!(reader.edns().map(|edns| (edns.udp_size, edns.do_bit)), Some((1400, true)));
    assert_eq!(reader.rcode(), ResponseCode::NoError);
    let read = read_records(&octets).unwrap();
    let hex = |octets: &[u8]| data_encoding::HEXLOWER.encode(octets);
    let numbers: Vec<u8> = [5u32, 4, 3, 2, 1].into_iter().flat_map(u32::to_be_bytes).collect();
    let soa = [&b"\x02ns\x07example\x00\x04root\x07example\x00"[..], &numbers].concat();
    let expected = [
        (Section::Answer, "Example.", RecordType::MX, hex(b"\x00\x0a\x04mail\x07Example\x00")),
        (Section::Authority, "example.", RecordType::SOA, hex(&soa)),
        (Section::Authority, "a.b.example.", RecordType::NS, hex(b"\x01c\x01b\x07example\x00")),
    ];
    let lower = |(section, owner, rtype, rdata): (Section, String, RecordType, String)| {
        (section, owner.to_lowercase(), rtype, rdata.replace("07457861", "07657861"))
    };
    let read: Vec<_> = read.into_iter().map(lower).collect();
    let expected: Vec<_> = expected.into_iter().map(|(s, o, t, d)| lower((s, o.to_string(), t, d))).collect();
    assert_eq!(read, expected);
}

#[test]
fn d11_replies_that_are_cut_or_continued_are_refused() {
    let octets = hickory_reply();
    for length in 0..octets.len() {
        assert!(Reader::new(&octets[..length]).is_err(), "{length}");
    }
    let longer = [&octets[..], &[0]].concat();
    assert_eq!(Reader::new(&longer).unwrap_err(), MessageError::Trailing);
}

#[test]
fn d11_rdata_that_does_not_fit_its_type_is_an_error() {
    let packet = Packet::new(0x8000, [0, 1, 0, 0]).record(&[0], RecordType::A, 1, 0, &[1, 2, 3]);
    assert_eq!(read_records(&packet.0), Err(MessageError::Rdata(RecordType::A)));
    let packet = Packet::new(0x8000, [0, 1, 0, 0]).record(&[0], RecordType(65_000), 1, 0, &[1, 2, 3]);
    assert_eq!(read_records(&packet.0).unwrap()[0].3, "010203");
}

// ---- Anything at all

proptest! {
    #[test]
    fn a03_random_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_request(&octets);
    }

    #[test]
    fn a06_mutated_requests_never_panic(
        at in prop::collection::vec((0usize..200, any::<u8>()), 1..8),
        cut in 0usize..200,
    ) {
        let packet = Packet::new(0, [1, 0, 1, 3])
            .question(WWW, RecordType::IXFR)
            .record(b"\xc0\x0c", RecordType::SOA, 1, 0, &soa_rdata())
            .opt(&[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8])
            .record(b"\x01a\xc0\x10", RecordType::NS, 1, 0, b"\xc0\x0c")
            .tsig();
        prop_assert!(read_request(&packet.0).is_ok());
        let mut octets = packet.0;
        for (at, octet) in at {
            let at = at % octets.len();
            octets[at] = octet;
        }
        let _ = read_request(&octets);
        octets.truncate(cut);
        let _ = read_request(&octets);
    }

    #[test]
    fn d11_mutated_replies_never_panic(
        at in prop::collection::vec((0usize..200, any::<u8>()), 1..8),
        random in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut octets = hickory_reply();
        for (at, octet) in at {
            let at = at % octets.len();
            octets[at] = octet;
        }
        // Classes may have become anything, so no record is looked at but for its presence.
        for octets in [&octets, &random] {
            let Ok(mut reader) = Reader::new(octets) else { continue };
            let mut scratch = Scratch::new();
            let mut count = 0;
            while let Ok(Some(_)) = reader.next_record(&mut scratch) {
                count += 1;
            }
            prop_assert!(count <= octets.len() / 11);
        }
    }

    #[test]
    fn b38_whatever_is_written_is_read_the_same(
        records in prop::collection::vec(("([a-cA-C]{1,2}\\.){0,4}example", "([a-cA-C]{1,2}\\.){0,4}(example|org)"), 0..60),
        limit in 512usize..1500,
        mode in prop_oneof![Just(Compression::IgnoreCase), Just(Compression::ExactCase)],
        rollback_at in 0usize..60,
    ) {
        let asked = name("b.example");
        let mut buffer = [0; 1500];
        let mut writer = Writer::reply(&mut buffer, limit, &REQUEST, Some(question(&asked))).with_compression(mode);
        let mut expected = Vec::new();
        let mut mark = (writer.mark(), 0);
        for (index, (owner, target)) in records.iter().enumerate() {
            if index == rollback_at / 2 {
                mark = (writer.mark(), expected.len());
            }
            if index == rollback_at {
                writer.rollback(mark.0);
                expected.truncate(mark.1);
            }
            let (owner, target) = (name(owner), name(target));
            if writer.record(Section::Answer, record(&owner, RecordType::NS, target.as_ref().wire())).is_ok() {
                expected.push((owner.to_string(), target.to_string()));
            }
        }
        let length = writer.finish();
        prop_assert!(length <= limit);
        let ours: Vec<_> = read_records(&buffer[..length]).unwrap().into_iter().map(|read| (read.1, read.3)).collect();
        if mode == Compression::ExactCase {
            let hex = |target: &String| data_encoding::HEXLOWER.encode(name(target).as_ref().wire());
            let expected: Vec<_> = expected.iter().map(|(owner, target)| (owner.clone(), hex(target))).collect();
            prop_assert_eq!(ours, expected);
        }
        let mut read = decoded(&buffer[..length]);
        if mode == Compression::IgnoreCase {
            for (owner, target) in read.iter_mut().chain(&mut expected) {
                owner.make_ascii_lowercase();
                target.make_ascii_lowercase();
            }
        }
        prop_assert_eq!(read, expected);
    }
}
