//! A server under test: started with a config of its own on a port that was free, told of changes, ended.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::kind::{Kind, Told};
use crate::probe::{self, Probe};
use crate::usage::{self, Memory};

/// How long a server may take until it answers.
const START_PATIENCE: Duration = Duration::from_secs(300);
/// How long a server may take to end before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Processor time is counted in these; whoever waits for a server to rest looks so often.
const LOOK: Duration = Duration::from_millis(500);
/// A server rests when it has used less than this of a [`LOOK`].
const REST: Duration = Duration::from_millis(20);

/// Where ports are looked for, up to those that the system gives by itself.
const PORTS_FROM: u16 = 10_000;

/// The secret that clients and servers share where they have one, 32 octets in base64.
pub const SECRET: &str = "QmVsbHdldGhlciBiZXNpZGUgb3RoZXIgc2VydmVycy4=";

/// What a server is to its zones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It has them from files, and tells nobody.
    Alone,
    /// It has them from files, and the other one is its secondary.
    Primary,
    /// It has them from the other one.
    Secondary,
}

/// A zone and its file.
#[derive(Clone, Debug)]
pub struct ZoneFile {
    /// Its name.
    pub name: String,
    /// Where it is read from; a secondary may write it.
    pub file: PathBuf,
}

/// How a server is to be started.
#[derive(Clone, Debug)]
pub struct Setup<'a> {
    /// Where its own files are.
    pub dir: PathBuf,
    /// What it is to its zones.
    pub role: Role,
    /// Its zones.
    pub zones: &'a [ZoneFile],
    /// Its port; see [`free_port`].
    pub port: u16,
    /// The port of the other one.
    pub other: Option<u16>,
    /// Whether transfers want the key.
    pub key: bool,
    /// How many workers.
    pub workers: usize,
    /// Where it may run.
    pub cores: &'a [usize],
    /// How long the replies of the floor are.
    pub reply_octets: usize,
}

/// A server that runs.
pub struct Server {
    /// Which.
    pub kind: Kind,
    /// Where it answers.
    pub address: SocketAddr,
    dir: PathBuf,
    child: Child,
}

/// What a start cost.
#[derive(Clone, Copy, Debug)]
pub struct Started {
    /// Processor time until it answers.
    pub to_answer: Duration,
    /// Processor time until it rests.
    pub to_rest: Duration,
    /// What passed until it answers.
    pub passed: Duration,
    /// What it takes at rest, and took at most.
    pub memory: Memory,
}

impl<'a> Setup<'a> {
    /// One worker on one processor for some zones.
    pub fn alone(dir: &Path, zones: &'a [ZoneFile], core: &'a usize) -> io::Result<Setup<'a>> {
        Ok(Setup {
            dir: dir.to_owned(),
            role: Role::Alone,
            zones,
            port: free_port()?,
            other: None,
            key: false,
            workers: 1,
            cores: std::slice::from_ref(core),
            reply_octets: 0,
        })
    }

    /// Starts a server and waits until its first zone answers, if it has zones from files.
    pub fn start(&self, kind: Kind) -> io::Result<Server> {
        let mut server = self.launch(kind)?;
        // The floor has said that it is there.
        if let (Role::Alone | Role::Primary, Some(zone)) = (self.role, self.zones.first())
            && kind != Kind::Floor
        {
            server.wait_for(&zone.name, 0)?;
        }
        Ok(server)
    }

    /// Starts a server and takes what that costs until `wait` says that it answers, and until it rests.
    pub fn measure(
        &self,
        kind: Kind,
        wait: impl FnOnce(&mut Server) -> io::Result<()>,
    ) -> io::Result<(Server, Started)> {
        let begin = Instant::now();
        let mut server = self.launch(kind)?;
        wait(&mut server)?;
        let passed = begin.elapsed();
        let to_answer = usage::processor_time(server.process());
        let to_rest = server.wait_for_rest()?;
        let memory = Memory::read(server.process());
        Ok((server, Started { to_answer, to_rest, passed, memory }))
    }

    /// Starts a server and does not wait for anything.
    pub fn launch(&self, kind: Kind) -> io::Result<Server> {
        let dir = self.dir.join(kind.name().to_lowercase());
        fs::create_dir_all(dir.join("db"))?;
        let mut program = kind.program()?;
        if kind == Kind::Bind {
            // AppArmor binds its rules to the path of the program, and those know no other directory.
            let copy = dir.join("named");
            fs::copy(&program, &copy)?;
            program = copy;
        }
        let arguments = match kind.manner() {
            None => vec!["--floor".to_owned(), self.reply_octets.to_string()],
            Some(manner) => {
                let section = |name| manner.section(name);
                let mut file = fs::File::create(dir.join(manner.file))?;
                file.write_all(self.fill(kind, &dir, section("server"), None).as_bytes())?;
                if manner.zones_file != manner.file {
                    file = fs::File::create(dir.join(manner.zones_file))?;
                }
                let section = section(match self.role {
                    Role::Alone => "alone",
                    Role::Primary => "primary",
                    Role::Secondary => "secondary",
                });
                let mut file = io::BufWriter::new(file);
                for zone in self.zones {
                    file.write_all(self.fill(kind, &dir, section, Some(zone)).as_bytes())?;
                }
                file.flush()?;
                manner.arguments.iter().map(|argument| self.fill(kind, &dir, argument, None)).collect()
            }
        };
        let log = fs::File::options().create(true).append(true).open(dir.join("log"))?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&dir).stdin(Stdio::null()).stderr(log.try_clone()?);
        command.stdout(if kind == Kind::Floor { Stdio::piped() } else { log.into() });
        let child = spawn_on(self.cores, command)?;
        let address = (Ipv4Addr::LOCALHOST, self.port).into();
        let mut server = Server { kind, address, dir, child };
        if let Some(output) = server.child.stdout.take() {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line)?;
            server.address = line.trim().parse().map_err(io::Error::other)?;
        }
        Ok(server)
    }

    /// Fills a piece of a config in.
    fn fill(&self, kind: Kind, dir: &Path, text: &str, zone: Option<&ZoneFile>) -> String {
        let grants = kind.manner().and_then(|manner| manner.grants);
        // The port for discarding, if nobody is to be told.
        let other = self.other.unwrap_or(9).to_string();
        let notify = if self.role == Role::Primary { format!("127.0.0.1:{other}") } else { String::new() };
        let mut text = text
            .replace("@DIR@", &dir.display().to_string())
            .replace("@PORT@", &self.port.to_string())
            .replace("@OTHER@", &other)
            .replace("@NOTIFY@", &notify)
            .replace("@WORKERS@", &self.workers.to_string())
            .replace("@SECRET@", SECRET)
            .replace("@GRANT@", grants.map_or("", |grants| grants[usize::from(self.key)]));
        if let Some(zone) = zone {
            text = text.replace("@ZONE@", &zone.name).replace("@FILE@", &zone.file.display().to_string());
        }
        text
    }
}

/// A port that nobody has, for TCP and UDP, and that no server gets by chance for what it asks others.
pub fn free_port() -> io::Result<u16> {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    let first = range.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(u16::MAX);
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = u32::from(first.saturating_sub(PORTS_FROM)).max(1);
    for _ in 0..span {
        let number = u32::from(NEXT.fetch_add(1, Ordering::Relaxed)) + std::process::id() * 16;
        let port = PORTS_FROM + (number % span) as u16;
        let address = (Ipv4Addr::LOCALHOST, port);
        if TcpListener::bind(address).and(UdpSocket::bind(address).map(drop)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("no port is free"))
}

/// Keeps the calling thread, and what it starts, on some processors.
pub fn pin(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    cores.iter().try_for_each(|core| set.set(*core))?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// Starts a process that has only some processors: it gets those of the thread that starts it.
fn spawn_on(cores: &[usize], mut command: Command) -> io::Result<Child> {
    // A group of its own, by which all that descends from it is known.
    command.process_group(0);
    let spawn = || pin(cores).and_then(|()| command.spawn());
    std::thread::scope(|scope| scope.spawn(spawn).join().expect("starting a process does not panic"))
}

impl Server {
    /// The root of its processes.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a zone answers with a serial of at least `serial`.
    pub fn wait_for(&mut self, zone: &str, serial: u32) -> io::Result<()> {
        let until = Instant::now() + START_PATIENCE;
        while probe::serial(self.address, zone).is_none_or(|answered| answered < serial) {
            self.is_there()?;
            if Instant::now() > until {
                return Err(self.says(&format!("does not answer for {zone}")));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Waits until all of these zones answer.
    pub fn wait_for_all(&mut self, zones: &[String]) -> io::Result<()> {
        let mut probe = Probe::new(self.address)?;
        let mut missing: Vec<&String> = zones.iter().collect();
        let until = Instant::now() + START_PATIENCE;
        loop {
            missing = probe.missing(missing)?;
            if missing.is_empty() {
                return Ok(());
            }
            self.is_there()?;
            if Instant::now() > until {
                return Err(self.says(&format!("has {} zones that do not answer", missing.len())));
            }
            std::thread::sleep(10 * LOOK_AGAIN);
        }
    }

    /// Waits until it does nothing any more; gives the processor time that it took in all.
    pub fn wait_for_rest(&mut self) -> io::Result<Duration> {
        let until = Instant::now() + START_PATIENCE;
        let mut before = usage::processor_time(self.process());
        loop {
            std::thread::sleep(LOOK);
            let now = usage::processor_time(self.process());
            if now.saturating_sub(before) < REST {
                return Ok(now);
            }
            before = now;
            self.is_there()?;
            if Instant::now() > until {
                return Err(self.says("does not come to rest"));
            }
        }
    }

    /// Tells it that the file of a zone changed.
    pub fn tell(&self, zone: &str) -> io::Result<()> {
        match self.kind.manner().map_or(Told::Watches, |manner| manner.told) {
            Told::Watches => Ok(()),
            Told::Hangup => Ok(kill(Pid::from_raw(self.child.id() as i32), Signal::SIGHUP)?),
            Told::Commands(program, commands) => commands.iter().try_for_each(|arguments| {
                let fill = |text: &&str| {
                    text.replace("@DIR@", &self.dir.display().to_string()).replace("@ZONE@", zone)
                };
                let output = Command::new(program).args(arguments.iter().map(fill)).output()?;
                if output.status.success() {
                    return Ok(());
                }
                Err(self.says(&String::from_utf8_lossy(&output.stderr)))
            }),
        }
    }

    /// Ends it and waits until it is gone.
    pub fn stop(self) {
        drop(self);
    }

    fn is_there(&mut self) -> io::Result<()> {
        match self.child.try_wait()? {
            Some(status) => Err(self.says(&format!("ended with {status}"))),
            None => Ok(()),
        }
    }

    /// An error, with the end of what the server itself said.
    pub fn says(&self, what: &str) -> io::Error {
        let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(20)..].join("\n");
        io::Error::other(format!("{} {what}; its log ends with:\n{end}", self.kind.name()))
    }
}

impl Drop for Server {
    /// Ends it with all its processes, so that none stays behind.
    fn drop(&mut self) {
        let pid = |process: u32| Pid::from_raw(process as i32);
        let group = usage::group(self.child.id());
        // It may have ended by itself.
        let _ = kill(pid(self.child.id()), Signal::SIGTERM);
        let until = Instant::now() + STOP_PATIENCE;
        while group.iter().any(|process| kill(pid(*process), None).is_ok()) {
            if Instant::now() > until {
                group.iter().for_each(|process| kill(pid(*process), Signal::SIGKILL).unwrap_or_default());
                let _ = self.child.wait();
                return;
            }
            // Remains count as processes until they were waited for: its own, and those of what
            // outlived its parent and became ours.
            let _ = self.child.try_wait();
            for process in &group {
                let _ = waitpid(pid(*process), Some(WaitPidFlag::WNOHANG));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}
