//! What receipts are made of, beside what everybody sees of a fax. Reading only.

use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::view::{FAX, fax};
use super::{FaxRow, Millis, Result, Store};

/// A fax, and what its sender asked to be told of it.
#[derive(Debug, Clone)]
pub struct ToldFax {
    /// What everybody sees.
    pub fax: FaxRow,
    /// ORCPT (RFC 3461 4.2), decoded.
    pub orcpt: Option<String>,
    /// NOTIFY (RFC 3461 4.1): 0 never, else 1 success + 2 failure + 4 delay.
    pub notify: Option<u8>,
    /// Project or billing code.
    pub billing: Option<String>,
    /// Blob key of its first page as PNG.
    pub preview_key: Option<String>,
    /// JSON: what drawing found, as sentences.
    pub remarks: String,
    /// Its last attempt: when it began, SIP status, Q.850 cause, and the cause in detail.
    pub last_attempt: Option<(Millis, Option<u16>, Option<u16>, String)>,
}

/// The mail of one or several faxes.
#[derive(Debug, Clone)]
pub struct ToldMail {
    /// When it was accepted.
    pub accepted_at: Millis,
    /// Address of the SMTP client.
    pub client: String,
    /// Envelope sender.
    pub sender: String,
    /// ENVID (RFC 3461 4.4), decoded.
    pub envelope_id: Option<String>,
    /// RET (RFC 3461 4.3): `full` or `hdrs`.
    pub ret: Option<String>,
    /// Language of its receipts: `en`, `de`.
    pub language: Option<String>,
    /// `Message-ID`.
    pub message_id: Option<String>,
    /// `References`.
    pub references: Option<String>,
    /// `Subject`.
    pub subject: String,
    /// JSON: every MIME part.
    pub manifest: String,
    /// Octets.
    pub size: u64,
    /// Blob key of its text.
    pub text_key: String,
}

impl Store {
    /// One fax.
    ///
    /// # Errors
    /// As the database says.
    pub async fn told_fax(&self, id: &str) -> Result<Option<ToldFax>> {
        let id = id.to_owned();
        self.read(move |db| Ok(faxes(db, "f.id = ?1", [id])?.pop()))
            .await
    }

    /// All faxes of a mail, in the order of its recipients.
    ///
    /// # Errors
    /// As the database says.
    pub async fn told_faxes(&self, message: &str) -> Result<Vec<ToldFax>> {
        let message = message.to_owned();
        self.read(move |db| faxes(db, "f.message = ?1", [message]))
            .await
    }

    /// A mail.
    ///
    /// # Errors
    /// As the database says.
    pub async fn told_mail(&self, message: &str) -> Result<Option<ToldMail>> {
        let message = message.to_owned();
        self.read(move |db| {
            db.query_row(
                "SELECT accepted_at, sender, envelope_id, ret, language, message_id, refs, subject, manifest, size,
                        text_key, client
                 FROM messages WHERE id = ?1",
                [message],
                mail,
            )
            .optional()
        })
        .await
    }
}

fn faxes(
    db: &Connection,
    which: &str,
    with: impl Params + Clone,
) -> rusqlite::Result<Vec<ToldFax>> {
    let rows: Vec<FaxRow> = db
        .prepare(&format!("{FAX} WHERE {which} ORDER BY f.id"))?
        .query_map(with.clone(), fax)?
        .collect::<rusqlite::Result<_>>()?;
    let mut more = db.prepare(&format!(
        "SELECT f.orcpt, f.notify, f.billing, d.preview_key, d.remarks, a.started_at, a.sip_code, a.q850, a.detail
         FROM faxes f JOIN documents d ON d.id = f.document
         LEFT JOIN attempts a ON a.id = (SELECT max(id) FROM attempts x WHERE x.fax = f.id)
         WHERE {which} ORDER BY f.id"
    ))?;
    let mut more = more.query(with)?;
    let mut told = Vec::with_capacity(rows.len());
    for fax in rows {
        let row = more.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        told.push(told_fax(fax, row)?);
    }
    Ok(told)
}

fn told_fax(fax: FaxRow, row: &Row<'_>) -> rusqlite::Result<ToldFax> {
    let began: Option<i64> = row.get(5)?;
    Ok(ToldFax {
        fax,
        orcpt: row.get(0)?,
        notify: row.get(1)?,
        billing: row.get(2)?,
        preview_key: row.get(3)?,
        remarks: row.get(4)?,
        last_attempt: match began {
            Some(began) => Some((Millis(began), row.get(6)?, row.get(7)?, row.get(8)?)),
            None => None,
        },
    })
}

fn mail(row: &Row<'_>) -> rusqlite::Result<ToldMail> {
    Ok(ToldMail {
        accepted_at: Millis(row.get(0)?),
        sender: row.get(1)?,
        envelope_id: row.get(2)?,
        ret: row.get(3)?,
        language: row.get(4)?,
        message_id: row.get(5)?,
        references: row.get(6)?,
        subject: row.get(7)?,
        manifest: row.get(8)?,
        size: row.get(9)?,
        text_key: row.get(10)?,
        client: row.get(11)?,
    })
}
