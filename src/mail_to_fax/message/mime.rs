//! Takes a message apart into its parts (RFC 2046), within bounds.
//!
//! A mail inside the mail (message/rfc822) is taken apart too, in its place. `mail-parser` reads the headers. It would take the whole message apart as well, but knows no limit on parts
//! or nesting, and decodes all of them at once.

use std::borrow::Cow;
use std::cell::OnceCell;

use mail_parser::decoders::base64::{base64_decode, base64_decode_stream};
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::parsers::MessageStream;
use mail_parser::{MessageParser, MessagePart, MimeHeaders};

use super::{BadMessage, MAX_DEPTH, MAX_HEADER, MAX_PARTS, one_line};

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
    /// The `multipart/alternative` around it, by number.
    pub(super) alternative: Option<usize>,
    /// The mail it belongs to, by its place in [`Leaves::mails`].
    pub(super) mail: usize,
}

/// A message taken apart.
#[derive(Debug, Default)]
pub(super) struct Leaves<'m> {
    /// In order.
    pub(super) all: Vec<Leaf<'m>>,
    /// The mail itself, then those inside of it.
    pub(super) mails: Vec<MessagePart<'m>>,
}

/// Room for mails inside of a mail that had to be decoded; it has to outlive what is read.
#[derive(Debug, Default)]
pub struct Unpacked {
    octets: OnceCell<Vec<u8>>,
    next: OnceCell<Box<Unpacked>>,
}

impl Unpacked {
    fn keep(&self, octets: Vec<u8>) -> &[u8] {
        let mut place = self;
        while place.octets.get().is_some() {
            place = place.next.get_or_init(Box::default);
        }
        place.octets.get_or_init(|| octets)
    }
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
pub(super) fn leaves<'m>(
    message: Entity<'m>,
    unpacked: &'m Unpacked,
) -> Result<Leaves<'m>, BadMessage> {
    let mut walk = Walk {
        seen: 0,
        alternatives: 0,
        unpacked,
        found: Leaves::default(),
    };
    walk.found.mails.push(message.header.clone());
    walk.entity(message, Context::default())?;
    Ok(walk.found)
}

/// What is around an entity.
#[derive(Debug, Clone, Copy, Default)]
struct Context {
    depth: usize,
    alternative: Option<usize>,
    in_digest: bool,
    mail: usize,
}

struct Walk<'m> {
    seen: usize,
    alternatives: usize,
    unpacked: &'m Unpacked,
    found: Leaves<'m>,
}

impl<'m> Walk<'m> {
    fn entity(&mut self, entity: Entity<'m>, context: Context) -> Result<(), BadMessage> {
        self.seen += 1;
        if self.seen > MAX_PARTS {
            return Err(BadMessage::TooManyParts);
        }
        let content_type = entity.content_type(context);
        match content_type.as_str() {
            "multipart/encrypted" => Err(BadMessage::Encrypted),
            "message/rfc822" | "message/global" => self.mail(&entity, context),
            multipart if multipart.starts_with("multipart/") => {
                self.multipart(&entity, &content_type, context)
            }
            _ => {
                self.found.all.push(Leaf {
                    encoding: entity.encoding(),
                    header: entity.header,
                    encoded: entity.body,
                    content_type,
                    alternative: context.alternative,
                    mail: context.mail,
                });
                Ok(())
            }
        }
    }

    /// RFC 2046 5.2.1. It is not to be encoded, and some mailers do so all the same.
    fn mail(&mut self, entity: &Entity<'m>, context: Context) -> Result<(), BadMessage> {
        let inside = deeper(context)?;
        let encoding = entity.encoding();
        let octets = match encoding.decode(entity.body) {
            Some(Cow::Borrowed(octets)) => octets,
            Some(Cow::Owned(octets)) => self.unpacked.keep(octets),
            None => {
                let name = entity.header.attachment_name().unwrap_or("attached mail");
                let name = one_line(name);
                return Err(BadMessage::Damaged(name, encoding.name().to_owned()));
            }
        };
        let mail = Entity::read(octets)?;
        self.found.mails.push(mail.header.clone());
        let context = Context {
            depth: inside,
            mail: self.found.mails.len() - 1,
            ..Context::default()
        };
        self.entity(mail, context)
    }

    fn multipart(
        &mut self,
        entity: &Entity<'m>,
        content_type: &str,
        context: Context,
    ) -> Result<(), BadMessage> {
        let mut inside = Context {
            depth: deeper(context)?,
            in_digest: content_type == "multipart/digest",
            ..context
        };
        if content_type == "multipart/alternative" {
            self.alternatives += 1;
            inside.alternative = Some(self.alternatives);
        }
        let declared = entity.header.content_type();
        let boundary = declared.and_then(|declared| declared.attribute("boundary"));
        for part in split(entity.body, boundary.unwrap_or_default().as_bytes())? {
            self.entity(Entity::read(part)?, inside)?;
        }
        Ok(())
    }
}

fn deeper(context: Context) -> Result<usize, BadMessage> {
    match context.depth {
        MAX_DEPTH => Err(BadMessage::TooDeep),
        depth => Ok(depth + 1),
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
