//! Wires everything together: start, reload and stop as named phases.
//!
//! Start: sockets (so that a port in use stops us before anything else happens), store, engine,
//! network, control. Stop goes the other way: listeners, transfers, engine, store. The state
//! directory is held from the second phase to the last.

mod desk;
mod front;
mod housekeeping;
#[cfg(feature = "tls")]
mod identity;
mod kept;
mod names;
mod reports;
mod secrets;
mod traffic;
mod wiring;

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::config::{Config, ConfigError};
use crate::control::{Control, Operations};
use crate::dns::Name;
use crate::engine::shard::Event;
use crate::engine::status::ZoneStatus;
use crate::engine::watch::os::{Notice, Watcher};
use crate::engine::{Engine, EngineConfig, Settings};
use crate::env::{Clock, OsClock, OsDisk, OsRandom, Random};
use crate::ident::{Transport, ZoneId};
use crate::net::listen::ListenError;
use crate::net::upstream::Upstream;
use crate::store::{Options, Store, StoreError};
use desk::Outward;
use front::{Doors, Front, stream_limits};
use housekeeping::Housekeeping;
use kept::Kept;
use names::Handles;
use reports::Reports;
use traffic::Traffic;

/// Threads that hold zones.
const SHARDS_MAX: usize = 4;
/// How often [`Service::wait_until_loaded`] looks.
const LOADED_AGAIN: Duration = Duration::from_millis(5);

/// A running server.
pub struct Service {
    engine: Engine,
    running: Arc<Mutex<Running>>,
    addresses: Vec<(SocketAddr, Transport)>,
    front: Front,
    upstream: Upstream,
    control: Control,
    housekeeping: Housekeeping,
}

/// The configuration that is in force, and the handles given out for its names.
struct Running {
    /// Its zones are with the engine.
    config: Config,
    handles: Handles,
    kept: Kept,
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
    /// There is nothing to show to clients of TLS.
    Identity(String),
    /// A thread, the watcher or the control socket.
    System(&'static str, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Config(error) => error.fmt(f),
            StartError::Listen(error) => error.fmt(f),
            StartError::Store(path, error) => write!(f, "state directory {}: {error}", path.display()),
            StartError::Identity(text) => f.write_str(text),
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
        let doors = Doors::open(&config.server, cores).map_err(StartError::Listen)?;
        let addresses = doors.addresses();
        let clock: Arc<dyn Clock> = Arc::new(OsClock);
        let mut handles = Handles::default();
        let (engine, mut kept) = start_engine(&config, &mut handles, &clock, cores)?;
        let identity = kept.identity(&config).map_err(StartError::Identity)?;
        let upstream = connect(&engine, &handles, &doors.plain(), clock)?;

        let (socket, limits) = (config.control.socket.clone(), stream_limits(&config));
        let names = handles.names();
        let config = config.without_named_zones();
        let running = Arc::new(Mutex::new(Running { config, handles, kept, engine: engine.clone() }));
        let traffic = Arc::new(OnceLock::new());
        let reports = Arc::new(Reports::default());
        let operations =
            Operator { running: running.clone(), names, traffic: traffic.clone(), reports: reports.clone() };
        let control = Control::start(&socket, engine.clone(), Arc::new(operations))
            .map_err(|error| StartError::System("cannot listen on the control socket", error))?;
        // A zone that was served before is never refused, not even for the moment until it is shown.
        engine.settle();
        let front = Front::open(&engine, reports, doors, identity, limits)
            .map_err(|error| StartError::System("cannot start the threads that answer", error))?;
        traffic.get_or_init(|| Traffic::of(&front));
        let housekeeping = Housekeeping::start(running.clone())
            .map_err(|error| StartError::System("cannot start a thread", error))?;
        Ok(Service { engine, running, addresses, front, upstream, control, housekeeping })
    }

    /// The addresses that answer, with the ports that the system chose and what is spoken there; UDP stands
    /// for TCP as well.
    pub fn addresses(&self) -> &[(SocketAddr, Transport)] {
        &self.addresses
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The zones of the config, for [`Service::wait_until_loaded`].
    pub fn zones(&self) -> Vec<ZoneId> {
        self.engine.setups().iter().map(|setup| setup.id).collect()
    }

    /// Waits until every zone of a list answers or has said why it cannot yet; `false` if that takes
    /// longer than `patience`. Those that are done are taken off the list, so that asking again asks only
    /// for the rest.
    pub fn wait_until_loaded(&self, zones: &mut Vec<ZoneId>, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let settled = |status: &ZoneStatus| status.state != "loading" || status.problem.is_some();
        loop {
            while zones
                .pop_if(|zone| self.engine.status(*zone).is_some_and(|status| settled(&status)))
                .is_some()
            {}
            if zones.is_empty() || Instant::now() >= until {
                return zones.is_empty();
            }
            // Being woken for each of very many zones would take longer than loading them.
            std::thread::sleep(LOADED_AGAIN);
        }
    }

    /// Reads the config again and every zone file that changed (SIGHUP).
    pub fn reload(&self) -> Result<String, String> {
        reload(&self.running, false)
    }

    /// Stops in order: listeners, transfers, engine, store.
    pub fn stop(self) {
        self.control.stop();
        self.housekeeping.stop();
        self.front.stop();
        self.upstream.stop();
        self.engine.stop();
    }
}

/// Opens the store and starts the zones from what it had.
fn start_engine(
    config: &Config,
    handles: &mut Handles,
    clock: &Arc<dyn Clock>,
    cores: usize,
) -> Result<(Engine, Kept), StartError> {
    let state_dir = &config.server.state_dir;
    let history_octets_max = config.server.history_octets_max;
    let options = Options { history_octets_max, ..Options::new(&mut OsRandom) };
    let (store, recovered) = Store::open(Arc::new(OsDisk), state_dir, options)
        .map_err(|error| StartError::Store(state_dir.clone(), error))?;
    for (reason, text) in &recovered.notes {
        tracing::warn!(code = reason.code(), "{text}");
    }
    let kept = Kept::open(state_dir, clock.now().wall);
    let book = wiring::book(config, handles, &kept);
    let zones = wiring::zones(config, handles);
    let settings = Settings {
        clamps: config.timers,
        durability: config.server.durability,
        digest_key: recovered.digest_key,
        seed: OsRandom.next_u64(),
    };
    let engine = Engine::start(EngineConfig {
        shards: cores.min(SHARDS_MAX),
        workers: cores,
        settings,
        zones,
        book,
        clock: clock.clone(),
        store,
        recovered,
        log: desk::log(handles.names()),
    });
    for stored in engine.stored() {
        tracing::warn!(
            zone = stored.zone,
            "stored, not configured: it is not served and its state is kept; `zone remove` deletes it"
        );
    }
    Ok((engine, kept))
}

/// Gives the engine a network and a watcher.
fn connect(
    engine: &Engine,
    handles: &Handles,
    listen: &[SocketAddr],
    clock: Arc<dyn Clock>,
) -> Result<Upstream, StartError> {
    let told = engine.clone();
    let report = move |zone, attempt, result| told.send(Event::Answered(zone, attempt, result));
    let upstream = Upstream::start(Arc::new(report), clock)
        .map_err(|error| StartError::System("cannot start the thread that asks other servers", error))?;
    let told = engine.clone();
    let watcher = Watcher::start(move |notice| match notice {
        Notice::Changed(zone, stamps) => told.file_settled(zone, stamps),
        Notice::Vanished(zone) => told.send(Event::FileVanished(zone)),
    })
    .map_err(|error| StartError::System("cannot watch zone files", io::Error::other(error)))?;
    let outward = Outward::new(engine.clone(), upstream.clone(), watcher, handles.names(), listen.to_vec());
    engine.connect(Arc::new(outward));
    Ok(upstream)
}

/// A reload that removes more zones than this, and a greater share than this, is held (R09).
const REMOVED_MAX: usize = 10;
const REMOVED_PERCENT_MAX: usize = 10;

fn reload(running: &Mutex<Running>, force: bool) -> Result<String, String> {
    let mut running = running.lock().expect("no reload panics");
    let Running { config, handles, kept, engine } = &mut *running;
    let next = config.reload().map_err(|error| format!("the config is not taken:\n{error}"))?;
    wiring::same_process(config, &next)?;
    kept.roll(engine.clock().now().wall, Duration::ZERO);
    kept.look(&next);
    let book = wiring::book(&next, handles, kept);
    let zones = wiring::zones(&next, handles);
    let ids: Vec<_> = zones.iter().map(|zone| zone.id).collect();
    let named: HashSet<&Name> = zones.iter().map(|zone| &zone.apex).collect();
    let setups = engine.setups();
    let (before, removed) =
        (setups.len(), setups.iter().filter(|setup| !named.contains(&setup.apex)).count());
    if removed > REMOVED_MAX && removed * 100 > before * REMOVED_PERCENT_MAX && !force {
        return Err(format!(
            "{removed} of {before} zones would go: nothing was reloaded; `bellwether reload --force` does it"
        ));
    }
    engine.reload(zones, &book);
    for id in &ids {
        engine.send(Event::FileChanged(*id));
    }
    *config = next.without_named_zones();
    Ok(format!("config read: {} zones, {removed} removed", ids.len()))
}

/// The operator's commands that are not about one zone.
struct Operator {
    running: Arc<Mutex<Running>>,
    names: names::Names,
    /// Set when the sockets answer.
    traffic: Arc<OnceLock<Traffic>>,
    reports: Arc<Reports>,
}

impl Operations for Operator {
    fn traffic(&self) -> serde_json::Value {
        self.traffic.get().unwrap_or(&Traffic::default()).to_json()
    }

    fn reports(&self) -> serde_json::Value {
        self.reports.to_json()
    }

    fn reload(&self, force: bool) -> Result<String, String> {
        reload(&self.running, force)
    }

    fn peer_name(&self, peer: u32) -> String {
        self.names.peer(crate::ident::PeerId(peer))
    }
}
