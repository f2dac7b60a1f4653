//! Photos: where on a page they are, and the screen of dots that prints them.

use super::Resolution;
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

/// The blocks of a page that hold photos.
pub(super) struct Photos {
    columns: u32,
    block_height: u32,
    blocks: Vec<bool>,
}

/// Finds the photos of a page: blocks of many shades of grey, gaps closed, single ones dropped.
pub(super) fn find(grey: &Grey, resolution: Resolution) -> Photos {
    let block_height = vertical(BLOCK, resolution);
    let columns = grey.width().div_ceil(BLOCK);
    let rows = grey.height().div_ceil(block_height);
    let blocks = (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .map(|(row, column)| is_photo(grey, column * BLOCK, row * block_height, block_height))
        .collect();
    let mut photos = Photos {
        columns,
        block_height,
        blocks,
    };
    if photos.blocks.contains(&true) {
        photos.grow(true);
        photos.grow(false);
        photos.grow(false);
        photos.grow(true);
    }
    photos
}

fn is_photo(grey: &Grey, left: u32, top: u32, height: u32) -> bool {
    let right = (left + BLOCK).min(grey.width());
    let bottom = (top + height).min(grey.height());
    let mut shades = [0u32; 256 / SHADE as usize];
    let (mut mid_greys, mut smooth) = (0, 0);
    for y in top..bottom {
        for (x, &level) in (left..right).zip(&grey.row(y)[left as usize..right as usize]) {
            if MID_GREYS.contains(&level) {
                mid_greys += 1;
                smooth += u32::from(is_smooth(grey, x, y));
                shades[usize::from(level / SHADE)] += 1;
            }
        }
    }
    let pels = (right - left) * (bottom - top);
    // A shade counts where it has a hundredth of the block.
    let many = shades.iter().filter(|&&count| count * 100 >= pels).count();
    mid_greys * 100 >= pels * MID_PERCENT
        && smooth * 100 >= mid_greys * SMOOTH_PERCENT
        && many >= SHADES
}

fn is_smooth(grey: &Grey, x: u32, y: u32) -> bool {
    let columns = x.saturating_sub(1) as usize..(x + 2).min(grey.width()) as usize;
    let (mut darkest, mut lightest) = (u8::MAX, u8::MIN);
    for y in y.saturating_sub(1)..(y + 2).min(grey.height()) {
        for &level in &grey.row(y)[columns.clone()] {
            darkest = darkest.min(level);
            lightest = lightest.max(level);
        }
    }
    lightest - darkest < SMOOTH_RANGE
}

impl Photos {
    pub(super) fn contains(&self, x: u32, y: u32) -> bool {
        self.blocks[((y / self.block_height) * self.columns + x / BLOCK) as usize]
    }

    /// Takes in (`to` true) or gives up the blocks at the rim, diagonals too.
    fn grow(&mut self, to: bool) {
        let before = self.blocks.clone();
        let columns = self.columns as usize;
        let rows = before.len() / columns;
        for (n, block) in self.blocks.iter_mut().enumerate() {
            let (row, column) = (n / columns, n % columns);
            let near = (row.saturating_sub(1)..(row + 2).min(rows)).any(|r| {
                let line = &before[r * columns..][..columns];
                line[column.saturating_sub(1)..(column + 2).min(columns)].contains(&to)
            });
            if near {
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
            // The cell that turns black first has the highest threshold.
            black_below[cell as usize] = ((2 * rank + 1) * 255 / (2 * cells as usize)) as u8;
        }
        Screen {
            height,
            black_below,
        }
    }

    pub(super) fn black_below(&self, x: u32, y: u32) -> u8 {
        self.black_below[(y % self.height * Self::WIDTH + x % Self::WIDTH) as usize]
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
