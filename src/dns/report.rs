//! Error reports: a query whose name says what went wrong where (RFC 9567 §6.1.1).
//!
//! `_er.1.broken.example.7._er.agent.example.` says that `broken.example.` with type A (1) failed with
//! the extended error 7, to whoever is responsible for `agent.example.`.

use super::name::{Name, NameRef};
use super::rtype::RecordType;

/// The first label of a report, and the last before the agent's name.
const MARK: &[u8] = b"_er";

/// A report that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorReport<'q> {
    /// The type that was asked for.
    pub qtype: RecordType,
    /// The INFO-CODE of the extended error.
    pub info_code: u16,
    /// The labels of the name that was asked for, without a final zero.
    labels: &'q [u8],
}

impl<'q> ErrorReport<'q> {
    /// The report that `qname` makes to `agent`, if it is one.
    pub fn read(qname: NameRef<'q>, agent: NameRef<'_>) -> Option<ErrorReport<'q>> {
        let (first, rest) = split_label(qname.prefix_above(agent)?)?;
        let (qtype, rest) = split_label(rest)?;
        let (rest, last) = split_last_label(rest)?;
        let (labels, info_code) = split_last_label(rest)?;
        if !first.eq_ignore_ascii_case(MARK) || !last.eq_ignore_ascii_case(MARK) {
            return None;
        }
        Some(ErrorReport { qtype: RecordType(number(qtype)?), info_code: number(info_code)?, labels })
    }

    /// The name that was asked for.
    pub fn name(&self) -> Option<Name> {
        Name::join(self.labels, NameRef::ROOT).ok()
    }
}

/// The label at the start of a run of labels, and the rest.
fn split_label(labels: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = labels.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// What stands before the last label of a run of labels, and that label.
fn split_last_label(labels: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = labels;
    loop {
        let (label, after) = split_label(rest)?;
        if after.is_empty() {
            return Some((labels.get(..labels.len() - rest.len())?, label));
        }
        rest = after;
    }
}

/// A decimal number without anything else.
fn number(label: &[u8]) -> Option<u16> {
    let text =
        std::str::from_utf8(label).ok().filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()))?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a52_reports_are_read() {
        let agent = Name::parse("agent.example.").unwrap();
        let read = |text: &str| {
            let qname = Name::parse(text).unwrap();
            let report = ErrorReport::read(qname.as_ref(), agent.as_ref())?;
            Some((report.name().unwrap().to_string(), report.qtype.0, report.info_code))
        };
        let broken = |name: &str, qtype, code| Some((name.to_owned(), qtype, code));
        assert_eq!(read("_er.1.broken.test.7._er.agent.example."), broken("broken.test.", 1, 7));
        assert_eq!(read("_ER.28.Broken.Test.65535._eR.Agent.Example."), broken("Broken.Test.", 28, 65_535));
        assert_eq!(read("_er.48.22._er.agent.example."), broken(".", 48, 22));
        assert_eq!(read("_er.1._er.7._er.7._er.agent.example."), broken("_er.7._er.", 1, 7));
        for other in [
            "agent.example.",
            "_er.agent.example.",
            "_er.1._er.agent.example.",
            "_er.1.broken.test.7.agent.example.",
            "_er.1.broken.test.7.er.agent.example.",
            "er.1.broken.test.7._er.agent.example.",
            "1.broken.test.7._er.agent.example.",
            "_er.a.broken.test.7._er.agent.example.",
            "_er.1.broken.test.x._er.agent.example.",
            "_er.1.broken.test.65536._er.agent.example.",
            "_er.+1.broken.test.7._er.agent.example.",
            "_er.1.broken.test.7._er.other.example.",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
