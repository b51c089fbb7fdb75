//! Very many zones of one primary of another make, which a secondary without any asks for together.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Test;
use crate::bellwether::Bellwether;
use crate::peer::own_named;
use crate::yard::{self, Yard};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("e12_many_zones_come_from_bind_which_sends_ten_at_once", &["dig", "named"], |yard| many(yard, of_bind)),
    ("e12_many_zones_come_from_knot", &["dig", "knotd"], |yard| many(yard, of_knot)),
    ("e12_many_zones_come_from_nsd", &["dig", "nsd"], |yard| many(yard, of_nsd)),
];

const ZONES: usize = 200;

/// Makes the config of a primary for zones `z0.example` and so on, whose files have these names in the folder,
/// and how it is started.
type Primary = fn(dir: &Path, port: u16) -> Command;

fn many(yard: &Yard, primary: Primary) {
    let (dir, address) = (yard.folder("primary"), yard::free_address());
    for zone in 0..ZONES {
        // Some are too long for one message.
        let hosts = if zone % 40 == 0 { 1_500 } else { 3 };
        let mut text = format!("$ORIGIN z{zone}.example.\n@ 60 SOA ns h 1 3600 600 86400 60\n@ 60 NS ns\n");
        (0..hosts).for_each(|host| writeln!(text, "ns{host} 60 A 192.0.2.1").expect("a string"));
        fs::write(dir.join(format!("z{zone}.example")), text + "ns 60 A 192.0.2.1\n").expect("a file");
    }
    let mut command = primary(&dir, address.port());
    let _running = yard.start("primary", command.current_dir(&dir));
    yard::poll("the last zone", || yard::serial(address, &format!("z{}.example", ZONES - 1)));
    let secondary = Bellwether::new(yard, "secondary");
    let mut zones = format!("[peers.other]\naddress = \"{address}\"\n");
    for zone in 0..ZONES {
        write!(
            zones,
            "[[zones]]\nname = \"z{zone}.example\"\nrole = \"secondary\"\nprimaries = [\"other\"]\n"
        )
        .expect("a string");
    }
    secondary.configure(&zones);
    secondary.start();
    for zone in 0..ZONES {
        yard::poll("each zone", || yard::serial(secondary.address, &format!("z{zone}.example")));
    }
    // At the first attempt of each: nothing had to wait for a retry.
    let log = secondary.log();
    let refused: Vec<&str> = log.lines().filter(|line| line.contains("WARN")).take(3).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

/// With all zones in the words of `zone`.
fn config(dir: &Path, name: &str, head: &str, zone: fn(&str) -> String) {
    let zones: String = (0..ZONES).map(|number| zone(&format!("z{number}.example"))).collect();
    fs::write(dir.join(name), format!("{head}{zones}")).expect("a config");
}

fn of_bind(dir: &Path, port: u16) -> Command {
    let head = format!(
        "options {{ directory \"{}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; pid-file none;\n\
         session-keyfile none; recursion no; notify no; allow-transfer {{ any; }}; }};\ncontrols {{ }};\n",
        dir.display()
    );
    config(dir, "named.conf", &head, |name| {
        format!("zone \"{name}\" {{ type primary; file \"{name}\"; }};\n")
    });
    let mut command = Command::new(own_named(dir));
    command.args(["-g", "-n", "1", "-c"]).arg(dir.join("named.conf"));
    command
}

fn of_knot(dir: &Path, port: u16) -> Command {
    let at = dir.display();
    let head = format!(
        "server:\n    listen: 127.0.0.1@{port}\n    rundir: \"{at}\"\n    background-workers: 1\n\
         log:\n  - target: stderr\n    any: info\n\
         database:\n    storage: \"{at}\"\n    journal-db-max-size: 8M\n    kasp-db-max-size: 8M\n    timer-db-max-size: 8M\n    catalog-db-max-size: 8M\n\
         acl:\n  - id: all\n    address: 127.0.0.0/8\n    action: transfer\n\
         template:\n  - id: default\n    acl: all\n    storage: \"{at}\"\nzone:\n"
    );
    config(dir, "knot.conf", &head, |name| format!("  - domain: {name}\n    file: {name}\n"));
    let mut command = Command::new(yard::find("knotd").expect("looked for before"));
    command.arg("-c").arg(dir.join("knot.conf"));
    command
}

fn of_nsd(dir: &Path, port: u16) -> Command {
    let at = dir.display();
    let head = format!(
        "server:\n  ip-address: 127.0.0.1@{port}\n  username: \"\"\n  pidfile: \"{at}/pid\"\n  xfrdfile: \"{at}/xfrd\"\n\
         \x20 zonelistfile: \"{at}/list\"\n  database: \"\"\n  zonesdir: \"{at}\"\nremote-control:\n  control-enable: no\n"
    );
    config(dir, "nsd.conf", &head, |name| {
        format!("zone:\n  name: {name}\n  zonefile: {name}\n  provide-xfr: 127.0.0.0/8 NOKEY\n")
    });
    let mut command = Command::new(yard::find("nsd").expect("looked for before"));
    command.args(["-d", "-c"]).arg(dir.join("nsd.conf"));
    command
}
