//! When a zone travels.
//!
//! [`follow`] is the secondary's side: whether, when and from whom a zone is transferred.
//! [`flock`] is the primary's side: what each secondary was told, took and acknowledged.
//! Both are machines without clocks, sockets or randomness: time is an argument, what is to be done
//! comes out as actions, and jitter comes from a seeded generator.

pub mod flock;
pub mod follow;
pub mod ladder;
mod memory;
pub mod timers;
