//! Other name servers, each as a primary or a secondary of the zone, with a config made for the test.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use crate::texts::ZONE;
use crate::yard::{self, KEY_NAME, KEY_SECRET, Process, Yard};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// BIND 9.
    Bind,
    /// Knot DNS.
    Knot,
    /// NSD.
    Nsd,
    /// PowerDNS with its BIND backend, which knows no IXFR and here no key.
    PowerDns,
}

/// What it is for the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It serves a file and notifies the other side.
    Primary,
    /// The same, and it signs what it serves: BIND and Knot can.
    Signer,
    /// It follows the other side.
    Secondary,
}

/// A server that is not ours.
pub struct Peer {
    kind: Kind,
    dir: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
    process: Option<Process>,
    /// Further lines of the zone, for Knot.
    zone_lines: &'static str,
    /// The certificate of `ns1.example.com`, if it asks its primary over TLS.
    certificate: Option<PathBuf>,
}

impl Peer {
    /// A directory and an address; nothing runs yet.
    pub fn new(yard: &Yard, kind: Kind) -> Peer {
        let dir = yard.folder(&format!("{kind:?}").to_lowercase());
        Peer { kind, dir, address: yard::free_address(), process: None, zone_lines: "", certificate: None }
    }

    /// Knot whose zone has further lines.
    pub fn knot_with(yard: &Yard, zone_lines: &'static str) -> Peer {
        Peer { zone_lines, ..Peer::new(yard, Kind::Knot) }
    }

    /// BIND or NSD as a secondary that asks its primary over TLS, and only one with this certificate.
    pub fn over_tls(yard: &Yard, kind: Kind, certificate: &Path) -> Peer {
        Peer { certificate: Some(certificate.to_owned()), ..Peer::new(yard, kind) }
    }

    /// Starts it; `other` is its primary or its secondary.
    pub fn start(&mut self, yard: &Yard, role: Role, other: SocketAddr) {
        let mut command = match self.kind {
            Kind::Bind => self.bind(role, other),
            Kind::Knot => self.knot(role, other),
            Kind::Nsd => self.nsd(role, other),
            Kind::PowerDns => self.power_dns(role, other),
        };
        let name = format!("{:?}", self.kind).to_lowercase();
        self.process = Some(yard.start(&name, command.current_dir(&self.dir)));
    }

    /// The zone file.
    pub fn zone_file(&self) -> PathBuf {
        self.dir.join("example.com.zone")
    }

    /// Writes the zone file of a primary that does not run yet.
    pub fn write_zone(&self, text: &str) {
        fs::write(self.zone_file(), text).expect("a zone file");
    }

    /// Changes the zone of a running primary, and makes it notify.
    pub fn edit(&self, text: &str) {
        crate::bellwether::replace(&self.zone_file(), text);
        let process = self.process.as_ref().expect("a running server");
        match self.kind {
            Kind::Bind | Kind::Knot | Kind::Nsd => process.signal(Signal::SIGHUP),
            Kind::PowerDns => {
                self.control(&["bind-reload-now", ZONE]);
                self.control(&["notify", ZONE]);
            }
        }
    }

    /// Waits until it answers with `serial`.
    pub fn wait(&mut self, serial: u32) {
        let (kind, address) = (self.kind, self.address);
        let process = self.process.as_mut().expect("a running server");
        yard::poll(&format!("{kind:?} to have serial {serial}"), || {
            process.assert_running();
            yard::serial(address, ZONE).filter(|seen| *seen == serial)
        });
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.process.as_ref().expect("a running server").text()
    }

    /// How many incremental transfers this secondary has taken, by its own log.
    pub fn incremental_transfers(&self) -> usize {
        let log = self.log();
        match self.kind {
            Kind::Bind => log.lines().filter(|line| line.contains("got incremental response")).count(),
            Kind::Knot => log
                .lines()
                .filter(|line| line.contains("IXFR, incoming") && line.contains("finished"))
                .count(),
            Kind::Nsd => {
                log.lines().filter(|line| received_octets(line).is_some_and(|octets| octets < 1000)).count()
            }
            Kind::PowerDns => 0,
        }
    }

    fn control(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(yard::find("pdns_control").expect("looked for before"));
        yard::run(command.arg(format!("--config-dir={}", self.dir.display())).args(arguments))
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.join(name);
        fs::write(&path, text).expect("a file");
        path
    }

    fn bind(&self, role: Role, other: SocketAddr) -> Command {
        let program = own_named(&self.dir);
        let (dir, file, port) = (self.dir.display(), self.zone_file(), self.address.port());
        let (over, tls) = match &self.certificate {
            Some(certificate) => (
                " tls xot",
                format!(
                    "tls xot {{ ca-file \"{}\"; remote-hostname \"ns1.example.com\"; protocols {{ TLSv1.3; }}; }};\n",
                    certificate.display()
                ),
            ),
            None => ("", String::new()),
        };
        let to = format!("{} port {} key \"{KEY_NAME}\"{over};", other.ip(), other.port());
        let zone = match role {
            Role::Primary => format!("type primary; ixfr-from-differences yes; also-notify {{ {to} }};"),
            Role::Signer => {
                let how = format!("dnssec-policy default; inline-signing yes; key-directory \"{dir}\";");
                format!("type primary; {how} also-notify {{ {to} }};")
            }
            Role::Secondary => format!("type secondary; masterfile-format text; primaries {{ {to} }};"),
        };
        let text = format!(
            "options {{ directory \"{dir}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n\
             pid-file none; session-keyfile none; recursion no; dnssec-validation no; notify explicit;\n\
             notify-delay 0; allow-transfer {{ key \"{KEY_NAME}\"; }}; allow-notify {{ key \"{KEY_NAME}\"; }}; }};\n\
             controls {{ }};\n\
             key \"{KEY_NAME}\" {{ algorithm hmac-sha256; secret \"{KEY_SECRET}\"; }};\n\
             {tls}zone \"{ZONE}\" {{ {zone} file \"{}\"; }};\n",
            file.display()
        );
        let config = self.write("named.conf", &text);
        let mut command = Command::new(program);
        command.args(["-g", "-n", "1", "-d", "3", "-c"]).arg(config);
        command
    }

    fn knot(&self, role: Role, other: SocketAddr) -> Command {
        let dir = self.dir.display();
        let zone = match role {
            Role::Primary => "notify: other\n    zonefile-load: difference\n    journal-content: changes\n",
            Role::Signer => {
                "notify: other\n    zonefile-load: difference-no-serial\n    journal-content: all\n    dnssec-signing: on\n"
            }
            Role::Secondary => "master: other\n    zonefile-load: none\n    journal-content: all\n",
        };
        let text = format!(
            "server:\n    listen: 127.0.0.1@{}\n    rundir: \"{dir}\"\n    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n\
             log:\n  - target: stderr\n    any: debug\n\
             database:\n    storage: \"{dir}/db\"\n    journal-db-max-size: 1G\n    kasp-db-max-size: 8M\n    timer-db-max-size: 8M\n    catalog-db-max-size: 8M\n\
             key:\n  - id: {KEY_NAME}\n    algorithm: hmac-sha256\n    secret: {KEY_SECRET}\n\
             remote:\n  - id: other\n    address: {}@{}\n    key: {KEY_NAME}\n\
             acl:\n  - id: flock\n    key: {KEY_NAME}\n    action: [transfer, notify]\n\
             zone:\n  - domain: {ZONE}\n    file: \"{}\"\n    acl: flock\n    zonefile-sync: -1\n    {zone}{}",
            self.address.port(),
            other.ip(),
            other.port(),
            self.zone_file().display(),
            self.zone_lines
        );
        fs::create_dir_all(self.dir.join("db")).expect("a directory");
        let config = self.write("knot.conf", &text);
        let mut command = Command::new(yard::find("knotd").expect("looked for before"));
        command.arg("-c").arg(config);
        command
    }

    fn nsd(&self, role: Role, other: SocketAddr) -> Command {
        let (dir, address) = (self.dir.display(), format!("{}@{}", other.ip(), other.port()));
        let (over, bundle, tls) = match &self.certificate {
            Some(certificate) => (
                " xot",
                format!("    tls-cert-bundle: \"{}\"\n", certificate.display()),
                "tls-auth:\n    name: xot\n    auth-domain-name: ns1.example.com\n",
            ),
            None => ("", String::new(), ""),
        };
        let zone = match role {
            Role::Primary => {
                format!("notify: {address} {KEY_NAME}\n    create-ixfr: yes\n    store-ixfr: yes\n")
            }
            Role::Signer => panic!("NSD does not sign"),
            Role::Secondary => {
                format!("allow-notify: 127.0.0.1 {KEY_NAME}\n    request-xfr: {address} {KEY_NAME}{over}\n")
            }
        };
        let text = format!(
            "server:\n    ip-address: 127.0.0.1@{}\n    username: \"\"\n    server-count: 1\n    zonesdir: \"{dir}\"\n    database: \"\"\n\
             \x20   pidfile: \"{dir}/nsd.pid\"\n    xfrdfile: \"{dir}/xfrd.state\"\n    xfrdir: \"{dir}\"\n    zonelistfile: \"{dir}/zone.list\"\n\
             \x20   verbosity: 5\n    xfrd-reload-timeout: 0\n{bundle}\
             {tls}remote-control:\n    control-enable: no\n\
             key:\n    name: {KEY_NAME}\n    algorithm: hmac-sha256\n    secret: {KEY_SECRET}\n\
             zone:\n    name: {ZONE}\n    zonefile: \"{}\"\n    provide-xfr: 127.0.0.1 {KEY_NAME}\n    {zone}",
            self.address.port(),
            self.zone_file().display()
        );
        let config = self.write("nsd.conf", &text);
        let mut command = Command::new(yard::find("nsd").expect("looked for before"));
        command.args(["-d", "-c"]).arg(config);
        command
    }

    fn power_dns(&self, role: Role, other: SocketAddr) -> Command {
        let dir = self.dir.display();
        let (role, zone) = match role {
            Role::Primary => (format!("primary=yes\nalso-notify={other}\n"), String::from("type master;")),
            Role::Signer => panic!("not with the BIND backend"),
            Role::Secondary => {
                (String::from("secondary=yes\n"), format!("type slave; masters {{ {other}; }};"))
            }
        };
        let file = self.zone_file();
        self.write("named.conf", &format!("zone \"{ZONE}\" {{ {zone} file \"{}\"; }};\n", file.display()));
        let text = format!(
            "launch=bind\nbind-config={dir}/named.conf\nlocal-address=127.0.0.1\nlocal-port={}\nsocket-dir={dir}\n\
             allow-axfr-ips=127.0.0.0/8\nonly-notify=127.0.0.1/32\ndaemon=no\nguardian=no\ndisable-syslog=yes\nloglevel=7\n\
             cache-ttl=0\nquery-cache-ttl=0\nnegquery-cache-ttl=0\nzone-cache-refresh-interval=0\nreceiver-threads=1\ndistributor-threads=1\nsecurity-poll-suffix=\n{role}",
            self.address.port()
        );
        self.write("pdns.conf", &text);
        let mut command = Command::new(yard::find("pdns_server").expect("looked for before"));
        command.arg(format!("--config-dir={dir}"));
        command
    }
}

/// A copy of named in a test's directory: AppArmor binds its rules to the path of the program, and those
/// know no test directories.
pub fn own_named(dir: &Path) -> PathBuf {
    let program = dir.join("named");
    // Copied by another process: a descriptor open for writing here would be inherited by the servers
    // that other threads start at this moment, and the copy would count as busy.
    let found = yard::find("named").expect("looked for before");
    let copied = Command::new("cp").arg(found).arg(&program).status();
    assert!(copied.is_ok_and(|status| status.success()), "a copy of named");
    program
}

/// The size of the transfer that a line of NSD's log tells of.
fn received_octets(line: &str) -> Option<u32> {
    let (_, told) = line.split_once("received update to serial")?;
    told.split_once(" of ")?.1.split_ascii_whitespace().next()?.parse().ok()
}
