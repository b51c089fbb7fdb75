//! The words of one entry -> one record: owner, TTL, class, type, RDATA, and what is left out.
//!
//! Everything that an entry takes from the ones before it lives in [`Defaults`]; the buffers for
//! owner and RDATA are there as well, so reading a record allocates nothing.

use std::str::FromStr;

use smallvec::SmallVec;

use crate::dns::name::NAME_OCTETS_MAX;
use crate::dns::rdata::{self, TextError, Token};
use crate::dns::soa::Soa;
use crate::dns::{Class, Name, NameRef, RecordRef, RecordType};
use crate::limits::{MESSAGE_OCTETS_MAX, SIGNATURE_OCTETS_MAX};
use crate::reason::Reason;

/// The highest TTL (RFC 2181 §8).
pub(super) const TTL_MAX: u32 = i32::MAX as u32;

/// The words of an entry with their octets.
pub(super) type Tokens<'a> = SmallVec<[Token<'a>; 24]>;

/// Something to say about a word of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Index of the word; one past the last means the end of the entry.
    pub word: usize,
    pub reason: Reason,
    pub message: String,
    /// A few words under the caret.
    pub label: String,
    pub hint: Option<String>,
}

impl Fault {
    pub fn new(word: usize, reason: Reason, message: impl Into<String>) -> Box<Fault> {
        Box::new(Fault { word, reason, message: message.into(), label: String::new(), hint: None })
    }

    pub fn label(mut self: Box<Self>, label: impl Into<String>) -> Box<Fault> {
        self.label = label.into();
        self
    }

    pub fn hint(mut self: Box<Self>, hint: impl Into<String>) -> Box<Fault> {
        self.hint = Some(hint.into());
        self
    }
}

/// What an entry came to.
pub(super) enum Read<'d> {
    /// A record, and the index of the word that is its type.
    Record { record: RecordRef<'d>, rtype_word: usize },
    /// Nothing: it belongs to an owner that was broken and has been reported.
    Orphan,
}

/// The owner of the entry before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// No record has come yet.
    None,
    /// It is in the buffer.
    Known,
    /// It was reported as broken: entries that lean on it are passed over in silence.
    Broken,
}

/// What entries inherit from those before them.
pub(super) struct Defaults {
    /// The zone; if the caller does not know it, the owner of the first SOA.
    pub apex: Option<Name>,
    /// What `@` means and what completes relative names.
    pub origin: Name,
    /// Whether `owner_octets` hold a name.
    pub owner: Owner,
    /// The owner of the entry before, in wire form.
    pub owner_octets: Vec<u8>,
    /// From `$TTL`.
    pub ttl: Option<u32>,
    /// The TTL that was stated last.
    pub stated_ttl: Option<u32>,
    /// MINIMUM of the SOA.
    pub minimum: Option<u32>,
    /// Warnings about the entry that was read last; the caller takes them out.
    pub warnings: Vec<Fault>,
    minimum_used: bool,
    rdata: Vec<u8>,
}

impl Defaults {
    pub fn new(apex: Option<&Name>) -> Defaults {
        Defaults {
            apex: apex.cloned(),
            origin: apex.cloned().unwrap_or_else(Name::root),
            owner: Owner::None,
            owner_octets: Vec::with_capacity(NAME_OCTETS_MAX),
            ttl: None,
            stated_ttl: None,
            minimum: None,
            warnings: Vec::new(),
            minimum_used: false,
            rdata: Vec::with_capacity(NAME_OCTETS_MAX),
        }
    }

    /// Reads one entry that is not a directive.
    pub fn read(&mut self, tokens: &[Token<'_>], blank_owner: bool) -> Result<Read<'_>, Box<Fault>> {
        let mut at = 0;
        if !blank_owner {
            at = 1;
            self.owner = Owner::Broken;
            self.read_owner(tokens)?;
            self.owner = Owner::Known;
        }
        match self.owner {
            Owner::Known => {}
            Owner::Broken => return Ok(Read::Orphan),
            Owner::None => {
                return Err(Fault::new(
                    0,
                    Reason::FileSyntax,
                    "there is no record above whose owner this one could take",
                )
                .label("the line begins with a blank")
                .hint("write the owner at the very start of the line; `@` is the origin"));
            }
        }
        let (stated, rtype_word) = self.read_ttl_and_class(tokens, at)?;
        let rtype = self.read_type(tokens, rtype_word, at)?;
        self.check_place(rtype, rtype_word)?;
        self.rdata.clear();
        let words = tokens.get(rtype_word + 1..).unwrap_or_default();
        rdata::from_text(rtype, words, self.origin.as_ref(), &mut self.rdata)
            .map_err(|error| rdata_fault(rtype, words, &error, rtype_word + 1))?;
        if rtype == RecordType::SOA {
            self.minimum = Soa::from_rdata(&self.rdata).map(|soa| soa.minimum.min(TTL_MAX));
        }
        let ttl = match stated.or(self.ttl).or(self.stated_ttl) {
            Some(ttl) => ttl,
            None => self.ttl_from_minimum(rtype_word)?,
        };
        self.stated_ttl = stated.or(self.stated_ttl);
        let owner = NameRef::from_valid_wire(&self.owner_octets);
        // Header, question, this record and a signature: the least that a transfer needs (R22).
        let apex_octets = self.apex.as_ref().map_or(1, |apex| apex.as_ref().wire_len());
        let around = 12 + apex_octets + 4 + owner.wire_len() + 10 + SIGNATURE_OCTETS_MAX;
        if around + self.rdata.len() > MESSAGE_OCTETS_MAX {
            return Err(Fault::new(rtype_word, Reason::FileRdata, "the record fits no DNS message")
                .label(format!("{} octets of data", self.rdata.len())));
        }
        Ok(Read::Record { record: RecordRef { owner, rtype, ttl, rdata: &self.rdata }, rtype_word })
    }

    fn read_owner(&mut self, tokens: &[Token<'_>]) -> Result<(), Box<Fault>> {
        let Some(token) = tokens.first() else {
            return Err(Fault::new(0, Reason::FileSyntax, "the entry is empty"));
        };
        self.owner_octets.clear();
        rdata::name_from_token(token.text, self.origin.as_ref(), &mut self.owner_octets)
            .map_err(|error| Fault::new(0, Reason::FileSyntax, format!("not an owner name: {error}")))?;
        let Some(apex) = &self.apex else { return Ok(()) };
        let apex = apex.as_ref();
        let owner = NameRef::from_valid_wire(&self.owner_octets);
        match owner.prefix_above(apex) {
            None => Err(self.out_of_zone(token.text, owner, apex)),
            Some(prefix) => {
                if repeats_apex(prefix, apex) && !token.text.ends_with(b".") {
                    self.warnings.push(
                        *Fault::new(
                            0,
                            Reason::FileOutOfZone,
                            format!("the name of the zone stands twice in `{owner}`"),
                        )
                        .hint("end the name with a dot if it is complete as it is written"),
                    );
                }
                Ok(())
            }
        }
    }

    fn out_of_zone(&self, text: &[u8], owner: NameRef<'_>, apex: NameRef<'_>) -> Box<Fault> {
        let fault = Fault::new(0, Reason::FileOutOfZone, format!("`{owner}` is not in the zone `{apex}`"));
        if text.ends_with(b".") {
            return fault.label("out of the zone").hint(format!(
                "the final dot makes the name complete; without it, it would be completed with `{}`",
                self.origin
            ));
        }
        fault.label("out of the zone").hint(format!(
            "the name was completed with the current origin `{}`; is a final dot missing in `$ORIGIN`?",
            self.origin
        ))
    }

    /// The TTL if there is one, and the index of the word behind TTL and class, which may stand in
    /// either order (RFC 1035 §5.1).
    fn read_ttl_and_class(
        &self,
        tokens: &[Token<'_>],
        from: usize,
    ) -> Result<(Option<u32>, usize), Box<Fault>> {
        let mut ttl = None;
        let mut class = None;
        let mut at = from;
        while let Some(token) = tokens.get(at).filter(|token| !token.quoted) {
            if token.text.first().is_some_and(u8::is_ascii_digit) && ttl.is_none() {
                ttl = Some(read_ttl(tokens, at).map_err(|fault| misplaced(fault, tokens, from, at))?);
            } else if class.is_none()
                && let Some(found) = class_from_text(token.text)
            {
                if found != Class::IN {
                    return Err(Fault::new(at, Reason::FileSyntax, format!("class {found} is not served"))
                        .label("only IN can stand here"));
                }
                class = Some(found);
            } else {
                break;
            }
            at += 1;
        }
        Ok((ttl, at))
    }

    fn read_type(
        &self,
        tokens: &[Token<'_>],
        at: usize,
        after_owner: usize,
    ) -> Result<RecordType, Box<Fault>> {
        let Some(token) = tokens.get(at) else {
            return Err(Fault::new(at, Reason::FileSyntax, "the record ends before its type")
                .label("a type was expected"));
        };
        if !token.quoted && token.text.first().is_some_and(u8::is_ascii_digit) {
            return Err(Fault::new(at, Reason::FileTtl, "a second TTL").label("a type was expected"));
        }
        let shown = String::from_utf8_lossy(token.text);
        let found = if token.quoted { None } else { rdata::type_from_text(token.text) };
        let Some(rtype) = found else {
            let fault =
                Fault::new(at, Reason::FileSyntax, format!("`{}` is not a record type", shorten(&shown)));
            let fault = match nearest_type(token.text) {
                Some(near) => fault.hint(format!("did you mean `{near}`?")),
                None => fault,
            };
            return Err(misplaced(fault, tokens, after_owner, at));
        };
        if rtype.is_meta() {
            return Err(Fault::new(at, Reason::FileSyntax, format!("{rtype} is not a type of zone data"))
                .label("occurs in messages only"));
        }
        Ok(rtype)
    }

    /// One SOA, at the apex, before all else if the caller does not know the zone (RFC 1035 §5.2).
    fn check_place(&mut self, rtype: RecordType, rtype_word: usize) -> Result<(), Box<Fault>> {
        let owner = NameRef::from_valid_wire(&self.owner_octets);
        match &self.apex {
            None if rtype == RecordType::SOA => {
                self.apex = Some(owner.to_name());
                Ok(())
            }
            None => Err(Fault::new(rtype_word, Reason::FileSoa, "a record stands before the SOA")
                .hint("begin the file with the SOA record, or name the zone")),
            Some(apex) if rtype == RecordType::SOA && owner != apex.as_ref() => {
                Err(Fault::new(rtype_word, Reason::FileSoa, format!("an SOA below the apex, at `{owner}`"))
                    .hint(format!(
                        "the SOA of this zone belongs to `{apex}`; write `@` or the name with its final dot"
                    )))
            }
            Some(_) => Ok(()),
        }
    }

    /// The TTL of a record that states none, with no `$TTL` and no TTL above (RFC 2308 §4).
    fn ttl_from_minimum(&mut self, rtype_word: usize) -> Result<u32, Box<Fault>> {
        let Some(minimum) = self.minimum else {
            return Err(Fault::new(rtype_word, Reason::FileTtl, "the record has no TTL")
                .label("a TTL was expected before the type")
                .hint("put `$TTL 1h` at the top of the file"));
        };
        if !self.minimum_used {
            self.minimum_used = true;
            self.warnings.push(
                *Fault::new(
                    rtype_word,
                    Reason::FileTtl,
                    format!("no TTL is given: the MINIMUM of the SOA, {minimum}, is taken"),
                )
                .hint("put `$TTL` at the top of the file"),
            );
        }
        Ok(minimum)
    }
}

/// Reads the word at `at` as a TTL.
pub(super) fn read_ttl(tokens: &[Token<'_>], at: usize) -> Result<u32, Box<Fault>> {
    let text = tokens.get(at).map_or(&b""[..], |token| token.text);
    let shown = String::from_utf8_lossy(text);
    match rdata::ttl_from_text(text) {
        Some(ttl) if ttl <= TTL_MAX => Ok(ttl),
        // RFC 2181 §8: 31 bits.
        Some(ttl) => Err(Fault::new(at, Reason::FileTtl, format!("the TTL {ttl} is too large"))
            .label(format!("at most {TTL_MAX}"))),
        None => Err(Fault::new(at, Reason::FileTtl, format!("`{}` is not a TTL", shorten(&shown)))
            .hint("write seconds from 0 to 2147483647, or units: `1h30m`, `2d`, `1w`")),
    }
}

/// Whether `prefix`, the labels of a name above the apex, ends with the labels of the apex again: a
/// name that was meant to be complete. A zone of one label is left alone.
pub(in crate::zone) fn repeats_apex(prefix: &[u8], apex: NameRef<'_>) -> bool {
    let labels = &apex.wire()[..apex.wire_len() - 1];
    let Some(split) = prefix.len().checked_sub(labels.len()) else { return false };
    apex.label_count() > 1 && prefix[split..].eq_ignore_ascii_case(labels)
}

fn class_from_text(text: &[u8]) -> Option<Class> {
    if text.eq_ignore_ascii_case(b"IN") {
        return Some(Class::IN);
    }
    // A type of the same name wins: `ANY`. Nothing else is both.
    let class = Class::from_str(std::str::from_utf8(text).ok()?).ok()?;
    (class != Class::ANY).then_some(class)
}

/// Adds the hint for the most common slip: a blank in front of an owner.
fn misplaced(mut fault: Box<Fault>, tokens: &[Token<'_>], after_owner: usize, at: usize) -> Box<Fault> {
    let later = tokens.iter().skip(at + 1).take(3);
    let mut later = later.filter(|token| !token.quoted);
    if after_owner == 0 && at == 0 && later.any(|token| rdata::type_from_text(token.text).is_some()) {
        fault.label = "the line begins with a blank".to_owned();
        fault.hint = Some("take the blank away if this word is the owner".to_owned());
    }
    fault
}

fn rdata_fault(rtype: RecordType, words: &[Token<'_>], error: &TextError, from: usize) -> Box<Fault> {
    let mut fault = Fault::new(from + error.token, Reason::FileRdata, format!("{rtype}: {error}"));
    fault.hint = error.hint();
    if error.token >= words.len() {
        fault.label = "the record ends here".to_owned();
    }
    fault
}

/// The type whose mnemonic is one slip away.
fn nearest_type(text: &[u8]) -> Option<RecordType> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= 12)?.to_ascii_uppercase();
    let close = |rtype: &RecordType| {
        rtype.mnemonic().is_some_and(|known| one_slip(known.as_bytes(), text.as_bytes()))
    };
    (1..=300).map(RecordType).filter(|rtype| !rtype.is_meta()).find(close)
}

/// Whether one change, insertion, omission or swap of neighbours makes `a` into `b`.
fn one_slip(a: &[u8], b: &[u8]) -> bool {
    let same_head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[same_head..], &b[same_head..]);
    match (a, b) {
        // Too little is left to go by in names of one or two letters.
        _ if same_head == 0 => false,
        ([_, rest @ ..], other) | (other, [_, rest @ ..]) if rest == other => true,
        ([x, y, a @ ..], [v, w, b @ ..]) if x == w && y == v => a == b,
        ([_, a @ ..], [_, b @ ..]) => a == b,
        _ => false,
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}
