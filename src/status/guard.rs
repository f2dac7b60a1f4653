//! Who may read the page, and what a browser may do with it.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Everything the page needs is its own style sheet; all else is forbidden, framing included.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; \
                                       form-action 'none'; frame-ancestors 'none'";

/// Answers only to our own names, so that a page on the web cannot read this one through a name of its own that
/// points to 127.0.0.1 (DNS rebinding).
pub(super) async fn check_host(names: Arc<Vec<String>>, request: Request, next: Next) -> Response {
    match asked_host(request.uri(), request.headers()) {
        None => {
            // RFC 9112 3.2: no Host, or two.
            let words = "The request must have one Host header.\n";
            (StatusCode::BAD_REQUEST, words).into_response()
        }
        Some(host) if is_ours(host, &names) => next.run(request).await,
        Some(_) => {
            let words =
                "This page does not answer to that host name; the configuration can add it.\n";
            (StatusCode::MISDIRECTED_REQUEST, words).into_response()
        }
    }
}

/// The host the client meant: of an absolute URI (RFC 9112 3.2.2), or of the only Host header.
fn asked_host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (first, second) = (hosts.next()?, hosts.next());
    if second.is_some() {
        return None;
    }
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => first.to_str().ok(),
    }
}

fn is_ours(host: &str, names: &[String]) -> bool {
    let name = without_port(host);
    ["localhost", "127.0.0.1", "[::1]"]
        .into_iter()
        .chain(names.iter().map(String::as_str))
        .any(|ours| ours.eq_ignore_ascii_case(name))
}

/// `fax.example:8025` and `[::1]:8025` without what stands behind the last colon, if that is a port.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

pub(super) async fn add_security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Numbers and names of people: nothing of it stays in a cache. The style sheet has its own word on that.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_answered() {
        let names = ["fax.law.example".to_string()];
        for ours in [
            "localhost",
            "LOCALHOST:8025",
            "127.0.0.1:8025",
            "[::1]",
            "[::1]:8025",
            "Fax.Law.Example:443",
        ] {
            assert!(is_ours(ours, &names), "{ours}");
        }
        for strange in [
            "",
            ":",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.2",
            "::1",
            "[::1",
            "localhost:8025:1",
            "localhost@evil.example",
            "evil.example#localhost",
        ] {
            assert!(!is_ours(strange, &names), "{strange}");
        }
    }
}
