//! The server's side: judging a request, signing what answers it.

use std::sync::Arc;

use super::codec::{self, Fields, TsigRef};
use super::digest::{Mac, MacState};
use super::key::{Algorithm, Key, Keyring};
use super::{FUDGE_S, error};
use crate::dns::ResponseCode;
use crate::dns::message::Full;
use crate::dns::name::Name;
use crate::reason::Reason;

/// A request whose signature is right.
#[derive(Debug)]
pub struct Verified {
    /// The key that signed it.
    pub key: Arc<Key>,
    mac: Mac,
}

impl Verified {
    /// What signs the reply, or every message of it.
    pub fn signer(self) -> Signer {
        Signer { key: self.key, prior: self.mac, is_first: true }
    }
}

/// Judges the signature of a request in the order of RFC 8945 §5.2: key, MAC, time, truncation.
/// `octets` is the whole message as it came.
pub fn verify_request(
    octets: &[u8],
    tsig: &TsigRef<'_>,
    keys: &Keyring,
    seconds: u64,
) -> Result<Verified, Fault> {
    let name = tsig.key_name();
    let algorithm = Algorithm::from_name(tsig.algorithm);
    let key = keys.find(name.as_ref()).filter(|key| Some(key.algorithm()) == algorithm);
    let Some(key) = key else { return Err(Fault::unsigned(error::BADKEY, name, tsig)) };
    let whole = key.algorithm().mac_octets();
    if !(key.algorithm().mac_octets_min()..=whole).contains(&tsig.mac.len()) {
        return Err(Fault(Box::new(Kind::FormErr)));
    }
    let mut state = key.start();
    state.take_message(octets.get(..tsig.at).unwrap_or_default(), tsig.original_id);
    state.take_variables(key, &fields(tsig));
    let mac = Mac::from_slice(tsig.mac).filter(|_| state.verify(tsig.mac));
    let Some(mac) = mac else { return Err(Fault::unsigned(error::BADSIG, name, tsig)) };
    let verified = Verified { key: Arc::clone(key), mac };
    if !tsig.is_timely(seconds) {
        return Err(Fault::signed(error::BADTIME, verified, tsig));
    }
    if tsig.mac.len() < key.mac_octets_min() {
        return Err(Fault::signed(error::BADTRUNC, verified, tsig));
    }
    Ok(verified)
}

/// What a received record says, as the digest wants it.
pub(super) fn fields<'a>(tsig: &TsigRef<'a>) -> Fields<'a> {
    Fields { time: tsig.time, fudge: tsig.fudge, mac: tsig.mac, error: tsig.error, other: tsig.other }
}

/// Signs the messages of one reply. Every message is signed (RFC 8945 §5.3.1 lets some go unsigned;
/// not every receiver takes that).
#[derive(Debug)]
pub struct Signer {
    key: Arc<Key>,
    /// The MAC of the request, then that of the message before.
    prior: Mac,
    is_first: bool,
}

impl Signer {
    /// The key.
    pub fn key(&self) -> &Arc<Key> {
        &self.key
    }

    /// Octets of one signature: what a writer reserves.
    pub fn record_octets(&self) -> usize {
        codec::record_octets(
            self.key.name(),
            self.key.algorithm().name(),
            self.key.algorithm().mac_octets(),
            0,
        )
    }

    /// Signs the finished message in `buffer[..length]`; says how long it is with its signature. The
    /// first message of a reply covers the request's MAC and all variables, the later ones the MAC
    /// before them and the timers (H07, H08).
    pub fn sign(&mut self, buffer: &mut [u8], length: usize, seconds: u64) -> Result<usize, Full> {
        let mut fields = Fields { time: seconds, fudge: FUDGE_S, mac: &[], error: error::NONE, other: &[] };
        let mut state = self.key.start();
        state.take_mac(self.prior.octets());
        state.update(buffer.get(..length).ok_or(Full)?);
        if self.is_first {
            state.take_variables(&self.key, &fields)
        } else {
            state.take_timers(&fields)
        }
        let mac = state.finish();
        fields.mac = mac.octets();
        let length = codec::append(buffer, length, codec::names(&self.key), &fields)?;
        self.prior = mac;
        self.is_first = false;
        Ok(length)
    }
}

/// Why a signed request is not believed, and what its error reply must carry.
#[derive(Debug)]
pub struct Fault(Box<Kind>);

#[derive(Debug)]
enum Kind {
    /// The MAC has a length that no policy could allow.
    FormErr,
    /// Key or MAC are wrong: the reply must not be signed (RFC 8945 §5.3.2).
    Unsigned { error: u16, key: Name, algorithm: Name, time: u64, fudge: u16 },
    /// Time or policy: the reply is signed, so that the client can believe it.
    Signed { error: u16, verified: Verified, time: u64, fudge: u16 },
}

impl Fault {
    fn unsigned(error: u16, key: Name, tsig: &TsigRef<'_>) -> Fault {
        let algorithm = tsig.algorithm.to_name();
        Fault(Box::new(Kind::Unsigned { error, key, algorithm, time: tsig.time, fudge: tsig.fudge }))
    }

    fn signed(error: u16, verified: Verified, tsig: &TsigRef<'_>) -> Fault {
        Fault(Box::new(Kind::Signed { error, verified, time: tsig.time, fudge: tsig.fudge }))
    }

    /// The RCODE of the reply: NOTAUTH, or FORMERR.
    pub fn rcode(&self) -> ResponseCode {
        match *self.0 {
            Kind::FormErr => ResponseCode::FormErr,
            Kind::Unsigned { .. } | Kind::Signed { .. } => ResponseCode::NotAuth,
        }
    }

    /// The ERROR field of the reply's TSIG record; 0 if it has none.
    pub fn error(&self) -> u16 {
        match *self.0 {
            Kind::FormErr => error::NONE,
            Kind::Unsigned { error, .. } | Kind::Signed { error, .. } => error,
        }
    }

    /// The cause, for the log and the counters.
    pub fn reason(&self) -> Reason {
        match self.error() {
            error::BADKEY => Reason::KeyUnknown,
            error::BADTIME => Reason::KeyBadTime,
            error::BADTRUNC | error::NONE => Reason::KeyTruncated,
            _ => Reason::KeyBadSignature,
        }
    }

    /// Room that the reply's TSIG record takes: what a writer reserves.
    pub fn reply_octets(&self) -> usize {
        match &*self.0 {
            Kind::FormErr => 0,
            Kind::Unsigned { key, algorithm, .. } => {
                codec::record_octets(key.as_ref(), algorithm.as_ref(), 0, 0)
            }
            Kind::Signed { verified, .. } => verified.key.record_octets(),
        }
    }

    /// Adds the TSIG record to the finished error reply in `buffer[..length]`; says how long it is then.
    pub fn finish_reply(&self, buffer: &mut [u8], length: usize, seconds: u64) -> Result<usize, Full> {
        match &*self.0 {
            Kind::FormErr => Ok(length),
            Kind::Unsigned { error, key, algorithm, time, fudge } => {
                let fields = Fields { time: *time, fudge: *fudge, mac: &[], error: *error, other: &[] };
                codec::append(buffer, length, (key.as_ref(), algorithm.as_ref()), &fields)
            }
            Kind::Signed { error, verified, time, fudge } => {
                let clock = seconds.to_be_bytes();
                // RFC 8945 §5.2.3: the client's own time is signed, so that its clock does not stand
                // in the way of believing the reply, and ours goes into Other Data.
                let is_time = *error == error::BADTIME;
                let (time, other) = if is_time { (*time, &clock[2..]) } else { (seconds, &[][..]) };
                let fudge = if is_time { *fudge } else { FUDGE_S };
                let mut fields = Fields { time, fudge, mac: &[], error: *error, other };
                let mut state: MacState = verified.key.start();
                state.take_mac(verified.mac.octets());
                state.update(buffer.get(..length).ok_or(Full)?);
                state.take_variables(&verified.key, &fields);
                let mac = state.finish();
                fields.mac = mac.octets();
                codec::append(buffer, length, codec::names(&verified.key), &fields)
            }
        }
    }
}
