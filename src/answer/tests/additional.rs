//! What comes along with an answer: the addresses of the hosts that it names.

use super::*;

#[test]
fn b32_b34_additional_addresses() {
    let zones = example();
    let srv = |n| format!("an _sip._udp.example. 300 SRV {n} 1 506{} mail.example.", n - 1);
    let mail = "ad mail.example. 300 A 192.0.2.25";
    check(&zones, "_sip._udp.example. SRV", &["NoError aa", &srv(1), &srv(2), mail]);
    let shown = ask_with(&zones, "svc.example.", "HTTPS", 65_535, PLAIN);
    assert_eq!(shown[2..], ["ad svc.example. 300 A 192.0.2.90"]);
    let shown = ask_with(&zones, "svc2.example.", "HTTPS", 65_535, PLAIN);
    assert_eq!(shown[2..], ["ad www.example. 300 A 192.0.2.80", "ad www.example. 300 A 192.0.2.81"]);
    assert_eq!(ask_with(&zones, "svc0.example.", "HTTPS", 65_535, PLAIN).len(), 2);
    let wild = Zones(vec![zone("example.", "mx 60 MX 1 host.wild\n*.wild 60 A 192.0.2.99")]);
    let shown = ask_with(&wild, "mx.example.", "MX", 65_535, PLAIN);
    assert_eq!(shown[2..], ["ad host.wild.example. 60 A 192.0.2.99"]);
    let mut two = example();
    two.0.push(zone("other.", "ns 60 A 198.51.100.1"));
    let shown = ask_with(&two, "example.", "NS", 65_535, PLAIN);
    assert!(shown.contains(&"ad ns.other. 60 A 198.51.100.1".to_owned()), "{shown:?}");
}
