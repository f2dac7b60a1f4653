//! Sample documents: the letter that `postfax demo` faxes, and PDFs with something wrong for trials.

mod canvas;
mod letter;
pub mod pictures;
pub mod tnef;

use super::pdf::{PdfFile, Ref};
use canvas::Canvas;

/// ISO A4 in points.
const A4: (f64, f64) = (595.28, 841.89);

/// A two-page business letter on A4: text, rules, a table with a light fill, a drawing.
pub fn demo_document() -> Vec<u8> {
    document(A4, &[letter::first_page(), letter::second_page()])
}

/// `count` pages that say which page they are.
pub fn numbered_pages(count: u32) -> Vec<u8> {
    let pages: Vec<Canvas> = (1..=count)
        .map(|number| {
            let mut page = Canvas::default();
            page.text(200.0, 420.0, 36.0, &format!("Page {number} of {count}"));
            page
        })
        .collect();
    document(A4, &pages)
}

/// One page of `width` x `height` points with a frame along its edges: what is cropped shows.
pub fn framed_page(width: f64, height: f64) -> Vec<u8> {
    let mut page = Canvas::default();
    page.line_width(4.0);
    page.frame(2.0, 2.0, width - 4.0, height - 4.0);
    page.text(20.0, height - 40.0, 14.0, "TOP");
    document((width, height), &[page])
}

/// One page of `count` hairlines across and as many down, each 0.25 points thick and at a place of its own between
/// two rows of pels.
pub fn hairlines(count: u32) -> Vec<u8> {
    let mut page = Canvas::default();
    page.line_width(0.25);
    for n in 0..count {
        let offset = f64::from(n) * 10.137;
        page.line((100.0, 100.0 + offset), (300.0, 100.0 + offset));
        page.line((320.0 + offset, 500.0), (320.0 + offset, 700.0));
    }
    document(A4, &[page])
}

/// One page with five light grey rules across and four down, as text processors draw the lines of tables.
pub fn light_rules() -> Vec<u8> {
    let mut page = Canvas::default();
    for n in 0..5 {
        page.fill(100.0, 700.0 - f64::from(n) * 50.17, 400.0, 0.5, 0.85);
    }
    for n in 0..4 {
        page.fill(100.0 + f64::from(n) * 100.3, 100.0, 0.5, 350.0, 0.85);
    }
    document(A4, &[page])
}

/// One page with a picture of `side` x `side` grey dots, small in the file and large in memory.
pub fn large_picture(side: u32) -> Vec<u8> {
    // RunLengthDecode (ISO 32000-1 7.4.5): 129 = 128 times the octet that follows; 128 ends.
    let runs = (u64::from(side) * u64::from(side)).div_ceil(128);
    let levels = (0..runs).flat_map(|run| [129, run as u8]).chain([128]);
    let mut file = PdfFile::new();
    let tree = file.reserve();
    let picture = file.add_stream(
        &format!(
            "/Type /XObject /Subtype /Image /Width {side} /Height {side} /BitsPerComponent 8 \
             /ColorSpace /DeviceGray /Filter /RunLengthDecode"
        ),
        &levels.collect::<Vec<u8>>(),
    );
    let contents = file.add_stream("", b"q 500 0 0 500 40 100 cm /P Do Q");
    let page = file.add(&format!(
        "<< /Type /Page /Parent {tree} /MediaBox [0 0 {} {}] /Contents {contents} \
         /Resources << /XObject << /P {picture} >> >> >>",
        A4.0, A4.1
    ));
    file.set_page_tree(tree, &[page]);
    file.finish(tree, None, "", "")
}

/// A cover page of a site's own: a letterhead with a form below it. Each field has a name, its corners (left, bottom,
/// right, top) in points, and whether it takes several lines.
pub fn cover_form(fields: &[(&str, [f64; 4], bool)]) -> Vec<u8> {
    let mut page = Canvas::default();
    page.bold(70.0, 760.0, 26.0, "OFFICE FAX");
    page.line_width(2.0);
    page.line((70.0, 745.0), (525.0, 745.0));
    for (name, [left, bottom, ..], _) in fields {
        page.text(70.0, bottom + 4.0, 9.0, name);
        page.line_width(0.5);
        page.line((*left, *bottom), (525.0, *bottom));
    }
    let mut file = PdfFile::new();
    let tree = file.reserve();
    let fonts = file.add(&canvas::fonts());
    let widgets: Vec<String> = fields
        .iter()
        .map(|(name, [left, bottom, right, top], multiline)| {
            let flags = if *multiline { 4096 } else { 0 };
            let widget = format!(
                "<< /Type /Annot /Subtype /Widget /FT /Tx /T ({name}) /V (placeholder) /Ff {flags} /F 4 \
                 /DA (/Helv 12 Tf 0 g) /Rect [{left} {bottom} {right} {top}] >>"
            );
            file.add(&widget).to_string()
        })
        .collect();
    let widgets = widgets.join(" ");
    let contents = file.add_stream("", page.content().as_bytes());
    let page = file.add(&format!(
        "<< /Type /Page /Parent {tree} /MediaBox [0 0 {} {}] /Contents {contents} /Annots [{widgets}] \
         /Resources << /Font {fonts} >> >>",
        A4.0, A4.1
    ));
    file.set_page_tree(tree, &[page]);
    let form = format!(
        "/AcroForm << /Fields [{widgets}] /NeedAppearances true /DA (/Helv 12 Tf 0 g) \
         /DR << /Font << /Helv << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >> "
    );
    file.finish(tree, None, &form, "")
}

/// A page of black text, one of white text, and one without any.
pub fn white_text() -> Vec<u8> {
    let page = |grey: f64, text: &str| {
        let mut page = Canvas::default();
        page.grey(grey);
        page.text(100.0, 400.0, 12.0, text);
        page
    };
    let pages = [page(0.0, "black"), page(1.0, "white"), Canvas::default()];
    document(A4, &pages)
}

/// A page that stands for what is not shown: a form (XFA) that needs rendering; one that does not, and says so; a
/// portfolio; a document with rights management; an invoice with its data, which is none of these.
pub fn wrappers() -> [Vec<u8>; 5] {
    let wrapper = |text: &str, catalog: &str, name: &str| {
        let mut page = Canvas::default();
        page.text(72.0, 700.0, 12.0, text);
        let mut file = PdfFile::new();
        let tree = file.reserve();
        let fonts = file.add(&canvas::fonts());
        let contents = file.add_stream("", page.content().as_bytes());
        let page = file.add(&format!(
            "<< /Type /Page /Parent {tree} /MediaBox [0 0 {} {}] /Contents {contents} \
             /Resources << /Font {fonts} >> >>",
            A4.0, A4.1
        ));
        file.set_page_tree(tree, &[page]);
        let xfa = file.add_stream("", b"<xdp:xdp xmlns:xdp='http://ns.adobe.com/xdp/'/>");
        let data = file.add_stream("/Type /EmbeddedFile", b"<invoice/>");
        let file_entry = file.add(&format!(
            "<< /Type /Filespec /F ({name}) /UF ({name}) /EF << /F {data} >> >>"
        ));
        let catalog = catalog
            .replace("XFA", &format!("/AcroForm << /Fields [] /XFA {xfa} >>"))
            .replace(
                "FILES",
                &format!("/Names << /EmbeddedFiles << /Names [({name}) {file_entry}] >> >>"),
            );
        file.finish(tree, None, &format!("{catalog} "), "")
    };
    [
        wrapper("Bitte warten", "XFA /NeedsRendering true", ""),
        wrapper("Please get Adobe Reader", "XFA", ""),
        wrapper("Cover", "FILES /Collection << /View /D >>", "one.pdf"),
        wrapper(
            "Protected",
            "FILES",
            "MicrosoftIRMServices Protected PDF.pdf",
        ),
        wrapper("Invoice 7", "FILES", "factur-x.xml"),
    ]
}

/// Valid, and without any page.
pub fn without_pages() -> Vec<u8> {
    document(A4, &[])
}

/// One page whose crop box lies beside it.
pub fn cropped_away() -> Vec<u8> {
    let mut page = Canvas::default();
    page.text(200.0, 420.0, 36.0, "Not to be seen");
    document_with(A4, &[page], "/CropBox [3000 3000 3600 3800]")
}

/// Wants the user password "secret" (RC4 with 40 bits, ISO 32000-1 7.6.3).
pub fn encrypted() -> Vec<u8> {
    const ID: &str = "000102030405060708090A0B0C0D0E0F";
    // Algorithms 3 and 4 over the passwords "owner" and "secret", the permissions and the ID.
    const O: &str = "92FE0F4454AD4C9644693F33C07CB54F587DCE1E2682FE9ECEA6107A1EF630DD";
    const U: &str = "A2D98DD93474875EC95C60445C51FE1DF35FFAAC7DA1BACA629058B1C08A8E39";
    let mut file = PdfFile::new();
    let tree = file.reserve();
    let page = file.add(&format!(
        "<< /Type /Page /Parent {tree} /MediaBox [0 0 {} {}] >>",
        A4.0, A4.1
    ));
    file.set_page_tree(tree, &[page]);
    let lock = file.add(&format!(
        "<< /Filter /Standard /V 1 /R 2 /O <{O}> /U <{U}> /P -4 >>"
    ));
    file.finish(
        tree,
        None,
        "",
        &format!("/Encrypt {lock} /ID [<{ID}> <{ID}>] "),
    )
}

fn document(size: (f64, f64), pages: &[Canvas]) -> Vec<u8> {
    document_with(size, pages, "")
}

/// `entries` are further ones of each page's dictionary.
fn document_with((width, height): (f64, f64), pages: &[Canvas], entries: &str) -> Vec<u8> {
    let mut file = PdfFile::new();
    let tree = file.reserve();
    let fonts = file.add(&canvas::fonts());
    let kids: Vec<Ref> = pages
        .iter()
        .map(|page| {
            let contents = file.add_stream("", page.content().as_bytes());
            file.add(&format!(
                "<< /Type /Page /Parent {tree} /MediaBox [0 0 {width} {height}] {entries} /Contents {contents} \
                 /Resources << /Font {fonts} >> >>"
            ))
        })
        .collect();
    file.set_page_tree(tree, &kids);
    file.finish(tree, None, "", "")
}
