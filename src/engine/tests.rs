//! Shards without threads: events in, files from a table, writes into a real store on a simulated
//! disk. What a shard asks of the network stays in the list for the test to answer.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::reading;
use super::setup::{Role, Settings, ZoneSetup};
use super::shard::{Action, Command, Event, Job, Shard, Ticket, Token};
use super::status::ZoneStatus;
use crate::config::{ColdStart, Durability, Guard, GuardAction, SerialPolicy};
use crate::dns::{Name, Serial};
use crate::env::sim::{SimDisk, SimRandom};
use crate::ident::{PeerId, ZoneId};
use crate::reason::Reason;
use crate::replica::follow::LowerSerial;
use crate::replica::timers::Clamps;
use crate::store::{BodyWrite, Options, RecoveredZone, Store, ZoneWrite};
use crate::time::{Now, Tick, Wall};
use crate::transfer::incoming::{Answer, AskKind, Form, TransferError, TransferLimits};
use crate::zone::text::load;
use crate::zone::{Change, Demands, DigestKey, SlotState, Version, diff};

mod disk;
mod loss;
mod rollback;
mod servers;
mod survival;
mod told;
mod watched;
mod zonemd;

const ZONE: ZoneId = ZoneId(0);
const NS1: PeerId = PeerId(1);
const NS2: PeerId = PeerId(2);
const FILE: &str = "/zones/example.zone";

/// One server with one zone.
struct Bench {
    disk: SimDisk,
    store: Store,
    shard: Shard,
    settings: Settings,
    setup: ZoneSetup,
    now: Now,
    file: String,
    /// Writes wait here instead of being committed at once.
    slow_store: bool,
    writes: Vec<(Ticket, ZoneWrite)>,
    /// Each publication: the serial, or what was shown in its place.
    shown: Vec<Result<u32, &'static str>>,
    asked: Vec<Job>,
    /// Name servers that were to be found, and what is found.
    sought: Vec<Vec<Name>>,
    servers: Vec<PeerId>,
    status: Option<Arc<ZoneStatus>>,
    todo: VecDeque<Action>,
    busy: bool,
    done: Vec<Result<String, String>>,
    notes: Vec<Reason>,
    watched: Vec<Vec<PathBuf>>,
}

fn options() -> Options {
    Options { cache_octets: 4 << 20, ..Options::new(&mut SimRandom::new(1)) }
}

fn key() -> DigestKey {
    options().digest_key_if_new
}

fn zone_text(serial: u32, hosts: u32) -> String {
    let mut text = format!("$TTL 300\n@ SOA ns me {serial} 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n");
    (0..hosts).for_each(|host| text.push_str(&format!("host{host} A 192.0.2.2\n")));
    text
}

fn version(serial: u32, hosts: u32) -> Arc<Version> {
    let text = zone_text(serial, hosts);
    let mut sources = |_: &Path| -> io::Result<Box<dyn Read>> { Ok(Box::new(io::Cursor::new(text.clone()))) };
    let apex: Name = "example.".parse().unwrap();
    Arc::new(load(&mut sources, Path::new(FILE), &apex, key(), &Demands::default()).unwrap().version)
}

fn primary() -> Role {
    let (serial, cold_start) = (SerialPolicy::Increment, ColdStart::ServeLast);
    Role::Primary { file: PathBuf::from(FILE), serial, cold_start }
}

fn secondary() -> Role {
    let limits = TransferLimits::default();
    let (primaries, authenticated) = (vec![NS1], Vec::new());
    Role::Secondary { primaries, authenticated, ixfr: true, lower_serial: LowerSerial::Alert, limits }
}

impl Bench {
    /// A zone that begins with the file at serial 5, or with nothing, when its secondary was asked.
    fn new(role: Role) -> Bench {
        let mut bench = Bench::begin(role);
        let polled = |job: &&Job| job.peer == NS2 && job.ask.kind == AskKind::Soa;
        if let Some(attempt) = bench.asked.iter().find(polled).map(|job| job.attempt) {
            bench.tell(Event::Answered(ZONE, attempt, Err(TransferError::Silent(None))));
        }
        bench.asked.retain(|job| job.ask.kind != AskKind::Soa || job.peer != NS2);
        bench.notes.clear();
        bench
    }

    fn begin(role: Role) -> Bench {
        let disk = SimDisk::new();
        let (store, _) = Store::open(Arc::new(disk.clone()), Path::new("/state"), options()).unwrap();
        let guard = Guard { action: GuardAction::Hold, records: 100, percent: 30 };
        let (apex, notify) = ("example.".parse().unwrap(), vec![NS2]);
        let setup =
            ZoneSetup { id: ZONE, apex, role, notify, notify_ns: false, guard, demands: Demands::default() };
        let mut bench = Bench {
            disk,
            store,
            shard: Shard::new(settings()),
            settings: settings(),
            setup,
            now: Now { tick: Tick(1_000_000), wall: Wall(1_795_392_000_000) },
            file: zone_text(5, 3),
            slow_store: false,
            writes: Vec::new(),
            shown: Vec::new(),
            asked: Vec::new(),
            sought: Vec::new(),
            servers: Vec::new(),
            status: None,
            todo: VecDeque::new(),
            busy: false,
            done: Vec::new(),
            notes: Vec::new(),
            watched: Vec::new(),
        };
        bench.configure(None);
        bench
    }

    fn configure(&mut self, recovered: Option<RecoveredZone>) {
        self.tell(Event::Configure(Arc::new(self.setup.clone()), recovered.map(Box::new)));
    }

    /// A crash and a new start; `change` does to the recovered zone what a damaged disk would.
    fn restart(&mut self, change: impl FnOnce(&mut RecoveredZone)) {
        let disk = self.disk.copy();
        let (store, mut recovered) =
            Store::open(Arc::new(disk.clone()), Path::new("/state"), options()).unwrap();
        (self.disk, self.store, self.shard) = (disk, store, Shard::new(self.settings));
        self.shown.clear();
        self.asked.clear();
        let mut zone = recovered.zones.pop().unwrap();
        change(&mut zone);
        self.configure(Some(zone));
    }

    fn tell(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.shard.handle(self.now, event, &mut actions);
        self.todo.extend(actions);
        // What an action leads to comes after all that was wanted before it.
        if !std::mem::replace(&mut self.busy, true) {
            while let Some(action) = self.todo.pop_front() {
                self.carry_out(action);
            }
            self.busy = false;
        }
    }

    fn carry_out(&mut self, action: Action) {
        let file = self.file.clone();
        match action {
            Action::Journal(_, ticket, write) if self.slow_store => self.writes.push((ticket, write)),
            Action::Journal(_, ticket, write) => self.commit(ticket, write),
            Action::Publish(_, slot) => self.shown.push(match slot.as_ref().map(|slot| &slot.state) {
                Some(SlotState::Serving { version, .. }) => Ok(version.serial().0),
                Some(SlotState::Loading) => Err("loading"),
                Some(SlotState::Expired { .. }) => Err("expired"),
                Some(SlotState::Faulted) => Err("faulted"),
                None => Err("gone"),
            }),
            Action::ReadFile(job) => {
                let mut sources =
                    |_: &Path| -> io::Result<Box<dyn Read>> { Ok(Box::new(io::Cursor::new(file.clone()))) };
                let result = reading::read_file(&job, &mut sources, key(), self.now.wall);
                self.tell(Event::Read(ZONE, job.attempt, result));
            }
            Action::RollBack(job) => {
                let reader = self.store.reader();
                let result = reading::roll_back(&job, SerialPolicy::Increment, |version, from| {
                    reader.history(version, from).map_err(|error| error.to_string())
                });
                self.tell(Event::Read(ZONE, job.attempt, result));
            }
            Action::Verify(job) => self.tell(job.carry_out()),
            Action::Ask(job) => self.asked.push(job),
            Action::Status(_, status) => self.status = Some(status),
            Action::Done(_, result) => self.done.push(result),
            Action::Note(_, reason, ..) => self.notes.push(reason),
            Action::FindServers(_, names) => {
                self.sought.push(names);
                self.tell(Event::Servers(ZONE, self.servers.clone()));
            }
            Action::Watch(_, files) => self.watched.push(files),
            Action::Cancel(..) | Action::Forgotten(_) => {}
        }
    }

    fn commit(&mut self, ticket: Ticket, write: ZoneWrite) {
        let (receipt, why) = match self.store.commit(&[write]) {
            Ok(receipt) => (receipt, None),
            Err(error) => (self.store.volatile_receipt().unwrap(), Some(error.to_string())),
        };
        self.tell(Event::Synced(ZONE, ticket, receipt, why));
    }

    fn edit(&mut self, text: String) {
        self.file = text;
        self.tell(Event::FileChanged(ZONE));
    }

    fn command(&mut self, command: Command) -> Result<String, String> {
        self.tell(Event::Command(ZONE, command, Token(1)));
        self.done.pop().expect("each command is answered")
    }

    fn wait(&mut self, time: Duration) {
        self.now.tick = self.now.tick + time;
        self.now.wall = self.now.wall + time;
        self.tell(Event::Tick);
    }

    /// Answers the newest request to the primary.
    fn answer(&mut self, result: Result<Answer, TransferError>) {
        let at = self.asked.iter().rposition(|job| job.peer == NS1).expect("the primary is asked");
        let job = self.asked.remove(at);
        self.tell(Event::Answered(ZONE, job.attempt, result));
    }

    fn soa(&mut self, serial: u32) {
        self.answer(Ok(Answer::Soa { serial: Serial(serial), expire: None }));
    }

    /// Answers a transfer with a version, as differences if it goes on from `base`.
    fn transfer(&mut self, base: Option<Arc<Version>>, after: Arc<Version>) {
        let deltas = base.iter().filter_map(|base| diff(base, &after)).map(Arc::new).collect();
        let form = if base.is_some() { Form::Ixfr } else { Form::Axfr };
        let asked = self.asked.iter().rfind(|job| job.peer == NS1).expect("the primary is asked");
        let change = Change::new(base.or_else(|| asked.ask.base.clone()), after, deltas);
        self.answer(Ok(Answer::Changed { change, expire: None, form, octets: 0, messages: 1, records: 0 }));
    }

    /// A secondary that took this version.
    fn following(serial: u32, hosts: u32) -> Bench {
        let mut bench = Bench::new(secondary());
        bench.transfer(None, version(serial, hosts));
        bench
    }

    #[track_caller]
    fn serves(&self, serial: u32) {
        assert_eq!(self.shown.last(), Some(&Ok(serial)), "{:?} {:?}", self.shown, self.status);
    }

    fn status(&self) -> &ZoneStatus {
        self.status.as_deref().expect("a zone has a status")
    }
}

fn settings() -> Settings {
    let (clamps, durability) = (Clamps::default(), Durability::Prefer);
    Settings { clamps, durability, digest_key: key(), seed: 1 }
}

#[test]
fn r02_cold_start_with_a_broken_file_serves_the_last_version() {
    let mut bench = Bench::new(primary());
    bench.file = String::from("@ SOA broken\n");
    bench.restart(|_| ());
    bench.serves(5);
    assert!(bench.status().problem.is_some());
    bench.edit(zone_text(5, 4));
    bench.serves(6);
    assert!(bench.status().problem.is_none());
}

#[test]
fn r07_nothing_is_published_before_its_receipt() {
    let mut bench = Bench::new(primary());
    bench.slow_store = true;
    bench.asked.clear();
    bench.edit(zone_text(6, 4));
    // Further edits wait for the receipt; they do not read the file again and again.
    bench.edit(zone_text(7, 5));
    bench.serves(5);
    assert!(bench.asked.is_empty());
    let (ticket, write) = bench.writes.pop().unwrap();
    assert!(bench.writes.is_empty());
    bench.slow_store = false;
    bench.commit(ticket, write);
    assert_eq!(bench.shown[bench.shown.len() - 2..], [Ok(6), Ok(7)]);
}

#[test]
fn r10_r11_e13_what_a_file_says_decides_whether_and_as_what_it_is_published() {
    let mut bench = Bench::new(primary());
    let shown = bench.shown.len();
    bench.edit(format!("; a comment\n{}", zone_text(5, 3)));
    bench.edit(zone_text(4, 3));
    assert_eq!(bench.shown.len(), shown, "the same content makes no version");
    for (text, serial) in [
        (zone_text(8, 3), 8),
        (zone_text(8, 4), 9),
        (zone_text(2, 5), 10),
        (zone_text(11, 600), 11),
        (format!("; a comment\n{}", zone_text(3, 600)), 11),
        (zone_text(14, 600), 14),
        (zone_text(14, 601).replace("host7 A", "host7 60 A"), 15),
        (zone_text(2, 601).replace("host7 A", "HOST7 60 A"), 16),
    ] {
        bench.edit(text);
        bench.serves(serial);
    }
}

#[test]
fn r12_rollback_holds_the_file_until_it_changes_or_is_forced() {
    let mut bench = Bench::new(primary());
    // Forcing while nothing is held leaves nothing behind for later.
    bench.command(Command::Reload { force: true }).unwrap();
    bench.edit(zone_text(6, 4));
    bench.command(Command::Rollback(Serial(5))).unwrap();
    bench.serves(7);
    bench.tell(Event::FileChanged(ZONE));
    bench.restart(|_| ());
    bench.serves(7);
    assert_eq!(bench.status().problem.as_ref().unwrap().code, Reason::FileHeld.code());
    bench.command(Command::Reload { force: true }).unwrap();
    bench.serves(8);
    assert!(bench.command(Command::Rollback(Serial(1))).is_err());
    assert!(bench.status().problem.is_none(), "a command that failed is no fault of the zone");
}

#[test]
fn r12_a_held_back_file_is_not_a_bad_file_at_a_cold_start() {
    let cold_start = ColdStart::ServFail;
    let role = Role::Primary { file: FILE.into(), serial: SerialPolicy::Increment, cold_start };
    let mut bench = Bench::new(role);
    bench.edit(zone_text(6, 4));
    bench.command(Command::Rollback(Serial(5))).unwrap();
    bench.restart(|_| ());
    bench.serves(7);
    bench.file = String::from("@ SOA broken\n");
    bench.restart(|_| ());
    assert_eq!(bench.shown.last(), Some(&Err("faulted")));
}

#[test]
fn r13_guard_holds_and_confirm_publishes() {
    let mut bench = Bench::new(primary());
    bench.edit(zone_text(6, 300));
    bench.edit(zone_text(7, 10));
    bench.serves(6);
    assert_eq!(bench.status().held, Some(7));
    assert!(bench.command(Command::Confirm(Serial(8))).is_err());
    bench.command(Command::Confirm(Serial(7))).unwrap();
    bench.serves(7);
    assert_eq!(bench.status().held, None);
}

#[test]
fn r13_names_that_others_take_the_place_of_go_all_the_same() {
    let mut bench = Bench::new(primary());
    bench.edit(zone_text(6, 300));
    // As many names as before, with as many records.
    let renamed = |share: u32| {
        (0..share).fold(zone_text(7, 300), |text, host| {
            text.replace(&format!("\nhost{host} "), &format!("\nother{host} "))
        })
    };
    bench.edit(renamed(120));
    bench.serves(6);
    assert_eq!(bench.status().held, Some(7));
    let problem = bench.status().problem.clone().expect("it says what is held");
    assert!(problem.text.contains("120 records and 120 of 302 names would go"), "{problem:?}");
    bench.edit(renamed(80));
    bench.serves(7);
}

#[test]
fn r18_a_held_transfer_of_an_expired_zone_serves_the_last_version_again() {
    let mut bench = Bench::following(6, 300);
    bench.wait(Duration::from_secs(86_401));
    assert_eq!(bench.shown.last(), Some(&Err("expired")));
    bench.soa(7);
    bench.transfer(None, version(7, 10));
    assert_eq!(bench.status().held, Some(7));
    bench.serves(6);
}

#[test]
fn r20_an_expired_zone_takes_a_lower_serial() {
    let mut bench = Bench::following(6, 3);
    bench.wait(Duration::from_secs(86_401));
    bench.soa(4);
    bench.transfer(None, version(4, 5));
    bench.serves(4);
    assert_eq!(bench.status().problem.as_ref().unwrap().code, Reason::SerialBack.code());
    let history = bench.store.reader().history(&version(4, 5), Serial(6));
    assert_eq!(history, Ok(None), "no difference leads over a step back");
}

#[test]
fn p72_failed_transfer_after_notify_is_retried() {
    let mut bench = Bench::following(6, 3);
    bench.wait(Duration::from_secs(5));
    bench.tell(Event::Notify { zone: ZONE, from: NS1, serial: Some(Serial(7)) });
    while bench.asked.iter().any(|job| job.peer == NS1) {
        bench.answer(Err(TransferError::Silent(None)));
    }
    bench.wait(Duration::from_secs(2));
    let retried = bench.asked.iter().find(|job| job.peer == NS1).expect("it asks again");
    assert!(!matches!(retried.ask.kind, AskKind::Notify(_)));
}

#[test]
fn another_file_in_the_config_is_read_though_the_old_one_was_being_read() {
    let mut bench = Bench::new(primary());
    let mut stale = Vec::new();
    bench.shard.handle(bench.now, Event::FileChanged(ZONE), &mut stale);
    let Some(Action::ReadFile(old)) = stale.pop() else { panic!("the file is read: {stale:?}") };
    let (serial, cold_start) = (SerialPolicy::Increment, ColdStart::ServeLast);
    bench.setup.role = Role::Primary { file: "/zones/other.zone".into(), serial, cold_start };
    let mut fresh = Vec::new();
    let setup = Arc::new(bench.setup.clone());
    bench.shard.handle(bench.now, Event::Configure(setup, None), &mut fresh);
    let new = fresh.iter().find_map(|action| match action {
        Action::ReadFile(job) => Some(job.attempt),
        _ => None,
    });
    assert!(new.is_some_and(|new| new != old.attempt));
}
