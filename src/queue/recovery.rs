//! What becomes of work whose owner will not end it, and of what a clock that jumped has put off.

use rusqlite::{Connection, OptionalExtension, params};

use super::beside::{has_not_begun, in_call_with, put_back};
use super::settle::{End, Final, finish, settle, standing};
use super::{Claim, Millis, Result, Store, call_files, clock, rests, usage};
use crate::call::outcome::{CallReport, Outcome};
use crate::call::retry::Policy;

impl Store {
    /// When the next document, fax or mail falls due after `now`, if any does. What a clock that ran ahead has put off
    /// for longer than any delay there is waits for that delay; what is over by then is ended.
    ///
    /// # Errors
    /// As the database says.
    pub async fn next_due(&self, policy: &Policy, now: Millis) -> Result<Option<Millis>> {
        let (longest, give_up) = (policy.rules.longest_delay(), policy.give_up_seconds);
        // A damaged store dials nothing; that is not held against the faxes.
        let may_dial = self.damage().is_none();
        self.write(move |db| {
            bring_back(db, longest, now)?;
            end_overdue(db, now)?;
            if may_dial {
                end_given_up(db, give_up, now)?;
            }
            db.prepare_cached(
                "SELECT min(at) FROM (
                     SELECT min(next_try_at) AS at FROM documents WHERE state = 'waiting' AND next_try_at > ?1
                     UNION ALL SELECT min(next_try_at) FROM faxes
                         WHERE state = 'ready' AND turn IS NULL AND held = 0 AND next_try_at > ?1
                     UNION ALL SELECT min(until) FROM rests WHERE until > ?1
                     UNION ALL SELECT min(give_up_at) FROM faxes WHERE give_up_at > ?1 AND ended_at IS NULL
                     UNION ALL SELECT ?2 + min(ifnull(give_up_from, next_try_at)) FROM faxes
                         INDEXED BY faxes_by_give_up_from
                         WHERE state = 'ready' AND held = 0 AND give_up_at IS NULL
                               AND ifnull(give_up_from, next_try_at) > ?1 - ?2
                     UNION ALL SELECT min(next_try_at) FROM outgoing WHERE state = 'waiting' AND next_try_at > ?1)",
            )?
            .query_row(params![now.0, Millis(0).plus_seconds(give_up).0], |row| {
                Ok(row.get::<_, Option<i64>>(0)?.map(Millis))
            })
        })
        .await
    }

    /// Gives one claim its honest end whose owner will not: [`Store::recover`] for a task that panicked.
    ///
    /// # Errors
    /// As the database says.
    pub async fn release(&self, claim: Claim, policy: &Policy, now: Millis) -> Result<()> {
        let policy = policy.clone();
        let said = match &claim {
            // Its process was killed with the task, and may have known more.
            Claim::Fax(id) => self.calls_left_behind(Some(id.clone())).await?,
            _ => Vec::new(),
        };
        let said = self.write(move |db| {
            call_files::take_in(db, &said)?;
            release(db, claim, &policy, now).map(|()| said)
        });
        call_files::remove(said.await?).await;
        Ok(())
    }

    /// Gives every claim of a dead owner its honest end. Called once, with the lock held, before anything is claimed.
    ///
    /// A fax whose pages are all confirmed is delivered; one whose last page was leaving is uncertain; one that the call
    /// it shared had not come to was never in it; any other goes on behind its last confirmed page. Calls that the dead
    /// owner left behind are waited for, and what they confirmed counts. Returns how many claims were found.
    ///
    /// # Errors
    /// As the database says.
    pub async fn recover(&self, policy: &Policy, now: Millis) -> Result<usize> {
        let policy = policy.clone();
        let said = self.calls_left_behind(None).await?;
        let recovered = self.write(move |db| {
            call_files::take_in(db, &said)?;
            // Nothing could be dialled while there was no daemon.
            clock::grace(db, policy.give_up_seconds, now)?;
            let documents = recover_documents(db, now)?;
            let mails = give_back(db, "outgoing", "sending", None)?;
            let faxes = recover_faxes(db, &policy, now)?;
            bring_back(db, policy.rules.longest_delay(), now)?;
            rests::forget(db, now)?;
            let received = super::received::recover(db, now)?;
            Ok((documents + mails + faxes + received, said))
        });
        let (claims, said) = recovered.await?;
        call_files::remove(said).await;
        Ok(claims)
    }
}

/// Seconds before work is tried again in which a task of ours panicked.
const AFTER_PANIC: u64 = 60;

/// Gives one claim its honest end.
fn release(db: &Connection, claim: Claim, policy: &Policy, now: Millis) -> rusqlite::Result<()> {
    match claim {
        Claim::Document(id) => {
            let later = now.plus_seconds(AFTER_PANIC);
            // A panic is our bug, and not a death of the daemon that the document may have brought about.
            let uncount = "UPDATE documents SET tries = max(tries - 1, 0) WHERE id = ?1 AND state = 'rendering'";
            db.execute(uncount, [&id])?;
            give_back(db, "documents", "rendering", Some((&id, later))).map(drop)
        }
        Claim::Mail(id) => {
            let later = now.plus_seconds(AFTER_PANIC);
            give_back(db, "outgoing", "sending", Some((&id, later))).map(drop)
        }
        Claim::Fax(id) => release_faxes(db, in_call_with(db, &id)?, policy, now),
        Claim::Received(id) => super::received::release(db, &id, now),
    }
}

/// Lets one claimed document or mail wait until then, or all of them wait as before.
fn give_back(
    db: &Connection,
    table: &str,
    claimed: &str,
    one: Option<(&str, Millis)>,
) -> rusqlite::Result<usize> {
    let (id, not_before) = one.unwrap_or(("", Millis(0)));
    db.execute(
        &format!(
            "UPDATE {table} SET state = 'waiting', owner = NULL, lease_until = NULL,
                    next_try_at = max(next_try_at, ?3)
             WHERE state = ?1 AND ?2 IN (id, '')"
        ),
        params![claimed, id, not_before.0],
    )
}

/// Seconds before a document is rendered again in whose 3rd, 4th, ... rendering the daemon died; the last one repeats. Whether
/// it was the cause is not known: so the others go first, and until it is given up (`mail_to_fax::render`) an hour passes.
const AFTER_DEATHS: [u64; 7] = [10, 30, 60, 120, 300, 600, 900];

/// Lets the documents wait in whose rendering the daemon died.
fn recover_documents(db: &Connection, now: Millis) -> rusqlite::Result<usize> {
    let claimed: Vec<(String, usize)> = db
        .prepare("SELECT id, tries FROM documents WHERE state = 'rendering'")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (id, deaths) in &claimed {
        let pause = deaths
            .checked_sub(3)
            .map_or(0, |n| AFTER_DEATHS[n.min(AFTER_DEATHS.len() - 1)]);
        let later = now.plus_seconds(pause);
        give_back(db, "documents", "rendering", Some((id, later)))?;
    }
    Ok(claimed.len())
}

fn recover_faxes(db: &Connection, policy: &Policy, now: Millis) -> rusqlite::Result<usize> {
    let calling: Vec<String> = db
        .prepare("SELECT id FROM faxes WHERE state = 'calling'")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let count = calling.len();
    release_faxes(db, calling, policy, now)?;
    Ok(count)
}

/// Ends the attempts of faxes that nobody looks after any more; those that are in no call have been settled. Those that
/// the call they shared had not come to go back into the line.
fn release_faxes(
    db: &Connection,
    faxes: Vec<String>,
    policy: &Policy,
    now: Millis,
) -> rusqlite::Result<()> {
    let mut begun = Vec::new();
    // How far a call had come is told by all of its faxes: none is ended before that is known of each.
    for fax in faxes {
        let calling = "SELECT 1 FROM faxes WHERE id = ?1 AND state = 'calling'";
        if db.prepare_cached(calling)?.exists([&fax])? {
            let has_begun = !has_not_begun(db, &fax)?;
            begun.push((fax, has_begun));
        }
    }
    for (fax, has_begun) in begun {
        match has_begun {
            true => release_fax(db, &fax, policy, now)?,
            false => put_back(db, &fax, now)?,
        }
    }
    Ok(())
}

/// Ends the attempt of a fax by what is on disk of it.
fn release_fax(db: &Connection, fax: &str, policy: &Policy, now: Millis) -> rusqlite::Result<()> {
    let standing = standing(db, fax)?;
    let outcome = match (standing.confirmed >= standing.page_count, standing.leaving) {
        (true, _) => Outcome::Delivered,
        (false, true) => Outcome::Uncertain,
        (false, false) => Outcome::GatewayStopped,
    };
    let answered = end_attempt(db, fax, outcome, standing.leaving, policy, now)?;
    let end = End {
        outcome,
        detail: super::CUT_OFF,
        answered,
        // Whether or not it was answered: a daemon that dies in every call must not dial for ever.
        counts: true,
        unsent: false,
    };
    settle(db, &standing, &end, policy, now).map(drop)
}

/// Seconds by which a call may have gone on behind the last note of its length (`Store::call_so_far`), and a little for
/// the child's DCN.
const UNNOTED: f64 = 30.0;

/// Ends the open attempt of a fax, and counts it on the day it began: the most that it can have lasted, for a day's
/// limits are there for the bill. Whether somebody answered it for certain.
fn end_attempt(
    db: &Connection,
    fax: &str,
    outcome: Outcome,
    leaving: bool,
    policy: &Policy,
    now: Millis,
) -> rusqlite::Result<bool> {
    let look = "SELECT id, started_at, trunk, seconds, ifnull(sip_code, 0) = 200 OR pages > 0 FROM attempts
                WHERE fax = ?1 AND ended_at IS NULL";
    let open = db.prepare_cached(look)?.query_row([fax], |row| {
        let started_at: i64 = row.get(1)?;
        let trunk: String = row.get(2)?;
        Ok((
            row.get::<_, i64>(0)?,
            started_at,
            trunk,
            row.get::<_, f64>(3)?,
            row.get::<_, bool>(4)?,
        ))
    });
    let Some((attempt, started_at, trunk, noted, answered)) = open.optional()? else {
        return Ok(leaving);
    };
    let answered = answered || leaving;
    let most = (now.0 - started_at).max(0) as f64 / 1000.0;
    let seconds = match answered {
        true => (noted + UNNOTED).min(most).max(noted),
        false => 0.0,
    };
    db.execute(
        "UPDATE attempts SET ended_at = ?2, outcome = ?3, detail = ?4, seconds = ?5 WHERE id = ?1",
        params![attempt, now.0, outcome.name(), super::CUT_OFF, seconds],
    )?;
    let call = CallReport {
        seconds,
        trunk,
        ..CallReport::never_placed(outcome, String::new())
    };
    usage::ended(db, &policy.day(started_at), fax, attempt, &call)?;
    Ok(answered)
}

/// No delay of documents and of the post is longer than this, seconds.
const LONGEST_OF_OURS: u64 = 3600;

/// What a clock that ran ahead has put off: our own work is due now, a delay after a call lasts for `longest` seconds at
/// most, and what was asked to leave at a time keeps it.
fn bring_back(db: &Connection, longest: u64, now: Millis) -> rusqlite::Result<()> {
    let ours = now.plus_seconds(LONGEST_OF_OURS).0;
    for update in [
        "UPDATE documents SET next_try_at = ?1 WHERE state = 'waiting' AND next_try_at > ?2",
        "UPDATE outgoing SET next_try_at = ?1 WHERE state = 'waiting' AND next_try_at > ?2",
    ] {
        db.prepare_cached(update)?.execute([now.0, ours])?;
    }
    let latest = now.plus_seconds(longest).0;
    for update in [
        // One that was never dialled waits for no delay.
        "UPDATE faxes SET next_try_at = max(iif(outcome IS NULL, ?1, ?2), ifnull(not_before, 0))
         WHERE state = 'ready' AND next_try_at > ?2 AND next_try_at > ifnull(not_before, 0)",
        "UPDATE faxes SET give_up_from = ?1
         WHERE state = 'ready' AND give_up_from > max(?2, ifnull(not_before, 0))
               AND held = 0 AND give_up_at IS NULL AND ifnull(give_up_from, next_try_at) > ?2",
        "UPDATE rests SET until = ?2 WHERE until > ?2 AND ?1",
    ] {
        db.prepare_cached(update)?.execute([now.0, latest])?;
    }
    Ok(())
}

/// What its sender wanted to have been sent by now, and what is not, has failed; a call is not cut off for it.
pub(super) fn end_overdue(db: &Connection, now: Millis) -> rusqlite::Result<()> {
    fail(
        db,
        "SELECT id, outcome, detail FROM faxes INDEXED BY faxes_to_give_up
         WHERE give_up_at <= ?1 AND ended_at IS NULL AND state IN ('rendering', 'ready')",
        now,
        now,
    )
}

/// What could be dialled for as long as the site tries, and is not through, has failed: it waited for a trunk, for a
/// channel, for its account's limits. What is held or waits for hours does not get older meanwhile.
fn end_given_up(db: &Connection, give_up_seconds: u64, now: Millis) -> rusqlite::Result<()> {
    let since = Millis(
        now.0
            .saturating_sub(Millis(0).plus_seconds(give_up_seconds).0),
    );
    fail(
        db,
        "SELECT id, outcome, iif(outcome IS NULL, 'no call could be placed for it', detail)
         FROM faxes INDEXED BY faxes_by_give_up_from
         WHERE state = 'ready' AND held = 0 AND give_up_at IS NULL AND ifnull(give_up_from, next_try_at) <= ?1",
        since,
        now,
    )
}

/// Ends the faxes of a query, which looks for those of before `until`.
fn fail(db: &Connection, query: &str, until: Millis, now: Millis) -> rusqlite::Result<()> {
    let late: Vec<(String, Option<String>, String)> = db
        .prepare_cached(query)?
        .query_map([until.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (fax, outcome, detail) in late {
        // The last cause says more than that the time is over.
        let outcome = outcome.as_deref().and_then(Outcome::from_name);
        let outcome = Some(outcome.unwrap_or(Outcome::Expired));
        finish(db, &fax, Final::Failed, outcome, &detail, now)?;
    }
    Ok(())
}
