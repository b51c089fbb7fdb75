//! Whoever means harm: somebody on the wire, and a relay that sends what it should not.
//!
//! Nobody can tell a good forgery of unsigned messages from the truth. So what is done here is what
//! a secondary must refuse (R23, D11, D12, E08, G02), by name; and messages of long ago, which it
//! may take for what they were, but never mix with others.

use std::collections::BTreeMap;

use bellwether::dns::message::{Compression, Header, Question, Reader, Scratch, Section, Writer};
use bellwether::dns::{Class, Name, Record, RecordType, Serial};
use bellwether::env::Random;
use bellwether::env::sim::SimRandom;
use bellwether::ident::ZoneId;
use bellwether::limits::MESSAGE_OCTETS_MAX;
use bellwether::transfer::incoming::{Ask, AskKind};

use crate::flock::name;

/// Messages that are kept to be sent again.
const KEPT: usize = 6;

/// What was asked, as far as a forger has to know it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What was asked.
    pub kind: AskKind,
    /// Of this zone.
    pub apex: Name,
    /// The serial that the asker has, unless it would take any.
    pub base: Option<Serial>,
    /// Whether the answer must be signed.
    pub signed: bool,
    /// Whether it comes over a stream.
    pub stream: bool,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Harm {
    /// Nothing.
    None,
    /// It is another now, which may be believed.
    Other(Vec<u8>),
    /// It is another now, which must be refused, for this reason.
    Forged(Vec<u8>, &'static str),
}

/// Somebody on the wire, with a memory.
#[derive(Debug, Default)]
pub struct Eavesdropper {
    kept: BTreeMap<(usize, usize, ZoneId, RecordType), Vec<Vec<u8>>>,
}

impl Asked {
    /// What a request asks.
    pub fn new(ask: &Ask) -> Asked {
        let newer_only = ask.base.as_ref().filter(|_| !ask.accept_lower);
        Asked {
            kind: ask.kind.clone(),
            apex: ask.apex.clone(),
            base: newer_only.map(|base| base.serial()),
            signed: ask.key.is_some(),
            stream: ask.transport.is_stream(),
        }
    }

    fn qtype(&self) -> RecordType {
        match self.kind {
            AskKind::Soa | AskKind::Notify(_) => RecordType::SOA,
            AskKind::Ixfr => RecordType::IXFR,
            AskKind::Axfr => RecordType::AXFR,
        }
    }

    /// Of a hundred answers, how many are tampered with. Where no transfer comes through, a serial
    /// still does now and then.
    pub fn chance(&self, tampered: u64) -> u64 {
        if self.is_transfer() { tampered } else { tampered.min(30) }
    }

    fn is_transfer(&self) -> bool {
        matches!(self.kind, AskKind::Ixfr | AskKind::Axfr)
    }
}

impl Eavesdropper {
    /// Does something to a reply on its way between two servers.
    pub fn tamper(
        &mut self,
        random: &mut SimRandom,
        (from, to, zone): (usize, usize, ZoneId),
        asked: &Asked,
        octets: &[u8],
    ) -> Harm {
        let kept = self.kept.entry((from, to, zone, asked.qtype())).or_default();
        if !matches!(asked.kind, AskKind::Notify(_)) && octets.len() < 8000 {
            kept.push(octets.to_vec());
            kept.drain(..kept.len().saturating_sub(KEPT));
        }
        if random.one_in(4) && kept.len() > 1 {
            let mut old = kept[random.below(kept.len() as u64 - 1) as usize].clone();
            // A request that came twice was answered twice, and both answers are good.
            let is_old = old[..2] != octets[..2];
            old[..2].copy_from_slice(&octets[..2]);
            return match asked.signed && is_old {
                true => Harm::Forged(old, "an old signature"),
                false => Harm::Other(old),
            };
        }
        match asked.signed {
            true => forge_signed(random, octets),
            false => forge(random, asked, octets),
        }
    }
}

/// A signed message: whatever is done to it, its signature tells.
fn forge_signed(random: &mut SimRandom, octets: &[u8]) -> Harm {
    let Ok(reader) = Reader::new(octets) else { return Harm::None };
    let Some(at) = reader.tsig().map(|tsig| tsig.at).filter(|at| *at > 12) else { return Harm::None };
    let mut octets = octets.to_vec();
    if random.one_in(2) {
        let bit = 16 + random.below(at as u64 * 8 - 16);
        octets[bit as usize / 8] ^= 1 << (bit % 8);
        return Harm::Forged(octets, "an octet that the signature does not cover");
    }
    octets.truncate(at);
    let additional = u16::from_be_bytes([octets[10], octets[11]]) - 1;
    octets[10..12].copy_from_slice(&additional.to_be_bytes());
    Harm::Forged(octets, "no signature")
}

/// An unsigned message, or one that is yet to be signed by somebody who means harm.
pub fn forge(random: &mut SimRandom, asked: &Asked, octets: &[u8]) -> Harm {
    if asked.is_transfer() && !random.one_in(4) {
        return forge_records(random, asked, octets);
    }
    let mut forged = octets.to_vec();
    let has_question = Header::read(octets).is_some_and(|header| header.counts[0] == 1);
    let question_end = 12 + asked.apex.as_ref().wire().len() + 4;
    let what = match random.below(9) {
        0 => {
            forged[2] &= 0x7f;
            "QR clear"
        }
        1 => {
            forged[2] ^= 0x10;
            "another opcode"
        }
        2 if has_question => {
            forged[13] ^= 0x03;
            "another name in the question"
        }
        3 if has_question => {
            forged[question_end - 3] ^= 0x04;
            "another type in the question"
        }
        4 if has_question => {
            forged[question_end - 1] = 3;
            "another class in the question"
        }
        5 => {
            forged.truncate(random.below(octets.len() as u64) as usize);
            "a message that was cut off"
        }
        6 => {
            forged[3] = forged[3] & 0xf0 | 5;
            "REFUSED"
        }
        7 if asked.stream => {
            forged[2] |= 0x02;
            "TC on a stream"
        }
        8 if asked.kind == AskKind::Soa => {
            forged[2] &= 0xfb;
            "AA clear"
        }
        _ => {
            forged[1] ^= 1;
            "another id"
        }
    };
    Harm::Forged(forged, what)
}

/// A transfer whose records are not what they should be.
fn forge_records(random: &mut SimRandom, asked: &Asked, octets: &[u8]) -> Harm {
    let Some(mut parts) = Parts::take(octets) else { return Harm::None };
    let count = parts.answers.len() as u64;
    let begins = parts.is_first && parts.answers[0].1.rtype == RecordType::SOA;
    // The first message and, since it is not full, the last.
    let whole = begins
        && octets.len() < 12_000
        && count > 1
        && parts.answers[count as usize - 1].1.rdata == parts.answers[0].1.rdata;
    let last = count as usize - 1;
    let steps = whole && asked.kind == AskKind::Ixfr && count > 3 && parts.is_soa(1);
    let host = |owner: &str| Record {
        owner: name(owner),
        rtype: RecordType::A,
        ttl: 300,
        rdata: vec![192, 0, 2, 77].into(),
    };
    let what = match random.below(10) {
        0 => {
            let at = 1 + random.below(count) as usize;
            parts.answers.insert(at.min(last + 1), (Class::IN, host("host.elsewhere.")));
            "a record outside of the zone"
        }
        1 => {
            parts.answers[random.below(count) as usize].0 = Class::CH;
            "a record of another class"
        }
        2 if whole => {
            parts.add_to_serial(last, 1);
            "a closing SOA that differs"
        }
        3 if whole && count > 3 => {
            // As from a server that changes the zone while it sends it.
            parts.add_to_serial(last, 1);
            let gone = 1 + random.below(count - 2) as usize;
            parts.answers.remove(gone);
            "a mix that ends with another SOA"
        }
        4 if whole => {
            let trailing = host(&format!("trailing.{}", asked.apex));
            parts.answers.push((Class::IN, trailing));
            "a record after the closing SOA"
        }
        5 if steps => {
            let soas: Vec<usize> = (1..last).filter(|&at| parts.is_soa(at)).collect();
            parts.answers.remove(soas[random.below(soas.len() as u64) as usize]);
            "a step without one of its SOAs"
        }
        6 if steps => {
            parts.answers.insert(2, (Class::IN, host(&format!("nosuch.{}", asked.apex))));
            "the deletion of a record that is not there"
        }
        7 if steps => {
            let present = Record {
                owner: asked.apex.clone(),
                rtype: RecordType::NS,
                ttl: 300,
                rdata: name(&format!("ns1.{}", asked.apex)).as_ref().wire().into(),
            };
            parts.answers.insert(last, (Class::IN, present));
            "the addition of a record that is there"
        }
        8 if begins && asked.base.is_some() => {
            let ours = asked.base.unwrap_or_default().0;
            let undefined = random.one_in(2);
            let wanted = ours.wrapping_sub(if undefined { 1 << 31 } else { 3 });
            for at in (0..count as usize).filter(|&at| at == 0 || at == last) {
                if parts.is_soa(at) {
                    let now = parts.serial(at);
                    parts.add_to_serial(at, wanted.wrapping_sub(now));
                }
            }
            "a serial that is not newer"
        }
        _ => {
            let mut cut = octets.to_vec();
            cut.truncate(random.below(octets.len() as u64) as usize);
            return Harm::Forged(cut, "a message that was cut off");
        }
    };
    Harm::Forged(parts.put_together(asked), what)
}

/// A message of a transfer, taken apart.
struct Parts {
    header: Header,
    is_first: bool,
    answers: Vec<(Class, Record)>,
}

impl Parts {
    /// `None` if it has no answers.
    fn take(octets: &[u8]) -> Option<Parts> {
        let mut reader = Reader::new(octets).ok()?;
        let (header, is_first) = (reader.header(), reader.question().is_some());
        let mut scratch = Scratch::new();
        let mut answers = Vec::new();
        while let Some((_, class, record)) = reader.next_record(&mut scratch).ok()? {
            answers.push((class, record.to_record()));
        }
        (!answers.is_empty()).then_some(Parts { header, is_first, answers })
    }

    fn is_soa(&self, at: usize) -> bool {
        self.answers[at].1.rtype == RecordType::SOA
    }

    /// Where the serial stands in the RDATA of an SOA: five numbers end it.
    fn serial_at(&mut self, at: usize) -> &mut [u8] {
        let rdata = &mut self.answers[at].1.rdata;
        let begin = rdata.len() - 20;
        &mut rdata[begin..begin + 4]
    }

    fn serial(&mut self, at: usize) -> u32 {
        let octets = self.serial_at(at);
        u32::from_be_bytes([octets[0], octets[1], octets[2], octets[3]])
    }

    fn add_to_serial(&mut self, at: usize, more: u32) {
        let serial = self.serial(at).wrapping_add(more);
        self.serial_at(at).copy_from_slice(&serial.to_be_bytes());
    }

    fn put_together(&self, asked: &Asked) -> Vec<u8> {
        let mut out = vec![0; MESSAGE_OCTETS_MAX];
        let question = Question { name: asked.apex.as_ref(), qtype: asked.qtype(), qclass: Class::IN };
        let question = self.is_first.then_some(question);
        let mut writer = Writer::reply(&mut out, MESSAGE_OCTETS_MAX, &self.header, question)
            .with_compression(Compression::ExactCase);
        writer.set_authoritative();
        for (class, record) in &self.answers {
            let written = writer.record_of_class(Section::Answer, *class, record.as_ref());
            written.expect("one more record fits");
        }
        let length = writer.finish();
        out.truncate(length);
        out
    }
}
