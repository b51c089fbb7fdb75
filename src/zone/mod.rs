//! Where a zone lives: one immutable version in memory, and everything that is done to versions.
//!
//! A [`Version`] is a tree of small pages that are never written after they were made; a change
//! ([`edit()`], [`apply`]) copies the pages that it touches and shares the rest. [`diff()`] walks two
//! versions and skips what they share. The [`ZoneSet`] of a server is the same kind of tree, keyed
//! by apex. This room knows no files, clocks or messages: records come in checked and in wire form.
//!
//! | file | what lives there |
//! |---|---|
//! | `tree` | the copy-on-write tree of pages |
//! | `page`, `draft` | a page as it is read and as it is written |
//! | `version`, `lookup`, `node`, `walk` | a version, what it finds, and all records in a row |
//! | `builder`, `heap`, `parents`, `reread`, `edit`, `diff`, `loss` | how versions are made and compared |
//! | `demands`, [`zonemd`] | what a version must be like; its digest for others (RFC 8976) |
//! | `order` | what proves absence in signed zones: NSEC and NSEC3 in their order |
//! | `set` | all zones of a server |
//! | [`text`] | zone files, in and out |
//! | [`checks`] | what a whole version says about itself |

mod builder;
mod change;
pub mod checks;
mod demands;
mod diff;
mod digest;
mod draft;
mod edit;
mod heap;
mod lookup;
mod loss;
mod node;
mod order;
mod page;
mod parents;
mod reread;
mod set;
pub mod text;
mod tree;
mod version;
mod walk;
pub mod zonemd;

#[cfg(test)]
mod tests;

pub use builder::{BuildError, Builder, Built, Source};
pub use change::{Change, Delta};
pub use demands::{Bounds, Demands, Excess};
pub use diff::diff;
pub use digest::{Digest, DigestKey};
pub use edit::{ApplyError, apply, edit, reserial};
pub use lookup::{Found, Pass, Prepared};
pub use loss::Loss;
pub use node::{Node, Rrset, Stored};
pub use order::{Denial, Nsec3Chain, NsecChain};
pub use reread::{PageSums, Rebuilt, Reread};
pub use set::{Lease, Slot, SlotState, ZoneSet};
pub use version::Version;
pub use walk::Walk;
