//! The secrets of cookies that the server makes itself, in a file of the state directory.
//!
//! A line for each, the newest first: the second since 1970 in which it was made, and 32 hexadecimal
//! digits. The file is replaced whole; a server that cannot write it goes on with what it has in memory.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::kept::keep_file;
use crate::env::{Disk, OpenMode, OsDisk, OsRandom, Random};
use crate::policy::cookies::{CookieSecret, CookieSecrets, SECRETS_MAX};
use crate::time::Wall;

const FILE: &str = "cookie.secrets";
/// A file of secrets is never longer.
const OCTETS_MAX: u64 = 4096;

/// The secrets and where they are kept.
pub(super) struct KeptSecrets {
    dir: PathBuf,
    secrets: CookieSecrets,
}

impl KeptSecrets {
    /// Reads the secrets of a state directory. If there are none that can be read, one is made.
    pub(super) fn open(dir: &Path, now: Wall) -> KeptSecrets {
        let secrets = match read(&dir.join(FILE)) {
            Ok(text) => parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => CookieSecrets::default(),
            Err(error) => {
                tracing::warn!(%error, "the secrets of cookies cannot be read; new ones are made");
                CookieSecrets::default()
            }
        };
        let is_empty = secrets.0.is_empty();
        let mut kept = KeptSecrets { dir: dir.to_owned(), secrets };
        if is_empty {
            kept.roll(now, Duration::ZERO);
        }
        kept
    }

    /// Makes a new secret if the newest is older than `age`, and old enough to be replaced; whether it
    /// did.
    pub(super) fn roll(&mut self, now: Wall, age: Duration) -> bool {
        let mut fresh = [0; 16];
        OsRandom.fill(&mut fresh);
        if !self.secrets.roll(now, age, CookieSecret(fresh)) {
            return false;
        }
        if let Err(error) = keep_file(&self.dir, FILE, print(&self.secrets).as_bytes()) {
            tracing::warn!(%error, "the secrets of cookies cannot be written; they are lost with this process");
        }
        true
    }

    /// All that are live.
    pub(super) fn secrets(&self) -> &CookieSecrets {
        &self.secrets
    }
}

fn read(path: &Path) -> io::Result<String> {
    let file = OsDisk.open(path, OpenMode::Existing)?;
    let mut octets = vec![0; file.len()?.min(OCTETS_MAX) as usize];
    let length = file.read_at(0, &mut octets)?;
    octets.truncate(length);
    String::from_utf8(octets).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn print(secrets: &CookieSecrets) -> String {
    let line = |(made, secret): &(Wall, CookieSecret)| {
        format!("{} {}\n", made.seconds(), data_encoding::HEXLOWER.encode(&secret.0))
    };
    secrets.0.iter().map(line).collect()
}

/// The lines that make sense.
fn parse(text: &str) -> CookieSecrets {
    let secret = |line: &str| {
        let (made, secret) = line.split_once(' ')?;
        let secret = data_encoding::HEXLOWER.decode(secret.as_bytes()).ok()?.try_into().ok()?;
        Some((Wall(made.parse::<u64>().ok()?.checked_mul(1000)?), CookieSecret(secret)))
    };
    CookieSecrets(text.lines().filter_map(secret).take(SECRETS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a40_secrets_survive_a_restart_and_roll() {
        let dir = tempfile::tempdir().expect("a directory");
        let hour = |n: u64| Wall(1_700_000_000_000 + n * 3_600_000);
        let first = KeptSecrets::open(dir.path(), hour(0)).secrets;
        assert_eq!(first.0.len(), 1);
        let mut again = KeptSecrets::open(dir.path(), hour(1));
        assert_eq!(again.secrets, first);
        again.roll(hour(1), Duration::ZERO);
        assert_eq!((again.secrets.0.len(), again.secrets.0[1]), (2, first.0[0]));
        again.roll(hour(1), Duration::ZERO);
        again.roll(hour(2), Duration::ZERO);
        assert_eq!(KeptSecrets::open(dir.path(), hour(2)).secrets, again.secrets);
        assert!(!again.secrets.0.contains(&first.0[0]));
    }

    #[test]
    fn a_damaged_file_gives_new_secrets() {
        let dir = tempfile::tempdir().expect("a directory");
        for text in [&b"nonsense\n"[..], b"12 0011\n", b"x 00112233445566778899aabbccddeeff\n", b"\xff"] {
            std::fs::write(dir.path().join(FILE), text).expect("a file");
            assert_eq!(KeptSecrets::open(dir.path(), Wall(5000)).secrets.0.len(), 1);
        }
        std::fs::write(dir.path().join(FILE), "12 00112233445566778899aabbccddeeff\n").expect("a file");
        assert_eq!(KeptSecrets::open(dir.path(), Wall(9000)).secrets.0[0].0, Wall(12_000));
        assert_eq!(KeptSecrets::open(Path::new("/nowhere"), Wall(1)).secrets.0.len(), 1);
    }
}
