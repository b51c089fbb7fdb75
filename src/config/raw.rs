//! The shape of the TOML, as serde reads it.
//!
//! Every value that can be wrong in a way that serde does not see is `Spanned`, so that the error
//! can point at it. Unknown keys are errors everywhere.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::units::{Octets, Seconds};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    pub server: RawServer,
    #[serde(default)]
    pub control: RawControl,
    #[serde(default)]
    pub rrl: RawRrl,
    #[serde(default)]
    pub cookies: RawCookies,
    #[serde(default)]
    pub reports: RawReports,
    #[serde(default)]
    pub tls: RawTls,
    #[serde(default)]
    pub limits: RawLimits,
    #[serde(default)]
    pub timers: RawTimers,
    #[serde(default)]
    pub keys: BTreeMap<Spanned<String>, RawKey>,
    #[serde(default)]
    pub peers: BTreeMap<Spanned<String>, RawPeer>,
    #[serde(default)]
    pub templates: BTreeMap<Spanned<String>, RawZone>,
    #[serde(default)]
    pub zones: Vec<Spanned<RawZone>>,
}

/// Zones alone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawZones {
    pub zones: Vec<Spanned<RawZone>>,
}

/// `[server]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServer {
    pub listen: Spanned<Vec<Spanned<String>>>,
    pub listen_tls: Option<Spanned<Vec<Spanned<String>>>>,
    pub listen_https: Option<Spanned<Vec<Spanned<String>>>>,
    pub listen_quic: Option<Spanned<Vec<Spanned<String>>>>,
    pub state_dir: Spanned<String>,
    pub workers: Option<Spanned<usize>>,
    pub durability: Option<RawDurability>,
    pub history_octets_max: Option<Octets>,
    pub tcp_idle: Option<Spanned<Seconds>>,
    pub tcp_connections: Option<Spanned<usize>>,
    pub tcp_connections_per_client: Option<Spanned<usize>>,
    pub pinned_octets_max: Option<Octets>,
    pub udp_payload_max: Option<Spanned<u16>>,
    pub udp_payload_max_ipv6: Option<Spanned<u16>>,
    pub version: Option<Spanned<String>>,
    pub identity: Option<Spanned<String>>,
    pub nsid: Option<Spanned<String>>,
    pub minimal_any: Option<RawMinimalAny>,
    pub allow_query: Option<Vec<Spanned<String>>>,
    pub proxy_from: Option<Vec<Spanned<String>>>,
}

/// `[control]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawControl {
    pub socket: Option<Spanned<String>>,
}

/// `[rrl]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRrl {
    pub per_second: Option<Spanned<u32>>,
    pub slip: Option<u32>,
    pub exempt: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub log_only: bool,
}

/// `[cookies]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCookies {
    pub mode: Option<RawCookieMode>,
    pub secret_file: Option<Spanned<String>>,
}

/// `mode = "answer" | "require" | "off"`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawCookieMode {
    Answer,
    Require,
    Off,
}

/// `[reports]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawReports {
    pub channel: Option<Spanned<String>>,
    pub agent: Option<Spanned<String>>,
}

/// `[tls]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    pub certificate: Option<Spanned<String>>,
    pub key: Option<Spanned<String>>,
}

/// `[limits]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    pub records_per_type_max: Option<Spanned<usize>>,
    pub types_per_name_max: Option<Spanned<usize>>,
    pub labels_per_name_max: Option<Spanned<usize>>,
}

/// `[timers]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTimers {
    pub refresh_min: Option<Spanned<Seconds>>,
    pub refresh_max: Option<Spanned<Seconds>>,
    pub retry_min: Option<Spanned<Seconds>>,
    pub retry_max: Option<Spanned<Seconds>>,
    pub expire_min: Option<Spanned<Seconds>>,
    pub expire_max: Option<Spanned<Seconds>>,
}

/// `[keys."NAME"]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawKey {
    pub algorithm: Option<Spanned<String>>,
    pub secret: Option<Spanned<String>>,
    pub secret_file: Option<Spanned<String>>,
    pub mac_octets_min: Option<Spanned<usize>>,
}

impl std::fmt::Debug for RawKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// `[peers.NAME]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPeer {
    pub address: Spanned<String>,
    pub key: Option<Spanned<String>>,
    #[serde(default)]
    pub require_address: bool,
}

/// `[[zones]]` and `[templates.NAME]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawZone {
    pub name: Option<Spanned<String>>,
    pub template: Option<Spanned<String>>,
    pub role: Option<Spanned<RawRole>>,
    pub file: Option<Spanned<String>>,
    pub secondaries: Option<Vec<Spanned<String>>>,
    pub notify: Option<Vec<Spanned<String>>>,
    pub notify_ns: Option<bool>,
    pub allow_transfer: Option<Vec<Spanned<String>>>,
    pub allow_query: Option<Vec<Spanned<String>>>,
    pub primaries: Option<Spanned<Vec<Spanned<String>>>>,
    pub ixfr: Option<Spanned<bool>>,
    pub serial: Option<Spanned<RawSerial>>,
    pub guard: Option<RawGuard>,
    pub guard_records: Option<u64>,
    pub guard_percent: Option<Spanned<u8>>,
    pub cold_start_bad_file: Option<Spanned<RawColdStart>>,
    pub lower_serial: Option<Spanned<RawLowerSerial>>,
    pub lower_serial_after: Option<Spanned<Seconds>>,
    pub transfer_octets_max: Option<Spanned<Octets>>,
    pub transfer_records_max: Option<Spanned<u64>>,
    pub transfer_time_max: Option<Spanned<Seconds>>,
    pub zonemd: Option<Spanned<RawZonemd>>,
    pub zonemd_generate: Option<Spanned<RawAlgorithm>>,
    pub zonemd_force: Option<Spanned<bool>>,
}

/// `role = "primary" | "secondary"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawRole {
    Primary,
    Secondary,
}

/// `serial = "increment" | "keep" | "date" | "unixtime"`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawSerial {
    Increment,
    Keep,
    Date,
    UnixTime,
}

/// `guard = "off" | "alarm" | "hold"`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawGuard {
    Off,
    Alarm,
    Hold,
}

/// `cold_start_bad_file = "serve_last" | "servfail"`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) enum RawColdStart {
    #[serde(rename = "serve_last")]
    ServeLast,
    #[serde(rename = "servfail")]
    ServFail,
}

/// `lower_serial = "alert" | "accept_after" | "never"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawLowerSerial {
    Alert,
    AcceptAfter,
    Never,
}

/// `zonemd = "off" | "if-present" | "require"`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawZonemd {
    Off,
    IfPresent,
    Require,
}

/// `zonemd_generate = "sha384" | "sha512"`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawAlgorithm {
    Sha384,
    Sha512,
}

/// `durability = "prefer" | "require"`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawDurability {
    Prefer,
    Require,
}

/// `minimal_any = "always" | "udp"`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawMinimalAny {
    Always,
    Udp,
}
