//! DNS over HTTPS (RFC 8484) and over QUIC (RFC 9250).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use axum::http::Request;
use rustls::version::TLS13;
use rustls::{ClientConnection, StreamOwned};

use crate::Test;
use crate::bellwether::Bellwether;
use crate::client::both;
use crate::encrypted::secure;
use crate::quick::{Http3, Quick};
use crate::secure::{self as client, Secure};
use crate::signature::Seal;
use crate::texts::ZONE;
use crate::wire::{self, AXFR, Message, NS, Reply, SOA, Stream, TC, TXT};
use crate::yard::{self, Yard};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("p130_https_answers_get_and_post", &["curl", "kdig"], get_and_post),
    ("p130_https_says_what_is_wrong", &["curl"], what_is_wrong),
    ("p130_https_waits_for_nobody", &[], dawdlers),
    ("p130_https_is_kept_as_long_as_its_records", &[], kept),
    ("p130_http3_answers_as_http2_does", &[], over_http3),
    ("p131_quic_answers_kdig", &["kdig"], quic_answers_kdig),
    ("i08_i09_i12_quic_clients_that_break_the_rules", &[], rules_of_quic),
    ("r34_https_and_quic_answer_as_tcp_does", &[], as_tcp_does),
    ("i06_https_and_quic_show_a_new_certificate", &[], another_certificate),
    ("a46_a47_padded_over_https_and_quic", &[], padded),
];

const PADDING: u16 = 12;
const EDE: u16 = 15;

/// A server for everything, with more lines before its zones; where HTTPS and QUIC are.
fn server<'y>(yard: &'y Yard, more: &str) -> (Bellwether<'y>, SocketAddr, SocketAddr) {
    server_with(yard, "version = \"v\"", more)
}

/// The same with more lines of `[server]`.
fn server_with<'y>(yard: &'y Yard, lines: &str, more: &str) -> (Bellwether<'y>, SocketAddr, SocketAddr) {
    let (https, quic) = (yard::free_address(), yard::free_address());
    let lines = format!("listen_https = [\"{https}\"]\nlisten_quic = [\"{quic}\"]\n{lines}");
    let (server, _) = secure(yard, &lines, more);
    (server, https, quic)
}

fn soa(id: u16) -> Message {
    Message::query(id, ZONE, SOA)
}

/// A client of HTTP/1.1 with one connection.
struct Http(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Http {
    fn to(server: SocketAddr) -> Http {
        let Stream(stream): Secure =
            client::connect(server, client::client(&[&TLS13], &["http/1.1"])).expect("a handshake");
        Http(BufReader::new(stream))
    }

    /// Sends a request; the status, the header in lower case, the body.
    fn send(&mut self, head: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
        let length = body.len();
        let text = format!("{head}\r\nHost: ns1.example.com\r\nContent-Length: {length}\r\n\r\n");
        self.0.get_mut().write_all(&[text.as_bytes(), body].concat()).expect("sent");
        let mut header = String::new();
        while !header.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut header).expect("a header"), 0, "{header}");
        }
        let header = header.to_lowercase();
        let status = header.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let length = header.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next());
        let mut body = vec![0; length.and_then(|length| length.parse().ok()).unwrap_or(0)];
        self.0.read_exact(&mut body).expect("a body");
        (status, header, body)
    }

    fn post(&mut self, message: &Message) -> (u16, String, Vec<u8>) {
        self.send("POST /dns-query HTTP/1.1\r\nContent-Type: application/dns-message", &message.0)
    }

    fn ask(&mut self, message: &Message) -> Reply {
        let (status, header, body) = self.post(message);
        assert!(status == 200 && header.contains("content-type: application/dns-message"), "{header}");
        Reply(body)
    }

    fn get(&mut self, message: &Message) -> Reply {
        let asked = data_encoding::BASE64URL_NOPAD.encode(&message.0);
        let (status, header, body) = self.send(&format!("GET /dns-query?dns={asked} HTTP/1.1"), b"");
        assert_eq!(status, 200, "{header}");
        Reply(body)
    }
}

fn curl(arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    let output =
        command.args(["-sk", "-D", "-", "-o", "/dev/null", "--max-time", "50"]).args(arguments).output();
    yard::said(&output.expect("curl"))
}

fn get_and_post(yard: &Yard) {
    let (_server, https, _) = server(yard, "");
    let port = https.port().to_string();
    for how in ["+https", "+https-get"] {
        let mut kdig = Command::new("kdig");
        kdig.args(["@127.0.0.1", "-p", &port, how, "www.example.com", "A"]);
        let text = yard::run(&mut kdig);
        assert!(text.contains("status: NOERROR") && text.contains("IN\tA\t"), "{how}: {text}");
    }
    let asked = data_encoding::BASE64URL_NOPAD.encode(&soa(0).0);
    let url = format!("https://{https}/dns-query?dns={asked}");
    for version in ["--http1.1", "--http2"] {
        for url in [url.clone(), url.replace('?', "?ct=x&")] {
            let header = curl(&[version, &url]).to_lowercase();
            let status = if version == "--http2" { "http/2 200" } else { "http/1.1 200 ok" };
            assert!(header.starts_with(status) && header.contains("application/dns-message"), "{header}");
        }
        let head = curl(&[version, "-I", &url]).to_lowercase();
        assert!(head.contains(" 200"), "{head}");
    }
}

fn what_is_wrong(yard: &Yard) {
    let (server, https, _) = server(yard, "");
    let url = |rest: &str| format!("https://{https}{rest}");
    let message = "Content-Type: application/dns-message";
    let large = format!("@{}", {
        let file = server.dir.join("large");
        std::fs::write(&file, vec![0; 65_536]).expect("a file");
        file.display().to_string()
    });
    for version in ["--http1.1", "--http2"] {
        for (arguments, status) in [
            (vec![url("/")], 404),
            (vec![url("/dns-query/x")], 404),
            (vec![url("/dns-query")], 400),
            (vec![url("/dns-query?dns=")], 400),
            (vec![url("/dns-query?dns=AAAA====")], 400),
            (vec![url("/dns-query?dns=*")], 400),
            // A response is no query.
            (vec![url("/dns-query?dns=AACAAAABAAAAAAAAAAABAAE")], 400),
            (vec!["-X".into(), "PUT".into(), url("/dns-query")], 405),
            (vec!["-d".into(), "x".into(), url("/dns-query")], 415),
            (
                vec![
                    "-H".into(),
                    "Content-Type: application/json".into(),
                    "-d".into(),
                    "x".into(),
                    url("/dns-query"),
                ],
                415,
            ),
            (vec!["-H".into(), message.into(), "-d".into(), "x".into(), url("/dns-query")], 400),
            (
                vec!["-H".into(), message.into(), "--data-binary".into(), large.clone(), url("/dns-query")],
                413,
            ),
        ] {
            let mut all = vec![version];
            all.extend(arguments.iter().map(String::as_str));
            let header = curl(&all);
            assert!(header.contains(&format!(" {status}")), "{version} {arguments:?}: {header}");
        }
    }
    // A header that never ends is not waited for.
    for version in ["--http1.1", "--http2"] {
        let header = curl(&[version, "-H", &format!("X: {}", "x".repeat(60_000)), &url("/dns-query?dns=AA")]);
        assert!(!header.contains(" 200") && !header.contains(" 400"), "{header}");
    }
    // Transfers do not travel here, and say so.
    let request = Seal::flock().request(Message::query(8, ZONE, AXFR).edns(1232, &[])).0;
    let reply = Http::to(https).ask(&request);
    assert_eq!((reply.rcode(), reply.answers().len()), (5, 0));
    assert_eq!(&reply.option(EDE).expect("a reason")[2..], b"BW-T08 transfer needs TCP or TLS");
    assert_eq!(Http::to(https).ask(&soa(7)).id(), 7, "the ID stays");
}

fn dawdlers(yard: &Yard) {
    let (server, https, _) = server_with(yard, "tcp_idle = \"1s\"", "");
    let begun = "POST /dns-query HTTP/1.1\r\nHost: x\r\nContent-Type: application/dns-message\r\n";
    let half = soa(0).0[..9].to_vec();
    for octets in [
        // Nothing, half a header, half a body.
        Vec::new(),
        begun.as_bytes().to_vec(),
        [format!("{begun}Content-Length: 40\r\n\r\n").into_bytes(), half].concat(),
    ] {
        for protocol in ["http/1.1", "h2"] {
            let mut stream =
                client::connect(https, client::client(&[&TLS13], &[protocol])).expect("a handshake").0;
            stream.write_all(&octets).expect("sent");
            let mut said = Vec::new();
            // It ends, perhaps with an answer that says so.
            let _ = stream.read_to_end(&mut said);
            assert!(!String::from_utf8_lossy(&said).contains(" 200"), "{said:?}");
        }
    }
    let mut http = Http::to(https);
    assert_eq!(http.ask(&soa(0)).rcode(), 0);
    drop(http);
    // A stop does not wait for those who only keep their connection.
    let _kept = Http::to(https);
    let begun = Instant::now();
    assert!(server.stop().success());
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

fn kept(yard: &Yard) {
    let (_server, https, _) = server(yard, "");
    let mut http = Http::to(https);
    let mut age = |qname: &str, qtype| {
        let (_, header, body) = http.post(&Message::query(0, qname, qtype));
        let age = header.split("max-age=").nth(1).and_then(|rest| rest.split('\r').next()).expect("an age");
        (age.parse::<u32>().expect("a number"), Reply(body))
    };
    let (answered, reply) = age(ZONE, SOA);
    assert_eq!(answered, reply.answers()[0].ttl);
    // The minimum of the SOA.
    assert_eq!(age("none.example.com", wire::A).0, 300);
    assert_eq!(age(ZONE, 99).0, 300);
    let (referral, reply) = age("a.sub.example.com", wire::A);
    let ns = reply.records().into_iter().find(|(_, record)| record.rtype == NS).expect("a referral");
    assert_eq!(referral, ns.1.ttl);
    assert_eq!(age("not.ours", wire::A).0, 0);
}

fn over_http3(yard: &Yard) {
    let (_server, https, _) = server(yard, "");
    let mut http3 = Http3::to(https);
    let url = format!("https://{https}/dns-query");
    let mut send = |method: &str, url: &str, media_type: &str, body: &[u8]| {
        let request = Request::builder().method(method).uri(url).header("content-type", media_type);
        let response = http3.send(request.body(body.to_vec()).expect("a request"));
        (response.status().as_u16(), response.into_body())
    };
    const MESSAGE: &str = "application/dns-message";
    let mut http = Http::to(https);
    for question in [soa(0), Message::query(9, "none.example.com", wire::A).edns(1232, &[(3, b"")])] {
        assert_eq!(send("POST", &url, MESSAGE, &question.0), (200, http.ask(&question).0));
        let asked = data_encoding::BASE64URL_NOPAD.encode(&question.0);
        assert_eq!(send("GET", &format!("{url}?dns={asked}"), "", b""), (200, http.get(&question).0));
    }
    let (signed, mut chain) = Seal::flock().request(soa(5));
    assert!(chain.verify(&Reply(send("POST", &url, MESSAGE, &signed.0).1)), "signatures hold");
    assert_eq!(send("POST", &url, "text/plain", &soa(0).0).0, 415);
    assert_eq!(send("POST", &url, MESSAGE, &[0; 65_536]).0, 413);
    assert_eq!(send("PUT", &url, MESSAGE, b"").0, 405);
    assert_eq!(send("GET", &format!("https://{https}/"), "", b"").0, 404);
    assert_eq!(send("POST", &url, MESSAGE, b"x").0, 400);
}

fn quic_answers_kdig(yard: &Yard) {
    let (server, _, quic) = server(yard, "");
    let mut kdig = Command::new("kdig");
    let port = quic.port().to_string();
    kdig.args(["@127.0.0.1", "-p", &port, "+quic", "+padding=64", "www.example.com", "A"]);
    let text = yard::run(&mut kdig);
    // A kdig that was built without QUIC says so.
    assert!(text.contains("status: NOERROR") && text.contains(";; Received 468 B"), "{text}");
    let counted = server.command(&["status"], &["--json"]);
    let counted: serde_json::Value = serde_json::from_slice(&counted.stdout).expect("JSON");
    assert_eq!(counted["traffic"]["quic_requests"], 1, "{counted}");
}

fn rules_of_quic(yard: &Yard) {
    let (_server, _, quic) = server(yard, "");
    let framed = |message: &Message| wire::frame(&message.0);
    let keepalive = soa(0).edns(1232, &[(11, b"")]);
    for (what, octets) in [
        ("two messages", [framed(&soa(0)), framed(&soa(0))].concat()),
        ("an ID", framed(&soa(1))),
        ("keepalive", framed(&keepalive)),
        ("half a message", framed(&soa(0))[..9].to_vec()),
        ("nothing", Vec::new()),
        ("a response", framed(&Message::new(0, wire::QR))),
        ("too much", vec![0; 80_000]),
    ] {
        let connection = Quick::to(quic);
        assert_eq!(connection.ask(&soa(0)).rcode(), 0);
        // DOQ_PROTOCOL_ERROR (RFC 9250 section 8.4).
        assert_eq!(connection.exchange(&octets), Err(2), "{what}");
        assert_eq!(connection.closed(), 2, "{what}");
    }
    assert!(Quick::with(quic, "h3").is_err(), "another protocol");
    let request = Seal::flock().request(Message::query(0, ZONE, AXFR).edns(1232, &[])).0;
    let reply = Quick::to(quic).ask(&request);
    assert_eq!(reply.rcode(), 5);
    assert_eq!(&reply.option(EDE).expect("a reason")[2..], b"BW-T08 transfer needs TCP or TLS");
}

fn as_tcp_does(yard: &Yard) {
    let (server, https, quic) = server(yard, "");
    let mut http = Http::to(https);
    let mut http3 = Http3::to(https);
    let url = format!("https://{https}/dns-query");
    let mut over_http3 = |message: &Message| {
        let request = Request::post(&url).header("content-type", "application/dns-message");
        Reply(http3.send(request.body(message.0.clone()).expect("a request")).into_body())
    };
    let mut doq = Quick::to(quic);
    let mut asked = 0;
    let mut compare = |question: &Message| {
        let [udp, tcp] = both(server.address, question);
        let named = format!("{:?}", Reply(question.0.clone()).question());
        assert_eq!(http.ask(question), tcp, "POST {named}");
        assert_eq!(http.get(question), tcp, "GET {named}");
        assert_eq!(over_http3(question), tcp, "HTTP/3 {named}");
        assert_eq!(doq.ask(question), tcp, "QUIC {named}");
        assert_eq!((udp.rcode(), udp.flags() | TC), (tcp.rcode(), tcp.flags() | TC), "{named}");
        asked += 1;
        if asked % 50 == 0 {
            doq = Quick::to(quic);
        }
    };
    let names = ["", "www.", "none.", "x.wild.", "sub.", "a.b.sub.", "x.old.", "wide.", "wWw.", "some."];
    for name in names.iter().map(|name| format!("{name}{ZONE}")).chain(["not.ours".into(), ".".into()]) {
        for qtype in [1, 2, 5, 6, 15, 16, 28, 33, 39, 43, 46, 47, 48, 50, 64, 65, 99, 250, 254, 255, 65_280] {
            compare(&Message::query(0, &name, qtype).edns(4096, &[(3, b""), (19, b"")]));
        }
    }
    for question in [
        Message::new(0, 0).question(&wire::name("version.bind"), TXT, 3),
        Message::new(0, 0),
        Message::new(0, 0x2800).question(&wire::name(ZONE), SOA, 1),
        Message(b"\0\0\0\0\0\x01\0\0\0\0\0\0\xff".to_vec()),
        Message::query(0, ZONE, SOA),
        // An unknown version of EDNS.
        Message::query(0, ZONE, SOA).additional(&wire::Rr {
            owner: vec![0],
            rtype: 41,
            class: 1232,
            ttl: 1 << 16,
            rdata: Vec::new(),
        }),
    ] {
        compare(&question);
    }
    assert!(asked > 250, "{asked}");
}

fn another_certificate(yard: &Yard) {
    let folder = yard.folder("certificates");
    let (certificate, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    let first = client::write_identity(&certificate, &key);
    let files = format!("[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n", certificate.display(), key.display());
    let (server, https, quic) = server(yard, &files);
    let shown = || {
        let http = client::connect(https, client::client(&[&TLS13], &["h2"])).expect("a handshake");
        [client::certificate(&http), Quick::to(quic).certificate(), Http3::to(https).certificate()]
    };
    assert_eq!(shown(), [first.clone(), first.clone(), first]);
    let before = Quick::to(quic);
    let second = client::write_identity(&certificate, &key);
    let reload = server.command(&["reload"], &[]);
    assert!(reload.status.success(), "{}", yard::said(&reload));
    assert_eq!(shown(), [second.clone(), second.clone(), second]);
    assert_eq!(before.ask(&soa(0)).rcode(), 0, "a connection that stands goes on");
}

fn padded(yard: &Yard) {
    let (_server, https, quic) = server(yard, "");
    for question in [soa(0), Message::query(0, "none.example.com", wire::A)] {
        let padded = question.edns(1232, &[(PADDING, b"")]);
        for reply in [Http::to(https).ask(&padded), Quick::to(quic).ask(&padded)] {
            assert_eq!(reply.0.len() % 468, 0);
            assert!(reply.option(PADDING).expect("padding").iter().all(|octet| *octet == 0));
        }
    }
}
