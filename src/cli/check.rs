//! `bellwether check`: the config and every zone file, by the code that the server runs.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::config::{Config, Paint, Role};
use crate::dns::Name;
use crate::zone::DigestKey;
use crate::zone::text;

/// Checks the config and its zone files, or one file as one zone.
pub(super) fn check(path: &Path, zone: Option<&[String]>) -> Result<(), String> {
    if let Some([zone, file]) = zone {
        let apex = Name::parse(zone).map_err(|error| format!("{zone} is no name: {error}"))?;
        return check_file(&apex, Path::new(file));
    }
    let config = Config::load(path).map_err(|error| error.render(Paint::Styled))?;
    for warning in &config.warnings {
        anstream::eprintln!("warning: {warning}");
    }
    let mut broken = 0;
    for zone in &config.zones {
        let Role::Primary(primary) = &zone.role else { continue };
        if let Err(text) = check_file(&zone.name, &primary.file) {
            anstream::eprintln!("{text}");
            broken += 1;
        }
    }
    let zones = config.zones.len();
    match broken {
        0 => {
            anstream::println!("{}: {zones} zones, no errors", path.display());
            Ok(())
        }
        _ => Err(format!("{broken} of {zones} zones have errors")),
    }
}

fn check_file(apex: &Name, file: &Path) -> Result<(), String> {
    let mut sources = |path: &Path| File::open(path).map(|file| Box::new(file) as Box<dyn Read>);
    // The key only tells versions of one run apart; any will do.
    let loaded = text::load(&mut sources, file, apex, DigestKey([0; 16]));
    let loaded = loaded.map_err(|error| error.render(text::Paint::Styled))?;
    for warning in &loaded.warnings {
        anstream::eprintln!("{}", warning.render(text::Paint::Styled));
    }
    let version = &loaded.version;
    let (serial, records) = (version.serial(), version.record_count());
    anstream::println!("{}: {apex} serial {serial}, {records} records", file.display());
    Ok(())
}
