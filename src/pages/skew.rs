//! Scans that lie askew by a few degrees are put straight: level lines of letters code in fewer octets. By how much is
//! told from the ink of the rows, which differs most from row to row where the lines lie level.

use super::Resolution;
use super::raster::Grey;

/// Levels of ink.
const INK: u8 = 128;
/// Levels of paper, and of a sheet with letters how many pels in a hundred are paper.
const PAPER: u8 = 200;
const PAPER_PERCENT: usize = 60;
/// Pels of ink that are looked at, about; more say no more.
const SAMPLES: usize = 20_000;
/// Steps of a twentieth of a degree to either side: three degrees.
const STEPS: i32 = 60;
const STEP: f64 = 0.05;
/// Less is not worth the softer letters.
const LEAST_DEGREES: f64 = 0.3;
/// How much better than as it lies the best angle must be, and than the middle one of all, in hundreds.
const BETTER_THAN_NOW: u64 = 130;
const BETTER_THAN_MOST: u64 = 160;

/// Puts a page straight that certainly lies askew; says whether it did.
pub(super) fn straighten(grey: &mut Grey, resolution: Resolution) -> bool {
    let Some(degrees) = degrees(grey, resolution) else {
        return false;
    };
    *grey = turned(grey, degrees, aspect(resolution));
    true
}

/// Whether most of it is paper: a photo has edges, but no lines.
fn is_paper(grey: &Grey) -> bool {
    let paper = |y| grey.row(y).iter().filter(|level| **level >= PAPER).count();
    let paper: usize = (0..grey.height()).map(paper).sum();
    paper * 100 >= grey.width() as usize * grey.height() as usize * PAPER_PERCENT
}

/// Rows for a pel's width.
fn aspect(resolution: Resolution) -> f64 {
    let (x_dpi, y_dpi) = resolution.exact_dpi();
    y_dpi / x_dpi
}

/// By how much the lines of a page fall to the right; `None` where they lie level, or nobody can tell.
fn degrees(grey: &Grey, resolution: Resolution) -> Option<f64> {
    let ink = ink(grey);
    if ink.len() < SAMPLES / 8 || !is_paper(grey) {
        return None;
    }
    let scores: Vec<u64> = (-STEPS..=STEPS)
        .map(|step| {
            let fall = (f64::from(step) * STEP).to_radians().tan() * aspect(resolution);
            score(&ink, fall, grey.height())
        })
        .collect();
    let (best, score) = scores.iter().enumerate().max_by_key(|(_, score)| **score)?;
    let degrees = f64::from(best as i32 - STEPS) * STEP;
    let mut sorted = scores.clone();
    sorted.sort_unstable();
    let is_sure = score * 100 >= scores[STEPS as usize] * BETTER_THAN_NOW
        && score * 100 >= sorted[sorted.len() / 2] * BETTER_THAN_MOST
        && (3..scores.len() - 3).contains(&best);
    (is_sure && degrees.abs() >= LEAST_DEGREES).then_some(degrees)
}

/// Places of ink, chosen by chance: what is printed is regular, and so would be every second or third of it.
fn ink(grey: &Grey) -> Vec<(u32, u32)> {
    let rows = 0..grey.height();
    let black = |y: u32| (0..).zip(grey.row(y)).filter(|(_, level)| **level < INK);
    let all: usize = rows.clone().map(|y| black(y).count()).sum();
    let mut dice = fastrand::Rng::with_seed(0);
    let places = rows.flat_map(|y| black(y).map(move |(x, _)| (x, y)));
    places.filter(|_| dice.usize(..all) < SAMPLES).collect()
}

/// How much the ink of the rows differs from row to row, for lines that fall by so many rows a pel.
fn score(ink: &[(u32, u32)], fall: f64, height: u32) -> u64 {
    // The middle of the page stays where it is; what leaves it counts for its first or last row.
    let middle = 864.0;
    let mut rows = vec![0u32; height as usize];
    let last = height as usize - 1;
    for &(x, y) in ink {
        let row = f64::from(y) - (f64::from(x) - middle) * fall;
        rows[(row.max(0.0) as usize).min(last)] += 1;
    }
    let inner = &rows[1..last];
    inner
        .windows(2)
        .map(|pair| u64::from(pair[0].abs_diff(pair[1])).pow(2))
        .sum()
}

/// The page turned back by so many degrees, about its middle.
fn turned(grey: &Grey, degrees: f64, aspect: f64) -> Grey {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (width, height) = (grey.width() as i32, grey.height() as i32);
    let middle = (f64::from(width) / 2.0, f64::from(height) / 2.0);
    let mut levels = Vec::with_capacity((width * height) as usize);
    // In 65,536ths of a pel and of a row.
    let fixed = |pels: f64| (pels * 65_536.0) as i64;
    let (step_x, step_y) = (fixed(cos), fixed(sin * aspect));
    for y in 0..height {
        let down = (f64::from(y) - middle.1) / aspect;
        let mut from_x = fixed(middle.0 - middle.0 * cos - down * sin);
        let mut from_y = fixed(middle.1 + (down * cos - middle.0 * sin) * aspect);
        for _ in 0..width {
            levels.push(between(grey, from_x, from_y));
            from_x += step_x;
            from_y += step_y;
        }
    }
    Grey::new(grey.width(), grey.height(), levels)
}

/// The level at a place between four pels; paper outside of the page.
fn between(grey: &Grey, x: i64, y: i64) -> u8 {
    let (column, row) = (x >> 16, y >> 16);
    if column < 0 || row < 0 {
        return u8::MAX;
    }
    let (column, row) = (column as usize, row as u32);
    if column + 1 >= grey.width() as usize || row + 1 >= grey.height() {
        return u8::MAX;
    }
    let (across, down) = ((x >> 8 & 0xFF) as u32, (y >> 8 & 0xFF) as u32);
    let (above, below) = (&grey.row(row)[column..], &grey.row(row + 1)[column..]);
    let mixed = |row: &[u8]| u32::from(row[0]) * (256 - across) + u32::from(row[1]) * across;
    ((mixed(above) * (256 - down) + mixed(below) * down) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of words that fall by `degrees`.
    fn page(degrees: f64, resolution: Resolution) -> Grey {
        let fall = degrees.to_radians().tan() * aspect(resolution);
        let (height, pitch) = match resolution {
            Resolution::Standard => (1143, 16),
            _ => (2287, 32),
        };
        let levels = (0..1728 * height).map(|n| {
            let (x, y) = (n % 1728, n / 1728);
            let line = f64::from(y) - (f64::from(x) - 864.0) * fall;
            let is_line = line.rem_euclid(f64::from(pitch)) < f64::from(pitch) / 3.0;
            let is_letter = x % 9 < 4 && x % 90 < 70;
            let is_inside = (150..1580).contains(&x) && (150..height - 150).contains(&y);
            if is_line && is_letter && is_inside {
                0
            } else {
                255
            }
        });
        Grey::new(1728, height as u32, levels.collect())
    }

    #[test]
    fn a_page_that_lies_askew_is_put_straight() {
        for (askew, resolution) in [
            (-2.2, Resolution::Standard),
            (0.5, Resolution::Standard),
            (1.6, Resolution::Fine),
        ] {
            let mut grey = page(askew, resolution);
            let found = degrees(&grey, resolution);
            let found = found.unwrap_or_else(|| panic!("{askew} {resolution:?}"));
            assert!((found - askew).abs() < 0.11, "{askew}: {found}");
            straighten(&mut grey, resolution);
            assert_eq!(degrees(&grey, resolution), None, "{askew}");
        }
    }

    #[test]
    fn what_lies_level_or_has_no_lines_stays() {
        let mut rng = fastrand::Rng::with_seed(3);
        let noise = (0..1728 * 1143).map(|_| if rng.u8(..) < 20 { 0 } else { 255 });
        let noise = Grey::new(1728, 1143, noise.collect());
        for grey in [
            page(0.0, Resolution::Standard),
            page(0.1, Resolution::Standard),
            noise,
        ] {
            assert_eq!(degrees(&grey, Resolution::Standard), None);
        }
    }
}
