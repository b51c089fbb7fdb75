//! The load: a closed loop that keeps a server busy all the time.
//!
//! A few batches of 64 questions are always under way. Each leaves from another port and each of its
//! questions from another /24 of 127.0.0.0/8; when the oldest batch has its replies the next one
//! leaves. Waiting is a busy loop, so that no server pays for waking the client.

use std::collections::VecDeque;
use std::hint::spin_loop;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use bellwether::dns::message::Header;
use bellwether::net::sys::{BATCH, Batch, Local};

use crate::zone::{Numbers, Questions};

/// Batches under way. More would not fit the receive buffer that Linux gives by default while a busy
/// machine stops the server; with fewer the server would wait for us.
const BATCHES_UNDER_WAY: usize = 3;
/// Client ports, which are not those of the batches under way alone.
const PORTS: usize = 64;
/// How long a reply may take before it counts as lost; a busy machine may stop a server for a while.
const PATIENCE: Duration = Duration::from_secs(5);

/// The client.
pub struct Client {
    sockets: Vec<UdpSocket>,
    questions_out: Batch,
    replies_in: Batch,
    numbers: Numbers,
    /// Questions and batches sent so far.
    asked: usize,
    batches: usize,
}

/// What came back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Replies.
    pub replies: u64,
    /// Their octets.
    pub octets: u64,
    /// Replies that do not fit their question.
    pub wrong: u64,
    /// Questions without a reply.
    pub lost: u64,
}

/// What a reply must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// What the question calls for.
    Answers,
    /// Anything.
    Echo,
}

/// A batch under way.
struct Batched {
    number: usize,
    first_question: usize,
}

impl Client {
    /// A client with its ports.
    pub fn new() -> io::Result<Client> {
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Ok(Client {
            sockets: (0..PORTS).map(|_| UdpSocket::bind(any)).collect::<io::Result<_>>()?,
            questions_out: Batch::new(),
            replies_in: Batch::new(),
            numbers: Numbers(3),
            asked: 0,
            batches: 0,
        })
    }

    /// Asks for as long as `time`; when this returns nothing is under way any more.
    pub fn run(
        &mut self,
        server: SocketAddr,
        questions: &Questions,
        expect: Expect,
        time: Duration,
    ) -> io::Result<Tally> {
        let mut tally = Tally::default();
        let mut under_way = VecDeque::with_capacity(BATCHES_UNDER_WAY);
        let end = Instant::now() + time;
        while Instant::now() < end {
            if under_way.len() == BATCHES_UNDER_WAY
                && let Some(oldest) = under_way.pop_front()
            {
                self.collect(&oldest, questions, expect, &mut tally)?;
            }
            under_way.push_back(self.send(server, questions)?);
        }
        under_way.iter().try_for_each(|batch| self.collect(batch, questions, expect, &mut tally))?;
        Ok(tally)
    }

    fn send(&mut self, server: SocketAddr, questions: &Questions) -> io::Result<Batched> {
        let batch = Batched { number: self.batches, first_question: self.asked };
        self.questions_out.clear();
        for index in 0..BATCH {
            let Some(room) = self.questions_out.room() else { break };
            let (octets, _) = questions.at(batch.first_question + index);
            room[..octets.len()].copy_from_slice(octets);
            // The id tells which question of which batch a reply belongs to.
            room[..2].copy_from_slice(&(batch.number << 6 | index).to_be_bytes()[6..]);
            let [_, _, .., b, c] = self.numbers.draw().to_be_bytes();
            let client = Ipv4Addr::new(127, b, c, 53);
            self.questions_out.push(octets.len(), server, Some(Local::from(IpAddr::from(client))));
        }
        let mut sent = 0;
        while sent < BATCH {
            sent += self.questions_out.send(&self.sockets[batch.number % PORTS], sent)?;
        }
        self.asked += BATCH;
        self.batches += 1;
        Ok(batch)
    }

    fn collect(
        &mut self,
        batch: &Batched,
        questions: &Questions,
        expect: Expect,
        tally: &mut Tally,
    ) -> io::Result<()> {
        let socket = &self.sockets[batch.number % PORTS];
        let mut wanted = BATCH;
        let mut waiting_since = None;
        while wanted > 0 {
            match self.replies_in.receive(socket) {
                Ok(_) => waiting_since = None,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if waiting_since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                        tally.lost += wanted as u64;
                        return Ok(());
                    }
                    (0..50).for_each(|_| spin_loop());
                    continue;
                }
                Err(error) => return Err(error),
            }
            for reply in (0..self.replies_in.len()).filter_map(|index| self.replies_in.datagram(index)) {
                let Some(header) = Header::read(reply.octets) else { continue };
                let (number, index) = (usize::from(header.id >> 6), usize::from(header.id) % BATCH);
                // What came too late for an earlier batch of this port was counted as lost.
                if number != batch.number & 0x3ff {
                    continue;
                }
                wanted = wanted.saturating_sub(1);
                let (_, kind) = questions.at(batch.first_question + index);
                tally.replies += 1;
                tally.octets += reply.octets.len() as u64;
                tally.wrong += u64::from(expect == Expect::Answers && !kind.fits(&header));
            }
        }
        Ok(())
    }
}
