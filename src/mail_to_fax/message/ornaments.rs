//! What comes with a mail and never was meant to be read on paper.

use super::Leaf;
use super::parts::{Skipped, has_extension};

/// Octets from which a card or a key is told.
const BEGINNING: usize = 200;

/// Why a part is left out, if it is a thing of mail programs and not of people: by its type, and where that is vague by its name
/// or by how it begins.
pub(super) fn accessory(leaf: &Leaf<'_>) -> Option<Skipped> {
    by_type(&leaf.content_type).or_else(|| is_vague(leaf).then(|| by_content(leaf)).flatten())
}

fn by_type(content_type: &str) -> Option<Skipped> {
    Some(match content_type {
        "application/pkcs7-signature"
        | "application/x-pkcs7-signature"
        | "application/pgp-signature" => Skipped::Signature,
        "application/pgp-keys"
        | "application/pkix-cert"
        | "application/x-x509-ca-cert"
        | "application/x-x509-user-cert" => Skipped::Key,
        "application/applefile" => Skipped::ResourceFork,
        "text/vcard"
        | "text/x-vcard"
        | "text/directory"
        | "application/vcard"
        | "application/x-vcard" => Skipped::BusinessCard,
        "text/calendar"
        | "text/x-vcalendar"
        | "text/x-calendar"
        | "application/ics"
        | "application/x-ics"
        | "application/calendar"
        | "application/x-calendar" => Skipped::Calendar,
        "text/x-amp-html" | "text/watch-html" => Skipped::ForOthers,
        _ => return None,
    })
}

/// Whether its type says nothing of what it is.
fn is_vague(leaf: &Leaf<'_>) -> bool {
    let (kind, subtype) = leaf.content_type.split_once('/').unwrap_or_default();
    matches!(
        (kind, subtype),
        (
            "application",
            "octet-stream"
                | "binary"
                | "unknown"
                | "x-unknown"
                | "x-download"
                | "force-download"
                | "x-zip-compressed"
        )
    ) || kind == "application"
        && (subtype.contains("pkcs") || subtype.contains("pgp") || subtype.contains("card"))
        || kind == "text" && leaf.name.is_some() && !matches!(subtype, "html" | "csv")
}

fn by_content(leaf: &Leaf<'_>) -> Option<Skipped> {
    const SYSTEM: [&str; 7] = [
        ".ds_store",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        ".localized",
        "icon\r",
        ".directory",
    ];
    let name = leaf.name.as_deref().unwrap_or_default().trim();
    let is_named = |extensions: &[&str]| has_extension(name, extensions);
    let is_text_file = leaf.content_type == "text/plain" && is_named(&["txt", "text", "log", "md"]);
    let beginning = beginning(leaf);
    let begins = |words: &str| beginning.starts_with(words) && !is_text_file;
    if SYSTEM.contains(&name.to_ascii_lowercase().as_str()) {
        return Some(Skipped::OfSystem);
    }
    // AppleDouble: a name of its own, and a number.
    if name.starts_with("._") && !leaf.encoded.is_empty() && beginning_is_apple(leaf) {
        return Some(Skipped::ResourceFork);
    }
    if is_named(&["p7s", "sig"])
        || is_named(&["asc", "pgp", "sign"]) && begins("-----begin pgp signature")
        || begins("-----begin pgp signature")
    {
        return Some(Skipped::Signature);
    }
    if is_named(&["p7c", "p7b"])
        || begins("-----begin pgp public key")
        || begins("-----begin certificate")
    {
        return Some(Skipped::Key);
    }
    if is_named(&["vcf", "vcard"]) || begins("begin:vcard") {
        return Some(Skipped::BusinessCard);
    }
    if is_named(&["ics", "vcs", "ical", "ifb"]) || begins("begin:vcalendar") {
        return Some(Skipped::Calendar);
    }
    None
}

/// How it begins, in small letters.
fn beginning(leaf: &Leaf<'_>) -> String {
    let encoded = &leaf.encoded[..leaf.encoded.len().min(4 * BEGINNING)];
    let octets = leaf.encoding.decode(encoded).unwrap_or_default();
    let octets = octets.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&octets);
    let octets = octets.trim_ascii_start();
    String::from_utf8_lossy(&octets[..octets.len().min(BEGINNING)]).to_ascii_lowercase()
}

/// RFC 1740: the magic number of AppleSingle and AppleDouble.
fn beginning_is_apple(leaf: &Leaf<'_>) -> bool {
    let encoded = &leaf.encoded[..leaf.encoded.len().min(64)];
    let octets = leaf.encoding.decode(encoded).unwrap_or_default();
    octets.starts_with(b"\x00\x05\x16\x07") || octets.starts_with(b"\x00\x05\x16\x00")
}

/// Whether a part that cannot be drawn is one of the design of the text beside it, and no document: by its type, or because
/// the text shows it.
pub(super) fn is_of_design(leaf: &Leaf<'_>, is_shown: bool) -> bool {
    const DOCUMENTS: [&str; 16] = [
        "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "ods", "odp", "rtf", "zip",
        "txt", "csv", "eml", "msg",
    ];
    const DESIGN: [&str; 14] = [
        "mso", "thmx", "emz", "wmz", "emf", "wmf", "svg", "svgz", "css", "woff", "woff2", "ttf",
        "otf", "ico",
    ];
    let name = leaf.name.as_deref().unwrap_or_default();
    if has_extension(name, &DOCUMENTS) {
        return false;
    }
    let small = name.to_ascii_lowercase();
    // What Word writes beside its HTML.
    let is_words = has_extension(name, &DESIGN)
        || matches!(
            small.as_str(),
            "filelist.xml" | "colorschememapping.xml" | "editdata.mso"
        );
    let (kind, subtype) = leaf.content_type.split_once('/').unwrap_or_default();
    let is_design_type = matches!(kind, "image" | "font")
        || subtype.contains("mso")
        || subtype.contains("emz")
        || subtype.contains("wmz")
        || subtype.contains("font")
        || subtype == "css"
        || subtype == "vnd.ms-officetheme";
    is_shown
        || leaf.role == super::mime::Role::InText
        || is_words
        || is_design_type && !super::is_attachment(leaf)
}

/// Whether it has nothing in it and does not claim to be a document, of which somebody misses the content.
pub(super) fn is_empty(leaf: &Leaf<'_>) -> bool {
    const DOCUMENTS: [&str; 24] = [
        "pdf", "tif", "tiff", "jpg", "jpeg", "png", "gif", "webp", "heic", "bmp", "doc", "docx",
        "xls", "xlsx", "ppt", "pptx", "odt", "ods", "odp", "rtf", "zip", "eml", "msg", "ps",
    ];
    let name = leaf.name.as_deref().unwrap_or_default();
    let kind = leaf.content_type.split('/').next().unwrap_or_default();
    let claims = has_extension(name, &DOCUMENTS)
        || kind == "image" && leaf.role == super::mime::Role::Part
        || matches!(kind, "text" | "message")
        || leaf.content_type.contains("pdf")
        || leaf.content_type.contains("officedocument")
        || leaf.content_type.contains("msword")
        || leaf.content_type.contains("vnd.ms-");
    let octets = leaf.encoding.decode(leaf.encoded);
    let is_nothing = octets.is_some_and(|octets| octets.is_empty());
    !claims && (is_nothing || leaf.encoded.trim_ascii().is_empty())
}
