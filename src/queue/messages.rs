//! Mails that were accepted, and the rendering of their documents.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::duplicates::{FurtherRecipient, insert_further};
use super::small::{self, NewOctets};
use super::{LEASE_SECONDS, Millis, Result, Store, id};
use crate::pages::Resolution;
use crate::proto::smtp::{Notify, Ret};

/// A mail about to be accepted.
#[derive(Debug, Clone, Default)]
pub struct NewMessage {
    /// Its identifier, from [`id::new`].
    pub id: String,
    /// Address of the SMTP client.
    pub client: String,
    /// Envelope sender.
    pub sender: String,
    /// Whose limits it counts against.
    pub account: String,
    /// What opened the door to it, in words.
    pub via: String,
    /// Its envelope identifier (RFC 3461 4.4), decoded.
    pub envelope_id: Option<String>,
    /// How much of it comes back with a failure.
    pub ret: Option<Ret>,
    /// Language of its receipts; none: the site's.
    pub language: Option<String>,
    /// For the cover page.
    pub notes: Option<String>,
    /// `Message-ID`, with brackets.
    pub message_id: Option<String>,
    /// `References`, as it came.
    pub references: Option<String>,
    /// `Subject`, decoded.
    pub subject: String,
    /// JSON: every MIME part and what became of it.
    pub manifest: String,
    /// Octets.
    pub size: u64,
    /// Blob key of the text.
    pub text_key: String,
    /// The text, where it is small; none: it is a durable blob already.
    pub small_text: Option<Arc<Vec<u8>>>,
    /// Whether its sender hears of all its faxes in one mail.
    pub one_report: bool,
    /// The postmaster, where it is for the postmaster, too, or for nobody else.
    pub forward_to: Option<String>,
    /// Its faxes.
    pub faxes: Vec<NewFax>,
}

/// The fax of one or several recipients of a [`NewMessage`].
#[derive(Debug, Clone, Default)]
pub struct NewFax {
    /// Its identifier, from [`id::several`].
    pub id: String,
    /// The address as the sender wrote it; that of the first, where it is for several.
    pub recipient: String,
    /// What is dialled.
    pub number: String,
    /// The sub-address to send with it (T.33).
    pub sub_address: Option<String>,
    /// Its name in the phone book; none: a number was written.
    pub name: Option<String>,
    /// Project or billing code, as written.
    pub billing: Option<String>,
    /// With a cover page or without; none: without.
    pub cover: Option<bool>,
    /// Resolution of its pages. All recipients of a mail with the same one share a document.
    pub resolution: Resolution,
    /// The address the mail was first sent to (RFC 3461 4.2), decoded: `rfc822;...`.
    pub orcpt: Option<String>,
    /// What its sender wants to be told; none: as the site says.
    pub notify: Option<Notify>,
    /// From -9 to 9, higher first (RFC 6710).
    pub priority: i8,
    /// Not dialled before that.
    pub not_before: Option<Millis>,
    /// Not dialled after that; none: as the site says.
    pub give_up_at: Option<Millis>,
    /// When its sender is told that it still waits; none: never.
    pub tell_delay_at: Option<Millis>,
    /// Who else it is for.
    pub further: Vec<FurtherRecipient>,
}

/// A document that is ours to render.
#[derive(Debug, Clone)]
pub struct ClaimedDocument {
    /// Its identifier.
    pub id: String,
    /// Blob key of the mail's text.
    pub text_key: String,
    /// JSON: every part of the mail, faxed or skipped.
    pub manifest: String,
    /// Target resolution.
    pub resolution: Resolution,
    /// Renderings that began and were settled by nobody, for the daemon died in the middle; this one is counted.
    pub tries: u32,
    /// When its mail was accepted.
    pub accepted_at: Millis,
    /// When the last of its faxes is wanted: at once, or when its sender or whoever holds it back says.
    pub wanted_at: Millis,
}

/// What a document became.
#[derive(Debug, Clone, Default)]
pub struct Drawn {
    /// TIFF without header lines.
    pub pages: NewOctets,
    /// Pages in it.
    pub page_count: u32,
    /// PNG of the first page.
    pub preview: Option<NewOctets>,
    /// What was noticed when it was drawn: JSON, or nothing.
    pub remarks: String,
}

impl Store {
    /// Takes a mail over: the message, its document to render and one fax a recipient. On `Ok` the `250` may leave.
    ///
    /// # Errors
    /// As the disk or the database says; then nothing was taken over.
    pub async fn accept(&self, message: NewMessage, now: Millis) -> Result<()> {
        self.write(move |db| insert(db, &message, now)).await
    }

    /// Whether there is a mail of this identifier.
    ///
    /// # Errors
    /// As the database says.
    pub async fn message_exists(&self, id: &str) -> Result<bool> {
        let id = id.to_owned();
        self.read(move |db| {
            db.prepare_cached("SELECT 1 FROM messages WHERE id = ?1")?
                .exists([id])
        })
        .await
    }

    /// Claims the next document to render, if one is due.
    ///
    /// # Errors
    /// As the database says.
    pub async fn claim_document(&self, now: Millis) -> Result<Option<ClaimedDocument>> {
        let owner = self.owner();
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE documents SET state = 'rendering', tries = tries + 1, owner = ?1, lease_until = ?2
                 WHERE id = (SELECT id FROM documents WHERE state = 'waiting' AND next_try_at <= ?3
                             ORDER BY next_try_at, id LIMIT 1)
                 RETURNING id, (SELECT text_key FROM messages m WHERE m.id = message), resolution, tries,
                           (SELECT accepted_at FROM messages m WHERE m.id = message),
                           (SELECT manifest FROM messages m WHERE m.id = message),
                           (SELECT max(iif(held, ?3, ifnull(not_before, 0))) FROM faxes f
                            WHERE f.document = documents.id AND f.state = 'rendering')",
            )?
            .query_row(params![owner, now.plus_seconds(LEASE_SECONDS).0, now.0], |row| {
                Ok(ClaimedDocument {
                    id: row.get(0)?,
                    text_key: row.get(1)?,
                    resolution: resolution(&row.get::<_, String>(2)?),
                    tries: row.get(3)?,
                    accepted_at: Millis(row.get(4)?),
                    wanted_at: Millis(row.get(4)?).max(Millis(row.get::<_, Option<i64>>(6)?.unwrap_or(0))),
                    manifest: row.get(5)?,
                })
            })
            .optional()
        })
        .await
    }

    /// A document was rendered. Its faxes become ready.
    ///
    /// # Errors
    /// As the database says.
    pub async fn document_rendered(&self, document: &str, drawn: Drawn, now: Millis) -> Result<()> {
        let document = document.to_owned();
        self.write(move |db| {
            let preview = drawn.preview.as_ref();
            for new in preview.into_iter().chain([&drawn.pages]) {
                small::keep(db, &new.key, new.small.as_deref())?;
            }
            db.prepare_cached(
                "UPDATE documents SET state = 'rendered', pages_key = ?2, page_count = ?3, preview_key = ?4,
                        remarks = ?5, owner = NULL, lease_until = NULL
                 WHERE id = ?1",
            )?
            .execute(params![
                document,
                drawn.pages.key,
                drawn.page_count,
                preview.map(|preview| &preview.key),
                drawn.remarks
            ])?;
            db.prepare_cached(
                "UPDATE faxes SET state = 'ready', next_try_at = max(?2, ifnull(not_before, 0))
                 WHERE document = ?1 AND state = 'rendering'",
            )?
            .execute(params![document, now.0])?;
            Ok(())
        })
        .await
    }

    /// A rendering failed in a way that may pass, or was stopped; it begins again at `at`, and is not counted as one that
    /// nobody settled.
    ///
    /// # Errors
    /// As the database says.
    pub async fn document_deferred(&self, document: &str, at: Millis) -> Result<()> {
        let document = document.to_owned();
        self.write(move |db| {
            db.execute(
                "UPDATE documents SET state = 'waiting', next_try_at = ?2, tries = max(tries - 1, 0),
                        owner = NULL, lease_until = NULL
                 WHERE id = ?1 AND state = 'rendering'",
                params![document, at.0],
            )?;
            Ok(())
        })
        .await
    }

    /// What was put off is due now: the trouble of our own that it waited for is over.
    ///
    /// # Errors
    /// As the database says.
    pub async fn documents_are_due(&self, now: Millis) -> Result<()> {
        let due =
            "UPDATE documents SET next_try_at = ?1 WHERE state = 'waiting' AND next_try_at > ?1";
        self.write(move |db| db.execute(due, [now.0]).map(drop))
            .await
    }

    /// The part `name` cannot be rendered, and `why`, in half a sentence: its faxes fail, and their receipts are queued, in one transaction.
    ///
    /// # Errors
    /// As the database says.
    pub async fn document_failed(
        &self,
        document: &str,
        name: &str,
        why: &str,
        now: Millis,
    ) -> Result<()> {
        let (document, name, why) = (document.to_owned(), name.to_owned(), why.to_owned());
        self.write(move |db| {
            db.execute(
                "UPDATE documents SET state = 'failed', failed_part = ?2, failure = ?3, owner = NULL, lease_until = NULL WHERE id = ?1",
                params![document, name, why],
            )?;
            let ended: Vec<String> = db
                .prepare("SELECT id FROM faxes WHERE document = ?1 AND state = 'rendering'")?
                .query_map([&document], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            db.execute(
                "UPDATE faxes SET state = 'failed', outcome = NULL, detail = ?2, ended_at = ?3
                 WHERE document = ?1 AND state = 'rendering'",
                params![document, format!("{name}: {why}"), now.0],
            )?;
            for fax in &ended {
                super::outgoing::fax_ended(db, fax, now)?;
            }
            Ok(())
        })
        .await
    }
}

pub(super) fn insert(db: &Connection, message: &NewMessage, now: Millis) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO messages (id, accepted_at, client, sender, account, via, envelope_id, ret, language, notes,
                               message_id, refs, subject, manifest, size, text_key)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?
    .execute(params![
        message.id,
        now.0,
        message.client,
        message.sender,
        message.account,
        message.via,
        message.envelope_id,
        message.ret.map(Ret::name),
        message.language,
        message.notes,
        message.message_id,
        message.references,
        message.subject,
        message.manifest,
        message.size,
        message.text_key
    ])?;
    small::keep(db, &message.text_key, message.small_text.as_deref())?;
    let mut documents: Vec<(Resolution, String)> = Vec::new();
    for fax in &message.faxes {
        let made = documents.iter().find(|(made, _)| *made == fax.resolution);
        let document = match made {
            Some((_, document)) => document.clone(),
            None => {
                let document = insert_document(db, &message.id, fax.resolution, now)?;
                documents.push((fax.resolution, document.clone()));
                document
            }
        };
        insert_fax(db, message, &document, fax, now)?;
    }
    if let Some(postmaster) = &message.forward_to {
        super::outgoing::forward(db, &message.id, postmaster, now)?;
    }
    match message.one_report {
        true => super::outgoing::report_as_one(db, &message.id, message.faxes.len()),
        false => Ok(()),
    }
}

fn insert_document(
    db: &Connection,
    message: &str,
    resolution: Resolution,
    now: Millis,
) -> rusqlite::Result<String> {
    let document = id::new(now);
    db.prepare_cached(
        "INSERT INTO documents (id, message, resolution, state, next_try_at) VALUES (?1, ?2, ?3, 'waiting', ?4)",
    )?
    .execute(params![document, message, resolution_name(resolution), now.0])?;
    Ok(document)
}

fn insert_fax(
    db: &Connection,
    message: &NewMessage,
    document: &str,
    fax: &NewFax,
    now: Millis,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO faxes (id, message, document, recipient, number, sub_address, name, billing, cover, orcpt, notify,
                            priority, account, not_before, give_up_at, tell_delay_at, state, created_at, next_try_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, 'rendering', ?17, ?17)",
    )?
    .execute(params![
        fax.id,
        message.id,
        document,
        fax.recipient,
        fax.number,
        fax.sub_address,
        fax.name,
        fax.billing,
        fax.cover,
        fax.orcpt,
        fax.notify.map(Notify::bits),
        fax.priority,
        message.account,
        fax.not_before.map(|at| at.0),
        fax.give_up_at.map(|at| at.0),
        fax.tell_delay_at.map(|at| at.0),
        now.0
    ])?;
    for further in &fax.further {
        insert_further(db, &fax.id, further)?;
    }
    Ok(())
}

fn resolution_name(resolution: Resolution) -> &'static str {
    match resolution {
        Resolution::Standard => "standard",
        Resolution::Fine => "fine",
        Resolution::Superfine => "superfine",
    }
}

pub(super) fn resolution(name: &str) -> Resolution {
    match name {
        "standard" => Resolution::Standard,
        "superfine" => Resolution::Superfine,
        _ => Resolution::Fine,
    }
}
