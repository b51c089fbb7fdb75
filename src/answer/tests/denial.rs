//! Proofs of absence as a validator looks at them (RFC 4035 §5.4, RFC 5155 §8), on random zones.

use proptest::prelude::*;

use super::model::{Fact, Labels, TYPES, facts, labels, lines_of, text};
use super::signer::{Chain, PARAMETERS, shown, signed};
use super::*;
use crate::dns::nsec3::Parameters;

const SIGNED: Query<'static> = Query { signatures: Signatures::Wanted, ..PLAIN };

/// A record of an answer: section, owner, type, data.
struct Line<'a> {
    section: &'a str,
    owner: Name,
    rtype: &'a str,
    data: Vec<&'a str>,
}

impl Line<'_> {
    fn read(text: &str) -> Line<'_> {
        let words: Vec<&str> = text.split(' ').collect();
        let owner = Name::parse(words[1]).unwrap();
        Line { section: words[0], owner, rtype: words[3], data: words[4..].to_vec() }
    }
}

/// What a validator knows of one answer.
struct Verifier<'a> {
    lines: &'a [Line<'a>],
    chain: Chain,
    version: &'a Version,
}

impl Verifier<'_> {
    /// The proofs: owner, next, whether it opts out, types.
    fn proofs(&self) -> impl Iterator<Item = (&Name, &str, bool, &[&str])> {
        let rtype = if self.chain == Chain::Nsec { "NSEC" } else { "NSEC3" };
        let proofs = self.lines.iter().filter(move |line| line.section == "au" && line.rtype == rtype);
        proofs.map(|line| match self.chain {
            Chain::Nsec => (&line.owner, line.data[0], false, &line.data[1..]),
            Chain::Nsec3 | Chain::OptOut => (&line.owner, line.data[4], line.data[1] == "1", &line.data[5..]),
        })
    }

    /// The owner that a proof for a name has.
    fn place(&self, name: &Name) -> Name {
        match self.chain {
            Chain::Nsec => name.clone(),
            Chain::Nsec3 | Chain::OptOut => {
                Name::parse(&format!("{}.z", shown(&PARAMETERS.hash(name.as_ref())))).unwrap()
            }
        }
    }

    fn matching(&self, name: &Name) -> Option<&[&str]> {
        let place = self.place(name);
        self.proofs().find(|proof| *proof.0 == place).map(|proof| proof.3)
    }

    /// The proof that covers a name: whether it opts out, and what comes next.
    fn covering(&self, name: &Name) -> Option<(bool, &str)> {
        let place = self.place(name);
        let covers = |owner: &Name, next: &str| {
            let next = match self.chain {
                Chain::Nsec => Name::parse(next).unwrap(),
                Chain::Nsec3 | Chain::OptOut => Name::parse(&format!("{next}.z")).unwrap(),
            };
            let (after, before) = (*owner < place, place < next);
            if *owner < next { after && before } else { after || before }
        };
        let found = self.proofs().find(|(owner, next, ..)| covers(owner, next))?;
        Some((found.2, found.1))
    }

    /// Whether a name is in the zone and not hidden in it.
    fn exists(&self, name: &Name) -> bool {
        matches!(self.version.find(name.as_ref()), Found::Name(_) | Found::Cut(_))
    }

    /// The closest encloser and the next closer name.
    fn enclosers(&self, name: &Name, exists: impl Fn(&Name) -> bool) -> (Name, Name) {
        let mut next_closer = name.clone();
        loop {
            let above = next_closer.as_ref().parent().unwrap().to_name();
            if exists(&above) {
                return (above, next_closer);
            }
            next_closer = above;
        }
    }

    /// RFC 5155 §8.3: whether the closest encloser is proven; says if an opt-out covers what is closer.
    fn proven_encloser(&self, name: &Name) -> (Name, bool) {
        let (encloser, next_closer) = self.enclosers(name, |name| self.matching(name).is_some());
        (encloser, self.covering(&next_closer).expect("the next closer name is covered").0)
    }

    fn no_name(&self, name: &Name) {
        let (encloser, _) = self.enclosers(name, |name| self.exists(name));
        let wildcard = Name::join(b"\x01*", encloser.as_ref()).unwrap();
        if self.chain == Chain::Nsec {
            assert!(self.covering(name).is_some() && self.covering(&wildcard).is_some());
            return;
        }
        let (proven, opts_out) = self.proven_encloser(name);
        assert!(proven == encloser || opts_out, "{proven} is not {encloser}");
        let wildcard = Name::join(b"\x01*", proven.as_ref()).unwrap();
        // Where an opt-out hides the encloser, a wildcard above it may exist, and nobody can prove more.
        let is_shown = proven != encloser && self.matching(&wildcard).is_some();
        assert!(is_shown || self.covering(&wildcard).is_some());
    }

    fn no_type(&self, name: &Name, qtype: &str) {
        let lacks = |types: &[&str]| !types.contains(&qtype) && !types.contains(&"CNAME");
        let mut owner = name.clone();
        if !self.exists(name) {
            let (encloser, next_closer) = self.enclosers(name, |name| self.exists(name));
            owner = Name::join(b"\x01*", encloser.as_ref()).unwrap();
            match self.chain {
                Chain::Nsec => assert!(self.covering(name).is_some()),
                Chain::Nsec3 | Chain::OptOut if self.matching(&encloser).is_some() => {
                    assert!(self.covering(&next_closer).is_some());
                }
                Chain::Nsec3 | Chain::OptOut => return assert!(self.proven_encloser(name).1),
            }
        }
        match (self.chain, self.matching(&owner)) {
            (_, Some(types)) => assert!(lacks(types), "{types:?}"),
            (Chain::Nsec, None) => {
                let next = Name::parse(self.covering(&owner).unwrap().1).unwrap();
                assert!(next.as_ref().is_at_or_below(owner.as_ref()), "an empty non-terminal");
            }
            (_, None) => assert!(self.proven_encloser(&owner).1, "only an opt-out leaves a name out"),
        }
    }

    /// That a wildcard was right to stand in for an owner in the answer section.
    fn expansion(&self, owner: &Name) {
        let (_, next_closer) = self.enclosers(owner, |name| self.exists(name));
        let covered = if self.chain == Chain::Nsec { owner } else { &next_closer };
        assert!(self.covering(covered).is_some(), "{owner} may exist");
    }

    fn signatures(&self) {
        for line in self.lines.iter().filter(|line| line.section != "ad" && line.rtype != "RRSIG") {
            let is_signed = self.lines.iter().any(|other| {
                other.owner == line.owner && other.rtype == "RRSIG" && other.data[0] == line.rtype
            });
            let above = line.owner.as_ref().parent().map(|above| self.version.find(above));
            let is_made = line.rtype == "CNAME"
                && matches!(self.version.find(line.owner.as_ref()), Found::Dname(_))
                && above.is_some();
            let is_referral = line.section == "au" && line.rtype == "NS";
            assert_eq!(is_signed, !is_made && !is_referral, "{} {}", line.owner, line.rtype);
        }
    }

    fn all(&self, qname: &Name, qtype: &str, rcode: &str) {
        self.signatures();
        let answers = || self.lines.iter().filter(|line| line.section == "an");
        let authority =
            |rtype: &str| self.lines.iter().find(|line| line.section == "au" && line.rtype == rtype);
        let mut last = qname.clone();
        for line in answers().filter(|line| line.rtype == "CNAME" && qtype != "CNAME") {
            last = Name::parse(line.data[0]).unwrap();
        }
        for line in answers().filter(|line| line.rtype != "RRSIG") {
            if matches!(self.version.find(line.owner.as_ref()), Found::None { .. }) {
                self.expansion(&line.owner);
            }
        }
        match (rcode, authority("SOA"), authority("NS")) {
            ("NXDomain", ..) => self.no_name(&last),
            (_, Some(_), _) => self.no_type(&last, qtype),
            (_, None, Some(cut)) if authority("DS").is_none() => self.no_type(&cut.owner, "DS"),
            _ => {}
        }
    }
}

fn verify(zone: &str, chain: Chain, qname: &str, qtype: &str) -> Vec<String> {
    let zones = signed(zone, chain);
    let shown = ask_with(&zones, qname, qtype, 65_535, SIGNED);
    let rcode = shown[0].split(' ').next().unwrap();
    let lines: Vec<Line<'_>> = shown[1..].iter().map(|line| Line::read(line)).collect();
    let verifier = Verifier { lines: &lines, chain, version: &zones.0[0] };
    verifier.all(&Name::parse(qname).unwrap(), qtype, rcode);
    let mut once = shown.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), shown.len(), "no record twice: {shown:?}");
    shown
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn l03_to_l14_what_is_absent_is_proven(
        facts in facts(),
        name in labels(),
        chain in prop::sample::select(vec![Chain::Nsec, Chain::Nsec3, Chain::OptOut]),
        qtype in prop::sample::select([&TYPES[..], &[RecordType::DS]].concat()),
    ) {
        // What NS and DNAME at a wildcard mean nobody says (RFC 4592 §4.2, §4.4).
        let is_defined = |fact: &Fact| {
            fact.owner.first() != Some(&"*") || ![RecordType::NS, RecordType::DNAME].contains(&fact.rtype)
        };
        let facts: Vec<Fact> = facts.into_iter().filter(is_defined).collect();
        let mut zone = lines_of(&facts);
        let is_secure = |owner: &Labels| owner.first() == Some(&"a");
        let cuts = facts.iter().filter(|fact| fact.rtype == RecordType::NS && is_secure(&fact.owner));
        cuts.for_each(|cut| zone += &format!("{} 60 DS 1 13 2 {}\n", text(&cut.owner), "00".repeat(32)));
        verify(&zone, chain, &text(&name), &qtype.to_string());
    }
}

fn example() -> String {
    "z. 60 NS ns.z.
     ns.z. 60 A 192.0.2.1
     d.z. 60 DNAME t.z.
     x.t.z. 60 A 192.0.2.2
     *.w.z. 60 CNAME x.t.z.
     cut.z. 60 NS ns.cut.z.
     ns.cut.z. 60 A 192.0.2.3
     a.b.z. 60 TXT x"
        .to_owned()
}

fn types(shown: &[String]) -> Vec<(&str, &str)> {
    shown[1..]
        .iter()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .map(|words| (words[0], words[3]))
        .collect()
}

#[test]
fn l02_nobody_gets_proofs_unasked() {
    for chain in [Chain::Nsec, Chain::Nsec3, Chain::OptOut] {
        let zones = signed(&example(), chain);
        for name in ["no.z.", "b.z.", "x.w.z.", "cut.z.", "x.d.z."] {
            let shown = ask_with(&zones, name, "A", 65_535, PLAIN);
            let unsigned = |(_, rtype): &(&str, &str)| !["RRSIG", "NSEC", "NSEC3"].contains(rtype);
            assert!(types(&shown).iter().all(unsigned), "{shown:?}");
        }
        let nsec = ask_with(&zones, "z.", "NSEC", 65_535, PLAIN);
        assert_eq!(types(&nsec).contains(&("an", "NSEC")), chain == Chain::Nsec);
    }
}

#[test]
fn l01_a_proof_that_does_not_fit_is_missed() {
    let zone = example() + "\nbig.z. 60 TXT " + &"x ".repeat(200) + "\n*.big.z. 60 CNAME big.z.";
    for chain in [Chain::Nsec, Chain::Nsec3] {
        let zones = signed(&zone, chain);
        let ask = |limit| ask_with(&zones, "no.big.z.", "TXT", limit, SIGNED);
        let whole = ask(65_535);
        let proofs = |shown: &[String]| types(shown).iter().filter(|line| line.0 == "au").count();
        assert_eq!((whole[0].as_str(), proofs(&whole)), ("NoError aa", 2));
        let mut kinds = std::collections::BTreeSet::new();
        for shown in (512..700).map(ask) {
            assert_eq!(shown[0].contains(" tc"), shown.len() < whole.len(), "{shown:?}");
            kinds.insert(whole.len() - shown.len());
        }
        // Whole, without the signature of the proof, without the proof, and less.
        assert!(kinds.is_superset(&[0, 1, 2].into()), "{kinds:?} of {whole:?}");
    }
}

#[test]
fn l19_a_made_cname_is_not_signed() {
    let shown = verify(&example(), Chain::Nsec, "x.d.z.", "A");
    let expected = [("an", "DNAME"), ("an", "RRSIG"), ("an", "CNAME"), ("an", "A"), ("an", "RRSIG")];
    assert_eq!(types(&shown), expected);
}

#[test]
fn l15_a_chain_is_used_when_an_nsec3param_without_flags_says_so() {
    let [nsec, nsec3] = [Chain::Nsec, Chain::Nsec3].map(|chain| text_of(&signed(&example(), chain)));
    let chains = |text: String| -> Vec<String> {
        let zones = Zones(vec![zone("z.", &text)]);
        let shown = ask_with(&zones, "no.z.", "A", 65_535, SIGNED);
        let proofs = types(&shown).into_iter().filter(|line| line.1.starts_with("NSEC"));
        proofs.map(|(_, rtype)| rtype.to_owned()).collect()
    };
    assert_eq!(chains(nsec.clone() + &nsec3), ["NSEC3"; 3]);
    let unfinished = nsec3.replace("NSEC3PARAM 1 0 1 AABB", "NSEC3PARAM 1 1 1 AABB");
    assert_eq!(chains(nsec.clone() + &unfinished), ["NSEC"; 2]);
    assert!(chains(unfinished).is_empty(), "without a whole chain nothing is proven");
    let other = "z. 60 NSEC3PARAM 1 0 0 -\n";
    assert_eq!(chains(nsec.clone() + other), ["NSEC"; 2], "a chain that has not begun");
    assert_eq!(chains(nsec3.clone() + other), ["NSEC3"; 3], "the other one of two");
    // RFC 9276 §3.2: too dear to hash, and taken for unsigned by everybody.
    let dear = nsec3.replace(" 1 AABB", &format!(" {} AABB", crate::limits::NSEC3_ITERATIONS_MAX + 1));
    assert!(chains(dear).is_empty(), "no owner is the hash of the apex");
}

#[test]
fn l10_a_zone_with_more_iterations_than_are_hashed_shows_the_nsec3_of_its_apex() {
    let iterations = crate::limits::NSEC3_ITERATIONS_MAX + 1;
    let apex = Name::parse("z").unwrap();
    let [hash, dear] = [PARAMETERS, Parameters { iterations, ..PARAMETERS }]
        .map(|parameters| shown(&parameters.hash(apex.as_ref())));
    let text = text_of(&signed(&example(), Chain::Nsec3));
    let text = text.replace(" 1 AABB", &format!(" {iterations} AABB")).replace(&hash, &dear);
    let zones = Zones(vec![zone("z.", &text)]);
    for (name, rcode) in [("no.z.", "NXDomain"), ("b.z.", "NoError"), ("x.w.z.", "NoError")] {
        let shown = ask_with(&zones, name, "A", 65_535, SIGNED);
        assert!(shown[0].starts_with(rcode), "{shown:?}");
        let proofs = shown.iter().map(|line| line.split(' ').collect::<Vec<_>>());
        let owners: Vec<String> =
            proofs.filter(|words| words.get(3) == Some(&"NSEC3")).map(|words| words[1].to_owned()).collect();
        assert_eq!(owners, [format!("{dear}.z.")], "{name}");
    }
}

/// All records but the SOA, as lines.
fn text_of(zones: &Zones) -> String {
    let mut text = String::new();
    zones.0[0].for_each(|record| {
        if record.rtype != RecordType::SOA {
            let mut data = String::new();
            rdata::write_text(record.rtype, record.rdata, &mut data);
            let data = data.replace('"', "");
            text += &format!("{} 60 {} {data}\n", record.owner, record.rtype);
        }
    });
    text
}
