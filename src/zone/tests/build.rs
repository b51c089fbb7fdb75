//! Versions from many records, which a builder divides into parts.

use super::*;

/// Hosts below empty non-terminals, wildcards below others, cuts: more than fits into one part.
fn many() -> Vec<String> {
    let text = "x".repeat(60);
    let lines = (0..6000).flat_map(|n| {
        let host = format!("h{n}.e{}.f{}.example", n % 90, n % 7);
        let mut lines = vec![format!("{host} 60 A {}", n % 250), format!("{host} 60 TXT {text}")];
        if n % 10 == 0 {
            lines.push(format!("*.w{n}.ent{n}.example 60 A 1"));
            lines.push(format!("c{n}.example 60 NS ns.c{n}.example"));
            lines.push(format!("ns.c{n}.example 60 A 2"));
        }
        lines
    });
    lines.collect()
}

/// All that is to be seen of a version.
fn seen(version: &Version) -> Vec<String> {
    let mut seen: Vec<String> = version
        .nodes()
        .map(|node| format!("{} {} {}", node.owner(), node.is_ent(), node.rrsets().count()))
        .collect();
    seen.sort_unstable();
    let asked = (0..6000).step_by(30).flat_map(|n| {
        let names = ["x.h#.e0.f0", "e#.f#", "x.w#.ent#", "x.y.w#.ent#", "ent#", "x.ent#", "y.c#", "none#"];
        names.map(|name| format!("{}.example", name.replace('#', &n.to_string())))
    });
    seen.extend(asked.map(|asked| format!("{asked} {}", shown(version.find(name(&asked).as_ref())))));
    seen
}

#[test]
fn a_large_zone_is_the_same_from_records_in_any_order_and_by_edits() {
    let lines = many();
    let in_order = version(&lines.join("\n"));
    // A stride without a common divisor visits all of them, and never two of one owner in a row.
    let strewn: Vec<&str> = (0..lines.len()).map(|at| lines[at * 7919 % lines.len()].as_str()).collect();
    assert_ne!(lines.len() % 7919, 0);
    let strewn = version(&strewn.join("\n"));
    assert_eq!(strewn.digest(), in_order.digest());
    let (first, rest) = lines.split_at(50);
    let step = |base: &Version, more: &[String]| {
        let added = format!("example 3600 SOA 2\n{}", more.join("\n"));
        edit(base, &records("example 3600 SOA 1"), &records(&added)).expect("an edit that fits").0
    };
    let edited = step(&version(&first.join("\n")), rest);
    assert_eq!(edited.digest(), step(&in_order, &[]).digest());
    for other in [&strewn, &edited] {
        assert_eq!(
            (other.name_count(), other.record_count()),
            (in_order.name_count(), in_order.record_count())
        );
        let (ours, theirs) = (seen(&in_order), seen(other));
        let differ = ours.iter().zip(&theirs).find(|(a, b)| a != b);
        assert_eq!((differ, theirs.len()), (None, ours.len()));
    }
}
