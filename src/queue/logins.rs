//! Logins that failed, so that a restart does not forget who guesses passwords.

use rusqlite::params;

use super::{Millis, Result, Store};

impl Store {
    /// Counts a login of `network` before it is tried, and forgets those before `since`.
    ///
    /// # Errors
    /// As the database says.
    pub async fn note_login(&self, network: &str, now: Millis, since: Millis) -> Result<()> {
        let network = network.to_owned();
        self.write(move |db| {
            db.prepare_cached("DELETE FROM failed_logins WHERE at < ?1")?
                .execute([since.0])?;
            db.prepare_cached("INSERT INTO failed_logins (network, at) VALUES (?1, ?2)")?
                .execute(params![network, now.0])?;
            Ok(())
        })
        .await
    }

    /// The login of `network` at that time has not failed.
    ///
    /// # Errors
    /// As the database says.
    pub async fn forget_login(&self, network: &str, at: Millis) -> Result<()> {
        let network = network.to_owned();
        self.write(move |db| {
            db.prepare_cached(
                "DELETE FROM failed_logins WHERE rowid =
                 (SELECT rowid FROM failed_logins WHERE network = ?1 AND at = ?2 LIMIT 1)",
            )?
            .execute(params![network, at.0])?;
            Ok(())
        })
        .await
    }

    /// Who failed when, from `since` on, the oldest first.
    ///
    /// # Errors
    /// As the database says.
    pub async fn failed_logins(&self, since: Millis) -> Result<Vec<(String, Millis)>> {
        self.read(move |db| {
            db.prepare("SELECT network, at FROM failed_logins WHERE at >= ?1 ORDER BY at")?
                .query_map([since.0], |row| Ok((row.get(0)?, Millis(row.get(1)?))))?
                .collect()
        })
        .await
    }
}
