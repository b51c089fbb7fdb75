//! The vocabulary of DNS, on bytes.
//!
//! Names, types, records, serials, RDATA in its three forms (text, wire, canonical), messages in
//! and out, EDNS and TSIG. Everything that a stranger can send us is taken apart in this room and
//! nowhere else; past it only valid values travel.

pub(crate) mod case;
pub mod edns;
pub mod message;
pub mod name;
pub mod nsec3;
pub mod rcode;
pub mod rdata;
pub mod record;
pub mod report;
pub mod rtype;
pub mod serial;
pub mod soa;
pub mod tsig;

pub use hickory_proto::op::{OpCode, ResponseCode};
pub use name::{Name, NameRef};
pub use record::{Record, RecordRef, Records};
pub use rtype::{Class, RecordType};
pub use serial::Serial;
pub use soa::Soa;
