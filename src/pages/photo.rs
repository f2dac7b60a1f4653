//! Photos: where on a page they are, and the screen of dots that prints them.

use super::Resolution;
use super::bitmap;
use super::inked::{self, CHUNK, Inked};
use super::raster::Grey;

/// Pels across a block; it is as high as it is wide, on paper.
const BLOCK: u32 = 32;
/// Levels that are neither paper nor ink.
const MID_GREYS: std::ops::Range<u8> = 40..180;
/// Of the pels of a block, how many in a hundred are mid-grey in a photo.
const MID_PERCENT: u32 = 20;
/// Of these, how many in a hundred are smooth: the grey edges of scanned letters and of engravings are not.
const SMOOTH_PERCENT: u32 = 50;
/// Levels by which a smooth pel and its eight neighbours differ at most.
const SMOOTH_RANGE: u8 = 32;
/// In how many different shades (of [`SHADE`] levels) the mid-greys of a photo come; fills have one or two.
const SHADES: usize = 5;
const SHADE: u8 = 4;
/// Of a rectangle around a photo, how many blocks in a hundred it fills where it is meant to fill all.
const RECTANGLE_PERCENT: usize = 65;
/// Of a picture, how many blocks in a hundred are photo where all of it is one.
const PICTURE_PERCENT: u32 = 50;
/// Levels from here on are paper, or fills as light.
const PAPER: u8 = 190;

/// The blocks of a page that hold photos.
pub(super) struct Photos {
    columns: u32,
    block_height: u32,
    blocks: Vec<bool>,
    /// Whether one of them is.
    any: bool,
    /// Pictures that are photos up to their rims: left, top, right, bottom.
    pictures: Vec<[u32; 4]>,
}

/// Finds the photos of a page: blocks of many shades of grey, gaps closed, single ones dropped.
pub(super) fn find(grey: &Grey, inked: &Inked, resolution: Resolution) -> Photos {
    const { assert!(BLOCK as usize == CHUNK) };
    let block_height = vertical(BLOCK, resolution);
    let columns = grey.width().div_ceil(BLOCK);
    let rows = grey.height().div_ceil(block_height);
    let blocks: Vec<bool> = (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .map(|(row, column)| {
            let (top, bottom) = (row * block_height, (row + 1) * block_height);
            // Most blocks are paper.
            let is_inked = (top..bottom.min(grey.height())).any(|y| inked.has(y, column as usize));
            is_inked && is_photo(grey, column * BLOCK, top, block_height)
        })
        .collect();
    let mut photos = Photos {
        columns,
        block_height,
        any: blocks.contains(&true),
        blocks,
        pictures: Vec::new(),
    };
    if photos.any {
        for to in [true, false, false, true] {
            let before = photos.blocks.clone();
            photos.grow(to, |_| true, &before);
        }
        photos.flood(grey);
        photos.complete();
        photos.any = photos.blocks.contains(&true);
    }
    photos
}

impl Photos {
    /// Of the page, how many blocks in a thousand.
    pub(super) fn permille(&self) -> usize {
        let photos = self.blocks.iter().filter(|is_photo| **is_photo).count();
        photos * 1000 / self.blocks.len().max(1)
    }
}

fn is_photo(grey: &Grey, left: u32, top: u32, height: u32) -> bool {
    let right = (left + BLOCK).min(grey.width());
    let bottom = (top + height).min(grey.height());
    let rows = (top..bottom).map(|y| &grey.row(y)[left as usize..right as usize]);
    let is_mid = |level: &u8| MID_GREYS.contains(level);
    let in_row = |row: &[u8]| row.iter().map(|level| u8::from(is_mid(level))).sum::<u8>();
    let mid_greys: u32 = rows.clone().map(|row| u32::from(in_row(row))).sum();
    let pels = (right - left) * (bottom - top);
    // Most of the others are paper with letters.
    if mid_greys * 100 < pels * MID_PERCENT {
        return false;
    }
    let mut shades = [0u32; 256 / SHADE as usize];
    let mut smooth = 0;
    for y in top..bottom {
        let own = inked::chunk(grey, y, left as usize / CHUNK);
        let is_smooth = smooth_pels(grey, left as usize, y);
        // The soft edges of letters have every shade there is.
        let counted = own.iter().zip(is_smooth);
        for (level, _) in counted.filter(|(level, is_smooth)| *is_smooth && is_mid(level)) {
            smooth += 1;
            shades[usize::from(level / SHADE)] += 1;
        }
    }
    // A shade counts where it has a hundredth of the block.
    let many = shades.iter().filter(|&&count| count * 100 >= pels).count();
    smooth * 100 >= mid_greys * SMOOTH_PERCENT && many >= SHADES
}

/// Whether next to nothing of a block is as light as paper.
fn is_covered(grey: &Grey, left: u32, top: u32, height: u32) -> bool {
    let right = (left + BLOCK).min(grey.width());
    let bottom = (top + height).min(grey.height());
    let light: usize = (top..bottom)
        .flat_map(|y| &grey.row(y)[left as usize..right as usize])
        .filter(|&&level| level >= PAPER)
        .count();
    light * 20 < ((right - left) * (bottom - top)) as usize
}

/// Which pels of a row of a block are smooth. Beyond the edges of the page is what is at them.
fn smooth_pels(grey: &Grey, left: usize, y: u32) -> [bool; CHUNK] {
    let rows = [y.saturating_sub(1), y, (y + 1).min(grey.height() - 1)].map(|y| {
        let row = grey.row(y);
        let mut levels = [0; CHUNK + 2];
        let right = (left + CHUNK).min(row.len());
        levels[1..=right - left].copy_from_slice(&row[left..right]);
        levels[0] = row[left.saturating_sub(1)];
        levels[right - left + 1] = row[right.min(row.len() - 1)];
        levels
    });
    // Without branches: the pels are looked at together.
    let [above, own, below] = rows;
    let darkest: [u8; CHUNK + 2] = std::array::from_fn(|n| above[n].min(own[n]).min(below[n]));
    let lightest: [u8; CHUNK + 2] = std::array::from_fn(|n| above[n].max(own[n]).max(below[n]));
    std::array::from_fn(|n| {
        let dark = darkest[n].min(darkest[n + 1]).min(darkest[n + 2]);
        let light = lightest[n].max(lightest[n + 1]).max(lightest[n + 2]);
        light - dark < SMOOTH_RANGE
    })
}

impl Photos {
    /// One photo, `place` on the page (left, top, right, bottom).
    pub(super) fn all_of(place: [u32; 4], grey: &Grey, resolution: Resolution) -> Photos {
        let block_height = vertical(BLOCK, resolution);
        let columns = grey.width().div_ceil(BLOCK);
        let rows = grey.height().div_ceil(block_height);
        Photos {
            columns,
            block_height,
            blocks: vec![false; (columns * rows) as usize],
            any: true,
            pictures: vec![place],
        }
    }

    /// Marks in a packed row which of its pels are of photos.
    pub(super) fn mark(&self, y: u32, packed: &mut [u8]) {
        const OCTETS: usize = BLOCK as usize / 8;
        if !self.any {
            return;
        }
        let blocks = &self.blocks[((y / self.block_height) * self.columns) as usize..];
        for (octets, is_photo) in packed.chunks_mut(OCTETS).zip(blocks) {
            octets.fill(if *is_photo { 0xFF } else { 0 });
        }
        for &[left, top, right, bottom] in &self.pictures {
            if (top..bottom).contains(&y) {
                bitmap::blacken_run(packed, left, right);
            }
        }
    }

    pub(super) fn contains(&self, x: u32, y: u32) -> bool {
        self.any
            && (self.is_block(x, y)
                || self.pictures.iter().any(|[left, top, right, bottom]| {
                    (left..right).contains(&&x) && (top..bottom).contains(&&y)
                }))
    }

    fn is_block(&self, x: u32, y: u32) -> bool {
        self.blocks[((y / self.block_height) * self.columns + x / BLOCK) as usize]
    }

    /// Takes in all of the pictures that are photos for the most part.
    pub(super) fn complete_pictures(&mut self, pictures: &[[u32; 4]]) {
        if !self.any {
            return;
        }
        for picture @ &[left, top, right, bottom] in pictures {
            // Looked at in the middles of blocks that begin at its corner.
            let places = (top..bottom)
                .step_by(self.block_height as usize)
                .flat_map(|y| (left..right).step_by(BLOCK as usize).map(move |x| (x, y)));
            let (mut all, mut photo) = (0, 0);
            for (x, y) in places {
                let middle = (x + BLOCK / 2, y + self.block_height / 2);
                if middle.0 < right && middle.1 < bottom {
                    all += 1;
                    photo += u32::from(self.is_block(middle.0, middle.1));
                }
            }
            if all > 0 && photo * 100 >= all * PICTURE_PERCENT {
                self.pictures.push(*picture);
            }
        }
    }

    /// Takes in the neighbours without paper, again and again: the dark and even parts of a photo.
    fn flood(&mut self, grey: &Grey) {
        let columns = self.columns;
        let height = self.block_height;
        let covered: Vec<bool> = (0..self.blocks.len() as u32)
            .map(|n| is_covered(grey, n % columns * BLOCK, n / columns * height, height))
            .collect();
        loop {
            let before = self.blocks.clone();
            self.grow(true, |n| covered[n], &before);
            if self.blocks == before {
                return;
            }
        }
    }

    /// Takes in all of the rectangle that a photo nearly fills: its light parts, which look like paper by themselves.
    fn complete(&mut self) {
        let columns = self.columns as usize;
        let mut seen = vec![false; self.blocks.len()];
        for n in 0..self.blocks.len() {
            if self.blocks[n] && !seen[n] {
                let part = self.connected(n, &mut seen);
                let rows = part.iter().map(|n| n / columns);
                let across = part.iter().map(|n| n % columns);
                let (top, bottom) = (rows.clone().min(), rows.max());
                let (left, right) = (across.clone().min(), across.max());
                let (Some(top), Some(bottom), Some(left), Some(right)) = (top, bottom, left, right)
                else {
                    continue;
                };
                let area = (bottom - top + 1) * (right - left + 1);
                if part.len() * 100 >= area * RECTANGLE_PERCENT {
                    for row in top..=bottom {
                        self.blocks[row * columns + left..=row * columns + right].fill(true);
                    }
                }
            }
        }
    }

    /// The photo's blocks that hang together with block `n`, sides only.
    fn connected(&self, n: usize, seen: &mut [bool]) -> Vec<usize> {
        let columns = self.columns as usize;
        let mut found = vec![n];
        seen[n] = true;
        let mut next = 0;
        while let Some(&at) = found.get(next) {
            next += 1;
            let neighbours = [
                at.checked_sub(columns),
                Some(at + columns),
                (at % columns > 0).then(|| at - 1),
                (at % columns + 1 < columns).then_some(at + 1),
            ];
            for near in neighbours.into_iter().flatten() {
                if self.blocks.get(near) == Some(&true) && !std::mem::replace(&mut seen[near], true)
                {
                    found.push(near);
                }
            }
        }
        found
    }

    /// Takes in (`to` true) or gives up the blocks at the rim, diagonals too, that are `wanted`.
    fn grow(&mut self, to: bool, wanted: impl Fn(usize) -> bool, before: &[bool]) {
        let columns = self.columns as usize;
        let rows = before.len() / columns;
        for (n, block) in self.blocks.iter_mut().enumerate() {
            let (row, column) = (n / columns, n % columns);
            let near = (row.saturating_sub(1)..(row + 2).min(rows)).any(|r| {
                let line = &before[r * columns..][..columns];
                line[column.saturating_sub(1)..(column + 2).min(columns)].contains(&to)
            });
            if near && wanted(n) {
                *block = to;
            }
        }
    }
}

/// A clustered-dot screen at 45 degrees: 8 x 8 pels at fine, of the same shape on paper at the others. Dots that
/// grow together survive a fax machine's printer and code in few octets.
pub(super) struct Screen {
    height: u32,
    black_below: Vec<u8>,
}

impl Screen {
    const WIDTH: u32 = 8;

    pub(super) fn new(resolution: Resolution) -> Screen {
        let height = vertical(Self::WIDTH, resolution);
        let cells = Self::WIDTH * height;
        // Two dots a tile, one in its middle and one at its corners.
        let darkness = |cell: &u32| {
            let across = f64::from(cell % Self::WIDTH) / f64::from(Self::WIDTH);
            let down = f64::from(cell / Self::WIDTH) / f64::from(height);
            let turn = std::f64::consts::TAU;
            // The slight slant orders the cells that are as far from their dot.
            ((across + 0.013) * turn).cos() * ((down + 0.007) * turn).cos()
        };
        let mut order: Vec<u32> = (0..cells).collect();
        order.sort_by(|a, b| darkness(a).total_cmp(&darkness(b)));
        let mut black_below = vec![0; cells as usize];
        for (rank, cell) in order.into_iter().enumerate() {
            // The cell that turns black first has the highest threshold. Full black is black in all of them.
            let below = (2 * rank + 1) * 255 / (2 * cells as usize);
            black_below[cell as usize] = below.max(1) as u8;
        }
        Screen {
            height,
            black_below,
        }
    }

    /// Which of eight pels turn black, the first one the highest bit; it lies at a multiple of eight in its row.
    pub(super) fn black(&self, y: u32, levels: [u8; Self::WIDTH as usize]) -> u8 {
        let row = (y % self.height * Self::WIDTH) as usize;
        let pels = levels.iter().zip(&self.black_below[row..]);
        pels.fold(0, |bits, (level, below)| {
            bits << 1 | u8::from(level < below)
        })
    }
}

/// A length in pels of the fine resolution, down the page, in rows of another one.
fn vertical(pels: u32, resolution: Resolution) -> u32 {
    match resolution {
        Resolution::Standard => pels / 2,
        Resolution::Fine => pels,
        Resolution::Superfine => pels * 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A white page of 512 x 512 with a picture of 256 x 256 in its middle.
    fn page(level: impl Fn(u32, u32) -> u8) -> Grey {
        let levels = (0..512 * 512).map(|n| {
            let (x, y) = (n % 512, n / 512);
            match (128..384).contains(&x) && (128..384).contains(&y) {
                true => level(x - 128, y - 128),
                false => 255,
            }
        });
        Grey::new(512, 512, levels.collect())
    }

    fn found(page: &Grey) -> Photos {
        find(page, &Inked::of(page), Resolution::Fine)
    }

    fn has_photo(page: &Grey) -> bool {
        found(page).blocks.contains(&true)
    }

    #[test]
    fn a_photo_is_found_where_it_is() {
        let photos = found(&page(|x, y| (60 + (x + y) / 5 + (x * 7 + y * 3) % 9) as u8));
        assert!(photos.contains(256, 256) && photos.contains(140, 140));
        assert!(!photos.contains(60, 60) && !photos.contains(256, 450));
    }

    #[test]
    fn the_pels_marked_in_a_row_are_those_of_photos() {
        let page = page(|x, y| (60 + (x + y) / 5 + (x * 7 + y * 3) % 9) as u8);
        let mut photos = found(&page);
        photos.complete_pictures(&[[117, 117, 395, 395]]);
        let mut packed = [0; 64];
        for y in (0..512).step_by(9).chain([117, 394, 395]) {
            photos.mark(y, &mut packed);
            let marked = |x: u32| packed[x as usize / 8] & (0x80 >> (x % 8)) != 0;
            assert!((0..512).all(|x| marked(x) == photos.contains(x, y)), "{y}");
        }
    }

    #[test]
    fn a_picture_is_a_photo_up_to_its_rims_or_not_at_all() {
        let page = page(|x, y| (60 + (x + y) / 5 + (x * 7 + y * 3) % 9) as u8);
        let mut photos = found(&page);
        assert!(!photos.contains(120, 200), "beside its blocks");
        photos.complete_pictures(&[[117, 117, 395, 395], [0, 400, 512, 512]]);
        assert!(photos.contains(117, 117) && photos.contains(394, 394));
        assert!(!photos.contains(395, 200) && !photos.contains(116, 200));
        assert!(!photos.contains(200, 450), "the picture without a photo");
    }

    #[test]
    fn light_part_of_a_photo_belongs_to_it() {
        let light = |x: u32, y: u32| match (60..160).contains(&x) && y > 190 {
            true => 250,
            false => (60 + (x + y) / 5 + (x * 7 + y * 3) % 9) as u8,
        };
        let photos = found(&page(light));
        assert!(photos.contains(128 + 110, 128 + 225));
    }

    #[test]
    fn fills_scanned_letters_and_grey_paper_are_no_photos() {
        assert!(!has_photo(&page(|_, _| 150)));
        assert!(!has_photo(&page(|_, _| 90)));
        // A window of a program, light letters with soft edges on a dark ground.
        assert!(!has_photo(&page(|x, y| match (x % 12, y % 24 < 12) {
            (0, true) => 220,
            (1, true) => 60 + (x * 7 + y * 13) as u8 % 120,
            _ => 44,
        })));
        // Soft stems, 8 pels apart.
        let stems = [20, 60, 120, 200, 230, 200, 120, 60];
        assert!(!has_photo(&page(|x, _| stems[x as usize % 8])));
        assert!(!has_photo(&page(|x, y| 190 + (x * 7 + y * 13) as u8 % 20)));
    }

    #[test]
    fn screen_keeps_the_tone() {
        for resolution in [
            Resolution::Standard,
            Resolution::Fine,
            Resolution::Superfine,
        ] {
            let screen = Screen::new(resolution);
            for level in [0u8, 30, 64, 128, 200, 255] {
                let black: u32 = (0..64 * 8)
                    .map(|n| screen.black(n / 8, [level; 8]).count_ones())
                    .sum();
                let black = black as usize;
                let expected = 64 * 64 * (255 - usize::from(level)) / 255;
                assert!(
                    black.abs_diff(expected) < 200,
                    "{resolution:?} {level}: {black}"
                );
            }
        }
    }
}
