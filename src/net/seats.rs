//! How many connections there are, and of whom (RFC 7766 §6.2.2; a17).
//!
//! A client is an IPv4 address or an IPv6 /64. Whoever finds no seat is closed at once, so that one
//! client cannot keep others out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Counts connections over all runtimes.
#[derive(Debug)]
pub(super) struct Seats {
    total_max: usize,
    per_client_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    clients: HashMap<IpAddr, usize>,
}

/// One connection's right to be; given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    /// Whose it is; nobody's before the proxy has said for whom it speaks.
    client: Option<IpAddr>,
}

impl Seats {
    /// Seats for `total_max` connections, `per_client_max` of one client.
    pub fn new(total_max: usize, per_client_max: usize) -> Arc<Seats> {
        Arc::new(Seats { total_max, per_client_max, taken: Mutex::default() })
    }

    /// A seat for a connection from `address`, if one is free.
    pub fn take(self: &Arc<Seats>, address: IpAddr) -> Option<Seat> {
        let mut seat = self.take_for_proxy()?;
        seat.give_to(address).then_some(seat)
    }

    /// A seat for a connection whose client is not known yet.
    pub fn take_for_proxy(self: &Arc<Seats>) -> Option<Seat> {
        let mut taken = self.taken();
        if taken.total >= self.total_max {
            return None;
        }
        taken.total += 1;
        Some(Seat { seats: self.clone(), client: None })
    }

    /// How many are taken.
    #[cfg(test)]
    pub fn total(&self) -> usize {
        self.taken().total
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().expect("nobody panics with the seats")
    }
}

impl Seat {
    /// How long the connection may be without a message: less than `whole` while seats run short, so
    /// that those who do nothing make room (RFC 7766 §6.2.3).
    pub fn idle(&self, whole: Duration) -> Duration {
        let (taken, all) = (self.seats.taken().total, self.seats.total_max);
        match (taken * 10).checked_div(all) {
            Some(0..=4) | None => whole,
            Some(5..=8) => whole / 4,
            Some(_) => whole / 20,
        }
    }

    /// Gives a seat that is nobody's to the client at `address`; `false` if that has enough of them.
    pub fn give_to(&mut self, address: IpAddr) -> bool {
        let client = client_of(address);
        let mut taken = self.seats.taken();
        let own = taken.clients.entry(client).or_insert(0);
        if *own >= self.seats.per_client_max {
            return false;
        }
        *own += 1;
        self.client = Some(client);
        true
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        taken.total -= 1;
        let Some(client) = self.client else { return };
        if let Some(own) = taken.clients.get_mut(&client) {
            *own -= 1;
            if *own == 0 {
                taken.clients.remove(&client);
            }
        }
    }
}

fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p48_connections_have_less_time_while_seats_run_short() {
        let seats = Seats::new(10, 10);
        let whole = Duration::from_secs(20);
        let mut held = Vec::new();
        let mut idle = || {
            held.extend(seats.take("192.0.2.1".parse().expect("an address")));
            held.last().map(|seat| seat.idle(whole).as_secs())
        };
        let times: Vec<u64> = (0..10).filter_map(|_| idle()).collect();
        assert_eq!(times, [20, 20, 20, 20, 5, 5, 5, 5, 1, 1]);
    }

    #[test]
    fn a17_one_client_cannot_take_all_seats() {
        let seats = Seats::new(3, 2);
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let first = seats.take(address("2001:db8::1"));
        let second = seats.take(address("2001:db8::2"));
        assert!(first.is_some() && second.is_some());
        assert!(seats.take(address("2001:db8::3")).is_none());
        let other = seats.take(address("192.0.2.1"));
        assert!(other.is_some());
        assert!(seats.take(address("192.0.2.2")).is_none());
        drop(first);
        assert!(seats.take(address("::ffff:192.0.2.1")).is_some());
        let mut behind_a_proxy = seats.take_for_proxy();
        assert!(seats.take_for_proxy().is_none());
        assert!(behind_a_proxy.as_mut().is_some_and(|seat| seat.give_to(address("192.0.2.1"))));
        drop((second, behind_a_proxy));
        let again = [seats.take(address("192.0.2.1")), seats.take(address("2001:db8::9"))];
        assert!(again.iter().all(Option::is_some));
    }
}
