//! Bellwether under a service manager: the unit, and what is told through `NOTIFY_SOCKET`.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use crate::Test;
use crate::bellwether::{Bellwether, Trust};
use crate::texts::zone_text;
use crate::yard::{self, PATIENCE, Yard};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("the_unit_is_clean", &["systemd-analyze"], the_unit_is_clean),
    ("the_service_manager_hears_of_ready_reload_and_stop", &[], the_service_manager_hears),
    ("a_silent_primary_holds_up_neither_start_nor_stop", &[], a_silent_primary_holds_up_nothing),
];

fn the_unit_is_clean(yard: &Yard) {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/bellwether.service");
    let text = fs::read_to_string(unit).expect("the unit");
    let (installed, built) = ("/usr/local/bin/bellwether", env!("CARGO_BIN_EXE_bellwether"));
    assert!(text.contains(installed));
    let copy = yard.folder("unit").join("bellwether.service");
    fs::write(&copy, text.replace(installed, built)).expect("a copy");
    let mut command = Command::new("systemd-analyze");
    let output = command.args(["verify", "--man=no"]).arg(copy).output().expect("systemd-analyze");
    assert!(output.status.success(), "{}", yard::said(&output));
    assert_eq!(yard::said(&output), "");
}

/// Where a service manager would listen.
fn manager(yard: &Yard) -> (UnixDatagram, std::path::PathBuf) {
    let path = yard.folder("manager").join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    (socket, path)
}

/// Reads until the manager is told `word`.
fn hears(manager: &UnixDatagram, word: &str) {
    let mut octets = [0; 256];
    loop {
        let count = manager.recv(&mut octets).unwrap_or_else(|error| panic!("no {word}: {error}"));
        let text = String::from_utf8_lossy(&octets[..count]);
        if text.lines().any(|line| line == word) {
            return;
        }
        assert!(text.starts_with("EXTEND_TIMEOUT_USEC="), "{text} before {word}");
    }
}

fn the_service_manager_hears(yard: &Yard) {
    let server = Bellwether::new(yard, "server");
    server.write_zone(&zone_text(1, 0));
    server.primary_for(yard::free_address(), Trust::Key);
    let (manager, path) = manager(yard);
    server.start_with(&[("NOTIFY_SOCKET", path.as_os_str())]);
    hears(&manager, "READY=1");
    server.hang_up();
    hears(&manager, "RELOADING=1");
    hears(&manager, "READY=1");
    let status = server.stop();
    assert!(status.success(), "{status}");
    hears(&manager, "STOPPING=1");
}

fn a_silent_primary_holds_up_nothing(yard: &Yard) {
    let server = Bellwether::new(yard, "server");
    // Nobody listens there.
    server.secondary_of(yard::free_address(), Trust::Key);
    let (manager, path) = manager(yard);
    server.start_with(&[("NOTIFY_SOCKET", path.as_os_str())]);
    hears(&manager, "READY=1");
    assert!(server.problem().contains("Connection refused"), "{}", server.problem());
    let status = server.stop();
    assert!(status.success(), "{status}");
}
