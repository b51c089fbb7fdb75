//! Errors of the config, shown where they are.
//!
//! Each [`Problem`] has a span in the text; the whole is rendered as rustc would: code, sentence,
//! file, line, column, caret, hint.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::reason::Reason;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The cause, with its stable code.
    pub reason: Reason,
    /// What is wrong, in a sentence without a full stop.
    pub title: String,
    /// What stands at the caret; may be empty.
    pub label: String,
    /// Octets of the config text that are meant.
    pub span: Range<usize>,
    /// What to do.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem at `span`, without a label and a hint.
    pub(super) fn new(reason: Reason, span: Range<usize>, title: impl Into<String>) -> Problem {
        Problem { reason, title: title.into(), label: String::new(), span, hint: None }
    }

    /// The same with a text at the caret.
    pub(super) fn label(mut self, label: impl Into<String>) -> Problem {
        self.label = label.into();
        self
    }

    /// The same with a hint.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    /// The same with the nearest of `candidates` as its hint, or the list of them if it is short.
    pub(super) fn nearest<'a>(self, wrong: &str, candidates: impl Iterator<Item = &'a str>) -> Problem {
        match suggestion(wrong, &candidates.collect::<Vec<_>>()) {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }
}

/// Why there is no configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    path: PathBuf,
    text: String,
    problems: Vec<Problem>,
}

/// Whether rendered text carries colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Text only.
    Plain,
    /// ANSI colours, for a terminal.
    Styled,
}

impl ConfigError {
    /// Problems in `text`, which was read from `path`.
    pub(super) fn new(path: &Path, text: String, mut problems: Vec<Problem>) -> ConfigError {
        problems.sort_by_key(|problem| problem.span.start);
        ConfigError { path: path.to_owned(), text, problems }
    }

    /// The file could not be read at all.
    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> ConfigError {
        let title = format!("cannot read the config {}: {error}", path.display());
        let problem = Problem::new(Reason::ConfigUnreadable, 0..0, title);
        ConfigError { path: path.to_owned(), text: String::new(), problems: vec![problem] }
    }

    /// The file is not text.
    pub(super) fn not_utf8(path: &Path, error: &std::string::FromUtf8Error) -> ConfigError {
        let at = error.utf8_error().valid_up_to();
        let title = format!("the config {} is not UTF-8 at octet {at}", path.display());
        let problem = Problem::new(Reason::ConfigSyntax, 0..0, title);
        ConfigError { path: path.to_owned(), text: String::new(), problems: vec![problem] }
    }

    /// What the TOML reader or serde met; they stop at the first problem.
    pub(super) fn from_toml(path: &Path, text: String, error: &toml::de::Error) -> ConfigError {
        let problem = from_toml(error);
        ConfigError::new(path, text, vec![problem])
    }

    /// Every problem, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The report, as rustc would print it.
    pub fn render(&self, paint: Paint) -> String {
        let renderer = match paint {
            Paint::Plain => Renderer::plain(),
            Paint::Styled => Renderer::styled(),
        };
        let path = self.path.display().to_string();
        let groups: Vec<Group<'_>> = self.problems.iter().map(|problem| self.group(problem, &path)).collect();
        groups.into_iter().map(|group| renderer.render(&[group]).to_string()).collect::<Vec<_>>().join("\n\n")
    }

    fn group<'a>(&'a self, problem: &'a Problem, path: &'a str) -> Group<'a> {
        let title = Level::ERROR.primary_title(problem.title.as_str()).id(problem.reason.code());
        let mut group = Group::with_title(title);
        if !self.text.is_empty() {
            let span = self.visible(&problem.span);
            let mut annotation = AnnotationKind::Primary.span(span);
            if !problem.label.is_empty() {
                annotation = annotation.label(problem.label.as_str());
            }
            group = group.element(Snippet::source(self.text.as_str()).path(path).annotation(annotation));
        }
        if let Some(hint) = &problem.hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        group
    }

    /// The part of `span` that lies on its first line: a table's span may hold hundreds of lines.
    fn visible(&self, span: &Range<usize>) -> Range<usize> {
        let start = span.start.min(self.text.len());
        let end = span.end.clamp(start, self.text.len());
        let line = self.text.get(start..end).and_then(|text| text.find('\n')).map(|length| start + length);
        start..line.unwrap_or(end)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Paint::Plain))
    }
}

impl std::error::Error for ConfigError {}

/// Turns an error of the TOML reader or of serde into ours. Serde knows what it expected only as
/// text, with every name in backquotes.
fn from_toml(error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or(0..0);
    let message = error.message();
    let mut quoted = message.split('`').skip(1).step_by(2);
    let first = quoted.next().unwrap_or_default();
    let expected = quoted.collect::<Vec<_>>();
    if message.starts_with("unknown field") {
        Problem::new(Reason::ConfigUnknownKey, span, format!("unknown key `{first}`"))
            .label("no such key here")
            .nearest(first, expected.into_iter())
    } else if message.starts_with("unknown variant") {
        Problem::new(Reason::ConfigBadValue, span, format!("unknown value \"{first}\""))
            .nearest(first, expected.into_iter())
    } else if message.starts_with("missing field") {
        Problem::new(Reason::ConfigMissingKey, span, format!("missing key `{first}`"))
            .label(format!("`{first}` must be given here"))
    } else if message.starts_with("duplicate key") {
        Problem::new(Reason::ConfigDuplicate, span, "the same key is given twice")
    } else if message.starts_with("invalid") && message.contains(", expected ") {
        Problem::new(Reason::ConfigBadValue, span, message)
    } else {
        Problem::new(Reason::ConfigSyntax, span, message.replace('\n', ", "))
    }
}

/// A sentence that names the candidate that was probably meant, else the few that exist.
fn suggestion(wrong: &str, candidates: &[&str]) -> Option<String> {
    let distance =
        |candidate: &str| strsim::damerau_levenshtein(&wrong.to_lowercase(), &candidate.to_lowercase());
    let nearest = candidates.iter().map(|candidate| (distance(candidate), *candidate)).min()?;
    let tolerated = (wrong.chars().count() / 3).max(1) + usize::from(wrong.len() > 6);
    if nearest.0 <= tolerated {
        return Some(format!("did you mean `{}`?", nearest.1));
    }
    let listed = candidates.iter().take(LISTED_MAX).map(|name| format!("`{name}`")).collect::<Vec<_>>();
    let more = if candidates.len() > LISTED_MAX { ", …" } else { "" };
    Some(format!("possible here: {}{more}", listed.join(", ")))
}

/// Candidates that a hint names before it says "…".
const LISTED_MAX: usize = 24;
