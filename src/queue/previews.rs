//! The first page of a fax as a small picture.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::{Result, Store};

/// Where the picture of the fax ?1 is, whichever way it went.
const KEY: &str = "SELECT d.preview_key FROM faxes f JOIN documents d ON d.id = f.document
        WHERE f.id = ?1 AND d.preview_key IS NOT NULL
    UNION ALL SELECT preview_key FROM received WHERE id = ?1 AND preview_key IS NOT NULL";

impl Store {
    /// The durable blob `preview` shows the first page of a fax that came in.
    ///
    /// # Errors
    /// As the database says.
    pub async fn received_drawn(&self, received: &str, preview: &str) -> Result<()> {
        let (received, preview) = (received.to_owned(), preview.to_owned());
        self.write(move |db| {
            db.execute(
                "UPDATE received SET preview_key = ?2 WHERE id = ?1",
                params![received, preview],
            )?;
            Ok(())
        })
        .await
    }

    /// The first page of a fax as a PNG, if there is one.
    ///
    /// # Errors
    /// As the disk or the database says.
    pub async fn preview(&self, fax: &str) -> Result<Option<Vec<u8>>> {
        let fax = fax.to_owned();
        let key = self
            .read(move |db| db.query_row(KEY, [fax], |row| row.get(0)).optional())
            .await?;
        let Some(key): Option<String> = key else {
            return Ok(None);
        };
        let octets = self.octets(&key).await?;
        Ok(Some(Arc::unwrap_or_clone(octets)))
    }

    /// Those of the faxes that have a picture.
    ///
    /// # Errors
    /// As the database says.
    pub async fn with_preview(&self, faxes: Vec<String>) -> Result<HashSet<String>> {
        self.read(move |db| {
            let mut look = db.prepare(KEY)?;
            let mut found = HashSet::new();
            for fax in faxes {
                if look.exists([&fax])? {
                    found.insert(fax);
                }
            }
            Ok(found)
        })
        .await
    }
}
