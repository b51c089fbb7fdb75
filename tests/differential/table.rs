//! Answers side by side: one line for each thing said, one column for each server.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::message::{Answer, Rr};
use crate::servers::{ALL, Kind};

/// One section of an answer.
type Section = fn(&Answer) -> &Vec<Rr>;

/// The answers as a table; servers without one have refused the zone.
pub fn render(answer_of: impl Fn(Kind) -> Option<Answer>) -> String {
    let answers: Vec<Option<Answer>> = ALL.into_iter().map(answer_of).collect();
    let mut text = String::new();
    let mut line = |cells: Vec<String>, what: &str| {
        let _ = writeln!(
            text,
            "    {}  {what}",
            cells.iter().map(|cell| format!("{cell:<11}")).collect::<String>()
        );
    };
    line(ALL.iter().map(|kind| format!("{kind:?}")).collect(), "");
    let mut fact = |what: &str, value: &dyn Fn(&Answer) -> String| {
        let cell = |answer: &Option<Answer>| answer.as_ref().map_or("refuses".into(), value);
        line(answers.iter().map(cell).collect(), what);
    };
    fact("rcode", &|answer| answer.rcode.to_string());
    fact("flags", &|answer| {
        let flags = [
            (answer.authoritative, "aa"),
            (answer.truncated, "tc"),
            (answer.other_flags & 0x100 != 0, "rd"),
            (answer.other_flags & 0x80 != 0, "ra"),
            (answer.other_flags & 0x60 != 0, "z/ad"),
        ];
        flags.iter().filter(|(set, _)| *set).map(|(_, text)| *text).collect::<Vec<_>>().join(" ")
    });
    fact("EDNS", &|answer| match answer.opt {
        None => "none".into(),
        Some(true) => "do".into(),
        Some(false) => "yes".into(),
    });
    fact("octets", &|answer| answer.octets.to_string());
    let sections: [(&str, Section); 3] = [
        ("answer", |answer| &answer.answer),
        ("authority", |answer| &answer.authority),
        ("additional", |answer| &answer.additional),
    ];
    for (name, section) in sections {
        let records: BTreeSet<_> = answers.iter().flatten().flat_map(section).collect();
        for record in records {
            fact(&format!("{name}: {record:?}"), &|answer| match section(answer)
                .iter()
                .filter(|other| *other == record)
                .count()
            {
                0 => "-".into(),
                1 => "x".into(),
                count => format!("x{count}"),
            });
        }
    }
    text
}
