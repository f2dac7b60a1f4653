//! Documents to fax pages.

use super::layout::{Layout, TopMargin, header_rows};
use super::pdfium::{Document, Renderer};
use super::{DocumentRefusal, FaxPage, Resolution, g4, raster};

/// Number of pages of a PDF.
///
/// # Errors
/// Why it cannot be faxed.
pub fn probe(renderer: &Renderer, pdf: &[u8]) -> Result<u32, DocumentRefusal> {
    Ok(renderer.open(pdf)?.pages())
}

/// Makes fax pages of a PDF and hands them to `take` one by one, so that only one is in memory.
///
/// # Errors
/// Why it cannot be faxed; pages may have been taken before.
pub fn render_each<E: From<DocumentRefusal>>(
    renderer: &Renderer,
    pdf: &[u8],
    resolution: Resolution,
    max_pages: u32,
    mut take: impl FnMut(FaxPage) -> Result<(), E>,
) -> Result<(), E> {
    let document = renderer.open(pdf)?;
    let pages = document.pages();
    if pages > max_pages {
        let limit = max_pages;
        return Err(DocumentRefusal::TooManyPages { pages, limit }.into());
    }
    for number in 1..=pages {
        take(page(&document, number, resolution)?)?;
    }
    Ok(())
}

/// The fax pages of a PDF, all at once.
///
/// # Errors
/// Why it cannot be faxed.
pub fn render(
    renderer: &Renderer,
    pdf: &[u8],
    resolution: Resolution,
    max_pages: u32,
) -> Result<Vec<FaxPage>, DocumentRefusal> {
    let mut pages = Vec::new();
    render_each(renderer, pdf, resolution, max_pages, |page| {
        pages.push(page);
        Ok::<_, DocumentRefusal>(())
    })?;
    Ok(pages)
}

/// Page `number` (from 1), its top blank for the header line: by its own margin or, where that is too small, by
/// shrinking it a little.
fn page(
    document: &Document,
    number: u32,
    resolution: Resolution,
) -> Result<FaxPage, DocumentRefusal> {
    let (x_dpi, y_dpi) = resolution.dpi();
    let draw = |top| {
        let grey = document.draw(number, |width, height| {
            Layout::fit(width, height, resolution, top)
        })?;
        Ok::<_, DocumentRefusal>(raster::bilevel(&grey, resolution))
    };
    let mut bitmap = draw(TopMargin::Own)?;
    if bitmap.blank_rows_at_top() < header_rows(y_dpi) {
        bitmap = draw(TopMargin::Reserved)?;
    }
    Ok(FaxPage {
        width: bitmap.width(),
        height: bitmap.height(),
        x_dpi,
        y_dpi,
        g4: g4::encode(&bitmap),
    })
}
