//! Our end of the wire: one UDP socket, the address we send to, and whom we listen to.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::source::{SourceLock, Verdict};
use crate::call::media::MediaSources;

/// A packet larger than this is not media.
const MAX_PACKET: usize = 4096;

/// What a packet looks like, whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// No media.
    Junk,
    /// Media.
    Good,
}

/// A packet of the far end.
pub(super) struct Packet {
    pub(super) octets: Vec<u8>,
    /// It came from another place than the one before.
    pub(super) moved: bool,
}

/// A socket that listens to one source at a time.
pub(super) struct WireEnd {
    socket: UdpSocket,
    lock: SourceLock,
    octets: u64,
    /// Whose media was dropped first, until it is told.
    stranger: Option<SocketAddr>,
    has_told: bool,
}

impl WireEnd {
    pub(super) fn new(socket: UdpSocket) -> io::Result<WireEnd> {
        socket.set_nonblocking(true)?;
        Ok(WireEnd {
            socket,
            lock: SourceLock::default(),
            octets: 0,
            stranger: None,
            has_told: false,
        })
    }

    /// The far end's address by its SDP, and who else may speak for it.
    pub(super) fn signal(&mut self, remote: SocketAddr, sources: &MediaSources) {
        self.lock.signal(remote, sources, Instant::now());
    }

    /// When a packet of a signal left last; `None`: the signal is at its end.
    pub(super) fn transmit(&mut self, at: Option<Instant>) {
        self.lock.transmit(at);
    }

    /// Once: who sent media that was dropped.
    pub(super) fn take_stranger(&mut self) -> Option<SocketAddr> {
        let stranger = self.stranger.take()?;
        (!std::mem::replace(&mut self.has_told, true)).then_some(stranger)
    }

    /// Octets of payload so far, both directions.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// Sends to where the far end is. A packet that cannot leave is a lost packet.
    pub(super) fn send(&mut self, packet: &[u8]) {
        let Some(to) = self.lock.destination() else {
            return;
        };
        if let Ok(sent) = self.socket.send_to(packet, to) {
            self.octets += sent as u64;
        }
    }

    /// The next packet that looks good and comes from whom we listen to; `None` when nothing is left.
    pub(super) fn receive(&mut self, look: impl Fn(&[u8]) -> Look) -> Option<Packet> {
        let mut buffer = [0u8; MAX_PACKET];
        loop {
            let (len, from) = match self.socket.recv_from(&mut buffer) {
                Ok(packet) => packet,
                // An ICMP error of an earlier send is reported here, once; the next packet may be fine.
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(_) => return None,
            };
            let packet = &buffer[..len];
            if look(packet) == Look::Junk {
                continue;
            }
            let verdict = self.lock.judge(from, Instant::now());
            if verdict == Verdict::Drop {
                self.stranger = Some(from);
            } else {
                self.octets += len as u64;
                return Some(Packet {
                    octets: packet.to_vec(),
                    moved: verdict == Verdict::Moved,
                });
            }
        }
    }
}

impl AsFd for WireEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
