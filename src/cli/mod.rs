//! The command line: one file a subcommand.
//!
//! Exit status: 0 done, 1 it was not (and why, in a sentence on stderr), 2 the command line itself.

mod check;
mod demo;
mod remote;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An authoritative DNS server that keeps its secondaries exact.
#[derive(Debug, Parser)]
#[command(name = "bellwether", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The config file, for every subcommand that needs one.
#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The config file.
    #[arg(long, short, default_value = "config.toml", value_name = "FILE", global = true)]
    config: PathBuf,
}

/// Where a running server listens for us.
#[derive(Debug, clap::Args)]
struct Server {
    #[command(flatten)]
    file: ConfigFile,
    /// The control socket; otherwise the config tells.
    #[arg(long, value_name = "SOCKET", global = true)]
    control: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server in the foreground.
    Run {
        #[command(flatten)]
        file: ConfigFile,
        /// How much to log: error, warn, info, debug or trace.
        #[arg(long, default_value = "info")]
        log: tracing::Level,
        /// Log lines as JSON.
        #[arg(long)]
        log_json: bool,
    },
    /// Check the config and every zone file it names, or one zone file.
    Check {
        #[command(flatten)]
        file: ConfigFile,
        /// Check this file as the zone of this name instead.
        #[arg(long, num_args = 2, value_names = ["ZONE", "FILE"])]
        zone: Option<Vec<String>>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// A primary and a secondary on this machine, to try things with.
    Demo {
        /// The folder with the zone files; made from built-in ones if it does not exist.
        #[arg(long, default_value = "zones", value_name = "FOLDER")]
        zones: PathBuf,
    },
    /// What the server serves, and what is wrong.
    Status {
        #[command(flatten)]
        server: Server,
        /// One zone only.
        zone: Option<String>,
    },
    /// Wait until the server has published a serial that is this or newer.
    Wait {
        #[command(flatten)]
        server: Server,
        /// The zone.
        zone: String,
        /// The serial.
        #[arg(long)]
        serial: u32,
        /// Give up after so many seconds.
        #[arg(long, default_value_t = 60)]
        timeout: u64,
    },
    /// Read the config again, and every zone file that changed.
    Reload {
        #[command(flatten)]
        server: Server,
        /// Even if more than 10 zones and more than 10 % of them would go.
        #[arg(long)]
        force: bool,
    },
    /// Do something with one zone.
    Zone {
        #[command(flatten)]
        server: Server,
        #[command(subcommand)]
        action: ZoneCommand,
    },
}

#[derive(Debug, Subcommand)]
enum ZoneCommand {
    /// Print what is served, as a zone file.
    Dump {
        /// The zone.
        zone: String,
    },
    /// Read the zone's file again; on a secondary, ask the primaries.
    Reload {
        /// The zone.
        zone: String,
        /// Take a file that a rollback holds back.
        #[arg(long)]
        force: bool,
    },
    /// Publish the version that the guard holds.
    Confirm {
        /// The zone.
        zone: String,
        /// Its serial.
        serial: u32,
    },
    /// Publish the content of an earlier serial under a new one; the file is held back until it changes.
    Rollback {
        /// The zone.
        zone: String,
        /// The earlier serial.
        serial: u32,
    },
    /// Transfer the whole zone from a primary, whatever the serials say.
    Retransfer {
        /// The zone.
        zone: String,
    },
    /// Stop serving a zone until the config is read again, and delete its stored state; the file stays.
    Remove {
        /// The zone.
        zone: String,
    },
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    crate::net::sys::share_memory();
    let result = match Cli::parse().command {
        Command::Run { file, log, log_json } => run::run(&file.config, log, log_json),
        Command::Check { file, zone, json } => check::check(&file.config, zone.as_deref(), json),
        Command::Demo { zones } => demo::demo(&zones),
        Command::Status { server, zone } => remote::status(&server, zone),
        Command::Wait { server, zone, serial, timeout } => remote::wait(&server, zone, serial, timeout),
        Command::Reload { server, force } => remote::reload(&server, force),
        Command::Zone { server, action } => remote::zone(&server, action),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            anstream::eprintln!("{}", why.trim_end());
            ExitCode::FAILURE
        }
    }
}
