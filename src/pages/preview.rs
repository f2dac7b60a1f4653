//! A fax page as a small picture, for receipts and for the web page.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use super::FaxPage;
use super::bitmap::Bitmap;
use super::g4::{self, G4Error};

/// Pels across.
pub const WIDTH: u32 = 480;
/// Rows at most: of a longer page the top is shown.
const MOST_ROWS: u32 = WIDTH * 2;
/// Levels of grey that are kept apart: more is octets that nobody sees.
const LEVELS: u8 = 16;

/// The page in grey, [`WIDTH`] pels across and as high as it is on paper, as PNG.
///
/// # Errors
/// [`G4Error`] where the page does not decode.
pub fn png(page: &FaxPage) -> Result<Vec<u8>, G4Error> {
    let bitmap = g4::decode(&page.g4, page.width, page.height)?;
    let (width, height) = page.inches();
    let whole = (f64::from(WIDTH) * height / width).round().max(1.0) as u32;
    let rows = whole.min(MOST_ROWS);
    let levels = reduced(&bitmap, rows, f64::from(bitmap.height()) / f64::from(whole));
    let mut png = Vec::new();
    let encoder =
        PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::NoFilter);
    let written = encoder.write_image(&levels, WIDTH, rows, ExtendedColorType::L8);
    written.expect("a grey picture of that size is written to memory");
    Ok(png)
}

/// The page in [`WIDTH`] x `rows` levels of grey, each the mean of what it covers; `step` rows of the page are one.
fn reduced(bitmap: &Bitmap, rows: u32, step: f64) -> Vec<u8> {
    let across = f64::from(bitmap.width()) / f64::from(WIDTH);
    let places: Vec<Place> = (0..=WIDTH)
        .map(|n| Place::at(f64::from(n) * across, bitmap.width()))
        .collect();
    let mut levels = Vec::with_capacity((WIDTH * rows) as usize);
    let mut sums = Vec::new();
    for row in 0..rows {
        let mut black = [0.0; WIDTH as usize];
        for (y, weight) in covered(row, step, bitmap.height()) {
            let pels = bitmap.row(y);
            // Most rows of a letter.
            if pels.iter().all(|octet| *octet == 0) {
                continue;
            }
            sum(pels, &mut sums);
            let mut before = 0.0;
            for (black, end) in black.iter_mut().zip(&places[1..]) {
                let next = end.black_before(pels, &sums);
                *black += weight * (next - before) / across;
                before = next;
            }
        }
        levels.extend(black.map(grey));
    }
    levels
}

/// The rows of the page that make one of the picture, with their shares.
fn covered(row: u32, step: f64, height: u32) -> impl Iterator<Item = (u32, f64)> {
    let start = f64::from(row) * step;
    let end = (start + step).min(f64::from(height));
    let last = (end.ceil() as u32).min(height);
    ((start as u32).min(height - 1)..last).map(move |y| {
        let share = end.min(f64::from(y) + 1.0) - start.max(f64::from(y));
        (y, (share / step).max(0.0))
    })
}

/// Black pels before each octet of a row.
fn sum(pels: &[u8], sums: &mut Vec<u32>) {
    let mut black = 0;
    sums.clear();
    sums.extend(pels.iter().map(|octet| {
        let before = black;
        black += octet.count_ones();
        before
    }));
}

/// A place in a row, that may lie within a pel.
struct Place {
    octet: usize,
    /// The pels of the octet before it, and the one that it lies in.
    before: u8,
    within: u8,
    /// How much of that one is before it.
    part: f64,
}

impl Place {
    /// So many pels from the left, but not behind the last.
    fn at(place: f64, width: u32) -> Place {
        let last = width.saturating_sub(1);
        let (pel, part) = match place as u32 {
            pel if pel > last => (last, 1.0),
            pel => (pel, place - f64::from(pel)),
        };
        let bit = 0x80u8 >> (pel % 8);
        Place {
            octet: pel as usize / 8,
            before: !(bit | (bit - 1)),
            within: bit,
            part,
        }
    }

    fn black_before(&self, pels: &[u8], sums: &[u32]) -> f64 {
        let octet = pels[self.octet];
        let whole = sums[self.octet] + (octet & self.before).count_ones();
        let part = if octet & self.within == 0 {
            0.0
        } else {
            self.part
        };
        f64::from(whole) + part
    }
}

fn grey(black: f64) -> u8 {
    let steps = f64::from(LEVELS - 1);
    ((1.0 - black) * steps).round().clamp(0.0, steps) as u8 * (255 / (LEVELS - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::GrayImage;

    use crate::pages::Resolution;

    fn page(resolution: Resolution, height: u32, ink: impl Fn(&mut Bitmap)) -> FaxPage {
        let (x_dpi, y_dpi) = resolution.dpi();
        let mut bitmap = Bitmap::new(1728, height).unwrap();
        ink(&mut bitmap);
        FaxPage {
            width: 1728,
            height,
            x_dpi,
            y_dpi,
            g4: g4::encode(&bitmap),
        }
    }

    fn read(png: &[u8]) -> GrayImage {
        image::load_from_memory(png).unwrap().to_luma8()
    }

    #[test]
    fn it_has_the_shape_of_the_paper_at_every_resolution() {
        for (resolution, height) in [
            (Resolution::Standard, 1143),
            (Resolution::Fine, 2287),
            (Resolution::Superfine, 4574),
        ] {
            let half = |bitmap: &mut Bitmap| {
                (0..height / 2).for_each(|y| bitmap.blacken(y, &[0, 864]));
            };
            let picture = read(&png(&page(resolution, height, half)).unwrap());
            assert_eq!((picture.width(), picture.height()), (480, 663));
            assert_eq!(picture.get_pixel(100, 100).0, [0]);
            assert_eq!(picture.get_pixel(300, 100).0, [255]);
            assert_eq!(picture.get_pixel(100, 600).0, [255]);
        }
    }

    #[test]
    fn fine_lines_turn_grey_and_do_not_vanish() {
        let lines = |bitmap: &mut Bitmap| {
            (0..2287)
                .step_by(40)
                .for_each(|y| bitmap.blacken(y, &[100, 1600]));
        };
        let picture = read(&png(&page(Resolution::Fine, 2287, lines)).unwrap());
        let grey = picture
            .pixels()
            .filter(|level| (100..250).contains(&level.0[0]));
        assert!(grey.count() > 50 * 400);
    }

    #[test]
    fn black_before_a_place_is_what_counting_pels_says() {
        for width in [1, 7, 8, 9, 480, 1728] {
            let mut noise = Bitmap::new(width, 1).unwrap();
            (0..width)
                .filter(|x| x % 3 != 1)
                .for_each(|x| noise.set(x, 0));
            let mut sums = Vec::new();
            sum(noise.row(0), &mut sums);
            for quarters in 0..=4 * width {
                let place = f64::from(quarters) / 4.0;
                let covered = |x: u32| (place - f64::from(x)).clamp(0.0, 1.0);
                let counted: f64 = (0..width).filter(|x| noise.get(*x, 0)).map(covered).sum();
                let found = Place::at(place, width).black_before(noise.row(0), &sums);
                assert_eq!(found, counted, "{place} of {width}");
            }
        }
    }

    #[test]
    fn an_endless_page_and_a_tiny_one_have_a_picture_too() {
        let long = png(&page(Resolution::Fine, 20000, |_| {})).unwrap();
        assert_eq!(read(&long).height(), MOST_ROWS);
        let tiny = FaxPage {
            width: 1,
            height: 1,
            x_dpi: 204,
            y_dpi: 391,
            g4: g4::encode(&Bitmap::new(1, 1).unwrap()),
        };
        assert!(read(&png(&tiny).unwrap()).height() > 0);
        let broken = FaxPage {
            g4: vec![0x55; 100],
            ..page(Resolution::Fine, 100, |_| {})
        };
        let _ = png(&broken);
    }

    #[test]
    fn a_page_of_noise_stays_small() {
        let mut rng = fastrand::Rng::with_seed(4);
        let mut noise = Bitmap::new(1728, 2287).unwrap();
        for y in 0..2287 {
            (0..400).for_each(|_| noise.set(rng.u32(..1728), y));
        }
        let noisy = page(Resolution::Fine, 2287, |bitmap| *bitmap = noise.clone());
        let octets = png(&noisy).unwrap().len();
        assert!(octets < 200_000, "{octets}");
    }
}
