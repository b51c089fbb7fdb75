//! How a change becomes public.
//!
//! [`watch`] decides when a zone file that changed is read.

pub mod watch;
