//! The client's side: signing what we ask, judging what comes back.

use std::fmt;
use std::sync::Arc;

use super::codec::{self, Fields, TsigRef};
use super::digest::{Mac, MacState};
use super::key::{Algorithm, Key};
use super::server::fields;
use super::{FUDGE_S, error};
use crate::dns::message::Full;
use crate::limits;
use crate::reason::Reason;

/// Signs the finished request in `buffer[..length]`; gives its new length and what judges the answers.
pub fn sign_request(
    key: &Arc<Key>,
    buffer: &mut [u8],
    length: usize,
    seconds: u64,
) -> Result<(usize, Verifier), Full> {
    let mut fields = Fields { time: seconds, fudge: FUDGE_S, mac: &[], error: error::NONE, other: &[] };
    let mut state = key.start();
    state.update(buffer.get(..length).ok_or(Full)?);
    state.take_variables(key, &fields);
    let mac = state.finish();
    fields.mac = mac.octets();
    let length = codec::append(buffer, length, codec::names(key), &fields)?;
    Ok((length, Verifier::new(key, mac)))
}

/// What a message of an answer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It and every message before it are from the holder of the key.
    Signed,
    /// Nothing yet: a later message must be signed.
    Unsigned,
}

/// Why an answer is not believed (H10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyFault {
    /// It must be signed and is not.
    Missing,
    /// It is signed with another key or algorithm.
    WrongKey,
    /// The MAC does not match.
    BadSignature,
    /// The peer's clock and ours differ by more than the fudge.
    BadTime,
    /// The MAC is shorter than we take.
    TooShortMac,
    /// More than `limits::TSIG_UNSIGNED_MAX` messages in a row were not signed.
    TooManyUnsigned,
    /// The peer did not believe our request.
    Peer {
        /// Its ERROR field: see [`super::error`].
        error: u16,
        /// Whether that is proved, or only said by whoever sent it.
        signed: bool,
    },
}

impl ReplyFault {
    /// The cause, for the log and the counters.
    pub fn reason(self) -> Reason {
        match self {
            ReplyFault::Missing | ReplyFault::TooManyUnsigned => Reason::KeyMissing,
            ReplyFault::WrongKey | ReplyFault::BadSignature => Reason::KeyBadSignature,
            ReplyFault::BadTime | ReplyFault::Peer { error: error::BADTIME, .. } => Reason::KeyBadTime,
            ReplyFault::TooShortMac | ReplyFault::Peer { error: error::BADTRUNC, .. } => Reason::KeyTruncated,
            ReplyFault::Peer { error: error::BADKEY, .. } => Reason::KeyUnknown,
            ReplyFault::Peer { .. } => Reason::KeyBadSignature,
        }
    }
}

impl fmt::Display for ReplyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReplyFault::Missing => "the reply is not signed",
            ReplyFault::WrongKey => "the reply is signed with another key",
            ReplyFault::BadSignature => "the signature of the reply does not match",
            ReplyFault::BadTime => "the peer's clock differs too much from ours",
            ReplyFault::TooShortMac => "the signature of the reply is too short",
            ReplyFault::TooManyUnsigned => "too many messages of the reply are not signed",
            ReplyFault::Peer { error: error::BADKEY, .. } => "the peer does not know the key",
            ReplyFault::Peer { error: error::BADSIG, .. } => {
                "the peer says that our signature does not match"
            }
            ReplyFault::Peer { error: error::BADTIME, .. } => "the peer says that our clocks differ too much",
            ReplyFault::Peer { error: error::BADTRUNC, .. } => {
                "the peer says that our signature is too short"
            }
            ReplyFault::Peer { .. } => "the peer did not accept our signature",
        })
    }
}

impl std::error::Error for ReplyFault {}

/// Judges the messages that answer one signed request, in their order.
pub struct Verifier {
    key: Arc<Key>,
    /// Has taken in the MAC of the request or of the last signed message, and what came unsigned since.
    state: MacState,
    is_first: bool,
    unsigned: u32,
}

impl Verifier {
    fn new(key: &Arc<Key>, request: Mac) -> Verifier {
        let mut state = key.start();
        state.take_mac(request.octets());
        Verifier { key: Arc::clone(key), state, is_first: true, unsigned: 0 }
    }

    /// Judges the next message: `octets` is all of it, `tsig` its signature if there is one. After an
    /// error nothing that came since the last [`Checked::Signed`] may be used.
    pub fn check(
        &mut self,
        octets: &[u8],
        tsig: Option<&TsigRef<'_>>,
        seconds: u64,
    ) -> Result<Checked, ReplyFault> {
        match tsig {
            Some(tsig) => self.check_signed(octets, tsig, seconds),
            None if self.is_first => Err(ReplyFault::Missing),
            None if self.unsigned >= limits::TSIG_UNSIGNED_MAX => Err(ReplyFault::TooManyUnsigned),
            None => {
                self.state.update(octets);
                self.unsigned += 1;
                Ok(Checked::Unsigned)
            }
        }
    }

    /// After the last message: it must have been signed (RFC 8945 §5.3.1).
    pub fn end(&self) -> Result<(), ReplyFault> {
        if self.is_first || self.unsigned > 0 { Err(ReplyFault::Missing) } else { Ok(()) }
    }

    fn check_signed(
        &mut self,
        octets: &[u8],
        tsig: &TsigRef<'_>,
        seconds: u64,
    ) -> Result<Checked, ReplyFault> {
        let algorithm = Algorithm::from_name(tsig.algorithm);
        let is_ours = tsig.key_name().as_ref() == self.key.name() && algorithm == Some(self.key.algorithm());
        // RFC 8945 §5.3.2: a reply to a request that was not believed may be unsigned. Whoever sent it,
        // it is no answer, so it costs nothing to say what it says.
        if tsig.mac.is_empty() && matches!(tsig.error, error::BADKEY | error::BADSIG) {
            return Err(ReplyFault::Peer { error: tsig.error, signed: false });
        }
        if !is_ours {
            return Err(ReplyFault::WrongKey);
        }
        if tsig.mac.len() < self.key.algorithm().mac_octets_min() {
            return Err(ReplyFault::TooShortMac);
        }
        let mut state = self.state.clone();
        state.take_message(octets.get(..tsig.at).unwrap_or_default(), tsig.original_id);
        let fields = fields(tsig);
        if self.is_first {
            state.take_variables(&self.key, &fields)
        } else {
            state.take_timers(&fields)
        }
        if !state.verify(tsig.mac) {
            return Err(ReplyFault::BadSignature);
        }
        // From the second message of a stream on, the error field is not covered and says nothing.
        if self.is_first && tsig.error != error::NONE {
            return Err(ReplyFault::Peer { error: tsig.error, signed: true });
        }
        if !tsig.is_timely(seconds) {
            return Err(ReplyFault::BadTime);
        }
        if tsig.mac.len() < self.key.mac_octets_min() {
            return Err(ReplyFault::TooShortMac);
        }
        self.state = self.key.start();
        self.state.take_mac(tsig.mac);
        self.is_first = false;
        self.unsigned = 0;
        Ok(Checked::Signed)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({:?}, {} unsigned)", self.key, self.unsigned)
    }
}
