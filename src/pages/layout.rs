//! Where a document's page comes to lie on a fax page.

use serde::{Deserialize, Serialize};

use super::bitmap::Bitmap;
use super::{PAGE_WIDTH, Resolution};

/// Inches at the top of every page that stay blank for the header line.
pub const HEADER_INCHES: f64 = 1.0 / 6.0;
/// Inches of the longest page we make: legal paper. Longer ones are shrunk, for machines that cut or refuse them.
const MAX_LENGTH: f64 = 14.0;
/// Inches of the longest page that is cut into sheets; a longer one is shrunk to it before.
const LONGEST: f64 = 4.0 * MAX_LENGTH;
/// How much a page may be longer than [`MAX_LENGTH`] and still be read when it is shrunk to it.
const BEARABLE: f64 = 4.0 / 3.0;
/// Inches of paper that stay free around a picture; more than the header line needs.
const MARGIN: f64 = 0.4;
/// How much larger a picture across has to become by being turned, to be turned.
const WORTH_TURNING: f64 = 1.15;
/// Inches of the shortest page: less may slip through a machine's rollers.
const MIN_LENGTH: f64 = 1.0;
const POINTS_PER_INCH: f64 = 72.0;

/// A fax page and the rectangle on it that the document's page fills, in pels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Rows of the fax page; its width is [`PAGE_WIDTH`].
    pub height: u32,
    /// Left edge of the rectangle.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Its width.
    pub content_width: u32,
    /// Its height.
    pub content_height: u32,
    /// Whether the document's page is turned by 90 degrees, its top to the left.
    pub turned: bool,
}

/// The paper of pages that bring no size of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Paper {
    /// 8.5 x 11 inches. What is made for it fits A4 paper too.
    #[default]
    Letter,
    /// 210 x 297 mm.
    A4,
}

impl Paper {
    /// Its length in inches. A fax page is 215 mm wide on either.
    pub fn length(self) -> f64 {
        match self {
            Paper::Letter => 11.0,
            Paper::A4 => 297.0 / 25.4,
        }
    }
}

/// The name is none of `letter`, `a4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("paper is letter or a4")]
pub struct UnknownPaper;

impl std::str::FromStr for Paper {
    type Err = UnknownPaper;

    fn from_str(name: &str) -> Result<Paper, UnknownPaper> {
        match name {
            "letter" => Ok(Paper::Letter),
            "a4" => Ok(Paper::A4),
            _ => Err(UnknownPaper),
        }
    }
}

/// What may stand under the header line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopMargin {
    /// The document's page begins at the top edge: its own margin is the place for the header line.
    Own,
    /// The document's page is shrunk to begin below the header line.
    Reserved,
}

impl Layout {
    /// Fits a page of `width` x `height` points (1/72 inch) without cropping, its proportions kept. Paper up to
    /// legal size keeps its size where it fits the width; the fax page is as long as the paper.
    pub fn fit(width: f64, height: f64, resolution: Resolution, top: TopMargin) -> Layout {
        Layout::fit_within(MAX_LENGTH, width, height, resolution, top)
    }

    /// Fits a page that would have to shrink much to be as long as a sheet, on one as long as it takes; `None` where
    /// it is no such page.
    pub fn fit_long(width: f64, height: f64, resolution: Resolution) -> Option<Layout> {
        let y_dpi = resolution.exact_dpi().1;
        // At superfine it is longer than any bitmap.
        let longest = LONGEST.min(f64::from(Bitmap::MAX_HEIGHT) / y_dpi);
        let layout = Layout::fit_within(longest, width, height, resolution, TopMargin::Own);
        let length = f64::from(layout.height) / y_dpi;
        (length > MAX_LENGTH * BEARABLE).then_some(layout)
    }

    fn fit_within(
        longest: f64,
        width: f64,
        height: f64,
        resolution: Resolution,
        top: TopMargin,
    ) -> Layout {
        let (x_dpi, y_dpi) = resolution.exact_dpi();
        let full_width = f64::from(PAGE_WIDTH) / x_dpi;
        let (mut width, mut height) = (inches(width), inches(height));
        // Turning helps only where the page would have to shrink: A5 across is as wide as A4.
        let turned = width > height && width > full_width;
        if turned {
            std::mem::swap(&mut width, &mut height);
        }
        let scale = (full_width / width).min(longest / height).min(1.0);
        let length = (height * scale).max(MIN_LENGTH);
        let (scale, y) = match top {
            TopMargin::Own => (scale, 0.0),
            TopMargin::Reserved => {
                let room = length - HEADER_INCHES;
                (scale.min(room / height), HEADER_INCHES)
            }
        };
        let content_width = pels(width * scale, x_dpi).min(PAGE_WIDTH);
        let page_height = pels(length, y_dpi);
        let y = (y * y_dpi).ceil() as u32;
        Layout {
            height: page_height,
            x: (PAGE_WIDTH - content_width) / 2,
            y,
            content_width,
            content_height: pels(height * scale, y_dpi).min(page_height - y),
            turned,
        }
    }

    /// Puts a picture of `width` x `height` inches on a sheet of paper: at the top, in the middle, with margins, shrunk
    /// where it must be, and turned where that keeps it larger.
    pub fn place(width: f64, height: f64, resolution: Resolution, paper: Paper) -> Layout {
        let (x_dpi, y_dpi) = resolution.exact_dpi();
        let length = paper.length();
        let room = (
            f64::from(PAGE_WIDTH) / x_dpi - 2.0 * MARGIN,
            length - 2.0 * MARGIN,
        );
        let scale_of = |width: f64, height: f64| (room.0 / width).min(room.1 / height).min(1.0);
        let turned = scale_of(height, width) > scale_of(width, height) * WORTH_TURNING;
        let (width, height) = match turned {
            true => (height, width),
            false => (width, height),
        };
        let scale = scale_of(width, height);
        let content_width = pels(width * scale, x_dpi).min(PAGE_WIDTH);
        let (page_height, y) = (pels(length, y_dpi), pels(MARGIN, y_dpi));
        Layout {
            height: page_height,
            x: (PAGE_WIDTH - content_width) / 2,
            y,
            content_width,
            content_height: pels(height * scale, y_dpi).min(page_height - y),
            turned,
        }
    }

    /// The same place on a page with `by` / `over` times the rows.
    pub fn scaled_down_the_page(self, by: u32, over: u32) -> Layout {
        let scaled = |rows: u32| (rows * by).div_ceil(over);
        Layout {
            height: scaled(self.height),
            y: scaled(self.y),
            content_height: scaled(self.content_height),
            ..self
        }
    }
}

/// Rows at the top that stay blank for the header line.
pub fn header_rows(y_dpi: u32) -> u32 {
    (HEADER_INCHES * f64::from(y_dpi)).ceil() as u32
}

/// Points to inches; a page that has no sensible side is taken as 1 point.
fn inches(points: f64) -> f64 {
    match points.is_finite() {
        true => points.max(1.0) / POINTS_PER_INCH,
        false => 1.0 / POINTS_PER_INCH,
    }
}

fn pels(inches: f64, dpi: f64) -> u32 {
    ((inches * dpi).round() as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A4: (f64, f64) = (595.276, 841.89);
    const LETTER: (f64, f64) = (612.0, 792.0);
    const LEGAL: (f64, f64) = (612.0, 1008.0);

    fn fit((width, height): (f64, f64), resolution: Resolution) -> Layout {
        Layout::fit(width, height, resolution, TopMargin::Own)
    }

    #[test]
    fn office_paper_keeps_its_length() {
        for (paper, rows) in [(A4, 2287), (LETTER, 2151), (LEGAL, 2738)] {
            let layout = fit(paper, Resolution::Fine);
            assert!(layout.height.abs_diff(rows) <= 12, "{layout:?}");
            assert!(layout.content_width > 1680 && !layout.turned);
        }
        assert_eq!(fit(A4, Resolution::Standard).height, 1143);
        assert_eq!(fit(A4, Resolution::Superfine).height, 4574);
    }

    #[test]
    fn a3_and_banners_shrink() {
        let a3 = fit((A4.1, 2.0 * A4.0), Resolution::Fine);
        assert_eq!((a3.x, a3.content_width), (0, 1728));
        assert!(a3.height < 2400);
        let banner = fit((A4.0, 9000.0), Resolution::Fine);
        assert_eq!(banner.height, 2738);
        assert_eq!(banner.content_height, banner.height);
    }

    #[test]
    fn landscape_is_turned_where_that_keeps_it_larger() {
        let turned = fit((A4.1, A4.0), Resolution::Fine);
        assert_eq!(
            Layout {
                turned: false,
                ..turned
            },
            fit(A4, Resolution::Fine)
        );
        assert!(turned.turned);
        let a5_across = fit((A4.0, 419.5), Resolution::Fine);
        assert!(!a5_across.turned && a5_across.content_width > 1680);
    }

    #[test]
    fn a_picture_is_turned_where_that_keeps_it_larger() {
        let place = |width, height| Layout::place(width, height, Resolution::Fine, Paper::A4);
        for (width, height) in [(11.0, 8.0), (40.0, 30.0), (12.0, 3.0), (16.0, 9.0)] {
            let (across, down) = (place(width, height), place(height, width));
            assert!(across.turned && !down.turned, "{width} x {height}");
            let upright = Layout {
                turned: false,
                ..across
            };
            assert_eq!(upright, down);
        }
        // What fits as it is, and what would gain next to nothing.
        for (width, height) in [
            (7.0, 2.0),
            (7.6, 5.0),
            (20.0, 20.0),
            (20.0, 19.0),
            (8.0, 6.0),
        ] {
            assert!(!place(width, height).turned, "{width} x {height}");
        }
        // Its proportions are kept: 204 dots per inch across, 196 down.
        let banner = place(30.0, 3.0);
        assert!(banner.turned && banner.content_height > banner.content_width * 9);
        assert!(banner.y + banner.content_height <= banner.height);
    }

    #[test]
    fn reserved_strip_shrinks_the_content_not_the_paper() {
        let own = fit(A4, Resolution::Fine);
        let reserved = Layout::fit(A4.0, A4.1, Resolution::Fine, TopMargin::Reserved);
        assert_eq!(reserved.height, own.height);
        assert_eq!(reserved.y, header_rows(196));
        assert!(reserved.y + reserved.content_height <= reserved.height);
        let ratio = f64::from(reserved.content_width) / f64::from(own.content_width);
        assert!((0.98..1.0).contains(&ratio));
    }

    #[test]
    fn a_page_longer_than_any_bitmap_is_shrunk_to_one_before_it_is_cut() {
        let all = [
            Resolution::Standard,
            Resolution::Fine,
            Resolution::Superfine,
        ];
        for resolution in all {
            let long = Layout::fit_long(A4.0, 14_400.0, resolution).unwrap();
            assert!(long.height <= Bitmap::MAX_HEIGHT, "{resolution:?}");
        }
    }

    #[test]
    fn odd_boxes_make_a_page_all_the_same() {
        let sides = [0.0, -5.0, 1.0, 30.0, 14_400.0, 1e9, f64::NAN, f64::INFINITY];
        for (width, height) in sides.iter().flat_map(|&w| sides.map(|h| (w, h))) {
            for top in [TopMargin::Own, TopMargin::Reserved] {
                for resolution in [Resolution::Standard, Resolution::Superfine] {
                    let page = Layout::fit(width, height, resolution, top);
                    assert!(page.x + page.content_width <= PAGE_WIDTH, "{page:?}");
                    assert!(page.y + page.content_height <= page.height, "{page:?}");
                    assert!(page.content_width > 0 && page.content_height > 0);
                    assert!(page.height <= 5477);
                }
            }
        }
    }
}
