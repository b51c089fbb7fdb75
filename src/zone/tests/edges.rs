//! Builders, edits, pages and lookups at the edges of what they may meet.

use super::super::page::{HEADER, LEAD_MAX, Page, SUM, hash, tag};
use super::*;
use crate::limits::RECENT_OCTETS_MAX;

fn with_key(key: [u8; 16], lines: &str) -> Version {
    let mut builder = Builder::new(name("example").as_ref(), DigestKey(key), Source::Received);
    records(lines).iter().for_each(|record| builder.push(record).unwrap());
    builder.finish().unwrap().version
}

#[test]
fn an_soa_may_come_twice_and_its_ttl_is_kept_as_it_came_by_transfer() {
    let twice = records("example 2147483649 SOA 1\nexample 60 SOA 1");
    let ttl = |source| build("example", source, &twice).version.soa().ttl;
    // RFC 2181 §8: the top bit reads as 0.
    assert_eq!((ttl(Source::File), ttl(Source::Received)), (0, 0x8000_0001));
    let mut builder = Builder::new(name("example").as_ref(), KEY, Source::File);
    let two = records("example 60 SOA 1\nexample 60 SOA 2");
    let taken: Vec<_> = two.iter().map(|record| builder.push(record)).collect();
    assert_eq!(taken, [Ok(()), Err(BuildError::SecondSoa)]);
}

#[test]
fn rfc2181_a_file_has_one_ttl_for_an_rrset_and_one_for_signatures_over_one_type() {
    let lines = "example 60 SOA 1\na.example 60 TXT aa\na.example 30 TXT zz
         a.example 60 RRSIG AAx\na.example 30 RRSIG AAy\na.example 10 RRSIG BBx";
    let version = build("example", Source::File, &records(lines)).version;
    let node = version.node(name("a.example").as_ref()).unwrap();
    let ttls = |rtype| node.rrset(rtype).unwrap().stored().map(|record| record.ttl).collect::<Vec<_>>();
    assert_eq!(ttls(RecordType::TXT), [30, 30]);
    assert_eq!(ttls(RecordType::RRSIG), [30, 30, 10]);
}

#[test]
fn errors_are_sentences_and_keys_stay_secret() {
    let builder = [BuildError::OutOfZone, BuildError::SecondSoa, BuildError::NoSoa];
    assert_eq!(
        builder.map(|error| error.to_string()),
        ["a record lies outside of the zone", "there is a second SOA", "there is no SOA at the apex"]
    );
    let (missing, present) = (ApplyError::MissingRecord.to_string(), ApplyError::PresentRecord.to_string());
    assert_eq!(
        (&missing[..], &present[..]),
        ("a record is removed that is not there", "a record is added that is there")
    );
    assert_eq!(format!("{KEY:?}"), "DigestKey(..)");
}

#[test]
fn a_record_like_its_neighbours_takes_its_data_and_their_length() {
    let octets = |count: usize| {
        let lines: String = (0..count).map(|n| format!("a.example 60 A {n}\n")).collect();
        version(&lines).node(name("a.example").as_ref()).unwrap().entry.0.len()
    };
    assert_eq!(octets(11) - octets(10), 5);
}

#[test]
fn a_page_has_the_octets_of_its_names_and_of_its_head() {
    let lines: String = (0..44).map(|n| format!("h{n}.example 60 A {n}\n")).collect();
    let version = version(&lines);
    let octets = version.tree.page(0);
    let page = Page::of(octets);
    let entries: usize = page.entries().map(|entry| entry.0.len()).sum();
    let head = HEADER + 2 * page.len() + 2 * (page.len() + 1);
    assert_eq!((page.len(), octets.len()), (45, head + entries + LEAD_MAX + SUM));
}

#[test]
fn r10_a_page_stays_uneven_when_another_of_its_names_changes() {
    let uneven = |lines: &str| {
        let base = version(lines);
        let (after, _) =
            edit(&base, &records("example 3600 SOA 1"), &records("example 3600 SOA 2\nb.example 60 A 1"))
                .unwrap();
        [&base, &after].map(|version| Page::of(version.tree.page(0)).is_uneven())
    };
    assert_eq!(uneven("a.example 60 TXT aa\na.example 30 TXT zz"), [true, true]);
    assert_eq!(uneven("a.example 60 TXT aa\na.example 60 TXT zz"), [false, false]);
    // Signatures over different types may differ.
    assert_eq!(uneven("a.example 60 RRSIG AAx\na.example 30 RRSIG BBx"), [false, false]);
}

#[test]
fn pages_that_an_edit_divides_keep_the_sums_of_their_records() {
    let lines = |names: std::ops::Range<usize>| {
        names.map(|n| format!("n{n}.example 60 A {}\n", n % 250)).collect::<String>()
    };
    let base = version(&lines(0..10));
    let added = format!("example 3600 SOA 2\n{}", lines(10..600));
    let (after, _) = edit(&base, &records("example 3600 SOA 1"), &records(&added)).unwrap();
    let whole = version(&lines(0..600));
    let sums = |version: &Version| version.tree.pages().map(|page| Page::of(page).sum()).collect::<Vec<_>>();
    assert!(whole.tree.page_count() > base.tree.page_count());
    assert_eq!(sums(&after), sums(&whole));
}

#[test]
fn the_soa_of_an_edit_is_that_of_the_apex() {
    let base = version("www.example 60 A 1");
    let apply = |removed: &str, added: &str| edit(&base, &records(removed), &records(added)).map(drop);
    let (old, elsewhere) = ("example 3600 SOA 1", "www.example 3600 SOA 2");
    assert_eq!(apply(old, elsewhere).unwrap_err(), ApplyError::SoaMisplaced);
    assert_eq!(apply(elsewhere, old).unwrap_err(), ApplyError::SoaMisplaced);
    assert!(apply(old, "example 3600 SOA 2").is_ok());
}

#[test]
fn what_led_to_a_version_does_not_lead_to_the_next_one() {
    let step = |base: &Version, serial: u32| {
        let soa = |serial: u32| records(&format!("example 3600 SOA {serial}"));
        edit(base, &soa(serial), &soa(serial + 1)).unwrap()
    };
    let (second, delta) = step(&version(""), 1);
    let second = second.with_recent([Arc::new(delta)]);
    assert_eq!(second.recent().len(), 1);
    assert!(step(&second, 2).0.recent().is_empty());
}

#[test]
fn steps_are_kept_as_long_as_they_take_little_together() {
    let now = reserial(&version(""), Serial(3));
    let large = |from: u32| {
        let mut added = records(&format!("example 3600 SOA {}", from + 1));
        let rdata = vec![b'x'; RECENT_OCTETS_MAX / 40];
        let owner = name("a.example");
        let record = RecordRef { owner: owner.as_ref(), rtype: RecordType::NULL, ttl: 1, rdata: &rdata };
        (0..25).for_each(|_| added.push(record));
        let removed = records(&format!("example 3600 SOA {from}"));
        let (before, after) = (Digest::default(), Digest::default());
        let (from, to) = (Serial(from), Serial(from + 1));
        Arc::new(Delta { from, to, removed, added, digest_before: before, digest_after: after })
    };
    assert_eq!(now.clone().with_recent([large(2)]).recent().len(), 1);
    assert_eq!(now.with_recent([large(1), large(2)]).recent().len(), 1);
}

#[test]
fn r15_versions_under_two_keys_and_of_two_spellings_are_compared_by_their_records() {
    let lines = "example 3600 SOA 1\nexample 60 NS ns.example\n";
    let many: String = (0..200).map(|n| format!("n{n}.example 60 A {}\n", n % 250)).collect();
    let (ours, theirs) =
        (with_key(KEY.0, &format!("{lines}{many}")), with_key([9; 16], &format!("{lines}{many}")));
    assert!(diff(&ours, &theirs).is_none());
    let theirs =
        with_key([9; 16], &format!("{lines}{}", many.replace("n7.example 60 A 7", "n7.example 60 A 8")));
    let delta = diff(&ours, &theirs).unwrap();
    assert_eq!((delta.removed.len(), delta.added.len()), (2, 2));
    let spelled = with_key(KEY.0, &format!("{lines}{many}").replace("example", "Example"));
    let delta = diff(&ours, &spelled).unwrap();
    assert_eq!((delta.removed.len(), delta.added.len()), (202, 202));
}

#[test]
fn what_a_version_keeps_alone_is_its_own_pages() {
    let many: String = (0..500).map(|n| format!("n{n}.example 60 A {}\n", n % 250)).collect();
    let base = version(&many);
    let all: u64 = base.tree.pages().map(|page| page.len() as u64).sum();
    assert_eq!(base.octets_apart_from(None), all);
    assert_eq!(base.octets_apart_from(Some(&base)), 0);
    let soa = |serial: u32| records(&format!("example 3600 SOA {serial}"));
    let (after, _) = edit(&base, &soa(1), &soa(2)).unwrap();
    let changed = base.tree.differing(&after.tree).unwrap();
    assert_eq!(changed.len(), 1);
    assert_eq!(base.octets_apart_from(Some(&after)), base.tree.page(changed[0]).len() as u64);
}

#[test]
fn all_of_the_key_and_the_low_bits_of_the_hash_count() {
    let (mut low, mut high) = (KEY, KEY);
    low.0[0] ^= 1;
    high.0[15] ^= 1;
    let hashes = [KEY, low, high].map(|key| hash(&key, b"\x01a"));
    assert!(hashes[0] != hashes[1] && hashes[0] != hashes[2], "{hashes:?}");
    assert_eq!(tag(0x1234_5678), 0x5678);
}

#[test]
fn a_page_finds_the_first_name_with_a_tag_and_no_other_name() {
    let lines: String = (0..44).map(|n| format!("h{n}.example 60 A {n}\n")).collect();
    let zone = version(&lines);
    assert_eq!(zone.tree.page_count(), 1);
    let page = Page::of(zone.tree.page(0));
    for wanted in (0..=u16::MAX).step_by(5).chain((0..page.len()).map(|at| page.tag(at))) {
        let first = (0..page.len()).find(|at| page.tag(*at) == wanted);
        assert_eq!(page.first_with(wanted), first);
    }
    // Names that are not there, with the tag of one that is; the first of the page among them.
    let mut met = [false; 2];
    for n in 0.. {
        let label = format!("x{n}");
        let labels = [&[label.len() as u8], label.as_bytes()].concat();
        let tag = tag(hash(&KEY, &labels));
        let Some(at) = page.first_with(tag) else { continue };
        met[usize::from(at > 0)] = true;
        assert!(page.find(tag, &labels).is_none() && page.find_behind(at, tag, &labels).is_none());
        let qname = name(&format!("{label}.example"));
        let mut prepared = zone.prepare(qname.as_ref());
        Pass::ALL.into_iter().for_each(|pass| prepared.touch(pass));
        assert_eq!(shown(prepared.find()), "none example.");
        if met == [true; 2] {
            break;
        }
    }
    let empty = super::super::draft::PageWriter::default().finish();
    assert_eq!(Page::of(&empty).first_with(0), None);
}

#[test]
fn a_name_outside_of_the_zone_is_covered_by_no_wildcard() {
    let zone = version("*.example 60 A 1");
    check(&zone, &[("foo.test", "none example."), ("foo.example", "*.example. for example.")]);
}

#[test]
fn an_rrset_may_have_many_records() {
    let mut all = records("example 60 SOA 1");
    (0..16_384).for_each(|n| push(&mut all, &format!("a.example 60 TXT t{n}")));
    let zone = build("example", Source::Received, &all).version;
    let node = zone.node(name("a.example").as_ref()).unwrap();
    let set = node.rrset(RecordType::TXT).unwrap();
    assert_eq!((set.len(), set.records().count(), set.ttl()), (16_384, 16_384, 60));
}
