//! MACs that are shorter than their algorithm makes them (RFC 8945 §5.2.2.1).

use super::*;

/// The same message with its MAC cut, or filled, to `octets`.
fn with_mac_octets(signed: &Buffer, octets: usize) -> Vec<u8> {
    let reader = Reader::new(signed.octets()).expect("a message");
    let tsig = reader.tsig().expect("a signature");
    let mac = [tsig.mac, &[0; 32][..]].concat();
    let fields = codec::Fields { mac: &mac[..octets], ..server::fields(tsig) };
    let mut buffer = signed.0;
    let count = reader.header().counts[3] - 1;
    buffer[10..12].copy_from_slice(&count.to_be_bytes());
    let key = our_key(Algorithm::Sha256);
    let length = codec::append(&mut buffer, tsig.at, codec::names(&key), &fields).expect("there is room");
    buffer[..length].to_vec()
}

/// Keys that take MACs from so many octets on, and what that comes to: whole ones only unless told otherwise.
fn policies() -> [(Arc<Key>, usize); 3] {
    [(None, 32), (Some(20), 20), (Some(1), 16)].map(|(told, least): (Option<usize>, usize)| {
        let key = Key::new(Name::parse("flock.example").unwrap(), Algorithm::Sha256, SECRET);
        (Arc::new(told.map_or(key.clone(), |octets| key.with_mac_octets_min(octets))), least)
    })
}

#[test]
fn h06_truncated_macs_of_requests() {
    for (key, least) in policies() {
        let keys: Keyring = [key].into_iter().collect();
        let (signed, _) = Buffer::signed(&our_key(Algorithm::Sha256), NOW);
        for octets in 0..=64 {
            let request = with_mac_octets(&signed, octets);
            let told = verify(&request, &keys, NOW).map(drop);
            let told = told.map_err(|fault| (fault.rcode(), fault.error(), fault.reason()));
            let expected = match octets {
                0..16 | 33.. => Err((ResponseCode::FormErr, 0, Reason::KeyTruncated)),
                _ if octets < least => Err((ResponseCode::NotAuth, error::BADTRUNC, Reason::KeyTruncated)),
                _ => Ok(()),
            };
            assert_eq!(told, expected, "{octets} of {least}");
        }
    }
    // Ten octets rule where half of the MAC is exactly that or less.
    assert_eq!(Algorithm::Sha1.mac_octets_min(), 10);
    assert_eq!(Algorithm::Sha224.mac_octets_min(), 14);
}

#[test]
fn h06_truncated_macs_of_replies() {
    for (key, least) in policies() {
        for octets in 0..=64 {
            let (request, mut verifier) = Buffer::signed(&key, NOW);
            let mut signer = verify(request.octets(), &ring(), NOW).unwrap().signer();
            let mut reply = Buffer::reply(&read_request(request.octets()).unwrap());
            reply.1 = signer.sign(&mut reply.0, reply.1, NOW).unwrap();
            let expected = match octets {
                33.. => Err(ReplyFault::BadSignature),
                _ if octets < least => Err(ReplyFault::TooShortMac),
                _ => Ok(Checked::Signed),
            };
            let reply = with_mac_octets(&reply, octets);
            assert_eq!(check(&mut verifier, &reply, NOW), expected, "{octets} of {least}");
        }
    }
}
