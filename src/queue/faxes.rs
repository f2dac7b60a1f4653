//! Faxes to send: claimed, attempted, confirmed page by page, settled.

use rusqlite::{Connection, OptionalExtension, params};

use super::retry::{self, Next};
use super::{LEASE_SECONDS, Millis, Result, Store};
use crate::call::outcome::{CallReport, FarEnd, FarSaid, Outcome};

/// A fax that is ours to dial, with its attempt already on disk.
#[derive(Debug, Clone)]
pub struct ClaimedFax {
    /// Its identifier.
    pub id: String,
    /// The attempt that began.
    pub attempt: i64,
    /// What to dial, in canonical form.
    pub number: String,
    /// The address to which the mail went, as its sender wrote it.
    pub recipient: String,
    /// Who sent the mail.
    pub sender: String,
    /// The sub-address to send with it (T.33).
    pub sub_address: Option<String>,
    /// The trunk of the attempt before this one; empty for the first.
    pub last_trunk: String,
    /// Blob key of the TIFF without header lines.
    pub pages_key: String,
    /// Whether a cover page goes before them.
    pub cover: bool,
    /// Blob key of its TIFF, once it is made.
    pub cover_key: Option<String>,
    /// Pages of the whole fax, its cover counted.
    pub page_count: u32,
    /// Pages confirmed by earlier attempts; this one begins behind them.
    pub confirmed: u32,
    /// The header line of this attempt, as it was chosen in [`Store::claim_fax`].
    pub header: String,
}

/// A fax that could be dialled now.
#[derive(Debug, Clone)]
pub struct DueFax {
    /// Its identifier.
    pub id: String,
    /// What to dial, in canonical form.
    pub number: String,
    /// Who sent the mail.
    pub sender: String,
}

/// Work that somebody has claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// A document to render.
    Document(String),
    /// A fax in a call.
    Fax(String),
    /// A call that came in.
    Received(String),
    /// A mail on its way.
    Mail(String),
}

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
struct End<'a> {
    outcome: Outcome,
    detail: &'a str,
    /// Somebody answered: it is on the bill, or may be.
    answered: bool,
}

/// Enough of a fax to decide what follows.
struct Standing {
    id: String,
    confirmed: u32,
    page_count: u32,
    leaving: bool,
    cancelling: bool,
    tries: u32,
    created_at: Millis,
}

impl Store {
    /// Claims the next fax that is due, whose number is not in a call, and for which `choose` has a place: what it
    /// gives comes back with the fax, whose attempt begins with the header line it says.
    ///
    /// # Errors
    /// As the database says.
    pub async fn claim_fax<Place: Send + 'static>(
        &self,
        choose: impl FnMut(&DueFax) -> Option<(String, Place)> + Send + 'static,
        now: Millis,
    ) -> Result<Option<(ClaimedFax, Place)>> {
        let owner = self.owner();
        self.write(move |db| claim(db, &owner, choose, now)).await
    }

    /// Pages confirmed by the far end in this attempt: on disk before anything else is believed.
    ///
    /// # Errors
    /// As the database says.
    pub async fn page_confirmed(&self, fax: &str, attempt: i64, pages: u32) -> Result<()> {
        let fax = fax.to_owned();
        self.write(move |db| confirm(db, &fax, attempt, pages))
            .await
    }

    /// The end of the last page is about to leave: from now on a broken attempt is uncertain.
    ///
    /// # Errors
    /// As the database says; then the page must not leave.
    pub async fn last_page_leaving(&self, fax: &str) -> Result<()> {
        let fax = fax.to_owned();
        self.write(move |db| {
            db.execute("UPDATE faxes SET leaving = 1 WHERE id = ?1", [fax])?;
            Ok(())
        })
        .await
    }

    /// Ends an attempt; decides by the table whether the fax is over, and if so queues its one receipt.
    ///
    /// # Errors
    /// As the database says.
    pub async fn settle_attempt(
        &self,
        fax: &str,
        attempt: i64,
        report: CallReport,
        give_up_seconds: u64,
        now: Millis,
    ) -> Result<Settled> {
        let fax = fax.to_owned();
        self.write(move |db| {
            // A commit may have reached the disk and been reported as failed; then this is the second time.
            if let Some(settled) = settled_before(db, &fax, attempt)? {
                return Ok(settled);
            }
            confirm(db, &fax, attempt, report.pages)?;
            end_attempt(db, attempt, &report, now)?;
            let standing = standing(db, &fax)?;
            let end = End {
                outcome: report.outcome,
                detail: &report.detail,
                // A stop that the admin ordered is not held against the fax.
                answered: report.seconds > 0.0 && report.outcome != Outcome::GatewayStopped,
            };
            settle(db, &standing, &end, give_up_seconds, now)
        })
        .await
    }

    /// Asks for a fax to be cancelled: at once where it waits, by its call where it is in one. False: no such fax, or
    /// it is over.
    ///
    /// # Errors
    /// As the database says.
    pub async fn cancel(&self, fax: &str, now: Millis) -> Result<bool> {
        let fax = fax.to_owned();
        self.write(move |db| {
            let asked = db.execute(
                "UPDATE faxes SET cancelling = 1 WHERE id = ?1 AND ended_at IS NULL",
                [&fax],
            )?;
            let waits = db
                .query_row(
                    "SELECT 1 FROM faxes WHERE id = ?1 AND state IN ('rendering', 'ready')",
                    [&fax],
                    |_| Ok(()),
                )
                .optional()?;
            if waits.is_some() {
                finish(
                    db,
                    &fax,
                    Final::Cancelled,
                    Some(Outcome::Cancelled),
                    "",
                    now,
                )?;
            }
            Ok(asked > 0)
        })
        .await
    }

    /// The faxes in a call that somebody asked to cancel.
    ///
    /// # Errors
    /// As the database says.
    pub async fn cancelling(&self) -> Result<Vec<String>> {
        self.read(|db| {
            db.prepare("SELECT id FROM faxes WHERE state = 'calling' AND cancelling = 1")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
        .await
    }

    /// When the next document, fax or mail falls due after `now`, if any does. What a clock that ran ahead has put off
    /// for longer than any delay there is falls due now.
    ///
    /// # Errors
    /// As the database says.
    pub async fn next_due(&self, now: Millis) -> Result<Option<Millis>> {
        self.write(move |db| {
            bring_back(db, now)?;
            db.prepare_cached(
                "SELECT min(at) FROM (
                     SELECT min(next_try_at) AS at FROM documents WHERE state = 'waiting' AND next_try_at > ?1
                     UNION ALL SELECT min(next_try_at) FROM faxes WHERE state = 'ready' AND next_try_at > ?1
                     UNION ALL SELECT min(next_try_at) FROM outgoing WHERE state = 'waiting' AND next_try_at > ?1)",
            )?
            .query_row([now.0], |row| Ok(row.get::<_, Option<i64>>(0)?.map(Millis)))
        })
        .await
    }

    /// Gives one claim its honest end whose owner will not: [`Store::recover`] for a task that panicked.
    ///
    /// # Errors
    /// As the database says.
    pub async fn release(&self, claim: Claim, give_up_seconds: u64, now: Millis) -> Result<()> {
        self.write(move |db| match claim {
            Claim::Document(id) => {
                let later = now.plus_seconds(AFTER_PANIC);
                give_back(db, "documents", "rendering", Some((&id, later))).map(drop)
            }
            Claim::Mail(id) => {
                let later = now.plus_seconds(AFTER_PANIC);
                give_back(db, "outgoing", "sending", Some((&id, later))).map(drop)
            }
            Claim::Fax(id) => release_fax(db, &id, give_up_seconds, now),
            Claim::Received(id) => super::received::release(db, &id, now),
        })
        .await
    }

    /// Gives every claim of a dead owner its honest end. Called once, with the lock held, before anything is claimed.
    ///
    /// A fax whose pages are all confirmed is delivered; one whose last page was leaving is uncertain; any other goes
    /// on behind its last confirmed page. Returns how many claims were found.
    ///
    /// # Errors
    /// As the database says.
    pub async fn recover(&self, give_up_seconds: u64, now: Millis) -> Result<usize> {
        self.write(move |db| {
            let documents = give_back(db, "documents", "rendering", None)?;
            let mails = give_back(db, "outgoing", "sending", None)?;
            let faxes = recover_faxes(db, give_up_seconds, now)?;
            bring_back(db, now)?;
            let received = super::received::recover(db, now)?;
            Ok(documents + mails + faxes + received)
        })
        .await
    }
}

/// The faxes to dial now, at time ?1: those that wait longest first, for numbers that are in no call of ours.
pub(super) const NEXT: &str = "SELECT id FROM faxes WHERE state = 'ready' AND next_try_at <= ?1
    AND number NOT IN (SELECT number FROM faxes WHERE state = 'calling') ORDER BY next_try_at, id LIMIT 1000";

/// The first due fax for which there is a place. The rows behind it are not read.
fn chosen<Place>(
    db: &Connection,
    mut choose: impl FnMut(&DueFax) -> Option<(String, Place)>,
    now: Millis,
) -> rusqlite::Result<Option<(String, String, Place)>> {
    let mut next = db.prepare_cached(NEXT)?;
    let mut look = db.prepare_cached(
        "SELECT f.number, m.sender FROM faxes f JOIN messages m ON m.id = f.message WHERE f.id = ?1",
    )?;
    let mut rows = next.query([now.0])?;
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let due = look.query_row([&id], |row| {
            Ok(DueFax {
                id: id.clone(),
                number: row.get(0)?,
                sender: row.get(1)?,
            })
        })?;
        if let Some((header, place)) = choose(&due) {
            return Ok(Some((id, header, place)));
        }
    }
    Ok(None)
}

fn claim<Place>(
    db: &Connection,
    owner: &str,
    choose: impl FnMut(&DueFax) -> Option<(String, Place)>,
    now: Millis,
) -> rusqlite::Result<Option<(ClaimedFax, Place)>> {
    let Some((id, header, place)) = chosen(db, choose, now)? else {
        return Ok(None);
    };
    let found = db
        .prepare_cached(
            "UPDATE faxes SET state = 'calling', owner = ?1, lease_until = ?2, leaving = 0
                 WHERE id = ?3
                 RETURNING id, number, confirmed,
                           (SELECT pages_key FROM documents d WHERE d.id = document),
                           (SELECT page_count FROM documents d WHERE d.id = document) + ifnull(cover, 0), sub_address,
                           ifnull((SELECT trunk FROM attempts a WHERE a.fax = faxes.id ORDER BY a.id DESC LIMIT 1), ''),
                           recipient, (SELECT sender FROM messages m WHERE m.id = message), ifnull(cover, 0), cover_key"
        )?
        .query_row(
            params![owner, now.plus_seconds(LEASE_SECONDS).0, id],
            |row| {
                Ok(ClaimedFax {
                    id: row.get(0)?,
                    attempt: 0,
                    number: row.get(1)?,
                    confirmed: row.get(2)?,
                    pages_key: row.get(3)?,
                    page_count: row.get(4)?,
                    sub_address: row.get(5)?,
                    last_trunk: row.get(6)?,
                    recipient: row.get(7)?,
                    sender: row.get(8)?,
                    cover: row.get(9)?,
                    cover_key: row.get(10)?,
                    header: header.clone(),
                })
            },
        )
        .optional()?;
    let Some(mut fax) = found else {
        return Ok(None);
    };
    db.prepare_cached(
        "INSERT INTO attempts (fax, started_at, first_page, header) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![fax.id, now.0, fax.confirmed + 1, header])?;
    fax.attempt = db.last_insert_rowid();
    Ok(Some((fax, place)))
}

/// Notes that `pages` of this attempt are confirmed, if that is news.
fn confirm(db: &Connection, fax: &str, attempt: i64, pages: u32) -> rusqlite::Result<()> {
    let before: u32 = db.query_row(
        "SELECT pages FROM attempts WHERE id = ?1",
        [attempt],
        |row| row.get(0),
    )?;
    if pages > before {
        db.execute(
            "UPDATE attempts SET pages = ?2 WHERE id = ?1",
            params![attempt, pages],
        )?;
        db.execute(
            "UPDATE faxes SET confirmed = confirmed + ?2 WHERE id = ?1",
            params![fax, pages - before],
        )?;
    }
    Ok(())
}

fn end_attempt(
    db: &Connection,
    attempt: i64,
    report: &CallReport,
    now: Millis,
) -> rusqlite::Result<()> {
    let far = &report.far_end;
    db.prepare_cached(
        "UPDATE attempts SET ended_at = ?2, outcome = ?3, detail = ?4, sip_code = ?5, q850 = ?6, far_ident = ?7,
                bit_rate = ?8, ecm = ?9, t38 = ?10, compression = ?11, seconds = ?12, wire_bytes = ?13,
                trunk = ?14, target = ?15, far_said = ?16
         WHERE id = ?1",
    )?
    .execute(params![
        attempt,
        now.0,
        report.outcome.name(),
        report.detail,
        report.sip_code,
        report.q850,
        far.ident,
        far.bit_rate,
        far.ecm,
        far.t38,
        far.compression,
        report.seconds,
        report.wire_bytes,
        report.trunk,
        report.target,
        said_to_json(far)
    ])?;
    Ok(())
}

/// What the far end said of itself, as its column holds it.
pub(super) fn said_to_json(far: &FarEnd) -> Option<String> {
    let said = far.said.as_ref()?;
    Some(serde_json::to_string(said).expect("plain data serialises"))
}

/// What stands in such a column; what a later version wrote there counts as nothing.
pub(super) fn said_from_json(text: Option<String>) -> Option<Box<FarSaid>> {
    serde_json::from_str(&text?).ok()
}

fn standing(db: &Connection, fax: &str) -> rusqlite::Result<Standing> {
    db.prepare_cached(
        "SELECT f.confirmed, d.page_count + ifnull(f.cover, 0), f.leaving, f.cancelling, f.tries, f.created_at
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
            created_at: Millis(row.get(5)?),
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

fn settle(
    db: &Connection,
    fax: &Standing,
    how: &End<'_>,
    give_up_seconds: u64,
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
    // What the far end confirmed outranks how the call ended.
    if fax.confirmed >= fax.page_count {
        return end(Outcome::Delivered, Final::Delivered);
    }
    // Once the end of the last page is out, only the far end knows; it is not asked twice unknowingly.
    if outcome == Outcome::Uncertain || (fax.leaving && leaves_doubt(outcome)) {
        return end(Outcome::Uncertain, Final::Uncertain);
    }
    if fax.cancelling || outcome == Outcome::Cancelled {
        return end(Outcome::Cancelled, Final::Cancelled);
    }
    let tries = fax.tries + u32::from(retry::rule_for(outcome).counts || how.answered);
    let age = (now.0 - fax.created_at.0).max(0) as u64 / 1000;
    match retry::next(
        outcome,
        tries,
        same_in_a_row(db, &fax.id, outcome)?,
        age,
        give_up_seconds,
    ) {
        Next::Final => end(outcome, Final::Failed),
        Next::After(seconds) => {
            let at = now.plus_seconds(u64::from(seconds));
            db.prepare_cached(
                "UPDATE faxes SET state = 'ready', next_try_at = ?2, tries = ?3, outcome = ?4, detail = ?5,
                        leaving = 0, owner = NULL, lease_until = NULL
                 WHERE id = ?1",
            )?
            .execute(params![fax.id, at.0, tries, outcome.name(), how.detail])?;
            Ok(Settled::Again(at))
        }
    }
}

/// Whether a call that ended like this, with the last page's EOP out, may have delivered it all the same.
/// A far end that refused the page (RTN, no agreement on speed) has said that it has not.
fn leaves_doubt(outcome: Outcome) -> bool {
    !matches!(
        outcome,
        Outcome::PageRefused | Outcome::TrainingFailed | Outcome::StorageFailed
    )
}

fn same_in_a_row(db: &Connection, fax: &str, outcome: Outcome) -> rusqlite::Result<u32> {
    db.prepare_cached(
        "SELECT count(*) FROM attempts WHERE fax = ?1 AND id > ifnull(
             (SELECT max(id) FROM attempts WHERE fax = ?1 AND outcome IS NOT ?2 AND ended_at IS NOT NULL), 0)",
    )?
    .query_row(params![fax, outcome.name()], |row| row.get(0))
}

/// The one place where a fax ends, and where its one receipt is born.
fn finish(
    db: &Connection,
    fax: &str,
    end: Final,
    outcome: Option<Outcome>,
    detail: &str,
    now: Millis,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE faxes SET state = ?2, outcome = ?3, detail = ?4, ended_at = ?5, leaving = 0,
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

/// Seconds before work is tried again in which a task of ours panicked.
const AFTER_PANIC: u64 = 60;

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

fn recover_faxes(db: &Connection, give_up_seconds: u64, now: Millis) -> rusqlite::Result<usize> {
    let calling: Vec<String> = db
        .prepare("SELECT id FROM faxes WHERE state = 'calling'")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for fax in &calling {
        release_fax(db, fax, give_up_seconds, now)?;
    }
    Ok(calling.len())
}

/// Ends the attempt of a fax that nobody looks after any more, by what is on disk of it; one that is in no call has
/// been settled.
fn release_fax(
    db: &Connection,
    fax: &str,
    give_up_seconds: u64,
    now: Millis,
) -> rusqlite::Result<()> {
    let calling = "SELECT 1 FROM faxes WHERE id = ?1 AND state = 'calling'";
    if !db.prepare_cached(calling)?.exists([fax])? {
        return Ok(());
    }
    let standing = standing(db, fax)?;
    let outcome = match (standing.confirmed >= standing.page_count, standing.leaving) {
        (true, _) => Outcome::Delivered,
        (false, true) => Outcome::Uncertain,
        (false, false) => Outcome::GatewayStopped,
    };
    db.execute(
        "UPDATE attempts SET ended_at = ?2, outcome = ?3, detail = ?4 WHERE fax = ?1 AND ended_at IS NULL",
        params![fax, now.0, outcome.name(), super::CUT_OFF],
    )?;
    let end = End {
        outcome,
        detail: super::CUT_OFF,
        // Nobody knows; it is counted as if, so that a daemon that dies in every call does not dial for ever.
        answered: true,
    };
    settle(db, &standing, &end, give_up_seconds, now).map(drop)
}

/// No delay is longer than this (retry.rs; the post's own are shorter).
const LONGEST_DELAY: u64 = 3600;

/// What a clock that ran ahead has put off is due now.
fn bring_back(db: &Connection, now: Millis) -> rusqlite::Result<()> {
    for update in [
        "UPDATE documents SET next_try_at = ?1 WHERE state = 'waiting' AND next_try_at > ?2",
        "UPDATE faxes SET next_try_at = ?1 WHERE state = 'ready' AND next_try_at > ?2",
        "UPDATE outgoing SET next_try_at = ?1 WHERE state = 'waiting' AND next_try_at > ?2",
    ] {
        db.prepare_cached(update)?
            .execute([now.0, now.plus_seconds(LONGEST_DELAY).0])?;
    }
    Ok(())
}
