//! One UDP address of ours: a socket for all, and one for each known far end.
//!
//! Only a connected socket hears ICMP, so each peer that we send to gets one, bound to the same address: that a trunk
//! is not there is known at once, not after seconds of silence.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket as Socket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_reuseport};
use rustix::net::{
    AddressFamily, RecvFlags, SocketFlags, SocketType, bind, connect, recvfrom, socket_with,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Inbox;
use super::peers::Peers;
use crate::proto::sip::{Flow, Transport, first_look};

/// What the kernel is asked to hold for us; it may give less.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// No datagram is longer.
const MAX_DATAGRAM: usize = 65_535;

/// Far ends with a socket of their own. One more takes the place of that which was sent to least lately.
const MAX_KNOWN: usize = 64;

thread_local! {
    /// What is being read: one for all sockets, of which there may be many, and each may read this much.
    static DATAGRAM: RefCell<Vec<u8>> = RefCell::new(vec![0; MAX_DATAGRAM]);
}

#[derive(Debug)]
pub(super) struct Udp {
    pub address: SocketAddr,
    /// The same socket as the reader's: the runtime's has to be asked whether it is ready, and does not know at first.
    socket: Socket,
    known: Mutex<HashMap<SocketAddr, Known>>,
    listener: Listener,
}

/// A far end with its socket; its reader ends with it.
#[derive(Debug)]
struct Known {
    socket: Socket,
    used: Instant,
    _reader: DropGuard,
}

impl Udp {
    pub fn listen(
        address: SocketAddr,
        inbox: Inbox,
        peers: Peers,
        stop: CancellationToken,
    ) -> io::Result<Udp> {
        let socket = Socket::bind(address)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let listener = Listener {
            local: address,
            inbox,
            peers,
        };
        listener.clone().spawn(&socket, None, stop)?;
        Ok(Udp {
            address,
            socket,
            known: Mutex::default(),
            listener,
        })
    }

    /// Sends at once or not at all: where the kernel has no room, the datagram is lost as on the way.
    pub fn send(&self, to: &Flow, octets: &[u8]) -> Result<(), String> {
        if self.listener.peers.has(to.remote.ip())
            && let Some(sent) = self.send_to_known(to, octets)
        {
            return sent;
        }
        said(self.socket.send_to(octets, to.remote))
    }

    /// `None`: it has no socket of its own.
    fn send_to_known(&self, to: &Flow, octets: &[u8]) -> Option<Result<(), String>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(&to.remote) {
            let far = self.know(to, &known).ok()?;
            make_room(&mut known);
            known.insert(to.remote, far);
        }
        let far = known.get_mut(&to.remote)?;
        far.used = Instant::now();
        match far.socket.send(octets) {
            // The way changed, and with it our address: the next one learns it.
            Err(error) if !is_icmp(&error) && !is_full(&error) => {
                known.remove(&to.remote);
                None
            }
            sent => Some(said(sent)),
        }
    }

    fn know(&self, to: &Flow, known: &HashMap<SocketAddr, Known>) -> io::Result<Known> {
        let family = match self.address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(family, SocketType::DGRAM, flags, None)?;
        let shared = known.values().map(|far| far.socket.as_fd());
        let shared = shared.chain([self.socket.as_fd(), socket.as_fd()]);
        bind_beside(&socket, &self.address, shared.collect())?;
        connect(&socket, &to.remote)?;
        let socket = Socket::from(socket);
        let stop = CancellationToken::new();
        self.listener
            .clone()
            .spawn(&socket, Some(to.clone()), stop.clone())?;
        let _reader = stop.drop_guard();
        Ok(Known {
            socket,
            used: Instant::now(),
            _reader,
        })
    }
}

/// Binds a socket to an address that the `shared` ones have, itself among them. Only for so long may it be shared, and by
/// this user's sockets alone (SO_REUSEPORT): else another user of this machine could bind it, too, and take our INVITEs.
fn bind_beside(
    socket: &OwnedFd,
    address: &SocketAddr,
    shared: Vec<BorrowedFd<'_>>,
) -> io::Result<()> {
    let all = |may: bool| {
        let mut each = shared.iter();
        each.try_for_each(|it| set_socket_reuseport(it, may))
    };
    let bound = all(true).and_then(|()| bind(socket, address));
    let closed = all(false);
    Ok(bound.and(closed)?)
}

fn make_room(known: &mut HashMap<SocketAddr, Known>) {
    let oldest = known.iter().min_by_key(|(_, far)| far.used);
    if let Some(oldest) = oldest.map(|(far, _)| *far)
        && known.len() >= MAX_KNOWN
    {
        known.remove(&oldest);
    }
}

fn said(sent: io::Result<usize>) -> Result<(), String> {
    match sent {
        Err(error) if !is_full(&error) => Err(error.to_string()),
        _ => Ok(()),
    }
}

fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

fn is_icmp(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    matches!(
        error.kind(),
        ConnectionRefused | HostUnreachable | NetworkUnreachable
    )
}

/// Puts what a socket reads where it belongs.
#[derive(Debug, Clone)]
struct Listener {
    local: SocketAddr,
    inbox: Inbox,
    peers: Peers,
}

impl Listener {
    /// Reads until `stop`; `far` is the far end of a connected socket.
    fn spawn(self, socket: &Socket, far: Option<Flow>, stop: CancellationToken) -> io::Result<()> {
        // Less than asked for is no failure.
        let _ = set_socket_recv_buffer_size(socket, RECEIVE_BUFFER);
        let socket = UdpSocket::from_std(socket.try_clone()?)?;
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            loop {
                match next(&socket).await {
                    Ok(Some((octets, remote))) => self.handle(octets, remote).await,
                    Ok(None) => {}
                    Err(error) => {
                        if let Some(far) = far.clone() {
                            self.inbox.lost(far, error.to_string());
                        }
                        tokio::task::yield_now().await;
                    }
                }
            }
        }));
        Ok(())
    }

    async fn handle(&self, octets: Vec<u8>, remote: SocketAddr) {
        let flow = Flow {
            transport: Transport::Udp,
            remote,
            name: None,
            local: Some(self.local),
        };
        if self.peers.has(remote.ip()) {
            // Nobody reads only while all is being dropped, this task too.
            self.inbox.put(flow, octets).await;
        } else {
            self.inbox.put_if_room(flow, octets);
        }
    }
}

/// The next datagram; `None`: keep-alives and noise.
async fn next(socket: &UdpSocket) -> io::Result<Option<(Vec<u8>, SocketAddr)>> {
    // ICMP is an error without anything to read.
    let interest = Interest::READABLE | Interest::ERROR;
    socket.async_io(interest, || read(socket)).await
}

fn read(socket: &UdpSocket) -> io::Result<Option<(Vec<u8>, SocketAddr)>> {
    DATAGRAM.with_borrow_mut(|buffer| {
        let (len, _, remote) = recvfrom(socket, &mut buffer[..], RecvFlags::empty())?;
        let octets = &buffer[..len];
        let remote = remote.and_then(|remote| SocketAddr::try_from(remote).ok());
        let is_sip = first_look(octets).is_some() || is_answerable(octets);
        Ok(remote
            .filter(|_| is_sip)
            .map(|remote| (octets.to_vec(), remote)))
    })
}

/// A request without Call-ID still gets its 400.
fn is_answerable(octets: &[u8]) -> bool {
    octets
        .windows(6)
        .take(4096)
        .any(|window| window.eq_ignore_ascii_case(b" SIP/2"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket on loopback, and the ends of its channels, which nobody reads.
    fn listening() -> (Udp, impl Sized) {
        let (arrived, reads) = tokio::sync::mpsc::channel(10);
        let (lost, hears) = tokio::sync::mpsc::unbounded_channel();
        let inbox = Inbox { arrived, lost };
        let peers = Peers::new(vec!["127.0.0.0/8".parse().unwrap()]);
        let here = "127.0.0.1:0".parse().unwrap();
        let udp = Udp::listen(here, inbox, peers, CancellationToken::new());
        (udp.unwrap(), (reads, hears))
    }

    /// Whoever invents ports gets answers there; it costs no more than so many sockets, and who was there before and
    /// is in use keeps its own.
    #[tokio::test]
    async fn made_up_ports_take_no_more_than_their_share() {
        let (udp, _readers) = listening();
        let trunk: SocketAddr = "127.0.0.1:5060".parse().unwrap();
        for port in 20_000..20_200 {
            let _ = udp.send(&Flow::udp(trunk), b"x");
            let _ = udp.send(&Flow::udp(SocketAddr::new(trunk.ip(), port)), b"x");
        }
        let known = udp.known.lock().unwrap();
        assert_eq!(known.len(), MAX_KNOWN);
        assert!(known.contains_key(&trunk));
    }

    /// With far ends that have sockets of their own, and whatever a neighbour asks of the kernel.
    #[tokio::test]
    async fn nobody_else_can_bind_our_address() {
        let (udp, _readers) = listening();
        for port in 30_000..30_050 {
            let far = SocketAddr::from(([127, 0, 0, 2], port));
            let _ = udp.send(&Flow::udp(far), b"x");
            let steals = |ask: fn(&OwnedFd) -> rustix::io::Result<()>| {
                let flags = SocketFlags::CLOEXEC;
                let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None);
                let socket = socket.unwrap();
                ask(&socket).unwrap();
                bind(&socket, &udp.address).is_ok()
            };
            assert!(!steals(|it| rustix::net::sockopt::set_socket_reuseaddr(
                it, true
            )));
            assert!(!steals(|it| set_socket_reuseport(it, true)));
        }
        assert_eq!(udp.known.lock().unwrap().len(), 50);
    }
}
