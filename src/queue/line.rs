//! The line in which faxes wait for a call: by priority, and within it by turns between accounts.
//!
//! A fax whose time has come gets a turn: one behind the last turn of its account, but not before the turn that is
//! being served (start-time fair queuing). So an account that comes with five thousand faxes takes five thousand turns,
//! and one that comes with a single fax then is served next. The turn is a column with an index: the next fax is found
//! without a look at those behind it.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, params};

use super::faxes::DueFax;
use super::{Millis, usage};

/// What is to become of a fax that could be dialled now.
pub enum Choice<Place> {
    /// It is dialled, with this header line, from this place.
    Take(String, Place),
    /// There is no place for it now.
    NotNow,
    /// Its account has what it may have; the others' turn.
    NotThisAccount,
    /// Nobody may be rung there before then.
    NotBefore(Millis),
    /// It depends on the calls of its account, which have to be counted: it is asked again with their number.
    CountCalls,
}

/// Faxes that line up at a time: others get at the store between.
const TOGETHER: usize = 5000;

/// Lets the next ?2 faxes line up whose time has come at ?1.
///
/// Its turn: behind the others of its account, and not before the turn that is being served, which is the latest in a
/// call or, with none, the first in line.
const LINE_UP: &str = "UPDATE faxes SET turn = its.first + its.nth FROM (
    SELECT w.id AS fax,
           row_number() OVER (PARTITION BY w.account, w.priority ORDER BY w.next_try_at, w.id) - 1 AS nth,
           max(ifnull((SELECT max(a.turn) + 1 FROM faxes a INDEXED BY faxes_turns
                       WHERE a.account = w.account AND a.priority = w.priority AND a.turn IS NOT NULL), 0),
               coalesce((SELECT max(c.turn) FROM faxes c WHERE c.state = 'calling' AND c.priority = w.priority),
                        (SELECT min(l.turn) FROM faxes l INDEXED BY faxes_in_line
                         WHERE l.state = 'ready' AND l.turn IS NOT NULL AND l.priority = w.priority), 0)) AS first
    FROM (SELECT id, account, priority, next_try_at FROM faxes INDEXED BY faxes_to_line_up
          WHERE state = 'ready' AND turn IS NULL AND held = 0 AND next_try_at <= ?1
          ORDER BY next_try_at, id LIMIT ?2) w) its
    WHERE id = its.fax";

/// The whole line, in its order.
pub(super) const IN_LINE: &str = "FROM faxes INDEXED BY faxes_in_line
    WHERE state = 'ready' AND turn IS NOT NULL ORDER BY priority DESC, turn, id";

/// Calls of account ?1, one that several faxes share counted once.
const CALLS: &str = "SELECT count(DISTINCT ifnull(a.call, a.id))
    FROM faxes c INDEXED BY faxes_calling JOIN attempts a ON a.fax = c.id AND a.ended_at IS NULL
    WHERE c.state = 'calling' AND c.account = ?1";

/// Whether a fax of ours calls number ?1, or it rests at time ?2.
const IS_BUSY: &str = "SELECT EXISTS (SELECT 1 FROM faxes INDEXED BY faxes_calling WHERE state = 'calling' AND number = ?1)
    OR EXISTS (SELECT 1 FROM rests WHERE number = ?1 AND until > ?2)";

/// Numbers on the way down the line. Each is asked about once, when the first fax to it is met: no list of a thousand
/// calls is made for the sake of the first in line, and a hundred thousand faxes to one busy number are passed over.
struct Numbers<'a> {
    db: &'a Connection,
    now: Millis,
    busy: HashMap<String, bool>,
}

impl Numbers<'_> {
    fn is_busy(&mut self, number: &str) -> rusqlite::Result<bool> {
        if let Some(is_busy) = self.busy.get(number) {
            return Ok(*is_busy);
        }
        let is_busy = self
            .db
            .prepare_cached(IS_BUSY)?
            .query_row(params![number, self.now.0], |row| row.get(0))?;
        self.busy.insert(number.to_owned(), is_busy);
        Ok(is_busy)
    }
}

/// Faxes for which a place is sought at a time: what waits for a full trunk must not hold up the writer for long.
const TRIED: usize = 1000;

/// Lets faxes line up whose time has come; true: more of them have yet to.
pub(super) fn line_up(db: &Connection, now: Millis) -> rusqlite::Result<bool> {
    let mut line_up = db.prepare_cached(LINE_UP)?;
    Ok(line_up.execute(params![now.0, TOGETHER])? == TOGETHER)
}

/// The first fax in line for which there is a place, with its header line. The rows behind it are not read.
pub(super) fn next<Place>(
    db: &Connection,
    mut choose: impl FnMut(&DueFax) -> Choice<Place>,
    day: &str,
    now: Millis,
) -> rusqlite::Result<Option<(String, String, Place)>> {
    let mut line = db.prepare_cached(&format!("SELECT id, account, number {IN_LINE}"))?;
    let mut rows = line.query([])?;
    let mut numbers = Numbers {
        db,
        now,
        busy: HashMap::new(),
    };
    let (mut full, mut later, mut found, mut tried) = (HashSet::new(), Vec::new(), None, 0);
    while let Some(row) = rows.next()? {
        let account = row.get_ref(1)?.as_str()?;
        if full.contains(account) || numbers.is_busy(row.get_ref(2)?.as_str()?)? {
            continue;
        }
        let (id, account): (String, String) = (row.get(0)?, account.to_owned());
        tried += 1;
        match verdict(db, &due(db, &id, day)?, &mut choose)? {
            Choice::Take(header, place) => {
                found = Some((id, header, place));
                break;
            }
            // Who asks for the count twice cannot be helped.
            Choice::NotNow | Choice::CountCalls => {}
            Choice::NotThisAccount => drop(full.insert(account)),
            Choice::NotBefore(at) => later.push((id, at)),
        }
        if tried == TRIED {
            break;
        }
    }
    drop(rows);
    for (id, at) in later {
        put_off(db, &id, at, now)?;
    }
    Ok(found)
}

/// What `choose` says of a fax, its account's calls counted for those who want to know.
fn verdict<Place>(
    db: &Connection,
    due: &DueFax,
    choose: &mut impl FnMut(&DueFax) -> Choice<Place>,
) -> rusqlite::Result<Choice<Place>> {
    let in_calls = match choose(due) {
        Choice::CountCalls => db
            .prepare_cached(CALLS)?
            .query_row([&due.account], |row| row.get(0))?,
        choice => return Ok(choice),
    };
    let counted = DueFax {
        in_calls: Some(in_calls),
        ..due.clone()
    };
    Ok(choose(&counted))
}

/// Out of the line until then. That time does not count until it is given up.
fn put_off(db: &Connection, fax: &str, at: Millis, now: Millis) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE faxes SET turn = NULL, next_try_at = ?2,
                give_up_from = ifnull(give_up_from, next_try_at) + max(?2 - ?3, 0)
         WHERE id = ?1",
    )?
    .execute(params![fax, at.0, now.0])?;
    Ok(())
}

/// A fax that stands in line.
pub(super) fn due(db: &Connection, fax: &str, day: &str) -> rusqlite::Result<DueFax> {
    let mut due = db
        .prepare_cached(
            "SELECT f.number, m.sender, f.account, f.trunk, f.confirmed,
                    (SELECT max(ended_at) FROM attempts a WHERE a.fax = f.id AND a.pages > 0),
                    f.recipient, f.sub_address, d.page_count + ifnull(f.cover, 0) - f.confirmed
             FROM faxes f JOIN messages m ON m.id = f.message JOIN documents d ON d.id = f.document WHERE f.id = ?1",
        )?
        .query_row([fax], |row| {
            let confirmed = row.get::<_, Option<i64>>(5)?.map(Millis);
            let pages: u32 = row.get(4)?;
            Ok(DueFax {
                id: fax.to_owned(),
                number: row.get(0)?,
                sender: row.get(1)?,
                account: row.get(2)?,
                trunk: row.get(3)?,
                confirmed: confirmed.map(|at| (pages, at)),
                in_calls: None,
                recipient: row.get(6)?,
                sub_address: row.get(7)?,
                pages: row.get(8)?,
                used: usage::Used::default(),
            })
        })?;
    due.used = usage::used(db, day, "account", &due.account)?;
    Ok(due)
}
