//! The person with the editor: zone files that change, well or badly, and what they should mean.
//!
//! Every good file carries a token of its own in several TXT records; a reader who sees two
//! different ones in one version has seen a mix.

use std::collections::BTreeMap;
use std::fmt::Write;

use bellwether::env::Random;
use bellwether::env::sim::SimRandom;

/// Names that carry the token.
pub const TOKEN_NAMES: [&str; 3] = ["token", "a.token", "zz.far.away"];

/// Seconds of the SOA: refresh, retry, expire.
pub const TIMERS: (u32, u32, u32) = (60, 15, 240);

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
    /// Only comments and the order change.
    Comments,
    /// The file cannot be read as a zone.
    Broken,
}

/// One zone file.
#[derive(Clone, Debug)]
pub struct Editor {
    apex: String,
    serial: u32,
    token: u64,
    comment: u64,
    hosts: BTreeMap<u64, u64>,
    broken: bool,
}

impl Editor {
    /// The first version of the file; a big one takes a transfer of several messages.
    pub fn new(apex: &str, serial: u32, hosts: u64) -> Editor {
        let hosts = (0..hosts).map(|host| (host, 1)).collect();
        Editor { apex: apex.into(), serial, token: 1, comment: 0, hosts, broken: false }
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
            Edit::Raised => self.serial = self.serial.wrapping_add(1 + random.below(3) as u32),
            Edit::Forgotten => {}
            Edit::Jumped => self.serial = self.serial.wrapping_add(random.below(1 << 30) as u32),
            Edit::Lowered => self.serial = self.serial.wrapping_sub(1 + random.below(5) as u32),
        }
        self.token += 1;
        for _ in 0..1 + random.below(4) {
            let host = random.below(self.hosts.len() as u64 + 4);
            if random.one_in(3) && self.hosts.len() > 3 {
                self.hosts.remove(&host);
            } else {
                self.hosts.insert(host, random.next_u64());
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
        let (refresh, retry, expire) = TIMERS;
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
        for (host, value) in hosts {
            let _ = writeln!(text, "host{host} A 10.{}.{}.{}", value % 250, value / 250 % 250, host % 250);
            let _ = writeln!(text, "host{host} TXT \"{value:064}\" \"{value:0200}\"");
        }
        if self.broken {
            let _ = writeln!(text, "oops A 192.0.2.\n( \"unfinished");
        }
        text.into_bytes()
    }
}
