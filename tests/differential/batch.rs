//! Many plots at once: all servers are started with them, all are asked, all answers compared.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use crate::asking;
use crate::case::{Case, Verdict, gather};
use crate::contested;
use crate::ground::{self, Yard};
use crate::message::{Answer, Question, Way};
use crate::name::Name;
use crate::plant::Plot;
use crate::questions;
use crate::rtype;
use crate::servers::{ALL, Server};
use crate::signing::Signing;
use crate::validation::{self, Validated};

/// What came of many cases.
#[derive(Default)]
pub struct Tally {
    /// Zones.
    pub zones: usize,
    /// Questions.
    pub questions: usize,
    /// Questions about which BIND, Knot and NSD do not agree, by row of the table.
    pub contested: BTreeMap<&'static str, usize>,
    /// Questions to which only PowerDNS has another answer, by row.
    pub power_dns: BTreeMap<&'static str, usize>,
    /// Faults by what is wrong, with the first reports of each.
    pub faults: BTreeMap<String, (usize, Vec<String>)>,
    /// What a validator made of our answers.
    pub validated: Validated,
}

/// Reports that are kept of each fault.
const REPORTS_MAX: usize = 3;

impl Tally {
    /// Contested questions in a thousand.
    pub fn contested_per_mille(&self) -> f64 {
        self.contested.values().sum::<usize>() as f64 * 1000.0 / self.questions.max(1) as f64
    }

    /// Fails with the reports if there is a fault.
    pub fn assert_no_fault(&self) {
        for (why, (count, reports)) in &self.faults {
            reports.iter().for_each(|report| println!("\n{report}"));
            println!("{count} times: {why}");
        }
        self.validated.faults.iter().for_each(|fault| println!("\n{fault}"));
        assert!(self.validated.faults.is_empty(), "answers do not validate, shown above");
        assert!(self.faults.is_empty(), "{} kinds of faults, shown above", self.faults.len());
    }

    /// The rows of the table that no question showed, but for those of signed zones.
    pub fn rows_unseen(&self) -> Vec<&'static str> {
        let seen = |id: &&str| self.contested.contains_key(id) || self.power_dns.contains_key(id);
        let signed = |id: &&str| contested::signed::ROWS.iter().any(|row| row.id == *id);
        contested::all().map(|row| row.id).filter(|id| !seen(id) && !signed(id)).collect()
    }

    fn count(&mut self, case: &Case) {
        self.questions += 1;
        match case.judge() {
            Verdict::Same => {}
            Verdict::Contested(row) => *self.contested.entry(row.id).or_default() += 1,
            Verdict::PowerDns(row) => *self.power_dns.entry(row.id).or_default() += 1,
            Verdict::Fault(why) => {
                let report = || case.report(&why);
                let (count, reports) = self.faults.entry(why.clone()).or_default();
                *count += 1;
                if reports.len() < REPORTS_MAX {
                    reports.push(report());
                }
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (zones, questions) = (self.zones, self.questions);
        let faults: usize = self.faults.values().map(|(count, _)| count).sum();
        writeln!(f, "{zones} zones, {questions} questions, {faults} faults")?;
        writeln!(f, "contested, {:.1} in a thousand: {:?}", self.contested_per_mille(), self.contested)?;
        write!(f, "PowerDNS alone: {:?}\n{}", self.power_dns, self.validated)
    }
}

/// Asks everything about the plots and compares.
pub fn run(yard: &Yard, plots: &[Plot], tally: &mut Tally) {
    let folder = yard.folder("zones");
    let mut zones: Vec<(Name, PathBuf)> = Vec::new();
    for plot in plots {
        for zone in &plot.zones {
            let file = folder.join(format!("{}-{}.zone", plot.seed, zones.len()));
            fs::write(&file, zone.text()).expect("a zone file");
            let sign = |signing: Signing| signing.sign(&folder, &zone.apex, &file);
            zones.push((zone.apex.clone(), plot.signing.map_or_else(|| file.clone(), sign)));
        }
    }
    let mut servers = ALL.map(|kind| Server::start(yard, kind, &zones));
    servers.iter_mut().for_each(|server| wait(server, plots));
    tally.zones += zones.len();
    let asked: Vec<(&Plot, Question)> = plots
        .iter()
        .flat_map(|plot| questions::about(plot).into_iter().map(move |question| (plot, question)))
        .collect();
    validation::run(servers[0].address, &folder, &asked, &mut tally.validated);
    let first: Vec<Question> = asked.iter().map(|(_, question)| question.clone()).collect();
    let answers = ask_all(&servers, &first);
    // What did not fit is asked once more over TCP: the whole answer shows what had to be there.
    let mut again: Vec<(usize, Question)> = Vec::new();
    for (at, question) in first.iter().enumerate() {
        let tight = |list: &Vec<Answer>| list[at].truncated || list[at].octets + 128 > question.room();
        if question.way != Way::Tcp && answers.iter().any(tight) {
            again.push((at, Question { way: Way::Tcp, ..question.clone() }));
        }
    }
    let second: Vec<Question> = again.iter().map(|(_, question)| question.clone()).collect();
    let whole = ask_all(&servers, &second);
    let whole_of: BTreeMap<usize, &Answer> =
        again.iter().zip(&whole[0]).map(|((at, _), answer)| (*at, answer)).collect();
    for (at, (plot, question)) in asked.iter().enumerate() {
        let answers = gather(&answers, at, |kind| plot.is_refused_by(kind));
        tally.count(&Case { plot, question, answers, whole: whole_of.get(&at).copied() });
    }
    for (at, (first, question)) in again.iter().enumerate() {
        let plot = asked[*first].0;
        let answers = gather(&whole, at, |kind| plot.is_refused_by(kind));
        tally.count(&Case { plot, question, answers, whole: None });
    }
}

/// All servers at the same time; a list of answers for each.
fn ask_all(servers: &[Server], questions: &[Question]) -> Vec<Vec<Answer>> {
    std::thread::scope(|scope| {
        let ask = |server: &Server| {
            let (kind, address) = (server.kind, server.address);
            scope.spawn(move || {
                let answers = asking::ask(address, questions);
                let answers = answers.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
                let read = |(message, question): (&Vec<u8>, &Question)| {
                    Answer::read(message).unwrap_or_else(|| panic!("{kind:?} to {question}: {message:?}"))
                };
                answers.iter().zip(questions).map(read).collect()
            })
        };
        let threads: Vec<_> = servers.iter().map(ask).collect();
        threads.into_iter().map(|thread| thread.join().expect("an answer to each question")).collect()
    })
}

/// Waits until every zone is served, but for those that are not loaded for a reason that is known.
fn wait(server: &mut Server, plots: &[Plot]) {
    let kind = server.kind;
    let begun = Instant::now();
    for plot in plots.iter().filter(|plot| !plot.is_refused_by(kind)) {
        for zone in &plot.zones {
            let question = apex_question(&zone.apex);
            while !serves(server, &question) {
                server.assert_running();
                let said = || server.said_about(&zone.apex);
                assert!(begun.elapsed() < ground::PATIENCE, "{kind:?} serves no {}: {}", zone.apex, said());
                std::thread::sleep(ground::LOOK_AGAIN);
            }
        }
    }
    // Of zones that depend on each other, NSD refuses the one that it reads last.
    for plot in plots.iter().filter(|plot| plot.zones.len() == 1) {
        for zone in plot.zones.iter().filter(|zone| zone.is_refused_by(kind, &plot.zones)) {
            assert!(!serves(server, &apex_question(&zone.apex)), "{kind:?} loads {} by now", zone.apex);
        }
    }
}

fn apex_question(apex: &Name) -> Question {
    let (name, rtype) = (apex.clone(), rtype::SOA);
    Question { name, rtype, way: Way::Udp, edns: None, dnssec_ok: false, recursion_desired: false }
}

fn serves(server: &Server, question: &Question) -> bool {
    let answers = asking::ask_once(server.address, question);
    let answer = answers.and_then(|message| Answer::read(&message));
    answer.is_some_and(|answer| answer.authoritative && answer.rcode == 0)
}
