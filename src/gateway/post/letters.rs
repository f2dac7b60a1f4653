//! Rows of the queue to letters: the facts come from [`super::books`], the journeys make words of them.

use jiff::Timestamp;

use super::books::{Books, NOT_ASKED, timestamp};
use super::received::{received, with_pdf};
use super::{Refusal, folder_of, forwarded};
use crate::config::TellDelivered;
use crate::context::Context;
use crate::fax_to_mail::compose;
use crate::letter::returned;
use crate::letter::{Letter, Letterhead};
use crate::mail_to_fax::receipt::broadcast;
use crate::mail_to_fax::receipt::{self, Kind, Receipt, Wanted};
use crate::queue::{ClaimedMail, MailKind, OutgoingRow};

/// What came of a row.
pub(super) enum Composed {
    /// A letter.
    Letter(Letter),
    /// Nobody is to be told, and why.
    Nothing(&'static str),
}

const OVER: &str = "the fax is over, and its receipt says how";

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
        MailKind::Copy => copy(context, mail).await,
        MailKind::Forwarded => forwarded::compose(context, mail).await,
    }
}

/// The very letter that its first recipient gets, to another one.
async fn copy(context: &Context, mail: &ClaimedMail) -> Result<Composed, Refusal> {
    let original = context.store.outgoing(&mail.subject_of).await?;
    let original = original.map(|row| as_claimed(&row));
    let original =
        original.ok_or_else(|| Refusal::never(format!("there is no mail {}", mail.subject_of)))?;
    Ok(match Box::pin(compose(context, &original)).await? {
        Composed::Letter(letter) => Composed::Letter(Letter {
            to: vec![mail.recipient.clone()],
            ..letter
        }),
        nothing => nothing,
    })
}

fn as_claimed(row: &OutgoingRow) -> ClaimedMail {
    ClaimedMail {
        id: row.id.clone(),
        kind: MailKind::from_name(&row.kind),
        subject_of: row.subject_of.clone(),
        recipient: row.recipient.clone(),
        created_at: row.created_at,
        tries: 0,
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
    receipt.narrow(kind);
    let wanted = Wanted {
        by_dsn: receipt.is_asked_by_dsn(),
        ..receipt.wanted
    };
    if let Some(why) = books.reserve(&receipt.mail, kind, wanted) {
        return Ok(Composed::Nothing(why));
    }
    if books.config.shows_picture(&receipt.mail.sender) {
        books.add_picture(&mut receipt).await?;
    }
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
    let asked = Wanted {
        by_dsn: all.faxes.iter().any(|fax| fax.wanted.by_dsn),
        ..Wanted::of(Some(7), TellDelivered::Mail)
    };
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
    if refused.kind == MailKind::Forwarded.name() {
        return forwarded::not_delivered(context, &refused.subject_of, &about, &to, head).await;
    }
    let original = as_claimed(&refused);
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
