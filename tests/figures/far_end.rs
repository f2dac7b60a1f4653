//! The far end of the calls: a bare UDP socket that notes when an INVITE comes, and says 486 or nothing.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// An INVITE that takes longer than this does not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// The socket, and the INVITEs that came to it.
pub struct FarEnd {
    address: SocketAddr,
    invites: Receiver<(String, Instant)>,
}

impl FarEnd {
    /// Every number is busy.
    pub fn busy() -> std::io::Result<FarEnd> {
        FarEnd::listen(true)
    }

    /// Nothing is ever answered.
    pub fn silent() -> std::io::Result<FarEnd> {
        FarEnd::listen(false)
    }

    fn listen(answers: bool) -> std::io::Result<FarEnd> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = socket.local_addr()?;
        let (invite, invites) = channel();
        std::thread::spawn(move || {
            let mut datagram = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut datagram) {
                let arrived = Instant::now();
                let request = String::from_utf8_lossy(&datagram[..length]);
                let Some(number) = dialled(&request) else {
                    continue;
                };
                if invite.send((number.to_owned(), arrived)).is_err() {
                    return;
                }
                if answers {
                    let _ = socket.send_to(busy_here(&request).as_bytes(), from);
                }
            }
        });
        Ok(FarEnd { address, invites })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the first INVITE to `number`.
    pub fn invited(&self, number: &str) -> anyhow::Result<Instant> {
        loop {
            let invite = self.invites.recv_timeout(PATIENCE);
            let (dialled, arrived) = invite.with_context(|| format!("no INVITE to {number}"))?;
            if dialled == number {
                return Ok(arrived);
            }
        }
    }
}

/// The user part of an INVITE's URI.
fn dialled(request: &str) -> Option<&str> {
    let (number, _) = request.strip_prefix("INVITE sip:")?.split_once('@')?;
    Some(number)
}

/// RFC 3261 8.2.6.2: Via, From, To, Call-ID and CSeq of the request, and a tag in To.
fn busy_here(request: &str) -> String {
    let mut response = "SIP/2.0 486 Busy Here\r\n".to_owned();
    for line in request.lines() {
        let name = line.split(':').next().unwrap_or_default().trim();
        match name.to_ascii_lowercase().as_str() {
            "via" | "from" | "call-id" | "cseq" => response.push_str(line),
            "to" => response.push_str(&format!("{line};tag=busy")),
            _ => continue,
        }
        response.push_str("\r\n");
    }
    response + "Content-Length: 0\r\n\r\n"
}
