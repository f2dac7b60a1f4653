//! T.6 (Group 4, MMR) to and from bitmaps: the decoder over the crate `fax`, the encoder over its code tables.

mod encode;

use std::cell::Cell;

use fax::decoder::{DecodeStatus, Group4Decoder};

use super::bitmap::Bitmap;

pub use encode::encode;

/// Octets of slack a row may take beyond one octet for each pel.
const ROW_SLACK: u32 = 64;

/// Why T.6 data could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum G4Error {
    /// A page of no pels, or of more than [`Bitmap::MAX_WIDTH`] x [`Bitmap::MAX_HEIGHT`].
    #[error("a page of {width} x {height} pels")]
    Size {
        /// Pels in a row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// A code that T.6 does not have, or a row that goes backwards.
    #[error("broken T.6 data in row {row}")]
    Broken {
        /// Number of the row, from 0.
        row: u32,
    },
}

/// The bitmap of `width` x `height` pels that `data` holds. Rows that are missing before EOFB are white.
///
/// # Errors
/// [`G4Error`] for sizes that no fax page has and for data that is not T.6.
pub fn decode(data: &[u8], width: u32, height: u32) -> Result<Bitmap, G4Error> {
    let mut bitmap = Bitmap::new(width, height).ok_or(G4Error::Size { width, height })?;
    // The decoder looks at whole codes ahead: strips without EOFB need room behind their last row.
    let padded = data.iter().copied().chain([0; 4]);
    let budget = Cell::new(0);
    let metered = padded.map(|octet| match budget.get() {
        0 => Err(RowTooLong),
        left => {
            budget.set(left - 1);
            Ok(octet)
        }
    });
    // No row needs more than eight bits for a pel. The limit keeps a hostile row from growing without bounds.
    let row_budget = width + ROW_SLACK;
    budget.set(row_budget);
    let mut decoder =
        Group4Decoder::new(metered, width).map_err(|RowTooLong| G4Error::Broken { row: 0 })?;
    for row in 0..height {
        budget.set(row_budget);
        match decoder.advance() {
            Ok(DecodeStatus::Incomplete) => {}
            Ok(DecodeStatus::End) => break,
            Err(_) => return Err(G4Error::Broken { row }),
        }
        if !decoder.transition().is_sorted() {
            return Err(G4Error::Broken { row });
        }
        bitmap.blacken(row, decoder.transition());
    }
    Ok(bitmap)
}

/// The rows of pages of `width` pels before EOFB, at most [`Bitmap::MAX_HEIGHT`]; none: `data` is no T.6 of that width, or
/// has no end.
pub fn rows(data: &[u8], width: u32) -> Option<u32> {
    if !(1..=Bitmap::MAX_WIDTH).contains(&width) {
        return None;
    }
    let budget = Cell::new(width + ROW_SLACK);
    let metered = data.iter().copied().map(|byte| match budget.get() {
        0 => Err(RowTooLong),
        left => {
            budget.set(left - 1);
            Ok(byte)
        }
    });
    let mut decoder = Group4Decoder::new(metered, width).ok()?;
    for row in 0..=Bitmap::MAX_HEIGHT {
        budget.set(width + ROW_SLACK);
        match decoder.advance().ok()? {
            DecodeStatus::Incomplete if decoder.transition().is_sorted() => {}
            DecodeStatus::Incomplete => return None,
            DecodeStatus::End => return Some(row).filter(|rows| *rows > 0),
        }
    }
    None
}

/// A row went on for longer than any row can.
struct RowTooLong;

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of runs, so that every mode of T.6 occurs.
    fn striped(width: u32, height: u32, seed: u64) -> Bitmap {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut bitmap = Bitmap::new(width, height).unwrap();
        let mut edges: Vec<u32> = Vec::new();
        for row in 0..height {
            if rng.u8(..) < 60 {
                edges.clear();
                let mut x = rng.u32(0..=width / 3);
                while x < width {
                    edges.push(x);
                    x += rng.u32(1..=width.min(90));
                }
            }
            bitmap.blacken(row, &edges);
        }
        bitmap
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same_pels() {
        for (seed, width) in [1, 7, 8, 9, 31, 64, 1727, 1728, 2432]
            .into_iter()
            .enumerate()
        {
            let page = striped(width, 60, seed as u64);
            assert_eq!(rows(&encode(&page), width), Some(60), "width {width}");
            assert_eq!(decode(&encode(&page), width, 60), Ok(page), "width {width}");
        }
    }

    #[test]
    fn blank_page_and_black_page() {
        let white = Bitmap::new(1728, 40).unwrap();
        assert_eq!(decode(&encode(&white), 1728, 40).unwrap(), white);
        let mut black = Bitmap::new(1728, 40).unwrap();
        for row in 0..40 {
            black.blacken(row, &[0]);
        }
        assert_eq!(decode(&encode(&black), 1728, 40).unwrap(), black);
    }

    #[test]
    fn two_octets_by_hand() {
        // T.6: V0 (all white), then H white 3 (1000) black 2 (11) and V0 to the end, then EOFB.
        let data = [
            0b1001_1000,
            0b1110_0000,
            0b0000_0010,
            0b0000_0000,
            0b0010_0000,
        ];
        let page = decode(&data, 8, 2).unwrap();
        assert_eq!(page.rows().collect::<Vec<_>>(), [[0u8], [0b0001_1000]]);
    }

    #[test]
    fn strip_without_eofb_and_missing_rows() {
        let page = decode(&[0b1111_1111], 1728, 8).unwrap();
        assert!(page.rows().flatten().all(|&octet| octet == 0));
        let eofb_only = [0x00, 0x10, 0x01];
        assert_eq!(decode(&eofb_only, 1728, 8).unwrap(), page);
    }

    #[test]
    fn refuses_hostile_sizes() {
        for (width, height) in [(0, 1), (1, 0), (u32::MAX, 1), (1728, u32::MAX)] {
            assert_eq!(
                decode(&[], width, height),
                Err(G4Error::Size { width, height })
            );
        }
    }

    #[test]
    fn endless_row_is_cut_short() {
        // VL1 for ever never reaches the end of its row.
        let data = [0b0100_1001, 0b0010_0100, 0b1001_0010].repeat(1 << 20);
        assert_eq!(decode(&data, 1728, 1), Err(G4Error::Broken { row: 0 }));
    }

    #[test]
    fn broken_data_never_panics() {
        let mut rng = fastrand::Rng::with_seed(6);
        let good = encode(&striped(1728, 30, 3));
        for _ in 0..20_000 {
            let mut bad = good.clone();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..bad.len());
                bad[at] ^= 1 << rng.u8(..8);
            }
            bad.truncate(rng.usize(..=bad.len()));
            let _ = decode(&bad, 1728, 30);
        }
    }
}
