//! The receipt: what the sender of a mail hears about the fax that was made of it. Pure.
//!
//! Exactly one is written for a fax, when nothing will be tried any more. Its first sentence is the answer; what
//! follows is for those who ask on. The null return path and `Auto-Submitted` keep machines from answering it.

use jiff::Timestamp;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::{Deserialize, Serialize};

use crate::call::outcome::{FarEnd, Outcome};
use crate::letter::draft::{AutoSubmitted, Draft, Thread};
use crate::letter::wording::{self, one_line};
use crate::letter::{Letter, LetterError, Letterhead};

/// What is known of a fax when nothing will be tried any more.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// Its id in the queue.
    pub fax: String,
    /// How it ended.
    pub ending: Ending,
    /// The number dialled.
    pub number: String,
    /// The sub-address that was to go with it (T.33).
    pub sub_address: Option<String>,
    /// Pages it has; 0 where it never got that far.
    pub pages: u32,
    /// Pages the far end confirmed, over all attempts.
    pub confirmed: u32,
    /// Seconds of the last call, from answer to end.
    pub seconds: f64,
    /// When it ended.
    pub ended: Timestamp,
    /// What is known of the far end.
    pub far_end: FarEnd,
    /// Every attempt, oldest first.
    pub attempts: Vec<Attempt>,
    /// The parts of the mail, in their order.
    pub parts: Vec<Part>,
    /// What is to be said of its pages, in sentences.
    pub remarks: Vec<String>,
    /// The mail it came from.
    pub mail: OriginalMail,
}

/// The mail that a fax was made of: header values as they came in.
#[derive(Debug, Clone, Default)]
pub struct OriginalMail {
    /// Envelope sender: who gets the receipt.
    pub sender: String,
    /// Subject, decoded.
    pub subject: Option<String>,
    /// Message-ID.
    pub message_id: Option<String>,
    /// References.
    pub references: Option<String>,
}

/// How a fax ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// As its last call did, or as the admin wished.
    Called(Outcome),
    /// Before any call: a document could not be made into pages.
    NotRendered {
        /// Its file name.
        document: String,
        /// Half a sentence: "it is damaged and cannot be read as PDF".
        why: String,
    },
}

/// One call.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// When it was dialled.
    pub began: Timestamp,
    /// What became of it.
    pub outcome: Outcome,
    /// The cause in detail: "486 Busy Here".
    pub detail: String,
    /// Pages confirmed in it.
    pub pages: u32,
    /// Seconds from answer to end; 0 where nobody answered.
    pub seconds: f64,
}

/// A part of the mail, and what was done with it. The queue keeps these as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// File name, or what stands for it: "message text".
    pub name: String,
    /// What was done with it.
    pub fate: Fate,
}

/// What was done with a part of the mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Made into this many pages.
    Faxed {
        /// Its pages.
        pages: u32,
    },
    /// Left out, and why: "a signature is not faxed".
    Skipped {
        /// Half a sentence.
        why: String,
    },
}

/// The kinds of receipt, each with a template and a subject of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Delivered,
    Failed,
    Uncertain,
    Cancelled,
}

impl Kind {
    fn of(ending: &Ending) -> Kind {
        match ending {
            Ending::Called(Outcome::Delivered) => Kind::Delivered,
            Ending::Called(Outcome::Uncertain) => Kind::Uncertain,
            Ending::Called(Outcome::Cancelled) => Kind::Cancelled,
            Ending::Called(_) | Ending::NotRendered { .. } => Kind::Failed,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Delivered => "delivered",
            Kind::Failed => "failed",
            Kind::Uncertain => "uncertain",
            Kind::Cancelled => "cancelled",
        }
    }

    /// What the subject begins with, so that a glance at the inbox is enough.
    fn prefix(self) -> &'static str {
        match self {
            Kind::Delivered => "Fax delivered",
            Kind::Failed => "Fax NOT delivered",
            Kind::Uncertain => "Fax perhaps delivered",
            Kind::Cancelled => "Fax cancelled",
        }
    }
}

/// Writes the receipt; `now` is its Date.
///
/// # Errors
/// [`LetterError`], mostly because the envelope sender is no address to write to. A null sender (`<>`) is one of
/// these: there is nobody to tell (RFC 3834 2).
pub fn write(receipt: &Receipt, head: &Letterhead, now: Timestamp) -> Result<Letter, LetterError> {
    let kind = Kind::of(&receipt.ending);
    let text = wording::fill(
        &format!("receipt-{}.txt", kind.name()),
        facts(receipt, head),
    )?;
    Draft {
        to: std::slice::from_ref(&receipt.mail.sender),
        subject: format!("{}: {}", kind.prefix(), subject_or_number(receipt)),
        text,
        date: now,
        // The time keeps the receipts of a queue started anew apart from those of the old.
        message_id: format!(
            "receipt.{}.{}.{}",
            receipt.fax,
            kind.name(),
            receipt.ended.as_second()
        ),
        thread: Thread {
            message_id: receipt.mail.message_id.as_deref(),
            references: receipt.mail.references.as_deref(),
        },
        auto_submitted: AutoSubmitted::Replied,
        fax_message: false,
        pdf: None,
    }
    .write(head)
}

/// The sub-address, and that it was not taken where the far end has said so (DIS, bit 49).
fn sub_address(receipt: &Receipt) -> Option<String> {
    let sub_address = one_line(receipt.sub_address.as_deref()?, 20);
    let said = receipt.far_end.said.as_ref();
    Some(match said.is_some_and(|said| !said.sub_address) {
        true => format!("{sub_address}, not sent: the machine there takes no sub-address"),
        false => sub_address,
    })
}

fn subject_or_number(receipt: &Receipt) -> String {
    subject(receipt, 120).unwrap_or_else(|| one_line(&receipt.number, 40))
}

fn subject(receipt: &Receipt, limit: usize) -> Option<String> {
    let subject = one_line(receipt.mail.subject.as_deref()?, limit);
    (!subject.is_empty()).then_some(subject)
}

/// What the templates may say.
fn facts(receipt: &Receipt, head: &Letterhead) -> Value {
    let attempts: Vec<_> = receipt
        .attempts
        .iter()
        .map(|attempt| AttemptFacts::of(attempt, head))
        .collect();
    let parts: Vec<_> = receipt.parts.iter().map(PartFacts::of).collect();
    let name_width = parts.iter().map(|part| part.name.chars().count()).max();
    let station = receipt.far_end.ident.as_deref();
    context! {
        title => subject(receipt, 80).map_or(String::new(), |subject| format!("\"{subject}\" ")),
        number => one_line(&receipt.number, 40),
        sub_address => sub_address(receipt),
        pages => receipt.pages,
        confirmed => receipt.confirmed,
        seconds => receipt.seconds,
        ended => wording::when(receipt.ended, &head.zone),
        cause => cause(&receipt.ending),
        what_next => what_next(&receipt.ending),
        station => station.map(|ident| one_line(ident, 20)),
        line => wording::line(&receipt.far_end),
        fax => one_line(&receipt.fax, 40),
        attempts => Value::from(Serde(attempts)),
        parts => Value::from(Serde(parts)),
        remarks => receipt.remarks.iter().map(|remark| one_line(remark, 250)).collect::<Vec<_>>(),
        name_width => name_width.unwrap_or(0),
        hostname => head.hostname.as_str(),
    }
}

#[derive(Serialize)]
struct AttemptFacts {
    began: String,
    cause: &'static str,
    facts: String,
}

impl AttemptFacts {
    fn of(attempt: &Attempt, head: &Letterhead) -> AttemptFacts {
        let mut facts = Vec::new();
        if attempt.seconds > 0.0 {
            let (pages, seconds) = (
                wording::pages(attempt.pages),
                wording::seconds(attempt.seconds),
            );
            facts.push(format!("{pages} confirmed in {seconds}"));
        }
        facts.push(one_line(&attempt.detail, 200));
        facts.retain(|fact| !fact.is_empty());
        AttemptFacts {
            began: wording::clock(attempt.began, &head.zone),
            cause: attempt.outcome.in_words(),
            facts: facts.join("; "),
        }
    }
}

#[derive(Serialize)]
struct PartFacts {
    name: String,
    fate: String,
}

impl PartFacts {
    fn of(part: &Part) -> PartFacts {
        PartFacts {
            name: one_line(&part.name, 60),
            fate: match &part.fate {
                Fate::Faxed { pages } => format!("faxed, {}", wording::pages(*pages)),
                Fate::Skipped { why } => format!("not faxed: {}", one_line(why, 200)),
            },
        }
    }
}

/// The cause, to stand behind a colon.
fn cause(ending: &Ending) -> String {
    match ending {
        Ending::Called(outcome) => outcome.in_words().to_string(),
        Ending::NotRendered { document, why } => format!(
            "\"{}\" could not be made into fax pages, because {}",
            one_line(document, 60),
            one_line(why, 200)
        ),
    }
}

/// What the sender can do about it.
fn what_next(ending: &Ending) -> &'static str {
    let Ending::Called(outcome) = ending else {
        return "Please send it again as a PDF that opens without a password.";
    };
    match outcome {
        Outcome::Delivered => "",
        Outcome::Busy | Outcome::Congestion => "Please send it again later.",
        Outcome::NoAnswer => {
            "Please check the number, or ask the recipient to switch the fax machine on, and send it again."
        }
        Outcome::NotInService => "Please check the number and send it again.",
        Outcome::NoFax | Outcome::VoiceAnswered => {
            "Please check that this is the number of a fax machine."
        }
        Outcome::Refused => {
            "Please check the number; if it is right, show this mail to your administrator."
        }
        Outcome::TrainingFailed | Outcome::FarEndHungUp | Outcome::FarEndSilent => {
            "Please send it again; if that does not help, ask the recipient to look at the fax machine."
        }
        Outcome::PageRefused => {
            "Please ask the recipient to look at the fax machine (paper, memory), and send it again."
        }
        Outcome::Incompatible => {
            "Please ask the recipient which paper and resolution the fax machine takes, or for another number."
        }
        Outcome::TooLong => "Please send it again with fewer pages or without pictures.",
        Outcome::T38Failed
        | Outcome::T38Silent
        | Outcome::ProtocolError
        | Outcome::TrunkDown
        | Outcome::NotAuthorized
        | Outcome::ChildCrashed
        | Outcome::ChildHung
        | Outcome::StorageFailed => {
            "Please show this mail to your administrator, and send the fax again when the cause is gone."
        }
        Outcome::Uncertain => "Please ask the recipient; if it is missing, send your mail again.",
        Outcome::Cancelled => "If it is still wanted, send your mail again.",
        Outcome::GatewayStopped => "Please send your mail again.",
    }
}

#[cfg(test)]
mod tests;
