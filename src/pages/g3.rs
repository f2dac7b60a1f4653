//! T.4 (Group 3) to bitmaps: one-dimensional (MH) and two-dimensional (MR) rows, over the code tables of the crate
//! `fax`.

use std::convert::Infallible;

use fax::maps::{Mode, black, mode, white};
use fax::{BitReader, ByteReader};

use super::bitmap::Bitmap;

/// T.4 4.1.2: eleven zeros and a one. More zeros before the one are fill (T.4 4.1.3).
const EOL_ZEROS: u8 = 11;

/// The bitmap of `width` x `height` pels that `data` holds: rows behind EOLs, each with a tag bit where
/// `two_dimensional` (T.4 4.2.2). A row that does not decode is taken from the row above, as a fax machine does;
/// missing rows are white. `None` for sizes that no fax page has, and where no row at all decodes.
pub fn decode(data: &[u8], width: u32, height: u32, two_dimensional: bool) -> Option<Bitmap> {
    let mut bitmap = Bitmap::new(width, height)?;
    // The tables look at whole codes ahead: zeros behind the data give them room.
    let mut bits = bits_of(data.iter().copied().chain([0; 4]));
    let mut row = Row {
        width,
        edges: Vec::new(),
    };
    let (mut y, mut good) = (0, 0);
    while y < height && skip_to_eol(&mut bits) {
        let one_dimensional = !two_dimensional || take_bit(&mut bits) == Some(true);
        if at_eol(&bits) {
            // T.4 4.1.4: EOLs with nothing between them are the RTC.
            break;
        }
        let decoded = match one_dimensional {
            true => row.decode_1d(&mut bits),
            false => row.decode_2d(&mut bits),
        };
        if let Some(edges) = decoded {
            row.edges = edges;
            good += 1;
        }
        bitmap.blacken(y, &row.edges);
        y += 1;
    }
    (good > 0).then_some(bitmap)
}

/// Whether the first code is an EOL, as T.4 has it.
pub fn begins_with_line_end(data: &[u8]) -> bool {
    // Fill of up to a row may stand before it.
    let zeros = data.iter().take_while(|octet| **octet == 0).count();
    let next = data.get(zeros).map_or(0, |octet| octet.leading_zeros());
    zeros * 8 + next as usize >= EOL_ZEROS.into()
}

/// As [`decode`], of one-dimensional rows without EOLs, each of which begins on an octet where `on_octets`. Nothing tells
/// where the next row begins: `None` where less than half of the rows decode.
pub fn decode_plain(data: &[u8], width: u32, height: u32, on_octets: bool) -> Option<Bitmap> {
    let mut bitmap = Bitmap::new(width, height)?;
    let octets = data.iter().copied().chain([0; 4]);
    let mut bits = Counted {
        bits: bits_of(octets),
        taken: 0,
    };
    let mut row = Row {
        width,
        edges: Vec::new(),
    };
    let mut good = 0;
    while good < height {
        if on_octets && bits.taken % 8 != 0 {
            bits.consume(8 - bits.taken % 8).ok()?;
        }
        let Some(edges) = row.decode_1d(&mut bits) else {
            break;
        };
        row.edges = edges;
        bitmap.blacken(good, &row.edges);
        good += 1;
    }
    (good * 2 >= height).then_some(bitmap)
}

/// Bits, and how many of them were taken since an octet began.
struct Counted<B> {
    bits: B,
    taken: u8,
}

impl<B: BitReader> BitReader for Counted<B> {
    type Error = B::Error;

    fn peek(&self, bits: u8) -> Option<u16> {
        self.bits.peek(bits)
    }

    fn consume(&mut self, bits: u8) -> Result<(), Self::Error> {
        self.taken = (self.taken + bits % 8) % 8;
        self.bits.consume(bits)
    }

    fn bits_to_byte_boundary(&self) -> u8 {
        (8 - self.taken) % 8
    }
}

fn bits_of(
    octets: impl Iterator<Item = u8>,
) -> ByteReader<impl Iterator<Item = Result<u8, Infallible>>> {
    match ByteReader::new(octets.map(Ok)) {
        Ok(bits) => bits,
    }
}

/// The last row: where its colour changes, white first, ascending.
struct Row {
    width: u32,
    edges: Vec<u32>,
}

impl Row {
    /// T.4 4.1: runs of white and black in turn, until they fill the row.
    fn decode_1d(&self, bits: &mut impl BitReader) -> Option<Vec<u32>> {
        let mut edges = Vec::new();
        let (mut x, mut is_black) = (0, false);
        while x < self.width {
            x = self.within(x + run(bits, is_black)?)?;
            edges.push(x);
            is_black = !is_black;
        }
        Some(edges)
    }

    /// T.4 4.2: each change of colour told by the changes of the row above.
    fn decode_2d(&self, bits: &mut impl BitReader) -> Option<Vec<u32>> {
        let mut edges = Vec::new();
        let (mut a0, mut is_black) = (None, false);
        loop {
            let from = a0.unwrap_or(0);
            let (b1, b2) = self.changes_above(a0, is_black);
            if at_eol(bits) {
                return None;
            }
            match mode::decode(bits)? {
                Mode::Pass => a0 = Some(b2),
                Mode::Vertical(delta) => {
                    let a1 = self.within(b1.checked_add_signed(delta.into())?)?;
                    if a1 < from {
                        return None;
                    }
                    edges.push(a1);
                    is_black = !is_black;
                    a0 = Some(a1);
                }
                Mode::Horizontal => {
                    let a1 = self.within(from + run(bits, is_black)?)?;
                    let a2 = self.within(a1 + run(bits, !is_black)?)?;
                    edges.extend([a1, a2]);
                    a0 = Some(a2);
                }
                Mode::Extension | Mode::EOF => return None,
            }
            if a0 == Some(self.width) {
                return Some(edges);
            }
            // Every code moves on but VL, which may stand still; no honest row has more changes than pels.
            if edges.len() > self.width as usize + 2 {
                return None;
            }
        }
    }

    /// b1 and b2 of T.4 4.2.1.1: in the row above, the first change right of `a0` to the colour opposite to the
    /// current one, and the change after it.
    fn changes_above(&self, a0: Option<u32>, is_black: bool) -> (u32, u32) {
        let right = match a0 {
            // Before the first pel: a change at 0 counts.
            None => 0,
            Some(a0) => self.edges.partition_point(|&edge| edge <= a0),
        };
        // Even places turn to black, odd ones to white.
        let b1 = right + usize::from((right % 2 == 1) != is_black);
        let at = |n: usize| self.edges.get(n).copied().unwrap_or(self.width);
        (at(b1), at(b1 + 1))
    }

    fn within(&self, x: u32) -> Option<u32> {
        (x <= self.width).then_some(x)
    }
}

/// A run length: make-up codes and a terminating code (T.4 table 2, 3).
fn run(bits: &mut impl BitReader, is_black: bool) -> Option<u32> {
    let mut sum = 0u32;
    loop {
        // The tables would eat the zeros of an EOL that comes too early.
        if at_eol(bits) {
            return None;
        }
        let code = match is_black {
            true => black::decode(bits)?,
            false => white::decode(bits)?,
        };
        sum += u32::from(code);
        if code < 64 {
            return Some(sum);
        }
        if sum > Bitmap::MAX_WIDTH {
            return None;
        }
    }
}

fn at_eol(bits: &impl BitReader) -> bool {
    bits.peek(EOL_ZEROS) == Some(0)
}

/// Goes behind the next EOL; false at the end of the data.
fn skip_to_eol(bits: &mut impl BitReader) -> bool {
    while !at_eol(bits) {
        if take_bit(bits).is_none() {
            return false;
        }
    }
    loop {
        match take_bit(bits) {
            Some(true) => return true,
            Some(false) => {}
            None => return false,
        }
    }
}

fn take_bit(bits: &mut impl BitReader) -> Option<bool> {
    let bit = bits.peek(1)?;
    bits.consume(1).ok()?;
    Some(bit == 1)
}

#[cfg(test)]
pub(super) mod tests {
    use fax::{BitWriter, Color, VecWriter, maps};

    use super::*;

    /// MH as a fax machine writes it: EOL, then runs. `tag` is the bit behind each EOL of MR.
    pub fn encode_1d(page: &Bitmap, tag: Option<bool>) -> Vec<u8> {
        let mut out = VecWriter::new();
        for y in 0..page.height() {
            eol(&mut out, tag);
            runs(&mut out, page, y);
        }
        for _ in 0..6 {
            eol(&mut out, tag);
        }
        out.finish()
    }

    /// Rows without EOLs.
    pub fn encode_plain(page: &Bitmap, on_octets: bool) -> Vec<u8> {
        let mut rows = (0..page.height()).collect::<Vec<_>>();
        let chunks = rows.chunks_mut(if on_octets { 1 } else { usize::MAX });
        let written = chunks.map(|rows| {
            let mut out = VecWriter::new();
            rows.iter().for_each(|&y| runs(&mut out, page, y));
            out.finish()
        });
        written.collect::<Vec<_>>().concat()
    }

    fn eol(out: &mut VecWriter, tag: Option<bool>) {
        out.write(maps::EOL).unwrap();
        if let Some(tag) = tag {
            let data = tag.into();
            out.write(fax::Bits { data, len: 1 }).unwrap();
        }
    }

    fn runs(out: &mut VecWriter, page: &Bitmap, y: u32) {
        let (mut x, mut is_black) = (0, false);
        while x < page.width() {
            let start = x;
            while x < page.width() && page.get(x, y) == is_black {
                x += 1;
            }
            let run = (x - start) as u16;
            let encode = match is_black {
                true => black::encode,
                false => white::encode,
            };
            if run >= 64 {
                out.write(encode(run & !63).unwrap()).unwrap();
            }
            out.write(encode(run & 63).unwrap()).unwrap();
            is_black = !is_black;
        }
    }

    pub fn slanted(width: u32, height: u32) -> Bitmap {
        let mut page = Bitmap::new(width, height).unwrap();
        for y in 0..height {
            let x = y * 2 % (width / 2);
            page.blacken(y, &[x, x + 9, x + 40 + y % 3, x + 41 + y % 5]);
        }
        page
    }

    #[test]
    fn one_dimensional_rows() {
        let page = slanted(1728, 50);
        let data = encode_1d(&page, None);
        assert_eq!(decode(&data, 1728, 50, false), Some(page));
    }

    #[test]
    fn two_dimensional_rows() {
        // A 2-D row of T.4 is a row of T.6: let the T.6 encoder write the rows after the first.
        #[derive(Clone, Default)]
        struct Shared(std::rc::Rc<std::cell::RefCell<Vec<fax::Bits>>>);
        impl BitWriter for Shared {
            type Error = Infallible;
            fn write(&mut self, bits: fax::Bits) -> Result<(), Infallible> {
                self.0.borrow_mut().push(bits);
                Ok(())
            }
        }
        let page = slanted(1728, 50);
        let written = Shared::default();
        let mut rows = fax::encoder::Encoder::new(written.clone());
        let mut out = VecWriter::new();
        for y in 0..50 {
            eol(&mut out, Some(y % 4 == 0));
            let pels = (0..1728).map(|x| match page.get(x, y) {
                true => Color::Black,
                false => Color::White,
            });
            rows.encode_line(pels, 1728).unwrap();
            let codes = written.0.take();
            match y % 4 {
                0 => runs(&mut out, &page, y),
                _ => codes.into_iter().for_each(|code| out.write(code).unwrap()),
            }
        }
        assert_eq!(decode(&out.finish(), 1728, 50, true), Some(page));
    }

    #[test]
    fn a_row_lost_on_the_line_is_taken_from_the_row_above() {
        let page = slanted(200, 4);
        let mut out = VecWriter::new();
        for y in 0..4 {
            eol(&mut out, None);
            match y {
                // A white run of 1728 leads out of the row.
                2 => out.write(white::encode(1728).unwrap()).unwrap(),
                _ => runs(&mut out, &page, y),
            }
        }
        eol(&mut out, None);
        let read = decode(&out.finish(), 200, 4, false).unwrap();
        assert_eq!(read.row(2), page.row(1));
        assert_eq!(read.row(3), page.row(3));
    }

    #[test]
    fn noise_never_panics() {
        let mut rng = fastrand::Rng::with_seed(3);
        let good = encode_1d(&slanted(1728, 20), Some(true));
        for _ in 0..20_000 {
            let mut bad = good.clone();
            for _ in 0..rng.usize(1..6) {
                let at = rng.usize(..bad.len());
                bad[at] = rng.u8(..);
            }
            let _ = decode(&bad, 1728, 20, rng.bool());
        }
        assert_eq!(decode(&[0x55; 64], 1728, 20, false), None);
    }
}
