//! Documents to bilevel fax pages, and fax pages to PDF. Pure: bytes in, bytes out.
//!
//! What a document is its octets say ([`kind`]); [`document`] opens it, [`render`] makes its pages.

pub mod bitmap;
mod blocks;
mod border;
mod catalog;
mod cosmetic;
pub mod cover;
pub mod cut;
pub mod document;
mod faint;
mod fills;
pub mod g3;
pub mod g4;
mod halve;
pub mod header;
mod inked;
pub mod kind;
pub mod layout;
mod lines;
mod lost;
mod paper;
pub mod pdf;
pub mod pdfium;
mod photo;
pub mod picture;
pub mod preview;
pub mod raster;
mod refusal;
pub mod remark;
pub mod render;
mod runs;
pub mod sample;
mod skew;
mod stretch;
pub mod text;
pub mod tiff;
pub mod tnef;
pub mod words;

pub use refusal::DocumentRefusal;

use serde::{Deserialize, Serialize};

/// The width of every page we send: 1728 pels on 215 mm (T.4 2.1, ISO A4).
pub const PAGE_WIDTH: u32 = 1728;

/// Vertical resolution of a fax page; horizontally all have 8.04 pels/mm = 204 dpi (T.4 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resolution {
    /// 3.85 lines/mm: 204 x 98 dpi.
    Standard,
    /// 7.7 lines/mm: 204 x 196 dpi.
    #[default]
    Fine,
    /// 15.4 lines/mm: 204 x 391 dpi.
    Superfine,
}

impl Resolution {
    /// Dots per inch across and down.
    pub fn dpi(self) -> (u32, u32) {
        match self {
            Resolution::Standard => (204, 98),
            Resolution::Fine => (204, 196),
            Resolution::Superfine => (204, 391),
        }
    }

    /// Dots per inch across and down as T.4 2 has them, in pels/mm: the whole numbers of [`Resolution::dpi`] are
    /// rounded, by two millimetres on a page.
    pub fn exact_dpi(self) -> (f64, f64) {
        let (x, y) = self.dpi();
        (exact(x), exact(y))
    }
}

/// The name is none of `standard`, `fine`, `superfine`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a resolution is standard, fine or superfine")]
pub struct UnknownResolution;

impl std::str::FromStr for Resolution {
    type Err = UnknownResolution;

    fn from_str(name: &str) -> Result<Resolution, UnknownResolution> {
        match name {
            "standard" => Ok(Resolution::Standard),
            "fine" => Ok(Resolution::Fine),
            "superfine" => Ok(Resolution::Superfine),
            _ => Err(UnknownResolution),
        }
    }
}

/// Dots per inch of a TIFF tag as T.4 means them.
fn exact(dpi: u32) -> f64 {
    const MM_PER_INCH: f64 = 25.4;
    match dpi {
        204 => PAGE_WIDTH as f64 / 215.0 * MM_PER_INCH,
        // T.4 2.1: twice as many pels on the same width.
        408 => 2.0 * PAGE_WIDTH as f64 / 215.0 * MM_PER_INCH,
        98 => 3.85 * MM_PER_INCH,
        196 => 7.7 * MM_PER_INCH,
        391 => 15.4 * MM_PER_INCH,
        other => f64::from(other.max(1)),
    }
}

/// One bilevel page as it travels through the gateway: T.6 (G4, MMR) data in one strip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaxPage {
    /// Pels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Dots per inch across.
    pub x_dpi: u32,
    /// Dots per inch down.
    pub y_dpi: u32,
    /// T.6 data, most significant bit first, closed by EOFB.
    pub g4: Vec<u8>,
}

impl FaxPage {
    /// Whether there is no black on it: each of its rows is as the one above, and the first as the white before it
    /// (T.6 2.2.1: V(0), which is 1).
    pub fn is_blank(&self) -> bool {
        let (whole, rest) = (self.height as usize / 8, self.height % 8);
        let octets = self.g4.get(..whole).unwrap_or_default();
        let last = self.g4.get(whole).copied().unwrap_or_default();
        let is_white = octets.len() == whole && octets.iter().all(|octet| *octet == 0xFF);
        is_white && last.leading_ones() >= rest
    }

    /// Width and height on paper, in inches.
    pub fn inches(&self) -> (f64, f64) {
        (
            f64::from(self.width) / exact(self.x_dpi),
            f64::from(self.height) / exact(self.y_dpi),
        )
    }
}
