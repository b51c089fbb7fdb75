//! What is found at names, and what is kept of it.

use super::*;
use crate::zone::tests::{build, push, records};
use crate::zone::{Source, edit, reserial};

fn version(lines: &str) -> Version {
    let apex = "example 3600 SOA 1\nexample 3600 NS ns.test\n";
    build("example", Source::File, &records(&[apex, lines].concat())).version
}

/// What is found, a line each: owner, type and hint.
fn found(version: &Version, bounds: &Bounds) -> Vec<String> {
    let findings = check(version, bounds);
    let line = |finding: &Finding| format!("{} {} {:?}", finding.owner, finding.rtype, finding.hint);
    findings.list.iter().map(line).collect()
}

#[test]
fn b32_what_a_delegation_hides_is_told_and_what_belongs_there_is_not() {
    let hidden = |lines: &str| {
        let zone = version(&format!("sub.example 60 NS ns.sub.example\nns.sub.example 60 A 1\n{lines}"));
        found(&zone, &Bounds::default())
    };
    let hint = "Some(\"it belongs in the child zone\")";
    assert_eq!(hidden("sub.example 60 TXT t"), [format!("sub.example. TXT {hint}")]);
    assert_eq!(hidden("x.sub.example 60 TXT t"), [format!("x.sub.example. TXT {hint}")]);
    assert_eq!(hidden("x.sub.example 60 NS ns.test\nsub.example 60 RRSIG s"), [""; 0]);
}

#[test]
fn b27_a_dname_hides_only_what_is_below_it() {
    let alias = "d.example 60 DNAME x.test\n";
    assert_eq!(found(&version(alias), &Bounds::default()), [""; 0]);
    let below = found(&version(&format!("{alias}a.d.example 60 A 1")), &Bounds::default());
    assert_eq!(below, ["d.example. DNAME Some(\"the DNAME hides them\")"]);
}

#[test]
fn c15_a_hint_is_given_where_there_is_one() {
    let target = |owner: &str| {
        let zone = version(&format!("m.example 60 A 1\na.example 60 NS {owner}"));
        let findings = check(&zone, &Bounds::default());
        findings.list.iter().map(|finding| finding.hint.clone()).collect::<Vec<_>>()
    };
    assert_eq!(target("m.example"), []);
    assert_eq!(target("none.example"), [None]);
    let zero = |soa: &str| {
        let mut lines = records("example 3600 NS ns.test");
        push(&mut lines, soa);
        found(&build("example", Source::File, &lines).version, &Bounds::default())
    };
    assert_eq!(zero("example 3600 SOA 1"), [""; 0]);
}

#[test]
fn p192_a_name_larger_than_its_bounds_is_an_error_that_names_the_setting() {
    let zone = version("a.example 60 A 1\na.example 60 A 2\na.example 60 A 3");
    let bounds = |records_per_type| Bounds { records_per_type, ..Bounds::default() };
    assert_eq!(found(&zone, &bounds(3)), [""; 0]);
    let [said] = &found(&zone, &bounds(2))[..] else { panic!("one finding") };
    assert!(said.starts_with("a.example. A Some(") && said.contains("records_per_type"), "{said}");
    assert_eq!(check(&zone, &bounds(2)).errors, 1);
}

#[test]
fn r10_a_review_is_of_one_version() {
    let many: String = (0..2000).map(|n| format!("n{n}.example 60 A {}\n", n % 256)).collect();
    let zone = version(&many);
    let findings = check(&zone, &Bounds::default());
    let review = Review::new(&zone, findings.clone()).expect("it is large");
    assert_eq!(review.of(&zone), Some(&findings));
    assert_eq!(review.of(&reserial(&zone, Serial(2))), None, "the same records under another serial");
    assert_eq!(review.of(&version(&many.replace("n7.example", "m7.example"))), None, "other records");
}

#[test]
fn r10_what_was_not_kept_is_found_again() {
    let lines = |from: usize| {
        let pointing = from..FINDINGS_KEPT_MAX + 5;
        pointing.map(|n| format!("n{n:04}.example 60 NS none.example\n")).collect::<String>()
    };
    let many: String = (0..2000).map(|n| format!("h{n}.example 60 A {}\n", n % 256)).collect();
    let before = version(&format!("{many}{}", lines(0)));
    let found = check(&before, &Bounds::default());
    assert_eq!((found.list.len(), found.warnings), (FINDINGS_KEPT_MAX, FINDINGS_KEPT_MAX as u64 + 5));
    let removed = "example 3600 SOA 1\nn0000.example 60 NS none.example";
    let (after, _) = edit(&before, &records(removed), &records("example 3600 SOA 2")).expect("it fits");
    let again = check_again(&before, &found, &after, &References::default(), &Bounds::default());
    assert_eq!(again, check(&after, &Bounds::default()));
    assert_eq!(again.list.len(), FINDINGS_KEPT_MAX);
}
