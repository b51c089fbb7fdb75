//! Where errors are said to be, and where reading goes on behind them.

use super::*;

/// Checks what is said, and which owners are read all the same.
#[track_caller]
fn check_places(text: &str, expected: &[&str], owners: &[&str]) {
    let (lines, said) = scan_files(&[("z", text.as_bytes())]);
    let places: Vec<&str> = said.iter().map(|line| line.split(": ").next().unwrap_or_default()).collect();
    assert_eq!(places, expected, "{said:?}");
    let read: Vec<&str> = lines.lines().filter_map(|line| line.split('.').next()).collect();
    assert_eq!(read, owners, "{lines}");
}

#[test]
fn c15_an_error_is_where_it_stands_whatever_came_before() {
    check_places("\n\n; words\n \t\r\n  ; more\na 5 A x\n", &["z:6:7"], &[]);
    check_places("a 5 MX (\n 10 ; ( \"\n\n  a..b )\nb 5 A x\nc 5 A 192.0.2.1", &["z:4:3", "z:5:7"], &["c"]);
    check_places("a 5 TXT ( x\n y\n \"open\n )\nb 5 A x\n", &["z:3:2", "z:5:7"], &[]);
    check_places("a 5 TXT \"(;\\\"\" \"x\n", &["z:1:16"], &[]);
    check_places("a 5 TXT \"x", &["z:1:9"], &[]);
    check_places("a 5 TXT (\n ( x )\n y", &["z:1:9"], &[]);
    check_places("a 5 A 192.0.2.1 ) x\nb 5 A 192.0.2.1\n", &["z:1:17"], &["b"]);
}

#[test]
fn c15_reading_goes_on_at_the_next_line_or_behind_the_parentheses() {
    // Whose record the second line is stood in the first.
    check_places("a 5 TXT \"open\n  5 A 192.0.2.1\nb 5 A 192.0.2.1\n", &["z:1:9"], &["b"]);
    let inside = "a 5 TXT ( \"open\n x\n\ty\n;c\n\"q\"\n\r\n\n)\nb 5 A 192.0.2.1\nc 5 A x\n";
    check_places(inside, &["z:1:11", "z:10:7"], &["b"]);
    check_places("a 5 TXT ( \"open", &["z:1:11"], &[]);
}

#[test]
fn c03_a_backslash_takes_the_next_octet_but_never_a_line() {
    check_places("a 5 TXT x\\\nb 5 A 192.0.2.1\n", &["z:1:9"], &["b"]);
    check_places("a 5 TXT \"x\\\nb 5 A 192.0.2.1\n", &["z:1:9"], &["b"]);
    check("a 5 TXT x\\; \\( y\\\"\\ z\n", "a.example.com. 5 TXT \"x;\" \"(\" \"y\\\" z\"\n");
    check("a 5 TXT \"x\\\\\" y\n", "a.example.com. 5 TXT \"x\\\\\" \"y\"\n");
}

#[test]
fn c01_a_quote_in_a_word_is_its_value_only_after_an_equals_sign() {
    check("a 5 SVCB 1 . alpn=\"h2,h3\" port=53\n", "a.example.com. 5 SVCB 1 . alpn=h2,h3 port=53\n");
    check_places("a 5 SVCB 1 . alpn=\"h2\nb 5 A 192.0.2.1\n", &["z:1:19"], &["b"]);
    check_places("a 5 SVCB 1 . alpn=\"h2", &["z:1:19"], &[]);
    check("a 5 TXT x\"y z\"\n", "a.example.com. 5 TXT \"x\" \"y z\"\n");
    check_said("a 5 TXT =\"v\"\n", &["z:1:9: error: TXT: text: a quote stands inside a word [BW-Z11]"]);
}
