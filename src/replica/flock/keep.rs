//! What is known of each secondary, through a restart.

use std::time::Duration;

use super::{Flock, Follower};
use crate::dns::Serial;
use crate::ident::PeerId;
use crate::replica::memory;
use crate::time::{Now, Tick};

impl Flock {
    /// What is known of the secondaries, to be stored.
    pub fn memory(&self, now: Now) -> Vec<u8> {
        let mut out = memory::Writer::new(now);
        let serial_since = |out: &mut memory::Writer, (serial, since): (Serial, Tick)| {
            out.number(serial.0);
            out.span(now.tick.since(since));
        };
        for follower in &self.followers {
            let Follower { peer, acknowledged, has, asked, .. } = follower;
            if acknowledged.is_some() || has.is_some() || asked.is_some() {
                out.number(peer.0);
                out.option(*acknowledged, serial_since);
                out.option(*has, serial_since);
                out.option(*asked, |out, since| out.span(now.tick.since(since)));
            }
        }
        out.finish()
    }

    /// Takes in what an earlier run of the server knew of those of whom nothing is known yet.
    pub fn recall(&mut self, now: Now, octets: &[u8]) {
        let Some(mut memory) = memory::Reader::new(octets, now) else { return };
        while !memory.is_at_end() && self.recall_one(now, &mut memory).is_some() {}
    }

    fn recall_one(&mut self, now: Now, memory: &mut memory::Reader<'_>) -> Option<()> {
        let elapsed = memory.elapsed;
        let since = |age: Duration| now.tick.before(age.saturating_add(elapsed));
        let peer = PeerId(memory.number()?);
        let acknowledged = memory.option(|memory| Some((memory.serial()?, since(memory.span()?))))?;
        let has = memory.option(|memory| Some((memory.serial()?, since(memory.span()?))))?;
        let asked = memory.option(|memory| memory.span().map(since))?;
        if let Some(follower) = self.followers.iter_mut().find(|follower| follower.peer == peer)
            && (follower.acknowledged, follower.has, follower.asked) == (None, None, None)
        {
            (follower.acknowledged, follower.has, follower.asked) = (acknowledged, has, asked);
        }
        Some(())
    }
}
