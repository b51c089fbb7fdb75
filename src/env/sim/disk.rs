//! A disk in memory that loses power, fills up and fails.
//!
//! It keeps what is durable apart from what was done since: for each file the unsynced writes in
//! order, for the names the unsynced creations, renames and removals in order. A crash keeps a
//! seeded subset of those, each write torn at sectors of 512 octets. It is as strict as the worst
//! file system: a synced file whose name was not synced may be gone, a name may outlive the
//! octets, and after a failed sync the octets that it was about never reach the disk although
//! reading shows them. Directories themselves are durable at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::file::{Change, Node};
use super::{SimRandom, lock};
use crate::env::{Disk, File, OpenMode};

/// How a write fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No space left: nothing is written.
    NoSpace,
    /// The device fails: of a write, a part may have happened; what a sync was about is lost.
    Io,
}

/// The disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    nodes: Vec<Node>,
    /// What a listing shows.
    names: BTreeMap<PathBuf, usize>,
    /// What a crash leaves at least.
    names_synced: BTreeMap<PathBuf, usize>,
    names_pending: Vec<NameChange>,
    dirs: BTreeSet<PathBuf>,
    locked: BTreeSet<usize>,
    /// Calls so far that could change something.
    writes: u64,
    power_off_at: Option<u64>,
    faults: Vec<Planned>,
    read_fault: bool,
    off: bool,
    /// Grows with each crash: handles from before it are dead.
    boot: u64,
}

/// A change of names: they all lose `gone` and gain `come` at once.
#[derive(Debug)]
struct NameChange {
    gone: Option<PathBuf>,
    come: Option<(PathBuf, usize)>,
}

#[derive(Debug)]
struct Planned {
    from: u64,
    to: u64,
    fault: Fault,
}

impl SimDisk {
    /// An empty disk that never fails.
    pub fn new() -> SimDisk {
        SimDisk::default()
    }

    /// Calls so far that could change something: the unit of the plans below.
    pub fn writes(&self) -> u64 {
        lock(&self.0).writes
    }

    /// Cuts the power at that call, counted like [`SimDisk::writes`] from the beginning: it and
    /// everything after it fails until [`SimDisk::crash`].
    pub fn power_off_at(&self, write: u64) {
        lock(&self.0).power_off_at = Some(write);
    }

    /// Lets that one call fail.
    pub fn fail_at(&self, write: u64, fault: Fault) {
        lock(&self.0).faults.push(Planned { from: write, to: write + 1, fault });
    }

    /// Lets that call and all after it fail until [`SimDisk::mend`].
    pub fn fail_from(&self, write: u64, fault: Fault) {
        lock(&self.0).faults.push(Planned { from: write, to: u64::MAX, fault });
    }

    /// Lets all reads fail until [`SimDisk::mend`].
    pub fn fail_reads(&self) {
        lock(&self.0).read_fault = true;
    }

    /// Ends all planned failures.
    pub fn mend(&self) {
        let mut state = lock(&self.0);
        state.faults.clear();
        state.read_fault = false;
    }

    /// Power is gone and comes back: open handles are dead, locks are free, and of what was not
    /// synced a subset drawn from `seed` is there.
    pub fn crash(&self, seed: u64) {
        let mut state = lock(&self.0);
        let mut random = SimRandom::new(seed);
        for node in &mut state.nodes {
            node.crash(&mut random);
        }
        for change in std::mem::take(&mut state.names_pending) {
            if random.one_in(2) {
                change.apply(&mut state.names_synced);
            }
        }
        state.names = state.names_synced.clone();
        state.locked.clear();
        state.power_off_at = None;
        state.off = false;
        state.boot += 1;
    }

    /// The octets of a file as a reader sees them.
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let state = lock(&self.0);
        state.names.get(path).map(|&node| state.nodes[node].live.clone())
    }

    /// Puts a durable file there, as if it had always been.
    pub fn put(&self, path: &Path, octets: &[u8]) {
        let mut state = lock(&self.0);
        let node = state.nodes.len();
        state.nodes.push(Node::durable(octets));
        state.names.insert(path.to_path_buf(), node);
        state.names_synced.insert(path.to_path_buf(), node);
    }

    /// Another disk with what a reader sees on this one, all of it durable.
    pub fn copy(&self) -> SimDisk {
        let copy = SimDisk::new();
        let state = lock(&self.0);
        for (path, &node) in &state.names {
            copy.put(path, &state.nodes[node].live);
        }
        lock(&copy.0).dirs = state.dirs.clone();
        copy
    }
}

impl State {
    /// Counts a call that changes something and says whether it works.
    fn write(&mut self) -> Result<(), Fault> {
        let write = self.writes;
        self.writes += 1;
        if self.power_off_at.is_some_and(|at| write >= at) {
            self.off = true;
        }
        if self.off {
            return Err(Fault::Io);
        }
        match self.faults.iter().find(|planned| (planned.from..planned.to).contains(&write)) {
            Some(planned) => Err(planned.fault),
            None => Ok(()),
        }
    }

    fn read(&self) -> io::Result<()> {
        if self.off || self.read_fault { Err(error(Fault::Io)) } else { Ok(()) }
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.names_pending.push(change);
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        if let Some(path) = &self.gone {
            names.remove(path);
        }
        if let Some((path, node)) = &self.come {
            names.insert(path.clone(), *node);
        }
    }

    fn is_in(&self, dir: &Path) -> bool {
        let path = self.gone.as_ref().or(self.come.as_ref().map(|(path, _)| path));
        path.is_some_and(|path| path.parent() == Some(dir))
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let mut state = lock(&self.0);
        state.read()?;
        let known = state.names.get(path).copied();
        let node = match (known, mode) {
            (None, OpenMode::Existing) => return Err(io::ErrorKind::NotFound.into()),
            (Some(node), OpenMode::Existing | OpenMode::OrCreate) => node,
            (Some(node), OpenMode::Fresh) => {
                state.write().map_err(error)?;
                state.nodes[node].change(Change::SetLen(0));
                node
            }
            (None, OpenMode::OrCreate | OpenMode::Fresh) => {
                if !path.parent().is_some_and(|dir| state.dirs.contains(dir)) {
                    return Err(io::ErrorKind::NotFound.into());
                }
                state.write().map_err(error)?;
                let node = state.nodes.len();
                state.nodes.push(Node::default());
                state.change_names(NameChange { gone: None, come: Some((path.to_path_buf(), node)) });
                node
            }
        };
        Ok(Box::new(SimFile { disk: self.clone(), node, boot: state.boot, holds_lock: Mutex::new(false) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = lock(&self.0);
        state.write().map_err(error)?;
        let node = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        let come = Some((to.to_path_buf(), node));
        state.change_names(NameChange { gone: Some(from.to_path_buf()), come });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = lock(&self.0);
        state.write().map_err(error)?;
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_names(NameChange { gone: Some(path.to_path_buf()), come: None });
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        let state = lock(&self.0);
        state.read()?;
        let inside = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| path.file_name()).map(OsString::from).collect())
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = lock(&self.0);
        state.read()?;
        state.dirs.extend(dir.ancestors().map(Path::to_path_buf));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = lock(&self.0);
        state.write().map_err(error)?;
        let (synced, pending) =
            std::mem::take(&mut state.names_pending).into_iter().partition(|change| change.is_in(dir));
        state.names_pending = pending;
        let synced: Vec<NameChange> = synced;
        synced.iter().for_each(|change| change.apply(&mut state.names_synced));
        Ok(())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = lock(&self.0);
        state.read()?;
        Ok(state.names.contains_key(path) || state.dirs.contains(path))
    }
}

/// One open file; dead after a crash.
#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    node: usize,
    boot: u64,
    holds_lock: Mutex<bool>,
}

impl SimFile {
    fn reading<T>(&self, act: impl FnOnce(&Node) -> T) -> io::Result<T> {
        let state = lock(&self.disk.0);
        state.read()?;
        if self.boot != state.boot {
            return Err(error(Fault::Io));
        }
        Ok(act(&state.nodes[self.node]))
    }

    fn writing(&self, act: impl FnOnce(&mut Node, Option<Fault>)) -> io::Result<()> {
        let mut state = lock(&self.disk.0);
        let verdict = state.write();
        if self.boot != state.boot || state.off {
            return Err(error(Fault::Io));
        }
        act(&mut state.nodes[self.node], verdict.err());
        verdict.map_err(error)
    }
}

impl File for SimFile {
    fn len(&self) -> io::Result<u64> {
        self.reading(|node| node.live.len() as u64)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        self.reading(|node| {
            let from = node.live.get(offset as usize..).unwrap_or_default();
            let count = from.len().min(out.len());
            out[..count].copy_from_slice(&from[..count]);
            count
        })
    }

    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.writing(|node, fault| match fault {
            None => node.change(Change::Write { offset, octets: octets.to_vec() }),
            Some(Fault::Io) => {
                node.change(Change::Write { offset, octets: octets[..octets.len() / 2].to_vec() })
            }
            Some(Fault::NoSpace) => {}
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.writing(|node, fault| {
            if fault.is_none() {
                node.change(Change::SetLen(len));
            }
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.writing(|node, fault| match fault {
            None => node.sync(),
            // Linux marks the pages clean and tells it once: the next sync has nothing to do.
            Some(Fault::Io) => node.forget_pending(),
            Some(Fault::NoSpace) => {}
        })
    }

    fn try_lock(&self) -> io::Result<bool> {
        let mut state = lock(&self.disk.0);
        state.read()?;
        let mut holds = lock(&self.holds_lock);
        *holds = *holds || state.locked.insert(self.node);
        Ok(*holds)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = lock(&self.disk.0);
        if *lock(&self.holds_lock) && self.boot == state.boot {
            state.locked.remove(&self.node);
        }
    }
}

fn error(fault: Fault) -> io::Error {
    // As the operating system would say it, so that the kinds are the same.
    io::Error::from_raw_os_error(match fault {
        Fault::NoSpace => libc::ENOSPC,
        Fault::Io => libc::EIO,
    })
}

#[cfg(test)]
mod tests;
