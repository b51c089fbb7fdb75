//! Who takes part in a run, and on which processors.

use std::io;

use nix::sys::prctl;

use crate::kind::Kind;
use crate::report::Row;
use crate::server::pin;

/// The server's processor and the client's.
const CORES: [usize; 2] = [0, 1];

/// The field of a run.
#[derive(Clone)]
pub struct Field {
    /// Processors that server and client have.
    pub cores: [usize; 2],
    /// Who is here, and what each says of itself.
    pub versions: Vec<(Kind, Vec<String>)>,
    /// Peers that are not here, with what to do.
    pub missing: Vec<(Kind, String)>,
}

impl Field {
    /// Looks for the servers that were asked for, and takes the client's processor.
    pub fn new(wanted: &[Kind]) -> io::Result<Field> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let cores = CORES.map(|core| core.min(processors - 1));
        if cores[0] == cores[1] {
            eprintln!("Only one processor: servers and client share it, and no server is kept busy.");
        }
        let mut field = Field { cores, versions: Vec::new(), missing: Vec::new() };
        for kind in wanted {
            match kind.missing() {
                Some(what) => {
                    eprintln!("NO ROW FOR {}: {what}", kind.name());
                    field.missing.push((*kind, what));
                }
                None => field.versions.push((*kind, kind.version()?)),
            }
        }
        // What outlives its parent becomes ours, with the time that it took.
        prctl::set_child_subreaper(true)?;
        pin(&cores[1..])?;
        Ok(field)
    }

    /// The servers that are here, the floor among them or not.
    pub fn servers(&self, with_floor: bool) -> Vec<Kind> {
        let kinds = self.versions.iter().map(|(kind, _)| *kind);
        kinds.filter(|kind| with_floor || *kind != Kind::Floor).collect()
    }

    /// Lets all servers but the floor take turns at something that starts them.
    pub fn race(
        &self,
        case: &str,
        rounds: usize,
        mut turn: impl FnMut(Kind, usize) -> io::Result<Vec<f64>>,
    ) -> io::Result<Vec<Row>> {
        let mut rows: Vec<(Kind, Vec<Vec<f64>>)> =
            self.servers(false).into_iter().map(|kind| (kind, Vec::new())).collect();
        for round in 1..=rounds {
            for (kind, figures) in &mut rows {
                eprintln!("{case}: round {round} of {rounds}, {}", kind.name());
                figures.push(turn(*kind, round)?);
            }
        }
        Ok(rows.into_iter().map(|(kind, figures)| (kind.name(), figures)).collect())
    }
}
