//! The control socket of a running server: a thread that listens, a thread for each operator.

use std::fs;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::protocol::{Reply, Request, ZoneAction};
use crate::dns::{Name, Serial};
use crate::engine::Engine;
use crate::engine::shard::Command;
use crate::engine::status::{Problem, ZoneStatus};
use crate::ident::ZoneId;
use crate::zone::text;

/// Operators at the same time.
const CLIENTS_MAX: usize = 32;
/// The longest request line.
const LINE_OCTETS_MAX: u64 = 64 * 1024;
/// How long a command on a zone may take before the operator is told that it goes on without him.
const COMMAND_WAIT: Duration = Duration::from_secs(600);

/// What the control socket needs besides the engine.
pub trait Operations: Send + Sync {
    /// Reads the config again; the sentence says what changed, or why nothing did.
    /// `force` lets it remove many zones at once (R09).
    fn reload(&self, force: bool) -> Result<String, String>;
    /// What came in and went out since the start, in numbers.
    fn traffic(&self) -> Value;
    /// The errors that resolvers reported (RFC 9567), by zone and code.
    fn reports(&self) -> Value;
    /// The configured name of a peer.
    fn peer_name(&self, peer: u32) -> String;
}

/// The listening socket.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

struct Desk {
    engine: Engine,
    operations: Arc<dyn Operations>,
}

impl Control {
    /// Listens at `path`; an error names what stands in the way.
    pub fn start(path: &Path, engine: Engine, operations: Arc<dyn Operations>) -> io::Result<Control> {
        make_room(path)?;
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        let stopping = Arc::new(AtomicBool::new(false));
        let desk = Arc::new(Desk { engine, operations });
        let thread = std::thread::Builder::new().name("control".into()).spawn({
            let stopping = stopping.clone();
            move || listen(&listener, &desk, &stopping)
        })?;
        Ok(Control { path: path.into(), stopping, thread })
    }

    /// Stops listening and takes the socket away.
    pub fn stop(self) {
        self.stopping.store(true, Ordering::Release);
        // The listener wakes up by being connected to.
        let _ = UnixStream::connect(&self.path);
        let _ = self.thread.join();
        let _ = fs::remove_file(&self.path);
    }
}

/// Takes away the socket of a server that is gone, and nothing else.
fn make_room(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} is not a socket", path.display())))
        }
        Ok(_) if UnixStream::connect(path).is_ok() => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!("another server listens at {}", path.display()),
        )),
        Ok(_) => fs::remove_file(path),
    }
}

fn listen(listener: &UnixListener, desk: &Arc<Desk>, stopping: &AtomicBool) {
    let clients = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if stopping.load(Ordering::Acquire) {
            return;
        }
        let Ok(stream) = stream else { continue };
        if clients.fetch_add(1, Ordering::AcqRel) >= CLIENTS_MAX {
            clients.fetch_sub(1, Ordering::AcqRel);
            continue;
        }
        let (desk, seats) = (desk.clone(), clients.clone());
        let spawned = std::thread::Builder::new().name("operator".into()).spawn(move || {
            if let Err(error) = converse(&stream, &desk) {
                tracing::debug!(%error, "an operator's connection ended");
            }
            seats.fetch_sub(1, Ordering::AcqRel);
        });
        if spawned.is_err() {
            clients.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

fn converse(stream: &UnixStream, desk: &Desk) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.by_ref().take(LINE_OCTETS_MAX).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut out = BufWriter::new(stream);
        let (reply, dump) = match serde_json::from_str::<Request>(&line) {
            Ok(request) => desk.answer(&request),
            Err(error) => (Reply::Error(format!("not a request: {error}")), None),
        };
        serde_json::to_writer(&mut out, &reply)?;
        out.write_all(b"\n")?;
        if let Some(version) = dump {
            text::print(&version, &mut out)?;
            return out.flush();
        }
        out.flush()?;
    }
}

type Dump = Option<Arc<crate::zone::Version>>;

impl Desk {
    fn answer(&self, request: &Request) -> (Reply, Dump) {
        match self.carry_out(request) {
            Ok((value, dump)) => (Reply::Ok(value), dump),
            Err(why) => (Reply::Error(why), None),
        }
    }

    fn carry_out(&self, request: &Request) -> Result<(Value, Dump), String> {
        let value = match request {
            Request::Status { zone: None } => {
                let zones = self.engine.statuses();
                let zones: Vec<Value> = zones.iter().map(|status| self.named(status)).collect();
                let (stored, traffic) = (self.engine.stored(), self.operations.traffic());
                let reports = self.operations.reports();
                json!({ "zones": zones, "stored": stored, "traffic": traffic, "reports": reports })
            }
            Request::Status { zone: Some(zone) } => {
                let (_, id) = self.zone(zone)?;
                let status = self.engine.status(id).ok_or("the zone has no status yet")?;
                json!({ "zones": [self.named(&status)] })
            }
            Request::Wait { zone, serial, timeout_ms } => {
                let (apex, id) = self.zone(zone)?;
                let until = Instant::now() + Duration::from_millis(*timeout_ms);
                if !self.engine.wait(id, Serial(*serial), until) {
                    return Err(self.not_reached(&apex, id, *serial));
                }
                json!({ "zone": apex.to_string(), "serial": self.engine.status(id).and_then(|s| s.serial) })
            }
            Request::Zone { zone, action } => return self.zone_action(zone, action),
            Request::Reload { force } => json!({ "text": self.operations.reload(*force)? }),
        };
        Ok((value, None))
    }

    fn zone_action(&self, zone: &str, action: &ZoneAction) -> Result<(Value, Dump), String> {
        if *action == ZoneAction::Remove
            && let Ok(apex) = Name::parse(zone)
            && let Some(reply) = self.engine.forget_stored(apex.as_ref())
        {
            reply_in_time(&reply).map_err(|why| format!("{apex}: {why}"))?;
            return Ok((json!({ "text": format!("what was stored of {apex} is deleted") }), None));
        }
        let (apex, id) = self.zone(zone)?;
        let command = match action {
            ZoneAction::Dump => {
                let world = self.engine.world().load();
                let slot = world.zones.exact(apex.as_ref());
                let version = slot.and_then(|slot| slot.version_at(self.engine.clock().now().tick));
                let version = version.ok_or("nothing is published of this zone")?.clone();
                let records = version.record_count();
                let head =
                    json!({ "zone": apex.to_string(), "serial": version.serial().0, "records": records });
                return Ok((head, Some(version)));
            }
            ZoneAction::Remove => {
                let setup = self.engine.zone_setup(id).ok_or("no such zone")?;
                let reply = self.engine.remove(&setup);
                reply_in_time(&reply).map_err(|why| format!("{apex} is not served any more, but {why}"))?;
                return Ok((json!({ "text": format!("{apex} is not served any more") }), None));
            }
            ZoneAction::Reload { force } => Command::Reload { force: *force },
            ZoneAction::Confirm { serial } => Command::Confirm(Serial(*serial)),
            ZoneAction::Rollback { serial } => Command::Rollback(Serial(*serial)),
            ZoneAction::Retransfer => Command::Retransfer,
        };
        let text = reply_in_time(&self.engine.command(id, command))?;
        Ok((json!({ "text": text }), None))
    }

    fn zone(&self, text: &str) -> Result<(Name, ZoneId), String> {
        let apex = Name::parse(text).map_err(|error| format!("{text} is no name: {error}"))?;
        let id = self.engine.zone_id(apex.as_ref());
        let id = id.ok_or_else(|| format!("{apex} is not a zone of this server"))?;
        Ok((apex, id))
    }

    fn not_reached(&self, apex: &Name, id: ZoneId, serial: u32) -> String {
        let status = self.engine.status(id);
        let now = match status.as_ref().and_then(|status| status.serial) {
            Some(now) => format!("it is at {now}"),
            None => format!("it is {}", status.as_ref().map_or("unknown", |status| status.state)),
        };
        match status.as_ref().and_then(|status| status.problem.as_deref()) {
            Some(Problem { code, text, peer }) => {
                let from = peer.map(|peer| format!("{}: ", self.operations.peer_name(peer)));
                let from = from.unwrap_or_default();
                format!("{apex} did not reach serial {serial}; {now}; {code}: {from}{text}")
            }
            None => format!("{apex} did not reach serial {serial}; {now}"),
        }
    }

    /// A status with the peers' handles replaced by their names.
    fn named(&self, status: &ZoneStatus) -> Value {
        let mut value = json!(status);
        let name = |peer: &mut Value| {
            if let Some(number) = peer.as_u64() {
                *peer = json!(self.operations.peer_name(number as u32));
            }
        };
        if let Some(secondaries) = value["secondaries"].as_array_mut() {
            secondaries.iter_mut().for_each(|secondary| name(&mut secondary["peer"]));
        }
        if value["problem"].is_object() {
            name(&mut value["problem"]["peer"]);
        }
        if value["last_transfer"].is_object() {
            name(&mut value["last_transfer"]["peer"]);
        }
        value
    }
}

fn reply_in_time(reply: &Receiver<Result<String, String>>) -> Result<String, String> {
    reply.recv_timeout(COMMAND_WAIT).map_err(|_| String::from("it takes long; see `status`"))?
}
