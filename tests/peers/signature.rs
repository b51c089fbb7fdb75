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
}

impl Seal {
    /// The key that all servers share, now.
    pub fn flock() -> Seal {
        let secret = data_encoding::BASE64.decode(KEY_SECRET.as_bytes()).expect("base64");
        let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        Seal { key: KEY_NAME.into(), algorithm: "hmac-sha256".into(), secret, time, fudge: 300 }
    }

    /// Signs a request, and gives what verifies the answers.
    pub fn request(&self, message: Message) -> (Message, Chain) {
        let id = [message.0[0], message.0[1]];
        let mac = self.mac(&[&message.0, &self.variables()]);
        let record = self.record(&mac, id);
        (message.additional(&record), Chain { seal: self.clone(), mac, first: true, unsigned: Vec::new() })
    }

    fn mac(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("any length will do");
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().to_vec()
    }

    /// RFC 8945 §4.3.3, with no error and no other data.
    fn variables(&self) -> Vec<u8> {
        let key = name(&self.key.to_lowercase());
        let head = [&ANY.to_be_bytes()[..], &[0; 4], &name(&self.algorithm.to_lowercase())].concat();
        [key, head, self.timers(), vec![0; 4]].concat()
    }

    fn timers(&self) -> Vec<u8> {
        [&self.time.to_be_bytes()[2..], &self.fudge.to_be_bytes()].concat()
    }

    fn record(&self, mac: &[u8], id: [u8; 2]) -> Rr {
        let length = (mac.len() as u16).to_be_bytes();
        let rdata = [&name(&self.algorithm), &self.timers()[..], &length, mac, &id, &[0; 4]].concat();
        Rr { owner: name(&self.key), rtype: TSIG, class: ANY, ttl: 0, rdata }
    }
}

/// Verifies the messages that answer one request, each with the MAC before it (RFC 8945 §5.3.1).
#[derive(Clone, Debug)]
pub struct Chain {
    seal: Seal,
    mac: Vec<u8>,
    first: bool,
    unsigned: Vec<u8>,
}

impl Chain {
    /// Takes the next message: whether it is signed. Panics if it is signed wrongly, or has an error.
    pub fn verify(&mut self, reply: &Reply) -> bool {
        let Some((_, record)) = reply.records().pop().filter(|(_, record)| record.rtype == TSIG) else {
            assert!(!self.first, "the first message is not signed");
            self.unsigned.extend(&reply.0);
            return false;
        };
        let rdata = &record.rdata;
        let at = name(&self.seal.algorithm).len();
        let word = |at: usize| u16::from_be_bytes([rdata[at], rdata[at + 1]]);
        let mut seconds = [0; 8];
        seconds[2..].copy_from_slice(&rdata[at..at + 6]);
        let said = Seal { time: u64::from_be_bytes(seconds), fudge: word(at + 6), ..self.seal.clone() };
        let length = usize::from(word(at + 8));
        let mac = &rdata[at + 10..at + 10 + length];
        let after = at + 10 + length;
        assert_eq!([word(after + 2), word(after + 4)], [0, 0], "TSIG error and other data");
        // The message as it was before the record was added.
        let tail = record.owner.len() + 10 + rdata.len();
        let mut message = reply.0[..reply.0.len() - tail].to_vec();
        message[..2].copy_from_slice(&rdata[after..after + 2]);
        let additional = u16::from_be_bytes([message[10], message[11]]) - 1;
        message[10..12].copy_from_slice(&additional.to_be_bytes());
        let before = (self.mac.len() as u16).to_be_bytes();
        let signed = if self.first { said.variables() } else { said.timers() };
        let ours = said.mac(&[&before, &self.mac, &self.unsigned, &message, &signed]);
        assert_eq!(mac, ours, "the MAC of the message");
        (self.mac, self.first) = (ours, false);
        self.unsigned.clear();
        true
    }
}
