//! Every mail the gateway writes: wording, headers, encodings. Pure: facts and a time in, octets out.
//!
//! The journeys say what there is to tell ([`crate::mail_to_fax::receipt`], [`crate::fax_to_mail::compose`]); this
//! room makes a letter of it. Whatever strangers wrote (subjects, file names, station identifications) comes
//! through [`wording::one_line`] before it stands in a text, and through [`draft::Draft`] before it stands in a
//! header.

mod body;
pub mod cover;
pub mod draft;
pub mod report;
pub mod returned;
pub mod templates;
pub mod wording;
pub mod words;

use jiff::tz::TimeZone;

use crate::pages::cover::Language;
use templates::Templates;

/// What is the same on every letter of this house.
#[derive(Debug, Clone)]
pub struct Letterhead {
    /// The From line: `Postfax <postmaster@fax.example>`.
    pub from: String,
    /// Where answers go: to a person. The address in From reads none yet.
    pub reply_to: Option<String>,
    /// Our host name: the right side of Message-IDs, and the signature.
    pub hostname: String,
    /// Where the people who read it live.
    pub zone: TimeZone,
    /// What it says, and in which words.
    pub templates: Templates,
    /// What language they read, where nothing else is known of them.
    pub language: Language,
}

/// A finished letter, for the table of outgoing mails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its Message-ID with angle brackets; the same whenever it is composed from the same facts.
    pub message_id: String,
    /// Return path: the null one (`None`) for receipts and what is returned, our From address for received faxes.
    pub from: Option<String>,
    /// Recipients.
    pub to: Vec<String>,
    /// Headers and body (RFC 5322), lines end with CRLF; ASCII, unless a recipient, or a mail that is
    /// returned whole, is not.
    pub bytes: Vec<u8>,
}

/// Whether an address may stand in a command and in a header: nothing that ends or parts what it stands in. Beyond ASCII
/// (RFC 6531) it takes SMTPUTF8 on the way.
pub fn may_be_written(address: &str) -> bool {
    let parts = |c: char| c.is_control() || c.is_whitespace();
    !address.is_empty() && !address.chars().any(parts)
}

/// Why a letter could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LetterError {
    /// The configured From line.
    #[error("{0:?} is not a From line like Postfax <postmaster@fax.example>")]
    From(String),
    /// A recipient.
    #[error("{0:?} is not a mail address")]
    Recipient(String),
    /// No recipient at all.
    #[error("the letter has no recipient")]
    NoRecipient,
    /// The configured host name.
    #[error("{0:?} is not a host name")]
    Hostname(String),
    /// A template could not be filled.
    #[error("template: {0}")]
    Template(String),
}

#[cfg(test)]
pub(crate) mod golden {
    //! Golden mails: `mail/golden/*.eml`, rewritten when `POSTFAX_REWRITE_GOLDEN` is set.

    use std::path::Path;

    /// Compares with the golden mail of this name. Line ends on disk are LF, as git likes them.
    pub(crate) fn assert_golden(name: &str, bytes: &[u8]) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("mail/golden")
            .join(name);
        let mail = std::str::from_utf8(bytes).expect("a letter is ASCII");
        assert!(mail.is_ascii());
        assert!(
            !mail.replace("\r\n", "").contains(['\r', '\n']),
            "bare line end"
        );
        let mail = mail.replace("\r\n", "\n");
        if std::env::var_os("POSTFAX_REWRITE_GOLDEN").is_some() {
            std::fs::write(&path, &mail).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(mail, golden, "differs from {}", path.display());
    }
}
