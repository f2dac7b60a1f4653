//! Where the parts of a multipart lie (RFC 2046 5.1.1): by the boundary in the header, by one that was spelled badly,
//! or by the first delimiter line of the body.

use super::encoding::without_comments;
use super::{BadMessage, MAX_PARTS};

/// Octets of a boundary that is looked for in the body; RFC 2046 allows 70.
const MAX_BOUNDARY: usize = 200;
/// Lines of a part's header in which a field that makes it one is looked for.
const HEADER_LINES: usize = 30;
/// Lines that could be a first delimiter, and for which the rest of the body is looked through.
const MAX_LOOKS: usize = 20;

/// A body taken apart.
#[derive(Debug, Default)]
pub(super) struct Split<'m> {
    pub(super) preamble: &'m [u8],
    pub(super) parts: Vec<&'m [u8]>,
    pub(super) epilogue: &'m [u8],
}

/// The value of a field, unfolded and as it was written; the last, where there are several.
pub(super) fn raw_field(header: &[u8], name: &str) -> Option<String> {
    let mut value: Option<String> = None;
    let mut inside = false;
    for line in header.split(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            if let (true, Some(value)) = (inside, &mut value) {
                value.push(' ');
                value.push_str(&String::from_utf8_lossy(line.trim_ascii()));
            }
            continue;
        }
        let colon = line.iter().position(|octet| *octet == b':');
        let (field, rest) = line.split_at(colon.unwrap_or(0));
        inside = field.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
        if inside {
            let rest = rest.strip_prefix(b":").unwrap_or(rest);
            value = Some(String::from_utf8_lossy(rest.trim_ascii()).into_owned());
        }
    }
    value
}

/// The media type that a value of Content-Type means, in small letters; what stands behind it may be spelled in any way.
pub(super) fn media_type(value: &str) -> Option<String> {
    let value = without_comments(value);
    let value = value.trim().trim_start_matches(['"', '\'']);
    let end = |c: char| c.is_whitespace() || matches!(c, ';' | ',' | '"' | '\'' | '?' | '=');
    let whole = value.split(end).next()?.to_ascii_lowercase();
    match whole.split_once('/') {
        Some((kind, subtype)) if !kind.is_empty() && !subtype.is_empty() => Some(whole),
        // RFC 1049, and mailers that leave it at that.
        _ if whole.trim_end_matches('/') == "multipart" => Some("multipart/mixed".to_owned()),
        _ if whole.trim_end_matches('/') == "text" => Some("text/plain".to_owned()),
        _ => None,
    }
}

/// The values that an attribute may have where a field is spelled badly: without its semicolon, with a stray letter before
/// it, in the wrong quotes.
pub(super) fn attributes(value: &str, name: &str) -> Vec<String> {
    let small = value.to_ascii_lowercase();
    let mut found = Vec::new();
    for (at, _) in small.match_indices(name) {
        let is_inside_a_word = small[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
        let Some(rest) = value[at + name.len()..]
            .trim_start()
            .strip_prefix(['=', ':'])
        else {
            continue;
        };
        let rest = rest.trim_start();
        if is_inside_a_word {
            continue;
        }
        let quoted = ['"', '\''].iter().find_map(|quote| {
            let inside = rest.strip_prefix(*quote)?;
            inside.split(*quote).next().map(str::to_owned)
        });
        let bare = |ends: &[char]| {
            let value = rest.split(|c: char| c.is_whitespace() || ends.contains(&c));
            value.into_iter().next().unwrap_or_default().to_owned()
        };
        found.extend(quoted);
        found.extend([bare(&[';']), bare(&[';', '"', '\'']), bare(&[';', ','])]);
    }
    found.retain(|value| !value.is_empty());
    found.dedup();
    found
}

/// The parts between the delimiter lines of a boundary. The last delimiter may be missing: SMTP has already said where the
/// message ends.
///
/// # Errors
/// [`BadMessage::Broken`] where there is none, [`BadMessage::TooManyParts`].
pub(super) fn split<'m>(body: &'m [u8], boundary: &[u8]) -> Result<Split<'m>, BadMessage> {
    if boundary.is_empty() {
        return Err(BadMessage::Broken);
    }
    let mut split = Split::default();
    let mut begin = None;
    let mut at = 0;
    for line in body.split_inclusive(|octet| *octet == b'\n') {
        let line_begin = at;
        at += line.len();
        let Some(last) = delimiter(line, boundary) else {
            continue;
        };
        match begin {
            Some(begin) => split.parts.push(without_line_end(&body[begin..line_begin])),
            None => split.preamble = &body[..line_begin],
        }
        begin = Some(at);
        if last {
            split.epilogue = &body[at..];
            return Ok(split);
        }
        if split.parts.len() > MAX_PARTS {
            return Err(BadMessage::TooManyParts);
        }
    }
    split.parts.push(&body[begin.ok_or(BadMessage::Broken)?..]);
    Ok(split)
}

/// Whether a line is a delimiter, and if so, whether it is the last one.
fn delimiter(line: &[u8], boundary: &[u8]) -> Option<bool> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
    match rest.trim_ascii_end() {
        b"" => Some(false),
        b"--" => Some(true),
        _ => None,
    }
}

/// RFC 2046 5.1.1: the line end before a delimiter belongs to the delimiter.
fn without_line_end(part: &[u8]) -> &[u8] {
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    part.strip_suffix(b"\r").unwrap_or(part)
}

/// What the header of an entity says of its parts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Belief {
    /// It is a multipart.
    Multipart,
    /// It has a boundary, and another type.
    Boundary,
    /// It is a text, and says no more.
    Text,
}

/// The boundary of the first delimiter line in a body. Where the header does not say that there are parts, the lines below
/// it must be those of a part's header, and the delimiter must come again: texts have lines of dashes, too.
pub(super) fn first_boundary(body: &[u8], belief: Belief) -> Option<&[u8]> {
    let (mut at, mut looks) = (0, 0);
    for line in body.split_inclusive(|octet| *octet == b'\n') {
        at += line.len();
        let Some(boundary) = line.strip_prefix(b"--").map(<[u8]>::trim_ascii_end) else {
            continue;
        };
        let is_name = boundary.iter().any(u8::is_ascii_alphanumeric)
            && boundary.len() <= MAX_BOUNDARY
            && !boundary.ends_with(b" ")
            && boundary.iter().all(|octet| matches!(octet, b' '..=b'~'));
        if !is_name {
            continue;
        }
        looks += 1;
        if looks > MAX_LOOKS {
            return None;
        }
        let comes_again = || {
            let lines = body[at..].split_inclusive(|octet| *octet == b'\n');
            let mut again = lines.filter_map(|line| delimiter(line, boundary));
            again.next().is_some()
        };
        let is_one = match (has_part_header(&body[at..]), belief) {
            (true, Belief::Multipart | Belief::Boundary) => true,
            (true, Belief::Text) => comes_again(),
            (false, Belief::Multipart) => comes_again(),
            (false, _) => false,
        };
        if is_one {
            return Some(boundary);
        }
    }
    None
}

/// Whether a header with a field of MIME begins here.
fn has_part_header(text: &[u8]) -> bool {
    let mut is_mime = false;
    for line in text
        .split_inclusive(|octet| *octet == b'\n')
        .take(HEADER_LINES)
    {
        let line = line.trim_ascii_end();
        if line.is_empty() {
            return is_mime;
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            continue;
        }
        if !is_field(line) {
            return false;
        }
        is_mime |= line.len() > 8 && line[..8].eq_ignore_ascii_case(b"content-");
    }
    false
}

/// Whether a line could be a header field (RFC 5322 2.2).
pub(super) fn is_field(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|octet| *octet == b':') else {
        return false;
    };
    let name = line[..colon].trim_ascii_end();
    !name.is_empty() && name.iter().all(|octet| matches!(octet, b'!'..=b'~'))
}

/// Whether the text before the first delimiter or behind the last is what mailers put there.
pub(super) fn is_boilerplate(text: &[u8]) -> bool {
    let lower = String::from_utf8_lossy(text).to_lowercase();
    let says = |words: &[&str]| words.iter().all(|word| lower.contains(word));
    let is_notice = text.len() < 600 && (says(&["mime"]) || says(&["multi", "part"]));
    let mut lines = text.split(|octet| *octet == b'\n').filter(|line| {
        let line = line.trim_ascii();
        !line.is_empty()
    });
    // The header of the mail, pushed down by an empty line that somebody put into it.
    let mut is_header =
        || lines.all(|line| line.starts_with(b" ") || line.starts_with(b"\t") || is_field(line));
    is_notice || is_header()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn badly_spelled_attributes_are_found() {
        for value in [
            "multipart/mixed boundary=\"b1\"",
            "multipart/mixed;\r\n ?boundary=\"b1\"",
            "multipart/mixed; boundary = b1",
            "multipart/mixed; charset=x boundary=b1; type=y",
            "multipart/mixed; boundary='b1'",
            "multipart/mixed, boundary=b1",
            "multipart/mixed; boundary=\"b1",
            "multipart/mixed; BOUNDARY=b1\"",
            "multipart/mixed; boundary:b1",
            "multipart/mixed;boundary=b1,",
        ] {
            let found = attributes(value, "boundary");
            assert!(found.contains(&"b1".to_owned()), "{value}: {found:?}");
            assert_eq!(media_type(value).as_deref(), Some("multipart/mixed"));
        }
        assert!(attributes("text/plain; xboundary=b1", "boundary").is_empty());
    }

    #[test]
    fn lines_of_dashes_in_a_text_are_no_delimiters() {
        for text in [
            "Dear Sir,\r\n--------\r\nContent-Type: text/plain\r\n\r\nx\r\n--------\r\n",
            "-- \r\nJane Doe\r\nDirector: somebody\r\n",
            "--one\r\nName: Content\r\n\r\n--one\r\n",
            "--one\r\nContent-Type: text/plain\r\n\r\nonly once\r\n",
        ] {
            let found = first_boundary(text.as_bytes(), Belief::Text);
            assert_eq!(found, None, "{text}");
        }
        let text = b"--one\r\nContent-Type: text/plain\r\n\r\nx\r\n--one--\r\n";
        assert_eq!(first_boundary(text, Belief::Text), Some(&b"one"[..]));
    }
}
