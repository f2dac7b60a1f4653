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
    let mut offset = file.u32(4).ok_or(TiffError::NotTiff)?;
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
}

impl<'a> File<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<File<'a>, TiffError> {
        let big_endian = match bytes.get(..4) {
            Some(b"II\x2A\x00") => false,
            Some(b"MM\x00\x2A") => true,
            _ => return Err(TiffError::NotTiff),
        };
        Ok(File { bytes, big_endian })
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
}

#[derive(Clone, Copy)]
enum Kind {
    Byte,
    Short,
    Long,
    Rational,
}

impl Kind {
    fn of(number: u16) -> Option<Kind> {
        Some(match number {
            1 => Kind::Byte,
            3 => Kind::Short,
            4 => Kind::Long,
            5 => Kind::Rational,
            _ => return None,
        })
    }

    fn octets(self) -> u32 {
        match self {
            Kind::Byte => 1,
            Kind::Short => 2,
            Kind::Long => 4,
            Kind::Rational => 8,
        }
    }
}

impl<'a> Ifd<'a> {
    /// The directory at `offset` and the offset of the next one.
    fn read(file: &'a File<'a>, offset: u32, page: usize) -> Result<(Ifd<'a>, u32), TiffError> {
        let outside = TiffError::Truncated("a page's directory");
        let count = u32::from(file.u16(offset).ok_or(outside.clone())?);
        // The directory as a whole, with the link behind it; from here on its offsets cannot overflow.
        file.slice(offset, 2 + count * 12 + 4)
            .ok_or(outside.clone())?;
        let entries = (0..count)
            .filter_map(|n| Entry::read(file, offset + 2 + n * 12))
            .collect();
        let next = file.u32(offset + 2 + count * 12).ok_or(outside)?;
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

    /// All strips, one below the other.
    fn bitmap(&self, width: u32, height: u32) -> Result<Bitmap, TiffError> {
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

    /// The octets of each strip, and its rows.
    fn strips(&self, height: u32) -> Result<Vec<(&'a [u8], u32)>, TiffError> {
        let rows_per_strip = match self.number(tag::ROWS_PER_STRIP, height) {
            0 => return Err(self.odd("RowsPerStrip")),
            rows => rows.min(height),
        };
        let strips = height.div_ceil(rows_per_strip) as usize;
        let offsets = self.numbers(tag::STRIP_OFFSETS, strips, "StripOffsets")?;
        let lengths = self.numbers(tag::STRIP_BYTE_COUNTS, strips, "StripByteCounts")?;
        let mut rows_left = height;
        let strips = offsets.iter().zip(&lengths).map(|(&offset, &len)| {
            let rows = rows_left.min(rows_per_strip);
            rows_left -= rows;
            let data = self.file.slice(offset, len);
            Ok((data.ok_or(TiffError::Truncated("a strip"))?, rows))
        });
        strips.collect()
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
                g3::decode(data, width, height, options & 1 != 0).ok_or(damaged)
            }
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

    /// Exactly `count` values of a field.
    fn numbers(&self, tag: u16, count: usize, field: &'static str) -> Result<Vec<u32>, TiffError> {
        let entry = self.entry(tag).ok_or_else(|| self.odd(field))?;
        if count > MAX_STRIPS || entry.count as usize != count {
            return Err(self.odd(field));
        }
        (0..entry.count)
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
        let count = file.u32(offset + 4)?;
        // TIFF 6.0: up to four octets stand in the entry itself.
        let values = match count.saturating_mul(kind.octets()) {
            0..=4 => offset + 8,
            _ => file.u32(offset + 8)?,
        };
        Some(Entry {
            tag,
            kind,
            count,
            values,
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
