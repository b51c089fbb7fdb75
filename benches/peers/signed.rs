//! A zone as a signer leaves it: NSEC3 with opt-out, and signatures that are of the right size and no more.
//! What servers do with it is the same; none verifies what it serves.

use std::collections::BTreeMap;
use std::fmt::Write;

use bellwether::dns::Name;
use bellwether::dns::nsec3::{self, Hash, Parameters};
use data_encoding::BASE64;

use crate::zone::{APEX, Numbers, Zone};

/// The zone file with DNSKEY, NSEC3PARAM, the chain and a signature of each set that has one.
pub fn text(zone: &Zone) -> String {
    let mut text = zone.text();
    let mut numbers = Numbers(5);
    // Owners with the types that are signed, and whether it is a delegation.
    let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let plain = text.clone();
    for line in plain.lines().filter(|line| !line.starts_with('$')) {
        let mut words = line.split(' ');
        let (Some(owner), Some(rtype)) = (words.next(), words.next()) else { continue };
        // Glue is neither signed nor denied.
        if owner.starts_with("ns.") {
            continue;
        }
        let types = owners.entry(owner).or_default();
        if !types.contains(&rtype) {
            types.push(rtype);
        }
    }
    let key = random(&mut numbers);
    write_line(&mut text, format_args!("@ DNSKEY 257 3 13 {key}"));
    write_line(&mut text, format_args!("@ NSEC3PARAM 1 0 0 -"));
    owners.entry("@").or_default().extend(["DNSKEY", "NSEC3PARAM"]);
    let mut chain: Vec<(Hash, String)> = Vec::new();
    for (owner, types) in &owners {
        let is_cut = *owner != "@" && types.contains(&"NS");
        // Delegations without DS are what opt-out leaves out.
        if is_cut && !types.contains(&"DS") {
            continue;
        }
        for rtype in types.iter().filter(|rtype| !(is_cut && **rtype == "NS")) {
            sign(&mut text, owner, rtype, &mut numbers);
        }
        let name = if *owner == "@" { APEX.to_owned() } else { format!("{owner}.{APEX}") };
        let name = Name::parse(&name).expect("the owners here are names");
        let hash = Parameters { iterations: 0, salt: &[] }.hash(name.as_ref());
        chain.push((hash, format!("{} RRSIG", types.join(" "))));
    }
    chain.sort();
    for (at, (hash, types)) in chain.iter().enumerate() {
        let (next, _) = &chain[(at + 1) % chain.len()];
        let [owner, next] =
            [hash, next].map(|hash| String::from_utf8_lossy(&nsec3::label(hash)[1..]).into_owned());
        write_line(&mut text, format_args!("{owner} NSEC3 1 1 0 - {next} {types}"));
        sign(&mut text, &owner, "NSEC3", &mut numbers);
    }
    text
}

fn sign(text: &mut String, owner: &str, rtype: &str, numbers: &mut Numbers) {
    let own = if owner == "@" { 0 } else { owner.split('.').filter(|label| *label != "*").count() };
    let labels = own + APEX.split('.').count();
    let signature = random(numbers);
    write_line(
        text,
        format_args!(
            "{owner} RRSIG {rtype} 13 {labels} 3600 20370101000000 20260101000000 12345 {APEX}. {signature}"
        ),
    );
}

/// As long as a key or a signature of ECDSA P-256.
fn random(numbers: &mut Numbers) -> String {
    let octets = [(); 8].map(|()| numbers.draw().to_be_bytes()).concat();
    BASE64.encode(&octets)
}

fn write_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes anything");
}
