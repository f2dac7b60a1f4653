//! The encoder. Its time goes to looking for changes of colour: they are found 64 pels at a time.

use fax::Bits;
use fax::maps::{EDFB_HALF, black, white};

use crate::pages::bitmap::Bitmap;

// T.6 2.2.5, table 1.
const PASS: Bits = Bits {
    data: 0b0001,
    len: 4,
};
const HORIZONTAL: Bits = Bits {
    data: 0b001,
    len: 3,
};
/// a1 three pels left of b1 to three right of it.
const VERTICAL: [Bits; 7] = [
    Bits {
        data: 0b000_0010,
        len: 7,
    },
    Bits {
        data: 0b00_0010,
        len: 6,
    },
    Bits {
        data: 0b010,
        len: 3,
    },
    Bits { data: 0b1, len: 1 },
    Bits {
        data: 0b011,
        len: 3,
    },
    Bits {
        data: 0b00_0011,
        len: 6,
    },
    Bits {
        data: 0b000_0011,
        len: 7,
    },
];
/// The longest run that one make-up code has.
const LONGEST_MAKE_UP: u32 = 2560;
/// Changes behind the last one, at the right edge: as many as the encoder looks ahead.
const LOOK_AHEAD: usize = 4;

/// The bitmap as T.6 data, most significant bit first, closed by EOFB (T.6 2.4.1.1).
pub fn encode(bitmap: &Bitmap) -> Vec<u8> {
    let mut out = BitWriter::default();
    // The row above the first one is white (T.6 2.2.1).
    let mut above = vec![bitmap.width(); LOOK_AHEAD];
    let mut own = Vec::new();
    let mut row_above: &[u8] = &[];
    for row in bitmap.rows() {
        if row == row_above {
            out.write_ones(above.len() - LOOK_AHEAD + 1);
            continue;
        }
        find_changes(row, bitmap.width(), &mut own);
        encode_row(&mut out, &own, &above, bitmap.width());
        std::mem::swap(&mut own, &mut above);
        row_above = row;
    }
    out.write(EDFB_HALF);
    out.write(EDFB_HALF);
    out.finish()
}

/// Where the colour of a row changes, white first, then [`LOOK_AHEAD`] times the right edge.
fn find_changes(row: &[u8], width: u32, changes: &mut Vec<u32>) {
    changes.clear();
    let mut at = 0;
    let mut last = 0;
    let (whole, rest) = row.as_chunks();
    let mut padded = [0; 8];
    padded[..rest.len()].copy_from_slice(rest);
    for octets in whole.iter().chain((!rest.is_empty()).then_some(&padded)) {
        let pels = u64::from_be_bytes(*octets);
        let mut differ = pels ^ (pels >> 1 | last << 63);
        last = pels & 1;
        while differ != 0 {
            let first = differ.leading_zeros();
            changes.push(at + first);
            differ ^= 1 << 63 >> first;
        }
        at += 64;
    }
    // Behind a black pel at the right edge the padding is white.
    if changes.last() == Some(&width) {
        changes.pop();
    }
    changes.extend([width; LOOK_AHEAD]);
}

/// T.6 2.2.4: the changes of a row (a1, a2) told by those of the row above (b1, b2).
fn encode_row(out: &mut BitWriter, own: &[u32], above: &[u32], width: u32) {
    // a0, none before the first pel; places of a1 and b1.
    let (mut a0, mut next, mut b) = (None, 0, 0_usize);
    while a0 != Some(width) {
        let a1 = own[next];
        // Even places turn to black, odd ones to white, in both rows. One step back reaches all that may lie to the
        // right of a0 again after a1 was left of b1.
        if b % 2 != next % 2 {
            b = b.checked_sub(1).unwrap_or(1);
        }
        while above[b] < width && a0.is_some_and(|a0| above[b] <= a0) {
            b += 2;
        }
        let (b1, b2) = (above[b], above[b + 1]);
        if b2 < a1 {
            out.write(PASS);
            a0 = Some(b2);
        } else if a1.abs_diff(b1) <= 3 {
            out.write(VERTICAL[(a1 + 3 - b1) as usize]);
            a0 = Some(a1);
            next += 1;
        } else {
            let a2 = own[next + 1];
            out.write(HORIZONTAL);
            out.write_run(next % 2 != 0, a1 - a0.unwrap_or(0));
            out.write_run(next % 2 == 0, a2 - a1);
            a0 = Some(a2);
            next += 2;
        }
    }
}

/// Bits, most significant first.
#[derive(Default)]
struct BitWriter {
    octets: Vec<u8>,
    /// The last bits, not yet written; fewer than 32.
    waiting: u64,
    count: u32,
}

impl BitWriter {
    fn write(&mut self, bits: Bits) {
        self.waiting = self.waiting << bits.len | u64::from(bits.data);
        self.count += u32::from(bits.len);
        if self.count >= 32 {
            self.count -= 32;
            let full = (self.waiting >> self.count) as u32;
            self.octets.extend_from_slice(&full.to_be_bytes());
        }
    }

    fn write_ones(&mut self, count: usize) {
        for _ in 0..count / 16 {
            self.write(Bits {
                data: 0xFFFF,
                len: 16,
            });
        }
        let len = (count % 16) as u8;
        self.write(Bits {
            data: (1 << len) - 1,
            len,
        });
    }

    /// T.4 4.1.1: make-up codes, then a terminating code.
    fn write_run(&mut self, is_black: bool, mut pels: u32) {
        let codes = if is_black {
            &black::ENTRIES
        } else {
            &white::ENTRIES
        };
        while pels >= LONGEST_MAKE_UP {
            self.write(codes[63 + LONGEST_MAKE_UP as usize / 64].1);
            pels -= LONGEST_MAKE_UP;
        }
        if pels >= 64 {
            self.write(codes[63 + pels as usize / 64].1);
        }
        self.write(codes[pels as usize % 64].1);
    }

    fn finish(mut self) -> Vec<u8> {
        let last = (self.waiting << (32 - self.count)) as u32;
        let octets = self.count.div_ceil(8) as usize;
        self.octets.extend_from_slice(&last.to_be_bytes()[..octets]);
        self.octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fax::{Color, VecWriter, encoder::Encoder};

    /// What the crate's encoder, which is slower, makes of it.
    fn slowly(bitmap: &Bitmap) -> Vec<u8> {
        let mut encoder = Encoder::new(VecWriter::new());
        let colour = |black| if black { Color::Black } else { Color::White };
        for y in 0..bitmap.height() {
            let pels = (0..bitmap.width()).map(|x| colour(bitmap.get(x, y)));
            encoder.encode_line(pels, bitmap.width()).unwrap();
        }
        encoder.finish().unwrap().finish()
    }

    /// Runs, noise, and rows that are nearly the one above.
    fn page(width: u32, height: u32, rng: &mut fastrand::Rng) -> Bitmap {
        let mut page = Bitmap::new(width, height).unwrap();
        let longest = [2, 5, 40, 400, 4000][rng.usize(..5)];
        let mut edges: Vec<u32> = Vec::new();
        for y in 0..height {
            match rng.u8(..4) {
                0 => {
                    edges.clear();
                    let mut x = rng.u32(0..=longest);
                    while x < width {
                        edges.push(x);
                        x += rng.u32(1..=longest);
                    }
                }
                1 => {}
                _ => {
                    for edge in &mut edges {
                        *edge = (*edge + rng.u32(0..9)).saturating_sub(4).min(width);
                    }
                    edges.sort_unstable();
                }
            }
            page.blacken(y, &edges);
        }
        page
    }

    #[test]
    fn octets_are_those_of_another_encoder() {
        let mut rng = fastrand::Rng::with_seed(12);
        for _ in 0..400 {
            let width = match rng.bool() {
                true => 1728,
                false => rng.u32(1..9000),
            };
            let page = page(width, 30, &mut rng);
            assert_eq!(encode(&page), slowly(&page), "{width}");
            assert_eq!(super::super::decode(&encode(&page), width, 30), Ok(page));
        }
    }
}
