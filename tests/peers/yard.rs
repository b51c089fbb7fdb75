//! What each test stands on: a directory, processes with logs, free ports, polling, dig.

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The name of the key that all servers share.
pub const KEY_NAME: &str = "flock.example.";
/// Its secret.
pub const KEY_SECRET: &str = "c2l4dGVlbiBvY3RldHMgYXJlIGVub3VnaCBoZXJlISE=";
/// How long anything that is expected may take; far more than it ever should.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks at something that is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(25);
/// How many logs a failure shows, the last ones.
const LOGS_MAX: usize = 10;
/// How much of each log a failure shows.
const LOG_LINES_MAX: usize = 60;

/// What dig says of datagrams that were not for it.
const STRAY: [&str; 2] = [";; Warning: query response not set", ";; Warning: ID mismatch"];

/// The programs that tests need, and the Debian package of each.
const PACKAGES: &[(&str, &str)] = &[
    ("dig", "bind9-dnsutils"),
    ("delv", "bind9-dnsutils"),
    ("dnssec-keygen", "bind9-utils"),
    ("dnssec-signzone", "bind9-utils"),
    ("ldns-keygen", "ldnsutils"),
    ("ldns-signzone", "ldnsutils"),
    ("kzonesign", "knot-dnssecutils"),
    ("named", "bind9"),
    ("knotd", "knot"),
    ("nsd", "nsd"),
    ("pdns_server", "pdns-server pdns-backend-bind"),
    ("pdns_control", "pdns-server"),
    ("vim", "vim"),
    ("systemd-analyze", "systemd"),
    ("git", "git"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("ip", "iproute2"),
];

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps what a panic of this thread said.
pub fn remember_panic(text: &str) {
    PANIC.with_borrow_mut(|kept| text.clone_into(kept));
}

/// What the last panic of this thread said.
pub fn last_panic() -> String {
    PANIC.with_borrow(Clone::clone)
}

/// Where a program is, if it is installed. Servers are looked for in `/usr/sbin` too.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// What to say if a program is not installed.
pub fn missing(program: &str) -> Option<String> {
    let package = PACKAGES.iter().find(|(name, _)| *name == program).map_or(program, |(_, package)| package);
    let line = format!("{program} is missing: apt-get install {package}");
    find(program).is_none().then_some(line)
}

/// The ground of one test.
#[derive(Debug)]
pub struct Yard {
    dir: tempfile::TempDir,
    logs: RefCell<Vec<PathBuf>>,
    started: Cell<u32>,
}

impl Yard {
    /// An empty directory.
    pub fn new() -> Yard {
        let dir = tempfile::Builder::new().prefix("bw-").tempdir().expect("a directory");
        Yard { dir, logs: RefCell::default(), started: Cell::new(0) }
    }

    /// A new directory in it.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.dir.path().join(name);
        fs::create_dir_all(&folder).expect("a directory");
        folder
    }

    /// Starts a server whose output goes to a log of its own.
    pub fn start(&self, name: &str, command: &mut Command) -> Process {
        self.started.set(self.started.get() + 1);
        let log = self.dir.path().join(format!("{:02}-{name}.log", self.started.get()));
        let out = File::create(&log).expect("a log");
        self.logs.borrow_mut().push(log.clone());
        let err = out.try_clone().expect("a log");
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        let child = child.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Process { child, log, name: name.into() }
    }

    /// The ends of all logs.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        let logs = self.logs.borrow();
        for path in &logs[logs.len().saturating_sub(LOGS_MAX)..] {
            let log = fs::read_to_string(path).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let end = &lines[lines.len().saturating_sub(LOG_LINES_MAX)..];
            text += &format!("---- {}\n{}\n", path.display(), end.join("\n"));
        }
        text
    }
}

/// A running server; it ends with its owner.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    /// Its standard output and error.
    pub log: PathBuf,
}

impl Process {
    /// What it has written so far.
    pub fn text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, by its own process id.
    pub fn signal(&self, signal: Signal) {
        let sent = kill(Pid::from_raw(self.child.id() as i32), signal);
        assert_eq!(sent, Ok(()), "{signal} to {}", self.name);
    }

    /// Ends it at once, as a crash does, and says where its log is.
    pub fn kill(mut self) -> PathBuf {
        self.child.kill().expect("a running process");
        self.child.wait().expect("a child");
        self.log.clone()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self) -> ExitStatus {
        poll(&format!("{} to end", self.name), || self.child.try_wait().expect("a child"))
    }

    /// Fails if it has ended.
    pub fn assert_running(&mut self) {
        if let Some(status) = self.child.try_wait().expect("a child") {
            panic!("{} ended: {status}", self.name);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // Politely first, because servers have children of their own.
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port of 127.0.0.1 that is free for UDP and TCP. It lies below those that the system gives to
/// connections going out, so that none of these takes it before its server does.
pub fn free_address() -> SocketAddr {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = range.split_ascii_whitespace().next().and_then(|port| port.parse().ok()).unwrap_or(32_768u32);
    let ports = first.saturating_sub(PORT_MIN).max(1_000);
    // Test programs that run at the same time begin at different places.
    let begin = std::process::id().wrapping_mul(7_919);
    for _ in 0..ports {
        let port = PORT_MIN + begin.wrapping_add(PORTS_TRIED.fetch_add(1, Ordering::Relaxed)) % ports;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port as u16));
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port is free for both UDP and TCP");
}

/// The least port that servers of tests get.
const PORT_MIN: u32 = 10_240;
/// How many were tried so far.
static PORTS_TRIED: AtomicU32 = AtomicU32::new(0);

/// Looks again and again until there is something to see.
pub fn poll<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    poll_within(PATIENCE, what, look)
}

/// The same with another patience, for what takes long by itself.
pub fn poll_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < patience, "waited {} s for {what}", patience.as_secs());
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Runs a program to its end, and fails if it fails.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Both outputs of a program.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// What dig prints for these arguments; the server comes first.
pub fn dig(server: SocketAddr, arguments: &[&str]) -> String {
    let mut command = Command::new("dig");
    command.arg(format!("@{}", server.ip())).args(["-p", &server.port().to_string()]);
    let output = command.args(["+time=5", "+tries=1"]).args(arguments).output().expect("dig");
    let text = said(&output);
    // A server of another test may still send to a port that dig has now; dig waits for its answer.
    let is_stray = |line: &&str| STRAY.iter().any(|warning| line.starts_with(warning));
    text.split_inclusive('\n').filter(|line| !is_stray(line)).collect()
}

/// `dig -y` with the key that all servers share.
pub fn dig_signed(server: SocketAddr, arguments: &[&str]) -> String {
    let key = format!("hmac-sha256:{KEY_NAME}:{KEY_SECRET}");
    dig(server, &[&["-y", &key], arguments].concat())
}

/// The records in what dig printed, one a line with single spaces, in the order of the message.
/// The signature of the message is none of them.
pub fn records(text: &str) -> Vec<String> {
    let plain = |line: &&str| !line.is_empty() && !line.starts_with(';') && !line.contains("\tTSIG\t");
    let squeezed = |line: &str| line.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().filter(plain).map(squeezed).filter(|line| !line.contains(" ANY TSIG ")).collect()
}

/// The serial that a server answers for a zone.
pub fn serial(server: SocketAddr, zone: &str) -> Option<u32> {
    let text = dig(server, &["+short", "+norecurse", "+time=1", zone, "SOA"]);
    text.split_ascii_whitespace().nth(2)?.parse().ok()
}

/// The whole zone by AXFR, sorted, signed with the key.
pub fn transfer(server: SocketAddr, zone: &str) -> Vec<String> {
    let text = dig_signed(server, &["+tcp", "+noall", "+answer", zone, "AXFR"]);
    let mut records = records(&text);
    assert!(records.len() > 2 && records.first() == records.last(), "no transfer from {server}: {text}");
    assert!(!text.contains("Couldn't verify signature"), "{text}");
    records.sort();
    records
}

/// Fails unless both servers transfer the same records.
pub fn assert_same(one: SocketAddr, other: SocketAddr, zone: &str) {
    let (left, right) = (transfer(one, zone), transfer(other, zone));
    if left == right {
        return;
    }
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|record| !those.contains(record)).cloned().collect()
    };
    panic!("{one} only: {:#?}\n{other} only: {:#?}", only(&left, &right), only(&right, &left));
}
