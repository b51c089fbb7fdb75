//! Directives and findings at the edges of what they may be.

use super::super::load::are_located;
use super::load::load_text;
use super::*;
use crate::limits::{
    DIAGNOSTICS_MAX, FINDINGS_LOCATED_RECORDS_MAX, GENERATE_RECORDS_MAX, GENERATE_WIDTH_MAX,
    INCLUDE_FILES_MAX,
};
use crate::reason::Reason;
use crate::zone::checks::Findings;

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

#[test]
fn c15_warnings_are_counted_though_few_are_shown() {
    let names = DIAGNOSTICS_MAX + 9;
    let mut text = format!("{SOA}@ 5 NS ns.example.org.\n");
    (0..names).for_each(|n| writeln!(text, "n{n:03} 5 MX 10 none").unwrap());
    let loaded = load_text(&text).expect("a zone");
    assert_eq!((loaded.warning_count, loaded.warnings.len()), (names as u64, DIAGNOSTICS_MAX));
}

#[test]
fn c15_findings_come_in_the_order_of_the_files_with_their_hints() {
    let main = format!("{SOA}@ 5 NS ns.example.org.\n$INCLUDE y\nb 5 CNAME x\nb 5 A 192.0.2.1\n");
    let files = [("z", main.as_bytes()), ("y", &b"a 5 CNAME x\na 5 A 192.0.2.1\n"[..])];
    let loaded = load(&mut Table::of(&files), Path::new("z"), &example(), KEY, &Demands::default());
    let error = loaded.err().expect("aliases with addresses");
    let said: Vec<_> = error.diagnostics.iter().map(|told| (told.file.clone(), told.line)).collect();
    assert_eq!(said, [(PathBuf::from("z"), 4), (PathBuf::from("y"), 1)]);
    assert!(error.diagnostics.iter().all(|told| told.hint.is_some()), "{:?}", error.diagnostics);
}

#[test]
fn c15_a_long_line_is_cut_in_front_and_no_other() {
    let source_line = |blanks: usize| {
        let text = format!("{SOA}@ 5 NS ns.example.org.\na{}5 CNMAE x\n", " ".repeat(blanks));
        let error = load_text(&text).err().expect("no type");
        error.diagnostics[0].source_line.clone()
    };
    // `a`, `5` and a blank stand before the type, too.
    assert!(source_line(157).starts_with("a "), "{}", source_line(157));
    assert!(source_line(158).starts_with('…'), "{}", source_line(158));
}

#[test]
fn c15_a_label_stands_under_the_place() {
    let error = load_text(&format!("{SOA}@ 5 NS ns.example.org.\na 5\n")).err().expect("an error");
    assert_eq!(error.diagnostics[0].label, "a type was expected");
    let rendered = error.diagnostics[0].render(Paint::Plain);
    assert!(rendered.contains("^ a type was expected"), "{rendered}");
}

#[test]
fn c15_a_quoted_word_is_pointed_at_with_its_quotes() {
    let place = |line: &str| {
        let error = load_text(&format!("{SOA}@ 5 NS ns.example.org.\n{line}\n")).err().expect("an error");
        (error.diagnostics[0].column, error.diagnostics[0].span.len())
    };
    assert_eq!(place("a 5 A \"x\""), (7, 3));
    assert_eq!(place("a 5 A x"), (7, 1));
    assert_eq!(place("a 5 HINFO \"x\""), (14, 0));
}

#[test]
fn c02_an_included_path_is_found_from_its_file_without_dots() {
    let included = |file: &str, path: &str| {
        let text = format!("$INCLUDE {path}\n");
        scan_files(&[("a/z", text.as_bytes()), (file, b"x 5 A 192.0.2.1\n")])
    };
    let record = ("x.example.com. 5 A 192.0.2.1\n".to_owned(), vec![]);
    for (file, path) in [("b", "../b"), ("../b", "../../b"), ("a/b", "./b"), ("a/b", "c/../b")] {
        assert_eq!(included(file, path), record, "{path}");
    }
}

#[test]
fn c02_a_file_may_include_only_so_many() {
    let many = |includes: usize| {
        let text = "$INCLUDE y\n".repeat(includes);
        scan_files(&[("z", text.as_bytes()), ("y", b"")]).1
    };
    assert_eq!(many(INCLUDE_FILES_MAX - 1), [""; 0]);
    let said = many(INCLUDE_FILES_MAX);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with(&format!("z:{INCLUDE_FILES_MAX}:")), "{said:?}");
}

#[test]
fn c15_after_a_quote_that_does_not_end_the_next_line_is_read() {
    let said = |text: &str| scan_files(&[("z", text.as_bytes())]);
    let open = "z:1:9: error: the quote is not closed on its line [BW-Z10]";
    let (_, told) = said("a 5 TXT \"x\n ) \nb 5 A 192.0.2.1\n");
    assert_eq!(told, [open, "z:2:2: error: no parenthesis is open here [BW-Z10]"]);
    // A backslash does not join lines.
    let (lines, told) = said("a 5 TXT \"x\\\nb 5 TXT \"y\"\n");
    assert_eq!((&lines[..], told), ("b.example.com. 5 TXT \"y\"\n", vec![open.to_owned()]));
}

#[test]
fn c08_names_of_a_zone_with_one_label_may_end_with_it() {
    let warned = |apex: &str| {
        let apex = Name::parse(apex).expect("a name");
        let text = format!("{SOA}@ 5 NS ns.example.org.\na.example 5 A 192.0.2.1\n");
        let loaded =
            load(&mut Table::of(&[("z", text.as_bytes())]), Path::new("z"), &apex, KEY, &Demands::default());
        loaded.expect("a zone").warnings.len()
    };
    assert_eq!((warned("example."), warned("b.example.")), (0, 0));
}

#[test]
fn c15_only_the_first_word_behind_a_blank_may_be_meant_for_an_owner() {
    let hint = |line: &str| {
        let text = format!("{SOA}@ 5 NS ns.example.org.\n{line}\n");
        let error = load_text(&text).err().expect("no type");
        error.diagnostics[0].hint.clone().unwrap_or_default()
    };
    assert!(hint(" www A 192.0.2.1").starts_with("take the blank away"));
    assert!(!hint(" 5 www A 192.0.2.1").starts_with("take the blank away"));
    assert!(!hint("a www A 192.0.2.1").starts_with("take the blank away"));
}

#[test]
fn c05_what_is_held_against_a_generated_record_is_told_at_its_type() {
    let scanned = |refused: &str| {
        let text = b"$GENERATE 1-3 h$ 5 IN A 192.0.2.$\n";
        let mut files = Table::of(&[("z", &text[..])]);
        let report = scan(&mut files, Path::new("z"), Some(&example()), &mut |record, _| {
            let (reason, message) = (Reason::ZoneAlias, "no".to_owned());
            match record.owner.to_string().starts_with(refused) {
                true => Err(Objection { reason, message, hint: None }),
                false => Ok(()),
            }
        });
        (report.records, report.diagnostics.iter().map(Diagnostic::to_string).collect::<Vec<_>>())
    };
    assert_eq!(scanned("none"), (3, vec![]));
    assert_eq!(scanned("h2"), (1, vec!["z:1:23: error: no (in the record for 2) [BW-Z16]".to_owned()]));
}

#[test]
fn c15_errors_have_their_place_however_large_the_zone_and_warnings_in_others() {
    let located = |errors: u64, records: u64| {
        are_located(&Findings { errors, warnings: 3, ..Findings::default() }, records)
    };
    assert!(located(0, FINDINGS_LOCATED_RECORDS_MAX) && located(1, FINDINGS_LOCATED_RECORDS_MAX + 1));
    assert!(!located(0, FINDINGS_LOCATED_RECORDS_MAX + 1));
}
