//! Grey pictures to black and white.

use super::Resolution;
use super::bitmap::Bitmap;
use super::cosmetic;
use super::faint::{self, Faint};
use super::fills;
use super::inked::{self, CHUNK, Inked};
use super::lines;
use super::photo::{self, Photos, Screen};

/// Levels below this turn black, where no photo is.
pub(super) const BLACK_BELOW: u8 = 128;

/// No ink at all: stays white, whatever is around, as no ink but ink stays black.
pub(super) const PAPER: u8 = 0xFF;

/// Of a picture, how much in a hundred must be photo for all of it to be one.
const PHOTO_PERCENT: u64 = 30;

/// A page in grey, one octet a pel, 0 = black.
#[derive(Clone)]
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
    let made = cosmetic::attempt(|| {
        let inked = Inked::of(grey);
        let photos = cosmetic::step("photos", || {
            let mut photos = photo::find(grey, &inked, resolution);
            photos.complete_pictures(pictures);
            photos
        });
        let mut page = mended(grey, &inked, &photos, resolution);
        if let Some(second) = second {
            cosmetic::step("lines", || {
                lines::restore(&mut page, second, resolution, |x, y| photos.contains(x, y));
            });
        }
        page
    });
    made.unwrap_or_else(|| by_threshold(grey))
}

/// The page as it is without any of the steps that make it look better.
fn by_threshold(grey: &Grey) -> Bitmap {
    let mut page = Bitmap::new(grey.width, grey.height).expect("layouts keep to the limits");
    let mut packed = vec![0; grey.width.div_ceil(8) as usize];
    for y in 0..grey.height {
        for (octet, levels) in packed.iter_mut().zip(grey.row(y).chunks(8)) {
            let bits = (0..8).zip(levels);
            *octet = bits.fold(0, |octet, (n, level)| {
                octet | u8::from(*level < BLACK_BELOW) << (7 - n)
            });
        }
        page.add_row(y, &packed);
    }
    page
}

/// Black and white, the grounds of letters made even.
fn mended(grey: &Grey, inked: &Inked, photos: &Photos, resolution: Resolution) -> Bitmap {
    let mut page = cosmetic::step("faint ink", || blacken(grey, inked, photos, resolution));
    cosmetic::step("fills", || {
        fills::mend(&mut page, grey, inked, resolution, |x, y| {
            photos.contains(x, y)
        });
    });
    page
}

/// A picture by itself, `place` on the page (left, top, right, bottom): a photo all over, its light parts too, where
/// much of it is one; else as any page.
pub fn picture(grey: &Grey, place: [u32; 4], resolution: Resolution) -> Bitmap {
    let [left, top, right, bottom] = place;
    let share = u64::from(right - left) * u64::from(bottom - top) * 1000
        / (u64::from(grey.width) * u64::from(grey.height));
    let made = cosmetic::attempt(|| {
        let inked = Inked::of(grey);
        let photos = cosmetic::step("photos", || photo::find(grey, &inked, resolution));
        if photos.permille() as u64 * 100 < share * PHOTO_PERCENT {
            return mended(grey, &inked, &photos, resolution);
        }
        // What is around it is paper.
        let photos = Photos::all_of(place, grey, resolution);
        blacken(grey, &inked, &photos, resolution)
    });
    made.unwrap_or_else(|| by_threshold(grey))
}

/// By threshold, with faint ink, and by the screen where photos are.
fn blacken(grey: &Grey, inked: &Inked, photos: &Photos, resolution: Resolution) -> Bitmap {
    let screen = Screen::new(resolution);
    let mut faint_ink = Faint::new(grey, resolution);
    let mut page = Bitmap::new(grey.width, grey.height).expect("layouts keep to the limits");
    let mut packed = vec![0; grey.width.div_ceil(8) as usize];
    let mut of_photos = packed.clone();
    for y in (0..grey.height).filter(|y| !inked.is_white(*y)) {
        packed.fill(0);
        photos.mark(y, &mut of_photos);
        for chunk in inked.chunks(y) {
            let levels = inked::chunk(grey, y, chunk);
            let octets = chunk * CHUNK / 8..packed.len();
            for (n, levels) in octets.zip(levels.as_chunks().0) {
                let eight = Eight(u64::from_be_bytes(*levels));
                let faint = ones(eight.faint() & !of_photos[n]);
                let ink = faint.filter(|bit| faint_ink.is_ink(n as u32 * 8 + bit, y));
                let black = ink.fold(eight.black(), |black, bit| black | 0x80 >> bit);
                packed[n] = match of_photos[n] {
                    0 => black,
                    photo => black & !photo | screen.black(y, *levels) & photo,
                };
            }
        }
        page.add_row(y, &packed);
    }
    page
}

/// The levels of eight pels, looked at together; what is told of them is a bit for each, the first one the highest.
struct Eight(u64);

impl Eight {
    /// 1 in each octet, and the highest bit of each.
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = 0x80 * Self::ONES;

    /// Which are below [`BLACK_BELOW`].
    fn black(&self) -> u8 {
        const { assert!(BLACK_BELOW == 0x80) };
        Self::packed(!self.0)
    }

    /// Which are among [`faint::LEVELS`].
    fn faint(&self) -> u8 {
        const { assert!(faint::LEVELS.start == BLACK_BELOW) };
        // Without its highest bit a level from the end of them on reaches that bit again.
        const TO_HIGHEST: u64 = 0x100 - faint::LEVELS.end as u64;
        let light = (self.0 & !Self::HIGHEST) + TO_HIGHEST * Self::ONES;
        Self::packed(self.0 & !light)
    }

    /// The highest bits of the octets, moved together; their order is kept.
    fn packed(octets: u64) -> u8 {
        ((octets >> 7 & Self::ONES).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
    }
}

/// Which bits of an octet are set, the highest one first and called 0.
fn ones(mut octet: u8) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let first = (octet != 0).then(|| octet.leading_zeros())?;
        octet ^= 0x80 >> first;
        Some(first)
    })
}
