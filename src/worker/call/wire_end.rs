//! Our end of the wire: one UDP socket, the address we send to, and whom we listen to.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// After this much silence of the source we listen to, another one may take its place (a NAT that changed).
const SILENT: Duration = Duration::from_secs(3);
/// A packet larger than this is not media.
const MAX_PACKET: usize = 4096;

/// A socket that listens to one source at a time.
///
/// The address of the SDP is always listened to. Behind NAT the packets come from elsewhere: then the first good
/// packet decides, and we answer to where it came from.
pub(super) struct WireEnd {
    socket: UdpSocket,
    signalled: Option<SocketAddr>,
    source: Option<(SocketAddr, Instant)>,
    octets: u64,
}

impl WireEnd {
    pub(super) fn new(socket: UdpSocket) -> io::Result<WireEnd> {
        socket.set_nonblocking(true)?;
        Ok(WireEnd {
            socket,
            signalled: None,
            source: None,
            octets: 0,
        })
    }

    /// The far end's address by its SDP; a new one makes us forget the old source.
    pub(super) fn signal(&mut self, remote: SocketAddr) {
        if self.signalled != Some(remote) {
            self.signalled = Some(remote);
            self.source = None;
        }
    }

    /// Octets of payload so far, both directions.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// Sends to where the far end is. A packet that cannot leave is a lost packet.
    pub(super) fn send(&mut self, packet: &[u8]) {
        let Some(to) = self.source.map(|(source, _)| source).or(self.signalled) else {
            return;
        };
        if let Ok(sent) = self.socket.send_to(packet, to) {
            self.octets += sent as u64;
        }
    }

    /// The next packet that is `good` and comes from whom we listen to; `None` when nothing is left.
    pub(super) fn receive(&mut self, good: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let mut buffer = [0u8; MAX_PACKET];
        loop {
            let (len, from) = match self.socket.recv_from(&mut buffer) {
                Ok(packet) => packet,
                // An ICMP error of an earlier send is reported here, once; the next packet may be fine.
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(_) => return None,
            };
            let packet = &buffer[..len];
            if good(packet) && self.listens_to(from, Instant::now()) {
                self.octets += len as u64;
                return Some(packet.to_vec());
            }
        }
    }

    fn listens_to(&mut self, from: SocketAddr, now: Instant) -> bool {
        let Some(signalled) = self.signalled else {
            return false;
        };
        let listens = match self.source {
            Some((source, heard)) => {
                from == source || from == signalled || now.duration_since(heard) > SILENT
            }
            None => true,
        };
        if listens {
            self.source = Some((from, now));
        }
        listens
    }
}

impl AsFd for WireEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end() -> WireEnd {
        WireEnd::new(UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap()
    }

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn stranger_cannot_take_over_a_source_that_still_speaks() {
        let (mut end, now) = (end(), Instant::now());
        end.signal(addr(1));
        assert!(end.listens_to(addr(2), now), "behind NAT");
        assert!(!end.listens_to(addr(3), now + Duration::from_secs(1)));
        assert!(end.listens_to(addr(2), now + Duration::from_secs(2)));
        assert!(end.listens_to(addr(3), now + Duration::from_secs(6)));
    }

    #[test]
    fn signalled_address_wins_over_an_early_stranger() {
        let (mut end, now) = (end(), Instant::now());
        end.signal(addr(1));
        assert!(end.listens_to(addr(66), now));
        assert!(end.listens_to(addr(1), now));
        assert!(!end.listens_to(addr(66), now));
    }

    #[test]
    fn nobody_is_listened_to_before_the_sdp() {
        assert!(!end().listens_to(addr(1), Instant::now()));
    }
}
