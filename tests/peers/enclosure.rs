//! A mount or network namespace of one test: a small disk that fills up, links and addresses that
//! come and go. Nothing of it is seen outside, and it is gone with the process that holds it.

use std::process::Command;

use crate::yard::{self, Process, Yard};

/// How long the holder lives if the test program is killed.
const HOLDER_SECONDS_MAX: u32 = 600;

/// What is cut off from the rest of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What is mounted where.
    Mounts,
    /// Links and addresses.
    Network,
}

/// A namespace with the process that holds it.
pub struct Enclosure {
    _holder: Process,
    entry: Vec<String>,
}

impl Enclosure {
    /// Makes one and runs `script` in it. Fails where the system lets us make none.
    pub fn new(yard: &Yard, kind: Kind, script: &str) -> Enclosure {
        let flag = if kind == Kind::Mounts { "-m" } else { "-n" };
        let makes = |flags: &[&str]| {
            let output = Command::new("unshare").args(flags).arg("true").output();
            output.is_ok_and(|output| output.status.success())
        };
        // Root needs no user namespace; others are root in one of their own.
        let flags: &[&str] = match (makes(&[flag]), makes(&["-r", flag])) {
            (true, _) => &[flag],
            (false, true) => &["-r", flag],
            (false, false) => panic!("no namespace can be made here: run the tests as root"),
        };
        let script = format!("set -e\n{script}\necho enclosed\nexec sleep {HOLDER_SECONDS_MAX}");
        let mut command = Command::new("unshare");
        command.args(flags).args(["sh", "-c", &script]);
        let mut holder = yard.start("enclosure", &mut command);
        yard::poll("the namespace", || {
            holder.assert_running();
            holder.text().contains("enclosed\n").then_some(())
        });
        let mut entry = vec!["nsenter".into(), "-t".into(), holder.id().to_string(), flag.into()];
        if flags.len() > 1 {
            entry.extend(["-U".into(), "--preserve-credentials".into()]);
        }
        Enclosure { _holder: holder, entry }
    }

    /// What to put in front of a command so that it runs inside.
    pub fn entry(&self) -> &[String] {
        &self.entry
    }

    /// Runs a shell script inside, to its end; what it printed.
    pub fn run(&self, script: &str) -> String {
        let mut command = Command::new(&self.entry[0]);
        yard::run(command.args(&self.entry[1..]).args(["sh", "-c", script]))
    }
}
