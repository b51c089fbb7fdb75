//! The zones that one seed gives.

use crate::gardener::Gardener;
use crate::label::PLAIN;
use crate::name::Name;
use crate::random::Random;
use crate::rtype;
use crate::servers::Kind;
use crate::signing::Signing;
use crate::zone::Zone;

/// The zones that one seed gives, served side by side: one, or a parent and its children.
#[derive(Clone, Debug)]
pub struct Plot {
    /// Where it all comes from.
    pub seed: u64,
    /// The parent first.
    pub zones: Vec<Zone>,
    /// How the zone is signed, if it is; then it is alone.
    pub signing: Option<Signing>,
}

impl Plot {
    /// The zones of `seed`: nothing else goes into them.
    pub fn grow(seed: u64) -> Plot {
        let mut random = Random::new(seed);
        let apex = Name::plain(&format!("s{seed}-z.test"));
        let mut gardener = Gardener::new(&mut random, apex);
        gardener.grow();
        let zone = gardener.zone;
        let mut zones = vec![zone];
        if random.once_in(5) {
            let cuts: Vec<Name> = zones[0]
                .owners()
                .into_iter()
                .filter(|name| zones[0].barrier(name, rtype::NS).as_ref() == Some(name))
                .filter(|name| zones[0].barrier(name, rtype::DNAME).is_none() && is_plain(name))
                .collect();
            for cut in cuts.into_iter().take(2) {
                let mut gardener = Gardener::new(&mut random, cut);
                gardener.grow();
                zones.push(gardener.zone);
            }
        }
        let mut plot = Plot { seed, zones, signing: None };
        plot.link(&mut random);
        plot
    }

    /// The zone of `seed`, alone and to be signed; plain if it is one that not all servers load.
    pub fn grow_signed(seed: u64) -> Plot {
        let mut random = Random::new(seed);
        let apex = Name::plain(&format!("s{seed}-z.test"));
        let signing = Signing::of(seed);
        let mut gardener = Gardener::new(&mut random, apex);
        gardener.keep_to_what_is_signed();
        gardener.grow();
        let mut plot = Plot { seed, zones: vec![gardener.zone], signing: None };
        let is_loaded = !plot.is_refused_by(Kind::Bind) && !plot.is_refused_by(Kind::Nsd);
        plot.signing = is_loaded.then_some(signing);
        plot
    }

    /// Records that point from one zone into another.
    fn link(&mut self, random: &mut Random) {
        for from in 0..self.zones.len() {
            for to in (0..self.zones.len()).filter(|to| *to != from) {
                let owners = self.zones[to].owners();
                let zone = &mut self.zones[from];
                let label = random.below(PLAIN.len());
                let Some(owner) = zone.apex.child(PLAIN[label]) else { continue };
                let target = random.pick(&owners);
                if zone.barrier(&owner, rtype::NS).is_some() || zone.barrier(&owner, rtype::DNAME).is_some() {
                    continue;
                }
                match random.below(4) {
                    0 => zone.add(&owner, 60, rtype::CNAME, target.wire()),
                    1 => zone.add(&owner, 60, rtype::MX, &[&[0, 10], target.wire()].concat()),
                    2 => zone.add(&owner, 60, rtype::SRV, &[&[0, 1, 0, 1, 0, 53], target.wire()].concat()),
                    _ => zone.add(&owner, 60, rtype::NS, target.wire()),
                };
            }
        }
    }

    /// Whether a server does not load one of the zones, so that its answers say nothing.
    pub fn is_refused_by(&self, kind: Kind) -> bool {
        // PowerDNS serves signed zones only from a database with keys.
        let unsigned_only = self.signing.is_some() && kind == Kind::PowerDns;
        unsigned_only || self.zones.iter().any(|zone| zone.is_refused_by(kind, &self.zones))
    }

    /// Whether a zone file spells names with capitals.
    pub fn is_mixed_case(&self) -> bool {
        let mut records = self.zones.iter().flat_map(|zone| &zone.records);
        records.any(|record| record.owner != record.owner.lower())
    }

    /// The zone of the longest match.
    pub fn zone_of(&self, name: &Name) -> Option<&Zone> {
        let holding = self.zones.iter().filter(|zone| name.is_at_or_below(&zone.apex));
        holding.max_by_key(|zone| zone.apex.wire().len())
    }
}

/// Whether every config can name it without escapes.
fn is_plain(name: &Name) -> bool {
    name.labels().concat().iter().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(octet))
}
