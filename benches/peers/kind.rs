//! Which servers there are, where their programs are and how each is configured.

use std::io;
use std::path::PathBuf;
use std::process::Command;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The replies of the kernel alone.
    Floor,
    /// This one.
    Bellwether,
    /// NSD.
    Nsd,
    /// Knot DNS.
    Knot,
    /// BIND 9.
    Bind,
    /// PowerDNS with its BIND backend.
    PowerDns,
}

/// How a server is configured and told of changes.
pub struct Manner {
    /// Its config: sections after `%% NAME` for the server and for a zone in each role.
    pub template: &'static str,
    /// The file of the server's section.
    pub file: &'static str,
    /// The file of the zones' sections, often the same.
    pub zones_file: &'static str,
    /// Its arguments; `@DIR@` and the like are filled in here too.
    pub arguments: &'static [&'static str],
    /// Who may transfer: the client's address, or who has the key.
    pub grants: Option<[&'static str; 2]>,
    /// How it learns that a zone file changed.
    pub told: Told,
}

/// How a server learns that a zone file changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It looks itself.
    Watches,
    /// By SIGHUP.
    Hangup,
    /// By these commands of its control program.
    Commands(&'static str, &'static [&'static [&'static str]]),
}

/// The program of a server that is not ours, the Debian package, the variable that names another
/// program to take, and how it is asked for its version.
struct Peer {
    program: &'static str,
    package: &'static str,
    variable: &'static str,
    version: &'static str,
}

const BELLWETHER: Manner = Manner {
    template: include_str!("conf/bellwether.toml"),
    file: "bellwether.toml",
    zones_file: "bellwether.toml",
    arguments: &["run", "--log", "warn", "--config", "@DIR@/bellwether.toml"],
    grants: Some(["127.0.0.1", "key:bench."]),
    told: Told::Watches,
};
const NSD: Manner = Manner {
    template: include_str!("conf/nsd.conf"),
    file: "nsd.conf",
    zones_file: "nsd.conf",
    arguments: &["-d", "-c", "@DIR@/nsd.conf"],
    grants: Some(["NOKEY", "bench."]),
    told: Told::Hangup,
};
const KNOT: Manner = Manner {
    template: include_str!("conf/knot.conf"),
    file: "knot.conf",
    zones_file: "knot.conf",
    arguments: &["-c", "@DIR@/knot.conf"],
    grants: Some(["open", "keyed"]),
    told: Told::Commands("knotc", &[&["-s", "@DIR@/knot.sock", "zone-reload", "@ZONE@"]]),
};
const BIND: Manner = Manner {
    template: include_str!("conf/named.conf"),
    file: "named.conf",
    zones_file: "named.conf",
    arguments: &["-f", "-n", "@WORKERS@", "-c", "@DIR@/named.conf"],
    grants: Some(["127.0.0.1;", "key bench.;"]),
    told: Told::Hangup,
};
const POWER_DNS: Manner = Manner {
    template: include_str!("conf/pdns.conf"),
    file: "pdns.conf",
    zones_file: "zones.conf",
    arguments: &["--config-dir=@DIR@"],
    // Keys live in a database of its own.
    grants: None,
    told: Told::Commands(
        "pdns_control",
        &[&["--socket-dir=@DIR@", "bind-reload-now", "@ZONE@"], &["--socket-dir=@DIR@", "notify", "@ZONE@"]],
    ),
};

impl Kind {
    /// All of them, as the tables show them.
    pub const ALL: [Kind; 6] =
        [Kind::Floor, Kind::Bellwether, Kind::Nsd, Kind::Knot, Kind::Bind, Kind::PowerDns];

    /// What the tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Floor => "floor",
            Kind::Bellwether => "Bellwether",
            Kind::Nsd => "NSD",
            Kind::Knot => "Knot",
            Kind::Bind => "BIND",
            Kind::PowerDns => "PowerDNS",
        }
    }

    /// How it is configured; the floor is not.
    pub fn manner(self) -> Option<&'static Manner> {
        match self {
            Kind::Floor => None,
            Kind::Bellwether => Some(&BELLWETHER),
            Kind::Nsd => Some(&NSD),
            Kind::Knot => Some(&KNOT),
            Kind::Bind => Some(&BIND),
            Kind::PowerDns => Some(&POWER_DNS),
        }
    }

    fn peer(self) -> Option<Peer> {
        let (program, package, variable, version) = match self {
            Kind::Floor | Kind::Bellwether => return None,
            Kind::Nsd => ("nsd", "nsd", "BELLWETHER_BENCH_NSD", "-v"),
            Kind::Knot => ("knotd", "knot", "BELLWETHER_BENCH_KNOTD", "-V"),
            Kind::Bind => ("named", "bind9", "BELLWETHER_BENCH_NAMED", "-V"),
            Kind::PowerDns => {
                ("pdns_server", "pdns-server pdns-backend-bind", "BELLWETHER_BENCH_PDNS_SERVER", "--version")
            }
        };
        Some(Peer { program, package, variable, version })
    }

    /// Its program.
    pub fn program(self) -> io::Result<PathBuf> {
        match (self, self.peer()) {
            (Kind::Floor, _) => std::env::current_exe(),
            (_, None) => Ok(PathBuf::from(env!("CARGO_BIN_EXE_bellwether"))),
            (_, Some(peer)) => {
                peer.find().ok_or_else(|| io::Error::other(self.missing().unwrap_or_default()))
            }
        }
    }

    /// If it is not installed, what to do about it.
    pub fn missing(self) -> Option<String> {
        let Peer { program, package, variable, .. } = self.peer().filter(|peer| peer.find().is_none())?;
        Some(format!("{program} is missing: apt-get install {package}, or name the program in {variable}"))
    }

    /// What it says of itself, NSD's configure line included; one line each.
    pub fn version(self) -> io::Result<Vec<String>> {
        let argument = match (self, self.peer()) {
            (Kind::Floor, _) => {
                return Ok(vec!["recvmmsg and sendmmsg of 64, QR set, nothing else".to_owned()]);
            }
            (_, None) => "--version",
            (_, Some(peer)) => peer.version,
        };
        let output = Command::new(self.program()?).arg(argument).output()?;
        let text =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        let told = text.lines().enumerate();
        let told =
            told.filter(|(at, line)| *at == 0 || (self == Kind::Nsd && line.starts_with("Configure line")));
        // PowerDNS tells the time first.
        let bare = |line: &str| line.find("PowerDNS").map_or(line, |at| &line[at..]).trim().to_owned();
        Ok(told.map(|(_, line)| bare(line)).collect())
    }
}

impl Peer {
    /// The program that the variable names, else the installed one.
    fn find(&self) -> Option<PathBuf> {
        if let Some(named) = std::env::var_os(self.variable) {
            return Some(PathBuf::from(named)).filter(|file| file.is_file());
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        folders.map(|folder| folder.join(self.program)).find(|file| file.is_file())
    }
}

impl Manner {
    /// A section of the template.
    pub fn section(&self, name: &str) -> &'static str {
        let mut sections = self.template.split("%% ");
        let section = sections.find_map(|section| section.strip_prefix(name)?.strip_prefix('\n'));
        section.unwrap_or_else(|| panic!("{} has no section {name}", self.file))
    }
}
