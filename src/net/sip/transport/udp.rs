//! One UDP socket.

use std::io;
use std::net::{SocketAddr, UdpSocket as Blocking};
use std::sync::Arc;

use rustix::net::sockopt::set_socket_recv_buffer_size;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use super::Inbox;
use super::peers::Peers;
use crate::proto::sip::{Flow, Transport, first_look};

/// What the kernel is asked to hold for us; it may give less.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// No datagram is longer.
const MAX_DATAGRAM: usize = 65_535;

#[derive(Debug)]
pub(super) struct Udp {
    pub address: SocketAddr,
    socket: Arc<UdpSocket>,
    /// The same socket, for sending: the runtime's own does not send before it has once seen that it can.
    sender: Blocking,
}

impl Udp {
    pub fn bind(address: SocketAddr) -> io::Result<Udp> {
        let socket = Blocking::bind(address)?;
        // Less than asked for is no failure.
        let _ = set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER);
        socket.set_nonblocking(true)?;
        let sender = socket.try_clone()?;
        Ok(Udp {
            sender,
            address: socket.local_addr()?,
            socket: Arc::new(UdpSocket::from_std(socket)?),
        })
    }

    /// Sends at once or not at all: where the kernel has no room, the datagram is lost as on the way.
    pub fn send(&self, remote: SocketAddr, octets: &[u8]) -> Result<(), String> {
        match self.sender.send_to(octets, remote) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Reads until `stop`.
    pub fn listen(&self, inbox: Inbox, peers: Peers, stop: CancellationToken) {
        let (socket, local) = (self.socket.clone(), self.address);
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            let mut buffer = vec![0; MAX_DATAGRAM];
            loop {
                // An error is that of a datagram sent before; the socket is as good as ever.
                let Ok((len, remote)) = socket.recv_from(&mut buffer).await else {
                    tokio::task::yield_now().await;
                    continue;
                };
                let octets = &buffer[..len];
                // Keep-alives and noise.
                if first_look(octets).is_none() && !is_answerable(octets) {
                    continue;
                }
                let flow = flow(local, remote);
                if !peers.has(remote.ip()) {
                    inbox.put_if_room(flow, octets);
                } else if !inbox.put(flow, octets.to_vec()).await {
                    return;
                }
            }
        }));
    }
}

/// A request without Call-ID still gets its 400.
fn is_answerable(octets: &[u8]) -> bool {
    octets
        .windows(6)
        .take(4096)
        .any(|window| window.eq_ignore_ascii_case(b" SIP/2"))
}

fn flow(local: SocketAddr, remote: SocketAddr) -> Flow {
    Flow {
        transport: Transport::Udp,
        remote,
        name: None,
        local: Some(local),
    }
}
