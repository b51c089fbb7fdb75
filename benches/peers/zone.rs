//! Zones to serve and questions to ask, made from a seed: every run has the same.
//!
//! Questions look like those of resolvers: any case in names, several EDNS sizes, DO mostly.

use std::fmt::Write;

/// The apex of every zone here.
pub const APEX: &str = "bench.example";

/// How many names of each kind a zone has.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Names with an address of each family, one in eight with a mail server.
    pub hosts: usize,
    /// Names with a wildcard below them.
    pub wildcards: usize,
    /// Delegations to two servers, one in five to one below the cut, with glue; one in three with a DS.
    pub delegations: usize,
}

/// What a question finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A host with data of the type.
    Hit,
    /// No such name.
    NxDomain,
    /// A name that a wildcard stands in for.
    Wildcard,
    /// A name below a delegation.
    Referral,
}

/// What questions have of EDNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edns {
    /// Several sizes or none, DO mostly.
    Mixed,
    /// Always with DO, and with the sizes that resolvers which validate have.
    AlwaysDo,
}

/// Of a hundred questions, how many are of each kind.
pub type Mix = [(Kind, u64); 4];

/// A zone.
pub struct Zone {
    hosts: Vec<String>,
    wildcards: Vec<String>,
    delegations: Vec<String>,
}

/// Questions, packed one after the other.
pub struct Questions {
    octets: Vec<u8>,
    /// Where each ends, and what it finds.
    ends: Vec<(usize, Kind)>,
}

/// Numbers that look random and are the same every time (splitmix64).
#[derive(Clone, Debug)]
pub struct Numbers(pub u64);

impl Numbers {
    /// The next one.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next one, below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.draw() % end.max(1) as u64) as usize
    }
}

impl Zone {
    /// A zone of this shape.
    pub fn new(shape: Shape) -> Zone {
        let mut numbers = Numbers(shape.hosts as u64 ^ (shape.delegations as u64) << 32);
        let mut serial = 0;
        // A number makes each unique; letters before it give labels of 5 to 24 octets.
        let mut labels = |count: usize, kind: char| {
            let label = |_| {
                serial += 1;
                let mut label: String =
                    (0..3 + numbers.below(15)).map(|_| char::from(b'a' + numbers.below(26) as u8)).collect();
                write!(label, "{kind}{serial:x}").expect("a string takes anything");
                label
            };
            (0..count).map(label).collect()
        };
        Zone {
            hosts: labels(shape.hosts, 'h'),
            wildcards: labels(shape.wildcards, 'w'),
            delegations: labels(shape.delegations, 'd'),
        }
    }

    /// The zone file.
    pub fn text(&self) -> String {
        let mut text = format!(
            "$ORIGIN {APEX}.\n$TTL 3600\n@ SOA ns1 hostmaster 1 7200 900 1209600 300\n@ NS ns1\n@ NS ns2\n\
             ns1 A 192.0.2.1\nns2 A 192.0.2.2\nmail A 192.0.2.3\n"
        );
        let mut numbers = Numbers(1);
        let line = |text: &mut String, owner: &str, rest: std::fmt::Arguments<'_>| {
            writeln!(text, "{owner} {rest}").expect("a string takes anything");
        };
        for (at, host) in self.hosts.iter().enumerate() {
            let [_, _, b, c, d, ..] = numbers.draw().to_be_bytes();
            line(&mut text, host, format_args!("A 10.{b}.{c}.{d}"));
            line(&mut text, host, format_args!("AAAA 2001:db8::{b:x}{c:02x}:{d:x}"));
            if at % 8 == 0 {
                line(&mut text, host, format_args!("MX 10 mail"));
            }
        }
        for wildcard in &self.wildcards {
            line(&mut text, wildcard, format_args!("TXT \"a name\""));
            line(&mut text, &format!("*.{wildcard}"), format_args!("A 192.0.2.4"));
        }
        for (at, delegation) in self.delegations.iter().enumerate() {
            // Zipf: the n-th provider has about 1/n of the first one's customers.
            let provider = 1000f64.powf(numbers.below(1 << 20) as f64 / (1 << 20) as f64) as u32;
            line(&mut text, delegation, format_args!("NS ns1.provider{provider}.example."));
            if at % 5 == 0 {
                line(&mut text, delegation, format_args!("NS ns.{delegation}"));
                line(&mut text, &format!("ns.{delegation}"), format_args!("A 192.0.2.5"));
            } else {
                line(&mut text, delegation, format_args!("NS ns2.provider{provider}.example."));
            }
            if at % 3 == 0 {
                let digest = [(); 4].map(|()| format!("{:016x}", numbers.draw())).concat();
                line(&mut text, delegation, format_args!("DS {} 13 2 {digest}", at & 0xffff));
            }
        }
        text
    }

    /// So many questions of a mix.
    pub fn questions(&self, mix: &Mix, count: usize, edns: Edns) -> Questions {
        let mut numbers = Numbers(2);
        let mut questions = Questions { octets: Vec::new(), ends: Vec::with_capacity(count) };
        for _ in 0..count {
            let mut draw = numbers.draw() % 100;
            let kind = mix.iter().find(|(_, share)| match draw.checked_sub(*share) {
                Some(rest) => {
                    draw = rest;
                    false
                }
                None => true,
            });
            let kind = kind.expect("the shares of a mix are 100 in all").0;
            self.ask(kind, edns, &mut numbers, &mut questions.octets);
            questions.ends.push((questions.octets.len(), kind));
        }
        questions
    }

    fn ask(&self, kind: Kind, edns: Edns, numbers: &mut Numbers, octets: &mut Vec<u8>) {
        let pick = |among: &[String], numbers: &mut Numbers| among[numbers.below(among.len())].clone();
        let (name, qtype) = match kind {
            Kind::Hit => (pick(&self.hosts, numbers), [1, 28][numbers.below(2)]),
            Kind::NxDomain => (format!("no{:x}", numbers.draw() >> 32), [1, 28, 15][numbers.below(3)]),
            Kind::Wildcard => {
                (format!("x{:x}.{}", numbers.below(1 << 20), pick(&self.wildcards, numbers)), 1)
            }
            Kind::Referral => {
                (format!("www.{}", pick(&self.delegations, numbers)), [1, 28][numbers.below(2)])
            }
        };
        // One question, RD clear as resolvers ask authoritative servers, perhaps OPT.
        let size = match edns {
            Edns::Mixed => {
                [None, Some(512u16), Some(1232), Some(1232), Some(1400), Some(4096)][numbers.below(6)]
            }
            Edns::AlwaysDo => [Some(1232), Some(1232), Some(1400), Some(4096)][numbers.below(4)],
        };
        octets.extend([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(size.is_some())]);
        for label in name.split('.').chain(APEX.split('.')) {
            octets.push(label.len() as u8);
            octets.extend(label.bytes().map(|octet| match octet {
                b'a'..=b'z' if numbers.below(2) == 0 => octet.to_ascii_uppercase(),
                octet => octet,
            }));
        }
        octets.extend([0, 0, qtype, 0, 1]);
        if let Some(size) = size {
            let [high, low] = size.to_be_bytes();
            let do_bit = if edns == Edns::Mixed && numbers.below(4) == 0 { 0 } else { 0x80 };
            octets.extend([0, 0, 41, high, low, 0, 0, do_bit, 0, 0, 0]);
        }
    }
}

impl Questions {
    /// The one at `index`, around the end: its octets, and what it finds.
    pub fn at(&self, index: usize) -> (&[u8], Kind) {
        let index = index % self.ends.len();
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before].0);
        let (end, kind) = self.ends[index];
        (&self.octets[start..end], kind)
    }
}

impl Kind {
    /// Whether a reply is what such a question must get: the rcode, AA and which sections have
    /// something; `header` is the reply's.
    pub fn fits(self, header: &bellwether::dns::message::Header) -> bool {
        let [_, answers, authority, _] = header.counts;
        let (rcode, authoritative, sections) =
            (header.rcode(), header.is_authoritative(), (answers > 0, authority > 0));
        header.is_response()
            && match self {
                Kind::Hit | Kind::Wildcard => (rcode, authoritative, sections.0) == (0, true, true),
                Kind::NxDomain => (rcode, authoritative, sections) == (3, true, (false, true)),
                Kind::Referral => (rcode, authoritative, sections) == (0, false, (false, true)),
            }
    }
}
