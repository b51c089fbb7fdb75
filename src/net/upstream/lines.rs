//! Requests over TCP, and on which connection each goes.
//!
//! A request has a connection of its own while few are under way with that server. Those that wait
//! meanwhile go out together over the next one, one behind the other (RFC 7766 §6.2.1.1), so that the
//! zones of a server with very many cost neither side a connection or a wait each. Nobody stays behind
//! a long answer: see [`mod@super::line`].

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use super::{Report, Shared, failed_inside, kind, outcome};
use crate::ident::{Attempt, Transport, ZoneId};
use crate::limits::{LINES_PER_PEER_MAX, PIPELINED_MAX, SHY_PEERS_MAX, TRANSFERS_IN_MAX};
use crate::transfer::incoming::{Answer, Ask, TransferError};

/// How long a server is taken to want one request at a time: it may have been restarted just then.
const SHY_FOR: Duration = Duration::from_secs(60 * 60);
/// How long one that may want that is, until it is known.
const PERHAPS_SHY_FOR: Duration = Duration::from_secs(10);

/// A request as it is known outside.
pub(super) type Key = (ZoneId, Attempt);

/// A request that waits for a connection.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Smaller ones came earlier.
    number: u64,
    pub(super) key: Key,
    pub(super) ask: Ask,
    /// Nothing goes out with it.
    alone: bool,
    /// How often it was refused, perhaps only because of the others.
    pub(super) refusals: u32,
}

/// All requests over TCP.
pub(super) struct Lines {
    pub(super) shared: Rc<Shared>,
    report: Arc<Report>,
    /// By server, those that came first in front.
    waiting: RefCell<HashMap<SocketAddr, VecDeque<Wanted>>>,
    /// What nobody has taken back, and the line that it is on.
    live: RefCell<HashMap<Key, Option<Id>>>,
    /// Lines by server, but for those that bring a long answer.
    quick: RefCell<HashMap<SocketAddr, usize>>,
    /// Servers that did not answer all that went out together, and until when they are spared that.
    shy: RefCell<HashMap<SocketAddr, Instant>>,
    next: Cell<u64>,
    /// There may be room for another line.
    pub(super) room: Notify,
}

impl Lines {
    pub(super) fn new(shared: Rc<Shared>, report: Arc<Report>) -> Rc<Lines> {
        Rc::new(Lines {
            shared,
            report,
            waiting: RefCell::default(),
            live: RefCell::default(),
            quick: RefCell::default(),
            shy: RefCell::default(),
            next: Cell::new(0),
            room: Notify::new(),
        })
    }

    /// Asks `to` when it is this request's turn.
    pub(super) fn ask(&self, key: Key, to: SocketAddr, ask: Ask) {
        let number = self.next.replace(self.next.get() + 1);
        self.live.borrow_mut().insert(key, None);
        let ask = Ask { transport: Transport::Tcp, ..ask };
        let wanted = Wanted { number, key, ask, alone: false, refusals: 0 };
        self.waiting.borrow_mut().entry(to).or_default().push_back(wanted);
    }

    /// This one was refused, perhaps because of the others: it goes out again behind all that wait, alone.
    pub(super) fn later(&self, to: SocketAddr, wanted: Wanted) {
        self.set_shy_for(to, PERHAPS_SHY_FOR);
        let number = self.next.replace(self.next.get() + 1);
        if let Some(line) = self.live.borrow_mut().get_mut(&wanted.key) {
            *line = None;
            let refusals = wanted.refusals + 1;
            let wanted = Wanted { number, alone: true, refusals, ..wanted };
            self.waiting.borrow_mut().entry(to).or_default().push_back(wanted);
        }
    }

    /// Whether more than one line goes to this server.
    pub(super) fn is_crowded(&self, to: SocketAddr) -> bool {
        self.quick.borrow().get(&to).is_some_and(|lines| *lines > 1)
    }

    /// The end of a request is not wanted any more.
    pub(super) fn cancel(&self, key: Key) {
        self.live.borrow_mut().remove(&key);
    }

    /// Whether the end of a request is still wanted.
    pub(super) fn is_live(&self, key: Key) -> bool {
        self.live.borrow().contains_key(&key)
    }

    /// Begins as many lines as there may be.
    pub(super) fn begin(self: &Rc<Lines>, running: &mut JoinSet<()>) {
        while running.len() < TRANSFERS_IN_MAX
            && let Some((to, batch)) = self.next_batch()
        {
            *self.quick.borrow_mut().entry(to).or_default() += 1;
            let keys: Vec<Key> = batch.iter().map(|wanted| wanted.key).collect();
            let line = running.spawn_local(super::line::run(self.clone(), to, batch)).id();
            self.live.borrow_mut().extend(keys.into_iter().map(|key| (key, Some(line))));
        }
    }

    /// A line has ended; one that failed inside takes its requests with it.
    pub(super) fn ended(&self, line: Result<(), JoinError>) {
        let Err(error) = line else { return };
        let lost: Vec<Key> = {
            let live = self.live.borrow();
            live.iter().filter(|(_, line)| **line == Some(error.id())).map(|(key, _)| *key).collect()
        };
        lost.into_iter().for_each(|key| self.tell(key, Err(failed_inside(&error))));
    }

    /// Those that go out together next: the longest waiting, and others for the same server.
    fn next_batch(&self) -> Option<(SocketAddr, VecDeque<Wanted>)> {
        let (mut waiting, quick) = (self.waiting.borrow_mut(), self.quick.borrow());
        loop {
            let has_room = |to: &SocketAddr| quick.get(to).is_none_or(|lines| *lines < LINES_PER_PEER_MAX);
            let numbers = waiting.iter().filter(|(to, _)| has_room(to));
            let (_, to) = numbers.filter_map(|(to, queue)| Some((queue.front()?.number, *to))).min()?;
            let queue = waiting.get_mut(&to)?;
            let is_shy = self.shy.borrow().get(&to).is_some_and(|until| Instant::now() < *until);
            let most = if is_shy { 1 } else { PIPELINED_MAX };
            let mut batch = VecDeque::new();
            while batch.len() < most
                && queue.front().is_some_and(|next| batch.is_empty() || !next.alone)
                && let Some(wanted) = queue.pop_front()
            {
                let alone = wanted.alone;
                if self.is_live(wanted.key) {
                    batch.push_back(wanted);
                    if alone {
                        break;
                    }
                }
            }
            if queue.is_empty() {
                waiting.remove(&to);
            }
            if !batch.is_empty() {
                return Some((to, batch));
            }
        }
    }

    /// These are to go out again, before all others.
    pub(super) fn again(&self, to: SocketAddr, back: impl DoubleEndedIterator<Item = Wanted>) {
        let mut waiting = self.waiting.borrow_mut();
        let queue = waiting.entry(to).or_default();
        for wanted in back.rev() {
            if let Some(line) = self.live.borrow_mut().get_mut(&wanted.key) {
                *line = None;
                queue.push_front(wanted);
            }
        }
        if queue.is_empty() {
            waiting.remove(&to);
        }
    }

    /// The server does not answer all that goes out together: each goes out alone for a while.
    pub(super) fn set_shy(&self, to: SocketAddr) {
        self.set_shy_for(to, SHY_FOR);
    }

    fn set_shy_for(&self, to: SocketAddr, span: Duration) {
        let (mut shy, now) = (self.shy.borrow_mut(), Instant::now());
        if shy.len() >= SHY_PEERS_MAX {
            shy.retain(|_, until| now < *until);
        }
        if shy.len() < SHY_PEERS_MAX {
            let until = shy.entry(to).or_insert(now);
            *until = (*until).max(now + span);
        }
    }

    /// No connection comes about: everything that waits for one fails with it.
    pub(super) fn no_connection(&self, to: SocketAddr, error: &TransferError) {
        let waiting = self.waiting.borrow_mut().remove(&to).unwrap_or_default();
        waiting.into_iter().for_each(|wanted| self.tell(wanted.key, Err(error.clone())));
    }

    /// A line to this server counts as a quick one no more: it has ended, or brings a long answer.
    pub(super) fn one_less(&self, to: SocketAddr) {
        let mut quick = self.quick.borrow_mut();
        if let Some(lines) = quick.get_mut(&to) {
            *lines -= 1;
            if *lines == 0 {
                quick.remove(&to);
            }
        }
        self.room.notify_one();
    }

    /// The end of a request, if it is still wanted.
    pub(super) fn tell(&self, key: Key, result: Result<Answer, TransferError>) {
        if self.live.borrow_mut().remove(&key).is_some() {
            (self.report)(key.0, key.1, result);
        }
    }

    /// The end of a request whose question is known.
    pub(super) fn tell_of(&self, wanted: &Wanted, to: SocketAddr, result: Result<Answer, TransferError>) {
        let Wanted { key, ask, .. } = wanted;
        tracing::debug!(zone = %ask.apex, kind = kind(ask), %to, result = outcome(&result), "request ended");
        self.tell(*key, result);
    }

    /// Whether nobody listened there a moment ago.
    pub(super) fn refusal(&self, to: SocketAddr) -> Option<TransferError> {
        self.shared.refused.at(Instant::now(), to, Transport::Tcp)
    }
}

impl Wanted {
    /// Nothing goes out with it any more.
    pub(super) fn alone(self) -> Wanted {
        Wanted { alone: true, ..self }
    }

    /// The same without an EDNS record.
    pub(super) fn without_edns(self) -> Wanted {
        Wanted { ask: Ask { want_expire: false, ..self.ask }, ..self }
    }
}
