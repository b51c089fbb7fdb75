//! The engine on real threads: shards, a store thread, a worker pool and a reaper.
//!
//! Every thread has an inbox, sleeps until something arrives or a deadline comes (at most a second,
//! so that a suspended machine is noticed), and ends when [`Engine::stop`] says so. A zone that
//! panics is left as it is served; a panic in the store or in a publish ends the process, which the
//! service manager starts again.

mod keeper;
mod runner;
mod stored;
mod workers;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Instant;

use arc_swap::ArcSwap;

use super::keeper::Write;
use super::publish::{Publisher, has_reached, reap};
use super::setup::{Settings, ZoneSetup};
pub use super::shard::Job;
use super::shard::{Command, Event, Token};
use super::status::ZoneStatus;
use super::watch::Stamp;
use crate::dns::tsig::Keyring;
use crate::dns::{Name, NameRef, Serial};
use crate::env::Clock;
use crate::ident::{Attempt, PeerId, ZoneId};
use crate::policy::cookies::Cookies;
use crate::policy::rates::RateLimits;
use crate::policy::{Peers, RuleBook};
use crate::reason::Reason;
use crate::serve::{ServerFacts, World};
use crate::store::{Recovered, Store, StoreReader};
use crate::zone::ZoneSet;
use stored::Stored;
use workers::Work;

/// The network, as far as the engine needs it.
pub trait Outside: Send + Sync {
    /// Carries a request out and reports back once with `Event::Answered`.
    fn ask(&self, job: Job);
    /// Looks the addresses of these name servers of a zone up in the zones that are served here, and
    /// reports back with `Event::Servers`.
    fn find_servers(&self, zone: ZoneId, names: Vec<Name>);
    /// The result of a request is not wanted any more.
    fn cancel(&self, zone: ZoneId, attempt: Attempt);
    /// Watch these files for this zone: its file and all that it includes.
    fn watch(&self, zone: ZoneId, files: Vec<PathBuf>);
}

/// Takes what the log should say of a zone, and of which peer of it.
pub type Log = Arc<dyn Fn(ZoneId, Reason, Option<PeerId>, &str) + Send + Sync>;

/// What [`Engine::start`] needs.
pub struct EngineConfig {
    /// How many shards.
    pub shards: usize,
    /// How many workers read files.
    pub workers: usize,
    /// What holds for all zones.
    pub settings: Settings,
    /// The zones.
    pub zones: Vec<ZoneSetup>,
    /// Who may what.
    pub book: Book,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// The store, opened.
    pub store: Store,
    /// What it had.
    pub recovered: Recovered,
    /// Where log lines go.
    pub log: Log,
}

/// Everything in the world but the zones.
#[derive(Clone)]
pub struct Book {
    /// By zone.
    pub rules: Arc<RuleBook>,
    /// The configured peers.
    pub peers: Arc<Peers>,
    /// The keys.
    pub keys: Arc<Keyring>,
    /// Names, sizes and switches of the server.
    pub facts: Arc<ServerFacts>,
    /// What makes and checks cookies.
    pub cookies: Arc<Cookies>,
    /// How often somebody is answered.
    pub rates: Arc<RateLimits>,
}

impl Book {
    fn world(&self, zones: ZoneSet) -> World {
        World {
            zones,
            rules: self.rules.clone(),
            peers: self.peers.clone(),
            keys: self.keys.clone(),
            facts: self.facts.clone(),
            cookies: self.cookies.clone(),
            rates: self.rates.clone(),
        }
    }
}

/// A handle on the running engine; clones are the same engine.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    shards: Vec<Sender<Message>>,
    publisher: Publisher,
    store: Mutex<Option<Sender<Write>>>,
    workers: Mutex<Option<Sender<Work>>>,
    reader: StoreReader,
    clock: Arc<dyn Clock>,
    settings: Settings,
    outside: RwLock<Option<Arc<dyn Outside>>>,
    zones: RwLock<HashMap<Name, Arc<ZoneSetup>>>,
    stored: Stored,
    /// How the files of a zone stood when the watcher found them worth reading; until they are read.
    settled: Mutex<HashMap<ZoneId, Vec<Stamp>>>,
    replies: Mutex<HashMap<Token, SyncSender<Result<String, String>>>>,
    next_token: AtomicU64,
    threads: Mutex<Vec<JoinHandle<()>>>,
    log: Log,
}

enum Message {
    Event(Box<Event>),
    Events(Vec<Event>),
    /// To be answered when everything before it is carried out.
    Settle(Sender<()>),
    Stop,
}

impl Engine {
    /// Starts the threads and the zones. Requests to the network wait until [`Engine::connect`].
    pub fn start(config: EngineConfig) -> Engine {
        let (retired, reaper) = channel();
        let (shard_ends, shards): (Vec<_>, Vec<_>) = (0..config.shards.max(1)).map(|_| channel()).unzip();
        let (store, writes) = channel();
        let (workers, work) = channel();
        let world = config.book.world(ZoneSet::new(config.settings.digest_key));
        let engine = Engine(Arc::new(Inner {
            shards: shard_ends,
            publisher: Publisher::new(world, retired),
            store: Mutex::new(Some(store)),
            workers: Mutex::new(Some(workers)),
            reader: config.store.reader(),
            clock: config.clock,
            settings: config.settings,
            outside: RwLock::default(),
            zones: RwLock::default(),
            stored: Stored::default(),
            settled: Mutex::default(),
            replies: Mutex::default(),
            next_token: AtomicU64::new(1),
            threads: Mutex::default(),
            log: config.log,
        }));
        engine.spawn("reaper", move |_| reap(reaper));
        let kept = config.store;
        engine.spawn("store", move |engine| keeper::run(kept, &writes, &engine));
        workers::spawn(&engine, work, config.workers.max(1));
        for (number, inbox) in shards.into_iter().enumerate() {
            engine.spawn(&format!("shard-{number}"), move |engine| runner::run(&inbox, &engine));
        }
        let mut recovered: HashMap<Name, _> =
            config.recovered.zones.into_iter().map(|zone| (zone.apex.clone(), zone)).collect();
        for setup in in_order_of_store(config.zones) {
            let had = recovered.remove(&setup.apex).map(Box::new);
            engine.configure(setup, had);
        }
        engine.0.stored.keep(recovered.into_values());
        engine
    }

    /// Connects the network; what was asked for before goes out now.
    pub fn connect(&self, outside: Arc<dyn Outside>) {
        *self.0.outside.write().expect("the network's slot is only assigned") = Some(outside);
        for shard in &self.0.shards {
            let _ = shard.send(Message::Event(Box::new(Event::Tick)));
        }
    }

    /// Waits until the shards have carried out what they were told before: after a start, until
    /// everything that was stored is shown.
    pub fn settle(&self) {
        let (done, all) = channel();
        for shard in &self.0.shards {
            let _ = shard.send(Message::Settle(done.clone()));
        }
        drop(done);
        // Ends when the last shard has answered, or has stopped.
        all.iter().for_each(drop);
    }

    /// What the workers see.
    pub fn world(&self) -> &ArcSwap<World> {
        self.0.publisher.world()
    }

    /// Tells the shard of the event's zone.
    pub fn send(&self, event: Event) {
        let Some(zone) = event.zone() else { return };
        // A shard's inbox closes only when the engine has stopped.
        let _ = self.shard(zone).send(Message::Event(Box::new(event)));
    }

    /// Tells several things at once, which costs each shard one message.
    pub fn send_all(&self, events: impl IntoIterator<Item = Event>) {
        let mut by_shard: Vec<Vec<Event>> = self.0.shards.iter().map(|_| Vec::new()).collect();
        for event in events {
            let Some(zone) = event.zone() else { continue };
            by_shard[zone.0 as usize % self.0.shards.len()].push(event);
        }
        for (shard, events) in self.0.shards.iter().zip(by_shard).filter(|(_, events)| !events.is_empty()) {
            // A shard's inbox closes only when the engine has stopped.
            let _ = shard.send(Message::Events(events));
        }
    }

    /// Gives a command; the reply comes when it is done.
    pub fn command(&self, zone: ZoneId, command: Command) -> Receiver<Result<String, String>> {
        let (token, receiver) = self.expect_reply();
        self.send(Event::Command(zone, command, token));
        receiver
    }

    fn expect_reply(&self) -> (Token, Receiver<Result<String, String>>) {
        let token = Token(self.0.next_token.fetch_add(1, Ordering::Relaxed));
        let (reply, receiver) = sync_channel(1);
        self.0.replies.lock().expect("no thread panics with the replies").insert(token, reply);
        (token, receiver)
    }

    /// The status of every zone, by name.
    pub fn statuses(&self) -> Vec<Arc<ZoneStatus>> {
        self.0.publisher.statuses()
    }

    /// The status of one zone.
    pub fn status(&self, zone: ZoneId) -> Option<Arc<ZoneStatus>> {
        self.0.publisher.status(zone)
    }

    /// The handle of a configured zone.
    pub fn zone_id(&self, apex: NameRef<'_>) -> Option<ZoneId> {
        self.zones_read().get(&apex.to_name()).map(|setup| setup.id)
    }

    /// The setups of all configured zones.
    pub fn setups(&self) -> Vec<Arc<ZoneSetup>> {
        self.zones_read().values().cloned().collect()
    }

    /// The setup of a configured zone.
    pub fn zone_setup(&self, zone: ZoneId) -> Option<Arc<ZoneSetup>> {
        self.zones_read().values().find(|setup| setup.id == zone).cloned()
    }

    /// Waits until this server has published a serial that is `serial` or newer.
    pub fn wait(&self, zone: ZoneId, serial: Serial, until: Instant) -> bool {
        self.0.publisher.wait(zone, until, |status| has_reached(status, serial))
    }

    /// The files of a zone came to rest as these: they are to be read (R08).
    pub fn file_settled(&self, zone: ZoneId, stamps: Vec<Stamp>) {
        self.0.settled.lock().expect("the stamps are only replaced").insert(zone, stamps);
        self.send(Event::FileChanged(zone));
    }

    /// Waits until the zone's status satisfies `holds`.
    pub fn wait_until(&self, zone: ZoneId, until: Instant, holds: impl FnMut(&ZoneStatus) -> bool) -> bool {
        self.0.publisher.wait(zone, until, holds)
    }

    /// Takes a new configuration: zones that are not named any more go, new ones begin, changed ones
    /// change; the others do not notice.
    pub fn reload(&self, zones: Vec<ZoneSetup>, book: &Book) {
        self.0.publisher.swap(|world| book.world(world.zones.clone()));
        let before = self.setups();
        let named: HashSet<&Name> = zones.iter().map(|setup| &setup.apex).collect();
        for old in before {
            if !named.contains(&old.apex) {
                self.forget(&old, None);
            }
        }
        for setup in in_order_of_store(zones) {
            if self.zones_read().get(&setup.apex).is_none_or(|before| **before != setup) {
                let had = self.take_stored(&setup.apex).map(Box::new);
                self.configure(setup, had);
            }
        }
    }

    /// Has other secrets make cookies.
    pub fn show_cookies(&self, cookies: Arc<Cookies>) {
        self.0.publisher.swap(|world| World { cookies, ..world.clone() });
    }

    /// Takes a zone away, with its stored state; the reply comes when that is gone.
    pub fn remove(&self, setup: &ZoneSetup) -> Receiver<Result<String, String>> {
        let (token, receiver) = self.expect_reply();
        self.forget(setup, Some(token));
        receiver
    }

    fn forget(&self, setup: &ZoneSetup, token: Option<Token>) {
        self.0.zones.write().expect("no thread panics with the zones").remove(&setup.apex);
        self.send(Event::Remove(setup.id, token));
    }

    /// History for transfers out, usable from any thread.
    pub fn reader(&self) -> StoreReader {
        self.0.reader.clone()
    }

    /// Both clocks.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// Ends the threads in order: shards, workers, store. What was published stays readable.
    pub fn stop(&self) {
        for shard in &self.0.shards {
            let _ = shard.send(Message::Stop);
        }
        // The last writes of the shards are queued before the store's inbox closes.
        self.join("shard");
        *self.0.outside.write().expect("the network's slot is only assigned") = None;
        self.0.workers.lock().expect("no thread panics with its inbox").take();
        self.join("worker");
        self.0.store.lock().expect("no thread panics with its inbox").take();
        self.join("store");
    }

    /// Waits for the threads whose name begins so.
    fn join(&self, name: &str) {
        let mut threads = self.0.threads.lock().expect("threads are only taken once");
        let is_one =
            |thread: &mut JoinHandle<()>| thread.thread().name().is_some_and(|its| its.starts_with(name));
        let ended: Vec<_> = threads.extract_if(.., is_one).collect();
        drop(threads);
        for thread in ended {
            // A thread that panicked has said so on its own.
            let _ = thread.join();
        }
    }

    fn configure(&self, setup: ZoneSetup, recovered: Option<Box<crate::store::RecoveredZone>>) {
        let mut zones = self.0.zones.write().expect("no thread panics with the zones");
        let setup = Arc::new(setup);
        zones.insert(setup.apex.clone(), setup.clone());
        drop(zones);
        self.send(Event::Configure(setup, recovered));
    }

    /// Has every zone written whole: the store began anew.
    fn rewrite_all(&self) {
        self.send_all(self.setups().iter().map(|setup| Event::Rewrite(setup.id)));
    }

    fn zones_read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<Name, Arc<ZoneSetup>>> {
        self.0.zones.read().expect("no thread panics with the zones")
    }

    fn shard(&self, zone: ZoneId) -> &Sender<Message> {
        &self.0.shards[zone.0 as usize % self.0.shards.len()]
    }

    fn spawn(&self, name: &str, body: impl FnOnce(Engine) + Send + 'static) {
        let engine = self.clone();
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || body(engine));
        let thread = thread.expect("the system gives a thread at start");
        self.0.threads.lock().expect("threads are only taken once").push(thread);
    }
}

/// Zones that begin together are written in one batch: as neighbours in the database they share pages, and
/// far fewer are copied for each commit.
fn in_order_of_store(mut zones: Vec<ZoneSetup>) -> Vec<ZoneSetup> {
    zones.sort_by_cached_key(|setup| setup.apex.as_ref().wire().to_ascii_lowercase());
    zones
}
