//! Errors and warnings about a zone file, shown as rustc shows them.
//!
//! A diagnostic owns what it needs to be shown long after the file has changed or gone: the line
//! with the span that is meant. Lines are cut around the span, so a diagnostic is always small.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::reason::Reason;

/// Octets of a line that are kept before, in and after the span.
const LINE_OCTETS_KEPT: usize = 160;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The zone cannot be served from this file.
    Error,
    /// The zone is served; the operator should look.
    Warning,
}

/// Whether escape codes for colours are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Text alone, for logs and pipes.
    Plain,
    /// With colours, for terminals.
    Styled,
}

/// One error or warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The code.
    pub reason: Reason,
    /// The file that it is about.
    pub file: PathBuf,
    /// Number of the line, from 1; 0 if the file as a whole is meant.
    pub line: u64,
    /// Number of the first character that is meant, from 1.
    pub column: u64,
    /// What is meant, in octets of `source_line`.
    pub span: Range<usize>,
    /// The line, shortened if it is very long; octets that are not UTF-8 are replaced.
    pub source_line: String,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// A few words for the place under the caret; may be empty.
    pub label: String,
    /// How to mend it.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// One about a file as a whole.
    pub fn of_file(severity: Severity, reason: Reason, file: &Path, message: String) -> Diagnostic {
        Diagnostic {
            severity,
            reason,
            file: file.to_path_buf(),
            line: 0,
            column: 0,
            span: 0..0,
            source_line: String::new(),
            message,
            label: String::new(),
            hint: None,
        }
    }

    /// Puts it on a line of the file; `span` is in octets of `line`.
    pub(super) fn at(mut self, number: u64, line: &[u8], span: Range<usize>) -> Diagnostic {
        let end = span.end.min(line.len());
        let start = span.start.min(end);
        let before = String::from_utf8_lossy(&line[..start]);
        let inside = &line[start..end];
        let inside = String::from_utf8_lossy(&inside[..inside.len().min(LINE_OCTETS_KEPT)]);
        let after = &line[end..];
        let after = String::from_utf8_lossy(&after[..after.len().min(LINE_OCTETS_KEPT)]);
        self.line = number;
        self.column = before.chars().count() as u64 + 1;
        self.source_line = match before.char_indices().rev().nth(LINE_OCTETS_KEPT - 1) {
            Some((cut, _)) if cut > 0 => format!("…{}", &before[cut..]),
            _ => before.into_owned(),
        };
        self.span = self.source_line.len()..self.source_line.len() + inside.len();
        self.source_line.push_str(&inside);
        self.source_line.push_str(&after);
        self
    }

    /// As rustc shows it: title, place, line, caret, help.
    pub fn render(&self, paint: Paint) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let path = self.file.to_string_lossy();
        let title = level.primary_title(self.message.as_str()).id(self.reason.code());
        let mut group: Group<'_> = if self.line == 0 {
            title.element(Origin::path(path))
        } else {
            let label = (!self.label.is_empty()).then_some(self.label.as_str());
            let mark = AnnotationKind::Primary.span(self.span.clone()).label(label);
            let line = usize::try_from(self.line).unwrap_or(usize::MAX);
            let snippet = Snippet::source(self.source_line.as_str()).line_start(line).path(path);
            title.element(snippet.annotation(mark))
        };
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        let renderer = match paint {
            Paint::Plain => Renderer::plain(),
            Paint::Styled => Renderer::styled(),
        };
        renderer.render(&[group])
    }
}

/// One line: `zones/example.zone:7:12: error: … [BW-Z10]`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, " {severity}: {} [{}]", self.message, self.reason.code())
    }
}
