//! From presentation form to wire form, field by field.

use data_encoding::{BASE32HEX_NOPAD, BASE64, Encoding, HEXLOWER_PERMISSIVE};

use super::address::{ipv4, ipv6};
use super::layout::{Codes, Digests, Field, layout};
use super::problem::{TextError, TextProblem};
use super::token::{
    Token, append_char_string, append_unescaped, name_from_token, number, ttl_from_text, type_from_text,
};
use super::{apl, bitmap, check, gateway, hip, loc, svcparams, times};
use crate::dns::{NameRef, RecordType};

/// Appends the wire form of the RDATA that the tokens spell; names are relative to `origin`.
/// The generic form `\# length hex` (RFC 3597 §5) is read for every type, and must be valid for
/// it. On an error nothing is appended.
pub fn from_text(
    rtype: RecordType,
    tokens: &[Token<'_>],
    origin: NameRef<'_>,
    out: &mut Vec<u8>,
) -> Result<(), TextError> {
    let start = out.len();
    let mut input = Input { tokens, at: 0, origin, field: "" };
    let result = match tokens {
        [Token { text: b"\\#", quoted: false }, ..] => parse_generic(rtype, &mut input, out),
        _ => parse_fields(rtype, &mut input, out),
    };
    let result = match result {
        Ok(()) if out.len() - start > usize::from(u16::MAX) => Err(TextProblem::TooLong),
        other => other,
    };
    result.map_err(|problem| {
        out.truncate(start);
        TextError { token: input.at.saturating_sub(1), field: input.field, problem }
    })
}

/// The tokens of one record's RDATA and how far they are read.
pub(super) struct Input<'t> {
    tokens: &'t [Token<'t>],
    /// How many were taken. A problem is one of the token before, so asking for a token that is
    /// not there counts too.
    at: usize,
    /// What relative names are relative to.
    pub(super) origin: NameRef<'t>,
    /// What the field at work is called.
    field: &'static str,
}

impl<'t> Input<'t> {
    /// The next token, which must be there.
    pub(super) fn take(&mut self) -> Result<&'t [u8], TextProblem> {
        let token = self.tokens.get(self.at).ok_or(TextProblem::Missing);
        self.at += 1;
        token.map(|token| token.text)
    }

    /// The next token, which must be there and is no string: what BIND, Knot and ldns refuse in quotes.
    fn take_word(&mut self) -> Result<&'t [u8], TextProblem> {
        let quoted = self.tokens.get(self.at).is_some_and(|token| token.quoted);
        let word = self.take()?;
        if quoted { Err(TextProblem::QuotedWord) } else { Ok(word) }
    }

    /// The next token, if there is one.
    pub(super) fn take_if_any(&mut self) -> Option<Token<'t>> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        Some(*token)
    }

    /// The next token if it is quoted: the value of a `key=` that the scanner split off.
    pub(super) fn take_if_quoted(&mut self) -> Option<&'t [u8]> {
        let token = self.tokens.get(self.at).filter(|token| token.quoted)?;
        self.at += 1;
        Some(token.text)
    }

    /// How many tokens are left.
    pub(super) fn left(&self) -> usize {
        self.tokens.len().saturating_sub(self.at)
    }

    /// Names the field at work, for errors.
    pub(super) fn call_field(&mut self, field: &'static str) {
        self.field = field;
    }
}

fn parse_fields(rtype: RecordType, input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), TextProblem> {
    let Some(layout) = layout(rtype) else {
        input.at = 1;
        return Err(TextProblem::GenericOnly);
    };
    for &(field, name) in layout.fields {
        input.field = name;
        parse_field(field, input, out)?;
    }
    match input.take_if_any() {
        Some(_) => Err(TextProblem::Extra),
        None => Ok(()),
    }
}

/// Reads `\# length hex...`; the octets must be valid for a type that we know.
fn parse_generic(rtype: RecordType, input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), TextProblem> {
    input.take()?;
    input.field = "length";
    let announced = number(input.take()?, u16::MAX.into())? as usize;
    input.field = "octets";
    let start = out.len();
    if input.left() > 0 {
        parse_run(input, Coding::Hex, out)?;
    }
    let found = out.len() - start;
    if found != announced {
        input.at = 2;
        return Err(TextProblem::GenericLength { announced, found });
    }
    check(rtype, &out[start..]).map_err(TextProblem::GenericInvalid)
}

fn parse_field(field: Field, input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), TextProblem> {
    match field {
        Field::U8 => out.push(number(input.take_word()?, u8::MAX.into())? as u8),
        Field::U16 => push_u16(number(input.take_word()?, u16::MAX.into())? as u16, out),
        Field::U32 => push_u32(number(input.take_word()?, u32::MAX.into())? as u32, out),
        Field::Ttl => push_u32(ttl_from_text(input.take_word()?).ok_or(TextProblem::NotATimeSpan)?, out),
        Field::Time => push_u32(times::parse(input.take_word()?).ok_or(TextProblem::NotATime)?, out),
        Field::Rtype => {
            push_u16(type_from_text(input.take_word()?).ok_or(TextProblem::UnknownType)?.0, out);
        }
        Field::Code8(codes) => out.push(code(codes, input.take_word()?, u8::MAX.into())? as u8),
        Field::Code16(codes) => push_u16(code(codes, input.take_word()?, u16::MAX.into())? as u16, out),
        Field::Name => name_from_token(input.take_word()?, input.origin, out)?,
        Field::Ipv4 => out.extend_from_slice(&ipv4(input.take_word()?)?),
        Field::Ipv6 => out.extend_from_slice(&ipv6(input.take_word()?)?),
        Field::Eui48 => groups::<6>(input.take_word()?, b'-', 2, out)
            .ok_or(TextProblem::BadForm("six pairs of hexadecimal digits with hyphens between"))?,
        Field::Eui64 => groups::<8>(input.take_word()?, b'-', 2, out)
            .ok_or(TextProblem::BadForm("eight pairs of hexadecimal digits with hyphens between"))?,
        Field::Node64 => groups::<4>(input.take_word()?, b':', 4, out)
            .ok_or(TextProblem::BadForm("four groups of hexadecimal digits with colons between"))?,
        Field::CharString => append_char_string(input.take()?, out)?,
        Field::OptionalCharString => {
            if let Some(token) = input.take_if_any() {
                append_char_string(token.text, out)?;
            }
        }
        Field::CharStrings => {
            append_char_string(input.take()?, out)?;
            while let Some(token) = input.take_if_any() {
                append_char_string(token.text, out)?;
            }
        }
        Field::Tag => tag(input.take()?, out)?,
        Field::Text => append_unescaped(input.take()?, out)?,
        Field::Digest(digests) => parse_digest(digests, input, out)?,
        Field::Base64 => parse_run(input, Coding::Base64, out)?,
        Field::OptionalBase64 if input.left() == 0 => {}
        Field::OptionalBase64 => parse_run(input, Coding::Base64, out)?,
        Field::Salt => parse_salt(input.take()?, out)?,
        Field::Hash => parse_hash(input.take()?, out)?,
        Field::TypeBitmap => bitmap::parse(input, out)?,
        Field::SvcParams => svcparams::parse(input, out)?,
        Field::Loc => loc::parse(input, out)?,
        Field::Apl => apl::parse(input, out)?,
        Field::IpsecGateway => gateway::parse_ipsec(input, out)?,
        Field::AmtRelay => gateway::parse_amt(input, out)?,
        Field::Hip => hip::parse(input, out)?,
        Field::Nsap => nsap(input.take()?, out)?,
        Field::Opaque => {
            input.take()?;
            return Err(TextProblem::GenericOnly);
        }
    }
    Ok(())
}

pub(super) fn push_u16(value: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn push_u32(value: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// A number up to `max`, or the name of one.
pub(super) fn code(codes: Codes, text: &[u8], max: u64) -> Result<u64, TextProblem> {
    if text.first().is_some_and(u8::is_ascii_digit) {
        return number(text, max);
    }
    codes
        .iter()
        .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(text))
        .map(|(_, number)| u64::from(*number))
        .ok_or(TextProblem::UnknownCode)
}

/// `COUNT` groups of up to `digits` hexadecimal digits. Pairs must be whole; groups of four may
/// leave out leading zeros, as in IPv6 addresses.
fn groups<const COUNT: usize>(text: &[u8], between: u8, digits: usize, out: &mut Vec<u8>) -> Option<()> {
    let mut count = 0;
    for group in text.split(|&octet| octet == between) {
        if group.is_empty() || group.len() > digits || (digits == 2 && group.len() != 2) {
            return None;
        }
        let mut value = 0u16;
        for &digit in group {
            value = value << 4 | char::from(digit).to_digit(16)? as u16;
        }
        match digits {
            2 => out.push(value as u8),
            _ => push_u16(value, out),
        }
        count += 1;
    }
    (count == COUNT).then_some(())
}

fn tag(text: &[u8], out: &mut Vec<u8>) -> Result<(), TextProblem> {
    if text.is_empty() || text.len() > 255 || !text.iter().all(u8::is_ascii_alphanumeric) {
        return Err(TextProblem::BadForm("a tag of letters and digits"));
    }
    out.push(text.len() as u8);
    out.extend_from_slice(text);
    Ok(())
}

/// How octets are written as characters.
#[derive(Clone, Copy)]
pub(super) enum Coding {
    /// Pairs of hexadecimal digits in any case.
    Hex,
    /// RFC 4648 §4, padded.
    Base64,
    /// RFC 4648 §7 in upper case, without padding.
    Base32Hex,
}

impl Coding {
    fn encoding(self) -> Encoding {
        match self {
            Coding::Hex => HEXLOWER_PERMISSIVE,
            Coding::Base64 => BASE64,
            Coding::Base32Hex => BASE32HEX_NOPAD,
        }
    }

    fn problem(self) -> TextProblem {
        match self {
            Coding::Hex => TextProblem::BadHex,
            Coding::Base64 => TextProblem::BadBase64,
            Coding::Base32Hex => TextProblem::BadBase32Hex,
        }
    }

    /// Whether a character can occur at all.
    fn knows(self, octet: u8) -> bool {
        match self {
            Coding::Hex => octet.is_ascii_hexdigit(),
            Coding::Base64 => octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/' | b'='),
            Coding::Base32Hex => matches!(octet, b'0'..=b'9' | b'A'..=b'V'),
        }
    }
}

/// Decodes all tokens that are left as one run, wherever it is broken; there must be at least one
/// octet.
fn parse_run(input: &mut Input<'_>, coding: Coding, out: &mut Vec<u8>) -> Result<(), TextProblem> {
    let first = input.take()?;
    if input.left() == 0 {
        return decode(first, coding, out);
    }
    let mut joined = Vec::new();
    let mut token = first;
    loop {
        // The token with the stray character is at fault, not the last one.
        if !token.iter().all(|&octet| coding.knows(octet)) {
            return Err(coding.problem());
        }
        joined.extend_from_slice(token);
        match input.take_if_any() {
            Some(next) => token = next.text,
            None => return decode(&joined, coding, out),
        }
    }
}

/// Decodes at least one octet.
pub(super) fn decode(text: &[u8], coding: Coding, out: &mut Vec<u8>) -> Result<(), TextProblem> {
    let start = out.len();
    let encoding = coding.encoding();
    let room = encoding.decode_len(text.len()).map_err(|_| coding.problem())?;
    out.resize(start + room, 0);
    match encoding.decode_mut(text, &mut out[start..]) {
        Ok(length) if length > 0 => {
            out.truncate(start + length);
            Ok(())
        }
        _ => Err(coding.problem()),
    }
}

fn parse_digest(digests: &Digests, input: &mut Input<'_>, out: &mut Vec<u8>) -> Result<(), TextProblem> {
    let digest = std::mem::replace(&mut input.field, digests.what);
    let kind = code(digests.names, input.take()?, u8::MAX.into())? as u8;
    out.push(kind);
    input.field = digest;
    let start = out.len();
    parse_run(input, Coding::Hex, out)?;
    let found = out.len() - start;
    match digests.octets.iter().find(|(known, _)| *known == kind) {
        Some(&(_, octets)) if octets != found => Err(TextProblem::DigestLength { octets, found }),
        _ => Ok(()),
    }
}

fn parse_salt(text: &[u8], out: &mut Vec<u8>) -> Result<(), TextProblem> {
    let length_at = out.len();
    out.push(0);
    if text != b"-" {
        decode(text, Coding::Hex, out)?;
    }
    count_octets(length_at, out)
}

fn parse_hash(text: &[u8], out: &mut Vec<u8>) -> Result<(), TextProblem> {
    let length_at = out.len();
    out.push(0);
    let upper = text.to_ascii_uppercase();
    decode(&upper, Coding::Base32Hex, out)?;
    count_octets(length_at, out)
}

fn count_octets(length_at: usize, out: &mut [u8]) -> Result<(), TextProblem> {
    let length = out.len() - length_at - 1;
    out[length_at] = u8::try_from(length).map_err(|_| TextProblem::StringTooLong)?;
    Ok(())
}

/// `0x` and hex, dots anywhere between (RFC 1706 §5).
fn nsap(text: &[u8], out: &mut Vec<u8>) -> Result<(), TextProblem> {
    let problem = TextProblem::BadForm("0x and pairs of hexadecimal digits");
    let digits = match text {
        [b'0', b'x' | b'X', digits @ ..] => digits,
        _ => return Err(problem),
    };
    let digits: Vec<u8> = digits.iter().copied().filter(|&octet| octet != b'.').collect();
    decode(&digits, Coding::Hex, out)
}
