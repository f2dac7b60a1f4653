//! The UDP sockets of an endpoint.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

/// What the kernel keeps while we are busy: a burst of calls, or of a scanner.
const RECEIVE_BUFFER: usize = 1 << 21;

/// One socket or more.
pub(super) struct UdpSockets {
    sockets: Vec<(SocketAddr, UdpSocket)>,
    /// Whose turn it is, so that none starves.
    turn: usize,
}

/// A datagram that came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Datagram {
    pub len: usize,
    pub from: SocketAddr,
    /// The address of ours that it came to, as it was bound.
    pub local: SocketAddr,
}

impl UdpSockets {
    pub fn new() -> UdpSockets {
        UdpSockets {
            sockets: Vec::new(),
            turn: 0,
        }
    }

    /// Opens one more; says where it is bound.
    pub async fn bind(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let socket = UdpSocket::bind(address).await?;
        // As much as the system allows.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER);
        let bound = socket.local_addr()?;
        self.sockets.push((bound, socket));
        Ok(bound)
    }

    /// Sends at once, or not at all: a full buffer is a lost datagram.
    ///
    /// # Errors
    /// Why the system cannot send there.
    pub fn send(&self, local: Option<SocketAddr>, to: SocketAddr, octets: &[u8]) -> io::Result<()> {
        let own = |(bound, _): &&(SocketAddr, UdpSocket)| Some(*bound) == local;
        let family = |(bound, _): &&(SocketAddr, UdpSocket)| bound.is_ipv4() == to.is_ipv4();
        let found = self.sockets.iter().find(own);
        let Some((_, socket)) = found.or_else(|| self.sockets.iter().find(family)) else {
            return Err(io::Error::other("no UDP address of ours fits (sip.listen)"));
        };
        match socket.try_send_to(octets, to) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// The next datagram. Cancel-safe.
    pub async fn receive(&mut self, buffer: &mut [u8]) -> Datagram {
        poll_fn(|cx| self.poll(cx, buffer)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Datagram> {
        for _ in 0..self.sockets.len() {
            self.turn = (self.turn + 1) % self.sockets.len();
            let (local, socket) = &self.sockets[self.turn];
            let mut buffer = ReadBuf::new(buffer);
            // An error tells of an earlier datagram of ours, if anything.
            while let Poll::Ready(result) = socket.poll_recv_from(cx, &mut buffer) {
                if let Ok(from) = result {
                    return Poll::Ready(Datagram {
                        len: buffer.filled().len(),
                        from,
                        local: *local,
                    });
                }
            }
        }
        Poll::Pending
    }
}
