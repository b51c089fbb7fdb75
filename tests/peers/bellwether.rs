//! A Bellwether of its own: its directory, config, process, and the commands that talk to it.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nix::sys::signal::Signal;

use crate::enclosure::Enclosure;
use crate::texts::ZONE;
use crate::yard::{self, KEY_NAME, KEY_SECRET, PATIENCE, Process, Yard};

/// A server with one directory.
pub struct Bellwether<'y> {
    yard: &'y Yard,
    name: String,
    /// Where its config, zone files and state are.
    pub dir: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
    process: RefCell<Option<Process>>,
    /// What stands in front of the command that runs it.
    entry: RefCell<Vec<String>>,
    /// The log of the life that a kill ended.
    last_log: RefCell<PathBuf>,
}

/// Who the one peer of a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Whoever has the key.
    Key,
    /// Its address.
    Address,
}

impl<'y> Bellwether<'y> {
    /// A directory and an address; nothing runs yet.
    pub fn new(yard: &'y Yard, name: &str) -> Bellwether<'y> {
        let (dir, address) = (yard.folder(name), yard::free_address());
        Bellwether {
            yard,
            name: name.into(),
            dir,
            address,
            process: RefCell::new(None),
            entry: RefCell::default(),
            last_log: RefCell::default(),
        }
    }

    /// From its next start on it runs inside.
    pub fn enter(&self, enclosure: &Enclosure) {
        self.entry.replace(enclosure.entry().to_vec());
    }

    /// Writes a config that ends with `rest`.
    pub fn configure(&self, rest: &str) {
        self.configure_more("", "", rest);
    }

    /// The same with more lines for `[server]` and `[timers]`.
    pub fn configure_more(&self, server: &str, timers: &str, rest: &str) {
        let text = format!(
            "[server]\nlisten = [\"{}\"]\nstate_dir = \"state\"\nworkers = 1\n{server}\n\
             [timers]\nrefresh_min = \"1s\"\nretry_min = \"1s\"\n{timers}\n\
             [keys.\"{KEY_NAME}\"]\nalgorithm = \"hmac-sha256\"\nsecret = \"{KEY_SECRET}\"\n\n{rest}",
            self.address
        );
        fs::write(self.config(), text).expect("a config");
    }

    /// The primary of [`ZONE`] for one secondary; the file is written before.
    pub fn primary_for(&self, secondary: SocketAddr, trust: Trust) {
        let transfer = if trust == Trust::Key {
            ""
        } else {
            "allow_transfer = [\"key:flock.example.\"]\nnotify = [\"p\"]\n"
        };
        let secondaries = if trust == Trust::Key { "secondaries = [\"p\"]\n" } else { "" };
        let transfer = transfer.replace("[\"key:", "[\"p\", \"key:");
        self.configure(&format!(
            "{}[[zones]]\nname = \"{ZONE}\"\nrole = \"primary\"\nfile = \"{}\"\n{secondaries}{transfer}",
            peer(secondary, trust),
            self.zone_file().display()
        ));
    }

    /// The primary of [`ZONE`], which whoever has the key may transfer, with more keys of the zone.
    pub fn alone(&self, keys: &str) {
        self.alone_as(ZONE, keys);
    }

    /// The primary of [`ZONE`], which nobody may transfer, with more lines for `[server]` and after it.
    pub fn open_to_queries(&self, server: &str) {
        let file = self.zone_file();
        let zone =
            format!("[[zones]]\nname = \"{ZONE}\"\nrole = \"primary\"\nfile = \"{}\"\n", file.display());
        self.configure_more(server, "", &zone);
    }

    /// The same as [`Bellwether::alone`] with the zone spelled like this.
    pub fn alone_as(&self, zone: &str, keys: &str) {
        self.configure(&format!(
            "[[zones]]\nname = \"{zone}\"\nrole = \"primary\"\nfile = \"{}\"\n\
             allow_transfer = [\"key:{KEY_NAME}\"]\n{keys}",
            self.zone_file().display()
        ));
    }

    /// A secondary of [`ZONE`] with one primary, that whoever has the key may transfer from.
    pub fn secondary_of(&self, primary: SocketAddr, trust: Trust) {
        self.configure(&format!(
            "{}[[zones]]\nname = \"{ZONE}\"\nrole = \"secondary\"\nprimaries = [\"p\"]\n\
             allow_transfer = [\"key:{KEY_NAME}\"]\n",
            peer(primary, trust)
        ));
    }

    /// A secondary of [`ZONE`] that knows its primaries by their addresses, and that whoever has the key
    /// may transfer from. What fails is tried again every second. `more` are further lines of the zone.
    pub fn follow(&self, primaries: &[SocketAddr], more: &str) {
        let mut peers = String::new();
        for (number, address) in primaries.iter().enumerate() {
            peers += &format!("[peers.p{number}]\naddress = \"{address}\"\n\n");
        }
        let names: Vec<String> = (0..primaries.len()).map(|number| format!("\"p{number}\"")).collect();
        self.configure_more(
            "",
            "retry_max = \"1s\"\n",
            &format!(
                "{peers}[[zones]]\nname = \"{ZONE}\"\nrole = \"secondary\"\nprimaries = [{}]\n\
                 allow_transfer = [\"key:{KEY_NAME}\"]\n{more}\n",
                names.join(", ")
            ),
        );
    }

    /// The config file.
    pub fn config(&self) -> PathBuf {
        self.dir.join("config.toml")
    }

    /// The zone file of a primary.
    pub fn zone_file(&self) -> PathBuf {
        self.dir.join("example.com.zone")
    }

    /// Writes the zone file anew and renames it over the old one.
    pub fn write_zone(&self, text: &str) {
        replace(&self.zone_file(), text);
    }

    /// Starts the server and waits until it answers operators.
    pub fn start(&self) {
        self.start_with(&[]);
    }

    /// [`Bellwether::start`] with these variables in its environment.
    pub fn start_with(&self, environment: &[(&str, &OsStr)]) {
        let mut process = self.spawn(environment);
        yard::poll(&format!("{} to be ready", self.name), || {
            process.assert_running();
            // Before it says so there is nobody to ask, and with many zones each question costs.
            let listens = process.text().contains(" listening ");
            (listens && self.command(&["status"], &[]).status.success()).then_some(())
        });
        *self.process.borrow_mut() = Some(process);
    }

    /// Starts the server; whoever called sees for himself when it answers.
    pub fn start_unattended(&self) {
        *self.process.borrow_mut() = Some(self.spawn(&[]));
    }

    /// While a server is down its port may serve somebody's outgoing connection for a moment.
    pub fn restart_if_port_was_taken(&self) {
        let mut process = self.process.borrow_mut();
        let running = process.as_mut().expect("a server that was started");
        if running.has_ended() {
            let said = running.text();
            assert!(said.contains("another program has this port"), "{} ended: {said}", self.name);
            *process = Some(self.spawn(&[]));
        }
    }

    fn spawn(&self, environment: &[(&str, &OsStr)]) -> Process {
        let program = [self.entry.borrow().clone(), vec![env!("CARGO_BIN_EXE_bellwether").into()]].concat();
        let mut command = Command::new(&program[0]);
        command.envs(environment.iter().copied());
        command.args(&program[1..]).args(["run", "--log", "debug", "--config"]).arg(self.config());
        self.yard.start(&self.name, command.current_dir(&self.dir))
    }

    /// Ends it as a crash does.
    pub fn kill(&self) {
        self.last_log.replace(self.process.borrow_mut().take().expect("a running server").kill());
    }

    /// The log of its present life, or of the last one.
    pub fn log_path(&self) -> PathBuf {
        let process = self.process.borrow();
        process.as_ref().map_or_else(|| self.last_log.borrow().clone(), |process| process.log.clone())
    }

    /// What it has logged since its last start.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Ends it with SIGTERM and says how it went.
    pub fn stop(&self) -> std::process::ExitStatus {
        let mut process = self.process.borrow_mut().take().expect("a running server");
        process.signal(Signal::SIGTERM);
        process.wait()
    }

    /// Waits until it ends by itself, and says how it went.
    pub fn ended(&self) -> std::process::ExitStatus {
        self.process.borrow_mut().as_mut().expect("a running server").wait()
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        self.signal(Signal::SIGHUP);
    }

    /// Any signal.
    pub fn signal(&self, signal: Signal) {
        self.process.borrow().as_ref().expect("a running server").signal(signal);
    }

    /// Runs a subcommand against it, to its end.
    pub fn command(&self, subcommand: &[&str], arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
        command.args(subcommand).arg("--config").arg(self.config()).args(arguments);
        command.env("NO_COLOR", "1").current_dir(&self.dir).output().expect("bellwether")
    }

    /// Waits until it has published `serial` or a newer one.
    pub fn wait(&self, serial: u32) {
        self.wait_for(ZONE, serial);
    }

    /// The same for another zone.
    pub fn wait_for(&self, zone: &str, serial: u32) {
        let (serial, timeout) = (serial.to_string(), PATIENCE.as_secs().to_string());
        let output = self.command(&["wait"], &[zone, "--serial", &serial, "--timeout", &timeout]);
        assert!(output.status.success(), "{}: {}", self.name, yard::said(&output));
    }

    /// The zone in `status --json`.
    pub fn status(&self) -> serde_json::Value {
        self.status_of(ZONE)
    }

    /// Another zone in `status --json`.
    pub fn status_of(&self, zone: &str) -> serde_json::Value {
        let output = self.command(&["status"], &["--json", zone]);
        assert!(output.status.success(), "{}: {}", self.name, yard::said(&output));
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        value["zones"][0].clone()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.borrow().as_ref().expect("a running server").id()
    }

    /// How its last transfer went: `ixfr`, `axfr` and so on.
    pub fn last_transfer(&self) -> String {
        self.status()["last_transfer"]["result"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the zone has a problem, and tells it.
    pub fn problem(&self) -> String {
        yard::poll(&format!("{} to have a problem", self.name), || {
            self.status()["problem"]["text"].as_str().map(str::to_owned)
        })
    }

    /// Runs it with a config that cannot work; the exit status and what it said.
    pub fn refuses_to_start(&self) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
        command.args(["run", "--config"]).arg(self.config()).env("NO_COLOR", "1");
        let mut process = self.yard.start(&self.name, command.current_dir(&self.dir));
        let status = process.wait();
        assert!(status.code().is_some_and(|code| code != 0), "{status}: {}", process.text());
        process.text()
    }
}

/// Writes a file beside `path` and renames it over.
pub fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).expect("a file");
    fs::rename(&beside, path).expect("a rename");
}

fn peer(address: SocketAddr, trust: Trust) -> String {
    let key = if trust == Trust::Key { format!("key = \"{KEY_NAME}\"\n") } else { String::new() };
    format!("[peers.p]\naddress = \"{address}\"\n{key}\n")
}
