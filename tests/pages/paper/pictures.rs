//! Pages that are pictures: scans, photos, what was on a screen. The text of those lies below them unseen.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};

use super::A4;
use super::sheet::{Picture, Sheet};
use super::words::Words;

type Drawn = anyhow::Result<Sheet>;

/// Dots per inch of the scans.
const DPI: f64 = 200.0;

pub fn scan_grey() -> Drawn {
    Ok(scan(0.0, 10, |x, y, ink, noise| {
        let paper = 196.0 + 14.0 * (x * 2.0).sin() + 10.0 * y;
        paper - ink * (paper - 40.0) + noise * 10.0
    }))
}

pub fn scan_skewed() -> Drawn {
    Ok(scan(1.6, 11, |x, y, ink, noise| {
        // The lid was open: black around the sheet, a shadow along its spine.
        let off = x < 0.025 || y > 0.985;
        let shadow = 90.0 * (-x * 14.0).exp();
        let paper = if off { 18.0 } else { 226.0 - shadow };
        paper - ink * (paper - 30.0).max(0.0) + noise * 8.0
    }))
}

pub fn scan_faint() -> Drawn {
    Ok(scan(-0.4, 12, |_, _, ink, noise| {
        244.0 - ink * 120.0 + noise * 5.0
    }))
}

/// A scanned letter. `level` makes the level of a pel of its place (0 to 1), its ink (0 to 1) and noise (-1 to 1).
fn scan(degrees: f64, seed: u64, level: impl Fn(f64, f64, f64, f64) -> f64) -> Sheet {
    let (width, height) = (1654, 2339);
    let mut words = Words::new(seed);
    let mut sheet = Sheet::new();
    let mut ink = Ink::new(width, height);
    for row in 0..44 {
        if row % 9 == 8 {
            continue;
        }
        let y = 80.0 + f64::from(row) * 15.5;
        let line = words.line(82);
        ink.text(
            dejavu::serif::regular(),
            10.0 * DPI / 72.0,
            (70.0 * DPI / 72.0, y * DPI / 72.0),
            &line,
        );
        sheet.hidden_text(10.0, (70.0, y), &line);
    }
    let (sin, cos) = degrees.to_radians().sin_cos();
    let centre = (width as f64 / 2.0, height as f64 / 2.0);
    let levels = (0..width * height).map(|n| {
        let (x, y) = ((n % width) as f64, (n / width) as f64);
        let (dx, dy) = (x - centre.0, y - centre.1);
        let ink = ink.soft(
            centre.0 + dx * cos + dy * sin,
            centre.1 - dx * sin + dy * cos,
        );
        let noise = words.share() + words.share() - 1.0;
        level(x / width as f64, y / height as f64, ink, noise).clamp(0.0, 255.0) as u8
    });
    let levels = levels.collect();
    sheet.picture(
        (0.0, 0.0),
        A4,
        Picture {
            width,
            height,
            levels,
        },
    );
    sheet
}

/// Letters before they are scanned.
struct Ink {
    width: usize,
    height: usize,
    share: Vec<f32>,
}

impl Ink {
    fn new(width: usize, height: usize) -> Ink {
        Ink {
            width,
            height,
            share: vec![0.0; width * height],
        }
    }

    /// A line of text, `size` pels high, on its base line.
    fn text(&mut self, font: &[u8], size: f64, (x, y): (f64, f64), text: &str) {
        let font = FontRef::try_from_slice(font).expect("it comes with the program");
        // An em is smaller than what the scale counts.
        let em = font.height_unscaled() / font.units_per_em().expect("a font has an em");
        let scale = PxScale::from(size as f32 * em);
        let mut pen = x as f32;
        for letter in text.chars() {
            let id = font.glyph_id(letter);
            let glyph = id.with_scale_and_position(scale, point(pen, y as f32));
            pen += font.as_scaled(scale).h_advance(id);
            let Some(outline) = font.outline_glyph(glyph) else {
                continue;
            };
            let corner = outline.px_bounds().min;
            outline.draw(|dx, dy, share| {
                let (x, y) = (
                    corner.x as usize + dx as usize,
                    corner.y as usize + dy as usize,
                );
                if x < self.width && y < self.height {
                    self.share[y * self.width + x] = share;
                }
            });
        }
    }

    /// The ink around a place, as a lens sees it.
    fn soft(&self, x: f64, y: f64) -> f64 {
        let at = |x: i64, y: i64| match (usize::try_from(x), usize::try_from(y)) {
            (Ok(x), Ok(y)) if x < self.width && y < self.height => {
                f64::from(self.share[y * self.width + x])
            }
            _ => 0.0,
        };
        let (left, top) = (x.floor(), y.floor());
        let (right, below) = (x - left, y - top);
        let (left, top) = (left as i64, top as i64);
        at(left, top) * (1.0 - right) * (1.0 - below)
            + at(left + 1, top) * right * (1.0 - below)
            + at(left, top + 1) * (1.0 - right) * below
            + at(left + 1, top + 1) * right * below
    }
}

pub fn photo() -> Drawn {
    let (mut sheet, mut words) = (Sheet::new(), Words::new(13));
    sheet.lines("Helvetica", 10.0, (70.0, 80.0), &words.lines(8, 90));
    sheet.picture((70.0, 200.0), (455.0, 340.0), face(910, 680));
    sheet.text(
        "Times",
        9.0,
        (0.2, 0.2, 0.2),
        (70.0, 552.0),
        &words.line(90),
    );
    sheet.lines("Helvetica", 10.0, (70.0, 590.0), &words.lines(10, 90));
    Ok(sheet)
}

pub fn full_photo() -> Drawn {
    let mut sheet = Sheet::new();
    sheet.picture((0.0, 0.0), A4, face(1240, 1754));
    Ok(sheet)
}

/// A face before hills and a sky, in colours, with the grain of a film.
fn face(width: usize, height: usize) -> Picture {
    let mut grain = fastrand::Rng::with_seed(14);
    let levels = (0..width * height).flat_map(|n| {
        let x = (n % width) as f64 / width as f64 * 2.0 - 1.0;
        let y = (n / width) as f64 / height as f64 * 2.0 - 1.0;
        let grain = grain.f64() * 14.0 - 7.0;
        scene(x, y).map(|level| (level + grain).clamp(0.0, 255.0) as u8)
    });
    Picture {
        width,
        height,
        levels: levels.collect(),
    }
}

/// The colours at a place, both sides from -1 to 1.
fn scene(x: f64, y: f64) -> [f64; 3] {
    let within =
        |cx: f64, cy: f64, rx: f64, ry: f64| ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2);
    let head = within(0.0, -0.05, 0.42, 0.62);
    if within(-0.16, -0.18, 0.075, 0.05) < 1.0 || within(0.16, -0.18, 0.075, 0.05) < 1.0 {
        let pupil = within(-0.16, -0.18, 0.03, 0.04) < 1.0 || within(0.16, -0.18, 0.03, 0.04) < 1.0;
        return if pupil {
            [30.0, 25.0, 25.0]
        } else {
            [235.0, 232.0, 228.0]
        };
    }
    if within(0.0, 0.28, 0.15, 0.05) < 1.0 {
        return [165.0, 70.0, 75.0];
    }
    if head < 1.0 {
        // Lit from the left; the hair above.
        let light = 1.0 - 0.35 * (x + 0.3) - 0.25 * head;
        let nose = 24.0 * (-((x - 0.03) / 0.05).powi(2) - ((y - 0.05) / 0.18).powi(2)).exp();
        let brow = if within(-0.16, -0.29, 0.1, 0.02) < 1.0 || within(0.16, -0.29, 0.1, 0.02) < 1.0
        {
            -90.0
        } else {
            0.0
        };
        if y < -0.42 + 0.1 * (x * 9.0).sin().abs() {
            return [70.0, 50.0, 40.0].map(|level| level * light + 14.0 * (x * 90.0).sin());
        }
        return [222.0, 180.0, 158.0].map(|level| level * light - nose + brow);
    }
    if within(0.0, 1.05, 0.75, 0.5) < 1.0 {
        return [60.0, 80.0, 130.0].map(|level| level + 25.0 * (x * 4.0).cos());
    }
    let hills = 0.25 + 0.15 * (x * 3.0).sin() + 0.05 * (x * 11.0).cos();
    match y > hills {
        true => [90.0, 120.0, 70.0].map(|level| level + 30.0 * (x * 17.0 + y * 23.0).sin()),
        false => [150.0, 185.0, 225.0].map(|level| level + 30.0 * (hills - y)),
    }
}

pub fn screenshot() -> Drawn {
    Ok(screen([255.0, 255.0, 255.0], [32.0, 32.0, 36.0], 15))
}

pub fn dark_screenshot() -> Drawn {
    Ok(screen([38.0, 40.0, 46.0], [222.0, 224.0, 228.0], 16))
}

/// A window of a program on a screen of 96 dots per inch.
fn screen(ground: [f64; 3], ink: [f64; 3], seed: u64) -> Sheet {
    const POINTS: f64 = 0.5;
    let (width, height) = (920, 640);
    let (mut sheet, mut words) = (Sheet::new(), Words::new(seed));
    sheet.lines("Helvetica", 11.0, (70.0, 80.0), &words.lines(4, 84));
    let mut letters = Ink::new(width, height);
    let mut write = |sheet: &mut Sheet, at: (f64, f64), text: &str| {
        letters.text(dejavu::sans::regular(), 13.0, at, text);
        sheet.hidden_text(
            13.0 * POINTS,
            (70.0 + at.0 * POINTS, 150.0 + at.1 * POINTS),
            text,
        );
    };
    write(&mut sheet, (14.0, 21.0), "Orders and deliveries");
    for row in 0..22 {
        let y = 66.0 + f64::from(row) * 26.0;
        write(&mut sheet, (20.0, y), &words.line(20));
        write(&mut sheet, (240.0, y), &words.line(72));
    }
    let levels = (0..width * height).flat_map(|n| {
        let (x, y) = (n % width, n / width);
        let ground = match (x, y) {
            (_, ..32) => [58.0, 96.0, 160.0],
            (..220, _) => ground.map(|level| level * 0.9 + 8.0),
            _ if y / 26 % 2 == 0 => ground.map(|level| level * 0.96 + 4.0),
            _ => ground,
        };
        let ink = if y < 32 { [255.0; 3] } else { ink };
        let share = f64::from(letters.share[n]);
        [0, 1, 2].map(|c| (ground[c] * (1.0 - share) + ink[c] * share) as u8)
    });
    let levels = levels.collect();
    sheet.picture(
        (70.0, 150.0),
        (460.0, 320.0),
        Picture {
            width,
            height,
            levels,
        },
    );
    sheet
}
