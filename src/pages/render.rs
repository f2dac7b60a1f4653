//! Documents to fax pages.

use super::bitmap::Bitmap;
use super::cut::{self, LongPages};
use super::document::{Document, Drawn, Skip, Source, Target, UnreadablePage};
use super::layout::{Layout, Paper, TopMargin, header_rows};
use super::lost::{self, Lost};
use super::pdfium::{Page, Renderer};
use super::raster::Grey;
use super::remark::Remark;
use super::text::{LeftOut, scripts};
use super::{
    DocumentRefusal, FaxPage, Resolution, border, cosmetic, g4, halve, lines, paper, raster, skew,
    stretch,
};

/// A page with so many black pels in a hundred is called black.
const BLACK_PERCENT: u32 = 90;

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
    unreadable: UnreadablePage,
) -> Result<Found, DocumentRefusal> {
    let document = Document::open(renderer, source, octets, paper)?;
    if unreadable == UnreadablePage::Refuse || document.pages() == 1 {
        document.look_through()?;
    }
    Ok(match document {
        Document::LeftOut(why) => Found::LeftOut(why),
        document => Found::Pages(document.pages()),
    })
}

/// Makes fax pages of a document and hands them to `take` page by page, so that only one is in memory.
///
/// # Errors
/// Why it cannot be faxed; pages may have been taken before.
pub fn render_each<E: From<DocumentRefusal>>(
    renderer: &Renderer,
    source: &Source,
    octets: &[u8],
    target: Target,
    max_pages: u32,
    take: impl FnMut(Drawn) -> Result<(), E>,
) -> Result<(), E> {
    let all = All {
        target,
        max_pages,
        skip: None,
    };
    render_all(renderer, source, octets, all, |_| Ok(()), take)
}

/// What is made of a document, all of it.
pub struct All<'a> {
    /// The pages.
    pub target: Target,
    /// More pages than this are refused.
    pub max_pages: u32,
    /// How pages are left out that cannot be drawn; none: the document is refused.
    pub skip: Option<&'a Skip>,
}

/// As [`render_each`]; `begin` hears of each page, by its number in the document, before it is drawn.
///
/// # Errors
/// As [`render_each`]; where no page at all can be drawn, why the first one cannot.
pub fn render_all<E: From<DocumentRefusal>>(
    renderer: &Renderer,
    source: &Source,
    octets: &[u8],
    all: All<'_>,
    mut begin: impl FnMut(u32) -> Result<(), E>,
    mut take: impl FnMut(Drawn) -> Result<(), E>,
) -> Result<(), E> {
    let All {
        target,
        max_pages,
        skip,
    } = all;
    let mut document = Document::open(renderer, source, octets, target.paper)?;
    let pages = document.pages();
    let limited = |pages: u32| match pages > max_pages {
        true => {
            let limit = max_pages;
            Err(DocumentRefusal::TooManyPages { pages, limit })
        }
        false => Ok(()),
    };
    limited(pages)?;
    let mut taken = 0;
    let (mut first_refusal, mut is_any_drawn) = (None, false);
    for number in 1..=pages {
        begin(number)?;
        let is_known = skip.is_some_and(|skip| skip.pages.contains(&number));
        let drawn = match is_known {
            true => Err(DocumentRefusal::PageFailed { page: number }),
            false => document.draw(number, target),
        };
        is_any_drawn |= drawn.is_ok();
        let drawn = drawn.or_else(|refusal| {
            let notice = skip.and_then(|skip| skip.notice(number, target));
            let notice = notice.ok_or_else(|| refusal.clone())?;
            first_refusal.get_or_insert(refusal);
            let remarks = vec![Remark::NotDrawn { page: number }];
            let pages = vec![notice];
            Ok::<_, DocumentRefusal>(Drawn { pages, remarks })
        })?;
        taken += drawn.pages.len() as u32;
        // A page that was cut is several.
        limited(taken)?;
        take(drawn)?;
    }
    match first_refusal {
        Some(refusal) if !is_any_drawn => Err(refusal.into()),
        _ => Ok(()),
    }
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
    render_each(renderer, source, octets, target, max_pages, |drawn| {
        pages.extend(drawn.pages);
        Ok::<_, DocumentRefusal>(())
    })?;
    Ok(pages)
}

/// What a PDF's page becomes, and what is to be said of it.
pub(super) fn drawn(page: &Page, number: u32, target: Target) -> Result<Drawn, DocumentRefusal> {
    let (width, height) = page.size();
    let long = match target.long_pages {
        LongPages::Split => Layout::fit_long(width, height, target.resolution),
        LongPages::Shrink => None,
    };
    if let Some(layout) = long {
        let (pages, lost) = cut_into_sheets(page, &layout, target)?;
        let sheets = pages.len() as u32;
        let mut remarks = vec![Remark::Cut {
            page: number,
            sheets,
        }];
        remarks.extend(remarks_of(lost, number));
        return Ok(Drawn { pages, remarks });
    }
    let (made, _, lost) = made(page, target.resolution)?;
    let drawn = encoded(&made, target.resolution);
    let mut remarks = Vec::new();
    if drawn.is_blank() {
        if page.text().chars().any(char::is_alphanumeric) {
            remarks.push(Remark::CameOutBlank { page: number });
        } else if page.may_be_a_scan() {
            remarks.push(Remark::BlankPicture { page: number });
        }
    } else if is_black(&drawn) {
        remarks.push(Remark::CameOutBlack { page: number });
    }
    let is_told = remarks.contains(&Remark::CameOutBlank { page: number });
    let lost = remarks_of(lost, number);
    remarks.extend(lost.filter(|remark| !is_told || !matches!(remark, Remark::LostText { .. })));
    Ok(Drawn {
        pages: vec![drawn],
        remarks,
    })
}

fn remarks_of(lost: Lost, page: u32) -> impl Iterator<Item = Remark> {
    let Lost { words, undrawn } = lost;
    let no_font = (!undrawn.is_empty()).then(|| Remark::NoFont {
        page,
        scripts: scripts::of(undrawn.into_iter()),
    });
    let words = words.map(|words| Remark::LostText { page, words });
    words.into_iter().chain(no_font)
}

/// Whether hardly anything of the page is white.
pub(super) fn is_black(page: &FaxPage) -> bool {
    g4::decode(&page.g4, page.width, page.height)
        .is_ok_and(|page| page.black_percent() >= BLACK_PERCENT)
}

fn cut_into_sheets(
    page: &Page,
    layout: &Layout,
    target: Target,
) -> Result<(Vec<FaxPage>, Lost), DocumentRefusal> {
    let resolution = target.resolution;
    let (bitmap, lost) = bilevel(page, draw(page, layout, resolution)?, layout, resolution)?;
    let rows = (target.paper.length() * resolution.exact_dpi().1) as u32;
    let sheets = cut::sheets(&bitmap, rows, resolution.dpi().1);
    let sheets = sheets.iter().map(|sheet| encoded(sheet, resolution));
    Ok((sheets.collect(), lost))
}

/// The fax page of a PDF's page as pels, and where on it the PDF's page lies. Its top is blank for the header line: by its
/// own margin or, where that is too small, by shrinking it a little.
pub(super) fn bitmap(
    page: &Page,
    resolution: Resolution,
) -> Result<(Bitmap, Layout), DocumentRefusal> {
    made(page, resolution).map(|(bitmap, layout, _)| (bitmap, layout))
}

/// As [`bitmap`], and what of the PDF's page it does not show.
fn made(page: &Page, resolution: Resolution) -> Result<(Bitmap, Layout, Lost), DocumentRefusal> {
    let (width, height) = page.size();
    if width < 1.0 || height < 1.0 {
        return Err(page.shows_nothing());
    }
    let own = Layout::fit(width, height, resolution, TopMargin::Own);
    let drawing = draw(page, &own, resolution)?;
    if drawing
        .grey
        .is_white_down_to(header_rows(resolution.dpi().1))
    {
        let (bitmap, lost) = bilevel(page, drawing, &own, resolution)?;
        return Ok((bitmap, own, lost));
    }
    let reserved = Layout::fit(width, height, resolution, TopMargin::Reserved);
    // One at a time in memory.
    drop(drawing);
    let drawing = draw(page, &reserved, resolution)?;
    let (bitmap, lost) = bilevel(page, drawing, &reserved, resolution)?;
    Ok((bitmap, reserved, lost))
}

/// The page as it is drawn; that of a scan is clean.
struct Drawing {
    grey: Grey,
    /// It was put straight.
    is_turned: bool,
}

fn draw(page: &Page, layout: &Layout, resolution: Resolution) -> Result<Drawing, DocumentRefusal> {
    let halved = match resolution {
        Resolution::Standard => {
            let tall = page.draw(&layout.scaled_down_the_page(2, 1))?;
            cosmetic::attempt(|| cosmetic::step("halving", || halve::halved(&tall)))
        }
        Resolution::Fine | Resolution::Superfine => None,
    };
    let grey = match halved {
        Some(grey) => grey,
        None => page.draw(layout)?,
    };
    let clean = page.may_be_a_scan().then(|| {
        let mut grey = grey.clone();
        cosmetic::attempt(move || {
            cosmetic::step("rims", || border::clean(&mut grey, layout));
            cosmetic::step("paper", || paper::whiten(&mut grey));
            let is_turned = cosmetic::step("skew", || skew::straighten(&mut grey, resolution));
            Drawing { grey, is_turned }
        })
    });
    let is_turned = false;
    Ok(clean.flatten().unwrap_or(Drawing { grey, is_turned }))
}

fn bilevel(
    page: &Page,
    drawing: Drawing,
    layout: &Layout,
    resolution: Resolution,
) -> Result<(Bitmap, Lost), DocumentRefusal> {
    let thinnest = lines::thinnest(layout, page.size(), resolution);
    let second = match !drawing.is_turned && page.may_have_lines(thinnest) {
        true => {
            let second = page.draw_paths(&lines::second_layout(layout, resolution));
            second.inspect_err(|_| cosmetic::report("lines")).ok()
        }
        false => None,
    };
    let pictures = page.pictures(layout);
    let made = raster::bilevel(&drawing.grey, &pictures, second.as_ref(), resolution);
    if !made.is_blank() || !page.may_be_a_scan() {
        let lost = cosmetic::attempt(|| {
            cosmetic::step("lost text", || match drawing.is_turned {
                true => Lost::default(),
                false => lost::lost(&page.letters(layout), &drawing.grey, &made),
            })
        });
        return Ok((made, lost.unwrap_or_default()));
    }
    let faint = || cosmetic::step("contrast", || stretch::stretched(&drawing.grey));
    let made = match cosmetic::attempt(faint).flatten() {
        Some(grey) => raster::bilevel(&grey, &pictures, None, resolution),
        None => made,
    };
    Ok((made, Lost::default()))
}

/// The pels as a page that travels.
pub(super) fn encoded(bitmap: &Bitmap, resolution: Resolution) -> FaxPage {
    let (x_dpi, y_dpi) = resolution.dpi();
    FaxPage {
        width: bitmap.width(),
        height: bitmap.height(),
        x_dpi,
        y_dpi,
        g4: g4::encode(bitmap),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::pdf::{self, PdfInfo};
    use crate::pages::pdfium::testing::with_pdfium;
    use crate::pages::sample;

    fn target(resolution: Resolution) -> Target {
        let paper = Paper::A4;
        Target {
            resolution,
            paper,
            long_pages: LongPages::Shrink,
        }
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
    fn light_grey_rules_are_not_lost() {
        for resolution in [Resolution::Standard, Resolution::Fine] {
            let page = &bitmaps(&sample::light_rules(), resolution)[0];
            let runs = |line: Vec<bool>| line.windows(2).filter(|w| !w[0] && w[1]).count();
            let down = (0..page.height()).map(|y| page.get(900, y)).collect();
            assert_eq!(runs(down), 5, "{resolution:?}, level ones");
            let across = (0..1728).map(|x| page.get(x, page.height() / 2 + 7));
            assert_eq!(runs(across.collect()), 4, "{resolution:?}, upright ones");
        }
    }

    fn all_drawn(
        pdf: &[u8],
        long_pages: LongPages,
        max: u32,
    ) -> Result<Vec<Drawn>, DocumentRefusal> {
        let target = Target {
            long_pages,
            ..target(Resolution::Fine)
        };
        let mut all = Vec::new();
        with_pdfium(|renderer| {
            render_each(renderer, &Source::File, pdf, target, max, |drawn| {
                all.push(drawn);
                Ok::<_, DocumentRefusal>(())
            })
        })?;
        Ok(all)
    }

    #[test]
    fn a_page_that_came_out_blank_though_it_has_text_is_remarked() {
        let drawn = all_drawn(&sample::white_text(), LongPages::Split, 9).unwrap();
        let remarks: Vec<_> = drawn.iter().map(|drawn| drawn.remarks.clone()).collect();
        let blank = vec![Remark::CameOutBlank { page: 2 }];
        assert_eq!(remarks, [vec![], blank, vec![]]);
        let blank: Vec<bool> = drawn
            .iter()
            .map(|drawn| drawn.pages[0].is_blank())
            .collect();
        assert_eq!(blank, [false, true, true]);
    }

    #[test]
    fn a_banner_is_cut_into_sheets_or_shrunk_as_the_site_says() {
        let banner = sample::framed_page(595.0, 4000.0);
        let [shrunk] = &all_drawn(&banner, LongPages::Shrink, 9).unwrap()[..] else {
            panic!("one page");
        };
        assert_eq!((shrunk.pages.len(), &shrunk.remarks), (1, &vec![]));
        let [cut] = &all_drawn(&banner, LongPages::Split, 9).unwrap()[..] else {
            panic!("one page");
        };
        let sheets = cut.pages.len() as u32;
        assert_eq!(cut.remarks, [Remark::Cut { page: 1, sheets }]);
        // 55 inches on sheets of 11.7.
        assert_eq!(sheets, 5);
        for sheet in &cut.pages {
            let (width, height) = sheet.inches();
            assert!(width < 8.6 && height < 11.8);
        }
        let limit = 4;
        let refused = all_drawn(&banner, LongPages::Split, limit).err();
        assert_eq!(
            refused,
            Some(DocumentRefusal::TooManyPages { pages: 5, limit })
        );
        // Legal paper is no long page, and an A3 one shrinks by its width.
        for (width, height) in [(612.0, 1008.0), (842.0, 1191.0), (612.0, 1300.0)] {
            let page = sample::framed_page(width, height);
            let drawn = all_drawn(&page, LongPages::Split, 9).unwrap();
            assert_eq!(drawn[0].pages.len(), 1, "{width} x {height}");
        }
    }

    /// The header line comes to lie on no pel of a page that is black from edge to edge.
    #[test]
    fn a_header_line_covers_nothing_of_a_page_that_is_full() {
        use crate::pages::header::{HeaderFont, HeaderLine, stamp};
        let header = HeaderLine {
            date: "21 Nov 2026 10:05 CET".into(),
            name: "Example Office".into(),
            number: "+12125550100".into(),
            to: "+12125550123".into(),
            page: 1,
            pages: 1,
            below: None,
        };
        for resolution in [Resolution::Standard, Resolution::Fine] {
            let full = &bitmaps(&sample::framed_page(595.0, 842.0), resolution)[0];
            let page = encoded(full, resolution);
            let stamped = stamp(&page, &header, &HeaderFont::builtin()).unwrap();
            let stamped = g4::decode(&stamped.g4, stamped.width, stamped.height).unwrap();
            let strip = header_rows(resolution.dpi().1);
            assert!(stamped.blank_rows_at_top() < strip, "it is there");
            let below = strip + stamped.height() - full.height();
            for y in strip..full.height() {
                assert_eq!(
                    stamped.row(below + y - strip),
                    full.row(y),
                    "{resolution:?} {y}"
                );
            }
        }
    }

    #[test]
    fn page_whose_crop_box_lies_outside_is_refused_at_the_door() {
        let pdf = sample::cropped_away();
        let probed = with_pdfium(|renderer| {
            let refuse = UnreadablePage::Refuse;
            probe(renderer, &Source::File, &pdf, Paper::A4, refuse)
        });
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
        let probed = with_pdfium(|renderer| {
            let refuse = UnreadablePage::Refuse;
            probe(renderer, &Source::File, &pdf, Paper::A4, refuse)
        });
        assert_eq!(probed, Ok(Found::Pages(200)));
    }

    #[test]
    fn a_step_that_panics_costs_no_page() {
        let letter = sample::demo_document();
        let fine = |pdf: &[u8]| {
            with_pdfium(|it| render(it, &Source::File, pdf, target(Resolution::Fine), 9))
        };
        let info = PdfInfo {
            title: "A scan".into(),
            sender: None,
            created: jiff::Timestamp::UNIX_EPOCH,
        };
        let scan = pdf::write(&fine(&letter).unwrap(), &info);
        let rules = sample::light_rules();
        for (document, steps) in [
            (&letter, &["photos", "faint ink", "fills", "halving"][..]),
            (&scan, &["rims", "paper", "skew"]),
            (&rules, &["lines"]),
        ] {
            let whole = bitmaps(document, Resolution::Standard);
            for step in steps {
                let (without, met) =
                    cosmetic::broken(step, || bitmaps(document, Resolution::Standard));
                assert!(met > 0, "{step}: no step is called so");
                assert_eq!(without.len(), whole.len(), "{step}");
                // Light rules are not to be seen without the step for them.
                for (page, without) in whole.iter().zip(&without).filter(|_| *step != "lines") {
                    let (ink, left) = (ink(page), ink(without));
                    assert!(left.abs_diff(ink) <= ink / 4, "{step}: {ink} {left}");
                }
            }
        }
    }
}
