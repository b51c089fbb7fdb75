//! A file that is read again gives what a full load gives, and shares what did not change.

use std::collections::BTreeSet;
use std::sync::Mutex;

use super::super::reload::{reload, reread};
use super::load::load_text;
use super::*;
use crate::dns::{RecordRef, RecordType, Records, Serial};
use crate::zone::checks::{Review, check as check_zone};
use crate::zone::{Bounds, Builder, Found, Source, Version, diff, reserial};

/// A file that is another one each time it is opened; the last text stays.
struct Changing(Mutex<(usize, Vec<String>)>);

impl Changing {
    fn of(texts: &[&str]) -> Changing {
        Changing(Mutex::new((0, texts.iter().map(ToString::to_string).collect())))
    }

    fn opened(&self) -> usize {
        self.0.lock().unwrap().0
    }
}

impl Sources for &Changing {
    fn open(&mut self, _: &Path) -> io::Result<Box<dyn Read>> {
        let mut state = self.0.lock().unwrap();
        let text = state.1[state.0.min(state.1.len() - 1)].clone();
        state.0 += 1;
        Ok(Box::new(io::Cursor::new(text)))
    }
}

/// A zone of so many names with an address each, and of `more`.
fn zone_of(names: usize, more: &str) -> String {
    let mut text = format!("{SOA}@ 5 NS ns.example.org.\n{more}");
    (0..names).for_each(|n| writeln!(text, "n{n} 5 A 192.0.2.{}", n % 256).unwrap());
    text
}

fn again(text: &str, base: &Version, review: Option<&Review>) -> Option<Result<Loaded, Box<LoadError>>> {
    let mut table = Table::of(&[("z", text.as_bytes())]);
    reread(&mut table, Path::new("z"), &example(), base, review, &Demands::default())
}

fn sharing(a: &Version, b: &Version) -> (usize, usize) {
    let differing = a.tree.differing(&b.tree).expect("both have as many pages");
    (differing.len(), a.tree.page_count())
}

/// What leads from one version to another, in an order that does not depend on their trees.
fn changes(old: &Version, new: &Version) -> Option<(BTreeSet<String>, BTreeSet<String>)> {
    let lines = |records: &Records| records.iter().map(|record| format!("{record:?}")).collect();
    diff(old, new).map(|delta| (lines(&delta.removed), lines(&delta.added)))
}

fn shown(found: Found<'_>) -> String {
    match found {
        Found::Name(node) => format!("name {node:?}"),
        Found::Cut(node) => format!("cut {node:?}"),
        Found::Dname(node) => format!("dname {node:?}"),
        Found::None { encloser, wildcard } => format!("none {encloser:?} {wildcard:?}"),
    }
    .to_lowercase()
}

/// Checks that `again` is `full` in all that anybody can see, and whole in itself.
#[track_caller]
fn check_same(base: &Version, again: &Loaded, full: &Loaded) {
    assert_eq!(again.findings, full.findings);
    assert_eq!((&again.warnings, again.warning_count), (&full.warnings, full.warning_count));
    assert_eq!((&again.files, again.hash), (&full.files, full.hash));
    let (again, full) = (&again.version, &full.version);
    assert_eq!(diff(again, full).map(|delta| (delta.removed, delta.added)), None);
    assert_eq!((again.digest(), again.serial()), (full.digest(), full.serial()));
    assert_eq!((again.record_count(), again.name_count()), (full.record_count(), full.name_count()));
    assert_eq!(changes(base, again), changes(base, full));
    for node in full.nodes() {
        let other = again.node(node.owner().as_ref()).expect("the name exists");
        assert_eq!(other.entry.children(), node.entry.children(), "{node:?}");
        assert_eq!(other.entry.flags(), node.entry.flags(), "{node:?}");
        for prefix in [&b""[..], b"\x01q", b"\x01q\x01q"] {
            if let Ok(name) = Name::join(prefix, node.owner().as_ref()) {
                assert_eq!(shown(again.find(name.as_ref())), shown(full.find(name.as_ref())), "{name}");
            }
        }
    }
    check_sums(again);
    check_sums(full);
}

/// Checks that each page has the sum of its records.
#[track_caller]
fn check_sums(version: &Version) {
    let mut scratch = Vec::new();
    let mut sums = vec![Digest::default(); version.tree.page_count()];
    for node in version.nodes() {
        let index = version.tree.index_of(crate::zone::page::hash(&KEY, node.labels()));
        node.for_each(|record| {
            if record.rtype != RecordType::SOA {
                sums[index] += Digest::written(&KEY, record, &mut scratch);
            }
        });
    }
    let stored = version.tree.pages().map(|page| crate::zone::page::Page::of(page).sum());
    assert!(stored.eq(sums), "each page keeps its sum");
}

#[test]
fn r10_an_edit_makes_the_pages_of_what_changed_and_keeps_all_others() {
    let text = zone_of(5000, "");
    let base = load_text(&text).unwrap();
    let edited = text.replace("n77 5 A 192.0.2.77", "n77 5 A 192.0.2.78");
    let table = Changing::of(&[&edited]);
    let review = Review::new(&base.version, base.findings.clone());
    let read =
        reload(&mut &table, Path::new("z"), &example(), &base.version, review.as_ref(), &Demands::default())
            .map_err(|e| e.to_string());
    let read = read.unwrap();
    assert_eq!(table.opened(), 2, "two scans");
    let (differing, pages) = sharing(&base.version, &read.version);
    assert!(differing <= 2 && pages > 100, "{differing} of {pages}");
    check_same(&base.version, &read, &load_text(&edited).unwrap());
}

#[test]
fn r10_comments_and_order_make_nothing_and_take_one_scan() {
    let text = zone_of(1000, "a 5 TXT one\na 5 TXT two\n");
    let base = load_text(&text).unwrap().version;
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].reverse();
    let edited = lines.join(" ; comment\n");
    let table = Changing::of(&[&edited]);
    let read = reload(&mut &table, Path::new("z"), &example(), &base, None, &Demands::default())
        .map_err(|e| e.to_string())
        .unwrap();
    assert_eq!((table.opened(), sharing(&base, &read.version).0), (1, 0));
    assert_eq!(diff(&base, &read.version), None);
    // A serial that is ahead of the file's is no difference of the pages either.
    let live = reserial(&base, Serial(9));
    let table = Changing::of(&[&edited]);
    let read = reload(&mut &table, Path::new("z"), &example(), &live, None, &Demands::default())
        .map_err(|e| e.to_string())
        .unwrap();
    assert_eq!((table.opened(), read.version.serial()), (1, Serial(1)));
}

#[test]
fn r10_a_page_that_only_looks_changed_is_kept() {
    let text = zone_of(1000, "");
    let base = load_text(&text).unwrap().version;
    let edited = format!("{text}n5 5 A 192.0.2.5\nn9 7 A 192.0.2.9\nN7 5 A 192.0.2.7\n");
    let read = again(&edited, &base, None).unwrap().map_err(|e| e.to_string()).unwrap();
    assert_eq!(sharing(&base, &read.version).0, 0);
    assert_eq!(read.warning_count, 1, "the duplicates are told");
    check_same(&base, &read, &load_text(&edited).unwrap());
    let edited = text.replace("n5 5 A 192.0.2.5", "n5 5 A 192.0.2.5\nn5 7 A 192.0.2.6");
    let base = load_text(&edited).unwrap().version;
    let read = again(&edited, &base, None).unwrap().map_err(|e| e.to_string()).unwrap();
    assert_eq!(sharing(&base, &read.version).0, 0);
    check_same(&base, &read, &load_text(&edited).unwrap());
}

#[test]
fn r10_a_file_that_changes_between_the_scans_is_read_again_whole() {
    let text = zone_of(1000, "");
    let base = load_text(&text).unwrap().version;
    let first = text.replace("n5 5 A 192.0.2.5", "n5 5 A 192.0.2.6");
    // The second scan would miss the change of the first one, and must not see one of its own.
    let second = text.replace("n900 5 A 192.0.2.132", "n900 5 A 192.0.2.1\nn901 5 TXT new");
    let table = Changing::of(&[&first, &second]);
    let read = reload(&mut &table, Path::new("z"), &example(), &base, None, &Demands::default())
        .map_err(|e| e.to_string())
        .unwrap();
    assert_eq!(table.opened(), 3);
    check_same(&base, &read, &load_text(&second).unwrap());
    let table = Changing::of(&[&first, "broken ("]);
    let error = reload(&mut &table, Path::new("z"), &example(), &base, None, &Demands::default())
        .map(|_| ())
        .unwrap_err();
    assert_eq!(error.errors, 1, "{error}");
}

#[test]
fn r10_another_zone_and_a_small_one_are_built_whole() {
    let base = load_text(&zone_of(1000, "")).unwrap().version;
    let other = zone_of(1000, "").replace(" A 192.0.2.", " A 192.0.3.");
    assert!(again(&other, &base, None).is_none());
    let small = load_text(&zone_of(100, "")).unwrap();
    assert_eq!(Review::new(&small.version, small.findings), None);
    let table = Changing::of(&[&zone_of(100, "x 5 A 192.0.2.1\n")]);
    let read = reload(&mut &table, Path::new("z"), &example(), &small.version, None, &Demands::default());
    let read = read.map_err(|e| e.to_string()).unwrap();
    assert_eq!((table.opened(), read.version.name_count()), (1, 102));
}

#[test]
fn r10_ttls_that_a_transfer_brought_are_levelled_when_a_file_takes_over() {
    let text = zone_of(1000, "n5 9 A 192.0.3.5\n");
    let base = received(&text);
    let read = again(&text, &base, None).unwrap().map_err(|e| e.to_string()).unwrap();
    let full = load_text(&text).unwrap();
    assert!(diff(&base, &full.version).is_some());
    check_same(&base, &read, &full);
    let next = reserial(&read.version, Serial(2));
    let text = text.replace("n6 5", "n6 6");
    let read = again(&text, &next, None).unwrap().map_err(|e| e.to_string()).unwrap();
    check_same(&next, &read, &load_text(&text).unwrap());
}

/// The records of a text as a transfer would bring them.
fn received(text: &str) -> Version {
    let mut builder = Builder::new(example().as_ref(), KEY, Source::Received);
    let report = scan(
        &mut Table::of(&[("z", text.as_bytes())]),
        Path::new("z"),
        Some(&example()),
        &mut |record: RecordRef<'_>, _: &Place<'_>| {
            builder.push(record).unwrap();
            Ok(())
        },
    );
    assert_eq!(report.errors, 0, "{:?}", report.diagnostics);
    builder.finish().unwrap().version
}

/// Follows a zone through its texts and checks each step against a full load; returns how many were
/// not built whole.
fn follow(mut live: Version, texts: impl IntoIterator<Item = String>) -> usize {
    let mut review = Review::new(&live, check_zone(&live, &Bounds::default()));
    let mut steps = 0;
    for text in texts {
        let full = load_text(&text);
        let Some(read) = again(&text, &live, review.as_ref()) else { continue };
        steps += 1;
        match (read, full) {
            (Ok(read), Ok(full)) => {
                check_same(&live, &read, &full);
                live = reserial(&read.version, live.serial().next());
                review = Review::new(&live, read.findings);
            }
            (read, full) => assert_eq!(read.map(|_| ()), full.map(|_| ())),
        }
    }
    steps
}

/// Each step with what it is about; the checks must see what the whole zone would show.
#[test]
fn p8_the_checks_after_an_edit_are_those_of_the_whole_zone() {
    let odd = "v 5 MX 10 m\nc 5 NS ns.c\nns.c 5 A 192.0.2.1\nx.c 5 A 192.0.2.2\n_s._tcp 5 SRV 1 1 1 s.p\n";
    let steps = [
        "",
        "m 5 A 192.0.2.1\n",
        "m 5 TXT t\n",
        "m 5 CNAME n1\n",
        "* 5 A 192.0.2.1\n",
        "* 5 A 192.0.2.1\nq.m 5 A 192.0.2.9\n",
        "* 5 A 192.0.2.1\nt.s.p 5 A 192.0.2.9\n",
        "* 5 A 192.0.2.1\nt.p 5 A 192.0.2.9\n",
        "*.p 5 A 192.0.2.1\n",
        "*.p 5 A 192.0.2.1\np 5 NS n1\n",
        "p 5 DNAME n1\n",
        "x.c 5 TXT hidden\n",
        "x.c 5 TXT hidden\ny.c 5 NS n1\n",
        "@ 5 DNAME n1.example.org.\n",
        "x.c 5 NS n1\nq.x.c 5 TXT hidden\n",
        "n1 5 NS n2\n",
        "g.n1 5 TXT t\n",
        "n1 5 NS n2\ng.n1 5 TXT t\n",
        "C 5 NS Ns.c\n",
        "",
    ];
    let base = zone_of(1500, odd);
    let texts = steps.map(|more| format!("{base}{more}"));
    let whole = texts.len();
    assert_eq!(follow(load_text(&base).unwrap().version, texts), whole, "no step is built whole");
}

/// One line of a zone file about one of a few names that mean something for each other.
fn line() -> impl Strategy<Value = String> {
    const OWNERS: &[&str] = &[
        "@", "a", "A", "b", "*", "*.a", "x.a", "y.x.a", "c", "ns.c", "h.c", "*.c", "q.h.c", "n1", "N2",
        "g.n1", "q.g.n1", "d.e", "e",
    ];
    const TARGETS: &[&str] = &["k0", "k1", "q.e", "q.b", "z", "q.z"];
    let name = || prop::sample::select(OWNERS);
    let target = || prop_oneof![3 => prop::sample::select(OWNERS), 1 => prop::sample::select(TARGETS)];
    let data = prop_oneof![
        6 => (0..3u8).prop_map(|n| format!("A 192.0.2.{n}")),
        1 => Just("AAAA 2001:db8::1".to_owned()),
        3 => (0..3u8).prop_map(|n| format!("TXT {n}")),
        3 => target().prop_map(|target| format!("NS {target}")),
        3 => target().prop_map(|target| format!("MX 10 {target}")),
        1 => Just("MX 0 .".to_owned()),
        1 => target().prop_map(|target| format!("SRV 1 1 1 {target}")),
        1 => Just("DS 1 8 2 0000000000000000000000000000000000000000000000000000000000000000".to_owned()),
    ];
    let owner =
        prop_oneof![3 => name().prop_map(str::to_owned), 1 => (0..900u16).prop_map(|n| format!("n{n}"))];
    let ttl = prop_oneof![6 => Just(5), 1 => Just(6)];
    // Two aliases at a name, or an alias beside data, are errors: rare ones, or there is nothing else.
    let aliases = ["k0 5 CNAME n1", "k1 5 CNAME q.k0", "k2.a 5 CNAME k1", "e 5 DNAME d", "b 5 DNAME a"];
    prop_oneof![
        90 => (owner, ttl, data).prop_map(|(owner, ttl, data)| format!("{owner} {ttl} {data}\n")),
        10 => prop::sample::select(aliases.to_vec()).prop_map(|alias| format!("{alias}\n")),
        1 => (name(), name()).prop_map(|(owner, target)| format!("{owner} 5 CNAME {target}\n")),
    ]
}

/// What somebody does to the lines of a file.
#[derive(Clone, Debug)]
enum Deed {
    Add(String),
    Remove(prop::sample::Index),
    Repeat(prop::sample::Index),
    Shout(prop::sample::Index),
    Serial(u32),
}

fn deed() -> impl Strategy<Value = Deed> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        5 => line().prop_map(Deed::Add),
        4 => index().prop_map(Deed::Remove),
        1 => index().prop_map(Deed::Repeat),
        1 => index().prop_map(Deed::Shout),
        1 => (0..9u32).prop_map(Deed::Serial),
    ]
}

fn text_of(serial: u32, lines: &[String]) -> String {
    format!("{}@ 5 NS n1\n{}{}", SOA.replace(" 1 ", &format!(" {serial} ")), lines.concat(), fill())
}

fn fill() -> String {
    (0..360).map(|n| format!("n{n} 5 A 192.0.2.{}\n", n % 256)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn r10_what_is_read_again_is_what_a_full_load_gives(
        lines in prop::collection::vec(line(), 0..40),
        steps in prop::collection::vec(prop::collection::vec(deed(), 1..4), 1..10),
        transferred in any::<bool>(),
    ) {
        let (mut lines, mut serial) = (lines, 1);
        let text = text_of(serial, &lines);
        let base = match load_text(&text) {
            Ok(loaded) if !transferred => loaded.version,
            _ => received(&text),
        };
        let texts = steps.into_iter().map(|deeds| {
            for deed in deeds {
                match deed {
                    Deed::Add(line) => lines.push(line),
                    Deed::Serial(new) => serial = new,
                    Deed::Remove(_) | Deed::Repeat(_) | Deed::Shout(_) if lines.is_empty() => {}
                    Deed::Remove(at) => drop(lines.remove(at.index(lines.len()))),
                    Deed::Repeat(at) => lines.push(at.get(&lines).clone()),
                    Deed::Shout(at) => {
                        let at = at.index(lines.len());
                        lines[at] = lines[at].to_uppercase();
                    }
                }
            }
            text_of(serial, &lines)
        });
        let texts: Vec<String> = texts.collect();
        follow(base, texts);
    }
}
