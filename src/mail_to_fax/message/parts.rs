//! Decides for each part of a message: faxed, skipped, or a reason to refuse.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use mail_parser::{HeaderName, MessagePart, MimeHeaders};

use super::mime::Encoding;
use super::texts::{chosen_forms, heading, is_body_text, is_text_file, shown_in_html, text_source};
use super::{BadMessage, DocumentRefusal, Leaf, Leaves, one_line, text};
use crate::config::Body;
use crate::pages::document::Source;
use crate::pages::kind::Kind;
use crate::pages::text::TextSource;

/// Octets from which most formats can be told.
pub(super) const MAGIC_WITHIN: usize = 4096;

/// What the site can do with a message, and wants.
pub struct Reading<'a> {
    /// Whether the text of the mail is a page.
    pub body: Body,
    /// Whether there is a converter for this media type.
    pub converts: &'a dyn Fn(&str) -> bool,
}

/// A part of a message, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its file name, or what it is.
    pub name: String,
    /// Lower-case, as declared.
    pub content_type: String,
    /// Octets as sent, in their encoding.
    pub encoded_size: usize,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its pages are faxed.
    Faxed,
    /// It is left out, and why.
    Skipped(Skipped),
}

/// Why a part is left out; [`std::fmt::Display`] stands behind "skipped: ".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Skipped {
    /// The text of the mail where no text is wanted.
    #[error("text of the mail")]
    BodyText,
    /// What a `multipart/alternative` has beside the form that is faxed.
    #[error("the same text in another form")]
    OtherForm,
    /// S/MIME or PGP signature.
    #[error("digital signature")]
    Signature,
    /// A certificate or key that comes with one.
    #[error("key of a digital signature")]
    Key,
    /// What a Macintosh knows about a file besides its content.
    #[error("Macintosh file information")]
    ResourceFork,
    /// vCard.
    #[error("business card")]
    BusinessCard,
    /// iCalendar.
    #[error("calendar entry")]
    Calendar,
}

/// Something to fax. Whether it can be, the renderer finds out.
#[derive(Debug, Clone)]
pub struct Document<'m> {
    /// Its place in the manifest.
    pub part: usize,
    /// Its file name, or what it is.
    pub name: String,
    /// What it is to the renderer.
    pub source: Source,
    /// The media type by which its converter is found; none: it needs none.
    pub convert: Option<String>,
    encoded: &'m [u8],
    encoding: Encoding,
}

impl<'m> Document<'m> {
    /// The document's octets, decoded now.
    ///
    /// # Errors
    /// [`BadMessage::Damaged`] when they cannot be decoded.
    pub fn content(&self) -> Result<Cow<'m, [u8]>, BadMessage> {
        self.encoding
            .decode(self.encoded)
            .ok_or_else(|| BadMessage::Damaged(self.name.clone(), self.encoding.name().to_string()))
    }
}

/// Sorts the leaves of a message into documents and a manifest.
///
/// # Errors
/// The first part that cannot be faxed and may not be skipped, or that there is nothing to fax.
pub(super) fn sort<'m>(
    leaves: &Leaves<'m>,
    reading: &Reading<'_>,
) -> Result<(Vec<Document<'m>>, Vec<Part>), BadMessage> {
    let sorter = Sorter {
        shown: shown_in_html(&leaves.all),
        chosen: chosen_forms(&leaves.all),
        mails: &leaves.mails,
        reading,
    };
    let mut documents = Vec::new();
    let mut manifest = Vec::new();
    let mut refused = Vec::new();
    for (part, leaf) in leaves.all.iter().enumerate() {
        let (name, use_of) = sorter.use_of(leaf, part);
        let fate = match use_of {
            Use::Document { source, convert } => {
                documents.push(Document {
                    part,
                    name: name.clone(),
                    source,
                    convert,
                    encoded: leaf.encoded,
                    encoding: leaf.encoding.clone(),
                });
                Fate::Faxed
            }
            Use::Skip(why) => Fate::Skipped(why),
            Use::Refuse(bad) => {
                refused.push(bad);
                continue;
            }
        };
        manifest.push(Part {
            name,
            content_type: one_line(&leaf.content_type),
            encoded_size: leaf.encoded.len(),
            fate,
        });
    }
    if !refused.is_empty() {
        let and_more = refused.len() - 1;
        let mut first = refused.swap_remove(0);
        if let BadMessage::NotFaxable { more, .. } = &mut first {
            *more = and_more;
        }
        return Err(first);
    }
    match documents.is_empty() {
        true => Err(BadMessage::NothingToFax),
        false => Ok((documents, manifest)),
    }
}

/// What a part is used for.
enum Use {
    Document {
        source: Source,
        convert: Option<String>,
    },
    Skip(Skipped),
    Refuse(BadMessage),
}

/// What must be known of the whole message to judge one part.
struct Sorter<'a, 'm> {
    /// Every Content-ID that the HTML texts refer to.
    shown: HashSet<Vec<u8>>,
    /// Of each `multipart/alternative`, the place of the form that is faxed.
    chosen: HashMap<usize, usize>,
    mails: &'a [MessagePart<'m>],
    reading: &'a Reading<'a>,
}

impl Sorter<'_, '_> {
    /// The name of a part for people, and what becomes of it.
    fn use_of(&self, leaf: &Leaf<'_>, part: usize) -> (String, Use) {
        let file_name = file_name(leaf);
        if let Some(why) = accessory(leaf) {
            let name = file_name.unwrap_or_else(|| one_line(&leaf.content_type));
            return (name, Use::Skip(why));
        }
        let kind = kind(leaf);
        let file = Use::Document {
            source: Source::File,
            convert: None,
        };
        if kind.is_readable() {
            let name = file_name.unwrap_or_else(|| format!("part {} ({})", part + 1, kind.name()));
            let is_shown = kind.is_picture() && self.is_shown(leaf);
            let source = if is_shown {
                Source::Shown
            } else {
                Source::File
            };
            let convert = None;
            return (name, Use::Document { source, convert });
        }
        if kind == Kind::Unknown && is_body_text(leaf, part, file_name.as_deref()) {
            return (self.body_name(leaf), self.body(leaf, part));
        }
        let name = file_name.unwrap_or_else(|| format!("part {}", part + 1));
        if kind == Kind::Unknown && is_text_file(leaf, &name) {
            let is_html =
                leaf.content_type == "text/html" || has_extension(&name, &["htm", "html"]);
            let source = Source::Text(text_source(leaf, is_html));
            let convert = None;
            return (name, Use::Document { source, convert });
        }
        let converter = [kind.media_type(), Some(leaf.content_type.as_str())]
            .into_iter()
            .flatten()
            .find(|media_type| (self.reading.converts)(media_type));
        let use_of = match converter {
            Some(media_type) => Use::Document {
                source: Source::File,
                convert: Some(media_type.to_owned()),
            },
            // A file that says to be a PDF and is not: the renderer has the words for it.
            None if claims_to_be_pdf(leaf, &name) && kind == Kind::Unknown => file,
            None => Use::Refuse(why_not(leaf, kind, &name)),
        };
        (name, use_of)
    }

    fn is_shown(&self, leaf: &Leaf<'_>) -> bool {
        let id = leaf.header.content_id().unwrap_or_default();
        !is_attachment(leaf) && self.shown.contains(id.as_bytes())
    }

    fn body_name(&self, leaf: &Leaf<'_>) -> String {
        let subject = text(&self.mails[leaf.mail], HeaderName::Subject);
        match (leaf.mail, subject) {
            (0, _) => "text of the mail".to_owned(),
            (_, Some(subject)) => format!("text of the attached mail \"{subject}\""),
            (_, None) => "text of the attached mail".to_owned(),
        }
    }

    /// The text of the mail, or of a mail inside of it: that one was attached to be read.
    fn body(&self, leaf: &Leaf<'_>, part: usize) -> Use {
        let is_own = leaf.mail == 0;
        let chosen = leaf.alternative.and_then(|group| self.chosen.get(&group));
        if chosen.is_some_and(|chosen| *chosen != part)
            || !matches!(leaf.content_type.as_str(), "text/plain" | "text/html")
        {
            return Use::Skip(Skipped::OtherForm);
        }
        if is_own && self.reading.body == Body::Never {
            return Use::Skip(Skipped::BodyText);
        }
        let source = TextSource {
            heading: heading(&self.mails[leaf.mail]),
            only_if_telling: is_own && self.reading.body == Body::Auto,
            ..text_source(leaf, leaf.content_type == "text/html")
        };
        Use::Document {
            source: Source::Text(source),
            convert: None,
        }
    }
}

// ---- what a part is ----

/// The name that people know the part by, without folders.
fn file_name(leaf: &Leaf<'_>) -> Option<String> {
    let name = one_line(leaf.header.attachment_name()?);
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    (!name.is_empty()).then(|| name.to_string())
}

fn kind(leaf: &Leaf<'_>) -> Kind {
    // Base64 makes 4 octets of 3, quoted-printable 3 of 1 at most, and line ends come on top.
    let beginning = &leaf.encoded[..leaf.encoded.len().min(4 * MAGIC_WITHIN)];
    let decoded = leaf.encoding.decode(beginning).unwrap_or_default();
    match Kind::of(&decoded[..decoded.len().min(MAGIC_WITHIN)]) {
        // A text may speak of PDFs.
        Kind::Pdf if leaf.content_type.starts_with("text/") && !decoded.starts_with(b"%PDF-") => {
            Kind::Unknown
        }
        // What is in a container its end tells.
        Kind::Other(_) => Kind::of(&leaf.encoding.decode(leaf.encoded).unwrap_or_default()),
        kind => kind,
    }
}

fn claims_to_be_pdf(leaf: &Leaf<'_>, name: &str) -> bool {
    const TYPES: [&str; 4] = [
        "application/pdf",
        "application/x-pdf",
        "application/acrobat",
        "text/pdf",
    ];
    TYPES.contains(&leaf.content_type.as_str()) || has_extension(name, &["pdf"])
}

pub(super) fn has_extension(name: &str, extensions: &[&str]) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    extensions.iter().any(|e| extension.eq_ignore_ascii_case(e))
}

pub(super) fn is_attachment(leaf: &Leaf<'_>) -> bool {
    leaf.header
        .content_disposition()
        .is_some_and(|disposition| disposition.is_attachment())
}

// ---- what may be left out ----

/// What comes with a mail and never was meant to be read on paper.
fn accessory(leaf: &Leaf<'_>) -> Option<Skipped> {
    Some(match leaf.content_type.as_str() {
        "application/pkcs7-signature"
        | "application/x-pkcs7-signature"
        | "application/pgp-signature" => Skipped::Signature,
        "application/pgp-keys" => Skipped::Key,
        "application/applefile" => Skipped::ResourceFork,
        "text/vcard" | "text/x-vcard" | "text/directory" => Skipped::BusinessCard,
        "text/calendar" | "application/ics" => Skipped::Calendar,
        _ => return None,
    })
}

// ---- what is said about the others ----

fn why_not(leaf: &Leaf<'_>, kind: Kind, name: &str) -> BadMessage {
    let name = name.to_owned();
    match (leaf.content_type.as_str(), kind) {
        ("application/ms-tnef" | "application/vnd.ms-tnef", _) => BadMessage::Outlook(name),
        (_, Kind::Other(format)) if format.media_type == "application/ms-tnef" => {
            BadMessage::Outlook(name)
        }
        ("application/pkcs7-mime" | "application/x-pkcs7-mime", _) => BadMessage::Encrypted,
        (content_type, kind) => {
            let why = match kind {
                Kind::Other(format) => {
                    let name = format.name.to_owned();
                    DocumentRefusal::NotRead { name }.to_string()
                }
                _ => format!(
                    "its type ({}) is none of those that are read here; please send it as PDF",
                    one_line(content_type)
                ),
            };
            BadMessage::NotFaxable { name, why, more: 0 }
        }
    }
}
