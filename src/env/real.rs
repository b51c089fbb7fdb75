//! The operating system's clocks, chance and disk.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

use super::{Clock, Disk, File, OpenMode, Random};
use crate::time::{Now, Tick, Wall};

/// The clocks of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsClock;

impl Clock for OsClock {
    /// CLOCK_BOOTTIME goes on while the machine is suspended, so a zone expires in its sleep (R18).
    /// It cannot fail on a kernel that has it (Linux 2.6.39); elsewhere CLOCK_MONOTONIC stands in.
    fn now(&self) -> Now {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        const BOOT: ClockId = ClockId::CLOCK_BOOTTIME;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        const BOOT: ClockId = ClockId::CLOCK_MONOTONIC;
        let boot = clock_gettime(BOOT).expect("the boot clock can be read");
        let tick = Tick(boot.tv_sec() as u64 * 1000 + boot.tv_nsec() as u64 / 1_000_000);
        // A wall clock before 1970 reads as 1970.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { tick, wall: Wall(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)) }
    }
}

/// The kernel's random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn next_u64(&mut self) -> u64 {
        getrandom::u64().expect("the kernel gives random numbers")
    }

    fn fill(&mut self, out: &mut [u8]) {
        getrandom::fill(out).expect("the kernel gives random numbers");
    }
}

/// The file systems of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

impl Disk for OsDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).mode(0o600);
        match mode {
            OpenMode::Existing => &mut options,
            OpenMode::OrCreate => options.create(true),
            OpenMode::Fresh => options.create(true).truncate(true),
        };
        Ok(Box::new(OsFile(options.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        let mut names = fs::read_dir(dir)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }
}

/// One open file.
#[derive(Debug)]
struct OsFile(fs::File);

impl File for OsFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < out.len() {
            match self.0.read_at(&mut out[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.0.write_all_at(octets, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    /// fdatasync: the length is synced with the octets, the access times are not.
    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn try_lock(&self) -> io::Result<bool> {
        match self.0.try_lock() {
            Ok(()) => Ok(true),
            Err(fs::TryLockError::WouldBlock) => Ok(false),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_does_not_go_back() {
        let (first, second) = (OsClock.now(), OsClock.now());
        assert!(second.tick >= first.tick && first.tick > Tick(0));
        assert!(first.wall.date().0 >= 2024);
    }

    #[test]
    fn a_file_does_what_the_trait_says() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/file");
        OsDisk.create_dir_all(&dir.path().join("sub")).unwrap();
        assert!(OsDisk.open(&path, OpenMode::Existing).is_err());
        let file = OsDisk.open(&path, OpenMode::OrCreate).unwrap();
        file.write_at(4, b"abc").unwrap();
        file.sync().unwrap();
        OsDisk.sync_dir(&dir.path().join("sub")).unwrap();
        let mut out = [9; 10];
        assert_eq!(file.read_at(0, &mut out).unwrap(), 7);
        assert_eq!(&out[..7], b"\0\0\0\0abc");
        assert!(file.try_lock().unwrap());
        assert!(!OsDisk.open(&path, OpenMode::Existing).unwrap().try_lock().unwrap());
        drop(file);
        let file = OsDisk.open(&path, OpenMode::Fresh).unwrap();
        assert!(file.is_empty().unwrap() && file.try_lock().unwrap());
        assert_eq!(OsDisk.list(&dir.path().join("sub")).unwrap(), ["file"]);
        OsDisk.remove(&path).unwrap();
        assert!(!OsDisk.exists(&path).unwrap());
    }
}
