//! Signed variants of a zone: made by the signers of BIND and ldns, with NSEC and with NSEC3.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ground;
use crate::name::Name;

/// Who signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// `dnssec-signzone`.
    Bind,
    /// `ldns-signzone`.
    Ldns,
}

/// What proves absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    /// Names.
    Nsec,
    /// Hashes, without salt and iterations (RFC 9276).
    Nsec3,
    /// Hashes with a salt and some iterations.
    Salted,
    /// Hashes, but for delegations without DS.
    OptOut,
}

/// How a zone is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signing {
    /// By whom.
    pub tool: Tool,
    /// With which proofs.
    pub chain: Chain,
}

impl Signing {
    /// The variant of a seed: each in turn.
    pub fn of(seed: u64) -> Signing {
        let tool = if seed.is_multiple_of(2) { Tool::Bind } else { Tool::Ldns };
        let chains = [Chain::Nsec, Chain::Nsec3, Chain::Salted, Chain::OptOut];
        Signing { tool, chain: chains[(seed / 2 % 4) as usize] }
    }

    /// Signs the file of the zone with new keys; the file with the signatures.
    pub fn sign(self, folder: &Path, apex: &Name, plain: &Path) -> PathBuf {
        let (zone, signed) = (apex.to_string(), plain.with_extension("signed"));
        let salt = if self.chain == Chain::Salted { "aabbccdd" } else { "-" };
        let iterations = if self.chain == Chain::Salted { "3" } else { "0" };
        let mut command = match self.tool {
            Tool::Bind => {
                for kind in [&["-f", "KSK"][..], &[]] {
                    let mut key = Command::new("dnssec-keygen");
                    key.args(["-q", "-a", "ECDSAP256SHA256"]).args(kind).arg(&zone);
                    ground::run(key.current_dir(folder));
                }
                let mut command = Command::new("dnssec-signzone");
                command.args(["-q", "-S", "-o", &zone, "-f"]).arg(&signed);
                if self.chain != Chain::Nsec {
                    command.args(["-3", salt, "-H", iterations]);
                }
                if self.chain == Chain::OptOut {
                    command.arg("-A");
                }
                command.arg(plain);
                command
            }
            Tool::Ldns => {
                let keys: Vec<String> = [&["-k"][..], &[]]
                    .map(|kind| {
                        let mut key = Command::new("ldns-keygen");
                        key.args(["-a", "ECDSAP256SHA256"]).args(kind).arg(&zone);
                        ground::run(key.current_dir(folder)).trim().to_owned()
                    })
                    .to_vec();
                let mut command = Command::new("ldns-signzone");
                command.args(["-o", &zone, "-f"]).arg(&signed);
                if self.chain != Chain::Nsec {
                    command.args(["-n", "-t", iterations]);
                }
                if self.chain == Chain::Salted {
                    command.args(["-s", salt]);
                }
                if self.chain == Chain::OptOut {
                    command.arg("-p");
                }
                command.arg(plain).args(keys);
                command
            }
        };
        ground::run(command.current_dir(folder));
        // BIND spells hashes in capitals; how names are spelled is looked at in other zones.
        let text = fs::read_to_string(&signed).expect("a signed zone");
        let lines: Vec<String> = text.lines().map(lower_hash).collect();
        fs::write(&signed, lines.join("\n") + "\n").expect("a signed zone");
        signed
    }
}

/// A line of a zone file with its owner in lower case, if that is a hash.
fn lower_hash(line: &str) -> String {
    match line.split_once('.') {
        Some((hash, rest)) if hash.len() == 32 && hash.bytes().all(|octet| octet.is_ascii_alphanumeric()) => {
            format!("{}.{rest}", hash.to_ascii_lowercase())
        }
        _ => line.to_owned(),
    }
}
