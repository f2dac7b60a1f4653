//! The body of one type among those of a message (RFC 5621, RFC 2046 5.1).

use super::read::find;
use super::{Message, Name, Params};

/// Multipart bodies inside of one another that are opened.
const MAX_DEPTH: usize = 3;

/// Parts of one body that are looked at.
const MAX_PARTS: usize = 32;

/// The body if it is of the `wanted` type (lower case, as `application/sdp`), or the first part of a multipart body
/// that is. A body that does not say what it is counts as a session description if it begins like one.
pub fn part<'a>(message: &'a Message, wanted: &str) -> Option<&'a [u8]> {
    let content_type = match message.headers.get(Name::ContentType) {
        Some(content_type) => content_type,
        None if message.body.starts_with(b"v=0") => "application/sdp",
        None => return None,
    };
    find_part(content_type, &message.body, wanted, MAX_DEPTH).filter(|body| !body.is_empty())
}

fn find_part<'a>(
    content_type: &str,
    body: &'a [u8],
    wanted: &str,
    depth: usize,
) -> Option<&'a [u8]> {
    let (kind, params) =
        content_type.split_at(content_type.find(';').unwrap_or(content_type.len()));
    let kind = kind.trim().to_ascii_lowercase();
    if kind == wanted {
        return Some(body);
    }
    if !kind.starts_with("multipart/") || depth == 0 {
        return None;
    }
    let boundary = Params::parse(params).ok()?.unquoted("boundary")?;
    let mut parts = parts(body, &boundary).into_iter();
    parts.find_map(|part| {
        let (content_type, body) = open(part)?;
        find_part(&content_type, body, wanted, depth - 1)
    })
}

/// What stands between the boundaries; a last part whose boundary is missing is none.
fn parts<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut rest = body;
    let mut start = None;
    while let Some(at) = find(rest, delimiter.as_bytes()) {
        let before = body.len() - rest.len() + at;
        let behind = before + delimiter.len();
        rest = &body[behind..];
        if before > 0 && body[before - 1] != b'\n' {
            continue;
        }
        if let Some(start) = start {
            parts.push(without_line_end(
                body.get(start..before).unwrap_or_default(),
            ));
        }
        start = Some(behind);
        if rest.starts_with(b"--") || parts.len() >= MAX_PARTS {
            break;
        }
    }
    parts
}

fn without_line_end(part: &[u8]) -> &[u8] {
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    part.strip_suffix(b"\r").unwrap_or(part)
}

/// The type of a part and its content. `None` where it is encoded, which SIP has no use for (RFC 5621 3.3).
fn open(part: &[u8]) -> Option<(String, &[u8])> {
    let (head, content) = match find(part, b"\r\n\r\n") {
        Some(at) => (&part[..at], &part[at + 4..]),
        None => return None,
    };
    let head = String::from_utf8_lossy(head)
        .replace("\r\n ", " ")
        .replace("\r\n\t", " ");
    let mut content_type = "text/plain".to_owned();
    for (name, value) in head.lines().filter_map(|line| line.split_once(':')) {
        let (name, value) = (name.trim(), value.trim());
        if name.eq_ignore_ascii_case("Content-Type") {
            content_type = value.to_owned();
        }
        let encoded = name.eq_ignore_ascii_case("Content-Transfer-Encoding");
        let plain = ["7bit", "8bit", "binary"];
        if encoded && !plain.iter().any(|plain| value.eq_ignore_ascii_case(plain)) {
            return None;
        }
    }
    Some((content_type, content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::sip::Method;

    fn message(content_type: &str, body: &str) -> Message {
        let invite = Message::request(Method::Invite, "sip:1@a");
        invite.with_body(content_type, body.replace('\n', "\r\n"))
    }

    fn sdp(message: &Message) -> Option<&str> {
        let part = part(message, "application/sdp")?;
        Some(std::str::from_utf8(part).expect("it is text"))
    }

    #[test]
    fn a_carrier_wraps_the_description_with_isup() {
        let body = "preamble --b\n--b\nContent-Type: application/isup; version=itu-t92+\n\n\u{1}\u{0}--b\n\n--b\n\
                    content-type:\n application/sdp;x=y\n\nv=0\ns=-\n\n--b--\nContent-Type: application/sdp\n\nv=9";
        let message = message("Multipart/Mixed; boundary=\"b\"", body);
        assert_eq!(sdp(&message), Some("v=0\r\ns=-\r\n"));
    }

    #[test]
    fn one_multipart_in_another() {
        let body = "--a\nContent-Type: multipart/alternative;boundary=c\n\n--c\nContent-Type: text/plain\n\nno\n--c\n\
                    Content-Type: application/sdp\n\nv=0\n--c--\n--a--";
        assert_eq!(
            sdp(&message("multipart/mixed;boundary=a", body)),
            Some("v=0")
        );
    }

    #[test]
    fn what_is_no_description_is_not_taken_for_one() {
        for (content_type, body) in [
            ("application/isup", "v=0"),
            (
                "multipart/mixed",
                "--a\nContent-Type: application/sdp\n\nv=0\n--a--",
            ),
            (
                "multipart/mixed;boundary=a",
                "--a\nContent-Type: application/sdp\n\nv=0 never ends",
            ),
            (
                "multipart/mixed;boundary=a",
                "--a\nContent-Type: application/sdp\nContent-Transfer-Encoding: base64\n\ndj0w\n--a--",
            ),
        ] {
            assert_eq!(
                sdp(&message(content_type, body)),
                None,
                "{content_type} {body}"
            );
        }
        let mut nameless = message("x", "v=0\ns=-\n");
        nameless.headers.remove(Name::ContentType);
        assert_eq!(sdp(&nameless), Some("v=0\r\ns=-\r\n"));
    }
}
