//! What the store reads back: values that somebody changed under fitting checksums, and then the rest.
//!
//! The first octet says whether the database is lost; the rest is a run of patches to the values of a store with
//! two zones, one of them with its body in a file: which value (top bit: cut it off there, next bit: make room
//! instead of writing over), where, how many octets, the octets. Checksums are made anew, since they would stop
//! everything.
#![no_main]

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

use bellwether::dns::{Name, Serial};
use bellwether::env::Disk;
use bellwether::env::sim::{SimDisk, SimRandom};
use bellwether::store::{BodyWrite, Options, Recovered, Store, ZoneMeta, ZoneWrite};
use bellwether::time::Wall;
use bellwether::zone::{Demands, Version, diff, text};
use libfuzzer_sys::fuzz_target;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

const DIR: &str = "/state";
const ZONE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("zone");
const BODY: TableDefinition<&[u8], &[u8]> = TableDefinition::new("body");
const DELTA: TableDefinition<(&[u8], u64), &[u8]> = TableDefinition::new("delta");

/// The disk as a server has left it.
static BASE: LazyLock<(SimDisk, Values)> = LazyLock::new(|| {
    let disk = SimDisk::new();
    fill(&disk);
    let values = values(&disk);
    assert_eq!(values.len(), 2 + 4 + 1 + 1 + 1, "rows, deltas, a body here, one in a file, a postscript");
    (disk, values)
});

/// Values without their checksums.
type Values = Vec<(Place, Vec<u8>)>;

/// Where a value is.
#[derive(Clone, PartialEq)]
enum Place {
    Row(Vec<u8>),
    Inline(Vec<u8>),
    Delta(Vec<u8>, u64),
    BodyFile(PathBuf),
    Postscript(PathBuf),
}

fuzz_target!(|input: &[u8]| {
    let Some((lost, input)) = input.split_first() else { return };
    let (base, values) = &*BASE;
    let (disk, mut values) = (base.copy(), values.clone());
    for (which, at, octets) in patches(input) {
        let count = values.len();
        let value = &mut values[usize::from(which & 0x3f) % count].1;
        let at = at % (value.len() + 1);
        match which >> 6 {
            0 => {
                let end = value.len().min(at + octets.len());
                value.splice(at..end, octets.iter().copied());
            }
            1 => drop(value.splice(at..at, octets.iter().copied())),
            _ => value.truncate(at),
        }
    }
    put(&disk, &values);
    let is_lost = lost & 1 != 0;
    if is_lost {
        disk.remove(&Path::new(DIR).join("state.redb")).expect("it was there");
    }
    let first = opened(&disk);
    let again = opened(&disk);
    assert_eq!((first.notes.is_empty(), again.notes.is_empty()), (!is_lost, true));
    for zone in &again.zones {
        let before = first.zones.iter().find(|before| before.apex == zone.apex).expect("it was there before");
        let may_be_damaged = zone.version.is_none();
        assert!(zone.problem.is_none() || may_be_damaged, "{:?} comes again", zone.problem);
        let told = |version: &Option<Arc<Version>>| version.as_ref().map(|it| (it.serial(), it.digest()));
        assert_eq!(told(&zone.version), told(&before.version));
        assert_eq!(zone.meta, before.meta);
    }
    assert_eq!(first.zones.len(), again.zones.len());
});

/// A store opened once, which must still take a commit.
fn opened(disk: &SimDisk) -> Recovered {
    let (mut store, recovered) =
        Store::open(Arc::new(disk.clone()), Path::new(DIR), options()).expect("damage is no error");
    for zone in &recovered.zones {
        let write = ZoneWrite { apex: zone.apex.clone(), body: BodyWrite::Keep, meta: zone.meta.clone() };
        store.commit(&[write]).expect("it can be written to");
        if let Some(version) = &zone.version {
            let history = store.reader().history(version, Serial(1)).expect("a reader").unwrap_or_default();
            assert!(history.windows(2).all(|steps| steps[0].to == steps[1].from), "a chain with a hole");
            assert!(history.last().is_none_or(|step| step.to == version.serial()));
        }
    }
    recovered
}

fn options() -> Options {
    Options { inline_body_octets_max: 600, cache_octets: 1 << 20, ..Options::new(&mut SimRandom::new(1)) }
}

fn patches(mut input: &[u8]) -> impl Iterator<Item = (u8, usize, &[u8])> {
    std::iter::from_fn(move || {
        let ([which, high, low, length], rest) = input.split_first_chunk::<4>()?;
        let (octets, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        input = rest;
        Some((*which, usize::from(u16::from_be_bytes([*high, *low])), octets))
    })
}

/// Two zones at serial 3, each with its chain.
fn fill(disk: &SimDisk) {
    let (mut store, _) = Store::open(Arc::new(disk.clone()), Path::new(DIR), options()).expect("it opens");
    for (apex, hosts) in [("small.", 2), ("large.", 40)] {
        let mut live = version(apex, 1, hosts);
        let meta = ZoneMeta {
            role: 1,
            serial_floor: Some(Serial(1)),
            expire_at: Some(Wall(1_700_000_000_000)),
            refreshed_at: Some(Wall(1_690_000_000_000)),
            file_hash: Some([3; 32]),
            ..ZoneMeta::default()
        };
        let apex = Name::parse(apex).expect("a name");
        let write = |body, meta: &ZoneMeta| ZoneWrite { apex: apex.clone(), body, meta: meta.clone() };
        store.commit(&[write(BodyWrite::Full(live.clone()), &meta)]).expect("a commit");
        for serial in 2..4 {
            let after = version(&apex.to_string(), serial, hosts);
            let deltas = vec![Arc::new(diff(&live, &after).expect("a step"))];
            let meta = ZoneMeta { serial_floor: Some(Serial(serial)), ..meta.clone() };
            store
                .commit(&[write(BodyWrite::Deltas { deltas, after: after.clone() }, &meta)])
                .expect("a commit");
            store.commit(&[write(BodyWrite::Repeat, &meta)]).expect("a commit");
            live = after;
        }
    }
}

fn version(apex: &str, serial: u32, hosts: u32) -> Arc<Version> {
    let mut zone = format!("$TTL 60\n@ SOA ns hm {serial} 1 1 9 1\n@ NS ns\nns A 192.0.2.1\n");
    for host in 0..hosts {
        zone += &format!("host{host} A 192.0.2.{}\n", if host == 1 { serial } else { 9 });
    }
    let octets: &'static [u8] = zone.into_bytes().leak();
    let mut sources = |_: &Path| -> io::Result<Box<dyn Read>> { Ok(Box::new(octets)) };
    let apex = Name::parse(apex).expect("a name");
    let key = options().digest_key_if_new;
    let loaded = text::load(&mut sources, Path::new("zone"), &apex, key, &Demands::default());
    Arc::new(loaded.unwrap_or_else(|_| panic!("it does not load")).version)
}

/// All values that are stored.
fn values(disk: &SimDisk) -> Values {
    let bare = |value: &[u8]| value[..value.len() - 4].to_vec();
    let mut found = Vec::new();
    let (database, _) = database(disk);
    let read = database.begin_read().expect("reading");
    for row in read.open_table(ZONE).expect("a table").iter().expect("rows") {
        let (apex, value) = row.expect("a row");
        found.push((Place::Row(apex.value().to_vec()), bare(value.value())));
    }
    for row in read.open_table(BODY).expect("a table").iter().expect("rows") {
        let (apex, value) = row.expect("a row");
        found.push((Place::Inline(apex.value().to_vec()), unframe(value.value())));
    }
    for row in read.open_table(DELTA).expect("a table").iter().expect("rows") {
        let (key, value) = row.expect("a row");
        found.push((Place::Delta(key.value().0.to_vec(), key.value().1), bare(value.value())));
    }
    let dir = Path::new(DIR).join("bodies");
    for name in disk.list(&dir).expect("a folder") {
        let path = dir.join(name);
        let content = disk.content(&path).expect("a file");
        found.push(match path.extension().is_some_and(|ending| ending == "later") {
            true => (Place::Postscript(path), bare(&content)),
            false => (Place::BodyFile(path), unframe(&content)),
        });
    }
    found
}

/// Puts back what was changed, with checksums that fit.
fn put(disk: &SimDisk, values: &[(Place, Vec<u8>)]) {
    let seal = |value: &[u8]| [value, &crc32fast::hash(value).to_be_bytes()[..]].concat();
    let changed: Vec<_> =
        values.iter().zip(&BASE.1).filter(|(new, old)| new != old).map(|(new, _)| new).collect();
    for (place, value) in &changed {
        match place {
            Place::BodyFile(path) => disk.put(path, &frame(value)),
            Place::Postscript(path) => disk.put(path, &seal(value)),
            _ => {}
        }
    }
    if !changed.iter().any(|(place, _)| matches!(place, Place::Row(_) | Place::Inline(_) | Place::Delta(..)))
    {
        return;
    }
    let (database, file) = database(disk);
    let mut write = database.begin_write().expect("writing");
    write.set_quick_repair(true);
    for (place, value) in changed {
        match place {
            Place::Row(apex) => {
                let mut table = write.open_table(ZONE).expect("a table");
                table.insert(&apex[..], &seal(value)[..]).expect("memory");
            }
            Place::Inline(apex) => {
                let mut table = write.open_table(BODY).expect("a table");
                table.insert(&apex[..], &frame(value)[..]).expect("memory");
            }
            Place::Delta(apex, number) => {
                let mut table = write.open_table(DELTA).expect("a table");
                table.insert((&apex[..], *number), &seal(value)[..]).expect("memory");
            }
            Place::BodyFile(_) | Place::Postscript(_) => {}
        }
    }
    write.commit().expect("memory");
    drop(database);
    let octets = file.lock().expect("one thread").clone();
    disk.put(&Path::new(DIR).join("state.redb"), &octets);
}

/// The payloads of a body's blocks, each behind its length.
fn unframe(mut body: &[u8]) -> Vec<u8> {
    let mut found = Vec::new();
    while let Some((frame, rest)) = body.split_first_chunk::<8>() {
        let length = usize::from(u16::from_be_bytes([frame[2], frame[3]]));
        found.extend_from_slice(&frame[2..4]);
        found.extend_from_slice(&rest[..length]);
        body = &rest[length..];
    }
    found
}

/// Blocks with checksums out of what [`unframe`] makes.
fn frame(mut payloads: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for number in 0u64.. {
        let Some((length, rest)) = payloads.split_first_chunk::<2>() else { break };
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(u16::from_be_bytes(*length))));
        body.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        body.extend_from_slice(&crc32fast::hash(&[&number.to_be_bytes(), payload].concat()).to_be_bytes());
        body.extend_from_slice(payload);
        payloads = rest;
    }
    body
}

/// The database in memory of its own.
fn database(disk: &SimDisk) -> (Database, Arc<Mutex<Vec<u8>>>) {
    let octets = disk.content(&Path::new(DIR).join("state.redb")).expect("a database");
    let file = Arc::new(Mutex::new(octets));
    let mut builder = Database::builder();
    builder.set_cache_size(1 << 20);
    (builder.create_with_backend(Memory(file.clone())).expect("it is sound"), file)
}

#[derive(Debug)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl redb::StorageBackend for Memory {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().expect("one thread").len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let file = self.0.lock().expect("one thread");
        let octets = file.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(octets.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().expect("one thread").resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        let mut file = self.0.lock().expect("one thread");
        let end = offset as usize + octets.len();
        if file.len() < end {
            file.resize(end, 0);
        }
        file[offset as usize..end].copy_from_slice(octets);
        Ok(())
    }
}
