//! Errors as an operator sees them.

use super::load::load_text;
use super::*;
use crate::limits::{DIAGNOSTICS_MAX, MESSAGE_OCTETS_MAX, SIGNATURE_OCTETS_MAX};

fn refused(text: &str) -> Box<LoadError> {
    load_text(text).err().expect("it has errors")
}

/// What is said of a line behind the first two of a zone, with all that belongs to it.
fn shown(line: &str) -> Diagnostic {
    let error = refused(&format!("{SOA}@ 5 NS ns.example.org.\n{line}\n"));
    error.diagnostics.into_iter().next().expect("an error is told")
}

#[test]
fn c15_an_error_is_shown_with_its_line_a_caret_and_a_way_out() {
    let expected = "\
error[BW-Z10]: `CNMAE` is not a record type
 --> z:3:8
  |
3 | www  5 CNMAE example.org. ; typed in haste
  |        ^^^^^
  |
  = help: did you mean `CNAME`?";
    let rendered = shown("www  5 CNMAE example.org. ; typed in haste").render(Paint::Plain);
    let trimmed: Vec<&str> = rendered.lines().map(str::trim_end).collect();
    assert_eq!(trimmed.join("\n"), expected);
    let whole = refused("a 5 A 192.0.2.1\n").render(Paint::Plain);
    assert!(whole.contains("the zone has no SOA") && !whole.contains(":0:"), "{whole}");
}

#[test]
fn c15_how_many_errors_are_not_shown_is_told() {
    let many = |errors: usize| {
        let text = format!("{SOA}@ 5 NS ns.example.org.\n{}", "a 5 A x\n".repeat(errors));
        refused(&text).render(Paint::Plain)
    };
    assert!(!many(DIAGNOSTICS_MAX).contains("errors more"));
    assert!(many(DIAGNOSTICS_MAX + 7).ends_with("and 7 errors more"));
}

#[test]
fn c15_a_type_that_is_one_slip_away_is_offered() {
    let offered = |word: &str| shown(&format!("a 5 {word} x")).hint;
    for (word, rtype) in [
        ("cnmae", "CNAME"),
        ("CNAM", "CNAME"),
        ("CNAMEE", "CNAME"),
        ("CNXME", "CNAME"),
        ("AAAAA", "AAAA"),
        ("TXTT", "TXT"),
        ("MXX", "MX"),
        ("SVR", "SRV"),
        ("DNSKEYS", "DNSKEY"),
    ] {
        assert_eq!(offered(word), Some(format!("did you mean `{rtype}`?")), "{word}");
    }
    for word in ["XNAME", "CANEM", "WHATEVER", "QQ", "CNAMECNAMECNAME", "\"CNAME\""] {
        assert_eq!(offered(word), None, "{word}");
    }
}

#[test]
fn c15_a_blank_before_an_owner_is_seen() {
    let misplaced = Some("take the blank away if this word is the owner".to_owned());
    assert_eq!(shown(" www A 192.0.2.1").hint, misplaced);
    assert_eq!(shown(" www 5 IN A 192.0.2.1").hint, misplaced);
    // A quoted word is no type, a fourth one is too far away, and here the line begins as it should.
    for line in [" www \"A\" x", " www x y z A", "a 5 www A 192.0.2.1"] {
        assert_ne!(shown(line).hint, misplaced, "{line}");
    }
}

#[test]
fn c15_of_a_long_line_what_matters_is_shown() {
    for before in [0, 100, 159, 160, 161, 3000] {
        let line = format!("t 5 TXT \"{}\" x\"y {}", "é".repeat(before / 2), "z".repeat(3000));
        let error = shown(&line);
        assert_eq!(error.line, 3);
        let at = line.find("x\"").unwrap() + 1;
        assert_eq!(error.column as usize, line[..at].chars().count() + 1, "{before}");
        assert_eq!(&error.source_line[error.span.clone()], "\"", "{before}");
        assert!(error.source_line.chars().count() <= 2 * 160 + 1 + 1, "{}", error.source_line);
        assert_eq!(error.source_line.starts_with('…'), line[..at].chars().count() > 160, "{before}");
    }
}

#[test]
fn c15_the_line_of_an_error_in_parentheses_is_its_own() {
    let error = shown("a 5 MX (\r\n 10\r\n mail..example.\r\n)");
    assert_eq!((error.line, error.column, error.source_line.as_str()), (5, 2, " mail..example."));
    let error = shown("a 5 MX 10 mail..example.\r");
    assert_eq!((error.line, error.source_line.as_str()), (3, "a 5 MX 10 mail..example."));
}

#[test]
fn r22_the_longest_record_that_can_be_transferred_is_taken() {
    // `a.example.com.` in the header's, the question's and a signature's company.
    let room = MESSAGE_OCTETS_MAX - 12 - 13 - 4 - 15 - 10 - SIGNATURE_OCTETS_MAX;
    let text = |octets: usize| {
        format!("{SOA}@ 5 NS ns.example.org.\na 5 TYPE65400 \\# {octets} {}\n", "ab".repeat(octets))
    };
    assert_eq!(load_text(&text(room)).unwrap().version.record_count(), 3);
    let error = refused(&text(room + 1));
    assert_eq!(error.to_string(), "z:3:5: error: the record fits no DNS message [BW-Z11]");
}

#[test]
fn c01_quotes_stand_around_words_or_behind_an_equals_sign() {
    check("s 5 SVCB 1 . key9=\"x y\" port=5\n", "s.example.com. 5 SVCB 1 . port=5 key9=\"x y\"\n");
    check("t 5 TXT a\"b c\"\n", "t.example.com. 5 TXT \"a\" \"b c\"\n");
}
