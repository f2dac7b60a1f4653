//! Sheets as a PDF file (ISO 32000-1 7.5), with the fonts that they write in.

use ab_glyph::{Font, FontRef};

use super::sheet::Sheet;

/// Objects by number, from 1.
struct File {
    octets: Vec<u8>,
    offsets: Vec<usize>,
}

impl File {
    fn add(&mut self, dictionary: &str, stream: Option<&[u8]>) -> usize {
        self.offsets.push(self.octets.len());
        let number = self.offsets.len();
        let mut put = |octets: &[u8]| self.octets.extend_from_slice(octets);
        put(format!("{number} 0 obj\n").as_bytes());
        match stream {
            None => put(format!("<< {dictionary} >>").as_bytes()),
            Some(data) => {
                put(format!("<< {dictionary} /Length {} >>\nstream\n", data.len()).as_bytes());
                put(data);
                put(b"\nendstream");
            }
        }
        put(b"\nendobj\n");
        number
    }
}

/// The sheets as one file.
pub fn pdf(sheets: &[Sheet]) -> Vec<u8> {
    let mut file = File {
        octets: b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n".to_vec(),
        offsets: Vec::new(),
    };
    let fonts = fonts(&mut file);
    let per_sheet = |sheet: &Sheet| sheet.pictures().len() + 2;
    let tree = file.offsets.len() + sheets.iter().map(per_sheet).sum::<usize>() + 1;
    let pages: Vec<String> = sheets
        .iter()
        .map(|sheet| format!("{} 0 R", page(&mut file, sheet, &fonts, tree)))
        .collect();
    let (count, kids) = (pages.len(), pages.join(" "));
    file.add(&format!("/Type /Pages /Count {count} /Kids [{kids}]"), None);
    let catalog = file.add(&format!("/Type /Catalog /Pages {tree} 0 R"), None);
    finish(file, catalog)
}

fn page(file: &mut File, sheet: &Sheet, fonts: &str, tree: usize) -> usize {
    let mut pictures = String::new();
    for (n, picture) in sheet.pictures().iter().enumerate() {
        let number = file.add(
            &format!(
                "/Type /XObject /Subtype /Image /Width {} /Height {} /BitsPerComponent 8 /ColorSpace /{}",
                picture.width, picture.height,
                if picture.levels.len() == picture.width * picture.height { "DeviceGray" } else { "DeviceRGB" },
            ),
            Some(&picture.levels),
        );
        pictures += &format!("/P{n} {number} 0 R ");
    }
    let contents = file.add("", Some(sheet.content().as_bytes()));
    let (width, height) = sheet.size();
    file.add(
        &format!(
            "/Type /Page /Parent {tree} 0 R /MediaBox [0 0 {width} {height}] /Contents {contents} 0 R \
             /Resources << /Font << {fonts} >> /XObject << {pictures} >> >>"
        ),
        None,
    )
}

/// Two of those that every reader has, two that are embedded, and one that nobody has.
fn fonts(file: &mut File) -> String {
    let base = |file: &mut File, name: &str| {
        file.add(
            &format!("/Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding"),
            None,
        )
    };
    let numbers = [
        ("Helvetica", base(file, "Helvetica")),
        ("HelveticaBold", base(file, "Helvetica-Bold")),
        ("Times", base(file, "Times-Roman")),
        (
            "Sans",
            embedded(file, "DejaVuSans", dejavu::sans::regular()),
        ),
        (
            "Serif",
            embedded(file, "DejaVuSerif", dejavu::serif::regular()),
        ),
        ("Song", chinese(file)),
    ];
    numbers
        .map(|(name, number)| format!("/{name} {number} 0 R "))
        .concat()
}

fn embedded(file: &mut File, name: &str, octets: &[u8]) -> usize {
    let font = FontRef::try_from_slice(octets).expect("it comes with the program");
    let units = font.units_per_em().expect("a font has an em");
    let widths: Vec<String> = (32..127u8)
        .map(|c| font.h_advance_unscaled(font.glyph_id(c.into())) * 1000.0 / units)
        .map(|width| format!("{width:.0}"))
        .collect();
    let program = file.add(&format!("/Length1 {}", octets.len()), Some(octets));
    let descriptor = file.add(
        &format!(
            "/Type /FontDescriptor /FontName /{name} /Flags 32 /FontBBox [-1020 -463 1793 1232] /ItalicAngle 0 \
             /Ascent 928 /Descent -236 /CapHeight 729 /StemV 80 /FontFile2 {program} 0 R"
        ),
        None,
    );
    file.add(
        &format!(
            "/Type /Font /Subtype /TrueType /BaseFont /{name} /Encoding /WinAnsiEncoding /FirstChar 32 /LastChar 126 \
             /Widths [{}] /FontDescriptor {descriptor} 0 R",
            widths.join(" ")
        ),
        None,
    )
}

fn chinese(file: &mut File) -> usize {
    let descriptor = file.add(
        "/Type /FontDescriptor /FontName /STSong-Light /Flags 6 /FontBBox [-25 -254 1000 880] /ItalicAngle 0 \
         /Ascent 752 /Descent -271 /CapHeight 737 /StemV 58",
        None,
    );
    let descendant = file.add(
        &format!(
            "/Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /CIDSystemInfo << /Registry (Adobe) \
             /Ordering (GB1) /Supplement 4 >> /DW 1000 /FontDescriptor {descriptor} 0 R"
        ),
        None,
    );
    file.add(
        &format!(
            "/Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H \
             /DescendantFonts [{descendant} 0 R]"
        ),
        None,
    )
}

fn finish(file: File, catalog: usize) -> Vec<u8> {
    let File {
        mut octets,
        offsets,
    } = file;
    let (start, size) = (octets.len(), offsets.len() + 1);
    let mut end = format!("xref\n0 {size}\n0000000000 65535 f \n");
    for offset in &offsets {
        end += &format!("{offset:010} 00000 n \n");
    }
    end += &format!("trailer\n<< /Size {size} /Root {catalog} 0 R >>\nstartxref\n{start}\n%%EOF\n");
    octets.extend_from_slice(end.as_bytes());
    octets
}
