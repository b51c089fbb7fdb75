//! R24 and the wording of verdicts, as tables.

use std::net::IpAddr;

use super::*;
use crate::dns::Name;
use crate::ident::PeerId;
use crate::reason::Reason;
use crate::trace::Steps;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn peers() -> Peers {
    let facts = |id, name: &str, address: &str, key: Option<&str>, require_address| PeerFacts {
        id: PeerId(id),
        name: name.to_owned(),
        addresses: vec![address.parse().unwrap()],
        key: key.map(self::name),
        require_address,
    };
    Peers::new(vec![
        facts(4, "strict", "192.0.2.4", Some("strict."), true),
        facts(1, "plain", "192.0.2.1", None, false),
        facts(2, "keyed", "192.0.2.2", Some("flock."), false),
        facts(3, "twin", "192.0.2.3", Some("flock."), false),
        facts(5, "lone", "192.0.2.1", Some("lone."), false),
    ])
}

#[track_caller]
fn check(address: &str, key: Option<&str>, identity: Option<u32>, rule: &str, expected: Result<(), Reason>) {
    let (peers, key) = (peers(), key.map(name));
    let address: IpAddr = address.parse().unwrap();
    let peer = Peer { address, key: key.as_ref().map(Name::as_ref), transport: Transport::Tcp };
    assert_eq!(peers.identify(&peer), identity.map(PeerId), "identity of {peer}");
    let who = match rule.split_once(':') {
        Some(("key", key)) => Who::Key(name(key)),
        _ => match rule.parse() {
            Ok(net) => Who::Net(net),
            Err(_) => Who::Peer(peers.iter().find(|facts| facts.name == rule).unwrap().id),
        },
    };
    let rules = RuleSet::new(vec![Rule { who, text: rule.to_owned() }]);
    let got = match verdict(&rules, Act::Transfer, &peer, &peers, &mut crate::trace::Silent) {
        Verdict::Allowed { rule: 0 } => Ok(()),
        Verdict::Allowed { rule } => panic!("there is no rule {rule}"),
        Verdict::Refused { reason, .. } => Err(reason),
    };
    assert_eq!(got, expected, "{peer} against {rule}");
}

#[test]
fn r24_a_key_counts_from_anywhere_and_an_address_only_without_a_key() {
    let denied = Err(Reason::TransferDenied);
    let key_wanted = Err(Reason::TransferKeyWanted);
    check("192.0.2.1", None, Some(1), "plain", Ok(()));
    check("::ffff:192.0.2.1", None, Some(1), "plain", Ok(()));
    check("192.0.2.9", None, None, "plain", denied);
    // The key wins over the address that two peers share.
    check("192.0.2.1", Some("lone."), Some(5), "lone", Ok(()));
    check("192.0.2.1", Some("LONE."), Some(5), "plain", Ok(()));
    check("198.51.100.7", Some("lone."), Some(5), "lone", Ok(()));
    // A keyed peer that does not sign is not the peer.
    check("192.0.2.2", None, None, "keyed", key_wanted);
    check("192.0.2.2", Some("strict."), None, "keyed", key_wanted);
    // A shared key: the address tells who it is, and elsewhere nobody can.
    check("192.0.2.2", Some("flock."), Some(2), "keyed", Ok(()));
    check("192.0.2.3", Some("flock."), Some(3), "keyed", Ok(()));
    check("198.51.100.7", Some("flock."), None, "twin", Ok(()));
    // require_address
    check("192.0.2.4", Some("strict."), Some(4), "strict", Ok(()));
    check("192.0.2.9", Some("strict."), None, "strict", denied);
}

#[test]
fn d09_prefixes_and_keys_as_rules() {
    let denied = Err(Reason::TransferDenied);
    check("192.0.2.77", None, None, "192.0.2.0/24", Ok(()));
    check("192.0.3.77", None, None, "192.0.2.0/24", denied);
    check("2001:db8::1", None, None, "2001:db8::/32", Ok(()));
    check("::ffff:192.0.2.77", None, None, "192.0.2.0/24", Ok(()));
    check("192.0.3.77", Some("lone."), Some(5), "key:lone.", Ok(()));
    check("192.0.3.77", None, None, "key:lone.", denied);
}

#[test]
fn a_refusal_names_the_rule_that_came_nearest() {
    let peers = peers();
    let rule = |who, text: &str| Rule { who, text: text.to_owned() };
    let rules = RuleSet::new(vec![
        rule(Who::Net("198.51.100.0/24".parse().unwrap()), "198.51.100.0/24"),
        rule(Who::Peer(PeerId(2)), "keyed"),
        rule(Who::Peer(PeerId(2)), "keyed once more"),
    ]);
    let peer = Peer { address: "192.0.2.2".parse().unwrap(), key: None, transport: Transport::Tcp };
    let mut steps = Steps::default();
    let got = verdict(&rules, Act::Transfer, &peer, &peers, &mut steps);
    assert_eq!(got, Verdict::Refused { reason: Reason::TransferKeyWanted, nearest: Some(1) });
    let said =
        "192.0.2.2 over tcp without a key is refused: rule 2 (keyed) fits its address but wants another key";
    assert_eq!(steps.0[0].0, said);
    for (rules, said) in [
        (RuleSet::none(), "there is no rule at all"),
        (RuleSet::new(rules.rules()[..1].to_vec()), "the only rule does not fit"),
        (RuleSet::new(vec![rules.rules()[0].clone(); 2]), "none of the 2 rules comes near"),
    ] {
        let mut steps = Steps::default();
        let got = verdict(&rules, Act::Query, &peer, &peers, &mut steps);
        assert_eq!(got, Verdict::Refused { reason: Reason::QueryDenied, nearest: None });
        assert_eq!(steps.0[0].0, format!("192.0.2.2 over tcp without a key is refused: {said}"));
    }
}

#[test]
fn notify_comes_from_the_best_fit_among_the_primaries() {
    let peers = peers();
    let key = name("flock.");
    let from = |address: &str| Peer {
        address: address.parse().unwrap(),
        key: Some(key.as_ref()),
        transport: Transport::Udp,
    };
    let primaries = [PeerId(2), PeerId(3)];
    assert_eq!(peers.identify_among(&primaries, &from("192.0.2.3")), Some(PeerId(3)));
    assert_eq!(peers.identify_among(&primaries, &from("192.0.2.99")), Some(PeerId(2)));
    assert_eq!(peers.identify_among(&[PeerId(1)], &from("192.0.2.3")), None);
    assert_eq!(peers.identify_among(&[], &from("192.0.2.3")), None);
}

#[test]
fn a_zone_without_rules_is_closed() {
    let rules = ZoneRules { query: RuleSet::any(), ..ZoneRules::default() };
    let book = RuleBook::new([(crate::ident::ZoneId(3), std::sync::Arc::new(rules))]);
    assert_eq!(book.zone(crate::ident::ZoneId(3)).query.rules().len(), 1);
    for absent in [0, 4, u32::MAX] {
        assert_eq!(book.zone(crate::ident::ZoneId(absent)), &ZoneRules::default());
    }
    let open = std::sync::Arc::new(ZoneRules { transfer: RuleSet::any(), ..ZoneRules::default() });
    let changed = book.with(crate::ident::ZoneId(5), Some(open.clone()));
    assert_eq!(changed.zone(crate::ident::ZoneId(5)), &*open);
    assert_eq!(changed.zone(crate::ident::ZoneId(3)), book.zone(crate::ident::ZoneId(3)));
    let closed = changed.with(crate::ident::ZoneId(3), None);
    assert_eq!(closed.zone(crate::ident::ZoneId(3)), &ZoneRules::default());
}
