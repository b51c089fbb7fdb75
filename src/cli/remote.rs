//! The subcommands that talk to a running server through its control socket.

use std::io::Write;
use std::path::PathBuf;

use serde_json::Value;

use super::{Server, ZoneCommand};
use crate::config::{Config, Paint};
use crate::control::{Client, Request, ZoneAction};

/// `bellwether status`.
pub(super) fn status(server: &Server, zone: Option<String>) -> Result<(), String> {
    let value = ask(server, &Request::Status { zone })?;
    if server.json {
        return print_json(&value);
    }
    for zone in value["zones"].as_array().into_iter().flatten() {
        print_status(zone);
    }
    for stored in value["stored"].as_array().into_iter().flatten() {
        let serial = stored["serial"].as_u64().map_or_else(|| String::from("-"), |serial| serial.to_string());
        anstream::println!("{}  stored, not configured  serial {serial}", text(&stored["zone"]));
    }
    Ok(())
}

/// `bellwether wait`.
pub(super) fn wait(server: &Server, zone: String, serial: u32, timeout: u64) -> Result<(), String> {
    let value = ask(server, &Request::Wait { zone, serial, timeout_ms: timeout.saturating_mul(1000) })?;
    if server.json {
        return print_json(&value);
    }
    anstream::println!("{} serial {}", text(&value["zone"]), value["serial"]);
    Ok(())
}

/// `bellwether reload`.
pub(super) fn reload(server: &Server, force: bool) -> Result<(), String> {
    say(server, &ask(server, &Request::Reload { force })?)
}

/// `bellwether zone …`.
pub(super) fn zone(server: &Server, command: ZoneCommand) -> Result<(), String> {
    let (zone, action) = match command {
        ZoneCommand::Dump { zone } => return dump(server, zone),
        ZoneCommand::Reload { zone, force } => (zone, ZoneAction::Reload { force }),
        ZoneCommand::Confirm { zone, serial } => (zone, ZoneAction::Confirm { serial }),
        ZoneCommand::Rollback { zone, serial } => (zone, ZoneAction::Rollback { serial }),
        ZoneCommand::Retransfer { zone } => (zone, ZoneAction::Retransfer),
        ZoneCommand::Remove { zone } => (zone, ZoneAction::Remove),
    };
    say(server, &ask(server, &Request::Zone { zone, action })?)
}

fn dump(server: &Server, zone: String) -> Result<(), String> {
    let mut client = connect(server)?;
    let request = Request::Zone { zone, action: ZoneAction::Dump };
    client.ask(&request).map_err(|error| error.to_string())?;
    client.rest(&mut std::io::stdout().lock()).map_err(|error| error.to_string())
}

fn connect(server: &Server) -> Result<Client, String> {
    let socket: PathBuf = match &server.control {
        Some(socket) => socket.clone(),
        None => {
            let config = Config::load(&server.file.config);
            config.map_err(|error| error.render(Paint::Styled))?.control.socket
        }
    };
    Client::connect(&socket).map_err(|error| error.to_string())
}

fn ask(server: &Server, request: &Request) -> Result<Value, String> {
    connect(server)?.ask(request).map_err(|error| error.to_string())
}

fn say(server: &Server, value: &Value) -> Result<(), String> {
    if server.json {
        return print_json(value);
    }
    anstream::println!("{}", text(&value["text"]));
    Ok(())
}

fn print_json(value: &Value) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value).map_err(|error| error.to_string())?;
    writeln!(out).map_err(|error| error.to_string())
}

/// One zone in a few lines: what is served, then what is wrong, then where it comes from and goes.
fn print_status(zone: &Value) {
    let serial = zone["serial"].as_u64().map_or_else(|| String::from("-"), |serial| serial.to_string());
    anstream::println!(
        "{}  {}  {}  serial {serial}  {} records",
        text(&zone["zone"]),
        text(&zone["role"]),
        text(&zone["state"]),
        zone["records"].as_u64().unwrap_or(0),
    );
    if zone["problem"].is_object() {
        let indented = text(&zone["problem"]["text"]).replace('\n', "\n    ");
        anstream::println!("    {}: {indented}", text(&zone["problem"]["code"]));
    }
    if zone["durable"] == Value::Bool(false) {
        anstream::println!("    not on disk: this version may be lost in a crash");
    }
    if zone["last_transfer"].is_object() {
        let last = &zone["last_transfer"];
        anstream::println!(
            "    last transfer {} from {}: {}",
            text(&last["at"]),
            text(&last["peer"]),
            text(&last["result"])
        );
    }
    if let (Some(next), Some(expires)) = (zone["next_check"].as_str(), zone["expires"].as_str()) {
        anstream::println!("    next check {next}, expires {expires}");
    }
    for secondary in zone["secondaries"].as_array().into_iter().flatten() {
        let serial =
            |value: &Value| value.as_u64().map_or_else(|| String::from("nothing yet"), |n| n.to_string());
        let (has, acknowledged) = (serial(&secondary["has"]), serial(&secondary["acknowledged"]));
        let failure = secondary["failure"].as_str().map(|why| format!("; {why}")).unwrap_or_default();
        anstream::println!(
            "    secondary {}: has {has}, acknowledged {acknowledged}{failure}",
            text(&secondary["peer"])
        );
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}
