//! Signatures against the `domain` crate, an independent implementation, in both roles; and what
//! must be refused.

use std::sync::Arc;

use domain::base::{Message, MessageBuilder, Name as DomainName, Rtype, ToName};
use domain::rdata::tsig::Time48;
use domain::tsig as oracle;
use hmac::{Hmac, KeyInit, Mac as _};
use proptest::prelude::*;

use super::*;
use crate::dns::message::{Full, HEADER_OCTETS, Header, Question, Reader, Request, Writer, read_request};
use crate::dns::{Class, Name, OpCode, RecordType, ResponseCode};
use crate::limits;
use crate::reason::Reason;

mod anything;
mod truncation;

const NOW: u64 = 1_800_000_000;
const SECRET: &[u8] = b"a secret that is neither short nor long";

fn our_key(algorithm: Algorithm) -> Arc<Key> {
    Arc::new(Key::new(Name::parse("Flock.Example").unwrap(), algorithm, SECRET))
}

fn ring() -> Keyring {
    [our_key(Algorithm::Sha256)].into_iter().collect()
}

fn oracle_key(algorithm: Algorithm) -> Arc<oracle::Key> {
    let algorithm = match algorithm {
        Algorithm::Sha1 => oracle::Algorithm::Sha1,
        Algorithm::Sha256 => oracle::Algorithm::Sha256,
        Algorithm::Sha384 => oracle::Algorithm::Sha384,
        Algorithm::Sha512 => oracle::Algorithm::Sha512,
        Algorithm::Sha224 => unreachable!("the oracle lacks it"),
    };
    let name = DomainName::<Vec<u8>>::from_chars("flock.EXAMPLE".chars()).unwrap();
    Arc::new(oracle::Key::new(algorithm, SECRET, name.try_to_name().unwrap(), None, None).unwrap())
}

fn time(seconds: u64) -> Time48 {
    Time48::from_u64(seconds)
}

/// A question, and room for what is signed.
struct Buffer([u8; 1024], usize);

impl Buffer {
    fn request() -> Buffer {
        let name = Name::parse("example").unwrap();
        let question = Question { name: name.as_ref(), qtype: RecordType::SOA, qclass: Class::IN };
        let mut octets = [0; 1024];
        let length = Writer::request(&mut octets, 0x1234, OpCode::Query, question).finish();
        Buffer(octets, length)
    }

    fn signed(key: &Arc<Key>, seconds: u64) -> (Buffer, Verifier) {
        let mut buffer = Buffer::request();
        let (length, verifier) = sign_request(key, &mut buffer.0, buffer.1, seconds).unwrap();
        (Buffer(buffer.0, length), verifier)
    }

    fn reply(request: &Request<'_>) -> Buffer {
        let mut octets = [0; 1024];
        let length = Writer::reply(&mut octets, 1024, &request.header, request.question).finish();
        Buffer(octets, length)
    }

    fn octets(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

/// A message of the oracle without a signature: as a question, or as its answer.
fn oracle_message(id: u16, is_answer: bool) -> domain::base::message_builder::AdditionalBuilder<Vec<u8>> {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(id);
    builder.header_mut().set_qr(is_answer);
    let mut builder = builder.question();
    builder.push((DomainName::<Vec<u8>>::from_chars("example".chars()).unwrap(), Rtype::SOA)).unwrap();
    builder.additional()
}

fn verify(octets: &[u8], keys: &Keyring, seconds: u64) -> Result<Verified, Fault> {
    let request = read_request(octets).expect("a request");
    verify_request(octets, &request.tsig.expect("a signature"), keys, seconds)
}

fn check(verifier: &mut Verifier, octets: &[u8], seconds: u64) -> Result<Checked, ReplyFault> {
    let reader = Reader::new(octets).expect("a message");
    verifier.check(octets, reader.tsig(), seconds)
}

const WITH_ORACLE: [Algorithm; 4] =
    [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512];

#[test]
fn h01_h09_the_oracle_asks_and_we_answer() {
    for algorithm in WITH_ORACLE {
        let mut message = oracle_message(7, false);
        let client =
            oracle::ClientTransaction::request(oracle_key(algorithm), &mut message, time(NOW)).unwrap();
        let octets = message.finish();
        let keys: Keyring = [our_key(algorithm)].into_iter().collect();
        let request = read_request(&octets).unwrap();
        let mut signer = verify(&octets, &keys, NOW + 299).unwrap().signer();
        let mut reply = Buffer::reply(&request);
        let length = signer.sign(&mut reply.0, reply.1, NOW).unwrap();
        assert_eq!(length, reply.1 + signer.record_octets());
        let mut answer = Message::from_octets(reply.0[..length].to_vec()).unwrap();
        client.answer(&mut answer, time(NOW)).unwrap();
    }
}

#[test]
fn h01_h09_we_ask_and_the_oracle_answers() {
    for algorithm in WITH_ORACLE {
        let (request, mut verifier) = Buffer::signed(&our_key(algorithm), NOW);
        let mut message = Message::from_octets(request.octets().to_vec()).unwrap();
        let key = oracle_key(algorithm);
        let server = oracle::ServerTransaction::request(&key, &mut message, time(NOW)).unwrap().unwrap();
        let mut answer = oracle_message(0x1234, true);
        server.answer(&mut answer, time(NOW)).unwrap();
        let octets = answer.finish();
        assert_eq!(check(&mut verifier, &octets, NOW), Ok(Checked::Signed));
        assert_eq!(verifier.end(), Ok(()));
    }
}

#[test]
fn h09_sha224_signs_and_verifies() {
    let key = our_key(Algorithm::Sha224);
    let (request, mut verifier) = Buffer::signed(&key, NOW);
    let keys: Keyring = [key].into_iter().collect();
    let mut signer = verify(request.octets(), &keys, NOW).unwrap().signer();
    let mut reply = Buffer::reply(&read_request(request.octets()).unwrap());
    reply.1 = signer.sign(&mut reply.0, reply.1, NOW).unwrap();
    assert_eq!(check(&mut verifier, reply.octets(), NOW), Ok(Checked::Signed));
}

#[test]
fn h07_h08_a_stream_of_ours_satisfies_the_oracle() {
    let mut message = oracle_message(7, false);
    let key = oracle_key(Algorithm::Sha256);
    let mut client = oracle::ClientSequence::request(key, &mut message, time(NOW)).unwrap();
    let octets = message.finish();
    let request = read_request(&octets).unwrap();
    let mut signer = verify(&octets, &ring(), NOW).unwrap().signer();
    for step in 0..1000 {
        let mut reply = Buffer::reply(&request);
        let length = signer.sign(&mut reply.0, reply.1, NOW + step / 100).unwrap();
        let mut answer = Message::from_octets(reply.0[..length].to_vec()).unwrap();
        client.answer(&mut answer, time(NOW + step / 100)).unwrap();
    }
    client.done().unwrap();
}

#[test]
fn h07_h08_a_stream_of_the_oracle_satisfies_us() {
    let (request, mut verifier) = Buffer::signed(&our_key(Algorithm::Sha256), NOW);
    let mut message = Message::from_octets(request.octets().to_vec()).unwrap();
    let key = oracle_key(Algorithm::Sha256);
    let mut server = oracle::ServerSequence::request(&key, &mut message, time(NOW)).unwrap().unwrap();
    for _ in 0..1000 {
        let mut answer = oracle_message(0x1234, true);
        server.answer(&mut answer, time(NOW)).unwrap();
        assert_eq!(check(&mut verifier, &answer.finish(), NOW), Ok(Checked::Signed));
    }
    assert_eq!(verifier.end(), Ok(()));
}

/// Signs as a sender that leaves messages unsigned: the digest then covers them all (§5.3.1).
fn sign_after_gap(key: &Key, prior: &[u8], unsigned: &[Vec<u8>], last: &mut Buffer) {
    let mut state = key.start();
    state.take_mac(prior);
    unsigned.iter().for_each(|octets| state.update(octets));
    state.update(last.octets());
    let mut fields = codec::Fields { time: NOW, fudge: FUDGE_S, mac: &[], error: error::NONE, other: &[] };
    state.take_timers(&fields);
    let mac = state.finish();
    fields.mac = mac.octets();
    last.1 = codec::append(&mut last.0, last.1, codec::names(key), &fields).unwrap();
}

#[test]
fn h07_99_unsigned_messages_may_stand_between_and_100_may_not() {
    for gap in [1, 99, 100] {
        let key = our_key(Algorithm::Sha256);
        let (request, mut verifier) = Buffer::signed(&key, NOW);
        let asked = read_request(request.octets()).unwrap();
        let mut first = Buffer::reply(&asked);
        let mut signer = verify(request.octets(), &ring(), NOW).unwrap().signer();
        first.1 = signer.sign(&mut first.0, first.1, NOW).unwrap();
        assert_eq!(check(&mut verifier, first.octets(), NOW), Ok(Checked::Signed));
        let prior = Reader::new(first.octets()).unwrap().tsig().unwrap().mac.to_vec();
        let unsigned = vec![Buffer::reply(&asked).octets().to_vec(); gap];
        let results: Vec<_> = unsigned.iter().map(|octets| check(&mut verifier, octets, NOW)).collect();
        let fine = gap.min(limits::TSIG_UNSIGNED_MAX as usize);
        assert!(results[..fine].iter().all(|result| *result == Ok(Checked::Unsigned)));
        assert!(results[fine..].iter().all(|result| *result == Err(ReplyFault::TooManyUnsigned)));
        assert_eq!(verifier.end(), Err(ReplyFault::Missing));
        if gap == fine {
            let mut last = Buffer::reply(&asked);
            sign_after_gap(&key, &prior, &unsigned, &mut last);
            assert_eq!(check(&mut verifier, last.octets(), NOW), Ok(Checked::Signed));
            assert_eq!(verifier.end(), Ok(()));
        }
    }
}

#[test]
fn h07_an_unsigned_message_that_was_changed_spoils_the_next_signature() {
    let key = our_key(Algorithm::Sha256);
    let (request, mut verifier) = Buffer::signed(&key, NOW);
    let asked = read_request(request.octets()).unwrap();
    let mut first = Buffer::reply(&asked);
    let mut signer = verify(request.octets(), &ring(), NOW).unwrap().signer();
    first.1 = signer.sign(&mut first.0, first.1, NOW).unwrap();
    check(&mut verifier, first.octets(), NOW).unwrap();
    let prior = Reader::new(first.octets()).unwrap().tsig().unwrap().mac.to_vec();
    let sent = Buffer::reply(&asked).octets().to_vec();
    let mut received = sent.clone();
    received[3] ^= 0x20;
    check(&mut verifier, &received, NOW).unwrap();
    let mut last = Buffer::reply(&asked);
    sign_after_gap(&key, &prior, &[sent], &mut last);
    assert_eq!(check(&mut verifier, last.octets(), NOW), Err(ReplyFault::BadSignature));
}

/// What a server of ours says to a request that it does not believe.
fn error_reply(octets: &[u8], keys: &Keyring, seconds: u64) -> (Fault, Vec<u8>) {
    let request = read_request(octets).unwrap();
    let fault = verify(octets, keys, seconds).unwrap_err();
    let mut buffer = [0; 1024];
    let mut writer = Writer::reply(&mut buffer, 1024, &request.header, request.question);
    writer.reserve(fault.reply_octets());
    writer.set_rcode(fault.rcode());
    let length = writer.finish();
    let length = fault.finish_reply(&mut buffer, length, seconds).unwrap();
    (fault, buffer[..length].to_vec())
}

#[test]
fn h02_an_unknown_key_or_another_algorithm_is_badkey_unsigned() {
    let other: Keyring = [our_key(Algorithm::Sha512)].into_iter().collect();
    for keys in [Keyring::new(), other] {
        let (request, mut verifier) = Buffer::signed(&our_key(Algorithm::Sha256), NOW);
        let (fault, reply) = error_reply(request.octets(), &keys, NOW);
        assert_eq!((fault.error(), fault.reason()), (error::BADKEY, Reason::KeyUnknown));
        let reader = Reader::new(&reply).unwrap();
        assert_eq!(reader.rcode(), ResponseCode::NotAuth);
        let tsig = reader.tsig().unwrap();
        assert_eq!((tsig.error, tsig.mac.len(), tsig.time), (error::BADKEY, 0, NOW));
        assert_eq!(reply.len(), 12 + 13 + fault.reply_octets());
        let expected = ReplyFault::Peer { error: error::BADKEY, signed: false };
        assert_eq!(check(&mut verifier, &reply, NOW), Err(expected));
    }
}

#[test]
fn h03_a_wrong_secret_is_badsig_unsigned() {
    let liar = Arc::new(Key::new(Name::parse("flock.example").unwrap(), Algorithm::Sha256, b"guess"));
    let (request, _) = Buffer::signed(&liar, NOW);
    let (fault, reply) = error_reply(request.octets(), &ring(), NOW);
    assert_eq!((fault.error(), fault.reason()), (error::BADSIG, Reason::KeyBadSignature));
    let reader = Reader::new(&reply).unwrap();
    let tsig = reader.tsig().unwrap();
    assert_eq!((tsig.error, tsig.mac.len()), (error::BADSIG, 0));
}

#[test]
fn h04_badtime_is_signed_and_carries_our_time() {
    for (seconds, fine) in
        [(NOW - 301, false), (NOW - 300, true), (NOW, true), (NOW + 300, true), (NOW + 301, false)]
    {
        let (request, mut verifier) = Buffer::signed(&our_key(Algorithm::Sha256), NOW);
        if fine {
            verify(request.octets(), &ring(), seconds).unwrap();
            continue;
        }
        let (fault, reply) = error_reply(request.octets(), &ring(), seconds);
        assert_eq!((fault.error(), fault.reason()), (error::BADTIME, Reason::KeyBadTime));
        let reader = Reader::new(&reply).unwrap();
        let tsig = reader.tsig().unwrap();
        assert_eq!((tsig.time, tsig.server_time()), (NOW, Some(seconds)));
        let expected = ReplyFault::Peer { error: error::BADTIME, signed: true };
        assert_eq!(check(&mut verifier, &reply, NOW), Err(expected));
    }
}

/// The oracle digests eight octets of Other Data where six stand on the wire, so this digest is put
/// together by hand from RFC 8945 §4.3.
#[test]
fn h04_badtime_covers_the_request_and_other_data_as_it_stands() {
    let (request, _) = Buffer::signed(&our_key(Algorithm::Sha256), NOW);
    let (_, reply) = error_reply(request.octets(), &ring(), NOW + 4000);
    let mut hmac = Hmac::<sha2::Sha256>::new_from_slice(SECRET).unwrap();
    hmac.update(&[0, 32]);
    hmac.update(read_request(request.octets()).unwrap().tsig.unwrap().mac);
    let tsig_at = Reader::new(&reply).unwrap().tsig().unwrap().at;
    let unsigned = [&reply[..10], &[0, 0], &reply[12..tsig_at]].concat();
    hmac.update(&unsigned);
    hmac.update(b"\x05flock\x07example\x00\x00\xff\x00\x00\x00\x00\x0bhmac-sha256\x00");
    hmac.update(&NOW.to_be_bytes()[2..]);
    hmac.update(&[1, 44, 0, 18, 0, 6]);
    hmac.update(&(NOW + 4000).to_be_bytes()[2..]);
    let mac = hmac.finalize().into_bytes();
    assert_eq!(Reader::new(&reply).unwrap().tsig().unwrap().mac, &mac[..]);
}

#[test]
fn h10_replies_without_a_right_signature_are_refused() {
    let key = our_key(Algorithm::Sha256);
    let (request, _) = Buffer::signed(&key, NOW);
    let asked = read_request(request.octets()).unwrap();
    let unsigned = Buffer::reply(&asked);
    let (_, mut verifier) = Buffer::signed(&key, NOW);
    assert_eq!(check(&mut verifier, unsigned.octets(), NOW), Err(ReplyFault::Missing));
    assert_eq!(verifier.end(), Err(ReplyFault::Missing));
    // Signed for another request (its time, hence its MAC, differs).
    let (other, _) = Buffer::signed(&key, NOW + 1);
    let mut signer = verify(other.octets(), &ring(), NOW).unwrap().signer();
    let mut reply = Buffer::reply(&asked);
    reply.1 = signer.sign(&mut reply.0, reply.1, NOW).unwrap();
    assert_eq!(check(&mut verifier, reply.octets(), NOW), Err(ReplyFault::BadSignature));
    // Signed with another key.
    let stranger = Arc::new(Key::new(Name::parse("other").unwrap(), Algorithm::Sha256, SECRET));
    let (_, mut verifier) = Buffer::signed(&stranger, NOW);
    assert_eq!(check(&mut verifier, reply.octets(), NOW), Err(ReplyFault::WrongKey));
    // Right but stale.
    let (request, mut verifier) = Buffer::signed(&key, NOW);
    let mut signer = verify(request.octets(), &ring(), NOW).unwrap().signer();
    let mut reply = Buffer::reply(&asked);
    reply.1 = signer.sign(&mut reply.0, reply.1, NOW).unwrap();
    assert_eq!(check(&mut verifier, reply.octets(), NOW + 301), Err(ReplyFault::BadTime));
}

#[test]
fn h11_names_are_case_blind() {
    let (request, _) = Buffer::signed(&our_key(Algorithm::Sha256), NOW);
    let mut octets = request.octets().to_vec();
    // Upper-case the key's name and the algorithm's name where they stand.
    let at = read_request(&octets).unwrap().tsig.unwrap().at;
    octets[at..at + 15].make_ascii_uppercase();
    octets[at + 25..at + 38].make_ascii_uppercase();
    let request = read_request(&octets).unwrap();
    assert_eq!(request.tsig.unwrap().key_name().to_string(), "FLOCK.EXAMPLE.");
    assert_eq!(request.tsig.unwrap().algorithm.to_string(), "HMAC-SHA256.");
    verify(&octets, &ring(), NOW).unwrap();
}

#[test]
fn h12_a_forwarder_may_change_the_id() {
    let (request, _) = Buffer::signed(&our_key(Algorithm::Sha256), NOW);
    let mut octets = request.octets().to_vec();
    octets[0] ^= 0xff;
    verify(&octets, &ring(), NOW).unwrap();
}

#[test]
fn h13_the_mac_is_judged_before_the_time() {
    let (request, _) = Buffer::signed(&our_key(Algorithm::Sha256), NOW);
    let mut octets = request.octets().to_vec();
    octets[2] ^= 1;
    assert_eq!(verify(&octets, &ring(), NOW + 4000).unwrap_err().error(), error::BADSIG);
    assert_eq!(verify(&octets, &Keyring::new(), NOW + 4000).unwrap_err().error(), error::BADKEY);
}

#[test]
fn h14_the_reserved_room_is_enough_for_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let key = our_key(algorithm);
        let (request, _) = Buffer::signed(&key, NOW);
        assert_eq!(request.1, Buffer::request().1 + key.record_octets() - 6);
        let keys: Keyring = [Arc::clone(&key)].into_iter().collect();
        let (fault, reply) = error_reply(request.octets(), &keys, NOW + 4000);
        assert_eq!(reply.len(), Buffer::request().1 + fault.reply_octets());
    }
    let mut short = Buffer::request();
    let key = our_key(Algorithm::Sha256);
    assert!(sign_request(&key, &mut short.0[..50], short.1, NOW).is_err());
    assert_eq!(Header::read(short.octets()).unwrap().counts[3], 0);
}

#[test]
fn h14_what_is_signed_has_a_header_and_fits_a_message() {
    let key = our_key(Algorithm::Sha256);
    let room = key.record_octets() - 6;
    let mut buffer = vec![0; 2 * limits::MESSAGE_OCTETS_MAX];
    for (length, fits) in [
        (HEADER_OCTETS - 1, false),
        (HEADER_OCTETS, true),
        (limits::MESSAGE_OCTETS_MAX - room, true),
        (limits::MESSAGE_OCTETS_MAX - room + 1, false),
    ] {
        let signed = sign_request(&key, &mut buffer, length, NOW).map(|(length, _)| length);
        assert_eq!(signed, if fits { Ok(length + room) } else { Err(Full) });
    }
}

#[test]
fn keys_hide_their_secret_and_rings_find_them_in_any_case() {
    let key = our_key(Algorithm::Sha256);
    assert_eq!(format!("{key:?}"), "Key(flock.example. hmac-sha256)");
    let mut ring = ring();
    assert!(ring.find(Name::parse("FLOCK.example").unwrap().as_ref()).is_some());
    assert!(ring.find(Name::parse("flock").unwrap().as_ref()).is_none());
    assert!(ring.insert(key).is_some());
}

#[test]
fn h09_an_algorithm_is_read_in_any_case_and_the_operator_is_told_which_there_are() {
    assert_eq!("HMAC-sha512.".parse(), Ok(Algorithm::Sha512));
    let unknown = "hmac-md5".parse::<Algorithm>().expect_err("not offered");
    let told = "the algorithm must be one of hmac-sha1 hmac-sha224 hmac-sha256 hmac-sha384 hmac-sha512";
    assert_eq!(unknown.to_string(), told);
}

#[test]
fn h10_the_operator_is_told_why_a_reply_is_not_believed() {
    let peer = |error| ReplyFault::Peer { error, signed: true };
    for (fault, told, reason) in [
        (ReplyFault::Missing, "the reply is not signed", Reason::KeyMissing),
        (ReplyFault::WrongKey, "the reply is signed with another key", Reason::KeyBadSignature),
        (ReplyFault::BadSignature, "the signature of the reply does not match", Reason::KeyBadSignature),
        (ReplyFault::BadTime, "the peer's clock differs too much from ours", Reason::KeyBadTime),
        (ReplyFault::TooShortMac, "the signature of the reply is too short", Reason::KeyTruncated),
        (ReplyFault::TooManyUnsigned, "too many messages of the reply are not signed", Reason::KeyMissing),
        (peer(error::BADKEY), "the peer does not know the key", Reason::KeyUnknown),
        (peer(error::BADSIG), "the peer says that our signature does not match", Reason::KeyBadSignature),
        (peer(error::BADTIME), "the peer says that our clocks differ too much", Reason::KeyBadTime),
        (peer(error::BADTRUNC), "the peer says that our signature is too short", Reason::KeyTruncated),
        (peer(1), "the peer did not accept our signature", Reason::KeyBadSignature),
    ] {
        assert_eq!((fault.to_string().as_str(), fault.reason()), (told, reason));
    }
}
