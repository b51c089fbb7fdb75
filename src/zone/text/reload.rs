//! A zone file as a version, on top of the live one: the file is scanned twice, and built and checked
//! is what it says anew. What comes out is what [`load`] gives, record for record and finding for
//! finding; only pages that say the same are those of the live version.

use std::path::Path;

use super::Sources;
use super::load::{LoadError, Loaded, Outcome, failed, load, no_version, objection};
use super::scan::scan;
use crate::dns::Name;
use crate::zone::checks::{Review, check, check_again};
use crate::zone::{Demands, PageSums, Rebuilt, Version};

/// Loads the zone `apex` from the file at `path` over `base`, the version that is live, and what was
/// found of it.
pub fn reload(
    sources: &mut dyn Sources,
    path: &Path,
    apex: &Name,
    base: &Version,
    review: Option<&Review>,
    demands: &Demands,
) -> Result<Loaded, Box<LoadError>> {
    let again = base.is_compared_by_page().then(|| reread(sources, path, apex, base, review, demands));
    again.flatten().unwrap_or_else(|| load(sources, path, apex, base.key(), demands))
}

/// Loads what differs; `None` if that is most of the zone, or if the file changed between the scans:
/// one scan sees one file.
pub(super) fn reread(
    sources: &mut dyn Sources,
    path: &Path,
    apex: &Name,
    base: &Version,
    review: Option<&Review>,
    demands: &Demands,
) -> Option<Result<Loaded, Box<LoadError>>> {
    let mut sums = PageSums::new(base);
    let report = scan(sources, path, Some(apex), &mut |record, _| sums.push(record).map_err(objection));
    if report.errors > 0 {
        return Some(Err(failed(report)));
    }
    let mut reread = match sums.finish() {
        Ok(reread) => reread,
        Err(error) => return Some(Err(no_version(path, error, report))),
    };
    let differing = reread.differing_pages();
    if differing * 2 > base.page_count() {
        return None;
    }
    if differing > 0 {
        let again = scan(sources, path, Some(apex), &mut |record, _| reread.push(record).map_err(objection));
        if again.errors > 0 || again.files != report.files {
            return None;
        }
    }
    let Rebuilt { version, duplicates, ttls_lowered, references } = reread.finish();
    let findings = match review.and_then(|review| review.of(base)) {
        Some(found) => check_again(base, found, &version, &references, &demands.bounds),
        None => check(&version, &demands.bounds),
    };
    let outcome = Outcome { version, duplicates, ttls_lowered, findings };
    Some(outcome.loaded(sources, path, apex, demands, report))
}
