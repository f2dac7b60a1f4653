//! What the templates may say of a fax.

use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::{Attempt, Ending, Fate, Kind, Noticed, Part, Receipt, Remarkable, subject};
use crate::call::retry;
use crate::letter::Letterhead;
use crate::letter::wording::one_line;
use crate::letter::words;
use crate::pages::cover::Language;
use crate::pages::remark::Remark;

/// The facts of one receipt; `picture` is the Content-ID of its first page.
pub(super) fn of_receipt(receipt: &Receipt, head: &Letterhead, picture: Option<&str>) -> Value {
    context! {
        fax => Value::from(Serde(FaxFacts::of(receipt, receipt.mail.language, head))),
        picture => picture,
        hostname => head.hostname.as_str(),
    }
}

/// One fax. What is not known is `none`, or 0.
#[derive(Debug, Serialize)]
pub(super) struct FaxFacts {
    kind: &'static str,
    title: String,
    number: String,
    name: Option<String>,
    sub_address: Option<String>,
    sub_address_refused: bool,
    billing: Option<String>,
    /// Where it is for several recipients: all of them.
    addresses: Vec<AddresseeFacts>,
    pages: u32,
    confirmed: u32,
    calls: u32,
    took: String,
    accepted: String,
    ended: String,
    until: Option<String>,
    held: bool,
    outcome: Option<&'static str>,
    cause: &'static str,
    /// What to do next, in English.
    last_word: &'static str,
    document: Option<String>,
    why: Option<String>,
    station: Option<String>,
    line: Option<String>,
    fax: String,
    attempts: Vec<AttemptFacts>,
    parts: Vec<PartFacts>,
    name_width: usize,
    remarks: Vec<RemarkFacts>,
}

impl FaxFacts {
    pub(super) fn of(receipt: &Receipt, language: Language, head: &Letterhead) -> FaxFacts {
        let when = |time| words::when(time, &head.zone, language);
        let short = |text: &Option<String>, limit| {
            let text = text.as_deref().map(|text| one_line(text, limit));
            text.filter(|text| !text.is_empty())
        };
        let (outcome, document, why, until, held) = match &receipt.ending {
            Ending::Called(outcome) => (Some(*outcome), None, None, None, false),
            Ending::NotRendered { document, why } => {
                let (document, why) = (one_line(document, 60), one_line(why, 200));
                (None, Some(document), Some(why), None, false)
            }
            Ending::Waits { last, held, until } => (*last, None, None, *until, *held),
        };
        let said = receipt.far_end.said.as_ref();
        let parts = parts(&receipt.parts);
        FaxFacts {
            kind: Kind::of(&receipt.ending).name(),
            title: subject(&receipt.mail, 80).unwrap_or_default(),
            number: one_line(&receipt.number, 40),
            name: short(&receipt.name, 60),
            sub_address: short(&receipt.sub_address, 20),
            // DIS, bit 49.
            sub_address_refused: said.is_some_and(|said| !said.sub_address),
            billing: short(&receipt.billing, 40),
            addresses: addresses(receipt),
            pages: receipt.pages,
            confirmed: receipt.confirmed,
            calls: receipt.calls,
            took: words::seconds(receipt.seconds, language),
            accepted: when(receipt.accepted),
            ended: when(receipt.ended),
            until: until.map(when),
            held,
            outcome: outcome.map(|outcome| outcome.name()),
            cause: outcome.map_or("", |outcome| outcome.in_words()),
            last_word: outcome.map_or("", retry::last_word),
            document,
            why,
            station: short(&receipt.far_end.ident, 20),
            line: words::line(&receipt.far_end, language),
            fax: one_line(&receipt.fax, 40),
            attempts: receipt
                .attempts
                .iter()
                .map(|attempt| AttemptFacts::of(attempt, head, language))
                .collect(),
            name_width: width(&parts),
            parts,
            remarks: receipt.remarks.iter().map(RemarkFacts::of).collect(),
        }
    }
}

/// One of several recipients of a fax.
#[derive(Debug, Serialize)]
struct AddresseeFacts {
    address: String,
    name: Option<String>,
    billing: Option<String>,
}

fn addresses(receipt: &Receipt) -> Vec<AddresseeFacts> {
    if receipt.further.is_empty() {
        return Vec::new();
    }
    let facts = |address: &str, name: &Option<String>, billing: &Option<String>| AddresseeFacts {
        address: one_line(address, 100),
        name: name.as_deref().map(|name| one_line(name, 60)),
        billing: billing.as_deref().map(|code| one_line(code, 40)),
    };
    let first = facts(&receipt.recipient, &receipt.name, &receipt.billing);
    let further = receipt.further.iter();
    let further = further.map(|it| facts(&it.recipient, &it.name, &it.billing));
    std::iter::once(first).chain(further).collect()
}

/// Characters of the longest name.
pub(super) fn width(parts: &[PartFacts]) -> usize {
    let lengths = parts.iter().map(|part| part.name.chars().count());
    lengths.max().unwrap_or(0)
}

#[derive(Debug, Serialize)]
struct AttemptFacts {
    began: String,
    outcome: &'static str,
    cause: &'static str,
    pages: u32,
    seconds: f64,
    detail: String,
}

impl AttemptFacts {
    fn of(attempt: &Attempt, head: &Letterhead, language: Language) -> AttemptFacts {
        AttemptFacts {
            began: words::clock(attempt.began, &head.zone, language),
            outcome: attempt.outcome.name(),
            cause: attempt.outcome.in_words(),
            pages: attempt.pages,
            seconds: attempt.seconds,
            detail: one_line(&attempt.detail, 200),
        }
    }
}

/// Something that was noticed: of which document, what, with its numbers, and the whole in English.
#[derive(Debug, Serialize)]
struct RemarkFacts {
    name: String,
    kind: &'static str,
    page: u32,
    count: u32,
    detail: String,
    text: String,
}

impl RemarkFacts {
    fn of(noticed: &Noticed) -> RemarkFacts {
        let (kind, page, count, detail) = match &noticed.what {
            Remarkable::Drawn(Remark::CameOutBlank { page }) => ("came_out_blank", *page, 0, ""),
            Remarkable::Drawn(Remark::BlankPicture { page }) => ("blank_picture", *page, 0, ""),
            Remarkable::Drawn(Remark::CameOutBlack { page }) => ("came_out_black", *page, 0, ""),
            Remarkable::Drawn(Remark::NotDrawn { page }) => ("not_drawn", *page, 0, ""),
            Remarkable::Drawn(Remark::LostText { page, words }) => {
                ("lost_text", *page, 0, words.as_str())
            }
            Remarkable::Drawn(Remark::Cut { page, sheets }) => ("cut", *page, *sheets, ""),
            Remarkable::Drawn(Remark::NoFont { page, scripts }) => {
                ("no_font", *page, 0, scripts.as_str())
            }
            Remarkable::BlankEnd(pages) => ("blank_end", 0, *pages, ""),
        };
        RemarkFacts {
            name: one_line(&noticed.document, 60),
            kind,
            page,
            count,
            detail: one_line(detail, 120),
            text: one_line(&noticed.to_string(), 300),
        }
    }
}

/// A part of the mail: its pages, or why it has none.
#[derive(Debug, Serialize)]
pub(super) struct PartFacts {
    name: String,
    pages: u32,
    why: Option<String>,
}

pub(super) fn parts(parts: &[Part]) -> Vec<PartFacts> {
    let facts = |part: &Part| {
        let (pages, why) = match &part.fate {
            Fate::Faxed { pages } => (*pages, None),
            Fate::Skipped { why } => (0, Some(one_line(why, 200))),
        };
        PartFacts {
            name: one_line(&part.name, 60),
            pages,
            why,
        }
    };
    parts.iter().map(facts).collect()
}
