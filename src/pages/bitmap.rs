//! Bilevel pictures: one bit a pel, 1 = black.

/// A page as pels. Rows are packed, most significant bit first, each row starting on an octet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitmap {
    width: u32,
    height: u32,
    stride: usize,
    bits: Vec<u8>,
}

impl Bitmap {
    /// Pels in the widest row that is read: scans are larger than any fax, A3 at 1200 dpi has 14,032.
    pub const MAX_WIDTH: u32 = 16384;
    /// Rows of the longest page we take: 42 inches at superfine.
    pub const MAX_HEIGHT: u32 = 20480;

    /// A white page; `None` where a side is 0 or over its limit.
    pub fn new(width: u32, height: u32) -> Option<Bitmap> {
        if !(1..=Self::MAX_WIDTH).contains(&width) || !(1..=Self::MAX_HEIGHT).contains(&height) {
            return None;
        }
        let stride = width.div_ceil(8) as usize;
        let bits = vec![0; stride * height as usize];
        Some(Bitmap {
            width,
            height,
            stride,
            bits,
        })
    }

    /// Pels in a row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The rows from the top, packed; bits behind the last pel are 0.
    pub fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.bits.chunks_exact(self.stride)
    }

    /// One row, packed. `y` is less than the height.
    pub fn row(&self, y: u32) -> &[u8] {
        let start = y as usize * self.stride;
        &self.bits[start..start + self.stride]
    }

    /// Makes the pel black; pels outside of the page are ignored.
    pub fn set(&mut self, x: u32, y: u32) {
        if x < self.width && y < self.height {
            self.bits[y as usize * self.stride + x as usize / 8] |= 0x80 >> (x % 8);
        }
    }

    /// Makes the pel black or white; pels outside of the page are ignored.
    pub fn put(&mut self, x: u32, y: u32, is_black: bool) {
        if is_black {
            self.set(x, y);
        } else if x < self.width && y < self.height {
            self.bits[y as usize * self.stride + x as usize / 8] &= !(0x80 >> (x % 8));
        }
    }

    /// Whether the pel is black; pels outside of the page are white.
    pub fn get(&self, x: u32, y: u32) -> bool {
        x < self.width
            && y < self.height
            && self.bits[y as usize * self.stride + x as usize / 8] & (0x80 >> (x % 8)) != 0
    }

    /// Adds the black runs of a row: `edges` are the places where the colour changes, white first, ascending.
    pub fn blacken(&mut self, y: u32, edges: &[u32]) {
        for run in edges.chunks(2) {
            let end = run.get(1).copied().unwrap_or(self.width);
            self.blacken_run(y, run[0], end.min(self.width));
        }
    }

    /// Adds the black pels of a packed row, as wide as the page. `y` is less than the height.
    pub fn add_row(&mut self, y: u32, row: &[u8]) {
        let own = &mut self.bits[y as usize * self.stride..][..self.stride];
        for (own, added) in own.iter_mut().zip(row) {
            *own |= added;
        }
    }

    fn blacken_run(&mut self, y: u32, start: u32, end: u32) {
        if y < self.height {
            blacken_run(&mut self.bits[y as usize * self.stride..], start, end);
        }
    }

    /// Swaps black and white.
    pub fn invert(&mut self) {
        let spare = self.stride * 8 - self.width as usize;
        for row in self.bits.chunks_exact_mut(self.stride) {
            for octet in row.iter_mut() {
                *octet = !*octet;
            }
            row[self.stride - 1] &= 0xFF << spare;
        }
    }

    /// Puts `other`, which has the same width, below this page; `None` where that is not so or the sum is too high.
    pub fn append(&mut self, other: &Bitmap) -> Option<()> {
        let height = self.height.checked_add(other.height)?;
        if self.width != other.width || height > Self::MAX_HEIGHT {
            return None;
        }
        self.bits.extend_from_slice(&other.bits);
        self.height = height;
        Some(())
    }

    /// Whether no pel is black.
    pub fn is_blank(&self) -> bool {
        self.rows().flatten().all(|octet| *octet == 0)
    }

    /// Of all pels, how many in a hundred are black.
    pub fn black_percent(&self) -> u32 {
        let black: u64 = self
            .rows()
            .flatten()
            .map(|octet| u64::from(octet.count_ones()))
            .sum();
        let pels = u64::from(self.width) * u64::from(self.height);
        (black * 100).checked_div(pels).unwrap_or(0) as u32
    }

    /// Number of white rows at the top.
    pub fn blank_rows_at_top(&self) -> u32 {
        self.rows()
            .take_while(|row| row.iter().all(|&octet| octet == 0))
            .count() as u32
    }
}

/// Makes the pels from `start` to before `end` of a packed row black.
pub(super) fn blacken_run(row: &mut [u8], start: u32, end: u32) {
    if start >= end {
        return;
    }
    let (first, last) = (start as usize / 8, (end - 1) as usize / 8);
    let head = 0xFF_u8 >> (start % 8);
    let tail = 0xFF_u8 << (7 - (end - 1) % 8);
    if first == last {
        row[first] |= head & tail;
        return;
    }
    row[first] |= head;
    row[first + 1..last].fill(0xFF);
    row[last] |= tail;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_blacken_the_same_pels_as_single_ones() {
        let edges = [0, 1, 3, 8, 9, 17, 30, 31, 34];
        let mut runs = Bitmap::new(37, 2).unwrap();
        runs.blacken(1, &edges);
        let mut single = Bitmap::new(37, 2).unwrap();
        for x in (0..1).chain(3..8).chain(9..17).chain(30..31).chain(34..37) {
            single.set(x, 1);
        }
        assert_eq!(runs, single);
        assert_eq!(runs.blank_rows_at_top(), 1);
    }

    #[test]
    fn inverting_twice_changes_nothing_and_spares_the_padding() {
        let mut page = Bitmap::new(13, 3).unwrap();
        page.blacken(1, &[2, 5]);
        let before = page.clone();
        page.invert();
        assert_eq!(page.row(0), [0xFF, 0b1111_1000]);
        page.invert();
        assert_eq!(page, before);
    }

    #[test]
    fn strips_of_one_width_append() {
        let mut top = Bitmap::new(16, 2).unwrap();
        let mut below = Bitmap::new(16, 1).unwrap();
        below.set(3, 0);
        assert!(top.append(&below).is_some());
        assert!(top.get(3, 2) && top.height() == 3);
        assert!(top.append(&Bitmap::new(8, 1).unwrap()).is_none());
    }
}
