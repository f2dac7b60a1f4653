//! What a document is, told by its octets: names and declared types are what a sender's program believes.

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// ISO 32000.
    Pdf,
    /// TIFF 6.0, of fax pages or of pictures.
    Tiff,
    /// ISO 10918-1.
    Jpeg,
    /// ISO 15948.
    Png,
    /// GIF87a, GIF89a.
    Gif,
    /// RIFF with VP8.
    WebP,
    /// ISO 23008-12 with HEVC, as telephones take photographs.
    Heic,
    /// A format that is known and not read here.
    Other(Format),
    /// None of these.
    Unknown,
}

/// A format that is known and not read here; a converter may be set for its media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// For people: "Word document".
    pub name: &'static str,
    /// By which a converter is found.
    pub media_type: &'static str,
}

const fn other(name: &'static str, media_type: &'static str) -> Kind {
    Kind::Other(Format { name, media_type })
}

const AVIF: Kind = other("AVIF picture", "image/avif");
const TNEF: Kind = other("Outlook winmail.dat", "application/ms-tnef");
const RTF: Kind = other("rich text document", "application/rtf");
const POSTSCRIPT: Kind = other("PostScript document", "application/postscript");
const ZIP: Kind = other("ZIP archive", "application/zip");
const OLE: Kind = other("Microsoft file", "application/x-ole-storage");

/// Office files that are ZIP archives: a name that only such an archive holds.
const IN_ZIP: [(&[u8], Kind); 6] = [
    (
        b"word/document.xml",
        other(
            "Word document",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
    ),
    (
        b"xl/workbook.xml",
        other(
            "Excel workbook",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
    ),
    (
        b"ppt/presentation.xml",
        other(
            "PowerPoint presentation",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ),
    ),
    (
        b"application/vnd.oasis.opendocument.text",
        other(
            "OpenDocument text",
            "application/vnd.oasis.opendocument.text",
        ),
    ),
    (
        b"application/vnd.oasis.opendocument.spreadsheet",
        other(
            "OpenDocument spreadsheet",
            "application/vnd.oasis.opendocument.spreadsheet",
        ),
    ),
    (
        b"application/vnd.oasis.opendocument.presentation",
        other(
            "OpenDocument presentation",
            "application/vnd.oasis.opendocument.presentation",
        ),
    ),
];

/// Office files that are OLE containers: the name of a stream, in UTF-16.
const IN_OLE: [(&[u8], Kind); 3] = [
    (
        b"W\0o\0r\0d\0D\0o\0c\0u\0m\0e\0n\0t\0",
        other("Word document", "application/msword"),
    ),
    (
        b"W\0o\0r\0k\0b\0o\0o\0k\0",
        other("Excel workbook", "application/vnd.ms-excel"),
    ),
    (
        b"P\0o\0w\0e\0r\0P\0o\0i\0n\0t\0 \0D\0o\0c\0u\0m\0e\0n\0t\0",
        other("PowerPoint presentation", "application/vnd.ms-powerpoint"),
    ),
];

impl Kind {
    /// What `octets`, a whole document, are.
    pub fn of(octets: &[u8]) -> Kind {
        let is = |magic: &[u8]| octets.starts_with(magic);
        if is(b"\xFF\xD8\xFF") {
            Kind::Jpeg
        } else if is(b"\x89PNG\r\n\x1A\n") {
            Kind::Png
        } else if is(b"II\x2A\0") || is(b"MM\0\x2A") || is(b"II\x2B\0") || is(b"MM\0\x2B") {
            Kind::Tiff
        } else if is(b"GIF87a") || is(b"GIF89a") {
            Kind::Gif
        } else if is(b"RIFF") && octets.get(8..12) == Some(b"WEBP") {
            Kind::WebP
        } else if octets.get(4..8) == Some(b"ftyp") {
            // ISO 14496-12 4.3: the major brand.
            match octets.get(8..12) {
                Some(b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"mif1" | b"msf1") => {
                    Kind::Heic
                }
                Some(b"avif" | b"avis") => AVIF,
                _ => Kind::Unknown,
            }
        } else if is(b"\x78\x9F\x3E\x22") {
            TNEF
        } else if is(b"{\\rtf") {
            RTF
        } else if is(b"PK\x03\x04") {
            holding(octets, &IN_ZIP).unwrap_or(ZIP)
        } else if is(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
            holding(octets, &IN_OLE).unwrap_or(OLE)
        } else if has_pdf_mark(octets) {
            Kind::Pdf
        } else if is(b"%!PS") {
            POSTSCRIPT
        } else {
            Kind::Unknown
        }
    }

    /// Whether it is read here.
    pub fn is_readable(self) -> bool {
        !matches!(self, Kind::Other(_) | Kind::Unknown)
    }

    /// Whether it is a picture of one page.
    pub fn is_picture(self) -> bool {
        matches!(
            self,
            Kind::Jpeg | Kind::Png | Kind::Gif | Kind::WebP | Kind::Heic
        )
    }

    /// As it is called in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Pdf => "PDF",
            Kind::Tiff => "TIFF",
            Kind::Jpeg => "JPEG",
            Kind::Png => "PNG",
            Kind::Gif => "GIF",
            Kind::WebP => "WebP",
            Kind::Heic => "HEIC",
            Kind::Other(format) => format.name,
            Kind::Unknown => "unknown file",
        }
    }

    /// The media type by which a converter is found, of what is not read here.
    pub fn media_type(self) -> Option<&'static str> {
        match self {
            Kind::Other(format) => Some(format.media_type),
            _ => None,
        }
    }
}

/// ISO 32000-1 annex H.3.4: readers accept the mark anywhere in the first 1024 octets.
fn has_pdf_mark(octets: &[u8]) -> bool {
    let head = &octets[..octets.len().min(1024)];
    find(head, b"%PDF-")
}

fn holding(octets: &[u8], names: &[(&[u8], Kind)]) -> Option<Kind> {
    let held = names.iter().find(|(name, _)| find(octets, name));
    held.map(|(_, kind)| *kind)
}

fn find(octets: &[u8], what: &[u8]) -> bool {
    octets.windows(what.len()).any(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_known_by_its_octets() {
        for (octets, name) in [
            (&b"%PDF-1.4"[..], "PDF"),
            (b"\xEF\xBB\xBF\r\n%PDF-1.4", "PDF"),
            (b"II\x2A\0", "TIFF"),
            (b"MM\0\x2B", "TIFF"),
            (b"\xFF\xD8\xFF\xE1", "JPEG"),
            (b"\x89PNG\r\n\x1A\n", "PNG"),
            (b"GIF89a", "GIF"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "WebP"),
            (b"\0\0\0\x18ftypheic", "HEIC"),
            (b"\0\0\0\x18ftypavif", "AVIF picture"),
            (b"\0\0\0\x18ftypisom", "unknown file"),
            (b"\x78\x9F\x3E\x22\x01\0", "Outlook winmail.dat"),
            (b"PK\x03\x04....word/document.xml", "Word document"),
            (b"PK\x03\x04....xl/workbook.xml", "Excel workbook"),
            (
                b"PK\x03\x04mimetypeapplication/vnd.oasis.opendocument.text",
                "OpenDocument text",
            ),
            (b"PK\x03\x04....readme.txt", "ZIP archive"),
            (
                b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1W\0o\0r\0d\0D\0o\0c\0u\0m\0e\0n\0t\0",
                "Word document",
            ),
            (b"{\\rtf1\\ansi", "rich text document"),
            (b"%!PS-Adobe-3.0", "PostScript document"),
            (b"", "unknown file"),
            (b"PK", "unknown file"),
            (b"RIFF", "unknown file"),
        ] {
            assert_eq!(Kind::of(octets).name(), name, "{octets:?}");
        }
    }
}
