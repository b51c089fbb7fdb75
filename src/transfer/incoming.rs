//! One exchange with one peer: a poll, a NOTIFY or a transfer, from the request to the verdict.
//!
//! [`Exchange::start`] writes the request; the driver sends it and feeds each message that comes back.
//! Every message is checked to be part of this exchange (id, QR, opcode, question, TSIG, TC, rcode: D12,
//! R23, H10) before its records are looked at; `intake.rs` then reads those. An error ends the exchange
//! and nothing of it is used (D11). Only over UDP, where anybody can send a datagram, is a message that
//! does not belong passed over in silence.

use std::mem;

pub use super::ask::{Ask, AskKind, TransferLimits};
pub use super::error::{Fault, TransferError};
use super::intake::{Intake, Taken};
use crate::dns::message::{Header, Reader, Scratch, Section};
use crate::dns::soa::Soa;
use crate::dns::tsig::Verifier;
use crate::dns::{Class, RecordType, ResponseCode, Serial, edns};
use crate::ident::Transport;
use crate::time::{Now, Tick};
use crate::zone::Change;

/// A request that was sent and what has come back so far.
pub struct Exchange {
    ask: Ask,
    id: u16,
    started: Tick,
    verifier: Option<Verifier>,
    intake: Intake,
    scratch: Scratch,
    expire: Option<u32>,
    octets: u64,
    messages: u64,
    records: u64,
    stray: Option<TransferError>,
}

/// What a message meant for the exchange.
#[derive(Clone, Debug)]
pub enum Progress {
    /// The answer is not complete yet.
    More,
    /// The answer is complete and every check has passed.
    Done(Answer),
}

/// What the peer answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The peer's serial. Whether that is newer is the caller's to judge.
    Soa {
        /// The serial.
        serial: Serial,
        /// Seconds until the zone expires there (RFC 7314), if it said so.
        expire: Option<u32>,
    },
    /// The NOTIFY arrived.
    NotifyAck,
    /// A transfer was asked for and the peer has the version that we hold.
    Current {
        /// The serial of both.
        serial: Serial,
        /// Seconds until the zone expires there, if it said so.
        expire: Option<u32>,
    },
    /// The answer does not fit a datagram.
    TryTcp {
        /// The peer's serial, if it came.
        serial: Option<Serial>,
    },
    /// A new version.
    Changed {
        /// The version, what it was made from, and the steps between.
        change: Change,
        /// Seconds until the zone expires there, if it said so.
        expire: Option<u32>,
        /// How it came.
        form: Form,
        /// Octets of all messages.
        octets: u64,
        /// Messages.
        messages: u64,
        /// Records of all messages.
        records: u64,
    },
}

/// How a new version came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The whole zone, as asked or in answer to an IXFR (RFC 1995 §4).
    Axfr,
    /// Differences.
    Ixfr,
}

impl Exchange {
    /// Writes the request into `out` (cleared first; without the length prefix of a stream). `id` must be
    /// hard to guess (RFC 5452 §9.2).
    pub fn start(mut ask: Ask, id: u16, now: Now, out: &mut Vec<u8>) -> Exchange {
        if ask.base.is_none() && ask.kind == AskKind::Ixfr {
            ask.kind = AskKind::Axfr;
        }
        let verifier = ask.write(id, now, out);
        Exchange {
            ask,
            id,
            started: now.tick,
            verifier,
            intake: Intake::new(),
            scratch: Scratch::new(),
            expire: None,
            octets: 0,
            messages: 0,
            records: 0,
            stray: None,
        }
    }

    /// What went out before it over the same connection is answered: its time begins now.
    pub fn is_next(&mut self, now: Now) {
        if self.messages == 0 {
            self.started = now.tick;
        }
    }

    /// Takes one message. After `Done` or an error the exchange is over and must not be fed again.
    pub fn feed(&mut self, message: &[u8], now: Now) -> Result<Progress, TransferError> {
        match self.take(message, now) {
            Err(error) if self.ask.transport == Transport::Udp && error.is_stray() => {
                self.stray = Some(error);
                Ok(Progress::More)
            }
            other => other,
        }
    }

    /// The error when the peer closes the connection before the answer is complete.
    pub fn closed(&self) -> TransferError {
        TransferError::Cut { records: self.records }
    }

    /// The error when nothing more came in time: a peer that stops in the middle broke off (some send a
    /// lone newer SOA over TCP when they have no differences, and wait), else it was silent.
    pub fn silent(&self) -> TransferError {
        if self.records > 0 {
            return self.closed();
        }
        TransferError::Silent(self.stray.clone().map(Box::new))
    }

    fn take(&mut self, message: &[u8], now: Now) -> Result<Progress, TransferError> {
        let mut reader = self.check_belongs(message)?;
        self.check_key(&reader, now)?;
        self.messages += 1;
        self.octets += message.len() as u64;
        if self.octets > self.ask.limits.octets {
            return Err(TransferError::TooManyOctets);
        }
        if now.tick.since(self.started) > self.ask.limits.time {
            return Err(TransferError::TooSlow);
        }
        if reader.header().is_truncated() {
            return if self.ask.transport.is_stream() {
                Err(TransferError::Truncated)
            } else {
                Ok(Progress::Done(Answer::TryTcp { serial: None }))
            };
        }
        let rcode = reader.rcode();
        if rcode != ResponseCode::NoError {
            return Err(TransferError::Rcode(rcode));
        }
        // RFC 7314 §3.2: four octets of seconds.
        let option = reader.edns().and_then(|edns| edns.option(edns::code::EXPIRE));
        let seconds = option.and_then(|data| <[u8; 4]>::try_from(data).ok()).map(u32::from_be_bytes);
        self.expire = seconds.or(self.expire);
        match self.ask.kind {
            AskKind::Soa => self.read_soa(&mut reader),
            AskKind::Notify(_) => Ok(Progress::Done(Answer::NotifyAck)),
            AskKind::Ixfr | AskKind::Axfr => self.read_transfer(&mut reader),
        }
    }

    /// Whether the message answers this request (D12, R23).
    fn check_belongs<'m>(&self, message: &'m [u8]) -> Result<Reader<'m>, TransferError> {
        if Header::read(message).is_some_and(|header| header.id != self.id) {
            return Err(TransferError::WrongId);
        }
        let reader = Reader::new(message).map_err(TransferError::Garbled)?;
        let header = reader.header();
        if !header.is_response() {
            return Err(TransferError::NotAReply);
        }
        if header.opcode() != self.ask.opcode() {
            return Err(TransferError::WrongOpcode);
        }
        let fits = match reader.question() {
            Some(question) => {
                question.name == self.ask.apex.as_ref()
                    && question.qtype == self.ask.qtype()
                    && question.qclass == Class::IN
            }
            // RFC 5936 §2.2.2: the first message has the question, later ones may be without. Some servers
            // leave it out of an error.
            None => self.messages > 0 || reader.rcode() != ResponseCode::NoError,
        };
        if fits { Ok(reader) } else { Err(TransferError::WrongQuestion) }
    }

    fn check_key(&mut self, reader: &Reader<'_>, now: Now) -> Result<(), TransferError> {
        let Some(verifier) = &mut self.verifier else { return Ok(()) };
        let checked = verifier.check(reader.octets(), reader.tsig(), now.wall.seconds());
        checked.map(drop).map_err(|fault| TransferError::Key(fault, reader.rcode()))
    }

    /// RFC 8945 §5.3.1: the last message of a stream must be signed, and vouches for those before it.
    fn check_key_ended(&self) -> Result<(), TransferError> {
        let ended = self.verifier.as_ref().map_or(Ok(()), Verifier::end);
        ended.map_err(|fault| TransferError::Key(fault, ResponseCode::NoError))
    }

    fn read_soa(&mut self, reader: &mut Reader<'_>) -> Result<Progress, TransferError> {
        if !reader.header().is_authoritative() {
            return Err(TransferError::NotAuthoritative);
        }
        let mut scratch = mem::take(&mut self.scratch);
        while let Some((section, class, record)) =
            reader.next_record(&mut scratch).map_err(TransferError::Garbled)?
        {
            if section == Section::Answer
                && class == Class::IN
                && record.rtype == RecordType::SOA
                && record.owner == self.ask.apex.as_ref()
                && let Some(soa) = Soa::from_rdata(record.rdata)
            {
                let answer = Answer::Soa { serial: soa.serial, expire: self.expire };
                self.check_key_ended()?;
                return Ok(Progress::Done(answer));
            }
        }
        Err(TransferError::NoSoa)
    }

    fn read_transfer(&mut self, reader: &mut Reader<'_>) -> Result<Progress, TransferError> {
        let before = self.records;
        let mut scratch = mem::take(&mut self.scratch);
        while let Some((section, class, record)) =
            reader.next_record(&mut scratch).map_err(TransferError::Garbled)?
        {
            // RFC 5936 §2.2.4, §2.2.5: a transfer lies in the answer section and nowhere else.
            if section != Section::Answer {
                break;
            }
            self.records += 1;
            if self.records > self.ask.limits.records {
                return Err(TransferError::TooManyRecords);
            }
            self.intake.record(&self.ask, class, record)?;
        }
        self.scratch = scratch;
        if self.records == before {
            return Err(TransferError::EmptyMessage);
        }
        match (self.intake.message_ended(), self.ask.transport.is_stream()) {
            (Some(taken), _) => {
                self.check_key_ended()?;
                Ok(Progress::Done(self.answer(taken)))
            }
            (None, true) => Ok(Progress::More),
            // RFC 1995 §2: a lone newer SOA in a datagram says that the differences did not fit.
            (None, false) => match self.intake.lone_soa() {
                Some(serial) => {
                    self.check_key_ended()?;
                    Ok(Progress::Done(Answer::TryTcp { serial: Some(serial) }))
                }
                None => Err(self.closed()),
            },
        }
    }

    fn answer(&self, taken: Taken) -> Answer {
        match taken {
            Taken::Current(serial) => Answer::Current { serial, expire: self.expire },
            Taken::Changed(change, form) => Answer::Changed {
                change,
                expire: self.expire,
                form,
                octets: self.octets,
                messages: self.messages,
                records: self.records,
            },
        }
    }
}
