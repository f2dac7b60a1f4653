//! A font without ink, for text that is found and copied and never drawn: TrueType (ISO/IEC 14496-22) with as many
//! empty glyphs as there are characters.

/// Units of the em square.
const EM: u16 = 1000;
/// Units from glyph to glyph: half an em.
pub(super) const ADVANCE: u16 = 500;
/// Octets of the file's head, and of the entry of each table behind it.
const HEAD: usize = 12;
const ENTRY: usize = 16;
/// Where `head` has the number that makes the sum over the file come out.
const ADJUSTMENT: usize = 8;

/// The font with `glyphs` glyphs, the first of them for what is not there.
pub(super) fn font(glyphs: u16) -> Vec<u8> {
    // `head` is the first, so that its place is known.
    let tables: [(&[u8; 4], Vec<u8>); 6] = [
        (b"head", head()),
        (b"glyf", vec![0; 4]),
        (b"hhea", hhea()),
        (b"hmtx", hmtx(glyphs)),
        // Every glyph begins and ends at 0: none has an outline.
        (b"loca", vec![0; 2 * (usize::from(glyphs) + 1)]),
        (b"maxp", maxp(glyphs)),
    ];
    let first = HEAD + ENTRY * tables.len();
    let mut data = Vec::new();
    let mut entries = Vec::new();
    for (name, table) in &tables {
        let place = [
            checksum(table),
            (first + data.len()) as u32,
            table.len() as u32,
        ];
        let place: Vec<u8> = place.into_iter().flat_map(u32::to_be_bytes).collect();
        entries.push((*name, place));
        data.extend_from_slice(table);
        data.resize(data.len().next_multiple_of(4), 0);
    }
    // 5.2: the entries are in the order of their names; version, number of tables, and what a search among them needs.
    entries.sort();
    let mut file = numbers(&[1, 0, 6, 64, 2, 32]);
    for (name, place) in entries {
        file.extend_from_slice(name);
        file.extend(place);
    }
    file.extend(data);
    let adjustment = 0xB1B0_AFBA_u32.wrapping_sub(checksum(&file));
    file[first + ADJUSTMENT..][..4].copy_from_slice(&adjustment.to_be_bytes());
    file
}

fn head() -> Vec<u8> {
    let version_and_revision = [1, 0, 1, 0];
    let adjustment_and_magic = [0, 0, 0x5F0F, 0x3CF5];
    let flags_and_em = [0, EM];
    let dates = [0; 8];
    let bounds = [0; 4];
    // Style, smallest size, direction, short offsets in loca, format of glyf.
    let rest = [0, 8, 2, 0, 0];
    let parts: [&[u16]; 6] = [
        &version_and_revision,
        &adjustment_and_magic,
        &flags_and_em,
        &dates,
        &bounds,
        &rest,
    ];
    numbers(&parts.concat())
}

fn hhea() -> Vec<u8> {
    // Version, ascent, descent, gap, greatest advance; one width that all glyphs have.
    let mut table = vec![1, 0, 800, (-200_i16).cast_unsigned(), 0, ADVANCE];
    table.extend([0; 11]);
    table.push(1);
    numbers(&table)
}

fn hmtx(glyphs: u16) -> Vec<u8> {
    let mut table = vec![ADVANCE];
    table.extend(vec![0; usize::from(glyphs)]);
    numbers(&table)
}

fn maxp(glyphs: u16) -> Vec<u8> {
    let mut table = vec![1, 0, glyphs];
    // Zones: 1 is the least.
    table.extend([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    numbers(&table)
}

fn numbers(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().copied().flat_map(u16::to_be_bytes).collect()
}

/// 5.2: the sum of its numbers of four octets.
fn checksum(table: &[u8]) -> u32 {
    let number = |octets: &[u8]| {
        let mut whole = [0; 4];
        whole[..octets.len()].copy_from_slice(octets);
        u32::from_be_bytes(whole)
    };
    table.chunks(4).map(number).fold(0, u32::wrapping_add)
}

#[cfg(test)]
mod tests {
    use ab_glyph::Font;

    use super::*;

    #[test]
    fn a_reader_of_fonts_takes_it_and_finds_no_ink() {
        for glyphs in [1, 2, 96, 3000] {
            let file = font(glyphs);
            assert_eq!(checksum(&file), 0xB1B0_AFBA);
            let font = ab_glyph::FontRef::try_from_slice(&file).unwrap();
            assert_eq!(font.glyph_count(), usize::from(glyphs));
            assert_eq!(font.units_per_em(), Some(1000.0));
            for glyph in [0, glyphs - 1] {
                let glyph = ab_glyph::GlyphId(glyph);
                assert_eq!(font.h_advance_unscaled(glyph), 500.0);
                assert!(
                    font.outline(glyph)
                        .is_none_or(|outline| outline.curves.is_empty())
                );
            }
        }
    }
}
