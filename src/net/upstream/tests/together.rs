//! Requests that go out together over one connection, to servers of every kind.

use std::collections::HashMap;
use std::net::TcpStream as StdTcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::limits::{LINES_PER_PEER_MAX, PIPELINED_MAX};

/// A server that gives each of its connections to `serve`, on a thread of its own, with its number.
fn server(serve: impl Fn(StdTcpStream, usize) + Send + Sync + 'static) -> SocketAddr {
    let serve = Arc::new(serve);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    // Ends with the test's process.
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (stream, serve) = (stream.expect("a connection"), serve.clone());
            std::thread::spawn(move || serve(stream, number));
        }
    });
    address
}

/// The next request on a connection; `None` at its end.
fn next(stream: &mut StdTcpStream) -> Option<Vec<u8>> {
    let mut prefix = [0; 2];
    stream.read_exact(&mut prefix).ok()?;
    let mut octets = vec![0; usize::from(u16::from_be_bytes(prefix))];
    stream.read_exact(&mut octets).ok()?;
    Some(octets)
}

fn answer(stream: &mut StdTcpStream, request: &[u8]) {
    let request = read_request(request).expect("a request");
    // Whoever asked may have gone.
    let _ = stream.write_all(&reply(&request, &Then::Answer));
}

/// Asks so many questions at once, and how each ended.
fn ask_many(to: SocketAddr, count: u64) -> HashMap<u64, Result<Answer, TransferError>> {
    let (upstream, ended) = upstream();
    for number in 0..count {
        upstream.ask(ZoneId(1), Attempt(number), to, ask(AskKind::Soa, Transport::Tcp));
    }
    let ends = (0..count).map(|_| ended.recv().expect("each ends"));
    let ends: HashMap<u64, _> = ends.map(|(_, attempt, result)| (attempt.0, result)).collect();
    upstream.stop();
    assert_eq!(ended.try_iter().count(), 0, "each ends once");
    assert_eq!(ends.len() as u64, count);
    ends
}

fn all_answered(to: SocketAddr, count: u64) {
    for (number, result) in ask_many(to, count) {
        assert!(matches!(result, Ok(Answer::Soa { serial: Serial(7), .. })), "{number}: {result:?}");
    }
}

#[test]
fn e12_very_many_requests_share_few_connections() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    let address = server(move |mut stream, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        while let Some(request) = next(&mut stream) {
            answer(&mut stream, &request);
        }
    });
    all_answered(address, 1_000);
    assert!(connections.load(Ordering::Relaxed) <= LINES_PER_PEER_MAX);
}

#[test]
fn e12_what_goes_out_together_is_told_apart_by_its_id() {
    all_answered(
        server(|mut stream, _| {
            // Whatever has come by the time that it looks is answered last first.
            while let Some(first) = next(&mut stream) {
                let mut requests = vec![first];
                stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
                requests.extend(std::iter::from_fn(|| next(&mut stream)).take(PIPELINED_MAX));
                stream.set_read_timeout(None).expect("a socket");
                requests.iter().rev().for_each(|request| answer(&mut stream, request));
            }
        }),
        100,
    );
}

#[test]
fn e12_a_server_that_takes_one_request_at_a_time_gets_that() {
    // Closes after its first answer, whatever else was asked.
    all_answered(
        server(|mut stream, _| {
            let Some(request) = next(&mut stream) else { return };
            answer(&mut stream, &request);
        }),
        60,
    );
    // Answers nothing of what came together, and closes.
    all_answered(
        server(|mut stream, _| {
            while let Some(request) = next(&mut stream) {
                stream.set_nonblocking(true).expect("a socket");
                if stream.peek(&mut [0]).is_ok() {
                    return;
                }
                stream.set_nonblocking(false).expect("a socket");
                answer(&mut stream, &request);
            }
        }),
        60,
    );
}

#[test]
fn e12_who_is_refused_for_the_sake_of_the_others_is_asked_for_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let gone = Name::parse("gone.").expect("a name");
    // Of what comes together only the last is answered; `gone.` never.
    let address = server(move |mut stream, _| {
        while let Some(request) = next(&mut stream) {
            counted.fetch_add(1, Ordering::Relaxed);
            stream.set_nonblocking(true).expect("a socket");
            let is_last = stream.peek(&mut [0]).is_err();
            stream.set_nonblocking(false).expect("a socket");
            let request = read_request(&request).expect("a request");
            let is_gone = request.question.is_some_and(|question| question.name == gone.as_ref());
            let refuse = Then::Refuse(ResponseCode::ServFail);
            let _ =
                stream.write_all(&reply(&request, if is_last && !is_gone { &Then::Answer } else { &refuse }));
        }
    });
    let (upstream, ended) = upstream();
    for number in 0..100 {
        let apex = if number == 50 { "gone." } else { "example." };
        let apex = Name::parse(apex).expect("a name");
        upstream.ask(ZoneId(1), Attempt(number), address, Ask { apex, ..ask(AskKind::Soa, Transport::Tcp) });
    }
    for _ in 0..100 {
        let (_, attempt, result) = ended.recv().expect("an end");
        match attempt.0 {
            50 => assert_eq!(result.err(), Some(TransferError::Rcode(ResponseCode::ServFail))),
            _ => assert!(matches!(result, Ok(Answer::Soa { .. })), "{attempt:?}: {result:?}"),
        }
    }
    upstream.stop();
    assert!(asked.load(Ordering::Relaxed) <= 500, "nobody is asked for more than five times");
}

#[test]
fn e12_nobody_waits_behind_a_long_answer() {
    // Each of the first connections has nothing to say after its first request; the others answer.
    all_answered_but(
        server(|mut stream, number| {
            if number < LINES_PER_PEER_MAX {
                // Until the other side gives up.
                return std::iter::from_fn(|| next(&mut stream)).for_each(drop);
            }
            while let Some(request) = next(&mut stream) {
                answer(&mut stream, &request);
            }
        }),
        60,
        LINES_PER_PEER_MAX,
    );
}

/// Of so many questions all but this many are answered while those are out.
fn all_answered_but(to: SocketAddr, count: u64, mute: usize) {
    let (upstream, ended) = upstream();
    for number in 0..count {
        upstream.ask(ZoneId(1), Attempt(number), to, ask(AskKind::Soa, Transport::Tcp));
    }
    for _ in 0..count as usize - mute {
        let (_, attempt, result) = ended.recv().expect("an end");
        assert!(matches!(result, Ok(Answer::Soa { .. })), "{attempt:?}: {result:?}");
    }
    upstream.stop();
}

#[test]
fn what_waits_for_a_server_that_is_not_there_fails_with_the_first() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = listener.local_addr().expect("an address");
    drop(listener);
    for (number, result) in ask_many(to, 1_000) {
        assert!(matches!(result, Err(TransferError::Unreachable(_))), "{number}: {result:?}");
    }
}

#[test]
fn a_request_that_was_taken_back_while_it_waits_is_not_sent() {
    let (tell, told) = channel();
    let address = server(move |mut stream, _| {
        while let Some(request) = next(&mut stream) {
            let question = read_request(&request).expect("a request").question.expect("a question");
            tell.send(question.name.to_name()).expect("the test listens");
            answer(&mut stream, &request);
        }
    });
    let (upstream, ended) = upstream();
    let gone = Ask { apex: Name::parse("gone.").expect("a name"), ..ask(AskKind::Soa, Transport::Tcp) };
    for number in 0..200 {
        upstream.ask(ZoneId(1), Attempt(number), address, ask(AskKind::Soa, Transport::Tcp));
    }
    upstream.ask(ZoneId(1), Attempt(200), address, gone);
    upstream.cancel(ZoneId(1), Attempt(200));
    let mut attempts: Vec<u64> =
        (0..200).map(|_| ended.recv().expect("an end")).map(|(_, attempt, _)| attempt.0).collect();
    attempts.sort_unstable();
    assert_eq!(attempts, (0..200).collect::<Vec<_>>());
    upstream.stop();
    assert_eq!(ended.try_iter().count(), 0);
    assert!(told.try_iter().all(|asked| asked == Name::parse("example.").expect("a name")));
}
