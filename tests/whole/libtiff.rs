//! Our T.6 in the hands of libtiff, which is what reads it on most machines: every page comes out of it as it went in.

use std::fs;
use std::io;
use std::process::Command;

use postfax::pages::bitmap::Bitmap;
use postfax::pages::{FaxPage, g4, tiff};

/// Pages in the file.
const PAGES: u64 = 300;

/// libtiff decodes the pages and codes them anew; what it coded is decoded by a crate that is not ours.
#[test]
fn libtiff_reads_what_we_encode() {
    let pages: Vec<Bitmap> = (0..PAGES).map(page).collect();
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
    let encoded: Vec<FaxPage> = pages.iter().map(encoded).collect();
    fs::write(&ours, tiff::write(&encoded)).unwrap();
    let copied = Command::new("tiffcp")
        .args(["-c", "g4"])
        .args([&ours, &theirs])
        .output();
    let copied = match copied {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            eprintln!("NOT TESTED with libtiff: there is no tiffcp; `make test` installs it");
            return;
        }
        copied => copied.unwrap(),
    };
    let said = String::from_utf8_lossy(&copied.stderr);
    assert!(copied.status.success() && said.is_empty(), "{said}");
    let read = tiff::read(&fs::read(&theirs).unwrap()).unwrap();
    assert_eq!(read.len(), pages.len());
    for (number, (read, page)) in read.iter().zip(&pages).enumerate() {
        let decoded = g4::decode(&read.g4, read.width, read.height).unwrap();
        assert!(decoded == *page, "page {number}, {} wide", page.width());
    }
}

fn encoded(page: &Bitmap) -> FaxPage {
    FaxPage {
        width: page.width(),
        height: page.height(),
        x_dpi: 204,
        y_dpi: 196,
        g4: g4::encode(page),
    }
}

/// Runs of every length, rows that are nearly the one above, noise; as wide as a fax, or as wide as anything.
fn page(seed: u64) -> Bitmap {
    let mut rng = fastrand::Rng::with_seed(seed);
    let width = match rng.bool() {
        true => 1728,
        false => rng.u32(1..6000),
    };
    let height = rng.u32(1..60);
    let mut page = Bitmap::new(width, height).unwrap();
    let longest = [2, 9, 70, 700, 6000][rng.usize(..5)];
    let mut edges: Vec<u32> = Vec::new();
    for y in 0..height {
        if edges.is_empty() || rng.u8(..4) == 0 {
            edges.clear();
            let mut x = rng.u32(0..=longest);
            while x < width {
                edges.push(x);
                x += rng.u32(1..=longest);
            }
        } else {
            let moved = |edge: &u32| (edge + rng.u32(0..9)).saturating_sub(4).min(width);
            edges = edges.iter().map(moved).collect();
            edges.sort_unstable();
        }
        page.blacken(y, &edges);
    }
    page
}
