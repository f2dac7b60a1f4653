//! Pictures to the size they have on a fax page, whose pels are not square: the mean over what each pel covers.

use image::GrayImage;

/// The picture with `width` x `height` pels, row by row.
pub(super) fn fit(source: &GrayImage, width: u32, height: u32) -> Vec<u8> {
    let rows = Spans::new(source.height(), height);
    let columns = Spans::new(source.width(), width);
    let mut levels = Vec::with_capacity(width as usize * height as usize);
    let mut means = RowMeans::new(source, &columns);
    let mut sum = vec![0.0f32; width as usize];
    for (first, last, weights) in rows.all() {
        sum.fill(0.0);
        for y in first..=last {
            let weight = weights.of(y, first, last);
            for (sum, mean) in sum.iter_mut().zip(means.of(y)) {
                *sum += weight * mean;
            }
        }
        levels.extend(sum.iter().map(|level| (level + 0.5) as u8));
    }
    levels
}

/// What of `from` places each of `to` places covers.
struct Spans {
    from: u32,
    to: u32,
}

/// The share of a mean that the first place, each in the middle, and the last one have.
struct Weights {
    first: f32,
    middle: f32,
    last: f32,
}

impl Weights {
    fn of(&self, at: u32, first: u32, last: u32) -> f32 {
        match at {
            _ if at == first => self.first,
            _ if at == last => self.last,
            _ => self.middle,
        }
    }
}

impl Spans {
    fn new(from: u32, to: u32) -> Spans {
        Spans { from, to }
    }

    fn all(&self) -> impl Iterator<Item = (u32, u32, Weights)> + '_ {
        let step = f64::from(self.from) / f64::from(self.to);
        (0..self.to).map(move |n| {
            let start = f64::from(n) * step;
            let end = (start + step).min(f64::from(self.from));
            let first = (start as u32).min(self.from - 1);
            let last = (end.ceil() as u32 - 1).clamp(first, self.from - 1);
            let weights = match last == first {
                true => Weights {
                    first: 1.0,
                    middle: 0.0,
                    last: 0.0,
                },
                false => Weights {
                    first: ((f64::from(first) + 1.0 - start) / step) as f32,
                    middle: (1.0 / step) as f32,
                    last: ((end - f64::from(last)) / step) as f32,
                },
            };
            (first, last, weights)
        })
    }
}

/// Rows of the source with their columns reduced; the one used last is kept, for two rows of the target may need it.
struct RowMeans<'a> {
    source: &'a GrayImage,
    columns: Vec<(u32, u32, Weights)>,
    kept: Option<u32>,
    row: Vec<f32>,
    /// Sum of the levels before each place.
    sums: Vec<u32>,
}

impl<'a> RowMeans<'a> {
    fn new(source: &'a GrayImage, columns: &Spans) -> RowMeans<'a> {
        RowMeans {
            source,
            columns: columns.all().collect(),
            kept: None,
            row: Vec::new(),
            sums: Vec::new(),
        }
    }

    fn of(&mut self, y: u32) -> &[f32] {
        if self.kept.replace(y) != Some(y) {
            let width = self.source.width() as usize;
            let levels = &self.source.as_raw()[y as usize * width..][..width];
            self.sums.clear();
            self.sums.push(0);
            let mut sum = 0;
            self.sums.extend(levels.iter().map(|&level| {
                sum += u32::from(level);
                sum
            }));
            let sums = &self.sums;
            let level = |x: u32| f32::from(levels[x as usize]);
            self.row.clear();
            self.row
                .extend(self.columns.iter().map(|(first, last, weights)| {
                    if first == last {
                        return level(*first);
                    }
                    let middle = sums[*last as usize] - sums[*first as usize + 1];
                    weights.first * level(*first)
                        + weights.middle * middle as f32
                        + weights.last * level(*last)
                }));
        }
        &self.row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, rows: &[&[u8]]) -> GrayImage {
        GrayImage::from_raw(width, rows.len() as u32, rows.concat()).unwrap()
    }

    #[test]
    fn each_pel_is_the_mean_of_what_it_covers() {
        let source = picture(4, &[&[0, 100, 200, 200], &[100, 200, 0, 0]]);
        assert_eq!(fit(&source, 2, 1), [100, 100]);
        assert_eq!(fit(&source, 4, 2), source.as_raw().as_slice());
        // Three of four columns: 1 1/3 each.
        assert_eq!(fit(&picture(4, &[&[0, 90, 90, 0]]), 3, 1), [23, 90, 23]);
        assert_eq!(
            fit(&picture(2, &[&[0, 200]]), 6, 2),
            [0, 0, 0, 200, 200, 200].repeat(2)
        );
    }

    #[test]
    fn grey_stays_grey_at_every_size() {
        let source = GrayImage::from_pixel(37, 23, image::Luma([119]));
        for (width, height) in [(1, 1), (36, 22), (37, 23), (38, 24), (100, 7), (5, 99)] {
            let fitted = fit(&source, width, height);
            assert_eq!(fitted.len(), (width * height) as usize);
            assert!(
                fitted.iter().all(|&level| level == 119),
                "{width} x {height}"
            );
        }
    }
}
