//! Delivery by SMTP to the office's relay: [`Client`] speaks, this moves its bytes and keeps its deadlines.
//!
//! The 250 after the final dot is the handing over. What the relay does after it (a QUIT that hangs, a connection
//! that breaks) changes nothing, so that no mail is sent twice because of a farewell.
//!
//! Why the client is our own, and lettre only composes: lettre 0.11.23 keeps, across STARTTLS, what it read before the
//! handshake. `AsyncSmtpConnection` (and the blocking `SmtpConnection` likewise) holds a `BufReader` around its
//! `NetworkStream`; `starttls()` replaces the stream inside of it (`self.stream.get_mut().upgrade_tls(..)`) and leaves the
//! buffer as it is. Whoever can write into the plaintext part of the connection appends replies to the server's
//! `220 ready for TLS` in one segment; they are read behind the handshake as replies to EHLO, MAIL, RCPT, DATA and the text,
//! and an injected `250 queued` makes `send()` return `Ok` for a mail that the real server refused with 451, with a valid
//! certificate (the class of CVE-2011-0411, on the client's side). The cure there: `starttls()` fails when
//! `self.stream.buffer()` is not empty behind the reply to STARTTLS (RFC 3207 4.2 has the client discard what it learned
//! before the handshake).

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use lettre::address::Envelope;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::delivery::{Delivered, Failure};
use super::tls::{connector_to_anybody, connector_to_relay};
pub use crate::proto::smtp::Login;
use crate::proto::smtp::Protocol;
use crate::proto::smtp::client::{
    Client, ClientConfig, ClientError, ClientOutput, ClientTimeouts, OutgoingMessage, Stage,
    StartTls,
};
use crate::worker::stall::{TooLong, timeout};

/// Bytes read from the socket at a time.
const BUFFER: usize = 4 * 1024;

/// The mail server that takes our mails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// Its name or address.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: Tls,
    /// PEM file of authorities that may vouch for it, beside the system's and those that everybody knows.
    pub authorities: Option<PathBuf>,
    /// How we log in, if we do.
    pub login: Option<Login>,
    /// Our own name, said in EHLO (RFC 5321 4.1.4).
    pub hello: String,
    /// How long to wait.
    pub patience: Patience,
}

/// How the connection to the relay is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tls {
    /// Not at all.
    None,
    /// By STARTTLS if it is offered, with any certificate: better than none (RFC 7435), no proof of who is there.
    #[default]
    StartTls,
    /// By STARTTLS with a valid certificate, or the mail stays here.
    RequiredStartTls,
    /// From the first octet (RFC 8314 3.3) with a valid certificate.
    Implicit,
}

/// How long to wait for the relay (RFC 5321 4.5.3.2 asks for these or more, apart from connecting).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For name, connection, greeting, EHLO and the TLS handshake together.
    pub connect: Duration,
    /// For the reply to one command.
    pub command: Duration,
    /// For the message and the reply to its final dot.
    pub message: Duration,
    /// For the farewell; nothing depends on it.
    pub quit: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            connect: Duration::from_secs(60),
            command: Duration::from_secs(300),
            message: Duration::from_secs(600),
            quit: Duration::from_secs(2),
        }
    }
}

/// Sends one mail over a connection of its own.
pub(super) async fn send(
    envelope: &Envelope,
    bytes: &[u8],
    relay: &Relay,
) -> Result<Delivered, Failure> {
    if let Some(refusal) = relay.login_is_unsafe() {
        return Err(Failure::unreachable(refusal));
    }
    let failure = |error: ClientError| Failure {
        permanent: error.is_permanent(),
        unreachable: error.is_before_mail(),
        reply: relay.describe(&error),
    };
    let mut connection = Connection::open(relay).await.map_err(failure)?;
    let sent = connection.send(message(envelope, bytes)).await;
    connection.quit().await;
    sent.map_err(failure)
}

fn message(envelope: &Envelope, bytes: &[u8]) -> OutgoingMessage {
    OutgoingMessage {
        from: envelope.from().map(ToString::to_string),
        to: envelope.to().iter().map(ToString::to_string).collect(),
        text: bytes.to_vec(),
        // A row of the queue has one outcome.
        partial: false,
    }
}

impl Relay {
    /// Why our password will not be sent to this relay, if so: RFC 4954 4 wants it encrypted, and a connection that
    /// anybody may answer, or turn back into plain text, is not. On this very host nobody listens.
    pub fn login_is_unsafe(&self) -> Option<String> {
        let proven = matches!(self.tls, Tls::RequiredStartTls | Tls::Implicit);
        let here = self.host == "localhost"
            || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        (self.login.is_some() && !proven && !here).then(|| {
            format!(
                "the password for {self} is only sent over TLS with a valid certificate: \
                 set tls to required-starttls or implicit"
            )
        })
    }
}

impl fmt::Display for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "relay [{}]:{}", self.host, self.port),
            false => write!(f, "relay {}:{}", self.host, self.port),
        }
    }
}

impl Relay {
    /// What happened, with the name of the place.
    fn describe(&self, error: &ClientError) -> String {
        match error {
            ClientError::Lost { stage, cause } => {
                let clean = cause.chars().map(|c| if c.is_control() { ' ' } else { c });
                format!("{self}, {stage}: {}", clean.collect::<String>())
            }
            said => format!("{self} {said}"),
        }
    }

    fn client(&self) -> ClientConfig {
        ClientConfig {
            protocol: Protocol::Smtp,
            hello: self.hello.clone(),
            starttls: match self.tls {
                Tls::None | Tls::Implicit => StartTls::Never,
                Tls::StartTls => StartTls::IfOffered,
                Tls::RequiredStartTls => StartTls::Required,
            },
            login: self.login.clone(),
            timeouts: ClientTimeouts {
                open: self.patience.connect,
                command: self.patience.command,
                message: self.patience.message,
                quit: self.patience.quit,
            },
        }
    }

    /// What shakes hands, as configured; `None` for a connection in plain text.
    fn connector(&self) -> Result<Option<TlsConnector>, String> {
        let connector = match self.tls {
            Tls::None => return Ok(None),
            Tls::StartTls => connector_to_anybody(),
            Tls::RequiredStartTls | Tls::Implicit => {
                connector_to_relay(self.authorities.as_deref())
            }
        };
        connector.map(Some).map_err(|e| e.to_string())
    }
}

/// A connection, in plain text or under TLS.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection that is greeted, encrypted and logged in as configured.
struct Connection<'a> {
    relay: &'a Relay,
    client: Client,
    connector: Option<TlsConnector>,
    /// `None` once a handshake has failed.
    stream: Option<Box<dyn Stream>>,
}

impl<'a> Connection<'a> {
    async fn open(relay: &'a Relay) -> Result<Connection<'a>, ClientError> {
        let connector = relay.connector().map_err(not_opened)?;
        let client = Client::new(relay.client(), now());
        let connecting = async {
            let stream = TcpStream::connect((relay.host.as_str(), relay.port)).await?;
            stream.set_nodelay(true)?;
            match &connector {
                Some(connector) if relay.tls == Tls::Implicit => {
                    shake_hands(connector, &relay.host, Box::new(stream)).await
                }
                _ => Ok(Box::new(stream) as Box<dyn Stream>),
            }
        };
        let stream = match timeout(relay.patience.connect, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(e)) => return Err(not_opened(e.to_string())),
            Err(_) => {
                return Err(ClientError::Timeout {
                    stage: Stage::Opening,
                    timeout: relay.patience.connect,
                });
            }
        };
        let mut connection = Connection {
            relay,
            client,
            connector,
            stream: Some(stream),
        };
        match connection.converse().await {
            ClientOutput::Failed(error) => {
                connection.quit().await;
                Err(error)
            }
            _ => Ok(connection),
        }
    }

    async fn send(&mut self, message: OutgoingMessage) -> Result<Delivered, ClientError> {
        self.client.send(message, now());
        let outcome = match self.converse().await {
            ClientOutput::Sent(outcome) => outcome,
            ClientOutput::Failed(error) => return Err(error),
            _ => return Err(not_opened("the connection was closed")),
        };
        let mut reply = String::new();
        for each in outcome {
            reply = each?.to_string();
        }
        Ok(Delivered { reply })
    }

    /// Nothing depends on it.
    async fn quit(&mut self) {
        let patience = self.relay.patience.quit;
        let farewell = async {
            self.client.quit(now());
            self.converse().await;
            if let Some(stream) = &mut self.stream {
                let _ = stream.shutdown().await;
            }
        };
        let _ = timeout(patience, farewell).await;
    }

    /// Moves bytes until there is an outcome.
    async fn converse(&mut self) -> ClientOutput {
        loop {
            while let Some(output) = self.client.poll() {
                match output {
                    ClientOutput::Write(bytes) => self.write(&bytes).await,
                    ClientOutput::StartTls => self.start_tls().await,
                    outcome => return outcome,
                }
            }
            self.read().await;
        }
    }

    /// When the client stops waiting.
    fn deadline(&self) -> Instant {
        self.client.deadline().map_or_else(Instant::now, Into::into)
    }

    async fn write(&mut self, bytes: &[u8]) {
        let deadline = self.deadline();
        let Some(stream) = &mut self.stream else {
            return self.client.connection_lost(CLOSED);
        };
        let writing = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        match by(deadline, writing).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => self.client.connection_lost(e.to_string()),
            Err(_) => self.client.handle_timeout(deadline.into_std()),
        }
    }

    async fn read(&mut self) {
        let deadline = self.deadline();
        let Some(stream) = &mut self.stream else {
            return self.client.connection_lost(CLOSED);
        };
        let mut bytes = [0; BUFFER];
        match by(deadline, stream.read(&mut bytes)).await {
            Ok(Ok(0)) => self.client.connection_lost("it hung up"),
            Ok(Ok(read)) => self.client.handle(&bytes[..read], now()),
            Ok(Err(e)) => self.client.connection_lost(e.to_string()),
            Err(_) => self.client.handle_timeout(deadline.into_std()),
        }
    }

    async fn start_tls(&mut self) {
        let deadline = self.deadline();
        let (Some(connector), Some(stream)) = (&self.connector, self.stream.take()) else {
            return self.client.connection_lost(CLOSED);
        };
        let handshake = shake_hands(connector, &self.relay.host, stream);
        match by(deadline, handshake).await {
            Ok(Ok(stream)) => {
                self.stream = Some(stream);
                self.client.tls_started(now());
            }
            Ok(Err(e)) => self.client.connection_lost(e.to_string()),
            Err(_) => self.client.handle_timeout(deadline.into_std()),
        }
    }
}

/// What is left to a reply whose deadline passed while this process stood still: it may lie unread.
const UNREAD: Duration = Duration::from_millis(100);

/// The result of `work` by `deadline`. Time in which this process did not run does not count.
async fn by<T>(deadline: Instant, work: impl Future<Output = T>) -> Result<T, TooLong> {
    let left = deadline.saturating_duration_since(Instant::now());
    timeout(left.max(UNREAD), work).await
}

const CLOSED: &str = "the connection is closed";

async fn shake_hands(
    connector: &TlsConnector,
    host: &str,
    stream: Box<dyn Stream>,
) -> io::Result<Box<dyn Stream>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let stream = connector.connect(name, stream).await;
    let stream = stream.map_err(|e| io::Error::other(format!("TLS: {e}")))?;
    Ok(Box::new(stream))
}

/// Before the first byte.
fn not_opened(cause: impl Into<String>) -> ClientError {
    ClientError::Lost {
        stage: Stage::Opening,
        cause: cause.into(),
    }
}

fn now() -> std::time::Instant {
    std::time::Instant::now()
}

#[cfg(test)]
mod tests;
