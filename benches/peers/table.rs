//! The figures as a table for people and as JSON for programs.

use serde_json::{Value, json};

use crate::field::Field;
use crate::server::Kind;
use crate::start::{LoadReport, Start};
use crate::statistics::Estimate;
use crate::udp::{CaseReport, Turn};

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

/// Prints what loading cost.
pub fn print_load(report: &LoadReport) {
    println!("\nFrom the file, {} ({})", report.name, report.records);
    println!(
        "| server | CPU µs a record to the first answer (95 %) | until it rests | s to the first answer | octets a record at rest | at most |"
    );
    println!("|---|---|---|---|---|---|");
    for (kind, starts) in &report.servers {
        let Some([answer, rest, passed, now, peak]) = load_estimates(report, starts) else { continue };
        let [low, high] = answer.interval;
        print!("| {} | {:.2} ({low:.2}-{high:.2}) | {:.2} ", kind.name(), answer.median, rest.median);
        println!("| {:.2} | {:.0} | {:.0} |", passed.median, now.median, peak.median);
    }
}

/// Of one server: processor time to the first answer and until it rests, in microseconds a record; seconds to
/// the first answer; octets a record at rest and at most.
fn load_estimates(report: &LoadReport, starts: &[Start]) -> Option<[Estimate; 5]> {
    let records = report.records as f64;
    let values: [fn(&Start) -> f64; 5] = [
        |start| start.to_answer.as_secs_f64() * 1e6,
        |start| start.to_rest.as_secs_f64() * 1e6,
        |start| start.passed.as_secs_f64(),
        |start| start.memory.now as f64,
        |start| start.memory.peak as f64,
    ];
    let mut estimates = Vec::new();
    for (at, value) in values.into_iter().enumerate() {
        let each = if at == 2 { 1.0 } else { records };
        estimates.push(Estimate::of(starts.iter().map(|start| value(start) / each))?);
    }
    estimates.try_into().ok()
}

/// Prints who took part, and who should have.
pub fn print_versions(field: &Field) {
    let [server, client] = field.cores;
    println!("\nOne worker each on processor {server}, the client on processor {client}:");
    for (kind, version) in &field.versions {
        println!("- {}: {}", kind.name(), version.join("; "));
    }
    for (kind, what) in &field.missing {
        println!("- NO ROW FOR {}: {what}", kind.name());
    }
}

/// The same for programs.
pub fn json(field: &Field, udp: &[CaseReport], loads: &[LoadReport]) -> String {
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
    let load = |report: &LoadReport| {
        let row = |(kind, starts): &(Kind, Vec<Start>)| {
            let [answer, rest, passed, now, peak] = load_estimates(report, starts)?;
            Some(json!({
                "server": kind.name(),
                "cpu_us_a_record": answer.median,
                "cpu_us_a_record_95": answer.interval,
                "cpu_us_a_record_to_rest": rest.median,
                "seconds": passed.median,
                "octets_a_record": now.median,
                "octets_a_record_95": now.interval,
                "peak_octets_a_record": peak.median,
            }))
        };
        let rows: Vec<Value> = report.servers.iter().filter_map(row).collect();
        json!({ "case": report.name, "records": report.records, "rows": rows })
    };
    let named = |(kind, lines): &(Kind, Vec<String>)| json!({ "server": kind.name(), "version": lines });
    let absent = |(kind, what): &(Kind, String)| json!({ "server": kind.name(), "do": what });
    let whole = json!({
        "udp": udp.iter().map(case).collect::<Vec<_>>(),
        "load": loads.iter().map(load).collect::<Vec<_>>(),
        "versions": field.versions.iter().map(named).collect::<Vec<_>>(),
        "missing": field.missing.iter().map(absent).collect::<Vec<_>>(),
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
