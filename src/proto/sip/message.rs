//! Requests and responses.

use std::net::{IpAddr, SocketAddr};

use super::flow::is_private;
use super::reply::{add_tag, response};
use super::text::{is_space, number, one_line, percent_encode, trim};
use super::{Headers, Invalid, Method, Name, NameAddr, Via};

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

impl Message {
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

    /// In a response: where the far end saw our request come from (RFC 3581 4), if `ours` means nothing out there and
    /// that does. A far end in our own network, or one that makes addresses up for it, says nothing that helps.
    pub fn seen_at(&self, ours: IpAddr) -> Option<SocketAddr> {
        let via = self.top_via()?;
        let (ip, port) = (via.received()?, via.rport()?);
        let is_news = is_private(ours) && !is_private(ip) && !ip.is_unspecified() && port != 0;
        (is_news && ip.is_ipv4() == ours.is_ipv4()).then(|| SocketAddr::new(ip, port))
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
