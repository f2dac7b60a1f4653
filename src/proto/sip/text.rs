//! Small pieces of the grammar (RFC 3261 25.1).

use std::borrow::Cow;

/// `token`.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_octet)
}

fn is_token_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&octet)
}

/// `LWS` once lines are unfolded.
pub(super) fn is_space(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// Without linear white space on either side.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Splits at `separator` where it stands neither in a quoted string nor between angle brackets.
pub(super) fn split(text: &str, separator: u8) -> Split<'_> {
    Split {
        rest: Some(text),
        separator,
    }
}

/// The pieces of a value; see [`split`].
#[derive(Debug, Clone)]
pub(super) struct Split<'a> {
    rest: Option<&'a str>,
    separator: u8,
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest?;
        let Some(at) = find_outside(text, self.separator) else {
            self.rest = None;
            return Some(trim(text));
        };
        self.rest = Some(&text[at + 1..]);
        Some(trim(&text[..at]))
    }
}

/// Where `wanted` stands outside of quotes and angle brackets.
pub(super) fn find_outside(text: &str, wanted: u8) -> Option<usize> {
    let (mut quoted, mut escaped, mut angle) = (false, false, false);
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if !angle => quoted = !quoted,
            _ if quoted => {}
            _ if octet == wanted && !angle => return Some(at),
            b'<' => angle = true,
            b'>' => angle = false,
            _ => {}
        }
    }
    None
}

/// The text of a quoted string, and what follows it; `None` where it does not begin with a quote or never ends.
pub(super) fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut escaped = false;
    let mut escapes = false;
    for (at, octet) in inner.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => (escaped, escapes) = (true, true),
            b'"' => {
                let text = &inner[..at];
                let text = if escapes {
                    Cow::Owned(unescape(text))
                } else {
                    Cow::Borrowed(text)
                };
                return Some((text, &inner[at + 1..]));
            }
            _ => {}
        }
    }
    None
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

/// As a quoted string; what cannot stand in one becomes a space.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\r' | '\n' => quoted.push(' '),
            // RFC 3261 25.1: other controls only as quoted-pair.
            c if c.is_ascii_control() && c != '\t' => quoted.extend(['\\', c]),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A number of digits only: `+1`, an empty text and what is too large are none.
pub(super) fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Without line ends, which no value may have.
pub(super) fn one_line(text: impl Into<String>) -> String {
    let text = text.into();
    if text.contains(['\r', '\n']) {
        return text.replace(['\r', '\n'], " ");
    }
    text
}

/// `hostport`: a name, an IPv4 address or an IPv6 address in brackets, and perhaps a port.
pub(super) fn host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let text = trim(text);
    let (host, rest) = match text.find(']') {
        Some(end) if text.starts_with('[') => text.split_at(end + 1),
        _ => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let (host, rest) = (trim(host), trim(rest));
    if !is_host(host) {
        return None;
    }
    if rest.is_empty() {
        return Some((host, None));
    }
    let port = number(trim(rest.strip_prefix(':')?))?;
    Some((host, Some(u16::try_from(port).ok()?)))
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').unwrap_or_default();
        return inner.parse::<std::net::Ipv6Addr>().is_ok();
    }
    // Names with an underscore are none, but they are in use.
    let known = |octet: u8| octet.is_ascii_alphanumeric() || b"-._".contains(&octet);
    !host.is_empty() && host.bytes().all(known)
}

/// Octets for `%XX`; what is not UTF-8 then is Latin-1. A `%` that begins no escape stays (RFC 4475 3.1.1.5).
pub(super) fn percent_decode(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| tail.get(..2).and_then(hex))
            .flatten();
        octets.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    match String::from_utf8(octets) {
        Ok(text) => text,
        Err(no_utf8) => no_utf8.as_bytes().iter().copied().map(char::from).collect(),
    }
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digit = |octet: u8| char::from(octet).to_digit(16);
    let (high, low) = (digit(digits[0])?, digit(digits[1])?);
    u8::try_from(high * 16 + low).ok()
}

/// `%XX` for every octet but letters, digits and those in `plain`.
pub(super) fn percent_encode(text: &str, plain: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || plain.contains(&octet) {
            escaped.push(char::from(octet));
        } else {
            escaped.push_str(&format!("%{octet:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_and_brackets_split_nothing() {
        let value = r#""a, \", b" <sip:a,b@c>;x="1,2" , <sip:d>,"#;
        let pieces: Vec<&str> = split(value, b',').collect();
        assert_eq!(pieces, [r#""a, \", b" <sip:a,b@c>;x="1,2""#, "<sip:d>", ""]);
    }

    #[test]
    fn quotes_read_back() {
        for text in ["", "a", "a\"b\\c", "\u{0}\u{7f}\u{7}", "F\u{e4}x\tRaum"] {
            let written = quote(text);
            let (read, rest) = quoted(&written).expect("it ends");
            assert_eq!((read.as_ref(), rest), (text, ""));
        }
        assert_eq!(quoted("\"never ends\\\""), None);
    }

    #[test]
    fn numbers_have_no_signs() {
        assert_eq!(number("0009"), Some(9));
        for text in ["", "+1", "-1", "1 ", "4294967296", "36893488147419103232"] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }

    #[test]
    fn hosts_and_ports() {
        assert_eq!(
            host_port("a_b.example:5060"),
            Some(("a_b.example", Some(5060)))
        );
        assert_eq!(host_port("192.0.2.1 : 9"), Some(("192.0.2.1", Some(9))));
        assert_eq!(
            host_port("[2001:db8::1]:5061"),
            Some(("[2001:db8::1]", Some(5061)))
        );
        assert_eq!(host_port("[::1]"), Some(("[::1]", None)));
        for text in [
            "", ":5060", "a b", "a:", "a:65536", "a:-1", "[::1", "[a]", "::1", "a:5060x",
        ] {
            assert_eq!(host_port(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_percent_sign_that_escapes_nothing_stays() {
        assert_eq!(percent_decode("RE%47IST%45R%zz%4"), "REGISTER%zz%4");
        assert_eq!(percent_decode("%C3%A4%E4"), "\u{c3}\u{a4}\u{e4}");
        assert_eq!(percent_decode("%C3%A4"), "\u{e4}");
        assert_eq!(percent_encode("a b+\r\n\u{e4}", b"+"), "a%20b+%0D%0A%C3%A4");
    }
}
