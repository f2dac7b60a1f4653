//! What the postmaster gets: a mail of ours that its recipient's server refused for good. Pure.
//!
//! It is no bounce of a bounce: it is new, goes to the postmaster alone, once, with the null return path, and nothing
//! is written about it should he not get it either (RFC 3464 2).

use jiff::Timestamp;
use minijinja::{Value, context};

use super::draft::{Attachment, AutoSubmitted, Draft, Thread};
use super::wording::one_line;
use super::words;
use super::{Letter, LetterError, Letterhead};
use crate::pages::cover::Language;

/// A mail that was refused.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The id of the mail to the postmaster.
    pub mail: String,
    /// To whom the refused one went.
    pub recipient: String,
    /// What the server said.
    pub reply: String,
    /// When.
    pub ended: Timestamp,
}

/// A received fax that nobody took.
#[derive(Debug, Clone)]
pub struct Fax<'a> {
    /// The caller's number; `None` where it was withheld.
    pub from: Option<String>,
    /// The number of ours.
    pub to: String,
    /// Its pages.
    pub pdf: &'a [u8],
}

/// A received fax, with its pages, so that it does not lie unseen.
///
/// # Errors
/// [`LetterError`] should the postmaster have no address.
pub fn fax(
    refused: &Refused,
    fax: &Fax<'_>,
    postmaster: &str,
    head: &Letterhead,
) -> Result<Letter, LetterError> {
    let subject = match head.language {
        Language::En => "A received fax was refused by",
        Language::De => "Empfangenes Fax abgelehnt von",
    };
    let pdf = Attachment::Pdf("fax.pdf".to_owned(), fax.pdf);
    let facts = facts(refused, Some(fax), false, head);
    write(refused, subject, facts, Some(pdf), postmaster, head)
}

/// A receipt, as it was; `None` where none could be written.
///
/// # Errors
/// As [`fax()`].
pub fn receipt(
    refused: &Refused,
    receipt: Option<&[u8]>,
    postmaster: &str,
    head: &Letterhead,
) -> Result<Letter, LetterError> {
    let subject = match head.language {
        Language::En => "A receipt was refused by",
        Language::De => "Sendebericht abgelehnt von",
    };
    let mail = receipt.map(Attachment::Mail);
    write(
        refused,
        subject,
        facts(refused, None, false, head),
        mail,
        postmaster,
        head,
    )
}

/// To whoever wrote to the postmaster: that it did not get there, with the mail as it was.
///
/// # Errors
/// [`LetterError`] should the sender have no address.
pub fn forwarded(
    refused: &Refused,
    mail: &[u8],
    sender: &str,
    head: &Letterhead,
) -> Result<Letter, LetterError> {
    let subject = match head.language {
        Language::En => "Your mail to the postmaster was refused by",
        Language::De => "Ihre Mail an den Postmaster wurde abgelehnt von",
    };
    let mail = Some(Attachment::Mail(mail));
    let facts = facts(refused, None, true, head);
    write(refused, subject, facts, mail, sender, head)
}

fn write(
    refused: &Refused,
    subject: &str,
    facts: Value,
    attachment: Option<Attachment<'_>>,
    postmaster: &str,
    head: &Letterhead,
) -> Result<Letter, LetterError> {
    let fax_message = matches!(attachment, Some(Attachment::Pdf(..)));
    Draft {
        to: &[postmaster.to_owned()],
        subject: format!("{subject} {}", one_line(&refused.recipient, 80)),
        text: head.templates.fill("returned.txt", head.language, &facts)?,
        html: None,
        picture: None,
        report: None,
        date: refused.ended,
        message_id: format!("returned.{}.{}", refused.mail, refused.ended.as_second()),
        thread: Thread::default(),
        auto_submitted: AutoSubmitted::Generated,
        fax_message,
        attachment,
        bounces: false,
    }
    .write(head)
}

fn facts(refused: &Refused, fax: Option<&Fax<'_>>, forwarded: bool, head: &Letterhead) -> Value {
    let unknown = match head.language {
        Language::En => "an unknown number",
        Language::De => "unbekannter Nummer",
    };
    let from = fax.and_then(|fax| fax.from.as_deref()).unwrap_or(unknown);
    context! {
        received => fax.is_some(),
        forwarded => forwarded,
        from => one_line(from, 40),
        to => fax.map_or(String::new(), |fax| one_line(&fax.to, 40)),
        recipient => one_line(&refused.recipient, 120),
        reply => one_line(&refused.reply, 300),
        ended => words::when(refused.ended, &head.zone, head.language),
        hostname => head.hostname.as_str(),
    }
}

#[cfg(test)]
mod tests;
