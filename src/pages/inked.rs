//! Where a page has anything on it. Most of most pages is paper, and needs to be looked at once only.

use super::raster::{Grey, PAPER};

/// Pels of a row that are told of together.
pub(super) const CHUNK: usize = 32;

const BITS: usize = u64::BITS as usize;

/// In which chunks of which rows there is a pel that is not paper: a bit for each, the first chunk in the lowest one.
pub(super) struct Inked {
    words: usize,
    rows: Vec<u64>,
}

impl Inked {
    pub(super) fn of(grey: &Grey) -> Inked {
        let words = (grey.width() as usize).div_ceil(CHUNK * BITS);
        let mut rows = vec![0; words * grey.height() as usize];
        for (y, bits) in (0..).zip(rows.chunks_exact_mut(words)) {
            let (chunks, rest) = grey.row(y).as_chunks::<CHUNK>();
            for (n, levels) in chunks.iter().enumerate() {
                bits[n / BITS] |= u64::from(*levels != [PAPER; CHUNK]) << (n % BITS);
            }
            if rest.iter().any(|level| *level != PAPER) {
                bits[chunks.len() / BITS] |= 1 << (chunks.len() % BITS);
            }
        }
        Inked { words, rows }
    }

    /// Whether a row is paper from edge to edge.
    pub(super) fn is_white(&self, y: u32) -> bool {
        self.row(y).iter().all(|bits| *bits == 0)
    }

    /// Whether there is anything in chunk `n` of a row.
    pub(super) fn has(&self, y: u32, n: usize) -> bool {
        self.row(y)[n / BITS] >> (n % BITS) & 1 != 0
    }

    /// The chunks of a row that have something, from left to right.
    pub(super) fn chunks(&self, y: u32) -> impl Iterator<Item = usize> + '_ {
        let words = (0..).step_by(BITS).zip(self.row(y));
        words.flat_map(|(first, &bits)| {
            let mut left = bits;
            std::iter::from_fn(move || {
                let next = (left != 0).then(|| first + left.trailing_zeros() as usize);
                left &= left.wrapping_sub(1);
                next
            })
        })
    }

    fn row(&self, y: u32) -> &[u64] {
        &self.rows[y as usize * self.words..][..self.words]
    }
}

/// The levels of a chunk; behind the last pel of a row is paper.
pub(super) fn chunk(grey: &Grey, y: u32, n: usize) -> [u8; CHUNK] {
    let levels = &grey.row(y)[n * CHUNK..];
    levels.first_chunk().copied().unwrap_or_else(|| {
        let mut chunk = [PAPER; CHUNK];
        chunk[..levels.len()].copy_from_slice(levels);
        chunk
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pel_that_is_not_paper_is_told_of() {
        let mut rng = fastrand::Rng::with_seed(8);
        for width in [1, 31, 32, 33, 1728, 2048, 2049, 5000] {
            let mut levels = vec![PAPER; width * 20];
            (0..12).for_each(|_| levels[rng.usize(..width * 18)] = rng.u8(..PAPER));
            let grey = Grey::new(width as u32, 20, levels);
            let inked = Inked::of(&grey);
            for y in 0..20 {
                let is_inked = |chunk: &[u8]| chunk.iter().any(|level| *level != PAPER);
                let chunks = grey.row(y).chunks(CHUNK).map(is_inked);
                let found: Vec<usize> = (0..)
                    .zip(chunks)
                    .filter_map(|(n, is)| is.then_some(n))
                    .collect();
                assert_eq!(inked.chunks(y).collect::<Vec<_>>(), found, "{width}");
                assert_eq!(inked.is_white(y), found.is_empty());
                assert!(found.iter().all(|n| inked.has(y, *n)));
            }
        }
    }
}
