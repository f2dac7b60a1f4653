//! The post: every mail in the outgoing table goes to its next hop.
//!
//! Takes over: a mail that [`Store::claim_mail`] gave out. Its text is composed here, from rows that no longer change.
//! Promises: the row stays until the next hop has said yes, whatever the relay does for however long.
//! When it dies: the claim falls at the next start, and the mail goes again, under the same Message-ID and into the
//! same Maildir file.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::searchable;
use crate::call::outcome::{FarEnd, Outcome};
use crate::config::{Config, RelayTls};
use crate::context::{Context, now, until_stored};
use crate::fax_to_mail::compose;
use crate::letter::Letter;
use crate::mail_to_fax::receipt::{self, Attempt, Ending, OriginalMail, Receipt};
use crate::net::delivery::{self, OutgoingMail, Target};
use crate::net::relay::{Login, Patience, Relay, Tls};
use crate::pages::pdf::{self, PdfInfo};
use crate::queue::{AttemptRow, ClaimedMail, FaxRow, Millis, Store, StoreError};

/// Seconds before the 2nd, 3rd, ... try; the last one repeats. A mail is never given up for lack of tries: its next
/// hop is the office's own mail server, and somebody is waiting for the fax.
const DELAYS: [u64; 6] = [5, 30, 60, 300, 900, 1800];

/// Delivers one claimed mail and settles it in the queue.
pub async fn deliver(context: &Arc<Context>, mail: ClaimedMail) {
    let (id, to, store) = (&mail.id, &mail.recipient, &context.store);
    // The next hop's yes above all: forgotten, the mail would go twice.
    let what = format!("what became of mail {id}");
    match compose_and_deliver(context, &mail).await {
        Ok(reply) => {
            tracing::info!(mail = id, to, "delivered: {reply}");
            until_stored(&what, || store.mail_delivered(id, &reply, now())).await;
        }
        Err(Refusal {
            permanent: true,
            reply,
        }) => {
            tracing::error!(mail = id, to, "refused for good: {reply}");
            until_stored(&what, || store.mail_failed(id, &reply, now())).await;
        }
        Err(Refusal {
            permanent: false,
            reply,
        }) => {
            let delay = DELAYS[(mail.tries.max(1) as usize - 1).min(DELAYS.len() - 1)];
            tracing::warn!(mail = id, to, "again in {delay} s: {reply}");
            until_stored(&what, || {
                store.mail_deferred(id, &reply, now().plus_seconds(delay))
            })
            .await;
        }
    }
    context.tell();
}

/// Why a mail was not delivered.
struct Refusal {
    permanent: bool,
    reply: String,
}

impl From<StoreError> for Refusal {
    fn from(e: StoreError) -> Refusal {
        Refusal {
            permanent: false,
            reply: e.to_string(),
        }
    }
}

async fn compose_and_deliver(context: &Context, mail: &ClaimedMail) -> Result<String, Refusal> {
    let config = context.config();
    let letter = letter(context, mail).await?;
    let target = target(&config, &mail.recipient);
    let outgoing = OutgoingMail {
        id: mail.id.clone(),
        from: letter.from,
        to: letter.to,
        bytes: letter.bytes,
    };
    match delivery::deliver(&outgoing, &target).await {
        Ok(delivered) => Ok(delivered.reply),
        Err(failure) => Err(Refusal {
            permanent: failure.permanent,
            reply: failure.reply,
        }),
    }
}

async fn letter(context: &Context, mail: &ClaimedMail) -> Result<Letter, Refusal> {
    let never = |reply: String| Refusal {
        permanent: true,
        reply,
    };
    let head = context.letterhead();
    let date = timestamp(mail.created_at);
    if mail.receipt {
        let facts = receipt_of(&context.store, &mail.subject_of).await?;
        let facts = facts.ok_or_else(|| never(format!("there is no fax {}", mail.subject_of)))?;
        return receipt::write(&facts, &head, date).map_err(|e| never(e.to_string()));
    }
    let fax = context.store.received_fax(&mail.subject_of).await?;
    let fax = fax.ok_or_else(|| never(format!("there is no received fax {}", mail.subject_of)))?;
    let words = searchable::words(context, &fax).await;
    let written = tokio::task::spawn_blocking({
        let to = if folder_of(&mail.recipient).is_some() {
            vec![context.config().mail_from()]
        } else {
            vec![mail.recipient.clone()]
        };
        move || {
            let facts = received_facts(&fax);
            let title = format!(
                "Fax from {}",
                facts.from.as_deref().unwrap_or("an unknown number")
            );
            let pdf = pdf::write_searchable(
                &fax.pages,
                &words,
                &PdfInfo {
                    title,
                    sender: sender(&facts),
                    created: facts.received,
                },
            );
            compose::write(&facts, &pdf, &to, &head, date)
        }
    })
    .await;
    written
        .map_err(|e| Refusal {
            permanent: false,
            reply: e.to_string(),
        })?
        .map_err(|e| never(e.to_string()))
}

/// Who sent a fax, by name and number as far as they are known.
fn sender(fax: &compose::ReceivedFax) -> Option<String> {
    let station = fax.far_end.ident.as_deref().map(str::trim);
    match (station.filter(|name| !name.is_empty()), fax.from.as_deref()) {
        (Some(name), Some(number)) if name != number => Some(format!("{name} ({number})")),
        (one, other) => one.or(other).map(str::to_owned),
    }
}

/// The facts of a receipt; `None`: no such fax. Also what `postfax show` prints.
///
/// # Errors
/// As the store says.
pub async fn receipt_of(store: &Store, fax: &str) -> Result<Option<Receipt>, StoreError> {
    let Some(row) = store.fax(fax).await? else {
        return Ok(None);
    };
    let Some(mail) = store.message(&row.message).await? else {
        return Ok(None);
    };
    let attempts = store.attempts(fax).await?;
    let remarks = store.remarks(fax).await?;
    let last = attempts.last();
    Ok(Some(Receipt {
        ending: ending(&row),
        number: row.number,
        sub_address: row.sub_address,
        pages: row.page_count.unwrap_or(0),
        confirmed: row.confirmed,
        seconds: last.map_or(0.0, |attempt| attempt.seconds),
        ended: timestamp(row.ended_at.unwrap_or(row.created_at)),
        far_end: last.map(far_end).unwrap_or_default(),
        attempts: attempts.iter().map(attempt).collect(),
        parts: serde_json::from_str(&mail.manifest).unwrap_or_default(),
        remarks,
        mail: OriginalMail {
            sender: row.sender,
            subject: Some(row.subject).filter(|subject| !subject.is_empty()),
            message_id: mail.message_id,
            references: mail.references,
        },
        fax: row.id,
    }))
}

fn ending(fax: &FaxRow) -> Ending {
    match (&fax.failed_part, &fax.failure, &fax.outcome) {
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

fn folder_of(recipient: &str) -> Option<PathBuf> {
    recipient.strip_prefix("maildir:").map(PathBuf::from)
}

/// The next hop of a recipient: a route's own Maildir, the Maildir for everything, or the relay.
fn target(config: &Config, recipient: &str) -> Target {
    if let Some(folder) = folder_of(recipient).or_else(|| config.mail.maildir.clone()) {
        return Target::Maildir(folder);
    }
    let (host, port) = config
        .mail
        .relay
        .rsplit_once(':')
        .unwrap_or((&config.mail.relay, "25"));
    let login = Login {
        user: config.mail.username.clone(),
        password: config.mail.password.clone(),
    };
    Target::Relay(Relay {
        host: host.to_owned(),
        port: port.parse().unwrap_or(25),
        tls: match config.mail.tls {
            RelayTls::None => Tls::None,
            RelayTls::Opportunistic => Tls::StartTls,
            RelayTls::Starttls => Tls::RequiredStartTls,
            RelayTls::Implicit => Tls::Implicit,
        },
        login: (!login.user.is_empty()).then_some(login),
        hello: config.hostname(),
        patience: Patience::default(),
    })
}
