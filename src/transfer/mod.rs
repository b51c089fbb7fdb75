//! How a zone travels, as pure code: octets in, octets out, time as an argument.
//!
//! * [`outgoing`] chooses between "current", differences and the whole zone, and packs one held version
//!   into messages.
//! * [`incoming`] asks a primary (SOA, IXFR, AXFR) or tells a secondary (NOTIFY), and reads the answer back
//!   into a new version.
//! * [`condense`](mod@condense) makes one step out of many.
//!
//! When a zone travels and between whom is decided elsewhere (`replica/`); nothing here opens a socket,
//! waits, or makes a version visible. RFC 1995 (IXFR), RFC 1996 (NOTIFY), RFC 5936 (AXFR), RFC 7314 (EXPIRE).

mod ask;
pub mod condense;
mod error;
mod form;
pub mod incoming;
mod intake;
pub mod outgoing;

#[cfg(test)]
mod tests;
