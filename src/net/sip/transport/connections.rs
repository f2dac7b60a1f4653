//! The connections that are up: opened by us where a message needs one, or by a peer.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Keeping};
use super::peers::Peers;
use super::{Inbox, TransportConfig};
use crate::proto::sip::{Flow, Transport};

/// Messages that wait for a far end to read.
const OUTBOX: usize = 64;

/// All of them.
#[derive(Debug)]
pub(super) struct Connections {
    up: Mutex<Up>,
    connector: Connector,
    inbox: Inbox,
    peers: Peers,
    /// Where we listen for connections: those that we open come from there, for peers that know us by address.
    sources: Mutex<Vec<IpAddr>>,
    keeping: Keeping,
    connect: Duration,
    idle: Duration,
    ping: Duration,
    per_peer: usize,
    stop: CancellationToken,
}

/// What tells one from another. One that was opened under a name serves that name only: its certificate is for it.
type Key = (Transport, SocketAddr, Option<Arc<str>>);

#[derive(Debug, Default)]
struct Up {
    outboxes: HashMap<Key, (u64, mpsc::Sender<Vec<u8>>)>,
    opened: u64,
}

/// Without the roots, which fill a screen.
struct Connector(TlsConnector);

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

impl Connections {
    pub fn new(
        config: &TransportConfig,
        connector: TlsConnector,
        inbox: Inbox,
        peers: Peers,
        stop: CancellationToken,
    ) -> Connections {
        Connections {
            up: Mutex::default(),
            connector: Connector(connector),
            inbox,
            peers,
            sources: Mutex::default(),
            keeping: Keeping {
                write: config.write,
                ping: None,
                idle: None,
            },
            connect: config.connect,
            idle: config.idle,
            ping: config.ping,
            per_peer: config.per_peer,
            stop,
        }
    }

    /// Queues a message on its connection, and opens one where there is none.
    pub fn send(self: &Arc<Self>, to: &Flow, octets: Vec<u8>) -> Result<(), String> {
        let mut up = self.up();
        let Some((_, outbox)) = up.outboxes.get(&key(to)) else {
            return self.open(&mut up, to, octets);
        };
        match outbox.try_send(octets) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err("the far end does not read".to_owned()),
            // It has just ended.
            Err(TrySendError::Closed(octets)) => self.open(&mut up, to, octets),
        }
    }

    /// Listens for connections of peers; the address as bound.
    pub async fn listen(
        self: &Arc<Self>,
        transport: Transport,
        address: SocketAddr,
        acceptor: Option<TlsAcceptor>,
    ) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        if !bound.ip().is_unspecified() {
            self.sources
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(bound.ip());
        }
        let (this, stop) = (self.clone(), self.stop.clone());
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, remote)) => {
                        let (transport, name, local) = (transport, None, Some(bound));
                        let flow = Flow {
                            transport,
                            remote,
                            name,
                            local,
                        };
                        this.admit(stream, flow, acceptor.clone());
                    }
                    // Too many open files, say: it may pass.
                    Err(error) => {
                        tracing::warn!("no connection taken on {transport}:{bound}: {error}");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        }));
        Ok(bound)
    }

    /// A stranger's connection, and one too many, are closed unread.
    fn admit(self: &Arc<Self>, stream: TcpStream, flow: Flow, acceptor: Option<TlsAcceptor>) {
        if !self.peers.has(flow.remote.ip()) {
            tracing::debug!("connection of a stranger closed: {flow}");
            return;
        }
        let mut up = self.up();
        let same = up
            .outboxes
            .keys()
            .filter(|(_, remote, _)| remote.ip() == flow.remote.ip());
        if same.count() >= self.per_peer {
            tracing::warn!("too many connections from {}", flow.remote.ip());
            return;
        }
        let (id, outbox) = up.add(&flow);
        drop(up);
        let idle = Some(self.idle);
        let keeping = Keeping {
            idle,
            ..self.keeping
        };
        self.run(flow, id, |this, flow| async move {
            let _ = stream.set_nodelay(true);
            let Some(acceptor) = acceptor else {
                return Connection::new(stream, flow, outbox, keeping)
                    .run(&this.inbox)
                    .await;
            };
            match timeout(this.connect, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    Connection::new(stream, flow, outbox, keeping)
                        .run(&this.inbox)
                        .await
                }
                Ok(Err(error)) => format!("TLS: {error}"),
                Err(_) => "TLS: no handshake".to_owned(),
            }
        });
    }

    fn open(self: &Arc<Self>, up: &mut Up, to: &Flow, octets: Vec<u8>) -> Result<(), String> {
        let (id, outbox) = up.add(to);
        if let Some((_, queue)) = up.outboxes.get(&key(to)) {
            queue.try_send(octets).map_err(|error| error.to_string())?;
        }
        let ping = Some(self.ping);
        let keeping = Keeping {
            ping,
            ..self.keeping
        };
        self.run(to.clone(), id, |this, flow| async move {
            let connected = timeout(this.connect, this.connect(&flow)).await;
            let stream = match connected {
                Ok(Ok(stream)) => stream,
                Ok(Err(why)) => return why,
                Err(_) => return format!("no connection within {:?}", this.connect),
            };
            match stream {
                Opened::Plain(stream) => {
                    Connection::new(stream, flow, outbox, keeping)
                        .run(&this.inbox)
                        .await
                }
                Opened::Tls(stream) => {
                    Connection::new(*stream, flow, outbox, keeping)
                        .run(&this.inbox)
                        .await
                }
            }
        });
        Ok(())
    }

    async fn connect(&self, flow: &Flow) -> Result<Opened, String> {
        let stream = self.socket(flow).map_err(|error| error.to_string())?;
        let stream = stream
            .connect(flow.remote)
            .await
            .map_err(|error| error.to_string())?;
        let _ = stream.set_nodelay(true);
        if flow.transport != Transport::Tls {
            return Ok(Opened::Plain(stream));
        }
        // RFC 5922 7.1: the certificate is for the name that was configured, not for what DNS made of it.
        let name = match &flow.name {
            Some(name) => ServerName::try_from(name.to_string())
                .map_err(|error| format!("{name}: {error}"))?,
            None => ServerName::from(flow.remote.ip()),
        };
        let stream = self.connector.0.connect(name, stream).await;
        let stream = stream.map_err(|error| format!("TLS: {error}"))?;
        Ok(Opened::Tls(Box::new(stream)))
    }

    /// From the address that the peer knows, where there is one; the port is any.
    fn socket(&self, flow: &Flow) -> io::Result<TcpSocket> {
        let v4 = flow.remote.is_ipv4();
        let socket = if v4 {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = flow
            .local
            .map(|local| local.ip())
            .filter(|ip| !ip.is_unspecified());
        let mut sources = asked.into_iter().chain(sources.iter().copied());
        if let Some(source) = sources.find(|ip| ip.is_ipv4() == v4) {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        Ok(socket)
    }

    /// Runs a connection to its end, which is told.
    fn run<F, R>(self: &Arc<Self>, flow: Flow, id: u64, connection: F)
    where
        F: FnOnce(Arc<Self>, Flow) -> R,
        R: Future<Output = String> + Send + 'static,
    {
        let (this, stop) = (self.clone(), self.stop.clone());
        let running = connection(this.clone(), flow.clone());
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            let why = running.await;
            this.up().remove(&key(&flow), id);
            this.inbox.lost(flow, why);
        }));
    }

    fn up(&self) -> MutexGuard<'_, Up> {
        self.up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Opened {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

impl Up {
    fn add(&mut self, flow: &Flow) -> (u64, mpsc::Receiver<Vec<u8>>) {
        let (outbox, queued) = mpsc::channel(OUTBOX);
        self.opened += 1;
        self.outboxes.insert(key(flow), (self.opened, outbox));
        (self.opened, queued)
    }

    /// Unless another has taken its place.
    fn remove(&mut self, key: &Key, id: u64) {
        if self
            .outboxes
            .get(key)
            .is_some_and(|(found, _)| *found == id)
        {
            self.outboxes.remove(key);
        }
    }
}

fn key(flow: &Flow) -> Key {
    (flow.transport, flow.remote, flow.name.clone())
}
