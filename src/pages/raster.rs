//! Grey pictures to black and white.

use super::Resolution;
use super::bitmap::Bitmap;
use super::photo::{self, Screen};

/// Levels below this turn black, where no photo is.
const BLACK_BELOW: u8 = 128;

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

    /// One row. `y` is less than the height.
    pub fn row(&self, y: u32) -> &[u8] {
        &self.levels[y as usize * self.width as usize..][..self.width as usize]
    }
}

/// The page in black and white: by threshold, and by a screen of dots where photos are. Fills behind text stay
/// white or black, since dots would make the text unreadable and the call long.
pub fn bilevel(grey: &Grey, resolution: Resolution) -> Bitmap {
    let mut page = Bitmap::new(grey.width, grey.height).expect("layouts keep to the limits");
    let photos = photo::find(grey, resolution);
    let screen = Screen::new(resolution);
    let mut edges = Vec::new();
    for y in 0..grey.height {
        edges.clear();
        let mut was_black = false;
        for (x, &level) in grey.row(y).iter().enumerate() {
            let x = x as u32;
            let black_below = match photos.contains(x, y) {
                true => screen.black_below(x, y),
                false => BLACK_BELOW,
            };
            let is_black = level < black_below;
            if is_black != was_black {
                edges.push(x);
                was_black = is_black;
            }
        }
        page.blacken(y, &edges);
    }
    page
}
