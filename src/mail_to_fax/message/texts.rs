//! The texts of a message: which of them is faxed, and what the renderer must know of it.

use std::collections::{HashMap, HashSet};

use mail_parser::{HeaderName, HeaderValue, MessagePart, MimeHeaders};

use super::parts::{MAGIC_WITHIN, has_extension, is_attachment};
use super::{Leaf, author, one_line, text};
use crate::pages::text::TextSource;

pub(super) fn is_body_text(leaf: &Leaf<'_>, part: usize, name: Option<&str>) -> bool {
    if !leaf.content_type.starts_with("text/") {
        return false;
    }
    // The same text once more, in another form (a calendar entry, rich text).
    if leaf.alternative.is_some() && !is_attachment(leaf) {
        return true;
    }
    let is_text = matches!(leaf.content_type.as_str(), "text/plain" | "text/html");
    match name {
        _ if !is_text => false,
        // Exchange makes such attachments of text that follows an attachment.
        Some(name) if name.starts_with("ATT0") && has_extension(name, &["txt", "htm", "html"]) => {
            true
        }
        Some(_) => part == 0 && !is_attachment(leaf),
        None => !is_attachment(leaf),
    }
}

/// A file of text: by what is claimed, for text has no mark, and by having nothing in it that text has not.
pub(super) fn is_text_file(leaf: &Leaf<'_>, name: &str) -> bool {
    const EXTENSIONS: [&str; 7] = ["txt", "text", "csv", "log", "md", "htm", "html"];
    let claimed = match leaf.content_type.as_str() {
        "text/plain" | "text/html" | "text/csv" | "text/markdown" | "text/tab-separated-values" => {
            true
        }
        "application/octet-stream" => has_extension(name, &EXTENSIONS),
        _ => false,
    };
    let beginning = &leaf.encoded[..leaf.encoded.len().min(4 * MAGIC_WITHIN)];
    let decoded = leaf.encoding.decode(beginning).unwrap_or_default();
    // UTF-16 has zeros, and says what it is.
    let is_utf16 = decoded.starts_with(b"\xFF\xFE") || decoded.starts_with(b"\xFE\xFF");
    claimed && (is_utf16 || !decoded.contains(&0) || charset(leaf).is_some())
}

fn charset(leaf: &Leaf<'_>) -> Option<String> {
    let charset = leaf.header.content_type()?.attribute("charset")?;
    Some(one_line(charset))
}

pub(super) fn text_source(leaf: &Leaf<'_>, html: bool) -> TextSource {
    let declared = leaf.header.content_type();
    let format = declared.and_then(|declared| declared.attribute("format"));
    TextSource {
        charset: charset(leaf),
        html,
        flowed: format.is_some_and(|format| format.eq_ignore_ascii_case("flowed")),
        heading: Vec::new(),
        only_if_telling: false,
    }
}

/// What stands above the text of a mail.
pub(super) fn heading(mail: &MessagePart<'_>) -> Vec<(String, String)> {
    let date = mail.headers.iter().find_map(|field| match &field.value {
        HeaderValue::DateTime(date) if field.name == HeaderName::Date => Some(date.to_rfc822()),
        _ => None,
    });
    let fields = [
        ("From", author(mail)),
        ("Date", date),
        ("Subject", text(mail, HeaderName::Subject)),
    ];
    let told = fields.into_iter().filter_map(|(name, value)| {
        let value = value.filter(|value| !value.is_empty())?;
        Some((name.to_owned(), value))
    });
    told.collect()
}

/// Of each alternative, the form that is faxed: the plain text if it says anything, else the HTML.
pub(super) fn chosen_forms(leaves: &[Leaf<'_>]) -> HashMap<usize, usize> {
    let mut chosen: HashMap<usize, usize> = HashMap::new();
    for (part, leaf) in leaves.iter().enumerate() {
        let Some(group) = leaf.alternative.filter(|_| !is_attachment(leaf)) else {
            continue;
        };
        match leaf.content_type.as_str() {
            "text/plain" if !is_blank(leaf) => {
                let first = chosen.get(&group).copied();
                // A plain text of before stays, an HTML gives way.
                if first.is_none_or(|first| leaves[first].content_type == "text/html") {
                    chosen.insert(group, part);
                }
            }
            "text/html" => {
                chosen.entry(group).or_insert(part);
            }
            _ => {}
        }
    }
    chosen
}

fn is_blank(leaf: &Leaf<'_>) -> bool {
    let decoded = leaf.encoding.decode(leaf.encoded).unwrap_or_default();
    decoded
        .iter()
        .all(|octet| octet.is_ascii_whitespace() || *octet == 0)
}

/// Every Content-ID that the HTML texts refer to as `cid:...` (RFC 2392).
pub(super) fn shown_in_html(leaves: &[Leaf<'_>]) -> HashSet<Vec<u8>> {
    let mut shown = HashSet::new();
    for leaf in leaves
        .iter()
        .filter(|leaf| leaf.content_type == "text/html")
    {
        let html = leaf.encoding.decode(leaf.encoded).unwrap_or_default();
        let is_end = |octet: &u8| octet.is_ascii_whitespace() || b"\"'<>)".contains(octet);
        for link in html.split(is_end) {
            if let Some(at) = link.windows(4).position(|window| window == b"cid:") {
                shown.insert(link[at + 4..].to_vec());
            }
        }
    }
    shown
}
