//! Received pages whose rows are lost become a received fax again.

use rusqlite::{Connection, params};

use super::origin::ReceivedPage;
use super::{Millis, Result, Store, id, received};
use crate::call::outcome::Outcome;

/// A received fax to be made of pages that no row names.
#[derive(Debug, Clone, Default)]
pub struct AdoptedFax {
    /// Its old identifier; it gets another where that one is in use.
    pub id: String,
    /// Who gets its pages, as in [`NewReceived`](super::NewReceived).
    pub recipients: Vec<String>,
    /// Its pages in order: the keys of their blobs, and what is known of them.
    pub pages: Vec<(String, ReceivedPage)>,
}

/// The detail of a fax whose last page is not among those that were taken in again.
const INCOMPLETE: &str = "these pages were taken in again after the database had lost them; whether others followed is not known";

impl Store {
    /// Writes down a received fax of pages whose blobs are in their place, and queues its mails, in one transaction.
    /// Returns its identifier; none: a row names one of the pages by now, and nothing was done.
    ///
    /// # Errors
    /// As the database says.
    pub async fn adopt_received(&self, fax: AdoptedFax, now: Millis) -> Result<Option<String>> {
        let recipients = serde_json::to_string(&fax.recipients).map_err(std::io::Error::other)?;
        self.write(move |db| {
            let mut named = db.prepare("SELECT 1 FROM received_pages WHERE g4_key = ?1")?;
            for (key, _) in &fax.pages {
                if named.exists([key])? {
                    return Ok(None);
                }
            }
            let is_taken = db
                .prepare("SELECT 1 FROM received WHERE id = ?1")?
                .exists([&fax.id])?;
            let id = match is_taken || fax.id.is_empty() {
                true => id::new(now),
                false => fax.id.clone(),
            };
            insert(db, &id, &fax, &recipients, now)?;
            received::queue_mails(db, &id, now)?;
            Ok(Some(id))
        })
        .await
    }
}

fn insert(
    db: &Connection,
    id: &str,
    fax: &AdoptedFax,
    recipients: &str,
    now: Millis,
) -> rusqlite::Result<()> {
    let call = fax
        .pages
        .first()
        .map(|(_, page)| page.clone())
        .unwrap_or_default();
    let is_whole = fax.pages.last().is_some_and(|(_, page)| page.last)
        && fax
            .pages
            .iter()
            .map(|(_, page)| page.page)
            .eq(1..=fax.pages.len() as u32);
    let (outcome, detail) = match is_whole {
        true => (Outcome::Delivered, ""),
        false => (Outcome::GatewayStopped, INCOMPLETE),
    };
    let started_at = match call.started_at {
        0 => now.0,
        at => at,
    };
    db.execute(
        "INSERT INTO received (id, started_at, ended_at, called, caller, caller_name, trunk, recipients, outcome, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            id,
            started_at,
            now.0,
            call.called,
            call.caller,
            call.caller_name,
            call.trunk,
            recipients,
            outcome.name(),
            detail
        ],
    )?;
    // Numbers of pages that are lost stay free.
    for (key, page) in &fax.pages {
        db.execute(
            "INSERT INTO received_pages (received, page, last, width, height, x_dpi, y_dpi, g4_key, lost)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                id, page.page, page.last, page.width, page.height, page.x_dpi, page.y_dpi, key, page.lost
            ],
        )?;
    }
    Ok(())
}
