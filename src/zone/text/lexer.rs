//! Octets in chunks -> entries of words (RFC 1035 §5.1).
//!
//! An entry is one line, or several that parentheses hold together. It is lexed inside the window;
//! when the window ends inside it, more is read and the entry is lexed again from its start, so
//! words are always ranges of one slice and nothing is copied. Escapes stay as they are: they mean
//! different things in names and in strings. Words that mean something are not known here.

use std::io::{self, Read};

use crate::limits::{ZONE_CHUNK_OCTETS, ZONE_ENTRY_OCTETS_MAX};

/// What most zone files fit.
const FIRST_OCTETS: usize = 4096;

/// One word of an entry, as a range of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// First octet, after an opening quote.
    pub start: usize,
    /// Behind the last octet, before a closing quote.
    pub end: usize,
    /// Whether it stood in quotes as a whole.
    pub quoted: bool,
}

/// One entry; reused for the next, so that its allocation stays.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// Its words, at least one.
    pub words: Vec<Word>,
    /// Whether its first line begins with a blank: the owner is the one before (RFC 1035 §5.1).
    pub blank_owner: bool,
    /// Where its first line begins in the window.
    pub start: usize,
    /// Number of its first line, from 1.
    pub line: u64,
}

impl Entry {
    /// One with room for the words of most records.
    pub fn with_room() -> Entry {
        Entry { words: Vec::with_capacity(16), ..Entry::default() }
    }
}

/// What is wrong with the text of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// A quote without its partner on the same line.
    OpenQuote,
    /// An opening parenthesis that nothing closes.
    OpenParenthesis,
    /// A closing parenthesis that nothing opened.
    StrayParenthesis,
    /// An entry longer than `ZONE_ENTRY_OCTETS_MAX`.
    TooLong,
}

/// Why there is no next entry.
#[derive(Debug)]
pub(super) enum LexError {
    /// The text of the entry is broken at this word.
    Flaw {
        /// What is wrong.
        flaw: Flaw,
        /// The offending character.
        word: Word,
        /// Whether it lies inside parentheses, so that the next line may still belong to it.
        inside: bool,
    },
    /// The file cannot be read any further.
    Unreadable(io::Error),
}

/// A zone file on its way through the window.
pub(super) struct Source {
    reader: Box<dyn Read>,
    window: Vec<u8>,
    /// Where the next entry begins in the window.
    at: usize,
    /// Number of the line at `at`, from 1.
    line: u64,
    /// Whether the reader has nothing more.
    ended: bool,
    hasher: blake3::Hasher,
}

impl Source {
    /// Starts at the first line; a UTF-8 byte order mark is skipped.
    pub fn new(reader: Box<dyn Read>) -> io::Result<Source> {
        let hasher = blake3::Hasher::new();
        let mut source = Source { reader, window: Vec::new(), at: 0, line: 1, ended: false, hasher };
        source.fill()?;
        if source.window.starts_with(b"\xef\xbb\xbf") {
            source.at = 3;
        }
        Ok(source)
    }

    /// Lexes the next entry into `entry`; `false` at the end of the file. After a flaw, go on with
    /// [`Source::recover`].
    pub fn next(&mut self, entry: &mut Entry) -> Result<bool, LexError> {
        loop {
            entry.line = self.line;
            match lex(&self.window, self.at, self.ended, entry) {
                Step::Entry { next, lines } => {
                    self.at = next;
                    self.line = entry.line + lines;
                    return Ok(true);
                }
                Step::End => return Ok(false),
                Step::Flaw { flaw, word, inside } => {
                    self.at = entry.start;
                    self.line = entry.line;
                    return Err(LexError::Flaw { flaw, word, inside });
                }
                Step::More { inside } => {
                    self.at = entry.start;
                    self.line = entry.line;
                    if self.window.len() - self.at > ZONE_ENTRY_OCTETS_MAX {
                        let word = Word { start: self.at, end: self.at + 1, quoted: false };
                        return Err(LexError::Flaw { flaw: Flaw::TooLong, word, inside });
                    }
                    self.fill().map_err(LexError::Unreadable)?;
                }
            }
        }
    }

    /// Goes on after a flaw at `word`: with the next line, or, `inside` parentheses, with the next
    /// line that looks like the start of a record.
    pub fn recover(&mut self, word: Word, inside: bool) -> io::Result<()> {
        self.line += newlines(&self.window[self.at..word.start]);
        self.at = word.start;
        loop {
            self.skip_line()?;
            if self.at == self.window.len() && !self.ended {
                self.fill()?;
            }
            match self.window.get(self.at) {
                Some(b' ' | b'\t' | b'\r' | b'\n' | b')' | b';' | b'"') if inside => {}
                _ => return Ok(()),
            }
        }
    }

    /// The octets of a word of the entry that was lexed last.
    pub fn text(&self, word: Word) -> &[u8] {
        &self.window[word.start..word.end]
    }

    /// The line of the entry on which `offset` lies: its number and its range in the window.
    pub fn line_of(&self, entry: &Entry, offset: usize) -> (u64, std::ops::Range<usize>) {
        let before = &self.window[entry.start..offset];
        let start =
            before.iter().rposition(|&octet| octet == b'\n').map_or(entry.start, |at| entry.start + at + 1);
        let rest = &self.window[offset..];
        let mut end = offset + rest.iter().position(|&octet| octet == b'\n').unwrap_or(rest.len());
        if self.window[start..end].ends_with(b"\r") {
            end -= 1;
        }
        (entry.line + newlines(before), start..end)
    }

    /// Octets of the window.
    pub fn octets(&self, range: std::ops::Range<usize>) -> &[u8] {
        &self.window[range]
    }

    /// Reads what is left for the hash's sake and gives the hash of the whole file.
    pub fn finish(mut self) -> io::Result<[u8; 32]> {
        while !self.ended {
            self.at = self.window.len();
            self.fill()?;
        }
        Ok(*self.hasher.finalize().as_bytes())
    }

    /// Forgets what lies before `at` and reads another chunk behind the rest.
    fn fill(&mut self) -> io::Result<()> {
        self.window.drain(..self.at);
        self.at = 0;
        let before = self.window.len();
        // Without room the library feels its way forward with small reads.
        self.window.reserve(FIRST_OCTETS);
        let chunk = ZONE_CHUNK_OCTETS as u64;
        let read = (&mut self.reader).take(chunk).read_to_end(&mut self.window)?;
        self.hasher.update(&self.window[before..]);
        self.ended = read < ZONE_CHUNK_OCTETS;
        Ok(())
    }

    /// Moves behind the next line feed, or to the end of the file.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let rest = &self.window[self.at..];
            if let Some(length) = rest.iter().position(|&octet| octet == b'\n') {
                self.at += length + 1;
                self.line += 1;
                return Ok(());
            }
            self.at = self.window.len();
            if self.ended {
                return Ok(());
            }
            self.fill()?;
        }
    }
}

/// What one attempt at an entry came to.
enum Step {
    /// An entry that ends before `next`, which is `lines` lines further down.
    Entry { next: usize, lines: u64 },
    /// The window ends inside the entry and the file goes on.
    More { inside: bool },
    /// Only blanks and comments were left.
    End,
    /// The text is broken.
    Flaw { flaw: Flaw, word: Word, inside: bool },
}

/// What an octet means outside of quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Blank,
    LineFeed,
    Quote,
    Open,
    Close,
    Comment,
}

const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Word; 256];
    kinds[b' ' as usize] = Kind::Blank;
    kinds[b'\t' as usize] = Kind::Blank;
    kinds[b'\r' as usize] = Kind::Blank;
    kinds[b'\n' as usize] = Kind::LineFeed;
    kinds[b'"' as usize] = Kind::Quote;
    kinds[b'(' as usize] = Kind::Open;
    kinds[b')' as usize] = Kind::Close;
    kinds[b';' as usize] = Kind::Comment;
    kinds
};

fn lex(window: &[u8], from: usize, ended: bool, entry: &mut Entry) -> Step {
    let mut at = from;
    let mut lines = 0;
    // The parentheses that are open, and the outermost of them.
    let mut depth = 0_u32;
    let mut opened = from;
    entry.words.clear();
    entry.start = from;
    entry.blank_owner = begins_blank(window, from);
    while let Some(&octet) = window.get(at) {
        match KINDS[usize::from(octet)] {
            Kind::Word => {
                let Some(end) = word_end(window, at, ended) else { return Step::More { inside: depth > 0 } };
                entry.words.push(Word { start: at, end, quoted: false });
                at = end;
            }
            Kind::Blank => at += 1,
            Kind::LineFeed => {
                at += 1;
                lines += 1;
                if depth == 0 && !entry.words.is_empty() {
                    return Step::Entry { next: at, lines };
                }
                if depth == 0 {
                    entry.start = at;
                    entry.line += lines;
                    lines = 0;
                    entry.blank_owner = begins_blank(window, at);
                }
            }
            Kind::Quote => match quote_end(window, at + 1) {
                Quote::Ends(end) => {
                    entry.words.push(Word { start: at + 1, end, quoted: true });
                    at = end + 1;
                }
                Quote::RunsOut if !ended => return Step::More { inside: depth > 0 },
                Quote::RunsOut | Quote::Breaks => return flaw(Flaw::OpenQuote, at, depth),
            },
            Kind::Open => {
                if depth == 0 {
                    opened = at;
                }
                depth += 1;
                at += 1;
            }
            Kind::Close if depth == 0 => return flaw(Flaw::StrayParenthesis, at, 0),
            Kind::Close => {
                depth -= 1;
                at += 1;
            }
            Kind::Comment => {
                let rest = &window[at..];
                at += rest.iter().position(|&octet| octet == b'\n').unwrap_or(rest.len());
            }
        }
    }
    match (ended, depth) {
        (false, _) => Step::More { inside: depth > 0 },
        (true, 0) if entry.words.is_empty() => Step::End,
        (true, 0) => Step::Entry { next: at, lines },
        (true, _) => flaw(Flaw::OpenParenthesis, opened, depth),
    }
}

fn flaw(flaw: Flaw, at: usize, depth: u32) -> Step {
    Step::Flaw { flaw, word: Word { start: at, end: at + 1, quoted: false }, inside: depth > 0 }
}

fn begins_blank(window: &[u8], at: usize) -> bool {
    matches!(window.get(at), Some(b' ' | b'\t' | b'\r'))
}

/// Behind the last octet of the word that begins at `at`, and not with a quote; `None` if the window may end inside it.
fn word_end(window: &[u8], mut at: usize, ended: bool) -> Option<usize> {
    while let Some(&octet) = window.get(at) {
        match KINDS[usize::from(octet)] {
            Kind::Word if octet == b'\\' && !matches!(window.get(at + 1), None | Some(b'\n')) => at += 2,
            Kind::Word => at += 1,
            // A quoted value of a service parameter: `alpn="h2,h3"` (RFC 9460 §2.1).
            Kind::Quote if window[at - 1] == b'=' => match quote_end(window, at + 1) {
                Quote::Ends(end) => at = end + 1,
                // The lexer finds this quote again, as the start of a word, and reads on or reports it.
                Quote::RunsOut | Quote::Breaks => return Some(at),
            },
            _ => return Some(at),
        }
    }
    ended.then_some(at.min(window.len()))
}

/// How a quoted string ends.
enum Quote {
    /// At the quote with this offset.
    Ends(usize),
    /// The line ends first.
    Breaks,
    /// The window ends first.
    RunsOut,
}

fn quote_end(window: &[u8], mut at: usize) -> Quote {
    while let Some(&octet) = window.get(at) {
        match octet {
            b'"' => return Quote::Ends(at),
            b'\n' => return Quote::Breaks,
            b'\\' if window.get(at + 1) == Some(&b'\n') => return Quote::Breaks,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    Quote::RunsOut
}

fn newlines(octets: &[u8]) -> u64 {
    octets.iter().filter(|&&octet| octet == b'\n').count() as u64
}
