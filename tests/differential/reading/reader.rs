//! The four readers, each as a program of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Case;
use crate::ground::{self, Process, Yard};

/// Records as `named-compilezone` writes them, sorted.
pub type Records = Vec<String>;

/// Its checks of what is in a zone are off: this is about reading.
const COMPILE: &[&str] = &[
    "-q", "-i", "none", "-k", "ignore", "-m", "ignore", "-M", "ignore", "-n", "ignore", "-r", "ignore", "-S",
    "ignore", "-W", "ignore", "-s", "full", "-o", "-",
];

/// What BIND reads in the file.
pub fn bind(folder: &Path, case: &Case) -> Option<Records> {
    compile(folder, case, &format!("{}.zone", case.zone))
}

/// Whether Knot takes the file.
pub fn knot(folder: &Path, case: &Case) -> bool {
    let mut command = program("kzonecheck", folder);
    command.args(["-o", &case.zone, &format!("{}.zone", case.zone)]);
    command.output().expect("kzonecheck").status.success()
}

/// What ldns reads in the file.
pub fn ldns(folder: &Path, case: &Case) -> Option<Records> {
    let output = program("ldns-read-zone", folder).arg(format!("{}.zone", case.zone)).output().expect("ldns");
    output.status.success().then_some(())?;
    again(folder, case, "ldns", &output.stdout)
}

/// A running Bellwether with all the files.
pub struct Ours {
    dir: std::path::PathBuf,
    _process: Process,
}

impl Ours {
    /// Starts it and waits until it has read all of them.
    pub fn start(yard: &Yard, folder: &Path, cases: &[Case]) -> Ours {
        let (dir, address) = (yard.folder("bellwether"), ground::free_address());
        let mut config = format!("[server]\nlisten = [\"{address}\"]\nstate_dir = \"state\"\nworkers = 1\n");
        for case in cases {
            let file = folder.join(format!("{}.zone", case.zone));
            config += &format!(
                "[[zones]]\nname = \"{}\"\nrole = \"primary\"\nfile = \"{}\"\nserial = \"keep\"\n",
                case.zone,
                file.display()
            );
        }
        fs::write(dir.join("config.toml"), config).expect("a config");
        let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
        let process =
            yard.start("bellwether", command.args(["run", "--config", "config.toml"]).current_dir(&dir));
        let mut ours = Ours { dir, _process: process };
        // A server listens when every zone answers, or has said why it cannot.
        while !ours._process.text().contains(" listening ") {
            ours._process.assert_running();
            std::thread::sleep(ground::LOOK_AGAIN);
        }
        ours
    }

    /// What it has read, if it took the file.
    pub fn read(&self, folder: &Path, case: &Case) -> Option<Records> {
        let mut command = program(env!("CARGO_BIN_EXE_bellwether"), &self.dir);
        let output = command.args(["zone", "dump", "--config", "config.toml", &case.zone]).output();
        let output = output.expect("bellwether");
        output.status.success().then_some(())?;
        let records = again(folder, case, "dump", &output.stdout);
        Some(records.unwrap_or_else(|| vec![String::from_utf8_lossy(&output.stdout).into_owned()]))
    }
}

/// What a program has printed, in the form of `named-compilezone`.
fn again(folder: &Path, case: &Case, suffix: &str, text: &[u8]) -> Option<Records> {
    let name = format!("{}.{suffix}", case.zone);
    fs::write(folder.join(&name), text).expect("a file");
    compile(folder, case, &name)
}

fn compile(folder: &Path, case: &Case, file: &str) -> Option<Records> {
    let output = program("named-compilezone", folder).args(COMPILE).args([&case.zone, file]).output();
    let output = output.expect("named-compilezone");
    output.status.success().then_some(())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let squeeze = |line: &str| line.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let mut records: Records = text.lines().map(squeeze).filter(|line| !line.starts_with(';')).collect();
    records.sort();
    Some(records)
}

fn program(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(ground::find(name).unwrap_or_else(|| name.into()));
    command.current_dir(folder).stdin(Stdio::null());
    command
}
