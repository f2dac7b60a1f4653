//! Why a document cannot be faxed.

use serde::{Deserialize, Serialize};

/// Why a document cannot be faxed; [`std::fmt::Display`] is the half sentence for its sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum DocumentRefusal {
    /// Zero octets.
    #[error("it is empty (0 bytes)")]
    Empty,
    /// Its content is of no format that is known here.
    #[error(
        "it is none of what can be faxed here, whatever its name says (PDF, TIFF, JPEG, PNG, GIF, WebP, BMP, HEIC, text); please send it as PDF"
    )]
    Unknown,
    /// Its content is of a format that is known and not read.
    #[error("it is {} {name}, which cannot be read here; please send it as PDF{}", article(.name), cure(.name))]
    NotRead {
        /// "Word document".
        name: String,
    },
    /// It says what it is, and cannot be opened as that.
    #[error("it is damaged and cannot be read as {kind}")]
    Damaged {
        /// "PDF".
        kind: String,
    },
    /// It is what it says, of a form that is not read.
    #[error("it is a {kind} of a form that cannot be read here ({form}); please send it as PDF or JPEG{}", cure(.kind))]
    FormNotRead {
        /// "HEIC".
        kind: String,
        /// "unsupported: a chroma format".
        form: String,
    },
    /// The TIFF reader's sentence.
    #[error("{0}")]
    Tiff(String),
    /// A picture that is too large.
    #[error(
        "it has {width} x {height} pixels, and at most {limit_millions} million are taken; please send it smaller"
    )]
    TooManyPixels {
        /// Pixels across.
        width: u64,
        /// Pixels down.
        height: u64,
        /// Millions that are allowed.
        limit_millions: u64,
    },
    /// Text of which nobody would read the fax.
    #[error("it has more than {limit} characters of text, the most that is made into pages")]
    TooMuchText {
        /// Characters that are allowed.
        limit: usize,
    },
    /// A text of which too many letters would be boxes.
    #[error(
        "no font here has its letters: {scripts}; please send it as PDF, or ask the administrator to install the package"
    )]
    NoFont {
        /// Which, and the packages that have them.
        scripts: String,
    },
    /// A PDF that is no cover page.
    #[error("{0}")]
    Cover(String),
    /// It wants a password.
    #[error("it is protected with a password; please send it without")]
    Encrypted,
    /// Its page says no more than that another program is needed (XFA).
    #[error(
        "its content is a form of the kind XFA, which only Adobe programs show; please open it there, print it to a new PDF and send that"
    )]
    XfaForm,
    /// Its page is the cover of the files in it.
    #[error(
        "its content is a PDF portfolio: the files are inside of it, and its page shows none of them; please attach the files themselves"
    )]
    Portfolio,
    /// Its page says that the document proper is encrypted.
    #[error(
        "its content is protected by rights management, so that only the programs of its owner open it; please print it to a new PDF and send that"
    )]
    RightsManaged,
    /// It opens, and has no pages.
    #[error("it has no pages")]
    NoPages,
    /// More pages than allowed.
    #[error("it has {pages} pages, and at most {limit} are allowed in a fax")]
    TooManyPages {
        /// Pages in the document.
        pages: u32,
        /// Pages allowed.
        limit: u32,
    },
    /// What a page shows is no part of it: its crop box lies outside of its media box.
    #[error(
        "nothing of page {page} can be seen (its crop box lies outside of the page); please print it to a new PDF"
    )]
    NothingShown {
        /// Number, from 1.
        page: u32,
    },
    /// A page could not be drawn.
    #[error("page {page} of it cannot be drawn")]
    PageFailed {
        /// Number, from 1.
        page: u32,
    },
    /// It took more memory than a document may.
    #[error(
        "it takes more than {limit_mb} MB of memory to draw; please send it with smaller pictures, scanned at 300 dpi for instance"
    )]
    TooMuchMemory {
        /// What is allowed, in MB.
        limit_mb: u64,
    },
    /// The converter of the site did not make a PDF of it.
    #[error("the program that makes PDF of such files failed ({0}); please send it as PDF")]
    ConverterFailed(String),
    /// The renderer crashed or took too long.
    #[error("the renderer failed on it ({how})")]
    RendererFailed {
        /// "crashed (signal 11)", "took longer than 60 s".
        how: String,
    },
}

impl DocumentRefusal {
    /// It says that it is a `kind`, and cannot be read as that.
    pub fn damaged(kind: &str) -> DocumentRefusal {
        let kind = kind.to_owned();
        DocumentRefusal::Damaged { kind }
    }
}

/// "a Word document", "an Excel workbook".
fn article(name: &str) -> &'static str {
    if name.starts_with(['A', 'E', 'I', 'O', 'U']) {
        "an"
    } else {
        "a"
    }
}

/// What else may help.
fn cure(name: &str) -> &'static str {
    match name {
        "HEIC" => " (on an iPhone: Settings, Camera, Formats, Most Compatible makes JPEG)",
        "AVIF picture" | "JPEG 2000 picture" | "JPEG XL picture" | "JPEG-LS picture"
        | "JPEG XR picture" | "JBIG2 picture" | "Photoshop picture" | "DICOM picture" => " or JPEG",
        "ZIP archive" => ", unpacked",
        "Outlook message" => ", or forward the message itself instead of attaching it",
        "document with restricted rights" | "Outlook message with restricted rights" => {
            ", without the restriction"
        }
        "Office document with a password" | "ZIP archive with a password" => {
            ", without the password"
        }
        _ => "",
    }
}
