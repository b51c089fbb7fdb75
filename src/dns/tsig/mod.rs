//! TSIG: messages signed with a shared key (RFC 8945).
//!
//! [`codec`](TsigRef) reads the record, [`Key`] and [`Keyring`] hold the secrets, [`verify_request`]
//! judges what asks us and gives the [`Signer`] of the answer, [`sign_request`] signs what we ask and
//! gives the [`Verifier`] of the answers. Both ends handle streams of messages, where each signature
//! covers the one before it. Order of judgement: key, MAC, time, then the truncation policy (§5.2), so
//! that nobody without the key learns our clock. No clock is read here: seconds are an argument.
//! Absent: hmac-md5 and GSS-TSIG.

mod client;
mod codec;
mod digest;
mod key;
mod server;

pub use client::{Checked, ReplyFault, Verifier, sign_request};
pub use codec::TsigRef;
pub use key::{Algorithm, Key, Keyring, UnknownAlgorithm};
pub use server::{Fault, Signer, Verified, verify_request};

/// How far the clocks may differ, in seconds; what we put into our signatures (RFC 8945 §10).
pub const FUDGE_S: u16 = 300;

/// Values of the ERROR field that are more than RCODEs (RFC 8945 §3).
pub mod error {
    /// No error.
    pub const NONE: u16 = 0;
    /// The MAC does not match.
    pub const BADSIG: u16 = 16;
    /// The key, or the algorithm with it, is not known.
    pub const BADKEY: u16 = 17;
    /// The time signed is further from our clock than the fudge.
    pub const BADTIME: u16 = 18;
    /// The MAC is shorter than the policy takes.
    pub const BADTRUNC: u16 = 22;
}

#[cfg(test)]
mod tests;
