//! What a primary sends: AXFR (RFC 5936) and IXFR (RFC 1995), one message at a time.
//!
//! A transfer holds one version for as long as it takes (D10), so readers never see a mix. [`plan`] chooses
//! the form: "current", the steps as they happened, one condensed step, or the whole zone, whichever is
//! smallest on the wire (R15). [`Outgoing::next`] then packs records into messages as the caller has room
//! for them; back-pressure is that the caller does not call. Whether the client may have the zone was
//! decided before (`policy/`), and pacing and time limits are the connection's business (R21).

use std::sync::Arc;

use super::condense::Cache;
pub use super::form::Form;
use super::form::{self, chain_between, is_current};
use crate::dns::edns::{Opt, OptOption};
use crate::dns::message::{Compression, Full, Header, Question, Section, Writer};
use crate::dns::tsig::Signer;
use crate::dns::{Class, Name, Record, RecordRef, RecordType, Serial};
use crate::ident::{PeerId, ZoneId};
use crate::limits;
use crate::time::Now;
use crate::trace::Trace;
use crate::zone::{Delta, Version, Walk};

/// What the client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    /// The whole zone.
    Axfr,
    /// The differences from the version with this serial.
    Ixfr(Serial),
}

/// What the reply says in its OPT record; only for a client that sent one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyEdns {
    /// The UDP payload that we take.
    pub udp_size: u16,
    /// The DO bit, copied from the request (RFC 3225 §3).
    pub do_bit: bool,
    /// The options, each with its code and data.
    pub options: Vec<(u16, Vec<u8>)>,
}

impl ReplyEdns {
    /// The options as a writer takes them.
    pub fn written_options(&self) -> Vec<OptOption<'_>> {
        self.options.iter().map(|(code, data)| OptOption::Plain { code: *code, data }).collect()
    }
}

/// A transfer that policy has allowed and that nothing of has been sent.
#[derive(Debug)]
pub struct TransferStart {
    /// Which zone, for counters and the flock.
    pub zone: ZoneId,
    /// The version that is sent, whatever is published meanwhile.
    pub version: Arc<Version>,
    /// What the client asked for.
    pub requested: Requested,
    /// The request's header: id and RD are copied.
    pub header: Header,
    /// The name in the question, in the client's spelling.
    pub asked: Name,
    /// Signs every message, if the request was signed.
    pub signer: Option<Signer>,
    /// The OPT record of the first message, if the request had one.
    pub edns: Option<ReplyEdns>,
    /// The configured peer that asked, if it is one.
    pub peer: Option<PeerId>,
}

impl TransferStart {
    /// The serial from which stored history would help: `None` if the answer needs none, because the whole
    /// zone was asked for, the client is current, or the version itself carries the steps.
    pub fn wants_history(&self) -> Option<Serial> {
        let Requested::Ixfr(from) = self.requested else { return None };
        let behind = self.version.serial().is_newer_than(from);
        (behind && chain_between(self.version.recent(), from, &self.version).is_none()).then_some(from)
    }
}

/// A record that no message can hold, though the checks at load should have refused it (R22).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsendable(pub Record);

/// A transfer under way.
#[derive(Debug)]
pub struct Outgoing {
    start: TransferStart,
    form: Form,
    body: Body,
    stage: Stage,
    records: u64,
    octets: u64,
}

/// Chooses the form and makes the transfer ready. `history` are steps from the store, oldest first; it may
/// be empty, begin before the client's serial and reach past the version. What does not lead from the
/// client's serial to exactly this version is not used.
pub fn plan(
    start: TransferStart,
    history: &[Arc<Delta>],
    cache: &mut Cache,
    trace: &mut impl Trace,
) -> Outgoing {
    let (form, deltas) = form::choose(&start.version, start.requested, history, cache, trace);
    let body = match form {
        Form::Current => Body::Nothing,
        Form::Axfr => Body::Whole { walk: Walk::default(), pending: None },
        Form::Steps | Form::Condensed => Body::Steps { deltas, at: Place::default() },
    };
    Outgoing { start, form, body, stage: Stage::Opening, records: 0, octets: 0 }
}

impl Outgoing {
    /// Packs the next message into `out`, which holds at least 65,535 octets, and gives its length; `None`
    /// when all is sent. Messages aim at 16 KiB; a record that needs more gets a message of its own (R22).
    pub fn next(&mut self, now: Now, out: &mut [u8]) -> Result<Option<usize>, Unsendable> {
        if self.stage == Stage::Done {
            return Ok(None);
        }
        let mut packed = self.pack(out, limits::TRANSFER_MESSAGE_OCTETS, u16::MAX);
        if packed.is_none() {
            packed = self.pack(out, limits::MESSAGE_OCTETS_MAX, 1);
        }
        let unsendable = || Unsendable(self.stuck_at());
        let length = packed.ok_or_else(unsendable)?;
        let length = match &mut self.start.signer {
            // RFC 8945 §5.3.1 asks for a signature at least every hundredth message; all are signed.
            Some(signer) => signer.sign(out, length, now.wall.seconds()).expect("room was reserved for TSIG"),
            None => length,
        };
        self.octets += length as u64;
        Ok(Some(length))
    }

    /// Whether all is packed.
    pub fn is_packed(&self) -> bool {
        self.stage == Stage::Done
    }

    /// The version that is sent.
    pub fn version(&self) -> &Arc<Version> {
        &self.start.version
    }

    /// The form that was chosen.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The serial that the client has when it has read everything.
    pub fn serial(&self) -> Serial {
        self.start.version.serial()
    }

    /// The zone.
    pub fn zone(&self) -> ZoneId {
        self.start.zone
    }

    /// The configured peer that asked, if it is one.
    pub fn peer(&self) -> Option<PeerId> {
        self.start.peer
    }

    /// Records packed so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Octets packed so far, without the length prefixes of the stream.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// One message of at most `limit` octets and `most` records, without its TSIG; `None` if not even one
    /// record fits.
    fn pack(&mut self, out: &mut [u8], limit: usize, most: u16) -> Option<usize> {
        let qtype = match self.start.requested {
            Requested::Axfr => RecordType::AXFR,
            Requested::Ixfr(_) => RecordType::IXFR,
        };
        // RFC 5936 §2.2.2: the first message copies the question, later ones need not.
        let is_first = self.stage == Stage::Opening;
        let question = Question { name: self.start.asked.as_ref(), qtype, qclass: Class::IN };
        let mut writer = Writer::reply(out, limit, &self.start.header, is_first.then_some(question))
            .with_compression(Compression::ExactCase)
            .with_many_targets();
        writer.set_authoritative();
        let edns = self.start.edns.clone().filter(|_| is_first);
        let options = edns.as_ref().map(ReplyEdns::written_options).unwrap_or_default();
        let opt = edns.as_ref().map(|&ReplyEdns { udp_size, do_bit, .. }| Opt {
            udp_size,
            do_bit,
            options: &options,
        });
        writer.reserve_opt(opt.as_ref().map_or(0, Opt::octets));
        writer.reserve(self.start.signer.as_ref().map_or(0, Signer::record_octets));
        self.fill(&mut writer, most);
        let count = writer.count(Section::Answer);
        if count == 0 {
            return None;
        }
        if let Some(opt) = opt {
            writer.opt(&opt).expect("room was reserved for OPT");
        }
        self.records += u64::from(count);
        Some(writer.finish())
    }

    /// Writes records until the message is full, `most` are in it, or all is sent.
    fn fill(&mut self, writer: &mut Writer<'_>, most: u16) {
        loop {
            let version = &*self.start.version;
            let written = match self.stage {
                Stage::Done => return,
                Stage::Opening | Stage::Closing => writer.record(Section::Answer, version.soa()),
                Stage::Middle => self.body.pour(version, writer, most),
            };
            if written.is_err() {
                return;
            }
            self.stage = match (self.stage, self.form) {
                (Stage::Opening, Form::Current) | (Stage::Closing | Stage::Done, _) => Stage::Done,
                (Stage::Opening, _) => Stage::Middle,
                (Stage::Middle, _) => Stage::Closing,
            };
            if writer.count(Section::Answer) >= most {
                return;
            }
        }
    }

    /// The record that would not go into an empty message.
    fn stuck_at(&self) -> Record {
        match &self.body {
            Body::Whole { pending: Some(record), .. } => record.clone(),
            Body::Steps { deltas, at } => {
                at.record(deltas).unwrap_or_else(|| self.start.version.soa()).to_record()
            }
            Body::Whole { .. } | Body::Nothing => self.start.version.soa().to_record(),
        }
    }
}

/// Answers an IXFR over UDP: the steps if the version itself carries them and all of them fit, else the one
/// SOA, which says "current" or "ask again over TCP" (RFC 1995 §2; E05). Writes the answer section only;
/// `writer` has room reserved for whatever follows.
pub fn ixfr_over_udp(version: &Version, from: Serial, writer: &mut Writer<'_>) -> Result<Form, Full> {
    if !is_current(from, version)
        && let Some(chain) = chain_between(version.recent(), from, version)
    {
        let start = writer.mark();
        if write_steps(version, chain, writer).is_ok() {
            return Ok(Form::Steps);
        }
        writer.rollback(start);
    }
    writer.record(Section::Answer, version.soa()).map(|()| Form::Current)
}

/// Where a transfer stands. Each stage is entered once, in this order; `Current` goes from `Opening` to `Done`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The SOA that begins it is to be sent.
    Opening,
    /// What lies between the SOAs.
    Middle,
    /// The SOA that ends it is to be sent.
    Closing,
    /// All is packed.
    Done,
}

/// What lies between the two SOAs, and how far it was packed.
#[derive(Debug)]
enum Body {
    /// Nothing: the client is current.
    Nothing,
    /// All records but the SOA, in page order; `pending` did not fit the last message.
    Whole { walk: Walk, pending: Option<Record> },
    /// Differences, each the old SOA, what goes, the new SOA, what comes (RFC 1995 §4).
    Steps { deltas: Vec<Arc<Delta>>, at: Place },
}

impl Body {
    /// Writes records until one does not fit or `most` are in the message; `Ok` when none is left.
    fn pour(&mut self, version: &Version, writer: &mut Writer<'_>, most: u16) -> Result<(), Full> {
        match self {
            Body::Nothing => Ok(()),
            Body::Whole { walk, pending } => pour_whole(walk, pending, version, writer, most),
            Body::Steps { deltas, at } => {
                while at.delta < deltas.len() {
                    for record in at.rest(deltas) {
                        if writer.count(Section::Answer) >= most {
                            return Err(Full);
                        }
                        writer.record(Section::Answer, record)?;
                        at.octet += record.packed_octets();
                    }
                    at.turn();
                }
                Ok(())
            }
        }
    }
}

fn pour_whole(
    walk: &mut Walk,
    pending: &mut Option<Record>,
    version: &Version,
    writer: &mut Writer<'_>,
    most: u16,
) -> Result<(), Full> {
    if let Some(record) = pending {
        writer.record(Section::Answer, record.as_ref())?;
        *pending = None;
    }
    while writer.count(Section::Answer) < most {
        let Some(record) = walk.next(version) else { return Ok(()) };
        // The SOA stands first and last, and nowhere else (RFC 5936 §2.2).
        if record.rtype == RecordType::SOA {
            continue;
        }
        if let Err(full) = writer.record(Section::Answer, record) {
            *pending = Some(record.to_record());
            return Err(full);
        }
    }
    Err(Full)
}

/// A place in a chain of steps.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    delta: usize,
    side: Side,
    octet: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Side {
    #[default]
    Removed,
    Added,
}

impl Place {
    /// The records of this side of this step that are still to come.
    fn rest<'d>(&self, deltas: &'d [Arc<Delta>]) -> impl Iterator<Item = RecordRef<'d>> + use<'d> {
        let (side, octet) = (self.side, self.octet);
        let delta = deltas.get(self.delta);
        delta.into_iter().flat_map(move |delta| match side {
            Side::Removed => delta.removed.iter_from(octet),
            Side::Added => delta.added.iter_from(octet),
        })
    }

    fn record<'d>(&self, deltas: &'d [Arc<Delta>]) -> Option<RecordRef<'d>> {
        self.rest(deltas).next()
    }

    /// On to the other side, or to the next step.
    fn turn(&mut self) {
        *self = match self.side {
            Side::Removed => Place { delta: self.delta, side: Side::Added, octet: 0 },
            Side::Added => Place { delta: self.delta + 1, side: Side::Removed, octet: 0 },
        };
    }
}

fn write_steps(version: &Version, chain: &[Arc<Delta>], writer: &mut Writer<'_>) -> Result<(), Full> {
    writer.record(Section::Answer, version.soa())?;
    for delta in chain {
        for record in delta.removed.iter().chain(&delta.added) {
            writer.record(Section::Answer, record)?;
        }
    }
    writer.record(Section::Answer, version.soa())
}
