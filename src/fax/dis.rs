//! What a far end says of its machine before anything is agreed: DIS, or DTC (T.30 table 2).

/// What it can do. Octets are in the bit order of SpanDSP: bit 1 of the table is the lowest bit of the first octet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Abilities {
    /// Who made it, as its NSF tells (T.35).
    pub make: Option<String>,
    /// What it is, as its NSF tells.
    pub model: Option<String>,
    /// Its fastest modem, bit/s.
    pub bit_rate: u32,
    /// `standard`, `fine`, `superfine`, and others as dots per inch.
    pub resolutions: Vec<&'static str>,
    /// `A4`, `B4`, `A3` wide, `unlimited` long.
    pub paper: Vec<&'static str>,
    /// Error correction mode.
    pub ecm: bool,
    /// T.4 two-dimensional coding.
    pub two_dimensional: bool,
    /// T.6 coding.
    pub t6: bool,
    /// T.85 coding.
    pub t85: bool,
    /// It takes a sub-address.
    pub sub_address: bool,
    /// It takes a password.
    pub password: bool,
    /// It has something to be polled.
    pub polling: bool,
}

/// Reads the FIF of DIS.
pub(super) fn read(fif: &[u8]) -> Abilities {
    let bit = |n: usize| {
        fif.get((n - 1) / 8)
            .is_some_and(|octet| octet >> ((n - 1) % 8) & 1 == 1)
    };
    let chosen = |table: &[(bool, &'static str)]| {
        let set = table.iter().filter(|(set, _)| *set);
        set.map(|(_, name)| *name).collect()
    };
    Abilities {
        make: None,
        model: None,
        bit_rate: match (bit(11), bit(12), bit(13), bit(14)) {
            (true, true, false, true) => 14400,
            (true, ..) => 9600,
            (false, true, ..) => 4800,
            _ => 2400,
        },
        resolutions: chosen(&[
            (true, "standard"),
            (bit(15), "fine"),
            (bit(41), "superfine"),
            (bit(42), "300x300"),
            (bit(43), "400x400"),
        ]),
        // Bits 17 and 18: 00 is A4 only, 01 is up to B4 or up to A3, by their order in the table.
        paper: chosen(&[
            (true, "A4"),
            (bit(17) || bit(18), "B4"),
            (bit(18) && !bit(17), "A3"),
            (bit(20), "unlimited"),
        ]),
        ecm: bit(27),
        two_dimensional: bit(16),
        t6: bit(31),
        t85: bit(78),
        sub_address: bit(49),
        password: bit(50),
        polling: bit(9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dis_of_a_common_machine() {
        // V.17, fine, 2-D, A3, unlimited, ECM, T.6; superfine, 300, 400; no more octets.
        let said = read(&[0x00, 0xee, 0xfa, 0xc4, 0x80, 0x1f]);
        assert_eq!(said.bit_rate, 14400);
        assert_eq!(
            said.resolutions,
            ["standard", "fine", "superfine", "300x300", "400x400"]
        );
        assert_eq!(said.paper, ["A4", "B4", "A3", "unlimited"]);
        assert!(said.ecm && said.two_dimensional && said.t6);
        assert!(!said.t85 && !said.sub_address && !said.password && !said.polling);
    }

    #[test]
    fn dis_without_anything_is_the_plainest_machine() {
        let said = read(&[]);
        assert_eq!(said.bit_rate, 2400);
        assert_eq!((said.resolutions.len(), said.paper.len()), (1, 1));
    }

    #[test]
    fn later_bits_name_t85_and_sub_addresses() {
        let mut fif = [0x80; 10];
        fif[6] |= 0b11;
        fif[9] |= 1 << 5;
        let said = read(&fif);
        assert!(said.t85 && said.sub_address && said.password);
    }
}
