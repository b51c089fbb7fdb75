//! A disk that is full (R03), by a small one in a mount namespace of the test.

use crate::Test;
use crate::bellwether::{Bellwether, Trust};
use crate::enclosure::{Enclosure, Kind};
use crate::texts::{ZONE, large_text, zone_text};
use crate::yard::{self, Yard, dig};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("r03_a_full_disk_publishes_what_may_be_lost", &["dig", "unshare", "nsenter"], a_full_disk_publishes),
    ("r03_our_own_serials_wait_for_the_disk", &["dig", "unshare", "nsenter"], our_own_serials_wait),
    ("r03_durability_require_keeps_what_is_on_disk", &["dig", "unshare", "nsenter"], durability_require),
    (
        "r03_r18_a_secondary_that_requires_durability_does_not_expire_on_a_full_disk",
        &["dig", "unshare", "nsenter"],
        a_secondary_that_requires,
    ),
    ("r03_a_secondary_on_a_full_disk_follows", &["dig", "unshare", "nsenter"], a_secondary_follows),
];

/// Hosts that take more room than any page that the database has to spare.
const MANY: u32 = 4_000;

/// A server whose state is on a disk of a few MiB.
struct Small<'y> {
    server: Bellwether<'y>,
    enclosure: Enclosure,
    dir: String,
}

impl<'y> Small<'y> {
    fn new(yard: &'y Yard, name: &str) -> Small<'y> {
        let server = Bellwether::new(yard, name);
        let dir = server.dir.join("small").display().to_string();
        let mount = format!("mkdir -p {dir}\nmount -t tmpfs -o size=8m none {dir}");
        let enclosure = Enclosure::new(yard, Kind::Mounts, &mount);
        server.enter(&enclosure);
        Small { server, enclosure, dir }
    }

    /// Moves the state of a config that is written onto the small disk; operators stay outside.
    fn move_state(&self) {
        let config = std::fs::read_to_string(self.server.config()).expect("a config");
        let state = format!("state_dir = \"{}/state\"", self.dir);
        let control =
            format!("[control]\nsocket = \"{}\"\n\n", self.server.dir.join("control.sock").display());
        assert!(config.contains("state_dir = \"state\""));
        let config =
            config.replace("state_dir = \"state\"", &state).replace("[timers]", &(control + "[timers]"));
        std::fs::write(self.server.config(), config).expect("a config");
    }

    /// Only what is on the disk may be served.
    fn require_durability(&self) {
        let config = std::fs::read_to_string(self.server.config()).expect("a config");
        let config = config.replace("workers = 1\n", "workers = 1\ndurability = \"require\"\n");
        std::fs::write(self.server.config(), config).expect("a config");
    }

    /// Leaves no octet free.
    fn fill(&self) {
        let dir = &self.dir;
        self.enclosure.run(&format!("cat /dev/zero > {dir}/filler 2>{dir}/../said || true"));
        let free = self.enclosure.run(&format!("stat -f -c %a {dir}"));
        assert_eq!(free.trim(), "0");
    }

    /// Gives the space back.
    fn free(&self) {
        self.enclosure.run(&format!("rm {}/filler", self.dir));
    }

    fn is_durable(&self) -> bool {
        self.server.status()["durable"] == true
    }

    fn code(&self) -> String {
        self.server.status()["problem"]["code"].as_str().unwrap_or_default().to_owned()
    }

    fn wait_until_durable(&self) {
        yard::poll("the disk to be used again", || self.is_durable().then_some(()));
    }
}

fn seen(server: &Bellwether, host: &str) -> String {
    dig(server.address, &["+short", &format!("{host}.{ZONE}"), "A"]).trim().to_owned()
}

fn a_full_disk_publishes(yard: &Yard) {
    let small = Small::new(yard, "primary");
    let (primary, secondary) = (&small.server, Bellwether::new(yard, "secondary"));
    primary.write_zone(&zone_text(1, 0));
    primary.primary_for(secondary.address, Trust::Key);
    small.move_state();
    secondary.secondary_of(primary.address, Trust::Key);
    primary.start();
    primary.wait(1);
    secondary.start();
    secondary.wait(1);
    assert!(small.is_durable());
    small.fill();
    primary.write_zone(&large_text(2, MANY));
    primary.wait(2);
    secondary.wait(2);
    assert!(!small.is_durable() && small.code() == "BW-S01", "{}", primary.status());
    yard::assert_same(primary.address, secondary.address, ZONE);
    // What was there before is there after a crash on the full disk.
    primary.kill();
    std::fs::remove_file(primary.zone_file()).expect("a file");
    primary.start();
    assert_eq!(yard::serial(primary.address, ZONE), Some(1));
    primary.write_zone(&large_text(3, MANY));
    primary.wait(3);
    secondary.wait(3);
    assert!(!small.is_durable(), "{}", primary.status());
    // With space again all that was volatile goes to the disk by itself.
    small.free();
    small.wait_until_durable();
    assert_eq!(small.code(), "", "{}", primary.status());
    primary.kill();
    std::fs::remove_file(primary.zone_file()).expect("a file");
    primary.start();
    assert_eq!(yard::serial(primary.address, ZONE), Some(3));
    yard::assert_same(primary.address, secondary.address, ZONE);
}

fn our_own_serials_wait(yard: &Yard) {
    let small = Small::new(yard, "primary");
    let server = &small.server;
    server.write_zone(&zone_text(1, 0));
    server.alone("");
    small.move_state();
    server.start();
    server.wait(1);
    small.fill();
    server.write_zone(&large_text(1, MANY));
    let told = server.problem();
    assert!(told.contains("raise the SOA serial in the file or free space"), "{told}");
    assert_eq!(small.code(), "BW-S02");
    assert_eq!((yard::serial(server.address, ZONE), seen(server, "large-1")), (Some(1), String::new()));
    // A rollback needs a serial of ours as well; and the zone goes on with a serial of the file's.
    server.write_zone(&large_text(2, MANY));
    server.wait(2);
    assert!(!small.is_durable());
    server.write_zone(&large_text(2, MANY + 1));
    yard::poll("the refusal", || (small.code() == "BW-S02").then_some(()));
    assert_eq!(yard::serial(server.address, ZONE), Some(2));
    // What waits is taken when there is space, without a hand on the file.
    small.free();
    server.wait(3);
    assert_eq!(seen(server, &format!("large-{MANY}")), "10.0.15.160");
    small.wait_until_durable();
    assert_eq!(small.code(), "", "{}", server.status());
    server.kill();
    server.start();
    assert_eq!(yard::serial(server.address, ZONE), Some(3));
}

fn durability_require(yard: &Yard) {
    let small = Small::new(yard, "primary");
    let server = &small.server;
    server.write_zone(&zone_text(1, 0));
    server.alone("");
    small.move_state();
    small.require_durability();
    server.start();
    server.wait(1);
    small.fill();
    server.write_zone(&large_text(2, MANY));
    server.problem();
    assert_eq!((small.code().as_str(), yard::serial(server.address, ZONE)), ("BW-S02", Some(1)));
    small.free();
    server.wait(2);
    small.wait_until_durable();
}

/// The primary of a secondary that keeps its state on a small disk; neither runs yet.
fn a_pair<'y>(yard: &'y Yard, small: &Small<'_>) -> Bellwether<'y> {
    let (primary, secondary) = (Bellwether::new(yard, "primary"), &small.server);
    primary.write_zone(&zone_text(1, 0));
    primary.primary_for(secondary.address, Trust::Key);
    secondary.secondary_of(primary.address, Trust::Key);
    small.move_state();
    primary
}

/// The secondary on the small disk has the first version, and no room for another.
fn follow_and_fill(primary: &Bellwether<'_>, small: &Small<'_>) {
    let secondary = &small.server;
    primary.start();
    primary.wait(1);
    secondary.start();
    secondary.wait(1);
    small.fill();
}

fn a_secondary_that_requires(yard: &Yard) {
    let small = Small::new(yard, "secondary");
    let (primary, secondary) = (a_pair(yard, &small), &small.server);
    small.require_durability();
    follow_and_fill(&primary, &small);
    let expires = || secondary.status()["expires"].as_str().expect("a moment").to_owned();
    let before = expires();
    primary.write_zone(&large_text(2, MANY));
    yard::poll("the refusal", || (small.code() == "BW-S02").then_some(()));
    assert_eq!(yard::serial(secondary.address, ZONE), Some(1));
    // The primary has spoken, though what it said has no room.
    yard::poll("EXPIRE to be reset", || (expires() > before).then_some(()));
    small.free();
    secondary.wait(2);
    yard::assert_same(primary.address, secondary.address, ZONE);
    small.wait_until_durable();
}

fn a_secondary_follows(yard: &Yard) {
    let small = Small::new(yard, "secondary");
    let (primary, secondary) = (a_pair(yard, &small), &small.server);
    follow_and_fill(&primary, &small);
    let expires = || secondary.status()["expires"].as_str().expect("a moment").to_owned();
    let before = expires();
    primary.write_zone(&large_text(2, MANY));
    secondary.wait(2);
    assert!(!small.is_durable() && small.code() == "BW-S01", "{}", secondary.status());
    // Being on no disk is no reason to expire sooner.
    assert!(expires() >= before, "{before} is not before {}", expires());
    primary.write_zone(&large_text(3, MANY + 10));
    secondary.wait(3);
    yard::assert_same(primary.address, secondary.address, ZONE);
    small.free();
    small.wait_until_durable();
    primary.kill();
    secondary.kill();
    secondary.start();
    assert_eq!(yard::serial(secondary.address, ZONE), Some(3));
    assert_eq!(seen(secondary, &format!("large-{}", MANY + 9)), "10.0.15.169");
}
