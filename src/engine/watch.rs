//! When a zone file that changed is read (R08, R09, R10).
//!
//! One [`Watch`] for each zone decides, from what the system says about its files and from what is
//! found under their names, at which moment the zone is worth reading. Pure: time and file stamps
//! are arguments; `os` brings them. Names that are never a zone are the business of `config`. What is
//! read and whether it becomes a version is not decided here; content that did not change is found
//! out by its hash.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::time::Tick;

pub mod os;
mod paths;
mod readings;
mod stamp;

pub use stamp::{Stamp, Stamped};

/// Quiet over the whole set after a new file came, if the zone includes others (R08).
const QUIET_OF_SET: Duration = Duration::from_millis(50);
/// Quiet after a write into the file that was read before (R08).
const QUIET_IN_PLACE: Duration = Duration::from_millis(200);
/// How much longer a file that shrank in place is looked at (R08).
const WAIT_IF_SHRUNK: Duration = Duration::from_secs(2);
/// How long a file that a writer has open must not have moved to be taken for done: the writer died
/// unheard, or keeps the file open for good.
const STALLED: Duration = Duration::from_secs(30);
/// How long a file may be absent before that is said (R09).
const ABSENCE: Duration = Duration::from_secs(2);

/// What the system said about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A complete file came under the name: renamed or linked.
    Placed,
    /// A writer closed it.
    Closed,
    /// It was created or written and its writer has not closed it.
    Written,
    /// Nothing was said; a look around found it as it is.
    Found,
}

/// What a watch is told.
#[derive(Debug)]
pub enum Event<'e> {
    /// The zone was read: these are its files, the zone file first.
    Files(Vec<FileNow>),
    /// Something happened to the file at this place in [`Watch::files`]; nothing stands under its
    /// name if there is no stamp.
    Saw {
        /// Index of the file.
        file: usize,
        /// What happened.
        sign: Sign,
        /// What stands there now.
        stamp: Option<Stamp>,
    },
    /// The answer to [`Action::Look`]: what stands under each name of [`Watch::files`].
    Looked(&'e [Option<Stamp>]),
    /// The deadline has come.
    Due,
}

/// A file as it is when a watch is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNow {
    /// Its name.
    pub path: PathBuf,
    /// What stands there.
    pub stamp: Option<Stamp>,
    /// Whether it may have changed since the zone was read, so that it has to be read once more.
    /// Counts only for a file that was not watched before.
    pub doubtful: bool,
}

/// What a watch wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Look at all files and tell with [`Event::Looked`].
    Look,
    /// Read the zone now.
    Read,
    /// The zone file is gone. The zone stays (R09).
    Vanished,
}

/// ```text
///            Saw: another stamp                    Due, Looked: all as they were
///  Quiet ──────────────────────────► Settling ───────────────────────────────────► Quiet, Read
///    │                                ▲  │ Looked: still changing, or shrank
///    │ Saw: nothing there             │  └──► Settling, later
///    ▼               Saw: it is there │
///  Absent ────────────────────────────┤
///    │ Due, Looked: still absent      │
///    ▼               Saw: it is there │
///  Orphaned, Vanished ────────────────┘
/// ```
/// A new inode in a zone without includes goes from any state to `Quiet, Read` at once.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// All is as it was read.
    Quiet,
    /// Something changed and has to come to rest.
    Settling {
        /// When to look; `None` while a writer has a file open.
        until: Option<Tick>,
        /// The file that a writer has open.
        writer: Option<usize>,
        /// The longer wait for a file that shrank is over.
        shrunk_waited: bool,
        /// To be read even if it turns out to be as it was.
        certain: bool,
    },
    /// A file is absent, perhaps between two steps of an editor.
    Absent {
        /// When to look again.
        until: Tick,
    },
    /// The zone file has been absent for long.
    Orphaned,
}

/// One file of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
struct File {
    path: PathBuf,
    /// What stood there when the zone was read.
    read: Option<Stamp>,
    /// What stood there when it was last seen.
    seen: Option<Stamp>,
    /// What a look around found, and which look was the first to find just that.
    found: Option<Box<(Stamp, Tick)>>,
}

/// The watch over the files of one zone.
#[derive(Clone, Debug)]
pub struct Watch {
    files: Vec<File>,
    state: State,
    /// A look was asked for and has not been answered.
    looking: bool,
}

impl Watch {
    /// Watches nothing before [`Event::Files`].
    pub fn new() -> Watch {
        Watch { files: Vec::new(), state: State::Quiet, looking: false }
    }

    /// The files, the zone file first.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// What stood under the name of the file at this index when it was last seen.
    pub fn seen(&self, file: usize) -> Option<Stamp> {
        self.files.get(file).and_then(|file| file.seen)
    }

    /// When [`Event::Due`] is wanted.
    pub fn deadline(&self) -> Option<Tick> {
        match self.state {
            _ if self.looking => None,
            State::Settling { until, .. } => until,
            State::Absent { until } => Some(until),
            State::Quiet | State::Orphaned => None,
        }
    }

    /// Takes one event. At most one action comes of it.
    pub fn handle(&mut self, now: Tick, event: Event<'_>) -> Option<Action> {
        match event {
            Event::Files(files) => {
                self.take_files(now, files);
                None
            }
            Event::Saw { file, sign, stamp } => self.saw(now, file, sign, stamp),
            Event::Looked(stamps) => self.looked(now, stamps),
            Event::Due => {
                let due = self.deadline().is_some_and(|deadline| deadline <= now);
                self.looking |= due;
                due.then_some(Action::Look)
            }
        }
    }

    fn take_files(&mut self, now: Tick, files: Vec<FileNow>) {
        let known = std::mem::replace(&mut self.files, Vec::with_capacity(files.len()));
        let mut doubtful = false;
        for file in files {
            let before = known.iter().find(|known| known.path == file.path);
            doubtful |= before.is_none() && file.doubtful;
            self.files.push(match before {
                Some(before) => before.clone(),
                None => File { path: file.path, read: file.stamp, seen: file.stamp, found: None },
            });
        }
        // Indices may have moved.
        if let State::Settling { writer: Some(writer), .. } = &mut self.state {
            let path = known.get(*writer).map(|file| &file.path);
            match self.files.iter().position(|file| Some(&file.path) == path) {
                Some(index) => *writer = index,
                None => self.state = settling(now + QUIET_IN_PLACE),
            }
        }
        self.looking = false;
        if doubtful && self.state == State::Quiet {
            self.state = State::Settling {
                until: Some(now + QUIET_IN_PLACE),
                writer: None,
                shrunk_waited: false,
                certain: true,
            };
        }
    }

    fn saw(&mut self, now: Tick, index: usize, sign: Sign, stamp: Option<Stamp>) -> Option<Action> {
        let alone = self.files.len() == 1;
        let file = self.files.get_mut(index)?;
        file.seen = stamp;
        let Some(stamp) = stamp else {
            // An included file that was missing when the zone was read: that was said then.
            if index > 0 && file.read.is_none() {
                return None;
            }
            if !matches!(self.state, State::Absent { .. } | State::Orphaned) {
                self.state = State::Absent { until: now + ABSENCE };
                self.looking = false;
            }
            return None;
        };
        let as_read = file.read == Some(stamp);
        let in_place = file.read.is_some_and(|read| same_inode(read, stamp));
        let stalled = sign == Sign::Found && file.has_stalled(now, stamp);
        let orphaned = self.state == State::Orphaned;
        if as_read && matches!(self.state, State::Quiet | State::Absent { .. }) {
            // Our own reading, a touch of other metadata, or an editor that put the file back.
            self.state = if self.files.iter().all(File::is_as_read) {
                State::Quiet
            } else {
                settling(now + QUIET_IN_PLACE)
            };
            return None;
        }
        let (writer, shrunk_waited) = match self.state {
            State::Settling { writer, shrunk_waited, .. } => (writer, shrunk_waited),
            State::Quiet | State::Absent { .. } | State::Orphaned => (None, false),
        };
        let writer = match sign {
            Sign::Written => Some(index),
            // A look that found it changed takes it for placed: not while somebody writes into it.
            Sign::Placed if in_place => writer,
            Sign::Placed | Sign::Closed => writer.filter(|&writer| writer != index),
            Sign::Found => writer.filter(|&writer| writer != index || !stalled),
        };
        let fresh = !in_place && matches!(sign, Sign::Placed | Sign::Closed);
        self.looking = false;
        if fresh && alone {
            return Some(self.read());
        }
        let quiet = if fresh { QUIET_OF_SET } else { QUIET_IN_PLACE };
        let until = if writer.is_some() { None } else { Some(now + quiet) };
        let certain = orphaned || matches!(self.state, State::Settling { certain: true, .. });
        self.state = State::Settling { until, writer, shrunk_waited, certain };
        None
    }

    fn looked(&mut self, now: Tick, stamps: &[Option<Stamp>]) -> Option<Action> {
        if !std::mem::take(&mut self.looking) || stamps.len() != self.files.len() {
            return None;
        }
        let moved = self.files.iter().zip(stamps).any(|(file, stamp)| file.seen != *stamp);
        for (file, stamp) in self.files.iter_mut().zip(stamps) {
            file.seen = *stamp;
        }
        let zone_file_absent = self.files.first().is_some_and(|file| file.seen.is_none());
        match self.state {
            State::Quiet | State::Orphaned => None,
            State::Absent { .. } if zone_file_absent => {
                self.state = State::Orphaned;
                Some(Action::Vanished)
            }
            State::Settling { .. } if zone_file_absent => {
                self.state = State::Absent { until: now + ABSENCE };
                None
            }
            // It is there again, and nobody said so.
            State::Absent { .. } if moved => {
                self.state = settling(now + QUIET_IN_PLACE);
                None
            }
            // An included file is missing for good: reading the zone will say so.
            State::Absent { .. } => Some(self.read()),
            State::Settling { writer, shrunk_waited, certain, .. } if moved => {
                let until = Some(now + QUIET_IN_PLACE);
                self.state = State::Settling { until, writer, shrunk_waited, certain };
                None
            }
            State::Settling { writer, shrunk_waited: false, certain, .. }
                if self.files.iter().any(File::has_shrunk) =>
            {
                let until = Some(now + WAIT_IF_SHRUNK);
                self.state = State::Settling { until, writer, shrunk_waited: true, certain };
                None
            }
            State::Settling { certain: false, .. } if self.files.iter().all(File::is_as_read) => {
                self.state = State::Quiet;
                None
            }
            State::Settling { .. } => Some(self.read()),
        }
    }

    fn read(&mut self) -> Action {
        for file in &mut self.files {
            file.read = file.seen;
        }
        self.state = State::Quiet;
        Action::Read
    }
}

impl Default for Watch {
    fn default() -> Watch {
        Watch::new()
    }
}

impl File {
    fn is_as_read(&self) -> bool {
        self.read == self.seen
    }

    /// Whether looks around have found just this for long.
    fn has_stalled(&mut self, now: Tick, stamp: Stamp) -> bool {
        match self.found.as_deref() {
            Some(&(found, since)) if found == stamp => now.since(since) >= STALLED,
            _ => {
                self.found = Some(Box::new((stamp, now)));
                false
            }
        }
    }

    /// Whether it lost more than 30 % without becoming another file.
    fn has_shrunk(&self) -> bool {
        let (Some(read), Some(seen)) = (self.read, self.seen) else { return false };
        same_inode(read, seen) && u128::from(seen.size) * 10 < u128::from(read.size) * 7
    }
}

fn settling(until: Tick) -> State {
    State::Settling { until: Some(until), writer: None, shrunk_waited: false, certain: false }
}

fn same_inode(a: Stamp, b: Stamp) -> bool {
    (a.device, a.inode) == (b.device, b.inode)
}

#[cfg(test)]
mod tests;
