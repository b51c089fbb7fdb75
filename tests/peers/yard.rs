//! What each test of the peers stands on: the ground, the shared key, dig.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub use crate::ground::*;

/// The name of the key that all servers share.
pub const KEY_NAME: &str = "flock.example.";
/// Its secret.
pub const KEY_SECRET: &str = "c2l4dGVlbiBvY3RldHMgYXJlIGVub3VnaCBoZXJlISE=";
/// What dig says of datagrams that were not for it.
const STRAY: [&str; 2] = [";; Warning: query response not set", ";; Warning: ID mismatch"];

impl Process {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, by its own process id.
    pub fn signal(&self, signal: Signal) {
        let sent = kill(Pid::from_raw(self.child.id() as i32), signal);
        assert_eq!(sent, Ok(()), "{signal} to {}", self.name);
    }

    /// Ends it at once, as a crash does, and says where its log is.
    pub fn kill(mut self) -> PathBuf {
        self.child.kill().expect("a running process");
        self.child.wait().expect("a child");
        self.log.clone()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self) -> ExitStatus {
        poll(&format!("{} to end", self.name), || self.child.try_wait().expect("a child"))
    }
}

/// Looks again and again until there is something to see.
pub fn poll<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    poll_within(PATIENCE, what, look)
}

/// The same with another patience, for what takes long by itself.
pub fn poll_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < patience, "waited {} s for {what}", patience.as_secs());
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// What dig prints for these arguments; the server comes first.
pub fn dig(server: SocketAddr, arguments: &[&str]) -> String {
    let mut command = Command::new("dig");
    command.arg(format!("@{}", server.ip())).args(["-p", &server.port().to_string()]);
    let output = command.args(["+time=5", "+tries=1"]).args(arguments).output().expect("dig");
    let text = said(&output);
    // A server of another test may still send to a port that dig has now; dig waits for its answer.
    let is_stray = |line: &&str| STRAY.iter().any(|warning| line.starts_with(warning));
    text.split_inclusive('\n').filter(|line| !is_stray(line)).collect()
}

/// `dig -y` with the key that all servers share.
pub fn dig_signed(server: SocketAddr, arguments: &[&str]) -> String {
    let key = format!("hmac-sha256:{KEY_NAME}:{KEY_SECRET}");
    dig(server, &[&["-y", &key], arguments].concat())
}

/// The records in what dig printed, one a line with single spaces, in the order of the message.
/// The signature of the message is none of them.
pub fn records(text: &str) -> Vec<String> {
    let plain = |line: &&str| !line.is_empty() && !line.starts_with(';') && !line.contains("\tTSIG\t");
    let squeezed = |line: &str| line.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().filter(plain).map(squeezed).filter(|line| !line.contains(" ANY TSIG ")).collect()
}

/// The serial that a server answers for a zone.
pub fn serial(server: SocketAddr, zone: &str) -> Option<u32> {
    let text = dig(server, &["+short", "+norecurse", "+time=1", zone, "SOA"]);
    text.split_ascii_whitespace().nth(2)?.parse().ok()
}

/// The whole zone by AXFR, sorted, signed with the key.
pub fn transfer(server: SocketAddr, zone: &str) -> Vec<String> {
    let text = dig_signed(server, &["+tcp", "+noall", "+answer", zone, "AXFR"]);
    let mut records = records(&text);
    assert!(records.len() > 2 && records.first() == records.last(), "no transfer from {server}: {text}");
    assert!(!text.contains("Couldn't verify signature"), "{text}");
    records.sort();
    records
}

/// Fails unless both servers transfer the same records.
pub fn assert_same(one: SocketAddr, other: SocketAddr, zone: &str) {
    let (left, right) = (transfer(one, zone), transfer(other, zone));
    if left == right {
        return;
    }
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|record| !those.contains(record)).cloned().collect()
    };
    panic!("{one} only: {:#?}\n{other} only: {:#?}", only(&left, &right), only(&right, &left));
}
