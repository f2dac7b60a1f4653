//! What every response takes over from its request, and the usual reasons.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Headers, Message, Name, NameAddr, Start};

/// The fields that RFC 3261 8.2.6.2 copies; the first of each where a broken request has two.
pub(super) fn response(request: &Headers, code: u16, reason: &str) -> Message {
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
pub(super) fn add_tag(headers: &mut Headers) {
    let Some(to) = headers.get(Name::To) else {
        return;
    };
    if NameAddr::parse(to).is_ok_and(|to| to.tag().is_none()) {
        let mut hasher = DefaultHasher::new();
        for name in [Name::Via, Name::From, Name::CallId, Name::CSeq] {
            headers.get(name).hash(&mut hasher);
        }
        let tagged = format!("{to};tag={:016x}", hasher.finish());
        headers.replace_first(Name::To, tagged);
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
