//! Sockets, and nothing else: octets in, octets out.

pub mod sys;
