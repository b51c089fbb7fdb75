//! Every bound in one place, each a named constant.
//!
//! Foreign bytes never make us allocate, loop or queue without one of these. A limit that an
//! operator may move is the default of a config option and says so.

use std::time::Duration;

/// UDP payload that we send at most, whatever the client offers (RFC 9715 §3.1; test a10).
pub const UDP_PAYLOAD_MAX: u16 = 1232;
/// UDP payload without EDNS, and the least that an EDNS size is read as (RFC 6891 §6.2.3; a08, a09).
pub const UDP_PAYLOAD_MIN: u16 = 512;
/// The longest DNS message on a stream (RFC 1035 §4.2.2).
pub const MESSAGE_OCTETS_MAX: usize = 65_535;
/// Compression pointers that one name may take (a06); more than a name has labels is nothing but an attack.
pub const NAME_POINTERS_MAX: usize = 128;
/// Aim of one message of a transfer; a record that is longer gets a message of its own (d04, r22).
pub const TRANSFER_MESSAGE_OCTETS: usize = 16 * 1024;
/// Steps of a CNAME or DNAME chain that an answer follows (b05, r29).
pub const CHAIN_STEPS_MAX: usize = 16;
/// Iterations of NSEC3 that are hashed to answer a query (RFC 9276 §3.2; l10). Validators take what is
/// above for unsigned and say so by the count alone, so such a zone shows them one NSEC3, unhashed.
pub const NSEC3_ITERATIONS_MAX: u16 = 150;
/// Iterations of NSEC3 beyond which a chain is not used at all: RFC 5155 §10.3 allows no more for any key,
/// and the apex is hashed for each chain that a zone offers (l10).
pub const NSEC3_ITERATIONS_USED_MAX: u16 = 2500;
/// NSEC3PARAM records of one zone that are looked at for a chain to use (l15).
pub const NSEC3_CHAINS_MAX: usize = 8;
/// Records of one type at one name; default of `limits.records_per_type_max` (p192). A message of 64 KiB
/// holds some 4,000 of the shortest: four times as many are of no use to anybody.
pub const RECORDS_PER_TYPE_MAX: usize = 16_384;
/// Types at one name; default of `limits.types_per_name_max` (p192). Ten times as many as have a name of
/// their own; each lookup passes by those before the one it wants.
pub const TYPES_PER_NAME_MAX: usize = 1_000;
/// Labels of a name; default of `limits.labels_per_name_max` (p192). No more fit a name (RFC 1035 §3.1);
/// each makes the names above it exist.
pub const LABELS_PER_NAME_MAX: usize = 127;
/// Records of a zone for which a ZONEMD is made without `zonemd_force` (r33).
pub const ZONEMD_RECORDS_MAX: u64 = 500_000;
/// Hosts of one RRset whose addresses an answer may bring along.
pub const ADDITIONAL_TARGETS_MAX: usize = 32;
/// Observations of peers that a worker keeps until its driver takes them.
pub const OBSERVED_MAX: usize = 1024;
/// Refusals worth a log line that a worker keeps until its driver takes them.
pub const REFUSALS_MAX: usize = 64;
/// Counts of replies that rate limiting keeps at the same time, 16 octets each (o04).
pub const RATE_BUCKETS: usize = 1 << 16;
/// Replies of one class a second to one network; default of `rrl.per_second` (o01).
pub const REPLIES_PER_SECOND: u32 = 200;
/// Each n-th reply over the limit is sent truncated; default of `rrl.slip` (o01).
pub const RATE_SLIP: u32 = 2;
/// Error reports that a worker keeps until its driver takes them (a52).
pub const REPORTS_MAX: usize = 64;
/// Kinds of error reports, by zone and code, that are counted apart (a52).
pub const REPORT_KINDS_MAX: usize = 1024;
/// Deltas that hang in a version, so that a rush after a NOTIFY never touches the disk.
pub const RECENT_OCTETS_MAX: usize = 64 * 1024;
/// Zones in one group commit of the store.
pub const BATCH_ZONES_MAX: usize = 4096;
/// A body up to this many octets lives in the shared store, a larger one in a file (r04).
pub const INLINE_BODY_OCTETS_MAX: usize = 64 * 1024;
/// Default bound of a zone's history on disk, in octets.
pub const HISTORY_OCTETS_MAX: u64 = 64 * 1024 * 1024;
/// Threads that read zones back at the start.
pub const RECOVERY_THREADS_MAX: usize = 8;
/// Memory for pages of the store's database.
pub const STORE_CACHE_OCTETS: usize = 32 * 1024 * 1024;
/// Required deltas of a zone that are always borne before its body is written anew; above it, a
/// quarter of the body.
pub const REQUIRED_OCTETS_MIN: u64 = 1024 * 1024;
/// A change up to this size is kept as a delta however small its zone is.
pub const SMALL_CHANGE_OCTETS: u64 = 16 * 1024;
/// A change beyond this is kept as a new body, however large its zone is.
pub const DELTA_OCTETS_MAX: u64 = 256 * 1024 * 1024;
/// Deltas of history that one commit cuts at most.
pub const HISTORY_CUT_STEPS: usize = 256;
/// Unsigned messages that may stand between two signed ones in a transfer (RFC 8945 §5.3.1; h07).
pub const TSIG_UNSIGNED_MAX: u32 = 99;
/// The longest TSIG record that we sign with: two names, the MAC of HMAC-SHA512 (RFC 8945 §4.2; r22).
pub const SIGNATURE_OCTETS_MAX: usize = 255 + 10 + 13 + 16 + 64;
/// `$INCLUDE` depth (c02).
pub const INCLUDE_DEPTH_MAX: usize = 16;
/// Files that one zone file may include in all, the same one counted each time (c02).
pub const INCLUDE_FILES_MAX: usize = 4096;
/// Octets of a zone file that are read at once (r10).
pub const ZONE_CHUNK_OCTETS: usize = 1 << 20;
/// Octets of one entry of a zone file, its comments and line feeds counted (c01).
pub const ZONE_ENTRY_OCTETS_MAX: usize = 4 << 20;
/// Width of one number in a `$GENERATE` (c14).
pub const GENERATE_WIDTH_MAX: usize = 255;
/// Records of a zone whose file is scanned again only to put line numbers on warnings.
pub const FINDINGS_LOCATED_RECORDS_MAX: u64 = 100_000;
/// Errors, and as many warnings, that are kept of what a check of a zone finds; with more of them each
/// edit of the zone has it checked whole again.
pub const FINDINGS_KEPT_MAX: usize = 1024;
/// Records of a live version that share a cause with a change, so that they are checked again one by
/// one; with more of them the zone is checked whole.
pub const REFERRERS_KEPT_MAX: usize = 256;
/// Pages of a live version from which on a file is compared page by page; a smaller zone is built anew
/// in the time of a second scan.
pub const RELOAD_PAGES_MIN: usize = 16;
/// Records that one `$GENERATE` may make (c14).
pub const GENERATE_RECORDS_MAX: u64 = 1 << 20;
/// Errors shown of one file before the rest is only counted (c15).
pub const DIAGNOSTICS_MAX: usize = 20;
/// Octets that one transfer may bring; default of `transfer_octets_max` (d16).
pub const TRANSFER_OCTETS_MAX: u64 = 16 * 1024 * 1024 * 1024;
/// Records that one transfer may bring; default of `transfer_records_max` (d16).
pub const TRANSFER_RECORDS_MAX: u64 = 500_000_000;
/// The longest that a transfer may take, out (r21) or in; default of `transfer_time_max` (d16).
pub const TRANSFER_TIME_MAX: Duration = Duration::from_secs(2 * 60 * 60);
/// Silence on a transfer in after which it is given up.
pub const TRANSFER_IDLE_MAX: Duration = Duration::from_secs(30);
/// How long a new connection has to bring the answer to a poll (g10).
pub const POLL_ANSWER_WAIT: Duration = Duration::from_secs(5);
/// Wait for one answer over UDP.
pub const UDP_ANSWER_WAIT: Duration = Duration::from_secs(3);
/// Idle time of a TCP connection (a16).
pub const TCP_IDLE: Duration = Duration::from_secs(10);
/// A worker whose batches are full for so long on end is overloaded: far longer than a burst takes.
pub const OVERLOAD_AFTER: Duration = Duration::from_millis(10);
/// TCP connections in all (a17).
pub const TCP_CONNECTIONS_MAX: usize = 1024;
/// TCP connections of one client address (a17).
pub const TCP_CONNECTIONS_PER_CLIENT_MAX: usize = 128;
/// Octets that one connection may have with the kernel and not yet on the way (r21).
pub const TCP_UNSENT_OCTETS_MAX: u32 = 64 * 1024;
/// Transfers out at the same time (d14).
pub const TRANSFERS_OUT_MAX: usize = 128;
/// Octets of replaced versions that transfers out may keep in memory; default of `pinned_octets_max` (r21).
pub const PINNED_OCTETS_MAX: u64 = 1024 * 1024 * 1024;
/// Connections over which we ask at the same time.
pub const TRANSFERS_IN_MAX: usize = 64;
/// Connections to one peer that requests are sent over at the same time; more are made only beside those that
/// bring a long answer. BIND refuses more than ten transfers at once unless it is told otherwise.
pub const LINES_PER_PEER_MAX: usize = 8;
/// Requests that go out together over one connection (e12).
pub const PIPELINED_MAX: usize = 16;
/// Peers that are remembered to take one request at a time.
pub const SHY_PEERS_MAX: usize = 1024;
/// Idle connections to one peer that are kept for the next request (e12).
pub const KEPT_CONNECTIONS_PER_PEER_MAX: usize = 4;
/// Idle connections to one peer at all: more than those are kept for a moment only, until the next of very
/// many zones has its turn.
pub const IDLE_CONNECTIONS_PER_PEER_MAX: usize = TRANSFERS_IN_MAX;
/// Differences that are summed up into one step; longer chains are sent as they happened (r15).
pub const CONDENSE_OCTETS_MAX: usize = 16 * 1024 * 1024;
/// Condensed steps that are remembered for the next secondary that lags as far (r15).
pub const CONDENSED_CACHE_OCTETS: usize = 4 * 1024 * 1024;
/// SOA polls and NOTIFY that wait for their answer at the same time; more wait to be sent (f08).
pub const POLLS_MAX: usize = 256;
/// Requests to other servers that wait to be sent; more fail at once.
pub const REQUESTS_WAITING_MAX: usize = 1 << 16;
/// Addresses of name servers of one zone that are told of changes with `notify_ns` (r17).
pub const NAME_SERVERS_TOLD_MAX: usize = 64;
