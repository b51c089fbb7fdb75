//! Error reports that resolvers send to an agent here (RFC 9567): taken, and answered.
//!
//! A report over UDP may come from anywhere, so it counts only with a good cookie; others are sent to
//! TCP (§7). The answer is what the zone has, usually a wildcard; if it has nothing it is made here, so
//! that the resolver does not report the same again at once.

use super::{Ending, Message, Reported, WorkerState};
use crate::dns::message::{Mark, Question, Section, Writer};
use crate::dns::report::ErrorReport;
use crate::dns::{RecordRef, RecordType, ResponseCode};
use crate::trace::{Step, Trace};
use crate::zone::Version;

/// A resolver keeps the answer, and is silent about the error, for so long.
const TTL_S: u32 = 3600;
/// What the answer says: one character-string.
const RECEIVED: &[u8] = b"\x0freport received";

/// The report that a query is, if it is one.
pub(super) fn read<'m>(message: &Message<'_>, question: Question<'m>) -> Option<ErrorReport<'m>> {
    let agent = message.world.facts.report_agent.as_ref().filter(|_| question.qtype == RecordType::TXT)?;
    ErrorReport::read(question.name, agent.as_ref())
}

/// Sends a report to TCP that may come from anywhere; `None` if it does not. The name in it was made up by
/// whoever sent it, so it decides nothing: all of a network count together (O03).
pub(super) fn doubt(
    message: &Message<'_>,
    writer: &mut Writer<'_>,
    trace: &mut impl Trace,
) -> Option<Ending<'static>> {
    if message.peer.transport.is_stream() || message.has_good_cookie() {
        return None;
    }
    trace.step(|| Step("a report without a good cookie is sent to TCP".to_owned()));
    writer.set_truncated();
    Some(Ending::plain(ResponseCode::NoError))
}

/// Takes a report. `ending` is the zone's own answer, written since `begun`; if there is none, the reply
/// is made here.
pub(super) fn take<'m>(
    report: &ErrorReport<'m>,
    question: Question<'m>,
    version: &Version,
    begun: Mark,
    ending: Ending<'m>,
    writer: &mut Writer<'_>,
    worker: &mut WorkerState,
) -> Ending<'m> {
    if let Some(name) = report.name() {
        worker.report(Reported { name, qtype: report.qtype, info_code: report.info_code });
    }
    // A signed zone can prove only what it has.
    if ending.rcode != ResponseCode::NXDomain || version.apex_node().has(RecordType::DNSKEY) {
        return ending;
    }
    writer.rollback(begun);
    let record = RecordRef { owner: question.name, rtype: RecordType::TXT, ttl: TTL_S, rdata: RECEIVED };
    if writer.record(Section::Answer, record).is_err() {
        writer.set_truncated();
    }
    Ending { rcode: ResponseCode::NoError, ..ending }
}
