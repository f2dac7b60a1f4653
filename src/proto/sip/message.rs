//! Requests and responses: octets to [`Message`] and back.
//!
//! What [`Message::parse`] lets through has exactly one `From`, `To`, `Call-ID` and `CSeq` and at least one `Via`, all
//! of them readable. What a request asks for is judged by [`super::check`].

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use super::text::{is_space, is_token, number, one_line, percent_encode, trim};
use super::{Headers, Invalid, MAX_BODY, MAX_FIELDS, MAX_HEAD, Method, Name, NameAddr, Uri, Via};

/// A request or a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The first line.
    pub start: Start,
    /// The header fields. `Content-Length` is written by [`Message::encode`], whatever stands here.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

/// The first line of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// A request.
    Request {
        /// What is asked for.
        method: Method,
        /// The Request-URI as it came.
        uri: String,
    },
    /// A response.
    Response {
        /// 100 to 699.
        code: u16,
        /// The reason phrase, perhaps empty.
        reason: String,
    },
}

/// Octets that cannot be used, or a request that cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Malformed {
    /// What is wrong.
    pub why: Why,
    /// The response that the request gets; `None` for responses, ACK, and what is no SIP.
    pub reply: Option<Message>,
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The first line is neither a request's nor a response's.
    #[error("not a SIP message")]
    NotSip,
    /// The first line is a request's, but broken.
    #[error("broken request line: {0}")]
    RequestLine(&'static str),
    /// The first line is a response's, but broken.
    #[error("broken status line")]
    StatusLine,
    /// A version other than 2.0.
    #[error("unknown SIP version")]
    Version,
    /// The empty line behind the headers is missing.
    #[error("the headers do not end")]
    NoEnd,
    /// A CR or LF that is no line end.
    #[error("a stray line end in the headers")]
    StrayLineEnd,
    /// A line without colon, or whose name is none.
    #[error("a line that is no header")]
    NoHeader,
    /// More than [`MAX_HEAD`], [`MAX_FIELDS`] or [`MAX_BODY`].
    #[error("larger than what is read")]
    TooLarge,
    /// A field that must be there once is not, or is there twice.
    #[error("{} {}", .0.as_str(), if *.1 { "occurs twice" } else { "is missing" })]
    Count(Name, bool),
    /// A field whose value cannot be read.
    #[error("{}: {}", .0.as_str(), .1.0)]
    Value(Name, Invalid),
    /// `Content-Length` is no number, or more than there is.
    #[error("Content-Length is wrong")]
    Length,
    /// Well-formed, but not what we serve; the reply says what.
    #[error("answered {0}")]
    Refused(u16),
}

impl Message {
    /// Reads one datagram, or one message as [`super::StreamFramer`] cuts it. Without `Content-Length` the rest is the
    /// body; what is behind the body is ignored (RFC 3261 18.3).
    ///
    /// # Errors
    /// What is wrong with it, and the response for it where RFC 4475 wants one.
    pub fn parse(octets: &[u8]) -> Result<Message, Malformed> {
        let octets = &octets[leading_line_ends(octets)..];
        let Some(end) = find(octets, b"\r\n\r\n") else {
            let (start, headers, _) = read_head(octets);
            return Err(Malformed::of(Why::NoEnd, start.ok().as_ref(), &headers));
        };
        let (head, rest) = (&octets[..end], &octets[end + 4..]);
        let (start, headers, broken) = read_head(head);
        let fail = |why, start| Err(Malformed::of(why, start, &headers));
        let start = match start {
            Ok(start) => start,
            Err((why, answerable)) => return fail(why, answerable.as_ref()),
        };
        let checked = broken.map_or(Ok(()), Err);
        let checked = checked.and_then(|()| check_fields(&start, &headers));
        match checked.and_then(|()| body_of(&headers, rest)) {
            Ok(body) => Ok(Message {
                start,
                headers,
                body: body.to_vec(),
            }),
            Err(why) => fail(why, Some(&start)),
        }
    }

    /// The octets of the message, with a true `Content-Length`. No value breaks out of its line.
    pub fn encode(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(512 + self.body.len());
        let start = match &self.start {
            Start::Request { method, uri } => format!("{method} {} SIP/2.0\r\n", no_gaps(uri)),
            Start::Response { code, reason } => {
                format!("SIP/2.0 {code} {}\r\n", one_line(reason.as_str()))
            }
        };
        octets.extend_from_slice(start.as_bytes());
        self.headers.write(&mut octets, Name::ContentLength);
        octets.extend_from_slice(format!("Content-Length: {}\r\n\r\n", self.body.len()).as_bytes());
        octets.extend_from_slice(&self.body);
        octets
    }

    /// A request with no headers yet.
    pub fn request(method: Method, uri: impl Into<String>) -> Message {
        Message {
            start: Start::Request {
                method,
                uri: uri.into(),
            },
            headers: Headers::new(),
            body: Vec::new(),
        }
    }

    /// A response with what RFC 3261 8.2.6.2 copies: `Via`, `From`, `To` (no tag is added), `Call-ID`, `CSeq`; to an
    /// INVITE below 300 also `Record-Route` (12.1.1), in a 100 also `Timestamp`. An empty reason is the usual one.
    pub fn response_to(request: &Message, code: u16, reason: &str) -> Message {
        let mut response = response(&request.headers, code, reason);
        if request.method() == Some(&Method::Invite) && (101..300).contains(&code) {
            response.headers.copy(Name::RecordRoute, &request.headers);
        }
        if code == 100 {
            response.headers.copy(Name::Timestamp, &request.headers);
        }
        response
    }

    /// A final response outside of any dialog: as [`Message::response_to`], and `To` gets a tag that is the same for
    /// every repetition of the request (RFC 3261 8.2.7).
    pub fn refusal_to(request: &Message, code: u16, reason: &str) -> Message {
        let mut refusal = Message::response_to(request, code, reason);
        add_tag(&mut refusal.headers);
        refusal
    }

    /// With this body and its type.
    #[must_use]
    pub fn with_body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Message {
        self.headers.set(Name::ContentType, content_type);
        self.body = body.into();
        self
    }

    /// The method of a request.
    pub fn method(&self) -> Option<&Method> {
        match &self.start {
            Start::Request { method, .. } => Some(method),
            Start::Response { .. } => None,
        }
    }

    /// The Request-URI as it came.
    pub fn uri(&self) -> Option<&str> {
        match &self.start {
            Start::Request { uri, .. } => Some(uri),
            Start::Response { .. } => None,
        }
    }

    /// The status code of a response.
    pub fn code(&self) -> Option<u16> {
        match &self.start {
            Start::Request { .. } => None,
            Start::Response { code, .. } => Some(*code),
        }
    }

    /// `Call-ID`; empty where there is none.
    pub fn call_id(&self) -> &str {
        self.headers.get(Name::CallId).unwrap_or_default()
    }

    /// `CSeq`.
    pub fn cseq(&self) -> Option<CSeq> {
        self.headers
            .get(Name::CSeq)
            .and_then(|value| CSeq::parse(value).ok())
    }

    /// `From`.
    pub fn from(&self) -> Option<NameAddr> {
        self.name_addr(Name::From)
    }

    /// `To`.
    pub fn to(&self) -> Option<NameAddr> {
        self.name_addr(Name::To)
    }

    /// The first `Contact`; `None` where it is `*` or unreadable.
    pub fn contact(&self) -> Option<NameAddr> {
        self.name_addr(Name::Contact)
    }

    /// The first value of a field of this kind, where it can be read.
    pub fn name_addr(&self, name: Name) -> Option<NameAddr> {
        NameAddr::parse(self.headers.get(name)?).ok()
    }

    /// The topmost `Via`.
    pub fn top_via(&self) -> Option<Via> {
        Via::parse(self.headers.get(Name::Via)?).ok()
    }

    /// A number of seconds as `Expires`, `Min-SE` and `Retry-After` have it; what follows the digits is not looked at.
    pub fn seconds(&self, name: Name) -> Option<u32> {
        let value = self.headers.get(name)?;
        let end = value
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(value.len());
        number(&value[..end])
    }

    /// The type of the body in lower case, without its parameters.
    pub fn content_type(&self) -> Option<String> {
        let value = self.headers.get(Name::ContentType)?;
        let end = value.find(';').unwrap_or(value.len());
        Some(trim(&value[..end]).to_ascii_lowercase())
    }

    /// Notes in the topmost `Via` where a request really came from (RFC 3261 18.2.1, RFC 3581).
    pub fn stamp(&mut self, source: SocketAddr) {
        if let Some(mut via) = self.top_via() {
            via.stamp(source);
            self.headers.replace_first(Name::Via, via.to_string());
        }
    }
}

/// `CSeq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CSeq {
    /// The number.
    pub number: u32,
    /// The method of the request.
    pub method: Method,
}

impl CSeq {
    /// Reads `4711 INVITE`.
    ///
    /// # Errors
    /// A number above 32 bits, or a method that is no token.
    pub fn parse(text: &str) -> Result<CSeq, Invalid> {
        let (digits, method) = text.split_once(is_space).unwrap_or((text, ""));
        Ok(CSeq {
            number: number(digits).ok_or(Invalid("the number is none"))?,
            method: Method::parse(trim(method)).ok_or(Invalid("the method is none"))?,
        })
    }
}

impl std::fmt::Display for CSeq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

// ---- reading ----

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
    octets
        .windows(wanted.len())
        .position(|window| window == wanted)
}

/// The first line that is, or what is wrong with it and how to answer it nevertheless.
type FirstLine = Result<Start, (Why, Option<Start>)>;

/// Reads as much as can be read, so that a broken request can be answered; says what was wrong first.
fn read_head(head: &[u8]) -> (FirstLine, Headers, Option<Why>) {
    let mut lines = Lines(Some(head));
    let start = first_line(lines.next().unwrap_or_default());
    let mut headers = Headers::new();
    let mut broken = (head.len() > MAX_HEAD).then_some(Why::TooLarge);
    let mut unfolded = Vec::new();
    while let Some(line) = lines.next() {
        let mut line = line;
        while let Some(more) = lines.continuation() {
            if unfolded.is_empty() {
                unfolded.extend_from_slice(line);
            }
            unfolded.push(b' ');
            unfolded.extend_from_slice(more.trim_ascii());
            line = b"";
        }
        let whole = if unfolded.is_empty() { line } else { &unfolded };
        if headers.len() >= MAX_FIELDS {
            broken = broken.or(Some(Why::TooLarge));
            break;
        }
        broken = broken.or(read_field(whole, &mut headers).err());
        unfolded.clear();
    }
    (start, headers, broken)
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

    /// The next line, if it goes on with the one before (RFC 3261 7.3.1).
    fn continuation(&mut self) -> Option<&'a [u8]> {
        let folded = self
            .0?
            .first()
            .is_some_and(|octet| matches!(octet, b' ' | b'\t'));
        folded.then(|| self.next()).flatten()
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

// ---- answering ----

impl Malformed {
    /// What is wrong, and the response for it: never for a response or an ACK (RFC 3261 17.1.1.3), and only where a
    /// `Via` says who asked.
    fn of(why: Why, start: Option<&Start>, headers: &Headers) -> Malformed {
        let answerable =
            matches!(start, Some(Start::Request { method, .. }) if *method != Method::Ack);
        let answerable = answerable && headers.get(Name::Via).is_some();
        let code = match why {
            Why::Version => 505,
            Why::TooLarge => 513,
            Why::Refused(code) => code,
            _ => 400,
        };
        let reply = answerable.then(|| {
            let phrase = match why {
                Why::Version | Why::TooLarge => String::new(),
                _ => format!("Bad Request - {why}"),
            };
            let mut reply = response(headers, code, &phrase);
            add_tag(&mut reply.headers);
            reply
        });
        Malformed { why, reply }
    }
}

/// The fields that RFC 3261 8.2.6.2 copies; the first of each where a broken request has two.
fn response(request: &Headers, code: u16, reason: &str) -> Message {
    let mut headers = Headers::new();
    headers.copy(Name::Via, request);
    for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
        headers.copy_first(name, request);
    }
    let reason = if reason.is_empty() {
        usual_reason(code)
    } else {
        reason
    };
    Message {
        start: Start::Response {
            code,
            reason: reason.to_owned(),
        },
        headers,
        body: Vec::new(),
    }
}

/// RFC 3261 8.2.7: without memory, the tag comes from what repetitions have in common.
fn add_tag(headers: &mut Headers) {
    let Some(to) = headers
        .get(Name::To)
        .and_then(|to| NameAddr::parse(to).ok())
    else {
        return;
    };
    if to.tag().is_none() {
        let mut hasher = DefaultHasher::new();
        for name in [Name::Via, Name::From, Name::CallId, Name::CSeq] {
            headers.get(name).hash(&mut hasher);
        }
        let tag = format!("{:016x}", hasher.finish());
        headers.replace_first(Name::To, to.with_tag(&tag).to_string());
    }
}

/// A Request-URI is one word.
fn no_gaps(uri: &str) -> String {
    let gap = |c: char| is_space(c) || c.is_control();
    match uri.contains(gap) {
        true => uri
            .chars()
            .map(|c| {
                if gap(c) {
                    percent_encode(&c.to_string(), b"")
                } else {
                    c.to_string()
                }
            })
            .collect(),
        false => uri.to_owned(),
    }
}

/// The reason phrase of RFC 3261 21 and its extensions; empty for a code that has none.
fn usual_reason(code: u16) -> &'static str {
    match code {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        183 => "Session Progress",
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        600 => "Busy Everywhere",
        603 => "Decline",
        606 => "Not Acceptable",
        _ => "",
    }
}
