//! One question with the answers of all servers, and what comes of it.

use crate::comparison::optional_faults;
use crate::contested::{self, Row, single};
use crate::message::{Answer, Question, Way};
use crate::plant::Plot;
use crate::servers::{ALL, Kind};
use crate::table;

/// Those whose word counts when they agree.
pub const REFERENCES: [Kind; 3] = [Kind::Bind, Kind::Knot, Kind::Nsd];

/// One question with its answers.
pub struct Case<'a> {
    /// The zones that it is about.
    pub plot: &'a Plot,
    /// What was asked.
    pub question: &'a Question,
    /// In the order of [`ALL`]; none of a server that does not load the zone.
    pub answers: Vec<Option<Answer>>,
    /// What Bellwether answered to the same question over TCP, if it did not fit easily.
    pub whole: Option<&'a Answer>,
}

/// What came of a case.
pub enum Verdict {
    /// All agree.
    Same,
    /// BIND, Knot and NSD do not agree, and the table knows why.
    Contested(&'static Row),
    /// They do, and PowerDNS differs as the table says.
    PowerDns(&'static Row),
    /// Something is wrong.
    Fault(String),
}

impl Case<'_> {
    /// The answer of one server.
    pub fn of(&self, kind: Kind) -> Option<&Answer> {
        self.answers[kind as usize].as_ref()
    }

    /// Ours.
    pub fn ours(&self) -> &Answer {
        self.of(Kind::Bellwether).expect("we load every zone")
    }

    /// The answers of BIND, Knot and NSD.
    pub fn references(&self) -> impl Iterator<Item = &Answer> {
        REFERENCES.iter().filter_map(|kind| self.of(*kind))
    }

    /// Whether those that there are of `kinds` say the same as we do.
    pub fn is_ours(&self, kinds: &[Kind]) -> bool {
        kinds.iter().filter_map(|kind| self.of(*kind)).all(|answer| answer.equals(self.ours()))
    }

    /// Whether of BIND, Knot and NSD only `kind` says something else than we do.
    pub fn only(&self, kind: Kind) -> bool {
        let others: Vec<Kind> = REFERENCES.into_iter().filter(|other| *other != kind).collect();
        self.of(kind).is_some() && self.is_ours(&others) && !self.is_ours(&[kind])
    }

    /// Whether it went over UDP and someone had more to say than there is room for.
    pub fn is_tight(&self) -> bool {
        let (room, is_udp) = (self.question.room(), self.question.way != Way::Tcp);
        let mut answers = self.answers.iter().flatten().chain(self.whole);
        is_udp && answers.any(|answer| answer.truncated || answer.octets + 128 > room)
    }

    /// The same with all names in lower case.
    fn lowered(&self) -> Case<'_> {
        let lower = |answer: &Option<Answer>| answer.as_ref().map(Answer::lowered);
        Case { answers: self.answers.iter().map(lower).collect(), ..*self }
    }

    /// What comes of it.
    pub fn judge(&self) -> Verdict {
        let lowered = self.lowered();
        let listed =
            || contested::ROWS.iter().chain(contested::signed::ROWS).find(|row| (row.applies)(&lowered));
        let is_mixed = self.question.name != self.question.name.lower() || self.plot.is_mixed_case();
        if self.references_agree() {
            // Two of them are not the word of all three.
            let some_refuse = self.references().count() < REFERENCES.len();
            return match self.judge_agreed() {
                Verdict::Fault(fault) if some_refuse => match (listed(), lowered.judge_agreed()) {
                    (Some(row), _) => Verdict::Contested(row),
                    (None, Verdict::Fault(_)) => Verdict::Fault(fault),
                    (None, _) if is_mixed => Verdict::Contested(&single::SPELLING),
                    (None, _) => Verdict::Fault(fault),
                },
                verdict => verdict,
            };
        }
        if lowered.references_agree() {
            // They differ in nothing but the spelling of names.
            return match lowered.judge_agreed() {
                Verdict::Fault(fault) => Verdict::Fault(fault),
                _ if is_mixed => Verdict::Contested(&single::SPELLING),
                _ => Verdict::Fault("names are spelled as nobody wrote them".into()),
            };
        }
        listed().map_or_else(|| Verdict::Fault("contested, and not in the table".into()), Verdict::Contested)
    }

    fn references_agree(&self) -> bool {
        let answers: Vec<&Answer> = self.references().collect();
        answers.iter().enumerate().all(|(at, one)| answers[at + 1..].iter().all(|other| one.equals(other)))
    }

    fn judge_agreed(&self) -> Verdict {
        let all: Vec<&Answer> = self.references().collect();
        // NSD is told to send no optional data at all.
        let givers: Vec<&Answer> =
            [Kind::Bind, Kind::Knot].into_iter().filter_map(|kind| self.of(kind)).collect();
        let but_additional = |answer: &Answer| answer.equals_but_additional(self.ours());
        if !self.is_ours(&REFERENCES) {
            let from_elsewhere = (single::OTHER_ZONE.applies)(self);
            if from_elsewhere && self.references().all(but_additional) {
                return Verdict::Contested(&single::OTHER_ZONE);
            }
            return Verdict::Fault("BIND, Knot and NSD agree, and we differ".into());
        }
        let faults = optional_faults(self.ours(), &givers, &all);
        if !faults.is_empty() && !self.is_tight() {
            let rows = [&single::OWN_ADDRESS, &single::OTHER_ZONE, &single::MANY_TARGETS];
            if let Some(row) = rows.into_iter().find(|row| (row.applies)(self)) {
                return Verdict::Contested(row);
            }
            return Verdict::Fault(faults.join("; "));
        }
        if self.is_ours(&[Kind::PowerDns]) || self.lowered().is_ours(&[Kind::PowerDns]) {
            return Verdict::Same;
        }
        let row = contested::power_dns::ROWS.iter().find(|row| (row.applies)(self));
        let unlisted = || Verdict::Fault("PowerDNS differs, and the table does not say how".into());
        row.map_or_else(unlisted, Verdict::PowerDns)
    }

    /// Everything that somebody needs who looks into it.
    pub fn report(&self, why: &str) -> String {
        let answer_of = |kind: Kind| self.answers[kind as usize].clone();
        let zones: Vec<String> = self.plot.zones.iter().map(|zone| zone.text()).collect();
        format!(
            "{why}\nseed {}: {}\n{}\nreplay: BELLWETHER_DIFFERENTIAL_SEEDS={} tests/run --test differential\n{}",
            self.plot.seed,
            self.question,
            table::render(answer_of),
            self.plot.seed,
            zones.join("\n")
        )
    }
}

/// The answers of one question from the lists of all servers.
pub fn gather(lists: &[Vec<Answer>], at: usize, refuses: impl Fn(Kind) -> bool) -> Vec<Option<Answer>> {
    ALL.iter().zip(lists).map(|(kind, list)| (!refuses(*kind)).then(|| list[at].clone())).collect()
}
