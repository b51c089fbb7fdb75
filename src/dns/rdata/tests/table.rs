//! One line and more for each type that has a text form, with the octets that `named-rrchecker`
//! of BIND 9.18 makes of it under the origin `Example.org.`, where it knows the type.

use super::*;

/// Type, text, wire form in hex.
pub(super) const ROWS: &[(RecordType, &str, &str)] = &[
    (RecordType::A, "192.0.2.1", "c0000201"),
    (RecordType::NS, "ns1", "036e7331074578616d706c65036f726700"),
    (RecordType::NS, "NS1.Example.COM.", "034e5331074578616d706c6503434f4d00"),
    (RecordType::MD, "mail", "046d61696c074578616d706c65036f726700"),
    (RecordType::MF, "mail", "046d61696c074578616d706c65036f726700"),
    (RecordType::CNAME, "@", "074578616d706c65036f726700"),
    (
        RecordType::SOA,
        "ns1 hostmaster 2026112301 1h 15m 2w 300",
        "036e7331074578616d706c65036f7267000a686f73746d6173746572074578616d706c65036f72670078c4052d00000e1000000384001275000000012c",
    ),
    (
        RecordType::SOA,
        r"a\.b.example. . 4294967295 1 2 3 4294967295",
        "03612e62076578616d706c650000ffffffff000000010000000200000003ffffffff",
    ),
    (RecordType::MB, "mail", "046d61696c074578616d706c65036f726700"),
    (RecordType::MG, "list", "046c697374074578616d706c65036f726700"),
    (RecordType::MR, "new", "036e6577074578616d706c65036f726700"),
    (RecordType::PTR, "host.example.net.", "04686f7374076578616d706c65036e657400"),
    (RecordType::HINFO, r#""PC \"x\"" "Li\\nux""#, "06504320227822064c695c6e7578"),
    (
        RecordType::MINFO,
        "owner errors",
        "056f776e6572074578616d706c65036f726700066572726f7273074578616d706c65036f726700",
    ),
    (RecordType::MX, "10 mail", "000a046d61696c074578616d706c65036f726700"),
    (RecordType::MX, "0 .", "000000"),
    (
        RecordType::TXT,
        r#""v=spf1 -all" plain "" "\195\169\000""#,
        "0b763d73706631202d616c6c05706c61696e0003c3a900",
    ),
    (
        RecordType::RP,
        "admin.example. txt.example.",
        "0561646d696e076578616d706c650003747874076578616d706c6500",
    ),
    (RecordType::AFSDB, "1 afs", "000103616673074578616d706c65036f726700"),
    (RecordType::X25, "311061700956", "0c333131303631373030393536"),
    (RecordType::ISDN, "150862028003217 004", "0f31353038363230323830303332313703303034"),
    (RecordType::ISDN, "150862028003217", "0f313530383632303238303033323137"),
    (RecordType::RT, "10 relay", "000a0572656c6179074578616d706c65036f726700"),
    (
        RecordType::NSAP,
        "0x47.0005.80.005a00.0000.0001.e133.ffffff000161.00",
        "47000580005a0000000001e133ffffff00016100",
    ),
    (RecordType::NSAP_PTR, "host", "04686f7374074578616d706c65036f726700"),
    (
        RecordType::SIG,
        "A RSASHA1 2 60 20260101000000 20250101000000 1234 signer AQID",
        "000105020000003c6955b9006774858004d2067369676e6572074578616d706c65036f726700010203",
    ),
    (RecordType::KEY, "256 3 5 AQIDBA==", "0100030501020304"),
    (RecordType::KEY, "49152 3 5", "c0000305"),
    (RecordType::PX, "10 a.example. b.example.", "000a0161076578616d706c65000162076578616d706c6500"),
    (RecordType::GPOS, "-32.6882 116.8652 10.0", "082d33322e36383832083131362e383635320431302e30"),
    (RecordType::AAAA, "2001:db8::1", "20010db8000000000000000000000001"),
    (RecordType::AAAA, "::ffff:192.0.2.1", "00000000000000000000ffffc0000201"),
    (
        RecordType::LOC,
        "52 22 23.000 N 4 53 32.000 E -2.00m 1m 10000m 10m",
        "001216138b3cf018810cbce0009895b8",
    ),
    (RecordType::LOC, "42 21 54 S 71 06 18 W 24m 30m", "0033161376e8d23070be15f000989fe0"),
    (RecordType::LOC, "0 N 180 W 42849672.95m 0m 90000000m 0.01m", "000099108000000059604e00ffffffff"),
    (RecordType::SRV, "10 60 5060 sip", "000a003c13c403736970074578616d706c65036f726700"),
    (
        RecordType::NAPTR,
        r#"100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" ."#,
        "0064000a0175074532552b7369701b215e2e2a24217369703a696e666f406578616d706c652e636f6d2100",
    ),
    (RecordType::KX, "10 kx", "000a026b78074578616d706c65036f726700"),
    (RecordType::CERT, "PGP 0 0 AQIDBA==", "000300000001020304"),
    (RecordType::CERT, "65000 1 RSASHA256 AQ==", "fde800010801"),
    (RecordType::DNAME, "other.example.", "056f74686572076578616d706c6500"),
    (
        RecordType::APL,
        "1:192.168.32.0/21 !1:192.168.38.0/28 2:2001:db8::/32",
        "00011503c0a82000011c83c0a8260002200420010db8",
    ),
    (RecordType::APL, "1:0.0.0.0/0", "00010000"),
    (RecordType::APL, "", ""),
    (
        RecordType::DS,
        "60485 5 1 2BB183AF5F22588179A53B0A 98631FAD1A292118",
        "ec4505012bb183af5f22588179a53b0a98631fad1a292118",
    ),
    (
        RecordType::DS,
        "1 ED25519 SHA-256 00000000000000000000000000000000000000000000000000000000000000ff",
        "00010f0200000000000000000000000000000000000000000000000000000000000000ff",
    ),
    (
        RecordType::SSHFP,
        "4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789",
        "0402123456789abcdef67890123456789abcdef67890123456789abcdef123456789",
    ),
    (
        RecordType::IPSECKEY,
        "10 1 2 192.0.2.38 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==",
        "0a0102c0000226010351537986ed35533b6064478eeeb27b5bd74dae149b6e81ba3a0521af82ab7801",
    ),
    (
        RecordType::IPSECKEY,
        "10 0 2 . AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==",
        "0a0002010351537986ed35533b6064478eeeb27b5bd74dae149b6e81ba3a0521af82ab7801",
    ),
    (RecordType::IPSECKEY, "10 2 2 2001:db8::1 AQ==", "0a020220010db800000000000000000000000101"),
    (RecordType::IPSECKEY, "10 3 2 gw.example. AQ==", "0a0302026777076578616d706c650001"),
    (RecordType::IPSECKEY, "10 3 0 gw.example.", "0a0300026777076578616d706c6500"),
    (
        RecordType::RRSIG,
        "A 13 3 3600 20300101000000 20250101000000 2642 Example. oJB1W6WNGv+ldvQ3WDG0MQkg5IEhjRip8WTr PYGv07h108dUKGMeDPKijVCHX3DDKdfb+v6o",
        "00010d0300000e1070dbd880677485800a52074578616d706c6500a090755ba58d1affa576f4375831b4310920e481218d18a9f164eb3d81afd3b875d3c75428631e0cf2a28d50875f70c329d7dbfafea8",
    ),
    (
        RecordType::RRSIG,
        "TYPE65280 13 3 3600 1893456000 0 2642 Example. AQ==",
        "ff000d0300000e1070dbd880000000000a52074578616d706c650001",
    ),
    (
        RecordType::NSEC,
        "host A MX RRSIG NSEC TYPE1234",
        "04686f7374074578616d706c65036f7267000006400100000003041b000000000000000000000000000000000000000000000000000020",
    ),
    (RecordType::NSEC, "host NSEC A", "04686f7374074578616d706c65036f7267000006400000000001"),
    (
        RecordType::DNSKEY,
        "257 3 13 oJMRESz5E4gYzS/q6XDrvU1qMPYIjCWzJaOau8XNEZeqCYKD5ar0IRd8KqXXFJkq mVfRvMGPmM1x8fGAa2XhSA==",
        "0101030da09311112cf9138818cd2feae970ebbd4d6a30f6088c25b325a39abbc5cd1197aa098283e5aaf421177c2aa5d714992a9957d1bcc18f98cd71f1f1806b65e148",
    ),
    (
        RecordType::DHCID,
        "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",
        "000201636fc0b8271c82825bb1ac5c41cf5351aa69b4febd94e8f17cdb95000da48c40",
    ),
    (
        RecordType::NSEC3,
        "1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr MX DNSKEY NS SOA NSEC3PARAM RRSIG",
        "0101000c04aabbccdd14174eb2409fe28bcb4887a1836f957f0a8425e27b000722010000000290",
    ),
    (
        RecordType::NSEC3,
        "1 0 0 - 2vptu5timamqttgl4luu9kg21e0aor3s",
        "01000000001417f3df17b2b2adaef615257de4d2020b80ac6c7c",
    ),
    (RecordType::NSEC3PARAM, "1 0 12 aabbccdd", "0100000c04aabbccdd"),
    (RecordType::NSEC3PARAM, "1 0 0 -", "0100000000"),
    (
        RecordType::TLSA,
        "3 1 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971",
        "030101d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971",
    ),
    (RecordType::SMIMEA, "3 0 0 00ff", "03000000ff"),
    (
        RecordType::HIP,
        "2 200100107B1A74DF365639CC39F1D578 AwEAAbdxyhNuSutc5EMzxTs9LBPCIkOFH8cIvM4p9+LrV4e19WzK00+CI6zBCQTdtWsuxKbWIy87UOoJTwkUs7lBu+Upr1gsNrut79ryra+bSRGQb1slImA8YVJyuIDsj7kwzG7jnERNqnWxZ48AWkskmdHaVDP4BcelrTI3rMXdXF5D rvs1.example. rvs2",
        "10020084200100107b1a74df365639cc39f1d57803010001b771ca136e4aeb5ce44333c53b3d2c13c22243851fc708bcce29f7e2eb5787b5f56ccad34f8223acc10904ddb56b2ec4a6d6232f3b50ea094f0914b3b941bbe529af582c36bbadefdaf2adaf9b4911906f5b2522603c615272b880ec8fb930cc6ee39c444daa75b1678f005a4b2499d1da5433f805c7a5ad3237acc5dd5c5e430472767331076578616d706c65000472767332074578616d706c65036f726700",
    ),
    (
        RecordType::HIP,
        "2 200100107B1A74DF365639CC39F1D578 AQ==",
        "10020001200100107b1a74df365639cc39f1d57801",
    ),
    (RecordType::NINFO, r#""status" ok"#, "06737461747573026f6b"),
    (RecordType::RKEY, "0 3 13 AQID", "0000030d010203"),
    (RecordType::TALINK, "a b", "0161074578616d706c65036f7267000162074578616d706c65036f726700"),
    (RecordType::CDS, "0 0 0 00", "0000000000"),
    (
        RecordType::CDS,
        "60485 13 2 00000000000000000000000000000000000000000000000000000000000000ff",
        "ec450d0200000000000000000000000000000000000000000000000000000000000000ff",
    ),
    (RecordType::CDNSKEY, "0 3 0 AA==", "0000030000"),
    (RecordType::OPENPGPKEY, "mQENBFVHm5sBCADaAQID", "99010d0455479b9b010800da010203"),
    (RecordType::CSYNC, "66 3 A NS AAAA", "000000420003000460000008"),
    (
        RecordType::ZONEMD,
        "2018031500 1 1 FEBE3D4CE2EC2FFA4BA99D46CD69D6D29711E55217057BEE7EB1A7B641A47BA7FED2DD5B97AE499FAFA4F22C6BD647DE",
        "7848b78c0101febe3d4ce2ec2ffa4ba99d46cd69d6d29711e55217057bee7eb1a7b641a47ba7fed2dd5b97ae499fafa4f22c6bd647de",
    ),
    (RecordType::SVCB, "0 foo.example.com.", "000003666f6f076578616d706c6503636f6d00"),
    (RecordType::SVCB, "16 foo.example.com. port=53", "001003666f6f076578616d706c6503636f6d00000300020035"),
    (
        RecordType::SVCB,
        "1 foo.example.com. key667=hello",
        "000103666f6f076578616d706c6503636f6d00029b000568656c6c6f",
    ),
    (
        RecordType::SVCB,
        r#"1 foo.example.com. key667="hello\210qoo""#,
        "000103666f6f076578616d706c6503636f6d00029b000968656c6c6fd2716f6f",
    ),
    (
        RecordType::SVCB,
        r#"1 foo.example.com. ipv6hint="2001:db8::1,2001:db8::53:1""#,
        "000103666f6f076578616d706c6503636f6d000006002020010db800000000000000000000000120010db8000000000000000000530001",
    ),
    (
        RecordType::SVCB,
        r#"16 foo.example.org. mandatory=ipv4hint,alpn ipv4hint=192.0.2.1 alpn="h2,h3-19""#,
        "001003666f6f076578616d706c65036f7267000000000400010004000100090268320568332d313900040004c0000201",
    ),
    (
        RecordType::SVCB,
        r#"16 foo.example.org. alpn="f\\\\oo\\,bar,h2""#,
        "001003666f6f076578616d706c65036f7267000001000c08665c6f6f2c626172026832",
    ),
    (
        RecordType::SVCB,
        r"16 foo.example.org. alpn=f\\\092oo\092,bar,h2",
        "001003666f6f076578616d706c65036f7267000001000c08665c6f6f2c626172026832",
    ),
    (
        RecordType::HTTPS,
        "1 . alpn=h2,h3 no-default-alpn ech=AEj+DQ== dohpath=/dns-query{?dns}",
        "0001000001000602683202683300020000000500040048fe0d000700102f646e732d71756572797b3f646e737d",
    ),
    (RecordType::HTTPS, "0 pool.svc.example.", "000004706f6f6c03737663076578616d706c6500"),
    (RecordType::HTTPS, "1 . ohttp alpn=h2", "0001000001000302683200080000"),
    (
        RecordType::DSYNC,
        "CDS NOTIFY 5359 cds-scanner.example.net.",
        "003b0114ef0b6364732d7363616e6e6572076578616d706c65036e657400",
    ),
    (RecordType::HHIT, "AQID", "010203"),
    (RecordType::BRID, "AQID", "010203"),
    (RecordType::SPF, r#""v=spf1 -all""#, "0b763d73706631202d616c6c"),
    (RecordType::NID, "10 0014:4fff:ff20:ee64", "000a00144fffff20ee64"),
    (RecordType::L32, "10 10.1.2.0", "000a0a010200"),
    (RecordType::L64, "10 2001:0DB8:1140:1000", "000a20010db811401000"),
    (RecordType::LP, "10 l64-subnet1", "000a0b6c36342d7375626e657431074578616d706c65036f726700"),
    (RecordType::EUI48, "00-00-5e-00-53-2a", "00005e00532a"),
    (RecordType::EUI64, "00-00-5e-ef-10-00-00-2a", "00005eef1000002a"),
    (
        RecordType::URI,
        r#"10 1 "ftp://ftp1.example.com/public""#,
        "000a00016674703a2f2f667470312e6578616d706c652e636f6d2f7075626c6963",
    ),
    (
        RecordType::CAA,
        r#"0 issue "ca1.example.net; account=230123""#,
        "000569737375656361312e6578616d706c652e6e65743b206163636f756e743d323330313233",
    ),
    (RecordType::CAA, r#"128 tbs "Unknown""#, "8003746273556e6b6e6f776e"),
    (RecordType::CAA, r#"0 issue """#, "00056973737565"),
    (
        RecordType::AVC,
        r#""app-name:WOLFGANG|app-class:OAM|business=yes""#,
        "2c6170702d6e616d653a574f4c4647414e477c6170702d636c6173733a4f414d7c627573696e6573733d796573",
    ),
    (RecordType::AMTRELAY, "10 0 1 203.0.113.15", "0a01cb00710f"),
    (RecordType::AMTRELAY, "10 0 2 2001:db8::15", "0a0220010db8000000000000000000000015"),
    (
        RecordType::AMTRELAY,
        "128 1 3 amtrelays.example.com.",
        "808309616d7472656c617973076578616d706c6503636f6d00",
    ),
    (RecordType::AMTRELAY, "10 1 0 .", "0a80"),
    (
        RecordType::RESINFO,
        "qnamemin exterr=15-17 infourl=https://resolver.example.com/guide",
        "08716e616d656d696e0c6578746572723d31352d31372a696e666f75726c3d68747470733a2f2f7265736f6c7665722e6578616d706c652e636f6d2f6775696465",
    ),
    (RecordType::WALLET, r#""BTC" "x""#, "034254430178"),
    (RecordType::CLA, r#""AC""#, "024143"),
    (
        RecordType::TA,
        "60485 13 2 00000000000000000000000000000000000000000000000000000000000000ff",
        "ec450d0200000000000000000000000000000000000000000000000000000000000000ff",
    ),
    (
        RecordType::DLV,
        "60485 13 2 00000000000000000000000000000000000000000000000000000000000000ff",
        "ec450d0200000000000000000000000000000000000000000000000000000000000000ff",
    ),
];

#[test]
fn c17_text_becomes_the_octets_that_others_make_of_it() {
    for (rtype, line, expected) in ROWS {
        let octets = wire(*rtype, line).unwrap_or_else(|error| panic!("{rtype} {line}: {error}"));
        assert_eq!(data_encoding::HEXLOWER.encode(&octets), *expected, "{rtype} {line}");
        assert_eq!(check(*rtype, &octets), Ok(()), "{rtype} {line}");
    }
}

#[test]
fn c16_octets_become_text_that_gives_them_back() {
    for (rtype, line, _) in ROWS {
        let octets = wire(*rtype, line).unwrap();
        let written = text(*rtype, &octets);
        assert!(!written.starts_with("\\#"), "{rtype} {line} has only the generic form {written}");
        assert_eq!(wire(*rtype, &written).as_ref(), Ok(&octets), "{rtype} {line} became {written}");
        assert_eq!(text(*rtype, &wire(*rtype, &written).unwrap()), written);
    }
}

#[test]
fn c10_every_row_in_the_generic_form() {
    for (rtype, line, expected) in ROWS {
        let generic = format!("\\# {} {expected}", expected.len() / 2);
        assert_eq!(wire(*rtype, &generic), wire(*rtype, line), "{rtype} {line}");
    }
}

#[test]
fn rows_are_appended_to_any_octets() {
    let before = [7; 65_535];
    for (rtype, line, expected) in ROWS {
        let generic = format!("\\# {} {expected}", expected.len() / 2);
        for line in [*line, &generic] {
            let mut out = before.to_vec();
            let result = from_text(*rtype, &tokens(line), origin().as_ref(), &mut out);
            assert_eq!(result, Ok(()), "{rtype} {line}");
            assert!(out.starts_with(&before), "{rtype} {line}");
            assert_eq!(data_encoding::HEXLOWER.encode(&out[before.len()..]), *expected, "{rtype} {line}");
        }
    }
}

#[test]
fn shortened_octets_are_refused_or_still_whole() {
    for (rtype, line, _) in ROWS {
        let octets = wire(*rtype, line).unwrap();
        for length in 0..octets.len() {
            if check(*rtype, &octets[..length]).is_ok() {
                let written = text(*rtype, &octets[..length]);
                assert_eq!(wire(*rtype, &written).unwrap(), octets[..length], "{rtype} {written}");
            }
        }
    }
}

#[test]
fn text_is_written_in_the_usual_form() {
    for (rtype, line, expected) in [
        (
            RecordType::SOA,
            "ns1 root 1 1h 15m 2w 300",
            "ns1.Example.org. root.Example.org. 1 3600 900 1209600 300",
        ),
        (RecordType::TXT, "plain \\195\\\"x", r#""plain" "\195\"x""#),
        (RecordType::CAA, "0 issue letsencrypt.org", r#"0 issue "letsencrypt.org""#),
        (
            RecordType::RRSIG,
            "A RSASHA256 2 60 1893456000 0 1 a. AQ==",
            "A 8 2 60 20300101000000 19700101000000 1 a. AQ==",
        ),
        (RecordType::NSEC, "b. NSEC A TYPE65280 A", "b. A NSEC TYPE65280"),
        (
            RecordType::NSEC3,
            "1 0 0 - 2VPTU5TIMAMQTTGL4LUU9KG21E0AOR3S",
            "1 0 0 - 2VPTU5TIMAMQTTGL4LUU9KG21E0AOR3S",
        ),
        (RecordType::DS, "1 13 9 0a 0B", "1 13 9 0A0B"),
        (RecordType::SVCB, "1 a. key9=\"x y\" alpn=h2", r#"1 a. alpn=h2 key9="x y""#),
        (RecordType::SVCB, "1 a. key9", "1 a. key9"),
        (RecordType::LOC, "42 N 71 6 18 W 24m", "42 0 0.000 N 71 6 18.000 W 24.00m 1.00m 10000.00m 10.00m"),
        (RecordType::LOC, "0 S 0 W 0m", "0 0 0.000 N 0 0 0.000 E 0.00m 1.00m 10000.00m 10.00m"),
        (RecordType::APL, "1:192.0.2.0/24  !2:2001:DB8::/32", "1:192.0.2.0/24 !2:2001:db8::/32"),
        (RecordType::AAAA, "2001:DB8:0:0::1", "2001:db8::1"),
    ] {
        assert_eq!(text(rtype, &wire(rtype, line).unwrap()), expected);
    }
}
