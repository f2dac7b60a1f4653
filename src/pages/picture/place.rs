//! Where a picture comes to lie on a page.

use image::{GrayImage, imageops};

use super::{Picture, scale};
use crate::pages::layout::{Layout, Paper, TopMargin, header_rows};
use crate::pages::raster::{self, Grey};
use crate::pages::{FaxPage, PAGE_WIDTH, Resolution, cosmetic, g4, paper, stretch};

/// Dots per inch of a picture that does not tell, as a screen shows it.
const SCREEN_DPI: f64 = 96.0;
/// From this on dots per inch are a scanner's, and the picture is a page by itself.
const SCANNER_DPI: f64 = 149.0;
/// Inches that sheets of paper have on their shorter and their longer side, A5 to A3.
const SHORT_SIDE: std::ops::Range<f64> = 5.5..12.5;
const LONG_SIDE: std::ops::Range<f64> = 7.5..20.0;
const POINTS_PER_INCH: f64 = 72.0;

impl Picture {
    /// Width and height in inches.
    fn inches(&self) -> (f64, f64) {
        let (x, y) = self.dpi.unwrap_or((SCREEN_DPI, SCREEN_DPI));
        (
            f64::from(self.grey.width()) / x,
            f64::from(self.grey.height()) / y,
        )
    }

    /// Whether it is the scan of a sheet of paper, and not something to put on one.
    fn is_a_sheet(&self) -> bool {
        let (width, height) = self.inches();
        let scanned = self
            .dpi
            .is_some_and(|(x, y)| x >= SCANNER_DPI && y >= SCANNER_DPI / 2.0);
        scanned && SHORT_SIDE.contains(&width.min(height)) && LONG_SIDE.contains(&width.max(height))
    }

    /// The picture as a fax page: a scanned sheet as large as it was, anything else on paper with margins, not larger
    /// than it was and small enough to fit.
    pub fn fax_page(&self, resolution: Resolution, paper: Paper) -> FaxPage {
        let (width, height) = self.inches();
        let mut page = if self.is_a_sheet() {
            let (width, height) = (width * POINTS_PER_INCH, height * POINTS_PER_INCH);
            self.draw(
                &Layout::fit(width, height, resolution, TopMargin::Own),
                resolution,
            )
        } else {
            self.draw(&Layout::place(width, height, resolution, paper), resolution)
        };
        if page.blank_rows_at_top() < header_rows(resolution.dpi().1) {
            let (width, height) = (width * POINTS_PER_INCH, height * POINTS_PER_INCH);
            let below = Layout::fit(width, height, resolution, TopMargin::Reserved);
            page = self.draw(&below, resolution);
        }
        let (x_dpi, y_dpi) = resolution.dpi();
        FaxPage {
            width: page.width(),
            height: page.height(),
            x_dpi,
            y_dpi,
            g4: g4::encode(&page),
        }
    }

    fn draw(&self, layout: &Layout, resolution: Resolution) -> crate::pages::bitmap::Bitmap {
        let turned: GrayImage;
        let picture = match layout.turned {
            true => {
                turned = imageops::rotate270(&self.grey);
                &turned
            }
            false => &self.grey,
        };
        let content = scale::fit(picture, layout.content_width, layout.content_height);
        let mut levels = vec![0xFF; PAGE_WIDTH as usize * layout.height as usize];
        let rows = levels.chunks_exact_mut(PAGE_WIDTH as usize);
        let content = content.chunks_exact(layout.content_width as usize);
        for (row, content) in rows.skip(layout.y as usize).zip(content) {
            row[layout.x as usize..][..content.len()].copy_from_slice(content);
        }
        let place = [
            layout.x,
            layout.y,
            layout.x + layout.content_width,
            layout.y + layout.content_height,
        ];
        let mut grey = Grey::new(PAGE_WIDTH, layout.height, levels);
        if self.is_a_sheet() {
            let mut white = grey.clone();
            let whitened = cosmetic::attempt(move || {
                cosmetic::step("paper", || paper::whiten(&mut white));
                white
            });
            grey = whitened.unwrap_or(grey);
        }
        let page = raster::picture(&grey, place, resolution);
        if !page.is_blank() {
            return page;
        }
        let stretched =
            cosmetic::attempt(|| cosmetic::step("contrast", || stretch::stretched(&grey)));
        match stretched.flatten() {
            Some(grey) => raster::picture(&grey, place, resolution),
            None => page,
        }
    }
}
