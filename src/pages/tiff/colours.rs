//! Pages of a TIFF in the codings that no fax has, through the crate `tiff`: in grey.

use std::io::Cursor;

use image::{DynamicImage, GrayImage, RgbImage};
use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult, Limits};

use super::any::palette;
use super::read::{Ifd, coding_name};
use super::tag;
use crate::pages::DocumentRefusal;
use crate::pages::picture;

/// Octets of a decoded page, and of what is needed on the way to it.
const MAX_OCTETS: usize = 192 << 20;
/// Codings that are read (TIFF 6.0, Compression): none, LZW, JPEG, Deflate, PackBits.
const CODINGS: [u32; 6] = [1, 5, 7, 8, 32773, 32946];
/// PhotometricInterpretation: colours by index.
const PALETTE: u32 = 3;

/// The page of directory `ifd`, which is number `place` in the file's list, from 0.
pub(super) fn read(
    octets: &[u8],
    ifd: &Ifd<'_>,
    place: usize,
) -> Result<GrayImage, DocumentRefusal> {
    let coding = ifd.coding_number();
    if !CODINGS.contains(&coding) {
        return Err(DocumentRefusal::Tiff(format!(
            "page {} of the TIFF file is coded as {}, which cannot be read here; please send it as PDF",
            ifd.number_of(),
            coding_name(coding)
        )));
    }
    let (width, height) = (
        ifd.number(tag::IMAGE_WIDTH, 0),
        ifd.number(tag::IMAGE_LENGTH, 0),
    );
    picture::check_size(width.into(), height.into())?;
    let bits = ifd.number(tag::BITS_PER_SAMPLE, 1);
    if ifd.number(tag::PHOTOMETRIC, 0) != PALETTE {
        return levels(octets, place, None).ok_or_else(|| damaged(ifd));
    }
    // The crate does not know palettes: it gets the page as one in grey, and the indexes come out.
    let (Some(at), 1..=8) = (ifd.place_of(tag::PHOTOMETRIC), bits) else {
        return Err(damaged(ifd));
    };
    let palette = palette(ifd, 1 << bits).ok_or_else(|| damaged(ifd))?;
    let mut as_grey = octets.to_vec();
    let black_is_zero = match as_grey[0] {
        b'M' => [0, 1],
        _ => [1, 0],
    };
    as_grey[at..at + 2].copy_from_slice(&black_is_zero);
    levels(&as_grey, place, Some(&palette)).ok_or_else(|| damaged(ifd))
}

fn damaged(ifd: &Ifd<'_>) -> DocumentRefusal {
    DocumentRefusal::Tiff(format!(
        "page {} of the TIFF file is damaged, or of a kind that cannot be read here; please send it as PDF",
        ifd.number_of()
    ))
}

fn levels(octets: &[u8], place: usize, palette: Option<&[u8]>) -> Option<GrayImage> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_OCTETS;
    limits.intermediate_buffer_size = MAX_OCTETS;
    let mut decoder = Decoder::new(Cursor::new(octets)).ok()?.with_limits(limits);
    decoder.seek_to_image(place).ok()?;
    let (width, height) = decoder.dimensions().ok()?;
    let colours = decoder.colortype().ok()?;
    let mut samples = DecodingResult::U8(Vec::new());
    let layout = decoder.read_image_to_buffer(&mut samples).ok()?;
    if samples.as_buffer(0).byte_len() < layout.complete_len {
        return None;
    }
    let samples = match samples {
        DecodingResult::U8(samples) => samples,
        DecodingResult::U16(samples) => samples.into_iter().map(|n| (n >> 8) as u8).collect(),
        _ => return None,
    };
    let samples = match layout.planes {
        0 | 1 => samples,
        planes => interleaved(&samples, planes),
    };
    in_grey(colours, width, height, samples, palette)
}

/// Planes behind each other as pels behind each other.
fn interleaved(samples: &[u8], planes: usize) -> Vec<u8> {
    let plane = samples.len() / planes;
    let pels = (0..plane).flat_map(|at| (0..planes).map(move |n| samples[n * plane + at]));
    pels.collect()
}

fn in_grey(
    colours: ColorType,
    width: u32,
    height: u32,
    samples: Vec<u8>,
    palette: Option<&[u8]>,
) -> Option<GrayImage> {
    let of_rgb = |samples: Vec<u8>| {
        Some(DynamicImage::from(RgbImage::from_raw(width, height, samples)?).into_luma8())
    };
    let each = |size: usize, level: fn(&[u8]) -> u8| {
        GrayImage::from_raw(
            width,
            height,
            samples.chunks_exact(size).map(level).collect(),
        )
    };
    match colours {
        ColorType::Gray(bits @ (1 | 2 | 4)) => {
            let most = (1u32 << bits) - 1;
            let shown = |n: u8| match palette {
                Some(palette) => palette[usize::from(n)],
                None => (u32::from(n) * 255 / most) as u8,
            };
            let levels = unpacked(&samples, width, height, bits)?;
            GrayImage::from_raw(width, height, levels.into_iter().map(shown).collect())
        }
        ColorType::Gray(8 | 16) => match palette {
            Some(palette) => {
                let levels = samples
                    .iter()
                    .map(|&n| palette.get(usize::from(n)).copied());
                GrayImage::from_raw(width, height, levels.collect::<Option<_>>()?)
            }
            None => GrayImage::from_raw(width, height, samples),
        },
        ColorType::GrayA(8 | 16) => each(2, |pel| on_white(pel[0], pel[1])),
        // Brightness first, whatever follows.
        ColorType::YCbCr(8) => each(3, |pel| pel[0]),
        ColorType::Lab(8) => each(3, |pel| pel[0]),
        ColorType::Multiband {
            bit_depth: 8 | 16,
            num_samples: 2,
        } => each(2, |pel| on_white(pel[0], pel[1])),
        ColorType::RGB(8 | 16) => of_rgb(samples),
        ColorType::RGBA(8 | 16) => of_rgb(
            samples
                .chunks_exact(4)
                .flat_map(|pel| [pel[0], pel[1], pel[2]].map(|level| on_white(level, pel[3])))
                .collect(),
        ),
        ColorType::CMYK(8 | 16) => of_rgb(
            samples
                .chunks_exact(4)
                .flat_map(|pel| {
                    let paper = u32::from(255 - pel[3]);
                    [pel[0], pel[1], pel[2]].map(|ink| (u32::from(255 - ink) * paper / 255) as u8)
                })
                .collect(),
        ),
        _ => None,
    }
}

fn on_white(level: u8, opacity: u8) -> u8 {
    let (level, opacity) = (u32::from(level), u32::from(opacity));
    ((level * opacity + 255 * (255 - opacity)) / 255) as u8
}

/// Samples of less than an octet; rows begin on an octet.
fn unpacked(samples: &[u8], width: u32, height: u32, bits: u8) -> Option<Vec<u8>> {
    let (width, bits) = (width as usize, usize::from(bits));
    let stride = (width * bits).div_ceil(8);
    let mut levels = Vec::with_capacity(width * height as usize);
    for row in samples.chunks_exact(stride).take(height as usize) {
        let sample =
            |x: usize| row[x * bits / 8] >> (8 - bits - x * bits % 8) & ((1 << bits) - 1) as u8;
        levels.extend((0..width).map(sample));
    }
    (levels.len() == width * height as usize).then_some(levels)
}
