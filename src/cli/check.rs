//! `bellwether check`: the config and every zone file, by the code that the server runs.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::{Value, json};

use crate::config::{Config, ConfigError, Paint, Role};
use crate::dns::Name;
use crate::zone::text::{self, Diagnostic, LoadError, Loaded, Severity};
use crate::zone::{Demands, DigestKey};

/// Checks the config and its zone files, or one file as one zone. What is wrong goes to stderr as it
/// is found; or, as `json`, everything to stdout at the end.
pub(super) fn check(path: &Path, zone: Option<&[String]>, json: bool) -> Result<(), String> {
    let mut report = Report { json, broken: 0, zones: Vec::new() };
    if let Some([zone, file]) = zone {
        let apex = Name::parse(zone).map_err(|error| format!("{zone} is no name: {error}"))?;
        report.check(&apex, Path::new(file), &Demands::default());
        return report.end(None, Vec::new());
    }
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) if json => return unreadable(path, &error),
        Err(error) => return Err(error.render(Paint::Styled)),
    };
    if !json {
        config.warnings.iter().for_each(|warning| anstream::eprintln!("warning: {warning}"));
    }
    for zone in &config.zones {
        if let Role::Primary(primary) = &zone.role {
            report.check(&zone.name, &primary.file, &zone.demands);
        }
    }
    report.end(Some((path, config.zones.len())), config.warnings)
}

/// What was found so far.
struct Report {
    json: bool,
    broken: usize,
    zones: Vec<Value>,
}

impl Report {
    fn check(&mut self, apex: &Name, file: &Path, demands: &Demands) {
        let mut sources = |path: &Path| File::open(path).map(|file| Box::new(file) as Box<dyn Read>);
        // The key only tells versions of one run apart; any will do.
        let loaded = text::load(&mut sources, file, apex, DigestKey([0; 16]), demands);
        self.broken += usize::from(loaded.is_err());
        if self.json {
            self.zones.push(zone_json(apex, file, &loaded));
        } else {
            say(apex, file, &loaded);
        }
    }

    /// The verdict; `config` is the file with the number of its zones.
    fn end(self, config: Option<(&Path, usize)>, warnings: Vec<String>) -> Result<(), String> {
        let Report { json, broken, zones } = self;
        if json {
            let file = config.map(|(path, _)| path.display().to_string());
            let value =
                json!({ "ok": broken == 0, "config": file, "config_warnings": warnings, "zones": zones });
            super::remote::print_json(&value)?;
        } else if let Some((path, zones)) = config.filter(|_| broken == 0) {
            anstream::println!("{}: {zones} zones, no errors", path.display());
        }
        match (broken, config) {
            (0, _) => Ok(()),
            (_, Some((_, zones))) => Err(format!("{broken} of {zones} zones have errors")),
            (_, None) => Err(String::from("the zone has errors")),
        }
    }
}

fn say(apex: &Name, file: &Path, loaded: &Result<Loaded, Box<LoadError>>) {
    match loaded {
        Err(error) => anstream::eprintln!("{}", error.render(text::Paint::Styled)),
        Ok(loaded) => {
            for warning in &loaded.warnings {
                anstream::eprintln!("{}", warning.render(text::Paint::Styled));
            }
            let version = &loaded.version;
            let (serial, records) = (version.serial(), version.record_count());
            anstream::println!("{}: {apex} serial {serial}, {records} records", file.display());
        }
    }
}

fn zone_json(apex: &Name, file: &Path, loaded: &Result<Loaded, Box<LoadError>>) -> Value {
    let (version, diagnostics, errors) = match loaded {
        Ok(loaded) => (Some(&loaded.version), &loaded.warnings, 0),
        Err(error) => (None, &error.diagnostics, error.errors),
    };
    json!({
        "zone": apex.to_string(),
        "file": file.display().to_string(),
        "serial": version.map(|version| version.serial().0),
        "records": version.map(|version| version.record_count()),
        "errors": errors,
        "diagnostics": diagnostics.iter().map(diagnostic_json).collect::<Vec<_>>(),
    })
}

fn diagnostic_json(diagnostic: &Diagnostic) -> Value {
    json!({
        "severity": match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "code": diagnostic.reason.code(),
        "file": diagnostic.file.display().to_string(),
        "line": diagnostic.line,
        "column": diagnostic.column,
        "message": diagnostic.message,
        "label": diagnostic.label,
        "hint": diagnostic.hint,
    })
}

fn unreadable(path: &Path, error: &ConfigError) -> Result<(), String> {
    let said = error.render(Paint::Plain);
    super::remote::print_json(
        &json!({ "ok": false, "config": path.display().to_string(), "config_error": said, "zones": [] }),
    )?;
    Err(String::from("the config has errors"))
}
