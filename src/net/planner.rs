//! Transfers that need stored history are planned on a thread of their own: it may read the disk and
//! sum up many steps, and neither may hold up the queries of a runtime.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::Desk;
use super::pins::Pins;
use crate::trace::Silent;
use crate::transfer::condense::Cache;
use crate::transfer::outgoing::{Outgoing, TransferStart, plan};

/// Where transfers are planned; ends when the last handle is dropped.
#[derive(Clone, Debug)]
pub(super) struct Planner(mpsc::Sender<Job>);

#[derive(Debug)]
enum Job {
    Plan(Box<TransferStart>, oneshot::Sender<Outgoing>),
    /// Transfers run: do they hold too many replaced versions?
    JudgePins,
}

/// Jobs that wait; more push back.
const WAITING_MAX: usize = 64;

impl Planner {
    /// Starts the thread.
    pub fn start(desk: Arc<dyn Desk>, pins: Arc<Pins>) -> io::Result<(Planner, JoinHandle<()>)> {
        let (planner, mut inbox) = mpsc::channel(WAITING_MAX);
        let thread = std::thread::Builder::new().name("planner".into()).spawn(move || {
            let mut cache = Cache::default();
            while let Some(job) = inbox.blocking_recv() {
                match job {
                    Job::Plan(start, reply) => {
                        let from = start.wants_history();
                        let history = from.map(|from| desk.history(&start.version, from)).unwrap_or_default();
                        // A client that went away meanwhile does not want it any more.
                        let _ = reply.send(plan(*start, &history, &mut cache, &mut Silent));
                    }
                    Job::JudgePins => pins.judge(|apex| {
                        let world = desk.world();
                        world.zones.exact(apex)?.version_at(desk.now().tick).cloned()
                    }),
                }
            }
        })?;
        Ok((Planner(planner), thread))
    }

    /// The plan for `start`; `None` while the server stops.
    pub async fn plan(&self, start: TransferStart) -> Option<Outgoing> {
        if start.wants_history().is_none() {
            return Some(plan(start, &[], &mut Cache::default(), &mut Silent));
        }
        let (reply, planned) = oneshot::channel();
        self.0.send(Job::Plan(Box::new(start), reply)).await.ok()?;
        planned.await.ok()
    }

    /// Has the pins judged, soon. If there is no room it is done the next time.
    pub fn judge_pins(&self) {
        let _ = self.0.try_send(Job::JudgePins);
    }
}
