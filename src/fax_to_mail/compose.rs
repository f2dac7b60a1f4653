//! The mail that carries a received fax. Pure.

use jiff::Timestamp;
use minijinja::{Value, context};

use crate::call::outcome::{FarEnd, Outcome};
use crate::letter::draft::{AutoSubmitted, Draft, Thread};
use crate::letter::wording::{self, one_line};
use crate::letter::{Letter, LetterError, Letterhead};
use crate::pages::Resolution;

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
        subject: subject(fax),
        text: wording::fill("fax-received.txt", facts(fax, &file, head))?,
        date: now,
        // The time keeps the faxes of a queue started anew apart from those of the old.
        message_id: format!("received.{}.{}", fax.fax, fax.received.as_second()),
        thread: Thread::default(),
        auto_submitted: AutoSubmitted::Generated,
        fax_message: true,
        pdf: Some((file, pdf)),
    }
    .write(head)
}

fn subject(fax: &ReceivedFax) -> String {
    let kind = match fax.cut_off {
        Some(_) => "Incomplete fax",
        None => "Fax",
    };
    let pages = wording::pages(fax.pages);
    format!("{kind} from {}, {pages}", caller(fax))
}

fn caller(fax: &ReceivedFax) -> String {
    match fax.from.as_deref().map(|from| one_line(from, 40)) {
        Some(from) if !from.is_empty() => from,
        _ => "an unknown number".to_string(),
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
    let station = fax.far_end.ident.as_deref();
    context! {
        from => caller(fax),
        to => one_line(&fax.to, 40),
        station => station.map(|ident| one_line(ident, 20)),
        sub_address => fax.far_end.sub_address.as_deref().map(|sub| one_line(sub, 20)),
        pages => fax.pages,
        seconds => fax.seconds,
        resolution => resolution(fax.resolution),
        line => wording::line(&fax.far_end),
        received => wording::when(fax.received, &head.zone),
        received_exactly => wording::clock(fax.received, &head.zone),
        cut_off => fax.cut_off.map(Outcome::in_words),
        damaged => (!fax.damaged.is_empty()).then(|| numbers(&fax.damaged)),
        file => file,
        fax => one_line(&fax.fax, 40),
        hostname => head.hostname.as_str(),
    }
}

/// "page 2", "pages 2 and 5", "pages 1, 2 and 5".
fn numbers(pages: &[u32]) -> String {
    let words: Vec<String> = pages.iter().map(u32::to_string).collect();
    match words.split_last() {
        Some((last, [])) => format!("page {last}"),
        Some((last, others)) => format!("pages {} and {last}", others.join(", ")),
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
