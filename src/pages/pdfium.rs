//! PDFium: where its library lies, and one document's pages as grey pictures.
//!
//! PDFium is C++ and reads strangers' files: outside of tests this runs in the render child only.

use std::path::{Path, PathBuf};

use pdfium_render::prelude::{
    PdfBitmap, PdfBitmapFormat, PdfColor, PdfDocument, PdfForm, PdfFormFieldCommon, PdfFormType,
    PdfPage, PdfPageAnnotation, PdfPageAnnotationCommon, PdfPageAnnotationType, PdfPageObject,
    PdfPageObjectCommon, PdfPageObjectType, PdfPageObjectsCommon, PdfPagePathObject,
    PdfPageRenderRotation, PdfPageTextRenderMode, PdfPathSegments, PdfPoints, PdfRenderConfig,
    Pdfium, PdfiumError, PdfiumInternalError,
};

use super::layout::Layout;
use super::lost::Letter;
use super::raster::{BLACK_BELOW, Grey};
use super::{DocumentRefusal, PAGE_WIDTH, catalog};

/// The environment variable that names the library, behind the configuration.
pub const ENVIRONMENT: &str = "POSTFAX_PDFIUM";

/// Folders in which PDFium looks for the fonts that a document leaves out.
pub const FONT_DIRS: [&str; 4] = [
    "/usr/share/fonts",
    "/usr/share/X11/fonts/Type1",
    "/usr/share/X11/fonts/TTF",
    "/usr/local/share/fonts",
];

/// Points of the thickest light rule that is looked after.
const LIGHT_RULE: f32 = 0.72;
/// Segments of a path that is one rectangle.
const RECTANGLE: u32 = 5;
/// Of a page, how much a picture covers that may be a scan of it...
const SCAN_SHARE: f64 = 0.7;
/// ... and among how many objects and pictures it is looked for: scans have one, or strips of one, above or below
/// letters that are not seen.
const OBJECTS_LOOKED_AT: usize = 2000;
const PICTURES_LOOKED_AT: usize = 20;
/// Letters of a page that are looked at.
const MOST_LETTERS: usize = 20_000;
/// Of how many pictures on a page it is told where they lie.
const MOST_PICTURES: usize = 50;

/// PDFium's library is not where it was looked for, or cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// It is in none of these places.
    #[error("PDFium (libpdfium.so) was not found at {}; `make pdfium` fetches it", list(.0))]
    NotFound(Vec<PathBuf>),
    /// It is there and does not load.
    #[error(
        "PDFium at {} cannot be loaded ({reason}); `make pdfium` fetches a fitting one", .path.display()
    )]
    NotLoaded {
        /// The file.
        path: PathBuf,
        /// What the loader says.
        reason: String,
    },
}

/// The absolute path of PDFium's library: the configured one, else that of [`ENVIRONMENT`], else the first of the usual
/// places that has it.
///
/// # Errors
/// [`LibraryError::NotFound`] with every place that was looked at.
pub fn locate(configured: Option<&Path>) -> Result<PathBuf, LibraryError> {
    let named = configured
        .map(PathBuf::from)
        .or_else(|| std::env::var_os(ENVIRONMENT).map(PathBuf::from))
        .filter(|path| !path.as_os_str().is_empty());
    let places = match named {
        // Who names a place means that place.
        Some(path) => vec![path],
        None => usual_places(),
    };
    // Renderers run in another folder than we do.
    let found = places.iter().find(|path| path.is_file());
    match found.and_then(|path| std::path::absolute(path).ok()) {
        Some(path) => Ok(path),
        None => Err(LibraryError::NotFound(places)),
    }
}

fn usual_places() -> Vec<PathBuf> {
    let beside_us = std::env::current_exe()
        .ok()
        .and_then(|binary| Some(binary.parent()?.join("libpdfium.so")));
    beside_us
        .into_iter()
        .chain([
            PathBuf::from("./third_party/libpdfium.so"),
            PathBuf::from("/usr/lib/postfax/libpdfium.so"),
        ])
        .collect()
}

fn list(places: &[PathBuf]) -> String {
    let names: Vec<_> = places
        .iter()
        .map(|place| place.display().to_string())
        .collect();
    names.join(", ")
}

/// PDFium, loaded. Not thread-safe: one for each process, on one thread at a time.
pub struct Renderer(Pdfium);

impl Renderer {
    /// Loads the library. A second call in a process gives the library that is loaded already.
    ///
    /// # Errors
    /// [`LibraryError::NotLoaded`].
    pub fn load(path: &Path) -> Result<Renderer, LibraryError> {
        match Pdfium::bind_to_library(path) {
            Ok(bindings) => Ok(Renderer(Pdfium::new(bindings))),
            Err(PdfiumError::PdfiumLibraryBindingsAlreadyInitialized) => {
                Ok(Renderer(Pdfium::default()))
            }
            Err(error) => Err(LibraryError::NotLoaded {
                path: path.to_path_buf(),
                reason: match error {
                    PdfiumError::LoadLibraryError(error) => error.to_string(),
                    other => other.to_string(),
                },
            }),
        }
    }

    /// Opens a PDF.
    ///
    /// # Errors
    /// What is wrong with it, from [`DocumentRefusal::Empty`] to [`DocumentRefusal::NoPages`].
    pub fn open<'a>(&'a self, pdf: &'a [u8]) -> Result<Document<'a>, DocumentRefusal> {
        if pdf.is_empty() {
            return Err(DocumentRefusal::Empty);
        }
        let document = self
            .0
            .load_pdf_from_byte_slice(pdf, None)
            .map_err(refusal)?;
        if document.pages().len() <= 0 {
            return Err(DocumentRefusal::NoPages);
        }
        match placeholder(&document, pdf) {
            Some(refusal) => Err(refusal),
            None => Ok(Document(document)),
        }
    }
}

/// Why the pages of a PDF stand for something that is not shown.
fn placeholder(document: &PdfDocument, pdf: &[u8]) -> Option<DocumentRefusal> {
    use PdfFormType::{XfaForeground, XfaFull};
    match document.form().map(PdfForm::form_type) {
        Some(XfaFull) => return Some(DocumentRefusal::XfaForm),
        Some(XfaForeground) if is_xfa_notice(document) => return Some(DocumentRefusal::XfaForm),
        _ => {}
    }
    let files = document.attachments();
    if files.is_empty() {
        return None;
    }
    // ISO 32000-2 7.6.7: a wrapper, and the document proper in it.
    if catalog::has_name(pdf, "EncryptedPayload")
        || files
            .iter()
            .any(|file| file.name().starts_with("MicrosoftIRMServices"))
    {
        return Some(DocumentRefusal::RightsManaged);
    }
    catalog::has_name(pdf, "Collection").then_some(DocumentRefusal::Portfolio)
}

/// Whether the only page has no field to fill in and names the program that would show the form; this it does in
/// every language.
fn is_xfa_notice(document: &PdfDocument) -> bool {
    let Ok(page) = document.pages().get(0) else {
        return false;
    };
    let names_program = || {
        let text = page.text().map(|text| text.all()).unwrap_or_default();
        text.contains("Adobe") && text.len() < 3000
    };
    document.pages().len() == 1 && !has_fields(&page) && names_program()
}

fn refusal(error: PdfiumError) -> DocumentRefusal {
    use PdfiumInternalError::{PasswordError, SecurityError};
    match error {
        // SecurityError: an encryption that PDFium does not know.
        PdfiumError::PdfiumLibraryInternalError(PasswordError | SecurityError) => {
            DocumentRefusal::Encrypted
        }
        _ => DocumentRefusal::damaged("PDF"),
    }
}

/// An open PDF.
pub struct Document<'a>(PdfDocument<'a>);

impl Document<'_> {
    /// Number of pages, at least 1.
    pub fn pages(&self) -> u32 {
        self.0.pages().len().unsigned_abs()
    }

    /// Looks whether every page shows a part of itself, without reading what is on it. A blank page in the place of
    /// one that does not would pass for it.
    ///
    /// # Errors
    /// [`DocumentRefusal::NothingShown`].
    pub fn look_through(&self) -> Result<(), DocumentRefusal> {
        let sizes = (0..self.0.pages().len()).map(|index| self.0.pages().page_size(index));
        for (page, size) in (1..).zip(sizes) {
            if size.is_ok_and(|size| size.width().value < 1.0 || size.height().value < 1.0) {
                return Err(DocumentRefusal::NothingShown { page });
            }
        }
        Ok(())
    }

    /// Page `number`, from 1.
    ///
    /// # Errors
    /// [`DocumentRefusal::PageFailed`].
    pub fn page(&self, number: u32) -> Result<Page<'_>, DocumentRefusal> {
        let failed = DocumentRefusal::PageFailed { page: number };
        let index = i32::try_from(number).map_err(|_| failed.clone())? - 1;
        let mut page = self.0.pages().get(index).map_err(|_| failed)?;
        if self.0.form().is_none() && has_fields(&page) {
            // PDFium draws fields of forms only; these then stay undrawn, which is what they would be anyhow.
            let _ = page.flatten();
        }
        Ok(Page { page, number })
    }
}

/// A text field of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextField {
    /// By which it is found.
    pub name: String,
    /// It takes several lines.
    pub multiline: bool,
    /// Left, top, right and bottom in pels of a fax page.
    pub place: [i32; 4],
}

/// A page of an open PDF. PDFium keeps its pictures decoded for as long as it lives.
pub struct Page<'a> {
    page: PdfPage<'a>,
    number: u32,
}

impl Page<'_> {
    /// Width and height in points, as the page is looked at (`/Rotate` honoured).
    pub fn size(&self) -> (f64, f64) {
        (
            self.page.width().value.into(),
            self.page.height().value.into(),
        )
    }

    /// The text on the page; empty where it has none.
    pub(super) fn text(&self) -> String {
        self.page.text().map(|text| text.all()).unwrap_or_default()
    }

    /// The letters of the page that are not written to be invisible, and where they lie on a fax page.
    pub(super) fn letters(&self, layout: &Layout) -> Vec<Letter> {
        use PdfPageTextRenderMode::{Invisible, InvisibleClipping};
        let Ok(text) = self.page.text() else {
            return Vec::new();
        };
        let recipe = recipe(layout);
        let pels = |x: f32, y: f32| {
            let place = self
                .page
                .points_to_pixels(PdfPoints::new(x), PdfPoints::new(y), &recipe);
            place.ok().map(|(x, y)| (x as f32, y as f32))
        };
        // One map for all of them: where the corners lie.
        let side = (self.page.width().value, self.page.height().value);
        let side = side.0.max(side.1).max(1.0);
        let (Some(zero), Some(right), Some(up)) =
            (pels(0.0, 0.0), pels(side, 0.0), pels(0.0, side))
        else {
            return Vec::new();
        };
        let place = |x: f32, y: f32| {
            let (x, y) = (x / side, y / side);
            (
                zero.0 + x * (right.0 - zero.0) + y * (up.0 - zero.0) + layout.x as f32,
                zero.1 + x * (right.1 - zero.1) + y * (up.1 - zero.1) + layout.y as f32,
            )
        };
        let chars = text.chars();
        let letters = chars.iter().take(MOST_LETTERS).map(|letter| {
            let is = letter.unicode_char().unwrap_or(' ');
            let is_hidden = || {
                let mode = letter.render_mode();
                mode.is_ok_and(|mode| matches!(mode, Invisible | InvisibleClipping))
            };
            let bounds = || {
                let tight = letter.tight_bounds().ok();
                let tight = tight.filter(|bounds| bounds.width().value > 0.0);
                tight.or_else(|| letter.loose_bounds().ok())
            };
            let bounds = match is.is_alphanumeric() && !is_hidden() {
                true => bounds(),
                false => None,
            };
            let place = bounds.and_then(|bounds| {
                let one = place(bounds.left().value, bounds.top().value);
                let other = place(bounds.right().value, bounds.bottom().value);
                let (left, top) = (one.0.min(other.0), one.1.min(other.1));
                let (right, bottom) = (one.0.max(other.0), one.1.max(other.1));
                // What lies beyond the left or the upper edge is not on the page.
                (left >= 0.0 && top >= 0.0).then_some([left, top, right, bottom])
            });
            Letter {
                is,
                place: place.map(|place| place.map(|pel| pel.round() as u32)),
            }
        });
        letters.collect()
    }

    /// That nothing of this page can be seen.
    pub fn shows_nothing(&self) -> DocumentRefusal {
        DocumentRefusal::NothingShown { page: self.number }
    }

    fn failed(&self) -> DocumentRefusal {
        DocumentRefusal::PageFailed { page: self.number }
    }

    /// Whether anything on the page may be a line of less than `thinnest` points, or a light one: no text, no picture, no rectangle that
    /// is wider and higher.
    pub fn may_have_lines(&self, thinnest: f32) -> bool {
        use PdfPageObjectType::{Image, Path, Text};
        let may_be_thin =
            |object: &PdfPageObject| match (object.object_type(), object.as_path_object()) {
                (Image | Text, _) => false,
                (Path, Some(path)) => is_thinner(path, thinnest).unwrap_or(true),
                _ => true,
            };
        // Links are not drawn.
        let is_link = |annotation: PdfPageAnnotation| {
            annotation.annotation_type() == PdfPageAnnotationType::Link
        };
        !self.page.annotations().iter().all(is_link)
            || self
                .page
                .objects()
                .iter()
                .any(|object| may_be_thin(&object))
    }

    /// Whether one of the first pictures is all over the page, as in a scan.
    pub fn may_be_a_scan(&self) -> bool {
        let (width, height) = self.size();
        let objects = self.page.objects();
        let pictures = objects
            .iter()
            .take(OBJECTS_LOOKED_AT)
            .filter(|object| object.object_type() == PdfPageObjectType::Image);
        pictures
            .take(PICTURES_LOOKED_AT)
            .filter_map(|picture| picture.bounds().ok())
            .any(|bounds| {
                let (across, down) = (bounds.width().value, bounds.height().value);
                f64::from(across * down) >= width * height * SCAN_SHARE
            })
    }

    /// Where pictures lie on a fax page: left, top, right and bottom in pels.
    pub fn pictures(&self, layout: &Layout) -> Vec<[u32; 4]> {
        let recipe = recipe(layout);
        let pels = |x, y| {
            let (x, y) = self.page.points_to_pixels(x, y, &recipe).ok()?;
            let x = (x + layout.x as i32).clamp(0, PAGE_WIDTH as i32);
            let y = (y + layout.y as i32).clamp(0, layout.height as i32);
            Some((x as u32, y as u32))
        };
        let objects = self.page.objects().iter();
        let pictures = objects.filter(|object| object.object_type() == PdfPageObjectType::Image);
        let places = pictures.take(MOST_PICTURES).filter_map(|picture| {
            let bounds = picture.bounds().ok()?;
            let one = pels(bounds.left(), bounds.top())?;
            let other = pels(bounds.right(), bounds.bottom())?;
            Some([
                one.0.min(other.0),
                one.1.min(other.1),
                one.0.max(other.0),
                one.1.max(other.1),
            ])
        });
        places.collect()
    }

    /// The names of the text fields on the page.
    pub fn text_field_names(&self) -> Vec<String> {
        let annotations = self.page.annotations().iter();
        let names = annotations.filter_map(|annotation| {
            let field = annotation.as_form_field()?.as_text_field()?;
            field.name()
        });
        names.collect()
    }

    /// Takes away what stands in the text fields: the page is then drawn without.
    pub fn empty_text_fields(&mut self) {
        for mut annotation in self.page.annotations_mut().iter() {
            let field = annotation.as_form_field_mut();
            if let Some(field) = field.and_then(|field| field.as_text_field_mut()) {
                // One that is empty already has nothing to lose.
                let _ = field.set_value("");
            }
        }
    }

    /// The text fields on the page, and where they lie on a fax page.
    pub fn text_fields(&self, layout: &Layout) -> Vec<TextField> {
        let recipe = recipe(layout);
        // It counts from the corner of the PDF's page.
        let pels = |x, y| {
            let (x, y) = self.page.points_to_pixels(x, y, &recipe).ok()?;
            Some((x + layout.x as i32, y + layout.y as i32))
        };
        let annotations = self.page.annotations().iter();
        let fields = annotations.filter_map(|annotation| {
            let field = annotation.as_form_field()?.as_text_field()?;
            let bounds = annotation.bounds().ok()?;
            let one = pels(bounds.left(), bounds.top())?;
            let other = pels(bounds.right(), bounds.bottom())?;
            Some(TextField {
                name: field.name()?,
                multiline: field.is_multiline(),
                place: [
                    one.0.min(other.0),
                    one.1.min(other.1),
                    one.0.max(other.0),
                    one.1.max(other.1),
                ],
            })
        });
        fields.collect()
    }

    /// As [`Page::draw`], without text and pictures that do not stand in a form of their own; these take the time.
    ///
    /// # Errors
    /// [`DocumentRefusal::PageFailed`].
    pub fn draw_paths(&self, layout: &Layout) -> Result<Grey, DocumentRefusal> {
        let text_and_pictures = || {
            let objects = self.page.objects().iter();
            objects.filter(|object| {
                use PdfPageObjectType::{Image, Text};
                matches!(object.object_type(), Image | Text)
            })
        };
        // What stays active is drawn in vain, no more.
        text_and_pictures().for_each(|mut object| drop(object.set_inactive()));
        let drawn = self.draw(layout);
        text_and_pictures().for_each(|mut object| drop(object.set_active()));
        drawn
    }

    /// Draws the page onto an otherwise white fax page.
    ///
    /// # Errors
    /// [`DocumentRefusal::PageFailed`].
    pub fn draw(&self, layout: &Layout) -> Result<Grey, DocumentRefusal> {
        // Gray bitmaps of PDFium have rows of a multiple of four octets, and so has ours: 1728 = 4 x 432.
        let mut levels = vec![0xFF; PAGE_WIDTH as usize * layout.height as usize];
        let drawn = PdfBitmap::from_bytes(
            PAGE_WIDTH as i32,
            layout.height as i32,
            PdfBitmapFormat::Gray,
            &mut levels,
        )
        .and_then(|mut canvas| {
            self.page
                .render_into_bitmap_with_config(&mut canvas, &recipe(layout))
        });
        match drawn {
            Ok(()) => Ok(Grey::new(PAGE_WIDTH, layout.height, levels)),
            Err(_) => Err(self.failed()),
        }
    }
}

/// Whether there are fields on the page, of a form or of none.
fn has_fields(page: &PdfPage) -> bool {
    let is_field = |annotation: PdfPageAnnotation| {
        annotation.annotation_type() == PdfPageAnnotationType::Widget
    };
    page.annotations().iter().any(is_field)
}

/// Whether a path may be a line of less than `thinnest` points; `None` where nobody can tell.
fn is_thinner(path: &PdfPagePathObject, thinnest: f32) -> Option<bool> {
    if path.is_stroked().ok()? {
        let matrix = path.matrix().ok()?;
        let area = matrix.a() * matrix.d() - matrix.b() * matrix.c();
        let width = path.stroke_width().ok()?.value * area.abs().sqrt();
        let is_light_rule = || width < LIGHT_RULE && is_light(path.stroke_color().ok());
        return Some(width < thinnest || is_light_rule());
    }
    let bounds = path.bounds().ok()?;
    let side = bounds.width().value.min(bounds.height().value);
    let is_light_rule = || side < LIGHT_RULE && is_light(path.fill_color().ok());
    // Many rectangles in one path have the bounds of all.
    Some(path.segments().len() > RECTANGLE || side < thinnest || is_light_rule())
}

/// Whether a colour would turn white.
fn is_light(colour: Option<PdfColor>) -> bool {
    colour.is_none_or(|colour| {
        let [red, green, blue] = [colour.red(), colour.green(), colour.blue()].map(u32::from);
        (red * 30 + green * 59 + blue * 11) / 100 >= u32::from(BLACK_BELOW)
    })
}

/// How a page is drawn for a fax: at its final size in pels, which are not square, without soft edges, with
/// annotations and filled-in forms as they would be printed.
fn recipe(layout: &Layout) -> PdfRenderConfig {
    let config = PdfRenderConfig::new()
        .set_fixed_size(layout.content_width as i32, layout.content_height as i32)
        .set_origin(layout.x as i32, layout.y as i32)
        .set_format(PdfBitmapFormat::Gray)
        .clear_before_rendering(false)
        .render_form_data(true)
        .render_annotations(true)
        .use_print_quality(true)
        .use_grayscale_rendering(true)
        .set_text_smoothing(false)
        .set_path_smoothing(false)
        .set_reverse_byte_order(false);
    match layout.turned {
        true => config.rotate(PdfPageRenderRotation::Degrees270, false),
        false => config,
    }
}

/// PDFium for tests.
#[cfg(test)]
pub(crate) mod testing {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    /// PDFium knows one thread at a time.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    /// Lends PDFium to a test. Without the library the test fails and says how to get it.
    pub(crate) fn with_pdfium<T>(test: impl FnOnce(&Renderer) -> T) -> T {
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let renderer = Renderer::load(&library());
        test(&renderer.unwrap_or_else(|error| panic!("{error}")))
    }

    /// Where the library is.
    pub(crate) fn library() -> PathBuf {
        let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("third_party/libpdfium.so");
        let configured = std::env::var_os(ENVIRONMENT).is_none() && fetched.is_file();
        let library = locate(configured.then_some(fetched.as_path()));
        library.unwrap_or_else(|error| panic!("{error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::testing::with_pdfium;
    use super::*;
    use crate::pages::sample;

    fn refusal(pdf: &[u8]) -> Option<DocumentRefusal> {
        with_pdfium(|renderer| renderer.open(pdf).err())
    }

    #[test]
    fn each_bad_document_has_its_own_refusal() {
        let letter = sample::demo_document();
        assert_eq!(refusal(&letter), None);
        assert_eq!(refusal(b""), Some(DocumentRefusal::Empty));
        assert_eq!(
            refusal(&letter[..letter.len() / 20]),
            Some(DocumentRefusal::damaged("PDF"))
        );
        assert_eq!(
            refusal(&sample::encrypted()),
            Some(DocumentRefusal::Encrypted)
        );
        assert_eq!(
            refusal(&sample::without_pages()),
            Some(DocumentRefusal::NoPages)
        );
    }

    #[test]
    fn a_page_that_stands_for_something_else_is_refused_by_name() {
        let refusals = sample::wrappers().map(|pdf| refusal(&pdf));
        let wanted = [
            Some(DocumentRefusal::XfaForm),
            Some(DocumentRefusal::XfaForm),
            Some(DocumentRefusal::Portfolio),
            Some(DocumentRefusal::RightsManaged),
            None,
        ];
        assert_eq!(refusals, wanted);
    }

    #[test]
    fn missing_library_names_the_places_and_the_cure() {
        let error = locate(Some(Path::new("/nowhere/libpdfium.so"))).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("/nowhere/libpdfium.so") && text.contains("make pdfium"),
            "{text}"
        );
    }
}
