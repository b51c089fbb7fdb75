//! What the machines keep through a restart, as octets (invariant 5).
//!
//! Moments on the boot clock mean nothing after a restart, so a memory holds ages and rests, and the
//! wall clock of the moment when it was written: how long ago that was is added to the ages and taken
//! from the rests, and a clock that went back counts as no time at all (R18). Octets that are not
//! what we wrote are a memory of nothing.

use std::time::Duration;

use crate::dns::Serial;
use crate::time::{Now, Wall};

/// Version of the format.
const FORMAT: u8 = 1;

/// Writes a memory.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// An empty memory, written now.
    pub(super) fn new(now: Now) -> Writer {
        let mut out = vec![FORMAT];
        out.extend_from_slice(&now.wall.0.to_be_bytes());
        Writer(out)
    }

    /// Appends a number.
    pub(super) fn number(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    /// Appends an age or a rest.
    pub(super) fn span(&mut self, span: Duration) {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.0.extend_from_slice(&millis.to_be_bytes());
    }

    /// Appends whether something follows.
    pub(super) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Writer, T)) {
        self.0.push(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// The memory; nothing if nothing was appended.
    pub(super) fn finish(self) -> Vec<u8> {
        if self.0.len() > 1 + size_of::<Wall>() { self.0 } else { Vec::new() }
    }
}

/// Reads a memory. Each function gives `None` at the end and where nothing of ours stands.
pub(super) struct Reader<'a> {
    octets: &'a [u8],
    /// The time since it was written, by the wall clock.
    pub(super) elapsed: Duration,
}

impl<'a> Reader<'a> {
    /// A memory that is read now.
    pub(super) fn new(octets: &'a [u8], now: Now) -> Option<Reader<'a>> {
        let mut reader = Reader { octets, elapsed: Duration::ZERO };
        let [format] = reader.array()?;
        let written = Wall(u64::from_be_bytes(reader.array()?));
        reader.elapsed = now.wall.since(written);
        (format == FORMAT).then_some(reader)
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.octets.is_empty()
    }

    /// The next number.
    pub(super) fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next serial.
    pub(super) fn serial(&mut self) -> Option<Serial> {
        self.number().map(Serial)
    }

    /// The next age or rest, as it was when it was written.
    pub(super) fn span(&mut self) -> Option<Duration> {
        self.array().map(u64::from_be_bytes).map(Duration::from_millis)
    }

    /// What [`Writer::option`] wrote.
    pub(super) fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.array()? {
            [0] => Some(None),
            [1] => read(self).map(Some),
            _ => None,
        }
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.octets.split_first_chunk()?;
        self.octets = rest;
        Some(*array)
    }
}
