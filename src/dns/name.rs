//! Domain names in uncompressed wire form (RFC 1035 §3.1), case kept.
//!
//! Invariant: a [`NameRef`] holds exactly one valid name: labels of 1 to 63 octets, at most 255
//! octets with the final zero. Comparing, ordering and hashing ignore ASCII case (RFC 4343 §3);
//! [`NameRef::same_octets`] does not. The order is the canonical one of RFC 4034 §6.1.
//! Compression belongs to the message reader and writer, not here.

use std::cmp::Ordering;
use std::fmt::{self, Write};
use std::hash::{Hash, Hasher};

use smallvec::SmallVec;

use super::case;

/// The longest name on the wire, with its final zero (RFC 1035 §2.3.4).
pub const NAME_OCTETS_MAX: usize = 255;
/// The longest label (RFC 1035 §2.3.4).
pub const LABEL_OCTETS_MAX: usize = 63;
/// The most labels that fit a name, the root label not counted.
pub const LABELS_MAX: usize = 127;

/// Why octets or text are not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// The octets end before the root label.
    Unfinished,
    /// Octets follow the root label.
    TrailingOctets,
    /// A label is longer than 63 octets.
    LabelTooLong,
    /// The name is longer than 255 octets.
    TooLong,
    /// Two dots in a row, or a dot at the start.
    EmptyLabel,
    /// A backslash escape that is neither `\X` nor `\DDD` with DDD ≤ 255.
    BadEscape,
    /// A compression pointer or a reserved label type where a plain label must stand.
    NotALabel,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NameError::Unfinished => "the name ends before its root label",
            NameError::TrailingOctets => "octets follow the end of the name",
            NameError::LabelTooLong => "a label is longer than 63 octets",
            NameError::TooLong => "the name is longer than 255 octets",
            NameError::EmptyLabel => "a label is empty",
            NameError::BadEscape => {
                "a backslash must be followed by a character or by three digits up to 255"
            }
            NameError::NotALabel => "a label has a reserved length",
        })
    }
}

impl std::error::Error for NameError {}

/// A borrowed name in uncompressed wire form.
#[derive(Clone, Copy)]
pub struct NameRef<'a>(&'a [u8]);

/// An owned name; short ones live without an allocation.
#[derive(Clone)]
pub struct Name(SmallVec<[u8; 38]>);

impl<'a> NameRef<'a> {
    /// The root name.
    pub const ROOT: NameRef<'static> = NameRef(&[0]);

    /// Takes exactly one uncompressed name.
    pub fn from_wire(octets: &'a [u8]) -> Result<NameRef<'a>, NameError> {
        let (name, rest) = NameRef::split_from(octets)?;
        if rest.is_empty() { Ok(name) } else { Err(NameError::TrailingOctets) }
    }

    /// Takes the uncompressed name at the start of `octets` and returns what follows it.
    pub fn split_from(octets: &'a [u8]) -> Result<(NameRef<'a>, &'a [u8]), NameError> {
        let mut at = 0;
        loop {
            let length = usize::from(*octets.get(at).ok_or(NameError::Unfinished)?);
            if length > LABEL_OCTETS_MAX {
                return Err(NameError::NotALabel);
            }
            at += 1 + length;
            if at > NAME_OCTETS_MAX {
                return Err(NameError::TooLong);
            }
            if length == 0 {
                let (name, rest) = octets.split_at(at);
                return Ok((NameRef(name), rest));
            }
        }
    }

    /// Takes octets that are known to be one valid name (they came out of a `NameRef` or a `Name`).
    /// A wrong claim gives wrong answers, never unsafety.
    pub fn from_valid_wire(octets: &'a [u8]) -> NameRef<'a> {
        debug_assert!(NameRef::from_wire(octets).is_ok(), "not one valid name: {octets:?}");
        NameRef(octets)
    }

    /// The wire form, final zero included.
    pub fn wire(self) -> &'a [u8] {
        self.0
    }

    /// Octets on the wire, 1 to 255.
    pub fn wire_len(self) -> usize {
        self.0.len()
    }

    /// Whether this is the root.
    pub fn is_root(self) -> bool {
        self.0.len() == 1
    }

    /// The labels from the leftmost to the one below the root, without their length octets.
    pub fn labels(self) -> Labels<'a> {
        Labels(self.0)
    }

    /// How many labels there are, the root label not counted (RFC 4034 §3.1.3 counts alike).
    pub fn label_count(self) -> usize {
        self.labels().count()
    }

    /// The leftmost label; `None` at the root.
    pub fn first_label(self) -> Option<&'a [u8]> {
        self.labels().next()
    }

    /// The name without its leftmost label; `None` at the root.
    pub fn parent(self) -> Option<NameRef<'a>> {
        match self.0[0] {
            0 => None,
            length => Some(NameRef(&self.0[1 + usize::from(length)..])),
        }
    }

    /// The name with its `count` leftmost labels taken off; the root if there are fewer.
    pub fn skip_labels(self, count: usize) -> NameRef<'a> {
        let mut name = self;
        for _ in 0..count {
            match name.parent() {
                Some(parent) => name = parent,
                None => break,
            }
        }
        name
    }

    /// Whether this name is `ancestor` or below it.
    pub fn is_at_or_below(self, ancestor: NameRef<'_>) -> bool {
        self.prefix_above(ancestor).is_some()
    }

    /// The octets of the labels in front of `ancestor`, without a final zero: empty if the two are
    /// equal, `None` if this name is not at or below `ancestor`.
    pub fn prefix_above(self, ancestor: NameRef<'_>) -> Option<&'a [u8]> {
        self.labels_above(ancestor).map(|(labels, _)| labels)
    }

    /// The same, and how many labels that are.
    #[inline]
    pub fn labels_above(self, ancestor: NameRef<'_>) -> Option<(&'a [u8], u8)> {
        let split = self.0.len().checked_sub(ancestor.0.len())?;
        let (above, tail) = self.0.split_at(split);
        if !case::same(tail, ancestor.0) {
            return None;
        }
        // The tail must begin at a label, not inside one.
        let (mut at, mut count) = (0, 0);
        while let Some(length) = above.get(at) {
            at += 1 + usize::from(*length);
            count += 1;
        }
        (at == split).then_some((above, count))
    }

    /// Whether the two are the same octet for octet, case included.
    pub fn same_octets(self, other: NameRef<'_>) -> bool {
        self.0 == other.0
    }

    /// An owned copy.
    pub fn to_name(self) -> Name {
        Name(SmallVec::from_slice(self.0))
    }

    /// An owned copy in lower case, as digests and signatures want it (RFC 4034 §6.2).
    pub fn to_lowercase(self) -> Name {
        let mut name = self.to_name();
        // Length octets are at most 63, below every ASCII letter.
        name.0.make_ascii_lowercase();
        name
    }
}

impl Name {
    /// The root name.
    pub fn root() -> Name {
        NameRef::ROOT.to_name()
    }

    /// Takes exactly one uncompressed name.
    pub fn from_wire(octets: &[u8]) -> Result<Name, NameError> {
        NameRef::from_wire(octets).map(NameRef::to_name)
    }

    /// Reads presentation form (RFC 1035 §5.1, `\.`, `\DDD`). The name is absolute with or without
    /// a final dot; an empty text is an error, `.` is the root.
    pub fn parse(text: &str) -> Result<Name, NameError> {
        let mut octets: SmallVec<[u8; 38]> = SmallVec::new();
        let text = text.as_bytes();
        if text == b"." {
            return Ok(Name::root());
        }
        let mut label_at = 0;
        octets.push(0);
        let mut at = 0;
        while at < text.len() {
            if text[at] == b'.' {
                close_label(&mut octets, label_at)?;
                label_at = octets.len();
                octets.push(0);
                at += 1;
                continue;
            }
            let (octet, used) = unescape(&text[at..])?;
            octets.push(octet);
            at += used;
        }
        if octets.len() > label_at + 1 {
            close_label(&mut octets, label_at)?;
            octets.push(0);
        } else if label_at == 0 {
            return Err(NameError::EmptyLabel);
        }
        if octets.len() > NAME_OCTETS_MAX {
            return Err(NameError::TooLong);
        }
        Ok(Name(octets))
    }

    /// Puts `prefix` (labels without a final zero, as [`NameRef::prefix_above`] gives them) in front
    /// of `ancestor`.
    pub fn join(prefix: &[u8], ancestor: NameRef<'_>) -> Result<Name, NameError> {
        if prefix.len() + ancestor.0.len() > NAME_OCTETS_MAX {
            return Err(NameError::TooLong);
        }
        let mut octets = SmallVec::from_slice(prefix);
        octets.extend_from_slice(ancestor.0);
        Ok(Name(octets))
    }

    /// This name as a borrowed one.
    pub fn as_ref(&self) -> NameRef<'_> {
        NameRef(&self.0)
    }
}

/// Writes the length octet of the label that began at `label_at`.
fn close_label(octets: &mut SmallVec<[u8; 38]>, label_at: usize) -> Result<(), NameError> {
    match octets.len() - label_at - 1 {
        0 => Err(NameError::EmptyLabel),
        length @ 1..=LABEL_OCTETS_MAX => {
            octets[label_at] = length as u8;
            Ok(())
        }
        _ => Err(NameError::LabelTooLong),
    }
}

/// One octet of presentation form and how many characters it took (RFC 1035 §5.1).
fn unescape(text: &[u8]) -> Result<(u8, usize), NameError> {
    match text {
        [b'\\', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', ..] => {
            let value = u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0');
            u8::try_from(value).map(|octet| (octet, 4)).map_err(|_| NameError::BadEscape)
        }
        [b'\\', b'0'..=b'9', ..] | [b'\\'] => Err(NameError::BadEscape),
        [b'\\', octet, ..] => Ok((*octet, 2)),
        [octet, ..] => Ok((*octet, 1)),
        [] => Err(NameError::Unfinished),
    }
}

/// The labels of a name, leftmost first.
#[derive(Clone)]
pub struct Labels<'a>(&'a [u8]);

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (&length, rest) = self.0.split_first()?;
        if length == 0 {
            return None;
        }
        let (label, rest) = rest.split_at(usize::from(length));
        self.0 = rest;
        Some(label)
    }
}

impl PartialEq for NameRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        case::same(self.0, other.0)
    }
}

impl Eq for NameRef<'_> {}

/// RFC 4034 §6.1: label by label from the right, as lower-cased octet strings.
impl Ord for NameRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let mut mine: SmallVec<[&[u8]; 16]> = self.labels().collect();
        let mut theirs: SmallVec<[&[u8]; 16]> = other.labels().collect();
        loop {
            match (mine.pop(), theirs.pop()) {
                (None, None) => return Ordering::Equal,
                (None, Some(_)) => return Ordering::Less,
                (Some(_), None) => return Ordering::Greater,
                (Some(left), Some(right)) => {
                    let left = left.iter().map(u8::to_ascii_lowercase);
                    let order = left.cmp(right.iter().map(u8::to_ascii_lowercase));
                    if order.is_ne() {
                        return order;
                    }
                }
            }
        }
    }
}

impl PartialOrd for NameRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for NameRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut lower = [0; NAME_OCTETS_MAX];
        state.write(case::write_lower(self.0, &mut lower));
    }
}

/// Presentation form with a final dot; everything outside printable ASCII as `\DDD`.
impl fmt::Display for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for label in self.labels() {
            for &octet in label {
                match octet {
                    b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                        f.write_char('\\')?;
                        f.write_char(char::from(octet))?;
                    }
                    0x21..=0x7e => f.write_char(char::from(octet))?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
            f.write_char('.')?;
        }
        Ok(())
    }
}

impl fmt::Debug for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl Eq for Name {}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_ref().cmp(&other.as_ref())
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_ref().hash(state);
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Name, NameError> {
        Name::parse(text)
    }
}

#[cfg(test)]
mod tests;
