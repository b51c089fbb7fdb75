//! What our reader makes of the messages of hickory-proto, an independent encoder.

use super::*;

/// Every record of a message as we read it: section, owner, type, RDATA in hex.
pub(super) fn read_records(
    octets: &[u8],
) -> Result<Vec<(Section, String, RecordType, String)>, MessageError> {
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
pub(super) fn hickory_reply() -> Vec<u8> {
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

#[test]
fn d11_what_is_wrong_with_a_message_is_said() {
    let bare = |owner: &[u8], rtype, rdata: &[u8]| {
        Packet::new(0x8000, [0, 1, 0, 0]).record(owner, rtype, 1, 0, rdata).0
    };
    let whole = bare(WWW, RecordType::A, &[192, 0, 2, 1]);
    for (octets, said) in [
        (&whole[..11], "the message is shorter than its header"),
        (&whole[..20], "the message ends in the middle"),
        (&bare(&[0x40, 0], RecordType::A, &[]), "a label has a reserved length"),
        (&bare(&[0xc0, 40], RecordType::A, &[]), "a compression pointer does not lead backwards"),
        (&bare(WWW, RecordType::MX, &[0]), "the data of a MX record is malformed"),
        (&[&whole[..], &[0]].concat(), "octets follow the last record"),
    ] {
        assert_eq!(read_records(octets).unwrap_err().to_string(), said, "{octets:?}");
    }
}
