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

/// Windows' bitmap of 2 x 2 pels at 300 dpi, the lower row first; `header` is that of OS/2 where it has 12 octets.
fn bmp(header: u8) -> Vec<u8> {
    let mut file = b"BM\0\0\0\0\0\0\0\0".to_vec();
    file.extend_from_slice(&[14 + header, 0, 0, 0, header, 0, 0, 0]);
    match header {
        12 => file.extend_from_slice(&[2, 0, 2, 0, 1, 0, 24, 0]),
        _ => {
            file.extend_from_slice(&[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 24, 0]);
            file.extend_from_slice(&[0; 8]);
            file.extend_from_slice(&11811u32.to_le_bytes().repeat(2));
        }
    }
    file.resize(14 + usize::from(header), 0);
    file.extend_from_slice(&[255, 255, 255, 255, 255, 255, 0, 0]);
    file.extend_from_slice(&[0, 0, 0, 255, 255, 255, 0, 0]);
    file
}

#[test]
fn bitmaps_of_windows_and_os2_are_read() {
    for header in [12, 40, 108, 124] {
        let file = bmp(header);
        assert_eq!(Kind::of(&file), Kind::Bmp, "{header}");
        let picture = read(Kind::Bmp, &file).unwrap();
        assert_eq!(picture.grey.into_raw(), [0, 255, 255, 255], "{header}");
        let dpi = picture.dpi.map(|dpi| (dpi.0.round(), dpi.1.round()));
        assert_eq!(dpi, (header >= 40).then_some((300.0, 300.0)), "{header}");
    }
}

#[test]
fn a_jpeg_of_a_rare_process_is_refused_by_name() {
    for (marker, name) in [
        (0xC3, "lossless"),
        (0xC5, "hierarchical"),
        (0xC9, "arithmetic"),
    ] {
        let mut file = pictures::jpeg(64, 1);
        let at = file.windows(2).position(|two| two == [0xFF, 0xC0]).unwrap();
        file[at + 1] = marker;
        let refused = read(Kind::Jpeg, &file).err().unwrap().to_string();
        assert!(refused.contains(name), "{refused}");
    }
}

#[test]
fn white_letters_on_nothing_are_drawn_black() {
    let logo = image::RgbaImage::from_fn(60, 60, |x, _| match x {
        20..30 => image::Rgba([255, 255, 250, 255]),
        _ => image::Rgba([255, 255, 255, 0]),
    });
    let grey = on_white(logo.into());
    assert!(grey.get_pixel(25, 30).0[0] < 10 && grey.get_pixel(5, 30).0[0] > 250);
    // A white sheet with rounded corners stays one.
    let sheet = image::RgbaImage::from_fn(60, 60, |x, y| match x + y {
        0..5 => image::Rgba([255, 255, 255, 0]),
        _ => image::Rgba([255, 255, 255, 255]),
    });
    assert!(on_white(sheet.into()).pixels().all(|pel| pel.0 == [255]));
}

#[test]
fn a_faint_scan_is_not_blank() {
    // Pencil: strokes of 222 on paper of 246, at 200 dpi.
    let mut picture = Picture {
        grey: GrayImage::from_fn(1654, 2339, |x, y| {
            let is_line =
                y % 60 < 4 && x % 30 < 14 && (200..1400).contains(&x) && (400..2000).contains(&y);
            image::Luma([if is_line { 222 } else { 246 }])
        }),
        dpi: Some((200.0, 200.0)),
    };
    let drawn = page(&picture, Resolution::Fine);
    assert!(!drawn.is_blank() && drawn.black_percent() < 20);
    picture.grey.fill(246);
    assert!(page(&picture, Resolution::Fine).is_blank());
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
