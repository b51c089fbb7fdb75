//! Writing messages into a buffer that the caller owns.
//!
//! Nothing is allocated. Records are compressed as they come: owners, and names inside the RDATA of
//! the types of RFC 1035 only (RFC 3597 §4). A record that does not fit leaves nothing behind, and
//! [`Writer::mark`] with [`Writer::rollback`] takes back a whole RRset, so no message ever holds a
//! part of one (A11). Signing comes after [`Writer::finish`]: see `tsig::Signer`.

use super::compress::{OFFSETS_END, ROOT, Suffixes, label_at};
use super::{AA, HEADER_OCTETS, Header, QR, Question, RD, Section, TC};
use crate::dns::edns::{OPT_OCTETS_MIN, OPTION_OCTETS, Opt, OptOption, code};
use crate::dns::name::LABELS_MAX;
use crate::dns::rdata::{self, Piece};
use crate::dns::record::RecordRef;
use crate::dns::rtype::{Class, RecordType};
use crate::dns::{NameRef, OpCode, ResponseCode, case};
use crate::limits;

/// It does not fit; the message is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// When a name may stand for another in compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// When they differ in case at most: answers.
    IgnoreCase,
    /// When they are the same octet for octet: transfers, which keep the case of every name (D06).
    ExactCase,
}

/// A state of a [`Writer`] to which it can go back.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    at: usize,
    counts: [u16; 4],
    section: Section,
    last_owner: u16,
}

/// A message that is being written.
#[derive(Debug)]
pub struct Writer<'b> {
    /// Cut to the most that the message may have.
    buffer: &'b mut [u8],
    at: usize,
    /// Room kept for what comes after `finish`, and for the OPT record.
    reserved: usize,
    reserved_opt: usize,
    counts: [u16; 4],
    section: Section,
    compression: Compression,
    rcode: u16,
    /// Where the written OPT record keeps the upper bits of the RCODE.
    opt_rcode_at: Option<usize>,
    /// Where the last owner stands, 0 if nowhere: the records of one RRset come in a row.
    last_owner: u16,
    /// The question's name enters the table only when a name needs it: most answers do not.
    is_question_noted: bool,
    suffixes: Suffixes,
}

impl<'b> Writer<'b> {
    /// Starts the reply to a request: id, OPCODE and RD are copied, QR is set, the rest is zero
    /// (A01, A22; CD too, which RFC 4035 §3.1.6 wants clear). The buffer has at least 512 octets.
    pub fn reply(
        buffer: &'b mut [u8],
        limit: usize,
        request: &Header,
        question: Option<Question<'_>>,
    ) -> Writer<'b> {
        let bits = QR | request.bits & (0x7800 | RD);
        Writer::start(buffer, limit, request.id, bits, question)
    }

    /// Starts a request of our own. The buffer has at least 512 octets.
    pub fn request(buffer: &'b mut [u8], id: u16, opcode: OpCode, question: Question<'_>) -> Writer<'b> {
        let bits = (u16::from(u8::from(opcode)) & 0x0f) << 11;
        Writer::start(buffer, limits::MESSAGE_OCTETS_MAX, id, bits, Some(question))
    }

    fn start(
        buffer: &'b mut [u8],
        limit: usize,
        id: u16,
        bits: u16,
        question: Option<Question<'_>>,
    ) -> Writer<'b> {
        let limit = limit.min(limits::MESSAGE_OCTETS_MAX).min(buffer.len());
        assert!(limit >= usize::from(limits::UDP_PAYLOAD_MIN), "a message may have 512 octets at least");
        let buffer = &mut buffer[..limit];
        buffer[..2].copy_from_slice(&id.to_be_bytes());
        buffer[2..4].copy_from_slice(&bits.to_be_bytes());
        let mut at = HEADER_OCTETS;
        if let Some(question) = question {
            let end = at + question.name.wire_len();
            buffer[at..end].copy_from_slice(question.name.wire());
            buffer[end..end + 2].copy_from_slice(&question.qtype.0.to_be_bytes());
            buffer[end + 2..end + 4].copy_from_slice(&question.qclass.0.to_be_bytes());
            at = end + 4;
        }
        let has_target = question.is_some_and(|question| !question.name.is_root());
        Writer {
            buffer,
            at,
            reserved: 0,
            reserved_opt: 0,
            counts: [u16::from(question.is_some()), 0, 0, 0],
            section: Section::Answer,
            compression: Compression::IgnoreCase,
            rcode: 0,
            opt_rcode_at: None,
            last_owner: if has_target { HEADER_OCTETS as u16 } else { 0 },
            is_question_noted: !has_target,
            suffixes: Suffixes::new(),
        }
    }

    /// Chooses how names are compared; [`Compression::IgnoreCase`] unless told.
    pub fn with_compression(mut self, compression: Compression) -> Writer<'b> {
        self.compression = compression;
        self
    }

    /// Remembers many names to which later ones may point, for a message that is full of them. Before the
    /// first record.
    pub fn with_many_targets(mut self) -> Writer<'b> {
        self.suffixes = Suffixes::for_many();
        self
    }

    /// Keeps room for what is added after [`Writer::finish`]: the TSIG record (H14).
    pub fn reserve(&mut self, octets: usize) {
        self.reserved += octets;
    }

    /// Keeps room for the OPT record, so that it survives truncation (A53). [`Writer::opt`] takes
    /// this room and whatever else is free then.
    pub fn reserve_opt(&mut self, octets: usize) {
        self.reserved_opt = octets;
    }

    /// Sets AA.
    pub fn set_authoritative(&mut self) {
        self.set_bits(AA);
    }

    /// Whether AA is set.
    pub fn is_authoritative(&self) -> bool {
        u16::from_be_bytes([self.buffer[2], self.buffer[3]]) & AA != 0
    }

    /// Sets TC.
    pub fn set_truncated(&mut self) {
        self.set_bits(TC);
    }

    /// Sets the RCODE. Its upper bits go to the OPT record, written before or after.
    pub fn set_rcode(&mut self, rcode: ResponseCode) {
        self.rcode = u16::from(rcode);
        self.buffer[3] = self.buffer[3] & 0xf0 | rcode.low();
        if let Some(at) = self.opt_rcode_at {
            self.buffer[at] = (self.rcode >> 4) as u8;
        }
    }

    /// Adds a record of class IN. Sections are written in order.
    pub fn record(&mut self, section: Section, record: RecordRef<'_>) -> Result<(), Full> {
        self.record_of_class(section, Class::IN, record)
    }

    /// Adds a record of any class.
    pub fn record_of_class(
        &mut self,
        section: Section,
        class: Class,
        record: RecordRef<'_>,
    ) -> Result<(), Full> {
        assert!(section >= self.section, "sections are written in order");
        let before = self.mark();
        self.section = section;
        self.counts[section.index()] += 1;
        let written = self.put_record(class, record);
        if written.is_err() {
            self.rollback(before);
        }
        written
    }

    /// This state, to come back to.
    pub fn mark(&self) -> Mark {
        Mark { at: self.at, counts: self.counts, section: self.section, last_owner: self.last_owner }
    }

    /// Takes back every record since `mark`. Flags and RCODE stay.
    pub fn rollback(&mut self, mark: Mark) {
        if mark.at < self.at {
            self.suffixes.forget_from(mark.at);
        }
        self.at = mark.at;
        self.counts = mark.counts;
        self.section = mark.section;
        self.last_owner = mark.last_owner;
        self.opt_rcode_at = self.opt_rcode_at.filter(|at| *at < mark.at);
    }

    /// How many records a section has.
    pub fn count(&self, section: Section) -> u16 {
        self.counts[section.index()]
    }

    /// Octets written so far.
    pub fn len(&self) -> usize {
        self.at
    }

    /// Whether there is no record yet.
    pub fn is_empty(&self) -> bool {
        self.counts[1..] == [0, 0, 0]
    }

    /// Octets that records may still use.
    pub fn room(&self) -> usize {
        self.buffer.len().saturating_sub(self.at + self.reserved + self.reserved_opt)
    }

    /// The octets of padding with which the message, `opt` and all that is reserved will be a multiple of
    /// `block` long, or as long as a message can be. `None` if there is no room for padding.
    pub fn padding(&self, opt: &Opt<'_>, block: usize) -> Option<usize> {
        let bare = self.at + self.reserved + opt.octets() + OPTION_OCTETS;
        let room = self.buffer.len().checked_sub(bare)?;
        Some((bare.next_multiple_of(block) - bare).min(room))
    }

    /// Adds the OPT record. If room is short, EDE texts are dropped first, then options from the end
    /// (A43); it fails only if not even the bare record fits.
    pub fn opt(&mut self, opt: &Opt<'_>) -> Result<(), Full> {
        self.reserved_opt = 0;
        let room = self.room().checked_sub(OPT_OCTETS_MIN).ok_or(Full)?;
        let has_texts = opt.options.iter().map(OptOption::octets).sum::<usize>() <= room;
        let size = if has_texts { OptOption::octets } else { OptOption::octets_min };
        let mut used = 0;
        let fitting = opt.options.iter().take_while(|option| {
            used += size(option);
            used <= room
        });
        let count = fitting.count();
        let options = &opt.options[..count];
        let data: usize = options.iter().map(size).sum();
        self.opt_rcode_at = Some(self.at + 5);
        self.counts[Section::Additional.index()] += 1;
        self.section = Section::Additional;
        let [f0, f1] = opt.flags().to_be_bytes();
        self.put(&[0])?;
        self.put_u16(RecordType::OPT.0)?;
        self.put_u16(opt.udp_size)?;
        self.put(&[(self.rcode >> 4) as u8, 0, f0, f1])?;
        self.put_u16(data as u16)?;
        for option in options {
            match *option {
                OptOption::Plain { code, data } => {
                    self.put_u16(code)?;
                    self.put_u16(data.len() as u16)?;
                    self.put(data)?;
                }
                OptOption::Ede { info_code, text } => {
                    let text = if has_texts { text.as_bytes() } else { &[] };
                    self.put_u16(code::EDE)?;
                    self.put_u16(2 + text.len() as u16)?;
                    self.put_u16(info_code)?;
                    self.put(text)?;
                }
            }
        }
        Ok(())
    }

    /// Ends the message and says how long it is.
    pub fn finish(self) -> usize {
        for (index, count) in self.counts.iter().enumerate() {
            self.buffer[4 + 2 * index..6 + 2 * index].copy_from_slice(&count.to_be_bytes());
        }
        self.at
    }

    fn set_bits(&mut self, bits: u16) {
        let [high, low] = bits.to_be_bytes();
        self.buffer[2] |= high;
        self.buffer[3] |= low;
    }

    fn put_record(&mut self, class: Class, record: RecordRef<'_>) -> Result<(), Full> {
        self.put_owner(record.owner)?;
        let ([t0, t1], [c0, c1]) = (record.rtype.0.to_be_bytes(), class.0.to_be_bytes());
        let [l0, l1, l2, l3] = record.ttl.to_be_bytes();
        self.put(&[t0, t1, c0, c1, l0, l1, l2, l3, 0, 0])?;
        let rdata_at = self.at;
        self.put_rdata(record.rtype, record.rdata)?;
        let length = u16::try_from(self.at - rdata_at).map_err(|_| Full)?;
        self.buffer[rdata_at - 2..rdata_at].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    /// RDATA; names in it are compressed only where RFC 1035 defined the type (B37).
    fn put_rdata(&mut self, rtype: RecordType, rdata: &[u8]) -> Result<(), Full> {
        for piece in rdata::pieces(rtype, rdata) {
            match piece {
                Piece::Octets(octets) => self.put(octets)?,
                Piece::Name(name) => self.put_name(name)?,
            }
        }
        Ok(())
    }

    fn put_owner(&mut self, owner: NameRef<'_>) -> Result<(), Full> {
        if self.last_owner != 0 && self.stands_at(self.last_owner, owner) {
            return self.put_pointer(self.last_owner);
        }
        let at = self.at;
        self.put_name(owner)?;
        self.last_owner = if at < OFFSETS_END && !owner.is_root() { at as u16 } else { 0 };
        Ok(())
    }

    /// Writes a name: the longest suffix that stands already becomes a pointer, the rest is noted.
    fn put_name(&mut self, name: NameRef<'_>) -> Result<(), Full> {
        if !self.is_question_noted {
            self.note_question();
        }
        let wire = name.wire();
        let mut starts = [0; LABELS_MAX];
        let mut left = label_starts(wire, &mut starts);
        let mut known = ROOT;
        while left > 0 {
            let label = label_at(wire, usize::from(starts[left - 1]));
            match self.suffixes.find(self.buffer, known, label, self.compression) {
                Some(offset) => known = offset,
                None => break,
            }
            left -= 1;
        }
        let fresh = match left {
            0 => 0,
            _ => usize::from(starts[left - 1]) + 1 + label_at(wire, usize::from(starts[left - 1])).len(),
        };
        let begin = self.at;
        self.put(&wire[..fresh])?;
        if known == ROOT {
            self.put(&[0])?
        } else {
            self.put_pointer(known)?
        }
        self.suffixes.note(wire, &starts[..left], begin, known);
        Ok(())
    }

    fn note_question(&mut self) {
        self.is_question_noted = true;
        let wire = &self.buffer[HEADER_OCTETS..self.at];
        let mut starts = [0; LABELS_MAX];
        let count = label_starts(wire, &mut starts);
        self.suffixes.note(wire, &starts[..count], HEADER_OCTETS, ROOT);
    }

    /// Whether `name` stands at `offset`, compared as the compression mode says.
    fn stands_at(&self, offset: u16, name: NameRef<'_>) -> bool {
        let mut at = usize::from(offset);
        // Without a pointer in between, as the question's name always stands, the whole is compared
        // at once: length octets are no letters.
        let whole = self.buffer.get(at..at + name.wire_len()).filter(|_| at + name.wire_len() <= self.at);
        if whole.is_some_and(|whole| self.is_same(whole, name.wire())) {
            return true;
        }
        for label in name.labels() {
            while let high @ 0xc0.. = self.buffer[at] {
                at = usize::from(high & 0x3f) << 8 | usize::from(self.buffer[at + 1]);
            }
            let length = usize::from(self.buffer[at]);
            let found = &self.buffer[at + 1..at + 1 + length];
            if !self.is_same(found, label) {
                return false;
            }
            at += 1 + length;
        }
        // A pointer here leads to a name that is not the root.
        self.buffer[at] == 0
    }

    fn is_same(&self, a: &[u8], b: &[u8]) -> bool {
        match self.compression {
            Compression::IgnoreCase => case::same(a, b),
            Compression::ExactCase => a == b,
        }
    }

    fn put_pointer(&mut self, offset: u16) -> Result<(), Full> {
        self.put_u16(0xc000 | offset)
    }

    fn put_u16(&mut self, number: u16) -> Result<(), Full> {
        self.put(&number.to_be_bytes())
    }

    #[inline]
    fn put(&mut self, octets: &[u8]) -> Result<(), Full> {
        if octets.len() > self.room() {
            return Err(Full);
        }
        let end = self.at + octets.len();
        self.buffer[self.at..end].copy_from_slice(octets);
        self.at = end;
        Ok(())
    }
}

/// Writes where the labels of the uncompressed name at the start of `wire` begin; says how many
/// there are.
fn label_starts(wire: &[u8], starts: &mut [u8; LABELS_MAX]) -> usize {
    let mut at = 0;
    let mut count = 0;
    while wire[at] != 0 {
        starts[count] = at as u8;
        count += 1;
        at += 1 + usize::from(wire[at]);
    }
    count
}
