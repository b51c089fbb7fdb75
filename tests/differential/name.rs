//! Names in wire form, and as text with the escapes of RFC 1035 §5.1.

use std::fmt;

/// The longest name (RFC 1035 §2.3.4).
pub const OCTETS_MAX: usize = 255;

/// A name, not compressed, spelled as it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Vec<u8>);

impl Name {
    /// From octets that hold one whole name.
    pub fn from_wire(wire: &[u8]) -> Name {
        Name(wire.to_vec())
    }

    /// From plain labels between dots.
    pub fn plain(text: &str) -> Name {
        let mut wire = Vec::new();
        for label in text.split('.').filter(|label| !label.is_empty()) {
            wire.push(label.len() as u8);
            wire.extend(label.as_bytes());
        }
        wire.push(0);
        Name(wire)
    }

    /// The octets.
    pub fn wire(&self) -> &[u8] {
        &self.0
    }

    /// The labels, the leftmost first.
    pub fn labels(&self) -> Vec<&[u8]> {
        let (mut labels, mut rest) = (Vec::new(), &self.0[..]);
        while let [length @ 1..=63, tail @ ..] = rest {
            let (label, after) = tail.split_at(usize::from(*length));
            labels.push(label);
            rest = after;
        }
        labels
    }

    /// The name with one label more, if it is not too long for that.
    pub fn child(&self, label: &[u8]) -> Option<Name> {
        let wire = [&[label.len() as u8], label, &self.0].concat();
        (wire.len() <= OCTETS_MAX && !label.is_empty() && label.len() < 64).then_some(Name(wire))
    }

    /// The name with its leftmost label gone; none of the root.
    pub fn parent(&self) -> Option<Name> {
        let (length, _) = self.0.split_first()?;
        (*length > 0).then(|| Name(self.0[usize::from(*length) + 1..].to_vec()))
    }

    /// The name and all those above it.
    pub fn upwards(&self) -> impl Iterator<Item = Name> {
        std::iter::successors(Some(self.clone()), Name::parent)
    }

    /// In lower case (RFC 4343 §3). Length octets are no letters.
    pub fn lower(&self) -> Name {
        Name(self.0.to_ascii_lowercase())
    }

    /// With the case of letters turned where `turn` says so.
    pub fn recased(&self, mut turn: impl FnMut() -> bool) -> Name {
        let recase = |octet: &u8| {
            if octet.is_ascii_alphabetic() && turn() { octet ^ 0x20 } else { *octet }
        };
        Name(self.0.iter().map(recase).collect())
    }

    /// Whether it is `other` or below it, without case.
    pub fn is_at_or_below(&self, other: &Name) -> bool {
        let other = other.lower();
        self.lower().upwards().any(|name| name == other)
    }

    /// Whether it is below `other`.
    pub fn is_below(&self, other: &Name) -> bool {
        self.0.len() > other.0.len() && self.is_at_or_below(other)
    }

    /// Whether its first label is `*`.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with(b"\x01*")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == [0] {
            return f.write_str(".");
        }
        for label in self.labels() {
            for octet in label {
                match octet {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'*' | b'/' | b'+' => {
                        write!(f, "{}", char::from(*octet))?;
                    }
                    // "\[" would begin a bit label of RFC 2673, which BIND and NSD still refuse.
                    b'[' => f.write_str("\\091")?,
                    b'!'..=b'~' => write!(f, "\\{}", char::from(*octet))?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
