//! Whether the store can be trusted. A damaged one is reported and not served: no mail is taken into it, nothing is
//! dialled out of it, and what it holds stays as it is for whoever mends it.

use rusqlite::{Connection, ErrorCode};

use super::{Result, Store, StoreError, check};

impl Store {
    /// What is wrong with the store, as half a sentence; `None`: nothing is known to be.
    pub fn damage(&self) -> Option<String> {
        self.damage_note().clone()
    }

    /// Looks whether the file is sound and every blob is there that unfinished work needs. Takes seconds where there is
    /// much; others read and write meanwhile.
    ///
    /// # Errors
    /// As the database says, where it is not that it is damaged: that is noted.
    pub async fn examine(&self) -> Result<()> {
        let blobs = self.blobs().clone();
        let found = self.read(move |db| {
            let unsound = unsound(db)?;
            let missing = check::missing_blobs(db, &blobs, check::UNFINISHED)?;
            Ok(unsound.or_else(|| {
                let first = missing.first()?;
                let (n, what) = (
                    missing.len(),
                    if missing.len() == 1 { "file" } else { "files" },
                );
                Some(format!(
                    "{n} {what} of mails or pages are missing, {first} among them"
                ))
            }))
        });
        // What the file's damage makes of the look itself is noted by the read.
        if let Some(damage) = found.await? {
            self.note_damage(damage);
        }
        Ok(())
    }

    /// Notes what an error says of the file, if it does.
    pub(super) fn heard<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(StoreError::Database(e)) = &result {
            let is_damaged = [ErrorCode::DatabaseCorrupt, ErrorCode::NotADatabase];
            if e.sqlite_error_code()
                .is_some_and(|code| is_damaged.contains(&code))
            {
                self.note_damage(format!("its database file cannot be read: {e}"));
            }
        }
        result
    }

    fn note_damage(&self, what: String) {
        let mut known = self.damage_note();
        if known.is_none() {
            tracing::error!("the queue is damaged, and no mail is taken into it: {what}");
            *known = Some(what);
        }
    }
}

/// What SQLite finds in its file.
fn unsound(db: &Connection) -> rusqlite::Result<Option<String>> {
    let found: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((found != "ok")
        .then(|| format!("its database file is damaged: {}", found.replace('\n', " "))))
}

/// Removes blobs that no row names: what a kill left between a blob and its row. Nobody was told yes for any of it.
/// With the lock held, and before anything is claimed.
///
/// Where the database knows of nothing at all, it is not the blobs that are too many: they are left for whoever looks
/// for a queue that was lost.
pub(super) fn sweep(db: &Connection, blobs: &super::Blobs) -> Result<usize> {
    let named = check::named_blobs(db, check::ALL)?;
    let orphans: Vec<String> = blobs
        .keys()?
        .into_iter()
        .filter(|key| !named.contains(key))
        .collect();
    if named.is_empty() && !orphans.is_empty() {
        tracing::warn!(
            "{} files of mails and pages belong to no row of an empty queue; they are left alone",
            orphans.len()
        );
        return Ok(0);
    }
    for orphan in &orphans {
        blobs.remove(orphan)?;
    }
    Ok(orphans.len())
}
