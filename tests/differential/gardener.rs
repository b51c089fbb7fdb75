//! What grows in a zone: hosts, wildcards, cuts, aliases, odd names, large sets, all types.

use crate::label::{ODD, PLAIN};
use crate::name::Name;
use crate::random::Random;
use crate::rtype;
use crate::zone::Zone;

/// Who makes one zone.
pub struct Gardener<'r> {
    random: &'r mut Random,
    /// What has grown so far.
    pub zone: Zone,
    /// Odd labels too.
    odd: bool,
    /// Letters of either case.
    mixed_case: bool,
    /// Data below cuts, where no query gets to.
    occluded: bool,
    /// Only types that all servers know by name.
    known_types: bool,
    /// What only some servers load.
    rarity: Rarity,
}

/// What a zone may have that one of the servers does not load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rarity {
    /// Nothing of the kind.
    None,
    /// NS at a wildcard (RFC 4592 §4.2), which BIND refuses.
    WildcardNs,
    /// Data below a DNAME (RFC 6672 §2.4), which NSD refuses.
    BelowDname,
}

impl<'r> Gardener<'r> {
    /// Begins a zone.
    pub fn new(random: &'r mut Random, apex: Name) -> Gardener<'r> {
        let ttls = [0, 60, 300, 3600, 86_400];
        let zone = Zone::new(apex, *random.pick(&ttls), *random.pick(&[60, 300, 7200]));
        let (odd, mixed_case, occluded) = (random.once_in(3), random.once_in(200), random.once_in(2));
        let rarity = match random.below(60) {
            0 => Rarity::WildcardNs,
            1 => Rarity::BelowDname,
            _ => Rarity::None,
        };
        Gardener { random, zone, odd, mixed_case, occluded, known_types: false, rarity }
    }

    /// Lets nothing grow that a signer writes in a form that another server does not read: types that
    /// Knot does not know by name, and labels with escapes.
    pub fn keep_to_what_is_signed(&mut self) {
        self.odd = false;
        self.mixed_case = false;
        self.known_types = true;
    }

    /// Makes all of it.
    pub fn grow(&mut self) {
        let apex = self.zone.apex.clone();
        for _ in 0..self.random.between(1, 3) {
            self.apex_server();
        }
        // Nothing but the apex, so that a DNAME may stand there.
        if self.random.once_in(60) {
            let elsewhere = Name::plain("host.elsewhere.example");
            let target = if self.random.once_in(10) { self.target() } else { elsewhere };
            self.zone.cut_down();
            self.add(&apex, rtype::DNAME, target.wire());
            self.data(&apex);
            return;
        }
        for _ in 0..self.random.between(3, 8) {
            self.host();
        }
        let plants: &[fn(&mut Self)] = &[
            Self::host,
            Self::deep,
            Self::wildcard,
            Self::wildcard,
            Self::cut,
            Self::cut,
            Self::cname,
            Self::cname,
            Self::dname,
            Self::chain,
            Self::services,
        ];
        for _ in 0..self.random.between(8, 24) {
            let plant = *self.random.pick(plants);
            plant(self);
        }
        if self.random.once_in(6) {
            self.large();
        }
        if self.random.once_in(8) {
            self.all_types();
        }
    }

    fn label(&mut self) -> Vec<u8> {
        if self.odd && self.random.once_in(3) {
            return self.random.pick(ODD).to_vec();
        }
        let mut label = self.random.pick(PLAIN).to_vec();
        if self.mixed_case && self.random.once_in(2) {
            label[0] = label[0].to_ascii_uppercase();
        }
        label
    }

    /// A name that has records, or the apex; seldom one out of reach.
    fn node(&mut self) -> Name {
        let owners = self.zone.owners();
        let name = self.random.pick(&owners).clone();
        let hidden = self.zone.barrier(&name, rtype::NS).or_else(|| self.zone.barrier(&name, rtype::DNAME));
        match hidden {
            Some(barrier) if !(self.occluded && self.random.once_in(2)) => {
                barrier.parent().unwrap_or_else(|| self.zone.apex.clone())
            }
            _ => name,
        }
    }

    /// A name one or more labels below a node.
    fn below(&mut self, levels: usize) -> Name {
        let mut name = self.node();
        for _ in 0..levels {
            let label = self.label();
            name = name.child(&label).unwrap_or(name);
        }
        name
    }

    /// Adds a record where it may stand and, but for occluded data, can be seen.
    fn add(&mut self, owner: &Name, rtype: u16, rdata: &[u8]) -> bool {
        let under_dname = self.zone.barrier(owner, rtype::DNAME).is_some();
        let covers = rtype == rtype::DNAME && self.zone.has_below(owner);
        if self.known_types && rtype::is_little_known(rtype) {
            return false;
        }
        let wildcard_ns = rtype == rtype::NS && owner.is_wildcard();
        if (under_dname || covers) && self.rarity != Rarity::BelowDname
            || wildcard_ns && self.rarity != Rarity::WildcardNs
        {
            return false;
        }
        let ttl = *self.random.pick(&[0, 5, 60, 300, 3600, 86_400, 604_800]);
        self.zone.add(owner, ttl, rtype, rdata)
    }

    fn address(&mut self, owner: &Name) {
        if self.random.once_in(3) {
            let mut address = [0; 16];
            address[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
            address[15] = self.random.below(256) as u8;
            self.add(owner, rtype::AAAA, &address);
        } else {
            let last = self.random.below(256) as u8;
            self.add(owner, rtype::A, &[192, 0, 2, last]);
        }
    }

    /// A few records of usual types at `owner`.
    fn data(&mut self, owner: &Name) {
        for _ in 0..self.random.between(1, 3) {
            match self.random.below(8) {
                0..=3 => self.address(owner),
                4 => {
                    let text = [b'a' + self.random.below(26) as u8; 9];
                    self.add(owner, rtype::TXT, &[&[9], &text[..]].concat());
                }
                5 => {
                    let (host, preference) = (self.target(), self.octet());
                    self.add(owner, rtype::MX, &[&[0, preference], host.wire()].concat());
                }
                6 => {
                    let host = self.target();
                    self.add(owner, rtype::PTR, host.wire());
                }
                _ => {
                    let (number, _, _, rdata) = *self.random.pick(rtype::SAMPLES);
                    self.add(owner, number, rdata);
                }
            }
        }
    }

    fn octet(&mut self) -> u8 {
        self.random.below(256) as u8
    }

    fn host(&mut self) {
        let name = self.below(1);
        self.data(&name);
    }

    /// Names that exist only because something stands below them.
    fn deep(&mut self) {
        let levels = self.random.between(2, 5);
        let name = self.below(levels);
        self.data(&name);
    }

    fn wildcard(&mut self) {
        let levels = self.random.below(3);
        let encloser = self.below(levels);
        let Some(wildcard) = encloser.child(b"*") else { return };
        match self.random.below(12) {
            0..=4 => self.data(&wildcard),
            5..=7 => {
                let target = self.target();
                self.add(&wildcard, rtype::CNAME, target.wire());
            }
            8 if self.random.once_in(3) => {
                let target = self.target();
                self.add(&wildcard, rtype::DNAME, target.wire());
            }
            9 => self.name_server(&wildcard),
            // The wildcard itself is an empty non-terminal.
            10 => {
                let label = self.label();
                if let Some(name) = wildcard.child(&label) {
                    self.data(&name);
                }
            }
            // A wildcard below a wildcard.
            _ => {
                if let Some(inner) = wildcard.child(b"*") {
                    self.data(&inner);
                    self.data(&wildcard);
                }
            }
        }
    }

    /// A name that a record points to: mostly something of the zone or near it.
    fn target(&mut self) -> Name {
        let apex = self.zone.apex.clone();
        let node = self.node();
        let label = self.label();
        match self.random.below(12) {
            0 => Name::plain("host.elsewhere.example"),
            1 => node.child(&label).unwrap_or(node),
            2 => {
                let child = node.child(&label).unwrap_or(node);
                let label = self.label();
                child.child(&label).unwrap_or(child)
            }
            3 => apex.child(&label).unwrap_or(apex),
            4 => self.anywhere(),
            5 => self.anywhere().child(&label).unwrap_or(apex),
            6 => node.parent().filter(|parent| parent.is_at_or_below(&apex)).unwrap_or(apex),
            _ => node,
        }
    }

    /// Any owner, out of reach or not.
    fn anywhere(&mut self) -> Name {
        let owners = self.zone.owners();
        self.random.pick(&owners).clone()
    }

    /// An NS record at `owner` whose host is inside, beside or outside, with its addresses or without.
    fn name_server(&mut self, owner: &Name) {
        let apex = self.zone.apex.clone();
        let label = self.label();
        let inside = owner.child(&label).unwrap_or(owner.clone());
        let host = match self.random.below(8) {
            0..=3 => inside,
            4 => owner.clone(),
            5 => apex.child(&label).unwrap_or(apex),
            6 => self.target(),
            _ => Name::plain("ns.elsewhere.example"),
        };
        self.add(owner, rtype::NS, host.wire());
        if host.is_at_or_below(&self.zone.apex) && !host.is_wildcard() && !self.random.once_in(5) {
            for _ in 0..self.random.between(1, 2) {
                self.address(&host);
            }
        }
    }

    /// A server of the zone itself; BIND loads no zone that names one of its own hosts without address.
    fn apex_server(&mut self) {
        let apex = self.zone.apex.clone();
        let label = self.label();
        let host = apex.child(&label).filter(|_| !self.random.once_in(4));
        let Some(host) = host else {
            self.add(&apex, rtype::NS, Name::plain("ns.elsewhere.example").wire());
            return;
        };
        self.add(&host, rtype::A, &[192, 0, 2, 53]);
        self.add(&apex, rtype::NS, host.wire());
    }

    fn cut(&mut self) {
        let levels = self.random.between(1, 2);
        let name = self.below(levels);
        if name == self.zone.apex {
            return;
        }
        let servers = if self.random.once_in(60) { 13 } else { self.random.between(1, 3) };
        for _ in 0..servers {
            self.name_server(&name);
        }
        if self.random.once_in(3) {
            self.add(&name, rtype::DS, &[&[0x12, 0x34, 13, 2], &[7; 32][..]].concat());
        }
        if self.occluded && self.random.once_in(2) {
            let label = self.label();
            let Some(below) = name.child(&label) else { return };
            match self.random.below(5) {
                0 => self.data(&below),
                1 => self.name_server(&below),
                2 => {
                    let target = self.target();
                    self.add(&below, rtype::CNAME, target.wire());
                }
                3 => {
                    let target = self.target();
                    self.add(&below, rtype::DNAME, target.wire());
                }
                _ => {
                    if let Some(wildcard) = name.child(b"*") {
                        self.data(&wildcard);
                    }
                    self.data(&name);
                }
            }
        }
    }

    fn cname(&mut self) {
        let name = self.below(1);
        let target = if self.random.once_in(60) { name.clone() } else { self.target() };
        self.add(&name, rtype::CNAME, target.wire());
    }

    fn dname(&mut self) {
        let levels = self.random.between(1, 2);
        let name = self.below(levels);
        let target = match self.random.below(60) {
            // Into itself: each step makes the name longer.
            0 => name.child(b"a").unwrap_or(name.clone()),
            1 => name.parent().unwrap_or(name.clone()),
            2..=5 => {
                let mut long = self.target();
                for _ in 0..3 {
                    long = long.child(&[b'l'; 60]).unwrap_or(long);
                }
                long
            }
            _ => self.target(),
        };
        let grows = target.is_at_or_below(&name) && !self.random.once_in(30);
        if !grows && self.add(&name, rtype::DNAME, target.wire()) && self.random.once_in(2) {
            self.data(&name);
        }
    }

    /// Aliases in a row, of both kinds, that end somewhere or in themselves.
    fn chain(&mut self) {
        let first = self.below(1);
        let (mut name, levels) = (first.clone(), self.random.between(2, 6));
        let comes_back = self.random.once_in(30);
        for level in 0..levels {
            let label = self.label();
            let next = match self.random.below(4) {
                _ if level + 1 == levels && comes_back => first.clone(),
                _ if level + 1 == levels => self.target(),
                0 => self.below(2),
                _ => {
                    let parent = name.parent().unwrap_or(name.clone());
                    parent.child(&label).unwrap_or(parent)
                }
            };
            let stands = !self.zone.types(&next).is_empty() || next == name;
            if level + 1 < levels && stands && !comes_back {
                return;
            }
            if self.random.once_in(3) {
                if !next.is_at_or_below(&name) {
                    self.add(&name, rtype::DNAME, next.wire());
                }
            } else {
                self.add(&name, rtype::CNAME, next.wire());
            }
            name = next;
            if !name.is_at_or_below(&self.zone.apex) {
                return;
            }
        }
    }

    fn services(&mut self) {
        let name = self.below(2);
        for _ in 0..self.random.between(1, 4) {
            let host = self.target();
            let rdata = [&[0, 1, 0, self.octet(), 0, 53], host.wire()].concat();
            self.add(&name, rtype::SRV, &rdata);
        }
    }

    /// A set whose answer has about as many octets as some message may have.
    fn large(&mut self) {
        let name = if self.random.once_in(3) { self.below(1).child(b"*") } else { Some(self.below(1)) };
        let Some(name) = name else { return };
        match self.random.below(3) {
            0 => {
                for last in 0..self.random.between(26, 80) {
                    self.add(&name, rtype::A, &[198, 51, 100, last as u8]);
                }
            }
            1 => {
                for number in 0..self.random.between(3, 12) {
                    let text = [b'a' + number as u8; 100];
                    self.add(&name, rtype::TXT, &[&[100], &text[..]].concat());
                }
            }
            _ => {
                for _ in 0..self.random.between(8, 30) {
                    let host = self.target();
                    let rdata = [&[0, self.octet()], host.wire()].concat();
                    self.add(&name, rtype::MX, &rdata);
                }
            }
        }
    }

    fn all_types(&mut self) {
        let name = self.below(1);
        for (number, _, _, rdata) in rtype::SAMPLES {
            let owner =
                if self.random.once_in(2) { name.child(b"t").unwrap_or(name.clone()) } else { name.clone() };
            self.add(&owner, *number, rdata);
        }
    }
}
