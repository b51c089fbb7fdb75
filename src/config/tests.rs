//! The config as a whole: the sample of the manual, and one table of mistakes with what is said.

use std::fs;
use std::path::Path;

use super::*;
use crate::reason::Reason;
use crate::replica::follow::LowerSerial;

const SAMPLE: &str = r#"
[server]
listen = ["127.0.0.1:5300", "[::1]:5300"]
state_dir = "state"
workers = 1

[rrl]
per_second = 500

[reports]
channel = "er.example.org"
agent = "er.example.com"

[cookies]
secret_file = "cookie.key"

[timers]
refresh_min = "1s"
retry_min = "15s"

[keys."Flock.example."]
algorithm = "hmac-sha256"
secret_file = "flock.key"

[peers.ns2]
address = "192.0.2.2"
key = "flock.example."

[peers.ns3]
address = "[2001:db8::3]:5353"

[templates.default]
file = "zones/%s.zone"
secondaries = ["ns2"]

[[zones]]
name = "example.com"
role = "primary"
allow_transfer = ["10.0.0.0/8", "key:flock.example", "any"]

[[zones]]
name = "example.net"
role = "secondary"
primaries = ["ns3", "ns2"]
ixfr = false
lower_serial = "accept_after"
lower_serial_after = "1h30m"

[[zones]]
role = "primary"
file = "more/*.zone"
notify_ns = true
"#;

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    fs::create_dir(root.join("more")).expect("a directory");
    fs::write(root.join("flock.key"), "c2VjcmV0\n").expect("a file");
    let secrets = "# two\n00112233445566778899aabbccddeeff\nFFEEDDCCBBAA99887766554433221100\n";
    fs::write(root.join("cookie.key"), secrets).expect("a file");
    for name in
        ["a.example.zone", "0%2f25.example.zone", "example.com.zone", ".b.zone", "c.zone~", "d e.zone"]
    {
        fs::write(root.join("more").join(name), "").expect("a file");
    }
    directory
}

fn load(root: &Path, text: &str) -> Result<Config, ConfigError> {
    let path = root.join("config.toml");
    fs::write(&path, text).expect("a file");
    Config::load(&path)
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

#[test]
fn the_sample_means_what_it_says() {
    let directory = directory();
    let config = load(directory.path(), SAMPLE).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.server.listen.len(), 2);
    assert_eq!(config.server.workers, 1);
    assert_eq!(config.control.socket, directory.path().join("state/control.sock"));
    assert_eq!(config.timers.refresh_min, Duration::from_secs(1));
    assert_eq!((config.rrl.per_second, config.rrl.slip, config.rrl.log_only), (500, 2, false));
    let exempt: Vec<&str> = config.rrl.exempt.iter().map(|rule| rule.text.as_str()).collect();
    assert_eq!(exempt, ["127.0.0.0/8", "::1/128", "ns2", "ns3"]);
    let secrets = config.cookies.secrets.as_deref().unwrap_or_default();
    assert_eq!((config.cookies.mode, secrets.len(), secrets[1].0[0]), (CookieMode::Answer, 2, 0xff));
    assert_eq!(config.reports.channel, Some(name("er.example.org")));
    assert_eq!(config.keys.len(), 1);
    assert_eq!(config.keys[0].secret, b"secret");
    assert_eq!(config.keys[0].mac_octets_min, 32);
    assert_eq!(config.peer(PeerIndex(0)).address, SocketAddr::from(([192, 0, 2, 2], 53)));
    assert_eq!(config.peer(PeerIndex(0)).key, Some(name("flock.example")));

    let names: Vec<String> = config.zones.iter().map(|zone| zone.name.to_string()).collect();
    assert_eq!(names, ["example.com.", "example.net.", "0/25.example.", "a.example."]);
    let com = &config.zones[0];
    assert_eq!(com.notify, [PeerIndex(0)]);
    assert_eq!(
        config.zones.iter().map(|zone| zone.notify_ns).collect::<Vec<_>>(),
        [false, false, true, true]
    );
    let rules: Vec<&str> = com.transfer.iter().map(|rule| rule.text.as_str()).collect();
    assert_eq!(rules, ["10.0.0.0/8", "key:flock.example", "any", "ns2"]);
    assert_eq!(com.transfer[3].who, Who::Peer(PeerIndex(0)));
    let Role::Primary(primary) = &com.role else { panic!("{:?}", com.role) };
    assert_eq!(primary.file, directory.path().join("zones/example.com.zone"));
    assert_eq!(com.guard, Guard { action: GuardAction::Hold, records: 100, percent: 30 });
    assert!(com.position.ends_with("config.toml:36"), "{}", com.position);

    let Role::Secondary(secondary) = &config.zones[1].role else { panic!("{:?}", config.zones[1].role) };
    assert_eq!(secondary.primaries, [PeerIndex(1), PeerIndex(0)]);
    assert!(!secondary.ixfr);
    assert_eq!(secondary.lower_serial, LowerSerial::AcceptAfter(Duration::from_secs(5_400)));
    assert_eq!(config.zones[3].pattern.as_deref(), Some("more/*.zone"));
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
}

#[test]
fn who_may_query_is_said_by_the_zone_else_its_template_else_the_server() {
    let directory = directory();
    let texts = |text: &str| -> Vec<Option<Vec<String>>> {
        let config = load(directory.path(), text).expect("a config");
        let of = |zone: &Zone| {
            zone.query.as_ref().map(|rules| rules.iter().map(|rule| rule.text.clone()).collect())
        };
        config.zones.iter().take(2).map(of).collect()
    };
    let some = |text: &str| Some(vec![text.to_owned()]);
    assert_eq!(texts(SAMPLE), [None, None]);
    let server = SAMPLE.replace("workers = 1", "allow_query = [\"10.0.0.0/8\"]");
    assert_eq!(texts(&server), [some("10.0.0.0/8"), some("10.0.0.0/8")]);
    let template = server.replace("secondaries = ", "allow_query = [\"ns2\"]\nsecondaries = ");
    assert_eq!(texts(&template), [some("ns2"), some("ns2")]);
    let zone = template.replace("ixfr = false", "allow_query = [\"any\"]");
    assert_eq!(texts(&zone), [some("ns2"), some("any")]);
    assert_eq!(texts(&SAMPLE.replace("ixfr = false", "allow_query = []")), [None, Some(Vec::new())]);
}

#[test]
fn r09_a_vanished_file_keeps_the_zone_through_a_reload() {
    let directory = directory();
    let config = load(directory.path(), SAMPLE).expect("a config");
    fs::remove_file(directory.path().join("more/a.example.zone")).expect("removed");
    let again = config.reload().expect("a config");
    assert_eq!(again.zones.len(), config.zones.len());
    let text = SAMPLE.replace("more/*.zone", "more/*.other");
    fs::write(directory.path().join("config.toml"), text).expect("a file");
    assert_eq!(again.reload().expect("a config").zones.len(), 2);
}

#[test]
fn mistakes_are_named_where_they_are() {
    let directory = directory();
    for (from, to, reason, said) in [
        ("listen =", "lisen =", Reason::ConfigUnknownKey, "did you mean `listen`?"),
        ("ixfr = false", "ixrf = false", Reason::ConfigUnknownKey, "did you mean `ixfr`?"),
        ("refresh_min", "wait_at_least", Reason::ConfigUnknownKey, "possible here: `refresh_min`"),
        ("state_dir = \"state\"", "", Reason::ConfigMissingKey, "missing key `state_dir`"),
        ("ixfr = false", "notify_ns = \"yes\"", Reason::ConfigBadValue, "expected a boolean"),
        ("ixfr = false", "notify_n = true", Reason::ConfigUnknownKey, "did you mean `notify_ns`?"),
        ("role = \"secondary\"", "role = \"secondry\"", Reason::ConfigBadValue, "did you mean `secondary`?"),
        ("role = \"secondary\"", "", Reason::ConfigMissingKey, "this zone has no `role`"),
        ("\"1s\"", "\"1y\"", Reason::ConfigBadValue, "a duration such as"),
        ("workers = 1", "workers = 0", Reason::ConfigBadValue, "at least 1"),
        ("workers = 1", "workers = \"1\"", Reason::ConfigBadValue, "expected usize"),
        ("workers = 1", "workers = 1\nworkers = 2", Reason::ConfigDuplicate, "given twice"),
        ("workers = 1", "workers = ", Reason::ConfigSyntax, "config.toml:5:11"),
        ("\"[::1]:5300\"", "\"::1:x\"", Reason::ConfigBadValue, "is not an address"),
        ("\"[::1]:5300\"", "\"127.0.0.1:5300\"", Reason::ConfigDuplicate, "listed twice"),
        (
            "primaries = [\"ns3\", \"ns2\"]",
            "primaries = [\"ns33\"]",
            Reason::ConfigUnknownName,
            "did you mean `ns3`?",
        ),
        (
            "[peers.ns3]\naddress = \"[2001:db8::3]:5353\"",
            "[peers.ns3]\naddress = \"192.0.2.2:53\"\nkey = \"FLOCK.example\"",
            Reason::ConfigDuplicate,
            "the peers \"ns2\" and \"ns3\" have the same address and the same key",
        ),
        (
            "[peers.ns3]\naddress = \"[2001:db8::3]:5353\"",
            "[peers.ns1]\naddress = \"::ffff:192.0.2.2\"\nkey = \"flock.example\"",
            Reason::ConfigDuplicate,
            "nobody can tell it from \"ns2\" at ",
        ),
        ("primaries = [\"ns3\", \"ns2\"]", "", Reason::ConfigMissingKey, "needs `primaries`"),
        (
            "key:flock.example",
            "key:flok.example",
            Reason::ConfigUnknownName,
            "did you mean `flock.example.`?",
        ),
        ("10.0.0.0/8", "10.0.0.1/8", Reason::ConfigBadValue, "did you mean `10.0.0.0/8`?"),
        ("hmac-sha256", "hmac-sha265", Reason::ConfigBadValue, "did you mean `hmac-sha256`?"),
        (
            "algorithm = \"hmac-sha256\"",
            "algorithm = \"hmac-sha256\"\nmac_octets_min = 15",
            Reason::ConfigBadValue,
            "a MAC of hmac-sha256 has 16 to 32 octets",
        ),
        ("flock.key", "flok.key", Reason::ConfigSecret, "flok.key: No such file"),
        ("secret_file = \"flock.key\"", "", Reason::ConfigMissingKey, "has no secret"),
        ("secret_file = \"flock.key\"", "secret = \"???\"", Reason::ConfigSecret, "not base64"),
        ("\"example.net\"", "\"EXAMPLE.com.\"", Reason::ConfigDuplicate, "config.toml:36"),
        ("\"example.net\"", "\"a..b\"", Reason::ConfigBadValue, "is not a name"),
        ("ixfr = false", "file = \"x\"", Reason::ConfigConflict, "means nothing for a secondary zone"),
        ("\"accept_after\"", "\"alert\"", Reason::ConfigConflict, "goes with"),
        ("[\"ns3\", \"ns2\"]", "[\"ns3\"]", Reason::ConfigConflict, "no primary has a `key`"),
        ("zones/%s.zone", "zones/%d.zone", Reason::ConfigBadValue, "only `s`"),
        ("zones/%s.zone", "zones/*.zone", Reason::ConfigConflict, "cannot have a pattern"),
        ("more/*.zone", "mroe/*.zone", Reason::ConfigFiles, "cannot list"),
        ("ixfr = false", "template = \"defalt\"", Reason::ConfigUnknownName, "did you mean `default`?"),
        ("per_second = 500", "per_second = 2000000", Reason::ConfigBadValue, "0 to 1000000"),
        ("per_second = 500", "exempt = [\"ns9\"]", Reason::ConfigUnknownName, "did you mean `ns2`?"),
        ("per_second = 500", "exempt = [\"key:a.\"]", Reason::ConfigBadValue, "name the peer"),
        ("per_second = 500", "slipp = 2", Reason::ConfigUnknownKey, "did you mean `slip`?"),
        ("\"cookie.key\"", "\"coookie.key\"", Reason::ConfigSecret, "cannot read"),
        ("\"cookie.key\"", "\"flock.key\"", Reason::ConfigSecret, "openssl rand -hex 16"),
        (
            "secret_file = \"cookie.key\"",
            "mode = \"requires\"",
            Reason::ConfigBadValue,
            "did you mean `require`?",
        ),
        ("workers = 1", "allow_query = [\"ns4\"]", Reason::ConfigUnknownName, "did you mean `ns2`?"),
        (
            "\"er.example.com\"",
            "\"er.example.org\"",
            Reason::ConfigConflict,
            "no zone here holds er.example.org.",
        ),
        ("\"er.example.org\"", "\".\"", Reason::ConfigBadValue, "the root takes no reports"),
        ("workers = 1", "udp_payload_max_ipv6 = 9000", Reason::ConfigBadValue, "512 to 4096 octets"),
        ("workers = 1", "proxy_from = [\"ns2\"]", Reason::ConfigBadValue, "neither an address nor a prefix"),
        ("workers = 1", "proxy_from = [\"::/0\"]", Reason::ConfigBadValue, "anybody claim to be anybody"),
        ("ixfr = false", "zonemd = \"yes\"", Reason::ConfigBadValue, "`if-present`"),
        ("ixfr = false", "zonemd_generate = \"sha384\"", Reason::ConfigConflict, "for a secondary zone"),
        (
            "notify_ns = true",
            "zonemd = \"require\"\nzonemd_generate = \"sha512\"",
            Reason::ConfigConflict,
            "either verified or made",
        ),
        ("notify_ns = true", "zonemd_generate = \"sha1\"", Reason::ConfigBadValue, "`sha384`"),
        (
            "notify_ns = true",
            "zonemd_force = true",
            Reason::ConfigConflict,
            "goes with `zonemd_generate` only",
        ),
        ("[reports]", "[limits]\ntypes_per_name_max = 0\n[reports]", Reason::ConfigBadValue, "at least 1"),
        (
            "[reports]",
            "[limits]\nlabels_per_name_max = 128\n[reports]",
            Reason::ConfigBadValue,
            "never has more than 127 labels",
        ),
        ("secondaries", "name = \"x\"\nsecondaries", Reason::ConfigConflict, "has a `name`"),
    ] {
        assert!(SAMPLE.contains(from), "{from}");
        let error = load(directory.path(), &SAMPLE.replacen(from, to, 1)).expect_err(to);
        let shown = error.to_string();
        assert!(shown.contains(said), "{to}: wanted {said:?} in\n{shown}");
        assert!(error.problems().iter().any(|problem| problem.reason == reason), "{to}:\n{shown}");
        assert!(shown.contains("config.toml:"), "{shown}");
    }
}

#[test]
fn r33_p192_what_each_version_must_be_like() {
    use crate::zone::zonemd::{Algorithm, Making, Policy};

    let directory = directory();
    let demands = |text: &str| -> Vec<Demands> {
        let config = load(directory.path(), text).expect("a config");
        config.zones.iter().map(|zone| zone.demands).collect()
    };
    assert!(demands(SAMPLE).iter().all(|of_zone| *of_zone == Demands::default()));
    // One template for both roles: primaries make it, secondaries verify it, and what a zone says counts.
    let said = SAMPLE
        .replace(
            "[templates.default]",
            "[templates.default]\nzonemd = \"if-present\"\nzonemd_generate = \"sha512\"",
        )
        .replace("notify_ns = true", "zonemd = \"require\"")
        .replace("[reports]", "[limits]\nrecords_per_type_max = 7\n[reports]");
    let found = demands(&said);
    let making = |records_max| Policy::Make(Making { algorithm: Algorithm::Sha512, records_max });
    let policies: Vec<Policy> = found.iter().map(|of_zone| of_zone.zonemd).collect();
    assert_eq!(policies, [making(500_000), Policy::IfPresent, Policy::Require, Policy::Require]);
    assert!(found.iter().all(|of_zone| of_zone.bounds.records_per_type == 7));
    let forced = said.replace("role = \"primary\"\nallow", "role = \"primary\"\nzonemd_force = true\nallow");
    assert_eq!(demands(&forced)[0].zonemd, making(u64::MAX));
}

#[test]
fn r24_peers_are_told_apart_by_key_or_address_and_two_ports_are_warned_of() {
    let directory = directory();
    let ns3 = "address = \"[2001:db8::3]:5353\"";
    for (with, warnings) in [
        ("address = \"192.0.2.2\"", 1),
        ("address = \"192.0.2.3\"\nkey = \"flock.example\"", 1),
        ("address = \"192.0.2.2:5353\"\nkey = \"flock.example\"", 2),
    ] {
        let config =
            load(directory.path(), &SAMPLE.replace(ns3, with)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.warnings.len(), warnings, "{with}: {:?}", config.warnings);
    }
    let text = SAMPLE.replace(ns3, "address = \"192.0.2.2:5353\"\nkey = \"flock.example\"");
    let said = load(directory.path(), &text).expect("a config").warnings.swap_remove(0);
    let line = 1 + text.lines().position(|line| line == "[peers.ns2]").expect("its line");
    assert!(said.contains(&format!("\"ns2\" ({}", directory.path().display())), "{said}");
    assert!(said.contains(&format!("config.toml:{line})")) && said.contains("\"ns3\""), "{said}");
}

#[test]
fn several_problems_are_shown_at_once() {
    let directory = directory();
    let text = SAMPLE.replace("workers = 1", "workers = 0").replace("\"ns3\"", "\"ns9\"");
    let error = load(directory.path(), &text).expect_err("two problems");
    assert_eq!(error.problems().len(), 2);
    let shown = error.to_string();
    assert!(shown.contains("error[BW-C04]") && shown.contains("error[BW-C06]"), "{shown}");
}

#[test]
fn the_control_socket_fits_its_address() {
    let directory = directory();
    let long = "s".repeat(SOCKET_PATH_OCTETS_MAX);
    let error =
        load(directory.path(), &SAMPLE.replace("\"state\"", &format!("\"{long}\""))).expect_err("too long");
    assert_eq!(error.problems()[0].reason, Reason::ConfigPathTooLong);
    let here = format!("{SAMPLE}\n[control]\nsocket = \"/run/bw.sock\"\n");
    let text = here.replace("\"state\"", &format!("\"{long}\""));
    assert_eq!(load(directory.path(), &text).expect("a config").control.socket, Path::new("/run/bw.sock"));
}

#[test]
fn a_file_that_cannot_be_read_is_one_sentence() {
    let directory = directory();
    let error = Config::load(&directory.path().join("none.toml")).expect_err("no file");
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
    assert!(error.to_string().contains("none.toml: No such file"), "{error}");
    fs::write(directory.path().join("config.toml"), b"\xff").expect("a file");
    assert!(Config::load(&directory.path().join("config.toml")).is_err());
}

#[test]
fn secrets_are_not_shown() {
    let directory = directory();
    let config = load(directory.path(), SAMPLE).expect("a config");
    assert!(!format!("{config:?}").contains("secret:"), "{config:?}");
}
