//! What can be wrong with RDATA: in text, the operator's fault; on the wire, the peer's.

use std::fmt;

use crate::dns::name::NameError;

/// Why text is not the RDATA of a type, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// Index of the token at fault; the number of tokens if the record ends too early.
    pub token: usize,
    /// What the field is called ("preference"); empty if the fault is of no one field.
    pub field: &'static str,
    /// What is wrong.
    pub problem: TextProblem,
}

/// What is wrong with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextProblem {
    /// The record ends where a field must stand.
    Missing,
    /// Something follows the last field.
    Extra,
    /// Not a decimal number, or one above `max`.
    NotANumber {
        /// The largest value that fits.
        max: u64,
    },
    /// Not a time span such as `3600` or `1h30m`, or one of 2^32 seconds and more.
    NotATimeSpan,
    /// Neither `YYYYMMDDHHmmSS` nor seconds since 1970, or after the year 2106.
    NotATime,
    /// Neither a number nor one of the names known for this field.
    UnknownCode,
    /// Not the mnemonic of a record type.
    UnknownType,
    /// Not a domain name.
    Name(NameError),
    /// Not an IPv4 address; `ipv6` if it is an IPv6 address.
    NotIpv4 {
        /// Whether it is an address of the other family.
        ipv6: bool,
    },
    /// Not an IPv6 address; `ipv4` if it is an IPv4 address.
    NotIpv6 {
        /// Whether it is an address of the other family.
        ipv4: bool,
    },
    /// A backslash is followed by neither a character nor three digits up to 255.
    BadEscape,
    /// A quote inside a word.
    StrayQuote,
    /// Quotes around what is no text: a name, a number, an address.
    QuotedWord,
    /// A character-string is longer than 255 octets (RFC 1035 §3.3).
    StringTooLong,
    /// Not hexadecimal, or an odd number of digits.
    BadHex,
    /// A digest is not as long as its kind wants it.
    DigestLength {
        /// What the kind wants.
        octets: usize,
        /// What stands there.
        found: usize,
    },
    /// Not base64.
    BadBase64,
    /// Not base32hex, or none at all.
    BadBase32Hex,
    /// Not in the form that the field wants, which is this.
    BadForm(&'static str),
    /// After `\#`, the octets are not as many as announced.
    GenericLength {
        /// What the record says.
        announced: usize,
        /// What stands there.
        found: usize,
    },
    /// After `\#`, the octets are not valid for this type.
    GenericInvalid(WireError),
    /// This type can be written in the generic form `\#` only.
    GenericOnly,
    /// A service parameter stands twice (RFC 9460 §2.1).
    ParameterTwice,
    /// Not the name of a service parameter.
    UnknownParameter,
    /// A service parameter needs a value, or has one that it must not have.
    ParameterValue(&'static str),
    /// A parameter that `mandatory` names, or that another one needs, is absent.
    ParameterAbsent(&'static str),
    /// RDATA would be longer than 65,535 octets.
    TooLong,
}

/// Why octets are not the RDATA of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The octets end inside a field.
    Short,
    /// Octets follow the last field.
    Trailing,
    /// A name is not one.
    Name(NameError),
    /// A compression pointer that does not go backwards, or where none is allowed.
    BadPointer,
    /// A field holds what it must not hold.
    BadValue,
    /// RDATA would be longer than 65,535 octets.
    TooLong,
}

impl TextError {
    /// What the operator could do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match &self.problem {
            TextProblem::Extra if self.field == "value" || self.field == "target" => {
                "put text with spaces in quotes"
            }
            problem => return problem.hint(),
        };
        Some(hint.to_owned())
    }
}

impl TextProblem {
    /// What the operator could do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            TextProblem::NotIpv4 { ipv6: true } => "this is an IPv6 address: its type is AAAA",
            TextProblem::NotIpv6 { ipv4: true } => "this is an IPv4 address: its type is A",
            TextProblem::StrayQuote => "put a space before the quote, or write \\\" for the character",
            TextProblem::QuotedWord => "take the quotes away: only text stands in quotes",
            TextProblem::StringTooLong => "split it into several quoted strings of at most 255 octets",
            TextProblem::Name(NameError::EmptyLabel) => "look for two dots in a row",
            TextProblem::BadEscape | TextProblem::Name(NameError::BadEscape) => {
                "write \\\\ for a backslash and \\DDD, three decimal digits, for an octet"
            }
            TextProblem::DigestLength { .. } => "look for digits that were lost when it was copied",
            TextProblem::UnknownType => "a type without a mnemonic is written TYPE and its number",
            TextProblem::UnknownParameter => "a parameter without a name is written key and its number",
            TextProblem::GenericOnly => "write \\#, the number of octets, and the octets in hex",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        self.problem.fmt(f)
    }
}

impl fmt::Display for TextProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TextProblem::Missing => f.write_str("the record ends here, but a value must follow"),
            TextProblem::Extra => f.write_str("nothing may follow the last value"),
            TextProblem::NotANumber { max } => write!(f, "expected a number from 0 to {max}"),
            TextProblem::NotATimeSpan => {
                f.write_str("expected seconds, or a time span such as 1h30m, below 2^32 seconds")
            }
            TextProblem::NotATime => {
                f.write_str("expected a time as YYYYMMDDHHmmSS or in seconds since 1970, before 2106-02-07")
            }
            TextProblem::UnknownCode => f.write_str("expected a number or a known name"),
            TextProblem::UnknownType => f.write_str("expected a record type"),
            TextProblem::Name(error) => error.fmt(f),
            TextProblem::NotIpv4 { .. } => f.write_str("expected an IPv4 address"),
            TextProblem::NotIpv6 { .. } => f.write_str("expected an IPv6 address"),
            TextProblem::BadEscape => NameError::BadEscape.fmt(f),
            TextProblem::StrayQuote => f.write_str("a quote stands inside a word"),
            TextProblem::QuotedWord => f.write_str("this stands in quotes, but is no text"),
            TextProblem::StringTooLong => f.write_str("a character-string is longer than 255 octets"),
            TextProblem::BadHex => f.write_str("expected pairs of hexadecimal digits"),
            TextProblem::DigestLength { octets, found } => {
                write!(f, "a digest of this kind has {octets} octets, this one has {found}")
            }
            TextProblem::BadBase64 => f.write_str("expected base64"),
            TextProblem::BadBase32Hex => f.write_str("expected base32hex without padding"),
            TextProblem::BadForm(form) => write!(f, "expected {form}"),
            TextProblem::GenericLength { announced, found } => {
                write!(f, "{announced} octets are announced, {found} are there")
            }
            TextProblem::GenericInvalid(error) => write!(f, "not valid for this type: {error}"),
            TextProblem::GenericOnly => f.write_str("this type has no text form but the generic one"),
            TextProblem::ParameterTwice => f.write_str("this parameter stands here twice"),
            TextProblem::UnknownParameter => f.write_str("unknown service parameter"),
            TextProblem::ParameterValue(form) => write!(f, "expected {form}"),
            TextProblem::ParameterAbsent(rule) => f.write_str(rule),
            TextProblem::TooLong => WireError::TooLong.fmt(f),
        }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::Short => f.write_str("the data ends too early"),
            WireError::Trailing => f.write_str("octets follow the last field"),
            WireError::Name(error) => error.fmt(f),
            WireError::BadPointer => f.write_str("a compression pointer leads nowhere"),
            WireError::BadValue => f.write_str("a field holds a value that it must not hold"),
            WireError::TooLong => f.write_str("the data is longer than 65,535 octets"),
        }
    }
}

impl std::error::Error for TextError {}
impl std::error::Error for TextProblem {}
impl std::error::Error for WireError {}

impl From<NameError> for TextProblem {
    fn from(error: NameError) -> TextProblem {
        TextProblem::Name(error)
    }
}

impl From<NameError> for WireError {
    fn from(error: NameError) -> WireError {
        WireError::Name(error)
    }
}
