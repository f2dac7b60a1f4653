//! One connection: moves octets between a socket and a session, and does what the session asks for.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::intake::{Intake, Message, SHORT, Spool, Text};
use super::places::Place;
use super::settings::Settings;
use crate::proto::smtp::{Envelope, Login, Output, Refusal, Session, SessionConfig, Taken};

/// Octets read from the socket at a time, and of replies held back for pipelining.
const BUFFER: usize = 16 * 1024;

/// How long a client may take to notice that we have hung up.
const LINGER: Duration = Duration::from_secs(2);

/// A connection and everything it holds.
pub(super) struct Connection<I: Intake> {
    client: IpAddr,
    settings: Arc<Settings>,
    intake: Arc<I>,
    place: Place,
    stop: CancellationToken,
    session: Session<I::Recipient>,
    /// Read and not yet used by the session.
    input: Vec<u8>,
    /// Replies to write.
    replies: Vec<u8>,
    /// The text being received.
    text: Option<Incoming>,
    /// Since when a command, or what is owed for the last one, is awaited.
    command_began: Instant,
    /// Since when the text is.
    text_began: Instant,
    session_ends: Instant,
}

/// The text being received.
enum Incoming {
    Short(Vec<u8>),
    /// A spool file, and the handle through which it is written.
    Long(Spool, tokio::fs::File),
}

/// Why a conversation on a stream ended.
#[derive(PartialEq, Eq)]
enum End {
    Close,
    StartTls,
}

impl<I: Intake> Connection<I> {
    pub(super) fn new(
        client: IpAddr,
        session: SessionConfig,
        settings: Arc<Settings>,
        intake: Arc<I>,
        place: Place,
        stop: CancellationToken,
    ) -> Connection<I> {
        let now = Instant::now();
        Connection {
            client,
            session: Session::new(session),
            input: Vec::new(),
            replies: Vec::new(),
            text: None,
            command_began: now,
            text_began: now,
            session_ends: now + settings.timeouts.session,
            settings,
            intake,
            place,
            stop,
        }
    }

    /// Talks until one side has had enough.
    ///
    /// `at_once`: TLS begins with the first octet, and not behind STARTTLS.
    pub(super) async fn serve<S>(mut self, stream: S, tls: Option<TlsAcceptor>, at_once: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let ended = match (tls, at_once) {
            (Some(tls), true) => self.talk_in_tls(stream, &tls).await,
            (tls, _) => self.talk(stream, tls).await,
        };
        if let Err(error) = ended {
            tracing::info!(client = %self.client, %error, "mail connection lost");
        }
    }

    async fn talk<S>(&mut self, mut stream: S, tls: Option<TlsAcceptor>) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if self.converse(&mut stream).await? == End::Close {
            return say_goodbye(stream).await;
        }
        let tls = tls.expect("the session offers STARTTLS only where there is an acceptor");
        // RFC 3207 6: what was pipelined in plaintext behind STARTTLS is not read as commands.
        self.input.clear();
        let stream = timeout(self.settings.timeouts.command, tls.accept(stream)).await?;
        let mut stream = stream.map_err(no_handshake)?;
        self.session.tls_started();
        self.converse(&mut stream).await?;
        say_goodbye(stream).await
    }

    /// RFC 8314 3.3.
    async fn talk_in_tls<S>(&mut self, stream: S, tls: &TlsAcceptor) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = timeout(self.settings.timeouts.command, tls.accept(stream)).await?;
        let mut stream = stream.map_err(no_handshake)?;
        self.converse(&mut stream).await?;
        say_goodbye(stream).await
    }

    async fn converse<S>(&mut self, stream: &mut S) -> io::Result<End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            while let Some(output) = self.session.poll() {
                self.goes_on(&output);
                if let Some(end) = self.act(output, stream).await? {
                    self.flush(stream).await?;
                    return Ok(end);
                }
            }
            if self.input.is_empty() {
                self.flush(stream).await?;
                if !self.read(stream).await? {
                    return Ok(End::Close);
                }
            }
            if self.session.refuse_tls(&self.input) {
                tracing::warn!(
                    client = %self.client,
                    "it begins with TLS on a port where SMTP begins without: set it to STARTTLS, or to a port of smtp.listen_tls"
                );
                continue;
            }
            let used = self.session.handle(&self.input);
            self.input.drain(..used);
        }
    }

    /// Does one thing that the session asks for.
    async fn act<S>(
        &mut self,
        output: Output<I::Recipient>,
        stream: &mut S,
    ) -> io::Result<Option<End>>
    where
        S: AsyncWrite + Unpin,
    {
        match output {
            Output::Reply(reply) => {
                self.replies.extend(reply);
                if self.replies.len() > BUFFER {
                    self.flush(stream).await?;
                }
            }
            Output::Login(login) => {
                let verdict = self.log_in(login).await;
                self.session.logged_in(verdict);
            }
            Output::Sender(mail) => {
                let verdict = self.intake.sender(self.client, &mail);
                if let Err(refusal) = &verdict {
                    tracing::info!(client = %self.client, sender = mail.sender, %refusal, "mail refused");
                }
                self.session.sender_verdict(verdict);
            }
            Output::Recipient {
                mail,
                recipient,
                options,
            } => {
                let verdict = self
                    .intake
                    .recipient(self.client, &mail, &recipient, options);
                let verdict = verdict.await;
                if let Err(refusal) = &verdict {
                    tracing::info!(client = %self.client, sender = mail.sender, recipient, %refusal, "recipient refused");
                }
                self.session.verdict(verdict);
            }
            Output::OpenText => {
                self.text = Some(Incoming::Short(Vec::new()));
                self.session.text_opened(Ok(()));
            }
            Output::Text(octets) => self.store(&octets).await,
            Output::DropText => self.text = None,
            Output::Message(envelope) => {
                let accepted = self.hand_over(envelope).await;
                self.session.accepted(accepted);
            }
            Output::StartTls => return Ok(Some(End::StartTls)),
            Output::Close => return Ok(Some(End::Close)),
        }
        Ok(None)
    }

    async fn log_in(&mut self, login: Login) -> Result<(), Refusal> {
        let user = login.user.clone();
        let verdict = self.intake.login(self.client, login).await;
        match &verdict {
            Ok(()) => {
                self.place.logged_in();
                tracing::info!(client = %self.client, user, "logged in");
            }
            Err(refusal) => tracing::warn!(client = %self.client, user, %refusal, "login refused"),
        }
        verdict
    }

    // ---- the socket ----

    /// Starts the clocks anew: not by each octet, or a client could hold its place for ever with one a minute.
    fn goes_on(&mut self, output: &Output<I::Recipient>) {
        self.place.note(output);
        let now = Instant::now();
        match output {
            Output::Text(_) => {}
            Output::OpenText => (self.command_began, self.text_began) = (now, now),
            _ => self.command_began = now,
        }
    }

    fn deadline(&self) -> Instant {
        let allowed = &self.settings.timeouts;
        let deadline = match self.session.is_in_text() {
            true => (Instant::now() + allowed.text).min(self.text_began + allowed.message),
            false => self.command_began + allowed.command,
        };
        deadline.min(self.session_ends)
    }

    /// Reads what there is; false at the end of the stream. A client that is too slow, or a gateway that
    /// stops, makes the session end itself.
    async fn read<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> io::Result<bool> {
        let deadline = self.deadline();
        self.input.reserve(BUFFER);
        let mut limited = stream.take(BUFFER as u64);
        let read = timeout_at(deadline, limited.read_buf(&mut self.input));
        let idle = self.session.is_between_commands();
        let displaced = self.place.displaced();
        self.place.waits(true);
        let read = tokio::select! {
            biased;
            () = displaced.cancelled() => {
                self.session.end("4.3.2", "others wait for this connection, and nothing came over it");
                return Ok(true);
            }
            () = self.stop.cancelled(), if idle => {
                self.session.end("4.3.2", "the gateway is being stopped");
                Ok(true)
            }
            read = read => match read {
                Ok(read) => Ok(read? > 0),
                Err(_) => {
                    self.session.end("4.4.2", "you took too long");
                    Ok(true)
                }
            }
        };
        self.place.waits(false);
        read
    }

    async fn flush<S: AsyncWrite + Unpin>(&mut self, stream: &mut S) -> io::Result<()> {
        if self.replies.is_empty() {
            return Ok(());
        }
        timeout(self.settings.timeouts.command, async {
            stream.write_all(&self.replies).await?;
            stream.flush().await
        })
        .await??;
        self.replies.clear();
        Ok(())
    }

    // ---- the text ----

    async fn store(&mut self, octets: &[u8]) {
        let stored = match &mut self.text {
            None => return,
            Some(Incoming::Short(text)) if text.len() + octets.len() <= SHORT => {
                text.extend_from_slice(octets);
                Ok(())
            }
            Some(Incoming::Short(text)) => {
                let text = std::mem::take(text);
                self.becomes_long(&text, octets).await
            }
            Some(Incoming::Long(_, writer)) => writer.write_all(octets).await,
        };
        if let Err(error) = stored {
            self.text = None;
            self.session.fail_text(cannot_store(&error));
        }
    }

    /// The text has become long.
    async fn becomes_long(&mut self, begin: &[u8], octets: &[u8]) -> io::Result<()> {
        let intake = self.intake.clone();
        let spool = tokio::task::spawn_blocking(move || intake.spool());
        let spool = spool.await.map_err(io::Error::other)??;
        let mut writer = tokio::fs::File::from_std(spool.file().try_clone()?);
        writer.write_all(begin).await?;
        writer.write_all(octets).await?;
        self.text = Some(Incoming::Long(spool, writer));
        Ok(())
    }

    async fn hand_over(&mut self, envelope: Envelope<I::Recipient>) -> Result<Taken, Refusal> {
        let text = match self.text.take() {
            None => {
                let lost = "the text of the message was lost, try again";
                return Err(Refusal::new(451, "4.3.0", lost));
            }
            Some(Incoming::Short(text)) => Text::Short(Arc::new(text)),
            Some(Incoming::Long(spool, mut writer)) => {
                // The last write is still on its way in the background, and may be the one that fails.
                let written = writer.flush().await;
                written.map_err(|error| cannot_store(&error))?;
                Text::Long(spool)
            }
        };
        let sender = envelope.mail.sender.clone();
        let accepted = self
            .intake
            .accept(Message {
                client: self.client,
                envelope,
                text,
            })
            .await;
        match &accepted {
            Ok(taken) => {
                tracing::info!(client = %self.client, sender, text = taken.text, "mail taken")
            }
            Err(refusal) => tracing::info!(client = %self.client, sender, %refusal, "mail refused"),
        }
        accepted
    }
}

/// What did not work, and for old machines what to do.
fn no_handshake(error: io::Error) -> io::Error {
    let too_old = ["SupportedVersions", "version", "cipher", "Ec", "signature"];
    let said = error.to_string();
    let advice = match too_old.iter().any(|word| said.contains(word)) {
        true => {
            " (TLS 1.2 and 1.3 are spoken here; an older machine sends without, from a network in smtp.no_starttls)"
        }
        false => "",
    };
    io::Error::other(format!("TLS: {said}{advice}"))
}

/// Closes our half and reads on for a moment: closing over unread input would make the system reset the
/// connection, and the client would lose the last reply.
async fn say_goodbye<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> io::Result<()> {
    stream.shutdown().await?;
    let mut nowhere = tokio::io::sink();
    let drained = timeout(LINGER, tokio::io::copy(&mut stream, &mut nowhere)).await;
    drained.map_or(Ok(()), |copied| copied.map(drop))
}

/// RFC 5321 4.2.3: 452, so that the client keeps the mail and tries again.
fn cannot_store(error: &io::Error) -> Refusal {
    tracing::error!(%error, "cannot store the text of a mail");
    Refusal::new(
        452,
        "4.3.1",
        "the gateway cannot store the message now, try again later",
    )
}
