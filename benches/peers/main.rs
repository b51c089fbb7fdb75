//! Bellwether beside other name servers on this machine: processor time for each query, as a
//! multiple of what the kernel alone takes (`udp`), and processor time and memory for each record of a large
//! zone that is read from its file (`load`). Without a name it is all of it.
//!
//! `cargo bench --bench peers -- [udp] [load] [--quick] [--only NAME,NAME] [--rounds N] [--json FILE]`
//!
//! All servers get the same zone and the same questions over loopback, one worker each on the first
//! processor, the client on the second. They take turns, round after round, so that what else the
//! machine does meets all of them; what counts is processor time, and its ratio within a round. A
//! peer that is not installed is named, and its row left out. `udp --quick` takes two minutes.

mod field;
mod floor;
mod load;
mod server;
mod start;
mod statistics;
mod table;
mod udp;
mod usage;
mod zone;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use field::Field;
use server::Kind;

/// What was asked for on the command line.
pub struct Options {
    /// Which parts; none means all.
    parts: Vec<Part>,
    /// The short look.
    pub quick: bool,
    /// Which servers; the floor is always among them.
    pub servers: Vec<Kind>,
    /// How many rounds, if said.
    pub rounds: Option<usize>,
    /// Where the figures go as JSON.
    pub json: Option<PathBuf>,
}

/// A part of the run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Udp,
    Load,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match &arguments[..] {
        [only, octets] if only == "--floor" => octets
            .parse()
            .map_err(|_| "--floor wants the length of a reply".to_owned())
            .and_then(|octets| floor::serve(octets).map_err(|error| format!("the floor: {error}"))),
        _ => options(&arguments).and_then(|options| run(&options).map_err(|error| error.to_string())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> io::Result<()> {
    let wanted = |part| options.parts.is_empty() || options.parts.contains(&part);
    let field = Field::new(&options.servers)?;
    let udp = if wanted(Part::Udp) { udp::run(options, &field)? } else { Vec::new() };
    let loads = if wanted(Part::Load) { start::run(options, &field)? } else { Vec::new() };
    table::print_versions(&field);
    let Some(file) = &options.json else { return Ok(()) };
    let text = table::json(&field, &udp, &loads);
    std::fs::write(file, text).map_err(|error| io::Error::other(format!("{}: {error}", file.display())))
}

fn options(arguments: &[String]) -> Result<Options, String> {
    let mut options =
        Options { parts: Vec::new(), quick: false, servers: Kind::ALL.to_vec(), rounds: None, json: None };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{argument} wants a value"));
        match argument.as_str() {
            // Cargo adds the first one.
            "--bench" => {}
            "udp" => options.parts.push(Part::Udp),
            "load" => options.parts.push(Part::Load),
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
