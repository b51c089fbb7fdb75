//! The EDNS options of a reply: what was asked for, what is told unasked, and in which order they give
//! way if room is short.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::{Ending, Message};
use crate::dns::NameRef;
use crate::dns::edns::{
    COOKIE_OCTETS, KEEPALIVE_OCTETS, OPT_OCTETS_MIN, OPTION_OCTETS, Opt, OptOption, ZONEVERSION_OCTETS, code,
    keepalive,
};
use crate::dns::message::Writer;
use crate::reason::Reason;

/// Replies that are padded are as long as a multiple of this (RFC 8467 §4.1).
const PADDING_BLOCK: usize = 468;
/// What padding is made of (RFC 7830 §3).
const ZEROS: [u8; PADDING_BLOCK] = [0; PADDING_BLOCK];

/// Octets of the OPT record that are kept free while the answer is written, so that no answer pushes an
/// option out that was asked for. What is told unasked has no such room: it is never a reason to cut an
/// answer (R25).
pub(super) fn reserved(message: &Message<'_>) -> usize {
    let nsid = message.world.facts.nsid.as_ref().filter(|_| message.wanted.nsid);
    let when = |wanted: bool, octets: usize| if wanted { OPTION_OCTETS + octets } else { 0 };
    OPT_OCTETS_MIN
        + message.cookie.map_or(0, |_| OPTION_OCTETS + COOKIE_OCTETS)
        + nsid.map_or(0, |nsid| OPTION_OCTETS + nsid.len())
        + when(message.wanted.expire, size_of::<u32>())
        + when(message.wants_keepalive(), KEEPALIVE_OCTETS)
        + when(message.wanted.zone_version, ZONEVERSION_OCTETS)
}

/// Writes the OPT record, if the request has one (RFC 6891 §7).
pub(super) fn write(message: &Message<'_>, ending: &Ending<'_>, writer: &mut Writer<'_>) {
    let Some(edns) = &message.request.edns else { return };
    let numbers = Numbers::of(message, ending);
    let text = told(message, ending);
    // The dearest first: what does not fit is left out from the end.
    let mut options = asked_for(message, &numbers);
    if let (Some(info_code), Some(text)) = (ending.reason.and_then(Reason::ede), &text) {
        options.push(OptOption::Ede { info_code, text });
    }
    // RFC 9567 §6.2: nobody asks for it, so it is the first to give way.
    if let Some(agent) = reports_to(message, ending) {
        options.push(OptOption::Plain { code: code::REPORT_CHANNEL, data: agent.wire() });
    }
    // A33: DO is copied; A31: the other flags are zero.
    let udp_size = message.world.facts.udp_payload_for(message.peer.address);
    if message.wants_padding() {
        let bare = Opt { udp_size, do_bit: edns.do_bit, options: &options };
        let data = writer.padding(&bare, PADDING_BLOCK).map(|octets| &ZEROS[..octets]);
        options.extend(data.map(|data| OptOption::Plain { code: code::PADDING, data }));
    }
    let opt = Opt { udp_size, do_bit: edns.do_bit, options: &options };
    // The room was reserved, so the bare record always fits.
    let _ = writer.opt(&opt);
}

/// The options of the first message of a transfer (RFC 5936 §2.2.5).
pub(super) fn of_transfer(message: &Message<'_>, ending: &Ending<'_>) -> Vec<(u16, Vec<u8>)> {
    let numbers = Numbers::of(message, ending);
    let owned = |option| match option {
        OptOption::Plain { code, data } => Some((code, data.to_vec())),
        OptOption::Ede { .. } => None,
    };
    asked_for(message, &numbers).into_iter().filter_map(owned).collect()
}

/// Options whose data is made for this reply.
struct Numbers {
    expire: Option<[u8; 4]>,
    keepalive: Option<[u8; KEEPALIVE_OCTETS]>,
    zone_version: Option<[u8; ZONEVERSION_OCTETS]>,
}

impl Numbers {
    fn of(message: &Message<'_>, ending: &Ending<'_>) -> Numbers {
        Numbers {
            expire: ending.expire.map(u32::to_be_bytes),
            keepalive: message.wants_keepalive().then(|| keepalive(message.stream_idle)),
            zone_version: ending.zone_version,
        }
    }
}

/// What the request asked for and gets.
fn asked_for<'m>(message: &'m Message<'_>, numbers: &'m Numbers) -> SmallVec<[OptOption<'m>; 8]> {
    let mut options = SmallVec::new();
    let mut push = |code, data| options.push(OptOption::Plain { code, data });
    if let Some(cookie) = &message.cookie {
        push(code::COOKIE, &cookie.reply[..]);
    }
    if let Some(nsid) = message.world.facts.nsid.as_ref().filter(|_| message.wanted.nsid) {
        push(code::NSID, nsid);
    }
    if let Some(data) = &numbers.expire {
        push(code::EXPIRE, data);
    }
    if let Some(data) = &numbers.keepalive {
        push(code::KEEPALIVE, data);
    }
    if let Some(data) = &numbers.zone_version {
        push(code::ZONEVERSION, data);
    }
    options
}

/// Where errors with this answer are reported to. Not those about reports themselves, which would never
/// end (RFC 9567 §6.2).
fn reports_to<'m>(message: &'m Message<'_>, ending: &Ending<'_>) -> Option<NameRef<'m>> {
    let agent = message.world.facts.report_channel.as_ref()?.as_ref();
    let name = message.request.question?.name;
    (ending.anchor.is_some() && !name.is_at_or_below(agent)).then_some(agent)
}

/// What the client is told about a refusal: strangers a fixed phrase, peers that signed also which
/// rule came nearest (R25).
fn told(message: &Message<'_>, ending: &Ending<'_>) -> Option<Cow<'static, str>> {
    let phrase = ending.reason?.told();
    Some(match &ending.detail {
        Some(detail) if message.peer.key.is_some() => format!("{phrase}: {detail}").into(),
        _ => phrase.into(),
    })
}
