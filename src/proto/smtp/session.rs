//! The state of one session: what the client may do next, and what it is told.

mod auth;
mod text;

use std::collections::VecDeque;

use super::command::{self, Command};
use super::line::{CommandReader, Line};
use super::parameters::{MailOptions, RcptOptions};
use super::reply::{Refusal, Reply};
use super::text::in_words;
pub use auth::Login;
use auth::LoginStep;
use text::Incoming;

/// What a session is told about the server and its limits.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// The name in the greeting.
    pub hostname: String,
    /// Which of the two is spoken.
    pub protocol: Protocol,
    /// Octets of a message at most (announced as SIZE, RFC 1870).
    pub max_size: u64,
    /// Octets in a line of text at most, CRLF not counted.
    pub max_line: u64,
    /// Octets in a command line at most, CRLF counted.
    pub max_command: usize,
    /// Recipients of one message at most.
    pub max_recipients: usize,
    /// Errors after which the session is ended.
    pub max_errors: usize,
    /// Commands after which the session is ended, recipients that were taken not counted.
    pub max_commands: usize,
    /// Seconds that a mail may be held at most (announced as FUTURERELEASE, RFC 4865).
    pub max_hold: u64,
    /// The time that many seconds from now, as RFC 3339 writes it.
    pub hold_until: String,
    /// Whether STARTTLS is offered.
    pub tls_available: bool,
    /// Whether TLS began with the first octet (RFC 8314).
    pub tls: bool,
    /// Whether LF alone ends a line.
    pub bare_lf: bool,
    /// Whether there is anybody who could log in; AUTH is offered under TLS only.
    pub auth_available: bool,
}

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// SMTP (RFC 5321).
    #[default]
    Smtp,
    /// LMTP (RFC 2033): a reply for each recipient behind the text.
    Lmtp,
}

impl Default for SessionConfig {
    fn default() -> SessionConfig {
        SessionConfig {
            hostname: "localhost".to_string(),
            protocol: Protocol::Smtp,
            max_size: 35_000_000,
            max_line: 65_536,
            max_command: 2_048,
            max_recipients: 100,
            max_errors: 20,
            max_commands: 10_000,
            max_hold: 0,
            hold_until: String::new(),
            tls_available: false,
            tls: false,
            bare_lf: false,
            auth_available: false,
        }
    }
}

/// What is known of a mail at MAIL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mail {
    /// The reverse-path, never empty.
    pub sender: String,
    /// What else MAIL said.
    pub options: MailOptions,
    /// Who logged in.
    pub user: Option<String>,
    /// What the client called itself in EHLO, LHLO or HELO.
    pub helo: String,
    /// Whether the message comes through TLS.
    pub tls: bool,
}

/// A message that waits to be taken over: who sent it, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope<R> {
    /// Who sent it, and how.
    pub mail: Mail,
    /// What the verdicts made of the recipients, in the order of RCPT; never empty.
    pub recipients: Vec<R>,
}

/// What is said about a message that was taken over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Taken {
    /// About all of it, behind the one `250` of SMTP.
    pub text: String,
    /// About each recipient, in the order of RCPT, behind the `250`s of LMTP; `text` where one is missing.
    pub each: Vec<String>,
}

/// What the driver has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Output<R> {
    /// Write these octets.
    Reply(Vec<u8>),
    /// Judge a login: answer with [`Session::logged_in`].
    Login(Login),
    /// Judge a mail by its sender: answer with [`Session::sender_verdict`].
    Sender(Mail),
    /// Judge a recipient: answer with [`Session::verdict`].
    Recipient {
        /// Who sends, and how.
        mail: Mail,
        /// The forward-path, quotes undone.
        recipient: String,
        /// What else RCPT said.
        options: RcptOptions,
    },
    /// Make room for a text: answer with [`Session::text_opened`].
    OpenText,
    /// Append to the text. Should that fail, say so with [`Session::fail_text`].
    Text(Vec<u8>),
    /// Throw away the text: the message was refused, or its client thought better of it.
    DropText,
    /// Take the message over: answer with [`Session::accepted`].
    Message(Envelope<R>),
    /// Write what is to be written, throw away unread input, shake hands, then call [`Session::tls_started`].
    StartTls,
    /// Write what is to be written and close the connection.
    Close,
}

/// One SMTP or LMTP session of a client.
#[derive(Debug)]
pub struct Session<R> {
    config: SessionConfig,
    state: State,
    reader: CommandReader,
    output: VecDeque<Output<R>>,
    helo: Option<String>,
    /// Who logged in.
    user: Option<String>,
    transaction: Option<Transaction<R>>,
    /// The last mail was begun with SMTPUTF8: its client reads UTF-8 in our replies (RFC 6531 3.7.4.1).
    utf8: bool,
    tls: bool,
    /// Nothing has come yet.
    is_new: bool,
    /// The last command ended with LF alone.
    lf_alone: bool,
    errors: usize,
    commands: usize,
    logins: usize,
}

#[derive(Debug)]
enum State {
    /// Reading commands.
    Command,
    /// Reading the answer to a challenge of AUTH.
    Login(LoginStep),
    /// Reading a text.
    Text(Incoming),
    /// A piece of text is at its end; the driver may still fail to store the last of it.
    TextRead(Incoming),
    /// Reading over a chunk that was refused; the reply is said behind it.
    Skipping {
        left: u64,
        reply: Reply,
    },
    /// The driver owes an answer.
    Waiting(Waiting),
    /// STARTTLS was agreed: what comes before the handshake is thrown away (RFC 3207 4.2).
    Handshake,
    Closed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Waiting {
    Login {
        user: String,
    },
    Sender(Box<Mail>),
    Verdict,
    TextOpened(Opening),
    /// The number of its recipients.
    Accepted(usize),
}

/// What begins a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    Data,
    Bdat { size: u64, last: bool },
}

#[derive(Debug)]
struct Transaction<R> {
    mail: Mail,
    recipients: Vec<R>,
    /// RCPT commands, whatever became of them.
    asked: usize,
    /// The text so far, between two chunks of it.
    chunks: Option<Incoming>,
}

impl<R> Session<R> {
    /// A session that is about to greet.
    pub fn new(config: SessionConfig) -> Session<R> {
        let spoken = match config.protocol {
            Protocol::Smtp => "ESMTP",
            Protocol::Lmtp => "LMTP",
        };
        let greeting = format!("{} {spoken} Postfax", config.hostname);
        let mut session = Session {
            reader: CommandReader::new(config.max_command, config.bare_lf),
            tls: config.tls,
            is_new: true,
            lf_alone: false,
            config,
            state: State::Command,
            output: VecDeque::new(),
            helo: None,
            user: None,
            transaction: None,
            utf8: false,
            errors: 0,
            commands: 0,
            logins: 0,
        };
        session.say(Reply::bare(220, vec![greeting]));
        session
    }

    /// Takes octets of the client, and says how many it used. It stops as soon as there is output to poll, and
    /// uses nothing while an answer of the driver is owed.
    pub fn handle(&mut self, input: &[u8]) -> usize {
        let mut used = 0;
        self.is_new &= input.is_empty();
        while used < input.len() && self.output.is_empty() {
            let input = &input[used..];
            used += match &mut self.state {
                State::Command | State::Login(_) => self.read_line(input),
                State::Text(_) => self.read_text(input),
                State::Skipping { left, .. } => {
                    let skipped = shorter(input.len(), *left);
                    *left -= skipped as u64;
                    self.end_skipping();
                    skipped
                }
                State::Waiting(_) | State::TextRead(_) => break,
                State::Handshake | State::Closed => input.len(),
            };
        }
        used
    }

    /// Says that no TLS begins here, and ends the session, where its very first octets are a handshake.
    pub fn refuse_tls(&mut self, input: &[u8]) -> bool {
        // RFC 8446 5.1: a record of the type handshake; the hello of SSL 2.0 has its length in front.
        let is_hello = matches!(
            input,
            [0x16, 0x03, ..] | [0x16] | [0x80..=0xff, _, 0x01, ..]
        );
        let refused = self.is_new && !self.tls && is_hello;
        if refused {
            self.is_new = false;
            let text = match self.config.tls_available {
                true => {
                    "SMTP begins without TLS on this port; use STARTTLS, or the port for SMTP in TLS"
                }
                false => {
                    "SMTP begins without TLS on this port; switch TLS (SSL) off, or use the port for SMTP in TLS"
                }
            };
            self.close_with(Reply::new(500, "5.5.1", text));
        }
        refused
    }

    /// The next thing to do, until there is nothing more to do without input.
    pub fn poll(&mut self) -> Option<Output<R>> {
        if self.output.is_empty() && matches!(self.state, State::TextRead(_)) {
            self.end_of_text();
        }
        self.output.pop_front()
    }

    /// Whether the session is between commands: nothing is lost by ending it.
    pub fn is_between_commands(&self) -> bool {
        matches!(self.state, State::Command) && self.output.is_empty()
    }

    /// Whether the text of a message is being read.
    pub fn is_in_text(&self) -> bool {
        matches!(self.state, State::Text(_) | State::Skipping { .. })
    }

    /// The driver's answer to [`Output::Login`].
    pub fn logged_in(&mut self, verdict: Result<(), Refusal>) {
        let Waiting::Login { user } = self.take_answer() else {
            unreachable!("the driver answered a login without being asked");
        };
        self.end_login(user, verdict);
    }

    /// The driver's answer to [`Output::Sender`].
    pub fn sender_verdict(&mut self, verdict: Result<(), Refusal>) {
        let Waiting::Sender(mail) = self.take_answer() else {
            unreachable!("the driver judged a sender without being asked");
        };
        self.utf8 = mail.options.utf8;
        if let Err(refusal) = verdict {
            return self.say(refusal.into());
        }
        self.transaction = Some(Transaction {
            mail: *mail,
            recipients: Vec::new(),
            asked: 0,
            chunks: None,
        });
        self.say(Reply::new(250, "2.1.0", "sender ok"));
    }

    /// The driver's answer to [`Output::Recipient`].
    pub fn verdict(&mut self, verdict: Result<R, Refusal>) {
        let asked = self.take_answer();
        debug_assert_eq!(asked, Waiting::Verdict);
        match (verdict, &mut self.transaction) {
            (Ok(recipient), Some(transaction)) => {
                transaction.recipients.push(recipient);
                // How many of these there may be is max_recipients' to say.
                self.commands -= 1;
                self.say(Reply::new(250, "2.1.5", "recipient ok"));
            }
            (Err(refusal), _) => self.say(refusal.into()),
            (Ok(_), None) => unreachable!("a verdict is only asked for inside a transaction"),
        }
    }

    /// The handshake is done: everything learned before it is forgotten (RFC 3207 4.2).
    pub fn tls_started(&mut self) {
        self.reader = CommandReader::new(self.config.max_command, self.config.bare_lf);
        self.state = State::Command;
        self.helo = None;
        self.user = None;
        self.transaction = None;
        self.utf8 = false;
        self.tls = true;
    }

    /// Ends the session from our side: `421` with this status and sentence, then close.
    pub fn end(&mut self, status: &'static str, text: &str) {
        let text = format!("{text}, closing the connection");
        self.output.clear();
        self.close_with(Reply::new(421, status, text));
    }

    // ---- commands ----

    fn read_line(&mut self, input: &[u8]) -> usize {
        let (used, line) = self.reader.read(input);
        if line.is_some() {
            self.lf_alone = self.reader.ended_with_lf_alone();
        }
        match (line, &self.state) {
            (None, _) => {}
            (Some(Line::Command(line)), State::Login(_)) => self.login_answer(&line),
            (Some(Line::Command(line)), _) => self.command(&line),
            (Some(Line::Overlong), _) => {
                self.state = State::Command;
                let limit = self.config.max_command;
                self.fail(Reply::new(
                    500,
                    "5.5.2",
                    format!("a command line has at most {limit} octets"),
                ));
            }
            (Some(Line::BareLineEnd), _) => self.close_with(Reply::new(
                500,
                "5.5.2",
                "a command ends with CR LF; a CR or an LF alone is not allowed, closing the connection",
            )),
        }
        used
    }

    fn command(&mut self, line: &[u8]) {
        self.commands += 1;
        if self.commands > self.config.max_commands {
            return self.end("4.7.0", "too many commands in one session");
        }
        match command::parse(line, self.offers_auth()) {
            Ok(command) => self.run(command),
            Err(bad) if bad.fatal => self.close_with(bad.reply),
            Err(bad) => self.fail(bad.reply),
        }
    }

    fn run(&mut self, command: Command) {
        match command {
            Command::Ehlo { host } => self.greet(Protocol::Smtp, host, true),
            Command::Helo { host } => self.greet(Protocol::Smtp, host, false),
            Command::Lhlo { host } => self.greet(Protocol::Lmtp, host, true),
            Command::Auth { mechanism, initial } => self.auth(&mechanism, initial.as_deref()),
            Command::Mail { sender, options } => self.mail(sender, options),
            Command::Rcpt { recipient, options } => self.rcpt(recipient, options),
            Command::Data => self.data(),
            Command::Bdat { size, last } => self.bdat(size, last),
            Command::Rset => {
                self.forget();
                self.say(Reply::new(250, "2.0.0", "forgotten"));
            }
            Command::Noop => self.say(Reply::new(250, "2.0.0", "ok")),
            Command::Quit => self.close_with(Reply::new(221, "2.0.0", "goodbye")),
            // RFC 5321 3.5.3: 252 says neither yes nor no.
            Command::Vrfy => self.say(Reply::new(252, "2.0.0", "ask with RCPT")),
            Command::Help => self.say(Reply::new(
                214,
                "2.0.0",
                "mail PDF documents to NUMBER@DOMAIN and they are faxed to NUMBER",
            )),
            Command::StartTls => self.start_tls(),
        }
    }

    fn greet(&mut self, spoken: Protocol, host: String, extended: bool) {
        // RFC 2033 4.1: HELO and EHLO are no commands of LMTP, nor is LHLO one of SMTP.
        if spoken != self.config.protocol {
            let text = match self.config.protocol {
                Protocol::Smtp => "this is SMTP: say EHLO",
                Protocol::Lmtp => "this is LMTP: say LHLO",
            };
            return self.fail(Reply::new(500, "5.5.1", text));
        }
        // RFC 5321 4.1.4: EHLO in the middle of a session is a RSET too.
        self.forget();
        self.helo = Some(host);
        let lines = match extended {
            true => self.announcement(),
            false => vec![self.config.hostname.clone()],
        };
        self.say(Reply::bare(250, lines));
    }

    /// Our name and what is honoured here.
    fn announcement(&self) -> Vec<String> {
        let config = &self.config;
        let mut lines = vec![
            config.hostname.clone(),
            "PIPELINING".to_string(),
            format!("SIZE {}", config.max_size),
            "8BITMIME".to_string(),
            "SMTPUTF8".to_string(),
            "CHUNKING".to_string(),
            "DSN".to_string(),
            "DELIVERBY".to_string(),
            "MT-PRIORITY".to_string(),
            "ENHANCEDSTATUSCODES".to_string(),
        ];
        // RFC 4865 3: both limits are announced.
        if config.max_hold > 0 && !config.hold_until.is_empty() {
            let hold = format!("FUTURERELEASE {} {}", config.max_hold, config.hold_until);
            lines.push(hold);
        }
        if self.offers_auth() && self.user.is_none() {
            lines.push("AUTH PLAIN LOGIN".to_string());
        }
        if config.tls_available && !self.tls {
            lines.push("STARTTLS".to_string());
        }
        lines
    }

    fn mail(&mut self, sender: String, options: MailOptions) {
        let Some(helo) = self.helo.clone() else {
            let text = match self.config.protocol {
                Protocol::Smtp => "say EHLO first",
                Protocol::Lmtp => "say LHLO first",
            };
            return self.fail(Reply::new(503, "5.5.1", text));
        };
        if self.transaction.is_some() {
            return self.fail(Reply::new(503, "5.5.1", "a mail is already begun"));
        }
        // RFC 1870 6.1: a declared size over the limit is refused before the text is sent.
        let (size, limit) = (options.size, self.config.max_size);
        if size > limit {
            return self.fail(Reply::new(
                552,
                "5.3.4",
                format!(
                    "the message has {}, and at most {} is taken here",
                    in_words(size),
                    in_words(limit)
                ),
            ));
        }
        let mail = Mail {
            sender,
            options,
            user: self.user.clone(),
            helo,
            tls: self.tls,
        };
        self.output.push_back(Output::Sender(mail.clone()));
        self.state = State::Waiting(Waiting::Sender(Box::new(mail)));
    }

    fn rcpt(&mut self, recipient: String, options: RcptOptions) {
        let limit = self.config.max_recipients;
        let Some(transaction) = &mut self.transaction else {
            return self.fail(Reply::new(503, "5.5.1", "say MAIL first"));
        };
        if transaction.chunks.is_some() {
            let text = "the text has begun; its recipients come before it";
            return self.fail(Reply::new(503, "5.5.1", text));
        }
        // RFC 6531 3.4: beyond ASCII only in a mail that was begun so.
        if !recipient.is_ascii() && !transaction.mail.options.utf8 {
            let text = "an address that is not ASCII takes SMTPUTF8 at MAIL";
            return self.fail(Reply::new(553, "5.6.7", text));
        }
        transaction.asked += 1;
        if transaction.asked > 10 * limit {
            return self.end("4.7.0", "far too many recipients in one mail");
        }
        // RFC 5321 4.5.3.1.10: 452, so that the client sends the rest in another mail. No error of the client.
        if transaction.recipients.len() >= limit {
            return self.say(Reply::new(
                452,
                "4.5.3",
                format!(
                    "at most {limit} recipients are taken in one mail; send the rest in another"
                ),
            ));
        }
        self.output.push_back(Output::Recipient {
            mail: transaction.mail.clone(),
            recipient,
            options,
        });
        self.state = State::Waiting(Waiting::Verdict);
    }

    /// Ends a mail that was begun, with the text that came of it.
    fn forget(&mut self) {
        let transaction = self.transaction.take();
        if transaction.is_some_and(|transaction| transaction.chunks.is_some()) {
            self.output.push_back(Output::DropText);
        }
    }

    fn start_tls(&mut self) {
        if self.tls || !self.config.tls_available {
            return self.fail(Reply::new(502, "5.5.1", "STARTTLS is not offered now"));
        }
        // RFC 4954 4: who has logged in has done so under TLS, so this is a mail begun in plaintext.
        self.transaction = None;
        self.say(Reply::new(220, "2.0.0", "shake hands"));
        self.output.push_back(Output::StartTls);
        self.state = State::Handshake;
    }

    // ---- replies ----

    fn say(&mut self, reply: Reply) {
        self.output
            .push_back(Output::Reply(reply.encode(self.utf8)));
    }

    /// Says a reply to a mistake of the client, and ends the session when there were too many.
    fn fail(&mut self, reply: Reply) {
        self.errors += 1;
        self.say(reply);
        if self.errors >= self.config.max_errors {
            let text = "too many errors, closing the connection";
            self.close_with(Reply::new(421, "4.7.0", text));
        }
    }

    fn close_with(&mut self, reply: Reply) {
        self.say(reply);
        self.output.push_back(Output::Close);
        self.state = State::Closed;
        self.transaction = None;
    }

    fn take_answer(&mut self) -> Waiting {
        match std::mem::replace(&mut self.state, State::Command) {
            State::Waiting(waiting) => waiting,
            _ => unreachable!("the driver answered without being asked"),
        }
    }
}

/// As many octets of the input as are left.
fn shorter(input: usize, left: u64) -> usize {
    usize::try_from(left).map_or(input, |left| left.min(input))
}
