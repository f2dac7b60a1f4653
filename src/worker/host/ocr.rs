//! A received page in the hands of a program that reads text: tesseract, behind the walls of a converter.

use super::super::wire::DocumentRefusal;
use super::Children;
use super::bounds::Bounds;
use super::convert::Conversion;
use super::document::RenderFailure;
use crate::pages::FaxPage;
use crate::pages::words::{self, Word};

/// What it leaves behind.
const OUTPUT: &str = "document.tsv";

/// The program that reads text, and what it may take.
#[derive(Debug, Clone)]
pub struct TextReader {
    /// The program and its arguments; `{input}` in them is the page's file name.
    pub command: Vec<String>,
    /// Megabytes that it may have.
    pub memory_mb: u64,
}

impl Children {
    /// The words on a page.
    ///
    /// # Errors
    /// [`RenderFailure`]: it is not there, failed, or took longer than `seconds`.
    pub async fn words(
        &self,
        reader: &TextReader,
        page: &FaxPage,
        seconds: u64,
    ) -> Result<Vec<Word>, RenderFailure> {
        let place = self.readers.acquire().await;
        let _place = place.expect("nobody closes it");
        let broken = |_| DocumentRefusal::damaged("fax page");
        let picture = words::to_read(page).map_err(broken)?;
        let conversion = Conversion {
            command: reader.command.clone(),
            extension: "tiff".to_owned(),
            seconds,
            memory_mb: reader.memory_mb,
            bounds: Bounds::default(),
        };
        let table = self.run_on(&conversion, &picture, OUTPUT).await?;
        let table =
            table.ok_or_else(|| DocumentRefusal::ConverterFailed("it found no text".to_owned()))?;
        Ok(words::from_table(&String::from_utf8_lossy(&table), page))
    }
}
