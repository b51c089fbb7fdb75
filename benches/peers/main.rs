//! Bellwether beside other name servers on this machine: processor time for each query, as a
//! multiple of what the kernel alone takes.
//!
//! `cargo bench --bench peers -- [udp] [--quick] [--only NAME,NAME] [--rounds N] [--json FILE]`
//!
//! All servers get the same zone and the same questions over loopback, one worker each on the first
//! processor, the client on the second. They take turns, round after round, so that what else the
//! machine does meets all of them; what counts is processor time, and its ratio within a round. A
//! peer that is not installed is named, and its row left out. `--quick` takes two minutes.

mod floor;
mod load;
mod server;
mod statistics;
mod table;
mod udp;
mod usage;
mod zone;

use std::path::PathBuf;
use std::process::ExitCode;

use server::Kind;

/// What was asked for on the command line.
pub struct Options {
    /// The short look.
    pub quick: bool,
    /// Which servers; the floor is always among them.
    pub servers: Vec<Kind>,
    /// How many rounds, if said.
    pub rounds: Option<usize>,
    /// Where the figures go as JSON.
    pub json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match &arguments[..] {
        [only, octets] if only == "--floor" => octets
            .parse()
            .map_err(|_| "--floor wants the length of a reply".to_owned())
            .and_then(|octets| floor::serve(octets).map_err(|error| format!("the floor: {error}"))),
        _ => options(&arguments).and_then(|options| {
            let report = udp::run(&options).map_err(|error| error.to_string())?;
            table::print_versions(&report);
            let Some(file) = &options.json else { return Ok(()) };
            std::fs::write(file, table::json(&report)).map_err(|error| format!("{}: {error}", file.display()))
        }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn options(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options { quick: false, servers: Kind::ALL.to_vec(), rounds: None, json: None };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{argument} wants a value"));
        match argument.as_str() {
            // Cargo adds the first one.
            "--bench" | "udp" => {}
            "--quick" => options.quick = true,
            "--only" => {
                let names: Vec<String> = value()?.split(',').map(str::to_lowercase).collect();
                let known = |kind: &Kind| names.contains(&kind.name().to_lowercase());
                if let Some(name) = names
                    .iter()
                    .find(|name| !Kind::ALL.iter().any(|kind| kind.name().to_lowercase() == **name))
                {
                    return Err(format!("there is no server {name} here"));
                }
                options.servers.retain(|kind| *kind == Kind::Floor || known(kind));
            }
            "--rounds" => {
                options.rounds = Some(value()?.parse().map_err(|_| "--rounds wants a number".to_owned())?);
            }
            "--json" => options.json = Some(PathBuf::from(value()?)),
            other => return Err(format!("unknown argument {other}; see the top of benches/peers/main.rs")),
        }
    }
    Ok(options)
}
