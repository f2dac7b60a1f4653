use super::*;
use crate::pages::bitmap::Bitmap;
use crate::pages::g3::tests::{encode_1d, encode_plain, slanted};
use crate::pages::{FaxPage, Resolution, g4};

fn page(height: u32, y_dpi: u32) -> FaxPage {
    FaxPage {
        width: 1728,
        height,
        x_dpi: 204,
        y_dpi,
        g4: g4::encode(&slanted(1728, height)),
    }
}

/// A file of one page built by hand: fields as (tag, kind, values), strips behind the directory.
struct ByHand {
    big_endian: bool,
    fields: Vec<(u16, u16, Vec<u32>)>,
    strips: Vec<Vec<u8>>,
}

impl ByHand {
    fn new(bitmap: &Bitmap, compression: u32, strips: Vec<Vec<u8>>) -> ByHand {
        let fields = vec![
            (tag::IMAGE_WIDTH, kind::SHORT, vec![bitmap.width()]),
            (tag::IMAGE_LENGTH, kind::LONG, vec![bitmap.height()]),
            (tag::COMPRESSION, kind::SHORT, vec![compression]),
            (tag::X_RESOLUTION, kind::RATIONAL, vec![204, 1]),
            (tag::Y_RESOLUTION, kind::RATIONAL, vec![98, 1]),
        ];
        ByHand {
            big_endian: false,
            fields,
            strips,
        }
    }

    fn with(mut self, tag: u16, kind: u16, values: &[u32]) -> ByHand {
        self.fields.retain(|field| field.0 != tag);
        self.fields.push((tag, kind, values.to_vec()));
        self
    }

    fn build(mut self) -> Vec<u8> {
        let lengths = self.strips.iter().map(|strip| strip.len() as u32).collect();
        self.fields
            .push((tag::STRIP_BYTE_COUNTS, kind::LONG, lengths));
        let mut file = match self.big_endian {
            true => b"MM\x00\x2A".to_vec(),
            false => b"II\x2A\x00".to_vec(),
        };
        self.number(&mut file, 4, 0);
        let offsets = self.strips.iter().map(|strip| {
            let offset = file.len() as u32;
            file.extend_from_slice(strip);
            offset
        });
        let offsets = offsets.collect();
        self.fields.push((tag::STRIP_OFFSETS, kind::LONG, offsets));
        self.fields.sort();
        let mut entries = Vec::new();
        for (tag, kind, values) in &self.fields {
            self.number(&mut entries, 2, (*tag).into());
            self.number(&mut entries, 2, (*kind).into());
            let (size, count) = match *kind {
                kind::SHORT => (2, values.len()),
                kind::RATIONAL => (4, values.len() / 2),
                _ => (4, values.len()),
            };
            self.number(&mut entries, 4, count as u32);
            let mut octets = Vec::new();
            for &value in values {
                self.number(&mut octets, size, value);
            }
            if octets.len() > 4 {
                self.number(&mut entries, 4, file.len() as u32);
                file.extend_from_slice(&octets);
            } else {
                octets.resize(4, 0);
                entries.extend_from_slice(&octets);
            }
        }
        let mut ifd = Vec::new();
        self.number(&mut ifd, 4, file.len() as u32);
        file[4..8].copy_from_slice(&ifd);
        self.number(&mut file, 2, self.fields.len() as u32);
        file.extend_from_slice(&entries);
        self.number(&mut file, 4, 0);
        file
    }

    fn number(&self, out: &mut Vec<u8>, size: usize, value: u32) {
        match self.big_endian {
            true => out.extend_from_slice(&value.to_be_bytes()[4 - size..]),
            false => out.extend_from_slice(&value.to_le_bytes()[..size]),
        }
    }
}

fn bitmap_of(file: &[u8]) -> Bitmap {
    let pages = read(file).unwrap();
    assert_eq!(pages.len(), 1);
    g4::decode(&pages[0].g4, pages[0].width, pages[0].height).unwrap()
}

#[test]
fn what_is_written_is_read_again() {
    let pages = [page(30, 98), page(31, 196), page(17, 391)];
    assert_eq!(read(&write(&pages)).unwrap(), pages);
}

#[test]
fn the_other_byte_order() {
    let page = slanted(1728, 20);
    let mut file = ByHand::new(&page, 4, vec![g4::encode(&page)]);
    file.big_endian = true;
    assert_eq!(bitmap_of(&file.build()), page);
}

#[test]
fn least_significant_bit_first() {
    let page = slanted(1728, 20);
    let strip = g4::encode(&page).iter().map(|o| o.reverse_bits()).collect();
    let file = ByHand::new(&page, 4, vec![strip]).with(tag::FILL_ORDER, kind::SHORT, &[2]);
    assert_eq!(bitmap_of(&file.build()), page);
}

#[test]
fn min_is_black() {
    let mut page = slanted(1728, 20);
    let strip = g4::encode(&page);
    let file = ByHand::new(&page, 4, vec![strip]).with(tag::PHOTOMETRIC, kind::SHORT, &[1]);
    page.invert();
    assert_eq!(bitmap_of(&file.build()), page);
}

#[test]
fn several_strips() {
    let mut page = slanted(1728, 16);
    let strip = g4::encode(&page);
    page.append(&page.clone()).unwrap();
    page.append(&Bitmap::new(1728, 3).unwrap()).unwrap();
    let rest = g4::encode(&Bitmap::new(1728, 3).unwrap());
    let file = ByHand::new(&page, 4, vec![strip.clone(), strip, rest]).with(
        tag::ROWS_PER_STRIP,
        kind::SHORT,
        &[16],
    );
    assert_eq!(bitmap_of(&file.build()), page);
}

#[test]
fn g3_rows_of_one_and_two_dimensions() {
    let page = slanted(1728, 20);
    let mh = ByHand::new(&page, 3, vec![encode_1d(&page, None)]);
    assert_eq!(bitmap_of(&mh.build()), page);
    let mr = ByHand::new(&page, 3, vec![encode_1d(&page, Some(true))]).with(
        tag::T4_OPTIONS,
        kind::LONG,
        &[1],
    );
    assert_eq!(bitmap_of(&mr.build()), page);
}

#[test]
fn dots_per_centimetre() {
    let page = slanted(1728, 20);
    let file = ByHand::new(&page, 4, vec![g4::encode(&page)])
        .with(tag::RESOLUTION_UNIT, kind::SHORT, &[3])
        .with(tag::X_RESOLUTION, kind::RATIONAL, &[804, 10])
        .with(tag::Y_RESOLUTION, kind::RATIONAL, &[77, 1]);
    let pages = read(&file.build()).unwrap();
    assert_eq!((pages[0].x_dpi, pages[0].y_dpi), (204, 196));
}

#[test]
fn other_codings_are_named() {
    let page = slanted(1728, 20);
    let file = ByHand::new(&page, 7, vec![vec![0; 9]]).build();
    let error = read(&file).unwrap_err().to_string();
    assert!(
        error.contains("page 1") && error.contains("JPEG"),
        "{error}"
    );
}

#[test]
fn list_of_pages_in_a_circle() {
    let mut file = write(&[page(10, 196)]);
    let first = file[4..8].to_vec();
    let link = file.len() - 4;
    file[link..].copy_from_slice(&first);
    assert_eq!(read(&file), Err(TiffError::Loop));
}

#[test]
fn cut_anywhere() {
    let file = write(&[page(10, 196), page(12, 196)]);
    for len in 0..file.len() {
        assert!(read(&file[..len]).is_err(), "cut to {len} octets");
    }
}

#[test]
fn mutated_files_never_panic() {
    let small = slanted(64, 4);
    let seeds = [
        write(&[page(6, 98), page(5, 391)]),
        ByHand::new(&small, 3, vec![encode_1d(&small, None)]).build(),
        ByHand::new(&small, 4, vec![g4::encode(&small); 4])
            .with(tag::ROWS_PER_STRIP, kind::LONG, &[1])
            .build(),
    ];
    let mut rng = fastrand::Rng::with_seed(0xFA);
    for round in 0..100_000 {
        let mut file = seeds[round % seeds.len()].clone();
        for _ in 0..rng.usize(1..5) {
            let at = rng.usize(..file.len());
            file[at] = match rng.u8(..3) {
                0 => rng.u8(..),
                1 => file[at] ^ 1 << rng.u8(..8),
                _ => [0, 1, 0x7F, 0xFF][rng.usize(..4)],
            };
        }
        let _ = (read(&file), read_last(&file), sizes(&file));
    }
}

/// What libtiff writes for a page that came in: T.6, the least significant bit first. It is turned round, not decoded.
#[test]
fn last_page_of_our_own_file_is_taken_as_it_is() {
    let pages = [page(30, 98), page(31, 196)];
    let file = write(&pages);
    assert_eq!(read_last(&file).unwrap(), (2, pages[1].clone()));
    let drawn = slanted(1728, 20);
    let strip = g4::encode(&drawn);
    let turned = strip.iter().map(|o| o.reverse_bits()).collect();
    let file = ByHand::new(&drawn, 4, vec![turned]).with(tag::FILL_ORDER, kind::SHORT, &[2]);
    assert_eq!(read_last(&file.build()).unwrap().1.g4, strip);
}

#[test]
fn last_page_in_another_form_is_coded_anew() {
    let drawn = slanted(1728, 16);
    let g4 = g4::encode(&drawn);
    let mut twice = drawn.clone();
    twice.append(&drawn).unwrap();
    let mut inverted = drawn.clone();
    inverted.invert();
    for (file, wanted) in [
        (
            ByHand::new(&twice, 4, vec![g4.clone(); 2]).with(
                tag::ROWS_PER_STRIP,
                kind::SHORT,
                &[16],
            ),
            &twice,
        ),
        (
            ByHand::new(&drawn, 3, vec![encode_1d(&drawn, None)]),
            &drawn,
        ),
        (
            ByHand::new(&drawn, 4, vec![g4.clone()]).with(tag::PHOTOMETRIC, kind::SHORT, &[1]),
            &inverted,
        ),
    ] {
        let (_, last) = read_last(&file.build()).unwrap();
        assert_eq!(last.g4, g4::encode(wanted));
    }
}

#[test]
fn sizes_of_pages_are_those_of_their_strips() {
    let pages = [page(30, 98), page(31, 196)];
    let lengths = pages.each_ref().map(|page| page.g4.len() as u64);
    assert_eq!(sizes(&write(&pages)).unwrap(), lengths);
    let file = write(&pages);
    // The second directory lies behind the second page.
    assert!(sizes(&file[..file.len() - 10]).is_err());
}

// ---- any TIFF ----

fn only_page(file: &[u8]) -> TiffPage {
    let tiff = AnyTiff::open(file).unwrap();
    assert_eq!(tiff.pages(), 1);
    tiff.page(1).unwrap()
}

#[test]
fn a_fax_stays_as_it_is_and_its_rows_are_doubled_where_need_be() {
    let bitmap = slanted(1728, 40);
    let file = write(&[page(40, 98)]);
    let TiffPage::Fax(found, resolution) = only_page(&file) else {
        panic!("it is a fax")
    };
    assert_eq!((&found, resolution), (&bitmap, Resolution::Standard));
    let same = at_resolution(&found, resolution, Resolution::Standard);
    assert_eq!(same, page(40, 98));
    let fine = at_resolution(&found, resolution, Resolution::Fine);
    assert_eq!((fine.height, fine.y_dpi), (80, 196));
    let doubled = g4::decode(&fine.g4, 1728, 80).unwrap();
    assert!((0..80).all(|y| doubled.row(y) == bitmap.row(y / 2)));
    let back = at_resolution(&doubled, Resolution::Fine, Resolution::Standard);
    assert_eq!(back, same, "no ink is lost on the way down either");
}

#[test]
fn a_scan_at_600_dpi_is_a_picture() {
    let bitmap = Bitmap::new(4960, 7016).unwrap();
    let file = ByHand::new(&bitmap, 4, vec![g4::encode(&bitmap)])
        .with(tag::X_RESOLUTION, kind::RATIONAL, &[600, 1])
        .with(tag::Y_RESOLUTION, kind::RATIONAL, &[600, 1]);
    let TiffPage::Picture(picture) = only_page(&file.build()) else {
        panic!("no fax is that wide")
    };
    assert_eq!(picture.grey.dimensions(), (4960, 7016));
    assert_eq!(picture.dpi, Some((600.0, 600.0)));
}

#[test]
fn every_usual_coding_is_read() {
    let file = crate::pages::sample::pictures::tiff(64);
    let tiff = AnyTiff::open(&file).unwrap();
    assert_eq!(tiff.pages(), 4);
    for number in 1..=4 {
        let TiffPage::Picture(picture) = tiff.page(number).unwrap() else {
            panic!("page {number} is no fax")
        };
        assert_eq!(picture.grey.get_pixel(20, 20).0, [0x10], "page {number}");
        assert_eq!(picture.grey.get_pixel(50, 50).0, [0xFF], "page {number}");
    }
}

/// Four pels in two rows, in a coding that is no fax's.
fn small(photometric: u32, bits: u32, samples: u32, strip: &[u8]) -> ByHand {
    ByHand::new(&Bitmap::new(2, 2).unwrap(), 1, vec![strip.to_vec()])
        .with(tag::PHOTOMETRIC, kind::SHORT, &[photometric])
        .with(
            tag::BITS_PER_SAMPLE,
            kind::SHORT,
            &vec![bits; samples as usize],
        )
        .with(tag::SAMPLES_PER_PIXEL, kind::SHORT, &[samples])
        .with(tag::ROWS_PER_STRIP, kind::SHORT, &[2])
}

fn levels(file: ByHand) -> Vec<u8> {
    match only_page(&file.build()) {
        TiffPage::Picture(picture) => picture.grey.into_raw(),
        TiffPage::Fax(..) => panic!("it is no fax"),
    }
}

#[test]
fn every_kind_of_colour_is_read() {
    assert_eq!(
        levels(small(1, 8, 1, &[0, 100, 200, 255])),
        [0, 100, 200, 255]
    );
    assert_eq!(
        levels(small(0, 8, 1, &[0, 100, 200, 255])),
        [255, 155, 55, 0]
    );
    assert_eq!(levels(small(1, 4, 1, &[0x0F, 0xF0])), [0, 255, 255, 0]);
    assert_eq!(levels(small(1, 1, 1, &[0x40, 0x80])), [0, 255, 255, 0]);
    let rgb = [0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 255];
    let grey = levels(small(2, 8, 3, &rgb));
    assert_eq!((grey[0], grey[1]), (0, 255));
    assert!(grey[2] > grey[3], "red is lighter than blue");
    let cmyk = [0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 0];
    assert_eq!(levels(small(5, 8, 4, &cmyk)), [255, 0, 0, 255]);
    let sixteen: Vec<u8> = [0u16, 0x8000, 0xFFFF, 0]
        .iter()
        .flat_map(|n| n.to_le_bytes())
        .collect();
    assert_eq!(levels(small(1, 16, 1, &sixteen)), [0, 0x80, 255, 0]);
}

#[test]
fn a_palette_is_looked_up() {
    // Index 1 is white, 2 is mid-grey, all others black.
    let mut map = vec![0; 3 * 16];
    for colour in 0..3 {
        map[16 * colour + 1] = 0xFFFF;
        map[16 * colour + 2] = 0x8080;
    }
    for big_endian in [false, true] {
        let mut file = small(3, 4, 1, &[0x12, 0x01]).with(tag::COLOR_MAP, kind::SHORT, &map);
        file.big_endian = big_endian;
        assert_eq!(levels(file), [255, 128, 0, 255]);
    }
}

#[test]
fn a_sheet_on_its_side_is_turned_and_a_thumbnail_is_no_page() {
    let turned = small(1, 8, 1, &[0, 100, 200, 255]).with(tag::ORIENTATION, kind::SHORT, &[6]);
    assert_eq!(levels(turned), [200, 0, 255, 100]);
    let mut both = write(&[page(10, 196), page(12, 196)]);
    // NewSubfileType stands first in the second directory: bit 0 is a smaller copy.
    let first = u32::from_le_bytes(both[4..8].try_into().unwrap()) as usize;
    let fields = usize::from(both[first]);
    let link = first + 2 + 12 * fields;
    let second = u32::from_le_bytes(both[link..link + 4].try_into().unwrap()) as usize;
    both[second + 2 + 8] = 1;
    assert_eq!(AnyTiff::open(&both).unwrap().pages(), 1);
}

#[test]
fn codings_that_are_not_read_are_named() {
    for (coding, name) in [
        (6, "JPEG of the old kind"),
        (34712, "JPEG 2000"),
        (9, "T.85"),
    ] {
        let file = ByHand::new(&Bitmap::new(2, 2).unwrap(), coding, vec![vec![0; 9]]).build();
        let refused = AnyTiff::open(&file)
            .unwrap()
            .page(1)
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("page 1") && refused.contains(name),
            "{refused}"
        );
    }
}

#[test]
fn rows_without_line_ends() {
    let page = slanted(1728, 20);
    let packed = ByHand::new(&page, 3, vec![encode_plain(&page, false)]);
    assert_eq!(bitmap_of(&packed.build()), page);
    let on_octets = ByHand::new(&page, 2, vec![encode_plain(&page, true)]);
    assert_eq!(bitmap_of(&on_octets.build()), page);
}

#[test]
fn strips_of_an_unknown_length_go_on_to_the_next() {
    let mut page = slanted(1728, 16);
    let strip = g4::encode(&page);
    page.append(&page.clone()).unwrap();
    for lengths in [&[0, 0][..], &[0], &[]] {
        let mut file = ByHand::new(&page, 4, vec![strip.clone(), strip.clone()])
            .with(tag::ROWS_PER_STRIP, kind::SHORT, &[16])
            .build();
        // The entry becomes one of `lengths`: their number, and where two do not fit, zeros that they lie at.
        let first = u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize;
        let entries = file[first + 2..].chunks_exact_mut(12);
        for entry in entries.take(9) {
            if entry[..2] == tag::STRIP_BYTE_COUNTS.to_le_bytes() {
                entry[4] = lengths.len() as u8;
                match lengths.len() {
                    2 => entry[8..12].copy_from_slice(&[0xFF; 4]),
                    _ => entry[8..12].copy_from_slice(&[0; 4]),
                }
            }
        }
        if lengths.len() == 2 {
            let zeros = file.len() as u32;
            file.extend_from_slice(&[0; 8]);
            let at = file.windows(4).rposition(|four| four == [0xFF; 4]).unwrap();
            file[at..at + 4].copy_from_slice(&zeros.to_le_bytes());
        }
        assert_eq!(bitmap_of(&file), page, "{lengths:?}");
    }
}

#[test]
fn tiles_of_fax_codings_and_of_others() {
    let page = slanted(100, 40);
    let tile = |left: u32, top: u32| {
        let mut tile = Bitmap::new(64, 32).unwrap();
        for (x, y) in (0..32).flat_map(|y| (0..64).map(move |x| (x, y))) {
            let (from_left, from_top) = (left + x, top + y);
            let inside = from_left < 100 && from_top < 40;
            // What lies beyond the page is black, and is not to be seen.
            tile.put(x, y, !inside || page.get(from_left, from_top));
        }
        tile
    };
    let tiles = [(0, 0), (64, 0), (0, 32), (64, 32)].map(|(x, y)| tile(x, y));
    let file = |coding, tiles: Vec<Vec<u8>>| {
        let mut file = ByHand::new(&page, coding, tiles)
            .with(tag::TILE_WIDTH, kind::SHORT, &[64])
            .with(tag::TILE_LENGTH, kind::SHORT, &[32])
            .with(tag::PHOTOMETRIC, kind::SHORT, &[0])
            .build();
        let first = u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize;
        let mut fields: Vec<[u8; 12]> = file[first + 2..]
            .chunks_exact(12)
            .take(10)
            .map(|entry| entry.try_into().unwrap())
            .collect();
        for field in &mut fields {
            let own = u16::from_le_bytes([field[0], field[1]]);
            let tiled = match own {
                tag::STRIP_OFFSETS => tag::TILE_OFFSETS,
                tag::STRIP_BYTE_COUNTS => tag::TILE_BYTE_COUNTS,
                other => other,
            };
            field[..2].copy_from_slice(&tiled.to_le_bytes());
        }
        fields.sort_by_key(|field| u16::from_le_bytes([field[0], field[1]]));
        file[first + 2..][..10 * 12].copy_from_slice(&fields.concat());
        file
    };
    let g4 = file(4, tiles.iter().map(g4::encode).collect());
    assert_eq!(bitmap_of(&g4), page);
    let plain = tiles
        .iter()
        .map(|tile| tile.rows().flatten().copied().collect());
    let TiffPage::Picture(picture) = only_page(&file(1, plain.collect())) else {
        panic!("it is no fax")
    };
    for (x, y) in (0..40).flat_map(|y| (0..100).map(move |x| (x, y))) {
        let black = picture.grey.get_pixel(x, y).0[0] == 0;
        assert_eq!(black, page.get(x, y), "{x} {y}");
    }
}

#[test]
fn files_with_offsets_of_eight_octets() {
    let page = slanted(1728, 20);
    let strip = g4::encode(&page);
    let mut file = b"II\x2B\0\x08\0\0\0".to_vec();
    let directory = 16 + strip.len() as u64;
    file.extend_from_slice(&directory.to_le_bytes());
    file.extend_from_slice(&strip);
    let fields = [
        (tag::IMAGE_WIDTH, kind::SHORT, 1728),
        (tag::IMAGE_LENGTH, kind::LONG, 20),
        (tag::COMPRESSION, kind::SHORT, 4),
        (tag::STRIP_OFFSETS, 16, 16),
        (tag::STRIP_BYTE_COUNTS, 16, strip.len() as u64),
    ];
    file.extend_from_slice(&(fields.len() as u64).to_le_bytes());
    for (tag, kind, value) in fields {
        file.extend_from_slice(&tag.to_le_bytes());
        file.extend_from_slice(&kind.to_le_bytes());
        file.extend_from_slice(&1u64.to_le_bytes());
        file.extend_from_slice(&value.to_le_bytes());
    }
    file.extend_from_slice(&[0; 8]);
    assert_eq!(bitmap_of(&file), page);
    assert_eq!(AnyTiff::open(&file).unwrap().pages(), 1);
    for length in 0..file.len() {
        assert!(read(&file[..length]).is_err(), "cut to {length} octets");
    }
}

#[test]
fn rarer_kinds_of_colour_and_order_are_read() {
    // The lowest bit first.
    let turned = small(1, 8, 1, &[0, 100, 200, 255].map(u8::reverse_bits)).with(
        tag::FILL_ORDER,
        kind::SHORT,
        &[2],
    );
    assert_eq!(levels(turned), [0, 100, 200, 255]);
    // Brightness of L*a*b*.
    let lab = [0, 0, 0, 255, 0, 0, 100, 50, 60, 200, 9, 9];
    assert_eq!(levels(small(8, 8, 3, &lab)), [0, 255, 100, 200]);
    // Indexes of 16 bits.
    let mut map = vec![0; 3 << 16];
    for colour in 0..3 {
        map[(colour << 16) + 0x1234] = 0xFFFF;
    }
    let indexes = [0x1234u16, 0, 1, 0x1234].map(u16::to_le_bytes).concat();
    let palette = small(3, 16, 1, &indexes).with(tag::COLOR_MAP, kind::SHORT, &map);
    assert_eq!(levels(palette), [255, 0, 0, 255]);
    // Grey and two samples that say nothing.
    let more = [0, 7, 7, 100, 7, 7, 200, 7, 7, 255, 7, 7];
    assert_eq!(levels(small(1, 8, 3, &more)), [0, 100, 200, 255]);
    // 0.0 is black, 1.0 white.
    let floats = [0.0f32, 0.5, 1.0, 7.0].map(f32::to_le_bytes).concat();
    let float = small(1, 32, 1, &floats).with(339, kind::SHORT, &[3]);
    assert_eq!(levels(float), [0, 128, 255, 255]);
}
