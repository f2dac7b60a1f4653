//! Text: DATA and BDAT (RFC 3030), up to the reply that settles the mail.

use super::super::reply::{Refusal, Reply};
use super::super::text::{ChunkReader, Defect, LineFeeds, TextLimits, TextReader, in_words};
use super::{
    Envelope, Opening, Output, Protocol, Session, State, Taken, Transaction, Waiting, shorter,
};

/// How many times the largest message is read over, once it is refused, before we hang up on it.
const PATIENCE: u64 = 4;

/// A text being read.
#[derive(Debug)]
pub(super) struct Incoming {
    reader: Reader,
    /// What the driver has to say at its end: it could not be stored.
    failed: Option<Refusal>,
}

#[derive(Debug)]
enum Reader {
    /// DATA.
    Dotted(TextReader),
    /// BDAT, and what is left of this chunk.
    Chunked {
        reader: ChunkReader,
        size: u64,
        left: u64,
        last: bool,
    },
}

impl Incoming {
    fn new(reader: Reader) -> Incoming {
        Incoming {
            reader,
            failed: None,
        }
    }

    /// Why the message cannot be taken, if it cannot.
    fn refusal(&self) -> Option<Refusal> {
        let failed = self.failed.clone();
        failed.or_else(|| self.defect().map(Refusal::from))
    }

    fn defect(&self) -> Option<Defect> {
        match &self.reader {
            Reader::Dotted(reader) => reader.defect(),
            Reader::Chunked { reader, .. } => reader.defect(),
        }
    }

    /// Whether there was a CR or an LF alone, whatever else was wrong.
    fn has_bare_line_end(&self) -> bool {
        match &self.reader {
            Reader::Dotted(reader) => reader.has_bare_line_end(),
            Reader::Chunked { reader, .. } => reader.has_bare_line_end(),
        }
    }

    /// Reads on; says how many octets were used, and whether this was the end of the text or of a chunk of it.
    fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
        match &mut self.reader {
            Reader::Dotted(reader) => reader.read(input, out),
            Reader::Chunked {
                reader, left, last, ..
            } => {
                let used = shorter(input.len(), *left);
                *left -= used as u64;
                reader.read(&input[..used], out);
                if *left == 0 && *last {
                    reader.end(out);
                }
                (used, *left == 0)
            }
        }
    }
}

impl<R> Session<R> {
    pub(super) fn data(&mut self) {
        match &self.transaction {
            None => self.fail(Reply::new(503, "5.5.1", "say MAIL first")),
            // RFC 2920 3.1: pipelining clients send DATA even when every RCPT was refused. RFC 2033 4.2: 503 there.
            Some(transaction) if transaction.recipients.is_empty() => {
                self.fail(no_recipient(self.config.protocol));
            }
            // RFC 3030 2: the two are not mixed.
            Some(transaction) if transaction.chunks.is_some() => {
                let text = "this mail was begun with BDAT; send the rest of it so, or RSET";
                self.fail(Reply::new(503, "5.5.1", text));
            }
            Some(_) => self.open_text(Opening::Data),
        }
    }

    pub(super) fn bdat(&mut self, size: u64, last: bool) {
        let limit = self.config.max_size;
        if size > limit.saturating_mul(PATIENCE) {
            return self.close_with(Reply::new(
                552,
                "5.3.4",
                format!(
                    "a chunk of {} is far over the {} that are taken here, closing the connection",
                    in_words(size),
                    in_words(limit)
                ),
            ));
        }
        match &mut self.transaction {
            None => self.skip(size, Reply::new(503, "5.5.1", "say MAIL first")),
            Some(transaction) if transaction.recipients.is_empty() => {
                self.skip(size, no_recipient(self.config.protocol));
            }
            Some(Transaction { chunks, .. }) => match chunks.take() {
                Some(incoming) => self.next_chunk(incoming, size, last),
                None => self.open_text(Opening::Bdat { size, last }),
            },
        }
    }

    /// RFC 3030 2: whatever is refused, the octets behind BDAT are text and no commands.
    fn skip(&mut self, size: u64, reply: Reply) {
        self.state = State::Skipping { left: size, reply };
        self.end_skipping();
    }

    pub(super) fn end_skipping(&mut self) {
        if let State::Skipping { left: 0, reply } = &self.state {
            let reply = reply.clone();
            self.state = State::Command;
            self.fail(reply);
        }
    }

    fn open_text(&mut self, opening: Opening) {
        self.output.push_back(Output::OpenText);
        self.state = State::Waiting(Waiting::TextOpened(opening));
    }

    /// The driver's answer to [`Output::OpenText`]: go on, or a refusal (the disk is full).
    pub fn text_opened(&mut self, opened: Result<(), Refusal>) {
        let Waiting::TextOpened(opening) = self.take_answer() else {
            unreachable!("the driver opened a text without being asked");
        };
        let limits = TextLimits {
            size: self.config.max_size,
            line: self.config.max_line,
            line_feeds: match (self.config.bare_lf, self.lf_alone) {
                (false, _) => LineFeeds::Refused,
                (true, false) => LineFeeds::InText,
                (true, true) => LineFeeds::Everywhere,
            },
        };
        match (opened, opening) {
            (Err(refusal), Opening::Data) => {
                self.transaction = None;
                self.say(refusal.into());
            }
            (Err(refusal), Opening::Bdat { size, .. }) => {
                self.transaction = None;
                self.skip(size, refusal.into());
            }
            (Ok(()), Opening::Data) => {
                let reader = Reader::Dotted(TextReader::new(limits));
                self.state = State::Text(Incoming::new(reader));
                let text = "go on; end with a line that has only a dot";
                self.say(Reply::bare(354, vec![text.to_string()]));
            }
            (Ok(()), Opening::Bdat { size, last }) => {
                let reader = Reader::Chunked {
                    reader: ChunkReader::new(limits),
                    size: 0,
                    left: 0,
                    last: false,
                };
                self.next_chunk(Incoming::new(reader), size, last);
            }
        }
    }

    fn next_chunk(&mut self, mut incoming: Incoming, octets: u64, is_last: bool) {
        let Reader::Chunked {
            size, left, last, ..
        } = &mut incoming.reader
        else {
            unreachable!("only a text in chunks is kept between commands");
        };
        (*size, *left, *last) = (octets, octets, is_last);
        self.state = State::Text(incoming);
        if octets == 0 {
            self.read_text(b"");
        }
    }

    /// The driver could not store the text: the rest is read and dropped, and `refusal` said at its end.
    pub fn fail_text(&mut self, refusal: Refusal) {
        if let State::Text(incoming) | State::TextRead(incoming) = &mut self.state {
            incoming.failed.get_or_insert(refusal);
        }
    }

    pub(super) fn read_text(&mut self, input: &[u8]) -> usize {
        let State::Text(incoming) = &mut self.state else {
            unreachable!("only called while a text is read");
        };
        let mut text = Vec::new();
        let (used, end) = incoming.read(input, &mut text);
        if !text.is_empty() && incoming.failed.is_none() {
            self.output.push_back(Output::Text(text));
        }
        if end && let State::Text(incoming) = std::mem::replace(&mut self.state, State::Command) {
            self.state = State::TextRead(incoming);
        }
        used
    }

    /// All that was read is stored, or was refused by the driver.
    pub(super) fn end_of_text(&mut self) {
        let State::TextRead(incoming) = std::mem::replace(&mut self.state, State::Command) else {
            unreachable!("only called at the end of a text");
        };
        let refusal = incoming.refusal();
        // Whoever writes line ends that are none may mean another end of the text than we: what follows may be text to one
        // of us and commands to the other (VU#302671).
        let ends_session = incoming.has_bare_line_end();
        let (chunk, is_whole) = match &incoming.reader {
            Reader::Dotted(_) => (0, true),
            Reader::Chunked { size, last, .. } => (*size, *last),
        };
        if let Some(refusal) = refusal {
            self.output.push_back(Output::DropText);
            return self.refuse(refusal, is_whole, ends_session);
        }
        if !is_whole {
            let transaction = self.transaction.as_mut();
            transaction.expect("a text is only read inside one").chunks = Some(incoming);
            let text = format!("{chunk} octets read");
            return self.say(Reply::new(250, "2.0.0", text));
        }
        let transaction = self.transaction.as_mut();
        let transaction = transaction.expect("a text is only read inside one");
        let envelope = Envelope {
            mail: transaction.mail.clone(),
            recipients: std::mem::take(&mut transaction.recipients),
        };
        self.state = State::Waiting(Waiting::Accepted(envelope.recipients.len()));
        self.transaction = None;
        self.output.push_back(Output::Message(envelope));
    }

    /// Refuses the message at the end of its text, or of a chunk of it.
    fn refuse(&mut self, refusal: Refusal, is_whole: bool, ends_session: bool) {
        let transaction = self.transaction.take();
        let recipients = transaction.map_or(1, |it| it.recipients.len());
        let replies = if is_whole { recipients } else { 1 };
        self.say_to_each(replies, Err(refusal));
        if ends_session {
            self.output.push_back(Output::Close);
            self.state = State::Closed;
        }
    }

    /// The driver's answer to [`Output::Message`]: what to say behind `250`, or a refusal.
    pub fn accepted(&mut self, accepted: Result<Taken, Refusal>) {
        let Waiting::Accepted(recipients) = self.take_answer() else {
            unreachable!("the driver took a message without being asked");
        };
        self.say_to_each(recipients, accepted);
    }

    /// RFC 2033 4.2: LMTP says a reply for each recipient, SMTP one for all.
    fn say_to_each(&mut self, recipients: usize, outcome: Result<Taken, Refusal>) {
        let is_lmtp = self.config.protocol == Protocol::Lmtp;
        for nth in 0..if is_lmtp { recipients } else { 1 } {
            let reply = match &outcome {
                Ok(taken) => {
                    let own = taken.each.get(nth).filter(|_| is_lmtp);
                    Reply::new(250, "2.0.0", own.unwrap_or(&taken.text))
                }
                Err(refusal) => refusal.clone().into(),
            };
            self.say(reply);
        }
    }
}

fn no_recipient(protocol: Protocol) -> Reply {
    let code = match protocol {
        Protocol::Smtp => 554,
        Protocol::Lmtp => 503,
    };
    Reply::new(code, "5.5.1", "no recipient was accepted")
}
