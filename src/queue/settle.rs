//! How an attempt ends, and what that means for its fax: over, with its one receipt, or tried again.

use rusqlite::{Connection, OptionalExtension, params};

use super::faxes::confirm;
use super::report::{self, Row};
use super::{Millis, Result, Store, rests, usage};
use crate::call::outcome::{CallReport, Outcome};
use crate::call::retry::{self, Next, Policy};

/// A final state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Final {
    /// Every page was confirmed.
    Delivered,
    /// Given up.
    Failed,
    /// It may have arrived; nobody can know.
    Uncertain,
    /// Somebody cancelled it.
    Cancelled,
}

impl Final {
    fn from_name(name: &str) -> Option<Final> {
        use Final::*;
        [Delivered, Failed, Uncertain, Cancelled]
            .into_iter()
            .find(|end| end.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Final::Delivered => "delivered",
            Final::Failed => "failed",
            Final::Uncertain => "uncertain",
            Final::Cancelled => "cancelled",
        }
    }
}

/// What a settled attempt means for its fax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Over; a receipt is queued.
    Final(Final),
    /// Tried again then.
    Again(Millis),
}

/// How an attempt ended, as far as it matters for what follows.
pub(super) struct End<'a> {
    pub outcome: Outcome,
    pub detail: &'a str,
    /// Somebody answered: it is on the bill.
    pub answered: bool,
    /// It counts against the fax whatever the outcome is.
    pub counts: bool,
    /// The end of the last page, which was to leave, has not.
    pub unsent: bool,
}

/// Enough of a fax to decide what follows.
pub(super) struct Standing {
    id: String,
    number: String,
    pub confirmed: u32,
    pub page_count: u32,
    pub leaving: bool,
    cancelling: bool,
    tries: u32,
    /// From when the site's time for it counts.
    give_up_from: Millis,
    give_up_at: Option<Millis>,
}

impl Standing {
    /// Seconds until it is given up.
    fn left(&self, policy: &Policy, now: Millis) -> u64 {
        let end = self
            .give_up_at
            .unwrap_or(self.give_up_from.plus_seconds(policy.give_up_seconds));
        u64::try_from(end.0 - now.0).unwrap_or(0) / 1000
    }
}

impl Store {
    /// Ends an attempt; decides by the table whether the fax is over, and if so queues its one receipt. `day` is today,
    /// for the limits of accounts and trunks.
    ///
    /// # Errors
    /// As the database says.
    pub async fn settle_attempt(
        &self,
        fax: &str,
        attempt: i64,
        report: CallReport,
        policy: &Policy,
        now: Millis,
    ) -> Result<Settled> {
        let (fax, policy) = (fax.to_owned(), policy.clone());
        self.write(move |db| {
            // A commit may have reached the disk and been reported as failed; then this is the second time.
            if let Some(settled) = settled_before(db, &fax, attempt)? {
                return Ok(settled);
            }
            confirm(db, &fax, attempt, report.pages)?;
            report::ended(db, &Row::Attempt(attempt), &report, now)?;
            usage::ended(db, &policy.day(now.0), &fax, attempt, &report)?;
            let standing = standing(db, &fax)?;
            // A stop that the admin ordered is not held against the fax.
            let answered = report.seconds > 0.0 && report.outcome != Outcome::GatewayStopped;
            let end = End {
                outcome: report.outcome,
                detail: &report.detail,
                answered,
                counts: answered,
                unsent: report.unsent,
            };
            settle(db, &standing, &end, &policy, now)
        })
        .await
    }

    /// So many octets went over the wire for an attempt that was settled while its call went on.
    ///
    /// # Errors
    /// As the database says.
    pub async fn attempt_took(&self, attempt: i64, wire_bytes: u64) -> Result<()> {
        self.write(move |db| {
            db.prepare_cached("UPDATE attempts SET wire_bytes = ?2 WHERE id = ?1")?
                .execute(params![attempt, wire_bytes])?;
            Ok(())
        })
        .await
    }
}

pub(super) fn standing(db: &Connection, fax: &str) -> rusqlite::Result<Standing> {
    db.prepare_cached(
        "SELECT f.confirmed, d.page_count + ifnull(f.cover, 0), f.leaving, f.cancelling, f.tries,
                ifnull(f.give_up_from, f.next_try_at),
                f.give_up_at, f.number
         FROM faxes f JOIN documents d ON d.id = f.document WHERE f.id = ?1",
    )?
    .query_row([fax], |row| {
        Ok(Standing {
            id: fax.to_owned(),
            confirmed: row.get(0)?,
            page_count: row.get(1)?,
            leaving: row.get(2)?,
            cancelling: row.get(3)?,
            tries: row.get(4)?,
            give_up_from: Millis(row.get(5)?),
            give_up_at: row.get::<_, Option<i64>>(6)?.map(Millis),
            number: row.get(7)?,
        })
    })
}

/// What was decided when this attempt ended, if it has.
fn settled_before(db: &Connection, fax: &str, attempt: i64) -> rusqlite::Result<Option<Settled>> {
    db.query_row(
        "SELECT f.state, f.next_try_at FROM faxes f JOIN attempts a ON a.fax = f.id
         WHERE f.id = ?1 AND a.id = ?2 AND a.ended_at IS NOT NULL",
        params![fax, attempt],
        |row| {
            let state: String = row.get(0)?;
            Ok(match Final::from_name(&state) {
                Some(end) => Settled::Final(end),
                None => Settled::Again(Millis(row.get(1)?)),
            })
        },
    )
    .optional()
}

pub(super) fn settle(
    db: &Connection,
    fax: &Standing,
    how: &End<'_>,
    policy: &Policy,
    now: Millis,
) -> rusqlite::Result<Settled> {
    let end = |outcome, end| {
        finish(db, &fax.id, end, Some(outcome), how.detail, now).map(|()| Settled::Final(end))
    };
    let outcome = match how.outcome {
        // Whatever is said of the call: pages that were not confirmed were not delivered.
        Outcome::Delivered if fax.confirmed < fax.page_count => Outcome::ProtocolError,
        outcome => outcome,
    };
    let in_a_row = rests::heard(db, &fax.number, outcome, how.answered, policy, now)?;
    // What the far end confirmed outranks how the call ended.
    if fax.confirmed >= fax.page_count {
        return end(Outcome::Delivered, Final::Delivered);
    }
    // Once the end of the last page is out, only the far end knows; it is not asked twice unknowingly. That it was about to
    // leave is on disk, and whether it left is known to the call's process, if it lived to tell.
    let outcome = match fax.leaving && !how.unsent && leaves_doubt(outcome) {
        true => Outcome::Uncertain,
        false => outcome,
    };
    let last_word = match outcome {
        Outcome::Uncertain => Final::Uncertain,
        Outcome::Cancelled => return end(Outcome::Cancelled, Final::Cancelled),
        _ if fax.cancelling => return end(Outcome::Cancelled, Final::Cancelled),
        _ => Final::Failed,
    };
    if fax.cancelling {
        return end(outcome, last_word);
    }
    let tries = fax.tries + u32::from(retry::counts(outcome) || how.counts);
    // What was made of the outcome of the call is counted by all of them.
    let like_this = match outcome == how.outcome && tries < retry::MOST_TRIES {
        true => tries_like_this(db, &fax.id, outcome)?,
        false => tries,
    };
    let same = match in_a_row {
        Some(of_number) => of_number,
        None => same_in_a_row(db, &fax.id, outcome)?,
    };
    match policy.next(outcome, like_this, same, fax.left(policy, now)) {
        Next::Final => end(outcome, last_word),
        Next::After(seconds) => {
            let delay_ends = now.plus_seconds(u64::from(seconds));
            // A time that was asked for is to come once more where the clock was set back in the call.
            let update = "UPDATE faxes SET state = 'ready', next_try_at = max(?2, ifnull(not_before, 0)), tries = ?3,
                                 outcome = ?4, detail = ?5, leaving = 0, turn = NULL, owner = NULL, lease_until = NULL
                          WHERE id = ?1 RETURNING next_try_at";
            let row = params![fax.id, delay_ends.0, tries, outcome.name(), how.detail];
            let mut update = db.prepare_cached(update)?;
            let at = update.query_row(row, |row| row.get(0))?;
            Ok(Settled::Again(Millis(at)))
        }
    }
}

/// Whether a call that ended like this, with the last page's EOP out, may have delivered it all the same.
/// A far end that refused the page (RTN, no agreement on speed) has said that it has not.
fn leaves_doubt(outcome: Outcome) -> bool {
    !matches!(
        outcome,
        Outcome::PageRefused
            | Outcome::TrainingFailed
            | Outcome::StorageFailed
            | Outcome::GatewayStalled
    )
}

/// Attempts that count (see [`retry::counts`]) and ended in this, or in what is the same to the far end.
fn tries_like_this(db: &Connection, fax: &str, outcome: Outcome) -> rusqlite::Result<u32> {
    let (one, other) = retry::counted_together(outcome);
    db.prepare_cached(
        "SELECT count(*) FROM attempts WHERE fax = ?1 AND outcome IN (?2, ?3)
         AND (?4 OR detail = ?5 OR (seconds > 0 AND outcome <> 'gateway_stopped'))",
    )?
    .query_row(
        params![
            fax,
            one.name(),
            other.name(),
            retry::counts(outcome),
            super::CUT_OFF
        ],
        |row| row.get(0),
    )
}

fn same_in_a_row(db: &Connection, fax: &str, outcome: Outcome) -> rusqlite::Result<u32> {
    db.prepare_cached(
        "SELECT count(*) FROM attempts WHERE fax = ?1 AND id > ifnull(
             (SELECT max(id) FROM attempts WHERE fax = ?1 AND outcome IS NOT ?2 AND ended_at IS NOT NULL), 0)",
    )?
    .query_row(params![fax, outcome.name()], |row| row.get(0))
}

/// The one place where a fax ends, and where its one receipt is born, unless its sender asked for none.
pub(super) fn finish(
    db: &Connection,
    fax: &str,
    end: Final,
    outcome: Option<Outcome>,
    detail: &str,
    now: Millis,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE faxes SET state = ?2, outcome = ?3, detail = ?4, ended_at = ?5, leaving = 0, turn = NULL,
                owner = NULL, lease_until = NULL
         WHERE id = ?1",
    )?
    .execute(params![
        fax,
        end.name(),
        outcome.map(Outcome::name),
        detail,
        now.0
    ])?;
    super::outgoing::fax_ended(db, fax, now)
}
