//! What one edit of a zone file costs, from the file to what everybody sees: the scans, the processor
//! time after them, and a commit among few and many zones. `cargo bench --bench reload [-- NAMES_MAX]`;
//! takes about two minutes and 300 MB of the disk under the current directory, which it gives back.

use std::hint::black_box;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bellwether::config::{Durability, Guard, GuardAction, SerialPolicy};
use bellwether::dns::{Name, Records};
use bellwether::engine::commit::{Origin, Proposed};
use bellwether::engine::intake;
use bellwether::engine::publish::Publisher;
use bellwether::engine::reading;
use bellwether::engine::shard::FileJob;
use bellwether::env::{OsDisk, OsRandom};
use bellwether::ident::{Attempt, ZoneId};
use bellwether::policy::RuleBook;
use bellwether::serve::World;
use bellwether::store::{BodyWrite, Options, Store, ZoneMeta, ZoneWrite};
use bellwether::time::Wall;
use bellwether::zone::checks::{self, Review};
use bellwether::zone::text::{Objection, Sources, load, scan};
use bellwether::zone::{
    Bounds, Change, Demands, DigestKey, Lease, PageSums, Slot, SlotState, Version, ZoneSet, edit, reserial,
};

use nix::time::{ClockId, clock_gettime};

const FILE: &str = "zone";
const WALL: Wall = Wall(1_700_000_000_000);
const ROUNDS: usize = 7;

fn main() {
    let argument = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let names_max = argument.unwrap_or(1_000_000);
    println!("processor time in ms, median of {ROUNDS} edits");
    println!(
        "{:>9} {:>16} {:>9} {:>9} {:>10} {:>8} {:>10}",
        "names", "edit", "scan 1", "scan 2", "afterwards", "reading", "full load"
    );
    for names in [1_000, 100_000, 1_000_000] {
        if names <= names_max {
            edits(names, "an address", |text, round| {
                let line = address(round * names / ROUNDS);
                let at = text.windows(line.len()).position(|window| window == line.as_bytes());
                text[at.expect("the line is there") + line.len() - 2] ^= 1;
            });
            edits(names, "a new name", |text, round| {
                text.extend_from_slice(format!("new{round} 3600 A 192.0.2.1\n").as_bytes());
            });
        }
    }
    commits();
}

/// Files of one text.
struct Table(Arc<[u8]>);

impl Sources for Table {
    fn open(&mut self, _: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(Cursor::new(self.0.clone())))
    }
}

fn address(n: usize) -> String {
    format!("h{n:08x}x 3600 A 10.{}.{}.{}\n", n >> 16, n >> 8 & 255, n & 255)
}

fn apex() -> Name {
    Name::parse("example.com").expect("a name")
}

fn edits(names: usize, what: &str, change: impl Fn(&mut Vec<u8>, usize)) {
    let key = DigestKey(*b"any sixteen will");
    let mut text = b"@ 3600 SOA ns hm 1 7200 900 1209600 300\n@ 3600 NS ns\nns 3600 A 192.0.2.1\n".to_vec();
    (0..names).for_each(|n| text.extend_from_slice(address(n).as_bytes()));
    let read = load(&mut Table(text.clone().into()), Path::new(FILE), &apex(), key, &Demands::default());
    let read = read.expect("a zone file");
    let mut live = Arc::new(read.version);
    let mut review = Review::new(&live, read.findings).map(Arc::new);
    let mut times = vec![[0.0; 5]; ROUNDS];
    for (round, times) in times.iter_mut().enumerate() {
        change(&mut text, round);
        let table = || Table(text.clone().into());
        let first = table();
        times[4] = millis(|| {
            let whole =
                load(&mut table(), Path::new(FILE), &apex(), key, &Demands::default()).expect("a zone file");
            intake::from_file(Some(&live), None, whole.version, SerialPolicy::Increment, None, WALL)
        });
        times[..3].copy_from_slice(&phases(first, &live, review.as_deref()));
        let mut second = table();
        let job = job(&live, review.clone());
        let mut read = None;
        times[3] = millis(|| read = reading::read_file(&job, &mut second, key, WALL).ok());
        let read = read.expect("a zone file");
        let intake::Intake::Changed { change, .. } = read.intake else { panic!("every edit is a change") };
        let delta = &change.deltas[0];
        assert!(delta.added.len() == 2 && delta.removed.len() <= 2, "one record and the SOA");
        (live, review) = (change.after, read.review);
    }
    let median = |phase: usize| {
        let mut of_phase: Vec<f64> = times.iter().map(|times| times[phase]).collect();
        of_phase.sort_unstable_by(f64::total_cmp);
        of_phase[ROUNDS / 2]
    };
    println!(
        "{names:>9} {what:>16} {:>9.2} {:>9.2} {:>10.3} {:>8.2} {:>10.2}",
        median(0),
        median(1),
        median(2),
        median(3),
        median(4)
    );
}

/// The steps of a reading one by one: first scan, second scan, what comes after them.
fn phases(mut table: Table, live: &Arc<Version>, review: Option<&Review>) -> [f64; 3] {
    let path = Path::new(FILE);
    let object = |_| -> Objection { unreachable!("the file is a zone") };
    let mut sums = None;
    let first = millis(|| {
        let mut pass = PageSums::new(live);
        scan(&mut table, path, Some(&apex()), &mut |record, _| pass.push(record).map_err(object));
        sums = Some(pass);
    });
    let mut reread = sums.expect("it was scanned").finish().expect("a zone");
    let second = millis(|| {
        scan(&mut table, path, Some(&apex()), &mut |record, _| reread.push(record).map_err(object));
    });
    let found = review.and_then(|review| review.of(live)).expect("the live version was checked");
    let after = millis(|| {
        let rebuilt = reread.finish();
        let findings =
            checks::check_again(live, found, &rebuilt.version, &rebuilt.references, &Bounds::default());
        let intake =
            intake::from_file(Some(live), None, rebuilt.version, SerialPolicy::Increment, None, WALL);
        black_box((findings, intake))
    });
    [first, second, after]
}

fn job(live: &Arc<Version>, review: Option<Arc<Review>>) -> FileJob {
    FileJob {
        zone: ZoneId(0),
        attempt: Attempt(0),
        apex: apex(),
        file: PathBuf::from(FILE),
        policy: SerialPolicy::Increment,
        live: Some(live.clone()),
        floor: None,
        rejected: None,
        review,
        demands: Demands::default(),
    }
}

/// Milliseconds of processor time of this thread that `work` took: other programs on the machine do
/// not count.
fn millis<T>(work: impl FnOnce() -> T) -> f64 {
    let start = processor_time();
    black_box(work());
    (processor_time() - start).as_secs_f64() * 1e3
}

/// Unlike the figures of the scheduler, this clock is exact between two ticks.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux").into()
}

/// Commits from the proposal to the swap, among few and many zones in turn: the disk and its other
/// users are the same to all.
fn commits() {
    let mut places: Vec<Place> = [10, 10_000, 100_000].map(Place::with).into();
    for round in 0..400 {
        places.iter_mut().for_each(|place| place.commit(round));
    }
    for place in places {
        println!(
            "commit among {} zones: {:.1?}; processor time {:.1?}, of it the swap {:.1?}",
            place.live.len(),
            median(place.whole),
            median(place.busy),
            median(place.swaps)
        );
        drop(place.store);
        std::fs::remove_dir_all(&place.dir).expect("the directory is ours");
    }
}

/// A store and a world with so many zones.
struct Place {
    dir: PathBuf,
    store: Store,
    publisher: Publisher,
    retired: mpsc::Receiver<Arc<World>>,
    live: Vec<Arc<Version>>,
    whole: Vec<Duration>,
    busy: Vec<Duration>,
    swaps: Vec<Duration>,
}

impl Place {
    fn with(zones: u32) -> Place {
        let dir = PathBuf::from(format!("bench-reload-state-{zones}"));
        let _ = std::fs::remove_dir_all(&dir);
        let (mut store, recovered) =
            Store::open(Arc::new(OsDisk), &dir, Options::new(&mut OsRandom)).expect("a store");
        let live: Vec<Arc<Version>> = (0..zones).map(|zone| small(zone, recovered.digest_key)).collect();
        for group in live.chunks(64) {
            let bodies = group.iter().map(|version| ZoneWrite {
                apex: version.apex().to_name(),
                body: BodyWrite::Full(version.clone()),
                meta: ZoneMeta { serial_floor: Some(version.serial()), ..ZoneMeta::default() },
            });
            store.commit(&bodies.collect::<Vec<_>>()).expect("room on the disk");
        }
        let slots: Vec<_> = live.iter().zip(0..).map(|(version, zone)| slot(zone, version)).collect();
        let (sender, retired) = mpsc::channel();
        let world = World {
            zones: ZoneSet::new(recovered.digest_key).with(&slots),
            rules: Arc::new(RuleBook::default()),
            peers: Arc::default(),
            keys: Arc::default(),
            facts: Arc::default(),
            cookies: Arc::default(),
            rates: Arc::default(),
        };
        let publisher = Publisher::new(world, sender);
        let (whole, busy, swaps) = (Vec::new(), Vec::new(), Vec::new());
        Place { dir, store, publisher, retired, live, whole, busy, swaps }
    }

    fn commit(&mut self, round: usize) {
        let zone = round * 7_919 % self.live.len();
        let live = &mut self.live[zone];
        let proposed = Proposed { change: next(live), origin: Origin::Rollback };
        let guard = Guard { action: GuardAction::Hold, records: 100, percent: 30 };
        let (started, begun) = (Instant::now(), processor_time());
        let checked = proposed.check(Some(live), Some(live.serial()), &guard, false).expect("it is newer");
        let apex = live.apex().to_name();
        let meta = ZoneMeta { serial_floor: Some(checked.version().serial()), ..ZoneMeta::default() };
        let receipt = self.store.commit(&[checked.write(&apex, meta)]).expect("room on the disk");
        let journaled = checked.journaled(receipt, Durability::Require).expect("it is durable");
        let id = ZoneId(u32::try_from(zone).expect("so many zones"));
        let (published, slot) = journaled.publish(id, &apex, Some(live), Lease::forever());
        let swap = processor_time();
        self.publisher.publish(&[(apex, Some(slot))]);
        self.swaps.push(processor_time() - swap);
        self.busy.push(processor_time() - begun);
        self.whole.push(started.elapsed());
        *live = published.version;
        // The reaper's work is nobody's wait.
        self.retired.try_iter().for_each(drop);
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn slot(zone: u32, version: &Arc<Version>) -> (Name, Option<Arc<Slot>>) {
    let apex = version.apex().to_name();
    let state = SlotState::Serving { version: version.clone(), lease: Lease::forever() };
    (apex.clone(), Some(Arc::new(Slot { id: ZoneId(zone), apex, state })))
}

fn small(zone: u32, key: DigestKey) -> Arc<Version> {
    let text = "@ 60 SOA ns hm 1 7200 900 1209600 300\n@ 60 NS ns\nns 60 A 192.0.2.1\nwww 60 A 192.0.2.2\n";
    let apex = Name::parse(&format!("zone{zone}.example")).expect("a name");
    Arc::new(
        load(&mut Table(text.as_bytes().into()), Path::new(FILE), &apex, key, &Demands::default())
            .expect("a zone")
            .version,
    )
}

/// A TTL changes, and the serial.
fn next(live: &Arc<Version>) -> Change {
    let raised = reserial(live, live.serial().next());
    let (mut removed, mut added): (Records, Records) =
        ([live.soa()].into_iter().collect(), [raised.soa()].into_iter().collect());
    let www = Name::join(b"\x03www", live.apex()).expect("a short name");
    live.node(www.as_ref()).expect("each zone has it").for_each(|record| {
        removed.push(record);
        added.push(bellwether::dns::RecordRef { ttl: record.ttl + 1, ..record });
    });
    let (after, delta) = edit(live, &removed, &added).expect("it fits");
    Change::new(Some(live.clone()), Arc::new(after), vec![Arc::new(delta)])
}
