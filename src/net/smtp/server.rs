//! Listens, admits or turns away, and ends every session in order.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use ipnet::IpNet;
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::certificate::Certificate;
use super::connection::Connection;
use super::intake::Intake;
use super::listener::{Listener, Stream};
use super::places::Places;
use super::settings::Settings;
use crate::config::door::Socket;
use crate::net::tls::{TlsError, TlsFiles};
use crate::proto::smtp::{Protocol, Reply, SessionConfig};

/// How long somebody who is turned away may take to read why.
const FAREWELL: Duration = Duration::from_secs(2);

/// Connections that are told why they may not stay, at a time; beyond that they are closed without a word.
const MAX_TURNED_AWAY: usize = 32;

/// Why the listener cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is taken, not ours, or needs rights.
    #[error("cannot listen for mail on {address}: {cause}")]
    Listen {
        /// The address or the path.
        address: Socket,
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
    tls_addresses: Vec<SocketAddr>,
    lmtp_addresses: Vec<SocketAddr>,
    /// Until [`Server::run`] takes them.
    listeners: Mutex<Vec<(Spoken, Listener)>>,
    tls: RwLock<Option<Arc<Certificate>>>,
    settings: RwLock<Arc<Settings>>,
    places: Arc<Places>,
    /// Those who are being turned away.
    turned_away: Arc<Semaphore>,
}

/// What is spoken on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spoken {
    protocol: Protocol,
    /// TLS begins with the first octet (RFC 8314).
    tls: bool,
}

impl Spoken {
    const SMTP: Spoken = Spoken {
        protocol: Protocol::Smtp,
        tls: false,
    };
    const SMTP_IN_TLS: Spoken = Spoken {
        protocol: Protocol::Smtp,
        tls: true,
    };
    const LMTP: Spoken = Spoken {
        protocol: Protocol::Lmtp,
        tls: false,
    };
}

impl Server {
    /// Reads certificate and key and binds every address; nothing is accepted yet.
    ///
    /// # Errors
    /// The first address or file that does not work.
    pub async fn bind(settings: Settings) -> Result<Server, StartError> {
        let tls = settings.tls.as_ref().map(Certificate::read).transpose()?;
        let at = |all: &[SocketAddr], spoken: Spoken| -> Vec<(Spoken, Socket)> {
            let sockets = all.iter().copied().map(Socket::Address);
            sockets.map(|socket| (spoken, socket)).collect()
        };
        let mut sockets = at(&settings.listen, Spoken::SMTP);
        sockets.extend(at(&settings.listen_tls, Spoken::SMTP_IN_TLS));
        let lmtp = settings.lmtp.iter().cloned();
        sockets.extend(lmtp.map(|socket| (Spoken::LMTP, socket)));
        let mut listeners = Vec::new();
        for (spoken, address) in sockets {
            match Listener::bind(&address).await {
                Ok(listener) => listeners.push((spoken, listener)),
                Err(cause) => return Err(StartError::Listen { address, cause }),
            }
        }
        let addresses = |wanted: Spoken| {
            let of_it = listeners.iter().filter(|(spoken, _)| *spoken == wanted);
            of_it
                .filter_map(|(_, listener)| listener.address())
                .collect()
        };
        let server = Server {
            addresses: addresses(Spoken::SMTP),
            tls_addresses: addresses(Spoken::SMTP_IN_TLS),
            lmtp_addresses: addresses(Spoken::LMTP),
            listeners: Mutex::new(listeners),
            tls: RwLock::new(tls.map(Arc::new)),
            settings: RwLock::default(),
            places: Arc::default(),
            turned_away: Arc::new(Semaphore::new(MAX_TURNED_AWAY)),
        };
        server.reload(settings);
        Ok(server)
    }

    /// The addresses where LMTP is spoken, without the sockets in folders.
    pub fn lmtp_addresses(&self) -> Vec<SocketAddr> {
        self.lmtp_addresses.clone()
    }

    /// The addresses where TLS begins with the first octet.
    pub fn tls_addresses(&self) -> Vec<SocketAddr> {
        self.tls_addresses.clone()
    }

    /// The addresses bound, with the ports that the system chose for port 0.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    /// New settings for the sessions that start from now on, and the certificate as its files are now; addresses stay
    /// as they were.
    pub fn reload(&self, mut settings: Settings) {
        settings.session.tls_available = self.reload_certificate(settings.tls.as_ref());
        *self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// Says whether there is a certificate. One that cannot be read leaves the one before it in force.
    fn reload_certificate(&self, files: Option<&TlsFiles>) -> bool {
        let mut tls = self.tls.write().unwrap_or_else(PoisonError::into_inner);
        match (files, tls.as_deref()) {
            (None, _) => *tls = None,
            (Some(files), Some(certificate)) if certificate.files() == files => {
                certificate.look_again();
            }
            (Some(files), _) => match Certificate::read(files) {
                Ok(certificate) => *tls = Some(Arc::new(certificate)),
                Err(error) => {
                    tracing::error!("the certificate of SMTP stays what it was: {error}");
                }
            },
        }
        tls.is_some()
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
            .map(|listener| self.accept_loop(listener, &intake, &sessions, &stop, &abort));
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
        (spoken, listener): (Spoken, Listener),
        intake: &Arc<I>,
        sessions: &TaskTracker,
        stop: &CancellationToken,
        abort: &CancellationToken,
    ) {
        while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
            let (stream, client) = match accepted {
                Ok(accepted) => accepted,
                // Out of descriptors, or the client is already gone: neither is worth a hot loop.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a mail connection");
                    stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(100)))
                        .await;
                    continue;
                }
            };
            let settings = self.current();
            match self.places.admit(client, &settings) {
                Err(reply) => {
                    // However many come: a connection that is only told to go holds a descriptor, too.
                    let Ok(permit) = self.turned_away.clone().try_acquire_owned() else {
                        continue;
                    };
                    sessions.spawn(async move {
                        turn_away(stream, client, reply).await;
                        drop(permit);
                    });
                }
                Ok(place) => {
                    let tls = self.certificate().map(|certificate| certificate.current());
                    if spoken.tls && tls.is_none() {
                        tracing::error!(%client, "no certificate is there for smtp.listen_tls: the connection is closed");
                        continue;
                    }
                    let session = told_apart(&settings, spoken, client);
                    let (intake, stop) = (intake.clone(), stop.clone());
                    let session = Connection::new(client, session, settings, intake, place, stop);
                    let abort = abort.clone();
                    sessions.spawn(async move {
                        let serve = session.serve(stream, tls, spoken.tls);
                        abort.run_until_cancelled(serve).await;
                    });
                }
            }
        }
    }

    fn certificate(&self) -> Option<Arc<Certificate>> {
        let tls = self.tls.read().unwrap_or_else(PoisonError::into_inner);
        tls.clone()
    }

    fn current(&self) -> Arc<Settings> {
        self.settings
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What one session is told beyond what all are told.
fn told_apart(settings: &Settings, spoken: Spoken, client: IpAddr) -> SessionConfig {
    let all = &settings.session;
    let is_of = |networks: &[IpNet]| networks.iter().any(|it| it.contains(&client));
    let hold = i64::try_from(all.max_hold).unwrap_or(i64::MAX);
    let until = jiff::Timestamp::now().as_second().saturating_add(hold);
    let until = jiff::Timestamp::from_second(until).ok();
    SessionConfig {
        protocol: spoken.protocol,
        tls: spoken.tls,
        tls_available: all.tls_available && !is_of(&settings.no_starttls),
        bare_lf: is_of(&settings.bare_lf),
        hold_until: until.map(|until| until.to_string()).unwrap_or_default(),
        ..all.clone()
    }
}

/// Says a reply instead of the greeting (RFC 5321 3.1).
async fn turn_away(mut stream: Box<dyn Stream>, client: IpAddr, reply: Reply) {
    tracing::info!(%client, code = reply.code(), "mail connection turned away");
    let said = async {
        stream.write_all(&reply.encode(false)).await?;
        stream.shutdown().await
    };
    if let Ok(Err(error)) = timeout(FAREWELL, said).await {
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
