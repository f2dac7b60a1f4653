//! The state of one session: what the client may do next, and what it is told.

use std::collections::VecDeque;

use super::command::{self, Command};
use super::line::{CommandReader, Line};
use super::reply::{Refusal, Reply};
use super::text::{TextLimits, TextReader, in_words};

/// What a session is told about the server and its limits.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// The name in the greeting.
    pub hostname: String,
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
    /// Commands after which the session is ended.
    pub max_commands: usize,
    /// Whether STARTTLS is offered.
    pub tls_available: bool,
}

impl Default for SessionConfig {
    fn default() -> SessionConfig {
        SessionConfig {
            hostname: "localhost".to_string(),
            max_size: 35_000_000,
            max_line: 65_536,
            max_command: 2_048,
            max_recipients: 100,
            max_errors: 20,
            max_commands: 10_000,
            tls_available: false,
        }
    }
}

/// A message that waits to be taken over: who sent it, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope<R> {
    /// The reverse-path, never empty.
    pub sender: String,
    /// What the verdicts made of the recipients, in the order of RCPT; never empty.
    pub recipients: Vec<R>,
    /// What the client called itself in EHLO or HELO.
    pub helo: String,
    /// Whether the message came through TLS.
    pub tls: bool,
}

/// What the driver has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Output<R> {
    /// Write these octets.
    Reply(Vec<u8>),
    /// Judge a recipient: answer with [`Session::verdict`].
    Recipient {
        /// The reverse-path.
        sender: String,
        /// The forward-path, quotes undone.
        recipient: String,
    },
    /// Make room for a text: answer with [`Session::text_opened`].
    OpenText,
    /// Append to the text. Should that fail, say so with [`Session::fail_text`].
    Text(Vec<u8>),
    /// Throw away the text: the message was refused.
    DropText,
    /// Take the message over: answer with [`Session::accepted`].
    Message(Envelope<R>),
    /// Write what is to be written, throw away unread input, shake hands, then call [`Session::tls_started`].
    StartTls,
    /// Write what is to be written and close the connection.
    Close,
}

/// One SMTP session of a client.
#[derive(Debug)]
pub struct Session<R> {
    config: SessionConfig,
    state: State,
    reader: CommandReader,
    output: VecDeque<Output<R>>,
    helo: Option<String>,
    transaction: Option<Transaction<R>>,
    tls: bool,
    errors: usize,
    commands: usize,
}

#[derive(Debug)]
enum State {
    /// Reading commands.
    Command,
    /// Reading a text; the refusal is what the driver has to say at its end.
    Text(TextReader, Option<Refusal>),
    /// The text is at its end; the driver may still fail to store the last of it.
    TextRead(Option<Refusal>),
    /// The driver owes an answer.
    Waiting(Waiting),
    /// STARTTLS was agreed: what comes before the handshake is thrown away (RFC 3207 4.2).
    Handshake,
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Verdict,
    TextOpened,
    Accepted,
}

#[derive(Debug)]
struct Transaction<R> {
    sender: String,
    recipients: Vec<R>,
    /// RCPT commands, whatever became of them.
    asked: usize,
}

impl<R> Session<R> {
    /// A session that is about to greet.
    pub fn new(config: SessionConfig) -> Session<R> {
        let greeting = format!("{} ESMTP Postfax", config.hostname);
        let mut session = Session {
            reader: CommandReader::new(config.max_command),
            config,
            state: State::Command,
            output: VecDeque::new(),
            helo: None,
            transaction: None,
            tls: false,
            errors: 0,
            commands: 0,
        };
        session.say(Reply::bare(220, vec![greeting]));
        session
    }

    /// Takes octets of the client, and says how many it used. It stops as soon as there is output to poll, and
    /// uses nothing while an answer of the driver is owed.
    pub fn handle(&mut self, input: &[u8]) -> usize {
        let mut used = 0;
        while used < input.len() && self.output.is_empty() {
            used += match &mut self.state {
                State::Command => self.read_command(&input[used..]),
                State::Text(..) => self.read_text(&input[used..]),
                State::Waiting(_) | State::TextRead(_) => break,
                State::Handshake | State::Closed => input.len() - used,
            };
        }
        used
    }

    /// The next thing to do, until there is nothing more to do without input.
    pub fn poll(&mut self) -> Option<Output<R>> {
        if let (true, State::TextRead(refusal)) = (self.output.is_empty(), &mut self.state) {
            let refusal = refusal.take();
            self.end_of_text(refusal);
        }
        self.output.pop_front()
    }

    /// Whether the session is between commands: nothing is lost by ending it.
    pub fn is_between_commands(&self) -> bool {
        matches!(self.state, State::Command) && self.output.is_empty()
    }

    /// Whether the text of a message is being read.
    pub fn is_in_text(&self) -> bool {
        matches!(self.state, State::Text(..))
    }

    /// The driver's answer to [`Output::Recipient`].
    pub fn verdict(&mut self, verdict: Result<R, Refusal>) {
        self.take_answer(Waiting::Verdict);
        match (verdict, &mut self.transaction) {
            (Ok(recipient), Some(transaction)) => {
                transaction.recipients.push(recipient);
                self.say(Reply::new(250, "2.1.5", "recipient ok"));
            }
            (Err(refusal), _) => self.say(refusal.into()),
            (Ok(_), None) => unreachable!("a verdict is only asked for inside a transaction"),
        }
    }

    /// The driver's answer to [`Output::OpenText`]: go on, or a refusal (the disk is full).
    pub fn text_opened(&mut self, opened: Result<(), Refusal>) {
        self.take_answer(Waiting::TextOpened);
        if let Err(refusal) = opened {
            self.transaction = None;
            return self.say(refusal.into());
        }
        let limits = TextLimits {
            size: self.config.max_size,
            line: self.config.max_line,
        };
        self.state = State::Text(TextReader::new(limits), None);
        let text = "go on; end with a line that has only a dot";
        self.say(Reply::bare(354, vec![text.to_string()]));
    }

    /// The driver could not store the text: the rest is read and dropped, and `refusal` said at its end.
    pub fn fail_text(&mut self, refusal: Refusal) {
        if let State::Text(_, failed) | State::TextRead(failed) = &mut self.state {
            failed.get_or_insert(refusal);
        }
    }

    /// The driver's answer to [`Output::Message`]: what to say behind `250`, or a refusal.
    pub fn accepted(&mut self, accepted: Result<String, Refusal>) {
        self.take_answer(Waiting::Accepted);
        self.transaction = None;
        self.say(match accepted {
            Ok(text) => Reply::new(250, "2.0.0", text),
            Err(refusal) => refusal.into(),
        });
    }

    /// The handshake is done: everything learned before it is forgotten (RFC 3207 4.2).
    pub fn tls_started(&mut self) {
        self.reader = CommandReader::new(self.config.max_command);
        self.state = State::Command;
        self.helo = None;
        self.transaction = None;
        self.tls = true;
    }

    /// Ends the session from our side: `421` with this status and sentence, then close.
    pub fn end(&mut self, status: &'static str, text: &str) {
        let text = format!("{text}, closing the connection");
        self.output.clear();
        self.close_with(Reply::new(421, status, text));
    }

    // ---- commands ----

    fn read_command(&mut self, input: &[u8]) -> usize {
        let (used, line) = self.reader.read(input);
        match line {
            None => {}
            Some(Line::Command(line)) => self.command(&line),
            Some(Line::Overlong) => {
                let limit = self.config.max_command;
                self.fail(Reply::new(
                    500,
                    "5.5.2",
                    format!("a command line has at most {limit} octets"),
                ));
            }
            Some(Line::BareLineEnd) => self.close_with(Reply::new(
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
        match command::parse(line) {
            Ok(command) => self.run(command),
            Err(bad) if bad.fatal => self.close_with(bad.reply),
            Err(bad) => self.fail(bad.reply),
        }
    }

    fn run(&mut self, command: Command) {
        match command {
            Command::Ehlo { host } => self.ehlo(host),
            Command::Helo { host } => {
                self.greeted(host);
                self.say(Reply::bare(250, vec![self.config.hostname.clone()]));
            }
            Command::Mail { sender, size } => self.mail(sender, size),
            Command::Rcpt { recipient } => self.rcpt(recipient),
            Command::Data => self.data(),
            Command::Rset => {
                self.transaction = None;
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

    fn greeted(&mut self, host: String) {
        // RFC 5321 4.1.4: EHLO in the middle of a session is a RSET too.
        self.helo = Some(host);
        self.transaction = None;
    }

    fn ehlo(&mut self, host: String) {
        self.greeted(host);
        // DSN (RFC 3461) and the others are announced once they are honoured.
        let mut lines = vec![
            self.config.hostname.clone(),
            "PIPELINING".to_string(),
            format!("SIZE {}", self.config.max_size),
            "8BITMIME".to_string(),
            "ENHANCEDSTATUSCODES".to_string(),
        ];
        if self.config.tls_available && !self.tls {
            lines.push("STARTTLS".to_string());
        }
        self.say(Reply::bare(250, lines));
    }

    fn mail(&mut self, sender: String, size: u64) {
        if self.helo.is_none() {
            return self.fail(Reply::new(503, "5.5.1", "say EHLO first"));
        }
        if self.transaction.is_some() {
            return self.fail(Reply::new(503, "5.5.1", "a mail is already begun"));
        }
        // RFC 1870 6.1: a declared size over the limit is refused before the text is sent.
        let limit = self.config.max_size;
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
        self.transaction = Some(Transaction {
            sender,
            recipients: Vec::new(),
            asked: 0,
        });
        self.say(Reply::new(250, "2.1.0", "sender ok"));
    }

    fn rcpt(&mut self, recipient: String) {
        let limit = self.config.max_recipients;
        let Some(transaction) = &mut self.transaction else {
            return self.fail(Reply::new(503, "5.5.1", "say MAIL first"));
        };
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
            sender: transaction.sender.clone(),
            recipient,
        });
        self.state = State::Waiting(Waiting::Verdict);
    }

    fn data(&mut self) {
        match &self.transaction {
            None => self.fail(Reply::new(503, "5.5.1", "say MAIL first")),
            // RFC 2920 3.1: pipelining clients send DATA even when every RCPT was refused.
            Some(transaction) if transaction.recipients.is_empty() => {
                self.fail(Reply::new(554, "5.5.1", "no recipient was accepted"));
            }
            Some(_) => {
                self.output.push_back(Output::OpenText);
                self.state = State::Waiting(Waiting::TextOpened);
            }
        }
    }

    fn start_tls(&mut self) {
        if self.tls || !self.config.tls_available {
            return self.fail(Reply::new(502, "5.5.1", "STARTTLS is not offered now"));
        }
        self.say(Reply::new(220, "2.0.0", "shake hands"));
        self.output.push_back(Output::StartTls);
        self.state = State::Handshake;
    }

    // ---- the text ----

    fn read_text(&mut self, input: &[u8]) -> usize {
        let State::Text(reader, failed) = &mut self.state else {
            unreachable!("only called while a text is read");
        };
        let mut text = Vec::new();
        let (used, end) = reader.read(input, &mut text);
        if !text.is_empty() && failed.is_none() {
            self.output.push_back(Output::Text(text));
        }
        if end {
            let refusal = failed.take().or_else(|| reader.defect().map(Refusal::from));
            self.state = State::TextRead(refusal);
        }
        used
    }

    fn end_of_text(&mut self, refusal: Option<Refusal>) {
        self.state = State::Command;
        let transaction = self.transaction.take();
        if let Some(refusal) = refusal {
            self.output.push_back(Output::DropText);
            return self.say(refusal.into());
        }
        let transaction = transaction.expect("a text is only read inside a transaction");
        self.output.push_back(Output::Message(Envelope {
            sender: transaction.sender,
            recipients: transaction.recipients,
            helo: self.helo.clone().unwrap_or_default(),
            tls: self.tls,
        }));
        self.state = State::Waiting(Waiting::Accepted);
    }

    // ---- replies ----

    fn say(&mut self, reply: Reply) {
        self.output.push_back(Output::Reply(reply.encode()));
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

    fn take_answer(&mut self, expected: Waiting) {
        match self.state {
            State::Waiting(waiting) if waiting == expected => self.state = State::Command,
            _ => unreachable!("the driver answered {expected:?} without being asked"),
        }
    }
}
