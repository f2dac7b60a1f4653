//! Reads the T.30 frames that pass by: what was agreed, and what was said about pages.
//!
//! A frame is address, control, FCF, FIF (T.30 5.3.6), octets in the bit order of SpanDSP: FIF bit 1 of the tables
//! is the lowest bit of the first octet.

use super::dis::Abilities;

/// What DCS agreed, and who the far end is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// The far end's identification (CSI or TSI), trimmed; `None` where it sent none.
    pub ident: Option<String>,
    /// Speed of the page data, bit/s.
    pub bit_rate: u32,
    /// Error correction mode.
    pub ecm: bool,
    /// "T.4 1-D", "T.4 2-D", "T.6" or "T.85".
    pub compression: &'static str,
    /// What the far end said of its machine.
    pub said: Option<Abilities>,
    /// The sub-address that came with the fax.
    pub sub_address: Option<String>,
}

/// The frames that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// CSI, or TSI: station identification.
    Ident(&'a [u8]),
    /// DIS with its FIF.
    Dis(&'a [u8]),
    /// DTC: the far end wants to be sent what we have (polling).
    Dtc,
    /// SUB: a sub-address.
    SubAddress(&'a [u8]),
    /// SID, or PWD: the password of who sends.
    Password(&'a [u8]),
    /// SEP: which of our faxes a polling caller wants.
    Selective(&'a [u8]),
    /// DCS with its FIF.
    Dcs(&'a [u8]),
    /// Training succeeded.
    Cfr,
    /// Image data (ECM): the number of the frame, and how many octets it has.
    Fcd(u8, usize),
    /// EOP, PPS-EOP or their procedure interrupt forms: the last page is out.
    EndOfProcedure,
    /// MPS and its partial page form: the page is out, more come.
    EndOfPage,
    /// EOM, EOS and their partial page forms: the page is out, and more come once both sides have begun anew.
    EndOfDocument,
    /// MCF: the page is confirmed.
    Mcf,
    /// RTN, PPR, ERR, PIN: not as it should be.
    Negative,
    /// Disconnect.
    Dcn,
    /// Anything else.
    Other,
}

/// Names a frame; too short ones are [`Frame::Other`].
pub(super) fn read(frame: &[u8]) -> Frame<'_> {
    let [_, _, fcf, fif @ ..] = frame else {
        return Frame::Other;
    };
    match (fcf & 0xfe, fif) {
        // CSI 0x40, TSI 0x42; CIG is CSI with the X bit.
        (0x40 | 0x42, ident) => Frame::Ident(ident),
        (0x80, dis) if *fcf == 0x80 => Frame::Dis(dis),
        (0x80, _) => Frame::Dtc,
        (0xc2, sub) => Frame::SubAddress(sub),
        // PWD is meant for polling, and some send it with pages.
        (0xa2, password) => Frame::Password(password),
        (0xc0, password) if fcf & 1 == 1 => Frame::Password(password),
        (0xa0, selective) if fcf & 1 == 1 => Frame::Selective(selective),
        (0x82, dcs) => Frame::Dcs(dcs),
        (0x84, _) => Frame::Cfr,
        // FIF of FCD: the frame number, then data (T.4 annex A).
        (0x06, [number, data @ ..]) => Frame::Fcd(*number, data.len()),
        (0x2e | 0x3e, _) => Frame::EndOfProcedure,
        (0x4e | 0x5e, _) => Frame::EndOfPage,
        (0x8e | 0x9e | 0x1e, _) => Frame::EndOfDocument,
        // PPS: FCF2 says what follows the partial page (T.30 annex A.4.3).
        (0xbe, [fcf2, ..]) => match fcf2 & 0xfe {
            0x2e | 0x3e => Frame::EndOfProcedure,
            0x00 => Frame::Other,
            0x8e | 0x9e | 0x1e => Frame::EndOfDocument,
            _ => Frame::EndOfPage,
        },
        (0x4c | 0xbc | 0x1c | 0x2c, _) => Frame::Negative,
        (0x8c, _) => Frame::Mcf,
        (0xfa, _) => Frame::Dcn,
        _ => Frame::Other,
    }
}

/// Whether an IFP packet (of T.38 version 0) ends a signal: its first field is HDLC or T.4 data with "signal end"
/// (T.38 7.3.2).
pub(super) fn ends_signal(ifp: &[u8]) -> bool {
    matches!(ifp, [head, count, field, ..] if *count > 0 && head & 0xc0 == 0xc0 && matches!(field >> 4 & 7, 1 | 4 | 5 | 7))
}

/// T.30 5.3.5: the bit of the control field that ends a series of frames.
pub(super) const FINAL: u8 = 0x10;

/// Whether an IFP packet (of T.38 version 0) says that a fast modem trains (T.38 7.3.1, table 2).
pub(super) fn trains(ifp: &[u8]) -> bool {
    matches!(ifp, [indicator, ..] if indicator & 0xc0 == 0 && (4..=15).contains(&(indicator >> 1)))
}

/// Whether an IFP packet has data of a fast modem (T.38 7.3.1, table 3: any but V.21).
pub(super) fn is_fast_data(ifp: &[u8]) -> bool {
    matches!(ifp, [head, ..] if head & 0xc0 == 0xc0 && head & 0x3e != 0)
}

/// Text of an identification: sent last digit first (T.30 5.3.6.2.4).
pub(super) fn ident(fif: &[u8]) -> Option<String> {
    let text: String = fif
        .iter()
        .rev()
        .take(20)
        .map(|&octet| char::from(octet))
        .filter(|c| matches!(c, ' '..='~'))
        .collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// What DCS says of speed, ECM and coding (T.30 table 2).
pub(super) fn dcs(fif: &[u8]) -> Link {
    let bit = |n: usize| {
        fif.get((n - 1) / 8)
            .is_some_and(|o| o >> ((n - 1) % 8) & 1 == 1)
    };
    let compression = match () {
        () if bit(78) || bit(79) => "T.85",
        () if bit(31) => "T.6",
        () if bit(16) => "T.4 2-D",
        () => "T.4 1-D",
    };
    Link {
        said: None,
        sub_address: None,
        ident: None,
        bit_rate: bit_rate([bit(11), bit(12), bit(13), bit(14)]),
        ecm: bit(27),
        compression,
    }
}

/// Bits 11 to 14 of DCS.
fn bit_rate(bits: [bool; 4]) -> u32 {
    match bits.map(u8::from) {
        [0, 0, 0, 1] => 14400,
        [0, 1, 0, 1] => 12000,
        [1, 0, 0, 1] | [1, 0, 0, 0] => 9600,
        [1, 1, 0, 1] | [1, 1, 0, 0] => 7200,
        [0, 1, 0, 0] => 4800,
        [0, 0, 0, 0] => 2400,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_frames_with_and_without_the_x_bit() {
        assert_eq!(read(&[0xff, 0x13, 0x2f]), Frame::EndOfProcedure);
        assert_eq!(
            read(&[0xff, 0x13, 0xbf, 0x2f, 0, 0, 9]),
            Frame::EndOfProcedure
        );
        assert_eq!(read(&[0xff, 0x13, 0xbf, 0x00, 0, 0, 9]), Frame::Other);
        assert_eq!(read(&[0xff, 0x13, 0x4f]), Frame::EndOfPage);
        assert_eq!(read(&[0xff, 0x13, 0x8e]), Frame::EndOfDocument);
        let partial = [0xff, 0x13, 0xbf, 0x8f, 0, 0, 9];
        assert_eq!(read(&partial), Frame::EndOfDocument);
        assert_eq!(read(&[0xff, 0x13, 0xfb]), Frame::Dcn);
        assert_eq!(read(&[0xff, 0x13]), Frame::Other);
        assert_eq!(read(&[]), Frame::Other);
    }

    #[test]
    fn ident_is_turned_round_and_trimmed() {
        assert_eq!(ident(b"7654 321  94+       ").unwrap(), "+49  123 4567");
        assert_eq!(ident(b"                    "), None);
        assert_eq!(ident(&[0, 0xff, b'1', 7]).unwrap(), "1");
    }

    #[test]
    fn dcs_for_v17_ecm_and_t6() {
        // Bits 10 (receive), 14 (V.17 14400), 16 (2-D), 24, 27 (ECM), 31 (T.6).
        let link = dcs(&[0, 0b1010_0010, 0b1000_0000, 0b0100_0100]);
        assert_eq!(link.bit_rate, 14400);
        assert!(link.ecm);
        assert_eq!(link.compression, "T.6");
        assert_eq!(dcs(&[]).compression, "T.4 1-D");
    }
}
