//! The subcommands that talk to a running server through its control socket.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use serde_json::{Value, json};

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
    for kind in value["reports"]["kinds"].as_array().into_iter().flatten() {
        let zone = kind["zone"].as_str().unwrap_or("names that are not ours");
        let meaning = kind["meaning"].as_str().unwrap_or("unknown");
        anstream::println!(
            "{zone}  {} reports of error {} ({meaning}), last {} of {} {}",
            kind["count"],
            kind["code"],
            text(&kind["last"]),
            text(&kind["last_name"]),
            text(&kind["last_type"])
        );
    }
    let traffic = |key: &str| value["traffic"][key].as_u64().unwrap_or(0);
    if let (limited @ 1.., cut) =
        (traffic("rrl_dropped") + traffic("rrl_truncated"), traffic("rrl_truncated"))
    {
        anstream::println!("{limited} replies were over the rate limit; {cut} of them were sent truncated");
    }
    if let shed @ 1.. = traffic("shed") {
        anstream::println!("{shed} refusals were not sent because there was too much to do");
    }
    if let lost @ 1.. = traffic("udp_lost") {
        anstream::println!("{lost} datagrams were lost because they came faster than they were read");
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

/// The zone as a file, or as JSON with an object for each record. Records are passed on as they
/// come: a zone may be larger than memory.
fn dump(server: &Server, zone: String) -> Result<(), String> {
    let mut client = connect(server)?;
    let request = Request::Zone { zone, action: ZoneAction::Dump };
    let head = client.ask(&request).map_err(|error| error.to_string())?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut records = 0;
    let written = (|| {
        if server.json {
            write!(out, "{{\"zone\":{},\"serial\":{},\"records\":[", head["zone"], head["serial"])?;
        }
        while let Some(line) = client.next_line()? {
            if server.json {
                out.write_all(if records == 0 { b"\n" } else { b",\n" })?;
                serde_json::to_writer(&mut out, &record_json(&line))?;
            } else {
                out.write_all(line.as_bytes())?;
                out.write_all(b"\n")?;
            }
            records += 1;
        }
        if server.json {
            out.write_all(b"\n]}\n")?;
        }
        out.flush()
    })();
    match written {
        // Whoever reads has enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        other => other.map_err(|error| error.to_string())?,
    }
    match head["records"].as_u64() {
        Some(all) if all != records => Err(format!("the dump broke off after {records} of {all} records")),
        _ => Ok(()),
    }
}

/// One line of a dump: owner, TTL, class, type and RDATA between tabs.
fn record_json(line: &str) -> Value {
    let mut fields = line.splitn(5, '\t');
    let mut next = || fields.next().unwrap_or_default();
    let (name, ttl, class, rtype, data) = (next(), next(), next(), next(), next());
    json!({ "name": name, "ttl": ttl.parse::<u32>().ok(), "class": class, "type": rtype, "data": data })
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

/// Prints a value for machines.
pub(super) fn print_json(value: &Value) -> Result<(), String> {
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
        let from = zone["problem"]["peer"].as_str().map(|peer| format!("{peer}: ")).unwrap_or_default();
        anstream::println!("    {}: {from}{indented}", text(&zone["problem"]["code"]));
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
