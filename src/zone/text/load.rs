//! A zone file as a version: scan, build and check in one.
//!
//! Any error means no version. Whether a version that came out is published is not decided here.

use std::fmt;
use std::path::Path;

use super::diagnostic::{Diagnostic, Paint, Severity};
use super::scan::{Objection, ScanReport, scan};
use super::{FileSeen, Sources};
use crate::dns::{Name, RecordRef};
use crate::limits::{DIAGNOSTICS_MAX, FINDINGS_LOCATED_RECORDS_MAX};
use crate::reason::Reason;
use crate::zone::checks::{self, Finding, Findings};
use crate::zone::{BuildError, Builder, Built, Demands, DigestKey, Source, Version};

/// A zone that can be served.
#[derive(Clone)]
pub struct Loaded {
    /// The version, with the serial of the file.
    pub version: Version,
    /// Warnings, at most `DIAGNOSTICS_MAX`.
    pub warnings: Vec<Diagnostic>,
    /// All warnings, the ones not kept too.
    pub warning_count: u64,
    /// The zone file and what it included.
    pub files: Vec<FileSeen>,
    /// Over the content of all files: see [`content_hash`].
    pub hash: [u8; 32],
    /// What the checks found of the version, for the next time.
    pub findings: Findings,
}

/// Why a zone file gives no version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// Errors and warnings in the order of the files, at most `DIAGNOSTICS_MAX` of each.
    pub diagnostics: Vec<Diagnostic>,
    /// All errors, the ones not kept too; at least one.
    pub errors: u64,
    /// The files that were read, and included ones that could not be.
    pub files: Vec<FileSeen>,
    /// Over the content of all files: see [`content_hash`].
    pub hash: [u8; 32],
}

impl LoadError {
    /// All diagnostics, and how many more there are.
    pub fn render(&self, paint: Paint) -> String {
        let mut shown: Vec<String> =
            self.diagnostics.iter().map(|diagnostic| diagnostic.render(paint)).collect();
        let kept =
            self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
        if self.errors > kept as u64 {
            shown.push(format!("and {} errors more", self.errors - kept as u64));
        }
        shown.join("\n\n")
    }
}

/// One line: the first error, and how many more there are.
impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error) {
            Some(first) => first.fmt(f)?,
            None => f.write_str("the zone file has errors")?,
        }
        match self.errors {
            0 | 1 => Ok(()),
            errors => write!(f, " (and {} more)", errors - 1),
        }
    }
}

impl std::error::Error for LoadError {}

/// Loads the zone `apex` from the file at `path`; one that does not meet the demands is broken.
pub fn load(
    sources: &mut dyn Sources,
    path: &Path,
    apex: &Name,
    key: DigestKey,
    demands: &Demands,
) -> Result<Loaded, Box<LoadError>> {
    let mut builder = Builder::new(apex.as_ref(), key, Source::File);
    let report = scan(sources, path, Some(apex), &mut |record, _| builder.push(record).map_err(objection));
    if report.errors > 0 {
        return Err(failed(report));
    }
    match builder.finish() {
        Ok(built) => {
            let Built { version, duplicates, ttls_lowered } = built;
            let findings = checks::check(&version, &demands.bounds);
            let outcome = Outcome { version, duplicates, ttls_lowered, findings };
            outcome.loaded(sources, path, apex, demands, report)
        }
        Err(error) => Err(no_version(path, error, report)),
    }
}

/// What a scan without errors came to.
pub(super) struct Outcome {
    pub version: Version,
    pub duplicates: u64,
    pub ttls_lowered: u64,
    pub findings: Findings,
}

impl Outcome {
    /// The version, if the checks found no error; what is to be said comes into the report.
    pub fn loaded(
        self,
        sources: &mut dyn Sources,
        path: &Path,
        apex: &Name,
        demands: &Demands,
        mut report: ScanReport,
    ) -> Result<Loaded, Box<LoadError>> {
        let Outcome { version, duplicates, ttls_lowered, mut findings } = self;
        if let Err(flaw) = demands.zonemd.check(&version) {
            findings.object(&version, flaw);
        }
        for (count, what) in [
            (duplicates, "duplicate records dropped"),
            (ttls_lowered, "RRsets with differing TTLs, set to the least (RFC 2181 §5.2)"),
        ] {
            if count > 0 {
                let message = format!("{what}: {count}");
                report.add(Diagnostic::of_file(Severity::Warning, Reason::ZoneDuplicates, path, message));
            }
        }
        let locate = are_located(&findings, version.record_count());
        add_findings(sources, path, apex, &findings, locate, &mut report);
        if report.errors > 0 {
            return Err(failed(report));
        }
        let hash = content_hash(&report.files);
        let ScanReport { diagnostics: warnings, warnings: warning_count, files, .. } = report;
        Ok(Loaded { version, warnings, warning_count, files, hash, findings })
    }
}

/// One hash for a zone file with all that it includes: that of the file if it includes nothing.
pub fn content_hash(files: &[FileSeen]) -> [u8; 32] {
    match files {
        [only] => only.hash,
        files => {
            let mut hasher = blake3::Hasher::new();
            files.iter().for_each(|file| {
                hasher.update(&file.hash);
            });
            *hasher.finalize().as_bytes()
        }
    }
}

/// The records of a scan are no zone.
pub(super) fn no_version(path: &Path, error: BuildError, mut report: ScanReport) -> Box<LoadError> {
    let Objection { reason, message, hint } = objection(error);
    let mut diagnostic = Diagnostic::of_file(Severity::Error, reason, path, message);
    diagnostic.hint = hint;
    report.add(diagnostic);
    failed(report)
}

pub(super) fn failed(report: ScanReport) -> Box<LoadError> {
    let hash = content_hash(&report.files);
    Box::new(LoadError { diagnostics: report.diagnostics, errors: report.errors, files: report.files, hash })
}

pub(super) fn objection(error: BuildError) -> Objection {
    let (reason, message, hint) = match error {
        BuildError::OutOfZone => (Reason::FileOutOfZone, "the record is not in the zone", None),
        BuildError::SecondSoa => {
            (Reason::FileSoa, "a second SOA", Some("a zone has exactly one; take the old one away"))
        }
        BuildError::NoSoa => {
            (Reason::FileSoa, "the zone has no SOA", Some("is this the right file for this zone?"))
        }
    };
    Objection { reason, message: message.to_owned(), hint: hint.map(str::to_owned) }
}

/// Whether it is worth another scan to say where things were found.
pub(super) fn are_located(findings: &Findings, records: u64) -> bool {
    findings.errors > 0 || records <= FINDINGS_LOCATED_RECORDS_MAX
}

/// Adds what the checks found, with file and line if wanted: the version does not know its lines, so
/// the file is scanned again for them.
fn add_findings(
    sources: &mut dyn Sources,
    path: &Path,
    apex: &Name,
    findings: &Findings,
    locate: bool,
    report: &mut ScanReport,
) {
    let of = |severity| findings.list.iter().filter(move |finding| finding.severity == severity);
    let shown = |severity| of(severity).take(DIAGNOSTICS_MAX);
    let shown: Vec<&Finding> = shown(Severity::Error).chain(shown(Severity::Warning)).collect();
    let mut places: Vec<Option<Diagnostic>> = vec![None; shown.len()];
    if locate && !shown.is_empty() {
        scan(sources, path, Some(apex), &mut |record, place| {
            for (finding, found) in shown.iter().zip(&mut places) {
                if found.is_none() && is_about(finding, record) {
                    *found =
                        Some(place.diagnostic(finding.severity, finding.reason, finding.message.clone()));
                }
            }
            Ok(())
        });
    }
    let shown_errors = shown.iter().filter(|finding| finding.severity == Severity::Error).count() as u64;
    let shown_warnings = shown.len() as u64 - shown_errors;
    let found = shown.into_iter().zip(places).map(|(finding, place)| {
        let Finding { severity, reason, message, hint, .. } = finding;
        let of_file = || Diagnostic::of_file(*severity, *reason, path, message.clone());
        Diagnostic { hint: hint.clone(), ..place.unwrap_or_else(of_file) }
    });
    let mut found: Vec<Diagnostic> = found.collect();
    let file_index = |path: &Path| report.files.iter().position(|file| file.path == path);
    found.sort_by_key(|diagnostic| (file_index(&diagnostic.file), diagnostic.line, diagnostic.column));
    found.into_iter().for_each(|diagnostic| report.add(diagnostic));
    // Last, since a report takes no more when it has counted enough.
    report.errors += findings.errors - shown_errors;
    report.warnings += findings.warnings - shown_warnings;
}

fn is_about(finding: &Finding, record: RecordRef<'_>) -> bool {
    record.rtype == finding.rtype
        && record.owner == finding.owner.as_ref()
        && finding.rdata.as_ref().is_none_or(|rdata| rdata[..] == *record.rdata)
}
