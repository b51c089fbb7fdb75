//! Bellwether: an authoritative DNS server that keeps its secondaries exact.
//!
//! This page is the map. A file imports only from lower layers, and rooms of one layer do not
//! import each other; `tests/tidy.rs` holds that.
//!
//! | layer | room | what lives there |
//! |---|---|---|
//! | L0 | [`limits`] | one named constant for each bound |
//! | L0 | [`time`], [`ident`], [`trace`], [`reason`] | plain numbers, handles, explaining, causes with codes |
//! | L0 | [`dns`] | the vocabulary of DNS on bytes |
//! | L1 | [`zone`] | where a zone lives: versions, lookup, edit, difference, the order of signed zones, ZONEMD, the zone set, zone files |
//! | L2 | [`answer`] | where a query is answered, and what is absent proven |
//! | L2 | [`transfer`] | how a zone travels: AXFR and IXFR out and in, polls, NOTIFY |
//! | L2 | [`replica`] | when a zone travels: the refresh ladder, NOTIFY, who of the flock has what |
//! | L2 | [`policy`] | who may, and how much: rules over address, key and transport, response rates, cookies |
//! | L3 | [`serve`] | where a message is handled |
//! | L3 | [`mod@env`] | clocks, chance and the disk as traits; the real ones and the simulated ones |
//! | L4 | [`store`] | what survives a crash: bodies, deltas, deadlines |
//! | L4 | [`config`] | what the operator wrote, and what it means |
//! | L5 | [`engine`] | how a change becomes public; when a changed zone file is read |
//! | L6 | [`net`] | sockets, and nothing else |
//! | L6 | [`control`] | the operator's way in: a unix socket |
//! | L6 | [`service`] | wires everything together: start, reload, stop |
//! | L7 | [`cli`] | one file a subcommand |

pub mod answer;
pub mod cli;
pub mod config;
pub mod control;
pub mod dns;
pub mod engine;
pub mod env;
pub mod ident;
pub mod limits;
pub mod net;
pub mod policy;
pub mod reason;
pub mod replica;
pub mod serve;
pub mod service;
pub mod store;
pub mod time;
pub mod trace;
pub mod transfer;
pub mod zone;
