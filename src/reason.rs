//! Why something was refused, dropped or is not as it should be.
//!
//! One value is the source of the log line, the counter, the Extended DNS Error and what `explain`
//! says, so that both ends of a refusal name the same cause. Codes are stable: `BW-` + a letter
//! (C config, Z zone file, Q query, T transfer, S storage, K keys) + two digits.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal $ede:expr, $text:literal;)*) => {
        /// A cause with a stable code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason, for counters and the list of codes in the manual.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The stable code: `BW-T07`.
            pub fn code(self) -> &'static str {
                match self { $(Reason::$name => concat!("BW-", $code),)* }
            }

            /// What strangers are told as EDE text: code and phrase, at most 32 octets (R25).
            pub fn told(self) -> &'static str {
                match self { $(Reason::$name => concat!("BW-", $code, " ", $text),)* }
            }

            /// A fixed phrase without names, paths or rules.
            pub fn text(self) -> &'static str {
                match self { $(Reason::$name => $text,)* }
            }

            /// The INFO-CODE of RFC 8914 that goes with it, if it is ever told to a client.
            pub fn ede(self) -> Option<u16> {
                match self { $(Reason::$name => $ede,)* }
            }
        }
    };
}

reasons! {
    /// The config file cannot be read.
    ConfigUnreadable = "C01" None, "config cannot be read";
    /// The config is not TOML.
    ConfigSyntax = "C02" None, "config is not valid TOML";
    /// The config has a key that does not exist.
    ConfigUnknownKey = "C03" None, "unknown key in the config";
    /// A value of the config is not what its key takes.
    ConfigBadValue = "C04" None, "bad value in the config";
    /// The config lacks a key that must be there.
    ConfigMissingKey = "C05" None, "missing key in the config";
    /// The config refers to a peer, key or template that it does not define.
    ConfigUnknownName = "C06" None, "unknown name in the config";
    /// The config defines something twice.
    ConfigDuplicate = "C07" None, "defined twice in the config";
    /// Keys of the config that do not go together.
    ConfigConflict = "C08" None, "keys do not go together";
    /// The secret of a key cannot be read.
    ConfigSecret = "C09" None, "secret cannot be read";
    /// A path of the config is longer than the system takes.
    ConfigPathTooLong = "C10" None, "path is too long";
    /// The files of a pattern or formula cannot be found.
    ConfigFiles = "C11" None, "zone files cannot be found";
    /// A certificate or its key cannot be used.
    ConfigCertificate = "C12" None, "certificate cannot be used";
    /// The name is in no zone that we serve.
    NotServed = "Q01" Some(20), "not authoritative";
    /// The zone is known but its data is not loaded yet.
    NotLoaded = "Q02" Some(14), "not ready";
    /// The zone expired: no primary confirmed it for as long as its SOA allows.
    Expired = "Q03" Some(24), "zone expired";
    /// The zone failed inside the server and waits to be retried.
    Faulted = "Q04" Some(24), "zone failed";
    /// The query ACL refuses this client.
    QueryDenied = "Q05" Some(18), "query denied";
    /// An opcode, class or type that is not answered here.
    NotSupported = "Q06" Some(21), "not supported";
    /// A network gets no more replies of a class for now (R26).
    RateLimited = "Q07" None, "rate limit reached";
    /// A type that stands in messages only and is no question (RFC 9824 §3.5).
    QueryType = "Q08" Some(30), "not a query type";
    /// Clients that know cookies have to show a good one here (RFC 7873 §5.2.4).
    CookieWanted = "Q09" None, "cookie wanted";
    /// A resolver reported an error of a zone here (RFC 9567).
    ErrorReported = "Q10" None, "a resolver reports an error";
    /// No rule of `allow_transfer` matches the peer.
    TransferDenied = "T01" Some(18), "transfer denied";
    /// A rule matches the address but wants a key that was not used.
    TransferKeyWanted = "T02" Some(18), "wants another key";
    /// Transfers of the whole zone do not travel over UDP.
    TransferOverUdp = "T03" Some(21), "no AXFR over UDP";
    /// The name of the transfer is not the apex of a zone here.
    NotAnApex = "T04" Some(20), "not a zone apex";
    /// NOTIFY from somebody who is not a primary of the zone.
    NotifyDenied = "T05" Some(18), "notify denied";
    /// Too many transfers run at once.
    TransferBusy = "T06" Some(14), "too many transfers";
    /// Transfers over TLS take version 1.3 (RFC 9103 §7.2).
    TransferTlsOld = "T07" Some(21), "transfer needs TLS 1.3";
    /// Transfers travel over TCP and TLS, not over this transport.
    TransferElsewhere = "T08" Some(21), "transfer needs TCP or TLS";
    /// The peer did not answer in time.
    PeerSilent = "T10" None, "peer does not answer";
    /// No connection to the peer could be made, or it broke.
    PeerUnreachable = "T11" None, "peer cannot be reached";
    /// The peer refused, with the rcode in the log.
    PeerRefused = "T12" None, "peer refused";
    /// The peer's message cannot be parsed.
    PeerGarbled = "T13" None, "peer sent garbage";
    /// The peer's message does not belong to our question (id, opcode, question, class, QR).
    PeerMismatch = "T14" None, "reply does not fit the request";
    /// A transfer broke off before its closing SOA.
    TransferCut = "T15" None, "transfer broke off";
    /// The closing SOA differs from the opening one.
    TransferSoaDiffers = "T16" None, "closing SOA differs";
    /// A record outside of the zone, or of a type that is no zone data.
    TransferForeignRecord = "T17" None, "record outside of the zone";
    /// The differences do not fit the version that we hold.
    IxfrInconsistent = "T18" None, "differences do not fit";
    /// The peer's serial is lower than ours.
    SerialLower = "T19" None, "primary serial is lower";
    /// The peer's serial is exactly half the circle away.
    SerialUndefined = "T20" None, "serial distance undefined";
    /// A transfer exceeds a configured bound.
    TransferTooLarge = "T21" None, "transfer exceeds a limit";
    /// The transferred zone is not a zone (no SOA, two SOAs, no NS).
    TransferNotAZone = "T22" None, "transferred data is not a zone";
    /// The new version loses more than the guard lets pass.
    GuardHeld = "T23" None, "held by the guard";
    /// A record follows the closing SOA.
    TransferTrailing = "T24" None, "records after the closing SOA";
    /// The peer answers for the zone without being authoritative.
    PeerLame = "T25" None, "peer not authoritative";
    /// A serial below the one that was published is taken: the zone expired, or the operator lets it.
    SerialBack = "T26" None, "a lower serial is taken";
    /// No secondary answers, so nobody can say which serials were published before the state was lost.
    FlockSilent = "T27" None, "no secondary answers";
    /// A secondary has a serial that this server, which lost its state, does not remember.
    FlockAhead = "T28" None, "a secondary is ahead";
    /// A transferred zone does not match its ZONEMD (RFC 8976).
    TransferDigest = "T29" None, "ZONEMD does not verify";
    /// The peer does not know the key or will not take it.
    KeyUnknown = "K01" Some(18), "key unknown";
    /// The signature does not match.
    KeyBadSignature = "K02" Some(18), "signature does not match";
    /// The clocks are further apart than the fudge.
    KeyBadTime = "K03" Some(18), "clocks differ too much";
    /// A MAC shorter than the policy takes.
    KeyTruncated = "K04" Some(18), "MAC too short";
    /// A reply that must be signed is not.
    KeyMissing = "K05" None, "reply is not signed";
    /// The zone file cannot be read.
    FileUnreadable = "Z01" None, "zone file cannot be read";
    /// The zone file has errors.
    FileBroken = "Z02" None, "zone file has errors";
    /// The zone file is gone; the last version is served.
    FileVanished = "Z03" None, "zone file vanished";
    /// The serial in the file is lower than the one served.
    FileSerialLower = "Z04" None, "file serial is lower";
    /// The content changed and the serial did not, and the policy is to keep.
    FileSerialUnchanged = "Z05" None, "file serial is unchanged";
    /// The file was rejected by rollback and has not changed since.
    FileHeld = "Z06" None, "file is held back";
    /// The edit removes more than the guard lets pass.
    FileGuard = "Z07" None, "edit held by the guard";
    /// The zone file was written while it was read: it is read again when it is whole.
    FileUnsettled = "Z09" None, "zone file is being written";
    /// Text that is not what a zone file consists of.
    FileSyntax = "Z10" None, "zone file syntax";
    /// RDATA that its type does not allow.
    FileRdata = "Z11" None, "bad record data";
    /// A directive that makes no sense or names what is not there.
    FileDirective = "Z12" None, "bad directive";
    /// A record outside of the zone, or a name that is likely to lack its final dot.
    FileOutOfZone = "Z13" None, "name out of the zone";
    /// A TTL that is missing, too large or no TTL.
    FileTtl = "Z14" None, "bad or missing TTL";
    /// No SOA, two SOAs, or one in the wrong place.
    FileSoa = "Z15" None, "not exactly one SOA";
    /// A CNAME or DNAME beside data that it excludes.
    ZoneAlias = "Z16" None, "alias beside other data";
    /// Name servers are missing, or a delegation makes no sense.
    ZoneNs = "Z17" None, "bad delegation";
    /// A record points to a name that has no address, or to an alias.
    ZoneTarget = "Z18" None, "target has no address";
    /// A name server inside the delegated zone has no address beside the delegation.
    ZoneGlue = "Z19" None, "glue is missing";
    /// The timers of the SOA do not fit each other.
    ZoneTimers = "Z20" None, "odd SOA timers";
    /// Records that stand twice or differ in TTL.
    ZoneDuplicates = "Z21" None, "duplicate records";
    /// A signed zone cannot prove what does not exist, or not so that validators believe it.
    ZoneProofs = "Z22" None, "proofs of absence missing";
    /// The ZONEMD of a zone file does not verify, or none can be made for it (RFC 8976).
    ZoneDigest = "Z23" None, "ZONEMD does not verify";
    /// A name of a zone file has more records, types or labels than `[limits]` allows.
    ZoneExcess = "Z24" None, "zone exceeds a limit";
    /// The store could not write; versions are published but may be lost.
    StoreVolatile = "S01" None, "not on disk";
    /// The store could not write and the change must not be published.
    StoreRefused = "S02" None, "disk refuses, change waits";
    /// What the store held was damaged; the longest good prefix is used.
    StoreDamaged = "S03" None, "stored zone was damaged";
    /// Something in the zone file is odd but not wrong.
    FileWarning = "Z08" None, "zone file has warnings";
    /// A serial is not in the history any more.
    HistoryShort = "S05" None, "serial is not in the history";
    /// A version failed its digest.
    DigestDiffers = "S04" None, "digest differs";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code(), self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_texts_short() {
        let mut codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert_eq!(reason.told(), reason.to_string());
            assert!(reason.text().len() <= 32 && (reason.ede().is_none() || reason.told().len() <= 32));
        }
    }
}
