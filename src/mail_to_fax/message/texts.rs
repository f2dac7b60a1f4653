//! The texts of a message: which of them is faxed, and what the renderer must know of it.

use std::collections::HashSet;

use mail_parser::{HeaderName, HeaderValue, MessagePart, MimeHeaders};

use super::boundary::attributes;
use super::mime::is_from_exchange;
use super::parts::{MAGIC_WITHIN, has_extension, is_attachment};
use super::{Leaf, author, one_line, text};
use crate::pages::text::{TextSource, decoded};

pub(super) fn is_body_text(leaf: &Leaf<'_>, part: usize, name: Option<&str>) -> bool {
    if !leaf.content_type.starts_with("text/") {
        return false;
    }
    // The same text once more, in another form (a calendar entry, rich text).
    if !leaf.forms.is_empty() && !is_attachment(leaf) {
        return true;
    }
    match name {
        _ if !is_text(leaf) => false,
        _ if is_from_exchange(name) => true,
        Some(_) => part == 0 && !is_attachment(leaf),
        None => !is_attachment(leaf),
    }
}

/// A text of which pages are made.
fn is_text(leaf: &Leaf<'_>) -> bool {
    matches!(
        leaf.content_type.as_str(),
        "text/plain" | "text/html" | "text/enriched" | "text/richtext"
    )
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
    // Some quote it twice.
    let charset = attributes(&format!("charset={charset}"), "charset").pop()?;
    Some(one_line(&charset))
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

/// Whether it is one of the forms that people read of a text.
pub(super) fn is_body_form(leaf: &Leaf<'_>) -> bool {
    !is_attachment(leaf)
        && matches!(
            leaf.content_type.as_str(),
            "text/plain" | "text/html" | "text/enriched" | "text/richtext"
        )
}

/// Its text in characters.
pub(super) fn written(leaf: &Leaf<'_>) -> String {
    let octets = leaf.encoding.decode(leaf.encoded).unwrap_or_default();
    let is_html = leaf.content_type != "text/plain";
    decoded(&octets, charset(leaf).as_deref(), is_html)
}

/// What a reader of HTML sees, roughly: the text without tags, styles and scripts. Not recursive, for it is a stranger's.
pub(super) fn visible(html: &str) -> String {
    const UNSEEN: [&str; 4] = ["style", "script", "template", "title"];
    const INSIDE_WORDS: [&str; 14] = [
        "b", "i", "u", "a", "em", "strong", "span", "font", "small", "big", "sub", "sup", "wbr",
        "o:p",
    ];
    let mut out = String::with_capacity(html.len() / 2);
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        out += &rest[..at];
        let tag = &rest[at + 1..];
        if let Some(comment) = tag.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, behind)| behind);
            continue;
        }
        let is_tag =
            tag.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
        if !is_tag {
            out.push('<');
            rest = tag;
            continue;
        }
        let (inside, behind) = tag.split_once('>').unwrap_or((tag, ""));
        rest = behind;
        let name = inside.trim_start_matches('/');
        let name = name.split(|c: char| c.is_whitespace() || c == '/').next();
        let name = name.unwrap_or_default().to_ascii_lowercase();
        if !INSIDE_WORDS.contains(&name.as_str()) {
            out.push(' ');
            // Lines of preformatted text are lines.
            if matches!(name.as_str(), "br" | "p" | "div" | "tr") {
                out.push('\n');
            }
        }
        if !inside.starts_with('/') && !inside.ends_with('/') && UNSEEN.contains(&name.as_str()) {
            rest = behind_end_of(&name, rest);
        }
    }
    out += rest;
    without_entities(&out)
}

/// What follows an element; nothing, where it has no end.
fn behind_end_of<'h>(name: &str, html: &'h str) -> &'h str {
    let ends = html.match_indices("</").map(|(at, _)| at);
    let mut ends = ends.filter(|at| {
        let tag = html.get(at + 2..at + 2 + name.len());
        tag.is_some_and(|tag| tag.eq_ignore_ascii_case(name))
    });
    ends.next().map_or("", |at| &html[at..])
}

/// With the characters that stand for the commonest entities.
fn without_entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out += &rest[..at];
        rest = &rest[at + 1..];
        let end = rest.char_indices().take(10).find(|(_, c)| *c == ';');
        let Some((end, _)) = end else {
            out.push('&');
            continue;
        };
        match entity(&rest[..end]) {
            Some(c) => {
                out.push(c);
                rest = &rest[end + 1..];
            }
            None => out.push('&'),
        }
    }
    out + rest
}

fn entity(name: &str) -> Option<char> {
    /// U+00A0 to U+00FF, in their order.
    const LATIN_1: &str = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 \
        sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring \
        AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash \
        Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml \
        igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml";
    const OTHERS: [(&str, char); 22] = [
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("ensp", ' '),
        ("emsp", ' '),
        ("thinsp", ' '),
        ("zwnj", '\u{200c}'),
        ("zwj", '\u{200d}'),
        ("ndash", '\u{2013}'),
        ("mdash", '\u{2014}'),
        ("lsquo", '\u{2018}'),
        ("rsquo", '\u{2019}'),
        ("ldquo", '\u{201c}'),
        ("rdquo", '\u{201d}'),
        ("bdquo", '\u{201e}'),
        ("sbquo", '\u{201a}'),
        ("bull", '\u{2022}'),
        ("hellip", '\u{2026}'),
        ("euro", '\u{20ac}'),
        ("trade", '\u{2122}'),
    ];
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code);
    }
    let mut latin = LATIN_1.split_whitespace().zip('\u{a0}'..='\u{ff}');
    let latin = latin.find(|(known, _)| *known == name);
    let other = || OTHERS.iter().copied().find(|(known, _)| *known == name);
    latin.or_else(other).map(|(_, c)| c)
}

/// What the HTML texts show of what comes with the mail.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Every Content-ID that they refer to as `cid:...` (RFC 2392), but as a link, which is a way to attach a file.
    ids: HashSet<Vec<u8>>,
    /// What they refer to by name (RFC 2557).
    names: HashSet<Vec<u8>>,
}

impl Shown {
    pub(super) fn in_html(leaves: &[Leaf<'_>]) -> Shown {
        let mut shown = Shown::default();
        for leaf in leaves
            .iter()
            .filter(|leaf| leaf.content_type == "text/html")
        {
            let html = leaf.encoding.decode(leaf.encoded).unwrap_or_default();
            shown.read(&html);
        }
        shown
    }

    fn read(&mut self, html: &[u8]) {
        let is_end = |octet: &u8| octet.is_ascii_whitespace() || b"\"'<>)".contains(octet);
        let mut before: &[u8] = b"";
        for piece in html.split(is_end) {
            if piece.is_empty() {
                continue;
            }
            let small = piece.to_ascii_lowercase();
            let cid = small.windows(4).position(|window| window == b"cid:");
            let (attribute, id) = match cid {
                Some(at) => (small[..at].to_vec(), Some(&piece[at + 4..])),
                None => (small, None),
            };
            let is_bare = attribute.is_empty() || attribute == b"'" || attribute == b"\"";
            let link = if is_bare {
                before.to_ascii_lowercase()
            } else {
                attribute
            };
            let is_link = link.ends_with(b"href=");
            match id {
                Some(id) if !is_link => drop(self.ids.insert(unescaped(id))),
                None if before.to_ascii_lowercase().ends_with(b"src=") => {
                    self.names.insert(piece.to_vec());
                }
                _ => {}
            }
            before = piece;
        }
    }

    /// Whether they show this part.
    pub(super) fn has(&self, leaf: &Leaf<'_>) -> bool {
        let id = leaf.header.content_id().unwrap_or_default();
        let id = id.trim().trim_start_matches('<').trim_end_matches('>');
        let location = leaf.header.content_location().unwrap_or_default();
        !id.is_empty() && self.ids.contains(id.as_bytes())
            || !location.is_empty() && self.names.contains(location.as_bytes())
    }
}

/// RFC 2392 2: an identifier in an URL has its odd characters as `%40`.
fn unescaped(id: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(id.len());
    let mut at = 0;
    while at < id.len() {
        let digits = (id[at] == b'%').then(|| id.get(at + 1..at + 3)).flatten();
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(octet) => {
                out.push(octet);
                at += 3;
            }
            None => {
                out.push(id[at]);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_of_html_sees_is_read() {
        for (html, seen) in [
            ("<p>a<b>b</b>c</p>d", "abc d"),
            ("<style>x</style>a<!-- y -->b<script>z", "ab"),
            (
                "caf&eacute; &yuml;&nbsp;&rsquo;&#228;&#x20ac; &unknown; a & b",
                "caf\u{e9} \u{ff} \u{2019}\u{e4}\u{20ac} &unknown; a & b",
            ),
            ("1 < 2 <br>3", "1 < 2 3"),
        ] {
            let words: Vec<String> = visible(html)
                .split_whitespace()
                .map(str::to_owned)
                .collect();
            assert_eq!(words.join(" "), seen, "{html}");
        }
    }
}
