//! A primary and a secondary that are killed again and again, in the middle of what they do.
//!
//! An editor renames in new zone files without pause; observers outside ask both servers without
//! pause; at random moments one server, or both, get SIGKILL and start again. What an observer saw
//! must still be there or be followed by something newer, the token of a serial is the same for
//! ever and everywhere, and the secondary goes on by IXFR. Whether a commit or a transfer was under
//! way at a kill is read from what the server had logged by then: most kills are aimed, by freezing
//! the server at random moments until there is one with something under way.

use std::collections::HashSet;
use std::fs::{DirEntry, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::Test;
use crate::bellwether::{Bellwether, replace};
use crate::observer::{Ledger, Observer};
use crate::yard::{self, KEY_NAME, PATIENCE, Yard, dig_signed};

/// The tests of this file.
pub const TESTS: &[Test] =
    &[("r07_killed_at_200_moments_nothing_seen_is_lost", &["dig"], killed_at_200_moments)];

/// How often a server is killed.
const KILLS: usize = 200;
/// Kills of a hundred that must come while a commit or a transfer is under way.
const IN_FLIGHT_PERCENT: usize = 80;
/// The longest that the servers live in peace between two kills, in microseconds.
const PEACE_MAX_US: u64 = 150_000;
/// An edit that nobody has seen after this long is followed by the next one all the same.
const EDIT_AGAIN: Duration = Duration::from_millis(50);
/// Small zones besides the three that are edited without pause.
const TURNS: usize = 6;
/// The pause between two edits of one of these.
const TURN: Duration = Duration::from_millis(150);
/// How long an aimed kill waits at most for something to be under way.
const AIM_MAX: Duration = Duration::from_secs(5);
/// The longest that a server runs on between two looks at it, in microseconds; long enough that it
/// gets on with its work on a machine that is busy.
const AIM_AGAIN_US: u64 = 20_000;
/// One kill of so many is not aimed.
const UNAIMED: u64 = 20;

/// A zone and how its files are made.
struct Zone {
    name: String,
    /// The serial in the file is always 1, so the server chooses: a version that a kill took away
    /// after it was seen would come again under the same serial with another token.
    chosen_serials: bool,
    hosts: u32,
    /// Hosts that each edit moves to another address.
    moved: u32,
    /// The least time between two edits.
    pause: Duration,
}

fn zones() -> Vec<Zone> {
    let zone = |name: String, chosen_serials, hosts, moved, pause| Zone {
        name: name + ".example",
        chosen_serials,
        hosts,
        moved,
        pause,
    };
    let mut zones = vec![
        zone("small".into(), false, 20, 1, Duration::ZERO),
        zone("chosen".into(), true, 20, 1, Duration::ZERO),
        zone("middle".into(), true, 300, 40, Duration::ZERO),
        // Its differences grow beyond a quarter of it, so its body is written anew in between.
        zone("large".into(), false, 1_500, 200, TURN),
    ];
    zones.extend((0..TURNS).map(|turn| zone(format!("turn-{turn}"), turn % 2 == 0, 20, 1, TURN)));
    zones
}

impl Zone {
    fn text(&self, token: u32) -> String {
        let serial = if self.chosen_serials { 1 } else { token };
        let mut text = format!(
            "$ORIGIN {}.\n$TTL 300\n@ SOA ns1 hostmaster {serial} 1 1 1209600 300\n\
             @ NS ns1\nns1 A 192.0.2.1\ntoken CNAME t-{token}\n",
            self.name
        );
        for host in 0..self.hosts {
            let version = if host < self.moved { token & 0xFFFF } else { 0 };
            text += &format!("host-{host} A 10.{}.{}.{}\n", host & 255, version >> 8, version & 255);
        }
        text
    }
}

/// Chance from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ mixed >> 31) % sides
    }
}

fn killed_at_200_moments(yard: &Yard) {
    let given = std::env::var("BELLWETHER_KILL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| RandomState::new().hash_one("kills"));
    println!("kills: BELLWETHER_KILL_SEED={seed}");
    let zones = zones();
    let names: Vec<String> = zones.iter().map(|zone| zone.name.clone()).collect();
    let [primary, secondary] = ["primary", "secondary"].map(|name| Bellwether::new(yard, name));
    configure(&primary, &secondary, &zones);
    let ledger = Arc::new(Ledger::default());
    let watch = |server, role: &Bellwether<'_>| Observer::new(server, role.address, &names, &ledger);
    let observers = [watch("primary", &primary).ringing(secondary.address), watch("secondary", &secondary)];
    let files: Vec<_> = names.iter().map(|name| primary.dir.join(name)).collect();
    zones.iter().zip(&files).for_each(|(zone, file)| replace(file, &zone.text(1)));
    primary.start();
    secondary.start();
    names.iter().for_each(|name| secondary.wait_for(name, 1));

    let pens_down = AtomicBool::new(false);
    let mut tally = Tally::default();
    let tokens = std::thread::scope(|scope| {
        observers.iter().for_each(|observer| drop(scope.spawn(|| observer.run())));
        let editor = scope.spawn(|| edit(&zones, &files, &observers[0], &pens_down));
        // Whatever happens, the threads end, so that a failure is told at once.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            kill_again_and_again([&primary, &secondary], &observers, &ledger, Dice(seed), &mut tally);
        }));
        pens_down.store(true, Ordering::Relaxed);
        let tokens = editor.join().expect("the editor");
        let outcome = outcome.and_then(|()| {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| converge(&observers, &tokens)))
        });
        observers.iter().for_each(Observer::stop);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        tokens
    });

    tally.take_transfers(&secondary.log());
    ledger.assert_clean();
    println!("kills: seed {seed}, {} edits, {tally:?}", tokens.iter().sum::<u32>());
    for (role, (kills, in_flight)) in ["primary", "secondary"].iter().zip(tally.kills) {
        let percent = in_flight * 100 / kills.max(1);
        assert!(percent >= IN_FLIGHT_PERCENT, "{role}: {in_flight} of {kills} kills: {tally:?}");
    }
    // The whole zone once at the beginning; later only where differences had just failed.
    assert_eq!(tally.whole, names.len() + tally.whole_after_failure, "{tally:?}");
    assert!(tally.incremental > KILLS, "{tally:?}");
    for (index, name) in names.iter().enumerate() {
        yard::assert_same(primary.address, secondary.address, name);
        for (server, observer) in [&primary, &secondary].into_iter().zip(&observers) {
            let halfway = observer.halfway(index).expect("the zone was seen");
            assert_ixfr_goes_on(server, name, halfway.serial);
        }
    }
}

/// Renames in one version after the other, each as soon as the one before was seen; gives the last
/// token of each zone.
fn edit(zones: &[Zone], files: &[std::path::PathBuf], seen: &Observer, stop: &AtomicBool) -> Vec<u32> {
    let mut written = vec![(1, Instant::now()); zones.len()];
    while !stop.load(Ordering::Relaxed) {
        for (index, zone) in zones.iter().enumerate() {
            let (token, at) = &mut written[index];
            let arrived = seen.last(index).is_some_and(|seen| seen.token == *token);
            let pause = if arrived { zone.pause } else { zone.pause.max(EDIT_AGAIN) };
            if at.elapsed() >= pause {
                *token += 1;
                replace(&files[index], &zone.text(*token));
                *at = Instant::now();
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    written.into_iter().map(|(token, _)| token).collect()
}

fn kill_again_and_again(
    servers: [&Bellwether<'_>; 2],
    observers: &[Observer; 2],
    ledger: &Ledger,
    mut dice: Dice,
    tally: &mut Tally,
) {
    let mut done = 0;
    while done < KILLS {
        std::thread::sleep(Duration::from_micros(dice.roll(PEACE_MAX_US)));
        let chosen: &[usize] = match dice.roll(8) {
            0 => &[1, 0],
            1..=4 => &[0],
            _ => &[1],
        };
        if dice.roll(UNAIMED) > 0 {
            chosen.iter().for_each(|&role| freeze_at_work(servers[role], &mut dice));
        }
        chosen.iter().for_each(|&role| servers[role].kill());
        for &role in chosen {
            tally.take_kill(role, &servers[role].log());
            done += 1;
        }
        for &role in chosen {
            servers[role].start_unattended();
        }
        // Life goes on when every zone answers again.
        for &role in chosen {
            let before = observers[role].answers();
            let begun = Instant::now();
            while observers[role].answers().iter().zip(&before).any(|(now, before)| now <= before) {
                assert!(begun.elapsed() < PATIENCE, "role {role} does not answer: {:?}", ledger);
                servers[role].restart_if_port_was_taken();
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        ledger.assert_clean();
    }
}

/// Freezes the server at random moments, until its log shows that something was under way at one;
/// it is still frozen then. Not for ever: it may have nothing to do.
fn freeze_at_work(server: &Bellwether<'_>, dice: &mut Dice) {
    let mut log = BufReader::new(File::open(server.log_path()).expect("a log"));
    let (mut work, mut line) = (UnderWay::default(), String::new());
    let begun = Instant::now();
    while begun.elapsed() < AIM_MAX {
        freeze(server);
        while log.read_line(&mut line).expect("a log") > 0 {
            // A line that is half written yet is completed by a later read.
            if line.ends_with('\n') {
                work.take(&line);
                line.clear();
            }
        }
        if work.count() > 0 {
            return;
        }
        server.signal(Signal::SIGCONT);
        std::thread::sleep(Duration::from_micros(dice.roll(AIM_AGAIN_US)));
    }
}

/// Freezes every thread of a server: on a busy machine some run on for a while after the signal.
fn freeze(server: &Bellwether<'_>) {
    server.signal(Signal::SIGSTOP);
    let tasks = format!("/proc/{}/task", server.id());
    let stands = |task: std::io::Result<DirEntry>| {
        let stat = std::fs::read_to_string(task.ok()?.path().join("stat")).ok()?;
        // The state follows the name, which stands in parentheses.
        Some(stat.rsplit_once(") ")?.1.starts_with('T'))
    };
    let begun = Instant::now();
    // Not for long: the editor writes on, and a server that has no time to read publishes nothing.
    while std::fs::read_dir(&tasks).expect("a running server").any(|task| stands(task) == Some(false)) {
        assert!(begun.elapsed() < PATIENCE, "some threads do not stand still");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Waits until both servers show the last token of every zone.
fn converge(observers: &[Observer; 2], tokens: &[u32]) {
    for observer in observers {
        for (index, token) in tokens.iter().enumerate() {
            let there = || observer.last(index).filter(|seen| seen.token == *token);
            yard::poll(&format!("token {token} of zone {index}: {observer:?}"), there);
        }
    }
}

/// The server still has the steps from a serial that it showed long ago.
fn assert_ixfr_goes_on(server: &Bellwether<'_>, name: &str, from: u32) {
    let question = ["+tcp", "+noall", "+answer", name, &format!("IXFR={from}")];
    let records = yard::records(&dig_signed(server.address, &question));
    let begins = format!("{name}. 300 IN SOA ns1.{name}. hostmaster.{name}. {from} ");
    let goes_on = records.get(1).is_some_and(|record| record.starts_with(&begins));
    assert!(goes_on, "{:?}: no {begins}: {:#?}", server.dir, records.get(..4));
}

fn configure(primary: &Bellwether<'_>, secondary: &Bellwether<'_>, zones: &[Zone]) {
    // Without a key, so that the observer's NOTIFY is believed.
    let peer = |other: &Bellwether<'_>| format!("[peers.p]\naddress = \"{}\"\n", other.address);
    let (mut first, mut second) = (peer(secondary), peer(primary));
    for Zone { name, .. } in zones {
        let file = primary.dir.join(name);
        first += &format!(
            "[[zones]]\nname = \"{name}\"\nrole = \"primary\"\nfile = \"{}\"\nnotify = [\"p\"]\nallow_transfer = [\"p\", \"key:{KEY_NAME}\"]\n",
            file.display()
        );
        second += &format!(
            "[[zones]]\nname = \"{name}\"\nrole = \"secondary\"\nprimaries = [\"p\"]\nallow_transfer = [\"key:{KEY_NAME}\"]\n"
        );
    }
    primary.configure(&first);
    secondary.configure(&second);
}

/// What the logs of killed servers showed.
#[derive(Debug, Default)]
struct Tally {
    /// By role: kills, and those of them with a commit or a transfer under way.
    kills: [(usize, usize); 2],
    commits: usize,
    transfers: usize,
    incremental: usize,
    whole: usize,
    whole_after_failure: usize,
    failed: HashSet<String>,
}

impl Tally {
    fn take_kill(&mut self, role: usize, log: &str) {
        let mut work = UnderWay::default();
        log.lines().for_each(|line| work.take(line));
        self.kills[role].0 += 1;
        self.kills[role].1 += usize::from(work.count() > 0);
        self.commits += usize::from(!work.commits.is_empty());
        self.transfers += usize::from(!work.transfers.is_empty());
        if role == 1 {
            self.take_transfers(log);
        }
    }

    /// Counts the transfers in that ended in one life of the secondary.
    fn take_transfers(&mut self, log: &str) {
        for line in log.lines().filter(|line| line.contains("request ended")) {
            let zone = field(line, "zone=").to_owned();
            match field(line, "result=") {
                "\"ixfr\"" => {
                    self.incremental += 1;
                    self.failed.remove(&zone);
                }
                "\"axfr\"" => {
                    self.whole += 1;
                    self.whole_after_failure += usize::from(self.failed.remove(&zone));
                }
                // Nothing newer there.
                "\"serial" => {}
                _ if field(line, "kind=") == "\"ixfr\"" => drop(self.failed.insert(zone)),
                _ => {}
            }
        }
    }
}

/// What a log says had begun and not ended.
#[derive(Debug, Default)]
struct UnderWay {
    /// Zones with a version that is being written and not yet published.
    commits: HashSet<String>,
    /// Transfers out by zone and peer, transfers in by zone and kind.
    transfers: HashSet<(String, String)>,
}

impl UnderWay {
    fn count(&self) -> usize {
        self.commits.len() + self.transfers.len()
    }

    fn take(&mut self, line: &str) {
        let (zone, kind) = (field(line, "zone="), field(line, "kind="));
        let transfer_out = (zone.to_owned(), field(line, "peer=").to_owned());
        let request = (zone.to_owned(), kind.to_owned());
        let transfer_in = matches!(kind, "\"ixfr\"" | "\"axfr\"");
        if line.contains("commit begins") {
            self.commits.insert(zone.to_owned());
        } else if line.contains("published") {
            self.commits.remove(zone);
        } else if line.contains("transfer begins") {
            self.transfers.insert(transfer_out);
        } else if line.contains("transfer sent") || line.contains("transfer broke off") {
            self.transfers.remove(&transfer_out);
        } else if transfer_in && line.contains("request begins") {
            self.transfers.insert(request);
        } else if transfer_in && line.contains("request ended") {
            self.transfers.remove(&request);
        }
    }
}

/// The word after `key` in a log line; empty if there is none.
fn field<'l>(line: &'l str, key: &str) -> &'l str {
    let value = line.split_once(key).map_or("", |(_, value)| value);
    value.split_ascii_whitespace().next().unwrap_or_default()
}
