//! Zone files made from seeds: everything that all readers take, in every mixture.

use super::contested;
use super::records::RECORDS;
use crate::random::Random;

/// Labels as they may be written.
const LABELS: &[&str] = &[
    "a",
    "B",
    "www",
    "_sip",
    "0",
    "x-1",
    "\\097b",
    "a\\.b",
    "\\000",
    "\\255\\001",
    "\\@",
    "a\\ b",
    "\\;",
    "\\(x\\)",
    "a\\\\b",
    "123",
    "*",
    "in",
    "TXT",
];

/// Strings as they may be written.
const STRINGS: &[&str] = &[
    "plain",
    "\"\"",
    "\"with space\"",
    "\"semi;colon ( \"",
    "\"say \\\"so\\\"\"",
    "back\\\\slash",
    "\\000\\255",
    "\"\\065\\010\"",
    "a\\;b",
];

/// What may stand between two words of a record.
const SPACES: &[&str] = &[" ", "\t", "   ", " \t "];

/// Types that want a name to themselves, or the other data that goes with it.
const ALONE: &[&str] = &["CNAME", "DNAME", "NS", "DS", "NSEC", "NSEC3", "DNSKEY", "RRSIG"];

/// The lines that follow the header.
pub fn write(seed: u64) -> String {
    let mut random = Random::new(seed ^ 0x7363_7269_6265);
    let mut text = String::new();
    // The TTL of the last owner, if a line without owner may follow: a set has one TTL.
    let mut last_ttl: Option<&str> = None;
    for number in 0..80 {
        match random.below(16) {
            0 => {
                text += &format!("$TTL {}\n", random.word(&["60", "1h", "1w2d", "5m30s"]));
                last_ttl = None;
            }
            1 => text += &format!("$ORIGIN {}.%Z\n", random.word(&["sub", "a.b", "\\000.x"])),
            2 => text += "$ORIGIN %Z\n",
            3 => text += "; a comment ( with \" signs\n\n",
            _ => {
                let blank = last_ttl.filter(|_| random.once_in(4));
                let ttl = blank.unwrap_or(random.word(&["", "300", "1h", "2147483647"]));
                let owner = match blank {
                    Some(_) => String::new(),
                    None => format!("{}.n{number}", random.word(LABELS)),
                };
                let (line, rtype) = record(&mut random, &owner, ttl);
                text += &line;
                last_ttl = (!ALONE.contains(&rtype.as_str())).then_some(ttl);
            }
        }
    }
    text
}

fn record(random: &mut Random, owner: &str, ttl: &str) -> (String, String) {
    let (rtype, mut words) = data(random, !owner.is_empty());
    let mut line = format!("{owner}{}", random.word(SPACES));
    // TTL first: ldns takes it no other way.
    for word in [ttl, random.word(&["", "IN"]), &rtype] {
        if !word.is_empty() {
            line += &format!("{word}{}", random.word(SPACES));
        }
    }
    if random.once_in(4) {
        let at = random.below(words.len() + 1);
        words.insert(at, format!("( {}", random.word(&["", "; comment )\n", "\n\n"])));
        words.push(")".into());
    }
    let space = random.word(SPACES);
    let end = random.word(&["\n", " ; comment\n", "\t\n"]);
    (line + &words.join(space) + end, rtype)
}

/// A type and the words of its RDATA.
fn data(random: &mut Random, may_be_alone: bool) -> (String, Vec<String>) {
    if random.once_in(3) {
        let strings = (0..random.between(1, 4)).map(|_| random.word(STRINGS).to_owned());
        return ("TXT".into(), strings.collect());
    }
    loop {
        let (id, record) = random.pick(RECORDS);
        let (rtype, rdata) = record.split_once(' ').unwrap_or((record, ""));
        // Quoted words hold spaces that must stay.
        // BIND wants a hash above NSEC3.
        let fits = rtype != "NSEC3" && (may_be_alone || !ALONE.contains(&rtype));
        if !fits || contested::outcome_of(id).is_some() || rdata.contains('"') || rdata.is_empty() {
            continue;
        }
        return (rtype.into(), rdata.split(' ').map(str::to_owned).collect());
    }
}
