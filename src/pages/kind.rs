//! What a document is, told by its octets: names and declared types are what a sender's program believes.

mod office;

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
    /// Windows and OS/2 bitmaps.
    Bmp,
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
const JPEG_2000: Kind = other("JPEG 2000 picture", "image/jp2");
const JPEG_XL: Kind = other("JPEG XL picture", "image/jxl");
const DICOM: Kind = other("DICOM picture", "application/dicom");
const TNEF: Kind = other("Outlook winmail.dat", "application/ms-tnef");
const RTF: Kind = other("rich text document", "application/rtf");
const POSTSCRIPT: Kind = other("PostScript document", "application/postscript");
const ZIP: Kind = other("ZIP archive", "application/zip");
const DWG: Kind = other("AutoCAD drawing", "image/vnd.dwg");
const RECORDING: Kind = other("video or recording", "video/mp4");

/// Office files that are ZIP archives: a name that only such an archive holds.
const IN_ZIP: [(&[u8], Kind); 13] = [
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
    (
        b"application/vnd.oasis.opendocument.graphics",
        other(
            "OpenDocument drawing",
            "application/vnd.oasis.opendocument.graphics",
        ),
    ),
    (
        b"xl/workbook.bin",
        other(
            "Excel workbook",
            "application/vnd.ms-excel.sheet.binary.macroenabled.12",
        ),
    ),
    (
        b"visio/document.xml",
        other("Visio drawing", "application/vnd.ms-visio.drawing"),
    ),
    (
        b"FixedDocSeq.fdseq",
        other("XPS document", "application/oxps"),
    ),
    (
        b"FixedDocumentSequence.fdseq",
        other("XPS document", "application/oxps"),
    ),
    (
        b"Index/Document.iwa",
        other(
            "document of Pages, Numbers or Keynote",
            "application/vnd.apple.iwork",
        ),
    ),
    (
        b"application/epub+zip",
        other("EPUB book", "application/epub+zip"),
    ),
];

/// Formats that begin with a mark of their own, and what a reader knows them by.
const MARKED: [(&[u8], Kind); 27] = [
    (b"\0\0\0\x0CjP  \r\n\x87\n", JPEG_2000),
    (b"\xFF\x4F\xFF\x51", JPEG_2000),
    (b"\0\0\0\x0CJXL \r\n\x87\n", JPEG_XL),
    (b"\xFF\x0A", JPEG_XL),
    (b"\xFF\xD8\xFF\xF7", other("JPEG-LS picture", "image/jls")),
    (
        b"\x97JB2\r\n\x1A\n",
        other("JBIG2 picture", "image/x-jbig2"),
    ),
    (
        b"8BPS\0",
        other("Photoshop picture", "image/vnd.adobe.photoshop"),
    ),
    (
        b"\x01\0\0\0\x58\0\0\0",
        other("Windows metafile (EMF)", "image/emf"),
    ),
    (
        b"\xD7\xCD\xC6\x9A",
        other("Windows metafile (WMF)", "image/wmf"),
    ),
    (
        b"\x76\xE8\x04\x60\xC4\x11\xE3\x86",
        other(
            "Outlook message with restricted rights",
            "application/x-locked-mail",
        ),
    ),
    (
        b".pfile",
        other(
            "document with restricted rights",
            "application/x-locked-office",
        ),
    ),
    (b"II\xBC\x01", other("JPEG XR picture", "image/jxr")),
    (b"Rar!\x1A\x07", other("RAR archive", "application/vnd.rar")),
    (
        b"7z\xBC\xAF\x27\x1C",
        other("7-Zip archive", "application/x-7z-compressed"),
    ),
    (b"\x1F\x8B", other("gzip archive", "application/gzip")),
    (b"BZh91AY&SY", other("bzip2 archive", "application/x-bzip2")),
    (b"\xFD7zXZ\0", other("xz archive", "application/x-xz")),
    (
        b"MSCF\0\0\0\0",
        other("cabinet archive", "application/vnd.ms-cab-compressed"),
    ),
    (b"AT&TFORM\0", other("DjVu document", "image/vnd.djvu")),
    (
        b"\xC5\xD0\xD3\xC6",
        other("encapsulated PostScript", "application/postscript"),
    ),
    (
        b"\x00\x01\x00\x00Standard ACE DB",
        other("Access database", "application/x-msaccess"),
    ),
    (
        b"\x00\x01\x00\x00Standard Jet DB",
        other("Access database", "application/x-msaccess"),
    ),
    (
        b"\xE4\x52\x5C\x7B\x8C\xD8\xA7\x4D",
        other("OneNote section", "application/onenote"),
    ),
    (
        b"\xFFWPC",
        other("WordPerfect document", "application/vnd.wordperfect"),
    ),
    (b"ID3\x03", other("MP3 recording", "audio/mpeg")),
    (b"OggS\0", other("Ogg recording", "audio/ogg")),
    (
        b"\x1B%-12345X",
        other("print job (PCL)", "application/vnd.hp-pcl"),
    ),
];

impl Kind {
    /// What `octets`, a whole document, are.
    pub fn of(octets: &[u8]) -> Kind {
        let is = |magic: &[u8]| octets.starts_with(magic);
        if is(b"\xFF\xD8\xFF") && !is(b"\xFF\xD8\xFF\xF7") {
            Kind::Jpeg
        } else if is_bmp(octets) {
            Kind::Bmp
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
                // Of pictures in general: the compatible brands tell which.
                Some(b"mif1" | b"msf1") if has_brand(octets, &[b"avif", b"avis"]) => AVIF,
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
            let locked = office::locked_zip(octets);
            locked.or_else(|| holding(octets, &IN_ZIP)).unwrap_or(ZIP)
        } else if is(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
            office::in_ole(octets)
        } else if has_pdf_mark(octets) {
            Kind::Pdf
        } else if is(b"%!PS") {
            POSTSCRIPT
        } else if is(b"RIFF") && matches!(octets.get(8..12), Some(b"WAVE" | b"AVI ")) {
            RECORDING
        } else if octets.get(128..132) == Some(b"DICM") {
            DICOM
        } else if is(b"AC10") && octets.get(6) == Some(&0) {
            DWG
        } else {
            let marked = MARKED.iter().find(|(mark, _)| is(mark));
            marked.map_or(Kind::Unknown, |(_, kind)| *kind)
        }
    }

    /// Whether it is read here.
    pub fn is_readable(self) -> bool {
        !matches!(self, Kind::Other(_) | Kind::Unknown)
    }

    /// Whether only its password opens it, so that no program can.
    pub fn is_locked(self) -> bool {
        self.media_type()
            .is_some_and(|media_type| media_type.starts_with("application/x-locked"))
    }

    /// Whether it is a picture of one page.
    pub fn is_picture(self) -> bool {
        matches!(
            self,
            Kind::Jpeg | Kind::Png | Kind::Gif | Kind::WebP | Kind::Bmp | Kind::Heic
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
            Kind::Bmp => "BMP",
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

/// Whether one of these stands among the compatible brands (ISO 14496-12 4.3).
fn has_brand(octets: &[u8], brands: &[&[u8; 4]]) -> bool {
    let length = octets
        .first_chunk()
        .map_or(0, |length| u32::from_be_bytes(*length));
    let end = octets.len().min(length as usize).min(1024);
    let listed = octets.get(16..end).unwrap_or_default();
    let mut listed = listed.as_chunks::<4>().0.iter();
    listed.any(|brand| brands.contains(&brand))
}

/// "BM", and a header of one of the sizes that there are: text may begin with these letters.
fn is_bmp(octets: &[u8]) -> bool {
    let header = octets.get(14..18).and_then(|size| size.first_chunk());
    let header = header.map(|size| u32::from_le_bytes(*size));
    octets.starts_with(b"BM") && matches!(header, Some(12 | 16 | 40 | 52 | 56 | 64 | 108 | 124))
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
            (b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", "BMP"),
            (b"BMW parts for Tuesday, please", "unknown file"),
            (b"\0\0\0\x0CjP  \r\n\x87\n", "JPEG 2000 picture"),
            (b"\xFF\x4F\xFF\x51\0", "JPEG 2000 picture"),
            (b"\xFF\xD8\xFF\xF7\0", "JPEG-LS picture"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "AVIF picture"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
            (b".pfile\x02\0", "document with restricted rights"),
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
            (b"Rar!\x1A\x07\0", "RAR archive"),
            (b"PK\x03\x04....xl/workbook.bin", "Excel workbook"),
            (b"RIFF\0\0\0\0WAVEfmt ", "video or recording"),
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
