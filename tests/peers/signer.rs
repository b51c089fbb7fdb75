//! Zones signed by other programs, and what a validator that trusts their key says of answers.

use std::cell::Cell;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use crate::texts::ZONE;
use crate::yard::{self, Yard};

/// Who signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// `dnssec-signzone` of BIND.
    Bind,
    /// `ldns-signzone`.
    Ldns,
    /// `kzonesign` of Knot.
    Knot,
}

/// What proves absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    /// Names.
    Nsec,
    /// Hashes without salt and iterations, as RFC 9276 wants them.
    Nsec3,
    /// Hashes with a salt and so many iterations.
    Salted(u16),
    /// Hashes, and no proof for delegations without DS.
    OptOut,
}

/// Keys and how they sign.
pub struct Signer {
    tool: Tool,
    dir: PathBuf,
    keys: Vec<String>,
    signed: Cell<u32>,
}

/// The programs that a test of signed zones needs besides its servers.
pub const PROGRAMS: &[&str] = &["dig", "delv", "dnssec-keygen", "dnssec-signzone"];

impl Signer {
    /// With new keys.
    pub fn new(yard: &Yard, tool: Tool) -> Signer {
        let dir = yard.folder(&format!("signer-{tool:?}").to_lowercase());
        let key = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            yard::run(command.args(arguments).arg(ZONE).current_dir(&dir)).trim().to_owned()
        };
        let keys = match tool {
            Tool::Bind => [&["-f", "KSK"][..], &[]]
                .map(|kind| key("dnssec-keygen", &[&["-q", "-a", "ECDSAP256SHA256"], kind].concat()))
                .to_vec(),
            Tool::Ldns => [&["-k"][..], &[]]
                .map(|kind| key("ldns-keygen", &[&["-a", "ECDSAP256SHA256"], kind].concat()))
                .to_vec(),
            // It makes its own.
            Tool::Knot => Vec::new(),
        };
        Signer { tool, dir, keys, signed: Cell::new(0) }
    }

    /// The zone with signatures, one record a line.
    pub fn sign(&self, text: &str, chain: Chain) -> String {
        self.signed.set(self.signed.get() + 1);
        let number = self.signed.get();
        let [plain, signed] = ["zone", "signed"].map(|name| format!("{name}-{number}"));
        let mut whole = text.to_owned();
        if self.tool == Tool::Bind {
            for key in &self.keys {
                whole += &fs::read_to_string(self.dir.join(format!("{key}.key"))).expect("a key");
            }
        }
        fs::write(self.dir.join(&plain), whole).expect("a zone file");
        let iterations = if let Chain::Salted(iterations) = chain { iterations } else { 0 }.to_string();
        let is_salted = matches!(chain, Chain::Salted(_));
        let mut command = match self.tool {
            Tool::Bind => {
                let mut command = Command::new("dnssec-signzone");
                command.args(["-q", "-S", "-O", "full", "-o", ZONE, "-f", &signed]);
                if chain != Chain::Nsec {
                    command.args(["-3", if is_salted { "aabbccdd" } else { "-" }, "-H", &iterations]);
                }
                if chain == Chain::OptOut {
                    command.arg("-A");
                }
                command.arg(&plain);
                command
            }
            Tool::Ldns => {
                let mut command = Command::new("ldns-signzone");
                command.args(["-o", ZONE, "-f", &signed]);
                if chain != Chain::Nsec {
                    command.args(["-n", "-t", &iterations]);
                }
                if is_salted {
                    command.args(["-s", "aabbccdd"]);
                }
                if chain == Chain::OptOut {
                    command.arg("-p");
                }
                command.arg(&plain).args(&self.keys);
                command
            }
            Tool::Knot => {
                for made in [&signed, "db"] {
                    fs::create_dir_all(self.dir.join(made)).expect("a directory");
                }
                fs::write(self.dir.join("knot.conf"), self.knot_config(&plain, chain)).expect("a config");
                let mut command = Command::new("kzonesign");
                command.args(["-c", "knot.conf", "-o", &signed, ZONE]);
                command
            }
        };
        yard::run(command.current_dir(&self.dir));
        let file = match self.tool {
            Tool::Bind | Tool::Ldns => self.dir.join(signed),
            Tool::Knot => self.dir.join(signed).join(plain),
        };
        fs::read_to_string(file).expect("a signed zone")
    }

    fn knot_config(&self, file: &str, chain: Chain) -> String {
        let dir = self.dir.display();
        let nsec3 = match chain {
            Chain::Nsec => "nsec3: off",
            Chain::Nsec3 | Chain::Salted(_) => "nsec3: on\n    nsec3-salt-length: 8\n    nsec3-iterations: 3",
            Chain::OptOut => {
                "nsec3: on\n    nsec3-opt-out: on\n    nsec3-salt-length: 0\n    nsec3-iterations: 0"
            }
        };
        format!(
            "database:\n    storage: \"{dir}/db\"\n    journal-db-max-size: 8M\n    kasp-db-max-size: 8M\n    timer-db-max-size: 8M\n    catalog-db-max-size: 8M\n\
             policy:\n  - id: here\n    algorithm: ecdsap256sha256\n    cds-cdnskey-publish: none\n    {nsec3}\n\
             zone:\n  - domain: {ZONE}\n    file: \"{dir}/{file}\"\n    zonefile-load: whole\n    journal-content: none\n    dnssec-signing: on\n    dnssec-policy: here\n"
        )
    }
}

/// Somebody who trusts the key of a zone.
pub struct Validator {
    anchor: PathBuf,
}

impl Validator {
    /// Trusts the key signing key of a signed zone whose records stand one a line.
    pub fn of(yard: &Yard, signed: &str) -> Validator {
        let key = signed.lines().find_map(|line| {
            let plain = line.split(';').next().unwrap_or_default();
            let words: Vec<&str> = plain.split_ascii_whitespace().collect();
            let at = words.iter().position(|word| *word == "DNSKEY")?;
            let (numbers, key) = words[at + 1..].split_at_checked(3)?;
            (numbers[0] == "257").then(|| format!("{} \"{}\"", numbers.join(" "), key.concat()))
        });
        let key = key.expect("a key signing key");
        let anchor = yard.folder("validator").join("anchor");
        fs::write(&anchor, format!("trust-anchors {{ \"{ZONE}.\" static-key {key}; }};\n")).expect("a file");
        Validator { anchor }
    }

    /// What delv says of a question, the comments only.
    pub fn ask(&self, server: SocketAddr, name: &str, rtype: &str) -> String {
        let mut command = Command::new("delv");
        command.arg(format!("@{}", server.ip())).args(["-p", &server.port().to_string(), "-a"]);
        command.arg(&self.anchor).arg(format!("+root={ZONE}")).args([name, rtype]);
        let text = yard::said(&command.output().expect("delv"));
        text.lines().filter(|line| line.starts_with(';')).collect::<Vec<_>>().join("\n")
    }

    /// Fails unless the whole answer is secure.
    #[track_caller]
    pub fn secure(&self, server: SocketAddr, name: &str, rtype: &str) {
        let said = self.ask(server, name, rtype);
        let is_secure = said.contains("fully validated") && !said.contains("unsigned answer");
        assert!(is_secure && !is_refuted(&said), "{name} {rtype}: {said}");
    }

    /// Fails unless the answer is proven, but for what an opt-out left unproven.
    #[track_caller]
    pub fn not_bogus(&self, server: SocketAddr, name: &str, rtype: &str) {
        let said = self.ask(server, name, rtype);
        let is_proven = said.contains("fully validated") || said.contains("unsigned answer");
        assert!(is_proven && !is_refuted(&said), "{name} {rtype}: {said}");
    }
}

fn is_refuted(said: &str) -> bool {
    ["not validated", "no valid", "broken trust", "insecurity proof failed", "operation canceled"]
        .iter()
        .any(|words| said.contains(words))
}

/// A zone with everything that is proven in a way of its own.
pub fn zone_to_sign(serial: u32) -> String {
    format!(
        "$ORIGIN {ZONE}.\n$TTL 3600\n@ IN SOA ns1 hostmaster {serial} 3600 600 1209600 300\n\
         @ NS ns1\n@ NS ns.elsewhere.test.\n@ MX 10 mail\nns1 A 192.0.2.1\nns1 AAAA 2001:db8::1\n\
         mail 300 A 192.0.2.25\nwww 300 A 192.0.2.80\nwww 300 TXT hello\na.b.c 300 A 192.0.2.3\n\
         alias 300 CNAME www\ngone 300 CNAME nothing.here\n\
         *.wild 300 A 192.0.2.5\nsub.*.wild 300 TXT below\nexists.wild 300 MX 1 mail\n\
         *.to 300 CNAME www\n*.lost 300 CNAME nothing.there\n*.twice 300 CNAME x.to\n\
         below.*.empty 300 TXT x\n\
         d 600 DNAME target\nx.target 300 A 192.0.2.99\ndwild 600 DNAME wild\n\
         unsigned NS ns.unsigned\nns.unsigned A 192.0.2.53\n\
         signed NS ns.signed\nsigned DS 12345 13 2 {}\nns.signed A 192.0.2.54\n\
         child.only NS ns.elsewhere.test.\nzz 300 A 192.0.2.100\n",
        "00".repeat(32)
    )
}
