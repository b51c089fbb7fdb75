//! The figures as a table for people and as JSON for programs.

use serde_json::{Value, json};

use crate::server::Kind;
use crate::statistics::Estimate;
use crate::udp::{CaseReport, Report, Turn};

/// A row of a case.
struct Row {
    kind: Kind,
    /// Microseconds of processor time for a query.
    micros: Estimate,
    /// Each turn over the floor's turn of the same round.
    ratio: Estimate,
    user_micros: f64,
    busy: f64,
    rate: f64,
    octets: f64,
    wrong: u64,
    lost: u64,
}

/// Prints one case, and what went wrong in it.
pub fn print_case(case: &CaseReport) {
    println!("\nUDP, {}", case.name);
    println!("| server | CPU µs a query | × floor (95 %) | user µs | busy | queries/s | octets a reply |");
    println!("|---|---|---|---|---|---|---|");
    let rows = rows(case);
    for Row { kind, micros, ratio, user_micros, busy, rate, octets, .. } in &rows {
        let [low, high] = ratio.interval;
        print!("| {} | {:.2} | {:.2} ({low:.2}-{high:.2}) ", kind.name(), micros.median, ratio.median);
        println!("| {user_micros:.2} | {:.0} % | {rate:.0} | {octets:.0} |", busy * 100.0);
    }
    for Row { kind, wrong, lost, .. } in rows.iter().filter(|row| row.wrong + row.lost > 0) {
        println!("{}: {wrong} replies were not what was asked for, {lost} did not come", kind.name());
    }
}

/// Prints who took part, and who should have.
pub fn print_versions(report: &Report) {
    let [server, client] = report.cores;
    println!("\nOne worker each on processor {server}, the client on processor {client}:");
    for (kind, version) in &report.versions {
        println!("- {}: {}", kind.name(), version.join("; "));
    }
    for (kind, what) in &report.missing {
        println!("- NO ROW FOR {}: {what}", kind.name());
    }
}

/// The same for programs.
pub fn json(report: &Report) -> String {
    let case = |case: &CaseReport| {
        let row = |row: Row| {
            json!({
                "server": row.kind.name(),
                "cpu_us": row.micros.median,
                "cpu_us_95": row.micros.interval,
                "floors": row.ratio.median,
                "floors_95": row.ratio.interval,
                "user_us": row.user_micros,
                "busy": row.busy,
                "queries_per_second": row.rate,
                "reply_octets": row.octets,
                "wrong": row.wrong,
                "lost": row.lost,
            })
        };
        json!({ "case": case.name, "rows": rows(case).into_iter().map(row).collect::<Vec<Value>>() })
    };
    let named = |(kind, lines): &(Kind, Vec<String>)| json!({ "server": kind.name(), "version": lines });
    let absent = |(kind, what): &(Kind, String)| json!({ "server": kind.name(), "do": what });
    let whole = json!({
        "udp": report.cases.iter().map(case).collect::<Vec<_>>(),
        "versions": report.versions.iter().map(named).collect::<Vec<_>>(),
        "missing": report.missing.iter().map(absent).collect::<Vec<_>>(),
    });
    format!("{whole:#}\n")
}

fn rows(case: &CaseReport) -> Vec<Row> {
    let floor = case.servers.iter().find(|(kind, _)| *kind == Kind::Floor).map(|(_, turns)| &turns[..]);
    let floor = floor.unwrap_or_default();
    let row = |(kind, turns): &(Kind, Vec<Turn>)| {
        let ratios = turns.iter().zip(floor).map(|(turn, floor)| turn.nanos / floor.nanos);
        let middle = |value: fn(&Turn) -> f64| Some(Estimate::of(turns.iter().map(value))?.median);
        Some(Row {
            kind: *kind,
            micros: Estimate::of(turns.iter().map(|turn| turn.nanos / 1e3))?,
            ratio: Estimate::of(ratios)?,
            user_micros: middle(|turn| turn.nanos * turn.user_share / 1e3)?,
            busy: middle(|turn| turn.busy)?,
            rate: middle(|turn| turn.rate)?,
            octets: middle(|turn| turn.tally.octets as f64 / turn.tally.replies.max(1) as f64)?,
            wrong: turns.iter().map(|turn| turn.tally.wrong).sum(),
            lost: turns.iter().map(|turn| turn.tally.lost).sum(),
        })
    };
    case.servers.iter().filter_map(row).collect()
}
