//! Any TIFF that comes as an attachment: fax pages, which stay as they are, and pictures of every usual coding.

use super::read::{File, Ifd, TiffError, directories};
use super::{colours, tag};
use crate::pages::bitmap::Bitmap;
use crate::pages::picture::{self, Picture};
use crate::pages::{DocumentRefusal, FaxPage, PAGE_WIDTH, Resolution, g4};
use image::GrayImage;
use image::metadata::Orientation;

/// Inches of the longest fax page that is sent as it is.
const MAX_LENGTH: f64 = 14.2;

/// A TIFF with its list of pages.
pub struct AnyTiff<'a> {
    octets: &'a [u8],
    /// Places of its pages in the list of directories, and which of these has its thumbnail left out.
    pages: Vec<usize>,
}

/// A page of a TIFF.
#[derive(Debug)]
pub enum TiffPage {
    /// A page as a fax machine made it: T.4 width and rows.
    Fax(Bitmap, Resolution),
    /// Anything else.
    Picture(Picture),
}

impl<'a> AnyTiff<'a> {
    /// Reads the list of pages.
    ///
    /// # Errors
    /// [`DocumentRefusal::Tiff`].
    pub fn open(octets: &'a [u8]) -> Result<AnyTiff<'a>, DocumentRefusal> {
        let file = File::open(octets).map_err(sentence)?;
        let directories = directories(&file).map_err(sentence)?;
        let all = directories.iter().enumerate();
        let mut pages: Vec<usize> = all
            .filter(|(_, ifd)| !ifd.is_thumbnail())
            .map(|(n, _)| n)
            .collect();
        if pages.is_empty() {
            pages = (0..directories.len()).collect();
        }
        Ok(AnyTiff { octets, pages })
    }

    /// Number of pages, at least 1.
    pub fn pages(&self) -> u32 {
        self.pages.len() as u32
    }

    /// Page `number`, from 1.
    ///
    /// # Errors
    /// [`DocumentRefusal`].
    pub fn page(&self, number: u32) -> Result<TiffPage, DocumentRefusal> {
        let file = File::open(self.octets).map_err(sentence)?;
        let directories = directories(&file).map_err(sentence)?;
        let place = self.pages[number as usize - 1];
        let ifd = &directories[place];
        let dpi = ifd.resolution().map_err(sentence)?;
        let upright =
            Orientation::from_exif(ifd.orientation()).unwrap_or(Orientation::NoTransforms);
        let is_upright = upright == Orientation::NoTransforms;
        // Of a file that does not say, the width tells a fax.
        let told = (ifd.has_resolution()).then_some((f64::from(dpi.0), f64::from(dpi.1)));
        let grey = match ifd.coding_number() {
            2..=4 => {
                let bitmap = ifd.fax().map_err(sentence)?;
                match fax_resolution(&bitmap, dpi).filter(|_| is_upright) {
                    Some(resolution) => return Ok(TiffPage::Fax(bitmap, resolution)),
                    None => grey(&bitmap)?,
                }
            }
            _ => colours::read(self.octets, ifd, place)?,
        };
        Ok(TiffPage::Picture(Picture {
            grey: picture::orient::upright(grey, upright),
            dpi: picture::orient::turned(told, upright),
        }))
    }
}

fn sentence(error: TiffError) -> DocumentRefusal {
    DocumentRefusal::Tiff(error.to_string())
}

/// The resolution of a page that fax machines take as it is: T.4 2.1 and 2.2, with the rounding that is usual in files.
fn fax_resolution(page: &Bitmap, (x_dpi, y_dpi): (u32, u32)) -> Option<Resolution> {
    let resolution = match y_dpi {
        96..=101 => Resolution::Standard,
        192..=205 => Resolution::Fine,
        384..=410 => Resolution::Superfine,
        _ => return None,
    };
    let inches = f64::from(page.height()) / resolution.exact_dpi().1;
    let fits = page.width() == PAGE_WIDTH && (200..=205).contains(&x_dpi) && inches <= MAX_LENGTH;
    fits.then_some(resolution)
}

fn grey(page: &Bitmap) -> Result<GrayImage, DocumentRefusal> {
    picture::check_size(page.width().into(), page.height().into())?;
    let width = page.width() as usize;
    let mut levels = Vec::with_capacity(width * page.height() as usize);
    for row in page.rows() {
        let pels = row
            .iter()
            .flat_map(|octet| (0..8).map(move |bit| octet & (0x80 >> bit) != 0));
        levels.extend(pels.take(width).map(|black| if black { 0 } else { 0xFF }));
    }
    Ok(GrayImage::from_raw(page.width(), page.height(), levels).expect("one level for each pel"))
}

/// The page with the rows that `resolution` asks for: each one several times, or several as one, so that nothing is
/// drawn anew and no ink is lost.
pub fn at_resolution(page: &Bitmap, from: Resolution, to: Resolution) -> FaxPage {
    let per_standard_row = |resolution| match resolution {
        Resolution::Standard => 1,
        Resolution::Fine => 2,
        Resolution::Superfine => 4,
    };
    let (from, to_rows) = (per_standard_row(from), per_standard_row(to));
    let (x_dpi, y_dpi) = to.dpi();
    let height = (page.height() * to_rows)
        .div_ceil(from)
        .min(Bitmap::MAX_HEIGHT);
    let mut fitted = Bitmap::new(page.width(), height).expect("as wide, and not too high");
    for y in 0..height {
        let first = y * from / to_rows;
        let last = ((y + 1) * from).div_ceil(to_rows).min(page.height());
        for row in first..last {
            fitted.add_row(y, page.row(row));
        }
    }
    FaxPage {
        width: page.width(),
        height,
        x_dpi,
        y_dpi,
        g4: g4::encode(&fitted),
    }
}

/// The colours of a palette page as levels of grey, by index.
pub(super) fn palette(ifd: &Ifd<'_>, colours: usize) -> Option<Vec<u8>> {
    let map = ifd.all_numbers(tag::COLOR_MAP, 3 * colours)?;
    let level = |n: usize| {
        let [red, green, blue] = [map[n], map[colours + n], map[2 * colours + n]];
        // Rec. 709, on 16 bits.
        (((red * 2126 + green * 7152 + blue * 722) / 10_000) >> 8) as u8
    };
    Some((0..colours).map(level).collect())
}
