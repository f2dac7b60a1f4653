//! Cuts messages from a stream (RFC 3261 18.3), and finds the keep-alives between them (RFC 5626 4.4.1).

use super::read::{Head, find};
use super::text::number;
use super::{MAX_BODY, MAX_HEAD, Malformed, Name, Why};

/// Holds what has come of the next message, and never more than one head and body at their limits plus one read.
#[derive(Debug, Default)]
pub struct StreamFramer {
    buffer: Vec<u8>,
    /// No end of the head begins before here.
    searched: usize,
    /// The head at the front of the buffer with its empty line, and the whole with its body.
    found: Option<(usize, usize)>,
    /// Nobody knows any more where a message begins.
    lost: bool,
}

/// What came out of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framed {
    /// A whole message, for [`super::Message::parse`].
    Message(Vec<u8>),
    /// A double CRLF: to be answered with one CRLF.
    Ping,
}

impl StreamFramer {
    /// At the start of a stream.
    pub fn new() -> StreamFramer {
        StreamFramer::default()
    }

    /// Takes what was read. After an error nothing is kept any more.
    pub fn handle_octets(&mut self, octets: &[u8]) {
        if !self.lost {
            self.buffer.extend_from_slice(octets);
        }
    }

    /// The next piece, until there is no whole one.
    ///
    /// # Errors
    /// A message whose end cannot be known, with the response for it; the connection is of no use any more.
    pub fn poll(&mut self) -> Result<Option<Framed>, Malformed> {
        if self.found.is_none() {
            if self.skip_line_ends() {
                return Ok(Some(Framed::Ping));
            }
            self.found = self.measure().inspect_err(|_| self.lose())?;
        }
        let Some((_, whole)) = self.found.filter(|(_, whole)| self.buffer.len() >= *whole) else {
            return Ok(None);
        };
        let rest = self.buffer.split_off(whole);
        let message = std::mem::replace(&mut self.buffer, rest);
        (self.searched, self.found) = (0, None);
        Ok(Some(Framed::Message(message)))
    }

    /// Whether a message has begun.
    pub fn is_idle(&self) -> bool {
        self.buffer.is_empty()
    }

    /// `true`: a ping. A single CRLF is the answer to one of ours, or nothing.
    fn skip_line_ends(&mut self) -> bool {
        if self.buffer.starts_with(b"\r\n\r\n") {
            self.buffer.drain(..4);
            return true;
        }
        if self.buffer.starts_with(b"\r\n") && self.buffer.len() > 2 && self.buffer[2] != b'\r' {
            self.buffer.drain(..2);
        }
        false
    }

    /// The lengths of the head and of the whole, once the head is there.
    fn measure(&mut self) -> Result<Option<(usize, usize)>, Malformed> {
        let Some(end) = find(&self.buffer[self.searched..], b"\r\n\r\n") else {
            self.searched = self.buffer.len().saturating_sub(3);
            if self.buffer.len() > MAX_HEAD {
                return Err(Head::read(&self.buffer).malformed(Why::TooLarge));
            }
            return Ok(None);
        };
        let end = self.searched + end;
        let head = Head::read(&self.buffer[..end]);
        match body_length(&head, end) {
            Ok(body) => Ok(Some((end + 4, end + 4 + body))),
            Err(why) => Err(head.malformed(why)),
        }
    }

    fn lose(&mut self) {
        self.lost = true;
        self.buffer = Vec::new();
        self.searched = 0;
    }
}

/// RFC 3261 18.3: on a stream it must be there; a message that has no body may forget it.
fn body_length(head: &Head, octets: usize) -> Result<usize, Why> {
    if octets > MAX_HEAD {
        return Err(Why::TooLarge);
    }
    if let Err((why @ Why::NotSip, _)) = &head.start {
        return Err(*why);
    }
    let mut lengths = head.headers.fields(Name::ContentLength);
    let length = match (lengths.next(), lengths.next()) {
        (Some(length), None) => number(length).ok_or(Why::Length)?,
        (Some(_), Some(_)) => return Err(Why::Count(Name::ContentLength, true)),
        (None, _) if head.headers.get(Name::ContentType).is_none() => 0,
        (None, _) => return Err(Why::Count(Name::ContentLength, false)),
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MAX_BODY {
        Err(Why::TooLarge)
    } else {
        Ok(length)
    }
}
