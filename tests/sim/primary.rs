//! What must hold of one zone on the primary, whose file somebody edits.
//!
//! The guard holds what would take much away until an operator confirms it (R13). A file that was
//! rolled back stays out until it changes or is forced (R12). A serial that the server chose is
//! durable before anybody sees it (R03). And if the file is no good, the status says why.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use bellwether::dns::RecordType;
use bellwether::engine::intake::Intake;
use bellwether::engine::shard::{Command, FileFault, FileRead};
use bellwether::engine::status::ZoneStatus;
use bellwether::reason::Reason;
use bellwether::zone::Version;

use crate::editor::serial_in;
use crate::flock::GUARD;

/// What is known of one zone on the primary.
#[derive(Clone, Debug, Default)]
pub struct Primary {
    /// What was written with a volatile receipt, by serial and digest.
    pub volatile: BTreeSet<(u32, u128)>,
    /// What is live.
    live: Option<Arc<Version>>,
    /// The file as it was read last.
    text: Option<Vec<u8>>,
    /// Somebody was writing into it.
    is_half: bool,
    /// The file that is about to become a version; `None` if an operator's rollback is.
    candidate: Option<Vec<u8>>,
    /// The file that is published.
    made_from: Option<Vec<u8>>,
    /// The file that an operator went back from.
    rejected: Option<Vec<u8>>,
    /// All serials that ever stood in the file.
    in_files: BTreeSet<u32>,
    /// Serials that an operator confirmed.
    confirmed: BTreeSet<u32>,
    /// The last reading failed.
    failed: bool,
}

impl Primary {
    /// A worker read the file.
    pub fn has_read(&mut self, text: Option<&Vec<u8>>, is_whole: bool) {
        self.is_half = !is_whole;
        self.text = text.cloned();
        self.in_files.extend(text.and_then(|text| serial_in(text)));
    }

    /// The shard is about to hear of a reading.
    pub fn told(&mut self, apex: &str, result: &Result<FileRead, FileFault>) {
        match result {
            Ok(FileRead { hash: [0, 0, 0, 0, ..], .. }) => self.candidate = None,
            Ok(_) if self.is_half => panic!("half of the file of {apex} is taken for the zone"),
            Ok(FileRead { intake: Intake::Unchanged, .. }) => self.made_from = self.text.clone(),
            Ok(_) => self.candidate = self.text.clone(),
            Err(_) => {}
        }
        // Nothing is wrong with a file that is being written.
        let is_wrong = |fault: &FileFault| !fault.files.is_empty() && fault.reason != Reason::FileUnsettled;
        self.failed = result.as_ref().is_err_and(is_wrong);
    }

    /// An operator gives a command.
    pub fn commanded(&mut self, command: Command) {
        match command {
            Command::Confirm(serial) => drop(self.confirmed.insert(serial.0)),
            Command::Reload { force: true } => self.rejected = None,
            _ => {}
        }
    }

    /// The server says that it went back to a version that had one of these tokens.
    pub fn rolled_back(&mut self, apex: &str, tokens: BTreeSet<u64>, all: &BTreeMap<u128, u64>) {
        let live = self.live_digest().and_then(|digest| all.get(&digest));
        let is_back = live.is_some_and(|token| tokens.contains(token));
        assert!(is_back, "{apex} was rolled back to {tokens:?}, and has {live:?}");
        self.rejected = self.made_from.clone();
    }

    /// What the primary had stored is spoiled, and what it had rejected with it.
    pub fn forget(&mut self, server: usize) {
        if server == 0 {
            self.rejected = None;
            self.made_from = None;
        }
    }

    /// The server starts with what it had stored.
    pub fn starts(&mut self, version: Option<Arc<Version>>) {
        self.live = version;
        self.failed = false;
    }

    /// A version is shown to the public.
    pub fn publishes(&mut self, apex: &str, version: &Arc<Version>) {
        let key = (version.serial().0, version.digest().0);
        let before = self.live.replace(version.clone());
        let Some(before) = before.filter(|before| (before.serial().0, before.digest().0) != key) else {
            return;
        };
        let serial = version.serial().0;
        let (records, names) = gone(&before, version);
        let tripped = records > GUARD.0 && names * 100 > before.name_count() * u64::from(GUARD.1);
        assert!(!tripped || self.confirmed.contains(&serial), "{apex} {serial} slipped past the guard");
        let ours = !self.in_files.contains(&serial);
        assert!(!ours || !self.volatile.contains(&key), "{apex} {serial}, our choice, may be lost");
        if let Some(text) = self.candidate.take() {
            assert!(
                self.rejected.as_ref() != Some(&text),
                "{apex} {serial} is the file that was rolled back"
            );
            self.rejected = None;
            self.made_from = Some(text);
        }
    }

    /// After each event: a file that is no good has its sentence (invariant 4).
    pub fn says_why(&mut self, status: Option<&Arc<ZoneStatus>>) {
        if std::mem::take(&mut self.failed)
            && let Some(status) = status
        {
            assert!(
                status.problem.is_some(),
                "nothing tells what is wrong with the file of {}",
                status.zone()
            );
        }
    }

    /// The digest of what is live.
    pub fn live_digest(&self) -> Option<u128> {
        self.live.as_ref().map(|live| live.digest().0)
    }
}

/// How many records and names of `before` are not in `after`, found the long way. Of what
/// a file says only owners differ in case.
fn gone(before: &Version, after: &Version) -> (u64, u64) {
    let all = |version: &Version| {
        let (mut records, mut names) = (HashSet::new(), HashSet::new());
        names.extend(version.nodes().map(|node| node.owner().to_string().to_lowercase()));
        version.for_each(|record| {
            if record.rtype != RecordType::SOA {
                records.insert((
                    record.owner.to_string().to_lowercase(),
                    record.rtype,
                    record.rdata.to_vec(),
                ));
            }
        });
        (records, names)
    };
    let (old, new) = (all(before), all(after));
    (old.0.difference(&new.0).count() as u64, old.1.difference(&new.1).count() as u64)
}
