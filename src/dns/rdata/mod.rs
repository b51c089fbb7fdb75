//! RDATA in its three forms: text, wire, canonical.
//!
//! One table (`layout`) says which fields each type has; everything else walks it: [`from_text`]
//! and [`write_text`] for zone files, [`check`] and [`read`] for what comes in messages,
//! [`canonical`] and [`same`] for comparing (RFC 4034 §6.2), [`pieces`] for writing messages.
//! Octets that [`check`] took are written by [`write_text`] so that [`from_text`] gives the same
//! octets again. Record types are in `rtype`, zone-file syntax (parentheses, directives) in
//! `zone/text`. Service names of WKS and other types that died before RFC 3597 have only the
//! generic form.

mod address;
mod apl;
mod bitmap;
mod gateway;
mod hip;
mod layout;
mod loc;
mod parse;
mod print;
mod problem;
mod svcparams;
mod times;
mod token;
mod wire;

#[cfg(test)]
mod tests;

pub use parse::from_text;
pub use print::write_text;
pub use problem::{TextError, TextProblem, WireError};
pub use token::{Token, name_from_token, ttl_from_text, type_from_text};
pub use wire::{Piece, Pieces, additional_target, canonical, check, name_from_message, pieces, read, same};
