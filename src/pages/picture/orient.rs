//! Which side of a picture is up (Exif 2.3, tag 0x0112; TIFF 6.0, Orientation).

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage};

/// The picture as it is to be looked at.
pub(in crate::pages) fn upright(grey: GrayImage, orientation: Orientation) -> GrayImage {
    let mut picture = DynamicImage::ImageLuma8(grey);
    picture.apply_orientation(orientation);
    picture.into_luma8()
}

/// Its dots per inch then.
pub(in crate::pages) fn turned(
    dpi: Option<(f64, f64)>,
    orientation: Orientation,
) -> Option<(f64, f64)> {
    // 5 to 8 swap the sides.
    let swapped = orientation.to_exif() >= 5;
    dpi.map(|(x, y)| if swapped { (y, x) } else { (x, y) })
}
