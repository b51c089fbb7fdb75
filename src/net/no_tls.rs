//! In the place of `tls` where it is left out: there is no identity, so nothing accepts.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;

use crate::ident::Transport;

/// There is none.
#[derive(Debug)]
pub enum Identity {}

/// Made of an identity, of which there is none.
#[derive(Clone)]
pub struct Acceptor(Arc<Identity>);

/// Never made.
pub type Stream = TcpStream;

impl Acceptor {
    /// Never called.
    pub fn dot(identity: Arc<Identity>) -> Acceptor {
        Acceptor(identity)
    }

    /// Never called.
    pub fn doh(identity: Arc<Identity>) -> Acceptor {
        Acceptor(identity)
    }

    /// Never called.
    pub async fn accept(&self, _: TcpStream) -> io::Result<(Stream, Transport)> {
        match *self.0 {}
    }
}
