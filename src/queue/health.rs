//! Whether the store can be trusted. A damaged one is reported and not served: no mail is taken into it, nothing is
//! dialled out of it, and what it holds stays as it is for whoever mends it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::MutexGuard;

use rusqlite::{Connection, ErrorCode};

use super::{Blobs, Millis, Result, SinceBoot, Store, StoreError, check, seal, small, wal};
use crate::call::retry::Policy;

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

    /// What is known not to be as it should be and costs no mail and no page, as half sentences.
    pub fn notes(&self) -> Vec<String> {
        self.known_notes().values().cloned().collect()
    }

    /// Waits until damage was noted that the last look at the store did not find.
    pub async fn suspected(&self) {
        self.inner.suspicion.notified().await;
    }

    /// Begins to work on a store that was opened for the daemon. It is examined first, and changed only where it is sound:
    /// claims of the last owner get their honest end ([`Store::recover`]), what no row names is moved to `orphans`, what
    /// was never kept is removed. Returns how many claims were found. Called once, before anything is claimed.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], and then nothing was changed; else what the disk or the database says.
    pub async fn begin(
        &self,
        policy: &Policy,
        since_boot: SinceBoot,
        now: Millis,
    ) -> Result<usize> {
        self.bring_back_named().await?;
        if let Some(what) = self.look().await? {
            return Err(StoreError::Damaged(what));
        }
        self.is_sound().await?;
        self.follow_clock(since_boot, now).await?;
        let recovered = self.recover(policy, now).await?;
        // Whoever has no room or no rights for this has lost nothing.
        if let Err(e) = self.set_orphans_aside(now).await {
            tracing::error!("mails and pages that no row names stay where they are: {e}");
        }
        let blobs = self.blobs().clone();
        let cleared = tokio::task::spawn_blocking(move || blobs.clear_incoming()).await;
        if let Err(e) = cleared.map_err(|_| StoreError::Stopped)? {
            tracing::error!("what was never kept is not removed: {e}");
        }
        Ok(recovered)
    }

    /// Looks whether the file is sound, its rows do not contradict each other, and every blob is there that unfinished
    /// work needs, as it was kept. What was missing and is there again is no damage any more. Takes seconds where there is much; others
    /// read and write meanwhile.
    ///
    /// # Errors
    /// As the database says, where it is not that it is damaged: that is noted.
    pub async fn examine(&self) -> Result<()> {
        match self.look().await? {
            Some(what) => self.note_damage(what, false),
            None => self.forget_damage(),
        }
        Ok(())
    }

    /// What is wrong with it. What is wrong and costs nothing is noted.
    pub(super) async fn look(&self) -> Result<Option<String>> {
        let blobs = self.blobs().clone();
        let noted: Vec<String> = self.known_notes().keys().cloned().collect();
        let found = self.read_afresh(move |db| {
            if let Some(unsound) = unsound(db)? {
                return Ok((Some(unsound), Vec::new()));
            }
            let damage = contradiction(db)?
                .or(gap(db, &blobs)?)
                .or(other_octets(db, &blobs)?);
            Ok((damage, notes(db, &blobs, &noted)?))
        });
        // What the file's damage makes of the look itself is noted by the read.
        let (damage, notes) = found.await?;
        self.known_notes()
            .retain(|key, _| notes.iter().any(|(still, _)| still == key));
        for (key, what) in notes {
            self.note(&key, what);
        }
        Ok(damage)
    }

    /// Notes what an error says of the database file, if it does.
    pub(super) fn heard<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(StoreError::Database(e)) = &result {
            let is_damaged = [ErrorCode::DatabaseCorrupt, ErrorCode::NotADatabase];
            if e.sqlite_error_code()
                .is_some_and(|code| is_damaged.contains(&code))
            {
                self.suspect(format!("its database file cannot be read: {e}"), true);
            }
        }
        result
    }

    /// Notes what an error says of the mail or page `key`, if it does: that it was altered is damage where it is still
    /// needed, and else a note.
    pub async fn heard_of<T>(&self, key: &str, result: Result<T>) -> Result<T> {
        if let Err(StoreError::Files(e)) = &result
            && e.kind() == ErrorKind::InvalidData
        {
            let what = format!("a mail or page was altered: {e}");
            match self.is_needed(key).await {
                Ok(false) => self.note(key, what),
                Ok(true) | Err(_) => self.suspect(what, false),
            }
        }
        result
    }

    /// Whether unfinished work needs the mail or page `key`.
    async fn is_needed(&self, key: &str) -> Result<bool> {
        let key = key.to_owned();
        let sql = format!("SELECT 1 FROM ({}) WHERE text_key = ?1", check::UNFINISHED);
        self.read(move |db| db.prepare_cached(&sql)?.exists([key]))
            .await
    }

    /// Damage that shows in the middle of the work: it is looked at at once.
    fn suspect(&self, what: String, lasts: bool) {
        let is_new = self.damage_note().is_none();
        self.note_damage(what, lasts);
        if is_new {
            self.inner.suspicion.notify_one();
        }
    }

    fn note(&self, key: &str, what: String) {
        if self
            .known_notes()
            .insert(key.to_owned(), what.clone())
            .as_ref()
            != Some(&what)
        {
            tracing::warn!("{what}; nothing depends on it, and the gateway goes on");
        }
    }

    fn known_notes(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.inner
            .notes
            .lock()
            .expect("nobody panics while holding it")
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

/// What is not as was expected, and those of the blobs noted before that still are not: by what, and in words.
fn notes(
    db: &Connection,
    blobs: &Blobs,
    noted: &[String],
) -> rusqlite::Result<Vec<(String, String)>> {
    let mut notes = Vec::new();
    for broken in check::broken_expectations(db)? {
        let rows = broken.rows.join(", ");
        let what = format!(
            "the queue does not keep to it that {}: {rows}",
            broken.invariant
        );
        notes.push((broken.invariant.to_owned(), what));
    }
    for key in noted {
        if seal::is_broken(&blobs.path(key)) || small::is_altered(db, key)? {
            let what = format!("a mail or page was altered: {key}, of what is over");
            notes.push((key.clone(), what));
        }
    }
    Ok(notes)
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

/// What is wrong with the database file: that it is another one than its log is of, or what SQLite finds in it.
pub(super) fn unsound(db: &Connection) -> rusqlite::Result<Option<String>> {
    if let Some(mismatch) = wal::mismatch(db)? {
        return Ok(Some(mismatch));
    }
    let found: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((found != "ok")
        .then(|| format!("its database file is damaged: {}", found.replace('\n', " "))))
}
