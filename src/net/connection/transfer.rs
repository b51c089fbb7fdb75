//! A transfer on a connection.
//!
//! One that fits a message leaves with the replies around it, so that very many small zones, asked for
//! together, cost a write for many of them. A longer one has its next message packed when the last one is
//! with the kernel, so a slow reader costs one message of memory; one that is slower than
//! [`PACE_OCTETS_PER_SECOND`] is cut off, and so is one for whom too much of a version is kept that was
//! replaced (R21).

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, interval_at, timeout_at};

use super::{Connection, PREFIX, SPARE_MAX, Shared, write};
use crate::dns::edns::{Opt, OptOption};
use crate::dns::message::{Question, Writer};
use crate::dns::tsig::Signer;
use crate::dns::{Class, Name, RecordType, ResponseCode};
use crate::limits::{MESSAGE_OCTETS_MAX, TRANSFER_TIME_MAX};
use crate::net::pins::{JUDGED_EVERY, Pin};
use crate::net::{Delivery, Desk};
use crate::reason::Reason;
use crate::transfer::outgoing::{Outgoing, Requested, TransferStart};

/// The slowest that a client may read a transfer, in octets a second (R21).
const PACE_OCTETS_PER_SECOND: u64 = 10_000;
/// Time that a transfer has on top of its pace.
const PACE_GRACE: Duration = Duration::from_secs(30);
/// A transfer of which all is packed.
pub(super) struct Sent {
    zone: Name,
    outgoing: Outgoing,
    began: Instant,
}

impl Shared {
    /// Waits until a transfer has to stop. Meanwhile edits may make too many of all versions that are
    /// held replaced ones, though no transfer begins.
    async fn revoked(&self, pin: &Pin) {
        let mut looks = interval_at(Instant::now() + JUDGED_EVERY, JUDGED_EVERY);
        loop {
            tokio::select! {
                () = pin.revoked() => return,
                now = looks.tick() => if self.pins.is_due(now) {
                    self.planner.judge_pins();
                },
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A transfer, to its end; one that fits a message is only added to the output.
    pub(super) async fn transfer(&mut self, start: TransferStart) -> io::Result<()> {
        let shared = self.shared.clone();
        let Ok(_permit) = shared.transfers.try_acquire() else {
            tracing::warn!(peer = %self.peer, zone = %start.asked, "refused: too many transfers at once");
            self.output.extend_from_slice(&busy(start, &*shared.desk));
            return Ok(());
        };
        let zone = start.asked.clone();
        tracing::debug!(%zone, peer = %self.peer, "transfer begins");
        if start.wants_history().is_some() {
            // That may take a while: what is answered already does not wait for it.
            self.flush().await?;
        }
        let Some(outgoing) = shared.planner.plan(start).await else {
            return Err(io::ErrorKind::Interrupted.into());
        };
        let mut sent = Sent { zone, outgoing, began: Instant::now() };
        let spare = shared.spare.borrow_mut().pop();
        let mut buffer = spare.unwrap_or_else(|| vec![0; PREFIX + MESSAGE_OCTETS_MAX]);
        let done = match sent.pack(&*shared.desk, &mut buffer) {
            Ok(length) if sent.outgoing.is_packed() => {
                self.output.extend_from_slice(&buffer[..length]);
                self.whole.push(sent);
                Ok(())
            }
            Ok(length) => self.send(&mut sent, &mut buffer, length).await,
            Err(error) => {
                self.flush().await?;
                let failed = Err(error);
                sent.tell(self, &failed);
                failed
            }
        };
        let mut spare = shared.spare.borrow_mut();
        if spare.len() < SPARE_MAX {
            spare.push(buffer);
        }
        done
    }

    /// Sends what takes several messages, of which the first is packed.
    async fn send(&mut self, sent: &mut Sent, buffer: &mut [u8], length: usize) -> io::Result<()> {
        self.flush().await?;
        let shared = self.shared.clone();
        let pin = shared.pins.take(sent.outgoing.version().clone());
        // It begins with what is served now: only edits make that a replaced version.
        if shared.pins.is_due(sent.began) {
            shared.planner.judge_pins();
        }
        let result = tokio::select! {
            biased;
            () = shared.revoked(&pin) => Err(io::Error::other("it keeps a replaced version in memory")),
            result = self.send_all(sent, buffer, length) => result,
        };
        drop(pin);
        sent.tell(self, &result);
        if let (Ok(()), Some(delivered)) = (&result, sent.delivery()) {
            shared.desk.delivered(&[delivered]);
        }
        result
    }

    async fn send_all(&mut self, sent: &mut Sent, buffer: &mut [u8], mut length: usize) -> io::Result<()> {
        loop {
            let pace = Duration::from_secs(sent.outgoing.octets() / PACE_OCTETS_PER_SECOND);
            let deadline = sent.began + (PACE_GRACE + pace).min(TRANSFER_TIME_MAX);
            timeout_at(deadline, write(&mut self.stream, &buffer[..length])).await??;
            if sent.outgoing.is_packed() {
                return Ok(());
            }
            // A fast reader must not keep the runtime to itself.
            tokio::task::yield_now().await;
            length = sent.pack(&*self.shared.desk, buffer)?;
        }
    }

    /// The output was written, or could not be: so were the transfers that were in it.
    pub(super) fn tell_whole(&mut self, written: &io::Result<()>) {
        if self.whole.is_empty() {
            return;
        }
        let whole = std::mem::take(&mut self.whole);
        whole.iter().for_each(|sent| sent.tell(self, written));
        if written.is_ok() {
            let delivered: Vec<_> = whole.iter().filter_map(Sent::delivery).collect();
            self.shared.desk.delivered(&delivered);
        }
    }
}

impl Sent {
    /// The next message with its length prefix; the length of both.
    fn pack(&mut self, desk: &dyn Desk, buffer: &mut [u8]) -> io::Result<usize> {
        match self.outgoing.next(desk.now(), &mut buffer[PREFIX..]) {
            Ok(length) => {
                let length = length.unwrap_or_default();
                buffer[..PREFIX].copy_from_slice(&(length as u16).to_be_bytes());
                Ok(PREFIX + length)
            }
            Err(unsendable) => {
                let owner = &unsendable.0.owner;
                Err(io::Error::other(format!("no message can hold a record of {owner}")))
            }
        }
    }

    /// How it went, for the log.
    fn tell<S>(&self, connection: &Connection<S>, result: &io::Result<()>) {
        let Sent { zone, outgoing, began } = self;
        let (peer, over) = (connection.peer, connection.transport);
        let octets = outgoing.octets();
        if let Err(error) = result {
            tracing::warn!(%zone, %peer, octets, %error, "transfer broke off");
            return;
        }
        let (form, serial, records) = (outgoing.form(), outgoing.serial(), outgoing.records());
        let took = began.elapsed();
        tracing::info!(%zone, %peer, %over, %serial, ?form, octets, records, ?took, "transfer sent");
    }

    /// What the flock is told of it, if the client is one of ours.
    fn delivery(&self) -> Option<Delivery> {
        let to = self.outgoing.peer()?;
        Some(Delivery { zone: self.outgoing.zone(), to, serial: self.outgoing.serial() })
    }
}

/// SERVFAIL for a transfer that finds no room, and why, with its length prefix.
fn busy(start: TransferStart, desk: &dyn Desk) -> Vec<u8> {
    let qtype = match start.requested {
        Requested::Axfr => RecordType::AXFR,
        Requested::Ixfr(_) => RecordType::IXFR,
    };
    let question = Question { name: start.asked.as_ref(), qtype, qclass: Class::IN };
    let mut buffer = vec![0; PREFIX + 1024];
    let mut writer = Writer::reply(&mut buffer[PREFIX..], 1024, &start.header, Some(question));
    writer.reserve(start.signer.as_ref().map_or(0, Signer::record_octets));
    writer.set_rcode(ResponseCode::ServFail);
    if let Some(edns) = &start.edns {
        let reason = Reason::TransferBusy;
        let mut options = edns.written_options();
        options.extend(reason.ede().map(|info_code| OptOption::Ede { info_code, text: reason.told() }));
        let opt = Opt { udp_size: edns.udp_size, do_bit: edns.do_bit, options: &options };
        // A question and a signature leave room for the bare record.
        let _ = writer.opt(&opt);
    }
    let mut length = writer.finish();
    if let Some(mut signer) = start.signer {
        let seconds = desk.now().wall.seconds();
        length = signer.sign(&mut buffer[PREFIX..], length, seconds).unwrap_or(length);
    }
    buffer.truncate(PREFIX + length);
    buffer[..PREFIX].copy_from_slice(&(length as u16).to_be_bytes());
    buffer
}
