//! Cover pages: a sheet set from a text, or a site's own PDF whose form fields are filled in.
//!
//! The text comes from a template in `mail/` with the facts filled in; `markup` says how it is read, `sheet` sets
//! it. The values in either come from strangers: a subject, a name.

mod form;
mod markup;
mod sheet;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use form::Form;
pub use markup::literal;
pub use sheet::Sheet;

/// What a cover page is made of; its octets are the text, or the PDF.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CoverSource {
    /// A text in our markup.
    Sheet,
    /// A PDF, and what its fields are filled with, by their names.
    Form(BTreeMap<String, String>),
}

/// The language of the built-in page and of its date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// German.
    De,
}
