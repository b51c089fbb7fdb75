//! Directives and findings at the edges of what they may be.

use super::load::load_text;
use super::*;
use crate::limits::{DIAGNOSTICS_MAX, GENERATE_RECORDS_MAX, GENERATE_WIDTH_MAX};

#[test]
fn c02_directives_say_what_they_take() {
    let origin = "error: `$ORIGIN` takes one name [BW-Z12]";
    for (line, at) in [("$ORIGIN", 8), ("$ORIGIN a b", 11), ("$ORIGIN a b c", 11)] {
        let (_, said) = scan_files(&[("z", line.as_bytes())]);
        assert_eq!(said, [format!("z:1:{at}: {origin}")], "{line}");
    }
}

#[test]
fn c08_an_origin_that_names_the_zone_twice_is_warned_of_unless_it_is_complete() {
    let warnings = |line: &str| {
        let text = format!("{SOA}@ 5 NS ns.example.org.\n{line}\n");
        load_text(&text).expect("a zone").warnings.iter().map(Diagnostic::to_string).collect::<Vec<_>>()
    };
    let twice =
        "z:3:9: warning: the name of the zone stands twice in the origin `example.com.example.com.` [BW-Z13]";
    assert_eq!(warnings("$ORIGIN example.com"), [twice]);
    assert_eq!(warnings("$ORIGIN example.com.example.com."), [""; 0]);
    assert_eq!(warnings("$ORIGIN example"), [""; 0]);
}

#[test]
fn c07_a_file_of_an_unknown_zone_begins_with_its_soa() {
    let scanned = |text: &str| {
        let report =
            scan(&mut Table::of(&[("z", text.as_bytes())]), Path::new("z"), None, &mut |_, _| Ok(()));
        report.diagnostics.iter().map(Diagnostic::to_string).collect::<Vec<_>>()
    };
    assert_eq!(scanned("$ORIGIN a.\n@ 5 SOA ns me 1 2 3 4 5\nb 5 A 192.0.2.1\n"), [""; 0]);
    let late = scanned("$ORIGIN a.\nb 5 A 192.0.2.1\n");
    assert_eq!(late, ["z:2:5: error: a record stands before the SOA [BW-Z15]"]);
    let below = scanned("$ORIGIN a.\n@ 5 SOA ns me 1 2 3 4 5\nb 5 SOA ns me 1 2 3 4 5\n");
    assert_eq!(below, ["z:3:5: error: an SOA below the apex, at `b.a.` [BW-Z15]"]);
}

#[test]
fn c05_generated_ranges_may_be_as_long_as_the_limit_and_as_short_as_one() {
    check("$GENERATE 7-7 h 5 A 192.0.2.1\n", "h.example.com. 5 A 192.0.2.1\n");
    check("$GENERATE 4294967295-4294967295 h$ 5 A 192.0.2.1\n", "h4294967295.example.com. 5 A 192.0.2.1\n");
    let said = |line: String| scan_files(&[("z", line.as_bytes())]).1;
    let long = format!("$GENERATE 5-{} h 5 A x\n", GENERATE_RECORDS_MAX + 5);
    assert_eq!(said(long), ["z:1:11: error: the range is too long [BW-Z12]"]);
    let longest = said(format!("$GENERATE 5-{} h 5 A x\n", GENERATE_RECORDS_MAX + 4));
    let first = "A: address: expected an IPv4 address (in the record for 5)";
    assert!(longest[0].contains(first), "{longest:?}");
    let wide = |width: usize| said(format!("$GENERATE 1-1 h 5 TXT ${{0,{width}}}\n"));
    assert_eq!(wide(GENERATE_WIDTH_MAX), [""; 0]);
    assert_eq!(wide(GENERATE_WIDTH_MAX + 1), ["z:1:23: error: the width 256 is more than 255 [BW-Z12]"]);
}

#[test]
fn c15_what_is_wrong_with_a_template_is_told_at_its_word() {
    let said = |line: &str| scan_files(&[("z", line.as_bytes())]).1;
    assert_eq!(said("$GENERATE 1-2 h 5 A ${x}\n"), ["z:1:21: error: `x` is not an offset [BW-Z12]"]);
    let negative = said("$GENERATE 1-1 h 5 TXT a ${-2}\n");
    assert_eq!(negative, ["z:1:25: error: the number would be negative (in the record for 1) [BW-Z12]"]);
}

#[test]
fn c15_every_duplicate_is_counted_and_none_is_told_of_where_there_is_none() {
    let warned = |more: &str| {
        let loaded = load_text(&format!("{SOA}@ 5 NS ns.example.org.\n{more}")).expect("a zone");
        (loaded.warning_count, loaded.warnings.iter().map(Diagnostic::to_string).collect::<Vec<_>>())
    };
    assert_eq!(warned("a 5 A 192.0.2.1\n"), (0, vec![]));
    let (count, said) = warned("a 5 A 192.0.2.1\na 5 A 192.0.2.1\n");
    assert_eq!(
        (count, &said[..]),
        (1, &["z: warning: duplicate records dropped: 1 [BW-Z21]".to_owned()][..])
    );
}

#[test]
fn c15_findings_are_counted_though_few_are_shown_and_stand_in_the_order_of_the_file() {
    let names = DIAGNOSTICS_MAX + 9;
    let mut text = format!("{SOA}@ 5 NS ns.example.org.\n");
    // Found by name, from the last line to the first.
    (0..names).rev().for_each(|n| writeln!(text, "n{n:03} 5 CNAME x\nn{n:03} 5 A 192.0.2.1").unwrap());
    let error = load_text(&text).err().expect("aliases with addresses");
    assert_eq!((error.errors, error.diagnostics.len()), (names as u64, DIAGNOSTICS_MAX));
    let lines: Vec<u64> = error.diagnostics.iter().map(|diagnostic| diagnostic.line).collect();
    assert!(lines.is_sorted() && lines[0] > 2, "{lines:?}");
}

#[test]
fn c15_where_a_record_ends_too_early_is_said_there() {
    let ends = |line: &str| {
        let error = load_text(&format!("{SOA}@ 5 NS ns.example.org.\n{line}\n")).err().expect("an error");
        (error.diagnostics[0].column, error.diagnostics[0].label == "the record ends here")
    };
    assert_eq!(ends("a 5 MX 10"), (10, true));
    assert_eq!(ends("a 5 MX x y"), (8, false));
}

#[test]
fn c15_two_letters_that_are_not_swapped_are_no_slip() {
    let said = load_text(&format!("{SOA}@ 5 NS ns.example.org.\na 5 SAR x\n")).err().expect("no type");
    assert_eq!(said.diagnostics[0].hint, None);
}
