//! Numbers that rest: the law counts calls to a number (47 CFR 68.318(b)), and so do those who sit beside its telephone,
//! however many faxes wait for it.

use rusqlite::{Connection, OptionalExtension, params};

use super::Millis;
use crate::call::outcome::Outcome;
use crate::call::retry::{self, Policy};

/// Takes in how a call to `number` ended. Where the outcome speaks of the number, it rests, and the calls in a row that
/// ended so come back.
pub(super) fn heard(
    db: &Connection,
    number: &str,
    outcome: Outcome,
    answered: bool,
    policy: &Policy,
    now: Millis,
) -> rusqlite::Result<Option<u32>> {
    if !retry::rests_number(outcome) {
        if answered {
            db.prepare_cached("DELETE FROM rests WHERE number = ?1")?
                .execute([number])?;
        }
        return Ok(None);
    }
    let before: Option<(String, u32)> = db
        .prepare_cached("SELECT outcome, in_a_row FROM rests WHERE number = ?1")?
        .query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let before = before.and_then(|(name, calls)| Some((Outcome::from_name(&name)?, calls)));
    let (in_a_row, least) = match before {
        Some((same, calls)) if retry::counted_in_a_row(same, outcome) => (calls + 1, 0),
        // An hour that has passed begins the count anew.
        Some((other, calls)) if policy.rest(other, calls) < retry::AN_HOUR => {
            (1, retry::rest_between(other, outcome))
        }
        _ => (1, 0),
    };
    let rest = policy.rest(outcome, in_a_row).max(least);
    let until = now.plus_seconds(u64::from(rest));
    db.prepare_cached(
        "INSERT INTO rests (number, outcome, in_a_row, until) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (number) DO UPDATE SET outcome = ?2, in_a_row = ?3, until = ?4",
    )?
    .execute(params![number, outcome.name(), in_a_row, until.0])?;
    Ok(Some(in_a_row))
}

/// Days that a rest which is over is remembered, so that calls in a row are counted.
const REMEMBERED: u64 = 86_400;

/// Forgets what was long ago.
pub(super) fn forget(db: &Connection, now: Millis) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM rests WHERE until < ?1")?
        .execute([now.0 - REMEMBERED as i64 * 1000])?;
    Ok(())
}
