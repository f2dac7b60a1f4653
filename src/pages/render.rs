//! Documents to fax pages.

use super::document::{Document, Source, Target};
use super::layout::{Layout, Paper, TopMargin, header_rows};
use super::pdfium::{Page, Renderer};
use super::text::LeftOut;
use super::{DocumentRefusal, FaxPage, Resolution, g4, lines, paper, raster};

/// What was found in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// So many pages.
    Pages(u32),
    /// None, and why that is as it should be.
    LeftOut(LeftOut),
}

/// Looks through a document without drawing it.
///
/// # Errors
/// Why it cannot be faxed.
pub fn probe(
    renderer: &Renderer,
    source: &Source,
    octets: &[u8],
    paper: Paper,
) -> Result<Found, DocumentRefusal> {
    let document = Document::open(renderer, source, octets, paper)?;
    document.look_through()?;
    Ok(match document {
        Document::LeftOut(why) => Found::LeftOut(why),
        document => Found::Pages(document.pages()),
    })
}

/// Makes fax pages of a document and hands them to `take` one by one, so that only one is in memory.
///
/// # Errors
/// Why it cannot be faxed; pages may have been taken before.
pub fn render_each<E: From<DocumentRefusal>>(
    renderer: &Renderer,
    source: &Source,
    octets: &[u8],
    target: Target,
    max_pages: u32,
    mut take: impl FnMut(FaxPage) -> Result<(), E>,
) -> Result<(), E> {
    let mut document = Document::open(renderer, source, octets, target.paper)?;
    let pages = document.pages();
    if pages > max_pages {
        let limit = max_pages;
        return Err(DocumentRefusal::TooManyPages { pages, limit }.into());
    }
    for number in 1..=pages {
        take(document.page(number, target)?)?;
    }
    Ok(())
}

/// The fax pages of a document, all at once.
///
/// # Errors
/// Why it cannot be faxed.
pub fn render(
    renderer: &Renderer,
    source: &Source,
    octets: &[u8],
    target: Target,
    max_pages: u32,
) -> Result<Vec<FaxPage>, DocumentRefusal> {
    let mut pages = Vec::new();
    render_each(renderer, source, octets, target, max_pages, |page| {
        pages.push(page);
        Ok::<_, DocumentRefusal>(())
    })?;
    Ok(pages)
}

/// The fax page of a PDF's page, its top blank for the header line: by its own margin or, where that is too small, by
/// shrinking it a little.
pub(super) fn fax_page(page: &Page, resolution: Resolution) -> Result<FaxPage, DocumentRefusal> {
    let (x_dpi, y_dpi) = resolution.dpi();
    let (width, height) = page.size();
    if width < 1.0 || height < 1.0 {
        return Err(page.shows_nothing());
    }
    let draw = |top| {
        let layout = Layout::fit(width, height, resolution, top);
        let mut grey = page.draw(&layout)?;
        if page.may_be_a_scan() {
            paper::whiten(&mut grey);
        }
        let second =
            match page.may_have_lines(lines::thinnest(&layout, (width, height), resolution)) {
                true => Some(page.draw(&lines::second_layout(&layout, resolution))?),
                false => None,
            };
        Ok::<_, DocumentRefusal>(raster::bilevel(&grey, second.as_ref(), resolution))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::bitmap::Bitmap;
    use crate::pages::pdfium::testing::with_pdfium;
    use crate::pages::sample;

    fn target(resolution: Resolution) -> Target {
        let paper = Paper::A4;
        Target { resolution, paper }
    }

    fn bitmaps(pdf: &[u8], resolution: Resolution) -> Vec<Bitmap> {
        let drawn =
            |renderer: &Renderer| render(renderer, &Source::File, pdf, target(resolution), 99);
        let pages = with_pdfium(drawn).unwrap();
        pages
            .iter()
            .map(|page| {
                assert_eq!((page.width, page.x_dpi), (1728, 204));
                g4::decode(&page.g4, page.width, page.height).unwrap()
            })
            .collect()
    }

    /// Share of black pels, in a thousand.
    fn ink(page: &Bitmap) -> u32 {
        let black: u32 = page.rows().flatten().map(|octet| octet.count_ones()).sum();
        black / (page.width() * page.height() / 1000)
    }

    #[test]
    fn letter_has_ink_and_a_blank_top_at_every_resolution() {
        for resolution in [
            Resolution::Standard,
            Resolution::Fine,
            Resolution::Superfine,
        ] {
            let pages = bitmaps(&sample::demo_document(), resolution);
            assert_eq!(pages.len(), 2);
            for page in pages {
                assert!((10..150).contains(&ink(&page)), "{}", ink(&page));
                assert!(page.blank_rows_at_top() >= header_rows(resolution.dpi().1));
            }
        }
    }

    #[test]
    fn frame_at_the_edges_is_neither_cropped_nor_under_the_header() {
        // A4, letter, legal, A3, A4 across, a banner: all four sides of the frame arrive.
        for (width, height) in [
            (595.0, 842.0),
            (612.0, 792.0),
            (612.0, 1008.0),
            (842.0, 1191.0),
            (842.0, 595.0),
            (595.0, 4000.0),
        ] {
            let page = &bitmaps(&sample::framed_page(width, height), Resolution::Fine)[0];
            let strip = header_rows(196);
            assert!(page.blank_rows_at_top() >= strip, "{width} x {height}");
            let longest = |y: u32| (0..1728).filter(|&x| page.get(x, y)).count();
            let top = (strip..strip + 40).any(|y| longest(y) > 400);
            let bottom = (page.height() - 40..page.height()).any(|y| longest(y) > 400);
            assert!(
                top && bottom,
                "{width} x {height}: top {top}, bottom {bottom}"
            );
            let middle = page.height() / 2;
            let edges: Vec<u32> = (0..1728).filter(|&x| page.get(x, middle)).collect();
            assert!(
                edges.len() >= 4 && edges[edges.len() - 1] - edges[0] > 400,
                "{width} x {height}: {edges:?}"
            );
        }
    }

    #[test]
    fn no_hairline_is_lost_at_any_resolution() {
        for resolution in [
            Resolution::Standard,
            Resolution::Fine,
            Resolution::Superfine,
        ] {
            let page = &bitmaps(&sample::hairlines(20), resolution)[0];
            let runs = |line: Vec<bool>| line.windows(2).filter(|w| !w[0] && w[1]).count();
            let down = (0..page.height()).map(|y| page.get(500, y)).collect();
            assert_eq!(runs(down), 20, "{resolution:?}, across");
            let y = page.height() * 3 / 10;
            let across = (0..1728).map(|x| page.get(x, y)).collect();
            assert_eq!(runs(across), 20, "{resolution:?}, down");
        }
    }

    #[test]
    fn page_whose_crop_box_lies_outside_is_refused_at_the_door() {
        let pdf = sample::cropped_away();
        let probed = with_pdfium(|renderer| probe(renderer, &Source::File, &pdf, Paper::A4));
        assert_eq!(probed, Err(DocumentRefusal::NothingShown { page: 1 }));
    }

    #[test]
    fn too_many_pages_are_counted_not_drawn() {
        let pdf = sample::numbered_pages(200);
        let refused = with_pdfium(|renderer| {
            render(renderer, &Source::File, &pdf, target(Resolution::Fine), 100)
        });
        let (pages, limit) = (200, 100);
        assert_eq!(refused, Err(DocumentRefusal::TooManyPages { pages, limit }));
        let probed = with_pdfium(|renderer| probe(renderer, &Source::File, &pdf, Paper::A4));
        assert_eq!(probed, Ok(Found::Pages(200)));
    }
}
