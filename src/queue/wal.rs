//! Whether `queue.db` and `queue.db-wal` belong together. SQLite does not look: it reads whatever log lies beside a file as
//! the file's own, so that a copy of `queue.db` put back beside the log of a newer one becomes a mixture of both.
//!
//! So the table `log` counts the commits, and once a log has begun anew, notes which of them the file holds by itself: no
//! fewer are in it, and no more than the log knows of, as long as they belong together.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};

use super::StoreError;
use super::gate::Gate;

/// The log beside a database, as one writer sees it.
pub struct Log {
    path: Option<PathBuf>,
    /// Of the log whose beginning is noted.
    salts: Option<u64>,
    /// Changes of rows when the last transaction ended.
    changes: u64,
}

impl Log {
    /// That of the database which this connection has open.
    pub fn of(connection: &Connection) -> Log {
        let database = connection.path().filter(|path| !path.is_empty());
        Log {
            path: database.map(|database| format!("{database}-wal").into()),
            salts: None,
            changes: connection.total_changes(),
        }
    }

    /// Counts what is about to be committed, where it changes anything.
    ///
    /// # Errors
    /// As the database says.
    pub fn count(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.path.is_some() && connection.total_changes() != self.changes {
            connection.execute("UPDATE log SET commits = commits + 1", [])?;
            self.changes = connection.total_changes();
        }
        Ok(())
    }

    /// Notes what the file holds, if the log began anew. To be called behind a commit.
    ///
    /// # Errors
    /// As the database says: then it is noted behind a later commit.
    pub fn note(&mut self, connection: &Connection, gate: &Gate) -> rusqlite::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let salts = salts_of(path);
        if salts.is_none() || salts == self.salts {
            return Ok(());
        }
        // What the file holds only grows: whoever notes it later does no harm.
        let held = in_file(connection)?;
        gate.begin(connection)?;
        let noted = connection.execute("UPDATE log SET in_file = max(in_file, ?1)", [held]);
        let end = if noted.is_ok() { "COMMIT" } else { "ROLLBACK" };
        connection.execute_batch(end)?;
        noted?;
        self.changes = connection.total_changes();
        self.salts = salts;
        Ok(())
    }
}

/// Both salts in the header of a log, which are others each time that it begins anew (SQLite, "The WAL File Format").
fn salts_of(path: &Path) -> Option<u64> {
    let mut salts = [0; 8];
    let log = File::open(path).ok()?;
    log.read_exact_at(&mut salts, 16).ok()?;
    Some(u64::from_be_bytes(salts))
}

/// Whether the file is another one than the log beside it was written for, as half a sentence. Others may write meanwhile.
pub fn mismatch(db: &Connection) -> rusqlite::Result<Option<String>> {
    if db.path().is_none_or(str::is_empty) {
        return Ok(None);
    }
    let (_, noted) = counted(db)?;
    let Ok(held) = in_file(db) else {
        // Its first log was being written into it: it cannot be read by itself.
        return Ok(None);
    };
    let (commits, _) = counted(db)?;
    let belongs = noted <= held && held <= commits;
    Ok((!belongs).then(|| {
        format!(
            "queue.db is not the file that queue.db-wal beside it was written for, but an older or a newer copy of it: {REMEDY}"
        )
    }))
}

const REMEDY: &str = "put back the queue.db of that log, or move queue.db-wal and queue.db-shm away (what the copy does not \
     know of is then set aside in the folder orphans, and `postfax adopt` takes it back in)";

/// What SQLite says of a file that it cannot read, with what may have become of it.
pub fn perhaps_mixed(e: StoreError) -> StoreError {
    match e {
        StoreError::Database(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            StoreError::Damaged(format!(
                "its database file cannot be read ({e}); where queue.db was put back from a copy: {REMEDY}"
            ))
        }
        other => other,
    }
}

/// How many commits the file itself holds, without the log.
fn in_file(db: &Connection) -> rusqlite::Result<i64> {
    let path = escaped(db.path().unwrap_or_default());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let file = Connection::open_with_flags(format!("file:{path}?immutable=1"), flags)?;
    counted(&file).map(|(commits, _)| commits)
}

/// How many commits the database has had, and how many of them its file held when its log began; none where it is older than
/// the table.
fn counted(db: &Connection) -> rusqlite::Result<(i64, i64)> {
    let has_table = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'log'";
    if !db.prepare(has_table)?.exists([])? {
        return Ok((0, 0));
    }
    let sql = "SELECT commits, in_file FROM log";
    let found = db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(found.optional()?.unwrap_or((0, 0)))
}

/// A path as SQLite takes it in a URI.
fn escaped(path: &str) -> String {
    path.replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23")
}
