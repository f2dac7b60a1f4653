//! The receipt: what the sender of a mail hears about the fax that was made of it. Pure.
//!
//! One is written for a fax when nothing will be tried any more, and at most one before that, when it waits for long.
//! Its first sentence is the answer; what follows is for those who ask on. For machines it is a report (RFC 3464),
//! but for a delivery that nobody asked to be told of in that form: mail programs show a report less well than a mail.
//! The null return path and `Auto-Submitted` keep machines from answering it.

pub mod broadcast;
pub mod examples;
mod facts;
mod status;
pub mod wanted;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::call::outcome::{FarEnd, Outcome};
use crate::letter::draft::{AutoSubmitted, Draft, Picture, Thread};
use crate::letter::report::{Report, Returned};
use crate::letter::templates::Templates;
use crate::letter::wording::one_line;
use crate::letter::{Letter, LetterError, Letterhead};
use crate::pages::cover::Language;
use crate::pages::remark::Remark;
pub use wanted::Wanted;

/// What is known of a fax.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// Its id in the queue.
    pub fax: String,
    /// How it ended, or how it stands.
    pub ending: Ending,
    /// The number dialled.
    pub number: String,
    /// Its name in the phone book.
    pub name: Option<String>,
    /// The address to which the mail came.
    pub recipient: String,
    /// ORCPT (RFC 3461 4.2), decoded.
    pub orcpt: Option<String>,
    /// What its sender wants to hear.
    pub wanted: Wanted,
    /// The sub-address that was to go with it (T.33).
    pub sub_address: Option<String>,
    /// Project or billing code.
    pub billing: Option<String>,
    /// Who else it is for.
    pub further: Vec<Addressee>,
    /// Pages it has; 0 where it never got that far.
    pub pages: u32,
    /// Pages the far end confirmed, over all attempts.
    pub confirmed: u32,
    /// Calls so far.
    pub calls: u32,
    /// Seconds of the last call, from answer to end.
    pub seconds: f64,
    /// When its mail was accepted.
    pub accepted: Timestamp,
    /// When it ended; of one that waits: now.
    pub ended: Timestamp,
    /// What is known of the far end.
    pub far_end: FarEnd,
    /// Every attempt, oldest first.
    pub attempts: Vec<Attempt>,
    /// The parts of the mail, in their order.
    pub parts: Vec<Part>,
    /// What was noticed when its pages were made.
    pub remarks: Vec<Noticed>,
    /// Its first page, a PNG.
    pub picture: Option<Vec<u8>>,
    /// The mail it came from.
    pub mail: OriginalMail,
}

/// A recipient of the mail whose fax another one has, too.
#[derive(Debug, Clone)]
pub struct Addressee {
    /// The address to which the mail came.
    pub recipient: String,
    /// Its name in the phone book.
    pub name: Option<String>,
    /// ORCPT (RFC 3461 4.2), decoded.
    pub orcpt: Option<String>,
    /// What its sender wants to hear.
    pub wanted: Wanted,
    /// Project or billing code.
    pub billing: Option<String>,
}

impl Receipt {
    /// One for each recipient whose fax it is.
    pub fn each(self) -> Vec<Receipt> {
        let mut first = self;
        let further = std::mem::take(&mut first.further);
        let of = |it: Addressee| Receipt {
            recipient: it.recipient,
            name: it.name,
            orcpt: it.orcpt,
            wanted: it.wanted,
            billing: it.billing,
            ..first.clone()
        };
        let further: Vec<Receipt> = further.into_iter().map(of).collect();
        std::iter::once(first).chain(further).collect()
    }

    /// Leaves only those recipients of whom its sender wants to hear this (NOTIFY); where there is none, the first.
    pub fn narrow(&mut self, kind: Kind) {
        let first = Addressee {
            recipient: self.recipient.clone(),
            name: self.name.clone(),
            orcpt: self.orcpt.clone(),
            wanted: self.wanted,
            billing: self.billing.clone(),
        };
        let all = std::iter::once(first).chain(std::mem::take(&mut self.further));
        let mut wanting = all.filter(|it| it.wanted.wants(kind));
        if let Some(first) = wanting.next() {
            self.further = wanting.collect();
            self.recipient = first.recipient;
            self.name = first.name;
            self.orcpt = first.orcpt;
            self.wanted = first.wanted;
            self.billing = first.billing;
        }
    }

    /// Whether a report for machines was asked for, for one of its recipients.
    pub fn is_asked_by_dsn(&self) -> bool {
        let further = self.further.iter().map(|it| it.wanted);
        further.chain([self.wanted]).any(|wanted| wanted.by_dsn)
    }
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
    /// ENVID (RFC 3461 4.4), decoded.
    pub envelope_id: Option<String>,
    /// What of it goes back with a report.
    pub returned: Option<Returned>,
    /// The language of its receipts.
    pub language: Language,
}

/// How a fax ended, or how it stands.
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
    /// It has not ended.
    Waits {
        /// What became of the last attempt.
        last: Option<Outcome>,
        /// Somebody holds it back.
        held: bool,
        /// When it is given up; `None`: not while it is held.
        until: Option<Timestamp>,
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
    /// Final SIP status of the INVITE.
    pub sip_code: Option<u16>,
    /// Q.850 cause.
    pub q850: Option<u16>,
}

/// A part of the mail, and what was done with it. The queue keeps these as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// File name, or what stands for it: "text of the mail".
    pub name: String,
    /// What was done with it.
    pub fate: Fate,
}

/// What was noticed when the pages of a document were made; [`std::fmt::Display`] is the sentence in English. The queue
/// keeps these as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{document}: {what}.")]
pub struct Noticed {
    /// Its file name.
    pub document: String,
    /// What it was.
    pub what: Remarkable,
}

/// What may be noticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Remarkable {
    /// By whoever drew its pages.
    #[error("{0}")]
    Drawn(Remark),
    /// Its last pages were blank, and are not sent.
    #[error("{}", blank_end(*.0))]
    BlankEnd(u32),
}

fn blank_end(pages: u32) -> String {
    match pages {
        1 => "its last page is blank and was left out".to_owned(),
        n => format!("its last {n} pages are blank and were left out"),
    }
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

/// The kinds of receipt, each with sentences and a subject of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Every page was confirmed.
    Delivered,
    /// Given up.
    Failed,
    /// It waits.
    Delayed,
    /// It may have arrived.
    Uncertain,
    /// Somebody cancelled it.
    Cancelled,
}

impl Kind {
    /// The kind that goes with an ending.
    pub fn of(ending: &Ending) -> Kind {
        match ending {
            Ending::Called(Outcome::Delivered) => Kind::Delivered,
            Ending::Called(Outcome::Uncertain) => Kind::Uncertain,
            Ending::Called(Outcome::Cancelled) => Kind::Cancelled,
            Ending::Called(_) | Ending::NotRendered { .. } => Kind::Failed,
            Ending::Waits { .. } => Kind::Delayed,
        }
    }

    /// As templates and Message-IDs have it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Delivered => "delivered",
            Kind::Failed => "failed",
            Kind::Delayed => "delayed",
            Kind::Uncertain => "uncertain",
            Kind::Cancelled => "cancelled",
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
    let language = receipt.mail.language;
    // The time keeps the receipts of a queue started anew apart from those of the old.
    let id = match kind {
        Kind::Delayed => receipt.accepted,
        _ => receipt.ended,
    };
    let id = format!("receipt.{}.{}.{}", receipt.fax, kind.name(), id.as_second());
    let cid = format!("page-1.{id}@{}", head.hostname);
    let facts = facts::of_receipt(
        receipt,
        head,
        receipt.picture.is_some().then_some(cid.as_str()),
    );
    let fill = |name| head.templates.fill(name, language, &facts);
    let report = report(receipt, kind, head);
    Draft {
        to: std::slice::from_ref(&receipt.mail.sender),
        subject: subject_line(receipt, kind, head, fill)?,
        text: fill("receipt.txt")?,
        html: Some(fill("receipt.html")?),
        picture: receipt
            .picture
            .as_deref()
            .map(|png| Picture { cid: &cid, png }),
        report: report.as_ref(),
        date: now,
        message_id: id,
        thread: receipt.mail.thread(),
        auto_submitted: AutoSubmitted::Replied,
        fax_message: false,
        attachment: None,
        bounces: false,
    }
    .write(head)
}

/// Of a delivery, or a fax that waits, as the site has it; whatever else became of a fax stands in the subject in our words, so
/// that no template hides it.
fn subject_line(
    receipt: &Receipt,
    kind: Kind,
    head: &Letterhead,
    fill: impl Fn(&'static str) -> Result<String, LetterError>,
) -> Result<String, LetterError> {
    let has_own = head.templates.has_own("subject.txt", receipt.mail.language);
    if has_own && matches!(kind, Kind::Delivered | Kind::Delayed) {
        let own = one_line(&fill("subject.txt")?, 200);
        if !own.is_empty() {
            return Ok(own);
        }
    }
    let prefix = one_line(&fill("subject")?, 80);
    Ok(format!("{prefix}: {}", subject_or_number(receipt)))
}

/// The first sentence of the receipt, and what to do next, which may be empty: what the page and `postfax show` say.
///
/// # Errors
/// [`LetterError::Template`] should our own templates be broken.
pub fn in_short(receipt: &Receipt, head: &Letterhead) -> Result<(String, String), LetterError> {
    let facts = facts::of_receipt(receipt, head, None);
    let fill = |name| head.templates.fill(name, receipt.mail.language, &facts);
    Ok((fill("first")?, fill("next")?))
}

/// The report for machines, with the fields of each recipient. Who asked for nothing gets none of a delivery (RFC 3461
/// 4.1), only a mail.
fn report(receipt: &Receipt, kind: Kind, head: &Letterhead) -> Option<Report> {
    let light = Receipt {
        picture: None,
        ..receipt.clone()
    };
    let asked = |it: &Receipt| it.wanted.by_dsn || kind != Kind::Delivered;
    let each = light.each().into_iter().filter(asked);
    let recipients: Vec<_> = each.map(|it| status::of(&it)).collect();
    (!recipients.is_empty()).then(|| Report {
        reporting_mta: head.hostname.clone(),
        envelope_id: receipt.mail.envelope_id.clone(),
        arrived: receipt.accepted,
        recipients,
        returned: receipt.mail.returned_with(kind),
        zone: head.zone.clone(),
    })
}

impl OriginalMail {
    fn thread(&self) -> Thread<'_> {
        Thread {
            message_id: self.message_id.as_deref(),
            references: self.references.as_deref(),
        }
    }

    /// RFC 3461 4.3: RET is about failures; with any other report only the header goes back.
    fn returned_with(&self, kind: Kind) -> Option<Returned> {
        match (&self.returned, kind) {
            (Some(Returned::Whole(mail)), Kind::Delivered | Kind::Delayed) => {
                Some(Returned::headers_of(mail))
            }
            (returned, _) => returned.clone(),
        }
    }
}

fn subject_or_number(receipt: &Receipt) -> String {
    subject(&receipt.mail, 120).unwrap_or_else(|| one_line(&receipt.number, 40))
}

fn subject(mail: &OriginalMail, limit: usize) -> Option<String> {
    let subject = one_line(mail.subject.as_deref()?, limit);
    (!subject.is_empty()).then_some(subject)
}

/// What does not work in the templates of a site: each is tried with every kind of mail that it is for.
pub fn broken_templates(templates: &Templates, head: &Letterhead) -> Vec<String> {
    let mut broken = Vec::new();
    for language in [Language::En, Language::De] {
        let one = [
            "subject",
            "subject.txt",
            "first",
            "next",
            "receipt.txt",
            "receipt.html",
        ];
        let many = ["many-subject", "broadcast.txt", "broadcast.html"];
        let mut attempts = Vec::new();
        for receipt in examples::all() {
            let facts = facts::of_receipt(&receipt, head, Some("page-1@example"));
            attempts.extend(one.map(|name| (name, facts.clone())));
        }
        for all in examples::broadcasts() {
            let facts = broadcast::facts(&all, head);
            attempts.extend(many.map(|name| (name, facts.clone())));
        }
        for (name, facts) in attempts {
            broken.extend(templates.fill_own(name, language, &facts).err());
        }
    }
    let mut told: Vec<String> = broken.iter().map(ToString::to_string).collect();
    told.sort();
    told.dedup();
    told
}

#[cfg(test)]
mod tests;
