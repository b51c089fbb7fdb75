//! Bellwether's answers beside those of BIND, Knot, NSD and PowerDNS, over zones made from seeds.
//!
//! Where BIND, Knot and NSD agree, Bellwether has to agree with them, but for additional data that is
//! optional (`comparison.rs`). Where they do not, a row of the table in `contested.rs` has to know of it
//! and says what is right for us; what no row knows fails the run. A server that does not answer fails
//! it as well.
//!
//! Each zone is also asked for signed, by the signers of BIND and ldns, with NSEC and with NSEC3: all
//! signatures and proofs have to be the same, and a validator has to find them good (`validation.rs`).
//!
//! A seed makes a zone, or a parent and its children, and the questions about them; nothing else goes in.
//! `BELLWETHER_DIFFERENTIAL_SEEDS=17` or `=1..2001` chooses seeds. A fault shows its seed, the question,
//! all answers side by side and the zone files.

mod asking;
mod batch;
mod case;
mod comparison;
mod contested;
mod gardener;
#[path = "../shared/ground.rs"]
mod ground;
mod label;
mod message;
mod name;
mod page;
mod plant;
mod questions;
mod random;
mod reading;
mod rtype;
#[path = "../shared/runner.rs"]
mod runner;
mod servers;
mod signing;
mod table;
mod validation;
mod zone;

use std::ops::Range;
use std::process::ExitCode;
use std::time::Instant;

use batch::Tally;
use ground::Yard;
use plant::Plot;
use runner::Test;

/// All tests.
const ALL: &[&[Test]] = &[
    &[("answers_are_those_of_bind_knot_and_nsd", servers::PROGRAMS, answers)],
    &[("l_signed_answers_are_those_of_bind_knot_and_nsd", SIGNED_PROGRAMS, signed_answers)],
    &[("c16_zone_files_are_read_alike", reading::PROGRAMS, reading::zone_files_are_read_alike)],
    &[("docs_contested_is_the_table", &[], page::is_up_to_date)],
];

/// The programs for signed zones.
const SIGNED_PROGRAMS: &[&str] = &[
    "named",
    "knotd",
    "nsd",
    "pdns_server",
    "dnssec-keygen",
    "dnssec-signzone",
    "ldns-keygen",
    "ldns-signzone",
];
/// The seeds of the short run.
const SEEDS: Range<u64> = 1..601;
/// Seeds for rows of the table that the others do not show.
const RARE_SEEDS: [u64; 1] = [1364];
/// The seeds of the short run over signed zones.
const SIGNED_SEEDS: Range<u64> = 1..101;
/// Plots that are served at the same time.
const PLOTS_AT_ONCE: usize = 100;
/// How many contested questions there may be in a thousand.
const CONTESTED_PER_MILLE_MAX: f64 = 20.0;

fn main() -> ExitCode {
    runner::main(ALL)
}

fn answers(_: &Yard) {
    let (chosen, begun) = (chosen(), Instant::now());
    let seeds: Vec<u64> =
        chosen.clone().map_or_else(|| RARE_SEEDS.into_iter().chain(SEEDS).collect(), Range::collect);
    let mut tally = Tally::default();
    for some in seeds.chunks(PLOTS_AT_ONCE) {
        let plots: Vec<Plot> = some.iter().map(|seed| Plot::grow(*seed)).collect();
        batch::run(&Yard::new(), &plots, &mut tally);
    }
    println!("{} seeds, {:.0} s: {tally}", seeds.len(), begun.elapsed().as_secs_f32());
    tally.assert_no_fault();
    // One zone alone may be all about what is contested.
    if seeds.len() >= PLOTS_AT_ONCE {
        let contested = tally.contested_per_mille();
        assert!(contested <= CONTESTED_PER_MILLE_MAX, "{contested:.1} of 1000 questions are contested");
    }
    if chosen.is_none() {
        let unseen = tally.rows_unseen();
        assert!(unseen.is_empty(), "the table has rows that nothing shows: {unseen:?}");
    }
}

fn signed_answers(_: &Yard) {
    let begun = Instant::now();
    let seeds: Vec<u64> = chosen().unwrap_or(SIGNED_SEEDS).collect();
    let mut tally = Tally::default();
    for some in seeds.chunks(PLOTS_AT_ONCE) {
        let plots: Vec<Plot> = some.iter().map(|seed| Plot::grow_signed(*seed)).collect();
        batch::run(&Yard::new(), &plots, &mut tally);
    }
    println!("signed, {} seeds, {:.0} s: {tally}", seeds.len(), begun.elapsed().as_secs_f32());
    tally.assert_no_fault();
    let contested = tally.contested_per_mille();
    assert!(seeds.len() < 40 || contested <= CONTESTED_PER_MILLE_MAX, "{contested:.1} of 1000 contested");
}

/// `17` or `10..20`.
fn chosen() -> Option<Range<u64>> {
    let text = std::env::var("BELLWETHER_DIFFERENTIAL_SEEDS").ok()?;
    let parse = |text: &str| text.parse::<u64>().expect("BELLWETHER_DIFFERENTIAL_SEEDS is SEED or FROM..TO");
    Some(match text.split_once("..") {
        Some((from, to)) => parse(from)..parse(to),
        None => parse(&text)..parse(&text) + 1,
    })
}
