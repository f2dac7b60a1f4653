//! Mails to the postmaster (RFC 5321 4.5.1) on their way to a mailbox: as they came, with a trace field on top.
//!
//! Its envelope sender stays what it was (RFC 5321 3.9.1), so that its sender hears of trouble behind us; but what a
//! program sent goes under the null return path: nobody answers that, and no bounce of it comes back. A mail that comes
//! round is known by a field of ours, and refused at the door.

use std::sync::Arc;

use super::Refusal;
use super::books::timestamp;
use super::letters::Composed;
use crate::context::Context;
use crate::letter::{Letter, Letterhead, returned};
use crate::mail_to_fax::message::FORWARDED;
use crate::mail_to_fax::receipt::wanted::{Reserve, reserve_of};
use crate::queue::{ClaimedMail, ToldMail};

const AUTOMATIC: &str = "the mail that was refused is an automatic one itself";

/// The mail as it goes on.
pub(super) async fn compose(context: &Context, mail: &ClaimedMail) -> Result<Composed, Refusal> {
    let (told, text) = original(context, &mail.subject_of).await?;
    let hostname = context.config().hostname();
    let date = timestamp(told.accepted_at).to_zoned(jiff::tz::TimeZone::UTC);
    let trace = format!(
        "Received: from [{}] by {hostname} with ESMTP id {};\r\n\t{}\r\n{FORWARDED}: {hostname}\r\n",
        told.client,
        mail.subject_of,
        date.strftime("%a, %d %b %Y %H:%M:%S %z"),
    );
    let from = is_of_a_person(&text).then(|| told.sender.clone());
    let bytes = [trace.as_bytes(), text.as_slice()].concat();
    Ok(Composed::Letter(Letter {
        message_id: told.message_id.unwrap_or_default(),
        from,
        to: vec![mail.recipient.clone()],
        bytes,
    }))
}

/// What its sender gets where the postmaster's server refused it for good.
pub(super) async fn not_delivered(
    context: &Context,
    message: &str,
    about: &returned::Refused,
    sender: &str,
    head: &Letterhead,
) -> Result<Composed, Refusal> {
    let (_, text) = original(context, message).await?;
    if !is_of_a_person(&text) {
        return Ok(Composed::Nothing(AUTOMATIC));
    }
    returned::forwarded(about, &text, sender, head)
        .map(Composed::Letter)
        .map_err(Refusal::never)
}

async fn original(context: &Context, message: &str) -> Result<(ToldMail, Arc<Vec<u8>>), Refusal> {
    let told = context.store.told_mail(message).await?;
    let told = told.ok_or_else(|| Refusal::never(format!("there is no mail {message}")))?;
    // Should it be gone for now, it may come back from a backup.
    let text = context.store.octets(&told.text_key).await?;
    Ok((told, text))
}

fn is_of_a_person(text: &[u8]) -> bool {
    reserve_of(text) == Reserve::None
}
