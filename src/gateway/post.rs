//! The post: every mail in the outgoing table goes to its next hop.
//!
//! Takes over: a mail that [`crate::queue::Store::claim_mail`] gave out. Its text is composed here (`letters`), from rows that no
//! longer change.
//! Promises: the row stays until the next hop has said yes, whatever the relay does for however long. What it refuses
//! for good goes to the postmaster, once.
//! When it dies: the claim falls at the next start, and the mail goes again, under the same Message-ID and into the
//! same Maildir file.

pub mod books;
mod forwarded;
mod letters;
pub mod probe;
mod received;

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{Config, RelayTls};
use crate::context::{Context, now, until_stored};
use crate::net::delivery::{self, OutgoingMail, Target};
use crate::net::relay::{Login, Patience, Relay, Tls};
use crate::queue::{ClaimedMail, MailKind, StoreError};
use letters::Composed;
use probe::RelayHealth;

/// Seconds before the 2nd, 3rd, ... try; the last one repeats. A mail is never given up for lack of tries: its next
/// hop is the office's own mail server, and somebody is waiting for the fax.
const DELAYS: [u64; 6] = [5, 30, 60, 300, 900, 1800];

/// Delivers one claimed mail and settles it in the queue.
pub async fn deliver(context: &Arc<Context>, relay: &RelayHealth, mail: ClaimedMail) {
    let (id, to, store) = (&mail.id, &mail.recipient, &context.store);
    // The next hop's yes above all: forgotten, the mail would go twice.
    let what = format!("what became of mail {id}");
    match compose_and_deliver(context, relay, &mail).await {
        Ok(reply) => {
            tracing::info!(mail = id, to, "delivered: {reply}");
            until_stored(&what, || store.mail_delivered(id, &reply, now())).await;
        }
        Err(Refusal {
            permanent: true,
            reply,
            ..
        }) => {
            tracing::error!(mail = id, to, "refused for good: {reply}");
            // Who wrote to the postmaster has to hear that it did not get there; of all else the postmaster does.
            let postmaster = match mail.kind {
                MailKind::Forwarded => {
                    let what = format!("the sender of mail {id}");
                    let told = until_stored(&what, || store.told_mail(&mail.subject_of)).await;
                    told.map(|told| told.sender).unwrap_or_default()
                }
                _ => context.config().postmaster(),
            };
            until_stored(&what, || {
                store.mail_refused(id, &reply, Some(&postmaster), now())
            })
            .await;
        }
        Err(Refusal {
            permanent: false,
            reply,
            ask_again,
        }) => {
            let own = DELAYS[(mail.tries.max(1) as usize - 1).min(DELAYS.len() - 1)];
            let delay = ask_again.unwrap_or(own);
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
#[derive(Debug)]
struct Refusal {
    permanent: bool,
    reply: String,
    /// Seconds until a relay that was not reached is asked again.
    ask_again: Option<u64>,
}

impl Refusal {
    fn never(reply: impl ToString) -> Refusal {
        Refusal {
            permanent: true,
            reply: reply.to_string(),
            ask_again: None,
        }
    }

    fn later(reply: impl ToString) -> Refusal {
        Refusal {
            permanent: false,
            reply: reply.to_string(),
            ask_again: None,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(e: StoreError) -> Refusal {
        Refusal::later(e)
    }
}

async fn compose_and_deliver(
    context: &Context,
    relay: &RelayHealth,
    mail: &ClaimedMail,
) -> Result<String, Refusal> {
    let config = context.config();
    let letter = match letters::compose(context, mail).await? {
        Composed::Letter(letter) => letter,
        Composed::Nothing(why) => return Ok(format!("not sent: {why}")),
    };
    let copy_to = &config.receipts.copy_to;
    if !copy_to.is_empty() && is_copied(mail.kind) {
        context.store.copy_mail(&mail.id, copy_to, now()).await?;
    }
    let target = target(&config, &mail.recipient);
    let outgoing = OutgoingMail {
        id: mail.id.clone(),
        queued_at: mail.created_at.0,
        from: letter.from,
        to: letter.to,
        bytes: letter.bytes,
    };
    let delivered = delivery::deliver(&outgoing, &target).await;
    let ask_again = match (&target, &delivered) {
        (Target::Maildir(_), _) => None,
        (Target::Relay(_), Err(failure)) if failure.unreachable => Some(relay.not_reached()),
        (Target::Relay(_), _) => {
            relay.reached();
            None
        }
    };
    match delivered {
        Ok(delivered) => Ok(delivered.reply),
        Err(failure) => Err(Refusal {
            permanent: failure.permanent,
            reply: failure.reply,
            ask_again,
        }),
    }
}

/// Whether somebody who keeps such mails (`receipts.copy_to`) gets it, too.
fn is_copied(kind: MailKind) -> bool {
    matches!(
        kind,
        MailKind::Receipt | MailKind::Delay | MailKind::Broadcast
    )
}

/// The path of a recipient that is a Maildir.
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
        authorities: config.mail.tls_ca.clone(),
        login: (!login.user.is_empty()).then_some(login),
        hello: config.hostname(),
        patience: Patience::default(),
    })
}
