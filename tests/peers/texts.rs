//! The zone that the tests edit, as text.

/// Its name.
pub const ZONE: &str = "example.com";
/// Hosts that an edit touches one by one.
const HOSTS: u32 = 60;

/// The zone at `serial`, after so many edits. Each edit adds a host, gives another one a new
/// address, and deletes a third. Refresh is an hour, so only NOTIFY brings a change in time.
pub fn zone_text(serial: u32, edits: u32) -> String {
    let mut text = format!(
        "$ORIGIN example.com.\n$TTL 3600\n\
         @ IN SOA ns1 hostmaster ( {serial} 3600 600 1209600 300 )\n\
         @ NS ns1\n@ NS ns2\nns1 A 192.0.2.1\nns2 AAAA 2001:db8::2\n\
         @ MX 10 mail\n@ TXT \"v=spf1 mx -all\" \"two strings\"\n@ CAA 0 issue \"ca.example.net\"\n\
         mail 600 A 192.0.2.25\n_imaps._tcp SRV 0 1 993 mail\n*.wild A 192.0.2.99\n\
         www CNAME mail\nsub NS ns.sub\nns.sub A 192.0.2.53\nold DNAME new.example.com.\n\
         _443._tcp.mail TLSA 3 1 1 0102030405060708091011121314151617181920212223242526272829303132\n"
    );
    for host in 1..=HOSTS {
        if host > 20 && host <= 20 + edits {
            continue;
        }
        let network = if host <= edits { "198.51.100" } else { "203.0.113" };
        text += &format!("host-{host} A {network}.{host}\n");
    }
    for edit in 1..=edits {
        text += &format!("added-{edit} A 192.0.2.{}\n", 100 + edit);
    }
    text
}

/// The same apex with other hosts only: a difference larger than the zone.
pub fn another_text(serial: u32) -> String {
    zone_text(serial, 0).replace("host-", "guest-").replace("203.0.113", "192.0.2")
}

/// A zone of so many hosts.
pub fn large_text(serial: u32, hosts: u32) -> String {
    let mut text = zone_text(serial, 0);
    for host in 0..hosts {
        text += &format!("large-{host} A 10.{}.{}.{}\n", host >> 16, host >> 8 & 255, host & 255);
    }
    text
}
