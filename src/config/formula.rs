//! File names made from zone names, and zone names read from file names (R27).
//!
//! Zones may be named by others, so a name becomes a file name only through this escaping: letters
//! in lower case, digits, `-`, `_` and the dots between labels stay; every other octet, a dot inside
//! a label too, becomes `%` and two hexadecimal digits. The root is `@`. The result holds no `/`,
//! never starts with a dot and is never `..`, so it cannot leave its directory.

use std::fmt;

use crate::dns::{Name, NameRef};

/// The longest file name that common file systems take.
const FILE_NAME_OCTETS_MAX: usize = 255;

/// Why a formula gives no file name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormulaError {
    /// The name of the file would be longer than a file system takes.
    TooLong {
        /// How long it would be, in octets.
        octets: usize,
    },
    /// `%` is followed by something else than `s` or `%`.
    BadPercent,
    /// `%s` stands in the name of a directory.
    DirectoryFormula,
}

impl fmt::Display for FormulaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FormulaError::TooLong { octets } => {
                write!(
                    f,
                    "the file name would be {octets} octets long, and {FILE_NAME_OCTETS_MAX} are possible"
                )
            }
            FormulaError::BadPercent => f.write_str("after `%` only `s` (the zone's name) or `%` can stand"),
            FormulaError::DirectoryFormula => {
                f.write_str("`%s` may stand in the name of the file only, not of a directory")
            }
        }
    }
}

impl std::error::Error for FormulaError {}

/// The zone's name as a part of a file name.
pub fn file_stem(zone: NameRef<'_>) -> String {
    if zone.is_root() {
        return "@".to_owned();
    }
    let mut stem = String::with_capacity(zone.wire_len());
    for (index, label) in zone.labels().enumerate() {
        if index > 0 {
            stem.push('.');
        }
        for octet in label.iter().map(u8::to_ascii_lowercase) {
            match octet {
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => stem.push(char::from(octet)),
                _ => stem.push_str(&format!("%{octet:02x}")),
            }
        }
    }
    stem
}

/// The zone that a file's stem names: the inverse of [`file_stem`], also for upper case.
pub fn zone_of_stem(stem: &str) -> Option<Name> {
    if stem == "@" {
        return Some(Name::root());
    }
    let mut wire = Vec::with_capacity(stem.len() + 2);
    for label in stem.split('.') {
        let length_at = wire.len();
        wire.push(0);
        let mut octets = label.bytes();
        while let Some(octet) = octets.next() {
            wire.push(match octet {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => octet.to_ascii_lowercase(),
                b'%' => hex(octets.next()?)? * 16 + hex(octets.next()?)?,
                _ => return None,
            });
        }
        let length = u8::try_from(wire.len() - length_at - 1).ok().filter(|length| *length > 0)?;
        *wire.get_mut(length_at)? = length;
    }
    wire.push(0);
    Name::from_wire(&wire).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Puts the zone's name in place of `%s` (and `%` in place of `%%`) in the last part of `formula`.
pub(super) fn expand(formula: &str, zone: NameRef<'_>) -> Result<String, FormulaError> {
    let (directory, file) = formula.rfind('/').map_or(("", formula), |at| formula.split_at(at + 1));
    let mut out = expand_part(directory, None)?;
    let name = expand_part(file, Some(&file_stem(zone)))?;
    if name.len() > FILE_NAME_OCTETS_MAX {
        return Err(FormulaError::TooLong { octets: name.len() });
    }
    out.push_str(&name);
    Ok(out)
}

fn expand_part(part: &str, stem: Option<&str>) -> Result<String, FormulaError> {
    let mut out = String::with_capacity(part.len());
    let mut characters = part.chars();
    while let Some(character) = characters.next() {
        match (character, stem) {
            ('%', _) => match (characters.next(), stem) {
                (Some('%'), _) => out.push('%'),
                (Some('s'), Some(stem)) => out.push_str(stem),
                (Some('s'), None) => return Err(FormulaError::DirectoryFormula),
                _ => return Err(FormulaError::BadPercent),
            },
            _ => out.push(character),
        }
    }
    Ok(out)
}

/// Whether `file` is one that editors and version control leave behind (R09): never a zone file.
pub(super) fn is_litter(file: &str) -> bool {
    file.starts_with('.') || file.ends_with('~') || file.ends_with(".swp") || file == "4913"
}

/// Splits a pattern `DIRECTORY/BEFORE*AFTER` into its three parts; `None` if it is no pattern or one
/// that is not understood (several stars, a star in a directory).
pub(super) fn split_pattern(pattern: &str) -> Option<(&str, &str, &str)> {
    let (directory, file) = pattern.rfind('/').map_or(("", pattern), |at| pattern.split_at(at + 1));
    let (before, after) = file.split_once('*')?;
    (!directory.contains('*') && !after.contains('*')).then_some((directory, before, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).expect("a test name")
    }

    #[test]
    fn r27_formulas_escape_and_stay_in_their_directory() {
        for (zone, expected) in [
            ("example.com", "example.com"),
            ("Example.COM", "example.com"),
            ("0/25.2.0.192.in-addr.arpa", "0%2f25.2.0.192.in-addr.arpa"),
            (".", "@"),
            ("@", "%40"),
            ("\\.\\.", "%2e%2e"),
            ("\\.\\./etc", "%2e%2e%2fetc"),
            ("a\\000b.example", "a%00b.example"),
            ("_tcp.x-y", "_tcp.x-y"),
            ("a%s.example", "a%25s.example"),
        ] {
            let zone = name(zone);
            assert_eq!(file_stem(zone.as_ref()), expected);
            assert_eq!(zone_of_stem(expected), Some(zone.clone()));
            assert_eq!(expand("zones/%s.zone", zone.as_ref()), Ok(format!("zones/{expected}.zone")));
        }
    }

    #[test]
    fn r27_four_long_labels_are_refused_not_cut() {
        let label = "a".repeat(63);
        let longest = name(&format!("{label}.{label}.{label}.{}", "a".repeat(61)));
        assert_eq!(expand("%s", longest.as_ref()).map(|file| file.len()), Ok(253));
        assert_eq!(expand("%s.zone", longest.as_ref()), Err(FormulaError::TooLong { octets: 258 }));
    }

    #[test]
    fn formulas_that_are_not_understood_are_errors() {
        let zone = name("example.com");
        assert_eq!(expand("%d.zone", zone.as_ref()), Err(FormulaError::BadPercent));
        assert_eq!(expand("zones%", zone.as_ref()), Err(FormulaError::BadPercent));
        assert_eq!(expand("%s/zone", zone.as_ref()), Err(FormulaError::DirectoryFormula));
        assert_eq!(expand("100%%/%s", zone.as_ref()).as_deref(), Ok("100%/example.com"));
    }

    #[test]
    fn stems_that_name_no_zone_are_refused() {
        for stem in ["", "a..b", "a b", "%zz", "%2", "a%", "ü", &"a".repeat(64)] {
            assert_eq!(zone_of_stem(stem), None, "{stem}");
        }
    }

    #[test]
    fn patterns_have_one_star_in_the_file() {
        assert_eq!(split_pattern("zones/*.zone"), Some(("zones/", "", ".zone")));
        assert_eq!(split_pattern("db.*"), Some(("", "db.", "")));
        assert_eq!(split_pattern("zones/example.com"), None);
        assert_eq!(split_pattern("*/*.zone"), None);
        assert_eq!(split_pattern("**"), None);
    }
}
