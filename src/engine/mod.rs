//! How a change becomes public.
//!
//! [`shard`] holds zones as plain structs with a timer wheel: no task and no thread belongs to a
//! zone. [`commit`] is the only writer: whatever proposes a version (a file, a transfer, an
//! operator) ends there, and its types allow one order only: check, journal and sync, publish,
//! notify. `commit`, `shard`, `zone`, `intake` and `keeper` know no threads, files or clocks;
//! [`Engine`] is what runs them on real threads, and the simulator runs the same objects without any.

pub mod commit;
pub mod guard;
pub mod intake;
pub mod keeper;
pub mod publish;
pub mod reading;
pub mod serial;
pub mod setup;
pub mod shard;
pub mod status;
#[cfg(test)]
mod tests;
mod threads;
pub mod watch;
mod wheel;
mod zone;

pub use setup::{Role, Settings, ZoneSetup};
pub use threads::{Book, Engine, EngineConfig, Job, Log, Outside};
