//! A site's own cover page: a PDF with form fields, or a text like those in `mail/`.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::config::Config;
use crate::letter::cover::{CoverFacts, fill};
use crate::pages::FaxPage;
use crate::pages::cover::CoverSource;
use crate::pages::cut::LongPages;
use crate::pages::document::Target;
use crate::pages::kind::Kind;
use crate::worker::host::{Children, RenderFailure};

/// Octets of the largest template.
const MOST: u64 = 10 << 20;

/// What makes no page of the facts.
#[derive(Debug, thiserror::Error)]
pub enum BadTemplate {
    /// The file.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// A text.
    #[error("{0}")]
    Text(String),
    /// A PDF, or what a text became.
    #[error("{0}")]
    NotDrawn(#[from] RenderFailure),
}

/// Fills the site's template, if there is one, with an example.
///
/// # Errors
/// [`BadTemplate`]: what would keep it from every fax.
pub async fn try_out(config: &Config, children: &Children) -> Result<(), BadTemplate> {
    let Some(path) = &config.cover.template else {
        return Ok(());
    };
    let facts = CoverFacts::example(config.cover.language);
    let target = Target {
        resolution: config.fax.resolution,
        paper: config.fax.paper,
        long_pages: LongPages::Shrink,
    };
    let page = Template::read(path)?.draw(children, &facts, target).await;
    page.map(drop)
}

/// A template as it was read.
#[derive(Debug)]
pub enum Template {
    /// The octets of a PDF.
    Form(Vec<u8>),
    /// A text.
    Text(String),
}

impl Template {
    /// Reads a file; what it is its octets say.
    ///
    /// # Errors
    /// [`BadTemplate`].
    pub fn read(path: &Path) -> Result<Template, BadTemplate> {
        if std::fs::metadata(path)?.len() > MOST {
            let limit = MOST >> 20;
            return Err(BadTemplate::Text(format!("it has more than {limit} MB")));
        }
        let octets = std::fs::read(path)?;
        if Kind::of(&octets) == Kind::Pdf {
            return Ok(Template::Form(octets));
        }
        let neither = |_| BadTemplate::Text("it is neither a PDF nor a text in UTF-8".to_owned());
        String::from_utf8(octets)
            .map(Template::Text)
            .map_err(neither)
    }

    /// The page with the facts on it.
    ///
    /// # Errors
    /// [`BadTemplate`].
    pub async fn draw(
        &self,
        children: &Children,
        facts: &CoverFacts,
        target: Target,
    ) -> Result<FaxPage, BadTemplate> {
        let (source, octets) = self.filled(facts)?;
        Ok(children.cover(source, &octets, target).await?)
    }

    /// What the renderer is handed.
    fn filled(&self, facts: &CoverFacts) -> Result<(CoverSource, Vec<u8>), BadTemplate> {
        match self {
            Template::Form(pdf) => Ok((CoverSource::Form(fields(facts)), pdf.clone())),
            Template::Text(template) => {
                let text = fill(template, facts).map_err(|e| BadTemplate::Text(e.to_string()))?;
                Ok((CoverSource::Sheet, text.into_bytes()))
            }
        }
    }
}

/// What each field of a PDF is filled with, by its name.
fn fields(facts: &CoverFacts) -> BTreeMap<String, String> {
    let CoverFacts {
        to,
        to_number,
        from,
        from_mail,
        from_number,
        organisation,
        subject,
        pages,
        date,
        notes,
    } = facts.clone();
    let fields = [
        ("to", to),
        ("to_number", to_number),
        ("from", from),
        ("from_mail", from_mail),
        ("from_number", from_number),
        ("organisation", organisation),
        ("subject", subject),
        ("pages", pages.to_string()),
        ("date", date),
        ("notes", notes),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into()
}
