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
        let kinds = if self.plan.rough { 100 } else { 60 };
        let server = self.random.below(self.nodes.len() as u64) as usize;
        match self.random.below(kinds) {
            0..38 => self.edit_somehow(),
            38..48 => self.crash(server),
            48..60 => self.cut_power_soon(server),
            60..70 => self.cut_link(server),
            70..76 => self.isolate(server),
            76..84 => self.set_clock(server),
            84..92 => self.break_disk(server),
            _ => self.degrade(),
        }
    }

    fn edit_somehow(&mut self) {
        let edit = match self.random.below(12) {
            0..6 => Edit::Raised,
            6..8 => Edit::Forgotten,
            8 => Edit::Jumped,
            9 => Edit::Lowered,
            10 => Edit::Comments,
            _ => Edit::Broken,
        };
        let zone = self.random.below(ZONES.len() as u64) as usize;
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

    /// The file is written, and the watcher notices.
    pub fn save(&mut self, zone: usize) {
        let text = self.editors[zone].text();
        self.nodes[0].files.insert(zone_file(ZONES[zone]), text);
        let notices = Duration::from_millis(self.random.below(300));
        let event = Event::FileChanged(ZoneId(zone as u32));
        self.queue.push(notices, What::Shard(0, self.nodes[0].starts, Box::new(event)));
    }

    /// Power is gone for a while.
    pub fn crash(&mut self, server: usize) {
        if self.nodes[server].running.is_none() {
            return;
        }
        self.observer.crashes(server, &self.nodes[server]);
        let seed = self.random.next_u64();
        self.nodes[server].crash(seed);
        let most = if self.random.one_in(8) { 400_000 } else { 30_000 };
        let down = Duration::from_millis(100 + self.random.below(most));
        self.queue.push(down, What::Start(server));
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

    fn set_clock(&mut self, server: usize) {
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
