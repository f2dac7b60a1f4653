//! Decides for each part of a message: faxed, skipped, or a reason to refuse.

use std::borrow::Cow;
use std::collections::HashSet;

use mail_parser::{HeaderName, MessagePart, MimeHeaders};

use super::encoding::Encoding;
use super::forms::{self, Chosen};
use super::mime::Role;
use super::ornaments;
use super::texts::{Shown, heading, is_body_form, is_body_text, is_text_file, text_source};
use super::wrapped::{Digest, digest};
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
    /// What programs that show mails in a way of their own read.
    #[error("another form of the text, for other programs")]
    ForOthers,
    /// A part of the design of the text, in a format that is not drawn here.
    #[error("a decoration of the text, of a type that cannot be drawn here")]
    Decoration,
    /// Zero octets.
    #[error("an empty file (0 bytes)")]
    Empty,
    /// What systems put into folders.
    #[error("a file of the operating system")]
    OfSystem,
    /// A document that a form of the text has and the form that is faxed, too.
    #[error("the same document in another form of the text")]
    SameDocument,
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
    let chosen = forms::chosen(&leaves.all);
    let mut in_chosen = HashSet::new();
    for leaf in leaves.all.iter().filter(|leaf| is_chosen(&chosen, leaf)) {
        let digest = (!leaf.forms.is_empty()).then(|| digest(leaf.encoded));
        let of_group = |digest| leaf.forms.iter().map(move |form| (form.group, digest));
        in_chosen.extend(digest.into_iter().flat_map(of_group));
    }
    let sorter = Sorter {
        shown: Shown::in_html(&leaves.all),
        chosen,
        in_chosen,
        leaves: &leaves.all,
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

fn is_chosen(chosen: &Chosen, leaf: &Leaf<'_>) -> bool {
    leaf.forms.iter().all(|it| {
        let forms = chosen.get(&it.group);
        forms.is_none_or(|forms| forms.contains(&it.form))
    })
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
    shown: Shown,
    chosen: Chosen,
    /// Every part of a form that is faxed: its group, and its text as it was sent.
    in_chosen: HashSet<(usize, Digest)>,
    leaves: &'a [Leaf<'m>],
    mails: &'a [MessagePart<'m>],
    reading: &'a Reading<'a>,
}

impl<'m> Sorter<'_, 'm> {
    /// The name of a part for people, and what becomes of it.
    fn use_of(&self, leaf: &Leaf<'m>, part: usize) -> (String, Use) {
        let file_name = leaf.name.clone();
        let kind = kind(leaf);
        if let Some(why) = self.left_out(leaf, kind) {
            let name = file_name.unwrap_or_else(|| one_line(&leaf.content_type));
            return (name, Use::Skip(why));
        }
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
            return (self.body_name(leaf), self.body(leaf));
        }
        let name = file_name.unwrap_or_else(|| format!("part {}", part + 1));
        if kind == Kind::Unknown && is_text_file(leaf, &name) {
            let is_html = is_marked_up(leaf) || has_extension(&name, &["htm", "html"]);
            let source = Source::Text(text_source(leaf, is_html));
            let convert = None;
            return (name, Use::Document { source, convert });
        }
        let converter = [kind.media_type(), Some(leaf.content_type.as_str())]
            .into_iter()
            .flatten()
            .find(|media_type| !kind.is_locked() && (self.reading.converts)(media_type));
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

    /// Whether it is no page for what it is or for what stands beside it.
    fn left_out(&self, leaf: &Leaf<'m>, kind: Kind) -> Option<Skipped> {
        if let Some(why) = ornaments::accessory(leaf) {
            return Some(why);
        }
        let is_decoration = match leaf.role {
            Role::InText => true,
            _ => self.shown.has(leaf) || leaf.role == Role::Related,
        };
        let is_undrawn = !kind.is_readable() && !is_body_form(leaf);
        if is_undrawn && is_decoration && ornaments::is_of_design(leaf, self.shown.has(leaf)) {
            return Some(Skipped::Decoration);
        }
        if ornaments::is_empty(leaf) {
            return Some(Skipped::Empty);
        }
        let is_again = kind.is_readable() && self.is_in_chosen_form(leaf);
        is_again.then_some(Skipped::SameDocument)
    }

    /// Whether a form of the text that is faxed has this very document, and this one is of another form.
    fn is_in_chosen_form(&self, leaf: &Leaf<'m>) -> bool {
        if leaf.forms.is_empty() || self.is_chosen(leaf) {
            return false;
        }
        let digest = digest(leaf.encoded);
        let mut groups = leaf.forms.iter().map(|form| form.group);
        groups.any(|group| self.in_chosen.contains(&(group, digest)))
    }

    /// Whether every form that it is in is one that is faxed.
    fn is_chosen(&self, leaf: &Leaf<'m>) -> bool {
        is_chosen(&self.chosen, leaf)
    }

    fn is_shown(&self, leaf: &Leaf<'_>) -> bool {
        leaf.role == Role::InText || !is_attachment(leaf) && self.shown.has(leaf)
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
    fn body(&self, leaf: &Leaf<'m>) -> Use {
        let is_own = leaf.mail == 0;
        if !self.is_chosen(leaf) || !is_body_form(leaf) && !is_attachment(leaf) {
            return Use::Skip(Skipped::OtherForm);
        }
        if leaf.role == Role::Repeats && forms::is_said_by(leaf, self.leaves.iter()) {
            return Use::Skip(Skipped::OtherForm);
        }
        if is_own && self.reading.body == Body::Never {
            return Use::Skip(Skipped::BodyText);
        }
        let source = TextSource {
            heading: heading(&self.mails[leaf.mail]),
            only_if_telling: is_own && self.reading.body == Body::Auto,
            ..text_source(leaf, is_marked_up(leaf))
        };
        Use::Document {
            source: Source::Text(source),
            convert: None,
        }
    }
}

// ---- what a part is ----

/// HTML, and what is so much like it that its marks are none of the text (RFC 1896).
fn is_marked_up(leaf: &Leaf<'_>) -> bool {
    matches!(
        leaf.content_type.as_str(),
        "text/html" | "text/enriched" | "text/richtext"
    )
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

// ---- what is said about the others ----

fn why_not(leaf: &Leaf<'_>, kind: Kind, name: &str) -> BadMessage {
    let name = name.to_owned();
    let why = match kind {
        Kind::Other(format) => {
            let name = format.name.to_owned();
            DocumentRefusal::NotRead { name }.to_string()
        }
        _ => format!(
            "its type ({}) is none of those that are read here; please send it as PDF",
            one_line(&leaf.content_type)
        ),
    };
    BadMessage::NotFaxable { name, why, more: 0 }
}
