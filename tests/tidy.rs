//! The house rules, held by a test: layers, banned calls, file lengths, and where `unsafe` may stand.
//!
//! A failure names the place and what to do instead.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The layer of each room; a file imports only from lower layers (`engine` is L5 and so on).
const LAYERS: &[(&str, u8)] = &[
    ("limits", 0),
    ("time", 0),
    ("ident", 0),
    ("dns", 0),
    ("reason", 0),
    ("trace", 0),
    ("zone", 1),
    ("answer", 2),
    ("transfer", 2),
    ("replica", 2),
    ("policy", 2),
    ("serve", 3),
    ("env", 3),
    ("store", 4),
    ("config", 4),
    ("engine", 5),
    ("net", 6),
    ("control", 6),
    ("service", 6),
    ("cli", 7),
];

/// Rooms and files that know no clock, socket, file or runtime.
const PURE: &[&str] = &[
    "limits",
    "time",
    "ident",
    "dns",
    "reason",
    "trace",
    "zone",
    "answer",
    "transfer",
    "replica",
    "policy",
    "serve",
    "engine/commit",
    "engine/shard",
    "engine/zone",
    "engine/guard",
    "engine/serial",
    "engine/intake",
    "engine/keeper",
    "store/format",
];

/// What must not stand in a pure room, and what to do instead.
const BANNED_IN_PURE: &[(&str, &str)] = &[
    ("tokio::", "return an action and let net/ carry it out"),
    ("std::net::TcpStream", "return an action and let net/ carry it out"),
    ("std::net::UdpSocket", "return an action and let net/ carry it out"),
    ("std::fs::", "take a `Sources`, a `Disk` or the octets as an argument"),
    ("Instant::now", "take `now: Tick` as an argument"),
    ("SystemTime::now", "take `now: Wall` as an argument"),
    ("thread::", "return an action and let engine/threads carry it out"),
    ("getrandom", "take a seed as an argument"),
];

/// What must not stand anywhere in `src`.
const BANNED: &[(&str, &str)] = &[
    ("todo!(", "do it, or leave it out and say so in the docs"),
    ("unimplemented!(", "do it, or leave it out and say so in the docs"),
    ("TODO", "do it, or leave it out and say so in the docs"),
    ("FIXME", "do it, or leave it out and say so in the docs"),
    ("dbg!(", "log through tracing, or take it away"),
    ("spawn_blocking", "use the engine's worker pool"),
    ("unbounded_channel", "bound the channel and push back"),
];

/// Files of tests and benches count too; files that are one flat table may be longer.
const FLAT_TABLES: &[&str] = &["src/dns/rtype.rs", "src/reason.rs"];

const LINES_MAX: usize = 450;

struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// `engine/zone/file` for `src/engine/zone/file.rs`.
    fn room(&self) -> String {
        let path = self.path.with_extension("");
        let path = path.strip_prefix("src").unwrap_or(&path).to_string_lossy().into_owned();
        path.strip_suffix("/mod").map(str::to_owned).unwrap_or(path)
    }

    fn is_test(&self) -> bool {
        self.path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests"))
    }

    /// The text before the tests that stand beside the code, without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        let lines = self.text[..end].lines().enumerate();
        lines.map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
    }
}

fn sources() -> Vec<Source> {
    sources_in("src")
}

/// Every Rust file of a folder.
fn sources_in(folder: &str) -> Vec<Source> {
    let read = |path: PathBuf| Source { text: fs::read_to_string(&path).unwrap(), path };
    files_in(folder, "rs").into_iter().map(read).collect()
}

/// Every file of a folder and of those below it with this extension.
fn files_in(folder: &str, extension: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, extension, found);
            } else if path.extension().is_some_and(|this| this == extension) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new(folder), extension, &mut found);
    assert!(found.len() > 2, "{folder} is not where this test looks");
    found
}

fn layer(room: &str) -> Option<u8> {
    let room = room.split('/').next().unwrap_or(room);
    LAYERS.iter().find(|(name, _)| *name == room).map(|(_, layer)| *layer)
}

fn fail_if_any(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn a_file_imports_only_from_lower_layers() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let room = source.room();
        let Some(mine) = layer(&room) else {
            if room != "lib" && room != "main" {
                faults.push(format!("{room}: a room without a layer; add it to LAYERS"));
            }
            continue;
        };
        let top = room.split('/').next().unwrap_or_default().to_owned();
        for (line, code) in source.code() {
            for path in code.split("crate::").skip(1) {
                let other: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let Some(theirs) = layer(&other) else { continue };
                let allowed = other == top || theirs < mine || (mine == 0 && theirs == 0) || top == "service";
                if !allowed {
                    faults.push(format!(
                        "{}:{line}: {top} (L{mine}) must not import {other} (L{theirs}): pass it in, or move it down",
                        source.path.display()
                    ));
                }
            }
        }
    }
    fail_if_any(faults);
}

#[test]
fn pure_rooms_know_no_clock_socket_or_file() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let room = source.room();
        if !PURE.iter().any(|pure| room == *pure || room.starts_with(&format!("{pure}/"))) {
            continue;
        }
        for (line, code) in source.code() {
            for (banned, instead) in BANNED_IN_PURE {
                if code.contains(banned) {
                    faults.push(format!("{}:{line}: {banned}: {instead}", source.path.display()));
                }
            }
        }
    }
    fail_if_any(faults);
}

#[test]
fn nothing_unfinished_and_nothing_unbounded_stands_in_the_sources() {
    let mut faults = Vec::new();
    for source in sources() {
        for (at, line) in source.text.lines().enumerate() {
            for (banned, instead) in BANNED {
                if line.contains(banned) {
                    faults.push(format!("{}:{}: {banned}: {instead}", source.path.display(), at + 1));
                }
            }
        }
    }
    fail_if_any(faults);
}

#[test]
fn files_stay_short_enough_to_be_read() {
    let mut faults = Vec::new();
    for source in sources().iter().chain(&sources_in("tests")).chain(&sources_in("benches")) {
        let lines = source.text.lines().count();
        let path = source.path.to_string_lossy();
        if lines > LINES_MAX && !FLAT_TABLES.contains(&path.as_ref()) {
            faults.push(format!("{path}: {lines} lines; look for the second thing in it"));
        }
    }
    fail_if_any(faults);
}

#[test]
fn unsafe_stands_in_the_one_file_of_system_calls() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| source.path != Path::new("src/net/sys.rs")) {
        for (line, code) in source.code() {
            let word = code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
            if word {
                faults.push(format!("{}:{line}: move it to src/net/sys.rs", source.path.display()));
            }
        }
    }
    fail_if_any(faults);
}

#[test]
fn every_file_says_what_lives_in_it() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        if !source.text.starts_with("//!") {
            faults
                .push(format!("{}: begin with `//!`: what lives here, its invariant", source.path.display()));
        }
    }
    fail_if_any(faults);
}

#[test]
fn planted_faults_still_apply() {
    let mut stale = Vec::new();
    for patch in files_in("tests/faults", "patch") {
        match Command::new("git").args(["apply", "--check"]).arg(&patch).output() {
            Ok(output) if output.status.success() => {}
            Ok(_) => stale.push(patch),
            Err(error) => {
                // `tests/run` installs it, so there its absence is an error.
                assert!(std::env::var_os("BELLWETHER_PEERS").is_none(), "git: {error}: apt-get install git");
                return eprintln!("left out, since git cannot be started: whether planted faults apply");
            }
        }
    }
    assert!(stale.is_empty(), "made against code that has changed, make them anew: {stale:#?}");
}

/// The requirements of the protocol that must have a test with their number in its name: the letter of the
/// group, and the numbers.
const REQUIREMENTS: &[(char, &[std::ops::RangeInclusive<u8>])] = &[
    ('a', &[1..=53]),
    ('b', &[1..=41]),
    ('c', &[1..=18]),
    ('d', &[1..=16]),
    ('e', &[1..=13]),
    ('f', &[1..=11, 13..=13]),
    ('g', &[1..=10]),
    ('h', &[1..=15]),
    ('i', &[1..=2, 6..=6, 8..=9, 12..=12]),
    ('l', &[1..=15, 17..=17, 19..=19]),
    ('n', &[1..=4]),
    ('o', &[1..=5]),
    // Features that other servers have, by their rows.
    ('p', &[1..=3, 20..=23, 30..=30, 32..=48, 129..=131, 135..=135]),
];

#[test]
fn every_requirement_has_a_test_of_its_name() {
    let mut seen = std::collections::BTreeSet::new();
    for source in sources().iter().chain(&sources_in("tests")) {
        // Names of functions and those in tables: `a13_a14_both` and `b16_to_b18_all`.
        let words = source.text.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '_');
        for word in words.filter(|word| word.len() > 4) {
            let parts: Vec<&str> = word.split('_').collect();
            let ids = parts.iter().filter_map(|part| id_of(part));
            seen.extend(ids);
            for range in parts.windows(3).filter(|range| range[1] == "to") {
                if let (Some((group, from)), Some((_, to))) = (id_of(range[0]), id_of(range[2])) {
                    seen.extend((from..=to).map(|number| (group, number)));
                }
            }
        }
    }
    let wanted = REQUIREMENTS.iter().flat_map(|(group, ranges)| {
        ranges.iter().flat_map(|range| range.clone()).map(|number| (*group, number))
    });
    let missing: Vec<String> =
        wanted.filter(|id| !seen.contains(id)).map(|(group, number)| format!("{group}{number}")).collect();
    assert!(missing.is_empty(), "no test is named after {missing:?}");
}

/// `a07`; a feature is `p7`.
fn id_of(part: &str) -> Option<(char, u8)> {
    let (group, number) = part.split_at_checked(1)?;
    let number = number.parse().ok().filter(|_| number.len() == 2 || group == "p")?;
    Some((group.chars().next()?, number))
}
