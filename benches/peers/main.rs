//! Bellwether beside other name servers on this machine, for what each part of a name server's work costs:
//!
//! | part | what |
//! |---|---|
//! | `udp` | a query over UDP, as a multiple of what the kernel alone takes; with proofs; with two workers |
//! | `tcp` | a query over TCP, one after the other and one a connection |
//! | `load` | a record of a large zone until its first answer, and in memory |
//! | `zones` | a hundred thousand small zones until all answer |
//! | `axfr` | a record of a transfer, plain and signed |
//! | `secondary` | a record of a transfer until it is served and stored; a start with what was stored |
//! | `edit` | one changed record, from the file on the primary to the answer of the secondary |
//! | `many` | ten thousand zones to a secondary that has none; ten thousand NOTIFYs in a second |
//!
//! `cargo bench --bench peers -- [PART ...] [--quick] [--only NAME,NAME] [--rounds N] [--json FILE]`
//!
//! Without a part it is all of them. All servers get the same zones and the same questions over loopback,
//! one worker each on the first processor, the client on the second. They take turns, round after round, so
//! that what else the machine does meets all of them; what counts is processor time, and its ratio within a
//! round. A peer that is not installed is named, and its row left out.

mod axfr;
mod edit;
mod field;
mod floor;
mod kind;
mod load;
mod many;
mod probe;
mod report;
mod secondary;
mod server;
mod signed;
mod start;
mod statistics;
mod streams;
mod tcp;
mod udp;
mod usage;
mod zone;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use field::Field;
use kind::Kind;
use report::Report;

/// What was asked for on the command line.
pub struct Options {
    /// Which parts; none means all.
    parts: Vec<&'static str>,
    /// The short look.
    pub quick: bool,
    /// Which servers; the floor is always among them.
    pub servers: Vec<Kind>,
    /// How many rounds, if said.
    rounds: Option<usize>,
    /// Where the figures go as JSON.
    pub json: Option<PathBuf>,
}

impl Options {
    /// How many rounds: as said, else one of these for the whole and for the short look.
    pub fn rounds(&self, whole: usize, quick: usize) -> usize {
        self.rounds.unwrap_or(if self.quick { quick } else { whole })
    }
}

/// A part of the run. It prints each report when it has it, so that whoever ends a long run early has
/// what was done.
type Part = fn(&Options, &Field) -> io::Result<Vec<Report>>;

const PARTS: [(&str, Part); 8] = [
    ("udp", udp::run),
    ("tcp", tcp::run),
    ("load", start::run_load),
    ("zones", start::run_zones),
    ("axfr", axfr::run),
    ("secondary", secondary::run),
    ("edit", edit::run),
    ("many", many::run),
];

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
    let field = Field::new(&options.servers)?;
    let mut reports = Vec::new();
    for (name, part) in PARTS {
        if options.parts.is_empty() || options.parts.contains(&name) {
            reports.extend(part(options, &field)?);
        }
    }
    report::print_versions(&field);
    let Some(file) = &options.json else { return Ok(()) };
    std::fs::write(file, report::json(&field, &reports))
        .map_err(|error| io::Error::other(format!("{}: {error}", file.display())))
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
            other => match PARTS.iter().find(|(name, _)| *name == other) {
                Some((name, _)) => options.parts.push(name),
                None => {
                    return Err(format!("unknown argument {other}; see the top of benches/peers/main.rs"));
                }
            },
        }
    }
    Ok(options)
}
