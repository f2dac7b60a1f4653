//! Replies of a server (RFC 5321 4.2), from bytes.

use std::fmt;

/// Bytes of a line without its CRLF, and of a whole reply, at most: more than RFC 5321 4.5.3.1.5 allows, less than a
/// server could fill our memory with.
const MAX_LINE: usize = 2_000;
const MAX_REPLY: usize = 100_000;

/// Characters of a reply that are shown: it has to fit a table and a log line.
const MAX_SHOWN: usize = 300;

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerReply {
    /// 200 to 559.
    pub code: u16,
    /// What stands behind the code in each line.
    pub lines: Vec<String>,
}

impl ServerReply {
    /// 2yz: done.
    pub fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }
}

/// In one line, cut, without what a terminal could be fooled with. An enhanced status code, which every line has (RFC 2034
/// 4), is shown once.
impl fmt::Display for ServerReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.code.to_string();
        let first = self.lines.first().and_then(|line| line.split(' ').next());
        let status = first.filter(|word| word.split('.').count() == 3);
        for (at, line) in self.lines.iter().enumerate() {
            let rest = status.filter(|_| at > 0);
            let rest = rest.and_then(|status| line.strip_prefix(status));
            said.push(' ');
            said.push_str(rest.unwrap_or(line).trim_start());
        }
        let clean = said.trim_end().chars().take(MAX_SHOWN);
        clean
            .map(|c| if is_harmless(c) { c } else { ' ' })
            .try_for_each(|c| write!(f, "{c}"))
    }
}

/// Neither a control character nor one that changes the direction of what is shown (UAX 9).
fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Bytes of which no reply was made yet.
#[derive(Debug, Default)]
pub(super) struct ReplyReader {
    bytes: Vec<u8>,
}

impl ReplyReader {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next whole reply, if there is one.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub(super) fn next_reply(&mut self) -> Result<Option<ServerReply>, &'static str> {
        let (mut lines, mut used, mut code) = (Vec::new(), 0, None);
        loop {
            let rest = &self.bytes[used..];
            let end = rest.iter().position(|byte| *byte == b'\n');
            if end.unwrap_or(rest.len()) > MAX_LINE || used + rest.len().min(MAX_LINE) > MAX_REPLY {
                return Err("a reply is too long");
            }
            let Some(end) = end else { return Ok(None) };
            let line = rest[..end].strip_suffix(b"\r");
            let line = line.ok_or("a line does not end with CR LF")?;
            let (own, is_last, text) = take_apart(line).ok_or("what it says is no reply")?;
            if code.is_some_and(|code| code != own) {
                return Err("the lines of a reply have different codes");
            }
            code = Some(own);
            lines.push(text);
            used += end + 1;
            if is_last {
                self.bytes.drain(..used);
                return Ok(Some(ServerReply { code: own, lines }));
            }
        }
    }
}

/// Code, whether it is the last line, and text. RFC 5321 4.2.1: a code alone is a reply, too.
fn take_apart(line: &[u8]) -> Option<(u16, bool, String)> {
    let (code, rest) = line.split_at_checked(3)?;
    if !matches!(code, [b'2'..=b'5', b'0'..=b'5', b'0'..=b'9']) {
        return None;
    }
    let code = std::str::from_utf8(code).ok()?.parse().ok()?;
    let is_last = match rest.first() {
        None | Some(b' ') => true,
        Some(b'-') => false,
        Some(_) => return None,
    };
    let text = String::from_utf8_lossy(rest.get(1..).unwrap_or_default());
    Some((code, is_last, text.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], piece: usize) -> Result<Vec<String>, &'static str> {
        let (mut reader, mut replies) = (ReplyReader::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            reader.push(piece);
            while let Some(reply) = reader.next_reply()? {
                replies.push(reply.to_string());
            }
        }
        Ok(replies)
    }

    #[test]
    fn a_reply_is_read_whatever_the_pieces() {
        let bytes = b"220 mail ESMTP\r\n250-a\r\n250-b\r\n250 c\r\n354\r\n";
        for piece in 1..=bytes.len() {
            let replies = read(bytes, piece).unwrap();
            assert_eq!(replies, ["220 mail ESMTP", "250 a b c", "354"], "{piece}");
        }
    }

    #[test]
    fn a_status_that_every_line_has_is_shown_once() {
        let said = b"554-5.6.0 looks like\r\n554 5.6.0 spam\r\n";
        assert_eq!(read(said, 9).unwrap(), ["554 5.6.0 looks like spam"]);
    }

    #[test]
    fn what_is_no_reply_is_told_from_one() {
        for bytes in [
            &b"\r\n"[..],
            b"25 ok\r\n",
            b"250ok\r\n",
            b"250_ok\r\n",
            b"150 ok\r\n",
            b"650 ok\r\n",
            b"260 ok\r\n",
            b"250 ok\n",
            b"250-a\r\n550 b\r\n",
            b"\x16\x03\x01\x02\x00\n",
        ] {
            for piece in [1, 3, 100] {
                assert!(read(bytes, piece).is_err(), "{bytes:?}");
            }
        }
    }

    #[test]
    fn a_server_cannot_fill_our_memory() {
        let line = [b"250 ".as_slice(), &[b'x'; MAX_LINE]].concat();
        assert!(read(&line, 1000).is_err());
        let lines = b"250-x\r\n".repeat(MAX_REPLY / 7 + 1);
        assert!(read(&lines, 1000).is_err());
    }

    #[test]
    fn a_servers_words_are_cut_and_cleaned() {
        let said = format!("550 \x1b[2J\u{202e}{}\r\n", "x".repeat(900));
        let replies = read(said.as_bytes(), 64).unwrap();
        assert_eq!(replies[0].chars().count(), MAX_SHOWN);
        assert!(replies[0].chars().all(is_harmless));
    }
}
