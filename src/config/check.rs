//! From the shape to the meaning: server, control, timers and keys. Peers are in `peers`, zones in `zone`.
//!
//! A problem in one table does not hide those of the next: all are collected, and only then the
//! config is refused.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use ipnet::IpNet;
use toml::Spanned;

use super::problem::Problem;
use super::raw::{RawConfig, RawControl, RawDurability, RawMinimalAny, RawServer, RawTimers};
use super::units::Seconds;
use super::{
    Config, ConfigError, Control, Durability, MinimalAny, PeerIndex, Rule, SOCKET_PATH_OCTETS_MAX, Server,
    Who, Zone, pieces, zone,
};
use crate::dns::Name;
use crate::limits;
use crate::reason::Reason;
use crate::replica::timers::Clamps;
use crate::zone::Bounds;

/// The port of DNS.
const DNS_PORT: u16 = 53;

/// Collects problems while the tables are read.
pub(super) struct Checker<'a> {
    /// The text.
    pub text: &'a str,
    /// Where its lines end, to tell their numbers.
    pub line_ends: Vec<usize>,
    /// The file, for positions in messages.
    pub path: &'a Path,
    /// The directory that relative paths start from.
    pub directory: PathBuf,
    /// What was found wrong so far.
    pub problems: Vec<Problem>,
    /// What was found odd so far.
    pub warnings: Vec<String>,
    /// The peers, by name.
    pub peer_names: BTreeMap<String, PeerIndex>,
    /// The peers that prove who they are.
    pub authenticated: Vec<PeerIndex>,
    /// The keys, by lower-cased name.
    pub key_names: Vec<Name>,
    /// Who may query a zone that says nothing about it; `None` is everybody.
    pub allow_query: Option<Vec<Rule>>,
    /// How large the parts of a zone may be.
    pub bounds: Bounds,
}

/// Reads and checks the whole text. `known` are the zones of the configuration that runs now.
pub(super) fn check(path: &Path, text: String, known: &[Zone]) -> Result<Config, ConfigError> {
    if let Some(config) = in_pieces(path, &text, known) {
        return Ok(config);
    }
    let raw: RawConfig = match toml::from_str(&text) {
        Ok(raw) => raw,
        Err(error) => return Err(ConfigError::from_toml(path, text, &error)),
    };
    checked(path, &text, known, &raw, &[]).map_err(|problems| ConfigError::new(path, text, problems))
}

/// The same for a text of very many zones, if nothing is wrong with it (see [`pieces`]).
fn in_pieces(path: &Path, text: &str, known: &[Zone]) -> Option<Config> {
    let (head, pieces) = pieces::of(text)?;
    let raw: RawConfig = toml::from_str(head).ok()?;
    if !raw.zones.is_empty() {
        return None;
    }
    checked(path, text, known, &raw, &pieces).ok()
}

/// The config, with the zones of these pieces of the text besides its own; or what is wrong with it.
fn checked(
    path: &Path,
    text: &str,
    known: &[Zone],
    raw: &RawConfig,
    pieces: &[Range<usize>],
) -> Result<Config, Vec<Problem>> {
    let mut checker = Checker {
        text,
        line_ends: text.bytes().enumerate().filter(|(_, octet)| *octet == b'\n').map(|(at, _)| at).collect(),
        path,
        directory: path.parent().map(Path::to_owned).unwrap_or_default(),
        problems: Vec::new(),
        warnings: Vec::new(),
        peer_names: BTreeMap::new(),
        authenticated: Vec::new(),
        key_names: Vec::new(),
        allow_query: None,
        bounds: Bounds::default(),
    };
    let server = checker.server(&raw.server);
    let tls = checker.tls(&raw.tls);
    let control = checker.control(&raw.control, &raw.server.state_dir);
    let timers = checker.timers(&raw.timers);
    let keys = checker.keys(&raw.keys);
    let peers = checker.peers(&raw.peers);
    checker.allow_query = raw.server.allow_query.as_ref().map(|rules| checker.rules(rules));
    checker.bounds = checker.limits(&raw.limits);
    let rrl = checker.rrl(&raw.rrl, &peers);
    let cookies = checker.cookies(&raw.cookies);
    let zones = zone::zones(&mut checker, raw, known, pieces);
    let reports = checker.reports(&raw.reports, &zones);
    let Checker { problems, warnings, .. } = checker;
    match (server, problems.is_empty()) {
        (Some(server), true) => {
            let path = path.to_owned();
            Ok(Config {
                path,
                server,
                control,
                rrl,
                cookies,
                reports,
                tls,
                timers,
                keys,
                peers,
                zones,
                warnings,
            })
        }
        _ => Err(problems),
    }
}

impl Checker<'_> {
    /// Notes a problem.
    pub fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// `FILE:LINE` of an offset, for messages after the config is read.
    pub fn position(&self, offset: usize) -> String {
        let line = self.line_ends.partition_point(|end| *end < offset) + 1;
        format!("{}:{line}", self.path.display())
    }

    /// A path as written, seen from the directory of the config file.
    pub fn join(&self, written: &str) -> PathBuf {
        self.directory.join(written)
    }

    fn server(&mut self, raw: &RawServer) -> Option<Server> {
        let listen: Vec<SocketAddr> =
            raw.listen.get_ref().iter().filter_map(|address| self.address(address)).collect();
        if raw.listen.get_ref().is_empty() {
            let problem = Problem::new(Reason::ConfigBadValue, raw.listen.span(), "no address to listen on");
            self.problem(problem.hint("name at least one, such as \"127.0.0.1:5300\" or \"[::]:53\""));
        }
        self.duplicates(raw.listen.get_ref(), &listen);
        let listens = self.listens(raw, &listen);
        let cores = available_parallelism().map_or(1, |cores| cores.get());
        let workers = self.at_least_one("workers", &raw.workers, cores);
        let clients = &raw.tcp_connections_per_client;
        let payload = (&raw.udp_payload_max, limits::UDP_PAYLOAD_MAX);
        let udp_payload_max = self.payload("udp_payload_max", payload)?;
        let payload = (&raw.udp_payload_max_ipv6, udp_payload_max);
        let udp_payload_max_ipv6 = self.payload("udp_payload_max_ipv6", payload)?;
        Some(Server {
            listen,
            listen_tls: listens.tls,
            listen_https: listens.https,
            listen_quic: listens.quic,
            state_dir: self.join(raw.state_dir.get_ref()),
            workers,
            durability: match raw.durability {
                Some(RawDurability::Require) => Durability::Require,
                Some(RawDurability::Prefer) | None => Durability::Prefer,
            },
            history_octets_max: raw.history_octets_max.map_or(limits::HISTORY_OCTETS_MAX, |octets| octets.0),
            tcp_idle: raw.tcp_idle.as_ref().map_or(limits::TCP_IDLE, |idle| idle.get_ref().0),
            tcp_connections: self.at_least_one(
                "tcp_connections",
                &raw.tcp_connections,
                limits::TCP_CONNECTIONS_MAX,
            ),
            tcp_connections_per_client: self.at_least_one(
                "tcp_connections_per_client",
                clients,
                limits::TCP_CONNECTIONS_PER_CLIENT_MAX,
            ),
            pinned_octets_max: raw.pinned_octets_max.map_or(limits::PINNED_OCTETS_MAX, |octets| octets.0),
            udp_payload_max,
            udp_payload_max_ipv6,
            version: self.short_text(&raw.version),
            identity: self.short_text(&raw.identity),
            nsid: self.short_text(&raw.nsid),
            minimal_any: match raw.minimal_any {
                Some(RawMinimalAny::Udp) => MinimalAny::Udp,
                Some(RawMinimalAny::Always) | None => MinimalAny::Always,
            },
            proxy_from: self.proxies(raw.proxy_from.as_deref().unwrap_or_default()),
        })
    }

    /// The size of a datagram, or its default.
    fn payload(&mut self, key: &str, (written, default): (&Option<Spanned<u16>>, u16)) -> Option<u16> {
        let Some(size) = written else { return Some(default) };
        if !(512..=4096).contains(size.get_ref()) {
            let title = format!("{key} = {} is out of range", size.get_ref());
            let problem = Problem::new(Reason::ConfigBadValue, size.span(), title);
            self.problem(problem.label("512 to 4096 octets").hint("1232 passes everywhere unfragmented"));
            return None;
        }
        Some(*size.get_ref())
    }

    fn control(&mut self, raw: &RawControl, state_dir: &Spanned<String>) -> Control {
        let (socket, span) = match &raw.socket {
            Some(socket) => (self.join(socket.get_ref()), socket.span()),
            None => (self.join(state_dir.get_ref()).join("control.sock"), state_dir.span()),
        };
        let octets = socket.as_os_str().len();
        if octets > SOCKET_PATH_OCTETS_MAX {
            let title = format!("the path of the control socket, {}, is too long", socket.display());
            let problem = Problem::new(Reason::ConfigPathTooLong, span, title)
                .label(format!("{octets} octets, and {SOCKET_PATH_OCTETS_MAX} are possible"))
                .hint("put it elsewhere: [control] socket = \"/run/bellwether/control.sock\"");
            self.problem(problem);
        }
        Control { socket }
    }

    fn timers(&mut self, raw: &RawTimers) -> Clamps {
        let value = |timer: &Option<Spanned<Seconds>>| timer.as_ref().map(|timer| timer.get_ref().0);
        let default = Clamps::default();
        let timers = Clamps {
            refresh_min: value(&raw.refresh_min).unwrap_or(default.refresh_min),
            refresh_max: value(&raw.refresh_max).unwrap_or(default.refresh_max),
            retry_min: value(&raw.retry_min).unwrap_or(default.retry_min),
            retry_max: value(&raw.retry_max).unwrap_or(default.retry_max),
            expire_max: value(&raw.expire_max).unwrap_or(default.expire_max),
            expire_min: value(&raw.expire_min).or(default.expire_min),
        };
        for (name, least, most, written) in [
            (
                "refresh",
                Some(timers.refresh_min),
                timers.refresh_max,
                raw.refresh_max.as_ref().or(raw.refresh_min.as_ref()),
            ),
            (
                "retry",
                Some(timers.retry_min),
                timers.retry_max,
                raw.retry_max.as_ref().or(raw.retry_min.as_ref()),
            ),
            (
                "expire",
                timers.expire_min,
                timers.expire_max,
                raw.expire_max.as_ref().or(raw.expire_min.as_ref()),
            ),
        ] {
            if let (Some(least), Some(written)) = (least, written)
                && least > most
            {
                let title = format!("{name}_max is shorter than {name}_min");
                let problem = Problem::new(Reason::ConfigConflict, written.span(), title);
                self.problem(problem.label(format!("{name}_min is {} s", least.as_secs())));
            }
        }
        timers
    }

    /// The peer that `written` names, if it is defined.
    pub fn peer(&mut self, written: &Spanned<String>) -> Option<PeerIndex> {
        let found = self.peer_names.get(written.get_ref()).copied();
        if found.is_none() {
            let title = format!("there is no peer \"{}\"", written.get_ref());
            let names: Vec<String> = self.peer_names.keys().cloned().collect();
            let mut problem = Problem::new(Reason::ConfigUnknownName, written.span(), title)
                .nearest(written.get_ref(), names.iter().map(String::as_str));
            if names.is_empty() {
                problem = problem.hint(format!("define it: [peers.{}]", written.get_ref()));
            }
            self.problem(problem);
        }
        found
    }

    /// `"any"`, an address, a prefix, `"key:NAME"` or the name of a peer.
    pub fn rule(&mut self, written: &Spanned<String>) -> Option<Rule> {
        let text = written.get_ref().as_str();
        let who = if text == "any" {
            Who::Any
        } else if let Some(key) = text.strip_prefix("key:") {
            Who::Key(self.key_named(key, written.span())?)
        } else if let Ok(net) = text.parse::<IpNet>() {
            if net.trunc() != net {
                let title = format!("{net} has bits set beyond its length");
                let problem = Problem::new(Reason::ConfigBadValue, written.span(), title);
                self.problem(problem.hint(format!("did you mean `{}`?", net.trunc())));
            }
            Who::Net(net.trunc())
        } else if let Ok(address) = text.parse::<IpAddr>() {
            Who::Net(IpNet::from(address))
        } else {
            Who::Peer(self.peer(written)?)
        };
        Some(Rule { who, text: text.to_owned() })
    }

    /// The rules of a list that make sense.
    pub fn rules(&mut self, written: &[Spanned<String>]) -> Vec<Rule> {
        written.iter().filter_map(|rule| self.rule(rule)).collect()
    }

    /// A domain name.
    pub fn name(&mut self, written: &Spanned<String>, of: &str) -> Option<Name> {
        match Name::parse(written.get_ref()) {
            Ok(name) => Some(name),
            Err(error) => {
                let title = format!("\"{}\" is not a name for a {of}: {error}", written.get_ref());
                self.problem(Problem::new(Reason::ConfigBadValue, written.span(), title));
                None
            }
        }
    }

    /// An address, with the port of DNS if it has none.
    pub fn address(&mut self, written: &Spanned<String>) -> Option<SocketAddr> {
        self.address_at(written, DNS_PORT)
    }

    /// An address, with this port if it has none.
    pub fn address_at(&mut self, written: &Spanned<String>, port: u16) -> Option<SocketAddr> {
        let text = written.get_ref();
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        let parsed = text.parse::<SocketAddr>().ok();
        let address = parsed.or_else(|| bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port)));
        if address.is_none() {
            let title = format!("\"{text}\" is not an address");
            let problem = Problem::new(Reason::ConfigBadValue, written.span(), title);
            self.problem(problem.hint("such as \"192.0.2.1\", \"192.0.2.1:5300\" or \"[2001:db8::1]:53\""));
        }
        address
    }

    pub fn duplicates(&mut self, written: &[Spanned<String>], parsed: &[SocketAddr]) {
        if written.len() != parsed.len() {
            return;
        }
        for (index, (text, address)) in written.iter().zip(parsed).enumerate() {
            if address.port() != 0 && parsed.iter().take(index).any(|earlier| earlier == address) {
                let title = format!("{address} is listed twice");
                self.problem(Problem::new(Reason::ConfigDuplicate, text.span(), title));
            }
        }
    }

    /// A number that cannot be 0.
    pub fn at_least_one(&mut self, key: &str, written: &Option<Spanned<usize>>, default: usize) -> usize {
        let Some(number) = written else { return default };
        if *number.get_ref() == 0 {
            let title = format!("`{key}` must be at least 1");
            self.problem(Problem::new(Reason::ConfigBadValue, number.span(), title));
        }
        *number.get_ref()
    }

    /// A text that fits into one character-string (RFC 1035 §3.3).
    fn short_text(&mut self, written: &Option<Spanned<String>>) -> Option<String> {
        let text = written.as_ref()?;
        if text.get_ref().len() > 255 {
            let title = "this text is longer than 255 octets";
            self.problem(Problem::new(Reason::ConfigBadValue, text.span(), title));
        }
        Some(text.get_ref().clone())
    }
}
