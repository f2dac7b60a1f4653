//! What an account has used up.

use rusqlite::Connection;

use super::{Millis, Result, Store};

impl Store {
    /// Seconds of calls since `since` for the faxes of an account.
    ///
    /// # Errors
    /// As the database says.
    pub async fn seconds_called(&self, account: &str, since: Millis) -> Result<f64> {
        let account = account.to_owned();
        self.read(move |db| seconds_called(db, &account, since))
            .await
    }
}

/// Attempts are numbered in the order of time, so the newest are read, and no others.
fn seconds_called(db: &Connection, account: &str, since: Millis) -> rusqlite::Result<f64> {
    let mut newest = db.prepare(
        "SELECT a.started_at, a.seconds, f.account FROM attempts a JOIN faxes f ON f.id = a.fax
         ORDER BY a.id DESC",
    )?;
    let mut rows = newest.query([])?;
    let mut seconds = 0.0;
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(0)? < since.0 {
            break;
        }
        if row.get_ref(2)?.as_str()? == account {
            seconds += row.get::<_, f64>(1)?;
        }
    }
    Ok(seconds)
}
