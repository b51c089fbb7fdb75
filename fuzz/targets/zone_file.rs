//! Zone files: whatever the octets are, they load or say why not, and what loads is printed and loads again.
#![no_main]

use std::io::{self, Read};
use std::path::Path;

use bellwether::dns::Name;
use bellwether::zone::text::{self, Paint};
use bellwether::zone::{Demands, DigestKey};
use libfuzzer_sys::fuzz_target;

const KEY: DigestKey = DigestKey([7; 16]);

fuzz_target!(|octets: &[u8]| {
    let apex = Name::parse("example.com.").expect("a name");
    match load(octets, &apex) {
        Ok(loaded) => {
            let mut printed = Vec::new();
            text::print(&loaded.version, &mut printed).expect("memory");
            let again = load(&printed, &apex).unwrap_or_else(|_| {
                panic!("what is printed does not load:\n{}", String::from_utf8_lossy(&printed))
            });
            assert_eq!(again.version.digest(), loaded.version.digest());
        }
        Err(error) => {
            assert!(!error.diagnostics.is_empty(), "a refusal without a reason");
            for diagnostic in &error.diagnostics {
                assert!(diagnostic.source_line.get(diagnostic.span.clone()).is_some());
                diagnostic.render(Paint::Plain);
            }
        }
    }
});

fn load(octets: &[u8], apex: &Name) -> Result<text::Loaded, Box<text::LoadError>> {
    let octets = octets.to_vec();
    // It may include itself.
    let mut sources = move |path: &Path| -> io::Result<Box<dyn Read>> {
        match path.to_str() {
            Some("zone") => Ok(Box::new(io::Cursor::new(octets.clone()))),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    };
    text::load(&mut sources, Path::new("zone"), apex, KEY, &Demands::default())
}
