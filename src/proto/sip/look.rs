//! A first look at a datagram, before anything of it is copied: strangers send thousands.

/// What the first look finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstLook<'a> {
    /// The method of a request; `None`: a response.
    pub method: Option<&'a str>,
    /// `Call-ID`, as it stands there.
    pub call_id: &'a [u8],
}

/// Lines that are looked at; a Call-ID further down is not found.
const MAX_LINES: usize = 64;

/// Finds the method and the Call-ID; `None` where it is no SIP or has none. What it finds is not checked: that is for
/// [`super::Message::parse`].
pub fn first_look(octets: &[u8]) -> Option<FirstLook<'_>> {
    let mut lines = octets.split(|octet| *octet == b'\n').map(without_cr);
    let first = lines.find(|line| !line.is_empty())?;
    let method = match first.get(..4)?.eq_ignore_ascii_case(b"SIP/") {
        true => None,
        false => Some(method(first)?),
    };
    let headers = lines.take_while(|line| !line.is_empty()).take(MAX_LINES);
    let call_id = headers.filter_map(call_id).next()?;
    Some(FirstLook { method, call_id })
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn method(line: &[u8]) -> Option<&str> {
    let end = line.iter().position(|octet| *octet == b' ')?;
    let version = line
        .trim_ascii_end()
        .rsplit(|octet| *octet == b' ')
        .next()?;
    let is_sip = version.get(..4)?.eq_ignore_ascii_case(b"SIP/");
    std::str::from_utf8(&line[..end])
        .ok()
        .filter(|name| is_sip && !name.is_empty())
}

fn call_id(line: &[u8]) -> Option<&[u8]> {
    if !matches!(line.first()?, b'C' | b'c' | b'I' | b'i') {
        return None;
    }
    let colon = line.iter().take(32).position(|octet| *octet == b':')?;
    let name = line[..colon].trim_ascii_end();
    let is_it = name.eq_ignore_ascii_case(b"Call-ID") || name.eq_ignore_ascii_case(b"i");
    is_it.then(|| line[colon + 1..].trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_responses_and_neither() {
        let invite = b"\r\n\r\nINVITE sip:1@a SIP/2.0\r\nVia: x\r\ni : abc@d\r\n\r\n";
        let look = first_look(invite).expect("it is one");
        assert_eq!((look.method, look.call_id), (Some("INVITE"), &b"abc@d"[..]));
        let look = first_look(b"SIP/2.0 200 OK\r\nCALL-ID:abc\r\n\r\n").expect("it is one");
        assert_eq!((look.method, look.call_id), (None, &b"abc"[..]));
        for text in [
            "",
            "\r\n\r\n",
            "GET / HTTP/1.1\r\nCall-ID: 1\r\n\r\n",
            "INVITE sip:a SIP/2.0\r\n\r\nCall-ID: 1",
        ] {
            assert_eq!(first_look(text.as_bytes()), None, "{text:?}");
        }
    }
}
