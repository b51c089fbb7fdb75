//! One simulated server: a shard, a store on a disk that fails, a world, and clocks of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bellwether::config::SerialPolicy;
use bellwether::dns::Name;
use bellwether::engine::keeper::{Keeper, Write};
use bellwether::engine::reading;
use bellwether::engine::shard::{Action, Event, FileJob, RollbackJob, Shard};
use bellwether::engine::status::ZoneStatus;
use bellwether::engine::{Settings, ZoneSetup};
use bellwether::env::Disk;
use bellwether::env::sim::{SimDisk, SimRandom};
use bellwether::ident::ZoneId;
use bellwether::serve::{WorkerState, World};
use bellwether::store::Store;
use bellwether::time::{Now, Tick, Wall};
use bellwether::zone::{Slot, Version};

use crate::flock::{DIGEST_KEY, Plan, ZONES, name};
use crate::queue::Moment;

/// What the wall clocks show at the beginning of a simulation: 2026-01-01.
const WALL: u64 = 1_767_225_600_000;

/// A server, running or not.
pub struct Node {
    /// Its disk.
    pub disk: SimDisk,
    /// Zone files, which somebody else's disk keeps.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// Files that somebody is writing into, so that their first part is all there is.
    pub half_written: BTreeSet<PathBuf>,
    /// Files over which the reader stumbles: a bug that one zone's content brings out.
    pub cursed: Option<PathBuf>,
    /// How often it was started: what was on its way to an earlier start is lost.
    pub starts: u64,
    /// The wall clock's error in milliseconds.
    pub wall_error: i64,
    /// How often the wall clock jumped.
    pub jumps: u64,
    /// The write at which the power fails.
    pub power_off_at: Option<u64>,
    /// Until when it is suspended.
    pub asleep_until: Option<Moment>,
    /// What only a running server has.
    pub running: Option<Running>,
    plan: Plan,
    setups: Vec<ZoneSetup>,
    blank: World,
    settings: Settings,
}

/// What is gone after a crash.
pub struct Running {
    /// All zones.
    pub shard: Shard,
    /// The store.
    pub keeper: Keeper,
    /// What waits to be written.
    pub writes: Vec<Write>,
    /// What a message meets.
    pub world: World,
    /// The worker that handles all messages.
    pub worker: WorkerState,
    /// What it says of each zone.
    pub statuses: BTreeMap<ZoneId, Arc<ZoneStatus>>,
    /// For which ticks the shard is to be woken.
    pub armed: BTreeSet<Tick>,
    /// The moment at which the boot clock showed 0.
    booted: Moment,
}

/// What a start found on the disk.
pub struct Start {
    /// Configures the zones.
    pub events: Vec<Event>,
    /// What each zone was when it was stored.
    pub recovered: Vec<(ZoneId, Option<Arc<Version>>)>,
}

impl Node {
    /// A server that was never started.
    pub fn new(plan: &Plan, server: usize, seed: u64) -> Node {
        Node {
            disk: SimDisk::new(),
            files: BTreeMap::new(),
            half_written: BTreeSet::new(),
            cursed: None,
            starts: 0,
            wall_error: 0,
            jumps: 0,
            power_off_at: None,
            asleep_until: None,
            running: None,
            plan: plan.clone(),
            setups: plan.setups(server),
            blank: plan.world(server),
            settings: plan.settings(seed),
        }
    }

    /// Starts it. Fails if the store cannot be opened, as on a disk that refuses.
    pub fn start(&mut self, now: Moment, uptime: u64) -> Result<Start, String> {
        let options = self.plan.options(&mut SimRandom::new(self.settings.seed));
        let disk = Arc::new(self.disk.clone());
        let opened = Store::open(disk, Path::new("/state"), options);
        let (store, recovered) = opened.map_err(|error| error.to_string())?;
        self.starts += 1;
        self.running = Some(Running {
            shard: Shard::new(Settings { seed: self.settings.seed ^ self.starts, ..self.settings }),
            keeper: Keeper::new(store),
            writes: Vec::new(),
            world: self.blank.clone(),
            worker: WorkerState::default(),
            statuses: BTreeMap::new(),
            armed: BTreeSet::new(),
            booted: Moment(now.0 - uptime),
        });
        let mut had: BTreeMap<Name, _> =
            recovered.zones.into_iter().map(|zone| (zone.apex.clone(), zone)).collect();
        let mut start = Start { events: Vec::new(), recovered: Vec::new() };
        for setup in &self.setups {
            let zone = had.remove(&setup.apex);
            start.recovered.push((setup.id, zone.as_ref().and_then(|zone| zone.version.clone())));
            start.events.push(Event::Configure(Arc::new(setup.clone()), zone.map(Box::new)));
        }
        Ok(start)
    }

    /// Power is gone.
    pub fn crash(&mut self, seed: u64) {
        self.running = None;
        self.power_off_at = None;
        self.asleep_until = None;
        self.disk.crash(seed);
    }

    /// Whether the power failed during a write.
    pub fn lost_power(&self) -> bool {
        self.power_off_at.is_some_and(|at| self.disk.writes() > at)
    }

    /// Spoils the body files of a zone while the server is down; false if it has none.
    pub fn damage(&self, zone: usize, random: &mut SimRandom) -> bool {
        let dir = Path::new("/state/bodies");
        let apex = name(ZONES[zone]);
        let stem = blake3::hash(apex.as_ref().wire()).to_hex()[..32].to_owned();
        let names = self.disk.list(dir).unwrap_or_default();
        let ours = names.iter().filter(|name| name.to_string_lossy().starts_with(&stem));
        let mut damaged = false;
        for path in ours.map(|name| dir.join(name)) {
            let Some(mut octets) = self.disk.content(&path).filter(|octets| !octets.is_empty()) else {
                continue;
            };
            let at = bellwether::env::Random::below(random, octets.len() as u64) as usize;
            octets[at] ^= 0x10;
            self.disk.put(&path, &octets);
            damaged = true;
        }
        damaged
    }

    /// Both clocks; the boot clock of a server that is down does not matter.
    pub fn now(&self, moment: Moment) -> Now {
        let booted = self.running.as_ref().map_or(moment, |running| running.booted);
        let wall = (moment.0 + WALL).saturating_add_signed(self.wall_error);
        Now { tick: Tick(moment.0 - booted.0), wall: Wall(wall) }
    }

    /// The moment of a tick.
    pub fn moment(&self, tick: Tick) -> Moment {
        let booted = self.running.as_ref().map_or(Moment(0), |running| running.booted);
        Moment(booted.0.saturating_add(tick.0))
    }

    /// Tells the shard, and shows what it publishes: first of all, in one swap.
    pub fn handle(&mut self, moment: Moment, event: Event) -> Vec<Action> {
        let now = self.now(moment);
        let Some(running) = &mut self.running else { return Vec::new() };
        let mut actions = Vec::new();
        running.shard.handle(now, event, &mut actions);
        let slots: Vec<(Name, Option<Arc<Slot>>)> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Publish(apex, slot) => Some((apex.clone(), slot.clone())),
                _ => None,
            })
            .collect();
        running.world.zones = running.world.zones.with(&slots);
        for action in &actions {
            if let Action::Status(zone, status) = action {
                running.statuses.insert(*zone, status.clone());
            }
        }
        actions
    }

    /// What it says of a zone.
    pub fn status(&self, zone: usize) -> Option<&Arc<ZoneStatus>> {
        self.running.as_ref()?.statuses.get(&ZoneId(zone as u32))
    }

    /// Whether what a zone wrote last is in memory only (R03).
    pub fn is_volatile(&self, zone: usize) -> bool {
        let apex = name(ZONES[zone]);
        self.running.as_ref().is_some_and(|running| running.keeper.is_volatile(&apex))
    }

    /// Reads a zone file as a worker of the pool would.
    pub fn read_file(&self, moment: Moment, job: &FileJob) -> Event {
        let mut sources = |path: &Path| match self.files.get(path) {
            Some(_) if self.cursed.as_deref() == Some(path) => panic!("a simulated bug in reading a zone"),
            Some(text) => Ok(Box::new(io::Cursor::new(text.clone())) as Box<dyn Read>),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        let wall = self.now(moment).wall;
        let result = reading::guarded(|| reading::read_file(job, &mut sources, DIGEST_KEY, wall));
        let result = reading::if_whole(job, !self.half_written.contains(&job.file), result);
        Event::Read(job.zone, job.attempt, result)
    }

    /// Rebuilds an earlier version as a worker of the pool would.
    pub fn roll_back(&self, job: &RollbackJob) -> Option<Event> {
        let reader = self.running.as_ref()?.keeper.reader();
        let result = reading::guarded(|| {
            reading::roll_back(job, SerialPolicy::Increment, |version, from| {
                reader.history(version, from).map_err(|error| error.to_string())
            })
        });
        Some(Event::Read(job.zone, job.attempt, result))
    }
}
