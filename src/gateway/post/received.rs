//! Received faxes as PDF, and the letters that carry them.

use super::Refusal;
use super::books::timestamp;
use crate::call::outcome::Outcome;
use crate::context::Context;
use crate::fax_to_mail::compose;
use crate::gateway::searchable;
use crate::letter::{Letter, LetterError};
use crate::pages::pdf::{self, PdfInfo};
use crate::queue::{ReceivedFax, Store};

/// A received fax with its pages.
pub(super) async fn received(store: &Store, id: &str) -> Result<ReceivedFax, Refusal> {
    let fax = store.received_fax(id).await?;
    fax.ok_or_else(|| Refusal::never(format!("there is no received fax {id}")))
}

/// Makes the PDF of a received fax and writes a letter with it, off the async threads.
pub(super) async fn with_pdf(
    context: &Context,
    fax: ReceivedFax,
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

fn received_facts(fax: &ReceivedFax) -> compose::ReceivedFax {
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
