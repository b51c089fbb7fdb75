//! Transfers that need stored history are planned on a thread of their own: it may read the disk and
//! sum up many steps, and neither may hold up the queries of a runtime.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::Desk;
use crate::trace::Silent;
use crate::transfer::condense::Cache;
use crate::transfer::outgoing::{Outgoing, TransferStart, plan};

/// Where transfers are planned; ends when the last handle is dropped.
#[derive(Clone, Debug)]
pub(super) struct Planner(mpsc::Sender<(TransferStart, oneshot::Sender<Outgoing>)>);

/// Transfers that wait to be planned; more push back.
const WAITING_MAX: usize = 64;

impl Planner {
    /// Starts the thread.
    pub fn start(desk: Arc<dyn Desk>) -> io::Result<(Planner, JoinHandle<()>)> {
        let (planner, mut inbox) = mpsc::channel::<(TransferStart, oneshot::Sender<Outgoing>)>(WAITING_MAX);
        let thread = std::thread::Builder::new().name("planner".into()).spawn(move || {
            let mut cache = Cache::default();
            while let Some((start, reply)) = inbox.blocking_recv() {
                let from = start.wants_history();
                let history = from.map(|from| desk.history(&start.version, from)).unwrap_or_default();
                // A client that went away meanwhile does not want it any more.
                let _ = reply.send(plan(start, &history, &mut cache, &mut Silent));
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
        self.0.send((start, reply)).await.ok()?;
        planned.await.ok()
    }
}
