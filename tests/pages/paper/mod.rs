//! PDFs of every kind that offices fax, drawn here, the same each time.

mod codes;
mod file;
mod pictures;
mod sheet;
mod text_pages;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use sheet::Sheet;

/// ISO A4 in points.
const A4: (f64, f64) = (595.28, 841.89);

type Draw = fn() -> anyhow::Result<Sheet>;

/// Kind and name of each document, and what draws it.
const DOCUMENTS: [(&str, Draw); 19] = [
    ("letter__sans", text_pages::letter_sans),
    ("letter__serif", text_pages::letter_serif),
    ("form__grey-fills", text_pages::form),
    ("dense__two-columns", text_pages::dense),
    ("table__hairlines", text_pages::table),
    ("colour__on-colour", text_pages::coloured),
    ("reversed__headings", text_pages::reversed),
    ("stamp__light-blue", text_pages::stamped),
    ("landscape__table", text_pages::landscape),
    ("poster__a1", text_pages::poster),
    ("cjk__not-embedded", text_pages::chinese),
    ("code__qr-and-bars", codes::codes),
    ("scan__grey-paper", pictures::scan_grey),
    ("scan__skewed", pictures::scan_skewed),
    ("scan__faint", pictures::scan_faint),
    ("photo__half-page", pictures::photo),
    ("photo__full-page", pictures::full_photo),
    ("screenshot__window", pictures::screenshot),
    ("screenshot__dark", pictures::dark_screenshot),
];

/// Writes all of them into a folder.
pub fn write_all(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    let one = |(name, draw): &(&str, Draw)| -> anyhow::Result<PathBuf> {
        let path = folder.join(format!("{name}.pdf"));
        fs::write(&path, file::pdf(&[draw()?]))?;
        Ok(path)
    };
    DOCUMENTS.iter().map(one).collect()
}

/// Letters, forms, tables and dense pages, twenty in all.
pub fn twenty_pages() -> Vec<u8> {
    let draw: [fn() -> anyhow::Result<Sheet>; 4] = [
        text_pages::letter_serif,
        text_pages::form,
        text_pages::table,
        text_pages::dense,
    ];
    let pages = (0..20).map(|n| draw[n % 4]().expect("these take nothing from outside"));
    file::pdf(&pages.collect::<Vec<_>>())
}
