//! Pictures that stand in HTML itself (RFC 2397).

use std::collections::HashSet;

use super::MAX_PARTS;
use super::encoding::decode_base64;
use super::texts::visible;
use super::uuencode;
use super::wrapped::digest;
use crate::pages::kind::Kind;

/// Octets from which formats of files are told where the type is vague.
const MAX_HEAD: usize = 200;

/// A file in the HTML.
pub(super) struct Inline {
    pub(super) media_type: String,
    pub(super) octets: Vec<u8>,
}

/// The HTML without the files in it, and those that are pictures or documents; none where it has no such file.
pub(super) fn pictures(html: &[u8]) -> Option<(Vec<u8>, Vec<Inline>)> {
    let mut out = Vec::new();
    let mut found: Vec<Inline> = Vec::new();
    let mut seen = HashSet::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(begin) = find(html, at) {
        at = begin + 5;
        let before = html[..begin]
            .iter()
            .rposition(|octet| !octet.is_ascii_whitespace());
        let Some(before) = before.map(|at| html[at]) else {
            continue;
        };
        let is_end = |octet: u8| match before {
            b'"' | b'\'' => octet == before || octet == b'<',
            b'(' => octet == b')' || octet == b'"',
            b';' => octet == b'&' || octet == b'"',
            b'=' => octet.is_ascii_whitespace() || octet == b'>',
            _ => true,
        };
        let length = html[at..].iter().position(|octet| is_end(*octet));
        let end = length.map_or(html.len(), |length| at + length);
        let Some(file) = read(&html[at..end]) else {
            continue;
        };
        out.extend_from_slice(&html[copied..begin]);
        (copied, at) = (end, end);
        let is_shown =
            file.media_type.starts_with("image/") || Kind::of(&file.octets).is_readable();
        if is_shown && seen.insert(digest(&file.octets)) {
            found.push(file);
        }
        // The message is refused for them.
        if found.len() > MAX_PARTS {
            break;
        }
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(&html[copied..]);
    Some((out, found))
}

fn find(html: &[u8], from: usize) -> Option<usize> {
    let window = html.get(from..)?.windows(5);
    let mut places = window.enumerate();
    let at = places.find(|(_, window)| window.eq_ignore_ascii_case(b"data:"));
    at.map(|(at, _)| from + at)
}

/// What stands behind `data:`.
fn read(url: &[u8]) -> Option<Inline> {
    let comma = url.iter().take(MAX_HEAD).position(|octet| *octet == b',')?;
    let (head, data) = (&url[..comma], &url[comma + 1..]);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut pieces = head.split(';').map(str::trim);
    let media_type = pieces.next().unwrap_or_default();
    if !media_type.is_empty() && !media_type.contains('/') {
        return None;
    }
    let plain = unescaped(data);
    let octets = match pieces.any(|piece| piece == "base64") {
        true => decode_base64(&plain).unwrap_or_default(),
        false => plain,
    };
    Some(Inline {
        media_type: match media_type {
            "" => "text/plain".to_owned(),
            media_type => media_type.chars().take(MAX_HEAD).collect(),
        },
        octets,
    })
}

/// Percent signs (RFC 3986 2.1), and what HTML writes as numbers.
fn unescaped(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut at = 0;
    while at < data.len() {
        let rest = &data[at..];
        let (octet, length) = percent(rest)
            .or_else(|| entity(rest))
            .unwrap_or((rest[0], 1));
        out.push(octet);
        at += length;
    }
    out
}

fn percent(rest: &[u8]) -> Option<(u8, usize)> {
    let digits = rest.strip_prefix(b"%")?.get(..2)?;
    let digits = std::str::from_utf8(digits).ok()?;
    u8::from_str_radix(digits, 16).ok().map(|octet| (octet, 3))
}

fn entity(rest: &[u8]) -> Option<(u8, usize)> {
    let text = rest.strip_prefix(b"&#")?;
    let end = text.iter().take(6).position(|octet| *octet == b';')?;
    let number = std::str::from_utf8(&text[..end]).ok()?;
    let octet = match number.strip_prefix(['x', 'X']) {
        Some(number) => u8::from_str_radix(number, 16).ok()?,
        None => number.parse().ok()?,
    };
    Some((octet, end + 3))
}

/// Whether a reader of the page would see a file in base64.
pub(super) fn has_long_base64(html: &[u8]) -> bool {
    // It takes more than that.
    if html.len() < 1000 {
        return false;
    }
    let text = visible(&String::from_utf8_lossy(html));
    uuencode::base64_run(text.as_bytes())
        .is_some_and(|run| uuencode::is_long(&text.as_bytes()[run]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_in_html_are_found_however_they_are_written() {
        for html in [
            "<img src=\"data:image/png;base64,iVBORw0KGgo=\">",
            "<img src='DATA:image/png;base64,iVBORw0KGgo='>",
            "<img src=data:image/png;base64,iVBORw0KGgo= alt=x>",
            "<img src=\" data:image/png;charset=x;base64,iVBO\r\n Rw0K Ggo=\">",
            "<p style=\"background:url(data:image/png;base64,iVBORw0KGgo=)\">",
            "<img src=\"data:image/png;base64,iVBORw0KGgo%3D\">",
            "<img src=\"data:;base64,iVBORw0KGgo&#61;\">",
            "<img src=\"data:image/png,%89PNG%0D%0A%1A%0A\">",
        ] {
            let (rest, found) = pictures(html.as_bytes()).unwrap();
            assert_eq!(found.len(), 1, "{html}");
            assert_eq!(found[0].octets, b"\x89PNG\r\n\x1a\n", "{html}");
            let rest = String::from_utf8(rest).unwrap();
            assert!(!rest.contains("iVBO"), "{rest}");
        }
        for html in ["<p>data: 5, 6</p>", "<p>the \"data: so, so\"</p>", "data:"] {
            assert!(pictures(html.as_bytes()).is_none(), "{html}");
        }
    }
}
