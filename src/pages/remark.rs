//! What is to be said of a page though it was made.

use serde::{Deserialize, Serialize};

/// Something about a page that its sender should know; [`std::fmt::Display`] is half a sentence, to stand behind the
/// name of the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Remark {
    /// The document has text there, and the fax has none.
    #[error(
        "page {page} came out blank although there is text on it; perhaps the text is white, or its font is missing"
    )]
    CameOutBlank {
        /// Its number in the document.
        page: u32,
    },
    /// Text that the document shows and the fax does not.
    #[error(
        "page {page} lost text on the fax, for it is too light or too little set off from its ground: \"{words}\""
    )]
    LostText {
        /// Its number in the document.
        page: u32,
        /// Some of it.
        words: String,
    },
    /// A picture of which the fax shows nothing.
    #[error("page {page} came out blank; the picture is white, or too faint for a fax")]
    BlankPicture {
        /// Its number in the document.
        page: u32,
    },
    /// Hardly anything of the page is white.
    #[error("page {page} came out almost wholly black")]
    CameOutBlack {
        /// Its number in the document.
        page: u32,
    },
    /// A page that says so stands in its place.
    #[error("page {page} could not be drawn; a page that says so stands in its place")]
    NotDrawn {
        /// Its number in the document.
        page: u32,
    },
    /// See [`super::cut`].
    #[error("page {page} is too long for a sheet and was cut into {sheets}")]
    Cut {
        /// Its number in the document.
        page: u32,
        /// How many pages of the fax it became.
        sheets: u32,
    },
    /// Letters that came out as boxes.
    #[error(
        "page {page} has letters that no font of the gateway has, and shows boxes in their place: {scripts}"
    )]
    NoFont {
        /// Its number in the document.
        page: u32,
        /// Which, and the packages that have them.
        scripts: String,
    },
}
