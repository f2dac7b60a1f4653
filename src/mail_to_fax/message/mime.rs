//! Takes a message apart into its parts (RFC 2046), within bounds.
//!
//! `mail-parser` reads the headers. It would take the whole message apart as well, but knows no limit on parts
//! or nesting, and decodes all of them at once.

use std::borrow::Cow;

use mail_parser::decoders::base64::{base64_decode, base64_decode_stream};
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::parsers::MessageStream;
use mail_parser::{MessageParser, MessagePart, MimeHeaders};

use super::{BadMessage, MAX_DEPTH, MAX_HEADER, MAX_PARTS};

/// A header and what follows it.
#[derive(Debug)]
pub(super) struct Entity<'m> {
    /// Only its headers are filled in.
    pub(super) header: MessagePart<'m>,
    body: &'m [u8],
}

/// A part that contains no parts.
#[derive(Debug)]
pub(super) struct Leaf<'m> {
    pub(super) header: MessagePart<'m>,
    pub(super) encoded: &'m [u8],
    pub(super) encoding: Encoding,
    /// Lower-case, as declared, or as RFC 2045 5.2 fills in: `text/plain`.
    pub(super) content_type: String,
    /// Whether a `multipart/alternative` is around it.
    pub(super) in_alternative: bool,
}

/// How octets became text (RFC 2045 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Base64,
    QuotedPrintable,
    Unknown(String),
}

impl<'m> Entity<'m> {
    /// Splits an entity at its first empty line.
    pub(super) fn read(raw: &'m [u8]) -> Result<Entity<'m>, BadMessage> {
        let end = end_of_header(raw);
        if end > MAX_HEADER {
            return Err(BadMessage::HeaderTooLarge);
        }
        let (block, body) = raw.split_at(end);
        let mut header = MessagePart::default();
        MessageStream::new(block).parse_headers(&MessageParser::new(), &mut header.headers);
        Ok(Entity { header, body })
    }

    fn content_type(&self, context: Context) -> String {
        match self.header.content_type() {
            // RFC 2046 5.1.5
            None if context.in_digest => "message/rfc822".to_string(),
            None => "text/plain".to_string(),
            Some(declared) => {
                let subtype = declared.subtype().unwrap_or_default();
                format!("{}/{subtype}", declared.ctype()).to_ascii_lowercase()
            }
        }
    }

    fn encoding(&self) -> Encoding {
        let declared = self.header.content_transfer_encoding().unwrap_or_default();
        match declared.trim().to_ascii_lowercase().as_str() {
            "" | "7bit" | "8bit" | "binary" => Encoding::Identity,
            "base64" => Encoding::Base64,
            "quoted-printable" => Encoding::QuotedPrintable,
            other => Encoding::Unknown(other.to_string()),
        }
    }
}

/// The length of the header with the empty line behind it.
fn end_of_header(raw: &[u8]) -> usize {
    let mut at = 0;
    for line in raw.split_inclusive(|octet| *octet == b'\n') {
        at += line.len();
        if line == b"\r\n" || line == b"\n" || at > MAX_HEADER {
            break;
        }
    }
    at
}

/// Every leaf of the message, in order.
pub(super) fn leaves<'m>(message: &Entity<'m>) -> Result<Vec<Leaf<'m>>, BadMessage> {
    let mut walk = Walk::default();
    let root = Entity {
        header: message.header.clone(),
        body: message.body,
    };
    walk.entity(root, Context::default())?;
    Ok(walk.leaves)
}

/// What is around an entity.
#[derive(Debug, Clone, Copy, Default)]
struct Context {
    depth: usize,
    in_alternative: bool,
    in_digest: bool,
}

#[derive(Default)]
struct Walk<'m> {
    seen: usize,
    leaves: Vec<Leaf<'m>>,
}

impl<'m> Walk<'m> {
    fn entity(&mut self, entity: Entity<'m>, context: Context) -> Result<(), BadMessage> {
        self.seen += 1;
        if self.seen > MAX_PARTS {
            return Err(BadMessage::TooManyParts);
        }
        let content_type = entity.content_type(context);
        if !content_type.starts_with("multipart/") {
            self.leaves.push(Leaf {
                encoding: entity.encoding(),
                header: entity.header,
                encoded: entity.body,
                content_type,
                in_alternative: context.in_alternative,
            });
            return Ok(());
        }
        if content_type == "multipart/encrypted" {
            return Err(BadMessage::Encrypted);
        }
        if context.depth == MAX_DEPTH {
            return Err(BadMessage::TooDeep);
        }
        let inside = Context {
            depth: context.depth + 1,
            in_alternative: context.in_alternative || content_type == "multipart/alternative",
            in_digest: content_type == "multipart/digest",
        };
        let declared = entity.header.content_type();
        let boundary = declared.and_then(|declared| declared.attribute("boundary"));
        for part in split(entity.body, boundary.unwrap_or_default().as_bytes())? {
            self.entity(Entity::read(part)?, inside)?;
        }
        Ok(())
    }
}

/// The parts between the delimiter lines of a boundary (RFC 2046 5.1.1). The last delimiter may be missing:
/// SMTP has already said where the message ends.
fn split<'m>(body: &'m [u8], boundary: &[u8]) -> Result<Vec<&'m [u8]>, BadMessage> {
    if boundary.is_empty() {
        return Err(BadMessage::Broken);
    }
    let mut parts = Vec::new();
    let mut begin = None;
    let mut at = 0;
    for line in body.split_inclusive(|octet| *octet == b'\n') {
        let line_begin = at;
        at += line.len();
        let Some(last) = delimiter(line, boundary) else {
            continue;
        };
        if let Some(begin) = begin {
            parts.push(without_line_end(&body[begin..line_begin]));
        }
        begin = Some(at);
        if last {
            return Ok(parts);
        }
        if parts.len() > MAX_PARTS {
            return Err(BadMessage::TooManyParts);
        }
    }
    parts.push(&body[begin.ok_or(BadMessage::Broken)?..]);
    Ok(parts)
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

impl Encoding {
    /// The octets behind the text; `None` where the text is none of this encoding.
    pub(super) fn decode<'m>(&self, encoded: &'m [u8]) -> Option<Cow<'m, [u8]>> {
        match self {
            Encoding::Identity => Some(Cow::Borrowed(encoded)),
            Encoding::Base64 => decode_base64(encoded).map(Cow::Owned),
            Encoding::QuotedPrintable => quoted_printable_decode(encoded).map(Cow::Owned),
            Encoding::Unknown(_) => None,
        }
    }

    /// As it is called in a sentence.
    pub(super) fn name(&self) -> &str {
        match self {
            Encoding::Identity => "8bit",
            Encoding::Base64 => "base64",
            Encoding::QuotedPrintable => "quoted-printable",
            Encoding::Unknown(name) => name,
        }
    }
}

/// RFC 2045 6.8: octets outside of the alphabet are to be ignored.
fn decode_base64(encoded: &[u8]) -> Option<Vec<u8>> {
    let ours = |octet: &&u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/' | b'=');
    base64_decode(encoded)
        .or_else(|| base64_decode_stream(encoded.iter().filter(ours), encoded.len(), u8::MAX))
}
