//! What cannot be used, and the response that it gets all the same.

use super::reply::{add_tag, response};
use super::{Headers, Invalid, Message, Method, Name, Start};

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
    /// More than `MAX_HEAD`, `MAX_FIELDS` or `MAX_BODY`.
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

impl Malformed {
    /// Something that cannot be read. It is answered only if it is a request but no ACK (RFC 3261 17.1.1.3), and a `Via`
    /// says who asked.
    pub(super) fn of(why: Why, start: Option<&Start>, headers: &Headers) -> Malformed {
        let (code, reason) = match why {
            Why::Version => (505, String::new()),
            Why::TooLarge => (513, String::new()),
            _ => (400, format!("Bad Request - {why}")),
        };
        let answered = match start {
            Some(Start::Request { method, .. }) => *method != Method::Ack,
            _ => false,
        };
        let reply = (answered && headers.get(Name::Via).is_some()).then(|| {
            let mut reply = response(headers, code, &reason);
            add_tag(&mut reply.headers);
            reply
        });
        Malformed { why, reply }
    }

    /// A request that can be read but not served; the response may tell more in one field.
    pub(super) fn refused(request: &Message, code: u16, told: Option<(Name, String)>) -> Malformed {
        let answered = request.method() != Some(&Method::Ack);
        let reply = answered.then(|| {
            let mut reply = Message::refusal_to(request, code, "");
            if let Some((name, value)) = told {
                reply.headers.push(name, value);
            }
            reply
        });
        let why = Why::Refused(code);
        Malformed { why, reply }
    }
}
