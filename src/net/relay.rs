//! Delivery by SMTP to the office's relay: lettre speaks, we say how long to wait and what a reply means.
//!
//! The 250 after the final dot is the handing over. What the relay does after it (a QUIT that hangs, a connection
//! that breaks) changes nothing, so that no mail is sent twice because of a farewell.

use std::error::Error as _;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::{Code, Response, Severity};
use lettre::transport::smtp::{self};

use super::delivery::{Delivered, Failure, with_line_ends};
use super::tls::authorities;
pub use crate::proto::smtp::Login;
use crate::worker::stall::timeout;

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
        return Err(Failure::temporary(refusal));
    }
    let mut session = Session::open(relay).await?;
    let handed_over = session.hand_over(envelope, bytes).await;
    session.quit().await;
    handed_over
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

/// A connection that is greeted, encrypted and logged in as configured.
struct Session<'a> {
    relay: &'a Relay,
    line: AsyncSmtpConnection,
}

impl<'a> Session<'a> {
    /// Everything that fails in here is between the relay and its admin, and says nothing of the mail: temporary,
    /// whatever the code (a 554 greeting, RFC 5321 3.1; a 535 for a wrong password).
    async fn open(relay: &'a Relay) -> Result<Session<'a>, Failure> {
        let name = ClientId::Domain(relay.hello.clone());
        let tls = match relay.tls {
            Tls::None => None,
            _ => Some(tls_parameters(relay)?),
        };
        let connect = async {
            let address = (relay.host.as_str(), relay.port);
            let (at_once, later) = match relay.tls {
                Tls::Implicit => (tls, None),
                _ => (None, tls),
            };
            let mut line =
                AsyncSmtpConnection::connect_tokio1(address, None, &name, at_once, None).await?;
            if let Some(tls) = later
                && (relay.tls == Tls::RequiredStartTls || line.can_starttls())
            {
                line.starttls(tls, &name).await?;
            }
            Ok(line)
        };
        let line = within(relay, "connecting", relay.patience.connect, connect).await?;
        let mut session = Session { relay, line };
        if let Some(login) = &relay.login {
            session.log_in(login).await?;
        }
        Ok(session)
    }

    async fn log_in(&mut self, login: &Login) -> Result<(), Failure> {
        let credentials = Credentials::new(login.user.clone(), login.password.clone());
        let auth = self.line.auth(DEFAULT_MECHANISMS, &credentials);
        within(self.relay, "AUTH", self.relay.patience.command, auth).await?;
        Ok(())
    }

    /// MAIL, RCPT, DATA, the message: what is refused with 5yz here is refused for good.
    async fn hand_over(&mut self, envelope: &Envelope, bytes: &[u8]) -> Result<Delivered, Failure> {
        let mut parameters = Vec::new();
        if !bytes.is_ascii()
            && self
                .line
                .server_info()
                .supports_feature(Extension::EightBitMime)
        {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        if takes_utf8(envelope, bytes) {
            let offered = self.line.server_info();
            // RFC 6531 3.1.8: a server that does not offer it is not given such a mail.
            if !offered.supports_feature(Extension::SmtpUtfEight) {
                let relay = self.relay;
                let why =
                    format!("{relay} does not offer SMTPUTF8, which an address beyond ASCII takes");
                return Err(Failure::permanent(why));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let from = envelope.from().cloned();
        self.command("MAIL FROM", Mail::new(from, parameters))
            .await?;
        for to in envelope.to() {
            self.command("RCPT TO", Rcpt::new(to.clone(), vec![]))
                .await?;
        }
        self.command("DATA", Data).await?;

        let message = with_line_ends(bytes, b"\r\n");
        // lettre sends CRLF . CRLF: the message's own last line end is the first of these.
        let message = message.strip_suffix(b"\r\n").unwrap_or(&message);
        let sending = self.line.message(message);
        let patience = self.relay.patience.message;
        let reply = verdict(self.relay, "the message", patience, sending).await?;
        Ok(Delivered {
            reply: in_one_line(reply.code(), reply.message()),
        })
    }

    async fn command(&mut self, name: &str, command: impl fmt::Display) -> Result<(), Failure> {
        let sending = self.line.command(command);
        verdict(self.relay, name, self.relay.patience.command, sending).await?;
        Ok(())
    }

    async fn quit(&mut self) {
        let _ = tokio::time::timeout(self.relay.patience.quit, self.line.abort()).await;
    }
}

/// RFC 6531 1.2: addresses or a header beyond ASCII.
fn takes_utf8(envelope: &Envelope, mail: &[u8]) -> bool {
    let end = mail.windows(4).position(|four| four == b"\r\n\r\n");
    let header = &mail[..end.unwrap_or(mail.len())];
    let mut addresses = envelope.from().into_iter().chain(envelope.to());
    !header.is_ascii() || addresses.any(|it| !it.to_string().is_ascii())
}

fn tls_parameters(relay: &Relay) -> Result<TlsParameters, Failure> {
    let anybody = relay.tls == Tls::StartTls;
    let mut parameters = TlsParameters::builder(relay.host.clone())
        .dangerous_accept_invalid_certs(anybody)
        .dangerous_accept_invalid_hostnames(anybody);
    if !anybody {
        let roots = authorities(relay.authorities.as_deref());
        for root in roots.map_err(|e| Failure::temporary(format!("{relay}: {e}")))? {
            // One that cannot be read vouches for nobody.
            if let Ok(root) = Certificate::from_der(root.to_vec()) {
                parameters = parameters.add_root_certificate(root);
            }
        }
    }
    let unusable = |e: smtp::Error| Failure::temporary(told(relay, "TLS", &e));
    parameters.build().map_err(unusable)
}

/// A reply that says something of this mail: 5yz is permanent, with the exceptions of [`is_final`].
async fn verdict(
    relay: &Relay,
    stage: &str,
    patience: Duration,
    work: impl Future<Output = Result<Response, smtp::Error>>,
) -> Result<Response, Failure> {
    match timeout(patience, work).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(error)) => Err(Failure {
            permanent: error.status().is_some_and(|code| is_final(stage, code)),
            reply: told(relay, stage, &error),
        }),
        Err(_) => Err(too_slow(relay, stage, patience)),
    }
}

/// A stage whose failure says nothing of the mail: always temporary.
async fn within<T>(
    relay: &Relay,
    stage: &str,
    patience: Duration,
    work: impl Future<Output = Result<T, smtp::Error>>,
) -> Result<T, Failure> {
    match timeout(patience, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Failure::temporary(told(relay, stage, &error))),
        Err(_) => Err(too_slow(relay, stage, patience)),
    }
}

/// Whether a reply refuses the mail for good (RFC 5321 4.2.1).
fn is_final(stage: &str, code: Code) -> bool {
    match code.into() {
        // RFC 4954 6, RFC 3207 4: it wants a login or TLS, which the admin can give it.
        530u16 | 534 | 535 | 538 => false,
        // RFC 5321 4.5.3.1.10: 552 at RCPT means too many recipients, and is 452 in truth.
        552 if stage == "RCPT TO" => false,
        _ => code.severity == Severity::PermanentNegativeCompletion,
    }
}

fn too_slow(relay: &Relay, stage: &str, patience: Duration) -> Failure {
    let seconds = patience.as_secs_f64();
    Failure::temporary(format!(
        "{relay} did not answer ({stage}) within {seconds} s"
    ))
}

/// The relay's own words with the stage they were said at; where it said none, what happened.
fn told(relay: &Relay, stage: &str, error: &smtp::Error) -> String {
    let cause = error.source().map(|cause| cause.to_string());
    match (error.status(), cause) {
        (Some(code), words) => {
            let words = in_one_line(code, words.as_deref().unwrap_or("").lines());
            format!("{relay} said at {stage}: {words}")
        }
        (None, Some(cause)) => format!("{relay}, {stage}: {}", printable(&cause)),
        (None, None) => format!("{relay}, {stage}: {error}"),
    }
}

fn in_one_line<'a>(code: impl fmt::Display, lines: impl Iterator<Item = &'a str>) -> String {
    let words = lines.collect::<Vec<_>>().join(" ");
    printable(&format!("{code} {words}"))
}

/// A stranger's words, cut to what fits a table: at most 300 characters, no controls.
fn printable(words: &str) -> String {
    let clean = words.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(300).collect::<String>().trim().to_string()
}

#[cfg(test)]
mod tests;
