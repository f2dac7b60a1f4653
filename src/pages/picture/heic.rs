//! HEIC: a still picture in HEVC (ISO 23008-12), turned as its file says.

use heic_rs::{DecodeOptions, Error, PixelLayout};
use image::GrayImage;

use super::{MAX_PIXELS, Picture, check_size};
use crate::pages::DocumentRefusal;
use crate::pages::kind::Kind;

/// Decodes the primary picture.
pub(super) fn read(octets: &[u8]) -> Result<Picture, DocumentRefusal> {
    let info = heic_rs::probe(octets).map_err(refusal)?;
    check_size(info.width.into(), info.height.into())?;
    let options = DecodeOptions {
        layout: PixelLayout::Gray8,
        max_pixels: Some(MAX_PIXELS),
        ..DecodeOptions::default()
    };
    let picture = heic_rs::decode(octets, &options).map_err(refusal)?;
    let grey = GrayImage::from_raw(picture.width, picture.height, picture.data);
    Ok(Picture {
        grey: grey.ok_or_else(damaged)?,
        dpi: None,
    })
}

fn refusal(why: Error) -> DocumentRefusal {
    match why {
        // Without a box for HEVC it is a picture of another codec in the same container.
        Error::Unsupported(_) | Error::MissingBox(_) => DocumentRefusal::FormNotRead {
            kind: Kind::Heic.name().to_owned(),
            form: why.to_string(),
        },
        _ => damaged(),
    }
}

fn damaged() -> DocumentRefusal {
    DocumentRefusal::damaged(Kind::Heic.name())
}
