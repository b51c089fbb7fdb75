//! `[rrl]`, `[cookies]` and `[reports]`: how often clients are answered, how they show that they are real,
//! and what they tell us.

use std::net::IpAddr;

use ipnet::IpNet;
use toml::Spanned;

use super::check::Checker;
use super::problem::Problem;
use super::raw::{RawCookieMode, RawCookies, RawReports, RawRrl};
use super::{Cookies, Peer, PeerIndex, Reports, Rrl, Rule, Who, Zone};
use crate::dns::Name;
use crate::limits;
use crate::policy::cookies::{CookieMode, CookieSecret, SECRETS_MAX};
use crate::reason::Reason;

/// The most that `rrl.per_second` may be.
const PER_SECOND_MAX: u32 = 1_000_000;

impl Checker<'_> {
    /// `[rrl]`. Exempt are, unless somebody else is named, this machine and all configured peers.
    pub(super) fn rrl(&mut self, raw: &RawRrl, peers: &[Peer]) -> Rrl {
        let per_second = match &raw.per_second {
            Some(written) if *written.get_ref() > PER_SECOND_MAX => {
                let title = format!("rrl.per_second = {} is out of range", written.get_ref());
                let problem = Problem::new(Reason::ConfigBadValue, written.span(), title);
                self.problem(problem.label("0 to 1000000 replies a second").hint("0 sets no limit"));
                limits::REPLIES_PER_SECOND
            }
            written => written.as_ref().map_or(limits::REPLIES_PER_SECOND, |written| *written.get_ref()),
        };
        Rrl {
            per_second,
            slip: raw.slip.unwrap_or(limits::RATE_SLIP),
            exempt: match &raw.exempt {
                Some(written) => written.iter().filter_map(|rule| self.client(rule)).collect(),
                None => usually_exempt(peers),
            },
            log_only: raw.log_only,
        }
    }

    /// `[cookies]`, with the secrets of a shared file.
    pub(super) fn cookies(&mut self, raw: &RawCookies) -> Cookies {
        let mode = match raw.mode {
            Some(RawCookieMode::Answer) | None => CookieMode::Answer,
            Some(RawCookieMode::Require) => CookieMode::Require,
            Some(RawCookieMode::Off) => CookieMode::Off,
        };
        Cookies { mode, secrets: raw.secret_file.as_ref().and_then(|file| self.cookie_secrets(file)) }
    }

    /// A file of 32 hexadecimal digits a line; the first makes cookies, one more is good too.
    fn cookie_secrets(&mut self, file: &Spanned<String>) -> Option<Vec<CookieSecret>> {
        let path = self.join(file.get_ref());
        let bad = |title| Problem::new(Reason::ConfigSecret, file.span(), title);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                self.problem(bad(format!("cannot read {}: {error}", path.display())));
                return None;
            }
        };
        let secret = |line: &str| {
            let octets = data_encoding::HEXLOWER_PERMISSIVE.decode(line.trim().as_bytes()).ok()?;
            octets.try_into().ok().map(CookieSecret)
        };
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let secrets: Option<Vec<CookieSecret>> = lines.map(secret).collect();
        let secrets = secrets.filter(|secrets| (1..=SECRETS_MAX).contains(&secrets.len()));
        if secrets.is_none() {
            let title = format!("{} is no file of cookie secrets", path.display());
            let problem = bad(title).label("one or two lines of 32 hexadecimal digits");
            self.problem(problem.hint("make one with: openssl rand -hex 16"));
        }
        secrets
    }

    /// `[reports]`.
    pub(super) fn reports(&mut self, raw: &RawReports, zones: &[Zone]) -> Reports {
        let channel = raw.channel.as_ref().and_then(|written| self.agent(written));
        let agent = raw.agent.as_ref().and_then(|written| self.agent(written));
        if let (Some(name), Some(written)) = (&agent, &raw.agent)
            && !zones.iter().any(|zone| name.as_ref().is_at_or_below(zone.name.as_ref()))
        {
            let title = format!("no zone here holds {name}");
            let problem = Problem::new(Reason::ConfigConflict, written.span(), title);
            self.problem(problem.hint("an agent takes reports under a name of a zone that is served here"));
        }
        Reports { channel, agent }
    }

    /// The name of an agent, which is not the root (RFC 9567 §6.2).
    fn agent(&mut self, written: &Spanned<String>) -> Option<Name> {
        let name = self.name(written, "report agent")?;
        if name.as_ref().is_root() {
            let problem = Problem::new(Reason::ConfigBadValue, written.span(), "the root takes no reports");
            self.problem(problem.hint("leave the key out, and nobody is asked for reports"));
            return None;
        }
        Some(name)
    }

    /// Addresses and prefixes of proxies.
    pub(super) fn proxies(&mut self, written: &[Spanned<String>]) -> Vec<IpNet> {
        let mut nets = Vec::new();
        for text in written {
            let address = text.get_ref().parse::<IpAddr>().map(IpNet::from);
            match address.or_else(|_| text.get_ref().parse::<IpNet>().map(|net| net.trunc())) {
                Ok(net) if net.prefix_len() == 0 => {
                    let title = format!("{net} would let anybody claim to be anybody");
                    let problem = Problem::new(Reason::ConfigBadValue, text.span(), title);
                    self.problem(problem.hint("name the addresses of the proxies"));
                }
                Ok(net) => nets.push(net),
                Err(_) => {
                    let title = format!("\"{}\" is neither an address nor a prefix", text.get_ref());
                    self.problem(Problem::new(Reason::ConfigBadValue, text.span(), title));
                }
            }
        }
        nets
    }

    /// A rule without a key: no client of the public signs.
    fn client(&mut self, written: &Spanned<String>) -> Option<Rule> {
        if written.get_ref().starts_with("key:") {
            let title = "a key cannot be exempt, only addresses, prefixes and peers";
            let problem = Problem::new(Reason::ConfigBadValue, written.span(), title);
            self.problem(problem.hint("a peer that signs is known by its key: name the peer"));
            return None;
        }
        self.rule(written)
    }
}

fn usually_exempt(peers: &[Peer]) -> Vec<Rule> {
    let loopback = ["127.0.0.0/8", "::1/128"].into_iter().filter_map(|text| {
        let net: IpNet = text.parse().ok()?;
        Some(Rule { who: Who::Net(net), text: text.to_owned() })
    });
    let peer =
        |(index, peer): (usize, &Peer)| Rule { who: Who::Peer(PeerIndex(index)), text: peer.name.clone() };
    loopback.chain(peers.iter().enumerate().map(peer)).collect()
}
