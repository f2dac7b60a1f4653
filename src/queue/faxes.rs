//! Faxes to send: claimed, attempted, confirmed page by page. How an attempt ends is told in settle.rs.

use rusqlite::{Connection, OptionalExtension, params};

use super::line::{self, Choice};
use super::{LEASE_SECONDS, Millis, Result, Store, recovery, usage};

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
    /// The only trunk it may take.
    pub only_trunk: Option<String>,
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
    /// Whose limits it counts against.
    pub account: String,
    /// The header line of this attempt, as it was chosen in [`Store::claim_fax`].
    pub header: String,
    /// No call for it may begin from then on: its sender said so.
    pub give_up_at: Option<Millis>,
}

impl ClaimedFax {
    /// Whether the time that its sender gave it is over.
    pub fn is_too_late(&self, now: Millis) -> bool {
        self.give_up_at.is_some_and(|end| end <= now)
    }
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
    /// The address to which the mail went, as its sender wrote it.
    pub recipient: String,
    /// The sub-address to send with it (T.33).
    pub sub_address: Option<String>,
    /// Pages that are left of it, its cover counted.
    pub pages: u32,
    /// Whose limits it counts against.
    pub account: String,
    /// The only trunk it may take.
    pub trunk: Option<String>,
    /// Pages confirmed by earlier attempts, and when the last of these ended.
    pub confirmed: Option<(u32, Millis)>,
    /// Calls of its account now, one that several faxes share counted once; `None`: nobody has asked for them to be
    /// counted ([`Choice::CountCalls`]).
    pub in_calls: Option<u32>,
    /// What its account has used today.
    pub used: usage::Used,
}

/// What is known of a call that goes on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallSoFar {
    /// The name of the trunk; empty where it goes over none.
    pub trunk: String,
    /// Where its INVITE went.
    pub target: String,
    /// Seconds of it that are this fax's, from answer on; `None`: nobody has answered.
    pub seconds: Option<f64>,
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

impl Store {
    /// Claims the first fax in line whose number is free, and for which `choose` has a place: what it gives comes back
    /// with the fax, whose attempt begins with the header line it says. `day` is today, for the limits of accounts.
    ///
    /// # Errors
    /// As the database says.
    pub async fn claim_fax<Place: Send + 'static>(
        &self,
        choose: impl FnMut(&DueFax) -> Choice<Place> + Send + 'static,
        day: String,
        now: Millis,
    ) -> Result<Option<(ClaimedFax, Place)>> {
        let owner = self.owner();
        let mut choose = Some(choose);
        loop {
            let (owner, day) = (owner.clone(), day.clone());
            let ours = choose.take().expect("it came back");
            // Nobody is chosen before all are in line whose time has come: the most urgent may be the last of them.
            let claimed = self.write(move |db| match line::line_up(db, now)? {
                true => Ok(Err(ours)),
                false => claim(db, &owner, ours, &day, now).map(Ok),
            });
            match claimed.await? {
                Ok(claimed) => return Ok(claimed),
                Err(back) => choose = Some(back),
            }
        }
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

    /// Where the call of an attempt went and how long it has lasted, should nobody live to write down how it ended.
    ///
    /// # Errors
    /// As the database says.
    pub async fn call_so_far(&self, attempt: i64, so_far: CallSoFar) -> Result<()> {
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE attempts SET trunk = ?2, target = ?3, seconds = ifnull(?4, 0), sip_code = iif(?4 IS NULL, NULL, 200)
                 WHERE id = ?1 AND ended_at IS NULL",
            )?
            .execute(params![attempt, so_far.trunk, so_far.target, so_far.seconds])?;
            Ok(())
        })
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
}

fn claim<Place>(
    db: &Connection,
    owner: &str,
    choose: impl FnMut(&DueFax) -> Choice<Place>,
    day: &str,
    now: Millis,
) -> rusqlite::Result<Option<(ClaimedFax, Place)>> {
    // What is over is not dialled, whatever has been looked at since.
    recovery::end_overdue(db, now)?;
    let Some((id, header, place)) = line::next(db, choose, day, now)? else {
        return Ok(None);
    };
    let Some(fax) = take(db, owner, &id, &header, now)? else {
        return Ok(None);
    };
    usage::began(db, day, &fax.account)?;
    Ok(Some((fax, place)))
}

/// Claims this fax, unless the time that its sender gave it is over, and writes down that its attempt begins.
pub(super) fn take(
    db: &Connection,
    owner: &str,
    id: &str,
    header: &str,
    now: Millis,
) -> rusqlite::Result<Option<ClaimedFax>> {
    let found = db
        .prepare_cached(
            "UPDATE faxes SET state = 'calling', owner = ?1, lease_until = ?2, leaving = 0,
                        give_up_from = iif(EXISTS (SELECT 1 FROM attempts a WHERE a.fax = faxes.id),
                                           ifnull(give_up_from, ?4), ?4)
                 WHERE id = ?3 AND (give_up_at IS NULL OR give_up_at > ?4)
                 RETURNING id, number, confirmed,
                           (SELECT pages_key FROM documents d WHERE d.id = document),
                           (SELECT page_count FROM documents d WHERE d.id = document) + ifnull(cover, 0), sub_address,
                           ifnull((SELECT trunk FROM attempts a WHERE a.fax = faxes.id ORDER BY a.id DESC LIMIT 1), ''),
                           recipient, (SELECT sender FROM messages m WHERE m.id = message), ifnull(cover, 0), cover_key, account,
                           trunk, give_up_at"
        )?
        .query_row(
            params![owner, now.plus_seconds(LEASE_SECONDS).0, id, now.0],
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
                    account: row.get(11)?,
                    only_trunk: row.get(12)?,
                    header: header.to_owned(),
                    give_up_at: row.get::<_, Option<i64>>(13)?.map(Millis),
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
    Ok(Some(fax))
}

/// Notes that `pages` of this attempt are confirmed, if that is news.
pub(super) fn confirm(
    db: &Connection,
    fax: &str,
    attempt: i64,
    pages: u32,
) -> rusqlite::Result<()> {
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
