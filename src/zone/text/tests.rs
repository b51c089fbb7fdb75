//! Files as tables: what a text means, what is said about a broken one.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::dns::{Name, rdata};
use crate::zone::{Demands, Digest, DigestKey};

mod anything;
mod chunks;
mod edges;
mod load;
mod places;
mod reload;
mod shown;

const KEY: DigestKey = DigestKey([7; 16]);
const SOA: &str = "@ 3600 SOA ns hostmaster 1 7200 900 1209600 300\n";

/// Files in memory.
struct Table(HashMap<PathBuf, Vec<u8>>);

impl Table {
    fn of(files: &[(&str, &[u8])]) -> Table {
        Table(files.iter().map(|(path, text)| (PathBuf::from(path), text.to_vec())).collect())
    }
}

impl Sources for Table {
    fn open(&mut self, path: &Path) -> io::Result<Box<dyn Read>> {
        let text = self.0.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(io::Cursor::new(text.clone())))
    }
}

fn example() -> Name {
    Name::parse("example.com").unwrap()
}

/// The records as `owner ttl type rdata` lines, and the diagnostics as lines.
fn scan_files(files: &[(&str, &[u8])]) -> (String, Vec<String>) {
    let mut lines = String::new();
    let report = scan(&mut Table::of(files), Path::new(files[0].0), Some(&example()), &mut |record, _| {
        write!(lines, "{} {} {} ", record.owner, record.ttl, record.rtype).unwrap();
        rdata::write_text(record.rtype, record.rdata, &mut lines);
        lines.push('\n');
        Ok(())
    });
    (lines, report.diagnostics.iter().map(Diagnostic::to_string).collect())
}

/// Checks the records of a text that has no errors and no warnings.
#[track_caller]
fn check(text: &str, expected: &str) {
    check_octets(text.as_bytes(), expected);
}

#[track_caller]
fn check_octets(text: &[u8], expected: &str) {
    let (lines, diagnostics) = scan_files(&[("z", text)]);
    assert_eq!((lines.as_str(), diagnostics), (expected, vec![]));
}

/// Checks what is said about a text, one line for each diagnostic.
#[track_caller]
fn check_said(text: &str, expected: &[&str]) {
    let (_, diagnostics) = scan_files(&[("z", text.as_bytes())]);
    assert_eq!(diagnostics, expected);
}

#[test]
fn c01_origin_owner_parentheses_comments_quotes() {
    check(
        "$TTL 5\n@ A 192.0.2.1\n  A 192.0.2.2 ; blank owner\n$ORIGIN sub\n@ A 192.0.2.3\nw A 192.0.2.4\n$ORIGIN example.com.\nv A 192.0.2.5\n",
        "example.com. 5 A 192.0.2.1\nexample.com. 5 A 192.0.2.2\nsub.example.com. 5 A 192.0.2.3\nw.sub.example.com. 5 A 192.0.2.4\nv.example.com. 5 A 192.0.2.5\n",
    );
    check(
        "$TTL 5\nm ( ; comment )(\n MX\n\n10\t(m)) ; end\nn A ( 192.0.2.1 )\n",
        "m.example.com. 5 MX 10 m.example.com.\nn.example.com. 5 A 192.0.2.1\n",
    );
    check("t 5 TXT \"a;b(c\" d\n", "t.example.com. 5 TXT \"a;b(c\" \"d\"\n");
    check("t 5 TXT \"\\\"\\\\\"\"x\"y", "t.example.com. 5 TXT \"\\\"\\\\\" \"x\" \"y\"\n");
    check("", "");
    check("; nothing\n\n   \n()\n", "");
}

#[test]
fn c02_includes_nest_and_give_back_origin_and_owner() {
    let files: &[(&str, &[u8])] = &[
        ("zones/z", b"$TTL 5\na A 192.0.2.1\n$INCLUDE more/one sub\n  A 192.0.2.2\nb A 192.0.2.3\n"),
        ("zones/more/one", b"@ A 192.0.2.4\n$INCLUDE two\n"),
        ("zones/more/two", b"x A 192.0.2.5"),
    ];
    let (lines, said) = scan_files(files);
    assert_eq!(said, Vec::<String>::new());
    assert_eq!(
        lines,
        "a.example.com. 5 A 192.0.2.1\nsub.example.com. 5 A 192.0.2.4\nx.sub.example.com. 5 A 192.0.2.5\n\
         a.example.com. 5 A 192.0.2.2\nb.example.com. 5 A 192.0.2.3\n"
    );
}

#[test]
fn c02_loops_and_missing_files_are_errors() {
    let files: &[(&str, &[u8])] = &[("z", b"$INCLUDE y\n"), ("y", b"\n$INCLUDE ./x/../z\n$INCLUDE none\n")];
    let (_, said) = scan_files(files);
    assert_eq!(
        said,
        [
            "y:2:10: error: the file includes itself [BW-Z12]",
            "y:3:10: error: cannot read `none`: entity not found [BW-Z01]",
        ]
    );
}

#[test]
fn c02_depth_and_number_of_includes_are_bounded() {
    let names: Vec<String> = (0..40).map(|index| format!("f{index}")).collect();
    let texts: Vec<String> = (0..40).map(|index| format!("$INCLUDE f{}\n", index + 1)).collect();
    let files: Vec<_> =
        names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    let (_, said) = scan_files(&files);
    assert_eq!(said, ["f16:1:10: error: more than 16 files include each other [BW-Z12]"]);
}

#[test]
fn c03_escapes() {
    check("t 5 TXT \"\\195\\169\" \\;x\n", "t.example.com. 5 TXT \"\\195\\169\" \";x\"\n");
    check("a\\;b 5 A 192.0.2.1\n", "a\\;b.example.com. 5 A 192.0.2.1\n");
    check("a\\ b 5 A 192.0.2.1\n", "a\\032b.example.com. 5 A 192.0.2.1\n");
}

#[test]
fn c04_ttl_and_class_in_either_order() {
    let one = "in.example.com. 7 A 192.0.2.1\n";
    for text in [
        "in 7 IN A 192.0.2.1",
        "in IN 7 A 192.0.2.1",
        "in in 7 a 192.0.2.1",
        "$TTL 7\nin in a 192.0.2.1",
        "$TTL 7\nin a 192.0.2.1",
        "in 7s class1 TYPE1 192.0.2.1",
    ] {
        check(text, one);
    }
    check("a 7 A 192.0.2.1", "a.example.com. 7 A 192.0.2.1\n");
    check_said("a 7 CH TXT x", &["z:1:5: error: class CH is not served [BW-Z10]"]);
    check_said("a 7 8 A 192.0.2.1", &["z:1:5: error: a second TTL [BW-Z14]"]);
}

#[test]
fn c05_default_ttls() {
    check(
        "$TTL 9\na 5 A 192.0.2.1\nb A 192.0.2.2\n",
        "a.example.com. 5 A 192.0.2.1\nb.example.com. 9 A 192.0.2.2\n",
    );
    check("a 5 A 192.0.2.1\nb A 192.0.2.2\n", "a.example.com. 5 A 192.0.2.1\nb.example.com. 5 A 192.0.2.2\n");
    let (lines, said) = scan_files(&[("z", b"@ SOA n h 1 7200 900 1209600 300\n@ A 192.0.2.1\n")]);
    assert_eq!(said, ["z:1:3: warning: no TTL is given: the MINIMUM of the SOA, 300, is taken [BW-Z14]"]);
    assert!(lines.ends_with("example.com. 300 A 192.0.2.1\n"), "{lines}");
    check_said("a A 192.0.2.1", &["z:1:3: error: the record has no TTL [BW-Z14]"]);
}

#[test]
fn c06_units() {
    check(
        "$TTL 1h30m\na A 192.0.2.1\nb 1w2d A 192.0.2.1\n",
        "a.example.com. 5400 A 192.0.2.1\nb.example.com. 777600 A 192.0.2.1\n",
    );
    check_said("$TTL 1y", &["z:1:6: error: `1y` is not a TTL [BW-Z14]"]);
}

#[test]
fn b29_a_ttl_with_the_top_bit_is_an_error() {
    check("a 2147483647 A 192.0.2.1", "a.example.com. 2147483647 A 192.0.2.1\n");
    check_said("a 2147483648 A 192.0.2.1", &["z:1:3: error: the TTL 2147483648 is too large [BW-Z14]"]);
    check_said("$TTL 4294967295", &["z:1:6: error: the TTL 4294967295 is too large [BW-Z14]"]);
}

#[test]
fn c07_out_of_zone_and_misplaced_soa() {
    check_said(
        "www.example.org. 5 A 192.0.2.1",
        &["z:1:1: error: `www.example.org.` is not in the zone `example.com.` [BW-Z13]"],
    );
    check_said(
        "sub 5 SOA n h 1 2 3 4 5",
        &["z:1:7: error: an SOA below the apex, at `sub.example.com.` [BW-Z15]"],
    );
    check_said(
        "www.example.com 5 A 192.0.2.1",
        &["z:1:1: warning: the name of the zone stands twice in `www.example.com.example.com.` [BW-Z13]"],
    );
}

#[test]
fn c12_raw_octets_byte_order_mark_and_crlf() {
    check_octets(
        "\u{feff}a 5 TXT \"é\"\r\n  TXT x\r\n\r\n".as_bytes(),
        "a.example.com. 5 TXT \"\\195\\169\"\na.example.com. 5 TXT \"x\"\n",
    );
}

#[test]
fn c14_generate() {
    check(
        "$TTL 5\n$GENERATE 1-5/2 h$ A 192.0.2.$\n$GENERATE 9-10 ${0,3} IN 7 PTR h${-8}\n",
        "h1.example.com. 5 A 192.0.2.1\nh3.example.com. 5 A 192.0.2.3\nh5.example.com. 5 A 192.0.2.5\n\
         009.example.com. 7 PTR h1.example.com.\n010.example.com. 7 PTR h2.example.com.\n",
    );
    let (_, said) = scan_files(&[("z", b"$GENERATE 250-260 h$ 5 A 192.0.2.$\n")]);
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("z:1:26: error: A: "), "{said:?}");
    assert!(said[0].ends_with("(in the record for 256) [BW-Z11]"), "{said:?}");
}

#[test]
fn c15_many_errors_in_one_run() {
    let text = "a 5 A 192.0.2.1\nb 5 AAA ::1\n  5 A 192.0.2.2\nc 5 TXT \"open\nd 5 A )\ne 5\nf..g 5 A 192.0.2.1\n 5 A 192.0.2.3\n$NOPE\ng 5 A 192.0.2.4\nh 5 TXT (\n a\ni 5 A 192.0.2.5\n";
    let (lines, said) = scan_files(&[("z", text.as_bytes())]);
    assert_eq!(
        said,
        [
            "z:2:5: error: `AAA` is not a record type [BW-Z10]",
            "z:4:9: error: the quote is not closed on its line [BW-Z10]",
            "z:5:7: error: no parenthesis is open here [BW-Z10]",
            "z:6:4: error: the record ends before its type [BW-Z10]",
            "z:7:1: error: not an owner name: a label is empty [BW-Z10]",
            "z:9:1: error: `$NOPE` is not a directive [BW-Z12]",
            "z:11:9: error: the parenthesis is never closed [BW-Z10]",
        ]
    );
    assert_eq!(
        lines,
        "a.example.com. 5 A 192.0.2.1\nb.example.com. 5 A 192.0.2.2\ng.example.com. 5 A 192.0.2.4\ni.example.com. 5 A 192.0.2.5\n"
    );
}

#[test]
fn c15_the_number_of_diagnostics_is_bounded() {
    let report = scan(
        &mut Table::of(&[("z", &b"a 5 A x\n".repeat(1000))]),
        Path::new("z"),
        Some(&example()),
        &mut |_, _| Ok(()),
    );
    assert_eq!((report.errors, report.diagnostics.len()), (1000, crate::limits::DIAGNOSTICS_MAX));
    let report = scan(
        &mut Table::of(&[("z", &b"( (\n".repeat(1000))]),
        Path::new("z"),
        Some(&example()),
        &mut |_, _| Ok(()),
    );
    assert_eq!(report.errors, 3);
}

#[test]
fn r10_entries_across_chunks_are_whole() {
    // About 3 MiB in entries of odd lengths, with comments, quotes and parentheses at every chunk's end.
    let mut text = SOA.to_owned();
    let mut count = 1;
    while text.len() < 3 << 20 {
        writeln!(text, "n{count} 5 TXT ( \"a ; b\" ; comment {count}\n  \"{}\" )", "x".repeat(count % 97))
            .unwrap();
        count += 1;
    }
    let mut seen = 0;
    let mut sum = Digest::default();
    let mut scratch = Vec::new();
    let report = scan(
        &mut Table::of(&[("z", text.as_bytes())]),
        Path::new("z"),
        Some(&example()),
        &mut |record, place| {
            seen += 1;
            sum += Digest::of(&KEY, record, &mut scratch);
            assert!(record.rtype != crate::dns::RecordType::TXT || place.line() == 2 * (seen - 1));
            Ok(())
        },
    );
    assert_eq!((report.errors, report.records), (0, count as u64));
    assert_eq!(report.files[0].hash, *blake3::hash(text.as_bytes()).as_bytes());
}

#[test]
fn c01_an_entry_without_end_is_an_error() {
    let mut text = b"a 5 TXT (".to_vec();
    text.resize(6 << 20, b'\n');
    text.extend_from_slice(b"b 5 A 192.0.2.1\n");
    let (lines, said) = scan_files(&[("z", &text)]);
    assert_eq!(said, ["z:1:1: error: the entry is too long [BW-Z10]"]);
    assert_eq!(lines, "b.example.com. 5 A 192.0.2.1\n");
}
