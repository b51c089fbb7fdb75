//! Many questions to one server, with many under way: over UDP and over one kept connection.

use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::message::{Question, Way};

/// Datagrams under way: as many answers as a receive buffer surely holds.
const DATAGRAMS_AT_ONCE: usize = 32;
/// Questions under way on a connection.
const REQUESTS_AT_ONCE: usize = 32;
/// How long a datagram is waited for before it is sent again.
const AGAIN_AFTER: Duration = Duration::from_secs(3);
/// How often it is sent.
const TRIES: usize = 4;
/// How long a connection may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The answers in the order of the questions. A server that does not answer is an error of the run.
pub fn ask(server: SocketAddr, questions: &[Question]) -> Result<Vec<Vec<u8>>, String> {
    let mut answers = vec![Vec::new(); questions.len()];
    let is_tcp = |at: &usize| questions[*at].way == Way::Tcp;
    let (tcp, udp): (Vec<usize>, Vec<usize>) = (0..questions.len()).partition(is_tcp);
    over_udp(server, questions, &udp, &mut answers)?;
    over_tcp(server, questions, &tcp, &mut answers).map_err(|error| format!("over TCP: {error}"))?;
    Ok(answers)
}

/// One datagram that may stay without an answer.
pub fn ask_once(server: SocketAddr, question: &Question) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    socket.send_to(&numbered(question, 1), server).ok()?;
    let mut buffer = vec![0; 65_535];
    let (length, _) = socket.recv_from(&mut buffer).ok()?;
    Some(buffer[..length].to_vec())
}

/// The message with an id that tells it from those under way.
fn numbered(question: &Question, id: u16) -> Vec<u8> {
    let mut message = question.message();
    message[..2].copy_from_slice(&id.to_be_bytes());
    message
}

fn id_of(message: &[u8]) -> Option<u16> {
    message.first_chunk().map(|id| u16::from_be_bytes(*id))
}

/// A question under way.
struct Pending {
    at: usize,
    sent: Instant,
    tries: usize,
}

fn over_udp(
    server: SocketAddr,
    questions: &[Question],
    which: &[usize],
    answers: &mut [Vec<u8>],
) -> Result<(), String> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.connect(server).expect("a local address");
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a socket");
    let mut waiting: VecDeque<usize> = which.iter().copied().collect();
    let mut pending: HashMap<u16, Pending> = HashMap::new();
    let (mut id, mut buffer) = (0u16, vec![0; 65_535]);
    loop {
        while pending.len() < DATAGRAMS_AT_ONCE {
            let Some(at) = waiting.pop_front() else { break };
            id = id.wrapping_add(1);
            socket.send(&numbered(&questions[at], id)).map_err(|error| error.to_string())?;
            pending.insert(id, Pending { at, sent: Instant::now(), tries: 1 });
        }
        if pending.is_empty() {
            return Ok(());
        }
        match socket.recv(&mut buffer) {
            Ok(length) => {
                if let Some(known) = id_of(&buffer[..length]).and_then(|id| pending.remove(&id)) {
                    answers[known.at] = buffer[..length].to_vec();
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                for (id, late) in pending.iter_mut().filter(|(_, late)| late.sent.elapsed() > AGAIN_AFTER) {
                    let question = &questions[late.at];
                    if late.tries == TRIES {
                        return Err(format!("no answer to {question} after {TRIES} tries"));
                    }
                    socket.send(&numbered(question, *id)).map_err(|error| error.to_string())?;
                    (late.sent, late.tries) = (Instant::now(), late.tries + 1);
                }
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn over_tcp(
    server: SocketAddr,
    questions: &[Question],
    which: &[usize],
    answers: &mut [Vec<u8>],
) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    let mut waiting = which.iter();
    let mut pending: HashMap<u16, usize> = HashMap::new();
    loop {
        while pending.len() < REQUESTS_AT_ONCE {
            let Some(at) = waiting.next() else { break };
            let id = (0..=u16::MAX).find(|id| !pending.contains_key(id)).expect("few are under way");
            let message = numbered(&questions[*at], id);
            stream.write_all(&[&(message.len() as u16).to_be_bytes(), &message[..]].concat())?;
            pending.insert(id, *at);
        }
        if pending.is_empty() {
            return Ok(());
        }
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer)?;
        if let Some(at) = id_of(&answer).and_then(|id| pending.remove(&id)) {
            answers[at] = answer;
        }
    }
}
