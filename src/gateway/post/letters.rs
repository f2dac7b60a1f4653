//! Rows of the queue to a letter: the facts are gathered here, the journeys make words of them.

use std::io::{BufRead, BufReader, Read};

use jiff::Timestamp;

use super::{Refusal, folder_of};
use crate::call::outcome::{FarEnd, Outcome};
use crate::config::Config;
use crate::context::{Context, now};
use crate::fax_to_mail::compose;
use crate::gateway::searchable;
use crate::letter::report::Returned;
use crate::letter::returned;
use crate::letter::{Letter, LetterError, Letterhead};
use crate::mail_to_fax::receipt::broadcast::{self, Broadcast};
use crate::mail_to_fax::receipt::wanted::{Reserve, reserve_of};
use crate::mail_to_fax::receipt::{self, Attempt, Ending, Kind, OriginalMail, Receipt, Wanted};
use crate::pages::cover::Language;
use crate::pages::pdf::{self, PdfInfo};
use crate::queue::{
    AttemptRow, ClaimedMail, FaxRow, MailKind, Millis, Store, StoreError, ToldFax, ToldMail,
};

/// What came of a row.
pub(super) enum Composed {
    /// A letter.
    Letter(Letter),
    /// Nobody is to be told, and why.
    Nothing(&'static str),
}

const NOT_ASKED: &str = "its sender did not ask to hear of this";
const NOBODY: &str = "its mail came from nobody (MAIL FROM:<>)";
const A_REPORT: &str = "its mail is a report or an automatic answer itself";
const OVER: &str = "the fax is over, and its receipt says how";

/// A mail that is given back whole (RET=FULL) is no larger than this; of a larger one only the header is.
const LARGEST_RETURNED: u64 = 10 << 20;

/// Octets of a header that are read at most.
const LONGEST_HEADER: u64 = 256 << 10;

/// Writes the letter of one row.
pub(super) async fn compose(context: &Context, mail: &ClaimedMail) -> Result<Composed, Refusal> {
    let (config, head) = (context.config(), context.letterhead());
    let books = Books {
        store: &context.store,
        config: &config,
    };
    let date = timestamp(mail.created_at);
    match mail.kind {
        MailKind::Receipt | MailKind::Delay => match books.receipt(&mail.subject_of).await? {
            Some(receipt) => one(&books, receipt, mail, &head, date).await,
            None => many(&books, mail, &head, date).await,
        },
        MailKind::Broadcast => many(&books, mail, &head, date).await,
        MailKind::ReceivedFax => {
            let to = match folder_of(&mail.recipient) {
                Some(_) => config.mail_from(),
                None => mail.recipient.clone(),
            };
            let fax = received(&context.store, &mail.subject_of).await?;
            let letter = with_pdf(context, fax, move |fax, pdf| {
                compose::write(fax, pdf, &[to], &head, date)
            })
            .await?;
            Ok(Composed::Letter(letter))
        }
        MailKind::Returned => give_back(context, mail, &head, date).await,
    }
}

/// A receipt, or the mail that a fax still waits.
async fn one(
    books: &Books<'_>,
    mut receipt: Receipt,
    mail: &ClaimedMail,
    head: &Letterhead,
    date: Timestamp,
) -> Result<Composed, Refusal> {
    let kind = Kind::of(&receipt.ending);
    if (mail.kind == MailKind::Delay) != (kind == Kind::Delayed) {
        return Ok(Composed::Nothing(OVER));
    }
    if let Some(why) = books.reserve(&receipt.mail, kind, receipt.wanted) {
        return Ok(Composed::Nothing(why));
    }
    books.add_picture(&mut receipt).await?;
    receipt::write(&receipt, head, date)
        .map(Composed::Letter)
        .map_err(Refusal::never)
}

/// The one mail about a fax to many.
async fn many(
    books: &Books<'_>,
    mail: &ClaimedMail,
    head: &Letterhead,
    date: Timestamp,
) -> Result<Composed, Refusal> {
    let all = books.broadcast(&mail.subject_of).await?;
    let all = all.ok_or_else(|| Refusal::never(format!("there is no fax {}", mail.subject_of)))?;
    let waits = all
        .faxes
        .iter()
        .any(|fax| Kind::of(&fax.ending) == Kind::Delayed);
    if mail.kind == MailKind::Delay && !waits {
        return Ok(Composed::Nothing(OVER));
    }
    let delivered = all
        .faxes
        .iter()
        .all(|fax| Kind::of(&fax.ending) == Kind::Delivered);
    let kind = if delivered {
        Kind::Delivered
    } else {
        Kind::Failed
    };
    let asked = Wanted::of(Some(7), true);
    if let Some(why) = books.reserve(&all.mail, kind, asked) {
        return Ok(Composed::Nothing(why));
    }
    match broadcast::write(&all, head, date).map_err(Refusal::never)? {
        Some(letter) => Ok(Composed::Letter(letter)),
        None => Ok(Composed::Nothing(NOT_ASKED)),
    }
}

/// What the postmaster gets: the mail that was refused, and why.
async fn give_back(
    context: &Context,
    mail: &ClaimedMail,
    head: &Letterhead,
    date: Timestamp,
) -> Result<Composed, Refusal> {
    let refused = context.store.outgoing(&mail.subject_of).await?;
    let Some(refused) = refused else {
        return Err(Refusal::never(format!(
            "there is no mail {}",
            mail.subject_of
        )));
    };
    let about = returned::Refused {
        mail: mail.id.clone(),
        recipient: refused.recipient.clone(),
        reply: refused.reply.clone(),
        ended: date,
    };
    let to = mail.recipient.clone();
    if refused.kind == MailKind::ReceivedFax.name() {
        let fax = received(&context.store, &refused.subject_of).await?;
        let head = head.clone();
        let letter = with_pdf(context, fax, move |fax, pdf| {
            let fax = returned::Fax {
                from: fax.from.clone(),
                to: fax.to.clone(),
                pdf,
            };
            returned::fax(&about, &fax, &to, &head)
        })
        .await?;
        return Ok(Composed::Letter(letter));
    }
    let original = ClaimedMail {
        id: refused.id.clone(),
        kind: MailKind::from_name(&refused.kind),
        subject_of: refused.subject_of.clone(),
        recipient: refused.recipient.clone(),
        created_at: refused.created_at,
        tries: 0,
    };
    let letter = match Box::pin(compose(context, &original)).await {
        Ok(Composed::Letter(letter)) => Some(letter.bytes),
        // An address to which no letter can be written: then the words alone.
        Ok(Composed::Nothing(_))
        | Err(Refusal {
            permanent: true, ..
        }) => None,
        Err(later) => return Err(later),
    };
    returned::receipt(&about, letter.as_deref(), &to, head)
        .map(Composed::Letter)
        .map_err(Refusal::never)
}

/// The queue as it is read for receipts.
pub struct Books<'a> {
    /// Custody.
    pub store: &'a Store,
    /// The settings in force.
    pub config: &'a Config,
}

impl Books<'_> {
    /// What is known of a fax, without the picture of its first page; `None`: no such fax.
    ///
    /// # Errors
    /// As the store says.
    pub async fn receipt(&self, fax: &str) -> Result<Option<Receipt>, StoreError> {
        let Some(told) = self.store.told_fax(fax).await? else {
            return Ok(None);
        };
        let Some(mail) = self.store.told_mail(&told.fax.message).await? else {
            return Ok(None);
        };
        let attempts = self.store.attempts(fax).await?;
        let parts = serde_json::from_str(&mail.manifest).unwrap_or_default();
        let original = self.original(mail).await;
        let mut receipt = self.outline(&told, original);
        receipt.far_end = attempts.last().map(far_end).unwrap_or_default();
        receipt.attempts = attempts.iter().map(attempt).collect();
        receipt.parts = parts;
        Ok(Some(receipt))
    }

    /// A mail and all its faxes.
    async fn broadcast(&self, message: &str) -> Result<Option<Broadcast>, StoreError> {
        let Some(mail) = self.store.told_mail(message).await? else {
            return Ok(None);
        };
        let faxes = self.store.told_faxes(message).await?;
        let parts = serde_json::from_str(&mail.manifest).unwrap_or_default();
        let accepted = timestamp(mail.accepted_at);
        let mail = self.original(mail).await;
        let light = OriginalMail {
            returned: None,
            ..mail.clone()
        };
        let outline = |told: &ToldFax| Receipt {
            attempts: told
                .last_attempt
                .iter()
                .map(|it| last_attempt(&told.fax, it))
                .collect(),
            remarks: Vec::new(),
            ..self.outline(told, light.clone())
        };
        let ended = faxes.iter().filter_map(|told| told.fax.ended_at).max();
        Ok(Some(Broadcast {
            message: message.to_owned(),
            accepted,
            ended: timestamp(ended.unwrap_or(now())),
            mail,
            parts,
            faxes: faxes.iter().map(outline).collect(),
        }))
    }

    fn outline(&self, told: &ToldFax, mail: OriginalMail) -> Receipt {
        let fax = &told.fax;
        Receipt {
            orcpt: told.orcpt.clone(),
            wanted: Wanted::of(told.notify, self.config.tells_delivered(&fax.sender)),
            billing: told.billing.clone(),
            remarks: serde_json::from_str(&told.remarks).unwrap_or_default(),
            mail,
            ..in_outline(fax, self.config)
        }
    }

    /// The mail, and what of it would go back. One whose blob is gone goes back without.
    async fn original(&self, mail: ToldMail) -> OriginalMail {
        let whole = mail.ret.as_deref() == Some("full") && mail.size <= LARGEST_RETURNED;
        let path = self.store.blobs().path(&mail.text_key);
        let read = tokio::task::spawn_blocking(move || -> std::io::Result<Vec<u8>> {
            let file = std::fs::File::open(path)?;
            let mut octets = Vec::new();
            match whole {
                true => BufReader::new(file).read_to_end(&mut octets)?,
                false => read_header(BufReader::new(file.take(LONGEST_HEADER)), &mut octets)?,
            };
            Ok(octets)
        });
        let octets = read.await.ok().and_then(Result::ok);
        OriginalMail {
            language: self
                .config
                .language_for(&mail.sender, mail.language.as_deref()),
            sender: mail.sender,
            subject: Some(mail.subject).filter(|subject| !subject.is_empty()),
            message_id: mail.message_id,
            references: mail.references,
            envelope_id: mail.envelope_id,
            returned: octets.map(|octets| match whole {
                true => Returned::whole(octets),
                false => Returned::headers_of(&octets),
            }),
        }
    }

    /// Why nobody is told of this, if so.
    fn reserve(&self, mail: &OriginalMail, kind: Kind, wanted: Wanted) -> Option<&'static str> {
        // RFC 3461 5.2, RFC 3464 2: no report about what came from nobody.
        if mail.sender.is_empty() {
            return Some(NOBODY);
        }
        if !wanted.wants(kind) {
            return Some(NOT_ASKED);
        }
        let header = match &mail.returned {
            Some(Returned::Headers(octets) | Returned::Whole(octets)) => octets.as_slice(),
            None => &[],
        };
        let of_ours = mail.sender == self.config.mail_from();
        match reserve_of(header) {
            Reserve::Report => Some(A_REPORT),
            Reserve::None if !of_ours => None,
            // A program hears of what went wrong, and of what it asked for.
            _ => (kind == Kind::Delivered && !wanted.by_dsn).then_some(NOT_ASKED),
        }
    }

    /// A picture that cannot be read is no reason to wait with the receipt.
    async fn add_picture(&self, receipt: &mut Receipt) -> Result<(), StoreError> {
        let told = self.store.told_fax(&receipt.fax).await?;
        let Some(key) = told.and_then(|told| told.preview_key) else {
            return Ok(());
        };
        let blobs = self.store.blobs().clone();
        let read = tokio::task::spawn_blocking(move || blobs.read(&key)).await;
        receipt.picture = read.ok().and_then(Result::ok);
        Ok(())
    }
}

/// The header of a mail, with the blank line behind it.
fn read_header(mut file: impl BufRead, out: &mut Vec<u8>) -> std::io::Result<usize> {
    loop {
        let begin = out.len();
        let read = file.read_until(b'\n', out)?;
        if read == 0 || matches!(&out[begin..], b"\n" | b"\r\n") {
            return Ok(out.len());
        }
    }
}

/// What everybody may see of a fax: enough for the first sentence.
pub fn in_outline(fax: &FaxRow, config: &Config) -> Receipt {
    let given_up = fax.created_at.plus_seconds(config.give_up_seconds());
    Receipt {
        fax: fax.id.clone(),
        ending: ending(fax, fax.give_up_at.unwrap_or(given_up)),
        number: fax.number.clone(),
        name: fax.name.clone(),
        recipient: fax.recipient.clone(),
        orcpt: None,
        wanted: Wanted::of(None, true),
        sub_address: fax.sub_address.clone(),
        billing: None,
        pages: fax.page_count.unwrap_or(0),
        confirmed: fax.confirmed,
        calls: fax.calls,
        seconds: fax.seconds.unwrap_or(0.0),
        accepted: timestamp(fax.created_at),
        ended: timestamp(fax.ended_at.unwrap_or(fax.created_at)),
        far_end: FarEnd::default(),
        attempts: Vec::new(),
        parts: Vec::new(),
        remarks: Vec::new(),
        picture: None,
        mail: OriginalMail {
            sender: fax.sender.clone(),
            subject: Some(fax.subject.clone()).filter(|subject| !subject.is_empty()),
            language: Language::En,
            ..OriginalMail::default()
        },
    }
}

fn ending(fax: &FaxRow, until: Millis) -> Ending {
    match (&fax.failed_part, &fax.failure, &fax.outcome) {
        _ if fax.ended_at.is_none() => Ending::Waits {
            last: fax.outcome.as_deref().and_then(Outcome::from_name),
            held: fax.held,
            until: timestamp(until),
        },
        (Some(document), Some(why), None) => Ending::NotRendered {
            document: document.clone(),
            why: why.clone(),
        },
        (_, _, outcome) => Ending::Called(outcome_of(outcome.as_deref())),
    }
}

fn outcome_of(name: Option<&str>) -> Outcome {
    name.and_then(Outcome::from_name)
        .unwrap_or(Outcome::GatewayStopped)
}

fn attempt(row: &AttemptRow) -> Attempt {
    Attempt {
        began: timestamp(row.started_at),
        outcome: outcome_of(row.outcome.as_deref()),
        detail: row.detail.clone(),
        pages: row.pages,
        seconds: row.seconds,
        sip_code: row.sip_code,
        q850: row.q850,
    }
}

fn last_attempt(
    fax: &FaxRow,
    (began, sip_code, q850, detail): &(Millis, Option<u16>, Option<u16>, String),
) -> Attempt {
    Attempt {
        began: timestamp(*began),
        outcome: outcome_of(fax.outcome.as_deref()),
        detail: detail.clone(),
        pages: fax.confirmed,
        seconds: fax.seconds.unwrap_or(0.0),
        sip_code: *sip_code,
        q850: *q850,
    }
}

fn far_end(row: &AttemptRow) -> FarEnd {
    FarEnd {
        ident: row.far_ident.clone(),
        bit_rate: row.bit_rate,
        ecm: row.ecm,
        t38: row.t38,
        compression: row.compression.clone(),
        said: row.far_said.clone(),
        sub_address: None,
    }
}

// ---- received faxes ----

async fn received(store: &Store, id: &str) -> Result<crate::queue::ReceivedFax, Refusal> {
    let fax = store.received_fax(id).await?;
    fax.ok_or_else(|| Refusal::never(format!("there is no received fax {id}")))
}

/// Makes the PDF of a received fax and writes a letter with it, off the async threads.
async fn with_pdf(
    context: &Context,
    fax: crate::queue::ReceivedFax,
    write: impl FnOnce(&compose::ReceivedFax, &[u8]) -> Result<Letter, LetterError> + Send + 'static,
) -> Result<Letter, Refusal> {
    let words = searchable::words(context, &fax).await;
    let written = tokio::task::spawn_blocking(move || {
        let facts = received_facts(&fax);
        let title = format!(
            "Fax from {}",
            facts.from.as_deref().unwrap_or("an unknown number")
        );
        let info = PdfInfo {
            title,
            sender: sender(&facts),
            created: facts.received,
        };
        let pdf = pdf::write_searchable(&fax.pages, &words, &info);
        write(&facts, &pdf)
    });
    written
        .await
        .map_err(Refusal::later)?
        .map_err(Refusal::never)
}

/// Who sent a fax, by name and number as far as they are known.
fn sender(fax: &compose::ReceivedFax) -> Option<String> {
    let station = fax.far_end.ident.as_deref().map(str::trim);
    match (station.filter(|name| !name.is_empty()), fax.from.as_deref()) {
        (Some(name), Some(number)) if name != number => Some(format!("{name} ({number})")),
        (one, other) => one.or(other).map(str::to_owned),
    }
}

fn received_facts(fax: &crate::queue::ReceivedFax) -> compose::ReceivedFax {
    use crate::pages::Resolution;
    compose::ReceivedFax {
        fax: fax.id.clone(),
        from: Some(fax.caller.clone()).filter(|caller| !caller.is_empty()),
        to: fax.called.clone(),
        far_end: fax.far_end.clone(),
        pages: fax.pages.len() as u32,
        damaged: fax.damaged.clone(),
        resolution: match fax.pages.first().map_or(196, |page| page.y_dpi) {
            0..=120 => Resolution::Standard,
            121..=250 => Resolution::Fine,
            _ => Resolution::Superfine,
        },
        seconds: fax.seconds,
        received: timestamp(fax.started_at),
        cut_off: Some(fax.outcome).filter(|outcome| *outcome != Outcome::Delivered),
    }
}

fn timestamp(time: Millis) -> Timestamp {
    Timestamp::from_millisecond(time.0).unwrap_or(Timestamp::UNIX_EPOCH)
}
