//! TSIG (RFC 8945) once more, on bare HMAC: an independent signer and verifier.
//!
//! Everything that goes into a signature can be set, so that wrong ones can be made.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::wire::{Message, Reply, Rr, TSIG, name};
use crate::yard::{KEY_NAME, KEY_SECRET};

/// Class ANY.
const ANY: u16 = 255;

/// The fields of a TSIG record that a test may want to be wrong.
#[derive(Clone, Debug)]
pub struct Seal {
    /// The name of the key.
    pub key: String,
    /// The name of the algorithm; the MAC is HMAC-SHA256 whatever it says.
    pub algorithm: String,
    /// The secret.
    pub secret: Vec<u8>,
    /// Seconds since 1970.
    pub time: u64,
    /// How far the clocks may be apart.
    pub fudge: u16,
    /// Octets of the MAC that are sent.
    pub sent: usize,
}

impl Seal {
    /// The key that all servers share, now.
    pub fn flock() -> Seal {
        Seal::of(KEY_NAME, KEY_SECRET)
    }

    /// A key with this secret in base64, now.
    pub fn of(key: &str, secret: &str) -> Seal {
        let secret = data_encoding::BASE64.decode(secret.as_bytes()).expect("base64");
        let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        Seal { key: key.into(), algorithm: "hmac-sha256".into(), secret, time, fudge: 300, sent: 32 }
    }

    /// Signs a request, and gives what verifies the answers.
    pub fn request(&self, message: Message) -> (Message, Chain) {
        let mut chain = Chain { seal: self.clone(), mac: Vec::new(), first: true, unsigned: Vec::new() };
        let signed = chain.sign(message);
        (signed, Chain { first: true, ..chain })
    }

    /// Verifies a request, and gives what signs the answers.
    pub fn requested(&self, request: &Reply) -> Chain {
        let mut chain = Chain { seal: self.clone(), mac: Vec::new(), first: true, unsigned: Vec::new() };
        assert!(chain.verify(request));
        Chain { first: true, ..chain }
    }

    fn mac(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("any length will do");
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().to_vec()
    }

    /// RFC 8945 §4.3.3.
    fn variables(&self, error: u16, other: &[u8]) -> Vec<u8> {
        let key = name(&self.key.to_lowercase());
        let head = [&ANY.to_be_bytes()[..], &[0; 4], &name(&self.algorithm.to_lowercase())].concat();
        let length = (other.len() as u16).to_be_bytes();
        [key, head, self.timers(), error.to_be_bytes().to_vec(), length.to_vec(), other.to_vec()].concat()
    }

    fn timers(&self) -> Vec<u8> {
        [&self.time.to_be_bytes()[2..], &self.fudge.to_be_bytes()].concat()
    }

    /// The record with this MAC.
    pub fn record(&self, mac: &[u8], id: [u8; 2], error: u16) -> Rr {
        let length = (mac.len() as u16).to_be_bytes();
        let rest = [error.to_be_bytes(), [0; 2]].concat();
        let rdata = [&name(&self.algorithm), &self.timers()[..], &length, mac, &id, &rest].concat();
        Rr { owner: name(&self.key), rtype: TSIG, class: ANY, ttl: 0, rdata }
    }
}

/// A TSIG record taken apart.
#[derive(Clone, Debug)]
pub struct Tsig {
    /// The name of the key, in wire form.
    pub key: Vec<u8>,
    /// Seconds since 1970.
    pub time: u64,
    /// How far the clocks may be apart.
    pub fudge: u16,
    /// The MAC.
    pub mac: Vec<u8>,
    /// The error field.
    pub error: u16,
    /// Other data.
    pub other: Vec<u8>,
    /// The message as it was before the record was added, with its original id.
    message: Vec<u8>,
}

impl Tsig {
    /// The record at the end of a message, if it is one.
    pub fn of(reply: &Reply) -> Option<Tsig> {
        let (_, record) = reply.records().pop().filter(|(_, record)| record.rtype == TSIG)?;
        let rdata = &record.rdata;
        let mut at = 0;
        while rdata[at] != 0 {
            at += 1 + usize::from(rdata[at]);
        }
        at += 1;
        let word = |at: usize| u16::from_be_bytes([rdata[at], rdata[at + 1]]);
        let mut seconds = [0; 8];
        seconds[2..].copy_from_slice(&rdata[at..at + 6]);
        let after = at + 10 + usize::from(word(at + 8));
        assert_eq!(rdata.len(), after + 6 + usize::from(word(after + 4)), "the length of other data");
        let tail = record.owner.len() + 10 + rdata.len();
        let mut message = reply.0[..reply.0.len() - tail].to_vec();
        message[..2].copy_from_slice(&rdata[after..after + 2]);
        let additional = u16::from_be_bytes([message[10], message[11]]) - 1;
        message[10..12].copy_from_slice(&additional.to_be_bytes());
        Some(Tsig {
            key: record.owner,
            time: u64::from_be_bytes(seconds),
            fudge: word(at + 6),
            mac: rdata[at + 10..after].to_vec(),
            error: word(after + 2),
            other: rdata[after + 6..].to_vec(),
            message,
        })
    }
}

/// Verifies or signs the messages that answer one request, each with the MAC before it (RFC 8945
/// §5.3.1).
#[derive(Clone, Debug)]
pub struct Chain {
    /// What they are signed with.
    pub seal: Seal,
    mac: Vec<u8>,
    first: bool,
    unsigned: Vec<u8>,
}

impl Chain {
    /// Takes the next message: whether it is signed. Panics if it is signed wrongly, or has an error.
    pub fn verify(&mut self, reply: &Reply) -> bool {
        let Some(tsig) = Tsig::of(reply) else {
            assert!(!self.first, "the first message is not signed");
            self.unsigned.extend(&reply.0);
            return false;
        };
        let tsig = self.take(tsig);
        assert_eq!((tsig.error, &tsig.other[..]), (0, &[][..]), "TSIG error and other data");
        true
    }

    /// Takes a signed message that says what was wrong with the request. Panics if the signature is.
    pub fn verify_error(&mut self, reply: &Reply) -> Tsig {
        self.take(Tsig::of(reply).expect("a signed message"))
    }

    fn take(&mut self, tsig: Tsig) -> Tsig {
        let said = Seal { time: tsig.time, fudge: tsig.fudge, ..self.seal.clone() };
        let signed = if self.first { said.variables(tsig.error, &tsig.other) } else { said.timers() };
        let ours = said.mac(&[&self.before(), &self.unsigned, &tsig.message, &signed]);
        assert_eq!(tsig.mac, ours, "the MAC of the message");
        (self.mac, self.first) = (ours, false);
        self.unsigned.clear();
        tsig
    }

    /// Signs the next message.
    pub fn sign(&mut self, message: Message) -> Message {
        let id = [message.0[0], message.0[1]];
        let signed = if self.first { self.seal.variables(0, &[]) } else { self.seal.timers() };
        let mut mac = self.seal.mac(&[&self.before(), &self.unsigned, &message.0, &signed]);
        // One that is too long goes out with zeros at its end.
        mac.resize(self.seal.sent, 0);
        let signed = message.additional(&self.seal.record(&mac, id, 0));
        (self.mac, self.first) = (mac, false);
        self.unsigned.clear();
        signed
    }

    /// Lets the next message go unsigned; the signature of a later one covers it.
    pub fn pass(&mut self, message: Message) -> Message {
        self.unsigned.extend(&message.0);
        message
    }

    /// The MAC before, behind its length; nothing before a request.
    fn before(&self) -> Vec<u8> {
        if self.mac.is_empty() {
            return Vec::new();
        }
        [&(self.mac.len() as u16).to_be_bytes()[..], &self.mac].concat()
    }
}
