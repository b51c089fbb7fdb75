//! The one file of system calls: datagrams in batches, socket options, waiting.
//!
//! All `unsafe` of Bellwether is here, each block with the argument why it is sound. A batch owns
//! its buffers; the structures that the kernel reads and writes hold pointers into them and live
//! only for one call. Sockets are borrowed, never closed here.
//!
//! A datagram carries the local address it was sent to if the socket listens on a wildcard, so that
//! the reply leaves from the address that was asked (RFC 2181 §4.1; a19).
#![allow(unsafe_code)]

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// Datagrams that one system call takes in or sends out.
pub const BATCH: usize = 64;
/// Octets of one datagram that are received; a longer one is no query that we answer.
pub const DATAGRAM_OCTETS: usize = 4096;

/// Octets of control data: one PKTINFO of either family (36 or 40 octets), aligned as cmsghdr wants.
const CONTROL_WORDS: usize = 8;

/// Our own address of a datagram, and the interface if the address means nothing without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// The address that was asked, from which the reply leaves.
    pub address: IpAddr,
    interface: u32,
}

/// An address that means the same on every interface: all but link-local ones.
impl From<IpAddr> for Local {
    fn from(address: IpAddr) -> Local {
        Local { address, interface: 0 }
    }
}

/// One buffer with everything that belongs to a datagram.
struct Slot {
    octets: [u8; DATAGRAM_OCTETS],
    length: usize,
    address: libc::sockaddr_in6,
    address_length: libc::socklen_t,
    control: [u64; CONTROL_WORDS],
    control_length: usize,
}

impl Slot {
    fn empty() -> Slot {
        Slot {
            octets: [0; DATAGRAM_OCTETS],
            length: 0,
            // SAFETY: sockaddr_in6 is plain integers; all zeros is a value of it.
            address: unsafe { zeroed() },
            address_length: 0,
            control: [0; CONTROL_WORDS],
            control_length: 0,
        }
    }
}

/// Buffers for [`BATCH`] datagrams, used for receiving or for sending.
pub struct Batch {
    slots: Box<[Slot]>,
    filled: usize,
}

/// A datagram that came in.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Its octets.
    pub octets: &'a [u8],
    /// Who sent it.
    pub peer: SocketAddr,
    /// To which of our addresses, on a wildcard socket.
    pub local: Option<Local>,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch::new()
    }
}

impl Batch {
    /// Empty buffers.
    pub fn new() -> Batch {
        Batch { slots: (0..BATCH).map(|_| Slot::empty()).collect(), filled: 0 }
    }

    /// How many datagrams it holds.
    pub fn len(&self) -> usize {
        self.filled
    }

    /// Whether it holds no datagram.
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Forgets what it holds.
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// Takes in what waits on `socket`, at most [`BATCH`] datagrams, without blocking. A datagram
    /// that is longer than a buffer arrives empty.
    pub fn receive(&mut self, socket: &impl AsRawFd) -> io::Result<usize> {
        self.filled = 0;
        // SAFETY: iovec and mmsghdr are plain integers and pointers; all zeros is a value of them.
        let mut vectors: [libc::iovec; BATCH] = unsafe { zeroed() };
        // SAFETY: as above.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { zeroed() };
        for ((slot, vector), header) in self.slots.iter_mut().zip(&mut vectors).zip(&mut headers) {
            slot.length = DATAGRAM_OCTETS;
            slot.address_length = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            slot.control_length = size_of::<[u64; CONTROL_WORDS]>();
            *header = describe(slot, vector);
        }
        // SAFETY: each header points at a slot and a vector that live until the call returns, with
        // their true lengths (see `describe`); BATCH is the length of `headers`; a null timeout is
        // allowed.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (slot, header) in self.slots.iter_mut().zip(&headers).take(count) {
            let cut = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            slot.length = if cut { 0 } else { (header.msg_len as usize).min(DATAGRAM_OCTETS) };
            slot.address_length = header.msg_hdr.msg_namelen;
            slot.control_length = header.msg_hdr.msg_controllen.min(CONTROL_WORDS * 8);
        }
        self.filled = count.min(BATCH);
        Ok(self.filled)
    }

    /// The datagram at `index`; `None` past the end, or if its sender has no address that we know.
    pub fn datagram(&self, index: usize) -> Option<Datagram<'_>> {
        let slot = self.slots.get(index).filter(|_| index < self.filled)?;
        let peer = read_address(&slot.address, slot.address_length)?;
        Some(Datagram { octets: slot.octets.get(..slot.length)?, peer, local: read_control(slot) })
    }

    /// The buffer that the next datagram is written to; `None` if the batch is full.
    pub fn room(&mut self) -> Option<&mut [u8]> {
        self.slots.get_mut(self.filled).map(|slot| &mut slot.octets[..])
    }

    /// Adds what was written to [`Batch::room`]: `length` octets for `peer`, to leave from `local`.
    pub fn push(&mut self, length: usize, peer: SocketAddr, local: Option<Local>) {
        let Some(slot) = self.slots.get_mut(self.filled) else { return };
        slot.length = length.min(DATAGRAM_OCTETS);
        slot.address_length = write_address(&mut slot.address, peer);
        slot.control_length = local.map_or(0, |local| write_control(&mut slot.control, local));
        self.filled += 1;
    }

    /// Sends the datagrams from `first` on, as many as the kernel takes in one call; returns how
    /// many. An error belongs to the datagram `first` alone.
    pub fn send(&mut self, socket: &impl AsRawFd, first: usize) -> io::Result<usize> {
        // SAFETY: iovec and mmsghdr are plain integers and pointers; all zeros is a value of them.
        let mut vectors: [libc::iovec; BATCH] = unsafe { zeroed() };
        // SAFETY: as above.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { zeroed() };
        let filled = self.filled;
        let slots = self.slots.get_mut(first..filled).unwrap_or_default();
        let count = slots.len();
        for ((slot, vector), header) in slots.iter_mut().zip(&mut vectors).zip(&mut headers) {
            *header = describe(slot, vector);
        }
        // SAFETY: each of the first `count` headers points at a slot and a vector that live until
        // the call returns, with their true lengths (see `describe`).
        let sent =
            unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count as libc::c_uint, 0) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// The octets of the datagram at `index`, to change them, and its length.
    pub fn reply_mut(&mut self, index: usize) -> Option<(&mut [u8], &mut usize)> {
        self.slots.get_mut(index).map(|slot| (&mut slot.octets[..], &mut slot.length))
    }
}

/// The header that tells the kernel where the parts of `slot` are. The pointers are good as long as
/// `slot` and `vector` are neither moved nor dropped; both callers keep them borrowed over the call.
fn describe(slot: &mut Slot, vector: &mut libc::iovec) -> libc::mmsghdr {
    vector.iov_base = slot.octets.as_mut_ptr().cast();
    vector.iov_len = slot.length;
    // SAFETY: mmsghdr is plain integers and pointers; all zeros is a value of it.
    let mut header: libc::mmsghdr = unsafe { zeroed() };
    header.msg_hdr.msg_name = (&raw mut slot.address).cast();
    header.msg_hdr.msg_namelen = slot.address_length;
    header.msg_hdr.msg_iov = vector;
    header.msg_hdr.msg_iovlen = 1;
    if slot.control_length > 0 {
        header.msg_hdr.msg_control = slot.control.as_mut_ptr().cast();
        header.msg_hdr.msg_controllen = slot.control_length;
    }
    header
}

fn read_address(raw: &libc::sockaddr_in6, length: libc::socklen_t) -> Option<SocketAddr> {
    let length = length as usize;
    match libc::c_int::from(raw.sin6_family) {
        libc::AF_INET if length >= size_of::<libc::sockaddr_in>() => {
            // SAFETY: the kernel says that it wrote a sockaddr_in of at least this length; it is
            // smaller than sockaddr_in6, no stricter in alignment, and holds any bits.
            let raw = unsafe { &*(&raw const *raw).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(raw.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(raw.sin_port)).into())
        }
        libc::AF_INET6 if length >= size_of::<libc::sockaddr_in6>() => {
            let ip = Ipv6Addr::from(raw.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, u16::from_be(raw.sin6_port), 0, raw.sin6_scope_id).into())
        }
        _ => None,
    }
}

fn write_address(raw: &mut libc::sockaddr_in6, address: SocketAddr) -> libc::socklen_t {
    match address {
        SocketAddr::V4(address) => {
            // SAFETY: sockaddr_in is smaller than sockaddr_in6 and no stricter in alignment; the
            // reference ends before `raw` is used again.
            let raw = unsafe { &mut *(&raw mut *raw).cast::<libc::sockaddr_in>() };
            raw.sin_family = libc::AF_INET as libc::sa_family_t;
            raw.sin_port = address.port().to_be();
            raw.sin_addr.s_addr = u32::from(*address.ip()).to_be();
            raw.sin_zero = [0; 8];
            size_of::<libc::sockaddr_in>() as libc::socklen_t
        }
        SocketAddr::V6(address) => {
            raw.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            raw.sin6_port = address.port().to_be();
            raw.sin6_flowinfo = 0;
            raw.sin6_addr.s6_addr = address.ip().octets();
            raw.sin6_scope_id = address.scope_id();
            size_of::<libc::sockaddr_in6>() as libc::socklen_t
        }
    }
}

/// The words of a cmsghdr: its length, then level and type in one.
const CMSG_HEADER_WORDS: usize = 2;

/// Reads the first control message of a datagram. The layout is that of cmsghdr on 64-bit Linux: a
/// length of 8 octets, level and type of 4 each, then the data; so plain loads do and no pointer
/// is needed. On 32-bit systems the length has 4 octets and `CMSG_DATA` another offset: there
/// wildcard sockets are not told the local address.
fn read_control(slot: &Slot) -> Option<Local> {
    if slot.control_length < CMSG_HEADER_WORDS * 8 || size_of::<usize>() != 8 {
        return None;
    }
    let octets: ControlOctets = words_to_octets(&slot.control);
    let int = |at: usize| octets.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
    let (level, kind) = (int(8)? as libc::c_int, int(12)? as libc::c_int);
    if (level, kind) == (libc::IPPROTO_IP, libc::IP_PKTINFO) {
        let address: [u8; 4] = octets.get(20..24)?.try_into().ok()?;
        return Some(Local { address: Ipv4Addr::from(address).into(), interface: 0 });
    }
    if (level, kind) == (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) {
        let address: [u8; 16] = octets.get(16..32)?.try_into().ok()?;
        let address = Ipv6Addr::from(address);
        let interface = if address.is_unicast_link_local() { int(32)? } else { 0 };
        return Some(Local { address: address.into(), interface });
    }
    None
}

type ControlOctets = [u8; CONTROL_WORDS * 8];

fn words_to_octets(words: &[u64; CONTROL_WORDS]) -> ControlOctets {
    let mut octets = [0; CONTROL_WORDS * 8];
    for (octets, word) in octets.chunks_exact_mut(8).zip(words) {
        octets.copy_from_slice(&word.to_ne_bytes());
    }
    octets
}

/// Writes one PKTINFO that asks for `local` as the source address; returns the octets in use.
fn write_control(control: &mut [u64; CONTROL_WORDS], local: Local) -> usize {
    if size_of::<usize>() != 8 {
        return 0;
    }
    let mut octets = [0u8; CONTROL_WORDS * 8];
    let header = CMSG_HEADER_WORDS * 8;
    let (level, kind, data) = match local.address {
        IpAddr::V4(address) => {
            // in_pktinfo: interface, the local address, the destination (ignored for sending).
            octets[20..24].copy_from_slice(&address.octets());
            (libc::IPPROTO_IP, libc::IP_PKTINFO, size_of::<libc::in_pktinfo>())
        }
        IpAddr::V6(address) => {
            // in6_pktinfo: the address, then the interface.
            octets[16..32].copy_from_slice(&address.octets());
            octets[32..36].copy_from_slice(&local.interface.to_ne_bytes());
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, size_of::<libc::in6_pktinfo>())
        }
    };
    octets[0..8].copy_from_slice(&((header + data) as u64).to_ne_bytes());
    octets[8..12].copy_from_slice(&level.to_ne_bytes());
    octets[12..16].copy_from_slice(&kind.to_ne_bytes());
    for (word, octets) in control.iter_mut().zip(octets.chunks_exact(8)) {
        *word = octets.try_into().map_or(0, u64::from_ne_bytes);
    }
    (header + data).next_multiple_of(8)
}

/// Prepares a UDP socket: the local address with each datagram if it listens on a wildcard, and no
/// trust in path MTU messages, which anybody can forge (RFC 9715 §3.1; R30).
pub fn prepare_udp(socket: &impl AsRawFd, local: SocketAddr) -> io::Result<()> {
    let fd = socket.as_raw_fd();
    let wildcard = local.ip().is_unspecified();
    match local {
        SocketAddr::V4(_) => {
            if wildcard {
                set_option(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
            }
            set_option(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT)
        }
        SocketAddr::V6(_) => {
            if wildcard {
                set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
            }
            set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_OMIT)
        }
    }
}

/// Datagrams that the kernel has dropped since the socket was made, because nobody read them in time
/// (R30). The counter of SO_RXQ_OVFL, but asked for: so it costs nothing on the way of a query.
pub fn receive_drops(socket: &impl AsRawFd) -> io::Result<u32> {
    let mut counts = [0u32; MEMINFO_VARS];
    let mut length = size_of::<[u32; MEMINFO_VARS]>() as libc::socklen_t;
    // SAFETY: `counts` and `length` live over the call, and `length` is the true length of `counts`.
    let result = unsafe {
        let counts = counts.as_mut_ptr().cast();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_MEMINFO, counts, &raw mut length)
    };
    if result == 0 { Ok(counts[MEMINFO_DROPS]) } else { Err(io::Error::last_os_error()) }
}

/// Entries of SO_MEMINFO (linux/sock_diag.h).
const MEMINFO_VARS: usize = 9;
/// The last of them: the drops.
const MEMINFO_DROPS: usize = 8;

/// Has a listening socket tell of a connection when something has come over it, or after `wait` (in whole
/// seconds) if nothing does.
pub fn defer_accept(socket: &impl AsRawFd, wait: Duration) -> io::Result<()> {
    let seconds = libc::c_int::try_from(wait.as_secs()).unwrap_or(libc::c_int::MAX);
    set_option(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, seconds)
}

fn set_option(fd: RawFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the value is an int that lives over the call, with its true length.
    let result = unsafe {
        let value = (&raw const value).cast();
        libc::setsockopt(fd, level, name, value, size_of::<libc::c_int>() as libc::socklen_t)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Octets from which on memory comes from the system by itself and goes back when it is freed.
#[cfg(target_env = "gnu")]
const GIVEN_BACK_OCTETS: libc::c_int = 128 * 1024;
/// Octets that are taken from the system at a time for smaller pieces.
#[cfg(target_env = "gnu")]
const TAKEN_OCTETS: libc::c_int = 1024 * 1024;

/// Lets no thread hold memory that others could use. Large pieces always go back to the system: glibc
/// begins so, but the first one that is freed teaches it to keep the next ones, and after a large zone was
/// loaded twice as much would be held as is used. Small pieces come from one arena: what a zone is made of
/// is allocated by one thread and freed by another, and an arena of each thread would keep holes and grow
/// by a system call for every page. To be called before other threads run.
#[cfg(target_env = "gnu")]
pub fn share_memory() {
    let settings = [
        (libc::M_MMAP_THRESHOLD, GIVEN_BACK_OCTETS),
        (libc::M_ARENA_MAX, 1),
        (libc::M_TOP_PAD, TAKEN_OCTETS),
        (libc::M_TRIM_THRESHOLD, 2 * TAKEN_OCTETS),
    ];
    for (setting, value) in settings {
        // SAFETY: it sets a number of the allocator, takes no pointers, and any number is a valid one. If
        // it is refused the default stays.
        let _ = unsafe { libc::mallopt(setting, value) };
    }
}

/// Gives back what small pieces were freed of: what reading the config of very many zones took. The threads
/// that run afterwards allocate elsewhere and would never use it.
#[cfg(target_env = "gnu")]
pub fn give_freed_memory_back() {
    // SAFETY: it takes a number, touches only what the allocator itself knows to be free, and may be called
    // at any time from any thread.
    let _ = unsafe { libc::malloc_trim(0) };
}

/// Wakes every thread that waits with it, once and for all.
#[derive(Clone, Debug)]
pub struct Wake(Arc<OwnedFd>);

impl Wake {
    /// A wake that has not rung yet.
    pub fn new() -> io::Result<Wake> {
        // SAFETY: eventfd has no pointer arguments.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new, open, and nobody else knows it.
        Ok(Wake(Arc::new(unsafe { OwnedFd::from_raw_fd(fd) })))
    }

    /// Rings: every wait from now on returns at once.
    pub fn ring(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: the eight octets live over the call. It fails only if the counter is full, and
        // then it rings already.
        let _ = unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Waits until `socket` has a datagram or the wake rings; true if it rang.
    pub fn wait(&self, socket: &impl AsRawFd) -> io::Result<bool> {
        let interest = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut sources = [interest(socket.as_raw_fd()), interest(self.0.as_raw_fd())];
        // SAFETY: two pollfds that live over the call; null for no timeout and no signal mask.
        let ready = unsafe { libc::ppoll(sources.as_mut_ptr(), 2, std::ptr::null(), std::ptr::null()) };
        if ready < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(false) } else { Err(error) };
        }
        Ok(sources[1].revents != 0)
    }
}

#[cfg(test)]
mod tests;
