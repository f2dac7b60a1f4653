//! Why a document cannot be faxed.

use serde::{Deserialize, Serialize};

/// Why a document cannot be faxed; [`std::fmt::Display`] is the half sentence for its sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum DocumentRefusal {
    /// Zero octets.
    #[error("it is empty (0 bytes)")]
    Empty,
    /// Not a PDF by its content.
    #[error("it is not a PDF document, whatever its name says")]
    NotPdf,
    /// PDFium could not open it.
    #[error("it is damaged and cannot be read as PDF")]
    Damaged,
    /// It wants a password.
    #[error("it is protected with a password; please send it without")]
    Encrypted,
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
    /// The renderer crashed or took too long.
    #[error("the renderer failed on it ({how})")]
    RendererFailed {
        /// "crashed (signal 11)", "took longer than 60 s".
        how: String,
    },
}
