//! The reader: either byte order, T.4 and T.6 strips; every offset and size is checked against the file.

use std::borrow::Cow;
use std::collections::HashSet;

use super::tag;
use crate::pages::bitmap::Bitmap;
use crate::pages::{FaxPage, g3, g4};

/// More pages than this are no fax.
const MAX_PAGES: usize = 1000;
/// More strips than this are no fax page: one for each row.
const MAX_STRIPS: usize = Bitmap::MAX_HEIGHT as usize;

/// Values of a field at most: a palette of 16 bits has so many.
const MOST_VALUES: usize = 3 << 16;

/// Why a file could not be read as fax TIFF.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TiffError {
    /// Neither `II*` nor `MM*` at its beginning.
    #[error("it is not a TIFF file")]
    NotTiff,
    /// An offset or a count leads out of the file.
    #[error("the TIFF file is cut short: {0} lies outside of it")]
    Truncated(&'static str),
    /// The list of pages runs in a circle.
    #[error("the TIFF file's list of pages has no end")]
    Loop,
    /// No pages.
    #[error("the TIFF file has no pages")]
    NoPages,
    /// More than a thousand pages.
    #[error("the TIFF file has more than {MAX_PAGES} pages")]
    TooManyPages,
    /// A field that every fax page has is missing or has no sensible value.
    #[error("page {page} of the TIFF file has a missing or odd {field}")]
    Field {
        /// Number, from 1.
        page: usize,
        /// The field's name in TIFF 6.0.
        field: &'static str,
    },
    /// A coding that no fax has.
    #[error("page {page} of the TIFF file is coded as {coding}; T.4 (G3) and T.6 (G4) are read")]
    Coding {
        /// Number, from 1.
        page: usize,
        /// Its name.
        coding: String,
    },
    /// The picture data does not decode.
    #[error("page {page} of the TIFF file is damaged")]
    Damaged {
        /// Number, from 1.
        page: usize,
    },
}

/// The pages of a fax TIFF, each as one G4 strip, whatever coding, bit order and strips the file has.
///
/// # Errors
/// [`TiffError`]: no TIFF, a coding that is not a fax coding, damage.
pub fn read(bytes: &[u8]) -> Result<Vec<FaxPage>, TiffError> {
    let file = File::open(bytes)?;
    directories(&file)?.iter().map(Ifd::page).collect()
}

/// Octets of picture data of each page.
///
/// # Errors
/// As [`read`], but for damage of the picture data, which is not looked at.
pub fn sizes(bytes: &[u8]) -> Result<Vec<u64>, TiffError> {
    let file = File::open(bytes)?;
    let sizes = |ifd: &Ifd<'_>| {
        let strips = ifd.strips(ifd.size()?.1)?;
        Ok(strips.iter().map(|(strip, _)| strip.len() as u64).sum())
    };
    directories(&file)?.iter().map(sizes).collect()
}

/// The last page of a file that our own libtiff wrote, and how many there are. A page of one T.6 strip is taken as it
/// is: it need not be decoded to be coded again.
///
/// # Errors
/// As [`read`].
pub fn read_last(bytes: &[u8]) -> Result<(usize, FaxPage), TiffError> {
    let file = File::open(bytes)?;
    let pages = directories(&file)?;
    let last = pages.last().ok_or(TiffError::NoPages)?;
    let page = match last.ready()? {
        Some(page) => page,
        None => last.page()?,
    };
    Ok((pages.len(), page))
}

/// The list of pages, at least one.
pub(super) fn directories<'a>(file: &'a File<'a>) -> Result<Vec<Ifd<'a>>, TiffError> {
    let first = if file.is_big { 8 } else { 4 };
    let mut offset = file.word(first).ok_or(TiffError::NotTiff)?;
    let mut seen = HashSet::new();
    let mut directories = Vec::new();
    while offset != 0 {
        if !seen.insert(offset) {
            return Err(TiffError::Loop);
        }
        if directories.len() == MAX_PAGES {
            return Err(TiffError::TooManyPages);
        }
        let (ifd, next) = Ifd::read(file, offset, directories.len() + 1)?;
        directories.push(ifd);
        offset = next;
    }
    match directories.is_empty() {
        true => Err(TiffError::NoPages),
        false => Ok(directories),
    }
}

/// The octets of a file and their order.
pub(super) struct File<'a> {
    bytes: &'a [u8],
    big_endian: bool,
    /// BigTIFF: offsets and counts have eight octets.
    is_big: bool,
}

impl<'a> File<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<File<'a>, TiffError> {
        let (big_endian, is_big) = match bytes.get(..4) {
            Some(b"II\x2A\x00") => (false, false),
            Some(b"MM\x00\x2A") => (true, false),
            Some(b"II\x2B\x00") => (false, true),
            Some(b"MM\x00\x2B") => (true, true),
            _ => return Err(TiffError::NotTiff),
        };
        let file = File {
            bytes,
            big_endian,
            is_big,
        };
        // BigTIFF says how long its offsets are: eight octets.
        match is_big && (file.u16(4), file.u16(6)) != (Some(8), Some(0)) {
            true => Err(TiffError::NotTiff),
            false => Ok(file),
        }
    }

    /// Octets of the file.
    fn len(&self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }

    fn slice(&self, offset: u32, len: u32) -> Option<&'a [u8]> {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(len).ok()?)?;
        self.bytes.get(start..end)
    }

    fn u16(&self, offset: u32) -> Option<u16> {
        let octets = self.slice(offset, 2)?.try_into().ok()?;
        Some(match self.big_endian {
            true => u16::from_be_bytes(octets),
            false => u16::from_le_bytes(octets),
        })
    }

    fn u32(&self, offset: u32) -> Option<u32> {
        let octets = self.slice(offset, 4)?.try_into().ok()?;
        Some(match self.big_endian {
            true => u32::from_be_bytes(octets),
            false => u32::from_le_bytes(octets),
        })
    }
}

impl File<'_> {
    /// An offset or a count. What does not fit 32 bits lies outside of every file that is read here.
    fn word(&self, offset: u32) -> Option<u32> {
        match self.is_big {
            true => self.u64(offset),
            false => self.u32(offset),
        }
    }

    /// Puts an entry of one LONG at `at`.
    fn overwrite(&self, octets: &mut [u8], at: usize, tag: u16, value: u32) -> Option<()> {
        let (tag, kind) = (tag.to_le_bytes(), super::kind::LONG.to_le_bytes());
        let (count, value) = (1u32.to_le_bytes(), value.to_le_bytes());
        let mut entry = match self.is_big {
            true => [&tag[..], &kind, &count, &[0; 4], &value, &[0; 4]].concat(),
            false => [&tag[..], &kind, &count, &value].concat(),
        };
        if self.big_endian {
            let (mut rest, wide) = (&mut entry[..], if self.is_big { 8 } else { 4 });
            for length in [2, 2, wide, 4] {
                let (number, behind) = rest.split_at_mut(length);
                number.reverse();
                rest = behind;
            }
        }
        octets
            .get_mut(at..at + entry.len())?
            .copy_from_slice(&entry);
        Some(())
    }

    fn u64(&self, offset: u32) -> Option<u32> {
        let octets = self.slice(offset, 8)?.try_into().ok()?;
        let number = match self.big_endian {
            true => u64::from_be_bytes(octets),
            false => u64::from_le_bytes(octets),
        };
        number.try_into().ok()
    }
}

/// One image file directory: the fields of one page.
pub(super) struct Ifd<'a> {
    file: &'a File<'a>,
    page: usize,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    tag: u16,
    kind: Kind,
    count: u32,
    /// Where its values lie: in the entry itself or elsewhere.
    values: u32,
    /// Where it lies itself.
    at: u32,
}

#[derive(Clone, Copy)]
enum Kind {
    Byte,
    Short,
    Long,
    Rational,
    /// BigTIFF: a LONG of eight octets.
    Long8,
}

impl Kind {
    fn of(number: u16) -> Option<Kind> {
        Some(match number {
            1 => Kind::Byte,
            3 => Kind::Short,
            4 => Kind::Long,
            5 => Kind::Rational,
            16 => Kind::Long8,
            _ => return None,
        })
    }

    fn octets(self) -> u32 {
        match self {
            Kind::Byte => 1,
            Kind::Short => 2,
            Kind::Long => 4,
            Kind::Rational | Kind::Long8 => 8,
        }
    }
}

impl<'a> Ifd<'a> {
    /// The directory at `offset` and the offset of the next one.
    fn read(file: &'a File<'a>, offset: u32, page: usize) -> Result<(Ifd<'a>, u32), TiffError> {
        let outside = TiffError::Truncated("a page's directory");
        let (head, size, link, count) = match file.is_big {
            true => (8, 20, 8, file.word(offset)),
            false => (2, 12, 4, file.u16(offset).map(u32::from)),
        };
        // More fields than this no directory has, of either form.
        let count = count.filter(|count| *count <= u16::MAX.into());
        let count = count.ok_or(outside.clone())?;
        // The directory as a whole, with the link behind it; from here on its offsets cannot overflow.
        file.slice(offset, head + count * size + link)
            .ok_or(outside.clone())?;
        let entries = (0..count)
            .filter_map(|n| Entry::read(file, offset + head + n * size))
            .collect();
        let next = file.word(offset + head + count * size).ok_or(outside)?;
        let ifd = Ifd {
            file,
            page,
            entries,
        };
        Ok((ifd, next))
    }

    fn page(&self) -> Result<FaxPage, TiffError> {
        let (x_dpi, y_dpi) = self.resolution()?;
        let bitmap = self.fax()?;
        Ok(FaxPage {
            width: bitmap.width(),
            height: bitmap.height(),
            x_dpi,
            y_dpi,
            g4: g4::encode(&bitmap),
        })
    }

    /// The page, where it is one strip of T.6 with black on white.
    fn ready(&self) -> Result<Option<FaxPage>, TiffError> {
        let (width, height) = self.size()?;
        self.check_bilevel()?;
        let strips = self.strips(height)?;
        let is_plain =
            self.number(tag::COMPRESSION, 1) == 4 && self.number(tag::PHOTOMETRIC, 0) == 0;
        let ([(strip, _)], true) = (&strips[..], is_plain) else {
            return Ok(None);
        };
        let (x_dpi, y_dpi) = self.resolution()?;
        Ok(Some(FaxPage {
            width,
            height,
            x_dpi,
            y_dpi,
            g4: self.in_order(strip)?.into_owned(),
        }))
    }

    /// The page as pels, where it has one bit a pel in a fax coding.
    pub(super) fn fax(&self) -> Result<Bitmap, TiffError> {
        let (width, height) = self.size()?;
        self.check_bilevel()?;
        let mut bitmap = self.bitmap(width, height)?;
        match self.number(tag::PHOTOMETRIC, 0) {
            0 => {}
            1 => bitmap.invert(),
            _ => return Err(self.odd("PhotometricInterpretation")),
        }
        Ok(bitmap)
    }

    /// Its coding (TIFF 6.0, Compression).
    pub(super) fn coding_number(&self) -> u32 {
        self.number(tag::COMPRESSION, 1)
    }

    /// Whether it shows another page once more, smaller (TIFF 6.0, NewSubfileType, bit 0).
    pub(super) fn is_thumbnail(&self) -> bool {
        self.number(tag::NEW_SUBFILE_TYPE, 0) & 1 != 0
    }

    /// Which side is up (TIFF 6.0, Orientation): 1 to 8.
    pub(super) fn orientation(&self) -> u8 {
        u8::try_from(self.number(tag::ORIENTATION, 1)).unwrap_or(1)
    }

    /// Where in the file the value of a field of one SHORT lies, for [`tag::PHOTOMETRIC`].
    pub(super) fn place_of(&self, tag: u16) -> Option<usize> {
        let entry = self.entry(tag)?;
        (matches!(entry.kind, Kind::Short) && entry.count == 1).then_some(entry.values as usize)
    }

    pub(super) fn number_of(&self) -> usize {
        self.page
    }

    fn size(&self) -> Result<(u32, u32), TiffError> {
        let width = self.number(tag::IMAGE_WIDTH, 0);
        let height = self.number(tag::IMAGE_LENGTH, 0);
        if !(1..=Bitmap::MAX_WIDTH).contains(&width) {
            return Err(self.odd("ImageWidth"));
        }
        if !(1..=Bitmap::MAX_HEIGHT).contains(&height) {
            return Err(self.odd("ImageLength"));
        }
        Ok((width, height))
    }

    /// Dots per inch in the file itself; none where it does not say.
    pub(super) fn has_resolution(&self) -> bool {
        // Unit 1: the numbers tell nothing but the shape of a pel.
        self.entry(tag::X_RESOLUTION).is_some()
            && self.entry(tag::Y_RESOLUTION).is_some()
            && self.number(tag::RESOLUTION_UNIT, 2) != 1
    }

    /// Dots per inch, rounded: files that count in centimetres have 80.4 x 77.
    pub(super) fn resolution(&self) -> Result<(u32, u32), TiffError> {
        let per_inch = match self.number(tag::RESOLUTION_UNIT, 2) {
            3 => 2.54,
            _ => 1.0,
        };
        let dpi = |tag, missing, field| {
            let Some(entry) = self.entry(tag) else {
                return Ok(missing);
            };
            let dots = self.ratio(entry).ok_or_else(|| self.odd(field))?;
            let dpi = (dots * per_inch).round();
            if !(1.0..=9600.0).contains(&dpi) {
                return Err(self.odd(field));
            }
            Ok(dpi as u32)
        };
        let (x, y) = crate::pages::Resolution::Fine.dpi();
        Ok((
            dpi(tag::X_RESOLUTION, x, "XResolution")?,
            dpi(tag::Y_RESOLUTION, y, "YResolution")?,
        ))
    }

    fn check_bilevel(&self) -> Result<(), TiffError> {
        if self.number(tag::BITS_PER_SAMPLE, 1) != 1 {
            return Err(self.odd("BitsPerSample"));
        }
        if self.number(tag::SAMPLES_PER_PIXEL, 1) != 1 {
            return Err(self.odd("SamplesPerPixel"));
        }
        Ok(())
    }

    /// All strips, one below the other, or all tiles.
    fn bitmap(&self, width: u32, height: u32) -> Result<Bitmap, TiffError> {
        if self.entry(tag::TILE_OFFSETS).is_some() {
            return self.tiled(width, height);
        }
        let mut page: Option<Bitmap> = None;
        for (data, rows) in self.strips(height)? {
            let strip = self.strip(data, width, rows)?;
            match &mut page {
                None => page = Some(strip),
                Some(page) => page.append(&strip).expect("strips have one width"),
            }
        }
        page.ok_or_else(|| self.odd("StripOffsets"))
    }

    /// TIFF 6.0, section 15: tiles from left to right, row by row; what they have beyond the page is padding.
    fn tiled(&self, width: u32, height: u32) -> Result<Bitmap, TiffError> {
        let across = self.number(tag::TILE_WIDTH, 0);
        let down = self.number(tag::TILE_LENGTH, 0);
        let fits = |size: u32, most: u32| size > 0 && size.is_multiple_of(16) && size <= most;
        if !fits(across, Bitmap::MAX_WIDTH) || !fits(down, Bitmap::MAX_HEIGHT) {
            return Err(self.odd("TileWidth"));
        }
        let (columns, rows) = (width.div_ceil(across), height.div_ceil(down));
        let count = columns as usize * rows as usize;
        let data = self.chunks(tag::TILE_OFFSETS, tag::TILE_BYTE_COUNTS, count)?;
        let mut page = Bitmap::new(width, height).ok_or_else(|| self.odd("ImageWidth"))?;
        let stride = width.div_ceil(8) as usize;
        let padding = 0xFF_u8
            .checked_shr(width % 8)
            .filter(|_| !width.is_multiple_of(8));
        for (n, data) in data.into_iter().enumerate() {
            let (column, row) = (n % columns as usize, n as u32 / columns);
            let tile = self.strip(data, across, down)?;
            let at = column * across as usize / 8;
            for y in 0..down.min(height - row * down) {
                let mut whole = vec![0; at];
                whole.extend_from_slice(tile.row(y));
                whole.resize(stride, 0);
                if let (Some(padding), Some(last)) = (padding, whole.last_mut()) {
                    *last &= !padding;
                }
                page.add_row(row * down + y, &whole);
            }
        }
        Ok(page)
    }

    /// The octets of each strip, and its rows.
    fn strips(&self, height: u32) -> Result<Vec<(&'a [u8], u32)>, TiffError> {
        let rows_per_strip = match self.number(tag::ROWS_PER_STRIP, height) {
            0 => return Err(self.odd("RowsPerStrip")),
            rows => rows.min(height),
        };
        let strips = height.div_ceil(rows_per_strip) as usize;
        let data = self.chunks(tag::STRIP_OFFSETS, tag::STRIP_BYTE_COUNTS, strips)?;
        let mut rows_left = height;
        let strips = data.into_iter().map(|data| {
            let rows = rows_left.min(rows_per_strip);
            rows_left -= rows;
            (data, rows)
        });
        Ok(strips.collect())
    }

    /// The octets of so many strips or tiles. Where the file does not tell how long one is, or says 0, it goes on to the
    /// next one or to the file's end: the codings tell where they end.
    fn chunks(&self, offsets: u16, counts: u16, count: usize) -> Result<Vec<&'a [u8]>, TiffError> {
        let field = match offsets {
            tag::TILE_OFFSETS => "TileOffsets",
            _ => "StripOffsets",
        };
        if count > MAX_STRIPS {
            return Err(self.odd(field));
        }
        let offsets = self.numbers(offsets, count, field)?;
        let lengths = self.numbers(counts, count, "StripByteCounts");
        let mut lengths = lengths.unwrap_or_else(|_| vec![0; count]);
        if lengths.contains(&0) {
            let mut ends = offsets.clone();
            ends.push(self.file.len());
            ends.sort_unstable();
            for (length, offset) in lengths.iter_mut().zip(&offsets) {
                let next = ends.partition_point(|end| end <= offset);
                if let (0, Some(end)) = (*length, ends.get(next)) {
                    *length = end - offset;
                }
            }
        }
        let data = offsets.iter().zip(&lengths).map(|(&offset, &len)| {
            let data = self.file.slice(offset, len);
            data.ok_or(TiffError::Truncated("a strip"))
        });
        data.collect()
    }

    /// Width and height of its tiles (TIFF 6.0, section 15), where it has some that hold all samples of their pels.
    pub(super) fn tile_size(&self) -> Option<(u32, u32)> {
        const PLANAR_CONFIGURATION: u16 = 284;
        self.entry(tag::TILE_OFFSETS)?;
        let is_chunky = self.number(PLANAR_CONFIGURATION, 1) == 1;
        let (width, height) = (
            self.number(tag::TILE_WIDTH, 0),
            self.number(tag::TILE_LENGTH, 0),
        );
        (is_chunky && width > 0 && height > 0).then_some((width, height))
    }

    /// Makes of this directory, in `octets`, one of a page that is tile number `tile` and has one strip.
    pub(super) fn become_tile(&self, octets: &mut [u8], tile: usize) -> Option<()> {
        /// Nobody's.
        const NOTHING: u16 = 65000;
        let (width, height) = self.tile_size()?;
        let nth = |tag| self.value(self.entry(tag)?, u32::try_from(tile).ok()?);
        let (offset, length) = (nth(tag::TILE_OFFSETS)?, nth(tag::TILE_BYTE_COUNTS)?);
        for (tag, new_tag, value) in [
            (tag::IMAGE_WIDTH, tag::IMAGE_WIDTH, width),
            (tag::IMAGE_LENGTH, tag::IMAGE_LENGTH, height),
            (tag::TILE_WIDTH, NOTHING, 0),
            (tag::TILE_LENGTH, tag::ROWS_PER_STRIP, height),
            (tag::TILE_OFFSETS, tag::STRIP_OFFSETS, offset),
            (tag::TILE_BYTE_COUNTS, tag::STRIP_BYTE_COUNTS, length),
        ] {
            self.file
                .overwrite(octets, self.entry(tag)?.at as usize, new_tag, value)?;
        }
        Some(())
    }

    /// The file with the octets of this page turned round, where their first bit is the lowest (TIFF 6.0, FillOrder);
    /// as in libtiff that is so whatever the coding, but for JPEG.
    pub(super) fn with_first_bit_highest(&self, octets: &[u8]) -> Option<Vec<u8>> {
        if self.number(tag::FILL_ORDER, 1) != 2 || matches!(self.coding_number(), 6 | 7) {
            return None;
        }
        let mut octets = octets.to_vec();
        let tiles = (tag::TILE_OFFSETS, tag::TILE_BYTE_COUNTS);
        let strips = (tag::STRIP_OFFSETS, tag::STRIP_BYTE_COUNTS);
        for (offsets, counts) in [tiles, strips] {
            let Some(count) = self.entry(offsets).map(|entry| entry.count as usize) else {
                continue;
            };
            let offsets = self.all_numbers(offsets, count)?;
            let mut chunks: Vec<_> = offsets
                .iter()
                .zip(self.all_numbers(counts, count)?)
                .collect();
            // None twice, were two of them one.
            chunks.sort_unstable();
            chunks.dedup_by_key(|chunk| chunk.0);
            for (&offset, len) in chunks {
                let end = offset.checked_add(len)? as usize;
                for octet in octets.get_mut(offset as usize..end)? {
                    *octet = octet.reverse_bits();
                }
            }
        }
        Some(octets)
    }

    /// The octets of a strip, first bit highest.
    fn in_order<'d>(&self, data: &'d [u8]) -> Result<Cow<'d, [u8]>, TiffError> {
        match self.number(tag::FILL_ORDER, 1) {
            1 => Ok(data.into()),
            2 => Ok(data.iter().map(|octet| octet.reverse_bits()).collect()),
            _ => Err(self.odd("FillOrder")),
        }
    }

    fn strip(&self, data: &[u8], width: u32, height: u32) -> Result<Bitmap, TiffError> {
        let data = &*self.in_order(data)?;
        let damaged = TiffError::Damaged { page: self.page };
        match self.number(tag::COMPRESSION, 1) {
            3 => {
                // T4Options: 1 two-dimensional, 2 uncompressed mode, 4 octet-aligned EOLs.
                let options = self.number(tag::T4_OPTIONS, 0);
                if options & 2 != 0 {
                    return Err(self.coding("T.4 with uncompressed mode".into()));
                }
                let is_2d = options & 1 != 0;
                let plain = match g3::begins_with_line_end(data) || is_2d {
                    true => None,
                    false => g3::decode_plain(data, width, height, false),
                };
                let page = plain.or_else(|| g3::decode(data, width, height, is_2d));
                page.ok_or(damaged)
            }
            // TIFF 6.0, section 10: as T.4, without EOLs; each row begins on an octet.
            2 => g3::decode_plain(data, width, height, true).ok_or(damaged),
            4 => g4::decode(data, width, height).map_err(|_| damaged),
            other => Err(self.coding(coding_name(other))),
        }
    }

    fn entry(&self, tag: u16) -> Option<Entry> {
        self.entries.iter().copied().find(|entry| entry.tag == tag)
    }

    /// The first value of a field, or what TIFF 6.0 has for a missing one.
    pub(super) fn number(&self, tag: u16, missing: u32) -> u32 {
        self.entry(tag)
            .and_then(|entry| self.value(entry, 0))
            .unwrap_or(missing)
    }

    /// All values of a field that has `count` of them.
    pub(super) fn all_numbers(&self, tag: u16, count: usize) -> Option<Vec<u32>> {
        self.numbers(tag, count, "").ok()
    }

    /// The first `count` values of a field.
    fn numbers(&self, tag: u16, count: usize, field: &'static str) -> Result<Vec<u32>, TiffError> {
        let entry = self.entry(tag).ok_or_else(|| self.odd(field))?;
        if count > MOST_VALUES || (entry.count as usize) < count {
            return Err(self.odd(field));
        }
        (0..count as u32)
            .map(|n| self.value(entry, n))
            .collect::<Option<_>>()
            .ok_or(TiffError::Truncated(field))
    }

    fn value(&self, entry: Entry, n: u32) -> Option<u32> {
        if n >= entry.count {
            return None;
        }
        let at = entry
            .values
            .checked_add(n.checked_mul(entry.kind.octets())?)?;
        match entry.kind {
            Kind::Byte => self.file.slice(at, 1).map(|octet| octet[0].into()),
            Kind::Short => self.file.u16(at).map(u32::from),
            Kind::Long => self.file.u32(at),
            Kind::Long8 => self.file.u64(at),
            Kind::Rational => None,
        }
    }

    fn ratio(&self, entry: Entry) -> Option<f64> {
        match entry.kind {
            Kind::Rational => {
                let numerator = self.file.u32(entry.values)?;
                let denominator = self.file.u32(entry.values.checked_add(4)?)?;
                (denominator != 0).then(|| f64::from(numerator) / f64::from(denominator))
            }
            _ => self.value(entry, 0).map(f64::from),
        }
    }

    fn odd(&self, field: &'static str) -> TiffError {
        TiffError::Field {
            page: self.page,
            field,
        }
    }

    fn coding(&self, coding: String) -> TiffError {
        TiffError::Coding {
            page: self.page,
            coding,
        }
    }
}

impl Entry {
    /// The entry at `offset`, which lies inside the file; `None` for kinds of value that no fax field has.
    fn read(file: &File, offset: u32) -> Option<Entry> {
        let tag = file.u16(offset)?;
        let kind = Kind::of(file.u16(offset + 2)?)?;
        let count = file.word(offset + 4)?;
        // TIFF 6.0: up to four octets stand in the entry itself; in a BigTIFF eight.
        let (own, place) = match file.is_big {
            true => (8, offset + 12),
            false => (4, offset + 8),
        };
        let values = match count.saturating_mul(kind.octets()) {
            octets if octets <= own => place,
            _ => file.word(place)?,
        };
        Some(Entry {
            tag,
            kind,
            count,
            values,
            at: offset,
        })
    }
}

pub(super) fn coding_name(number: u32) -> String {
    match number {
        1 => "uncompressed".into(),
        6 => "JPEG of the old kind".into(),
        7 => "JPEG".into(),
        34712 => "JPEG 2000".into(),
        50000 => "Zstandard".into(),
        2 => "CCITT modified Huffman without line ends".into(),
        5 => "LZW".into(),
        8 | 32946 => "Deflate".into(),
        9 => "T.85 (JBIG)".into(),
        10 => "T.43 (JBIG)".into(),
        32773 => "PackBits".into(),
        other => format!("compression {other}"),
    }
}
