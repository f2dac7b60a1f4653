//! Faxes that share a call: claimed beside the one whose turn it is, and put back where the call ended before them.

use rusqlite::{Connection, params};

use super::faxes::{ClaimedFax, DueFax, take};
use super::line::{self, IN_LINE};
use super::settle::{Final, finish};
use super::{Millis, Result, Store};
use crate::call::outcome::Outcome;

/// What a call has room for beside its first fax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Faxes.
    pub faxes: u32,
    /// Pages of them.
    pub pages: u32,
}

impl Room {
    /// Whether there is room for one more fax, with so many pages; then it is taken.
    fn take(&mut self, pages: u32) -> bool {
        let fits = self.faxes > 0 && self.pages >= pages;
        if fits {
            self.faxes -= 1;
            self.pages -= pages;
        }
        fits
    }
}

/// How far down the line is looked: what the others wait for must not hold up the writer.
const LOOKED_AT: u32 = 1000;

impl Store {
    /// Claims faxes that wait for the same number, to go in the call of `first`: those to which `joins` gives a header
    /// line, in the order of the line, as long as there is room. Each has its own attempt. A fax is not passed over for a
    /// shorter one behind it.
    ///
    /// # Errors
    /// As the database says.
    pub async fn claim_beside(
        &self,
        first: &ClaimedFax,
        joins: impl FnMut(&DueFax) -> Option<String> + Send + 'static,
        room: Room,
        day: String,
        now: Millis,
    ) -> Result<Vec<ClaimedFax>> {
        let (owner, first) = (self.owner(), first.clone());
        self.write(move |db| claim(db, &owner, &first, joins, room, &day, now))
            .await
    }

    /// Puts faxes back that shared a call in which none of their pages left, as if they had not been in it: all of them at
    /// once, or a crash between two of them would leave one that seems to be the next in a call that goes on.
    ///
    /// # Errors
    /// As the database says.
    pub async fn put_back(&self, faxes: &[String], now: Millis) -> Result<()> {
        let faxes = faxes.to_vec();
        self.write(move |db| faxes.iter().try_for_each(|fax| put_back(db, fax, now)))
            .await
    }
}

fn claim(
    db: &Connection,
    owner: &str,
    first: &ClaimedFax,
    mut joins: impl FnMut(&DueFax) -> Option<String>,
    mut room: Room,
    day: &str,
    now: Millis,
) -> rusqlite::Result<Vec<ClaimedFax>> {
    let waiting: Vec<String> = db
        .prepare_cached(&format!(
            "SELECT id FROM (SELECT id, number {IN_LINE} LIMIT {LOOKED_AT}) WHERE number = ?1"
        ))?
        .query_map([&first.number], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut claimed = Vec::new();
    for id in waiting {
        let due = line::due(db, &id, day)?;
        let Some(header) = joins(&due) else {
            continue;
        };
        if !room.take(due.pages) {
            break;
        }
        claimed.extend(take(db, owner, &id, &header, now)?);
    }
    for fax in claimed
        .iter()
        .chain([first])
        .filter(|_| !claimed.is_empty())
    {
        db.prepare_cached("UPDATE attempts SET call = ?2 WHERE id = ?1")?
            .execute(params![fax.attempt, first.attempt])?;
        // Who stood far behind must not count as the turn that is being served.
        db.prepare_cached(
            "UPDATE faxes SET turn = min(turn, (SELECT turn FROM faxes WHERE id = ?2)) WHERE id = ?1",
        )?
        .execute(params![fax.id, first.id])?;
    }
    Ok(claimed)
}

/// The faxes that are still in the call that this one is in, or was in last, in their order.
pub(super) fn in_call_with(db: &Connection, fax: &str) -> rusqlite::Result<Vec<String>> {
    db.prepare_cached(
        "SELECT fax FROM attempts WHERE ended_at IS NULL AND (fax = ?1 OR call =
             (SELECT call FROM attempts WHERE fax = ?1 ORDER BY id DESC LIMIT 1)) ORDER BY id",
    )?
    .query_map([fax], |row| row.get(0))?
    .collect()
}

/// Whether the call of this fax cannot have come to it: a fax before it is not through, and nothing of its own is. One
/// that was left out before the call began, for want of its pages, was not before it.
pub(super) fn has_not_begun(db: &Connection, fax: &str) -> rusqlite::Result<bool> {
    db.prepare_cached(
        "SELECT 1 FROM attempts a JOIN faxes f ON f.id = a.fax
         WHERE a.fax = ?1 AND a.ended_at IS NULL AND a.pages = 0 AND f.leaving = 0
         AND EXISTS (SELECT 1 FROM attempts b JOIN faxes g ON g.id = b.fax JOIN documents d ON d.id = g.document
                     WHERE b.call = a.call AND b.id < a.id AND g.confirmed < d.page_count + ifnull(g.cover, 0)
                     AND (b.ended_at IS NULL OR b.id = b.call OR b.sip_code IS NOT NULL OR b.pages > 0 OR b.seconds > 0))",
    )?
    .exists([fax])
}

/// Back into the line, where it stood; its attempt was none.
pub(super) fn put_back(db: &Connection, fax: &str, now: Millis) -> rusqlite::Result<()> {
    let (in_call, cancelling): (bool, bool) = db
        .prepare_cached("SELECT state = 'calling', cancelling FROM faxes WHERE id = ?1")?
        .query_row([fax], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if !in_call {
        // A commit may have reached the disk and been reported as failed.
        return Ok(());
    }
    db.prepare_cached("DELETE FROM attempts WHERE fax = ?1 AND ended_at IS NULL")?
        .execute([fax])?;
    if cancelling {
        return finish(db, fax, Final::Cancelled, Some(Outcome::Cancelled), "", now);
    }
    // It was due when it was claimed; if the clock was set back since, the time that its sender asked for comes again.
    db.prepare_cached(
        "UPDATE faxes SET state = 'ready', turn = iif(held OR not_before > ?2, NULL, turn), leaving = 0, owner = NULL,
                lease_until = NULL, next_try_at = max(min(next_try_at, ?2), ifnull(not_before, 0))
         WHERE id = ?1",
    )?
    .execute(params![fax, now.0])?;
    Ok(())
}
