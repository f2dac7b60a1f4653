//! MAIL, RCPT, DATA and the text of one message.

use std::time::Instant;

use super::super::session::Protocol;
use super::{Client, ClientError, ServerReply, Stage, State};

/// A message to hand over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// Return path; `None` is the null one, `<>` (RFC 5321 4.5.5). Without angle brackets and line ends, as below.
    pub from: Option<String>,
    /// Recipients, at least one.
    pub to: Vec<String>,
    /// Header and body (RFC 5322). Whatever its line ends are, they leave as CRLF.
    pub text: Vec<u8>,
    /// Whether it goes to those that are taken where others are refused. If not, nobody gets it.
    pub partial: bool,
}

/// A message on its way.
#[derive(Debug)]
pub(super) struct Transaction {
    message: OutgoingMessage,
    /// What was said about each recipient so far; those without an entry were not asked about.
    refused: Vec<Option<ClientError>>,
    /// The replies behind the text, one a recipient that was taken (RFC 2033 4.2).
    replies: Vec<ServerReply>,
}

impl Transaction {
    pub(super) fn new(message: OutgoingMessage) -> Transaction {
        Transaction {
            message,
            refused: Vec::new(),
            replies: Vec::new(),
        }
    }

    fn taken(&self) -> usize {
        self.refused.iter().filter(|it| it.is_none()).count()
    }

    /// The message fails with this error for everybody who has no outcome of their own.
    pub(super) fn all_refused(self, error: &ClientError) -> Vec<Result<ServerReply, ClientError>> {
        let mut replies = self.replies.into_iter();
        let mut refused = self.refused.into_iter();
        let each = self.message.to.iter().map(|_| match refused.next() {
            Some(Some(own)) => Err(own),
            Some(None) => match replies.next() {
                Some(reply) => outcome(reply),
                None => Err(error.clone()),
            },
            None => Err(error.clone()),
        });
        each.collect()
    }

    /// Every reply is here; that of SMTP is for all.
    fn settled(self, protocol: Protocol) -> Vec<Result<ServerReply, ClientError>> {
        let mut replies = self.replies.into_iter().peekable();
        let mut next = || match protocol {
            Protocol::Smtp => replies.peek().cloned(),
            Protocol::Lmtp => replies.next(),
        };
        let each = self.refused.into_iter().map(|refused| match refused {
            Some(error) => Err(error),
            None => outcome(next().expect("one for each that was taken")),
        });
        each.collect()
    }
}

/// What a reply behind the text says of a recipient.
fn outcome(reply: ServerReply) -> Result<ServerReply, ClientError> {
    match reply.is_positive() {
        true => Ok(reply),
        false => Err(ClientError::Refused {
            stage: Stage::Message,
            reply,
        }),
    }
}

impl Client {
    pub(super) fn mail(&mut self, now: Instant) {
        let transaction = self.transaction.as_ref().expect("one was begun");
        let message = &transaction.message;
        let from = message.from.as_deref().unwrap_or_default();
        let mut command = format!("MAIL FROM:<{from}>");
        if self.offers.size {
            command.push_str(&format!(" SIZE={}", size(&message.text)));
        }
        if self.offers.eight_bit && !message.text.is_ascii() {
            command.push_str(" BODY=8BITMIME");
        }
        if takes_utf8(message) {
            if !self.offers.utf8 {
                let transaction = self.transaction.take().expect("as above");
                return self.sent(transaction.all_refused(&ClientError::NoUtf8));
            }
            command.push_str(" SMTPUTF8");
        }
        self.unfinished = true;
        self.ask(&command, State::Mail, now);
    }

    pub(super) fn on_mail(&mut self, reply: ServerReply, now: Instant) {
        match reply.is_positive() {
            true => self.rcpt(0, now),
            false => self.refused(reply),
        }
    }

    fn rcpt(&mut self, index: usize, now: Instant) {
        let transaction = self.transaction.as_ref().expect("one was begun");
        let command = match transaction.message.to.get(index) {
            Some(to) => format!("RCPT TO:<{to}>"),
            None => return self.data(now),
        };
        self.ask(&command, State::Rcpt(index), now);
    }

    pub(super) fn on_rcpt(&mut self, index: usize, reply: ServerReply, now: Instant) {
        let stage = self.stage();
        let transaction = self.transaction.as_mut().expect("one was begun");
        if reply.is_positive() {
            transaction.refused.push(None);
        } else if transaction.message.partial && reply.code != 421 {
            let error = ClientError::Refused { stage, reply };
            transaction.refused.push(Some(error));
        } else {
            return self.refused(reply);
        }
        self.rcpt(index + 1, now);
    }

    fn data(&mut self, now: Instant) {
        if self.transaction.as_ref().is_some_and(|it| it.taken() == 0) {
            let transaction = self.transaction.take().expect("there is one");
            let protocol = self.config.protocol;
            return self.sent(transaction.settled(protocol));
        }
        self.ask("DATA", State::Data, now);
    }

    pub(super) fn on_data(&mut self, reply: ServerReply, now: Instant) {
        if reply.code != 354 {
            return self.refused(reply);
        }
        let transaction = self.transaction.as_mut().expect("one was begun");
        let text = encode(&std::mem::take(&mut transaction.message.text));
        self.write(text, State::Message);
        self.wait(self.config.timeouts.message, now);
    }

    /// A 2yz hands the message over; from here on it is the server's.
    pub(super) fn on_message(&mut self, reply: ServerReply) {
        let protocol = self.config.protocol;
        let transaction = self.transaction.as_mut().expect("one was begun");
        transaction.replies.push(reply);
        let expected = match protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => transaction.taken(),
        };
        if transaction.replies.len() < expected {
            return;
        }
        let transaction = self.transaction.take().expect("there is one");
        self.unfinished = false;
        self.sent(transaction.settled(protocol));
    }
}

/// RFC 6531 1.2: addresses or a header beyond ASCII.
fn takes_utf8(message: &OutgoingMessage) -> bool {
    let end = message.text.windows(4).position(|four| four == b"\r\n\r\n");
    let header = &message.text[..end.unwrap_or(message.text.len())];
    let mut addresses = message.from.iter().chain(&message.to);
    !header.is_ascii() || addresses.any(|it| !it.is_ascii())
}

/// Its lines without their ends, of whatever kind these are: neither a bare CR nor a bare LF may end a line where ours do
/// not (VU#302671, SMTP smuggling).
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let end = end.unwrap_or(rest.len());
        let line = &rest[..end];
        let skip = if rest[end..].starts_with(b"\r\n") {
            2
        } else {
            1
        };
        rest = rest.get(end + skip..).unwrap_or_default();
        Some(line)
    })
}

/// RFC 1870 4: with CRLFs, without the dots that are added and the one at the end.
fn size(text: &[u8]) -> usize {
    lines(text).map(|line| line.len() + 2).sum()
}

/// The text as it goes on the wire, its final dot included: dots at the start of a line are doubled (RFC 5321 4.5.2).
fn encode(text: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(text.len() + text.len() / 64 + 8);
    for line in lines(text) {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_final_dot_is_the_only_one_whatever_the_line_ends() {
        for (text, wire) in [
            (&b""[..], &b".\r\n"[..]),
            (b"a\r\n", b"a\r\n.\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b"a\r\n\r\n", b"a\r\n\r\n.\r\n"),
            (b".\r\n", b"..\r\n.\r\n"),
            (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r.\rb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r\r\n.\r\n", b"a\r\n\r\n..\r\n.\r\n"),
            (b"a\n\r.\r\n", b"a\r\n\r\n..\r\n.\r\n"),
        ] {
            let encoded = encode(text);
            assert_eq!(encoded, wire, "{:?}", String::from_utf8_lossy(text));
        }
        assert_eq!(size(b".a\r\n\nb"), 9);
    }

    /// Any text, read back by the rules of RFC 5321 4.5.2, ends where it should and nowhere before.
    #[test]
    fn no_text_ends_early() {
        let mut random = fastrand::Rng::with_seed(5321);
        for _ in 0..20_000 {
            let text: Vec<u8> = (0..random.usize(..12))
                .map(|_| b".\r\na"[random.usize(..4)])
                .collect();
            let wire = encode(&text);
            let body = wire.strip_suffix(b".\r\n").unwrap();
            assert!(body.is_empty() || body.ends_with(b"\r\n"));
            let whole = [b"\r\n", body].concat();
            assert!(!whole.windows(5).any(|it| it == b"\r\n.\r\n"), "{text:?}");
            for (at, byte) in body.iter().enumerate() {
                match byte {
                    b'\r' => assert_eq!(body[at + 1], b'\n'),
                    b'\n' => assert_eq!(body[at - 1], b'\r'),
                    _ => {}
                }
            }
        }
    }
}
