//! Bellwether against other name servers and programs, each a process of its own on loopback.
//!
//! `shared/runner.rs` says which run and what is left out. No test depends on timing: all wait for what they expect.

mod algorithm;
mod bellwether;
mod bounds;
mod circle;
mod client;
mod cookies;
mod crowd;
mod differences;
mod disk;
mod durable;
mod edits;
mod enclosure;
mod encrypted;
mod fake;
mod files;
#[path = "../shared/ground.rs"]
mod ground;
mod hints;
mod hostile;
mod https;
mod identity;
mod incremental;
mod interop;
mod kills;
mod kinds;
mod large;
mod lost;
mod masters;
mod messages;
mod million;
mod notified;
mod notify;
mod observer;
mod operator;
mod options;
mod pair;
mod peer;
mod proxies;
mod queries;
mod questions;
mod quick;
mod rates;
mod relay;
mod reports;
#[path = "../shared/runner.rs"]
mod runner;
mod secure;
mod service;
mod signature;
mod signed;
mod signed_chain;
mod signed_primary;
mod signer;
mod slow;
mod sockets;
mod streams;
mod survival;
mod texts;
mod timers;
mod transfer_out;
mod tsig;
mod wire;
mod yard;
mod zonemd;

use std::process::ExitCode;

use runner::Test;

/// All tests, a list for each file.
const ALL: &[&[Test]] = &[
    algorithm::TESTS,
    bounds::TESTS,
    circle::TESTS,
    cookies::TESTS,
    crowd::TESTS,
    differences::TESTS,
    disk::TESTS,
    durable::TESTS,
    edits::TESTS,
    encrypted::TESTS,
    files::TESTS,
    hints::TESTS,
    hostile::TESTS,
    https::TESTS,
    identity::TESTS,
    incremental::TESTS,
    interop::TESTS,
    kills::TESTS,
    kinds::TESTS,
    large::TESTS,
    lost::TESTS,
    masters::TESTS,
    messages::TESTS,
    million::TESTS,
    notified::TESTS,
    notify::TESTS,
    operator::TESTS,
    options::TESTS,
    pair::TESTS,
    proxies::TESTS,
    queries::TESTS,
    questions::TESTS,
    rates::TESTS,
    reports::TESTS,
    service::TESTS,
    signed::TESTS,
    signed_chain::TESTS,
    signed_primary::TESTS,
    slow::TESTS,
    sockets::TESTS,
    streams::TESTS,
    survival::TESTS,
    timers::TESTS,
    transfer_out::TESTS,
    tsig::TESTS,
    zonemd::TESTS,
];

fn main() -> ExitCode {
    runner::main(ALL)
}
