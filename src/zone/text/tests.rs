//! Files as tables: what a text means, what is said about a broken one.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::dns::{Name, rdata};
use crate::zone::{Digest, DigestKey};

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

fn load_text(text: &str) -> Result<Loaded, Box<LoadError>> {
    load(&mut Table::of(&[("z", text.as_bytes())]), Path::new("z"), &example(), KEY)
}

fn printed(loaded: &Loaded) -> String {
    let mut out = Vec::new();
    print(&loaded.version, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn c16_dump_load_dump_is_stable() {
    let text = format!(
        "{SOA}@ 5 NS ns\nns 5 A 192.0.2.1\n*.w 5 TXT \"a b\" c\\;d\nZ 5 MX 10 ns\na\\.b 5 CNAME z.example.org.\nx 5 TYPE731 \\# 3 abcdef\n"
    );
    let first = load_text(&text).unwrap();
    let dump = printed(&first);
    assert!(dump.starts_with("example.com.\t3600\tIN\tSOA\t"), "{dump}");
    let second = load_text(&dump).unwrap();
    assert_eq!(printed(&second), dump);
    assert_eq!(second.version.digest(), first.version.digest());
}

#[test]
fn c07_c08_a_zone_has_one_soa_and_name_servers() {
    let said = |text: &str| load_text(text).map(|_| ()).unwrap_err().to_string();
    assert_eq!(said("@ 5 NS ns.example.org.\n"), "z: error: the zone has no SOA [BW-Z15]");
    assert_eq!(said(SOA), "z:1:8: error: the zone has no NS record at its apex [BW-Z17]");
    let twice = format!("{SOA}@ 5 NS ns.example.org.\n{}", SOA.replace(" 1 ", " 2 "));
    assert_eq!(said(&twice), "z:3:8: error: a second SOA [BW-Z15]");
}

#[test]
fn b26_b27_aliases_stand_alone() {
    let zone = |more: &str| {
        load_text(&format!("{SOA}@ 5 NS ns.example.org.\n{more}")).map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(
        zone("a 5 CNAME b\na 5 A 192.0.2.1\n"),
        "z:3:5: error: `a.example.com.` has a CNAME and also A [BW-Z16]"
    );
    assert_eq!(
        zone("a 5 CNAME b\na 5 CNAME c\n"),
        "z:3:5: error: `a.example.com.` has 2 CNAME records [BW-Z16]"
    );
    assert_eq!(
        zone("d 5 DNAME b\nd 5 DNAME c\n"),
        "z:3:5: error: `d.example.com.` has 2 DNAME records [BW-Z16]"
    );
    assert_eq!(
        zone("d 5 DNAME b\nd 5 CNAME c\n"),
        "z:4:5: error: `d.example.com.` has a CNAME and also DNAME [BW-Z16]"
    );
}

#[test]
fn p8_checks_warn_of_likely_slips() {
    let warned = |more: &str| -> Vec<String> {
        let loaded = load_text(&format!("{SOA}@ 5 NS ns.example.org.\n{more}")).unwrap();
        loaded.warnings.iter().map(Diagnostic::to_string).collect()
    };
    assert_eq!(warned(""), Vec::<String>::new());
    assert_eq!(
        warned("@ 5 MX 10 m\n"),
        ["z:3:5: warning: MX points to `m.example.com.`, which has no address [BW-Z18]"]
    );
    assert_eq!(warned("@ 5 MX 10 m\n*  5 A 192.0.2.1\n"), Vec::<String>::new());
    assert_eq!(
        warned("_s._tcp 5 SRV 1 1 1 s\ns 5 CNAME t\nt 5 A 192.0.2.1\n"),
        ["z:3:11: warning: SRV points to `s.example.com.`, which is an alias [BW-Z18]"]
    );
    assert_eq!(
        warned("c 5 NS ns.c\nc 5 NS ns.d\nd 5 NS ns.e\n"),
        [
            "z:3:5: warning: `ns.c.example.com.` lies in the zone that it serves and has no address here [BW-Z19]",
            "z:5:5: warning: NS points to `ns.e.example.com.`, which has no address [BW-Z18]"
        ]
    );
    assert_eq!(
        warned("c 5 NS ns.c\nns.c 5 A 192.0.2.1\nx.c 5 TXT hidden\n"),
        [
            "z:5:7: warning: TXT of `x.c.example.com.` is hidden by the delegation of `c.example.com.` [BW-Z17]"
        ]
    );
    assert_eq!(
        warned("*.w 5 NS ns.example.org.\n"),
        ["z:3:7: warning: NS records at the wildcard `*.w.example.com.` [BW-Z17]"]
    );
    assert_eq!(
        warned("m 5 MX 0 .\nm 5 MX 10 n.example.org.\n"),
        ["z:3:5: warning: `m.example.com.` has the MX `.` and others [BW-Z18]"]
    );
    assert_eq!(
        warned("d 5 DNAME e\nx.d 5 A 192.0.2.1\n"),
        ["z:3:5: warning: names below the DNAME `d.example.com.` are never answered [BW-Z16]"]
    );
}

#[test]
fn g07_odd_timers_are_told() {
    let loaded =
        load_text("@ 5 SOA ns host\\@example.com. 1 7200 9000 3600 90000\n@ 5 NS ns.example.org.\n").unwrap();
    let said: Vec<String> = loaded.warnings.iter().map(|warning| warning.message.clone()).collect();
    assert_eq!(
        said,
        [
            "EXPIRE 3600 is less than REFRESH 7200 + RETRY 9000",
            "RETRY 9000 is greater than REFRESH 7200",
            "EXPIRE 3600 is less than a day",
            "MINIMUM 90000 is more than a day",
            "RNAME `host\\@example.com.` has an @ in its first label",
        ]
    );
}

#[test]
fn b28_differing_ttls_and_duplicates_are_told() {
    let loaded = load_text(&format!(
        "{SOA}@ 5 NS ns.example.org.\na 5 A 192.0.2.1\na 6 A 192.0.2.2\na 5 A 192.0.2.1\n"
    ))
    .unwrap();
    let said: Vec<String> = loaded.warnings.iter().map(Diagnostic::to_string).collect();
    assert_eq!(
        said,
        [
            "z: warning: duplicate records dropped: 1 [BW-Z21]",
            "z: warning: RRsets with differing TTLs, set to the least (RFC 2181 §5.2): 1 [BW-Z21]",
        ]
    );
}

#[test]
fn r10_the_hash_covers_what_is_included() {
    let text = format!("{SOA}@ 5 NS ns.example.org.\n$INCLUDE y\n");
    let hash = |included: &[u8]| {
        let mut table = Table::of(&[("z", text.as_bytes()), ("y", included)]);
        load(&mut table, Path::new("z"), &example(), KEY).unwrap().hash
    };
    assert_eq!(hash(b"a 5 A 192.0.2.1\n"), hash(b"a 5 A 192.0.2.1\n"));
    assert_ne!(hash(b"a 5 A 192.0.2.1\n"), hash(b"a 5 A 192.0.2.1 ; comment\n"));
    let alone = load_text(&text.replace("$INCLUDE y", "")).unwrap();
    assert_eq!(alone.hash, alone.files[0].hash);
}

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
        if let Ok(first) = load(&mut table, Path::new("z"), &example(), KEY) {
            let dump = printed(&first);
            let second = load_text(&dump).unwrap();
            prop_assert_eq!(printed(&second), dump);
            prop_assert_eq!(second.version.digest(), first.version.digest());
        }
    }
}
