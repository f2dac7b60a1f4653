//! The writer: little-endian, one G4 strip a page.

use super::{kind, tag};
use crate::pages::FaxPage;

/// The pages as one TIFF file, each a single G4 strip, in the form that SpanDSP takes for sending.
pub fn write(pages: &[FaxPage]) -> Vec<u8> {
    let total = pages.len().min(u16::MAX as usize) as u16;
    let mut file = b"II\x2A\x00".to_vec();
    // The offset of the next IFD is written once it is known.
    let mut link = file.len();
    file.extend_from_slice(&[0; 4]);
    for (number, page) in pages.iter().enumerate() {
        let strip = append(&mut file, &page.g4);
        let x_resolution = append(&mut file, &ratio(page.x_dpi));
        let y_resolution = append(&mut file, &ratio(page.y_dpi));
        let ifd = append(&mut file, &[]);
        file[link..link + 4].copy_from_slice(&ifd.to_le_bytes());
        let entries = [
            // RFC 2306 4.2: one page of many.
            long(tag::NEW_SUBFILE_TYPE, 2),
            long(tag::IMAGE_WIDTH, page.width),
            long(tag::IMAGE_LENGTH, page.height),
            short(tag::BITS_PER_SAMPLE, 1),
            short(tag::COMPRESSION, 4),
            // MinIsWhite.
            short(tag::PHOTOMETRIC, 0),
            // Most significant bit first.
            short(tag::FILL_ORDER, 1),
            long(tag::STRIP_OFFSETS, strip),
            short(tag::ORIENTATION, 1),
            short(tag::SAMPLES_PER_PIXEL, 1),
            long(tag::ROWS_PER_STRIP, page.height),
            long(tag::STRIP_BYTE_COUNTS, page.g4.len() as u32),
            entry(tag::X_RESOLUTION, kind::RATIONAL, 1, x_resolution),
            entry(tag::Y_RESOLUTION, kind::RATIONAL, 1, y_resolution),
            long(tag::T6_OPTIONS, 0),
            // Dots per inch.
            short(tag::RESOLUTION_UNIT, 2),
            // Two SHORTs in one field: number from 0, and of how many.
            entry(
                tag::PAGE_NUMBER,
                kind::SHORT,
                2,
                (number as u32 & 0xFFFF) | u32::from(total) << 16,
            ),
        ];
        file.extend_from_slice(&(entries.len() as u16).to_le_bytes());
        file.extend(entries.into_iter().flatten());
        link = file.len();
        file.extend_from_slice(&[0; 4]);
    }
    file
}

/// Appends on a word boundary, as TIFF 6.0 wants offsets; returns where.
fn append(file: &mut Vec<u8>, data: &[u8]) -> u32 {
    if !file.len().is_multiple_of(2) {
        file.push(0);
    }
    let offset = u32::try_from(file.len()).expect("a fax is far below 4 GB");
    file.extend_from_slice(data);
    offset
}

fn ratio(dpi: u32) -> [u8; 8] {
    let mut octets = [0; 8];
    octets[..4].copy_from_slice(&dpi.to_le_bytes());
    octets[4..].copy_from_slice(&1u32.to_le_bytes());
    octets
}

fn short(tag: u16, value: u16) -> [u8; 12] {
    entry(tag, kind::SHORT, 1, value.into())
}

fn long(tag: u16, value: u32) -> [u8; 12] {
    entry(tag, kind::LONG, 1, value)
}

fn entry(tag: u16, kind: u16, count: u32, value: u32) -> [u8; 12] {
    let mut octets = [0; 12];
    octets[..2].copy_from_slice(&tag.to_le_bytes());
    octets[2..4].copy_from_slice(&kind.to_le_bytes());
    octets[4..8].copy_from_slice(&count.to_le_bytes());
    octets[8..].copy_from_slice(&value.to_le_bytes());
    octets
}
