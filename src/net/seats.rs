//! How many connections there are, and of whom (RFC 7766 §6.2.2; a17).
//!
//! A client is an IPv4 address or an IPv6 /64. Whoever finds no seat is closed at once, so that one
//! client cannot keep others out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};

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
    client: IpAddr,
}

impl Seats {
    /// Seats for `total_max` connections, `per_client_max` of one client.
    pub fn new(total_max: usize, per_client_max: usize) -> Arc<Seats> {
        Arc::new(Seats { total_max, per_client_max, taken: Mutex::default() })
    }

    /// A seat for a connection from `address`, if one is free.
    pub fn take(self: &Arc<Seats>, address: IpAddr) -> Option<Seat> {
        let client = client_of(address);
        let mut taken = self.taken.lock().expect("nobody panics with the seats");
        let own = taken.clients.get(&client).copied().unwrap_or(0);
        if taken.total >= self.total_max || own >= self.per_client_max {
            return None;
        }
        taken.total += 1;
        taken.clients.insert(client, own + 1);
        Some(Seat { seats: self.clone(), client })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().expect("nobody panics with the seats");
        taken.total -= 1;
        if let Some(own) = taken.clients.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                taken.clients.remove(&self.client);
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
    }
}
