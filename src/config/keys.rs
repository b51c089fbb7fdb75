//! `[keys."NAME"]`: names, algorithms and secrets.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;

use super::check::Checker;
use super::problem::Problem;
use super::raw::RawKey;
use super::{ALGORITHMS, Key};
use crate::dns::Name;
use crate::dns::tsig::Algorithm;
use crate::reason::Reason;

impl Checker<'_> {
    /// `[keys]`, sorted by name.
    pub(super) fn keys(&mut self, raw: &BTreeMap<Spanned<String>, RawKey>) -> Vec<Key> {
        let mut keys: Vec<Key> = Vec::new();
        for (written, raw) in raw {
            let name = self.name(written, "key");
            let algorithm = self.algorithm(raw);
            let secret = self.secret(written, raw);
            let Some(name) = name.map(|name| name.as_ref().to_lowercase()) else { continue };
            if self.key_names.contains(&name) {
                let title = format!("the key {name} is defined twice");
                self.problem(Problem::new(Reason::ConfigDuplicate, written.span(), title));
                continue;
            }
            self.key_names.push(name.clone());
            if let (Some(algorithm), Some(secret)) = (algorithm, secret) {
                let mac_octets_min = self.mac_octets_min(raw, algorithm);
                keys.push(Key { name, algorithm, secret, mac_octets_min });
            }
        }
        keys
    }

    fn algorithm(&mut self, raw: &RawKey) -> Option<&'static str> {
        let Some(written) = &raw.algorithm else { return Some("hmac-sha256") };
        let wanted = written.get_ref().trim_end_matches('.').to_ascii_lowercase();
        let known = ALGORITHMS.iter().find(|name| **name == wanted).copied();
        if known.is_none() {
            let title = format!("unknown TSIG algorithm \"{}\"", written.get_ref());
            let problem = Problem::new(Reason::ConfigBadValue, written.span(), title);
            self.problem(problem.nearest(&wanted, ALGORITHMS.into_iter()));
        }
        known
    }

    fn mac_octets_min(&mut self, raw: &RawKey, name: &str) -> usize {
        let algorithm: Algorithm = name.parse().expect("only algorithms that we have are taken");
        let Some(written) = &raw.mac_octets_min else { return algorithm.mac_octets() };
        let (least, whole) = (algorithm.mac_octets_min(), algorithm.mac_octets());
        if !(least..=whole).contains(written.get_ref()) {
            let title = format!("a MAC of {name} has {least} to {whole} octets");
            let problem = Problem::new(Reason::ConfigBadValue, written.span(), title);
            self.problem(problem.hint("RFC 8945 allows no less than half a MAC, and no less than 10 octets"));
        }
        *written.get_ref()
    }

    fn secret(&mut self, key: &Spanned<String>, raw: &RawKey) -> Option<Vec<u8>> {
        let (text, span) = match (&raw.secret, &raw.secret_file) {
            (Some(secret), None) => (secret.get_ref().clone(), secret.span()),
            (None, Some(file)) => match std::fs::read_to_string(self.join(file.get_ref())) {
                Ok(text) => (text, file.span()),
                Err(error) => {
                    let title = format!("cannot read {}: {error}", self.join(file.get_ref()).display());
                    self.problem(Problem::new(Reason::ConfigSecret, file.span(), title));
                    return None;
                }
            },
            (Some(_), Some(file)) => {
                let title = "a key has either `secret` or `secret_file`";
                self.problem(Problem::new(Reason::ConfigConflict, file.span(), title));
                return None;
            }
            (None, None) => {
                let title = format!("the key \"{}\" has no secret", key.get_ref());
                let problem = Problem::new(Reason::ConfigMissingKey, key.span(), title);
                self.problem(problem.hint("give it `secret_file = \"…\"` or `secret = \"base64\"`"));
                return None;
            }
        };
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        match data_encoding::BASE64.decode(compact.as_bytes()) {
            Ok(secret) if !secret.is_empty() => Some(secret),
            _ => {
                let problem = Problem::new(Reason::ConfigSecret, span, "the secret is not base64");
                self.problem(problem.hint("make one with: openssl rand -base64 32"));
                None
            }
        }
    }

    /// The key that `written` names, if it is defined.
    pub fn key(&mut self, written: &Spanned<String>) -> Option<Name> {
        self.key_named(written.get_ref(), written.span())
    }

    /// The key called `text`, if it is defined.
    pub fn key_named(&mut self, text: &str, span: Range<usize>) -> Option<Name> {
        let found = Name::parse(text).ok().filter(|name| self.key_names.contains(name));
        if found.is_none() {
            let problem =
                Problem::new(Reason::ConfigUnknownName, span, format!("there is no key \"{text}\""));
            let names: Vec<String> = self.key_names.iter().map(Name::to_string).collect();
            self.problem(problem.nearest(text, names.iter().map(String::as_str)));
            return None;
        }
        found.map(|name| name.as_ref().to_lowercase())
    }
}
