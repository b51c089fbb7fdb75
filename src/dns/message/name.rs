//! Names as they stand in a message: with compression pointers (RFC 1035 §4.1.4).
//!
//! A pointer must lead to an octet before the part of the name that it ends, so a chain of them
//! moves strictly backwards and cannot loop; their number is bounded besides.

use super::{HEADER_OCTETS, MessageError};
use crate::dns::name::{LABEL_OCTETS_MAX, NAME_OCTETS_MAX, NameError, NameRef};
use crate::limits;

/// Room for one name without compression.
pub(crate) type NameBuffer = [u8; NAME_OCTETS_MAX];

/// An empty [`NameBuffer`].
pub(crate) const NAME_BUFFER: NameBuffer = [0; NAME_OCTETS_MAX];

/// Writes the name at `start` without compression and says what it is.
pub(crate) fn expand<'b>(
    message: &[u8],
    start: usize,
    out: &'b mut NameBuffer,
) -> Result<NameRef<'b>, MessageError> {
    let mut at = start;
    // Where the part that is being read began: a pointer must lead to before it.
    let mut part = start;
    let mut used = 0;
    let mut pointers = 0;
    loop {
        let length = usize::from(*message.get(at).ok_or(MessageError::Cut)?);
        match length {
            0 => {
                *out.get_mut(used).ok_or(MessageError::Name(NameError::TooLong))? = 0;
                return Ok(NameRef::from_valid_wire(&out[..used + 1]));
            }
            1..=LABEL_OCTETS_MAX => {
                let label = message.get(at..at + 1 + length).ok_or(MessageError::Cut)?;
                let room = out.get_mut(used..used + 1 + length);
                room.ok_or(MessageError::Name(NameError::TooLong))?.copy_from_slice(label);
                used += 1 + length;
                at += 1 + length;
            }
            0xc0.. => {
                let low = usize::from(*message.get(at + 1).ok_or(MessageError::Cut)?);
                let target = (length & 0x3f) << 8 | low;
                pointers += 1;
                if target < HEADER_OCTETS || target >= part || pointers > limits::NAME_POINTERS_MAX {
                    return Err(MessageError::Pointer);
                }
                part = target;
                at = target;
            }
            _ => return Err(MessageError::Name(NameError::NotALabel)),
        }
    }
}

/// Where the name at `start` ends in the message; pointers are not followed.
pub(crate) fn skip(message: &[u8], start: usize) -> Result<usize, MessageError> {
    let mut at = start;
    loop {
        let length = usize::from(*message.get(at).ok_or(MessageError::Cut)?);
        match length {
            0 => return Ok(at + 1),
            1..=LABEL_OCTETS_MAX => at += 1 + length,
            0xc0.. => return Ok(at + 2),
            _ => return Err(MessageError::Name(NameError::NotALabel)),
        }
        if at - start >= NAME_OCTETS_MAX {
            return Err(MessageError::Name(NameError::TooLong));
        }
    }
}
