//! Faxes that come in: each page on disk before its MCF leaves.

use rusqlite::{Connection, OptionalExtension, params};

use super::origin::{Origin, ReceivedPage};
use super::report::{self, Row, said_from_json};
use super::{Millis, Result, Store, StoreError, id};
use crate::call::outcome::{CallReport, FarEnd, Outcome};
use crate::pages::FaxPage;

/// A call that was answered.
#[derive(Debug, Clone)]
pub struct NewReceived {
    /// The number of ours that was dialled.
    pub called: String,
    /// The caller as the trunk says it.
    pub caller: String,
    /// The caller's name as the trunk says it.
    pub caller_name: Option<String>,
    /// The name of the trunk that it came over.
    pub trunk: String,
    /// Who gets its pages: mail addresses, and `maildir:PATH` for a folder. Kept with it, so that a route that is
    /// changed while the call is up, or taken away before a restart, does not leave it without an owner.
    pub recipients: Vec<String>,
}

/// A received fax with its pages, to be composed into a mail.
#[derive(Debug, Clone)]
pub struct ReceivedFax {
    /// Its identifier.
    pub id: String,
    /// When the call was answered.
    pub started_at: Millis,
    /// The number of ours that was dialled.
    pub called: String,
    /// The caller as the trunk says it.
    pub caller: String,
    /// The caller's name as the trunk says it.
    pub caller_name: Option<String>,
    /// How the call ended.
    pub outcome: Outcome,
    /// The cause in detail.
    pub detail: String,
    /// What the far end says of itself, and how the pages came.
    pub far_end: FarEnd,
    /// Seconds from answer to the end.
    pub seconds: f64,
    /// The pages, in order; their data is read from the blobs.
    pub pages: Vec<FaxPage>,
    /// Numbers of the pages, from 1, of which packets were lost.
    pub damaged: Vec<u32>,
}

impl Store {
    /// A call to one of our numbers was answered. Returns the identifier of the fax to be.
    ///
    /// # Errors
    /// As the database says; then the call must not go on.
    pub async fn begin_received(&self, new: NewReceived, now: Millis) -> Result<String> {
        let owner = self.owner();
        let recipients = serde_json::to_string(&new.recipients).map_err(std::io::Error::other)?;
        self.write(move |db| {
            let mut insert = db.prepare_cached(
                "INSERT INTO received (id, started_at, called, caller, caller_name, trunk, recipients, owner)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO NOTHING",
            )?;
            loop {
                let id = id::new(now);
                let row = params![id, now.0, new.called, new.caller, new.caller_name, new.trunk, recipients, owner];
                if insert.execute(row)? > 0 {
                    return Ok(id);
                }
            }
        })
        .await
    }

    /// Stores a page: its data as a blob, then its row; `last` where no page follows it (EOP), `lost` packets of
    /// it never came. On `Ok` its MCF may
    /// leave.
    ///
    /// # Errors
    /// As the disk or the database says; then the page must not be confirmed.
    pub async fn page_received(
        &self,
        received: &str,
        page: u32,
        last: bool,
        lost: u32,
        data: FaxPage,
    ) -> Result<()> {
        let (received, key) = (received.to_owned(), format!("p{page}-{received}"));
        let origin = self.origin_of(&received, page, last, lost, &data).await?;
        let (blobs, kept, g4) = (self.blobs().clone(), key.clone(), data.g4);
        tokio::task::spawn_blocking(move || blobs.keep_with_origin(&kept, &g4, &origin))
            .await
            .map_err(|_| StoreError::Stopped)??;
        self.write(move |db| {
            db.execute(
                "INSERT OR REPLACE INTO received_pages (received, page, last, width, height, x_dpi, y_dpi, g4_key, lost)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![received, page, last, data.width, data.height, data.x_dpi, data.y_dpi, key, lost],
            )?;
            Ok(())
        })
        .await
    }

    /// The call is over. Where it left pages, a mail to each of its recipients is queued in the same transaction.
    ///
    /// # Errors
    /// As the database says.
    pub async fn end_received(
        &self,
        received: &str,
        report: CallReport,
        now: Millis,
    ) -> Result<()> {
        let received = received.to_owned();
        self.write(move |db| {
            report::ended(db, &Row::Received(&received), &report, now)?;
            queue_mails(db, &received, now)
        })
        .await
    }

    /// One page of a received fax, from 1; `None`: there is none.
    ///
    /// # Errors
    /// As the disk or the database says.
    pub async fn received_page(&self, received: &str, page: u32) -> Result<Option<FaxPage>> {
        let (received, blobs) = (received.to_owned(), self.blobs().clone());
        let found = self.read(move |db| {
            db.query_row(
                "SELECT width, height, x_dpi, y_dpi, g4_key FROM received_pages WHERE received = ?1 AND page = ?2",
                params![received, page],
                |row| {
                    let page = FaxPage {
                        width: row.get(0)?,
                        height: row.get(1)?,
                        x_dpi: row.get(2)?,
                        y_dpi: row.get(3)?,
                        g4: Vec::new(),
                    };
                    Ok((page, row.get::<_, String>(4)?))
                },
            )
            .optional()
        });
        let Some((page, key)) = found.await? else {
            return Ok(None);
        };
        let kept = key.clone();
        let g4 = tokio::task::spawn_blocking(move || blobs.read(&kept)).await;
        let g4 = g4.map_err(std::io::Error::other)?;
        let g4 = self.heard_of(&key, g4.map_err(StoreError::from)).await?;
        Ok(Some(FaxPage { g4, ..page }))
    }

    /// What is kept beside the bytes of a page, for whoever has to take it in again without its row.
    async fn origin_of(
        &self,
        received: &str,
        page: u32,
        last: bool,
        lost: u32,
        data: &FaxPage,
    ) -> Result<Origin> {
        let mut origin = ReceivedPage {
            received: received.to_owned(),
            page,
            last,
            lost,
            width: data.width,
            height: data.height,
            x_dpi: data.x_dpi,
            y_dpi: data.y_dpi,
            ..ReceivedPage::default()
        };
        let sql = "SELECT started_at, called, caller, caller_name, trunk, recipients FROM received WHERE id = ?1";
        let call = self.read(move |db| {
            let read = |row: &rusqlite::Row<'_>| {
                origin.started_at = row.get(0)?;
                origin.called = row.get(1)?;
                origin.caller = row.get(2)?;
                origin.caller_name = row.get(3)?;
                origin.trunk = row.get(4)?;
                let recipients: String = row.get(5)?;
                origin.recipients = serde_json::from_str(&recipients).unwrap_or_default();
                Ok(())
            };
            db.prepare_cached(sql)?
                .query_row([&origin.received.clone()], read)
                .optional()?;
            Ok(origin)
        });
        Ok(Origin::Page(call.await?))
    }

    /// A received fax with the data of its pages.
    ///
    /// # Errors
    /// As the disk or the database says.
    pub async fn received_fax(&self, received: &str) -> Result<Option<ReceivedFax>> {
        let (received, blobs) = (received.to_owned(), self.blobs().clone());
        let found = self.read(move |db| load(db, &received)).await?;
        let Some((mut fax, keys)) = found else {
            return Ok(None);
        };
        let read = tokio::task::spawn_blocking(move || {
            for (page, key) in fax.pages.iter_mut().zip(keys) {
                page.g4 = blobs.read(&key).map_err(|e| (key, e))?;
            }
            Ok(Some(fax))
        });
        match read.await.map_err(|_| StoreError::Stopped)? {
            Ok(fax) => Ok(fax),
            Err((key, e)) => self.heard_of(&key, Err(StoreError::from(e))).await,
        }
    }
}

/// One mail for each recipient, however often this is called and however often a route names him.
pub(super) fn queue_mails(db: &Connection, received: &str, now: Millis) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO outgoing (id, kind, subject_of, recipient, created_at, state, next_try_at)
         SELECT r.id || '-' || j.key, 'received_fax', r.id, j.value, ?2, 'waiting', ?2
         FROM received r, json_each(r.recipients) j
         WHERE r.id = ?1 AND EXISTS (SELECT 1 FROM received_pages WHERE received = r.id)
         ON CONFLICT (kind, subject_of, recipient) DO NOTHING",
        params![received, now.0],
    )?;
    Ok(())
}

/// Calls that were up when the daemon died: what came is kept, and goes to those it came for.
pub(super) fn recover(db: &Connection, now: Millis) -> rusqlite::Result<usize> {
    let open: Vec<String> = db
        .prepare("SELECT id FROM received WHERE ended_at IS NULL")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for received in &open {
        release(db, received, now)?;
    }
    Ok(open.len())
}

/// Ends a call that nobody looks after any more. One whose last page is here is complete, whoever hung up.
pub(super) fn release(db: &Connection, received: &str, now: Millis) -> rusqlite::Result<()> {
    let whole: bool = db.query_row(
        "SELECT EXISTS (SELECT 1 FROM received_pages WHERE received = ?1 AND last)",
        [received],
        |row| row.get(0),
    )?;
    let (outcome, detail) = if whole {
        (Outcome::Delivered, "")
    } else {
        (Outcome::GatewayStopped, super::CUT_OFF)
    };
    db.execute(
        "UPDATE received SET ended_at = ?2, owner = NULL, outcome = ?3, detail = ?4
         WHERE id = ?1 AND ended_at IS NULL",
        params![received, now.0, outcome.name(), detail],
    )?;
    queue_mails(db, received, now)
}

fn load(db: &Connection, received: &str) -> rusqlite::Result<Option<(ReceivedFax, Vec<String>)>> {
    let fax = db
        .query_row(
            "SELECT started_at, called, caller, outcome, detail, far_ident, bit_rate, ecm, t38, compression, seconds,
                    far_said, sub_address, caller_name
             FROM received WHERE id = ?1 AND ended_at IS NOT NULL",
            [received],
            |row| {
                Ok(ReceivedFax {
                    id: received.to_owned(),
                    started_at: Millis(row.get(0)?),
                    called: row.get(1)?,
                    caller: row.get(2)?,
                    caller_name: row.get(13)?,
                    outcome: Outcome::from_name(&row.get::<_, String>(3)?).unwrap_or(Outcome::ProtocolError),
                    detail: row.get(4)?,
                    far_end: FarEnd {
                        ident: row.get(5)?,
                        bit_rate: row.get(6)?,
                        ecm: row.get(7)?,
                        t38: row.get(8)?,
                        compression: row.get(9)?,
                        said: said_from_json(row.get(11)?),
                        sub_address: row.get(12)?,
                    },
                    seconds: row.get(10)?,
                    pages: Vec::new(),
                    damaged: Vec::new(),
                })
            },
        )
        .optional()?;
    let Some(mut fax) = fax else { return Ok(None) };
    let mut keys = Vec::new();
    let mut pages = db.prepare(
        "SELECT width, height, x_dpi, y_dpi, g4_key, page, lost > 0 FROM received_pages WHERE received = ?1 ORDER BY page",
    )?;
    let mut rows = pages.query([received])?;
    while let Some(row) = rows.next()? {
        fax.pages.push(FaxPage {
            width: row.get(0)?,
            height: row.get(1)?,
            x_dpi: row.get(2)?,
            y_dpi: row.get(3)?,
            g4: Vec::new(),
        });
        keys.push(row.get(4)?);
        if row.get(6)? {
            fax.damaged.push(row.get(5)?);
        }
    }
    Ok(Some((fax, keys)))
}
