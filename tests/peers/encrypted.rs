//! DNS over TLS (RFC 7858), and transfers over it (RFC 9103).

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustls::version::{TLS12, TLS13};

use crate::Test;
use crate::bellwether::Bellwether;
use crate::client::both;
use crate::peer::{Kind, Peer, Role};
use crate::secure;
use crate::signature::Seal;
use crate::texts::{ZONE, zone_text};
use crate::transfer_out::transfer;
use crate::wire::{self, A, AXFR, Message, NS, SOA, Stream, TXT};
use crate::yard::{self, KEY_NAME, Yard};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("a46_a47_p42_padded_queries_get_padded_replies", &["kdig"], padded),
    ("i01_transfers_take_tls_1_3", &["dig"], transfers_take_tls_1_3),
    ("i01_a_client_without_a_protocol_is_served_and_one_of_another_is_not", &[], protocols),
    ("i02_p129_queries_axfr_and_ixfr_on_one_connection", &["kdig"], on_one_connection),
    ("i06_p135_a_new_certificate_is_shown_without_a_restart", &[], another_certificate),
    ("i06_an_identity_of_its_own_is_kept", &[], of_its_own),
    ("i06_certificates_that_cannot_be_used_are_told", &[], cannot_be_used),
    ("r34_tls_answers_as_tcp_does", &[], as_tcp_does),
    ("i01_bind_follows_over_tls", &["dig", "named"], |yard| follows(yard, Kind::Bind)),
    ("i01_nsd_follows_over_tls", &["dig", "nsd"], |yard| follows(yard, Kind::Nsd)),
    ("p45_a_proxy_speaks_before_the_handshake", &[], behind_a_proxy),
];

/// Option codes.
const KEEPALIVE: u16 = 11;
const PADDING: u16 = 12;
const EDE: u16 = 15;
/// RFC 8467 §4.1.
const BLOCK: usize = 468;

/// A primary that listens for TLS too, with more lines of `[server]` and before the zones; where.
pub fn secure<'y>(yard: &'y Yard, server: &str, more: &str) -> (Bellwether<'y>, SocketAddr) {
    let primary = Bellwether::new(yard, "primary");
    let address = yard::free_address();
    primary.write_zone(&zone_text(1, 0));
    primary.configure_more(
        &format!("listen_tls = [\"{address}\"]\n{server}"),
        "",
        &format!(
            "{more}\n[[zones]]\nname = \"{ZONE}\"\nrole = \"primary\"\nfile = \"{}\"\n\
             allow_transfer = [\"key:{KEY_NAME}\"]\n",
            primary.zone_file().display()
        ),
    );
    primary.start();
    primary.wait(1);
    (primary, address)
}

fn soa(id: u16) -> Message {
    Message::query(id, ZONE, SOA)
}

fn padded(yard: &Yard) {
    let (_primary, address) = secure(yard, "", "");
    let mut stream = secure::to(address);
    for (qname, qtype) in [(ZONE, SOA), ("none.example.com", A), ("wide.example.com", A), (ZONE, NS)] {
        for asked in [0, 1, 100] {
            let question = Message::query(7, qname, qtype).edns(1232, &[(PADDING, &vec![0; asked])]);
            let reply = stream.ask(&question);
            assert_eq!(reply.0.len() % BLOCK, 0, "{qname}: {} octets", reply.0.len());
            let padding = reply.option(PADDING).expect("padding");
            assert!(padding.iter().all(|octet| *octet == 0), "{padding:?}");
            let plain = stream.ask(&Message::query(7, qname, qtype).edns(1232, &[]));
            assert_eq!(plain.option(PADDING), None);
            assert!(plain.0.len() + 4 <= reply.0.len());
            assert_eq!(plain.answers(), reply.answers());
        }
    }
    // With a signature the whole message is what an observer sees.
    let (signed, mut chain) = Seal::flock().request(soa(9).edns(1232, &[(PADDING, b"")]));
    let reply = stream.ask(&signed);
    assert!(chain.verify(&reply));
    assert_eq!(reply.0.len() % BLOCK, 0, "{} octets", reply.0.len());
    let port = address.port().to_string();
    let mut kdig = std::process::Command::new("kdig");
    kdig.args(["@127.0.0.1", "-p", &port, "+tls", "+padding=64", ZONE, "SOA"]);
    let text = yard::run(&mut kdig);
    assert!(text.contains(";; PADDING: ") && text.contains(";; Received 468 B"), "{text}");
}

fn transfers_take_tls_1_3(yard: &Yard) {
    let (primary, address) = secure(yard, "", "");
    let mut old = secure::connect(address, secure::client(&[&TLS12], &["dot"])).expect("a handshake");
    assert_eq!(old.ask(&soa(7)).rcode(), 0, "queries may be asked over TLS 1.2");
    for request in [Message::query(8, ZONE, AXFR), Message::ixfr(8, ZONE, 1)] {
        let reply = old.ask(&Seal::flock().request(request.edns(1232, &[])).0);
        assert_eq!((reply.rcode(), reply.answers().len()), (5, 0));
        let told = reply.option(EDE).expect("a reason");
        assert_eq!(&told[..2], 21u16.to_be_bytes());
        assert_eq!(&told[2..], b"BW-T07 transfer needs TLS 1.3");
    }
    let over_tcp = transfer(&mut Stream::to(primary.address), Message::query(7, ZONE, AXFR));
    let over_tls = transfer(&mut secure::to(address), Message::query(7, ZONE, AXFR));
    assert_eq!(over_tls, over_tcp);
    let text = yard::dig_signed(address, &["+tls", "+noall", "+answer", ZONE, "AXFR"]);
    assert_eq!(yard::records(&text).len(), over_tcp.len());
    let log = primary.log();
    assert!(log.contains("over=tls") && log.contains("over=tcp"), "{log}");
}

fn protocols(yard: &Yard) {
    let (_primary, address) = secure(yard, "", "");
    for versions in [&[&TLS12][..], &[&TLS13]] {
        let with = |protocols: &[&str]| secure::connect(address, secure::client(versions, protocols));
        let mut stream = with(&[]).expect("a handshake");
        assert_eq!(stream.ask(&soa(7)).rcode(), 0);
        let mut stream = with(&["doq", "dot"]).expect("a handshake");
        assert_eq!(stream.0.conn.alpn_protocol(), Some(&b"dot"[..]));
        assert_eq!(stream.ask(&soa(7)).rcode(), 0);
        let error = with(&["h2"]).expect_err("nothing in common");
        assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    }
    // Who does not speak TLS gets no answer, and keeps nobody from one.
    let mut plain = TcpStream::connect(address).expect("a connection");
    plain.write_all(&wire::frame(&soa(7).0)).expect("sent");
    let mut octets = Vec::new();
    let _ = plain.read_to_end(&mut octets);
    // At most an alert (RFC 8446 §6): type 21.
    assert!(octets.is_empty() || octets[0] == 21, "{octets:?}");
    assert_eq!(secure::to(address).ask(&soa(7)).rcode(), 0);
}

fn on_one_connection(yard: &Yard) {
    let (primary, address) = secure(yard, "", "");
    let mut stream = secure::to(address);
    let keepalive = stream.ask(&soa(7).edns(1232, &[(KEEPALIVE, b"")])).option(KEEPALIVE);
    assert!(keepalive.is_some(), "a connection is kept");
    let whole = transfer(&mut stream, Message::query(8, ZONE, AXFR));
    primary.write_zone(&zone_text(2, 1));
    primary.wait(2);
    let step = transfer(&mut stream, Message::ixfr(9, ZONE, 1));
    assert!(step.len() < whole.len() && step[0].serial() == 2 && step[1].serial() == 1, "{step:?}");
    assert_eq!(step[0].rtype, SOA);
    assert_eq!(stream.ask(&soa(10)).id(), 10);
    let key = format!("hmac-sha256:{KEY_NAME}:{}", yard::KEY_SECRET);
    let mut kdig = std::process::Command::new("kdig");
    kdig.args(["@127.0.0.1", "-p", &address.port().to_string(), "+tls", "+keepopen", "-y", &key]);
    kdig.args([ZONE, "SOA", ZONE, "AXFR", ZONE, "IXFR=1"]);
    let text = yard::run(&mut kdig);
    assert!(text.matches(";; Received").count() == 3 && !text.contains("WARNING"), "{text}");
    assert!(["AXFR", "IXFR"].iter().all(|qtype| text.contains(&format!(";; {qtype} for {ZONE}."))), "{text}");
    // A client may have all of it before the line is written.
    let clients = yard::poll("a line for each transfer", || {
        let log = primary.log();
        let sent = log.lines().filter_map(|line| line.split_once("transfer sent")?.1.split(' ').nth(2));
        let clients: Vec<String> = sent.map(str::to_owned).collect();
        (clients.len() >= 4).then_some(clients)
    });
    assert!(clients.len() == 4 && clients[2] == clients[3], "kdig came once: {clients:?}");
}

fn another_certificate(yard: &Yard) {
    let folder = yard.folder("certificates");
    let (certificate, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    let first = secure::write_identity(&certificate, &key);
    let files = format!("[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n", certificate.display(), key.display());
    let (primary, address) = secure(yard, "", &files);
    let mut before = secure::to(address);
    assert_eq!(secure::certificate(&before), first);
    let second = secure::write_identity(&certificate, &key);
    let reload = primary.command(&["reload"], &[]);
    assert!(reload.status.success(), "{}", yard::said(&reload));
    assert_eq!(secure::certificate(&secure::to(address)), second);
    assert_eq!(before.ask(&soa(7)).rcode(), 0, "a session that stands goes on");
    // A broken file is told, and changes nothing.
    fs::write(&certificate, "not a certificate").expect("a file");
    let reload = primary.command(&["reload"], &[]);
    let said = yard::said(&reload);
    assert!(!reload.status.success() && said.contains("there is no certificate in"), "{said}");
    assert_eq!(secure::certificate(&secure::to(address)), second);
}

fn of_its_own(yard: &Yard) {
    use std::os::unix::fs::PermissionsExt;
    let (primary, address) = secure(yard, "", "");
    let shown = secure::certificate(&secure::to(address));
    let file = primary.dir.join("state/tls.pem");
    let mode = fs::metadata(&file).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    primary.stop();
    primary.start();
    assert_eq!(secure::certificate(&secure::to(address)), shown, "it is the same after a restart");
    assert!(primary.log().contains("pin="), "clients can pin it");
}

fn cannot_be_used(yard: &Yard) {
    let server = Bellwether::new(yard, "primary");
    let path = |name: &str| server.dir.join(name);
    secure::write_identity(&path("one.pem"), &path("one.key"));
    secure::write_identity(&path("two.pem"), &path("two.key"));
    fs::write(path("empty.pem"), "").expect("a file");
    let damaged = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    fs::write(path("damaged.pem"), damaged).expect("a file");
    for (certificate, key, wanted) in [
        ("absent.pem", "one.key", "cannot read "),
        ("one.pem", "absent.key", "cannot read "),
        ("empty.pem", "one.key", "there is no certificate in "),
        ("one.pem", "empty.pem", "there is no private key in "),
        ("one.pem", "two.key", "is not one of the key in "),
        ("damaged.pem", "one.key", "is damaged"),
    ] {
        let files = format!("[tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n");
        server.configure_more("listen_tls = [\"127.0.0.1:0\"]", "", &files);
        let said = server.refuses_to_start();
        assert!(said.contains(wanted) && said.contains("config.toml:"), "{certificate}, {key}: {said}");
        let check = server.command(&["check"], &[]);
        assert!(!check.status.success() && yard::said(&check).contains(wanted));
    }
    server.configure_more("listen_tls = [\"127.0.0.1:0\"]", "", "[tls]\ncertificate = \"one.pem\"\n");
    let said = server.refuses_to_start();
    assert!(said.contains("[tls] lacks `key`"), "{said}");
    let both = format!("listen_tls = [\"{}\"]", server.address);
    server.configure_more(&both, "", "");
    let said = server.refuses_to_start();
    assert!(said.contains("a port speaks one protocol"), "{said}");
}

fn as_tcp_does(yard: &Yard) {
    let (primary, address) = secure(yard, "nsid = \"here\"\nversion = \"v\"", "");
    let names =
        ["", "www.", "none.", "x.wild.", "wild.", "sub.", "a.b.sub.", "x.old.", "_tcp.", "wide.", "wWw."];
    let mut stream = secure::to(address);
    let mut asked = 0;
    for name in names.iter().map(|name| format!("{name}{ZONE}")).chain(["not.ours".into(), ".".into()]) {
        for qtype in (1..=66).filter(|qtype| *qtype != 41).chain([249, 250, 253, 254, 255, 256, 65_280]) {
            let question = Message::query(7, &name, qtype).edns(4096, &[(3, b""), (19, b"")]);
            let [udp, tcp] = both(primary.address, &question);
            let tls = stream.ask(&question);
            assert_eq!(tls, tcp, "{name} TYPE{qtype}");
            assert_eq!((tls.rcode(), tls.flags() | wire::TC), (udp.rcode(), udp.flags() | wire::TC));
            asked += 1;
        }
    }
    assert!(asked > 900, "{asked}");
    for question in [
        Message::new(7, 0).question(&wire::name("version.bind"), TXT, 3),
        Message::new(7, 0),
        Message::new(7, 0x2800).question(&wire::name(ZONE), SOA, 1),
        Message(b"\0\x07\0\0\0\x01\0\0\0\0\0\0\xff".to_vec()),
    ] {
        assert_eq!(stream.ask(&question), Stream::to(primary.address).ask(&question));
    }
}

/// The whole zone and then differences, from a server that shows who it is.
fn follows(yard: &Yard, kind: Kind) {
    let folder = yard.folder("certificates");
    let (certificate, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    secure::write_identity(&certificate, &key);
    let mut peer = Peer::over_tls(yard, kind, &certificate);
    let primary = Bellwether::new(yard, "primary");
    let address = yard::free_address();
    primary.write_zone(&zone_text(1, 0));
    primary.configure_more(
        &format!("listen_tls = [\"{address}\"]"),
        "",
        &format!(
            "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n\n[peers.p]\naddress = \"{}\"\nkey = \"{KEY_NAME}\"\n\n\
             [[zones]]\nname = \"{ZONE}\"\nrole = \"primary\"\nfile = \"{}\"\nsecondaries = [\"p\"]\n",
            certificate.display(),
            key.display(),
            peer.address,
            primary.zone_file().display()
        ),
    );
    primary.start();
    primary.wait(1);
    peer.start(yard, Role::Secondary, address);
    peer.wait(1);
    for edits in 1..=3 {
        primary.write_zone(&zone_text(1 + edits, edits));
        primary.wait(1 + edits);
        peer.wait(1 + edits);
        yard::assert_same(primary.address, peer.address, ZONE);
    }
    assert!(peer.incremental_transfers() >= 3, "{}", peer.log());
    // Over TCP came only what compared.
    let sent = || {
        let is_sent = |line: &&str| line.contains("transfer sent") && line.contains("over=tls");
        primary.log().lines().filter(is_sent).count()
    };
    yard::poll("a line for each transfer", || (sent() >= 4).then_some(()));
    assert_eq!(sent(), 4, "{}", primary.log());
}

fn behind_a_proxy(yard: &Yard) {
    let (_primary, address) =
        secure(yard, "proxy_from = [\"127.0.0.1\"]\nallow_query = [\"192.0.2.0/24\"]", "");
    for (client, rcode) in [([192, 0, 2, 7], 0), ([198, 51, 100, 7], 5)] {
        let mut stream = TcpStream::connect(address).expect("a connection");
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
        header.extend(client);
        header.extend([127, 0, 0, 1, 0x30, 0x39, 0, 53]);
        stream.write_all(&header).expect("sent");
        let mut stream =
            secure::shake_hands(stream, secure::client(&[&TLS13], &["dot"])).expect("a handshake");
        assert_eq!(stream.ask(&soa(7)).rcode(), rcode, "{client:?}");
    }
}
