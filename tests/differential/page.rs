//! The table of what is contested, as a page for operators.

use std::fs;
use std::path::Path;

use crate::contested;
use crate::ground::Yard;
use crate::reading;

/// What stands above the table.
const HEAD: &str = "\
# Where name servers disagree

Bellwether answers as BIND, Knot and NSD do wherever those three agree. This page lists where they do not,
or where PowerDNS alone differs: what each of them does, what Bellwether does, and why. A test
(`tests/differential`) asks all of them about thousands of zones; a difference that is not on this page
fails it. The page is made from the table in `tests/differential/contested.rs`.

Seen with BIND 9.18, Knot 3.2, NSD 4.6 and PowerDNS 4.7 with its BIND backend.
";

/// What stands above the table of zone files.
const FILES: &str = "
# Where readers of zone files disagree

The same for zone files, which `named-compilezone`, `kzonecheck` and `ldns-read-zone` read beside
Bellwether (`tests/differential/reading/contested.rs`). What stands nowhere here is read alike, or refused
by all.
";

/// Fails unless `docs/contested.md` is what the table makes; with `UPDATE=1` it writes it.
pub fn is_up_to_date(_: &Yard) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/contested.md");
    let page = page();
    if std::env::var("UPDATE").is_ok_and(|value| value == "1") {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, &page).expect("the page");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/contested.md is not what the table says: UPDATE=1 writes it anew");
}

fn page() -> String {
    let mut page = String::from(HEAD);
    for row in contested::all() {
        page += &format!("\n## {}\n\n{}.\n\n| server | answer |\n|---|---|\n", row.id, row.what);
        for (server, does) in ["BIND", "Knot", "NSD", "PowerDNS"].into_iter().zip(row.others) {
            page += &format!("| {server} | {does} |\n");
        }
        page += &format!("| **Bellwether** | {} |\n\n{}.\n", row.ours, row.why);
    }
    page += FILES;
    for row in reading::contested::ROWS {
        page += &format!("\n## {}\n\n| reader | |\n|---|---|\n", row.what);
        for (reader, does) in ["BIND", "Knot", "ldns"].into_iter().zip(row.others) {
            page += &format!("| {reader} | {does} |\n");
        }
        page += &format!("| **Bellwether** | {} |\n\n{}.\n", row.ours, row.why);
    }
    page
}
