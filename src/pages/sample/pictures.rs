//! Pictures in every format, for trials: a white sheet with a dark square in its upper left quarter, so that it shows
//! which side is up.

use std::io::Cursor;

use image::{DynamicImage, GrayImage, ImageFormat, Luma};
use tiff::encoder::{Compression, DeflateLevel, TiffEncoder, colortype};

/// The sheet, `side` pels wide and high.
fn sheet(side: u32) -> GrayImage {
    GrayImage::from_fn(side, side, |x, y| {
        let dark = (side / 8..side / 2).contains(&x) && (side / 8..side / 2).contains(&y);
        Luma([if dark { 0x10 } else { 0xFF }])
    })
}

fn encoded(format: ImageFormat, side: u32) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let picture = DynamicImage::ImageLuma8(sheet(side)).into_rgba8();
    picture
        .write_to(&mut file, format)
        .expect("memory takes everything");
    file.into_inner()
}

/// A PNG.
pub fn png(side: u32) -> Vec<u8> {
    encoded(ImageFormat::Png, side)
}

/// A GIF.
pub fn gif(side: u32) -> Vec<u8> {
    encoded(ImageFormat::Gif, side)
}

/// A WebP without loss.
pub fn webp(side: u32) -> Vec<u8> {
    encoded(ImageFormat::WebP, side)
}

/// A HEIC of 64 pels, to be turned by so many quarters against the clock. `heif-enc -q 35` made it of `sheet`.
pub fn heic(turns: u8) -> Vec<u8> {
    let mut file = include_bytes!("sheet.heic").to_vec();
    if turns > 0 {
        // The depth of its samples is in the bitstream too: its box becomes irot (ISO 23008-12 6.5.10).
        let depth = file.windows(4).position(|name| name == b"pixi");
        let at = depth.expect("the box is there");
        file[at..at + 5].copy_from_slice(&[b'i', b'r', b'o', b't', turns]);
    }
    file
}

/// A TIFF of one page for each coding that no fax has: none, LZW, Deflate, PackBits.
pub fn tiff(side: u32) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).expect("memory takes everything");
    for coding in [
        Compression::Uncompressed,
        Compression::Lzw,
        Compression::Deflate(DeflateLevel::Fast),
        Compression::Packbits,
    ] {
        encoder = encoder.with_compression(coding);
        let page = encoder.write_image::<colortype::Gray8>(side, side, sheet(side).as_raw());
        page.expect("memory takes everything");
    }
    file.into_inner()
}

/// A baseline JPEG (ITU-T T.81) whose blocks of 8 x 8 pels are of one level each, with an Exif orientation.
pub fn jpeg(side: u32, orientation: u8) -> Vec<u8> {
    let side = side.next_multiple_of(16);
    let mut file = b"\xFF\xD8".to_vec();
    let mut segment = |marker: u8, data: &[u8]| {
        file.extend([0xFF, marker]);
        file.extend((data.len() as u16 + 2).to_be_bytes());
        file.extend_from_slice(data);
    };
    // Exif: one directory with one entry, 0x0112 SHORT.
    let mut exif = b"Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    segment(0xE1, &exif);
    // One step of the mean is one level: 8 x 8 pels make it eight times as large.
    segment(0xDB, &[[0].as_slice(), &[8; 64]].concat());
    let size = (side as u16).to_be_bytes();
    segment(
        0xC0,
        &[8, size[0], size[1], size[0], size[1], 1, 1, 0x11, 0],
    );
    // Nine codes of four bits for differences of 0 to 8 bits; one code for "no more in this block".
    let codes = |bits: usize, count: u8| {
        let mut lengths = [0; 16];
        lengths[bits - 1] = count;
        lengths
    };
    segment(
        0xC4,
        &[
            [0x00].as_slice(),
            &codes(4, 9),
            &[0, 1, 2, 3, 4, 5, 6, 7, 8],
        ]
        .concat(),
    );
    segment(0xC4, &[[0x10].as_slice(), &codes(2, 1), &[0]].concat());
    segment(0xDA, &[1, 1, 0x00, 0, 63, 0]);
    file.extend(blocks(side));
    file.extend(b"\xFF\xD9");
    file
}

/// The differences of the blocks' means (T.81 F.1.2.1).
fn blocks(side: u32) -> Vec<u8> {
    let picture = sheet(side);
    let mut bits = Vec::new();
    let mut push = |value: u32, count: u32| {
        bits.extend((0..count).rev().map(|n| value >> n & 1 != 0));
    };
    let mut before = 0i32;
    for (row, column) in (0..side / 8).flat_map(|row| (0..side / 8).map(move |c| (row, c))) {
        let mean = i32::from(picture.get_pixel(column * 8, row * 8).0[0]) - 128;
        let difference = mean - before;
        before = mean;
        let size = 32 - difference.unsigned_abs().leading_zeros();
        push(size, 4);
        // Negative ones are written one less.
        let value = difference - i32::from(difference < 0);
        push(value as u32 & ((1 << size) - 1), size);
        push(0, 2);
    }
    let octets = bits.chunks(8).map(|bits| {
        let padded = bits.iter().copied().chain(std::iter::repeat(true)).take(8);
        padded.fold(0u8, |octet, bit| octet << 1 | u8::from(bit))
    });
    // B.1.1.5: a zero behind each 0xFF.
    let stuffed = octets.flat_map(|octet| match octet {
        0xFF => vec![0xFF, 0],
        other => vec![other],
    });
    stuffed.collect()
}
