//! Cookies in whole messages (RFC 7873 §5.2, RFC 9018).

use super::*;
use crate::policy::cookies::{CookieMode, CookieSecret, Cookies};
use crate::policy::rates::{RateLimits, RateSettings, RateTable};

const OWN: &[u8] = b"12345678";

fn with_cookies(mode: CookieMode) -> World {
    World { cookies: Arc::new(Cookies::new(mode, [CookieSecret([5; 16])])), ..world() }
}

fn asking(qname: &str, cookie: &[u8]) -> Vec<u8> {
    query_edns(qname, "A", 1232, &[OptOption::Plain { code: code::COOKIE, data: cookie }])
}

/// The rcode and the cookie of a reply.
fn told(world: &World, transport: Transport, octets: &[u8]) -> (String, Vec<u8>) {
    let (_, reply, _) = send(world, STRANGER, transport, octets);
    let reader = Reader::new(&reply).unwrap();
    let edns = reader.edns().expect("an OPT record");
    let rcode = show(&reply)[0].split(' ').next().unwrap().to_owned();
    (rcode, edns.option(code::COOKIE).unwrap_or_default().to_vec())
}

fn udp(world: &World, octets: &[u8]) -> (String, Vec<u8>) {
    told(world, Transport::Udp, octets)
}

/// A request without a question, with a cookie.
fn bare(cookie: &[u8]) -> Vec<u8> {
    let mut octets = asking(".", cookie);
    octets.drain(12..17);
    octets[5] = 0;
    octets
}

#[test]
fn a37_a_cookie_is_given_and_kept_whatever_the_answer() {
    let world = with_cookies(CookieMode::Answer);
    let (rcode, cookie) = udp(&world, &asking("www.example.", OWN));
    assert_eq!((rcode.as_str(), &cookie[..8], cookie.len()), ("NoError", OWN, 24));
    for (qname, rcode) in [
        ("www.example.", "NoError"),
        ("none.example.", "NXDomain"),
        ("not.ours.", "Refused"),
        ("x.expired.", "ServFail"),
        ("big.big.", "NoError"),
    ] {
        for transport in [Transport::Udp, Transport::Tcp] {
            assert_eq!(told(&world, transport, &asking(qname, &cookie)), (rcode.to_owned(), cookie.clone()));
        }
    }
    assert_eq!(udp(&world, &asking("www.example.", &[OWN, &[1; 16]].concat())).1, cookie);
    // With two of them the first counts, whatever the second looks like.
    let two = [OWN, b"x"].map(|data| OptOption::Plain { code: code::COOKIE, data });
    assert_eq!(udp(&world, &query_edns("www.example.", "A", 1232, &two)).1, cookie);
    assert_eq!(udp(&with_cookies(CookieMode::Off), &asking("www.example.", OWN)).1, b"");
    assert_eq!(udp(&world, &query_edns("www.example.", "A", 1232, &[])).1, b"", "never unasked");
}

#[test]
fn a36_a_cookie_of_another_length_is_a_format_error_with_opt() {
    let world = with_cookies(CookieMode::Answer);
    for length in 0..=48 {
        let right = matches!(length, 8 | 16..=40);
        let (rcode, cookie) = udp(&world, &asking("www.example.", &vec![7; length]));
        assert_eq!(rcode, if right { "NoError" } else { "FormErr" }, "{length} octets");
        assert_eq!(cookie.is_empty(), !right);
    }
}

#[test]
fn a05_a_cookie_stands_in_for_a_question() {
    let world = with_cookies(CookieMode::Answer);
    let (rcode, cookie) = udp(&world, &bare(OWN));
    assert_eq!((rcode.as_str(), cookie.len()), ("NoError", 24));
    assert_eq!(udp(&world, &bare(&cookie)), ("NoError".to_owned(), cookie.clone()));
    assert_eq!(udp(&world, &bare(&[OWN, &[1; 16]].concat())), ("BADCOOKIE".to_owned(), cookie.clone()));
    assert_eq!(udp(&with_cookies(CookieMode::Off), &bare(OWN)).0, "FormErr");
    let mut without = bare(OWN);
    let option = without.len() - 12;
    // The RDLENGTH of an OPT record without options.
    without.truncate(option);
    without[option - 1] = 0;
    assert_eq!(ask(&world, &without), ["FormErr"]);
}

#[test]
fn a41_a_cookie_that_is_required() {
    let world = with_cookies(CookieMode::Require);
    let (rcode, cookie) = udp(&world, &asking("www.example.", OWN));
    assert_eq!((rcode.as_str(), cookie.len()), ("BADCOOKIE", 24));
    assert_eq!(udp(&world, &asking("www.example.", &cookie)).0, "NoError");
    assert_eq!(udp(&world, &asking("www.example.", &[OWN, &[1; 16]].concat())).0, "BADCOOKIE");
    assert_eq!(told(&world, Transport::Tcp, &asking("www.example.", OWN)).0, "NoError");
    // Clients that do not know cookies, and those that sign.
    assert_eq!(ask(&world, &query("www.example.", "A"))[0], "NoError aa");
    let now = NOW.wall.seconds();
    let (octets, _) = signed(&key(b"a secret of our own"), &asking("www.example.", OWN), now);
    assert_eq!(udp(&world, &octets).0, "NoError");
    assert_eq!(udp(&world, &bare(OWN)).0, "NoError");
}

#[test]
fn o02_a_good_cookie_is_never_limited() {
    let settings = RateSettings { per_second: 2, ..RateSettings::default() };
    let rates = Arc::new(RateLimits::new(settings, Arc::new(RateTable::new([3; 16]))));
    let world = World { rates, ..with_cookies(CookieMode::Answer) };
    let sent = |octets: &[u8]| {
        let replied = |_: &i32| !matches!(send(&world, STRANGER, Transport::Udp, octets).0, Outcome::Drop);
        (0..10).filter(replied).count()
    };
    let (_, cookie) = udp(&world, &asking("www.example.", OWN));
    assert_eq!(sent(&asking("www.example.", &cookie)), 10);
    assert_eq!(sent(&asking("www.example.", OWN)), 1);
    assert_eq!(sent(&asking("www.example.", &cookie)), 10);
}

#[test]
fn a_transfer_carries_the_cookie() {
    let world = with_cookies(CookieMode::Answer);
    let options = [
        OptOption::Plain { code: code::COOKIE, data: OWN },
        OptOption::Plain { code: code::NSID, data: b"" },
    ];
    let (outcome, ..) =
        send(&world, PRIMARY, Transport::Tcp, &query_edns("example.", "AXFR", 1232, &options));
    let Outcome::Transfer(start) = outcome else { panic!("{outcome:?}") };
    let codes: Vec<u16> = start.edns.expect("an OPT record").options.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, [code::COOKIE, code::NSID]);
}
