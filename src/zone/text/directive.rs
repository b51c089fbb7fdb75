//! The arguments of `$ORIGIN`, `$TTL` and `$INCLUDE` (RFC 1035 §5.1, RFC 2308 §4).

use std::path::{Component, Path, PathBuf};

use super::entry::{Defaults, Fault, read_ttl, repeats_apex};
use crate::dns::rdata::{self, Token};
use crate::dns::{Name, NameRef};
use crate::reason::Reason;

/// A line that begins with a dollar sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    Origin,
    Ttl,
    Include,
    Generate,
}

impl Directive {
    /// The directive that the entry is; `None` if it is a record.
    pub fn of(tokens: &[Token<'_>]) -> Result<Option<Directive>, Box<Fault>> {
        let Some(first) = tokens.first().filter(|token| !token.quoted && token.text.starts_with(b"$")) else {
            return Ok(None);
        };
        for (text, directive) in [
            (&b"$ORIGIN"[..], Directive::Origin),
            (b"$TTL", Directive::Ttl),
            (b"$INCLUDE", Directive::Include),
            (b"$GENERATE", Directive::Generate),
        ] {
            if first.text.eq_ignore_ascii_case(text) {
                return Ok(Some(directive));
            }
        }
        let shown = String::from_utf8_lossy(first.text);
        Err(Fault::new(0, Reason::FileDirective, format!("`{shown}` is not a directive"))
            .hint("there are `$ORIGIN`, `$TTL`, `$INCLUDE` and `$GENERATE`; an owner that begins with a dollar sign is written `\\$`"))
    }
}

/// `$ORIGIN name`: the new origin; a relative name is completed with the current one.
pub(super) fn origin(defaults: &mut Defaults, tokens: &[Token<'_>]) -> Result<(), Box<Fault>> {
    wants(tokens, 1..=1, "`$ORIGIN` takes one name")?;
    let name = name(defaults, tokens, 1)?;
    warn_of_repetition(defaults, tokens, 1, name.as_ref());
    defaults.origin = name;
    Ok(())
}

/// `$TTL ttl`.
pub(super) fn ttl(defaults: &mut Defaults, tokens: &[Token<'_>]) -> Result<(), Box<Fault>> {
    wants(tokens, 1..=1, "`$TTL` takes one TTL")?;
    defaults.ttl = Some(read_ttl(tokens, 1)?);
    Ok(())
}

/// What an `$INCLUDE` names.
pub(super) struct Included {
    pub path: PathBuf,
    pub origin: Option<Name>,
}

/// `$INCLUDE file [origin]`: the file is looked for beside `including`.
pub(super) fn include(
    defaults: &mut Defaults,
    tokens: &[Token<'_>],
    including: &Path,
) -> Result<Included, Box<Fault>> {
    wants(tokens, 1..=2, "`$INCLUDE` takes a file and perhaps an origin")?;
    let text = tokens.get(1).map_or(&b""[..], |token| token.text);
    let Some(file) = std::str::from_utf8(text).ok().filter(|file| !file.is_empty()) else {
        return Err(Fault::new(1, Reason::FileDirective, "not a file name"));
    };
    let origin = match tokens.get(2) {
        None => None,
        Some(_) => {
            let name = name(defaults, tokens, 2)?;
            warn_of_repetition(defaults, tokens, 2, name.as_ref());
            Some(name)
        }
    };
    let directory = including.parent().unwrap_or(Path::new(""));
    Ok(Included { path: plain(&directory.join(file)), origin })
}

/// The path without `.` and, where that is possible without looking at the disk, without `..`, so
/// that two spellings of one file are seen to be the same.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

fn name(defaults: &Defaults, tokens: &[Token<'_>], at: usize) -> Result<Name, Box<Fault>> {
    let text = tokens.get(at).map_or(&b""[..], |token| token.text);
    let mut octets = Vec::new();
    rdata::name_from_token(text, defaults.origin.as_ref(), &mut octets)
        .and_then(|()| Name::from_wire(&octets))
        .map_err(|error| Fault::new(at, Reason::FileDirective, format!("not a name: {error}")))
}

fn warn_of_repetition(defaults: &mut Defaults, tokens: &[Token<'_>], at: usize, name: NameRef<'_>) {
    let Some(apex) = &defaults.apex else { return };
    let relative = tokens.get(at).is_some_and(|token| !token.text.ends_with(b"."));
    if relative && name.prefix_above(apex.as_ref()).is_some_and(|prefix| repeats_apex(prefix, apex.as_ref()))
    {
        defaults.warnings.push(
            *Fault::new(
                at,
                Reason::FileOutOfZone,
                format!("the name of the zone stands twice in the origin `{name}`"),
            )
            .hint("end the name with a dot if it is complete as it is written"),
        );
    }
}

/// Checks how many arguments follow the directive.
pub(super) fn wants(
    tokens: &[Token<'_>],
    count: std::ops::RangeInclusive<usize>,
    usage: &str,
) -> Result<(), Box<Fault>> {
    let given = tokens.len().saturating_sub(1);
    if count.contains(&given) {
        return Ok(());
    }
    // The first word too many, or the end of the entry.
    Err(Fault::new(tokens.len().min(count.end() + 1), Reason::FileDirective, usage))
}
