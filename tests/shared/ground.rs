//! What tests with processes stand on: a directory, logs, free ports, polling.

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything that is expected may take; far more than it ever should.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks at something that is waited for.
pub const LOOK_AGAIN: Duration = Duration::from_millis(25);
/// How many logs a failure shows, the last ones.
const LOGS_MAX: usize = 10;
/// How much of each log a failure shows.
const LOG_LINES_MAX: usize = 60;

/// The programs that tests need, and the Debian package of each.
const PACKAGES: &[(&str, &str)] = &[
    ("dig", "bind9-dnsutils"),
    ("delv", "bind9-dnsutils"),
    ("dnssec-keygen", "bind9-utils"),
    ("dnssec-signzone", "bind9-utils"),
    ("ldns-keygen", "ldnsutils"),
    ("ldns-signzone", "ldnsutils"),
    ("ldns-verify-zone", "ldnsutils"),
    ("python3", "python3 python3-dnspython"),
    ("kzonesign", "knot-dnssecutils"),
    ("kdig", "knot-dnsutils"),
    ("named", "bind9"),
    ("named-compilezone", "bind9-utils"),
    ("knotd", "knot"),
    ("kzonecheck", "knot-dnssecutils"),
    ("ldns-read-zone", "ldnsutils"),
    ("nsd", "nsd"),
    ("pdns_server", "pdns-server pdns-backend-bind"),
    ("pdns_control", "pdns-server"),
    ("curl", "curl"),
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
    /// The program itself.
    pub child: Child,
    /// What tests call it.
    pub name: String,
    /// Its standard output and error.
    pub log: PathBuf,
}

impl Process {
    /// What it has written so far.
    pub fn text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
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
