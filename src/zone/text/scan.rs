//! The walk over a zone file and the files that it includes.
//!
//! Records go to a sink one by one, with a [`Place`] that can point at them. After an error the walk
//! goes on with the next entry, so one run shows many; what is shown is bounded, the rest is counted.

use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Severity};
use super::directive::{self, Directive, Included};
use super::entry::{Defaults, Fault, Owner, Read, Tokens};
use super::generate::{Generator, TEMPLATES_FROM};
use super::lexer::{Entry, Flaw, LexError, Source, Word};
use super::{FileSeen, Sources};
use crate::dns::rdata::Token;
use crate::dns::{Name, RecordRef};
use crate::limits::{DIAGNOSTICS_MAX, INCLUDE_DEPTH_MAX, INCLUDE_FILES_MAX};
use crate::reason::Reason;

/// Entries that ran away (an open parenthesis) before the rest of a file is given up: each may cost
/// a look at megabytes.
const RUNAWAYS_MAX: u32 = 3;

/// What a sink has against a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// The code.
    pub reason: Reason,
    /// A sentence without a full stop.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// Where a record stands. It costs nothing until it is asked.
pub struct Place<'a> {
    file: &'a Path,
    source: &'a Source,
    entry: &'a Entry,
    word: usize,
}

impl Place<'_> {
    /// The file.
    pub fn file(&self) -> &Path {
        self.file
    }

    /// Number of the line on which the type of the record stands, from 1.
    pub fn line(&self) -> u64 {
        self.source.line_of(self.entry, word_at(self.entry, self.word).start).0
    }

    /// A diagnostic that points at the type of the record.
    pub fn diagnostic(&self, severity: Severity, reason: Reason, message: String) -> Diagnostic {
        let fault = Fault { word: self.word, reason, message, label: String::new(), hint: None };
        point(self.file, self.source, self.entry, severity, fault)
    }
}

/// What came of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanReport {
    /// What was found, in the order of the files; at most `DIAGNOSTICS_MAX` errors and as many warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// All errors, the ones not kept too.
    pub errors: u64,
    /// All warnings, the ones not kept too.
    pub warnings: u64,
    /// The files that were read, or should have been: the zone file first.
    pub files: Vec<FileSeen>,
    /// Records that the sink took.
    pub records: u64,
}

impl ScanReport {
    /// Counts a diagnostic and keeps it while there is room.
    pub(super) fn add(&mut self, diagnostic: Diagnostic) {
        let count = match diagnostic.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count += 1;
        if *count <= DIAGNOSTICS_MAX as u64 {
            self.diagnostics.push(diagnostic);
        }
    }
}

/// Takes the records of a file.
type Sink<'s> = dyn FnMut(RecordRef<'_>, &Place<'_>) -> Result<(), Objection> + 's;

/// Scans the file at `path` and gives each record of it to `sink`. Without `apex` the owner of the
/// first SOA is the apex and the origin at the start is the root.
pub fn scan(sources: &mut dyn Sources, path: &Path, apex: Option<&Name>, sink: &mut Sink<'_>) -> ScanReport {
    let mut scanner = Scanner {
        sources,
        sink,
        defaults: Defaults::new(apex),
        report: ScanReport::default(),
        open: Vec::new(),
        opened: 0,
    };
    match scanner.open(path) {
        Ok(source) => scanner.file(path, source),
        Err(error) => {
            let message = format!("the zone file cannot be read: {error}");
            scanner.report.add(Diagnostic::of_file(Severity::Error, Reason::FileUnreadable, path, message));
        }
    }
    scanner.report
}

struct Scanner<'s> {
    sources: &'s mut dyn Sources,
    sink: &'s mut Sink<'s>,
    defaults: Defaults,
    report: ScanReport,
    /// The files that are being read, each included by the one before it.
    open: Vec<PathBuf>,
    /// How many files were opened in all.
    opened: usize,
}

impl Scanner<'_> {
    fn open(&mut self, path: &Path) -> std::io::Result<Source> {
        self.opened += 1;
        Source::new(self.sources.open(path)?)
    }

    fn file(&mut self, path: &Path, mut source: Source) {
        self.open.push(path.to_path_buf());
        let at = self.report.files.len();
        let seen_before = self.report.files.iter().any(|file| file.path == path);
        if !seen_before {
            self.report.files.push(FileSeen { path: path.to_path_buf(), hash: [0; 32] });
        }
        let unreadable = match self.entries(path, &mut source) {
            Ok(()) => source.finish().map(|hash| {
                if !seen_before {
                    self.report.files[at].hash = hash;
                }
            }),
            Err(error) => Err(error),
        };
        if let Err(error) = unreadable {
            let message = format!("reading the file failed: {error}");
            self.report.add(Diagnostic::of_file(Severity::Error, Reason::FileUnreadable, path, message));
        }
        self.open.pop();
    }

    fn entries(&mut self, path: &Path, source: &mut Source) -> std::io::Result<()> {
        let mut entry = Entry::with_room();
        let mut runaways = 0;
        loop {
            match source.next(&mut entry) {
                Ok(true) => self.entry(path, source, &entry),
                Ok(false) => return Ok(()),
                Err(LexError::Unreadable(error)) => return Err(error),
                Err(LexError::Flaw { flaw, word, inside }) => {
                    entry.words.clear();
                    entry.words.push(word);
                    self.add(path, source, &entry, Severity::Error, *flaw_fault(flaw));
                    self.defaults.owner = Owner::Broken;
                    runaways += u32::from(matches!(flaw, Flaw::OpenParenthesis | Flaw::TooLong));
                    if runaways == RUNAWAYS_MAX {
                        return Ok(());
                    }
                    source.recover(word, inside)?;
                }
            }
        }
    }

    fn entry(&mut self, path: &Path, source: &Source, entry: &Entry) {
        let words = entry.words.iter();
        let tokens: Tokens<'_> =
            words.map(|&word| Token { text: source.text(word), quoted: word.quoted }).collect();
        let done = match Directive::of(&tokens) {
            Ok(None) => self.record(path, source, entry, &tokens),
            Ok(Some(Directive::Origin)) => directive::origin(&mut self.defaults, &tokens),
            Ok(Some(Directive::Ttl)) => directive::ttl(&mut self.defaults, &tokens),
            Ok(Some(Directive::Include)) => self.include(path, &tokens),
            Ok(Some(Directive::Generate)) => self.generate(path, source, entry, &tokens),
            Err(fault) => Err(fault),
        };
        if !self.defaults.warnings.is_empty() {
            for fault in std::mem::take(&mut self.defaults.warnings) {
                self.add(path, source, entry, Severity::Warning, fault);
            }
        }
        if let Err(fault) = done {
            self.add(path, source, entry, Severity::Error, *fault);
        }
    }

    fn record(
        &mut self,
        path: &Path,
        source: &Source,
        entry: &Entry,
        tokens: &[Token<'_>],
    ) -> Result<(), Box<Fault>> {
        match self.defaults.read(tokens, entry.blank_owner)? {
            Read::Orphan => Ok(()),
            Read::Record { record, rtype_word: word } => {
                (self.sink)(record, &Place { file: path, source, entry, word })
                    .map_err(|objection| object(word, objection))?;
                self.report.records += 1;
                Ok(())
            }
        }
    }

    /// Makes the records of a `$GENERATE`; the first that fails ends it. Lines with a blank owner go
    /// on with the owner before it, as in BIND.
    fn generate(
        &mut self,
        path: &Path,
        source: &Source,
        entry: &Entry,
        tokens: &[Token<'_>],
    ) -> Result<(), Box<Fault>> {
        let generator = Generator::read(tokens)?;
        let owner = (self.defaults.owner, self.defaults.owner_octets.clone());
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        let made = generator.numbers().try_for_each(|number| {
            let words = generator.write(number, &mut text, &mut ends);
            let words = words.map(|()| generator.tokens(&text, &ends));
            words.and_then(|words| self.generated(path, source, entry, &words)).map_err(|mut fault| {
                fault.message.push_str(&format!(" (in the record for {number})"));
                fault
            })
        });
        (self.defaults.owner, self.defaults.owner_octets) = owner;
        made
    }

    fn generated(
        &mut self,
        path: &Path,
        source: &Source,
        entry: &Entry,
        words: &[Token<'_>],
    ) -> Result<(), Box<Fault>> {
        let read = self.defaults.read(words, false).map_err(in_template)?;
        let Read::Record { record, rtype_word } = read else { return Ok(()) };
        let word = rtype_word + TEMPLATES_FROM;
        (self.sink)(record, &Place { file: path, source, entry, word })
            .map_err(|objection| object(word, objection))?;
        self.report.records += 1;
        Ok(())
    }

    /// Scans an included file; origin and owner are afterwards as before (RFC 1035 §5.1).
    fn include(&mut self, path: &Path, tokens: &[Token<'_>]) -> Result<(), Box<Fault>> {
        let Included { path, origin } = directive::include(&mut self.defaults, tokens, path)?;
        let fault = |message: String| Fault::new(1, Reason::FileDirective, message);
        if self.open.contains(&path) {
            let chain: Vec<_> = self.open.iter().map(|file| file.display().to_string()).collect();
            return Err(fault("the file includes itself".to_owned())
                .hint(format!("it is being read: {}", chain.join(" -> "))));
        }
        if self.open.len() > INCLUDE_DEPTH_MAX {
            return Err(fault(format!("more than {INCLUDE_DEPTH_MAX} files include each other")));
        }
        if self.opened >= INCLUDE_FILES_MAX {
            return Err(fault(format!("more than {INCLUDE_FILES_MAX} files are included")));
        }
        let source = self.open(&path).map_err(|error| {
            // Also what is not there belongs to the zone: it is read again when the file comes.
            if !self.report.files.iter().any(|file| file.path == path) {
                self.report.files.push(FileSeen { path: path.clone(), hash: [0; 32] });
            }
            let fault =
                Fault::new(1, Reason::FileUnreadable, format!("cannot read `{}`: {error}", path.display()));
            fault.hint("the name is taken relative to the file that includes it")
        })?;
        let origin_before = self.defaults.origin.clone();
        let owner_before = (self.defaults.owner, self.defaults.owner_octets.clone());
        if let Some(origin) = origin {
            self.defaults.origin = origin;
        }
        self.file(&path, source);
        self.defaults.origin = origin_before;
        (self.defaults.owner, self.defaults.owner_octets) = owner_before;
        Ok(())
    }

    fn add(&mut self, path: &Path, source: &Source, entry: &Entry, severity: Severity, fault: Fault) {
        self.report.add(point(path, source, entry, severity, fault));
    }
}

/// The word with this index, or the empty one at the end of the entry.
fn word_at(entry: &Entry, index: usize) -> Word {
    let end = entry.words.last().map_or(entry.start, |word| word.end + usize::from(word.quoted));
    entry.words.get(index).copied().unwrap_or(Word { start: end, end, quoted: false })
}

fn point(path: &Path, source: &Source, entry: &Entry, severity: Severity, fault: Fault) -> Diagnostic {
    let word = word_at(entry, fault.word);
    let quotes = usize::from(word.quoted);
    let (number, line) = source.line_of(entry, word.start);
    let start = word.start - quotes - line.start;
    let span = start..word.end + quotes - line.start;
    Diagnostic {
        label: fault.label,
        hint: fault.hint,
        ..Diagnostic::of_file(severity, fault.reason, path, fault.message)
    }
    .at(number, source.octets(line), span)
}

/// A fault of a generated record, placed at the word of the template.
fn in_template(mut fault: Box<Fault>) -> Box<Fault> {
    fault.word += TEMPLATES_FROM;
    fault
}

fn object(word: usize, objection: Objection) -> Box<Fault> {
    let mut fault = Fault::new(word, objection.reason, objection.message);
    fault.hint = objection.hint;
    fault
}

fn flaw_fault(flaw: Flaw) -> Box<Fault> {
    let fault = |message: &str| Fault::new(0, Reason::FileSyntax, message);
    match flaw {
        Flaw::OpenQuote => fault("the quote is not closed on its line")
            .hint("close it, or write a quote that is meant as such as `\\\"`"),
        Flaw::OpenParenthesis => fault("the parenthesis is never closed"),
        Flaw::StrayParenthesis => fault("no parenthesis is open here"),
        Flaw::TooLong => fault("the entry is too long").hint("is a parenthesis or a line feed missing?"),
    }
}
