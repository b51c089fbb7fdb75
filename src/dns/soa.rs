//! The fields of SOA (RFC 1035 §3.3.13), borrowed from valid RDATA.

use super::{NameRef, Serial};

/// The start of a zone's authority: its version and the timers of its secondaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Soa<'a> {
    /// The primary server, as the zone names it.
    pub mname: NameRef<'a>,
    /// The mailbox of who answers for the zone, its `@` written as a dot.
    pub rname: NameRef<'a>,
    /// The version.
    pub serial: Serial,
    /// Seconds from one look at the primary to the next.
    pub refresh: u32,
    /// Seconds until the next look after one that failed.
    pub retry: u32,
    /// Seconds without a primary after which the zone is no longer served.
    pub expire: u32,
    /// Seconds for which "there is no such record" may be cached, with the TTL of the SOA itself
    /// (RFC 2308 §4).
    pub minimum: u32,
}

impl<'a> Soa<'a> {
    /// Takes the RDATA apart; `None` if it is not that of an SOA.
    pub fn from_rdata(rdata: &'a [u8]) -> Option<Soa<'a>> {
        let (mname, rest) = NameRef::split_from(rdata).ok()?;
        let (rname, rest) = NameRef::split_from(rest).ok()?;
        let numbers: &[u8; 20] = rest.try_into().ok()?;
        let number =
            |at: usize| u32::from_be_bytes([numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]]);
        Some(Soa {
            mname,
            rname,
            serial: Serial(number(0)),
            refresh: number(4),
            retry: number(8),
            expire: number(12),
            minimum: number(16),
        })
    }
}

/// The same RDATA with another serial. RDATA that is not that of an SOA comes back unchanged.
pub fn with_serial(rdata: &[u8], serial: Serial) -> Box<[u8]> {
    let mut changed: Box<[u8]> = rdata.into();
    if Soa::from_rdata(rdata).is_some() {
        let at = rdata.len() - 20;
        changed[at..at + 4].copy_from_slice(&serial.0.to_be_bytes());
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    const RDATA: &[u8] =
        b"\x02ns\x00\x04root\x00\0\0\0\x07\0\0\x0e\x10\0\0\x03\x84\0\x09\x3a\x80\0\0\x01\x2c";

    #[test]
    fn fields_are_found() {
        let soa = Soa::from_rdata(RDATA).unwrap();
        assert_eq!((soa.mname.to_string(), soa.rname.to_string()), ("ns.".into(), "root.".into()));
        assert_eq!(soa.serial, Serial(7));
        assert_eq!((soa.refresh, soa.retry, soa.expire, soa.minimum), (3600, 900, 604_800, 300));
        for length in 0..RDATA.len() {
            assert_eq!(Soa::from_rdata(&RDATA[..length]), None);
        }
    }

    #[test]
    fn only_the_serial_changes() {
        let changed = with_serial(RDATA, Serial(0xffff_fffe));
        let before = Soa::from_rdata(RDATA).unwrap();
        assert_eq!(Soa::from_rdata(&changed), Some(Soa { serial: Serial(0xffff_fffe), ..before }));
        assert_eq!(*with_serial(&RDATA[1..], Serial(1)), RDATA[1..]);
    }
}
