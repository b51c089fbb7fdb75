//! The person with the editor: zone files that change, well or badly, and what they should mean.
//!
//! Every good file carries a token of its own in several TXT records; a reader who sees two
//! different ones in one version has seen a mix.

use std::collections::BTreeMap;
use std::fmt::Write;

use bellwether::env::Random;
use bellwether::env::sim::SimRandom;

use crate::flock::Timers;

/// Names that carry the token.
pub const TOKEN_NAMES: [&str; 3] = ["token", "a.token", "zz.far.away"];

/// How an edit is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Records come, change and go; the serial is raised by hand.
    Raised,
    /// The same, and the serial is forgotten: the server chooses one.
    Forgotten,
    /// The serial jumps far, but within what RFC 1982 allows.
    Jumped,
    /// The serial is lowered, as after a restore of an old file.
    Lowered,
    /// Records keep their data: TTLs change, and the case of owners.
    Respelled,
    /// Most hosts go, as after a generator that failed.
    Truncated,
    /// Only comments and the order change.
    Comments,
    /// The file cannot be read as a zone.
    Broken,
}

/// One host of a zone.
#[derive(Clone, Copy, Debug)]
struct Host {
    value: u64,
    ttl: u64,
    capital: bool,
}

/// One zone file.
#[derive(Clone, Debug)]
pub struct Editor {
    apex: String,
    timers: Timers,
    serial: u32,
    token: u64,
    comment: u64,
    hosts: BTreeMap<u64, Host>,
    broken: bool,
}

impl Editor {
    /// The first version of the file; a big one takes a transfer of several messages.
    pub fn new(apex: &str, timers: Timers, serial: u32, hosts: u64) -> Editor {
        let hosts = (0..hosts).map(|host| (host, Host { value: 1, ttl: 300, capital: false })).collect();
        Editor { apex: apex.into(), timers, serial, token: 1, comment: 0, hosts, broken: false }
    }

    /// Changes the file.
    pub fn edit(&mut self, random: &mut SimRandom, edit: Edit) {
        self.broken = false;
        self.comment += 1;
        match edit {
            Edit::Comments => return,
            Edit::Broken => {
                self.broken = true;
                return;
            }
            Edit::Raised | Edit::Respelled | Edit::Truncated => {
                self.serial = self.serial.wrapping_add(1 + random.below(3) as u32);
            }
            Edit::Forgotten => {}
            Edit::Jumped => self.serial = self.serial.wrapping_add(random.below(1 << 30) as u32),
            Edit::Lowered => self.serial = self.serial.wrapping_sub(1 + random.below(5) as u32),
        }
        self.token += 1;
        match edit {
            Edit::Respelled => self.respell(random),
            Edit::Truncated => self.hosts = self.hosts.split_off(&(self.hosts.len() as u64)),
            _ => {}
        }
        for _ in 0..1 + random.below(4) {
            let host = random.below(self.hosts.len() as u64 + 8);
            if random.one_in(3) && self.hosts.len() > 3 {
                self.hosts.remove(&host);
            } else if edit != Edit::Truncated {
                let value = random.next_u64();
                self.hosts.insert(host, Host { value, ttl: 300, capital: false });
            }
        }
    }

    fn respell(&mut self, random: &mut SimRandom) {
        for host in self.hosts.values_mut() {
            if random.one_in(2) {
                (host.ttl, host.capital) = (60 + random.below(4), random.one_in(3));
            }
        }
    }

    /// Sets a serial that is newer than `published`.
    pub fn raise_above(&mut self, published: u32) {
        self.serial = published.wrapping_add(1);
    }

    /// The token of the newest good content.
    pub fn token(&self) -> u64 {
        self.token
    }

    /// The file.
    pub fn text(&self) -> Vec<u8> {
        let Timers { refresh, retry, expire } = self.timers;
        let mut text = String::new();
        let _ = writeln!(text, "$ORIGIN {}\n$TTL 300\n; edit {}", self.apex, self.comment);
        let _ = writeln!(text, "@ SOA ns1 admin {} {refresh} {retry} {expire} 60", self.serial);
        let _ = writeln!(text, "@ NS ns1\n@ NS ns2\nns1 A 192.0.2.1\nns2 A 192.0.2.2");
        for name in TOKEN_NAMES {
            let _ = writeln!(text, "{name} TXT \"{}\"", self.token);
        }
        // The order of a file means nothing.
        let mut hosts: Vec<_> = self.hosts.iter().collect();
        if self.comment % 2 == 1 {
            hosts.reverse();
        }
        for (number, Host { value, ttl, capital }) in hosts {
            let host = if *capital { "HOST" } else { "host" };
            let (high, low) = (value % 250, value / 250 % 250);
            let _ = writeln!(text, "{host}{number} {ttl} A 10.{high}.{low}.{}", number % 250);
            let _ = writeln!(text, "{host}{number} {ttl} TXT \"{value:064}\" \"{value:0200}\"");
        }
        if self.broken {
            let _ = writeln!(text, "oops A 192.0.2.\n( \"unfinished");
        }
        text.into_bytes()
    }
}

/// The serial that stands in a file.
pub fn serial_in(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    let soa = text.lines().find(|line| line.starts_with("@ SOA "))?;
    soa.split(' ').nth(4)?.parse().ok()
}
