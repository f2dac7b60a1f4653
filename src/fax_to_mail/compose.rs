//! The mail that carries a received fax. Pure.

use jiff::Timestamp;
use minijinja::{Value, context};

use crate::call::outcome::{FarEnd, Outcome};
use crate::letter::draft::{Attachment, AutoSubmitted, Draft, Thread};
use crate::letter::wording::one_line;
use crate::letter::words;
use crate::letter::{Letter, LetterError, Letterhead};
use crate::pages::Resolution;
use crate::pages::cover::Language;

/// What is known of a received fax.
#[derive(Debug, Clone)]
pub struct ReceivedFax {
    /// Its id in the queue.
    pub fax: String,
    /// The caller's number as the trunk told it; `None` where it was withheld.
    pub from: Option<String>,
    /// The number that was called.
    pub to: String,
    /// What T.30 told us of the sending machine.
    pub far_end: FarEnd,
    /// Pages in the PDF.
    pub pages: u32,
    /// Numbers of the pages on which rows are missing, though the sender was told that they arrived.
    pub damaged: Vec<u32>,
    /// Its resolution.
    pub resolution: Resolution,
    /// Seconds from answer to end.
    pub seconds: f64,
    /// When the call ended.
    pub received: Timestamp,
    /// Why the call broke before the sender was done; `None` for a complete fax.
    pub cut_off: Option<Outcome>,
}

/// Writes the mail to `recipients` with the fax as `pdf`; `now` is its Date.
///
/// # Errors
/// [`LetterError`] for recipients that are no addresses.
pub fn write(
    fax: &ReceivedFax,
    pdf: &[u8],
    recipients: &[String],
    head: &Letterhead,
    now: Timestamp,
) -> Result<Letter, LetterError> {
    let file = file_name(fax, head);
    Draft {
        to: recipients,
        subject: subject(fax, head.language),
        text: head
            .templates
            .fill("fax-received.txt", head.language, &facts(fax, &file, head))?,
        html: None,
        picture: None,
        report: None,
        date: now,
        // The time keeps the faxes of a queue started anew apart from those of the old.
        message_id: format!("received.{}.{}", fax.fax, fax.received.as_second()),
        thread: Thread::default(),
        auto_submitted: AutoSubmitted::Generated,
        fax_message: true,
        attachment: Some(Attachment::Pdf(file, pdf)),
        bounces: true,
    }
    .write(head)
}

fn subject(fax: &ReceivedFax, language: Language) -> String {
    let pages = words::pages(fax.pages, language);
    let from = caller(fax, language);
    match (language, fax.cut_off) {
        (Language::En, None) => format!("Fax from {from}, {pages}"),
        (Language::En, Some(_)) => format!("Incomplete fax from {from}, {pages}"),
        (Language::De, None) => format!("Fax von {from}, {pages}"),
        (Language::De, Some(_)) => format!("Unvollständiges Fax von {from}, {pages}"),
    }
}

fn caller(fax: &ReceivedFax, language: Language) -> String {
    match fax.from.as_deref().map(|from| one_line(from, 40)) {
        Some(from) if !from.is_empty() => from,
        _ => match language {
            Language::En => "an unknown number".to_string(),
            Language::De => "unbekannter Nummer".to_string(),
        },
    }
}

/// `fax-20261121-101500-+15559876543.pdf`: sorts by time, says who, and no character of it troubles a file system.
fn file_name(fax: &ReceivedFax, head: &Letterhead) -> String {
    let time = fax.received.to_zoned(head.zone.clone());
    let digits: String = fax
        .from
        .iter()
        .flat_map(|from| from.chars())
        .filter(|c| c.is_ascii_digit() || *c == '+')
        .take(20)
        .collect();
    let who = if digits.is_empty() {
        "unknown"
    } else {
        &digits
    };
    format!("fax-{}-{who}.pdf", time.strftime("%Y%m%d-%H%M%S"))
}

/// What the template may say.
fn facts(fax: &ReceivedFax, file: &str, head: &Letterhead) -> Value {
    let language = head.language;
    let station = fax.far_end.ident.as_deref();
    context! {
        from => caller(fax, language),
        to => one_line(&fax.to, 40),
        station => station.map(|ident| one_line(ident, 20)),
        sub_address => fax.far_end.sub_address.as_deref().map(|sub| one_line(sub, 20)),
        pages => fax.pages,
        seconds => fax.seconds,
        resolution => resolution(fax.resolution),
        line => words::line(&fax.far_end, language),
        received => words::when(fax.received, &head.zone, language),
        received_exactly => words::clock(fax.received, &head.zone, language),
        cut_off => fax.cut_off.map(Outcome::in_words),
        damaged => (!fax.damaged.is_empty()).then(|| numbers(&fax.damaged, language)),
        file => file,
        fax => one_line(&fax.fax, 40),
        hostname => head.hostname.as_str(),
    }
}

/// "page 2", "pages 2 and 5", "Seiten 1, 2 und 5".
fn numbers(pages: &[u32], language: Language) -> String {
    let (one, many, and) = match language {
        Language::En => ("page", "pages", "and"),
        Language::De => ("Seite", "Seiten", "und"),
    };
    let numbers: Vec<String> = pages.iter().map(u32::to_string).collect();
    match numbers.split_last() {
        Some((last, [])) => format!("{one} {last}"),
        Some((last, others)) => format!("{many} {} {and} {last}", others.join(", ")),
        None => String::new(),
    }
}

fn resolution(resolution: Resolution) -> String {
    let name = match resolution {
        Resolution::Standard => "standard",
        Resolution::Fine => "fine",
        Resolution::Superfine => "superfine",
    };
    let (x, y) = resolution.dpi();
    format!("{name}, {x} x {y} dpi")
}

#[cfg(test)]
mod tests;
