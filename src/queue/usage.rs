//! What accounts and trunks have used on a day, against their limits.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Result, Store};
use crate::call::outcome::CallReport;

/// What was used on a day.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Used {
    /// Calls begun.
    pub calls: u32,
    /// Seconds of them, from answer to end.
    pub seconds: f64,
}

impl Store {
    /// What an account has used on `day` ("2026-11-21").
    ///
    /// # Errors
    /// As the database says.
    pub async fn used_by_account(&self, day: &str, account: &str) -> Result<Used> {
        let (day, account) = (day.to_owned(), account.to_owned());
        self.read(move |db| used(db, &day, "account", &account))
            .await
    }

    /// What went over each trunk on `day`.
    ///
    /// # Errors
    /// As the database says.
    pub async fn used_by_trunks(&self, day: &str) -> Result<Vec<(String, Used)>> {
        let day = day.to_owned();
        self.read(move |db| {
            db.prepare("SELECT name, calls, seconds FROM usage WHERE day = ?1 AND kind = 'trunk'")?
                .query_map([day], |row| {
                    let (calls, seconds) = (row.get(1)?, row.get(2)?);
                    Ok((row.get(0)?, Used { calls, seconds }))
                })?
                .collect()
        })
        .await
    }
}

pub(super) fn used(db: &Connection, day: &str, kind: &str, name: &str) -> rusqlite::Result<Used> {
    let found = db
        .prepare_cached(
            "SELECT calls, seconds FROM usage WHERE day = ?1 AND kind = ?2 AND name = ?3",
        )?
        .query_row([day, kind, name], |row| {
            Ok(Used {
                calls: row.get(0)?,
                seconds: row.get(1)?,
            })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// A call of an account has begun.
pub(super) fn began(db: &Connection, day: &str, account: &str) -> rusqlite::Result<()> {
    add(db, day, ("account", account), 1, 0.0)
}

/// The call of a fax has ended, or its part in a call that several share: each has its seconds, and the first of them the
/// call. Which trunk it went over is known now.
pub(super) fn ended(
    db: &Connection,
    day: &str,
    fax: &str,
    attempt: i64,
    report: &CallReport,
) -> rusqlite::Result<()> {
    let account: String = db
        .prepare_cached("SELECT account FROM faxes WHERE id = ?1")?
        .query_row([fax], |row| row.get(0))?;
    add(db, day, ("account", &account), 0, report.seconds)?;
    match report.trunk.as_str() {
        "" => Ok(()),
        trunk => {
            let is_first = "SELECT ifnull(call, id) = id FROM attempts WHERE id = ?1";
            let calls = db
                .prepare_cached(is_first)?
                .query_row([attempt], |row| row.get(0))?;
            add(db, day, ("trunk", trunk), calls, report.seconds)
        }
    }
}

fn add(
    db: &Connection,
    day: &str,
    (kind, name): (&str, &str),
    calls: u32,
    seconds: f64,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO usage (day, kind, name, calls, seconds) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (day, kind, name) DO UPDATE SET calls = calls + ?4, seconds = seconds + ?5",
    )?
    .execute(params![day, kind, name, calls, seconds])?;
    Ok(())
}
