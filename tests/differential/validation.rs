//! Answers from signed zones as a validator sees them: the one of the `domain` crate.
//!
//! It judges answers, and proofs that there is none. A referral is no final answer to it, so the proof in one is
//! judged as the answer about the DS of the cut, which is what a resolver takes it for (RFC 4035 §5.2). Of
//! a chain that ends outside, or that comes back, the records are judged.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use domain::base::Message;
use domain::dnssec::validator::anchor::TrustAnchors;
use domain::dnssec::validator::context::{ValidationContext, ValidationState};
use domain::net::client::dgram;
use domain::net::client::protocol::UdpConnect;

use crate::asking;
use crate::message::{Answer, Question, Rr, Way};
use crate::name::Name;
use crate::plant::Plot;
use crate::rtype;
use crate::signing::{Chain, Signing};

/// What a validator made of answers.
#[derive(Clone, Debug, Default)]
pub struct Validated {
    /// Answers by what they are, and what they are proven to be.
    pub counts: BTreeMap<(&'static str, Standing), usize>,
    /// Answers that are right and that no proof can show to be.
    pub unproven: usize,
    /// What is wrong, the first ones.
    pub faults: Vec<String>,
}

/// What is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Signed, with all proofs that are needed.
    Secure,
    /// Proven to be unsigned (opt-out).
    Insecure,
}

/// Faults that are kept.
const FAULTS_MAX: usize = 5;

impl fmt::Display for Validated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: usize = self.counts.values().sum();
        write!(f, "validated, {all}: {:?}; {} of names that cannot be", self.counts, self.unproven)
    }
}

/// Asks the questions about signed plots once more, with DO over TCP, and has the answers judged.
pub fn run(server: SocketAddr, folder: &Path, asked: &[(&Plot, Question)], validated: &mut Validated) {
    let signed: Vec<(&Plot, Signing, Question)> = asked
        .iter()
        .filter_map(|(plot, question)| {
            let whole = Question { way: Way::Tcp, edns: Some(1232), dnssec_ok: true, ..question.clone() };
            Some((*plot, plot.signing?, whole))
        })
        .collect();
    if signed.is_empty() {
        return;
    }
    let questions: Vec<Question> = signed.iter().map(|(_, _, question)| question.clone()).collect();
    let messages = asking::ask(server, &questions).expect("answers");
    let apex = |question: &Question, plot: &Plot| {
        let apex = plot.zones[0].apex.clone();
        Question { name: apex, rtype: rtype::SOA, ..question.clone() }
    };
    let starts: Vec<Question> = signed.iter().map(|(plot, _, question)| apex(question, plot)).collect();
    let starts = asking::ask(server, &starts).expect("answers");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let upstream = dgram::Connection::new(UdpConnect::new(server));
        let judge = ValidationContext::new(anchors(folder), upstream);
        for (((plot, signing, question), message), start) in signed.iter().zip(&messages).zip(&starts) {
            let answer = Answer::read(message).expect("a response");
            let start = Answer::read(start).expect("a response").answer;
            if cannot_be_proven(plot, signing.chain, question, &answer) {
                validated.unproven += 1;
                continue;
            }
            for (what, octets) in judged(question, &answer, message, &start) {
                let mut message = Message::from_octets(octets).expect("a message");
                let found = judge.validate_msg::<_, Vec<u8>>(&mut message).await;
                let may_be_insecure = signing.chain == Chain::OptOut;
                let standing = match &found {
                    Ok((ValidationState::Secure, _)) => Standing::Secure,
                    Ok((ValidationState::Insecure, _)) if may_be_insecure => Standing::Insecure,
                    _ => {
                        let seed = plot.seed;
                        let fault = format!("seed {seed}: {question}: {what}: {found:?}\n{answer:#?}");
                        if validated.faults.len() < FAULTS_MAX {
                            validated.faults.push(fault);
                        }
                        continue;
                    }
                };
                *validated.counts.entry((what, standing)).or_default() += 1;
            }
        }
    });
}

/// Whether the zone is such that no server can prove the answer, or the validator takes none:
/// - With opt-out an empty non-terminal above unsigned delegations alone has no NSEC3 (RFC 5155 §7.1), so it
///   looks like a name that is not there, for which a wildcard beside it would stand in.
/// - A DNAME at a wildcard, which RFC 4592 §4.4 leaves undefined, and a CNAME there, if the wildcard itself is asked
///   for and more follows.
/// - A chain that comes through the same DNAME again.
fn cannot_be_proven(plot: &Plot, chain: Chain, question: &Question, answer: &Answer) -> bool {
    let zone = &plot.zones[0];
    let is_unsigned = |owner: &Name| {
        let cut = zone.barrier(owner, rtype::NS);
        cut.is_some_and(|cut| !zone.types(&cut).contains(&rtype::DS))
    };
    let lacks_hash = |name: &Name| {
        zone.types(name).is_empty()
            && zone.has_below(name)
            && zone.owners().iter().filter(|owner| owner.is_below(name)).all(is_unsigned)
    };
    let cnames = answer.answer.iter().filter(|record| record.rtype == rtype::CNAME);
    let led_to = cnames.map(|record| Name::from_wire(&record.rdata));
    let mut names = std::iter::once(question.name.clone()).chain(led_to);
    let hides = |name: &Name| {
        name.lower().upwards().take_while(|above| above.is_below(&zone.apex)).any(|above| lacks_hash(&above))
    };
    let signed = |cname: &&Rr| {
        answer.answer.iter().any(|record| {
            record.rtype == rtype::RRSIG && record.owner == cname.owner && record.rdata.starts_with(&[0, 5])
        })
    };
    let made = answer.answer.iter().filter(|record| record.rtype == rtype::CNAME && !signed(record)).count();
    let dnames = answer.answer.iter().filter(|record| record.rtype == rtype::DNAME).count();
    let of_wildcard =
        |record: &Rr| [rtype::CNAME, rtype::DNAME].contains(&record.rtype) && record.owner.is_wildcard();
    chain == Chain::OptOut && names.any(|name| hides(&name))
        || answer.answer.iter().any(of_wildcard)
        || made > dnames
}

/// The keys of all zones, as the signers wrote them.
fn anchors(folder: &Path) -> TrustAnchors {
    let mut anchors = TrustAnchors::empty();
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
        if entry.path().extension().is_some_and(|extension| extension == "key") {
            let text = fs::read(entry.path()).expect("a key");
            let is_entry_point =
                text.windows(8).any(|window| window == b" 257 3 1" || window == b"\t257 3 1");
            if is_entry_point {
                anchors.add_u8(&text).expect("a key");
            }
        }
    }
    anchors
}

/// The messages that a validator can judge, each with what it is; `start` is the SOA with its signature.
fn judged(
    question: &Question,
    answer: &Answer,
    message: &[u8],
    start: &[Rr],
) -> Vec<(&'static str, Vec<u8>)> {
    let has = |section: &[Rr], rtype| section.iter().any(|record| record.rtype == rtype);
    // Signatures are not signed; what is refused is not ours; other errors have no proof; and a DS of the
    // apex is the parent's.
    let cnames = answer.answer.iter().filter(|record| record.rtype == rtype::CNAME);
    let last = cnames.map(|record| Name::from_wire(&record.rdata)).chain([question.name.clone()]);
    let mut last = last.map(|name| name.lower());
    let is_of_parent =
        question.rtype == rtype::DS && last.any(|name| start.iter().any(|soa| soa.owner.lower() == name));
    if question.rtype == rtype::RRSIG || ![0, 3].contains(&answer.rcode) || is_of_parent {
        return Vec::new();
    }
    let mut found = Vec::new();
    let denial = has(&answer.authority, rtype::SOA);
    // What is made from a DNAME has no signature: the DNAME is judged.
    let made_from = made_from(question, answer);
    let leads_on = has(&answer.answer, rtype::CNAME) && question.rtype != rtype::CNAME;
    if let Some(cut) = answer.cut() {
        found.push(("referral", about_ds(&cut, question, answer, start)));
    }
    let chain = match made_from {
        Some(dname) => Some((&dname.owner, rtype::DNAME)),
        None if leads_on => Some((&question.name, rtype::CNAME)),
        None => None,
    };
    if let (Some((name, rtype)), false) = (chain, denial) {
        // Where it ends, there may be nothing to judge; a referral there is judged above.
        let is_proof = |record: &&Rr| ![rtype::NS, rtype::DS].iter().any(|rtype| is_of(record, *rtype));
        let (chain, proofs) = (answer.answer.iter(), answer.authority.iter().filter(is_proof));
        let asked = Question { name: name.clone(), rtype, ..question.clone() };
        found.push(("chain", write(&asked, &chain.collect::<Vec<_>>(), &proofs.collect::<Vec<_>>())));
    } else if !answer.answer.is_empty() || denial {
        let what = match (answer.rcode, answer.answer.is_empty()) {
            (3, _) => "no such name",
            (_, true) => "no data",
            (_, false) => "answer",
        };
        // ANY is answered with one set, which is judged as if it had been asked for.
        let mut data = answer.answer.iter().map(|record| record.rtype).filter(|rtype| *rtype != rtype::RRSIG);
        let first = match data.next() {
            Some(first) => first,
            None if answer.answer.is_empty() => rtype::A,
            // The one set is that of the signatures.
            None => return found,
        };
        let octets = if question.rtype == rtype::ANY { with_type(message, first) } else { message.to_vec() };
        found.push((what, octets));
    }
    found
}

/// The DNAME above the name that was asked for, if it is the answer.
fn made_from<'a>(question: &Question, answer: &'a Answer) -> Option<&'a Rr> {
    let mut dnames = answer.answer.iter().filter(|record| record.rtype == rtype::DNAME);
    dnames.find(|dname| question.name.lower().is_below(&dname.owner.lower()))
}

/// The message as an answer to a question for another type.
fn with_type(message: &[u8], rtype: u16) -> Vec<u8> {
    let mut message = message.to_vec();
    let end = 12 + message[12..].iter().scan(0, skip).take_while(|is_end| !is_end).count() + 1;
    message[end..end + 2].copy_from_slice(&rtype.to_be_bytes());
    message
}

/// Whether an octet of a name is the zero at its end; `left` octets of the label are to come.
fn skip(left: &mut u8, octet: &u8) -> Option<bool> {
    if *left > 0 {
        *left -= 1;
        return Some(false);
    }
    *left = *octet;
    Some(*octet == 0)
}

/// Whether a record is of a type, or a signature over it.
fn is_of(record: &Rr, rtype: u16) -> bool {
    record.rtype == rtype || record.rtype == rtype::RRSIG && record.rdata.starts_with(&rtype.to_be_bytes())
}

/// A referral's proof as the answer to a question for the DS of the cut.
fn about_ds(cut: &Name, question: &Question, answer: &Answer, start: &[Rr]) -> Vec<u8> {
    let (ds, mut proofs): (Vec<&Rr>, Vec<&Rr>) =
        answer.authority.iter().filter(|record| !is_of(record, rtype::NS)).partition(|r| is_of(r, rtype::DS));
    if ds.is_empty() {
        proofs.extend(start);
    }
    let asked = Question { name: cut.clone(), rtype: rtype::DS, ..question.clone() };
    write(&asked, &ds, &proofs)
}

/// A response of these records.
fn write(question: &Question, answer: &[&Rr], authority: &[&Rr]) -> Vec<u8> {
    let mut message = vec![0, 0, 0x84, 0, 0, 1];
    for count in [answer.len(), authority.len(), 0] {
        message.extend((count as u16).to_be_bytes());
    }
    message.extend(question.section());
    for record in answer.iter().chain(authority) {
        message.extend(record.owner.wire());
        message.extend(record.rtype.to_be_bytes());
        message.extend(record.class.to_be_bytes());
        message.extend(record.ttl.to_be_bytes());
        message.extend((record.rdata.len() as u16).to_be_bytes());
        message.extend(&record.rdata);
    }
    message
}
