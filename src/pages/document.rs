//! A document of any kind as pages that can be counted and drawn.

use serde::{Deserialize, Serialize};

use super::cover::{CoverSource, Form, Sheet};
use super::cut::LongPages;
use super::kind::Kind;
use super::layout::Paper;
use super::pdfium::Renderer;
use super::picture::{self, Picture};
use super::remark::Remark;
use super::text::{LeftOut, TextPages, TextSource};
use super::tiff::{self, AnyTiff, TiffPage};
use super::{DocumentRefusal, FaxPage, Resolution, pdfium, render};

/// Pels of the largest picture in a mail's text that passes as a logo, and rows of a banner.
const LOGO_PIXELS: u32 = 120_000;
const LOGO_HEIGHT: u32 = 160;

/// What a document is to its mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A file: what it is its octets say.
    File,
    /// A picture that the text of the mail shows: left out where it is small.
    Shown,
    /// A text, which does not say so by its octets.
    Text(TextSource),
    /// A cover page.
    Cover(CoverSource),
}

/// What becomes of a document of which a page cannot be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnreadablePage {
    /// It is not faxed.
    #[default]
    Refuse,
    /// A page that says so stands in the place of that page.
    Skip,
}

/// How pages that cannot be drawn are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// The document, as it is called on the page in their place.
    pub name: String,
    /// Pages that are known to be such: a renderer did not outlive them.
    pub pages: Vec<u32>,
}

impl Skip {
    /// The page in the place of page `number`.
    pub(super) fn notice(&self, number: u32, target: Target) -> Option<FaxPage> {
        let text = format!(
            "Page {number} of {} could not be drawn.\n\nPlease ask the sender for it.\n",
            self.name
        );
        let set = TextPages::set(&TextSource::default(), text.as_bytes(), target.paper);
        let mut pages = set.ok()?.ok()?;
        Some(pages.page(1, target.resolution))
    }
}

/// What pages are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Rows of the pages.
    pub resolution: Resolution,
    /// Paper of pages that bring no size of their own.
    pub paper: Paper,
    /// What becomes of pages that are longer than any sheet.
    #[serde(default)]
    pub long_pages: LongPages,
}

/// The pages of a fax that one page of a document became: one, or several where it was too long.
pub struct Drawn {
    /// In their order; at least one.
    pub pages: Vec<FaxPage>,
    /// What is to be said of it.
    pub remarks: Vec<Remark>,
}

impl Drawn {
    fn one(page: FaxPage, remarks: impl IntoIterator<Item = Remark>) -> Drawn {
        Drawn {
            pages: vec![page],
            remarks: remarks.into_iter().collect(),
        }
    }

    fn picture(page: FaxPage, number: u32) -> Drawn {
        let remark = match page.is_blank() {
            true => Some(Remark::BlankPicture { page: number }),
            false => render::is_black(&page).then_some(Remark::CameOutBlack { page: number }),
        };
        Drawn::one(page, remark)
    }
}

/// A document that was opened.
pub enum Document<'a> {
    /// Drawn by PDFium.
    Pdf(pdfium::Document<'a>),
    /// Fax pages or pictures.
    Tiff(AnyTiff<'a>),
    /// One page.
    Picture(Picture),
    /// Set pages.
    Text(Box<TextPages>),
    /// One set page.
    Cover(Box<Sheet>),
    /// A PDF with its fields filled in.
    Form(Form<'a>),
    /// No page, and why.
    LeftOut(LeftOut),
}

impl<'a> Document<'a> {
    /// Opens a document.
    ///
    /// # Errors
    /// Why it cannot be faxed.
    pub fn open(
        renderer: &'a Renderer,
        source: &'a Source,
        octets: &'a [u8],
        paper: Paper,
    ) -> Result<Document<'a>, DocumentRefusal> {
        if let Source::Text(text) = source {
            return Ok(match TextPages::set(text, octets, paper)? {
                Ok(pages) => Document::Text(Box::new(pages)),
                Err(left_out) => Document::LeftOut(left_out),
            });
        }
        if let Source::Cover(CoverSource::Sheet) = source {
            let sheet = Sheet::set(octets, paper)?;
            return Ok(Document::Cover(Box::new(sheet)));
        }
        if let Source::Cover(CoverSource::Form(values)) = source {
            return Form::open(renderer.open(octets)?, values).map(Document::Form);
        }
        if octets.is_empty() {
            return Err(DocumentRefusal::Empty);
        }
        match Kind::of(octets) {
            Kind::Pdf => renderer.open(octets).map(Document::Pdf),
            Kind::Tiff => AnyTiff::open(octets).map(Document::Tiff),
            Kind::Unknown => Err(DocumentRefusal::Unknown),
            Kind::Other(format) => {
                let name = format.name.to_owned();
                Err(DocumentRefusal::NotRead { name })
            }
            kind => {
                let picture = picture::read(kind, octets)?;
                let (width, height) = picture.grey.dimensions();
                let is_small = width * height <= LOGO_PIXELS || height <= LOGO_HEIGHT;
                Ok(match (source, is_small) {
                    (Source::Shown, true) => Document::LeftOut(LeftOut::Logo),
                    _ => Document::Picture(picture),
                })
            }
        }
    }

    /// Number of pages; 0 where it is left out.
    pub fn pages(&self) -> u32 {
        match self {
            Document::Pdf(pdf) => pdf.pages(),
            Document::Tiff(tiff) => tiff.pages(),
            Document::Picture(_) | Document::Cover(_) | Document::Form(_) => 1,
            Document::Text(text) => text.pages(),
            Document::LeftOut(_) => 0,
        }
    }

    /// Looks whether every page can be read, where that is not known from opening it.
    ///
    /// # Errors
    /// Why one cannot be.
    pub fn look_through(&self) -> Result<(), DocumentRefusal> {
        match self {
            Document::Pdf(pdf) => pdf.look_through(),
            Document::Tiff(tiff) => (1..=tiff.pages()).try_for_each(|n| tiff.page(n).map(|_| ())),
            _ => Ok(()),
        }
    }

    /// What page `number`, from 1, becomes.
    ///
    /// # Errors
    /// Why it cannot be made.
    pub fn draw(&mut self, number: u32, target: Target) -> Result<Drawn, DocumentRefusal> {
        match self {
            Document::Pdf(pdf) => render::drawn(&pdf.page(number)?, number, target),
            Document::Text(text) => Ok(Drawn::one(
                text.page(number, target.resolution),
                text.remark(number),
            )),
            Document::Tiff(tiff) => Ok(match tiff.page(number)? {
                TiffPage::Fax(page, made_at) => {
                    Drawn::one(tiff::at_resolution(&page, made_at, target.resolution), None)
                }
                TiffPage::Picture(picture) => {
                    Drawn::picture(picture.fax_page(target.resolution, target.paper), number)
                }
            }),
            Document::Picture(picture) => Ok(Drawn::picture(
                picture.fax_page(target.resolution, target.paper),
                number,
            )),
            Document::Cover(sheet) => Ok(Drawn::one(sheet.page(target.resolution), None)),
            Document::Form(form) => Ok(Drawn::one(form.page(target.resolution)?, None)),
            Document::LeftOut(_) => Err(DocumentRefusal::NoPages),
        }
    }
}
