//! What a primary sends: whatever it is, it is refused or makes a version that holds together.
//!
//! The first octet chooses what was asked; the rest are messages, each behind its length in two octets.
#![no_main]

use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use bellwether::dns::Name;
use bellwether::ident::Transport;
use bellwether::time::{Now, Tick, Wall};
use bellwether::transfer::incoming::{Answer, Ask, AskKind, Exchange, Progress, TransferLimits};
use bellwether::zone::{Demands, DigestKey, Version, apply, text};
use libfuzzer_sys::fuzz_target;

const KEY: DigestKey = DigestKey([7; 16]);
const NOW: Now = Now { tick: Tick(1_000), wall: Wall(1_700_000_000_000) };

static BASE: LazyLock<Arc<Version>> = LazyLock::new(|| {
    let octets: &'static [u8] = include_bytes!("../zones/small.zone");
    let mut sources = |_: &Path| -> io::Result<Box<dyn Read>> { Ok(Box::new(octets)) };
    let apex = Name::parse("x.").expect("a name");
    let loaded = text::load(&mut sources, Path::new("zone"), &apex, KEY, &Demands::default());
    Arc::new(loaded.unwrap_or_else(|_| panic!("it does not load")).version)
});

fuzz_target!(|input: &[u8]| {
    let Some((asked, mut rest)) = input.split_first() else { return };
    let ask = Ask {
        apex: BASE.apex().to_name(),
        kind: [AskKind::Soa, AskKind::Ixfr, AskKind::Axfr][usize::from(*asked % 3)].clone(),
        base: Some(BASE.clone()),
        key: None,
        digest_key: KEY,
        limits: TransferLimits::default(),
        transport: if asked & 0x80 == 0 { Transport::Tcp } else { Transport::Udp },
        want_expire: asked & 0x40 != 0,
        accept_lower: asked & 0x20 != 0,
        demands: Demands::default(),
    };
    let mut request = Vec::new();
    let mut exchange = Exchange::start(ask, 0, NOW, &mut request);
    while let Some((length, more)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(more.len());
        let (message, after) = more.split_at(length);
        rest = after;
        match exchange.feed(message, NOW) {
            Ok(Progress::More) => {}
            Ok(Progress::Done(answer)) => return hold(answer),
            Err(error) => return assert!(!error.to_string().is_empty()),
        }
    }
});

/// A new version is what its steps make of the old one.
fn hold(answer: Answer) {
    let Answer::Changed { change, .. } = answer else { return };
    let mut at = Version::clone(&BASE);
    for delta in &change.deltas {
        at = apply(&at, delta).expect("a step that fits");
    }
    if !change.deltas.is_empty() {
        assert_eq!((at.serial(), at.digest()), (change.after.serial(), change.after.digest()));
    }
}
