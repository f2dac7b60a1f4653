//! G.711: 8-bit companded samples to 16-bit linear ones and back, by its formulas.

/// Which of the two laws; also the static RTP payload type (RFC 3551 table 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Law {
    /// Mu-law, PCMU, payload type 0.
    Mu,
    /// A-law, PCMA, payload type 8.
    A,
}

impl Law {
    /// The law of an RTP payload type.
    pub fn from_payload_type(payload_type: u8) -> Option<Law> {
        match payload_type {
            0 => Some(Law::Mu),
            8 => Some(Law::A),
            _ => None,
        }
    }

    /// The RTP payload type of the law.
    pub fn payload_type(self) -> u8 {
        match self {
            Law::Mu => 0,
            Law::A => 8,
        }
    }

    /// One octet as a linear sample.
    pub fn expand(self, octet: u8) -> i16 {
        match self {
            Law::Mu => MU_TO_LINEAR[usize::from(octet)],
            Law::A => A_TO_LINEAR[usize::from(octet)],
        }
    }

    /// One linear sample as an octet.
    pub fn compress(self, sample: i16) -> u8 {
        match self {
            Law::Mu => linear_to_mu(sample),
            Law::A => linear_to_a(sample),
        }
    }
}

static MU_TO_LINEAR: [i16; 256] = table(Law::Mu);
static A_TO_LINEAR: [i16; 256] = table(Law::A);

const fn table(law: Law) -> [i16; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = match law {
            Law::Mu => mu_to_linear(octet as u8),
            Law::A => a_to_linear(octet as u8),
        };
        octet += 1;
    }
    table
}

/// G.711 table 2: 14-bit values, here shifted up to 16; 33 is the bias that makes every segment start at a power
/// of two.
const MU_BIAS: i32 = 33 << 2;

const fn mu_to_linear(octet: u8) -> i16 {
    let bits = !octet;
    let segment = (bits >> 4) & 7;
    let step = (bits & 15) as i32;
    let magnitude = (((step << 3) + MU_BIAS) << segment) - MU_BIAS;
    (if bits & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    }) as i16
}

fn linear_to_mu(sample: i16) -> u8 {
    let magnitude = (i32::from(sample).abs() + MU_BIAS).min(0x7fff);
    // The segment is the place of the highest bit above the bias' own (bit 7).
    let segment = 24 - magnitude.leading_zeros();
    let step = (magnitude >> (segment + 3)) & 15;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (segment as u8) << 4 | step as u8)
}

/// G.711 table 1: 13-bit values, here shifted up to 16; even bits are inverted on the line.
const A_EVEN_BITS: u8 = 0x55;

const fn a_to_linear(octet: u8) -> i16 {
    let bits = octet ^ A_EVEN_BITS;
    let segment = (bits >> 4) & 7;
    let step = ((bits & 15) as i32) << 4;
    let magnitude = match segment {
        0 => step + 8,
        _ => (step + 0x108) << (segment - 1),
    };
    (if bits & 0x80 != 0 {
        magnitude
    } else {
        -magnitude
    }) as i16
}

fn linear_to_a(sample: i16) -> u8 {
    let sign = if sample < 0 { 0 } else { 0x80 };
    // Minus one on the negative side, so that both sides have steps of the same size.
    let magnitude = if sample < 0 { !sample } else { sample } as u32;
    let segment = (24 - magnitude.max(0x80).leading_zeros()).min(7);
    let step = (magnitude >> if segment == 0 { 4 } else { segment + 3 }) & 15;
    (sign | (segment as u8) << 4 | step as u8) ^ A_EVEN_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_octets_have_the_values_of_the_tables() {
        // Silence and full scale as every G.711 device sends them.
        assert_eq!(Law::Mu.expand(0xff), 0);
        assert_eq!(Law::Mu.expand(0x80), 32124);
        assert_eq!(Law::Mu.expand(0x00), -32124);
        assert_eq!(Law::A.expand(0xd5), 8);
        assert_eq!(Law::A.expand(0x55), -8);
        assert_eq!(Law::A.expand(0xaa), 32256);
        assert_eq!(Law::A.expand(0x2a), -32256);
    }

    #[test]
    fn every_octet_comes_back() {
        for octet in 0..=255u8 {
            let mu = Law::Mu.compress(Law::Mu.expand(octet));
            // Mu-law has two zeros.
            assert!(
                mu == octet || (octet == 0x7f && mu == 0xff),
                "mu {octet:#x}"
            );
            assert_eq!(Law::A.compress(Law::A.expand(octet)), octet);
        }
    }

    #[test]
    fn every_sample_goes_to_the_nearest_value() {
        for law in [Law::Mu, Law::A] {
            for sample in i16::MIN..=i16::MAX {
                let got = i32::from(law.expand(law.compress(sample)));
                let error = (got - i32::from(sample)).abs();
                // Half a step of the sample's segment; above the last value it clips.
                let half_step = (i32::from(sample).abs() + MU_BIAS) / 32;
                let clipped = (i32::from(sample).abs() - 32124).max(0);
                assert!(
                    error <= half_step.max(8) + clipped,
                    "{law:?} {sample} {got}"
                );
            }
        }
    }
}
