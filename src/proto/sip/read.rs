//! Octets to [`Message`].
//!
//! What is let through has exactly one `From`, `To`, `Call-ID` and `CSeq` and at least one `Via`, all of them readable.
//! What a request asks for is judged by [`super::check`].

use std::borrow::Cow;

use super::text::{is_space, number, one_line};
use super::{
    CSeq, Headers, Invalid, MAX_BODY, MAX_FIELDS, MAX_HEAD, Malformed, Message, Method, Name,
    NameAddr, Start, Uri, Via, Why,
};

impl Message {
    /// Reads one datagram, or one message as [`super::StreamFramer`] cuts it. Without `Content-Length` the rest is the
    /// body; what is behind the body is ignored (RFC 3261 18.3).
    ///
    /// # Errors
    /// What is wrong with it, and the response for it where RFC 4475 wants one.
    pub fn parse(octets: &[u8]) -> Result<Message, Malformed> {
        let octets = &octets[leading_line_ends(octets)..];
        let Some(end) = find(octets, b"\r\n\r\n") else {
            return Err(Head::read(octets).malformed(Why::NoEnd));
        };
        let head = Head::read(&octets[..end]);
        match head
            .check()
            .and_then(|start| Ok((start, body_of(&head.headers, &octets[end + 4..])?)))
        {
            Ok((start, body)) => Ok(Message {
                start,
                body: body.to_vec(),
                headers: head.headers,
            }),
            Err(why) => Err(head.malformed(why)),
        }
    }
}

/// What stands before the empty line; as much as can be read, so that a broken request can be answered.
pub(super) struct Head {
    pub start: FirstLine,
    pub headers: Headers,
    /// The first thing that was wrong with a header line.
    broken: Option<Why>,
}

/// The first line, or what is wrong with it and what it nevertheless was.
type FirstLine = Result<Start, (Why, Option<Start>)>;

impl Head {
    pub fn read(octets: &[u8]) -> Head {
        let mut lines = Lines(Some(octets));
        let start = first_line(lines.next().unwrap_or_default());
        let mut headers = Headers::new();
        let mut broken = (octets.len() > MAX_HEAD).then_some(Why::TooLarge);
        while let Some(line) = lines.next_unfolded() {
            if headers.len() >= MAX_FIELDS {
                broken = broken.or(Some(Why::TooLarge));
                break;
            }
            broken = broken.or(read_field(&line, &mut headers).err());
        }
        Head {
            start,
            headers,
            broken,
        }
    }

    fn check(&self) -> Result<Start, Why> {
        let start = self.start.as_ref().map_err(|(why, _)| *why)?;
        self.broken.map_or(Ok(()), Err)?;
        check_fields(start, &self.headers)?;
        Ok(start.clone())
    }

    /// What is wrong, with the response for it.
    pub fn malformed(&self, why: Why) -> Malformed {
        let start = match &self.start {
            Ok(start) => Some(start),
            Err((_, start)) => start.as_ref(),
        };
        Malformed::of(why, start, &self.headers)
    }
}

/// RFC 3261 7.5: empty lines before the first line are skipped.
fn leading_line_ends(octets: &[u8]) -> usize {
    let mut start = 0;
    while octets[start..].starts_with(b"\r\n") {
        start += 2;
    }
    start
}

/// Where `wanted` begins.
pub(super) fn find(octets: &[u8], wanted: &[u8]) -> Option<usize> {
    let (first, _) = wanted.split_first()?;
    let mut from = 0;
    loop {
        let at = from
            + octets
                .get(from..)?
                .iter()
                .position(|octet| octet == first)?;
        if octets[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}

fn read_field(line: &[u8], headers: &mut Headers) -> Result<(), Why> {
    let colon = line
        .iter()
        .position(|octet| *octet == b':')
        .ok_or(Why::NoHeader)?;
    let (name, value) = (
        line[..colon].trim_ascii_end(),
        line[colon + 1..].trim_ascii(),
    );
    if !headers.push_read(name, value) {
        return Err(Why::NoHeader);
    }
    // A reader that takes a lone CR or LF for a line end sees headers here that others do not.
    let stray = value.iter().any(|octet| matches!(octet, b'\r' | b'\n'));
    if stray {
        Err(Why::StrayLineEnd)
    } else {
        Ok(())
    }
}

/// The lines between CRLFs.
struct Lines<'a>(Option<&'a [u8]>);

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0?;
        let end = find(rest, b"\r\n");
        self.0 = end.map(|end| &rest[end + 2..]);
        Some(end.map_or(rest, |end| &rest[..end]))
    }

    /// The next line with those that go on with it (RFC 3261 7.3.1).
    fn next_unfolded(&mut self) -> Option<Cow<'a, [u8]>> {
        let mut line = Cow::Borrowed(self.next()?);
        while self
            .0
            .is_some_and(|rest| rest.starts_with(b" ") || rest.starts_with(b"\t"))
        {
            let more = self.next().unwrap_or_default();
            line.to_mut().push(b' ');
            line.to_mut().extend_from_slice(more.trim_ascii());
        }
        Some(line)
    }
}

fn first_line(line: &[u8]) -> FirstLine {
    let text = String::from_utf8_lossy(line);
    if text
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("SIP/"))
    {
        return status_line(&text).ok_or((Why::StatusLine, None));
    }
    request_line(&text)
}

fn status_line(text: &str) -> Option<Start> {
    let (version, rest) = text.split_once(' ')?;
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let code = number(code).filter(|_| code.len() == 3);
    let code = code.and_then(|code| u16::try_from(code).ok())?;
    let known = version.eq_ignore_ascii_case("SIP/2.0") && (100..700).contains(&code);
    known.then(|| Start::Response {
        code,
        reason: one_line(reason),
    })
}

fn request_line(text: &str) -> FirstLine {
    let Some((method, rest)) = text.split_once(' ') else {
        return Err((Why::NotSip, None));
    };
    let Some(method) = Method::parse(method) else {
        return Err((Why::NotSip, None));
    };
    let (uri, version) = rest.trim_end().rsplit_once(' ').unwrap_or(("", rest));
    let Some(version) = version
        .get(..4)
        .filter(|name| name.eq_ignore_ascii_case("SIP/"))
        .map(|_| &version[4..])
    else {
        return Err((Why::NotSip, None));
    };
    let start = Start::Request {
        method,
        uri: uri.to_owned(),
    };
    if version != "2.0" {
        return Err((Why::Version, Some(start)));
    }
    match request_uri(uri, rest) {
        Ok(()) => Ok(start),
        Err(why) => Err((Why::RequestLine(why), Some(start))),
    }
}

fn request_uri(uri: &str, rest: &str) -> Result<(), &'static str> {
    // RFC 4475 3.1.2.9, 3.1.2.10: one space, not more, and none at the end.
    if rest.ends_with(is_space) || uri.starts_with(is_space) || uri.ends_with(is_space) {
        return Err("more than one space");
    }
    let uri = Uri::parse(uri).map_err(|invalid| invalid.0)?;
    // RFC 3261 19.1.1: no headers in a Request-URI.
    if uri.sip().is_some_and(|uri| uri.headers.is_some()) {
        return Err("headers in the Request-URI");
    }
    Ok(())
}

// ---- what every message must have ----

/// RFC 3261 7.3.1: these occur once.
const ONCE: [Name; 6] = [
    Name::From,
    Name::To,
    Name::CallId,
    Name::CSeq,
    Name::MaxForwards,
    Name::ContentLength,
];

fn check_fields(start: &Start, headers: &Headers) -> Result<(), Why> {
    for name in ONCE {
        let mut fields = headers.fields(name);
        // RFC 3261 8.1.1; peers of RFC 2543 have no Max-Forwards (RFC 4475 3.4.1).
        let needed = !matches!(name, Name::MaxForwards | Name::ContentLength);
        match (fields.next(), fields.next()) {
            (_, Some(_)) => return Err(Why::Count(name, true)),
            (None, _) if needed => return Err(Why::Count(name, false)),
            _ => {}
        }
    }
    check_values(headers)?;
    match start {
        Start::Request { .. } => check_request_values(headers),
        Start::Response { .. } => Ok(()),
    }
}

fn check_values(headers: &Headers) -> Result<(), Why> {
    let value = |name| headers.get(name).unwrap_or_default();
    for name in [Name::From, Name::To] {
        NameAddr::parse(value(name)).map_err(|invalid| Why::Value(name, invalid))?;
    }
    CSeq::parse(value(Name::CSeq)).map_err(|invalid| Why::Value(Name::CSeq, invalid))?;
    if value(Name::CallId).is_empty() || value(Name::CallId).contains(is_space) {
        return Err(Why::Value(Name::CallId, Invalid("not one word")));
    }
    if headers.get(Name::Via).is_none() {
        return Err(Why::Count(Name::Via, false));
    }
    let broken = headers.all(Name::Via).find_map(|via| Via::parse(via).err());
    broken.map_or(Ok(()), |invalid| Err(Why::Value(Name::Via, invalid)))
}

fn check_request_values(headers: &Headers) -> Result<(), Why> {
    let hops = headers.get(Name::MaxForwards);
    // RFC 3261 20.22: 0 to 255.
    if hops.is_some_and(|hops| number(hops).is_none_or(|hops| hops > 255)) {
        return Err(Why::Value(Name::MaxForwards, Invalid("not 0 to 255")));
    }
    for name in [Name::Contact, Name::RecordRoute, Name::Route] {
        let values = headers.all(name).filter(|value| *value != "*");
        if let Some(invalid) = values.map(NameAddr::parse).find_map(Result::err) {
            return Err(Why::Value(name, invalid));
        }
    }
    Ok(())
}

/// RFC 3261 18.3: as long as it says; without a word, all there is.
fn body_of<'a>(headers: &Headers, rest: &'a [u8]) -> Result<&'a [u8], Why> {
    let body = match headers.get(Name::ContentLength) {
        None => rest,
        Some(length) => {
            let length = number(length).and_then(|length| usize::try_from(length).ok());
            length
                .and_then(|length| rest.get(..length))
                .ok_or(Why::Length)?
        }
    };
    if body.len() > MAX_BODY {
        return Err(Why::TooLarge);
    }
    Ok(body)
}
