//! The operator: commands that come at any time, and those that a held version waits for.

use bellwether::dns::Serial;
use bellwether::engine::shard::{Command, Event, Token};
use bellwether::env::Random;
use bellwether::ident::ZoneId;

use crate::flock::ZONES;
use crate::simulation::Simulation;

impl Simulation {
    /// Somebody types something.
    pub fn command_somehow(&mut self) {
        // Half of what there is to command concerns the primary.
        let servers = self.nodes.len() as u64;
        let server = self.random.below(2 * servers).saturating_sub(servers) as usize;
        let zone = self.random.below(ZONES.len() as u64) as usize;
        let command = match self.random.below(8) {
            0 => Command::Reload { force: self.random.one_in(2) },
            1 => Command::Refresh,
            2 => Command::Retransfer,
            3..5 => match self.held(server, zone) {
                Some(serial) => Command::Confirm(serial),
                None => Command::Confirm(Serial(self.observer.newest(zone))),
            },
            _ => Command::Rollback(Serial(self.observer.earlier(zone, &mut self.random))),
        };
        self.command(server, zone, command);
    }

    /// An operator who looks at the status confirms what is held on the primary.
    pub fn confirm_held(&mut self) {
        for zone in 0..ZONES.len() {
            if let Some(serial) = self.held(0, zone) {
                self.command(0, zone, Command::Confirm(serial));
            }
        }
    }

    fn held(&self, server: usize, zone: usize) -> Option<Serial> {
        self.nodes[server].status(zone)?.held.map(Serial)
    }

    fn command(&mut self, server: usize, zone: usize, command: Command) {
        let node = &self.nodes[server];
        if node.running.is_none() || node.asleep_until.is_some() {
            return;
        }
        let token = Token(self.commands.keys().next_back().map_or(1, |last| last + 1));
        self.commands.insert(token.0, (server, zone, command));
        self.observer.commanded(server, zone, command);
        self.tell(server, Event::Command(ZoneId(zone as u32), command, token));
    }
}
