//! In the place of `quic` where it is left out: the config lets nobody listen for it.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;

use super::Desk;
use super::tcp::{StreamLimits, Streams};
use super::tls::Identity;
use crate::serve::Counters;

/// Nothing runs.
#[derive(Debug)]
pub struct Quic {
    /// Nothing is counted.
    pub counters: [Arc<Counters>; 0],
}

impl Quic {
    /// There are no sockets to start anything over.
    pub fn start(
        _: Vec<UdpSocket>,
        _: Vec<UdpSocket>,
        _: &Arc<Identity>,
        _: &Arc<dyn Desk>,
        _: StreamLimits,
        _: &Streams,
    ) -> io::Result<Quic> {
        Ok(Quic { counters: [] })
    }

    /// Nothing is to be stopped.
    pub fn stop(self) {}
}
