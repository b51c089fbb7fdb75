//! What came out: a table for people, JSON for programs.

use serde_json::{Map, Value, json};

use crate::field::Field;
use crate::kind::Kind;
use crate::statistics::Estimate;

/// A figure that is taken of each server in each round.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// What people read.
    pub title: &'static str,
    /// What programs read.
    pub key: &'static str,
    /// Digits after the point.
    pub decimals: usize,
}

/// A server with its rounds, each with all figures.
pub type Row = (&'static str, Vec<Vec<f64>>);

/// One case: the figures of all servers.
pub struct Report {
    /// The part of the run.
    pub part: &'static str,
    /// The case.
    pub case: String,
    /// What we want to reach, for those who read the table.
    pub goal: &'static str,
    /// The figures; the first is the one that is compared.
    pub columns: &'static [Column],
    /// The row that the others are compared to.
    pub base: &'static str,
    /// The figures of each server.
    pub rows: Vec<Row>,
    /// What else there is to say.
    pub remarks: Vec<String>,
}

impl Report {
    /// Prints it as a table.
    pub fn print(&self) {
        println!("\n{}: {} (goal: {})\n", self.part, self.case, self.goal);
        let titles: Vec<&str> = self.columns.iter().map(|column| column.title).collect();
        let (first, others) = titles.split_first().expect("a report has a figure");
        println!(
            "| server | {first} (95 %) | x {} (95 %) |{}",
            self.base,
            others.iter().map(|title| format!(" {title} |")).collect::<String>()
        );
        println!("|{}", "---|".repeat(self.columns.len() + 2));
        for (name, rounds) in &self.rows {
            let Some(figures) = self.figures(rounds) else { continue };
            let decimals = self.columns[0].decimals;
            let Estimate { median, interval: [low, high] } = figures[0];
            print!("| {name} | {median:.decimals$} ({low:.decimals$}-{high:.decimals$}) ");
            match self.ratio(rounds) {
                Some(Estimate { median, interval: [low, high] }) => {
                    print!("| {median:.2} ({low:.2}-{high:.2}) |")
                }
                None => print!("| - |"),
            }
            for (figure, column) in figures.iter().zip(self.columns).skip(1) {
                print!(" {:.*} |", column.decimals, figure.median);
            }
            println!();
        }
        self.remarks.iter().for_each(|remark| println!("{remark}"));
    }

    fn figures(&self, rounds: &[Vec<f64>]) -> Option<Vec<Estimate>> {
        (0..self.columns.len()).map(|at| Estimate::of(rounds.iter().map(|round| round[at]))).collect()
    }

    /// The first figure as a multiple of that of the base in the same round.
    fn ratio(&self, rounds: &[Vec<f64>]) -> Option<Estimate> {
        let (_, base) = self.rows.iter().find(|(name, _)| *name == self.base)?;
        Estimate::of(rounds.iter().zip(base).map(|(round, base)| round[0] / base[0]))
    }

    fn json(&self) -> Value {
        let row = |(name, rounds): &Row| {
            let mut row = Map::new();
            row.insert("server".into(), (*name).into());
            for (figure, column) in self.figures(rounds)?.iter().zip(self.columns) {
                row.insert(column.key.into(), figure.median.into());
                row.insert(format!("{}_95", column.key), json!(figure.interval));
            }
            if let Some(ratio) = self.ratio(rounds) {
                row.insert("ratio".into(), ratio.median.into());
                row.insert("ratio_95".into(), json!(ratio.interval));
            }
            Some(Value::Object(row))
        };
        json!({
            "part": self.part,
            "case": self.case,
            "goal": self.goal,
            "ratio_to": self.base,
            "rows": self.rows.iter().filter_map(row).collect::<Vec<_>>(),
            "remarks": self.remarks,
        })
    }
}

/// Prints who took part, and who should have.
pub fn print_versions(field: &Field) {
    let [server, client] = field.cores;
    println!("\nServers with one worker each on processor {server}, clients on processor {client}:");
    for (kind, version) in &field.versions {
        println!("- {}: {}", kind.name(), version.join("; "));
    }
    for (kind, what) in &field.missing {
        println!("- NO ROW FOR {}: {what}", kind.name());
    }
}

/// Everything for programs.
pub fn json(field: &Field, reports: &[Report]) -> String {
    let named = |(kind, lines): &(Kind, Vec<String>)| json!({ "server": kind.name(), "version": lines });
    let absent = |(kind, what): &(Kind, String)| json!({ "server": kind.name(), "do": what });
    let whole = json!({
        "reports": reports.iter().map(Report::json).collect::<Vec<_>>(),
        "versions": field.versions.iter().map(named).collect::<Vec<_>>(),
        "missing": field.missing.iter().map(absent).collect::<Vec<_>>(),
    });
    format!("{whole:#}\n")
}
