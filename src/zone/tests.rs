//! The room as a whole: lookups of the RFCs in a table, and a model that says the same naively.

mod build;
mod edges;
mod model;
mod order;

use std::sync::Arc;

use super::*;
use crate::dns::{Name, NameRef, RecordRef, RecordType, Records, Serial};

const KEY: DigestKey = DigestKey([7; 16]);

pub(super) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A record from `owner ttl TYPE data`; SOA takes a serial, A one octet, names are absolute.
pub(super) fn push(records: &mut Records, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let rtype: RecordType = words[2].parse().unwrap();
    let rdata = match rtype {
        RecordType::SOA => {
            let mut rdata = [name("ns.example").as_ref().wire(), name("hm.example").as_ref().wire()].concat();
            for number in [words[3].parse().unwrap(), 7200, 900, 86400, 300u32] {
                rdata.extend_from_slice(&number.to_be_bytes());
            }
            rdata
        }
        RecordType::NS | RecordType::CNAME | RecordType::DNAME => name(words[3]).as_ref().wire().to_vec(),
        RecordType::A => vec![192, 0, 2, words[3].parse().unwrap()],
        _ => words[3].as_bytes().to_vec(),
    };
    let owner = name(words[0]);
    records.push(RecordRef { owner: owner.as_ref(), rtype, ttl: words[1].parse().unwrap(), rdata: &rdata });
}

pub(super) fn records(lines: &str) -> Records {
    let mut records = Records::new();
    lines.lines().filter(|line| !line.trim().is_empty()).for_each(|line| push(&mut records, line));
    records
}

pub(super) fn build(apex: &str, source: Source, records: &Records) -> Built {
    let mut builder = Builder::new(name(apex).as_ref(), KEY, source);
    records.iter().for_each(|record| builder.push(record).unwrap());
    builder.finish().unwrap()
}

fn version(lines: &str) -> Version {
    let soa = "example 3600 SOA 1\nexample 3600 NS ns.example\n";
    build("example", Source::Received, &records(&[soa, lines].concat())).version
}

fn shown(found: Found<'_>) -> String {
    match found {
        Found::Name(node) if node.is_ent() => format!("ent {}", node.owner()),
        Found::Name(node) => format!("name {}", node.owner()),
        Found::Cut(node) => format!("cut {}", node.owner()),
        Found::Dname(node) => format!("dname {}", node.owner()),
        Found::None { encloser, wildcard: None } => format!("none {}", encloser.owner()),
        Found::None { encloser, wildcard: Some(node) } => {
            format!("{} for {}", node.owner(), encloser.owner())
        }
    }
}

#[track_caller]
fn check(version: &Version, table: &[(&str, &str)]) {
    for (qname, expected) in table {
        assert_eq!(shown(version.find(name(qname).as_ref())), *expected, "{qname}");
    }
}

/// The zone of RFC 4592 §2.2.1.
fn wildcards() -> Version {
    version(
        "*.example 3600 TXT wild
         *.example 3600 MX host1
         sub.*.example 3600 TXT sub
         host1.example 3600 A 1
         _ssh._tcp.host1.example 3600 SRV x
         _ssh._tcp.host2.example 3600 SRV x
         subdel.example 3600 NS ns.example",
    )
}

#[test]
fn a_page_begins_where_a_cache_line_does() {
    let lines: String = (0..500).map(|n| format!("h{n}.example 60 A {}\n", n % 250)).collect();
    let version = version(&lines);
    assert!(version.tree.page_count() > 8);
    for octets in version.tree.pages() {
        assert!((octets.as_ptr().addr() + super::page::lead(octets)).is_multiple_of(64));
        assert!(super::page::lead(octets) <= super::page::LEAD_MAX);
    }
}

#[test]
fn b15_empty_non_terminals_exist() {
    let zone = version("a.b.c.example 60 A 1");
    check(&zone, &[("b.c.example", "ent b.c.example."), ("C.example", "ent c.example.")]);
    check(&zone, &[("x.b.c.example", "none b.c.example."), ("b.x.example", "none example.")]);
    assert_eq!(zone.name_count(), 4);
}

#[test]
fn b16_a_wildcard_is_used_at_the_closest_encloser_only() {
    check(
        &wildcards(),
        &[
            ("host3.example", "*.example. for example."),
            ("foo.bar.example", "*.example. for example."),
            ("host1.example", "name host1.example."),
            ("_telnet._tcp.host1.example", "none _tcp.host1.example."),
            ("_tcp.host2.example", "ent _tcp.host2.example."),
            ("host.subdel.example", "cut subdel.example."),
            ("ghost.*.example", "none *.example."),
        ],
    );
}

#[test]
fn b17_b19_existing_names_and_literal_asterisks_are_exact() {
    check(
        &wildcards(),
        &[
            ("*.example", "name *.example."),
            ("sub.*.example", "name sub.*.example."),
            ("a.sub.*.example", "none sub.*.example."),
        ],
    );
    check(&version("a.*.x.example 60 A 1"), &[("q.x.example", "*.x.example. for x.example.")]);
}

#[test]
fn b21_the_topmost_cut_or_dname_wins() {
    let zone = version(
        "*.example 60 A 1
         cut.example 60 NS ns.cut.example
         ns.cut.example 60 A 1
         deep.cut.example 60 NS ns.cut.example
         d.cut.example 60 DNAME x.example
         d.example 60 DNAME x.example
         cut.d.example 60 NS ns.example",
    );
    check(
        &zone,
        &[
            ("cut.example", "cut cut.example."),
            ("ns.cut.example", "cut cut.example."),
            ("a.deep.cut.example", "cut cut.example."),
            ("a.d.cut.example", "cut cut.example."),
            ("d.example", "name d.example."),
            ("a.cut.d.example", "dname d.example."),
            ("example", "name example."),
        ],
    );
    assert!(zone.node(name("ns.cut.example").as_ref()).unwrap().has(RecordType::A), "glue is there");
}

#[test]
fn b25_a_dname_at_the_apex_rewrites_all_below() {
    let zone = version("example 60 DNAME x.test\nhost.example 60 A 1");
    check(&zone, &[("example", "name example."), ("host.example", "dname example.")]);
}

#[test]
fn names_outside_and_very_deep_ones_are_answered() {
    let zone = version("a.example 60 A 1");
    check(&zone, &[("other", "none example."), (".", "none example.")]);
    let deep = ["a."; 120].concat() + "example";
    check(&zone, &[(&deep, "none a.example.")]);
    let deep = version(&format!("{deep} 60 A 1\nexample 60 DNAME x.test"));
    assert_eq!(deep.name_count(), 121);
    let root = build(".", Source::Received, &records(&format!(". 1 SOA 1\n{} 1 NS x", ["a."; 127].concat())));
    check(&root.version, &[(&["a."; 127].concat(), &format!("cut {}", ["a."; 127].concat()))]);
}

#[test]
fn b28_b30_files_are_levelled_and_transfers_are_kept() {
    let lines = records(
        "example 3600 SOA 1
         a.example 60 A 1
         A.example 30 A 2
         a.example 90 A 1",
    );
    let file = build("example", Source::File, &lines);
    assert_eq!((file.duplicates, file.ttls_lowered, file.version.record_count()), (1, 1, 3));
    let received = build("example", Source::Received, &lines);
    assert_eq!((received.duplicates, received.ttls_lowered), (1, 0));
    for (version, ttls) in [(&file.version, [30, 30]), (&received.version, [60, 30])] {
        let rrset = version.node(name("a.example").as_ref()).unwrap().rrset(RecordType::A).unwrap();
        assert_eq!((rrset.ttl(), rrset.len()), (30, 2));
        let stored: Vec<_> = rrset.stored().collect();
        assert_eq!([stored[0].ttl, stored[1].ttl], ttls);
        assert!(stored[1].owner.unwrap().same_octets(name("A.example").as_ref()), "the spelling stays");
    }
}

#[test]
fn b29_the_top_bit_of_a_ttl_reads_as_zero() {
    let zone = version("a.example 4294967295 A 1\nb.example 5 A 1\nb.example 2147483648 A 2");
    for owner in ["a.example", "b.example"] {
        assert_eq!(zone.node(name(owner).as_ref()).unwrap().rrset(RecordType::A).unwrap().ttl(), 0);
    }
    let mut ttls = Vec::new();
    zone.for_each(|record| ttls.push(record.ttl));
    assert!(ttls.contains(&u32::MAX), "a transfer gives what was received");
}

#[test]
fn a_zone_needs_one_soa_at_its_apex() {
    let mut builder = Builder::new(name("example").as_ref(), KEY, Source::Received);
    let push = |builder: &mut Builder, line| records(line).iter().try_for_each(|record| builder.push(record));
    assert_eq!(push(&mut builder, "example 1 NS a"), Ok(()));
    assert_eq!(push(&mut builder, "other 1 NS a"), Err(BuildError::OutOfZone));
    assert_eq!(push(&mut builder, "a.example 1 SOA 1"), Err(BuildError::SecondSoa));
    assert_eq!(builder.finish().map(|_| ()), Err(BuildError::NoSoa));
    let mut builder = Builder::new(name("example").as_ref(), KEY, Source::Received);
    assert_eq!(
        push(&mut builder, "example 1 SOA 1\nexample 1 SOA 1\nexample 1 SOA 2"),
        Err(BuildError::SecondSoa)
    );
}

#[track_caller]
fn check_edit(removed: &str, added: &str, expected: Result<u64, ApplyError>) {
    let base = version("a.example 60 A 1\nb.c.example 60 A 1");
    let removed = records(&format!("example 3600 SOA 1\n{removed}"));
    let added = records(&format!("example 3600 SOA 2\n{added}"));
    let made = edit(&base, &removed, &added);
    assert_eq!(made.as_ref().map(|(version, _)| version.record_count()).map_err(|error| *error), expected);
    if let Ok((after, delta)) = made {
        assert_eq!((after.serial(), delta.from, delta.to), (Serial(2), Serial(1), Serial(2)));
        assert_eq!(apply(&base, &delta).unwrap().digest(), after.digest());
        assert_eq!(diff(&base, &after).unwrap().octets(), delta.octets());
    }
}

#[test]
fn r14_matching_ignores_ttl_and_case() {
    check_edit("A.EXAMPLE 7 A 1", "a.example 9 A 1", Ok(4));
    check_edit("example 1 NS NS.example", "example 1 NS nS.example", Ok(4));
}

#[test]
fn e08_differences_that_do_not_fit_are_refused() {
    check_edit("a.example 60 A 2", "", Err(ApplyError::MissingRecord));
    check_edit("x.example 60 A 1", "", Err(ApplyError::MissingRecord));
    check_edit("c.example 60 A 1", "", Err(ApplyError::MissingRecord));
    check_edit("a.example 60 A 1\na.example 60 A 1", "", Err(ApplyError::MissingRecord));
    check_edit("", "a.example 60 A 1", Err(ApplyError::PresentRecord));
    check_edit("", "n.example 60 A 1\nN.example 50 A 1", Err(ApplyError::PresentRecord));
    check_edit("", "n.other 60 A 1", Err(ApplyError::OutOfZone));
    check_edit("example 3600 SOA 1", "", Err(ApplyError::SoaMisplaced));
    check_edit("", "example 3600 SOA 3", Err(ApplyError::SoaMisplaced));
}

#[test]
fn e08_the_chain_of_serials_and_digests_must_fit() {
    let base = version("a.example 60 A 1");
    let (after, delta) =
        edit(&base, &records("example 3600 SOA 1"), &records("example 3600 SOA 2\nb.example 1 A 1")).unwrap();
    assert_eq!(apply(&after, &delta).err(), Some(ApplyError::SerialDiffers));
    assert_eq!(apply(&version("a.example 60 A 2"), &delta).err(), Some(ApplyError::DigestBefore));
    let damaged = Delta { digest_after: base.digest(), ..delta };
    assert_eq!(apply(&base, &damaged).err(), Some(ApplyError::DigestAfter));
    let other = records("example 3600 SOA 9");
    assert_eq!(edit(&base, &other, &other).err(), Some(ApplyError::SoaDiffers));
    assert_eq!(edit(&base, &Records::new(), &other).err(), Some(ApplyError::SoaMisplaced));
}

#[test]
fn an_edit_copies_only_the_pages_that_it_touches() {
    let mut lines = records("example 3600 SOA 1\nexample 3600 NS ns.example");
    (0..5000).for_each(|n| push(&mut lines, &format!("n{n}.example 60 A {}", n % 256)));
    let base = build("example", Source::Received, &lines).version;
    let (after, _) = edit(
        &base,
        &records("example 3600 SOA 1\nn77.example 60 A 77"),
        &records("example 3600 SOA 2\nn77.example 60 A 78"),
    )
    .unwrap();
    let touched = base.tree.differing(&after.tree).unwrap();
    assert!(base.tree.page_count() > 100 && touched.len() <= 2, "{touched:?}");
    assert_eq!(diff(&base, &after).unwrap().removed.len(), 2);
    let (back, _) = edit(
        &after,
        &records("example 3600 SOA 2\nn77.example 60 A 78"),
        &records("example 3600 SOA 1\nn77.example 60 A 77"),
    )
    .unwrap();
    let mut pairs = back.tree.pages().zip(base.tree.pages());
    let equal = pairs.all(|(back, base)| {
        let (back, base) = (page::Page::of(back), page::Page::of(base));
        back.entries().eq(base.entries()) && back.sum() == base.sum()
    });
    assert!(equal, "equal content gives equal octets");
    let again = reserial(&after, Serial(9));
    assert_eq!((again.serial(), again.record_count()), (Serial(9), after.record_count()));
    assert_eq!(after.tree.differing(&again.tree).unwrap().len(), 1);
    assert!(diff(&after, &after.clone()).is_none());
}

#[test]
fn recent_deltas_are_the_tail_that_chains() {
    let mut now = version("");
    let mut chain = Vec::new();
    for serial in 1..5u32 {
        let next = reserial(&now, Serial(serial + 1));
        chain.push(Arc::new(diff(&now, &next).unwrap()));
        now = next;
    }
    let whole = now.clone().with_recent(chain.clone());
    assert_eq!(whole.recent().len(), 4);
    let gap = [chain[0].clone(), chain[2].clone(), chain[3].clone()];
    assert_eq!(now.clone().with_recent(gap).recent().first().map(|delta| delta.from), Some(Serial(3)));
    assert!(now.with_recent(chain[..3].to_vec()).recent().is_empty());
}

#[test]
fn nodes_come_in_canonical_order() {
    let zone = version("z.example 1 A 1\n*.b.example 1 A 1\nA.example 1 A 1");
    let owners: Vec<String> = zone.nodes_in_order().iter().map(|node| node.owner().to_string()).collect();
    assert_eq!(owners, ["example.", "A.example.", "b.example.", "*.b.example.", "z.example."]);
}

#[test]
fn signatures_are_found_by_the_type_that_they_cover() {
    let mut all = records("example 3600 SOA 1");
    for (covered, ttl) in [(1u16, 60), (2, 30), (1, 60)] {
        let rdata = [&covered.to_be_bytes()[..], &(all.len() as u16).to_be_bytes()].concat();
        let owner = name("a.example");
        all.push(RecordRef { owner: owner.as_ref(), rtype: RecordType::RRSIG, ttl, rdata: &rdata });
    }
    let zone = build("example", Source::Received, &all).version;
    let node = zone.node(name("a.example").as_ref()).unwrap();
    assert_eq!(node.rrsigs(RecordType::A).map(|record| record.ttl).collect::<Vec<_>>(), [60, 60]);
    assert_eq!(node.rrsigs(RecordType::NS).map(|record| record.ttl).collect::<Vec<_>>(), [30]);
}

mod set {
    use super::*;
    use crate::ident::ZoneId;
    use crate::time::Tick;

    fn slot(id: u32, apex: &str) -> (Name, Option<Arc<Slot>>) {
        (name(apex), Some(Arc::new(Slot { id: ZoneId(id), apex: name(apex), state: SlotState::Loading })))
    }

    fn found(slot: Option<&Arc<Slot>>) -> Option<u32> {
        slot.map(|slot| slot.id.0)
    }

    #[test]
    fn the_longest_apex_wins() {
        let set = ZoneSet::new(KEY).with(&[slot(1, "example"), slot(2, "b.a.example"), slot(3, "test")]);
        for (qname, id) in [
            ("Example", Some(1)),
            ("a.example", Some(1)),
            ("x.B.a.example", Some(2)),
            ("b.a.example", Some(2)),
            ("other", None),
            (".", None),
        ] {
            assert_eq!(found(set.find(name(qname).as_ref())), id, "{qname}");
        }
        assert_eq!(found(set.find_above(name("b.a.example").as_ref())), Some(1));
        assert_eq!(found(set.find_above(NameRef::ROOT)), None);
        let root = set.with(&[slot(4, "."), (name("example"), None)]);
        assert_eq!(found(root.find(name("a.example").as_ref())), Some(4));
        assert_eq!((set.len(), root.len(), found(set.find(name("example").as_ref()))), (3, 3, Some(1)));
    }

    #[test]
    fn r31_a_change_shares_what_it_does_not_touch() {
        let many: Vec<_> = (0..5000).map(|n| slot(n, &format!("z{n}.test"))).collect();
        let before = ZoneSet::new(KEY).with(&many);
        assert_eq!((before.len(), before.iter().count()), (5000, 5000));
        let after = before.with(&[slot(9999, "Z7.test"), slot(9998, "z7.test")]);
        assert_eq!(found(after.exact(name("z7.test").as_ref())), Some(9998), "the last change counts");
        assert_eq!(before.tree_pages_differing(&after), 1);
        let none = many.iter().map(|(apex, _)| (apex.clone(), None)).collect::<Vec<_>>();
        assert!(after.with(&none).is_empty());
    }

    #[test]
    fn a_lease_ends_and_is_renewed_for_all_clones() {
        let version = Arc::new(version(""));
        let lease = Lease::until(Tick(10));
        let state = SlotState::Serving { version, lease: lease.clone() };
        let slot = Slot { id: ZoneId(1), apex: name("example"), state };
        assert!(slot.version_at(Tick(9)).is_some() && slot.version_at(Tick(10)).is_none());
        lease.renew(Tick(20));
        assert!(slot.version_at(Tick(10)).is_some());
        assert!(Lease::forever().holds_at(Tick(u64::MAX)) && Lease::forever().ends().is_none());
    }
}
