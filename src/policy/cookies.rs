//! DNS cookies, the server's side: a client that shows one was heard at its address (RFC 7873, RFC 9018).
//!
//! A server cookie is a version, a time and a keyed hash over both, the client's own cookie and its
//! address, so nothing is kept for each client. All servers that have a secret accept each other's
//! cookies, whoever wrote them. Two secrets are live: the newest makes cookies, and the one before is
//! still good, so that a roll takes no cookie away that is still young enough (RFC 9018 §5).
//!
//! Absent: the clock and chance, which are arguments, and where secrets are kept (`service/`).

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use siphasher::sip::SipHasher24;
use smallvec::SmallVec;

use crate::dns::edns::{COOKIE_CLIENT_OCTETS, COOKIE_OCTETS};
use crate::time::Wall;

/// Secrets that are live at the same time.
pub const SECRETS_MAX: usize = 2;
/// A secret that makes cookies is at least this old before another one takes its place: a cookie that
/// it made is as old then, and no longer good anyway.
pub const SECRET_AGE_MIN: Duration = Duration::from_secs(60 * 60);

/// The one version there is (RFC 9018 §4.1).
const VERSION: u8 = 1;
/// A cookie is good for an hour (RFC 9018 §4.3).
const AGE_MAX_S: i32 = 60 * 60;
/// A cookie of half an hour is replaced.
const RENEW_AFTER_S: i32 = 30 * 60;
/// Clocks of other servers of the same set may be ahead.
const AHEAD_MAX_S: i32 = 5 * 60;

/// What is done with cookies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CookieMode {
    /// They are ignored.
    #[default]
    Off,
    /// Whoever sends one gets one.
    Answer,
    /// The same, and over UDP a client that knows cookies is answered only with a good one.
    Require,
}

/// What makes and checks cookies. The default ignores them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cookies {
    mode: CookieMode,
    /// The newest first.
    secrets: SmallVec<[CookieSecret; SECRETS_MAX]>,
}

/// A secret of 128 bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CookieSecret(pub [u8; 16]);

/// The secrets of a server that makes its own, with the time at which each was made, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CookieSecrets(pub SmallVec<[(Wall, CookieSecret); SECRETS_MAX]>);

/// What a request's cookie shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The client sent its own part only: it asks for the server's.
    New,
    /// The server's part is not ours, or not any more, or somebody else's.
    Bad,
    /// The client was heard at this address not long ago.
    Good,
}

/// A request's cookie and the one that the reply carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// What it shows.
    pub standing: Standing,
    /// The client's part, then the server's.
    pub reply: [u8; COOKIE_OCTETS],
}

impl Cookies {
    /// Cookies made with the first of `secrets`, of which [`SECRETS_MAX`] count.
    pub fn new(mode: CookieMode, secrets: impl IntoIterator<Item = CookieSecret>) -> Cookies {
        Cookies { mode, secrets: secrets.into_iter().take(SECRETS_MAX).collect() }
    }

    /// What is done with cookies.
    pub fn mode(&self) -> CookieMode {
        self.mode
    }

    /// Judges the data of a COOKIE option from `client`; `None` if cookies are ignored here, or if it has a
    /// length that none has (RFC 7873 §5.2.2).
    pub fn judge(&self, option: &[u8], client: IpAddr, now: Wall) -> Option<Cookie> {
        if !matches!(option.len(), 8 | 16..=40) {
            return None;
        }
        let (own, server) = option.split_first_chunk::<COOKIE_CLIENT_OCTETS>()?;
        let newest = self.secrets.first().filter(|_| self.mode != CookieMode::Off)?;
        let seconds = now.seconds() as u32;
        let good = server.try_into().ok().and_then(|server: &[u8; 16]| {
            let &[VERSION, _, _, _, t0, t1, t2, t3, ref hash @ ..] = server else { return None };
            // RFC 9018 §4.3: compared as serial numbers (RFC 1982).
            let age = seconds.wrapping_sub(u32::from_be_bytes([t0, t1, t2, t3])) as i32;
            let head = server.first_chunk()?;
            let maker = self.secrets.iter().find(|secret| secret.hash(own, head, client) == *hash)?;
            (-AHEAD_MAX_S..=AGE_MAX_S).contains(&age).then_some((maker, age))
        });
        let mut reply = [0; COOKIE_OCTETS];
        match good {
            Some((maker, age)) if age <= RENEW_AFTER_S && maker == newest => {
                reply[..].copy_from_slice(option.get(..COOKIE_OCTETS)?);
            }
            _ => {
                let [t0, t1, t2, t3] = seconds.to_be_bytes();
                let head = [VERSION, 0, 0, 0, t0, t1, t2, t3];
                reply[..8].copy_from_slice(own);
                reply[8..16].copy_from_slice(&head);
                reply[16..].copy_from_slice(&newest.hash(own, &head, client));
            }
        }
        let standing = match good {
            Some(_) => Standing::Good,
            None if server.is_empty() => Standing::New,
            None => Standing::Bad,
        };
        Some(Cookie { standing, reply })
    }
}

impl CookieSecret {
    /// RFC 9018 §4.4: SipHash-2-4 over the client's cookie, version, reserved, time, and its address.
    fn hash(&self, own: &[u8; 8], head: &[u8; 8], client: IpAddr) -> [u8; 8] {
        let mut input = [0; 32];
        input[..8].copy_from_slice(own);
        input[8..16].copy_from_slice(head);
        let length = match client.to_canonical() {
            IpAddr::V4(client) => {
                input[16..20].copy_from_slice(&client.octets());
                20
            }
            IpAddr::V6(client) => {
                input[16..32].copy_from_slice(&client.octets());
                32
            }
        };
        SipHasher24::new_with_key(&self.0).hash(&input[..length]).to_le_bytes()
    }
}

impl CookieSecrets {
    /// Lets `fresh` take over if the newest is older than `age`, or if there is none; whether it did.
    pub fn roll(&mut self, now: Wall, age: Duration, fresh: CookieSecret) -> bool {
        if self.0.first().is_some_and(|(made, _)| now.since(*made) < age.max(SECRET_AGE_MIN)) {
            return false;
        }
        self.0.truncate(SECRETS_MAX - 1);
        self.0.insert(0, (now, fresh));
        true
    }

    /// The secrets alone.
    pub fn iter(&self) -> impl Iterator<Item = CookieSecret> {
        self.0.iter().map(|(_, secret)| *secret)
    }
}

/// Shows nothing of it.
impl fmt::Debug for CookieSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieSecret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";
    const OLD: &str = "dd3bdf9344b678b185a6f5cb60fca715";
    const NEW: &str = "445536bcd2513298075a5d379663c962";
    const V6: &str = "2001:db8:220:1:59de:d0f4:8769:82b8";

    fn hex(text: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    fn secret(text: &str) -> CookieSecret {
        CookieSecret(hex(text).try_into().unwrap())
    }

    fn judge(secrets: &[&str], option: &str, client: &str, seconds: u64) -> (Standing, String) {
        let cookies = Cookies::new(CookieMode::Answer, secrets.iter().map(|text| secret(text)));
        let cookie = cookies.judge(&hex(option), client.parse().unwrap(), Wall(seconds * 1000)).unwrap();
        (cookie.standing, data_encoding::HEXLOWER.encode(&cookie.reply))
    }

    #[test]
    fn a37_the_test_vectors_of_rfc_9018() {
        use Standing::*;
        for (secrets, client, option, seconds, standing, reply) in [
            // A.1: a client learns a cookie; A.2: it is renewed 40 minutes later.
            (
                &[FIRST][..],
                "198.51.100.100",
                "",
                1559731985,
                New,
                "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
            ),
            (
                &[FIRST],
                "198.51.100.100",
                "010000005cf79f111f8130c3eee29480",
                1559734385,
                Good,
                "2464c4abcf10c957010000005cf7a871d4a564a1442aca77",
            ),
            // A.4: made with the secret before.
            (
                &[NEW, OLD],
                V6,
                "010000005cf7c57926556bd0934c72f8",
                1559741961,
                Good,
                "22681ab97d52c298010000005cf7c609a6bb79d16625507a",
            ),
            (
                &[NEW],
                V6,
                "010000005cf7c57926556bd0934c72f8",
                1559741961,
                Bad,
                "22681ab97d52c298010000005cf7c609a6bb79d16625507a",
            ),
            // A.3: the reserved octets are covered by the hash; the cookie is renewed without them. The
            // RFC's own reply comes too late for a good cookie, so half an hour is taken here.
            (
                &[FIRST],
                "203.0.113.203",
                "01abcdef5cf78f71a314227b6679ebf5",
                1559734700,
                Bad,
                "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e",
            ),
        ] {
            let own = &reply[..16];
            let got = judge(secrets, &format!("{own}{option}"), client, seconds);
            assert_eq!(got, (standing, reply.to_owned()), "{option}");
        }
        let reserved = "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5";
        assert_eq!(judge(&[FIRST], reserved, "203.0.113.203", 1559727985), (Good, reserved.to_owned()));
    }

    #[test]
    fn a38_a_cookie_is_good_from_its_address_only() {
        let option = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
        let standing = |client| judge(&[FIRST], option, client, 1559731985).0;
        assert_eq!(standing("198.51.100.100"), Standing::Good);
        assert_eq!(standing("::ffff:198.51.100.100"), Standing::Good);
        assert_eq!(standing("198.51.100.101"), Standing::Bad);
        let other = option.replacen("24", "25", 1);
        assert_eq!(judge(&[FIRST], &other, "198.51.100.100", 1559731985).0, Standing::Bad);
    }

    #[test]
    fn a39_a_cookie_is_good_for_an_hour_and_replaced_after_half_of_it() {
        let option = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
        for (after, standing, is_kept) in [
            (-301, Standing::Bad, false),
            (-300, Standing::Good, true),
            (0, Standing::Good, true),
            (1800, Standing::Good, true),
            (1801, Standing::Good, false),
            (3600, Standing::Good, false),
            (3601, Standing::Bad, false),
            (1 << 31, Standing::Bad, false),
        ] {
            let (got, reply) =
                judge(&[FIRST], option, "198.51.100.100", 1559731985_u64.wrapping_add_signed(after));
            assert_eq!((got, reply == option), (standing, is_kept), "{after} s");
        }
    }

    #[test]
    fn a37_what_is_no_server_cookie_of_this_kind() {
        let own = "2464c4abcf10c957";
        for server in ["020000005cf79f111f8130c3eee29480", "0102030405060708", &"00".repeat(32)] {
            let (standing, reply) = judge(&[FIRST], &format!("{own}{server}"), "198.51.100.100", 1559731985);
            assert_eq!(standing, Standing::Bad);
            assert_eq!(reply, format!("{own}010000005cf79f111f8130c3eee29480"));
        }
        let client = "192.0.2.1".parse().unwrap();
        for cookies in [Cookies::default(), Cookies::new(CookieMode::Off, [secret(FIRST)])] {
            assert_eq!(cookies.judge(&hex(own), client, Wall(0)), None);
        }
    }

    #[test]
    fn a40_a_roll_keeps_the_secret_before_and_takes_no_good_cookie_away() {
        let mut secrets = CookieSecrets::default();
        let wall = |seconds: u64| Wall(1_700_000_000_000 + seconds * 1000);
        assert!(secrets.roll(wall(0), Duration::ZERO, secret(FIRST)));
        assert!(!secrets.roll(wall(3599), Duration::ZERO, secret(OLD)));
        assert!(secrets.roll(wall(3600), Duration::ZERO, secret(OLD)));
        assert_eq!(secrets.iter().collect::<Vec<_>>(), [secret(OLD), secret(FIRST)]);
        // A clock that was set back rolls nothing.
        assert!(!secrets.roll(wall(0), Duration::ZERO, secret(NEW)));
        assert!(!secrets.roll(wall(7200), 2 * SECRET_AGE_MIN, secret(NEW)));
        assert!(secrets.roll(wall(7200), Duration::ZERO, secret(NEW)));
        assert_eq!(secrets.iter().collect::<Vec<_>>(), [secret(NEW), secret(OLD)]);
        assert_eq!(format!("{:?}", secret(NEW)), "CookieSecret");
    }
}
