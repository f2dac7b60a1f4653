//! Are the pages that arrived the pages that were sent, pel for pel? What a far end keeps is read by the tools of
//! others (libtiff, poppler), not by ours.

use std::path::Path;

use postfax::pages::bitmap::Bitmap;

use crate::harness::mails::{pages_in, pictures};
use crate::lab::Lab;

/// The pages in a TIFF of a far end, in whatever coding: libtiff makes T.6 of it.
pub fn in_foreign_tiff(lab: &Lab, tiff: &Path) -> Vec<Bitmap> {
    let inside = lab.root("tools").join("tmp");
    let name = tiff
        .file_stem()
        .expect("a file has a name")
        .to_string_lossy();
    std::fs::copy(tiff, inside.join(format!("{name}.tif"))).expect("the pages are there");
    let [from, to] = ["tif", "g4.tif"].map(|kind| format!("/tmp/{name}.{kind}"));
    lab.tool("tiffcp", &["-c", "g4", "-f", "msb2lsb", &from, &to]);
    pictures(&pages_in(&inside.join(format!("{name}.g4.tif"))))
}

/// The pages in a PDF of ours, as poppler sees them.
pub fn in_our_pdf(lab: &Lab, case: &str, pdf: &[u8]) -> Vec<Bitmap> {
    let inside = lab.root("tools").join("tmp").join(case);
    let _ = std::fs::remove_dir_all(&inside);
    std::fs::create_dir_all(&inside).expect("a folder of ours");
    std::fs::write(inside.join("fax.pdf"), pdf).expect("a folder of ours");
    let place = format!("/tmp/{case}");
    lab.tool(
        "pdfimages",
        &[&format!("{place}/fax.pdf"), &format!("{place}/page")],
    );
    let entries = std::fs::read_dir(&inside).expect("a folder of ours");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|kind| kind == "pbm"));
    files.sort();
    files
        .iter()
        .map(|file| in_pbm(&std::fs::read(file).expect("pdfimages wrote it")))
        .collect()
}

/// Plain PBM, binary (`P4`): a header in ASCII, rows of whole octets, 1 is black.
fn in_pbm(file: &[u8]) -> Bitmap {
    let mut parts = file.splitn(4, u8::is_ascii_whitespace);
    let mut part = || parts.next().expect("a PBM has a header");
    assert_eq!(part(), b"P4");
    let [width, height] = [part(), part()].map(number);
    let rows = part();
    let stride = width.div_ceil(8) as usize;
    let mut picture = Bitmap::new(width, height).expect("a page's size");
    for y in 0..height {
        for x in 0..width {
            let octet = rows[y as usize * stride + x as usize / 8];
            if octet & (0x80 >> (x % 8)) != 0 {
                picture.set(x, y);
            }
        }
    }
    picture
}

fn number(digits: &[u8]) -> u32 {
    let digits = std::str::from_utf8(digits).expect("ASCII");
    digits.parse().expect("a number")
}

/// Panics with the first difference.
pub fn assert_same(sent: &[Bitmap], arrived: &[Bitmap]) {
    assert_eq!(
        sent.len(),
        arrived.len(),
        "pages sent, and pages that arrived"
    );
    for (n, (sent, arrived)) in (1..).zip(sent.iter().zip(arrived)) {
        let sizes = [sent, arrived].map(|page| (page.width(), page.height()));
        assert_eq!(sizes[0], sizes[1], "size of page {n} sent, and arrived");
        assert!(sent == arrived, "page {n} arrived with other pels");
    }
}
