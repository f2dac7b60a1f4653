//! Decides for each part of a message: faxed, skipped, or a reason to refuse.

use std::borrow::Cow;
use std::collections::HashSet;

use mail_parser::MimeHeaders;

use super::{BadMessage, Leaf, mime::Encoding, one_line};

/// A picture in the text of a mail may have this many octets to pass as a logo.
const MAX_LOGO: usize = 256 * 1024;
/// A PDF says so within this many octets of its beginning.
const MAGIC_WITHIN: usize = 1024;

/// A part of a message, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its file name, if it has one.
    pub name: Option<String>,
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
    /// The text of the mail, plain or HTML.
    #[error("text of the mail")]
    BodyText,
    /// A logo in the HTML text.
    #[error("picture in the text of the mail")]
    Logo,
    /// S/MIME or PGP signature.
    #[error("digital signature")]
    Signature,
    /// What a Macintosh knows about a file besides its content.
    #[error("Macintosh file information")]
    ResourceFork,
}

/// Something to fax: PDF by name, type or content. Whether it really is one, the renderer finds out.
#[derive(Debug, Clone)]
pub struct Document<'m> {
    /// Its place in the manifest.
    pub part: usize,
    /// Its file name, or "document 2".
    pub name: String,
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
pub(super) fn sort<'m>(leaves: &[Leaf<'m>]) -> Result<(Vec<Document<'m>>, Vec<Part>), BadMessage> {
    let shown = shown_in_html(leaves);
    let mut documents = Vec::new();
    let mut manifest = Vec::new();
    let mut refused = Vec::new();
    for (index, leaf) in leaves.iter().enumerate() {
        let name = file_name(leaf);
        let fate = if is_pdf(leaf, name.as_deref()) {
            documents.push(Document {
                part: index,
                name: name
                    .clone()
                    .unwrap_or_else(|| format!("document {}", documents.len() + 1)),
                encoded: leaf.encoded,
                encoding: leaf.encoding.clone(),
            });
            Fate::Faxed
        } else if let Some(reason) = may_be_skipped(leaf, index, name.as_deref(), &shown) {
            Fate::Skipped(reason)
        } else {
            refused.push((leaf, name.unwrap_or_else(|| format!("part {}", index + 1))));
            continue;
        };
        manifest.push(Part {
            name,
            content_type: one_line(&leaf.content_type),
            encoded_size: leaf.encoded.len(),
            fate,
        });
    }
    if !refused.is_empty() {
        let more = refused.len() - 1;
        let (leaf, name) = refused.swap_remove(0);
        return Err(why_not(leaf, name, more));
    }
    if documents.is_empty() {
        return Err(BadMessage::NothingToFax);
    }
    Ok((documents, manifest))
}

// ---- what a part is ----

/// The name that people know the part by, without folders.
fn file_name(leaf: &Leaf<'_>) -> Option<String> {
    let name = one_line(leaf.header.attachment_name()?);
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    (!name.is_empty()).then(|| name.to_string())
}

fn is_pdf(leaf: &Leaf<'_>, name: Option<&str>) -> bool {
    const TYPES: [&str; 4] = [
        "application/pdf",
        "application/x-pdf",
        "application/acrobat",
        "text/pdf",
    ];
    TYPES.contains(&leaf.content_type.as_str())
        || name.is_some_and(|name| has_extension(name, &["pdf"]))
        || has_magic(leaf)
}

/// ISO 32000-1 annex H.3.4: readers accept the mark anywhere in the first 1024 octets.
fn has_magic(leaf: &Leaf<'_>) -> bool {
    // Base64 makes 4 octets of 3, quoted-printable 3 of 1 at most, and line ends come on top.
    let beginning = &leaf.encoded[..leaf.encoded.len().min(4 * MAGIC_WITHIN)];
    let decoded = leaf.encoding.decode(beginning).unwrap_or_default();
    let first = &decoded[..decoded.len().min(MAGIC_WITHIN)];
    first.windows(5).any(|window| window == b"%PDF-")
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

// ---- what may be left out ----

fn may_be_skipped(
    leaf: &Leaf<'_>,
    index: usize,
    name: Option<&str>,
    shown: &HashSet<Vec<u8>>,
) -> Option<Skipped> {
    const SIGNATURES: [&str; 3] = [
        "application/pkcs7-signature",
        "application/x-pkcs7-signature",
        "application/pgp-signature",
    ];
    let content_type = leaf.content_type.as_str();
    if is_body_text(leaf, index, name) {
        Some(Skipped::BodyText)
    } else if content_type.starts_with("image/") && is_logo(leaf, shown) {
        Some(Skipped::Logo)
    } else if SIGNATURES.contains(&content_type) {
        Some(Skipped::Signature)
    } else if content_type == "application/applefile" {
        Some(Skipped::ResourceFork)
    } else {
        None
    }
}

fn is_body_text(leaf: &Leaf<'_>, index: usize, name: Option<&str>) -> bool {
    if !leaf.content_type.starts_with("text/") {
        return false;
    }
    // The same text once more, in another form (a calendar entry, rich text).
    if leaf.in_alternative && !is_attachment(leaf) {
        return true;
    }
    let is_text = matches!(leaf.content_type.as_str(), "text/plain" | "text/html");
    match name {
        _ if !is_text => false,
        // Exchange makes such attachments of text that follows an attachment.
        Some(name) if name.starts_with("ATT0") && has_extension(name, &["txt", "htm", "html"]) => {
            true
        }
        Some(_) => index == 0 && !is_attachment(leaf),
        None => !is_attachment(leaf),
    }
}

/// A small picture that the HTML text shows by its Content-ID (RFC 2392).
fn is_logo(leaf: &Leaf<'_>, shown: &HashSet<Vec<u8>>) -> bool {
    // Base64 makes 4 octets of 3.
    let is_small = leaf.encoded.len() / 4 * 3 <= MAX_LOGO;
    let id = leaf.header.content_id().unwrap_or_default();
    is_small && shown.contains(id.as_bytes())
}

/// Every Content-ID that the HTML texts refer to as `cid:...`.
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

fn why_not(leaf: &Leaf<'_>, name: String, more: usize) -> BadMessage {
    let shown_in_text = leaf.header.content_id().is_some() && !is_attachment(leaf);
    match leaf.content_type.as_str() {
        "message/rfc822" | "message/global" => BadMessage::AttachedMail(name),
        "application/ms-tnef" | "application/vnd.ms-tnef" => BadMessage::Outlook(name),
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => BadMessage::Encrypted,
        image if image.starts_with("image/") && shown_in_text => BadMessage::Picture(name),
        content_type => BadMessage::NotFaxable {
            name,
            content_type: one_line(content_type),
            more,
        },
    }
}
