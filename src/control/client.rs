//! The other end of the control socket, for the command line.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::protocol::{Reply, Request};

/// A connection to a running server.
#[derive(Debug)]
pub struct Client(BufReader<UnixStream>);

/// Why a request got no answer.
#[derive(Debug)]
pub enum ClientError {
    /// Nobody listens there.
    NotRunning(PathBuf, io::Error),
    /// The connection broke.
    Broken(io::Error),
    /// The server said no, in a sentence.
    Refused(String),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::NotRunning(path, error) => {
                write!(f, "no server answers at {}: {error}", path.display())
            }
            ClientError::Broken(error) => write!(f, "the server broke the connection off: {error}"),
            ClientError::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ClientError {}

impl Client {
    /// Connects to the socket at `path`.
    pub fn connect(path: &Path) -> Result<Client, ClientError> {
        let stream = UnixStream::connect(path);
        let stream = stream.map_err(|error| ClientError::NotRunning(path.into(), error))?;
        Ok(Client(BufReader::new(stream)))
    }

    /// Asks, and waits for the answer.
    pub fn ask(&mut self, request: &Request) -> Result<Value, ClientError> {
        let mut line = serde_json::to_vec(request).map_err(|error| ClientError::Broken(error.into()))?;
        line.push(b'\n');
        self.0.get_mut().write_all(&line).map_err(ClientError::Broken)?;
        let mut reply = String::new();
        self.0.read_line(&mut reply).map_err(ClientError::Broken)?;
        match serde_json::from_str(&reply) {
            Ok(Reply::Ok(value)) => Ok(value),
            Ok(Reply::Error(why)) => Err(ClientError::Refused(why)),
            Err(error) => Err(ClientError::Broken(error.into())),
        }
    }

    /// The next line of what follows an answer, without its end: the text of a dump. `None` at the
    /// end of the stream.
    pub fn next_line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line.ends_with('\n') {
            line.pop();
        }
        Ok(Some(line))
    }
}
