//! The vectors of RFC 8976 Appendix A, and zones in which one thing is wrong.

use std::io::{self, Read};
use std::path::Path;

use super::*;
use crate::dns::Name;
use crate::zone::{Builder, Demands, DigestKey, Source, text};

const KEY: DigestKey = DigestKey([7; 16]);

fn zone(apex: &str, text: &str) -> Version {
    let mut sources =
        |_: &Path| -> io::Result<Box<dyn Read>> { Ok(Box::new(io::Cursor::new(text.as_bytes().to_vec()))) };
    let apex: Name = apex.parse().unwrap();
    let loaded = text::load(&mut sources, Path::new("z"), &apex, KEY, &Demands::default());
    loaded.unwrap_or_else(|error| panic!("{error}")).version
}

/// A.1.
const SIMPLE_EXAMPLE: &str = "\
@ 86400 SOA ns1 admin 2018031900 1800 900 604800 86400
  86400 NS ns1
  86400 NS ns2
  86400 ZONEMD 2018031900 1 1 ( c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3
                                a1ddc0b9a87153b9a9713b3c9ae5cc27777f98b8e730044c )
ns1 3600 A 203.0.113.63
ns2 3600 AAAA 2001:db8::63
";

/// A.2, without the record outside of the zone, which is an error of the file here.
const COMPLEX_EXAMPLE: &str = r#"
@ 86400 SOA ns1 admin 2018031900 1800 900 604800 86400
  86400 NS ns1
  86400 NS ns2
  86400 ZONEMD 2018031900 1 1 ( a3b69bad980a3504e1cffcb0fd6397f93848071c93151f55
                                2ae2f6b1711d4bd2d8b39808226d7b9db71e34b72077f8fe )
ns1 3600 A 203.0.113.63
NS2 3600 AAAA 2001:db8::63
occluded.sub 7200 TXT "I'm occluded but must be digested"
sub 7200 NS ns1
duplicate 300 TXT "I must be digested just once"
duplicate 300 TXT "I must be digested just once"
UPPERCASE 3600 TXT "canonicalize uppercase owner names"
* 777 PTR dont-forget-about-wildcards
mail 3600 MX 20 MAIL1
mail 3600 MX 10 Mail2.Example.
sortme 3600 AAAA 2001:db8::5:61
sortme 3600 AAAA 2001:db8::3:62
sortme 3600 AAAA 2001:db8::4:63
sortme 3600 AAAA 2001:db8::1:65
sortme 3600 AAAA 2001:db8::2:64
non-apex 900 ZONEMD 2018031900 1 1 ( 616c6c6f776564206275742069676e6f7265642e20616c6c
                                     6f776564206275742069676e6f7265642e20616c6c6f7765 )
"#;

/// A.3: two that are known, one of an unknown algorithm, one of an unknown scheme.
const MULTIPLE_DIGESTS: &str = r#"
@ 86400 SOA ns1 admin 2018031900 1800 900 604800 86400
  86400 NS ns1.example.
  86400 NS ns2.example.
  86400 ZONEMD 2018031900 1 1 ( 62e6cf51b02e54b9b5f967d547ce43136792901f9f88e637
                                493daaf401c92c279dd10f0edb1c56f8080211f8480ee306 )
  86400 ZONEMD 2018031900 1 2 ( 08cfa1115c7b948c4163a901270395ea226a930cd2cbcf2f
                                a9a5e6eb85f37c8a4e114d884e66f176eab121cb02db7d65
                                2e0cc4827e7a3204f166b47e5613fd27 )
  86400 ZONEMD 2018031900 1 240 e2d523f654b9422a96c5a8f44607bbee
  86400 ZONEMD 2018031900 241 1 ( e1846540e33a9e4189792d18d5d131f605fc283eaaaaaaaa
                                  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa )
ns1.example. 3600 A 203.0.113.63
ns2.example. 86400 TXT "This example has multiple digests"
NS2.EXAMPLE. 3600 AAAA 2001:db8::63
"#;

/// A.5: the zone of the root servers in 2018.
fn root_servers() -> String {
    let mut text =
        String::from("$TTL 3600000\n@ SOA a nstld.verisign-grs.com. 2018091100 14400 7200 1209600 3600000\n");
    for (name, v4, v6) in [
        ("a", "198.41.0.4", "2001:503:ba3e::2:30"),
        ("b", "199.9.14.201", "2001:500:200::b"),
        ("c", "192.33.4.12", "2001:500:2::c"),
        ("d", "199.7.91.13", "2001:500:2d::d"),
        ("e", "192.203.230.10", "2001:500:a8::e"),
        ("f", "192.5.5.241", "2001:500:2f::f"),
        ("g", "192.112.36.4", "2001:500:12::d0d"),
        ("h", "198.97.190.53", "2001:500:1::53"),
        ("i", "192.36.148.17", "2001:7fe::53"),
        ("j", "192.58.128.30", "2001:503:c27::2:30"),
        ("k", "193.0.14.129", "2001:7fd::1"),
        ("l", "199.7.83.42", "2001:500:9f::42"),
        ("m", "202.12.27.33", "2001:dc3::35"),
    ] {
        text += &format!("@ NS {name}\n{name} A {v4}\n{name} AAAA {v6}\n");
    }
    text + "b MX 20 mail.isi.edu.\ni MX 10 mx.i.root-servers.org.\n\
            @ ZONEMD 2018091100 1 1 ( f1ca0ccd91bd5573d9f431c00ee0101b2545c97602be0a97\n\
            8a3b11dbfc1c776d5b3e86ae3d973d6b5349ba7f04340f79 )\n"
}

#[test]
fn n02_the_vectors_of_the_rfc_verify() {
    for (apex, text, found) in [
        ("example", SIMPLE_EXAMPLE, Algorithm::Sha384),
        ("example", COMPLEX_EXAMPLE, Algorithm::Sha384),
        ("example", MULTIPLE_DIGESTS, Algorithm::Sha384),
        ("root-servers.net", &root_servers(), Algorithm::Sha384),
    ] {
        assert_eq!(verify(&zone(apex, text)), Ok(found), "{text}");
    }
    let without_384 = MULTIPLE_DIGESTS.replace("1 1 ( 62e6", "1 3 ( 62e6");
    assert_eq!(verify(&zone("example", &without_384)), Ok(Algorithm::Sha512));
}

/// What is wrong with a zone, and what a policy lets pass.
#[track_caller]
fn check(text: &str, expected: Flaw, passes_if_present: bool) {
    let version = zone("example", text);
    assert_eq!(verify(&version), Err(expected));
    let by = |policy: Policy| policy.check(&version).is_ok();
    let passed = [by(Policy::Off), by(Policy::IfPresent), by(Policy::Require)];
    assert_eq!(passed, [true, passes_if_present, false]);
    assert_eq!(Policy::Require.check_increment(&version), Err(expected));
    assert_eq!(Policy::IfPresent.check_increment(&version), Ok(()));
}

#[test]
fn n03_what_does_not_verify_is_told_apart_from_what_cannot_be_verified() {
    let plain: String = SIMPLE_EXAMPLE
        .lines()
        .filter(|line| !line.starts_with("  86400 ZONEMD"))
        .fold(String::new(), |text, line| if line.starts_with("     ") { text } else { text + line + "\n" });
    check(&plain, Flaw::Absent, true);
    check(&SIMPLE_EXAMPLE.replace(" 1 1 (", " 1 7 ("), Flaw::Unsupported, true);
    check(&SIMPLE_EXAMPLE.replace(" 1 1 (", " 9 1 ("), Flaw::Unsupported, true);
    let flaw = Flaw::DigestDiffers(Algorithm::Sha384);
    check(&SIMPLE_EXAMPLE.replace("203.0.113.63", "203.0.113.62"), flaw, false);
    check(&SIMPLE_EXAMPLE.replace("ns2 3600", "ns2 3601"), flaw, false);
    check(&SIMPLE_EXAMPLE.replace("730044c", "730044d"), flaw, false);
    let [zonemd, soa] = [2_018_031_900, 2_018_031_901].map(Serial);
    let newer = SIMPLE_EXAMPLE.replace("admin 2018031900", "admin 2018031901");
    check(&newer, Flaw::SerialDiffers { zonemd, soa }, false);
    let twice = SIMPLE_EXAMPLE.to_owned() + &format!("@ 86400 ZONEMD 2018031900 1 1 {}\n", "ab".repeat(48));
    check(&twice, Flaw::Repeated, false);
    // Of two, one that matches is enough, wherever it stands.
    let wrong = MULTIPLE_DIGESTS.replace("62e6cf51", "62e6cf52");
    assert_eq!(verify(&zone("example", &wrong)), Ok(Algorithm::Sha512));
}

#[test]
fn n02_a_signature_over_it_and_the_spelling_do_not_count() {
    let signature = "@ 86400 RRSIG ZONEMD 13 1 86400 20300101000000 20200101000000 1 @ AAAA\n";
    assert_eq!(verify(&zone("example", &(SIMPLE_EXAMPLE.to_owned() + signature))), Ok(Algorithm::Sha384));
    let other = signature.replace("ZONEMD", "NS");
    assert!(verify(&zone("example", &(SIMPLE_EXAMPLE.to_owned() + &other))).is_err());
    let below = SIMPLE_EXAMPLE.to_owned() + &signature.replace('@', "ns1");
    assert!(verify(&zone("example", &below)).is_err(), "only that of the apex is left out");
    // As a transfer may bring it: the spelling of each record is kept, and is not digested.
    let plain = zone("example", SIMPLE_EXAMPLE);
    let mut builder = Builder::new(plain.apex(), KEY, Source::Received);
    plain.for_each(|record| {
        let shouted: Name = record.owner.to_string().to_ascii_uppercase().parse().unwrap();
        builder.push(RecordRef { owner: shouted.as_ref(), ..record }).unwrap();
    });
    assert_eq!(verify(&builder.finish().unwrap().version), Ok(Algorithm::Sha384));
}

#[test]
fn n04_what_is_made_verifies_and_replaces_what_was_there() {
    for algorithm in [Algorithm::Sha384, Algorithm::Sha512] {
        let making = Making { algorithm, records_max: 100 };
        for text in [SIMPLE_EXAMPLE, MULTIPLE_DIGESTS] {
            let version = zone("example", text);
            let made = making.complete(&version);
            assert_eq!(verify(&made), Ok(algorithm));
            assert!(making.is_done(&made) && !making.is_done(&without(&made)));
            let set = made.apex_node().rrset(RecordType::ZONEMD).unwrap();
            assert_eq!((set.len(), set.ttl()), (1, 86_400));
            // A digest that is there has no part in the one that is made.
            assert_eq!(making.complete(&without(&version)).digest(), made.digest());
            assert_eq!(without(&made).digest(), without(&version).digest());
        }
        assert!(!making.is_done(&zone("example", MULTIPLE_DIGESTS)), "others stand beside it");
    }
}

#[test]
fn r33_none_is_made_for_signed_and_for_large_zones() {
    let version = zone("example", SIMPLE_EXAMPLE);
    let making = |records_max| Policy::Make(Making { algorithm: Algorithm::Sha384, records_max });
    assert_eq!(making(6).check(&version), Ok(()));
    assert_eq!(making(5).check(&version), Err(Flaw::TooLarge { records: 6, most: 5 }));
    let rrsig = "@ 5 RRSIG SOA 13 1 5 20300101000000 20200101000000 1 @ AAAA\n";
    let signed = zone("example", &(SIMPLE_EXAMPLE.to_owned() + rrsig));
    assert_eq!(making(100).check(&signed), Err(Flaw::Signed));
}

#[test]
fn n03_each_flaw_is_told_with_a_way_to_mend_it() {
    let serials = Flaw::SerialDiffers { zonemd: Serial(1), soa: Serial(2) };
    let flaws = [
        (Flaw::Absent, "has no ZONEMD record", "if-present"),
        (Flaw::Unsupported, "known scheme and hash algorithm", "hash algorithm 1 or 2"),
        (Flaw::Repeated, "the same scheme and hash algorithm", "may stand once"),
        (serials, "made for serial 1, and the SOA has 2", "anew after each edit"),
        (Flaw::DigestDiffers(Algorithm::Sha384), "(SHA-384)", "anew after each edit"),
        (Flaw::DigestDiffers(Algorithm::Sha512), "(SHA-512)", "anew after each edit"),
        (Flaw::Signed, "for a signed zone", "let the signer add it"),
        (Flaw::TooLarge { records: 9, most: 5 }, "for 9 records: more than 5", "zonemd_force"),
    ];
    for (flaw, said, hint) in flaws {
        assert!(flaw.to_string().contains(said), "{flaw}");
        assert!(flaw.hint().contains(hint), "{}", flaw.hint());
    }
}
