//! Reads the text of a message: what of it is faxed, what is skipped, and what makes it impossible.
//!
//! Nothing is dropped silently: every part of the message is in the manifest with what became of it, and a part
//! that somebody meant to be faxed and that cannot be makes the whole message refused, by name.

mod boundary;
mod cms;
pub mod cover;
mod encoding;
mod forms;
mod inline;
mod mime;
mod ornaments;
mod parts;
mod texts;
mod uuencode;
pub mod wrapped;

use std::borrow::Cow;

use mail_parser::parsers::MessageStream;
use mail_parser::{Addr, HeaderName, MessagePart, MimeHeaders};

use crate::pages::DocumentRefusal;
use crate::proto::smtp::Refusal;
use mime::{Entity, Leaf, Leaves};

pub use mime::Unpacked;
use parts::is_attachment;
pub use parts::{Document, Fate, Part, Reading, Skipped};

/// Parts of a message at most, containers counted.
pub const MAX_PARTS: usize = 1000;
/// Parts inside parts at most.
pub const MAX_DEPTH: usize = 20;
/// Octets in the header of a message or of a part at most.
pub const MAX_HEADER: usize = 256 * 1024;
/// `Received` fields at most; RFC 5321 6.3 asks for 100 or more.
const MAX_HOPS: usize = 100;

/// A message that can be faxed.
#[derive(Debug)]
pub struct FaxMessage<'m> {
    /// The author, for people to read: `Jane Doe <jane@example.com>`.
    pub from: Option<String>,
    /// The subject, decoded.
    pub subject: Option<String>,
    /// The message's identifier, without its angle brackets.
    pub message_id: Option<String>,
    /// The identifiers of the messages before it in its thread, with angle brackets.
    pub references: Option<String>,
    /// The fields of the header that ask something of us or say who checked it, in their order: name and value.
    pub fields: Vec<(String, String)>,
    /// What is faxed, in the order of the message; empty only beside [`FaxMessage::wrapped`]. Of these, pictures and texts may still turn out to have
    /// nothing on them that belongs on a page.
    pub documents: Vec<Document<'m>>,
    /// Every part that is not a container, with what becomes of it.
    pub manifest: Vec<Part>,
    /// Files that only a child takes apart (winmail.dat). While there is one, nothing is known of the documents: the message
    /// is to be read again with what the child made of it ([`Unpacked::with`]).
    pub wrapped: Vec<Vec<u8>>,
}

/// Why a message cannot be faxed; [`std::fmt::Display`] is the sentence for its sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    /// Nothing in it that could be a page.
    #[error(
        "there is nothing to fax: attach the pages (PDF, TIFF, JPEG, PNG ...), or write them as text"
    )]
    NothingToFax,
    /// A part that somebody meant to be faxed, and that cannot be.
    #[error("the attachment \"{name}\" cannot be faxed: {why}{}", and_more(*.more))]
    NotFaxable {
        /// Its file name, or its place in the message.
        name: String,
        /// Half a sentence.
        why: String,
        /// How many more such parts there are.
        more: usize,
    },
    /// `winmail.dat`, and why it cannot be read.
    #[error(
        "the attachments are wrapped in Outlook's own format (\"{0}\", TNEF), and {1}; send the mail as HTML or plain text, or have the administrator of Exchange switch rich text off for this domain"
    )]
    Outlook(String, DocumentRefusal),
    /// S/MIME or PGP.
    #[error("the mail is encrypted and cannot be read here; send it without encryption")]
    Encrypted,
    /// S/MIME, RFC 3274.
    #[error("the mail is compressed (S/MIME) and cannot be read here; send it without compression")]
    Compressed,
    /// S/MIME that cannot be taken apart.
    #[error(
        "the signed mail (\"{0}\", S/MIME) is damaged and cannot be read; send it again, or without a signature"
    )]
    SignedDamaged(String),
    /// A file in the text of the mail, in an encoding that is not read.
    #[error(
        "the text of the mail has an encoded file in it that cannot be read here; please attach the file instead"
    )]
    EncodedText,
    /// The part's content cannot be decoded.
    #[error("the attachment \"{0}\" is damaged: its {1} encoding cannot be read")]
    Damaged(String, String),
    /// A container without its parts.
    #[error("the mail is damaged: its parts cannot be found")]
    Broken,
    /// See [`MAX_PARTS`].
    #[error("the mail has more than {MAX_PARTS} parts")]
    TooManyParts,
    /// See [`MAX_DEPTH`].
    #[error("the mail has parts nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// See [`MAX_HEADER`].
    #[error("the mail has a header of more than {} KB", MAX_HEADER / 1024)]
    HeaderTooLarge,
    /// RFC 3834: something answers our mails.
    #[error("automatic replies and delivery reports are not faxed")]
    Automatic,
    /// RFC 5321 6.3.
    #[error("the mail has passed more than {MAX_HOPS} servers, it must be going in a circle")]
    Loop,
    /// It was passed on to the postmaster, and came back.
    #[error(
        "the mail was passed on to the postmaster already, and came back: it is going in a circle"
    )]
    Circle,
}

impl From<BadMessage> for Refusal {
    fn from(bad: BadMessage) -> Refusal {
        let status = match bad {
            BadMessage::Automatic => "5.7.1",
            BadMessage::Loop | BadMessage::Circle => "5.4.6",
            BadMessage::NotFaxable { .. }
            | BadMessage::Outlook(..)
            | BadMessage::Encrypted
            | BadMessage::Compressed
            | BadMessage::EncodedText => "5.6.1",
            BadMessage::NothingToFax
            | BadMessage::SignedDamaged(_)
            | BadMessage::Damaged(..)
            | BadMessage::Broken
            | BadMessage::TooManyParts
            | BadMessage::TooDeep
            | BadMessage::HeaderTooLarge => "5.6.0",
        };
        Refusal::new(554, status, bad.to_string())
    }
}

fn and_more(more: usize) -> String {
    match more {
        0 => String::new(),
        more => format!(" (the same goes for {more} more)"),
    }
}

/// Reads a message, whose lines end with CRLF.
///
/// # Errors
/// The first thing that keeps the message from being faxed whole.
pub fn read<'m>(
    raw: &'m [u8],
    unpacked: &'m Unpacked,
    reading: &Reading<'_>,
) -> Result<FaxMessage<'m>, BadMessage> {
    let entity = Entity::read(raw)?;
    refuse_loops(&entity)?;
    let header = entity.header.clone();
    let mut leaves = mime::leaves(entity, unpacked)?;
    let wrapped = std::mem::take(&mut leaves.wrapped);
    let (documents, manifest) = match wrapped.is_empty() {
        true => parts::sort(&leaves, reading)?,
        false => Default::default(),
    };
    Ok(FaxMessage {
        from: author(&header),
        subject: text(&header, HeaderName::Subject),
        message_id: text(&header, HeaderName::MessageId),
        references: references(&header),
        fields: fields_for_us(&header),
        documents,
        manifest,
        wrapped,
    })
}

/// What is known of a message by its header.
#[derive(Debug, Clone, Default)]
pub struct Heading {
    /// The subject, decoded.
    pub subject: Option<String>,
    /// The message's identifier, without its angle brackets.
    pub message_id: Option<String>,
    /// The fields that ask something of us or say who checked it.
    pub fields: Vec<(String, String)>,
}

/// Reads the header of a message for the postmaster, whatever its parts are; `own` is the name under which it was passed on
/// before, should it be going in a circle.
///
/// # Errors
/// An answer, a report, a message that goes in a circle, and a header that cannot be read.
pub fn heading(raw: &[u8], own: &str) -> Result<Heading, BadMessage> {
    let entity = Entity::read(raw)?;
    refuse_loops(&entity)?;
    let header = &entity.header;
    let was_here = header.headers.iter().any(|field| {
        field.name.as_str().trim().eq_ignore_ascii_case(FORWARDED)
            && field
                .value
                .as_text()
                .is_some_and(|by| by.trim().eq_ignore_ascii_case(own))
    });
    if was_here {
        return Err(BadMessage::Circle);
    }
    Ok(Heading {
        subject: text(header, HeaderName::Subject),
        message_id: text(header, HeaderName::MessageId),
        fields: fields_for_us(header),
    })
}

/// The field that asks for a read receipt (RFC 8098 2.1).
pub const ASKS_FOR_MDN: &str = "Disposition-Notification-To";

/// The field by which a mail to the postmaster that comes back is known.
pub const FORWARDED: &str = "X-Postfax-Forwarded";

/// `X-Fax-...`, with its encoded words decoded (RFC 2047), and Authentication-Results as it came.
fn fields_for_us(header: &MessagePart<'_>) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for field in &header.headers {
        let name = field.name.as_str().trim();
        let raw = field.value.as_text();
        if name.eq_ignore_ascii_case("Authentication-Results") {
            // One without a value is there all the same: the first decides.
            fields.push((name.to_owned(), raw.unwrap_or_default().to_owned()));
            continue;
        }
        if name.eq_ignore_ascii_case(ASKS_FOR_MDN) {
            fields.push((name.to_owned(), String::new()));
            continue;
        }
        let Some(raw) = raw else { continue };
        if name.to_ascii_lowercase().starts_with("x-fax-") {
            let line = format!("{}\r\n", raw.trim());
            let decoded = MessageStream::new(line.as_bytes()).parse_unstructured();
            let value = decoded.as_text().unwrap_or_default();
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    fields
}

fn text(header: &MessagePart<'_>, name: HeaderName<'_>) -> Option<String> {
    let fields = &header.headers;
    let field = fields.iter().rev().find(|field| field.name == name)?;
    field.value.as_text().map(one_line)
}

/// RFC 5322 3.6.4: the thread so far.
fn references(header: &MessagePart<'_>) -> Option<String> {
    let fields = &header.headers;
    let field = fields
        .iter()
        .find(|field| field.name == HeaderName::References)?;
    let ids = field.value.as_text_list()?;
    Some(
        ids.iter()
            .map(|id| format!("<{}>", one_line(id)))
            .collect::<Vec<_>>()
            .join(" "),
    )
}

/// RFC 3834 2: what was written by a responder gets no response, and no fax. What a program sends on purpose
/// (`auto-generated`: a scanner, a bookkeeping system) is welcome.
fn refuse_loops(entity: &Entity<'_>) -> Result<(), BadMessage> {
    let fields = &entity.header.headers;
    let automatic = fields
        .iter()
        .filter(|field| field.name == HeaderName::AutoSubmitted)
        // A comment may stand behind it (RFC 5322 3.2.2).
        .filter_map(|field| field.value.as_text()?.split([';', '(', ' ', '\t']).next())
        .any(|keyword| keyword.trim().eq_ignore_ascii_case("auto-replied"));
    if automatic || entity.header.is_content_type("multipart", "report") {
        return Err(BadMessage::Automatic);
    }
    let hops = fields
        .iter()
        .filter(|field| field.name == HeaderName::Received);
    if hops.count() > MAX_HOPS {
        return Err(BadMessage::Loop);
    }
    Ok(())
}

fn author(header: &MessagePart<'_>) -> Option<String> {
    let fields = &header.headers;
    let field = fields.iter().rev().find(|h| h.name == HeaderName::From)?;
    let Addr { name, address } = field.value.as_address()?.first()?;
    let author = match (name, address) {
        (Some(name), Some(address)) => Cow::Owned(format!("{name} <{address}>")),
        (Some(one), None) | (None, Some(one)) => Cow::Borrowed(one.as_ref()),
        (None, None) => return None,
    };
    Some(one_line(&author))
}

/// Strangers' text in one line of bounded length, without control characters.
fn one_line(text: &str) -> String {
    let spaced = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let short: String = spaced.take(250).collect();
    short.trim().to_string()
}

#[cfg(test)]
mod mutations;
#[cfg(test)]
mod tests;
