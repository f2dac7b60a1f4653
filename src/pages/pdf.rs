//! Fax pages to PDF: each page's T.6 data as it is, wrapped as CCITTFaxDecode (ISO 32000-1 7.4.6), in a file that an
//! archive takes (PDF/A-2b, ISO 19005-2).

mod archive;
mod file;
mod glyphless;
mod text_layer;

use jiff::Timestamp;

use archive::Identity;
pub(super) use file::{PdfFile, Ref};

use super::FaxPage;
use super::bitmap::Bitmap;
use super::g4;
use super::words::Word;
use text_layer::Layer;

const POINTS_PER_INCH: f64 = 72.0;

/// What the PDF says of itself (ISO 32000-1 14.3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PdfInfo {
    /// "Fax from +12025550123"; readers show it in their title bar.
    pub title: String,
    /// Who sent the fax, as far as that is known.
    pub sender: Option<String>,
    /// When the fax came in.
    pub created: Timestamp,
}

/// The pages as a PDF, each of its size on paper. The same pages and info give the same octets.
pub fn write(pages: &[FaxPage], info: &PdfInfo) -> Vec<u8> {
    write_searchable(pages, &[], info)
}

/// As [`write()`], with the words of each page under its picture, where there are any.
pub fn write_searchable(pages: &[FaxPage], words: &[Vec<Word>], info: &PdfInfo) -> Vec<u8> {
    let mut file = PdfFile::new();
    let tree = file.reserve();
    let layer = Layer::new(&mut file, words);
    let mut identity = Identity::of(info);
    let mut kids: Vec<Ref> = Vec::with_capacity(pages.len());
    for (n, page) in pages.iter().enumerate() {
        let words = words.get(n).filter(|words| !words.is_empty());
        let under = layer.as_ref().zip(words);
        let text = under.map(|(layer, words)| (layer.font, layer.text(page, words)));
        identity.page(&page.g4);
        identity.page(text.as_ref().map_or("", |(_, text)| text).as_bytes());
        kids.push(add_page(&mut file, tree, page, text));
    }
    file.set_page_tree(tree, &kids);
    let id = identity.octets();
    let sender = info.sender.as_deref();
    let author = sender.map_or(String::new(), |name| {
        format!("/Author {} ", text_string(name))
    });
    let about = file.add(&format!(
        "<< /Title {} {author}/Creator (Postfax) /Producer (Postfax) /CreationDate {date} /ModDate {date} >>",
        text_string(&info.title),
        date = date(info.created),
    ));
    // 6.6.2.1: in the clear, so that programs that know no PDF find it.
    let xmp = archive::xmp(info, &archive::uuid(id));
    let metadata = file.add_stream("/Type /Metadata /Subtype /XML", xmp.as_bytes());
    let profile = file.add_stream("/N 1", &archive::grey_profile());
    let intent = format!(
        "<< /Type /OutputIntent /S /GTS_PDFA1 /OutputConditionIdentifier (Grey, gamma 2.2) \
         /Info (Grey, gamma 2.2) /DestOutputProfile {profile} >>"
    );
    file.finish(
        tree,
        Some(about),
        &format!(
            "/Metadata {metadata} /OutputIntents [{intent}] /ViewerPreferences << /DisplayDocTitle true >> "
        ),
        &format!("/ID [<{id}> <{id}>] ", id = archive::hexadecimal(id)),
    )
}

/// Adds a page: its picture, and what lies under it by the font and the operators.
fn add_page(file: &mut PdfFile, tree: Ref, page: &FaxPage, text: Option<(Ref, String)>) -> Ref {
    let (width, height) = page.inches();
    let (width, height) = (width * POINTS_PER_INCH, height * POINTS_PER_INCH);
    // Without BlackIs1 a black pel decodes to 0, which is black in DeviceGray.
    let image = file.add_stream(
        &format!(
            "/Type /XObject /Subtype /Image /Width {w} /Height {h} /ColorSpace /DeviceGray /BitsPerComponent 1 \
             /Filter /CCITTFaxDecode /DecodeParms << /K -1 /Columns {w} /Rows {h} /BlackIs1 false >>",
            w = page.width,
            h = page.height,
        ),
        &page.g4,
    );
    let (font, text) = match text {
        Some((font, text)) => (format!(" /Font << /Words {font} >>"), text),
        None => (String::new(), String::new()),
    };
    let draw = format!("q {width:.2} 0 0 {height:.2} 0 0 cm /Fax Do Q\n{text}");
    let contents = file.add_stream("", draw.as_bytes());
    file.add(&format!(
        "<< /Type /Page /Parent {tree} /MediaBox [0 0 {width:.2} {height:.2}] /Contents {contents} \
         /Resources << /XObject << /Fax {image} >>{font} >> >>"
    ))
}

/// The pictures in a PDF that [`write()`] made, pel for pel; `None` where it is not one. For those who check what was
/// delivered: other PDFs go through the renderer.
pub fn pictures(pdf: &[u8]) -> Option<Vec<Bitmap>> {
    let mut pictures = Vec::new();
    let mut rest = pdf;
    while let Some(at) = find(rest, b"<< /Length ") {
        rest = &rest[at..];
        let data = find(rest, b"stream\n")? + b"stream\n".len();
        let entries = String::from_utf8_lossy(&rest[..data]);
        let entry = |name: &str| -> Option<usize> {
            let (_, value) = entries.split_once(&format!("{name} "))?;
            value
                .split(|c: char| !c.is_ascii_digit())
                .next()?
                .parse()
                .ok()
        };
        let stream = rest.get(data..data + entry("/Length")?)?;
        if entries.contains("/Subtype /Image") {
            pictures
                .push(g4::decode(stream, entry("/Columns")? as u32, entry("/Rows")? as u32).ok()?);
        }
        rest = &rest[data + stream.len()..];
    }
    Some(pictures)
}

fn find(octets: &[u8], what: &[u8]) -> Option<usize> {
    octets.windows(what.len()).position(|window| window == what)
}

/// ISO 32000-1 7.9.2.2: ASCII as it is, anything else in UTF-16BE.
fn text_string(text: &str) -> String {
    if text.chars().all(|c| matches!(c, ' '..='~')) {
        let escaped = text
            .replace('\\', "\\\\")
            .replace('(', "\\(")
            .replace(')', "\\)");
        return format!("({escaped})");
    }
    format!("<FEFF{}>", hexadecimal_utf16(text))
}

fn hexadecimal_utf16(text: &str) -> String {
    let units = text.encode_utf16();
    units.map(|unit| format!("{unit:04X}")).collect()
}

/// ISO 32000-1 7.9.4.
fn date(time: Timestamp) -> String {
    format!("(D:{})", time.strftime("%Y%m%d%H%M%SZ"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(title: &str) -> PdfInfo {
        PdfInfo {
            title: title.into(),
            sender: Some("CLINIC <WEST> & Co".into()),
            created: "2026-11-21T09:05:00Z".parse().unwrap(),
        }
    }

    fn blank(height: u32, y_dpi: u32) -> FaxPage {
        FaxPage {
            width: 1728,
            height,
            x_dpi: 204,
            y_dpi,
            g4: g4::encode(&Bitmap::new(1728, height).unwrap()),
        }
    }

    fn text(pdf: &[u8]) -> String {
        String::from_utf8_lossy(pdf).into_owned()
    }

    #[test]
    fn page_has_its_size_on_paper_at_every_resolution() {
        for (height, y_dpi) in [(1143, 98), (2287, 196), (4574, 391)] {
            let pdf = text(&write(&[blank(height, y_dpi)], &info("")));
            // 215 x 297 mm.
            assert!(pdf.contains("/MediaBox [0 0 609.45 841."), "{y_dpi}: {pdf}");
        }
    }

    #[test]
    fn strips_are_carried_unchanged() {
        let page = blank(100, 196);
        let pdf = write(&[page.clone(), page.clone()], &info("two"));
        let found = pdf
            .windows(page.g4.len())
            .filter(|octets| *octets == page.g4);
        assert_eq!(found.count(), 2);
        assert_eq!(pdf, write(&[page.clone(), page], &info("two")));
    }

    #[test]
    fn pictures_come_out_as_they_went_in() {
        let mut picture = Bitmap::new(1728, 40).unwrap();
        picture.blacken(7, &[100, 300]);
        let page = FaxPage {
            width: 1728,
            height: 40,
            x_dpi: 204,
            y_dpi: 196,
            g4: g4::encode(&picture),
        };
        let pdf = write(&[page.clone(), page], &info("Fax"));
        assert_eq!(pictures(&pdf).unwrap(), [picture.clone(), picture]);
        assert_eq!(pictures(b"%PDF-1.7 of somebody else").unwrap(), []);
    }

    #[test]
    fn every_offset_of_the_cross_reference_leads_to_its_object() {
        let pdf = write(&[blank(50, 98), blank(60, 98)], &info("x"));
        let whole = text(&pdf);
        let start: usize = whole
            .rsplit("startxref\n")
            .next()
            .and_then(|tail| tail.lines().next())
            .unwrap()
            .parse()
            .unwrap();
        let table = text(&pdf[start..]);
        let mut lines = table.lines().skip(1);
        let count: usize = lines.next().unwrap()[2..].parse().unwrap();
        for (number, line) in lines.take(count).enumerate().skip(1) {
            let offset: usize = line[..10].parse().unwrap();
            assert!(pdf[offset..].starts_with(format!("{number} 0 obj").as_bytes()));
        }
    }

    fn word(text: &str, left: u32) -> Word {
        Word {
            text: text.into(),
            left,
            top: 100,
            width: 200,
            height: 30,
        }
    }

    #[test]
    fn words_lie_under_the_picture_and_change_no_octet_of_it() {
        let pages = [blank(2287, 196), blank(2287, 196)];
        let words = [
            vec![word("Dear", 100), word("J\u{fc}rgen \u{1f600}", 400)],
            vec![],
        ];
        let plain = write(&pages, &info("Fax"));
        let pdf = write_searchable(&pages, &words, &info("Fax"));
        let streams = |pdf: &[u8]| {
            let images = pdf
                .windows(pages[0].g4.len())
                .filter(|octets| *octets == pages[0].g4);
            images.count()
        };
        assert_eq!((streams(&plain), streams(&pdf)), (2, 2));
        assert_eq!(pictures(&pdf), pictures(&plain));
        let whole = text(&pdf);
        // Drawn by no reader: mode 3 before the first word, and no other mode behind it.
        let layer = whole
            .split("BT ")
            .nth(1)
            .unwrap()
            .split("ET")
            .next()
            .unwrap();
        assert!(
            layer.starts_with("3 Tr") && layer.matches(" Tr").count() == 1,
            "{layer}"
        );
        assert_eq!(whole.matches("BT ").count(), 1, "the second page has none");
        // ISO 19005-2 6.2.11.4.1: the font is in the file; 6.2.11.3.2: and how its glyphs are found.
        assert!(whole.contains("/FontFile2 ") && whole.contains("/CIDToGIDMap /Identity"));
        assert!(
            whole.contains("<D83DDE00>"),
            "beyond the basic plane in two units"
        );
        assert_eq!(
            plain,
            write_searchable(&pages, &[vec![], vec![]], &info("Fax"))
        );
        assert!(!text(&plain).contains("/Font"));
    }

    /// What a reader finds, by PDFium.
    #[test]
    fn a_search_finds_the_words() {
        let words = [vec![word("Dear", 100), word("J\u{fc}rgen", 400)]];
        let pdf = write_searchable(&[blank(2287, 196)], &words, &info("Fax"));
        let found = crate::pages::pdfium::testing::with_pdfium(|renderer| {
            renderer.open(&pdf).unwrap().page(1).unwrap().text()
        });
        assert_eq!(
            found.split_whitespace().collect::<Vec<_>>(),
            ["Dear", "J\u{fc}rgen"]
        );
    }

    #[test]
    fn title_with_brackets_and_letters_beyond_ascii() {
        assert_eq!(text_string(r"Fax (a\b)"), r"(Fax \(a\\b\))");
        assert_eq!(text_string("Ä"), "<FEFF00C4>");
        assert_eq!(date(info("").created), "(D:20261121090500Z)");
    }

    /// ISO 19005-2, as far as it speaks of what is in such a file.
    #[test]
    fn an_archive_takes_it() {
        let pages: Vec<FaxPage> = (0..3).map(|n| blank(100 + n, 196)).collect();
        let pdf = write(&pages, &info("Fax from \u{c4}rzte & Co"));
        let whole = text(&pdf);
        // 6.1.2: the mark, and four octets above 127 in a comment behind it.
        assert!(pdf.starts_with(b"%PDF-1.7\n%"));
        assert!(pdf[10..14].iter().all(|octet| *octet > 127));
        // 6.1.3: an identifier; nothing behind the end; not encrypted.
        let id = whole.split("/ID [<").nth(1).unwrap();
        assert!(id[..32].chars().all(|c| c.is_ascii_hexdigit()) && id[32..].starts_with("> <"));
        assert!(whole.ends_with("%%EOF\n") && !whole.contains("/Encrypt"));
        // 6.1.7.1: each stream is as long as it says, between line ends.
        let mut streams = 0;
        let mut rest = &pdf[..];
        while let Some(at) = find(rest, b"<< /Length ") {
            rest = &rest[at + 11..];
            let len: usize = text(&rest[..9]).split(' ').next().unwrap().parse().unwrap();
            rest = &rest[find(rest, b"stream\n").unwrap() + 7..];
            assert!(rest[len..].starts_with(b"\nendstream\nendobj\n"));
            rest = &rest[len..];
            streams += 1;
        }
        assert_eq!(streams, 2 * pages.len() + 2);
        // 6.1.9: nothing else on the line of an object's number.
        assert!(
            whole
                .lines()
                .filter(|line| line.ends_with(" obj"))
                .all(|line| {
                    let words: Vec<&str> = line.split(' ').collect();
                    words.len() == 3 && words[0].parse::<u32>().is_ok() && words[1] == "0"
                })
        );
        // 6.2.3, 6.2.4.3: DeviceGray, and what is meant by it.
        assert!(whole.contains("/OutputIntents [<< /Type /OutputIntent /S /GTS_PDFA1 "));
        assert!(whole.contains("/N 1 >>"));
        // 6.2.8, 6.2.9, 6.1.10, 6.3, 6.4, 6.5, 6.8: none of what is forbidden.
        for key in [
            "/Interpolate",
            "/Alternates",
            "/OPI",
            "/LZWDecode",
            "/JavaScript",
            "/AA",
            "/OpenAction",
            "/EmbeddedFiles",
            "/Annots",
            "/AcroForm",
            "/XFA",
            "/SMask",
            "/TR ",
            "/BM",
            "/F (",
            "/FFilter",
            "/Requirements",
            "/AlternatePresentations",
            "/PresSteps",
            "/Ref",
        ] {
            assert!(!whole.contains(key), "{key}");
        }
        // 6.6.2, 6.6.4: metadata in the clear, saying what it is, and the same as the old dictionary does.
        let xmp = whole
            .split("<?xpacket begin")
            .nth(1)
            .unwrap()
            .split("<?xpacket end")
            .next()
            .unwrap();
        for said in [
            "<pdfaid:part>2</pdfaid:part>",
            "<pdfaid:conformance>B</pdfaid:conformance>",
            "<rdf:li xml:lang=\"x-default\">Fax from \u{c4}rzte &amp; Co</rdf:li>",
            "<rdf:li>CLINIC &lt;WEST&gt; &amp; Co</rdf:li>",
            "<xmp:CreateDate>2026-11-21T09:05:00Z</xmp:CreateDate>",
        ] {
            assert!(xmp.contains(said), "{said}");
        }
        assert!(!xmp.contains("bytes=") && !xmp.contains("encoding="));
        assert!(whole.contains("/Metadata ") && whole.contains("/Type /Metadata /Subtype /XML"));
        assert!(whole.contains("/CreationDate (D:20261121090500Z)"));
        let other = write(&pages[..2], &info("Fax from \u{c4}rzte & Co"));
        assert!(
            !text(&other).contains(&id[..32]),
            "another fax, another identifier"
        );
    }

    #[test]
    fn the_profile_is_one_of_grey() {
        let profile = archive::grey_profile();
        assert_eq!(profile[..4], (profile.len() as u32).to_be_bytes());
        assert_eq!(&profile[12..24], b"mntrGRAYXYZ ");
        assert_eq!(&profile[36..40], b"acsp");
        // Each tag lies inside, on a multiple of four, and begins with its type.
        let number =
            |at: usize| u32::from_be_bytes(profile[at..at + 4].try_into().unwrap()) as usize;
        for tag in 0..number(128) {
            let (offset, len) = (number(136 + 12 * tag), number(140 + 12 * tag));
            assert!(offset % 4 == 0 && offset + len <= profile.len());
            assert!(profile[offset..offset + 4].iter().all(u8::is_ascii));
        }
    }

    #[test]
    fn two_hundred_pages_are_wrapped_at_once() {
        let pages = vec![blank(2287, 196); 200];
        let began = std::time::Instant::now();
        let pdf = write(&pages, &info("many"));
        assert!(began.elapsed().as_millis() < 1000, "{:?}", began.elapsed());
        assert_eq!(text(&pdf).matches("/Subtype /Image").count(), 200);
    }
}
