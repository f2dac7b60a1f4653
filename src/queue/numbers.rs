//! The memory of numbers, on disk.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::memory::{self, Begin, Memory, Placed};
use super::{Millis, Result, Store};
use crate::call::outcome::{CallReport, Outcome};

impl Store {
    /// What is remembered of a number (in canonical form) and not yet forgotten.
    ///
    /// # Errors
    /// As the database says.
    pub async fn memory(&self, number: &str, now: Millis) -> Result<Option<Memory>> {
        let number = number.to_owned();
        self.read(move |db| remembered(db, &number, now)).await
    }

    /// Writes down what a call taught about its number, for so many days, and forgets what has expired.
    ///
    /// # Errors
    /// As the database says.
    pub async fn learn(
        &self,
        number: &str,
        report: CallReport,
        placed: Placed,
        days: u32,
        now: Millis,
    ) -> Result<()> {
        let number = number.to_owned();
        self.write(move |db| {
            db.prepare_cached("DELETE FROM numbers WHERE expires_at <= ?1")?
                .execute([now.0])?;
            let before = remembered(db, &number, now)?;
            match memory::learn(before, &number, &report, placed, days, now) {
                Some(memory) => keep(db, &memory),
                None => Ok(()),
            }
        })
        .await
    }

    /// Forgets a number. False: nothing was known of it.
    ///
    /// # Errors
    /// As the database says.
    pub async fn forget(&self, number: &str) -> Result<bool> {
        let number = number.to_owned();
        self.write(move |db| {
            let gone = db.execute("DELETE FROM numbers WHERE number = ?1", [number])?;
            Ok(gone > 0)
        })
        .await
    }

    /// Notes of an attempt which number it calls (in canonical form) and what the memory of that changed about it.
    ///
    /// # Errors
    /// As the database says.
    pub async fn attempt_placed(&self, attempt: i64, number: &str, chosen: &str) -> Result<()> {
        let (number, chosen) = (number.to_owned(), chosen.to_owned());
        self.write(move |db| {
            db.prepare_cached("UPDATE attempts SET called = ?2, chosen = ?3 WHERE id = ?1")?
                .execute(params![attempt, number, chosen])?;
            Ok(())
        })
        .await
    }
}

fn remembered(db: &Connection, number: &str, now: Millis) -> rusqlite::Result<Option<Memory>> {
    db.prepare_cached(
        "SELECT number, begin, max_bit_rate, ecm, why, outcome, in_a_row, worked, learned_at, expires_at
         FROM numbers WHERE number = ?1 AND expires_at > ?2",
    )?
    .query_row(params![number, now.0], memory)
    .optional()
}

fn memory(row: &Row<'_>) -> rusqlite::Result<Memory> {
    let begin: Option<String> = row.get(1)?;
    let worked: Option<String> = row.get(7)?;
    Ok(Memory {
        number: row.get(0)?,
        begin: begin.as_deref().and_then(Begin::from_name),
        max_bit_rate: row.get(2)?,
        ecm: row.get(3)?,
        why: row.get(4)?,
        outcome: Outcome::from_name(&row.get::<_, String>(5)?).unwrap_or(Outcome::ProtocolError),
        in_a_row: row.get(6)?,
        worked: worked.and_then(|text| serde_json::from_str(&text).ok()),
        learned_at: Millis(row.get(8)?),
        expires_at: Millis(row.get(9)?),
    })
}

fn keep(db: &Connection, memory: &Memory) -> rusqlite::Result<()> {
    let worked = memory.worked.as_ref();
    let worked = worked.map(|worked| serde_json::to_string(worked).expect("plain data serialises"));
    db.prepare_cached(
        "INSERT OR REPLACE INTO numbers
         (number, begin, max_bit_rate, ecm, why, outcome, in_a_row, worked, learned_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        memory.number,
        memory.begin.map(Begin::name),
        memory.max_bit_rate,
        memory.ecm,
        memory.why,
        memory.outcome.name(),
        memory.in_a_row,
        worked,
        memory.learned_at.0,
        memory.expires_at.0
    ])?;
    Ok(())
}
