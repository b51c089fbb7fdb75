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

use super::paths::{Place, RealPaths, Standing, is_plain, standing};
use super::readings::{Readings, SLEEP};
use super::stamp::{is_link, nanoseconds, stamp, stamp_of_no_link};
use super::{Action, Event, FileNow, Sign, Stamp, Watch};
use crate::ident::ZoneId;
use crate::time::Tick;

/// How often everything is looked at, whatever was said.
const LOOK_AROUND: Duration = Duration::from_secs(60);
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
        let mut readings = Readings::default();
        let system = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.as_ref().is_ok_and(is_reading) {
                if readings.one_more(Instant::now()) {
                    thread::sleep(SLEEP);
                    readings.woke(Instant::now());
                }
                return;
            }
            // Nobody listens any more when the thread has ended.
            let _ = signs.send(Order::System(event));
        })?;
        let mut lookout = Lookout::new(system, notice);
        thread::Builder::new().name("watcher".into()).spawn(move || lookout.run(&inbox))?;
        Ok(Watcher(Arc::new(Handle(orders))))
    }

    /// The files of a zone, its zone file first: to be told after every reading, the failed ones
    /// too, and before the first.
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
    /// The names by which its files are watched, with the index of the file.
    names: Names,
    due: Option<Tick>,
}

type Names = SmallVec<[(Place, usize); 1]>;

/// A watched directory.
#[derive(Default)]
struct Directory {
    /// What the system watches under this path.
    armed: Option<Standing>,
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
            real: RealPaths::default(),
        }
    }

    fn now(&self) -> Tick {
        Tick(self.start.elapsed().as_millis() as u64)
    }

    fn run(&mut self, inbox: &Receiver<Order>) {
        loop {
            let next = self.due.first().map_or(self.look_around_at, |&(due, _)| due.min(self.look_around_at));
            let mut order = match inbox.recv_timeout(next.since(self.now())) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // Directories all of whose files are to be looked at, once for a burst of signs.
            let mut swept = HashSet::new();
            while let Some(taken) = order {
                match taken {
                    Order::Watch(zone, files) => self.watch(zone, files),
                    Order::Forget(zone) => self.forget(zone),
                    Order::System(Ok(event)) => self.system(&event, &mut swept),
                    // A watch that broke: the look around arms it again.
                    Order::System(Err(_)) => self.look_around(),
                    Order::Stop => return,
                }
                order = inbox.try_recv().ok();
            }
            swept.iter().for_each(|directory| self.sweep(directory));
            while let Some(&(_, zone)) = self.due.first().filter(|&&(due, _)| due <= self.now()) {
                self.tell(zone, Event::Due);
            }
            if self.look_around_at <= self.now() {
                self.look_around();
            }
        }
    }

    fn watch(&mut self, id: ZoneId, files: Vec<PathBuf>) {
        let mut names = Names::new();
        let mut seen: SmallVec<[Option<Stamp>; 1]> = SmallVec::new();
        for (index, file) in files.iter().enumerate() {
            let (places, stamp) = self.places_of(file);
            names.extend(places.into_iter().map(|place| (place, index)));
            seen.push(stamp);
        }
        let zone = self.zones.entry(id).or_insert_with(|| Zone {
            watch: Watch::new(),
            names: Names::new(),
            due: None,
        });
        if zone.names != names {
            let before = std::mem::replace(&mut zone.names, names.clone());
            for (place, index) in names {
                self.add_name(place, Meaning::File(id, index));
            }
            self.drop_names(id, before);
        }
        // After the directories are armed, so that nothing falls in between.
        let start_ns = self.start_ns;
        let look = |(path, seen): (PathBuf, Option<Stamp>)| {
            let stamp = seen.or_else(|| stamp(&path));
            FileNow { path, stamp, doubtful: stamp.is_some_and(|stamp| stamp.modified_ns >= start_ns) }
        };
        let files = files.into_iter().zip(seen).map(look).collect();
        self.tell(id, Event::Files(files));
    }

    /// Where the file is, if a link leads to it, and where its name is; and what stands there, if that was
    /// looked at when its directory was armed already.
    fn places_of(&mut self, file: &Path) -> (SmallVec<[Place; 2]>, Option<Stamp>) {
        let directory = file.parent().filter(|_| is_plain(file));
        let armed = directory.and_then(|directory| {
            let (path, known) = self.directories.get_key_value(directory)?;
            (known.armed.is_some() && known.armed == self.real.plain(directory)).then(|| path.clone())
        });
        if let (Some(directory), Some(name)) = (armed, file.file_name())
            && let Some(stamp) = stamp_of_no_link(file)
        {
            let here = Place { directory, name: name.into() };
            return (SmallVec::from_iter([here]), Some(stamp));
        }
        let (here, there) = (std::path::absolute(file).ok(), self.real.path_of(file));
        let there = there.filter(|there| here.as_ref() != Some(there));
        (there.into_iter().chain(here).filter_map(|path| Place::of(&path)).collect(), None)
    }

    fn forget(&mut self, id: ZoneId) {
        if let Some(zone) = self.zones.remove(&id) {
            self.due.retain(|&(_, due)| due != id);
            self.drop_names(id, zone.names);
        }
    }

    fn add_name(&mut self, place: Place, meaning: Meaning) {
        let Place { directory, name } = place;
        let known = self.directories.get_mut(&directory);
        let new = known.is_none().then(|| directory.clone());
        let known = match known {
            Some(known) => known,
            None => self.directories.entry(directory).or_default(),
        };
        let meanings = known.names.entry(name).or_default();
        if !meanings.contains(&meaning) {
            meanings.push(meaning);
        }
        if let Some(directory) = new {
            self.arm(&directory);
            if let (Some(above), Meaning::File(..)) = (Place::of(&directory), meaning) {
                self.add_name(above, Meaning::Directory);
            }
        }
    }

    /// Takes names of a zone away that it does not have any more, and directories without names.
    fn drop_names(&mut self, id: ZoneId, names: Names) {
        let kept = self.zones.get(&id).map_or(&[][..], |zone| &zone.names);
        for gone in names.iter().filter(|name| !kept.contains(name)) {
            let (Place { directory: path, name }, index) = gone;
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
