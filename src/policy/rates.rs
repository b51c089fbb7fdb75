//! Response rate limiting: what a network gets over UDP that may be the victim of forged sources (R26).
//!
//! Replies are counted by the client's network (/24, /56), their [`Kind`], and the part of the asked
//! name that exists: the closest encloser for names that do not, the cut for those below one (O03). So
//! random names of one zone share a count, and two hosts of it do not. Each count is a bucket that
//! holds a second's worth of replies and runs empty at the configured rate; what does not fit is
//! dropped, but for each n-th, which is sent truncated so that a real client comes over TCP.
//!
//! One table of fixed size serves all workers (O04), so that the rate holds for the server and not for
//! each of its threads. Its words are loaded and stored plainly: two workers that meet in a bucket lose
//! a count and nothing else, and no query pays for a locked instruction. A full line of the table gives
//! up the bucket that is the least full, so a flood of new networks does not free those at the limit.
//!
//! Absent: the clock, which is an argument, and who is exempt, which is judged by a [`RuleSet`] and
//! only once somebody is over the limit. TCP and clients with a valid cookie are never counted.

use std::hash::Hasher;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use siphasher::sip::SipHasher13;

use super::{Act, Peer, Peers, RuleSet, verdict};
use crate::dns::{NameRef, case};
use crate::limits::RATE_BUCKETS;
use crate::time::Tick;
use crate::trace::Silent;

/// What sort of reply is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Data, or that there is none of the type.
    Answer,
    /// The name does not exist.
    NxDomain,
    /// Where to ask on.
    Referral,
    /// A refusal or failure.
    Error,
}

/// Limits as they are configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateSettings {
    /// Replies a second; 0 for no limit.
    pub per_second: u32,
    /// Each n-th reply over the limit is sent truncated; 0 for none.
    pub slip: u32,
    /// Who is never limited.
    pub exempt: RuleSet,
    /// Only count what would be limited, and send it.
    pub log_only: bool,
}

/// No limit.
impl Default for RateSettings {
    fn default() -> RateSettings {
        RateSettings { per_second: 0, slip: 0, exempt: RuleSet::none(), log_only: false }
    }
}

/// The limits with the table that they are kept in, which outlives a reload.
#[derive(Debug, Default)]
pub struct RateLimits {
    settings: RateSettings,
    table: Arc<RateTable>,
}

/// What becomes of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It is sent.
    Send,
    /// It is over the limit.
    Over {
        /// What is done about it.
        measure: Measure,
        /// Whether it is the first one since the class was last silent for a second.
        first: bool,
    },
}

/// What is done about a reply over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Nothing is sent.
    Drop,
    /// An empty reply with TC is sent.
    Truncate,
    /// It is sent whole and only counted.
    Report,
}

/// The buckets. The default has none, for whoever has no limits.
#[derive(Debug, Default)]
pub struct RateTable {
    key: [u8; 16],
    lines: Box<[Line]>,
}

/// What one access to memory brings in.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([Bucket; BUCKETS_A_LINE]);

const BUCKETS_A_LINE: usize = 4;

#[derive(Debug, Default)]
struct Bucket {
    /// Whose it is (the upper half of the hash), and the milliseconds of the moment of `fill`.
    place: AtomicU64,
    /// Thousandths of replies in it, and replies over the limit since it was empty.
    fill: AtomicU64,
}

/// A reply, in the unit of a bucket's fill.
const REPLY: u64 = 1000;

impl RateLimits {
    /// Limits that count in `table`.
    pub fn new(settings: RateSettings, table: Arc<RateTable>) -> RateLimits {
        RateLimits { settings, table }
    }

    /// The table, for the limits of the next configuration.
    pub fn table(&self) -> &Arc<RateTable> {
        &self.table
    }

    /// Counts a reply of `kind` to `peer`, for which `name` decided, and says what becomes of it.
    pub fn rule(&self, peer: &Peer<'_>, kind: Kind, name: NameRef<'_>, now: Tick, peers: &Peers) -> Ruling {
        let settings = &self.settings;
        if settings.per_second == 0 || self.table.lines.is_empty() {
            return Ruling::Send;
        }
        let hash = self.table.hash(peer.address, kind, name);
        let Some(over) = self.table.charge(hash, settings.per_second, now) else { return Ruling::Send };
        if verdict(&settings.exempt, Act::Query, peer, peers, &mut Silent).is_allowed() {
            return Ruling::Send;
        }
        let measure = match settings.slip {
            _ if settings.log_only => Measure::Report,
            // Nothing that is over is a multiple of 0.
            slip if over.is_multiple_of(slip) => Measure::Truncate,
            _ => Measure::Drop,
        };
        Ruling::Over { measure, first: over == 1 }
    }
}

impl RateTable {
    /// An empty table; the key keeps clients from choosing names that meet in one bucket.
    pub fn new(key: [u8; 16]) -> RateTable {
        let lines = (0..RATE_BUCKETS / BUCKETS_A_LINE).map(|_| Line::default()).collect();
        RateTable { key, lines }
    }

    fn hash(&self, address: IpAddr, kind: Kind, name: NameRef<'_>) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write_u64(network(address) << 2 | kind as u64);
        case::for_each_lower_word(name.wire(), |word| hasher.write_u64(word));
        hasher.finish()
    }

    /// Puts a reply into its bucket; if it has no room, how many had none since it was empty.
    fn charge(&self, hash: u64, per_second: u32, now: Tick) -> Option<u32> {
        let Line(buckets) = &self.lines[hash as usize % self.lines.len()];
        let (tag, moment) = ((hash >> 32) as u32, now.0 as u32);
        let mut least = (&buckets[0], u64::MAX);
        for bucket in buckets {
            let (owner, fill, over) = bucket.read(per_second, moment);
            if owner == tag {
                return bucket.add(fill, over, per_second, tag, moment);
            }
            if fill < least.1 {
                least = (bucket, fill);
            }
        }
        least.0.add(0, 0, per_second, tag, moment)
    }
}

impl Bucket {
    /// Whose it is, what is in it at `moment`, and how many replies had no room since it was empty.
    fn read(&self, per_second: u32, moment: u32) -> (u32, u64, u32) {
        let (owner, since) = halves(self.place.load(Ordering::Relaxed));
        let (fill, over) = halves(self.fill.load(Ordering::Relaxed));
        // A worker may be a few milliseconds behind another one.
        let passed = (moment.wrapping_sub(since) as i32).max(0) as u64;
        (owner, u64::from(fill).saturating_sub(passed * u64::from(per_second)), over)
    }

    /// Adds a reply if there is room; else how many had none since it was empty.
    fn add(&self, fill: u64, over: u32, per_second: u32, tag: u32, moment: u32) -> Option<u32> {
        let has_room = fill + REPLY <= u64::from(per_second) * REPLY;
        let (fill, over) = match has_room {
            true if fill == 0 => (REPLY, 0),
            true => (fill + REPLY, over),
            false => (fill, over.saturating_add(1)),
        };
        self.place.store(u64::from(tag) << 32 | u64::from(moment), Ordering::Relaxed);
        self.fill.store(fill << 32 | u64::from(over), Ordering::Relaxed);
        (!has_room).then_some(over)
    }
}

fn halves(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

/// The network of a client, as a number that no network of the other family has.
fn network(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits() >> 8),
        IpAddr::V6(address) => 1 << 57 | (address.to_bits() >> 72) as u64,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dns::Name;
    use crate::ident::Transport;
    use crate::policy::{Rule, Who};

    const START: Tick = Tick(5_000_000);

    fn limits(settings: RateSettings) -> RateLimits {
        RateLimits::new(settings, Arc::new(RateTable::new([7; 16])))
    }

    fn settings() -> RateSettings {
        RateSettings { per_second: 10, slip: 2, ..RateSettings::default() }
    }

    fn ask(limits: &RateLimits, address: &str, kind: Kind, name: &str, now: Tick) -> Ruling {
        let peer = Peer { address: address.parse().unwrap(), key: None, transport: Transport::Udp };
        limits.rule(&peer, kind, Name::parse(name).unwrap().as_ref(), now, &Peers::default())
    }

    fn sent(limits: &RateLimits, address: &str, kind: Kind, name: &str, now: Tick, asked: usize) -> usize {
        (0..asked).filter(|_| ask(limits, address, kind, name, now) == Ruling::Send).count()
    }

    #[test]
    fn o01_a_network_gets_so_many_replies_of_a_class_a_second() {
        let limits = limits(settings());
        let send = |address, kind, name, now| sent(&limits, address, kind, name, now, 100);
        assert_eq!(send("192.0.2.1", Kind::Answer, "a.example.", START), 10);
        // The same network, and the same name in another spelling.
        assert_eq!(send("192.0.2.77", Kind::Answer, "A.Example.", START), 0);
        assert_eq!(send("::ffff:192.0.2.78", Kind::Answer, "a.example.", START), 0);
        for (address, kind, name) in [
            ("192.0.3.1", Kind::Answer, "a.example."),
            ("192.0.2.1", Kind::NxDomain, "a.example."),
            ("192.0.2.1", Kind::Answer, "b.example."),
            ("2001:db8:0:100::1", Kind::Answer, "a.example."),
            ("2001:db8:0:200::1", Kind::Answer, "a.example."),
        ] {
            assert_eq!(send(address, kind, name, START), 10, "{address} {kind:?} {name}");
        }
        assert_eq!(send("2001:db8:0:1ff::9", Kind::Answer, "a.example.", START), 0);
        // A tenth of a second gives room for one more; a long silence for a second's worth.
        assert_eq!(send("192.0.2.1", Kind::Answer, "a.example.", START + Duration::from_millis(99)), 0);
        assert_eq!(send("192.0.2.1", Kind::Answer, "a.example.", START + Duration::from_millis(100)), 1);
        assert_eq!(send("192.0.2.1", Kind::Answer, "a.example.", START + Duration::from_secs(3600)), 10);
    }

    #[test]
    fn o01_networks_of_both_families_are_apart() {
        let of = |address: &str| network(address.parse().unwrap());
        assert_eq!(of("192.0.2.1"), of("192.0.2.255"));
        assert_eq!(of("2001:db8:1:2ff::"), of("2001:db8:1:200::ffff"));
        let apart = ["0.0.0.0", "0.0.1.0", "255.255.255.0", "::", "0:0:0:100::", "::100:0:0:0:0:0", "ff00::"];
        let networks: std::collections::BTreeSet<u64> = apart.iter().map(|address| of(address)).collect();
        assert_eq!(networks.len(), apart.len());
    }

    #[test]
    fn o01_each_n_th_reply_over_the_limit_is_truncated() {
        let measures = |slip| {
            let limits = limits(RateSettings { slip, ..settings() });
            sent(&limits, "192.0.2.1", Kind::Error, ".", START, 10);
            [(); 6].map(|()| ask(&limits, "192.0.2.1", Kind::Error, ".", START))
        };
        let over = |measure, first| Ruling::Over { measure, first };
        let (drop, cut) = (over(Measure::Drop, false), over(Measure::Truncate, false));
        assert_eq!(measures(2), [over(Measure::Drop, true), cut, drop, cut, drop, cut]);
        assert_eq!(measures(1)[0], over(Measure::Truncate, true));
        assert_eq!(measures(0)[1..], [drop; 5]);
        assert_eq!(measures(5)[4], cut);
    }

    #[test]
    fn o01_a_client_a_little_over_the_limit_is_sent_to_tcp_too() {
        let limits = limits(settings());
        sent(&limits, "192.0.2.1", Kind::Answer, "a.", START, 10);
        // Twice the rate: in each tenth of a second one reply has room and one has not.
        let mut measures = Vec::new();
        for step in 1..=8 {
            let now = START + Duration::from_millis(100 * step);
            assert_eq!(ask(&limits, "192.0.2.1", Kind::Answer, "a.", now), Ruling::Send);
            let Ruling::Over { measure, first } = ask(&limits, "192.0.2.1", Kind::Answer, "a.", now) else {
                panic!("it has room")
            };
            assert_eq!(first, step == 1);
            measures.push(measure);
        }
        assert_eq!(measures, [Measure::Drop, Measure::Truncate].repeat(4));
    }

    #[test]
    fn o02_o04_exempt_clients_and_a_limit_that_only_reports() {
        let rule = Rule { who: Who::Net("192.0.2.0/28".parse().unwrap()), text: String::new() };
        let exempt = limits(RateSettings { exempt: RuleSet::new(vec![rule]), ..settings() });
        assert_eq!(sent(&exempt, "192.0.2.1", Kind::Answer, "a.", START, 100), 100);
        assert_eq!(sent(&exempt, "192.0.2.99", Kind::Answer, "a.", START, 100), 0);
        let log_only = limits(RateSettings { log_only: true, ..settings() });
        assert_eq!(sent(&log_only, "192.0.2.1", Kind::Answer, "a.", START, 10), 10);
        let told = ask(&log_only, "192.0.2.1", Kind::Answer, "a.", START);
        assert_eq!(told, Ruling::Over { measure: Measure::Report, first: true });
        let off = limits(RateSettings { per_second: 0, ..settings() });
        assert_eq!(sent(&off, "192.0.2.1", Kind::Answer, "a.", START, 100), 100);
        assert_eq!(sent(&RateLimits::default(), "192.0.2.1", Kind::Answer, "a.", START, 100), 100);
    }

    #[test]
    fn o04_a_flood_of_networks_does_not_free_one_at_its_limit() {
        let limits = limits(settings());
        sent(&limits, "192.0.2.1", Kind::Answer, "a.", START, 10);
        for n in 0..RATE_BUCKETS as u32 * 4 {
            let address = std::net::Ipv4Addr::from(0x0a00_0000 + (n << 8)).to_string();
            ask(&limits, &address, Kind::Answer, "b.", START);
        }
        assert_eq!(sent(&limits, "192.0.2.1", Kind::Answer, "a.", START, 10), 0);
    }

    #[test]
    fn long_names_have_buckets_of_their_own() {
        let limits = limits(settings());
        let long = |last: &str| format!("{}.{}.{}.{last}.", "x".repeat(63), "y".repeat(63), "z".repeat(63));
        assert_eq!(sent(&limits, "192.0.2.1", Kind::Answer, &long("a"), START, 20), 10);
        assert_eq!(sent(&limits, "192.0.2.1", Kind::Answer, &long("b"), START, 20), 10);
    }

    #[test]
    fn a_worker_that_is_a_little_behind_frees_nothing() {
        let limits = limits(settings());
        assert_eq!(sent(&limits, "192.0.2.1", Kind::Answer, "a.", START, 20), 10);
        assert_eq!(sent(&limits, "192.0.2.1", Kind::Answer, "a.", Tick(START.0 - 3), 20), 0);
    }

    #[test]
    fn o04_a_network_that_was_silent_for_a_second_is_told_of_again() {
        let limits = limits(settings());
        for now in [START, START + Duration::from_secs(1)] {
            assert_eq!(sent(&limits, "192.0.2.1", Kind::Answer, "a.", now, 10), 10);
            for first in [true, false] {
                let ruling = ask(&limits, "192.0.2.1", Kind::Answer, "a.", now);
                assert!(matches!(ruling, Ruling::Over { first: told, .. } if told == first), "{ruling:?}");
            }
        }
    }

    #[test]
    fn o04_a_reload_frees_nobody() {
        let before = limits(settings());
        assert_eq!(sent(&before, "192.0.2.1", Kind::Answer, "a.", START, 10), 10);
        let after = RateLimits::new(RateSettings { slip: 0, ..settings() }, Arc::clone(before.table()));
        assert_eq!(sent(&after, "192.0.2.1", Kind::Answer, "a.", START, 10), 0);
        assert_eq!(sent(&after, "192.0.3.1", Kind::Answer, "a.", START, 20), 10);
    }

    #[test]
    fn o01_those_who_meet_in_a_line_have_buckets_of_their_own() {
        let table = RateTable::new([7; 16]);
        let charge = |tag: u64| table.charge(tag << 32 | 5, 1, START);
        for over in [None, Some(1)] {
            assert_eq!([0, 1, 2, 3].map(charge), [over; BUCKETS_A_LINE]);
        }
    }
}
