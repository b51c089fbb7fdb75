//! The TSIG record in a message (RFC 8945 §4.2).

use super::key::Key;
use crate::dns::message::name::{self, NAME_BUFFER};
use crate::dns::message::{Full, HEADER_OCTETS, Place};
use crate::dns::name::{Name, NameRef};
use crate::dns::rtype::{Class, RecordType};

/// A TSIG record that was read, not verified.
#[derive(Clone, Copy, Debug)]
pub struct TsigRef<'a> {
    /// Offset of the record in its message; it is the last one.
    pub at: usize,
    /// The algorithm's name.
    pub algorithm: NameRef<'a>,
    /// Time Signed, in seconds since 1970; 48 bits.
    pub time: u64,
    /// By how many seconds the clocks may differ.
    pub fudge: u16,
    /// The MAC, possibly truncated, possibly empty.
    pub mac: &'a [u8],
    /// The id of the message when it was signed (H12).
    pub original_id: u16,
    /// An error that the other side tells.
    pub error: u16,
    /// Other Data: the server's time if the error is BADTIME.
    pub other: &'a [u8],
    message: &'a [u8],
}

impl<'a> TsigRef<'a> {
    /// Reads the record at `place`; `None` if it is malformed.
    pub(crate) fn read(message: &'a [u8], place: &Place) -> Option<TsigRef<'a>> {
        if place.class != Class::ANY {
            return None;
        }
        // The owner is the key's name and may be compressed; it must at least be a name.
        name::expand(message, place.owner_at, &mut { NAME_BUFFER }).ok()?;
        let (algorithm, rest) = NameRef::split_from(place.rdata(message)).ok()?;
        let (&[t0, t1, t2, t3, t4, t5, f0, f1, m0, m1], rest) = rest.split_first_chunk::<10>()?;
        let (mac, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([m0, m1])))?;
        let (&[i0, i1, e0, e1, o0, o1], other) = rest.split_first_chunk::<6>()?;
        if other.len() != usize::from(u16::from_be_bytes([o0, o1])) {
            return None;
        }
        Some(TsigRef {
            at: place.owner_at,
            algorithm,
            time: u64::from_be_bytes([0, 0, t0, t1, t2, t3, t4, t5]),
            fudge: u16::from_be_bytes([f0, f1]),
            mac,
            original_id: u16::from_be_bytes([i0, i1]),
            error: u16::from_be_bytes([e0, e1]),
            other,
            message,
        })
    }

    /// The key's name, case as it was sent. Allocates if the name is long.
    pub fn key_name(&self) -> Name {
        let mut buffer = NAME_BUFFER;
        match name::expand(self.message, self.at, &mut buffer) {
            Ok(name) => name.to_name(),
            // Unreachable: `read` expanded the same name.
            Err(_) => Name::root(),
        }
    }

    /// Whether `seconds` is within the fudge of Time Signed (RFC 8945 §5.2.3).
    pub(super) fn is_timely(&self, seconds: u64) -> bool {
        self.time.abs_diff(seconds) <= u64::from(self.fudge)
    }

    /// The server's time in the Other Data of a BADTIME reply, in seconds since 1970.
    pub fn server_time(&self) -> Option<u64> {
        let &[a, b, c, d, e, f] = <&[u8; 6]>::try_from(self.other).ok()?;
        Some(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }
}

/// The fields of a TSIG record to write, but for key and algorithm.
pub(super) struct Fields<'a> {
    pub(super) time: u64,
    pub(super) fudge: u16,
    pub(super) mac: &'a [u8],
    pub(super) error: u16,
    pub(super) other: &'a [u8],
}

/// Octets of the record with this key name, algorithm name, MAC and Other Data.
pub(super) fn record_octets(key: NameRef<'_>, algorithm: NameRef<'_>, mac: usize, other: usize) -> usize {
    key.wire_len() + 10 + algorithm.wire_len() + 10 + mac + 6 + other
}

/// Appends a TSIG record to the message in `buffer[..length]` and counts it; says how long the message
/// is then. The names come from a key of ours or, for error replies, from the request.
pub(super) fn append(
    buffer: &mut [u8],
    length: usize,
    (key, algorithm): (NameRef<'_>, NameRef<'_>),
    fields: &Fields<'_>,
) -> Result<usize, Full> {
    let octets = record_octets(key, algorithm, fields.mac.len(), fields.other.len());
    let rdata_octets = octets - key.wire_len() - 10;
    let end = length + octets;
    if length < HEADER_OCTETS || end > crate::limits::MESSAGE_OCTETS_MAX {
        return Err(Full);
    }
    let (message, rest) = buffer.split_at_mut_checked(length).ok_or(Full)?;
    let mut rest = rest.get_mut(..octets).ok_or(Full)?;
    let id = [message[0], message[1]];
    let mut put = |octets: &[u8]| {
        let (head, tail) = std::mem::take(&mut rest).split_at_mut(octets.len());
        head.copy_from_slice(octets);
        rest = tail;
    };
    put(key.wire());
    put(&RecordType::TSIG.0.to_be_bytes());
    put(&Class::ANY.0.to_be_bytes());
    put(&[0; 4]);
    put(&(rdata_octets as u16).to_be_bytes());
    put(algorithm.wire());
    put(&fields.time.to_be_bytes()[2..]);
    put(&fields.fudge.to_be_bytes());
    put(&(fields.mac.len() as u16).to_be_bytes());
    put(fields.mac);
    put(&id);
    put(&fields.error.to_be_bytes());
    put(&(fields.other.len() as u16).to_be_bytes());
    put(fields.other);
    let count = u16::from_be_bytes([message[10], message[11]]) + 1;
    message[10..12].copy_from_slice(&count.to_be_bytes());
    Ok(end)
}

/// The names that a record signed with `key` carries.
pub(super) fn names(key: &Key) -> (NameRef<'_>, NameRef<'_>) {
    (key.name(), key.algorithm().name())
}
