//! Octets at random: nothing panics, nothing loops, and what was written is read the same.

use super::reader::{hickory_reply, read_records};
use super::writer::{REQUEST, decoded, name, question, record};
use super::*;

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
