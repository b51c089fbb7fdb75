//! RRSIGs: with what they sign, and asked for by themselves.

use super::*;

#[test]
fn l01_l02_signatures_come_along_only_when_wanted() {
    let rrsig = |covered: &str| format!("{covered} 13 2 300 20300101000000 20200101000000 1 example. AAAA");
    let zones = Zones(vec![zone(
        "example.",
        &format!(
            "@ 3600 RRSIG {}\nwww 300 A 192.0.2.1\nwww 300 RRSIG {}\nwww 300 RRSIG {}\nwww 300 TXT x",
            rrsig("SOA"),
            rrsig("A"),
            rrsig("TXT")
        ),
    )]);
    let wanted = Query { signatures: Signatures::Wanted, ..PLAIN };
    assert_eq!(ask_with(&zones, "www.example.", "A", 65_535, PLAIN).len(), 2);
    let signed = ask_with(&zones, "www.example.", "A", 65_535, wanted);
    assert_eq!(signed.len(), 3);
    assert!(signed[2].starts_with("an www.example. 300 RRSIG A 13 2 300"), "{signed:?}");
    let denied = ask_with(&zones, "www.example.", "MX", 65_535, wanted);
    assert!(denied[2].starts_with("au example. 60 RRSIG SOA 13"), "{denied:?}");
    assert_eq!(ask_with(&zones, "www.example.", "RRSIG", 65_535, PLAIN).len(), 3);
}

#[test]
fn rrsigs_keep_the_ttl_of_what_they_cover() {
    let lines = [("A", 301), ("TXT", 60), ("AAAA", 1 << 31)].map(|(covered, ttl): (_, u32)| {
        format!("www {ttl} RRSIG {covered} 13 2 300 20300101000000 20200101000000 1 example. AAAA\n")
    });
    let zones = Zones(vec![zone("example.", &lines.concat())]);
    let shown = ask_with(&zones, "www.example.", "RRSIG", 65_535, PLAIN);
    let ttls: Vec<&str> = shown[1..].iter().filter_map(|line| line.split(' ').nth(2)).collect();
    // RFC 2181 §8: with the top bit set it is zero.
    assert_eq!(ttls, ["301", "60", "0"]);
}
