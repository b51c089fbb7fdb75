//! Zone files read by Bellwether, `named-compilezone`, `kzonecheck` and `ldns-read-zone`: the same records,
//! or the same refusal.
//!
//! What somebody has read is read once more by `named-compilezone`, so that all records stand in one form.
//! `kzonecheck` tells only whether it takes a file.

pub mod contested;
mod lines;
mod reader;
mod records;
mod scribe;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::ground::Yard;
use reader::{Ours, Records};

/// The programs of the others.
pub const PROGRAMS: &[&str] = &["named-compilezone", "kzonecheck", "ldns-read-zone"];

/// Files that are read at the same time.
const READERS: usize = 4;

/// Files that are made from seeds.
const WRITTEN: u64 = 30;

/// What stands before the lines of a case.
const HEADER: &str =
    "$ORIGIN %Z\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\nns A 192.0.2.53\n";

/// One zone file.
pub struct Case {
    /// Its name in reports and in the table.
    pub id: String,
    /// The zone, without the last dot.
    pub zone: String,
    /// The file.
    pub text: String,
}

/// How the four read a file: a letter for each of BIND, Knot, ldns and us.
///
/// `a` accepts, `x` accepts and has other records than we, `r` refuses.
type Outcome = String;

/// All cases.
fn cases() -> Vec<Case> {
    let records = records::RECORDS.iter().map(|(id, record)| (*id, format!("a {record}\n")));
    let records = records.map(|(id, lines)| (id.to_owned(), lines));
    let lines = lines::LINES.iter().map(|(id, lines)| ((*id).to_owned(), (*lines).to_owned()));
    let written = (0..WRITTEN).map(|seed| (format!("written-{seed}"), scribe::write(seed)));
    let make = |(number, (id, lines)): (usize, (String, String))| {
        let zone = format!("c{number}.test");
        let header = if id.starts_with("raw-") { "" } else { HEADER };
        let letters = [("%255", "x".repeat(255)), ("%256", "x".repeat(256)), ("%Z", format!("{zone}."))];
        let text =
            letters.iter().fold(format!("{header}{lines}"), |text, (sign, put)| text.replace(sign, put));
        Case { id, zone, text }
    };
    lines.chain(records).chain(written).enumerate().map(make).collect()
}

/// Reads all files with all readers and compares.
pub fn zone_files_are_read_alike(yard: &Yard) {
    let cases = cases();
    let folder = yard.folder("files");
    for (name, text) in lines::INCLUDED {
        fs::write(folder.join(name), text).expect("a file");
    }
    for case in &cases {
        fs::write(folder.join(format!("{}.zone", case.zone)), &case.text).expect("a file");
    }
    let ours = Ours::start(yard, &folder, &cases);
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = read(&ours, &folder, case);
                    outcomes.lock().expect("no reader panics").insert(case.id.clone(), outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().expect("no reader panics");
    judge(&cases, &outcomes);
}

/// One file by all four: the outcome, and what they have read.
fn read(ours: &Ours, folder: &Path, case: &Case) -> (Outcome, String) {
    let bind = reader::bind(folder, case);
    let ldns = reader::ldns(folder, case);
    let knot = reader::knot(folder, case);
    let mine = ours.read(folder, case);
    let letter = |records: &Option<Records>| match (records, &mine) {
        (None, _) => 'r',
        (Some(theirs), Some(mine)) if theirs != mine => 'x',
        (Some(_), _) => 'a',
    };
    let knot_letter = if knot { 'a' } else { 'r' };
    let outcome = [letter(&bind), knot_letter, letter(&ldns), letter(&mine)].iter().collect();
    let shown = format!("{}\nBIND: {bind:#?}\nldns: {ldns:#?}\nBellwether: {mine:#?}", case.text);
    (outcome, shown)
}

/// Fails unless every case ends as all others do, or as the table says.
fn judge(cases: &[Case], outcomes: &BTreeMap<String, (Outcome, String)>) {
    let mut faults = Vec::new();
    let mut contested = 0;
    for case in cases {
        let (outcome, shown) = &outcomes[&case.id];
        let known = contested::outcome_of(&case.id);
        let expected = match known {
            Some(outcome) => vec![outcome],
            None => vec!["aaaa", "rrrr"],
        };
        contested += usize::from(known.is_some());
        if !expected.contains(&outcome.as_str()) {
            faults.push(format!("{}: {outcome}, not {expected:?}\n{shown}", case.id));
        }
    }
    println!("{} zone files read, {contested} of them contested", cases.len());
    let unknown = contested::names().find(|name| !outcomes.contains_key(*name));
    assert_eq!(unknown, None, "a case of the table that is not there");
    assert!(
        faults.is_empty(),
        "{}\n{} files are read otherwise than expected",
        faults.join("\n"),
        faults.len()
    );
}
