//! Text as pages: the text of a mail, plain or HTML, and text files.

mod charset;
mod html;
mod plain;
pub mod scripts;
mod short;
mod telling;
pub(in crate::pages) mod typeset;

use serde::{Deserialize, Serialize};

use super::layout::Paper;
use super::remark::Remark;
use super::{DocumentRefusal, FaxPage, Resolution};
pub use short::found_at_once;
pub use telling::LeftOut;
use typeset::Typesetter;

/// Characters of the longest text: more than a hundred full pages.
pub const MAX_CHARACTERS: usize = 500_000;

/// What is known of a text beside its octets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextSource {
    /// The declared character set, such as `iso-8859-1`; none: it is guessed.
    pub charset: Option<String>,
    /// It is HTML.
    pub html: bool,
    /// RFC 3676: a line that ends in a space goes on in the next.
    pub flowed: bool,
    /// Lines above the text, as name and value: `Subject`, `Letter of intent`.
    pub heading: Vec<(String, String)>,
    /// Whether it is left out where it says nothing but that something is attached. A blank text always is.
    pub only_if_telling: bool,
}

impl TextSource {
    /// Who wrote it, as its heading says.
    fn author(&self) -> &str {
        let from = self.heading.iter().find(|(name, _)| name == "From");
        from.map_or("", |(_, value)| value.as_str())
    }
}

/// The characters of a text in its declared character set, or in what it most likely is.
pub fn decoded(octets: &[u8], charset: Option<&str>, html: bool) -> String {
    charset::decode(octets, charset, html)
}

/// A paragraph as it is set.
#[derive(Debug, Clone, Default, PartialEq)]
struct Line {
    spans: Vec<Span>,
    /// Columns that belong below each other: set in a face with letters of one width.
    columns: bool,
    /// A new page begins with it.
    breaks: bool,
}

/// A piece of a paragraph in one weight.
#[derive(Debug, Clone, PartialEq)]
struct Span {
    text: String,
    bold: bool,
}

impl Line {
    fn plain(text: &str) -> Line {
        Line::of(text, false)
    }

    fn of(text: &str, columns: bool) -> Line {
        let span = Span {
            text: text.to_owned(),
            bold: false,
        };
        Line {
            spans: vec![span],
            columns,
            breaks: false,
        }
    }

    fn text(&self) -> String {
        self.spans.iter().map(|span| span.text.as_str()).collect()
    }
}

/// Text that is set and can be drawn.
pub struct TextPages {
    setter: Typesetter,
    pages: Vec<typeset::SetPage>,
}

impl TextPages {
    /// Reads and sets a text; or says why it is left out.
    ///
    /// # Errors
    /// [`DocumentRefusal::TooMuchText`], [`DocumentRefusal::NoFont`], [`DocumentRefusal::Damaged`].
    pub fn set(
        source: &TextSource,
        octets: &[u8],
        paper: Paper,
    ) -> Result<Result<TextPages, LeftOut>, DocumentRefusal> {
        let text = charset::decode(octets, source.charset.as_deref(), source.html);
        let lines = match source.html {
            true => html::lines(&text)?,
            false => plain::lines(&text, source.flowed),
        };
        let characters: usize = lines.iter().map(|line| line.text().chars().count()).sum();
        if characters > MAX_CHARACTERS {
            let limit = MAX_CHARACTERS;
            return Err(DocumentRefusal::TooMuchText { limit });
        }
        if let Some(left_out) = telling::left_out(&lines, source.only_if_telling, source.author()) {
            return Ok(Err(left_out));
        }
        let mut setter = Typesetter::new(paper, &lines, &source.heading);
        let pages = setter.set(&source.heading, &lines);
        match setter.lacks_letters() {
            true => {
                let missing = pages.iter().flat_map(|page| page.missing().iter().copied());
                let scripts = scripts::of(missing);
                Err(DocumentRefusal::NoFont { scripts })
            }
            false => Ok(Ok(TextPages { setter, pages })),
        }
    }

    /// Number of pages, at least 1.
    pub fn pages(&self) -> u32 {
        self.pages.len() as u32
    }

    /// Page `number`, from 1.
    pub fn page(&mut self, number: u32, resolution: Resolution) -> FaxPage {
        self.setter
            .draw(&self.pages[number as usize - 1], resolution)
    }

    /// What is to be said of page `number`: that it has letters which no font has.
    pub fn remark(&self, number: u32) -> Option<Remark> {
        let missing = self.pages[number as usize - 1].missing();
        (!missing.is_empty()).then(|| Remark::NoFont {
            page: number,
            scripts: scripts::of(missing.iter().copied()),
        })
    }
}

#[cfg(test)]
mod tests;
