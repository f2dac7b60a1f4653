//! The client's side of SMTP (RFC 5321) and LMTP (RFC 2033) as a machine without I/O.
//!
//! Bytes of the server go in through [`Client::handle`]; [`Client::poll`] gives out what the driver has to do: write
//! bytes, shake hands, or take note of an outcome. Commands are not pipelined (RFC 2920 is optional), so each reply
//! answers the one command before it, and a reply that is there before its command was sent answers nothing: it ends
//! the connection. Behind the `220` of STARTTLS this is what keeps plaintext from being read as if it had come through
//! TLS (RFC 3207 4.2, 6).

mod error;
mod message;
mod opening;
mod server_reply;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::session::{Login, Protocol};
pub use error::{ClientError, Stage};
pub use message::OutgoingMessage;
use message::Transaction;
use opening::{LoginReply, Offers};
use server_reply::ReplyReader;
pub use server_reply::ServerReply;

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Which of the two is spoken.
    pub protocol: Protocol,
    /// Our own name, said in EHLO or LHLO (RFC 5321 4.1.4).
    pub hello: String,
    /// When STARTTLS is used.
    pub starttls: StartTls,
    /// How we log in, if we do.
    pub login: Option<Login>,
    /// How long to wait.
    pub timeouts: ClientTimeouts,
}

/// When STARTTLS (RFC 3207) is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// Never: the connection is in plain text by intention, or under TLS from the first byte.
    Never,
    /// Where it is offered.
    IfOffered,
    /// Always; a server that does not offer it gets no mail.
    Required,
}

/// How long to wait for the server (RFC 5321 4.5.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// From [`Client::new`] until greeting, EHLO and STARTTLS are done.
    pub open: Duration,
    /// For the reply to one command.
    pub command: Duration,
    /// For the message to be written, and the reply to its final dot.
    pub message: Duration,
    /// For the reply to QUIT; nothing depends on it.
    pub quit: Duration,
}

/// What the driver has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientOutput {
    /// Write these bytes.
    Write(Vec<u8>),
    /// Shake hands, then call [`Client::tls_started`].
    StartTls,
    /// Greeted, encrypted and logged in as configured: [`Client::send`] may be called.
    Ready,
    /// What became of a message for each of its recipients, in their order: the reply that took it over, or why not.
    /// The next may be sent unless [`ClientOutput::Close`] follows.
    Sent(Vec<Result<ServerReply, ClientError>>),
    /// The connection did not become ready, or broke while no message was under way.
    Failed(ClientError),
    /// Close the connection.
    Close,
}

/// One connection to a server.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    state: State,
    reader: ReplyReader,
    output: VecDeque<ClientOutput>,
    offers: Offers,
    tls: bool,
    transaction: Option<Transaction>,
    /// A transaction was begun and not ended: RSET comes before the next.
    unfinished: bool,
    /// When the wait is over, and how long it was to be.
    deadline: Option<(Instant, Duration)>,
}

/// What the client is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Greeting,
    /// The reply to EHLO or LHLO.
    Ehlo,
    Helo,
    StartTls,
    /// The driver.
    Handshake,
    Auth(LoginReply),
    /// The next message, or QUIT.
    Ready,
    Rset,
    Mail,
    /// The reply for the recipient of this index.
    Rcpt(usize),
    Data,
    /// The replies to the text; of LMTP there are several.
    Message,
    Quit,
    /// Opening was refused: only QUIT may follow.
    Refused,
    Closed,
}

impl Client {
    /// A client that waits for the greeting.
    pub fn new(config: ClientConfig, now: Instant) -> Client {
        let open = config.timeouts.open;
        Client {
            config,
            state: State::Greeting,
            reader: ReplyReader::default(),
            output: VecDeque::new(),
            offers: Offers::default(),
            tls: false,
            transaction: None,
            unfinished: false,
            deadline: Some((now + open, open)),
        }
    }

    /// The next thing to do, until there is nothing more to do without bytes of the server.
    pub fn poll(&mut self) -> Option<ClientOutput> {
        self.output.pop_front()
    }

    /// When [`Client::handle_timeout`] is to be called; `None` while nothing is waited for.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline.map(|(at, _)| at)
    }

    /// Takes bytes of the server.
    pub fn handle(&mut self, bytes: &[u8], now: Instant) {
        self.reader.push(bytes);
        while self.awaits_reply() {
            match self.reader.next_reply() {
                Ok(Some(reply)) => self.on_reply(reply, now),
                Ok(None) => return,
                Err(reason) => self.broken(reason),
            }
        }
    }

    /// The server does not answer in time, if [`Client::deadline`] has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some((deadline, timeout)) = self.deadline
            && deadline <= now
        {
            let stage = self.stage();
            self.fail(ClientError::Timeout { stage, timeout });
        }
    }

    /// The connection is lost, or its handshake failed, and why.
    pub fn connection_lost(&mut self, cause: impl Into<String>) {
        let (stage, cause) = (self.stage(), cause.into());
        self.fail(ClientError::Lost { stage, cause });
    }

    /// Hands over a message. To be called behind [`ClientOutput::Ready`] or [`ClientOutput::Sent`].
    pub fn send(&mut self, message: OutgoingMessage, now: Instant) {
        debug_assert_eq!(self.state, State::Ready);
        self.transaction = Some(Transaction::new(message));
        match self.state {
            State::Ready if self.unfinished => self.ask("RSET", State::Rset, now),
            State::Ready => self.mail(now),
            _ => self.connection_lost("the connection is not ready"),
        }
    }

    /// Says QUIT, where there is still somebody to hear it; then the connection is closed.
    pub fn quit(&mut self, now: Instant) {
        if matches!(self.state, State::Ready | State::Refused) {
            self.state = State::Quit;
            self.wait(self.config.timeouts.quit, now);
            self.output
                .push_back(ClientOutput::Write(b"QUIT\r\n".to_vec()));
        } else {
            self.close();
        }
    }

    // ---- replies ----

    fn awaits_reply(&self) -> bool {
        !matches!(
            self.state,
            State::Handshake | State::Ready | State::Refused | State::Closed
        )
    }

    fn on_reply(&mut self, reply: ServerReply, now: Instant) {
        match self.state {
            State::Greeting => self.on_greeting(reply, now),
            State::Ehlo | State::Helo => self.on_hello(reply, now),
            State::StartTls => self.on_starttls(reply),
            State::Auth(step) => self.on_auth(step, reply, now),
            State::Rset if !reply.is_positive() => self.refused(reply),
            State::Rset => self.mail(now),
            State::Mail => self.on_mail(reply, now),
            State::Rcpt(index) => self.on_rcpt(index, reply, now),
            State::Data => self.on_data(reply, now),
            State::Message => self.on_message(reply),
            State::Quit => self.close(),
            State::Handshake | State::Ready | State::Refused | State::Closed => {
                unreachable!("no reply is read then")
            }
        }
    }

    fn stage(&self) -> Stage {
        match self.state {
            State::Auth(_) => Stage::Auth,
            State::Ready | State::Rset | State::Mail => Stage::Mail,
            State::Rcpt(_) => Stage::Rcpt,
            State::Data => Stage::Data,
            State::Message => Stage::Message,
            State::Quit => Stage::Quit,
            _ => Stage::Opening,
        }
    }

    // ---- commands ----

    /// Says a command.
    fn ask(&mut self, command: &str, then: State, now: Instant) {
        self.write(format!("{command}\r\n").into_bytes(), then);
        // Greeting, EHLO and STARTTLS have one deadline together.
        if self.stage() != Stage::Opening {
            self.wait(self.config.timeouts.command, now);
        }
    }

    /// Writes, unless the server has replied already: to what, nobody knows.
    fn write(&mut self, bytes: Vec<u8>, then: State) {
        if !self.reader.is_empty() {
            return self.broken("it replied before it was asked");
        }
        self.state = then;
        self.output.push_back(ClientOutput::Write(bytes));
    }

    fn wait(&mut self, timeout: Duration, now: Instant) {
        // A connection that has just been found broken waits for nothing.
        if self.state != State::Closed {
            self.deadline = Some((now + timeout, timeout));
        }
    }

    // ---- ends ----

    /// Becomes ready for a message.
    fn ready(&mut self) {
        self.state = State::Ready;
        self.deadline = None;
        self.output.push_back(ClientOutput::Ready);
    }

    /// A reply that refuses what was asked for; the connection itself is sound.
    fn refused(&mut self, reply: ServerReply) {
        let stage = self.stage();
        let error = ClientError::Refused { stage, reply };
        match self.transaction.take() {
            Some(transaction) => self.sent(transaction.all_refused(&error)),
            None => self.not_opened(error),
        }
    }

    /// What became of the message.
    fn sent(&mut self, outcome: Vec<Result<ServerReply, ClientError>>) {
        self.state = State::Ready;
        self.deadline = None;
        self.output.push_back(ClientOutput::Sent(outcome));
    }

    /// The connection is sound and does not become ready.
    fn not_opened(&mut self, error: ClientError) {
        self.state = State::Refused;
        self.deadline = None;
        self.output.push_back(ClientOutput::Failed(error));
    }

    fn broken(&mut self, reason: &'static str) {
        let stage = self.stage();
        self.fail(ClientError::Protocol { stage, reason });
    }

    /// The connection is of no more use.
    fn fail(&mut self, error: ClientError) {
        match self.transaction.take() {
            Some(transaction) => {
                let outcome = transaction.all_refused(&error);
                self.output.push_back(ClientOutput::Sent(outcome));
            }
            None if matches!(self.state, State::Quit | State::Refused | State::Closed) => {}
            None => self.output.push_back(ClientOutput::Failed(error)),
        }
        self.close();
    }

    fn close(&mut self) {
        if self.state != State::Closed {
            self.state = State::Closed;
            self.output.push_back(ClientOutput::Close);
        }
        self.deadline = None;
    }
}

#[cfg(test)]
mod tests;
