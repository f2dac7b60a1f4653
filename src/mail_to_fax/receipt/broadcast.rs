//! One mail about a fax to many, instead of hundreds: the table of its recipients for people, a group of fields for
//! each for machines (RFC 3464 2.3).

use jiff::Timestamp;
use minijinja::context;
use minijinja::value::{Serde, Value};

use super::facts::{FaxFacts, parts, width};
use super::{Kind, OriginalMail, Part, Receipt, status, subject};
use crate::letter::draft::{AutoSubmitted, Draft};
use crate::letter::report::Report;
use crate::letter::wording::one_line;
use crate::letter::{Letter, LetterError, Letterhead};

/// A mail to many.
#[derive(Debug, Clone)]
pub struct Broadcast {
    /// Its id in the queue.
    pub message: String,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// When its last fax ended; where some wait: now.
    pub ended: Timestamp,
    /// The mail itself.
    pub mail: OriginalMail,
    /// Its parts, in their order.
    pub parts: Vec<Part>,
    /// Each fax, without what all have in common (parts, remarks, picture).
    pub faxes: Vec<Receipt>,
}

impl Broadcast {
    /// Those of whom its sender wants to hear. `interim`: some still wait.
    pub fn told(&self, interim: bool) -> Vec<&Receipt> {
        let wants = |fax: &&Receipt| match interim {
            true => fax.wanted.delay,
            false => fax.wanted.wants(Kind::of(&fax.ending)),
        };
        self.faxes.iter().filter(wants).collect()
    }

    fn waits(&self) -> bool {
        let waits = |fax: &Receipt| Kind::of(&fax.ending) == Kind::Delayed;
        self.faxes.iter().any(waits)
    }
}

/// Writes the one mail; `now` is its Date. `None`: nobody wants to hear of it (NOTIFY).
///
/// # Errors
/// As [`super::write`].
pub fn write(
    all: &Broadcast,
    head: &Letterhead,
    now: Timestamp,
) -> Result<Option<Letter>, LetterError> {
    let interim = all.waits();
    let told = all.told(interim);
    if told.is_empty() {
        return Ok(None);
    }
    let facts = facts(all, head);
    let fill = |name| head.templates.fill(name, all.mail.language, &facts);
    let prefix = one_line(&fill("many-subject")?, 80);
    let subject = match subject(&all.mail, 120) {
        Some(subject) => format!("{prefix}: {subject}"),
        None => prefix,
    };
    let kind = if interim { Kind::Delayed } else { Kind::Failed };
    let report = Report {
        reporting_mta: head.hostname.clone(),
        envelope_id: all.mail.envelope_id.clone(),
        arrived: all.accepted,
        recipients: told
            .into_iter()
            .filter(|fax| is_reported(fax, interim))
            .map(status::of)
            .collect(),
        returned: all.mail.returned_with(kind),
        zone: head.zone.clone(),
    };
    let stage = if interim { "delayed" } else { "ended" };
    let letter = Draft {
        to: std::slice::from_ref(&all.mail.sender),
        subject,
        text: fill("broadcast.txt")?,
        html: Some(fill("broadcast.html")?),
        picture: None,
        report: (!report.recipients.is_empty()).then_some(&report),
        date: now,
        message_id: format!(
            "receipt.{}.{stage}.{}",
            all.message,
            all.accepted.as_second()
        ),
        thread: all.mail.thread(),
        auto_submitted: AutoSubmitted::Replied,
        fax_message: false,
        attachment: None,
        bounces: false,
    };
    letter.write(head).map(Some)
}

/// Whether machines are told of it: only once, and of a delivery where NOTIFY asks for it (RFC 3461 4.1).
fn is_reported(fax: &Receipt, interim: bool) -> bool {
    match Kind::of(&fax.ending) {
        Kind::Delayed => true,
        _ if interim => false,
        Kind::Delivered => fax.wanted.by_dsn,
        _ => true,
    }
}

/// What the templates may say: those who did not get it come first.
pub(super) fn facts(all: &Broadcast, head: &Letterhead) -> Value {
    // NOTIFY=NEVER is meant for people, too.
    let mut faxes: Vec<&Receipt> = all
        .faxes
        .iter()
        .filter(|fax| fax.wanted.success || fax.wanted.failure || fax.wanted.delay)
        .collect();
    faxes.sort_by_key(|fax| rank(Kind::of(&fax.ending)));
    let count = |kind| {
        let is_so = |fax: &&&Receipt| Kind::of(&fax.ending) == kind;
        faxes.iter().filter(is_so).count()
    };
    let name = |fax: &Receipt| {
        fax.name
            .as_deref()
            .map_or(0, |name| name.chars().count() + 3)
    };
    let to_width = faxes
        .iter()
        .map(|fax| name(fax) + fax.number.chars().count());
    let parts = parts(&all.parts);
    context! {
        all => context! {
            title => subject(&all.mail, 80).unwrap_or_default(),
            count => faxes.len(),
            delivered => count(Kind::Delivered),
            failed => count(Kind::Failed),
            uncertain => count(Kind::Uncertain),
            cancelled => count(Kind::Cancelled),
            waiting => count(Kind::Delayed),
            ended => crate::letter::words::when(all.ended, &head.zone, all.mail.language),
            name_width => width(&parts),
            parts => Value::from(Serde(parts)),
            faxes => faxes.iter().map(|fax| Value::from(Serde(FaxFacts::of(fax, all.mail.language, head)))).collect::<Vec<_>>(),
        },
        to_width => to_width.max().unwrap_or(0).clamp(9, 60),
        hostname => head.hostname.as_str(),
    }
}

fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::Failed => 0,
        Kind::Uncertain => 1,
        Kind::Cancelled => 2,
        Kind::Delayed => 3,
        Kind::Delivered => 4,
    }
}
