//! Telephone events (RFC 4733): those that stand for the tones of a fax (RFC 4734).

/// Who lets this tone be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaxTone {
    /// CNG: a calling fax.
    Calling,
    /// CED (ANS, ANSam) or the V.21 bits of a preamble: a called fax.
    Called,
}

/// The fax tone that the payload of a telephone-event packet names; `None` for digits and anything else.
pub fn fax_tone(payload: &[u8]) -> Option<FaxTone> {
    // RFC 4733 2.3: event, flags and volume, duration.
    let [event, _, _, _, ..] = payload else {
        return None;
    };
    match event {
        // RFC 4734 table 1: ANS, ANS with phase reversals, ANSam, the same with phase reversals; V.21 channel 2.
        32..=35 | 39 | 40 => Some(FaxTone::Called),
        // CNG.
        36 => Some(FaxTone::Calling),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fax_tones_and_no_digits() {
        assert_eq!(fax_tone(&[32, 0x0a, 0, 160]), Some(FaxTone::Called));
        assert_eq!(fax_tone(&[36, 0x8a, 0, 160]), Some(FaxTone::Calling));
        for digit in 0..16 {
            assert_eq!(fax_tone(&[digit, 0x0a, 0, 160]), None);
        }
        assert_eq!(fax_tone(&[36, 0x8a, 0]), None, "cut off");
    }
}
