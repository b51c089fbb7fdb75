//! Power goes at every call: what was acknowledged is there, what was under way is there or not.

use super::*;
use crate::env::Random;
use crate::env::sim::Fault;

/// A zone's serial and digest, and the floor beside it; `None` for a zone that is not there.
type Seen = BTreeMap<Name, Option<(Serial, u128)>>;

fn seen(recovered: &Recovered) -> Seen {
    let state = |zone: &RecoveredZone| {
        assert_eq!(zone.problem, None, "a crash is no damage");
        zone.version.as_ref().map(|version| {
            assert_eq!(zone.meta.serial_floor, Some(version.serial()), "data and meta stay together");
            (version.serial(), version.digest().0)
        })
    };
    recovered.zones.iter().map(|zone| (zone.apex.as_ref().to_lowercase(), state(zone))).collect()
}

/// All kinds of writes, batch by batch. A compacted body is written on the way.
fn script() -> Vec<Vec<Step>> {
    let (mut small, mut large) = (Edited::new("small.example", 2), Edited::new("large.example", MANY));
    let mut steps = vec![vec![Step::Write(small.full())], vec![Step::Write(large.full())]];
    for host in 0..2 {
        let (one, two) = (small.edit([host]), large.edit([host]));
        steps.push(vec![Step::Write(small.deltas(vec![one])), Step::Write(large.deltas(vec![two]))]);
    }
    steps.push(vec![Step::Compact(large.write(BodyWrite::Keep), large.live.clone())]);
    let two = large.edit([9]);
    steps.push(vec![Step::Write(large.deltas(vec![two])), Step::Write(small.write(BodyWrite::Keep))]);
    steps.push(vec![Step::Write(large.write(BodyWrite::Repeat))]);
    large.edit(0..MANY);
    steps.push(vec![Step::Write(large.full()), Step::Write(small.write(BodyWrite::Forget))]);
    steps
}

#[derive(Clone)]
enum Step {
    Write(ZoneWrite),
    Compact(ZoneWrite, Arc<Version>),
}

impl Step {
    fn write(self, store: &Store) -> Result<ZoneWrite, StoreError> {
        match self {
            Step::Write(write) => Ok(write),
            Step::Compact(write, version) => {
                let body = store.compactor().write(&version, &write.meta)?;
                Ok(ZoneWrite { body: BodyWrite::Compacted(body), ..write })
            }
        }
    }
}

fn expect(seen: &mut Seen, batch: &[ZoneWrite]) {
    for write in batch {
        let apex = write.apex.as_ref().to_lowercase();
        match &write.body {
            BodyWrite::Full(after) | BodyWrite::Deltas { after, .. } => {
                seen.insert(apex, Some((after.serial(), after.digest().0)));
            }
            BodyWrite::Forget => {
                seen.remove(&apex);
            }
            BodyWrite::Compacted(_) | BodyWrite::Keep | BodyWrite::Repeat => {}
        }
    }
}

/// Runs the script until it is done or the power is gone; returns what must be there, and what
/// may be there instead.
fn run(disk: &SimDisk, script: &[Vec<Step>]) -> (Seen, Seen) {
    let mut acknowledged = Seen::new();
    let Ok((mut store, _)) = Store::open(Arc::new(disk.clone()), Path::new(DIR), options()) else {
        return (acknowledged.clone(), acknowledged);
    };
    for steps in script {
        let batch: Result<Vec<ZoneWrite>, _> = steps.iter().map(|step| step.clone().write(&store)).collect();
        let Ok(batch) = batch else { return (acknowledged.clone(), acknowledged) };
        let mut under_way = acknowledged.clone();
        expect(&mut under_way, &batch);
        if store.commit(&batch).is_err() {
            return (acknowledged, under_way);
        }
        acknowledged = under_way;
    }
    (acknowledged.clone(), acknowledged)
}

#[test]
fn r07_what_was_acknowledged_survives_a_crash_at_every_call() {
    let script = script();
    let disk = SimDisk::new();
    let (done, _) = run(&disk, &script);
    assert_eq!(seen(&open(&disk).1), done);
    let calls = disk.writes();
    assert!(calls > 100, "the script keeps the disk busy: {calls}");
    for at in 0..calls {
        let disk = SimDisk::new();
        disk.power_off_at(at);
        let (acknowledged, under_way) = run(&disk, &script);
        disk.crash(at);
        let (mut store, recovered) = open(&disk);
        let seen = seen(&recovered);
        assert!(recovered.notes.is_empty(), "power off at call {at}: {:?}", recovered.notes);
        assert!(seen == acknowledged || seen == under_way, "power off at call {at}");
        // And it goes on from there.
        let zone = Edited::new("small.example", 4);
        store.commit(&[zone.full()]).unwrap();
        drop(store);
        zone.is_in(&open(&disk).1);
    }
}

#[test]
fn r07_a_crash_in_the_recovery_from_a_crash_loses_nothing() {
    let script = script();
    let disk = SimDisk::new();
    disk.power_off_at(60);
    let (acknowledged, under_way) = run(&disk, &script);
    disk.crash(7);
    for at in 0..12 {
        let disk = disk.copy();
        disk.power_off_at(at);
        drop(Store::open(Arc::new(disk.clone()), Path::new(DIR), options()));
        disk.crash(at);
        let seen = seen(&open(&disk).1);
        assert!(seen == acknowledged || seen == under_way, "power off at call {at} of the opening");
    }
}

/// What may be found of each zone: what was acknowledged last, or what was submitted since.
#[derive(Default)]
struct Possible(BTreeMap<Name, Vec<Option<(Serial, u128)>>>);

impl Possible {
    fn submitted(&mut self, zone: &Edited) {
        let state = Some((zone.live.serial(), zone.live.digest().0));
        self.0.entry(name(zone.apex)).or_insert_with(|| vec![None]).push(state);
    }

    fn acknowledged(&mut self, zone: &Edited) {
        self.0.insert(name(zone.apex), vec![Some((zone.live.serial(), zone.live.digest().0))]);
    }

    #[track_caller]
    fn check(&self, recovered: &Recovered, seed: u64) {
        let seen = seen(recovered);
        for (apex, states) in &self.0 {
            let found = seen.get(apex).copied().flatten();
            assert!(states.contains(&found), "seed {seed}: {apex} is at {found:?}, not one of {states:?}");
        }
    }
}

/// One life of a server: edits, faults that come and go, and at its end the power fails.
fn live(disk: &SimDisk, zones: &mut [Edited], random: &mut SimRandom, possible: &mut Possible) {
    let Ok((mut store, _)) = Store::open(Arc::new(disk.clone()), Path::new(DIR), options()) else { return };
    let mut volatile = store.is_broken();
    for _ in 0..8 {
        if random.one_in(3) {
            disk.mend();
        }
        if random.one_in(4) {
            let fault = if random.one_in(2) { Fault::NoSpace } else { Fault::Io };
            let at = disk.writes() + random.below(20);
            if random.one_in(2) { disk.fail_at(at, fault) } else { disk.fail_from(at, fault) }
        }
        if store.is_broken() {
            volatile |= store.heal() != Ok(Healed::Intact);
        }
        let zone = &mut zones[[0, 0, 1, 1, 1, 2][random.below(6) as usize]];
        let delta = zone.edit([random.below(3) as u32, random.below(3) as u32]);
        possible.submitted(zone);
        let write = if volatile || random.one_in(4) { zone.full() } else { zone.deltas(vec![delta]) };
        match store.commit(&[write]) {
            Ok(receipt) => {
                assert!(receipt.is_durable());
                possible.acknowledged(zone);
            }
            Err(_) => volatile = true,
        }
    }
}

#[test]
fn r07_lives_full_of_faults_and_crashes_lose_nothing_acknowledged() {
    for seed in 0..30 {
        let mut random = SimRandom::new(seed);
        let disk = SimDisk::new();
        let mut zones = [
            Edited::new("small.example", 3),
            Edited::new("other.example", 40),
            Edited::new("large.example", MANY),
        ];
        let mut possible = Possible::default();
        for _ in 0..4 {
            disk.power_off_at(disk.writes() + 20 + random.below(150));
            live(&disk, &mut zones, &mut random, &mut possible);
            disk.mend();
            disk.crash(random.next_u64());
            possible.check(&open(&disk).1, seed);
        }
    }
}
