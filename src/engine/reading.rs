//! Reading a zone file, or an earlier version, into something that can be proposed.
//!
//! Runs in the worker pool, or inline in the simulator: the files come through [`Sources`], the
//! history through a closure.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use super::intake::{self, Intake};
use super::serial;
use super::shard::{FileFault, FileJob, FileRead, RollbackJob};
use crate::config::SerialPolicy;
use crate::dns::Serial;
use crate::reason::Reason;
use crate::time::Wall;
use crate::zone::DigestKey;
use crate::zone::checks::Review;
use crate::zone::text::{self, Paint, Sources};
use crate::zone::{self, Change, Delta, Version};

/// Reads the file of a job and compares it with what is live.
pub fn read_file(
    job: &FileJob,
    sources: &mut dyn Sources,
    key: DigestKey,
    wall: Wall,
) -> Result<FileRead, FileFault> {
    let making = job.demands.zonemd.making();
    // The file is held against what it said before, without the ZONEMD that we made.
    let base = job.live.as_ref().filter(|live| live.key() == key).map(|live| intake::bare(live, making));
    let loaded = match &base {
        Some(base) => text::reload(sources, &job.file, &job.apex, base, job.review.as_deref(), &job.demands),
        None => text::load(sources, &job.file, &job.apex, key, &job.demands),
    };
    let loaded = loaded.map_err(|error| FileFault {
        reason: error.diagnostics.first().map_or(Reason::FileBroken, |first| first.reason),
        text: error.render(Paint::Plain),
        files: paths(&error.files),
    })?;
    let files = paths(&loaded.files);
    let file = job.file.display();
    if job.rejected == Some(loaded.hash) {
        let text = format!(
            "{file} is ahead of what is served and held back by a rollback: edit it, or `zone reload --force`"
        );
        return Err(FileFault { reason: Reason::FileHeld, text, files });
    }
    let in_file = loaded.version.serial();
    let serials = job.live.as_ref().map(|live| live.serial()).into_iter().chain(job.floor);
    let published = serials.reduce(Serial::newest);
    let intake = intake::from_file(job.live.as_ref(), job.floor, loaded.version, job.policy, making, wall);
    let intake = intake.map_err(|reason| FileFault {
        reason,
        text: refusal(reason, &file.to_string(), in_file, published),
        files: files.clone(),
    })?;
    let warnings = loaded.warnings.iter().map(|warning| warning.render(Paint::Plain)).collect();
    // What was found is the same under another serial.
    let version = match &intake {
        Intake::Unchanged => job.live.as_ref(),
        Intake::Changed { change, .. } => Some(&change.after),
    };
    let version = version.map(|version| intake::bare(version, making));
    let review = version.and_then(|version| Review::new(&version, loaded.findings)).map(Arc::new);
    Ok(FileRead { hash: loaded.hash, files, intake, warnings, review })
}

/// What was read of files that held still, or that they did not: then it is half of one version and
/// half of another (R08), and the watcher says when they are whole.
pub fn if_whole(
    job: &FileJob,
    is_whole: bool,
    result: Result<FileRead, FileFault>,
) -> Result<FileRead, FileFault> {
    if is_whole {
        return result;
    }
    let text = format!("{} is being written; it is read when it is whole", job.file.display());
    let files = match result {
        Ok(read) => read.files,
        Err(fault) => fault.files,
    };
    Err(FileFault { reason: Reason::FileUnsettled, text, files })
}

fn paths(seen: &[text::FileSeen]) -> Vec<PathBuf> {
    seen.iter().map(|seen| seen.path.clone()).collect()
}

/// Three cases, three messages (p13).
fn refusal(reason: Reason, file: &str, in_file: Serial, published: Option<Serial>) -> String {
    let published = published.unwrap_or_default();
    match reason {
        Reason::FileSerialUnchanged => format!(
            "{file}: the content changed but the serial is still {in_file}; set it to {} or higher",
            published.next()
        ),
        Reason::FileSerialLower => format!(
            "{file}: serial {in_file} is not newer than {published}, which is published (RFC 1982); set it to {} or higher",
            published.next()
        ),
        other => format!("{file}: {other}"),
    }
}

/// Rebuilds the content of an earlier serial by taking the deltas since it back, newest first.
pub fn roll_back(
    job: &RollbackJob,
    policy: SerialPolicy,
    history: impl FnOnce(&Version, Serial) -> Result<Option<Vec<Arc<Delta>>>, String>,
) -> Result<FileRead, FileFault> {
    let fault = |reason, text: String| FileFault { reason, text, files: Vec::new() };
    let chain = history(&job.live, job.to)
        .map_err(|text| fault(Reason::StoreDamaged, text))?
        .ok_or_else(|| fault(Reason::HistoryShort, format!("serial {} is not in the history", job.to)))?;
    let mut version = job.live.as_ref().clone();
    for delta in chain.iter().rev() {
        version = zone::apply(&version, &reversed(delta))
            .map_err(|error| fault(Reason::StoreDamaged, error.to_string()))?;
    }
    let making = job.demands.zonemd.making();
    let version = intake::bare(&version, making);
    if serial::effective(policy, &version) == SerialPolicy::Keep {
        let text = "the zone vouches for its own serial (signed SOA, ZONEMD, or serial = \"keep\")";
        return Err(fault(Reason::FileSerialUnchanged, text.into()));
    }
    job.demands.zonemd.check(&version).map_err(|flaw| fault(Reason::ZoneDigest, flaw.to_string()))?;
    let after = intake::complete(zone::reserial(&version, job.live.serial().next()), making);
    let deltas = zone::diff(&job.live, &after).map(Arc::new).into_iter().collect();
    let change = Change::new(Some(job.live.clone()), Arc::new(after), deltas);
    let intake = Intake::Changed { change, serial_is_ours: true };
    Ok(FileRead { hash: [0; 32], files: Vec::new(), intake, warnings: Vec::new(), review: None })
}

fn reversed(delta: &Delta) -> Delta {
    Delta {
        from: delta.to,
        to: delta.from,
        removed: delta.added.clone(),
        added: delta.removed.clone(),
        digest_before: delta.digest_after,
        digest_after: delta.digest_before,
    }
}

/// A panic over one zone's content is that zone's fault alone (invariant 7): it is told, and whoever
/// reads goes on.
pub fn guarded(read: impl FnOnce() -> Result<FileRead, FileFault>) -> Result<FileRead, FileFault> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        let text = String::from("a bug in the server while it read the zone; the last version is served");
        Err(FileFault { reason: Reason::Faulted, text, files: Vec::new() })
    })
}
