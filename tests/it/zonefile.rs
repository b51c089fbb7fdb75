//! What is said about zone files: `tests/cases/zonefile/*.zone` beside the text expected of each.
//! `UPDATE=1` rewrites the texts.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bellwether::dns::Name;
use bellwether::zone::text::{Paint, load, print};
use bellwether::zone::{Demands, DigestKey};

const CASES: &str = "tests/cases/zonefile";

/// Everything that loading the zone `example.com` from the file gives: the diagnostics, then the
/// zone as it is printed.
fn outcome(name: &Path) -> String {
    let mut sources = |path: &Path| -> io::Result<Box<dyn Read>> {
        let file = File::open(Path::new(CASES).join(path));
        // The system's own words differ between systems.
        Ok(Box::new(file.map_err(|error| io::Error::new(error.kind(), "no such file"))?))
    };
    let apex = Name::parse("example.com").unwrap();
    match load(&mut sources, name, &apex, DigestKey([0; 16]), &Demands::default()) {
        Err(error) => format!("{}\n\n{error}\n", error.render(Paint::Plain)),
        Ok(loaded) => {
            let warnings: String =
                loaded.warnings.iter().map(|warning| warning.render(Paint::Plain) + "\n\n").collect();
            let mut out = warnings.into_bytes();
            print(&loaded.version, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        }
    }
}

#[test]
fn c15_diagnostics_are_as_expected() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut zones: Vec<PathBuf> = fs::read_dir(CASES).unwrap().map(|entry| entry.unwrap().path()).collect();
    zones.retain(|path| path.extension().is_some_and(|extension| extension == "zone"));
    zones.sort();
    assert!(!zones.is_empty());
    for zone in zones {
        let text = outcome(Path::new(zone.file_name().unwrap()));
        let expected = zone.with_extension("txt");
        if update {
            fs::write(&expected, text).unwrap();
        } else {
            assert_eq!(text, fs::read_to_string(&expected).unwrap(), "{}", zone.display());
        }
    }
}
