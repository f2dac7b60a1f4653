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
    let mut levels = Vec::with_capacity((WIDTH * rows) as usize);
    // Black pels before each place of a row; of the row looked at last, for two levels may share it.
    let mut sums = Vec::new();
    let mut summed = None;
    for row in 0..rows {
        let mut black = [0.0; WIDTH as usize];
        for (y, weight) in covered(row, step, bitmap.height()) {
            if summed.replace(y) != Some(y) {
                sum(bitmap, y, &mut sums);
            }
            for (n, black) in black.iter_mut().enumerate() {
                let ends = [n, n + 1].map(|n| before(&sums, n as f64 * across));
                *black += weight * (ends[1] - ends[0]) / across;
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

fn sum(bitmap: &Bitmap, y: u32, sums: &mut Vec<u32>) {
    let mut black = 0;
    sums.clear();
    sums.push(0);
    sums.extend((0..bitmap.width()).map(|x| {
        black += u32::from(bitmap.get(x, y));
        black
    }));
}

/// Black pels before a place, that may lie within a pel.
fn before(sums: &[u32], place: f64) -> f64 {
    let whole = (place as usize).min(sums.len() - 1);
    let next = sums[(whole + 1).min(sums.len() - 1)];
    f64::from(sums[whole]) + f64::from(next - sums[whole]) * (place - whole as f64).clamp(0.0, 1.0)
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
