//! Whether the store can be trusted. A damaged one is reported and not served: no mail is taken into it, nothing is
//! dialled out of it, and what it holds stays as it is for whoever mends it.

use std::io::ErrorKind;
use std::path::Path;

use rusqlite::{Connection, ErrorCode};

use super::{Blobs, Result, Store, StoreError, check};

/// What is wrong with a store.
pub(super) struct Damage {
    /// Half a sentence.
    what: String,
    /// SQLite said so in the middle of its work: no later look takes it back.
    lasts: bool,
}

impl Store {
    /// What is wrong with the store, as half a sentence; `None`: nothing is known to be.
    pub fn damage(&self) -> Option<String> {
        self.damage_note()
            .as_ref()
            .map(|damage| damage.what.clone())
    }

    /// Looks whether the file is sound, its rows do not contradict each other, and every blob is there that unfinished
    /// work needs, as it was kept. What was missing and is there again is no damage any more. Takes seconds where there is much; others
    /// read and write meanwhile.
    ///
    /// # Errors
    /// As the database says, where it is not that it is damaged: that is noted.
    pub async fn examine(&self) -> Result<()> {
        let blobs = self.blobs().clone();
        let found = self.read_afresh(move |db| {
            Ok(match unsound(db)? {
                Some(unsound) => Some(unsound),
                None => contradiction(db)?
                    .or(gap(db, &blobs)?)
                    .or(other_octets(db, &blobs)?),
            })
        });
        // What the file's damage makes of the look itself is noted by the read.
        match found.await? {
            Some(what) => self.note_damage(what, false),
            None => self.forget_damage(),
        }
        Ok(())
    }

    /// Notes what an error says of the file, if it does.
    pub(super) fn heard<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(StoreError::Files(e)) = &result
            && e.kind() == ErrorKind::InvalidData
        {
            self.note_damage(format!("a mail or page was altered: {e}"), false);
        }
        if let Err(StoreError::Database(e)) = &result {
            let is_damaged = [ErrorCode::DatabaseCorrupt, ErrorCode::NotADatabase];
            if e.sqlite_error_code()
                .is_some_and(|code| is_damaged.contains(&code))
            {
                self.note_damage(format!("its database file cannot be read: {e}"), true);
            }
        }
        result
    }

    fn note_damage(&self, what: String, lasts: bool) {
        let mut known = self.damage_note();
        if known
            .as_ref()
            .is_none_or(|known| known.what != what && !known.lasts)
        {
            tracing::error!(
                "the queue is damaged; no mail and no call is taken, and no fax is dialled: {what}"
            );
            *known = Some(Damage { what, lasts });
        }
    }

    fn forget_damage(&self) {
        let mut known = self.damage_note();
        if known.as_ref().is_some_and(|known| !known.lasts) {
            tracing::info!("the queue is sound again");
            *known = None;
        }
    }
}

/// What two rows say of each other that cannot both be true.
fn contradiction(db: &Connection) -> rusqlite::Result<Option<String>> {
    let broken = check::broken_rules(db)?;
    Ok(broken.first().and_then(|broken| {
        let first = broken.rows.first()?;
        let n = broken.rows.len();
        Some(format!(
            "it breaks its rule that {} ({first}{})",
            broken.invariant,
            if n > 1 { ", and others" } else { "" }
        ))
    }))
}

/// What a row needs and no file holds.
fn gap(db: &Connection, blobs: &Blobs) -> rusqlite::Result<Option<String>> {
    let missing = check::missing_blobs(db, blobs, check::UNFINISHED)?;
    Ok(missing.first().map(|first| match missing.len() {
        1 => format!("the file {first} of a mail or page is missing in its folder blobs"),
        n => format!(
            "{n} files of mails or pages are missing in its folder blobs, {first} among them"
        ),
    }))
}

/// What a row needs and is held otherwise than it was kept.
fn other_octets(db: &Connection, blobs: &Blobs) -> rusqlite::Result<Option<String>> {
    let altered = check::altered_blobs(db, blobs, check::UNFINISHED)?;
    let first = altered.first();
    Ok(first.map(|first| {
        format!("a mail or page was altered: {first}, in its folder blobs or in its database")
    }))
}

/// Whether there is a database, or nothing that one could have named. A new one would know nothing of what was accepted.
pub(super) fn is_not_lost(state: &Path) -> Result<()> {
    let database = state.join("queue.db");
    let is_there = database.metadata().is_ok_and(|file| file.len() > 0);
    if is_there || !state.join("blobs").exists() || Blobs::open(state)?.keys()?.is_empty() {
        return Ok(());
    }
    Err(StoreError::Lost(database))
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
pub(super) fn sweep(db: &Connection, blobs: &Blobs) -> Result<usize> {
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
