//! The system's side of watching: the `notify` crate on directories, and one plain thread.
//!
//! Directories are watched, never files: renaming over, removing and creating, and swapped symlinks
//! would leave a watch on a file that nobody sees any more. A directory that is itself removed and
//! made again is noticed through its parent. What the system does not tell (network file systems,
//! bind mounts, an overflowing queue) a slow look around finds.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use smallvec::SmallVec;

use super::place::{Found, RealPaths, standing};
use super::stamp::{is_link, nanoseconds, stamp};
use super::{Action, Event, FileNow, Sign, Stamp, Watch};
use crate::ident::ZoneId;
use crate::time::Tick;

/// How often everything is looked at, whatever was said.
const LOOK_AROUND: Duration = Duration::from_secs(60);
/// How long new zones wait for others to be watched together with. Very many are read at a start, and who
/// watches a directory is told of each file in it that is opened. What changes meanwhile is younger than the
/// watcher, and read again.
const COMPANY: Duration = Duration::from_millis(100);
/// How long the first of them waits at most.
const COMPANY_MAX: Duration = Duration::from_secs(5);
/// Grain of the coarsest file system clock that is trusted.
const CLOCK_GRAIN: Duration = Duration::from_secs(2);

/// What the watcher says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The zone is worth reading, now: its files came to rest as these.
    Changed(ZoneId, Vec<Stamp>),
    /// The zone's file has been absent for two seconds (R09).
    Vanished(ZoneId),
}

/// A handle on the watching thread, which ends when the last handle is dropped.
#[derive(Clone, Debug)]
pub struct Watcher(Arc<Handle>);

#[derive(Debug)]
struct Handle(Sender<Order>);

/// What reaches the thread.
#[derive(Debug)]
enum Order {
    Watch(ZoneId, Vec<PathBuf>),
    Forget(ZoneId),
    System(notify::Result<notify::Event>),
    Stop,
}

impl Watcher {
    /// Starts the thread, which calls `notice`. Start it before the zones are read for the first
    /// time: what is modified after that is never missed.
    pub fn start(notice: impl FnMut(Notice) + Send + 'static) -> Result<Watcher, notify::Error> {
        let (orders, inbox) = channel();
        let signs = orders.clone();
        let system = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if !event.as_ref().is_ok_and(is_reading) {
                // Nobody listens any more when the thread has ended.
                let _ = signs.send(Order::System(event));
            }
        })?;
        let mut lookout = Lookout::new(system, notice);
        thread::Builder::new().name("watcher".into()).spawn(move || lookout.run(&inbox))?;
        Ok(Watcher(Arc::new(Handle(orders))))
    }

    /// The files of a zone, its zone file first: to be told after every reading, the failed ones too.
    pub fn watch(&self, zone: ZoneId, files: Vec<PathBuf>) {
        self.send(Order::Watch(zone, files));
    }

    /// Watches the files of this zone no longer.
    pub fn forget(&self, zone: ZoneId) {
        self.send(Order::Forget(zone));
    }

    fn send(&self, order: Order) {
        self.0.0.send(order).expect("the watching thread ends with its last handle");
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Only a thread that panicked does not listen.
        let _ = self.0.send(Order::Stop);
    }
}

/// What a name in a watched directory means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// A file of a zone, by its index.
    File(ZoneId, usize),
    /// A directory that is watched itself.
    Directory,
}

/// A zone under watch.
struct Zone {
    watch: Watch,
    /// The names by which its files are watched.
    names: SmallVec<[Watched; 1]>,
    due: Option<Tick>,
}

/// A name by which a file is watched: its directory, the name therein, and the index of the file.
type Watched = (Arc<Path>, Arc<OsStr>, usize);

/// A watched directory.
#[derive(Default)]
struct Directory {
    /// Device and inode that the system watches under this path.
    armed: Option<(u64, u64)>,
    names: HashMap<Arc<OsStr>, SmallVec<[Meaning; 1]>>,
}

/// The state of the thread.
struct Lookout<N> {
    system: RecommendedWatcher,
    notice: N,
    start: Instant,
    /// On the clock of files, a little before the start.
    start_ns: i64,
    zones: HashMap<ZoneId, Zone>,
    directories: HashMap<Arc<Path>, Directory>,
    due: BTreeSet<(Tick, ZoneId)>,
    look_around_at: Tick,
    /// New zones that are not watched yet.
    waiting: Vec<(ZoneId, Vec<PathBuf>)>,
    /// Since when the first of them waits, and when they are watched.
    waits: Option<(Tick, Tick)>,
    real: RealPaths,
}

impl<N: FnMut(Notice)> Lookout<N> {
    fn new(system: RecommendedWatcher, notice: N) -> Lookout<N> {
        Lookout {
            system,
            notice,
            start: Instant::now(),
            start_ns: nanoseconds(SystemTime::now()) - CLOCK_GRAIN.as_nanos() as i64,
            zones: HashMap::new(),
            directories: HashMap::new(),
            due: BTreeSet::new(),
            look_around_at: Tick(0) + LOOK_AROUND,
            waiting: Vec::new(),
            waits: None,
            real: RealPaths::default(),
        }
    }

    fn now(&self) -> Tick {
        Tick(self.start.elapsed().as_millis() as u64)
    }

    fn run(&mut self, inbox: &Receiver<Order>) {
        loop {
            let dues = self.due.first().map(|&(due, _)| due).into_iter().chain(self.waits.map(|(_, at)| at));
            let next = dues.fold(self.look_around_at, Tick::min);
            let mut order = match inbox.recv_timeout(next.since(self.now())) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // Directories all of whose files are to be looked at, once for a burst of signs.
            let mut swept = HashSet::new();
            let waited = self.waiting.len();
            while let Some(taken) = order {
                match taken {
                    Order::Watch(zone, files) if self.zones.contains_key(&zone) => self.watch(zone, &files),
                    Order::Watch(zone, files) => self.waiting.push((zone, files)),
                    Order::Forget(zone) => self.forget(zone),
                    Order::System(Ok(event)) => self.system(&event, &mut swept),
                    // A watch that broke: the look around arms it again.
                    Order::System(Err(_)) => self.look_around(),
                    Order::Stop => return,
                }
                order = inbox.try_recv().ok();
            }
            swept.iter().for_each(|directory| self.sweep(directory));
            if self.waiting.len() > waited {
                let now = self.now();
                let since = self.waits.map_or(now, |(since, _)| since);
                self.waits = Some((since, (since + COMPANY_MAX).min(now + COMPANY)));
            }
            if self.waits.is_some_and(|(_, at)| at <= self.now()) {
                self.watch_waiting();
            }
            while let Some(&(_, zone)) = self.due.first().filter(|&&(due, _)| due <= self.now()) {
                self.tell(zone, Event::Due);
            }
            if self.look_around_at <= self.now() {
                self.look_around();
            }
        }
    }

    fn watch_waiting(&mut self) {
        self.waits = None;
        for (zone, files) in std::mem::take(&mut self.waiting) {
            self.watch(zone, &files);
        }
        self.real.forget();
    }

    fn watch(&mut self, id: ZoneId, files: &[PathBuf]) {
        let mut found: SmallVec<[Found; 1]> = files.iter().map(|file| self.real.look(file)).collect();
        let mut names: SmallVec<[Watched; 1]> = SmallVec::new();
        // A link may have been turned since the zone was read, and no time tells.
        let mut linked = false;
        for (index, (file, found)) in files.iter().zip(&mut found).enumerate() {
            // Where the file is if a link leads to it, and where the name is.
            let here = std::path::absolute(file).ok();
            let there = found.real.take().filter(|there| Some(there) != here.as_ref());
            linked |= there.is_some();
            let paths = there.iter().chain(&here);
            names.extend(
                paths.filter_map(|path| {
                    Some((Arc::from(path.parent()?), Arc::from(path.file_name()?), index))
                }),
            );
        }
        let zone = self.zones.entry(id).or_insert_with(|| Zone {
            watch: Watch::new(),
            names: SmallVec::new(),
            due: None,
        });
        let mut armed = false;
        if zone.names != names {
            for (directory, name, index) in &mut names {
                armed |= self.add_name(directory, name, Meaning::File(id, *index));
            }
            let before = self.zones.get_mut(&id).map(|zone| std::mem::replace(&mut zone.names, names));
            self.drop_names(id, &before.unwrap_or_default());
        }
        let now = |(file, found): (&PathBuf, Found)| {
            // What stood there before the directory was watched may stand there no more.
            let found = if armed { self.real.look(file) } else { found };
            let is_young = found.changed_ns >= self.start_ns
                || found.directory_changed_ns >= self.start_ns + CLOCK_GRAIN.as_nanos() as i64;
            let doubtful = found.stamp.is_some() && (linked || is_young);
            FileNow { path: file.clone(), stamp: found.stamp, doubtful }
        };
        let files: SmallVec<[FileNow; 1]> = files.iter().zip(found).map(now).collect();
        self.tell(id, Event::Files(&files));
    }

    fn forget(&mut self, id: ZoneId) {
        self.watch_waiting();
        if let Some(zone) = self.zones.remove(&id) {
            self.due.retain(|&(_, due)| due != id);
            self.drop_names(id, &zone.names);
        }
    }

    /// Adds a name to its directory, and takes over how both are kept there. True if the directory is
    /// watched anew.
    fn add_name(&mut self, directory: &mut Arc<Path>, name: &mut Arc<OsStr>, meaning: Meaning) -> bool {
        let known = self.directories.get_key_value(directory).map(|(known, _)| known.clone());
        let is_new = known.is_none();
        *directory = known.unwrap_or_else(|| directory.clone());
        let names = &mut self.directories.entry(directory.clone()).or_default().names;
        if let Some((known, _)) = names.get_key_value(name) {
            *name = known.clone();
        }
        let meanings = names.entry(name.clone()).or_default();
        if !meanings.contains(&meaning) {
            meanings.push(meaning);
        }
        if is_new {
            self.arm(directory);
            if let (Some(parent), Some(name), Meaning::File(..)) =
                (directory.parent(), directory.file_name(), meaning)
            {
                self.add_name(&mut Arc::from(parent), &mut Arc::from(name), Meaning::Directory);
            }
        }
        is_new
    }

    /// Takes names of a zone away that it does not have any more, and directories without names.
    fn drop_names(&mut self, id: ZoneId, names: &[Watched]) {
        let kept = self.zones.get(&id).map_or(&[][..], |zone| &zone.names);
        for gone in names.iter().filter(|name| !kept.contains(name)) {
            let (path, name, index) = gone;
            let Some(directory) = self.directories.get_mut(path) else { continue };
            if let Some(meanings) = directory.names.get_mut(name) {
                meanings.retain(|meaning| *meaning != Meaning::File(id, *index));
                if meanings.is_empty() {
                    directory.names.remove(name);
                }
            }
            if directory.names.is_empty() {
                self.directories.remove(path);
                // An error says that it is not watched, which is what is wanted.
                let _ = self.system.unwatch(path);
            }
        }
    }

    /// Has the system watch what stands under this path now.
    fn arm(&mut self, path: &Path) {
        let standing = standing(path);
        let Some(directory) = self.directories.get_mut(path) else { return };
        if directory.armed == standing && standing.is_some() {
            return;
        }
        if directory.armed.is_some() {
            // The system may have dropped the dead watch by itself.
            let _ = self.system.unwatch(path);
        }
        let watched = standing.is_some() && self.system.watch(path, RecursiveMode::NonRecursive).is_ok();
        directory.armed = standing.filter(|_| watched);
    }

    fn system(&mut self, event: &notify::Event, swept: &mut HashSet<PathBuf>) {
        if event.need_rescan() {
            return self.look_around();
        }
        let last = event.paths.len().saturating_sub(1);
        for (index, path) in event.paths.iter().enumerate() {
            if self.directories.contains_key(path.as_path()) {
                self.arm(path);
                swept.insert(path.clone());
            }
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { continue };
            let Some(directory) = self.directories.get(parent) else { continue };
            let Some(sign) = sign(event.kind, path, index == last) else { continue };
            // Kubernetes swaps a link called `..data` and names nothing else. Nobody writes into a link, so
            // what is written is not looked at: it may be a log that never rests.
            let is_placed_link = || !is_writing(event.kind) && path.is_symlink();
            if name.as_encoded_bytes().starts_with(b"..") || is_placed_link() {
                swept.insert(parent.to_path_buf());
            }
            for meaning in directory.names.get(name).cloned().unwrap_or_default() {
                match meaning {
                    Meaning::File(zone, file) => self.saw(zone, file, sign),
                    Meaning::Directory => {
                        self.arm(path);
                        swept.insert(path.clone());
                    }
                }
            }
        }
    }

    /// Looks for files of a directory that are not what they were: others came under their names.
    fn sweep(&mut self, directory: &Path) {
        let Some(directory) = self.directories.get(directory) else { return };
        let meanings = directory.names.values().flatten().copied();
        let files: Vec<(ZoneId, usize)> = meanings
            .filter_map(|meaning| match meaning {
                Meaning::File(zone, file) => Some((zone, file)),
                Meaning::Directory => None,
            })
            .collect();
        for (id, file) in files {
            let Some(watch) = self.zones.get(&id).map(|zone| &zone.watch) else { continue };
            if watch.files().nth(file).is_some_and(|path| stamp(path) != watch.seen(file)) {
                self.saw(id, file, Sign::Placed);
            }
        }
    }

    fn look_around(&mut self) {
        self.look_around_at = self.now() + LOOK_AROUND;
        let paths: Vec<Arc<Path>> = self.directories.keys().cloned().collect();
        paths.iter().for_each(|path| self.arm(path));
        let zones = self.zones.iter().map(|(&id, zone)| (id, zone.watch.files().len()));
        for (zone, files) in zones.collect::<Vec<_>>() {
            (0..files).for_each(|file| self.saw(zone, file, Sign::Found));
        }
    }

    fn saw(&mut self, zone: ZoneId, file: usize, sign: Sign) {
        let path = self.zones.get(&zone).and_then(|zone| zone.watch.files().nth(file));
        if let Some(stamp) = path.map(stamp) {
            self.tell(zone, Event::Saw { file, sign, stamp });
        }
    }

    fn tell(&mut self, id: ZoneId, event: Event<'_>) {
        let now = self.now();
        let Some(zone) = self.zones.get_mut(&id) else { return };
        let mut action = zone.watch.handle(now, event);
        if action == Some(Action::Look) {
            let stamps: Vec<Option<Stamp>> = zone.watch.files().map(stamp).collect();
            action = zone.watch.handle(now, Event::Looked(&stamps));
        }
        let due = zone.watch.deadline();
        if let Some(before) = std::mem::replace(&mut zone.due, due) {
            self.due.remove(&(before, id));
        }
        self.due.extend(due.map(|due| (due, id)));
        match action {
            Some(Action::Read) => {
                let files = 0..zone.watch.files().len();
                let stamps = files.filter_map(|file| zone.watch.seen(file)).collect();
                (self.notice)(Notice::Changed(id, stamps));
            }
            Some(Action::Vanished) => (self.notice)(Notice::Vanished(id)),
            Some(Action::Look) | None => {}
        }
    }
}

/// Whether somebody only reads; our own readings come back as such.
fn is_reading(event: &notify::Event) -> bool {
    matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write))
        && !event.need_rescan()
}

/// Whether somebody writes into a file that is there.
fn is_writing(kind: EventKind) -> bool {
    let closes = AccessKind::Close(AccessMode::Write);
    matches!(kind, EventKind::Modify(ModifyKind::Data(_))) || kind == EventKind::Access(closes)
}

/// What an event says about the file at `path`.
fn sign(kind: EventKind, path: &Path, is_last: bool) -> Option<Sign> {
    let sign = match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Sign::Closed,
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => return None,
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Sign::Placed,
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) if is_last => Sign::Placed,
        // A link is whole when it is there, and nobody closes it.
        EventKind::Create(_) if is_link(path) => Sign::Placed,
        EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) => Sign::Written,
        EventKind::Any | EventKind::Other => Sign::Found,
    };
    // Where the system does not tell when a writer is done, quiet alone must do.
    let closes_are_told = cfg!(any(target_os = "linux", target_os = "android"));
    Some(if sign == Sign::Written && !closes_are_told { Sign::Found } else { sign })
}

#[cfg(test)]
mod tests;
