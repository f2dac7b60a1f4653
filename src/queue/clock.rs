//! The wall clock as the rows have it: steps of it are taken out of what waits, so that a delay lasts as long as it was
//! meant to, whichever way the clock is set. What people asked for by the clock (not before, not after) stays.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Millis, Result, Store};
use crate::call::retry::Policy;

/// The time since a boot, which nobody sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinceBoot {
    /// Which boot.
    pub boot: String,
    /// Milliseconds, suspended time included.
    pub millis: i64,
}

/// A clock that is off by less, milliseconds, was not set: it is slewed, and read a little later than the other.
const TOLERANCE: i64 = 2000;

/// Seconds that every fax gets after a time in which nothing could be dialled, though its own time is over.
const GRACE: u64 = 3600;

impl Store {
    /// Takes a step of the wall clock since the last look out of what waits, also one from before this start, but not
    /// from before the boot. Returns the step: milliseconds, positive where the clock was set forward.
    ///
    /// # Errors
    /// As the database says; then nothing was changed.
    pub async fn follow_clock(&self, since_boot: SinceBoot, now: Millis) -> Result<i64> {
        let step = self.write(move |db| follow(db, &since_boot, now)).await?;
        if step != 0 {
            let seconds = step / 1000;
            tracing::warn!(
                "the clock was set by {seconds} s: what waits in the queue keeps its delay"
            );
        }
        Ok(step)
    }

    /// Lets every fax have an hour, though its `give_up_hours` are over: nothing could be dialled for a while, since the
    /// daemon did not run.
    ///
    /// # Errors
    /// As the database says.
    pub async fn give_grace(&self, policy: &Policy, now: Millis) -> Result<()> {
        let seconds = policy.give_up_seconds;
        self.write(move |db| grace(db, seconds, now)).await
    }
}

fn follow(db: &Connection, since_boot: &SinceBoot, now: Millis) -> rusqlite::Result<i64> {
    let ahead = now.0 - since_boot.millis;
    let before: Option<(String, i64)> = db
        .prepare_cached("SELECT boot, ahead FROM clock")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let step = match before {
        Some((boot, before)) if boot == since_boot.boot => ahead - before,
        // Nobody knows how long the machine was off but the clock.
        _ => {
            note(db, since_boot, ahead)?;
            return Ok(0);
        }
    };
    if step.abs() <= TOLERANCE {
        return Ok(0);
    }
    note(db, since_boot, ahead)?;
    take_out(db, step, now)?;
    Ok(step)
}

fn note(db: &Connection, since_boot: &SinceBoot, ahead: i64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO clock (id, boot, ahead) VALUES (1, ?1, ?2)
         ON CONFLICT (id) DO UPDATE SET boot = ?1, ahead = ?2",
    )?
    .execute(params![since_boot.boot, ahead])?;
    Ok(())
}

/// Moves what was counted by the clock before its step: rests, delays after a call, and the time until a fax is given up.
fn take_out(db: &Connection, step: i64, now: Millis) -> rusqlite::Result<()> {
    for update in [
        "UPDATE rests SET until = until + ?1 WHERE ?2",
        "UPDATE faxes SET give_up_from = ifnull(give_up_from, next_try_at) + ?1
         WHERE state IN ('ready', 'calling') AND (give_up_from IS NOT NULL OR next_try_at <= ?2 - ?1)",
        "UPDATE faxes SET next_try_at = max(next_try_at + ?1, ifnull(not_before, 0))
         WHERE state = 'ready' AND outcome IS NOT NULL AND next_try_at > ifnull(not_before, 0) AND ?2",
        // What waits for no delay was due by the clock before.
        "UPDATE faxes SET next_try_at = max(?2, ifnull(not_before, 0))
         WHERE state = 'ready' AND outcome IS NULL AND next_try_at BETWEEN ?2 AND ?2 - ?1
               AND next_try_at > ifnull(not_before, 0)",
        // The time that was asked for had come by the clock before only.
        "UPDATE faxes SET turn = NULL, next_try_at = max(next_try_at, not_before)
         WHERE state = 'ready' AND not_before > ?2 AND ?1 < 0",
        "UPDATE faxes SET tell_delay_at = tell_delay_at + ?1 WHERE tell_delay_at IS NOT NULL AND ended_at IS NULL AND ?2",
        "UPDATE documents SET next_try_at = ?2 WHERE state = 'waiting' AND next_try_at > ?2 AND ?1 < 0",
        "UPDATE outgoing SET next_try_at = ?2 WHERE state = 'waiting' AND next_try_at > ?2 AND ?1 < 0",
    ] {
        db.prepare_cached(update)?.execute([step, now.0])?;
    }
    Ok(())
}

/// No fax is given up sooner than so much later, or than `give_up_seconds` where these are less.
pub(super) fn grace(db: &Connection, give_up_seconds: u64, now: Millis) -> rusqlite::Result<()> {
    let since = give_up_seconds.saturating_sub(GRACE);
    let from = now.0.saturating_sub(Millis(0).plus_seconds(since).0);
    db.prepare_cached(
        "UPDATE faxes SET give_up_from = ?1 WHERE state IN ('ready', 'calling') AND held = 0 AND give_up_at IS NULL
         AND ifnull(give_up_from, next_try_at) < ?1",
    )?
    .execute([from])?;
    Ok(())
}
