//! The servers under test, each started with a config of its own on a port that was free.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bellwether::dns::message::{Header, Question, Writer};
use bellwether::dns::{Class, Name, OpCode, RecordType};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::usage;
use crate::zone::APEX;

/// How long a server may take until it answers.
const START_PATIENCE: Duration = Duration::from_secs(300);
/// How long a server may take to end before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

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

/// A server that is not ours: its program, the Debian package, the variable that names another
/// program to take, how it is asked for its version, its config files and its arguments. `@DIR@` and
/// the like are filled in.
struct Peer {
    program: &'static str,
    package: &'static str,
    variable: &'static str,
    version: &'static str,
    files: &'static [(&'static str, &'static str)],
    arguments: &'static [&'static str],
}

const NSD: Peer = Peer {
    program: "nsd",
    package: "nsd",
    variable: "BELLWETHER_BENCH_NSD",
    version: "-v",
    files: &[("nsd.conf", include_str!("conf/nsd.conf"))],
    arguments: &["-d", "-c", "@DIR@/nsd.conf"],
};
const KNOT: Peer = Peer {
    program: "knotd",
    package: "knot",
    variable: "BELLWETHER_BENCH_KNOTD",
    version: "-V",
    files: &[("knot.conf", include_str!("conf/knot.conf"))],
    arguments: &["-c", "@DIR@/knot.conf"],
};
const BIND: Peer = Peer {
    program: "named",
    package: "bind9",
    variable: "BELLWETHER_BENCH_NAMED",
    version: "-V",
    files: &[("named.conf", include_str!("conf/named.conf"))],
    arguments: &["-f", "-n", "1", "-c", "@DIR@/named.conf"],
};
const POWER_DNS: Peer = Peer {
    program: "pdns_server",
    package: "pdns-server pdns-backend-bind",
    variable: "BELLWETHER_BENCH_PDNS_SERVER",
    version: "--version",
    files: &[
        ("pdns.conf", include_str!("conf/pdns.conf")),
        ("zones.conf", include_str!("conf/pdns-zones.conf")),
    ],
    arguments: &["--config-dir=@DIR@"],
};

/// A server that runs.
pub struct Server {
    /// Which.
    pub kind: Kind,
    /// Where it answers.
    pub address: SocketAddr,
    child: Child,
}

impl Kind {
    /// All of them, as the table shows them.
    pub const ALL: [Kind; 6] =
        [Kind::Floor, Kind::Bellwether, Kind::Nsd, Kind::Knot, Kind::Bind, Kind::PowerDns];

    /// What the table calls it.
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

    fn peer(self) -> Option<&'static Peer> {
        match self {
            Kind::Floor | Kind::Bellwether => None,
            Kind::Nsd => Some(&NSD),
            Kind::Knot => Some(&KNOT),
            Kind::Bind => Some(&BIND),
            Kind::PowerDns => Some(&POWER_DNS),
        }
    }

    /// Its program.
    fn program(self) -> io::Result<PathBuf> {
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

    /// Starts it on processor `core` with a zone file, or with a length of all replies for the floor,
    /// and waits until it answers.
    pub fn start(self, dir: &Path, zone_file: &Path, reply_octets: usize, core: usize) -> io::Result<Server> {
        let dir = dir.join(self.name().to_lowercase());
        fs::create_dir_all(&dir)?;
        fs::create_dir_all(dir.join("db"))?;
        let mut program = self.program()?;
        if self == Kind::Bind {
            // AppArmor binds its rules to the path of the program, and those know no other directory.
            let copy = dir.join("named");
            fs::copy(&program, &copy)?;
            program = copy;
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let fill = |text: &str| {
            text.replace("@DIR@", &dir.display().to_string())
                .replace("@PORT@", &port.to_string())
                .replace("@ZONE@", APEX)
                .replace("@FILE@", &zone_file.display().to_string())
        };
        let (files, arguments): (&[(&str, &str)], Vec<String>) = match (self, self.peer()) {
            (Kind::Floor, _) => (&[], vec!["--floor".to_owned(), reply_octets.to_string()]),
            (_, None) => (
                &[("bellwether.toml", include_str!("conf/bellwether.toml"))],
                vec!["run".to_owned(), "--config".to_owned(), fill("@DIR@/bellwether.toml")],
            ),
            (_, Some(peer)) => (peer.files, peer.arguments.iter().map(|argument| fill(argument)).collect()),
        };
        for (name, text) in files {
            fs::write(dir.join(name), fill(text))?;
        }
        let log = fs::File::create(dir.join("log"))?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&dir).stdin(Stdio::null()).stderr(log.try_clone()?);
        command.stdout(if self == Kind::Floor { Stdio::piped() } else { log.into() });
        let child = spawn_on(core, command)?;
        let mut server = Server { kind: self, address: (Ipv4Addr::LOCALHOST, port).into(), child };
        if let Some(output) = server.child.stdout.take() {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line)?;
            server.address = line.trim().parse().map_err(io::Error::other)?;
        }
        server.wait_until_it_answers(&dir.join("log"))?;
        Ok(server)
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

/// Keeps the calling thread, and what it starts, on one processor.
pub fn pin(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// Starts a process that has only one processor: it gets that of the thread that starts it.
fn spawn_on(core: usize, mut command: Command) -> io::Result<Child> {
    let spawn = move || pin(core).and_then(|()| command.spawn());
    std::thread::spawn(spawn).join().expect("starting a process does not panic")
}

impl Server {
    /// The root of its processes.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_it_answers(&mut self, log: &Path) -> io::Result<()> {
        let said = |what: &str| {
            let log = fs::read_to_string(log).unwrap_or_default();
            io::Error::other(format!("{} {what}; its log:\n{log}", self.kind.name()))
        };
        let until = Instant::now() + START_PATIENCE;
        while !answers(self.address, self.kind) {
            if let Some(status) = self.child.try_wait()? {
                return Err(said(&format!("ended with {status}")));
            }
            if Instant::now() > until {
                return Err(said("does not answer"));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }
}

/// Whether a server answers with the SOA of the zone; the floor answers with anything.
fn answers(address: SocketAddr, kind: Kind) -> bool {
    let apex = Name::parse(APEX).expect("a name");
    let mut octets = [0; 512];
    let question = Question { name: apex.as_ref(), qtype: RecordType::SOA, qclass: Class::IN };
    let length = Writer::request(&mut octets, 1, OpCode::Query, question).finish();
    let reply = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| {
        socket.set_read_timeout(Some(Duration::from_millis(500)))?;
        socket.connect(address)?;
        socket.send(&octets[..length])?;
        socket.recv(&mut octets)
    });
    let header = reply.ok().and_then(|length| Header::read(&octets[..length]));
    header.is_some_and(|header| kind == Kind::Floor || (header.rcode() == 0 && header.counts[1] > 0))
}

impl Drop for Server {
    /// Ends it with all its processes, known before, so that none stays behind.
    fn drop(&mut self) {
        let pid = |process: u32| Pid::from_raw(process as i32);
        let tree = usage::tree(self.child.id());
        // It may have ended by itself.
        let _ = kill(pid(self.child.id()), Signal::SIGTERM);
        let until = Instant::now() + STOP_PATIENCE;
        while tree.iter().any(|process| kill(pid(*process), None).is_ok()) {
            if Instant::now() > until {
                tree.iter().for_each(|process| kill(pid(*process), Signal::SIGKILL).unwrap_or_default());
                let _ = self.child.wait();
                return;
            }
            // Its remains count as a process until they were waited for.
            let _ = self.child.try_wait();
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}
