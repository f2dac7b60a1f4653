//! Pictures of one page: PNG, JPEG, GIF (its first frame), WebP, BMP and HEIC, in grey as they are looked at.
//!
//! The decoders are safe Rust and read strangers' files all the same: outside of tests this runs in the render child
//! only, where time and memory end.

mod density;
mod heic;
pub(super) mod orient;
mod place;
mod scale;

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::DocumentRefusal;
use super::kind::Kind;

/// Pels of the largest picture: an A3 page at 600 dpi has 70 million, a large telephone camera 50.
pub const MAX_PIXELS: u64 = 100_000_000;
/// Octets that one request of a decoder may have; all together are the sandbox's business.
const MAX_ALLOC: u64 = 192 << 20;

/// Levels from here on are white on a fax.
const WHITE: u8 = 224;

/// A picture in grey, upright, with what it says of its size.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// 0 is black.
    pub grey: GrayImage,
    /// Dots per inch across and down, where the file tells.
    pub dpi: Option<(f64, f64)>,
}

/// Decodes a picture of this kind.
///
/// # Errors
/// [`DocumentRefusal::TooManyPixels`], [`DocumentRefusal::Damaged`], [`DocumentRefusal::FormNotRead`].
///
/// # Panics
/// For a kind that [`Kind::is_picture`] denies.
pub fn read(kind: Kind, octets: &[u8]) -> Result<Picture, DocumentRefusal> {
    let format = match kind {
        Kind::Jpeg => return jpeg(octets),
        Kind::Heic => return heic::read(octets),
        Kind::Png => ImageFormat::Png,
        Kind::Gif => ImageFormat::Gif,
        Kind::WebP => ImageFormat::WebP,
        Kind::Bmp => ImageFormat::Bmp,
        other => unreachable!("{} is no picture", other.name()),
    };
    let damaged = |_| DocumentRefusal::damaged(kind.name());
    let mut reader = ImageReader::with_format(Cursor::new(octets), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_ALLOC);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    check_size(width.into(), height.into())?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let colours = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    let dpi = match kind {
        Kind::Bmp => density::of_bmp(octets),
        _ => density::of_png(octets),
    };
    Ok(Picture {
        grey: orient::upright(on_white(colours), orientation),
        dpi: orient::turned(dpi, orientation),
    })
}

/// JPEG has a plane of brightness of its own: nothing is converted, and a large photo takes a third of the memory.
fn jpeg(octets: &[u8]) -> Result<Picture, DocumentRefusal> {
    let damaged = || DocumentRefusal::damaged(Kind::Jpeg.name());
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(octets), options);
    if let Some(form) = jpeg_form(octets) {
        return Err(DocumentRefusal::FormNotRead {
            kind: Kind::Jpeg.name().to_owned(),
            form: form.to_owned(),
        });
    }
    decoder.decode_headers().map_err(|_| damaged())?;
    let (width, height) = decoder.dimensions().ok_or_else(damaged)?;
    check_size(width as u64, height as u64)?;
    let out = match decoder.input_colorspace() {
        Some(ColorSpace::YCbCr | ColorSpace::Luma) => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    };
    decoder.set_options(options.jpeg_set_out_colorspace(out));
    let orientation = decoder
        .exif()
        .and_then(|exif| Orientation::from_exif_chunk(exif))
        .unwrap_or(Orientation::NoTransforms);
    let levels = decoder.decode().map_err(|_| damaged())?;
    let (width, height) = (width as u32, height as u32);
    let grey = match out {
        ColorSpace::Luma => GrayImage::from_raw(width, height, levels),
        _ => image::RgbImage::from_raw(width, height, levels)
            .map(|colours| DynamicImage::from(colours).into_luma8()),
    };
    Ok(Picture {
        grey: orient::upright(grey.ok_or_else(damaged)?, orientation),
        dpi: orient::turned(density::of_jpeg(octets), orientation),
    })
}

/// The process that a JPEG is coded by (ITU-T T.81 table B.1), where it is none of the usual ones.
fn jpeg_form(octets: &[u8]) -> Option<&'static str> {
    let mut at = 2;
    loop {
        // Fill of 0xFF may stand before a marker (B.1.1.2).
        let &[0xFF, marker] = octets.get(at..at + 2)? else {
            return None;
        };
        match marker {
            0xFF => at += 1,
            0xC0..=0xC2 => {
                let is_deep = octets.get(at + 4) == Some(&12);
                return is_deep.then_some("12 bits a sample");
            }
            0xC3 => return Some("lossless JPEG"),
            0xC5..=0xC7 => return Some("hierarchical JPEG"),
            0xC9..=0xCB => return Some("arithmetic coding"),
            0xCD..=0xCF => return Some("hierarchical JPEG with arithmetic coding"),
            0xDA => return None,
            _ => {
                let length = octets.get(at + 2..at + 4)?;
                at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
            }
        }
    }
}

/// A picture of so many pels may be decoded.
///
/// # Errors
/// [`DocumentRefusal::TooManyPixels`]; [`DocumentRefusal::NoPages`] for one of no pels.
pub(super) fn check_size(width: u64, height: u64) -> Result<(), DocumentRefusal> {
    match width.saturating_mul(height) {
        0 => Err(DocumentRefusal::NoPages),
        1..=MAX_PIXELS => Ok(()),
        _ => Err(DocumentRefusal::TooManyPixels {
            width,
            height,
            limit_millions: MAX_PIXELS / 1_000_000,
        }),
    }
}

/// In grey, on white paper where it can be seen through.
fn on_white(colours: DynamicImage) -> GrayImage {
    if !colours.color().has_alpha() {
        return colours.into_luma8();
    }
    let (width, height) = (colours.width(), colours.height());
    let pels = colours.into_luma_alpha8();
    let on = |ground: u32| {
        let levels = pels.pixels().map(move |pel| {
            let [level, opacity] = pel.0.map(u32::from);
            ((level * opacity + ground * (255 - opacity) + 127) / 255) as u8
        });
        GrayImage::from_raw(width, height, levels.collect()).expect("one level for each pel")
    };
    let on_white = on(255);
    if on_white.iter().all(|level| *level >= WHITE) {
        // White letters that were made for a dark ground; a white sheet is opaque.
        let opaque = pels.pixels().filter(|pel| pel.0[1] >= 128).count();
        if opaque > 0 && opaque < pels.pixels().len() / 2 {
            let mut inverted = on(0);
            image::imageops::invert(&mut inverted);
            return inverted;
        }
    }
    on_white
}

#[cfg(test)]
pub(crate) mod tests;
