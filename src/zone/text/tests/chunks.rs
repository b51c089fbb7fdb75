//! Entries that lie across the ends of what is read at once, and entries that are too long.

use super::*;
use crate::limits::{ZONE_CHUNK_OCTETS, ZONE_ENTRY_OCTETS_MAX};

/// A text of which the first chunk ends behind `before`.
fn split(before: &str, after: &str) -> Vec<u8> {
    let mut text = vec![b';'; ZONE_CHUNK_OCTETS - before.len() - 1];
    text.push(b'\n');
    text.extend_from_slice(before.as_bytes());
    assert_eq!(text.len(), ZONE_CHUNK_OCTETS);
    text.extend_from_slice(after.as_bytes());
    text
}

#[test]
fn c01_an_entry_may_lie_across_the_end_of_a_chunk_anywhere() {
    let line = "a 5 SVCB 1 . alpn=\"h2,h3\" port=53\n";
    for at in 0..line.len() {
        let (before, after) = line.split_at(at);
        check_octets(&split(before, after), "a.example.com. 5 SVCB 1 . alpn=h2,h3 port=53\n");
    }
}

#[test]
fn c15_the_rest_of_a_broken_entry_is_left_out_across_the_end_of_a_chunk() {
    let (lines, said) = scan_files(&[("z", &split("a 5 TXT ( \"open\n", " y )\nb 5 A 192.0.2.1\n"))]);
    assert_eq!(said, ["z:2:11: error: the quote is not closed on its line [BW-Z10]"]);
    assert_eq!(lines, "b.example.com. 5 A 192.0.2.1\n");
}

/// What is said of an entry that begins so, goes on with so much of an octet, and ends so; then come a
/// line that goes on with it if parentheses are open, and a sound one.
fn too_long(begin: &str, octet: u8, end: &str) -> Vec<String> {
    let mut text = b"x 5 A 192.0.2.1\n".to_vec();
    text.extend_from_slice(begin.as_bytes());
    text.resize(text.len() + ZONE_ENTRY_OCTETS_MAX + ZONE_CHUNK_OCTETS, octet);
    text.extend_from_slice(end.as_bytes());
    text.extend_from_slice(b"\n (\nb 5 A 192.0.2.1\n");
    let report = scan(&mut Table::of(&[("z", &text)]), Path::new("z"), Some(&example()), &mut |_, _| Ok(()));
    assert_eq!((report.records, report.diagnostics[0].span.len()), (2, 1));
    report.diagnostics.iter().map(Diagnostic::to_string).collect()
}

#[test]
fn c01_after_an_entry_that_is_too_long_lines_are_taken_for_its_rest_inside_parentheses_only() {
    let long = "z:2:1: error: the entry is too long [BW-Z10]";
    for (word, octet, end) in [("", b'x', ""), ("\"", b'x', "\""), ("", b' ', "")] {
        assert_eq!(too_long(&format!("a 5 TXT ( {word}"), octet, end), [long]);
        let apart = too_long(&format!("a 5 TXT {word}"), octet, end);
        assert_eq!(apart[0], long);
        assert!(apart[1].contains("z:3:2: error: the parenthesis is never closed"), "{apart:?}");
    }
}

#[test]
fn c01_how_long_an_entry_is_does_not_depend_on_what_stands_before_it() {
    let blank = |octets: usize| "\n".repeat(octets);
    let most = ZONE_ENTRY_OCTETS_MAX - ZONE_CHUNK_OCTETS / 2;
    let text = format!("a 5 TXT ({}x )\nb 5 TXT ({}y )\n", blank(most), blank(ZONE_CHUNK_OCTETS));
    check(&text, "a.example.com. 5 TXT \"x\"\nb.example.com. 5 TXT \"y\"\n");
}
