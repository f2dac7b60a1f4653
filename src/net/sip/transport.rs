//! SIP over UDP, TCP and TLS: octets of whole messages in and out, each with its [`Flow`].
//!
//! Takes over: octets for a flow. A connection is opened where none is up (RFC 3261 18.1.1), and kept.
//! Promises: nothing waits in [`Transports::send`]; what cannot be sent or is lost with its connection is told by
//! [`Arrival::Lost`]; strangers keep no connection, and their datagrams do not push out those of the peers.
//! When it dies: connections close; what was queued is gone, as with a lost datagram.
//!
//! UDP carries messages of any length: carriers that say UDP mean it, also above the 1,300 octets of RFC 3261 18.1.1.

mod connection;
mod connections;
mod peers;
#[cfg(test)]
mod tests;
mod udp;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::net::tls::{self, TlsError, TlsFiles};
use crate::proto::sip::{Flow, Transport};
use connections::Connections;
use peers::Peers;
use udp::Udp;

/// Messages read and not yet taken; strangers get half of it.
const QUEUE: usize = 1024;

/// How to set up transports.
#[derive(Debug, Clone)]
pub struct TransportConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: Vec<(Transport, SocketAddr)>,
    /// Certificate and key for TLS listeners.
    pub tls: Option<TlsFiles>,
    /// Authorities that may vouch for a far end, beside the system's: a PEM file.
    pub authorities: Option<PathBuf>,
    /// Whose connections are kept, and whose datagrams go first.
    pub peers: Vec<IpNet>,
    /// Until a connection is up, TLS included.
    pub connect: Duration,
    /// A far end that takes no octets for this long is gone.
    pub write: Duration,
    /// A connection that the far end opened ends after this long without a word.
    pub idle: Duration,
    /// How often a connection that we opened is kept alive (RFC 5626 3.5.1).
    pub ping: Duration,
    /// Connections at once from one address.
    pub per_peer: usize,
}

impl TransportConfig {
    /// On these addresses, with the usual times.
    pub fn new(listen: Vec<(Transport, SocketAddr)>) -> TransportConfig {
        TransportConfig {
            listen,
            tls: None,
            authorities: None,
            peers: Vec::new(),
            connect: Duration::from_secs(4),
            write: Duration::from_secs(10),
            idle: Duration::from_secs(30 * 60),
            ping: Duration::from_secs(90),
            per_peer: 32,
        }
    }
}

/// Why transports cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// An address is taken, not ours, or needs rights.
    #[error("cannot listen for calls on {transport}:{address}: {cause}")]
    Listen {
        /// What is spoken there.
        transport: Transport,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        cause: io::Error,
    },
    /// There is a TLS listener without certificate.
    #[error("cannot listen for calls on tls:{0}: sip.tls_certificate and sip.tls_key are needed")]
    NoCertificate(SocketAddr),
    /// Certificate, key or authorities cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// One datagram, or one message of a stream.
    Octets {
        /// Where it came from, and the way back.
        flow: Flow,
        /// The octets.
        octets: Vec<u8>,
        /// It is from a peer.
        trusted: bool,
    },
    /// What was sent there lately may not have arrived: no way, refused, closed, or the certificate is another's.
    Lost {
        /// The way that failed.
        flow: Flow,
        /// Why, fit for an admin.
        why: String,
    },
}

/// All sockets for SIP. Dropping it closes them.
#[derive(Debug)]
pub struct Transports {
    addresses: Vec<(Transport, SocketAddr)>,
    udp: Vec<Udp>,
    connections: Arc<Connections>,
    peers: Peers,
    arrivals: mpsc::Receiver<Arrival>,
    losses: mpsc::UnboundedReceiver<Arrival>,
    lost: mpsc::UnboundedSender<Arrival>,
    _stop: DropGuard,
}

impl Transports {
    /// Reads the certificates, binds every address and begins to listen.
    ///
    /// # Errors
    /// An address that cannot be bound, a certificate that cannot be read.
    pub async fn bind(config: TransportConfig) -> Result<Transports, TransportError> {
        let acceptor = config.tls.as_ref().map(tls::acceptor).transpose()?;
        let connector = tls::connector(config.authorities.as_deref())?;
        let peers = Peers::new(config.peers.clone());
        let stop = CancellationToken::new();
        let (arrived, arrivals) = mpsc::channel(QUEUE);
        let (lost, losses) = mpsc::unbounded_channel();
        let inbox = Inbox {
            arrived,
            lost: lost.clone(),
        };
        let connections = Connections::new(
            &config,
            connector,
            inbox.clone(),
            peers.clone(),
            stop.clone(),
        );
        let connections = Arc::new(connections);
        let mut transports = Transports {
            addresses: Vec::new(),
            udp: Vec::new(),
            connections,
            peers,
            arrivals,
            losses,
            lost,
            _stop: stop.clone().drop_guard(),
        };
        for (transport, address) in config.listen {
            let cause = |cause| TransportError::Listen {
                transport,
                address,
                cause,
            };
            let acceptor = match (transport, &acceptor) {
                (Transport::Tls, None) => return Err(TransportError::NoCertificate(address)),
                (Transport::Tls, acceptor) => acceptor.clone(),
                _ => None,
            };
            let bound = match transport {
                Transport::Udp => {
                    let peers = transports.peers.clone();
                    let udp = Udp::listen(address, inbox.clone(), peers, stop.clone());
                    let udp = udp.map_err(cause)?;
                    transports.udp.push(udp);
                    transports.udp.last().map_or(address, |udp| udp.address)
                }
                Transport::Tcp | Transport::Tls => {
                    let listening = transports.connections.listen(transport, address, acceptor);
                    listening.await.map_err(cause)?
                }
            };
            transports.addresses.push((transport, bound));
        }
        Ok(transports)
    }

    /// Where we listen, as bound.
    pub fn addresses(&self) -> &[(Transport, SocketAddr)] {
        &self.addresses
    }

    /// Changes whose connections are kept from now on.
    pub fn set_peers(&self, peers: Vec<IpNet>) {
        self.peers.set(peers);
    }

    /// Sends a message, or queues it on its connection; a failure comes as [`Arrival::Lost`]. Never waits.
    pub fn send(&self, to: &Flow, octets: Vec<u8>) {
        let sent = match to.transport {
            Transport::Udp => self.send_datagram(to, &octets),
            Transport::Tcp | Transport::Tls => self.connections.send(to, octets),
        };
        if let Err(why) = sent {
            let flow = to.clone();
            // It fails only while all is being dropped.
            let _ = self.lost.send(Arrival::Lost { flow, why });
        }
    }

    /// The next message or loss. May be dropped at any time: nothing is lost by it.
    pub async fn recv(&mut self) -> Arrival {
        tokio::select! {
            biased;
            Some(loss) = self.losses.recv() => loss,
            Some(arrival) = self.arrivals.recv() => arrival,
            // Both have a sender as long as `self` lives.
            else => std::future::pending().await,
        }
    }

    fn send_datagram(&self, to: &Flow, octets: &[u8]) -> Result<(), String> {
        let bound = self
            .udp
            .iter()
            .filter(|udp| to.local.is_none_or(|local| local == udp.address));
        let mut fitting = bound.filter(|udp| udp.address.is_ipv4() == to.remote.is_ipv4());
        let udp = fitting.next().ok_or("no UDP socket of ours reaches it")?;
        udp.send(to, octets)
    }
}

/// Where sockets put what they read.
#[derive(Debug, Clone)]
struct Inbox {
    arrived: mpsc::Sender<Arrival>,
    lost: mpsc::UnboundedSender<Arrival>,
}

impl Inbox {
    /// From a peer: waits until there is room. `false`: nobody reads any more.
    async fn put(&self, flow: Flow, octets: Vec<u8>) -> bool {
        let trusted = true;
        let arrival = Arrival::Octets {
            flow,
            octets,
            trusted,
        };
        self.arrived.send(arrival).await.is_ok()
    }

    /// From a stranger: thrown away where there is little room.
    fn put_if_room(&self, flow: Flow, octets: Vec<u8>) {
        if self.arrived.capacity() > QUEUE / 2 {
            let _ = self.arrived.try_send(Arrival::Octets {
                flow,
                octets,
                trusted: false,
            });
        }
    }

    fn lost(&self, flow: Flow, why: String) {
        let _ = self.lost.send(Arrival::Lost { flow, why });
    }
}
