//! Pages of a TIFF in the codings that no fax has, through the crate `tiff`: in grey.

use std::borrow::Cow;
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
/// Tiles of a page at most.
const MOST_TILES: u32 = 1 << 16;
/// PhotometricInterpretation: colours by index.
const PALETTE: u32 = 3;
/// PhotometricInterpretation: CIE L*a*b*, brightness first.
const LAB: u32 = 8;

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
    let in_order = ifd.with_first_bit_highest(octets);
    let octets = in_order.as_deref().unwrap_or(octets);
    page(octets, ifd, place).ok_or_else(|| damaged(ifd))
}

/// How the samples of a page are to be understood.
enum Samples {
    /// As the crate says.
    Known,
    /// They are indexes; the crate is told that they are grey.
    Indexes(Vec<u8>),
    /// L*a*b*; the crate is told that they are RGB.
    Lab,
}

fn page(octets: &[u8], ifd: &Ifd<'_>, place: usize) -> Option<GrayImage> {
    let bits = ifd.number(tag::BITS_PER_SAMPLE, 1);
    let (samples, photometric) = match ifd.number(tag::PHOTOMETRIC, 0) {
        PALETTE if matches!(bits, 1..=8 | 16) => {
            (Samples::Indexes(palette(ifd, 1 << bits)?), Some(1))
        }
        PALETTE => return None,
        LAB => (Samples::Lab, Some(2)),
        _ => (Samples::Known, None),
    };
    let mut octets = Cow::Borrowed(octets);
    if let Some(photometric) = photometric {
        let at = ifd.place_of(tag::PHOTOMETRIC)?;
        let value = match octets[0] {
            b'M' => [0, photometric],
            _ => [photometric, 0],
        };
        octets.to_mut()[at..at + 2].copy_from_slice(&value);
    }
    let Some(tile) = ifd.tile_size() else {
        return levels(&octets, place, &samples);
    };
    // Each tile is read as a page of its own: the crate does not read every coding in tiles that lie beyond the page.
    let (width, height) = (
        ifd.number(tag::IMAGE_WIDTH, 0),
        ifd.number(tag::IMAGE_LENGTH, 0),
    );
    let mut whole = GrayImage::from_pixel(width, height, image::Luma([0xFF]));
    let octets = octets.to_mut();
    let across = width.div_ceil(tile.0);
    let count = across.checked_mul(height.div_ceil(tile.1))?;
    for n in 0..Some(count).filter(|count| *count <= MOST_TILES)? {
        ifd.become_tile(octets, n as usize)?;
        let part = levels(octets, place, &samples)?;
        let (x, y) = (n % across * tile.0, n / across * tile.1);
        image::imageops::replace(&mut whole, &part, x.into(), y.into());
    }
    Some(whole)
}

fn damaged(ifd: &Ifd<'_>) -> DocumentRefusal {
    DocumentRefusal::Tiff(format!(
        "page {} of the TIFF file is damaged, or of a kind that cannot be read here; please send it as PDF",
        ifd.number_of()
    ))
}

fn levels(octets: &[u8], place: usize, kind: &Samples) -> Option<GrayImage> {
    let palette = match kind {
        Samples::Indexes(palette) => Some(palette.as_slice()),
        _ => None,
    };
    let (colours, width, height, samples) = samples(octets, place, palette)?;
    if let Samples::Lab = kind {
        matches!(colours, ColorType::RGB(8 | 16)).then_some(())?;
        let lightness = samples.chunks_exact(3).map(|pel| pel[0]).collect();
        return GrayImage::from_raw(width, height, lightness);
    }
    in_grey(colours, width, height, samples, palette)
}

/// What the crate reads, its samples in eight bits; those of a palette of 16 bits are looked up already.
fn samples(
    octets: &[u8],
    place: usize,
    palette: Option<&[u8]>,
) -> Option<(ColorType, u32, u32, Vec<u8>)> {
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
        DecodingResult::U16(samples) => match palette {
            Some(palette) => {
                let level = |n| palette.get(usize::from(n)).copied();
                samples.into_iter().map(level).collect::<Option<_>>()?
            }
            None => samples.into_iter().map(|n| (n >> 8) as u8).collect(),
        },
        DecodingResult::U32(samples) => samples.into_iter().map(|n| (n >> 24) as u8).collect(),
        // From black, 0, to white, 1.
        DecodingResult::F32(samples) => samples.into_iter().map(of_unit).collect(),
        DecodingResult::F64(samples) => samples.into_iter().map(|n| of_unit(n as f32)).collect(),
        _ => return None,
    };
    let samples = match layout.planes {
        0 | 1 => samples,
        planes => interleaved(&samples, planes),
    };
    Some((colours, width, height, samples))
}

fn of_unit(n: f32) -> u8 {
    (n.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
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
        ColorType::Gray(bits @ (8 | 16 | 32 | 64)) => match palette.filter(|_| bits == 8) {
            Some(palette) => {
                let levels = samples
                    .iter()
                    .map(|&n| palette.get(usize::from(n)).copied());
                GrayImage::from_raw(width, height, levels.collect::<Option<_>>()?)
            }
            None => GrayImage::from_raw(width, height, samples),
        },
        ColorType::GrayA(8 | 16 | 32) => each(2, |pel| on_white(pel[0], pel[1])),
        // Brightness first, whatever follows.
        ColorType::YCbCr(8) => each(3, |pel| pel[0]),
        ColorType::Lab(8) => each(3, |pel| pel[0]),
        ColorType::Multiband {
            bit_depth: 8 | 16,
            num_samples: 2,
        } => each(2, |pel| on_white(pel[0], pel[1])),
        // Of more samples the first is the grey.
        ColorType::Multiband {
            bit_depth: 8 | 16,
            num_samples,
        } => each(num_samples.into(), |pel| pel[0]),
        ColorType::RGB(8 | 16 | 32 | 64) => of_rgb(samples),
        ColorType::RGBA(8 | 16 | 32) => of_rgb(
            samples
                .chunks_exact(4)
                .flat_map(|pel| [pel[0], pel[1], pel[2]].map(|level| on_white(level, pel[3])))
                .collect(),
        ),
        ColorType::CMYK(8 | 16) | ColorType::CMYKA(8 | 16) => of_rgb(
            samples
                .chunks_exact(if matches!(colours, ColorType::CMYK(_)) {
                    4
                } else {
                    5
                })
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
