//! Class CH: the names under which a server tells about itself (RFC 4892 §2).

use super::{Ending, Message, ServerFacts};
use crate::dns::message::{Question, Section, Writer};
use crate::dns::{Class, NameRef, RecordRef, RecordType, ResponseCode};
use crate::reason::Reason;

/// The longest character-string (RFC 1035 §3.3).
const STRING_OCTETS_MAX: usize = 255;

/// Answers TXT at the known names as far as the configuration tells; all else is refused.
pub(super) fn handle<'m>(
    message: &Message<'_>,
    question: Question<'m>,
    writer: &mut Writer<'_>,
) -> Ending<'m> {
    let refused = Ending::refused(ResponseCode::Refused, Reason::NotSupported);
    let Some(text) = text_of(&message.world.facts, question.name) else { return refused };
    if !matches!(question.qtype, RecordType::TXT | RecordType::ANY) {
        return refused;
    }
    let text = &text.as_bytes()[..text.len().min(STRING_OCTETS_MAX)];
    let mut rdata = [0; 1 + STRING_OCTETS_MAX];
    rdata[0] = text.len() as u8;
    rdata[1..=text.len()].copy_from_slice(text);
    let rdata = &rdata[..=text.len()];
    let record = RecordRef { owner: question.name, rtype: RecordType::TXT, ttl: 0, rdata };
    writer.set_authoritative();
    if writer.record_of_class(Section::Answer, Class::CH, record).is_err() {
        writer.set_truncated();
    }
    Ending { anchor: Some(question.name), ..Ending::plain(ResponseCode::NoError) }
}

/// The text behind a name; `None` if there is no such name, or nothing to tell.
fn text_of<'f>(facts: &'f ServerFacts, name: NameRef<'_>) -> Option<&'f str> {
    let is = |wire: &[u8]| name.wire().eq_ignore_ascii_case(wire);
    if is(b"\x07version\x04bind\x00") || is(b"\x07version\x06server\x00") {
        facts.version.as_deref()
    } else if is(b"\x02id\x06server\x00") || is(b"\x08hostname\x04bind\x00") {
        facts.identity.as_deref()
    } else {
        None
    }
}
