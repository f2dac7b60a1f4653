//! Decides for each part of a message: faxed, skipped, or a reason to refuse.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use mail_parser::{HeaderName, HeaderValue, MessagePart, MimeHeaders};

use super::{BadMessage, DocumentRefusal, Leaf, Leaves, author, mime::Encoding, one_line, text};
use crate::config::Body;
use crate::pages::document::Source;
use crate::pages::kind::Kind;
use crate::pages::text::TextSource;

/// Octets from which most formats can be told.
const MAGIC_WITHIN: usize = 4096;

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

fn has_extension(name: &str, extensions: &[&str]) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    extensions.iter().any(|e| extension.eq_ignore_ascii_case(e))
}

fn is_attachment(leaf: &Leaf<'_>) -> bool {
    leaf.header
        .content_disposition()
        .is_some_and(|disposition| disposition.is_attachment())
}

fn is_body_text(leaf: &Leaf<'_>, part: usize, name: Option<&str>) -> bool {
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
fn is_text_file(leaf: &Leaf<'_>, name: &str) -> bool {
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

fn text_source(leaf: &Leaf<'_>, html: bool) -> TextSource {
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
fn heading(mail: &MessagePart<'_>) -> Vec<(String, String)> {
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

/// Of each alternative, the form that is faxed: the plain text if it says anything, else the HTML.
fn chosen_forms(leaves: &[Leaf<'_>]) -> HashMap<usize, usize> {
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
fn shown_in_html(leaves: &[Leaf<'_>]) -> HashSet<Vec<u8>> {
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
