//! Messages made by hand, by our writer (read back by hickory-proto, an independent decoder), and at
//! random.

use hickory_proto::op::Message;
use proptest::prelude::*;

use super::*;
use crate::dns::edns::{OPT_OCTETS_MIN, OPTION_OCTETS, Opt, OptOption, code};
use crate::dns::record::RecordRef;
use crate::dns::{Name, ResponseCode, Serial};
use crate::limits::NAME_POINTERS_MAX;

mod anything;
mod reader;
mod writer;

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
fn check_bad_option(packet: Packet) {
    match read_request(&packet.0) {
        Err(BadRequest::BadOption(request)) => assert!(request.edns.is_some()),
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
    // RFC 7873 §5.4 speaks of queries: a NOTIFY is about a zone, cookie or not.
    check_form_error(Packet::new(4 << 11, [0, 0, 0, 0]));
    check_form_error(Packet::new(4 << 11, [0, 0, 0, 1]).opt(&[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]));
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
    let mut behind = |pointers: usize| {
        let start = rdata_at + 3 + 2 * (pointers - 1);
        name::expand(&packet.0, start, &mut buffer).map(|name| name.to_string())
    };
    assert_eq!(behind(NAME_POINTERS_MAX), Ok("a.".to_owned()));
    for pointers in [NAME_POINTERS_MAX + 1, (chain.len() - 3) / 2] {
        assert_eq!(behind(pointers), Err(MessageError::Pointer), "{pointers}");
    }
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
    // Owners are held to the same, even of records that nobody looks at.
    check_fine(&query(1).record(&longest, RecordType::A, 1, 0, &[1, 2, 3, 4]));
    check_form_error(query(1).record(&longer, RecordType::A, 1, 0, &[1, 2, 3, 4]));
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
            _ => check_bad_option(packet),
        }
    }
}

#[test]
fn a50_zoneversion_asks_with_nothing() {
    check_fine(&query(1).opt(&[0, 19, 0, 0]));
    check_bad_option(query(1).opt(&[0, 19, 0, 1, 0]));
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
        let no_soa = packet.clone().record(b"\xc0\x0c", RecordType::A, 1, 0, &[192, 0, 2, 1]);
        assert_eq!(check_fine(&no_soa).soa, None);
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

#[test]
fn e01_f01_an_soa_in_another_section_is_no_serial() {
    for (bits, counts) in [(0, [1, 1, 0, 0]), (4 << 11, [1, 0, 1, 0])] {
        let packet = Packet::new(bits, counts).question(WWW, RecordType::IXFR);
        let soa = packet.clone().record(b"\xc0\x0c", RecordType::SOA, 1, 0, &soa_rdata());
        assert_eq!(check_fine(&soa).soa, None);
        // Nor is its form anybody's business.
        check_fine(&packet.record(b"\xc0\x0c", RecordType::SOA, 1, 0, &[]));
    }
}
