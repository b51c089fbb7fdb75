//! Whole zone files: what is checked, and what printing and reading again gives.

use super::*;
use crate::dns::nsec3::{self, Parameters};

pub(super) fn load_text(text: &str) -> Result<Loaded, Box<LoadError>> {
    load(&mut Table::of(&[("z", text.as_bytes())]), Path::new("z"), &example(), KEY, &Demands::default())
}

pub(super) fn printed(loaded: &Loaded) -> String {
    let mut out = Vec::new();
    print(&loaded.version, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn c16_dump_load_dump_is_stable() {
    let text = format!(
        "{SOA}@ 5 NS ns\nns 5 A 192.0.2.1\n*.w 5 TXT \"a b\" c\\;d\nZ 5 MX 10 ns\na\\.b 5 CNAME z.example.org.\nx 5 TYPE731 \\# 3 abcdef\n"
    );
    let first = load_text(&text).unwrap();
    let dump = printed(&first);
    assert!(dump.starts_with("example.com.\t3600\tIN\tSOA\t"), "{dump}");
    let second = load_text(&dump).unwrap();
    assert_eq!(printed(&second), dump);
    assert_eq!(second.version.digest(), first.version.digest());
}

#[test]
fn c07_c08_a_zone_has_one_soa_and_name_servers() {
    let said = |text: &str| load_text(text).map(|_| ()).unwrap_err().to_string();
    assert_eq!(said("@ 5 NS ns.example.org.\n"), "z: error: the zone has no SOA [BW-Z15]");
    assert_eq!(said(SOA), "z:1:8: error: the zone has no NS record at its apex [BW-Z17]");
    let twice = format!("{SOA}@ 5 NS ns.example.org.\n{}", SOA.replace(" 1 ", " 2 "));
    assert_eq!(said(&twice), "z:3:8: error: a second SOA [BW-Z15]");
}

#[test]
fn b26_b27_aliases_stand_alone() {
    let zone = |more: &str| {
        load_text(&format!("{SOA}@ 5 NS ns.example.org.\n{more}")).map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(
        zone("a 5 CNAME b\na 5 A 192.0.2.1\n"),
        "z:3:5: error: `a.example.com.` has a CNAME and also A [BW-Z16]"
    );
    assert_eq!(
        zone("a 5 CNAME b\na 5 CNAME c\n"),
        "z:3:5: error: `a.example.com.` has 2 CNAME records [BW-Z16]"
    );
    assert_eq!(
        zone("d 5 DNAME b\nd 5 DNAME c\n"),
        "z:3:5: error: `d.example.com.` has 2 DNAME records [BW-Z16]"
    );
    assert_eq!(
        zone("d 5 DNAME b\nd 5 CNAME c\n"),
        "z:4:5: error: `d.example.com.` has a CNAME and also DNAME [BW-Z16]"
    );
}

#[test]
fn p8_checks_warn_of_likely_slips() {
    let warned = |more: &str| -> Vec<String> {
        let loaded = load_text(&format!("{SOA}@ 5 NS ns.example.org.\n{more}")).unwrap();
        loaded.warnings.iter().map(Diagnostic::to_string).collect()
    };
    assert_eq!(warned(""), Vec::<String>::new());
    assert_eq!(
        warned("@ 5 MX 10 m\n"),
        ["z:3:5: warning: MX points to `m.example.com.`, which has no address [BW-Z18]"]
    );
    assert_eq!(warned("@ 5 MX 10 m\n*  5 A 192.0.2.1\n"), Vec::<String>::new());
    assert_eq!(
        warned("_s._tcp 5 SRV 1 1 1 s\ns 5 CNAME t\nt 5 A 192.0.2.1\n"),
        ["z:3:11: warning: SRV points to `s.example.com.`, which is an alias [BW-Z18]"]
    );
    assert_eq!(
        warned("c 5 NS ns.c\nc 5 NS ns.d\nd 5 NS ns.e\n"),
        [
            "z:3:5: warning: `ns.c.example.com.` lies in the zone that it serves and has no address here [BW-Z19]",
            "z:5:5: warning: NS points to `ns.e.example.com.`, which has no address [BW-Z18]"
        ]
    );
    assert_eq!(
        warned("c 5 NS ns.c\nns.c 5 A 192.0.2.1\nx.c 5 TXT hidden\n"),
        [
            "z:5:7: warning: TXT of `x.c.example.com.` is hidden by the delegation of `c.example.com.` [BW-Z17]"
        ]
    );
    assert_eq!(
        warned("*.w 5 NS ns.example.org.\n"),
        ["z:3:7: warning: NS records at the wildcard `*.w.example.com.` [BW-Z17]"]
    );
    assert_eq!(warned("m 5 MX 0 .\n"), Vec::<String>::new());
    assert_eq!(
        warned("n 5 DS 1 13 2 00000000000000000000000000000000000000000000000000000000000000ff\n"),
        ["z:3:5: warning: `n.example.com.` has a DS record and is no delegation [BW-Z17]"]
    );
    assert_eq!(
        warned("m 5 MX 0 .\nm 5 MX 10 n.example.org.\n"),
        ["z:3:5: warning: `m.example.com.` has the MX `.` and others [BW-Z18]"]
    );
    assert_eq!(
        warned("d 5 DNAME e\nx.d 5 A 192.0.2.1\n"),
        ["z:3:5: warning: names below the DNAME `d.example.com.` are never answered [BW-Z16]"]
    );
}

#[test]
fn l10_signed_zones_that_prove_nothing_are_told() {
    let warned = |more: &str| -> Vec<String> {
        let rrsig = "@ 5 RRSIG SOA 13 2 5 20300101000000 20200101000000 1 @ AAAA\n";
        let loaded = load_text(&format!("{SOA}@ 5 NS ns.example.org.\n{rrsig}{more}")).unwrap();
        loaded.warnings.iter().map(Diagnostic::to_string).collect()
    };
    let missing = "z:3:5: warning: the zone is signed, and nothing proves what does not exist in it [BW-Z22]";
    assert_eq!(warned(""), [missing]);
    assert_eq!(warned("@ 5 NSEC @ NS SOA RRSIG NSEC\n"), Vec::<String>::new());
    let hashed = |iterations: u16| {
        let hash = Parameters { iterations, salt: &[] }.hash(example().as_ref());
        let owner = String::from_utf8(nsec3::label(&hash)[1..].to_vec()).unwrap();
        let parameters = format!("@ 5 NSEC3PARAM 1 0 {iterations} -\n");
        warned(&format!("{parameters}{owner} 5 NSEC3 1 0 {iterations} - {owner} NS SOA RRSIG NSEC3PARAM\n"))
    };
    assert_eq!(hashed(150), Vec::<String>::new());
    assert_eq!(hashed(151), ["z:4:5: warning: NSEC3 has 151 iterations [BW-Z22]"]);
    assert_eq!(hashed(2501), [missing]);
}

#[test]
fn g07_odd_timers_are_told() {
    let loaded =
        load_text("@ 5 SOA ns host\\@example.com. 1 7200 9000 3600 90000\n@ 5 NS ns.example.org.\n").unwrap();
    let said: Vec<String> = loaded.warnings.iter().map(|warning| warning.message.clone()).collect();
    assert_eq!(
        said,
        [
            "EXPIRE 3600 is less than REFRESH 7200 + RETRY 9000",
            "RETRY 9000 is greater than REFRESH 7200",
            "EXPIRE 3600 is less than a day",
            "MINIMUM 90000 is more than a day",
            "RNAME `host\\@example.com.` has an @ in its first label",
        ]
    );
}

#[test]
fn g07_timers_at_the_edge_are_not_odd() {
    let said = |timers: &str| -> Vec<String> {
        let text = format!("@ 5 SOA ns host 1 {timers}\n@ 5 NS ns.example.org.\n");
        load_text(&text).unwrap().warnings.iter().map(|warning| warning.message.clone()).collect()
    };
    assert_eq!(said("7200 7200 86400 86400"), Vec::<String>::new());
    assert_eq!(said("43200 43200 86400 0"), Vec::<String>::new());
    assert_eq!(said("43201 43200 86400 0"), ["EXPIRE 86400 is less than REFRESH 43201 + RETRY 43200"]);
    assert_eq!(said("7200 7200 86399 86401").len(), 2);
    assert_eq!(said("4294967295 4294967295 4294967295 0").len(), 1);
    for zero in ["7200 0 86400 0", "0 0 86400 0"] {
        assert_eq!(said(zero), ["REFRESH or RETRY is 0"]);
    }
}

#[test]
fn b28_differing_ttls_and_duplicates_are_told() {
    let loaded = load_text(&format!(
        "{SOA}@ 5 NS ns.example.org.\na 5 A 192.0.2.1\na 6 A 192.0.2.2\na 5 A 192.0.2.1\n"
    ))
    .unwrap();
    let said: Vec<String> = loaded.warnings.iter().map(Diagnostic::to_string).collect();
    assert_eq!(
        said,
        [
            "z: warning: duplicate records dropped: 1 [BW-Z21]",
            "z: warning: RRsets with differing TTLs, set to the least (RFC 2181 §5.2): 1 [BW-Z21]",
        ]
    );
}

#[test]
fn r10_the_hash_covers_what_is_included() {
    let text = format!("{SOA}@ 5 NS ns.example.org.\n$INCLUDE y\n");
    let hash = |included: &[u8]| {
        let mut table = Table::of(&[("z", text.as_bytes()), ("y", included)]);
        load(&mut table, Path::new("z"), &example(), KEY, &Demands::default()).unwrap().hash
    };
    assert_eq!(hash(b"a 5 A 192.0.2.1\n"), hash(b"a 5 A 192.0.2.1\n"));
    assert_ne!(hash(b"a 5 A 192.0.2.1\n"), hash(b"a 5 A 192.0.2.1 ; comment\n"));
    let alone = load_text(&text.replace("$INCLUDE y", "")).unwrap();
    assert_eq!(alone.hash, alone.files[0].hash);
}

#[test]
fn r08_an_included_file_that_is_missing_is_one_of_the_files() {
    let error = load_text(&format!("{SOA}@ 5 NS ns.example.org.\n$INCLUDE none\n$INCLUDE none\n"));
    let files = error.map(|_| ()).unwrap_err().files;
    let paths: Vec<_> = files.iter().map(|file| file.path.as_path()).collect();
    assert_eq!(paths, [Path::new("z"), Path::new("none")]);
}
