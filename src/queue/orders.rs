//! What people order about faxes: cancel, hold, release, retry, move. All of it is a change of rows, so that a command
//! beside the daemon gives it while the daemon runs.

use rusqlite::{Connection, OptionalExtension, params};

use super::settle::{Final, finish};
use super::{Millis, Result, Store};
use crate::call::outcome::Outcome;

/// What became of an order about one fax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ordered {
    /// Done.
    Done,
    /// It is in a call, which is not touched by this order, or ends soon by it.
    InCall,
    /// It was so before.
    Already,
    /// It is over; its state.
    Over(String),
    /// There is no such fax.
    Unknown,
}

impl Store {
    /// Asks for a fax to be cancelled: at once where it waits, by its call where it is in one.
    ///
    /// # Errors
    /// As the database says.
    pub async fn cancel(&self, fax: &str, now: Millis) -> Result<Ordered> {
        self.order(fax, move |db, fax, row| {
            db.prepare_cached("UPDATE faxes SET cancelling = 1 WHERE id = ?1")?
                .execute([fax])?;
            if row.state != "calling" {
                let cancelled = Some(Outcome::Cancelled);
                finish(db, fax, Final::Cancelled, cancelled, "", now)?;
            }
            Ok(row.done_or_in_call())
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

    /// Holds a fax back until it is released; a call it is in goes on.
    ///
    /// # Errors
    /// As the database says.
    pub async fn hold(&self, fax: &str) -> Result<Ordered> {
        self.order(fax, |db, fax, row| {
            if row.held {
                return Ok(Ordered::Already);
            }
            let in_line = "UPDATE faxes SET held = 1, turn = iif(state = 'calling', turn, NULL) WHERE id = ?1";
            db.prepare_cached(in_line)?.execute([fax])?;
            Ok(row.done_or_in_call())
        })
        .await
    }

    /// Lets a fax go that was held; the time until it is given up begins anew.
    ///
    /// # Errors
    /// As the database says.
    pub async fn let_go(&self, fax: &str, now: Millis) -> Result<Ordered> {
        self.order(fax, move |db, fax, row| {
            if !row.held {
                return Ok(Ordered::Already);
            }
            let release = "UPDATE faxes SET held = 0,
                                  give_up_from = iif(state = 'rendering', NULL, max(?2, next_try_at)) WHERE id = ?1";
            db.prepare_cached(release)?.execute(params![fax, now.0])?;
            Ok(Ordered::Done)
        })
        .await
    }

    /// Has a fax that waits tried at once, whatever it waited for, its number's rest included; and the pages that are
    /// still being made go on as before. The time until it is given up begins anew. One that is over stays over: its sender has been told.
    ///
    /// # Errors
    /// As the database says.
    pub async fn retry_now(&self, fax: &str, now: Millis) -> Result<Ordered> {
        self.order(fax, move |db, fax, row| {
            if row.state == "calling" {
                return Ok(Ordered::InCall);
            }
            let due =
                "UPDATE faxes SET next_try_at = ?2, give_up_from = NULL, held = 0, not_before = NULL WHERE id = ?1";
            db.prepare_cached(due)?.execute(params![fax, now.0])?;
            let rest = "DELETE FROM rests WHERE number = (SELECT number FROM faxes WHERE id = ?1)";
            db.prepare_cached(rest)?.execute([fax])?;
            Ok(Ordered::Done)
        })
        .await
    }

    /// Binds a fax to one trunk, or, with none, frees it again; a call it is in goes on where it is.
    ///
    /// # Errors
    /// As the database says.
    pub async fn move_to(&self, fax: &str, trunk: Option<&str>) -> Result<Ordered> {
        let trunk = trunk.map(str::to_owned);
        self.order(fax, move |db, fax, row| {
            if row.trunk == trunk {
                return Ok(Ordered::Already);
            }
            let bind = "UPDATE faxes SET trunk = ?2 WHERE id = ?1";
            db.prepare_cached(bind)?.execute(params![fax, trunk])?;
            Ok(row.done_or_in_call())
        })
        .await
    }

    /// Has a mail that its next hop refused, or has not taken yet, tried at once. False: there is none that waits.
    ///
    /// # Errors
    /// As the database says.
    pub async fn retry_mails_about(&self, subject_of: &str, now: Millis) -> Result<usize> {
        let subject_of = subject_of.to_owned();
        self.write(move |db| {
            db.execute(
                "UPDATE outgoing SET state = 'waiting', next_try_at = ?2, ended_at = NULL
                 WHERE subject_of = ?1 AND state IN ('waiting', 'failed')",
                params![subject_of, now.0],
            )
        })
        .await
    }

    /// Does something to a fax that is not over.
    async fn order<F>(&self, fax: &str, change: F) -> Result<Ordered>
    where
        F: FnOnce(&Connection, &str, &Standing) -> rusqlite::Result<Ordered> + Send + 'static,
    {
        let fax = fax.to_owned();
        self.write(move |db| match standing(db, &fax)? {
            None => Ok(Ordered::Unknown),
            Some(row) if row.is_over => Ok(Ordered::Over(row.state)),
            Some(row) => change(db, &fax, &row),
        })
        .await
    }
}

/// What an order has to know of a fax.
struct Standing {
    state: String,
    is_over: bool,
    held: bool,
    trunk: Option<String>,
}

impl Standing {
    fn done_or_in_call(&self) -> Ordered {
        match self.state.as_str() {
            "calling" => Ordered::InCall,
            _ => Ordered::Done,
        }
    }
}

fn standing(db: &Connection, fax: &str) -> rusqlite::Result<Option<Standing>> {
    let look = "SELECT state, ended_at IS NOT NULL, held, trunk FROM faxes WHERE id = ?1";
    db.prepare_cached(look)?
        .query_row([fax], |row| {
            Ok(Standing {
                state: row.get(0)?,
                is_over: row.get(1)?,
                held: row.get(2)?,
                trunk: row.get(3)?,
            })
        })
        .optional()
}
