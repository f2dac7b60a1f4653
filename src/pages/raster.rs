//! Grey pictures to black and white.

use super::bitmap::Bitmap;
use super::faint::{self, Faint};
use super::fills;
use super::lines;
use super::photo::{self, Screen};
use super::{PAGE_WIDTH, Resolution};

/// Levels below this turn black, where no photo is.
pub(super) const BLACK_BELOW: u8 = 128;

/// No ink at all: stays white, whatever is around, as no ink but ink stays black.
const PAPER: u8 = 0xFF;

/// Of a picture, how much in a hundred must be photo for all of it to be one.
const PHOTO_PERCENT: u64 = 30;

/// A page in grey, one octet a pel, 0 = black.
pub struct Grey {
    width: u32,
    height: u32,
    levels: Vec<u8>,
}

impl Grey {
    /// A picture of `width` x `height` levels, row by row.
    ///
    /// # Panics
    /// Where `levels` is not as long as that.
    pub fn new(width: u32, height: u32, levels: Vec<u8>) -> Grey {
        assert_eq!(levels.len(), width as usize * height as usize);
        Grey {
            width,
            height,
            levels,
        }
    }

    /// Pels in a row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Whether nothing in so many rows at the top can turn black.
    pub(super) fn is_white_down_to(&self, rows: u32) -> bool {
        let octets = rows.min(self.height) as usize * self.width as usize;
        self.levels[..octets]
            .iter()
            .all(|level| *level >= faint::LEVELS.end)
    }

    /// Whether a row is paper from edge to edge, as many rows of most pages are.
    pub(super) fn is_white_row(&self, y: u32) -> bool {
        const WHITE: [u8; PAGE_WIDTH as usize] = [PAPER; PAGE_WIDTH as usize];
        let row = self.row(y);
        WHITE.get(..row.len()).is_some_and(|white| row == white)
    }

    /// One row, to be changed. `y` is less than the height.
    pub fn row_mut(&mut self, y: u32) -> &mut [u8] {
        &mut self.levels[y as usize * self.width as usize..][..self.width as usize]
    }

    /// One row. `y` is less than the height.
    pub fn row(&self, y: u32) -> &[u8] {
        &self.levels[y as usize * self.width as usize..][..self.width as usize]
    }
}

/// The page in black and white: by threshold, with thin grey ink taken for black, and by a screen of dots where
/// photos are. Fills behind text turn white or black, since dots would make the text unreadable and the call long.
/// `pictures` tells where pictures lie (left, top, right, bottom): of one that is a photo for the most part no strip at
/// its rim is taken for anything else. `second` is a second drawing of the page, for the lines that `grey` misses (see
/// `lines.rs`).
pub fn bilevel(
    grey: &Grey,
    pictures: &[[u32; 4]],
    second: Option<&Grey>,
    resolution: Resolution,
) -> Bitmap {
    let mut photos = photo::find(grey, resolution);
    photos.complete_pictures(pictures);
    let screen = Screen::new(resolution);
    let faint = Faint::new(grey, resolution);
    let mut page = blacken(grey, |x, y, level| {
        if photos.contains(x, y) {
            level < screen.black_below(x, y)
        } else {
            level < BLACK_BELOW || faint::LEVELS.contains(&level) && faint.is_ink(x, y)
        }
    });
    fills::mend(&mut page, grey, resolution, |x, y| photos.contains(x, y));
    if let Some(second) = second {
        lines::restore(&mut page, second, resolution, |x, y| photos.contains(x, y));
    }
    page
}

/// A picture by itself, `place` on the page (left, top, right, bottom): a photo all over, its light parts too, where
/// much of it is one; else as any page.
pub fn picture(grey: &Grey, place: [u32; 4], resolution: Resolution) -> Bitmap {
    let [left, top, right, bottom] = place;
    let share = u64::from(right - left) * u64::from(bottom - top) * 1000
        / (u64::from(grey.width) * u64::from(grey.height));
    let photos = photo::find(grey, resolution).permille() as u64;
    if photos * 100 < share * PHOTO_PERCENT {
        return bilevel(grey, &[], None, resolution);
    }
    let screen = Screen::new(resolution);
    blacken(grey, |x, y, level| {
        (left..right).contains(&x) && (top..bottom).contains(&y) && level < screen.black_below(x, y)
    })
}

fn blacken(grey: &Grey, is_black: impl Fn(u32, u32, u8) -> bool) -> Bitmap {
    let mut page = Bitmap::new(grey.width, grey.height).expect("layouts keep to the limits");
    let mut packed = vec![0; grey.width.div_ceil(8) as usize];
    for y in (0..grey.height).filter(|y| !grey.is_white_row(*y)) {
        for ((x, octet), levels) in (0..).step_by(8).zip(&mut packed).zip(grey.row(y).chunks(8)) {
            *octet = clear_cut(levels).unwrap_or_else(|| {
                let pels = (0..).zip(levels);
                pels.fold(0, |octet, (bit, &level)| {
                    octet | u8::from(is_black(x + bit, y, level)) << (7 - bit)
                })
            });
        }
        page.add_row(y, &packed);
    }
    page
}

/// Eight pels that are all paper or full black, packed: most of most pages.
fn clear_cut(levels: &[u8]) -> Option<u8> {
    let levels = u64::from_be_bytes(levels.try_into().ok()?);
    let white = levels >> 7 & 0x0101_0101_0101_0101;
    // One octet 0xFF for each 1.
    let is_clear_cut = white * u64::from(PAPER) == levels;
    // Moves the eight bits together; their order is kept.
    let packed = (white.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8;
    is_clear_cut.then_some(!packed)
}
