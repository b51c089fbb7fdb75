//! Octets at random, as a zone file: nothing panics, nothing loops.

use super::load::{load_text, printed};
use super::*;

/// Octets that are likely to mean something to the scanner.
fn zone_octets() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: &[&str] = &[
        "$ORIGIN ",
        "$TTL ",
        "$INCLUDE ",
        "$GENERATE ",
        "1-3 ",
        "$",
        "${0,2,n}",
        "@ ",
        "a ",
        "\n",
        "\r\n",
        " ",
        "\t",
        "(",
        ")",
        "\"",
        ";",
        "\\",
        "\\1",
        "\\065",
        "\\300",
        "5 ",
        "IN ",
        "CH ",
        "A ",
        "192.0.2.1",
        "SOA n h 1 2 3 4 5\n",
        "TXT ",
        "TYPE65280 ",
        "\\# 2 abcd",
        "x.",
        "..",
        "z",
        "y",
        "=",
        "\"\"",
        "\u{feff}",
        "\0",
        "é",
    ];
    let word = prop_oneof![
        8 => prop::sample::select(WORDS).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn c15_no_octets_make_the_scanner_panic_or_loop(z in zone_octets(), y in zone_octets()) {
        let mut table = Table::of(&[("z", &z), ("y", &y)]);
        for apex in [Some(example()), None] {
            let mut valid = true;
            let report = scan(&mut table, Path::new("z"), apex.as_ref(), &mut |record, place| {
                valid &= rdata::check(record.rtype, record.rdata).is_ok() && place.line() > 0;
                Ok(())
            });
            prop_assert!(valid);
            for diagnostic in &report.diagnostics {
                prop_assert!(diagnostic.source_line.get(diagnostic.span.clone()).is_some());
                diagnostic.render(Paint::Plain);
            }
        }
    }

    #[test]
    fn c16_what_loads_is_printed_and_loads_again(z in zone_octets()) {
        let text = [format!("{SOA}@ 5 NS ns.example.org.\n").as_bytes(), &z].concat();
        let mut table = Table::of(&[("z", &text)]);
        if let Ok(first) = load(&mut table, Path::new("z"), &example(), KEY, &Demands::default()) {
            let dump = printed(&first);
            let second = load_text(&dump).unwrap();
            prop_assert_eq!(printed(&second), dump);
            prop_assert_eq!(second.version.digest(), first.version.digest());
        }
    }
}
