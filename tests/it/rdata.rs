//! RDATA text against the `domain` crate, an independent implementation.

use bellwether::dns::{Name, RecordType, rdata};
use domain::base::Name as DomainName;
use domain::base::rdata::ComposeRecordData;
use domain::zonefile::inplace::{Entry, Zonefile};
use proptest::prelude::*;

/// The octets that the other implementation makes of a line; `None` if it refuses it.
fn judged(rtype: RecordType, text: &str) -> Option<Vec<u8>> {
    let mut file = Zonefile::new();
    file.extend_from_slice(format!("host 60 IN {rtype} {text}\n").as_bytes());
    file.set_origin(DomainName::bytes_from_str("example.org.").ok()?);
    let Ok(Some(Entry::Record(record))) = file.next_entry() else { return None };
    let mut octets = Vec::new();
    record.data().compose_rdata(&mut octets).ok()?;
    Some(octets)
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let octet =
        prop_oneof![4 => proptest::char::range('a', 'z').prop_map(|letter| letter as u8), 1 => any::<u8>()];
    proptest::collection::vec(proptest::collection::vec(octet, 1..12), 0..4).prop_map(|labels| {
        let mut octets: Vec<u8> =
            labels.iter().flat_map(|label| [&[label.len() as u8], &label[..]].concat()).collect();
        octets.push(0);
        octets
    })
}

fn octets(from: usize, to: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), from..to)
}

fn string() -> impl Strategy<Value = Vec<u8>> {
    octets(0, 40).prop_map(|octets| [&[octets.len() as u8], &octets[..]].concat())
}

/// Parts of RDATA, one after the other.
fn joined(parts: Vec<BoxedStrategy<Vec<u8>>>) -> BoxedStrategy<Vec<u8>> {
    parts.prop_map(|parts| parts.concat()).boxed()
}

/// Types without mnemonics: those that the two know are not the same.
fn bitmap() -> impl Strategy<Value = Vec<u8>> {
    (octets(0, 8), 1u8..=255)
        .prop_map(|(bits, last)| [&[4, bits.len() as u8 + 1], &bits[..], &[last]].concat())
}

/// Valid RDATA of the types that both know.
fn record() -> impl Strategy<Value = (RecordType, Vec<u8>)> {
    let plain = |length: usize| octets(length, length + 1).boxed();
    let name = || name().boxed();
    let string = || string().boxed();
    let rest = || octets(1, 40).boxed();
    // Of a kind whose length nobody knows.
    let digest = || octets(1, 40).prop_map(|octets| [&[200], &octets[..]].concat()).boxed();
    let types = [
        (RecordType::A, vec![plain(4)]),
        (RecordType::AAAA, vec![plain(16)]),
        (RecordType::NS, vec![name()]),
        (RecordType::PTR, vec![name()]),
        (RecordType::DNAME, vec![name()]),
        (RecordType::MX, vec![plain(2), name()]),
        (RecordType::SOA, vec![name(), name(), plain(20)]),
        (RecordType::TXT, vec![string(), string(), string()]),
        (RecordType::HINFO, vec![string(), string()]),
        (RecordType::SRV, vec![plain(6), name()]),
        (RecordType::NAPTR, vec![plain(4), string(), string(), string(), name()]),
        (RecordType::RP, vec![name(), name()]),
        (RecordType::DS, vec![plain(3), digest()]),
        (RecordType::CDS, vec![plain(3), digest()]),
        (RecordType::DNSKEY, vec![plain(4), rest()]),
        (RecordType::RRSIG, vec![plain(18), name(), rest()]),
        (RecordType::NSEC, vec![name(), bitmap().boxed()]),
        (RecordType::NSEC3PARAM, vec![plain(4), string()]),
        (RecordType::TLSA, vec![plain(2), digest()]),
        (RecordType::SSHFP, vec![plain(1), digest()]),
        (RecordType::OPENPGPKEY, vec![rest()]),
        (RecordType::CAA, vec![plain(1), Just(b"\x05issue".to_vec()).boxed(), rest()]),
    ];
    let strategies =
        types.map(|(rtype, parts)| joined(parts).prop_map(move |octets| (rtype, octets)).boxed());
    proptest::strategy::Union::new(strategies)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn c16_text_that_we_write_is_read_the_same_by_others((rtype, octets) in record()) {
        prop_assert_eq!(rdata::check(rtype, &octets), Ok(()));
        let mut text = String::new();
        rdata::write_text(rtype, &octets, &mut text);
        prop_assert_eq!(judged(rtype, &text), Some(octets), "{} {}", rtype, text);
    }
}

#[test]
fn c01_relative_names_are_read_the_same_by_others() {
    let origin = Name::parse("example.org").unwrap();
    // The other one does not take `@` in RDATA.
    for text in ["www", "a.b", "a.b.", ".", r"a\.b", r"\000x", "_sip._tcp", "*", "0/25", r"\@"] {
        let mut octets = Vec::new();
        rdata::name_from_token(text.as_bytes(), origin.as_ref(), &mut octets).unwrap();
        assert_eq!(judged(RecordType::CNAME, text), Some(octets), "{text}");
    }
}
