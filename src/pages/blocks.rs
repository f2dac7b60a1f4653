//! What stands by itself on a page: lines of letters, columns, pictures, whatever white surrounds.

use std::ops::Range;

use super::inked::Inked;

/// Rows of white that part two blocks, at fine: the dot of an i is nearer to its stem.
const ROWS_APART: usize = 3;
/// Rows of the highest block that is not looked through for columns, at fine: 8 mm.
const HIGHEST_LINE: usize = 64;

/// A part of a page. Three rows above and below it, and beside it a chunk of each row, are white.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// From where on, and to where.
    pub(super) rows: Range<u32>,
    /// Its columns, in chunks.
    pub(super) chunks: Range<usize>,
}

/// Parts a page of so many rows and columns, in chunks: by white rows, then what is high by white columns, then each of
/// these by white rows again.
pub(super) fn find(inked: &Inked, rows: u32, columns: usize) -> Vec<Block> {
    let mut found = Vec::new();
    let page = Block {
        rows: 0..rows,
        chunks: 0..columns,
    };
    cut_rows(inked, &page, &mut found);
    found
}

fn cut_rows(inked: &Inked, block: &Block, found: &mut Vec<Block>) {
    let rows = block.rows.start as usize..block.rows.end as usize;
    let is_inked = |y: usize| inked.chunks(y as u32).any(|n| block.chunks.contains(&n));
    for part in runs(rows, ROWS_APART, is_inked) {
        let block = Block {
            rows: part.start as u32..part.end as u32,
            chunks: block.chunks.clone(),
        };
        match part.len() <= HIGHEST_LINE {
            true => found.push(block),
            false => cut_columns(inked, block, found),
        }
    }
}

fn cut_columns(inked: &Inked, block: Block, found: &mut Vec<Block>) {
    let mut has_ink = vec![false; block.chunks.end];
    for y in block.rows.clone() {
        let within = inked.chunks(y).filter(|n| block.chunks.contains(n));
        within.for_each(|n| has_ink[n] = true);
    }
    let parts = runs(block.chunks.clone(), 1, |n| has_ink[n]);
    let is_whole = parts.len() == 1;
    for chunks in parts {
        let rows = block.rows.clone();
        let part = Block { rows, chunks };
        match is_whole {
            true => found.push(part),
            false => cut_rows(inked, &part, found),
        }
    }
}

/// Runs of places with ink that lie `apart` or more places from each other.
fn runs(places: Range<usize>, apart: usize, is_inked: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for place in places.filter(|place| is_inked(*place)) {
        match runs.last_mut() {
            Some(run) if place - run.end < apart => run.end = place + 1,
            _ => runs.push(place..place + 1),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::raster::Grey;

    /// The blocks of a page of 20 chunks and 400 rows with rectangles: left, top, width, height.
    fn blocks(rectangles: &[(usize, usize, usize, usize)]) -> Vec<(Range<u32>, Range<usize>)> {
        let mut levels = vec![255; 640 * 400];
        for &(left, top, width, height) in rectangles {
            for row in levels.chunks_exact_mut(640).skip(top).take(height) {
                row[left..left + width].fill(0);
            }
        }
        let page = Grey::new(640, 400, levels);
        let found = find(&Inked::of(&page), 400, 20);
        let told = found.into_iter().map(|block| (block.rows, block.chunks));
        told.collect()
    }

    #[test]
    fn lines_part_and_the_dot_of_an_i_stays_with_it() {
        let found = blocks(&[(70, 10, 3, 3), (70, 15, 3, 12), (70, 40, 200, 12)]);
        assert_eq!(found, [(10..27, 0..20), (40..52, 0..20)]);
    }

    #[test]
    fn columns_whose_lines_lie_beside_each_others_gaps_part() {
        // Nine lines on the left, nine on the right, half a line lower.
        let lines = |left, top: usize| (0..9).map(move |n| (left, top + n * 20, 192, 12));
        let both: Vec<_> = lines(32, 10).chain(lines(320, 20)).collect();
        let found = blocks(&both);
        assert_eq!(found.len(), 18);
        assert!(found.contains(&(30..42, 1..7)) && found.contains(&(180..192, 10..16)));
    }

    #[test]
    fn a_frame_is_one_block_with_what_it_holds() {
        let frame = [
            (40, 10, 500, 2),
            (40, 300, 500, 2),
            (40, 10, 2, 292),
            (538, 10, 2, 292),
        ];
        let letters = (0..9).map(|n| (100, 40 + n * 20, 192, 12));
        let found = blocks(&frame.into_iter().chain(letters).collect::<Vec<_>>());
        assert_eq!(found, [(10..302, 1..17)]);
    }

    #[test]
    fn white_page_has_none() {
        assert_eq!(blocks(&[]), []);
    }
}
