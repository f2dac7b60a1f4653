//! Listens, admits or turns away, and ends every session in order.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::Connection;
use super::intake::Intake;
use super::settings::Settings;
use crate::net::tls::{self, TlsError};
use crate::proto::smtp::Reply;

/// Why the listener cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is taken, not ours, or needs rights.
    #[error("cannot listen for mail on {address}: {cause}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        cause: io::Error,
    },
    /// STARTTLS is configured and cannot be offered.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The listener, bound to its addresses.
pub struct Server {
    addresses: Vec<SocketAddr>,
    /// Until [`Server::run`] takes them.
    listeners: Mutex<Vec<TcpListener>>,
    tls: Option<TlsAcceptor>,
    settings: RwLock<Arc<Settings>>,
    counts: Arc<Mutex<Counts>>,
}

/// Connections at the moment.
#[derive(Default)]
struct Counts {
    all: usize,
    by_client: HashMap<IpAddr, usize>,
}

/// One counted connection; it is no longer counted when this is dropped.
pub(super) struct Counted {
    counts: Arc<Mutex<Counts>>,
    client: IpAddr,
}

impl Server {
    /// Reads certificate and key and binds every address; nothing is accepted yet.
    ///
    /// # Errors
    /// The first address or file that does not work.
    pub async fn bind(settings: Settings) -> Result<Server, StartError> {
        let tls = settings.tls.as_ref().map(tls::acceptor).transpose()?;
        let mut listeners = Vec::new();
        for &address in &settings.listen {
            let bound = TcpListener::bind(address).await;
            listeners.push(bound.map_err(|cause| StartError::Listen { address, cause })?);
        }
        let server = Server {
            addresses: listeners.iter().flat_map(TcpListener::local_addr).collect(),
            listeners: Mutex::new(listeners),
            tls,
            settings: RwLock::default(),
            counts: Arc::default(),
        };
        server.reload(settings);
        Ok(server)
    }

    /// The addresses bound, with the ports that the system chose for port 0.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    /// New settings for the sessions that start from now on; addresses and TLS stay as they were.
    pub fn reload(&self, mut settings: Settings) {
        settings.session.tls_available = self.tls.is_some();
        *self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// Serves until `stop`; then closes its sockets, so that mail servers try elsewhere or later and do not wait, says
    /// 421 between commands, and gives a text in progress the grace time.
    pub async fn run<I: Intake>(&self, intake: Arc<I>, stop: CancellationToken) {
        let sessions = TaskTracker::new();
        let abort = CancellationToken::new();
        let listeners = std::mem::take(
            &mut *self
                .listeners
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let loops = listeners
            .into_iter()
            .map(|listener| self.accept_loop(listener, intake.clone(), &sessions, &stop, &abort));
        join_all(loops).await;
        sessions.close();
        let grace = self.current().timeouts.grace;
        if tokio::time::timeout(grace, sessions.wait()).await.is_err() {
            tracing::warn!(
                sessions = sessions.len(),
                "mail sessions did not end in time"
            );
            abort.cancel();
            sessions.wait().await;
        }
    }

    async fn accept_loop<I: Intake>(
        &self,
        listener: TcpListener,
        intake: Arc<I>,
        sessions: &TaskTracker,
        stop: &CancellationToken,
        abort: &CancellationToken,
    ) {
        while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                // Out of descriptors, or the client is already gone: neither is worth a hot loop.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a mail connection");
                    stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(100)))
                        .await;
                    continue;
                }
            };
            let client = peer.ip().to_canonical();
            let settings = self.current();
            match self.admit(client, &settings) {
                Err(reply) => turn_away(&stream, client, &reply),
                Ok(counted) => {
                    let session = Connection::new(client, settings, intake.clone(), stop.clone());
                    let tls = self.tls.clone();
                    let abort = abort.clone();
                    sessions.spawn(async move {
                        abort.run_until_cancelled(session.serve(stream, tls)).await;
                        drop(counted);
                    });
                }
            }
        }
    }

    fn current(&self) -> Arc<Settings> {
        self.settings
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Counts a connection in, or says why not.
    fn admit(&self, client: IpAddr, settings: &Settings) -> Result<Counted, Reply> {
        if !settings.admits(client) {
            let text = format!(
                "{client} may not send faxes through this gateway; ask the administrator to add its network to smtp.clients"
            );
            return Err(Reply::new(554, "5.7.1", text));
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.all >= settings.max_connections {
            return Err(Reply::new(
                421,
                "4.3.2",
                "too many connections, try again later",
            ));
        }
        let mine = counts.by_client.entry(client).or_default();
        if *mine >= settings.max_connections_per_client {
            let text = "too many connections from your address, try again later";
            return Err(Reply::new(421, "4.7.0", text));
        }
        *mine += 1;
        counts.all += 1;
        Ok(Counted {
            counts: self.counts.clone(),
            client,
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        if let Some(mine) = counts.by_client.get_mut(&self.client) {
            *mine -= 1;
            if *mine == 0 {
                counts.by_client.remove(&self.client);
            }
        }
    }
}

/// Says a reply instead of the greeting (RFC 5321 3.1). The send buffer is empty, so nobody waits for anybody.
fn turn_away(stream: &TcpStream, client: IpAddr, reply: &Reply) {
    tracing::info!(%client, code = reply.code(), "mail connection turned away");
    if let Err(error) = stream.try_write(&reply.encode()) {
        tracing::debug!(%client, %error, "and could not be told why");
    }
}

/// Polls all of them on this task until all are done.
async fn join_all(futures: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        futures.retain_mut(|future| future.as_mut().poll(context).is_pending());
        match futures.is_empty() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}
