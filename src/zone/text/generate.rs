//! `$GENERATE start-stop[/step] owner [ttl] [class] type rdata…`: many records from one line.
//!
//! In every word after the range `$` stands for the current number, `$$` and `\$` for a dollar
//! sign, and `${offset,width,base}` for the number plus an offset, padded with zeros to a width, in
//! base `d`, `o`, `x`, `X`, or as hexadecimal nibbles from the lowest, with dots between: `n`, `N`.
//! This is a habit of BIND's, in no RFC. How many records one line makes is bounded.

use super::entry::{Fault, Tokens};
use crate::dns::rdata::Token;
use crate::limits::{GENERATE_RECORDS_MAX, GENERATE_WIDTH_MAX};
use crate::reason::Reason;

/// A `$GENERATE` line that makes sense.
pub(super) struct Generator<'t> {
    range: Range,
    words: Vec<Template<'t>>,
}

/// Which numbers come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    start: u32,
    stop: u32,
    step: u32,
}

/// One word with places for the number.
struct Template<'t> {
    pieces: Vec<Piece<'t>>,
    quoted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece<'t> {
    Text(&'t [u8]),
    Number { offset: i64, width: usize, base: Base },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Decimal,
    Octal,
    Hex,
    UpperHex,
    Nibbles,
    UpperNibbles,
}

/// Where the words of the directive itself end: index of the first template.
pub(super) const TEMPLATES_FROM: usize = 2;

impl<'t> Generator<'t> {
    /// Reads the whole line, `$GENERATE` included.
    pub fn read(tokens: &[Token<'t>]) -> Result<Generator<'t>, Box<Fault>> {
        let Some(range) = tokens.get(1) else {
            return Err(Fault::new(1, Reason::FileDirective, "`$GENERATE` takes a range and a record"));
        };
        let range = Range::read(range.text)?;
        let templates = tokens.get(TEMPLATES_FROM..).unwrap_or_default();
        let mut words = Vec::with_capacity(templates.len());
        for (index, token) in templates.iter().enumerate() {
            let pieces = pieces(token.text).map_err(|message| {
                Fault::new(TEMPLATES_FROM + index, Reason::FileDirective, message)
                    .hint("write `$`, or `${offset,width,base}` with a base of d, o, x, X, n or N")
            })?;
            words.push(Template { pieces, quoted: token.quoted });
        }
        Ok(Generator { range, words })
    }

    /// The numbers for which a record is made.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + use<> {
        let Range { start, stop, step } = self.range;
        (start..=stop).step_by(step as usize)
    }

    /// Writes the words for `number` into `text` and their ends into `ends`.
    pub fn write(&self, number: u32, text: &mut Vec<u8>, ends: &mut Vec<usize>) -> Result<(), Box<Fault>> {
        text.clear();
        ends.clear();
        for (index, word) in self.words.iter().enumerate() {
            for piece in &word.pieces {
                match *piece {
                    Piece::Text(octets) => text.extend_from_slice(octets),
                    Piece::Number { offset, width, base } => {
                        let value = u64::try_from(i64::from(number) + offset).map_err(|_| {
                            Fault::new(
                                TEMPLATES_FROM + index,
                                Reason::FileDirective,
                                "the number would be negative",
                            )
                            .label(format!("{number}{offset:+}"))
                        })?;
                        write_number(value, width, base, text);
                    }
                }
            }
            ends.push(text.len());
        }
        Ok(())
    }

    /// The words that [`Generator::write`] wrote.
    pub fn tokens<'a>(&self, text: &'a [u8], ends: &[usize]) -> Tokens<'a> {
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let ranges = starts.zip(ends.iter().copied());
        let words = ranges.zip(&self.words);
        words.map(|((start, end), word)| Token { text: &text[start..end], quoted: word.quoted }).collect()
    }
}

impl Range {
    fn read(text: &[u8]) -> Result<Range, Box<Fault>> {
        let fault = |message: &str| Fault::new(1, Reason::FileDirective, message);
        let read = |text: &str| text.parse::<u32>().ok().filter(|_| !text.starts_with('+'));
        let whole = std::str::from_utf8(text).unwrap_or_default();
        let (range, step) = match whole.split_once('/') {
            Some((range, step)) => (range, read(step)),
            None => (whole, Some(1)),
        };
        let ends = range.split_once('-').and_then(|(start, stop)| Some((read(start)?, read(stop)?)));
        let (Some((start, stop)), Some(step)) = (ends, step) else {
            return Err(
                fault("not a range").hint("write `start-stop` or `start-stop/step`: `1-254`, `0-30/2`")
            );
        };
        if stop < start {
            return Err(fault("the range ends before it begins"));
        }
        if step == 0 {
            return Err(fault("the step is 0"));
        }
        if u64::from((stop - start) / step) >= GENERATE_RECORDS_MAX {
            return Err(
                fault("the range is too long").label(format!("at most {GENERATE_RECORDS_MAX} records"))
            );
        }
        Ok(Range { start, stop, step })
    }
}

fn pieces(mut text: &[u8]) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let plain = plain_octets(text);
        if plain > 0 {
            let (octets, rest) = text.split_at(plain);
            pieces.push(Piece::Text(octets));
            text = rest;
            continue;
        }
        // A dollar sign stands here.
        match text {
            [b'$', b'$', rest @ ..] => {
                pieces.push(Piece::Text(&text[..1]));
                text = rest;
            }
            [b'$', b'{', rest @ ..] => {
                let end = rest.iter().position(|&octet| octet == b'}').ok_or("a brace is not closed")?;
                pieces.push(number(&rest[..end])?);
                text = &rest[end + 1..];
            }
            _ => {
                pieces.push(Piece::Number { offset: 0, width: 0, base: Base::Decimal });
                text = &text[1..];
            }
        }
    }
    Ok(pieces)
}

/// Octets before the next dollar sign that is not escaped.
fn plain_octets(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&octet) = text.get(at) {
        match octet {
            b'$' => break,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at.min(text.len())
}

/// What stands between the braces.
fn number<'t>(text: &[u8]) -> Result<Piece<'t>, String> {
    let text = std::str::from_utf8(text).unwrap_or("?");
    let mut parts = text.split(',');
    let offset = parts.next().unwrap_or_default();
    let offset: i64 = offset.parse::<i32>().map_err(|_| format!("`{offset}` is not an offset"))?.into();
    let width = parts.next().unwrap_or("0");
    let width: usize = width.parse().map_err(|_| format!("`{width}` is not a width"))?;
    if width > GENERATE_WIDTH_MAX {
        return Err(format!("the width {width} is more than {GENERATE_WIDTH_MAX}"));
    }
    let base = match parts.next().unwrap_or("d") {
        "d" => Base::Decimal,
        "o" => Base::Octal,
        "x" => Base::Hex,
        "X" => Base::UpperHex,
        "n" => Base::Nibbles,
        "N" => Base::UpperNibbles,
        other => return Err(format!("`{other}` is not a base")),
    };
    match parts.next() {
        Some(_) => Err("more than offset, width and base".to_owned()),
        None => Ok(Piece::Number { offset, width, base }),
    }
}

fn write_number(value: u64, width: usize, base: Base, text: &mut Vec<u8>) {
    let digits = match base {
        Base::Decimal => format!("{value:0width$}"),
        Base::Octal => format!("{value:0width$o}"),
        Base::Hex => format!("{value:0width$x}"),
        Base::UpperHex => format!("{value:0width$X}"),
        // The width counts the dots as well; an even one ends with a dot.
        Base::Nibbles | Base::UpperNibbles => {
            let hex = match base {
                Base::Nibbles => format!("{value:0least$x}", least = width.div_ceil(2)),
                _ => format!("{value:0least$X}", least = width.div_ceil(2)),
            };
            let mut nibbles = String::with_capacity(2 * hex.len());
            for digit in hex.chars().rev() {
                nibbles.push(digit);
                nibbles.push('.');
            }
            if nibbles.len() > width.max(1) || width == 0 {
                nibbles.pop();
            }
            nibbles
        }
    };
    text.extend_from_slice(digits.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, number: u32, expected: Result<&str, &str>) {
        let token = |text: &'static str| Token { text: text.as_bytes(), quoted: false };
        let template = Token { text: template.as_bytes(), quoted: false };
        let made = Generator::read(&[token("$GENERATE"), token("0-1"), template]).and_then(|generator| {
            let (mut text, mut ends) = (Vec::new(), Vec::new());
            generator.write(number, &mut text, &mut ends)?;
            Ok(String::from_utf8(text).unwrap())
        });
        let made = made.map_err(|fault| fault.message);
        assert_eq!(made.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn c14_a_dollar_sign_stands_for_the_number() {
        check("host-$.x$", 7, Ok("host-7.x7"));
        check("a$$b", 7, Ok("a$b"));
        check("a\\$b$", 7, Ok("a\\$b7"));
        check("${0}", 7, Ok("7"));
        check("${10,4}", 7, Ok("0017"));
        check("${-2,3,d}", 7, Ok("005"));
        check("${0,3,o}", 9, Ok("011"));
        check("${0,2,x}-${0,2,X}", 171, Ok("ab-AB"));
        check("no number", 7, Ok("no number"));
    }

    #[test]
    fn c14_nibbles_come_from_the_lowest() {
        check("${0,0,n}", 0x1a2, Ok("2.a.1"));
        check("${0,1,n}", 5, Ok("5"));
        check("${0,3,n}", 5, Ok("5.0"));
        check("${0,4,n}", 5, Ok("5.0."));
        check("${0,5,N}", 0xab, Ok("B.A.0"));
        check("${0,1,n}", 0x12, Ok("2.1"));
    }

    #[test]
    fn c14_bad_templates_are_refused() {
        check("${", 7, Err("a brace is not closed"));
        check("${x}", 7, Err("`x` is not an offset"));
        check("${0,-1}", 7, Err("`-1` is not a width"));
        check("${0,256}", 7, Err("the width 256 is more than 255"));
        check("${0,2,q}", 7, Err("`q` is not a base"));
        check("${0,2,d,1}", 7, Err("more than offset, width and base"));
        check("${-8}", 7, Err("the number would be negative"));
    }

    #[test]
    fn c14_ranges_are_bounded() {
        for text in ["", "1", "1-", "a-b", "5-1", "1-5/0", "0-4294967295", "+1-2", "1-2/3/4"] {
            assert!(Range::read(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(Range::read(b"0-4294967295/4096"), Ok(Range { start: 0, stop: u32::MAX, step: 4096 }));
    }
}
