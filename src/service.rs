//! Wires everything together: start, reload and stop as named phases.
//!
//! Start: sockets (so that a port in use stops us before anything else happens), store, engine,
//! network, control. Stop goes the other way: listeners, transfers, engine, store. The state
//! directory is held from the second phase to the last.

mod desk;
mod wiring;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::config::{Config, ConfigError};
use crate::control::{Control, Operations};
use crate::engine::shard::Event;
use crate::engine::watch::os::{Notice, Watcher};
use crate::engine::{Engine, EngineConfig, Settings};
use crate::env::{Clock, OsClock, OsDisk, OsRandom, Random};
use crate::net::listen::{self, ListenError};
use crate::net::sys::Wake;
use crate::net::tcp::{StreamLimits, Streams};
use crate::net::udp::Worker;
use crate::net::upstream::Upstream;
use crate::store::{Options, Store, StoreError};
use desk::{Front, Outward};
use wiring::Handles;

/// A running server.
pub struct Service {
    engine: Engine,
    config: Arc<Mutex<Running>>,
    addresses: Vec<SocketAddr>,
    workers: Vec<Worker>,
    wake: Vec<Wake>,
    streams: Streams,
    upstream: Upstream,
    control: Control,
}

/// The configuration that is in force, and the handles given out for its names.
struct Running {
    config: Config,
    handles: Handles,
    engine: Engine,
}

/// Why a server did not start.
#[derive(Debug)]
pub enum StartError {
    /// The config.
    Config(Box<ConfigError>),
    /// An address cannot be listened on.
    Listen(ListenError),
    /// The state directory cannot be used.
    Store(PathBuf, StoreError),
    /// A thread, the watcher or the control socket.
    System(&'static str, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Config(error) => error.fmt(f),
            StartError::Listen(error) => error.fmt(f),
            StartError::Store(path, error) => write!(f, "state directory {}: {error}", path.display()),
            StartError::System(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl Service {
    /// Starts a server; when this returns it answers, from what was stored, while files are read and
    /// primaries are asked.
    pub fn start(config: Config) -> Result<Service, StartError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shards = cores.min(4);
        let sockets = config
            .server
            .listen
            .iter()
            .map(|address| listen::open(*address, config.server.workers, shards.min(2)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(StartError::Listen)?;
        let addresses = sockets.iter().map(|sockets| sockets.address).collect();

        let clock: Arc<dyn Clock> = Arc::new(OsClock);
        let in_store = |error| StartError::Store(config.server.state_dir.clone(), error);
        let options =
            Options { history_octets_max: config.server.history_octets_max, ..Options::new(&mut OsRandom) };
        let (store, recovered) =
            Store::open(Arc::new(OsDisk), &config.server.state_dir, options).map_err(in_store)?;
        for (reason, text) in &recovered.notes {
            tracing::warn!(code = reason.code(), "{text}");
        }

        let mut handles = Handles::default();
        let book = wiring::book(&config, &mut handles);
        let zones = wiring::zones(&config, &mut handles);
        let settings = Settings {
            clamps: config.timers,
            durability: config.server.durability,
            digest_key: recovered.digest_key,
            seed: OsRandom.next_u64(),
        };
        let names = handles.names();
        let engine = Engine::start(EngineConfig {
            shards,
            workers: cores,
            settings,
            zones,
            book,
            clock: clock.clone(),
            store,
            recovered,
            log: desk::log(names.clone()),
        });

        let report = engine.clone();
        let upstream = Upstream::start(
            Arc::new(move |zone, attempt, result| {
                report.send(Event::Answered(zone, attempt, result));
            }),
            clock,
        )
        .map_err(|error| StartError::System("cannot start the thread that asks other servers", error))?;
        let seen = engine.clone();
        let watcher = Watcher::start(move |notice| match notice {
            Notice::Changed(zone) => seen.send(Event::FileChanged(zone)),
            Notice::Vanished(zone) => seen.send(Event::FileVanished(zone)),
        })
        .map_err(|error| StartError::System("cannot watch zone files", io::Error::other(error)))?;
        let outward = Outward::new(engine.clone(), upstream.clone(), watcher, handles.addresses());
        engine.connect(Arc::new(outward));

        let socket = config.control.socket.clone();
        let running =
            Arc::new(Mutex::new(Running { config: config.clone(), handles, engine: engine.clone() }));
        let operations = Arc::new(Operator { running: running.clone(), names });
        let control = Control::start(&socket, engine.clone(), operations)
            .map_err(|error| StartError::System("cannot listen on the control socket", error))?;

        let front: Arc<dyn crate::net::Desk> = Arc::new(Front::new(engine.clone()));
        let mut workers = Vec::new();
        let mut wake = Vec::new();
        let mut listeners: Vec<Vec<_>> = (0..shards.min(2)).map(|_| Vec::new()).collect();
        let system = |what| move |error| StartError::System(what, error);
        for sockets in sockets {
            for socket in sockets.udp {
                let bell = Wake::new().map_err(system("cannot make an eventfd"))?;
                wake.push(bell.clone());
                let worker = Worker::start(socket, front.clone(), bell);
                workers.push(worker.map_err(system("cannot start a UDP worker"))?);
            }
            for (runtime, listener) in listeners.iter_mut().zip(sockets.tcp) {
                runtime.push(listener);
            }
        }
        let limits = StreamLimits {
            idle: config.server.tcp_idle,
            connections: config.server.tcp_connections,
            per_client: config.server.tcp_connections_per_client,
        };
        let streams = Streams::start(listeners, &front, limits).map_err(system("cannot start TCP"))?;

        Ok(Service { engine, config: running, addresses, workers, wake, streams, upstream, control })
    }

    /// The addresses that answer, with the ports that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Waits until every zone has left `loading`, or `patience` is over.
    pub fn wait_until_loaded(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let ids: Vec<_> = {
            let running = self.config.lock().expect("no reload panics");
            running.handles.zone_ids(&running.config)
        };
        ids.into_iter().all(|zone| self.engine.wait_until(zone, until, |status| status.state != "loading"))
    }

    /// Reads the config again and every zone file that changed (SIGHUP).
    pub fn reload(&self) -> Result<String, String> {
        reload(&self.config, false)
    }

    /// Stops in order: listeners, transfers, engine, store.
    pub fn stop(self) {
        self.control.stop();
        for bell in &self.wake {
            bell.ring();
        }
        for worker in self.workers {
            worker.join();
        }
        self.streams.stop();
        self.upstream.stop();
        self.engine.stop();
    }
}

/// A reload that removes more zones than this, and a greater share than this, is held (R09).
const REMOVED_MAX: usize = 10;
const REMOVED_PERCENT_MAX: usize = 10;

fn reload(running: &Mutex<Running>, force: bool) -> Result<String, String> {
    let mut running = running.lock().expect("no reload panics");
    let Running { config, handles, engine } = &mut *running;
    let next = config.reload().map_err(|error| format!("the config is not taken:\n{error}"))?;
    wiring::same_process(config, &next)?;
    let book = wiring::book(&next, handles);
    let zones = wiring::zones(&next, handles);
    let ids: Vec<_> = zones.iter().map(|zone| zone.id).collect();
    let removed =
        config.zones.iter().filter(|old| !next.zones.iter().any(|new| new.name == old.name)).count();
    let before = config.zones.len();
    if removed > REMOVED_MAX && removed * 100 > before * REMOVED_PERCENT_MAX && !force {
        return Err(format!(
            "{removed} of {before} zones would go: nothing was reloaded; `bellwether reload --force` does it"
        ));
    }
    engine.reload(zones, &book);
    for id in &ids {
        engine.send(Event::FileChanged(*id));
    }
    *config = next;
    Ok(format!("config read: {} zones, {removed} removed", ids.len()))
}

/// The operator's commands that are not about one zone.
struct Operator {
    running: Arc<Mutex<Running>>,
    names: wiring::Names,
}

impl Operations for Operator {
    fn reload(&self, force: bool) -> Result<String, String> {
        reload(&self.running, force)
    }

    fn peer_name(&self, peer: u32) -> String {
        self.names.peer(crate::ident::PeerId(peer))
    }
}
