//! Zone files as people and programs treat them (R08 to R10), and their names (R27).

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Test;
use crate::bellwether::{Bellwether, replace};
use crate::texts::{ZONE, large_text, zone_text};
use crate::yard::{self, KEY_NAME, Yard, dig, dig_signed};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("r08_a_half_written_file_is_not_published", &["dig"], a_half_written_file),
    ("r08_an_emptied_file_keeps_the_zone", &["dig"], an_emptied_file),
    ("r08_p3_an_included_file_is_watched_too", &["dig"], an_included_file),
    ("r09_a_pattern_takes_zones_and_no_litter", &["dig"], a_pattern),
    ("r09_a_reload_that_loses_many_zones_is_guarded", &["dig"], a_reload_that_loses_zones),
    ("r10_the_same_content_makes_no_version", &["dig"], the_same_content),
    ("r27_names_of_others_stay_in_their_directory", &["dig"], names_of_others),
    ("r27_names_that_make_no_file_are_refused", &["dig"], names_that_make_no_file),
];

/// How long a writer takes for each of its parts; longer than any quiet that a watcher waits for.
const PAUSE: Duration = Duration::from_millis(400);

/// The zone for any apex.
fn relative(serial: u32) -> String {
    zone_text(serial, 0).replace("$ORIGIN example.com.\n", "").replace("new.example.com.", "new")
}

fn served<'y>(yard: &'y Yard, text: &str) -> Bellwether<'y> {
    let server = Bellwether::new(yard, "primary");
    server.write_zone(text);
    server.alone("");
    server.start();
    server.wait(1);
    server
}

/// The server with every zone of a folder.
fn folder(yard: &Yard) -> (Bellwether<'_>, PathBuf) {
    let server = Bellwether::new(yard, "primary");
    let zones = server.dir.join("zones");
    fs::create_dir(&zones).expect("a directory");
    (server, zones)
}

fn configure_pattern(server: &Bellwether, pattern: &str) {
    server.configure(&format!(
        "[[zones]]\nrole = \"primary\"\nfile = \"{}\"\nallow_transfer = [\"key:{KEY_NAME}\"]\n",
        server.dir.join(pattern).display()
    ));
}

fn names(server: &Bellwether) -> Vec<String> {
    let output = server.command(&["status"], &["--json"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let zones = value["zones"].as_array().expect("zones").iter();
    let mut names: Vec<_> = zones.filter_map(|zone| zone["zone"].as_str().map(str::to_owned)).collect();
    names.sort();
    names
}

fn a_half_written_file(yard: &Yard) {
    let server = served(yard, &zone_text(1, 0));
    let text = large_text(2, 200);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut file =
        OpenOptions::new().write(true).truncate(true).open(server.zone_file()).expect("the zone file");
    // Each part ends with a line, so that what stands there is a zone of its own, only a shorter one.
    for part in lines.chunks(lines.len() / 5) {
        file.write_all(part.concat().as_bytes()).expect("written");
        let begun = Instant::now();
        while begun.elapsed() < PAUSE {
            assert_eq!(yard::serial(server.address, ZONE), Some(1));
        }
    }
    drop(file);
    server.wait(2);
    assert_eq!(dig(server.address, &["+short", "large-199.example.com", "A"]).trim(), "10.0.0.199");
    assert!(server.status()["problem"].is_null(), "{}", server.status());
    // Over the network the same: a name that is not the zone's until the last octet is there.
    let part = server.dir.join(".example.com.zone.part");
    fs::write(&part, large_text(3, 100)).expect("a file");
    assert_eq!(yard::serial(server.address, ZONE), Some(2));
    fs::write(&part, large_text(3, 201)).expect("a file");
    fs::rename(&part, server.zone_file()).expect("a rename");
    server.wait(3);
    assert_eq!(dig(server.address, &["+short", "large-200.example.com", "A"]).trim(), "10.0.0.200");
}

fn an_emptied_file(yard: &Yard) {
    let server = served(yard, &zone_text(1, 0));
    // What a full disk or a failed generator leaves.
    File::create(server.zone_file()).expect("the zone file");
    assert!(server.problem().contains("SOA"), "{}", server.status());
    assert_eq!(yard::transfer(server.address, ZONE).len(), 77);
    // Far smaller but a zone: it is looked at for longer, and then it is what the operator wants.
    fs::write(server.zone_file(), "$TTL 60\n@ SOA ns1 h 2 60 60 86400 60\n@ NS ns1\nns1 A 192.0.2.1\n")
        .expect("the zone file");
    server.wait(2);
    assert_eq!(yard::transfer(server.address, ZONE).len(), 4);
    assert!(server.status()["problem"].is_null(), "{}", server.status());
}

fn an_included_file(yard: &Yard) {
    let server = Bellwether::new(yard, "primary");
    let hosts = server.dir.join("hosts.inc");
    fs::write(&hosts, "inside A 192.0.2.200\n").expect("a file");
    server.write_zone(&(zone_text(1, 0) + "$INCLUDE hosts.inc\n"));
    server.alone("");
    server.start();
    server.wait(1);
    let inside = || dig(server.address, &["+short", "inside.example.com", "A"]).trim().to_owned();
    assert_eq!(inside(), "192.0.2.200");
    replace(&hosts, "inside A 192.0.2.201\n");
    server.wait(2);
    assert_eq!(inside(), "192.0.2.201");
    fs::write(&hosts, "inside A 192.0.2.202\n").expect("a file");
    server.wait(3);
    assert_eq!(inside(), "192.0.2.202");
    fs::remove_file(&hosts).expect("a file");
    assert!(server.problem().contains("hosts.inc"), "{}", server.status());
    assert_eq!(inside(), "192.0.2.202");
    fs::write(&hosts, "inside A 192.0.2.203\n").expect("a file");
    server.wait(4);
    assert_eq!(inside(), "192.0.2.203");
}

fn a_pattern(yard: &Yard) {
    let (server, zones) = folder(yard);
    let zone = |file: &str| fs::write(zones.join(file), relative(1)).expect("a file");
    for file in ["a.example.zone", "B.example.zone", "0%2f25.2.0.192.in-addr.arpa.zone"] {
        zone(file);
    }
    let litter = [".c.example.zone", "d.example.zone~", ".e.example.zone.swp", "f.example.zone.swp", "4913"];
    litter.into_iter().for_each(zone);
    configure_pattern(&server, "zones/*");
    // A star alone takes what has no ending as well, and never what editors leave.
    server.start();
    let all =
        ["0/25.2.0.192.in-addr.arpa.zone.", "a.example.zone.", "b.example.zone."].map(str::to_owned).to_vec();
    assert_eq!(names(&server), all);
    assert!(server.stop().success());
    configure_pattern(&server, "zones/*.zone");
    server.start();
    let all = ["0/25.2.0.192.in-addr.arpa.", "a.example.", "b.example."].map(str::to_owned).to_vec();
    assert_eq!(names(&server), all);
    // New files come in with a reload; the litter does not, and a file that went keeps its zone.
    zone("g.example.zone");
    zone(".h.example.zone");
    fs::remove_file(zones.join("a.example.zone")).expect("a file");
    let output = server.command(&["reload"], &[]);
    assert!(output.status.success(), "{output:?}");
    let soa = |zone: &str| yard::serial(server.address, zone);
    yard::poll("the new zone", || soa("g.example"));
    assert_eq!((soa("a.example"), soa("c.example"), soa("h.example")), (Some(1), None, None));
    yard::poll("the vanished file to be told", || {
        (server.status_of("a.example")["problem"]["code"] == "BW-Z03").then_some(())
    });
    assert_eq!(names(&server).len(), 4);
    let output = server.command(&["zone"], &["remove", "a.example"]);
    assert!(output.status.success(), "{output:?}");
    yard::poll("the zone to go", || {
        dig(server.address, &["a.example", "SOA"]).contains("REFUSED").then_some(())
    });
    assert_eq!(soa("g.example"), Some(1));
}

fn a_reload_that_loses_zones(yard: &Yard) {
    let server = Bellwether::new(yard, "primary");
    server.write_zone(&relative(1));
    let configure = |count: usize| {
        let file = server.zone_file().display().to_string();
        let zone =
            |n: usize| format!("[[zones]]\nname = \"z{n}.example\"\nrole = \"primary\"\nfile = \"{file}\"\n");
        server.configure(&(0..count).map(zone).collect::<String>());
    };
    let served = || names(&server).len();
    // Zones come and go one after the other, each on its own.
    let come_to = |count: usize| yard::poll("the zones", || (served() == count).then_some(()));
    let answers = |zone: &str| yard::poll(zone, || yard::serial(server.address, zone));
    configure(40);
    server.start();
    come_to(40);
    // Ten of them may go without a question.
    configure(30);
    assert!(server.command(&["reload"], &[]).status.success());
    come_to(30);
    answers("z29.example");
    configure(19);
    let output = server.command(&["reload"], &[]);
    let told = yard::said(&output);
    assert!(!output.status.success() && told.contains("11 of 30 zones would go"), "{told}");
    server.hang_up();
    assert_eq!((served(), yard::serial(server.address, "z29.example")), (30, Some(1)));
    // Everything else in such a config waits as well; with force all of it is taken.
    let output = server.command(&["reload"], &["--force"]);
    assert!(output.status.success(), "{output:?}");
    come_to(19);
    answers("z18.example");
    assert!(dig(server.address, &["z19.example", "SOA"]).contains("REFUSED"));
}

fn the_same_content(yard: &Yard) {
    let server = served(yard, &zone_text(1, 0));
    let unchanged = |how: &str| {
        let output = server.command(&["zone"], &["reload", ZONE]);
        let told = yard::said(&output);
        assert!(output.status.success() && told.contains("nothing changed"), "{how}: {told}");
        assert_eq!(yard::serial(server.address, ZONE), Some(1), "{how}");
    };
    unchanged("no edit");
    yard::run(Command::new("touch").arg(server.zone_file()));
    unchanged("touch");
    server.write_zone(&zone_text(1, 0));
    unchanged("a new file with the same octets");
    server.write_zone(&(zone_text(1, 0) + "; a comment\n\n"));
    unchanged("a comment");
    let turned = |text: String| {
        let (head, hosts) = text.split_at(text.find("host-1 ").expect("a host"));
        head.to_owned() + &hosts.lines().rev().map(|line| line.to_owned() + "\n").collect::<String>()
    };
    server.write_zone(&turned(zone_text(1, 0)));
    unchanged("another order");
    server.write_zone(&zone_text(1, 0).replace("www CNAME mail", "www  IN 3600  CNAME  mail.example.com."));
    unchanged("another spelling");
    let history =
        || yard::records(&dig_signed(server.address, &["+tcp", "+noall", "+answer", ZONE, "IXFR=1"]));
    assert_eq!(history().len(), 1, "{:#?}", history());
    server.write_zone(&zone_text(1, 1));
    server.wait(2);
    assert_eq!(history().len(), 8, "{:#?}", history());
}

fn names_of_others(yard: &Yard) {
    let (server, zones) = folder(yard);
    // Large enough for a file of their own in the state directory as well.
    let large = |serial| {
        relative(serial) + &(0..3_000).map(|n| format!("host-of-many-{n} A 192.0.2.9\n")).collect::<String>()
    };
    let long = [63, 63, 63].map(|octets| "x".repeat(octets)).join(".");
    let cases = [
        ("0/25.2.0.192.in-addr.arpa", "0%2f25.2.0.192.in-addr.arpa"),
        ("\\.\\.", "%2e%2e"),
        ("\\.\\./\\.\\./etc/passwd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd"),
        ("a\\000b.example", "a%00b.example"),
        ("UPPER.example", "upper.example"),
        (&long, &long),
    ];
    let mut config = format!(
        "[templates.default]\nrole = \"primary\"\nfile = \"zones/%s.zone\"\n\
         allow_transfer = [\"key:{KEY_NAME}\"]\n"
    );
    for (zone, stem) in &cases {
        fs::write(zones.join(format!("{stem}.zone")), large(1)).expect("a file");
        config += &format!("[[zones]]\nname = '{zone}'\n");
    }
    server.configure(&config);
    let output = server.command(&["check"], &[]);
    assert!(output.status.success(), "{}", yard::said(&output));
    server.start();
    for (zone, stem) in &cases {
        let status = server.status_of(zone);
        assert!(status["file"].as_str().is_some_and(|file| file.ends_with(&format!("/zones/{stem}.zone"))));
        yard::poll(zone, || yard::serial(server.address, zone).filter(|serial| *serial == 1));
        replace(&zones.join(format!("{stem}.zone")), &large(2));
        yard::poll(zone, || yard::serial(server.address, zone).filter(|serial| *serial == 2));
    }
    // What is stored of them is named by a hash, and nothing lies outside.
    server.kill();
    let listed = |dir: PathBuf| {
        let mut names: Vec<_> = fs::read_dir(dir)
            .expect("a directory")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
            .collect();
        names.sort();
        names
    };
    assert_eq!(listed(server.dir.clone()), ["config.toml", "state", "zones"]);
    assert_eq!(listed(zones).len(), cases.len());
    let bodies = listed(server.dir.join("state/bodies"));
    assert_eq!(bodies.len(), cases.len(), "{bodies:?}");
    let hashed = |name: &String| name.len() == 49 && name.bytes().all(|o| o.is_ascii_hexdigit() || o == b'.');
    assert!(bodies.iter().all(hashed), "{bodies:?}");
    server.start();
    for (zone, _) in &cases {
        assert_eq!(yard::serial(server.address, zone), Some(2), "{zone}");
    }
}

fn names_that_make_no_file(yard: &Yard) {
    let server = Bellwether::new(yard, "primary");
    let longest = [63, 63, 63, 61].map(|octets| "x".repeat(octets)).join(".");
    let too_long = [63, 63, 63, 63].map(|octets| "x".repeat(octets)).join(".");
    for (zone, file, said) in [
        (longest.as_str(), "zones/%s.zone", "258 octets long"),
        (&too_long, "zones/%s", "255"),
        ("..", "zones/%s", ".."),
        ("../etc/passwd", "zones/%s", "../etc"),
        ("a.example", "%s/zone", "not of a directory"),
        ("a.example", "zones/%d", "`%`"),
    ] {
        server.configure(&format!("[[zones]]\nname = \"{zone}\"\nrole = \"primary\"\nfile = \"{file}\"\n"));
        for told in [yard::said(&server.command(&["check"], &[])), server.refuses_to_start()] {
            assert!(told.contains(said) && told.contains("config.toml:"), "{zone}, {file}: {told}");
        }
    }
    server.configure(&format!("[[zones]]\nname = \"{longest}\"\nrole = \"primary\"\nfile = \"%s\"\n"));
    let least = "@ 60 SOA . . 1 60 60 86400 60\n@ 60 NS ns.example.net.\n";
    fs::write(server.dir.join(&longest), least).expect("a file");
    server.start();
    yard::poll("the zone", || yard::serial(server.address, &longest));
}
