//! DCN in audio, for an end that SpanDSP makes without one: V.21 channel 2 (T.30 5.3.1).

use std::collections::VecDeque;
use std::f64::consts::TAU;

/// Bits a second.
const RATE: u32 = 300;
/// Samples a second.
const SAMPLES: u32 = 8000;
/// Hertz of a one and of a zero (V.21 channel 2).
const TONES: (f64, f64) = (1650.0, 1850.0);
/// Half amplitude: about -12 dBm0, as SpanDSP sends.
const LEVEL: f64 = 5600.0;
/// Flags of the preamble: a second (T.30 5.3.1).
const PREAMBLE: usize = 38;
const FLAG: u8 = 0x7e;
/// FCF of DCN without the X bit, in the order of the line.
const DCN: u8 = 0xfa;

/// The samples of a DCN with its preamble; `calling` sets the X bit (T.30 5.3.6.1).
pub(super) fn dcn(calling: bool) -> VecDeque<i16> {
    let frame = [0xff, 0x13, DCN | u8::from(calling)];
    let mut bits = Vec::new();
    (0..PREAMBLE).for_each(|_| put(&mut bits, FLAG));
    stuffed(&mut bits, &frame);
    (0..3).for_each(|_| put(&mut bits, FLAG));
    modulate(&bits)
}

/// An octet, its lowest bit first.
fn put(bits: &mut Vec<bool>, octet: u8) {
    bits.extend((0..8).map(|n| octet >> n & 1 == 1));
}

/// A frame with its check sequence; a zero behind five ones, so that no flag is in it.
fn stuffed(bits: &mut Vec<bool>, frame: &[u8]) {
    let mut plain = Vec::new();
    let check = check_sequence(frame).to_le_bytes();
    frame
        .iter()
        .chain(&check)
        .for_each(|octet| put(&mut plain, *octet));
    let mut ones = 0;
    for bit in plain {
        bits.push(bit);
        ones = if bit { ones + 1 } else { 0 };
        if ones == 5 {
            bits.push(false);
            ones = 0;
        }
    }
}

/// T.30 5.3.7: x^16 + x^12 + x^5 + 1, lowest bit first.
fn check_sequence(frame: &[u8]) -> u16 {
    let mut crc = 0xffff_u16;
    for octet in frame {
        crc ^= u16::from(*octet);
        for _ in 0..8 {
            let carry = crc & 1 == 1;
            crc >>= 1;
            if carry {
                crc ^= 0x8408;
            }
        }
    }
    !crc
}

/// Without jumps of the phase.
fn modulate(bits: &[bool]) -> VecDeque<i16> {
    let mut phase = 0.0;
    let total = bits.len() as u32 * SAMPLES / RATE;
    (0..total)
        .map(|n| {
            let bit = bits[(n * RATE / SAMPLES) as usize];
            let tone = if bit { TONES.0 } else { TONES.1 };
            phase = (phase + tone / f64::from(SAMPLES)) % 1.0;
            ((phase * TAU).sin() * LEVEL) as i16
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_sequence_of_the_standards_example() {
        // The check value of CRC-16/X-25.
        assert_eq!(check_sequence(b"123456789"), 0x906e);
    }

    #[test]
    fn dcn_takes_a_second_and_a_bit() {
        let samples = dcn(true).len();
        assert!((9_000..11_000).contains(&samples), "{samples}");
    }
}
