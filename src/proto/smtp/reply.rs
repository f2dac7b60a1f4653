//! What the server says: a code, an enhanced status code and a sentence for a person.

/// Octets in a reply line with its code and CRLF (RFC 5321 4.5.3.1.5).
const MAX_REPLY_LINE: usize = 512;

/// One reply of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    status: Option<&'static str>,
    lines: Vec<String>,
}

impl Reply {
    /// A reply with an enhanced status code (RFC 3463), whose class must be the code's.
    pub fn new(code: u16, status: &'static str, text: impl Into<String>) -> Reply {
        debug_assert_eq!(Some(code / 100), class_of(status), "{code} {status}");
        Reply {
            code,
            status: Some(status),
            lines: vec![text.into()],
        }
    }

    /// A reply without one: the greeting, the answers to EHLO and HELO, and 354 (RFC 2034 4).
    pub fn bare(code: u16, lines: Vec<String>) -> Reply {
        Reply {
            code,
            status: None,
            lines,
        }
    }

    /// The three-digit code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The reply as it goes on the wire: CRLF, long sentences broken into several lines; UTF-8 for a client that reads it
    /// (RFC 6531 3.7.4.1), ASCII for all others.
    pub fn encode(&self, utf8: bool) -> Vec<u8> {
        let lines = self.lines.iter().flat_map(|line| wrap(line, utf8));
        let lines: Vec<String> = lines.collect();
        let mut wire = String::new();
        for (i, line) in lines.iter().enumerate() {
            let separator = if i + 1 < lines.len() { '-' } else { ' ' };
            wire.push_str(&format!("{}{separator}", self.code));
            if let Some(status) = self.status {
                wire.push_str(status);
                wire.push(' ');
            }
            wire.push_str(line);
            wire.push_str("\r\n");
        }
        wire.into_bytes()
    }
}

/// A "no" that is said to the client: 4xx (try again) or 5xx (do not).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} {status} {text}")]
pub struct Refusal {
    /// 400 to 599.
    pub code: u16,
    /// Enhanced status code (RFC 3463).
    pub status: &'static str,
    /// A sentence for the person who sent the mail.
    pub text: String,
}

impl Refusal {
    /// A refusal; `code` is 4xx or 5xx and `status` of the same class.
    pub fn new(code: u16, status: &'static str, text: impl Into<String>) -> Refusal {
        debug_assert!((400..600).contains(&code) && Some(code / 100) == class_of(status));
        Refusal {
            code,
            status,
            text: text.into(),
        }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Reply {
        Reply::new(refusal.code, refusal.status, refusal.text)
    }
}

fn class_of(status: &str) -> Option<u16> {
    Some(status.chars().next()?.to_digit(10)? as u16)
}

/// Breaks a sentence at spaces into lines that fit a reply, and keeps strangers' text from adding lines of its
/// own.
fn wrap(text: &str, utf8: bool) -> Vec<String> {
    let limit = MAX_REPLY_LINE - "250-5.7.1 ".len() - "\r\n".len();
    let mut rest = printable(text, utf8);
    let mut lines = Vec::new();
    while rest.len() > limit {
        let mut at = limit;
        while !rest.is_char_boundary(at) {
            at -= 1;
        }
        let at = rest[..at].rfind(' ').filter(|&at| at > 0).unwrap_or(at);
        let tail = rest.split_off(at);
        lines.push(std::mem::replace(&mut rest, tail.trim_start().to_string()));
    }
    lines.push(rest);
    lines
}

/// The text without control characters; for those who read ASCII alone the letters of Europe without their marks.
fn printable(text: &str, utf8: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' '..='~' => out.push(c),
            // Line and paragraph separators, and what turns the direction of writing.
            _ if utf8 && !c.is_control() && !matches!(c, '\u{2028}'..='\u{202e}') => out.push(c),
            _ => out.push_str(plain(c)),
        }
    }
    out
}

fn plain(c: char) -> &'static str {
    match c {
        'Ä' | 'Æ' => "Ae",
        'ä' | 'æ' => "ae",
        'Ö' | 'Ø' => "Oe",
        'ö' | 'ø' => "oe",
        'Ü' => "Ue",
        'ü' => "ue",
        'ß' => "ss",
        'À'..='Å' => "A",
        'à'..='å' => "a",
        'Ç' => "C",
        'ç' => "c",
        'È'..='Ë' => "E",
        'è'..='ë' => "e",
        'Ì'..='Ï' => "I",
        'ì'..='ï' => "i",
        'Ñ' => "N",
        'ñ' => "n",
        'Ò'..='Õ' => "O",
        'ò'..='õ' => "o",
        'Ù'..='Û' => "U",
        'ù'..='û' => "u",
        'Ý' => "Y",
        'ý' | 'ÿ' => "y",
        '\u{2013}' | '\u{2014}' => "-",
        '\u{2018}' | '\u{2019}' => "'",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_file_name_cannot_forge_a_reply_line() {
        let reply = Reply::new(
            554,
            "5.6.1",
            "the attachment \"a\r\n250 OK\u{434}\u{2028}\" cannot be faxed",
        );
        let wire = |utf8| String::from_utf8(reply.encode(utf8)).unwrap();
        assert_eq!(
            wire(false),
            "554 5.6.1 the attachment \"a??250 OK??\" cannot be faxed\r\n"
        );
        assert_eq!(
            wire(true),
            "554 5.6.1 the attachment \"a??250 OK\u{434}?\" cannot be faxed\r\n"
        );
    }

    #[test]
    fn who_reads_ascii_alone_still_knows_which_name_is_meant() {
        let reply = Reply::new(554, "5.6.1", "\"Präsentation für Françoise.docx\"");
        let wire = String::from_utf8(reply.encode(false)).unwrap();
        assert_eq!(wire, "554 5.6.1 \"Praesentation fuer Francoise.docx\"\r\n");
    }

    #[test]
    fn a_long_sentence_becomes_several_lines_of_at_most_512_octets() {
        for text in ["word ".repeat(300), "x".repeat(2000), "xüü".repeat(400)] {
            let reply = Reply::new(550, "5.1.1", text.trim());
            let wire = String::from_utf8(reply.encode(true)).unwrap();
            let lines: Vec<&str> = wire.split_terminator("\r\n").collect();
            assert!(lines.len() > 2);
            assert!(lines.iter().all(|l| l.len() + 2 <= MAX_REPLY_LINE));
            let (last, others) = lines.split_last().unwrap();
            assert!(others.iter().all(|l| l.starts_with("550-5.1.1 ")));
            assert!(last.starts_with("550 5.1.1 "));
        }
    }
}
