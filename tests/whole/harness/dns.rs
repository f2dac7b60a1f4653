//! A name server that says what the test wants said, written from RFC 1035 alone.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};

/// What it says about a name.
#[derive(Debug, Clone)]
pub enum Says {
    /// A TXT record.
    Txt(String),
    /// SERVFAIL.
    Fails,
    /// Nothing, for ever.
    Nothing,
    /// Octets that are no answer.
    Garbage,
}

const TXT: u16 = 16;
const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;

/// Answers at this address until the test is over. A name that is not there does not exist.
pub fn serve(address: SocketAddr, names: &[(&str, Says)]) {
    let socket = UdpSocket::bind(address).expect("a port of the site");
    let names: HashMap<String, Says> = names
        .iter()
        .map(|(name, says)| (name.to_lowercase(), says.clone()))
        .collect();
    std::thread::spawn(move || {
        let mut query = [0; 4096];
        while let Ok((length, client)) = socket.recv_from(&mut query) {
            if let Some(answer) = answer(&query[..length], &names) {
                let _ = socket.send_to(&answer, client);
            }
        }
    });
}

fn answer(query: &[u8], names: &HashMap<String, Says>) -> Option<Vec<u8>> {
    let (name, end) = question(query)?;
    let asked = u16::from_be_bytes([query[end - 4], query[end - 3]]);
    let reply = |code: u8, answers: u8| {
        // RFC 1035 4.1.1: the identifier; a recursive answer; one question.
        let mut reply = query[..2].to_vec();
        reply.extend([0x81, 0x80 | code, 0, 1, 0, answers, 0, 0, 0, 0]);
        reply.extend_from_slice(&query[12..end]);
        reply
    };
    match names.get(&name) {
        None => Some(reply(NXDOMAIN, 0)),
        Some(Says::Fails) => Some(reply(SERVFAIL, 0)),
        Some(Says::Nothing) => None,
        Some(Says::Garbage) => {
            let mut garbage = query[..2].to_vec();
            garbage.extend((0..200).map(|_| fastrand::u8(..)));
            Some(garbage)
        }
        Some(Says::Txt(_)) if asked != TXT => Some(reply(0, 0)),
        Some(Says::Txt(text)) => {
            let mut reply = reply(0, 1);
            // 4.1.4: the name of the question again; TXT, IN, ten minutes.
            reply.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 2, 88]);
            let strings: Vec<u8> = text
                .as_bytes()
                .chunks(255)
                .flat_map(|part| [&[part.len() as u8], part].concat())
                .collect();
            reply.extend((strings.len() as u16).to_be_bytes());
            reply.extend(strings);
            Some(reply)
        }
    }
}

/// The name that is asked about, lower-case, and where the question ends.
fn question(query: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), 12);
    loop {
        let length = usize::from(*query.get(at)?);
        let label = query.get(at + 1..at + 1 + length)?;
        at += 1 + length;
        match label {
            [] => break,
            label => labels.push(String::from_utf8_lossy(label).to_lowercase()),
        }
    }
    query.get(at..at + 4)?;
    Some((labels.join("."), at + 4))
}
