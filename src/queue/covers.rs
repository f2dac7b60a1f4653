//! Cover pages: one a fax, made just before its first call and kept for all of them.

use rusqlite::{OptionalExtension, params};

use super::messages::resolution;
use super::{Result, Store};
use crate::pages::Resolution;

/// What the queue knows that stands on a cover page.
#[derive(Debug, Clone)]
pub struct CoverRow {
    /// Blob key of the mail's text.
    pub text_key: String,
    /// Who is to read it, where the phone book has a name.
    pub name: Option<String>,
    /// The subject of the mail.
    pub subject: String,
    /// What its sender had to say beside.
    pub notes: Option<String>,
    /// Resolution of the pages behind it.
    pub resolution: Resolution,
}

impl Store {
    /// What stands on the cover page of a fax.
    ///
    /// # Errors
    /// As the database says.
    pub async fn cover_of(&self, fax: &str) -> Result<Option<CoverRow>> {
        let fax = fax.to_owned();
        self.read(move |db| {
            db.query_row(
                "SELECT m.text_key, f.name, m.subject, m.notes, d.resolution
                 FROM faxes f JOIN messages m ON m.id = f.message JOIN documents d ON d.id = f.document
                 WHERE f.id = ?1",
                [fax],
                |row| {
                    Ok(CoverRow {
                        text_key: row.get(0)?,
                        name: row.get(1)?,
                        subject: row.get(2)?,
                        notes: row.get(3)?,
                        resolution: resolution(&row.get::<_, String>(4)?),
                    })
                },
            )
            .optional()
        })
        .await
    }

    /// The cover page of a fax is the durable blob `key`. It stays the one that was kept first: some of it may have
    /// been sent.
    ///
    /// # Errors
    /// As the database says; then no call may begin.
    pub async fn cover_made(&self, fax: &str, key: &str) -> Result<()> {
        let (fax, key) = (fax.to_owned(), key.to_owned());
        self.write(move |db| {
            db.execute(
                "UPDATE faxes SET cover_key = ?2 WHERE id = ?1 AND cover_key IS NULL",
                params![fax, key],
            )?;
            Ok(())
        })
        .await
    }
}
