//! What happens to a flock: edits, crashes, cut links, full disks, clocks that are set.

use std::time::Duration;

use bellwether::engine::shard::Event;
use bellwether::env::Random;
use bellwether::env::sim::Fault;
use bellwether::ident::ZoneId;

use crate::editor::Edit;
use crate::flock::{ZONES, zone_file};
use crate::simulation::{Simulation, What};

impl Simulation {
    /// One more thing happens.
    pub fn weather(&mut self) {
        let kinds = if self.plan.rough { 100 } else { 64 };
        let server = self.random.below(self.nodes.len() as u64) as usize;
        match self.random.below(kinds) {
            0..34 => self.edit_somehow(),
            34..39 => self.crash(server),
            39..42 => self.restart(server),
            42..52 => self.cut_power_soon(server),
            52..62 => self.command_somehow(),
            62..64 => self.start_with_a_broken_file(),
            64..71 => self.cut_link(server),
            71..75 => self.isolate(server),
            75..80 => self.set_clock(server),
            80..87 => self.break_disk(server),
            87..90 => self.suspend(server),
            90..92 => self.vanish(),
            92..94 => self.curse(),
            94..96 => self.dark_site(server),
            96..98 => self.damage(server),
            _ => self.degrade(),
        }
    }

    fn edit_somehow(&mut self) {
        let edit = match self.random.below(16) {
            0..6 => Edit::Raised,
            6..8 => Edit::Forgotten,
            8..10 => Edit::Respelled,
            10 => Edit::Jumped,
            11 => Edit::Lowered,
            12 => Edit::Comments,
            13..15 => Edit::Truncated,
            _ => Edit::Broken,
        };
        let zone = self.random.below(ZONES.len() as u64) as usize;
        if self.random.one_in(5) {
            self.editors[zone].edit(&mut self.random, edit);
            return self.write_slowly(zone);
        }
        self.edit(zone, edit);
        if self.random.one_in(3) {
            // A second thought, at once.
            self.edit(zone, Edit::Raised);
        }
    }

    /// Somebody saves a zone file.
    pub fn edit(&mut self, zone: usize, edit: Edit) {
        self.editors[zone].edit(&mut self.random, edit);
        self.save(zone);
    }

    /// The file is written into, piece by piece; and somebody may want it read before it is whole (R08).
    fn write_slowly(&mut self, zone: usize) {
        let file = zone_file(ZONES[zone]);
        let mut text = self.editors[zone].text();
        text.truncate(self.random.below(text.len() as u64) as usize);
        self.nodes[0].half_written.insert(file.clone());
        self.nodes[0].files.insert(file, text);
        if self.random.one_in(2) {
            self.notice(zone);
        }
        let takes = Duration::from_millis(self.random.below(3000));
        self.queue.push(takes, What::Written(zone));
    }

    /// The file is written, and the watcher notices.
    pub fn save(&mut self, zone: usize) {
        let (text, file) = (self.editors[zone].text(), zone_file(ZONES[zone]));
        self.nodes[0].half_written.remove(&file);
        self.nodes[0].files.insert(file, text);
        self.notice(zone);
    }

    fn notice(&mut self, zone: usize) {
        let notices = Duration::from_millis(self.random.below(300));
        let event = Event::FileChanged(ZoneId(zone as u32));
        self.queue.push(notices, What::Shard(0, self.nodes[0].starts, Box::new(event)));
    }

    /// Power is gone for a while.
    pub fn crash(&mut self, server: usize) {
        if self.nodes[server].running.is_none() {
            return;
        }
        self.observer.crashes(server, self.queue.now(), &self.nodes[server]);
        let seed = self.random.next_u64();
        self.nodes[server].crash(seed);
        let most = if self.random.one_in(8) { 400_000 } else { 30_000 };
        let down = Duration::from_millis(100 + self.random.below(most));
        self.queue.push(down, What::Start(server));
    }

    /// A server is stopped as it should be, and started again.
    fn restart(&mut self, server: usize) {
        let node = &self.nodes[server];
        if node.running.is_none() || node.asleep_until.is_some() {
            return;
        }
        self.tell(server, Event::Stop);
        while self.nodes[server].running.as_ref().is_some_and(|running| !running.writes.is_empty()) {
            self.commit(server);
        }
        // If the power failed meanwhile it is down already.
        if self.nodes[server].running.is_some() {
            self.observer.crashes(server, self.queue.now(), &self.nodes[server]);
            self.nodes[server].running = None;
            if self.nodes[server].lost_power() {
                // While the store was closed.
                let seed = self.random.next_u64();
                self.nodes[server].crash(seed);
            }
            let down = Duration::from_millis(100 + self.random.below(5000));
            self.queue.push(down, What::Start(server));
        }
    }

    /// The file is broken when the primary comes back (R02).
    fn start_with_a_broken_file(&mut self) {
        let zone = self.random.below(ZONES.len() as u64) as usize;
        self.edit(zone, Edit::Broken);
        self.crash(0);
    }

    /// Nothing runs for a while, and the boot clock goes on.
    fn suspend(&mut self, server: usize) {
        let until = self.queue.now().after(Duration::from_millis(1000 + self.random.below(400_000)));
        let node = &mut self.nodes[server];
        if node.running.is_some() && node.asleep_until.is_none() {
            node.asleep_until = Some(until);
            self.queue.push_at(until, What::Awake(server));
        }
    }

    /// A zone file is gone, until the next edit of it (R09).
    fn vanish(&mut self) {
        let zone = self.random.below(ZONES.len() as u64) as usize;
        self.nodes[0].files.remove(&zone_file(ZONES[zone]));
        let event = Event::FileVanished(ZoneId(zone as u32));
        self.queue.push(Duration::from_secs(2), What::Shard(0, self.nodes[0].starts, Box::new(event)));
    }

    /// One zone file brings out a bug in whoever reads it (invariant 7).
    fn curse(&mut self) {
        let zone = self.random.below(ZONES.len() as u64) as usize;
        self.nodes[0].cursed = match self.nodes[0].cursed {
            Some(_) => None,
            None => Some(zone_file(ZONES[zone])),
        };
        self.save(zone);
    }

    /// The power fails at a place whose clock and link are wrong when it comes back (R18).
    fn dark_site(&mut self, server: usize) {
        self.crash(server);
        self.set_clock(server);
        self.isolate(server);
    }

    /// The power fails, and what the disk has of one zone is spoiled (R01, invariant 7).
    fn damage(&mut self, server: usize) {
        if self.nodes[server].running.is_none() {
            return;
        }
        self.crash(server);
        let zone = self.random.below(ZONES.len() as u64) as usize;
        if self.nodes[server].damage(zone, &mut self.random) {
            self.observer.damaged(server, zone);
        }
    }

    fn cut_power_soon(&mut self, server: usize) {
        let node = &mut self.nodes[server];
        let at = node.disk.writes() + self.random.below(40);
        node.disk.power_off_at(at);
        node.power_off_at = Some(at);
        // Something has to be written for it to happen.
        self.edit_somehow();
    }

    fn cut_link(&mut self, server: usize) {
        let other = self.random.below(self.nodes.len() as u64) as usize;
        let link = (server.min(other), server.max(other));
        self.net.cuts.insert(link);
        let lasts = Duration::from_millis(500 + self.random.below(90_000));
        self.queue.push(lasts, What::Mend(link));
    }

    fn isolate(&mut self, server: usize) {
        let lasts = Duration::from_millis(1000 + self.random.below(400_000));
        for other in (0..self.nodes.len()).filter(|&other| other != server) {
            let link = (server.min(other), server.max(other));
            self.net.cuts.insert(link);
            self.queue.push(lasts, What::Mend(link));
        }
    }

    /// Somebody sets a clock, or nobody does.
    pub fn set_clock(&mut self, server: usize) {
        let reach = if self.random.one_in(2) { 100_000 } else { 10 * 86_400_000 };
        let error = self.random.below(2 * reach) as i64 - reach as i64;
        self.nodes[server].wall_error = error;
        self.nodes[server].jumps += 1;
        // Beyond the fudge of TSIG nobody signed is believed until it is mended.
        let lasts = Duration::from_millis(self.random.below(200_000));
        self.queue.push(lasts, What::MendClock(server));
    }

    fn break_disk(&mut self, server: usize) {
        let fault = if self.random.one_in(2) { Fault::NoSpace } else { Fault::Io };
        let disk = &self.nodes[server].disk;
        let at = disk.writes() + self.random.below(20);
        if self.random.one_in(2) {
            disk.fail_at(at, fault);
        } else {
            disk.fail_from(at, fault);
            let lasts = Duration::from_millis(self.random.below(60_000));
            self.queue.push(lasts, What::MendDisk(server));
        }
        self.edit_somehow();
    }

    fn degrade(&mut self) {
        (self.net.loss_percent, self.net.delay_max) = match self.random.below(3) {
            0 => (0, 20),
            1 => (10, 300),
            _ => (30, 2500),
        };
    }
}
