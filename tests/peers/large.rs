//! Records and sets of records near what one message can hold (R22).

use std::collections::BTreeSet;

use crate::Test;
use crate::bellwether::{Bellwether, Trust};
use crate::fake::{ask, serial};
use crate::pair::pair;
use crate::texts::{ZONE, zone_text};
use crate::transfer_out::transfer;
use crate::wire::{A, AXFR, Message, Rr, Stream, TC, TXT};
use crate::yard::{self, Yard};

/// The tests of this file.
pub const TESTS: &[Test] = &[
    ("r22_a_set_larger_than_a_message_travels", &[], a_set_larger_than_a_message),
    (
        "r22_a_record_that_fills_a_message_travels_and_a_larger_one_is_an_error",
        &[],
        a_record_that_fills_a_message,
    ),
];

fn whole(server: &Bellwether<'_>) -> BTreeSet<Rr> {
    transfer(&mut Stream::to(server.address), Message::query(1, ZONE, AXFR)).into_iter().collect()
}

fn a_set_larger_than_a_message(yard: &Yard) {
    let (primary, secondary) = pair(yard);
    // 8,000 addresses of one name: 128,000 octets however well they are packed.
    let mut text = zone_text(2, 0);
    for host in 0..8_000 {
        text += &format!("many A 10.1.{}.{}\n", host >> 8, host & 255);
    }
    primary.write_zone(&text);
    secondary.wait(2);
    let sets = [whole(&primary), whole(&secondary)];
    assert!(sets[0] == sets[1]);
    assert_eq!(sets[0].iter().filter(|record| record.owner_text().starts_with("many.")).count(), 8_000);
    for server in [&primary, &secondary] {
        // Over UDP as over TCP: cut, and nothing hangs.
        let answer = ask(server, "many.example.com", A);
        assert_eq!(answer.flags() & TC, TC);
        let mut stream = Stream::to(server.address);
        let answer = stream.ask(&Message::query(2, "many.example.com", A));
        assert!(answer.flags() & TC == TC && answer.count(1) == 0, "{:04x}", answer.flags());
        assert_eq!(stream.ask(&Message::query(3, ZONE, crate::wire::SOA)).serials(), [2]);
    }
    // One of them goes: a difference, not the set anew.
    primary.write_zone(&text.replace("( 2 ", "( 3 ").replace("many A 10.1.0.7\n", ""));
    secondary.wait(3);
    assert!(
        secondary.last_transfer().starts_with("ixfr to serial 3, 5 records"),
        "{}",
        secondary.last_transfer()
    );
    assert!(whole(&primary) == whole(&secondary));
}

/// A TXT record with RDATA of so many octets.
fn txt_line(octets: usize) -> String {
    let (full, rest) = (octets / 256, octets % 256);
    let mut line = format!("huge 60 TXT{}", format!(" \"{}\"", "y".repeat(255)).repeat(full));
    if rest > 0 {
        line += &format!(" \"{}\"", "z".repeat(rest - 1));
    }
    line + "\n"
}

fn a_record_that_fills_a_message(yard: &Yard) {
    let (primary, secondary) = (Bellwether::new(yard, "primary"), Bellwether::new(yard, "secondary"));
    primary.primary_for(secondary.address, Trust::Key);
    secondary.secondary_of(primary.address, Trust::Key);
    // The largest that `check` takes: beyond it, a load error that says so.
    let takes = |octets: usize| {
        primary.write_zone(&(zone_text(1, 0) + &txt_line(octets)));
        let output = primary.command(&["check"], &[]);
        let text = yard::said(&output);
        assert!(output.status.success() || text.contains("fits no DNS message"), "{text}");
        output.status.success()
    };
    let (mut fits, mut too_large) = (60_000, 65_500);
    assert!(takes(fits) && !takes(too_large));
    while too_large - fits > 1 {
        let middle = fits.midpoint(too_large);
        if takes(middle) { fits = middle } else { too_large = middle }
    }
    assert!(fits > 65_100, "{fits}");
    // It loads, is answered, and travels signed: whole and as a difference.
    primary.write_zone(&(zone_text(1, 0) + &txt_line(fits)));
    primary.start();
    primary.wait(1);
    secondary.start();
    secondary.wait(1);
    primary.write_zone(&(zone_text(2, 1) + &txt_line(fits).replace('y', "x")));
    secondary.wait(2);
    assert!(whole(&primary) == whole(&secondary));
    for server in [&primary, &secondary] {
        let answer = Stream::to(server.address).ask(&Message::query(1, "huge.example.com", TXT));
        assert_eq!(answer.answers().iter().map(|record| record.rdata.len()).collect::<Vec<_>>(), [fits]);
    }
    // One octet more is refused, and what was there stays.
    primary.write_zone(&(zone_text(3, 2) + &txt_line(too_large)));
    assert!(primary.problem().contains("fits no DNS message"), "{}", primary.problem());
    assert_eq!((serial(&primary), serial(&secondary)), (Some(2), Some(2)));
}
