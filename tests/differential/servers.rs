//! The servers that are asked, each with a config for all zones of a batch.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ground::{self, Process, Yard};
use crate::name::Name;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Ours.
    Bellwether,
    /// BIND 9.
    Bind,
    /// Knot DNS.
    Knot,
    /// NSD.
    Nsd,
    /// PowerDNS with its BIND backend.
    PowerDns,
}

/// All of them, ours first, then those whose word counts, then PowerDNS.
pub const ALL: [Kind; 5] = [Kind::Bellwether, Kind::Bind, Kind::Knot, Kind::Nsd, Kind::PowerDns];

/// The programs of the others.
pub const PROGRAMS: &[&str] = &["named", "knotd", "nsd", "pdns_server"];

/// The most that any of them sends over UDP.
const UDP_PAYLOAD: u16 = 1232;

/// A running server.
pub struct Server {
    /// Which.
    pub kind: Kind,
    /// Where it listens.
    pub address: SocketAddr,
    process: Process,
}

impl Server {
    /// Starts one with these zones and their files.
    pub fn start(yard: &Yard, kind: Kind, zones: &[(Name, PathBuf)]) -> Server {
        let name = format!("{kind:?}").to_lowercase();
        let (dir, address) = (yard.folder(&name), ground::free_address());
        let mut command = match kind {
            Kind::Bellwether => bellwether(&dir, address, zones),
            Kind::Bind => bind(&dir, address, zones),
            Kind::Knot => knot(&dir, address, zones),
            Kind::Nsd => nsd(&dir, address, zones),
            Kind::PowerDns => power_dns(&dir, address, zones),
        };
        let process = yard.start(&name, command.current_dir(&dir));
        Server { kind, address, process }
    }

    /// Fails if it has ended.
    pub fn assert_running(&mut self) {
        self.process.assert_running();
    }

    /// What it has logged about one zone.
    pub fn said_about(&self, zone: &Name) -> String {
        let (log, zone) = (self.process.text(), zone.to_string());
        let about = log.lines().filter(|line| line.contains(zone.trim_end_matches('.')));
        about.take(20).collect::<Vec<_>>().join("\n")
    }
}

/// Writes the config and gives the program with its arguments, the path of the config last.
fn with_config(dir: &Path, name: &str, text: &str, program: &Path, arguments: &[&str]) -> Command {
    let config = dir.join(name);
    fs::write(&config, text).expect("a config");
    let mut command = Command::new(program);
    command.args(arguments).arg(config);
    command
}

/// One piece of config for each zone; names without the last dot.
fn each(zones: &[(Name, PathBuf)], piece: impl Fn(&str, &str) -> String) -> String {
    let piece = |(name, file): &(Name, PathBuf)| {
        piece(name.to_string().trim_end_matches('.'), &file.display().to_string())
    };
    zones.iter().map(piece).collect()
}

fn program(name: &str) -> PathBuf {
    ground::find(name).expect("looked for before")
}

fn bellwether(dir: &Path, address: SocketAddr, zones: &[(Name, PathBuf)]) -> Command {
    let zones = each(zones, |name, file| {
        format!("[[zones]]\nname = \"{name}\"\nrole = \"primary\"\nfile = \"{file}\"\nserial = \"keep\"\n")
    });
    let text = format!("[server]\nlisten = [\"{address}\"]\nstate_dir = \"state\"\nworkers = 1\n{zones}");
    let bellwether = Path::new(env!("CARGO_BIN_EXE_bellwether"));
    with_config(dir, "config.toml", &text, bellwether, &["run", "--config"])
}

fn bind(dir: &Path, address: SocketAddr, zones: &[(Name, PathBuf)]) -> Command {
    // AppArmor binds its rules to the path of the program, and those know no test directories.
    let copy = dir.join("named");
    ground::run(Command::new("cp").arg(program("named")).arg(&copy));
    let zones = each(zones, |name, file| {
        format!("zone \"{name}\" {{ type primary; check-names ignore; file \"{file}\"; }};\n")
    });
    let text = format!(
        "options {{ directory \"{}\"; listen-on port {} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n\
         pid-file none; session-keyfile none; recursion no; dnssec-validation no; notify no;\n\
         max-udp-size {UDP_PAYLOAD}; edns-udp-size {UDP_PAYLOAD}; minimal-responses no-auth; minimal-any no;\n\
         empty-zones-enable no; answer-cookie no; zero-no-soa-ttl no; check-integrity no; check-mx ignore; check-srv-cname ignore;\n\
         check-mx-cname ignore; check-wildcard no; check-sibling no; check-spf ignore; }};\ncontrols {{ }};\n{zones}",
        dir.display(),
        address.port(),
    );
    with_config(dir, "named.conf", &text, &copy, &["-g", "-n", "1", "-c"])
}

fn knot(dir: &Path, address: SocketAddr, zones: &[(Name, PathBuf)]) -> Command {
    let zones = each(zones, |name, file| format!("  - domain: \"{name}\"\n    file: \"{file}\"\n"));
    let folder = dir.display();
    let text = format!(
        "server:\n    listen: 127.0.0.1@{}\n    rundir: \"{folder}\"\n    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n\
         \x20   udp-max-payload: {UDP_PAYLOAD}\n    answer-rotation: off\n\
         log:\n  - target: stderr\n    any: info\n\
         database:\n    storage: \"{folder}/db\"\n    journal-db-max-size: 64M\n    kasp-db-max-size: 8M\n    timer-db-max-size: 8M\n    catalog-db-max-size: 8M\n\
         template:\n  - id: default\n    zonefile-sync: -1\n    zonefile-load: whole\n    journal-content: none\n    semantic-checks: soft\n\
         zone:\n{zones}",
        address.port(),
    );
    fs::create_dir_all(dir.join("db")).expect("a directory");
    with_config(dir, "knot.conf", &text, &program("knotd"), &["-c"])
}

fn nsd(dir: &Path, address: SocketAddr, zones: &[(Name, PathBuf)]) -> Command {
    let zones = each(zones, |name, file| format!("zone:\n    name: \"{name}\"\n    zonefile: \"{file}\"\n"));
    let folder = dir.display();
    // Without minimal responses it adds the NS of the apex to positive answers, and nobody else does.
    let text = format!(
        "server:\n    ip-address: 127.0.0.1@{}\n    username: \"\"\n    server-count: 1\n    zonesdir: \"{folder}\"\n    database: \"\"\n\
         \x20   pidfile: \"{folder}/nsd.pid\"\n    xfrdfile: \"{folder}/xfrd.state\"\n    xfrdir: \"{folder}\"\n    zonelistfile: \"{folder}/zone.list\"\n\
         \x20   verbosity: 2\n    ipv4-edns-size: {UDP_PAYLOAD}\n    minimal-responses: yes\n    round-robin: no\n    rrl-ratelimit: 0\n\
         remote-control:\n    control-enable: no\n{zones}",
        address.port(),
    );
    with_config(dir, "nsd.conf", &text, &program("nsd"), &["-d", "-c"])
}

fn power_dns(dir: &Path, address: SocketAddr, zones: &[(Name, PathBuf)]) -> Command {
    let zones = each(zones, |name, file| format!("zone \"{name}\" {{ type master; file \"{file}\"; }};\n"));
    fs::write(dir.join("named.conf"), zones).expect("a config");
    let folder = dir.display();
    let text = format!(
        "launch=bind\nbind-config={folder}/named.conf\nlocal-address=127.0.0.1\nlocal-port={}\nsocket-dir={folder}\n\
         daemon=no\nguardian=no\ndisable-syslog=yes\nloglevel=5\nreceiver-threads=1\ndistributor-threads=1\n\
         any-to-tcp=no\ncache-ttl=0\nquery-cache-ttl=0\nnegquery-cache-ttl=0\ndname-processing=yes\nudp-truncation-threshold={UDP_PAYLOAD}\n\
         version-string=powerdns\nconsistent-backends=yes\n",
        address.port()
    );
    fs::write(dir.join("pdns.conf"), text).expect("a config");
    let mut command = Command::new(program("pdns_server"));
    command.arg(format!("--config-dir={folder}"));
    command
}
