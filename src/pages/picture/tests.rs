use super::*;
use crate::pages::bitmap::Bitmap;
use crate::pages::layout::Paper;
use crate::pages::sample::pictures;
use crate::pages::{Resolution, g4};

fn page(picture: &Picture, resolution: Resolution) -> Bitmap {
    let page = picture.fax_page(resolution, Paper::A4);
    assert_eq!((page.width, page.x_dpi), (1728, 204));
    g4::decode(&page.g4, page.width, page.height).unwrap()
}

/// Left, top, right and bottom of the ink, in thousandths of the page.
fn ink(page: &Bitmap) -> [u32; 4] {
    let (width, height) = (page.width(), page.height());
    let mut found = [u32::MAX, u32::MAX, 0, 0];
    for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
        if page.get(x, y) {
            found = [
                found[0].min(x),
                found[1].min(y),
                found[2].max(x),
                found[3].max(y),
            ];
        }
    }
    let [left, top, right, bottom] = found;
    [
        left * 1000 / width,
        top * 1000 / height,
        right * 1000 / width,
        bottom * 1000 / height,
    ]
}

/// Which quarter of the picture is dark.
fn dark_quarter(picture: &Picture) -> (bool, bool) {
    let (width, height) = picture.grey.dimensions();
    let dark = |x: u32, y: u32| picture.grey.get_pixel(width * x / 4, height * y / 4).0[0] < 0x80;
    let quarters = [(false, false), (true, false), (false, true), (true, true)];
    let mut dark = quarters
        .into_iter()
        .filter(|(right, low)| dark(1 + 2 * u32::from(*right), 1 + 2 * u32::from(*low)));
    let found = dark.next().expect("one is dark");
    assert!(dark.next().is_none(), "no other is");
    found
}

#[test]
fn every_format_is_read_the_right_way_up() {
    for (kind, octets) in [
        (Kind::Png, pictures::png(64)),
        (Kind::Gif, pictures::gif(64)),
        (Kind::WebP, pictures::webp(64)),
        (Kind::Heic, pictures::heic(0)),
        (Kind::Jpeg, pictures::jpeg(64, 1)),
    ] {
        assert_eq!(Kind::of(&octets), kind);
        let picture = read(kind, &octets).unwrap();
        assert_eq!(picture.grey.dimensions(), (64, 64), "{kind:?}");
        assert_eq!(dark_quarter(&picture), (false, false), "{kind:?}");
        assert_eq!(picture.grey.get_pixel(63, 63).0, [0xFF], "{kind:?}");
    }
}

#[test]
fn a_camera_held_upside_down_or_on_its_side() {
    for (orientation, quarter) in [
        (1, (false, false)),
        (3, (true, true)),
        (6, (true, false)),
        (8, (false, true)),
    ] {
        let picture = read(Kind::Jpeg, &pictures::jpeg(64, orientation)).unwrap();
        assert_eq!(dark_quarter(&picture), quarter, "orientation {orientation}");
    }
}

#[test]
fn a_telephone_held_on_its_side() {
    // ISO 23008-12 6.5.10: quarters of a turn against the clock.
    for (turns, quarter) in [(1, (false, true)), (2, (true, true)), (3, (true, false))] {
        let picture = read(Kind::Heic, &pictures::heic(turns)).unwrap();
        assert_eq!(dark_quarter(&picture), quarter, "{turns} quarters");
    }
}

#[test]
fn a_heic_of_another_codec_is_refused_by_name() {
    let mut other = pictures::heic(0);
    let at = other.windows(4).position(|name| name == b"hvcC").unwrap();
    other[at..at + 4].copy_from_slice(b"vvcC");
    let refused = read(Kind::Heic, &other).err().unwrap().to_string();
    assert!(
        refused.starts_with("it is a HEIC of a form that cannot be read here ("),
        "{refused}"
    );
    assert!(
        refused.ends_with("Most Compatible makes JPEG)"),
        "{refused}"
    );
}

#[test]
fn what_can_be_seen_through_is_white() {
    let clear = image::RgbaImage::from_pixel(8, 8, image::Rgba([0, 0, 0, 0]));
    assert!(on_white(clear.into()).pixels().all(|pel| pel.0 == [0xFF]));
    let half = image::RgbaImage::from_pixel(8, 8, image::Rgba([0, 0, 0, 128]));
    assert!(on_white(half.into()).pixels().all(|pel| pel.0 == [127]));
}

#[test]
fn a_scanned_sheet_fills_its_page_and_a_picture_keeps_its_size() {
    let grey = read(Kind::Png, &pictures::png(600)).unwrap().grey;
    for resolution in [
        Resolution::Standard,
        Resolution::Fine,
        Resolution::Superfine,
    ] {
        // 8.27 inches wide and high.
        let scanned = Picture {
            grey: grey.clone(),
            dpi: Some((600.0 / 8.27 * 3.0, 600.0 / 8.27 * 3.0)),
        };
        let scanned = Picture {
            grey: imageops_enlarged(&scanned.grey),
            ..scanned
        };
        let [left, top, right, _] = ink(&page(&scanned, resolution));
        assert!(
            left.abs_diff(134) < 8 && right.abs_diff(500) < 8,
            "{left} {right}"
        );
        assert!(top.abs_diff(125) < 8, "{top}");
        // 6.25 inches at 96 dpi.
        let shown = Picture {
            grey: grey.clone(),
            dpi: None,
        };
        let [left, _, right, bottom] = ink(&page(&shown, resolution));
        assert!((right - left).abs_diff(277) < 8, "{left} {right}");
        assert!(bottom.abs_diff(301) < 8, "{bottom}");
    }
}

fn imageops_enlarged(grey: &GrayImage) -> GrayImage {
    image::imageops::resize(grey, 1800, 1800, image::imageops::FilterType::Nearest)
}

#[test]
fn a_huge_picture_is_refused_before_it_is_decoded() {
    let mut huge = pictures::png(16);
    // IHDR: width and height; the checksum that follows is not looked at before the size is.
    huge[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    let refused = read(Kind::Png, &huge).unwrap_err();
    let sentence =
        "it has 30000 x 30000 pixels, and at most 100 million are taken; please send it smaller";
    assert!(
        refused.to_string() == sentence || refused == DocumentRefusal::damaged("PNG"),
        "{refused}"
    );
    assert_eq!(
        check_size(30_000, 30_000).unwrap_err().to_string(),
        sentence
    );
    assert_eq!(check_size(0, 5), Err(DocumentRefusal::NoPages));
    assert!(check_size(12_000, 8000).is_ok());
}

#[test]
fn a_cut_picture_is_damaged_and_nothing_worse() {
    for (kind, octets) in [
        (Kind::Png, pictures::png(64)),
        (Kind::Gif, pictures::gif(64)),
        (Kind::WebP, pictures::webp(64)),
        (Kind::Heic, pictures::heic(0)),
    ] {
        let refused = read(kind, &octets[..octets.len() / 2]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("it is damaged and cannot be read as {}", kind.name())
        );
    }
}

#[test]
fn density_is_read_from_its_chunk() {
    let mut png = pictures::png(16);
    // pHYs behind IHDR: 11,811 dots a metre are 300 an inch.
    let chunk = [
        &9u32.to_be_bytes()[..],
        b"pHYs",
        &11811u32.to_be_bytes(),
        &11811u32.to_be_bytes(),
        &[1],
        &[0; 4],
    ]
    .concat();
    png.splice(33..33, chunk);
    let (x, y) = density::of_png(&png).unwrap();
    assert!((x - 300.0).abs() < 0.1 && (y - 300.0).abs() < 0.1);
    assert_eq!(density::of_png(&pictures::png(16)), None);
    let jfif = b"\xFF\xD8\xFF\xE0\0\x10JFIF\0\x01\x01\x02\0\x76\0\x76\0\0";
    let (x, _) = density::of_jpeg(jfif).unwrap();
    assert!((x - 299.7).abs() < 0.1);
    for cut in 0..jfif.len() {
        let _ = density::of_jpeg(&jfif[..cut]);
    }
}
